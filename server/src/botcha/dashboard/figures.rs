//! The figures of one app over a period.
//!
//! Counts and averages are sums over rollups: exact, and as cheap for a busy app as for a quiet one. Percentiles cannot
//! be summed up, so they are taken from the rows themselves, the newest [`MOST_ROWS`] of a challenge type; where that is
//! not all of them the panel says so.
//!
//! A period is made of whole bars: the present one, which still grows, and those before it.

use std::collections::BTreeMap;

use quivive_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::botcha::analytics::EventType;
use crate::botcha::analytics::sink::{COUNTRIES, STREAM, TIMES, label};
use crate::error::Result;
use crate::storage::{EventQuery, Slot, Summary, SummaryQuery};

/// How far a look goes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Period {
    /// Twelve bars of five minutes.
    Hour,
    /// Twenty-four bars of an hour.
    Day,
    /// Seven days, from midnight to midnight in UTC.
    Week,
    /// Thirty days.
    Month,
}

impl Period {
    /// All periods.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The period of that name; a day if there is none.
    pub fn of(name: Option<&str>) -> Self {
        Self::ALL.into_iter().find(|period| Some(period.name()) == name).unwrap_or(Self::Day)
    }

    /// `1h`, `24h`, `7d` or `30d`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// The number of bars and the milliseconds that one is wide.
    pub fn bars(self) -> (i64, i64) {
        match self {
            Self::Hour => (12, 300_000),
            Self::Day => (24, HOUR),
            Self::Week => (7, 24 * HOUR),
            Self::Month => (30, 24 * HOUR),
        }
    }

    /// The beginning of the first bar.
    pub fn start(self, now: Timestamp) -> Timestamp {
        let (bars, width) = self.bars();
        Timestamp::from_milliseconds((now.milliseconds().div_euclid(width) - bars + 1) * width)
    }

    fn slot(self) -> Slot {
        if self == Self::Hour { Slot::FiveMinutes } else { Slot::Hour }
    }
}

/// The cards.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaDashboardOverview)]
pub struct Overview {
    /// `1h`, `24h`, `7d` or `30d`.
    pub period: &'static str,
    /// Challenges that were given out.
    pub challenges_generated: i64,
    /// Answers that were judged.
    pub verifications: i64,
    /// Per cent of the answers that were right and in time; null without answers.
    pub success_rate: Option<i64>,
    /// Milliseconds that right answers took; null without any.
    pub avg_solve_time_ms: Option<i64>,
    /// Requests that a limit refused.
    pub rate_limits: i64,
    /// Requests that a fault of the server ended.
    pub errors: i64,
}

/// What happened when.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaDashboardVolume)]
pub struct Volume {
    /// `1h`, `24h`, `7d` or `30d`.
    pub period: &'static str,
    /// One for each bar, also for those in which nothing happened.
    pub buckets: Vec<Bucket>,
}

/// One bar.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = BotchaDashboardBucket)]
pub struct Bucket {
    /// When it begins.
    pub time: String,
    /// Everything that happened.
    pub events: i64,
    /// Challenges that were given out.
    pub generated: i64,
    /// Right answers.
    pub verified_ok: i64,
    /// Wrong or late answers.
    pub verified_fail: i64,
}

/// Answers by type of challenge.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaDashboardTypes)]
pub struct Types {
    /// `1h`, `24h`, `7d` or `30d`.
    pub period: &'static str,
    /// The most frequent first.
    pub types: Vec<TypeCount>,
}

/// The answers to one type of challenge.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = BotchaDashboardType)]
pub struct TypeCount {
    /// `hybrid`, `speed`, `standard`, `reasoning`, `landing`, `stream`, `dashboard`.
    #[serde(rename = "type")]
    pub challenge_type: String,
    /// All answers.
    pub total: i64,
    /// Right ones.
    pub ok: i64,
    /// Wrong or late ones.
    pub fail: i64,
}

