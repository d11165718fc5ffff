//! Verdicts by session and context, kept in the process and thrown away as soon as they could differ.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use quivive_core::score::Verdict;

use super::queue::SessionKey;
use super::record::StoredScore;

/// Scores and verdicts of sessions that were read lately.
pub struct VerdictCache {
    sessions: Cache<SessionKey, Arc<Remembered>>,
    /// Counts of changes, by the session's hash; several sessions share one.
    changes: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// One session's score, and the verdicts that followed from it.
pub struct Remembered {
    /// The score.
    pub score: StoredScore,
    verdicts: Mutex<HashMap<Situation, Arc<Verdict>>>,
}

/// All that a verdict depends on beside the score: the project's generation of settings and the request's context.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Situation {
    /// The project's generation.
    pub generation: u64,
    /// A hash of the context, under a key that only this process has; see [`VerdictCache::situation`].
    context: u64,
}

/// A reading that has begun; what it loads is kept only if the session did not change meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    place: usize,
    changes: u64,
}

impl VerdictCache {
    /// A cache that keeps a session for so long at most.
    pub fn new(lifetime: Duration) -> Self {
        let sessions = Cache::builder().max_capacity(MOST_SESSIONS).time_to_live(lifetime).build();
        let changes = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { sessions, changes, hasher: RandomState::new() }
    }

    /// What is remembered of the session.
    pub fn get(&self, key: &SessionKey) -> Option<Arc<Remembered>> {
        self.sessions.get(key)
    }

    /// The situation of a request under a project's generation of settings.
    pub fn situation(&self, generation: u64, context: &impl Hash) -> Situation {
        Situation { generation, context: self.hasher.hash_one(context) }
    }

    /// Begins to read a session; call it before the first look at storage.
    pub fn begin(&self, key: &SessionKey) -> Reading {
        let place = self.place(key);
        Reading { place, changes: self.count(place).load(Ordering::SeqCst) }
    }

    /// Remembers the score that a reading found, unless the session changed since.
    pub fn insert(&self, key: SessionKey, reading: Reading, score: StoredScore) -> Arc<Remembered> {
        let remembered = Arc::new(Remembered { score, verdicts: Mutex::default() });
        let is_current = || self.count(reading.place).load(Ordering::SeqCst) == reading.changes;
        if is_current() {
            // Readings at the same time share one entry, so that a block is recorded once.
            let kept = self.sessions.entry(key.clone()).or_insert(remembered).into_value();
            // A change between the check and the insertion would otherwise be missed.
            if !is_current() {
                self.sessions.invalidate(&key);
            }
            return kept;
        }
        remembered
    }

    /// Forgets a session because its score or state changed.
    pub fn forget(&self, key: &SessionKey) {
        self.count(self.place(key)).fetch_add(1, Ordering::SeqCst);
        self.sessions.invalidate(key);
    }

    fn place(&self, key: &SessionKey) -> usize {
        usize::try_from(self.hasher.hash_one(key) % PLACES as u64).unwrap_or_default()
    }

    #[expect(clippy::indexing_slicing, reason = "places are taken modulo the length")]
    fn count(&self, place: usize) -> &AtomicU64 {
        &self.changes[place % self.changes.len()]
    }
}

impl Remembered {
    /// The verdict of a situation, if it was resolved before.
    pub fn verdict(&self, situation: Situation) -> Option<Arc<Verdict>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(&situation).cloned()
    }

    /// Remembers the verdict of a situation; false if another request did so first.
    pub fn remember(&self, situation: Situation, verdict: Arc<Verdict>) -> bool {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= MOST_SITUATIONS {
            verdicts.clear();
        }
        verdicts.insert(situation, verdict).is_none()
    }
}

const MOST_SESSIONS: u64 = 100_000;
const MOST_SITUATIONS: usize = 16;
const PLACES: usize = 4096;

#[cfg(test)]
mod tests {
    use quivive_core::Timestamp;
    use quivive_core::score::EngineResults;

    use super::super::record::SessionFacts;
    use super::*;

    fn key() -> SessionKey {
        SessionKey { project_id: 1, token: "sess_1".into() }
    }

    fn score(revision: u64) -> StoredScore {
        StoredScore {
            project_id: 1,
            token: "sess_1".to_owned(),
            revision,
            scored_at: Timestamp::default(),
            engines: EngineResults::default(),
            facts: SessionFacts::default(),
            verification: None,
            expires_at: Timestamp::default(),
        }
    }

    #[test]
    fn what_was_loaded_before_a_change_is_not_kept() {
        let cache = VerdictCache::new(Duration::from_secs(60));
        let reading = cache.begin(&key());
        cache.forget(&key());
        assert_eq!(cache.insert(key(), reading, score(1)).score.revision, 1);
        assert!(cache.get(&key()).is_none());
        cache.insert(key(), cache.begin(&key()), score(2));
        assert_eq!(cache.get(&key()).unwrap().score.revision, 2);
        cache.forget(&key());
        assert!(cache.get(&key()).is_none());
    }

    #[test]
    fn verdicts_differ_by_situation() {
        let cache = VerdictCache::new(Duration::from_secs(60));
        let remembered = cache.insert(key(), cache.begin(&key()), score(1));
        let situation = cache.situation(0, &"/a");
        assert!(remembered.remember(situation, Arc::new(Verdict::fail_open())));
        assert!(!remembered.remember(situation, Arc::new(Verdict::fail_open())));
        assert!(remembered.verdict(situation).is_some());
        assert!(remembered.verdict(cache.situation(0, &"/a")).is_some());
        assert!(remembered.verdict(cache.situation(0, &"/b")).is_none());
        assert!(remembered.verdict(cache.situation(1, &"/a")).is_none());
        // A visitor cannot compute which contexts meet.
        let other = VerdictCache::new(Duration::from_secs(60));
        assert_ne!(other.situation(0, &"/a"), situation);
    }
}
