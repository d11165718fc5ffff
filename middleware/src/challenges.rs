//! Where open challenges wait for their answers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use futures::{FutureExt, future};
use quivive_core::challenge::Challenge;

/// Open challenges that a guard remembers unless told otherwise; each is open for little more than its limit.
const MOST_CHALLENGES: usize = 65_536;

/// Keeps the half of a challenge that holds the answers. Share one between the nodes of a site whose requests may
/// meet different nodes.
pub trait ChallengeStore: Send + Sync {
    /// Keeps a challenge until its deadline; false when it could not be kept.
    fn put(&self, challenge: Challenge) -> BoxFuture<'_, bool>;

    /// Removes and returns a challenge, to exactly one of several callers.
    fn take<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Option<Challenge>>;
}

impl<S: ChallengeStore + ?Sized> ChallengeStore for Arc<S> {
    fn put(&self, challenge: Challenge) -> BoxFuture<'_, bool> {
        (**self).put(challenge)
    }

    fn take<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Option<Challenge>> {
        (**self).take(id)
    }
}

/// Challenges in the memory of this process; the oldest go when there are too many.
#[derive(Debug)]
pub struct MemoryStore {
    open: Mutex<Open>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Open {
    by_id: HashMap<String, Challenge>,
    in_order: VecDeque<String>,
}

impl MemoryStore {
    /// A store for at most so many challenges.
    pub fn new(capacity: usize) -> Self {
        Self { open: Mutex::default(), capacity: capacity.max(1) }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(MOST_CHALLENGES)
    }
}

impl ChallengeStore for MemoryStore {
    fn put(&self, challenge: Challenge) -> BoxFuture<'_, bool> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(oldest) = open.in_order.front() {
            let has_ended = open.by_id.get(oldest).is_none_or(|kept| kept.deadline < challenge.issued_at);
            if !has_ended && open.in_order.len() < self.capacity {
                break;
            }
            if let Some(oldest) = open.in_order.pop_front() {
                open.by_id.remove(&oldest);
            }
        }
        open.in_order.push_back(challenge.id.clone());
        open.by_id.insert(challenge.id.clone(), challenge);
        future::ready(true).boxed()
    }

    fn take<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Option<Challenge>> {
        let taken = self.open.lock().unwrap_or_else(PoisonError::into_inner).by_id.remove(id);
        future::ready(taken).boxed()
    }
}

#[cfg(test)]
mod tests {
    use quivive_core::Timestamp;
    use quivive_core::challenge::{TimeLimit, speed};

    use super::*;

    fn challenge(id: &str, at: i64) -> Challenge {
        let now = Timestamp::from_milliseconds(at);
        speed::generate(Some(id.to_owned()), TimeLimit::default(), &[1; 32], now).challenge
    }

    #[tokio::test]
    async fn challenge_is_taken_once() {
        let store = MemoryStore::default();
        store.put(challenge("a", 0)).await;
        assert!(store.take("a").await.is_some());
        assert!(store.take("a").await.is_none());
        assert!(store.take("b").await.is_none());
    }

    #[tokio::test]
    async fn oldest_go_when_there_are_too_many() {
        let store = MemoryStore::new(2);
        for id in ["a", "b", "c"] {
            store.put(challenge(id, 0)).await;
        }
        assert!(store.take("a").await.is_none());
        assert!(store.take("b").await.is_some() && store.take("c").await.is_some());
    }

    #[tokio::test]
    async fn ended_challenges_are_forgotten() {
        let store = MemoryStore::default();
        store.put(challenge("a", 0)).await;
        store.put(challenge("b", 551)).await;
        assert!(store.take("a").await.is_none());
        assert_eq!(store.open.lock().unwrap().in_order, ["b"]);
    }
}
