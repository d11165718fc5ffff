//! API keys for request detection: a secret with scopes that belongs to an account.

use quivive_core::Timestamp;
use quivive_core::encoding;
use serde::{Deserialize, Serialize};

use super::{Account, Project, credentials, directory};
use crate::app::App;
use crate::error::{Error, Result};
use crate::storage::Record;

/// An API key, of which only the hash and the first characters are kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct DetectionKey {
    /// SHA-256 of the key, lower-case hexadecimal.
    pub hash: String,
    /// The first twelve characters, to tell keys apart.
    pub start: String,
    /// The owner.
    pub account_id: i64,
    /// The project that detections are recorded for.
    pub project_id: i64,
    /// The projects that the key may see; all of the account when absent.
    pub projects: Option<Vec<i64>>,
    /// What the key may do.
    pub scopes: Vec<Scope>,
    /// When it stops being accepted.
    pub valid_until: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Classify requests.
    Detect,
    /// Send events.
    Ingest,
    /// Read projects, detections and analytics.
    Read,
    /// Change projects, keys and webhooks.
    Write,
}

impl DetectionKey {
    /// Whether what it makes is a test that analytics leave out.
    pub fn is_test(&self) -> bool {
        self.start.starts_with("as_test_")
    }

    /// Whether it may see a project of its account.
    pub fn sees(&self, project_id: i64) -> bool {
        self.projects.as_ref().is_none_or(|projects| projects.contains(&project_id))
    }
}

impl Record for DetectionKey {
    const KIND: &'static str = "detection_key";
    fn id(&self) -> String {
        self.hash.clone()
    }
    fn parent(&self) -> String {
        self.account_id.to_string()
    }
}

/// A key with its account and the project that it records for.
#[derive(Clone, Debug)]
pub struct KeyHolder {
    /// The key.
    pub key: DetectionKey,
    /// Its owner.
    pub account: Account,
    /// The project that it records for.
    pub project: Project,
}

/// A key to be made.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// The project that detections are recorded for; its account owns the key.
    pub project_id: i64,
    /// A fixed text; a new `as_live_` key when absent.
    pub key: Option<String>,
    /// The projects that the key may see; all of the account when absent.
    pub projects: Option<Vec<i64>>,
    /// What the key may do; `detect`, `ingest` and `read` when absent.
    pub scopes: Option<Vec<Scope>>,
    /// When it stops being accepted.
    pub valid_until: Option<Timestamp>,
}

/// Makes a key and returns it; it is not shown again.
///
/// # Errors
/// `NOT_FOUND` when the project is missing, `CONFLICT` when the fixed text is taken, `INVALID_REQUEST` when it has
/// another form than `as_live_…` or `as_test_…`.
pub async fn create(app: &App, new: NewKey) -> Result<String> {
    let project = directory::project(app, new.project_id).await?;
    let key = new.key.unwrap_or_else(|| credentials::new_detection_key(app, false));
    let start = key.get(..12).filter(|_| key.starts_with("as_live_") || key.starts_with("as_test_"));
    let start =
        start.ok_or_else(|| Error::invalid("an API key begins with as_live_ or as_test_"))?.to_owned();
    let record = DetectionKey {
        hash: credentials::hash(&key),
        start,
        account_id: project.account_id,
        project_id: project.id,
        projects: new.projects,
        scopes: new.scopes.unwrap_or_else(|| vec![Scope::Detect, Scope::Ingest, Scope::Read]),
        valid_until: new.valid_until,
        revoked_at: None,
        created_at: app.now(),
    };
    app.storage.insert(&record).await?;
    Ok(key)
}

/// Revokes a key.
///
/// # Errors
/// `NOT_FOUND` when it is unknown.
pub async fn revoke(app: &App, key: &str) -> Result<()> {
    let now = app.now();
    let revoke = |key: DetectionKey| Some(DetectionKey { revoked_at: key.revoked_at.or(Some(now)), ..key });
    let found = app.storage.update(&credentials::hash(key), revoke).await?;
    app.callers.forget();
    found.ok_or_else(|| Error::not_found("no such key"))
}

/// The key of this hash, whether it is still accepted or not, with its account and project.
///
/// # Errors
/// When storage does not answer.
pub async fn holder(app: &App, hash: &str) -> Result<Option<KeyHolder>> {
    let Some(key) = app.storage.get::<DetectionKey>(hash).await? else { return Ok(None) };
    let key = key.value;
    if !encoding::equal_in_constant_time(key.hash.as_bytes(), hash.as_bytes()) {
        return Ok(None);
    }
    let account = directory::account(app, key.account_id).await?;
    let project = directory::project(app, key.project_id).await?;
    Ok(Some(KeyHolder { key, account, project }))
}
