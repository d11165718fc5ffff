//! Work off the request path: tasks that start with the server and end with it, after finishing what they hold.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::botcha::analytics::sink;
use crate::flows::scoring::history;
use crate::flows::{detection, scoring, webhooks};
use crate::keys::rotation;
use crate::tenant::{detection_key, erasure};
use crate::{audit, mail, storage, telemetry};

/// The running tasks.
pub struct Jobs {
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
    /// How many tasks failed and wait to be started again.
    down: Arc<AtomicUsize>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { stop: watch::Sender::new(false), tasks: Mutex::default(), down: Arc::default() }
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
    /// Starts a task. It gets a [`Stop`] and must return soon after that is requested, its work saved. One that ends
    /// before is started again.
    pub fn start<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &'static str,
        task: impl Fn(Stop) -> F + Send + 'static,
    ) {
        let stop = Stop(self.stop.subscribe());
        let task = tokio::spawn(keep_running(name, task, stop, self.down.clone()));
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push((name, task));
    }

    /// Whether no task has failed and waits to be started again.
    pub fn are_running(&self) -> bool {
        self.down.load(Ordering::SeqCst) == 0
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

async fn keep_running<F: Future<Output = ()> + Send + 'static>(
    name: &'static str,
    task: impl Fn(Stop) -> F + Send + 'static,
    mut stop: Stop,
    down: Arc<AtomicUsize>,
) {
    loop {
        let ended = AssertUnwindSafe(task(stop.clone())).catch_unwind().await;
        match ended {
            Ok(()) if stop.is_requested() => return,
            Err(_) if stop.is_requested() => {
                tracing::error!(task = name, "a background task panicked");
                return;
            }
            ended => {
                let has_panicked = ended.is_err();
                tracing::error!(
                    task = name,
                    has_panicked,
                    "a background task ended early; it is started again"
                );
            }
        }
        down.fetch_add(1, Ordering::SeqCst);
        tokio::select! {
            // Started once more, it saves what it holds and ends.
            () = stop.requested() => {}
            () = tokio::time::sleep(RESTART_PAUSE) => {}
        }
        down.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Starts the tasks that every server has.
pub fn start(app: &App) {
    let swept = app.clone();
    app.jobs.start("sweep", move |stop| sweep(swept.clone(), stop));
    if telemetry::counts_metrics() {
        app.jobs.start("metrics", fold_metrics);
    }
    scoring::start(app);
    detection::start(app);
    sink::start(app);
    mail::start(app);
    rotation::start(app);
    webhooks::start(app);
    detection_key::uses::start(app);
    erasure::start(app);
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

/// Keeps the memory of metrics bounded, whether anybody reads them or not.
async fn fold_metrics(mut stop: Stop) {
    loop {
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(Duration::from_secs(5)) => telemetry::fold_metrics(),
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
    for (stream, days) in [
        (audit::STREAM, retention.audit_days),
        (webhooks::STREAM, retention.deliveries_days),
        (history::SESSIONS, retention.sessions_days),
        (history::BANDS, retention.sessions_days),
        (history::DETECTIONS, retention.sessions_days),
        (sink::STREAM, retention.botcha_events_days),
        (sink::COUNTRIES, retention.botcha_events_days),
        (sink::TIMES, retention.botcha_events_days),
    ] {
        let before = app.now().plus_milliseconds(-i64::from(days) * DAY);
        removed += app.storage.events().forget(stream, None, before).await?;
    }
    Ok(removed + detection::retention::sweep(app).await?)
}

const DAY: i64 = 86_400_000;
const RESTART_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_early_is_started_again() {
        let jobs = Jobs::default();
        let starts = Arc::<AtomicUsize>::default();
        let counted = starts.clone();
        jobs.start("fragile", move |mut stop| {
            let start = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match start {
                    0 => panic!("the first start fails"),
                    1 => {}
                    _ => stop.requested().await,
                }
            }
        });
        let until = async |are_running: bool, count: usize| {
            while (jobs.are_running(), starts.load(Ordering::SeqCst)) != (are_running, count) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let steps = async {
            until(false, 1).await;
            until(true, 3).await;
        };
        tokio::time::timeout(Duration::from_secs(30), steps).await.unwrap();
        jobs.stop(Duration::from_secs(1)).await;
        assert_eq!(starts.load(Ordering::SeqCst), 3);
    }
}
