//! Registering an agent with its key and capabilities, or giving them to one that is registered.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::capability;
use super::intake::{self, Refused};
use super::view::TapAgent;
use crate::app::App;
use crate::audit;
use crate::botcha::agents::caller::{self, Caller};
use crate::botcha::agents::registry::{self, is_plain};
use crate::botcha::agents::{self, Agent, AgentKey, ProviderKey, TrustLevel, ownership};
use crate::botcha::identity::provider;
use crate::botcha::token::uncached;
use crate::botcha::wire::{ErrorBody, Failure, Result, lenient_members, optional_text};
use crate::error::Error;
use crate::extract::Body;

/// An agent with its key and capabilities.
#[derive(ToSchema)]
#[schema(as = BotchaRegisterTapAgent)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct RegisterTapAgent {
    /// What it calls itself.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    operator: Option<String>,
    version: Option<String>,
    issuer: Option<String>,
    /// The key, how it ends and how it is proven.
    #[schema(inline)]
    #[serde(flatten)]
    key: intake::KeyMembers,
    /// Objects with `action` (browse, compare, purchase, audit, search), `scope` or `resource`, and `restrictions` or
    /// `constraints`; or actions alone.
    #[schema(value_type = Option<Vec<Value>>)]
    capabilities: Option<Vec<Value>>,
    /// `basic` (default), `verified` or `enterprise`.
    trust_level: Option<String>,
    /// A name of two labels or more, with or without `ans://`.
    ans_name: Option<String>,
    /// Starts with `did:`.
    did: Option<String>,
    /// Where login with a provider's key is switched on: the provider.
    provider: Option<String>,
    /// And the key, or its hash in `api_key_sha256`.
    api_key: Option<String>,
    /// SHA-256 of the key in hexadecimal.
    api_key_sha256: Option<String>,
    /// Changes this agent instead of registering another one.
    agent_id: Option<String>,
    /// Where a token is enough to register: a code of the app's owner.
    pair_code: Option<String>,
    /// The app, if no query, header or token names it.
    app_id: Option<String>,
    /// The app's secret, unless a header or session proves the owner.
    app_secret: Option<String>,
}

/// What a body says about an agent; nothing for what it leaves out.
struct Given {
    key: Option<AgentKey>,
    capabilities: Option<Vec<Value>>,
    trust_level: TrustLevel,
    ans_name: Option<String>,
    did: Option<String>,
    provider: Option<ProviderKey>,
}

