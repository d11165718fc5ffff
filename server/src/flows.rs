//! Sequences that more than one caller needs.

pub mod detection;
pub mod fair_queue;
pub mod scoring;
pub mod tracking;
pub mod webhooks;
