//! When keys were used last: noted in memory on the request's way, written once a minute.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quivive_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::jobs::Stop;
use crate::storage::{self, Put, Record};

/// Uses that are not written yet, by the key's hash.
#[derive(Default)]
pub struct Uses(Mutex<HashMap<String, Timestamp>>);

#[derive(Debug, Deserialize, Serialize)]
struct LastUse {
    hash: String,
    at: Timestamp,
}

impl Record for LastUse {
    const KIND: &'static str = "detection_key_use";
    fn id(&self) -> String {
        self.hash.clone()
    }
}

impl Uses {
    /// Notes a use.
    pub fn note(&self, hash: &str, now: Timestamp) {
        let mut waiting = self.lock();
        match waiting.get_mut(hash) {
            Some(at) => *at = now,
            None => {
                waiting.insert(hash.to_owned(), now);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the key of this hash was used last, if ever.
///
/// # Errors
/// When storage does not answer.
pub async fn last(app: &App, hash: &str) -> storage::Result<Option<Timestamp>> {
    if let Some(at) = app.callers.uses.lock().get(hash) {
        return Ok(Some(*at));
    }
    Ok(app.storage.get::<LastUse>(hash).await?.map(|found| found.at))
}

/// Starts the task that writes what was noted.
pub fn start(app: &App) {
    let writing = app.clone();
    app.jobs.start("key uses", move |stop| run(writing.clone(), stop));
}

async fn run(app: App, mut stop: Stop) {
    while !stop.is_requested() {
        tokio::select! {
            () = stop.requested() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
        if let Err(error) = write(&app).await {
            tracing::warn!(%error, "the last uses of API keys could not be written");
        }
    }
}

/// Writes what was noted since the last call.
///
/// # Errors
/// When storage does not answer; what was noted is lost then, as the next use of a key notes it again.
pub async fn write(app: &App) -> storage::Result<()> {
    let noted = std::mem::take(&mut *app.callers.uses.lock());
    if noted.is_empty() {
        return Ok(());
    }
    let uses = noted.into_iter().map(|(hash, at)| Put::any(&LastUse { hash, at }));
    app.storage.write(uses.collect::<storage::Result<_>>()?).await
}

const INTERVAL: Duration = Duration::from_secs(60);
