//! Classification of one request: person, bot or agent, and how far its identity is proven.
//!
//! Evidence is gathered on seven planes (signature, user agent, headers, network, TLS, behaviour, page script)
//! and fused into one confidence. A plane that was not observed is no evidence.
//!
//! ```
//! use quivive_core::agent::{BotType, Classifier, RequestFacts, SubType};
//! let classifier = Classifier::new();
//! let classification = classifier.classify(&RequestFacts {
//!     user_agent: Some("Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)".to_owned()),
//!     ..RequestFacts::default()
//! });
//! assert!(classification.is_bot);
//! assert_eq!((classification.bot_type, classification.sub_type), (BotType::Crawler, Some(SubType::AiTraining)));
//! ```

mod behavior;
mod built_in;
mod catalogue;
mod classification;
pub mod fusion;
mod headers;
mod kind;
mod known;
mod network;
mod purpose;
mod ranges;
mod request;
mod robots;
pub mod signals;
#[cfg(test)]
mod tests;
mod user_agent;
mod verification;

use std::collections::BTreeMap;
use std::sync::OnceLock;

pub use catalogue::{Agent, Feed, Verify};
pub use classification::*;
pub use known::*;
pub use network::IpSet;
pub use purpose::Purpose;
pub use ranges::{RangeTable, published_ranges};
pub use request::*;
pub use robots::{AgentPolicy, AgentPolicyResult, RobotsTxt, RobotsTxtText, agent_policy, robots_txt};
pub use signals::Group;
pub use user_agent::{BrowserShape, Platform, Tool, UserAgentClass};
pub use verification::is_in_domain;

use crate::evidence::Evidence;
use crate::{Error, ErrorKind, Result};
use catalogue::{CurrentVersions, Ja4Entry, RuleSet};
use fusion::GroupWeights;
use headers::Headers;
use kind::Findings;
use user_agent::Matcher;

/// A rule set, compiled once; classifies without further allocation of tables.
#[derive(Debug)]
pub struct Classifier {
    version: String,
    date: String,
    matcher: Matcher,
    agents: Vec<Agent>,
    tools: Vec<Tool>,
    feeds: Vec<Feed>,
    origins: BTreeMap<String, Source>,
    ai_headers: Vec<String>,
    ja4: Vec<Ja4Entry>,
    current: CurrentVersions,
}

impl Classifier {
    /// Compiles the built-in rule set.
    #[expect(clippy::expect_used, reason = "the built-in rule set is read by every test")]
    pub fn new() -> Self {
        Self::from_rules(&built_in::agents()).expect("the built-in rule set is valid")
    }

    /// Compiles another rule set, a JSON document of the form of the built-in one.
    ///
    /// # Errors
    /// `INVALID_INPUT` when it cannot be read, `LIMIT_EXCEEDED` when it is larger than 1 MiB.
    pub fn from_rules(json: &str) -> Result<Self> {
        let mut rules = RuleSet::parse(json)?;
        let (matcher, tools) = Matcher::new(&mut rules)?;
        Ok(Self {
            version: rules.version,
            date: rules.date,
            matcher,
            agents: rules.agents.into_iter().map(Agent::from_entry).collect(),
            tools,
            feeds: rules.feeds,
            origins: rules.origins,
            ai_headers: rules.ai_headers,
            ja4: rules.ja4,
            current: rules.current,
        })
    }

    /// The version of the rule set.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The date of the rule set, `YYYY-MM-DD`.
    pub fn date(&self) -> &str {
        &self.date
    }

    /// The catalogued agents.
    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// The address feeds that catalogued agents name, and where they are published.
    pub fn feeds(&self) -> &[Feed] {
        &self.feeds
    }

