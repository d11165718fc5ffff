//! Which files go where: binding code, collector scripts, npm package.

use std::fs;
use std::path::{Path, PathBuf};

use wasm_bindgen_cli_support::Bindgen;

use crate::bundle::{bundle, classic_script};
use crate::module::{ecmascript_module, typed_module};
use crate::{Error, Result};

/// CommonJS modules of the Node package that this package shares; see [`ecmascript_module`].
const SHARED_MODULES: [&str; 3] = ["client.js", "origins.js", "tokens.js"];

/// Declarations of the Node package that this package shares.
const SHARED_DECLARATIONS: [&str; 4] = ["client.d.ts", "error.d.ts", "index.d.ts", "operations.d.ts"];

/// Writes `core.js` and `core_bg.wasm` (wasm-bindgen's target `web`), `native.js`, `error.js` and `quivive.js`.
pub(crate) fn write_bindings(root: &Path, wasm: &Path, out: &Path) -> Result<()> {
    make_folder(out)?;
    bind(wasm, out)?;
    copy(&package_folder(root).join("native.js"), &out.join("native.js"))?;
    write(
        &out.join("error.js"),
        &ecmascript_module("error.js", &read(&node_folder(root).join("error.js"))?)?,
    )?;
    write(&out.join("quivive.js"), &function_module(&read(&out.join("core.js"))?))
}

/// Writes `collector.wasm` and the collector's scripts: `sdk.mjs` as a module, `sdk.js` for a classic tag.
pub(crate) fn write_collector(root: &Path, wasm: &Path, out: &Path) -> Result<()> {
    make_folder(out)?;
    copy(wasm, &out.join("collector.wasm"))?;
    let module = bundle(&root.join("bindings-wasm/collector"), "collector.mjs")?;
    write(&out.join("sdk.mjs"), &module)?;
    write(&out.join("sdk.js"), &classic_script(&module))
}

/// Writes what wasm-bindgen makes of the functions of detection into the package's folder `detect`.
pub(crate) fn write_detection(wasm: &Path, package: &Path) -> Result<()> {
    let out = package.join("detect");
    make_folder(&out)?;
    bind(wasm, &out)
}

/// Adds the files that only the npm package has.
pub(crate) fn write_package(root: &Path, out: &Path) -> Result<()> {
    for name in SHARED_MODULES {
        write(&out.join(name), &ecmascript_module(name, &read(&node_folder(root).join(name))?)?)?;
    }
    for name in SHARED_DECLARATIONS {
        write(&out.join(name), &typed_module(&read(&node_folder(root).join(name))?))?;
    }
    for name in ["LICENSE-APACHE", "LICENSE-MIT", "LICENSE-THIRD-PARTY"] {
        copy(&root.join(name), &out.join(name))?;
    }
    copy_files(&package_folder(root), out)?;
    copy_files(&package_folder(root).join("detect"), &out.join("detect"))
}

/// Copies the files of one folder, without folders in it.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).map_err(Error::file(from))? {
        let path = entry.map_err(Error::file(from))?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            copy(&path, &to.join(name))?;
        }
    }
    Ok(())
}

fn package_folder(root: &Path) -> PathBuf {
    root.join("bindings-wasm/package")
}

fn node_folder(root: &Path) -> PathBuf {
    root.join("bindings-node")
}

fn bind(wasm: &Path, out: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(wasm)
        .out_name("core")
        .remove_name_section(true)
        .remove_producers_section(true)
        .omit_default_module_path(false);
    bindgen
        .web(true)
        .and_then(|bindgen| bindgen.generate(out))
        .map_err(|error| Error::new(format!("binding {}: {error:#}", wasm.display())))
}

/// The module that names every operation; names of an ECMAScript module cannot be computed.
fn function_module(glue: &str) -> String {
    let names: String = exported_functions(glue).map(|name| format!("  {name},\n")).collect();
    format!(
        "// Generated from the export table; each operation takes and returns one object.\n\
         import {{ operations }} from \"./native.js\";\n\n\
         export {{ ApiError, QuiviveError }} from \"./error.js\";\n\
         export {{ Classifier, DetectionGuard, RuleSet, SignatureVerifier, Verifier }} from \"./native.js\";\n\n\
         export const {{\n{names}}} = operations;\n"
    )
}

/// Names of `export function name(` lines; classes and the start functions are spelled otherwise.
fn exported_functions(glue: &str) -> impl Iterator<Item = &str> {
    glue.lines().filter_map(|line| Some(line.strip_prefix("export function ")?.split_once('(')?.0))
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::file(path))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::file(path))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(Error::file(path))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).map_err(Error::file(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_and_nothing_else() {
        let glue = "export class Verifier {\n}\nexport function signToken(input) {\n}\nfunction hidden(a) {\n}\nexport { initSync };\n";
        assert_eq!(exported_functions(glue).collect::<Vec<_>>(), ["signToken"]);
        assert!(function_module(glue).contains("  signToken,\n} = operations;"));
    }
}
