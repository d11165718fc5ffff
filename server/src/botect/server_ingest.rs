//! What the customer's server reports: pages that it delivered, and browser events that it forwards.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use quivive_core::Timestamp;
use quivive_core::first_party::{EventsReport, PageHitReport};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::PrivateKey;
use super::events::{BatchEvent, BatchReceipt, idempotency_key, shed};
use super::wire::{self, ErrorBody, Failure, Result};
use crate::app::App;
use crate::error::Error;
use crate::flows::scoring::ingest::{Delivery, Sender, ServerReport, ingest};

/// One page that the customer's server delivered.
#[derive(Deserialize, ToSchema)]
#[schema(as = BotectPageHit)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents the body, which the core reads")]
pub struct PageHitBody {
    /// 1.
    #[schema(minimum = 1, maximum = 1)]
    schema_version: u32,
    /// The page view.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    page_id: String,
    /// The visitor's session; an unknown one begins under this token.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_-]+$")]
    session_token: String,
    /// When, at most 3,900 seconds ago and 300 seconds ahead.
    #[schema(pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$", example = "2026-10-02T08:15:00Z")]
    occurred_at: String,
    /// The request's method.
    #[schema(pattern = "^(GET|POST|PUT|PATCH|DELETE|OPTIONS|HEAD|OTHER)$")]
    method: String,
    /// HMAC-SHA-256 of the path, keyed with the private key; raw paths are never sent.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    path_hash: String,
    /// Which of the documented headers the request had, in its order, each once.
    #[schema(max_items = 18)]
    header_names: Vec<String>,
    /// The languages that the visitor accepts.
    #[schema(max_items = 10)]
    languages: Vec<String>,
    /// Whether the visitor came with a session cookie that holds.
    had_session_cookie: bool,
    /// Milliseconds that the server took to build the page.
    #[schema(minimum = 0, maximum = 86_400_000)]
    duration_ms: u32,
    /// A TLS fingerprint; null today.
    #[schema(max_length = 64, required)]
    ja4: Option<String>,
    /// The visitor's public address in canonical form.
    #[schema(nullable = false)]
    observed_ip: Option<String>,
    /// Where the address was read; goes with it.
    #[schema(nullable = false, pattern = "^(request|header|resolver)$")]
    observed_ip_source: Option<String>,
    /// Whether the address was guessed from headers that nobody vouched for; goes with it.
    #[schema(nullable = false)]
    observed_ip_inferred: Option<bool>,
    /// Whether the visitor is logged in.
    #[schema(nullable = false)]
    logged_in: Option<bool>,
}

/// Browser events that the customer's server forwards for one page view.
#[derive(Deserialize, ToSchema)]
#[schema(as = BotectForwardedEvents)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents the body, which the core reads")]
pub struct ForwardedEventsBody {
    /// 1.
    #[schema(minimum = 1, maximum = 1)]
    schema_version: u32,
    /// The page view that the events are from.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    page_id: String,
    /// The visitor's session; an unknown one begins under this token.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_-]+$")]
    session_token: String,
    /// The events in arrival order.
    #[schema(min_items = 1, max_items = 100)]
    events: Vec<BatchEvent>,
    /// The visitor's public address in canonical form.
    #[schema(nullable = false)]
    observed_ip: Option<String>,
    /// Where the address was read; goes with it.
    #[schema(nullable = false, pattern = "^(request|header|resolver)$")]
    observed_ip_source: Option<String>,
    /// Whether the address was guessed from headers that nobody vouched for; goes with it.
    #[schema(nullable = false)]
    observed_ip_inferred: Option<bool>,
    /// Whether the visitor is logged in.
    #[schema(nullable = false)]
    logged_in: Option<bool>,
}

