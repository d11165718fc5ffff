//! Detection of AI agents by the facts of one request, events of visitors, and what was recorded of both, over the
//! AgentShield-compatible API.

mod events;
mod patience;
mod policy;
mod projects;

pub use events::{BatchReceipt, EventReceipt, RejectedEvent, TrackedEvent};
pub use policy::{FetchedPolicy, RemotePolicy};
pub use projects::{
    Analytics, AnalyticsQuery, AnalyticsSummary, Bucket, DetectionItem, DetectionList, DetectionQuery,
    Pagination, Project, ProjectItem, ProjectList, ProjectQuery, ProjectSettings, ProjectStats, Projects,
};

use std::collections::BTreeMap;
use std::net::IpAddr;

use quivive_core::Error as CoreError;
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder};
use serde::{Deserialize, Serialize};

use crate::service::{call, request};
use crate::{Client, Result};

/// The calls with one API key; made by [`Client::agentshield`].
#[derive(Clone)]
pub struct AgentShield {
    client: Client,
    key: String,
    project: Option<String>,
}

impl std::fmt::Debug for AgentShield {
    /// The key is a secret and stays out of logs.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AgentShield").finish_non_exhaustive()
    }
}

impl AgentShield {
    pub(crate) fn new(client: Client, key: String) -> Self {
        Self { client, key, project: None }
    }

    /// Works for another project than the key's own, by its id (`proj_…`).
    #[must_use]
    pub fn for_project(self, id: impl Into<String>) -> Self {
        Self { project: Some(id.into()), ..self }
    }

    /// The project that was named by [`for_project`](Self::for_project).
    pub fn project_id(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// The policy of a project, by the project's id.
    ///
    /// # Errors
    /// `INVALID_INPUT` for what is no project's id, for a key that no header can hold, and without a service URL.
    pub fn policy(&self, project: &str) -> Result<RemotePolicy> {
        RemotePolicy::new(self, project)
    }

    /// The projects that the key may see.
    pub fn projects(&self) -> Projects<'_> {
        Projects::new(self)
    }

    /// Classifies one request of a visitor: one try, 250 ms in all unless the client says otherwise.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a key that no header can hold, otherwise as the service answers.
    pub async fn detect(&self, visit: &Visit) -> Result<Detection> {
        let timeout = self.client.inner().detect_timeout;
        call(self.request(Method::POST, &["detect"])?.timeout(timeout).json(visit)).await
    }

    /// A request with the key to a path below `/api/v1`.
    fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder> {
        let url = self.client.service()?.endpoint(&[&["api", "v1"], path].concat());
        let request = request(&self.client.inner().direct, method, url);
        let request = request.header("X-AgentShield-Key", header(&self.key, "API key")?);
        Ok(match &self.project {
            Some(id) => request.header("X-AgentShield-Project", header(id, "project id")?),
            None => request,
        })
    }
}

fn header(text: &str, what: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| CoreError::invalid_input(format!("{what} holds characters that no header can hold")))?;
    value.set_sensitive(true);
    Ok(value)
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
