//! The catalogue for readers: who is known, what for, and where that is known from.

use serde::{Deserialize, Serialize};

use super::{Agent, BotType, Classifier, Feed, Purpose, SubType, Trigger, default_classifier};
use crate::suggestion::suggestion;
use crate::{Error, Result};

/// Which agents are asked for; each member narrows the list.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct FindAgents {
    /// Purposes of which one must be the agent's, for example `training`; `ai` stands for those of AI.
    pub purposes: Vec<String>,
    /// A part of the operator's name.
    pub operator: Option<String>,
    /// Whether its identity can be proven.
    pub verifiable: Option<bool>,
    /// A part of its id, name, operator, user agent or description's address.
    pub search: Option<String>,
}

/// The agents that were found.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FoundAgents {
    /// The date of the catalogue, `YYYY-MM-DD`.
    pub date: String,
    /// The agents, by purpose and name.
    pub agents: Vec<KnownAgent>,
}

/// What the catalogue says about an agent.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KnownAgent {
    /// The catalogue's id, for example `openai-gptbot`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who runs it; where only its home page is known, that page's host.
    pub operator: Option<String>,
    /// What it is.
    pub bot_type: BotType,
    /// What it is more exactly.
    pub sub_type: SubType,
    /// What it comes for.
    pub purpose: Purpose,
    /// What makes it come.
    pub trigger: Trigger,
    /// Texts that tell it in a user agent, in lower case; none when it is known by its signature only.
    pub tokens: Vec<String>,
    /// Its name in robots files.
    pub robots_token: Option<String>,
    /// Whether its name stands in robots files only: a request that shows it is false unless proven.
    pub never_sent: bool,
    /// Where it is described.
    pub info_url: Option<String>,
    /// How its identity can be proven; a claim alone proves nothing.
    pub verify: Proofs,
    /// Since when it is listed, `YYYY-MM-DD`.
    pub since: Option<String>,
    /// Where all this is known from.
    pub sources: Vec<Source>,
}

/// How an agent's identity can be proven; by nothing where all is empty.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "AgentProofs"))]
#[serde(deny_unknown_fields)]
pub struct Proofs {
    /// Origins whose keys sign its requests (RFC 9421 with Web Bot Auth).
    pub signature_agent: Vec<String>,
    /// Published lists of its addresses.
    pub ip_feeds: Vec<Feed>,
    /// Domains of its hosts' names, to be confirmed by a forward look-up.
    pub rdns: Vec<String>,
}

/// A source of entries, with its licence.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "AgentSource"))]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Its licence as SPDX expression.
    pub licence: String,
    /// The version that was read.
    #[serde(default)]
    pub version: Option<String>,
    /// When it was read or published, `YYYY-MM-DD`.
    pub date: String,
}

/// Finds agents in the built-in catalogue.
///
/// # Errors
/// `INVALID_INPUT` for an unknown purpose.
pub fn find_agents(input: FindAgents) -> Result<FoundAgents> {
    let purposes = input.purposes.iter().map(|word| Purpose::named(word)).collect::<Result<Vec<_>>>()?;
    let classifier = default_classifier();
    let mut agents: Vec<KnownAgent> = classifier
        .agents()
        .iter()
        .filter(|agent| {
            purposes.is_empty() || purposes.iter().any(|purposes| purposes.contains(&agent.info.purpose))
        })
        .filter(|agent| input.verifiable.is_none_or(|wanted| agent.verify.is_possible() == wanted))
        .map(|agent| classifier.described(agent))
        .filter(|agent| {
            let has = |text: &str, wanted: &Option<String>| {
                wanted.as_ref().is_none_or(|wanted| contains(text, wanted))
            };
            has(agent.operator.as_deref().unwrap_or_default(), &input.operator)
                && has(&agent.searched(), &input.search)
        })
        .collect();
    agents.sort_by_cached_key(|agent| (agent.purpose, agent.name.to_lowercase()));
    Ok(FoundAgents { date: classifier.date().to_owned(), agents })
}

impl Classifier {
    /// The agent of this id, name, robots token or user agent token, in any case.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names the closest agent.
    pub fn agent_named(&self, word: &str) -> Result<&Agent> {
        let wanted = word.trim();
        let is_wanted = |name: &str| name.eq_ignore_ascii_case(wanted);
        let find = |matches: &dyn Fn(&Agent) -> bool| self.agents().iter().find(|agent| matches(agent));
        find(&|agent| is_wanted(&agent.info.id) || is_wanted(&agent.info.name))
            .or_else(|| find(&|agent| agent.info.robots_token.as_deref().is_some_and(is_wanted)))
            .or_else(|| find(&|agent| agent.tokens.iter().any(|token| is_wanted(token))))
            .ok_or_else(|| {
                let error = Error::invalid_input(format!("no agent is called {wanted:?}"));
                let names =
                    self.agents().iter().flat_map(|agent| [agent.info.name.as_str(), agent.info.id.as_str()]);
                match suggestion(wanted, names) {
                    Some(hint) => error.with("hint", hint),
                    None => error,
                }
            })
    }

