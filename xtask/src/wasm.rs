//! `cargo xtask wasm`: the npm package `quivive-wasm`, the browser files, and what they weigh.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use quivive_wasm_build::{FileSize, build, build_package, measure};

/// The registry package that brings `wasm-opt`.
const BINARYEN: &str = "binaryen@132";

/// Builds the package into `target/package/quivive-wasm` and the browser files into `target/browser`; prints
/// the sizes of both.
///
/// # Errors
/// When a build fails; a missing `wasm-opt` only leaves the files as they are.
pub fn run(root: &Path) -> Result<(), Box<dyn Error>> {
    let package = package_folder(root);
    let browser = browser_folder(root);
    let mut sizes = build_package(root, &package)?;
    sizes.extend(build(root, &browser)?);
    let optimizer = install_optimizer(root);
    for file in [package.join("core_bg.wasm"), browser.join("core_bg.wasm"), browser.join("collector.wasm")] {
        if let Some(optimizer) = &optimizer
            && let Some(size) = optimize(optimizer, &file)?
        {
            sizes.retain(|known| known.name != size.name);
            sizes.push(size);
        }
    }
    report(&mut sizes);
    Ok(())
}

/// Where the npm package is laid out, ready for `npm pack`.
pub fn package_folder(root: &Path) -> PathBuf {
    root.join("target/package/quivive-wasm")
}

/// Where the browser files are; the server takes them from here when `QUIVIVE_BROWSER_DIR` says so.
pub fn browser_folder(root: &Path) -> PathBuf {
    root.join("target/browser")
}

/// The path of `wasm-opt`, or none when it cannot be installed.
fn install_optimizer(root: &Path) -> Option<PathBuf> {
    let folder = root.join("target/binaryen");
    let program = folder.join("node_modules/binaryen/bin/wasm-opt");
    if !program.exists() {
        fs::create_dir_all(&folder).ok()?;
        let npm = Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund", "--no-save", "--prefix"])
            .arg(&folder)
            .arg(BINARYEN)
            .status();
        if !npm.is_ok_and(|status| status.success()) {
            eprintln!("wasm-opt could not be installed by npm; the files stay as the compiler made them");
            return None;
        }
    }
    program.exists().then_some(program)
}

/// Optimizes one file in place; none when the optimizer refuses it.
fn optimize(optimizer: &Path, file: &Path) -> Result<Option<FileSize>, Box<dyn Error>> {
    let smaller = file.with_extension("optimized");
    let status = Command::new("node")
        .arg(optimizer)
        .args(["-Oz", "--all-features", "-o"].map(OsStr::new))
        .arg(&smaller)
        .arg(file)
        .status()?;
    if !status.success() {
        eprintln!("wasm-opt refused {}; it stays as the compiler made it", file.display());
        return Ok(None);
    }
    fs::rename(&smaller, file)?;
    Ok(Some(measure(file)?))
}

fn report(sizes: &mut [FileSize]) {
    sizes.sort_by(|left, right| left.name.cmp(&right.name));
    for size in sizes {
        eprintln!("{size}");
    }
}
