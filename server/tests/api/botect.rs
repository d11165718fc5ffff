//! The Botect-compatible API.

mod account;
mod events;
pub mod faults;
mod limits;
mod recovery;
mod scoring;
pub mod site;
mod vectors;
mod verdict;
