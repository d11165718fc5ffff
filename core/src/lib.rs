//! Pure logic of Quivive: bot scoring, agent classification, challenges and tokens.
//!
//! No IO, no clock, no randomness, no threads: time, seeds and keys are arguments. Users of Rust install the
//! crate `quivive`, which re-exports this one as `quivive::core`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod agent;
pub mod challenge;
pub mod crypto;
pub mod decision;
pub mod encoding;
pub mod error;
pub mod evidence;
pub mod exports;
pub mod first_party;
pub mod guard;
pub mod motion;
pub mod public_key;
pub mod rules;
pub mod score;
pub mod signature;
pub mod time;
pub mod token;

pub use error::{Error, ErrorClass, ErrorKind, Result};
pub use time::Timestamp;
