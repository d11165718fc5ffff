//! Logins of a program: it proves to act for the owner, hashes five numbers, and gets a session, or a device code
//! that it hands to its human.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use quivive_core::Timestamp;
use quivive_core::challenge::{Challenge, ChallengeKind, SPEED_LIMIT_MS, check_speed, solve_speed};
use quivive_core::crypto::RandomStream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::audit::{self, Actor};
use crate::botcha::analytics::{Happening, Noted};
use crate::botcha::apps::{self, RegisteredApp};
use crate::botcha::codes::{self, Content};
use crate::botcha::issue::new_id;
use crate::botcha::token::uncached;
use crate::botcha::wire::{ErrorBody, Failure, Form, Result, lenient_members};
use crate::botcha::{gate, owner};
use crate::config::AppGate;
use crate::error::{Error, ErrorKind};
use crate::extract::{Body, Origin};
use crate::storage::Record;

/// What a challenge leads to.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Aim {
    Session,
    DeviceCode,
}

/// A challenge of an owner's program. Kept apart from all other challenges and by its aim, so that no route takes
/// one that was made for another.
#[derive(Debug, Deserialize, Serialize)]
struct OwnerChallenge {
    aim: Aim,
    challenge: Challenge,
    app_id: String,
    /// Who proved to be the owner.
    actor: Actor,
}

impl Record for OwnerChallenge {
    const KIND: &'static str = "owner_challenge";
    const SHORT_LIVED: bool = true;

    fn id(&self) -> String {
        key(self.aim, &self.challenge.id)
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.challenge.issued_at.plus_milliseconds(LIFETIME))
    }
}

/// Whose login is begun.
#[derive(ToSchema)]
#[schema(as = BotchaOwnerLogin)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct OwnerLogin {
    /// The app; may also stand in the query or in `X-App-Id`.
    app_id: Option<String>,
    /// The proof; may also be the header `X-App-Secret`, or a session of the app.
    app_secret: Option<String>,
}

/// Five numbers.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaOwnerChallenge)]
struct Question {
    challenge_id: String,
    r#type: &'static str,
    problems: Vec<u64>,
    time_limit_ms: u32,
    instructions: &'static str,
}

/// An answer.
#[derive(ToSchema)]
#[schema(as = BotchaOwnerAnswer)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct Answer {
    challenge_id: String,
    /// Five answers of 8 hexadecimal characters, in order.
    answers: Vec<String>,
    /// If given, it must be the app of the challenge.
    app_id: Option<String>,
}

/// A session.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaOwnerSession)]
struct NewSession {
    success: bool,
    session_token: String,
    /// Seconds.
    expires_in: u32,
    app_id: String,
    dashboard_url: &'static str,
    usage: &'static str,
}

/// A code for a person.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaDeviceCode)]
struct NewDeviceCode {
    success: bool,
    /// `BOTCHA-` and six symbols.
    code: String,
    login_url: String,
    magic_link: String,
    /// Seconds.
    expires_in: i64,
    instructions: String,
}

