//! What a guard tells a detection service about a request.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::request::Incoming;

/// What a detection service is told about a request, within its limits: the body of AgentShield's `POST /api/v1/detect`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "GuardEnquiry"))]
#[serde(rename_all = "camelCase")]
pub struct Enquiry {
    /// The user agent.
    pub user_agent: String,
    /// The client's address, behind trusted proxies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The headers by lower-case name, without those whose name says that they hold a secret.
    pub headers: BTreeMap<String, String>,
    /// Path and query.
    pub url: String,
    /// The method.
    pub method: String,
}

impl Enquiry {
    pub(super) fn new(request: &Incoming<'_>, ip: Option<IpAddr>) -> Self {
        let is_secret = |name: &str| SECRETS.iter().any(|part| name.contains(part));
        let headers = request.joined().into_iter().filter(|(name, value)| {
            name.len() <= LONGEST_NAME && value.len() <= LONGEST_VALUE && !is_secret(name)
        });
        Self {
            user_agent: request.user_agent(),
            ip,
            headers: headers.take(MOST_HEADERS).collect(),
            url: request.target.chars().take(LONGEST_URL).collect(),
            method: request.method.clone().into_owned(),
        }
    }
}

/// Parts of the names of headers that hold what is nobody else's.
const SECRETS: [&str; 6] = ["authorization", "cookie", "key", "secret", "session", "token"];
const MOST_HEADERS: usize = 100;
const LONGEST_NAME: usize = 256;
const LONGEST_VALUE: usize = 8_192;
const LONGEST_URL: usize = 2_000;
