//! Registered agents: lasting identities within an app.

pub mod caller;
pub mod ownership;
pub mod registry;
pub mod view;

use quivive_core::public_key::{PublicKey, SignatureAlgorithm};
use quivive_core::{Timestamp, encoding};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::apps::{self, RegisteredApp};
use crate::app::App;
use crate::error::{Error, Result};
use crate::storage::{self, Condition, Put, Record, Versioned};
use crate::tenant::credentials;

/// An agent.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Agent {
    /// `agent_` and 16 hexadecimal digits.
    pub id: String,
    /// The app that it belongs to.
    pub app_id: String,
    /// What it calls itself.
    pub name: String,
    /// Who runs it, as it says.
    pub operator: Option<String>,
    /// Its version, as it says.
    pub version: Option<String>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Whether the app's owner registered or confirmed it.
    pub is_owner_verified: bool,
    /// The key that it signs with.
    #[serde(default)]
    pub key: Option<AgentKey>,
    /// When it last proved to hold its key.
    #[serde(default)]
    pub last_verified_at: Option<Timestamp>,
    /// Its account with a model provider, by a keyed hash.
    #[serde(default)]
    pub provider: Option<ProviderKey>,
    /// When a person last granted it a refresh token.
    #[serde(default)]
    pub oauth_authorized_at: Option<Timestamp>,
    /// What it may do, in the normalized form of [`super::tap::capability`].
    #[serde(default)]
    pub capabilities: Vec<Value>,
    /// How far it is trusted, as its owner says.
    #[serde(default)]
    pub trust_level: TrustLevel,
    /// Who vouches for it, as it says.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Its decentralized identifier, as it says.
    #[serde(default)]
    pub did: Option<String>,
    /// Its name in the agent name service, as it says.
    #[serde(default)]
    pub ans_name: Option<String>,
}

/// How far an agent is trusted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BotchaTrustLevel)]
pub enum TrustLevel {
    /// Like everybody.
    #[default]
    Basic,
    /// Known to the owner.
    Verified,
    /// Under a contract.
    Enterprise,
}

/// A public key of an agent.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AgentKey {
    /// As it was given: PEM, a JWK in JSON, SPKI in base64 or 32 raw bytes in base64.
    pub text: String,
    /// `ed25519`, `ecdsa-p256-sha256` or `rsa-pss-sha256`.
    pub algorithm: String,
    /// Its JWK thumbprint (RFC 7638), the same for every form of the text.
    #[serde(default)]
    pub thumbprint: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it stops being good.
    pub expires_at: Option<Timestamp>,
}

/// A provider and what is kept of the key for it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ProviderKey {
    /// `anthropic`, `openai`, `google`, `mistral`, `cohere` or `other`.
    pub provider: String,
    /// Keyed hash of the SHA-256 of the key.
    pub hash: String,
}

/// Finds agents by the thumbprint of their key.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct KeyHolder {
    thumbprint: String,
    pub(super) since: Timestamp,
    pub(super) agent_id: String,
}

impl Record for KeyHolder {
    const KIND: &'static str = "agent_key";

    fn id(&self) -> String {
        // In the order of time: whoever registers a key that another agent has comes behind it.
        format!("{}:{:015}:{}", self.thumbprint, self.since.milliseconds(), self.agent_id)
    }

    fn parent(&self) -> String {
        self.thumbprint.clone()
    }
}

impl AgentKey {
    /// The key, ready to verify.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` if the stored text is no key, which no route lets in.
    pub fn parse(&self) -> Result<PublicKey> {
        let algorithm = SignatureAlgorithm::from_name(&self.algorithm);
        let algorithm = algorithm.ok_or_else(|| Error::internal("a stored key has no known algorithm"))?;
        PublicKey::parse(&self.text, algorithm)
            .map_err(|error| Error::internal("a stored key cannot be read").because(error))
    }

    /// Whether the key has stopped being good.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the text without white space and PEM markers. It tells the
    /// forms of one key apart; the thumbprint does not.
    pub fn fingerprint(&self) -> String {
        let text: String = self.text.split_whitespace().collect();
        let bare: String = text.split("-----").step_by(2).collect();
        credentials::hash(&bare).chars().take(16).collect()
    }
}

