//! `cargo xtask node`: the npm package is packed, installed with npm into a clean folder, and tested there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python::execute;

/// Packs, installs and tests the package.
pub fn run(root: &Path) -> Result<(), String> {
    let archive = pack(root)?;
    let clean = install(root, &archive)?;
    test(root, &clean)
}

/// Builds the addon with the profile that the workspace's tests use, and packs the package into `target/npm`.
pub fn pack(root: &Path) -> Result<PathBuf, String> {
    execute(Command::new("cargo").args(["build", "--quiet", "--package", "quivive-node"]).current_dir(root))?;
    let package = root.join("bindings-node");
    let library = format!("target/debug/{}quivive_node{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let addon = package.join(format!("quivive.{}-{}.node", node_platform(), node_architecture()));
    fs::copy(root.join(library), addon).map_err(|error| format!("addon: {error}"))?;

    let packed = root.join("target/npm");
    renew(&packed)?;
    execute(npm().args(["pack", "--silent", "--pack-destination"]).arg(&packed).current_dir(package))?;
    let mut paths = fs::read_dir(&packed).map_err(|error| error.to_string())?.flatten().map(|entry| entry.path());
    paths.find(|path| path.extension().is_some_and(|it| it == "tgz")).ok_or_else(|| "nothing was packed".to_owned())
}

/// Installs the package into a folder that holds nothing else.
pub fn install(root: &Path, archive: &Path) -> Result<PathBuf, String> {
    let clean = root.join("target/node-clean");
    renew(&clean)?;
    fs::write(clean.join("package.json"), r#"{"private": true}"#).map_err(|error| error.to_string())?;
    execute(npm().args(["install", "--silent", "--no-audit", "--no-fund"]).arg(archive).current_dir(&clean))?;
    Ok(clean)
}

/// Runs copies of the tests beside the installed package, where no import can reach the sources.
fn test(root: &Path, clean: &Path) -> Result<(), String> {
    install_tools(root)?;
    for (source, copy) in [("bindings-node/test", "bindings-node/test"), ("tests/harness", "tests/harness")] {
        copy_files(&root.join(source), &clean.join(copy))?;
    }
    fs::copy(root.join("bindings-node/README.md"), clean.join("bindings-node/README.md"))
        .map_err(|error| error.to_string())?;
    let vectors = root.join("tests/vectors");
    execute(
        Command::new("node")
            .args(["--test", "--test-reporter=dot", "bindings-node/test/"])
            .env("QUIVIVE_VECTORS", &vectors)
            .current_dir(clean),
    )?;
    let calls = root.join("bindings-node/scripts/calls.mjs");
    execute(Command::new("node").arg(calls).arg(clean.join("calls.ts")).env("QUIVIVE_VECTORS", vectors))?;
    let compiler = root.join("bindings-node/node_modules/.bin/tsc");
    let types = root.join("bindings-node/node_modules/@types");
    execute(
        Command::new(compiler)
            .args(["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--types", "node"])
            .args(["--lib", "es2023,dom", "--typeRoots"])
            .arg(types)
            .args(["calls.ts", "bindings-node/test/types.ts"])
            .current_dir(clean),
    )
}

/// Installs the development tools of `bindings-node/package-lock.json` when they changed.
pub fn install_tools(root: &Path) -> Result<(), String> {
    let package = root.join("bindings-node");
    let modified = |path: &str| fs::metadata(package.join(path)).and_then(|file| file.modified());
    let is_fresh = match (modified("node_modules/.package-lock.json"), modified("package-lock.json")) {
        (Ok(installed), Ok(wanted)) => installed >= wanted,
        _ => false,
    };
    if is_fresh {
        return Ok(());
    }
    execute(npm().args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(package))
}

fn npm() -> Command {
    Command::new("npm")
}

fn node_platform() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    }
}

fn node_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "x64",
        other => other,
    }
}

fn renew(folder: &Path) -> Result<(), String> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| error.to_string())?;
    }
    fs::create_dir_all(folder).map_err(|error| error.to_string())
}

fn copy_files(source: &Path, target: &Path) -> Result<(), String> {
    fs::create_dir_all(target).map_err(|error| error.to_string())?;
    for entry in fs::read_dir(source).map_err(|error| error.to_string())?.flatten() {
        fs::copy(entry.path(), target.join(entry.file_name())).map_err(|error| error.to_string())?;
    }
    Ok(())
}
