//! The AgentShield-compatible API.

mod batch;
mod detect;
mod errors;
mod event;
mod limits;
mod pixel;
mod pixel_script;
mod pixels;
mod site;
mod tracked;
