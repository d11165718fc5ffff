//! The program `quivive`.

use std::process::ExitCode;

fn main() -> ExitCode {
    quivive_server::cli::main()
}
