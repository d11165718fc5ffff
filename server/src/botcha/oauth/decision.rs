//! The owner's side of a device grant: looking at it, deciding, and taking it back.

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::grant::{self, DeviceGrant, Found, Status};
use super::{parameters, text};
use crate::app::App;
use crate::audit::{self, Actor};
use crate::botcha::agents::{self, Agent, ownership, registry};
use crate::botcha::owner::{self, Session};
use crate::botcha::token::uncached;
use crate::botcha::wire::{ErrorBody, Failure, Form, Result};
use crate::error::Error;
use crate::extract::{Body, query_value};

/// Who asks.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaDeviceLookup)]
struct Lookup {
    success: bool,
    agent_id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
}

/// A decision.
#[derive(ToSchema)]
#[schema(as = BotchaDeviceDecision)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct Decision {
    /// `BOTCHA-` and six characters, in any case.
    user_code: String,
    /// `approve` or `deny`.
    action: String,
}

/// That a grant is decided.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaDeviceDecided)]
struct Decided {
    success: bool,
    /// `approved` or `denied`.
    status: &'static str,
    agent_id: String,
}

/// How far a grant is.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaDeviceStatus)]
struct Standing {
    /// `pending`, `approved`, `denied`, or `consumed`, also for codes that never were.
    status: &'static str,
}

/// Whose logins to end.
#[derive(ToSchema)]
#[schema(as = BotchaRevokeAgentLogins)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct Revocation {
    agent_id: String,
    app_id: String,
    /// The app's secret, unless a header or session proves the owner.
    app_secret: Option<String>,
}

/// That all logins are ended.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaRevokedAgentLogins)]
struct Revoked {
    success: bool,
    message: &'static str,
}

