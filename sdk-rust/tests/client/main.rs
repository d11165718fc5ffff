//! The client against a small service on a loopback port, with real challenges, keys and tokens.

mod agent;
mod keys;
mod service;
mod site;
