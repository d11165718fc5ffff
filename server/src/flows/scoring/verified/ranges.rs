//! The address ranges that operators of bots publish: built in, fetched by command, followed by the running server.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::{StreamExt, stream};
use ipnet::IpNet;
use quivive_core::Timestamp;
use quivive_core::agent::{FeedAnswer, IpSet, RangeTable, default_classifier, published_ranges};
use serde::{Deserialize, Serialize};

use super::bots::Bot;
use crate::app::App;
use crate::jobs::Stop;
use crate::outbound::{self, Fetched, Get};
use crate::storage::{self, Record, Versioned};

/// One fetched list.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoredRanges {
    /// Its name in the catalogue.
    pub feed: String,
    /// Where it was fetched; nothing for one that was read from a file.
    pub url: Option<String>,
    /// When it was last known to be what its operator publishes.
    pub as_of: Timestamp,
    /// Its `ETag`.
    pub etag: Option<String>,
    /// The ranges.
    pub ranges: Vec<String>,
}

impl Record for StoredRanges {
    const KIND: &'static str = "bot_ranges";
    fn id(&self) -> String {
        self.feed.clone()
    }
}

/// The lists in use.
#[derive(Default)]
pub struct Ranges(ArcSwap<HashMap<String, List>>);

/// One list in use.
#[derive(Clone, Debug)]
pub struct List {
    /// As of when.
    pub as_of: Timestamp,
    /// The ranges as they were published.
    pub ranges: Vec<String>,
    set: IpSet,
    /// Whether it came with the product or from a file, and was not fetched.
    is_snapshot: bool,
}

impl Ranges {
    /// Whether the address lies in one of the bot's ranges, however old they are.
    pub fn hold(&self, bot: &Bot, address: IpAddr) -> bool {
        let lists = self.0.load();
        bot.networks.iter().any(|network| network.contains(&address))
            || bot.feeds.iter().any(|feed| lists.get(feed).is_some_and(|list| list.set.contains(address)))
    }

    /// Whether an address outside of the bot's ranges is not the bot's: all of its lists are at hand, none is old.
    pub fn refute(&self, bot: &Bot, app: &App) -> bool {
        let lists = self.0.load();
        (!bot.feeds.is_empty() || !bot.networks.is_empty())
            && bot.feeds.iter().all(|feed| lists.get(feed).is_some_and(|list| !list.is_old(app)))
    }

    /// What lists say about an address: those that hold it, and the `asked` ones also if they do not.
    pub fn answers(&self, address: IpAddr, asked: &[String]) -> Vec<FeedAnswer> {
        let lists = self.0.load();
        let answer = |(feed, list): (&String, &List)| {
            let contains = list.set.contains(address);
            let (as_of, bundled) = (list.as_of, list.is_snapshot);
            (contains || asked.contains(feed)).then(|| FeedAnswer {
                feed: feed.clone(),
                contains,
                as_of,
                bundled,
            })
        };
        let mut answers: Vec<FeedAnswer> = lists.iter().filter_map(answer).collect();
        answers.sort_by(|left, right| left.feed.cmp(&right.feed));
        answers
    }

    /// A list by its name.
    pub fn list(&self, feed: &str) -> Option<List> {
        self.0.load().get(feed).cloned()
    }
}

impl List {
    /// Whether it is too old to refute anything.
    pub fn is_old(&self, app: &App) -> bool {
        let limit = i64::from(app.config.verification.ranges_days) * DAY;
        app.now().milliseconds_since(self.as_of) > limit
    }

    fn new(as_of: Timestamp, is_snapshot: bool, ranges: Vec<String>) -> quivive_core::Result<Self> {
        Ok(Self { as_of, set: IpSet::parse(&ranges)?, ranges, is_snapshot })
    }
}

/// The lists that bots name, and where each is published or configured to be.
pub fn feeds(app: &App) -> BTreeMap<String, Option<String>> {
    let known = default_classifier().feeds().iter().map(|feed| (feed.name.clone(), feed.url.clone()));
    let configured = &app.config.verification.feeds;
    known.map(|(feed, url)| (feed.clone(), configured.get(&feed).cloned().or(url))).collect()
}

