//! What one pass over a user agent has found, and what follows from it.

use std::cell::OnceCell;

use memchr::memchr;

use super::patterns::{Mark, Pattern, Strength, Vocabulary};
use super::place::Place;
use super::shape::{self, Form};
use super::{BrowserShape, Platform, Tool, UserAgentClass};
use crate::agent::catalogue::Agent;
use crate::agent::{BotType, SubType};

/// What one pass has found.
pub(super) struct Seen<'t> {
    pub form: Form,
    text: &'t [u8],
    agent: Option<(usize, usize)>,
    tool: Option<(usize, usize)>,
    /// Ends of the last strong word and of the last excluded one.
    excluded_end: usize,
    pending_word: Option<(usize, usize)>,
    words: Kinds,
    weak_words: Kinds,
    hints: Kinds,
    /// Words in and behind an address on the web: they tell a bot, but name it less well.
    words_of_address: Kinds,
    has_address: bool,
    has_contact: bool,
    has_ai_word: bool,
    marks: Marks,
    /// The end of what stands behind `(compatible;`, where it was found.
    compatible_end: Option<usize>,
    /// Where a later `Mozilla/` begins.
    inner_start: Option<usize>,
    /// The end of the last product that ends ordinary browsers' user agents.
    browser_end: usize,
    /// Where `AppleWebKit` begins.
    webkit: Option<usize>,
    chromium: Option<u32>,
    /// Whether Chromium's version has fewer than its four parts.
    has_short_version: bool,
    firefox: Option<u32>,
    /// The version of Gecko.
    revision: Option<u32>,
    platform: Option<Platform>,
    /// Two rules ask for it.
    unknown_part: OnceCell<bool>,
}

/// Kinds of words, one bit each.
type Kinds = u32;

#[derive(Clone, Copy, Default)]
struct Marks(u32);

impl Marks {
    fn set(&mut self, mark: Mark) {
        self.0 |= 1 << mark as u32;
    }

    fn has(self, mark: Mark) -> bool {
        self.0 & 1 << mark as u32 != 0
    }
}

impl<'t> Seen<'t> {
    pub fn new(text: &'t [u8], form: Form) -> Self {
        Self {
            form,
            text,
            agent: None,
            tool: None,
            excluded_end: 0,
            pending_word: None,
            words: 0,
            weak_words: 0,
            hints: 0,
            words_of_address: 0,
            has_address: false,
            has_contact: false,
            has_ai_word: false,
            marks: Marks::default(),
            compatible_end: None,
            inner_start: None,
            browser_end: 0,
            webkit: None,
            chromium: None,
            has_short_version: false,
            firefox: None,
            revision: None,
            platform: None,
            unknown_part: OnceCell::new(),
        }
    }

    #[inline]
    pub fn add(&mut self, pattern: Pattern, place: Place<'_>, agents: &[Agent]) {
        match pattern {
            Pattern::Mark(mark) => self.mark(mark, place),
            Pattern::Platform(platform) => self.platform(platform),
            _ => self.add_name(pattern, place, agents),
        }
    }

    /// Apart from marks, which are most of what is found and need next to nothing.
    #[inline(never)]
    fn add_name(&mut self, pattern: Pattern, place: Place<'_>, agents: &[Agent]) {
        let length = place.end - place.start;
        match pattern {
            Pattern::Agent(agent) if self.is_name(place) && self.fits(agents.get(agent)) => {
                keep_longest(&mut self.agent, agent, length);
            }
            Pattern::Tool(tool) if self.is_name(place) => keep_longest(&mut self.tool, tool, length),
            Pattern::Word(kind, strength) if place.is_word_end() => self.word(kind, strength, place),
            Pattern::Ai => self.has_ai_word |= place.is_word_start() && place.is_word_end(),
            Pattern::ExcludedWord => {
                self.excluded_end = place.end;
                self.pending_word = self.pending_word.filter(|(_, end)| *end != place.end);
            }
            Pattern::Contact => {
                let is_mail = place.last() == Some(b'@');
                self.take_pending();
                self.has_address |= !is_mail;
                self.has_contact |=
                    !is_mail || (place.is_mail_address() && !self.form.is_in_slot(place.start));
            }
            _ => {}
        }
    }

