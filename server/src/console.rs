//! The owner's console under `/-/console`: what came to the door, why it was judged so, and what verdicts do.
//!
//! Server-rendered pages that can be read without scripts; htmx exchanges parts of them. An owner logs in by a one-time
//! link and sees only the projects of accounts that he is a member of: any other project's id is as good as none.

mod access;
mod blocks;
mod detections;
mod failure;
mod keys;
mod layout;
mod login;
mod overview;
mod projects;
mod rules;
mod sessions;
mod settings;
mod words;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use self::failure::Failure;
use crate::app::App;
use crate::error::Result;

/// Where the console is.
pub const PATH: &str = "/-/console";

/// A one-time link to the console for a user: good once and for ten minutes.
///
/// # Errors
/// `NOT_FOUND` when there is no such user.
pub async fn login_link(app: &App, user_id: i64) -> Result<String> {
    Ok(format!("{}{}/{}", base(app), login::PATH, access::create_link(app, user_id).await?))
}

/// Where this server is, as its owners reach it.
fn base(app: &App) -> String {
    app.config.public_url.clone().unwrap_or_else(|| format!("http://{}", app.config.listen))
}

/// The pages.
pub fn router(_app: &App) -> Router<App> {
    Router::new()
        .merge(login::router())
        .merge(projects::router())
        .merge(overview::router())
        .merge(sessions::router())
        .merge(settings::router())
        .merge(rules::router())
        .merge(blocks::router())
        .merge(keys::router())
        .merge(detections::router())
        .route("/-/console/", get(async || Redirect::permanent(PATH)))
        .route("/-/console/{*rest}", get(async || Failure::not_found()))
        .layer(from_fn(dress))
}

/// Nothing of the console is stored, framed or guessed; who is not logged in is sent to the login.
async fn dress(request: Request, next: Next) -> Response {
    let is_partial = request.headers().contains_key("hx-request");
    let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        let login = HeaderValue::from_static(login::PATH);
        if is_partial {
            response.headers_mut().insert(HeaderName::from_static("hx-redirect"), login);
        } else if is_read {
            response = Redirect::to(login::PATH).into_response();
        }
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Cookie, HX-Request"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}
