//! Where things are, and how the tools are called.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step;

/// The workspace and its build folders.
#[derive(Clone, Debug)]
pub struct Context {
    /// The workspace's root folder.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// Whether nothing may be skipped.
    pub is_ci: bool,
}

impl Context {
    /// Finds the workspace that this program was built from.
    ///
    /// # Errors
    /// When cargo cannot read the workspace.
    pub fn find() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .canonicalize()
            .map_err(|error| error.to_string())?;
        let metadata = step::output(
            Command::new("cargo").args(["metadata", "--no-deps", "--format-version=1"]).current_dir(&root),
        )?;
        let metadata: serde_json::Value =
            serde_json::from_str(&metadata).map_err(|error| error.to_string())?;
        let target = metadata["target_directory"].as_str().ok_or("cargo metadata names no target folder")?;
        let is_ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
        Ok(Self { root, target: PathBuf::from(target), is_ci })
    }

    /// A cargo call in the workspace; the server takes the browser files that the wasm step has built.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("cargo", arguments);
        command.env("QUIVIVE_BROWSER_DIR", self.browser());
        command
    }

    /// A build with the selection and features of the Rust tests, so that no crate compiles a second time; `--tests`
    /// is among them because the dependencies of tests count for features.
    pub fn build(&self, targets: &[&str]) -> Command {
        let mut command = self.cargo(&["build", "--quiet"]);
        command.args(SELECTION).args(["--features", "quivive-core/schema", "--tests"]).args(targets);
        command
    }

    /// A program called in the workspace's root, with no setting of the product but the target of transcripts: a
    /// `QUIVIVE_URL` of one's own must not divert the tests.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("QUIVIVE_") && name != "QUIVIVE_TARGET" {
                command.env_remove(name);
            }
        }
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Puts the licences beside a package, so that they are packed with it.
    ///
    /// # Errors
    /// When they cannot be copied.
    pub fn place_licences(&self, package: &Path) -> Result<(), String> {
        ["LICENSE-APACHE", "LICENSE-MIT", "LICENSE-THIRD-PARTY"].into_iter().try_for_each(|name| {
            std::fs::copy(self.root.join(name), package.join(name))
                .map_err(|error| format!("{name}: {error}"))?;
            Ok(())
        })
    }

    /// The folder of the built browser files.
    pub fn browser(&self) -> PathBuf {
        self.target.join("browser")
    }

    /// The server's binary of the development profile.
    pub fn server(&self) -> PathBuf {
        self.target.join("debug").join(if cfg!(windows) { "quivive.exe" } else { "quivive" })
    }
}

/// The packages and features of the Rust tests.
pub const SELECTION: [&str; 3] = ["--workspace", "--features", "quivive-middleware/actix"];

/// Chromium, wherever a distribution has put it.
pub fn chromium() -> Option<PathBuf> {
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(path_of)
}

/// Whether a program can be called and tells its version.
pub fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Whether a program can be called by its name.
pub fn is_installed(program: &str) -> bool {
    path_of(program).is_some()
}

/// Where a program lies that can be called by its name.
fn path_of(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}
