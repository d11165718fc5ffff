//! `cargo xtask python`: the wheel is built, installed with pip into a clean virtual environment, and tested there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds, installs and tests the wheel.
pub fn run(root: &Path) -> Result<(), String> {
    let wheel = build(root)?;
    let clean = install(root, &wheel)?;
    test(root, &clean)
}

/// Builds the wheel into `target/wheels`, with the profile that the workspace's tests use.
pub fn build(root: &Path) -> Result<PathBuf, String> {
    let wheels = root.join("target/wheels");
    if wheels.exists() {
        fs::remove_dir_all(&wheels).map_err(|error| error.to_string())?;
    }
    let maturin = tools(root)?.join("maturin");
    let package = root.join("bindings-python");
    execute(
        Command::new(maturin).args(["build", "--quiet", "--profile", "dev", "--out"]).arg(&wheels).current_dir(package),
    )?;
    let entries = fs::read_dir(&wheels).map_err(|error| error.to_string())?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths.find(|path| path.extension().is_some_and(|it| it == "whl")).ok_or_else(|| "no wheel was built".to_owned())
}

/// Installs the wheel into a virtual environment that holds nothing else but the test runner.
pub fn install(root: &Path, wheel: &Path) -> Result<PathBuf, String> {
    let clean = root.join("target/python-clean");
    if clean.exists() {
        fs::remove_dir_all(&clean).map_err(|error| error.to_string())?;
    }
    let binaries = environment(&clean)?;
    let requirements = root.join("bindings-python/requirements-tests.txt");
    execute(Command::new(binaries.join("pip")).args(["install", "--quiet"]).arg(wheel).arg("-r").arg(requirements))?;
    Ok(clean)
}

/// Runs the package's tests and type checks in the clean environment.
fn test(root: &Path, clean: &Path) -> Result<(), String> {
    let package = root.join("bindings-python");
    let binaries = clean.join("bin");
    execute(
        Command::new(binaries.join("pytest"))
            .args(["--quiet", "--override-ini=cache_dir=.pytest_cache", "--rootdir"])
            .args([&package, &package.join("tests")])
            .current_dir(clean),
    )?;
    execute(
        Command::new(binaries.join("mypy"))
            .args(["--strict", "--cache-dir=.mypy_cache", "--package", "quivive"])
            .current_dir(clean),
    )?;
    let calls = root.join("bindings-python/scripts/calls.py");
    let listed = clean.join("calls.py");
    execute(Command::new(binaries.join("python")).arg(calls).arg(root.join("tests/vectors")).arg(&listed))?;
    execute(Command::new(binaries.join("mypy")).args(["--strict", "--cache-dir=.mypy_cache"]).arg(listed).current_dir(clean))?;
    execute(
        Command::new(binaries.join("stubtest")).args(["--ignore-missing-stub", "quivive._native"]).current_dir(clean),
    )
}

/// The programs of an environment with the tools of `requirements-tools.txt`, installed when they changed.
pub fn tools(root: &Path) -> Result<PathBuf, String> {
    let folder = root.join("target/python-tools");
    let requirements = root.join("bindings-python/requirements-tools.txt");
    let wanted = fs::read_to_string(&requirements).map_err(|error| error.to_string())?;
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(folder.join("bin"));
    }
    let binaries = environment(&folder)?;
    execute(Command::new(binaries.join("pip")).args(["install", "--quiet", "-r"]).arg(&requirements))?;
    fs::write(stamp, wanted).map_err(|error| error.to_string())?;
    Ok(binaries)
}

/// Makes a virtual environment and names the folder of its programs.
fn environment(folder: &Path) -> Result<PathBuf, String> {
    execute(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    Ok(folder.join("bin"))
}

/// Runs a command to its end; its failure is ours.
pub fn execute(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}")) }
}
