//! Measures scoring on a folder of recordings; see `--help`.

use std::process::ExitCode;

use clap::Parser;
use quivive_tests::evaluate::{Options, run};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}
