//! The pages on which a person logs in and out.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::Uri;
use http::request::Parts;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{redeem, redirect, redirect_with, welcome};
use crate::app::App;
use crate::audit::{self, Actor};
use crate::botcha::form::Fields;
use crate::botcha::owner::{self, Presented};
use crate::botcha::page::{self, Block, Button, Field, Form, Frame, Page, Tone};
use crate::botcha::wire::ErrorBody;
use crate::botcha::{apps, codes};
use crate::error::{ErrorKind, Result};
use crate::extract::{Origin, Path, query_value};

/// The login by secret.
#[derive(ToSchema)]
#[schema(as = BotchaSecretLogin)]
#[expect(dead_code, reason = "describes a form that is read field by field")]
struct SecretLogin {
    app_id: String,
    app_secret: String,
}

/// The login by code.
#[derive(ToSchema)]
#[schema(as = BotchaCodeLogin)]
#[expect(dead_code, reason = "describes a form that is read field by field")]
struct CodeLogin {
    /// In upper or lower case, with or without `BOTCHA-`.
    code: String,
}

/// The three ways in, as a page.
#[utoipa::path(
    get, path = "/login", tag = "botcha", operation_id = "botcha_read_login",
    params(("error" = Option<String>, Query, description = "`email_missing`, `missing`, `invalid` or `server`")),
    responses(
        (status = 200, description = "The page", content((String = "text/html"), (String = "text/markdown"))),
        (
            status = 503, description = "`STORAGE_UNAVAILABLE`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
    ),
)]
async fn read_short(app: State<App>, origin: Origin, parts: Parts) -> Response {
    read(app, origin, parts).await
}

/// The three ways in, as a page.
#[utoipa::path(
    get, path = "/dashboard/login", tag = "botcha", operation_id = "botcha_read_dashboard_login",
    params(("error" = Option<String>, Query, description = "`email_missing`, `missing`, `invalid` or `server`")),
    responses(
        (status = 200, description = "The page", content((String = "text/html"), (String = "text/markdown"))),
        (
            status = 503, description = "`STORAGE_UNAVAILABLE`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
    ),
)]
async fn read(State(app): State<App>, origin: Origin, parts: Parts) -> Response {
    let error = query_value(&parts.uri, "error");
    let page = login_page(&app.config.service_name, error.as_deref());
    let answer = page::respond(&app, &origin, &parts.headers, frame(&parts.uri), &page).await;
    page::answer(&app, &origin, &parts.headers, answer).await
}

/// Sends an older form on.
#[utoipa::path(
    post, path = "/login", tag = "botcha", operation_id = "botcha_send_login_on",
    responses((status = 307, description = "To `/dashboard/login`", headers(("Location" = String)))),
)]
async fn send_on() -> Response {
    Redirect::temporary("/dashboard/login").into_response()
}

/// Log in with the app's secret.
#[utoipa::path(
    post, path = "/dashboard/login", tag = "botcha", operation_id = "botcha_log_in_with_secret",
    request_body(content = SecretLogin, content_type = "application/x-www-form-urlencoded"),
    responses(
        (
            status = 302,
            description = "To `/account` with the session's cookie, or back with `?error=missing`, `invalid`, `server`",
            headers(("Location" = String), ("Set-Cookie" = Option<String>)),
        ),
        (
            status = 400, description = "The form cannot be read",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
        (
            status = 403, description = "`FOREIGN_FORM`: another site sent it",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
        (
            status = 413, description = "`PAYLOAD_TOO_LARGE`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
        (
            status = 429, description = "`RATE_LIMIT_EXCEEDED`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
    ),
)]
async fn enter_by_secret(State(app): State<App>, origin: Origin, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = async {
        owner::refuse_foreign(&parts.headers, &origin)?;
        let fields = Fields::read(Request::from_parts(parts.clone(), body)).await?;
        let (app_id, secret) = (fields.text("app_id"), fields.text("app_secret"));
        if app_id.is_empty() || secret.is_empty() {
            return Ok(redirect("/dashboard/login?error=missing"));
        }
        super::count(&app, &parts).await.map_err(|failure| failure.error)?;
        let found = apps::find(&app, app_id).await?;
        if !owner::has_secret(found.as_ref(), secret) {
            return Ok(redirect("/dashboard/login?error=invalid"));
        }
        welcome(&app, &origin, app_id, &Actor::AppSecret, "app_secret").await
    };
    match answer.await {
        Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unavailable) => {
            error.log();
            redirect("/dashboard/login?error=server")
        }
        answer => page::answer(&app, &origin, &parts.headers, answer).await,
    }
}

/// The form for a code.
#[utoipa::path(
    get, path = "/dashboard/code", tag = "botcha", operation_id = "botcha_read_code_form",
    params(
        ("code" = Option<String>, Query, description = "What the field holds at first"),
        ("email_sent" = Option<String>, Query, description = "`1` after a mail was asked for"),
        ("error" = Option<String>, Query, description = "`invalid` or `missing`"),
    ),
    responses(
        (status = 200, description = "The page", content((String = "text/html"), (String = "text/markdown"))),
        (
            status = 503, description = "`STORAGE_UNAVAILABLE`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
    ),
)]
async fn read_code(State(app): State<App>, origin: Origin, parts: Parts) -> Response {
    let code = query_value(&parts.uri, "code").unwrap_or_default();
    show_code_form(&app, &origin, &parts, &code).await
}

