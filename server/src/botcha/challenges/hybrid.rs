//! Hybrid challenges on their own: `/v1/hybrid` and the older `/api/hybrid-challenge`; and how they are judged.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use quivive_core::challenge::hybrid::{self, HybridChallenge, HybridOutcome};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::judged::{self, Judged};
use super::kept::{self, Stored};
use super::posed::{self, Posed};
use super::{count, given, gives_tokens, id_in};
use crate::app::App;
use crate::botcha::analytics::{Happening, Noted};
use crate::botcha::token::uncached;
use crate::botcha::token_block::{TokenBlock, Wishes};
use crate::botcha::wire::{ErrorBody, Failure, Result, members};
use crate::botcha::{badge, gate, limits};
use crate::extract::{Body, ClientIp, Origin};

/// Answers to both parts.
#[derive(ToSchema)]
#[schema(as = BotchaHybridAnswer)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct HybridAnswer {
    /// The challenge's id.
    id: String,
    /// Five answers of 8 hexadecimal characters, in order.
    speed_answers: Vec<String>,
    /// Answers by question id.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    reasoning_answers: Value,
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

/// Get a challenge of five hashes and three questions.
#[utoipa::path(
    get, path = "/v1/hybrid", tag = "botcha", operation_id = "botcha_create_hybrid_challenge",
    params(
        ("ts" = Option<String>, Query, description = "The client's time in milliseconds since the Unix epoch"),
        ("app_id" = Option<String>, Query, description = "The app to bind the challenge to"),
        ("X-Client-Timestamp" = Option<String>, Header, description = "As `ts`"),
    ),
    responses(
        (status = 200, body = Posed),
        (status = 400, body = ErrorBody, description = "`INVALID_APP_ID`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`APP_NOT_FOUND`, `APP_REGISTRATION_REQUIRED`"),
        (status = 403, body = ErrorBody, description = "`EMAIL_NOT_VERIFIED`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn create(
    State(app): State<App>,
    Origin(origin): Origin,
    noted: Noted,
    parts: Parts,
) -> Result<Response> {
    let named = gate::enter(&app, &parts).await?;
    limits::count_challenge(&app, &parts, named.as_ref()).await?;
    let app_id = named.map(|named| named.id);
    noted.note(Happening::generated("hybrid", app_id.as_deref()));
    let posed = posed::hybrid(&app, posed::time_limit(&app, &parts), app_id).await?;
    let body = json!({
        "id": posed.challenge.id(),
        "speed_answers": ["hash1", "hash2", "..."],
        "reasoning_answers": { "question-id": "answer", "...": "..." },
    });
    let posed = posed.to(&app, &origin, "/v1/hybrid".to_owned(), body);
    Ok(uncached(Posed { kind: Some("hybrid"), ..posed }))
}

/// Answer both parts and get a token. There is one attempt.
#[utoipa::path(
    post, path = "/v1/hybrid", tag = "botcha", operation_id = "botcha_verify_hybrid_challenge",
    request_body = HybridAnswer,
    responses(
        (status = 200, body = Judged, description = "Judged: `success` says how"),
        (status = 400, body = ErrorBody, description = "Members missing, `INVALID_JSON`, `INVALID_REQUEST`, `APP_ID_NOT_ALLOWED`, `INVALID_APP_ID`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`INVALID_APP_SECRET`, `APP_NOT_FOUND`, `APP_REGISTRATION_REQUIRED`"),
        (status = 403, body = ErrorBody, description = "`AUDIENCE_NOT_ALLOWED`, `APP_ID_MISMATCH`, `EMAIL_NOT_VERIFIED`"),
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
    answer(&app, &origin, ip, &noted, &parts, &members).await
}

/// Get a challenge of five hashes and three questions; bound to no app.
#[utoipa::path(
    get, path = "/api/hybrid-challenge", tag = "botcha", operation_id = "botcha_create_legacy_hybrid_challenge",
    params(
        ("ts" = Option<String>, Query, description = "The client's time in milliseconds since the Unix epoch"),
        ("X-Client-Timestamp" = Option<String>, Header, description = "As `ts`"),
    ),
    responses(
        (status = 200, body = Posed),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn create_legacy(State(app): State<App>, noted: Noted, parts: Parts) -> Result<Response> {
    count(&app, &parts).await?;
    noted.note(Happening::generated("hybrid", None));
    Ok(uncached(posed::hybrid(&app, posed::time_limit(&app, &parts), None).await?))
}

/// Answer both parts. Tokens come with it unless this server serves registered apps only.
#[utoipa::path(
    post, path = "/api/hybrid-challenge", tag = "botcha", operation_id = "botcha_verify_legacy_hybrid_challenge",
    request_body = HybridAnswer,
    responses(
        (status = 200, body = Judged, description = "Judged: `success` says how"),
        (status = 400, body = ErrorBody, description = "Members missing, `INVALID_JSON`, `INVALID_REQUEST`, `APP_ID_NOT_ALLOWED`"),
        (status = 401, body = ErrorBody, description = "`INVALID_APP_SECRET`"),
        (status = 403, body = ErrorBody, description = "`AUDIENCE_NOT_ALLOWED`, `APP_ID_MISMATCH`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn verify_legacy(
    State(app): State<App>,
    ip: ClientIp,
    Origin(origin): Origin,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let members = members(&body)?;
    count(&app, &parts).await?;
    answer(&app, &origin, ip, &noted, &parts, &members).await
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, verify)).routes(routes!(create_legacy, verify_legacy))
}

/// Answers to a hybrid challenge, and who sent them.
pub(super) struct Submission<'a> {
    pub app: &'a App,
    pub origin: &'a str,
    pub id: &'a str,
    pub ip: ClientIp,
    pub wishes: Wishes,
    pub noted: &'a Noted,
}

