//! `/-/health`, `/-/ready`, `/-/metrics`: for whoever runs the server.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::error::{Error, Result};
use crate::telemetry;

/// That the process runs.
#[derive(Serialize, ToSchema)]
#[schema(as = NativeHealth)]
pub struct Health {
    /// Always `ok`.
    status: &'static str,
    /// The version of this server.
    version: &'static str,
}

/// Whether the process runs.
#[utoipa::path(
    get, path = "/-/health", tag = "native", operation_id = "native_read_health",
    responses((status = 200, body = Health)),
)]
async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the server wants requests: storage answers, background tasks run, and no shutdown has begun.
#[utoipa::path(
    get, path = "/-/ready", tag = "native", operation_id = "native_read_readiness",
    responses((status = 200, body = Health), (status = 503, description = "Storage does not answer, or shutting down")),
)]
async fn ready(State(app): State<App>) -> Result<Json<Health>> {
    if !app.is_accepting.load(Ordering::SeqCst) {
        return Err(Error::unavailable("shutting down"));
    }
    if !app.jobs.are_running() {
        return Err(Error::unavailable("a background task is started again"));
    }
    app.storage.check().await?;
    Ok(health().await)
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(
    get, path = "/-/metrics", tag = "native", operation_id = "native_read_metrics",
    responses((status = 200, content_type = "text/plain", body = String)),
)]
async fn metrics() -> Response {
    let mut response = telemetry::metrics_text().into_response();
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// The routes.
pub fn router(_app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(ready)).routes(routes!(metrics))
}
