//! The policy: what a site wants done with which visitors.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What to do with a request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "PolicyAction"))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Let it pass.
    #[default]
    Allow,
    /// Let it pass and note it.
    Log,
    /// Refuse it.
    Block,
    /// Send it elsewhere.
    Redirect,
    /// Answer with the content of another path.
    Rewrite,
    /// Ask for proof: a challenge, a token or a signature.
    Challenge,
    /// Tell a machine how to identify itself.
    Instruct,
    /// Answer slowly, or ask it to come back later.
    Delay,
}

/// The credential that a policy demands.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Require {
    /// None.
    #[default]
    None,
    /// A verified agent token.
    Agent,
    /// A visitor who is no bot.
    Human,
    /// A verified HTTP message signature.
    Signed,
}

/// A site's policy. Confidences and reputations are from 0 to 1.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The version of the notation.
    pub version: String,
    /// A policy that is switched off allows everything.
    pub enabled: bool,
    /// What happens when nothing else matches.
    pub default_action: Action,
    /// Where `redirect` sends a visitor.
    pub redirect_url: Option<String>,
    /// Whose content `rewrite` answers with.
    pub rewrite_url: Option<String>,
    /// Limits of confidence and reputation.
    pub thresholds: Thresholds,
    /// Who is let in.
    pub allow_list: Vec<ListEntry>,
    /// Who is kept out.
    pub deny_list: Vec<ListEntry>,
    /// Path patterns where the policy does not apply; what begins with `^` is a regular expression.
    pub excluded_paths: Vec<String>,
    /// Path patterns where the policy applies, as `excluded_paths`; everywhere when empty.
    pub included_paths: Vec<String>,
    /// Rules, by priority and then by place.
    pub rules: Vec<Rule>,
    /// Short rules on a path, evaluated together with `rules`, behind those of the same priority.
    pub path_rules: Vec<PathRule>,
    /// The credential demanded.
    pub require: Require,
    /// The capability that a token must hold when `require` is `agent`.
    pub capability: Option<String>,
    /// The audience that a token must name when `require` is `agent`.
    pub audience: Option<String>,
    /// What happens when `require` is `human` and nothing tells a person from a bot.
    pub on_unknown: Action,
    /// Whether a fault lets the request pass; by default verdicts and detection do, tokens and signatures not.
    pub fail_open: Option<bool>,
    /// How long a guard may wait for what it needs, in milliseconds; each guard's own limit when absent.
    pub timeout_ms: Option<u32>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            version: "1.0.0".to_owned(),
            enabled: true,
            default_action: Action::Allow,
            redirect_url: None,
            rewrite_url: None,
            thresholds: Thresholds::default(),
            allow_list: Vec::new(),
            deny_list: Vec::new(),
            excluded_paths: Vec::new(),
            included_paths: Vec::new(),
            rules: Vec::new(),
            path_rules: Vec::new(),
            require: Require::None,
            capability: None,
            audience: None,
            on_unknown: Action::Allow,
            fail_open: None,
            timeout_ms: None,
        }
    }
}

/// Limits of confidence and reputation, 0 to 1.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// The confidence from which `confidence_action` is taken.
    pub confidence_threshold: f64,
    /// The action for a bot of that confidence.
    pub confidence_action: Action,
    /// The reputation below which `low_reputation_action` is taken.
    pub min_reputation_score: f64,
    /// The action for an agent of low reputation.
    pub low_reputation_action: Action,
    /// The reputation from which an agent is exempt from the confidence threshold.
    pub trusted_reputation_threshold: f64,
    /// Whether a verified signature or token exempts from the confidence threshold.
    pub trust_signed_requests: bool,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            confidence_threshold: 0.8,
            confidence_action: Action::Block,
            min_reputation_score: 0.0,
            low_reputation_action: Action::Challenge,
            trusted_reputation_threshold: 0.9,
            trust_signed_requests: true,
        }
    }
}

