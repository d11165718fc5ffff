//! Reasoning challenges on their own: `/v1/reasoning` and the older `/api/reasoning-challenge`.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::judged::{self, Judged};
use super::posed::{self, Posed};
use super::{count, given, id_in};
use crate::app::App;
use crate::botcha::analytics::{Happening, Noted};
use crate::botcha::badge;
use crate::botcha::token::uncached;
use crate::botcha::wire::{ErrorBody, Failure, Result, members};
use crate::botcha::{gate, limits};
use crate::error;
use crate::extract::{Body, Origin};

/// Answers to questions.
#[derive(ToSchema)]
#[schema(as = BotchaReasoningAnswer)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct ReasoningAnswer {
    /// The challenge's id.
    id: String,
    /// Answers by question id.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    answers: Value,
}

/// Get three questions that take a reader: 30 seconds for all of them.
#[utoipa::path(
    get, path = "/v1/reasoning", tag = "botcha", operation_id = "botcha_create_reasoning_challenge",
    params(("app_id" = Option<String>, Query, description = "The app to bind the challenge to")),
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
    noted.note(Happening::generated("reasoning", app_id.as_deref()));
    Ok(uncached(posed(&app, &origin, app_id).await?))
}

/// Answer three questions. There is one attempt.
#[utoipa::path(
    post, path = "/v1/reasoning", tag = "botcha", operation_id = "botcha_verify_reasoning_challenge",
    request_body = ReasoningAnswer,
    responses(
        (status = 200, body = Judged, description = "Judged: `success` says how"),
        (status = 400, body = ErrorBody, description = "Members missing, `INVALID_JSON`, `INVALID_APP_ID`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`APP_NOT_FOUND`, `APP_REGISTRATION_REQUIRED`"),
        (status = 403, body = ErrorBody, description = "`EMAIL_NOT_VERIFIED`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn verify(
    State(app): State<App>,
    Origin(origin): Origin,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let members = members(&body)?;
    gate::enter_with_body(&app, &parts, &members).await?;
    limits::count_verification(&app, &parts).await?;
    let (id, answers) = submitted(&members)?;
    Ok(uncached(judged(&app, id, answers, &origin, &noted, false).await?))
}

/// Get three questions; bound to no app.
#[utoipa::path(
    get, path = "/api/reasoning-challenge", tag = "botcha", operation_id = "botcha_create_legacy_reasoning_challenge",
    responses(
        (status = 200, body = Posed),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn create_legacy(State(app): State<App>, noted: Noted, parts: Parts) -> Result<Response> {
    count(&app, &parts).await?;
    noted.note(Happening::generated("reasoning", None));
    Ok(uncached(posed::reasoning(&app, None).await?))
}

/// Answer three questions; a badge comes with right answers.
#[utoipa::path(
    post, path = "/api/reasoning-challenge", tag = "botcha",
    operation_id = "botcha_verify_legacy_reasoning_challenge",
    request_body = ReasoningAnswer,
    responses(
        (status = 200, body = Judged, description = "Judged: `success` says how"),
        (status = 400, body = ErrorBody, description = "Members missing, `INVALID_JSON`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn verify_legacy(
    State(app): State<App>,
    Origin(origin): Origin,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let members = members(&body)?;
    count(&app, &parts).await?;
    let (id, answers) = submitted(&members)?;
    Ok(uncached(judged(&app, id, answers, &origin, &noted, true).await?))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, verify)).routes(routes!(create_legacy, verify_legacy))
}

/// A new challenge with the place for its answers.
pub(super) async fn posed(app: &App, origin: &str, app_id: Option<String>) -> error::Result<Posed> {
    let posed = posed::reasoning(app, app_id).await?;
    let answers = json!({ "question-id": "your answer", "...": "..." });
    let body = json!({ "id": posed.challenge.id(), "answers": answers });
    Ok(Posed { kind: Some("reasoning"), ..posed.to(app, origin, "/v1/reasoning".to_owned(), body) })
}

/// The answer to answers.
pub(super) async fn judged(
    app: &App,
    id: &str,
    answers: &Value,
    origin: &str,
    noted: &Noted,
    with_badge: bool,
) -> error::Result<Judged> {
    let judgement = judged::reasoning(app, id, answers).await?;
    let told = match &judgement.outcome {
        Ok(passed) => Ok(passed.solve_time_ms),
        Err(failed) => Err(failed.reason.as_str()),
    };
    noted.note(Happening::verified("reasoning", judgement.app_id.as_deref(), told));
    let passed = match judgement.outcome {
        Ok(passed) => passed,
        Err(failed) => {
            return Ok(Judged {
                message: format!("❌ {}", failed.reason),
                solve_time_ms: failed.solve_time_ms,
                verdict: Some("🚫 FAILED REASONING TEST"),
                ..Judged::default()
            });
        }
    };
    let took = passed.solve_time_ms;
    let badge =
        with_badge.then(|| badge::create(app, origin, "reasoning-challenge", took, app.now())).transpose()?;
    Ok(Judged {
        success: true,
        message: format!(
            "🧠 REASONING TEST PASSED in {}.{}s! You can think like an AI.",
            took / 1000,
            took % 1000 / 100
        ),
        solve_time_ms: Some(took),
        score: Some(passed.score()),
        verdict: Some("🤖 VERIFIED AI AGENT (reasoning confirmed)"),
        badge,
        ..Judged::default()
    })
}

fn submitted(members: &Map<String, Value>) -> Result<(&str, &Value)> {
    id_in(members).zip(given(members, "answers")).ok_or_else(|| {
        let hint = "GET a challenge first, then send its id and an object with an answer by question id";
        Failure::plain("Missing id or answers object", hint)
    })
}
