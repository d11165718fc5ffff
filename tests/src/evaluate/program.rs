//! Runs a program that answers each line of its input with one line.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// The answers of `node script arguments…` to these lines, in order.
///
/// # Errors
/// When node is missing, the script fails or answers another number of lines.
pub fn node(script: &Path, arguments: &[&Path], lines: &[String]) -> Result<Vec<String>, String> {
    let named = |error: &dyn std::fmt::Display| format!("node {}: {error}", script.display());
    let mut child = Command::new("node")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| named(&error))?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(named(&"no pipes"));
    };
    // Written beside reading: a program that answers at once would otherwise wait for its reader for ever.
    let answers = thread::scope(|scope| {
        scope.spawn(move || {
            let mut input = BufWriter::new(input);
            // A program that stopped reading fails below.
            let _ = lines.iter().try_for_each(|line| writeln!(input, "{line}"));
        });
        BufReader::new(output).lines().collect::<Result<Vec<String>, _>>()
    });
    let answers = answers.map_err(|error| named(&error))?;
    let status = child.wait().map_err(|error| named(&error))?;
    if !status.success() {
        return Err(named(&status));
    }
    if answers.len() != lines.len() {
        return Err(named(&format_args!("{} answers to {} lines", answers.len(), lines.len())));
    }
    Ok(answers)
}
