//! The tokens, words and marks of a rule set, compiled into one automaton.

use super::finder::Finder;
use super::seen::Seen;
use super::shape::Form;
use super::{Platform, Tool, UserAgentClass};
use crate::agent::catalogue::{Agent, Browsers, RuleSet, WordKind};
use crate::agent::{BotType, SubType};
use crate::{Error, Result};

/// A rule set's tokens, words and marks, compiled.
#[derive(Debug)]
pub(in crate::agent) struct Matcher {
    patterns: Finder<Pattern>,
    pub(super) kinds: Vec<(BotType, SubType)>,
    /// The place of the kind that tells a bot but not what it does.
    pub(super) general_kind: usize,
    pub(super) browsers: Browsers,
}

/// What a pattern stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pattern {
    Agent(usize),
    Tool(usize),
    /// A word of the kind at this place.
    Word(usize, Strength),
    Ai,
    ExcludedWord,
    Contact,
    Mark(Mark),
    Platform(Platform),
}

/// Where a word tells a bot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Strength {
    /// Everywhere, at the end of a name.
    Strong,
    /// As a word of its own or the end of a compound; not in the browser window of an app.
    Weak,
    /// As a later part of a compound name; not in the browser window of an app.
    Joined,
    /// Nowhere: it only says what a bot does.
    Hint,
}

/// Parts of user agents that say what they are the user agent of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mark {
    /// The start of a browser that is not shaped like `Mozilla/5.0 (…)`.
    Browser,
    Chromium,
    Compatible,
    Device,
    Engine,
    Firefox,
    /// Gecko with the date of its build.
    Gecko,
    /// The browser window of an app.
    InApp,
    /// Further text in the comment that says `KHTML, like Gecko`.
    LikeGecko,
    Mozilla,
    /// Not a browser on a desktop.
    NotDesktop,
    /// The version of Gecko.
    Revision,
    Safari,
    /// `AppleWebKit`.
    WebKit,
    /// A part of devices' names inside a longer word.
    WordOfDevice,
}

impl Matcher {
    /// Compiles the patterns; also returns the tools, to which matches refer by place.
    pub fn new(rules: &mut RuleSet) -> Result<(Self, Vec<Tool>)> {
        let mut patterns: Vec<(String, Pattern)> = Vec::new();
        let mut add = |text: &str, pattern: Pattern| patterns.push((text.to_owned(), pattern));
        for (place, agent) in rules.agents.iter().enumerate() {
            agent.tokens.iter().for_each(|token| add(token, Pattern::Agent(place)));
        }
        for (place, tool) in rules.tools.iter().enumerate() {
            tool.tokens.iter().for_each(|token| add(token, Pattern::Tool(place)));
        }
        let words = &rules.words;
        for (place, kind) in words.kinds.iter().enumerate() {
            let WordKind { words, weak, joined, hints, .. } = kind;
            let lists = [
                (words, Strength::Strong),
                (weak, Strength::Weak),
                (joined, Strength::Joined),
                (hints, Strength::Hint),
            ];
            for (list, strength) in lists {
                list.iter().for_each(|word| add(word, Pattern::Word(place, strength)));
            }
        }
        words.ai.iter().for_each(|word| add(word, Pattern::Ai));
        words.excluded.iter().for_each(|word| add(word, Pattern::ExcludedWord));
        words.contacts.iter().for_each(|text| add(text, Pattern::Contact));
        rules.browsers.starts.iter().for_each(|name| add(name, Pattern::Mark(Mark::Browser)));
        rules.browsers.devices.iter().for_each(|name| add(name, Pattern::Mark(Mark::Device)));
        MARKS.iter().for_each(|(text, mark)| add(text, Pattern::Mark(*mark)));
        PLATFORMS.iter().for_each(|(text, platform)| add(text, Pattern::Platform(*platform)));
        if words.kinds.len() > MAXIMUM_KINDS {
            return Err(Error::invalid_input(format!("more than {MAXIMUM_KINDS} kinds of words")));
        }
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
        let kinds: Vec<_> = words.kinds.iter().map(|kind| (kind.bot_type, kind.sub_type)).collect();
        let general_kind =
            kinds.iter().position(|(_, sub_type)| *sub_type == SubType::Other).unwrap_or(kinds.len());
        let browsers = std::mem::take(&mut rules.browsers);
        Ok((Self { patterns: Finder::new(&patterns, &PHRASES)?, kinds, general_kind, browsers }, tools))
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
        let mut seen = Seen::new(text, Form::of(text));
        self.patterns.find(text, |pattern, place| seen.add(pattern, place, agents));
        let is_unreadable = all.len() > LOOKED_AT || seen.form.has_control;
        seen.into_class(self, agents, tools, is_unreadable)
    }
}

const LOOKED_AT: usize = 2048;
const MAXIMUM_KINDS: usize = 32;

/// What stands in the user agents of most browsers, and at the start of many others.
const PHRASES: [&str; 13] = [
    "Mozilla/5.0 (",
    "AppleWebKit/537.36 (KHTML, like Gecko",
    "AppleWebKit/605.1.15 (KHTML, like Gecko",
    "Safari/537.36",
    "Safari/604.1",
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "iPhone; CPU iPhone OS 1",
    "Mac OS X",
    "Linux; Android 1",
    "Mobile/15E148",
    "Mobile Safari/537.36",
    "compatible; ",
];

const MARKS: [(&str, Mark); 29] = [
    ("mozilla/", Mark::Mozilla),
    ("chrome/", Mark::Chromium),
    ("firefox/", Mark::Firefox),
    ("applewebkit", Mark::WebKit),
    ("safari/", Mark::Safari),
    ("gecko/", Mark::Gecko),
    ("trident/", Mark::Engine),
    ("msie ", Mark::Engine),
    ("presto/", Mark::Engine),
    ("opera", Mark::Engine),
    ("khtml", Mark::Engine),
    ("rv:", Mark::Revision),
    ("khtml, like gecko;", Mark::LikeGecko),
    ("gecko); compatible;", Mark::LikeGecko),
    ("(compatible;", Mark::Compatible),
    ("; wv)", Mark::InApp),
    ("[fban", Mark::InApp),
    ("[fb_iab", Mark::InApp),
    ("mobile", Mark::NotDesktop),
    ("electron/", Mark::NotDesktop),
    ("smart", Mark::NotDesktop),
    ("tv", Mark::NotDesktop),
    ("browser", Mark::WordOfDevice),
    ("android", Mark::WordOfDevice),
    ("iphone", Mark::WordOfDevice),
    ("ipad", Mark::WordOfDevice),
    ("ipod", Mark::WordOfDevice),
    ("macintosh", Mark::WordOfDevice),
    ("windows", Mark::WordOfDevice),
];

const PLATFORMS: [(&str, Platform); 9] = [
    ("windows nt", Platform::Windows),
    ("macintosh", Platform::MacOs),
    ("android", Platform::Android),
    ("cros ", Platform::ChromeOs),
    ("iphone", Platform::Ios),
    ("ipad", Platform::Ios),
    ("ipod", Platform::Ios),
    ("linux", Platform::Linux),
    ("x11", Platform::Linux),
];
