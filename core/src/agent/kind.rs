//! What a request comes from: the first rule that matches, and the coarse views of it.

use super::catalogue::Agent;
use super::fusion::{GroupWeights, has};
use super::{
    BotType, Category, ConfidenceLevel, DetectionClass, RiskLevel, SignatureOutcome, SubType, Trigger,
    Verification, VerificationStatus, signals,
};
use crate::evidence::Evidence;

/// What the decision about the kind is made from.
pub(super) struct Findings<'a> {
    pub evidence: &'a [Evidence],
    pub weights: GroupWeights,
    pub signature: Option<&'a SignatureOutcome>,
    /// The agent whose origin signed the request.
    pub signer: Option<&'a Agent>,
    /// The agent that the user agent names.
    pub claimed: Option<&'a Agent>,
    /// The agent to whom the network belongs.
    pub owner: Option<&'a Agent>,
    /// The finer kind of the tool that the user agent names.
    pub tool: Option<SubType>,
    /// What the words of the user agent say.
    pub words: (BotType, SubType),
    pub status: VerificationStatus,
}

/// The kind of a bot and the agent that it belongs to.
pub(super) struct Kind<'a> {
    pub bot_type: BotType,
    pub sub_type: SubType,
    pub agent: Option<&'a Agent>,
}

impl<'a> Findings<'a> {
    /// The kind, as if the request were a bot; first match wins.
    pub fn kind(&self) -> Kind<'a> {
        let kind = |bot_type, sub_type| Kind { bot_type, sub_type, agent: None };
        let of_agent = |agent: &'a Agent| Kind {
            bot_type: agent.bot_type,
            sub_type: agent.sub_type,
            agent: Some(agent),
        };
        if self.fired(signals::SIG_VERIFIED.id) {
            return self.signer.map_or_else(|| self.unknown_signer(), of_agent);
        }
        if self.fired(signals::SIG_INVALID.id) || self.status == VerificationStatus::Spoofed {
            return Kind {
                agent: self.claimed.or(self.signer),
                ..kind(BotType::Scraper, SubType::SpoofedIdentity)
            };
        }
        if let Some(agent) = self.claimed {
            return of_agent(agent);
        }
        if self.fired(signals::CL_WEBDRIVER.id) {
            return kind(BotType::Automation, SubType::Webdriver);
        }
        if self.fired(signals::CL_HEADLESS.id) {
            return kind(BotType::Automation, SubType::HeadlessBrowser);
        }
        match self.tool {
            Some(driven @ (SubType::HeadlessBrowser | SubType::Webdriver)) => {
                return kind(BotType::Automation, driven);
            }
            Some(SubType::Framework) => return kind(BotType::Scraper, SubType::Framework),
            Some(_) if self.weights.behavior >= HOSTILE_PACE => {
                return kind(BotType::Scraper, SubType::Behavioral);
            }
            Some(tool) => return kind(BotType::Automation, tool),
            None => {}
        }
        if self.fired(signals::HDR_AI_HEADER.id) || self.fired(signals::SIG_UNVERIFIABLE.id) {
            return kind(BotType::AiAgent, SubType::UndeclaredAgent);
        }
        if let Some(owner) = self.owner {
            return of_agent(owner);
        }
        if UNNAMED.iter().any(|signal| self.fired(signal.id)) {
            let (bot_type, sub_type) = self.words;
            return kind(bot_type, sub_type);
        }
        if self.weights.behavior >= 0.5 {
            return kind(BotType::Scraper, SubType::Behavioral);
        }
        kind(BotType::UnknownBot, SubType::Unclassified)
    }

    fn unknown_signer(&self) -> Kind<'a> {
        let (bot_type, sub_type) = match self.signature.and_then(|signature| signature.trigger) {
            Some(Trigger::Crawler) => (BotType::Crawler, SubType::Other),
            Some(Trigger::Fetcher) | None => (BotType::AiAgent, SubType::SignedAgent),
        };
        Kind { bot_type, sub_type, agent: None }
    }

    fn fired(&self, id: &str) -> bool {
        has(self.evidence, id)
    }
}

/// The coarse class.
pub(super) fn detection_class(bot_type: BotType) -> DetectionClass {
    match bot_type {
        BotType::Human => DetectionClass::Human,
        BotType::Unknown => DetectionClass::IncompleteData,
        BotType::AiAgent => DetectionClass::AiAgent,
        _ => DetectionClass::Bot,
    }
}

/// The coarse category of a bot.
pub(super) fn category(bot_type: BotType, sub_type: Option<SubType>) -> Option<Category> {
    Some(match (bot_type, sub_type) {
        (BotType::Human | BotType::Unknown, _) => return None,
        (BotType::AiAgent, _) => Category::AiAssistant,
        (BotType::Crawler, Some(SubType::SearchEngine)) => Category::SearchEngine,
        (BotType::Crawler, Some(SubType::AiTraining | SubType::AiSearch)) | (BotType::Scraper, _) => {
            Category::Scraper
        }
        (BotType::Crawler, Some(SubType::SocialPreview)) => Category::SocialMedia,
        (BotType::Crawler, Some(SubType::Seo | SubType::Advertising)) => Category::Analytics,
        (BotType::Automation, _) => Category::Automation,
        (BotType::Monitoring, _) => Category::Monitoring,
        (BotType::SecurityScanner, _) => Category::Security,
        (BotType::Crawler | BotType::UnknownBot, _) => Category::Unknown,
    })
}

/// A confidence in words.
pub(super) fn confidence_level(confidence: f64) -> ConfidenceLevel {
    match confidence {
        0.95.. => ConfidenceLevel::VeryHigh,
        0.80.. => ConfidenceLevel::High,
        0.60.. => ConfidenceLevel::Medium,
        _ => ConfidenceLevel::Low,
    }
}

/// What is at stake.
pub(super) fn risk_level(
    bot_type: BotType,
    sub_type: Option<SubType>,
    verification: &Verification,
) -> RiskLevel {
    match (bot_type, sub_type) {
        (_, Some(SubType::SpoofedIdentity)) | (BotType::SecurityScanner, _) => RiskLevel::Critical,
        (BotType::AiAgent, _) if verification.status != VerificationStatus::Verified => RiskLevel::High,
        (BotType::Scraper, _) => RiskLevel::High,
        (BotType::Automation | BotType::UnknownBot, _)
        | (BotType::Crawler, Some(SubType::AiTraining | SubType::AiSearch)) => RiskLevel::Medium,
        _ => RiskLevel::Low,
    }
}

/// Signals of a user agent that tell a bot without a catalogued name.
const UNNAMED: [signals::Signal; 3] =
    [signals::UA_GENERIC_BOT, signals::UA_PROGRAM, signals::UA_FOREIGN_PART];
/// The behaviour weight from which a program is a scraper.
const HOSTILE_PACE: f64 = 0.4;
