//! Login by key: the server gives a nonce, the agent signs its text.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use quivive_core::{Timestamp, encoding};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::IdentityToken;
use crate::app::App;
use crate::botcha::agents::{self, AgentKey, registry};
use crate::botcha::analytics::{Happening, Noted};
use crate::botcha::issue::new_id;
use crate::botcha::limits;
use crate::botcha::token::uncached;
use crate::botcha::wire::{ErrorBody, Failure, Result, lenient_members};
use crate::error::Error;
use crate::extract::Body;
use crate::storage::Record;

/// A nonce that waits for its signature.
#[derive(Debug, Deserialize, Serialize)]
struct LoginChallenge {
    id: String,
    agent_id: String,
    nonce: String,
    expires_at: Timestamp,
}

impl Record for LoginChallenge {
    const KIND: &'static str = "agent_login";
    const SHORT_LIVED: bool = true;

    fn id(&self) -> String {
        self.id.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// Who wants to log in.
#[derive(ToSchema)]
#[schema(as = BotchaBeginKeyLogin)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct BeginKeyLogin {
    agent_id: String,
}

/// A nonce to sign.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaKeyLogin)]
struct KeyLogin {
    success: bool,
    /// `agentauth_` and a UUID.
    challenge_id: String,
    /// 64 hexadecimal digits; their text is what is signed.
    nonce: String,
    agent_id: String,
    /// Seconds.
    expires_in: i64,
    message: &'static str,
    instructions: Instructions,
}

/// How to sign.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaKeyLoginInstructions)]
struct Instructions {
    what_to_sign: &'static str,
    signature_format: &'static str,
    next_step: String,
}

/// A signed nonce.
#[derive(ToSchema)]
#[schema(as = BotchaFinishKeyLogin)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct FinishKeyLogin {
    challenge_id: String,
    agent_id: String,
    /// Base64.
    signature: String,
}

