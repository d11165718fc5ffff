//! Dates and date-times of requests and answers (ISO 8601).

use jiff::civil::Date;
use quivive_core::Timestamp;

use super::query::Query;
use super::wire::Fault;
use crate::flows::detection::figures::Range;
use crate::flows::detection::period::{date, midnight};

/// What a caller named.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// A whole UTC day.
    Day(Date),
    /// A point in time.
    Point(Timestamp),
}

impl Moment {
    /// The first moment of a range that starts here.
    pub fn start(self) -> Timestamp {
        match self {
            Self::Day(day) => midnight(day),
            Self::Point(at) => at,
        }
    }

    /// The end, itself outside, of a range that ends here: a day is in it as a whole.
    pub fn end(self) -> Timestamp {
        match self {
            Self::Day(day) => midnight(day).plus_milliseconds(86_400_000),
            Self::Point(at) => at,
        }
    }
}

/// Reads `YYYY-MM-DD`, or a date-time with an offset; nothing for anything else.
pub fn read(text: &str) -> Option<Moment> {
    if text.len() > MOST_BYTES || !text.is_ascii() {
        return None;
    }
    if text.len() == "YYYY-MM-DD".len() {
        return text.parse().ok().filter(is_usual).map(Moment::Day);
    }
    // A plus sign that nobody encoded is a space to a query string.
    let text = text.replace(' ', "+");
    let at: jiff::Timestamp = text.parse().ok()?;
    let milliseconds =
        at.as_nanosecond().div_euclid(1_000_000) + i128::from(at.as_nanosecond() % 1_000_000 != 0);
    let at = Timestamp::from_milliseconds(i64::try_from(milliseconds).ok()?);
    is_usual(&date(at)).then_some(Moment::Point(at))
}

/// Reads `startDate` and `endDate`, of which either may be absent; the end is outside of the range.
pub fn range(query: &mut Query<'_>) -> (Option<Timestamp>, Option<Timestamp>) {
    let (start, end) = (query.moment("startDate"), query.moment("endDate"));
    let (from, to) = (start.map(Moment::start), end.map(Moment::end));
    let is_backwards = match (from, to, end) {
        // From a day to the day before is no range, although the one begins where the other ends.
        (Some(from), Some(to), Some(Moment::Day(_))) => from >= to,
        (Some(from), Some(to), _) => from > to,
        _ => false,
    };
    if is_backwards {
        query.fault(Fault::new("startDate", "out_of_range").with("max", "endDate"));
    }
    (from, to)
}

/// As [`range`], with what is usual for an absent end or start.
pub fn full_range(query: &mut Query<'_>, now: Timestamp, usual: impl Fn(Timestamp) -> Timestamp) -> Range {
    let (start, end) = range(query);
    if end.is_none() && start.is_some_and(|start| start > now) {
        query.fault(Fault::new("startDate", "out_of_range").with("max", text(now)));
    }
    // What happens at this very moment has happened.
    let to = end.unwrap_or_else(|| now.plus_milliseconds(1));
    let from = start.unwrap_or_else(|| usual(end.unwrap_or(now)));
    Range { from: from.min(to), to }
}

/// A range as its answer shows it: one that nobody gave an end ends now.
pub fn shown(range: Range, now: Timestamp) -> Range {
    if range.to == now.plus_milliseconds(1) { Range { to: now, ..range } } else { range }
}

/// A moment with whole seconds, unless there is a fraction.
pub fn text(at: Timestamp) -> String {
    if at.milliseconds() % 1_000 == 0 { at.to_seconds_text() } else { at.to_string() }
}

/// Years that every client can show, and in which sums of time do not overflow.
fn is_usual(day: &Date) -> bool {
    (1970..=9998).contains(&day.year())
}

const MOST_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_points_need_an_offset() {
        let at = |text: &str| Timestamp::parse_utc(text).unwrap();
        let day = read("2024-02-29").unwrap();
        assert_eq!((day.start(), day.end()), (at("2024-02-29T00:00:00Z"), at("2024-03-01T00:00:00Z")));
        for (text, expected) in [
            ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
            ("2024-01-01T02:00:00+02:00", "2024-01-01T00:00:00Z"),
            ("2024-01-01T02:00:00 02:00", "2024-01-01T00:00:00Z"),
            ("2024-01-01T00:00:00.25Z", "2024-01-01T00:00:00.250Z"),
            // Finer than is stored: nothing from before it may be in the range.
            ("2024-01-01T00:00:00.000001Z", "2024-01-01T00:00:00.001Z"),
        ] {
            assert_eq!(read(text), Some(Moment::Point(at(expected))), "{text}");
        }
        for text in [
            "",
            "2023-02-29",
            "2024-13-01",
            "2024-1-1",
            "20240101",
            "2024-01-01T00:00:00",
            "now",
            "1704067200",
            "-000001-01-01",
            "1969-12-31",
            "9999-01-01",
            "2024-01-01T25:00:00Z",
            "２０２４-01-01",
            "2024-01-01T00:00:00Zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn fractions_are_shown_only_when_there_are_some() {
        assert_eq!(text(Timestamp::from_milliseconds(1_000)), "1970-01-01T00:00:01Z");
        assert_eq!(text(Timestamp::from_milliseconds(1_001)), "1970-01-01T00:00:01.001Z");
    }
}
