//! Where happenings wait and how they are written.
//!
//! A request only puts what happened into a bounded queue. Four times a second everything that waits is bundled: one
//! row stands for all happenings that are alike but for their times and callers, so that a flood of challenges costs
//! the database's one writer a few rows and not thousands. The rows of three streams are rolled up as they are written:
//!
//! * [`STREAM`]: labelled by event, type and outcome ([`label`]); the score is how many happened, the body the rest.
//! * [`COUNTRIES`]: labelled by country; the score is how many happened.
//! * [`TIMES`]: of right answers, labelled `solve:<type>` and `response:<type>`; the score is a sum of milliseconds.
//!
//! A figure of the dashboard is therefore the sum of scores over the slots of its period.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use http::Method;
use quivive_core::crypto::hmac_sha256;
use quivive_core::{Timestamp, encoding};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, Receiver, Sender};
use uuid::Uuid;

use super::{EventType, Happening};
use crate::app::App;
use crate::jobs::Stop;
use crate::storage::{Event, Slot};

/// The stream of happenings.
pub const STREAM: &str = "botcha_event";

/// The stream of countries.
pub const COUNTRIES: &str = "botcha_country";

/// The stream of times.
pub const TIMES: &str = "botcha_time";

/// The country of a caller of whom nothing is known.
pub const UNKNOWN_COUNTRY: &str = "unknown";

/// A happening and what the layer knows about its request.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What happened.
    pub happening: Happening,
    /// The pattern of the route, such as `/v1/challenges/{id}/verify`.
    pub endpoint: String,
    /// The request's method.
    pub method: Method,
    /// The status of the answer.
    pub status: u16,
    /// How long the answer took.
    pub response_time_ms: f64,
    /// The caller's address.
    pub ip: IpAddr,
    /// The caller's country, if a trusted proxy names it.
    pub country: Option<String>,
    /// When the answer was ready.
    pub at: Timestamp,
}

/// What waits to be written.
pub struct Analytics {
    sender: Sender<Seen>,
    waiting: Mutex<Waiting>,
}

struct Waiting {
    receiver: Receiver<Seen>,
    /// Rows that storage did not take yet.
    rows: VecDeque<Event>,
}

impl Default for Analytics {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        Self { sender, waiting: Mutex::new(Waiting { receiver, rows: VecDeque::new() }) }
    }
}

impl Analytics {
    /// Puts a happening into the queue; one that finds no room is left out and counted in the metrics, because no
    /// request waits for its figures.
    pub fn note(&self, seen: Seen) {
        if self.sender.try_send(seen).is_err() {
            count_lost(1);
        }
    }
}

/// The label by which happenings are counted: event, challenge type (`-` if it has none), and for answers `ok` or `fail`.
pub fn label(event: EventType, challenge_type: Option<&str>, passed: Option<bool>) -> String {
    let outcome = passed.map_or("", |passed| if passed { ":ok" } else { ":fail" });
    format!("{}:{}{outcome}", event.name(), challenge_type.unwrap_or("-"))
}

/// Starts the task that writes.
pub fn start(app: &App) {
    let writer = app.clone();
    app.jobs.start("analytics", move |stop| run(writer.clone(), stop));
}

/// Writes everything that waits. What storage refuses is kept for the next time, up to a bound.
pub async fn write_waiting(app: &App) {
    let mut waiting = app.analytics.waiting.lock().await;
    let mut bundles = Bundles::default();
    // Requests go on meanwhile: what comes later than this is for the next time.
    for _ in 0..waiting.receiver.len() {
        let Ok(seen) = waiting.receiver.try_recv() else { break };
        bundles.add(app, seen);
    }
    waiting.rows.extend(bundles.into_events());
    while !waiting.rows.is_empty() {
        // Few at once: whoever writes for a request stands behind these rows.
        let chunk: Vec<Event> = waiting.rows.iter().take(MOST_ROWS_AT_ONCE).cloned().collect();
        let written = chunk.len();
        if let Err(error) = app.storage.events().append(chunk).await {
            tracing::warn!(%error, rows = waiting.rows.len(), "figures of dashboards wait for storage");
            break;
        }
        waiting.rows.drain(..written);
    }
    while waiting.rows.len() > MOST_ROWS_KEPT {
        let Some(row) = waiting.rows.pop_front() else { break };
        if row.kind == STREAM {
            count_lost(serde_json::from_str::<Counted>(&row.body).map_or(1, |body| body.count));
        }
    }
}

