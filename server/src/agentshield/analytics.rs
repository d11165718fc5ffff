//! Figures of a project over time.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use quivive_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::dates;
use super::query::Query;
use super::reader::ReadProject;
use super::wire::{ErrorBody, Fault, Result};
use crate::app::App;
use crate::flows::detection::figures::{self, Figures, MOST_BUCKETS, Range, Wanted};
use crate::flows::detection::period::{Period, date};
use crate::flows::detection::row::{ACTIONS, AGENTS, PATHS, TYPES, VERIFICATIONS};

/// Figures; which of them is the caller's choice.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = AgentshieldAnalytics)]
#[serde(rename_all = "camelCase")]
struct Analytics {
    /// The width of the buckets.
    #[schema(pattern = "^(hour|day|week|month)$")]
    period: &'static str,
    /// The first day, or for `hour` the first moment.
    start_date: String,
    /// The last day, or for `hour` the end.
    end_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    summary: Option<Summary>,
    /// One element for each period that the range touches; the first and the last may be partly in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    time_series: Option<Vec<Bucket>>,
    /// Distinct bots by type.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    bot_types: Option<BTreeMap<String, u64>>,
    /// Detections by what the policy said to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    actions: Option<BTreeMap<String, u64>>,
    /// The agents that came most often.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 50)]
    agents: Option<Vec<AgentCount>>,
    /// The paths that were asked for most often. Counts are exact while there are at most 500 paths a day; of more, each
    /// may be too low by at most a 501st of all detections, and a path with a larger share than that is never missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 50)]
    paths: Option<Vec<PathCount>>,
    /// Detections with an identity, by how far it was proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    verification: Option<VerificationCounts>,
    /// Detections by type.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    bot_type_detections: Option<BTreeMap<&'static str, u64>>,
}

/// The range as a whole.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldAnalyticsSummary)]
#[serde(rename_all = "camelCase")]
struct Summary {
    /// All detections.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total_detections: Option<u64>,
    /// Distinct bots: exact up to 10,000, then estimated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    unique_bots: Option<u64>,
    /// Mean confidence of the detections of bots; 0 when there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1)]
    average_confidence: Option<f64>,
}

/// One period.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldAnalyticsBucket)]
struct Bucket {
    /// The first day of the period, or the hour.
    date: String,
    /// All detections.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detections: Option<u64>,
    /// Those of bots.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    bots: Option<u64>,
    /// The others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    humans: Option<u64>,
}

/// How often an agent came.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldAgentCount)]
#[serde(rename_all = "camelCase")]
struct AgentCount {
    /// The catalogue's id.
    agent_id: String,
    /// The agent's name; its id when it is not catalogued any more.
    name: String,
    /// How often it came.
    detections: u64,
}

/// How often a path was asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldPathCount)]
pub struct PathCount {
    /// The path, without query.
    pub path: String,
    /// How often.
    pub detections: u64,
}

/// How far identities were proven.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldVerificationCounts)]
pub struct VerificationCounts {
    /// Proven.
    pub verified: u64,
    /// Neither proven nor refuted.
    pub claimed: u64,
    /// Refuted.
    pub spoofed: u64,
}

/// Figures of a project over time.
#[utoipa::path(
    get, path = "/api/v1/projects/{projectId}/analytics", tag = "agentshield",
    operation_id = "agentshield_get_analytics",
    params(
        ("projectId" = String, Path, description = "The project"),
        ("period" = Option<String>, Query, description = "hour, day, week or month; day when absent"),
        ("startDate" = Option<String>, Query, description =
            "From this day or moment (ISO 8601) on; when absent 24 hours, 7 days, 12 weeks or 12 months"),
        ("endDate" = Option<String>, Query, description = "To the end of this day, or to this moment; now when absent"),
        ("metrics" = Option<String>, Query, description =
            "Comma list of summary, timeSeries, botTypes (these when absent), totalDetections, uniqueBots, \
             averageConfidence, detections, bots, humans, actions, agents, paths, verification, botTypeDetections"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 200, body = Analytics), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 429, body = ErrorBody),
        (status = 500, body = ErrorBody),
    ),
)]
async fn analytics(State(app): State<App>, reader: ReadProject, uri: Uri) -> Result<Json<Analytics>> {
    let mut query = Query::of(&uri);
    let (name, period, range) = range(&mut query, app.now());
    let metrics = Metrics(query.choices("metrics", &METRICS));
    let metrics = query.finish(metrics)?;

    let wanted = Wanted {
        bots: metrics.has("uniqueBots") || metrics.has("botTypes"),
        tallies: ["actions", "agents", "paths", "verification"].iter().any(|metric| metrics.has(metric)),
    };
    let figures = figures::figures(&app, &reader.project(&app).await?, range, period, wanted).await?;
    let answer = Analytics::new(name, period, dates::shown(range, app.now()));
    Ok(Json(answer.with(&app, period, &metrics, &figures)))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(analytics))
}

/// Reads `period`, `startDate` and `endDate`: the period's name, the period, and the range.
pub fn range(query: &mut Query<'_>, now: Timestamp) -> (&'static str, Period, Range) {
    let name = query.choice("period", &PERIODS.map(|(name, _)| name)).unwrap_or("day");
    let period = PERIODS.iter().find(|(known, _)| *known == name).map_or(Period::Day, |(_, period)| *period);
    let range = dates::full_range(query, now, |end| period.usual_start(end));
    if period.starts(range.from, range.to, MOST_BUCKETS).len() > MOST_BUCKETS {
        query.fault(
            Fault::new("startDate", "out_of_range")
                .with("maxBuckets", MOST_BUCKETS)
                .with("advice", "Ask for a longer period or a shorter range."),
        );
    }
    (name, period, range)
}