/// An entry of the allow or deny list; every member that is given must match, and at least one must be given.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ListEntry {
    /// An agent's name, id, vendor or robots token, in any case.
    pub client_name: Option<String>,
    /// The decentralised identifier of the client.
    pub client_did: Option<String>,
    /// The decentralised identifier of the agent.
    pub agent_did: Option<String>,
    /// An address or a range in CIDR notation.
    pub ip: Option<String>,
    /// Why it is on the list; for people.
    pub reason: Option<String>,
}

/// A rule: its action is taken when all conditions hold.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "PolicyRule"))]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The rule's id.
    pub id: String,
    /// A name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// Lower comes first.
    #[serde(default = "default_priority")]
    pub priority: i32,
    /// Whether it is in use.
    #[serde(default = "default_true")]
    pub enabled: bool,
    /// All must hold; a rule without conditions always matches.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// What to do.
    pub action: Action,
    /// What to tell the visitor.
    #[serde(default)]
    pub message: Option<String>,
    /// Where `redirect` sends a visitor, instead of the policy's address.
    #[serde(default)]
    pub redirect_url: Option<String>,
}

/// A rule on a path pattern.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PathRule {
    /// The path pattern, or with `^` in front a regular expression.
    pub pattern: String,
    /// What to do.
    pub action: Action,
    /// The confidence, 0 to 1, that is needed; any when absent.
    #[serde(default)]
    pub min_confidence: Option<f64>,
    /// Lower comes first.
    #[serde(default = "default_priority")]
    pub priority: i32,
}

/// One condition of a rule; a condition on a fact that was not observed does not hold.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "RuleCondition"))]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The fact.
    pub field: Field,
    /// The comparison.
    pub operator: Operator,
    /// What it is compared with.
    pub value: Value,
    /// Whether letters compare without regard to case.
    #[serde(default)]
    pub case_insensitive: bool,
}

/// The facts that a condition can ask for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ConditionField"))]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The coarse class of the visitor, for example `ai_agent`.
    AgentType,
    /// The agent's name.
    AgentName,
    /// Who runs the agent.
    AgentVendor,
    /// The client's decentralised identifier.
    ClientDid,
    /// The agent's decentralised identifier.
    AgentDid,
    /// The likelihood of automation, 0 to 1.
    Confidence,
    /// The agent's reputation, 0 to 1.
    ReputationScore,
    /// What is at stake.
    RiskLevel,
    /// The normalised path.
    Path,
    /// The HTTP method.
    Method,
    /// The `Origin` header.
    Origin,
    /// The `User-Agent` header.
    UserAgent,
    /// Whether a signature was verified.
    SignatureVerified,
    /// Whether the visitor is logged in.
    IsAuthenticated,
    /// Whether a delegation was verified.
    HasValidDelegation,
    /// What the request comes from, for example `crawler`.
    BotType,
    /// The finer kind, for example `search_engine`.
    SubType,
    /// The verification status.
    Verification,
    /// How easily the identity is forged.
    Forgeability,
    /// The client address.
    Ip,
    /// The number of the autonomous system.
    Asn,
    /// The country, ISO 3166-1 alpha-2.
    Country,
    /// Requests in the last 300 seconds.
    #[serde(rename = "request_rate_300s")]
    RequestRate300s,
}

/// The comparisons.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ConditionOperator"))]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Same value.
    Equals,
    /// Another value.
    NotEquals,
    /// Contains the text.
    Contains,
    /// Does not contain the text.
    NotContains,
    /// Begins with the text.
    StartsWith,
    /// Ends with the text.
    EndsWith,
    /// Greater.
    GreaterThan,
    /// Less.
    LessThan,
    /// Greater or the same.
    GreaterThanOrEquals,
    /// Less or the same.
    LessThanOrEquals,
    /// Matches a regular expression of at most 256 bytes, in time linear in the text; no look-around, no back
    /// references, classes such as `\d` and `\w` are ASCII.
    Matches,
    /// Is one of a list.
    In,
    /// Is none of a list.
    NotIn,
}

fn default_priority() -> i32 {
    100
}

fn default_true() -> bool {
    true
}
