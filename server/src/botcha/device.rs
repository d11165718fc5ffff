//! `/device`: the page on which an app's owner decides about an agent that asks for a login.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::agents::Agent;
use super::agents::registry::require_session;
use super::codes;
use super::oauth::grant::{DeviceGrant, Status};
use super::oauth::{self, decision, parameters};
use super::owner::{self, Presented, Session};
use super::page::{self, Block, Button, Field, Form, Frame, Page, Tone};
use super::wire::{ErrorBody, Failure, Result};
use crate::app::App;
use crate::error::Error;
use crate::extract::{Body, Origin, header_text, query_value};

/// The form of the page.
#[derive(ToSchema)]
#[schema(as = BotchaDeviceForm)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct DeviceForm {
    /// `BOTCHA-` and six characters; the prefix may be left out.
    user_code: String,
    /// `approve` or `deny`; without it the page of the code is shown.
    action: Option<String>,
}

/// The page on which an app's owner enters a code and decides about the agent behind it.
#[utoipa::path(
    get, path = "/device", tag = "botcha", operation_id = "botcha_read_device_page",
    params(("code" = Option<String>, Query, description = "The user code that the agent shows")),
    security(("BotchaSession" = [])),
    responses(
        (status = 200, description = "The page", content((String = "text/html"), (String = "text/markdown"))),
        (status = 302, description = "To `/login`, for a browser without a session"),
        (status = 401, body = ErrorBody, description = "No session, for a program"),
        (status = 403, description = "The page: the agent is another app's", content((String = "text/html"), (String = "text/markdown"))),
        (status = 404, description = "The page: no such code", content((String = "text/html"), (String = "text/markdown"))),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn read(State(app): State<App>, origin: Origin, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let session = match enter(&app, &parts).await? {
        Ok(session) => session,
        Err(redirect) => return Ok(redirect),
    };
    let code = query_value(&parts.uri, "code").filter(|code| !code.trim().is_empty());
    let Some(code) = code else {
        return show(&app, &origin, &parts.headers, StatusCode::OK, ask(None)).await;
    };
    oauth::count_decision(&app, &parts).await?;
    match decision::find(&app, &session, &code).await {
        Ok((grant, agent)) => {
            let code = codes::normalize(&code).unwrap_or_default();
            show(&app, &origin, &parts.headers, StatusCode::OK, present(&code, &grant, &agent)).await
        }
        Err(failure) => refuse(&app, &origin, &parts.headers, failure).await,
    }
}

/// Decide, or look at the agent of a code.
#[utoipa::path(
    post, path = "/device", tag = "botcha", operation_id = "botcha_send_device_page",
    request_body(content = DeviceForm, content_type = "application/x-www-form-urlencoded"),
    security(("BotchaSession" = [])),
    responses(
        (status = 302, description = "To `/login`, for a browser without a session"),
        (status = 303, description = "To the page of the code"),
        (status = 400, description = "The page: the code is decided already, or an unknown action; or a body that \
            cannot be read", content((String = "text/html"), (String = "text/markdown"), (ErrorBody = "application/json"))),
        (status = 401, body = ErrorBody, description = "No session, for a program"),
        (status = 403, description = "The page: the agent is another app's; or `FOREIGN_FORM`", content(
            (String = "text/html"), (String = "text/markdown"), (ErrorBody = "application/json"))),
        (status = 404, description = "The page: no such code", content((String = "text/html"), (String = "text/markdown"))),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn send(
    State(app): State<App>,
    origin: Origin,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let session = match enter(&app, &parts).await? {
        Ok(session) => session,
        Err(redirect) => return Ok(redirect),
    };
    let fields = parameters(&parts, &body)?;
    let field = |name: &str| fields.get(name).and_then(|value| value.as_str()).unwrap_or_default().trim();
    let action = field("action");
    let Some(code) = codes::normalize(field("user_code")) else {
        let unknown = Error::not_found("Code not found or expired").into();
        return refuse(&app, &origin, &parts.headers, unknown).await;
    };
    if !action.is_empty() {
        oauth::count_decision(&app, &parts).await?;
        if let Err(failure) = decision::decide(&app, &session, &code, action).await {
            return refuse(&app, &origin, &parts.headers, failure).await;
        }
    }
    // The page of the code tells how it was decided.
    Ok(redirect(StatusCode::SEE_OTHER, &format!("/device?code={code}")))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read, send))
}

