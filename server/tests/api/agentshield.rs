//! The AgentShield-compatible API.

mod agents;
mod analytics;
mod detect;
mod detections;
mod errors;
mod keys;
mod limits;
mod projects;
mod projects_write;
mod receiver;
mod recorded;
mod site;
mod webhooks;
