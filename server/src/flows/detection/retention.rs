//! How long detections and tracked events are kept: rows as each project wants, rollups as the server does, nothing of
//! a project that is gone.

use super::STREAM;
use crate::app::App;
use crate::flows::tracking;
use crate::storage::{self, Slot};
use crate::tenant::Project;

/// Removes what is past its time; returns how many rows.
///
/// # Errors
/// If storage does not answer.
pub async fn sweep(app: &App) -> storage::Result<u64> {
    let events = app.storage.events();
    let before = |days: i64| app.now().plus_milliseconds(-days * DAY);
    let mut removed = 0;
    for stream in [STREAM, tracking::STREAM] {
        for tenant in events.tenants(stream).await? {
            removed += match app.storage.get::<Project>(&tenant).await? {
                Some(project) => {
                    let days = days(app, project.value.detection.retention_days);
                    events.forget(stream, Some(&tenant), before(days)).await?
                }
                None => events.erase(stream, &tenant).await?,
            };
        }
    }
    let months = i64::from(app.config.retention.rollups_months);
    for (slot, days) in
        [(Slot::FiveMinutes, FIVE_MINUTES_DAYS), (Slot::Hour, months * 31), (Slot::Day, months * 31)]
    {
        removed += events.trim(slot, before(days)).await?;
    }
    Ok(removed)
}

/// Days that rows of a project are kept.
pub(super) fn days(app: &App, of_project: Option<u32>) -> i64 {
    i64::from(of_project.unwrap_or(app.config.retention.detections_days))
}

/// Days that slots of five minutes are kept.
pub(super) const FIVE_MINUTES_DAYS: i64 = 31;

pub(super) const DAY: i64 = 86_400_000;
