//! The table of what the scoring engines can say: stable text id, Botect integer id, phrase, effect on the score.
//!
//! An id is never reused or given another meaning. Integer ranges: 0x01…… heuristics, 0x02…… script probe,
//! 0x03…… behaviour, 0x04…… reserved for TLS fingerprints, 0x7F…… defined by operators.

use crate::evidence::{Evidence, EvidenceKind};

/// The engine that a detection belongs to.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Engine {
    /// User agent, headers and network.
    Heuristics,
    /// The script probe in the page.
    Javascript,
    /// Interaction with the page.
    Behavioral,
}

/// What a detection does to its engine's score.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Sets the score; the lowest wins.
    Score(u8),
    /// There was interaction: the sum starts here.
    Start(u8),
    /// Is added to the sum, which ends at 99.
    Points(u8),
    /// The sum cannot be higher; the lowest wins.
    Cap(u8),
    /// A cap that the item's weight tells: 50 at weight 0, 1 at weight 1.
    Graded,
    /// Explains without a number.
    None,
}

macro_rules! detections {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $number:expr, $engine:ident, $kind:ident, $weight:literal, $effect:expr, $phrase:literal;)*) => {
        /// One thing that a scoring engine can say.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Detection {
            $($(#[$doc])* $name,)*
        }

        impl Detection {
            /// Every detection, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The text id of its evidence.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// The integer id on the Botect-compatible wire; none for what speaks for a person.
            pub fn number(self) -> Option<u32> {
                match self { $(Self::$name => $number,)* }
            }

            /// The engine that says it.
            pub fn engine(self) -> Engine {
                match self { $(Self::$name => Engine::$engine,)* }
            }

            /// What it does to the engine's score.
            pub fn effect(self) -> Effect {
                match self { $(Self::$name => $effect,)* }
            }

            /// Lower-case words for a reason.
            pub fn phrase(self) -> &'static str {
                match self { $(Self::$name => $phrase,)* }
            }

            fn weight(self) -> f64 {
                match self { $(Self::$name => $weight,)* }
            }

            fn kind(self) -> EvidenceKind {
                match self { $(Self::$name => EvidenceKind::$kind,)* }
            }
        }
    };
}

