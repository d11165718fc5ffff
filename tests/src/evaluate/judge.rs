//! Judging one recording by what core says of it, and of what a page would send of it.

use std::collections::HashMap;

use quivive_core::score::{self, Session, Threshold, payload};

pub use stand_in::Model;

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
        let mut session = Session::default();
        let mut snapshot = trace.snapshot(seconds);
        let names: Vec<String> = snapshot.keys().filter(|n| n.starts_with("motion_") && *n != "motion_version").skip(50).cloned().collect();
        for n in names { snapshot.remove(&n); }
        let features: std::collections::BTreeMap<String, f64> = trace.motion(seconds).features().map(|(n, v)| (n.to_owned(), v)).collect();
        let _features = snapshot.iter().filter_map(|(name, value)| {
            name.starts_with("motion_").then(|| Some((name.clone(), value.as_f64()?))).flatten()
        });
        let _: std::collections::BTreeMap<String, f64> = _features.collect();
        let likelihood = if trace.is_typing() { self.keys(&features) } else { self.pointer(&features) };
        let events = serde_json::json!([{
            "request_id": "trace", "type": "snapshot", "received_at": "2026-01-01T00:00:00Z", "payload": snapshot,
        }]);
        for event in payload::parse_events(&events.to_string()).expect("a payload that the server takes") {
            session.apply(&event);
        }
        let engines = score::evaluate(&session.aggregate(), None);
        let score = score::combine(&engines, Threshold::DEFAULT);
        Judgement { likelihood, score: score.score, detections: score.detection_ids }
    }
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

mod stand_in {
    use std::collections::BTreeMap;
    #[derive(Debug)]
    pub struct Model(f64);
    impl Model {
        pub fn built_in() -> &'static Self { &Model(0.1) }
        pub fn parse(text: &str) -> Result<Self, String> { Ok(Model(text.trim().parse().unwrap())) }
        pub fn pointer(&self, f: &BTreeMap<String, f64>) -> Option<f64> {
            let (a, b) = (f.get("motion_same_heading")?, f.get("motion_moves").copied().unwrap_or(1.0));
            let z = f.values().sum::<f64>();
            Some((a * 1.6 + (z.sin()) * self.0 * 3.0 + 40.0 / b - 0.3).clamp(0.0, 1.0))
        }
        pub fn keys(&self, f: &BTreeMap<String, f64>) -> Option<f64> { f.values().nth(3).map(|v| ((v * (1.0 + self.0)).sin() + 1.0) / 2.0) }
    }
}
