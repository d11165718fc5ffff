//! What every answer of the Botect-compatible API shares: the error body and how failures become one.

use std::time::Duration;

use axum::Json;
use axum::extract::FromRequest;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::{Error, ErrorKind};

/// The result of a handler of this family.
pub type Result<T> = std::result::Result<T, Failure>;

/// A failure that is rendered in this family's body.
#[derive(Debug)]
pub struct Failure(pub Error);

/// The error body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotectError)]
pub struct ErrorBody {
    /// A short text that names the kind of failure.
    pub error: String,
    /// A sentence for a person.
    pub message: String,
    /// The stable code.
    pub code: String,
    /// Machine-readable additions; left out when there is nothing to add.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub details: Map<String, Value>,
    /// Seconds after which it is worth trying again; left out when it does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_after: Option<i64>,
}

impl Failure {
    /// 401: credential missing, malformed, revoked, or of a project without scoring.
    pub fn unauthenticated() -> Self {
        Self(Error::unauthenticated("Unauthenticated."))
    }

    /// 402: the account has no active subscription.
    pub fn no_subscription() -> Self {
        let message = "This account has no active subscription; choose a plan to use the scoring service.";
        Self(Error::payment_required(message).with_code("NO_ACTIVE_SUBSCRIPTION"))
    }

    /// 403: a project or account that is not the caller's.
    pub fn forbidden(message: &str) -> Self {
        Self(Error::forbidden(message).with_code("FORBIDDEN"))
    }

    /// 422: the body breaks a rule.
    pub fn invalid_payload(message: impl Into<String>) -> Self {
        Self(Error::unprocessable(message))
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(error) = self;
        error.log();
        // The core's refusals of a body are 422 here, not the 400 of its class.
        let (status, code) = match error.kind() {
            ErrorKind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "INVALID_PAYLOAD".to_owned()),
            ErrorKind::Unavailable => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR".to_owned()),
            kind => (kind.status(), error.code().to_owned()),
        };
        let body = ErrorBody {
            error: title(&code, status).to_owned(),
            message: error.public_message().to_owned(),
            code,
            details: error.details().clone(),
            retry_after: error.retry_after_seconds(),
        };
        (status, Json(body)).into_response()
    }
}

/// Reads a whole body of at most so many bytes.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE` beyond them, `INVALID_PAYLOAD` when the connection breaks or is too slow.
pub async fn read_body(body: axum::body::Body, limit: usize) -> Result<Bytes> {
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect());
    match collected.await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Failure(Error::too_large(format!("The body is over {limit} bytes."))))
        }
        Ok(Err(_)) | Err(_) => Err(Failure::invalid_payload("The body could not be read.")),
    }
}

/// A JSON body of at most 64 KiB for the control plane.
pub struct JsonBody(pub Value);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Failure;

    async fn from_request(request: axum::extract::Request, _: &S) -> Result<Self> {
        let is_json = is_media_type(request.headers(), &["application/json"]);
        let body = read_body(request.into_body(), CONTROL_BODY_LIMIT).await?;
        if !is_json {
            return Err(Failure(Error::unsupported_media("The body must be application/json.")));
        }
        match serde_json::from_slice(&body) {
            Ok(value @ Value::Object(_)) => Ok(Self(value)),
            _ => Err(Failure::invalid_payload("The body must be a JSON object.")),
        }
    }
}

/// Whether the `Content-Type` is one of these, parameters aside.
pub fn is_media_type(headers: &axum::http::HeaderMap, accepted: &[&str]) -> bool {
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    essence.is_some_and(|essence| accepted.contains(&essence.as_str()))
}

fn title(code: &str, status: StatusCode) -> &'static str {
    match code {
        "UNAUTHENTICATED" => "Authentication required",
        "NO_ACTIVE_SUBSCRIPTION" => "No active subscription",
        "FEATURE_NOT_AVAILABLE" => "Feature not available",
        "FORBIDDEN" => "Forbidden",
        "UNKNOWN_SESSION" => "Unknown session",
        "NOT_FOUND" => "Not found",
        "METHOD_NOT_ALLOWED" => "Method not allowed",
        "SCORING_NOT_ENABLED" => "Scoring not enabled",
        "PAYLOAD_TOO_LARGE" => "Payload too large",
        "UNSUPPORTED_MEDIA_TYPE" => "Unsupported media type",
        "INVALID_PAYLOAD" => "Invalid payload",
        "INTERNAL_ERROR" => "Internal error",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}

const CONTROL_BODY_LIMIT: usize = 65_536;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
