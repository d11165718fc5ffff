//! The projects of an account and what was recorded in them.

use std::collections::BTreeMap;

use quivive_core::Error as CoreError;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AgentShield, patience};
use crate::Result;

/// The projects that a key may see; made by [`AgentShield::projects`]. Every call is sent again after 429, 5xx and no
/// answer, as [`AgentShield::event`].
#[derive(Clone, Copy, Debug)]
pub struct Projects<'a>(&'a AgentShield);

impl<'a> Projects<'a> {
    pub(super) fn new(shield: &'a AgentShield) -> Self {
        Self(shield)
    }

    /// A page of projects, the latest first.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a key that no header can hold, otherwise as the service answers.
    pub async fn list(&self, query: &ProjectQuery) -> Result<ProjectList> {
        self.read(&["projects"], query).await
    }

    /// A project with its settings and figures.
    ///
    /// # Errors
    /// As [`list`](Self::list), and `INVALID_INPUT` for what is no project's id.
    pub async fn get(&self, id: &str) -> Result<Project> {
        self.read(&["projects", segment(id)?], &()).await
    }

    /// A page of recorded detections.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn detections(&self, id: &str, query: &DetectionQuery) -> Result<DetectionList> {
        self.read(&["projects", segment(id)?, "detections"], query).await
    }

    /// Sums and a time series.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn analytics(&self, id: &str, query: &AnalyticsQuery) -> Result<Analytics> {
        self.read(&["projects", segment(id)?, "analytics"], query).await
    }

    async fn read<T: DeserializeOwned>(&self, path: &[&str], query: &impl Serialize) -> Result<T> {
        let (client, request) = self.0.request(Method::GET, path)?.build_split();
        let mut request = request?;
        let pairs = pairs(query)?;
        if !pairs.is_empty() {
            request.url_mut().query_pairs_mut().extend_pairs(pairs);
        }
        patience::call(reqwest::RequestBuilder::from_parts(client, request)).await
    }
}

/// Which projects are asked for; all when nothing is set.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProjectQuery {
    /// The page, from 1.
    pub page: Option<u64>,
    /// Most projects of a page, 1 to 100; 20 when absent.
    pub limit: Option<u64>,
    /// A part of the name, or an id.
    pub search: Option<String>,
}

/// Which detections are asked for; all when nothing is set.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DetectionQuery {
    /// The page, from 1.
    pub page: Option<u64>,
    /// Most detections of a page, 1 to 1,000; 50 when absent.
    pub limit: Option<u64>,
    /// From this day or moment (ISO 8601) on.
    pub start_date: Option<String>,
    /// To the end of this day, or to this moment.
    pub end_date: Option<String>,
    /// Types, for example `ai_agent`.
    pub bot_type: Vec<String>,
    /// Only bots, or only others.
    pub is_bot: Option<bool>,
    /// The least confidence, 0 to 1.
    pub min_confidence: Option<f64>,
    /// The greatest confidence, 0 to 1.
    pub max_confidence: Option<f64>,
    /// A catalogued agent's id.
    pub agent: Option<String>,
    /// `verified`, `claimed`, `spoofed` or `none`.
    pub verification: Option<String>,
    /// `api`, `event` or `pixel`.
    pub source: Option<String>,
    /// The finer type.
    pub sub_type: Option<String>,
    /// `desc`, the latest first, or `asc`.
    pub order: Option<String>,
}

/// Which figures are asked for; the last seven days by day when nothing is set.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalyticsQuery {
    /// `hour`, `day`, `week` or `month`.
    pub period: Option<String>,
    /// From this day or moment (ISO 8601) on.
    pub start_date: Option<String>,
    /// To the end of this day, or to this moment.
    pub end_date: Option<String>,
    /// What is counted, for example `summary` or `bots`.
    pub metrics: Vec<String>,
}

/// A page of projects.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct ProjectList {
    /// The projects.
    pub projects: Vec<ProjectItem>,
    /// Where the page is.
    pub pagination: Pagination,
}

/// A project in a list.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ProjectItem {
    /// The id, `proj_…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made, UTC.
    pub created_at: String,
    /// Detections ever, of people too.
    pub detection_count: u64,
    /// `active` or `inactive`.
    pub status: String,
}

/// A project with its settings and figures.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// The id, `proj_…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// When it was made, UTC.
    pub created_at: String,
    /// What it does.
    pub settings: ProjectSettings,
    /// What happened.
    pub stats: ProjectStats,
}

