//! The AgentShield-compatible API.

mod detect;
mod errors;
mod limits;
mod site;