/// Register an agent with its public key and capabilities, or give them to a registered one (`agent_id`).
#[utoipa::path(
    post, path = "/v1/agents/register/tap", tag = "botcha", operation_id = "botcha_register_tap_agent",
    params(("app_id" = Option<String>, Query, description = "The app that it belongs to")),
    request_body = RegisterTapAgent,
    security(("BotchaAppSecret" = []), ("BotchaSession" = []), ("BotchaBearerToken" = [])),
    responses(
        (status = 201, body = TapAgent),
        (status = 400, body = ErrorBody, description = "`INVALID_REQUEST`, `INVALID_KEY_EXPIRY`, `INVALID_KEY_PROOF`, \
            `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`UNAUTHORIZED`, `INVALID_TOKEN`, \
            `APP_REGISTRATION_REQUIRED`, `APP_NOT_FOUND`"),
        (status = 403, body = ErrorBody, description = "`OWNER_PROOF_REQUIRED`, `UNAUTHORIZED` for another app's \
            agent, `MISSING_APP_ID`, `DEMO_APP`, `EMAIL_NOT_VERIFIED`, `PROVIDER_AUTH_DISABLED`, `FOREIGN_FORM`; \
            where a token is enough `PAIR_CODE_REQUIRED`, `INVALID_PAIR_CODE`"),
        (status = 404, body = ErrorBody, description = "`AGENT_NOT_FOUND`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`, where a token is enough"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn register(State(app): State<App>, parts: Parts, Body(body, _): Body<Failure>) -> Result<Response> {
    let members = lenient_members(&body);
    let caller = caller::identify(&app, &parts, &members).await?;
    caller.require_owner()?;
    let name = name(&members)?;
    let given = Given::read(&app, &caller.app.id, &members)?;
    let agent = match members.get("agent_id").filter(|id| !id.is_null()) {
        Some(id) => change(&app, &caller, id.as_str().unwrap_or_default(), given).await?,
        None => {
            let mut agent = Agent {
                is_owner_verified: registry::admit(&app, &parts, &caller, &members).await?,
                operator: text(&members, "operator")?,
                version: text(&members, "version")?,
                issuer: text(&members, "issuer")?,
                ..Agent::new(&caller.app.id, name, app.now())
            };
            given.apply(&mut agent);
            agents::insert(&app, agent).await?
        }
    };
    let details = json!({
        "agent_id": agent.id,
        "name": agent.name,
        "key_thumbprint": agent.key.as_ref().map(|key| key.thumbprint.clone()),
    });
    audit::record(&app, &agent.app_id, &caller.actor(), "agent.tap_registered", details).await?;
    Ok((StatusCode::CREATED, uncached(TapAgent::of(&agent))).into_response())
}

/// The route.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(register))
}

/// Gives a registered agent what the body says. With another key it has to log in again.
async fn change(app: &App, caller: &Caller, id: &str, given: Given) -> Result<Agent> {
    let before = agents::find(app, id).await?.ok_or_else(registry::not_found)?;
    if before.app_id != caller.app.id {
        let message = "Agent does not belong to this app";
        return Err(Error::forbidden(message).with_code("UNAUTHORIZED").into());
    }
    let is_proven = caller.proof.is_some();
    let changed = agents::change(app, id, |agent| {
        given.apply(agent);
        agent.is_owner_verified |= is_proven;
    });
    let agent = changed.await?.ok_or_else(registry::not_found)?;
    let thumbprint = |agent: &Agent| agent.key.as_ref().map(|key| key.thumbprint.clone());
    if thumbprint(&before).is_some() && thumbprint(&before) != thumbprint(&agent) {
        ownership::end_logins(app, &agent).await?;
    }
    Ok(agent)
}

impl Given {
    fn read(app: &App, app_id: &str, members: &Map<String, Value>) -> Result<Self, Error> {
        let has = |name: &str| members.get(name).is_some_and(|value| !value.is_null());
        let key = if has("public_key") {
            if !has("signature_algorithm") {
                return Err(Error::invalid("signature_algorithm required when public_key provided"));
            }
            Some(intake::read(app, app_id, members).map_err(refusal)?)
        } else {
            None
        };
        Ok(Self {
            key,
            capabilities: if has("capabilities") {
                Some(capability::read(members.get("capabilities"))?)
            } else {
                None
            },
            trust_level: match members.get("trust_level") {
                None | Some(Value::Null) => TrustLevel::Basic,
                Some(level) => serde_json::from_value(level.clone())
                    .map_err(|_| Error::invalid("Invalid trust_level. Valid: basic, verified, enterprise"))?,
            },
            ans_name: ans_name(members.get("ans_name"))?,
            did: did(members.get("did"))?,
            provider: provider::registered(app, members)?,
        })
    }

    fn apply(&self, agent: &mut Agent) {
        let Self { key, capabilities, trust_level, ans_name, did, provider } = self;
        agent.trust_level = *trust_level;
        agent.key = key.clone().or(agent.key.take());
        agent.capabilities = capabilities.clone().unwrap_or(std::mem::take(&mut agent.capabilities));
        agent.ans_name = ans_name.clone().or(agent.ans_name.take());
        agent.did = did.clone().or(agent.did.take());
        agent.provider = provider.clone().or(agent.provider.take());
    }
}

fn refusal(refused: Refused) -> Error {
    match refused {
        Refused::Algorithm => {
            Error::invalid(format!("Unsupported algorithm. Supported: {}", intake::algorithms()))
        }
        Refused::Key => Error::invalid(
            "Invalid public key format. Provide a PEM key, JWK object/JSON, or raw Ed25519 base64 key.",
        ),
        Refused::Expiry => Error::invalid("key_expires_at must be a time in the future, in ISO 8601")
            .with_code("INVALID_KEY_EXPIRY"),
        Refused::Proof => intake::invalid_proof(),
    }
}

fn name(members: &Map<String, Value>) -> Result<String, Error> {
    let given = members.get("name").and_then(Value::as_str).map(str::trim).filter(|name| !name.is_empty());
    let name = given.ok_or_else(|| Error::invalid("Agent name is required"))?;
    if is_plain(name, LONGEST_NAME) {
        return Ok(name.to_owned());
    }
    Err(Error::invalid(format!(
        "Agent name must be at most {LONGEST_NAME} characters without control characters"
    )))
}

fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>> {
    let text = optional_text(members, name)?;
    if text.as_ref().is_some_and(|text| !is_plain(text, LONGEST_NAME)) {
        let message = format!("{name} must be at most {LONGEST_NAME} characters without control characters");
        return Err(Error::invalid(message).into());
    }
    Ok(text)
}

fn ans_name(given: Option<&Value>) -> Result<Option<String>, Error> {
    let Some(given) = given.filter(|given| !given.is_null()) else { return Ok(None) };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_name = |text: &str| {
        let name = text.strip_prefix("ans://").unwrap_or(text);
        text.len() <= 253 && name.split('.').count() >= 2 && name.split('.').all(is_label)
    };
    let name = given.as_str().filter(|text| is_name(text));
    name.map(|name| Some(name.to_owned())).ok_or_else(|| {
        Error::invalid("ans_name must be a name of at least two labels, such as my-agent.agents")
    })
}

fn did(given: Option<&Value>) -> Result<Option<String>, Error> {
    let Some(given) = given.filter(|given| !given.is_null()) else { return Ok(None) };
    let did = given.as_str().filter(|text| {
        text.starts_with("did:") && text.len() <= 512 && text.bytes().all(|byte| byte.is_ascii_graphic())
    });
    did.map(|did| Some(did.to_owned()))
        .ok_or_else(|| Error::invalid("Invalid did field: it must start with did:"))
}

const LONGEST_NAME: usize = 128;
