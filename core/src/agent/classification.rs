//! What a request was classified as.

use serde::{Deserialize, Serialize};

use super::Purpose;
use crate::Timestamp;
use crate::evidence::Evidence;

/// The classification of one request; every figure follows from `evidence`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Classification {
    /// Whether `confidence`, before rounding, reaches the threshold.
    pub is_bot: bool,
    /// Likelihood that the request is automated, 0 to 1, two decimals; 1 only for a verified signature.
    pub confidence: f64,
    /// What it is.
    pub bot_type: BotType,
    /// What it is more exactly.
    pub sub_type: Option<SubType>,
    /// The user agent by itself is evidence of at least 0.5.
    pub user_agent_bot: bool,
    /// Headers, TLS, behaviour or client evidence of at least 0.5.
    pub behavioral_bot: bool,
    /// Network evidence of at least 0.5.
    pub ip_bot: bool,
    /// The coarse class.
    pub detection_class: DetectionClass,
    /// The coarse category of a bot.
    pub category: Option<Category>,
    /// `confidence` in words.
    pub confidence_level: ConfidenceLevel,
    /// What is at stake.
    pub risk_level: RiskLevel,
    /// The catalogued agent that it is or claims to be.
    pub agent: Option<AgentInfo>,
    /// How far its identity is proven.
    pub verification: Verification,
    /// What was seen; the part of an id before the dot is its group (see [`Group`](super::Group)).
    pub evidence: Vec<Evidence>,
}

impl Classification {
    /// Whether it collects content for AI training or AI search.
    pub fn is_ai_crawler(&self) -> bool {
        matches!(self.sub_type, Some(SubType::AiTraining | SubType::AiSearch))
    }

    /// Whether the identity is proven.
    pub fn is_verified(&self) -> bool {
        self.verification.status == VerificationStatus::Verified
    }

    /// The request on the session score's scale, 1 (bot) to 99 (person).
    pub fn score(&self) -> u8 {
        score_of_confidence(self.confidence)
    }
}

/// A confidence on the session score's scale: `clamp(round(99 - 98 confidence), 1, 99)`; low is bot-like.
///
/// Only for showing a single request; a session is scored by its own engines.
pub fn score_of_confidence(confidence: f64) -> u8 {
    let score = (99.0 - 98.0 * confidence).round().clamp(1.0, 99.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1 to 99")]
    let score = score as u8;
    score
}

/// What a request comes from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BotType {
    /// Software that acts for one person or task in real time.
    AiAgent,
    /// A declared autonomous collector.
    Crawler,
    /// Extraction without a valid identity.
    Scraper,
    /// A driven browser or a program without an agent identity.
    Automation,
    /// Uptime, synthetic, link and page checks, webhook callers.
    Monitoring,
    /// Vulnerability and internet-wide scanners.
    SecurityScanner,
    /// Automated, nothing else known.
    UnknownBot,
    /// Browser-shaped, and enough was observed to say so.
    Human,
    /// Too little was observed to say.
    Unknown,
}

/// The finer kinds of [`BotType`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SubType {
    /// AI agent: fetches a page because a person asked.
    UserFetch,
    /// AI agent: drives a browser.
    BrowserAgent,
    /// AI agent: a coding tool.
    CodingAgent,
    /// AI agent: unknown, but its signature holds.
    SignedAgent,
    /// AI agent: without a provable identity.
    UndeclaredAgent,
    /// Crawler: web search.
    SearchEngine,
    /// Crawler: collects training data for AI.
    AiTraining,
    /// Crawler: an index for AI search.
    AiSearch,
    /// Crawler: archives.
    Archiver,
    /// Crawler: search engine optimisation.
    Seo,
    /// Crawler: advertising.
    Advertising,
    /// Crawler: link previews of social networks and messengers.
    SocialPreview,
    /// Crawler: feeds and podcasts.
    FeedReader,
    /// Crawler: research.
    Academic,
    /// Crawler: anything else.
    Other,
    /// Scraper: a scraping framework.
    Framework,
    /// Scraper: known by its behaviour.
    Behavioral,
    /// Scraper: claims an identity that is not its own.
    SpoofedIdentity,
    /// Scraper: compares prices.
    PriceComparison,
    /// Automation: a browser without a screen.
    HeadlessBrowser,
    /// Automation: a browser driven by `WebDriver`.
    Webdriver,
    /// Automation: an HTTP library.
    HttpLibrary,
    /// Automation: a command-line tool.
    CliTool,
    /// Monitoring: uptime.
    Uptime,
    /// Monitoring: synthetic page loads.
    Synthetic,
    /// Monitoring: validators and link checkers.
    Validator,
    /// Monitoring: webhook callers.
    Webhook,
    /// Scanner: vulnerabilities.
    Vulnerability,
    /// Scanner: the whole internet.
    InternetCensus,
    /// Scanner: a protective proxy or virus scanner.
    AvProxy,
    /// Unknown bot.
    Unclassified,
}

