//! `/account`: an app as its owner sees it, and what he can change: its agents, its sessions.

mod json;
mod view;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri, header};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::json::Account;
use self::view::Told;
use super::agents::{self, Agent};
use super::dashboard::NotLoggedIn;
use super::dashboard::access::{Owner, failed, see};
use super::owner::{self, Session};
use super::page::{self, Frame};
use super::wire::ErrorBody;
use crate::app::App;
use crate::audit::{self, Actor};
use crate::error::{Error, Result};
use crate::extract::{Origin, Path, query_value};
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
    match answer.await {
        Ok(response) => response,
        Err(error) => failed(&app, &parts, error).await,
    }
}

/// Confirm an agent that registered without a proof of the owner.
#[utoipa::path(
    post, path = "/account/agents/{id}/confirm", tag = "botcha", operation_id = "botcha_confirm_agent",
    params(("id" = String, Path, description = "The agent's id")),
    security(("BotchaSession" = [])),
    responses(
        (status = 302, description = "Back to the account; to `/login` if nobody is logged in"),
        (status = 401, body = NotLoggedIn, description = "Nobody is logged in, told to a program"),
        (status = 403, description = "`FOREIGN_FORM`: another site's form", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 404, description = "`AGENT_NOT_FOUND`: no agent of this app", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 503, description = "`STORAGE_UNAVAILABLE`", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
    ),
)]
async fn confirm_agent(
    State(app): State<App>,
    Owner(session): Owner,
    id: Result<Path<String>>,
    parts: Parts,
) -> Response {
    let answer = async {
        let agent = own_agent(&app, &session, id).await?;
        app.storage
            .update::<Agent>(&agent.id, |agent| Some(Agent { is_owner_verified: true, ..agent }))
            .await?;
        let details = json!({ "agent_id": agent.id });
        audit::record(&app, &session.app.id, &actor(&session), "agent.confirmed", details).await?;
        Ok(see("/account?done=confirmed#agents"))
    };
    match answer.await {
        Ok(response) => response,
        Err(error) => failed(&app, &parts, error).await,
    }
}

/// End all sessions of the app's owner, this one included.
#[utoipa::path(
    post, path = "/account/sessions/end", tag = "botcha", operation_id = "botcha_end_sessions",
    security(("BotchaSession" = [])),
    responses(
        (status = 302, description = "To `/login`"),
        (status = 401, body = NotLoggedIn, description = "Nobody is logged in, told to a program"),
        (status = 403, description = "`FOREIGN_FORM`: another site's form", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 503, description = "`STORAGE_UNAVAILABLE`", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
    ),
)]
async fn end_sessions(
    State(app): State<App>,
    Owner(session): Owner,
    origin: Origin,
    parts: Parts,
) -> Response {
    let answer = async {
        owner::end_sessions(&app, &session.app.id, None).await?;
        audit::record(&app, &session.app.id, &actor(&session), "sessions.ended", json!({})).await?;
        let mut response = see("/login");
        response.headers_mut().insert(header::SET_COOKIE, owner::no_session_cookie(&origin)?);
        Ok(response)
    };
    match answer.await {
        Ok(response) => response,
        Err(error) => failed(&app, &parts, error).await,
    }
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read)).routes(routes!(confirm_agent)).routes(routes!(end_sessions))
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

/// The agent of a path; another app's is as good as none.
async fn own_agent(app: &App, session: &Session, id: Result<Path<String>>) -> Result<Agent> {
    let Path(id) = id?;
    let found = agents::find(app, &id).await?.filter(|agent| agent.app_id == session.app.id);
    found.ok_or_else(|| Error::not_found("There is no agent of this id").with_code("AGENT_NOT_FOUND"))
}

fn actor(session: &Session) -> Actor {
    Actor::Session(session.id.clone())
}

/// How many entries of the audit trail the page shows.
const MOST_ENTRIES: usize = 50;
