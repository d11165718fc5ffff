//! The bots that can be verified: the operator's own, then those of the catalogue.

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;
use quivive_core::agent::{Agent, default_classifier};

use crate::config::{BotConfig, VerificationConfig};

/// A bot whose identity an address can prove.
#[derive(Clone, Debug)]
pub struct Bot {
    /// Names it among all bots.
    pub key: Arc<str>,
    /// For example `Googlebot`.
    pub name: String,
    /// For example `Search`.
    pub category: String,
    /// Domains of its hosts' names, in lower case.
    pub suffixes: Vec<String>,
    /// Names of the lists of ranges that are fetched for it.
    pub feeds: Vec<String>,
    /// Ranges that the operator of this server gave.
    pub networks: Vec<IpNet>,
    /// What its user agent contains, in lower case; in the catalogue this is the classifier's part.
    token: Option<String>,
}

/// All bots that can be verified.
pub struct Bots {
    all: Vec<Arc<Bot>>,
    catalogued: HashMap<String, Arc<Bot>>,
}

impl Bots {
    /// The operator's bots and the built-in catalogue.
    pub fn new(config: &VerificationConfig) -> Self {
        let own = config.bots.iter().enumerate().map(|(place, bot)| Arc::new(Bot::configured(place, bot)));
        let agents = default_classifier().agents();
        let mut listed: Vec<Arc<Bot>> = agents
            .iter()
            .filter(|agent| is_provable(agent))
            .map(|agent| Arc::new(Bot::catalogued(agent)))
            .collect();
        let catalogued = listed.iter().map(|bot| (bot.key.to_string(), bot.clone())).collect();
        // Bots of one operator share lists. By address alone, the best known of them is meant.
        listed.sort_by_key(|bot| {
            CATEGORIES.iter().position(|name| *name == bot.category).unwrap_or(CATEGORIES.len())
        });
        Self { all: own.chain(listed).collect(), catalogued }
    }

    /// The bot that a user agent names, unless nothing can prove it.
    pub fn claimed_by(&self, user_agent: &str) -> Option<&Arc<Bot>> {
        let text = user_agent.to_ascii_lowercase();
        let own = |bot: &&Arc<Bot>| bot.token.as_ref().is_some_and(|token| text.contains(token));
        self.all.iter().find(own).or_else(|| {
            let agent = default_classifier().class_of_user_agent(user_agent).agent?;
            self.catalogued.get(&agent.info.id)
        })
    }

    /// The bot of this id in the catalogue, unless nothing can prove it.
    pub fn catalogued(&self, id: &str) -> Option<&Arc<Bot>> {
        self.catalogued.get(id)
    }

    /// All of them: the operator's, then the catalogue's from search engines to link previews.
    pub fn all(&self) -> &[Arc<Bot>] {
        &self.all
    }
}

impl Bot {
    fn configured(place: usize, bot: &BotConfig) -> Self {
        let suffix = |text: &String| text.trim_matches('.').to_ascii_lowercase();
        Self {
            key: format!("#{place}").into(),
            name: bot.name.trim().to_owned(),
            category: bot.category.trim().to_owned(),
            suffixes: bot.suffixes.iter().map(suffix).collect(),
            feeds: Vec::new(),
            networks: bot.ranges.clone(),
            token: Some(bot.token.trim().to_ascii_lowercase()),
        }
    }

    fn catalogued(agent: &Agent) -> Self {
        Self {
            key: agent.info.id.as_str().into(),
            name: agent.info.name.clone(),
            category: agent.info.category.clone(),
            suffixes: agent.verify.rdns.clone(),
            feeds: agent.verify.ip_feeds.clone(),
            networks: Vec::new(),
            token: None,
        }
    }
}

fn is_provable(agent: &Agent) -> bool {
    !(agent.verify.rdns.is_empty() && agent.verify.ip_feeds.is_empty())
}

/// The best known first.
const CATEGORIES: [&str; 6] =
    ["Search", "AI Crawler", "AI Search", "AI Assistant", "Monitoring", "Link Preview"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Profile};

    fn bots(own: &[BotConfig]) -> Bots {
        let mut config = Config::defaults(Profile::Secure).unwrap().verification;
        config.bots = own.to_vec();
        Bots::new(&config)
    }

    #[test]
    fn every_documented_bot_is_found_by_its_user_agent() {
        let bots = bots(&[]);
        for (name, category, provable_by_name) in [
            ("Googlebot", "Search", true),
            ("Bingbot", "Search", true),
            ("Applebot", "Search", true),
            ("DuckDuckBot", "Search", false),
            ("YandexBot", "Search", true),
            ("Baiduspider", "Search", true),
            ("GPTBot", "AI Crawler", false),
            ("ClaudeBot", "AI Crawler", false),
            ("CCBot", "AI Crawler", true),
            ("Amazonbot", "AI Crawler", true),
            ("OAI-SearchBot", "AI Search", false),
            ("PerplexityBot", "AI Search", false),
            ("Claude-SearchBot", "AI Search", false),
            ("ChatGPT-User", "AI Assistant", false),
            ("Perplexity-User", "AI Assistant", false),
            ("Claude-User", "AI Assistant", false),
            ("UptimeRobot", "Monitoring", false),
            ("facebookexternalhit", "Link Preview", false),
        ] {
            let found = bots
                .claimed_by(&format!("Mozilla/5.0 (compatible; {name}/2.0; +https://bot.example)"))
                .unwrap();
            assert!(found.name.eq_ignore_ascii_case(name), "{} for {name}", found.name);
            assert_eq!(
                (found.category.as_str(), !found.suffixes.is_empty()),
                (category, provable_by_name),
                "{name}"
            );
            assert!(provable_by_name || !found.feeds.is_empty(), "{name}");
        }
    }

    #[test]
    fn no_suffix_belongs_to_rented_hosts() {
        for bot in bots(&[]).all() {
            for rented in ["googleusercontent.com", "amazonaws.com", "cloudapp.azure.com", "compute.internal"]
            {
                assert!(!bot.suffixes.iter().any(|suffix| suffix.ends_with(rented)), "{}", bot.name);
            }
        }
    }

    #[test]
    fn browsers_and_other_bots_claim_nothing_that_could_be_proved() {
        let bots = bots(&[]);
        for text in [
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            "SomeSpider/1.0",
            "curl/8.5.0",
            "",
        ] {
            assert!(bots.claimed_by(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_operators_bots_come_first() {
        let own = BotConfig {
            name: "Our Googlebot".to_owned(),
            token: "GoogleBot".to_owned(),
            category: "Test".to_owned(),
            suffixes: vec![".Crawl.Example.".to_owned()],
            ranges: Vec::new(),
        };
        let bots = bots(&[own]);
        let found = bots.claimed_by("x googlebot/2.1").unwrap();
        assert_eq!(
            (found.name.as_str(), found.suffixes.as_slice()),
            ("Our Googlebot", &["crawl.example".to_owned()][..])
        );
        assert_eq!(bots.all().first().unwrap().name, "Our Googlebot");
        assert_eq!(bots.all().get(1).unwrap().name, "Googlebot", "the best known of those that share a list");
    }
}
