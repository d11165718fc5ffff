//! Writing for people: results to standard output, failures as one line to standard error.

use std::io::Write;
use std::process::ExitCode;

/// Writes a line of a result. A reader that went away is no failure.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes a remark that is no part of the result.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes why the command failed.
pub(super) fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr().lock(), "quivive: {message}");
    ExitCode::FAILURE
}
