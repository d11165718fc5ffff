//! Path patterns, and the normal form in which paths are compared.
//!
//! A pattern matches by equality; `*` stands for any run without `/`, `**` for any run; with a final `/` it is
//! the directory and everything below; without wildcards it also matches as a prefix that ends at a segment. A pattern
//! that begins with `^`, as no path does, is a regular expression.
//!
//! Of a path, 8 KiB are looked at, 2 KiB by a regular expression. A longer one matches no pattern that lets it pass, and
//! each other pattern unless its beginning cannot; a regular expression never says that.

use regex_lite::Regex;

use super::condition;
use crate::{Error, ErrorKind, Result};

/// Compiled path patterns.
///
/// ```
/// use quivive_core::decision::PathSet;
/// let traps = PathSet::new(["/wp-login.php", "/trap/**"]).unwrap();
/// assert!(traps.contains("/trap/a/b?c=d"));
/// assert!(!traps.contains("/trapped"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathSet(Vec<PathPattern>);

impl PathSet {
    /// Compiles patterns: equality or a prefix that ends at a segment; `*` any run without `/`, `**` any run; with a
    /// final `/` the directory and all below; with `^` in front a regular expression.
    ///
    /// # Errors
    /// `INVALID_INPUT` for an empty pattern or an expression that cannot be read, `LIMIT_EXCEEDED` for one of more than
    /// 256 bytes and for more than 16 expressions.
    pub fn new<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Result<Self> {
        let patterns = patterns
            .into_iter()
            .map(|pattern| PathPattern::new(pattern.as_ref()))
            .collect::<Result<Vec<_>>>()?;
        let expressions = patterns.iter().filter(|pattern| matches!(pattern, PathPattern::Expression(_)));
        if expressions.count() > MOST_EXPRESSIONS {
            let text = format!("more than {MOST_EXPRESSIONS} regular expressions");
            return Err(Error::new(ErrorKind::LimitExceeded, text).with("limit", MOST_EXPRESSIONS));
        }
        Ok(Self(patterns))
    }

    /// Whether a raw path, which is brought to its normal form first, matches one of the patterns.
    pub fn contains(&self, path: &str) -> bool {
        !self.0.is_empty() && {
            let path = normalized(path);
            self.0.iter().any(|pattern| pattern.matches(&path))
        }
    }
}

/// A compiled path pattern.
#[derive(Clone, Debug)]
pub(super) enum PathPattern {
    Parts(Vec<Part>),
    Expression(Regex),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part {
    Byte(u8),
    Segment,
    Anything,
}

impl PathPattern {
    pub fn new(pattern: &str) -> Result<Self> {
        if pattern.is_empty() {
            return Err(Error::invalid_input("a path pattern is empty"));
        }
        if pattern.len() > LONGEST {
            return Err(Error::new(ErrorKind::LimitExceeded, "a path pattern is longer than 256 bytes"));
        }
        if is_expression(pattern) {
            let fault = |error| Error::invalid_input(format!("a path pattern: {error}"));
            return condition::expression(pattern, false).map(Self::Expression).map_err(fault);
        }
        let mut parts = Vec::with_capacity(pattern.len());
        for byte in pattern.bytes() {
            match (byte, parts.last()) {
                (b'*', Some(Part::Segment | Part::Anything)) => {
                    parts.pop();
                    parts.push(Part::Anything);
                }
                (b'*', _) => parts.push(Part::Segment),
                (byte, _) => parts.push(Part::Byte(byte)),
            }
        }
        Ok(Self::Parts(parts))
    }

    /// Whether a normalised path matches. One that is longer than is looked at does not.
    pub fn matches(&self, path: &str) -> bool {
        path.len() <= self.most_bytes()
            && match self {
                Self::Parts(parts) => compare(parts, path.as_bytes()) == Outcome::Matches,
                Self::Expression(expression) => expression.is_match(path),
            }
    }

    /// As [`PathPattern::matches`], but one that is longer than is looked at does unless its beginning cannot.
    pub fn may_match(&self, path: &str) -> bool {
        match (self, path.as_bytes().get(..self.most_bytes())) {
            (_, None) => self.matches(path),
            (_, Some(whole)) if whole.len() == path.len() => self.matches(path),
            (Self::Parts(parts), Some(beginning)) => compare(parts, beginning) != Outcome::Fails,
            (Self::Expression(_), Some(_)) => true,
        }
    }

