//! Reading a development seed.
