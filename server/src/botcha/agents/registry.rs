//! Registering agents, and reading, listing and deleting them.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use quivive_core::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::{self, Caller};
use super::view::{AgentDetails, AgentSummary, Registered};
use super::{Agent, ownership};
use crate::app::App;
use crate::audit;
use crate::botcha::apps::RegistrationPolicy;
use crate::botcha::limits::{self, Rule};
use crate::botcha::owner::{self, Presented, Session};
use crate::botcha::token::uncached;
use crate::botcha::wire::{ErrorBody, Failure, Form, Result, lenient_members};
use crate::botcha::{gate, pairing};
use crate::config::OwnerAuth;
use crate::error::Error;
use crate::extract::{Body, Path, bearer};
use crate::limits::Standing;

/// An agent to register.
#[derive(ToSchema)]
#[schema(as = BotchaRegisterAgent)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct RegisterAgent {
    /// What it calls itself.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Who runs it.
    #[schema(max_length = 100)]
    operator: Option<String>,
    #[schema(max_length = 100)]
    version: Option<String>,
    /// The app that it belongs to, if no token, query or header names it.
    app_id: Option<String>,
    /// A code of the app's owner; the agent is then the owner's.
    pair_code: Option<String>,
    /// The app's secret; the agent is then the owner's.
    app_secret: Option<String>,
}

/// The agents of an app.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaAgents)]
struct Agents {
    success: bool,
    agents: Vec<AgentSummary>,
    count: usize,
}

/// That an agent is gone.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaDeletedAgent)]
struct Deleted {
    success: bool,
    agent_id: String,
    message: &'static str,
}

