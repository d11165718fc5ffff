//! One batch of browser events into its session.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use quivive_core::Timestamp;
use quivive_core::encoding;
use quivive_core::score::aggregate::DirectRequest;
use quivive_core::score::payload::is_collector_token;
use quivive_core::score::{Event, Session};
use tokio::sync::{Mutex, MutexGuard};

use super::queue::SessionKey;
use super::record::{FirstContact, RequestIds, SeenBlock, StoredBatch, StoredSession, session_id};
use crate::app::App;
use crate::error::{Error, Result};
use crate::storage::{self, Condition, Put};
use crate::tenant::{Account, Site};

/// A checked batch that came straight from a browser.
pub struct Delivery<'a> {
    /// The project and its account.
    pub site: &'a Site,
    /// The token that the browser sent; well-formed.
    pub token: Option<String>,
    /// The batch's `Idempotency-Key`; well-formed.
    pub idempotency_key: Option<String>,
    /// The events, in order; at least one.
    pub events: Vec<Event>,
    /// The request that brought them.
    pub request: DirectRequest,
}

/// What became of a batch.
#[derive(Debug, PartialEq)]
pub struct Receipt {
    /// The token of the session that was used.
    pub token: String,
    /// New events.
    pub accepted: usize,
    /// Events that had been seen before.
    pub duplicates: usize,
    /// Whether the account has used up its month.
    pub over_quota: bool,
}

