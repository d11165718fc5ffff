//! One batch of browser events, or one page hit, into its session.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use quivive_core::Timestamp;
use quivive_core::encoding;
use quivive_core::first_party::{ObservedAddress, PageHitReport};
use quivive_core::score::aggregate::{DirectRequest, PageHit};
use quivive_core::score::payload::is_collector_token;
use quivive_core::score::{Event, Session};
use tokio::sync::{Mutex, MutexGuard};

use super::queue::SessionKey;
use super::record::{
    DueSession, FirstContact, RequestIds, SeenBlock, SeenPageHit, StoredBatch, StoredSession, session_id,
    time_prefix,
};
use crate::app::App;
use crate::error::{Error, Result};
use crate::storage::{self, Condition, Put};
use crate::tenant::{Account, Site};

/// A checked batch or page hit.
pub struct Delivery<'a> {
    /// The project and its account.
    pub site: &'a Site,
    /// The token that was sent; well-formed.
    pub token: Option<String>,
    /// The `Idempotency-Key`; well-formed.
    pub idempotency_key: Option<String>,
    /// The events, in order; none with a page hit.
    pub events: Vec<Event>,
    /// Who brought it.
    pub sender: Sender,
}

/// Who brings a batch.
pub enum Sender {
    /// The visitor's browser, with this request.
    Browser(DirectRequest),
    /// The customer's server; the connection is none of the visitor's.
    Server(ServerReport),
}

/// What the customer's server tells beside events.
pub struct ServerReport {
    /// The page view.
    pub page_id: String,
    /// The page that it delivered.
    pub page_hit: Option<PageHitReport>,
    /// The visitor's address, if known.
    pub observed: Option<ObservedAddress>,
    /// Whether the visitor is logged in; false is also "not told".
    pub logged_in: bool,
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
    let project_id = delivery.site.project.id;
    let name = delivery.token.as_ref().or(delivery.idempotency_key.as_ref());
    // A first contact without a name begins a session of its own.
    let _turn = match name {
        Some(name) => Some(app.scoring.turns.take(project_id, name).await),
        None => None,
    };
    for _ in 0..MOST_ATTEMPTS {
        let now = app.now();
        let meter = Meter::new(&delivery.site.account, now);
        if let Some(token) = seen_page_hit(app, &delivery).await? {
            let over_quota = meter.is_over(app).await?;
            return Ok(Receipt { token, accepted: 0, duplicates: 1, over_quota });
        }
        let mut opened = open(app, &delivery, now).await?;
        let fresh = opened.add(app, &delivery, now).await?;
        let (accepted, duplicates) = match delivery.page_hit() {
            Some(_) => (1, 0),
            None => (fresh.len(), delivery.events.len() - fresh.len()),
        };
        let token = opened.session.token.clone();
        let key = SessionKey { project_id, token: token.as_str().into() };
        if accepted == 0 {
            // It may repeat a batch that was stored by a process that ended before it queued the session.
            app.scoring.queue.push(key, now);
            let over_quota = meter.is_over(app).await?;
            return Ok(Receipt { token, accepted, duplicates, over_quota });
        }
        let count = i64::try_from(accepted).unwrap_or(i64::MAX);
        let due = opened.plan_rescore(now);
        let mut changes = opened.changes(app, &delivery, fresh, now)?;
        if let Some(due) = &due {
            changes.push(Put::any(due)?);
        }
        // A request can be cancelled at any moment; what was handed to storage must reach the queue all the same.
        let due = due.map(|due| due.at);
        let commit = tokio::spawn(commit(app.clone(), changes, key, due, meter, count, now));
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
    due: Option<Timestamp>,
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
    if let Some(at) = due {
        app.scoring.queue.expect_due(at);
    }
    Ok(over_quota)
}

/// The session that a page hit of this `Idempotency-Key` went to before.
async fn seen_page_hit(app: &App, delivery: &Delivery<'_>) -> Result<Option<String>> {
    let (Some(_), Some(key)) = (delivery.page_hit(), &delivery.idempotency_key) else { return Ok(None) };
    let mark = app.storage.get::<SeenPageHit>(&session_id(delivery.site.project.id, key)).await?;
    Ok(mark.map(|mark| mark.value.token))
}

impl Delivery<'_> {
    fn page_hit(&self) -> Option<&PageHitReport> {
        match &self.sender {
            Sender::Server(report) => report.page_hit.as_ref(),
            Sender::Browser(_) => None,
        }
    }
}

/// A session that a batch goes to, and what must be true when it is written.
struct Opened {
    session: StoredSession,
    condition: Condition,
    first_contact: Option<FirstContact>,
    full_block: Option<SeenBlock>,
}

