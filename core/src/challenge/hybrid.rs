//! The hybrid challenge: a speed and a reasoning challenge under one id.
//!
//! Both parts are judged together, or in two steps: speed answers within the half second, which freezes that
//! part's judgement, then the reasoning answers.
//!
//! ```
//! use quivive_core::Timestamp;
//! use quivive_core::challenge::{TimeLimit, hybrid};
//! let now = Timestamp::from_seconds(1_771_156_800);
//! let mut challenge = hybrid::generate(None, TimeLimit::default(), &[7; 32], now).challenge;
//! let hashes = serde_json::json!(challenge.speed.expected);
//! assert!(hybrid::check_speed(&mut challenge, &hashes, now.plus_milliseconds(47)).passed);
//! let outcome = hybrid::check(&challenge, None, &serde_json::json!({}), now.plus_milliseconds(9000));
//! assert_eq!(outcome.reason.as_deref(), Some("Failed: reasoning"));
//! ```

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reasoning::{self, ReasoningChallenge, ReasoningQuestion};
use super::{Challenge, ChallengeKind, Question, TimeLimit, default_rtt_cap, speed};
use crate::crypto::{RandomStream, Seed};
use crate::{Result, Timestamp};

/// The time allowed for both parts, in milliseconds; the speed part has its own limit besides.
pub const LIMIT_MS: u32 = reasoning::LIMIT_MS;

/// What the network may add beyond the announced limit, in milliseconds.
pub const GRACE_MS: u32 = reasoning::GRACE_MS;

/// The reason that is given for an unknown, used, outlived or differently issued challenge.
pub const NOT_FOUND: &str = "Hybrid challenge not found or expired";

/// Both halves of a new hybrid challenge.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GeneratedHybrid {
    /// What the server keeps.
    pub challenge: HybridChallenge,
    /// What the client sees.
    pub question: HybridQuestion,
}

/// The half of a hybrid challenge that the server keeps; it holds the answers and is never shown.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HybridChallenge {
    /// What it was issued as, `hybrid`.
    pub kind: ChallengeKind,
    /// Its id, a UUID of version 4 unless the caller chose one.
    pub id: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The last moment at which the answers are in time.
    pub deadline: Timestamp,
    /// The speed part.
    pub speed: Challenge,
    /// The reasoning part.
    pub reasoning: ReasoningChallenge,
    /// How the speed part was judged when its answers came first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_speed: Option<SpeedPart>,
}

impl HybridChallenge {
    /// Milliseconds from `now` to the end of the announced limit and its grace, at least 0.
    pub fn remaining_ms(&self, now: Timestamp) -> i64 {
        self.deadline.milliseconds_since(now).max(0)
    }
}

/// The half of a hybrid challenge that the client sees; its parts carry the same id.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HybridQuestion {
    /// The id to send back with the answers.
    pub id: String,
    /// The speed part.
    pub speed: Question,
    /// The reasoning part.
    pub reasoning: ReasoningQuestion,
}

/// How both parts were judged.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HybridOutcome {
    /// Whether both parts passed.
    pub valid: bool,
    /// What failed, as it goes to the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The speed part.
    pub speed: SpeedPart,
    /// The reasoning part.
    pub reasoning: ReasoningPart,
    /// Milliseconds from issue to judgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_time_ms: Option<i64>,
}

impl HybridOutcome {
    /// What an unknown challenge comes to.
    pub fn not_found() -> Self {
        Self::unjudged(NOT_FOUND, "Challenge not found", None)
    }

    fn unjudged(reason: &str, part: &str, total_time_ms: Option<i64>) -> Self {
        Self {
            valid: false,
            reason: Some(reason.to_owned()),
            speed: SpeedPart { passed: false, solve_time_ms: None, reason: Some(part.to_owned()) },
            reasoning: ReasoningPart {
                passed: false,
                score: None,
                solve_time_ms: None,
                reason: Some(part.to_owned()),
            },
            total_time_ms,
        }
    }
}

