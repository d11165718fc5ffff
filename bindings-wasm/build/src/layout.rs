//! Which files go where: binding code, collector scripts, npm package.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wasm_bindgen_cli_support::Bindgen;

use crate::{Error, Result};

/// Hand-written modules that stand beside the generated ones, in the server's assets and in the package.
const MODULES: [&str; 2] = ["client.js", "error.js"];

/// Writes `core.js` and `core_bg.wasm` (wasm-bindgen's target `web`), `quivive.js` and its modules.
pub(crate) fn write_bindings(workspace_root: &Path, wasm: &Path, out: &Path) -> Result<()> {
    make_folder(out)?;
    bind(wasm, out)?;
    let glue = read(&out.join("core.js"))?;
    write(&out.join("quivive.js"), &function_module(&glue))?;
    MODULES.iter().try_for_each(|name| copy(&package_folder(workspace_root).join(name), &out.join(name)))
}

/// Writes `collector.wasm` and the collector's scripts: `sdk.mjs` as a module, `sdk.js` for a classic tag.
pub(crate) fn write_collector(workspace_root: &Path, wasm: &Path, out: &Path) -> Result<()> {
    make_folder(out)?;
    copy(wasm, &out.join("collector.wasm"))?;
    let source = read(&workspace_root.join("bindings-wasm/collector/collector.mjs"))?;
    write(&out.join("sdk.mjs"), &source)?;
    write(&out.join("sdk.js"), &classic_script(&source))
}

/// Adds the files that only the npm package has.
pub(crate) fn write_package(workspace_root: &Path, out: &Path) -> Result<()> {
    let source = package_folder(workspace_root);
    for entry in fs::read_dir(&source).map_err(Error::file(&source))? {
        let entry = entry.map_err(Error::file(&source))?;
        if entry.path().is_file() {
            copy(&entry.path(), &out.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn package_folder(workspace_root: &Path) -> PathBuf {
    workspace_root.join("bindings-wasm/package")
}

fn bind(wasm: &Path, out: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name("core").remove_name_section(true).remove_producers_section(true);
    bindgen
        .web(true)
        .and_then(|bindgen| bindgen.generate(out))
        .map_err(|error| Error::new(format!("binding {}: {error:#}", wasm.display())))
}

/// The module that users import: every function of the binding code with objects instead of JSON text.
fn function_module(glue: &str) -> String {
    let mut module = String::from(
        "// Generated from the export table; each function takes and returns one object.\n\
         import start, * as core from \"./core.js\";\n\
         import { wrap } from \"./error.js\";\n\n\
         export { QuiviveError } from \"./error.js\";\n\
         export { Classifier, Client, Verifier } from \"./client.js\";\n\n\
         /** Loads the wasm file: from beside this module, or from a URL, response, bytes or compiled module. */\n\
         export const initialize = (source) => start(source === undefined ? undefined : { module_or_path: source }).then(() => undefined);\n\n\
         /** Starts from bytes or a compiled module without waiting. */\n\
         export const initializeSync = (module) => { core.initSync({ module }); };\n\n",
    );
    for name in exported_functions(glue) {
        module.push_str(&format!("export const {name} = wrap(core.{name});\n"));
    }
    module
}

/// Names of `export function name(` lines; classes and the start functions are spelled otherwise.
fn exported_functions(glue: &str) -> impl Iterator<Item = &str> {
    glue.lines().filter_map(|line| line.strip_prefix("export function ")?.split_once('(').map(|(name, _)| name))
}

/// A classic script has no `export` and no `import.meta`; its own address is that of the current tag.
fn classic_script(source: &str) -> String {
    let body = source.replace("export ", "").replace("import.meta.url", "document.currentScript?.src");
    format!("(() => {{\n{body}}})();\n")
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
        assert!(function_module(glue).contains("export const signToken = wrap(core.signToken);"));
    }

    #[test]
    fn classic_script_has_no_module_syntax() {
        let script = classic_script("const here = import.meta.url;\nexport const begin = () => {};\n");
        assert!(!script.contains("export") && !script.contains("import.meta"), "{script}");
    }
}
