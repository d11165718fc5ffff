//! The speed challenge: hash five numbers within half a second.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::is_right;
use super::timing::{SPEED_LIMIT_MS, TimeLimit};
use super::{Challenge, ChallengeKind, GeneratedChallenge, Question, Solved};
use crate::crypto::{RandomStream, sha256};
use crate::encoding::hex;
use crate::{Error, ErrorKind, Result, Timestamp};

/// The only operation: the first 8 hexadecimal characters of the SHA-256 of the number's decimal digits.
pub const OPERATION: &str = "sha256_first8";

/// Problems in one challenge.
pub const PROBLEMS: usize = 5;

/// What the network may add beyond the announced limit, in milliseconds.
pub const GRACE_MS: u32 = 50;

/// One problem as it is shown.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// The number, six digits.
    pub num: u64,
    /// What to do with it, always `sha256_first8`.
    pub operation: String,
}

/// One problem as servers send it: a bare number or an object.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum SpeedProblem {
    /// A bare number.
    Number(u64),
    /// An object with a number.
    Object {
        /// The number.
        num: u64,
        /// What to do with it, `sha256_first8` when left out.
        #[serde(default)]
        operation: Option<String>,
    },
}

/// Makes a speed challenge; without an `id` it gets a UUID from the seed.
pub fn generate(id: Option<String>, limit: TimeLimit, seed: &[u8; 32], now: Timestamp) -> GeneratedChallenge {
    let id = id.unwrap_or_else(|| RandomStream::new(seed, "challenge id").uuid());
    let TimeLimit { limit_ms, rtt_ms } = limit;
    let numbers = numbers(seed);
    let question = Question {
        kind: ChallengeKind::Speed,
        id: id.clone(),
        limit_ms,
        problems: Some(numbers.iter().map(|&num| Problem { num, operation: OPERATION.to_owned() }).collect()),
        puzzle: None,
        hint: None,
        instructions: instructions(limit),
        rtt_adjustment: limit.adjustment(),
    };
    let challenge = Challenge {
        kind: ChallengeKind::Speed,
        id,
        issued_at: now,
        deadline: now.plus_milliseconds(i64::from(limit_ms) + i64::from(GRACE_MS)),
        limit_ms,
        rtt_ms,
        expected: solve_speed(&numbers),
    };
    GeneratedChallenge { challenge, question }
}

/// Five numbers from 100000 to 999999 that the seed decides, each equally likely.
pub fn numbers(seed: &[u8; 32]) -> [u64; PROBLEMS] {
    let mut stream = RandomStream::new(seed, "speed challenge");
    std::array::from_fn(|_| 100_000 + u64::from(stream.below(900_000)))
}

/// Solves a list of numbers: for each the first 8 hexadecimal characters of the SHA-256 of its decimal digits.
pub fn solve_speed(numbers: &[u64]) -> Vec<String> {
    numbers
        .iter()
        .map(|number| {
            let digest = sha256(number.to_string().as_bytes());
            hex(digest.first_chunk::<4>().unwrap_or(&[0; 4]))
        })
        .collect()
}

/// Solves problems as they stand in a server's answer.
///
/// # Errors
/// `LIMIT_EXCEEDED` above 100 problems, `INVALID_INPUT` for a number above 2^53, `UNSUPPORTED_ALGORITHM` for
/// another operation.
pub fn solve_problems(problems: &[SpeedProblem]) -> Result<Vec<String>> {
    if problems.len() > MOST_PROBLEMS {
        return Err(Error::new(ErrorKind::LimitExceeded, "more than 100 problems"));
    }
    let numbers: Vec<u64> = problems.iter().map(number).collect::<Result<_>>()?;
    Ok(solve_speed(&numbers))
}

/// Judges answers to a speed challenge; the error's message is the reason that goes to the client.
///
/// # Errors
/// In this order: `WRONG_ANSWER` for a challenge of another kind, `CHALLENGE_EXPIRED` after the deadline,
/// `WRONG_ANSWER` unless `answers` is an array of exactly 5, `WRONG_ANSWER` for the first wrong one.
pub fn check_speed(challenge: &Challenge, answers: &Value, now: Timestamp) -> Result<Solved> {
    challenge.require_kind(ChallengeKind::Speed)?;
    let solve_time_ms = challenge.age_ms(now);
    if now > challenge.deadline {
        return Err(Error::new(ErrorKind::ChallengeExpired, too_slow(challenge, solve_time_ms)));
    }
    let wrong = |reason: String| Err(Error::new(ErrorKind::WrongAnswer, reason));
    let Some(answers) = answers.as_array().filter(|answers| answers.len() == PROBLEMS) else {
        return wrong(format!("Must provide exactly {PROBLEMS} answers as array"));
    };
    // All are compared before the first wrong one is named, so that time tells nothing beyond the reason.
    let verdicts: Vec<bool> = (0..PROBLEMS)
        .map(|index| {
            let expected = challenge.expected.get(index).map_or("", String::as_str);
            is_right(answers.get(index), expected)
        })
        .collect();
    match verdicts.iter().position(|is_right| !is_right) {
        Some(index) => wrong(format!("Wrong answer for challenge {}", index + 1)),
        None => Ok(Solved { solve_time_ms }),
    }
}

