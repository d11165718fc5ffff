//! What a site sets about its detection guard.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::crypto::Seed;
use crate::decision::{Action, ListEntry, Policy};
use crate::signature::DatedJwk;
use crate::{Error, Result};

/// The options of a detection guard; every one has a default but `seed`. Names are also read in camel case.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct GuardOptions {
    /// 32 fresh random bytes, from which ids and nonces are derived, and the cookie's key where none is set.
    pub seed: Option<Seed>,
    /// What is done with a request whose confidence reaches the threshold, `log` unless set; a `policy` wins.
    #[serde(alias = "onAgentDetected")]
    pub on_agent_detected: Option<Action>,
    /// The threshold, 0 to 1 or, when above 1, to 100; 0.8 unless set; a `policy` wins.
    #[serde(alias = "confidenceThreshold")]
    pub confidence_threshold: Option<f64>,
    /// The site's policy; the shortcuts below are added to it.
    pub policy: Option<Policy>,
    /// Path patterns where nothing is looked at: `*` stands for any run without `/`, `**` for any run, and what begins
    /// with `^` is a regular expression, without look-around and back references.
    #[serde(alias = "skipPaths")]
    pub skip_paths: Vec<String>,
    /// Path patterns, as `skip_paths`, that alone are looked at; everything when empty.
    #[serde(alias = "includePaths")]
    pub include_paths: Vec<String>,
    /// Agents that are let in, unless their identity is false.
    #[serde(alias = "allowedAgents")]
    pub allowed_agents: Vec<String>,
    /// Agents that are kept out.
    #[serde(alias = "blockedAgents")]
    pub blocked_agents: Vec<String>,
    /// Addresses and ranges that are let in.
    #[serde(alias = "allowedIps")]
    pub allowed_ips: Vec<String>,
    /// Addresses and ranges that are kept out.
    #[serde(alias = "blockedIps")]
    pub blocked_ips: Vec<String>,
    /// Where `redirect` sends a visitor, and what `instruct` links to. Everybody may see that page, if it is a path or
    /// its host one of `authorities`; a host that the request alone names is the visitor's word.
    #[serde(alias = "redirectUrl")]
    pub redirect_url: Option<String>,
    /// The path, with or without query, whose content `rewrite` answers with.
    #[serde(alias = "rewriteUrl")]
    pub rewrite_url: Option<String>,
    /// Where `challenge` sends a person, and what it names to a program.
    #[serde(alias = "challengeUrl")]
    pub challenge_url: Option<String>,
    /// How `redirect` is answered.
    #[serde(alias = "redirectMode")]
    pub redirect_mode: RedirectMode,
    /// Whether a redirection tells its reason as the parameter `reason`.
    #[serde(alias = "redirectReason")]
    pub redirect_reason: bool,
    /// What a blocked visitor is answered.
    #[serde(alias = "blockedResponse")]
    pub blocked_response: BlockedResponse,
    /// The sealed cookie by which a detected agent is known again.
    #[serde(alias = "sessionTracking")]
    pub session_tracking: SessionTracking,
    /// How the client's address is found.
    #[serde(alias = "clientIp")]
    pub client_ip: ClientIp,
    /// The keys of agents by their origin (`https://agent.example`), or by the URL of their directory; keys that the
    /// host fetches come in addition.
    pub keys: BTreeMap<String, Vec<DatedJwk>>,
    /// Whether keys count whose private half was published with a specification; never where visitors come from.
    #[serde(alias = "allowTestKeys")]
    pub allow_test_keys: bool,
    /// The names under which the site is served, for example `shop.example`: a signature for any other is not
    /// accepted, and an address with any other is not a page of this site. When empty, a signature counts for whatever
    /// name the request gives.
    pub authorities: Vec<String>,
    /// Whether the pace of each visitor's requests is looked at, in the memory of this process.
    #[serde(alias = "countRequests")]
    pub count_requests: bool,
    /// How many visitors are counted at most; about 400 bytes each. The longest unseen are forgotten.
    #[serde(alias = "mostVisitors")]
    pub most_visitors: u32,
    /// Whether a request passes when the service that the guard asks cannot be reached; a `policy` wins. Unless set, it
    /// does, but not where the policy demands a token or a signature.
    #[serde(alias = "failOpen")]
    pub fail_open: Option<bool>,
    /// Another rule set than the built-in one.
    pub rules: Option<Value>,
}

impl Default for GuardOptions {
    fn default() -> Self {
        Self {
            seed: None,
            on_agent_detected: None,
            confidence_threshold: None,
            policy: None,
            skip_paths: Vec::new(),
            include_paths: Vec::new(),
            allowed_agents: Vec::new(),
            blocked_agents: Vec::new(),
            allowed_ips: Vec::new(),
            blocked_ips: Vec::new(),
            redirect_url: None,
            rewrite_url: None,
            challenge_url: None,
            redirect_mode: RedirectMode::Http,
            redirect_reason: false,
            blocked_response: BlockedResponse::default(),
            session_tracking: SessionTracking::default(),
            client_ip: ClientIp::default(),
            keys: BTreeMap::new(),
            allow_test_keys: false,
            authorities: Vec::new(),
            count_requests: true,
            most_visitors: 20_000,
            fail_open: None,
            rules: None,
        }
    }
}

