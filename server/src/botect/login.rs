//! The customer's server says that a visitor authenticated in its application.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::PrivateKey;
use super::wire::{ErrorBody, Failure, Result};
use crate::app::App;
use crate::error::Error;
use crate::flows::scoring::login::assert_login;

/// That a visitor is logged in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotectLogin)]
pub struct Login {
    /// Always true.
    logged_in: bool,
    /// When it was first said.
    #[schema(example = "2026-10-02T08:20:11Z")]
    asserted_at: String,
}

/// Say that a session's visitor is logged in.
///
/// Rules see it as `logged_in`; the score stays as it is. Said again, the answer names the first time. A login can
/// overtake the session's first batch: repeat a 404 a little later.
#[utoipa::path(
    post, path = "/v1/sessions/{session_token}/logged-in", tag = "botect", operation_id = "botect_assert_login",
    params(("session_token" = String, Path, description = "The session's token")),
    security(("private_key" = [])),
    responses(
        (status = 200, body = Login),
        (status = 401, body = ErrorBody),
        (status = 402, body = ErrorBody),
        (status = 404, description = "No such session, or not yet", body = ErrorBody),
        (status = 500, description = "Nothing was stored; try again", body = ErrorBody),
    ),
)]
async fn assert(
    State(app): State<App>,
    headers: HeaderMap,
    token: std::result::Result<Path<String>, PathRejection>,
) -> Result<Json<Login>> {
    let PrivateKey(site) = PrivateKey::prove(&app, &headers).await?;
    // A token that is no text is malformed, and no session has the empty token.
    let token = token.map_or_else(|_| String::new(), |Path(token)| token);
    let asserted_at = assert_login(&app, &site, &token).await?.ok_or_else(unknown_session)?;
    Ok(Json(Login { logged_in: true, asserted_at: asserted_at.to_seconds_text() }))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(assert))
}

fn unknown_session() -> Failure {
    Failure(Error::not_found("There is no such session, or not yet.").with_code("UNKNOWN_SESSION"))
}
