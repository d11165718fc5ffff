//! Webhooks of a project, managed with a key that may write.

mod body;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::Changes;
pub use self::body::{ChangesBody, FilterBody, NewBody};
use super::auth::ApiKey;
use super::body::{collect, object};
use super::path::Path;
use super::projects_write::actor;
use super::wire::{ErrorBody, Failure, Fault, Result};
use crate::app::App;
use crate::audit;
use crate::error::ErrorKind;
use crate::flows::webhooks::{self, Hook, MOST_HOOKS, Payload};
use crate::tenant::Project;
use crate::tenant::detection_key::Scope;

/// A webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldWebhook)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// The id.
    id: String,
    /// Where notices go.
    url: String,
    /// The events that it wants.
    events: Vec<String>,
    /// Which detections it wants to hear of.
    #[schema(value_type = FilterBody)]
    filter: Value,
    /// `minimal` or `full`.
    payload: String,
    /// Bots per minute above which it wants to be told, if it has a figure of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    bots_per_minute: Option<u32>,
    /// Whether anything is sent; the server itself switches a webhook off that is gone or fails for 72 hours.
    enabled: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

/// A webhook that was just made, with its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldNewWebhook)]
pub struct MadeWebhook {
    /// The webhook.
    #[serde(flatten)]
    webhook: Webhook,
    /// What notices are signed with; not shown again.
    secret: String,
}

/// A project's webhooks.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldWebhooks)]
pub struct Webhooks {
    /// The oldest first.
    webhooks: Vec<Webhook>,
}

/// A new secret.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldWebhookSecret)]
pub struct NewSecret {
    /// What notices are signed with; not shown again. For 24 hours they carry a signature with the former one as well.
    secret: String,
}

/// A test under way.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldWebhookTest)]
#[serde(rename_all = "camelCase")]
pub struct TestUnderWay {
    /// The delivery.
    delivery_id: String,
}

/// A webhook's deliveries.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldDeliveries)]
pub struct Deliveries {
    /// The newest first, at most a hundred.
    deliveries: Vec<Delivery>,
}

/// A delivery.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldDelivery)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The id; the header `X-AgentShield-Delivery` of every try.
    id: String,
    /// The event.
    event: String,
    /// `pending`, `delivered` or `failed`.
    status: String,
    /// How often it was tried.
    attempts: u32,
    /// The status of the answer to the last try, if there was one.
    last_status_code: Option<u16>,
    /// Why the last try failed, if it did.
    last_error: Option<String>,
    /// When the event was put up for delivery.
    #[schema(format = DateTime)]
    created_at: String,
    /// When the receiver took it.
    #[schema(format = DateTime)]
    delivered_at: Option<String>,
}

