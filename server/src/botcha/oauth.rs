//! The device authorization grant (RFC 8628): an agent asks, its owner decides in a browser.

pub mod decision;
pub mod grant;
pub mod token;

use http::request::Parts;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::limits::{self, Rule};
use super::wire::{Failure, Form, Result, lenient_members};
use crate::app::App;
use crate::error::Error;
use crate::extract::header_text;

/// An error of these routes (RFC 6749 section 5.2).
#[derive(ToSchema)]
#[schema(as = BotchaOauthError)]
#[expect(dead_code, reason = "describes a body that is built as a value")]
pub(super) struct OauthError {
    /// A code of RFC 6749 or RFC 8628.
    error: String,
    /// A sentence for a person; left out for faults of ours and refusals by a rate limit.
    error_description: Option<String>,
    /// The same sentence.
    message: Option<String>,
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    token::router().merge(decision::router())
}

/// An error in the form of RFC 6749: its code and what is wrong.
fn refusal(error: Error, code: &'static str) -> Failure {
    let description = error.public_message().to_owned();
    Failure { error: error.with_code(code).with("error_description", description), form: Form::Bare }
}

/// The members of a JSON object, or the fields of a form if the body says that it is one.
///
/// # Errors
/// `invalid_request` for a field that is given twice (RFC 6749 section 3.2).
pub(super) fn parameters(parts: &Parts, body: &[u8]) -> Result<Map<String, Value>> {
    let members = lenient_members(body);
    let is_form = header_text(&parts.headers, "content-type")
        .is_some_and(|name| name.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
    if !members.is_empty() || !is_form {
        return Ok(members);
    }
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        if fields.insert(name.clone().into_owned(), Value::String(value.into_owned())).is_some() {
            return Err(refusal(Error::invalid(format!("{name} is given twice")), "invalid_request"));
        }
    }
    Ok(fields)
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// Counts polls, reads and revocations.
async fn count(app: &App, parts: &Parts) -> Result<()> {
    let limit = app.config.limits.oauth_requests_per_minute;
    let rule = Rule { name: "oauth", limit, window_milliseconds: 60_000, is_always: false };
    limits::count_address(app, parts, &rule).await
}

/// Counts tries of user codes; holds in both profiles.
pub(super) async fn count_decision(app: &App, parts: &Parts) -> Result<()> {
    let limit = app.config.limits.device_decisions_per_hour;
    limits::count_address(app, parts, &Rule::per_hour("device-decision", limit).always()).await
}
