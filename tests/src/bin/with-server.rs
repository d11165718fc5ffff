//! Runs a program while a server with the demo seed is up: `with-server [--config FILE] PROGRAM [ARGUMENTS…]`.
//!
//! The program finds the server's address in `QUIVIVE_URL`, its process in `QUIVIVE_SERVER_PROCESS` and its data folder
//! in `QUIVIVE_DATA`; its exit status is passed on.

use std::process::{Command, ExitCode};

use quivive_tests::server::Server;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    let mut options = Vec::new();
    if words.next_if(|word| word == "--config").is_some() {
        options = vec!["--config".to_owned()];
        options.extend(words.next().and_then(|file| file.into_string().ok()));
    }
    let Some(program) = words.next() else {
        eprintln!("usage: with-server [--config FILE] PROGRAM [ARGUMENTS…]");
        return ExitCode::FAILURE;
    };
    let data = tempfile::tempdir().expect("temporary folder");
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::start(data.path(), &options);
    let status = Command::new(&program)
        .args(words)
        .env("QUIVIVE_URL", server.url())
        .env("QUIVIVE_DATA", data.path())
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
