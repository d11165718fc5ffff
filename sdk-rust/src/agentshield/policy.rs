//! A project's policy, for a guard that follows it.

use std::time::Duration;

use reqwest::header::{ETAG, IF_NONE_MATCH};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use super::AgentShield;
use super::projects::segment;
use crate::service::answer;
use crate::{Error, Result};

/// The policy of one project at the service; made by [`AgentShield::policy`].
#[derive(Clone, Debug)]
pub struct RemotePolicy {
    shield: AgentShield,
    project: String,
}

/// A policy as it was fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchedPolicy {
    /// The policy as the service writes it, see [`read_policy`](quivive_core::decision::read_policy).
    pub document: Value,
    /// Its entity tag, by which the next fetch asks for what is new only.
    pub tag: Option<String>,
}

impl RemotePolicy {
    pub(super) fn new(shield: &AgentShield, project: &str) -> Result<Self> {
        let policy = Self { shield: shield.clone(), project: segment(project)?.to_owned() };
        // Whatever cannot be asked for is refused now, not by the first fetch.
        drop(policy.request()?);
        Ok(policy)
    }

    /// Fetches the policy; nothing where it is still the one with the tag `known`. One try, 3 s in all, at most 1 MiB.
    ///
    /// # Errors
    /// As the service answers; `MALFORMED_ANSWER` for what is no policy, `CONNECTION_FAILED` for no answer in time.
    pub async fn fetch(&self, known: Option<&str>) -> Result<Option<FetchedPolicy>> {
        let mut request = self.request()?;
        if let Some(known) = known {
            request = request.header(IF_NONE_MATCH, known);
        }
        let response = request.send().await?;
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED && known.is_some() {
            return Ok(None);
        }
        let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let document: Value = answer(response, LARGEST_POLICY).await?;
        if document.get("defaultAction").is_none() {
            return Err(Error::malformed(status.as_u16()));
        }
        Ok(Some(FetchedPolicy { document, tag }))
    }

    fn request(&self) -> Result<RequestBuilder> {
        Ok(self.shield.request(Method::GET, &["projects", &self.project, "policy"])?.timeout(TIMEOUT))
    }
}

const LARGEST_POLICY: usize = 1_048_576;
const TIMEOUT: Duration = Duration::from_secs(3);
