//! Numbered changes of the tables; the number of the last one is kept in the database itself.

use rusqlite::Connection;

use super::super::{Error, Result};
use super::threads::unavailable;

/// The changes in order; the first is number 1. A released one never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_tables.sql"),
    include_str!("../../../migrations/sqlite/0002_analytics.sql"),
];

/// Runs what has not been run yet, all or nothing.
pub(super) fn run(connection: &mut Connection) -> Result<()> {
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(unavailable)?;
    let done: u32 =
        transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(unavailable)?;
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    if done > MIGRATIONS.len() {
        return Err(Error::Unavailable(format!(
            "the database has tables of version {done}, this program knows {}; use the newer program",
            MIGRATIONS.len()
        )));
    }
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration).map_err(unavailable)?;
    }
    let version = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    transaction.pragma_update(None, "user_version", version).map_err(unavailable)?;
    transaction.commit().map_err(unavailable)
}
