//! Sessions that wait for their score: first come first served, each at most once.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quivive_core::Timestamp;
use tokio::sync::Notify;

/// Which session: project and token.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct SessionKey {
    /// The project.
    pub project_id: i64,
    /// The token.
    pub token: Arc<str>,
}

/// The queue in front of the scoring worker.
pub struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    capacity: usize,
    /// When the next [`DueSession`](super::record::DueSession) is to be scored.
    next_due: Mutex<Option<Timestamp>>,
}

#[derive(Default)]
struct Waiting {
    order: VecDeque<(SessionKey, Timestamp)>,
    members: HashSet<SessionKey>,
}

impl Queue {
    /// A queue that calls itself full at so many sessions.
    pub fn new(capacity: usize) -> Self {
        Self { waiting: Mutex::default(), arrived: Notify::new(), capacity, next_due: Mutex::default() }
    }

    /// Whether new work should be shed.
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    /// How many sessions wait.
    pub fn len(&self) -> usize {
        self.waiting().order.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a session at the end, unless it waits already. What is stored is never refused here.
    pub fn push(&self, key: SessionKey, now: Timestamp) {
        let mut waiting = self.waiting();
        if waiting.members.insert(key.clone()) {
            waiting.order.push_back((key, now));
            drop(waiting);
            self.arrived.notify_one();
        }
    }

    /// Puts sessions that could not be scored back in front, with the times since when they wait: a checkpoint must not
    /// pass them.
    pub fn put_back(&self, taken: Vec<(SessionKey, Timestamp)>) {
        let mut waiting = self.waiting();
        for (key, since) in taken.into_iter().rev() {
            // One that came again meanwhile is then scored twice, which does no harm.
            waiting.members.insert(key.clone());
            waiting.order.push_front((key, since));
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Waits for work, then takes at most so many sessions from the front, with the times since when they wait.
    pub async fn next(&self, most: usize) -> Vec<(SessionKey, Timestamp)> {
        loop {
            let arrived = self.arrived.notified();
            let taken = self.take(most);
            if !taken.is_empty() {
                return taken;
            }
            arrived.await;
        }
    }

    /// Since when the first one waits.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.waiting().order.front().map(|(_, since)| *since)
    }

    /// Notes that a session is to be scored at a time that storage knows.
    pub fn expect_due(&self, at: Timestamp) {
        let mut next = self.next_due.lock().unwrap_or_else(PoisonError::into_inner);
        *next = Some(next.map_or(at, |known| known.min(at)));
    }

    /// Whether storage knows of sessions that are to be scored by now; they are expected anew from then on.
    pub fn take_due(&self, now: Timestamp) -> bool {
        let mut next = self.next_due.lock().unwrap_or_else(PoisonError::into_inner);
        next.take_if(|at| *at <= now).is_some()
    }

    fn take(&self, most: usize) -> Vec<(SessionKey, Timestamp)> {
        let mut waiting = self.waiting();
        let count = waiting.order.len().min(most);
        let taken: Vec<_> = waiting.order.drain(..count).collect();
        for (key, _) in &taken {
            waiting.members.remove(key);
        }
        taken
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Every change leaves the two collections in step, so a panic elsewhere does no harm.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(token: &str) -> SessionKey {
        SessionKey { project_id: 1, token: token.into() }
    }

    #[tokio::test]
    async fn a_session_waits_once_and_in_order() {
        let queue = Queue::new(2);
        let at = Timestamp::from_seconds;
        queue.push(key("a"), at(1));
        assert!(!queue.is_full());
        queue.push(key("b"), at(2));
        queue.push(key("a"), at(3));
        assert_eq!((queue.len(), queue.is_full(), queue.oldest()), (2, true, Some(at(1))));
        assert_eq!(queue.next(1).await, [(key("a"), at(1))]);
        queue.push(key("a"), at(4));
        assert_eq!(queue.next(9).await, [(key("b"), at(2)), (key("a"), at(4))]);
        assert!(queue.is_empty());
    }

    #[tokio::test]
    async fn what_is_put_back_waits_in_front_and_since_it_came() {
        let queue = Queue::new(10);
        let at = Timestamp::from_seconds;
        queue.push(key("a"), at(1));
        queue.push(key("b"), at(2));
        let taken = queue.next(9).await;
        queue.push(key("c"), at(50));
        queue.put_back(taken);
        assert_eq!(queue.oldest(), Some(at(1)));
        let order: Vec<_> = queue.next(9).await.into_iter().map(|(key, _)| key).collect();
        assert_eq!(order, [key("a"), key("b"), key("c")]);
    }

    #[test]
    fn the_earliest_due_time_counts_and_is_taken_once() {
        let queue = Queue::new(10);
        let at = Timestamp::from_seconds;
        assert!(!queue.take_due(at(100)));
        queue.expect_due(at(20));
        queue.expect_due(at(10));
        queue.expect_due(at(30));
        assert!(!queue.take_due(at(9)));
        assert!(queue.take_due(at(10)));
        assert!(!queue.take_due(at(100)));
    }

    #[tokio::test]
    async fn a_waiting_worker_wakes_up() {
        let queue = Arc::new(Queue::new(10));
        let worker = tokio::spawn({
            let queue = queue.clone();
            async move { queue.next(10).await }
        });
        tokio::task::yield_now().await;
        queue.push(key("a"), Timestamp::default());
        assert_eq!(worker.await.unwrap(), [(key("a"), Timestamp::default())]);
    }
}
