//! The recorded detections of a project.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use quivive_core::Timestamp;
use quivive_core::agent::SubType;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::dates;
use super::include::Include;
use super::paging::{Page, Pagination};
use super::query::Query;
use super::reader::ReadProject;
use super::wire::{ErrorBody, Failure, Fault, Result};
use crate::app::App;
use crate::flows::detection::STREAM;
use crate::flows::detection::figures::{self, Range};
use crate::flows::detection::row::{Proof, Row, TYPES, name};
use crate::storage::{Event, EventQuery};
use crate::tenant::Project;

/// A page of detections.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldDetectionList)]
struct DetectionList {
    /// In the order of their times.
    detections: Vec<DetectionItem>,
    /// Where the page is.
    pagination: Pagination,
}

/// A recorded detection.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldDetectionItem)]
#[serde(rename_all = "camelCase")]
pub struct DetectionItem {
    /// The id, `det_` and a ULID.
    pub id: String,
    /// When it was.
    #[schema(format = "date-time")]
    pub timestamp: String,
    /// Whether the confidence reached the project's threshold.
    pub is_bot: bool,
    /// Likelihood that it was automated, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub confidence: f64,
    /// What it was.
    pub bot_type: String,
    /// The user agent; empty when none is known.
    pub user_agent: String,
    /// What the project keeps of the address; empty when nothing.
    pub ip: String,
    /// The address that was asked for; empty when none is known.
    pub url: String,
    /// More, when asked for with `include`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    extended: Option<Map<String, Value>>,
}

