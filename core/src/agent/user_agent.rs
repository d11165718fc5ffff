//! What a user agent says by itself: one pass of an Aho-Corasick automaton, no regular expressions.
//!
//! A catalogue token counts where the byte before it is not a letter and the byte behind it is not a lower-case
//! letter (unless the token itself ends in a sign such as `/` or `-`). A bot word counts at the end of a name. In the comment that an
//! Android device fills with its model, words do not count and catalogue tokens only with a version.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::SubType;
use super::catalogue::{Agent, RuleSet};
use crate::{Error, Result};

/// What a user agent says by itself.
#[derive(Clone, Copy, Debug)]
pub struct UserAgentClass<'a> {
    /// The catalogued agent that it names.
    pub agent: Option<&'a Agent>,
    /// The tool that it names.
    pub tool: Option<&'a Tool>,
    /// A bot word, a contact address or a browser's form without a browser's engine, of no catalogued agent or
    /// tool.
    pub has_bot_word: bool,
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
        self.browser.is_browser && self.tool.is_none() && !self.is_self_declared_bot() && !self.is_malformed
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

/// The tokens of a rule set, compiled.
#[derive(Debug)]
pub(super) struct Matcher {
    automaton: AhoCorasick,
    patterns: Vec<Pattern>,
}

#[derive(Clone, Copy, Debug)]
enum Pattern {
    Agent(usize),
    Tool(usize),
    Word,
    Program,
    ExcludedWord,
    Contact,
    Mark(Mark),
}

/// Parts of ordinary browsers' user agents.
#[derive(Clone, Copy, Debug)]
enum Mark {
    Browser,
    Chromium,
    Compatible,
    Engine,
    Firefox,
    Platform(Platform),
}

impl Matcher {
    /// Compiles the tokens; also returns the tools, to which matches refer by place.
    pub fn new(rules: &RuleSet) -> Result<(Self, Vec<Tool>)> {
        let mut texts: Vec<String> = Vec::new();
        let mut patterns = Vec::new();
        let mut add = |text: &str, pattern: Pattern| {
            texts.push(text.to_ascii_lowercase());
            patterns.push(pattern);
        };
        for (place, agent) in rules.agents.iter().enumerate() {
            agent.tokens.iter().for_each(|token| add(token, Pattern::Agent(place)));
        }
        for (place, tool) in rules.tools.iter().enumerate() {
            tool.tokens.iter().for_each(|token| add(token, Pattern::Tool(place)));
        }
        rules.words.endings.iter().for_each(|word| add(word, Pattern::Word));
        rules.words.programs.iter().for_each(|word| add(word, Pattern::Program));
        rules.words.excluded.iter().for_each(|word| add(word, Pattern::ExcludedWord));
        rules.words.contacts.iter().for_each(|text| add(text, Pattern::Contact));
        rules.browsers.iter().for_each(|name| add(name, Pattern::Mark(Mark::Browser)));
        MARKS.iter().for_each(|(text, mark)| add(text, Pattern::Mark(*mark)));
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(KIND))
            .match_kind(MatchKind::Standard)
            .build(&texts)
            .map_err(|error| Error::invalid_input(format!("tokens cannot be compiled: {error}")))?;
        let tools = rules
            .tools
            .iter()
            .map(|entry| Tool {
                name: entry.name.clone(),
                sub_type: entry.sub_type,
                confidence: entry.confidence,
                without_browser: entry.without_browser,
            })
            .collect();
        Ok((Self { automaton, patterns }, tools))
    }

    /// Says what a user agent is; looks at its first 2,048 bytes.
    pub fn class_of<'a>(
        &self,
        user_agent: &str,
        agents: &'a [Agent],
        tools: &'a [Tool],
    ) -> UserAgentClass<'a> {
        let all = user_agent.trim_ascii().as_bytes();
        let text = all.get(..LOOKED_AT).unwrap_or(all);
        let slot = DeviceSlot::of(text);
        let mut seen = Seen::new(text);
        for found in self.automaton.find_overlapping_iter(text) {
            let Some(pattern) = self.patterns.get(found.pattern().as_usize()) else { continue };
            let place =
                Place { text, start: found.start(), end: found.end(), in_slot: slot.holds(found.start()) };
            seen.add(*pattern, place, agents);
        }
        seen.into_class(agents, tools, is_unreadable(all))
    }
}

/// Where a pattern was found.
#[derive(Clone, Copy)]
struct Place<'t> {
    text: &'t [u8],
    start: usize,
    end: usize,
    in_slot: bool,
}