/// How the speed part was judged.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SpeedPart {
    /// Whether it passed.
    pub passed: bool,
    /// Milliseconds from issue to its answers; only when passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solve_time_ms: Option<i64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How the reasoning part was judged.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReasoningPart {
    /// Whether it passed.
    pub passed: bool,
    /// Right answers of all, `3/3`; only when passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<String>,
    /// Milliseconds from issue to its answers, when they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solve_time_ms: Option<i64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Makes a hybrid challenge; without an `id` it gets a UUID from the seed. `limit` is that of the speed part.
pub fn generate(id: Option<String>, limit: TimeLimit, seed: &[u8; 32], now: Timestamp) -> GeneratedHybrid {
    let id = id.unwrap_or_else(|| RandomStream::new(seed, "challenge id").uuid());
    let speed = speed::generate(Some(id.clone()), limit, seed, now);
    let reasoning = reasoning::generate(Some(id.clone()), seed, now);
    let question = HybridQuestion { id: id.clone(), speed: speed.question, reasoning: reasoning.question };
    let challenge = HybridChallenge {
        kind: ChallengeKind::Hybrid,
        id,
        issued_at: now,
        deadline: now.plus_milliseconds(i64::from(LIMIT_MS) + i64::from(GRACE_MS)),
        speed: speed.challenge,
        reasoning: reasoning.challenge,
        judged_speed: None,
    };
    GeneratedHybrid { challenge, question }
}

/// Judges the speed part alone, the first of two steps, and freezes it: a second call changes nothing.
pub fn check_speed(challenge: &mut HybridChallenge, answers: &Value, now: Timestamp) -> SpeedPart {
    let judged = speed_part(challenge, answers, now);
    challenge.judged_speed.get_or_insert(judged).clone()
}

/// Judges both parts, whatever comes of either. Speed answers do not count when that part is already judged.
pub fn check(
    challenge: &HybridChallenge,
    speed_answers: Option<&Value>,
    reasoning_answers: &Value,
    now: Timestamp,
) -> HybridOutcome {
    if challenge.kind != ChallengeKind::Hybrid {
        return HybridOutcome::not_found();
    }
    let total_time_ms = Some(now.milliseconds_since(challenge.issued_at).max(0));
    if now > challenge.deadline {
        return HybridOutcome::unjudged("Hybrid challenge expired", "Expired", total_time_ms);
    }
    let speed = challenge
        .judged_speed
        .clone()
        .unwrap_or_else(|| speed_part(challenge, speed_answers.unwrap_or(&Value::Null), now));
    let reasoning = match reasoning::check(&challenge.reasoning, reasoning_answers, now) {
        Ok(passed) => ReasoningPart {
            passed: true,
            score: Some(passed.score()),
            solve_time_ms: Some(passed.solve_time_ms),
            reason: None,
        },
        Err(failed) => ReasoningPart {
            passed: false,
            score: None,
            solve_time_ms: failed.solve_time_ms,
            reason: Some(failed.reason),
        },
    };
    let reason = match (speed.passed, reasoning.passed) {
        (true, true) => None,
        (false, true) => Some("Failed: speed"),
        (true, false) => Some("Failed: reasoning"),
        (false, false) => Some("Failed: speed + reasoning"),
    };
    HybridOutcome {
        valid: reason.is_none(),
        reason: reason.map(str::to_owned),
        speed,
        reasoning,
        total_time_ms,
    }
}

/// Makes a hybrid challenge.
///
/// # Errors
/// None; the signature is that of every exported function.
pub fn generate_hybrid(input: GenerateHybrid) -> Result<GeneratedHybrid> {
    let limit = TimeLimit::for_client(input.client_time, input.rtt_cap_ms, input.now);
    Ok(generate(input.id, limit, &input.seed.0, input.now))
}

/// Input of [`generate_hybrid`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GenerateHybrid {
    /// 32 random bytes as hexadecimal text; a fresh seed for each challenge.
    pub seed: Seed,
    /// The challenge's id; without one, a UUID from the seed.
    #[serde(default)]
    pub id: Option<String>,
    /// The time that the client claims to have asked at.
    #[serde(default)]
    pub client_time: Option<Timestamp>,
    /// The most network time that a claim can gain, in milliseconds, 1000 when left out.
    #[serde(default = "default_rtt_cap")]
    pub rtt_cap_ms: u32,
    /// The time of issue.
    pub now: Timestamp,
}

