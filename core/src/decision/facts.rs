//! What a decision is made from.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Action;
use crate::agent::Classification;
use crate::evidence::Evidence;

/// What is known when a decision is made; an absent member was not observed.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DecisionFacts {
    /// The request's path, raw; it is normalised before it is compared.
    pub path: Option<String>,
    /// The HTTP method.
    pub method: Option<String>,
    /// The `Origin` header.
    pub origin: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The client address.
    pub ip: Option<IpAddr>,
    /// The number of the autonomous system.
    pub asn: Option<u32>,
    /// The country, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Requests of this visitor in the last 300 seconds.
    pub request_rate_300s: Option<u32>,
    /// The classification of the request.
    pub classification: Option<Classification>,
    /// The outcome of the token check.
    pub token: Option<TokenOutcome>,
    /// The session's verdict.
    pub verdict: Option<Verdict>,
    /// The agent's reputation, 0 to 1.
    pub reputation: Option<f64>,
    /// The client's decentralised identifier, when proven.
    pub client_did: Option<String>,
    /// The agent's decentralised identifier, when proven.
    pub agent_did: Option<String>,
    /// Whether the visitor is logged in.
    pub is_authenticated: Option<bool>,
    /// Whether a delegation was verified.
    pub has_valid_delegation: Option<bool>,
    /// Whether something that the policy needs could not be had: a time-out, a fault, no keys.
    pub unavailable: bool,
    /// Further evidence that the decision hands on.
    pub evidence: Vec<Evidence>,
}

/// How checking a token ended.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenOutcome {
    /// The result.
    pub status: TokenStatus,
    /// The code of the failure, for example `TOKEN_EXPIRED`.
    #[serde(default)]
    pub code: Option<String>,
    /// The subject of a verified token.
    #[serde(default)]
    pub subject: Option<String>,
    /// The audiences of a verified token.
    #[serde(default)]
    pub audience: Vec<String>,
    /// The capabilities of a verified token.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

/// The results of a token check.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenStatus {
    /// It holds.
    Verified,
    /// It does not hold, has expired or was revoked.
    Invalid,
    /// None was sent.
    Missing,
}

/// The view of a session's verdict that a decision needs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "VerdictFacts"))]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The band.
    pub verdict: Band,
    /// 0 (none) or 1 (bot) to 99 (person).
    pub score: u8,
    /// What the service advises.
    pub action: Action,
    /// The ids of what was detected.
    #[serde(default)]
    pub detection_ids: Vec<i32>,
    /// The reason for people.
    #[serde(default)]
    pub reason: String,
}

impl Verdict {
    /// Whether it says anything: not `not_computed`, and no score 0 but that of a verified bot.
    pub fn is_evidence(&self) -> bool {
        match self.verdict {
            Band::NotComputed => false,
            Band::Verified => true,
            _ => self.score > 0,
        }
    }
}

/// The bands of a session's score.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "VerdictBand"))]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// No score.
    NotComputed,
    /// Surely a bot.
    Definite,
    /// Sent by some services between `definite` and `likely_automated`; treated as the latter.
    ConfidentAutomated,
    /// Likely a bot.
    LikelyAutomated,
    /// Likely a person.
    LikelyHuman,
    /// A verified bot.
    Verified,
}
