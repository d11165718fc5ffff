//! How agents with keys are shown.

use quivive_core::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::botcha::agents::{Agent, AgentKey, TrustLevel};

/// An agent with its key and capabilities.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaTapAgent)]
pub struct TapAgent {
    success: bool,
    agent_id: String,
    app_id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// ISO 8601.
    created_at: String,
    /// False until the app's owner registers or confirms the agent.
    owner_verified: bool,
    /// Whether it has a public key.
    tap_enabled: bool,
    trust_level: TrustLevel,
    /// As they were given, with `scope` and `restrictions` in their normalized form.
    #[schema(value_type = Vec<Object>)]
    capabilities: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature_algorithm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    did: Option<String>,
    ans_name: Option<String>,
    /// Null until a badge for the name is issued.
    #[schema(value_type = Option<String>)]
    ans_badge_id: (),
    /// Null until a badge for the name is issued.
    #[schema(value_type = Option<String>)]
    ans_trust_level: (),
    has_public_key: bool,
    /// The first 16 hexadecimal digits of the SHA-256 of the key's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_fingerprint: Option<String>,
    /// The JWK thumbprint (RFC 7638) of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_thumbprint: Option<String>,
    /// ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_created_at: Option<String>,
    /// ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_expires_at: Option<String>,
}

/// An agent as it is read.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaTapAgentDetails)]
pub struct TapAgentDetails {
    #[serde(flatten)]
    agent: TapAgent,
    last_verified_at: Option<String>,
    #[schema(value_type = Option<String>)]
    ans_verified_at: (),
    /// As it was given.
    public_key: Option<String>,
}

/// The agents of an app.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaTapAgents)]
pub struct TapAgents {
    /// True.
    pub success: bool,
    /// In the order of registration.
    pub agents: Vec<Listed>,
    /// How many are listed.
    pub count: usize,
    /// How many of the app's agents have a key.
    pub tap_enabled_count: usize,
}

/// An agent in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaTapAgentListed)]
pub struct Listed {
    agent_id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    created_at: String,
    owner_verified: bool,
    tap_enabled: bool,
    trust_level: TrustLevel,
    #[schema(value_type = Vec<Object>)]
    capabilities: Vec<Value>,
    last_verified_at: Option<String>,
}

impl TapAgent {
    /// What everybody may know about an agent.
    pub fn of(agent: &Agent) -> Self {
        let key = agent.key.as_ref();
        Self {
            success: true,
            agent_id: agent.id.clone(),
            app_id: agent.app_id.clone(),
            name: agent.name.clone(),
            operator: agent.operator.clone(),
            version: agent.version.clone(),
            created_at: agent.created_at.to_string(),
            owner_verified: agent.is_owner_verified,
            tap_enabled: key.is_some(),
            trust_level: agent.trust_level,
            capabilities: agent.capabilities.clone(),
            signature_algorithm: key.map(|key| key.algorithm.clone()),
            issuer: agent.issuer.clone(),
            did: agent.did.clone(),
            ans_name: agent.ans_name.clone(),
            ans_badge_id: (),
            ans_trust_level: (),
            has_public_key: key.is_some(),
            key_fingerprint: key.map(AgentKey::fingerprint),
            key_thumbprint: key.map(|key| key.thumbprint.clone()),
            key_created_at: key.map(|key| key.created_at.to_string()),
            key_expires_at: key.and_then(|key| key.expires_at).as_ref().map(Timestamp::to_string),
        }
    }
}

impl TapAgentDetails {
    /// An agent as it is read.
    pub fn of(agent: &Agent) -> Self {
        Self {
            agent: TapAgent::of(agent),
            last_verified_at: agent.last_verified_at.as_ref().map(Timestamp::to_string),
            ans_verified_at: (),
            public_key: agent.key.as_ref().map(|key| key.text.clone()),
        }
    }
}

impl Listed {
    /// An agent in a list.
    pub fn of(agent: &Agent) -> Self {
        Self {
            agent_id: agent.id.clone(),
            name: agent.name.clone(),
            operator: agent.operator.clone(),
            version: agent.version.clone(),
            created_at: agent.created_at.to_string(),
            owner_verified: agent.is_owner_verified,
            tap_enabled: agent.key.is_some(),
            trust_level: agent.trust_level,
            capabilities: agent.capabilities.clone(),
            last_verified_at: agent.last_verified_at.as_ref().map(Timestamp::to_string),
        }
    }
}