/// List detections.
#[utoipa::path(
    get, path = "/api/v1/projects/{projectId}/detections", tag = "agentshield",
    operation_id = "agentshield_list_detections",
    params(
        ("projectId" = String, Path, description = "The project"),
        ("page" = Option<u64>, Query, minimum = 1, description = "The page; 1 when absent"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "Most items; 50 when absent"),
        ("startDate" = Option<String>, Query, description = "From this day or moment (ISO 8601) on"),
        ("endDate" = Option<String>, Query, description = "To the end of this day, or to this moment"),
        ("botType" = Option<String>, Query, description = "Comma list of types"),
        ("isBot" = Option<bool>, Query, description = "Only bots, or only others"),
        ("minConfidence" = Option<f64>, Query, minimum = 0, maximum = 1),
        ("maxConfidence" = Option<f64>, Query, minimum = 0, maximum = 1),
        ("agent" = Option<String>, Query, max_length = 100, description = "A catalogued agent's id"),
        ("verification" = Option<String>, Query, description = "verified, claimed, spoofed or none"),
        ("source" = Option<String>, Query, description = "api, event or pixel"),
        ("subType" = Option<String>, Query, description = "The finer type"),
        ("order" = Option<String>, Query, description = "desc, the latest first, or asc"),
        ("include" = Option<String>, Query, description = "Comma list; class, agent, verification, policy and all \
            add something here"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 200, body = DetectionList, headers(("Link" = String, description = "The pages around this one"))),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn list(
    State(app): State<App>,
    reader: ReadProject,
    uri: Uri,
) -> Result<(HeaderMap, Json<DetectionList>)> {
    let mut query = Query::of(&uri);
    let page = Page::read(&mut query, 50, 1_000);
    let filter = filter(&mut query);
    let include = Include::read(&mut query);
    let links = Query::of(&uri);
    query.finish(())?;

    let project = reader.project(&app).await?;
    let filter = of_project(&project, filter);
    let total = count(&app, &project, &filter).await?;
    let query = EventQuery { skip: bounded(page.skip()), limit: bounded(page.limit()), ..filter };
    let events = app.storage.events().scan(query).await?;
    let detections = events.into_iter().filter_map(|event| item(&app, event, &include)).collect();
    let pagination = page.of(total);
    Ok((pagination.links(uri.path(), &links), Json(DetectionList { detections, pagination })))
}

/// One detection.
#[utoipa::path(
    get, path = "/api/v1/projects/{projectId}/detections/{id}", tag = "agentshield",
    operation_id = "agentshield_get_detection",
    params(
        ("projectId" = String, Path, description = "The project"),
        ("id" = String, Path, description = "The detection"),
        ("include" = Option<String>, Query, description = "Comma list; class, agent, verification, policy and all \
            add something here"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 200, body = DetectionItem), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 429, body = ErrorBody),
        (status = 500, body = ErrorBody),
    ),
)]
async fn get(State(app): State<App>, reader: ReadProject, uri: Uri) -> Result<Json<DetectionItem>> {
    let include = Include::of(&uri)?;
    let project = reader.project(&app).await?;
    let found = app.storage.events().find(STREAM, &project.id.to_string(), &reader.id).await?;
    let found = found.and_then(|event| item(&app, event, &include));
    Ok(Json(found.ok_or_else(|| Failure::not_found("detection"))?))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

/// Detections of a project alone.
pub fn of_project(project: &Project, filter: EventQuery) -> EventQuery {
    EventQuery { project: project.id.to_string(), ..filter }
}

/// Reads the parameters that say which detections are meant, of whatever project.
pub fn filter(query: &mut Query<'_>) -> EventQuery {
    let (from, to) = dates::range(query);
    let names = TYPES.map(|(_, name)| name);
    let mut labels = query.choices("botType", &names);
    if let Some(is_bot) = query.truth("isBot") {
        let wanted = |label: &&str| matches!(*label, "human" | "unknown") != is_bot;
        let known = if labels.is_empty() { names.to_vec() } else { labels };
        labels = known.into_iter().filter(wanted).collect();
        if labels.is_empty() {
            // Types that are bots by definition, and no bots: nothing is both.
            labels.push("");
        }
    }
    let mut members = Vec::new();
    members.extend(query.text("agent", 100).map(|agent| ("agentId", agent)));
    let verification = query.choice("verification", &["verified", "claimed", "spoofed", "none"]);
    members.extend(verification.map(|status| ("verification", status.to_owned())));
    let source = query.choice("source", &["api", "event", "pixel"]);
    members.extend(source.map(|source| ("source", source.to_owned())));
    if let Some(sub_type) = query.text("subType", 100) {
        match serde_json::from_value::<SubType>(Value::String(sub_type.clone())) {
            Ok(_) => members.push(("subType", sub_type)),
            Err(_) => query.fault(Fault::new("subType", "unknown_value")),
        }
    }
    let (least_score, most_score) = (query.share("minConfidence"), query.share("maxConfidence"));
    EventQuery {
        kind: STREAM.to_owned(),
        labels: labels.into_iter().map(str::to_owned).collect(),
        least_score,
        most_score,
        members,
        from: from.unwrap_or(Timestamp::from_milliseconds(0)),
        to,
        newest_first: query.choice("order", &["asc", "desc"]) != Some("asc"),
        ..EventQuery::default()
    }
}

/// How many detections a filter leaves: exactly, but for more than 120,000 of certain types or all, which are counted
/// from rollups.
///
/// # Errors
/// As [`bound`].
async fn count(app: &App, project: &Project, filter: &EventQuery) -> Result<u64> {
    if !reads_rows(filter) {
        let to = filter.to.unwrap_or(Timestamp::from_milliseconds(i64::MAX));
        let range = Range { from: filter.from, to };
        return Ok(figures::rows(app, project, range, &filter.labels).await?);
    }
    bound(app, filter).await?;
    Ok(app.storage.events().count(EventQuery { limit: usize::MAX, ..filter.clone() }).await?)
}

/// Whether rows have to be read to tell whether a filter leaves them.
fn reads_rows(filter: &EventQuery) -> bool {
    !filter.members.is_empty() || filter.least_score.is_some() || filter.most_score.is_some()
}

/// Whether a filter can be answered without reading too much.
///
/// # Errors
/// `INVALID_REQUEST` when too many rows would have to be read for it.
pub async fn bound(app: &App, filter: &EventQuery) -> Result<()> {
    if reads_rows(filter) {
        let candidates = EventQuery {
            members: Vec::new(),
            least_score: None,
            most_score: None,
            limit: MOST_ROWS + 1,
            ..filter.clone()
        };
        if app.storage.events().count(candidates).await? > MOST_ROWS as u64 {
            let fault = Fault::new("startDate", "out_of_range")
                .with("advice", "Narrow the search with startDate, endDate or botType.");
            return Err(Failure::invalid(&[fault]));
        }
    }
    Ok(())
}

/// A row as callers see it; nothing for one that cannot be read.
pub fn item(app: &App, event: Event, include: &Include) -> Option<DetectionItem> {
    let row: Row = serde_json::from_str(&event.body).ok()?;
    let agent = || {
        let info = row.agent_id.as_deref().and_then(|id| app.detection.agent(id));
        info.map_or(Value::Null, |info| {
            json!({
                "id": info.id, "name": info.name, "vendor": info.vendor, "trigger": info.trigger,
                "robotsToken": info.robots_token, "infoUrl": info.info_url,
            })
        })
    };
    let extended = include.extended(&[
        ("class", &|| json!({ "subType": row.sub_type, "source": row.source, "method": row.method })),
        ("agent", &agent),
        ("verification", &|| match &row.proof {
            proof if proof.is_none() => json!({ "status": row.verification }),
            Proof { method, key_id, signature_agent } => json!({
                "status": row.verification, "method": method, "keyid": key_id, "signatureAgent": signature_agent,
            }),
        }),
        ("policy", &|| json!({ "action": row.policy_action })),
    ]);
    Some(DetectionItem {
        id: event.id,
        timestamp: dates::text(event.at),
        is_bot: row.is_bot,
        confidence: row.confidence,
        bot_type: name(&row.bot_type),
        user_agent: row.user_agent.unwrap_or_default(),
        ip: row.ip.unwrap_or_default(),
        url: row.url.unwrap_or_default(),
        extended,
    })
}

fn bounded(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Rows that one request may have read besides those that it gets.
const MOST_ROWS: usize = 200_000;
