//! The Botect-compatible API.

mod account;
mod dry_run;
mod events;
pub mod faults;
mod limits;
mod recovery;
mod rules;
mod scoring;
mod site;
mod vectors;
mod verdict;
