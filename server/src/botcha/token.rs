//! Getting a token: a challenge, and its answer.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, header};
use quivive_core::challenge::Challenge;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::analytics::{Happening, Noted};
use super::badge::{self, Badge};
use super::challenges::posed::{self, RttAdjustment, SpeedChallenge};
use super::challenges::{given, id_in, judged};
use super::token_block::{TokenBlock, Wishes};
use super::wire::{ErrorBody, Failure, LONGEST_TEXT, Result, members};
use super::{gate, limits};
use crate::app::App;
use crate::error::Error;
use crate::extract::{Body, ClientIp, Origin, query_value};

/// What `GET /v1/token` may be asked.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters that are read leniently")]
struct TokenQuery {
    /// The client's time in milliseconds since the Unix epoch; stretches the limit for far-away clients.
    ts: Option<String>,
    /// Whom the token will be meant for; repeated in the answer.
    #[param(max_length = 512)]
    audience: Option<String>,
    /// The app to bind the challenge to.
    app_id: Option<String>,
}

/// A challenge whose answer gets a token.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaTokenChallenge)]
struct TokenChallenge {
    success: bool,
    challenge: SpeedChallenge,
    /// Always null: the token comes with the answer.
    #[schema(value_type = Option<String>)]
    token: (),
    #[serde(rename = "nextStep")]
    next_step: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_adjustment: Option<RttAdjustment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
}

/// An answer to a challenge.
#[derive(ToSchema)]
#[schema(as = BotchaTokenAnswer)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct TokenAnswer {
    /// The challenge's id.
    id: String,
    /// Five answers of 8 hexadecimal characters, in order.
    answers: Vec<String>,
    /// Whom the token is meant for.
    #[schema(max_length = 512)]
    audience: Option<String>,
    /// Bind the token to the address that this request comes from.
    bind_ip: Option<bool>,
    /// Must be the app that the challenge is bound to.
    app_id: Option<String>,
    /// The app's secret: then the token says that the app's owner stands behind it.
    app_secret: Option<String>,
}

/// New tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaToken)]
struct Token {
    success: bool,
    verified: bool,
    #[serde(flatten)]
    tokens: TokenBlock,
    #[serde(rename = "solveTimeMs")]
    solve_time_ms: i64,
    message: String,
    badge: Badge,
}

/// Get a challenge whose answer gets a token.
#[utoipa::path(
    get, path = "/v1/token", tag = "botcha", operation_id = "botcha_read_token_challenge",
    params(TokenQuery, ("X-Client-Timestamp" = Option<String>, Header, description = "As `ts`")),
    responses(
        (status = 200, body = TokenChallenge),
        (status = 400, body = ErrorBody, description = "`INVALID_APP_ID`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`APP_NOT_FOUND`, `APP_REGISTRATION_REQUIRED`"),
        (status = 403, body = ErrorBody, description = "`EMAIL_NOT_VERIFIED`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn challenge(State(app): State<App>, noted: Noted, parts: Parts) -> Result<Response> {
    let named = gate::enter(&app, &parts).await?;
    limits::count_challenge(&app, &parts, named.as_ref()).await?;
    let audience = query_value(&parts.uri, "audience").filter(|audience| !audience.is_empty());
    if audience.as_ref().is_some_and(|audience| audience.len() > LONGEST_TEXT) {
        return Err(Error::invalid("audience is too long").into());
    }
    let app_id = named.map(|named| named.id);
    noted.note(Happening::generated("speed", app_id.as_deref()));
    let (challenge, rtt_adjustment) = posed::speed(&app, posed::time_limit(&app, &parts), app_id).await?;
    let next_step = match &audience {
        Some(audience) => format!(
            "POST /v1/token/verify with {{id: \"{}\", answers: [\"...\"], audience: \"{audience}\"}}",
            challenge.id
        ),
        None => format!("POST /v1/token/verify with {{id: \"{}\", answers: [\"...\"]}}", challenge.id),
    };
    let body = TokenChallenge { success: true, challenge, token: (), next_step, rtt_adjustment, audience };
    Ok(uncached(body))
}

/// Answer a challenge and get a token. There is one attempt, right or wrong.
#[utoipa::path(
    post, path = "/v1/token/verify", tag = "botcha", operation_id = "botcha_verify_token_challenge",
    request_body = TokenAnswer,
    responses(
        (status = 200, body = Token),
        (status = 400, body = ErrorBody, description = "Members missing, `INVALID_JSON`, `INVALID_REQUEST`, `APP_ID_NOT_ALLOWED`, `INVALID_APP_ID`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`INVALID_APP_SECRET`, `APP_REGISTRATION_REQUIRED`, `APP_NOT_FOUND`"),
        (status = 403, body = ErrorBody, description = "`CHALLENGE_FAILED`, `AUDIENCE_NOT_ALLOWED`, `APP_ID_MISMATCH`, `EMAIL_NOT_VERIFIED`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn verify(
    State(app): State<App>,
    ip: ClientIp,
    Origin(origin): Origin,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let members = members(&body)?;
    gate::enter_with_body(&app, &parts, &members).await?;
    limits::count_verification(&app, &parts).await?;
    let (Some(id), Some(answers)) = (id_in(&members), given(&members, "answers")) else {
        return Err(Failure::plain(
            "Missing id or answers array",
            "First GET /v1/token, then send its id and five answers",
        ));
    };
    let mut wishes = Wishes::read(&members, &parts.headers)?;
    wishes.permit::<Challenge>(&app, id).await?;
    let judgement = judged::speed(&app, id, answers).await?;
    noted.note(judgement.happening("speed"));
    let took = judgement.outcome.map_err(|reason| Error::forbidden(reason).with_code("CHALLENGE_FAILED"))?;
    let grant = wishes.grant(id, took, judgement.app_id, ip)?;
    let tokens = TokenBlock::issue(&app, &origin, &grant).await?;
    let badge = badge::create(&app, &origin, "speed-challenge", took, app.now())?;
    let message = format!("Challenge verified in {took}ms. You are a bot.");
    Ok(uncached(Token { success: true, verified: true, tokens, solve_time_ms: took, message, badge }))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(challenge)).routes(routes!(verify))
}

/// Challenges and tokens are for one caller and one moment.
pub(super) fn uncached(body: impl Serialize) -> Response {
    let mut response = Json(body).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
