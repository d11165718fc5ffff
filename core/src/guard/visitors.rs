//! The pace of each visitor's requests, counted in bounded memory.
//!
//! Visitors stand in small groups by their key; where a group is full, the longest unseen makes room. Nothing is
//! allocated beyond that, whatever visitors do.

use std::sync::{Mutex, PoisonError};

use crate::Timestamp;
use crate::agent::BehaviorFacts;

/// What names a visitor: a keyed hash of address and user agent.
pub(super) type VisitorKey = [u8; 16];

/// Counters of visitors.
pub(super) struct Visitors(Vec<Mutex<Vec<Visitor>>>);

/// The requests of one visitor in the last five minutes.
struct Visitor {
    key: VisitorKey,
    latest: i64,
    /// The milliseconds of the last requests, modulo 2^32; the next one takes the place of the oldest.
    recent: [u32; RECENT],
    next: usize,
    known: usize,
    /// Requests in each of the last slots; the place of a slot is its number modulo their count.
    slots: [u16; SLOTS],
}

/// What the counters show, this request included.
pub(super) struct Pace {
    pub behavior: BehaviorFacts,
    pub last_300_seconds: u32,
}

impl Visitors {
    pub fn new(most: u32) -> Self {
        let groups = usize::try_from(most).unwrap_or(usize::MAX).div_ceil(GROUP).clamp(1, MOST_GROUPS);
        Self((0..groups).map(|_| Mutex::default()).collect())
    }

    /// Counts a request of a visitor.
    pub fn count(&self, key: VisitorKey, now: Timestamp) -> Pace {
        let now = now.milliseconds();
        let [first, second, third, fourth, ..] = key;
        let number = u32::from_le_bytes([first, second, third, fourth]);
        let place = usize::try_from(number).unwrap_or_default() % self.0.len().max(1);
        let Some(group) = self.0.get(place) else { return Visitor::new(key, now).counted(now) };
        let mut group = group.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(visitor) = group.iter_mut().find(|visitor| visitor.key == key) {
            return visitor.counted(now);
        }
        let mut visitor = Visitor::new(key, now);
        let pace = visitor.counted(now);
        if group.len() < GROUP {
            group.push(visitor);
        } else if let Some(oldest) = group.iter_mut().min_by_key(|visitor| visitor.latest) {
            *oldest = visitor;
        }
        pace
    }
}

impl Visitor {
    fn new(key: VisitorKey, now: i64) -> Self {
        Self { key, latest: now, recent: [0; RECENT], next: 0, known: 0, slots: [0; SLOTS] }
    }

    fn counted(&mut self, now: i64) -> Pace {
        // A clock that was set back does not bring back what has passed.
        let now = now.max(self.latest);
        self.forget_until(now);
        self.latest = now;
        if let Some(time) = self.recent.get_mut(self.next) {
            *time = modulo(now);
        }
        self.next = (self.next + 1) % RECENT;
        self.known = (self.known + 1).min(RECENT);
        if let Some(count) = self.slots.get_mut(place_of(slot_of(now))) {
            *count = count.saturating_add(1);
        }
        self.pace(now)
    }

    /// Empties the slots between the last request and now.
    fn forget_until(&mut self, now: i64) {
        let (last, this) = (slot_of(self.latest), slot_of(now));
        let passed = (this - last).min(SLOTS as i64);
        for slot in (this - passed + 1)..=this {
            if let Some(count) = self.slots.get_mut(place_of(slot)) {
                *count = 0;
            }
        }
        if now - self.latest >= FIVE_SECONDS {
            self.known = 0;
        }
    }

    fn pace(&self, now: i64) -> Pace {
        let since = |milliseconds: u32| {
            let ages = (1..=self.known).filter_map(|back| {
                let time = self.recent.get((self.next + RECENT - back) % RECENT)?;
                Some(modulo(now).wrapping_sub(*time))
            });
            u32::try_from(ages.take_while(|age| *age < milliseconds).count()).ok()
        };
        let slots_back = |first: i64, count: i64| -> u32 {
            let slots = (first..first + count).map(|back| place_of(slot_of(now) - back));
            slots.filter_map(|place| self.slots.get(place)).map(|count| u32::from(*count)).sum()
        };
        let minute = 60_000 / FIVE_SECONDS;
        Pace {
            behavior: BehaviorFacts {
                requests_last_second: since(1_000),
                requests_last_5_seconds: since(5_000),
                requests_by_minute: (0..3).map(|back| slots_back(back * minute, minute)).collect(),
                ..BehaviorFacts::default()
            },
            last_300_seconds: slots_back(0, SLOTS as i64),
        }
    }
}

fn slot_of(now: i64) -> i64 {
    now.div_euclid(FIVE_SECONDS)
}

fn place_of(slot: i64) -> usize {
    usize::try_from(slot.rem_euclid(SLOTS as i64)).unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "modulo 2^32 is what is wanted")]
fn modulo(now: i64) -> u32 {
    now as u32
}

/// Visitors in one group.
const GROUP: usize = 8;
const MOST_GROUPS: usize = 1 << 17;
const FIVE_SECONDS: i64 = 5_000;
/// Slots of five seconds in five minutes.
const SLOTS: usize = 60;
/// One more than the requests in five seconds from which a pace is a burst.
const RECENT: usize = 51;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> VisitorKey {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&number.to_le_bytes());
        key
    }

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(1_771_156_800_000 + milliseconds)
    }

    #[test]
    fn requests_of_the_last_second_and_five_are_exact() {
        let visitors = Visitors::new(100);
        for (time, second, five) in [
            (0, 1, 1),
            (999, 2, 2),
            (1_000, 2, 3),
            (4_999, 1, 4),
            (5_000, 2, 4),
            (5_999, 2, 4),
            (11_000, 1, 1),
        ] {
            let pace = visitors.count(key(1), at(time)).behavior;
            assert_eq!(
                (pace.requests_last_second, pace.requests_last_5_seconds),
                (Some(second), Some(five)),
                "{time}"
            );
        }
    }

    #[test]
    fn minutes_slide_and_five_minutes_later_nothing_is_known() {
        let visitors = Visitors::new(100);
        let mut last = None;
        for request in 0..183 {
            last = Some(visitors.count(key(1), at(request * 980)));
        }
        let last = last.unwrap();
        assert!(last.behavior.requests_by_minute.iter().all(|count| (57..=62).contains(count)));
        assert_eq!(last.last_300_seconds, 183);
        let later = visitors.count(key(1), at(182 * 980 + 305_000));
        assert_eq!((later.behavior.requests_by_minute, later.last_300_seconds), (vec![1, 0, 0], 1));
    }

    #[test]
    fn visitors_are_counted_apart_and_a_clock_set_back_does_no_harm() {
        let visitors = Visitors::new(100);
        visitors.count(key(1), at(10_000));
        assert_eq!(visitors.count(key(2), at(10_000)).last_300_seconds, 1);
        assert_eq!(visitors.count(key(1), at(0)).behavior.requests_last_second, Some(2));
    }

    #[test]
    fn memory_is_bounded_and_the_longest_unseen_makes_room() {
        let visitors = Visitors::new(64);
        for number in 0..10_000 {
            visitors.count(key(number), at(i64::from(number)));
        }
        let kept: usize = visitors.0.iter().map(|group| group.lock().unwrap().len()).sum();
        assert_eq!(kept, 64);
        assert_eq!(visitors.count(key(9_999), at(10_000)).last_300_seconds, 2);
        assert_eq!(visitors.count(key(1), at(10_000)).last_300_seconds, 1);
        assert!(size_of::<Visitor>() <= 400);
    }
}
