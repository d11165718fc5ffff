//! Giving an agent another key; the former one stops at once.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use quivive_core::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::intake::{self, KeyMembers, Refused};
use crate::app::App;
use crate::audit;
use crate::botcha::agents::{self, caller, ownership, registry};
use crate::botcha::token::uncached;
use crate::botcha::wire::{ErrorBody, Failure, Result, lenient_members};
use crate::error::Error;
use crate::extract::{Body, Path};

/// The agent's new key.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaRotatedKey)]
struct Rotated {
    success: bool,
    agent_id: String,
    message: &'static str,
    has_public_key: bool,
    signature_algorithm: String,
    /// ISO 8601.
    key_created_at: String,
    /// ISO 8601.
    key_expires_at: Option<String>,
    key_fingerprint: String,
    /// The JWK thumbprint (RFC 7638).
    key_thumbprint: String,
}

/// Give an agent another key. Needs the app's owner or the agent itself; every login of the agent ends.
#[utoipa::path(
    post, path = "/v1/agents/{id}/tap/rotate-key", tag = "botcha", operation_id = "botcha_rotate_agent_key",
    params(
        ("id" = String, Path, description = "The agent's id"),
        ("app_id" = Option<String>, Query, description = "The agent's app"),
    ),
    request_body = KeyMembers,
    security(("BotchaAppSecret" = []), ("BotchaSession" = []), ("BotchaBearerToken" = [])),
    responses(
        (status = 200, body = Rotated),
        (status = 400, body = ErrorBody, description = "`MISSING_FIELDS`, `INVALID_ALGORITHM`, `INVALID_KEY_FORMAT`, \
            `INVALID_KEY_EXPIRY`, `INVALID_KEY_PROOF`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`UNAUTHORIZED`, `INVALID_TOKEN`, \
            `APP_REGISTRATION_REQUIRED`, `APP_NOT_FOUND`"),
        (status = 403, body = ErrorBody, description = "`OWNER_PROOF_REQUIRED`, `UNAUTHORIZED` for another app's \
            agent, `MISSING_APP_ID`, `DEMO_APP`, `EMAIL_NOT_VERIFIED`, `FOREIGN_FORM`"),
        (status = 404, body = ErrorBody, description = "`AGENT_NOT_FOUND`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn rotate(
    State(app): State<App>,
    id: Result<Path<String>, Error>,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let Path(id) = id?;
    let members = lenient_members(&body);
    let caller = caller::identify(&app, &parts, &members).await?;
    caller.require_self(&id)?;
    if ["public_key", "signature_algorithm"].iter().any(|name| members.get(*name).is_none_or(Value::is_null))
    {
        let message = "public_key and signature_algorithm are required";
        return Err(Error::invalid(message).with_code("MISSING_FIELDS").into());
    }
    let key = intake::read(&app, &caller.app.id, &members).map_err(refusal)?;
    let before = agents::find(&app, &id).await?.ok_or_else(registry::not_found)?;
    if before.app_id != caller.app.id {
        let message = "Agent does not belong to this app";
        return Err(Error::forbidden(message).with_code("UNAUTHORIZED").into());
    }
    let is_proven = caller.proof.is_some();
    let changed = agents::change(&app, &id, |agent| {
        agent.key = Some(key.clone());
        agent.is_owner_verified |= is_proven;
    });
    let agent = changed.await?.ok_or_else(registry::not_found)?;
    ownership::end_logins(&app, &agent).await?;
    let details = json!({
        "agent_id": agent.id,
        "name": agent.name,
        "former_key_thumbprint": before.key.map(|key| key.thumbprint),
        "key_thumbprint": key.thumbprint,
    });
    audit::record(&app, &agent.app_id, &caller.actor(), "agent.key_rotated", details).await?;
    Ok(uncached(Rotated {
        success: true,
        agent_id: agent.id,
        message: "Key rotated successfully",
        has_public_key: true,
        key_created_at: key.created_at.to_string(),
        key_expires_at: key.expires_at.as_ref().map(Timestamp::to_string),
        key_fingerprint: key.fingerprint(),
        key_thumbprint: key.thumbprint,
        signature_algorithm: key.algorithm,
    }))
}

/// The route.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(rotate))
}

fn refusal(refused: Refused) -> Error {
    match refused {
        Refused::Algorithm => {
            Error::invalid(format!("Unsupported algorithm. Supported: {}", intake::algorithms()))
                .with_code("INVALID_ALGORITHM")
        }
        Refused::Key => Error::invalid(
            "Invalid public key format. Provide a PEM key, JWK object/JSON, or raw Ed25519 base64 key.",
        )
        .with_code("INVALID_KEY_FORMAT"),
        Refused::Expiry => Error::invalid("key_expires_at must be a time in the future, in ISO 8601")
            .with_code("INVALID_KEY_EXPIRY"),
        Refused::Proof => intake::invalid_proof(),
    }
}
