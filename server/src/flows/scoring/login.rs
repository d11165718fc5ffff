//! That a visitor authenticated in the customer's application: a fact for rules, which changes no score.

use quivive_core::Timestamp;
use quivive_core::score::payload::is_session_token;

use super::ingest::{MOST_ATTEMPTS, batch_id, days};
use super::queue::SessionKey;
use super::record::{StoredBatch, StoredScore, StoredSession, session_id};
use crate::app::App;
use crate::error::{Error, Result};
use crate::storage::{self, Condition, Put};
use crate::tenant::Site;

/// Notes that a session's visitor is logged in and returns since when; nothing for a session that the project does not
/// have. Durable when it returns, and seen by the next verdict.
///
/// # Errors
/// When storage does not answer.
pub async fn assert_login(app: &App, site: &Site, token: &str) -> Result<Option<Timestamp>> {
    if !is_session_token(token) {
        return Ok(None);
    }
    let project_id = site.project.id;
    let _turn = app.scoring.turns.take(project_id, token).await;
    for _ in 0..MOST_ATTEMPTS {
        let id = session_id(project_id, token);
        let Some(found) = app.storage.get::<StoredSession>(&id).await? else { return Ok(None) };
        let key = SessionKey { project_id, token: token.into() };
        if let Some(at) = found.logged_in_at {
            // Whoever asserted it first may have gone before the verdict of before was forgotten.
            app.scoring.verdicts.forget(&key);
            return Ok(Some(at));
        }
        let now = app.now();
        let mut session = found.value;
        session.logged_in_at = Some(now);
        session.seen_at = now;
        session.revision += 1;
        let mut changes = vec![
            Put::new(&session, Condition::Version(found.version))?,
            Put::absent(&login(app, &session, now))?,
        ];
        if let Some(mut score) = app.storage.get::<StoredScore>(&id).await? {
            score.value.facts.logged_in = true;
            changes.push(Put::new(&score.value, Condition::Version(score.version))?);
        }
        // A request can be cancelled at any moment; what was handed to storage must be seen all the same.
        let commit = tokio::spawn(commit(app.clone(), changes, key, now));
        match commit.await.map_err(|_| Error::internal("a login could not be stored"))? {
            Ok(()) => return Ok(Some(now)),
            Err(storage::Error::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::unavailable("a session is written to by too many requests at once"))
}

/// Stores a login, forgets the verdicts of before, and has the session scored again: a score that was computed from
/// the session before is replaced.
async fn commit(app: App, changes: Vec<Put>, key: SessionKey, now: Timestamp) -> storage::Result<()> {
    app.storage.write(changes).await?;
    app.scoring.verdicts.forget(&key);
    app.scoring.queue.push(key, now);
    Ok(())
}

/// The record by which a restarted server finds that the session changed.
fn login(app: &App, session: &StoredSession, now: Timestamp) -> StoredBatch {
    StoredBatch {
        id: batch_id(now, &app.random_bytes::<8>()),
        project_id: session.project_id,
        token: session.token.clone(),
        events: Vec::new(),
        page_id: None,
        page_hit: None,
        logged_in: true,
        expires_at: now.plus_milliseconds(days(app.config.retention.botect_events_days)),
    }
}
