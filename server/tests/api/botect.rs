//! The botect family.
