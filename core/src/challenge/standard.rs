//! The standard challenge: one hash over the first prime numbers and a salt.

use std::fmt::Write;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::is_right;
use super::{Challenge, ChallengeKind, GeneratedChallenge, Question, Solved};
use crate::crypto::{RandomStream, sha256};
use crate::encoding::hex;
use crate::{Error, ErrorKind, Result, Timestamp};

/// What the network may add beyond the announced limit, in milliseconds.
pub const GRACE_MS: u32 = 1000;

/// How many primes are hashed and how long it may take.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Difficulty {
    /// 100 primes in 10 s.
    Easy,
    /// 500 primes in 5 s.
    #[default]
    Medium,
    /// 1000 primes in 3 s.
    Hard,
}

impl Difficulty {
    /// Reads the name; `None` for another one.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "easy" => Some(Self::Easy),
            "medium" => Some(Self::Medium),
            "hard" => Some(Self::Hard),
            _ => None,
        }
    }

    /// How many primes are hashed.
    pub fn primes(self) -> usize {
        match self {
            Self::Easy => 100,
            Self::Medium => 500,
            Self::Hard => 1000,
        }
    }

    /// The time allowed, in milliseconds.
    pub fn limit_ms(self) -> u32 {
        match self {
            Self::Easy => 10_000,
            Self::Medium => 5_000,
            Self::Hard => 3_000,
        }
    }
}

/// Makes a standard challenge; without an `id` it gets a UUID from the seed.
pub fn generate(
    id: Option<String>,
    difficulty: Difficulty,
    seed: &[u8; 32],
    now: Timestamp,
) -> GeneratedChallenge {
    let id = id.unwrap_or_else(|| RandomStream::new(seed, "challenge id").uuid());
    let salt = hex(&RandomStream::new(seed, "standard challenge").bytes::<8>());
    let (count, limit_ms) = (difficulty.primes(), difficulty.limit_ms());
    let question = Question {
        kind: ChallengeKind::Standard,
        id: id.clone(),
        limit_ms,
        problems: None,
        puzzle: Some(format!(
            "Write the first {count} prime numbers in decimal one after another, without separators, and directly \
             after them the salt \"{salt}\". Take the SHA-256 of this text and answer with its first 16 hexadecimal \
             characters."
        )),
        hint: Some(format!("For five primes the text would be 235711{salt}")),
        instructions: format!("Send the answer within {limit_ms}ms; there is one attempt."),
        rtt_adjustment: None,
    };
    let challenge = Challenge {
        kind: ChallengeKind::Standard,
        id,
        issued_at: now,
        deadline: now.plus_milliseconds(i64::from(limit_ms) + i64::from(GRACE_MS)),
        limit_ms,
        rtt_ms: None,
        expected: vec![hash(own_digits(difficulty), &salt)],
    };
    GeneratedChallenge { challenge, question }
}

/// Solves a puzzle sentence: it must say `first <N> prime` and may name a salt in double quotes.
///
/// # Errors
/// `INVALID_INPUT` for any other sentence, `LIMIT_EXCEEDED` above 10,000 primes or 4 KiB of text.
pub fn solve_standard(puzzle: &str) -> Result<String> {
    if puzzle.len() > LONGEST_PUZZLE {
        return Err(Error::new(ErrorKind::LimitExceeded, "puzzle is longer than 4 KiB"));
    }
    let puzzle_in_lower_case = puzzle.to_ascii_lowercase();
    let count = prime_count(&puzzle_in_lower_case)
        .ok_or_else(|| Error::invalid_input("puzzle does not say how many primes to hash"))?;
    if count > MOST_PRIMES {
        return Err(Error::new(ErrorKind::LimitExceeded, "puzzle asks for more than 10000 primes"));
    }
    // The salt's own case is hashed, so it is looked up in the lower-case text and read from the original.
    let salt = puzzle_in_lower_case.find("salt").and_then(|start| quoted_salt(puzzle.get(start..)?));
    Ok(answer(count, salt.unwrap_or_default()))
}

