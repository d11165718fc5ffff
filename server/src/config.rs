//! The configuration: built-in defaults, then the profile, a file, the environment, command-line options.
//!
//! `config.default.toml` is the reference of every setting.

mod load;
mod validate;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Deserializer};

pub use self::load::{Loaded, Overrides, load};
use crate::botcha::apps::RegistrationPolicy;
use crate::storage::sqlite::Sync;

/// A configuration that does not hold; the message names the setting and says what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// Every setting; see `config.default.toml` for what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct Config {
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub profile: Profile,
    pub development: bool,
    #[serde(deserialize_with = "list")]
    pub families: Vec<Family>,
    #[serde(deserialize_with = "optional")]
    pub public_url: Option<String>,
    pub service_name: String,
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    pub request_timeout_seconds: u64,
    pub shutdown_timeout_seconds: u64,
    pub storage: StorageConfig,
    pub log: LogConfig,
    pub limits: LimitsConfig,
    pub tokens: TokensConfig,
    pub keys: KeysConfig,
    pub mail: MailConfig,
    pub botcha: BotchaConfig,
    pub agents: AgentsConfig,
    pub compat: CompatConfig,
    pub botect: BotectConfig,
    pub agentshield: AgentshieldConfig,
    pub retention: RetentionConfig,
    pub outbound: OutboundConfig,
    pub verification: VerificationConfig,
    pub webhooks: WebhooksConfig,
}

impl Config {
    /// The built-in defaults with the given profile and nothing else; for tests.
    ///
    /// # Errors
    /// Never for the files that are built in.
    pub fn defaults(profile: Profile) -> Result<Self, ConfigError> {
        let overrides = Overrides { profile: Some(profile), ..Overrides::default() };
        Ok(load(&overrides, std::iter::empty())?.config)
    }

    /// Whether a family is served.
    pub fn serves(&self, family: Family) -> bool {
        self.families.contains(&family)
    }

    /// Whether the profile is `compat`.
    pub fn is_compat(&self) -> bool {
        self.profile == Profile::Compat
    }

    /// Whether headers of this peer about the original request are believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&peer.to_canonical()))
    }
}

/// The two security profiles.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// For clients of the originals that cannot do better.
    Compat,
    /// The default.
    Secure,
}

impl Profile {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compat => "compat",
            Self::Secure => "secure",
        }
    }
}

/// The API families.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Agent detection by request.
    Agentshield,
    /// Challenges and tokens.
    Botcha,
    /// Session scoring.
    Botect,
}

impl Family {
    /// The name in paths and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agentshield => "agentshield",
            Self::Botcha => "botcha",
            Self::Botect => "botect",
        }
    }
}

/// `[storage]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct StorageConfig {
    #[serde(deserialize_with = "optional")]
    pub url: Option<String>,
    pub sync: Sync,
    pub read_threads: usize,
    pub memory_rows: usize,
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct LogConfig {
    pub format: LogFormat,
    pub level: String,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// `[limits]`; 0 switches a limit off.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct LimitsConfig {
    pub body_bytes: usize,
    pub connections: usize,
    pub challenges_per_hour: u32,
    pub validations_per_minute: u32,
    pub verifications_per_hour: u32,
    pub open_streams: usize,
    pub app_registrations_per_hour: u32,
    pub mails_per_hour: u32,
    pub mails_per_hour_to_one: u32,
    pub email_codes_per_hour: u32,
    pub code_redemptions_per_hour: u32,
    pub owner_logins_per_hour: u32,
    pub agent_logins_per_hour: u32,
    pub agent_registrations_per_hour: u32,
    pub unconfirmed_agents_per_day: u32,
    pub agents_per_app: u32,
    pub device_grants_per_hour: u32,
    pub device_decisions_per_hour: u32,
    pub oauth_requests_per_minute: u32,
    pub unauthenticated_per_second: u32,
    pub visitor_per_second: u32,
    pub plan_requests: bool,
}

/// `[tokens]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct TokensConfig {
    pub token_issuer: String,
    pub access_ttl: u32,
    pub refresh_ttl: u32,
    pub refresh_rotation: bool,
    #[serde(deserialize_with = "optional")]
    pub self_audience: Option<String>,
}

/// `[keys]`; its secrets are left out of `Debug`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct KeysConfig {
    #[serde(deserialize_with = "optional")]
    pub jwt_signing_key: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub jwt_secret: Option<String>,
    pub accept_hs256: bool,
    #[serde(deserialize_with = "optional")]
    pub master_secret: Option<String>,
}

impl std::fmt::Debug for KeysConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("KeysConfig")
            .field("jwt_signing_key", &self.jwt_signing_key.as_ref().map(|_| "(set)"))
            .field("jwt_secret", &self.jwt_secret.as_ref().map(|_| "(set)"))
            .field("accept_hs256", &self.accept_hs256)
            .field("master_secret", &self.master_secret.as_ref().map(|_| "(set)"))
            .finish()
    }
}

/// `[botcha]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct BotchaConfig {
    pub version: String,
    pub app_gate: AppGate,
    pub internal_app_id: String,
    pub rtt_cap_ms: i64,
    pub landing_legacy: bool,
    pub hybrid_two_step: bool,
    pub default_registration_policy: RegistrationPolicy,
    pub anti_enumeration_signup: bool,
    pub analytics_raw_ip: bool,
    pub owner_auth: OwnerAuth,
}

/// `[agents]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct AgentsConfig {
    pub refresh_rotation: bool,
    pub require_key_proof: bool,
    pub allow_test_keys: bool,
}

