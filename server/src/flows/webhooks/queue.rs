//! Which deliveries wait, by webhook and time; what they say is in storage.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use quivive_core::Timestamp;

/// The queues of all webhooks.
#[derive(Default)]
pub(super) struct Queues(Mutex<HashMap<String, Queue>>);

#[derive(Default)]
struct Queue {
    /// What waits, by id: the oldest first.
    waiting: BTreeMap<String, Timestamp>,
    /// The same, by time.
    due: BTreeSet<(Timestamp, String)>,
    under_way: BTreeSet<String>,
}

impl Queues {
    /// Puts a delivery up. If too many wait then, the oldest is taken out and returned.
    pub fn put(&self, hook_id: &str, id: &str, due_at: Timestamp) -> Option<String> {
        let mut queues = self.lock();
        let queue = queues.entry(hook_id.to_owned()).or_default();
        queue.under_way.remove(id);
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

    /// Takes a delivery that is due: of the webhooks with room, that with the fewest under way comes first.
    pub fn next(&self, now: Timestamp) -> Option<(String, String)> {
        let mut queues = self.lock();
        let ready = queues.iter_mut().filter(|(_, queue)| {
            queue.under_way.len() < MOST_UNDER_WAY && queue.due.first().is_some_and(|(at, _)| *at <= now)
        });
        let (hook_id, queue) = ready.min_by_key(|(_, queue)| queue.under_way.len())?;
        let (_, id) = queue.due.pop_first()?;
        queue.waiting.remove(&id);
        queue.under_way.insert(id.clone());
        Some((hook_id.clone(), id))
    }

    /// Notes that a delivery is done for good.
    pub fn done(&self, hook_id: &str, id: &str) {
        let mut queues = self.lock();
        if let Some(queue) = queues.get_mut(hook_id) {
            queue.under_way.remove(id);
            if queue.under_way.is_empty() && queue.waiting.is_empty() {
                queues.remove(hook_id);
            }
        }
    }

    /// Forgets what waits for a webhook.
    pub fn forget(&self, hook_id: &str) {
        self.lock().remove(hook_id);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The ids of the newest deliveries that are not done.
    pub fn newest(&self, hook_id: &str, most: usize) -> Vec<String> {
        let queues = self.lock();
        let Some(queue) = queues.get(hook_id) else { return Vec::new() };
        let mut ids: Vec<String> = queue.waiting.keys().rev().take(most).cloned().collect();
        ids.extend(queue.under_way.iter().cloned());
        ids
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What waits for one webhook at most.
const MOST_WAITING: usize = 10_000;

/// Tries of one webhook at the same time, so that a slow receiver holds up nobody else.
const MOST_UNDER_WAY: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(milliseconds)
    }

    #[test]
    fn what_is_due_first_comes_first_and_nothing_before_its_time() {
        let queues = Queues::default();
        queues.put("wh", "a", at(20));
        queues.put("wh", "b", at(10));
        assert_eq!(queues.next(at(9)), None);
        assert_eq!(queues.next(at(30)), Some(("wh".to_owned(), "b".to_owned())));
        assert_eq!(queues.next(at(30)), Some(("wh".to_owned(), "a".to_owned())));
        assert_eq!(queues.next(at(30)), None);
        queues.put("wh", "a", at(40));
        assert_eq!(queues.newest("wh", 10), ["a", "b"], "one waits again, the other is under way");
    }

    #[test]
    fn one_webhook_has_four_under_way_and_leaves_room_for_others() {
        let queues = Queues::default();
        for number in 0..10 {
            queues.put("slow", &format!("s{number}"), at(0));
        }
        let taken: Vec<_> = std::iter::from_fn(|| queues.next(at(1))).collect();
        assert_eq!(taken.len(), 4);
        queues.put("other", "o", at(0));
        assert_eq!(queues.next(at(1)), Some(("other".to_owned(), "o".to_owned())));
        queues.done("slow", "s0");
        assert_eq!(queues.next(at(1)), Some(("slow".to_owned(), "s4".to_owned())));
    }

    #[test]
    fn of_too_many_the_oldest_is_dropped_whenever_it_is_due() {
        let queues = Queues::default();
        for number in 0..MOST_WAITING {
            let due = if number == 0 { 1_000_000 } else { 0 };
            assert_eq!(queues.put("wh", &format!("{number:05}"), at(due)), None);
        }
        assert_eq!(queues.put("wh", "99999", at(0)), Some("00000".to_owned()));
        assert_eq!(queues.put("wh", "99999", at(5)), None, "the same again is no second one");
    }
}
