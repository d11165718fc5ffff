//! `/health`, `/openapi.json`, and the files by which crawlers and clients find out what this service is.

mod ai;
mod files;
mod saving;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::wire::Result;
use crate::app::App;
use crate::config::Family;
use crate::openapi;

/// That the service runs.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaHealth)]
struct Health {
    status: &'static str,
    runtime: &'static str,
    version: String,
}

/// Whether the service runs.
#[utoipa::path(
    get, path = "/health", tag = "botcha", operation_id = "botcha_read_health",
    responses((status = 200, body = Health)),
)]
async fn health(State(app): State<App>) -> Json<Health> {
    Json(Health { status: "ok", runtime: "quivive", version: app.config.botcha.version.clone() })
}

/// This family's OpenAPI 3.1 document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "botcha", operation_id = "botcha_read_openapi",
    responses((status = 200, description = "OpenAPI 3.1 document", body = Object)),
)]
async fn document(State(app): State<App>) -> Result<Response> {
    let mut response = openapi::answer(&app, Some(Family::Botcha))?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    Ok(response)
}

/// The files, which are served with the family alone.
pub fn files() -> OpenApiRouter<App> {
    files::router()
}

/// The routes that are served even when the family is off.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(document))
}
