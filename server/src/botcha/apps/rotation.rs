//! `POST /v1/apps/{id}/rotate-secret`: a new secret, and the end of all that the former one opened.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use quivive_core::{Timestamp, encoding};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::RegisteredApp;
use super::read::not_found;
use crate::app::App;
use crate::audit::{self, Actor};
use crate::botcha::auth::{self, BEARER_TYPES, Wanted};
use crate::botcha::codes::StoredCode;
use crate::botcha::owner::{self, Presented, Proof};
use crate::botcha::pairing::{self, OwnerProof};
use crate::botcha::token::uncached;
use crate::botcha::wire::{ErrorBody, Failure, Result, lenient_members};
use crate::error::Error;
use crate::extract::{Body, Path, bearer, cookie};
use crate::mail;
use crate::storage::Put;
use crate::tenant::credentials;

/// A new secret.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaRotatedSecret)]
struct Rotated {
    success: bool,
    app_id: String,
    /// Shown this one time.
    app_secret: String,
    warning: &'static str,
    /// ISO 8601.
    rotated_at: String,
}

/// Replace the secret of an app. The former one holds no more at once, and with it end other sessions, login and
/// pairing codes, and the refresh tokens of the app's agents.
#[utoipa::path(
    post, path = "/v1/apps/{id}/rotate-secret", tag = "botcha", operation_id = "botcha_rotate_secret",
    params(("id" = String, Path, description = "The app's id")),
    request_body = Option<OwnerProof>,
    security((), ("BotchaSession" = []), ("BotchaAppSecret" = [])),
    responses(
        (status = 200, body = Rotated),
        (status = 400, body = ErrorBody, description = "`INVALID_REQUEST`: the body cannot be read"),
        (status = 401, body = ErrorBody, description = "`UNAUTHORIZED` without a proof, `INVALID_TOKEN` for one that \
                                                        does not hold"),
        (status = 403, body = ErrorBody, description = "`FORBIDDEN`: a token that is no session, or a session of \
                                                        another app; `FOREIGN_FORM` for another site's form"),
        (status = 404, body = ErrorBody, description = "`App not found`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
pub(super) async fn rotate(
    State(app): State<App>,
    id: Result<Path<String>, Error>,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let Path(id) = id?;
    let Some(proof) = owner::prove(&app, &parts, &lenient_members(&body), &id).await? else {
        return Err(refusal(&app, &parts).await?.into());
    };
    let (app_secret, now) = replace_secret(&app, &proof).await?;
    let warning = "Save the secret now: it is not shown again, and the former one holds no more";
    Ok(uncached(Rotated { success: true, app_id: id, app_secret, warning, rotated_at: now.to_string() }))
}

/// Replaces the secret of an app for its proven owner and ends what the former one opened; returns the new secret and
/// when it was made.
///
/// # Errors
/// 404 if the app is gone, 401 if another request has just replaced the secret that proves, or storage does not answer.
pub(in crate::botcha) async fn replace_secret(app: &App, proof: &Proof) -> Result<(String, Timestamp)> {
    // Noted first: a secret that was replaced and could not be answered would be lost.
    audit::record(app, &proof.app.id, &proof.actor, "app.secret_rotated", json!({})).await?;
    let app_secret = new_secret(app);
    let now = app.now();
    let mut is_proven = true;
    let changed = app.storage.update::<RegisteredApp>(&proof.app.id, |mut found| {
        // Of two who bring the same secret at once, the second has one that holds no more.
        is_proven = proof.actor != Actor::AppSecret || found.secret_hash == proof.app.secret_hash;
        found.secret_hash = Some(credentials::hash(&app_secret));
        found.credentials_rotated_at = Some(now);
        is_proven.then_some(found)
    });
    changed.await?.ok_or_else(not_found)?;
    if !is_proven {
        return Err(super::unauthorized().into());
    }
    end_former(app, proof).await?;
    if let Some(email) = proof.app.email.as_deref().filter(|_| proof.app.is_email_verified) {
        app.mail.send(app, mail::secret_rotated(app, email, &proof.app.id));
    }
    Ok((app_secret, now))
}

/// A new secret of an app: `sk_` and 32 hexadecimal digits.
pub(super) fn new_secret(app: &App) -> String {
    format!("sk_{}", encoding::hex(&app.random_bytes::<16>()))
}

/// Ends what was opened with the former secret. Refresh tokens of agents end by the time of the rotation.
async fn end_former(app: &App, proof: &Proof) -> Result<()> {
    let acting = match &proof.actor {
        Actor::Session(id) => Some(id.as_str()),
        _ => None,
    };
    owner::end_sessions(app, &proof.app.id, acting).await?;
    end_device_codes(app, &proof.app.id).await?;
    Ok(pairing::end_codes(app, &proof.app.id).await?)
}

async fn end_device_codes(app: &App, app_id: &str) -> Result<()> {
    loop {
        let codes = app.storage.list::<StoredCode>(app_id, None, 200).await?;
        if codes.is_empty() {
            return Ok(());
        }
        let ends = codes.iter().map(|code| Put::delete::<StoredCode>(code.hash.as_str()));
        app.storage.write(ends.collect()).await?;
    }
}

/// Why what was presented is no proof.
async fn refusal(app: &App, parts: &Parts) -> Result<Error> {
    let forbidden = |message: &str| Error::forbidden(message).with_code("FORBIDDEN");
    match owner::session(app, parts).await? {
        Presented::Session(_) => return Ok(forbidden("This session is of another app")),
        Presented::Nothing => return Ok(super::unauthorized()),
        Presented::Invalid => {}
    }
    let token =
        cookie(&parts.headers, "botcha_session").or_else(|| bearer(&parts.headers)).unwrap_or_default();
    let wanted = Wanted { types: BEARER_TYPES, ..Wanted::default() };
    Ok(match auth::verify(app, token, &wanted).await {
        Ok(_) => forbidden("An access token is no dashboard session"),
        Err(auth::Refusal::Fault(error)) => error,
        Err(auth::Refusal::Token(_)) => {
            Error::unauthenticated("The session has ended or is none").with_code("INVALID_TOKEN")
        }
    })
}