    /// What a user agent says by itself.
    pub fn class_of_user_agent(&self, user_agent: &str) -> UserAgentClass<'_> {
        self.matcher.class_of(user_agent, &self.agents, &self.tools)
    }

    /// Whether a user agent by itself says bot: the verdict of [`Classifier::classify`] about a request of which
    /// nothing else is known, in a fraction of its time.
    ///
    /// ```
    /// let classifier = quivive_core::agent::default_classifier();
    /// assert!(classifier.is_bot("curl/8.5.0"));
    /// ```
    pub fn is_bot(&self, user_agent: &str) -> bool {
        let mut found = Vec::new();
        self.user_agent_evidence(&self.class_of_user_agent(user_agent), &mut found);
        fusion::confidence(&found) >= DETECTION_THRESHOLD
    }

    /// Classifies one request.
    pub fn classify(&self, facts: &RequestFacts) -> Classification {
        let headers =
            facts.headers.as_ref().map_or_else(Headers::default, |map| Headers::read(map, &self.ai_headers));
        let user_agent = facts.user_agent.as_deref().or(headers.user_agent);
        let class = self.class_of_user_agent(user_agent.unwrap_or_default());
        let verification = verification::verify(facts, &headers, class.agent);
        let owner = self.owner_of_network(facts);
        let evidence = self.gather(facts, &headers, user_agent.is_some(), &class);
        self.conclude(facts, class, verification, owner, evidence)
    }

    fn gather(
        &self,
        facts: &RequestFacts,
        headers: &Headers<'_>,
        has_user_agent: bool,
        class: &UserAgentClass<'_>,
    ) -> Vec<Evidence> {
        let mut found = Vec::new();
        signature_evidence(facts, headers, &mut found);
        if has_user_agent || facts.headers.is_some() {
            self.user_agent_evidence(class, &mut found);
        }
        if facts.headers.is_some() {
            let order = facts.header_order.as_deref();
            headers.evidence(class, is_https(facts.url.as_deref()), order, &mut found);
        }
        network::evidence(facts, self.crawler_host(facts), &mut found);
        self.tls_evidence(facts, class, &mut found);
        behavior::evidence(facts.behavior.as_ref(), facts.client.as_ref(), &mut found);
        found
    }

    fn conclude(
        &self,
        facts: &RequestFacts,
        class: UserAgentClass<'_>,
        mut verification: Verification,
        owner: Option<(&Agent, VerificationMethod)>,
        evidence: Vec<Evidence>,
    ) -> Classification {
        let weights = GroupWeights::of(&evidence);
        let kind = Findings {
            evidence: &evidence,
            weights,
            signature: facts.signature.as_ref(),
            signer: self.signer(facts.signature.as_ref()),
            claimed: class.agent,
            owner: owner.map(|(agent, _)| agent),
            tool: class.tool.map(|tool| tool.sub_type),
            words: class.kind,
            status: verification.status,
        }
        .kind();
        let mut confidence = fusion::confidence(&evidence);
        if kind.sub_type == SubType::SpoofedIdentity {
            confidence = confidence.max(SPOOFED_CONFIDENCE);
            verification.status = VerificationStatus::Spoofed;
        }
        let is_bot = confidence >= facts.threshold.unwrap_or(DETECTION_THRESHOLD);
        let is_owner = |(agent, _): &(&Agent, VerificationMethod)| {
            class.agent.is_none() && kind.agent.is_some_and(|kind| kind.info.id == agent.info.id)
        };
        if let Some((_, method)) =
            owner.filter(is_owner).filter(|_| verification.status == VerificationStatus::None)
        {
            verification.status = VerificationStatus::Verified;
            verification.method = method;
            verification.forgeability = Forgeability::Low;
        }
        let (bot_type, sub_type) =
            if is_bot { (kind.bot_type, Some(kind.sub_type)) } else { (person(facts, &class), None) };
        let confidence = fusion::rounded(confidence);
        Classification {
            is_bot,
            confidence,
            bot_type,
            sub_type,
            user_agent_bot: weights.user_agent >= STRONG,
            behavioral_bot: weights.conduct() >= STRONG,
            ip_bot: weights.network >= STRONG,
            detection_class: kind::detection_class(bot_type),
            category: kind::category(bot_type, sub_type),
            confidence_level: kind::confidence_level(confidence),
            risk_level: kind::risk_level(bot_type, sub_type, &verification),
            agent: kind.agent.map(|agent| AgentInfo::clone(&agent.info)),
            verification,
            evidence,
        }
    }

    fn user_agent_evidence(&self, class: &UserAgentClass<'_>, found: &mut Vec<Evidence>) {
        if class.is_empty {
            found.push(signals::UA_MISSING.seen_in("user-agent"));
            return;
        }
        if let Some(agent) = class.agent {
            found.push(signals::UA_KNOWN_AGENT.weighing(agent.confidence, &*agent.info.name));
        }
        if let Some(tool) = class.tool {
            let signal = match tool.sub_type {
                SubType::HeadlessBrowser | SubType::Webdriver => signals::UA_HEADLESS,
                SubType::Framework => signals::UA_FRAMEWORK,
                SubType::CliTool => signals::UA_CLI,
                _ => signals::UA_HTTP_LIBRARY,
            };
            found.push(signal.weighing(tool.confidence, &*tool.name));
        }
        if class.has_bot_word {
            found.push(signals::UA_GENERIC_BOT.seen_in("user-agent"));
        }
        if class.is_program {
            found.push(signals::UA_PROGRAM.seen_in("user-agent"));
        }
        if class.has_foreign_part {
            found.push(signals::UA_FOREIGN_PART.seen_in("user-agent"));
        }
        if class.has_unknown_product {
            found.push(signals::UA_UNKNOWN_PRODUCT.seen_in("user-agent"));
        }
        if class.is_malformed && class.agent.is_none() && class.tool.is_none() {
            found.push(signals::UA_MALFORMED.seen_in("user-agent"));
        }
        let is_stale =
            |seen: Option<u32>, current: u32| seen.is_some_and(|major| major + STALE_BEHIND < current);
        if is_stale(class.browser.chromium, self.current.chromium)
            || is_stale(class.browser.firefox, self.current.firefox)
        {
            found.push(signals::UA_STALE_BROWSER.seen_in("user-agent"));
        }
    }

    fn tls_evidence(&self, facts: &RequestFacts, class: &UserAgentClass<'_>, found: &mut Vec<Evidence>) {
        let seen = facts.tls.as_ref().and_then(|tls| tls.ja4.as_deref());
        let Some(entry) = seen.and_then(|ja4| self.ja4.iter().find(|entry| entry.ja4 == ja4)) else { return };
        let signal = if class.is_browser() { signals::TLS_UA_MISMATCH } else { signals::TLS_TOOL };
        found.push(signal.seen_in(&*entry.client));
    }

    /// The agent whose origin signed the request.
    fn signer(&self, signature: Option<&SignatureOutcome>) -> Option<&Agent> {
        let origin = signature?.signature_agent.as_deref()?.trim_end_matches('/');
        self.agents.iter().find(|agent| agent.verify.signature_agent.iter().any(|listed| listed == origin))
    }

    /// The agent in whose feed or domain the address lies.
    fn owner_of_network(&self, facts: &RequestFacts) -> Option<(&Agent, VerificationMethod)> {
        let feeds =
            || facts.feeds.iter().filter(|answer| answer.contains && network::is_fresh(answer, facts.now));
        let by_feed = facts.ip.and_then(|_| {
            self.agents
                .iter()
                .find(|agent| feeds().any(|answer| agent.verify.ip_feeds.contains(&answer.feed)))
        });
        by_feed.map(|agent| (agent, VerificationMethod::IpRange)).or_else(|| {
            let answer = facts.reverse_dns.as_ref()?;
            let is_owner = |agent: &&Agent| verification::is_confirmed_host(answer, &agent.verify.rdns);
            self.agents.iter().find(is_owner).map(|agent| (agent, VerificationMethod::Fcrdns))
        })
    }

    fn crawler_host<'f>(&self, facts: &'f RequestFacts) -> Option<&'f str> {
        let answer = facts.reverse_dns.as_ref()?;
        let is_listed =
            self.agents.iter().any(|agent| verification::is_confirmed_host(answer, &agent.verify.rdns));
        answer.name.as_deref().filter(|_| is_listed)
    }
}