impl Analytics {
    fn new(name: &'static str, period: Period, Range { from, to }: Range) -> Self {
        let (start_date, end_date) = match period {
            Period::Hour => (dates::text(from), dates::text(to)),
            _ => (date(from).to_string(), date(to.plus_milliseconds(-1).max(from)).to_string()),
        };
        Self { period: name, start_date, end_date, ..Self::default() }
    }

    fn with(self, app: &App, period: Period, metrics: &Metrics, figures: &Figures) -> Self {
        let types = figures.bots.by_class(&TYPES.map(|(_, name)| name));
        let unique_bots = types.iter().map(|(_, count)| count).sum();
        let total = figures.buckets.iter().map(|bucket| bucket.bots + bucket.humans).sum();
        let some = |metric: &str, count: u64| metrics.has(metric).then_some(count);
        let bucket = |bucket: &figures::Bucket| Bucket {
            date: match period {
                Period::Hour => bucket.start.to_seconds_text(),
                _ => date(bucket.start).to_string(),
            },
            detections: some("detections", bucket.bots + bucket.humans),
            bots: some("bots", bucket.bots),
            humans: some("humans", bucket.humans),
        };
        let summary = Summary {
            total_detections: some("totalDetections", total),
            unique_bots: some("uniqueBots", unique_bots),
            average_confidence: metrics
                .has("averageConfidence")
                .then(|| four_decimals(figures.mean_confidence)),
        };
        Self {
            summary: metrics.has_any(&SUMMARY).then_some(summary),
            time_series: metrics.has_any(&SERIES).then(|| figures.buckets.iter().map(bucket).collect()),
            bot_types: metrics.has("botTypes").then(|| types.into_iter().collect()),
            actions: metrics.has("actions").then(|| actions(figures)),
            agents: metrics.has("agents").then(|| agents(app, figures)),
            paths: metrics.has("paths").then(|| paths(figures)),
            verification: metrics.has("verification").then(|| verification(figures)),
            bot_type_detections: metrics
                .has("botTypeDetections")
                .then(|| figures.types.iter().copied().collect()),
            ..self
        }
    }
}

/// What is asked for: groups, and single members of two of them.
struct Metrics(Vec<&'static str>);

impl Metrics {
    fn has(&self, metric: &str) -> bool {
        let group = match metric {
            metric if SUMMARY.contains(&metric) => "summary",
            metric if SERIES.contains(&metric) => "timeSeries",
            metric => metric,
        };
        match self.0.as_slice() {
            [] => USUAL.contains(&group),
            asked => asked.iter().any(|asked| *asked == metric || *asked == group),
        }
    }

    fn has_any(&self, metrics: &[&str]) -> bool {
        metrics.iter().any(|metric| self.has(metric))
    }
}

/// Detections by what the policy said to do.
pub fn actions(figures: &Figures) -> BTreeMap<String, u64> {
    figures.tallies.values(ACTIONS).map(|(action, counted)| (action.to_owned(), counted.count)).collect()
}

fn agents(app: &App, figures: &Figures) -> Vec<AgentCount> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (value, counted) in figures.tallies.values(AGENTS) {
        let (agent, _) = value.rsplit_once('/').unwrap_or((value, ""));
        *counts.entry(agent).or_default() += counted.count;
    }
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shown = counts.into_iter().take(MOST_SHOWN).map(|(agent, detections)| AgentCount {
        agent_id: agent.to_owned(),
        name: app.detection.agent(agent).map_or(agent, |info| &info.name).to_owned(),
        detections,
    });
    shown.collect()
}

/// The paths that were asked for most often.
pub fn paths(figures: &Figures) -> Vec<PathCount> {
    // Detections without an address have no path.
    let known = figures.tallies.top(PATHS).into_iter().filter(|(path, _)| !path.is_empty());
    let shown = known.take(MOST_SHOWN);
    shown.map(|(path, counted)| PathCount { path: path.to_owned(), detections: counted.count }).collect()
}

/// How far identities were proven.
pub fn verification(figures: &Figures) -> VerificationCounts {
    let count = |status: &str| {
        let mut values = figures.tallies.values(VERIFICATIONS);
        values.find(|(value, _)| *value == status).map_or(0, |(_, counted)| counted.count)
    };
    VerificationCounts { verified: count("verified"), claimed: count("claimed"), spoofed: count("spoofed") }
}

/// Halves go up although a sum of decimals may lie a little below.
fn four_decimals(number: f64) -> f64 {
    (number * 10_000.0 + 1e-6).round() / 10_000.0
}

/// The periods by their names.
pub const PERIODS: [(&str, Period); 4] =
    [("hour", Period::Hour), ("day", Period::Day), ("week", Period::Week), ("month", Period::Month)];
const USUAL: [&str; 3] = ["summary", "timeSeries", "botTypes"];
const SUMMARY: [&str; 3] = ["totalDetections", "uniqueBots", "averageConfidence"];
const SERIES: [&str; 3] = ["detections", "bots", "humans"];
const METRICS: [&str; 14] = [
    "summary",
    "timeSeries",
    "botTypes",
    "totalDetections",
    "uniqueBots",
    "averageConfidence",
    "detections",
    "bots",
    "humans",
    "actions",
    "agents",
    "paths",
    "verification",
    "botTypeDetections",
];
const MOST_SHOWN: usize = 50;
