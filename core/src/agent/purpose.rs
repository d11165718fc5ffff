//! What catalogued agents come for.

use serde::{Deserialize, Serialize};

use super::SubType;
use crate::suggestion::suggestion;
use crate::{Error, Result};

/// What an agent does with what it fetches; follows from its [`SubType`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "AgentPurpose"))]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Trains AI models with it.
    Training,
    /// Keeps an index from which AI search answers.
    Search,
    /// Answers one person's question with it, when asked.
    UserTriggered,
    /// Drives a browser for a person.
    AgenticBrowser,
    /// Keeps the index of a web search.
    SearchEngine,
    /// Shows a preview of a link that somebody shared.
    LinkPreview,
    /// Reads feeds and podcasts.
    Feed,
    /// Archives it.
    Archive,
    /// Does research with it.
    Research,
    /// Analyses links and ranks of sites.
    Seo,
    /// Places and checks advertisements.
    Advertising,
    /// Checks that a site works, and calls webhooks.
    Monitoring,
    /// Looks for weaknesses, or protects its users from bad pages.
    Security,
    /// Extracts content for its own use.
    Scraping,
    /// Is a program or driven browser for any use.
    Automation,
    /// Nothing of these, or not stated.
    #[default]
    Other,
}

impl Purpose {
    /// Every purpose, in the order in which they are listed.
    pub const ALL: [Self; 16] = [
        Self::Training,
        Self::Search,
        Self::UserTriggered,
        Self::AgenticBrowser,
        Self::SearchEngine,
        Self::LinkPreview,
        Self::Feed,
        Self::Archive,
        Self::Research,
        Self::Seo,
        Self::Advertising,
        Self::Monitoring,
        Self::Security,
        Self::Scraping,
        Self::Automation,
        Self::Other,
    ];

    /// The purposes of AI: what the word `ai` stands for in a choice.
    pub const AI: [Self; 4] = [Self::Training, Self::Search, Self::UserTriggered, Self::AgenticBrowser];

    /// The purpose of a finer kind.
    pub fn of(sub_type: SubType) -> Self {
        match sub_type {
            SubType::AiTraining => Self::Training,
            SubType::AiSearch => Self::Search,
            SubType::UserFetch | SubType::CodingAgent | SubType::SignedAgent | SubType::UndeclaredAgent => {
                Self::UserTriggered
            }
            SubType::BrowserAgent => Self::AgenticBrowser,
            SubType::SearchEngine => Self::SearchEngine,
            SubType::SocialPreview => Self::LinkPreview,
            SubType::FeedReader => Self::Feed,
            SubType::Archiver => Self::Archive,
            SubType::Academic => Self::Research,
            SubType::Seo => Self::Seo,
            SubType::Advertising => Self::Advertising,
            SubType::Uptime | SubType::Synthetic | SubType::Validator | SubType::Webhook => Self::Monitoring,
            SubType::Vulnerability | SubType::InternetCensus | SubType::AvProxy => Self::Security,
            SubType::Framework
            | SubType::Behavioral
            | SubType::SpoofedIdentity
            | SubType::PriceComparison => Self::Scraping,
            SubType::HeadlessBrowser | SubType::Webdriver | SubType::HttpLibrary | SubType::CliTool => {
                Self::Automation
            }
            SubType::Other | SubType::Unclassified => Self::Other,
        }
    }

    /// The finer kinds that have this purpose.
    pub fn sub_types(self) -> impl Iterator<Item = SubType> {
        SubType::ALL.into_iter().filter(move |sub_type| Self::of(*sub_type) == self)
    }

