//! Challenges as they are kept: for one attempt, in memory, apart by kind.

use quivive_core::Timestamp;
use quivive_core::challenge::Challenge;
use quivive_core::challenge::hybrid::HybridChallenge;
use quivive_core::challenge::reasoning::ReasoningChallenge;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::Result;
use crate::storage::Record;

/// The half of a challenge that the core judges by; it holds the answers and is never shown.
pub trait Kept: DeserializeOwned + Send + Serialize + Sync {
    /// The kind of record: an id of one kind is unknown to the routes of another.
    const RECORD: &'static str;

    /// The id that was shown.
    fn id(&self) -> &str;

    /// When it was issued.
    fn issued_at(&self) -> Timestamp;
}

/// A challenge that waits for its answer.
#[derive(Debug, Deserialize, Serialize)]
pub struct Stored<K> {
    /// What the core judges by; it knows the kind, so that no other kind's answer is right.
    pub challenge: K,
    /// The app that asked for it.
    pub app_id: Option<String>,
}

impl<K: Kept> Record for Stored<K> {
    const KIND: &'static str = K::RECORD;
    const SHORT_LIVED: bool = true;

    fn id(&self) -> String {
        self.challenge.id().to_owned()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.challenge.issued_at().plus_milliseconds(LIFETIME))
    }
}

/// Looks at a challenge, which stays.
///
/// # Errors
/// If storage does not answer.
pub async fn look<K: Kept>(app: &App, id: &str) -> Result<Option<Stored<K>>> {
    if id.len() > LONGEST_ID {
        return Ok(None);
    }
    Ok(app.storage.get::<Stored<K>>(id).await?.map(|found| found.value))
}

/// Takes a challenge: of many who answer it at most one is judged.
///
/// # Errors
/// If storage does not answer.
pub async fn take<K: Kept>(app: &App, id: &str) -> Result<Option<Stored<K>>> {
    if id.len() > LONGEST_ID {
        return Ok(None);
    }
    Ok(app.storage.take::<Stored<K>>(id).await?)
}

macro_rules! kept {
    ($($challenge:ty => $record:literal;)*) => {
        $(impl Kept for $challenge {
            const RECORD: &'static str = $record;

            fn id(&self) -> &str {
                &self.id
            }

            fn issued_at(&self) -> Timestamp {
                self.issued_at
            }
        })*
    };
}

kept! {
    Challenge => "challenge";
    ReasoningChallenge => "reasoning_challenge";
    HybridChallenge => "hybrid_challenge";
}

/// How long a challenge is kept, in milliseconds.
const LIFETIME: i64 = 300_000;
const LONGEST_ID: usize = 64;
