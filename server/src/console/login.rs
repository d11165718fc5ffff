//! Coming in by a one-time link, and going out.
//!
//! A link shows a page with a button, so that programs which look at links do not use it up.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, header};
use maud::html;

use super::access::{self, Form, Owner};
use super::failure::{Failure, Result};
use super::layout;
use crate::app::App;
use crate::error::Error;
use crate::extract::{ClientIp, Origin, Path, is_foreign_page};
use crate::limits::Bucket;
use crate::tenant::{User, directory};
use crate::{demo, seed};

/// The page of the login.
pub(super) const PATH: &str = "/-/console/login";

/// The routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route(PATH, get(read).post(enter))
        .route("/-/console/login/{secret}", get(offer))
        .route("/-/console/demo", post(enter_demo))
        .route("/-/console/logout", post(leave))
}

/// The user of the built-in seed, if this request may enter as him: a development server, asked by this machine.
async fn demo_user(app: &App, ip: ClientIp, origin: &Origin) -> Result<Option<User>> {
    let host = origin.0.split_once("://").map_or("", |(_, host)| host);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_local = ip.0.is_loopback() && ["localhost", "127.0.0.1", "[::1]"].contains(&name);
    if !app.config.development || !app.config.listen.ip().is_loopback() || !is_local {
        return Ok(None);
    }
    let Some((id, email)) = seed::demo_user() else { return Ok(None) };
    if demo::find(app).await?.is_none() {
        return Ok(None);
    }
    let user = app.storage.get::<User>(&id.to_string()).await?.map(|user| user.value);
    Ok(user.filter(|user| user.email == email))
}

async fn read(State(app): State<App>, ip: ClientIp, origin: Origin) -> Result<Response> {
    let demo = demo_user(&app, ip, &origin).await?;
    let body = html! {
        section class="card narrow" {
            h1 class="page-title" { "Come in" }
            @if demo.is_some() {
                p { "This is a development server with a demo project. Its console is open to this machine." }
                form method="post" action="/-/console/demo" {
                    button type="submit" { "Enter the demo console" }
                }
                h2 { "With a link of your own" }
            }
            p { "The console opens with a one-time link. On the machine that runs this server, type:" }
            pre tabindex="0" { "quivive admin console-link you@example.com" }
            p class="fine" {
                "The link is good once and for ten minutes; the login then lasts twelve hours in this browser."
            }
        }
    };
    Ok(layout::plain("Log in", &body))
}

async fn offer(Path(secret): Path<String>) -> Response {
    let body = html! {
        section class="card narrow" {
            h1 class="page-title" { "Come in" }
            p { "This link logs this browser in, once." }
            form method="post" action=(PATH) {
                input type="hidden" name="secret" value=(secret);
                button type="submit" { "Enter the console" }
            }
        }
    };
    layout::plain("Log in", &body)
}

async fn enter(State(app): State<App>, ip: ClientIp, origin: Origin, request: Request) -> Result<Response> {
    refuse_foreign(request.headers(), &origin)?;
    let bucket = Bucket {
        key: format!("console-login:ip:{}", ip.0),
        limit: ATTEMPTS,
        window_milliseconds: WINDOW_MILLISECONDS,
    };
    let standing = bucket.count(&app).await?;
    if !standing.admitted {
        let seconds = standing.retry_after_seconds(app.now());
        let message = format!("Too many login attempts from your address. Try again in {seconds} seconds.");
        return Err(Error::rate_limited(message).retry_after(seconds).into());
    }
    let fields = access::fields(request, &app).await?;
    let secret = fields.get("secret").map_or("", String::as_str);
    let user = access::take_link(&app, secret).await?.ok_or_else(|| {
        Error::forbidden(
            "This link was used before, is older than ten minutes, or was never made. Ask for a new one.",
        )
        .with_code("LINK_NOT_VALID")
    })?;
    welcome(&app, user, &origin).await
}

async fn enter_demo(
    State(app): State<App>,
    ip: ClientIp,
    origin: Origin,
    headers: HeaderMap,
) -> Result<Response> {
    refuse_foreign(&headers, &origin)?;
    let user = demo_user(&app, ip, &origin).await?.ok_or_else(Failure::not_found)?;
    welcome(&app, user.id, &origin).await
}

async fn leave(State(app): State<App>, owner: Owner, origin: Origin, _: Form) -> Result<Response> {
    owner.log_out(&app).await?;
    Ok(with_cookie(Redirect::to(PATH), access::no_cookie(is_https(&origin))?))
}

async fn welcome(app: &App, user: i64, origin: &Origin) -> Result<Response> {
    directory::user(app, user).await?;
    let cookie = access::log_in(app, user, is_https(origin)).await?;
    Ok(with_cookie(Redirect::to(super::PATH), cookie))
}

fn with_cookie(redirect: Redirect, cookie: HeaderValue) -> Response {
    let mut response = redirect.into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

fn is_https(origin: &Origin) -> bool {
    origin.0.starts_with("https://")
}

/// Other sites cannot log a visitor in, under whatever name.
fn refuse_foreign(headers: &HeaderMap, own: &Origin) -> Result<()> {
    if is_foreign_page(headers, &own.0) {
        return Err(Error::forbidden("Another site sent this form.").with_code("FOREIGN_FORM").into());
    }
    Ok(())
}

const ATTEMPTS: u32 = 30;
const WINDOW_MILLISECONDS: i64 = 600_000;