impl Default for Classifier {
    fn default() -> Self {
        Self::new()
    }
}

/// The classifier with the built-in rule set, compiled on first use.
pub fn default_classifier() -> &'static Classifier {
    static CLASSIFIER: OnceLock<Classifier> = OnceLock::new();
    CLASSIFIER.get_or_init(Classifier::new)
}

/// Classifies one request with the built-in rule set.
///
/// # Errors
/// `INVALID_INPUT` when neither user agent nor headers nor address is given, or a figure is outside 0 to 1;
/// `LIMIT_EXCEEDED` for a user agent over 4,096 bytes, more than 100 headers or 256 names in their order, a name
/// over 256 or a value or URL over 8,192 bytes, or more than 64 feed answers.
pub fn classify_request(input: RequestFacts) -> Result<Classification> {
    check(&input)?;
    Ok(default_classifier().classify(&input))
}

fn check(facts: &RequestFacts) -> Result<()> {
    if facts.user_agent.is_none() && facts.headers.is_none() && facts.ip.is_none() {
        return Err(Error::invalid_input("one of user_agent, headers and ip is needed"));
    }
    let carried = facts.behavior.as_ref().and_then(|behavior| behavior.carried_confidence);
    for (name, figure) in [("threshold", facts.threshold), ("behavior.carried_confidence", carried)] {
        if figure.is_some_and(|figure| !(0.0..=1.0).contains(&figure)) {
            return Err(Error::invalid_input(format!("{name} is not from 0 to 1")).with("field", name));
        }
    }
    let headers = facts.headers.iter().flatten();
    let limits = [
        ("user_agent", facts.user_agent.as_ref().map_or(0, String::len), 4_096),
        ("headers", facts.headers.as_ref().map_or(0, |headers| headers.len()), 100),
        ("header_order", facts.header_order.as_ref().map_or(0, Vec::len), 256),
        ("headers", headers.clone().map(|(name, _)| name.len()).max().unwrap_or(0), 256),
        ("headers", headers.map(|(_, value)| value.len()).max().unwrap_or(0), 8_192),
        ("url", facts.url.as_ref().map_or(0, String::len), 8_192),
        ("feeds", facts.feeds.len(), 64),
    ];
    match limits.iter().find(|(_, length, limit)| length > limit) {
        Some((name, _, limit)) => {
            Err(Error::new(ErrorKind::LimitExceeded, format!("{name} exceeds {limit}"))
                .with("field", *name)
                .with("limit", *limit))
        }
        None => Ok(()),
    }
}

