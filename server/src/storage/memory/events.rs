//! Event streams in memory.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use async_trait::async_trait;
use quivive_core::Timestamp;
use serde_json::Value;

use super::super::distinct::Distinct;
use super::super::rollups::{Additions, Digest, Place};
use super::super::tallies::Tallies;
use super::super::{Event, EventQuery, Events, Keep, Result, Slot, Summary, SummaryQuery};
use super::Memory;

/// Everything that was appended.
#[derive(Default)]
pub(super) struct Streams {
    /// By kind and project, then id.
    rows: BTreeMap<(String, String), BTreeMap<String, Event>>,
    counts: BTreeMap<(Spot, String), (i64, f64)>,
    tallies: BTreeMap<Spot, Tallies>,
    /// By the set's name after its place.
    sets: BTreeMap<(Spot, String), Distinct>,
}

/// Kind, project, slot and its start.
type Spot = (String, String, Slot, Timestamp);

impl Memory {
    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Events for Memory {
    async fn append(&self, events: Vec<Event>) -> Result<Vec<bool>> {
        let mut streams = self.streams();
        let fresh: Vec<bool> = events.iter().map(|event| streams.insert(event)).collect();
        let rolled_up =
            events.iter().zip(&fresh).filter(|(event, is_new)| **is_new && event.keep != Keep::Row);
        streams.add(Additions::of(rolled_up.map(|(event, _)| event)));
        Ok(fresh)
    }

    async fn scan(&self, query: EventQuery) -> Result<Vec<Event>> {
        let streams = self.streams();
        let mut found: Vec<&Event> = streams.matching(&query).collect();
        found.sort_by_key(|event| (event.at, &event.id));
        if query.newest_first {
            found.reverse();
        }
        Ok(found.into_iter().skip(query.skip).take(query.limit).cloned().collect())
    }

    async fn find(&self, kind: &str, project: &str, id: &str) -> Result<Option<Event>> {
        let streams = self.streams();
        let stream = streams.rows.get(&(kind.to_owned(), project.to_owned()));
        Ok(stream.and_then(|rows| rows.get(id)).cloned())
    }

    async fn count(&self, query: EventQuery) -> Result<u64> {
        Ok(self.streams().matching(&query).take(query.limit).count() as u64)
    }

    async fn summarize(&self, query: SummaryQuery) -> Result<Vec<Summary>> {
        let streams = self.streams();
        let found = streams.counts.range(
            (spot(&query, query.from), String::new())
                ..(spot(&query, query.to.max(query.from)), String::new()),
        );
        Ok(found
            .map(|(((_, _, _, at), label), (count, score_sum))| Summary {
                at: *at,
                label: label.clone(),
                count: *count,
                score_sum: *score_sum,
            })
            .collect())
    }

    async fn tallies(&self, query: SummaryQuery) -> Result<Tallies> {
        let mut whole = Tallies::default();
        for (_, part) in
            self.streams().tallies.range(spot(&query, query.from)..spot(&query, query.to.max(query.from)))
        {
            whole.merge(part.clone());
        }
        Ok(whole)
    }

    async fn distinct(&self, set: &str, query: SummaryQuery) -> Result<Distinct> {
        let mut whole = Distinct::default();
        let streams = self.streams();
        let range = (spot(&query, query.from), String::new())
            ..(spot(&query, query.to.max(query.from)), String::new());
        for ((_, name), part) in streams.sets.range(range) {
            if name == set {
                whole.merge(part.clone());
            }
        }
        Ok(whole)
    }

    async fn tenants(&self, kind: &str) -> Result<Vec<String>> {
        let streams = self.streams();
        let of_rows = streams.rows.iter().filter(|(_, rows)| !rows.is_empty()).map(|(key, _)| key);
        let of_counts = streams.counts.keys().map(|((kind, project, _, _), _)| (kind, project));
        let all = of_rows.map(|(kind, project)| (kind, project)).chain(of_counts);
        let mut tenants: Vec<String> =
            all.filter(|(found, _)| *found == kind).map(|(_, project)| project.clone()).collect();
        tenants.sort_unstable();
        tenants.dedup();
        Ok(tenants)
    }

    async fn forget(&self, kind: &str, project: Option<&str>, before: Timestamp) -> Result<u64> {
        let mut streams = self.streams();
        let mut removed = 0;
        for ((found, tenant), rows) in &mut streams.rows {
            if found == kind && project.is_none_or(|project| project == tenant) {
                let known = rows.len();
                rows.retain(|_, event| event.at >= before);
                removed += (known - rows.len()) as u64;
            }
        }
        Ok(removed)
    }

    async fn trim(&self, slot: Slot, before: Timestamp) -> Result<u64> {
        Ok(self.streams().remove_slots(|(_, _, found, at)| *found == slot && *at < before))
    }

    async fn erase(&self, kind: &str, project: &str) -> Result<u64> {
        let mut streams = self.streams();
        let rows = streams.rows.remove(&(kind.to_owned(), project.to_owned()));
        let slots = streams.remove_slots(|(found, tenant, _, _)| found == kind && tenant == project);
        Ok(rows.map_or(0, |rows| rows.len() as u64) + slots)
    }
}

impl Streams {
    fn insert(&mut self, event: &Event) -> bool {
        if event.keep == Keep::Rollups {
            return true;
        }
        let rows = self.rows.entry((event.kind.clone(), event.project.clone())).or_default();
        if rows.contains_key(&event.id) {
            return false;
        }
        let row = Event { keep: Keep::Both, tallies: Vec::new(), members: Vec::new(), ..event.clone() };
        rows.insert(event.id.clone(), row);
        true
    }