/// Takes over what is built in and what is stored, whichever is newer.
///
/// # Errors
/// When storage does not answer.
pub async fn load(app: &App) -> storage::Result<()> {
    put_to_use(app, stored(app).await?);
    Ok(())
}

/// Keeps the lists in use at what is stored, until the server ends.
pub async fn follow(app: App, mut stop: Stop) {
    let mut seen = None;
    loop {
        match stored(&app).await {
            Ok(found) => {
                let versions: Vec<_> = found.iter().map(|list| (list.feed.clone(), list.version)).collect();
                if seen.as_ref() != Some(&versions) {
                    put_to_use(&app, found);
                    report_old(&app);
                    seen = Some(versions);
                }
            }
            Err(error) => tracing::warn!(%error, "address ranges of bots could not be read"),
        }
        measure(&app);
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(FOLLOW_PAUSE) => {}
        }
    }
}

/// What became of one list.
pub struct Refreshed {
    /// The list.
    pub feed: String,
    /// How many ranges it has now, or why it stays as it was.
    pub result: Result<usize, String>,
}

/// Fetches every list that is published. One that cannot be fetched or used stays as it was.
///
/// # Errors
/// When storage does not answer.
pub async fn refresh(app: &App) -> storage::Result<Vec<Refreshed>> {
    let published = feeds(app).into_iter().filter_map(|(feed, url)| Some((feed, url?)));
    let fetched = published.map(|(feed, url)| async move {
        let result = fetch(app, &feed, url).await;
        result.map(|result| Refreshed { feed, result })
    });
    let results: Vec<_> = stream::iter(fetched).buffered(FETCHED_AT_ONCE).collect().await;
    results.into_iter().collect()
}

/// Takes over lists from a table that was made elsewhere, except where there is a newer one.
///
/// # Errors
/// When storage does not answer.
pub async fn import(app: &App, table: RangeTable) -> storage::Result<Vec<Refreshed>> {
    let known = feeds(app);
    let as_of = date(&table.date);
    let mut results = Vec::with_capacity(table.feeds.len());
    for (feed, ranges) in table.feeds {
        let present = app.storage.get::<StoredRanges>(&feed).await?;
        let refusal = match as_of {
            _ if !known.contains_key(&feed) => Some("no bot names such a list".to_owned()),
            None => Some(format!("{:?} is no date of the form YYYY-MM-DD", table.date)),
            Some(as_of) if as_of > app.now() => Some(format!("{} is in the future", table.date)),
            Some(as_of) if present.is_some_and(|present| present.as_of > as_of) => {
                Some("the present list is newer".to_owned())
            }
            _ => not_public(&ranges),
        };
        let result = match refusal {
            Some(refusal) => Err(refusal),
            None => {
                let count = ranges.len();
                let as_of = as_of.unwrap_or_default();
                app.storage
                    .put(&StoredRanges { feed: feed.clone(), url: None, as_of, etag: None, ranges })
                    .await?;
                Ok(count)
            }
        };
        results.push(Refreshed { feed, result });
    }
    Ok(results)
}

/// The lists in use as a table for [`import`], dated by the oldest.
pub fn export(app: &App) -> RangeTable {
    let lists = app.scoring.verified.ranges.0.load();
    let oldest = lists.values().map(|list| list.as_of).min().unwrap_or_default();
    RangeTable {
        date: day(oldest),
        source: String::new(),
        feeds: lists.iter().map(|(feed, list)| (feed.clone(), list.ranges.clone())).collect(),
    }
}

/// The day of a moment, `YYYY-MM-DD`.
pub fn day(at: Timestamp) -> String {
    at.to_seconds_text().chars().take(10).collect()
}

