//! Runs a program while a server with the demo seed is up: `with-server PROGRAM [ARGUMENTS…]`.
//!
//! The program finds the server's address in `QUIVIVE_URL` and its process in `QUIVIVE_SERVER_PROCESS`; its exit status
//! is passed on.

use std::process::{Command, ExitCode};

use quivive_tests::server::Server;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: with-server PROGRAM [ARGUMENTS…]");
        return ExitCode::FAILURE;
    };
    let data = tempfile::tempdir().expect("temporary folder");
    let server = Server::start(data.path(), &[]);
    let status = Command::new(&program)
        .args(words)
        .env("QUIVIVE_URL", server.url())
        .env("QUIVIVE_SERVER_PROCESS", server.process().to_string())
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot run {}: {error}", program.to_string_lossy());
            ExitCode::FAILURE
        }
    }
}
