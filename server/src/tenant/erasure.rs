//! Erasing what is stored of a project that was deleted, in every API family; its audit trail stays for its time.
//!
//! A project is swept twice: at once, and again some minutes later, when whatever was under way while it was deleted
//! has come to rest. A task cut off by the server's end goes on at the next start.

use std::time::Duration;

use quivive_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::Result;
use crate::flows::detection::policy::StoredPolicy;
use crate::flows::scoring::history;
use crate::flows::scoring::record::{
    BatchOwner, DueSession, FirstContact, SeenBlock, SeenPageHit, StoredScore, StoredSession,
};
use crate::flows::scoring::rules::StoredRule;
use crate::flows::tracking::SeenEvent;
use crate::flows::webhooks::{self, notices::KnownAgent};
use crate::flows::{detection, tracking};
use crate::jobs::Stop;
use crate::storage::{Put, Record};
use crate::tenant::pixel::Pixel;

/// That a project is to be erased.
#[derive(Debug, Deserialize, Serialize)]
pub struct Erasure {
    project_id: i64,
    deleted_at: Timestamp,
    was_swept: bool,
}

impl Erasure {
    /// Of a project that is deleted now.
    pub(super) fn of(app: &App, project_id: i64) -> Self {
        Self { project_id, deleted_at: app.now(), was_swept: false }
    }
}

impl Record for Erasure {
    const KIND: &'static str = "erasure";
    fn id(&self) -> String {
        self.project_id.to_string()
    }
}

/// Starts the task.
pub fn start(app: &App) {
    let erasing = app.clone();
    app.jobs.start("erasure", move |stop| run(erasing.clone(), stop));
}

async fn run(app: App, mut stop: Stop) {
    loop {
        if let Err(error) = erase_deleted(&app).await {
            error.log();
        }
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// Erases what is stored of deleted projects.
///
/// # Errors
/// When storage does not answer; the next call goes on.
pub async fn erase_deleted(app: &App) -> Result<()> {
    for erasure in app.storage.list::<Erasure>("", None, MOST_AT_ONCE).await? {
        let is_last = app.now().milliseconds_since(erasure.deleted_at) >= SECOND_SWEEP;
        if erasure.was_swept && !is_last {
            continue;
        }
        erase(app, erasure.project_id).await?;
        if is_last {
            app.storage.delete::<Erasure>(&erasure.id()).await?;
        } else {
            app.storage.put(&Erasure { was_swept: true, ..erasure.value }).await?;
        }
        tracing::info!(
            project = erasure.project_id,
            is_last,
            "what was stored of a deleted project is erased"
        );
    }
    Ok(())
}

async fn erase(app: &App, project_id: i64) -> Result<()> {
    let project = project_id.to_string();
    for hook in webhooks::list(app, &project).await? {
        webhooks::delete(app, &hook.id).await?;
    }
    app.storage.delete::<StoredPolicy>(&project).await?;
    records_of::<KnownAgent>(app, &project).await?;
    records_of::<Pixel>(app, &project).await?;
    records_of::<StoredRule>(app, &project).await?;
    records_of::<StoredScore>(app, &project).await?;
    records_of::<StoredSession>(app, &project).await?;
    let prefix = format!("{project}/");
    records_under::<SeenBlock>(app, &prefix).await?;
    records_under::<SeenEvent>(app, &prefix).await?;
    records_under::<SeenPageHit>(app, &prefix).await?;
    records_under::<FirstContact>(app, &prefix).await?;
    records_where::<DueSession>(app, |due| due.project_id == project_id).await?;
    records_where::<BatchOwner>(app, |batch| batch.project_id == project_id).await?;
    for stream in STREAMS {
        app.storage.events().erase(stream, &project).await?;
    }
    Ok(())
}

/// Erases the records of a parent.
///
/// # Errors
/// When storage does not answer.
pub async fn records_of<T: Record>(app: &App, parent: &str) -> Result<()> {
    loop {
        let ids = app.storage.ids::<T>(parent, None, MOST_AT_ONCE).await?;
        if ids.is_empty() {
            return Ok(());
        }
        delete::<T>(app, ids).await?;
    }
}

/// Erases the records without a parent whose ids begin so.
///
/// # Errors
/// When storage does not answer.
pub async fn records_under<T: Record>(app: &App, prefix: &str) -> Result<()> {
    loop {
        let mut ids = app.storage.ids::<T>("", Some(prefix), MOST_AT_ONCE).await?;
        ids.retain(|id| id.starts_with(prefix));
        if ids.is_empty() {
            return Ok(());
        }
        delete::<T>(app, ids).await?;
    }
}

/// Erases the records without a parent that fit, looking at each.
async fn records_where<T: Record>(app: &App, fits: impl Fn(&T) -> bool) -> Result<()> {
    let mut after: Option<String> = None;
    loop {
        let found = app.storage.list::<T>("", after.as_deref(), MOST_AT_ONCE).await?;
        let Some(last) = found.last() else { return Ok(()) };
        after = Some(last.id());
        let fitting = found.iter().filter(|record| fits(&record.value)).map(|record| record.id());
        delete::<T>(app, fitting.collect()).await?;
    }
}

async fn delete<T: Record>(app: &App, ids: Vec<String>) -> Result<()> {
    if !ids.is_empty() {
        app.storage.write(ids.into_iter().map(Put::delete::<T>).collect()).await?;
    }
    Ok(())
}

/// The streams of projects, but for the audit trail.
const STREAMS: [&str; 5] =
    [detection::STREAM, tracking::STREAM, history::SESSIONS, history::BANDS, history::DETECTIONS];

const MOST_AT_ONCE: usize = 1_000;
const INTERVAL: Duration = Duration::from_secs(30);

/// How long after the deletion nothing of it is under way any more, in milliseconds.
const SECOND_SWEEP: i64 = 600_000;
