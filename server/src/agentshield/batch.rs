//! Several events in one request.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use quivive_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::Reader;
use super::cors;
use super::event::{self, Context, EventBody, SentEvent};
use super::sender::{Door, Sender};
use super::wire::{ErrorBody, ErrorContent, Failure, Fault, Result};
use crate::app::App;
use crate::error::Error;
use crate::extract::ClientIp;
use crate::flows::detection::Source;
use crate::flows::tracking;

/// The path.
pub const PATH: &str = "/api/v1/batch";

/// The largest body in bytes.
pub const BODY_LIMIT: usize = 524_288;

/// Events in the order in which they happened.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldBatch)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct Batch {
    /// The events.
    #[schema(min_items = 1, max_items = 100)]
    events: Vec<EventBody>,
    /// The pixel, for senders that can set no header.
    #[schema(nullable = false)]
    pixel_id: Option<String>,
    /// From servers: the visitor's request, where the newest event has none of its own.
    #[schema(nullable = false)]
    context: Option<Context>,
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldBatchReceipt)]
pub struct Receipt {
    /// True: at least one event was accepted.
    success: bool,
    /// Events in the batch.
    received: usize,
    /// Events that are stored, or were stored before.
    accepted: usize,
    /// Events that break a rule.
    rejected: usize,
    /// What is wrong with each of those.
    errors: Vec<Rejected>,
}

/// An event that breaks a rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldRejectedEvent)]
pub struct Rejected {
    /// Its place in the batch, from 0.
    index: usize,
    /// What went wrong.
    #[serde(flatten)]
    content: ErrorContent,
}

/// Record up to 100 events.
///
/// Those that are valid are stored when the answer is sent, whatever the others are.
#[utoipa::path(
    post, path = "/api/v1/batch", tag = "agentshield", operation_id = "agentshield_add_events",
    params(
        ("id" = Option<String>, Query, description = "The pixel, for senders that can set no header"),
        ("X-AgentShield-Project" = Option<String>, Header, description = "Another project that the key may see"),
    ),
    request_body(content((Batch = "application/json"), (Batch = "text/plain"))),
    security(("pixel_id" = []), ("api_key" = [])),
    responses(
        (status = 200, body = Receipt), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn add(
    State(app): State<App>,
    sender: Sender,
    ip: ClientIp,
    request: Request,
) -> Result<Json<Receipt>> {
    let (parts, body) = request.into_parts();
    let (door, body) = event::enter(&app, sender, &parts, body, BODY_LIMIT).await?;
    let Sorted { accepted, errors, received } = sort(&body, &door, app.now())?;
    let count = accepted.len();
    if door.is_untracked(&parts.headers) {
        event::count_untracked(&app, &door).await?;
    } else {
        let mut tied = None;
        if let Some((place, newest)) = accepted.iter().enumerate().max_by_key(|(_, event)| event.at)
            && let Some(facts) = event::facts(&app, &door, &parts, ip, newest)
        {
            tied = event::observe(&app, &door, Source::Event, facts, newest).await.map(|id| (place, id));
        }
        let tracked = accepted.into_iter().enumerate().map(|(place, event)| {
            let id = tied.as_ref().filter(|(tied, _)| *tied == place).map(|(_, id)| id.clone());
            event.into_tracked(&door, id)
        });
        let tracked = tracked.collect();
        tracking::store(&app, tracked).await?;
    }
    Ok(Json(Receipt { success: true, received, accepted: count, rejected: errors.len(), errors }))
}

/// Ask whether a page may send a batch.
#[utoipa::path(
    options, path = "/api/v1/batch", tag = "agentshield", operation_id = "agentshield_preflight_batch",
    params(("id" = Option<String>, Query, description = "The pixel")),
    responses((status = 204, description = "The methods and headers that pages may use"), (status = 429, body = ErrorBody)),
)]
async fn preflight() -> Response {
    cors::preflight("POST, OPTIONS")
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(add, preflight))
}

/// The events of a batch by whether they are valid.
struct Sorted {
    accepted: Vec<SentEvent>,
    errors: Vec<Rejected>,
    received: usize,
}

fn sort(body: &Map<String, Value>, door: &Door, now: Timestamp) -> Result<Sorted> {
    let mut reader = Reader::default();
    let events = events(&mut reader, body).map(Vec::as_slice).unwrap_or_default();
    let context = if door.is_visitor { None } else { event::context(&mut reader, body) };
    let context = reader.finish(context)?;
    let (mut accepted, mut errors) = (Vec::new(), Vec::new());
    for (index, item) in events.iter().enumerate() {
        match read(item, index, !door.is_visitor, now) {
            Ok(event) => accepted.push(event),
            Err(failure) => errors.push(Rejected { index, content: failure.content() }),
        }
    }
    if accepted.is_empty() {
        let error = Error::invalid("No event of the batch is valid; see details.");
        return Err(Failure(error.with_code("INVALID_REQUEST").with("errors", json!(errors))));
    }
    if let Some(newest) = accepted.iter_mut().max_by_key(|event| event.at) {
        newest.context = newest.context.take().or(context);
    }
    Ok(Sorted { accepted, errors, received: events.len() })
}

fn read(item: &Value, index: usize, with_context: bool, now: Timestamp) -> Result<SentEvent> {
    let mut reader = Reader::default();
    let Some(item) = item.as_object() else {
        reader.fault(&format!("events[{index}]"), "type");
        return reader.finish(SentEvent::default());
    };
    let event = SentEvent::read(&mut reader, item, with_context, now);
    reader.finish(event)
}

fn events<'a>(reader: &mut Reader, body: &'a Map<String, Value>) -> Option<&'a Vec<Value>> {
    match body.get("events") {
        None => reader.fault("events", "required"),
        Some(Value::Array(events)) if events.is_empty() => {
            reader.push(Fault::new("events", "too_short").with("min", 1));
        }
        Some(Value::Array(events)) if events.len() > MOST_EVENTS => {
            reader.push(Fault::new("events", "too_many").with("max", MOST_EVENTS));
        }
        Some(Value::Array(events)) => return Some(events),
        Some(_) => reader.fault("events", "type"),
    }
    None
}

const MOST_EVENTS: usize = 100;
