//! The AgentShield-compatible API.

mod detect;
mod errors;
mod keys;
mod limits;
mod projects_write;
mod receiver;
mod site;
mod webhooks;
