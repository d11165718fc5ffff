//! The time limit of a speed challenge, longer for clients that tell how far away they are.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The time allowed for a speed challenge without a claimed network time, in milliseconds.
pub const SPEED_LIMIT_MS: u32 = 500;

/// The most network time that a claim gains in profile `secure`: the claim is free to forge.
pub const SECURE_RTT_CAP_MS: u32 = 1000;

/// The most network time that a claim gains in profile `compat`.
pub const COMPATIBLE_RTT_CAP_MS: u32 = 5000;

/// A time limit and the network time that it allows for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeLimit {
    /// The time allowed, in milliseconds.
    pub limit_ms: u32,
    /// The round-trip time allowed for, in milliseconds; `None` when none was claimed.
    pub rtt_ms: Option<u32>,
}

impl Default for TimeLimit {
    fn default() -> Self {
        Self { limit_ms: SPEED_LIMIT_MS, rtt_ms: None }
    }
}

impl TimeLimit {
    /// `500 + 2 * rtt + 100` ms, `rtt` being the age of the client's claimed time but at most the cap; 500 ms
    /// without a claim, or when it lies in the future, before 1970 or more than 30 s back.
    pub fn for_client(client_time: Option<Timestamp>, rtt_cap_ms: u32, now: Timestamp) -> Self {
        let age = client_time
            .filter(|claimed| claimed.milliseconds() > 0)
            .map(|claimed| now.milliseconds_since(claimed))
            .filter(|age| (0..=OLDEST_CLAIM_MS).contains(age))
            .and_then(|age| u32::try_from(age).ok());
        age.map_or_else(Self::default, |age| {
            let rtt = age.min(rtt_cap_ms);
            Self { limit_ms: SPEED_LIMIT_MS + 2 * rtt + ALLOWANCE_MS, rtt_ms: Some(rtt) }
        })
    }

    /// How the limit came about; `None` when no network time was claimed.
    pub fn adjustment(self) -> Option<RttAdjustment> {
        let Self { limit_ms, rtt_ms } = self;
        rtt_ms.map(|rtt| RttAdjustment {
            measured_rtt: rtt,
            adjusted_timeout: limit_ms,
            explanation: format!(
                "RTT: {rtt}ms → Timeout: {SPEED_LIMIT_MS}ms + (2×{rtt}ms) + {ALLOWANCE_MS}ms = {limit_ms}ms"
            ),
        })
    }
}

/// How a limit follows from the claimed network time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RttAdjustment {
    /// The round-trip time allowed for, in milliseconds.
    pub measured_rtt: u32,
    /// The resulting limit, in milliseconds.
    pub adjusted_timeout: u32,
    /// The sum in words.
    pub explanation: String,
}

/// Reads the client's time from a query or header: the leading whole number, in milliseconds since the epoch.
/// `None` when there is none or it is not above 0.
pub fn parse_client_time(text: &str) -> Option<Timestamp> {
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let digits = text.split(|character: char| !character.is_ascii_digit()).next()?;
    let milliseconds: i64 = digits.parse().ok()?;
    (milliseconds > 0).then(|| Timestamp::from_milliseconds(milliseconds))
}

const ALLOWANCE_MS: u32 = 100;
const OLDEST_CLAIM_MS: i64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_771_156_800);

    fn limit(age: i64, cap: u32) -> u32 {
        TimeLimit::for_client(Some(NOW.plus_milliseconds(-age)), cap, NOW).limit_ms
    }

    #[test]
    fn limits_are_the_published_ones() {
        assert_eq!(TimeLimit::for_client(None, 5000, NOW).limit_ms, 500);
        for (age, expected) in [
            (0, 600),
            (100, 800),
            (5000, 10_600),
            (9000, 10_600),
            (30_000, 10_600),
            (30_001, 500),
            (-1, 500),
            (-60_000, 500),
        ] {
            assert_eq!(limit(age, COMPATIBLE_RTT_CAP_MS), expected, "age {age}");
        }
    }

    #[test]
    fn secure_cap_bounds_the_limit() {
        assert_eq!(limit(999, SECURE_RTT_CAP_MS), 2598);
        assert_eq!(limit(1000, SECURE_RTT_CAP_MS), 2600);
        assert_eq!(limit(30_000, SECURE_RTT_CAP_MS), 2600);
        assert_eq!(limit(30_000, u32::MAX), 60_600);
        assert_eq!(limit(30_000, 0), 600);
    }

    #[test]
    fn explanation_is_the_published_one() {
        let limit = TimeLimit::for_client(Some(NOW.plus_milliseconds(-120)), 5000, NOW);
        let adjustment = limit.adjustment().unwrap();
        assert_eq!((adjustment.measured_rtt, adjustment.adjusted_timeout), (120, 840));
        assert_eq!(adjustment.explanation, "RTT: 120ms → Timeout: 500ms + (2×120ms) + 100ms = 840ms");
        assert_eq!(TimeLimit::default().adjustment(), None);
        assert!(TimeLimit::for_client(Some(NOW), 5000, NOW).adjustment().is_some());
    }

    #[test]
    fn client_time_is_the_leading_number() {
        let read = |text| parse_client_time(text).map(Timestamp::milliseconds);
        assert_eq!(read("1771156800000"), Some(1_771_156_800_000));
        assert_eq!(read(" 12.9abc"), Some(12));
        for text in ["", "0", "-5", "abc", "NaN", "99999999999999999999", "١٢"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn extreme_claims_do_not_overflow() {
        for claimed in [i64::MIN, -1, 0, i64::MAX] {
            let claimed = Some(Timestamp::from_milliseconds(claimed));
            assert_eq!(TimeLimit::for_client(claimed, 5000, NOW), TimeLimit::default());
        }
    }
}
