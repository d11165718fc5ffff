//! One step of a task: runs a program, keeps its output in a log, counts its tests.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

/// How many tests passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Tests that held.
    pub passed: u64,
    /// Tests that did not hold.
    pub failed: u64,
    /// Tests that did not run.
    pub skipped: u64,
}

impl Counts {
    /// One check that passed and is no test runner's.
    pub const ONE: Self = Self { passed: 1, failed: 0, skipped: 0 };
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Runs a program to its end and shows its output as it comes; returns the tests that it reported.
///
/// # Errors
/// The command line and the exit status when the program cannot be started or fails.
pub fn run(command: &mut Command) -> Result<Counts, Failure> {
    let line = describe(command);
    let cannot_run = |error: std::io::Error| Failure::from(format!("cannot run `{line}`: {error}"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot_run)?;
    let (sender, receiver) = mpsc::channel();
    for stream in [child.stdout.take().map(boxed), child.stderr.take().map(boxed)].into_iter().flatten() {
        let sender = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    drop(sender);
    let mut counts = Counts::default();
    let mut error_output = std::io::stderr().lock();
    for line in receiver {
        if let Some(found) = count(&line) {
            counts += found;
        }
        writeln!(error_output, "    {line}").map_err(cannot_run)?;
    }
    let status = child.wait().map_err(cannot_run)?;
    if status.success() {
        Ok(counts)
    } else {
        Err(Failure { message: format!("`{line}` failed ({status})"), counts })
    }
}

/// Runs a program and returns what it prints.
///
/// # Errors
/// The command line with the program's error output.
pub fn output(command: &mut Command) -> Result<String, String> {
    let line = describe(command);
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run `{line}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A step that failed, with the tests that it had counted by then.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What failed, in one line.
    pub message: String,
    /// The tests that were counted before.
    pub counts: Counts,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, counts: Counts::default() }
    }
}

fn boxed(stream: impl std::io::Read + Send + 'static) -> Box<dyn std::io::Read + Send> {
    Box::new(stream)
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Reads the closing lines of nextest, `cargo test`, pytest, Node's test runner and this program.
fn count(line: &str) -> Option<Counts> {
    let line = without_colours(line);
    let line = line.trim();
    let node = |word: &str| {
        let rest = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# "))?;
        rest.strip_prefix(word)?.trim().parse().ok()
    };
    if let Some(passed) = node("pass ") {
        return Some(Counts { passed, ..Counts::default() });
    }
    if let Some(failed) = node("fail ") {
        return Some(Counts { failed, ..Counts::default() });
    }
    if let Some(skipped) = node("skipped ") {
        return Some(Counts { skipped, ..Counts::default() });
    }
    let is_summary = line.starts_with("Summary [")
        || (line.starts_with(|first: char| first.is_ascii_digit())
            && line.contains(" passed, ")
            && line.contains(" failed"))
        || line.starts_with("test result:")
        || (line.starts_with('=') && line.ends_with('=') && line.contains(" in "));
    is_summary.then(|| Counts {
        passed: number_before(line, "passed"),
        failed: number_before(line, "failed") + number_before(line, "timed out"),
        skipped: number_before(line, "skipped") + number_before(line, "ignored"),
    })
}

fn number_before(line: &str, word: &str) -> u64 {
    line.split_once(word)
        .and_then(|(before, _)| before.split_whitespace().next_back())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            characters.by_ref().find(|end| end.is_ascii_alphabetic());
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_each_runner_are_read() {
        for (line, passed, failed, skipped) in [
            ("     Summary [   0.352s] 41 tests run: 40 passed, 1 failed, 2 skipped", 40, 1, 2),
            (
                "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
                7,
                0,
                1,
            ),
            ("=========== 12 passed, 3 skipped in 0.51s ===========", 12, 0, 3),
            ("16 passed, 1 failed", 16, 1, 0),
            ("ℹ pass 31", 31, 0, 0),
            ("# fail 2", 0, 2, 0),
        ] {
            assert_eq!(count(line), Some(Counts { passed, failed, skipped }), "{line}");
        }
        assert_eq!(count("compiling 3 passed things"), None);
    }
}
