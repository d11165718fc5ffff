//! Finds all texts of a set in one pass, ignoring the case of ASCII letters, by an automaton of Aho and Corasick;
//! phrases that stand in nearly every text are read in one step.

use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::{Anchored, BuildError, MatchKind};

use super::place::Place;
use crate::{Error, Result};

/// A set of texts, each with what it stands for.
#[derive(Debug)]
pub(super) struct Finder<T> {
    automaton: Automaton,
    start: StateID,
    /// What the automaton's patterns stand for.
    wanted: Vec<Wanted<T>>,
}

/// What a pattern stands for.
#[derive(Clone, Debug)]
enum Wanted<T> {
    /// A text of the set, with its length.
    Text(T, usize),
    /// The beginning of a phrase.
    Beginning(Phrase<T>),
}

/// What follows so often on a beginning that it is compared as a whole.
#[derive(Clone, Debug)]
struct Phrase<T> {
    /// The state behind its beginning, where no longer text has begun before.
    begun: StateID,
    rest: &'static [u8],
    /// The texts that end inside of it, with their lengths and their ends in it.
    ends: Vec<(T, usize, usize)>,
    /// The state behind it.
    state: StateID,
}

impl<T: Copy> Finder<T> {
    /// A set of texts, and phrases that change the speed only. Empty texts are never found.
    ///
    /// # Errors
    /// `INVALID_INPUT` for more texts than the automaton can hold.
    pub fn new(texts: &[(String, T)], phrases: &[&'static str]) -> Result<Self> {
        let texts: Vec<_> = texts.iter().filter(|(text, _)| !text.is_empty()).collect();
        let phrases: Vec<_> =
            phrases.iter().filter_map(|phrase| phrase.split_at_checked(BEGINNING)).collect();
        let patterns = texts.iter().map(|(text, _)| text.as_str());
        let automaton = compile(patterns.chain(phrases.iter().map(|(beginning, _)| *beginning)))
            .map_err(|error| too_large(&error))?;
        let start = automaton.start_state(Anchored::No).map_err(|error| too_large(&error))?;
        let wanted = texts.iter().map(|(text, value)| Wanted::Text(*value, text.len())).collect();
        let mut finder = Self { automaton, start, wanted };
        for (beginning, rest) in phrases {
            let phrase = finder.phrase(beginning.as_bytes(), rest.as_bytes());
            finder.wanted.push(Wanted::Beginning(phrase));
        }
        Ok(finder)
    }

    /// Calls `found` for every text of the set that stands in a text, in the order of their ends; of those that end
    /// together the longer goes first, and of equal ones the one that was given first.
    pub fn find<'t>(&self, text: &'t [u8], mut found: impl FnMut(T, Place<'t>)) {
        let mut state = self.start;
        let mut end = 0_usize;
        while let Some(byte) = text.get(end) {
            end += 1;
            state = self.automaton.next_state(Anchored::No, state, *byte);
            if !self.automaton.is_special(state) {
                continue;
            }
            let mut next = None;
            for wanted in self.wanted_at(state) {
                match wanted {
                    Wanted::Text(value, length) => {
                        found(*value, Place { text, start: end.saturating_sub(*length), end });
                    }
                    Wanted::Beginning(phrase) if phrase.begun == state && next.is_none() => {
                        let is_next = text.get(end..).is_some_and(|rest| rest.starts_with(phrase.rest));
                        next = Some(phrase).filter(|_| is_next);
                    }
                    Wanted::Beginning(_) => {}
                }
            }
            if let Some(phrase) = next {
                for (value, length, inside) in &phrase.ends {
                    let end = end + inside;
                    found(*value, Place { text, start: end.saturating_sub(*length), end });
                }
                end += phrase.rest.len();
                state = phrase.state;
            }
        }
    }

    fn wanted_at(&self, state: StateID) -> impl Iterator<Item = &Wanted<T>> {
        let count = if self.automaton.is_match(state) { self.automaton.match_len(state) } else { 0 };
        (0..count)
            .filter_map(move |index| self.wanted.get(self.automaton.match_pattern(state, index).as_usize()))
    }

    fn phrase(&self, beginning: &[u8], rest: &'static [u8]) -> Phrase<T> {
        let step = |state, byte: &u8| self.automaton.next_state(Anchored::No, state, *byte);
        let begun = beginning.iter().fold(self.start, step);
        let mut phrase = Phrase { begun, rest, ends: Vec::new(), state: begun };
        for (byte, inside) in rest.iter().zip(1..) {
            phrase.state = step(phrase.state, byte);
            for wanted in self.wanted_at(phrase.state) {
                if let Wanted::Text(value, length) = wanted {
                    phrase.ends.push((*value, *length, inside));
                }
            }
        }
        phrase
    }
}

/// Tables of a few megabytes for speed.
#[cfg(not(target_family = "wasm"))]
type Automaton = aho_corasick::dfa::DFA;
/// A small automaton: in a page or at the edge size counts.
#[cfg(target_family = "wasm")]
type Automaton = aho_corasick::nfa::contiguous::NFA;

fn compile<'p>(patterns: impl Iterator<Item = &'p str>) -> std::result::Result<Automaton, BuildError> {
    Automaton::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .prefilter(false)
        .build(patterns)
}

