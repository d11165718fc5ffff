//! The keys that agents publish, fetched off the request path for a detection guard.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quivive_core::agent::default_classifier;
use quivive_core::guard::DetectionGuard;
use quivive_core::signature::{KeyDirectory, KeyLocation, LocationKind};
use quivive_core::{Error as CoreError, Timestamp};
use reqwest::header::{ACCEPT, CACHE_CONTROL};
use tokio::sync::watch;

use crate::keys::life;
use crate::service::read;
use crate::{Client, Error, Result};

/// Fetches key directories of agents that are trusted, and renews them; clones share what is known.
///
/// Only origins of catalogued agents and those named by [`trust`](Self::trust) are ever asked: by `https`, without
/// redirections, for 3 s and 64 KiB at most. A directory is renewed as its `Cache-Control` says, within an hour and a
/// day. Keys that could not be renewed count for a day; after that a signature can only be called unproven. A key that
/// is not in a known directory makes it be asked again, at most once a minute.
#[derive(Clone)]
pub struct KeyDirectories {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    trusted: BTreeSet<String>,
    known: Mutex<HashMap<KeyLocation, State>>,
    /// Changes whenever a fetch has ended.
    ended: watch::Sender<()>,
}

#[derive(Clone, Copy)]
struct State {
    asked_at: Instant,
    /// When it is to be renewed; nothing while that is under way, or before the first success.
    due_at: Option<Instant>,
    is_asking: bool,
}

impl std::fmt::Debug for KeyDirectories {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("KeyDirectories").field("trusted", &self.inner.trusted).finish_non_exhaustive()
    }
}

impl KeyDirectories {
    /// Trusts the catalogued agents that sign.
    pub fn new(client: &Client) -> Self {
        Self::with_http(client.inner().direct.clone())
    }

    /// As [`new`](Self::new), with an HTTP client of your own, for example one with a proxy.
    pub fn with_http(http: reqwest::Client) -> Self {
        let agents = default_classifier().agents().iter();
        let trusted = agents.flat_map(|agent| agent.verify.signature_agent.iter().cloned()).collect();
        Self::with(http, trusted)
    }

    /// Trusts another agent by its origin, for example `https://agent.example`.
    ///
    /// # Errors
    /// `INVALID_INPUT` for anything but an `https` origin.
    pub fn trust(self, origin: &str) -> Result<Self> {
        let location = KeyLocation::read(origin, LocationKind::Directory)
            .ok_or_else(|| CoreError::invalid_input(format!("`{origin}` is no https origin")))?;
        let mut trusted = self.inner.trusted.clone();
        trusted.insert(location.origin().to_owned());
        let http = self.inner.http.clone();
        Ok(Self::with(http, trusted))
    }

    /// Fetches those of the directories that are trusted and were not asked within the last minute, hands their keys to
    /// the guard, and waits for it, also for those that somebody else is asking; gives what went wrong.
    pub async fn load(&self, guard: &DetectionGuard, wanted: &[KeyLocation], now: Timestamp) -> Vec<Error> {
        let fetches = wanted.iter().map(|location| async move {
            if self.begin(location) {
                self.fetch(guard, location, now).await
            } else {
                self.wait(location).await
            }
        });
        futures::future::join_all(fetches).await.into_iter().filter_map(Result::err).collect()
    }

    /// Whether keys may come of asking for one of these now, or are just coming.
    pub fn is_worth_waiting(&self, wanted: &[KeyLocation]) -> bool {
        let known = self.known();
        let may_come = |location: &KeyLocation| {
            self.is_trusted(location)
                && known.get(location).is_none_or(|state| state.is_asking || state.may_ask())
        };
        wanted.iter().any(may_come)
    }

    /// The known directories that are to be renewed.
    pub fn due(&self) -> Vec<KeyLocation> {
        let now = Instant::now();
        let known = self.known();
        let is_due = |state: &State| !state.is_asking && state.due_at.is_some_and(|due| due <= now);
        known.iter().filter(|(_, state)| is_due(state)).map(|(location, _)| location.clone()).collect()
    }

