//! Figures of a project's detections over a range: from rollups, whatever the number of rows.
//!
//! A range is covered by the widest slots that fit; what is left at its ends is counted from rows. Ends that are too old
//! for that, or have too many rows, go to the nearest end of a slot that is still kept.

use std::collections::BTreeMap;

use quivive_core::Timestamp;

use super::STREAM;
use super::period::Period;
use super::retention::{DAY, FIVE_MINUTES_DAYS, days};
use super::row::{BOTS, Row, TYPES};
use crate::app::App;
use crate::storage::distinct::Distinct;
use crate::storage::tallies::{Counted, Tallies};
use crate::storage::{self, Digest, EventQuery, Slot, SummaryQuery};
use crate::tenant::Project;

/// From a moment on, up to and without another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Range {
    /// The first moment.
    pub from: Timestamp,
    /// The end.
    pub to: Timestamp,
}

/// What is asked for besides counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Distinct bots.
    pub bots: bool,
    /// Tallies.
    pub tallies: bool,
}

/// What happened in a range.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// The periods that the range touches, in order, with those in which nothing happened.
    pub buckets: Vec<Bucket>,
    /// Detections by type, in the order of the types; those that happened.
    pub types: Vec<(&'static str, u64)>,
    /// The mean confidence of bots; 0 when there were none.
    pub mean_confidence: f64,
    /// Distinct bots by type.
    pub bots: Distinct,
    /// Counts by dimension.
    pub tallies: Tallies,
}

/// One period.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bucket {
    /// When it starts.
    pub start: Timestamp,
    /// Detections of bots.
    pub bots: u64,
    /// Other detections.
    pub humans: u64,
}

/// The figures of a range, in buckets of a period.
///
/// # Errors
/// If storage does not answer.
pub async fn figures(
    app: &App,
    project: &Project,
    range: Range,
    period: Period,
    wanted: Wanted,
) -> storage::Result<Figures> {
    let starts = period.starts(range.from, range.to, MOST_BUCKETS);
    let mut sums = Sums::new(starts);
    if range.from >= range.to {
        return Ok(sums.into_figures());
    }
    let events = app.storage.events();
    let source = Source::new(app, project);
    let range = source.without_busy_ends(app, source.snapped(range)).await?;
    let widest = if period == Period::Hour { Slot::Hour } else { Slot::Day };
    for (piece, slot) in source.cover(range, widest) {
        match slot {
            Some(slot) => {
                for row in events.summarize(source.slots(piece, slot)).await? {
                    sums.add(row.at, &row.label, number(row.count), row.score_sum);
                }
            }
            None => source.count_rows(app, piece, wanted, &mut sums).await?,
        }
    }
    if wanted.bots || wanted.tallies {
        for (piece, slot) in source.cover(range, Slot::Day) {
            let Some(slot) = slot else { continue };
            if wanted.bots {
                sums.bots.merge(events.distinct(BOTS, source.slots(piece, slot)).await?);
            }
            if wanted.tallies {
                sums.tallies.merge(events.tallies(source.slots(piece, slot)).await?);
            }
        }
    }
    Ok(sums.into_figures())
}

/// How many rows of these labels, of all when there are none, a range has: counted one by one up to 120,000, and beyond
/// that from rollups. They leave out tests, and of people of whom only a share is kept this counts the share.
///
/// # Errors
/// If storage does not answer.
pub async fn rows(app: &App, project: &Project, range: Range, labels: &[String]) -> storage::Result<u64> {
    let source = Source::new(app, project);
    let events = app.storage.events();
    let count = |Range { from, to }: Range| {
        let (kind, project, labels) = (STREAM.to_owned(), source.project.clone(), labels.to_vec());
        let to = Some(to);
        events.count(EventQuery {
            kind,
            project,
            labels,
            from,
            to,
            limit: MOST_COUNTED,
            ..EventQuery::default()
        })
    };
    let counted = count(range).await?;
    if counted < MOST_COUNTED as u64 {
        return Ok(counted);
    }
    let kept =
        Range { from: range.from.max(source.rows_from), to: range.to.min(source.now.plus_milliseconds(1)) };
    let mut sum = 0.0;
    for (piece, slot) in source.cover(kept, Slot::Day) {
        let Some(slot) = slot else {
            sum += share(count(piece).await?, 1.0);
            continue;
        };
        for row in events.summarize(source.slots(piece, slot)).await? {
            if labels.is_empty() || labels.contains(&row.label) {
                let is_bot = TYPES.iter().take(BOT_TYPES).any(|(_, name)| *name == row.label);
                sum +=
                    share(row.count.unsigned_abs(), if is_bot { 1.0 } else { project.detection.human_rows });
            }
        }
    }
    Ok(whole(sum).max(counted))
}

