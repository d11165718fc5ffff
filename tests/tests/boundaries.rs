//! The rules of ARCHITECTURE.md that no compiler holds: who may depend on whom.

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

const CORE_DEPENDENCIES: [&str; 24] = [
    "aes-gcm",
    "aho-corasick",
    "aws-lc-rs",
    "base64ct",
    "ed25519-dalek",
    "form_urlencoded",
    "hkdf",
    "hmac",
    "icu_normalizer",
    "memchr",
    "miniz_oxide",
    "p256",
    "p384",
    "pkcs1",
    "regex-lite",
    "rsa",
    "schemars",
    "serde",
    "serde_json",
    "sfv",
    "sha2",
    "spki",
    "strsim",
    "subtle",
];
const FAMILIES: [&str; 3] = ["agentshield", "botcha", "botect"];

#[test]
fn core_depends_on_its_allow_list_only() {
    let allowed: BTreeSet<&str> = CORE_DEPENDENCIES.into_iter().chain(["thiserror"]).collect();
    let surplus: Vec<_> =
        dependencies("quivive-core").into_iter().filter(|name| !allowed.contains(name.as_str())).collect();
    assert!(surplus.is_empty(), "{surplus:?}");
}

#[test]
fn dependencies_point_towards_core() {
    for (package, allowed) in [
        ("quivive-core", &[][..]),
        ("quivive", &["quivive-core"]),
        ("quivive-middleware", &["quivive", "quivive-core"]),
        ("quivive-python", &["quivive-core"]),
        ("quivive-node", &["quivive-core"]),
        ("quivive-wasm", &["quivive-core"]),
        ("quivive-server", &["quivive", "quivive-core"]),
    ] {
        for name in dependencies(package) {
            let is_ours = name == "quivive" || name.starts_with("quivive-");
            assert!(!is_ours || allowed.contains(&name.as_str()), "{package} depends on {name}");
        }
    }
}

#[test]
fn families_do_not_import_each_other() {
    let source = quivive_tests::root().join("server/src");
    for family in FAMILIES {
        for (path, text) in rust_files(&source.join(family)) {
            for other in FAMILIES.iter().filter(|other| **other != family) {
                assert!(!text.contains(&format!("crate::{other}")), "{path} uses family {other}");
            }
        }
    }
}

#[test]
fn only_the_command_line_uses_the_client() {
    let source = quivive_tests::root().join("server/src");
    for (path, text) in rust_files(&source) {
        // Pages show programs that use it; those stand in texts.
        let is_code = |line: &str| line.split("quivive::").next().is_some_and(|before| !before.contains('"'));
        let mut uses = text.lines().filter(|line| line.contains("quivive::") && is_code(line));
        let uses_client = uses.next().is_some() && !path.contains("/cli");
        assert!(!uses_client, "{path} uses the client crate");
    }
}

fn dependencies(package: &str) -> Vec<String> {
    let manifest = quivive_tests::root().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata");
    let package: &Package = metadata
        .packages
        .iter()
        .find(|found| found.name.as_str() == package)
        .expect("a package of the workspace");
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Normal)
        .map(|dependency| dependency.name.clone())
        .collect()
}

fn rust_files(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        for entry in std::fs::read_dir(&current).expect("readable folder") {
            let path = entry.expect("folder entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push((
                    path.display().to_string(),
                    std::fs::read_to_string(&path).expect("UTF-8 source"),
                ));
            }
        }
    }
    files
}
