//! The family's rate limits and the three headers on its answers.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use quivive_core::Timestamp;

use super::apps::{self, RegisteredApp};
use super::auth;
use super::insert_text;
use super::issue::OWNER_CLAIM;
use super::wire::{Failure, Form, Result};
use crate::app::App;
use crate::error::Error;
use crate::extract::{ClientIp, bearer};
use crate::limits::{Bucket, Standing};

/// Where a limited route leaves the state of its bucket for the headers.
#[derive(Clone, Debug, Default)]
pub struct Reported(Arc<Mutex<Option<Standing>>>);

impl Reported {
    /// Tells of a bucket: the first one that a route counts against, or the one that refused.
    fn tell(&self, standing: Standing) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none() || !standing.admitted {
            *told = Some(standing);
        }
    }

    fn told(&self) -> Option<Standing> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a challenge: for the app that a token proves, else for the address.
///
/// # Errors
/// 429 `RATE_LIMIT_EXCEEDED`.
pub async fn count_challenge(app: &App, parts: &Parts, named: Option<&RegisteredApp>) -> Result<()> {
    let ip = client_ip(parts);
    // The originals believe whoever names an app; anybody could then use up another app's share.
    let bucket = if app.config.compat.limits {
        bucket_of(app, named, ip)
    } else {
        bucket_of(app, proven(app, bearer(&parts.headers)).await?.as_ref(), ip)
    };
    let standing = count(app, parts, &bucket).await?;
    if standing.admitted {
        return Ok(());
    }
    let text = format!("You have exceeded the rate limit. Free tier: {} challenges/hour/IP", standing.limit);
    Err(refusal(app, standing, &text).in_form(Form::Bare))
}

/// Counts a validation.
///
/// # Errors
/// 429 in the validation form.
pub async fn count_validation(app: &App, parts: &Parts) -> Result<()> {
    let ip = client_ip(parts);
    let bucket = if app.config.compat.limits {
        challenge_bucket(app, ip)
    } else {
        Bucket {
            key: format!("botcha:validation:{}", network(ip)),
            limit: app.config.limits.validations_per_minute,
            window_milliseconds: 60_000,
        }
    };
    let standing = count(app, parts, &bucket).await?;
    if standing.admitted {
        return Ok(());
    }
    let error =
        Error::rate_limited("Rate limit exceeded").retry_after(standing.retry_after_seconds(app.now()));
    Err(Failure { error, form: Form::Validation })
}

/// Counts a submitted solution, refresh or revocation; the originals leave these open.
///
/// # Errors
/// 429 `RATE_LIMIT_EXCEEDED`.
pub async fn count_verification(app: &App, parts: &Parts) -> Result<()> {
    let limit = app.config.limits.verifications_per_hour;
    count_address(app, parts, &Rule::per_hour("verification", limit)).await
}

/// A limit that the originals lack.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// What is counted.
    pub name: &'static str,
    /// How many pass in one window; 0 means no limit.
    pub limit: u32,
    /// The length of a window.
    pub window_milliseconds: i64,
    /// Whether it holds even with only the originals' limits: limits on tries of codes do.
    pub is_always: bool,
}

impl Rule {
    /// So many per hour.
    pub fn per_hour(name: &'static str, limit: u32) -> Self {
        Self { name, limit, window_milliseconds: HOUR, is_always: false }
    }

    /// The same rule, also where only the originals' limits hold.
    #[must_use]
    pub fn always(self) -> Self {
        Self { is_always: true, ..self }
    }
}

/// Counts a request for the caller's address.
///
/// # Errors
/// 429 `RATE_LIMIT_EXCEEDED`.
pub async fn count_address(app: &App, parts: &Parts, rule: &Rule) -> Result<()> {
    count_key(app, parts, rule, &network(client_ip(parts))).await
}

/// Counts a request for whatever it is about: an app, an e-mail address (hashed by the caller of this).
///
/// # Errors
/// 429 `RATE_LIMIT_EXCEEDED`.
pub async fn count_key(app: &App, parts: &Parts, rule: &Rule, key: &str) -> Result<()> {
    if app.config.compat.limits && !rule.is_always {
        return Ok(());
    }
    let bucket = Bucket {
        key: format!("botcha:{}:{key}", rule.name),
        limit: rule.limit,
        window_milliseconds: rule.window_milliseconds,
    };
    let standing = count(app, parts, &bucket).await?;
    if standing.admitted {
        return Ok(());
    }
    let text = format!("You have exceeded the rate limit of {} requests in this time", standing.limit);
    Err(refusal(app, standing, &text).in_form(Form::Bare))
}

/// Tells of a refusal by a counter of a route's own.
pub(super) fn report_refusal(parts: &Parts, standing: Standing) {
    if let Some(reported) = parts.extensions.get::<Reported>() {
        reported.tell(standing);
    }
}