/// Make a webhook.
///
/// What is sent to it is signed: the header `X-AgentShield-Signature` is `t=<Unix second>,v1=<signature>`, with a
/// further `v1` for 24 hours after the secret was replaced. A receiver takes the body as it came, computes HMAC-SHA-256
/// of `<t>.<body>` keyed with the whole secret, writes it in lower-case hexadecimal, compares it in constant time with
/// each `v1`, and refuses what is more than 300 seconds old. A notice may come more than once, then with the same
/// `X-AgentShield-Delivery`; it is tried eight times within 32 hours until the answer is 2xx.
#[utoipa::path(
    post, path = "/api/v1/projects/{projectId}/webhooks", tag = "agentshield",
    operation_id = "agentshield_create_webhook",
    params(("projectId" = String, Path, description = "The project")),
    request_body = NewBody,
    security(("api_key" = [])),
    responses(
        (status = 201, body = MadeWebhook), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn create(
    State(app): State<App>,
    key: ApiKey,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<MadeWebhook>)> {
    let project = writable(&app, &key, &id).await?;
    let body = object(&collect(request.into_body(), BODY_LIMIT).await?)?;
    let new = body::new_hook(&app, &body)?;
    let tenant = project.id.to_string();
    if webhooks::list(&app, &tenant).await?.len() >= MOST_HOOKS {
        return Err(Failure::invalid(&[Fault::new("body", "too_many").with("max", MOST_HOOKS)]));
    }
    let (hook, secret) = webhooks::create(&app, &tenant, new).await?;
    let details = json!({ "id": hook.id, "after": summary(&hook) });
    audit::record(&app, &tenant, &actor(&key), "webhook.created", details).await?;
    Ok((StatusCode::CREATED, Json(MadeWebhook { webhook: view(&hook), secret })))
}

/// A project's webhooks.
#[utoipa::path(
    get, path = "/api/v1/projects/{projectId}/webhooks", tag = "agentshield",
    operation_id = "agentshield_list_webhooks",
    params(("projectId" = String, Path, description = "The project")),
    security(("api_key" = [])),
    responses(
        (status = 200, body = Webhooks), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn list(State(app): State<App>, key: ApiKey, Path(id): Path<String>) -> Result<Json<Webhooks>> {
    let project = writable(&app, &key, &id).await?;
    let hooks = webhooks::list(&app, &project.id.to_string()).await?;
    Ok(Json(Webhooks { webhooks: hooks.iter().map(view).collect() }))
}

/// A webhook, without its secret.
#[utoipa::path(
    get, path = "/api/v1/projects/{projectId}/webhooks/{webhookId}", tag = "agentshield",
    operation_id = "agentshield_read_webhook",
    params(
        ("projectId" = String, Path, description = "The project"),
        ("webhookId" = String, Path, description = "The webhook"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 200, body = Webhook), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn read(State(app): State<App>, key: ApiKey, Path(ids): Path<Ids>) -> Result<Json<Webhook>> {
    Ok(Json(view(&found(&app, &key, &ids).await?)))
}

/// Change a webhook.
#[utoipa::path(
    patch, path = "/api/v1/projects/{projectId}/webhooks/{webhookId}", tag = "agentshield",
    operation_id = "agentshield_change_webhook",
    params(
        ("projectId" = String, Path, description = "The project"),
        ("webhookId" = String, Path, description = "The webhook"),
    ),
    request_body = ChangesBody,
    security(("api_key" = [])),
    responses(
        (status = 200, body = Webhook), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn change(
    State(app): State<App>,
    key: ApiKey,
    Path(ids): Path<Ids>,
    request: Request,
) -> Result<Json<Webhook>> {
    let hook = found(&app, &key, &ids).await?;
    let body = object(&collect(request.into_body(), BODY_LIMIT).await?)?;
    let changes = Changes::of(&app, &body)?;
    let changed = webhooks::change(&app, &hook.id, |hook| changes.apply(hook)).await.map_err(missing)?;
    let details = json!({ "id": hook.id, "before": summary(&hook), "after": summary(&changed) });
    audit::record(&app, &hook.tenant, &actor(&key), "webhook.changed", details).await?;
    Ok(Json(view(&changed)))
}

/// Delete a webhook, with its log.
#[utoipa::path(
    delete, path = "/api/v1/projects/{projectId}/webhooks/{webhookId}", tag = "agentshield",
    operation_id = "agentshield_delete_webhook",
    params(
        ("projectId" = String, Path, description = "The project"),
        ("webhookId" = String, Path, description = "The webhook"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 204, description = "Deleted"), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn delete(State(app): State<App>, key: ApiKey, Path(ids): Path<Ids>) -> Result<StatusCode> {
    let hook = found(&app, &key, &ids).await?;
    webhooks::delete(&app, &hook.id).await?;
    let details = json!({ "id": hook.id, "before": summary(&hook) });
    audit::record(&app, &hook.tenant, &actor(&key), "webhook.deleted", details).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replace a webhook's secret.
#[utoipa::path(
    post, path = "/api/v1/projects/{projectId}/webhooks/{webhookId}/rotate-secret", tag = "agentshield",
    operation_id = "agentshield_rotate_webhook_secret",
    params(
        ("projectId" = String, Path, description = "The project"),
        ("webhookId" = String, Path, description = "The webhook"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 200, body = NewSecret), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn rotate_secret(State(app): State<App>, key: ApiKey, Path(ids): Path<Ids>) -> Result<Json<NewSecret>> {
    let hook = found(&app, &key, &ids).await?;
    let secret = webhooks::rotate_secret(&app, &hook.id).await.map_err(missing)?;
    let details = json!({ "id": hook.id });
    audit::record(&app, &hook.tenant, &actor(&key), "webhook.secret_rotated", details).await?;
    Ok(Json(NewSecret { secret }))
}

/// Send a test event, also to a webhook that is switched off.
#[utoipa::path(
    post, path = "/api/v1/projects/{projectId}/webhooks/{webhookId}/test", tag = "agentshield",
    operation_id = "agentshield_test_webhook",
    params(
        ("projectId" = String, Path, description = "The project"),
        ("webhookId" = String, Path, description = "The webhook"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 202, body = TestUnderWay), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn test(
    State(app): State<App>,
    key: ApiKey,
    Path(ids): Path<Ids>,
) -> Result<(StatusCode, Json<TestUnderWay>)> {
    let hook = found(&app, &key, &ids).await?;
    let delivery_id = webhooks::test(&app, &hook).await?;
    Ok((StatusCode::ACCEPTED, Json(TestUnderWay { delivery_id })))
}

/// A webhook's last hundred deliveries.
#[utoipa::path(
    get, path = "/api/v1/projects/{projectId}/webhooks/{webhookId}/deliveries", tag = "agentshield",
    operation_id = "agentshield_list_webhook_deliveries",
    params(
        ("projectId" = String, Path, description = "The project"),
        ("webhookId" = String, Path, description = "The webhook"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 200, body = Deliveries), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn deliveries(State(app): State<App>, key: ApiKey, Path(ids): Path<Ids>) -> Result<Json<Deliveries>> {
    let hook = found(&app, &key, &ids).await?;
    let deliveries = webhooks::deliveries(&app, &hook.id).await?;
    Ok(Json(Deliveries { deliveries: deliveries.into_iter().map(shown).collect() }))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, change, delete))
        .routes(routes!(rotate_secret))
        .routes(routes!(test))
        .routes(routes!(deliveries))
}

/// What the path names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ids {
    project_id: String,
    webhook_id: String,
}

async fn writable(app: &App, key: &ApiKey, project_id: &str) -> Result<Project> {
    key.require(Scope::Write)?;
    key.project_at(app, project_id).await
}

async fn found(app: &App, key: &ApiKey, ids: &Ids) -> Result<Hook> {
    let project = writable(app, key, &ids.project_id).await?;
    webhooks::find(app, &project.id.to_string(), &ids.webhook_id).await.map_err(missing)
}

fn missing(error: crate::error::Error) -> Failure {
    if error.kind() == ErrorKind::NotFound { Failure::not_found("webhook") } else { error.into() }
}

fn view(hook: &Hook) -> Webhook {
    Webhook {
        id: hook.id.clone(),
        url: hook.url.clone(),
        events: hook.events.clone(),
        filter: json!(hook.filter),
        payload: match hook.payload {
            Payload::Minimal => "minimal".to_owned(),
            Payload::Full => "full".to_owned(),
        },
        bots_per_minute: hook.bots_per_minute,
        enabled: hook.is_enabled,
        created_at: hook.created_at.to_seconds_text(),
    }
}

fn shown(delivery: webhooks::Delivery) -> Delivery {
    Delivery {
        id: delivery.id,
        event: delivery.event,
        status: match delivery.status {
            webhooks::Status::Pending => "pending".to_owned(),
            webhooks::Status::Delivered => "delivered".to_owned(),
            webhooks::Status::Failed => "failed".to_owned(),
        },
        attempts: delivery.attempts,
        last_status_code: delivery.last_status_code,
        last_error: delivery.last_error,
        created_at: delivery.created_at.to_seconds_text(),
        delivered_at: delivery.delivered_at.map(quivive_core::Timestamp::to_seconds_text),
    }
}

/// What the audit trail holds of a webhook. Its URL may hold a secret in its path or query; the host is enough.
fn summary(hook: &Hook) -> Value {
    let host = hook.url.parse::<axum::http::Uri>().ok().and_then(|url| url.host().map(str::to_owned));
    json!({
        "host": host,
        "events": hook.events,
        "filter": hook.filter,
        "payload": hook.payload,
        "enabled": hook.is_enabled,
    })
}

const BODY_LIMIT: usize = 65_536;
