//! The wasm build: the collector's measures and the package's scoring, run in Node beside the native build.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use quivive_core::score::motion::Model;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cost::{summary, timed};
use super::judge::{Judge, Judgement, Recorded};
use super::program::node;
use super::report::{Comparison, Cost};
use crate::traces::Trace;

/// What the wasm build said, and how far it agrees with the native build.
pub struct Judged {
    /// Its judgements.
    pub recorded: Recorded,
    /// Beside the native build's, features and all, to the last bit.
    pub comparison: Comparison,
}

/// One judgement as the script writes it; numbers to be compared are the 64 bits of the number.
#[derive(Debug, Deserialize)]
struct Answer {
    likelihood: Option<String>,
    entropy: Option<String>,
    features: BTreeMap<String, String>,
    score: u8,
    detections: Vec<u32>,
    milliseconds: f64,
}

/// Judges recordings, whole and after the first seconds, with the built-in table.
///
/// # Errors
/// When the files were not built, Node is missing or an answer cannot be read.
pub fn judge(target: &Path, traces: &[&Trace], prefix: &[u32], native: &Model) -> Result<Judged, String> {
    let wanted: Vec<Option<f64>> =
        std::iter::once(None).chain(prefix.iter().map(|seconds| Some(f64::from(*seconds)))).collect();
    let answers = ask(target, traces, &wanted)?;
    let mut recorded = HashMap::new();
    let mut comparison = Comparison { items: 0, different: 0 };
    for (trace, answers) in traces.iter().zip(answers) {
        let mut agrees = true;
        for (&seconds, answer) in wanted.iter().zip(answers) {
            let judgement = Judgement {
                likelihood: answer.likelihood.as_deref().map(number).transpose()?,
                score: answer.score,
                detections: answer.detections.clone(),
            };
            agrees &=
                judgement == native.judge(trace, seconds) && is_the_same_payload(&answer, trace, seconds);
            let milliseconds = seconds.map(|seconds| (seconds * 1000.0) as u64);
            recorded.insert((trace.name(), milliseconds), judgement);
        }
        comparison.items += 1;
        comparison.different += usize::from(!agrees);
    }
    Ok(Judged { recorded: Recorded(recorded), comparison })
}

/// The cost of following the events, reading the features and judging them; none without long recordings.
///
/// # Errors
/// As [`judge`].
pub fn cost(target: &Path, traces: &[Trace]) -> Result<Option<Cost>, String> {
    let timed = timed(traces);
    let timed: Vec<&Trace> = timed.iter().collect();
    // The first time also compiles; the fastest counts, as natively.
    let answers = ask(target, &timed, &[None; 5])?;
    let fastest =
        |answers: Vec<Answer>| answers.iter().map(|one| one.milliseconds).fold(f64::INFINITY, f64::min);
    Ok(summary(answers.into_iter().map(fastest).collect()))
}

fn ask(target: &Path, traces: &[&Trace], wanted: &[Option<f64>]) -> Result<Vec<Vec<Answer>>, String> {
    let collector = target.join("browser/collector.wasm");
    let package = target.join("package/quivive-wasm");
    for path in [&collector, &package] {
        if !path.exists() {
            return Err(format!("{}: not built; run `cargo xtask wasm`", path.display()));
        }
    }
    let lines: Vec<String> = traces.iter().map(|trace| question(trace, wanted).to_string()).collect();
    let script = crate::root().join("tests/evaluate/wasm.mjs");
    let answers = node(&script, &[&collector, &package], &lines)?;
    answers
        .iter()
        .map(|answer| serde_json::from_str(answer).map_err(|error| format!("{}: {error}", script.display())))
        .collect()
}

/// A recording with the counts that a page takes without wasm.
fn question(trace: &Trace, wanted: &[Option<f64>]) -> Value {
    let wanted: Vec<Value> = wanted
        .iter()
        .map(|&seconds| {
            let mut counts = trace.snapshot(seconds);
            counts.retain(|name, _| name == "motion_version" || !name.starts_with("motion_"));
            counts.remove("mouse_entropy");
            json!({ "seconds": seconds, "counts": counts })
        })
        .collect();
    json!({
        "t": trace.t, "x": trace.x, "y": trace.y, "k": trace.k, "e": trace.e, "inputs": trace.inputs,
        "untrusted": trace.untrusted, "typing": trace.is_typing(), "wanted": wanted,
    })
}

fn is_the_same_payload(answer: &Answer, trace: &Trace, seconds: Option<f64>) -> bool {
    let motion = trace.motion(seconds);
    let features: BTreeMap<String, String> =
        motion.features().map(|(name, value)| (name.to_owned(), bits(value))).collect();
    features == answer.features && motion.naturalness().map(bits) == answer.entropy
}

fn bits(number: f64) -> String {
    format!("{:x}", number.to_bits())
}

fn number(bits: &str) -> Result<f64, String> {
    u64::from_str_radix(bits, 16).map(f64::from_bits).map_err(|error| format!("{bits}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_bit() {
        for value in [0.1 + 0.2, -0.0, 1e-300] {
            assert_eq!(number(&bits(value)).unwrap().to_bits(), value.to_bits());
        }
        assert!(number("not bits").is_err());
    }

    #[test]
    fn files_that_were_not_built_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = ask(folder.path(), &[], &[]).unwrap_err();
        assert!(error.contains("collector.wasm") && error.contains("cargo xtask wasm"), "{error}");
    }
}
