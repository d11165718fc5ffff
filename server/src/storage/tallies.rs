//! Counts by dimension and value: how often, and when last.
//!
//! Exact while a dimension has at most 500 values in a slot (2,000 while slots are put together). Beyond that they are
//! frequent-items summaries (Misra and Gries, 1982; merged as by Agarwal et al., "Mergeable summaries", 2012): of N
//! things counted, the count of a value is never too high and too low by at most N / 501. Whoever makes up paths so
//! that there are too many takes at most a five-hundredth of his own noise from an honest count, and a path that has
//! more than that share of all is always there.

use std::collections::BTreeMap;

use quivive_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::rollups::Digest;

/// What was counted, by dimension: paths, agents, actions.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Tallies(BTreeMap<String, Tally>);

/// The values of one dimension.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Tally {
    /// The most frequent values; all of them as long as they are few.
    pub values: BTreeMap<String, Counted>,
    /// What is missing from the counts, once there were more values than are kept: the sum of everything else. The
    /// count of no value is too low by more than this divided by 501.
    pub other: u64,
}

/// How often a value was seen, and when last.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Counted {
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: Timestamp,
}

impl Tallies {
    /// Adds to a value of a dimension.
    pub fn add(&mut self, dimension: &str, value: &str, counted: Counted) {
        if !self.0.contains_key(dimension) {
            self.0.insert(dimension.to_owned(), Tally::default());
        }
        if let Some(tally) = self.0.get_mut(dimension) {
            tally.add(value, counted);
        }
    }

    /// The values of a dimension, the most frequent first; like ones in their order.
    pub fn top(&self, dimension: &str) -> Vec<(&str, Counted)> {
        let mut values: Vec<_> = self.values(dimension).collect();
        values.sort_by_key(|(_, counted)| std::cmp::Reverse(counted.count));
        values
    }

    /// The values of a dimension in their order.
    pub fn values(&self, dimension: &str) -> impl Iterator<Item = (&str, Counted)> {
        let values = self.0.get(dimension).into_iter().flat_map(|tally| &tally.values);
        values.map(|(value, counted)| (value.as_str(), *counted))
    }

    /// A dimension, if anything was counted there.
    pub fn dimension(&self, name: &str) -> Option<&Tally> {
        self.0.get(name)
    }
}

impl Digest for Tallies {
    fn merge(&mut self, other: Self) {
        for (dimension, tally) in other.0 {
            let known = self.0.entry(dimension).or_default();
            known.other += tally.other;
            for (value, counted) in tally.values {
                known.add(&value, counted);
            }
            if known.values.len() > MOST_MERGED {
                known.shrink();
            }
        }
    }

    fn shrink(&mut self) {
        self.0.values_mut().for_each(Tally::shrink);
    }
}

impl Tally {
    fn add(&mut self, value: &str, counted: Counted) {
        match self.values.get_mut(value) {
            Some(known) => {
                known.count += counted.count;
                known.last_at = known.last_at.max(counted.last_at);
            }
            None => {
                self.values.insert(value.to_owned(), counted);
            }
        }
    }

    /// Takes the count of the first value without room from every value; those with nothing left go.
    fn shrink(&mut self) {
        if self.values.len() <= MOST_VALUES {
            return;
        }
        let mut counts: Vec<u64> = self.values.values().map(|counted| counted.count).collect();
        let (_, taken, _) = counts.select_nth_unstable_by(MOST_VALUES, |left, right| right.cmp(left));
        let (taken, other) = (*taken, &mut self.other);
        self.values.retain(|_, counted| {
            *other += counted.count.min(taken);
            counted.count = counted.count.saturating_sub(taken);
            counted.count > 0
        });
    }
}

/// Values of one dimension in one slot.
const MOST_VALUES: usize = 500;

/// Values of one dimension while slots are put together.
const MOST_MERGED: usize = 4 * MOST_VALUES;

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(count: u64) -> Counted {
        Counted { count, last_at: Timestamp::from_milliseconds(7) }
    }

    /// So many values that nobody asks for twice.
    fn flood(from: usize, count: usize, each: u64) -> Tallies {
        let mut flood = Tallies::default();
        for number in from..from + count {
            flood.add("path", &format!("/made-up/{number}"), counted(each));
        }
        flood
    }

    #[test]
    fn counts_are_exact_while_values_are_few() {
        let mut tallies = Tallies::default();
        for _ in 0..100 {
            tallies.merge(flood(0, MOST_VALUES, 3));
            tallies.shrink();
        }
        let tally = tallies.dimension("path").unwrap();
        assert_eq!((tally.values.len(), tally.other), (MOST_VALUES, 0));
        assert!(tally.values.values().all(|counted| counted.count == 300));
    }

    #[test]
    fn a_flood_of_values_is_bounded_and_pushes_out_nothing_frequent() {
        let mut tallies = Tallies::default();
        tallies.add("path", "/z", counted(900));
        for batch in 0..20 {
            let mut part = flood(batch * 1_000, 1_000, 1);
            part.add("path", "/z", counted(1));
            tallies.merge(part);
            tallies.shrink();
            assert!(tallies.dimension("path").unwrap().values.len() <= MOST_VALUES);
        }
        let tally = tallies.dimension("path").unwrap();
        let (path, found) = tallies.top("path")[0];
        let most_missing = (920 + 20_000) / 501;
        assert_eq!(path, "/z");
        assert!((920 - most_missing..=920).contains(&found.count), "{found:?}");
        let kept: u64 = tally.values.values().map(|counted| counted.count).sum();
        assert_eq!(kept + tally.other, 920 + 20_000, "nothing is lost");
    }

    /// Values that were asked for very often once must not hide, for ever after, one that is asked for again and again.
    #[test]
    fn an_old_flood_hides_no_value_that_keeps_coming() {
        let mut tallies = flood(0, MOST_VALUES + 1, 1_000);
        tallies.shrink();
        let batches = 2_000;
        for batch in 0..batches {
            let mut part = flood(1_000_000 + batch * 10, 10, 1);
            part.add("path", "/checkout", counted(500));
            tallies.merge(part);
            tallies.shrink();
        }
        let true_count = 500 * batches as u64;
        let total = 1_000 * (MOST_VALUES as u64 + 1) + true_count + 10 * batches as u64;
        let (path, found) = tallies.top("path")[0];
        assert_eq!(path, "/checkout");
        assert!((true_count - total / 501..=true_count).contains(&found.count), "{found:?} of {true_count}");
    }

    #[test]
    fn merging_alone_is_bounded() {
        let mut tallies = Tallies::default();
        for part in 0..200 {
            tallies.merge(flood(part * MOST_VALUES, MOST_VALUES, 1));
            assert!(tallies.dimension("path").unwrap().values.len() <= MOST_MERGED);
        }
        let tally = tallies.dimension("path").unwrap();
        let kept: u64 = tally.values.values().map(|counted| counted.count).sum();
        assert_eq!(kept + tally.other, 200 * MOST_VALUES as u64);
    }

    #[test]
    fn merging_adds_and_keeps_the_latest_moment() {
        let at = Timestamp::from_milliseconds;
        let mut tallies = Tallies::default();
        tallies.add("agent", "a", Counted { count: 2, last_at: at(9) });
        let mut other = Tallies::default();
        other.add("agent", "a", Counted { count: 3, last_at: at(5) });
        other.add("agent", "b", Counted { count: 5, last_at: at(5) });
        tallies.merge(other);
        assert_eq!(
            tallies.top("agent"),
            [("a", Counted { count: 5, last_at: at(9) }), ("b", Counted { count: 5, last_at: at(5) })]
        );
    }
}