/// Register an agent. Without a proof of ownership (`X-App-Secret`, `app_secret`, a session or a `pair_code`) it is
/// marked as not confirmed by the app's owner, and few are taken.
#[utoipa::path(
    post, path = "/v1/agents/register", tag = "botcha", operation_id = "botcha_register_agent",
    params(("app_id" = Option<String>, Query, description = "The app that it belongs to")),
    request_body = RegisterAgent,
    security((), ("BotchaBearerToken" = []), ("BotchaAppSecret" = []), ("BotchaSession" = [])),
    responses(
        (status = 201, body = Registered),
        (status = 400, body = ErrorBody, description = "`MISSING_NAME`, `INVALID_NAME`, `INVALID_OPERATOR`, \
            `INVALID_VERSION`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`APP_REGISTRATION_REQUIRED`, `APP_NOT_FOUND`, \
            `INVALID_TOKEN`, `UNAUTHORIZED`"),
        (status = 403, body = ErrorBody, description = "`PAIR_CODE_REQUIRED`, `INVALID_PAIR_CODE`, `DEMO_APP`, \
            `EMAIL_NOT_VERIFIED`, `MISSING_APP_ID`, `FOREIGN_FORM`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn register(State(app): State<App>, parts: Parts, Body(body, _): Body<Failure>) -> Result<Response> {
    let members = lenient_members(&body);
    let caller = caller::identify(&app, &parts, &members).await?;
    if app.config.botcha.owner_auth == OwnerAuth::Compat {
        caller.require_member()?;
    }
    let name = name(&members, MOST_CHARACTERS)?;
    let operator = text(&members, "operator", "INVALID_OPERATOR")?;
    let version = text(&members, "version", "INVALID_VERSION")?;
    let is_owner_verified = admit(&app, &parts, &caller, &members).await?;
    let agent = Agent { is_owner_verified, operator, version, ..Agent::new(&caller.app.id, name, app.now()) };
    let agent = super::insert(&app, agent).await?;
    let details = json!({ "agent_id": agent.id, "name": agent.name, "owner_verified": is_owner_verified });
    audit::record(&app, &agent.app_id, &caller.actor(), "agent.registered", details).await?;
    Ok((StatusCode::CREATED, uncached(Registered::of(&agent))).into_response())
}

/// The agents of the token's app, oldest first.
#[utoipa::path(
    get, path = "/v1/agents", tag = "botcha", operation_id = "botcha_list_agents",
    params(("app_id" = Option<String>, Query, description = "The app; must be the token's")),
    security(("BotchaBearerToken" = []), ("BotchaAppSecret" = []), ("BotchaSession" = [])),
    responses(
        (status = 200, body = Agents),
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
    let agents: Vec<_> = super::list(&app, &caller.app.id).await?.iter().map(AgentSummary::of).collect();
    Ok(uncached(Agents { success: true, count: agents.len(), agents }))
}

/// One agent; `me` is the one that the Bearer token names.
#[utoipa::path(
    get, path = "/v1/agents/{id}", tag = "botcha", operation_id = "botcha_read_agent",
    params(
        ("id" = String, Path, description = "The agent's id, or `me`"),
        ("app_id" = Option<String>, Query, description = "An app, where the gate asks for one"),
    ),
    security((), ("BotchaBearerToken" = [])),
    responses(
        (status = 200, body = AgentDetails),
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
    let agent = named(&app, &parts, &id).await?;
    Ok(uncached(AgentDetails::of(&agent)))
}

/// Delete an agent with everything that it could log in with. Needs the session of its app's owner.
#[utoipa::path(
    delete, path = "/v1/agents/{id}", tag = "botcha", operation_id = "botcha_delete_agent",
    params(("id" = String, Path, description = "The agent's id")),
    security(("BotchaSession" = [])),
    responses(
        (status = 200, body = Deleted),
        (status = 401, body = ErrorBody, description = "No session, or one that has ended"),
        (status = 403, body = ErrorBody, description = "The agent is another app's; `FOREIGN_FORM`"),
        (status = 404, body = ErrorBody, description = "`Agent not found`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn delete(State(app): State<App>, id: Result<Path<String>, Error>, parts: Parts) -> Result<Response> {
    let Path(id) = id?;
    let session = require_session(&app, &parts).await?;
    let plain = |error: Error| Failure { error, form: Form::Plain };
    let agent = super::find(&app, &id).await?.ok_or_else(|| plain(Error::not_found("Agent not found")))?;
    if agent.app_id != session.app.id {
        return Err(plain(Error::forbidden("Agent does not belong to this app")));
    }
    ownership::delete(&app, &agent, &audit::Actor::Session(session.id)).await?;
    Ok(uncached(Deleted { success: true, agent_id: agent.id, message: "Agent deleted" }))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(register)).routes(routes!(list)).routes(routes!(read, delete))
}

/// Whether a new agent is the owner's; one that is not counts against few.
///
/// # Errors
/// 403 `PAIR_CODE_REQUIRED`, `INVALID_PAIR_CODE`, 429 `RATE_LIMIT_EXCEEDED`.
pub async fn admit(app: &App, parts: &Parts, caller: &Caller, members: &Map<String, Value>) -> Result<bool> {
    let is_owned = caller.proof.is_some() || has_pair_code(app, parts, caller, members).await?;
    refuse_beyond(app, &caller.app.id).await?;
    if !is_owned {
        count_unconfirmed(app, parts, &caller.app.id).await?;
    }
    Ok(is_owned)
}

/// The agent that a path names, behind the gate; `me` is the one that the Bearer token names.
///
/// # Errors
/// The gate's refusals, 401 `UNAUTHORIZED` and `INVALID_TOKEN`, 404 `AGENT_NOT_FOUND`.
pub async fn named(app: &App, parts: &Parts, id: &str) -> Result<Agent> {
    let unauthorized = |message: &str| Error::unauthenticated(message).with_code("UNAUTHORIZED");
    let id = if id == "me" {
        let token = bearer(&parts.headers)
            .ok_or_else(|| unauthorized("Send a token that names an agent: Authorization: Bearer <token>"))?;
        let claims = caller::verify(app, parts, token).await?;
        claims
            .agent_id
            .ok_or_else(|| unauthorized("The token names no agent: log in at POST /v1/agents/auth"))?
    } else {
        gate::enter(app, parts).await?;
        id.to_owned()
    };
    Ok(super::find(app, &id).await?.ok_or_else(not_found)?)
}

/// The session of an app's owner.
///
/// # Errors
/// 401 with the way to log in, 403 `FOREIGN_FORM`.
pub async fn require_session(app: &App, parts: &Parts) -> Result<Session> {
    let refused = |message: &str| Failure {
        error: Error::unauthenticated(message).with("login", "/login"),
        form: Form::Plain,
    };
    match owner::session(app, parts).await? {
        Presented::Session(session) => Ok(*session),
        Presented::Nothing => Err(refused("Authentication required")),
        Presented::Invalid => Err(refused("Session expired")),
    }
}

/// 404 `AGENT_NOT_FOUND`.
pub fn not_found() -> Error {
    Error::not_found("There is no agent of this id").with_code("AGENT_NOT_FOUND")
}

/// The name of an agent.
///
/// # Errors
/// 400 `MISSING_NAME`, `INVALID_NAME`.
fn name(members: &Map<String, Value>, most: usize) -> Result<String> {
    let given = members.get("name").and_then(Value::as_str).map(str::trim).filter(|name| !name.is_empty());
    let name = given.ok_or_else(|| Error::invalid("Agent name is required").with_code("MISSING_NAME"))?;
    if is_plain(name, most) {
        return Ok(name.to_owned());
    }
    let message = format!("name must be 1 to {most} characters without control characters");
    Err(Error::invalid(message).with_code("INVALID_NAME").into())
}

fn text(members: &Map<String, Value>, name: &str, code: &'static str) -> Result<Option<String>> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_plain(text.trim(), MOST_CHARACTERS) => {
            Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
        }
        Some(_) => {
            let message = format!(
                "{name} must be text of at most {MOST_CHARACTERS} characters without control characters"
            );
            Err(Error::invalid(message).with_code(code).into())
        }
    }
}

