//! The Botect-compatible API.

mod account;
mod dry_run;
mod events;
pub mod faults;
mod limits;
mod login;
mod malformed;
mod recovery;
mod rules;
mod scoring;
mod server_ingest;
pub mod site;
mod tenants;
mod vectors;
mod verdict;
mod verified;
