//! Codes in links: what a person does with the code or link that an agent gave him.

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use quivive_core::token::{Claims, VerifyPolicy};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::apps::{self, RegisteredApp};
use super::codes::{self, Content, Purpose};
use super::form::Fields;
use super::login::{redeem, redirect, redirect_with};
use super::page::{self, Block, Button, Field, Form, Frame, Page, Tone};
use super::wire::ErrorBody;
use super::{owner, revocation};
use crate::app::App;
use crate::error::Result;
use crate::extract::{Origin, Path, cookie, header_text};

/// A code that is typed.
#[derive(ToSchema)]
#[schema(as = BotchaGateForm)]
#[expect(dead_code, reason = "describes a form that is read field by field")]
struct GateForm {
    /// In upper or lower case, with or without `BOTCHA-`.
    code: String,
}

/// Enter a code by a form. An address has 20 tries of codes per hour.
#[utoipa::path(
    post, path = "/gate", tag = "botcha", operation_id = "botcha_enter_gate",
    request_body(content = GateForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (
            status = 302, description = "To `/go/{code}`, or to `/?error=invalid` for what cannot be a code",
            headers(("Location" = String)),
        ),
        (
            status = 400, description = "The code is missing, or the form cannot be read",
            content((String = "text/html"), (String = "text/markdown"), (ErrorBody = "application/json")),
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
async fn gate(State(app): State<App>, origin: Origin, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = async {
        owner::refuse_foreign(&parts.headers, &origin)?;
        let fields = Fields::read(Request::from_parts(parts.clone(), body)).await?;
        let typed = fields.text("code");
        if typed.is_empty() {
            let frame = Frame { status: StatusCode::BAD_REQUEST, is_narrow: true, ..Frame::default() };
            return page::respond(&app, &origin, &parts.headers, frame, &missing_page()).await;
        }
        let may_try = codes::may_try(&app, &parts).await?;
        let code = codes::normalize(typed).filter(|_| may_try);
        Ok(code.map_or_else(invalid, |code| redirect(&format!("/go/{code}"))))
    };
    page::answer(&app, &origin, &parts.headers, answer.await).await
}

/// Follow a link with a code. A code of a verified agent shows that it is verified; a device code leads to a page
/// with a button, so that programs which look at links do not use it up. An address has 20 tries of codes per hour.
#[utoipa::path(
    get, path = "/go/{code}", tag = "botcha", operation_id = "botcha_follow_code",
    params(("code" = String, Path, description = "With or without `BOTCHA-`")),
    responses(
        (
            status = 200, description = "A device code: the page that asks whether to log in",
            content((String = "text/html"), (String = "text/markdown")),
        ),
        (
            status = 302,
            description = "To `/?verified=true&t={milliseconds}` with the cookie `botcha_visitor`, or to `/?error=invalid`",
            headers(("Location" = String), ("Set-Cookie" = Option<String>)),
        ),
        (
            status = 503, description = "`STORAGE_UNAVAILABLE`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
    ),
)]
async fn follow(
    State(app): State<App>,
    origin: Origin,
    code: Result<Path<String>>,
    parts: Parts,
) -> Response {
    let answer = async {
        let Some(code) = admitted(&app, &parts, code).await? else { return Ok(invalid()) };
        let found = codes::look(&app, &code, &[Purpose::Gate, Purpose::Device]).await?;
        match found.map(|found| found.content) {
            Some(Content::Device { app_id }) => {
                let Some(owned) = apps::find(&app, &app_id).await? else { return Ok(invalid()) };
                let page = confirm_page(owned, &code);
                let frame = Frame { path: parts.uri.path(), is_narrow: true, ..Frame::default() };
                let mut response = page::respond(&app, &origin, &parts.headers, frame, &page).await?;
                response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                Ok(response)
            }
            Some(Content::Gate(claims)) if is_glance(&parts) => Ok(redirect(&verified(&claims))),
            Some(Content::Gate(_)) => visit(&app, &origin, &code).await,
            Some(Content::User { .. }) | None => Ok(invalid()),
        }
    };
    page::answer(&app, &origin, &parts.headers, answer.await).await
}

/// Log in with the device code of a link, by the button of its page. An address has 20 tries of codes per hour.
#[utoipa::path(
    post, path = "/go/{code}", tag = "botcha", operation_id = "botcha_confirm_code",
    params(("code" = String, Path, description = "With or without `BOTCHA-`")),
    responses(
        (
            status = 302, description = "To `/account` with the session's cookie, or to `/?error=invalid`",
            headers(("Location" = String), ("Set-Cookie" = Option<String>)),
        ),
        (
            status = 403, description = "`FOREIGN_FORM`: another site sent it",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
        (
            status = 503, description = "`STORAGE_UNAVAILABLE`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
    ),
)]
async fn confirm(
    State(app): State<App>,
    origin: Origin,
    code: Result<Path<String>>,
    parts: Parts,
) -> Response {
    let answer = async {
        owner::refuse_foreign(&parts.headers, &origin)?;
        let Some(code) = admitted(&app, &parts, code).await? else { return Ok(invalid()) };
        Ok(redeem(&app, &origin, &code).await?.unwrap_or_else(invalid))
    };
    page::answer(&app, &origin, &parts.headers, answer.await).await
}

/// Once showed success for whatever stood in `token`; now nothing is verified here.
#[utoipa::path(
    get, path = "/verified", tag = "botcha", operation_id = "botcha_read_verified",
    params(("token" = Option<String>, Query, description = "Not read")),
    responses((status = 302, description = "To `/?error=invalid`", headers(("Location" = String)))),
)]
async fn read_verified() -> Response {
    invalid()
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(gate)).routes(routes!(follow, confirm)).routes(routes!(read_verified))
}