impl Record for Agent {
    const KIND: &'static str = "agent";

    fn id(&self) -> String {
        self.id.clone()
    }

    fn parent(&self) -> String {
        self.app_id.clone()
    }
}

/// The agent of that id.
///
/// # Errors
/// If storage does not answer.
pub async fn find(app: &App, id: &str) -> Result<Option<Agent>> {
    if id.len() > LONGEST_ID {
        return Ok(None);
    }
    Ok(app.storage.get::<Agent>(id).await?.map(|found| found.value))
}

/// The agents of an app, oldest first.
///
/// # Errors
/// If storage does not answer.
pub async fn list(app: &App, app_id: &str) -> Result<Vec<Agent>> {
    let mut agents = Vec::new();
    let mut after = None;
    loop {
        let page = app.storage.list::<Agent>(app_id, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|agent| agent.id.clone());
        agents.extend(page.into_iter().map(|agent| agent.value));
        if is_last {
            break;
        }
    }
    agents.sort_by(|left, right| (left.created_at, &left.id).cmp(&(right.created_at, &right.id)));
    Ok(agents)
}

/// The agent of that id and its app, if the app is there and good for more than challenges.
///
/// # Errors
/// If storage does not answer.
pub async fn find_alive(app: &App, id: &str) -> Result<Option<(Versioned<Agent>, RegisteredApp)>> {
    if id.len() > LONGEST_ID {
        return Ok(None);
    }
    let Some(agent) = app.storage.get::<Agent>(id).await? else { return Ok(None) };
    let owner =
        apps::find(app, &agent.app_id).await?.filter(|owner| !owner.is_demo && owner.is_email_verified);
    Ok(owner.map(|owner| (agent, owner)))
}

/// Stores a new agent under an id of its own.
///
/// # Errors
/// If storage does not answer.
pub(super) async fn insert(app: &App, mut agent: Agent) -> Result<Agent> {
    for _ in 0..MOST_DRAWS {
        agent.id = format!("agent_{}", encoding::hex(&app.random_bytes::<8>()));
        let mut changes = vec![Put::absent(&agent)?];
        changes.extend(key_changes(None, &agent)?);
        match app.storage.write(changes).await {
            Ok(()) => return Ok(agent),
            Err(storage::Error::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::unavailable("no free agent id was found"))
}

/// Changes an agent of an app together with what finds it by its key. Nothing is returned if it is not there (any
/// more).
///
/// # Errors
/// If storage does not answer.
pub(super) async fn change(app: &App, id: &str, change: impl Fn(&mut Agent)) -> Result<Option<Agent>> {
    for _ in 0..MOST_TRIES {
        let Some(found) = app.storage.get::<Agent>(id).await? else { return Ok(None) };
        let mut next = found.value.clone();
        change(&mut next);
        let mut changes = vec![Put::new(&next, Condition::Version(found.version))?];
        changes.extend(key_changes(found.key.as_ref(), &next)?);
        match app.storage.write(changes).await {
            Ok(()) => return Ok(Some(next)),
            Err(storage::Error::Conflict) => tokio::task::yield_now().await,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::unavailable("an agent is changed by many requests at once"))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    registry::router()
}

fn key_changes(before: Option<&AgentKey>, agent: &Agent) -> storage::Result<Vec<Put>> {
    let holder = |key: &AgentKey| KeyHolder {
        thumbprint: key.thumbprint.clone(),
        since: key.created_at,
        agent_id: agent.id.clone(),
    };
    let mut changes = Vec::new();
    match (before.map(holder), agent.key.as_ref().map(holder)) {
        (Some(before), Some(after)) if before.id() == after.id() => {}
        (before, after) => {
            changes.extend(before.map(|before| Put::delete::<KeyHolder>(before.id())));
            changes.extend(after.map(|after| Put::any(&after)).transpose()?);
        }
    }
    Ok(changes)
}

const LONGEST_ID: usize = 64;
const PAGE: usize = 500;
const MOST_DRAWS: usize = 8;
const MOST_TRIES: usize = 16;