detections! {
    /// The user agent names a tool that drives browsers.
    AutomationUserAgent = "ua.headless", Some(16_777_217), Heuristics, List, 0.95, Effect::Score(1), "automation browser user agent";
    /// The user agent names an HTTP library or command-line client.
    LibraryUserAgent = "ua.http_library", Some(16_777_218), Heuristics, List, 0.95, Effect::Score(5), "HTTP library user agent";
    /// The user agent names a welcome bot and verification said no.
    FalseClaim = "ua.false_claim", Some(16_777_219), Heuristics, Range, 0.97, Effect::Score(1), "false claim of a verified bot";
    /// A browser's request came without a user agent.
    NoUserAgent = "ua.missing", Some(16_777_220), Heuristics, Signal, 0.7, Effect::Score(35), "no user agent";
    /// A new Chromium is named, but none of the headers that it always sends came.
    HeaderMismatch = "hdr.no_fetch_metadata", Some(16_777_221), Heuristics, Signal, 0.45, Effect::Score(25), "browser headers do not fit the user agent";
    /// A page was requested without headers that every browser sends.
    BarePageRequest = "page.bare_headers", Some(16_777_222), Heuristics, Signal, 0.75, Effect::Score(20), "page request lacks ordinary browser headers";
    /// The address is in the operator's list of hosting networks.
    HostingNetwork = "net.hosting", Some(16_777_223), Heuristics, Range, 0.2, Effect::Score(35), "hosting-provider network";
    /// The user agent calls itself a bot.
    SelfDeclaredBot = "ua.generic_bot", Some(16_777_224), Heuristics, List, 0.85, Effect::Score(5), "self-declared bot";
    /// Pages were requested, but no script ran in any.
    NoScript = "page.no_script", Some(16_777_225), Heuristics, Signal, 0.1, Effect::Score(25), "pages requested but no script ran";

    /// `navigator.webdriver` is true.
    Webdriver = "js.webdriver", Some(33_554_433), Javascript, Signal, 0.95, Effect::None, "browser reports automation control";
    /// The page runs in a browser without a window.
    Headless = "js.headless", Some(33_554_434), Javascript, Signal, 0.8, Effect::None, "headless browser traits";
    /// The user agent that the script sees names a headless browser.
    HeadlessUserAgent = "js.headless_user_agent", Some(33_554_435), Javascript, Signal, 0.9, Effect::None, "headless user agent in script";
    /// The page is visible in a viewport without area.
    ZeroViewport = "js.zero_viewport", Some(33_554_436), Javascript, Signal, 0.5, Effect::None, "empty viewport";
    /// A desktop Chromium has no plugins.
    MissingPlugins = "js.missing_plugins", Some(33_554_437), Javascript, Signal, 0.3, Effect::None, "no browser plugins";
    /// Languages, platform and user agent do not fit each other.
    NavigatorAnomaly = "js.navigator_anomaly", Some(33_554_438), Javascript, Signal, 0.2, Effect::None, "inconsistent navigator values";
    /// The probe itself reported a failure.
    ProbeFailed = "js.probe_failed", Some(33_554_439), Javascript, Signal, 0.5, Effect::None, "script probe failed";

    /// A proved automation tell and a page on which nobody did anything.
    HeadlessSignature = "automation.headless_signature", Some(50_331_648), Behavioral, Signal, 0.98, Effect::Score(1), "headless automation signature";
    /// A failed probe and a page on which nobody did anything.
    ProbableHeadlessSignature = "automation.probable_signature", Some(50_331_648), Behavioral, Signal, 0.9, Effect::Score(5), "headless automation signature";
    /// The pointer moves like a machine's.
    NoPointerVariation = "pointer.no_variation", Some(50_331_649), Behavioral, Signal, 0.7, Effect::Cap(15), "pointer path has no natural variation";
    /// Clicks that no pointer travelled to; also what screen readers do.
    ClicksWithoutPointer = "pointer.clicks_without_movement", Some(50_331_650), Behavioral, Signal, 0.3, Effect::Cap(35), "clicks without pointer movement";
    /// Nobody did anything; only beside a failed probe.
    NoInteraction = "interaction.none", Some(50_331_651), Behavioral, Signal, 0.15, Effect::None, "no human interaction recorded";
    /// The page was in view for half a minute and nobody did anything.
    NoInteractionWhileVisible = "interaction.none_while_visible", Some(50_331_651), Behavioral, Signal, 0.15, Effect::Score(40), "no human interaction recorded";
    /// The first input came sooner than a person can react to a page.
    InstantInput = "input.instant", Some(50_331_652), Behavioral, Signal, 0.3, Effect::Cap(35), "first input faster than human reaction";
    /// Scrolling at a speed that no hand reaches.
    ScrollTooFast = "scroll.too_fast", Some(50_331_653), Behavioral, Signal, 0.45, Effect::Cap(28), "scrolling faster than a person";
    /// A failed probe beside unnatural interaction.
    AutomationConfirmed = "automation.confirmed", Some(50_331_654), Behavioral, Signal, 0.9, Effect::Cap(5), "automation tell confirmed by unnatural interaction";
    /// Nothing but the project's own high threshold makes this session a bot's.
    BelowThreshold = "interaction.below_threshold", Some(50_331_655), Behavioral, Rule, 0.05, Effect::None, "interaction profile below the project's threshold";

    /// The learned model takes the pointer's movement for a tool's.
    ToolPointer = "pointer.like_a_tool", Some(50_331_700), Behavioral, Signal, 0.9, Effect::Graded, "pointer motion like a tool's";
    /// The learned model takes the typing for a tool's.
    ToolTyping = "keys.like_a_tool", Some(50_331_701), Behavioral, Signal, 0.7, Effect::Graded, "typing rhythm like a tool's";
    /// Nearly all movement of the pointer was made by a script.
    ScriptedPath = "pointer.scripted", Some(50_331_702), Behavioral, Signal, 0.8, Effect::Cap(15), "events made by script";
    /// A script clicked, and no device did anything.
    ScriptedEvents = "input.scripted", Some(50_331_702), Behavioral, Signal, 0.3, Effect::Cap(35), "events made by script";
    /// The pointer is at each target without a way there; some aids for people do that too.
    LeapsToClick = "pointer.leaps_to_click", Some(50_331_703), Behavioral, Signal, 0.3, Effect::Cap(35), "more clicks than movements";
    /// A field's text changed without keys; also what autofill does.
    TextWithoutKeys = "input.without_keys", Some(50_331_704), Behavioral, Signal, 0.2, Effect::None, "text appeared without keys";

    /// The page was used in some way.
    Interaction = "interaction.recorded", None, Behavioral, Signal, -0.05, Effect::Start(50), "interaction recorded";
    /// The pointer's path varies.
    PointerVariation = "pointer.variation", None, Behavioral, Signal, -0.2, Effect::Points(20), "pointer path varies";
    /// The pointer's path varies as a hand's does.
    NaturalPointer = "pointer.natural", None, Behavioral, Signal, -0.1, Effect::Points(5), "natural pointer path";
    /// A finger or pen was used.
    Touch = "touch.used", None, Behavioral, Signal, -0.2, Effect::Points(20), "touch or pen input";
    /// Scrolling at the speed of a hand.
    NaturalScroll = "scroll.natural", None, Behavioral, Signal, -0.1, Effect::Points(10), "scrolling at a human pace";
    /// Keys were pressed.
    Keys = "keys.used", None, Behavioral, Signal, -0.1, Effect::Points(10), "keyboard input";
    /// Something was clicked.
    Clicks = "clicks.used", None, Behavioral, Signal, -0.05, Effect::Points(5), "clicks";
    /// The first input left time to see the page.
    UnhurriedInput = "input.unhurried", None, Behavioral, Signal, -0.05, Effect::Points(5), "first input after a human reaction time";
    /// The browser handled the first input with an ordinary delay.
    OrdinaryInputDelay = "input.ordinary_delay", None, Behavioral, Signal, -0.04, Effect::Points(4), "ordinary input delay";
    /// The visitor went to another tab and came back.
    VisibilityChanges = "visibility.changed", None, Behavioral, Signal, -0.02, Effect::Points(2), "page left and seen again";
}

