//! What is told: events of a project as the bodies that are sent.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quivive_core::Timestamp;
use quivive_core::agent::{Classification, VerificationMethod, VerificationStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::hook::{Hook, Payload};
use super::{Notice, enqueue, list};
use crate::agentshield::include;
use crate::app::App;
use crate::error::{ErrorKind, Result};
use crate::flows::detection::Observed;
use crate::storage::{self, Event, Put, Record};
use crate::tenant::{Project, directory};

/// A detection that passes the webhook's filter.
pub const DETECTION_CREATED: &str = "detection.created";
/// A policy's refusal that was enforced.
pub const DETECTION_BLOCKED: &str = "detection.blocked";
/// The first detection of an agent in a project.
pub const AGENT_FIRST_SEEN: &str = "agent.first_seen";
/// An identity that is not the visitor's own.
pub const AGENT_SPOOFED: &str = "agent.spoofed";
/// More bots in a minute than the owner's figure.
pub const THRESHOLD_EXCEEDED: &str = "threshold.exceeded";
/// The account's requests of the day are used up.
pub const RATELIMIT_EXCEEDED: &str = "ratelimit.exceeded";
/// A test that the owner asked for.
pub const TEST: &str = "webhook.test";

/// Every event.
pub const EVENTS: [&str; 7] = [
    DETECTION_CREATED,
    DETECTION_BLOCKED,
    AGENT_FIRST_SEEN,
    AGENT_SPOOFED,
    THRESHOLD_EXCEEDED,
    RATELIMIT_EXCEEDED,
    TEST,
];

/// A project with its webhooks that are on.
#[derive(Debug)]
pub struct Watch {
    project: Project,
    hooks: Vec<Hook>,
}

/// That an agent was seen in a project.
#[derive(Debug, Deserialize, Serialize)]
pub struct KnownAgent {
    project_id: i64,
    agent_id: String,
    first_seen_at: Timestamp,
}

impl Record for KnownAgent {
    const KIND: &'static str = "known_agent";
    fn id(&self) -> String {
        format!("{}/{}", self.project_id, self.agent_id)
    }
    fn parent(&self) -> String {
        self.project_id.to_string()
    }
}

/// Detections that somebody may want to hear of, taken before they are turned into rows. Tests are not told.
#[derive(Default)]
pub struct Seen(Vec<Sighting>);

/// A detection that somebody may want to hear of.
#[derive(Debug)]
pub(super) struct Sighting {
    id: String,
    account_id: i64,
    project_id: i64,
    at: Timestamp,
    classification: Classification,
    /// The body of what is stored of it: what the owner's privacy settings left is what is told.
    row: String,
}

impl Seen {
    /// Leaves out detections of projects that are known to have no webhook and of agents that are known there. Asks
    /// nobody: the recorder must not wait for it.
    pub fn of(app: &App, observed: &[Observed]) -> Self {
        let is_of_interest = |observed: &&Observed| {
            let has_watch = !matches!(app.webhooks.watches.get(&observed.project_id), Some(None));
            let is_new = observed.classification.agent.as_ref().is_some_and(|agent| {
                !app.webhooks.known_agents.contains_key(&(observed.project_id, agent.id.clone()))
            });
            !observed.is_test && (has_watch || is_new)
        };
        let sighting = |observed: &Observed| Sighting {
            id: observed.id.clone(),
            account_id: observed.account_id,
            project_id: observed.project_id,
            at: observed.facts.now,
            classification: observed.classification.clone(),
            row: String::new(),
        };
        Self(observed.iter().filter(is_of_interest).map(sighting).collect())
    }

    /// Takes what is stored of them, and drops those of which nothing is.
    pub fn with_rows(self, rows: &[Event]) -> Self {
        if self.0.is_empty() {
            return self;
        }
        let rows: HashMap<&str, &Event> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
        let stored = self.0.into_iter().filter_map(|sighting| {
            let row = rows.get(sighting.id.as_str())?.body.clone();
            Some(Sighting { row, ..sighting })
        });
        Self(stored.collect())
    }

    /// Leaves them to the task that tells; call it when the rows are stored. What an account has beyond its share of
    /// that task's queue is not told, and counted.
    pub fn hand_over(self, app: &App) {
        for sighting in self.0 {
            if !app.webhooks.sightings.put(sighting.account_id, sighting) {
                metrics::counter!("quivive_webhook_sightings_dropped_total").increment(1);
            }
        }
    }
}

/// Tells webhooks of detections until the recorder has ended.
pub(super) async fn run(app: App) {
    let queue = &app.webhooks.sightings;
    let mut logged_at = Instant::now();
    loop {
        let sightings = queue.take(MOST_AT_ONCE).await;
        if logged_at.elapsed() >= LOGGING_PAUSE {
            logged_at = Instant::now();
            for (account, count) in queue.lost() {
                tracing::warn!(
                    account,
                    count,
                    "webhooks were not told of detections beyond an account's share"
                );
            }
        }
        if sightings.is_empty() {
            return;
        }
        tell(&app, sightings).await;
    }
}

/// Puts up notices of detections, project by project: what goes wrong with one is no other's loss.
async fn tell(app: &App, sightings: Vec<Sighting>) {
    let mut projects: BTreeMap<i64, Vec<Sighting>> = BTreeMap::new();
    for sighting in sightings {
        projects.entry(sighting.project_id).or_default().push(sighting);
    }
    for (project, sightings) in projects {
        if let Err(error) = tell_project(app, project, &sightings).await {
            metrics::counter!("quivive_webhook_tellings_failed_total").increment(1);
            tracing::error!(project, "webhooks were not told of some detections");
            error.log();
        }
    }
}

async fn tell_project(app: &App, project_id: i64, sightings: &[Sighting]) -> Result<()> {
    let watch = watch(app, project_id).await?;
    let mut notices = Vec::new();
    let mut bots: BTreeMap<i64, i64> = BTreeMap::new();
    for sighting in sightings {
        meet_agent(app, sighting, watch.as_deref()).await?;
        let Some(watch) = &watch else { continue };
        let Ok(row) = serde_json::from_str(&sighting.row) else { continue };
        notices.extend(watch.hooks.iter().flat_map(|hook| about(hook, watch, sighting, &row)));
        if sighting.classification.is_bot {
            *bots.entry(sighting.at.seconds().div_euclid(60)).or_default() += 1;
        }
    }
    put_up(app, notices).await?;
    let Some(watch) = watch else { return Ok(()) };
    for (minute, count) in bots {
        put_up(app, thresholds(app, &watch, minute, count).await?).await?;
    }
    Ok(())
}

/// Puts notices up in several writes, so that others' writes come in between.
async fn put_up(app: &App, mut notices: Vec<Notice>) -> storage::Result<()> {
    while !notices.is_empty() {
        let rest = notices.split_off(notices.len().min(MOST_PER_WRITE));
        enqueue(app, notices, Vec::new()).await?;
        notices = rest;
    }
    Ok(())
}

/// A test of a webhook.
pub(super) fn test(app: &App, hook: &Hook) -> Notice {
    notice(hook, TEST, json!({ "webhookId": hook.id }), app.now())
}

/// Tells every project of an account, once a day, that requests of the day are used up: `of` names whose.
pub async fn day_limit_reached(app: &App, account_id: i64, of: &str, limit: i64, reset: Timestamp) {
    if app.webhooks.limited.get(of) == Some(reset) {
        return;
    }
    app.webhooks.limited.insert(of.to_owned(), reset);
    if let Err(error) = tell_day_limit(app, account_id, of, limit, reset).await {
        error.log();
        app.webhooks.limited.invalidate(of);
    }
}

async fn tell_day_limit(app: &App, account_id: i64, of: &str, limit: i64, reset: Timestamp) -> Result<()> {
    let (counters, key, day) =
        (app.storage.counters(), format!("webhooks/day_limit/{of}"), reset.plus_milliseconds(-86_400_000));
    if counters.add(&key, day, 1, reset).await? > 1 {
        return Ok(());
    }
    let told = async {
        let mut notices = Vec::new();
        for project in directory::projects_of(app, account_id).await? {
            let data = json!({ "projectId": project.public_id, "limit": limit, "reset": reset.seconds() });
            let hooks = list(app, &project.id.to_string()).await?;
            let wanting = hooks.iter().filter(|hook| hook.wants(RATELIMIT_EXCEEDED));
            notices.extend(wanting.map(|hook| notice(hook, RATELIMIT_EXCEEDED, data.clone(), app.now())));
        }
        enqueue(app, notices, Vec::new()).await?;
        Ok(())
    };
    if let Err(error) = told.await {
        counters.add(&key, day, -1, reset).await?;
        return Err(error);
    }
    Ok(())
}

/// The project with its webhooks that are on; nothing if it has none.
async fn watch(app: &App, project_id: i64) -> Result<Option<Arc<Watch>>> {
    if let Some(found) = app.webhooks.watches.get(&project_id) {
        return Ok(found);
    }
    let mut hooks = list(app, &project_id.to_string()).await?;
    hooks.retain(|hook| hook.is_enabled);
    let found = if hooks.is_empty() {
        None
    } else {
        match directory::project(app, project_id).await {
            Ok(project) => Some(Arc::new(Watch { project, hooks })),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        }
    };
    app.webhooks.watches.insert(project_id, found.clone());
    Ok(found)
}

/// Notes the first sighting of an agent for good, together with the notices of it.
async fn meet_agent(app: &App, sighting: &Sighting, watch: Option<&Watch>) -> storage::Result<()> {
    let Some(agent) = &sighting.classification.agent else { return Ok(()) };
    let key = (sighting.project_id, agent.id.clone());
    if app.webhooks.known_agents.contains_key(&key) {
        return Ok(());
    }
    let hooks = watch.iter().flat_map(|watch| watch.hooks.iter().map(move |hook| (watch, hook)));
    let notices = hooks.filter(|(_, hook)| hook.wants(AGENT_FIRST_SEEN)).map(|(watch, hook)| {
        let data = json!({
            "projectId": watch.project.public_id,
            "agentId": agent.id,
            "name": agent.name,
            "vendor": agent.vendor,
            "botType": sighting.classification.bot_type,
            "verification": sighting.classification.verification.status,
        });
        notice(hook, AGENT_FIRST_SEEN, data, sighting.at)
    });
    let known = KnownAgent { project_id: key.0, agent_id: key.1.clone(), first_seen_at: sighting.at };
    match enqueue(app, notices.collect(), vec![Put::absent(&known)?]).await {
        Ok(_) | Err(storage::Error::Conflict) => {}
        Err(error) => return Err(error),
    }
    app.webhooks.known_agents.insert(key, ());
    Ok(())
}

/// The notices of one detection for one webhook.
fn about(hook: &Hook, watch: &Watch, sighting: &Sighting, row: &Map<String, Value>) -> Vec<Notice> {
    let Sighting { id, at, classification, .. } = sighting;
    let project_id = &watch.project.public_id;
    let of_row = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
    let mut notices = Vec::new();
    let is_wanted =
        hook.filter.wants(classification.is_bot, classification.bot_type, classification.confidence);
    if hook.wants(DETECTION_CREATED) && is_wanted {
        let data = match hook.payload {
            Payload::Minimal => json!({
                "id": id,
                "projectId": project_id,
                "isBot": classification.is_bot,
                "confidence": classification.confidence,
            }),
            Payload::Full => whole(project_id, sighting, row),
        };
        notices.push(notice(hook, DETECTION_CREATED, data, *at));
    }
    let action = of_row("policyAction");
    let is_refusal = matches!(action.as_str(), Some("block" | "redirect" | "challenge"));
    if hook.wants(DETECTION_BLOCKED) && is_refusal && watch.project.detection.is_blocking {
        let data = json!({
            "id": id,
            "projectId": project_id,
            "action": action,
            "ruleId": of_row("ruleId"),
            "botType": classification.bot_type,
            "confidence": classification.confidence,
        });
        notices.push(notice(hook, DETECTION_BLOCKED, data, *at));
    }
    let verification = &classification.verification;
    if hook.wants(AGENT_SPOOFED) && verification.status == VerificationStatus::Spoofed {
        let claimed = classification.agent.as_ref().map(|agent| &agent.id);
        let data = json!({
            "id": id,
            "projectId": project_id,
            "claimed": claimed.or(verification.signature_agent.as_ref()),
            "ip": of_row("ip"),
            "reason": refutation(verification.method),
        });
        notices.push(notice(hook, AGENT_SPOOFED, data, *at));
    }
    notices
}

/// A detection with everything that is known of it; texts that were not supplied are empty.
fn whole(project_id: &str, sighting: &Sighting, row: &Map<String, Value>) -> Value {
    let Sighting { id, at, classification, .. } = sighting;
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
    let has_fraction = at.milliseconds().rem_euclid(1000) != 0;
    json!({
        "id": id,
        "projectId": project_id,
        "timestamp": if has_fraction { at.to_string() } else { at.to_seconds_text() },
        "isBot": classification.is_bot,
        "confidence": classification.confidence,
        "botType": classification.bot_type,
        "userAgent": text("userAgent"),
        "ip": text("ip"),
        "url": text("url"),
        "extended": {
            "class": include::class(classification),
            "agent": include::agent(classification),
            "verification": include::verification(classification),
            "signals": include::signals(classification),
            "policy": { "action": row.get("policyAction"), "ruleId": row.get("ruleId") },
        },
    })
}

/// What showed that an identity is not the visitor's own.
fn refutation(method: VerificationMethod) -> &'static str {
    match method {
        VerificationMethod::HttpSignature => "signature_invalid",
        VerificationMethod::IpRange => "address_not_in_published_ranges",
        VerificationMethod::Fcrdns => "address_has_another_name",
        VerificationMethod::Token => "token_invalid",
        VerificationMethod::None => "never_sent_by_its_operator",
    }
}

