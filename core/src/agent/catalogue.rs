//! The rule set as data: known agents, tools, words and fingerprints.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AgentInfo, BotType, Purpose, Source, SubType, Trigger};
use crate::{Error, ErrorKind, Result};

/// A rule set as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RuleSet {
    pub version: String,
    pub date: String,
    pub agents: Vec<AgentEntry>,
    pub tools: Vec<ToolEntry>,
    pub words: Words,
    /// Names of request headers that only AI tools and declared bots send.
    pub ai_headers: Vec<String>,
    #[serde(default)]
    pub ja4: Vec<Ja4Entry>,
    pub browsers: Browsers,
    pub current: CurrentVersions,
    /// Where the feeds that entries name are published.
    pub feeds: Vec<Feed>,
    /// The sources that entries name.
    #[serde(default)]
    pub origins: BTreeMap<String, Source>,
}

impl RuleSet {
    /// Reads a rule set and checks its limits.
    pub fn parse(json: &str) -> Result<Self> {
        if json.len() > MAXIMUM_BYTES {
            return Err(Error::new(ErrorKind::LimitExceeded, "rule set is larger than 1 MiB"));
        }
        let rules: Self = serde_json::from_str(json)?;
        let is_short = |token: &String| token.trim().len() < MINIMUM_TOKEN_LENGTH;
        for (name, tokens) in rules
            .agents
            .iter()
            .map(|entry| (&entry.name, &entry.tokens))
            .chain(rules.tools.iter().map(|entry| (&entry.name, &entry.tokens)))
        {
            if tokens.iter().any(is_short) {
                return Err(Error::invalid_input(format!(
                    "a token of {name:?} is shorter than two characters"
                )));
            }
        }
        Ok(rules)
    }
}

/// An agent as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct AgentEntry {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub vendor: Option<String>,
    pub bot_type: BotType,
    pub sub_type: SubType,
    #[serde(default)]
    pub trigger: Option<Trigger>,
    #[serde(default)]
    pub tokens: Vec<String>,
    /// Texts of which one must occur as well.
    #[serde(default)]
    pub ua_must: Vec<String>,
    /// Texts of which none may occur.
    #[serde(default)]
    pub ua_must_not: Vec<String>,
    #[serde(default = "usual_confidence")]
    pub confidence: f64,
    #[serde(default)]
    pub robots_token: Option<String>,
    #[serde(default)]
    pub info_url: Option<String>,
    #[serde(default)]
    pub verify: Verify,
    /// A name for robots files that its vendor never sends: a request that shows it is false unless proven.
    #[serde(default)]
    pub never_sent: bool,
    /// Since when it is listed, `YYYY-MM-DD`.
    #[serde(default)]
    pub since: Option<String>,
    /// Names of the sources that list it.
    #[serde(default)]
    pub origins: Vec<String>,
}

/// How an agent's identity can be proven.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Verify {
    /// Origins whose keys sign the agent's requests.
    pub signature_agent: Vec<String>,
    /// Names of published address feeds.
    pub ip_feeds: Vec<String>,
    /// Domains of its hosts' names, to be confirmed by a forward look-up.
    pub rdns: Vec<String>,
}

impl Verify {
    /// Whether there is any method.
    pub fn is_possible(&self) -> bool {
        !(self.signature_agent.is_empty() && self.ip_feeds.is_empty() && self.rdns.is_empty())
    }
}

/// A tool that is no agent: HTTP library, command line, framework, headless browser.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ToolEntry {
    pub name: String,
    pub sub_type: SubType,
    pub tokens: Vec<String>,
    #[serde(default = "usual_confidence")]
    pub confidence: f64,
    /// Whether the token counts only where the user agent is not shaped like a browser.
    #[serde(default)]
    pub without_browser: bool,
}

/// Words that tell a bot of no known name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    /// Kinds of bots, the more telling first.
    pub kinds: Vec<WordKind>,
    /// Words of artificial intelligence.
    pub ai: Vec<String>,
    /// Names that end so and are none.
    pub excluded: Vec<String>,
    /// Texts that belong to a contact address.
    pub contacts: Vec<String>,
}

/// Words by which bots of one kind name themselves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WordKind {
    pub bot_type: BotType,
    pub sub_type: SubType,
    /// Words that count at the end of every name.
    #[serde(default)]
    pub words: Vec<String>,
    /// Words that also stand in the names of people's apps.
    #[serde(default)]
    pub weak: Vec<String>,
    /// Ordinary words that count as a later part of a compound name.
    #[serde(default)]
    pub joined: Vec<String>,
    /// Words that only tell what a bot does.
    #[serde(default)]
    pub hints: Vec<String>,
}

