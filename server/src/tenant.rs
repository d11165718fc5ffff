//! Who owns what: accounts, their users and projects, and the credentials that prove them.
//!
//! One model for every API family that serves sites: an account (plan, subscription) owns projects, and a
//! project is known by its integer and by its `proj_` id.

pub mod callers;
pub mod credentials;
pub mod detection_key;
pub mod directory;
pub mod erasure;
pub mod pixel;

use quivive_core::Timestamp;
use quivive_core::score::{BotSettings, Threshold};
use serde::{Deserialize, Serialize};

pub use callers::{Callers, Site};

use crate::storage::Record;

/// A customer: owns projects, pays by a plan.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Account {
    /// Unique over the installation.
    pub id: i64,
    /// Shown to people.
    pub name: String,
    /// Short name for addresses.
    pub slug: String,
    /// Belongs to one person rather than to a team.
    pub is_personal: bool,
    /// What the account may use.
    pub plan: Plan,
    /// Whether a subscription is active; without one the data plane refuses.
    pub is_subscribed: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What an account may use; `None` is "without limit".
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// `free`, `pro`, `enterprise` or an operator's own name.
    pub name: String,
    /// Accepted events in one UTC calendar month; more are still accepted, and flagged.
    pub monthly_event_quota: Option<i64>,
    /// Requests in one second.
    pub requests_per_second: Option<i64>,
    /// Requests in one UTC day.
    pub requests_per_day: Option<i64>,
    /// Whether rules of the owner may be made.
    pub custom_rules: bool,
}

impl Plan {
    /// The plan of that name, if it is one of the three built-in ones.
    pub fn named(name: &str) -> Option<Self> {
        let (requests_per_second, requests_per_day) = match name {
            "free" => (10, Some(10_000)),
            "pro" => (100, Some(100_000)),
            "enterprise" => (1_000, None),
            _ => return None,
        };
        Some(Self {
            name: name.to_owned(),
            monthly_event_quota: None,
            requests_per_second: Some(requests_per_second),
            requests_per_day,
            custom_rules: true,
        })
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            name: "enterprise".to_owned(),
            monthly_event_quota: None,
            requests_per_second: Some(1_000),
            requests_per_day: None,
            custom_rules: true,
        }
    }
}

/// A person who can log in.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct User {
    /// Unique over the installation.
    pub id: i64,
    /// Shown to people.
    pub name: String,
    /// Where mail goes.
    pub email: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// That a user belongs to an account.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Membership {
    /// The account.
    pub account_id: i64,
    /// The user.
    pub user_id: i64,
    /// `owner`, `member` or an operator's own word; `None` when none was given.
    pub role: Option<String>,
}

/// Index: the accounts of a user.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AccountOfUser {
    /// The user.
    pub user_id: i64,
    /// An account that he is a member of.
    pub account_id: i64,
}

/// An account API token, of which only the hash is kept; bound to one account and one user for good.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ApiToken {
    /// SHA-256 of the token, lower-case hexadecimal.
    pub hash: String,
    /// The account that it opens.
    pub account_id: i64,
    /// The user that it acts for.
    pub user_id: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A site under watch.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Project {
    /// The integer id.
    pub id: i64,
    /// The text id, `proj_` and 20 characters of lower-case base32 (Crockford).
    pub public_id: String,
    /// The owner.
    pub account_id: i64,
    /// Shown to people.
    pub name: String,
    /// What it is for, in the owner's words; may be empty.
    #[serde(default)]
    pub description: String,
    /// Whether it is in use; an inactive one is listed as such, and its pixels and keys make no rows.
    #[serde(default = "yes")]
    pub is_active: bool,
    /// Session scoring and its keys.
    pub scoring: Scoring,
    /// Detection of single requests.
    pub detection: Detection,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A project's session scoring.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Scoring {
    /// Whether its keys are accepted.
    pub is_enabled: bool,
    /// The public key that pages carry; `None` until scoring was enabled once.
    pub site_key: Option<String>,
    /// SHA-256 of the private key, lower-case hexadecimal.
    pub private_key_hash: Option<String>,
    /// What verdicts do.
    pub settings: ScoringSettings,
    /// Grows with each change that alters verdicts; part of the verdict cache's key.
    pub generation: u64,
}

