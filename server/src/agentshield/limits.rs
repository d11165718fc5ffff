//! Room for requests: of an account by second and day, of a pixel by second and in its account's day, of a page's
//! visitor by second and by his share of that day, and of a caller without a credential by second.
//!
//! A pixel's id is public: pages together leave a tenth of their account's day to its keys, whoever floods them.
//! A request is admitted only if every window has room; a refused one consumes nothing. Addresses come first: before
//! anything is looked up or read for a request of a page, or for a key of one who names wrong ones.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use quivive_core::crypto::hmac_sha256;
use quivive_core::{Timestamp, encoding};

use super::auth::Denied;
use super::wire::Failure;
use crate::app::App;
use crate::error::Error;
use crate::extract::ClientIp;
use crate::flows::detection::behavior::household;
use crate::flows::webhooks::notices;
use crate::storage::{Counters, Result};
use crate::tenant::detection_key::KeyHolder;
use crate::tenant::pixel::PixelHolder;
use crate::tenant::{Account, Plan};

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

/// Who is charged for a request.
#[derive(Clone, Copy)]
pub enum Payer<'a> {
    /// An account, for a caller with a key.
    Account(&'a Account),
    /// A pixel, for a page: it has a second of its own, and its account's day.
    Pixel(&'a PixelHolder, Option<ClientIp>),
    /// The address of a caller who is not known.
    Address(IpAddr),
    /// Nobody: who calls could not be looked up.
    Nobody,
}

impl<'a> Payer<'a> {
    /// Of a caller by key, or of one who is not known.
    pub fn of(caller: std::result::Result<&'a KeyHolder, Denied>, ip: Option<ClientIp>) -> Self {
        match caller {
            Ok(caller) => Self::Account(&caller.account),
            Err(denied) => Self::unknown(denied, ip),
        }
    }

    /// Of a caller who is not known.
    pub fn unknown(denied: Denied, ip: Option<ClientIp>) -> Self {
        match denied {
            Denied::Key(_) | Denied::Busy => Self::Address(address(ip)),
            Denied::Unavailable => Self::Nobody,
        }
    }
}

/// Counts a request of a page by its visitor's address; what comes back is the refusal of one for which there is no
/// room, of whatever pixel.
pub async fn refused_visitor(app: &App, ip: Option<ClientIp>) -> Option<(Failure, Standing)> {
    let limit = i64::from(app.config.limits.visitor_per_second);
    if limit == 0 || !app.config.limits.plan_requests {
        return None;
    }
    let key = format!("agentshield/visitor/{}", household(address(ip)));
    let place = second(app, key, limit);
    let uncounted = Standing { reported: place.window, policy: format!("{limit};w=1"), is_admitted: true };
    let standing = admit_in(app, vec![place], &uncounted).await;
    let standing =
        standing.inspect_err(|error| tracing::warn!(%error, "requests could not be counted; they pass"));
    let standing = standing.ok()?;
    Some((standing.refusal(app)?, standing))
}

/// Looks a key up, unless it was not found lately and its address named as many wrong ones in this second as it may:
/// whoever shares the address of one who guesses is not locked out.
///
/// # Errors
/// What the look-up says, or `Busy`.
pub async fn looked_up<T>(
    app: &App,
    ip: Option<ClientIp>,
    is_known: bool,
    look_up: impl Future<Output = std::result::Result<T, Denied>>,
) -> std::result::Result<T, Denied> {
    let limit = i64::from(app.config.limits.unauthenticated_per_second);
    if limit == 0 || is_known {
        return look_up.await;
    }
    let key = format!("agentshield/wrong_keys/{}", household(address(ip)));
    let (windows, window) = (app.storage.windows(), Window::of(SECOND, limit, app.now()));
    if windows.read(&key, window.start()).await.is_ok_and(|wrong| wrong >= limit) {
        return Err(Denied::Busy);
    }
    let found = look_up.await;
    if matches!(found, Err(Denied::Key(reason)) if reason != "missing")
        && let Err(error) = windows.add(&key, window.start(), 1, window.ends_at).await
    {
        tracing::warn!(%error, "a wrong key could not be counted");
    }
    found
}

fn address(ip: Option<ClientIp>) -> IpAddr {
    ip.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ip| ip.0)
}

