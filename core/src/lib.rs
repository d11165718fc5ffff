//! Pure logic of Quivive: bot scoring, agent classification, challenges and tokens.
//!
//! No IO, no clock, no randomness, no threads: time, seeds and keys are arguments. Users of Rust install the
//! crate `quivive`, which re-exports this one as `quivive::core`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod agent;
#[cfg(feature = "full")]
pub mod challenge;
#[cfg(feature = "full")]
pub mod crypto;
pub mod decision;
#[cfg(feature = "full")]
pub mod encoding;
pub mod error;
pub mod evidence;
pub mod exports;
#[cfg(feature = "full")]
pub mod first_party;
#[cfg(feature = "full")]
pub mod guard;
pub mod motion;
#[cfg(feature = "full")]
pub mod public_key;
#[cfg(feature = "full")]
pub mod rules;
#[cfg(feature = "full")]
pub mod score;
#[cfg(feature = "full")]
pub mod signature;
mod suggestion;
pub mod time;
#[cfg(feature = "full")]
pub mod token;

pub use error::{Error, ErrorClass, ErrorKind, Result};
pub use time::Timestamp;
