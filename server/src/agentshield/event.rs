//! One event of a page or a server.

mod reading;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use quivive_core::agent::RequestFacts;
use quivive_core::decision::Action;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::reading::{SentEvent, believed, context, is_name};

use super::body::{self, Reader};
use super::sender::{Door, Sender};
use super::wire::{ErrorBody, Result};
use super::{cors, detect};
use crate::app::App;
use crate::extract::ClientIp;
use crate::flows::detection::{self, Observed, Purpose, Source};
use crate::flows::tracking;
use crate::tenant::pixel;

/// The path.
pub const PATH: &str = "/api/v1/event";

/// The largest body in bytes.
pub const BODY_LIMIT: usize = 65_536;

/// Something that happened on a page.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldEvent)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct EventBody {
    /// What happened, for example `page_view` or `click`.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9_.:-]+$")]
    event: String,
    /// Where: an absolute address.
    #[schema(max_length = 8192, pattern = "^https?://[A-Za-z0-9]", example = "https://example.com/page")]
    url: String,
    /// When: Unix seconds, or milliseconds from 1e11 on; now when absent, or when it is more than 24 hours past or 5
    /// minutes ahead.
    #[schema(nullable = false)]
    timestamp: Option<f64>,
    /// Anything else, at most 8 KiB and 8 levels deep.
    #[schema(value_type = Option<Object>, nullable = false)]
    metadata: Option<Value>,
    /// The sender's own id: the same one of one pixel within 24 hours is stored once.
    #[schema(min_length = 1, max_length = 64, nullable = false)]
    id: Option<String>,
    /// Joins the events of one visit.
    #[schema(max_length = 256, nullable = false)]
    session_id: Option<String>,
    /// Who the site says the visitor is.
    #[schema(max_length = 256, nullable = false)]
    user_id: Option<String>,
    /// The page before.
    #[schema(max_length = 8192, nullable = false)]
    referrer: Option<String>,
    /// What a script on the page saw.
    #[schema(nullable = false)]
    client: Option<detect::Client>,
    /// The pixel, for senders that can set no header.
    #[schema(nullable = false)]
    pixel_id: Option<String>,
    /// From servers: the visitor's request, which is then classified.
    #[schema(nullable = false)]
    context: Option<Context>,
}

/// The request of a visitor, as a server saw it; at least one member.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldEventContext)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct Context {
    /// The `User-Agent`; empty when the visitor sent none.
    #[schema(max_length = 4096, nullable = false)]
    user_agent: Option<String>,
    /// The visitor's address.
    #[schema(nullable = false, example = "203.0.113.7")]
    ip: Option<String>,
    /// All headers of the visitor's request, at most 100.
    #[schema(nullable = false)]
    headers: Option<BTreeMap<String, String>>,
}

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldEventReceipt)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// True.
    success: bool,
    /// The event's id.
    event_id: String,
}

/// Record an event.
///
/// It is stored when the answer is sent. A visitor who asks not to be tracked is only counted, if the pixel heeds it.
#[utoipa::path(
    post, path = "/api/v1/event", tag = "agentshield", operation_id = "agentshield_add_event",
    params(
        ("id" = Option<String>, Query, description = "The pixel, for senders that can set no header"),
        ("X-AgentShield-Project" = Option<String>, Header, description = "Another project that the key may see"),
    ),
    request_body(content((EventBody = "application/json"), (EventBody = "text/plain"))),
    security(("pixel_id" = []), ("api_key" = [])),
    responses(
        (status = 200, body = Receipt), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn add(State(app): State<App>, sender: Sender, ip: ClientIp, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let (door, body) = enter(&app, sender, &parts, body, BODY_LIMIT).await?;
    let mut reader = Reader::default();
    let event = SentEvent::read(&mut reader, &body, !door.is_visitor, app.now());
    let event = reader.finish(event)?;
    if door.is_untracked(&parts.headers) {
        count_untracked(&app, &door).await?;
        return Ok(receipt(tracking::new_id(&app)));
    }
    let facts = facts(&app, &door, &parts, ip, &event);
    let detection_id = match facts {
        Some(facts) => observe(&app, &door, Source::Event, facts, &event).await,
        None => None,
    };
    let mut ids = tracking::store(&app, vec![event.into_tracked(&door, detection_id)]).await?;
    Ok(receipt(ids.pop().unwrap_or_default()))
}

/// Ask whether a page may send an event.
#[utoipa::path(
    options, path = "/api/v1/event", tag = "agentshield", operation_id = "agentshield_preflight_event",
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

/// The way of every body with events: the sender may send, the body is an object.
///
/// # Errors
/// `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST`.
pub async fn enter(
    app: &App,
    sender: Sender,
    parts: &Parts,
    body: axum::body::Body,
    most: usize,
) -> Result<(Door, Map<String, Value>)> {
    Door::knock(app, &sender, &parts.headers).await?;
    let body = body::object(&body::collect(body, most).await?)?;
    let door = Door::open_with(app, sender, &body, &parts.headers).await?;
    Ok((door, body))
}

/// Counts a request that is not recorded.
///
/// # Errors
/// When storage does not answer.
pub async fn count_untracked(app: &App, door: &Door) -> Result<()> {
    if let Some(holder) = &door.pixel {
        pixel::count_untracked(app, &holder.pixel.id).await?;
    }
    Ok(())
}

/// The facts of the request to classify: the carrying one of a visitor, the described one of a server.
pub fn facts(app: &App, door: &Door, parts: &Parts, ip: ClientIp, event: &SentEvent) -> Option<RequestFacts> {
    let threshold = door.project.detection.threshold;
    let seen = if door.is_visitor {
        detect::facts_of(app, parts, ip, threshold)
    } else {
        RequestFacts { threshold: Some(threshold), now: app.now(), ..event.context.clone()? }
    };
    let url = (!event.url.is_empty()).then(|| event.url.clone());
    let mut client = event.client.clone();
    if let Some(client) = client.as_mut().filter(|_| door.is_visitor) {
        // A visitor's own word that he is a person is none.
        client.human = None;
    }
    Some(RequestFacts { url, client, ..seen })
}

/// Classifies the request behind an event and puts it up for recording; returns the detection's id, or nothing where
/// the project has detection off.
pub async fn observe(
    app: &App,
    door: &Door,
    source: Source,
    mut facts: RequestFacts,
    event: &SentEvent,
) -> Option<String> {
    if !door.project.detection.is_enabled {
        return None;
    }
    // The requests of a page's script are no pace of its visitor's.
    let session_id = event.session_id.as_deref();
    let seen = detection::look(app, &door.project, &mut facts, session_id, Purpose::Report).await;
    let id = detection::new_id(app);
    app.detection.record(Observed {
        id: id.clone(),
        account_id: door.project.account_id,
        project_id: door.project.id,
        is_test: door.is_test,
        source,
        // Nothing stands in the way of a report, whatever the policy says about pages.
        action: Action::Allow,
        rule_id: None,
        facts,
        session_id: event.session_id.clone(),
        classification: seen.classification,
    });
    Some(id)
}

fn receipt(event_id: String) -> Response {
    Json(Receipt { success: true, event_id }).into_response()
}
