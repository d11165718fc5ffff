//! Which deliveries wait, by account, webhook and time; what they say is in storage.
//!
//! Accounts take turns, and each has a share of the tries at once, as have all together: receivers that do not answer
//! hold up their own account, in a lane of their own, and nobody else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quivive_core::Timestamp;

use super::lanes::{Lane, Lateness};

/// The queues of all webhooks.
#[derive(Default)]
pub(super) struct Queues(Mutex<State>);

/// A delivery to be tried now.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Due {
    pub owner: String,
    pub hook_id: String,
    pub id: String,
    pub lane: Lane,
}

#[derive(Default)]
struct State {
    accounts: BTreeMap<String, Account>,
    /// Whose webhook it is.
    owners: HashMap<String, String>,
    /// Whose turn it was last.
    last: String,
    lateness: Lateness,
}

#[derive(Default)]
struct Account {
    queues: BTreeMap<String, Queue>,
    /// Webhook and delivery; also of webhooks that were deleted meanwhile.
    under_way: BTreeMap<(String, String), Lane>,
    /// The webhook whose turn it was last.
    last: String,
}

#[derive(Default)]
struct Queue {
    /// What waits, by id: the oldest first.
    waiting: BTreeMap<String, Timestamp>,
    /// The same, by time.
    due: BTreeSet<(Timestamp, String)>,
}

impl Queues {
    /// Puts a delivery up. If too many wait then, the oldest is taken out and returned.
    pub fn put(&self, owner: &str, hook_id: &str, id: &str, due_at: Timestamp) -> Option<String> {
        let mut state = self.lock();
        state.owners.insert(hook_id.to_owned(), owner.to_owned());
        let account = state.accounts.entry(owner.to_owned()).or_default();
        account.under_way.remove(&(hook_id.to_owned(), id.to_owned()));
        let queue = account.queues.entry(hook_id.to_owned()).or_default();
        if let Some(former) = queue.waiting.insert(id.to_owned(), due_at) {
            queue.due.remove(&(former, id.to_owned()));
        }
        queue.due.insert((due_at, id.to_owned()));
        if queue.waiting.len() <= MOST_WAITING {
            return None;
        }
        let (oldest, at) = queue.waiting.pop_first()?;
        queue.due.remove(&(at, oldest.clone()));
        Some(oldest)
    }

    /// Takes a delivery that is due, of the next account in turn with room for one; of its webhooks with room, the next
    /// in turn of those with the fewest under way, those that took long lately after all others.
    pub fn next(&self, now: Timestamp) -> Option<Due> {
        let state = &mut *self.lock();
        let last = (Bound::Excluded(state.last.clone()), Bound::Unbounded);
        let mut turns: Vec<&String> = state.accounts.range(last).map(|(owner, _)| owner).collect();
        turns.extend(state.accounts.range(..=state.last.clone()).map(|(owner, _)| owner));
        let lanes = Lane::ALL.map(|lane| (lane, state.under_way(lane) < lane.places()));
        let free: Vec<Lane> =
            lanes.into_iter().filter_map(|(lane, is_free)| is_free.then_some(lane)).collect();
        let (owner, hook_id, lane) = turns.into_iter().find_map(|owner| {
            let is_late = |hook_id: &str| state.lateness.is_late(hook_id, now);
            let lane = |hook_id: &str| state.lateness.lane(owner, hook_id, now);
            let (hook_id, lane) = state.accounts.get(owner)?.ready(now, &free, is_late, lane)?;
            Some((owner.clone(), hook_id.to_owned(), lane))
        })?;
        let account = state.accounts.get_mut(&owner)?;
        let queue = account.queues.get_mut(&hook_id)?;
        let (_, id) = queue.due.pop_first()?;
        queue.waiting.remove(&id);
        account.under_way.insert((hook_id.clone(), id.clone()), lane);
        account.last.clone_from(&hook_id);
        state.last.clone_from(&owner);
        Some(Due { owner, hook_id, id, lane })
    }

