//! Who may see an app's pages: its owner in a session. Others are sent to the login, programs are told so.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::app::App;
use crate::botcha::owner::{self, Presented, Session};
use crate::botcha::page::{self, Block, Frame, Page};
use crate::botcha::wire::Failure;
use crate::error::Error;
use crate::extract::{Origin, header_text};
use crate::pages::{Format, preferred_format};

/// The owner of an app in a session that holds.
pub struct Owner(pub Session);

impl FromRequestParts<App> for Owner {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match owner::session(app, parts).await {
            Ok(Presented::Session(session)) => Ok(Self(*session)),
            Ok(Presented::Nothing) => Err(not_logged_in(parts, "Authentication required")),
            Ok(Presented::Invalid) => {
                let mut response = not_logged_in(parts, "Session expired");
                let origin = parts.extensions.get::<Origin>();
                if let Some(Ok(cookie)) = origin.map(owner::no_session_cookie) {
                    response.headers_mut().insert(header::SET_COOKIE, cookie);
                }
                Err(response)
            }
            Err(error) => Err(failed(app, parts, error).await),
        }
    }
}

/// What a route answers, errors as [`failed`] shows them.
pub async fn answer(app: &App, parts: &Parts, answer: crate::error::Result<Response>) -> Response {
    match answer {
        Ok(response) => response,
        Err(error) => failed(app, parts, error).await,
    }
}

/// An error in the form of the caller: a page for people, the coded form for programs.
pub async fn failed(app: &App, parts: &Parts, error: Error) -> Response {
    if is_program(&parts.headers) || preferred_format(&parts.headers) == Format::Json {
        return Failure::from(error).into_response();
    }
    error.log();
    let text = format!("{}.", error.public_message().trim_end_matches('.'));
    let page = Page {
        title: "That did not work".to_owned(),
        description: "Something went wrong.".to_owned(),
        blocks: vec![
            Block::text(text),
            Block::text(format!("Status {}, code `{}`.", error.status().as_u16(), error.code())),
            Block::Links(vec![("Back to the account".to_owned(), "/account".to_owned())]),
        ],
    };
    let frame =
        Frame { status: error.status(), path: parts.uri.path(), is_private: true, ..Frame::default() };
    let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_else(|| Origin(String::new()));
    match page::respond(app, &origin, &parts.headers, frame, &page).await {
        Ok(response) => response,
        Err(error) => Failure::from(error).into_response(),
    }
}

/// 302 to the login, or to another page of ours.
pub fn see(path: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static(LOGIN)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn not_logged_in(parts: &Parts, text: &str) -> Response {
    if !is_program(&parts.headers) {
        return see(LOGIN);
    }
    let body = json!({ "error": text, "login": LOGIN });
    let mut response = (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    // A page whose session ended while it was open goes to the login as a whole.
    headers.insert(HeaderName::from_static("hx-redirect"), HeaderValue::from_static(LOGIN));
    response
}

/// Whether a program or a part of a page asks, not a browser for a page.
fn is_program(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request")
        || header_text(headers, "accept").is_some_and(|accept| accept.contains("application/json"))
}

const LOGIN: &str = "/login";
