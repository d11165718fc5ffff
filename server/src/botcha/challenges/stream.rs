//! A speed challenge on an event stream: connect, say `go`, solve.

pub mod open;
mod session;

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use http::request::Parts;
use http::{HeaderValue, header};
use quivive_core::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::open::Full;
use self::session::{Begun, Session, Verdict};
use super::posed::{self, Problem};
use super::{count, given};
use crate::app::App;
use crate::botcha::analytics::{Happening, Noted};
use crate::botcha::gate;
use crate::botcha::issue::Grant;
use crate::botcha::limits;
use crate::botcha::token::uncached;
use crate::botcha::token_block::TokenBlock;
use crate::botcha::wire::{ErrorBody, Failure, Form, Result, members};
use crate::error::Error;
use crate::extract::{Body, ClientIp, Origin, Path};

/// What to do next with a session.
#[derive(ToSchema)]
#[schema(as = BotchaStreamAction)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct StreamAction {
    /// `go` starts the clock, `solve` brings the answers.
    action: String,
    /// Five answers of 8 hexadecimal characters, in order; with `solve`.
    answers: Option<Vec<String>>,
    /// The session; where the path does not name it.
    session: Option<String>,
}

/// What became of an action; the same is pushed on the stream.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaStreamAnswer)]
struct StreamAnswer {
    success: bool,
    /// `challenge` or `result`.
    event: &'static str,
    data: StreamData,
}

/// The content of a pushed event.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaStreamData)]
#[serde(untagged)]
enum StreamData {
    Challenge(StreamChallenge),
    Result(Box<StreamResult>),
}

/// The problems of a stream.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaStreamChallenge)]
#[serde(rename_all = "camelCase")]
struct StreamChallenge {
    problems: Vec<Problem>,
    /// Milliseconds, without any grace.
    time_limit: u32,
    /// When the clock started, in milliseconds since the Unix epoch.
    timer_start: i64,
    instructions: String,
}

/// One event of a stream.
#[derive(ToSchema)]
#[schema(as = BotchaStreamEvent)]
#[expect(dead_code, reason = "describes events that are written as text")]
struct StreamEvent {
    /// `welcome`, `instructions`, `instruction`, `ready`, `challenge` or `result`.
    event: String,
    /// JSON.
    data: String,
}

/// How answers were judged.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = BotchaStreamResult)]
#[serde(rename_all = "camelCase")]
struct StreamResult {
    success: bool,
    verdict: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    solve_time_ms: Option<i64>,
    /// The access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<String>,
    /// All tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<TokenBlock>,
}