/// Counts a request, unless a window is full. If the counters do not answer, the request passes.
pub async fn admit(app: &App, payer: Payer<'_>) -> Standing {
    let uncounted = report(app, payer);
    let outcome = match payer {
        Payer::Account(account) => admit_in(app, account_places(app, account), &uncounted).await,
        Payer::Pixel(holder, ip) => admit_in(app, page_places(app, holder, ip), &uncounted).await,
        Payer::Address(ip) => admit_in(app, address_places(app, ip), &uncounted).await,
        Payer::Nobody => return uncounted,
    };
    outcome.unwrap_or_else(|error| {
        tracing::warn!(%error, "requests could not be counted; they pass");
        uncounted
    })
}

/// What the windows are, without counting a request.
pub fn report(app: &App, payer: Payer<'_>) -> Standing {
    match payer {
        Payer::Account(account) | Payer::Pixel(PixelHolder { account, .. }, _) => {
            Standing::of_plan(&account.plan, app.now())
        }
        Payer::Address(_) | Payer::Nobody => Standing::of_address(app, app.now()),
    }
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
    /// The present window, with nothing counted.
    fn of(name: &'static str, limit: i64, now: Timestamp) -> Self {
        let width = if name == DAY { 86_400 } else { 1 };
        let start = now.seconds().div_euclid(width) * width;
        Self { name, limit, remaining: limit, ends_at: Timestamp::from_seconds(start + width) }
    }

    fn start(&self) -> Timestamp {
        self.ends_at.plus_milliseconds(if self.name == DAY { -86_400_000 } else { -1000 })
    }
}

/// A window in which a request is counted, and where.
struct Place<'a> {
    counters: &'a dyn Counters,
    key: String,
    window: Window,
    /// The account whose projects are told when it is full.
    told: Option<i64>,
}

/// The windows of an account's plan.
fn account_places<'a>(app: &'a App, account: &Account) -> Vec<Place<'a>> {
    let key = format!("agentshield/account/{}", account.id);
    let second = second_of_plan(app, &account.plan, key.clone());
    second.into_iter().chain(day_of_plan(app, account, |per_day| (key, per_day))).collect()
}

/// A pixel has a second of its own. Of the account's day one visitor's address has a share, and so have all pages; the
/// day itself comes last, so that whoever is gone before takes nothing from the keys.
fn page_places<'a>(
    app: &'a App,
    PixelHolder { pixel, account, .. }: &PixelHolder,
    ip: Option<ClientIp>,
) -> Vec<Place<'a>> {
    let second = second_of_plan(app, &account.plan, format!("agentshield/pixel/{}", pixel.id));
    let visitor = day_of_plan(app, account, |per_day| {
        (visitor_key(app, account, address(ip)), (per_day / VISITORS_SHARE).max(LEAST_SHARE))
    });
    let visitor = visitor
        .filter(|_| app.config.limits.visitor_per_second > 0)
        .map(|place| Place { told: None, ..place });
    let pages = day_of_plan(app, account, |per_day| {
        (format!("agentshield/pages/{}", account.id), per_day - per_day / KEYS_SHARE)
    });
    let day = day_of_plan(app, account, |per_day| (format!("agentshield/account/{}", account.id), per_day));
    second.into_iter().chain(visitor).chain(pages).chain(day).collect()
}

fn address_places(app: &App, ip: IpAddr) -> Vec<Place<'_>> {
    let limit = i64::from(app.config.limits.unauthenticated_per_second);
    let place = || second(app, format!("agentshield/address/{}", household(ip)), limit);
    (limit > 0).then(place).into_iter().collect()
}

