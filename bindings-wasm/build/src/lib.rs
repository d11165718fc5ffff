//! Builds the two wasm files of Quivive and lays out the files that browsers load.
//!
//! Nothing has to be installed first: the compiler target comes by `rustup target add`, the binding code from
//! the library behind wasm-bindgen, at the version that the workspace pins.

mod compile;
mod error;
mod layout;
mod size;

use std::path::Path;

pub use compile::Feature;
pub use error::{Error, Result};
pub use size::{FileSize, measure};

/// The files that [`build`] writes, in the order in which sizes are reported.
pub const FILES: [&str; 6] = ["quivive.js", "quivive_bg.wasm", "error.js", "collector.wasm", "sdk.mjs", "sdk.js"];

/// Builds everything that a browser loads from the server and writes it to `out`.
///
/// `quivive.js` and `quivive_bg.wasm` are the whole core as an ES module, `error.js` its error type;
/// `collector.wasm`, `sdk.mjs` and `sdk.js` are the browser collector.
///
/// # Errors
/// When the wasm target cannot be installed, cargo fails, or a file cannot be written; the text says what to do.
pub fn build(workspace_root: &Path, out: &Path) -> Result<Vec<FileSize>> {
    let core = compile::compile(workspace_root, Feature::Exports)?;
    layout::write_bindings(&core, out)?;
    let collector = compile::compile(workspace_root, Feature::Collector)?;
    layout::write_collector(workspace_root, &collector, out)?;
    FILES.iter().map(|name| measure(&out.join(name))).collect()
}

/// Builds the npm package `quivive-wasm` into `out`, ready for `npm pack`.
///
/// # Errors
/// As [`build`].
pub fn build_package(workspace_root: &Path, out: &Path) -> Result<Vec<FileSize>> {
    let core = compile::compile(workspace_root, Feature::Exports)?;
    layout::write_bindings(&core, out)?;
    let names = layout::write_package(workspace_root, out)?;
    names.iter().map(|name| measure(&out.join(name))).collect()
}