    /// Notes how long a receiver took.
    pub fn note(&self, due: &Due, took: Duration, now: Timestamp) {
        self.lock().lateness.note(&due.owner, &due.hook_id, due.lane, took, now);
    }

    /// Notes that a delivery is done for good.
    pub fn done(&self, owner: &str, hook_id: &str, id: &str) {
        let mut state = self.lock();
        if let Some(account) = state.accounts.get_mut(owner) {
            account.under_way.remove(&(hook_id.to_owned(), id.to_owned()));
        }
        state.tidy(owner, hook_id);
    }

    /// Forgets what waits for a webhook.
    pub fn forget(&self, hook_id: &str) {
        let mut state = self.lock();
        let Some(owner) = state.owners.get(hook_id).cloned() else { return };
        if let Some(account) = state.accounts.get_mut(&owner) {
            account.queues.remove(hook_id);
        }
        state.tidy(&owner, hook_id);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.lock() = State::default();
    }

    /// The ids of the newest deliveries that are not done.
    pub fn newest(&self, hook_id: &str, most: usize) -> Vec<String> {
        let state = self.lock();
        let account = state.owners.get(hook_id).and_then(|owner| state.accounts.get(owner));
        let Some(account) = account else { return Vec::new() };
        let waiting = account.queues.get(hook_id).into_iter().flat_map(|queue| queue.waiting.keys().rev());
        let mut ids: Vec<String> = waiting.take(most).cloned().collect();
        ids.extend(account.under_way(hook_id).cloned());
        ids
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn under_way(&self, lane: Lane) -> usize {
        self.accounts.values().map(|account| account.under_way_in(lane)).sum()
    }

    /// Drops what holds nothing any more.
    fn tidy(&mut self, owner: &str, hook_id: &str) {
        let Some(account) = self.accounts.get_mut(owner) else { return };
        if account.queues.get(hook_id).is_none_or(|queue| queue.waiting.is_empty())
            && account.under_way(hook_id).next().is_none()
        {
            account.queues.remove(hook_id);
            self.owners.remove(hook_id);
        }
        if account.queues.is_empty() && account.under_way.is_empty() {
            self.accounts.remove(owner);
        }
    }
}

impl Account {
    /// The webhook whose turn it is with its lane, if one has a delivery that is due and there is room for it.
    fn ready(
        &self,
        now: Timestamp,
        free: &[Lane],
        is_late: impl Fn(&str) -> bool,
        lane: impl Fn(&str) -> Lane,
    ) -> Option<(&str, Lane)> {
        let has_room = |lane: &Lane| self.under_way_in(*lane) < lane.places_of_one_account();
        let free: Vec<Lane> = free.iter().copied().filter(has_room).collect();
        if free.is_empty() {
            return None;
        }
        let later = self.queues.range((Bound::Excluded(self.last.clone()), Bound::Unbounded));
        later
            .chain(self.queues.range(..=self.last.clone()))
            .filter(|(_, queue)| queue.due.first().is_some_and(|(at, _)| *at <= now))
            .map(|(hook_id, _)| (self.under_way(hook_id).count(), hook_id.as_str(), lane(hook_id)))
            .filter(|(under_way, _, lane)| *under_way < MOST_OF_ONE_HOOK && free.contains(lane))
            // In a slow account all share its few places; those that answer give them back soon.
            .min_by_key(|(under_way, hook_id, _)| (is_late(hook_id), *under_way))
            .map(|(_, hook_id, lane)| (hook_id, lane))
    }

    fn under_way(&self, hook_id: &str) -> impl Iterator<Item = &String> {
        self.under_way.keys().filter(move |(hook, _)| hook == hook_id).map(|(_, id)| id)
    }

