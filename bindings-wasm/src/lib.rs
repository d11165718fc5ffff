//! Quivive for the web: every function of the export table, those of detection, or the browser collector's measures
//! alone.

#[cfg(feature = "detect")]
mod classifier;
#[cfg(feature = "collector")]
mod collector;
#[cfg(feature = "detect")]
mod exports;
#[cfg(feature = "exports")]
mod handles;
