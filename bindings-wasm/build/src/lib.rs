//! Builds the wasm files of Quivive and lays out the files that browsers load.
//!
//! Nothing has to be installed first: the compiler target comes by `rustup target add`, the binding code from
//! the library behind wasm-bindgen, at the version that the workspace pins.

mod bundle;
mod compile;
mod error;
mod layout;
mod module;
mod size;

use std::path::Path;

use compile::Feature;
pub use error::{Error, Result};
pub use size::{FileSize, measure};

/// What [`build`] writes: the core as ES modules, then the collector.
pub const FILES: [&str; 8] =
    ["core_bg.wasm", "core.js", "quivive.js", "native.js", "error.js", "collector.wasm", "sdk.js", "sdk.mjs"];

/// The wasm file of detection alone, in the npm package.
pub const DETECTION: &str = "detect/core_bg.wasm";

/// Builds the [`FILES`] that a browser loads from the server and writes them to `out`; returns their sizes.
///
/// # Errors
/// When the wasm target cannot be installed, cargo fails, or a file cannot be written; the text says what to do.
pub fn build(workspace_root: &Path, out: &Path) -> Result<Vec<FileSize>> {
    let core = compile::compile(workspace_root, Feature::Exports)?;
    layout::write_bindings(workspace_root, &core, out)?;
    let collector = compile::compile(workspace_root, Feature::Collector)?;
    layout::write_collector(workspace_root, &collector, out)?;
    FILES.iter().map(|name| measure(&out.join(name))).collect()
}

/// Builds the npm package `quivive-wasm` into the folder `out`, ready for `npm pack`; returns the sizes of the
/// generated files.
///
/// # Errors
/// As [`build`].
pub fn build_package(workspace_root: &Path, out: &Path) -> Result<Vec<FileSize>> {
    let core = compile::compile(workspace_root, Feature::Exports)?;
    layout::write_bindings(workspace_root, &core, out)?;
    let detection = compile::compile(workspace_root, Feature::Detect)?;
    layout::write_detection(&detection, out)?;
    layout::write_package(workspace_root, out)?;
    ["core_bg.wasm", "core.js", "quivive.js", DETECTION].iter().map(|name| measure(&out.join(name))).collect()
}
