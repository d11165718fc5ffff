//! Finds all texts of a set in one pass, ignoring the case of ASCII letters: the automaton of Aho and Corasick
//! (Efficient string matching, 1975) as one table that is made in a millisecond.
//!
//! Unlike a general library of it, it reads phrases that stand in nearly every text in one step.

use std::collections::BTreeSet;

use super::place::Place;
use crate::{Error, ErrorKind, Result};

/// A set of texts, each with what it stands for.
#[derive(Debug)]
pub(super) struct Finder<T> {
    /// The column of every byte in a row of `steps`; bytes of no text share one.
    columns: [u8; 256],
    /// The length of a row.
    width: usize,
    /// A row for each state. First comes the place of its stop, then where its row begins by the next byte, with
    /// [`STOP`] where there is something to do.
    steps: Vec<u32>,
    /// The first one is that of all states without any.
    stops: Vec<Stop<T>>,
}

/// What there is to do at a state.
#[derive(Clone, Debug)]
struct Stop<T> {
    /// The texts that end here, with their lengths.
    ends: Vec<(T, usize)>,
    phrases: Vec<Phrase<T>>,
}

/// What follows on a state so often that it is compared as a whole.
#[derive(Clone, Debug)]
struct Phrase<T> {
    rest: &'static [u8],
    /// The texts that end inside of it, with their lengths and their ends in it.
    ends: Vec<(T, usize, usize)>,
    /// The state behind it.
    state: u32,
}