    /// Bytes of a path that are looked at.
    fn most_bytes(&self) -> usize {
        match self {
            Self::Parts(_) => MOST_PATH_BYTES,
            Self::Expression(_) => condition::MOST_SEARCHED_BYTES,
        }
    }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Parts(own), Self::Parts(other)) => own == other,
            (Self::Expression(own), Self::Expression(other)) => own.as_str() == other.as_str(),
            _ => false,
        }
    }
}

/// Whether a pattern is a regular expression.
pub(super) fn is_expression(pattern: &str) -> bool {
    pattern.starts_with('^')
}

fn compare(parts: &[Part], path: &[u8]) -> Outcome {
    let has_wildcard = parts.iter().any(|part| !matches!(part, Part::Byte(_)));
    let is_directory = parts.last() == Some(&Part::Byte(b'/'));
    // Where the pattern may stop before the path ends.
    let may_stop =
        |rest: &[u8]| rest.is_empty() || is_directory || (!has_wildcard && rest.first() == Some(&b'/'));
    let outcome = run(parts, path, may_stop);
    match parts.split_last() {
        Some((_, directory)) if is_directory => outcome.max(run(directory, path, <[u8]>::is_empty)),
        _ => outcome,
    }
}

/// What comparing a pattern with a path gives.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Outcome {
    /// No continuation of the path would match either.
    Fails,
    /// The path does not match, a continuation might.
    IsOpen,
    Matches,
}

/// Runs all states of the pattern over the path at once; time is path times pattern, without backtracking.
fn run(parts: &[Part], path: &[u8], may_stop: impl Fn(&[u8]) -> bool) -> Outcome {
    let mut states = vec![false; parts.len() + 1];
    let mut next = states.clone();
    enter(parts, &mut states, 0);
    let mut rest = path;
    loop {
        if states.last() == Some(&true) && may_stop(rest) {
            return Outcome::Matches;
        }
        let Some((byte, behind)) = rest.split_first() else { return Outcome::IsOpen };
        step(parts, &states, *byte, &mut next);
        if !next.contains(&true) {
            return Outcome::Fails;
        }
        std::mem::swap(&mut states, &mut next);
        rest = behind;
    }
}

fn step(parts: &[Part], states: &[bool], byte: u8, next: &mut [bool]) {
    next.fill(false);
    for (place, part) in parts.iter().enumerate() {
        if states.get(place) != Some(&true) {
            continue;
        }
        match part {
            Part::Byte(wanted) if *wanted == byte => enter(parts, next, place + 1),
            Part::Segment if byte != b'/' => enter(parts, next, place),
            Part::Anything => enter(parts, next, place),
            Part::Byte(_) | Part::Segment => {}
        }
    }
}

/// Enters a state, and those behind wildcards that may stand for nothing.
fn enter(parts: &[Part], states: &mut [bool], mut place: usize) {
    loop {
        match states.get_mut(place) {
            Some(state) => *state = true,
            None => return,
        }
        match parts.get(place) {
            Some(Part::Segment | Part::Anything) => place += 1,
            _ => return,
        }
    }
}

/// The path as it came, without query and fragment.
pub(super) fn bare(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default()
}

/// Whether programs can differ about which path is meant: it holds `.` or `..` as a segment, openly or encoded.
pub(super) fn has_dot_segments(path: &str) -> bool {
    percent_decoded(bare(path)).split('/').any(|segment| matches!(segment, "." | ".."))
}