/// Judges the speed part of a hybrid challenge, the first of two steps, and returns the challenge to keep.
///
/// # Errors
/// None: a failed part is told in the result.
pub fn check_hybrid_speed(mut input: CheckHybridSpeed) -> Result<JudgedSpeed> {
    let speed = check_speed(&mut input.challenge, &input.speed_answers, input.now);
    Ok(JudgedSpeed { challenge: input.challenge, speed })
}

/// Input of [`check_hybrid_speed`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckHybridSpeed {
    /// What the server kept.
    pub challenge: HybridChallenge,
    /// The answers to the speed part as they came.
    #[serde(default)]
    pub speed_answers: Value,
    /// When the answers arrived.
    pub now: Timestamp,
}

/// A hybrid challenge whose speed part is judged.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JudgedSpeed {
    /// What the server keeps until the reasoning answers come.
    pub challenge: HybridChallenge,
    /// How the speed part was judged.
    pub speed: SpeedPart,
}

/// Judges both parts of a hybrid challenge that the caller has just removed from its store.
///
/// # Errors
/// None: what failed is told in the outcome.
pub fn check_hybrid(input: CheckHybrid) -> Result<HybridOutcome> {
    Ok(check(&input.challenge, input.speed_answers.as_ref(), &input.reasoning_answers, input.now))
}

/// Input of [`check_hybrid`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckHybrid {
    /// What the server kept.
    pub challenge: HybridChallenge,
    /// The answers to the speed part as they came; they do not count when that part is already judged.
    #[serde(default)]
    pub speed_answers: Option<Value>,
    /// The answers to the reasoning part as they came.
    #[serde(default)]
    pub reasoning_answers: Value,
    /// When the answers arrived.
    pub now: Timestamp,
}

