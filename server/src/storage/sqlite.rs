//! All three traits on one SQLite file (or in memory): the durable backend of the single-node shape.
//!
//! One thread writes. Writers that wait at the same time share one transaction and are answered after its
//! commit; reads run on threads of their own and never wait for the writer (write-ahead log). Reads that may go through
//! many rows, for lists and figures, have threads apart: no look-up waits for them.

mod digests;
mod events;
mod migrations;
mod operations;
mod threads;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use quivive_core::Timestamp;
use tokio::sync::Semaphore;

use self::threads::{Reader, Writer};
use super::distinct::Distinct;
use super::tallies::Tallies;
use super::{
    Admission, Counters, Error, Event, EventQuery, Events, Put, Records, Result, Row, Slot, Summary,
    SummaryQuery,
};

/// What a commit survives.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sync {
    /// The end of the process at any moment (`synchronous = NORMAL`).
    #[default]
    Normal,
    /// Also the loss of power (`synchronous = FULL`).
    Full,
}

/// One SQLite database.
pub struct Sqlite {
    writer: Writer,
    readers: Option<Readers>,
}

struct Readers {
    /// For what reads a few rows.
    quick: Reader,
    /// For what may read many.
    thorough: Reader,
    /// Tenants that read much at this moment: each does one such thing at a time, so that others come in between.
    turns: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Readers {
    /// The turn of a tenant.
    fn turn(&self, tenant: &str) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(tenant).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Semaphore::new(1));
        turns.insert(tenant.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

impl Sqlite {
    /// Opens or creates a database file and brings its tables up to date.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the reason: no permission, no database, made by a newer version.
    pub fn open(path: &Path, sync: Sync, read_threads: usize) -> Result<Self> {
        let connect = || threads::connect(path, sync);
        let mut first = connect()?;
        migrations::run(&mut first)?;
        let reader = |threads| Reader::start((0..threads).map(|_| connect()).collect::<Result<Vec<_>>>()?);
        let (quick, thorough) = (reader(read_threads.max(1))?, reader(THOROUGH_THREADS)?);
        let readers = Readers { quick, thorough, turns: Mutex::default() };
        Ok(Self { writer: Writer::start(first)?, readers: Some(readers) })
    }

    /// A database in memory, gone when it is dropped; for tests and trials.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if SQLite does not start.
    pub fn in_memory() -> Result<Self> {
        let mut connection = rusqlite::Connection::open_in_memory().map_err(threads::unavailable)?;
        migrations::run(&mut connection)?;
        Ok(Self { writer: Writer::start(connection)?, readers: None })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        match &self.readers {
            Some(readers) => readers.quick.run(work).await,
            None => self.writer.run(|connection| work(connection).map(Ok)).await,
        }
    }

    async fn read_much<T: Send + 'static>(
        &self,
        tenant: &str,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        match &self.readers {
            Some(readers) => {
                // It is never closed. A caller that goes away leaves its work behind, so the turn ends with the work.
                let one_at_a_time = readers.turn(tenant).acquire_owned().await;
                let work = move |connection: &rusqlite::Connection| {
                    let _until_done = one_at_a_time;
                    work(connection)
                };
                readers.thorough.run(work).await
            }
            None => self.read(work).await,
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.writer.run(work).await
    }

    /// Removes in steps, so that other writers need not wait long, until a step finds nothing more.
    async fn remove(
        &self,
        step: impl Fn(&rusqlite::Connection) -> rusqlite::Result<u64> + Clone + Send + 'static,
    ) -> Result<u64> {
        let mut removed = 0;
        loop {
            let step = step.clone();
            match self.write(move |connection| step(connection).map(Ok)).await? {
                0 => return Ok(removed),
                some => removed += some,
            }
        }
    }
}

#[async_trait]
impl Records for Sqlite {
    async fn get(&self, kind: &'static str, id: &str, now: Timestamp) -> Result<Option<Row>> {
        let id = id.to_owned();
        self.read(move |connection| operations::get(connection, kind, &id, now)).await
    }

    async fn put(&self, changes: Vec<Put>, now: Timestamp) -> Result<()> {
        self.write(move |connection| operations::put(connection, &changes, now)).await
    }

    async fn take(&self, kind: &'static str, id: &str, now: Timestamp) -> Result<Option<Row>> {
        let id = id.to_owned();
        self.write(move |connection| operations::take(connection, kind, &id, now).map(Ok)).await
    }

    async fn delete(&self, kind: &'static str, id: &str, now: Timestamp) -> Result<bool> {
        Ok(self.take(kind, id, now).await?.is_some())
    }

    async fn list(
        &self,
        kind: &'static str,
        parent: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Row>> {
        let (parent, after) = (parent.to_owned(), after.map(str::to_owned));
        self.read(move |connection| operations::list(connection, kind, &parent, after.as_deref(), limit, now))
            .await
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        self.write(move |connection| operations::sweep_records(connection, now).map(Ok)).await
    }
}

#[async_trait]
impl Counters for Sqlite {
    async fn add(
        &self,
        key: &str,
        window_start: Timestamp,
        amount: i64,
        expires_at: Timestamp,
    ) -> Result<i64> {
        let key = key.to_owned();
        self.write(move |connection| {
            operations::add(connection, &key, window_start, amount, expires_at).map(Ok)
        })
        .await
    }

    async fn admit(
        &self,
        key: &str,
        length_milliseconds: i64,
        limit: i64,
        now: Timestamp,
    ) -> Result<Admission> {
        let key = key.to_owned();
        let ends_at = now.plus_milliseconds(length_milliseconds);
        self.write(move |connection| operations::admit(connection, &key, ends_at, limit, now).map(Ok)).await
    }

    async fn peek(&self, key: &str, now: Timestamp) -> Result<Option<Admission>> {
        let key = key.to_owned();
        self.read(move |connection| operations::peek(connection, &key, now)).await
    }

    async fn read(&self, key: &str, window_start: Timestamp) -> Result<i64> {
        let key = key.to_owned();
        self.read(move |connection| operations::read_counter(connection, &key, window_start)).await
    }

    async fn reset(&self, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.write(move |connection| operations::reset(connection, &key).map(Ok)).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        self.write(move |connection| operations::sweep_counters(connection, now).map(Ok)).await
    }
}

#[async_trait]
impl Events for Sqlite {
    async fn append(&self, events: Vec<Event>) -> Result<Vec<bool>> {
        self.write(move |connection| events::append(connection, &events).map(Ok)).await
    }

    async fn scan(&self, query: EventQuery) -> Result<Vec<Event>> {
        if query.reads_much() {
            let tenant = query.project.clone();
            return self.read_much(&tenant, move |connection| events::scan(connection, &query)).await;
        }
        self.read(move |connection| events::scan(connection, &query)).await
    }

    async fn find(&self, kind: &str, project: &str, id: &str) -> Result<Option<Event>> {
        let (kind, project, id) = (kind.to_owned(), project.to_owned(), id.to_owned());
        self.read(move |connection| events::find(connection, &kind, &project, &id)).await
    }

    async fn count(&self, query: EventQuery) -> Result<u64> {
        let tenant = query.project.clone();
        self.read_much(&tenant, move |connection| events::count(connection, &query)).await
    }

    async fn summarize(&self, query: SummaryQuery) -> Result<Vec<Summary>> {
        let tenant = query.project.clone();
        self.read_much(&tenant, move |connection| events::summarize(connection, &query)).await
    }

    async fn tallies(&self, query: SummaryQuery) -> Result<Tallies> {
        let tenant = query.project.clone();
        self.read_much(&tenant, move |connection| digests::read(connection, digests::TALLIES, &query)).await?
    }

    async fn distinct(&self, set: &str, query: SummaryQuery) -> Result<Distinct> {
        let set = set.to_owned();
        let tenant = query.project.clone();
        self.read_much(&tenant, move |connection| digests::read(connection, &set, &query)).await?
    }

    async fn tenants(&self, kind: &str) -> Result<Vec<String>> {
        let kind = kind.to_owned();
        self.read_much("", move |connection| events::tenants(connection, &kind)).await
    }

    async fn forget(&self, kind: &str, project: Option<&str>, before: Timestamp) -> Result<u64> {
        let (kind, project) = (kind.to_owned(), project.map(str::to_owned));
        self.remove(move |connection| events::forget(connection, &kind, project.as_deref(), before)).await
    }

    async fn trim(&self, slot: Slot, before: Timestamp) -> Result<u64> {
        self.remove(move |connection| events::trim(connection, slot, before)).await
    }

    async fn erase(&self, kind: &str, project: &str) -> Result<u64> {
        let (kind, project) = (kind.to_owned(), project.to_owned());
        self.remove(move |connection| events::erase(connection, &kind, &project)).await
    }
}

/// A backend that cannot be reached answers with this; kept here so that callers need not know SQLite.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        threads::unavailable(error)
    }
}

impl EventQuery {
    /// Whether rows may be passed over or many are wanted.
    fn reads_much(&self) -> bool {
        !self.members.is_empty()
            || self.least_score.is_some()
            || self.most_score.is_some()
            || self.skip.saturating_add(self.limit) > MOST_QUICK_ROWS
    }
}

/// Threads for reads that may take long: so many are served at once, whoever asks.
const THOROUGH_THREADS: usize = 2;

/// Rows up to which a read is quick.
const MOST_QUICK_ROWS: usize = 500;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const READS: usize = 60;

