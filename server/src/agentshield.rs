//! The AgentShield-compatible API: classification of single requests.

pub mod agents;
pub mod analytics;
pub mod auth;
pub mod body;
pub mod dates;
pub mod detect;
pub mod detections;
pub mod export;
pub mod include;
pub mod keys;
pub mod limits;
pub mod paging;
pub mod projects;
pub mod projects_write;
pub mod query;
pub mod reader;
pub mod request;
pub mod webhooks;
pub mod wire;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::extract::ClientIp;
use crate::telemetry::RequestId;

/// The routes.
pub fn router(_app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(detect::router())
        .merge(keys::router())
        .merge(projects_write::router())
        .merge(webhooks::router())
        .merge(projects::router())
        .merge(detections::router())
        .merge(export::router())
        .merge(analytics::router())
        .merge(agents::router())
}

/// Layer around every answer of this family: who is calling, whether there is room for the request, and the headers
/// that say how much room is left.
pub async fn skin(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let request_id = request.extensions().get::<RequestId>().cloned();
    let ip = request.extensions().get::<ClientIp>().copied();
    let caller = auth::identify(&app, request.headers()).await;
    let standing = limits::admit(&app, caller.as_deref().map_err(|denied| *denied), ip).await;
    let mut response = match standing.refusal(&app) {
        Some(failure) => failure.into_response(),
        None => {
            request.extensions_mut().insert(auth::Identified(caller));
            next.run(request).await
        }
    };
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        response = wire::fault(request_id.as_ref());
    }
    standing.write(response.headers_mut());
    response
}
