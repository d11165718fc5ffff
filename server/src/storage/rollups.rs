//! What a batch of events adds to the rollups of every slot: the same for each backend.

use std::collections::BTreeMap;

use quivive_core::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::distinct::Distinct;
use super::tallies::{Counted, Tallies};
use super::{Error, Event, Result, Slot};

/// Something that is stored in parts, which are put together when it is read.
pub trait Digest: Default + Serialize + DeserializeOwned {
    /// Puts another part in. However many are, the whole stays within a bound.
    fn merge(&mut self, other: Self);

    /// Takes it back to the size that one slot may have.
    fn shrink(&mut self);

    /// The form in storage.
    ///
    /// # Errors
    /// [`Error::Corrupt`]; never for what this crate stores.
    fn encode(&self) -> Result<Vec<u8>> {
        postcard::to_allocvec(self).map_err(corrupt)
    }

    /// Reads the form in storage.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for anything else.
    fn decode(bytes: &[u8]) -> Result<Self> {
        postcard::from_bytes(bytes).map_err(corrupt)
    }
}

/// One slot of a stream and tenant.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place<'a> {
    pub kind: &'a str,
    pub project: &'a str,
    pub slot: Slot,
    pub at: Timestamp,
}

/// What events add.
#[derive(Default)]
pub(super) struct Additions<'a> {
    /// Count and sum of scores by label.
    pub counts: BTreeMap<(Place<'a>, &'a str), (i64, f64)>,
    /// Tallies.
    pub tallies: BTreeMap<Place<'a>, Tallies>,
    /// Sets by name.
    pub sets: BTreeMap<(Place<'a>, &'static str), Distinct>,
}

impl<'a> Additions<'a> {
    /// What these events add.
    pub fn of(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut added = Self::default();
        let mut members: BTreeMap<(Place<'a>, &'static str), Vec<(&str, u64)>> = BTreeMap::new();
        for event in events {
            let (kind, project, slot) = (&*event.kind, &*event.project, Slot::FiveMinutes);
            let place = Place { kind, project, slot, at: slot.start(event.at) };
            let count = added.counts.entry((place, &event.label)).or_default();
            *count = (count.0 + 1, count.1 + event.score.unwrap_or(0.0));
            if !event.tallies.is_empty() {
                let tallies = added.tallies.entry(place).or_default();
                for (dimension, value) in &event.tallies {
                    tallies.add(dimension, value, Counted { count: 1, last_at: event.at });
                }
            }
            for member in &event.members {
                members.entry((place, member.set)).or_default().push((member.class, member.identity));
            }
        }
        added.sets = members.into_iter().map(|(key, members)| (key, Distinct::of(members))).collect();
        added.widened()
    }

    /// The wider slots, put together from the finest.
    fn widened(mut self) -> Self {
        for slot in Slot::ALL.into_iter().skip(1) {
            let wide = |place: &Place<'a>| Place { slot, at: slot.start(place.at), ..*place };
            let finest = |place: &Place<'_>| place.slot == Slot::FiveMinutes;
            let mut counts: BTreeMap<_, (i64, f64)> = BTreeMap::new();
            for ((place, label), (count, sum)) in self.counts.iter().filter(|((place, _), _)| finest(place)) {
                let total = counts.entry((wide(place), *label)).or_default();
                *total = (total.0 + count, total.1 + sum);
            }
            let mut tallies: BTreeMap<_, Tallies> = BTreeMap::new();
            for (place, tally) in self.tallies.iter().filter(|(place, _)| finest(place)) {
                tallies.entry(wide(place)).or_default().merge(tally.clone());
            }
            let mut sets: BTreeMap<_, Distinct> = BTreeMap::new();
            for ((place, name), set) in self.sets.iter().filter(|((place, _), _)| finest(place)) {
                sets.entry((wide(place), *name)).or_default().merge(set.clone());
            }
            self.counts.extend(counts);
            self.tallies.extend(tallies);
            self.sets.extend(sets);
        }
        self
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn corrupt(error: postcard::Error) -> Error {
    Error::Corrupt { kind: "rollup".to_owned(), reason: error.to_string() }
}
