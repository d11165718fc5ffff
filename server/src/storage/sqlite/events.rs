//! The statements of event streams and their counts by label.

use quivive_core::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row as Columns, named_params, params, params_from_iter};

use super::super::rollups::{Additions, Place};
use super::super::{Event, EventQuery, Keep, Slot, Summary, SummaryQuery};
use super::digests;
use super::operations::{Sql, at_most, count as counted, time};

pub(super) fn append(connection: &Connection, events: &[Event]) -> Sql<Vec<bool>> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO events (kind, project, id, at, label, score, body, weight)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (kind, project, id) DO NOTHING",
    )?;
    let mut fresh = Vec::with_capacity(events.len());
    for event in events {
        let Event { kind, project, id, at, label, score, body, weight, keep, .. } = event;
        let is_new = *keep == Keep::Rollups
            || insert.execute(params![kind, project, id, at.milliseconds(), label, score, body, weight])? > 0;
        fresh.push(is_new);
    }
    let rolled_up = events.iter().zip(&fresh).filter(|(event, is_new)| **is_new && event.keep != Keep::Row);
    let added = Additions::of(rolled_up.map(|(event, _)| event));
    let mut upsert = connection.prepare_cached(
        "INSERT INTO rollups (kind, project, width, at, label, count, score_sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (kind, project, width, at, label)
         DO UPDATE SET count = count + excluded.count, score_sum = score_sum + excluded.score_sum",
    )?;
    for ((Place { kind, project, slot, at }, label), (count, sum)) in &added.counts {
        upsert.execute(params![kind, project, slot.milliseconds(), at.milliseconds(), label, count, sum])?;
    }
    for (place, tallies) in added.tallies {
        digests::add(connection, place, digests::TALLIES, tallies)?;
    }
    for ((place, set), members) in added.sets {
        digests::add(connection, place, set, members)?;
    }
    Ok(fresh)
}

/// Finds the events of each label in an index first, so that rows that are passed over are never read.
pub(super) fn scan(connection: &Connection, query: &EventQuery) -> Sql<Vec<Event>> {
    let order = if query.newest_first { "DESC" } else { "ASC" };
    let mut values = Vec::new();
    let most = query.skip.saturating_add(query.limit);
    let found = arms(query).map(|label| {
        let condition = condition(query, label, &mut values);
        values.push(Value::Integer(at_most(most)));
        format!("SELECT * FROM (SELECT at, id FROM {condition} ORDER BY at {order}, id {order} LIMIT ?)")
    });
    let found = found.collect::<Vec<_>>().join(" UNION ALL ");
    let sql = format!(
        "SELECT {COLUMNS} FROM (SELECT id FROM ({found}) ORDER BY at {order}, id {order} LIMIT ? OFFSET ?) AS found
         CROSS JOIN events USING (id) WHERE kind = ? AND project = ? ORDER BY at {order}, id {order}"
    );
    values.extend([
        Value::Integer(at_most(query.limit)),
        Value::Integer(at_most(query.skip)),
        Value::Text(query.kind.clone()),
        Value::Text(query.project.clone()),
    ]);
    connection.prepare_cached(&sql)?.query_map(params_from_iter(values), read_event)?.collect()
}

pub(super) fn find(connection: &Connection, kind: &str, project: &str, id: &str) -> Sql<Option<Event>> {
    let sql = format!("SELECT {COLUMNS} FROM events WHERE kind = ?1 AND project = ?2 AND id = ?3");
    connection.prepare_cached(&sql)?.query_row(params![kind, project, id], read_event).optional()
}

pub(super) fn count(connection: &Connection, query: &EventQuery) -> Sql<u64> {
    let mut values = Vec::new();
    let found: Vec<String> =
        arms(query).map(|label| format!("SELECT 1 FROM {}", condition(query, label, &mut values))).collect();
    let sql = format!("SELECT COUNT(*) FROM ({} LIMIT ?)", found.join(" UNION ALL "));
    values.push(Value::Integer(at_most(query.limit)));
    let found: i64 =
        connection.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0))?;
    Ok(found.unsigned_abs())
}

pub(super) fn summarize(connection: &Connection, query: &SummaryQuery) -> Sql<Vec<Summary>> {
    connection
        .prepare_cached(
            "SELECT at, label, count, score_sum FROM rollups
             WHERE kind = ?1 AND project = ?2 AND width = ?3 AND at >= ?4 AND at < ?5
             ORDER BY at, label",
        )?
        .query_map(
            params![
                query.kind,
                query.project,
                query.slot.milliseconds(),
                query.from.milliseconds(),
                query.to.milliseconds()
            ],
            |row| {
                Ok(Summary {
                    at: time(row.get(0)?),
                    label: row.get(1)?,
                    count: row.get(2)?,
                    score_sum: row.get(3)?,
                })
            },
        )?
        .collect()
}