/// How long right answers took.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaDashboardPerformance)]
pub struct Performance {
    /// `1h`, `24h`, `7d` or `30d`.
    pub period: &'static str,
    /// The most frequent type first.
    pub rows: Vec<Pace>,
}

/// How long right answers to one type of challenge took.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaDashboardPace)]
pub struct Pace {
    /// The type of challenge.
    #[serde(rename = "type")]
    pub challenge_type: String,
    /// Right answers.
    pub count: i64,
    /// The mean, in milliseconds.
    pub avg_ms: i64,
    /// Half took at most so long; null once the single times are no longer kept.
    pub p50_ms: Option<i64>,
    /// 95 of 100 took at most so long.
    pub p95_ms: Option<i64>,
    /// The fastest.
    pub min_ms: Option<i64>,
    /// The slowest.
    pub max_ms: Option<i64>,
    /// Milliseconds that the server took to judge an answer, in the mean.
    pub avg_response_ms: f64,
    /// How many answers percentiles, fastest and slowest are from.
    #[serde(skip)]
    pub sampled: i64,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaDashboardErrors)]
pub struct Errors {
    /// `1h`, `24h`, `7d` or `30d`.
    pub period: &'static str,
    /// What happened at all, the most frequent first.
    pub errors: Vec<ErrorCount>,
}

/// How often something went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaDashboardError)]
pub struct ErrorCount {
    /// `error`, `rate_limit_exceeded` or `auth_failure`.
    #[serde(rename = "type")]
    pub event: &'static str,
    /// How often.
    pub total: i64,
}

/// Where callers are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaDashboardGeo)]
pub struct Geo {
    /// `1h`, `24h`, `7d` or `30d`.
    pub period: &'static str,
    /// The twenty with the most events, these first.
    pub countries: Vec<CountryCount>,
}

/// The events of one country.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaDashboardCountry)]
pub struct CountryCount {
    /// Two characters, or `unknown`.
    pub country: String,
    /// How many events.
    pub total: i64,
}

/// The cards.
///
/// # Errors
/// If storage does not answer.
pub async fn overview(app: &App, app_id: &str, period: Period) -> Result<Overview> {
    let counts = counts(app, app_id, period).await?;
    let of = |event: EventType| total(&counts, |count| count.event == event.name());
    let ok = total(&counts, |count| count.passed == Some(true));
    let verifications = of(EventType::ChallengeVerified);
    let times = times(app, app_id, period).await?;
    let solving: f64 = times.iter().filter(|(label, _)| label.starts_with(SOLVE)).map(|(_, sum)| sum).sum();
    Ok(Overview {
        period: period.name(),
        challenges_generated: of(EventType::ChallengeGenerated),
        verifications,
        success_rate: (verifications > 0).then(|| (ok * 200 + verifications) / (verifications * 2)),
        avg_solve_time_ms: (ok > 0).then(|| rounded(mean(solving, ok))),
        rate_limits: of(EventType::RateLimitExceeded),
        errors: of(EventType::Error),
    })
}

/// What happened when.
///
/// # Errors
/// If storage does not answer.
pub async fn volume(app: &App, app_id: &str, period: Period) -> Result<Volume> {
    let start = period.start(app.now());
    let (bars, width) = period.bars();
    let mut buckets: Vec<Bucket> = (0..bars)
        .map(|bar| Bucket { time: start.plus_milliseconds(bar * width).to_string(), ..Bucket::default() })
        .collect();
    for count in counts(app, app_id, period).await? {
        let bar = usize::try_from(count.at.milliseconds_since(start) / width).ok();
        let Some(bucket) = bar.and_then(|bar| buckets.get_mut(bar)) else { continue };
        bucket.events += count.count;
        if count.event == EventType::ChallengeGenerated.name() {
            bucket.generated += count.count;
        }
        match count.passed {
            Some(true) => bucket.verified_ok += count.count,
            Some(false) => bucket.verified_fail += count.count,
            None => {}
        }
    }
    Ok(Volume { period: period.name(), buckets })
}

