//! From the facts of one request to a classification, and its record in the detection stream.
//!
//! A detection is a read: its record goes through a bounded queue and is written in batches, so that it never adds
//! to an answer's time. At most a second of records is lost in a crash. Each account has a share of the queue,
//! however many projects it has; records that find no room in it are counted. Webhooks are told by a task of their own, which holds up no record.

pub mod behavior;
pub mod directories;
pub mod figures;
pub mod network;
pub mod period;
pub mod policy;
pub mod retention;
pub mod row;
mod signature;
pub mod visitor;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use quivive_core::Timestamp;
use quivive_core::agent::{
    Agent, AgentInfo, BehaviorFacts, Classification, Classifier, RequestFacts, UserAgentClass,
};
use quivive_core::decision::{Action, PathSet, Reason};
use serde::{Deserialize, Serialize};

use self::behavior::{Behavior, Observation};
use self::directories::Directories;
use self::network::Networks;
use self::policy::{Compiled, Policies, Ruling};
use self::visitor::Visitors;
use crate::app::App;
use crate::config::Config;
use crate::flows::fair_queue::FairQueue;
use crate::flows::webhooks;
use crate::jobs::Stop;
use crate::storage::{self, Event};
use crate::tenant::{self, Project};

/// The stream of detections.
pub const STREAM: &str = "detection";

/// What detection keeps in the process.
pub struct Detection {
    /// What visitors did lately.
    pub behavior: Behavior,
    /// The keys that agents publish.
    pub directories: Directories,
    /// Networks that the operator named.
    pub networks: Networks,
    /// Policies of projects, ready for use.
    pub policies: Policies,
    /// Paths that are never linked visibly, on every site.
    traps: PathSet,
    classifier: Classifier,
    identity_key: OnceLock<[u8; 32]>,
    /// What is to be recorded.
    queue: FairQueue<Observed>,
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
    /// The account of the project.
    pub account_id: i64,
    /// The project.
    pub project_id: i64,
    /// Whether it is a test that analytics leave out.
    pub is_test: bool,
    /// How the request was seen.
    pub source: Source,
    /// What the project's policy says to do.
    pub action: Action,
    /// The rule of the policy that says so.
    pub rule_id: Option<String>,
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

/// A request that was looked at with everything that the server knows.
pub struct Seen {
    /// What it was classified as.
    pub classification: Classification,
    /// Time spent in the core.
    pub took: Duration,
    /// What the project's policy says.
    pub ruling: Ruling,
    /// The project's policy, if it has one.
    pub policy: Option<Arc<Compiled>>,
}

/// Whether a request counts as one of its visitor's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// It does.
    Visit,
    /// It is an example: nothing remembers it.
    Trial,
    /// It carries what a page reports: no visit, and its signature is not over the page's address.
    Report,
}

/// Looks at a request with everything that the server knows: address, signature, behaviour, policy. Waits for nothing
/// but storage, and for that only where the answer is not at hand. A policy that cannot be had lets everything pass.
pub async fn look(
    app: &App,
    project: &Project,
    facts: &mut RequestFacts,
    session_id: Option<&str>,
    purpose: Purpose,
) -> Seen {
    let (policy, without) = match app.detection.policies.of(app, project.id).await {
        Ok(policy) => (policy, Reason::Default),
        Err(error) => {
            tracing::warn!(%error, "a policy could not be read; the request passes");
            (None, Reason::Unavailable)
        }
    };
    look_by(app, project, policy, without, facts, session_id, purpose).await
}

/// As [`look`], by a policy of the caller's; `without` is the reason to pass when there is none.
pub async fn look_by(
    app: &App,
    project: &Project,
    policy: Option<Arc<Compiled>>,
    without: Reason,
    facts: &mut RequestFacts,
    session_id: Option<&str>,
    purpose: Purpose,
) -> Seen {
    network::complete(app, facts);
    facts.signature = match purpose {
        Purpose::Visit | Purpose::Trial => signature::check(app, project.id, facts, purpose).await,
        Purpose::Report => None,
    };
    let observation = match purpose {
        Purpose::Visit => {
            let none = PathSet::default();
            let traps = [&app.detection.traps, policy.as_ref().map_or(&none, |policy| &policy.traps)];
            app.detection.behavior.observe(project.id, session_id, facts, traps)
        }
        Purpose::Trial | Purpose::Report => Observation::default(),
    };
    facts.behavior = observation.facts.clone();
    let Outcome { classification, took } = app.detection.classify_visit(facts, &observation);
    let ruling = policy.as_ref().map_or_else(
        || Ruling::passing(without),
        |policy| {
            let rate = observation.requests_in_five_minutes;
            policy::decide(policy, project.detection.is_blocking, facts, &classification, rate)
        },
    );
    Seen { classification, took, ruling, policy }
}

impl Detection {
    /// By the settings of `[agentshield]`, `[botect]` and `[verification]`.
    pub fn new(config: &Config) -> Self {
        let classifier = Classifier::new();
        Self {
            behavior: Behavior::default(),
            directories: Directories::new(&config.verification, classifier.agents()),
            networks: Networks::new(config),
            policies: Policies::default(),
            // Checked when the configuration was.
            traps: PathSet::new(&config.agentshield.honeypot_paths).unwrap_or_default(),
            classifier,
            identity_key: OnceLock::new(),
            queue: FairQueue::new(CAPACITY),
        }
    }