/// Counts bots of a minute, and tells webhooks whose figure is exceeded, each at most once in ten minutes.
async fn thresholds(app: &App, watch: &Watch, minute: i64, count: i64) -> storage::Result<Vec<Notice>> {
    let hooks: Vec<&Hook> = watch.hooks.iter().filter(|hook| hook.wants(THRESHOLD_EXCEEDED)).collect();
    if hooks.is_empty() {
        return Ok(Vec::new());
    }
    let start = Timestamp::from_seconds(minute * 60);
    let key = format!("webhooks/bots/{}", watch.project.id);
    let expires_at = start.plus_milliseconds(600_000);
    let value = app.storage.windows().add(&key, start, count, expires_at).await?;
    let mut notices = Vec::new();
    for hook in hooks {
        let threshold = i64::from(hook.bots_per_minute.unwrap_or(app.config.webhooks.bots_per_minute));
        let key = format!("webhooks/threshold/{}", hook.id);
        let counters = app.storage.counters();
        if value > threshold && counters.admit(&key, 600_000, 1, app.now()).await?.admitted {
            let data = json!({
                "projectId": watch.project.public_id,
                "metric": "bots_per_minute",
                "value": value,
                "threshold": threshold,
                "windowSeconds": 60,
            });
            notices.push(notice(hook, THRESHOLD_EXCEEDED, data, app.now()));
        }
    }
    Ok(notices)
}

fn notice(hook: &Hook, event: &'static str, data: Value, at: Timestamp) -> Notice {
    let body = json!({ "event": event, "data": data, "timestamp": at.seconds() });
    Notice { hook_id: hook.id.clone(), event, body: body.to_string() }
}

/// Detections that are told of together; each may mean several notices to each of a project's webhooks.
const MOST_AT_ONCE: usize = 64;
const MOST_PER_WRITE: usize = 500;
/// How often losses are logged.
const LOGGING_PAUSE: Duration = Duration::from_secs(10);
