//! A robots file and a policy from a choice of purposes and agents.
//!
//! A choice is a list of words: a [purpose](Purpose::named) (`training`, or `ai` for those of AI) or the name of an
//! agent. What is said about an agent goes before what is said about its purpose.
//!
//! ```
//! use quivive_core::agent::{RobotsTxt, robots_txt};
//! let choice = RobotsTxt { disallow: vec!["training".to_owned()], ..RobotsTxt::default() };
//! assert!(robots_txt(choice).unwrap().text.contains("User-agent: GPTBot\n"));
//! ```

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Agent, Purpose, SubType, default_classifier};
use crate::decision::{Action, Condition, Field, Operator, Policy, Rule, Thresholds};
use crate::{Error, ErrorKind, Result};

/// Who may fetch a site, for a robots file (RFC 9309).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RobotsTxt {
    /// Purposes and agents that may fetch nothing.
    pub disallow: Vec<String>,
    /// Purposes and agents that may fetch everything.
    pub allow: Vec<String>,
    /// Whether all others may fetch nothing.
    pub disallow_others: bool,
    /// Absolute addresses of site maps.
    pub sitemaps: Vec<String>,
}

/// A robots file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RobotsTxtText {
    /// The file.
    pub text: String,
    /// Names of chosen agents that no robots file can address, because they have no name for it.
    pub without_token: Vec<String>,
}

/// What is done with whom, for a policy. Who is in none of the lists is let in.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AgentPolicy {
    /// Purposes and agents that are refused.
    pub block: Vec<String>,
    /// Purposes and agents that must prove themselves.
    pub challenge: Vec<String>,
    /// Purposes and agents that are let in and noted.
    pub log: Vec<String>,
    /// Purposes and agents that are let in.
    pub allow: Vec<String>,
}

/// A policy that does what was chosen.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AgentPolicyResult {
    /// The policy, as `decide` takes it.
    pub policy: Policy,
}

/// Writes a robots file.
///
/// # Errors
/// `INVALID_INPUT` for a word that names neither purpose nor agent, one that is allowed and disallowed, and a site
/// map that is no absolute address; `LIMIT_EXCEEDED` for more than 500 words or site maps.
pub fn robots_txt(input: RobotsTxt) -> Result<RobotsTxtText> {
    let [disallowed, allowed] = choices([&input.disallow, &input.allow])?;
    check_sitemaps(&input.sitemaps)?;
    let mut text =
        format!("{HEAD}# Names of agents: Quivive, catalogue of {}\n", default_classifier().date());
    let mut without_token = Vec::new();
    for (rule, own, other) in [("Disallow: /", &disallowed, &allowed), ("Allow: /", &allowed, &disallowed)] {
        for (title, agents) in own.groups(other) {
            let tokens: BTreeSet<&str> = agents.iter().filter_map(|agent| agent.robots_token()).collect();
            if !tokens.is_empty() {
                let _ = write!(text, "\n# {title}\n");
                for token in tokens {
                    let _ = writeln!(text, "User-agent: {token}");
                }
                let _ = writeln!(text, "{rule}");
            }
            let nameless = agents.iter().filter(|agent| agent.robots_token().is_none());
            without_token.extend(nameless.map(|agent| agent.info.name.clone()));
        }
    }
    without_token.sort();
    let rule = if input.disallow_others { "Disallow: /" } else { "Allow: /" };
    let _ = write!(text, "\n# everybody else\nUser-agent: *\n{rule}\n");
    if !input.sitemaps.is_empty() {
        text.push('\n');
    }
    for sitemap in &input.sitemaps {
        let _ = writeln!(text, "Sitemap: {sitemap}");
    }
    Ok(RobotsTxtText { text, without_token })
}

