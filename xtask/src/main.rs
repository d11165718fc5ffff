//! Development tasks: `cargo xtask <verb>`.
#![allow(
    missing_docs,
    clippy::print_stdout,
    reason = "a program for developers that reports on the terminal"
)]

mod context;
mod report;
mod rust;
mod step;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::context::Context;
use crate::report::{Step, run_steps};

/// Development tasks of Quivive; each installs what it needs.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Copy, Subcommand)]
enum Verb {
    /// Everything: lints, Rust, packages, browser, examples.
    Test,
    /// Compile everything without running it.
    Check,
    /// Format check and clippy, warnings denied.
    Lint,
}

fn main() -> ExitCode {
    let verb = Arguments::parse().verb;
    match Context::find() {
        Ok(context) => run_steps(&context, &steps(verb)),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn steps(verb: Verb) -> Vec<Step> {
    match verb {
        Verb::Check => vec![("check", rust::check)],
        Verb::Lint => vec![("format and lints", rust::lint)],
        Verb::Test => vec![("format and lints", rust::lint), ("rust", rust::test)],
    }
}
