//! The AgentShield-compatible API: classification of single requests, and events that pages report.

pub mod agents;
pub mod analytics;
pub mod auth;
pub mod batch;
pub mod body;
pub mod checkpoint;
pub mod cors;
pub mod dates;
pub mod detect;
pub mod detections;
pub mod enforce;
pub mod event;
pub mod export;
pub mod include;
pub mod ingest;
pub mod keys;
pub mod limits;
pub mod paging;
pub mod path;
pub mod pixel;
pub mod pixel_script;
pub mod pixels;
pub mod policy;
pub mod projects;
pub mod projects_write;
pub mod query;
pub mod reader;
pub mod request;
pub mod sender;
pub mod webhooks;
pub mod wire;

use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;

use self::ingest::Place;
use self::limits::{Payer, Standing};
use crate::app::App;
use crate::extract::ClientIp;
use crate::telemetry::RequestId;

/// The routes.
pub fn router(_app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(detect::router())
        .merge(projects::router())
        .merge(detections::router())
        .merge(export::router())
        .merge(analytics::router())
        .merge(agents::router())
        .merge(keys::router())
        .merge(projects_write::router())
        .merge(webhooks::router())
        .merge(event::router())
        .merge(batch::router())
        .merge(pixel::router())
        .merge(pixel_script::router())
        .merge(pixels::router())
        .merge(enforce::router())
        .merge(policy::router())
}

/// Layer around every answer of this family: who is calling, whether there is room for the request, and the headers
/// that say how much room is left.
pub async fn skin(State(app): State<App>, request: Request, next: Next) -> Response {
    let request_id = request.extensions().get::<RequestId>().cloned();
    let has_own_form = enforce::is_route(request.uri().path());
    let (mut response, standing) = match Place::of(request.uri().path()) {
        Some(place) => ingest::pass(&app, place, request, next).await,
        None => pass(&app, request, next).await,
    };
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        response = wire::fault(request_id.as_ref());
    }
    if has_own_form {
        response = enforce::in_own_form(response).await;
    }
    let headers = response.headers_mut();
    if headers.get(CONTENT_TYPE).is_some_and(|media| media == "application/json") {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    }
    standing.write(headers);
    response
}

async fn pass(app: &App, mut request: Request, next: Next) -> (Response, Standing) {
    let ip = request.extensions().get::<ClientIp>().copied();
    let caller = {
        let is_known = auth::is_known(app, request.headers());
        limits::looked_up(app, ip, is_known, auth::identify(app, request.headers())).await
    };
    let payer = Payer::of(caller.as_deref().map_err(|denied| *denied), ip);
    let standing = limits::admit(app, payer).await;
    let response = match standing.refusal(app) {
        Some(failure) => failure.into_response(),
        None => {
            request.extensions_mut().insert(auth::Identified(caller));
            next.run(request).await
        }
    };
    (response, standing)
}
