//! A bounded queue that many tenants share, so that nobody's flood takes another's place or turn.
//!
//! A tenant may have at most a third of the places waiting that are free (dynamic thresholds; Choudhury and Hahne,
//! IEEE/ACM Transactions on Networking 6(2), 1998): alone a quarter of all, less the more others wait, and always a
//! few. What is beyond that is lost, which is counted. Tenants take turns when things are taken out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What waits, by tenant.
#[derive(Debug)]
pub struct FairQueue<T> {
    capacity: usize,
    state: Mutex<State<T>>,
    arrived: Notify,
}

/// INVARIANT: `turns` names each tenant of `lines` once, no line is empty, and `waiting` is the sum of their lengths.
#[derive(Debug)]
struct State<T> {
    lines: HashMap<i64, VecDeque<T>>,
    turns: VecDeque<i64>,
    waiting: usize,
    lost: BTreeMap<i64, u64>,
    is_closed: bool,
}

impl<T> FairQueue<T> {
    /// A queue with so many places.
    pub fn new(capacity: usize) -> Self {
        let (lines, turns, lost) = (HashMap::new(), VecDeque::new(), BTreeMap::new());
        let state = State { lines, turns, waiting: 0, lost, is_closed: false };
        Self { capacity, state: Mutex::new(state), arrived: Notify::new() }
    }

    /// Puts something at the end of its tenant's line. False when it is lost: the tenant has its share of the places,
    /// or the queue is closed.
    pub fn put(&self, tenant: i64, item: T) -> bool {
        let mut state = self.state();
        let free = self.capacity.saturating_sub(state.waiting);
        let has_room = free > 0 && state.length(tenant) < (free / 3).max(LEAST);
        if state.is_closed || !has_room {
            *state.lost.entry(tenant).or_default() += 1;
            return false;
        }
        let line = state.lines.entry(tenant).or_default();
        line.push_back(item);
        if line.len() == 1 {
            state.turns.push_back(tenant);
        }
        state.waiting += 1;
        let was_empty = state.waiting == 1;
        drop(state);
        if was_empty {
            self.arrived.notify_one();
        }
        true
    }

    /// Takes at most so many, one of each tenant in turn, and waits until there is one. Nothing comes of a queue that
    /// is closed and empty.
    pub async fn take(&self, most: usize) -> Vec<T> {
        loop {
            if let Some(taken) = self.state().take(most) {
                return taken;
            }
            self.arrived.notified().await;
        }
    }

    /// Lets nothing in any more.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.arrived.notify_one();
    }

    /// How much was lost since this was asked last, by tenant.
    pub fn lost(&self) -> BTreeMap<i64, u64> {
        std::mem::take(&mut self.state().lost)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn length(&self, tenant: i64) -> usize {
        self.lines.get(&tenant).map_or(0, VecDeque::len)
    }

    /// Nothing when it is to be waited for.
    fn take(&mut self, most: usize) -> Option<Vec<T>> {
        if self.waiting == 0 && !self.is_closed {
            return None;
        }
        let mut taken = Vec::with_capacity(most.min(self.waiting));
        while taken.len() < most
            && let Some(tenant) = self.turns.pop_front()
        {
            let Some(line) = self.lines.get_mut(&tenant) else { continue };
            taken.extend(line.pop_front());
            if line.is_empty() {
                self.lines.remove(&tenant);
            } else {
                self.turns.push_back(tenant);
            }
        }
        self.waiting -= taken.len();
        Some(taken)
    }
}

/// Places that a tenant may have however many others wait, as long as any is free.
const LEAST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(queue: &FairQueue<(i64, usize)>, tenant: i64, count: usize) -> usize {
        (0..count).filter(|number| queue.put(tenant, (tenant, *number))).count()
    }

    #[tokio::test]
    async fn a_flood_gets_a_quarter_of_the_places_and_loses_only_its_own() {
        let queue = FairQueue::new(4_000);
        assert_eq!(fill(&queue, 1, 100_000), 1_000);
        assert_eq!(fill(&queue, 2, 500), 500, "others have room");
        assert_eq!(queue.lost(), BTreeMap::from([(1, 99_000)]));
        assert_eq!(queue.lost(), BTreeMap::new());
        assert_eq!(fill(&queue, 1, 1), 0);
        assert_eq!(queue.take(4_000).await.len(), 1_500);
        assert_eq!(fill(&queue, 1, 1), 1, "what was taken out makes room");
    }

    #[tokio::test]
    async fn many_floods_leave_room_for_who_comes_late() {
        let queue = FairQueue::new(16_000);
        for _ in 0..200 {
            for tenant in 0..50 {
                fill(&queue, tenant, 1_000);
            }
            assert_eq!(queue.take(512).await.len(), 512);
        }
        assert_eq!(fill(&queue, 99, 100), 100);
        for tenant in 100..1_000 {
            fill(&queue, tenant, 1_000);
        }
        assert_eq!(fill(&queue, 5_000, 1), 0, "there are no more places than there are");
        assert_eq!(queue.take(usize::MAX).await.len(), 16_000);
    }

    #[tokio::test]
    async fn tenants_take_turns_and_each_keeps_its_order() {
        let queue = FairQueue::new(4_000);
        fill(&queue, 1, 900);
        fill(&queue, 2, 2);
        fill(&queue, 3, 1);
        let expected = [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2), (1, 3)];
        assert_eq!(queue.take(7).await, expected);
    }

    #[tokio::test]
    async fn a_closed_queue_gives_what_it_holds_and_then_nothing() {
        let queue = FairQueue::new(100);
        fill(&queue, 1, 3);
        queue.close();
        assert_eq!(fill(&queue, 1, 1), 0);
        assert_eq!(queue.take(2).await.len(), 2);
        assert_eq!(queue.take(2).await.len(), 1);
        assert!(queue.take(2).await.is_empty());
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let queue = std::sync::Arc::new(FairQueue::new(100));
        for round in 0..100 {
            let waiting = queue.clone();
            let taken = tokio::spawn(async move { waiting.take(5).await });
            tokio::task::yield_now().await;
            assert!(queue.put(1, round));
            assert_eq!(taken.await.unwrap(), [round]);
        }
    }
}
