//! The challenge embedded in web pages: one hash over the date and a time that the client chooses.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::is_right;
use crate::crypto::sha256;
use crate::encoding::hex;
use crate::{Error, ErrorKind, Result, Timestamp};

/// An answer and the time that it was computed for, as `POST /api/verify-landing` takes them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LandingSolution {
    /// 16 hexadecimal characters.
    pub answer: String,
    /// The client's time, ISO 8601 in UTC.
    pub timestamp: String,
}

/// The first 16 hexadecimal characters of the SHA-256 of `BOTCHA-LANDING-<date>-<timestamp>[-<nonce>]`.
///
/// `date` is `YYYY-MM-DD` in UTC, `timestamp` the exact text that is submitted.
pub fn answer(date: &str, timestamp: &str, nonce: Option<&str>) -> String {
    let nonce = nonce.map_or_else(String::new, |nonce| format!("-{nonce}"));
    let digest = sha256(format!("BOTCHA-LANDING-{date}-{timestamp}{nonce}").as_bytes());
    hex(digest.first_chunk::<8>().unwrap_or(&[0; 8]))
}

/// Solves a page's challenge; `nonce` is the one in the page, if it has one.
pub fn solve(nonce: Option<&str>, now: Timestamp) -> LandingSolution {
    let timestamp = now.to_string();
    LandingSolution { answer: answer(&date(now), &timestamp, nonce), timestamp }
}

/// Judges an answer; around midnight the date of either clock is right.
///
/// # Errors
/// `CHALLENGE_EXPIRED` for a time that cannot be read or is more than 2 minutes away, `WRONG_ANSWER`.
pub fn check(sent: &Value, timestamp: &str, nonce: Option<&str>, now: Timestamp) -> Result<()> {
    let claimed = parse_timestamp(timestamp)
        .filter(|claimed| now.milliseconds_since(*claimed).unsigned_abs() <= TOLERANCE_MS)
        .ok_or_else(|| {
            let reason = "Timestamp expired or invalid. Request a fresh challenge.";
            Error::new(ErrorKind::ChallengeExpired, reason)
        })?;
    let fits = |day: Timestamp| is_right(Some(sent), &answer(&date(day), timestamp, nonce));
    if fits(now) | fits(claimed) {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::WrongAnswer, "Incorrect answer"))
    }
}

const TOLERANCE_MS: u64 = 120_000;

/// ISO 8601 in UTC; some languages write `+00:00` where others write `Z`.
fn parse_timestamp(text: &str) -> Option<Timestamp> {
    match text.strip_suffix("+00:00") {
        Some(text) => Timestamp::parse_utc(&format!("{text}Z")),
        None => Timestamp::parse_utc(text),
    }
}

fn date(time: Timestamp) -> String {
    time.to_seconds_text().chars().take_while(|&character| character != 'T').collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_utc(text).unwrap()
    }

    fn code(solution: &LandingSolution, nonce: Option<&str>, now: Timestamp) -> &'static str {
        let result = check(&json!(solution.answer), &solution.timestamp, nonce, now);
        result.err().map_or("ok", |error| error.kind().code())
    }

    #[test]
    fn answer_is_the_published_one() {
        assert_eq!(answer("2026-01-15", "2026-01-15T12:00:00.000Z", None), "8e2964323ff073ca");
        assert_eq!(solve(None, at("2026-01-15T12:00:00Z")).answer, "8e2964323ff073ca");
    }

    #[test]
    fn tolerance_is_two_minutes_both_ways() {
        let now = at("2026-01-15T12:00:00Z");
        for (milliseconds, expected) in [
            (0, "ok"),
            (120_000, "ok"),
            (-120_000, "ok"),
            (120_001, "CHALLENGE_EXPIRED"),
            (-120_001, "CHALLENGE_EXPIRED"),
        ] {
            let solution = solve(None, now.plus_milliseconds(milliseconds));
            assert_eq!(code(&solution, None, now), expected, "{milliseconds}");
        }
    }

    #[test]
    fn either_date_is_right_around_midnight() {
        let solution = solve(None, at("2026-01-15T23:59:59.900Z"));
        assert_eq!(code(&solution, None, at("2026-01-16T00:00:00.100Z")), "ok");
    }

    #[test]
    fn nonce_is_part_of_the_answer() {
        let now = at("2026-01-15T12:00:00Z");
        assert_eq!(code(&solve(Some("abc"), now), Some("abc"), now), "ok");
        assert_eq!(code(&solve(Some("abc"), now), Some("abd"), now), "WRONG_ANSWER");
        assert_eq!(code(&solve(None, now), Some("abc"), now), "WRONG_ANSWER");
    }

    #[test]
    fn offset_of_zero_is_read() {
        let now = at("2026-01-15T12:00:00Z");
        let timestamp = "2026-01-15T12:00:00.123456+00:00".to_owned();
        let solution = LandingSolution { answer: answer("2026-01-15", &timestamp, None), timestamp };
        assert_eq!(code(&solution, None, now), "ok");
    }

    proptest! {
        #[test]
        fn arbitrary_times_never_panic(timestamp in any::<String>(), now in any::<i64>()) {
            let result = check(&json!("8e2964323ff073ca"), &timestamp, None, Timestamp::from_milliseconds(now));
            prop_assert!(result.is_err());
        }
    }
}
