//! Reading the user agent: its class in the catalogue of agents and tools, and the tokens that count even if a
//! catalogue should lack them.

use crate::agent::{self, UserAgentClass};

/// Tools that drive browsers.
const AUTOMATION: [&str; 7] =
    ["headlesschrome", "phantomjs", "slimerjs", "selenium", "webdriver", "puppeteer", "playwright"];

/// HTTP libraries and command-line clients.
const LIBRARIES: [&str; 20] = [
    "curl/",
    "wget/",
    "python-requests",
    "python-urllib",
    "python-httpx",
    "aiohttp",
    "scrapy",
    "go-http-client",
    "java/",
    "apache-httpclient",
    "okhttp/",
    "libwww-perl",
    "node-fetch",
    "axios/",
    "undici",
    "got (",
    "guzzlehttp",
    "postmanruntime",
    "reqwest/",
    "hyper/",
];

/// Endings of words by which robots call themselves so.
const BOT_ENDINGS: [&str; 4] = ["bot", "crawler", "spider", "scraper"];

/// A phone brand.
const NO_BOT: &str = "cubot";

/// What a user agent says about itself; each with the name or token that says it.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct UserAgent {
    pub(super) automation: Option<String>,
    pub(super) library: Option<String>,
    pub(super) self_declared_bot: Option<String>,
    /// The major version of Chromium that it claims.
    pub(super) chromium: Option<u32>,
}

impl UserAgent {
    /// Reads a user agent, without regard to case.
    pub(super) fn read(text: &str) -> Self {
        let class = agent::default_classifier().class_of_user_agent(text);
        let tool = || class.tool.map(|tool| tool.name.clone());
        let text = text.to_ascii_lowercase();
        Self {
            automation: class
                .is_automation_browser()
                .then(tool)
                .flatten()
                .or_else(|| token_in(&AUTOMATION, &text)),
            library: class.is_http_library().then(tool).flatten().or_else(|| token_in(&LIBRARIES, &text)),
            self_declared_bot: self_declared_bot(&class, &text),
            chromium: class.browser.chromium,
        }
    }
}

/// Words of a bare browser are left to the catalogue, which knows where devices name their model.
fn self_declared_bot(class: &UserAgentClass<'_>, text: &str) -> Option<String> {
    let word = || words(text).find(|word| is_bot_word(word)).map(str::to_owned);
    match (class.agent, class.tool) {
        (Some(agent), _) => Some(agent.info.name.clone()),
        (None, Some(_)) => word(),
        (None, None) if class.has_bot_word => Some(word().unwrap_or_else(|| "user-agent".to_owned())),
        (None, None) => None,
    }
}

fn token_in(tokens: &[&str], text: &str) -> Option<String> {
    tokens.iter().find(|token| text.contains(*token)).map(|token| (*token).to_owned())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric())
}

fn is_bot_word(word: &str) -> bool {
    word != NO_BOT && BOT_ENDINGS.iter().any(|ending| word.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_counts_in_any_case_and_place() {
        for token in AUTOMATION {
            let text = format!("Mozilla/5.0 (X11; Linux x86_64) {}1.0", token.to_ascii_uppercase());
            assert!(UserAgent::read(&text).automation.is_some(), "{text}");
        }
        for token in LIBRARIES {
            for text in [format!("{token}1.0"), format!("Client 2 {}1.0", token.to_ascii_uppercase())] {
                assert!(UserAgent::read(&text).library.is_some(), "{text}");
            }
        }
        for ending in BOT_ENDINGS {
            for text in [format!("My{ending}/1.0"), format!("Mozilla/5.0 (compatible; a-{ending}; v2)")] {
                assert!(UserAgent::read(&text).self_declared_bot.is_some(), "{text}");
            }
            let text = format!("wget/1 my{ending}");
            assert!(UserAgent::read(&text).self_declared_bot.is_some(), "{text}");
        }
    }

    #[test]
    fn phones_whose_model_sounds_like_a_bot_are_phones() {
        for model in ["CUBOT NOTE 20", "CUBOT_X18_Plus", "cubot", "Robot"] {
            let text = format!(
                "Mozilla/5.0 (Linux; Android 10; {model}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36"
            );
            let expected = UserAgent { chromium: Some(130), ..UserAgent::default() };
            assert_eq!(UserAgent::read(&text), expected, "{text}");
        }
    }
}