/// Steps from tenant to tenant in the indexes, however many rows each has.
pub(super) fn tenants(connection: &Connection, kind: &str) -> Sql<Vec<String>> {
    connection
        .prepare_cached(
            "WITH RECURSIVE of_events (project) AS (
                 SELECT MIN(project) FROM events WHERE kind = :kind
                 UNION ALL
                 SELECT (SELECT MIN(project) FROM events WHERE kind = :kind AND project > of_events.project)
                 FROM of_events WHERE of_events.project IS NOT NULL
             ),
             of_rollups (project) AS (
                 SELECT MIN(project) FROM rollups WHERE kind = :kind
                 UNION ALL
                 SELECT (SELECT MIN(project) FROM rollups WHERE kind = :kind AND project > of_rollups.project)
                 FROM of_rollups WHERE of_rollups.project IS NOT NULL
             )
             SELECT project FROM of_events WHERE project IS NOT NULL
             UNION SELECT project FROM of_rollups WHERE project IS NOT NULL ORDER BY project",
        )?
        .query_map(named_params! { ":kind": kind }, |row| row.get(0))?
        .collect()
}

/// One step of forgetting.
pub(super) fn forget(
    connection: &Connection,
    kind: &str,
    project: Option<&str>,
    before: Timestamp,
) -> Sql<u64> {
    let of_project = if project.is_some() { "AND project = ?4" } else { "AND ?4 IS NULL" };
    let sql = format!(
        "DELETE FROM events WHERE (kind, project, id) IN (
             SELECT kind, project, id FROM events WHERE kind = ?1 AND at < ?2 {of_project} LIMIT ?3)"
    );
    counted(connection.prepare_cached(&sql)?.execute(params![kind, before.milliseconds(), STEP, project]))
}

/// One step of trimming.
pub(super) fn trim(connection: &Connection, slot: Slot, before: Timestamp) -> Sql<u64> {
    let mut removed = 0;
    for (table, key) in [("rollups", "kind, project, width, at, label"), ("digests", "rowid")] {
        let sql = format!(
            "DELETE FROM {table} WHERE ({key}) IN (
                 SELECT {key} FROM {table} WHERE width = ?1 AND at < ?2 LIMIT ?3)"
        );
        let parameters = params![slot.milliseconds(), before.milliseconds(), STEP];
        removed += counted(connection.prepare_cached(&sql)?.execute(parameters))?;
    }
    Ok(removed)
}

/// One step of erasing.
pub(super) fn erase(connection: &Connection, kind: &str, project: &str) -> Sql<u64> {
    let mut removed = 0;
    for (table, key) in [
        ("events", "kind, project, id"),
        ("rollups", "kind, project, width, at, label"),
        ("digests", "rowid"),
    ] {
        let sql = format!(
            "DELETE FROM {table} WHERE ({key}) IN (
                 SELECT {key} FROM {table} WHERE kind = ?1 AND project = ?2 LIMIT ?3)"
        );
        removed += counted(connection.prepare_cached(&sql)?.execute(params![kind, project, STEP]))?;
    }
    Ok(removed)
}

/// The labels that are looked for one by one; one search for all when the query names none.
fn arms(query: &EventQuery) -> impl Iterator<Item = Option<&String>> {
    let all = query.labels.is_empty().then_some(None);
    let mut labels: Vec<&String> = query.labels.iter().collect();
    labels.sort_unstable();
    labels.dedup();
    all.into_iter().chain(labels.into_iter().map(Some))
}

/// The table with the index that fits and what its rows must be; the values are appended in the order of their places.
fn condition(query: &EventQuery, label: Option<&String>, values: &mut Vec<Value>) -> String {
    let index = if label.is_some() { "events_by_label" } else { "events_by_time" };
    let mut sql = format!("events INDEXED BY {index} WHERE kind = ? AND project = ? AND at >= ? AND at < ?");
    values.extend([
        Value::Text(query.kind.clone()),
        Value::Text(query.project.clone()),
        Value::Integer(query.from.milliseconds()),
        Value::Integer(query.to.map_or(i64::MAX, Timestamp::milliseconds)),
    ]);
    let mut also = |text: &str, value: Value| {
        sql.push_str(text);
        values.push(value);
    };
    if let Some(label) = label {
        also(" AND label = ?", Value::Text(label.clone()));
    }
    if let Some(score) = query.least_score {
        also(" AND score >= ?", Value::Real(score));
    }
    if let Some(score) = query.most_score {
        also(" AND score <= ?", Value::Real(score));
    }
    for (member, text) in &query.members {
        also(&format!(" AND json_extract(body, '$.{member}') = ?"), Value::Text(text.clone()));
    }
    if let Some((at, id)) = &query.after {
        let beyond = if query.newest_first { "<" } else { ">" };
        also(&format!(" AND (at, id) {beyond} (?,"), Value::Integer(at.milliseconds()));
        also(" ?)", Value::Text(id.clone()));
    }
    sql
}

fn read_event(columns: &Columns<'_>) -> Sql<Event> {
    Ok(Event {
        kind: columns.get(0)?,
        project: columns.get(1)?,
        id: columns.get(2)?,
        at: time(columns.get(3)?),
        label: columns.get(4)?,
        score: columns.get(5)?,
        body: columns.get(6)?,
        weight: columns.get(7)?,
        ..Event::default()
    })
}

const COLUMNS: &str = "kind, project, id, at, label, score, body, weight";

/// Rows that one step removes from a table.
const STEP: i64 = 5_000;
