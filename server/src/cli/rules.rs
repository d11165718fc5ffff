//! `quivive rules`.

use std::io::Read;
use std::path::PathBuf;

use clap::Subcommand;
use quivive_core::rules::{CheckRule, CheckedRule, Field, check_rule};

use super::output;
use crate::config::ConfigError;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Check the expression of a rule: its fields, or the place of its fault. The exit status tells.
    Check(Arguments),
}

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A file with the expression; `-` for standard input, which is also read when nothing is named.
    file: Option<PathBuf>,
    /// The expression itself.
    #[arg(short, long, conflicts_with = "file")]
    expression: Option<String>,
}

/// Runs the command.
pub(super) fn run(command: Command) -> Result<(), ConfigError> {
    let Command::Check(arguments) = command;
    let text = match arguments.expression {
        Some(text) => text,
        None => read(arguments.file)?,
    };
    match check_rule(CheckRule { expression: text.clone() }) {
        Ok(checked) => {
            output::line(&report(&checked));
            Ok(())
        }
        Err(error) => Err(ConfigError(marked(&text, &error))),
    }
}

fn read(file: Option<PathBuf>) -> Result<String, ConfigError> {
    let mut text = String::new();
    let from_file = file.filter(|file| file.as_os_str() != "-");
    let outcome = match &from_file {
        Some(file) => std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text)),
        None => std::io::stdin().read_to_string(&mut text),
    };
    let name = from_file.map_or_else(|| "standard input".to_owned(), |file| file.display().to_string());
    outcome.map_err(|error| ConfigError(format!("{name} cannot be read: {error}")))?;
    // The line break at the end of a file is not the author's.
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn report(checked: &CheckedRule) -> String {
    let fields: Vec<&str> = checked.fields.iter().copied().map(Field::name).collect();
    format!("ok\nexpression: {}\nfields: {}", checked.normal_form, fields.join(", "))
}

/// The message, and below it the faulty line with a caret under the fault.
fn marked(text: &str, error: &quivive_core::Error) -> String {
    let detail = |name: &str| error.details().get(name);
    let position = detail("position").and_then(serde_json::Value::as_u64).unwrap_or_default();
    let position = usize::try_from(position).unwrap_or(usize::MAX).min(text.len());
    let before = text.get(..position).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |place| place + 1);
    let line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
    let number = before.matches('\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count();
    let hint = detail("hint").and_then(serde_json::Value::as_str);
    let hint = hint.map(|hint| format!(" {hint}")).unwrap_or_default();
    let shown: String =
        line.chars().map(|character| if character == '\t' { ' ' } else { character }).collect();
    format!("{error}{hint}\n  line {number}, column {}\n  {shown}\n  {:column$}^", column + 1, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(text: &str) -> String {
        marked(text, &check_rule(CheckRule { expression: text.to_owned() }).unwrap_err())
    }

    #[test]
    fn the_caret_stands_under_the_fault() {
        assert_eq!(
            mark("verified_bot AND scorre < 4"),
            "Unknown field \"scorre\" in rule expression. did you mean score?\n  line 1, column 18\n  \
             verified_bot AND scorre < 4\n                   ^"
        );
    }

    #[test]
    fn columns_are_characters_of_the_line() {
        let marked = mark("path == \"/é\"\nAND\tscorre < 4");
        assert!(marked.ends_with("  line 2, column 5\n  AND scorre < 4\n      ^"), "{marked}");
    }

    #[test]
    fn an_end_that_comes_too_early_is_marked_behind_the_text() {
        assert!(mark("score <").ends_with("  score <\n         ^"));
        assert!(mark("").ends_with("column 1\n  \n  ^"));
    }
}
