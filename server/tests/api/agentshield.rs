//! The AgentShield-compatible API.

mod agents;
mod analytics;
mod detect;
mod detections;
mod errors;
mod limits;
mod projects;
mod recorded;
mod site;
