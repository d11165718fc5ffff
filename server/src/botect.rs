//! The Botect-compatible API: ingest of browser events, verdicts, and the settings of scoring.

pub mod account;
pub mod auth;
pub mod events;
pub mod login;
pub mod rules;
pub mod scoring;
pub mod server_ingest;
pub mod verdict;
pub mod wire;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::extract::IsHttps;

/// The routes.
pub fn router(_app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(events::router())
        .merge(verdict::router())
        .merge(login::router())
        .merge(server_ingest::router())
        .merge(scoring::router())
        .merge(rules::router())
        .merge(account::router())
}

/// What is answered instead of an error when a handler panics or takes too long: reading of a verdict fails open, and
/// no page sees its batch fail. Nothing for all other routes.
pub fn stand_in(method: &Method, path: &str) -> Option<fn() -> Response> {
    let is_verdict = path.starts_with("/v1/sessions/") && path.ends_with("/verdict");
    match *method {
        Method::GET | Method::HEAD if is_verdict => Some(verdict::stand_in),
        Method::POST if path == events::PATH => Some(events::shed),
        _ => None,
    }
}

/// Layer around every answer of this family: HTTPS only if so configured, nothing cached, CORS for ingest alone.
pub async fn skin(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_https = request.extensions().get::<IsHttps>().is_some_and(|is_https| is_https.0);
    let is_ingest = request.uri().path() == events::PATH;
    let mut response = if app.config.botect.require_https && !is_https {
        wire::Failure::forbidden("This service is reached over HTTPS only.").into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    // The collector's files say themselves how long they are good for.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if is_ingest {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}
