//! All detections of a project in one answer, written page by page.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::detections::{self, DetectionItem, item};
use super::include::Include;
use super::query::Query;
use super::reader::ReadProject;
use super::wire::{ErrorBody, Result};
use crate::app::App;
use crate::storage::EventQuery;

/// Export detections.
#[utoipa::path(
    get, path = "/api/v1/projects/{projectId}/detections.ndjson", tag = "agentshield",
    operation_id = "agentshield_export_detections",
    params(
        ("projectId" = String, Path, description = "The project"),
        ("format" = Option<String>, Query, description = "ndjson, one JSON object to a line, or csv"),
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
        ("include" = Option<String>, Query, description = "As for the list; without effect in csv"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 200, content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn export(State(app): State<App>, reader: ReadProject, uri: Uri) -> Result<Response> {
    let mut query = Query::of(&uri);
    let filter = detections::filter(&mut query);
    let include = Include::read(&mut query);
    let is_table = query.choice("format", &["ndjson", "csv"]) == Some("csv");
    query.finish(())?;
    let filter = detections::of_project(&reader.project(&app).await?, filter);
    detections::bound(&app, &filter).await?;

    // Rows that come while the answer is written are not in it, so that it ends.
    let to = filter.to.unwrap_or_else(|| app.now().plus_milliseconds(1));
    let state =
        Progress { query: EventQuery { to: Some(to), limit: PAGE, ..filter }, is_table, has_begun: false };
    let pages = stream::unfold(Some(state), move |state| {
        let (app, include) = (app.clone(), include.clone());
        async move { Some(state?.page(&app, &include).await) }
    });
    let media = if is_table { "text/csv; charset=utf-8" } else { "application/x-ndjson" };
    Ok(([(header::CONTENT_TYPE, media)], Body::from_stream(pages)).into_response())
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export))
}

/// How far an export has come.
struct Progress {
    query: EventQuery,
    is_table: bool,
    has_begun: bool,
}

type Part = std::io::Result<Bytes>;

impl Progress {
    /// The next page, and what comes after it. A failure ends the answer in the middle, which clients notice.
    async fn page(mut self, app: &App, include: &Include) -> (Part, Option<Self>) {
        let events = match app.storage.events().scan(self.query.clone()).await {
            Ok(events) => events,
            Err(error) => return (Err(std::io::Error::other(error)), None),
        };
        let is_last = events.len() < PAGE;
        self.query.after = events.last().map(|event| (event.at, event.id.clone()));
        let items: Vec<_> = events.into_iter().filter_map(|event| item(app, event, include)).collect();
        let written = if self.is_table { table(&items, !self.has_begun) } else { lines(&items) };
        self.has_begun = true;
        let next = (!is_last && written.is_ok()).then_some(self);
        (written.map(Bytes::from), next)
    }
}

fn lines(items: &[DetectionItem]) -> std::io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for item in items {
        serde_json::to_writer(&mut lines, item)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn table(items: &[DetectionItem], with_head: bool) -> std::io::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    if with_head {
        table.write_record([
            "id",
            "timestamp",
            "isBot",
            "confidence",
            "botType",
            "userAgent",
            "ip",
            "url",
        ])?;
    }
    for item in items {
        let (is_bot, confidence) = (item.is_bot.to_string(), item.confidence.to_string());
        table.write_record([
            &*item.id,
            &item.timestamp,
            &is_bot,
            &confidence,
            &item.bot_type,
            &harmless(&item.user_agent),
            &harmless(&item.ip),
            &harmless(&item.url),
        ])?;
    }
    table.into_inner().map_err(|error| std::io::Error::other(error.to_string()))
}

/// A visitor's text that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, CSV injection).
fn harmless(text: &str) -> std::borrow::Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}").into() } else { text.into() }
}

/// Rows that are held at once.
const PAGE: usize = 1_000;
