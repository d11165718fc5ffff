//! `GET /v1/apps/{id}`: what is public of an app, and to its owner the address.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, header};
use serde::Serialize;
use serde_json::Map;
use utoipa::ToSchema;

use super::RegisteredApp;
use crate::app::App;
use crate::botcha::owner;
use crate::botcha::wire::{ErrorBody, Failure, Form, Result};
use crate::error::Error;
use crate::extract::Path;

/// An app as it is shown.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = BotchaAppFacts)]
struct Facts {
    app_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// ISO 8601.
    created_at: String,
    /// Challenges per hour.
    rate_limit: u32,
    email_verified: bool,
    /// Only for the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

/// An app; the same members stand at the top and in `app`. In profile `compat` they stand in `app` alone.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaApp)]
struct Shown {
    success: bool,
    app: Facts,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    top: Option<Facts>,
}

/// Read an app: what is public of it, and to its owner the address.
#[utoipa::path(
    get, path = "/v1/apps/{id}", tag = "botcha", operation_id = "botcha_read_app",
    params(("id" = String, Path, description = "The app's id")),
    security((), ("BotchaSession" = []), ("BotchaAppSecret" = [])),
    responses(
        (status = 200, body = Shown),
        (status = 404, body = ErrorBody, description = "`App not found`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
pub(super) async fn read(
    State(app): State<App>,
    id: Result<Path<String>, Error>,
    parts: Parts,
) -> Result<Response> {
    let Path(id) = id?;
    let found = super::find(&app, &id).await?.ok_or_else(not_found)?;
    let is_owner = owner::prove(&app, &parts, &Map::new(), &id).await?.is_some();
    let facts = facts(found, is_owner);
    let top = (!app.config.compat.vocabulary).then(|| facts.clone());
    let mut response = Json(Shown { success: true, app: facts, top }).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

/// The refusal of an id that no app has.
pub(in crate::botcha) fn not_found() -> Failure {
    let error = Error::not_found("App not found").with("message", "There is no app of this id");
    Failure { error, form: Form::Plain }
}

fn facts(app: RegisteredApp, is_owner: bool) -> Facts {
    Facts {
        app_id: app.id,
        name: app.name,
        created_at: app.created_at.to_string(),
        rate_limit: app.rate_limit,
        email_verified: app.is_email_verified,
        email: app.email.filter(|_| is_owner),
    }
}
