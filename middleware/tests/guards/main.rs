//! Every case against every adapter, with real keys, tokens and challenges.
#![cfg(all(feature = "actix", feature = "tower"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")]

mod agents;
mod detection;
mod first_party;
mod frameworks;
mod service;
mod signed;
mod visitors;
