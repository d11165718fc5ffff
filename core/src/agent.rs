//! Classification of one request: person, bot or agent, and how far its identity is proven.
mod classification;
mod request;

pub use classification::*;
pub use request::*;

use crate::Result;

/// The built-in or a given rule set, compiled once.
pub struct Classifier {}

impl Classifier {
    /// With the built-in rule set.
    pub fn new() -> Self { Self {} }
    /// With another rule set, a JSON document of the built-in one's form.
    ///
    /// # Errors
    /// `INVALID_INPUT` when it cannot be read.
    pub fn from_rules(_json: &str) -> Result<Self> { Ok(Self {}) }
    /// Classifies one request.
    pub fn classify(&self, _facts: &RequestFacts) -> Classification { unimplemented!() }
    /// What a user agent says by itself.
    pub fn class_of_user_agent(&self, _user_agent: &str) -> UserAgentClass<'_> { unimplemented!() }
}
impl Default for Classifier { fn default() -> Self { Self::new() } }

/// The classifier with the built-in rule set, compiled on first use.
pub fn default_classifier() -> &'static Classifier { unimplemented!() }

/// What a user agent says by itself.
#[derive(Clone, Copy, Debug)]
pub struct UserAgentClass<'a> {
    /// The catalogued agent that it names.
    pub agent: Option<&'a AgentInfo>,
    /// A driven browser: headless, `WebDriver`, Puppeteer, Playwright.
    pub is_automation_browser: bool,
    /// An HTTP library, command-line tool or scraping framework.
    pub is_http_library: bool,
    /// A bot word or contact address, or a catalogued crawler, monitor or agent.
    pub is_self_declared_bot: bool,
    /// Shaped like a browser, and none of the above.
    pub is_browser: bool,
}

/// Classifies one request.
pub fn classify_request(input: RequestFacts) -> Result<Classification> { Ok(default_classifier().classify(&input)) }