/// The coarse class of a classification.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DetectionClass {
    /// A person.
    Human,
    /// An AI agent.
    AiAgent,
    /// Any other bot.
    Bot,
    /// Too little was observed.
    IncompleteData,
}

/// The coarse category of a bot.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "BotCategory"))]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Acts for a person.
    AiAssistant,
    /// Web search.
    SearchEngine,
    /// Link previews.
    SocialMedia,
    /// Checks that a site works.
    Monitoring,
    /// Extracts content.
    Scraper,
    /// A program or driven browser.
    Automation,
    /// Looks for weaknesses.
    Security,
    /// Search engine optimisation and advertising.
    Analytics,
    /// None of these.
    Unknown,
}

/// A confidence in words.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConfidenceLevel {
    /// At least 0.95.
    VeryHigh,
    /// At least 0.80.
    High,
    /// At least 0.60.
    Medium,
    /// Below.
    Low,
}

/// What is at stake with a request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RiskLevel {
    /// A false identity or a security scanner.
    Critical,
    /// An unverified AI agent or a scraper.
    High,
    /// Automation, an unknown bot, an AI crawler.
    Medium,
    /// The rest.
    Low,
}

/// A catalogued agent.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AgentInfo {
    /// The catalogue's id, for example `openai-chatgpt-user`.
    pub id: String,
    /// The agent's name.
    pub name: String,
    /// Who runs it.
    pub vendor: Option<String>,
    /// What makes it come.
    pub trigger: Trigger,
    /// Its name in robots files.
    pub robots_token: Option<String>,
    /// Where its operator describes it.
    pub info_url: Option<String>,
    /// What it comes for.
    #[serde(default)]
    pub purpose: Purpose,
    /// The category for people, for example `Search` or `AI Crawler`.
    pub category: String,
}

/// What makes an agent come (the vocabulary of the signature-agent card).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person's request.
    Fetcher,
    /// Its own schedule.
    Crawler,
}

/// How far an identity is proven.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// The outcome.
    pub status: VerificationStatus,
    /// What proved or refuted it.
    pub method: VerificationMethod,
    /// How easily the shown identity is forged.
    pub forgeability: Forgeability,
    /// The key id of the signature.
    pub keyid: Option<String>,
    /// The origin named by the `Signature-Agent` header.
    pub signature_agent: Option<String>,
    /// When it was checked.
    pub checked_at: Timestamp,
}

/// The outcomes of verification.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum VerificationStatus {
    /// Proven.
    Verified,
    /// Claimed; neither proven nor refuted.
    Claimed,
    /// Refuted.
    Spoofed,
    /// Nothing is claimed.
    None,
}

/// The methods of verification.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum VerificationMethod {
    /// An HTTP message signature (RFC 9421).
    HttpSignature,
    /// A published address range.
    IpRange,
    /// Forward-confirmed reverse DNS.
    Fcrdns,
    /// A signed token.
    Token,
    /// None.
    None,
}

/// How easily an identity is forged.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Forgeability {
    /// A signature, token or network proof.
    Low,
    /// A user agent with headers or a network that fit it.
    Medium,
    /// A user agent or header alone.
    High,
}
