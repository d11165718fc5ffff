//! What a host knows about one request; every member is optional, and an absent one was not observed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Trigger;
use crate::Timestamp;

/// The facts of one request.
///
/// An absent member means "not observed" and is never evidence. An empty user agent and a present but empty
/// header map mean "observed, and there was none", which is evidence.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RequestFacts {
    /// The `User-Agent` value; when absent, the header map is asked.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// The client address; an IPv4-mapped IPv6 address counts as the IPv4 one.
    #[serde(default)]
    pub ip: Option<IpAddr>,
    /// All request headers, repeated fields joined by `", "`; names in any case.
    #[serde(default)]
    pub headers: Option<BTreeMap<String, String>>,
    /// The names of the request headers in the order and letter case in which they came.
    #[serde(default)]
    pub header_order: Option<Vec<String>>,
    /// An absolute `http` or `https` URL, or a path that begins with `/`.
    #[serde(default)]
    pub url: Option<String>,
    /// The HTTP method.
    #[serde(default)]
    pub method: Option<String>,
    /// TLS client fingerprints.
    #[serde(default)]
    pub tls: Option<TlsFingerprints>,
    /// What a script on the page saw.
    #[serde(default)]
    pub client: Option<ClientFacts>,
    /// The outcome of checking the HTTP message signature, when one was checked.
    #[serde(default)]
    pub signature: Option<SignatureOutcome>,
    /// Answers of published address feeds for `ip`.
    #[serde(default)]
    pub feeds: Vec<FeedAnswer>,
    /// The answer of a reverse look-up of `ip`; absent when it was not done or failed.
    #[serde(default)]
    pub reverse_dns: Option<ReverseDnsAnswer>,
    /// Membership of `ip` in other address lists.
    #[serde(default)]
    pub network: Option<NetworkFacts>,
    /// Counters of the visitor's behaviour.
    #[serde(default)]
    pub behavior: Option<BehaviorFacts>,
    /// The confidence from which a request counts as a bot, 0 to 1; 0.5 when absent.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// The present.
    pub now: Timestamp,
}

/// TLS client fingerprints; malformed ones are ignored.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TlsFingerprints {
    /// JA3 as 32 lower-case hexadecimal digits; compared for equality only.
    #[serde(default)]
    pub ja3: Option<String>,
    /// JA4 TLS client fingerprint, for example `t13d1516h2_8daaf6152771_e5627efa2ab1`.
    #[serde(default)]
    pub ja4: Option<String>,
}

/// What a script on the page saw.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientFacts {
    /// `navigator.webdriver`.
    #[serde(default)]
    pub webdriver: Option<bool>,
    /// How many independent artefacts of a headless browser were found.
    #[serde(default)]
    pub headless_artifacts: Option<u32>,
    /// How long the page was visible, in milliseconds.
    #[serde(default)]
    pub visible_ms: Option<u32>,
    /// How many trusted interactions there were.
    #[serde(default)]
    pub interactions: Option<u32>,
    /// Whether pointer or keyboard movement was natural enough to be a person's.
    #[serde(default)]
    pub human: Option<bool>,
}

/// How checking an HTTP message signature (RFC 9421) ended.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignatureOutcome {
    /// The result.
    pub status: SignatureStatus,
    /// The key id, an RFC 7638 thumbprint.
    #[serde(default)]
    pub keyid: Option<String>,
    /// The origin that the `Signature-Agent` header names, for example `https://chatgpt.com`.
    #[serde(default)]
    pub signature_agent: Option<String>,
    /// The `trigger` of the signer's card, when one was read.
    #[serde(default)]
    pub trigger: Option<Trigger>,
}

/// The results of a signature check.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SignatureStatus {
    /// It holds.
    Verified,
    /// It fails, has expired or covers too little.
    Invalid,
    /// The key is unknown or a covered part was not supplied.
    Unverified,
}

/// What one published address feed says about the request's address.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FeedAnswer {
    /// The feed's name as in the catalogue, for example `openai-gptbot`.
    pub feed: String,
    /// Whether the address lies in one of its ranges.
    pub contains: bool,
    /// When the feed was fetched, or the date of a bundled snapshot.
    pub as_of: Timestamp,
    /// Whether it is a snapshot bundled with the product: usable for 30 days, a fetched feed for 7.
    #[serde(default)]
    pub bundled: bool,
}

/// The answer of a reverse look-up that was completed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReverseDnsAnswer {
    /// The name that the address points to; absent when it has none.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether the name resolves back to the address.
    pub forward_confirmed: bool,
}

/// Membership of the address in lists that the host keeps; absent members were not looked up.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NetworkFacts {
    /// A published cloud or hosting range.
    #[serde(default)]
    pub hosting: Option<bool>,
    /// An abuse list of the operator.
    #[serde(default)]
    pub blocklist: Option<bool>,
    /// A Tor exit.
    #[serde(default)]
    pub tor: Option<bool>,
    /// A VPN exit.
    #[serde(default)]
    pub vpn: Option<bool>,
}

/// Counters of one visitor's behaviour; absent members were not counted.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BehaviorFacts {
    /// Requests in the last second.
    #[serde(default)]
    pub requests_last_second: Option<u32>,
    /// Requests in the last five seconds.
    #[serde(default)]
    pub requests_last_5_seconds: Option<u32>,
    /// Requests in each of the last minutes, the latest first; three are looked at.
    #[serde(default)]
    pub requests_by_minute: Vec<u32>,
    /// A trap path that is never linked visibly was asked for.
    #[serde(default)]
    pub honeypot: bool,
    /// The session began with `robots.txt` or a sitemap.
    #[serde(default)]
    pub robots_first: bool,
    /// Requests that step a `page`, `offset`, `cursor` or `id` parameter.
    #[serde(default)]
    pub sequential_requests: Option<u32>,
    /// The confidence, 0 to 1, of an earlier bot classification of the same visitor.
    #[serde(default)]
    pub carried_confidence: Option<f64>,
}
