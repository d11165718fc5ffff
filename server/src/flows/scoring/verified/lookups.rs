//! Looking up the names of addresses, beside scoring: each question once, its answer kept for a while.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use quivive_core::Timestamp;
use quivive_core::agent::is_in_domain;
use quivive_core::score::aggregate::Outcome;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Patience;
use super::bots::Bot;
use crate::app::App;
use crate::config::VerificationConfig;
use crate::flows::scoring::queue::SessionKey;
use crate::outbound::{Dns, DnsError, Family};

/// Whether an address belongs to one bot, or to any.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Question {
    /// The claimed bot.
    pub bot: Option<Arc<str>>,
    /// The visitor's address, in its canonical form.
    pub address: IpAddr,
}

/// What was found out.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub outcome: Outcome,
    /// Whom the address belongs to.
    pub bot: Option<Arc<Bot>>,
    /// The name that leads back to the address.
    pub name: Option<String>,
    /// How long it holds.
    until: Timestamp,
}

/// Answers, and questions that wait for one.
pub(super) struct Lookups {
    known: Cache<Question, Answer>,
    running: Mutex<HashMap<Question, Running>>,
    places: Semaphore,
    /// Whose address it is decides how long its look-ups take; nobody shall fill all places.
    networks: Cache<IpNet, Arc<Semaphore>>,
}

/// A look-up that has not ended.
#[derive(Default)]
struct Running {
    /// Sessions to be scored when it ends.
    sessions: HashSet<SessionKey>,
    /// Whether it takes so long that they are scored without it meanwhile.
    is_slow: bool,
}

impl Lookups {
    pub fn new(config: &VerificationConfig) -> Self {
        // A new answer must stay: the sessions that waited for it ask for it next.
        let policy = EvictionPolicy::lru();
        Self {
            known: Cache::builder().max_capacity(MOST_KNOWN).eviction_policy(policy).build(),
            running: Mutex::default(),
            places: Semaphore::new(config.concurrency),
            networks: Cache::builder().max_capacity(MOST_KNOWN).time_to_idle(Duration::from_secs(60)).build(),
        }
    }