/// The first 16 hexadecimal characters of the SHA-256 of the first `count` primes and the salt.
pub fn answer(count: usize, salt: &str) -> String {
    hash(&prime_digits(count), salt)
}

/// Judges the answer to a standard challenge; the error's message is the reason that goes to the client.
///
/// # Errors
/// In this order: `WRONG_ANSWER` for a challenge of another kind, `CHALLENGE_EXPIRED` after the deadline,
/// `WRONG_ANSWER` for a wrong answer.
pub fn check_standard(challenge: &Challenge, answer: &Value, now: Timestamp) -> Result<Solved> {
    challenge.require_kind(ChallengeKind::Standard)?;
    if now > challenge.deadline {
        return Err(Error::new(ErrorKind::ChallengeExpired, "Challenge expired - too slow!"));
    }
    let expected = challenge.expected.first().map_or("", String::as_str);
    if !is_right(Some(answer), expected) {
        return Err(Error::new(ErrorKind::WrongAnswer, "Incorrect answer"));
    }
    Ok(Solved { solve_time_ms: challenge.age_ms(now) })
}

/// The most primes that are hashed for someone else's puzzle.
const MOST_PRIMES: usize = 10_000;
const LONGEST_PUZZLE: usize = 4096;

fn hash(digits: &str, salt: &str) -> String {
    let text = [digits, salt].concat();
    hex(sha256(text.as_bytes()).first_chunk::<8>().unwrap_or(&[0; 8]))
}

/// The digits of the primes that a challenge of our own asks for; sieved once.
fn own_digits(difficulty: Difficulty) -> &'static str {
    static DIGITS: OnceLock<[String; 3]> = OnceLock::new();
    let [easy, medium, hard] = DIGITS.get_or_init(|| {
        [Difficulty::Easy, Difficulty::Medium, Difficulty::Hard]
            .map(|difficulty| prime_digits(difficulty.primes()))
    });
    match difficulty {
        Difficulty::Easy => easy,
        Difficulty::Medium => medium,
        Difficulty::Hard => hard,
    }
}

/// The digits of the first `count` primes, by the sieve of Eratosthenes.
fn prime_digits(count: usize) -> String {
    // The 1000th prime is 7919, the 10,000th is 104,729.
    let end = if count <= 1000 { 7_920 } else { 104_730 };
    let mut is_composite = vec![false; end];
    let mut digits = String::with_capacity(count * 6);
    let mut found = 0;
    for candidate in 2..end {
        if found == count {
            break;
        }
        if is_composite.get(candidate).copied().unwrap_or(true) {
            continue;
        }
        found += 1;
        let _ = write!(digits, "{candidate}");
        for multiple in (candidate * candidate..end).step_by(candidate) {
            if let Some(is_composite) = is_composite.get_mut(multiple) {
                *is_composite = true;
            }
        }
    }
    digits
}

/// The number in `first <N> prime`; clients of the BOTCHA-compatible API read puzzles by this phrase.
fn prime_count(puzzle: &str) -> Option<usize> {
    puzzle.match_indices("first").find_map(|(start, word)| {
        let rest = puzzle.get(start + word.len()..)?;
        let after_space = rest.trim_start();
        let end = after_space.find(|character: char| !character.is_ascii_digit())?;
        let (digits, rest) = after_space.split_at_checked(end)?;
        let follows = rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with("prime");
        let is_apart = after_space.len() < puzzle.len() - start - word.len();
        // A number too long for the machine is beyond the limit in any case.
        (follows && is_apart && !digits.is_empty()).then(|| digits.parse().unwrap_or(usize::MAX))
    })
}

