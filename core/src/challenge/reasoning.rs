//! The reasoning challenge: three questions in natural language within 30 seconds.
//!
//! There is no list of questions. A family is a function that draws its numbers, names, words and wording from
//! the seed and computes the one right answer, so nothing that could be copied into a table is ever repeated.
//! Every question has a bare answer (a number, a name, a word), which is compared exactly after normalisation.
//!
//! ```
//! use quivive_core::Timestamp;
//! use quivive_core::challenge::reasoning;
//! let now = Timestamp::from_seconds(1_771_156_800);
//! let made = reasoning::generate(None, &[7; 32], now);
//! let answers = made.challenge.expected.iter().map(|right| (right.id.clone(), right.answer.clone().into()));
//! let answers = serde_json::Value::Object(answers.collect());
//! let passed = reasoning::check(&made.challenge, &answers, now.plus_milliseconds(4200)).unwrap();
//! assert_eq!(passed.score(), "3/3");
//! ```

mod analogy;
mod code;
mod common_sense;
mod draw;
mod family;
mod logic;
mod matching;
mod math;
mod wordplay;
mod words;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::draw::Draw;
pub use self::family::Category;
use self::matching::is_right;
use super::{ChallengeKind, NOT_FOUND};
use crate::crypto::{RandomStream, Seed};
use crate::encoding::hex;
use crate::{Error, ErrorKind, Result, Timestamp};

/// Questions in one challenge.
pub const QUESTIONS: usize = 3;

/// The time allowed, in milliseconds.
pub const LIMIT_MS: u32 = 30_000;

/// What the network may add beyond the announced limit, in milliseconds.
pub const GRACE_MS: u32 = 5000;

/// Both halves of a new reasoning challenge.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GeneratedReasoning {
    /// What the server keeps.
    pub challenge: ReasoningChallenge,
    /// What the client sees.
    pub question: ReasoningQuestion,
}

/// The half of a reasoning challenge that the server keeps; it holds the answers and is never shown.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReasoningChallenge {
    /// What it was issued as, `reasoning`.
    pub kind: ChallengeKind,
    /// Its id, a UUID of version 4 unless the caller chose one.
    pub id: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The last moment at which an answer is in time; the announced limit and a grace for the way.
    pub deadline: Timestamp,
    /// The announced limit in milliseconds.
    pub limit_ms: u32,
    /// The right answers in the order of the questions.
    pub expected: Vec<ExpectedAnswer>,
}

/// The right answer to one question.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExpectedAnswer {
    /// The question's id.
    pub id: String,
    /// The answer in its normal form.
    pub answer: String,
}

/// The half of a reasoning challenge that the client sees.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReasoningQuestion {
    /// The id to send back with the answers.
    pub id: String,
    /// What is asked.
    pub questions: Vec<NaturalQuestion>,
    /// The time allowed, in milliseconds.
    pub limit_ms: u32,
    /// What to do, in English.
    pub instructions: String,
}

/// One question in natural language.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NaturalQuestion {
    /// Under which id to answer it.
    pub id: String,
    /// The question; it says what a bare answer looks like.
    pub question: String,
    /// What it is about.
    pub category: Category,
}

/// All questions answered right and in time.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReasoningPassed {
    /// Milliseconds from issue to answer as the server saw them, both network legs included.
    pub solve_time_ms: i64,
    /// Questions answered right.
    pub correct: u32,
    /// Questions asked.
    pub total: u32,
}

impl ReasoningPassed {
    /// Right answers of all, `3/3`.
    pub fn score(&self) -> String {
        format!("{}/{}", self.correct, self.total)
    }
}

/// Why a reasoning challenge failed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReasoningFailed {
    /// The reason as it goes to the client.
    pub reason: String,
    /// Whether the answers came after the deadline.
    pub is_late: bool,
    /// Milliseconds from issue to answer; only when answers were counted, as the two after it.
    pub solve_time_ms: Option<i64>,
    /// Questions answered right.
    pub correct: Option<u32>,
    /// Questions asked.
    pub total: Option<u32>,
}

impl ReasoningFailed {
    fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_late: false, solve_time_ms: None, correct: None, total: None }
    }
}

impl From<ReasoningFailed> for Error {
    fn from(failed: ReasoningFailed) -> Self {
        let kind = if failed.is_late { ErrorKind::ChallengeExpired } else { ErrorKind::WrongAnswer };
        let error = Self::new(kind, failed.reason);
        match (failed.solve_time_ms, failed.correct, failed.total) {
            (Some(solve_time_ms), Some(correct), Some(total)) => {
                error.with("solve_time_ms", solve_time_ms).with("correct", correct).with("total", total)
            }
            _ => error,
        }
    }
}

