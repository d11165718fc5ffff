//! The AgentShield-compatible API.

mod agents;
mod analytics;
mod batch;
mod detect;
mod detections;
mod directories;
mod enforce;
mod errors;
mod event;
mod keys;
mod limits;
mod pixel;
mod pixel_script;
mod pixels;
mod policy;
mod projects;
mod projects_write;
mod receiver;
mod recorded;
mod signatures;
mod signer;
mod site;
mod statuses;
mod tracked;
mod vectors;
mod webhooks;
