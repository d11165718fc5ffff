//! The browser files, the npm package `quivive-wasm`, and the tests of both.

use std::fs;
use std::path::{Path, PathBuf};

use quivive_wasm_build::{FileSize, build, build_package, measure};

use crate::context::{Context, chromium, has};
use crate::node::files_ending;
use crate::report::Outcome;
use crate::step::{Counts, Failure, output, run};

/// What a page with the collector loads, and how large that may be with gzip.
const COLLECTOR: [&str; 2] = ["collector.wasm", "sdk.js"];
const LARGEST_COLLECTOR: usize = 30_000;
/// The registry package that brings `wasm-opt`.
const BINARYEN: &str = "binaryen@132";

/// What the compiler's own output uses and every browser of the last years has; the optimizer may use no more.
const FEATURES: [&str; 7] = [
    "bulk-memory",
    "bulk-memory-opt",
    "multivalue",
    "mutable-globals",
    "nontrapping-float-to-int",
    "reference-types",
    "sign-ext",
];

/// Builds the browser files and the package and prints their sizes; every later server build takes the files.
pub fn files(context: &Context) -> Result<Outcome, Failure> {
    let (browser, package) = (context.browser(), package(context));
    let staged = context.target.join("browser-staged");
    let mut sizes = build(&context.root, &staged).map_err(|error| error.to_string())?;
    build_package(&context.root, &package).map_err(|error| error.to_string())?;
    context.place_licences(&package)?;
    let optimizer = optimizer(context);
    if optimizer.is_none() && context.is_ci {
        return Err("wasm-opt could not be installed".to_owned().into());
    }
    if let Some(optimizer) = optimizer {
        for name in ["core_bg.wasm", "collector.wasm"] {
            let size = optimize(context, &optimizer, &staged.join(name))?;
            sizes.retain(|known| known.name != size.name);
            sizes.push(size);
        }
        fs::copy(staged.join("core_bg.wasm"), package.join("core_bg.wasm"))
            .map_err(|error| error.to_string())?;
    }
    replace_changed(&staged, &browser).map_err(|error| error.to_string())?;
    for size in &sizes {
        eprintln!("    {size}");
    }
    let collector: usize =
        sizes.iter().filter(|size| COLLECTOR.contains(&size.name.as_str())).map(|size| size.gzip).sum();
    if collector > LARGEST_COLLECTOR {
        return Err(
            format!("the collector has {collector} bytes compressed, more than {LARGEST_COLLECTOR}").into()
        );
    }
    Ok(Outcome::Ran(Counts::ONE))
}

/// Installs the packed package into a clean folder and runs its tests from there.
pub fn test(context: &Context) -> Result<Outcome, Failure> {
    if !has("npm") {
        return Ok(Outcome::Skipped("npm is not installed".to_owned()));
    }
    let installed = install(context)?;
    let mut tests = context.command("node", &["--test"]);
    tests.args(files_ending(&context.root.join("bindings-wasm/test"), ".test.mjs")?);
    Ok(Outcome::Ran(run(tests.env("QUIVIVE_WASM_INSTALLED", installed))?))
}

/// Runs the tests that need a browser against the development server.
pub fn browser(context: &Context) -> Result<Outcome, Failure> {
    if !has("npm") {
        return Ok(Outcome::Skipped("npm is not installed".to_owned()));
    }
    let Some(chromium) = chromium() else {
        return Ok(Outcome::Skipped("no Chromium is installed".to_owned()));
    };
    let installed = install(context)?;
    let folder = context.root.join("tests/browser");
    run(context.command("npm", &["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    run(&mut context.build(&["--bins"]))?;
    let mut tests = context.command("node", &["--test", "--test-concurrency=1"]);
    tests
        .current_dir(&folder)
        .env("QUIVIVE_SERVER", context.server())
        .env("QUIVIVE_WASM_INSTALLED", installed)
        .env("QUIVIVE_CHROMIUM_PATH", chromium)
        .env("QUIVIVE_SCREENSHOTS", context.target.join("screenshots"));
    Ok(Outcome::Ran(run(&mut tests)?))
}

/// Where the npm package is laid out.
fn package(context: &Context) -> PathBuf {
    context.target.join("package/quivive-wasm")
}

/// Packs the package and installs it as a user would; returns the folder that it is installed in.
fn install(context: &Context) -> Result<PathBuf, Failure> {
    let folder = context.target.join("package/quivive-wasm-installed");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let archive = output(
        context
            .command("npm", &["pack", "--silent", "--pack-destination"])
            .arg(&folder)
            .current_dir(package(context)),
    )?;
    fs::write(folder.join("package.json"), "{ \"private\": true }\n").map_err(|error| error.to_string())?;
    let archive = folder.join(archive.lines().last().unwrap_or_default());
    output(
        context
            .command("npm", &["install", "--silent", "--no-audit", "--no-fund"])
            .arg(archive)
            .current_dir(&folder),
    )?;
    Ok(folder)
}

/// The path of `wasm-opt`, or none when it cannot be installed.
fn optimizer(context: &Context) -> Option<PathBuf> {
    let folder = context.target.join("binaryen");
    let program = folder.join("node_modules/binaryen/bin/wasm-opt");
    if !program.exists() {
        fs::create_dir_all(&folder).ok()?;
        let mut install =
            context.command("npm", &["install", "--silent", "--no-audit", "--no-fund", "--prefix"]);
        if output(install.arg(&folder).arg(BINARYEN)).is_err() {
            eprintln!("    wasm-opt could not be installed; the files stay as the compiler made them");
        }
    }
    program.exists().then_some(program)
}

/// Optimizes one file in place for size.
fn optimize(context: &Context, optimizer: &Path, file: &Path) -> Result<FileSize, Failure> {
    let smaller = file.with_extension("optimized");
    let mut command = context.command("node", &[]);
    command.arg(optimizer).arg("-Oz").args(FEATURES.map(|feature| format!("--enable-{feature}")));
    command.arg("-o").arg(&smaller).arg(file);
    output(&mut command)?;
    fs::rename(&smaller, file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(measure(file).map_err(|error| error.to_string())?)
}

/// Copies files that differ, so that an unchanged one does not build the server again.
fn replace_changed(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for name in quivive_wasm_build::FILES {
        let bytes = fs::read(from.join(name))?;
        if fs::read(to.join(name)).ok().as_ref() != Some(&bytes) {
            fs::write(to.join(name), bytes)?;
        }
    }
    Ok(())
}
