//! The keys that agents publish: fetched beside the requests, kept over restarts, refreshed before they are old.
//!
//! A directory is fetched when a signature first names its origin, and only for origins of catalogued agents and
//! those of the settings, unless discovery is open. From then on it is refreshed when three quarters of its time have
//! passed: what it says itself, within one hour and one day. Where that fails, the last good copy serves until it is
//! a day old; then its signatures cannot be checked, which weakens a claim and refutes none.
//!
//! Strangers, whom only open discovery lets in, are fetched apart, so that nobody else waits for them, and forgotten
//! when no signature needed their keys for a day or many others were needed since.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::{StreamExt, stream};
use moka::sync::Cache;
use quivive_core::Timestamp;
use quivive_core::agent::Agent;
use quivive_core::signature::{
    FoundKey, KeyDirectory, KeyLocation, LocationKind, VerificationKey, WantedKey,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::app::App;
use crate::config::VerificationConfig;
use crate::jobs::Stop;
use crate::outbound::GetDocument;
use crate::storage::{self, Put, Record};

/// A directory as it was fetched last.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoredDirectory {
    /// Where it is.
    pub location: KeyLocation,
    /// The document.
    pub document: String,
    /// When it was fetched.
    pub fetched_at: Timestamp,
    /// How long it says that it holds, within one hour and one day.
    pub lifetime_ms: i64,
    /// Thumbprints of the keys that are believed.
    pub trusted: BTreeSet<String>,
}

impl Record for StoredDirectory {
    const KIND: &'static str = "key_directory";
    fn id(&self) -> String {
        self.location.url.clone()
    }
}

/// The directories in use, and those that wait to be fetched.
pub struct Directories {
    in_use: ArcSwap<HashMap<String, Arc<Directory>>>,
    /// Held by whoever replaces `in_use`.
    changing: Mutex<()>,
    listed: HashSet<String>,
    is_open: bool,
    /// A forgotten directory would come back with all its keys believed.
    forgets: bool,
    waiting: Mutex<Waiting>,
    wake_listed: Notify,
    wake_strangers: Notify,
    /// Strangers' directories that one visitor's requests asked for in the last minute.
    asked_by: Cache<IpAddr, Arc<Mutex<u32>>>,
}

#[derive(Default)]
struct Waiting {
    locations: HashMap<String, KeyLocation>,
    /// When a directory that could not be fetched, or lacks a key, may be tried again.
    not_before: HashMap<String, (Timestamp, u32)>,
}

struct Directory {
    stored: StoredDirectory,
    keys: KeyDirectory,
    /// When a signature last needed one of its keys, in milliseconds.
    used_at: AtomicI64,
}

/// What is fetched together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Group {
    /// Of catalogued agents and the settings.
    Listed,
    /// All others.
    Strangers,
}

