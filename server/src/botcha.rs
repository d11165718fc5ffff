//! The BOTCHA-compatible family: challenges, tokens and what they open.

pub mod account;
pub mod agents;
pub mod analytics;
pub mod apps;
pub mod auth;
pub mod badge;
pub mod catalogue;
pub mod challenges;
pub mod codes;
pub mod dashboard;
pub mod device;
pub mod discovery;
pub mod documents;
pub mod email_verification;
pub mod form;
pub mod gate;
pub mod go;
pub mod home;
pub mod identity;
pub mod issue;
pub mod keys;
pub mod landing;
pub mod limits;
pub mod login;
pub mod oauth;
pub mod owner;
pub mod page;
pub mod pairing;
pub mod protected;
pub mod recovery;
pub mod revocation;
pub mod tap;
pub mod token;
pub mod token_block;
pub mod token_life;
pub mod wire;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::error::Result;
use crate::extract::{ClientIp, Origin};

/// The family's routes.
pub fn router(app: &App) -> OpenApiRouter<App> {
    always(app)
        .merge(challenges::router())
        .merge(token::router())
        .merge(token_life::router())
        .merge(protected::router())
        .merge(keys::router())
        .merge(agents::router())
        .merge(tap::router())
        .merge(identity::router())
        .merge(oauth::router())
        .merge(device::router())
        .merge(landing::router())
        .merge(login::router())
        .merge(go::router())
        .merge(dashboard::router())
        .merge(account::router())
        .merge(badge::router())
        .merge(documents::router())
        .merge(discovery::files())
        .merge(apps::router())
        .merge(email_verification::router())
        .merge(pairing::router())
        .merge(recovery::router())
}

/// Routes that are served even when the family is off.
pub fn always(_app: &App) -> OpenApiRouter<App> {
    home::router().merge(discovery::router()).merge(documents::always())
}

/// Makes the records that the family needs: the demo app.
///
/// # Errors
/// If storage does not answer.
pub async fn prepare(app: &App) -> Result<()> {
    apps::create_demo(app).await
}

/// Layer: what every answer of the family carries, whatever its status: CORS, discovery and rate limit headers.
pub async fn skin(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let origin = request.extensions().get::<Origin>().cloned();
    let ip = request.extensions().get::<ClientIp>().copied();
    let preflight = (request.method() == Method::OPTIONS).then(|| preflight(request.headers()));
    let standing = limits::Reported::default();
    request.extensions_mut().insert(standing.clone());
    let arrival = analytics::Arrival::of(&app, &mut request);
    let token = limits::app_token(request.headers());
    let mut response = match preflight {
        Some(response) => response,
        None => next.run(request).await,
    };
    limits::report(&app, &standing, ip, token.as_deref(), response.headers_mut()).await;
    arrival.finish(&app, response.status(), token.as_deref());
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    headers.insert(ENABLED, HeaderValue::from_static("true"));
    headers.insert(METHODS, HeaderValue::from_static(KNOWN_METHODS));
    headers.insert(RUNTIME, HeaderValue::from_static("quivive"));
    insert_text(headers, VERSION, &app.config.botcha.version);
    if let Some(Origin(origin)) = origin {
        insert_text(headers, DOCS, &format!("{origin}/openapi.json"));
    }
    response
}

fn preflight(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,HEAD,PUT,POST,DELETE,PATCH"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    let names: Vec<&str> = asked
        .get_all(ACCESS_CONTROL_REQUEST_HEADERS)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|name| HeaderName::from_bytes(name.as_bytes()).is_ok())
        .collect();
    if !names.is_empty() {
        insert_text(headers, ACCESS_CONTROL_ALLOW_HEADERS, &names.join(","));
        headers.insert(VARY, HeaderValue::from_name(ACCESS_CONTROL_REQUEST_HEADERS));
    }
    response
}

fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

const VERSION: HeaderName = HeaderName::from_static("x-botcha-version");
const ENABLED: HeaderName = HeaderName::from_static("x-botcha-enabled");
const METHODS: HeaderName = HeaderName::from_static("x-botcha-methods");
const DOCS: HeaderName = HeaderName::from_static("x-botcha-docs");
const RUNTIME: HeaderName = HeaderName::from_static("x-botcha-runtime");
const KNOWN_METHODS: &str =
    "speed-challenge,reasoning-challenge,hybrid-challenge,standard-challenge,jwt-token";
const EXPOSED_HEADERS: &str = "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, \
     X-Botcha-Version, X-Botcha-Enabled, X-Botcha-Methods, X-Botcha-Docs, X-Botcha-Runtime, \
     X-Botcha-Challenge-Id, X-Botcha-Challenge-Type, X-Botcha-Time-Limit";