/// Makes a policy: false identities are refused, then comes what is said about agents, then about purposes.
///
/// # Errors
/// `INVALID_INPUT` for a word that names neither purpose nor agent, and for one that stands in two lists;
/// `LIMIT_EXCEEDED` for more than 500 words.
pub fn agent_policy(input: AgentPolicy) -> Result<AgentPolicyResult> {
    let actions = [Action::Block, Action::Challenge, Action::Log, Action::Allow];
    let choices = choices([&input.block, &input.challenge, &input.log, &input.allow])?;
    let spoofed = serde_json::to_value([SubType::SpoofedIdentity])?;
    let mut rules = vec![rule(
        "false-identities",
        "who claims to be somebody else",
        10,
        Field::SubType,
        spoofed,
        Action::Block,
    )];
    for (choice, action) in choices.iter().zip(actions) {
        let verb = serde_json::to_value(action)?.as_str().unwrap_or_default().to_owned();
        if !choice.agents.is_empty() {
            let names: Vec<&str> = choice.agents.iter().map(|agent| agent.info.name.as_str()).collect();
            let title = format!("{verb} {}", names.join(", "));
            rules.push(rule(&format!("{verb}-agents"), &title, 20, Field::AgentName, names.into(), action));
        }
        if !choice.purposes.is_empty() {
            let kinds: Vec<SubType> = choice
                .purposes
                .iter()
                .flat_map(|purpose| purpose.sub_types())
                .filter(|kind| *kind != SubType::SpoofedIdentity)
                .collect();
            let names: Vec<&str> = choice.purposes.iter().map(|purpose| purpose.name()).collect();
            let title = format!("{verb} {}", names.join(", "));
            let kinds = serde_json::to_value(kinds)?;
            rules.push(rule(&format!("{verb}-purposes"), &title, 30, Field::SubType, kinds, action));
        }
    }
    // What nobody has chosen is let in, however sure it is that it is a bot.
    let thresholds = Thresholds { confidence_action: Action::Allow, ..Thresholds::default() };
    Ok(AgentPolicyResult { policy: Policy { rules, thresholds, ..Policy::default() } })
}

impl Agent {
    /// Its name in robots files: the one that is documented, or its own where that is a product token
    /// (RFC 9309, section 2.2.1; digits and dots are seen in practice).
    pub fn robots_token(&self) -> Option<&str> {
        let own = Some(self.info.name.as_str()).filter(|name| {
            !self.tokens.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        });
        self.info.robots_token.as_deref().or(own)
    }
}

/// The agents and purposes of one list of words.
#[derive(Default)]
struct Choice {
    purposes: BTreeSet<Purpose>,
    agents: Vec<&'static Agent>,
}

impl Choice {
    fn read(words: &[String]) -> Result<Self> {
        let mut choice = Self::default();
        for word in words {
            match Purpose::find(word) {
                Some(purposes) => choice.purposes.extend(purposes),
                None => {
                    let agent = default_classifier().agent_named(word).map_err(|error| {
                        // Whoever meant a purpose is helped as well.
                        match Purpose::named(word)
                            .err()
                            .and_then(|error| error.details().get("hint").cloned())
                        {
                            Some(hint) => error.with("hint", hint),
                            None => error,
                        }
                    })?;
                    if !choice.has(agent) {
                        choice.agents.push(agent);
                    }
                }
            }
        }
        Ok(choice)
    }

    fn has(&self, agent: &Agent) -> bool {
        self.agents.iter().any(|chosen| chosen.info.id == agent.info.id)
    }

    /// The agents under a title each: those of every purpose without whom `other` names, then those named.
    fn groups(&self, other: &Self) -> Vec<(String, Vec<&'static Agent>)> {
        let of_purpose = |purpose: &Purpose| {
            let agents = default_classifier().agents().iter();
            let agents = agents
                .filter(|agent| agent.info.purpose == *purpose && !self.has(agent) && !other.has(agent))
                .collect();
            (format!("{}: {}", purpose.name(), purpose.description()), agents)
        };
        let named = Some(("named one by one".to_owned(), self.agents.clone()))
            .filter(|(_, agents)| !agents.is_empty());
        self.purposes.iter().map(of_purpose).chain(named).collect()
    }
}

