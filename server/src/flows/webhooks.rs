//! Webhooks: what happened in a project is told to URLs that its owner chose.
//!
//! A delivery is stored before anything is sent and removed when it is done, so that it survives a restart: every
//! notice arrives at least once, in no promised order. What a receiver sees (headers, signature, pace of retries) is
//! the [`Dialect`]'s.

mod delivery;
mod dialect;
mod hook;
mod lanes;
pub mod notices;
mod queue;
mod target;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use quivive_core::Timestamp;
use tokio::sync::Notify;

pub use self::delivery::{Delivery, STREAM, Status};
pub use self::dialect::{Dialect, signature};
pub use self::hook::{Disabled, Filter, Hook, NewHook, Payload};
pub use self::notices::Seen;
pub use self::target::{Refused, check as check_url};
pub use self::worker::{deliver_due, recover};
use crate::app::App;
use crate::error::{Error, Result};
use crate::flows::fair_queue::FairQueue;
use crate::storage::{self, Put};
use crate::tenant::{Project, erasure};

use self::delivery::Pending;
use self::notices::{Sighting, Watch};
use self::queue::Queues;

/// What webhooks keep in the process.
pub struct Webhooks {
    queues: Queues,
    work: Notify,
    /// Detections of which webhooks are to be told.
    sightings: FairQueue<Sighting>,
    /// Whose webhooks they are.
    owners: Cache<String, String>,
    /// Projects that have webhooks, for a moment.
    watches: Cache<i64, Option<Arc<Watch>>>,
    /// Agents that were seen in a project before.
    known_agents: Cache<(i64, String), ()>,
    /// The day on which a limit was told last.
    limited: Cache<String, Timestamp>,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            queues: Queues::default(),
            work: Notify::new(),
            sightings: FairQueue::new(MOST_SIGHTINGS),
            owners: Cache::new(MOST_REMEMBERED),
            watches: Cache::builder().max_capacity(MOST_REMEMBERED).time_to_live(LIFETIME).build(),
            known_agents: Cache::new(MOST_REMEMBERED),
            limited: Cache::new(MOST_REMEMBERED),
        }
    }
}

/// An event for one webhook.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The webhook.
    pub hook_id: String,
    /// The event's name.
    pub event: &'static str,
    /// The body that is sent.
    pub body: String,
}

/// Starts the tasks that tell of detections and deliver.
pub fn start(app: &App) {
    let telling = app.clone();
    app.jobs.start("webhook-notices", move |_| notices::run(telling.clone()));
    let delivering = app.clone();
    app.jobs.start("webhooks", move |stop| worker::run(delivering.clone(), stop));
}

/// The recorder has ended for good: what it handed over is told, and then no more.
pub fn no_more_sightings(app: &App) {
    app.webhooks.sightings.close();
}

/// Makes a webhook; its secret is not shown again.
///
/// # Errors
/// `TOO_MANY` when the tenant has [`MOST_HOOKS`].
pub async fn create(app: &App, tenant: &str, new: NewHook) -> Result<(Hook, String)> {
    let (hook, secret) = Hook::new(app, tenant, new)?;
    app.storage.insert_of(&hook, MOST_HOOKS).await?;
    app.webhooks.watches.invalidate_all();
    Ok((hook, secret))
}

/// The webhooks of a tenant, the oldest first.
///
/// # Errors
/// When storage does not answer.
pub async fn list(app: &App, tenant: &str) -> storage::Result<Vec<Hook>> {
    let found = app.storage.list::<Hook>(tenant, None, MOST_HOOKS).await?;
    let mut hooks: Vec<Hook> = found.into_iter().map(|hook| hook.value).collect();
    hooks.sort_by(|left, right| (left.created_at, &left.id).cmp(&(right.created_at, &right.id)));
    Ok(hooks)
}

/// A webhook of a tenant.
///
/// # Errors
/// `NOT_FOUND` when the tenant has none of this id.
pub async fn find(app: &App, tenant: &str, id: &str) -> Result<Hook> {
    let found = app.storage.get::<Hook>(id).await?.map(|hook| hook.value);
    found.filter(|hook| hook.tenant == tenant).ok_or_else(missing)
}

/// Changes a webhook; `change` may run again when another request was faster. Switched on, or with another URL, it
/// starts afresh.
///
/// # Errors
/// `NOT_FOUND` when it was deleted meanwhile.
pub async fn change(app: &App, id: &str, change: impl Fn(&mut Hook)) -> Result<Hook> {
    let mut changed = None;
    let apply = |mut hook: Hook| {
        let (was_enabled, url) = (hook.is_enabled, hook.url.clone());
        change(&mut hook);
        if hook.is_enabled && (!was_enabled || hook.url != url) {
            hook.disabled_because = None;
            hook.failing_since = None;
        }
        changed = Some(hook.clone());
        Some(hook)
    };
    app.storage.update(id, apply).await?;
    app.webhooks.watches.invalidate_all();
    changed.ok_or_else(missing)
}

/// Replaces the secret and returns the new one; what is sent in the next 24 hours is signed with both.
///
/// # Errors
/// `NOT_FOUND` when the webhook was deleted meanwhile.
pub async fn rotate_secret(app: &App, id: &str) -> Result<String> {
    let (secret, sealed) = hook::new_secret(app, id)?;
    let now = app.now();
    let rotate = |mut hook: Hook| {
        hook.rotate(sealed.clone(), now);
        Some(hook)
    };
    app.storage.update(id, rotate).await?.ok_or_else(missing)?;
    Ok(secret)
}

