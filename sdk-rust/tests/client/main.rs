//! The client against a small service on a loopback port, with real challenges, keys and tokens.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests fail by panicking"
)]

mod agent;
mod keys;
mod service;
mod site;
