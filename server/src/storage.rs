//! Storage: three narrow traits that move raw rows, and typed helpers on top.
//!
//! A new endpoint declares a [`Record`] type; it adds no trait method, no table and no backend code. Look-up by
//! another key is a second record, written in the same atomic [`Storage::write`]. One-time things are taken,
//! never read and then deleted.

pub mod conformance;
pub mod distinct;
pub mod memory;
mod rollups;
pub mod sqlite;
pub mod tallies;

use std::sync::Arc;

use async_trait::async_trait;
use quivive_core::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::distinct::Distinct;
pub use self::rollups::Digest;
use self::tallies::Tallies;
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

/// A thing that is stored under its kind and id.
pub trait Record: Serialize + DeserializeOwned + Send + Sync {
    /// The kind, a short noun: `app`, `challenge`.
    const KIND: &'static str;

    /// Whether losing it in a crash only means "not found": such records stay in memory in single shape.
    const SHORT_LIVED: bool = false;

    /// The id, unique within the kind.
    fn id(&self) -> String;

    /// What lists are by: an app, a project, an agent.
    fn parent(&self) -> String {
        String::new()
    }

    /// When it stops being there.
    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}

/// A record with the version that guards its next write.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    /// The record.
    pub value: T,
    /// 1 for a new row, one more with every write.
    pub version: i64,
}

impl<T> std::ops::Deref for Versioned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A stored row as backends know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The record's kind.
    pub kind: String,
    /// The id within the kind.
    pub id: String,
    /// What lists are by.
    pub parent: String,
    /// 1 for a new row, one more with every write.
    pub version: i64,
    /// When the row stops being there.
    pub expires_at: Option<Timestamp>,
    /// The record as JSON text.
    pub body: String,
}

/// What must be true of a row for a write to happen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Condition {
    /// No row of this id is there (or it has expired).
    Absent,
    /// As `Absent`, and there are fewer than so many rows of the same kind and parent, counted before the write; else
    /// [`Error::Full`].
    AbsentOf(usize),
    /// Nothing.
    Any,
    /// The row is there and has this version.
    Version(i64),
}

/// One change of an atomic write.
#[derive(Clone, Debug, PartialEq)]
pub struct Put {
    /// The record's kind.
    pub kind: &'static str,
    /// The id within the kind.
    pub id: String,
    /// What must be true of the present row.
    pub condition: Condition,
    /// The new content, or nothing to delete the row.
    pub content: Option<Content>,
    /// Whether the row may live in memory alone.
    pub short_lived: bool,
}

/// The content of a row that is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// What lists are by.
    pub parent: String,
    /// When the row stops being there.
    pub expires_at: Option<Timestamp>,
    /// The record as JSON text.
    pub body: String,
}

impl Put {
    /// Writes the record under a condition.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the record has no JSON form (a map with keys that are no text, say).
    pub fn new<T: Record>(record: &T, condition: Condition) -> Result<Self> {
        let body = serde_json::to_string(record)
            .map_err(|error| Error::Corrupt { kind: T::KIND.to_owned(), reason: error.to_string() })?;
        Ok(Self {
            kind: T::KIND,
            id: record.id(),
            condition,
            content: Some(Content { parent: record.parent(), expires_at: record.expires_at(), body }),
            short_lived: T::SHORT_LIVED,
        })
    }

    /// Writes the record whatever is there.
    ///
    /// # Errors
    /// As [`Put::new`].
    pub fn any<T: Record>(record: &T) -> Result<Self> {
        Self::new(record, Condition::Any)
    }

    /// Writes the record if its id is free.
    ///
    /// # Errors
    /// As [`Put::new`].
    pub fn absent<T: Record>(record: &T) -> Result<Self> {
        Self::new(record, Condition::Absent)
    }

    /// Deletes a record, if it is there.
    pub fn delete<T: Record>(id: impl Into<String>) -> Self {
        Self {
            kind: T::KIND,
            id: id.into(),
            condition: Condition::Any,
            content: None,
            short_lived: T::SHORT_LIVED,
        }
    }
}