/// What the user agents of browsers, devices and people's apps are made of.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Browsers {
    /// Starts of browsers that are not shaped like `Mozilla/5.0 (…)`.
    pub starts: Vec<String>,
    /// Names of devices and of the systems and browsers on them.
    pub devices: Vec<String>,
    /// What follows `compatible;` in browsers.
    pub compatible: Vec<String>,
    /// Starts of the parts of a desktop browser's first comment.
    pub parts: Vec<String>,
    /// Products behind a desktop browser's engine.
    pub products: Vec<String>,
    /// Texts in the names of such products.
    pub product_words: Vec<String>,
}

/// A TLS client fingerprint of a program that is no browser.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ja4Entry {
    pub ja4: String,
    pub client: String,
}

/// The newest browser versions at the rule set's date.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CurrentVersions {
    pub chromium: u32,
    pub firefox: u32,
}

/// A published list of an operator's address ranges.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "AgentFeed"))]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// The name that catalogue entries use.
    pub name: String,
    /// Where it is published; absent when the host must supply it.
    #[serde(default)]
    pub url: Option<String>,
}

/// A catalogued agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// What is told about it.
    pub info: Arc<AgentInfo>,
    /// Its type.
    pub bot_type: BotType,
    /// Its finer kind.
    pub sub_type: SubType,
    /// The weight of its name in a user agent.
    pub confidence: f64,
    /// How its identity can be proven.
    pub verify: Verify,
    /// Texts that tell it in a user agent, in lower case.
    pub tokens: Vec<String>,
    /// Since when it is listed, `YYYY-MM-DD`.
    pub since: Option<String>,
    /// Names of the sources that list it.
    pub origins: Vec<String>,
    pub(super) never_sent: bool,
    pub(super) ua_must: Vec<String>,
    pub(super) ua_must_not: Vec<String>,
}

impl Agent {
    pub(super) fn from_entry(entry: AgentEntry) -> Self {
        let AgentEntry { bot_type, sub_type, .. } = entry;
        Self {
            info: Arc::new(AgentInfo {
                id: entry.id,
                name: entry.name,
                vendor: entry.vendor,
                trigger: entry.trigger.unwrap_or(match bot_type {
                    BotType::AiAgent => Trigger::Fetcher,
                    _ => Trigger::Crawler,
                }),
                robots_token: entry.robots_token,
                info_url: entry.info_url,
                purpose: Purpose::of(sub_type),
                category: category_for_people(bot_type, sub_type).to_owned(),
            }),
            bot_type,
            sub_type,
            confidence: entry.confidence,
            verify: entry.verify,
            tokens: lower_case(entry.tokens),
            since: entry.since,
            origins: entry.origins,
            never_sent: entry.never_sent,
            ua_must: lower_case(entry.ua_must),
            ua_must_not: lower_case(entry.ua_must_not),
        }
    }
}

/// The category under which people know an agent.
fn category_for_people(bot_type: BotType, sub_type: SubType) -> &'static str {
    match (bot_type, sub_type) {
        (_, SubType::SearchEngine) => "Search",
        (_, SubType::AiTraining) => "AI Crawler",
        (_, SubType::AiSearch) => "AI Search",
        (_, SubType::UserFetch) => "AI Assistant",
        (_, SubType::BrowserAgent) => "AI Browser Agent",
        (_, SubType::CodingAgent) => "AI Coding Agent",
        (BotType::AiAgent, _) => "AI Agent",
        (BotType::Monitoring, _) => "Monitoring",
        (_, SubType::SocialPreview) => "Link Preview",
        (_, SubType::Archiver) => "Archiver",
        (_, SubType::Seo) => "SEO",
        (_, SubType::Advertising) => "Advertising",
        (_, SubType::FeedReader) => "Feed Reader",
        (_, SubType::Academic) => "Academic",
        (BotType::SecurityScanner, _) => "Security Scanner",
        (BotType::Scraper, _) => "Scraper",
        _ => "Other",
    }
}

fn lower_case(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().map(|text| text.to_ascii_lowercase()).collect()
}

fn usual_confidence() -> f64 {
    0.95
}

const MAXIMUM_BYTES: usize = 1024 * 1024;
const MINIMUM_TOKEN_LENGTH: usize = 2;
