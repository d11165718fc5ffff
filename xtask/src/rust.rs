//! Format, lints, and the Rust tests.

use crate::context::{Context, SELECTION, has};
use crate::report::Outcome;
use crate::step::{Counts, Failure, output, run};

/// Compiles everything, also core alone for wasm and without a C compiler.
pub fn check(context: &Context) -> Result<Outcome, Failure> {
    run(&mut context.cargo(&["check", "--workspace", "--all-targets"]))?;
    let wasm = ["check", "-p", "quivive-core", "--no-default-features", "--target", "wasm32-unknown-unknown"];
    run(&mut context.cargo(&wasm))?;
    run(context.cargo(&wasm).args(["--features", "full"]))?;
    Ok(Outcome::Ran(Counts { passed: 3, ..Counts::default() }))
}

/// Format check, then clippy with warnings denied.
pub fn lint(context: &Context) -> Result<Outcome, Failure> {
    run(&mut context.cargo(&["fmt", "--all", "--check"]))?;
    run(&mut context.cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]))?;
    Ok(Outcome::Ran(Counts { passed: 2, ..Counts::default() }))
}

/// Refuses a tree with changes that are not committed.
pub fn clean_tree(context: &Context) -> Result<Outcome, Failure> {
    let changes = output(&mut context.command("git", &["status", "--porcelain"]))?;
    if changes.is_empty() {
        Ok(Outcome::Ran(Counts::ONE))
    } else {
        Err(format!("uncommitted:\n{changes}").into())
    }
}

/// The wire transcripts alone.
pub fn wire(context: &Context) -> Result<Outcome, Failure> {
    run(&mut context.build(&["--bins"]))?;
    let mut tests = context.cargo(&["test"]);
    Ok(Outcome::Ran(run(tests.args(SELECTION).args(["--test", "wire"]))?))
}

/// All Rust tests, core a second time on its other cryptographic backend, and the examples of the docs.
pub fn test(context: &Context) -> Result<Outcome, Failure> {
    let mut counts = Counts::default();
    let runner: &[&str] = if has("cargo-nextest") {
        &["nextest", "run", "--no-fail-fast"]
    } else {
        &["test", "--no-fail-fast"]
    };
    for selection in
        [&SELECTION[..], &["-p", "quivive-core", "--no-default-features", "--features", "full,compact"]]
    {
        let arguments: Vec<&str> = runner.iter().chain(selection).copied().collect();
        counts += run(&mut context.cargo(&arguments))?;
    }
    if runner[0] == "nextest" {
        counts += run(context.cargo(&["test", "--doc"]).args(SELECTION))?;
    }
    Ok(Outcome::Ran(counts))
}