    /// Its name in JSON and on the command line, for example `user_triggered`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Search => "search",
            Self::UserTriggered => "user_triggered",
            Self::AgenticBrowser => "agentic_browser",
            Self::SearchEngine => "search_engine",
            Self::LinkPreview => "link_preview",
            Self::Feed => "feed",
            Self::Archive => "archive",
            Self::Research => "research",
            Self::Seo => "seo",
            Self::Advertising => "advertising",
            Self::Monitoring => "monitoring",
            Self::Security => "security",
            Self::Scraping => "scraping",
            Self::Automation => "automation",
            Self::Other => "other",
        }
    }

    /// What such an agent does, as the rest of a sentence that begins with its name.
    pub fn description(self) -> &'static str {
        match self {
            Self::Training => "collects text and images that AI models are trained with",
            Self::Search => "keeps an index from which AI search answers",
            Self::UserTriggered => "fetches a page because a person asked an AI tool about it",
            Self::AgenticBrowser => "drives a browser to do a task for a person",
            Self::SearchEngine => "keeps the index of a web search",
            Self::LinkPreview => "fetches a page to show a preview of a link",
            Self::Feed => "reads feeds and podcasts for subscribers",
            Self::Archive => "keeps copies of pages for later readers",
            Self::Research => "collects pages for research and teaching",
            Self::Seo => "analyses links and ranks of sites",
            Self::Advertising => "places or checks advertisements",
            Self::Monitoring => "checks that a site works, or calls its webhooks",
            Self::Security => "looks for weaknesses, or checks pages for the users of a protection",
            Self::Scraping => "extracts content for its own use",
            Self::Automation => "is a program that anybody can use for anything",
            Self::Other => "does something else, or does not say what",
        }
    }

    /// The purposes that a word of a choice names: one, or those of AI for `ai`. Hyphens count as underscores.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names the closest purpose and lists all.
    pub fn named(word: &str) -> Result<&'static [Self]> {
        Self::find(word).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let error = Error::invalid_input(format!(
                "there is no purpose {word:?}; there are {}, and ai for the first four",
                names.join(", ")
            ));
            match suggestion(word, names) {
                Some(hint) => error.with("hint", hint),
                None => error,
            }
        })
    }

    /// The purposes that a word names, if it names any.
    pub(super) fn find(word: &str) -> Option<&'static [Self]> {
        let word = word.trim().to_ascii_lowercase().replace('-', "_");
        if word == "ai" {
            return Some(&Self::AI);
        }
        let place = Self::ALL.iter().position(|purpose| purpose.name() == word)?;
        const { &Self::ALL }.get(place..=place)
    }
}

impl SubType {
    /// Every finer kind.
    pub const ALL: [Self; 31] = [
        Self::UserFetch,
        Self::BrowserAgent,
        Self::CodingAgent,
        Self::SignedAgent,
        Self::UndeclaredAgent,
        Self::SearchEngine,
        Self::AiTraining,
        Self::AiSearch,
        Self::Archiver,
        Self::Seo,
        Self::Advertising,
        Self::SocialPreview,
        Self::FeedReader,
        Self::Academic,
        Self::Other,
        Self::Framework,
        Self::Behavioral,
        Self::SpoofedIdentity,
        Self::PriceComparison,
        Self::HeadlessBrowser,
        Self::Webdriver,
        Self::HttpLibrary,
        Self::CliTool,
        Self::Uptime,
        Self::Synthetic,
        Self::Validator,
        Self::Webhook,
        Self::Vulnerability,
        Self::InternetCensus,
        Self::AvProxy,
        Self::Unclassified,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json() {
        for purpose in Purpose::ALL {
            assert_eq!(serde_json::to_value(purpose).unwrap(), purpose.name());
            assert_eq!(Purpose::named(purpose.name()).unwrap(), [purpose]);
        }
        assert_eq!(Purpose::named(" Agentic-Browser ").unwrap(), [Purpose::AgenticBrowser]);
        assert_eq!(Purpose::named("ai").unwrap(), Purpose::AI);
    }

    #[test]
    fn every_finer_kind_stands_in_the_list_once() {
        let distinct: std::collections::HashSet<_> = SubType::ALL.into_iter().collect();
        assert_eq!(distinct.len(), SubType::ALL.len());
        // The last variant's number tells how many there are.
        assert_eq!(SubType::Unclassified as usize + 1, SubType::ALL.len());
        for purpose in Purpose::ALL {
            assert!(purpose.sub_types().count() > 0, "{}", purpose.name());
        }
    }

    #[test]
    fn a_slip_is_answered_with_the_word_that_was_meant() {
        let error = Purpose::named("trainig").unwrap_err();
        assert_eq!(error.details().get("hint").unwrap(), "did you mean training?");
        assert!(error.message().contains("agentic_browser"), "{error}");
        assert!(Purpose::named("").unwrap_err().details().is_empty());
    }
}
