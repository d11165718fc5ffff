//! Every case of `tests/vectors` as a test of its own, and the promise that each export has its cases.

use std::collections::HashMap;

use libtest_mimic::{Arguments, Failed, Trial};
use quivive_tests::vectors::{Flag, VectorFile, exported_functions};

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let folder = quivive_tests::root().join("tests/vectors");
    let files: Vec<(String, VectorFile)> = quivive_tests::json_files(&folder)
        .into_iter()
        .filter(|(name, _)| !name.starts_with("external") && name != "schema.json")
        .map(|(name, path)| {
            let text = std::fs::read_to_string(path).expect("readable vector file");
            let file = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, file)
        })
        .collect();
    let mut trials: Vec<Trial> = exported_functions()
        .into_iter()
        .map(|function| {
            let covered = coverage(function, &files);
            Trial::test(format!("coverage::{function}"), move || covered.map_err(Failed::from))
        })
        .collect();
    for (name, file) in files {
        let names = unique_names(&file);
        trials.push(Trial::test(format!("{name}::names_are_unique"), move || names.map_err(Failed::from)));
        for case in file.cases {
            let function = file.function.clone();
            trials.push(Trial::test(format!("{name}::{}", case.name), move || {
                case.check(&function).map_err(Failed::from)
            }));
        }
    }
    trials
}

fn coverage(function: &str, files: &[(String, VectorFile)]) -> Result<(), String> {
    let cases: Vec<_> = files
        .iter()
        .filter(|(_, file)| file.function == function)
        .flat_map(|(_, file)| &file.cases)
        .collect();
    let has_success = cases.iter().any(|case| case.error.is_none());
    let has_error = cases.iter().any(|case| case.error.is_some());
    let is_cryptographic = ["verify", "sign", "check_solution"].iter().any(|word| function.starts_with(word));
    let has_attack = cases.iter().any(|case| case.flags.contains(&Flag::Attack));
    match (has_success, has_error, has_attack || !is_cryptographic) {
        (true, true, true) => Ok(()),
        missing => Err(format!("vectors of {function} (success, error, attack): {missing:?}")),
    }
}

fn unique_names(file: &VectorFile) -> Result<(), String> {
    let mut seen = HashMap::new();
    file.cases
        .iter()
        .find(|case| seen.insert(case.name.as_str(), ()).is_some())
        .map_or(Ok(()), |case| Err(format!("two cases are named `{}`", case.name)))
}
