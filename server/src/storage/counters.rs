//! Counters in windows of time.

use async_trait::async_trait;
use quivive_core::Timestamp;

use super::Result;

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
