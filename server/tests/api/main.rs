//! Every endpoint in process: no port, a clock that is set, randomness that repeats.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by a panic, also in its helpers"
)]

mod admin;
mod agents;
mod agentshield;
mod botcha;
mod botect;
mod connections;
mod console;
mod detect;
mod dns;
mod durability;
mod mail;
mod native;
mod outbound;
mod support;