fn too_large(error: &dyn std::fmt::Display) -> Error {
    Error::invalid_input(format!("tokens and words cannot be compiled: {error}"))
}

/// The bytes by which a phrase is recognized.
const BEGINNING: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 9] = ["he", "she", "his", "HERS", "s", "he", "mozilla/", "a/5", "é"];

    fn found(phrases: &[&'static str], text: &str) -> Vec<(usize, usize, usize)> {
        let wanted: Vec<(String, usize)> = TEXTS.map(str::to_owned).into_iter().zip(0..).collect();
        let finder = Finder::new(&wanted, phrases).unwrap();
        let mut found = Vec::new();
        finder.find(text.as_bytes(), |value, place| found.push((value, place.start, place.end)));
        found
    }

    /// All texts at all places, one by one.
    fn expected(text: &str) -> Vec<(usize, usize, usize)> {
        let lower = text.to_ascii_lowercase();
        let mut found: Vec<(usize, usize, usize)> = Vec::new();
        for (value, wanted) in TEXTS.iter().enumerate() {
            let wanted = wanted.to_ascii_lowercase();
            let ends = (0..=lower.len()).filter(|end| lower.as_bytes()[..*end].ends_with(wanted.as_bytes()));
            found.extend(ends.map(|end| (value, end - wanted.len(), end)));
        }
        found.sort_by_key(|(value, start, end)| (*end, *start, *value));
        found
    }

    #[test]
    fn overlapping_texts_are_found_in_the_order_of_their_ends() {
        let all = [(4, 1, 2), (1, 1, 4), (0, 2, 4), (5, 2, 4), (3, 2, 6), (4, 5, 6)];
        assert_eq!(found(&[], "uSHERs"), all);
        assert_eq!(found(&[], ""), []);
        assert_eq!(found(&[], "É é").len(), 1);
    }

    #[test]
    fn texts_that_are_empty_are_never_found() {
        let finder = Finder::new(&[(String::new(), 1)], &[]).unwrap();
        finder.find(b"text", |_, _| panic!("found"));
    }

    proptest::proptest! {
        #[test]
        fn phrases_change_no_result(parts in proptest::collection::vec(
            proptest::sample::select(vec!["Mozilla/5.0 (", "Mozi", "mozilla/5.0 (", "he", "S", "his", "lla/5", " ", "rs", "é", "("]),
            0..12,
        )) {
            let text = parts.concat();
            proptest::prop_assert_eq!(found(&["Mozilla/5.0 (he", "mozilla/5"], &text), expected(&text));
            proptest::prop_assert_eq!(found(&[], &text), expected(&text));
        }
    }
}
