//! API keys for request detection: a secret with scopes that belongs to an account.

pub mod uses;

use quivive_core::Timestamp;
use quivive_core::encoding;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Account, Project, credentials, directory};
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{self, Condition, Put, Record, Versioned};

/// An API key, of which only the hash and the first characters are kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct DetectionKey {
    /// The id, `key_` and 20 characters of base32; public.
    #[serde(default)]
    pub id: String,
    /// The owner's name for it; may be empty.
    #[serde(default)]
    pub name: String,
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
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = AgentshieldScope)]
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
    /// The project that it records for; nothing when that was deleted.
    pub project: Option<Project>,
}

/// A key to be made.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// The owner's name for it; may be empty.
    pub name: String,
    /// Whether what it makes is a test; a fixed text says so itself.
    pub is_test: bool,
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
    Ok(make(app, new).await?.1)
}

/// Makes a key and returns its record and the key itself, which is not shown again.
///
/// # Errors
/// As [`create`]; `TOO_MANY` when the account has [`MOST_KEYS`].
pub async fn make(app: &App, new: NewKey) -> Result<(DetectionKey, String)> {
    let project = directory::project(app, new.project_id).await?;
    let key = new.key.unwrap_or_else(|| credentials::new_detection_key(app, new.is_test));
    let record = DetectionKey {
        id: credentials::new_key_id(app),
        name: new.name,
        hash: credentials::hash(&key),
        start: start_of(&key)?,
        account_id: project.account_id,
        project_id: project.id,
        projects: new.projects,
        scopes: new.scopes.unwrap_or_else(|| vec![Scope::Detect, Scope::Ingest, Scope::Read]),
        valid_until: new.valid_until,
        revoked_at: None,
        created_at: app.now(),
    };
    forget_ended(app, record.account_id).await?;
    app.storage.insert_of(&record, MOST_KEYS).await?;
    Ok((record, key))
}

/// The keys of an account that are not revoked, the oldest first.
///
/// # Errors
/// When storage does not answer.
pub async fn list(app: &App, account_id: i64) -> Result<Vec<DetectionKey>> {
    let mut keys = all(app, account_id).await?;
    keys.retain(|key| key.revoked_at.is_none());
    keys.sort_by(|left, right| (left.created_at, &left.id).cmp(&(right.created_at, &right.id)));
    Ok(keys)
}

/// Every key of an account that is kept, in the order of their hashes.
async fn all(app: &App, account_id: i64) -> Result<Vec<DetectionKey>> {
    let (parent, mut after, mut keys) = (account_id.to_string(), None::<String>, Vec::new());
    loop {
        let found = app.storage.list::<DetectionKey>(&parent, after.as_deref(), MOST_AT_ONCE).await?;
        let Some(last) = found.last() else { break };
        after = Some(last.hash.clone());
        keys.extend(found.into_iter().map(|key| key.value));
    }
    Ok(keys)
}

/// Makes a key that may do what another one may, which then holds for `overlap` milliseconds more. Returns the new
/// key's record, the key itself, and the former one as it is now.
///
/// # Errors
/// `NOT_FOUND` when the key is unknown or revoked, `TOO_MANY` when the account has [`MOST_KEYS`].
pub async fn rotate(app: &App, hash: &str, overlap: i64) -> Result<(DetectionKey, String, DetectionKey)> {
    loop {
        let found = app.storage.get::<DetectionKey>(hash).await?;
        if let Some(found) = &found {
            forget_ended(app, found.account_id).await?;
        }
        let found = found.filter(|key| key.revoked_at.is_none()).ok_or_else(missing)?;
        let Versioned { value: mut former, version } = found;
        let now = app.now();
        let text = credentials::new_detection_key(app, former.is_test());
        let key = DetectionKey {
            id: credentials::new_key_id(app),
            hash: credentials::hash(&text),
            start: start_of(&text)?,
            created_at: now,
            ..former.clone()
        };
        let end = now.plus_milliseconds(overlap);
        former.valid_until = Some(former.valid_until.map_or(end, |until| until.min(end)));
        let room = Condition::AbsentOf(MOST_KEYS);
        let changes = vec![Put::new(&key, room)?, Put::new(&former, Condition::Version(version))?];
        let outcome = app.storage.write(changes).await;
        app.callers.forget();
        match outcome {
            Ok(()) => return Ok((key, text, former)),
            Err(storage::Error::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Revokes a key.
///
/// # Errors
/// `NOT_FOUND` when it is unknown.
pub async fn revoke(app: &App, key: &str) -> Result<()> {
    revoke_hashed(app, &credentials::hash(key)).await
}

/// Revokes the key of this hash.
///
/// # Errors
/// `NOT_FOUND` when it is unknown.
pub async fn revoke_hashed(app: &App, hash: &str) -> Result<()> {
    let now = app.now();
    let revoke = |key: DetectionKey| Some(DetectionKey { revoked_at: key.revoked_at.or(Some(now)), ..key });
    let found = app.storage.update(hash, revoke).await?;
    app.callers.forget();
    found.ok_or_else(missing)
}

/// Forgets keys of an account that ended (expired, replaced or revoked), but for the latest [`MOST_ENDED`]. Who uses a
/// forgotten one is told that it is not valid, no longer why.
async fn forget_ended(app: &App, account_id: i64) -> Result<()> {
    let now = app.now();
    let mut ended: Vec<(Timestamp, String)> = all(app, account_id)
        .await?
        .into_iter()
        .filter_map(|key| {
            let expired_at = key.valid_until.filter(|until| *until <= now);
            let ended_at = expired_at.into_iter().chain(key.revoked_at).min()?;
            Some((ended_at, key.hash))
        })
        .collect();
    ended.sort_unstable_by(|left, right| right.cmp(left));
    let forgotten = ended.into_iter().skip(MOST_ENDED).map(|(_, hash)| Put::delete::<DetectionKey>(hash));
    let forgotten: Vec<Put> = forgotten.collect();
    if forgotten.is_empty() { Ok(()) } else { Ok(app.storage.write(forgotten).await?) }
}

/// Takes a deleted project out of an account's keys; those that could see nothing else are revoked.
///
/// # Errors
/// When storage does not answer.
pub async fn forget_project(app: &App, account_id: i64, project_id: i64) -> Result<()> {
    let now = app.now();
    for key in list(app, account_id).await?.iter().filter(|key| key.projects.is_some()) {
        let narrow = |mut key: DetectionKey| {
            let projects = key.projects.as_mut().filter(|projects| projects.contains(&project_id))?;
            projects.retain(|seen| *seen != project_id);
            if projects.is_empty() {
                key.revoked_at = Some(now);
            }
            Some(key)
        };
        app.storage.update(&key.hash, narrow).await?;
    }
    app.callers.forget();
    Ok(())
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
    let project = match directory::project(app, key.project_id).await {
        Ok(project) => Some(project),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(Some(KeyHolder { key, account, project }))
}

/// What is kept of a key's text.
fn start_of(key: &str) -> Result<String> {
    let start = key.get(..12).filter(|_| key.starts_with("as_live_") || key.starts_with("as_test_"));
    Ok(start.ok_or_else(|| Error::invalid("an API key begins with as_live_ or as_test_"))?.to_owned())
}

fn missing() -> Error {
    Error::not_found("no such key")
}

/// Keys that an account may have, those that ended and are kept included.
pub const MOST_KEYS: usize = 500;

/// Keys that ended and are kept, so that who uses one is told why it is refused.
pub const MOST_ENDED: usize = 20;

const MOST_AT_ONCE: usize = 1_000;