impl Place<'_> {
    fn before(&self) -> Option<u8> {
        self.start.checked_sub(1).and_then(|place| self.text.get(place)).copied()
    }

    fn after(&self) -> Option<u8> {
        self.text.get(self.end).copied()
    }

    fn last(&self) -> Option<u8> {
        self.end.checked_sub(1).and_then(|place| self.text.get(place)).copied()
    }

    /// The boundary rule of catalogue tokens.
    fn is_token(&self) -> bool {
        let is_open = !self.last().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let is_whole = !self.before().is_some_and(|byte| byte.is_ascii_alphabetic())
            && (is_open || !self.after().is_some_and(|byte| byte.is_ascii_lowercase()));
        is_whole && (!self.in_slot || self.has_version())
    }

    fn has_version(&self) -> bool {
        self.last() == Some(b'/') || self.after() == Some(b'/')
    }

    /// The boundary rule of bot words: the end of a name.
    fn is_name_end(&self) -> bool {
        !self.in_slot && !self.after().is_some_and(|byte| byte.is_ascii_alphabetic())
    }

    /// The number that begins behind the match.
    fn number_behind(&self) -> Option<u32> {
        let digits: Vec<u8> =
            self.text.get(self.end..)?.iter().copied().take_while(u8::is_ascii_digit).take(9).collect();
        std::str::from_utf8(&digits).ok()?.parse().ok()
    }

    /// Whether an `@` stands in something like a mail address.
    fn is_mail_address(&self) -> bool {
        let Some(domain) = self.text.get(self.end..) else { return false };
        let length = domain
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
            .count();
        let mut labels = domain.get(..length).unwrap_or_default().split(|byte| *byte == b'.').rev();
        // The last label of a version number is no name.
        let is_name = |label: &[u8]| label.len() > 1 && label.iter().all(u8::is_ascii_alphabetic);
        let has_domain =
            labels.next().is_some_and(is_name) && labels.next().is_some_and(|label| !label.is_empty());
        has_domain && self.before().is_some_and(|byte| byte.is_ascii_alphanumeric()) && !self.in_slot
    }
}

/// What one pass has found.
struct Seen<'t> {
    text: &'t [u8],
    agent: Option<(usize, usize)>,
    tool: Option<(usize, usize)>,
    words: Vec<usize>,
    excluded: Vec<usize>,
    has_contact: bool,
    has_program_word: bool,
    is_compatible: bool,
    is_named_browser: bool,
    has_engine: bool,
    chromium: Option<u32>,
    firefox: Option<u32>,
    platform: Option<Platform>,
}

impl<'t> Seen<'t> {
    fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            agent: None,
            tool: None,
            words: Vec::new(),
            excluded: Vec::new(),
            has_contact: false,
            has_program_word: false,
            is_compatible: false,
            is_named_browser: false,
            has_engine: false,
            chromium: None,
            firefox: None,
            platform: None,
        }
    }

    fn add(&mut self, pattern: Pattern, place: Place<'_>, agents: &[Agent]) {
        let length = place.end - place.start;
        match pattern {
            Pattern::Agent(agent) if place.is_token() && self.fits(agents.get(agent)) => {
                keep_longest(&mut self.agent, agent, length);
            }
            Pattern::Tool(tool) if place.is_token() => keep_longest(&mut self.tool, tool, length),
            Pattern::Word if place.is_name_end() => self.words.push(place.end),
            Pattern::Program if place.is_name_end() => self.has_program_word = true,
            Pattern::ExcludedWord => self.excluded.push(place.end),
            Pattern::Contact => {
                let is_mail = place.last() == Some(b'@');
                self.has_contact |= if is_mail { place.is_mail_address() } else { true };
            }
            Pattern::Mark(mark) => self.mark(mark, place),
            Pattern::Agent(_) | Pattern::Tool(_) | Pattern::Word | Pattern::Program => {}
        }
    }

    fn fits(&self, agent: Option<&Agent>) -> bool {
        let holds = |part: &String| contains_ignoring_case(self.text, part.as_bytes());
        agent.is_some_and(|agent| {
            (agent.ua_must.is_empty() || agent.ua_must.iter().any(holds))
                && !agent.ua_must_not.iter().any(holds)
        })
    }

    fn mark(&mut self, mark: Mark, place: Place<'_>) {
        match mark {
            Mark::Browser => self.is_named_browser |= place.start == 0 && place.is_token(),
            Mark::Compatible => self.is_compatible = true,
            Mark::Engine => self.has_engine = true,
            Mark::Chromium => {
                self.has_engine = true;
                self.chromium = self.chromium.or_else(|| place.number_behind());
            }
            Mark::Firefox => {
                self.has_engine = true;
                self.firefox = self.firefox.or_else(|| place.number_behind());
            }
            // Android names Linux before itself.
            Mark::Platform(Platform::Linux) => self.platform = self.platform.or(Some(Platform::Linux)),
            Mark::Platform(platform) => {
                if matches!(self.platform, None | Some(Platform::Linux)) {
                    self.platform = Some(platform);
                }
            }
        }
    }

    fn into_class<'a>(
        self,
        agents: &'a [Agent],
        tools: &'a [Tool],
        is_unreadable: bool,
    ) -> UserAgentClass<'a> {
        let is_browser = self.is_named_browser || (self.has_engine && has_browser_start(self.text));
        let agent = self.agent.and_then(|(place, _)| agents.get(place));
        let tool = self
            .tool
            .and_then(|(place, _)| tools.get(place))
            .filter(|tool| !(tool.without_browser && is_browser));
        let has_word = self.words.iter().any(|end| !self.excluded.contains(end));
        let is_program = !is_browser && self.has_program_word;
        let is_strong = tool.is_some_and(|tool| tool.confidence >= 0.5);
        let is_bare = self.is_compatible && !self.has_engine && has_browser_start(self.text);
        let is_odd = self.text.len() < SHORTEST || !has_product_version(self.text);
        UserAgentClass {
            agent,
            tool,
            has_bot_word: agent.is_none()
                && !is_strong
                && (has_word || self.has_contact || is_program || is_bare),
            is_empty: self.text.is_empty(),
            is_malformed: !self.text.is_empty() && (is_unreadable || (is_odd && self.platform.is_none())),
            browser: BrowserShape {
                is_browser,
                chromium: self.chromium,
                firefox: self.firefox,
                platform: self.platform,
            },
        }
    }
}