/// The path without query and fragment, percent-decoded once, without dot segments and repeated slashes.
pub(super) fn normalized(path: &str) -> String {
    let decoded = percent_decoded(bare(path));
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_in_slash = false;
    for segment in decoded.split('/') {
        ends_in_slash = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut result = format!("/{}", segments.join("/"));
    if ends_in_slash && result.len() > 1 {
        result.push('/');
    }
    result
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        match (byte, behind) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            _ => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(hexadecimal: u8) -> u8 {
    match hexadecimal {
        b'0'..=b'9' => hexadecimal - b'0',
        b'a'..=b'f' => hexadecimal - b'a' + 10,
        _ => hexadecimal.saturating_sub(b'A') + 10,
    }
}

const LONGEST: usize = 256;
const MOST_EXPRESSIONS: usize = 16;
const MOST_PATH_BYTES: usize = 8_192;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        PathPattern::new(pattern).unwrap().matches(&normalized(path))
    }

    #[test]
    fn patterns() {
        for (pattern, path) in [
            ("/api", "/api"),
            ("/api", "/api/x"),
            ("/api", "/api/"),
            ("/api/", "/api"),
            ("/api/", "/api/x/y"),
            ("/api/*", "/api/x"),
            ("/api/*", "/api/"),
            ("/api/**", "/api/x/y"),
            ("/*/edit", "/a/edit"),
            ("/**/edit", "/a/b/edit"),
            ("**.json", "/a/b.json"),
            ("/", "/anything"),
            ("/a*c", "/abc"),
            ("/*/x/", "/a/x/y"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/api", "/apix"),
            ("/api", "/API"),
            ("/api/", "/apix"),
            ("/api/*", "/api/x/y"),
            ("/*/edit", "/a/b/edit"),
            ("/a*c", "/a/c"),
            ("/a*c", "/abcd"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn what_begins_with_a_circumflex_is_a_regular_expression() {
        for (pattern, path) in [
            (r"^/(health|ready)$", "/ready"),
            (r"^/v[0-9]+/", "/v12/status"),
            (r"^(?s:.*)\.(?i:png)$", "/a/b\nc.PNG"),
            (r"^(?s:.*)(?i:^\/V\d+\/)", "/v1/status"),
            (r"^/admin", "/public/../%61dmin/x"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [(r"^/(health|ready)$", "/health/x"), (r"^/v[0-9]+/", "/a/v1/"), ("^/A", "/a")]
        {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
        let longest = format!("/{}", "a".repeat(condition::MOST_SEARCHED_BYTES - 1));
        let (long, pattern) = (format!("{longest}a"), PathPattern::new("^/a").unwrap());
        assert!(pattern.matches(&longest));
        assert!(!pattern.matches(&long) && pattern.may_match(&long) && !pattern.may_match("/b"));
        for unreadable in ["^(", "^(?=a)", r"^(a)\1", "^(a{1000}){1000}"] {
            assert_eq!(
                PathPattern::new(unreadable).unwrap_err().kind(),
                ErrorKind::InvalidInput,
                "{unreadable}"
            );
        }
        assert!(PathSet::new(vec!["^/a"; 16]).is_ok());
        assert_eq!(PathSet::new(vec!["^/a"; 17]).unwrap_err().kind(), ErrorKind::LimitExceeded);
    }

    #[test]
    fn disguised_paths_are_seen_through() {
        for path in [
            "/admin/x",
            "//admin//x",
            "/./admin/x",
            "/public/../admin/x",
            "/%61dmin/x",
            "/public/%2e%2e/admin/x",
            "/admin%2Fx",
            "/admin/x?y=/public",
            "/../admin/x",
            "/admin/x#f",
        ] {
            assert!(matches("/admin", path), "{path} {}", normalized(path));
        }
        assert_eq!(normalized("/%2561"), "/%61", "decoded once only");
        assert_eq!(normalized("/a%zz%4"), "/a%zz%4");
        assert_eq!(normalized(""), "/");
        assert_eq!(normalized("/a/.."), "/");
    }

    #[test]
    fn of_a_long_path_the_beginning_counts() {
        let (longest, long) = (format!("/{}", "a".repeat(8_191)), format!("/{}/edit", "a".repeat(8_187)));
        let pattern = |text| PathPattern::new(text).unwrap();
        assert!(pattern("/*").matches(&longest) && pattern("/*").may_match(&longest));
        assert!(!pattern("/b*").may_match(&longest));
        for (text, may_match) in [
            ("/**", true),
            ("/", true),
            ("/*/edit", true),
            ("/**.json", true),
            ("/*.json", false),
            ("/a", false),
            ("/b**", false),
        ] {
            assert!(!pattern(text).matches(&long), "{text}");
            assert_eq!(pattern(text).may_match(&long), may_match, "{text}");
        }
        let below = format!("/admin/{}", "a/".repeat(5_000));
        for text in ["/admin", "/admin/", "/admin/**", "/*/a/", "**/edit"] {
            assert!(pattern(text).may_match(&below), "{text}");
        }
        assert!(!pattern("/adm").may_match(&below));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_normal_forms_stay(path in ".*", pattern in "[/*a-c]{1,40}") {
            let path = normalized(&path);
            PathPattern::new(&pattern).unwrap().matches(&path);
            prop_assert!(path.starts_with('/'));
            prop_assert!(!path.split('/').any(|segment| segment == ".." || segment == "."));
        }
    }
}