/// Answers by type of challenge.
///
/// # Errors
/// If storage does not answer.
pub async fn types(app: &App, app_id: &str, period: Period) -> Result<Types> {
    let mut types: BTreeMap<String, TypeCount> = BTreeMap::new();
    for count in counts(app, app_id, period).await? {
        let Some(passed) = count.passed else { continue };
        let entry = types.entry(count.challenge_type).or_default();
        entry.total += count.count;
        *(if passed { &mut entry.ok } else { &mut entry.fail }) += count.count;
    }
    let mut types: Vec<TypeCount> =
        types.into_iter().map(|(challenge_type, count)| TypeCount { challenge_type, ..count }).collect();
    types.sort_by_key(|count| -count.total);
    Ok(Types { period: period.name(), types })
}

/// How long right answers took.
///
/// # Errors
/// If storage does not answer.
pub async fn performance(app: &App, app_id: &str, period: Period) -> Result<Performance> {
    let times = times(app, app_id, period).await?;
    let sum = |label: String| times.get(&label).copied().unwrap_or_default();
    let mut rows = Vec::new();
    for TypeCount { challenge_type, ok, .. } in types(app, app_id, period).await?.types {
        if ok == 0 {
            continue;
        }
        let sample = solve_times(app, app_id, period, &challenge_type).await?;
        rows.push(Pace {
            count: ok,
            avg_ms: rounded(mean(sum(format!("{SOLVE}{challenge_type}")), ok)),
            p50_ms: percentile(&sample, 50),
            p95_ms: percentile(&sample, 95),
            min_ms: sample.first().copied(),
            max_ms: sample.last().copied(),
            avg_response_ms: (mean(sum(format!("{RESPONSE}{challenge_type}")), ok) * 100.0).round() / 100.0,
            sampled: i64::try_from(sample.len()).unwrap_or(i64::MAX),
            challenge_type,
        });
    }
    rows.sort_by_key(|row| -row.count);
    Ok(Performance { period: period.name(), rows })
}

/// What went wrong.
///
/// # Errors
/// If storage does not answer.
pub async fn errors(app: &App, app_id: &str, period: Period) -> Result<Errors> {
    let counts = counts(app, app_id, period).await?;
    let mut errors: Vec<ErrorCount> =
        [EventType::Error, EventType::RateLimitExceeded, EventType::AuthFailure]
            .into_iter()
            .map(|event| ErrorCount {
                event: event.name(),
                total: total(&counts, |count| count.event == event.name()),
            })
            .filter(|error| error.total > 0)
            .collect();
    errors.sort_by_key(|error| -error.total);
    Ok(Errors { period: period.name(), errors })
}

/// Where callers are.
///
/// # Errors
/// If storage does not answer.
pub async fn geo(app: &App, app_id: &str, period: Period) -> Result<Geo> {
    let mut countries: BTreeMap<String, i64> = BTreeMap::new();
    for summary in summarize(app, COUNTRIES, app_id, period).await? {
        *countries.entry(summary.label).or_default() += rounded(summary.score_sum);
    }
    let mut countries: Vec<CountryCount> =
        countries.into_iter().map(|(country, total)| CountryCount { country, total }).collect();
    countries.sort_by_key(|country| -country.total);
    countries.truncate(MOST_COUNTRIES);
    Ok(Geo { period: period.name(), countries })
}

/// How often something happened in a slot.
struct Count {
    at: Timestamp,
    event: String,
    challenge_type: String,
    passed: Option<bool>,
    count: i64,
}

async fn counts(app: &App, app_id: &str, period: Period) -> Result<Vec<Count>> {
    let summaries = summarize(app, STREAM, app_id, period).await?;
    Ok(summaries
        .into_iter()
        .map(|summary| {
            let mut parts = summary.label.split(':').map(str::to_owned);
            Count {
                at: summary.at,
                event: parts.next().unwrap_or_default(),
                challenge_type: parts.next().unwrap_or_default(),
                passed: parts.next().map(|outcome| outcome == "ok"),
                count: rounded(summary.score_sum),
            }
        })
        .collect())
}

