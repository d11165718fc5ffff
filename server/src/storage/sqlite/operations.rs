//! The statements of records and counters. Everything here runs inside a transaction or as a single read.

use quivive_core::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row as Columns, named_params, params};

use super::super::{Admission, Condition, Error, Put, Result, Row};

pub(super) type Sql<T> = rusqlite::Result<T>;

pub(super) fn get(connection: &Connection, kind: &str, id: &str, now: Timestamp) -> Sql<Option<Row>> {
    connection
        .prepare_cached(
            "SELECT kind, id, parent, version, expires_at, body FROM records
             WHERE kind = ?1 AND id = ?2 AND (expires_at IS NULL OR expires_at > ?3)",
        )?
        .query_row(params![kind, id, now.milliseconds()], read_row)
        .optional()
}

/// Checks every condition before the first write, so that a refusal has written nothing.
pub(super) fn put(connection: &Connection, changes: &[Put], now: Timestamp) -> Sql<Result<()>> {
    for change in changes {
        if change.condition == Condition::Any {
            continue;
        }
        let version = live_version(connection, change, now)?;
        let holds = match change.condition {
            Condition::Any => true,
            Condition::Absent => version.is_none(),
            Condition::AbsentOf(most) if version.is_none() => {
                if !has_room(connection, change, most, now)? {
                    return Ok(Err(Error::Full));
                }
                true
            }
            Condition::AbsentOf(_) => false,
            Condition::Version(expected) => version == Some(expected),
        };
        if !holds {
            return Ok(Err(Error::Conflict));
        }
    }
    for change in changes {
        match &change.content {
            None => {
                connection
                    .prepare_cached("DELETE FROM records WHERE kind = ?1 AND id = ?2")?
                    .execute(params![change.kind, change.id])?;
            }
            Some(content) => {
                connection
                    .prepare_cached(
                        "INSERT INTO records (kind, id, parent, version, expires_at, body)
                         VALUES (:kind, :id, :parent, 1, :expires_at, :body)
                         ON CONFLICT (kind, id) DO UPDATE SET
                             version = CASE WHEN expires_at IS NULL OR expires_at > :now THEN version + 1 ELSE 1 END,
                             parent = excluded.parent, expires_at = excluded.expires_at, body = excluded.body",
                    )?
                    .execute(named_params! {
                        ":kind": change.kind,
                        ":id": change.id,
                        ":parent": content.parent,
                        ":expires_at": content.expires_at.map(Timestamp::milliseconds),
                        ":body": content.body,
                        ":now": now.milliseconds(),
                    })?;
            }
        }
    }
    Ok(Ok(()))
}

pub(super) fn take(connection: &Connection, kind: &str, id: &str, now: Timestamp) -> Sql<Option<Row>> {
    let row = connection
        .prepare_cached(
            "DELETE FROM records WHERE kind = ?1 AND id = ?2
             RETURNING kind, id, parent, version, expires_at, body",
        )?
        .query_row(params![kind, id], read_row)
        .optional()?;
    Ok(row.filter(|row| row.expires_at.is_none_or(|at| at > now)))
}

pub(super) fn list(
    connection: &Connection,
    kind: &str,
    parent: &str,
    after: Option<&str>,
    limit: usize,
    now: Timestamp,
) -> Sql<Vec<Row>> {
    connection
        .prepare_cached(
            "SELECT kind, id, parent, version, expires_at, body FROM records
             WHERE kind = ?1 AND parent = ?2 AND (?3 IS NULL OR id > ?3)
               AND (expires_at IS NULL OR expires_at > ?4)
             ORDER BY id LIMIT ?5",
        )?
        .query_map(params![kind, parent, after, now.milliseconds(), at_most(limit)], read_row)?
        .collect()
}

pub(super) fn sweep_records(connection: &Connection, now: Timestamp) -> Sql<u64> {
    count(
        connection
            .prepare_cached("DELETE FROM records WHERE expires_at <= ?1")?
            .execute([now.milliseconds()]),
    )
}

pub(super) fn add(
    connection: &Connection,
    key: &str,
    window_start: Timestamp,
    amount: i64,
    expires_at: Timestamp,
) -> Sql<i64> {
    connection
        .prepare_cached(
            "INSERT INTO counters (key, admitted, starts_at, value, expires_at) VALUES (?1, 0, ?2, ?3, ?4)
             ON CONFLICT (key, admitted, starts_at) DO UPDATE SET value = value + excluded.value
             RETURNING value",
        )?
        .query_row(params![key, window_start.milliseconds(), amount, expires_at.milliseconds()], |row| {
            row.get(0)
        })
}

