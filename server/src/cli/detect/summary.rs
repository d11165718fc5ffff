//! Counts of what was found.

use std::collections::BTreeMap;

use super::judge::{Address, Kind, Verdict};
use super::record::Record;
use super::top::Top;

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub total: u64,
    pub kinds: BTreeMap<Kind, u64>,
    /// Counts by the place of the name.
    pub who: Vec<Visits>,
    /// Requests by hour since 1970: people, AI, other bots.
    pub hours: BTreeMap<i64, [u64; 3]>,
    /// Paths that AI asks for.
    pub paths: Top,
    pub unreadable: u64,
    /// The first line that could not be read, and why.
    pub first_unreadable: Option<String>,
}

/// Requests of one name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Visits {
    pub total: u64,
    /// From the operator's own addresses.
    pub own: u64,
    /// From elsewhere.
    pub other: u64,
    /// Whether the lists were young enough to prove that.
    pub is_proof: bool,
}

/// The coarse groups of kinds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Group {
    People,
    Ai,
    Bots,
    Unclear,
}

impl Kind {
    /// The group to which it belongs.
    pub fn group(self) -> Group {
        match self {
            Self::Browser => Group::People,
            Self::AiAgent | Self::AiCrawler => Group::Ai,
            Self::Unclear => Group::Unclear,
            _ => Group::Bots,
        }
    }
}

impl Summary {
    /// Counts a request.
    pub fn add(&mut self, record: &Record<'_>, verdict: &Verdict) {
        self.total += 1;
        *self.kinds.entry(verdict.kind).or_default() += 1;
        let group = verdict.kind.group();
        if let Some(place) = verdict.who {
            if self.who.len() <= place {
                self.who.resize(place + 1, Visits::default());
            }
            if let Some(visits) = self.who.get_mut(place) {
                visits.add(verdict.address);
            }
        }
        let column = match group {
            Group::People => Some(0),
            Group::Ai => Some(1),
            Group::Bots => Some(2),
            Group::Unclear => None,
        };
        if let Some(time) = record.time {
            let hour = time.seconds().div_euclid(3_600);
            if self.hours.len() < MOST_HOURS || self.hours.contains_key(&hour) {
                let counts = self.hours.entry(hour).or_default();
                if let Some(count) = column.and_then(|column| counts.get_mut(column)) {
                    *count += 1;
                }
            }
        }
        if group == Group::Ai
            && let Some(path) = &record.path
        {
            self.paths.add(path);
        }
    }

    /// How many requests are of this group.
    pub fn of_group(&self, group: Group) -> u64 {
        self.kinds.iter().filter(|(kind, _)| kind.group() == group).map(|(_, count)| count).sum()
    }
}

impl Visits {
    fn add(&mut self, address: Address) {
        self.total += 1;
        match address {
            Address::Unknown => {}
            Address::Own { is_fresh } => {
                self.own += 1;
                self.is_proof |= is_fresh;
            }
            Address::Other { is_fresh } => {
                self.other += 1;
                self.is_proof |= is_fresh;
            }
        }
    }
}

/// Ten years of hours.
const MOST_HOURS: usize = 87_600;
