//! What an owner looks back on: which sessions came, in which bands they were, what was detected.
//!
//! Written off the request path into three event streams, whose rollups are kept at write time, so that a look back
//! never reads sessions one by one:
//!
//! * [`SESSIONS`]: one event when a session is scored for the first time; lists read it newest first.
//! * [`BANDS`]: a session counts once in each hour in which it was scored, under the last band that it had there: when
//!   a rescore moves it, `left_<old band>` takes back what was counted. The band is that of the threshold at that time.
//! * [`DETECTIONS`]: each detection counts once per session and hour.
//!
//! Events are named by hour and session, so one that is written again changes nothing. At most the scores of the last
//! moments are missing after a crash; a session that was counted before a restart keeps its band until the hour ends.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use moka::sync::Cache;
use quivive_core::Timestamp;
use quivive_core::score::{Band, Score, Threshold, combine};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::queue::SessionKey;
use super::record::StoredScore;
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::jobs::Stop;
use crate::storage::{Event, EventQuery, Slot, SummaryQuery};
use crate::tenant::directory;

/// The stream of sessions, each once.
pub const SESSIONS: &str = "score_session";

/// The stream of bands by hour.
pub const BANDS: &str = "score_band";

/// The stream of detections by hour.
pub const DETECTIONS: &str = "score_detection";

/// Scores that wait to be noted, and what is counted already.
pub struct History {
    sender: Sender<StoredScore>,
    receiver: Mutex<Receiver<StoredScore>>,
    counted: Cache<SessionKey, Counted>,
}

/// What is counted of a session in an hour.
#[derive(Clone, Debug)]
struct Counted {
    hour: Timestamp,
    /// Unknown when an earlier run of the server counted it.
    band: Option<Band>,
    detections: Vec<String>,
}

impl Default for History {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let counted = Cache::builder().max_capacity(MOST_COUNTED).time_to_idle(HOUR).build();
        Self { sender, receiver: Mutex::new(receiver), counted }
    }
}

impl History {
    /// Notes a score; one that finds no room is left out and counted in the metrics, because scoring never waits.
    pub fn note(&self, score: &StoredScore) {
        if self.sender.try_send(score.clone()).is_err() {
            metrics::counter!("quivive_scores_not_noted_total").increment(1);
        }
    }
}

/// How many sessions were in each band in one hour, in the order of [`BAND_ORDER`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BandCounts {
    /// The start of the hour.
    pub at: Timestamp,
    /// Sessions by band.
    pub counts: [i64; 5],
}

/// The bands from bot to person, then those without a score.
pub const BAND_ORDER: [Band; 5] =
    [Band::Definite, Band::LikelyAutomated, Band::LikelyHuman, Band::Verified, Band::NotComputed];

/// Sessions by band for every hour from the one that holds `from` up to the one that holds the present.
///
/// # Errors
/// When storage does not answer.
pub async fn bands(app: &App, project_id: i64, from: Timestamp) -> Result<Vec<BandCounts>> {
    let now = app.now();
    let mut hours: BTreeMap<Timestamp, BandCounts> = BTreeMap::new();
    let mut at = Slot::Hour.start(from);
    while at <= now {
        hours.insert(at, BandCounts { at, ..BandCounts::default() });
        at = at.plus_milliseconds(Slot::Hour.milliseconds());
    }
    for summary in summarize(app, BANDS, project_id, from, now).await? {
        let (label, sign) =
            summary.label.strip_prefix(LEFT).map_or((summary.label.as_str(), 1), |label| (label, -1));
        let place = BAND_ORDER.iter().position(|band| band.name() == label);
        let hour = hours.get_mut(&summary.at);
        if let Some(count) = place.zip(hour).and_then(|(place, hour)| hour.counts.get_mut(place)) {
            *count += sign * summary.count;
        }
    }
    Ok(hours.into_values().collect())
}

/// Text ids of detections with their counts since `from`, most frequent first.
///
/// # Errors
/// When storage does not answer.
pub async fn top_detections(
    app: &App,
    project_id: i64,
    from: Timestamp,
    limit: usize,
) -> Result<Vec<(String, i64)>> {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for summary in summarize(app, DETECTIONS, project_id, from, app.now()).await? {
        *counts.entry(summary.label).or_default() += summary.count;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| -count);
    counts.truncate(limit);
    Ok(counts)
}

/// How many sessions were scored for the first time since `from`, rounded down to its hour.
///
/// # Errors
/// When storage does not answer.
pub async fn new_sessions(app: &App, project_id: i64, from: Timestamp) -> Result<i64> {
    let summaries = summarize(app, SESSIONS, project_id, from, app.now()).await?;
    Ok(summaries.iter().map(|summary| summary.count).sum())
}