fn speed_part(challenge: &HybridChallenge, answers: &Value, now: Timestamp) -> SpeedPart {
    match speed::check_speed(&challenge.speed, answers, now) {
        Ok(solved) => SpeedPart { passed: true, solve_time_ms: Some(solved.solve_time_ms), reason: None },
        Err(error) => {
            SpeedPart { passed: false, solve_time_ms: None, reason: Some(error.message().to_owned()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_771_156_800);

    fn made() -> (HybridChallenge, Value, Value) {
        let challenge = generate(None, TimeLimit::default(), &[7; 32], NOW).challenge;
        let hashes = json!(challenge.speed.expected);
        let answers =
            challenge.reasoning.expected.iter().map(|right| (right.id.clone(), json!(right.answer)));
        let answers = Value::Object(answers.collect());
        (challenge, hashes, answers)
    }

    fn at(milliseconds: i64) -> Timestamp {
        NOW.plus_milliseconds(milliseconds)
    }

    #[test]
    fn both_parts_in_one_request_pass() {
        let (challenge, hashes, answers) = made();
        let outcome = check(&challenge, Some(&hashes), &answers, at(47));
        assert_eq!(
            serde_json::to_value(outcome).unwrap(),
            json!({
                "valid": true,
                "speed": {"passed": true, "solve_time_ms": 47},
                "reasoning": {"passed": true, "score": "3/3", "solve_time_ms": 47},
                "total_time_ms": 47,
            })
        );
    }

    #[test]
    fn both_parts_are_judged_whatever_comes_of_either() {
        let (challenge, hashes, answers) = made();
        let (wrong, none) = (json!(["a", "b", "c", "d", "e"]), json!({}));
        for (speed, reasoning, after, reason) in [
            (&wrong, &answers, 1, "Failed: speed"),
            (&hashes, &none, 1, "Failed: reasoning"),
            (&wrong, &none, 1, "Failed: speed + reasoning"),
            (&hashes, &answers, 551, "Failed: speed"),
        ] {
            let outcome = check(&challenge, Some(speed), reasoning, at(after));
            assert_eq!((outcome.valid, outcome.reason.as_deref()), (false, Some(reason)));
            assert_eq!(outcome.reasoning.score.is_some(), outcome.reasoning.passed);
            assert_eq!(outcome.speed.solve_time_ms.is_some(), outcome.speed.passed);
        }
        let outcome = check(&challenge, None, &answers, at(1));
        assert_eq!(outcome.speed.reason.as_deref(), Some("Must provide exactly 5 answers as array"));
        let outcome = check(&challenge, Some(&hashes), &none, at(600));
        assert_eq!(outcome.speed.reason.as_deref(), Some("Too slow! Took 600ms, limit was 500ms"));
        assert!(outcome.reasoning.reason.unwrap().starts_with("Only 0/3 correct. Wrong: "));
    }

    #[test]
    fn two_steps_pass_within_both_limits() {
        let (mut challenge, hashes, answers) = made();
        let speed = check_speed(&mut challenge, &hashes, at(550));
        assert_eq!(speed, SpeedPart { passed: true, solve_time_ms: Some(550), reason: None });
        assert_eq!(challenge.remaining_ms(at(550)), 34_450);
        let stored = serde_json::to_string(&challenge).unwrap();
        let challenge: HybridChallenge = serde_json::from_str(&stored).unwrap();
        let outcome = check(&challenge, None, &answers, at(35_000));
        assert!(outcome.valid);
        assert_eq!((outcome.speed.solve_time_ms, outcome.total_time_ms), (Some(550), Some(35_000)));
    }

    #[test]
    fn speed_part_is_judged_once() {
        let (mut challenge, hashes, answers) = made();
        let wrong = json!(["a", "b", "c", "d", "e"]);
        assert!(!check_speed(&mut challenge, &wrong, at(10)).passed);
        assert!(!check_speed(&mut challenge, &hashes, at(20)).passed);
        let outcome = check(&challenge, Some(&hashes), &answers, at(30));
        assert_eq!(outcome.reason.as_deref(), Some("Failed: speed"));
        let (mut challenge, hashes, answers) = made();
        assert!(check_speed(&mut challenge, &hashes, at(10)).passed);
        assert!(check_speed(&mut challenge, &wrong, at(20)).passed);
        assert!(check(&challenge, Some(&wrong), &answers, at(9000)).valid);
    }

    #[test]
    fn late_and_foreign_challenges_are_not_judged() {
        let (challenge, hashes, answers) = made();
        let late = check(&challenge, Some(&hashes), &answers, at(35_001));
        assert_eq!(late.reason.as_deref(), Some("Hybrid challenge expired"));
        assert_eq!(
            (late.speed.reason.as_deref(), late.reasoning.reason.as_deref()),
            (Some("Expired"), Some("Expired"))
        );
        assert_eq!(late.total_time_ms, Some(35_001));
        assert_eq!(challenge.remaining_ms(at(35_001)), 0);
        for kind in [ChallengeKind::Speed, ChallengeKind::Reasoning, ChallengeKind::Standard] {
            let other = HybridChallenge { kind, ..challenge.clone() };
            let outcome = check(&other, Some(&hashes), &answers, at(1));
            assert_eq!(outcome, HybridOutcome::not_found());
            assert_eq!((outcome.reason.as_deref(), outcome.total_time_ms), (Some(NOT_FOUND), None));
            assert_eq!(outcome.speed.reason.as_deref(), Some("Challenge not found"));
        }
    }

    #[test]
    fn parts_share_one_id_and_shown_half_holds_no_answer() {
        let made = generate(Some("mine".to_owned()), TimeLimit::default(), &[7; 32], NOW);
        let question = &made.question;
        assert_eq!([&question.id, &question.speed.id, &question.reasoning.id], ["mine"; 3]);
        let shown = serde_json::to_string(question).unwrap();
        assert!(made.challenge.speed.expected.iter().all(|answer| !shown.contains(answer)));
        assert!(!shown.contains("expected") && !shown.contains("\"answer\""));
    }

    #[test]
    fn far_client_has_more_time_for_the_speed_part() {
        let limit = TimeLimit { limit_ms: 840, rtt_ms: Some(120) };
        let mut challenge = generate(None, limit, &[7; 32], NOW).challenge;
        let hashes = json!(challenge.speed.expected);
        assert!(check_speed(&mut challenge, &hashes, at(890)).passed);
    }
}
