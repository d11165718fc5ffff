//! The wheel: built by maturin, installed with pip into a clean virtual environment, and tested there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::report::Outcome;
use crate::step::{Counts, Failure, run};

/// Builds, installs and tests the wheel.
pub fn test(context: &Context) -> Result<Outcome, Failure> {
    let wheel = build(context)?;
    let clean = install(context, &wheel)?;
    let mut counts = run_tests(context, &clean)?;
    counts += check_types(context, &clean)?;
    Ok(Outcome::Ran(counts))
}

/// Builds the wheel with the profile that the workspace's tests use.
pub fn build(context: &Context) -> Result<PathBuf, Failure> {
    build_with(context, "dev")
}

/// Builds the wheel into `wheels` of the target folder.
pub fn build_with(context: &Context, profile: &str) -> Result<PathBuf, Failure> {
    let wheels = context.target.join("wheels");
    renew(&wheels)?;
    context.place_licences(&context.root.join("bindings-python"))?;
    let mut maturin =
        context.command(tools(context)?.join("maturin"), &["build", "--quiet", "--profile", profile]);
    maturin.arg("--out").arg(&wheels).current_dir(context.root.join("bindings-python"));
    run(&mut maturin)?;
    single(&wheels, "whl")
}

/// Installs the wheel into a virtual environment that holds nothing else but the test runners and the frameworks that
/// the tests guard.
pub fn install(context: &Context, wheel: &Path) -> Result<PathBuf, Failure> {
    let clean = context.target.join("python-clean");
    renew(&clean)?;
    let programs = environment(context, &clean)?;
    let requirements = context.root.join("bindings-python/requirements-tests.txt");
    let mut pip = context.command(programs.join("pip"), &["install", "--quiet", "-r"]);
    run(pip.arg(requirements).arg(wheel))?;
    Ok(clean)
}

/// Runs the package's tests, where no import can reach the sources.
fn run_tests(context: &Context, clean: &Path) -> Result<Counts, Failure> {
    let package = context.root.join("bindings-python");
    let mut pytest =
        context.command(programs(clean).join("pytest"), &["-p", "no:cacheprovider", "--rootdir"]);
    run(pytest
        .arg(&package)
        .arg(package.join("tests"))
        .current_dir(clean)
        .env("PYTHONDONTWRITEBYTECODE", "1"))
}

/// Type-checks the installed package, calls of every function, and the stub against the compiled module.
fn check_types(context: &Context, clean: &Path) -> Result<Counts, Failure> {
    let programs = programs(clean);
    let calls = clean.join("calls.py");
    let mut script =
        context.command(programs.join("python"), &["bindings-python/scripts/calls.py", "tests/vectors"]);
    run(script.arg(&calls))?;
    run(context.command(programs.join("mypy"), &["--strict", "--package", "quivive"]).current_dir(clean))?;
    run(context.command(programs.join("mypy"), &["--strict"]).arg(calls).current_dir(clean))?;
    run(context.command(programs.join("stubtest"), &["quivive._native"]).current_dir(clean))?;
    Ok(Counts { passed: 3, ..Counts::default() })
}

/// The programs of an environment with the tools of `requirements-tools.txt`, installed when they changed.
pub fn tools(context: &Context) -> Result<PathBuf, Failure> {
    let folder = context.target.join("python-tools");
    let requirements = context.root.join("bindings-python/requirements-tools.txt");
    let wanted = fs::read_to_string(&requirements).map_err(|error| error.to_string())?;
    let stamp = folder.join("installed.txt");
    if !fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        let programs = environment(context, &folder)?;
        run(context.command(programs.join("pip"), &["install", "--quiet", "-r"]).arg(&requirements))?;
        fs::write(stamp, wanted).map_err(|error| error.to_string())?;
    }
    Ok(programs(&folder))
}

/// Makes a virtual environment and names the folder of its programs.
pub fn environment(context: &Context, folder: &Path) -> Result<PathBuf, Failure> {
    let python = if cfg!(windows) { "python" } else { "python3" };
    run(context.command(python, &["-m", "venv"]).arg(folder))?;
    Ok(programs(folder))
}

/// Makes a folder that is there and empty.
pub fn renew(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| error.to_string())?;
    }
    Ok(fs::create_dir_all(folder).map_err(|error| error.to_string())?)
}

/// The file of this kind in a folder.
pub fn single(folder: &Path, extension: &str) -> Result<PathBuf, Failure> {
    let mut paths =
        fs::read_dir(folder).map_err(|error| error.to_string())?.flatten().map(|entry| entry.path());
    let found = paths.find(|path| path.extension().is_some_and(|it| it == extension));
    found.ok_or_else(|| format!("no .{extension} file came out").into())
}

/// The programs of an environment.
pub fn programs(environment: &Path) -> PathBuf {
    environment.join(if cfg!(windows) { "Scripts" } else { "bin" })
}
