//! What is stored of a detection: enough for lists and analytics, nothing secret.

use std::fmt::Write as _;

use quivive_core::agent::{
    BotType, RequestFacts, SubType, Verification, VerificationMethod, VerificationStatus,
};
use quivive_core::decision::Action;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::visitor::{Visitor, network};
use super::{Observed, STREAM, Source};
use crate::storage::{Event, Keep, Member};
use crate::tenant::{Detection, IpMode};

/// The body of a detection's row.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// How the request was seen.
    pub source: Source,
    /// Whether the confidence reached the threshold.
    pub is_bot: bool,
    /// Likelihood that it was automated, 0 to 1, two decimals.
    pub confidence: f64,
    /// What it was.
    pub bot_type: BotType,
    /// What it was more exactly.
    pub sub_type: Option<SubType>,
    /// The catalogued agent that it was or claimed to be.
    pub agent_id: Option<String>,
    /// How far the identity was proven.
    pub verification: VerificationStatus,
    /// What that was judged by.
    #[serde(default, skip_serializing_if = "Proof::is_none")]
    pub proof: Proof,
    /// The user agent, at most 1,024 bytes.
    pub user_agent: Option<String>,
    /// What is kept of the address.
    pub ip: Option<String>,
    /// The address without user information and fragment, at most 2,048 bytes.
    pub url: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// What tells visitors of one day apart.
    pub visitor_key: String,
    /// What tells bots apart, 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_key: Option<String>,
    /// What the project's policy said to do.
    pub policy_action: Action,
    /// The rule of the policy that said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<String>,
    /// Whether it is a test that analytics leave out.
    pub test: bool,
    /// What was seen, by the ids of the core's signals, without where: a place can be an address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<StoredSignal>,
}

/// What an identity was judged by; empty where nothing spoke for or against one, and in rows of earlier versions.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Proof {
    /// What proved or refuted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<VerificationMethod>,
    /// The key id of the message signature, at most 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The origin that the header `Signature-Agent` named, at most 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_agent: Option<String>,
}

impl Proof {
    fn of(verification: &Verification) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(|text| shortened(text, MOST_PROOF_BYTES));
        Self {
            method: Some(verification.method).filter(|method| *method != VerificationMethod::None),
            key_id: text(&verification.keyid),
            signature_agent: text(&verification.signature_agent),
        }
    }

    /// Whether nothing is known.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A signal that a detection showed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct StoredSignal {
    /// The id, for example `ua.known_agent`.
    pub id: String,
    /// From -1 (surely a person) to 1 (surely automated).
    pub weight: f64,
}

impl Row {
    /// What is counted of it, by dimension.
    pub fn tallies(&self) -> Vec<(&'static str, String)> {
        let mut tallies = vec![
            (VERIFICATIONS, name(&self.verification)),
            (ACTIONS, name(&self.policy_action)),
            (PATHS, path(self.url.as_deref().unwrap_or_default())),
        ];
        tallies.extend(self.sub_type.map(|sub_type| (SUB_TYPES, name(&sub_type))));
        let agent = self.agent_id.as_ref();
        tallies.extend(agent.map(|agent| (AGENTS, format!("{agent}/{}", name(&self.verification)))));
        tallies
    }

    /// The sets of distinct things that it is in.
    pub fn members(&self) -> Vec<Member> {
        let visitor = self.visitor_key.get(..16).and_then(|half| u64::from_str_radix(half, 16).ok());
        let class = if self.is_bot { "bot" } else { "human" };
        let mut members: Vec<Member> =
            visitor.map(|identity| Member { set: VISITORS, class, identity }).into_iter().collect();
        let bot = self.bot_key.as_deref().and_then(|key| u64::from_str_radix(key, 16).ok());
        let class = type_name(self.bot_type);
        members.extend(bot.map(|identity| Member { set: BOTS, class, identity }));
        members
    }
}

/// The row of a detection, as the project wants it stored.
pub fn event(observed: Observed, visitor: Visitor, settings: &Detection) -> Event {
    let Observed { id, project_id, is_test, source, action, rule_id, facts, classification, .. } = observed;
    let ip = facts.ip.and_then(|ip| match settings.ip_mode {
        IpMode::Full => Some(ip.to_canonical().to_string()),
        IpMode::Truncated => Some(network(ip)),
        IpMode::Hashed => visitor.hashed_ip,
        IpMode::None => None,
    });
    let url = facts.url.as_deref();
    let row = Row {
        source,
        is_bot: classification.is_bot,
        confidence: classification.confidence,
        bot_type: classification.bot_type,
        sub_type: classification.sub_type,
        agent_id: classification.agent.as_ref().map(|agent| agent.id.clone()),
        verification: classification.verification.status,
        proof: Proof::of(&classification.verification),
        user_agent: user_agent(&facts).map(|text| shortened(text, MOST_USER_AGENT_BYTES)),
        ip,
        url: url.map(|url| stored_url(url, settings.keep_query)),
        method: facts.method,
        visitor_key: visitor.key,
        bot_key: visitor.bot.map(|bot| format!("{bot:016x}")),
        policy_action: action,
        rule_id,
        test: is_test,
        signals: classification
            .evidence
            .iter()
            .take(MOST_SIGNALS)
            .map(|evidence| StoredSignal { id: evidence.id.to_string(), weight: evidence.weight })
            .collect(),
    };
    let is_sampled = !is_test && !row.is_bot && settings.human_rows < 1.0;
    let is_in_sample = (visitor.lot as f64) < settings.human_rows * 2_f64.powi(64);
    Event {
        kind: STREAM.to_owned(),
        project: project_id.to_string(),
        id,
        at: facts.now,
        label: type_name(classification.bot_type).to_owned(),
        score: Some(classification.confidence),
        body: serde_json::to_string(&row).unwrap_or_else(|_| "{}".to_owned()),
        weight: is_sampled.then(|| settings.human_rows.recip()),
        keep: match (is_test, is_sampled && !is_in_sample) {
            (true, _) => Keep::Row,
            (false, true) => Keep::Rollups,
            (false, false) => Keep::Both,
        },
        tallies: row.tallies(),
        members: row.members(),
    }
}

