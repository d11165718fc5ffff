//! From the engines' opinions to one score: layered, the strongest evidence wins, no voting.

use serde::{Deserialize, Serialize};

use super::{Band, Detection, EngineResults, Opinion, Threshold, VerifiedBot, detection, reason};
use crate::evidence::Evidence;

/// A session's score under a project's threshold.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// 1 (surest bot) to 99 (surest human); 0 when nothing was computed or the visitor is a verified bot.
    pub score: u8,
    /// What the score means under the threshold.
    pub band: Band,
    /// Every detection id, ascending; a verdict may hide them.
    pub detection_ids: Vec<u32>,
    /// Everything that the engines saw.
    pub evidence: Vec<Evidence>,
    /// The plain sentence.
    pub reason: String,
    /// Whether the script probe passed; null without a probe.
    pub js_passed: Option<bool>,
    /// The bot that the visitor was proved to be.
    pub verified_bot: Option<VerifiedBot>,
}

/// Combines the opinions under a threshold.
pub fn combine(engines: &EngineResults, threshold: Threshold) -> Score {
    let floor = threshold.lowest_human_score();
    let heuristics = heuristics_score(&engines.heuristics, floor);
    let behavioral = engines.behavioral.score;
    let (score, band) = match engines.verified_bot {
        Some(_) => (0, Band::Verified),
        None => {
            let score = with_probe(strongest(heuristics, behavioral), engines.js_passed, floor);
            (score, Band::of(score, threshold))
        }
    };

    let mut evidence = engines.heuristics.evidence.clone();
    evidence.extend_from_slice(&engines.behavioral.evidence);
    if engines.js_passed == Some(false) {
        evidence.extend_from_slice(&engines.javascript.evidence);
    }
    let mut detection_ids = detection::numbers(&evidence);
    if band.is_bot() && detection_ids.is_empty() {
        evidence.push(Detection::BelowThreshold.evidence("likely_bot_threshold"));
        detection_ids = detection::numbers(&evidence);
    }
    let reason = reason::of_band(band, engines, heuristics, &detection_ids);
    Score {
        score,
        band,
        detection_ids,
        evidence,
        reason,
        js_passed: engines.js_passed,
        verified_bot: engines.verified_bot.clone(),
    }
}

/// That no script ran is missing evidence, as from people who block scripts: alone it never reaches a bot band.
fn heuristics_score(heuristics: &Opinion, floor: u8) -> Option<u8> {
    let is_alone = heuristics.evidence.iter().all(|item| item.id == Detection::NoScript.id());
    match heuristics.score {
        Some(_) if is_alone && !heuristics.evidence.is_empty() => Some(floor.max(35)),
        score => score,
    }
}

fn strongest(heuristics: Option<u8>, behavioral: Option<u8>) -> Option<u8> {
    let opinions = || [heuristics, behavioral].into_iter().flatten();
    opinions().filter(|score| *score < 50).min().or_else(|| opinions().max())
}

/// The probe speaks last and never decides alone: it fills a gap, or lowers without leaving the human band.
fn with_probe(score: Option<u8>, passed: Option<bool>, floor: u8) -> u8 {
    let score = match (passed, score) {
        (Some(true), None) => floor.max(60),
        (Some(false), None) => floor.max(45),
        (Some(false), Some(score)) if score >= floor => floor.max(score.saturating_sub(20)),
        (_, Some(score)) => score,
        (None, None) => return 0,
    };
    score.clamp(1, 99)
}
