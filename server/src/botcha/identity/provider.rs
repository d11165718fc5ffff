//! Login with a key of a model provider. Off unless it is switched on: agents send a live key of a third party here.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use quivive_core::crypto::hmac_sha256;
use quivive_core::encoding;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::IdentityToken;
use crate::app::App;
use crate::botcha::agents::{self, ProviderKey, registry};
use crate::botcha::analytics::{Happening, Noted};
use crate::botcha::limits;
use crate::botcha::token::uncached;
use crate::botcha::wire::{ErrorBody, Failure, Result, lenient_members};
use crate::error::Error;
use crate::extract::Body;
use crate::tenant::credentials;

/// A key of a model provider.
#[derive(ToSchema)]
#[schema(as = BotchaProviderLogin)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct ProviderLogin {
    /// `anthropic`, `openai`, `google`, `mistral`, `cohere` or `other`.
    provider: String,
    /// The key; better send its hash.
    api_key: Option<String>,
    /// SHA-256 of the key in hexadecimal, instead of `api_key`.
    api_key_sha256: Option<String>,
    app_id: String,
}

/// Log in with a key of a model provider that the agent was registered with.
#[utoipa::path(
    post, path = "/v1/agents/auth/provider", tag = "botcha", operation_id = "botcha_login_agent_by_provider",
    request_body = ProviderLogin,
    responses(
        (status = 200, body = IdentityToken),
        (status = 400, body = ErrorBody, description = "`MISSING_FIELDS`, `UNSUPPORTED_PROVIDER`"),
        (status = 403, body = ErrorBody, description = "`PROVIDER_AUTH_DISABLED`"),
        (status = 404, body = ErrorBody, description = "`AGENT_NOT_FOUND`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn login(
    State(app): State<App>,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    // Each request tries a key, so the limit holds in both profiles.
    limits::count_address(&app, &parts, &super::rule(&app).always()).await?;
    require_enabled(&app)?;
    let members = lenient_members(&body);
    let app_id = members.get("app_id").and_then(Value::as_str).filter(|id| !id.is_empty());
    let provider = members.get("provider").and_then(Value::as_str).filter(|name| !name.is_empty());
    let (Some(app_id), Some(provider), Some(key)) = (app_id, provider, key_digest(&members)) else {
        let message = "provider, app_id and api_key or api_key_sha256 are required";
        let error = Error::invalid(message)
            .with_code("MISSING_FIELDS")
            .with("supported_providers", PROVIDERS.to_vec());
        return Err(error.into());
    };
    let provider = supported(provider).ok_or_else(|| unsupported().with_code("UNSUPPORTED_PROVIDER"))?;
    let wanted = ProviderKey::new(&app, provider, &key);
    let agents = agents::list(&app, app_id).await?;
    let found = agents.iter().find(|agent| agent.provider.as_ref().is_some_and(|held| held.is_same(&wanted)));
    let alive = match found {
        Some(agent) => agents::find_alive(&app, &agent.id).await?,
        None => None,
    };
    let Some((agent, _)) = alive else {
        noted.note(Happening::authenticated("provider-key", Some(app_id), Err("AGENT_NOT_FOUND")));
        return Err(registry::not_found().into());
    };
    noted.note(Happening::authenticated("provider-key", Some(app_id), Ok(())));
    let mut token = IdentityToken::issue(&app, &agent, "The agent holds its provider's key.")?;
    token.provider = Some(provider);
    Ok(uncached(token))
}

/// The route.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(login))
}

/// The provider's key of a registration, if it brings one.
///
/// # Errors
/// 400 `INVALID_REQUEST` for an unknown provider or without a key, 403 `PROVIDER_AUTH_DISABLED`.
pub fn registered(app: &App, members: &Map<String, Value>) -> Result<Option<ProviderKey>, Error> {
    let Some(provider) = members.get("provider").filter(|provider| !provider.is_null()) else {
        return Ok(None);
    };
    let provider = provider.as_str().and_then(supported).ok_or_else(unsupported)?;
    require_enabled(app)?;
    let key = key_digest(members)
        .ok_or_else(|| Error::invalid("api_key is required when provider is specified"))?;
    Ok(Some(ProviderKey::new(app, provider, &key)))
}

impl ProviderKey {
    /// What is kept of a key, of which the SHA-256 is given.
    fn new(app: &App, provider: &str, digest: &str) -> Self {
        let hash = hmac_sha256(&app.keys.derive("provider-keys"), digest.as_bytes());
        Self { provider: provider.to_owned(), hash: encoding::hex(&hash) }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.provider == other.provider
            && encoding::equal_in_constant_time(self.hash.as_bytes(), other.hash.as_bytes())
    }
}

fn require_enabled(app: &App) -> Result<(), Error> {
    if app.config.compat.provider_auth {
        return Ok(());
    }
    let message =
        "Login with a provider's key is switched off here: log in with your own key at POST /v1/agents/auth";
    Err(Error::forbidden(message).with_code("PROVIDER_AUTH_DISABLED"))
}

/// The SHA-256 of the key in lower-case hexadecimal.
fn key_digest(members: &Map<String, Value>) -> Option<String> {
    let member =
        |name: &str| members.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    match member("api_key_sha256") {
        Some(digest) => encoding::decode_hex(digest)
            .ok()
            .filter(|bytes| bytes.len() == 32)
            .map(|bytes| encoding::hex(&bytes)),
        None => member("api_key").map(credentials::hash),
    }
}

fn supported(name: &str) -> Option<&'static str> {
    PROVIDERS.into_iter().find(|provider| *provider == name)
}

fn unsupported() -> Error {
    Error::invalid(format!("Unsupported provider. Use one of: {}", PROVIDERS.join(", ")))
        .with("supported_providers", PROVIDERS.to_vec())
}

const PROVIDERS: [&str; 6] = ["anthropic", "openai", "google", "mistral", "cohere", "other"];