/// Rows by kind and id.
#[async_trait]
pub trait Records: Send + Sync {
    /// The row, unless it has expired.
    async fn get(&self, kind: &'static str, id: &str, now: Timestamp) -> Result<Option<Row>>;

    /// Writes all changes or none; durable when it returns (short-lived kinds excepted). Conditions are checked and
    /// changes made in one step, whoever else writes.
    async fn put(&self, changes: Vec<Put>, now: Timestamp) -> Result<()>;

    /// Reads and deletes in one step: of many callers at most one gets the row.
    async fn take(&self, kind: &'static str, id: &str, now: Timestamp) -> Result<Option<Row>>;

    /// Deletes; true if a live row was there.
    async fn delete(&self, kind: &'static str, id: &str, now: Timestamp) -> Result<bool>;

    /// Live rows of a parent in the order of their ids (bytewise), after the given id.
    async fn list(
        &self,
        kind: &'static str,
        parent: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Row>>;

    /// Removes rows that have expired; returns how many.
    async fn sweep(&self, now: Timestamp) -> Result<u64>;
}

/// The state of a window that [`Counters::admit`] keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Admission {
    /// Whether there was room, and the request is counted.
    pub admitted: bool,
    /// What is counted now.
    pub count: i64,
    /// When the window ends.
    pub resets_at: Timestamp,
}

/// Atomic counters in windows of time.
#[async_trait]
pub trait Counters: Send + Sync {
    /// Adds to the counter of a window that the caller names by its start, and returns the sum. A negative
    /// amount takes back.
    async fn add(
        &self,
        key: &str,
        window_start: Timestamp,
        amount: i64,
        expires_at: Timestamp,
    ) -> Result<i64>;

    /// Counts one request in a window that starts with its first request and lasts so many milliseconds,
    /// unless `limit` are counted already; refused requests are not counted.
    async fn admit(
        &self,
        key: &str,
        length_milliseconds: i64,
        limit: i64,
        now: Timestamp,
    ) -> Result<Admission>;

    /// What [`Counters::admit`] would find, without counting; nothing if no window is open.
    async fn peek(&self, key: &str, now: Timestamp) -> Result<Option<Admission>>;

    /// The sum of a window that the caller names by its start; 0 if nothing was added.
    async fn read(&self, key: &str, window_start: Timestamp) -> Result<i64>;

    /// Forgets every window of the key.
    async fn reset(&self, key: &str) -> Result<()>;

    /// Removes windows that have ended; returns how many.
    async fn sweep(&self, now: Timestamp) -> Result<u64>;
}

/// One thing that happened; columns by which events are found, and a body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// The stream: `botect_event`, `detection`, `audit`.
    pub kind: String,
    /// The tenant: a project or app id as text.
    pub project: String,
    /// The id, unique within kind and project: appending it again changes nothing.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// What is counted by: an event type, a bot type, an action. May also name a session.
    pub label: String,
    /// A number to be summed: a score, a duration.
    pub score: Option<f64>,
    /// The rest, as JSON text.
    pub body: String,
    /// How many events the row stands for when only a share of its like is kept; one when absent.
    pub weight: Option<f64>,
    /// Where it is written.
    pub keep: Keep,
    /// What is counted besides the label: a dimension and its value. Not read back.
    pub tallies: Vec<(&'static str, String)>,
    /// The sets of distinct things that it is in. Not read back.
    pub members: Vec<Member>,
}

/// Where an event is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Keep {
    /// A row, and the rollups.
    #[default]
    Both,
    /// A row that rollups leave out.
    Row,
    /// The rollups alone; nothing remembers its id.
    Rollups,
}

/// That an event belongs to something of which distinct ones are counted: a visitor, a bot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// The set: `visitor`, `bot`.
    pub set: &'static str,
    /// What kind of member it was seen as.
    pub class: &'static str,
    /// A hash that is even over 64 bits and that nobody outside can aim at: of a keyed function.
    pub identity: u64,
}

/// Which events to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventQuery {
    /// The stream.
    pub kind: String,
    /// The tenant.
    pub project: String,
    /// Only events of these labels; all when empty.
    pub labels: Vec<String>,
    /// Only events with at least this score.
    pub least_score: Option<f64>,
    /// Only events with at most this score.
    pub most_score: Option<f64>,
    /// Only events whose body has these texts as members.
    pub members: Vec<(&'static str, String)>,
    /// From this moment on.
    pub from: Timestamp,
    /// Up to, not including, this moment; nothing for no end.
    pub to: Option<Timestamp>,
    /// Continue after this event (its time and id).
    pub after: Option<(Timestamp, String)>,
    /// Latest first.
    pub newest_first: bool,
    /// Pass over so many first.
    pub skip: usize,
    /// At most so many.
    pub limit: usize,
}

/// The width of a rollup slot.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Slot {
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    Hour,
    /// A UTC day.
    Day,
    /// All time: one slot that starts at the epoch.
    Ever,
}

