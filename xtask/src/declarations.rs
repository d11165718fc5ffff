//! `cargo xtask declarations`: the type declarations of the Python and Node packages, made from the export table.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{node, python};

/// What is generated and committed.
const GENERATED: [&str; 4] = [
    "bindings-node/index.mjs",
    "bindings-node/operations.d.ts",
    "bindings-python/python/quivive/_native.pyi",
    "bindings-python/python/quivive/types.py",
];

/// Writes the declarations anew.
pub fn run(root: &Path) -> Result<(), String> {
    let schemas = schemas(root)?;
    node::install_tools(root)?;
    let mut script = Command::new("node");
    pipe(script.arg("scripts/declarations.mjs").current_dir(root.join("bindings-node")), &schemas)?;
    let mut script = Command::new(python::tools(root)?.join("python"));
    pipe(script.arg("scripts/declarations.py").current_dir(root.join("bindings-python")), &schemas)
}

/// Fails when the committed declarations are not those of the export table; leaves them as they are.
pub fn check(root: &Path) -> Result<(), String> {
    let read = || GENERATED.map(|path| fs::read(root.join(path)).unwrap_or_default());
    let committed = read();
    run(root)?;
    let stale: Vec<_> =
        GENERATED.iter().zip(committed.iter().zip(read())).filter(|(_, (before, after))| *before != after).collect();
    for (path, (before, _)) in &stale {
        fs::write(root.join(path), before).map_err(|error| format!("{path}: {error}"))?;
    }
    if stale.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = stale.iter().map(|(path, _)| **path).collect();
    Err(format!("stale, run `cargo xtask declarations`: {}", names.join(", ")))
}

/// The export table and its JSON Schemas, as JSON.
fn schemas(root: &Path) -> Result<Vec<u8>, String> {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--package", "quivive-core", "--features", "schema", "--example", "schemas"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if output.status.success() { Ok(output.stdout) } else { Err("schemas cannot be printed".to_owned()) }
}

fn pipe(command: &mut Command, input: &[u8]) -> Result<(), String> {
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let sent = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input));
    let status = child.wait().map_err(|error| error.to_string())?;
    match (status.success(), sent) {
        (true, Ok(())) => Ok(()),
        (true, Err(error)) => Err(error.to_string()),
        (false, _) => Err(format!("{command:?} failed: {status}")),
    }
}
