//! Which deliveries wait, by account, webhook and time; what they say is in storage.
//!
//! Accounts take turns, and each has a share of the tries at once: receivers that do not answer hold up their own
//! account and nobody else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use quivive_core::Timestamp;

/// The queues of all webhooks.
#[derive(Default)]
pub(super) struct Queues(Mutex<State>);

/// A delivery to be tried now.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Due {
    pub owner: String,
    pub hook_id: String,
    pub id: String,
}

#[derive(Default)]
struct State {
    accounts: BTreeMap<String, Account>,
    /// Whose webhook it is.
    owners: HashMap<String, String>,
    /// Whose turn it was last.
    last: String,
}

#[derive(Default)]
struct Account {
    queues: BTreeMap<String, Queue>,
    /// Webhook and delivery; also of webhooks that were deleted meanwhile.
    under_way: BTreeSet<(String, String)>,
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

    /// Takes a delivery that is due, of the next account in turn with room for one; of its webhooks with room, that
    /// with the fewest under way comes first.
    pub fn next(&self, now: Timestamp) -> Option<Due> {
        let state = &mut *self.lock();
        let last = (Bound::Excluded(state.last.clone()), Bound::Unbounded);
        let mut turns: Vec<&String> = state.accounts.range(last).map(|(owner, _)| owner).collect();
        turns.extend(state.accounts.range(..=state.last.clone()).map(|(owner, _)| owner));
        let (owner, hook_id) = turns
            .into_iter()
            .find_map(|owner| Some((owner.clone(), state.accounts.get(owner)?.ready(now)?.to_owned())))?;
        let account = state.accounts.get_mut(&owner)?;
        let queue = account.queues.get_mut(&hook_id)?;
        let (_, id) = queue.due.pop_first()?;
        queue.waiting.remove(&id);
        account.under_way.insert((hook_id.clone(), id.clone()));
        state.last.clone_from(&owner);
        Some(Due { owner, hook_id, id })
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
    /// The webhook whose turn it is, if one has a delivery that is due and there is room for it.
    fn ready(&self, now: Timestamp) -> Option<&str> {
        if self.under_way.len() >= MOST_OF_ONE_ACCOUNT {
            return None;
        }
        let due = self.queues.iter().filter(|(_, queue)| queue.due.first().is_some_and(|(at, _)| *at <= now));
        due.map(|(hook_id, _)| (self.under_way(hook_id).count(), hook_id))
            .filter(|(under_way, _)| *under_way < MOST_OF_ONE_HOOK)
            .min()
            .map(|(_, hook_id)| hook_id.as_str())
    }

    fn under_way(&self, hook_id: &str) -> impl Iterator<Item = &String> {
        self.under_way.iter().filter(move |(hook, _)| hook == hook_id).map(|(_, id)| id)
    }
}

/// What waits for one webhook at most.
const MOST_WAITING: usize = 10_000;

/// Tries of one webhook at the same time.
const MOST_OF_ONE_HOOK: usize = 4;

/// Tries of all webhooks of one account at the same time.
const MOST_OF_ONE_ACCOUNT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(milliseconds)
    }

    fn due(owner: &str, hook_id: &str, id: &str) -> Option<Due> {
        Some(Due { owner: owner.to_owned(), hook_id: hook_id.to_owned(), id: id.to_owned() })
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
        assert_eq!(taken.len(), MOST_OF_ONE_ACCOUNT);
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