impl GuardOptions {
    /// Takes what is not set from the variables that earlier packages read: `AGENTSHIELD_SECRET` as the cookie's key.
    #[must_use]
    pub fn or_from_environment(mut self, variable: impl Fn(&str) -> Option<String>) -> Self {
        let key = &mut self.session_tracking.encryption_key;
        *key = key.take().or_else(|| variable("AGENTSHIELD_SECRET").filter(|secret| !secret.is_empty()));
        self
    }

    /// The policy that these options make.
    pub(super) fn policy(&self) -> Result<Policy> {
        let mut policy = match &self.policy {
            Some(policy) => policy.clone(),
            None => {
                let mut policy = Policy::default();
                policy.thresholds.confidence_action = self.on_agent_detected.unwrap_or(Action::Log);
                if let Some(threshold) = self.confidence_threshold {
                    policy.thresholds.confidence_threshold = share(threshold)?;
                }
                policy
            }
        };
        policy.excluded_paths.extend_from_slice(&self.skip_paths);
        policy.included_paths.extend_from_slice(&self.include_paths);
        policy.allow_list.extend(entries(&self.allowed_agents, &self.allowed_ips));
        policy.deny_list.extend(entries(&self.blocked_agents, &self.blocked_ips));
        policy.redirect_url = policy.redirect_url.or_else(|| self.redirect_url.clone());
        policy.rewrite_url = policy.rewrite_url.or_else(|| self.rewrite_url.clone());
        policy.fail_open = policy.fail_open.or(self.fail_open);
        Ok(policy)
    }
}

/// How `redirect` is answered.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RedirectMode {
    /// By 302, which browsers follow.
    #[default]
    Http,
    /// By 401 with a link in header and body, which a language model reads that does not follow redirections.
    Instruct,
}

/// What a blocked visitor is answered.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct BlockedResponse {
    /// The status, 400 to 599.
    pub status: u16,
    /// The message, where no rule has one of its own.
    pub message: String,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
}

impl Default for BlockedResponse {
    fn default() -> Self {
        Self { status: 403, message: "Access denied".to_owned(), headers: BTreeMap::new() }
    }
}

/// The sealed cookie by which a detected agent is known again.
#[derive(Clone, Deserialize, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SessionTracking {
    /// Whether it is in use.
    pub enabled: bool,
    /// Its name.
    #[serde(alias = "cookieName")]
    pub cookie_name: String,
    /// How long it holds, in seconds.
    #[serde(alias = "cookieMaxAge")]
    pub cookie_max_age: u32,
    /// The secret of all processes of a site, of at least 16 bytes. Without one, each guard has a random key, and what
    /// one process noted no other can read.
    #[serde(alias = "encryptionKey")]
    pub encryption_key: Option<String>,
}

impl std::fmt::Debug for SessionTracking {
    /// The key is a secret and stays out of logs.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SessionTracking")
            .field("enabled", &self.enabled)
            .field("cookie_name", &self.cookie_name)
            .finish_non_exhaustive()
    }
}

impl Default for SessionTracking {
    fn default() -> Self {
        Self {
            enabled: false,
            cookie_name: "__agentshield_session".to_owned(),
            cookie_max_age: 3_600,
            encryption_key: None,
        }
    }
}

/// How the client's address is found.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ClientIp {
    /// Addresses and ranges of the proxies in front of the site; only they are believed about a client.
    #[serde(alias = "trustedProxies")]
    pub trusted_proxies: Vec<String>,
    /// The header in which they tell the client's address, or a list of addresses with the nearest last.
    pub header: String,
}

impl Default for ClientIp {
    fn default() -> Self {
        Self { trusted_proxies: Vec::new(), header: "x-forwarded-for".to_owned() }
    }
}

/// A confidence on the scale 0 to 1, from there or from 0 to 100.
fn share(figure: f64) -> Result<f64> {
    match figure {
        0.0..=1.0 => Ok(figure),
        1.0..=100.0 => Ok(figure / 100.0),
        _ => Err(Error::invalid_input("confidence_threshold is not from 0 to 1 or from 0 to 100")
            .with("field", "confidence_threshold")),
    }
}

fn entries<'a>(names: &'a [String], ranges: &'a [String]) -> impl Iterator<Item = ListEntry> + 'a {
    let named = |name: &String| ListEntry { client_name: Some(name.clone()), ..ListEntry::default() };
    let located = |range: &String| ListEntry { ip: Some(range.clone()), ..ListEntry::default() };
    names.iter().map(named).chain(ranges.iter().map(located))
}
