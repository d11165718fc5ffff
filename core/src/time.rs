//! Points in time as an argument: milliseconds since the Unix epoch.
//!
//! ```
//! use quivive_core::Timestamp;
//! let issued = Timestamp::from_seconds(1_771_156_800);
//! assert_eq!(issued.plus_milliseconds(500).milliseconds_since(issued), 500);
//! assert_eq!(issued.to_string(), "2026-02-15T12:00:00.000Z");
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

/// A point in time in milliseconds since the Unix epoch; crosses to other languages as an integer.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    /// From whole seconds since the Unix epoch; saturates.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn milliseconds(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The point in time so many milliseconds later; saturates.
    #[must_use]
    pub const fn plus_milliseconds(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to here; negative when `earlier` is later; saturates.
    pub const fn milliseconds_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// UTC with second precision, `YYYY-MM-DDTHH:MM:SSZ` (RFC 3339).
    pub fn to_seconds_text(self) -> String {
        let Civil { year, month, day, hour, minute, second, .. } = Civil::from(self);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// Reads `YYYY-MM-DDTHH:MM:SS[.fraction]Z` with one to six digits of fraction; `None` for anything else,
    /// also for a day that the calendar does not have.
    pub fn parse_utc(text: &str) -> Option<Self> {
        let text = text.strip_suffix('Z')?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let (date, time) = whole.split_once('T')?;
        let [year, month, day] = digits(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = digits(time, ':', [2, 2, 2])?;
        if fraction.is_empty() || fraction.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let is_real = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !is_real {
            return None;
        }
        let milliseconds: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Self(seconds * 1000 + milliseconds))
    }
}

impl fmt::Display for Timestamp {
    /// UTC with milliseconds, `YYYY-MM-DDTHH:MM:SS.mmmZ` (RFC 3339).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second, millisecond } = Civil::from(*self);
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
    }
}

struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    millisecond: i64,
}

impl From<Timestamp> for Civil {
    /// Days to a civil date as in Howard Hinnant, "chrono-compatible low-level date algorithms".
    fn from(time: Timestamp) -> Self {
        let millisecond = time.0.rem_euclid(1000);
        let seconds = time.0.div_euclid(1000);
        let of_day = seconds.rem_euclid(86_400);
        let shifted = seconds.div_euclid(86_400) + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: of_day / 3_600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            millisecond,
        }
    }
}

fn digits<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_number_agree() {
        for text in ["1970-01-01T00:00:00.000Z", "2000-02-29T23:59:59.999Z", "2026-10-02T08:15:00.120Z"] {
            assert_eq!(Timestamp::parse_utc(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Timestamp::parse_utc("2026-10-02T08:15:00Z").unwrap().to_seconds_text(),
            "2026-10-02T08:15:00Z"
        );
    }

    #[test]
    fn unreal_times_are_refused() {
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567Z",
            "+026-01-01T00:00:00Z",
            "",
        ] {
            assert_eq!(Timestamp::parse_utc(text), None, "{text}");
        }
    }
}