/// How often each type was ever detected.
///
/// # Errors
/// If storage does not answer.
pub async fn total(app: &App, project_id: i64) -> storage::Result<u64> {
    counted(app, project_id, Slot::Ever).await
}

/// How often something was detected since midnight (UTC).
///
/// # Errors
/// If storage does not answer.
pub async fn today(app: &App, project_id: i64) -> storage::Result<u64> {
    counted(app, project_id, Slot::Day).await
}

/// The slot of all time, or the present one.
pub fn present(app: &App, project_id: i64, slot: Slot) -> SummaryQuery {
    let from = slot.start(app.now());
    let (kind, project) = (STREAM.to_owned(), project_id.to_string());
    SummaryQuery { kind, project, slot, from, to: from.plus_milliseconds(1) }
}

async fn counted(app: &App, project_id: i64, slot: Slot) -> storage::Result<u64> {
    let rows = app.storage.events().summarize(present(app, project_id, slot)).await?;
    Ok(rows.iter().map(|row| row.count.unsigned_abs()).sum())
}

/// Where the figures of a project come from.
struct Source {
    project: String,
    now: Timestamp,
    /// From here on rows are kept.
    rows_from: Timestamp,
    /// From here on slots of five minutes are kept.
    fine_from: Timestamp,
}

impl Source {
    fn new(app: &App, project: &Project) -> Self {
        let now = app.now();
        Self {
            project: project.id.to_string(),
            now,
            rows_from: now.plus_milliseconds(-days(app, project.detection.retention_days) * DAY),
            fine_from: now.plus_milliseconds(-FIVE_MINUTES_DAYS * DAY),
        }
    }

    /// Ends where there are no rows to count any more go to the nearest end of a slot; an end in the future to the end
    /// of today, since nothing has happened there yet.
    fn snapped(&self, range: Range) -> Range {
        let snap = |at: Timestamp| match at {
            at if at >= self.rows_from => at,
            at if at >= self.fine_from => nearest(at, Slot::FiveMinutes),
            at => nearest(at, Slot::Hour),
        };
        let to =
            if range.to > self.now { range.to.max(ceiling(self.now, Slot::Day)) } else { snap(range.to) };
        Range { from: snap(range.from), to }
    }

    /// An end inside of a slot with more rows than one request may have read goes to the nearest end of the slot; a
    /// range that would be empty by that goes to the ends around it.
    async fn without_busy_ends(&self, app: &App, range: Range) -> storage::Result<Range> {
        let mut rounded = range;
        for (piece, slot) in self.cover(range, Slot::Day) {
            if slot.is_some() {
                continue;
            }
            let query = EventQuery {
                kind: STREAM.to_owned(),
                project: self.project.clone(),
                from: piece.from,
                to: Some(piece.to),
                limit: MOST_READ + 1,
                ..EventQuery::default()
            };
            if app.storage.events().count(query).await? <= MOST_READ as u64 {
                continue;
            }
            let slot = if piece.from >= self.fine_from { Slot::FiveMinutes } else { Slot::Hour };
            if piece.from == range.from {
                rounded.from = nearest(range.from, slot);
            }
            if piece.to == range.to {
                rounded.to = nearest(range.to, slot);
            }
            if rounded.from >= rounded.to {
                rounded = Range { from: slot.start(range.from), to: ceiling(range.to, slot) };
            }
        }
        Ok(rounded)
    }

    /// Pieces that together are the range: whole slots, or none for what is to be counted from rows.
    fn cover(&self, range: Range, widest: Slot) -> Vec<(Range, Option<Slot>)> {
        let mut pieces = Vec::new();
        self.cover_with(range, Some(widest), &mut pieces);
        pieces
    }

    fn cover_with(&self, range: Range, slot: Option<Slot>, pieces: &mut Vec<(Range, Option<Slot>)>) {
        let Range { from, to } = range;
        if from >= to {
            return;
        }
        let Some(slot) = slot else { return pieces.push((range, None)) };
        let finer = match slot {
            Slot::Ever | Slot::Day => Some(Slot::Hour),
            Slot::Hour => Some(Slot::FiveMinutes),
            Slot::FiveMinutes => None,
        };
        let (first, last) = (ceiling(from, slot), slot.start(to));
        if first >= last || slot == Slot::FiveMinutes && first < self.fine_from {
            return self.cover_with(range, finer, pieces);
        }
        self.cover_with(Range { from, to: first }, finer, pieces);
        pieces.push((Range { from: first, to: last }, Some(slot)));
        self.cover_with(Range { from: last, to }, finer, pieces);
    }

    fn slots(&self, Range { from, to }: Range, slot: Slot) -> SummaryQuery {
        SummaryQuery { kind: STREAM.to_owned(), project: self.project.clone(), slot, from, to }
    }