fn signature_evidence(facts: &RequestFacts, headers: &Headers<'_>, found: &mut Vec<Evidence>) {
    let source = |outcome: &SignatureOutcome| {
        outcome
            .signature_agent
            .clone()
            .or_else(|| outcome.keyid.clone())
            .unwrap_or_else(|| "signature".to_owned())
    };
    match &facts.signature {
        Some(outcome) => {
            let signal = match outcome.status {
                SignatureStatus::Verified => signals::SIG_VERIFIED,
                SignatureStatus::Invalid => signals::SIG_INVALID,
                SignatureStatus::Unverified => signals::SIG_UNVERIFIABLE,
            };
            found.push(signal.seen_in(source(outcome)));
        }
        None => {
            if let Some(value) = headers.signature_agent {
                found.push(signals::SIG_UNVERIFIABLE.seen_in(verification::origin_of(value)));
            } else if headers.signature_input.is_some() {
                found.push(signals::SIG_UNVERIFIABLE.seen_in("signature-input"));
            }
        }
    }
}

/// What a request that is no bot comes from.
fn person(facts: &RequestFacts, class: &UserAgentClass<'_>) -> BotType {
    let was_observed = facts.headers.is_some() || facts.client.is_some();
    if class.is_browser() && was_observed { BotType::Human } else { BotType::Unknown }
}

fn is_https(url: Option<&str>) -> Option<bool> {
    let scheme = url?.get(..8).map(str::to_ascii_lowercase);
    Some(scheme.as_deref() == Some("https://"))
}

/// The confidence from which a request counts as a bot.
const DETECTION_THRESHOLD: f64 = 0.5;
/// The least confidence of a false identity.
const SPOOFED_CONFIDENCE: f64 = 0.97;
/// The group weight from which a plane by itself says "bot".
const STRONG: f64 = 0.5;
/// How many major versions behind the current one a browser is stale.
const STALE_BEHIND: u32 = 40;
