//! Registered agents: lasting identities within an app.

use quivive_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::Result;
use crate::storage::Record;

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
}

/// A public key of an agent.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AgentKey {
    /// As it was given: PEM, a JWK in JSON, SPKI in base64 or 32 raw bytes in base64.
    pub text: String,
    /// `ed25519`, `ecdsa-p256-sha256` or `rsa-pss-sha256`.
    pub algorithm: String,
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

const LONGEST_ID: usize = 64;
const PAGE: usize = 500;