async fn run(app: App, mut stop: Stop) {
    loop {
        tokio::select! {
            () = stop.requested() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
        // Once the server wants to end no request runs any longer: nothing comes after this write.
        let is_last = stop.is_requested();
        write_waiting(&app).await;
        if is_last {
            return;
        }
    }
}

/// What happenings of one bundle have in common.
#[derive(Eq, Hash, PartialEq, Serialize)]
struct Common {
    #[serde(skip)]
    project: String,
    #[serde(skip)]
    slot: Timestamp,
    #[serde(serialize_with = "name")]
    event: EventType,
    challenge_type: Option<&'static str>,
    auth_method: Option<&'static str>,
    passed: Option<bool>,
    reason: Option<String>,
    endpoint: String,
    #[serde(serialize_with = "method")]
    method: Method,
    status: u16,
    country: String,
}

/// What they have each for itself.
#[derive(Default, Serialize)]
struct Each {
    #[serde(skip)]
    at: Timestamp,
    count: u64,
    /// Milliseconds, one for each right answer.
    solve_times_ms: Vec<i64>,
    /// Milliseconds, all together.
    response_time_ms: f64,
    /// How many came from which caller: a hash with the key of the day, or the address where that is set.
    callers: BTreeMap<String, u64>,
}

/// A bundle as the body of its row.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    common: &'a Common,
    #[serde(flatten)]
    each: &'a Each,
}

/// What is read of a body again.
#[derive(Deserialize)]
struct Counted {
    count: u64,
}

#[derive(Default)]
struct Bundles {
    bundles: HashMap<Common, Each>,
    callers: HashMap<(IpAddr, i64), String>,
}

impl Bundles {
    fn add(&mut self, app: &App, seen: Seen) {
        let caller = match self.callers.entry((seen.ip, seen.at.milliseconds().div_euclid(DAY))) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => {
                let name = caller(app, seen.ip, place.key().1);
                place.insert(name).clone()
            }
        };
        let Happening { event, challenge_type, auth_method, passed, reason, solve_time_ms, app_id } =
            seen.happening;
        let common = Common {
            project: app_id.unwrap_or_default(),
            slot: Slot::FiveMinutes.start(seen.at),
            event,
            challenge_type,
            auth_method,
            passed,
            reason: reason.map(|reason| reason.chars().take(LONGEST_REASON).collect()),
            endpoint: seen.endpoint,
            method: seen.method,
            status: seen.status,
            country: seen.country.unwrap_or_else(|| UNKNOWN_COUNTRY.to_owned()),
        };
        let each = self.bundles.entry(common).or_default();
        each.at = each.at.max(seen.at);
        each.count += 1;
        each.solve_times_ms.extend(solve_time_ms.map(|time| time.max(0)));
        each.response_time_ms += seen.response_time_ms;
        *each.callers.entry(caller).or_default() += 1;
    }

    fn into_events(self) -> Vec<Event> {
        let mut events = Vec::with_capacity(self.bundles.len() * 2);
        // What is summed up besides, by stream, project, slot and label: the latest moment and the sum.
        let mut sums: BTreeMap<(&'static str, String, Timestamp, String), (Timestamp, f64)> = BTreeMap::new();
        for (common, each) in self.bundles {
            let mut add = |stream, label: String, amount: f64| {
                let sum = sums.entry((stream, common.project.clone(), common.slot, label)).or_default();
                *sum = (sum.0.max(each.at), sum.1 + amount);
            };
            add(COUNTRIES, common.country.clone(), number(each.count));
            if common.passed == Some(true) {
                let challenge_type = common.challenge_type.unwrap_or("-");
                let solving: i64 = each.solve_times_ms.iter().sum();
                add(TIMES, format!("solve:{challenge_type}"), number(solving.unsigned_abs()));
                add(TIMES, format!("response:{challenge_type}"), each.response_time_ms);
            }
            let body = serde_json::to_string(&Body { common: &common, each: &each });
            events.push(Event {
                kind: STREAM.to_owned(),
                project: common.project,
                id: Uuid::now_v7().to_string(),
                at: each.at,
                label: label(common.event, common.challenge_type, common.passed),
                score: Some(number(each.count)),
                body: body.unwrap_or_default(),
                ..Event::default()
            });
            let event = common.event.name();
            metrics::counter!("quivive_botcha_events_total", "event" => event).increment(each.count);
        }
        events.extend(sums.into_iter().map(|((stream, project, _, label), (at, sum))| Event {
            kind: stream.to_owned(),
            project,
            id: Uuid::now_v7().to_string(),
            at,
            label,
            score: Some(sum),
            body: "{}".to_owned(),
            ..Event::default()
        }));
        events
    }
}

/// A caller's name in rows: whoever reads the rows of two days cannot tell whether the same address came twice.
fn caller(app: &App, ip: IpAddr, day: i64) -> String {
    if app.config.botcha.analytics_raw_ip {
        return ip.to_string();
    }
    let key = hmac_sha256(&app.keys.derive("analytics"), &day.to_be_bytes());
    let hash = hmac_sha256(&key, ip.to_string().as_bytes());
    encoding::hex(hash.first_chunk::<8>().map_or(&[], |half| half.as_slice()))
}

fn count_lost(happenings: u64) {
    metrics::counter!("quivive_botcha_events_lost_total").increment(happenings);
}

#[expect(clippy::cast_precision_loss, reason = "counts and sums of one batch are far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

fn name<S: serde::Serializer>(event: &EventType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(event.name())
}

fn method<S: serde::Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}

const PAUSE: Duration = Duration::from_millis(250);
const CAPACITY: usize = 65_536;
const MOST_ROWS_AT_ONCE: usize = 128;
const MOST_ROWS_KEPT: usize = 20_000;
const LONGEST_REASON: usize = 200;
const DAY: i64 = 86_400_000;
