//! What a user agent says by itself: one pass, no regular expressions.
//!
//! Names come first: catalogued agents and tools. What has no known name is told by its words and by its grammar:
//! browsers, devices and people's apps are made of few parts, programs write other things in their places. In the
//! comment that an Android device fills with its model, words do not count and catalogue tokens only with a version.

mod finder;
mod matcher;
mod patterns;
mod place;
mod seen;
mod shape;

use super::catalogue::Agent;
use super::{BotType, SubType};

pub(super) use matcher::Matcher;

/// What a user agent says by itself.
#[derive(Clone, Copy, Debug)]
pub struct UserAgentClass<'a> {
    /// The catalogued agent that it names.
    pub agent: Option<&'a Agent>,
    /// The tool that it names.
    pub tool: Option<&'a Tool>,
    /// A bot word or a contact address, of no catalogued agent or tool.
    pub has_bot_word: bool,
    /// Neither a browser's form nor a device's name, of no catalogued agent or tool.
    pub is_program: bool,
    /// A browser's form with something that programs write, of no catalogued agent or tool.
    pub has_foreign_part: bool,
    /// A desktop browser's form with a product of which nothing is known, of no catalogued agent or tool. Rare
    /// browsers and extensions of people have one, too.
    pub has_unknown_product: bool,
    /// What a bot without a catalogued name is by its words.
    pub kind: (BotType, SubType),
    /// Nothing at all, or only blanks.
    pub is_empty: bool,
    /// Too long, with control characters, or very short or without `product/version` and no device's name.
    pub is_malformed: bool,
    /// What it shows of a browser, whether or not that is true.
    pub browser: BrowserShape,
}

impl UserAgentClass<'_> {
    /// A driven browser: headless, `WebDriver`, Puppeteer, Playwright.
    pub fn is_automation_browser(&self) -> bool {
        self.tool.is_some_and(|tool| matches!(tool.sub_type, SubType::HeadlessBrowser | SubType::Webdriver))
    }

    /// An HTTP library, a command-line tool or a scraping framework; not one that people's apps are made with.
    pub fn is_http_library(&self) -> bool {
        self.tool.is_some_and(|tool| {
            let is_library =
                matches!(tool.sub_type, SubType::HttpLibrary | SubType::CliTool | SubType::Framework);
            is_library && tool.confidence >= 0.5
        })
    }

    /// A catalogued agent, a bot word or a contact address.
    pub fn is_self_declared_bot(&self) -> bool {
        self.agent.is_some() || self.has_bot_word
    }

    /// Shaped like a browser, and nothing speaks against it.
    pub fn is_browser(&self) -> bool {
        let is_bot = self.tool.is_some() || self.is_self_declared_bot() || self.has_foreign_part;
        self.browser.is_browser && !is_bot && !self.is_malformed
    }
}

/// A tool that is no agent.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// HTTP library, command-line tool, framework, headless browser or `WebDriver`.
    pub sub_type: SubType,
    /// The weight of its name in a user agent.
    pub confidence: f64,
    without_browser: bool,
}

/// What a user agent shows of a browser.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BrowserShape {
    /// Whether it is shaped like a browser.
    pub is_browser: bool,
    /// The major version of Chromium.
    pub chromium: Option<u32>,
    /// The major version of Firefox.
    pub firefox: Option<u32>,
    /// The operating system.
    pub platform: Option<Platform>,
}

/// The operating systems that `Sec-CH-UA-Platform` and user agents name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Platform {
    /// Android.
    Android,
    /// Chrome OS or Chromium OS.
    ChromeOs,
    /// iOS and iPadOS.
    Ios,
    /// Linux.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}
