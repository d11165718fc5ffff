//! Quivive for the web: every function of the export table, or the browser collector's measures alone.

#[cfg(feature = "collector")]
mod collector;
#[cfg(feature = "exports")]
mod exports;
#[cfg(feature = "exports")]
mod handles;