    fn with(http: reqwest::Client, trusted: BTreeSet<String>) -> Self {
        let known = Mutex::default();
        Self { inner: Arc::new(Inner { http, trusted, known, ended: watch::Sender::default() }) }
    }

    /// Whether it is the one directory of a trusted origin: other addresses of an origin may hold what strangers put
    /// there, and are without number.
    fn is_trusted(&self, location: &KeyLocation) -> bool {
        location.kind == LocationKind::Directory && self.inner.trusted.contains(location.origin())
    }

    /// Waits until nobody is asking a directory.
    async fn wait(&self, location: &KeyLocation) -> Result<()> {
        let mut ended = self.inner.ended.subscribe();
        while self.known().get(location).is_some_and(|state| state.is_asking) {
            // Fails only without a sender, which this object holds.
            let _ = ended.changed().await;
        }
        Ok(())
    }

    /// Notes that a directory is being asked; false when it may not be.
    fn begin(&self, location: &KeyLocation) -> bool {
        if !self.is_trusted(location) {
            return false;
        }
        let mut known = self.known();
        let earlier = known.get(location);
        if earlier.is_some_and(|state| !state.may_ask())
            || (earlier.is_none() && known.len() >= MOST_LOCATIONS)
        {
            return false;
        }
        let due_at = earlier.and_then(|state| state.due_at);
        known.insert(location.clone(), State { asked_at: Instant::now(), due_at, is_asking: true });
        true
    }

    async fn fetch(&self, guard: &DetectionGuard, location: &KeyLocation, now: Timestamp) -> Result<()> {
        // A request that is given up must not keep the directory from being asked again.
        let mut end = End { directories: self, location, fresh_for: None };
        let (directory, fresh_for) = self.get(location).await?;
        guard.set_directory(location, directory, now.plus_milliseconds(LONGEST_LIFE_MS));
        end.fresh_for = Some(fresh_for);
        Ok(())
    }

    async fn get(&self, location: &KeyLocation) -> Result<(KeyDirectory, Duration)> {
        let request = self.inner.http.get(&location.url).header(ACCEPT, MEDIA_TYPES).timeout(FETCH_TIMEOUT);
        let response = request.send().await?;
        let status = response.status().as_u16();
        if status != 200 || response.url().as_str() != location.url {
            return Err(Error::malformed(status));
        }
        let cache_control = response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let fresh_for = life(cache_control.unwrap_or_default()).clamp(SHORTEST_LIFE, LONGEST_LIFE);
        let directory = KeyDirectory::parse(&read(response, KeyDirectory::LARGEST).await?)?;
        if directory.keys().is_empty() {
            // Some services answer a fault of theirs with an empty set; it must not displace good keys.
            return Err(Error::malformed(status));
        }
        Ok((directory, fresh_for))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<KeyLocation, State>> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn may_ask(&self) -> bool {
        !self.is_asking && self.asked_at.elapsed() >= PAUSE
    }
}

/// Notes the end of a fetch, however it ends.
struct End<'a> {
    directories: &'a KeyDirectories,
    location: &'a KeyLocation,
    fresh_for: Option<Duration>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if let Some(state) = self.directories.known().get_mut(self.location) {
            state.is_asking = false;
            let pause = self.fresh_for.or_else(|| state.due_at.map(|_| PAUSE));
            state.due_at = pause.map(|pause| Instant::now() + pause);
        }
        self.directories.inner.ended.send_replace(());
    }
}

const MEDIA_TYPES: &str = "application/http-message-signatures-directory+json, application/json;q=0.9";
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// A directory is asked again after a failure, or for an unknown key, at most this often.
const PAUSE: Duration = Duration::from_secs(60);
const SHORTEST_LIFE: Duration = Duration::from_secs(3_600);
const LONGEST_LIFE: Duration = Duration::from_secs(86_400);
const LONGEST_LIFE_MS: i64 = 86_400_000;
const MOST_LOCATIONS: usize = 1_000;
