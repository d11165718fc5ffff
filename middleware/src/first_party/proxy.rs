//! The path of the site that the collector posts to.

use std::time::Duration;

use http::header::{ALLOW, HeaderName};
use http::{HeaderValue, StatusCode};
use moka::sync::Cache;
use quivive_core::first_party::{EventsReport, PageClaims, SCHEMA_VERSION};
use quivive_core::score::payload::{Batch, is_request_id};
use quivive_core::{crypto, encoding};
use serde_json::{Value, json};

use super::FirstParty;
use super::delivery::Delivery;
use crate::facts::Facts;
use crate::guard::Answer;
use crate::known::now;

/// Page views whose visitors came with another session, each told once.
#[derive(Clone)]
pub(super) struct Mismatches(Cache<String, ()>);

impl Default for Mismatches {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(3_600)).build())
    }
}

impl FirstParty {
    /// Whether requests to this path are the proxy's.
    pub(crate) fn is_proxy(&self, path: &str) -> bool {
        path == self.inner.proxy_path
    }

    /// The most bytes of a body.
    pub(crate) fn most_bytes(&self) -> usize {
        self.inner.body_limit
    }

    /// What is answered without looking at the body; `None` when that is to be read.
    pub(crate) fn refuse(&self, facts: &Facts) -> Option<Answer> {
        if !self.inner.is_enabled {
            return Some(answer(StatusCode::NOT_FOUND, &json!([])));
        }
        if facts.method() != "POST" {
            let mut refusal =
                answer(StatusCode::METHOD_NOT_ALLOWED, &json!({ "error": "Method not allowed" }));
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return Some(refusal);
        }
        let is_foreign =
            facts.header("sec-fetch-site").is_some_and(|site| site.eq_ignore_ascii_case("cross-site"))
                || facts.all("origin").any(|origin| !self.is_own_origin(facts, origin));
        is_foreign.then(|| answer(StatusCode::FORBIDDEN, &json!({ "error": "Invalid origin" })))
    }

    /// What is answered to a body over the limit.
    pub(crate) fn too_large() -> Answer {
        answer(StatusCode::PAYLOAD_TOO_LARGE, &json!({ "error": "Payload too large" }))
    }

    /// Checks a body and takes it for delivery.
    pub(crate) fn forward(&self, facts: &Facts, query: Option<&str>, body: &[u8]) -> Answer {
        if !is_json(facts) {
            return answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!({ "error": "JSON required" }));
        }
        let Some((claims, batch, key)) = self.read(facts, query, body) else {
            let refusal = json!({ "error": "Invalid payload or page token" });
            return answer(StatusCode::UNPROCESSABLE_ENTITY, &refusal);
        };
        let inner = &self.inner;
        if inner.session_of(facts).is_some_and(|session| session != claims.session_token) {
            inner.mismatches.tell(&claims.page_id);
            let refusal = json!({ "error": "Page token belongs to another session" });
            return answer(StatusCode::CONFLICT, &refusal);
        }
        let report = EventsReport {
            schema_version: SCHEMA_VERSION,
            page_id: claims.page_id,
            session_token: claims.session_token,
            events: batch.events,
            observed: inner.visitor.observe(facts),
            logged_in: inner.is_logged_in(facts),
        };
        let is_queued = inner.deliveries.put(Delivery::Events(report, key), body.len());
        let status = if is_queued { StatusCode::ACCEPTED } else { StatusCode::SERVICE_UNAVAILABLE };
        answer(status, &json!({ "queued": is_queued }))
    }

    /// The page that the events are from, the events, and the key of their delivery.
    fn read(&self, facts: &Facts, query: Option<&str>, body: &[u8]) -> Option<(PageClaims, Batch, String)> {
        let text = std::str::from_utf8(body).ok()?;
        let batch = Batch::parse(text).ok()?;
        let token = form_urlencoded::parse(query?.as_bytes()).find(|(name, _)| name == "page_token")?.1;
        let claims = self.inner.pages.verify(&token, now()).ok()?;
        if batch.site_key.as_ref().is_some_and(|key| *key != self.inner.site_key) {
            return None;
        }
        let name = match facts.header("idempotency-key") {
            Some(key) => is_request_id(key).then(|| key.to_owned())?,
            // A header that is no text is no key either.
            None if facts.has("idempotency-key") => return None,
            None => serde_json::to_string(&batch.events).ok()?,
        };
        let key = encoding::hex(&crypto::sha256(format!("events\n{}\n{name}", claims.page_id).as_bytes()));
        Some((claims, batch, key))
    }

    fn is_own_origin(&self, facts: &Facts, origin: &str) -> bool {
        if let Some(own) = &self.inner.origin {
            return origin.eq_ignore_ascii_case(own);
        }
        let Some(host) = facts.header("host") else { return false };
        let is_host =
            |scheme: &str| origin.strip_prefix(scheme).is_some_and(|named| named.eq_ignore_ascii_case(host));
        // Behind a proxy that nobody told us to trust, a page over HTTPS sends what looks like HTTP here.
        is_host("https://") || (is_host("http://") && !self.inner.is_https(facts))
    }
}

impl Mismatches {
    /// A page that a shared cache hands out gives one visitor's session to all.
    fn tell(&self, page_id: &str) {
        if self.0.entry_by_ref(page_id).or_insert(()).is_fresh() {
            tracing::warn!(
                page_id,
                "a page was sent to a visitor of another session: is it in a shared cache?"
            );
        }
    }
}

fn is_json(facts: &Facts) -> bool {
    let media = facts.header("content-type").and_then(|media| media.split(';').next()).unwrap_or_default();
    media.trim().eq_ignore_ascii_case("application/json")
}

fn answer(status: StatusCode, body: &Value) -> Answer {
    let mut answer = crate::guard::json(status, body);
    answer
        .headers_mut()
        .insert(HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store"));
    answer
}