/// The form for a code, with the code of the path in it.
#[utoipa::path(
    get, path = "/dashboard/code/{code}", tag = "botcha", operation_id = "botcha_read_filled_code_form",
    params(("code" = String, Path, description = "With or without `BOTCHA-`; anything else leaves the field empty")),
    responses(
        (status = 200, description = "The page", content((String = "text/html"), (String = "text/markdown"))),
        (
            status = 503, description = "`STORAGE_UNAVAILABLE`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
    ),
)]
async fn read_filled_code(
    State(app): State<App>,
    origin: Origin,
    code: Result<Path<String>>,
    parts: Parts,
) -> Response {
    let code = code.map_or_else(|_| String::new(), |Path(code)| code);
    show_code_form(&app, &origin, &parts, &code).await
}

/// Log in with a device code. An address has 20 tries of codes per hour.
#[utoipa::path(
    post, path = "/dashboard/code", tag = "botcha", operation_id = "botcha_log_in_with_code",
    request_body(content = CodeLogin, content_type = "application/x-www-form-urlencoded"),
    responses(
        (
            status = 302,
            description = "To `/account` with the session's cookie, or back with `?error=missing` or `invalid`",
            headers(("Location" = String), ("Set-Cookie" = Option<String>)),
        ),
        (
            status = 400, description = "The form cannot be read",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
        (
            status = 403, description = "`FOREIGN_FORM`: another site sent it",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
        (
            status = 413, description = "`PAYLOAD_TOO_LARGE`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
        (
            status = 503, description = "`STORAGE_UNAVAILABLE`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
    ),
)]
async fn enter_by_code(State(app): State<App>, origin: Origin, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = async {
        owner::refuse_foreign(&parts.headers, &origin)?;
        let fields = Fields::read(Request::from_parts(parts.clone(), body)).await?;
        let typed = fields.text("code");
        if typed.is_empty() {
            return Ok(redirect("/dashboard/code?error=missing"));
        }
        let entered = match codes::normalize(typed) {
            _ if !codes::may_try(&app, &parts).await? => None,
            Some(code) => redeem(&app, &origin, &code).await?,
            None => None,
        };
        Ok(entered.unwrap_or_else(|| redirect("/dashboard/code?error=invalid")))
    };
    page::answer(&app, &origin, &parts.headers, answer.await).await
}

/// Log out. Browsers send the cookie with links from other sites, not with what pages of theirs embed: a link can
/// end a session, which then has to be begun again.
#[utoipa::path(
    get, path = "/dashboard/logout", tag = "botcha", operation_id = "botcha_log_out_by_link",
    responses(
        (
            status = 302, description = "To `/login`; the session has ended",
            headers(("Location" = String), ("Set-Cookie" = String)),
        ),
        (
            status = 503, description = "`STORAGE_UNAVAILABLE`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
    ),
)]
async fn leave_by_link(State(app): State<App>, origin: Origin, parts: Parts) -> Response {
    page::answer(&app, &origin, &parts.headers, leave(&app, &origin, &parts).await).await
}

/// Log out.
#[utoipa::path(
    post, path = "/dashboard/logout", tag = "botcha", operation_id = "botcha_log_out",
    responses(
        (
            status = 302, description = "To `/login`; the session has ended",
            headers(("Location" = String), ("Set-Cookie" = String)),
        ),
        (
            status = 403, description = "`FOREIGN_FORM`: not sent by a page of this server",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
        (
            status = 503, description = "`STORAGE_UNAVAILABLE`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
    ),
)]
async fn leave_by_form(State(app): State<App>, origin: Origin, parts: Parts) -> Response {
    page::answer(&app, &origin, &parts.headers, leave(&app, &origin, &parts).await).await
}

/// The routes.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read_short, send_on))
        .routes(routes!(read, enter_by_secret))
        .routes(routes!(read_code, enter_by_code))
        .routes(routes!(read_filled_code))
        .routes(routes!(leave_by_link, leave_by_form))
}

async fn leave(app: &App, origin: &Origin, parts: &Parts) -> Result<Response> {
    if let Presented::Session(session) = owner::session(app, parts).await? {
        owner::end_session(app, &session).await?;
        let actor = Actor::Session(session.id);
        audit::record(app, &session.app.id, &actor, "session.ended", json!({})).await?;
    }
    Ok(redirect_with("/login", owner::no_session_cookie(origin)?))
}

