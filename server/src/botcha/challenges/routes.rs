//! `/v1/challenges`: a challenge of any kind, and its answer.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use quivive_core::challenge::Difficulty;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::judged::Judged;
use super::posed::{self, Posed};
use super::{given, gives_tokens, hybrid, judged, reasoning};
use crate::app::App;
use crate::botcha::analytics::{Happening, Noted};
use crate::botcha::token::uncached;
use crate::botcha::token_block::{TokenBlock, Wishes};
use crate::botcha::wire::{ErrorBody, Failure, Result, members};
use crate::botcha::{gate, limits};
use crate::error::Error;
use crate::extract::{Body, ClientIp, Origin, Path, query_value};
use quivive_core::challenge::Challenge;

/// What `GET /v1/challenges` may be asked.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters that are read leniently")]
struct ChallengeQuery {
    /// `hybrid` (the default), `speed`, `reasoning`, or `standard`, also called `compute`; others are `standard`.
    #[param(rename = "type")]
    kind: Option<String>,
    /// How hard a standard challenge is: `easy`, `medium` (the default) or `hard`.
    difficulty: Option<String>,
    /// The client's time in milliseconds since the Unix epoch; stretches the limit for far-away clients.
    ts: Option<String>,
    /// The app to bind the challenge to.
    app_id: Option<String>,
}

/// An answer to a challenge of any kind.
#[derive(ToSchema)]
#[schema(as = BotchaChallengeAnswer)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct ChallengeAnswer {
    /// `hybrid`, `speed`, `reasoning` or `standard`; without it, by what is answered.
    #[schema(rename = "type")]
    kind: Option<String>,
    /// Hybrid: five answers of 8 hexadecimal characters, in order. May be sent alone, before the others.
    speed_answers: Option<Vec<String>>,
    /// Hybrid: answers by question id.
    reasoning_answers: Option<Value>,
    /// Speed: five answers; reasoning: answers by question id.
    answers: Option<Value>,
    /// Standard: 16 hexadecimal characters.
    answer: Option<String>,
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

/// Get a challenge: speed and reasoning together, unless another kind is asked for.
#[utoipa::path(
    get, path = "/v1/challenges", tag = "botcha", operation_id = "botcha_create_challenge",
    params(ChallengeQuery, ("X-Client-Timestamp" = Option<String>, Header, description = "As `ts`")),
    responses(
        (status = 200, body = Posed),
        (status = 400, body = ErrorBody, description = "`INVALID_DIFFICULTY`, `INVALID_APP_ID`, `APP_ID_MISMATCH`"),
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
    let kind = query_value(&parts.uri, "type").unwrap_or_default();
    let kind = match kind.as_str() {
        "" | "hybrid" => "hybrid",
        "speed" => "speed",
        "reasoning" => "reasoning",
        _ => "standard",
    };
    let difficulty = match query_value(&parts.uri, "difficulty") {
        Some(name) if kind == "standard" && !name.is_empty() => Some(difficulty(&name)?),
        _ => None,
    };
    limits::count_challenge(&app, &parts, named.as_ref()).await?;
    let app_id = named.map(|named| named.id);
    noted.note(Happening::generated(kind, app_id.as_deref()));
    let posed = match kind {
        "reasoning" => reasoning::posed(&app, &origin, app_id).await?,
        "hybrid" => {
            let posed = posed::hybrid(&app, posed::time_limit(&app, &parts), app_id).await?;
            let path = verify_path(&posed);
            posed.to(
                &app,
                &origin,
                path,
                json!({
                    "type": "hybrid",
                    "speed_answers": ["hash1", "hash2", "..."],
                    "reasoning_answers": { "question-id": "answer", "...": "..." },
                }),
            )
        }
        "speed" => {
            let posed = posed::speed_alone(&app, posed::time_limit(&app, &parts), app_id).await?;
            let path = verify_path(&posed);
            let answers = ["hash1", "hash2", "hash3", "hash4", "hash5"];
            posed.to(&app, &origin, path, json!({ "type": "speed", "answers": answers }))
        }
        _ => {
            let posed = posed::standard(&app, difficulty.unwrap_or_default(), app_id, false).await?;
            let path = verify_path(&posed);
            posed.to(&app, &origin, path, json!({ "answer": "your-answer" }))
        }
    };
    Ok(uncached(Posed { kind: Some(kind), ..posed }))
}