    /// A database whose tenant `p` reads much, many times at once; how many of these reads are done.
    async fn crowded(folder: &Path) -> (Arc<Sqlite>, Arc<AtomicUsize>) {
        let sqlite = Arc::new(Sqlite::open(&folder.join("t.db"), Sync::Normal, 1).unwrap());
        let event = |project: &str, number: u32| Event {
            kind: "k".to_owned(),
            project: project.to_owned(),
            id: number.to_string(),
            body: r#"{"agentId":"a"}"#.to_owned(),
            ..Event::default()
        };
        sqlite.append((0..50_000).map(|number| event("p", number)).collect()).await.unwrap();
        sqlite.append((0..10).map(|number| event("q", number)).collect()).await.unwrap();
        let (begun, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..READS {
            let (sqlite, begun, done) = (sqlite.clone(), begun.clone(), done.clone());
            tokio::spawn(async move {
                begun.fetch_add(1, Ordering::SeqCst);
                let members = vec![("agentId", "nobody".to_owned())];
                let query = EventQuery { members, ..all("p") };
                sqlite.scan(query.clone()).await.unwrap();
                sqlite.count(query).await.unwrap();
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        while begun.load(Ordering::SeqCst) < READS {
            tokio::task::yield_now().await;
        }
        (sqlite, done)
    }

    fn all(project: &str) -> EventQuery {
        let (kind, project) = ("k".to_owned(), project.to_owned());
        EventQuery { kind, project, limit: 10, ..EventQuery::default() }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn figures_that_take_long_hold_up_no_look_up() {
        let folder = tempfile::tempdir().unwrap();
        let (sqlite, done) = crowded(folder.path()).await;
        for _ in 0..20 {
            assert_eq!(sqlite.get("thing", "x", Timestamp::default()).await.unwrap(), None);
            assert_eq!(sqlite.scan(all("p")).await.unwrap().len(), 10);
        }
        assert!(done.load(Ordering::SeqCst) < READS / 2, "look-ups waited for figures");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn figures_of_one_tenant_hold_up_none_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let (sqlite, done) = crowded(folder.path()).await;
        for _ in 0..20 {
            assert_eq!(sqlite.count(all("q")).await.unwrap(), 10);
        }
        assert!(done.load(Ordering::SeqCst) < READS / 2, "figures waited for another tenant's");
    }
}
