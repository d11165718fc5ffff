//! Counts by dimension and value: how often, and when last.

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
    /// How often others were seen, once there were more values than are kept.
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
        }
    }

    /// Whoever makes up paths makes this larger up to here and no further; what is seen often is not lost by it.
    fn shrink(&mut self) {
        for tally in self.0.values_mut().filter(|tally| tally.values.len() > MOST_VALUES) {
            let mut counts: Vec<u64> = tally.values.values().map(|counted| counted.count).collect();
            counts.sort_unstable_by(|left, right| right.cmp(left));
            let least = counts.get(MOST_VALUES).copied().unwrap_or_default();
            // Like the frequent-items summary of Misra and Gries: only what is seen more often than the first that
            // has no room stays for sure; the rest of the room goes to values in their order.
            let mut room = MOST_VALUES - counts.iter().filter(|count| **count > least).count();
            let other = &mut tally.other;
            tally.values.retain(|_, counted| {
                let has_room = counted.count == least && room > 0;
                room -= usize::from(has_room);
                let stays = has_room || counted.count > least;
                *other += if stays { 0 } else { counted.count };
                stays
            });
        }
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
}

/// Values of one dimension in one slot.
const MOST_VALUES: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(count: u64) -> Counted {
        Counted { count, last_at: Timestamp::from_milliseconds(7) }
    }

    #[test]
    fn a_flood_of_values_is_counted_and_pushes_out_nothing_frequent() {
        let mut tallies = Tallies::default();
        tallies.add("path", "/z", counted(900));
        for batch in 0..20 {
            let mut flood = Tallies::default();
            for number in 0..1_000 {
                flood.add("path", &format!("/{batch}/{number}"), counted(1));
            }
            flood.add("path", "/z", counted(1));
            tallies.merge(flood);
            tallies.shrink();
        }
        let tally = tallies.dimension("path").unwrap();
        assert_eq!(tally.values.len(), MOST_VALUES);
        assert_eq!(tallies.top("path")[0], ("/z", counted(920)));
        let kept: u64 = tally.values.values().map(|counted| counted.count).sum();
        assert_eq!(kept + tally.other, 920 + 20_000, "nothing is lost");
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