/// Report a page that the site's server delivered.
///
/// The same `Idempotency-Key` within a day counts as a duplicate. Repeat on 408, 425, 429, 5xx, network faults, and on
/// 204, by which load is shed; other answers are final.
#[utoipa::path(
    post, path = "/v1/server/page-hits", tag = "botect", operation_id = "botect_report_page_hit",
    params(("Idempotency-Key" = String, Header, description = "One for each page hit, the same on retry")),
    request_body = PageHitBody,
    security(("private_key" = [])),
    responses(
        (status = 202, body = BatchReceipt),
        (status = 204, description = "The load was shed; nothing was stored"),
        (status = 401, body = ErrorBody),
        (status = 402, body = ErrorBody),
        (status = 413, body = ErrorBody),
        (status = 415, body = ErrorBody),
        (status = 422, body = ErrorBody),
        (status = 500, description = "Nothing was stored; try again", body = ErrorBody),
    ),
)]
async fn report_page_hit(State(app): State<App>, request: Request) -> Result<Response> {
    let (key, idempotency_key, text) = read(&app, request).await?;
    let hit = PageHitReport::parse(&text)?;
    check_age(hit.occurred_at, app.now())?;
    let report = ServerReport {
        page_id: hit.page_id.clone(),
        observed: hit.observed.clone(),
        logged_in: hit.logged_in == Some(true),
        page_hit: Some(hit.clone()),
    };
    let (token, sender) = (Some(hit.session_token), Sender::Server(report));
    store(&app, Delivery { site: &key.0, token, idempotency_key, events: Vec::new(), sender }).await
}

/// Forward browser events through the site's server.
///
/// Events are counted once per session by their `request_id`. Repeat as with page hits.
#[utoipa::path(
    post, path = "/v1/server/events", tag = "botect", operation_id = "botect_forward_events",
    params(("Idempotency-Key" = String, Header, description = "One for each batch, the same on retry")),
    request_body = ForwardedEventsBody,
    security(("private_key" = [])),
    responses(
        (status = 202, body = BatchReceipt),
        (status = 204, description = "The load was shed; nothing was stored"),
        (status = 401, body = ErrorBody),
        (status = 402, body = ErrorBody),
        (status = 413, body = ErrorBody),
        (status = 415, body = ErrorBody),
        (status = 422, body = ErrorBody),
        (status = 500, description = "Nothing was stored; try again", body = ErrorBody),
    ),
)]
async fn forward_events(State(app): State<App>, request: Request) -> Result<Response> {
    let (key, idempotency_key, text) = read(&app, request).await?;
    let report = EventsReport::parse(&text)?;
    let sender = Sender::Server(ServerReport {
        page_id: report.page_id,
        page_hit: None,
        observed: report.observed,
        logged_in: report.logged_in == Some(true),
    });
    let (token, events) = (Some(report.session_token), report.events);
    store(&app, Delivery { site: &key.0, token, idempotency_key, events, sender }).await
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(report_page_hit)).routes(routes!(forward_events))
}

/// Who asks, and what; the body is read once the key is proven.
async fn read(app: &App, request: Request<Body>) -> Result<(PrivateKey, Option<String>, String)> {
    let (parts, body) = request.into_parts();
    let key = PrivateKey::prove(app, &parts.headers).await?;
    let body = wire::read_body(body, BODY_LIMIT).await?;
    if !wire::is_media_type(&parts.headers, &["application/json"]) {
        return Err(Failure(Error::unsupported_media("The body must be application/json.")));
    }
    let idempotency_key = required_idempotency_key(&parts.headers)?;
    let text =
        String::from_utf8(body.into()).map_err(|_| Failure::invalid_payload("The body is not UTF-8."))?;
    Ok((key, Some(idempotency_key), text))
}

fn required_idempotency_key(headers: &HeaderMap) -> Result<String> {
    idempotency_key(headers)?
        .ok_or_else(|| Failure::invalid_payload("The header Idempotency-Key is required."))
}

/// Deliveries wait in the customer's queue for an hour at most; older ones are repeated by mistake.
fn check_age(occurred_at: Timestamp, now: Timestamp) -> Result<()> {
    let age = now.milliseconds_since(occurred_at);
    if (-MOST_AHEAD_MILLISECONDS..=OLDEST_MILLISECONDS).contains(&age) {
        return Ok(());
    }
    let error = Error::unprocessable("occurred_at must be at most 3,900 seconds ago and 300 seconds ahead.");
    Err(Failure(error.with("path", "occurred_at")))
}

async fn store(app: &App, delivery: Delivery<'_>) -> Result<Response> {
    if app.scoring.queue.is_full() {
        return Ok(shed());
    }
    let receipt = ingest(app, delivery).await?;
    Ok((StatusCode::ACCEPTED, Json(BatchReceipt::from(receipt))).into_response())
}

const BODY_LIMIT: usize = 1_114_112;
const OLDEST_MILLISECONDS: i64 = 3_900_000;
const MOST_AHEAD_MILLISECONDS: i64 = 300_000;
