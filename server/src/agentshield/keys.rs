//! API keys of an account, managed with a key that may write and that gives nobody more than it has.

mod body;
mod rights;

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use quivive_core::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::body::{NewKeyBody, RotationBody};
use super::auth::ApiKey;
use super::body::{Reader, collect, object};
use super::path::Path;
use super::projects_write::actor;
use super::wire::{ErrorBody, Failure, Fault, Result};
use crate::app::App;
use crate::audit;
use crate::error::ErrorKind;
use crate::tenant::detection_key::{self, DetectionKey, Scope, uses};
use crate::tenant::directory;

/// An API key without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldKey)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The id.
    id: String,
    /// The owner's name for it; may be empty.
    name: String,
    /// The first twelve characters, to tell keys apart.
    start: String,
    /// What it may do.
    scopes: Vec<Scope>,
    /// The projects that it may see; null for all of the account.
    projects: Option<Vec<String>>,
    /// The project that it works for when a request names none; null when that was deleted.
    default_project: Option<String>,
    /// Whether what it makes is a test that analytics leave out.
    test: bool,
    /// When it stops being accepted; null for never.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When it was used last, to the minute; null for never.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

/// An API key that was just made.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldNewKey)]
pub struct MadeKey {
    /// What is known of it.
    #[serde(flatten)]
    about: Key,
    /// The key itself; not shown again.
    key: String,
}

/// An API key that takes another one's place.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldRotatedKey)]
pub struct RotatedKey {
    /// What is known of it.
    #[serde(flatten)]
    about: Key,
    /// The key itself; not shown again.
    key: String,
    /// The former key, which is accepted until its `expiresAt`.
    replaces: Key,
}

/// An account's API keys.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldKeys)]
pub struct Keys {
    /// The oldest first.
    keys: Vec<Key>,
}

/// Make an API key.
#[utoipa::path(
    post, path = "/api/v1/keys", tag = "agentshield", operation_id = "agentshield_create_key",
    request_body = NewKeyBody,
    security(("api_key" = [])),
    responses(
        (status = 201, body = MadeKey), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 413, body = ErrorBody), (status = 429, body = ErrorBody),
        (status = 500, body = ErrorBody),
    ),
)]
async fn create(
    State(app): State<App>,
    caller: ApiKey,
    request: Request,
) -> Result<(StatusCode, Json<MadeKey>)> {
    caller.require(Scope::Write)?;
    let body = object(&collect(request.into_body(), BODY_LIMIT).await?)?;
    let projects = Projects::of(&app, &caller).await?;
    let wanted = body::read(&body, &projects, app.now())?;
    let new = rights::limit(wanted, &caller.holder().key, &projects)?;
    let account_id = caller.holder().account.id;
    if detection_key::list(&app, account_id).await?.len() >= MOST_KEYS {
        return Err(Failure::invalid(&[Fault::new("body", "too_many").with("max", MOST_KEYS)]));
    }
    let (made, key) = detection_key::make(&app, new).await?;
    note(&app, &caller, "key.created", &made, json!({ "after": summary(&made) })).await?;
    let about = view(&app, &made, &projects).await?;
    Ok((StatusCode::CREATED, Json(MadeKey { about, key })))
}

