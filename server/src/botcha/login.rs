//! The owner of an app comes in: by a challenge that his program solves, by a code, by the app's secret.

mod challenge;
mod pages;

use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;

use super::apps;
use super::codes::{self, Content, Purpose};
use super::limits::{self, Rule};
use super::owner;
use super::wire;
use crate::app::App;
use crate::audit::{self, Actor};
use crate::error::Result;
use crate::extract::Origin;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    challenge::router().merge(pages::router())
}

/// Takes a device code and logs the browser that sent it in; nothing if there is no such code, or no app behind it.
///
/// # Errors
/// If storage does not answer.
pub(super) async fn redeem(app: &App, origin: &Origin, code: &str) -> Result<Option<Response>> {
    let Some(Content::Device { app_id }) = codes::take(app, code, &[Purpose::Device]).await? else {
        return Ok(None);
    };
    if apps::find(app, &app_id).await?.is_none() {
        return Ok(None);
    }
    audit::record(app, &app_id, &Actor::DeviceCode, "device_code.redeemed", json!({})).await?;
    welcome(app, origin, &app_id, &Actor::DeviceCode, "device_code").await.map(Some)
}

/// Answers 302 with a location; who is logged in or out is nothing to keep.
pub(super) fn redirect(location: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(location) {
        headers.insert(header::LOCATION, location);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// As [`redirect`], with a cookie.
pub(super) fn redirect_with(location: &str, cookie: HeaderValue) -> Response {
    let mut response = redirect(location);
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

/// Logs a browser in.
async fn welcome(app: &App, origin: &Origin, app_id: &str, actor: &Actor, by: &str) -> Result<Response> {
    let token = begin(app, app_id, actor, by).await?;
    Ok(redirect_with("/account", owner::session_cookie(&token, origin)?))
}

/// Begins a session and notes who began it, and by which way.
async fn begin(app: &App, app_id: &str, actor: &Actor, by: &str) -> Result<String> {
    let token = owner::begin_session(app, app_id).await?;
    audit::record(app, app_id, actor, "session.begun", json!({ "by": by })).await?;
    Ok(token)
}

/// Counts a step of a login for the caller's address.
async fn count(app: &App, parts: &Parts) -> wire::Result<()> {
    let rule = Rule::per_hour("owner-login", app.config.limits.owner_logins_per_hour);
    limits::count_address(app, parts, &rule).await
}
