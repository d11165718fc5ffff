//! The grammar of user agents: comments, the place where devices name their model, and what follows the engine.

use std::ops::Range;

use memchr::{memchr_iter, memchr2_iter};

use crate::agent::catalogue::Browsers;

/// The parts of a user agent that are found by its signs alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    /// The first comment, with its opening parenthesis.
    pub comment: Range<usize>,
    /// Whether a device puts its model there: it names an Android version.
    pub is_slot: bool,
    /// Whether it is the comment of a browser on a desktop.
    pub is_desktop: bool,
    /// Whether the text begins as most browsers do.
    pub has_browser_start: bool,
    /// Whether there is a `product/version`.
    pub has_product: bool,
    /// Whether there is a control character.
    pub has_control: bool,
}

impl Form {
    pub fn of(text: &[u8]) -> Self {
        let comment = first_comment(text);
        let is_product = |part: &[u8]| match part {
            [before, b'/', behind] => before.is_ascii_alphanumeric() && behind.is_ascii_alphanumeric(),
            _ => false,
        };
        let inside = text.get(comment.clone()).unwrap_or_default();
        let is_slot = names_android_version(inside);
        Self {
            is_slot,
            is_desktop: !is_slot && begins_with_any(inside, &DESKTOPS),
            has_browser_start: has_browser_start(text),
            comment,
            has_product: text.windows(3).any(is_product),
            // Without an early end, so that many bytes are looked at together.
            has_control: text.iter().fold(0, |found, byte| found | u8::from(byte.is_ascii_control())) > 0,
        }
    }

    /// Whether a place is in the comment that a device fills with its model.
    pub fn is_in_slot(&self, place: usize) -> bool {
        self.is_slot && self.comment.contains(&place)
    }
}

/// From the first opening parenthesis to the closing one that belongs to it, or to the end.
fn first_comment(text: &[u8]) -> Range<usize> {
    let Some(start) = text.iter().position(|byte| *byte == b'(') else { return text.len()..text.len() };
    let inside = text.get(start + 1..).unwrap_or_default();
    let mut depth = 1_usize;
    for place in memchr2_iter(b'(', b')', inside) {
        depth = if inside.get(place) == Some(&b'(') { depth + 1 } else { depth - 1 };
        if depth == 0 {
            return start..start + 1 + place;
        }
    }
    start..text.len()
}

/// Whether a version stands behind a slash without a name.
pub(super) fn has_nameless_version(text: &[u8]) -> bool {
    memchr_iter(b'/', text).any(|slash| {
        slash.checked_sub(1).is_none_or(|before| text.get(before) == Some(&b' '))
            && text.get(slash + 1).is_some_and(u8::is_ascii_digit)
    })
}

/// Whether a desktop browser's comment has a part that browsers do not have.
pub(super) fn has_unknown_part(comment: &[u8], browsers: &Browsers) -> bool {
    let parts = comment.get(1..).unwrap_or_default().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    parts.into_iter().any(|part| {
        let has_letters = || part.iter().any(u8::is_ascii_alphabetic);
        !starts_with_any(part, &browsers.parts) && has_letters() && !is_language(part) && !names_build(part)
    })
}

/// Whether a product behind a desktop browser's version belongs to no browser, device or app that is known.
pub(super) fn has_unknown_product(tail: &[u8], browsers: &Browsers) -> bool {
    let mut is_unknown = false;
    for word in products(tail) {
        let mut parts = word.splitn(2, |byte| *byte == b'/');
        let name = parts.next().unwrap_or_default();
        if is_known_product(name, browsers) {
            // A browser that is known may bring more.
            return false;
        }
        let version = parts.next().and_then(super::place::number_at);
        // Browsers made of Chromium often number themselves as it does.
        is_unknown |= version.is_none_or(|major| !CHROMIUM_NUMBERS.contains(&major))
            && name.iter().take(2).all(u8::is_ascii_alphabetic);
    }
    is_unknown
}