/// What verdicts do: four toggles and the threshold.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScoringSettings {
    /// The toggles.
    pub bot_settings: BotSettings,
    /// Scores below it are `likely_automated`.
    pub likely_bot_threshold: Threshold,
}

/// A project's detection of single requests.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Detection {
    /// When off, every request is answered as unknown and nothing is recorded.
    pub is_enabled: bool,
    /// Whether middleware enforces what the policy says; otherwise it only notes it.
    pub is_blocking: bool,
    /// Confidence from which a request counts as a bot; 0 to 1.
    pub threshold: f64,
    /// What is kept of visitors' addresses.
    pub ip_mode: IpMode,
    /// Days that rows of detections are kept; the server's own setting when absent.
    pub retention_days: Option<u32>,
    /// Share of rows of people that are kept, 0 to 1; counters count all.
    pub human_rows: f64,
    /// Whether query strings of addresses are kept.
    pub keep_query: bool,
}

impl Default for Detection {
    fn default() -> Self {
        Self {
            is_enabled: true,
            is_blocking: false,
            threshold: 0.5,
            ip_mode: IpMode::Full,
            retention_days: None,
            human_rows: 1.0,
            keep_query: false,
        }
    }
}

/// What is kept of visitors' addresses.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IpMode {
    /// The address.
    #[default]
    Full,
    /// Its network: 24 bits of IPv4, 48 of IPv6.
    Truncated,
    /// A keyed hash that changes every day.
    Hashed,
    /// Nothing.
    None,
}

/// Index: the project of a site key.
#[derive(Debug, Deserialize, Serialize)]
pub struct ProjectBySiteKey {
    /// The site key.
    pub site_key: String,
    /// Its project.
    pub project_id: i64,
}

/// Index: the project of a private key.
#[derive(Debug, Deserialize, Serialize)]
pub struct ProjectByPrivateKey {
    /// SHA-256 of the private key, lower-case hexadecimal.
    pub hash: String,
    /// Its project.
    pub project_id: i64,
}

/// Index: the project of a `proj_` id.
#[derive(Debug, Deserialize, Serialize)]
pub struct ProjectByPublicId {
    /// The `proj_` id.
    pub public_id: String,
    /// Its project.
    pub project_id: i64,
}

/// The last integer id given out, one record for each kind of id.
#[derive(Debug, Deserialize, Serialize)]
pub struct LastId {
    /// `account`, `user`, `project` or `rule`.
    pub name: String,
    /// The highest id in use.
    pub value: i64,
}

impl Record for Account {
    const KIND: &'static str = "account";
    fn id(&self) -> String {
        self.id.to_string()
    }
}

impl Record for User {
    const KIND: &'static str = "user";
    fn id(&self) -> String {
        self.id.to_string()
    }
}

impl Record for Membership {
    const KIND: &'static str = "membership";
    fn id(&self) -> String {
        membership_id(self.account_id, self.user_id)
    }
    fn parent(&self) -> String {
        self.account_id.to_string()
    }
}

impl Record for AccountOfUser {
    const KIND: &'static str = "account_of_user";
    fn id(&self) -> String {
        membership_id(self.account_id, self.user_id)
    }
    fn parent(&self) -> String {
        self.user_id.to_string()
    }
}

impl Record for ApiToken {
    const KIND: &'static str = "api_token";
    fn id(&self) -> String {
        self.hash.clone()
    }
    fn parent(&self) -> String {
        self.account_id.to_string()
    }
}

impl Record for Project {
    const KIND: &'static str = "project";
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn parent(&self) -> String {
        self.account_id.to_string()
    }
}

impl Record for ProjectBySiteKey {
    const KIND: &'static str = "project_by_site_key";
    fn id(&self) -> String {
        self.site_key.clone()
    }
}

impl Record for ProjectByPrivateKey {
    const KIND: &'static str = "project_by_private_key";
    fn id(&self) -> String {
        self.hash.clone()
    }
}

impl Record for ProjectByPublicId {
    const KIND: &'static str = "project_by_public_id";
    fn id(&self) -> String {
        self.public_id.clone()
    }
}

impl Record for LastId {
    const KIND: &'static str = "last_id";
    fn id(&self) -> String {
        self.name.clone()
    }
}

/// The id under which a membership is stored.
pub fn membership_id(account_id: i64, user_id: i64) -> String {
    format!("{account_id}/{user_id}")
}

fn yes() -> bool {
    true
}
