//! `/account`: an app as its owner sees it, and what he can change there.

mod forms;
mod json;
mod view;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::json::Account;
use self::view::Told;
use super::agents;
use super::dashboard::NotLoggedIn;
use super::dashboard::access::Owner;
use super::owner::Session;
use super::page::{self, Frame};
use super::wire::ErrorBody;
use crate::app::App;
use crate::audit;
use crate::error::Result;
use crate::extract::{Origin, query_value};
use crate::pages::prefers_json;

/// The app of the owner who is logged in: JSON for programs, else a page.
#[utoipa::path(
    get, path = "/account", tag = "botcha", operation_id = "botcha_read_account",
    params(("done" = Option<String>, Query, description = "What was done: `confirmed`, `deleted`, `policy`")),
    security(("BotchaSession" = [])),
    responses(
        (status = 200, description = "The account", content(
            (Account = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 302, description = "To `/login`: nobody is logged in"),
        (status = 401, body = NotLoggedIn, description = "Nobody is logged in, told to a program"),
        (status = 503, description = "`STORAGE_UNAVAILABLE`", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
    ),
)]
async fn read(
    State(app): State<App>,
    Owner(session): Owner,
    origin: Origin,
    uri: Uri,
    parts: Parts,
) -> Response {
    let answer = async {
        if prefers_json(&parts.headers) {
            let agents = agents::list(&app, &session.app.id).await?;
            let mut response = Json(Account::new(&session.app, &agents, &origin.0)).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::VARY, HeaderValue::from_static("Accept, Cookie"));
            return Ok(response);
        }
        show(&app, &session, &origin, &parts.headers, Told::of(query_value(&uri, "done").as_deref())).await
    };
    page::answer(&app, &origin, &parts.headers, answer.await).await
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read)).merge(forms::router())
}

async fn show(
    app: &App,
    session: &Session,
    origin: &Origin,
    headers: &HeaderMap,
    told: Option<Told>,
) -> Result<Response> {
    let agents = agents::list(app, &session.app.id).await?;
    let trail = audit::latest(app, &session.app.id, MOST_ENTRIES).await?;
    let page = view::page(&session.app, &agents, &trail, &origin.0, told);
    let frame = Frame {
        path: "/account",
        is_private: true,
        scripts: &["dashboard.js"],
        styles: &["dashboard.css"],
        ..Frame::default()
    };
    page::respond(app, origin, headers, frame, &page).await
}

/// How many entries of the audit trail the page shows.
const MOST_ENTRIES: usize = 50;
