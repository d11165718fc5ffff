//! The challenge embedded in pages: `POST /api/verify-landing` and the token that it gives.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use quivive_core::challenge::landing;
use quivive_core::crypto::hmac_sha256;
use quivive_core::{ErrorKind, Timestamp, encoding};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::analytics::{Happening, Noted};
use super::limits;
use super::token::uncached;
use super::wire::{ErrorBody, Failure, Form, Result, members};
use crate::app::App;
use crate::error::{self, Error};
use crate::extract::Body;
use crate::storage::{self, Record};

/// A nonce that has been answered; it is not accepted again.
#[derive(Debug, Deserialize, Serialize)]
struct SpentNonce {
    nonce: String,
    expires_at: Timestamp,
}

/// The time of an answer without a nonce that has been accepted; it is not accepted again.
#[derive(Debug, Deserialize, Serialize)]
struct LandingAnswer {
    hash: String,
    expires_at: Timestamp,
}

/// A token of a solved landing challenge, by its hash; good until its end.
#[derive(Debug, Deserialize, Serialize)]
struct LandingToken {
    hash: String,
    expires_at: Timestamp,
}

/// Makes a nonce for a page, good for one answer within two minutes: its end in seconds, random bytes and a mark of
/// ours, 16 bytes in all. Only answered ones are stored, so that views of pages take no memory.
pub fn create_nonce(app: &App) -> String {
    let end = app.now().plus_milliseconds(NONCE_MILLISECONDS).seconds();
    let text =
        format!("{:08x}{}", u32::try_from(end).unwrap_or(u32::MAX), encoding::hex(&app.random_bytes::<4>()));
    format!("{text}{}", nonce_mark(app, &text))
}

/// When a nonce ends; nothing if it is none of ours.
fn end_of_nonce(app: &App, nonce: &str) -> Option<Timestamp> {
    let (text, mark) = nonce.split_at_checked(16)?;
    let is_ours = encoding::equal_in_constant_time(nonce_mark(app, text).as_bytes(), mark.as_bytes());
    let end = u32::from_str_radix(text.get(..8)?, 16).ok().filter(|_| is_ours)?;
    Some(Timestamp::from_seconds(i64::from(end)))
}

fn nonce_mark(app: &App, text: &str) -> String {
    let mark = hmac_sha256(&app.keys.derive("landing-nonce"), text.as_bytes());
    encoding::hex(mark.first_chunk::<8>().map_or(&[][..], |mark| &mark[..]))
}

/// Whether a token of a solved landing challenge is known.
///
/// # Errors
/// If storage does not answer.
pub async fn is_known(app: &App, token: &str) -> error::Result<bool> {
    Ok(app.storage.get::<LandingToken>(&hash(token)).await?.is_some())
}

/// An answer to the challenge in a page.
#[derive(Deserialize, ToSchema)]
#[schema(as = BotchaVerifyLanding)]
#[expect(dead_code, reason = "describes a body that is read member by member")]
struct VerifyLanding {
    /// 16 hexadecimal characters.
    answer: String,
    /// The time that went into the answer, ISO 8601 in UTC.
    timestamp: String,
    /// The page's nonce, if it had one.
    nonce: Option<String>,
}

