//! Rows and windows in memory, for what may be lost in a crash: challenges, nonces of a login, rate windows.
//!
//! Bounded: when full, what would expire first is forgotten first. Events are kept here for trials only, without bound.

mod events;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use quivive_core::Timestamp;

use super::{Admission, Condition, Counters, Error, Put, Records, Result, Row};

/// The memory of one process.
pub struct Memory {
    capacity: usize,
    rows: Mutex<Rows>,
    windows: Mutex<Windows>,
    streams: Mutex<events::Streams>,
}

impl Memory {
    /// A memory of at most so many rows, and as many windows.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            rows: Mutex::default(),
            windows: Mutex::default(),
            streams: Mutex::default(),
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Records for Memory {
    async fn get(&self, kind: &'static str, id: &str, now: Timestamp) -> Result<Option<Row>> {
        Ok(self.rows().live(kind, id, now).cloned())
    }

    async fn put(&self, changes: Vec<Put>, now: Timestamp) -> Result<()> {
        let mut rows = self.rows();
        for change in &changes {
            let version = rows.live(change.kind, &change.id, now).map(|row| row.version);
            let holds = match change.condition {
                Condition::Any => true,
                Condition::Absent => version.is_none(),
                Condition::AbsentOf(most) if version.is_none() => {
                    let parent = change.content.as_ref().map_or("", |content| &content.parent);
                    if rows.of_parent(change.kind, parent, now).take(most).count() == most {
                        return Err(Error::Full);
                    }
                    true
                }
                Condition::AbsentOf(_) => false,
                Condition::Version(expected) => version == Some(expected),
            };
            if !holds {
                return Err(Error::Conflict);
            }
        }
        for change in changes {
            let version = rows.live(change.kind, &change.id, now).map_or(0, |row| row.version);
            rows.remove(change.kind, &change.id);
            if let Some(content) = change.content {
                let row = Row {
                    kind: change.kind.to_owned(),
                    id: change.id,
                    parent: content.parent,
                    version: version + 1,
                    expires_at: content.expires_at,
                    body: content.body,
                };
                rows.insert(change.kind, row);
            }
        }
        while rows.by_id.len() > self.capacity && rows.forget_first() {}
        Ok(())
    }

    async fn take(&self, kind: &'static str, id: &str, now: Timestamp) -> Result<Option<Row>> {
        Ok(self.rows().remove(kind, id).filter(|row| is_live(row, now)))
    }

    async fn delete(&self, kind: &'static str, id: &str, now: Timestamp) -> Result<bool> {
        Ok(self.rows().remove(kind, id).is_some_and(|row| is_live(&row, now)))
    }

    async fn list(
        &self,
        kind: &'static str,
        parent: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Row>> {
        let rows = self.rows();
        let start = Bound::Excluded((kind, after.unwrap_or_default().to_owned()));
        let start = if after.is_some() { start } else { Bound::Included((kind, String::new())) };
        Ok(rows
            .by_id
            .range((start, Bound::Unbounded))
            .take_while(|((found, _), _)| *found == kind)
            .map(|(_, row)| row)
            .filter(|row| row.parent == parent && is_live(row, now))
            .take(limit)
            .cloned()
            .collect())
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        let mut rows = self.rows();
        let mut removed = 0;
        while rows.by_expiry.first().is_some_and(|(at, _, _)| *at <= now) && rows.forget_first() {
            removed += 1;
        }
        Ok(removed)
    }
}

#[async_trait]
impl Counters for Memory {
    async fn add(
        &self,
        key: &str,
        window_start: Timestamp,
        amount: i64,
        expires_at: Timestamp,
    ) -> Result<i64> {
        let mut windows = self.windows();
        let window = windows.open((key.to_owned(), Some(window_start)), expires_at);
        window.value = window.value.saturating_add(amount);
        let value = window.value;
        windows.shrink(self.capacity);
        Ok(value)
    }

    async fn admit(
        &self,
        key: &str,
        length_milliseconds: i64,
        limit: i64,
        now: Timestamp,
    ) -> Result<Admission> {
        let mut windows = self.windows();
        let id = (key.to_owned(), None);
        if windows.by_key.get(&id).is_some_and(|window| window.expires_at <= now) {
            windows.remove(&id);
        }
        let window = windows.open(id, now.plus_milliseconds(length_milliseconds));
        let admitted = window.value < limit;
        window.value += i64::from(admitted);
        let admission = Admission { admitted, count: window.value, resets_at: window.expires_at };
        windows.shrink(self.capacity);
        Ok(admission)
    }

    async fn peek(&self, key: &str, now: Timestamp) -> Result<Option<Admission>> {
        let windows = self.windows();
        let window = windows.by_key.get(&(key.to_owned(), None)).filter(|window| window.expires_at > now);
        Ok(window.map(|window| Admission {
            admitted: true,
            count: window.value,
            resets_at: window.expires_at,
        }))
    }

    async fn read(&self, key: &str, window_start: Timestamp) -> Result<i64> {
        Ok(self.windows().by_key.get(&(key.to_owned(), Some(window_start))).map_or(0, |window| window.value))
    }

    async fn reset(&self, key: &str) -> Result<()> {
        let mut windows = self.windows();
        let start = (key.to_owned(), None);
        let ids: Vec<_> =
            windows.by_key.range(start..).map(|(id, _)| id.clone()).take_while(|id| id.0 == key).collect();
        for id in &ids {
            windows.remove(id);
        }
        Ok(())
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        let mut windows = self.windows();
        let mut removed = 0;
        while let Some((_, id)) = windows.by_expiry.first().filter(|(at, _)| *at <= now).cloned() {
            windows.remove(&id);
            removed += 1;
        }
        Ok(removed)
    }
}

fn is_live(row: &Row, now: Timestamp) -> bool {
    row.expires_at.is_none_or(|at| at > now)
}

/// INVARIANT: `by_expiry` names exactly the rows of `by_id`; rows without an end come last.
#[derive(Default)]
struct Rows {
    by_id: BTreeMap<(&'static str, String), Row>,
    by_expiry: BTreeSet<(Timestamp, &'static str, String)>,
}

impl Rows {
    fn live(&self, kind: &'static str, id: &str, now: Timestamp) -> Option<&Row> {
        self.by_id.get(&(kind, id.to_owned())).filter(|row| is_live(row, now))
    }

    fn of_parent(&self, kind: &'static str, parent: &str, now: Timestamp) -> impl Iterator<Item = &Row> {
        let of_kind =
            self.by_id.range((kind, String::new())..).take_while(move |((found, _), _)| *found == kind);
        of_kind.map(|(_, row)| row).filter(move |row| row.parent == parent && is_live(row, now))
    }

    fn insert(&mut self, kind: &'static str, row: Row) {
        self.by_expiry.insert((expiry(&row), kind, row.id.clone()));
        self.by_id.insert((kind, row.id.clone()), row);
    }

    fn remove(&mut self, kind: &'static str, id: &str) -> Option<Row> {
        let row = self.by_id.remove(&(kind, id.to_owned()))?;
        self.by_expiry.remove(&(expiry(&row), kind, row.id.clone()));
        Some(row)
    }

    fn forget_first(&mut self) -> bool {
        let Some((_, kind, id)) = self.by_expiry.pop_first() else { return false };
        self.by_id.remove(&(kind, id)).is_some()
    }
}

fn expiry(row: &Row) -> Timestamp {
    row.expires_at.unwrap_or(Timestamp::from_milliseconds(i64::MAX))
}

type WindowId = (String, Option<Timestamp>);

/// INVARIANT: `by_expiry` names exactly the windows of `by_key`.
#[derive(Default)]
struct Windows {
    by_key: BTreeMap<WindowId, Window>,
    by_expiry: BTreeSet<(Timestamp, WindowId)>,
}

struct Window {
    value: i64,
    expires_at: Timestamp,
}

impl Windows {
    fn open(&mut self, id: WindowId, expires_at: Timestamp) -> &mut Window {
        if !self.by_key.contains_key(&id) {
            self.by_expiry.insert((expires_at, id.clone()));
        }
        self.by_key.entry(id).or_insert(Window { value: 0, expires_at })
    }

    fn remove(&mut self, id: &WindowId) {
        if let Some(window) = self.by_key.remove(id) {
            self.by_expiry.remove(&(window.expires_at, id.clone()));
        }
    }

    fn shrink(&mut self, capacity: usize) {
        while self.by_key.len() > capacity
            && let Some((_, id)) = self.by_expiry.pop_first()
        {
            self.by_key.remove(&id);
        }
    }
}