/// Whether a text is short enough and shows as what it is: no control characters, nothing that turns the direction
/// of writing.
pub fn is_plain(text: &str, most: usize) -> bool {
    let turns = |symbol: char| matches!(symbol, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().count() <= most && !text.chars().any(|symbol| symbol.is_control() || turns(symbol))
}

async fn has_pair_code(
    app: &App,
    parts: &Parts,
    caller: &Caller,
    members: &Map<String, Value>,
) -> Result<bool> {
    let refused = |message: &str, code: &'static str| Err(Error::forbidden(message).with_code(code).into());
    match members.get("pair_code").filter(|code| !code.is_null()) {
        Some(code) => {
            // Six symbols are too few to be tried without end.
            let rule = Rule::per_hour("pair-code", app.config.limits.code_redemptions_per_hour).always();
            limits::count_address(app, parts, &rule).await?;
            limits::count_key(
                app,
                parts,
                &Rule { limit: rule.limit.saturating_mul(10), ..rule },
                &caller.app.id,
            )
            .await?;
            let code = code.as_str().unwrap_or_default();
            if pairing::take(app, &caller.app.id, code).await? {
                return Ok(true);
            }
            refused("The pair_code is used, expired or another app's", "INVALID_PAIR_CODE")
        }
        None if caller.app.registration_policy == RegistrationPolicy::Paired => refused(
            "This app takes agents with a pair_code of its owner only, made at POST /v1/apps/:id/pair",
            "PAIR_CODE_REQUIRED",
        ),
        None => Ok(false),
    }
}

/// Lists of an app's agents and keys are answered whole, so they have an end.
async fn refuse_beyond(app: &App, app_id: &str) -> Result<()> {
    let most = usize::try_from(app.config.limits.agents_per_app).unwrap_or(usize::MAX);
    if most > 0 && super::list(app, app_id).await?.len() >= most {
        let message = format!("An app has at most {most} agents: delete those that are not used any more");
        return Err(Error::forbidden(message).with_code("AGENT_LIMIT_REACHED").into());
    }
    Ok(())
}

/// Anybody can register such agents: few are taken, per address in memory, per app and day for good.
async fn count_unconfirmed(app: &App, parts: &Parts, app_id: &str) -> Result<()> {
    let per_hour = app.config.limits.agent_registrations_per_hour;
    limits::count_address(app, parts, &Rule::per_hour("agent-registration", per_hour)).await?;
    let limit = i64::from(app.config.limits.unconfirmed_agents_per_day);
    if limit == 0 || app.config.compat.limits {
        return Ok(());
    }
    let now = app.now();
    let start = Timestamp::from_milliseconds(now.milliseconds().div_euclid(DAY) * DAY);
    let end = start.plus_milliseconds(DAY);
    let key = format!("botcha:unconfirmed-agents:{app_id}");
    if app.storage.counters().add(&key, start, 1, end).await? <= limit {
        return Ok(());
    }
    let seconds = end.milliseconds_since(now).saturating_add(999) / 1000;
    let standing = Standing {
        admitted: false,
        limit: app.config.limits.unconfirmed_agents_per_day,
        remaining: 0,
        resets_at: end,
    };
    limits::report_refusal(parts, standing);
    let message = format!(
        "At most {limit} agents a day are registered in an app without its owner: bring app_secret or a pair_code"
    );
    let error = Error::rate_limited(message)
        .with("retryAfter", seconds)
        .with("resetAt", end.to_string())
        .retry_after(seconds);
    Err(Failure { error, form: Form::Bare })
}

impl Agent {
    /// An agent without anything but a name, and without an id.
    pub fn new(app_id: &str, name: String, now: Timestamp) -> Self {
        Self {
            id: String::new(),
            app_id: app_id.to_owned(),
            name,
            operator: None,
            version: None,
            created_at: now,
            is_owner_verified: false,
            key: None,
            last_verified_at: None,
            provider: None,
            oauth_authorized_at: None,
            capabilities: Vec::new(),
            trust_level: super::TrustLevel::Basic,
            issuer: None,
            did: None,
            ans_name: None,
        }
    }
}

const MOST_CHARACTERS: usize = 100;
const DAY: i64 = 86_400_000;
