//! Storage that fails or dawdles: reads fail open, nothing is acknowledged that is not stored.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use quivive_core::Timestamp;
use quivive_server::storage::distinct::Distinct;
use quivive_server::storage::sqlite::Sqlite;
use quivive_server::storage::tallies::Tallies;
use quivive_server::storage::{
    Admission, Counters, Error, Event, EventQuery, Events, Put, Records, Result, Row, Slot, Summary,
    SummaryQuery,
};
use serde_json::json;

use super::site::{PRIVATE_KEY, Site, assert_error, batch, fail_open, human_snapshot};
use crate::support::Server;

const WELL: u8 = 0;
const DOWN: u8 = 1;
const SLOW: u8 = 2;
const SLOW_WRITES: u8 = 3;
const NO_WRITES: u8 = 4;
const NO_EVENTS: u8 = 5;
const BROKEN: u8 = 6;

/// How long a write takes in the mood [`SLOW_WRITES`].
const SLOW_WRITE: Duration = Duration::from_millis(300);

/// A database that does as it is told, and remembers what it was asked for.
pub struct Moody {
    database: Sqlite,
    mood: AtomicU8,
    asked: Mutex<Vec<String>>,
}

impl Moody {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            database: Sqlite::in_memory().unwrap(),
            mood: AtomicU8::new(WELL),
            asked: Mutex::default(),
        })
    }

    pub fn is_down(&self, is_down: bool) {
        self.mood.store(if is_down { DOWN } else { WELL }, Ordering::SeqCst);
    }

    /// Reads take longer than anybody waits.
    pub fn is_slow(&self, is_slow: bool) {
        self.mood.store(if is_slow { SLOW } else { WELL }, Ordering::SeqCst);
    }

    /// Every write of records takes [`SLOW_WRITE`].
    pub fn has_slow_writes(&self, has_slow: bool) {
        self.mood.store(if has_slow { SLOW_WRITES } else { WELL }, Ordering::SeqCst);
    }

    /// Everything but streams of events works.
    pub fn has_no_events(&self, has_none: bool) {
        self.mood.store(if has_none { NO_EVENTS } else { WELL }, Ordering::SeqCst);
    }

    /// Whoever appends events panics.
    pub fn is_broken(&self, is_broken: bool) {
        self.mood.store(if is_broken { BROKEN } else { WELL }, Ordering::SeqCst);
    }

    /// What it was asked for since the last time, for example `get session` or `put session session_batch`.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    async fn pass_events(&self, what: &str) -> Result<()> {
        self.pass(what).await?;
        match self.mood.load(Ordering::SeqCst) {
            NO_EVENTS => Err(Error::Unavailable("pulled plug of events".to_owned())),
            _ => Ok(()),
        }
    }

    async fn pass(&self, what: impl Into<String>) -> Result<()> {
        self.asked.lock().unwrap().push(what.into());
        match self.mood.load(Ordering::SeqCst) {
            DOWN => Err(Error::Unavailable("pulled plug".to_owned())),
            SLOW => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Records for Moody {
    async fn get(&self, kind: &'static str, id: &str, now: Timestamp) -> Result<Option<Row>> {
        self.pass(format!("get {kind}")).await?;
        self.database.get(kind, id, now).await
    }
    async fn put(&self, changes: Vec<Put>, now: Timestamp) -> Result<()> {
        let kinds: Vec<&str> = changes.iter().map(|change| change.kind).collect();
        self.pass(format!("put {}", kinds.join(" "))).await?;
        match self.mood.load(Ordering::SeqCst) {
            SLOW_WRITES => tokio::time::sleep(SLOW_WRITE).await,
            NO_WRITES => return Err(Error::Unavailable("disk full".to_owned())),
            _ => {}
        }
        self.database.put(changes, now).await
    }
    async fn take(&self, kind: &'static str, id: &str, now: Timestamp) -> Result<Option<Row>> {
        self.pass(format!("take {kind}")).await?;
        self.database.take(kind, id, now).await
    }
    async fn delete(&self, kind: &'static str, id: &str, now: Timestamp) -> Result<bool> {
        self.pass(format!("delete {kind}")).await?;
        Records::delete(&self.database, kind, id, now).await
    }
    async fn list(
        &self,
        kind: &'static str,
        parent: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Row>> {
        self.pass(format!("list {kind}")).await?;
        self.database.list(kind, parent, after, limit, now).await
    }
    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        Records::sweep(&self.database, now).await
    }
}

#[async_trait]
impl Counters for Moody {
    async fn add(
        &self,
        key: &str,
        window_start: Timestamp,
        amount: i64,
        expires_at: Timestamp,
    ) -> Result<i64> {
        self.pass("add").await?;
        self.database.add(key, window_start, amount, expires_at).await
    }
    async fn admit(&self, key: &str, length: i64, limit: i64, now: Timestamp) -> Result<Admission> {
        self.database.admit(key, length, limit, now).await
    }
    async fn peek(&self, key: &str, now: Timestamp) -> Result<Option<Admission>> {
        self.database.peek(key, now).await
    }
    async fn read(&self, key: &str, window_start: Timestamp) -> Result<i64> {
        self.pass("read").await?;
        Counters::read(&self.database, key, window_start).await
    }
    async fn reset(&self, key: &str) -> Result<()> {
        self.database.reset(key).await
    }
    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        Counters::sweep(&self.database, now).await
    }
}

#[async_trait]
impl Events for Moody {
    async fn append(&self, events: Vec<Event>) -> Result<Vec<bool>> {
        self.pass_events("append").await?;
        assert_ne!(self.mood.load(Ordering::SeqCst), BROKEN, "broken");
        self.database.append(events).await
    }
    async fn scan(&self, query: EventQuery) -> Result<Vec<Event>> {
        self.pass_events("scan").await?;
        self.database.scan(query).await
    }
    async fn find(&self, kind: &str, project: &str, id: &str) -> Result<Option<Event>> {
        self.database.find(kind, project, id).await
    }
    async fn count(&self, query: EventQuery) -> Result<u64> {
        self.database.count(query).await
    }
    async fn summarize(&self, query: SummaryQuery) -> Result<Vec<Summary>> {
        self.pass_events("summarize").await?;
        self.database.summarize(query).await
    }
    async fn tallies(&self, query: SummaryQuery) -> Result<Tallies> {
        self.database.tallies(query).await
    }
    async fn distinct(&self, set: &str, query: SummaryQuery) -> Result<Distinct> {
        self.database.distinct(set, query).await
    }
    async fn tenants(&self, kind: &str) -> Result<Vec<String>> {
        self.database.tenants(kind).await
    }
    async fn forget(&self, kind: &str, project: Option<&str>, before: Timestamp) -> Result<u64> {
        self.database.forget(kind, project, before).await
    }
    async fn trim(&self, slot: Slot, before: Timestamp) -> Result<u64> {
        self.database.trim(slot, before).await
    }
    async fn erase(&self, kind: &str, project: &str) -> Result<u64> {
        self.database.erase(kind, project).await
    }
}

pub async fn moody_site() -> (Site, Arc<Moody>) {
    let database = Moody::new();
    let site = Site::without_worker(Server::on(database.clone(), |_| {}).await).await;
    (site, database)
}

#[tokio::test]
async fn a_read_fails_open_when_storage_is_down() {
    let (site, database) = moody_site().await;
    database.mood.store(DOWN, Ordering::SeqCst);
    // The key cannot be looked up.
    let answer = site.verdict("sess_x", "").await;
    assert_eq!((answer.status.as_u16(), answer.json), (200, fail_open()));
    // The key is known, the score cannot be read.
    database.mood.store(WELL, Ordering::SeqCst);
    site.verdict("sess_x", "").await;
    database.mood.store(DOWN, Ordering::SeqCst);
    let answer = site.verdict("sess_x", "").await;
    assert_eq!((answer.status.as_u16(), answer.json), (200, fail_open()));
    let missing = site.server.call("GET", "/v1/sessions/x/verdict", &[], axum::body::Body::empty()).await;
    assert_error(&missing, 401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_read_does_not_wait_for_slow_storage() {
    let (site, database) = moody_site().await;
    // Neither for a key that is not known yet nor, then, for the score.
    for mood in [SLOW, WELL, SLOW] {
        database.mood.store(mood, Ordering::SeqCst);
        let began = Instant::now();
        let answer = site.verdict("sess_x", "").await;
        assert_eq!((answer.status.as_u16(), answer.json), (200, fail_open()));
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_batch_that_was_handed_over_is_scored_though_its_request_is_cancelled() {
    let (site, database) = moody_site().await;
    let own = batch(Some("bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P"), &[("snapshot", human_snapshot())]);
    site.ingest(&batch(None, &[("mouse", json!({}))])).await;
    let queue = &site.server.app.scoring.queue;
    queue.next(10).await;
    database.mood.store(SLOW_WRITES, Ordering::SeqCst);
    let cancelled = tokio::time::timeout(SLOW_WRITE / 3, site.ingest(&own)).await;
    assert!(cancelled.is_err());
    assert!(queue.is_empty());
    let waiting = tokio::time::timeout(Duration::from_secs(20), queue.next(10)).await.unwrap();
    assert_eq!(&*waiting[0].0.token, "bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P");
    // Sent again it is no news, but it may have been stored by a process that ended before it came to the queue.
    database.mood.store(WELL, Ordering::SeqCst);
    assert_eq!(site.ingest(&own).await.json["duplicates"], 1);
    assert_eq!(queue.len(), 1);
}

#[tokio::test]
async fn first_contacts_do_not_wait_for_each_other() {
    let (site, database) = moody_site().await;
    site.ingest(&batch(None, &[("mouse", json!({}))])).await;
    database.mood.store(SLOW_WRITES, Ordering::SeqCst);
    let first = batch(None, &[("mouse", json!({}))]);
    let began = Instant::now();
    let answers = futures::future::join_all((0..20).map(|_| site.ingest(&first))).await;
    assert!(answers.iter().all(|answer| answer.status == 202));
    assert!(began.elapsed() < 10 * SLOW_WRITE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn events_that_are_not_stored_are_not_counted() {
    let (site, database) = moody_site().await;
    let month = Timestamp::parse_utc("2026-02-01T00:00:00Z").unwrap();
    let counted = async || {
        let counters = site.server.app.storage.counters();
        counters.read(&format!("events/{}", site.account), month).await.unwrap()
    };
    let own = batch(Some("bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P"), &[("mouse", json!({})), ("scroll", json!({}))]);
    database.mood.store(NO_WRITES, Ordering::SeqCst);
    assert_eq!(site.ingest(&own).await.status, 204);
    assert_eq!(counted().await, 0);
    database.mood.store(WELL, Ordering::SeqCst);
    for accepted in [2, 0] {
        assert_eq!(site.ingest(&own).await.json["accepted"], accepted);
        assert_eq!(counted().await, 2);
    }
}

#[tokio::test]
async fn sessions_of_an_earlier_run_are_scored_when_storage_comes_back() {
    let (site, database) = moody_site().await;
    let token = site.session(&[("snapshot", human_snapshot())]).await;
    // As after a restart: stored, but not in the queue.
    site.server.app.scoring.queue.next(10).await;
    database.mood.store(DOWN, Ordering::SeqCst);
    quivive_server::jobs::start(&site.server.app);
    tokio::time::sleep(Duration::from_millis(50)).await;
    database.mood.store(WELL, Ordering::SeqCst);
    assert_eq!(site.scored(&token).await["score"], 96);
}

#[tokio::test]
async fn a_batch_that_cannot_be_stored_is_shed_and_can_be_sent_again() {
    let (site, database) = moody_site().await;
    let own = batch(Some("bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P"), &[("snapshot", human_snapshot())]);
    // Before and after the key is known.
    for _ in 0..2 {
        database.mood.store(DOWN, Ordering::SeqCst);
        let answer = site.ingest(&own).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
        database.mood.store(WELL, Ordering::SeqCst);
        let headers = [("x-botect-private-key", PRIVATE_KEY)];
        site.server.call("GET", "/v1/sessions/x/verdict", &headers, axum::body::Body::empty()).await;
    }
    assert_eq!(site.ingest(&own).await.json["accepted"], 1);
    database.mood.store(DOWN, Ordering::SeqCst);
    assert_eq!(site.ingest(&own).await.status, 204);
    database.mood.store(WELL, Ordering::SeqCst);
    assert_eq!(site.ingest(&own).await.json["duplicates"], 1);
}

#[tokio::test]
async fn scoring_goes_on_when_storage_comes_back() {
    let (site, database) = moody_site().await;
    let token = site.session(&[("snapshot", human_snapshot())]).await;
    database.mood.store(DOWN, Ordering::SeqCst);
    quivive_server::jobs::start(&site.server.app);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(site.verdict(&token, "").await.json, fail_open());
    database.mood.store(WELL, Ordering::SeqCst);
    assert_eq!(site.scored(&token).await["score"], 96);
}

#[tokio::test]
async fn what_the_customers_server_reports_can_be_sent_again_after_a_fault() {
    let (site, database) = moody_site().await;
    let hit = super::server_ingest::hit("sess_a");
    let page = "9f86d081884c7d659a2feaa0c55ad015";
    let events =
        super::server_ingest::forwarded("sess_a", page, vec![super::site::event("a", "page", json!({}))]);
    for mood in [DOWN, NO_WRITES] {
        database.mood.store(mood, Ordering::SeqCst);
        for answer in [site.page_hit("k1", &hit).await, site.forward("k2", &events).await] {
            // A queue of deliveries repeats it, where it would drop a 2xx.
            assert_error(&answer, 500, "INTERNAL_ERROR");
        }
    }
    database.mood.store(WELL, Ordering::SeqCst);
    assert_eq!(site.page_hit("k1", &hit).await.json["accepted"], 1);
    assert_eq!(site.forward("k2", &events).await.json["accepted"], 1);
    for mood in [DOWN, NO_WRITES] {
        database.mood.store(mood, Ordering::SeqCst);
        assert_error(&site.log_in("sess_a").await, 500, "INTERNAL_ERROR");
    }
    database.mood.store(WELL, Ordering::SeqCst);
    assert_eq!(site.log_in("sess_a").await.status, 200);
}

#[tokio::test]
async fn the_control_plane_tells_of_the_fault() {
    let (site, database) = moody_site().await;
    database.mood.store(DOWN, Ordering::SeqCst);
    let answer = site.settings(&json!({ "block_definite": true })).await;
    assert_error(&answer, 500, "INTERNAL_ERROR");
    assert!(!answer.json.to_string().contains("plug"), "causes stay in the log");
}
