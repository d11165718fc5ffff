//! What can be done with webhooks, whoever asks for it: a holder of an API key, or a member of the account.

use serde_json::{Map, Value, json};

use super::body::{self, Changes};
use crate::agentshield::wire::{Failure, Fault, Result};
use crate::app::App;
use crate::audit::{self, Actor};
use crate::error::{Error, ErrorKind};
use crate::flows::webhooks::{self, Hook, MOST_HOOKS};
use crate::tenant::Project;

/// Makes the webhook that a body describes; its secret is not shown again.
///
/// # Errors
/// `INVALID_REQUEST` with every fault of the body, or when the project has all that it may have.
pub async fn make(
    app: &App,
    project: &Project,
    actor: &Actor,
    body: &Map<String, Value>,
) -> Result<(Hook, String)> {
    let new = body::new_hook(app, body)?;
    let tenant = project.id.to_string();
    let (hook, secret) = webhooks::create(app, &tenant, new).await.map_err(|error| match error.code() {
        "TOO_MANY" => Failure::invalid(&[Fault::new("body", "too_many").with("max", MOST_HOOKS)]),
        _ => error.into(),
    })?;
    let details = json!({ "id": hook.id, "after": summary(&hook) });
    audit::record(app, &tenant, actor, "webhook.created", details).await?;
    Ok((hook, secret))
}

/// A webhook of a project.
///
/// # Errors
/// `NOT_FOUND` when there is none, or it is another project's.
pub async fn find(app: &App, project: &Project, id: &str) -> Result<Hook> {
    webhooks::find(app, &project.id.to_string(), id).await.map_err(missing)
}

/// Changes a webhook as a body says; what the body does not name stays.
///
/// # Errors
/// `INVALID_REQUEST` with every fault of the body, `NOT_FOUND` when the webhook is gone.
pub async fn alter(app: &App, hook: &Hook, actor: &Actor, body: &Map<String, Value>) -> Result<Hook> {
    let changes = Changes::of(app, body)?;
    let changed = webhooks::change(app, &hook.id, |hook| changes.apply(hook)).await.map_err(missing)?;
    let details = json!({ "id": hook.id, "before": summary(hook), "after": summary(&changed) });
    audit::record(app, &hook.tenant, actor, "webhook.changed", details).await?;
    Ok(changed)
}

/// Deletes a webhook, with its log.
///
/// # Errors
/// When storage does not answer.
pub async fn remove(app: &App, hook: &Hook, actor: &Actor) -> Result<()> {
    webhooks::delete(app, &hook.id).await?;
    let details = json!({ "id": hook.id, "before": summary(hook) });
    Ok(audit::record(app, &hook.tenant, actor, "webhook.deleted", details).await?)
}

/// Replaces a webhook's secret and returns the new one.
///
/// # Errors
/// `NOT_FOUND` when the webhook is gone.
pub async fn replace_secret(app: &App, hook: &Hook, actor: &Actor) -> Result<String> {
    let secret = webhooks::rotate_secret(app, &hook.id).await.map_err(missing)?;
    let details = json!({ "id": hook.id });
    audit::record(app, &hook.tenant, actor, "webhook.secret_rotated", details).await?;
    Ok(secret)
}

fn missing(error: Error) -> Failure {
    if error.kind() == ErrorKind::NotFound { Failure::not_found("webhook") } else { error.into() }
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
