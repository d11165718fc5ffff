//! Loaders and runners of the vectors and wire transcripts that every language and backend shares.

pub mod compare;
pub mod evaluate;
pub mod server;
pub mod traces;
pub mod vectors;
pub mod wire;

use std::path::{Path, PathBuf};

/// The workspace's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every `.json` file below a folder, with its path from there, in order of names.
pub fn json_files(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        let entries =
            std::fs::read_dir(&current).unwrap_or_else(|error| panic!("{}: {error}", current.display()));
        for entry in entries {
            let path = entry.expect("folder entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                let name = path.strip_prefix(folder).expect("below the folder").display().to_string();
                files.push((name, path));
            }
        }
    }
    files.sort();
    files
}
