//! Verifying tokens offline, with the service's public keys fetched now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use quivive_core::token::{Claims, Jwks, Verifier, VerifyPolicy};
use quivive_core::{ErrorKind, Timestamp};
use reqwest::Method;
use reqwest::header::CACHE_CONTROL;
use tokio::sync::Mutex;
use url::Url;

use crate::service::{Service, read, request};
use crate::{Client, Error, Result};

/// How long keys are fresh when the service does not say.
const DEFAULT_LIFE: Duration = Duration::from_secs(3_600);
/// Keys are fresh at least so long, whatever the service says.
const SHORTEST_LIFE: Duration = Duration::from_secs(60);
/// Keys that could not be renewed serve no longer than this.
const LONGEST_LIFE: Duration = Duration::from_secs(86_400);
/// An unknown key id makes us ask again at most this often.
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(30);
/// A failed fetch is repeated at most this often.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// Time for one fetch.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest key set that is read, in bytes.
const LARGEST_KEY_SET: usize = 65_536;

/// Verifies tokens with a cached key set; clones share the cache.
///
/// Keys are renewed in the background once they are no longer fresh: after the `max-age` of the service, at most a
/// day, or an hour when it names none. While the service cannot be reached the last keys serve on for a day. A token
/// that names an unknown key makes the verifier ask once more, at most every 30 s.
#[derive(Clone)]
pub struct RemoteVerifier {
    inner: Arc<Inner>,
}

struct Inner {
    source: Option<Source>,
    policy: VerifyPolicy,
    loaded: ArcSwapOption<Loaded>,
    /// The end of the last fetch; held during a fetch, so that there is one at a time.
    last_fetch: Mutex<Option<Instant>>,
    is_refreshing: AtomicBool,
}

struct Source {
    http: reqwest::Client,
    url: Url,
}

struct Loaded {
    verifier: Verifier,
    at: Instant,
    fresh_for: Duration,
}

impl RemoteVerifier {
    /// With the keys of the client's service.
    ///
    /// # Errors
    /// `INVALID_INPUT` when the client has no service URL.
    pub fn new(client: &Client, policy: VerifyPolicy) -> Result<Self> {
        let url = client.service()?.endpoint(&[".well-known", "jwks.json"]);
        Ok(Self::from_source(client, url, policy))
    }

    /// With the keys at an address.
    ///
    /// # Errors
    /// `INVALID_INPUT` for an address that cannot be used, as for the service URL.
    pub fn at(client: &Client, url: &str, policy: VerifyPolicy) -> Result<Self> {
        let url = Service::new(url)?.base().clone();
        Ok(Self::from_source(client, url, policy))
    }

    /// With keys that never change.
    ///
    /// # Errors
    /// As [`Verifier::new`].
    pub fn fixed(keys: &Jwks, policy: VerifyPolicy) -> Result<Self> {
        let loaded = Loaded {
            verifier: Verifier::new(keys, policy.clone())?,
            at: Instant::now(),
            fresh_for: Duration::MAX,
        };
        Ok(Self::with(None, policy, Some(loaded)))
    }

    /// Fetches the keys now, for example at start, so that the first request does not wait for them.
    ///
    /// # Errors
    /// `CONNECTION_FAILED`, or as the service answers.
    pub async fn load(&self) -> Result<()> {
        self.inner.fetch(Instant::now(), Duration::ZERO).await
    }

    /// Verifies without waiting; `None` when keys have to be fetched first.
    pub fn verify_now(&self, token: &str, now: Timestamp) -> Option<Result<Claims>> {
        let loaded = self.inner.loaded.load();
        let loaded = loaded.as_ref().filter(|loaded| !loaded.has_ended())?;
        if loaded.at.elapsed() >= loaded.fresh_for {
            self.refresh_in_background();
        }
        match loaded.verifier.verify(token, now) {
            Err(error) if error.kind() == ErrorKind::UnknownKey && self.inner.may_ask_again() => None,
            result => Some(result.map_err(Error::from)),
        }
    }

    /// Verifies a token; waits for keys only when there are none, when they have ended, or when the token names an
    /// unknown one.
    ///
    /// # Errors
    /// [`Error::Core`] as [`Verifier::verify`]; any other error says why no keys could be had.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims> {
        if let Some(result) = self.verify_now(token, now) {
            return result;
        }
        let inner = &self.inner;
        let pause = if inner.has_keys() { UNKNOWN_KEY_PAUSE } else { FAILURE_PAUSE };
        let fetched = inner.fetch(Instant::now(), pause).await;
        match inner.loaded.load().as_ref().filter(|loaded| !loaded.has_ended()) {
            Some(loaded) => Ok(loaded.verifier.verify(token, now)?),
            None => {
                Err(fetched.err().unwrap_or_else(|| Error::connection("keys of the service cannot be had")))
            }
        }
    }

    fn from_source(client: &Client, url: Url, policy: VerifyPolicy) -> Self {
        let http = client.inner().direct.clone();
        Self::with(Some(Source { http, url }), policy, None)
    }

    fn with(source: Option<Source>, policy: VerifyPolicy, loaded: Option<Loaded>) -> Self {
        let inner = Inner {
            source,
            policy,
            loaded: ArcSwapOption::from_pointee(loaded),
            last_fetch: Mutex::default(),
            is_refreshing: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    fn refresh_in_background(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.inner.is_refreshing.swap(true, Ordering::AcqRel) {
            return;
        }
        let inner = Arc::clone(&self.inner);
        runtime.spawn(async move {
            // A failure is met again at the next request; until then the last keys serve.
            let _ = inner.fetch(Instant::now(), UNKNOWN_KEY_PAUSE).await;
            inner.is_refreshing.store(false, Ordering::Release);
        });
    }
}

impl std::fmt::Debug for RemoteVerifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RemoteVerifier").field("policy", &self.inner.policy).finish_non_exhaustive()
    }
}

