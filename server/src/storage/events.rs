//! Streams of events, what is asked of them, and their rollups.

use async_trait::async_trait;
use quivive_core::Timestamp;

use super::Result;
use super::distinct::Distinct;
use super::tallies::Tallies;

/// One thing that happened; columns by which events are found, and a body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// The stream: `botect_event`, `detection`, `audit`.
    pub kind: String,
    /// The tenant: a project or app id as text.
    pub project: String,
    /// The id, unique within kind and project: appending it again changes nothing.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// What is counted by: an event type, a bot type, an action. May also name a session.
    pub label: String,
    /// A number to be summed: a score, a duration.
    pub score: Option<f64>,
    /// The rest, as JSON text.
    pub body: String,
    /// How many events the row stands for when only a share of its like is kept; one when absent.
    pub weight: Option<f64>,
    /// Where it is written.
    pub keep: Keep,
    /// What is counted besides the label: a dimension and its value. Not read back.
    pub tallies: Vec<(&'static str, String)>,
    /// The sets of distinct things that it is in. Not read back.
    pub members: Vec<Member>,
}

/// Where an event is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Keep {
    /// A row, and the rollups.
    #[default]
    Both,
    /// A row that rollups leave out.
    Row,
    /// The rollups alone; nothing remembers its id.
    Rollups,
}

/// That an event belongs to something of which distinct ones are counted: a visitor, a bot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// The set: `visitor`, `bot`.
    pub set: &'static str,
    /// What kind of member it was seen as.
    pub class: &'static str,
    /// A hash that is even over 64 bits and that nobody outside can aim at: of a keyed function.
    pub identity: u64,
}

/// Which events to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventQuery {
    /// The stream.
    pub kind: String,
    /// The tenant.
    pub project: String,
    /// Only events of these labels; all when empty.
    pub labels: Vec<String>,
    /// Only events with at least this score.
    pub least_score: Option<f64>,
    /// Only events with at most this score.
    pub most_score: Option<f64>,
    /// Only events whose body has these texts as members.
    pub members: Vec<(&'static str, String)>,
    /// From this moment on.
    pub from: Timestamp,
    /// Up to, not including, this moment; nothing for no end.
    pub to: Option<Timestamp>,
    /// Continue after this event (its time and id).
    pub after: Option<(Timestamp, String)>,
    /// Latest first.
    pub newest_first: bool,
    /// Pass over so many first.
    pub skip: usize,
    /// At most so many.
    pub limit: usize,
}

/// The width of a rollup slot.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Slot {
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    Hour,
    /// A UTC day.
    Day,
    /// All time: one slot that starts at the epoch.
    Ever,
}

impl Slot {
    /// Every width, the finest first.
    pub const ALL: [Self; 4] = [Self::FiveMinutes, Self::Hour, Self::Day, Self::Ever];

    /// The width in milliseconds.
    pub const fn milliseconds(self) -> i64 {
        match self {
            Self::FiveMinutes => 300_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Ever => i64::MAX,
        }
    }

    /// The start of the slot that holds a moment.
    pub const fn start(self, at: Timestamp) -> Timestamp {
        let width = self.milliseconds();
        Timestamp::from_milliseconds(at.milliseconds().div_euclid(width) * width)
    }
}

/// Which rollups to read: whole slots from `from` (inclusive) to `to` (exclusive).
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryQuery {
    /// The stream.
    pub kind: String,
    /// The tenant.
    pub project: String,
    /// The width of the slots.
    pub slot: Slot,
    /// The first slot that starts at or after this moment.
    pub from: Timestamp,
    /// Slots that start before this moment.
    pub to: Timestamp,
}

/// The rollup of one slot and label.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The start of the slot.
    pub at: Timestamp,
    /// The label.
    pub label: String,
    /// How many events.
    pub count: i64,
    /// The sum of their scores.
    pub score_sum: f64,
}

/// Streams of events.
#[async_trait]
pub trait Events: Send + Sync {
    /// Appends and rolls up; durable when it returns. Tells for each event whether it was new: one with the
    /// same kind, project and id is there once.
    async fn append(&self, events: Vec<Event>) -> Result<Vec<bool>>;

    /// Reads events in the order of time, then id.
    async fn scan(&self, query: EventQuery) -> Result<Vec<Event>>;

    /// The event of an id.
    async fn find(&self, kind: &str, project: &str, id: &str) -> Result<Option<Event>>;

    /// How many events there are, counted up to the query's limit.
    async fn count(&self, query: EventQuery) -> Result<u64>;

    /// Reads rollups in the order of time, then label.
    async fn summarize(&self, query: SummaryQuery) -> Result<Vec<Summary>>;

    /// What was tallied in the slots, put together.
    async fn tallies(&self, query: SummaryQuery) -> Result<Tallies>;

    /// The union of a set over the slots.
    async fn distinct(&self, set: &str, query: SummaryQuery) -> Result<Distinct>;

    /// The tenants of a stream, in order.
    async fn tenants(&self, kind: &str) -> Result<Vec<String>>;

    /// Removes events of a stream, of one tenant or of all, from before a moment (rollups stay); returns how many.
    async fn forget(&self, kind: &str, project: Option<&str>, before: Timestamp) -> Result<u64>;

    /// Removes the slots of a width that start before a moment, of every stream; returns how many rows.
    async fn trim(&self, slot: Slot, before: Timestamp) -> Result<u64>;

    /// Removes all that a stream holds of a tenant, rollups too; returns how many rows.
    async fn erase(&self, kind: &str, project: &str) -> Result<u64>;
}