/// Sums of milliseconds by label.
async fn times(app: &App, app_id: &str, period: Period) -> Result<BTreeMap<String, f64>> {
    let mut sums = BTreeMap::new();
    for summary in summarize(app, TIMES, app_id, period).await? {
        *sums.entry(summary.label).or_default() += summary.score_sum;
    }
    Ok(sums)
}

async fn summarize(app: &App, stream: &str, app_id: &str, period: Period) -> Result<Vec<Summary>> {
    let now = app.now();
    let query = SummaryQuery {
        kind: stream.to_owned(),
        project: app_id.to_owned(),
        slot: period.slot(),
        from: period.start(now),
        to: now.plus_milliseconds(1),
    };
    Ok(app.storage.events().summarize(query).await?)
}

/// The times of the newest right answers in ascending order.
async fn solve_times(app: &App, app_id: &str, period: Period, challenge_type: &str) -> Result<Vec<i64>> {
    #[derive(Deserialize)]
    struct Body {
        solve_times_ms: Vec<i64>,
    }
    let query = EventQuery {
        kind: STREAM.to_owned(),
        project: app_id.to_owned(),
        labels: vec![label(EventType::ChallengeVerified, Some(challenge_type), Some(true))],
        from: period.start(app.now()),
        newest_first: true,
        limit: MOST_ROWS,
        ..EventQuery::default()
    };
    let rows = app.storage.events().scan(query).await?;
    let bodies = rows.iter().filter_map(|row| serde_json::from_str::<Body>(&row.body).ok());
    let mut times: Vec<i64> = bodies.flat_map(|body| body.solve_times_ms).collect();
    times.sort_unstable();
    Ok(times)
}

fn total(counts: &[Count], is_meant: impl Fn(&Count) -> bool) -> i64 {
    counts.iter().filter(|count| is_meant(count)).map(|count| count.count).sum()
}

/// The smallest time that so many per cent of the sorted times do not exceed (nearest rank).
fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    sorted.get((sorted.len() * percent).div_ceil(100).checked_sub(1)?).copied()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn mean(sum: f64, count: i64) -> f64 {
    sum / count.max(1) as f64
}

#[expect(clippy::cast_possible_truncation, reason = "sums of counts and milliseconds are far below 2^53")]
fn rounded(sum: f64) -> i64 {
    sum.round() as i64
}

const HOUR: i64 = 3_600_000;
const MOST_COUNTRIES: usize = 20;
/// Read for percentiles of one type; each stands for one or more answers.
const MOST_ROWS: usize = 10_000;
const SOLVE: &str = "solve:";
const RESPONSE: &str = "response:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_with_a_whole_bar() {
        let now = Timestamp::parse_utc("2026-02-15T12:34:56Z").unwrap();
        for (period, start) in [
            (Period::Hour, "2026-02-15T11:35:00.000Z"),
            (Period::Day, "2026-02-14T13:00:00.000Z"),
            (Period::Week, "2026-02-09T00:00:00.000Z"),
            (Period::Month, "2026-01-17T00:00:00.000Z"),
        ] {
            assert_eq!(period.start(now).to_string(), start);
            let (bars, width) = period.bars();
            let end = period.start(now).plus_milliseconds(bars * width);
            assert!(end > now && end.milliseconds_since(now) <= width, "{period:?}");
        }
        assert_eq!(Period::of(Some("2y")), Period::Day);
        assert_eq!(Period::of(None), Period::Day);
        assert_eq!(Period::of(Some("30d")), Period::Month);
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let hundred: Vec<i64> = (1..=100).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 95)), (Some(50), Some(95)));
        assert_eq!((percentile(&[7], 50), percentile(&[7], 95)), (Some(7), Some(7)));
        assert_eq!(percentile(&[1, 2, 3], 50), Some(2));
        assert_eq!(percentile(&[], 50), None);
    }
}