/// Open a stream of events: greeting, instructions and `ready` with the session; later the `challenge` and the
/// `result`. A comment comes every 15 seconds; after five minutes the stream ends.
#[utoipa::path(
    get, path = "/v1/challenge/stream", tag = "botcha", operation_id = "botcha_open_challenge_stream",
    params(
        ("ts" = Option<String>, Query, description = "The client's time in milliseconds since the Unix epoch"),
        ("app_id" = Option<String>, Query, description = "The app to bind the session to"),
        ("X-Client-Timestamp" = Option<String>, Header, description = "As `ts`"),
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = StreamEvent),
        (status = 400, body = ErrorBody, description = "`INVALID_APP_ID`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`APP_NOT_FOUND`, `APP_REGISTRATION_REQUIRED`"),
        (status = 403, body = ErrorBody, description = "`EMAIL_NOT_VERIFIED`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`, also for too many open streams"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`, `TOO_MANY_STREAMS`"),
    ),
)]
async fn connect(State(app): State<App>, ClientIp(ip): ClientIp, parts: Parts) -> Result<Response> {
    let named = gate::enter(&app, &parts).await?;
    count(&app, &parts).await?;
    let session = Session::open(&app, posed::time_limit(&app, &parts), named.map(|named| named.id)).await?;
    let waiting = app
        .streams
        .open(&session.id, limits::subscriber(ip), app.config.limits.open_streams)
        .map_err(|full| {
            Failure::from(match full {
                Full::Caller => {
                    Error::rate_limited("You have too many open streams").retry_after(RETRY_SECONDS)
                }
                Full::Server => Error::unavailable("too many streams are open")
                    .with_code("TOO_MANY_STREAMS")
                    .retry_after(RETRY_SECONDS),
            })
            .in_form(if full == Full::Caller { Form::Bare } else { Form::Coded })
        })?;
    let greeting = greeting(&app, &session.id);
    let pushed = stream::unfold((waiting, app), async |(mut waiting, app)| {
        let event = waiting.next(&app.is_accepting).await?;
        Some((event, (waiting, app)))
    });
    let events = stream::iter(greeting).chain(pushed).map(Ok::<_, Infallible>);
    Ok(answered(events))
}

/// Say `go`, or `solve` with the answers.
#[utoipa::path(
    post, path = "/v1/challenge/stream/{session}", tag = "botcha", operation_id = "botcha_act_on_challenge_stream",
    params(("session" = String, Path, description = "The session of the event `ready`")),
    request_body = StreamAction,
    responses(
        (status = 200, body = StreamAnswer, description = "The problems, or the result: `success` says how"),
        (status = 400, body = ErrorBody, description = "`INVALID_STATE`, `MISSING_ANSWERS`, `UNKNOWN_ACTION`, `INVALID_JSON`"),
        (status = 404, body = ErrorBody, description = "`SESSION_NOT_FOUND`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn act(
    State(app): State<App>,
    Origin(origin): Origin,
    noted: Noted,
    session: std::result::Result<Path<String>, Error>,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    count(&app, &parts).await?;
    let session = session.map(|Path(session)| session).unwrap_or_default();
    answer(&app, &origin, &noted, &session, &members(&body)?).await
}

/// Say `go`, or `solve` with the answers; the session is named in the body.
#[utoipa::path(
    post, path = "/v1/challenge/stream", tag = "botcha", operation_id = "botcha_act_on_named_challenge_stream",
    request_body = StreamAction,
    responses(
        (status = 200, body = StreamAnswer, description = "The problems, or the result: `success` says how"),
        (status = 400, body = ErrorBody, description = "`INVALID_STATE`, `MISSING_ANSWERS`, `UNKNOWN_ACTION`, `INVALID_JSON`"),
        (status = 404, body = ErrorBody, description = "`SESSION_NOT_FOUND`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn act_on_named(
    State(app): State<App>,
    Origin(origin): Origin,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    count(&app, &parts).await?;
    let members = members(&body)?;
    let session = members.get("session").and_then(Value::as_str).unwrap_or_default();
    answer(&app, &origin, &noted, session, &members).await
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(connect, act_on_named)).routes(routes!(act))
}

fn greeting(app: &App, session: &str) -> Vec<Event> {
    let mut events =
        vec![event("welcome", &json!({ "session": session, "version": app.config.botcha.version }))];
    for message in [
        "You will get five numbers.",
        "For each, compute SHA-256 of its decimal digits and keep the first 8 hexadecimal characters.",
        "The clock starts when you say go: POST {\"action\": \"go\"} to the endpoint below.",
        "Then POST {\"action\": \"solve\", \"answers\": [...]} to the same endpoint, all five at once.",
    ] {
        // Written descriptions of the API say `instructions`, its clients listen to `instruction`.
        events.push(event("instructions", &json!({ "message": message })));
        events.push(event("instruction", &json!({ "message": message })));
    }
    let ready = json!({
        "message": "Say go when you are ready.",
        "endpoint": format!("/v1/challenge/stream/{session}"),
        "session": session,
    });
    events.push(event("ready", &ready));
    events
}

fn answered(events: impl Stream<Item = std::result::Result<Event, Infallible>> + Send + 'static) -> Response {
    let heartbeat = KeepAlive::new().interval(Duration::from_secs(15)).text("heartbeat");
    let mut response = Sse::new(events).keep_alive(heartbeat).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies that know this header pass events on at once.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

async fn answer(
    app: &App,
    origin: &str,
    noted: &Noted,
    id: &str,
    members: &Map<String, Value>,
) -> Result<Response> {
    let Some(session) = (if id.len() <= LONGEST_ID { Session::look(app, id).await? } else { None }) else {
        return Err(unknown());
    };
    match members.get("action").and_then(Value::as_str).unwrap_or_default() {
        "go" => begin(app, noted, id).await,
        "solve" => solve(app, origin, noted, &session, given(members, "answers")).await,
        other => {
            let other: String = other.chars().take(40).collect();
            let message = format!("Unknown action: {other}. Expected \"go\" or \"solve\"");
            Err(Error::invalid(message).with_code("UNKNOWN_ACTION").into())
        }
    }
}

async fn begin(app: &App, noted: &Noted, id: &str) -> Result<Response> {
    let (question, started, app_id) = match Session::begin(app, id).await? {
        Begun::Challenged { question, started, app_id } => (question, started, app_id),
        Begun::Already => return Err(invalid_state("Session is in challenged state, expected ready")),
        Begun::Unknown => return Err(unknown()),
    };
    noted.note(Happening::generated("stream", app_id.as_deref()));
    let problems = question.problems.unwrap_or_default().into_iter();
    let data = StreamData::Challenge(StreamChallenge {
        problems: problems
            .map(|problem| Problem { num: problem.num, operation: problem.operation })
            .collect(),
        time_limit: question.limit_ms,
        timer_start: started.milliseconds(),
        instructions: question.instructions,
    });
    app.streams.push(id, event("challenge", &data));
    Ok(uncached(StreamAnswer { success: true, event: "challenge", data }))
}

async fn solve(
    app: &App,
    origin: &str,
    noted: &Noted,
    session: &Session,
    answers: Option<&Value>,
) -> Result<Response> {
    if session.state() != "challenged" {
        let message = "Session is in ready state, expected challenged. Try sending GO first.";
        return Err(invalid_state(message));
    }
    let Some(answers) = answers.filter(|answers| answers.is_array()) else {
        return Err(Error::invalid("Missing answers array").with_code("MISSING_ANSWERS").into());
    };
    let session = Session::take(app, &session.id).await?.ok_or_else(unknown)?;
    let result = judge(app, origin, noted, &session, answers, app.now()).await?;
    let success = result.success;
    let data = StreamData::Result(Box::new(result));
    app.streams.finish(&session.id, event("result", &data));
    Ok(uncached(StreamAnswer { success, event: "result", data }))
}

async fn judge(
    app: &App,
    origin: &str,
    noted: &Noted,
    session: &Session,
    answers: &Value,
    now: Timestamp,
) -> Result<StreamResult> {
    let (verdict, message, solve_time_ms) = match session.judge(answers, now).ok_or_else(unknown)? {
        Verdict::Right(took) => {
            noted.note(Happening::verified("stream", session.app_id.as_deref(), Ok(took)));
            return passed(app, origin, session, took).await;
        }
        Verdict::TooSlow(took, message) => ("🚫 TOO SLOW", message, Some(took)),
        Verdict::WrongFormat => ("❌ WRONG FORMAT", "Must provide exactly 5 answers".to_owned(), None),
        Verdict::WrongAnswer(number) => {
            ("❌ WRONG ANSWER", format!("Wrong answer for problem {number}"), None)
        }
    };
    noted.note(Happening::verified("stream", session.app_id.as_deref(), Err(&message)));
    Ok(StreamResult { verdict, message, solve_time_ms, ..StreamResult::default() })
}

async fn passed(app: &App, origin: &str, session: &Session, took: i64) -> Result<StreamResult> {
    let grant = Grant {
        subject: session.id.clone(),
        solve_time: took,
        audience: None,
        client_ip: None,
        app_id: session.app_id.clone(),
        is_owner: false,
    };
    let tokens = TokenBlock::issue(app, origin, &grant).await?;
    Ok(StreamResult {
        success: true,
        verdict: "🤖 VERIFIED",
        message: format!("Challenge solved in {took}ms. You are a bot."),
        solve_time_ms: Some(took),
        token: Some(tokens.access_token().to_owned()),
        expires_in: Some(tokens.life().to_owned()),
        tokens: Some(tokens),
    })
}

fn event(name: &str, data: &impl Serialize) -> Event {
    // What is sent has a JSON form.
    Event::default().event(name).json_data(data).unwrap_or_default()
}

fn unknown() -> Failure {
    Error::not_found("There is no such session: open a stream first").with_code("SESSION_NOT_FOUND").into()
}

fn invalid_state(message: &str) -> Failure {
    Error::invalid(message).with_code("INVALID_STATE").into()
}

/// When it is worth trying again after there was no room.
const RETRY_SECONDS: i64 = 60;
const LONGEST_ID: usize = 64;