impl Directories {
    /// For catalogued agents and the origins of the settings.
    pub fn new(config: &VerificationConfig, agents: &[Agent]) -> Self {
        let catalogued = agents.iter().flat_map(|agent| &agent.verify.signature_agent);
        let locations = catalogued
            .chain(&config.signature_agents)
            .filter_map(|origin| KeyLocation::read(origin, LocationKind::Directory));
        Self {
            in_use: ArcSwap::default(),
            changing: Mutex::default(),
            listed: locations.map(|location| location.url).collect(),
            is_open: config.open_discovery,
            forgets: !config.strict_pins,
            waiting: Mutex::default(),
            wake_listed: Notify::new(),
            wake_strangers: Notify::new(),
            asked_by: Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(60)).build(),
        }
    }

    /// The key that a signature needs, from memory. When it is not there, its directory is fetched beside.
    pub fn find(&self, wanted: &WantedKey, visitor: Option<IpAddr>, now: Timestamp) -> Option<FoundKey> {
        let location = wanted.location.as_ref()?;
        let directories = self.in_use.load();
        let directory = directories.get(&location.url).filter(|directory| !directory.is_too_old(now));
        let key = directory.and_then(|directory| directory.key(location.kind, &wanted.keyid, now));
        match directory.filter(|_| key.is_some()) {
            Some(directory) => directory.used_at.store(now.milliseconds(), Ordering::Relaxed),
            None => self.ask(location, visitor, now),
        }
        key.map(|key| FoundKey { key: key.clone(), source: None, is_registered: false })
    }

    fn is_allowed(&self, location: &KeyLocation) -> bool {
        self.is_open || self.group(&location.url) == Group::Listed
    }

    fn group(&self, url: &str) -> Group {
        if self.listed.contains(url) { Group::Listed } else { Group::Strangers }
    }

    fn wake(&self, group: Group) -> &Notify {
        match group {
            Group::Listed => &self.wake_listed,
            Group::Strangers => &self.wake_strangers,
        }
    }

    fn ask(&self, location: &KeyLocation, visitor: Option<IpAddr>, now: Timestamp) {
        if !self.is_allowed(location) {
            return;
        }
        let mut waiting = self.waiting();
        let is_too_early = waiting.not_before.get(&location.url).is_some_and(|(at, _)| now < *at);
        if is_too_early || waiting.locations.contains_key(&location.url) {
            return;
        }
        let group = self.group(&location.url);
        let is_full = || waiting.locations.len() >= MOST_WAITING || self.is_full(&location.url);
        if group == Group::Strangers && (is_full() || !self.has_room(visitor)) {
            return;
        }
        waiting.locations.insert(location.url.clone(), location.clone());
        drop(waiting);
        self.wake(group).notify_one();
    }

    /// Whether there is no room for one more stranger's directory.
    fn is_full(&self, url: &str) -> bool {
        let in_use = self.in_use.load();
        let strangers = || in_use.keys().filter(|url| self.group(url) == Group::Strangers).count();
        !self.forgets && !in_use.contains_key(url) && strangers() >= MOST_STRANGERS
    }

    /// A few strangers for each visitor and minute.
    fn has_room(&self, visitor: Option<IpAddr>) -> bool {
        let visitor = visitor.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let asked = self.asked_by.get_with(visitor, Arc::default);
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked += 1;
        *asked <= MOST_STRANGERS_PER_MINUTE
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directories of a group to be fetched now: those that were asked for, and those whose time is nearly over.
    fn due(&self, group: Group, now: Timestamp) -> Vec<KeyLocation> {
        let mut waiting = self.waiting();
        let mut due: HashMap<_, _> =
            waiting.locations.extract_if(|url, _| self.group(url) == group).collect();
        // Another process may have fetched it meanwhile.
        due.retain(|url, _| self.in_use.load().get(url).is_none_or(|known| known.age(now) >= MINUTE));
        for (url, directory) in self.in_use.load().iter().filter(|(url, _)| self.group(url) == group) {
            let may_try = waiting.not_before.get(url).is_none_or(|(at, _)| *at <= now);
            if directory.is_due(now) && may_try && self.is_allowed(&directory.stored.location) {
                due.insert(url.clone(), directory.stored.location.clone());
            }
        }
        waiting.not_before.retain(|_, (at, _)| now.milliseconds_since(*at) < DAY);
        if waiting.not_before.len() > MOST_REMEMBERED {
            waiting.not_before.retain(|_, (at, _)| *at > now);
        }
        due.into_values().collect()
    }

    /// Takes out strangers' directories whose keys no signature needed for a day, and of too many those that were
    /// needed longest ago; returns where they are.
    fn take_outdated(&self, now: Timestamp) -> Vec<String> {
        if !self.forgets {
            return Vec::new();
        }
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut in_use = HashMap::clone(&self.in_use.load());
        let mut strangers: Vec<(i64, String)> = in_use
            .iter()
            .filter(|(url, _)| self.group(url) == Group::Strangers)
            .map(|(url, directory)| (directory.used_at.load(Ordering::Relaxed), url.clone()))
            .collect();
        strangers.sort_unstable_by(|left, right| right.cmp(left));
        let is_outdated =
            |place: usize, used_at: i64| place >= MOST_STRANGERS || now.milliseconds() - used_at >= DAY;
        let outdated =
            strangers.into_iter().enumerate().filter(|(place, (used_at, _))| is_outdated(*place, *used_at));
        let outdated: Vec<String> = outdated.map(|(_, (_, url))| url).collect();
        if !outdated.is_empty() {
            outdated.iter().for_each(|url| drop(in_use.remove(url)));
            self.in_use.store(Arc::new(in_use));
        }
        outdated
    }

    fn put_to_use(&self, directories: Vec<StoredDirectory>) {
        // Both groups may do so at once.
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut in_use = HashMap::clone(&self.in_use.load());
        for stored in directories {
            let known = in_use.get(&stored.location.url);
            if known.is_some_and(|known| known.stored.fetched_at >= stored.fetched_at) {
                continue;
            }
            let used_at =
                known.map_or(stored.fetched_at.milliseconds(), |known| known.used_at.load(Ordering::Relaxed));
            match KeyDirectory::parse(stored.document.as_bytes()) {
                Ok(keys) => {
                    let url = stored.location.url.clone();
                    in_use
                        .insert(url, Arc::new(Directory { stored, keys, used_at: AtomicI64::new(used_at) }));
                }
                Err(error) => {
                    tracing::warn!(url = stored.location.url, %error, "a stored key directory is unusable")
                }
            }
        }
        self.in_use.store(Arc::new(in_use));
    }
}