impl<T: Copy> Finder<T> {
    /// A set of texts, and phrases that begin as a text of the set does; others bring nothing. Empty texts are never
    /// found.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` for texts with more than 65,535 different beginnings.
    pub fn new(wanted: &[(String, T)], phrases: &[&'static str]) -> Result<Self> {
        let bytes: BTreeSet<u8> =
            wanted.iter().flat_map(|(text, _)| text.bytes()).map(|byte| byte.to_ascii_lowercase()).collect();
        let mut columns = [1; 256];
        for (byte, column) in bytes.iter().zip(2..) {
            for same in [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()] {
                put(&mut columns, usize::from(same), column);
            }
        }
        let nothing = Stop { ends: Vec::new(), phrases: Vec::new() };
        let mut finder = Self { columns, width: bytes.len() + 2, steps: Vec::new(), stops: vec![nothing] };
        finder.add_state()?;
        finder.add(wanted)?;
        let beginnings: Vec<_> = phrases.iter().filter_map(|phrase| finder.beginning(phrase)).collect();
        finder.close();
        for (state, rest) in beginnings {
            let phrase = finder.phrase(state, rest);
            finder.stop_at(state).into_iter().for_each(|stop| stop.phrases.push(phrase.clone()));
        }
        finder.mark_stops();
        Ok(finder)
    }

    /// Calls `found` for every text of the set that stands in a text, in the order of their ends; of those that end
    /// together the longer goes first, and of equal ones the one that was given first.
    pub fn find<'t>(&self, text: &'t [u8], mut found: impl FnMut(T, Place<'t>)) {
        let mut state = 0;
        let mut end = 0_usize;
        while let Some(byte) = text.get(end) {
            end += 1;
            state = self.step(state, *byte);
            if state < STOP {
                continue;
            }
            state &= !STOP;
            let Some(Stop { ends, phrases }) = self.stop(state) else { continue };
            for (value, length) in ends {
                found(*value, Place { text, start: end.saturating_sub(*length), end });
            }
            let is_next =
                |phrase: &&Phrase<T>| text.get(end..).is_some_and(|rest| rest.starts_with(phrase.rest));
            if let Some(phrase) = phrases.iter().find(is_next) {
                for (value, length, inside) in &phrase.ends {
                    let end = end + inside;
                    found(*value, Place { text, start: end.saturating_sub(*length), end });
                }
                end += phrase.rest.len();
                state = phrase.state;
            }
        }
    }

    fn step(&self, state: u32, byte: u8) -> u32 {
        get(&self.steps, self.place(state, byte))
    }

    fn place(&self, state: u32, byte: u8) -> usize {
        state as usize + usize::from(get(&self.columns, byte.into()))
    }

    fn stop(&self, state: u32) -> Option<&Stop<T>> {
        self.stops.get(get(&self.steps, state as usize) as usize)
    }

    /// The stop of a state to be written to.
    fn stop_at(&mut self, state: u32) -> Option<&mut Stop<T>> {
        if get(&self.steps, state as usize) == 0 {
            put(&mut self.steps, state as usize, u32::try_from(self.stops.len()).ok()?);
            self.stops.push(self.stops.first()?.clone());
        }
        self.stops.get_mut(get(&self.steps, state as usize) as usize)
    }

    /// Adds the first bytes of all texts, then the second ones: the states that are passed most often lie together.
    fn add(&mut self, wanted: &[(String, T)]) -> Result<()> {
        let mut rest: Vec<_> =
            wanted.iter().map(|(text, value)| (text.bytes(), 0, text.len(), *value)).collect();
        while !rest.is_empty() {
            for (bytes, state, length, value) in &mut rest {
                let Some(byte) = bytes.next() else { continue };
                let place = self.place(*state, byte);
                if get(&self.steps, place) == 0 {
                    let next = self.add_state()?;
                    put(&mut self.steps, place, next);
                }
                *state = get(&self.steps, place);
                if bytes.len() == 0 {
                    self.stop_at(*state).into_iter().for_each(|stop| stop.ends.push((*value, *length)));
                }
            }
            rest.retain(|(bytes, ..)| bytes.len() > 0);
        }
        Ok(())
    }

    fn add_state(&mut self) -> Result<u32> {
        let state =
            u32::try_from(self.steps.len()).ok().filter(|_| self.steps.len() < MAXIMUM_STATES * self.width);
        self.steps.resize(self.steps.len() + self.width, 0);
        state.ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "too many tokens and words"))
    }

    /// The state behind the first bytes of a phrase, and its other bytes.
    fn beginning(&self, phrase: &'static str) -> Option<(u32, &'static [u8])> {
        let (beginning, rest) = phrase.as_bytes().split_at_checked(BEGINNING)?;
        let step = |state, byte: &u8| Some(self.step(state, *byte)).filter(|next| *next > 0);
        Some((beginning.iter().try_fold(0, step)?, rest))
    }

    /// Leads every step that continues no text to the state of the longest ending that does.
    fn close(&mut self) {
        let mut fallbacks = vec![0; self.steps.len() / self.width];
        // Shorter beginnings come first.
        for row in 0..fallbacks.len() {
            let [state, fallback] = [row * self.width, get(&fallbacks, row) as usize];
            for column in 1..self.width {
                let [next, shorter] = [state, fallback].map(|state| get(&self.steps, state + column));
                if next == 0 {
                    put(&mut self.steps, state + column, shorter);
                } else if state > 0 {
                    put(&mut fallbacks, next as usize / self.width, shorter);
                    let ends = self.stop(shorter).map(|stop| stop.ends.clone()).unwrap_or_default();
                    if !ends.is_empty() {
                        self.stop_at(next).into_iter().for_each(|stop| stop.ends.extend(&ends));
                    }
                }
            }
        }
    }

    fn phrase(&self, beginning: u32, rest: &'static [u8]) -> Phrase<T> {
        let mut phrase = Phrase { rest, ends: Vec::new(), state: beginning };
        for (byte, inside) in rest.iter().zip(1..) {
            phrase.state = self.step(phrase.state, *byte);
            let ends = self.stop(phrase.state).into_iter().flat_map(|stop| &stop.ends);
            phrase.ends.extend(ends.map(|(value, length)| (*value, *length, inside)));
        }
        phrase
    }

    fn mark_stops(&mut self) {
        for state in (0..self.steps.len()).step_by(self.width) {
            for place in state + 1..state + self.width {
                let next = get(&self.steps, place);
                if get(&self.steps, next as usize) > 0 {
                    put(&mut self.steps, place, next | STOP);
                }
            }
        }
    }
}

/// Every place that is asked for exists.
fn get<N: Copy + Default>(numbers: &[N], place: usize) -> N {
    numbers.get(place).copied().unwrap_or_default()
}

fn put<N: Copy>(numbers: &mut [N], place: usize, number: N) {
    numbers.get_mut(place).into_iter().for_each(|old| *old = number);
}

/// In a step: there is something to do.
const STOP: u32 = 1 << 31;
const MAXIMUM_STATES: usize = 1 << 16;
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
        assert_eq!(
            found(&[], "uSHERs"),
            [(1, 1, 4), (0, 2, 4), (5, 2, 4), (3, 2, 6), (4, 5, 6)].into_iter().fold(
                vec![(4, 1, 2)],
                |mut all, one| {
                    all.push(one);
                    all
                }
            )
        );
        assert_eq!(found(&[], ""), []);
        assert_eq!(found(&[], "É é").len(), 1);
    }

    #[test]
    fn texts_that_are_empty_are_never_found() {
        let finder = Finder::new(&[(String::new(), 1)], &[]).unwrap();
        finder.find(b"text", |_, _| panic!("found"));
    }

    #[test]
    fn too_many_beginnings_are_refused() {
        let wanted: Vec<(String, ())> =
            (10_000..20_000).map(|number| (format!("{number}-{number}"), ())).collect();
        assert!(Finder::new(&wanted, &[]).is_err());
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