pub(super) fn admit(
    connection: &Connection,
    key: &str,
    ends_at: Timestamp,
    limit: i64,
    now: Timestamp,
) -> Sql<Admission> {
    connection
        .prepare_cached("DELETE FROM counters WHERE key = ?1 AND admitted = 1 AND expires_at <= ?2")?
        .execute(params![key, now.milliseconds()])?;
    let open = peek(connection, key, now)?;
    let (count, resets_at) = open.map_or((0, ends_at), |window| (window.count, window.resets_at));
    if count >= limit {
        return Ok(Admission { admitted: false, count, resets_at });
    }
    connection
        .prepare_cached(
            "INSERT INTO counters (key, admitted, starts_at, value, expires_at) VALUES (?1, 1, 0, 1, ?2)
             ON CONFLICT (key, admitted, starts_at) DO UPDATE SET value = value + 1",
        )?
        .execute(params![key, resets_at.milliseconds()])?;
    Ok(Admission { admitted: true, count: count + 1, resets_at })
}

pub(super) fn peek(connection: &Connection, key: &str, now: Timestamp) -> Sql<Option<Admission>> {
    connection
        .prepare_cached(
            "SELECT value, expires_at FROM counters WHERE key = ?1 AND admitted = 1 AND expires_at > ?2",
        )?
        .query_row(params![key, now.milliseconds()], |row| {
            Ok(Admission { admitted: true, count: row.get(0)?, resets_at: time(row.get(1)?) })
        })
        .optional()
}

pub(super) fn read_counter(connection: &Connection, key: &str, window_start: Timestamp) -> Sql<i64> {
    let value = connection
        .prepare_cached("SELECT value FROM counters WHERE key = ?1 AND admitted = 0 AND starts_at = ?2")?
        .query_row(params![key, window_start.milliseconds()], |row| row.get(0))
        .optional()?;
    Ok(value.unwrap_or(0))
}

pub(super) fn reset(connection: &Connection, key: &str) -> Sql<()> {
    connection.prepare_cached("DELETE FROM counters WHERE key = ?1")?.execute([key]).map(|_| ())
}

pub(super) fn sweep_counters(connection: &Connection, now: Timestamp) -> Sql<u64> {
    count(
        connection
            .prepare_cached("DELETE FROM counters WHERE expires_at <= ?1")?
            .execute([now.milliseconds()]),
    )
}

fn live_version(connection: &Connection, change: &Put, now: Timestamp) -> Sql<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT version FROM records
             WHERE kind = ?1 AND id = ?2 AND (expires_at IS NULL OR expires_at > ?3)",
        )?
        .query_row(params![change.kind, change.id, now.milliseconds()], |row| row.get(0))
        .optional()
}

/// Whether the parent of a row that is to be written has fewer than so many.
fn has_room(connection: &Connection, change: &Put, most: usize, now: Timestamp) -> Sql<bool> {
    let parent = change.content.as_ref().map_or("", |content| content.parent.as_str());
    let found: i64 = connection
        .prepare_cached(
            "SELECT COUNT(*) FROM (
                 SELECT 1 FROM records INDEXED BY records_by_parent
                 WHERE kind = ?1 AND parent = ?2 AND (expires_at IS NULL OR expires_at > ?3) LIMIT ?4)",
        )?
        .query_row(params![change.kind, parent, now.milliseconds(), at_most(most)], |row| row.get(0))?;
    Ok(found < at_most(most))
}

fn read_row(columns: &Columns<'_>) -> Sql<Row> {
    Ok(Row {
        kind: columns.get(0)?,
        id: columns.get(1)?,
        parent: columns.get(2)?,
        version: columns.get(3)?,
        expires_at: columns.get::<_, Option<i64>>(4)?.map(time),
        body: columns.get(5)?,
    })
}

pub(super) fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(milliseconds)
}

pub(super) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn count(changed: Sql<usize>) -> Sql<u64> {
    changed.map(|rows| u64::try_from(rows).unwrap_or(u64::MAX))
}