/// Begin a login to the dashboard: prove to be the app's owner and get five numbers to hash.
#[utoipa::path(
    post, path = "/v1/auth/dashboard", tag = "botcha", operation_id = "botcha_begin_dashboard_login",
    params(
        ("app_id" = Option<String>, Query, description = "As in the body"),
        ("X-App-Secret" = Option<String>, Header, description = "As `app_secret`"),
    ),
    request_body = OwnerLogin,
    security((), ("BotchaSession" = []), ("BotchaAppSecret" = [])),
    responses(
        (status = 200, body = Question),
        (status = 400, body = ErrorBody, description = "`app_id is required`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`APP_SECRET_REQUIRED`; strict gate: `APP_NOT_FOUND`, `APP_REGISTRATION_REQUIRED`"),
        (status = 403, body = ErrorBody, description = "`EMAIL_NOT_VERIFIED`, `DEMO_APP`, `FOREIGN_FORM`"),
        (status = 404, body = ErrorBody, description = "`App not found`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn begin_dashboard(
    State(app): State<App>,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    begin(&app, &noted, &parts, &body, Aim::Session).await
}

/// Begin the making of a device code: prove to be the app's owner and get five numbers to hash.
#[utoipa::path(
    post, path = "/v1/auth/device-code", tag = "botcha", operation_id = "botcha_begin_device_code",
    params(
        ("app_id" = Option<String>, Query, description = "As in the body"),
        ("X-App-Secret" = Option<String>, Header, description = "As `app_secret`"),
    ),
    request_body = OwnerLogin,
    security((), ("BotchaSession" = []), ("BotchaAppSecret" = [])),
    responses(
        (status = 200, body = Question),
        (status = 400, body = ErrorBody, description = "`app_id is required`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`APP_SECRET_REQUIRED`; strict gate: `APP_NOT_FOUND`, `APP_REGISTRATION_REQUIRED`"),
        (status = 403, body = ErrorBody, description = "`EMAIL_NOT_VERIFIED`, `DEMO_APP`, `FOREIGN_FORM`"),
        (status = 404, body = ErrorBody, description = "`App not found`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn begin_device_code(
    State(app): State<App>,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    begin(&app, &noted, &parts, &body, Aim::DeviceCode).await
}

/// Answer the numbers and get a session of the dashboard. There is one attempt, right or wrong.
#[utoipa::path(
    post, path = "/v1/auth/dashboard/verify", tag = "botcha", operation_id = "botcha_verify_dashboard_login",
    request_body = Answer,
    responses(
        (status = 200, body = NewSession),
        (status = 400, body = ErrorBody, description = "Members missing, `APP_ID_MISMATCH`, `INVALID_APP_ID`"),
        (status = 401, body = ErrorBody, description = "`APP_NOT_FOUND`; strict gate: `APP_REGISTRATION_REQUIRED`"),
        (status = 403, body = ErrorBody, description = "Unknown, late or wrong; `APP_ID_MISMATCH`, `EMAIL_NOT_VERIFIED`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn verify_dashboard(
    State(app): State<App>,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let OwnerChallenge { app_id, actor, .. } = judge(&app, &noted, &parts, &body, Aim::Session).await?;
    Ok(uncached(NewSession {
        success: true,
        session_token: super::begin(&app, &app_id, &actor, "challenge").await?,
        expires_in: owner::SESSION_SECONDS,
        app_id,
        dashboard_url: "/dashboard",
        usage: "Send it as Authorization: Bearer <session_token>, or as the cookie botcha_session",
    }))
}

/// Answer the numbers and get a device code for the human. There is one attempt, right or wrong.
#[utoipa::path(
    post, path = "/v1/auth/device-code/verify", tag = "botcha", operation_id = "botcha_verify_device_code",
    request_body = Answer,
    responses(
        (status = 200, body = NewDeviceCode),
        (status = 400, body = ErrorBody, description = "Members missing, `APP_ID_MISMATCH`, `INVALID_APP_ID`"),
        (status = 401, body = ErrorBody, description = "`APP_NOT_FOUND`; strict gate: `APP_REGISTRATION_REQUIRED`"),
        (status = 403, body = ErrorBody, description = "Unknown, late or wrong; `APP_ID_MISMATCH`, `EMAIL_NOT_VERIFIED`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn verify_device_code(
    State(app): State<App>,
    noted: Noted,
    Origin(origin): Origin,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let OwnerChallenge { app_id, actor, .. } = judge(&app, &noted, &parts, &body, Aim::DeviceCode).await?;
    let content = Content::Device { app_id: app_id.clone() };
    let code = codes::store(&app, content, DEVICE_CODE_SECONDS).await?;
    audit::record(&app, &app_id, &actor, "device_code.made", json!({})).await?;
    let login_url = format!("{origin}/dashboard/code");
    let magic_link = format!("{origin}/go/{code}");
    Ok(uncached(NewDeviceCode {
        success: true,
        instructions: format!(
            "Give your human the link {magic_link}, or the code {code} to enter at {login_url}. It is good once, for \
             10 minutes, and logs in as the owner of the app: give it to nobody else."
        ),
        code,
        login_url,
        magic_link,
        expires_in: DEVICE_CODE_SECONDS,
    }))
}

/// The routes.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(begin_dashboard))
        .routes(routes!(verify_dashboard))
        .routes(routes!(begin_device_code))
        .routes(routes!(verify_device_code))
}

async fn begin(app: &App, noted: &Noted, parts: &Parts, body: &[u8], aim: Aim) -> Result<Response> {
    let members = lenient_members(body);
    let app_id = named_app(app, parts, &members).await?.id;
    super::count(app, parts).await?;
    let actor = match owner::prove(app, parts, &members, &app_id).await.map_err(bare)? {
        Some(proof) => proof.actor,
        None if app.config.compat.dashboard_login => Actor::Anyone,
        None => return Err(secret_required()),
    };
    noted.note(Happening::generated("dashboard", Some(&app_id)));
    let (challenge_id, problems, now) = (new_id(app), numbers(&app.seed()), app.now());
    let challenge = Challenge {
        kind: ChallengeKind::Speed,
        id: challenge_id.clone(),
        issued_at: now,
        deadline: now.plus_milliseconds(PATIENCE),
        limit_ms: SPEED_LIMIT_MS,
        rtt_ms: None,
        expected: solve_speed(&problems),
    };
    app.storage.put(&OwnerChallenge { aim, challenge, app_id, actor }).await?;
    Ok(uncached(Question {
        challenge_id,
        r#type: "speed",
        problems,
        time_limit_ms: SPEED_LIMIT_MS,
        instructions: "Take the SHA-256 of each number, written as decimal digits, and send challenge_id and the \
            first 8 hexadecimal characters of each as answers, in order, to this address with /verify. There is one \
            attempt.",
    }))
}

/// Takes the challenge that is answered: right, wrong and late answers all use it up.
async fn judge(app: &App, noted: &Noted, parts: &Parts, body: &[u8], aim: Aim) -> Result<OwnerChallenge> {
    let members = lenient_members(body);
    let named = gate::enter_with_body(app, parts, &members).await?;
    super::count(app, parts).await?;
    let id = members.get("challenge_id").and_then(Value::as_str);
    let answers = members.get("answers").filter(|answers| answers.is_array());
    let (Some(id), Some(answers)) = (id, answers) else {
        let message = "Send the challenge_id and the five answers, as an array of strings";
        return Err(sentence(Error::invalid(message), "challenge_id and answers[] are required"));
    };
    let found =
        if id.len() <= LONGEST_ID { app.storage.take::<OwnerChallenge>(&key(aim, id)).await? } else { None };
    let found = found.ok_or_else(failed)?;
    let solved = check_speed(&found.challenge, answers, app.now());
    let outcome = solved.as_ref().map(|solved| solved.solve_time_ms).map_err(quivive_core::Error::message);
    noted.note(Happening::verified("dashboard", Some(&found.app_id), outcome));
    let owned = apps::find(app, &found.app_id).await?;
    let rotated_at = owned.as_ref().and_then(|owned| owned.credentials_rotated_at);
    // Whoever proved himself by a secret that was replaced since is the owner no more.
    let is_outlived = owned.is_none() || rotated_at.is_some_and(|at| at > found.challenge.issued_at);
    if solved.is_err() || is_outlived {
        return Err(failed());
    }
    let in_body = || members.get("app_id").and_then(Value::as_str);
    let wanted = named.as_ref().map(|named| named.id.as_str()).or_else(in_body);
    if wanted.is_some_and(|wanted| wanted != found.app_id) {
        let message = "The challenge was made for another app";
        return Err(bare(Error::forbidden(message).with_code("APP_ID_MISMATCH")));
    }
    Ok(found)
}

/// The app whose owner wants in. While the gate is open its two refusals have the words of these routes.
async fn named_app(app: &App, parts: &Parts, members: &Map<String, Value>) -> Result<RegisteredApp> {
    let is_open = app.config.botcha.app_gate == AppGate::Open;
    gate::require(app, parts, members).await.map_err(|failure| match failure.error.code() {
        "APP_REGISTRATION_REQUIRED" if is_open => {
            let message = "Name the app with app_id; register one at POST /v1/apps";
            sentence(Error::invalid(message), "app_id is required")
        }
        "APP_NOT_FOUND" if is_open => {
            sentence(Error::not_found("There is no app of this id"), "App not found")
        }
        _ => failure,
    })
}

/// Five numbers from 0 to 999999, each equally likely.
fn numbers(seed: &[u8; 32]) -> Vec<u64> {
    let mut stream = RandomStream::new(seed, "owner challenge");
    (0..5).map(|_| u64::from(stream.below(1_000_000))).collect()
}

fn key(aim: Aim, id: &str) -> String {
    match aim {
        Aim::Session => format!("session:{id}"),
        Aim::DeviceCode => format!("device-code:{id}"),
    }
}

fn secret_required() -> Failure {
    let message = "An app id is public and proves nothing: send app_secret in the body, the header X-App-Secret, or a \
                   session of this app";
    let error = Error::unauthenticated(message).with("code", "APP_SECRET_REQUIRED");
    sentence(error, "app_secret is required")
}

fn failed() -> Failure {
    let message = "Ask for a new challenge; each is good for one answer within two seconds";
    sentence(
        Error::new(ErrorKind::Forbidden, message),
        "Challenge failed: not found, expired, or wrong answers",
    )
}

/// An error that these routes tell by a sentence in place of a code.
fn sentence(error: Error, sentence: &'static str) -> Failure {
    bare(error.with_code(sentence))
}

fn bare(error: Error) -> Failure {
    Failure { error, form: Form::Bare }
}

/// How long a device code is good, in seconds.
const DEVICE_CODE_SECONDS: i64 = 600;
/// How long a challenge is kept, in milliseconds; a late answer is told from an unknown one in the metrics alone.
const LIFETIME: i64 = 60_000;
/// How long an answer may take, in milliseconds: more than is announced, for the way there and back.
const PATIENCE: i64 = 2_000;
const LONGEST_ID: usize = 64;
