//! The browser files, the npm package `quivive-wasm`, and the tests of both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use quivive_wasm_build::{DETECTION, FileSize, build, build_package, measure};

use crate::context::{Context, chromium, has};
use crate::node::files_ending;
use crate::report::Outcome;
use crate::step::{Counts, Failure, output, run};

/// What a page with the collector loads, and how large that may be with gzip.
const COLLECTOR: [&str; 2] = ["collector.wasm", "sdk.js"];
const LARGEST_COLLECTOR: usize = 30_000;
/// How large the wasm file of detection may be, as it is and with gzip.
const LARGEST_DETECTION: [usize; 2] = [400_000, 150_000];
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
        optimize(context, &optimizer, &package.join(DETECTION))?;
    }
    let detection = measure(&package.join(DETECTION)).map_err(|error| error.to_string())?;
    replace_changed(&staged, &browser).map_err(|error| error.to_string())?;
    let brotli = brotli(context, &browser, &sizes);
    for (index, size) in sizes.iter().enumerate() {
        let brotli = brotli.get(index).map(|bytes| format!(" {bytes:>9} brotli")).unwrap_or_default();
        eprintln!("    {size}{brotli}");
    }
    let collector: usize =
        sizes.iter().filter(|size| COLLECTOR.contains(&size.name.as_str())).map(|size| size.gzip).sum();
    eprintln!("    detection alone: {} bytes, {} with gzip", detection.raw, detection.gzip);
    eprintln!("    the collector: {collector} bytes with gzip, script and wasm");
    if collector > LARGEST_COLLECTOR {
        return Err(
            format!("the collector has {collector} bytes compressed, more than {LARGEST_COLLECTOR}").into()
        );
    }
    if detection.raw > LARGEST_DETECTION[0] || detection.gzip > LARGEST_DETECTION[1] {
        let [raw, gzip] = LARGEST_DETECTION;
        return Err(format!("detection alone is larger than {raw} bytes or than {gzip} with gzip").into());
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
    let mut tests = match in_browser(context, &["--test", "--test-concurrency=1"])? {
        Ok(command) => command,
        Err(missing) => return Ok(Outcome::Skipped(missing)),
    };
    tests
        .env("QUIVIVE_WASM_INSTALLED", install(context)?)
        .env("QUIVIVE_SCREENSHOTS", context.target.join("screenshots"));
    Ok(Outcome::Ran(run(&mut tests)?))
}

/// A node program of the browser tests with all that it needs, or what is not installed.
pub fn in_browser(context: &Context, arguments: &[&str]) -> Result<Result<Command, String>, Failure> {
    if !has("npm") {
        return Ok(Err("npm is not installed".to_owned()));
    }
    let Some(chromium) = chromium() else {
        return Ok(Err("no Chromium is installed".to_owned()));
    };
    let folder = context.root.join("tests/browser");
    run(context.command("npm", &["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    run(&mut context.build(&["--bins"]))?;
    let mut program = context.command("node", arguments);
    program
        .current_dir(&folder)
        .env("QUIVIVE_SERVER", context.server())
        .env("QUIVIVE_CHROMIUM_PATH", chromium);
    Ok(Ok(program))
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

/// The sizes under brotli, which node brings; none without node.
fn brotli(context: &Context, folder: &Path, sizes: &[FileSize]) -> Vec<usize> {
    let script = "for (const file of process.argv.slice(1)) \
                  console.log(require('zlib').brotliCompressSync(require('fs').readFileSync(file)).length)";
    let mut command = context.command("node", &["-e", script]);
    command.args(sizes.iter().map(|size| folder.join(&size.name)));
    let lines = output(&mut command).unwrap_or_default();
    lines.lines().filter_map(|line| line.parse().ok()).collect()
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
