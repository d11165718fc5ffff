//! Which files go where: binding code, collector scripts, npm package.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wasm_bindgen_cli_support::Bindgen;

use crate::{Error, Result};

/// The collector's scripts hold this word where the classic and the module form differ.
const EXPORT: &str = "export ";

/// Hand-written files of the npm package, beside the generated ones.
const PACKAGE_FILES: [&str; 9] = [
    "package.json",
    "README.md",
    "browser.js",
    "node.js",
    "manual.js",
    "client.js",
    "client.d.ts",
    "handles.d.ts",
    "manual.d.ts",
];

/// Writes `quivive.js` and `quivive_bg.wasm` (wasm-bindgen's target `web`) and `error.js`.
pub(crate) fn write_bindings(wasm: &Path, out: &Path) -> Result<()> {
    make_folder(out)?;
    bind(wasm, out).map_err(|error| Error::new(format!("binding {}: {error:#}", wasm.display())))
}
