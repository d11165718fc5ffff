//! Development tasks: `cargo xtask <verb>`.
#![allow(
    missing_docs,
    clippy::print_stdout,
    reason = "a program for developers that reports on the terminal"
)]

mod bench;
mod context;
mod declarations;
mod document;
mod evaluate;
mod examples;
mod lists;
mod node;
mod python;
mod report;
mod rust;
mod setup;
mod step;
mod wasm;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::context::Context;
use crate::report::{Step, Task, run_steps};

/// Development tasks of Quivive; each installs what it needs.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Subcommand)]
enum Verb {
    /// Measure the hot paths and a bounded load run, in release builds, and print the ratios.
    Bench {
        /// Only these, comma separated.
        #[arg(long, value_delimiter = ',', value_parser = bench::PARTS.map(|(name, _)| name), value_name = "PARTS")]
        part: Vec<String>,
    },
    /// Compile everything without running it.
    Check,
    /// Write the type declarations of the Python and Node packages anew.
    Declarations,
    /// Check a running server against its own OpenAPI document with schemathesis.
    Document,
    /// Measure scoring on recordings of people and bots; `cargo xtask evaluate --help` lists the options.
    #[command(disable_help_flag = true)]
    Evaluate {
        /// The evaluation's own options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        arguments: Vec<OsString>,
    },
    /// Run the example agents against the guarded examples.
    Examples,
    /// Format check and clippy, warnings denied.
    Lint,
    /// Extend the catalogue of agents and its address ranges from public lists.
    Lists {
        /// A folder with `user_agents/` and `ip/`.
        #[arg(long)]
        data: PathBuf,
        /// Write nothing; fail when something would change.
        #[arg(long)]
        check: bool,
    },
    /// Build, install and test the Node package.
    Node,
    /// Build, install and test the Python package.
    Python,
    /// What CI runs, on a clean tree only.
    Ready,
    /// Everything: lints, Rust, packages, browser, examples.
    Test,
    /// Fit the learned table of the behavioural engine to recordings; says whether it changed.
    Train {
        /// A folder with `pointer/` and `keys/`.
        #[arg(long)]
        data: PathBuf,
    },
    /// Build and test the wasm package and the collector.
    Wasm,
    /// Run the wire transcripts; `QUIVIVE_TARGET` names a deployed server.
    Wire,
}

fn main() -> ExitCode {
    let verb = Arguments::parse().verb;
    match Context::find() {
        Ok(context) => match verb {
            Verb::Evaluate { arguments } => evaluate::evaluate(&context, &arguments),
            Verb::Lists { data, check } => lists::lists(&context, &data, check),
            Verb::Train { data } => evaluate::train(&context, &data),
            verb => run_steps(&context, &steps(&verb)),
        },
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn steps(verb: &Verb) -> Vec<Step> {
    match verb {
        Verb::Bench { part } => {
            let is_wanted = |(name, _): &Step| part.is_empty() || part.iter().any(|wanted| wanted == name);
            let parts = bench::PARTS.into_iter().filter(is_wanted);
            std::iter::once(("browser files", wasm::files as Task)).chain(parts).collect()
        }
        Verb::Check => vec![("browser files", wasm::files), ("check", rust::check)],
        Verb::Declarations => vec![("declarations", declarations::write)],
        Verb::Document => vec![("browser files", wasm::files), ("api document", document::check)],
        Verb::Evaluate { .. } | Verb::Lists { .. } | Verb::Train { .. } => Vec::new(),
        Verb::Examples if examples::is_inner() => vec![("examples", examples::test)],
        Verb::Examples => vec![
            ("browser files", wasm::files),
            ("python package", python::test),
            ("node package", node::test),
            ("examples", examples::test),
        ],
        Verb::Lint => vec![("browser files", wasm::files), ("format and lints", rust::lint)],
        Verb::Node => vec![("node package", node::test)],
        Verb::Python => vec![("python package", python::test)],
        Verb::Ready => {
            std::iter::once(("clean tree", rust::clean_tree as Task)).chain(everything()).collect()
        }
        Verb::Test => everything(),
        Verb::Wasm => {
            vec![("set-up", setup::install), ("browser files", wasm::files), ("wasm package", wasm::test)]
        }
        Verb::Wire => vec![("browser files", wasm::files), ("wire", rust::wire)],
    }
}

fn everything() -> Vec<Step> {
    vec![
        ("set-up", setup::install),
        ("browser files", wasm::files),
        ("format and lints", rust::lint),
        ("rust", rust::test),
        ("api document", document::check),
        ("declarations", declarations::check),
        ("python package", python::test),
        ("node package", node::test),
        ("wasm package", wasm::test),
        ("browser", wasm::browser),
        ("examples", examples::test),
    ]
}