    async fn count_rows(
        &self,
        app: &App,
        Range { from, to }: Range,
        wanted: Wanted,
        sums: &mut Sums,
    ) -> storage::Result<()> {
        let mut after = None;
        loop {
            let query = EventQuery {
                kind: STREAM.to_owned(),
                project: self.project.clone(),
                from,
                to: Some(to),
                after: after.take(),
                limit: PAGE,
                ..EventQuery::default()
            };
            let rows = app.storage.events().scan(query).await?;
            let mut bots = Vec::new();
            for event in &rows {
                let Ok(row) = serde_json::from_str::<Row>(&event.body) else { continue };
                if row.test {
                    continue;
                }
                let weight = event.weight.unwrap_or(1.0);
                sums.add(event.at, &event.label, weight, event.score.unwrap_or_default() * weight);
                bots.extend(row.members().into_iter().filter(|member| member.set == BOTS));
                if wanted.tallies {
                    for (dimension, value) in row.tallies() {
                        let entry = sums.weights.entry((dimension, value)).or_default();
                        *entry = (entry.0 + weight, entry.1.max(event.at));
                    }
                }
            }
            sums.bots.merge(Distinct::of(bots.iter().map(|member| (member.class, member.identity))));
            match rows.last() {
                Some(last) if rows.len() == PAGE => after = Some((last.at, last.id.clone())),
                _ => return Ok(()),
            }
        }
    }
}

/// What is summed up on the way; fractions of thinned rows are rounded at the end.
struct Sums {
    starts: Vec<Timestamp>,
    buckets: Vec<[f64; 2]>,
    types: BTreeMap<usize, (f64, f64)>,
    bots: Distinct,
    tallies: Tallies,
    weights: BTreeMap<(&'static str, String), (f64, Timestamp)>,
}

impl Sums {
    fn new(starts: Vec<Timestamp>) -> Self {
        Self {
            buckets: vec![[0.0; 2]; starts.len()],
            starts,
            types: BTreeMap::new(),
            bots: Distinct::default(),
            tallies: Tallies::default(),
            weights: BTreeMap::new(),
        }
    }

    fn add(&mut self, at: Timestamp, label: &str, count: f64, confidence: f64) {
        let kind = TYPES.iter().position(|(_, name)| *name == label).unwrap_or(TYPES.len() - 1);
        let sum = self.types.entry(kind).or_default();
        *sum = (sum.0 + count, sum.1 + confidence);
        let bucket = self.starts.partition_point(|start| *start <= at).saturating_sub(1);
        if let Some([bots, humans]) = self.buckets.get_mut(bucket) {
            *(if kind < BOT_TYPES { bots } else { humans }) += count;
        }
    }

    fn into_figures(mut self) -> Figures {
        for ((dimension, value), (weight, last_at)) in self.weights {
            self.tallies.add(dimension, &value, Counted { count: whole(weight), last_at });
        }
        let bots = self.types.range(..BOT_TYPES).map(|(_, sum)| *sum);
        let (count, confidence) = bots.fold((0.0, 0.0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
        let buckets = self.starts.iter().zip(self.buckets);
        Figures {
            buckets: buckets
                .map(|(start, [bots, humans])| Bucket {
                    start: *start,
                    bots: whole(bots),
                    humans: whole(humans),
                })
                .collect(),
            types: TYPES
                .iter()
                .enumerate()
                .filter_map(|(kind, (_, name))| Some((*name, whole(self.types.get(&kind)?.0))))
                .collect(),
            mean_confidence: if count > 0.0 { confidence / count } else { 0.0 },
            bots: self.bots,
            tallies: self.tallies,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn share(count: u64, share: f64) -> f64 {
    count as f64 * share
}

fn ceiling(at: Timestamp, slot: Slot) -> Timestamp {
    let start = slot.start(at);
    if start == at { at } else { start.plus_milliseconds(slot.milliseconds()) }
}

fn nearest(at: Timestamp, slot: Slot) -> Timestamp {
    slot.start(at.plus_milliseconds(slot.milliseconds() / 2))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn number(count: i64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are far below 2^53")]
fn whole(number: f64) -> u64 {
    number.max(0.0).round() as u64
}

/// The types before `human` and `unknown`.
const BOT_TYPES: usize = TYPES.len() - 2;

/// More periods are cut off; callers refuse longer ranges.
pub const MOST_BUCKETS: usize = 1_000;

/// Rows at one end of a range that are read for figures; a project with more in five minutes will not miss the rest.
const MOST_READ: usize = 50_000;

/// Rows that are counted one by one, for a total: more than pages reach.
const MOST_COUNTED: usize = 120_000;

/// Rows that are read at once.
const PAGE: usize = 5_000;