/// `[mail]`; the address of the server, which may hold a password, is left out of `Debug`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct MailConfig {
    #[serde(deserialize_with = "optional")]
    pub smtp_url: Option<String>,
    pub from: String,
}

impl std::fmt::Debug for MailConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_set = self.smtp_url.as_ref().map(|_| "(set)");
        formatter.debug_struct("MailConfig").field("smtp_url", &is_set).field("from", &self.from).finish()
    }
}

/// Whether challenges and tokens need a registered app.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum AppGate {
    /// They do not; an app id that is given must be right.
    Open,
    /// They do.
    Strict,
}

/// What proves that a caller owns an app.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum OwnerAuth {
    /// The app id, which is public.
    Compat,
    /// A secret or a session.
    Strict,
}

/// `[compat]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
#[expect(clippy::struct_excessive_bools, reason = "a list of switches")]
pub struct CompatConfig {
    pub vocabulary: bool,
    pub limits: bool,
    pub iss: bool,
    pub dashboard_login: bool,
    pub grant_self_resolve: bool,
    pub expose_verification_code: bool,
    pub log_codes: bool,
    pub provider_auth: bool,
}

impl CompatConfig {
    /// The names of the switches that are on and that this version acts upon.
    pub fn open(&self) -> Vec<&'static str> {
        names_of([
            ("vocabulary", self.vocabulary),
            ("limits", self.limits),
            ("dashboard_login", self.dashboard_login),
            ("expose_verification_code", self.expose_verification_code),
            ("log_codes", self.log_codes),
            ("provider_auth", self.provider_auth),
        ])
    }

    /// The names of the switches that are on for parts of the originals that this version does not have yet.
    pub fn without_effect(&self) -> Vec<&'static str> {
        names_of([("iss", self.iss), ("grant_self_resolve", self.grant_self_resolve)])
    }
}

fn names_of<const N: usize>(switches: [(&'static str, bool); N]) -> Vec<&'static str> {
    switches.into_iter().filter_map(|(name, is_on)| is_on.then_some(name)).collect()
}

/// `[botect]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct BotectConfig {
    pub require_https: bool,
    pub shed_above: usize,
    pub verdict_cache_seconds: u64,
    pub verdict_budget_ms: u64,
    #[serde(deserialize_with = "networks")]
    pub hosting_networks: Vec<IpNet>,
}

/// `[agentshield]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct AgentshieldConfig {
    #[serde(deserialize_with = "optional")]
    pub engine: Option<String>,
    pub auth_aliases: bool,
    #[serde(deserialize_with = "list")]
    pub honeypot_paths: Vec<String>,
    #[serde(deserialize_with = "networks")]
    pub blocked_networks: Vec<IpNet>,
}

/// `[retention]`, in days.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct RetentionConfig {
    pub botect_events_days: u32,
    pub botcha_events_days: u32,
    pub sessions_days: u32,
    pub detections_days: u32,
    pub audit_days: u32,
    pub rollups_months: u32,
    pub deliveries_days: u32,
}

/// `[outbound]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct OutboundConfig {
    #[serde(deserialize_with = "list")]
    pub dns_servers: Vec<SocketAddr>,
    pub dns_timeout_ms: u64,
    #[serde(deserialize_with = "networks")]
    pub allow_private: Vec<IpNet>,
    pub allow_http: bool,
    #[serde(deserialize_with = "optional")]
    pub certificates: Option<String>,
}

/// `[verification]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct VerificationConfig {
    pub reverse_dns: bool,
    pub timeout_ms: u64,
    pub patience_ms: u64,
    pub concurrency: usize,
    pub ranges_days: u32,
    #[serde(deserialize_with = "list")]
    pub signature_agents: Vec<String>,
    pub open_discovery: bool,
    pub strict_pins: bool,
    #[serde(deserialize_with = "list")]
    pub approved_keys: Vec<String>,
    pub feeds: BTreeMap<String, String>,
    pub bots: Vec<BotConfig>,
}

/// One of `[[verification.bots]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct BotConfig {
    pub name: String,
    pub token: String,
    pub category: String,
    #[serde(default, deserialize_with = "list")]
    pub suffixes: Vec<String>,
    #[serde(default, deserialize_with = "networks")]
    pub ranges: Vec<IpNet>,
}

/// `[webhooks]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting, once")]
pub struct WebhooksConfig {
    pub allow_insecure_webhooks: bool,
    #[serde(deserialize_with = "numbers")]
    pub ports: Vec<u16>,
    pub bots_per_minute: u32,
}

fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// A list, or a text with commas (the environment knows no lists).
fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    texts(deserializer)?.into_iter().map(|text| T::deserialize(text.into_deserializer())).collect()
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let parse = |text: &String| {
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| serde::de::Error::custom(format!("`{text}` is no address and no network")))
    };
    texts(deserializer)?.iter().map(parse).collect()
}

fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum List {
        Items(Vec<u16>),
        One(u16),
        Text(String),
    }
    let parse = |text: &str| {
        text.parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is no number up to 65535")))
    };
    match List::deserialize(deserializer)? {
        List::Items(items) => Ok(items),
        List::One(number) => Ok(vec![number]),
        List::Text(text) => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(parse).collect()
        }
    }
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum List {
        Items(Vec<String>),
        Text(String),
    }
    let items = match List::deserialize(deserializer)? {
        List::Items(items) => items,
        List::Text(text) => text.split(',').map(str::to_owned).collect(),
    };
    Ok(items.into_iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
}
