//! Who may see an app's pages: its owner in a session. Others are sent to the login, programs are told so.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::app::App;
use crate::botcha::login::redirect;
use crate::botcha::owner::{self, Presented, Session};
use crate::botcha::page;
use crate::extract::{Origin, header_text};

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
            Err(error) => {
                let origin = parts.extensions.get::<Origin>().cloned().unwrap_or(Origin(String::new()));
                Err(page::failure(app, &origin, &parts.headers, error).await)
            }
        }
    }
}

fn not_logged_in(parts: &Parts, text: &str) -> Response {
    if !is_program(&parts.headers) {
        return redirect(LOGIN);
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