/// Begin a login by key: get a nonce.
#[utoipa::path(
    post, path = "/v1/agents/auth", tag = "botcha", operation_id = "botcha_begin_agent_login",
    request_body = BeginKeyLogin,
    responses(
        (status = 200, body = KeyLogin),
        (status = 400, body = ErrorBody, description = "`MISSING_AGENT_ID`, `NO_PUBLIC_KEY`"),
        (status = 401, body = ErrorBody, description = "`KEY_EXPIRED`"),
        (status = 404, body = ErrorBody, description = "`AGENT_NOT_FOUND`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn begin(State(app): State<App>, parts: Parts, Body(body, _): Body<Failure>) -> Result<Response> {
    limits::count_address(&app, &parts, &super::rule(&app)).await?;
    let members = lenient_members(&body);
    let agent_id = members.get("agent_id").and_then(Value::as_str).filter(|id| !id.is_empty());
    let agent_id =
        agent_id.ok_or_else(|| Error::invalid("agent_id is required").with_code("MISSING_AGENT_ID"))?;
    let (agent, _) = agents::find_alive(&app, agent_id).await?.ok_or_else(registry::not_found)?;
    usable(&app, agent.key.as_ref())?;
    let challenge = LoginChallenge {
        id: format!("agentauth_{}", new_id(&app)),
        agent_id: agent.id.clone(),
        nonce: encoding::hex(&app.random_bytes::<32>()),
        expires_at: app.now().plus_milliseconds(SECONDS * 1000),
    };
    app.storage.insert(&challenge).await?;
    Ok(uncached(KeyLogin {
        success: true,
        instructions: Instructions {
            what_to_sign: "The nonce as text: its 64 hexadecimal digits as ASCII bytes, not the 32 bytes that they \
                           stand for",
            signature_format: "Base64. Ed25519: 64 bytes; ECDSA P-256 with SHA-256: r and s, 64 bytes, or DER; \
                               RSA-PSS with SHA-256 and 32 bytes of salt",
            next_step: format!(
                "POST /v1/agents/auth/verify with {{challenge_id: \"{}\", agent_id, signature}} within {SECONDS} \
                 seconds",
                challenge.id
            ),
        },
        challenge_id: challenge.id,
        nonce: challenge.nonce,
        agent_id: challenge.agent_id,
        expires_in: SECONDS,
        message: "Sign the nonce with the private half of your registered key.",
    }))
}

/// Finish a login by key: send the signature. There is one attempt, right or wrong.
#[utoipa::path(
    post, path = "/v1/agents/auth/verify", tag = "botcha", operation_id = "botcha_verify_agent_login",
    request_body = FinishKeyLogin,
    responses(
        (status = 200, body = IdentityToken),
        (status = 400, body = ErrorBody, description = "`MISSING_FIELDS`, `AGENT_MISMATCH`, `NO_PUBLIC_KEY`"),
        (status = 401, body = ErrorBody, description = "`INVALID_SIGNATURE`, `KEY_EXPIRED`"),
        (status = 404, body = ErrorBody, description = "`CHALLENGE_NOT_FOUND`, `AGENT_NOT_FOUND`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn verify(
    State(app): State<App>,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    limits::count_address(&app, &parts, &super::rule(&app)).await?;
    let members = lenient_members(&body);
    let member = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(challenge_id), Some(agent_id), Some(signature)) =
        (member("challenge_id"), member("agent_id"), member("signature"))
    else {
        let message = "challenge_id, agent_id and signature are required";
        return Err(Error::invalid(message).with_code("MISSING_FIELDS").into());
    };
    let taken = app.storage.take::<LoginChallenge>(challenge_id).await?.ok_or_else(|| {
        Error::not_found("The challenge is unknown, used or expired").with_code("CHALLENGE_NOT_FOUND")
    })?;
    if taken.agent_id != agent_id {
        let message = "The challenge was given to another agent";
        return Err(Error::invalid(message).with_code("AGENT_MISMATCH").into());
    }
    let (agent, owner) = agents::find_alive(&app, agent_id).await?.ok_or_else(registry::not_found)?;
    let refuse = |error: Error| {
        noted.note(Happening::authenticated("key", Some(&owner.id), Err(error.code())));
        error
    };
    let key = usable(&app, agent.key.as_ref()).map_err(refuse)?;
    let signature = encoding::decode_base64(signature.trim()).unwrap_or_default();
    if !key.parse()?.verify_any_form(taken.nonce.as_bytes(), &signature) {
        let message = "The signature does not hold: sign the text of the nonce and send base64";
        return Err(refuse(Error::unauthenticated(message).with_code("INVALID_SIGNATURE")).into());
    }
    let now = app.now();
    let is_same = |other: &AgentKey| other.thumbprint == key.thumbprint;
    // Meanwhile another key may have taken the place of this one, or the agent may be gone.
    let seen = agents::change(&app, agent_id, |agent| {
        if agent.key.as_ref().is_some_and(is_same) {
            agent.last_verified_at = Some(now);
        }
    });
    let agent = seen.await?.filter(|agent| agent.key.as_ref().is_some_and(is_same));
    let agent = agent.ok_or_else(registry::not_found)?;
    noted.note(Happening::authenticated("key", Some(&owner.id), Ok(())));
    Ok(uncached(IdentityToken::issue(&app, &agent, "The agent holds its key.")?))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(begin)).routes(routes!(verify))
}

fn usable<'a>(app: &App, key: Option<&'a AgentKey>) -> Result<&'a AgentKey, Error> {
    match key {
        None => {
            Err(Error::invalid("The agent has no public key: register one at POST /v1/agents/register/tap")
                .with_code("NO_PUBLIC_KEY"))
        }
        Some(key) if key.is_expired(app.now()) => {
            Err(Error::unauthenticated("The agent's key has expired").with_code("KEY_EXPIRED"))
        }
        Some(key) => Ok(key),
    }
}

/// How long a nonce is good.
const SECONDS: i64 = 60;