/// Whether a name that is known of no browser, and has no version as browsers' names have, ends the text.
pub(super) fn ends_with_bare_name(tail: &[u8], browsers: &Browsers) -> bool {
    let name_of = |word| <[u8]>::split(word, |byte| *byte == b'/').next().unwrap_or_default();
    let is_bare = |word: &[u8]| {
        let name = word.strip_prefix(b"+").unwrap_or(word);
        name.len() >= SHORTEST_NAME && !name.contains(&b'/') && name.iter().any(u8::is_ascii_alphabetic)
    };
    products(tail).last().is_some_and(is_bare)
        && !products(tail).any(|word| is_known_product(name_of(word), browsers))
}

/// Whether a product that is known of no browser has a name in the place of its version, as in `Name/Part/1.0`.
pub(super) fn has_nested_product(tail: &[u8], browsers: &Browsers) -> bool {
    products(tail).any(|word| {
        let mut parts = word.split(|byte| *byte == b'/');
        let name = parts.next().unwrap_or_default();
        let part = parts.next().unwrap_or_default();
        parts.next().is_some()
            && name.first().is_some_and(u8::is_ascii_alphabetic)
            && part.first().is_some_and(u8::is_ascii_alphabetic)
            && !is_known_product(name, browsers)
    })
}

/// Whether the engine's own comment, without its end, names more than engines.
pub(super) fn names_more_than_engine(engine: &[u8]) -> bool {
    let comment = engine.iter().position(|byte| *byte == b'(').and_then(|place| engine.get(place..));
    let behind = comment.and_then(|comment| {
        starts_with(comment, LIKE_GECKO).then(|| comment.get(LIKE_GECKO.len()..).unwrap_or_default())
    });
    behind.is_some_and(|behind| !behind.trim_ascii().is_empty() && !starts_with(behind, b", Safari"))
}

/// Whether a comment ends with the version of the engine.
pub(super) fn ends_with_revision(comment: &[u8]) -> bool {
    let last = comment.rsplit(|byte| *byte == b';').next().unwrap_or_default();
    starts_with(last.trim_ascii_start(), b"rv:")
}

/// The products behind a browser's version, without comments.
fn products(tail: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut depth = 0_usize;
    let words = tail.split(move |byte| {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > 0 || matches!(byte, b' ' | b';' | b',' | b')' | b']')
    });
    words.filter(|word| word.len() > 1)
}

fn is_known_product(name: &[u8], browsers: &Browsers) -> bool {
    browsers.products.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        || browsers.product_words.iter().any(|part| contains_ignoring_case(name, part.as_bytes()))
}

/// Whether a comment that begins `(compatible;` goes on with a browser's name.
pub(super) fn is_compatible_browser(behind: &[u8], browsers: &Browsers) -> bool {
    let behind = behind.trim_ascii_start();
    !behind.first().is_some_and(u8::is_ascii_alphabetic) || starts_with_any(behind, &browsers.compatible)
}