    fn under_way_in(&self, lane: Lane) -> usize {
        self.under_way.values().filter(|of| **of == lane).count()
    }
}

/// What waits for one webhook at most.
const MOST_WAITING: usize = 10_000;

/// Tries of one webhook at the same time.
const MOST_OF_ONE_HOOK: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(milliseconds)
    }

    fn due(owner: &str, hook_id: &str, id: &str) -> Option<Due> {
        let lane = Lane::Quick;
        Some(Due { owner: owner.to_owned(), hook_id: hook_id.to_owned(), id: id.to_owned(), lane })
    }

    fn all(queues: &Queues) -> Vec<Due> {
        std::iter::from_fn(|| queues.next(at(1))).collect()
    }

    #[test]
    fn what_is_due_first_comes_first_and_nothing_before_its_time() {
        let queues = Queues::default();
        queues.put("me", "wh", "a", at(20));
        queues.put("me", "wh", "b", at(10));
        assert_eq!(queues.next(at(9)), None);
        assert_eq!(queues.next(at(30)), due("me", "wh", "b"));
        assert_eq!(queues.next(at(30)), due("me", "wh", "a"));
        assert_eq!(queues.next(at(30)), None);
        queues.put("me", "wh", "a", at(40));
        assert_eq!(queues.newest("wh", 10), ["a", "b"], "one waits again, the other is under way");
    }

    #[test]
    fn one_webhook_has_four_under_way_and_leaves_room_for_others() {
        let queues = Queues::default();
        for number in 0..10 {
            queues.put("me", "slow", &format!("s{number}"), at(0));
        }
        assert_eq!(all(&queues).len(), 4);
        queues.put("me", "other", "o", at(0));
        assert_eq!(queues.next(at(1)), due("me", "other", "o"));
        queues.done("me", "slow", "s0");
        assert_eq!(queues.next(at(1)), due("me", "slow", "s4"));
    }

    #[test]
    fn one_account_has_eight_under_way_however_many_webhooks_it_has() {
        let queues = Queues::default();
        for hook in 0..64 {
            for number in 0..10 {
                queues.put("dead", &format!("wh{hook:02}"), &format!("{number}"), at(0));
            }
        }
        let taken = all(&queues);
        assert_eq!(taken.len(), Lane::Quick.places_of_one_account());
        queues.put("other", "o", "1", at(0));
        assert_eq!(queues.next(at(1)), due("other", "o", "1"));
        // Who deletes a webhook and makes another one does not get around it.
        for hook in taken.iter().map(|due| &due.hook_id) {
            queues.forget(hook);
        }
        assert_eq!(queues.next(at(1)), None);
        queues.done("dead", &taken[0].hook_id, &taken[0].id);
        assert_eq!(all(&queues).len(), 1);
    }

    #[test]
    fn accounts_take_turns() {
        let queues = Queues::default();
        for owner in ["a", "b", "c"] {
            for number in 0..3 {
                queues.put(owner, &format!("{owner}-wh"), &format!("{number}"), at(0));
            }
        }
        let owners: String = all(&queues).into_iter().map(|due| due.owner).collect();
        assert_eq!(owners, "abcabcabc");
    }

    #[test]
    fn webhooks_of_an_account_take_turns() {
        let queues = Queues::default();
        for hook in 0..12 {
            for number in 0..10 {
                queues.put("me", &format!("wh{hook:02}"), &format!("{number}"), at(0));
            }
        }
        let taken = all(&queues);
        for due in &taken {
            queues.done("me", &due.hook_id, &due.id);
        }
        let next: Vec<String> = all(&queues).into_iter().map(|due| due.hook_id).take(5).collect();
        assert_eq!(next, ["wh08", "wh09", "wh10", "wh11", "wh00"]);
    }

    /// Puts up deliveries of so many accounts with so many webhooks each.
    fn crowd(queues: &Queues, accounts: usize, hooks: usize) {
        for number in 0..accounts * hooks * 10 {
            let owner = format!("{:03}", number % accounts);
            let hook = number / accounts % hooks;
            queues.put(&owner, &format!("{owner}-{hook}"), &number.to_string(), at(0));
        }
    }

    #[test]
    fn there_are_no_more_places_than_there_are() {
        let queues = Queues::default();
        crowd(&queues, 100, 8);
        assert_eq!(all(&queues).len(), 256);
    }

    #[test]
    fn receivers_that_do_not_answer_have_a_few_places_and_leave_all_others_free() {
        let queues = Queues::default();
        crowd(&queues, 100, 8);
        for _ in 0..20 {
            for due in all(&queues) {
                queues.note(&due, Duration::from_secs(10), at(1));
                queues.done(&due.owner, &due.hook_id, &due.id);
            }
        }
        let dead = all(&queues);
        assert!(dead.iter().all(|due| due.lane == Lane::Slow));
        assert_eq!(dead.len(), 64);
        let one = |due: &&Due| due.owner == dead[0].owner;
        assert_eq!(dead.iter().filter(one).count(), 1, "accounts take turns there too");
        queues.put("other", "wh", "1", at(0));
        assert_eq!(queues.next(at(1)), due("other", "wh", "1"));
        // Who answers is out of it at once, and needs no place in the slow lane for that.
        queues.note(&dead[0], Duration::from_millis(20), at(1));
        assert_eq!(queues.next(at(1)).map(|due| due.hook_id), Some(dead[0].hook_id.clone()));
    }

    #[test]
    fn a_slow_account_has_two_under_way() {
        let queues = Queues::default();
        crowd(&queues, 1, 12);
        for _ in 0..8 {
            for due in all(&queues) {
                queues.note(&due, Duration::from_secs(10), at(1));
                queues.done(&due.owner, &due.hook_id, &due.id);
            }
        }
        assert_eq!(all(&queues).len(), Lane::Slow.places_of_one_account());
        queues.put("000", "new", "1", at(0));
        assert_eq!(queues.next(at(1)), None, "a new webhook of it waits in the same lane");
    }

    #[test]
    fn in_a_slow_account_receivers_that_answer_come_first() {
        let queues = Queues::default();
        crowd(&queues, 1, 20);
        for _ in 0..30 {
            for due in all(&queues) {
                queues.note(&due, Duration::from_secs(10), at(1));
                queues.done(&due.owner, &due.hook_id, &due.id);
            }
        }
        for number in 0..6 {
            queues.put("000", "healthy", &number.to_string(), at(0));
        }
        for _ in 0..3 {
            for due in all(&queues) {
                assert_eq!((due.hook_id.as_str(), due.lane), ("healthy", Lane::Slow));
                queues.note(&due, Duration::from_millis(20), at(1));
                queues.done(&due.owner, &due.hook_id, &due.id);
            }
        }
        let dead = all(&queues);
        assert_eq!(dead.len(), 2, "and leave the places to the others when nothing of theirs is due");
        assert!(dead.iter().all(|due| due.hook_id.starts_with("000-")));
    }

    #[test]
    fn what_is_done_leaves_nothing_behind() {
        let queues = Queues::default();
        queues.put("me", "wh", "a", at(0));
        queues.put("me", "wh", "b", at(0));
        queues.next(at(1));
        queues.forget("wh");
        assert_eq!(queues.newest("wh", 10), ["a"]);
        queues.done("me", "wh", "a");
        let state = queues.lock();
        assert!(state.accounts.is_empty() && state.owners.is_empty());
    }

    #[test]
    fn of_too_many_the_oldest_is_dropped_whenever_it_is_due() {
        let queues = Queues::default();
        for number in 0..MOST_WAITING {
            let due = if number == 0 { 1_000_000 } else { 0 };
            assert_eq!(queues.put("me", "wh", &format!("{number:05}"), at(due)), None);
        }
        assert_eq!(queues.put("me", "wh", "99999", at(0)), Some("00000".to_owned()));
        assert_eq!(queues.put("me", "wh", "99999", at(5)), None, "the same again is no second one");
    }
}