    /// The answer if it is known, or if nobody waits for it; else the session comes back to the queue.
    pub fn answer(
        &self,
        app: &App,
        question: &Question,
        candidates: &[Arc<Bot>],
        session: Option<SessionKey>,
        patience: Patience,
    ) -> Option<Answer> {
        let now = app.now();
        let mut all = self.running();
        if let Some(answer) = self.known.get(question).filter(|answer| answer.until > now) {
            return Some(answer);
        }
        let unknown = Some(Answer { outcome: Outcome::Unknown, bot: None, name: None, until: now });
        let is_new = !all.contains_key(question);
        if patience == Patience::NoQuestions || (is_new && all.len() >= MOST_RUNNING) {
            return unknown;
        }
        let running = all.entry(question.clone()).or_default();
        if is_new {
            let ticket = Ticket { app: app.clone(), question: question.clone(), answer: None };
            tokio::spawn(look_up(ticket, candidates.to_vec()));
        }
        let Some(session) = session.filter(|_| running.sessions.len() < MOST_SESSIONS) else {
            return unknown;
        };
        running.sessions.insert(session);
        if running.is_slow || patience == Patience::ScoreFirst { unknown } else { None }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Question, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look-up under way. However it ends, those who wait for it are scored.
struct Ticket {
    app: App,
    question: Question,
    answer: Option<Answer>,
}

impl Ticket {
    fn lookups(&self) -> &Lookups {
        &self.app.scoring.verified.lookups
    }

    /// Lets the sessions be scored without the answer.
    fn give_way(&self) {
        let now = self.app.now();
        if let Some(running) = self.lookups().running().get_mut(&self.question) {
            running.is_slow = true;
            for session in &running.sessions {
                self.app.scoring.queue.push(session.clone(), now);
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let now = self.app.now();
        let soon = now.plus_milliseconds(AGAIN_MILLISECONDS);
        let answer = self.answer.take().unwrap_or(Answer {
            outcome: Outcome::Unknown,
            bot: None,
            name: None,
            until: soon,
        });
        let lookups = self.lookups();
        let mut running = lookups.running();
        lookups.known.insert(self.question.clone(), answer);
        for session in running.remove(&self.question).unwrap_or_default().sessions {
            self.app.scoring.queue.push(session, now);
        }
    }
}

async fn look_up(mut ticket: Ticket, candidates: Vec<Arc<Bot>>) {
    let app = ticket.app.clone();
    let address = ticket.question.address;
    let patience = Duration::from_millis(app.config.verification.patience_ms);
    let mut asking = Box::pin(ask(&app, address, &candidates));
    ticket.answer = match timeout(patience, &mut asking).await {
        Ok(answer) => answer,
        Err(_) => {
            ticket.give_way();
            asking.await
        }
    };
}

/// Nothing when the question was not asked at all: that is no answer to keep.
async fn ask(app: &App, address: IpAddr, candidates: &[Arc<Bot>]) -> Option<Answer> {
    let lookups = &app.scoring.verified.lookups;
    let limit = Duration::from_millis(app.config.verification.timeout_ms);
    let network =
        lookups.networks.get_with(network_of(address), || Arc::new(Semaphore::new(PLACES_OF_NETWORK)));
    let places = async {
        let of_network = network.acquire().await.ok()?;
        Some((of_network, lookups.places.acquire().await.ok()?))
    };
    let _places = timeout(limit, places).await.ok()??;
    let owner = timeout(limit, owner_of(app.outbound.dns(), address, candidates)).await;
    let (outcome, owner, kept) = match owner {
        Ok(Ok(Some(owner))) => (Outcome::Yes, Some(owner), YES_MILLISECONDS),
        Ok(Ok(None)) => (Outcome::No, None, NO_MILLISECONDS),
        Ok(Err(DnsError::Suspended)) => return None,
        Ok(Err(_)) | Err(_) => (Outcome::Unknown, None, UNKNOWN_MILLISECONDS),
    };
    let (bot, host) = owner.unzip();
    let name = match outcome {
        Outcome::Yes => "yes",
        Outcome::No => "no",
        Outcome::Unknown => "unknown",
    };
    metrics::counter!("quivive_bot_lookups_total", "outcome" => name).increment(1);
    Some(Answer { outcome, bot, name: host, until: app.now().plus_milliseconds(kept) })
}

/// The bot in whose domain a name of the address lies that leads back to the address, and that name.
async fn owner_of(
    dns: &Dns,
    address: IpAddr,
    candidates: &[Arc<Bot>],
) -> Result<Option<(Arc<Bot>, String)>, DnsError> {
    let names = dns.names(address).await?;
    let in_domain = names
        .iter()
        .filter_map(|name| Some((name, candidates.iter().find(|bot| is_in_domain(name, &bot.suffixes))?)));
    let mut failure = None;
    for (name, bot) in in_domain.take(MOST_NAMES) {
        match dns.addresses(name, Family::of(address)).await {
            Ok(found) if found.iter().any(|found| found.to_canonical() == address) => {
                return Ok(Some((bot.clone(), name.clone())));
            }
            Ok(_) => {}
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(None), Err)
}

/// The block of addresses that is one party's.
fn network_of(address: IpAddr) -> IpNet {
    let length = if address.is_ipv4() { 24 } else { 48 };
    IpNet::new(address, length).map_or_else(|_| address.into(), |network| network.trunc())
}

const MOST_KNOWN: u64 = 100_000;
const MOST_RUNNING: usize = 4_096;
const MOST_SESSIONS: usize = 10_000;
const MOST_NAMES: usize = 4;
const PLACES_OF_NETWORK: usize = 8;
const YES_MILLISECONDS: i64 = 24 * 3_600_000;
const NO_MILLISECONDS: i64 = 3_600_000;
const UNKNOWN_MILLISECONDS: i64 = 300_000;
const AGAIN_MILLISECONDS: i64 = 10_000;