impl Directory {
    /// A key that ended by itself in a copy that should have been refreshed says nothing: its end may have moved.
    fn key(&self, kind: LocationKind, keyid: &str, now: Timestamp) -> Option<&Arc<VerificationKey>> {
        let key = self.keys.find(kind, keyid)?;
        let has_ended = key.jwk().exp.is_some_and(|end| end <= now.seconds());
        let is_trusted = self.stored.trusted.contains(key.thumbprint());
        (is_trusted && !(has_ended && self.is_due(now))).then_some(key)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.age(now) >= self.stored.lifetime_ms / 4 * 3
    }

    fn is_too_old(&self, now: Timestamp) -> bool {
        self.age(now) >= DAY
    }

    fn age(&self, now: Timestamp) -> i64 {
        now.milliseconds_since(self.stored.fetched_at)
    }
}

/// Keeps directories at hand until the server ends.
pub async fn run(app: App, stop: Stop) {
    let keep_up = |group, mut stop: Stop| {
        let app = app.clone();
        async move {
            let mut is_new = true;
            loop {
                let refreshed = tokio::select! {
                    () = stop.requested() => return,
                    refreshed = refresh_group(&app, group, is_new) => refreshed,
                };
                if let Err(error) = refreshed {
                    tracing::warn!(%error, "key directories could not be kept");
                }
                is_new = tokio::select! {
                    () = stop.requested() => return,
                    () = app.detection.directories.wake(group).notified() => false,
                    () = tokio::time::sleep(PAUSE) => true,
                };
            }
        }
    };
    tokio::join!(keep_up(Group::Listed, stop.clone()), keep_up(Group::Strangers, stop));
}

/// Takes over what is stored, and fetches what is asked for or nearly old.
///
/// # Errors
/// When storage does not answer.
pub async fn refresh(app: &App) -> storage::Result<()> {
    take_over(app).await?;
    tokio::try_join!(refresh_group(app, Group::Listed, false), refresh_group(app, Group::Strangers, false))?;
    Ok(())
}

/// Fetches what is due of a group, after it has taken over what is stored if it is to look for that.
async fn refresh_group(app: &App, group: Group, takes_over: bool) -> storage::Result<()> {
    if takes_over {
        take_over(app).await?;
    }
    let directories = &app.detection.directories;
    if group == Group::Strangers {
        let outdated = directories.take_outdated(app.now());
        if !outdated.is_empty() {
            app.storage.write(outdated.into_iter().map(Put::delete::<StoredDirectory>).collect()).await?;
        }
    }
    let due = directories.due(group, app.now());
    let fetched = stream::iter(due.into_iter().map(|location| async move {
        let result = fetch(app, &location).await;
        (location, result)
    }));
    let mut fetched = fetched.buffer_unordered(FETCHED_AT_ONCE);
    while let Some((location, result)) = fetched.next().await {
        keep(app, &location, result).await?;
    }
    Ok(())
}

/// Puts to use what other processes, or this one before a restart, have fetched.
async fn take_over(app: &App) -> storage::Result<()> {
    let mut after = None;
    loop {
        let stored = app.storage.list::<StoredDirectory>("", after.as_deref(), READ_AT_ONCE).await?;
        let Some(last) = stored.last() else { return Ok(()) };
        after = Some(last.location.url.clone());
        app.detection.directories.put_to_use(stored.into_iter().map(|found| found.value).collect());
    }
}

async fn keep(
    app: &App,
    location: &KeyLocation,
    result: Result<StoredDirectory, String>,
) -> storage::Result<()> {
    let directories = &app.detection.directories;
    let outcome = if result.is_ok() { "fetched" } else { "failed" };
    metrics::counter!("quivive_key_directories_total", "outcome" => outcome).increment(1);
    let now = app.now();
    match result {
        Ok(stored) => {
            app.storage.put(&stored).await?;
            directories.waiting().not_before.insert(location.url.clone(), (now.plus_milliseconds(MINUTE), 0));
            directories.put_to_use(vec![stored]);
        }
        Err(reason) => {
            let mut waiting = directories.waiting();
            let (_, failures) = waiting.not_before.get(&location.url).copied().unwrap_or_default();
            let pause = (MINUTE << failures.min(6)).min(HOUR);
            waiting
                .not_before
                .insert(location.url.clone(), (now.plus_milliseconds(pause), failures.saturating_add(1)));
            drop(waiting);
            tracing::warn!(url = location.url, reason, "a key directory could not be fetched");
        }
    }
    Ok(())
}

