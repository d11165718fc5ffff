//! The one error of the server: a kind with a status, a stable code, a message and details.
//!
//! Families render it in their own body; native paths render it as problem+json (RFC 9457).

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use quivive_core::ErrorClass;
use serde_json::{Map, Value, json};

use crate::storage;

/// The result of everything in the server that a caller waits for.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure that has an HTTP status and a stable code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    code: Cow<'static, str>,
    message: String,
    details: Map<String, Value>,
    retry_after_seconds: Option<i64>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

macro_rules! error_kinds {
    ($($(#[$doc:meta])* $kind:ident = $status:ident, $code:literal, $make:ident;)*) => {
        /// The kinds of failure; each has one default status and code.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// The status that families use unless their documents demand another.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            /// The code of an error that was given none.
            pub fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)* }
            }
        }

        impl Error {
            $($(#[$doc])*
            pub fn $make(message: impl Into<String>) -> Self {
                Self::new(ErrorKind::$kind, message)
            })*
        }
    };
}

error_kinds! {
    /// The request clashes with the present state.
    Conflict = CONFLICT, "CONFLICT", conflict;
    /// The caller is known and may not do this.
    Forbidden = FORBIDDEN, "FORBIDDEN", forbidden;
    /// The thing was there once.
    Gone = GONE, "GONE", gone;
    /// A fault of ours; the message is for the log, callers get a neutral text.
    Internal = INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", internal;
    /// The request cannot be read or breaks a rule.
    Invalid = BAD_REQUEST, "INVALID_REQUEST", invalid;
    /// The path is known, the method is not.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", method_not_allowed;
    /// No such thing.
    NotFound = NOT_FOUND, "NOT_FOUND", not_found;
    /// A payment or subscription is missing.
    PaymentRequired = PAYMENT_REQUIRED, "PAYMENT_REQUIRED", payment_required;
    /// Too many requests.
    RateLimited = TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED", rate_limited;
    /// The body is over its limit.
    TooLarge = PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", too_large;
    /// No credential, or one that does not hold.
    Unauthenticated = UNAUTHORIZED, "UNAUTHENTICATED", unauthenticated;
    /// Something that we need does not answer.
    Unavailable = SERVICE_UNAVAILABLE, "UNAVAILABLE", unavailable;
    /// The body can be read but breaks a rule.
    Unprocessable = UNPROCESSABLE_ENTITY, "INVALID_PAYLOAD", unprocessable;
    /// The media type of the body is not accepted.
    UnsupportedMedia = UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", unsupported_media;
}

impl Error {
    /// Makes an error; messages start lower-case unless a document fixes them, and hold no secret.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: Cow::Borrowed(kind.code()),
            message: message.into(),
            details: Map::new(),
            retry_after_seconds: None,
            source: None,
        }
    }

    /// Gives the error a code of its own instead of the kind's.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = code.into();
        self
    }

    /// Adds one machine-readable detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Says after how many seconds it is worth trying again.
    #[must_use]
    pub fn retry_after(mut self, seconds: i64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The default status.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The sentence for the caller; a neutral one for faults of ours.
    pub fn public_message(&self) -> &str {
        match self.kind {
            ErrorKind::Internal => "An unexpected error occurred",
            ErrorKind::Unavailable => "The service cannot answer at this moment, try again later",
            _ => &self.message,
        }
    }

    /// Machine-readable additions.
    pub fn details(&self) -> &Map<String, Value> {
        &self.details
    }

    /// Seconds to wait, for `Retry-After`.
    pub fn retry_after_seconds(&self) -> Option<i64> {
        self.retry_after_seconds
    }

    /// Writes the error to the log: faults of ours with their causes, the caller's at debug level.
    pub fn log(&self) {
        if self.status().is_server_error() {
            let causes = causes(self);
            tracing::error!(code = %self.code, causes, "{}", self.message);
        } else {
            tracing::debug!(code = %self.code, "{}", self.message);
        }
    }
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        match &error {
            storage::Error::Conflict => {
                Self::conflict("the record was changed by another request").because(error)
            }
            storage::Error::Full => {
                Self::conflict("there are as many as there may be").with_code("TOO_MANY").because(error)
            }
            storage::Error::Unavailable(_) => {
                Self::unavailable("storage does not answer").with_code("STORAGE_UNAVAILABLE").because(error)
            }
            storage::Error::Corrupt { .. } => Self::internal("a stored record cannot be read").because(error),
        }
    }
}

impl From<quivive_core::Error> for Error {
    /// The status follows the class of the core error; its code stays.
    fn from(error: quivive_core::Error) -> Self {
        let kind = match error.kind().class() {
            ErrorClass::Denied => ErrorKind::Forbidden,
            ErrorClass::Expired | ErrorClass::Unverified => ErrorKind::Unauthenticated,
            ErrorClass::Invalid | ErrorClass::Unsupported => ErrorKind::Invalid,
        };
        let mut ours = Self::new(kind, error.message()).with_code(error.kind().code());
        ours.details = error.details().clone();
        ours
    }
}

impl IntoResponse for Error {
    /// The native form: problem details (RFC 9457).
    fn into_response(self) -> Response {
        self.log();
        let status = self.status();
        let mut body = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "code": self.code,
            "detail": self.public_message(),
        });
        if let (Some(body), false) = (body.as_object_mut(), self.details.is_empty()) {
            body.insert("details".to_owned(), Value::Object(self.details.clone()));
        }
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.join(": ")
}
