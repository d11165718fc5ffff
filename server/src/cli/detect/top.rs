//! Counting what is frequent in bounded memory.

use std::collections::HashMap;

/// Counts of texts. When there are too many, the rare half is forgotten: counts of frequent texts stay, those of a
/// text that comes back later may be too low.
#[derive(Debug, Default)]
pub(super) struct Top {
    counts: HashMap<Box<str>, u64>,
    /// Whether texts were forgotten.
    pub is_rough: bool,
}

impl Top {
    /// Counts a text; only its beginning is kept.
    pub fn add(&mut self, text: &str) {
        let kept = match text.char_indices().nth(LONGEST) {
            Some((end, _)) => text.get(..end).unwrap_or(text),
            None => text,
        };
        if let Some(count) = self.counts.get_mut(kept) {
            *count += 1;
            return;
        }
        if self.counts.len() >= MOST {
            let mut all: Vec<u64> = self.counts.values().copied().collect();
            let (_, median, _) = all.select_nth_unstable(MOST / 2);
            let least = *median;
            self.counts.retain(|_, count| *count > least);
            self.is_rough = true;
        }
        self.counts.insert(kept.into(), 1);
    }

    /// The most frequent texts, by count and then by text.
    pub fn first(&self, most: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self.counts.iter().map(|(text, count)| (&**text, *count)).collect();
        all.sort_unstable_by(|(text, count), (other, others)| others.cmp(count).then(text.cmp(other)));
        all.truncate(most);
        all
    }
}

const MOST: usize = 20_000;
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_texts_stay_exact_among_many_rare_ones() {
        let mut top = Top::default();
        for number in 0..100_000 {
            top.add(&format!("/page/{number}"));
            top.add(if number % 2 == 0 { "/a" } else { "/b" });
        }
        top.add("/a");
        assert_eq!(top.first(2), [("/a", 50_001), ("/b", 50_000)]);
        assert!(top.is_rough && top.counts.len() <= MOST);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let mut top = Top::default();
        top.add(&"é".repeat(500));
        assert_eq!(top.first(9).first().unwrap().0.chars().count(), LONGEST);
        assert!(!top.is_rough);
    }
}