/// The code of a path if it can be one and the caller has a try left.
async fn admitted(app: &App, parts: &Parts, code: Result<Path<String>>) -> Result<Option<String>> {
    if !codes::may_try(app, parts).await? {
        return Ok(None);
    }
    Ok(code.ok().and_then(|Path(code)| codes::normalize(&code)))
}

/// Takes a gate code and marks the browser as that of a person with a verified agent.
async fn visit(app: &App, origin: &Origin, code: &str) -> Result<Response> {
    let Some(Content::Gate(claims)) = codes::take(app, code, &[Purpose::Gate]).await? else {
        return Ok(invalid());
    };
    let now = app.now();
    let is_over = claims.exp.is_none_or(|end| end <= now.seconds());
    if is_over || revocation::is_revoked(app, &claims).await? {
        return Ok(invalid());
    }
    let visitor = Claims {
        token_type: Some(VISITOR_TYPE.to_owned()),
        solve_time: claims.solve_time,
        iat: Some(now.seconds()),
        exp: Some(now.seconds().saturating_add(VISITOR_SECONDS)),
        extra: [("gateCode".to_owned(), Value::from(code))].into_iter().collect(),
        ..Claims::default()
    };
    let cookie = owner::set_cookie(VISITOR_COOKIE, &app.keys.sign(&visitor)?, VISITOR_SECONDS, origin)?;
    Ok(redirect_with(&verified(&claims), cookie))
}

/// Whether a browser carries the mark that [`visit`] gives: only then a page says that an agent is verified.
pub fn is_visitor(app: &App, headers: &HeaderMap) -> bool {
    let policy =
        VerifyPolicy { issuers: None, types: Some(vec![VISITOR_TYPE.to_owned()]), ..VerifyPolicy::default() };
    cookie(headers, VISITOR_COOKIE)
        .and_then(|token| app.keys.verify_signature(token).ok())
        .is_some_and(|claims| policy.check(&claims, app.now()).is_ok())
}

/// Whether nobody has followed the link: its headers alone are asked for, or the browser fetches it in advance.
fn is_glance(parts: &Parts) -> bool {
    let purpose =
        header_text(&parts.headers, "sec-purpose").or_else(|| header_text(&parts.headers, "purpose"));
    parts.method == Method::HEAD || purpose.is_some_and(|purpose| purpose.starts_with("prefetch"))
}

fn verified(claims: &Claims) -> String {
    match claims.solve_time {
        Some(milliseconds) if milliseconds > 0 => format!("/?verified=true&t={milliseconds}"),
        _ => "/?verified=true".to_owned(),
    }
}

fn invalid() -> Response {
    redirect("/?error=invalid")
}

fn confirm_page(owned: RegisteredApp, code: &str) -> Page {
    let name = owned.name.map(|name| ("App".to_owned(), name));
    let facts = name.into_iter().chain([("App id".to_owned(), format!("`{}`", owned.id))]).collect();
    Page {
        title: "Log in with this code?".to_owned(),
        description: "A code that logs the owner of an app in.".to_owned(),
        blocks: vec![
            Block::Card(vec![
                Block::text("This link logs this browser in as the owner of an app, once."),
                Block::Facts(facts),
                Block::Form(Form {
                    action: format!("/go/{code}"),
                    fields: Vec::new(),
                    buttons: vec![Button::send("Log in")],
                }),
            ]),
            Block::text(
                "Go on only if you asked for it, or your own agent gave it to you. Else close this page.",
            ),
        ],
    }
}

fn missing_page() -> Page {
    Page {
        title: "Enter the code".to_owned(),
        description: "A person enters the code that an agent gave him.".to_owned(),
        blocks: vec![
            Block::Notice(Tone::Bad, "The code is missing.".to_owned()),
            Block::Card(vec![
                Block::text("The six symbols after `BOTCHA-`, as your agent gave them to you."),
                Block::Form(Form {
                    action: "/gate".to_owned(),
                    fields: vec![Field {
                        name: "code",
                        label: "Code".to_owned(),
                        kind: "text",
                        value: String::new(),
                        autocomplete: "one-time-code",
                        example: "ABC234",
                    }],
                    buttons: vec![Button::send("Go on")],
                }),
            ]),
        ],
    }
}

/// 30 days.
const VISITOR_TYPE: &str = "botcha-visitor";
const VISITOR_COOKIE: &str = "botcha_visitor";
const VISITOR_SECONDS: i64 = 2_592_000;
