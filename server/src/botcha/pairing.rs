//! Pairing: the owner of an app makes a code and hands it to an agent, which registers with it.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use quivive_core::crypto::hmac_sha256;
use quivive_core::{Timestamp, encoding};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::apps;
use super::codes::{DEVICE_ALPHABET, MOST_DRAWS};
use super::owner::Proof;
use super::token::uncached;
use super::wire::{ErrorBody, Failure, Result, lenient_members};
use crate::app::App;
use crate::audit;
use crate::error::Error;
use crate::extract::{Body, Path};
use crate::storage::{self, Put, Record};
use crate::tenant::credentials;

/// How long a pairing code is good, in seconds.
pub const PAIR_CODE_SECONDS: i64 = 900;

/// A pairing code as it is kept.
#[derive(Debug, Deserialize, Serialize)]
struct PairCode {
    hash: String,
    app_id: String,
    expires_at: Timestamp,
}

impl Record for PairCode {
    const KIND: &'static str = "pair_code";

    fn id(&self) -> String {
        self.hash.clone()
    }

    fn parent(&self) -> String {
        self.app_id.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// A proof of ownership, for a request without a session.
#[derive(ToSchema)]
#[schema(as = BotchaOwnerProof)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
pub(super) struct OwnerProof {
    /// The app's secret; also taken from the header `X-App-Secret`.
    app_secret: Option<String>,
}

/// A code that an agent registers with.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaPairCode)]
struct Paired {
    success: bool,
    /// `PAIR-` and six characters; good once.
    pair_code: String,
    /// Seconds.
    expires_in: i64,
    message: &'static str,
}

/// Make a pairing code for an agent of the app.
#[utoipa::path(
    post, path = "/v1/apps/{id}/pair", tag = "botcha", operation_id = "botcha_make_pair_code",
    params(("id" = String, Path, description = "The app's id")),
    request_body = Option<OwnerProof>,
    security((), ("BotchaSession" = []), ("BotchaAppSecret" = [])),
    responses(
        (status = 200, body = Paired),
        (status = 400, body = ErrorBody, description = "`INVALID_REQUEST`: the body cannot be read"),
        (status = 401, body = ErrorBody, description = "`UNAUTHORIZED`: neither the app's secret nor a session of it"),
        (status = 403, body = ErrorBody, description = "`EMAIL_NOT_VERIFIED`; `FOREIGN_FORM` for another site's form"),
        (status = 404, body = ErrorBody, description = "`APP_NOT_FOUND`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn pair(
    State(app): State<App>,
    id: Result<Path<String>, Error>,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let Path(id) = id?;
    let proof = apps::prove_verified(&app, &parts, &lenient_members(&body), &id).await?;
    let pair_code = make_code(&app, &proof).await?;
    let message = "Hand this code to the agent: it sends it as pair_code to POST /v1/agents/register. It is good \
                   once and for 15 minutes.";
    Ok(uncached(Paired { success: true, pair_code, expires_in: PAIR_CODE_SECONDS, message }))
}

/// The route.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(pair))
}

/// Makes a pairing code of an app for its proven owner.
///
/// # Errors
/// If storage does not answer.
pub(super) async fn make_code(app: &App, proof: &Proof) -> Result<String> {
    let pair_code = make(app, &proof.app.id).await?;
    audit::record(app, &proof.app.id, &proof.actor, "app.pair_code_made", json!({})).await?;
    Ok(pair_code)
}

/// Takes a pairing code of an app, however its letters are typed: of many who use it at most one is told yes. A code
/// of another app is none of this one's, and stays good for its own.
///
/// # Errors
/// If storage does not answer.
pub async fn take(app: &App, app_id: &str, code: &str) -> crate::error::Result<bool> {
    let Some(code) = normalize(code) else { return Ok(false) };
    Ok(app.storage.take::<PairCode>(&hash(app, app_id, &code)).await?.is_some())
}

/// Ends all pairing codes of an app.
///
/// # Errors
/// If storage does not answer.
pub(super) async fn end_codes(app: &App, app_id: &str) -> crate::error::Result<()> {
    loop {
        let codes = app.storage.list::<PairCode>(app_id, None, 200).await?;
        if codes.is_empty() {
            return Ok(());
        }
        let ends = codes.iter().map(|code| Put::delete::<PairCode>(code.hash.as_str()));
        app.storage.write(ends.collect()).await?;
    }
}

async fn make(app: &App, app_id: &str) -> Result<String> {
    for _ in 0..MOST_DRAWS {
        let code = format!("{PREFIX}{}", credentials::random_text(app, DEVICE_ALPHABET, LENGTH));
        let stored = PairCode {
            hash: hash(app, app_id, &code),
            app_id: app_id.to_owned(),
            expires_at: app.now().plus_milliseconds(PAIR_CODE_SECONDS * 1000),
        };
        match app.storage.insert(&stored).await {
            Ok(()) => return Ok(code),
            Err(storage::Error::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::unavailable("no free pairing code was found").into())
}

fn normalize(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_uppercase();
    let symbols = text.strip_prefix(PREFIX).unwrap_or(&text);
    (symbols.len() == LENGTH && symbols.bytes().all(|symbol| symbol.is_ascii_alphanumeric()))
        .then(|| format!("{PREFIX}{symbols}"))
}

/// Bound to the app: the same code of another app has another hash.
fn hash(app: &App, app_id: &str, code: &str) -> String {
    encoding::hex(&hmac_sha256(&app.keys.derive("pair-codes"), format!("{app_id}:{code}").as_bytes()))
}

const PREFIX: &str = "PAIR-";
const LENGTH: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_agents_send_has_one_spelling() {
        for text in ["PAIR-ABC234", "pair-abc234", " abc234 "] {
            assert_eq!(normalize(text).as_deref(), Some("PAIR-ABC234"), "{text}");
        }
        for text in ["", "PAIR-", "BOTCHA-ABC234", "ABC23", "ÄBC23", "PAIR-PAIR-ABC234"] {
            assert_eq!(normalize(text), None, "{text}");
        }
    }
}