/// The user agent of the facts, from the header map when it was not given by itself.
pub(super) fn user_agent(facts: &RequestFacts) -> Option<&str> {
    let from_headers = || {
        let headers = facts.headers.as_ref()?;
        headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("user-agent"))
            .map(|(_, value)| value.as_str())
    };
    facts.user_agent.as_deref().or_else(from_headers)
}

/// The name of a type, which is also its row's label.
pub fn type_name(bot_type: BotType) -> &'static str {
    TYPES.iter().find(|(known, _)| *known == bot_type).map_or("unknown", |(_, name)| name)
}

/// The name of a value whose JSON form is a text.
pub fn name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        _ => String::new(),
    }
}

/// Every type with its name, in the order that settles ties; the last two are no bots.
pub const TYPES: [(BotType, &str); 9] = [
    (BotType::AiAgent, "ai_agent"),
    (BotType::Crawler, "crawler"),
    (BotType::Scraper, "scraper"),
    (BotType::Automation, "automation"),
    (BotType::Monitoring, "monitoring"),
    (BotType::SecurityScanner, "security_scanner"),
    (BotType::UnknownBot, "unknown_bot"),
    (BotType::Human, "human"),
    (BotType::Unknown, "unknown"),
];

/// Dimension: an agent and how far it was proven, `openai-gptbot/claimed`.
pub const AGENTS: &str = "agent";
/// Dimension: the finer type.
pub const SUB_TYPES: &str = "sub_type";
/// Dimension: the path of the address, without query, at most 256 bytes.
pub const PATHS: &str = "path";
/// Dimension: how far the identity was proven.
pub const VERIFICATIONS: &str = "verification";
/// Dimension: what the policy said to do.
pub const ACTIONS: &str = "action";
/// Set: visitors, by the classes `bot` and `human`.
pub const VISITORS: &str = "visitor";
/// Set: bots, by type.
pub const BOTS: &str = "bot";

/// The address as it is stored, at most 2,048 bytes: without user information and fragment, and without query
/// unless that is kept.
pub fn stored_url(url: &str, keeps_query: bool) -> String {
    let whole = url.split('#').next().unwrap_or_default();
    let (bare, query) = whole.split_once('?').map_or((whole, None), |(bare, query)| (bare, Some(query)));
    let mut stored = match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) =
                rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = authority.rsplit('@').next().unwrap_or_default();
            let mut url = format!("{scheme}://{host}");
            if let Some(path) = path {
                let _ = write!(url, "/{path}");
            }
            url
        }
        None => bare.to_owned(),
    };
    if let Some(query) = query.filter(|_| keeps_query) {
        let _ = write!(stored, "?{query}");
    }
    shortened(&stored, MOST_URL_BYTES)
}

/// The path of a stored address; empty when no address is known.
fn path(url: &str) -> String {
    let bare = url.split('?').next().unwrap_or_default();
    let path = match bare.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|start| rest.get(start..)).unwrap_or("/"),
        None => bare,
    };
    shortened(path, MOST_PATH_BYTES)
}

fn shortened(text: &str, most: usize) -> String {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default().to_owned()
}

const MOST_USER_AGENT_BYTES: usize = 1_024;
const MOST_URL_BYTES: usize = 2_048;
const MOST_PATH_BYTES: usize = 256;
const MOST_PROOF_BYTES: usize = 256;
const MOST_SIGNALS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_urls_hold_no_secrets() {
        for (url, stored, with_query) in [
            (
                "https://ada:secret@example.org/a?token=1#x",
                "https://example.org/a",
                "https://example.org/a?token=1",
            ),
            ("https://example.org?q=a/b", "https://example.org", "https://example.org?q=a/b"),
            ("/a/b?c=d#e?f", "/a/b", "/a/b?c=d"),
            (
                "https://example.org/mail@example.net",
                "https://example.org/mail@example.net",
                "https://example.org/mail@example.net",
            ),
            ("https://a@b@example.org/?u=x@y", "https://example.org/", "https://example.org/?u=x@y"),
        ] {
            assert_eq!(stored_url(url, false), stored);
            assert_eq!(stored_url(url, true), with_query);
        }
    }

    #[test]
    fn paths_are_without_host_and_query() {
        for (url, expected) in [
            ("https://example.org", "/"),
            ("https://example.org/a/b?c=/d", "/a/b"),
            ("/a?b", "/a"),
            ("", ""),
            (&*format!("/{}", "a".repeat(300)), &*format!("/{}", "a".repeat(255))),
        ] {
            assert_eq!(path(url), expected);
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(shortened("aé", 2), "a");
        assert_eq!(shortened("aé", 3), "aé");
    }

    #[test]
    fn every_type_has_the_name_of_its_json_form() {
        for (bot_type, text) in TYPES {
            assert_eq!((name(&bot_type).as_str(), type_name(bot_type)), (text, text));
        }
    }
}
