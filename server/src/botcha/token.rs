//! Getting a token: a challenge, and its answer.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, header};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::badge::{self, Badge};
use super::challenges::{self, RttAdjustment, SpeedChallenge};
use super::issue::{self, Grant};
use super::wire::{ErrorBody, Failure, LONGEST_TEXT, Result, members, optional_text, switch};
use super::{gate, limits};
use crate::app::App;
use crate::error::Error;
use crate::extract::{Body, ClientIp, Origin, header_text, query_value};

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
}

/// New tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaToken)]
struct Token {
    success: bool,
    verified: bool,
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: u32,
    refresh_token: String,
    /// Seconds.
    refresh_expires_in: u32,
    #[serde(rename = "solveTimeMs")]
    solve_time_ms: i64,
    message: String,
    /// A page for the person behind the agent; good for 300 seconds and one use.
    human_link: String,
    human_code: String,
    human_instruction: String,
    usage: Usage,
    badge: Badge,
    /// The same as `access_token`, for older clients.
    token: String,
    human_magic_link: String,
    human_url: String,
    #[serde(rename = "expiresIn")]
    expires_in_words: String,
}

/// What to do with a token.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaTokenUsage)]
struct Usage {
    header: &'static str,
    try_it: &'static str,
    full_docs: String,
    refresh: &'static str,
    revoke: &'static str,
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
    ),
)]
async fn challenge(State(app): State<App>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let named = gate::enter(&app, &parts).await?;
    limits::count_challenge(&app, &parts, named.as_ref()).await?;
    let audience = query_value(&parts.uri, "audience").filter(|audience| !audience.is_empty());
    if audience.as_ref().is_some_and(|audience| audience.len() > LONGEST_TEXT) {
        return Err(Error::invalid("audience is too long").into());
    }
    let time = query_value(&parts.uri, "ts");
    let time = time.as_deref().or_else(|| header_text(&parts.headers, "x-client-timestamp"));
    let (challenge, rtt_adjustment) =
        challenges::create_speed(&app, time, named.map(|named| named.id)).await?;
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
        (status = 400, body = ErrorBody, description = "Members missing, `INVALID_JSON`, `APP_ID_NOT_ALLOWED`"),
        (status = 401, body = ErrorBody, description = "Strict gate: `APP_REGISTRATION_REQUIRED`, `APP_NOT_FOUND`"),
        (status = 403, body = ErrorBody, description = "`CHALLENGE_FAILED`, `APP_ID_MISMATCH`, `EMAIL_NOT_VERIFIED`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
    ),
)]
async fn verify(
    State(app): State<App>,
    ClientIp(ip): ClientIp,
    Origin(origin): Origin,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let members = members(&body)?;
    gate::enter_with_body(&app, &parts, &members).await?;
    limits::count_verification(&app, &parts).await?;
    let id = members.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
    let answers = members.get("answers").filter(|answers| !answers.is_null());
    let (Some(id), Some(answers)) = (id, answers) else {
        return Err(Failure::plain(
            "Missing id or answers array",
            "First GET /v1/token, then send its id and five answers",
        ));
    };
    let audience = optional_text(&members, "audience")?;
    let is_bound = switch(&members, "bind_ip")?;
    let wanted_app = optional_text(&members, "app_id")?;
    let solved = challenges::judge_speed(&app, id, answers)
        .await?
        .map_err(|reason| Error::forbidden(reason).with_code("CHALLENGE_FAILED"))?;
    match (&wanted_app, &solved.app_id) {
        (Some(_), None) => {
            let message = "The challenge was fetched without an app: send app_id with GET /v1/token";
            return Err(Error::invalid(message).with_code("APP_ID_NOT_ALLOWED").into());
        }
        (Some(wanted), Some(bound)) if wanted != bound => {
            let message = "The challenge is bound to another app";
            return Err(Error::forbidden(message).with_code("APP_ID_MISMATCH").into());
        }
        _ => {}
    }
    let grant = Grant {
        subject: solved.id,
        solve_time: solved.solved.solve_time_ms,
        audience,
        client_ip: is_bound.then(|| ip.to_string()),
        app_id: solved.app_id,
    };
    let issued = issue::issue(&app, &grant).await?;
    let badge = badge::create(&app, &origin, "speed-challenge", grant.solve_time, app.now())?;
    Ok(uncached(Token::new(&app, &origin, grant.solve_time, issued, badge)))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(challenge)).routes(routes!(verify))
}

impl Token {
    fn new(app: &App, origin: &str, solve_time_ms: i64, issued: issue::Issued, badge: Badge) -> Self {
        let human_link = format!("{origin}/go/{}", issued.code);
        Self {
            success: true,
            verified: true,
            token: issued.access_token.clone(),
            access_token: issued.access_token,
            token_type: "Bearer",
            expires_in: app.config.tokens.access_ttl,
            refresh_token: issued.refresh_token,
            refresh_expires_in: app.config.tokens.refresh_ttl,
            solve_time_ms,
            message: format!("Challenge verified in {solve_time_ms}ms. You are a bot."),
            human_instruction: format!("For the person behind you: open {human_link} within 5 minutes."),
            human_magic_link: human_link.clone(),
            human_link,
            human_code: issued.code,
            human_url: origin.to_owned(),
            usage: Usage {
                header: "Authorization: Bearer <access_token>",
                try_it: "GET /agent-only",
                full_docs: format!("{origin}/openapi.json"),
                refresh: "POST /v1/token/refresh with {\"refresh_token\": \"<refresh_token>\"}",
                revoke: "POST /v1/token/revoke with {\"token\": \"<token>\"}",
            },
            badge,
            expires_in_words: in_words(app.config.tokens.access_ttl),
        }
    }
}

/// Challenges and tokens are for one caller and one moment.
pub(super) fn uncached(body: impl Serialize) -> Response {
    let mut response = Json(body).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn in_words(seconds: u32) -> String {
    match (seconds % 3600, seconds % 60) {
        (0, _) => format!("{}h", seconds / 3600),
        (_, 0) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}
