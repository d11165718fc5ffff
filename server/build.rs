//! Puts the browser files into the build folder, from where `src/browser.rs` embeds them.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=QUIVIVE_BROWSER_DIR");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?).join("browser");
    fs::create_dir_all(&out)?;
    match env::var_os("QUIVIVE_BROWSER_DIR") {
        Some(folder) => copy(Path::new(&folder), &out),
        None => build(&out),
    }
}

/// Takes files that were built before, so that a change of the core does not build wasm again.
fn copy(folder: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    for name in quivive_wasm_build::FILES {
        let file = folder.join(name);
        println!("cargo::rerun-if-changed={}", file.display());
        fs::copy(&file, out.join(name)).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

fn build(out: &Path) -> Result<(), Box<dyn Error>> {
    let root =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets CARGO_MANIFEST_DIR")?).join("..");
    for source in [
        "Cargo.toml",
        "bindings-node/error.js",
        "bindings-wasm/Cargo.toml",
        "bindings-wasm/collector",
        "bindings-wasm/package",
        "bindings-wasm/src",
        "core/Cargo.toml",
        "core/build.rs",
        "core/data",
        "core/src",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    quivive_wasm_build::build(&root.canonicalize()?, out)?;
    Ok(())
}
