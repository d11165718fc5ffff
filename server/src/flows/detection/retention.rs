//! How long detections and tracked events are kept: rows as each project wants, rollups as the server does, nothing of
//! a project that is gone.

use quivive_core::Timestamp;

use super::STREAM;
use crate::app::App;
use crate::flows::tracking;
use crate::storage::{self, Slot};
use crate::tenant::Project;

/// Removes what is past its time; returns how many rows. What cannot be removed of one project is logged, counted, and
/// keeps no other project's.
///
/// # Errors
/// If storage does not answer.
pub async fn sweep(app: &App) -> storage::Result<u64> {
    let events = app.storage.events();
    let mut removed = 0;
    for stream in [STREAM, tracking::STREAM] {
        for tenant in events.tenants(stream).await? {
            match sweep_project(app, stream, &tenant).await {
                Ok(rows) => removed += rows,
                Err(error @ storage::Error::Unavailable(_)) => return Err(error),
                Err(error) => {
                    metrics::counter!("quivive_retention_failures_total").increment(1);
                    tracing::error!(stream, project = tenant, %error, "rows past their time were not removed");
                }
            }
        }
    }
    let months = i64::from(app.config.retention.rollups_months);
    for (slot, days) in
        [(Slot::FiveMinutes, FIVE_MINUTES_DAYS), (Slot::Hour, months * 31), (Slot::Day, months * 31)]
    {
        removed += events.trim(slot, before(app, days)).await?;
    }
    Ok(removed)
}

async fn sweep_project(app: &App, stream: &str, tenant: &str) -> storage::Result<u64> {
    let events = app.storage.events();
    match app.storage.get::<Project>(tenant).await? {
        Some(project) => {
            let days = days(app, project.value.detection.retention_days);
            events.forget(stream, Some(tenant), before(app, days)).await
        }
        None => events.erase(stream, tenant).await,
    }
}

fn before(app: &App, days: i64) -> Timestamp {
    app.now().plus_milliseconds(-days * DAY)
}

/// Days that rows of a project are kept.
pub(super) fn days(app: &App, of_project: Option<u32>) -> i64 {
    i64::from(of_project.unwrap_or(app.config.retention.detections_days))
}

/// Days that slots of five minutes are kept.
pub(super) const FIVE_MINUTES_DAYS: i64 = 31;

pub(super) const DAY: i64 = 86_400_000;