    fn add(&mut self, added: Additions<'_>) {
        for ((place, label), (count, sum)) in added.counts {
            let known = self.counts.entry((spot_of(place), label.to_owned())).or_default();
            *known = (known.0 + count, known.1 + sum);
        }
        for (place, tallies) in added.tallies {
            let known = self.tallies.entry(spot_of(place)).or_default();
            known.merge(tallies);
            known.shrink();
        }
        for ((place, set), members) in added.sets {
            self.sets.entry((spot_of(place), set.to_owned())).or_default().merge(members);
        }
    }

    fn matching<'a>(&'a self, query: &'a EventQuery) -> impl Iterator<Item = &'a Event> {
        let stream = self.rows.get(&(query.kind.clone(), query.project.clone()));
        stream.into_iter().flat_map(BTreeMap::values).filter(|event| matches(event, query))
    }

    fn remove_slots(&mut self, is_removed: impl Fn(&Spot) -> bool) -> u64 {
        let size = |streams: &Self| streams.counts.len() + streams.tallies.len() + streams.sets.len();
        let known = size(self);
        self.counts.retain(|(spot, _), _| !is_removed(spot));
        self.tallies.retain(|spot, _| !is_removed(spot));
        self.sets.retain(|(spot, _), _| !is_removed(spot));
        (known - size(self)) as u64
    }
}

fn matches(event: &Event, query: &EventQuery) -> bool {
    let is_after = query.after.as_ref().is_none_or(|(at, id)| {
        let (found, cursor) = ((event.at, &event.id), (*at, id));
        if query.newest_first { found < cursor } else { found > cursor }
    });
    let has_members = || {
        let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
        query.members.iter().all(|(member, text)| body.get(member).and_then(Value::as_str) == Some(text))
    };
    is_after
        && event.at >= query.from
        && query.to.is_none_or(|to| event.at < to)
        && (query.labels.is_empty() || query.labels.contains(&event.label))
        && query.least_score.is_none_or(|least| event.score.is_some_and(|score| score >= least))
        && query.most_score.is_none_or(|most| event.score.is_some_and(|score| score <= most))
        && (query.members.is_empty() || has_members())
}

fn spot(query: &SummaryQuery, at: Timestamp) -> Spot {
    (query.kind.clone(), query.project.clone(), query.slot, at)
}

fn spot_of(place: Place<'_>) -> Spot {
    (place.kind.to_owned(), place.project.to_owned(), place.slot, place.at)
}