/// As [`count_address`], and ten times as many for the caller's site of IPv6, which has many networks.
///
/// # Errors
/// 429 `RATE_LIMIT_EXCEEDED`.
pub async fn count_address_and_site(app: &App, parts: &Parts, rule: &Rule) -> Result<()> {
    count_address(app, parts, rule).await?;
    match client_ip(parts) {
        IpAddr::V4(_) => Ok(()),
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            let wide = Rule { limit: rule.limit.saturating_mul(10), ..*rule };
            count_key(app, parts, &wide, &format!("{a:x}:{b:x}:{c:x}::/48")).await
        }
    }
}

/// The first address of a subscriber's network.
pub(super) fn subscriber(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// Who is counted by address, for counters of a route's own.
pub(super) fn caller(parts: &Parts) -> String {
    network(client_ip(parts))
}

/// The Bearer token of a request if it claims an app: only then can another bucket than the address's be meant.
pub(super) fn app_token(headers: &HeaderMap) -> Option<String> {
    let token = bearer(headers)?;
    quivive_core::token::decode_unverified(token).ok()?.claims.app_id?;
    Some(token.to_owned())
}

/// Puts the three headers on an answer: what the route counted, else the caller's challenge bucket as it stands.
pub(super) async fn report(
    app: &App,
    reported: &Reported,
    ip: Option<ClientIp>,
    token: Option<&str>,
    headers: &mut HeaderMap,
) {
    let standing = match reported.told() {
        Some(standing) => Some(standing),
        // The originals put them on limited routes alone.
        None if app.config.compat.limits => None,
        None => look(app, ip, token).await,
    };
    let Some(standing) = standing.filter(|standing| standing.limit > 0) else { return };
    headers.insert(LIMIT, HeaderValue::from(standing.limit));
    headers.insert(REMAINING, HeaderValue::from(standing.remaining));
    insert_text(headers, RESET, &standing.resets_at.to_string());
}

async fn look(app: &App, ip: Option<ClientIp>, token: Option<&str>) -> Option<Standing> {
    let owner = proven(app, token).await.ok()?;
    bucket_of(app, owner.as_ref(), ip?.0).look(app).await.ok()
}

/// The app that a token proves: one that was issued to its owner, or to one of its agents. Anybody gets a token of any
/// app for a solved challenge, and could use up its share.
async fn proven(app: &App, token: Option<&str>) -> Result<Option<RegisteredApp>> {
    let Some(claims) = token.and_then(|token| auth::claims_of_token(app, token)) else { return Ok(None) };
    let is_owner = claims.extra.get(OWNER_CLAIM).is_some_and(|claim| claim == true);
    let Some(id) = claims.app_id.filter(|_| is_owner || claims.agent_id.is_some()) else { return Ok(None) };
    let found = apps::find(app, &id).await?;
    let since = claims.iat.map_or(Timestamp::default(), Timestamp::from_seconds);
    Ok(found.filter(|found| found.credentials_rotated_at.is_none_or(|rotated| rotated <= since)))
}

async fn count(app: &App, parts: &Parts, bucket: &Bucket) -> Result<Standing> {
    let standing = bucket.count(app).await?;
    if let Some(reported) = parts.extensions.get::<Reported>() {
        reported.tell(standing);
    }
    Ok(standing)
}

fn refusal(app: &App, standing: Standing, text: &str) -> Failure {
    let seconds = standing.retry_after_seconds(app.now());
    Error::rate_limited(text)
        .with("retryAfter", seconds)
        .with("resetAt", standing.resets_at.to_string())
        .retry_after(seconds)
        .into()
}

/// The bucket of an app, else of an address. Anybody may have a token of the demo app: a share of its own would be
/// everybody's, to use up or to hide in.
fn bucket_of(app: &App, owner: Option<&RegisteredApp>, ip: IpAddr) -> Bucket {
    let owner = owner.filter(|owner| !owner.is_demo && owner.rate_limit > 0);
    owner.map_or_else(|| challenge_bucket(app, ip), |owner| app_bucket(app, owner))
}

fn challenge_bucket(app: &App, ip: IpAddr) -> Bucket {
    Bucket {
        key: format!("botcha:challenge:{}", network(ip)),
        limit: app.config.limits.challenges_per_hour,
        window_milliseconds: HOUR,
    }
}

fn app_bucket(app: &App, owner: &RegisteredApp) -> Bucket {
    // Switching the limit off switches it off for apps as well.
    let limit = if app.config.limits.challenges_per_hour == 0 { 0 } else { owner.rate_limit };
    Bucket { key: format!("botcha:app:{}", owner.id), limit, window_milliseconds: HOUR }
}

/// One subscriber of IPv6 has at least 2^64 addresses, so the network is counted.
fn network(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

fn client_ip(parts: &Parts) -> IpAddr {
    parts.extensions.get::<ClientIp>().map_or(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), |ip| ip.0)
}

const HOUR: i64 = 3_600_000;
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
