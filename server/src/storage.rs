//! Storage: three narrow traits that move raw rows, and typed helpers on top.
//!
//! A new endpoint declares a [`Record`] type; it adds no trait method, no table and no backend code. Look-up by
//! another key is a second record, written in the same atomic [`Storage::write`]. One-time things are taken,
//! never read and then deleted.

pub mod conformance;
mod counters;
pub mod distinct;
mod events;
pub mod memory;
mod records;
mod rollups;
pub mod sqlite;
pub mod tallies;

use std::sync::Arc;

pub use self::counters::{Admission, Counters};
pub use self::events::{Event, EventQuery, Events, Keep, Member, Slot, Summary, SummaryQuery};
pub use self::records::{Condition, Content, Put, Record, Records, Row, Versioned};
pub use self::rollups::Digest;
use crate::app::Clock;

/// The result of a storage operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why storage did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A condition of a write did not hold; nothing was written.
    #[error("the condition of a write did not hold")]
    Conflict,
    /// There are as many rows as there may be; nothing was written.
    #[error("there are as many records as there may be")]
    Full,
    /// A stored body is not what its type says.
    #[error("record `{kind}` cannot be read: {reason}")]
    Corrupt {
        /// The record's kind.
        kind: String,
        /// What the decoder said; holds no content.
        reason: String,
    },
    /// The backend does not answer or is closed.
    #[error("storage is not available: {0}")]
    Unavailable(String),
}

/// The storage of a running server: durable rows, events and counters, and a memory for short-lived things.
#[derive(Clone)]
pub struct Storage {
    records: Arc<dyn Records>,
    short_lived: Arc<dyn Records>,
    events: Arc<dyn Events>,
    counters: Arc<dyn Counters>,
    windows: Arc<dyn Counters>,
    clock: Clock,
}

impl Storage {
    /// Puts backends together: the durable one, and the one for what may be lost in a crash.
    pub fn new<D, M>(durable: Arc<D>, short_lived: Arc<M>, clock: Clock) -> Self
    where
        D: Records + Events + Counters + 'static,
        M: Records + Counters + 'static,
    {
        Self {
            records: durable.clone(),
            short_lived: short_lived.clone(),
            events: durable.clone(),
            counters: durable,
            windows: short_lived,
            clock,
        }
    }

    /// Event streams.
    pub fn events(&self) -> &dyn Events {
        &*self.events
    }

    /// Durable counters: quotas per day and month.
    pub fn counters(&self) -> &dyn Counters {
        &*self.counters
    }

    /// Counters that may be lost in a crash: rate windows up to an hour.
    pub fn windows(&self) -> &dyn Counters {
        &*self.windows
    }

    /// The record, unless it has expired.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn get<T: Record>(&self, id: &str) -> Result<Option<Versioned<T>>> {
        self.of(T::SHORT_LIVED).get(T::KIND, id, self.clock.now()).await?.map(decode).transpose()
    }

    /// Writes one record whatever is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put<T: Record>(&self, record: &T) -> Result<()> {
        self.write(vec![Put::any(record)?]).await
    }

    /// Writes one record if its id is free.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is not; [`Error::Unavailable`].
    pub async fn insert<T: Record>(&self, record: &T) -> Result<()> {
        self.write(vec![Put::absent(record)?]).await
    }

    /// Writes one record if its id is free and its parent has fewer than `most`, however many do so at once.
    ///
    /// # Errors
    /// [`Error::Full`] if there are as many; [`Error::Conflict`] if the id is not free; [`Error::Unavailable`].
    pub async fn insert_of<T: Record>(&self, record: &T, most: usize) -> Result<()> {
        self.write(vec![Put::new(record, Condition::AbsentOf(most))?]).await
    }

    /// Writes all changes or none. Durable and short-lived kinds cannot be mixed in one write.
    ///
    /// # Errors
    /// [`Error::Conflict`] or [`Error::Full`] if a condition does not hold; [`Error::Unavailable`].
    pub async fn write(&self, changes: Vec<Put>) -> Result<()> {
        let short_lived = changes.first().is_some_and(|change| change.short_lived);
        if changes.iter().any(|change| change.short_lived != short_lived) {
            return Err(Error::Unavailable("durable and short-lived records in one write".to_owned()));
        }
        self.of(short_lived).put(changes, self.clock.now()).await
    }

    /// Reads, changes and writes a record, again if another request was faster (at most 16 times).
    /// `change` returns nothing to leave the record as it is. Nothing is returned if no record is there.
    ///
    /// # Errors
    /// [`Error::Conflict`] if others were faster every time; [`Error::Unavailable`].
    pub async fn update<T: Record>(
        &self,
        id: &str,
        mut change: impl FnMut(T) -> Option<T>,
    ) -> Result<Option<()>> {
        for _ in 0..16 {
            let Some(found) = self.get::<T>(id).await? else { return Ok(None) };
            let Some(next) = change(found.value) else { return Ok(Some(())) };
            match self.write(vec![Put::new(&next, Condition::Version(found.version))?]).await {
                Err(Error::Conflict) => tokio::task::yield_now().await,
                other => return other.map(Some),
            }
        }
        Err(Error::Conflict)
    }

    /// Reads and deletes in one step: of many callers at most one gets the record.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn take<T: Record>(&self, id: &str) -> Result<Option<T>> {
        let row = self.of(T::SHORT_LIVED).take(T::KIND, id, self.clock.now()).await?;
        Ok(row.map(decode).transpose()?.map(|found: Versioned<T>| found.value))
    }

    /// Deletes; true if the record was there.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn delete<T: Record>(&self, id: &str) -> Result<bool> {
        self.of(T::SHORT_LIVED).delete(T::KIND, id, self.clock.now()).await
    }

    /// Records of a parent in the order of their ids, after the given id.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn list<T: Record>(
        &self,
        parent: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Versioned<T>>> {
        let rows = self.of(T::SHORT_LIVED).list(T::KIND, parent, after, limit, self.clock.now()).await?;
        rows.into_iter().map(decode).collect()
    }

    /// Removes everything that has expired; returns how many rows.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn sweep(&self) -> Result<u64> {
        let now = self.clock.now();
        Ok(self.records.sweep(now).await?
            + self.short_lived.sweep(now).await?
            + self.counters.sweep(now).await?
            + self.windows.sweep(now).await?)
    }

    /// Whether the durable backend reads and writes at this moment.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it does not.
    pub async fn check(&self) -> Result<()> {
        self.records.delete("readiness", "probe", self.clock.now()).await.map(|_| ())
    }

    /// Ids of records of a parent in their order, after the given id, whatever the records hold.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ids<T: Record>(
        &self,
        parent: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        let rows = self.of(T::SHORT_LIVED).list(T::KIND, parent, after, limit, self.clock.now()).await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    fn of(&self, short_lived: bool) -> &dyn Records {
        if short_lived { &*self.short_lived } else { &*self.records }
    }
}

fn decode<T: Record>(row: Row) -> Result<Versioned<T>> {
    // The decoder's own text may quote the content, so only the place is kept.
    let value = serde_json::from_str(&row.body).map_err(|error| Error::Corrupt {
        kind: row.kind.clone(),
        reason: format!("{:?} error at column {}", error.classify(), error.column()),
    })?;
    Ok(Versioned { value, version: row.version })
}
