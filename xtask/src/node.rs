//! The npm package: packed, installed with npm into a clean folder, and tested there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::context::Context;
use crate::python::{renew, single};
use crate::report::Outcome;
use crate::step::{Counts, Failure, run};

/// Packs, installs and tests the package.
pub fn test(context: &Context) -> Result<Outcome, Failure> {
    let archive = pack(context)?;
    let clean = install(context, &archive)?;
    let mut counts = run_tests(context, &clean)?;
    counts += check_types(context, &clean)?;
    Ok(Outcome::Ran(counts))
}

/// Packs the package with the profile that the workspace's tests use.
pub fn pack(context: &Context) -> Result<PathBuf, Failure> {
    pack_with(context, "dev")
}

/// Builds the addon and packs the package into `npm` of the target folder.
pub fn pack_with(context: &Context, profile: &str) -> Result<PathBuf, Failure> {
    run(&mut match profile {
        "dev" => context.build(&["--lib"]),
        _ => context.cargo(&["build", "--quiet", "--package", "quivive-node", "--profile", profile]),
    })?;
    let built = context.target.join(if profile == "dev" { "debug" } else { profile });
    let package = context.root.join("bindings-node");
    let library = format!("{}quivive_node{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let addon = package.join(format!("quivive.{}-{}.node", platform(), architecture()));
    fs::copy(built.join(library), addon).map_err(|error| format!("addon: {error}"))?;

    context.place_licences(&package)?;
    let packed = context.target.join("npm");
    renew(&packed)?;
    run(npm(context, &["pack", "--silent", "--pack-destination"]).arg(&packed).current_dir(package))?;
    single(&packed, "tgz")
}

/// Installs the package into a folder that holds nothing else but the frameworks that its tests guard.
pub fn install(context: &Context, archive: &Path) -> Result<PathBuf, Failure> {
    let clean = context.target.join("node-clean");
    renew(&clean)?;
    for file in ["package.json", "package-lock.json"] {
        let frameworks = context.root.join("bindings-node/test").join(file);
        fs::copy(frameworks, clean.join(file)).map_err(|error| error.to_string())?;
    }
    // Compilers and image tools that a framework would like to have are not needed here.
    let arguments = ["install", "--silent", "--no-audit", "--no-fund", "--omit=optional"];
    run(npm(context, &arguments).arg(archive).current_dir(&clean))?;
    Ok(clean)
}

/// Runs copies of the tests beside the installed package, where no import can reach the sources.
fn run_tests(context: &Context, clean: &Path) -> Result<Counts, Failure> {
    for folder in ["bindings-node/test", "tests/harness"] {
        copy_files(&context.root.join(folder), &clean.join(folder))?;
    }
    let readme = "bindings-node/README.md";
    fs::copy(context.root.join(readme), clean.join(readme)).map_err(|error| error.to_string())?;
    let tests = files_ending(&clean.join("bindings-node/test"), ".test.mjs")?;
    let mut node = context.command("node", &["--test", "--test-reporter=spec"]);
    run(node.args(tests).current_dir(clean).env("QUIVIVE_VECTORS", context.root.join("tests/vectors")))
}

/// Type-checks calls of every function and the client's use, under both module systems.
fn check_types(context: &Context, clean: &Path) -> Result<Counts, Failure> {
    install_tools(context)?;
    let package = context.root.join("bindings-node");
    let vectors = context.root.join("tests/vectors");
    let mut script = context.command("node", &["bindings-node/scripts/calls.mjs"]);
    run(script
        .args(["calls.mts", "calls.cts"].map(|name| clean.join(name)))
        .env("QUIVIVE_VECTORS", vectors))?;
    let mut compiler = context.command("node", &[]);
    compiler.arg(package.join("node_modules/typescript/bin/tsc"));
    compiler.args(["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--lib", "es2023"]);
    compiler.args(["--types", "node", "--typeRoots"]).arg(package.join("node_modules/@types"));
    compiler.args(["calls.mts", "calls.cts", "bindings-node/test/types.mts"]).current_dir(clean);
    run(&mut compiler)?;
    Ok(Counts::ONE)
}

/// Installs the development tools of `bindings-node/package-lock.json` when they changed.
pub fn install_tools(context: &Context) -> Result<(), Failure> {
    let package = context.root.join("bindings-node");
    let modified = |path: &str| fs::metadata(package.join(path)).and_then(|file| file.modified());
    let is_fresh = match (modified("node_modules/.package-lock.json"), modified("package-lock.json")) {
        (Ok(installed), Ok(wanted)) => installed >= wanted,
        _ => false,
    };
    if !is_fresh {
        run(npm(context, &["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(package))?;
    }
    Ok(())
}

fn npm(context: &Context, arguments: &[&str]) -> Command {
    context.command(if cfg!(windows) { "npm.cmd" } else { "npm" }, arguments)
}

fn platform() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "x64",
        other => other,
    }
}

/// The files of a folder whose names end so, in order.
pub fn files_ending(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    files.sort();
    Ok(files)
}

fn copy_files(source: &Path, target: &Path) -> Result<(), Failure> {
    fs::create_dir_all(target).map_err(|error| error.to_string())?;
    for entry in fs::read_dir(source).map_err(|error| error.to_string())?.flatten() {
        fs::copy(entry.path(), target.join(entry.file_name())).map_err(|error| error.to_string())?;
    }
    Ok(())
}
