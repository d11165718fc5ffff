//! The task that scores sessions, off the request path.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use quivive_core::Timestamp;
use quivive_core::score;
use quivive_core::score::aggregate::Verification;
use tokio::time::MissedTickBehavior;

use super::ingest::batch_id;
use super::queue::SessionKey;
use super::record::{
    BatchOwner, Checkpoint, DueSession, SessionFacts, StoredScore, StoredSession, session_id,
};
use super::verified::{self, Finding::Known, Patience};
use crate::app::App;
use crate::jobs::Stop;
use crate::storage::{self, Put, Record};

/// Scores what waits until the server ends; first what an earlier run left.
pub(super) async fn run(app: App, mut stop: Stop) {
    let is_recovered = recover_or_retry(&app, &mut stop).await;
    app.scoring.is_recovered.store(true, Ordering::SeqCst);
    let mut seconds = tokio::time::interval(CHECKPOINT_INTERVAL);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut has_scored = false;
    // What an earlier run left is found by the first look.
    app.scoring.queue.expect_due(Timestamp::from_milliseconds(i64::MIN));
    let mut ticks = tokio::time::interval(DUE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.is_requested() {
        tokio::select! {
            () = stop.requested() => {}
            taken = app.scoring.queue.next(MOST_AT_ONCE) => {
                has_scored |= score_or_put_back(&app, taken).await && is_recovered;
            }
            _ = ticks.tick() => score_due_or_retry(&app).await,
            _ = seconds.tick(), if has_scored => {
                set_checkpoint(&app).await;
                has_scored = false;
            }
        }
    }
    while !app.scoring.queue.is_empty() {
        let taken = app.scoring.queue.next(MOST_AT_ONCE).await;
        if let Err(error) = score_sessions(&app, &keys(&taken), Patience::NoQuestions).await {
            tracing::warn!(%error, "sessions are left for the next start to score");
            return;
        }
    }
    if is_recovered {
        set_checkpoint(&app).await;
    }
}

/// Recovers until it succeeds or the server ends. False when it did not: then no checkpoint may be set, so that the
/// next start tries again.
async fn recover_or_retry(app: &App, stop: &mut Stop) -> bool {
    loop {
        match recover(app).await {
            Ok(()) => return true,
            // Waiting would not repair it, and new sessions must not wait.
            Err(error @ storage::Error::Corrupt { .. }) => {
                tracing::error!(%error, "sessions left by an earlier run could not be scored");
                return false;
            }
            Err(error) => {
                tracing::warn!(%error, "sessions left by an earlier run could not be scored, trying again");
            }
        }
        tokio::select! {
            () = stop.requested() => return false,
            () = tokio::time::sleep(RECOVERY_PAUSE) => {}
        }
    }
}

/// Scores the sessions whose time has come; the next one is expected when it is due.
async fn score_due_or_retry(app: &App) {
    let now = app.now();
    if !app.scoring.queue.take_due(now) {
        return;
    }
    match score_due(app, now).await {
        Ok(next) => next.into_iter().for_each(|at| app.scoring.queue.expect_due(at)),
        Err(error) => {
            tracing::warn!(%error, "sessions whose time has come could not be scored, trying again");
            app.scoring.queue.expect_due(now);
        }
    }
}

/// Scores the sessions that are due by now and returns when the next one is.
async fn score_due(app: &App, now: Timestamp) -> storage::Result<Option<Timestamp>> {
    loop {
        let found = app.storage.list::<DueSession>("", None, MOST_AT_ONCE).await?;
        let later = found.iter().find(|due| due.at > now).map(|due| due.at);
        let due: Vec<DueSession> =
            found.into_iter().map(|found| found.value).filter(|due| due.at <= now).collect();
        if due.is_empty() {
            return Ok(later);
        }
        let key =
            |due: &DueSession| SessionKey { project_id: due.project_id, token: due.token.as_str().into() };
        score_sessions(app, &due.iter().map(key).collect::<Vec<_>>(), Patience::ScoreFirst).await?;
        app.storage.write(due.iter().map(|due| Put::delete::<DueSession>(due.id())).collect()).await?;
        if later.is_some() {
            return Ok(later);
        }
    }
}

/// Whether the sessions are scored; if not, they wait again.
async fn score_or_put_back(app: &App, taken: Vec<(SessionKey, Timestamp)>) -> bool {
    let Err(error) = score_sessions(app, &keys(&taken), Patience::Wait).await else { return true };
    tracing::warn!(%error, sessions = taken.len(), "sessions could not be scored, trying again");
    app.scoring.queue.put_back(taken);
    tokio::time::sleep(RETRY_PAUSE).await;
    false
}

fn keys(taken: &[(SessionKey, Timestamp)]) -> Vec<SessionKey> {
    taken.iter().map(|(key, _)| key.clone()).collect()
}

/// Scores sessions and stores all scores in one write.
///
/// Those whose bot is being looked up are left out, within the patience, and come back to the queue.
async fn score_sessions(app: &App, keys: &[SessionKey], patience: Patience) -> storage::Result<()> {
    let ids: Vec<String> = keys.iter().map(|key| session_id(key.project_id, &key.token)).collect();
    let found = join_all(ids.iter().map(|id| app.storage.get::<StoredSession>(id))).await;
    let now = app.now();
    let mut changes = Vec::with_capacity(keys.len());
    for found in found {
        match found {
            Ok(Some(session)) => {
                if let Known(verification) = verified::verify(app, &session.value, patience) {
                    let score = scored(&session.value, verification, now);
                    changes.push(Put::any(&score)?);
                    app.scoring.history.note(&score);
                }
            }
            Ok(None) => {}
            // One damaged session must not keep the others from their scores.
            Err(storage::Error::Corrupt { kind, reason }) => {
                tracing::error!(kind, reason, "a session cannot be read")
            }
            Err(error) => return Err(error),
        }
    }
    if !changes.is_empty() {
        app.storage.write(changes).await?;
    }
    for key in keys {
        app.scoring.verdicts.forget(key);
    }
    Ok(())
}

fn scored(session: &StoredSession, verification: Option<Verification>, now: Timestamp) -> StoredScore {
    let mut signals = session.signals.aggregate();
    signals.context.verification.clone_from(&verification);
    StoredScore {
        project_id: session.project_id,
        token: session.token.clone(),
        revision: session.revision,
        scored_at: now,
        engines: score::evaluate(&signals, Some(now)),
        verification,
        facts: SessionFacts::of(session, &signals.behavioral),
        expires_at: session.expires_at,
    }
}

/// Scores sessions whose latest batch is not scored, going through the batches since the last checkpoint.
async fn recover(app: &App) -> storage::Result<()> {
    let checkpoint = app.storage.get::<Checkpoint>(&CHECKPOINT.id()).await?;
    let mut after = checkpoint.map(|checkpoint| {
        let from = checkpoint.scored_until.plus_milliseconds(-MARGIN_MILLISECONDS);
        batch_id(from, &[0; 8])
    });
    let mut seen = HashSet::new();
    loop {
        let batches = app.storage.list::<BatchOwner>("", after.as_deref(), MOST_AT_ONCE).await?;
        let Some(last) = batches.last() else { break };
        after = Some(last.id.clone());
        let keys: Vec<SessionKey> = batches
            .iter()
            .map(|batch| SessionKey { project_id: batch.project_id, token: batch.token.as_str().into() })
            .filter(|key| seen.insert(key.clone()))
            .collect();
        let is_stale = try_join_all(keys.iter().map(|key| is_stale(app, key))).await?;
        let stale: Vec<SessionKey> =
            keys.into_iter().zip(is_stale).filter_map(|(key, is_stale)| is_stale.then_some(key)).collect();
        if !stale.is_empty() {
            tracing::info!(sessions = stale.len(), "scoring sessions left by an earlier run");
            // A session that waits is in no queue, and the checkpoint that follows would pass it.
            score_sessions(app, &stale, Patience::ScoreFirst).await?;
        }
    }
    Ok(())
}

async fn is_stale(app: &App, key: &SessionKey) -> storage::Result<bool> {
    let id = session_id(key.project_id, &key.token);
    let (session, score) =
        tokio::join!(app.storage.get::<StoredSession>(&id), app.storage.get::<StoredScore>(&id));
    let scored = match score {
        // A damaged score is replaced; a damaged session is reported when it is scored.
        Err(storage::Error::Corrupt { .. }) => return Ok(true),
        score => score?.map_or(0, |score| score.revision),
    };
    match session {
        Err(storage::Error::Corrupt { .. }) => Ok(true),
        session => Ok(session?.is_some_and(|session| session.revision > scored)),
    }
}

async fn set_checkpoint(app: &App) {
    let scored_until = app.scoring.queue.oldest().unwrap_or_else(|| app.now());
    if let Err(error) = app.storage.put(&Checkpoint { scored_until }).await {
        tracing::warn!(%error, "the progress of scoring could not be stored");
    }
}

const CHECKPOINT: Checkpoint = Checkpoint { scored_until: Timestamp::from_milliseconds(0) };
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);
const DUE_INTERVAL: Duration = Duration::from_millis(500);
const MOST_AT_ONCE: usize = 256;
const RETRY_PAUSE: Duration = Duration::from_millis(100);
const RECOVERY_PAUSE: Duration = Duration::from_millis(500);

/// Batches are named by the time at which their write began; a write can end later than a checkpoint was taken.
const MARGIN_MILLISECONDS: i64 = 60_000;
