//! Judging one recording by what core says of it, and of what a page would send of it.

use std::collections::{BTreeMap, HashMap};

use quivive_core::score::{self, Session, Threshold, motion::Model, payload};
use serde_json::json;

use crate::traces::Trace;

/// What is said of one recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// The bot likelihood of the whole recording, 0 to 1; none when core abstains.
    pub likelihood: Option<f64>,
    /// The score from 1 to 99 of what leaves the page; 0 when nothing was computed.
    pub score: u8,
    /// The detections behind the score, ascending.
    pub detections: Vec<u32>,
}

impl Judgement {
    /// The likelihood; an abstaining engine counts as undecided.
    pub fn likelihood_or_half(&self) -> f64 {
        self.likelihood.unwrap_or(0.5)
    }

    /// 100 minus the score; an absent score counts as undecided.
    pub fn suspicion(&self) -> f64 {
        if self.score == 0 { 50.0 } else { 100.0 - f64::from(self.score) }
    }

    /// Whether the score lies in a bot band.
    pub fn is_in_bot_band(&self, threshold: u8) -> bool {
        // Score 1 is a bot band under every threshold, score 0 under none.
        self.score == 1 || (2..threshold).contains(&self.score)
    }
}

/// Something that judges recordings alone, by their events.
pub trait Judge {
    /// Judges a recording, or its first seconds.
    fn judge(&self, trace: &Trace, seconds: Option<f64>) -> Judgement;
}

/// This build of core with a table.
impl Judge for Model {
    fn judge(&self, trace: &Trace, seconds: Option<f64>) -> Judgement {
        let snapshot = trace.snapshot(seconds);
        let features: BTreeMap<String, f64> = snapshot
            .iter()
            .filter(|(name, _)| name.starts_with("motion_") && *name != "motion_version")
            .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
            .collect();
        let likelihood = if trace.is_typing() { self.keys(&features) } else { self.pointer(&features) };
        let events = json!([{
            "request_id": "trace", "type": "snapshot", "received_at": "2026-01-01T00:00:00Z", "payload": snapshot,
        }]);
        let mut session = Session::default();
        for event in payload::parse_events(&events.to_string()).expect("a payload that the server takes") {
            session.apply(&event);
        }
        let engines = score::evaluate_with(&session.aggregate(), None, self);
        let score = score::combine(&engines, Threshold::DEFAULT);
        Judgement {
            likelihood: likelihood.map(millionths),
            score: score.score,
            detections: score.detection_ids,
        }
    }
}

/// As `score_motion` gives likelihoods in every language.
fn millionths(likelihood: f64) -> f64 {
    (likelihood * 1e6).round() / 1e6
}

/// Judgements that were made before, by name and milliseconds.
#[derive(Debug, Default)]
pub struct Recorded(pub HashMap<(String, Option<u64>), Judgement>);

impl Judge for Recorded {
    fn judge(&self, trace: &Trace, seconds: Option<f64>) -> Judgement {
        let milliseconds = seconds.map(|seconds| (seconds * 1000.0) as u64);
        self.0.get(&(trace.name(), milliseconds)).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_opinion_is_undecided_and_in_no_bot_band() {
        let judgement = Judgement::default();
        assert_eq!((judgement.likelihood_or_half(), judgement.suspicion()), (0.5, 50.0));
        assert!(!judgement.is_in_bot_band(99));
    }

    #[test]
    fn bands_follow_the_threshold() {
        let band = |score, threshold| Judgement { score, ..Judgement::default() }.is_in_bot_band(threshold);
        assert_eq!([band(1, 1), band(29, 30), band(30, 30), band(59, 60)], [true, true, false, true]);
        assert_eq!(Judgement { score: 96, ..Judgement::default() }.suspicion(), 4.0);
    }
}