/// Makes a reasoning challenge; without an `id` it gets a UUID from the seed.
///
/// Two questions of any category and a third of a category that neither of them has; no family comes twice.
pub fn generate(id: Option<String>, seed: &[u8; 32], now: Timestamp) -> GeneratedReasoning {
    let id = id.unwrap_or_else(|| RandomStream::new(seed, "challenge id").uuid());
    let mut draw = Draw::new(seed);
    let mut expected = Vec::with_capacity(QUESTIONS);
    let mut questions = Vec::with_capacity(QUESTIONS);
    for family in family::select(&mut draw) {
        let id = format!("{}-{}", family.prefix, hex(&draw.bytes::<4>()));
        let (question, answer) = (family.make)(&mut draw);
        questions.push(NaturalQuestion { id: id.clone(), question, category: family.category });
        expected.push(ExpectedAnswer { id, answer });
    }
    let question = ReasoningQuestion {
        id: id.clone(),
        questions,
        limit_ms: LIMIT_MS,
        instructions: INSTRUCTIONS.to_owned(),
    };
    let challenge = ReasoningChallenge {
        kind: ChallengeKind::Reasoning,
        id,
        issued_at: now,
        deadline: now.plus_milliseconds(i64::from(LIMIT_MS) + i64::from(GRACE_MS)),
        limit_ms: LIMIT_MS,
        expected,
    };
    GeneratedReasoning { challenge, question }
}

/// Judges answers to a reasoning challenge: an object of texts, numbers or truth values by question id.
///
/// # Errors
/// In this order: a challenge of another kind, answers after the deadline, `answers` that are no object, wrong or
/// missing answers, with their count.
pub fn check(
    challenge: &ReasoningChallenge,
    answers: &Value,
    now: Timestamp,
) -> Result<ReasoningPassed, ReasoningFailed> {
    if challenge.kind != ChallengeKind::Reasoning || challenge.expected.is_empty() {
        return Err(ReasoningFailed::because(NOT_FOUND));
    }
    let solve_time_ms = now.milliseconds_since(challenge.issued_at).max(0);
    if now > challenge.deadline {
        let reason =
            format!("Too slow! Took {solve_time_ms}ms, limit was {} seconds", challenge.limit_ms / 1000);
        return Err(ReasoningFailed { is_late: true, ..ReasoningFailed::because(reason) });
    }
    let Some(answers) = answers.as_object() else {
        return Err(ReasoningFailed::because("Answers must be an object mapping question IDs to answers"));
    };
    // All are compared before any is named, so that time tells nothing beyond the reason.
    let wrong: Vec<&str> = challenge
        .expected
        .iter()
        .filter(|right| !is_right(answers.get(&right.id), &right.answer))
        .map(|right| right.id.as_str())
        .collect();
    let total = count(challenge.expected.len());
    let correct = total.saturating_sub(count(wrong.len()));
    if wrong.is_empty() {
        return Ok(ReasoningPassed { solve_time_ms, correct, total });
    }
    Err(ReasoningFailed {
        reason: format!("Only {correct}/{total} correct. Wrong: {}", wrong.join(", ")),
        is_late: false,
        solve_time_ms: Some(solve_time_ms),
        correct: Some(correct),
        total: Some(total),
    })
}

/// Makes a reasoning challenge.
///
/// # Errors
/// None; the signature is that of every exported function.
pub fn generate_reasoning(input: GenerateReasoning) -> Result<GeneratedReasoning> {
    Ok(generate(input.id, &input.seed.0, input.now))
}

/// Input of [`generate_reasoning`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GenerateReasoning {
    /// 32 random bytes as hexadecimal text; a fresh seed for each challenge.
    pub seed: Seed,
    /// The challenge's id; without one, a UUID from the seed.
    #[serde(default)]
    pub id: Option<String>,
    /// The time of issue.
    pub now: Timestamp,
}

/// Judges answers to a reasoning challenge that the caller has just removed from its store.
///
/// The error's message is the reason as it goes to the client; its details count the right answers.
///
/// # Errors
/// `CHALLENGE_EXPIRED` when late, `WRONG_ANSWER` when an answer is wrong, missing or of a wrong type.
pub fn check_reasoning(input: CheckReasoning) -> Result<ReasoningPassed> {
    Ok(check(&input.challenge, &input.answers, input.now)?)
}

/// Input of [`check_reasoning`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckReasoning {
    /// What the server kept.
    pub challenge: ReasoningChallenge,
    /// The answers as they came: anything but an object with every right answer under its question's id is wrong.
    #[serde(default)]
    pub answers: Value,
    /// When the answers arrived.
    pub now: Timestamp,
}

const INSTRUCTIONS: &str = "Answer all three questions within 30 seconds. Each answer is bare: one number in \
    digits, one name or one word, as the question asks, with no sentence around it. Send one object that maps each \
    question's id to its answer. Answers are compared exactly, apart from capital letters, surrounding punctuation, \
    a leading article and the grouping of digits; there is one attempt.";

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
