//! Challenges that a program solves at once and a person does not: generate, solve, check.
//!
//! A generated challenge has two halves: the [`Challenge`] that the server keeps, with the answers, and the
//! [`Question`] that it shows. The caller removes the kept half before it judges an answer, so that right, wrong
//! and late answers all use it up.
//!
//! ```
//! use quivive_core::Timestamp;
//! use quivive_core::challenge::{TimeLimit, check_speed, solve_speed, speed};
//! let now = Timestamp::from_seconds(1_771_156_800);
//! let made = speed::generate(None, TimeLimit::default(), &[7; 32], now);
//! let numbers: Vec<u64> = made.question.problems.unwrap().iter().map(|problem| problem.num).collect();
//! let answers = serde_json::json!(solve_speed(&numbers));
//! let solved = check_speed(&made.challenge, &answers, now.plus_milliseconds(47)).unwrap();
//! assert_eq!(solved.solve_time_ms, 47);
//! ```

mod answer;
pub mod hybrid;
pub mod inline;
pub mod landing;
pub mod reasoning;
pub mod speed;
pub mod standard;
mod timing;

pub use hybrid::{
    CheckHybrid, CheckHybridSpeed, GenerateHybrid, GeneratedHybrid, HybridOutcome, JudgedSpeed, check_hybrid,
    check_hybrid_speed, generate_hybrid,
};
pub use inline::{InlineSolution, solve_inline};
pub use reasoning::{
    CheckReasoning, GenerateReasoning, GeneratedReasoning, ReasoningPassed, check_reasoning,
    generate_reasoning,
};
pub use speed::{Problem, SpeedProblem, check_speed, solve_speed};
pub use standard::{Difficulty, check_standard, solve_standard};
pub use timing::{
    COMPATIBLE_RTT_CAP_MS, RttAdjustment, SECURE_RTT_CAP_MS, SPEED_LIMIT_MS, TimeLimit, parse_client_time,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::crypto::Seed;
use crate::{Error, ErrorKind, Result, Timestamp};

/// The kinds of challenge; a challenge is only ever judged as the kind that it was issued as.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChallengeKind {
    /// Speed problems that open a dashboard login.
    Dashboard,
    /// Speed and reasoning together.
    Hybrid,
    /// Questions in natural language.
    Reasoning,
    /// Five hashes within half a second.
    Speed,
    /// One hash over prime numbers and a salt.
    Standard,
    /// Speed problems on an event stream.
    Stream,
}

impl ChallengeKind {
    /// The kind's name as it is stored and compared.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dashboard => "dashboard",
            Self::Hybrid => "hybrid",
            Self::Reasoning => "reasoning",
            Self::Speed => "speed",
            Self::Standard => "standard",
            Self::Stream => "stream",
        }
    }
}

/// The half of a challenge that the server keeps; it holds the answers and is never shown.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// What it was issued as.
    pub kind: ChallengeKind,
    /// Its id, a UUID of version 4 unless the caller chose one.
    pub id: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The last moment at which an answer is in time; the announced limit and a grace for the way.
    pub deadline: Timestamp,
    /// The announced limit in milliseconds.
    pub limit_ms: u32,
    /// The round-trip time in milliseconds that the limit allows for, if the client claimed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<u32>,
    /// The right answers in lower case, in order.
    pub expected: Vec<String>,
}

impl Challenge {
    /// Refuses a challenge that was issued as another kind, as if there were none.
    ///
    /// # Errors
    /// `WRONG_ANSWER` with the reason `Challenge not found or expired`.
    pub fn require_kind(&self, kind: ChallengeKind) -> Result<()> {
        if self.kind == kind { Ok(()) } else { Err(Error::new(ErrorKind::WrongAnswer, NOT_FOUND)) }
    }

    /// Milliseconds from issue to `now`, at least 0.
    pub fn age_ms(&self, now: Timestamp) -> i64 {
        now.milliseconds_since(self.issued_at).max(0)
    }
}

/// The reason that is given for an unknown, used, outlived or differently issued challenge.
pub const NOT_FOUND: &str = "Challenge not found or expired";

/// The half of a challenge that the client sees.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Question {
    /// What kind of challenge it is.
    pub kind: ChallengeKind,
    /// The id to send back with the answer.
    pub id: String,
    /// The time allowed, in milliseconds.
    pub limit_ms: u32,
    /// The numbers to hash; speed only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problems: Option<Vec<Problem>>,
    /// The task as a sentence; standard only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub puzzle: Option<String>,
    /// How the text to hash begins; standard only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What to do, in English.
    pub instructions: String,
    /// How the limit follows from the claimed network time, if one was claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_adjustment: Option<RttAdjustment>,
}