async fn fetch(app: &App, location: &KeyLocation) -> Result<StoredDirectory, String> {
    let (document, lifetime_ms) = get(app, location).await?;
    let mut keys = KeyDirectory::parse(document.as_bytes()).map_err(|error| error.to_string())?;
    let mut document = document;
    if let (true, LocationKind::Cimd, Some(next)) = (keys.keys().is_empty(), location.kind, keys.jwks_uri()) {
        document = get(app, &next).await?.0;
        keys = KeyDirectory::parse(document.as_bytes()).map_err(|error| error.to_string())?;
    }
    let known = app.detection.directories.in_use.load().get(&location.url).cloned();
    let trusted = trusted(&app.config.verification, location, known.as_deref(), &keys);
    Ok(StoredDirectory { location: location.clone(), document, fetched_at: app.now(), lifetime_ms, trusted })
}

async fn get(app: &App, location: &KeyLocation) -> Result<(String, i64), String> {
    let request = GetDocument {
        url: &location.url,
        accept: MEDIA_TYPES,
        limit: KeyDirectory::LARGEST,
        timeout: PATIENCE,
    };
    let fetched = app.outbound.document(request).await.map_err(|error| error.to_string())?;
    // Many serve their directory as plain JSON.
    if !(fetched.media_type.ends_with("/json") || fetched.media_type.ends_with("+json")) {
        return Err(format!("its media type is {:?}", fetched.media_type));
    }
    let document = String::from_utf8(fetched.bytes.to_vec()).map_err(|_| "it is no text".to_owned())?;
    Ok((document, lifetime(fetched.cache_control.as_deref())))
}

/// Which keys are believed: all of a directory that is new; of one that is known also new keys, unless those wait.
fn trusted(
    config: &VerificationConfig,
    location: &KeyLocation,
    known: Option<&Directory>,
    keys: &KeyDirectory,
) -> BTreeSet<String> {
    let (url, mut trusted) = (&location.url, BTreeSet::new());
    for thumbprint in keys.keys().iter().map(|key| key.thumbprint()) {
        let is_new = known.is_some_and(|known| !known.stored.trusted.contains(thumbprint));
        if is_new && config.strict_pins && !config.approved_keys.iter().any(|approved| approved == thumbprint)
        {
            tracing::warn!(url, thumbprint, "a new key waits for its place in `verification.approved_keys`");
            continue;
        }
        if is_new {
            tracing::info!(url, thumbprint, "a known signer has a new key");
        }
        trusted.insert(thumbprint.to_owned());
    }
    trusted
}

/// What `Cache-Control` says, within an hour and a day.
fn lifetime(cache_control: Option<&str>) -> i64 {
    let seconds = cache_control.and_then(|value| {
        let mut parts = value.split(',').map(str::trim);
        parts.find_map(|part| {
            part.to_ascii_lowercase().strip_prefix("max-age=")?.trim_matches('"').parse::<u32>().ok()
        })
    });
    seconds.map_or(DAY, |seconds| i64::from(seconds) * 1_000).clamp(HOUR, DAY)
}

const MEDIA_TYPES: &str = "application/http-message-signatures-directory+json, application/json;q=0.9";
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_secs(60);
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const FETCHED_AT_ONCE: usize = 4;
const READ_AT_ONCE: usize = 100;
const MOST_STRANGERS: usize = 500;
const MOST_REMEMBERED: usize = 10_000;
const MOST_WAITING: usize = 256;
const MOST_STRANGERS_PER_MINUTE: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_hold_for_an_hour_to_a_day() {
        for (header, expected) in [
            (None, DAY),
            (Some("max-age=0"), HOUR),
            (Some("public, Max-Age=7200"), 2 * HOUR),
            (Some("max-age=\"7200\""), 2 * HOUR),
            (Some("max-age=99999999"), DAY),
            (Some("max-age=-1, no-store"), DAY),
        ] {
            assert_eq!(lifetime(header), expected, "{header:?}");
        }
    }
}