    /// Whether a catalogue token counts at a place: in a device's model only with a version.
    fn is_name(&self, place: Place<'_>) -> bool {
        place.is_token() && (!self.form.is_in_slot(place.start) || place.has_version())
    }

    fn fits(&self, agent: Option<&Agent>) -> bool {
        let holds = |part: &String| shape::contains_ignoring_case(self.text, part.as_bytes());
        agent.is_some_and(|agent| {
            (agent.ua_must.is_empty() || agent.ua_must.iter().any(holds))
                && !agent.ua_must_not.iter().any(holds)
        })
    }

    fn word(&mut self, kind: usize, strength: Strength, place: Place<'_>) {
        if self.form.is_in_slot(place.start) {
            return;
        }
        let bit = 1 << kind;
        match strength {
            // A word that ends an excluded one is found before or after it.
            Strength::Strong if place.end != self.excluded_end => {
                self.take_pending();
                self.pending_word = Some((kind, place.end));
            }
            _ if self.has_address && place.is_word_start() => self.words_of_address |= bit,
            _ if self.has_address => {}
            Strength::Weak if place.is_word_start() || place.end - place.start >= LONG_WORD => {
                self.weak_words |= bit;
            }
            Strength::Joined if place.is_joined() => self.weak_words |= bit,
            _ if place.is_word_start() => self.hints |= bit,
            _ => {}
        }
    }

    fn take_pending(&mut self) {
        if let Some((kind, _)) = self.pending_word.take() {
            let words = if self.has_address { &mut self.words_of_address } else { &mut self.words };
            *words |= 1 << kind;
        }
    }

    fn mark(&mut self, mark: Mark, place: Place<'_>) {
        match mark {
            Mark::Browser if place.start > 0 || !place.is_token() => return,
            Mark::Device if !place.is_token() => return,
            Mark::Engine if !place.is_word_end() => return,
            Mark::Compatible => self.compatible_end = Some(place.end),
            Mark::Mozilla if place.start > 0 => self.inner_start = self.inner_start.or(Some(place.start)),
            Mark::Chromium if self.chromium.is_none() => {
                self.chromium = place.number_behind();
                self.has_short_version = place.dots_behind() < 3;
            }
            Mark::Revision => self.revision = self.revision.or_else(|| place.number_behind()),
            Mark::Firefox => {
                self.firefox = self.firefox.or_else(|| place.number_behind());
                self.browser_end = place.end;
            }
            Mark::Safari => self.browser_end = place.end,
            Mark::WebKit => self.webkit = self.webkit.or(Some(place.start)),
            _ => {}
        }
        self.marks.set(mark);
    }

    fn platform(&mut self, platform: Platform) {
        // Android names Linux before itself.
        if matches!(self.platform, None | Some(Platform::Linux)) {
            self.platform = Some(platform);
        }
    }