/// Both halves of a new challenge.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GeneratedChallenge {
    /// What the server keeps.
    pub challenge: Challenge,
    /// What the client sees.
    pub question: Question,
}

/// A right answer in time.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Solved {
    /// Milliseconds from issue to answer as the server saw them, both network legs included.
    pub solve_time_ms: i64,
}

/// Makes a speed or standard challenge.
///
/// # Errors
/// `INVALID_INPUT` for another kind, or a difficulty with a speed challenge.
pub fn generate_challenge(input: GenerateChallenge) -> Result<GeneratedChallenge> {
    match (input.kind, input.difficulty) {
        (ChallengeKind::Speed, None) => {
            let limit = TimeLimit::for_client(input.client_time, input.rtt_cap_ms, input.now);
            Ok(speed::generate(input.id, limit, &input.seed.0, input.now))
        }
        (ChallengeKind::Speed, Some(_)) => Err(Error::invalid_input("a speed challenge has no difficulty")),
        (ChallengeKind::Standard, difficulty) => {
            Ok(standard::generate(input.id, difficulty.unwrap_or_default(), &input.seed.0, input.now))
        }
        (kind, _) => Err(Error::invalid_input(format!("`{}` challenges are not made here", kind.name()))),
    }
}

/// Input of [`generate_challenge`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GenerateChallenge {
    /// `speed` or `standard`.
    pub kind: ChallengeKind,
    /// How hard a standard challenge is, `medium` when left out.
    #[serde(default)]
    pub difficulty: Option<Difficulty>,
    /// 32 random bytes as hexadecimal text; a fresh seed for each challenge.
    pub seed: Seed,
    /// The challenge's id; without one, a UUID from the seed.
    #[serde(default)]
    pub id: Option<String>,
    /// The time that the client claims to have asked at; speed only.
    #[serde(default)]
    pub client_time: Option<Timestamp>,
    /// The most network time that a claim can gain, in milliseconds, 1000 when left out.
    #[serde(default = "default_rtt_cap")]
    pub rtt_cap_ms: u32,
    /// The time of issue.
    pub now: Timestamp,
}

/// Solves a speed challenge's problems, a standard challenge's puzzle or a page's embedded challenge.
///
/// # Errors
/// `INVALID_INPUT` when not exactly one of `problems`, `puzzle` and `landing` is given or the puzzle cannot be
/// read, `UNSUPPORTED_ALGORITHM` for a problem with another operation than `sha256_first8`, `LIMIT_EXCEEDED`
/// above 100 problems or 10,000 primes.
pub fn solve_challenge(input: SolveChallenge) -> Result<Solution> {
    match (input.problems, input.puzzle, input.landing) {
        (Some(problems), None, None) => {
            Ok(Solution { answers: Some(speed::solve_problems(&problems)?), ..Solution::default() })
        }
        (None, Some(puzzle), None) => {
            Ok(Solution { answer: Some(solve_standard(&puzzle)?), ..Solution::default() })
        }
        (None, None, Some(page)) => {
            let solved = landing::solve(page.nonce.as_deref(), page.now);
            Ok(Solution { answer: Some(solved.answer), timestamp: Some(solved.timestamp), answers: None })
        }
        _ => Err(Error::invalid_input("exactly one of `problems`, `puzzle` and `landing` is needed")),
    }
}

/// Input of [`solve_challenge`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SolveChallenge {
    /// The numbers of a speed challenge, bare or as `{num}`.
    #[serde(default)]
    pub problems: Option<Vec<SpeedProblem>>,
    /// The sentence of a standard challenge.
    #[serde(default)]
    pub puzzle: Option<String>,
    /// The challenge embedded in a page.
    #[serde(default)]
    pub landing: Option<LandingChallenge>,
}

/// A page's embedded challenge.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LandingChallenge {
    /// The nonce in the page, if it has one.
    #[serde(default)]
    pub nonce: Option<String>,
    /// The current time; the answer holds for two minutes.
    pub now: Timestamp,
}

/// A solution: `answers` to problems, `answer` to a puzzle, `answer` and `timestamp` for a page.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Solution {
    /// The answers to the problems, in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Vec<String>>,
    /// The answer to the puzzle or the page's challenge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The time to submit with the answer to a page's challenge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
}

/// Judges an answer to a challenge that the caller has just removed from its store.
///
/// The error's message is the reason as it goes to the client.
///
/// # Errors
/// `CHALLENGE_EXPIRED` when late, `WRONG_ANSWER` when an answer is wrong, missing or of a wrong type.
pub fn check_solution(input: CheckSolution) -> Result<Solved> {
    match input.challenge.kind {
        ChallengeKind::Speed => check_speed(&input.challenge, &input.answers.unwrap_or_default(), input.now),
        ChallengeKind::Standard => {
            check_standard(&input.challenge, &input.answer.unwrap_or_default(), input.now)
        }
        _ => Err(Error::new(ErrorKind::WrongAnswer, NOT_FOUND)),
    }
}