/// The account's API keys, as far as they see nothing that this one does not.
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "agentshield", operation_id = "agentshield_list_keys",
    security(("api_key" = [])),
    responses(
        (status = 200, body = Keys), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn list(State(app): State<App>, caller: ApiKey) -> Result<Json<Keys>> {
    caller.require(Scope::Write)?;
    let projects = Projects::of(&app, &caller).await?;
    let mut keys = Vec::new();
    for key in detection_key::list(&app, caller.holder().account.id).await? {
        if rights::sees_all_of(&caller.holder().key, &key) {
            keys.push(view(&app, &key, &projects).await?);
        }
    }
    Ok(Json(Keys { keys }))
}

/// An API key, without its secret.
#[utoipa::path(
    get, path = "/api/v1/keys/{keyId}", tag = "agentshield", operation_id = "agentshield_read_key",
    params(("keyId" = String, Path, description = "The key's id")),
    security(("api_key" = [])),
    responses(
        (status = 200, body = Key), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn read(State(app): State<App>, caller: ApiKey, Path(id): Path<String>) -> Result<Json<Key>> {
    let key = found(&app, &caller, &id).await?;
    let projects = Projects::of(&app, &caller).await?;
    Ok(Json(view(&app, &key, &projects).await?))
}

/// Revoke an API key; it is refused from now on.
#[utoipa::path(
    delete, path = "/api/v1/keys/{keyId}", tag = "agentshield", operation_id = "agentshield_revoke_key",
    params(("keyId" = String, Path, description = "The key's id")),
    security(("api_key" = [])),
    responses(
        (status = 204, description = "Revoked"), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn revoke(State(app): State<App>, caller: ApiKey, Path(id): Path<String>) -> Result<StatusCode> {
    let key = found(&app, &caller, &id).await?;
    rights::covers(&caller.holder().key, &key)?;
    detection_key::revoke_hashed(&app, &key.hash).await.map_err(missing)?;
    note(&app, &caller, "key.revoked", &key, json!({ "before": summary(&key) })).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replace an API key by one that may do the same; both are accepted for as long as is asked for, at most a day.
#[utoipa::path(
    post, path = "/api/v1/keys/{keyId}/rotate", tag = "agentshield", operation_id = "agentshield_rotate_key",
    params(("keyId" = String, Path, description = "The key's id")),
    request_body(content = RotationBody, description = "May be left out"),
    security(("api_key" = [])),
    responses(
        (status = 201, body = RotatedKey), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn rotate(
    State(app): State<App>,
    caller: ApiKey,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<RotatedKey>)> {
    let key = found(&app, &caller, &id).await?;
    rights::covers(&caller.holder().key, &key)?;
    let body = collect(request.into_body(), BODY_LIMIT).await?;
    let body = if body.is_empty() { Map::new() } else { object(&body)? };
    let mut reader = Reader::default();
    let seconds = reader.whole(&body, "overlapSeconds", "overlapSeconds", 0..=86_400);
    let seconds = reader.finish(seconds)?.unwrap_or_default();
    if key.valid_until.is_some_and(|end| end <= app.now()) {
        // What has ended is not brought back to life.
        return Err(Failure::invalid(&[Fault::new("expiresAt", "out_of_range")]));
    }
    let overlap = i64::from(seconds) * 1_000;
    let (made, text, former) = detection_key::rotate(&app, &key.hash, overlap).await.map_err(missing)?;
    note(&app, &caller, "key.rotated", &made, json!({ "replaces": former.id, "overlap_seconds": seconds }))
        .await?;
    let projects = Projects::of(&app, &caller).await?;
    let about = view(&app, &made, &projects).await?;
    let replaces = view(&app, &former, &projects).await?;
    Ok((StatusCode::CREATED, Json(RotatedKey { about, key: text, replaces })))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(read, revoke)).routes(routes!(rotate))
}

/// The account's projects by both of their ids.
struct Projects {
    by_public_id: HashMap<String, i64>,
    public_ids: HashMap<i64, String>,
}

impl Projects {
    async fn of(app: &App, caller: &ApiKey) -> Result<Self> {
        let projects = directory::projects_of(app, caller.holder().account.id).await?;
        let public_ids: HashMap<i64, String> =
            projects.into_iter().map(|project| (project.id, project.public_id)).collect();
        let by_public_id = public_ids.iter().map(|(id, public_id)| (public_id.clone(), *id)).collect();
        Ok(Self { by_public_id, public_ids })
    }
}

/// A key of the caller's account of which he may know.
async fn found(app: &App, caller: &ApiKey, id: &str) -> Result<DetectionKey> {
    caller.require(Scope::Write)?;
    let keys = detection_key::list(app, caller.holder().account.id).await?;
    let key = keys.into_iter().find(|key| !id.is_empty() && key.id == id);
    let key = key.ok_or_else(|| Failure::not_found("key"))?;
    if rights::sees_all_of(&caller.holder().key, &key) { Ok(key) } else { Err(Failure::forbidden("project")) }
}

async fn view(app: &App, key: &DetectionKey, projects: &Projects) -> Result<Key> {
    let public_id = |id: &i64| projects.public_ids.get(id).cloned();
    Ok(Key {
        id: key.id.clone(),
        name: key.name.clone(),
        start: key.start.clone(),
        scopes: key.scopes.clone(),
        projects: key.projects.as_ref().map(|seen| seen.iter().filter_map(public_id).collect()),
        default_project: public_id(&key.project_id),
        test: key.is_test(),
        expires_at: key.valid_until.map(Timestamp::to_seconds_text),
        last_used_at: uses::last(app, &key.hash).await?.map(Timestamp::to_seconds_text),
        created_at: key.created_at.to_seconds_text(),
    })
}

/// What the audit trail holds of a key.
fn summary(key: &DetectionKey) -> Value {
    json!({
        "name": key.name,
        "start": key.start,
        "scopes": key.scopes,
        "project_id": key.project_id,
        "projects": key.projects,
        "valid_until": key.valid_until.map(|until| until.to_string()),
    })
}

async fn note(app: &App, caller: &ApiKey, action: &str, key: &DetectionKey, details: Value) -> Result<()> {
    let mut details = details;
    if let Some(details) = details.as_object_mut() {
        details.insert("id".to_owned(), json!(key.id));
    }
    let tenant = format!("account/{}", key.account_id);
    Ok(audit::record(app, &tenant, &actor(caller), action, details).await?)
}

fn missing(error: crate::error::Error) -> Failure {
    if error.kind() == ErrorKind::NotFound { Failure::not_found("key") } else { error.into() }
}

const BODY_LIMIT: usize = 65_536;

/// Keys of one account that are in use.
const MOST_KEYS: usize = 500;
