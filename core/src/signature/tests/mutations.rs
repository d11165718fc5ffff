//! Changed signatures and requests.
