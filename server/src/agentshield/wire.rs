//! What every answer of the AgentShield-compatible API shares: the error envelope.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::error::{Error, ErrorKind};
use crate::telemetry::RequestId;

/// The result of a handler of this family.
pub type Result<T> = std::result::Result<T, Failure>;

/// A failure that is rendered in this family's envelope.
#[derive(Debug)]
pub struct Failure(pub Error);

/// The error envelope.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldError)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorContent,
}

/// The content of the error envelope.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldErrorContent)]
pub struct ErrorContent {
    /// The stable code.
    pub code: String,
    /// A sentence for a person.
    pub message: String,
    /// Machine-readable additions; empty when there is nothing to add.
    #[schema(value_type = Object)]
    pub details: Map<String, Value>,
}

/// One fault of a request.
#[derive(Debug)]
pub struct Fault {
    field: String,
    reason: &'static str,
    bounds: Vec<(&'static str, Value)>,
}

impl Fault {
    /// A fault of a field, by one of the fixed reasons.
    pub fn new(field: impl Into<String>, reason: &'static str) -> Self {
        Self { field: field.into(), reason, bounds: Vec::new() }
    }

    /// Adds a bound, such as `max`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.bounds.push((name, value.into()));
        self
    }

    /// The fault of a member of the object at `path`.
    #[must_use]
    pub fn within(self, path: &str) -> Self {
        Self { field: format!("{path}.{}", self.field), ..self }
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        details.insert("field".to_owned(), json!(self.field));
        details.insert("reason".to_owned(), json!(self.reason));
        details.extend(self.bounds.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        details
    }
}

impl Failure {
    /// 400 with one fault, or with a list of at most twenty.
    pub fn invalid(faults: &[Fault]) -> Self {
        let error = Error::invalid("The request breaks a rule; see details.").with_code("INVALID_REQUEST");
        Self(match faults {
            [fault] => {
                fault.details().into_iter().fold(error, |error, (name, value)| error.with(&name, value))
            }
            _ => {
                error.with("errors", faults.iter().take(MOST_FAULTS).map(Fault::details).collect::<Vec<_>>())
            }
        })
    }

    /// 401 with a reason: `missing`, `invalid`, `expired` or `revoked`.
    pub fn unauthorized(reason: &'static str) -> Self {
        Self(
            Error::unauthenticated("A valid API key, or for events a pixel id, is required.")
                .with_code("UNAUTHORIZED")
                .with("reason", reason),
        )
    }

    /// 403 with a reason: `scope`, `project`, `origin`, `pixel_inactive`.
    pub fn forbidden(reason: &'static str) -> Self {
        let message = match reason {
            "origin" => "Pages of this origin may not use the pixel.",
            "pixel_inactive" => "The pixel takes no events.",
            _ => "The API key may not do this.",
        };
        Self(Error::forbidden(message).with_code("FORBIDDEN").with("reason", reason))
    }

    /// 404 with what is missing: `project`, `detection`, `webhook`, `pixel`, `key`, `delivery`.
    pub fn not_found(resource: &'static str) -> Self {
        Self(Error::not_found(format!("There is no such {resource}.")).with("resource", resource))
    }

    /// What is told of it.
    pub fn content(&self) -> ErrorContent {
        let Self(error) = self;
        let mut details = error.details().clone();
        match error.kind() {
            ErrorKind::MethodNotAllowed => {
                details.insert("reason".to_owned(), json!("method"));
            }
            ErrorKind::NotFound if details.is_empty() => {
                details.insert("resource".to_owned(), json!("route"));
            }
            _ => {}
        }
        ErrorContent { code: code(error).to_owned(), message: error.public_message().to_owned(), details }
    }

    /// 413 with the largest size.
    pub fn body_too_large(most: usize) -> Self {
        Self(Error::too_large("The body is too large.").with("reason", "body_too_large").with("max", most))
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let content = self.content();
        let Self(error) = self;
        error.log();
        let status = status(&error);
        let mut response = (status, Json(ErrorBody { error: content })).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("AgentShield realm=\"api\""));
        }
        if let Some(seconds) = error.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// 500 with the id under which the log tells more.
pub fn fault(request_id: Option<&RequestId>) -> Response {
    let error = Error::internal("a fault");
    let mut details = Map::new();
    if let Some(id) = request_id.and_then(|RequestId(id)| id.to_str().ok()) {
        details.insert("requestId".to_owned(), json!(id));
    }
    let content =
        ErrorContent { code: code(&error).to_owned(), message: error.public_message().to_owned(), details };
    (StatusCode::INTERNAL_SERVER_ERROR, Json(ErrorBody { error: content })).into_response()
}

fn status(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::Unprocessable | ErrorKind::UnsupportedMedia => StatusCode::BAD_REQUEST,
        ErrorKind::Unavailable => StatusCode::INTERNAL_SERVER_ERROR,
        kind => kind.status(),
    }
}

/// The six codes of this family.
fn code(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Unauthenticated => "UNAUTHORIZED",
        ErrorKind::Forbidden | ErrorKind::PaymentRequired => "FORBIDDEN",
        ErrorKind::NotFound | ErrorKind::Gone => "NOT_FOUND",
        ErrorKind::RateLimited => "RATE_LIMIT_EXCEEDED",
        ErrorKind::Internal | ErrorKind::Unavailable => "INTERNAL_ERROR",
        ErrorKind::Conflict
        | ErrorKind::Invalid
        | ErrorKind::MethodNotAllowed
        | ErrorKind::TooLarge
        | ErrorKind::Unprocessable
        | ErrorKind::UnsupportedMedia => "INVALID_REQUEST",
    }
}

const MOST_FAULTS: usize = 20;
