//! What can be done with API keys, whoever asks for it: a holder of one, or a member of the account in the console.

use quivive_core::Timestamp;
use serde_json::{Map, Value, json};

use super::{Projects, body, rights};
use crate::agentshield::body::Reader;
use crate::agentshield::wire::{Failure, Fault, Result};
use crate::app::App;
use crate::audit::{self, Actor};
use crate::error::{Error, ErrorKind};
use crate::tenant::Project;
use crate::tenant::detection_key::{self, DetectionKey, MOST_KEYS, Scope};

/// Whoever manages keys; what he gives is never more than he has.
#[derive(Clone, Debug)]
pub struct Manager {
    /// What he has, as a key; its account is whose keys he manages.
    pub rights: DetectionKey,
    /// Who he is, for the audit trail.
    pub actor: Actor,
}

impl Manager {
    /// A member of a project's account, who may do everything there.
    pub fn member(project: &Project, actor: Actor) -> Self {
        let rights = DetectionKey {
            id: String::new(),
            name: String::new(),
            hash: String::new(),
            start: String::new(),
            account_id: project.account_id,
            project_id: project.id,
            projects: None,
            scopes: vec![Scope::Detect, Scope::Ingest, Scope::Read, Scope::Write],
            valid_until: None,
            revoked_at: None,
            created_at: Timestamp::default(),
        };
        Self { rights, actor }
    }
}

/// Makes the key that a body describes; returns its record and the key itself, which is not shown again.
///
/// # Errors
/// `INVALID_REQUEST` with every fault of the body, `FORBIDDEN` for more than the manager has.
pub async fn make(app: &App, manager: &Manager, body: &Map<String, Value>) -> Result<(DetectionKey, String)> {
    let projects = Projects::of(app, manager.rights.account_id).await?;
    let wanted = body::read(body, &projects, app.now())?;
    let new = rights::limit(wanted, &manager.rights, &projects)?;
    let (made, key) = detection_key::make(app, new).await.map_err(full)?;
    note(app, manager, "key.created", &made, json!({ "after": summary(&made) })).await?;
    Ok((made, key))
}

/// The keys of which the manager may know, the oldest first.
///
/// # Errors
/// When storage does not answer.
pub async fn list(app: &App, manager: &Manager) -> Result<Vec<DetectionKey>> {
    let mut keys = detection_key::list(app, manager.rights.account_id).await?;
    keys.retain(|key| rights::sees_all_of(&manager.rights, key));
    Ok(keys)
}

/// A key of the manager's account of which he may know.
///
/// # Errors
/// `NOT_FOUND`, and `FORBIDDEN` when it sees a project that he does not.
pub async fn find(app: &App, manager: &Manager, id: &str) -> Result<DetectionKey> {
    let keys = detection_key::list(app, manager.rights.account_id).await?;
    let key = keys.into_iter().find(|key| !id.is_empty() && key.id == id);
    let key = key.ok_or_else(|| Failure::not_found("key"))?;
    if rights::sees_all_of(&manager.rights, &key) { Ok(key) } else { Err(Failure::forbidden("project")) }
}

/// Whether the manager may replace or revoke a key.
///
/// # Errors
/// `FORBIDDEN` with the reason `scope` or `project`.
pub fn may_change(manager: &Manager, key: &DetectionKey) -> Result<()> {
    rights::covers(&manager.rights, key)
}

/// Revokes a key; it is refused from now on.
///
/// # Errors
/// `FORBIDDEN` as [`may_change`], `NOT_FOUND` when it is gone.
pub async fn revoke(app: &App, manager: &Manager, key: &DetectionKey) -> Result<()> {
    may_change(manager, key)?;
    detection_key::revoke_hashed(app, &key.hash).await.map_err(missing)?;
    note(app, manager, "key.revoked", key, json!({ "before": summary(key) })).await
}

/// Replaces a key by one that may do the same; both hold for the body's `overlapSeconds`. Returns the new key's record,
/// the key itself, and the former one as it is now.
///
/// # Errors
/// `INVALID_REQUEST` for another overlap than 0 to 86,400, for a key that has ended and when the account has all that
/// it may have, `FORBIDDEN` as [`may_change`], `NOT_FOUND` when the key is gone.
pub async fn replace(
    app: &App,
    manager: &Manager,
    key: &DetectionKey,
    body: &Map<String, Value>,
) -> Result<(DetectionKey, String, DetectionKey)> {
    may_change(manager, key)?;
    let mut reader = Reader::default();
    let seconds = reader.whole(body, "overlapSeconds", "overlapSeconds", 0..=86_400);
    let seconds = reader.finish(seconds)?.unwrap_or_default();
    if key.valid_until.is_some_and(|end| end <= app.now()) {
        // What has ended is not brought back to life.
        return Err(Failure::invalid(&[Fault::new("expiresAt", "out_of_range")]));
    }
    let overlap = i64::from(seconds) * 1_000;
    let (made, text, former) = detection_key::rotate(app, &key.hash, overlap).await.map_err(|error| {
        if error.kind() == ErrorKind::NotFound { Failure::not_found("key") } else { full(error) }
    })?;
    let details = json!({ "replaces": former.id, "overlap_seconds": seconds });
    note(app, manager, "key.rotated", &made, details).await?;
    Ok((made, text, former))
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

async fn note(app: &App, manager: &Manager, action: &str, key: &DetectionKey, details: Value) -> Result<()> {
    let mut details = details;
    if let Some(details) = details.as_object_mut() {
        details.insert("id".to_owned(), json!(key.id));
    }
    let tenant = format!("account/{}", key.account_id);
    Ok(audit::record(app, &tenant, &manager.actor, action, details).await?)
}

fn missing(error: Error) -> Failure {
    if error.kind() == ErrorKind::NotFound { Failure::not_found("key") } else { error.into() }
}

fn full(error: Error) -> Failure {
    match error.code() {
        "TOO_MANY" => Failure::invalid(&[Fault::new("body", "too_many").with("max", MOST_KEYS)]),
        _ => error.into(),
    }
}
