//! The AgentShield-compatible API.

mod agents;
mod analytics;
mod batch;
mod detect;
mod detections;
mod errors;
mod event;
mod keys;
mod limits;
mod pixel;
mod pixel_script;
mod pixels;
mod projects;
mod projects_write;
mod receiver;
mod recorded;
mod site;
mod tracked;
mod webhooks;
