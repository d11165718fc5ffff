//! The task that sends what is due.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::try_join_all;
use quivive_core::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;

use super::delivery::{self, Pending, Status};
use super::hook::{Disabled, Hook};
use super::notices::TEST;
use super::queue::Due;
use super::{drop_deliveries, owner};
use crate::app::App;
use crate::audit::{self, Actor};
use crate::error::Result;
use crate::jobs::Stop;
use crate::mail;
use crate::outbound::Post;
use crate::storage::{self, Record};
use crate::tenant::{self, Project, directory};

/// Delivers until the server ends; what is not done by then is left for the next start.
pub(super) async fn run(app: App, mut stop: Stop) {
    while let Err(error) = recover(&app).await {
        tracing::warn!(%error, "webhooks of an earlier run could not be read, trying again");
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(TICK) => {}
        }
    }
    let mut under_way = JoinSet::new();
    loop {
        while let Some(due) = app.webhooks.queues.next(app.now()) {
            under_way.spawn(try_once(app.clone(), due));
        }
        tokio::select! {
            () = stop.requested() => break,
            Some(_) = under_way.join_next() => {}
            () = app.webhooks.work.notified() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Puts up again what an earlier run left. What cannot be read stays where it is until a later start, as do deliveries
/// of a webhook that cannot be read, and keeps nothing else from being delivered.
///
/// # Errors
/// When storage does not answer.
pub async fn recover(app: &App) -> storage::Result<()> {
    app.webhooks.queues.clear();
    let mut after = None;
    loop {
        let mut ids = app.storage.ids::<Pending>("", after.as_deref(), 1_000).await?;
        let found = try_join_all(ids.iter().map(|id| readable(app, id))).await?;
        after = ids.pop();
        if after.is_none() {
            return Ok(());
        }
        let found: Vec<Pending> = found.into_iter().flatten().collect();
        let mut dropped = Vec::new();
        for of_one_hook in found.chunk_by(|left, right| left.hook_id == right.hook_id) {
            let Some(Pending { hook_id, .. }) = of_one_hook.first() else { continue };
            let owner = match owner(app, hook_id).await {
                Err(storage::Error::Corrupt { kind, reason }) => {
                    note_damage(hook_id, &kind, &reason);
                    // Without the project it is known where to send to, only not whose share that takes.
                    if kind == Project::KIND { hook_id.clone() } else { continue }
                }
                owner => owner?,
            };
            for Pending { id, due_at, .. } in of_one_hook {
                if let Some(oldest) = app.webhooks.queues.put(&owner, hook_id, id, *due_at) {
                    dropped.push((hook_id.clone(), oldest));
                }
            }
        }
        drop_deliveries(app, &dropped).await?;
    }
}

/// A delivery that waits, unless it is gone or cannot be read.
async fn readable(app: &App, id: &str) -> storage::Result<Option<Pending>> {
    match app.storage.get::<Pending>(id).await {
        Err(storage::Error::Corrupt { kind, reason }) => {
            note_damage(id, &kind, &reason);
            Ok(None)
        }
        found => Ok(found?.map(|found| found.value)),
    }
}

/// Notes that deliveries of an earlier run are held up by a record that cannot be read.
fn note_damage(of: &str, kind: &str, reason: &str) {
    metrics::counter!("quivive_webhook_recoveries_failed_total").increment(1);
    tracing::error!(of, kind, reason, "deliveries of an earlier run depend on a record that cannot be read");
}

/// Tries everything that is due now, once, and waits for it.
pub async fn deliver_due(app: &App) {
    let mut under_way = JoinSet::new();
    loop {
        while let Some(due) = app.webhooks.queues.next(app.now()) {
            under_way.spawn(try_once(app.clone(), due));
        }
        if under_way.join_next().await.is_none() {
            return;
        }
    }
}

async fn try_once(app: App, due: Due) {
    let after_a_fault = || Some(app.now().plus_milliseconds(AFTER_A_FAULT));
    // Whatever happens, the delivery gives its place back.
    let again_at = match AssertUnwindSafe(attempt(&app, &due)).catch_unwind().await {
        Ok(Ok(again_at)) => again_at,
        Ok(Err(error)) => {
            error.log();
            after_a_fault()
        }
        Err(_) => {
            tracing::error!(webhook = due.hook_id, delivery = due.id, "a delivery panicked");
            after_a_fault()
        }
    };
    let Due { owner, hook_id, id, .. } = due;
    let Some(at) = again_at else { return app.webhooks.queues.done(&owner, &hook_id, &id) };
    if let Some(oldest) = app.webhooks.queues.put(&owner, &hook_id, &id, at)
        && let Err(error) = drop_deliveries(&app, &[(hook_id, oldest)]).await
    {
        tracing::error!(%error, "a delivery for which there is no room could not be dropped");
    }
}

/// One try; returns when the next one is due, or nothing when the delivery is done.
async fn attempt(app: &App, due: &Due) -> Result<Option<Timestamp>> {
    let Due { hook_id, id, .. } = due;
    let record = delivery::record_id(hook_id, id);
    let Some(pending) = app.storage.get::<Pending>(&record).await? else { return Ok(None) };
    let mut pending = pending.value;
    let Some(hook) = app.storage.get::<Hook>(hook_id).await? else {
        app.storage.delete::<Pending>(&record).await?;
        return Ok(None);
    };
    let is_test = pending.event == TEST;
    if !hook.is_enabled && !is_test {
        pending.last_error = Some("the webhook is switched off".to_owned());
        delivery::finish(app, pending, Status::Failed).await?;
        return Ok(None);
    }
    let began = Instant::now();
    let outcome = send(app, &hook, &pending).await?;
    app.webhooks.queues.note(due, began.elapsed(), app.now());
    pending.attempts += 1;
    (pending.last_status_code, pending.last_error) = match &outcome {
        Ok(status) => (Some(*status), (!is_success(*status)).then(|| format!("status {status}"))),
        Err(reason) => (None, Some(reason.clone())),
    };
    if pending.last_error.is_none() {
        if hook.failing_since.is_some() && !is_test {
            let recovered = |hook: Hook| Some(Hook { failing_since: None, ..hook });
            app.storage.update(hook_id, recovered).await?;
        }
        delivery::finish(app, pending, Status::Delivered).await?;
        metrics::counter!("quivive_webhook_deliveries_total", "outcome" => "delivered").increment(1);
        return Ok(None);
    }
    metrics::counter!("quivive_webhook_tries_failed_total").increment(1);
    let is_off = !is_test && note_failure(app, &hook, pending.last_status_code == Some(GONE)).await?;
    let pause = hook.dialect.pause(pending.attempts).filter(|_| !is_off);
    let Some(pause) = pause else {
        delivery::finish(app, pending, Status::Failed).await?;
        metrics::counter!("quivive_webhook_deliveries_total", "outcome" => "failed").increment(1);
        return Ok(None);
    };
    pending.due_at = app.now().plus_milliseconds(varied(pause, app.random_bytes()));
    let due_at = pending.due_at;
    // A delivery that was deleted meanwhile stays deleted.
    app.storage.update(&record, |_: Pending| Some(pending.clone())).await?;
    Ok(Some(due_at))
}

async fn send(app: &App, hook: &Hook, pending: &Pending) -> Result<std::result::Result<u16, String>> {
    let now = app.now();
    let secrets = hook.secrets(&app.keys, now)?;
    let request = Post {
        url: &hook.url,
        headers: hook.dialect.headers(&pending.event, &pending.id, now, &secrets, &pending.body),
        body: Bytes::from(pending.body.clone()),
        timeout: hook.dialect.timeout(),
        allow_http: app.config.webhooks.allow_insecure_webhooks,
    };
    Ok(app.outbound.post(request).await.map_err(|error| {
        let reason = error.to_string();
        reason.get(..reason.floor_char_boundary(MOST_REASON_BYTES)).unwrap_or_default().to_owned()
    }))
}

/// Notes that a try failed. True when the webhook is switched off now.
async fn note_failure(app: &App, hook: &Hook, is_gone: bool) -> Result<bool> {
    let now = app.now();
    let since = hook.failing_since.unwrap_or(now);
    let reason = if is_gone {
        Disabled::Gone
    } else if now.milliseconds_since(since) >= PATIENCE {
        Disabled::Failing
    } else {
        if hook.failing_since.is_none() {
            let failing = |hook: Hook| {
                let failing_since = hook.failing_since.or(Some(now));
                Some(Hook { failing_since, ..hook })
            };
            app.storage.update(&hook.id, failing).await?;
        }
        return Ok(false);
    };
    let (mut is_off, mut is_new) = (true, false);
    let disable = |found: Hook| {
        // Its owner gave it another address meanwhile: this failure says nothing about that.
        is_new = found.is_enabled && found.url == hook.url;
        is_off = is_new || !found.is_enabled;
        is_new.then_some(Hook { is_enabled: false, disabled_because: Some(reason), ..found })
    };
    app.storage.update(&hook.id, disable).await?;
    app.webhooks.watches.invalidate_all();
    if is_new {
        tell_owners(app, hook, reason).await?;
    }
    Ok(is_off)
}

/// Tells an account's members that the server switched a webhook off.
async fn tell_owners(app: &App, hook: &Hook, reason: Disabled) -> Result<()> {
    tracing::warn!(webhook = hook.id, project = hook.tenant, ?reason, "a webhook was switched off");
    let details = json!({ "id": hook.id, "reason": reason });
    audit::record(app, &hook.tenant, &Actor::Server, "webhook.disabled", details).await?;
    let Ok(project_id) = hook.tenant.parse::<i64>() else { return Ok(()) };
    let project = directory::project(app, project_id).await?;
    for user in tenant::directory::users_of(app, project.account_id).await? {
        let letter = mail::webhook_disabled(app, &user.email, &project.public_id, &hook.id, reason);
        app.mail.send(app, letter);
    }
    Ok(())
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// The pause, a fifth shorter or longer or anything between.
fn varied(pause: i64, random: [u8; 4]) -> i64 {
    let share = i64::from(u32::from_be_bytes(random));
    pause * 4 / 5 + pause * 2 / 5 * share / i64::from(u32::MAX)
}

const GONE: u16 = 410;
const MOST_REASON_BYTES: usize = 200;
const TICK: Duration = Duration::from_millis(250);

/// How long a webhook may fail before it is switched off, in milliseconds.
const PATIENCE: i64 = 72 * 3_600_000;

/// When a delivery is tried again that a fault of ours stood in the way of, in milliseconds.
const AFTER_A_FAULT: i64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_vary_by_a_fifth() {
        assert_eq!(varied(5_000, [0; 4]), 4_000);
        assert_eq!(varied(5_000, [255; 4]), 6_000);
        assert_eq!(varied(86_400_000, [255; 4]), 103_680_000);
        assert!((69_120_000..=103_680_000).contains(&varied(86_400_000, [127, 3, 9, 1])));
    }
}