/// Answer a challenge. There is one attempt, right or wrong; a hybrid challenge may be answered in two steps, the
/// speed part first.
#[utoipa::path(
    post, path = "/v1/challenges/{id}/verify", tag = "botcha", operation_id = "botcha_verify_challenge",
    params(("id" = String, Path, description = "The challenge's id")),
    request_body = ChallengeAnswer,
    responses(
        (status = 200, body = Judged, description = "Judged: `success` says how; tokens come with a solved speed or hybrid challenge"),
        (status = 400, body = ErrorBody, description = "Answers missing, `INVALID_JSON`, `INVALID_REQUEST`, `APP_ID_NOT_ALLOWED`, `INVALID_APP_ID`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`INVALID_APP_SECRET`, `APP_NOT_FOUND`, `APP_REGISTRATION_REQUIRED`"),
        (status = 403, body = ErrorBody, description = "`AUDIENCE_NOT_ALLOWED`, `APP_ID_MISMATCH`, `EMAIL_NOT_VERIFIED`"),
        (status = 404, body = ErrorBody, description = "The id is no text"),
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
    id: std::result::Result<Path<String>, Error>,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let Path(id) = id?;
    let members = members(&body)?;
    gate::enter_with_body(&app, &parts, &members).await?;
    limits::count_verification(&app, &parts).await?;
    let kind = members.get("type").and_then(Value::as_str).unwrap_or_default();
    let (speed, natural) = (given(&members, "speed_answers"), given(&members, "reasoning_answers"));
    let answers = given(&members, "answers");
    let has_one_part =
        app.config.botcha.hybrid_two_step && kind.is_empty() && (speed.is_some() || natural.is_some());
    if kind == "hybrid" || (speed.is_some() && natural.is_some()) || has_one_part {
        let submission = hybrid::Submission {
            app: &app,
            origin: &origin,
            id: &id,
            ip,
            wishes: Wishes::read(&members, &parts.headers)?,
            noted: &noted,
        };
        return Ok(uncached(match (speed, natural) {
            (Some(speed), Some(natural)) => submission.judge(Some(speed), natural).await?,
            (Some(speed), None) if app.config.botcha.hybrid_two_step => submission.judge_speed(speed).await?,
            (None, Some(natural)) if submission.is_half_judged().await? => {
                submission.judge(None, natural).await?
            }
            _ => {
                let sentence = "Missing speed_answers array or reasoning_answers object for hybrid challenge";
                return Err(Failure::plain(sentence, "Send both, or the speed_answers first"));
            }
        }));
    }
    if kind != "speed"
        && let Some(answers) = answers.filter(|answers| answers.is_object())
    {
        return Ok(uncached(reasoning::judged(&app, &id, answers, &origin, &noted, false).await?));
    }
    if kind == "speed" || answers.is_some() {
        let Some(answers) = answers.filter(|answers| answers.is_array()) else {
            let hint = "Send five answers of 8 hexadecimal characters, in order";
            return Err(Failure::plain("Missing answers array for speed challenge", hint));
        };
        let wishes = Wishes::read(&members, &parts.headers)?;
        return Ok(uncached(speed_answer(&app, &origin, &id, answers, wishes, ip, &noted).await?));
    }
    let Some(answer) = given(&members, "answer") else {
        let hint = "Send the first 16 hexadecimal characters of the hash";
        return Err(Failure::plain("Missing answer for standard challenge", hint));
    };
    let judgement = judged::standard(&app, &id, answer).await?;
    noted.note(judgement.happening("standard"));
    Ok(uncached(match judgement.outcome {
        Ok(took) => Judged {
            success: true,
            message: "Challenge passed!".to_owned(),
            solve_time_ms: Some(took),
            ..Judged::default()
        },
        Err(reason) => Judged { message: reason, ..Judged::default() },
    }))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(verify))
}

async fn speed_answer(
    app: &App,
    origin: &str,
    id: &str,
    answers: &Value,
    mut wishes: Wishes,
    ip: ClientIp,
    noted: &Noted,
) -> Result<Judged> {
    wishes.permit::<Challenge>(app, id).await?;
    let judgement = judged::speed(app, id, answers).await?;
    noted.note(judgement.happening("speed"));
    let took = match judgement.outcome {
        Ok(took) => took,
        Err(reason) => return Ok(Judged { message: reason, ..Judged::default() }),
    };
    let is_token = gives_tokens(app, judgement.app_id.as_deref());
    let grant = wishes.grant(id, took, judgement.app_id, ip)?;
    let tokens = if is_token { Some(TokenBlock::issue(app, origin, &grant).await?) } else { None };
    Ok(Judged {
        success: true,
        message: format!("⚡ Speed challenge passed in {took}ms!"),
        solve_time_ms: Some(took),
        tokens,
        ..Judged::default()
    })
}

pub(super) fn difficulty(name: &str) -> Result<Difficulty> {
    Ok(Difficulty::parse(name).ok_or_else(|| {
        Error::invalid("difficulty must be easy, medium or hard").with_code("INVALID_DIFFICULTY")
    })?)
}

fn verify_path(posed: &Posed) -> String {
    format!("/v1/challenges/{}/verify", posed.challenge.id())
}
