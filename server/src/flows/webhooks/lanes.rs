//! Which tries are expected to take long: those for receivers that took long lately. They have a few places of their
//! own, so that receivers that answer do not wait for places which those that do not answer hold.
//!
//! A webhook whose last three tries took three seconds or longer is slow until a try is answered faster, or none was
//! late for ten minutes. An account is slow as a whole once its late tries held quick places for 320 seconds, for the
//! rest of the ten minutes that began with the first; those of webhooks that answered in time since are left out. So
//! receivers that never do, however many their webhooks, hold quick places for less than 400 seconds in that time: by
//! then seven other tries of ten seconds can be under way.

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

#[derive(Clone, Copy)]
struct Late {
    /// Late tries in a row.
    tries: u32,
    /// For how long late tries held quick places.
    held: Duration,
    /// A webhook's last late try, an account's first one.
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
        let account = self.accounts.get(account).filter(|late| late.is_recent(now));
        let is_slow = account.is_some_and(|late| late.held >= HELD_BY_ONE_ACCOUNT);
        if is_slow || self.is_late(hook_id, now) { Lane::Slow } else { Lane::Quick }
    }

    /// Whether the webhook itself is slow, and not only its account.
    pub fn is_late(&self, hook_id: &str, now: Timestamp) -> bool {
        let late = self.webhooks.get(hook_id);
        late.is_some_and(|late| late.tries >= LATE_OF_ONE_HOOK && late.is_recent(now))
    }

    /// Notes how long a try took.
    pub fn note(&mut self, account: &str, hook_id: &str, lane: Lane, took: Duration, now: Timestamp) {
        if took < LATE {
            // It answers after all: what it took until then does not speak against its account.
            if let Some(late) = self.webhooks.remove(hook_id)
                && let Some(account) = self.accounts.get_mut(account)
            {
                account.held = account.held.saturating_sub(late.held);
            }
            return;
        }
        let hook = entry(&mut self.webhooks, hook_id, now);
        hook.tries += 1;
        hook.since = now;
        // What the slow lane bears costs nobody a quick place.
        if lane == Lane::Quick {
            hook.held += took;
            entry(&mut self.accounts, account, now).held += took;
        }
    }
}

/// What is remembered of a webhook or an account, begun anew when it is out of date.
fn entry<'a>(known: &'a mut HashMap<String, Late>, name: &str, now: Timestamp) -> &'a mut Late {
    if known.len() >= MOST_REMEMBERED {
        known.retain(|_, late| late.is_recent(now));
    }
    let none = Late { tries: 0, held: Duration::ZERO, since: now };
    let late = known.entry(name.to_owned()).or_insert(none);
    if !late.is_recent(now) {
        *late = none;
    }
    late
}

/// A try that takes so long is late, whatever comes of it.
const LATE: Duration = Duration::from_secs(3);

const LATE_OF_ONE_HOOK: u32 = 3;
const HELD_BY_ONE_ACCOUNT: Duration = Duration::from_secs(320);

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
    fn three_late_tries_in_a_row_make_a_webhook_slow_for_ten_minutes_after_the_last() {
        let mut lateness = Lateness::default();
        for took in [LONG, LONG, SHORT, LONG, LATE] {
            lateness.note("me", "wh", Lane::Quick, took, at(0));
            assert_eq!(lateness.lane("me", "wh", at(0)), Lane::Quick);
        }
        lateness.note("me", "wh", Lane::Quick, LONG, at(9));
        assert_eq!(lateness.lane("me", "wh", at(MEMORY + 8)), Lane::Slow);
        assert_eq!(lateness.lane("me", "other", at(9)), Lane::Quick, "its account's others are not");
        assert_eq!(lateness.lane("me", "wh", at(MEMORY + 9)), Lane::Quick);
        lateness.note("me", "wh", Lane::Quick, LONG, at(MEMORY + 9));
        assert_eq!(lateness.lane("me", "wh", at(MEMORY + 9)), Lane::Quick, "counted anew");
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
        for number in 0..32 {
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
    fn a_receiver_that_answers_in_time_now_and_then_does_not_make_its_account_slow() {
        let mut lateness = Lateness::default();
        for took in [LONG, LONG, SHORT].into_iter().cycle().take(300) {
            lateness.note("me", "wh", Lane::Quick, took, at(0));
            assert_eq!(lateness.lane("me", "other", at(0)), Lane::Quick);
        }
    }

    #[test]
    fn what_counts_for_an_account_is_the_time_for_which_places_were_held() {
        let mut lateness = Lateness::default();
        for number in 0..107 {
            assert_eq!(lateness.lane("me", "new", at(0)), Lane::Quick, "{} seconds", number * 3);
            lateness.note("me", &number.to_string(), Lane::Quick, LATE, at(0));
        }
        assert_eq!(lateness.lane("me", "new", at(0)), Lane::Slow, "321 seconds");
        // One of them answers: its late try speaks against the account no longer, those of the others do.
        lateness.note("me", "0", Lane::Slow, SHORT, at(0));
        assert_eq!(lateness.lane("me", "new", at(0)), Lane::Quick);
        lateness.note("me", "0", Lane::Quick, SHORT, at(0));
        lateness.note("me", "0", Lane::Quick, LATE, at(0));
        assert_eq!(lateness.lane("me", "new", at(0)), Lane::Slow, "and it was taken off once");
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
