//! All three traits on one SQLite file (or in memory): the durable backend of the single-node shape.
//!
//! One thread writes. Writers that wait at the same time share one transaction and are answered after its
//! commit; reads run on threads of their own and never wait for the writer (write-ahead log).

mod digests;
mod events;
mod migrations;
mod operations;
mod threads;

use std::path::Path;

use async_trait::async_trait;
use quivive_core::Timestamp;

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
    reader: Option<Reader>,
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
        let readers = (0..read_threads.max(1)).map(|_| connect()).collect::<Result<Vec<_>>>()?;
        Ok(Self { writer: Writer::start(first)?, reader: Some(Reader::start(readers)?) })
    }

    /// A database in memory, gone when it is dropped; for tests and trials.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if SQLite does not start.
    pub fn in_memory() -> Result<Self> {
        let mut connection = rusqlite::Connection::open_in_memory().map_err(threads::unavailable)?;
        migrations::run(&mut connection)?;
        Ok(Self { writer: Writer::start(connection)?, reader: None })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        match &self.reader {
            Some(reader) => reader.run(work).await,
            None => self.writer.run(|connection| work(connection).map(Ok)).await,
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
        self.read(move |connection| events::scan(connection, &query)).await
    }

    async fn find(&self, kind: &str, project: &str, id: &str) -> Result<Option<Event>> {
        let (kind, project, id) = (kind.to_owned(), project.to_owned(), id.to_owned());
        self.read(move |connection| events::find(connection, &kind, &project, &id)).await
    }

    async fn count(&self, query: EventQuery) -> Result<u64> {
        self.read(move |connection| events::count(connection, &query)).await
    }

    async fn summarize(&self, query: SummaryQuery) -> Result<Vec<Summary>> {
        self.read(move |connection| events::summarize(connection, &query)).await
    }

    async fn tallies(&self, query: SummaryQuery) -> Result<Tallies> {
        self.read(move |connection| digests::read(connection, digests::TALLIES, &query)).await?
    }

    async fn distinct(&self, set: &str, query: SummaryQuery) -> Result<Distinct> {
        let set = set.to_owned();
        self.read(move |connection| digests::read(connection, &set, &query)).await?
    }

    async fn tenants(&self, kind: &str) -> Result<Vec<String>> {
        let kind = kind.to_owned();
        self.read(move |connection| events::tenants(connection, &kind)).await
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
