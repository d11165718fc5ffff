//! The statements of tallies and sets: a write adds a segment, and many segments become one.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::rollups::{Digest, Place};
use super::super::{Result, SummaryQuery};
use super::operations::Sql;

/// The name under which tallies are stored; sets have their own.
pub(super) const TALLIES: &str = "";

/// Adds to what a slot holds.
pub(super) fn add<T: Digest>(connection: &Connection, place: Place<'_>, name: &str, mut added: T) -> Sql<()> {
    let Place { kind, project, slot, at } = place;
    let (width, at) = (slot.milliseconds(), at.milliseconds());
    let last: Option<i64> = connection
        .prepare_cached(
            "SELECT segment FROM digests
             WHERE kind = ?1 AND project = ?2 AND width = ?3 AND name = ?4 AND at = ?5
             ORDER BY segment DESC LIMIT 1",
        )?
        .query_row(params![kind, project, width, name, at], |row| row.get(0))
        .optional()?;
    let mut segment = last.map_or(0, |last| last + 1);
    if segment >= MOST_SEGMENTS {
        let mut known = connection.prepare_cached(
            "SELECT body FROM digests
             WHERE kind = ?1 AND project = ?2 AND width = ?3 AND name = ?4 AND at = ?5 ORDER BY segment",
        )?;
        let mut rows = known.query(params![kind, project, width, name, at])?;
        while let Some(row) = rows.next()? {
            match T::decode(row.get_ref(0)?.as_blob()?) {
                Ok(part) => added.merge(part),
                // The rows must be written all the same: what is damaged is left behind.
                Err(error) => tracing::error!(%error, kind, project, "a part of the rollups is lost"),
            }
        }
        connection
            .prepare_cached(
                "DELETE FROM digests WHERE kind = ?1 AND project = ?2 AND width = ?3 AND name = ?4 AND at = ?5",
            )?
            .execute(params![kind, project, width, name, at])?;
        segment = 0;
    }
    added.shrink();
    let body = added.encode().map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    connection
        .prepare_cached(
            "INSERT INTO digests (kind, project, width, name, at, segment, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![kind, project, width, name, at, segment, body])?;
    Ok(())
}

/// What the slots of a query hold under a name, put together.
pub(super) fn read<T: Digest>(connection: &Connection, name: &str, query: &SummaryQuery) -> Sql<Result<T>> {
    let mut found = connection.prepare_cached(
        "SELECT body FROM digests
         WHERE kind = ?1 AND project = ?2 AND width = ?3 AND name = ?4 AND at >= ?5 AND at < ?6
         ORDER BY at, segment",
    )?;
    let (kind, project, width) = (&query.kind, &query.project, query.slot.milliseconds());
    let (from, to) = (query.from.milliseconds(), query.to.milliseconds());
    let mut rows = found.query(params![kind, project, width, name, from, to])?;
    let mut whole = T::default();
    while let Some(row) = rows.next()? {
        match T::decode(row.get_ref(0)?.as_blob()?) {
            Ok(part) => whole.merge(part),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(whole))
}

/// Segments of one slot: so many parts a read puts together at most, and every so many writes the whole is rewritten.
const MOST_SEGMENTS: i64 = 8;
