//! Agents with keys and capabilities (Trusted Agent Protocol): registered, read, listed, their keys rotated.

pub mod capability;
pub mod intake;
mod register;
mod rotate;
mod view;

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use serde_json::Map;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::view::{Listed, TapAgentDetails, TapAgents};
use super::agents::{self, caller, registry};
use super::token::uncached;
use super::wire::{ErrorBody, Result};
use crate::app::App;
use crate::error::Error;
use crate::extract::{Path, query_value};

/// An agent with its key and capabilities; `me` is the one that the Bearer token names.
#[utoipa::path(
    get, path = "/v1/agents/{id}/tap", tag = "botcha", operation_id = "botcha_read_tap_agent",
    params(
        ("id" = String, Path, description = "The agent's id, or `me`"),
        ("app_id" = Option<String>, Query, description = "An app, where the gate asks for one"),
    ),
    security((), ("BotchaBearerToken" = [])),
    responses(
        (status = 200, body = TapAgentDetails),
        (status = 400, body = ErrorBody, description = "`INVALID_APP_ID`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`UNAUTHORIZED`, `INVALID_TOKEN` for `me`; \
            `APP_REGISTRATION_REQUIRED`, `APP_NOT_FOUND`"),
        (status = 403, body = ErrorBody, description = "`EMAIL_NOT_VERIFIED`"),
        (status = 404, body = ErrorBody, description = "`AGENT_NOT_FOUND`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn read(State(app): State<App>, id: Result<Path<String>, Error>, parts: Parts) -> Result<Response> {
    let Path(id) = id?;
    let agent = registry::named(&app, &parts, &id).await?;
    Ok(uncached(TapAgentDetails::of(&agent)))
}

/// The agents of the token's app that have a key, oldest first.
#[utoipa::path(
    get, path = "/v1/agents/tap", tag = "botcha", operation_id = "botcha_list_tap_agents",
    params(
        ("tap_only" = Option<String>, Query, description = "`false` lists agents without a key as well"),
        ("app_id" = Option<String>, Query, description = "The app; must be the token's"),
    ),
    security(("BotchaBearerToken" = []), ("BotchaAppSecret" = []), ("BotchaSession" = [])),
    responses(
        (status = 200, body = TapAgents),
        (status = 400, body = ErrorBody, description = "`APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`APP_REGISTRATION_REQUIRED`, `APP_NOT_FOUND`, \
            `UNAUTHORIZED`, `INVALID_TOKEN`"),
        (status = 403, body = ErrorBody, description = "`MISSING_APP_ID`, `DEMO_APP`, `EMAIL_NOT_VERIFIED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn list(State(app): State<App>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let caller = caller::identify(&app, &parts, &Map::new()).await?;
    caller.require_member()?;
    let mut agents = agents::list(&app, &caller.app.id).await?;
    // The page promises agents with a key, the original lists all unless told otherwise.
    let tap_only = match query_value(&parts.uri, "tap_only").as_deref() {
        Some("true") => true,
        Some("false") => false,
        _ => !app.config.compat.vocabulary,
    };
    let tap_enabled_count = agents.iter().filter(|agent| agent.key.is_some()).count();
    agents.retain(|agent| agent.key.is_some() || !tap_only);
    let agents: Vec<_> = agents.iter().map(Listed::of).collect();
    Ok(uncached(TapAgents { success: true, count: agents.len(), tap_enabled_count, agents }))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(register::router())
        .merge(rotate::router())
        .routes(routes!(read))
        .routes(routes!(list))
}
