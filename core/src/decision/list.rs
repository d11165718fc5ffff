//! Entries of allow and deny lists, compiled and matched.

use super::{DecisionFacts, ListEntry};
use crate::agent::{AgentInfo, IpSet, VerificationStatus};
use crate::{Error, Result};

/// A list entry that was checked.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    entry: ListEntry,
    ranges: Option<IpSet>,
}

impl Compiled {
    pub fn new(entry: ListEntry) -> Result<Self> {
        let ListEntry { client_name, client_did, agent_did, ip, reason: _ } = &entry;
        if [client_name, client_did, agent_did, ip]
            .iter()
            .all(|member| member.as_deref().is_none_or(str::is_empty))
        {
            return Err(Error::invalid_input("a list entry names nobody"));
        }
        let ranges = entry.ip.as_ref().map(|range| IpSet::parse([range])).transpose()?;
        Ok(Self { entry, ranges })
    }

    /// Why the entry is on the list.
    pub fn reason(&self) -> Option<String> {
        self.entry.reason.clone()
    }

    /// Whether the entry lets the visitor in: its name must not be refuted.
    pub fn admits(&self, facts: &DecisionFacts) -> bool {
        let is_refuted = facts
            .classification
            .as_ref()
            .is_some_and(|classification| classification.verification.status == VerificationStatus::Spoofed);
        !is_refuted && self.matches(facts, false)
    }

    /// Whether the entry keeps the visitor out: the claim alone is enough.
    pub fn refuses(&self, facts: &DecisionFacts) -> bool {
        self.matches(facts, true)
    }

    fn matches(&self, facts: &DecisionFacts, by_claim: bool) -> bool {
        let ListEntry { client_name, client_did, agent_did, .. } = &self.entry;
        let same = |wanted: &Option<String>, seen: &Option<String>| wanted.is_none() || wanted == seen;
        let has_name = client_name.as_deref().is_none_or(|wanted| {
            agent_of(facts).is_some_and(|agent| is_called(agent, wanted))
                || (by_claim && facts.user_agent.as_deref().is_some_and(|text| has_word(text, wanted)))
        });
        let has_address = self
            .ranges
            .as_ref()
            .is_none_or(|ranges| facts.ip.is_some_and(|address| ranges.contains(address)));
        has_name && has_address && same(client_did, &facts.client_did) && same(agent_did, &facts.agent_did)
    }
}

fn agent_of(facts: &DecisionFacts) -> Option<&AgentInfo> {
    facts.classification.as_ref()?.agent.as_ref()
}

/// By id, name, vendor or robots token, or by the front part of the name, for example `ChatGPT` of
/// `ChatGPT-User`.
fn is_called(agent: &AgentInfo, wanted: &str) -> bool {
    let is_same = |name: &str| name.eq_ignore_ascii_case(wanted);
    let begins = agent.name.get(..wanted.len()).is_some_and(is_same)
        && agent.name.as_bytes().get(wanted.len()).is_some_and(|byte| !byte.is_ascii_alphanumeric());
    begins
        || is_same(&agent.id)
        || is_same(&agent.name)
        || agent.vendor.as_deref().is_some_and(is_same)
        || agent.robots_token.as_deref().is_some_and(is_same)
}

/// Whether a user agent contains the word, not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let is_letter =
        |place: Option<usize>| place.and_then(|place| text.get(place)).is_some_and(u8::is_ascii_alphanumeric);
    !word.is_empty()
        && text.windows(word.len()).enumerate().any(|(place, part)| {
            part.eq_ignore_ascii_case(word)
                && !is_letter(place.checked_sub(1))
                && !is_letter(Some(place + word.len()))
        })
}
