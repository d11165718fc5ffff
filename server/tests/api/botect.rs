//! The Botect-compatible API.

mod account;
mod events;
pub mod faults;
mod limits;
mod recovery;
mod scoring;
mod site;
mod vectors;
mod verdict;
mod verified;
