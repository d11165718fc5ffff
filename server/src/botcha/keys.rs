//! The public keys by which anyone verifies tokens offline.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// The public keys, a JSON Web Key Set (RFC 7517).
#[utoipa::path(
    get, path = "/.well-known/jwks", tag = "botcha", operation_id = "botcha_read_jwks",
    responses((status = 200, description = "`{\"keys\":[…]}`", body = Object)),
)]
async fn jwks(State(app): State<App>) -> Response {
    published(&app)
}

/// The public keys under the name that some resolvers use.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "botcha", operation_id = "botcha_read_jwks_json",
    responses((status = 200, description = "`{\"keys\":[…]}`", body = Object)),
)]
async fn jwks_json(State(app): State<App>) -> Response {
    published(&app)
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(jwks)).routes(routes!(jwks_json))
}

fn published(app: &App) -> Response {
    let mut response = Json(app.keys.published()).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}