/// The first text of 8 to 64 hexadecimal digits in double quotes.
fn quoted_salt(text: &str) -> Option<&str> {
    text.split('"')
        .skip(1)
        .find(|part| (8..=64).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_771_156_800);
    const SALT: &str = "0123456789abcdef";

    #[test]
    fn answers_are_the_published_ones() {
        for (count, expected) in [
            (5, "a8eb23892a8feae8"),
            (100, "7afd768d2591b65d"),
            (500, "4566cc88bffe2c90"),
            (1000, "33c8e3882ae10cda"),
        ] {
            assert_eq!(answer(count, SALT), expected, "{count} primes");
        }
    }

    #[test]
    fn digits_have_the_published_lengths_and_ends() {
        for (count, length, last) in [(100, 271, "541"), (500, 1803, "3571"), (1000, 3803, "7919")] {
            let digits = prime_digits(count);
            assert_eq!(digits.len(), length);
            assert!(digits.ends_with(last));
        }
        assert!(prime_digits(1001).ends_with("79197927"));
        assert!(prime_digits(MOST_PRIMES).ends_with("104729"));
        assert_eq!(prime_digits(0), "");
    }

    #[test]
    fn own_puzzles_are_solved() {
        for difficulty in [Difficulty::Easy, Difficulty::Medium, Difficulty::Hard] {
            let made = generate(None, difficulty, &[7; 32], NOW);
            let solved = solve_standard(&made.question.puzzle.unwrap()).unwrap();
            let now = NOW.plus_milliseconds(12);
            assert_eq!(check_standard(&made.challenge, &json!(solved), now).unwrap().solve_time_ms, 12);
        }
    }

    #[test]
    fn other_wordings_are_solved() {
        let salted = answer(5, SALT);
        for puzzle in [
            format!("Hash the FIRST 5 PRIMES, salt: \"{SALT}\""),
            format!("first\n 5\tprime numbers; the salt is \"short\" no, \"{SALT}\""),
            format!(
                "First, take the first 5 prime numbers and append \"deadbeefdeadbeef\"? no, salt \"{SALT}\""
            ),
        ] {
            assert_eq!(solve_standard(&puzzle).unwrap(), salted, "{puzzle}");
        }
        assert_eq!(solve_standard("hash the first 5 primes").unwrap(), answer(5, ""));
        let upper = SALT.to_uppercase();
        assert_eq!(solve_standard(&format!("first 5 primes, Salt \"{upper}\"")).unwrap(), answer(5, &upper));
    }

    #[test]
    fn unreadable_puzzles_are_refused() {
        for puzzle in [
            "",
            "first prime",
            "first5 prime",
            "first x prime",
            "first 5",
            "first 5prime",
            "first -5 prime",
            "prime 5 first",
        ] {
            assert_eq!(solve_standard(puzzle).unwrap_err().kind(), ErrorKind::InvalidInput, "{puzzle}");
        }
        for puzzle in
            ["first 10001 prime".to_owned(), format!("first {} prime", "9".repeat(50)), "x".repeat(4097)]
        {
            assert_eq!(solve_standard(&puzzle).unwrap_err().kind(), ErrorKind::LimitExceeded);
        }
    }

    #[test]
    fn outcomes_are_the_published_ones() {
        let made = generate(None, Difficulty::Hard, &[7; 32], NOW);
        let right = json!(made.challenge.expected[0].to_uppercase());
        let reason = |answer: &Value, after: i64| {
            check_standard(&made.challenge, answer, NOW.plus_milliseconds(after))
                .err()
                .map(|error| error.message().to_owned())
        };
        assert_eq!(reason(&right, 4000), None);
        assert_eq!(reason(&right, 4001).as_deref(), Some("Challenge expired - too slow!"));
        for wrong in [json!(null), json!(""), json!("0000000000000000"), json!([right]), json!({})] {
            assert_eq!(reason(&wrong, 1).as_deref(), Some("Incorrect answer"));
        }
        let other = Challenge { kind: ChallengeKind::Speed, ..made.challenge.clone() };
        assert_eq!(check_standard(&other, &right, NOW).unwrap_err().message(), super::super::NOT_FOUND);
    }

    proptest! {
        #[test]
        fn arbitrary_puzzles_never_panic(puzzle in any::<String>(), tail in any::<String>()) {
            let _ = solve_standard(&puzzle);
            let _ = solve_standard(&format!("first 5 prime é salt {tail} \"{puzzle}\""));
            let _ = solve_standard(&format!("{puzzle} first {tail} prime"));
        }
    }
}
