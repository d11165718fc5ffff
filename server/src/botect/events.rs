//! Ingest of a batch of browser events.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use quivive_core::score::aggregate::DirectRequest;
use quivive_core::score::payload::{Batch, is_request_id, peek_site_key};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{self, SiteKey};
use super::wire::{self, ErrorBody, Failure, Result};
use crate::app::App;
use crate::error::{Error, ErrorKind};
use crate::extract::{ClientIp, IsHttps, header_text};
use crate::flows::scoring::ingest::{Delivery, Receipt, Sender, ingest};

/// The path.
pub const PATH: &str = "/v1/events";

/// A batch of browser events.
#[derive(Deserialize, ToSchema)]
#[schema(as = BotectBatch)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents the body, which the core reads")]
pub struct EventBatch {
    /// The session; null or absent asks for a new one.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_-]+$")]
    session_token: Option<String>,
    /// The project's site key, when the header does not carry it.
    #[schema(nullable = false)]
    site_key: Option<String>,
    /// The events in arrival order.
    #[schema(min_items = 1, max_items = 100)]
    events: Vec<BatchEvent>,
}

/// One browser event.
#[derive(Deserialize, ToSchema)]
#[schema(as = BotectEvent)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents the body, which the core reads")]
pub struct BatchEvent {
    /// Counted once per session.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_-]+$")]
    request_id: String,
    /// What sort of event it is.
    r#type: EventType,
    /// When the browser recorded it, UTC.
    #[schema(
        pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z$",
        example = "2026-10-02T08:15:00.120Z"
    )]
    received_at: String,
    /// Only the documented keys; at most 65,536 bytes.
    #[serde(default)]
    #[schema(value_type = Option<Object>, nullable = false)]
    payload: Value,
}

/// The sorts of event.
#[derive(Deserialize, ToSchema)]
#[schema(as = BotectEventType)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// Pointer movement.
    Mouse,
    /// Scrolling.
    Scroll,
    /// The page was hidden or shown.
    Visibility,
    /// The first input on the page.
    FirstInput,
    /// Tells of the script probe.
    JsProbe,
    /// A page view begins.
    Page,
    /// All measures of the page view so far.
    Snapshot,
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotectReceipt)]
pub struct BatchReceipt {
    /// The session that was used; the collector keeps it.
    session_token: String,
    /// New events.
    accepted: usize,
    /// Events that had been seen before.
    duplicates: usize,
    /// Present when the account has used up its month; the events count all the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(value_type = Option<bool>, nullable = false)]
    over_quota: bool,
}

/// Add a batch of browser events to a session.
///
/// The reply never waits for a score. A batch is taken as a whole or not at all; events whose `request_id` was seen
/// before are counted as duplicates.
#[utoipa::path(
    post, path = "/v1/events", tag = "botect", operation_id = "botect_ingest_events",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "One for each batch, the same on retry"),
    ),
    request_body(content((EventBatch = "application/json"), (EventBatch = "text/plain"))),
    security(("site_key" = []), ()),
    responses(
        (status = 202, body = BatchReceipt),
        (status = 204, description = "The load was shed; nothing was stored"),
        (status = 401, body = ErrorBody),
        (status = 402, body = ErrorBody),
        (status = 413, body = ErrorBody),
        (status = 415, body = ErrorBody),
        (status = 422, body = ErrorBody),
    ),
)]
async fn add(State(app): State<App>, ip: ClientIp, is_https: IsHttps, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    // With the header, who asks is known before the body is read.
    let known = match auth::site_key(headers) {
        Some(key) => Some(proven(&app, Some(key)).await),
        None => None,
    };
    let known = match known {
        Some(Proof::Shed) => return Ok(shed()),
        Some(Proof::Key(key)) => Some(key?),
        None => None,
    };
    let body = wire::read_body(body, BODY_LIMIT).await?;
    let text = std::str::from_utf8(&body).ok();
    let key = match known {
        Some(key) => key,
        None => match proven(&app, text.and_then(peek_site_key).as_deref().map(str::trim)).await {
            Proof::Shed => return Ok(shed()),
            Proof::Key(key) => key?,
        },
    };
    if !wire::is_media_type(headers, &["application/json", "text/plain"]) {
        return Err(Failure(Error::unsupported_media("The body must be application/json or text/plain.")));
    }
    let batch = Batch::parse(text.ok_or_else(|| Failure::invalid_payload("The body is not UTF-8."))?)?;
    let idempotency_key = idempotency_key(headers)?;
    if app.scoring.queue.is_full() {
        return Ok(shed());
    }
    let delivery = Delivery {
        site: &key.0,
        token: batch.session_token,
        idempotency_key,
        events: batch.events,
        sender: Sender::Browser(direct_request(headers, ip, is_https)),
    };
    match ingest(&app, delivery).await {
        Ok(receipt) => Ok((StatusCode::ACCEPTED, Json(BatchReceipt::from(receipt))).into_response()),
        Err(error) if is_fault(&error) => {
            error.log();
            Ok(shed())
        }
        Err(error) => Err(error.into()),
    }
}

/// Allow a page of any origin to send a batch.
#[utoipa::path(
    options, path = "/v1/events", tag = "botect", operation_id = "botect_preflight_events",
    responses((status = 204, description = "The methods and headers that pages may use")),
)]
async fn preflight() -> Response {
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type, idempotency-key, x-botect-site-key"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, allowed).into_response()
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(add, preflight))
}

impl From<Receipt> for BatchReceipt {
    fn from(receipt: Receipt) -> Self {
        Self {
            session_token: receipt.token,
            accepted: receipt.accepted,
            duplicates: receipt.duplicates,
            over_quota: receipt.over_quota,
        }
    }
}

enum Proof {
    Key(Result<SiteKey>),
    Shed,
}

/// A key that cannot be looked up is no wrong key: the batch is shed, and nothing is acknowledged.
async fn proven(app: &App, key: Option<&str>) -> Proof {
    match SiteKey::prove(app, key).await {
        Err(Failure(error)) if is_fault(&error) => {
            error.log();
            Proof::Shed
        }
        other => Proof::Key(other),
    }
}

fn is_fault(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal)
}

/// The answer to a batch that was not stored.
pub(super) fn shed() -> Response {
    metrics::counter!("quivive_ingest_shed_total").increment(1);
    StatusCode::NO_CONTENT.into_response()
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(text) if is_request_id(text) => Ok(Some(text.to_owned())),
        _ => Err(Failure::invalid_payload("Idempotency-Key must be 1 to 128 of A-Z a-z 0-9 _ -.")),
    }
}

fn direct_request(headers: &HeaderMap, ClientIp(ip): ClientIp, IsHttps(secure): IsHttps) -> DirectRequest {
    let user_agent = headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    DirectRequest {
        user_agent: user_agent.map(|text| text.chars().take(MOST_USER_AGENT_CHARACTERS).collect()),
        address: Some(ip.to_string()),
        secure,
        sec_ch_ua: headers.contains_key("sec-ch-ua"),
        sec_fetch_mode: header_text(headers, "sec-fetch-mode").is_some(),
    }
}

const BODY_LIMIT: usize = 262_144;
const MOST_USER_AGENT_CHARACTERS: usize = 1_024;