/// The longest list of problems that is solved.
const MOST_PROBLEMS: usize = 100;
const LARGEST_NUMBER: u64 = 1 << 53;

fn number(problem: &SpeedProblem) -> Result<u64> {
    let number = match problem {
        SpeedProblem::Number(number) => *number,
        SpeedProblem::Object { num, operation } => {
            if operation.as_ref().is_some_and(|operation| operation != OPERATION) {
                let message = "a problem asks for another operation than `sha256_first8`";
                return Err(Error::new(ErrorKind::UnsupportedAlgorithm, message));
            }
            *num
        }
    };
    if number > LARGEST_NUMBER {
        return Err(Error::invalid_input("a problem's number is above 2^53"));
    }
    Ok(number)
}

fn too_slow(challenge: &Challenge, solve_time_ms: i64) -> String {
    let limit = challenge.limit_ms;
    let network = challenge.rtt_ms.map_or_else(String::new, |rtt| {
        format!(" (RTT-adjusted: {rtt}ms network + {SPEED_LIMIT_MS}ms compute = {limit}ms limit)")
    });
    format!("Too slow! Took {solve_time_ms}ms, limit was {limit}ms{network}")
}

fn instructions(limit: TimeLimit) -> String {
    let latency = match limit.rtt_ms {
        Some(rtt) if rtt > 0 => format!(" (your measured network latency of {rtt}ms is allowed for)"),
        _ => String::new(),
    };
    format!(
        "Take the SHA-256 of each number, written as decimal digits, and return the first 8 hexadecimal characters \
         of each as an array of {PROBLEMS} strings, in order, within {}ms{latency}. Compute all of them in code and \
         send all answers in one request; there is one attempt.",
        limit.limit_ms
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_771_156_800);

    fn made() -> (Challenge, Value) {
        let made = generate(None, TimeLimit::default(), &[7; 32], NOW);
        let answers = json!(made.challenge.expected);
        (made.challenge, answers)
    }

    fn reason(challenge: &Challenge, answers: &Value, after_ms: i64) -> String {
        check_speed(challenge, answers, NOW.plus_milliseconds(after_ms)).unwrap_err().message().to_owned()
    }

    #[test]
    fn hashes_are_the_published_ones() {
        assert_eq!(
            solve_speed(&[42, 7, 100_000, 123_456, 789_012, 999_999]),
            ["73475cb4", "7902699b", "3bb78535", "8d969eef", "29be3ceb", "937377f0"]
        );
    }

    #[test]
    fn numbers_have_six_digits_and_cover_the_range() {
        let drawn: Vec<u64> = (0..=255).flat_map(|seed| numbers(&[seed; 32])).collect();
        assert!(drawn.iter().all(|number| (100_000..=999_999).contains(number)));
        for digit in 1..=9 {
            assert!(drawn.iter().any(|number| number / 100_000 == digit), "leading {digit}");
        }
    }

    #[test]
    fn right_answers_pass_in_either_case() {
        let (challenge, answers) = made();
        assert_eq!(check_speed(&challenge, &answers, NOW.plus_milliseconds(47)).unwrap().solve_time_ms, 47);
        let upper: Vec<String> = challenge.expected.iter().map(|answer| answer.to_uppercase()).collect();
        assert!(check_speed(&challenge, &json!(upper), NOW).is_ok());
        let before = check_speed(&challenge, &answers, NOW.plus_milliseconds(-5)).unwrap();
        assert_eq!(before.solve_time_ms, 0);
    }

    #[test]
    fn deadline_is_the_limit_and_fifty_milliseconds() {
        let (challenge, answers) = made();
        assert!(check_speed(&challenge, &answers, NOW.plus_milliseconds(549)).is_ok());
        assert!(check_speed(&challenge, &answers, NOW.plus_milliseconds(550)).is_ok());
        assert_eq!(reason(&challenge, &answers, 551), "Too slow! Took 551ms, limit was 500ms");
        // Lateness is told before the form of the answers.
        assert_eq!(reason(&challenge, &json!(null), 551), "Too slow! Took 551ms, limit was 500ms");
    }

    #[test]
    fn late_reason_names_the_network_time() {
        let limit = TimeLimit::for_client(Some(NOW.plus_milliseconds(-120)), 5000, NOW);
        let made = generate(None, limit, &[7; 32], NOW);
        assert_eq!(
            reason(&made.challenge, &json!([]), 891),
            "Too slow! Took 891ms, limit was 840ms (RTT-adjusted: 120ms network + 500ms compute = 840ms limit)"
        );
        assert!(made.question.instructions.contains("840ms") && made.question.instructions.contains("120ms"));
    }

    #[test]
    fn wrong_forms_are_wrong_answers() {
        let (challenge, _) = made();
        for answers in [
            json!(null),
            json!({}),
            json!("x"),
            json!([]),
            json!(["a", "b", "c", "d"]),
            json!([1, 2, 3, 4, 5, 6]),
        ] {
            assert_eq!(reason(&challenge, &answers, 1), "Must provide exactly 5 answers as array");
        }
        assert_eq!(
            reason(&challenge, &json!([null, null, null, null, null]), 1),
            "Wrong answer for challenge 1"
        );
    }

    #[test]
    fn first_wrong_answer_is_named() {
        let (challenge, answers) = made();
        for index in 0..PROBLEMS {
            let mut answers = answers.clone();
            answers[index] = json!("00000000");
            answers[PROBLEMS - 1] = json!(null);
            assert_eq!(reason(&challenge, &answers, 1), format!("Wrong answer for challenge {}", index + 1));
        }
    }

    #[test]
    fn other_kinds_are_not_found() {
        let nulls = json!([null, null, null, null, null]);
        for kind in [
            ChallengeKind::Reasoning,
            ChallengeKind::Standard,
            ChallengeKind::Hybrid,
            ChallengeKind::Stream,
            ChallengeKind::Dashboard,
        ] {
            let (challenge, answers) = made();
            let other = Challenge { kind, ..challenge };
            assert_eq!(reason(&other, &answers, 1), super::super::NOT_FOUND);
            let empty = Challenge { expected: vec![], ..other };
            assert_eq!(reason(&empty, &nulls, 1), super::super::NOT_FOUND);
        }
        let (challenge, _) = made();
        let empty = Challenge { expected: vec![], ..challenge };
        assert_eq!(reason(&empty, &nulls, 1), "Wrong answer for challenge 1");
    }

    #[test]
    fn question_holds_no_answer() {
        let made = generate(None, TimeLimit::default(), &[7; 32], NOW);
        let shown = serde_json::to_string(&made.question).unwrap();
        assert!(made.challenge.expected.iter().all(|answer| !shown.contains(answer)));
    }

    #[test]
    fn problems_are_read_in_both_forms() {
        let read = |json: Value| serde_json::from_value::<Vec<SpeedProblem>>(json).unwrap();
        let solved = ["73475cb4", "7902699b"];
        assert_eq!(solve_problems(&read(json!([42, 7]))).unwrap(), solved);
        assert_eq!(
            solve_problems(&read(json!([{"num": 42, "operation": "sha256_first8", "more": 1}, {"num": 7}])))
                .unwrap(),
            solved
        );
        for unreadable in
            [json!(["42"]), json!([-1]), json!([1.5]), json!([null]), json!([{}]), json!([[42]])]
        {
            assert!(serde_json::from_value::<Vec<SpeedProblem>>(unreadable).is_err());
        }
        let code = |json: Value| solve_problems(&read(json)).unwrap_err().kind();
        assert_eq!(code(json!([{"num": 1, "operation": "md5"}])), ErrorKind::UnsupportedAlgorithm);
        assert_eq!(code(json!([u64::MAX])), ErrorKind::InvalidInput);
        assert_eq!(code(json!(vec![1; 101])), ErrorKind::LimitExceeded);
    }

    proptest! {
        #[test]
        fn only_the_right_answers_pass(seed in any::<[u8; 32]>(), guess in "[0-9a-f]{8}", index in 0..PROBLEMS) {
            let made = generate(None, TimeLimit::default(), &seed, NOW);
            let mut answers = made.challenge.expected.clone();
            prop_assert!(check_speed(&made.challenge, &json!(answers), NOW).is_ok());
            prop_assume!(answers[index] != guess);
            answers[index] = guess;
            prop_assert!(check_speed(&made.challenge, &json!(answers), NOW).is_err());
        }
    }
}
