//! What a family draws from the seed: numbers, words, orders and wordings.

use std::ops::RangeInclusive;

use super::words::{NAMES, NOUNS};
use crate::crypto::RandomStream;

/// The random choices of one challenge, all from its seed.
pub(super) struct Draw {
    stream: RandomStream,
}

impl Draw {
    /// Starts over from a seed.
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        Self { stream: RandomStream::new(seed, "reasoning challenge") }
    }

    /// The next `N` bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        self.stream.bytes()
    }

    /// A whole number of the range, each equally likely.
    pub(super) fn number(&mut self, range: RangeInclusive<i64>) -> i64 {
        let count = u32::try_from(range.end() - range.start() + 1).unwrap_or(0);
        range.start() + i64::from(self.below(count))
    }

    /// A position in a list of this length.
    pub(super) fn index(&mut self, length: usize) -> usize {
        self.below(u32::try_from(length).unwrap_or(0)).try_into().unwrap_or(0)
    }

    /// Either, equally likely.
    pub(super) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    /// One of the items; `None` when there are none.
    pub(super) fn any<T>(&mut self, mut items: impl Iterator<Item = T> + Clone) -> Option<T> {
        let count = items.clone().count();
        items.nth(self.index(count))
    }

    /// One of the words.
    pub(super) fn word<'a>(&mut self, words: &[&'a str]) -> &'a str {
        self.any(words.iter().copied()).unwrap_or_default()
    }

    /// One of the words that fit; most or at least many of them must.
    pub(super) fn word_that<'a>(&mut self, words: &[&'a str], fits: impl Fn(&str) -> bool) -> &'a str {
        loop {
            let word = self.word(words);
            if fits(word) {
                return word;
            }
        }
    }

    /// `N` different words of a list that has at least as many.
    pub(super) fn words<const N: usize>(&mut self, words: &[&'static str]) -> [&'static str; N] {
        let mut drawn = [""; N];
        for place in 0..N {
            loop {
                let word = self.word(words);
                if !drawn.contains(&word) {
                    if let Some(free) = drawn.get_mut(place) {
                        *free = word;
                    }
                    break;
                }
            }
        }
        drawn
    }

    /// `N` different names.
    pub(super) fn names<const N: usize>(&mut self) -> [&'static str; N] {
        self.words(NAMES)
    }

    /// `N` different nouns.
    pub(super) fn nouns<const N: usize>(&mut self) -> [&'static str; N] {
        self.words(NOUNS)
    }

    /// `N` different numbers of a range that has at least as many.
    pub(super) fn numbers<const N: usize>(&mut self, range: RangeInclusive<i64>) -> [i64; N] {
        let mut drawn = Vec::with_capacity(N);
        while drawn.len() < N {
            let number = self.number(range.clone());
            if !drawn.contains(&number) {
                drawn.push(number);
            }
        }
        drawn.try_into().unwrap_or([0; N])
    }

    /// Puts the items into a random order (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.index(end + 1));
        }
    }

    /// One of several wordings.
    pub(super) fn wording<const N: usize>(&mut self, mut wordings: [String; N]) -> String {
        let index = self.index(N);
        wordings.get_mut(index).map(std::mem::take).unwrap_or_default()
    }

    /// Asks for a bare number.
    pub(super) fn number_only(&mut self) -> &'static str {
        self.word(&[
            "Answer with the number only.",
            "Reply with just the number, in digits.",
            "Give only the number.",
            "The answer is a single number in digits, nothing else.",
        ])
    }

    /// Asks for a bare word.
    pub(super) fn word_only(&mut self) -> &'static str {
        self.word(&[
            "Answer with that one word only.",
            "Reply with just the word.",
            "Give only the word.",
            "The answer is a single word, nothing else.",
        ])
    }

    /// Asks for bare letters that form no word.
    pub(super) fn letters_only(&mut self) -> &'static str {
        self.word(&[
            "Answer with the letters only, without spaces.",
            "Reply with just the resulting letters, written together.",
            "Give only the letters, with nothing between them.",
        ])
    }

    /// Asks for a bare name.
    pub(super) fn name_only(&mut self) -> &'static str {
        self.word(&[
            "Answer with the name only.",
            "Reply with just the name.",
            "Give only the name.",
            "The answer is a single name, nothing else.",
        ])
    }

    /// As [`RandomStream::below`], but small bounds, which are nearly all, take a byte and not four.
    fn below(&mut self, bound: u32) -> u32 {
        match u8::try_from(bound) {
            Err(_) => self.stream.below(bound),
            Ok(0) => 0,
            Ok(bound) => loop {
                let [drawn] = self.stream.bytes();
                // Numbers from the incomplete last run would favour small remainders, so they are drawn again.
                if drawn < u8::MAX - u8::MAX % bound {
                    return u32::from(drawn % bound);
                }
            },
        }
    }
}

