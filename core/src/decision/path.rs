//! Path patterns, and the normal form in which paths are compared.
//!
//! A pattern matches by equality; `*` stands for any run without `/`, `**` for any run; with a final `/` it is
//! the directory and everything below; without wildcards it also matches as a prefix that ends at a segment.

use crate::{Error, ErrorKind, Result};

/// A compiled path pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PathPattern(Vec<Part>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
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
        Ok(Self(parts))
    }

    /// Whether a normalised path matches.
    pub fn matches(&self, path: &str) -> bool {
        let has_wildcard = self.0.iter().any(|part| !matches!(part, Part::Byte(_)));
        let is_directory = self.0.last() == Some(&Part::Byte(b'/'));
        // Where the pattern may stop before the path ends.
        let may_stop = |rest: &[u8]| {
            rest.is_empty()
                || (is_directory && !has_wildcard)
                || (!has_wildcard && rest.first() == Some(&b'/'))
        };
        self.run(path.as_bytes(), |rest| may_stop(rest) || (is_directory && has_wildcard))
            || (is_directory && self.without_last().run(path.as_bytes(), <[u8]>::is_empty))
    }

    fn without_last(&self) -> Self {
        Self(self.0.split_last().map(|(_, front)| front.to_vec()).unwrap_or_default())
    }

    /// Runs all states of the pattern over the path at once; time is path times pattern, without backtracking.
    fn run(&self, path: &[u8], may_stop: impl Fn(&[u8]) -> bool) -> bool {
        let mut states = vec![false; self.0.len() + 1];
        self.enter(&mut states, 0);
        let mut rest = path;
        loop {
            if states.last() == Some(&true) && may_stop(rest) {
                return true;
            }
            let Some((byte, behind)) = rest.split_first() else { return false };
            states = self.step(&states, *byte);
            rest = behind;
        }
    }

    fn step(&self, states: &[bool], byte: u8) -> Vec<bool> {
        let mut next = vec![false; states.len()];
        for (place, part) in self.0.iter().enumerate() {
            if states.get(place) != Some(&true) {
                continue;
            }
            match part {
                Part::Byte(wanted) if *wanted == byte => self.enter(&mut next, place + 1),
                Part::Segment if byte != b'/' => self.enter(&mut next, place),
                Part::Anything => self.enter(&mut next, place),
                Part::Byte(_) | Part::Segment => {}
            }
        }
        next
    }

    /// Enters a state, and those behind wildcards that may stand for nothing.
    fn enter(&self, states: &mut [bool], mut place: usize) {
        loop {
            match states.get_mut(place) {
                Some(state) => *state = true,
                None => return,
            }
            match self.0.get(place) {
                Some(Part::Segment | Part::Anything) => place += 1,
                _ => return,
            }
        }
    }
}

/// The path without query and fragment, percent-decoded once, without dot segments and repeated slashes.
pub(super) fn normalized(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let decoded = percent_decoded(path);
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