/// Input of [`check_solution`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckSolution {
    /// What the server kept.
    pub challenge: Challenge,
    /// The answers to a speed challenge as they came: anything but five right texts is wrong.
    #[serde(default)]
    pub answers: Option<Value>,
    /// The answer to a standard challenge as it came: anything but the right text is wrong.
    #[serde(default)]
    pub answer: Option<Value>,
    /// When the answer arrived.
    pub now: Timestamp,
}

/// Solves the challenge inside a 403 body or a token answer and gives the headers to send with the retry.
///
/// # Errors
/// `INVALID_INPUT` when the body holds no challenge that can be solved here, and the errors of [`solve_challenge`].
pub fn solve_inline_challenge(input: SolveInlineChallenge) -> Result<InlineSolution> {
    solve_inline(&input.body)
}

/// Input of [`solve_inline_challenge`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SolveInlineChallenge {
    /// The parsed JSON body of the answer, an object with `challenge`.
    pub body: Value,
}

fn default_rtt_cap() -> u32 {
    SECURE_RTT_CAP_MS
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn generate(input: Value) -> Result<GeneratedChallenge> {
        generate_challenge(serde_json::from_value(input)?)
    }

    fn check(input: Value) -> &'static str {
        let input: CheckSolution = serde_json::from_value(input).unwrap();
        check_solution(input).err().map_or("ok", |error| error.kind().code())
    }

    #[test]
    fn each_kind_has_its_stored_name() {
        for kind in [
            ChallengeKind::Dashboard,
            ChallengeKind::Hybrid,
            ChallengeKind::Reasoning,
            ChallengeKind::Speed,
            ChallengeKind::Standard,
            ChallengeKind::Stream,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn same_seed_gives_same_challenge_and_own_id_is_kept() {
        let input = json!({"kind": "speed", "seed": "07".repeat(32), "now": 0});
        assert_eq!(generate(input.clone()).unwrap(), generate(input).unwrap());
        let named =
            generate(json!({"kind": "standard", "seed": "07".repeat(32), "id": "mine", "now": 0})).unwrap();
        assert_eq!((named.challenge.id.as_str(), named.question.id.as_str()), ("mine", "mine"));
        assert_eq!(named.challenge.limit_ms, 5000);
    }

    #[test]
    fn unknown_kinds_and_difficulties_are_refused() {
        for input in [
            json!({"kind": "reasoning", "seed": "07".repeat(32), "now": 0}),
            json!({"kind": "speed", "difficulty": "hard", "seed": "07".repeat(32), "now": 0}),
            json!({"kind": "standard", "difficulty": "brutal", "seed": "07".repeat(32), "now": 0}),
            json!({"kind": "speed", "seed": "07", "now": 0}),
            json!({"kind": "speed", "seed": "07".repeat(32), "now": 0, "cap": 1}),
        ] {
            assert_eq!(generate(input).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn default_cap_is_the_secure_one() {
        let made =
            generate(json!({"kind": "speed", "seed": "07".repeat(32), "client_time": 1, "now": 20_000}))
                .unwrap();
        assert_eq!((made.challenge.limit_ms, made.challenge.rtt_ms), (2600, Some(1000)));
        let wide = generate(
            json!({"kind": "speed", "seed": "07".repeat(32), "client_time": 1, "rtt_cap_ms": 5000, "now": 20_000}),
        );
        assert_eq!(wide.unwrap().challenge.limit_ms, 10_600);
    }

    #[test]
    fn challenge_is_judged_as_its_own_kind_only() {
        let nulls = json!([null, null, null, null, null]);
        for kind in ["dashboard", "hybrid", "reasoning", "speed", "standard", "stream"] {
            let challenge = json!({"kind": kind, "id": "c", "issued_at": 0, "deadline": 550, "limit_ms": 500, "expected": []});
            for (answers, answer) in
                [(nulls.clone(), json!(null)), (json!(null), json!("")), (json!([]), json!(nulls))]
            {
                let input = json!({"challenge": challenge, "answers": answers, "answer": answer, "now": 1});
                assert_eq!(check(input), "WRONG_ANSWER", "{kind}");
            }
        }
    }

    #[test]
    fn exactly_one_task_is_solved() {
        let solve = |input: Value| solve_challenge(serde_json::from_value(input).unwrap());
        assert_eq!(solve(json!({"problems": []})).unwrap().answers, Some(vec![]));
        assert!(solve(json!({"puzzle": "first 5 primes"})).unwrap().answers.is_none());
        for input in [json!({}), json!({"problems": [1], "puzzle": "first 5 primes"})] {
            assert_eq!(solve(input).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }
}