/// The items of a list as they are read out: `a, b and c`.
pub(super) fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items.split_last() {
        None => String::new(),
        Some((last, [])) => last.as_ref().to_owned(),
        Some((last, rest)) => {
            let rest: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", rest.join(", "), last.as_ref())
        }
    }
}

/// A noun with its indefinite article.
pub(super) fn indefinite(noun: &str) -> String {
    let article =
        if noun.starts_with(['a', 'e', 'i', 'o']) || noun.starts_with("um") || noun.starts_with("ur") {
            "an"
        } else {
            "a"
        };
    format!("{article} {noun}")
}

/// The plural of a noun of the lists.
pub(super) fn plural(noun: &str) -> String {
    let ending =
        if noun.ends_with(['s', 'x']) || noun.ends_with("ch") || noun.ends_with("sh") { "es" } else { "s" };
    format!("{noun}{ending}")
}

/// `1st`, `2nd`, `3rd`, `4th`.
pub(super) fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// A clock time of a day in minutes since midnight, `HH:MM`.
pub(super) fn clock(minutes: i64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_good_english() {
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!((list(&["a"]), list::<&str>(&[])), ("a".to_owned(), String::new()));
        assert_eq!((indefinite("otter"), indefinite("uniform")), ("an otter".into(), "a uniform".into()));
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 112].map(ordinal).join(" "),
            "1st 2nd 3rd 4th 11th 12th 13th 21st 112th"
        );
        assert_eq!(
            (plural("torch"), plural("compass"), plural("key")),
            ("torches".into(), "compasses".into(), "keys".into())
        );
        assert_eq!(clock(605), "10:05");
    }

    #[test]
    fn small_numbers_are_uniform() {
        for bound in [2, 3, 7, 60, 128, 186, 255] {
            let (mut draw, mut counts) = (Draw::new(&[3; 32]), vec![0_u32; bound]);
            for _ in 0..bound * 2000 {
                counts[draw.index(bound)] += 1;
            }
            // Chi-squared per degree of freedom; beyond 2.5 less than once in a thousand for all but the smallest.
            let chi: f64 = counts.iter().map(|&count| (f64::from(count) - 2000.0).powi(2) / 2000.0).sum();
            let degrees = f64::from(u32::try_from(bound - 1).unwrap());
            assert!(chi / degrees < if bound < 10 { 8.0 } else { 2.5 }, "{bound}: {chi}");
        }
        assert_eq!((Draw::new(&[3; 32]).index(0), Draw::new(&[3; 32]).index(1)), (0, 0));
    }

    #[test]
    fn draws_stay_in_range_and_differ() {
        let mut draw = Draw::new(&[1; 32]);
        let drawn: Vec<i64> = (0..1000).map(|_| draw.number(-2..=3)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&-2), Some(&3)));
        let mut numbers = draw.numbers::<6>(1..=6);
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
        let mut names = draw.names::<40>();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        let mut order: Vec<u32> = (0..52).collect();
        draw.shuffle(&mut order);
        assert_ne!(order, (0..52).collect::<Vec<u32>>());
        order.sort_unstable();
        assert_eq!(order, (0..52).collect::<Vec<u32>>());
    }
}
