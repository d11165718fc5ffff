//! The nested cargo build of the crate `quivive-wasm`.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, Result};

const TARGET: &str = "wasm32-unknown-unknown";

/// Which of the wasm files to compile.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Feature {
    /// The browser collector's measures.
    Collector,
    /// The functions of detection.
    Detect,
    /// Every function of the export table.
    Exports,
}

impl Feature {
    fn name(self) -> &'static str {
        match self {
            Self::Collector => "collector",
            Self::Detect => "detect",
            Self::Exports => "exports",
        }
    }
}

/// Compiles `quivive-wasm` with one feature and returns the wasm file's path.
///
/// The build has its own target folder, so that it never waits for the lock of the cargo that runs it.
pub(crate) fn compile(workspace_root: &Path, feature: Feature) -> Result<PathBuf> {
    ensure_target()?;
    let target_folder = target_folder(workspace_root);
    let mut command = Command::new(program("CARGO", "cargo"));
    command
        .current_dir(workspace_root)
        .args(["build", "--quiet", "--package", "quivive-wasm", "--profile", "wasm", "--target", TARGET])
        .args(["--no-default-features", "--features", feature.name(), "--target-dir"])
        .arg(&target_folder);
    // wasm-bindgen reads sections that stripping takes away, and strips by itself.
    command
        .env("CARGO_PROFILE_WASM_STRIP", if feature == Feature::Collector { "symbols" } else { "debuginfo" });
    // What the outer cargo sets for its own compilers (coverage flags, clippy as a wrapper) must not reach wasm.
    for name in [
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
        "CLIPPY_ARGS",
    ] {
        command.env_remove(name);
    }
    run(&mut command, "the wasm build failed")?;
    Ok(target_folder.join(TARGET).join("wasm").join("quivive_wasm.wasm"))
}

fn target_folder(workspace_root: &Path) -> PathBuf {
    let outer = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace_root.join("target"), PathBuf::from);
    workspace_root.join(outer).join("wasm")
}

fn ensure_target() -> Result<()> {
    if has_target()? {
        return Ok(());
    }
    let advice = format!(
        "the compiler lacks the target {TARGET} and `rustup target add {TARGET}` failed; \
         install it with the means by which this compiler was installed"
    );
    run(Command::new("rustup").args(["target", "add", TARGET]), &advice)?;
    if has_target()? { Ok(()) } else { Err(Error::new(advice)) }
}

fn has_target() -> Result<bool> {
    let output = Command::new(program("RUSTC", "rustc"))
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| Error::new(format!("rustc cannot be run: {error}")))?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    Ok(output.status.success() && folder.is_dir())
}

fn run(command: &mut Command, failure: &str) -> Result<()> {
    let output = command.output().map_err(|error| {
        Error::new(format!("{failure}: {} cannot be run: {error}", command.get_program().display()))
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::new(format!("{failure}\n{}", String::from_utf8_lossy(&output.stderr))))
}

fn program(variable: &str, default: &str) -> OsString {
    env::var_os(variable).unwrap_or_else(|| default.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_tells_its_own_words() {
        let error = run(Command::new("rustc").arg("--no-such-option"), "compiling failed").unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("compiling failed"), "{text}");
        assert!(text.contains("no-such-option"), "{text}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("quivive-no-such-program"), "compiling failed").unwrap_err();
        assert!(error.to_string().contains("quivive-no-such-program cannot be run"), "{error}");
    }
}
