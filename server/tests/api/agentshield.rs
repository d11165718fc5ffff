//! The AgentShield-compatible API.

mod detect;
mod directories;
mod enforce;
mod errors;
mod limits;
mod policy;
mod signatures;
mod signer;
mod site;
mod vectors;