/// Stores a batch and queues its session for scoring. Durable when it returns.
///
/// # Errors
/// When storage does not answer.
pub async fn ingest(app: &App, delivery: Delivery<'_>) -> Result<Receipt> {
    let _turn = app.scoring.turns.take(&delivery).await;
    for _ in 0..MOST_ATTEMPTS {
        let now = app.now();
        let mut opened = open(app, &delivery, now).await?;
        let fresh = opened.add(app, &delivery, now).await?;
        let (accepted, duplicates) = (fresh.len(), delivery.events.len() - fresh.len());
        let token = opened.session.token.clone();
        let key = SessionKey { project_id: delivery.site.project.id, token: token.as_str().into() };
        let meter = Meter::new(&delivery.site.account, now);
        if fresh.is_empty() {
            // It may repeat a batch that was stored by a process that ended before it queued the session.
            app.scoring.queue.push(key, now);
            let over_quota = meter.is_over(app).await?;
            return Ok(Receipt { token, accepted, duplicates, over_quota });
        }
        let count = i64::try_from(accepted).unwrap_or(i64::MAX);
        let changes = opened.changes(app, fresh, now)?;
        // A request can be cancelled at any moment; what was handed to storage must reach the queue all the same.
        let commit = tokio::spawn(commit(app.clone(), changes, key, meter, count, now));
        match commit.await.map_err(|_| Error::internal("a batch could not be stored"))? {
            Ok(over_quota) => return Ok(Receipt { token, accepted, duplicates, over_quota: over_quota? }),
            Err(storage::Error::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::unavailable("a session is written to by too many requests at once"))
}

/// Stores a batch, queues its session and counts the events; tells whether the month is used up.
async fn commit(
    app: App,
    changes: Vec<Put>,
    key: SessionKey,
    meter: Meter,
    count: i64,
    now: Timestamp,
) -> storage::Result<storage::Result<bool>> {
    // Both are written at the same time, so that they share one commit.
    let (written, over_quota) = tokio::join!(app.storage.write(changes), meter.add(&app, count));
    if let Err(error) = written {
        if over_quota.is_ok()
            && let Err(error) = meter.add(&app, -count).await
        {
            tracing::warn!(%error, count, "events that were not stored stay counted");
        }
        return Err(error);
    }
    app.scoring.queue.push(key, now);
    Ok(over_quota)
}

/// A session that a batch goes to, and what must be true when it is written.
struct Opened {
    session: StoredSession,
    condition: Condition,
    first_contact: Option<FirstContact>,
    full_block: Option<SeenBlock>,
}

/// Finds the session, or begins one; tokens of the collector's own shape are adopted, other unknown tokens are
/// replaced.
async fn open(app: &App, delivery: &Delivery<'_>, now: Timestamp) -> Result<Opened> {
    let project_id = delivery.site.project.id;
    if let Some(token) = &delivery.token {
        if let Some(found) = find(app, project_id, token).await? {
            return Ok(found);
        }
        if is_collector_token(token) {
            return Ok(Opened::new(app, project_id, token.clone(), None, now));
        }
    }
    let mint = || format!("sess_{}", encoding::hex(&app.random_bytes::<24>()));
    let Some(idempotency_key) = delivery.idempotency_key.clone() else {
        return Ok(Opened::new(app, project_id, mint(), None, now));
    };
    let mark = app.storage.get::<FirstContact>(&session_id(project_id, &idempotency_key)).await?;
    if let Some(mark) = mark {
        let found = find(app, project_id, &mark.token).await?;
        return Ok(found.unwrap_or_else(|| Opened::new(app, project_id, mark.value.token, None, now)));
    }
    let token = mint();
    let expires_at = now.plus_milliseconds(FIRST_CONTACT_MILLISECONDS);
    let mark = FirstContact { project_id, idempotency_key, token: token.clone(), expires_at };
    Ok(Opened::new(app, project_id, token, Some(mark), now))
}

async fn find(app: &App, project_id: i64, token: &str) -> Result<Option<Opened>> {
    let found = app.storage.get::<StoredSession>(&session_id(project_id, token)).await?;
    Ok(found.map(|found| Opened {
        session: found.value,
        condition: Condition::Version(found.version),
        first_contact: None,
        full_block: None,
    }))
}

impl Opened {
    fn new(
        app: &App,
        project_id: i64,
        token: String,
        first_contact: Option<FirstContact>,
        now: Timestamp,
    ) -> Self {
        let session = StoredSession {
            project_id,
            token,
            signals: Session::default(),
            seen: RequestIds::default(),
            seen_blocks: 0,
            revision: 0,
            logged_in_at: None,
            expires_at: now.plus_milliseconds(days(app.config.retention.sessions_days)),
        };
        Self { session, condition: Condition::Absent, first_contact, full_block: None }
    }

    /// Adds the events that are new to the session and returns them.
    async fn add(&mut self, app: &App, delivery: &Delivery<'_>, now: Timestamp) -> Result<Vec<Event>> {
        let older = self.older_ids(app).await?;
        let session = &mut self.session;
        let mut fresh = Vec::with_capacity(delivery.events.len());
        for event in &delivery.events {
            let digest = RequestIds::digest(&event.request_id);
            if session.seen.contains(digest) || older.iter().any(|block| block.contains(digest)) {
                continue;
            }
            session.seen.insert(digest);
            session.signals.apply(event);
            fresh.push(event.clone());
        }
        if fresh.is_empty() {
            return Ok(fresh);
        }
        session.signals.observe_request(delivery.request.clone());
        let address = session.signals.context().explicit_address().and_then(|address| address.parse().ok());
        let is_hosting = address.is_some_and(|address| is_hosting(app, address));
        session.signals.observe_hosting_network(is_hosting);
        session.revision += 1;
        session.expires_at = now.plus_milliseconds(days(app.config.retention.sessions_days));
        if session.seen.len() >= IDS_IN_BLOCK {
            let id = session.block_id(session.seen_blocks);
            let seen = std::mem::take(&mut session.seen);
            // The session lives on with every event, the block does not.
            let expires_at = now.plus_milliseconds(2 * days(app.config.retention.sessions_days));
            self.full_block = Some(SeenBlock { id, seen, expires_at });
            session.seen_blocks += 1;
        }
        Ok(fresh)
    }

    /// The blocks that, with the session's own ids, hold at least the last [`REMEMBERED_IDS`].
    async fn older_ids(&self, app: &App) -> Result<Vec<RequestIds>> {
        let last = self.session.seen_blocks;
        let mut blocks = Vec::new();
        for number in last.saturating_sub(REMEMBERED_IDS.div_ceil(IDS_IN_BLOCK) as u32)..last {
            let block = app.storage.get::<SeenBlock>(&self.session.block_id(number)).await?;
            blocks.extend(block.map(|block| block.value.seen));
        }
        Ok(blocks)
    }

    fn changes(self, app: &App, mut events: Vec<Event>, now: Timestamp) -> Result<Vec<Put>> {
        for event in &mut events {
            event.received_at = event.received_at.clamp(
                now.plus_milliseconds(-OLDEST_EVENT_MILLISECONDS),
                now.plus_milliseconds(NEWEST_EVENT_MILLISECONDS),
            );
        }
        let batch = StoredBatch {
            id: batch_id(now, &app.random_bytes::<8>()),
            project_id: self.session.project_id,
            token: self.session.token.clone(),
            events,
            expires_at: now.plus_milliseconds(days(app.config.retention.botect_events_days)),
        };
        let mut changes = vec![Put::new(&self.session, self.condition)?, Put::absent(&batch)?];
        if let Some(mark) = &self.first_contact {
            changes.push(Put::absent(mark)?);
        }
        if let Some(block) = &self.full_block {
            changes.push(Put::any(block)?);
        }
        Ok(changes)
    }
}

/// The count of an account's accepted events in a month.
struct Meter {
    key: String,
    month: Timestamp,
    quota: Option<i64>,
}

impl Meter {
    fn new(account: &Account, now: Timestamp) -> Self {
        let quota = account.plan.monthly_event_quota;
        Self { key: format!("events/{}", account.id), month: month_start(now), quota }
    }

    /// Counts events, or takes them back; true when the plan's quota is used up.
    async fn add(&self, app: &App, events: i64) -> storage::Result<bool> {
        let expires_at = self.month.plus_milliseconds(METERED_MILLISECONDS);
        let total = app.storage.counters().add(&self.key, self.month, events, expires_at).await?;
        Ok(self.quota.is_some_and(|quota| total > quota))
    }

    /// Whether the plan's quota is used up.
    async fn is_over(&self, app: &App) -> storage::Result<bool> {
        let Some(quota) = self.quota else { return Ok(false) };
        Ok(app.storage.counters().read(&self.key, self.month).await? > quota)
    }
}

/// One batch at a time for each session or first contact of this process; between processes the version of the
/// stored session decides.
pub struct Turns {
    places: Box<[Mutex<()>]>,
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Self { places: (0..TURN_PLACES).map(|_| Mutex::new(())).collect(), hasher: RandomState::new() }
    }
}

impl Turns {
    /// Nothing for a first contact without a name: it begins a session of its own.
    #[expect(clippy::indexing_slicing, reason = "places are taken modulo the length")]
    async fn take(&self, delivery: &Delivery<'_>) -> Option<MutexGuard<'_, ()>> {
        let name = delivery.token.as_ref().or(delivery.idempotency_key.as_ref())?;
        let hash = self.hasher.hash_one((delivery.site.project.id, name));
        let place = usize::try_from(hash % self.places.len() as u64).unwrap_or_default();
        Some(self.places[place].lock().await)
    }
}

/// The id of a batch that was stored at this time.
pub fn batch_id(at: Timestamp, random: &[u8; 8]) -> String {
    format!("{:014}-{}", at.milliseconds().max(0), encoding::hex(random))
}

fn is_hosting(app: &App, address: IpAddr) -> bool {
    let address = address.to_canonical();
    app.config.botect.hosting_networks.iter().any(|network| network.contains(&address))
}

/// The first moment of the UTC month.
fn month_start(now: Timestamp) -> Timestamp {
    let text = now.to_seconds_text();
    let month = text.get(..7).and_then(|month| Timestamp::parse_utc(&format!("{month}-01T00:00:00Z")));
    month.unwrap_or(now)
}

fn days(days: u32) -> i64 {
    i64::from(days) * 86_400_000
}

const MOST_ATTEMPTS: usize = 64;
const TURN_PLACES: usize = 1024;
const IDS_IN_BLOCK: usize = 512;
const REMEMBERED_IDS: usize = 10_000;
const FIRST_CONTACT_MILLISECONDS: i64 = 86_400_000;
const OLDEST_EVENT_MILLISECONDS: i64 = 86_400_000;
const NEWEST_EVENT_MILLISECONDS: i64 = 300_000;
/// The count of a month is kept for two more, for those who want to see it.
const METERED_MILLISECONDS: i64 = 93 * 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_ids_sort_by_time() {
        let early = batch_id(Timestamp::from_milliseconds(999), &[255; 8]);
        let late = batch_id(Timestamp::from_milliseconds(1_771_156_800_000), &[0; 8]);
        assert!(early < late);
    }

    #[test]
    fn a_month_begins_on_its_first_day() {
        let at = |text| Timestamp::parse_utc(text).unwrap();
        assert_eq!(month_start(at("2028-02-29T23:59:59.999Z")), at("2028-02-01T00:00:00Z"));
        assert_eq!(month_start(at("2026-01-01T00:00:00Z")), at("2026-01-01T00:00:00Z"));
    }
}
