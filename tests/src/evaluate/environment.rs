//! Part E: what the collector's probe says of browser set-ups and of ordinary visitors.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use quivive_core::score::{Session, payload};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::metrics::share;
use super::program::node;
use super::report::{Configuration, Environment};

/// The flags that a recorded visitor's fields can tell; the others need values that were not recorded.
const FLAGS_OF_VISITORS: [&str; 4] = ["headless_ua", "missing_plugins", "navigator_anomaly", "zero_viewport"];

/// An item's name with its likelihood.
type NamedLikelihood = (String, Option<f64>);

/// A row of `env/`: a set-up with all that its page read, or a visitor's few values.
#[derive(Debug, Deserialize)]
struct Row {
    /// `env/file/config`, or the line's number where there is no name.
    #[serde(skip)]
    name: String,
    label: Option<u8>,
    config: Option<String>,
    env: Option<Value>,
    #[serde(flatten)]
    visitor: Map<String, Value>,
}

impl Row {
    fn environment(&self) -> Value {
        let field = |name: &str| self.visitor.get(name).cloned().unwrap_or_default();
        self.env.clone().unwrap_or_else(|| {
            json!({
                "userAgent": field("userAgent"), "platform": field("platform"), "vendor": field("vendor"),
                "pluginsLength": field("pluginsLength"), "language": field("language"),
                "inner": [field("viewportWidth"), field("viewportHeight")],
                "screen": [field("screenWidth"), field("screenHeight")], "visibility": "visible",
            })
        })
    }

    fn weight(&self) -> f64 {
        self.visitor.get("weight").and_then(Value::as_f64).unwrap_or(1.0)
    }
}

/// A row with the flags that are raised and the server's `js_detection.passed`.
#[derive(Debug)]
struct Probed {
    row: Row,
    flags: Vec<String>,
    passed: Option<bool>,
}

/// The part of a folder of data with each row's name and likelihood; none when the folder is missing.
///
/// A flag is no probability: the likelihood is 1 with any flag and 0 without.
///
/// # Errors
/// When a file cannot be read or the probe cannot be run.
pub fn environment(data: &Path, root: &Path) -> Result<Option<(Environment, Vec<NamedLikelihood>)>, String> {
    let files = files(&data.join("env")).map_err(|error| format!("env: {error}"))?;
    if files.is_empty() {
        return Ok(None);
    }
    let mut rows = Vec::new();
    for file in files {
        rows.extend(read(&file).map_err(|error| format!("{}: {error}", file.display()))?);
    }
    let probed = probe(rows, root)?;
    let scores = probed
        .iter()
        .map(|one| (one.row.name.clone(), Some(if one.flags.is_empty() { 0.0 } else { 1.0 })))
        .collect();
    Ok(Some((measure(&probed), scores)))
}

fn measure(probed: &[Probed]) -> Environment {
    let configurations = probed.iter().filter(|one| one.row.config.is_some()).map(|one| Configuration {
        name: one.row.config.clone().unwrap_or_default(),
        automated: one.row.label == Some(1),
        flags: one.flags.clone(),
        passed: one.passed,
    });
    let visitors = |label: Option<u8>| {
        probed.iter().filter(move |one| one.row.config.is_none() && one.row.label == label)
    };
    let flags = |label| -> BTreeMap<String, f64> {
        let rate = |flag: &str| {
            share(
                visitors(label).map(|one| (one.flags.iter().any(|raised| raised == flag), one.row.weight())),
            )
        };
        FLAGS_OF_VISITORS.into_iter().filter_map(|flag| Some((flag.to_owned(), rate(flag)?))).collect()
    };
    Environment {
        configurations: configurations.collect(),
        people_flags: flags(Some(0)),
        suspect_flags: flags(None),
        suspects_flagged: share(visitors(None).map(|one| (!one.flags.is_empty(), one.row.weight()))),
        visitors: [visitors(Some(0)).count(), visitors(None).count()],
    }
}