impl Submission<'_> {
    /// Judges both parts, the speed part unless it has been judged before.
    pub async fn judge(mut self, speed: Option<&Value>, natural: &Value) -> Result<Judged> {
        self.wishes.permit::<HybridChallenge>(self.app, self.id).await?;
        let (outcome, app_id) = judged::hybrid(self.app, self.id, speed, natural).await?;
        self.finish(outcome, app_id).await
    }

    /// Judges the speed part and keeps the challenge for the answers to its questions.
    pub async fn judge_speed(self, answers: &Value) -> Result<Judged> {
        let now = self.app.now();
        let Some(Stored { mut challenge, app_id }) = kept::take::<HybridChallenge>(self.app, self.id).await?
        else {
            return self.finish(HybridOutcome::not_found(), None).await;
        };
        let left = challenge.remaining_ms(now);
        if left == 0 {
            let late = hybrid::check(&challenge, Some(answers), &Value::Null, now);
            return self.finish(late, app_id).await;
        }
        let speed = hybrid::check_speed(&mut challenge, answers, now);
        self.app.storage.put(&Stored { challenge, app_id }).await?;
        Ok(Judged {
            message: "The speed part is judged. Send reasoning_answers next.".to_owned(),
            pending: Some("reasoning"),
            speed: Some(speed.into()),
            expires_in_ms: Some(left),
            ..Judged::default()
        })
    }

    /// Whether the speed part was judged before, so that answers to the questions alone are enough.
    pub async fn is_half_judged(&self) -> Result<bool> {
        let waiting = kept::look::<HybridChallenge>(self.app, self.id).await?;
        // What is gone is refused when it is judged.
        Ok(waiting.is_none_or(|waiting| waiting.challenge.judged_speed.is_some()))
    }

    async fn finish(self, outcome: HybridOutcome, app_id: Option<String>) -> Result<Judged> {
        let Self { app, origin, id, .. } = self;
        let took = outcome.speed.solve_time_ms.unwrap_or_default();
        let total = outcome.total_time_ms.unwrap_or(took);
        let reason = outcome.reason.unwrap_or_default();
        let told = if outcome.valid { Ok(total) } else { Err(reason.as_str()) };
        self.noted.note(Happening::verified("hybrid", app_id.as_deref(), told));
        let score = outcome.reasoning.score.clone().unwrap_or_default();
        let judged = Judged {
            success: outcome.valid,
            speed: Some(outcome.speed.into()),
            reasoning: Some(outcome.reasoning.into()),
            total_time_ms: outcome.total_time_ms,
            ..Judged::default()
        };
        if !outcome.valid {
            let message = format!("❌ Failed: {reason}");
            return Ok(Judged { message, verdict: Some("🚫 FAILED HYBRID TEST"), ..judged });
        }
        let is_token = gives_tokens(app, app_id.as_deref());
        let grant = self.wishes.grant(id, took, app_id, self.ip)?;
        let tokens = if is_token { Some(TokenBlock::issue(app, origin, &grant).await?) } else { None };
        Ok(Judged {
            message: format!("🔥 HYBRID TEST PASSED! Speed: {took}ms, Reasoning: {score}"),
            verdict: Some("🤖 VERIFIED AI AGENT (speed + reasoning confirmed)"),
            badge: Some(badge::create(app, origin, "hybrid-challenge", total, app.now())?),
            tokens,
            ..judged
        })
    }
}

async fn answer(
    app: &App,
    origin: &str,
    ip: ClientIp,
    noted: &Noted,
    parts: &Parts,
    members: &Map<String, Value>,
) -> Result<Response> {
    let (speed, natural) = (given(members, "speed_answers"), given(members, "reasoning_answers"));
    let (Some(id), Some(speed), Some(natural)) = (id_in(members), speed, natural) else {
        let hint = "GET a challenge first, then send its id, speed_answers and reasoning_answers";
        return Err(Failure::plain("Missing id, speed_answers array, or reasoning_answers object", hint));
    };
    let wishes = Wishes::read(members, &parts.headers)?;
    let submission = Submission { app, origin, id, ip, wishes, noted };
    Ok(uncached(submission.judge(Some(speed), natural).await?))
}
