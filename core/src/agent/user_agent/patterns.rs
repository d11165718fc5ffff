//! The tokens, words and marks of a rule set, and what each stands for.

use super::Platform;
use crate::agent::catalogue::{Browsers, RuleSet, WordKind};
use crate::agent::{BotType, SubType};

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

/// What the rules need besides what was found.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// The kinds of words.
    pub kinds: Vec<(BotType, SubType)>,
    /// The place of the kind that tells a bot but not what it does.
    pub general_kind: usize,
    /// What browsers are made of.
    pub browsers: Browsers,
}

/// All texts of a rule set; agents, tools and kinds of words are named by their place.
pub(super) fn patterns_of(rules: &RuleSet) -> Vec<(String, Pattern)> {
    let mut patterns = Vec::new();
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
    patterns
}

/// What most user agents begin with, and what often stands in them; of those that begin alike the first counts.
pub(super) const PHRASES: [&str; 20] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 1",
    "Mozilla/5.0 (Linux; Android 1",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1",
    "Mozilla/5.0 (compatible; ",
    "Mozilla/5.0 ",
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1",
    "AppleWebKit/537.36 (KHTML, like Gecko",
    "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/",
    "AppleWebKit/605.1.15 (KHTML, like Gecko) ",
    "Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) ",
    "Safari/537.36",
    "Safari/604.1",
    "Mobile/15E148 Safari/604.1",
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
