//! Rows by kind and id, and the conditions of their writes.

use async_trait::async_trait;
use quivive_core::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, Result};

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