/// Reads lists of words of which none may contradict another.
fn choices<const LISTS: usize>(lists: [&Vec<String>; LISTS]) -> Result<[Choice; LISTS]> {
    if lists.iter().map(|list| list.len()).sum::<usize>() > MOST_WORDS {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("more than {MOST_WORDS} words")));
    }
    let mut read: Vec<Choice> = Vec::with_capacity(LISTS);
    for list in lists {
        let choice = Choice::read(list)?;
        for earlier in &read {
            let purpose =
                choice.purposes.intersection(&earlier.purposes).next().map(|purpose| purpose.name());
            let agent =
                choice.agents.iter().find(|agent| earlier.has(agent)).map(|agent| agent.info.name.as_str());
            if let Some(name) = purpose.or(agent) {
                return Err(Error::invalid_input(format!("{name} stands in two lists")));
            }
        }
        read.push(choice);
    }
    read.try_into().map_err(|_| Error::invalid_input("the lists cannot be read"))
}

fn check_sitemaps(sitemaps: &[String]) -> Result<()> {
    if sitemaps.len() > MOST_WORDS {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("more than {MOST_WORDS} site maps")));
    }
    let is_address = |text: &&String| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
            && text.len() <= 2_048
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match sitemaps.iter().find(|sitemap| !is_address(sitemap)) {
        Some(sitemap) => Err(Error::invalid_input(format!(
            "the site map {sitemap:?} is no absolute http or https address"
        ))
        .with("field", "sitemaps")),
        None => Ok(()),
    }
}

fn rule(id: &str, name: &str, priority: i32, field: Field, among: Value, action: Action) -> Rule {
    let condition = Condition { field, operator: Operator::In, value: among, case_insensitive: false };
    Rule {
        id: id.to_owned(),
        name: Some(name.to_owned()),
        priority,
        enabled: true,
        conditions: vec![condition],
        action,
        message: None,
        redirect_url: None,
    }
}

const HEAD: &str =
    "# A robots file asks; it does not stop anybody. Agents that act for a person often do not read it.\n";
