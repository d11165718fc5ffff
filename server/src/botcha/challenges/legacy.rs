//! The oldest routes, which need no app: `/api/challenge` and `/api/speed-challenge`.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::judged::{self, Judged};
use super::posed::{self, Posed};
use super::routes::difficulty;
use super::{count, given, id_in};
use crate::app::App;
use crate::botcha::analytics::{Happening, Noted};
use crate::botcha::token::uncached;
use crate::botcha::wire::{ErrorBody, Failure, Result, members};
use crate::botcha::{apps, badge};
use crate::extract::{Body, Origin, query_value};

/// An answer to a standard challenge.
#[derive(ToSchema)]
#[schema(as = BotchaStandardAnswer)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct StandardAnswer {
    /// The challenge's id.
    id: String,
    /// 16 hexadecimal characters.
    answer: String,
}

/// Answers to a speed challenge.
#[derive(ToSchema)]
#[schema(as = BotchaSpeedAnswer)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct SpeedAnswer {
    /// The challenge's id.
    id: String,
    /// Five answers of 8 hexadecimal characters, in order.
    #[schema(value_type = Vec<String>)]
    answers: Value,
}

/// Get a standard challenge: one hash over prime numbers.
#[utoipa::path(
    get, path = "/api/challenge", tag = "botcha", operation_id = "botcha_create_legacy_challenge",
    params(("difficulty" = Option<String>, Query, description = "`easy`, `medium` (the default) or `hard`")),
    responses(
        (status = 200, body = Posed),
        (status = 400, body = ErrorBody, description = "`INVALID_DIFFICULTY`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn create_standard(State(app): State<App>, noted: Noted, parts: Parts) -> Result<Response> {
    count(&app, &parts).await?;
    let difficulty = match query_value(&parts.uri, "difficulty").filter(|name| !name.is_empty()) {
        Some(name) => difficulty(&name)?,
        None => Default::default(),
    };
    noted.note(Happening::generated("standard", None));
    Ok(uncached(posed::standard(&app, difficulty, None, true).await?))
}

/// Answer a standard challenge. There is one attempt.
#[utoipa::path(
    post, path = "/api/challenge", tag = "botcha", operation_id = "botcha_verify_legacy_challenge",
    request_body = StandardAnswer,
    responses(
        (status = 200, body = Judged, description = "Judged: `success` says how"),
        (status = 400, body = ErrorBody, description = "Members missing, `INVALID_JSON`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn verify_standard(
    State(app): State<App>,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let members = members(&body)?;
    count(&app, &parts).await?;
    let (Some(id), Some(answer)) = (id_in(&members), given(&members, "answer")) else {
        let hint = "GET a challenge first, then send its id and the hash";
        return Err(Failure::plain("Missing id or answer", hint));
    };
    let judgement = judged::standard(&app, id, answer).await?;
    noted.note(judgement.happening("standard"));
    Ok(uncached(match judgement.outcome {
        Ok(took) => Judged {
            success: true,
            message: "✅ Challenge passed!".to_owned(),
            solve_time: Some(took),
            ..Judged::default()
        },
        Err(reason) => Judged { message: format!("❌ {reason}"), ..Judged::default() },
    }))
}

/// Get a speed challenge: five hashes within half a second.
#[utoipa::path(
    get, path = "/api/speed-challenge", tag = "botcha", operation_id = "botcha_create_legacy_speed_challenge",
    params(
        ("ts" = Option<String>, Query, description = "The client's time in milliseconds since the Unix epoch"),
        ("app_id" = Option<String>, Query, description = "The app to bind the challenge to; ignored if there is none"),
        ("X-Client-Timestamp" = Option<String>, Header, description = "As `ts`"),
    ),
    responses(
        (status = 200, body = Posed),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn create_speed(State(app): State<App>, noted: Noted, parts: Parts) -> Result<Response> {
    count(&app, &parts).await?;
    let named = match query_value(&parts.uri, "app_id") {
        Some(id) => apps::find(&app, &id).await?.filter(|found| found.is_email_verified),
        None => None,
    };
    let app_id = named.map(|named| named.id);
    noted.note(Happening::generated("speed", app_id.as_deref()));
    Ok(uncached(posed::speed_alone(&app, posed::time_limit(&app, &parts), app_id).await?))
}

/// Answer a speed challenge; a badge comes with right answers.
#[utoipa::path(
    post, path = "/api/speed-challenge", tag = "botcha", operation_id = "botcha_verify_legacy_speed_challenge",
    request_body = SpeedAnswer,
    responses(
        (status = 200, body = Judged, description = "Judged: `success` says how"),
        (status = 400, body = ErrorBody, description = "Members missing, `INVALID_JSON`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn verify_speed(
    State(app): State<App>,
    Origin(origin): Origin,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let members = members(&body)?;
    count(&app, &parts).await?;
    let (Some(id), Some(answers)) = (id_in(&members), given(&members, "answers")) else {
        let hint = "GET a challenge first, then send its id and five answers";
        return Err(Failure::plain("Missing id or answers array", hint));
    };
    let judgement = judged::speed(&app, id, answers).await?;
    noted.note(judgement.happening("speed"));
    Ok(uncached(match judgement.outcome {
        Ok(took) => Judged {
            success: true,
            message: format!("⚡ SPEED TEST PASSED in {took}ms! You are definitely an AI."),
            solve_time_ms: Some(took),
            verdict: Some("🤖 VERIFIED AI AGENT"),
            badge: Some(badge::create(&app, &origin, "speed-challenge", took, app.now())?),
            ..Judged::default()
        },
        Err(reason) => Judged {
            message: format!("❌ {reason}"),
            verdict: Some("🚫 LIKELY HUMAN (too slow)"),
            ..Judged::default()
        },
    }))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_standard, verify_standard))
        .routes(routes!(create_speed, verify_speed))
}
