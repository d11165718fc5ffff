#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod agentshield;
pub mod botcha;
pub mod botect;
mod client;
pub mod directories;
mod error;
mod inline;
pub mod keys;
mod origins;
mod service;
mod token;

/// The pure core: scoring, classification, challenges, tokens.
pub use quivive_core as core;
/// The HTTP client underneath, for its requests and responses.
pub use reqwest;

pub use client::{Client, ClientBuilder};
pub use error::{Error, Result};