async fn show_code_form(app: &App, origin: &Origin, parts: &Parts, code: &str) -> Response {
    let error = query_value(&parts.uri, "error");
    let is_mailed = query_value(&parts.uri, "email_sent").as_deref() == Some("1");
    let page = code_page(code, error.as_deref(), is_mailed);
    let answer = page::respond(app, origin, &parts.headers, frame(&parts.uri), &page).await;
    page::answer(app, origin, &parts.headers, answer).await
}

fn frame(uri: &Uri) -> Frame<'_> {
    Frame { path: uri.path(), is_narrow: true, ..Frame::default() }
}

fn login_page(name: &str, error: Option<&str>) -> Page {
    let error = error.and_then(|error| match error {
        "email_missing" => Some("Type the e-mail address that the app was registered with."),
        "missing" => Some("Type both the app id and the app secret."),
        "invalid" => Some("There is no app with this id and this secret."),
        "server" => Some("That did not work, and it was not your doing. Try again in a moment."),
        _ => None,
    });
    let mut blocks: Vec<Block> =
        error.map(|text| Block::Notice(Tone::Bad, text.to_owned())).into_iter().collect();
    blocks.extend([
        Block::text(format!("For owners of an app on {name}. There are three ways in.")),
        Block::Card(vec![
            Block::heading("By e-mail"),
            Block::text("A code is sent to the app's verified address. It is good for ten minutes."),
            Block::Form(Form {
                action: "/dashboard/email-login".to_owned(),
                fields: vec![Field {
                    name: "email",
                    label: "E-mail address".to_owned(),
                    kind: "email",
                    value: String::new(),
                    autocomplete: "email",
                    example: "you@example.com",
                }],
                buttons: vec![Button::send("Send me a code")],
            }),
        ]),
        Block::Card(vec![
            Block::heading("With a code from your agent"),
            Block::text("Your agent can make a code for you, so that no secret leaves its place."),
            Block::Links(vec![("Enter the code".to_owned(), "/dashboard/code".to_owned())]),
        ]),
        Block::Card(vec![
            Block::heading("With the app's secret"),
            Block::Form(Form {
                action: "/dashboard/login".to_owned(),
                fields: vec![
                    Field {
                        name: "app_id",
                        label: "App id".to_owned(),
                        kind: "text",
                        value: String::new(),
                        autocomplete: "username",
                        example: "app_0123456789abcdef",
                    },
                    Field {
                        name: "app_secret",
                        label: "App secret".to_owned(),
                        kind: "password",
                        value: String::new(),
                        autocomplete: "current-password",
                        example: "",
                    },
                ],
                buttons: vec![Button::send("Log in")],
            }),
        ]),
        Block::text(
            "No app yet? `POST /v1/apps` with an e-mail address registers one. Programs log in with \
             `POST /v1/auth/dashboard`, and make a code for their human with `POST /v1/auth/device-code`.",
        ),
    ]);
    Page {
        title: "Log in".to_owned(),
        description:
            "The owner of an app logs in: with a code by e-mail, a code from an agent, or the app's secret."
                .to_owned(),
        blocks,
    }
}

fn code_page(code: &str, error: Option<&str>, is_mailed: bool) -> Page {
    let notice = match error {
        Some("invalid") => Some((
            Tone::Bad,
            "This code has been used, is older than ten minutes, or never was one. After too many tries no \
             code is taken for an hour.",
        )),
        Some("missing") => Some((Tone::Bad, "Type the code.")),
        _ if is_mailed => Some((
            Tone::Good,
            "If this address belongs to an app and is verified, a code is on its way. It is good for ten minutes.",
        )),
        _ => None,
    };
    // Anything but a code stays out of the page.
    let code = codes::normalize(code).unwrap_or_default();
    let mut blocks: Vec<Block> =
        notice.map(|(tone, text)| Block::Notice(tone, text.to_owned())).into_iter().collect();
    blocks.extend([
        Block::Card(vec![
            Block::text("The six symbols after `BOTCHA-`, from the mail or from your agent."),
            Block::Form(Form {
                action: "/dashboard/code".to_owned(),
                fields: vec![Field {
                    name: "code",
                    label: "Code".to_owned(),
                    kind: "text",
                    value: code.rsplit('-').next().unwrap_or_default().to_owned(),
                    autocomplete: "one-time-code",
                    example: "ABC234",
                }],
                buttons: vec![Button::send("Log in")],
            }),
        ]),
        Block::Links(vec![("Other ways to log in".to_owned(), "/login".to_owned())]),
    ]);
    Page {
        title: "Enter your code".to_owned(),
        description: "The owner of an app logs in with a code from a mail or from his agent.".to_owned(),
        blocks,
    }
}
