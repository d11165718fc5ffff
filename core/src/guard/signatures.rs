//! Message signatures of requests, with the keys that the host has fetched and a memory of nonces.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::GuardOptions;
use super::request::Incoming;
use crate::agent::{SignatureOutcome, SignatureStatus};
use crate::signature::{
    FoundKey, KeyDirectory, KeyLocation, Line, NonceRecord, Request, SignaturePolicy, SignatureVerifier,
    SignatureVerifierOptions, WantedKey, needs_body, signature_outcome, verify, wanted_keys,
};
use crate::{Result, Timestamp};

/// Verifies the signatures of one site's requests.
pub(super) struct Signatures {
    fixed: SignatureVerifier,
    fetched: RwLock<BTreeMap<String, Fetched>>,
    nonces: Mutex<HashMap<String, i64>>,
    authorities: Vec<String>,
    allows_test_keys: bool,
}

/// A directory and until when it proves anything.
struct Fetched {
    directory: KeyDirectory,
    until: Timestamp,
}

impl Signatures {
    pub fn new(options: &GuardOptions) -> Result<Self> {
        let fixed = SignatureVerifierOptions { directories: options.keys.clone(), ..Default::default() };
        Ok(Self {
            fixed: fixed.verifier()?,
            fetched: RwLock::default(),
            nonces: Mutex::default(),
            authorities: options.authorities.iter().map(|name| name.to_ascii_lowercase()).collect(),
            allows_test_keys: options.allow_test_keys,
        })
    }

    /// Puts a directory in the place of what was fetched from there before.
    pub fn set_directory(&self, location: &KeyLocation, directory: KeyDirectory, until: Timestamp) {
        let mut fetched = self.fetched.write().unwrap_or_else(PoisonError::into_inner);
        if fetched.len() < MOST_DIRECTORIES || fetched.contains_key(&location.url) {
            fetched.insert(location.url.clone(), Fetched { directory, until });
        }
    }

    /// Where keys are that the request's signatures need and that are not known.
    pub fn wanted(&self, request: &Incoming<'_>, is_https: Option<bool>) -> Vec<KeyLocation> {
        if !is_signed(request) {
            return Vec::new();
        }
        self.with(request, is_https, |request, policy, now| {
            let unknown = |wanted: &WantedKey| self.find(wanted, now).is_none();
            let keys = wanted_keys(&request.into(), policy, now).into_iter().filter(unknown);
            keys.filter_map(|wanted| wanted.location).collect()
        })
    }

    /// How the request's signatures end; `None` when it has none.
    pub fn verify(&self, request: &Incoming<'_>, is_https: Option<bool>) -> Option<SignatureOutcome> {
        if !is_signed(request) {
            return None;
        }
        let mut results = self.with(request, is_https, |request, policy, now| {
            verify(&request.into(), policy, &|wanted: &WantedKey| self.find(wanted, now), now)
        });
        for result in &mut results {
            match result.once.as_ref().map(|once| self.record(once, request.now)) {
                Some(Recorded::Before) => result.refuse_replay(),
                Some(Recorded::NoRoom) => result.refuse_unrecorded(),
                Some(Recorded::Now) | None => {}
            }
        }
        let mut outcome = signature_outcome(&results)?;
        // It may hold for another site, from where somebody took it.
        if outcome.status == SignatureStatus::Verified && !self.is_for_us(request) {
            outcome.status = SignatureStatus::Unverified;
        }
        Some(outcome)
    }

    fn with<T>(
        &self,
        incoming: &Incoming<'_>,
        is_https: Option<bool>,
        then: impl FnOnce(&Request<'_>, &SignaturePolicy, Timestamp) -> T,
    ) -> T {
        let headers: Vec<Line<'_>> =
            incoming.headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        let request = Request {
            method: Some(&incoming.method),
            scheme: is_https.map(|is_https| if is_https { "https" } else { "http" }),
            authority: incoming.authority.as_deref(),
            target: Some(&incoming.target),
            headers: &headers,
            ..Request::default()
        };
        let policy = SignaturePolicy {
            // What the host did not look at is no fault of the signer.
            described: is_https.is_none() || needs_body(&headers),
            allow_test_keys: self.allows_test_keys,
            ..SignaturePolicy::default()
        };
        then(&request, &policy, incoming.now)
    }

    fn find(&self, wanted: &WantedKey, now: Timestamp) -> Option<FoundKey> {
        let location = wanted.location.as_ref()?;
        let fetched = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
        let known = fetched.get(&location.url).filter(|known| now < known.until);
        let key = known.and_then(|known| known.directory.find(location.kind, &wanted.keyid));
        match key {
            Some(key) => Some(FoundKey { key: Arc::clone(key), source: None, is_registered: false }),
            None => self.fixed.find(wanted),
        }
    }

    fn is_for_us(&self, request: &Incoming<'_>) -> bool {
        self.authorities.is_empty() || request.host().is_some_and(|host| self.authorities.contains(&host))
    }

    /// Remembers a nonce, in one step with the question whether it was known.
    fn record(&self, once: &NonceRecord, now: Timestamp) -> Recorded {
        let now = now.seconds();
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        if nonces.get(&once.key).is_some_and(|until| now < *until) {
            return Recorded::Before;
        }
        if nonces.len() >= MOST_NONCES {
            nonces.retain(|_, until| now < *until);
        }
        if nonces.len() >= MOST_NONCES {
            return Recorded::NoRoom;
        }
        nonces.insert(once.key.clone(), once.keep_until);
        Recorded::Now
    }
}

enum Recorded {
    Now,
    Before,
    NoRoom,
}

fn is_signed(request: &Incoming<'_>) -> bool {
    request.all("signature-input").next().is_some() || request.all("signature").next().is_some()
}

const MOST_DIRECTORIES: usize = 1_000;
const MOST_NONCES: usize = 100_000;