impl Detection {
    /// The detection with this text id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|detection| detection.id() == id)
    }

    /// The first detection with this integer id.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|detection| detection.number() == Some(number))
    }

    /// The evidence item that says it; `source` is where it was seen, for example a payload key.
    pub fn evidence(self, source: impl Into<String>) -> Evidence {
        Evidence::new(self.id(), self.kind(), self.weight(), source, self.phrase())
    }

    /// The evidence item of a graded detection that lets the score be at most `cap`, 1 to 50.
    pub(super) fn graded(self, source: impl Into<String>, cap: f64) -> Evidence {
        Evidence { weight: ((50.0 - cap) / 49.0).clamp(0.0, 1.0), ..self.evidence(source) }
    }
}

/// The integer ids of the evidence, ascending and unique; items that this table does not know have none.
pub fn numbers<'a>(evidence: impl IntoIterator<Item = &'a Evidence>) -> Vec<u32> {
    let mut numbers: Vec<u32> =
        evidence.into_iter().filter_map(|item| Detection::from_id(&item.id)?.number()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// The score that follows from one engine's evidence; none when the engine abstains.
pub fn score_of(evidence: &[Evidence]) -> Option<u8> {
    let (mut set, mut sum, mut cap) = (None::<u8>, None::<u8>, 99);
    for (item, detection) in evidence.iter().filter_map(|item| Some((item, Detection::from_id(&item.id)?))) {
        match detection.effect() {
            Effect::Score(score) => set = Some(set.map_or(score, |lowest| lowest.min(score))),
            Effect::Start(points) | Effect::Points(points) => {
                sum = Some(sum.unwrap_or(0).saturating_add(points));
            }
            Effect::Cap(highest) => cap = cap.min(highest),
            Effect::Graded => cap = cap.min(graded_cap(item.weight)),
            Effect::None => {}
        }
    }
    set.or(sum.map(|sum| sum.min(cap)))
}

fn graded_cap(weight: f64) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 50")]
    let cap = (50.0 - 49.0 * weight.clamp(0.0, 1.0) + 0.5) as u8;
    cap
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ids_are_unique() {
        let mut ids: Vec<_> = Detection::ALL.iter().map(|detection| detection.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Detection::ALL.len());
    }

    #[test]
    fn numbers_lie_in_the_range_of_their_engine() {
        for detection in Detection::ALL {
            let Some(number) = detection.number() else {
                assert!(detection.weight() < 0.0, "{detection:?} speaks for automation without an id");
                continue;
            };
            let engine = match number >> 24 {
                1 => Engine::Heuristics,
                2 => Engine::Javascript,
                3 => Engine::Behavioral,
                range => panic!("range {range} belongs to no engine"),
            };
            assert_eq!(detection.engine(), engine, "{detection:?}");
            assert!(detection.weight() > 0.0, "{detection:?}");
        }
    }

    #[test]
    fn one_number_has_one_phrase() {
        for detection in Detection::ALL {
            if let Some(number) = detection.number() {
                assert_eq!(Detection::from_number(number).unwrap().phrase(), detection.phrase());
            }
        }
    }
}