const MOST_WORDS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{RequestFacts, classify_request};
    use crate::decision::{Decider, DecisionFacts};

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// The rule under which a crawler of this token stands: that of the group that names it, else of `*`.
    fn rule_for<'t>(text: &'t str, token: &str) -> &'t str {
        let groups = || text.split("\n\n");
        let named = groups().find(|group| {
            group.lines().any(|line| line.strip_prefix("User-agent: ").is_some_and(|name| name == token))
        });
        let group = named.or_else(|| groups().find(|group| group.contains("User-agent: *"))).unwrap();
        group.lines().find(|line| line.contains("llow:")).unwrap()
    }

    #[test]
    fn a_robots_file_does_what_was_chosen() {
        let file = robots_txt(RobotsTxt {
            disallow: words(&["training", "agentic_browser", "PerplexityBot"]),
            allow: words(&["search_engine", "CCBot"]),
            sitemaps: words(&["https://example.com/sitemap.xml"]),
            ..RobotsTxt::default()
        })
        .unwrap();
        for (token, rule) in [
            ("GPTBot", "Disallow: /"),
            ("Google-Extended", "Disallow: /"),
            ("PerplexityBot", "Disallow: /"),
            ("Googlebot", "Allow: /"),
            ("CCBot", "Allow: /"),
            ("SomethingElse", "Allow: /"),
        ] {
            assert_eq!(rule_for(&file.text, token), rule, "{token}\n{}", file.text);
        }
        assert!(file.text.ends_with("\nSitemap: https://example.com/sitemap.xml\n"), "{}", file.text);
        assert!(file.without_token.contains(&"Browserbase".to_owned()), "{:?}", file.without_token);
    }

    #[test]
    fn every_token_of_a_robots_file_stands_in_one_group() {
        let all = Purpose::ALL.map(Purpose::name);
        let file = robots_txt(RobotsTxt { disallow: words(&all), ..RobotsTxt::default() }).unwrap();
        let mut tokens: Vec<String> = file
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("User-agent: "))
            .map(str::to_ascii_lowercase)
            .collect();
        tokens.sort_unstable();
        let twice: Vec<_> = tokens.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }

    #[test]
    fn others_can_be_kept_out() {
        let file = robots_txt(RobotsTxt {
            allow: words(&["search_engine"]),
            disallow_others: true,
            ..RobotsTxt::default()
        })
        .unwrap();
        assert_eq!(rule_for(&file.text, "bingbot"), "Allow: /");
        assert_eq!(rule_for(&file.text, "GPTBot"), "Disallow: /");
    }

    #[test]
    fn nothing_slips_into_the_file() {
        for sitemap in
            ["/sitemap.xml", "https://", "https:///x", "ftp://example.com/x", "https://x.y/\nDisallow: /"]
        {
            let error =
                robots_txt(RobotsTxt { sitemaps: words(&[sitemap]), ..RobotsTxt::default() }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{sitemap}");
        }
    }

    #[test]
    fn words_that_say_nothing_or_two_things_are_refused() {
        let robots = |disallow: &[&str], allow: &[&str]| {
            robots_txt(RobotsTxt { disallow: words(disallow), allow: words(allow), ..RobotsTxt::default() })
        };
        let error = robots(&["trainin"], &[]).unwrap_err();
        assert_eq!(error.details().get("hint").unwrap(), "did you mean training?");
        let error = robots(&["GTPBot"], &[]).unwrap_err();
        assert_eq!(error.details().get("hint").unwrap(), "did you mean GPTBot?");
        for (disallow, allow) in [("training", "training"), ("ai", "search"), ("GPTBot", "openai-gptbot")] {
            let error = robots(&[disallow], &[allow]).unwrap_err();
            assert!(error.message().ends_with("stands in two lists"), "{error}");
        }
        let many = vec!["ai"; 501];
        assert_eq!(robots(&many, &[]).unwrap_err().kind(), ErrorKind::LimitExceeded);
    }

    fn action_for(policy: &Policy, user_agent: &str) -> Action {
        let classification = classify_request(RequestFacts {
            user_agent: Some(user_agent.to_owned()),
            ..RequestFacts::default()
        })
        .unwrap();
        // As it is written and read again by others.
        let policy = serde_json::from_str(&serde_json::to_string(policy).unwrap()).unwrap();
        let facts = DecisionFacts { classification: Some(classification), ..DecisionFacts::default() };
        Decider::new(policy).unwrap().decide(&facts).action
    }

    #[test]
    fn a_policy_does_what_was_chosen() {
        let policy = agent_policy(AgentPolicy {
            block: words(&["training", "seo"]),
            challenge: words(&["user_triggered", "agentic_browser"]),
            log: words(&["search"]),
            allow: words(&["CCBot"]),
        })
        .unwrap()
        .policy;
        for (user_agent, action) in [
            ("Mozilla/5.0 (compatible; GPTBot/1.3; +https://openai.com/gptbot)", Action::Block),
            ("CCBot/2.0 (https://commoncrawl.org/faq/)", Action::Allow),
            ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", Action::Block),
            ("Mozilla/5.0 (compatible; ChatGPT-User/1.0; +https://openai.com/bot)", Action::Challenge),
            ("Mozilla/5.0 (compatible; Manus-User/1.0)", Action::Challenge),
            ("Mozilla/5.0 (compatible; OAI-SearchBot/1.0; +https://openai.com/searchbot)", Action::Log),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Action::Allow),
            ("curl/8.5.0", Action::Allow),
            // Never sent by its operator: a false identity.
            ("Mozilla/5.0 (compatible; Google-Extended/1.0)", Action::Block),
        ] {
            assert_eq!(action_for(&policy, user_agent), action, "{user_agent}");
        }
    }

    #[test]
    fn an_allowed_name_does_not_let_in_who_only_claims_it() {
        let policy =
            agent_policy(AgentPolicy { allow: words(&["Google-Extended"]), ..AgentPolicy::default() })
                .unwrap();
        assert_eq!(
            action_for(&policy.policy, "Mozilla/5.0 (compatible; Google-Extended/1.0)"),
            Action::Block
        );
    }

    #[test]
    fn every_purpose_makes_a_policy_that_is_accepted() {
        for purpose in Purpose::ALL {
            let input = AgentPolicy { block: words(&[purpose.name()]), ..AgentPolicy::default() };
            Decider::new(agent_policy(input).unwrap().policy).unwrap();
        }
    }
}