impl Loaded {
    fn has_ended(&self) -> bool {
        self.fresh_for != Duration::MAX && self.at.elapsed() >= LONGEST_LIFE
    }
}

impl Inner {
    fn has_keys(&self) -> bool {
        self.loaded.load().as_ref().is_some_and(|loaded| !loaded.has_ended())
    }

    /// Whether an unknown key id justifies a fetch; when one is under way, waiting for it does.
    fn may_ask_again(&self) -> bool {
        self.source.is_some()
            && self
                .last_fetch
                .try_lock()
                .map_or(true, |last| last.is_none_or(|at| at.elapsed() >= UNKNOWN_KEY_PAUSE))
    }

    /// Fetches the keys unless that was done since `asked` or within the `pause`.
    async fn fetch(&self, asked: Instant, pause: Duration) -> Result<()> {
        let Some(source) = &self.source else { return Ok(()) };
        let mut last_fetch = self.last_fetch.lock().await;
        if last_fetch.is_some_and(|at| at >= asked || at.elapsed() < pause) {
            return Ok(());
        }
        let result = source.fetch(&self.policy).await;
        *last_fetch = Some(Instant::now());
        self.loaded.store(Some(Arc::new(result?)));
        Ok(())
    }
}

impl Source {
    async fn fetch(&self, policy: &VerifyPolicy) -> Result<Loaded> {
        let response =
            request(&self.http, Method::GET, self.url.clone()).timeout(FETCH_TIMEOUT).send().await?;
        let status = response.status().as_u16();
        let cache_control = response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let fresh_for = life(cache_control.unwrap_or_default());
        let body = read(response, LARGEST_KEY_SET).await?;
        let body = serde_json::from_slice(&body).unwrap_or(serde_json::Value::Null);
        if status != 200 {
            return Err(Error::refusal(status, body));
        }
        let keys: Jwks = serde_json::from_value(body).map_err(|_| Error::malformed(status))?;
        if keys.keys.is_empty() {
            // Some services answer a fault of theirs with an empty set; it must not displace good keys.
            return Err(Error::malformed(status));
        }
        let verifier = Verifier::new(&keys, policy.clone()).map_err(|_| Error::malformed(status))?;
        Ok(Loaded { verifier, at: Instant::now(), fresh_for })
    }
}

/// How long keys with this `Cache-Control` are fresh (RFC 9111 section 5.2.2).
pub(crate) fn life(cache_control: &str) -> Duration {
    let mut life = DEFAULT_LIFE;
    for directive in cache_control.split(',').map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return SHORTEST_LIFE;
        }
        if name.eq_ignore_ascii_case("max-age") {
            life = value.trim_matches('"').parse().map_or(DEFAULT_LIFE, Duration::from_secs);
        }
    }
    life.clamp(SHORTEST_LIFE, LONGEST_LIFE)
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use axum::{Json, Router};
    use quivive_core::token::{Jwk, Signer};

    use super::*;

    fn key(seed: u8) -> Jwk {
        Jwk::generate(&[seed; 32], Some(&format!("key-{seed}"))).unwrap()
    }

    fn token(key: &Jwk, now: Timestamp) -> String {
        Signer::from_jwk(key).unwrap().sign(&Claims::access("challenge", 47, "token", now, 3600)).unwrap()
    }

    #[tokio::test]
    async fn stale_keys_serve_on_while_new_ones_are_fetched() {
        let new_keys = Jwks::publish(&[key(2)]).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let router = Router::new().route("/keys", get(async || Json(new_keys)));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

        let client = Client::builder().build().unwrap();
        let verifier = RemoteVerifier::at(&client, &url, VerifyPolicy::default()).unwrap();
        let old_keys = Jwks::publish(&[key(1)]).unwrap();
        verifier.inner.loaded.store(Some(Arc::new(Loaded {
            verifier: Verifier::new(&old_keys, VerifyPolicy::default()).unwrap(),
            at: Instant::now(),
            fresh_for: Duration::ZERO,
        })));

        let now = Timestamp::from_seconds(1_771_156_800);
        let (old, new) = (token(&key(1), now), token(&key(2), now));
        assert!(verifier.verify_now(&old, now).unwrap().is_ok());
        let start = Instant::now();
        while !matches!(verifier.verify_now(&new, now), Some(Ok(_))) {
            assert!(start.elapsed() < Duration::from_secs(5), "keys were never fetched");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!matches!(verifier.verify_now(&old, now), Some(Ok(_))));
    }

    #[test]
    fn life_follows_cache_control_within_bounds() {
        for (text, seconds) in [
            ("", 3600),
            ("public, max-age=600", 600),
            ("Max-Age=\"600\"", 600),
            ("max-age=5", 60),
            ("max-age=999999", 86_400),
            ("max-age=soon", 3600),
            ("max-age=600, no-cache", 60),
            ("no-store", 60),
        ] {
            assert_eq!(life(text), Duration::from_secs(seconds), "{text}");
        }
    }
}
