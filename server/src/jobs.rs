//! Work off the request path: tasks that start with the server and end with it, after finishing what they hold.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::flows::scoring::audit;
use crate::flows::{detection, scoring};
use crate::storage;

/// The running tasks.
pub struct Jobs {
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { stop: watch::Sender::new(false), tasks: Mutex::default() }
    }
}

/// Tells a task that the server wants to end.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits until the server wants to end.
    pub async fn requested(&mut self) {
        // The sender lives as long as the application; if it is gone, so is the server.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether the server wants to end.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

impl Jobs {
    /// Starts a task. It gets a [`Stop`] and must return soon after that is requested, its work saved.
    pub fn start<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &'static str,
        task: impl FnOnce(Stop) -> F,
    ) {
        let task = tokio::spawn(task(Stop(self.stop.subscribe())));
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push((name, task));
    }

    /// Asks all tasks to end and waits for them, at most so long.
    pub async fn stop(&self, patience: Duration) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let deadline = tokio::time::Instant::now() + patience;
        for (name, mut task) in tasks {
            match tokio::time::timeout_at(deadline, &mut task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(task = name, %error, "a background task failed"),
                Err(_) => {
                    tracing::warn!(task = name, "a background task did not end in time");
                    task.abort();
                }
            }
        }
    }
}

/// Starts the tasks that every server has.
pub fn start(app: &App) {
    let swept = app.clone();
    app.jobs.start("sweep", move |stop| sweep(swept, stop));
    scoring::start(app);
    detection::start(app);
}

/// Removes what has expired, once a minute.
async fn sweep(app: App, mut stop: Stop) {
    loop {
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(Duration::from_secs(60)) => {}
        }
        match remove_expired(&app).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "expired rows removed"),
            Err(error) => tracing::warn!(%error, "expired rows not removed"),
        }
    }
}

/// Removes expired records and windows, and events beyond their retention; returns how many rows.
///
/// # Errors
/// If storage does not answer.
pub async fn remove_expired(app: &App) -> storage::Result<u64> {
    let retention = &app.config.retention;
    let mut removed = app.storage.sweep().await?;
    for (stream, days) in
        [(detection::STREAM, retention.detections_days), (audit::STREAM, retention.audit_days)]
    {
        let before = app.now().plus_milliseconds(-i64::from(days) * DAY);
        removed += app.storage.events().forget(stream, before).await?;
    }
    Ok(removed)
}

const DAY: i64 = 86_400_000;