async fn fetch(app: &App, feed: &str, url: String) -> storage::Result<Result<usize, String>> {
    let present = app.storage.get::<StoredRanges>(feed).await?.map(|found| found.value);
    let present = present.filter(|list| list.url.as_ref() == Some(&url));
    let etag = present.as_ref().and_then(|list| list.etag.as_deref());
    let request = Get { url: &url, etag, limit: MOST_BYTES, timeout: FETCH_TIMEOUT };
    let list = match (app.outbound.get(request).await, present) {
        (Ok(Fetched::Body { bytes, etag }), _) => match read(&bytes) {
            Ok(ranges) => {
                StoredRanges { feed: feed.to_owned(), url: Some(url), as_of: app.now(), etag, ranges }
            }
            Err(error) => return Ok(Err(error)),
        },
        (Ok(Fetched::Unchanged), Some(present)) => StoredRanges { as_of: app.now(), ..present },
        (Ok(Fetched::Unchanged), None) => return Ok(Err("unchanged, but there is none".to_owned())),
        (Err(error), _) => return Ok(Err(error.to_string())),
    };
    app.storage.put(&list).await?;
    Ok(Ok(list.ranges.len()))
}

fn read(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the list is no text".to_owned())?;
    let ranges = published_ranges(text).map_err(|error| error.to_string())?;
    not_public(&ranges).map_or(Ok(ranges), Err)
}

fn not_public(ranges: &[String]) -> Option<String> {
    let is_public = |range: &str| {
        let address = range.parse().or_else(|_| range.parse::<IpNet>().map(|network| network.addr()));
        address.is_ok_and(outbound::is_public)
    };
    ranges
        .iter()
        .find(|range| !is_public(range))
        .map(|range| format!("{range} is not on the public internet"))
}

async fn stored(app: &App) -> storage::Result<Vec<Versioned<StoredRanges>>> {
    app.storage.list::<StoredRanges>("", None, MOST_LISTS).await
}

fn put_to_use(app: &App, stored: Vec<Versioned<StoredRanges>>) {
    let built_in = RangeTable::built_in();
    let as_of = date(&built_in.date).unwrap_or_default();
    let built_in = built_in.feeds.into_iter().map(|(feed, ranges)| (feed, as_of, true, ranges));
    let stored = stored.into_iter().map(|list| {
        let StoredRanges { feed, url, as_of, ranges, .. } = list.value;
        (feed, as_of, url.is_none(), ranges)
    });
    let mut lists: HashMap<String, List> = HashMap::new();
    for (feed, as_of, is_snapshot, ranges) in built_in.chain(stored) {
        match List::new(as_of, is_snapshot, ranges) {
            Ok(list) if lists.get(&feed).is_none_or(|present| present.as_of <= list.as_of) => {
                lists.insert(feed, list);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(feed, %error, "a list of address ranges cannot be used"),
        }
    }
    app.scoring.verified.ranges.0.store(lists.into());
}

/// Names the lists that are old or missing, once for every change.
fn report_old(app: &App) {
    let ranges = &app.scoring.verified.ranges;
    let missing = |feed: &String| ranges.list(feed).is_none_or(|list| list.is_old(app));
    let names: Vec<String> = feeds(app).into_keys().filter(missing).collect();
    if !names.is_empty() {
        let names = names.join(", ");
        tracing::info!(
            lists = names,
            "address ranges of bots are old or missing; `quivive bots refresh` fetches them"
        );
    }
}

fn measure(app: &App) {
    for (feed, list) in app.scoring.verified.ranges.0.load().iter() {
        let age = app.now().milliseconds_since(list.as_of);
        #[expect(clippy::cast_precision_loss, reason = "an age in seconds")]
        metrics::gauge!("quivive_bot_ranges_age_seconds", "feed" => feed.clone()).set((age / 1000) as f64);
    }
}

fn date(text: &str) -> Option<Timestamp> {
    Timestamp::parse_utc(&format!("{text}T00:00:00Z"))
}

const DAY: i64 = 86_400_000;
const MOST_LISTS: usize = 1_000;
const MOST_BYTES: usize = 2 * 1024 * 1024;
const FETCH_TIMEOUT: Duration = Duration::from_secs(20);
const FETCHED_AT_ONCE: usize = 4;
const FOLLOW_PAUSE: Duration = Duration::from_secs(15);
