//! `POST /v1/apps/{id}/settings`: what the owner decides about an app.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{RegisteredApp, RegistrationPolicy};
use crate::app::App;
use crate::audit;
use crate::botcha::owner::Proof;
use crate::botcha::token::uncached;
use crate::botcha::wire::{ErrorBody, Failure, Result, members};
use crate::error::Error;
use crate::extract::{Body, Path};

/// What is changed; what is left out stays.
#[derive(ToSchema)]
#[schema(as = BotchaAppChanges)]
#[expect(dead_code, reason = "describes a body that is read member by member")]
pub(super) struct Changes {
    /// The app's secret, for a request without a session.
    app_secret: Option<String>,
    /// `open`: whoever has a token of the app may register agents; `paired`: whoever brings a pairing code.
    #[schema(pattern = "^(open|paired)$")]
    registration_policy: Option<String>,
    /// The only audiences that tokens of the app may be asked for; empty for any.
    #[schema(max_items = 20)]
    allowed_audiences: Option<Vec<String>>,
}

/// The settings after the change.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaAppSettings)]
struct Settings {
    success: bool,
    app_id: String,
    #[schema(value_type = String)]
    registration_policy: RegistrationPolicy,
    allowed_audiences: Vec<String>,
}

/// Change who may register agents in an app, and for which audiences its tokens are.
#[utoipa::path(
    post, path = "/v1/apps/{id}/settings", tag = "botcha", operation_id = "botcha_change_app",
    params(("id" = String, Path, description = "The app's id")),
    request_body = Option<Changes>,
    security((), ("BotchaSession" = []), ("BotchaAppSecret" = [])),
    responses(
        (status = 200, body = Settings),
        (status = 400, body = ErrorBody, description = "`INVALID_VALUE`, `INVALID_JSON`"),
        (status = 401, body = ErrorBody, description = "`UNAUTHORIZED`: neither the app's secret nor a session of it"),
        (status = 403, body = ErrorBody, description = "`EMAIL_NOT_VERIFIED`; `FOREIGN_FORM` for another site's form"),
        (status = 404, body = ErrorBody, description = "`APP_NOT_FOUND`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
pub(super) async fn change(
    State(app): State<App>,
    id: Result<Path<String>, Error>,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let Path(id) = id?;
    let members = if body.is_empty() { Map::new() } else { members(&body)? };
    let proof = super::prove_verified(&app, &parts, &members, &id).await?;
    let policy = policy(&members)?;
    let audiences = audiences(&members)?;
    if policy.is_some() || audiences.is_some() {
        change_settings(&app, &proof, policy, audiences.as_deref()).await?;
    }
    let now = super::find(&app, &id).await?.ok_or_else(super::gone)?;
    Ok(uncached(Settings {
        success: true,
        app_id: now.id,
        registration_policy: now.registration_policy,
        allowed_audiences: now.allowed_audiences,
    }))
}

/// Changes settings of an app for its proven owner; what is nothing stays.
///
/// # Errors
/// 404 if the app is gone, or storage does not answer.
pub(in crate::botcha) async fn change_settings(
    app: &App,
    proof: &Proof,
    policy: Option<RegistrationPolicy>,
    audiences: Option<&[String]>,
) -> Result<()> {
    let id = &proof.app.id;
    let changed = app.storage.update::<RegisteredApp>(id, |mut found| {
        found.registration_policy = policy.unwrap_or(found.registration_policy);
        if let Some(audiences) = audiences {
            found.allowed_audiences = audiences.to_vec();
        }
        Some(found)
    });
    changed.await?.ok_or_else(super::gone)?;
    let details = json!({ "registration_policy": policy, "allowed_audiences": audiences });
    Ok(audit::record(app, id, &proof.actor, "app.policy_changed", details).await?)
}

fn policy(members: &Map<String, Value>) -> Result<Option<RegistrationPolicy>> {
    match members.get("registration_policy") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|_| invalid("registration_policy must be \"open\" or \"paired\"")),
    }
}

fn audiences(members: &Map<String, Value>) -> Result<Option<Vec<String>>> {
    let refusal = || invalid("allowed_audiences must be a list of at most 20 texts of 1 to 512 bytes");
    match members.get("allowed_audiences") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value::<Vec<String>>(value.clone())
            .ok()
            .filter(|list| {
                list.len() <= MOST_AUDIENCES && list.iter().all(|text| LENGTHS.contains(&text.len()))
            })
            .map(Some)
            .ok_or_else(refusal),
    }
}

fn invalid(message: &str) -> Failure {
    Error::invalid(message).with_code("INVALID_VALUE").into()
}

const MOST_AUDIENCES: usize = 20;
const LENGTHS: std::ops::RangeInclusive<usize> = 1..=512;