fn probe(rows: Vec<Row>, root: &Path) -> Result<Vec<Probed>, String> {
    let module = root.join("bindings-wasm/collector/probe.mjs");
    let script = root.join("tests/evaluate/environment.mjs");
    let lines: Vec<String> = rows.iter().map(|row| row.environment().to_string()).collect();
    let answers = node(&script, &[&module], &lines)?;
    rows.into_iter()
        .zip(answers)
        .map(|(row, answer)| {
            let said: Map<String, Value> =
                serde_json::from_str(&answer).map_err(|error| format!("the probe's answer: {error}"))?;
            let mut flags: Vec<String> = said
                .iter()
                .filter(|(name, value)| *name != "js_passed" && **value == true)
                .map(|(name, _)| name.clone())
                .collect();
            flags.sort();
            Ok(Probed { row, flags, passed: judge(&said)? })
        })
        .collect()
}

/// What the server makes of the probe's event.
fn judge(said: &Map<String, Value>) -> Result<Option<bool>, String> {
    let events = json!([{
        "request_id": "probe", "type": "js_probe", "received_at": "2026-01-01T00:00:00Z", "payload": said,
    }]);
    let events = payload::parse_events(&events.to_string())
        .map_err(|error| format!("the server refuses the probe's answer: {error}"))?;
    let mut session = Session::default();
    for event in &events {
        session.apply(event);
    }
    Ok(session.aggregate().js_detection.passed)
}

/// Every `.jsonl` and `.jsonl.gz` of a folder, in order of names; none when it is missing.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    files.retain(|path| {
        let name = path.to_string_lossy();
        name.ends_with(".jsonl") || name.ends_with(".jsonl.gz")
    });
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> io::Result<Vec<Row>> {
    let file = File::open(path)?;
    let reader: Box<dyn Read> = if path.extension().is_some_and(|ending| ending == "gz") {
        Box::new(GzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let file = file.trim_end_matches(".gz").trim_end_matches(".jsonl");
    BufReader::new(reader)
        .lines()
        .zip(1..)
        .map(|(line, number): (_, u32)| {
            let row: Row = serde_json::from_str(&line?).map_err(io::Error::other)?;
            let id = row.config.clone().unwrap_or_else(|| number.to_string());
            Ok(Row { name: format!("env/{file}/{id}"), ..row })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(row: Value, flags: &[&str], passed: bool) -> Probed {
        Probed {
            row: serde_json::from_value(row).unwrap(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            passed: Some(passed),
        }
    }

    #[test]
    fn visitors_count_by_their_weight_and_suspects_apart() {
        let measured = measure(&[
            probed(json!({"config": "driven", "label": 1, "env": {}}), &["webdriver"], false),
            probed(json!({"config": "missed", "label": 1, "env": {}}), &[], true),
            probed(json!({"config": "plain", "label": 0, "env": {}}), &["missing_plugins"], true),
            probed(json!({"label": 0, "weight": 3.0}), &[], true),
            probed(json!({"label": 0, "weight": 1.0}), &["missing_plugins"], true),
            probed(json!({"label": null, "weight": 0.5}), &["navigator_anomaly"], true),
        ]);
        assert_eq!((measured.recall(), measured.false_flags()), ((1, 2), 1));
        assert_eq!(measured.people_flags["missing_plugins"], 0.25);
        assert_eq!(measured.suspect_flags["missing_plugins"], 0.0);
        assert_eq!((measured.suspects_flagged, measured.visitors), (Some(1.0), [2, 1]));
    }

    #[test]
    fn a_visitor_is_seen_as_a_page_would_see_it() {
        let row: Row = serde_json::from_value(json!({
            "label": 0, "userAgent": "U", "viewportWidth": 10, "viewportHeight": 20, "screenWidth": 30,
            "screenHeight": 40, "pluginsLength": 5
        }))
        .unwrap();
        let seen = row.environment();
        assert_eq!((&seen["inner"], &seen["screen"]), (&json!([10, 20]), &json!([30, 40])));
        assert_eq!((&seen["pluginsLength"], row.weight()), (&json!(5), 1.0));
    }

    #[test]
    fn the_server_judges_the_answer() {
        let said = |value: Value| value.as_object().unwrap().clone();
        assert_eq!(judge(&said(json!({"js_passed": true, "webdriver": false}))), Ok(Some(true)));
        assert_eq!(judge(&said(json!({"js_passed": true, "webdriver": true}))), Ok(Some(false)));
        assert!(judge(&said(json!({"unknown": true}))).is_err());
    }
}