/// What a project does.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ProjectSettings {
    /// Whether requests are classified.
    pub detection_enabled: bool,
    /// Whether middleware enforces what the policy says.
    pub blocking_enabled: bool,
}

/// What happened in a project.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ProjectStats {
    /// Detections ever, of people too.
    pub total_detections: u64,
    /// Detections since 00:00 UTC.
    pub today_detections: u64,
    /// Distinct visitors ever.
    pub unique_visitors: u64,
}

/// A page of detections.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct DetectionList {
    /// The detections, the latest first unless asked otherwise.
    pub detections: Vec<DetectionItem>,
    /// Where the page is.
    pub pagination: Pagination,
}

/// A recorded detection; texts that are not known are empty.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DetectionItem {
    /// The id, `det_…`.
    pub id: String,
    /// When it was, UTC.
    pub timestamp: String,
    /// Whether the confidence reached the project's threshold.
    pub is_bot: bool,
    /// The likelihood of automation, 0 to 1.
    pub confidence: f64,
    /// What it came from.
    pub bot_type: String,
    /// The user agent.
    pub user_agent: String,
    /// What the project keeps of the address.
    pub ip: String,
    /// The address that was asked for.
    pub url: String,
}

/// Where a page is in its list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// The page, from 1.
    pub page: u64,
    /// Most items of a page.
    pub limit: u64,
    /// Items of all pages.
    pub total: u64,
    /// Whether there are pages after this one.
    pub has_more: bool,
}

/// Figures; those that were not asked for are absent.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Analytics {
    /// The width of the buckets.
    pub period: String,
    /// The first day, or for `hour` the first moment.
    pub start_date: String,
    /// The last day, or for `hour` the end.
    pub end_date: String,
    /// Sums over the range.
    pub summary: Option<AnalyticsSummary>,
    /// One bucket after another, without gaps.
    pub time_series: Option<Vec<Bucket>>,
    /// Distinct bots by type.
    pub bot_types: Option<BTreeMap<String, u64>>,
    /// Whatever else was asked for, for example `agents`.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Sums over a range.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AnalyticsSummary {
    /// Detections, of people too.
    pub total_detections: Option<u64>,
    /// Distinct bots.
    pub unique_bots: Option<u64>,
    /// Mean confidence of what is a bot, 0 to 1.
    pub average_confidence: Option<f64>,
}

/// What happened in one period.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Bucket {
    /// The day, or for `hour` the moment, at which it begins.
    pub date: String,
    /// All detections.
    pub detections: Option<u64>,
    /// Those of bots.
    pub bots: Option<u64>,
    /// The others.
    pub humans: Option<u64>,
}

/// A part of a path; what is no project's id never becomes one.
pub(super) fn segment(id: &str) -> Result<&str> {
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_id {
        return Ok(id);
    }
    Err(CoreError::invalid_input("a project id consists of letters, digits and `_`").into())
}

/// What is set, as parameters; lists as comma lists.
fn pairs(query: &impl Serialize) -> Result<Vec<(String, String)>> {
    let value = serde_json::to_value(query).map_err(CoreError::from)?;
    let members = value.as_object().cloned().unwrap_or_default();
    Ok(members.into_iter().filter_map(|(name, value)| Some((name, text(&value)?))).collect())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => Some(items.iter().filter_map(text).collect::<Vec<_>>().join(",")),
        value => Some(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_set_is_asked() {
        let query = DetectionQuery {
            page: Some(2),
            bot_type: vec!["crawler".to_owned(), "ai_agent".to_owned()],
            is_bot: Some(true),
            min_confidence: Some(0.5),
            end_date: Some("2026-02-15".to_owned()),
            ..DetectionQuery::default()
        };
        let mut pairs = pairs(&query).unwrap();
        pairs.sort();
        let expected = [
            ("botType", "crawler,ai_agent"),
            ("endDate", "2026-02-15"),
            ("isBot", "true"),
            ("minConfidence", "0.5"),
            ("page", "2"),
        ];
        assert!(pairs.iter().map(|(name, value)| (&**name, &**value)).eq(expected), "{pairs:?}");
        assert!(super::pairs(&ProjectQuery::default()).unwrap().is_empty());
        assert!(super::pairs(&()).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_id_makes_no_path() {
        for id in ["", "..", "a/b", "proj_\u{e9}", "proj 1", "a%2fb"] {
            assert_eq!(segment(id).unwrap_err().code(), "INVALID_INPUT", "{id:?}");
        }
        assert!(segment("proj_0123abc").is_ok());
    }
}
