//! Vector files: `tests/vectors/<area>/<function>.json`.

use quivive_core::Result;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// One vector file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorFile {
    /// The exported function, as in the export table.
    pub function: String,
    /// Where the values come from.
    pub source: String,
    /// The cases.
    pub cases: Vec<Case>,
}

/// One call and what it must give.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique in its file.
    pub name: String,
    /// What the case is for.
    pub flags: Vec<Flag>,
    /// The call's input struct.
    pub input: Value,
    /// The whole output.
    #[serde(default, deserialize_with = "some")]
    pub output: Option<Value>,
    /// A part of the output that must be there.
    #[serde(default, deserialize_with = "some")]
    pub output_matches: Option<Value>,
    /// The code of the expected error.
    pub error: Option<String>,
}

/// What a case is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Someone tries to get through.
    Attack,
    /// At a limit or one beyond.
    Boundary,
    /// Everyday use.
    Ordinary,
    /// Published by a standard or specification.
    Published,
    /// Was wrong once.
    Regression,
}

impl Case {
    /// Runs the case; says what is wrong.
    pub fn check(&self, function: &str) -> std::result::Result<(), String> {
        let outcome =
            call(function, self.input.clone()).ok_or_else(|| format!("`{function}` is not exported"))?;
        match (outcome, &self.output, &self.output_matches, &self.error) {
            (Ok(actual), Some(expected), None, None) => {
                report(crate::compare::difference(&actual, expected), &actual)
            }
            (Ok(actual), None, Some(expected), None) => {
                report(crate::compare::difference_from_subset(&actual, expected), &actual)
            }
            (Err(actual), None, None, Some(expected)) if actual.kind().code() == expected => Ok(()),
            (Err(actual), ..) => Err(format!("unexpected error {}: {actual}", actual.kind().code())),
            (Ok(actual), None, None, Some(expected)) => {
                Err(format!("expected error {expected}, got {actual}"))
            }
            _ => Err("a case holds exactly one of output, output_matches and error".to_owned()),
        }
    }
}

/// Every name of the export table.
pub fn exported_functions() -> Vec<&'static str> {
    macro_rules! names {
        ($($(#[$doc:meta])* $name:ident($input:ident) -> $output:ident, js = $js:literal;)*) => {
            vec![$(stringify!($name)),*]
        };
    }
    quivive_core::for_each_export!(names)
}

fn call(function: &str, input: Value) -> Option<Result<Value>> {
    macro_rules! dispatch {
        ($($(#[$doc:meta])* $name:ident($input:ident) -> $output:ident, js = $js:literal;)*) => {
            match function {
                $(stringify!($name) => Some(run(input, quivive_core::exports::$name)),)*
                _ => None,
            }
        };
    }
    quivive_core::for_each_export!(dispatch)
}

fn run<I: DeserializeOwned, O: serde::Serialize>(
    input: Value,
    function: fn(I) -> Result<O>,
) -> Result<Value> {
    Ok(serde_json::to_value(function(serde_json::from_value(input)?)?)?)
}

fn report(difference: Option<String>, actual: &Value) -> std::result::Result<(), String> {
    difference.map_or(Ok(()), |text| Err(format!("{text}\nactual: {actual:#}")))
}

/// Keeps a written `null` apart from an absent member.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