/// Whether a host's name stands in the text, such as `example.com` but not `com.example`.
pub(super) fn names_host(text: &[u8]) -> bool {
    // Most texts have no name behind a dot.
    let is_name = |dot: usize| text.get(dot + 1).is_some_and(u8::is_ascii_alphabetic);
    if !memchr_iter(b'.', text).any(is_name) {
        return false;
    }
    let mut words = text.split(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')));
    words.any(|word| {
        let Some(dot) = word.iter().rposition(|byte| *byte == b'.') else { return false };
        let (labels, top) = word.split_at_checked(dot).unwrap_or_default();
        let label = labels.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
        let top = top.get(1..).unwrap_or_default();
        let is_domain = |label: &[u8]| {
            TOP_LEVEL_DOMAINS.iter().any(|domain| label.eq_ignore_ascii_case(domain.as_bytes()))
        };
        let is_package = labels.split(|byte| *byte == b'.').next().is_some_and(is_domain);
        is_domain(top) && !is_package && label.iter().filter(|byte| byte.is_ascii_alphabetic()).count() > 1
    })
}

pub(super) fn starts_with(text: &[u8], start: &[u8]) -> bool {
    let [Some(first), Some(wanted)] = [text.first(), start.first()] else { return start.is_empty() };
    // The first byte, apart from its case, tells most texts apart, and most others are written as usual.
    (first ^ wanted) & !LETTER_CASE == 0
        && text.get(..start.len()).is_some_and(|part| part == start || part.eq_ignore_ascii_case(start))
}

/// Whether a comment begins with one of these behind its parenthesis.
pub(super) fn begins_with_any(comment: &[u8], starts: &[&[u8]]) -> bool {
    comment.get(1..).is_some_and(|inside| starts.iter().any(|start| starts_with(inside, start)))
}

/// Whether a text begins as most browsers do.
pub(super) fn has_browser_start(text: &[u8]) -> bool {
    BROWSER_STARTS.iter().any(|start| starts_with(text, start))
}

pub(super) fn contains_ignoring_case(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

fn starts_with_any(text: &[u8], starts: &[String]) -> bool {
    starts.iter().any(|start| starts_with(text, start.as_bytes()))
}

/// `en`, `en-US`, `zh_Hans`; the letter for the strength of encryption.
fn is_language(part: &[u8]) -> bool {
    let is_short = |text: &[u8]| text.len() <= 4 && text.iter().all(u8::is_ascii_alphabetic);
    match part.iter().position(|byte| matches!(byte, b'-' | b'_')) {
        Some(place) => place == 2 && part.get(3..).is_some_and(is_short),
        None => part.len() <= 2,
    }
}

fn names_build(part: &[u8]) -> bool {
    contains_ignoring_case(part, b" build/")
}

fn names_android_version(comment: &[u8]) -> bool {
    memchr2_iter(b'D', b'd', comment).any(|place| {
        let part = |before: usize| comment.get(place.checked_sub(before)?..);
        let behind = ANDROID.iter().find_map(|(name, before)| {
            part(*before).filter(|part| starts_with(part, name))?.get(name.len()..)
        });
        match behind.unwrap_or_default() {
            [b' ' | b'-' | b'/', digit, ..] | [digit, ..] => digit.is_ascii_digit(),
            [] => false,
        }
    })
}

const LIKE_GECKO: &[u8] = b"(KHTML, like Gecko";
/// The bit by which capital and small letters differ.
const LETTER_CASE: u8 = 0x20;
const BROWSER_STARTS: [&[u8]; 2] = [b"Mozilla/", b"Opera/"];
const DESKTOPS: [&[u8]; 3] = [b"Windows NT", b"Macintosh", b"X11"];
/// Names of browsers can be shorter, and signs and codes are.
const SHORTEST_NAME: usize = 4;
/// Android's name, and its short form in UC Browser, with what stands before their seldom letter `d`.
const ANDROID: [(&[u8], usize); 2] = [(b"android", 2), (b"adr", 1)];
/// Versions between these may follow Chromium's numbers.
const CHROMIUM_NUMBERS: Range<u32> = 60..1000;
/// The domains under which programs name their home most often; two letters that end versions are left out.
const TOP_LEVEL_DOMAINS: [&str; 24] = [
    "com", "net", "org", "io", "co", "ai", "dev", "app", "info", "biz", "eu", "de", "fr", "uk", "ru", "nl",
    "pl", "cz", "ch", "cn", "jp", "br", "edu", "gov",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_of_a_device_stands_in_its_first_comment() {
        let slot = |text: &str| Form::of(text.as_bytes()).is_slot;
        assert!(
            slot("Mozilla/5.0 (Linux; Android 13; Robot (2022)) AppleWebKit")
                && slot("UCWEB/2.0 (MIDP; U; Adr 4.4)")
        );
        assert!(
            !slot("Mozilla/5.0 (X11; Linux) (Android 9)") && !slot("Foo (Android)") && !slot("Android 9")
        );
        let nested = Form::of(b"a/1 (b (c) d) e");
        assert_eq!((nested.comment, nested.has_product), (4..12, true));
        assert_eq!(Form::of(b"a (b").comment, 2..4);
    }

    #[test]
    fn hosts_are_told_from_versions_and_packages() {
        for text in ["(feed.example.com; x)", "see example.org", "a-b.io"] {
            assert!(names_host(text.as_bytes()), "{text}");
        }
        for text in
            ["(Windows NT 10.0; .NET CLR 2.0)", "com.example.app/1.0.1", "1.2.3.de", "x.com.y", "", "."]
        {
            assert!(!names_host(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn languages_are_short() {
        for text in ["en", "en-US", "zh_Hans", "U", "N"] {
            assert!(is_language(text.as_bytes()), "{text}");
        }
        for text in ["Foo", "en-Banana", "a-b"] {
            assert!(!is_language(text.as_bytes()), "{text}");
        }
    }
}
