//! From the facts of one request to a classification, and its record in the detection stream.
//!
//! A detection is a read: its record goes through a bounded queue and is written in batches, so that it never adds
//! to an answer's time. At most a second of records is lost in a crash; records that find no room are counted.

pub mod figures;
pub mod period;
pub mod retention;
pub mod row;
pub mod visitor;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use quivive_core::Timestamp;
use quivive_core::agent::{AgentInfo, Classification, Classifier, RequestFacts, UserAgentClass};
use quivive_core::decision::Action;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, Receiver, Sender};

use self::visitor::Visitors;
use crate::app::App;
use crate::jobs::Stop;
use crate::storage::{self, Event};
use crate::tenant::{self, Project};

/// The stream of detections.
pub const STREAM: &str = "detection";

/// What detection keeps in the process.
pub struct Detection {
    classifier: Classifier,
    identity_key: OnceLock<[u8; 32]>,
    sender: Sender<Observed>,
    receiver: Mutex<Receiver<Observed>>,
}

impl Default for Detection {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let (classifier, identity_key) = (Classifier::new(), OnceLock::new());
        Self { classifier, identity_key, sender, receiver: Mutex::new(receiver) }
    }
}

/// A classification and how long it took.
pub struct Outcome {
    /// The classification.
    pub classification: Classification,
    /// Time spent in the core.
    pub took: Duration,
}

/// A request that was classified and is to be recorded.
#[derive(Debug)]
pub struct Observed {
    /// The id, `det_` and a ULID.
    pub id: String,
    /// The project.
    pub project_id: i64,
    /// Whether it is a test that analytics leave out.
    pub is_test: bool,
    /// How the request was seen.
    pub source: Source,
    /// What the project's policy says to do.
    pub action: Action,
    /// What was known.
    pub facts: RequestFacts,
    /// What the caller called the visitor's session.
    pub session_id: Option<String>,
    /// What it was classified as.
    pub classification: Classification,
}

/// How a request was seen.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A server described it.
    Api,
    /// It carried an event.
    Event,
    /// It asked for the pixel.
    Pixel,
}

impl Detection {
    /// Classifies one request.
    pub fn classify(&self, facts: &RequestFacts) -> Outcome {
        let began = Instant::now();
        let classification = self.classifier.classify(facts);
        Outcome { classification, took: began.elapsed() }
    }

    /// What a user agent says by itself.
    pub fn class_of_user_agent(&self, user_agent: &str) -> UserAgentClass<'_> {
        self.classifier.class_of_user_agent(user_agent)
    }

    /// The catalogued agent of an id.
    pub fn agent(&self, id: &str) -> Option<&AgentInfo> {
        self.classifier.agents().iter().map(|agent| &*agent.info).find(|agent| agent.id == id)
    }

    /// The key of the hashes by which bots are counted, so that nobody outside can aim at a value.
    fn identity_key(&self, app: &App) -> [u8; 32] {
        *self.identity_key.get_or_init(|| app.keys.derive("detection identity"))
    }

    /// Puts a detection up for recording.
    pub fn record(&self, observed: Observed) {
        if self.sender.try_send(observed).is_err() {
            metrics::counter!("quivive_detections_dropped_total").increment(1);
        }
    }
}

/// A new id of a detection: `det_` and a ULID.
pub fn new_id(app: &App) -> String {
    format!("det_{}", ulid(app.now(), app.random_bytes()))
}

/// Starts the task that records detections.
pub fn start(app: &App) {
    let recorder = app.clone();
    app.jobs.start("detections", move |stop| run(recorder.clone(), stop));
}

async fn run(app: App, mut stop: Stop) {
    let mut receiver = app.detection.receiver.lock().await;
    let mut visitors = Visitors::default();
    loop {
        let mut observed = Vec::new();
        tokio::select! {
            count = receiver.recv_many(&mut observed, MOST_AT_ONCE) => if count == 0 { return },
            () = stop.requested() => receiver.close(),
        }
        write(&app, &mut visitors, observed).await;
        if receiver.is_closed() && receiver.is_empty() {
            return;
        }
    }
}

async fn write(app: &App, visitors: &mut Visitors, observed: Vec<Observed>) {
    let count = observed.len() as u64;
    let mut events = Vec::with_capacity(observed.len());
    let mut projects = BTreeMap::new();
    for observed in observed {
        match event(app, visitors, &mut projects, observed).await {
            Ok(event) => events.extend(event),
            Err(error) => tracing::error!(%error, "a detection could not be recorded"),
        }
    }
    if events.is_empty() {
        return;
    }
    if let Err(error) = app.storage.events().append(events).await {
        metrics::counter!("quivive_detections_dropped_total").increment(count);
        tracing::error!(%error, "detections could not be recorded");
    }
}

/// The row of a detection; nothing for a project that is gone.
async fn event(
    app: &App,
    visitors: &mut Visitors,
    projects: &mut BTreeMap<i64, Option<tenant::Detection>>,
    observed: Observed,
) -> storage::Result<Option<Event>> {
    let id = observed.project_id;
    let settings = match projects.get(&id) {
        Some(known) => *known,
        None => {
            let project = app.storage.get::<Project>(&id.to_string()).await?;
            *projects.entry(id).or_insert(project.map(|project| project.value.detection))
        }
    };
    let Some(settings) = settings else { return Ok(None) };
    let visitor = visitors.identify(app, &observed).await?;
    Ok(Some(row::event(observed, visitor, &settings)))
}

/// A ULID: 48 bits of time, 80 of randomness, Crockford's base32.
pub fn ulid(at: Timestamp, random: [u8; 10]) -> String {
    let milliseconds = u128::try_from(at.milliseconds()).unwrap_or_default() & 0xffff_ffff_ffff;
    let bits = random.iter().fold(milliseconds, |bits, byte| bits << 8 | u128::from(*byte));
    let digit = |index: u32| {
        let value = usize::try_from(bits >> (125 - 5 * index) & 31).unwrap_or_default();
        char::from(CROCKFORD.get(value).copied().unwrap_or(b'0'))
    };
    (0..26).map(digit).collect()
}

const CAPACITY: usize = 16_384;
const MOST_AT_ONCE: usize = 512;
const CROCKFORD: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulids_are_26_digits_and_sort_by_time() {
        let at = Timestamp::from_milliseconds;
        // The example of the ULID specification.
        assert_eq!(ulid(at(1_469_918_176_385), [0; 10]), "01ARYZ6S410000000000000000");
        assert_eq!(ulid(at(0), [255; 10]), "0000000000ZZZZZZZZZZZZZZZZ");
        assert!(ulid(at(1), [0; 10]) > ulid(at(0), [255; 10]));
    }
}
