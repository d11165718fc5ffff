//! Rate windows over [`crate::storage::Counters`].

use std::borrow::Cow;

use quivive_core::{Timestamp, encoding};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::storage::Result;

/// A bucket: who is counted, how many may pass, in which time.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// Names the bucket and the caller: `challenge:ip:192.0.2.1`.
    pub key: String,
    /// How many pass in one window; 0 means no limit.
    pub limit: u32,
    /// The length of a window, which starts with the first request.
    pub window_milliseconds: i64,
}

/// The state of a bucket, for headers and refusals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Standing {
    /// Whether the request may pass.
    pub admitted: bool,
    /// How many pass in one window; 0 means no limit.
    pub limit: u32,
    /// How many more pass in this window.
    pub remaining: i64,
    /// When the window ends.
    pub resets_at: Timestamp,
}

impl Standing {
    /// Whole seconds until the window ends, at least 1.
    pub fn retry_after_seconds(&self, now: Timestamp) -> i64 {
        (self.resets_at.milliseconds_since(now).saturating_add(999) / 1000).max(1)
    }
}

impl Bucket {
    /// Counts one request, unless the bucket is full.
    ///
    /// # Errors
    /// If the counters do not answer.
    pub async fn count(&self, app: &App) -> Result<Standing> {
        let now = app.now();
        if self.limit == 0 {
            return Ok(self.untouched(now));
        }
        let admission = app
            .storage
            .windows()
            .admit(&self.bounded_key(), self.window_milliseconds, i64::from(self.limit), now)
            .await?;
        Ok(Standing {
            admitted: admission.admitted,
            limit: self.limit,
            remaining: (i64::from(self.limit) - admission.count).max(0),
            resets_at: admission.resets_at,
        })
    }

    /// The state of the bucket without counting.
    ///
    /// # Errors
    /// If the counters do not answer.
    pub async fn look(&self, app: &App) -> Result<Standing> {
        let now = app.now();
        let found = app.storage.windows().peek(&self.bounded_key(), now).await?;
        Ok(found.map_or_else(
            || self.untouched(now),
            |window| Standing {
                admitted: true,
                limit: self.limit,
                remaining: (i64::from(self.limit) - window.count).max(0),
                resets_at: window.resets_at,
            },
        ))
    }

    /// A key takes little memory, whatever a caller has put into it.
    fn bounded_key(&self) -> Cow<'_, str> {
        if self.key.len() <= LONGEST_KEY {
            Cow::Borrowed(&self.key)
        } else {
            Cow::Owned(encoding::hex(&Sha256::digest(self.key.as_bytes())))
        }
    }

    fn untouched(&self, now: Timestamp) -> Standing {
        Standing {
            admitted: true,
            limit: self.limit,
            remaining: i64::from(self.limit),
            resets_at: now.plus_milliseconds(self.window_milliseconds),
        }
    }
}

const LONGEST_KEY: usize = 200;