/// The owner's session; a browser without one is sent to log in.
async fn enter(app: &App, parts: &Parts) -> Result<Result<Session, Response>> {
    let is_program = header_text(&parts.headers, "accept")
        .is_some_and(|types| types.contains("application/json"))
        || parts.headers.contains_key("hx-request");
    if is_program {
        return Ok(Ok(require_session(app, parts).await?));
    }
    Ok(match owner::session(app, parts).await? {
        Presented::Session(session) => Ok(*session),
        Presented::Nothing | Presented::Invalid => Err(redirect(StatusCode::FOUND, "/login")),
    })
}

fn redirect(status: StatusCode, location: &str) -> Response {
    let mut response = status.into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn refuse(app: &App, origin: &Origin, headers: &HeaderMap, failure: Failure) -> Result<Response> {
    if failure.error.status().is_server_error() {
        return Err(failure);
    }
    show(app, origin, headers, failure.error.status(), ask(Some(failure.error.public_message()))).await
}

async fn show(
    app: &App,
    origin: &Origin,
    headers: &HeaderMap,
    status: StatusCode,
    blocks: Vec<Block>,
) -> Result<Response> {
    let page = Page {
        title: "Log an agent in".to_owned(),
        description: "Decide about an agent of yours that asks for a login.".to_owned(),
        blocks,
    };
    let frame = Frame { status, path: "/device", is_private: true, ..Frame::default() };
    Ok(page::respond(app, origin, headers, frame, &page).await?)
}

fn ask(trouble: Option<&str>) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let Some(trouble) = trouble {
        blocks.push(Block::Notice(Tone::Bad, format!("{trouble}.")));
    }
    blocks.push(Block::text("Enter the code that your agent shows you. You decide on the next page."));
    blocks.push(Block::Form(Form {
        action: "/device".to_owned(),
        fields: vec![Field {
            name: "user_code",
            label: "Code".to_owned(),
            kind: "text",
            value: String::new(),
            autocomplete: "one-time-code",
            example: "BOTCHA-ABC234",
        }],
        buttons: vec![Button::send("Continue")],
    }));
    blocks
}

fn present(code: &str, grant: &DeviceGrant, agent: &Agent) -> Vec<Block> {
    let mut facts = vec![
        ("Name".to_owned(), quoted(&agent.name)),
        ("Id".to_owned(), quoted(&agent.id)),
        ("App".to_owned(), quoted(&agent.app_id)),
        ("Registered".to_owned(), agent.created_at.to_seconds_text()),
        (
            "Confirmed by you".to_owned(),
            if agent.is_owner_verified { "yes" } else { "no: anybody may have registered it" }.to_owned(),
        ),
    ];
    if let Some(operator) = &agent.operator {
        facts.insert(1, ("Operator, as it says".to_owned(), quoted(operator)));
    }
    let mut blocks = vec![
        Block::text("An agent asks to be logged in:"),
        Block::Card(vec![Block::Facts(facts), Block::Facts(vec![("Code".to_owned(), quoted(code))])]),
    ];
    match grant.status {
        Status::Pending => {
            blocks.push(Block::text(
                "Approve only if you started this yourself a moment ago and your agent shows this very code. It then \
                 gets a refresh token for 90 days, with which it is this agent without a challenge. You can take that \
                 back at any time.",
            ));
            blocks.push(Block::Form(Form {
                action: "/device".to_owned(),
                fields: vec![Field {
                    name: "user_code",
                    label: "Code".to_owned(),
                    kind: "hidden",
                    value: code.to_owned(),
                    autocomplete: "off",
                    example: "",
                }],
                buttons: vec![
                    Button {
                        label: "Approve".to_owned(),
                        value: Some(("action", "approve")),
                        is_danger: false,
                    },
                    Button { label: "Deny".to_owned(), value: Some(("action", "deny")), is_danger: true },
                ],
            }));
        }
        Status::Approved => blocks.push(Block::Notice(
            Tone::Good,
            "Approved. The agent fetches its token within 5 minutes; you can close this page.".to_owned(),
        )),
        Status::Denied => {
            blocks.push(Block::Notice(Tone::Bad, "Denied. The agent gets no token.".to_owned()));
        }
    }
    blocks
}

/// What an agent says about itself, in a form that is nothing but text in HTML and in Markdown.
fn quoted(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}
