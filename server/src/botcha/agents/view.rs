//! How agents are shown.

use quivive_core::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Agent, TrustLevel};

/// An agent in short.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaAgent)]
pub struct AgentSummary {
    /// `agent_` and 16 hexadecimal digits.
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
}

/// An agent that was registered.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaRegisteredAgent)]
pub struct Registered {
    success: bool,
    #[serde(flatten)]
    agent: AgentSummary,
}

/// An agent with what is known about it.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaAgentDetails)]
pub struct AgentDetails {
    success: bool,
    #[serde(flatten)]
    agent: AgentSummary,
    /// Whether it has a public key.
    tap_enabled: bool,
    trust_level: TrustLevel,
    #[schema(value_type = Vec<Object>)]
    capabilities: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_verified_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ans_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    did: Option<String>,
}

impl AgentSummary {
    /// The summary of an agent.
    pub fn of(agent: &Agent) -> Self {
        Self {
            agent_id: agent.id.clone(),
            app_id: agent.app_id.clone(),
            name: agent.name.clone(),
            operator: agent.operator.clone(),
            version: agent.version.clone(),
            created_at: agent.created_at.to_string(),
            owner_verified: agent.is_owner_verified,
        }
    }
}

impl Registered {
    /// That the agent was registered.
    pub fn of(agent: &Agent) -> Self {
        Self { success: true, agent: AgentSummary::of(agent) }
    }
}

impl AgentDetails {
    /// Everything about an agent that everybody may know.
    pub fn of(agent: &Agent) -> Self {
        Self {
            success: true,
            agent: AgentSummary::of(agent),
            tap_enabled: agent.key.is_some(),
            trust_level: agent.trust_level,
            capabilities: agent.capabilities.clone(),
            key_fingerprint: agent.key.as_ref().map(super::AgentKey::fingerprint),
            last_verified_at: agent.last_verified_at.as_ref().map(Timestamp::to_string),
            ans_name: agent.ans_name.clone(),
            did: agent.did.clone(),
        }
    }
}