/// Deletes a webhook with all that waits and its log.
///
/// # Errors
/// When storage does not answer.
pub async fn delete(app: &App, id: &str) -> Result<()> {
    app.storage.delete::<Hook>(id).await?;
    app.webhooks.watches.invalidate_all();
    app.webhooks.queues.forget(id);
    erasure::records_under::<Pending>(app, &format!("{id}/")).await?;
    app.storage.events().erase(STREAM, id).await?;
    Ok(())
}

/// Sends a test to a webhook, also to one that is switched off; returns the delivery's id.
///
/// # Errors
/// When storage does not answer.
pub async fn test(app: &App, hook: &Hook) -> Result<String> {
    let notice = notices::test(app, hook);
    Ok(enqueue(app, vec![notice], Vec::new()).await?.pop().unwrap_or_default())
}

/// The last hundred deliveries of a webhook, newest first.
///
/// # Errors
/// When storage does not answer.
pub async fn deliveries(app: &App, hook_id: &str) -> Result<Vec<Delivery>> {
    let mut found = delivery::finished(app, hook_id, MOST_SHOWN).await?;
    for id in app.webhooks.queues.newest(hook_id, MOST_SHOWN) {
        let pending = app.storage.get::<Pending>(&delivery::record_id(hook_id, &id)).await?;
        found.extend(pending.map(|pending| pending.value.delivery()));
    }
    found.sort_by(|left, right| (&right.created_at, &right.id).cmp(&(&left.created_at, &left.id)));
    found.dedup_by(|left, right| left.id == right.id);
    found.truncate(MOST_SHOWN);
    Ok(found)
}

/// Stores notices and puts them up for delivery, together with records that are to be written with them; returns the
/// deliveries' ids. Of more than ten thousand that wait for one webhook the oldest are dropped, and counted.
///
/// # Errors
/// When storage does not answer, or a condition of `also` does not hold: then nothing is sent.
pub async fn enqueue(app: &App, notices: Vec<Notice>, also: Vec<Put>) -> storage::Result<Vec<String>> {
    if notices.is_empty() && also.is_empty() {
        return Ok(Vec::new());
    }
    let pending: Vec<Pending> = notices.into_iter().map(|notice| Pending::new(app, notice)).collect();
    let mut changes = also;
    for pending in &pending {
        changes.push(Put::any(pending)?);
    }
    let mut owners = Vec::with_capacity(pending.len());
    for pending in &pending {
        owners.push(owner(app, &pending.hook_id).await?);
    }
    app.storage.write(changes).await?;
    let mut dropped = Vec::new();
    let mut ids = Vec::with_capacity(pending.len());
    for (Pending { hook_id, id, due_at, .. }, owner) in pending.into_iter().zip(owners) {
        if let Some(oldest) = app.webhooks.queues.put(&owner, &hook_id, &id, due_at) {
            dropped.push((hook_id, oldest));
        }
        ids.push(id);
    }
    app.webhooks.work.notify_one();
    drop_deliveries(app, &dropped).await?;
    Ok(ids)
}

/// Whose share of the deliveries at once a webhook's count towards: its account's.
async fn owner(app: &App, hook_id: &str) -> storage::Result<String> {
    if let Some(known) = app.webhooks.owners.get(hook_id) {
        return Ok(known);
    }
    let Some(hook) = app.storage.get::<Hook>(hook_id).await? else { return Ok(hook_id.to_owned()) };
    let project = app.storage.get::<Project>(&hook.tenant).await?;
    let owner =
        project.map_or_else(|| hook.tenant.clone(), |project| format!("account/{}", project.account_id));
    app.webhooks.owners.insert(hook_id.to_owned(), owner.clone());
    Ok(owner)
}

async fn drop_deliveries(app: &App, dropped: &[(String, String)]) -> storage::Result<()> {
    if dropped.is_empty() {
        return Ok(());
    }
    let ids = dropped.iter().map(|(hook_id, id)| delivery::record_id(hook_id, id));
    app.storage.write(ids.map(Put::delete::<Pending>).collect()).await?;
    metrics::counter!("quivive_webhook_deliveries_dropped_total").increment(dropped.len() as u64);
    let mut hooks: Vec<&String> = dropped.iter().map(|(hook_id, _)| hook_id).collect();
    hooks.sort_unstable();
    for hooks in hooks.chunk_by(|left, right| left == right) {
        let Some(id) = hooks.first() else { continue };
        let count = |hook: Hook| Some(Hook { dropped: hook.dropped + hooks.len() as u64, ..hook });
        app.storage.update(id, count).await?;
    }
    Ok(())
}

fn missing() -> Error {
    Error::not_found("no such webhook")
}

/// Webhooks that one tenant can have.
pub const MOST_HOOKS: usize = 20;

const MOST_SHOWN: usize = 100;
const MOST_REMEMBERED: u64 = 100_000;
const MOST_SIGHTINGS: usize = 16_384;

/// Bounds how long another process can have changed a webhook unseen.
const LIFETIME: Duration = Duration::from_secs(1);
