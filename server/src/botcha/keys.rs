//! The public keys by which anyone verifies tokens and agents offline.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::agents::{self, Agent, KeyHolder};
use super::gate;
use super::wire::{ErrorBody, Failure, Form, Result};
use crate::app::App;
use crate::conditional;
use crate::error::{Error, ErrorKind};
use crate::extract::{Path, query_value};

/// A JSON Web Key Set (RFC 7517 section 5).
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaKeys)]
struct Keys {
    #[schema(value_type = Vec<Object>)]
    keys: Vec<Value>,
}

/// The public keys, a JSON Web Key Set (RFC 7517): the server's own, and with `app_id` those of the app's agents.
#[utoipa::path(
    get, path = "/.well-known/jwks", tag = "botcha", operation_id = "botcha_read_jwks",
    params(("app_id" = Option<String>, Query, description = "Adds the keys of this app's agents")),
    responses(
        (status = 200, body = Keys),
        (status = 304, description = "As the `ETag` that the caller has"),
        (status = 503, body = ErrorBody, description = "`Service unavailable`"),
    ),
)]
async fn jwks(State(app): State<App>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    key_set(&app, &parts).await.map_err(bare)
}

/// The public keys under the name that some resolvers use.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "botcha", operation_id = "botcha_read_jwks_json",
    params(("app_id" = Option<String>, Query, description = "Adds the keys of this app's agents")),
    responses(
        (status = 200, body = Keys),
        (status = 304, description = "As the `ETag` that the caller has"),
        (status = 503, body = ErrorBody, description = "`Service unavailable`"),
    ),
)]
async fn jwks_json(State(app): State<App>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    key_set(&app, &parts).await.map_err(bare)
}

/// One key by `keyID`; else the server's keys and those of the agents of the app that query, header or token name.
#[utoipa::path(
    get, path = "/v1/keys", tag = "botcha", operation_id = "botcha_list_keys",
    params(
        ("keyID" = Option<String>, Query, description = "An agent's id, a key's thumbprint, or a key id of the server"),
        ("app_id" = Option<String>, Query, description = "Adds the keys of this app's agents"),
    ),
    responses(
        (status = 200, description = "A key, or a set of keys", body = Object),
        (status = 304, description = "As the `ETag` that the caller has"),
        (status = 400, body = ErrorBody, description = "`INVALID_APP_ID`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`APP_REGISTRATION_REQUIRED`, `APP_NOT_FOUND`"),
        (status = 403, body = ErrorBody, description = "`EMAIL_NOT_VERIFIED`"),
        (status = 404, body = ErrorBody, description = "`Key not found`"),
        (status = 503, body = ErrorBody, description = "`Service unavailable`"),
    ),
)]
async fn list(State(app): State<App>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    list_or_one(&app, &parts).await.map(by_caller).map_err(bare)
}

/// One key.
#[utoipa::path(
    get, path = "/v1/keys/{id}", tag = "botcha", operation_id = "botcha_read_key",
    params(
        ("id" = String, Path, description = "An agent's id, a key's thumbprint, or a key id of the server"),
        ("app_id" = Option<String>, Query, description = "An app, where the gate asks for one"),
    ),
    responses(
        (status = 200, description = "The key", body = Object),
        (status = 304, description = "As the `ETag` that the caller has"),
        (status = 400, body = ErrorBody, description = "`INVALID_APP_ID`, `APP_ID_MISMATCH`"),
        (status = 401, body = ErrorBody, description = "`APP_REGISTRATION_REQUIRED`, `APP_NOT_FOUND`"),
        (status = 403, body = ErrorBody, description = "`EMAIL_NOT_VERIFIED`"),
        (status = 404, body = ErrorBody, description = "`Key not found`"),
        (status = 503, body = ErrorBody, description = "`Service unavailable`"),
    ),
)]
async fn read(State(app): State<App>, id: Result<Path<String>, Error>, parts: Parts) -> Result<Response> {
    let Path(id) = id.map_err(|_| not_found()).map_err(|error| bare(error.into()))?;
    let answer = async {
        gate::enter(&app, &parts).await?;
        one(&app, &parts.headers, &id).await
    };
    answer.await.map(by_caller).map_err(bare)
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(jwks))
        .routes(routes!(jwks_json))
        .routes(routes!(list))
        .routes(routes!(read))
}

/// Which app a caller names can stand in headers as well.
fn by_caller(mut response: Response) -> Response {
    let names = HeaderValue::from_static("Authorization, X-App-Id, X-Botcha-App-Id");
    response.headers_mut().insert(header::VARY, names);
    response
}