/// The longer token is the more exact name; of equal ones the first in the catalogue wins.
fn keep_longest(best: &mut Option<(usize, usize)>, place: usize, length: usize) {
    let is_better =
        best.is_none_or(|(other, longest)| length > longest || (length == longest && place < other));
    if is_better {
        *best = Some((place, length));
    }
}

/// The first comment of a user agent that names an Android version: devices put their model there.
struct DeviceSlot(Option<std::ops::Range<usize>>);

impl DeviceSlot {
    fn of(text: &[u8]) -> Self {
        let Some(start) = text.iter().position(|byte| *byte == b'(') else { return Self(None) };
        let mut depth = 0_usize;
        let mut end = text.len();
        for (place, byte) in text.iter().enumerate().skip(start) {
            match byte {
                b'(' => depth += 1,
                b')' if depth == 1 => {
                    end = place;
                    break;
                }
                b')' => depth -= 1,
                _ => {}
            }
        }
        let is_android = text.get(start..end).is_some_and(names_android_version);
        Self(is_android.then_some(start..end))
    }

    fn holds(&self, place: usize) -> bool {
        self.0.as_ref().is_some_and(|range| range.contains(&place))
    }
}

fn names_android_version(comment: &[u8]) -> bool {
    comment.iter().enumerate().filter(|(_, byte)| byte.eq_ignore_ascii_case(&b'a')).any(|(place, _)| {
        let Some((name, rest)) = comment.get(place..).and_then(|part| part.split_at_checked(ANDROID.len()))
        else {
            return false;
        };
        name.eq_ignore_ascii_case(ANDROID)
            && match rest {
                [b' ' | b'-' | b'/', digit, ..] | [digit, ..] => digit.is_ascii_digit(),
                [] => false,
            }
    })
}

fn has_browser_start(text: &[u8]) -> bool {
    BROWSER_STARTS
        .iter()
        .any(|start| text.get(..start.len()).is_some_and(|part| part.eq_ignore_ascii_case(start)))
}

fn is_unreadable(text: &[u8]) -> bool {
    text.len() > LOOKED_AT || text.iter().any(u8::is_ascii_control)
}

fn has_product_version(text: &[u8]) -> bool {
    let is_name =
        |place: Option<usize>| place.and_then(|place| text.get(place)).is_some_and(u8::is_ascii_alphanumeric);
    let slashes = text.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(place, _)| place).any(|place| is_name(place.checked_sub(1)) && is_name(Some(place + 1)))
}

fn contains_ignoring_case(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// Tables of a few megabytes for speed, but not in a page or at the edge.
const KIND: AhoCorasickKind =
    if cfg!(target_family = "wasm") { AhoCorasickKind::ContiguousNFA } else { AhoCorasickKind::DFA };
const LOOKED_AT: usize = 2048;
const SHORTEST: usize = 10;
const ANDROID: &[u8] = b"android";
const BROWSER_STARTS: [&[u8]; 2] = [b"Mozilla/", b"Opera/"];

const MARKS: [(&str, Mark); 20] = [
    ("chrome/", Mark::Chromium),
    ("firefox/", Mark::Firefox),
    ("applewebkit", Mark::Engine),
    ("safari/", Mark::Engine),
    ("gecko/", Mark::Engine),
    ("trident/", Mark::Engine),
    ("msie ", Mark::Engine),
    ("presto/", Mark::Engine),
    ("opera", Mark::Engine),
    ("khtml", Mark::Engine),
    ("(compatible; ", Mark::Compatible),
    ("windows nt", Mark::Platform(Platform::Windows)),
    ("macintosh", Mark::Platform(Platform::MacOs)),
    ("android", Mark::Platform(Platform::Android)),
    ("cros ", Mark::Platform(Platform::ChromeOs)),
    ("iphone", Mark::Platform(Platform::Ios)),
    ("ipad", Mark::Platform(Platform::Ios)),
    ("ipod", Mark::Platform(Platform::Ios)),
    ("linux", Mark::Platform(Platform::Linux)),
    ("x11", Mark::Platform(Platform::Linux)),
];