    pub fn into_class<'a>(
        mut self,
        vocabulary: &Vocabulary,
        agents: &'a [Agent],
        tools: &'a [Tool],
        is_unreadable: bool,
    ) -> UserAgentClass<'a> {
        self.take_pending();
        let is_window_of_app = self.marks.has(Mark::InApp)
            || (self.platform == Some(Platform::Ios) && !self.marks.has(Mark::Safari));
        let has_start = self.form.has_browser_start;
        let is_named_browser = self.marks.has(Mark::Browser);
        let has_engine =
            [Mark::Engine, Mark::WebKit, Mark::Gecko, Mark::Chromium, Mark::Firefox, Mark::Safari]
                .into_iter()
                .any(|mark| self.marks.has(mark));
        let is_browser = is_named_browser || (has_engine && has_start);
        let agent = self.agent.and_then(|(place, _)| agents.get(place));
        let tool = self
            .tool
            .and_then(|(place, _)| tools.get(place))
            .filter(|tool| !(tool.without_browser && is_browser))
            // Who names itself a bot and the library that it is made with is that bot.
            .filter(|tool| {
                self.words == 0 || !matches!(tool.sub_type, SubType::HttpLibrary | SubType::CliTool)
            });
        let is_known = agent.is_some() || tool.is_some_and(|tool| tool.confidence >= 0.5);
        let weak_words = if is_window_of_app || is_named_browser { 0 } else { self.weak_words };
        let words = self.words | weak_words;
        let is_open = !is_named_browser && !is_window_of_app;
        let is_odd = self.text.len() < SHORTEST || !self.form.has_product;
        UserAgentClass {
            agent,
            tool,
            has_bot_word: !is_known && (words | self.words_of_address != 0 || self.has_contact),
            is_program: !is_known && !is_named_browser && self.is_program(has_start, has_engine, vocabulary),
            has_foreign_part: !is_known && is_open && self.has_foreign_part(vocabulary),
            has_unknown_product: !is_known && is_open && self.has_unknown_product(vocabulary),
            kind: self.kind(words, vocabulary),
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

    /// Whether nothing in it belongs to a browser, a device or an app of people.
    fn is_program(&self, has_start: bool, has_engine: bool, vocabulary: &Vocabulary) -> bool {
        let is_compatible = !has_start && self.compatible_end.is_some();
        let is_browser = has_engine && !is_compatible;
        if is_browser || self.marks.has(Mark::Device) || !self.text.iter().any(u8::is_ascii_alphabetic) {
            return false;
        }
        if !has_start {
            return !self.marks.has(Mark::WordOfDevice);
        }
        // Before version 5 browsers wrote what they liked into the comment.
        let is_modern = shape::starts_with(self.text, MODERN_START);
        let is_desktop = || self.is_desktop() && !self.marks.has(Mark::Revision);
        match self.compatible_end {
            Some(_) => self.is_other_compatible(vocabulary),
            None => is_modern && (!self.marks.has(Mark::WordOfDevice) || is_desktop()),
        }
    }

    /// Whether something in a browser's form is what programs write.
    fn has_foreign_part(&self, vocabulary: &Vocabulary) -> bool {
        let is_plain = !self.marks.has(Mark::NotDesktop) && !self.marks.has(Mark::Device);
        let has_host = || {
            let is_desktop =
                matches!(self.platform, Some(Platform::Windows | Platform::MacOs | Platform::Linux));
            let is_likely = is_desktop && !self.form.is_slot && !self.marks.has(Mark::NotDesktop);
            is_likely && (shape::names_host(self.comment()) || shape::names_host(self.tail()))
        };
        let is_desktop = self.is_desktop() && !self.marks.has(Mark::NotDesktop);
        self.marks.has(Mark::LikeGecko)
            || (self.browser_end > 0 && self.compatible_end.is_some_and(|end| end > self.browser_end))
            || shape::has_nameless_version(self.text)
            || self.has_broken_form()
            || self.has_host_before_engine()
            || self.names_no_platform()
            || (is_desktop && self.has_wrong_form(vocabulary))
            || (is_desktop && self.has_wrong_engine())
            || ((is_desktop || self.platform == Some(Platform::Ios))
                && shape::has_nested_product(self.tail(), &vocabulary.browsers))
            || self.has_more_than_explorer(vocabulary)
            || (is_plain && self.is_other_compatible(vocabulary))
            || self.has_foreign_start()
            || (self.form.has_browser_start && has_host())
    }

    /// Whether the form of a browser is broken off or begins with something else than its platform.
    fn has_broken_form(&self) -> bool {
        let comment = self.comment();
        let is_cut = self.form.comment.end == self.text.len() && !comment.is_empty();
        let behind = self.text.get(MODERN_START.len()..).unwrap_or_default();
        let has_platform = || {
            let version = behind.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
            behind.get(version..).is_some_and(|behind| behind.trim_ascii_start().starts_with(b"("))
        };
        let names_browser = self.marks.has(Mark::Safari) || self.chromium.is_some() || self.firefox.is_some();
        let is_modern = names_browser && shape::starts_with(self.text, MODERN_START);
        let is_desktop = match self.platform {
            Some(Platform::Windows | Platform::MacOs) => true,
            None | Some(Platform::Linux) => !self.marks.has(Mark::Device),
            Some(Platform::Android | Platform::ChromeOs | Platform::Ios) => false,
        };
        let names_other = || {
            !shape::begins_with_any(comment, &PLATFORM_STARTS)
                && DESKTOP_PARTS.iter().any(|part| shape::contains_ignoring_case(comment, part))
        };
        (is_cut && self.text.len() < SHORTEST_CUT && self.form.has_browser_start)
            || (is_modern && ((is_desktop && !comment.is_empty() && !has_platform()) || names_other()))
    }

    /// Whether a host's name stands between the platform and the engine, which follow each other in browsers.
    fn has_host_before_engine(&self) -> bool {
        let between = self.webkit.and_then(|engine| self.text.get(self.form.comment.end..engine));
        between.is_some_and(|between| between.len() > SHORTEST && shape::names_host(between))
    }

    /// Whether WebKit's form has one thing in its comment, and that no platform or device.
    fn names_no_platform(&self) -> bool {
        let comment = self.comment();
        self.webkit.is_some()
            && self.platform.is_none()
            && !comment.is_empty()
            && !comment.contains(&b';')
            && shape::starts_with(self.text, MODERN_START)
            && ![Mark::Device, Mark::NotDesktop, Mark::WordOfDevice]
                .into_iter()
                .any(|mark| self.marks.has(mark))
    }

    /// Whether a desktop browser's engine is followed by a name without a version, or has one in its own comment.
    fn has_wrong_engine(&self) -> bool {
        let Some(engine) = self.webkit.and_then(|start| self.text.get(start..)) else { return false };
        let Some(end) = memchr(b')', engine) else { return false };
        let (engine, behind) = engine.split_at_checked(end).unwrap_or_default();
        let first = behind.get(2..).unwrap_or_default().split_inclusive(|byte| *byte == b' ').next();
        shape::names_more_than_engine(engine)
            || first.is_some_and(|first| {
                first.first().is_some_and(u8::is_ascii_alphabetic)
                    && first.last() == Some(&b' ')
                    && !first.contains(&b'/')
            })
    }

    /// Whether an Internet Explorer on Windows goes on behind its end: its comment or `like Gecko`, and `rv:` in the
    /// comment.
    fn has_more_than_explorer(&self, vocabulary: &Vocabulary) -> bool {
        let comment = self.comment();
        let behind = self.text.get(self.form.comment.end..).and_then(|behind| behind.strip_prefix(b")"));
        let is_webkit_or_firefox = self.webkit.is_some() || self.firefox.is_some();
        let is_desktop = self.platform == Some(Platform::Windows) && !self.marks.has(Mark::NotDesktop);
        let Some(behind) = behind.filter(|_| is_desktop && !is_webkit_or_firefox) else { return false };
        if shape::starts_with(comment, EXPLORER) {
            return shape::has_unknown_product(behind, &vocabulary.browsers);
        }
        let is_last =
            self.marks.has(Mark::Engine) && self.revision == Some(LAST_EXPLORER) && self.is_desktop();
        let is_open =
            || !shape::contains_ignoring_case(comment, b"WPDesktop") && !shape::ends_with_revision(comment);
        let behind = behind.strip_prefix(b" like Gecko");
        is_last
            && behind
                .is_some_and(|behind| is_open() || shape::has_unknown_product(behind, &vocabulary.browsers))
    }

    /// Whether a desktop browser's form has what that browser never has.
    fn has_wrong_form(&self, vocabulary: &Vocabulary) -> bool {
        let tail = self.tail();
        let is_chromium = self.chromium.is_some_and(|major| {
            self.has_short_version || (major >= FIXED_COMMENT && self.has_unknown_part(vocabulary))
        });
        let is_firefox = self.firefox.is_some_and(|major| {
            let is_same = self.revision.is_some_and(|revision| {
                revision == major
                    || major < SAME_REVISION
                    || (revision == 109 && (110..=120).contains(&major))
            });
            !self.marks.has(Mark::Gecko) || (!is_same && tail.is_empty())
        });
        // Most people have Windows or macOS, most programs run on Linux. And since version 57 no extension can add to
        // the user agent of Firefox.
        let is_telling = match self.firefox {
            Some(major) => major >= CLOSED_FIREFOX,
            None => self.platform == Some(Platform::Linux) && !self.marks.has(Mark::Device),
        };
        self.text.first().is_some_and(u8::is_ascii_lowercase)
            || is_chromium
            || is_firefox
            || tail.iter().any(|byte| FOREIGN_SIGNS.contains(byte))
            || (is_telling
                && (shape::ends_with_bare_name(tail, &vocabulary.browsers)
                    || shape::has_unknown_product(tail, &vocabulary.browsers)))
    }

    /// Whether a desktop browser has more than any browser is known for.
    fn has_unknown_product(&self, vocabulary: &Vocabulary) -> bool {
        self.browser_end > 0
            && self.is_desktop()
            && !self.marks.has(Mark::NotDesktop)
            && (self.has_unknown_part(vocabulary)
                || shape::has_unknown_product(self.tail(), &vocabulary.browsers))
    }

    fn has_unknown_part(&self, vocabulary: &Vocabulary) -> bool {
        let is_unknown = || shape::has_unknown_part(self.comment(), &vocabulary.browsers);
        *self.unknown_part.get_or_init(is_unknown)
    }

    fn comment(&self) -> &[u8] {
        self.text.get(self.form.comment.clone()).unwrap_or_default()
    }

    /// What stands behind the version of the browser.
    fn tail(&self) -> &[u8] {
        let behind = self.text.get(self.browser_end..).filter(|_| self.browser_end > 0).unwrap_or_default();
        let version = behind.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        behind.get(version..).unwrap_or_default()
    }

    fn is_desktop(&self) -> bool {
        self.form.is_desktop
    }

    fn is_other_compatible(&self, vocabulary: &Vocabulary) -> bool {
        self.compatible_end
            .and_then(|end| self.text.get(end..))
            .is_some_and(|behind| !shape::is_compatible_browser(behind, &vocabulary.browsers))
    }

    /// Whether a whole browser's user agent stands behind a name or a sign.
    fn has_foreign_start(&self) -> bool {
        let before = self.inner_start.and_then(|start| self.text.get(..start)).map(<[u8]>::trim_ascii);
        before.is_some_and(|before| {
            let is_list = matches!(before.last(), Some(b',' | b':' | b'"' | b'\''));
            let is_name = !before.contains(&b'(') && !shape::has_browser_start(before);
            let is_personal = matches!(self.platform, Some(Platform::Windows | Platform::MacOs));
            is_list || (is_name && is_personal && self.is_desktop())
        })
    }

    /// What the words say of a bot.
    fn kind(&self, words: Kinds, vocabulary: &Vocabulary) -> (BotType, SubType) {
        let first = |kinds: Kinds| kinds.trailing_zeros() as usize;
        let own = first(words | self.hints);
        // Words of no special kind leave it to the address.
        let of_address = first(self.words_of_address);
        let is_general = own >= vocabulary.general_kind && of_address < vocabulary.general_kind;
        let place = if is_general { of_address } else { own };
        match vocabulary.kinds.get(place).copied() {
            Some((BotType::Crawler, _)) if self.has_ai_word => (BotType::Crawler, SubType::AiTraining),
            _ if self.has_ai_word => (BotType::AiAgent, SubType::UserFetch),
            Some(kind) => kind,
            None => (BotType::Crawler, SubType::Other),
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

const SHORTEST: usize = 10;
/// The length from which a word counts at the end of a compound that is written small.
const LONG_WORD: usize = 6;
const MODERN_START: &[u8] = b"Mozilla/5";
/// Longer texts may have been cut by what stands between.
const SHORTEST_CUT: usize = 128;
/// Parts of a desktop's comment, which stand behind the platform.
const DESKTOP_PARTS: [&[u8]; 2] = [b"Intel Mac OS X", b"Windows NT "];
const PLATFORM_STARTS: [&[u8]; 9] =
    [b"Windows", b"Mac", b"iP", b"X11", b"Linux", b"Android", b"compatible", b"MSIE", b"U;"];
const EXPLORER: &[u8] = b"(compatible; MSIE ";
/// From here on a Chromium on a desktop has nothing but the system in its comment.
const FIXED_COMMENT: u32 = 60;
/// The Internet Explorer that ends with `like Gecko`.
const LAST_EXPLORER: u32 = 11;
/// Signs of injected code; browsers write none of them behind their version.
const FOREIGN_SIGNS: &[u8] = b"'\"`<>{}$^|\\";
/// The Firefox from which on extensions cannot add to its user agent.
const CLOSED_FIREFOX: u32 = 57;
/// From here on Gecko has Firefox's version, but from 110 to 120 that of 109.
const SAME_REVISION: u32 = 10;