/// Which agent asks with a user code.
#[utoipa::path(
    get, path = "/v1/oauth/lookup", tag = "botcha", operation_id = "botcha_look_up_device_grant",
    params(("user_code" = String, Query, description = "`BOTCHA-` and six characters, in any case")),
    responses(
        (status = 200, body = Lookup),
        (status = 400, body = ErrorBody, description = "`user_code required`"),
        (status = 404, body = ErrorBody, description = "`Code not found or expired`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn lookup(State(app): State<App>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    super::count_decision(&app, &parts).await?;
    let code = query_value(&parts.uri, "user_code").filter(|code| !code.trim().is_empty());
    let code = code.ok_or_else(code_required)?;
    match grant::find(&app, &code).await? {
        Found::Grant(_, agent) => Ok(uncached(Lookup {
            success: true,
            agent_id: agent.id,
            name: agent.name,
            operator: agent.operator,
        })),
        Found::NoCode | Found::NoGrant => Err(plain(Error::not_found("Code not found or expired"))),
    }
}

/// Decide about a grant, in a dashboard session of the agent's app.
#[utoipa::path(
    post, path = "/v1/oauth/approve", tag = "botcha", operation_id = "botcha_decide_device_grant",
    request_body(content((Decision = "application/json"), (Decision = "application/x-www-form-urlencoded"))),
    security(("BotchaSession" = [])),
    responses(
        (status = 200, body = Decided),
        (status = 400, body = ErrorBody, description = "`user_code required`, no action, `Already processed`"),
        (status = 401, body = ErrorBody, description = "No session, or one that has ended"),
        (status = 403, body = ErrorBody, description = "The agent is another app's; `FOREIGN_FORM`"),
        (status = 404, body = ErrorBody, description = "`Code not found or expired`, `Device authorization expired`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn approve(State(app): State<App>, parts: Parts, Body(body, _): Body<Failure>) -> Result<Response> {
    super::count_decision(&app, &parts).await?;
    let members = parameters(&parts, &body)?;
    let session = registry::require_session(&app, &parts).await?;
    let code = text(&members, "user_code").ok_or_else(code_required)?;
    let action = text(&members, "action").unwrap_or_default();
    let (status, agent) = decide(&app, &session, code, action).await?;
    Ok(uncached(Decided { success: true, status: status.name(), agent_id: agent.id }))
}

/// How far a grant is, by its user code.
#[utoipa::path(
    get, path = "/v1/oauth/status", tag = "botcha", operation_id = "botcha_read_device_grant_status",
    params(("user_code" = String, Query, description = "`BOTCHA-` and six characters, in any case")),
    responses(
        (status = 200, body = Standing),
        (status = 400, body = ErrorBody, description = "`user_code required`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn status(State(app): State<App>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    super::count(&app, &parts).await?;
    let code = query_value(&parts.uri, "user_code").filter(|code| !code.trim().is_empty());
    let code = code.ok_or_else(code_required)?;
    let status = match grant::find(&app, &code).await? {
        Found::Grant(grant, _) => grant.status.name(),
        Found::NoCode | Found::NoGrant => "consumed",
    };
    Ok(uncached(Standing { status }))
}

/// End every login of an agent: its refresh tokens, grants, and the tokens that name it. Needs the app's owner.
#[utoipa::path(
    post, path = "/v1/oauth/revoke", tag = "botcha", operation_id = "botcha_revoke_agent_logins",
    request_body(content((Revocation = "application/json"), (Revocation = "application/x-www-form-urlencoded"))),
    security(("BotchaSession" = []), ("BotchaAppSecret" = [])),
    responses(
        (status = 200, body = Revoked),
        (status = 400, body = ErrorBody, description = "A member is missing"),
        (status = 401, body = ErrorBody, description = "Neither the app's secret nor a session of it"),
        (status = 403, body = ErrorBody, description = "`Unauthorized`: the agent is another app's; `FOREIGN_FORM`"),
        (status = 404, body = ErrorBody, description = "`Agent not found`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn revoke(State(app): State<App>, parts: Parts, Body(body, _): Body<Failure>) -> Result<Response> {
    super::count(&app, &parts).await?;
    let members = parameters(&parts, &body)?;
    let (Some(agent_id), Some(app_id)) = (text(&members, "agent_id"), text(&members, "app_id")) else {
        return Err(plain(Error::invalid("agent_id and app_id are required")));
    };
    let proof = owner::prove(&app, &parts, &members, app_id).await?.ok_or_else(|| {
        let message =
            "Send the app's secret as app_secret or X-App-Secret, or a dashboard session of the app";
        plain(Error::unauthenticated(message).with("login", "/login"))
    })?;
    let agent =
        agents::find(&app, agent_id).await?.ok_or_else(|| plain(Error::not_found("Agent not found")))?;
    if agent.app_id != proof.app.id {
        return Err(plain(Error::forbidden("Unauthorized")));
    }
    end_logins(&app, &agent, &proof.actor).await?;
    Ok(uncached(Revoked { success: true, message: "Every login of the agent is ended" }))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(lookup))
        .routes(routes!(approve))
        .routes(routes!(status))
        .routes(routes!(revoke))
}

/// Decides about a grant for the owner of the agent's app.
///
/// # Errors
/// 400 for another action or a decided grant, 403 for another app's agent, 404 for an unknown code.
pub async fn decide(app: &App, session: &Session, code: &str, action: &str) -> Result<(Status, Agent)> {
    let status = match action {
        "approve" => Status::Approved,
        "deny" => Status::Denied,
        _ => return Err(plain(Error::invalid("action must be approve or deny"))),
    };
    let (grant, agent) = find(app, session, code).await?;
    if !grant::decide(app, &grant, status).await? {
        return Err(plain(Error::invalid("Already processed")));
    }
    let details = json!({ "agent_id": agent.id, "name": agent.name });
    let action = format!("agent.grant_{}", status.name());
    audit::record(app, &agent.app_id, &Actor::Session(session.id.clone()), &action, details).await?;
    Ok((status, agent))
}

/// The grant of a user code, for the owner of the agent's app.
///
/// # Errors
/// 403 for another app's agent, 404 for an unknown code.
pub async fn find(app: &App, session: &Session, code: &str) -> Result<(DeviceGrant, Agent)> {
    match grant::find(app, code).await? {
        Found::NoCode => Err(plain(Error::not_found("Code not found or expired"))),
        Found::NoGrant => Err(plain(Error::not_found("Device authorization expired"))),
        Found::Grant(_, agent) if agent.app_id != session.app.id => {
            Err(plain(Error::forbidden("The agent is another app's")))
        }
        Found::Grant(grant, agent) => Ok((*grant, *agent)),
    }
}

/// Ends every login of an agent; also for the owner's account page.
///
/// # Errors
/// If storage does not answer.
pub async fn end_logins(app: &App, agent: &Agent, actor: &Actor) -> crate::error::Result<()> {
    ownership::end_logins(app, agent).await?;
    let details = json!({ "agent_id": agent.id, "name": agent.name });
    audit::record(app, &agent.app_id, actor, "agent.logins_revoked", details).await
}

fn code_required() -> Failure {
    plain(Error::invalid("user_code required"))
}

fn plain(error: Error) -> Failure {
    Failure { error, form: Form::Plain }
}