/// Answer the challenge that stands in a page; the token opens `GET /agent-only` for an hour.
#[utoipa::path(
    post, path = "/api/verify-landing", tag = "botcha", operation_id = "botcha_verify_landing",
    request_body = VerifyLanding,
    responses(
        (status = 200, description = "The token", body = Value),
        (status = 400, body = ErrorBody, description = "Members missing, `INVALID_JSON`"),
        (status = 403, body = ErrorBody, description = "Too old, wrong, or used before"),
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
    let members = members(&body)?;
    limits::count_verification(&app, &parts).await?;
    let answer = members.get("answer").filter(|answer| !answer.is_null());
    let timestamp = members.get("timestamp").and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(answer), Some(timestamp)) = (answer, timestamp) else {
        let hint = "Send answer and timestamp as the instruction in the page says";
        return Err(Failure::plain("Missing answer or timestamp", hint));
    };
    let nonce = members.get("nonce").and_then(Value::as_str);
    let judged = judge(&app, answer, timestamp, nonce).await;
    match &judged {
        // How long it took is not known: the time in the answer is the caller's.
        Ok(()) => {
            noted.note(Happening { solve_time_ms: None, ..Happening::verified("landing", None, Ok(0)) })
        }
        Err(failure) if failure.error.status() == StatusCode::FORBIDDEN => {
            noted.note(Happening::verified("landing", None, Err(failure.error.public_message())));
        }
        Err(_) => {}
    }
    judged?;
    let token = encoding::hex(&app.random_bytes::<32>());
    let expires_at = app.now().plus_milliseconds(TOKEN_MILLISECONDS);
    app.storage.put(&LandingToken { hash: hash(&token), expires_at }).await?;
    Ok(uncached(json!({
        "success": true,
        "message": "🤖 Landing challenge solved! You are a bot.",
        "token": token,
        "usage": {
            "header": "X-Botcha-Landing-Token",
            "value": token,
            "expires_in": "1 hour",
            "use_with": "/agent-only",
        },
    })))
}

/// The route.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(verify))
}

/// Judges an answer and uses its nonce, or its time, up.
async fn judge(app: &App, answer: &Value, timestamp: &str, nonce: Option<&str>) -> Result<()> {
    let now = app.now();
    if let Some(nonce) = nonce
        && !spend_nonce(app, nonce).await?
    {
        return Err(refused("Timestamp expired or invalid. Request a fresh challenge."));
    }
    if nonce.is_none() && !app.config.botcha.landing_legacy {
        return Err(refused("An answer needs the nonce of a page: GET / and follow its instruction."));
    }
    landing::check(answer, timestamp, nonce, now).map_err(|error| match error.kind() {
        ErrorKind::ChallengeExpired => refused("Timestamp expired or invalid. Request a fresh challenge."),
        _ => wrong(),
    })?;
    if nonce.is_none() {
        spend(app, timestamp, now).await?;
    }
    Ok(())
}

/// Whether a nonce is ours, in time and answered for the first time.
async fn spend_nonce(app: &App, nonce: &str) -> Result<bool> {
    let Some(expires_at) = end_of_nonce(app, nonce).filter(|end| *end > app.now()) else { return Ok(false) };
    match app.storage.insert(&SpentNonce { nonce: nonce.to_owned(), expires_at }).await {
        Ok(()) => Ok(true),
        Err(storage::Error::Conflict) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Notes the time of an answer without a nonce, so that nobody sends it twice, in whatever spelling.
async fn spend(app: &App, timestamp: &str, now: Timestamp) -> Result<()> {
    let expires_at = now.plus_milliseconds(ANSWER_MILLISECONDS);
    match app.storage.insert(&LandingAnswer { hash: hash(timestamp), expires_at }).await {
        Ok(()) => Ok(()),
        Err(storage::Error::Conflict) => Err(wrong()),
        Err(error) => Err(error.into()),
    }
}

fn wrong() -> Failure {
    let error = Error::forbidden("Incorrect answer").with("hint", "Read the instruction in the page again");
    Failure { error, form: Form::Plain }
}

fn refused(sentence: &str) -> Failure {
    Failure { error: Error::forbidden(sentence), form: Form::Plain }
}

fn hash(text: &str) -> String {
    encoding::hex(&Sha256::digest(text.as_bytes()))
}

impl Record for SpentNonce {
    const KIND: &'static str = "landing_nonce";

    fn id(&self) -> String {
        self.nonce.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Record for LandingAnswer {
    const KIND: &'static str = "landing_answer";

    fn id(&self) -> String {
        self.hash.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Record for LandingToken {
    const KIND: &'static str = "landing_token";

    fn id(&self) -> String {
        self.hash.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

const NONCE_MILLISECONDS: i64 = 120_000;
/// Longer than any timestamp is accepted: two minutes to both sides.
const ANSWER_MILLISECONDS: i64 = 300_000;
const TOKEN_MILLISECONDS: i64 = 3_600_000;
