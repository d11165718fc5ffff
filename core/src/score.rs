//! Scoring of a visitor's session, Botect-compatible: signals in, score, band and action out.
//!
//! The path of the data, each step a pure function:
//!
//! 1. [`payload`]: one batch of browser events is checked.
//! 2. [`aggregate`]: events become one small session state, without keeping the events.
//! 3. [`heuristic`], [`javascript`], [`behavioral`]: three engines give an [`Opinion`] each.
//! 4. [`combine`]: the strongest evidence wins; the result is a [`Score`] with its [`Band`] and reason.
//! 5. [`resolve`]: rules and toggles of the owner turn the score into a [`Verdict`] with its action.
//!
//! ```
//! use quivive_core::score::{self, aggregate::Session, payload, Threshold};
//! let text = r#"{"session_token": null, "events": [{"request_id": "e-1", "type": "mouse",
//!     "received_at": "2026-10-02T08:15:03.400Z", "payload": {"entropy": 0.74, "samples": 128}}]}"#;
//! let mut session = Session::default();
//! for event in &payload::Batch::parse(text)?.events {
//!     session.apply(event);
//! }
//! let engines = score::evaluate(&session.aggregate(), None);
//! let score = score::combine(&engines, Threshold::DEFAULT);
//! assert_eq!((score.score, score.band.name()), (75, "likely_human"));
//! # Ok::<(), quivive_core::Error>(())
//! ```

use serde::{Deserialize, Serialize};

use crate::{Error, Result, Timestamp, evidence::Evidence};

pub mod aggregate;
pub mod band;
pub mod behavioral;
pub mod combine;
pub mod detection;
pub mod heuristic;
pub mod javascript;
pub mod motion;
pub mod payload;
pub mod reason;
pub mod resolve;
pub mod static_resource;

pub use self::{
    aggregate::{Aggregate, AggregateSession, Session, aggregate_session},
    band::{Band, Threshold},
    combine::{Score, combine},
    detection::Detection,
    motion::{MotionScore, ScoreMotion, score_motion},
    payload::{Batch, CheckEvents, CheckedEvents, Event, check_events},
    resolve::{Action, BotSettings, ResolveAction, RuleMatch, Verdict, resolve, resolve_action},
    static_resource::is_static_resource,
};

/// What one engine thinks of a session.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Opinion {
    /// 1 (surest bot) to 99 (surest human); null when the engine abstains.
    pub score: Option<u8>,
    /// What the engine saw.
    pub evidence: Vec<Evidence>,
}

impl Opinion {
    /// The opinion that follows from the evidence by the points, caps and scores of [`Detection`].
    pub fn of(evidence: Vec<Evidence>) -> Self {
        Self { score: detection::score_of(&evidence), evidence }
    }
}

/// The opinions of all engines on one session; independent of a project's threshold, so they can be stored.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct EngineResults {
    /// User agent, headers and network.
    pub heuristics: Opinion,
    /// Interaction with the page.
    pub behavioral: Opinion,
    /// Tells of the script probe; never has a score of its own.
    pub javascript: Opinion,
    /// Whether the script probe passed; null without a probe.
    pub js_passed: Option<bool>,
    /// The bot that the visitor was proved to be.
    pub verified_bot: Option<VerifiedBot>,
}

/// A welcome bot whose identity was proved by its address.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VerifiedBot {
    /// For example `Googlebot`.
    pub name: String,
    /// For example `Search` or `AI Crawler`.
    pub category: String,
}

/// Runs the three engines over a session; without `now` nothing that needs a clock is said.
pub fn evaluate(session: &Aggregate, now: Option<Timestamp>) -> EngineResults {
    evaluate_with(session, now, motion::Model::built_in())
}

/// As [`evaluate`], with another table of the learned part.
pub fn evaluate_with(session: &Aggregate, now: Option<Timestamp>, model: &motion::Model) -> EngineResults {
    EngineResults {
        heuristics: heuristic::evaluate(session, now),
        behavioral: behavioral::evaluate_with(&session.behavioral, &session.js_detection, model),
        javascript: javascript::evaluate(&session.js_detection),
        js_passed: session.js_detection.passed,
        verified_bot: session.context.verified_bot(),
    }
}

/// Input of [`score_session`]: exactly one of `session` and `engines`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ScoreSession {
    /// A session's signals, as `aggregate_session` gives them.
    #[serde(default)]
    pub session: Option<Aggregate>,
    /// Opinions that were computed before.
    #[serde(default)]
    pub engines: Option<EngineResults>,
    /// The score from which on a session counts as human, 1 to 99; 30 when left out.
    #[serde(default)]
    pub likely_bot_threshold: Threshold,
    /// The present, for signals that need some time to have passed; left out, these stay silent.
    #[serde(default)]
    pub now: Option<Timestamp>,
}

/// Scores a session.
///
/// # Errors
/// `INVALID_INPUT` unless exactly one of `session` and `engines` is given, and for a score above 99.
pub fn score_session(input: ScoreSession) -> Result<Score> {
    let engines = match (input.session, input.engines) {
        (Some(session), None) => evaluate(&session, input.now),
        (None, Some(engines)) => engines,
        _ => return Err(Error::invalid_input("give either session or engines").with("path", "session")),
    };
    for (name, opinion) in [("heuristics", &engines.heuristics), ("behavioral", &engines.behavioral)] {
        if opinion.score.is_some_and(|score| !(1..=99).contains(&score)) {
            return Err(Error::invalid_input("an engine's score must be from 1 to 99")
                .with("path", format!("engines.{name}.score")));
        }
    }
    Ok(combine(&engines, input.likely_bot_threshold))
}

#[cfg(test)]
mod tests;
