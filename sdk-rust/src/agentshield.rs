//! Detection of AI agents by the facts of one request, over the AgentShield-compatible API.

use std::collections::BTreeMap;
use std::net::IpAddr;

use quivive_core::Error as CoreError;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::service::{call, request};
use crate::{Client, Result};

/// The calls with one API key; made by [`Client::agentshield`].
#[derive(Clone)]
pub struct AgentShield {
    client: Client,
    key: String,
}

impl std::fmt::Debug for AgentShield {
    /// The key is a secret and stays out of logs.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AgentShield").finish_non_exhaustive()
    }
}

impl AgentShield {
    pub(crate) fn new(client: Client, key: String) -> Self {
        Self { client, key }
    }

    /// Classifies one request of a visitor: one try, 250 ms in all unless the client says otherwise.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a key that no header can hold, otherwise as the service answers.
    pub async fn detect(&self, visit: &Visit) -> Result<Detection> {
        let url = self.client.service()?.endpoint(&["api", "v1", "detect"]);
        let mut key = HeaderValue::from_str(&self.key)
            .map_err(|_| CoreError::invalid_input("API key holds characters that no header can hold"))?;
        key.set_sensitive(true);
        let inner = self.client.inner();
        call(
            request(&inner.direct, Method::POST, url)
                .header("X-AgentShield-Key", key)
                .timeout(inner.detect_timeout)
                .json(visit),
        )
        .await
    }
}

/// The facts of one request; at least one of `user_agent`, `headers` and `ip` must be given.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Visit {
    /// The `User-Agent` header; empty when the visitor sent none, absent when it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The visitor's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// All headers of the request; when given, headers that are missing here were not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// The absolute URL or the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// What the request was classified as.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Detection {
    /// Whether it is automated.
    pub is_bot: bool,
    /// The likelihood of automation, 0 to 1.
    pub confidence: f64,
    /// What it comes from, for example `ai_agent`.
    pub bot_type: String,
    /// Which kinds of evidence spoke for automation.
    pub details: Details,
    /// About the answer itself.
    pub metadata: Metadata,
}

/// Which kinds of evidence spoke for automation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The user agent by itself.
    pub user_agent_bot: bool,
    /// The shape of the headers, or behaviour.
    pub behavioral_bot: bool,
    /// The address.
    pub ip_bot: bool,
}

/// About an answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Name and version of the engine.
    pub engine: String,
    /// Time spent, in milliseconds.
    pub processing_time: u64,
}
