//! Which tries are expected to take long: those for receivers that took long lately. They have a few places of their
//! own, so that receivers that answer do not wait for places which those that do not answer hold.
//!
//! A webhook whose last three tries took three seconds or longer is slow for the rest of ten minutes, or until a try is
//! answered faster. An account that goes on with other webhooks is slow as a whole after 32 such tries: with those under
//! way by then, its late tries hold quick places for at most 39 times ten seconds in ten minutes.

use std::collections::HashMap;
use std::time::Duration;

use quivive_core::Timestamp;

/// A group of places for tries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lane {
    /// For whoever is expected to answer soon.
    Quick,
    /// For whoever took long lately.
    Slow,
}

impl Lane {
    pub const ALL: [Self; 2] = [Self::Quick, Self::Slow];

    /// Tries at the same time.
    pub fn places(self) -> usize {
        match self {
            Self::Quick => 256,
            Self::Slow => 64,
        }
    }

    /// Tries of all webhooks of one account at the same time.
    pub fn places_of_one_account(self) -> usize {
        match self {
            Self::Quick => 8,
            Self::Slow => 2,
        }
    }
}

/// Who took long lately.
#[derive(Default)]
pub(super) struct Lateness {
    webhooks: HashMap<String, Late>,
    accounts: HashMap<String, Late>,
}

struct Late {
    tries: u32,
    since: Timestamp,
}

impl Late {
    fn is_recent(&self, now: Timestamp) -> bool {
        now.milliseconds_since(self.since) < MEMORY
    }
}

impl Lateness {
    /// The lane of a webhook's next try.
    pub fn lane(&self, account: &str, hook_id: &str, now: Timestamp) -> Lane {
        let has = |late: Option<&Late>, tries: u32| {
            late.is_some_and(|late| late.tries >= tries && late.is_recent(now))
        };
        let is_slow = has(self.webhooks.get(hook_id), LATE_OF_ONE_HOOK)
            || has(self.accounts.get(account), LATE_OF_ONE_ACCOUNT);
        if is_slow { Lane::Slow } else { Lane::Quick }
    }

    /// Notes how long a try took.
    pub fn note(&mut self, account: &str, hook_id: &str, lane: Lane, took: Duration, now: Timestamp) {
        if took < LATE {
            self.webhooks.remove(hook_id);
            return;
        }
        count(&mut self.webhooks, hook_id, now);
        // What the slow lane bears costs nobody a quick place.
        if lane == Lane::Quick {
            count(&mut self.accounts, account, now);
        }
    }
}

fn count(known: &mut HashMap<String, Late>, name: &str, now: Timestamp) {
    if known.len() >= MOST_REMEMBERED {
        known.retain(|_, late| late.is_recent(now));
    }
    let late = known.entry(name.to_owned()).or_insert(Late { tries: 0, since: now });
    if !late.is_recent(now) {
        *late = Late { tries: 0, since: now };
    }
    late.tries += 1;
}

/// A try that takes so long is late, whatever comes of it.
const LATE: Duration = Duration::from_secs(3);

const LATE_OF_ONE_HOOK: u32 = 3;
const LATE_OF_ONE_ACCOUNT: u32 = 32;

/// How long late tries are remembered, in milliseconds.
const MEMORY: i64 = 600_000;

/// From so many on, what is past its time is forgotten at each new one.
const MOST_REMEMBERED: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(2_999);

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(milliseconds)
    }

    #[test]
    fn three_late_tries_in_a_row_make_a_webhook_slow_for_the_rest_of_ten_minutes() {
        let mut lateness = Lateness::default();
        for took in [LONG, LONG, SHORT, LONG, LATE] {
            lateness.note("me", "wh", Lane::Quick, took, at(0));
            assert_eq!(lateness.lane("me", "wh", at(0)), Lane::Quick);
        }
        lateness.note("me", "wh", Lane::Quick, LONG, at(1));
        assert_eq!(lateness.lane("me", "wh", at(MEMORY - 1)), Lane::Slow);
        assert_eq!(lateness.lane("me", "other", at(1)), Lane::Quick, "its account's others are not");
        assert_eq!(lateness.lane("me", "wh", at(MEMORY)), Lane::Quick);
        lateness.note("me", "wh", Lane::Quick, LONG, at(MEMORY));
        assert_eq!(lateness.lane("me", "wh", at(MEMORY)), Lane::Quick, "counted anew");
    }

    #[test]
    fn an_answer_in_time_makes_a_webhook_quick_again() {
        let mut lateness = Lateness::default();
        for _ in 0..9 {
            lateness.note("me", "wh", Lane::Slow, LONG, at(0));
        }
        assert_eq!(lateness.lane("me", "wh", at(0)), Lane::Slow);
        lateness.note("me", "wh", Lane::Slow, SHORT, at(0));
        assert_eq!(lateness.lane("me", "wh", at(0)), Lane::Quick);
    }

    #[test]
    fn an_account_that_goes_on_with_new_webhooks_is_slow_as_a_whole() {
        let mut lateness = Lateness::default();
        for number in 0..LATE_OF_ONE_ACCOUNT {
            assert_eq!(lateness.lane("me", "new", at(0)), Lane::Quick);
            lateness.note("me", &number.to_string(), Lane::Quick, LONG, at(0));
            lateness.note("slow", &number.to_string(), Lane::Slow, LONG, at(0));
        }
        assert_eq!(lateness.lane("me", "new", at(0)), Lane::Slow);
        lateness.note("me", "one that answers", Lane::Slow, SHORT, at(0));
        assert_eq!(
            lateness.lane("me", "new", at(0)),
            Lane::Slow,
            "an answer of one says nothing of the next"
        );
        assert_eq!(lateness.lane("slow", "new", at(0)), Lane::Quick);
        assert_eq!(lateness.lane("me", "new", at(MEMORY)), Lane::Quick);
    }

    #[test]
    fn what_is_remembered_is_bounded_by_what_is_recent() {
        let mut lateness = Lateness::default();
        for number in 0..MOST_REMEMBERED {
            lateness.note("me", &number.to_string(), Lane::Slow, LONG, at(0));
        }
        lateness.note("me", "one more", Lane::Slow, LONG, at(MEMORY));
        assert_eq!(lateness.webhooks.len(), 1);
    }
}
