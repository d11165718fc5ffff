//! The statements of tallies and sets: a write adds a segment, and many segments become one.

use rusqlite::{Connection, params};

use super::super::rollups::{Digest, Place};
use super::super::{Result, SummaryQuery};
use super::operations::Sql;

/// The name under which tallies are stored; sets have their own.
pub(super) const TALLIES: &str = "";

/// Adds to what a slot holds.
pub(super) fn add<T: Digest>(connection: &Connection, place: Place<'_>, name: &str, mut added: T) -> Sql<()> {
    let Place { kind, project, slot, at } = place;
    let (width, at) = (slot.milliseconds(), at.milliseconds());
    let (mut segment, bytes): (i64, i64) = connection
        .prepare_cached(
            "SELECT COALESCE(MAX(segment) + 1, 0), COALESCE(SUM(LENGTH(body)), 0) FROM digests
             WHERE kind = ?1 AND project = ?2 AND width = ?3 AND name = ?4 AND at = ?5",
        )?
        .query_row(params![kind, project, width, name, at], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if segment >= MOST_SEGMENTS || bytes >= MOST_BYTES {
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

/// Bytes of a slot from which the next write makes one segment of all: a flood of made-up paths fills each segment.
const MOST_BYTES: i64 = 262_144;

#[cfg(test)]
mod tests {
    use quivive_core::Timestamp;

    use super::super::super::tallies::Tallies;
    use super::super::super::{Event, Events, Slot, SummaryQuery};
    use super::super::{Sqlite, Sync};

    #[tokio::test]
    async fn a_flood_of_made_up_paths_fills_no_slot_and_hides_no_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.db");
        let sqlite = Sqlite::open(&file, Sync::Normal, 1).unwrap();
        let day = |number: i64| Timestamp::from_milliseconds(number * 86_400_000);
        let (days, batches, flood, honest) = (3, 12, 600, 40);
        for batch in 0..days * batches {
            let event = |number: i64| {
                let path =
                    if number < honest { "/checkout".to_owned() } else { format!("/{batch}-{number:0>240}") };
                Event {
                    kind: "k".to_owned(),
                    project: "p".to_owned(),
                    id: format!("{batch}/{number}"),
                    at: day(batch / batches),
                    tallies: vec![("path", path)],
                    ..Event::default()
                }
            };
            sqlite.append((0..honest + flood).map(event).collect()).await.unwrap();
        }
        let largest: i64 = rusqlite::Connection::open(&file)
            .unwrap()
            .query_row(
                "SELECT MAX(bytes) FROM (SELECT SUM(LENGTH(body)) AS bytes FROM digests GROUP BY width, at)",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert!(largest < 400_000, "a slot holds {largest} bytes");
        let (kind, project) = ("k".to_owned(), "p".to_owned());
        let query = SummaryQuery { kind, project, slot: Slot::Day, from: day(0), to: day(days) };
        let found: Tallies = sqlite.tallies(query).await.unwrap();
        let count = u64::try_from(days * batches * honest).unwrap();
        let total = u64::try_from(days * batches * (honest + flood)).unwrap();
        let (path, counted) = found.top("path")[0];
        assert_eq!(path, "/checkout");
        assert!((count - total / 501..=count).contains(&counted.count), "{counted:?} of {count}");
        assert!(found.dimension("path").unwrap().values.len() <= 2_000);
    }
}
