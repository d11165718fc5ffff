//! What routes of the family share: the four forms of an error, and lenient bodies.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::error::{Error, ErrorKind};
use crate::extract;

/// The result of a handler of this family.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// An error in one of the family's forms.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong.
    pub error: Error,
    /// In which form callers of the route expect it.
    pub form: Form,
}

/// The forms of an error body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// `{"error":"<CODE>","message":…}`.
    Bare,
    /// `{"success":false,"error":"<CODE>","message":…}`.
    Coded,
    /// `{"success":false,"error":"<sentence>","hint":…}`.
    Plain,
    /// `{"valid":false,"error":"<sentence>"}`.
    Validation,
}

impl Failure {
    /// 400 in the plain form: a sentence, and what to do.
    pub fn plain(sentence: &str, hint: &str) -> Self {
        Self { error: Error::invalid(sentence).with("hint", hint), form: Form::Plain }
    }

    /// The same error in another form.
    #[must_use]
    pub fn in_form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), form: Form::Coded }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { error, form } = self;
        error.log();
        let message = error.public_message();
        let code = error.code();
        // Faults of ours keep their code in every form but the validation's, which has no place for one.
        let is_fault = matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unavailable);
        let mut body = match form {
            Form::Validation => json!({ "valid": false, "error": message }),
            Form::Plain if !is_fault => json!({ "success": false, "error": message }),
            Form::Bare => json!({ "error": code, "message": message }),
            Form::Plain | Form::Coded => json!({ "success": false, "error": code, "message": message }),
        };
        if let Some(body) = body.as_object_mut() {
            body.extend(error.details().clone());
        }
        let mut response = (error.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = error.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if error.status() == StatusCode::UNAUTHORIZED {
            // RFC 6750 section 3.1: the attribute is for those who sent a token alone.
            let challenge = if code == "INVALID_TOKEN" { "Bearer error=\"invalid_token\"" } else { "Bearer" };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// The error body of most routes.
#[derive(ToSchema)]
#[schema(as = BotchaError)]
#[expect(dead_code, reason = "describes a body that is built as a value")]
pub struct ErrorBody {
    /// Always false.
    success: Option<bool>,
    /// A stable code, or a sentence on the older routes.
    error: String,
    /// A sentence for a person.
    message: Option<String>,
}

/// The members of a JSON body; anything but an object has none.
///
/// # Errors
/// `INVALID_JSON` for what is no JSON.
pub fn members(body: &[u8]) -> Result<Map<String, Value>> {
    match extract::parse_json(body)? {
        Value::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}

/// The members of a JSON body; anything unreadable has none.
pub fn lenient_members(body: &[u8]) -> Map<String, Value> {
    members(body).unwrap_or_default()
}

/// An optional text of a body.
///
/// # Errors
/// `INVALID_REQUEST` for another type or a text beyond 512 bytes.
pub fn optional_text(members: &Map<String, Value>, name: &str) -> Result<Option<String>> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.len() <= LONGEST_TEXT => Ok(Some(text.clone())),
        Some(Value::String(_)) => Err(Error::invalid(format!("{name} is too long")).into()),
        Some(_) => Err(Error::invalid(format!("{name} must be a string")).into()),
    }
}

/// An optional switch of a body, false when left out.
///
/// # Errors
/// `INVALID_REQUEST` for another type.
pub fn switch(members: &Map<String, Value>, name: &str) -> Result<bool> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(Error::invalid(format!("{name} must be true or false")).into()),
    }
}

/// The longest text of a query or body that is taken into a token.
pub const LONGEST_TEXT: usize = 512;