/// Finds the session, or begins one. Of unknown tokens, those of the customer's server and those of the collector's own
/// shape are adopted, others are replaced.
async fn open(app: &App, delivery: &Delivery<'_>, now: Timestamp) -> Result<Opened> {
    let project_id = delivery.site.project.id;
    if let Some(token) = &delivery.token {
        if let Some(found) = find(app, project_id, token).await? {
            return Ok(found);
        }
        if matches!(delivery.sender, Sender::Server(_)) || is_collector_token(token) {
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
    let expires_at = now.plus_milliseconds(REPEATABLE_MILLISECONDS);
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
            started_at: now,
            seen_at: now,
            logged_in_at: None,
            rescore_at: None,
            expires_at: now.plus_milliseconds(days(app.config.retention.sessions_days)),
        };
        Self { session, condition: Condition::Absent, first_contact, full_block: None }
    }

    /// Adds a page hit, or the events that are new to the session and returns them.
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
            match &delivery.sender {
                Sender::Browser(_) => session.signals.apply(event),
                Sender::Server(report) => session.signals.apply_to_page(&report.page_id, event),
            }
            fresh.push(event.clone());
        }
        if fresh.is_empty() && delivery.page_hit().is_none() {
            return Ok(fresh);
        }
        match &delivery.sender {
            Sender::Browser(request) => session.signals.observe_request(request.clone()),
            Sender::Server(report) => session.observe(report, now),
        }
        let address = session.signals.context().explicit_address().and_then(|address| address.parse().ok());
        let is_hosting = address.is_some_and(|address| is_hosting(app, address));
        session.signals.observe_hosting_network(is_hosting);
        session.revision += 1;
        session.seen_at = now;
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

    /// Whether the session's score will change by the passing of time alone, and when: pages without any script count
    /// against a visitor only after a while.
    fn plan_rescore(&mut self, now: Timestamp) -> Option<DueSession> {
        let session = &mut self.session;
        let at = session.signals.no_script_from().filter(|at| *at > now)?;
        if session.rescore_at.is_some_and(|planned| planned <= at) {
            return None;
        }
        session.rescore_at = Some(at);
        let (project_id, token) = (session.project_id, session.token.clone());
        Some(DueSession { at, project_id, token, expires_at: session.expires_at })
    }

    fn changes(
        self,
        app: &App,
        delivery: &Delivery<'_>,
        mut events: Vec<Event>,
        now: Timestamp,
    ) -> Result<Vec<Put>> {
        for event in &mut events {
            event.received_at = event.received_at.clamp(
                now.plus_milliseconds(-OLDEST_EVENT_MILLISECONDS),
                now.plus_milliseconds(NEWEST_EVENT_MILLISECONDS),
            );
        }
        let mut batch = StoredBatch {
            id: batch_id(now, &app.random_bytes::<8>()),
            project_id: self.session.project_id,
            token: self.session.token.clone(),
            events,
            page_id: None,
            page_hit: delivery.page_hit().cloned(),
            logged_in: false,
            expires_at: now.plus_milliseconds(days(app.config.retention.botect_events_days)),
        };
        if let Sender::Server(report) = &delivery.sender {
            batch.page_id = Some(report.page_id.clone());
            batch.logged_in = report.logged_in;
        }
        let mut changes = vec![Put::new(&self.session, self.condition)?, Put::absent(&batch)?];
        if let (Some(_), Some(key)) = (&batch.page_hit, &delivery.idempotency_key) {
            changes.push(Put::absent(&SeenPageHit {
                project_id: self.session.project_id,
                idempotency_key: key.clone(),
                token: self.session.token.clone(),
                expires_at: now.plus_milliseconds(REPEATABLE_MILLISECONDS),
            })?);
        }
        if let Some(mark) = &self.first_contact {
            changes.push(Put::absent(mark)?);
        }
        if let Some(block) = &self.full_block {
            changes.push(Put::any(block)?);
        }
        Ok(changes)
    }
}

impl StoredSession {
    /// Takes what the customer's server tells about the visitor.
    fn observe(&mut self, report: &ServerReport, now: Timestamp) {
        if let Some(hit) = &report.page_hit {
            let (occurred_at, header_names) = (hit.occurred_at, hit.header_names.clone());
            self.signals.observe_page_hit(&PageHit { occurred_at, header_names });
        }
        if let Some(observed) = &report.observed {
            self.signals.observe_address(observed.ip.to_string(), observed.inferred);
        }
        if report.logged_in {
            self.logged_in_at.get_or_insert(now);
        }
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
    /// Waits for the turn of a session token or `Idempotency-Key` of a project.
    #[expect(clippy::indexing_slicing, reason = "places are taken modulo the length")]
    pub(super) async fn take(&self, project_id: i64, name: &str) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one((project_id, name));
        let place = usize::try_from(hash % self.places.len() as u64).unwrap_or_default();
        self.places[place].lock().await
    }
}

/// The id of a batch that was stored at this time.
pub fn batch_id(at: Timestamp, random: &[u8; 8]) -> String {
    format!("{}-{}", time_prefix(at), encoding::hex(random))
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

pub(super) fn days(days: u32) -> i64 {
    i64::from(days) * 86_400_000
}

pub(super) const MOST_ATTEMPTS: usize = 64;
const TURN_PLACES: usize = 1024;
const IDS_IN_BLOCK: usize = 512;
const REMEMBERED_IDS: usize = 10_000;
/// How long an `Idempotency-Key` is remembered.
const REPEATABLE_MILLISECONDS: i64 = 86_400_000;
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