    /// An earlier verdict counts only if it was clear, and only against a request that shows nothing by itself: what
    /// is a bot anyway is judged by what it shows, no verdict feeds on itself, and who restores five tabs at once is
    /// not a bot for half an hour.
    fn classify_visit(&self, facts: &mut RequestFacts, observation: &Observation) -> Outcome {
        let outcome = self.classify(facts);
        let confidence = outcome.classification.confidence;
        if outcome.classification.is_bot {
            if confidence >= CLEAR_CONFIDENCE {
                observation.remember(confidence);
            }
            return outcome;
        }
        let Some(earlier) = observation.earlier else { return outcome };
        facts.behavior = Some(BehaviorFacts {
            carried_confidence: Some(earlier),
            ..facts.behavior.take().unwrap_or_default()
        });
        let again = self.classify(facts);
        Outcome { took: outcome.took + again.took, ..again }
    }

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
        self.catalogued(id).map(|agent| &*agent.info)
    }

    /// The catalogue's entry of an id.
    pub fn catalogued(&self, id: &str) -> Option<&Agent> {
        self.classifier.agents().iter().find(|agent| agent.info.id == id)
    }

    /// The key of the hashes by which bots are counted, so that nobody outside can aim at a value.
    fn identity_key(&self, app: &App) -> [u8; 32] {
        *self.identity_key.get_or_init(|| app.keys.derive("detection identity"))
    }

    /// Puts a detection up for recording. What its account has beyond its share of the queue is lost, and counted.
    pub fn record(&self, mut observed: Observed) {
        // What is not stored need not wait.
        let facts = &mut observed.facts;
        facts.user_agent = row::user_agent(facts).map(str::to_owned);
        facts.headers = None;
        if !self.queue.put(observed.account_id, observed) {
            metrics::counter!("quivive_detections_dropped_total").increment(1);
        }
    }
}

/// A new id of a detection: `det_` and a ULID.
pub fn new_id(app: &App) -> String {
    format!("det_{}", ulid(app.now(), app.random_bytes()))
}

/// Starts the tasks that record detections and keep the keys of signers at hand.
pub fn start(app: &App) {
    let kept = app.clone();
    app.jobs.start("key-directories", move |stop| directories::run(kept.clone(), stop));
    let recorder = Recorder(app.clone());
    app.jobs.start("detections", move |stop| run(recorder.app(), stop));
}

/// Lives as long as the recorder may be started again: however that ends for good, webhooks learn that nothing more
/// comes, and the server's end waits for no sighting.
struct Recorder(App);

impl Recorder {
    fn app(&self) -> App {
        self.0.clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        webhooks::no_more_sightings(&self.0);
    }
}

async fn run(app: App, mut stop: Stop) {
    let queue = &app.detection.queue;
    let mut visitors = Visitors::default();
    let mut told_at = Instant::now();
    loop {
        let observed = tokio::select! {
            observed = queue.take(MOST_AT_ONCE) => observed,
            () = stop.requested() => {
                queue.close();
                continue;
            }
        };
        let is_over = observed.is_empty();
        if is_over || told_at.elapsed() >= TELLING_PAUSE {
            told_at = Instant::now();
            for (account, count) in queue.lost() {
                tracing::warn!(
                    account,
                    count,
                    "detections beyond an account's share of the queue were not recorded"
                );
            }
        }
        if is_over {
            return;
        }
        write(&app, &mut visitors, observed).await;
    }
}

async fn write(app: &App, visitors: &mut Visitors, observed: Vec<Observed>) {
    let seen = webhooks::Seen::of(app, &observed);
    let mut events = Vec::with_capacity(observed.len());
    let mut projects = BTreeMap::new();
    for observed in observed {
        match event(app, visitors, &mut projects, observed).await {
            Ok(event) => events.extend(event),
            Err(error) => {
                metrics::counter!("quivive_detections_dropped_total").increment(1);
                tracing::error!(%error, "a detection could not be recorded");
            }
        }
    }
    if events.is_empty() {
        return;
    }
    let (seen, count) = (seen.with_rows(&events), events.len() as u64);
    match app.storage.events().append(events).await {
        Ok(_) => seen.hand_over(app),
        Err(error) => {
            metrics::counter!("quivive_detections_dropped_total").increment(count);
            tracing::error!(%error, "detections could not be recorded");
        }
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

/// A ULID: 48 bits of time in milliseconds, 80 of randomness, in Crockford's base32.
pub fn ulid(at: Timestamp, random: [u8; 10]) -> String {
    let milliseconds = u128::try_from(at.milliseconds()).unwrap_or_default() & 0xffff_ffff_ffff;
    let bits = random.iter().fold(milliseconds, |bits, byte| bits << 8 | u128::from(*byte));
    let digit = |index: u32| {
        let value = usize::try_from(bits >> (125 - 5 * index) & 31).unwrap_or_default();
        char::from(CROCKFORD.get(value).copied().unwrap_or(b'0'))
    };
    (0..26).map(digit).collect()
}

/// An account by itself gets a quarter of the places: most of a second at full speed.
const CAPACITY: usize = 65_536;
const MOST_AT_ONCE: usize = 512;
/// How often losses are logged.
const TELLING_PAUSE: Duration = Duration::from_secs(10);
/// The confidence from which a verdict is held against later requests.
const CLEAR_CONFIDENCE: f64 = 0.8;
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