    /// What the catalogue says about one of its agents.
    pub fn described(&self, agent: &Agent) -> KnownAgent {
        let info = &agent.info;
        let feed = |name: &String| {
            let known = self.feeds().iter().find(|feed| feed.name == *name).cloned();
            known.unwrap_or_else(|| Feed { name: name.clone(), url: None })
        };
        KnownAgent {
            id: info.id.clone(),
            name: info.name.clone(),
            operator: info.vendor.clone().or_else(|| host_of(info.info_url.as_deref()?).map(str::to_owned)),
            bot_type: agent.bot_type,
            sub_type: agent.sub_type,
            purpose: info.purpose,
            trigger: info.trigger,
            tokens: agent.tokens.clone(),
            robots_token: agent.robots_token().map(str::to_owned),
            never_sent: agent.never_sent,
            info_url: info.info_url.clone(),
            verify: Proofs {
                signature_agent: agent.verify.signature_agent.clone(),
                ip_feeds: agent.verify.ip_feeds.iter().map(feed).collect(),
                rdns: agent.verify.rdns.clone(),
            },
            since: agent.since.clone(),
            sources: agent.origins.iter().filter_map(|name| self.source(name)).collect(),
        }
    }

    fn source(&self, name: &str) -> Option<Source> {
        self.origins.get(name).map(|source| Source { name: name.to_owned(), ..source.clone() })
    }
}

impl KnownAgent {
    fn searched(&self) -> String {
        let texts = [Some(&self.id), Some(&self.name), self.operator.as_ref(), self.info_url.as_ref()];
        let texts: Vec<&str> = texts.into_iter().flatten().chain(&self.tokens).map(String::as_str).collect();
        texts.join("\n")
    }
}

fn contains(text: &str, wanted: &str) -> bool {
    text.to_lowercase().contains(&wanted.trim().to_lowercase())
}

fn host_of(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split(['/', '?', '#', ':']).next()?;
    Some(host.strip_prefix("www.").unwrap_or(host)).filter(|host| host.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(input: FindAgents) -> Vec<String> {
        find_agents(input).unwrap().agents.into_iter().map(|agent| agent.name).collect()
    }

    #[test]
    fn filters_narrow_together() {
        let all = names(FindAgents::default());
        assert_eq!(all.len(), default_classifier().agents().len());
        let of_openai = FindAgents { operator: Some("openai".to_owned()), ..FindAgents::default() };
        assert!(names(of_openai.clone()).contains(&"OAI-SearchBot".to_owned()));
        assert_eq!(names(FindAgents { purposes: vec!["training".to_owned()], ..of_openai }), ["GPTBot"]);
        let found = names(FindAgents { search: Some(" gptBOT ".to_owned()), ..FindAgents::default() });
        assert_eq!(found, ["GPTBot"]);
        assert_eq!(
            names(FindAgents { search: Some("no such agent".to_owned()), ..FindAgents::default() }).len(),
            0
        );
    }

    #[test]
    fn verifiable_agents_name_their_proof() {
        let of = |verifiable| {
            find_agents(FindAgents { verifiable: Some(verifiable), ..FindAgents::default() }).unwrap().agents
        };
        let has_proof = |agent: &KnownAgent| {
            let Proofs { signature_agent, ip_feeds, rdns } = &agent.verify;
            !(signature_agent.is_empty() && ip_feeds.is_empty() && rdns.is_empty())
        };
        let (with, without) = (of(true), of(false));
        assert!(with.len() > 30 && with.iter().all(has_proof));
        assert!(!without.iter().any(has_proof));
    }

    #[test]
    fn agents_are_found_by_each_of_their_names() {
        let classifier = default_classifier();
        for word in ["openai-gptbot", "GPTBot", "gptbot", " GPTBOT "] {
            assert_eq!(classifier.agent_named(word).unwrap().info.id, "openai-gptbot", "{word}");
        }
        let error = classifier.agent_named("GTPBot").unwrap_err();
        assert_eq!(error.details().get("hint").unwrap(), "did you mean GPTBot?");
    }

    #[test]
    fn every_agent_says_where_it_is_known_from_and_since_when() {
        for agent in find_agents(FindAgents::default()).unwrap().agents {
            assert!(!agent.sources.is_empty(), "{} has no source", agent.id);
            for source in &agent.sources {
                assert!(!source.licence.is_empty() && source.date.len() == 10, "{}", source.name);
            }
            assert!(agent.since.as_ref().is_some_and(|date| date.len() == 10), "{} has no date", agent.id);
        }
    }

    #[test]
    fn every_ai_agent_has_an_operator_or_says_that_none_is_stated() {
        let unknown: Vec<String> =
            find_agents(FindAgents { purposes: vec!["ai".to_owned()], ..FindAgents::default() })
                .unwrap()
                .agents
                .into_iter()
                .filter(|agent| agent.operator.is_none())
                .map(|agent| agent.name)
                .collect();
        assert!(unknown.len() <= 12, "{unknown:?}");
    }

    #[test]
    fn hosts_stand_for_operators_that_are_not_named() {
        assert_eq!(host_of("https://www.example.com/bot?x"), Some("example.com"));
        assert_eq!(host_of("http://example.org:8080"), Some("example.org"));
        for text in ["example.com", "https://", "https://localhost/x"] {
            assert_eq!(host_of(text), None, "{text}");
        }
    }
}
