//! Every case against every adapter, with real keys, tokens and challenges.
#![cfg(all(feature = "actix", feature = "tower"))]

mod agents;
mod frameworks;
mod service;
mod visitors;