fn second(app: &App, key: String, limit: i64) -> Place<'_> {
    Place { counters: app.storage.windows(), key, window: Window::of(SECOND, limit, app.now()), told: None }
}

fn second_of_plan<'a>(app: &'a App, plan: &Plan, key: String) -> Option<Place<'a>> {
    let limit = plan.requests_per_second.filter(|_| app.config.limits.plan_requests)?;
    Some(second(app, key, limit))
}

/// A part of the day of an account's plan, if it has one: `part` names it and says how large it is.
fn day_of_plan<'a>(
    app: &'a App,
    account: &Account,
    part: impl FnOnce(i64) -> (String, i64),
) -> Option<Place<'a>> {
    let per_day = account.plan.requests_per_day.filter(|_| app.config.limits.plan_requests)?;
    let (key, limit) = part(per_day);
    let window = Window::of(DAY, limit, app.now());
    Some(Place { counters: app.storage.counters(), key, window, told: Some(account.id) })
}

/// Under what a visitor's requests of one day are counted: addresses themselves are not stored.
fn visitor_key(app: &App, account: &Account, visitor: IpAddr) -> String {
    let secret = app.keys.derive("visitors of pixels");
    let day = app.now().seconds().div_euclid(86_400);
    let tag = hmac_sha256(&secret, format!("{}\0{day}", household(visitor)).as_bytes());
    let half = tag.first_chunk::<16>().map_or(&[][..], <[u8; 16]>::as_slice);
    format!("agentshield/visitor/{}/{}", account.id, encoding::hex(half))
}

/// Counts a request in all places, if all have room. A day that is full costs no write.
async fn admit_in(app: &App, places: Vec<Place<'_>>, uncounted: &Standing) -> Result<Standing> {
    let policy = || uncounted.policy.clone();
    for place in places.iter().filter(|place| place.window.name == DAY) {
        if place.counters.read(&place.key, place.window.start()).await? >= place.window.limit {
            return Ok(refused(app, place, policy()).await);
        }
    }
    let mut reported = None::<Window>;
    for (index, place) in places.iter().enumerate() {
        let counted = place.counters.add(&place.key, place.window.start(), 1, place.window.ends_at).await?;
        if counted > place.window.limit {
            for place in places.iter().take(index + 1).rev() {
                place.counters.add(&place.key, place.window.start(), -1, place.window.ends_at).await?;
            }
            return Ok(refused(app, place, policy()).await);
        }
        let window = Window { remaining: place.window.limit - counted, ..place.window };
        if reported.is_none_or(|least| window.remaining < least.remaining) {
            reported = Some(window);
        }
    }
    Ok(Standing { reported: reported.unwrap_or(uncounted.reported), policy: policy(), is_admitted: true })
}

async fn refused(app: &App, place: &Place<'_>, policy: String) -> Standing {
    if let Some(account) = place.told {
        notices::day_limit_reached(app, account, &place.key, place.window.limit, place.window.ends_at).await;
    }
    Standing { reported: Window { remaining: 0, ..place.window }, policy, is_admitted: false }
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
        Self { reported: Window::of(SECOND, per_second, now), policy, is_admitted: true }
    }

    /// Of an address of which nothing was counted.
    fn of_address(app: &App, now: Timestamp) -> Self {
        let limit = match app.config.limits.unauthenticated_per_second {
            0 => MOST_PER_SECOND,
            limit => i64::from(limit),
        };
        Self { reported: Window::of(SECOND, limit, now), policy: format!("{limit};w=1"), is_admitted: true }
    }
}

const SECOND: &str = "second";
const DAY: &str = "day";
const MOST_PER_SECOND: i64 = 1_000;
/// The part of a day that one visitor's address may use by a pixel: a tenth.
const VISITORS_SHARE: i64 = 10;
/// The part of a day that pages leave to the account's keys: a tenth.
const KEYS_SHARE: i64 = 10;
/// However small the plan is.
const LEAST_SHARE: i64 = 100;
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("x-ratelimit-policy");