impl Slot {
    /// Every width, the finest first.
    pub const ALL: [Self; 4] = [Self::FiveMinutes, Self::Hour, Self::Day, Self::Ever];

    /// The width in milliseconds.
    pub const fn milliseconds(self) -> i64 {
        match self {
            Self::FiveMinutes => 300_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Ever => i64::MAX,
        }
    }

    /// The start of the slot that holds a moment.
    pub const fn start(self, at: Timestamp) -> Timestamp {
        let width = self.milliseconds();
        Timestamp::from_milliseconds(at.milliseconds().div_euclid(width) * width)
    }
}

/// Which rollups to read: whole slots from `from` (inclusive) to `to` (exclusive).
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryQuery {
    /// The stream.
    pub kind: String,
    /// The tenant.
    pub project: String,
    /// The width of the slots.
    pub slot: Slot,
    /// The first slot that starts at or after this moment.
    pub from: Timestamp,
    /// Slots that start before this moment.
    pub to: Timestamp,
}

/// The rollup of one slot and label.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The start of the slot.
    pub at: Timestamp,
    /// The label.
    pub label: String,
    /// How many events.
    pub count: i64,
    /// The sum of their scores.
    pub score_sum: f64,
}

/// Streams of events.
#[async_trait]
pub trait Events: Send + Sync {
    /// Appends and rolls up; durable when it returns. Tells for each event whether it was new: one with the
    /// same kind, project and id is there once.
    async fn append(&self, events: Vec<Event>) -> Result<Vec<bool>>;

    /// Reads events in the order of time, then id.
    async fn scan(&self, query: EventQuery) -> Result<Vec<Event>>;

    /// The event of an id.
    async fn find(&self, kind: &str, project: &str, id: &str) -> Result<Option<Event>>;

    /// How many events there are, counted up to the query's limit.
    async fn count(&self, query: EventQuery) -> Result<u64>;

    /// Reads rollups in the order of time, then label.
    async fn summarize(&self, query: SummaryQuery) -> Result<Vec<Summary>>;

    /// What was tallied in the slots, put together.
    async fn tallies(&self, query: SummaryQuery) -> Result<Tallies>;

    /// The union of a set over the slots.
    async fn distinct(&self, set: &str, query: SummaryQuery) -> Result<Distinct>;

    /// The tenants of a stream, in order.
    async fn tenants(&self, kind: &str) -> Result<Vec<String>>;

    /// Removes events of a stream, of one tenant or of all, from before a moment (rollups stay); returns how many.
    async fn forget(&self, kind: &str, project: Option<&str>, before: Timestamp) -> Result<u64>;

    /// Removes the slots of a width that start before a moment, of every stream; returns how many rows.
    async fn trim(&self, slot: Slot, before: Timestamp) -> Result<u64>;

    /// Removes all that a stream holds of a tenant, rollups too; returns how many rows.
    async fn erase(&self, kind: &str, project: &str) -> Result<u64>;
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
