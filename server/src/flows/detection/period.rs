//! Calendar periods in UTC.

use jiff::civil::{Date, Weekday};
use jiff::{ToSpan, tz::TimeZone};
use quivive_core::Timestamp;

/// The width of a bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Period {
    /// From full hour to full hour.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to the next.
    Month,
}

impl Period {
    /// The start of the period that holds a moment.
    pub fn start(self, at: Timestamp) -> Timestamp {
        let day = date(at);
        let day = match self {
            Self::Hour => return Timestamp::from_milliseconds(at.milliseconds().div_euclid(HOUR) * HOUR),
            Self::Day => day,
            Self::Week if day.weekday() == Weekday::Monday => day,
            Self::Week => day.nth_weekday(-1, Weekday::Monday).unwrap_or(day),
            Self::Month => day.first_of_month(),
        };
        midnight(day)
    }

    /// The start of the period after the one that starts here.
    pub fn next(self, start: Timestamp) -> Timestamp {
        match self {
            Self::Hour => start.plus_milliseconds(HOUR),
            Self::Day => start.plus_milliseconds(24 * HOUR),
            Self::Week => start.plus_milliseconds(7 * 24 * HOUR),
            Self::Month => midnight(date(start).saturating_add(1.month())),
        }
    }

    /// The starts of the periods that a range touches, `most` at most and one more if there are more.
    pub fn starts(self, from: Timestamp, to: Timestamp, most: usize) -> Vec<Timestamp> {
        let first = self.start(from);
        let starts = std::iter::successors(Some(first), |start| Some(self.next(*start)));
        let is_within = |start: &Timestamp| *start < to && from < to;
        starts.take_while(is_within).take(most + 1).collect()
    }

    /// How far back a range goes that nobody gave a start: 24 hours, 7 days, 12 weeks, 12 months.
    pub fn usual_start(self, end: Timestamp) -> Timestamp {
        match self {
            Self::Hour => end.plus_milliseconds(-24 * HOUR),
            Self::Day => end.plus_milliseconds(-7 * 24 * HOUR),
            Self::Week => end.plus_milliseconds(-12 * 7 * 24 * HOUR),
            Self::Month => {
                let into_day = end.milliseconds_since(midnight(date(end)));
                midnight(date(end).saturating_sub(12.months())).plus_milliseconds(into_day)
            }
        }
    }
}

/// The UTC day of a moment.
pub fn date(at: Timestamp) -> Date {
    let at = jiff::Timestamp::from_millisecond(at.milliseconds());
    at.map_or(Date::MIN, |at| at.to_zoned(TimeZone::UTC).date())
}

/// The moment at which a UTC day begins.
pub fn midnight(day: Date) -> Timestamp {
    let midnight = day.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp().as_millisecond());
    Timestamp::from_milliseconds(midnight.unwrap_or(i64::MAX))
}

const HOUR: i64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_utc(text).unwrap()
    }

    fn starts(period: Period, from: &str, to: &str) -> Vec<String> {
        period.starts(at(from), at(to), 1_000).into_iter().map(Timestamp::to_seconds_text).collect()
    }

    #[test]
    fn months_have_their_ends_and_leap_days() {
        assert_eq!(
            starts(Period::Day, "2024-02-28T23:00:00Z", "2024-03-01T00:00:01Z"),
            ["2024-02-28T00:00:00Z", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"]
        );
        assert_eq!(
            starts(Period::Month, "2023-12-31T23:59:59Z", "2024-03-01T00:00:00Z"),
            ["2023-12-01T00:00:00Z", "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"]
        );
    }

    #[test]
    fn weeks_begin_on_monday_also_over_a_year_s_end() {
        assert_eq!(
            starts(Period::Week, "2024-12-30T00:00:00Z", "2025-01-06T00:00:01Z"),
            ["2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z"]
        );
        assert_eq!(Period::Week.start(at("2026-01-01T12:00:00Z")), at("2025-12-29T00:00:00Z"));
        assert_eq!(Period::Week.start(at("2026-01-04T23:59:59Z")), at("2025-12-29T00:00:00Z"));
    }

    #[test]
    fn a_range_ends_before_its_end_and_an_empty_one_has_no_periods() {
        assert_eq!(
            starts(Period::Hour, "2026-01-01T00:30:00Z", "2026-01-01T02:00:00Z"),
            ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"]
        );
        assert!(starts(Period::Day, "2026-01-01T00:30:00Z", "2026-01-01T00:30:00Z").is_empty());
        let long = Period::Hour.starts(at("2020-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"), 1_000);
        assert_eq!(long.len(), 1_001);
    }

    #[test]
    fn usual_starts_keep_the_time_of_day_and_stay_in_short_months() {
        let start = |period: Period, end| period.usual_start(at(end)).to_seconds_text();
        assert_eq!(start(Period::Month, "2024-02-29T10:00:00Z"), "2023-02-28T10:00:00Z");
        assert_eq!(start(Period::Day, "2024-03-01T10:00:00Z"), "2024-02-23T10:00:00Z");
        assert_eq!(start(Period::Week, "2024-03-25T10:00:00Z"), "2024-01-01T10:00:00Z");
    }
}
