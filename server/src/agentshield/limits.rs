//! Room for requests: per account and second, per account and day, and per address for callers without a key.
//!
//! A request is admitted only if every window has room; a refused one consumes nothing.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use quivive_core::Timestamp;

use super::auth::Denied;
use super::wire::Failure;
use crate::app::App;
use crate::error::Error;
use crate::extract::ClientIp;
use crate::flows::webhooks::notices;
use crate::storage::{Counters, Result};
use crate::tenant::Plan;
use crate::tenant::detection_key::KeyHolder;

/// What the windows say about one request.
#[derive(Clone)]
pub struct Standing {
    /// The window to report: the one that refused, else the one with the least room.
    reported: Window,
    policy: String,
    is_admitted: bool,
}

/// A window of time with its limit.
#[derive(Clone, Copy)]
struct Window {
    name: &'static str,
    limit: i64,
    remaining: i64,
    ends_at: Timestamp,
}

/// Counts a request, unless a window is full. If the counters do not answer, the request passes; if the key could not
/// be looked up, nobody is charged for it.
pub async fn admit(
    app: &App,
    caller: std::result::Result<&KeyHolder, Denied>,
    ip: Option<ClientIp>,
) -> Standing {
    let now = app.now();
    let uncounted = match caller {
        Ok(caller) => Standing::of_plan(&caller.account.plan, now),
        Err(_) => Standing::of_address(app, now),
    };
    let outcome = match caller {
        Ok(caller) => admit_account(app, caller, &uncounted, now).await,
        Err(Denied::Key(_)) => {
            let ip = ip.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ip| ip.0);
            admit_address(app, ip, &uncounted).await
        }
        Err(Denied::Unavailable) => return uncounted,
    };
    outcome.unwrap_or_else(|error| {
        tracing::warn!(%error, "requests could not be counted; they pass");
        uncounted
    })
}

impl Standing {
    /// The refusal, if a window is full.
    pub fn refusal(&self, app: &App) -> Option<Failure> {
        if self.is_admitted {
            return None;
        }
        let milliseconds = self.reported.ends_at.milliseconds_since(app.now());
        let seconds = (milliseconds.saturating_add(999) / 1000).max(1);
        let error = Error::rate_limited("API rate limit exceeded")
            .with("limit", self.reported.limit)
            .with("reset", self.reported.ends_at.seconds())
            .with("window", self.reported.name)
            .retry_after(seconds);
        Some(Failure(error))
    }

    /// Writes the headers that every answer carries.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, HeaderValue::from(self.reported.limit));
        headers.insert(REMAINING, HeaderValue::from(self.reported.remaining));
        headers.insert(RESET, HeaderValue::from(self.reported.ends_at.seconds()));
        if let Ok(policy) = HeaderValue::from_str(&self.policy) {
            headers.insert(POLICY, policy);
        }
    }
}

impl Window {
    /// A window with so many requests counted, this one included.
    fn of(name: &'static str, limit: i64, now: Timestamp, counted: i64) -> Self {
        let width = if name == DAY { 86_400 } else { 1 };
        let start = now.seconds().div_euclid(width) * width;
        Self {
            name,
            limit,
            remaining: (limit - counted).max(0),
            ends_at: Timestamp::from_seconds(start + width),
        }
    }

    fn start(&self) -> Timestamp {
        self.ends_at.plus_milliseconds(if self.name == DAY { -86_400_000 } else { -1000 })
    }
}

async fn admit_account(
    app: &App,
    caller: &KeyHolder,
    uncounted: &Standing,
    now: Timestamp,
) -> Result<Standing> {
    if !app.config.limits.plan_requests {
        return Ok(uncounted.clone());
    }
    let plan = &caller.account.plan;
    let Standing { reported: mut second, policy, .. } = uncounted.clone();
    let key = format!("agentshield/account/{}", caller.account.id);
    if plan.requests_per_second.is_some() {
        second = count(app.storage.windows(), &key, second).await?;
        if second.remaining < 0 {
            return Ok(Standing::full(second, policy));
        }
    }
    let Some(per_day) = plan.requests_per_day else {
        return Ok(Standing { reported: second, policy, is_admitted: true });
    };
    let day = count(app.storage.counters(), &key, Window::of(DAY, per_day, now, 0)).await?;
    if day.remaining < 0 {
        if plan.requests_per_second.is_some() {
            app.storage.windows().add(&key, second.start(), -1, second.ends_at).await?;
        }
        notices::day_limit_reached(app, caller.account.id, day.limit, day.ends_at).await;
        return Ok(Standing::full(day, policy));
    }
    let reported = if day.remaining < second.remaining { day } else { second };
    Ok(Standing { reported, policy, is_admitted: true })
}

async fn admit_address(app: &App, ip: IpAddr, uncounted: &Standing) -> Result<Standing> {
    if app.config.limits.unauthenticated_per_second == 0 {
        return Ok(uncounted.clone());
    }
    let Standing { reported, policy, .. } = uncounted.clone();
    let key = format!("agentshield/address/{ip}");
    let second = count(app.storage.windows(), &key, reported).await?;
    if second.remaining < 0 {
        return Ok(Standing::full(second, policy));
    }
    Ok(Standing { reported: second, policy, is_admitted: true })
}

impl Standing {
    /// Of an account of which nothing was counted.
    fn of_plan(plan: &Plan, now: Timestamp) -> Self {
        // Without a limit per second, what the built-in plans give at most is reported.
        let per_second = plan.requests_per_second.unwrap_or(MOST_PER_SECOND);
        let policy = match plan.requests_per_day {
            Some(per_day) => format!("{per_second};w=1, {per_day};w=86400"),
            None => format!("{per_second};w=1"),
        };
        Self { reported: Window::of(SECOND, per_second, now, 0), policy, is_admitted: true }
    }

    /// Of an address of which nothing was counted.
    fn of_address(app: &App, now: Timestamp) -> Self {
        let limit = match app.config.limits.unauthenticated_per_second {
            0 => MOST_PER_SECOND,
            limit => i64::from(limit),
        };
        Self {
            reported: Window::of(SECOND, limit, now, 0),
            policy: format!("{limit};w=1"),
            is_admitted: true,
        }
    }

    fn full(window: Window, policy: String) -> Self {
        Self { reported: Window { remaining: 0, ..window }, policy, is_admitted: false }
    }
}

/// Counts one request; below zero remaining means that there was no room, and nothing is counted.
async fn count(counters: &dyn Counters, key: &str, window: Window) -> Result<Window> {
    let counted = counters.add(key, window.start(), 1, window.ends_at).await?;
    if counted > window.limit {
        counters.add(key, window.start(), -1, window.ends_at).await?;
        return Ok(Window { remaining: -1, ..window });
    }
    Ok(Window { remaining: window.limit - counted, ..window })
}

const SECOND: &str = "second";
const DAY: &str = "day";
const MOST_PER_SECOND: i64 = 1_000;
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("x-ratelimit-policy");
