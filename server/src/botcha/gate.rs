//! The app gate: whether a request needs a registered app, and which app it names.

use http::HeaderMap;
use http::request::Parts;
use serde_json::{Map, Value};

use super::apps::{self, RegisteredApp};
use super::auth;
use super::wire::Result;
use crate::app::App;
use crate::config::AppGate;
use crate::error::Error;
use crate::extract::{Origin, header_text, query_value};

/// Finds the app that a request without a body names, and refuses it without one in strict mode.
///
/// # Errors
/// The gate's refusals: `APP_REGISTRATION_REQUIRED`, `APP_NOT_FOUND`, `EMAIL_NOT_VERIFIED`, `APP_ID_MISMATCH`;
/// `INVALID_APP_ID` for an unknown one in the query while the gate is open.
pub async fn enter(app: &App, parts: &Parts) -> Result<Option<RegisteredApp>> {
    pass(app, parts, None, app.config.botcha.app_gate == AppGate::Open).await
}

/// As [`enter`] for a request with a body. While the gate is open an app that the body alone names is the route's
/// own business.
///
/// # Errors
/// As [`enter`].
pub async fn enter_with_body(
    app: &App,
    parts: &Parts,
    body: &Map<String, Value>,
) -> Result<Option<RegisteredApp>> {
    pass(app, parts, app_in(body), app.config.botcha.app_gate == AppGate::Open).await
}

/// The gate before a path below `/v1/` that no route has; it stands there only if it is strict.
///
/// # Errors
/// As [`enter`].
pub async fn enter_unmatched(app: &App, parts: &Parts) -> Result<()> {
    if app.config.botcha.app_gate == AppGate::Strict && parts.uri.path().starts_with("/v1/") {
        pass(app, parts, None, false).await?;
    }
    Ok(())
}

/// The app that a request names, for routes that need one however the gate is set. The demo app is none: it is good
/// for challenges and tokens only.
///
/// # Errors
/// As [`enter`]; 403 `DEMO_APP` for the demo app.
pub async fn require(app: &App, parts: &Parts, body: &Map<String, Value>) -> Result<RegisteredApp> {
    let found = pass(app, parts, app_in(body), false).await?.ok_or_else(|| registration_required(""))?;
    if found.is_demo {
        let message =
            "The demo app is good for challenges and tokens only: register your own at POST /v1/apps";
        return Err(Error::forbidden(message).with_code("DEMO_APP").into());
    }
    Ok(found)
}

async fn pass(
    app: &App,
    parts: &Parts,
    in_body: Option<&str>,
    is_open: bool,
) -> Result<Option<RegisteredApp>> {
    let origin = origin(parts);
    let in_query = query_value(&parts.uri, "app_id").filter(|id| !id.is_empty());
    let in_token = auth::app_of_bearer(app, &parts.headers);
    let mut named: Vec<&str> = in_query.as_deref().into_iter().collect();
    named.extend(in_headers(&parts.headers));
    named.extend(in_token.as_deref());
    if is_open && named.is_empty() {
        return Ok(None);
    }
    named.extend(in_body);
    let Some(id) = named.first().copied() else {
        return Err(registration_required(origin).into());
    };
    if named.iter().any(|other| *other != id) {
        return Err(Error::invalid("The request names different apps").with_code("APP_ID_MISMATCH").into());
    }
    let Some(found) = apps::find(app, id).await? else {
        if is_open && in_query.is_some() {
            return Err(Error::invalid("There is no app of this id").with_code("INVALID_APP_ID").into());
        }
        return Err(Error::unauthenticated("There is no app of this id").with_code("APP_NOT_FOUND").into());
    };
    if !found.is_email_verified {
        return Err(unverified(origin, &found.id).into());
    }
    Ok(Some(found))
}

fn app_in(body: &Map<String, Value>) -> Option<&str> {
    body.get("app_id").and_then(Value::as_str).filter(|id| !id.is_empty())
}

fn in_headers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    ["x-app-id", "x-botcha-app-id"].into_iter().filter_map(|name| header_text(headers, name))
}

fn registration_required(origin: &str) -> Error {
    let registration = serde_json::json!({
        "endpoint": format!("POST {origin}/v1/apps"),
        "body": "{\"email\": \"you@example.com\", \"name\": \"My agent\"}",
        "note": "Verify the e-mail address, then send the app id as ?app_id= or as the header X-App-Id.",
    });
    Error::unauthenticated("This needs a registered app: name yours with app_id or X-App-Id")
        .with_code("APP_REGISTRATION_REQUIRED")
        .with("registration", registration)
        .with("docs", format!("{origin}/ai.txt"))
}

/// By which scheme and host a request came.
pub(super) fn origin(parts: &Parts) -> &str {
    parts.extensions.get::<Origin>().map(|origin| origin.0.as_str()).unwrap_or_default()
}

/// The refusal of an app whose owner has not proven the address.
pub(super) fn unverified(origin: &str, id: &str) -> Error {
    Error::forbidden("The e-mail address of this app is not verified")
        .with_code("EMAIL_NOT_VERIFIED")
        .with("next_step", format!("POST {origin}/v1/apps/{id}/verify-email with the code from the mail"))
        .with("resend", format!("{origin}/v1/apps/{id}/resend-verification"))
}