/// A session's token and when it was scored first.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// The token.
    pub token: String,
    /// When it was scored first.
    pub at: Timestamp,
}

/// The sessions of a project, latest first; `after` continues a list.
///
/// # Errors
/// When storage does not answer.
pub async fn arrivals(
    app: &App,
    project_id: i64,
    after: Option<(Timestamp, String)>,
    limit: usize,
) -> Result<Vec<Arrival>> {
    let query = EventQuery {
        kind: SESSIONS.to_owned(),
        project: project_id.to_string(),
        after,
        newest_first: true,
        limit,
        ..EventQuery::default()
    };
    let events = app.storage.events().scan(query).await?;
    Ok(events.into_iter().map(|event| Arrival { token: event.id, at: event.at }).collect())
}

/// The task that notes scores until the server ends.
pub(super) async fn run(app: App, mut stop: Stop) {
    let mut receiver = app.scoring.history.receiver.lock().await;
    loop {
        let mut scores = Vec::new();
        tokio::select! {
            count = receiver.recv_many(&mut scores, MOST_AT_ONCE) => if count == 0 { return },
            () = stop.requested() => receiver.close(),
        }
        if scores.is_empty() {
            receiver.recv_many(&mut scores, CAPACITY).await;
        }
        if let Err(error) = count(&app, scores).await {
            tracing::error!(%error, "scores are missing in the history");
        }
        if receiver.is_closed() && receiver.is_empty() {
            return;
        }
        // What comes in close succession is counted in one write.
        tokio::select! {
            () = stop.requested() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Counts scores; of several of one session the last.
async fn count(app: &App, scores: Vec<StoredScore>) -> Result<()> {
    let mut latest: HashMap<SessionKey, StoredScore> = HashMap::new();
    for score in scores {
        let key = SessionKey { project_id: score.project_id, token: score.token.as_str().into() };
        latest.insert(key, score);
    }
    let mut thresholds: HashMap<i64, Option<Threshold>> = HashMap::new();
    let mut entries = Entries::default();
    let mut counted = Vec::with_capacity(latest.len());
    let now = app.now();
    for (key, stored) in latest {
        let threshold = match thresholds.entry(key.project_id) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => *place.insert(threshold_of(app, key.project_id).await?),
        };
        let Some(threshold) = threshold else { continue };
        let score = combine(&stored.engines, threshold);
        let before = app.scoring.history.counted.get(&key);
        counted.push((key, entries.add(&stored, &score, before, now)));
    }
    let is_new = app.storage.events().append(entries.events).await?;
    for (key, Next { mut counted, entry }) in counted {
        // Counted before this run began: under which band is not known.
        if entry.is_some_and(|entry| is_new.get(entry) == Some(&false)) {
            counted.band = None;
        }
        app.scoring.history.counted.insert(key, counted);
    }
    Ok(())
}

/// The events of one write.
#[derive(Default)]
struct Entries {
    events: Vec<Event>,
}

/// What is counted of a session after a write, and the place of the event that counted it for the first time.
struct Next {
    counted: Counted,
    entry: Option<usize>,
}

impl Entries {
    fn add(&mut self, stored: &StoredScore, score: &Score, before: Option<Counted>, now: Timestamp) -> Next {
        let hour = Slot::Hour.start(now);
        let known = before.filter(|counted| counted.hour == hour);
        let session = format!("{}/{}", hour.seconds(), stored.token);
        let entry = known.is_none().then_some(self.events.len());
        let mut push = |kind: &str, id: String, label: String, value: Option<f64>| {
            self.events.push(Event {
                kind: kind.to_owned(),
                project: stored.project_id.to_string(),
                id,
                at: now,
                label,
                score: value,
                body: "{}".to_owned(),
                ..Event::default()
            });
        };
        let value = Some(f64::from(score.score));
        match &known {
            None => {
                push(BANDS, session.clone(), score.band.name().to_owned(), value);
                push(SESSIONS, stored.token.clone(), "new".to_owned(), None);
            }
            Some(Counted { band: Some(band), .. }) if *band != score.band => {
                let revision = stored.revision;
                push(BANDS, format!("{session}/{revision}/left"), format!("{LEFT}{}", band.name()), None);
                push(BANDS, format!("{session}/{revision}"), score.band.name().to_owned(), value);
            }
            Some(_) => {}
        }
        let band = known.as_ref().map_or(Some(score.band), |counted| counted.band.map(|_| score.band));
        let mut detections = known.map(|counted| counted.detections).unwrap_or_default();
        for item in score.evidence.iter().filter(|item| item.speaks_for_automation()) {
            if !detections.iter().any(|known| *known == item.id) {
                push(DETECTIONS, format!("{session}/{}", item.id), item.id.to_string(), Some(item.weight));
                detections.push(item.id.to_string());
            }
        }
        Next { counted: Counted { hour, band, detections }, entry }
    }
}

/// The project's threshold; nothing when the project is gone.
async fn threshold_of(app: &App, project_id: i64) -> Result<Option<Threshold>> {
    match directory::project(app, project_id).await {
        Ok(project) => Ok(Some(project.scoring.settings.likely_bot_threshold)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn summarize(
    app: &App,
    kind: &str,
    project_id: i64,
    from: Timestamp,
    now: Timestamp,
) -> Result<Vec<crate::storage::Summary>, Error> {
    let query = SummaryQuery {
        kind: kind.to_owned(),
        project: project_id.to_string(),
        slot: Slot::Hour,
        from: Slot::Hour.start(from),
        to: now.plus_milliseconds(1),
    };
    Ok(app.storage.events().summarize(query).await?)
}

/// In front of a band's name: so many sessions are not in it any more.
const LEFT: &str = "left_";

const HOUR: Duration = Duration::from_secs(3_600);
const PAUSE: Duration = Duration::from_millis(100);
const CAPACITY: usize = 65_536;
const MOST_AT_ONCE: usize = 4_096;
const MOST_COUNTED: u64 = 200_000;

#[cfg(test)]
mod tests {
    use quivive_core::score::{Detection, EngineResults, Opinion};

    use super::*;
    use crate::flows::scoring::record::SessionFacts;

    fn stored(revision: u64, evidence: &[Detection]) -> StoredScore {
        let evidence = evidence.iter().map(|detection| detection.evidence("test")).collect();
        StoredScore {
            project_id: 1,
            token: "sess_1".to_owned(),
            revision,
            scored_at: Timestamp::default(),
            engines: EngineResults { behavioral: Opinion::of(evidence), ..EngineResults::default() },
            facts: SessionFacts::default(),
            verification: None,
            expires_at: Timestamp::default(),
        }
    }

    fn add(entries: &mut Entries, stored: &StoredScore, before: Option<Counted>, seconds: i64) -> Next {
        let score = combine(&stored.engines, Threshold::DEFAULT);
        entries.add(stored, &score, before, Timestamp::from_seconds(seconds))
    }

    fn labels(entries: &Entries) -> Vec<(&str, &str)> {
        entries.events.iter().map(|event| (event.kind.as_str(), event.label.as_str())).collect()
    }

    #[test]
    fn a_session_counts_once_an_hour_under_its_last_band() {
        let human = stored(1, &[Detection::Interaction]);
        let bot = stored(2, &[Detection::Interaction, Detection::NoPointerVariation]);
        let mut entries = Entries::default();
        let first = add(&mut entries, &human, None, 7_200);
        assert_eq!(first.entry, Some(0));
        assert_eq!(labels(&entries), [(BANDS, "likely_human"), (SESSIONS, "new")]);

        let mut entries = Entries::default();
        let same = add(&mut entries, &human, Some(first.counted), 7_300);
        assert_eq!(labels(&entries), [], "a rescore that changes nothing counts nothing");

        let moved = add(&mut entries, &bot, Some(same.counted), 7_400);
        let detection = (DETECTIONS, "pointer.no_variation");
        assert_eq!(labels(&entries), [(BANDS, "left_likely_human"), (BANDS, "likely_automated"), detection]);

        let mut entries = Entries::default();
        add(&mut entries, &bot, Some(moved.counted), 10_800);
        assert_eq!(
            labels(&entries),
            [(BANDS, "likely_automated"), (SESSIONS, "new"), detection],
            "the next hour counts it again"
        );
    }

    #[test]
    fn what_an_earlier_run_counted_is_not_counted_again() {
        let bot = stored(2, &[Detection::Interaction, Detection::NoPointerVariation]);
        let before = Counted { hour: Timestamp::from_seconds(7_200), band: None, detections: Vec::new() };
        let mut entries = Entries::default();
        let next = add(&mut entries, &bot, Some(before), 7_300);
        assert_eq!(labels(&entries), [(DETECTIONS, "pointer.no_variation")]);
        assert_eq!(next.counted.band, None);
    }
}