async fn key_set(app: &App, parts: &Parts) -> Result<Response> {
    let of_app = query_value(&parts.uri, "app_id").filter(|id| !id.is_empty());
    set(app, &parts.headers, true, of_app.as_deref()).await
}

async fn list_or_one(app: &App, parts: &Parts) -> Result<Response> {
    let named = gate::enter(app, parts).await?;
    if let Some(id) = query_value(&parts.uri, "keyID").filter(|id| !id.is_empty()) {
        return one(app, &parts.headers, &id).await;
    }
    // The originals look for an app in the query alone, and without one know no key.
    let in_query = query_value(&parts.uri, "app_id").is_some_and(|id| !id.is_empty());
    let has_keys = in_query || !app.config.compat.vocabulary;
    let of_app = named.filter(|_| has_keys).map(|named| named.id);
    set(app, &parts.headers, has_keys, of_app.as_deref()).await
}

async fn set(app: &App, headers: &HeaderMap, has_own: bool, of_app: Option<&str>) -> Result<Response> {
    let mut keys = if has_own { own_keys(app) } else { Vec::new() };
    if let Some(id) = of_app {
        let agents = agents::list(app, id).await?;
        keys.extend(agents.iter().filter_map(|agent| agent_key(app, agent)));
    }
    answer(headers, &Keys { keys })
}

async fn one(app: &App, headers: &HeaderMap, id: &str) -> Result<Response> {
    if let Some(own) =
        own_keys(app).into_iter().find(|key| key.get("kid").and_then(Value::as_str) == Some(id))
    {
        return answer(headers, &own);
    }
    let key = match agents::find(app, id).await? {
        Some(agent) => agent_key(app, &agent),
        None => by_thumbprint(app, id).await?,
    };
    answer(headers, &key.ok_or_else(not_found)?)
}

/// The key of a thumbprint; of agents with the same key, the one that had it first.
async fn by_thumbprint(app: &App, thumbprint: &str) -> Result<Option<Value>> {
    if thumbprint.len() != THUMBPRINT_CHARACTERS {
        return Ok(None);
    }
    for holder in app.storage.list::<KeyHolder>(thumbprint, None, MOST_HOLDERS).await? {
        if let Some(agent) = agents::find(app, &holder.agent_id).await?
            && let Some(key) = agent_key(app, &agent)
        {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

fn own_keys(app: &App) -> Vec<Value> {
    app.keys.published().keys.iter().filter_map(|key| serde_json::to_value(key).ok()).collect()
}

/// An agent's key as a JWK; nothing if it has none that holds.
fn agent_key(app: &App, agent: &Agent) -> Option<Value> {
    let stored = agent.key.as_ref().filter(|key| !key.is_expired(app.now()))?;
    let key = stored.parse().inspect_err(Error::log).ok()?;
    let mut jwk = serde_json::to_value(key.jwk()).ok()?;
    let expires_at = stored.expires_at.unwrap_or_else(|| stored.created_at.plus_milliseconds(YEAR));
    jwk.as_object_mut()?.extend(
        json!({
            "key_ops": ["verify"],
            "ext": true,
            "kid": agent.id,
            "use": "sig",
            "alg": key.algorithm().jws_name(),
            "agent_id": agent.id,
            "agent_name": agent.name,
            "expires_at": expires_at.to_string(),
            "thumbprint": key.thumbprint(),
        })
        .as_object()?
        .clone(),
    );
    Some(jwk)
}

/// Keys may be kept for an hour; a caller who has them already gets 304.
fn answer(headers: &HeaderMap, body: &impl Serialize) -> Result<Response> {
    let body = serde_json::to_value(body)
        .map_err(|error| Error::internal("a key has no JSON form").because(error))?;
    let bytes = body.to_string();
    Ok(conditional::tagged(Json(body), bytes.as_bytes(), "public, max-age=3600", headers))
}

fn not_found() -> Error {
    Error::not_found("No key has this id").with_code("Key not found")
}

/// The form of key routes; a set without keys would say that there are none.
fn bare(failure: Failure) -> Failure {
    let error = if failure.error.kind() == ErrorKind::Unavailable {
        failure.error.with_code("Service unavailable")
    } else {
        failure.error
    };
    Failure { error, form: Form::Bare }
}

const THUMBPRINT_CHARACTERS: usize = 43;
const MOST_HOLDERS: usize = 50;
const YEAR: i64 = 365 * 86_400_000;
