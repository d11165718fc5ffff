//! Changing the signing key while servers run: the next one is published first and signs later, the former one stays
//! published until all that it signed has ended.

use std::time::Duration;

use super::stored::{self, StoredKey};
use crate::app::App;
use crate::config::ConfigError;
use crate::error::{Error, Result};
use crate::jobs::Stop;
use crate::storage::{self, Condition, Put};

/// Makes the next signing key. Verifiers keep the published keys for up to an hour, so it signs an hour from now;
/// `is_immediate` makes it, or the one that is waiting, sign at once. Returns its id.
///
/// # Errors
/// 409 if the keys are set in the configuration, if a key is waiting already (and `is_immediate` is not set), or if
/// somebody else rotates at this moment.
pub async fn rotate(app: &App, is_immediate: bool) -> Result<String> {
    if let Some(setting) = app.keys.configured_by() {
        return Err(Error::conflict(format!(
            "tokens are signed with `{setting}` of the configuration: put the new key there and restart"
        )));
    }
    let now = app.now();
    let keys = stored::list(&app.storage).await?;
    let last = keys.last().ok_or_else(|| Error::internal("there is no stored signing key"))?;
    let is_waiting = last.signs_at > now;
    if is_waiting && !is_immediate {
        return Err(Error::conflict(format!(
            "`{}` is published already and signs from {} on; `--now` makes it sign at once",
            last.kid, last.signs_at
        )));
    }
    let signs_at = if is_immediate { now } else { now.plus_milliseconds(NOTICE_MILLISECONDS) };
    let mut next = if is_waiting {
        last.value.clone()
    } else {
        StoredKey::generate(last.number(), &app.keys.master, &app.entropy, now).map_err(internal)?
    };
    next.signs_at = signs_at;
    let condition = if is_waiting { Condition::Version(last.version) } else { Condition::Absent };
    let mut changes = vec![Put::new(&next, condition)?];
    let ends_at = signs_at.plus_milliseconds(RETENTION_MILLISECONDS);
    for former in keys.iter().filter(|key| key.kid != next.kid) {
        if former.expires_at.is_none_or(|end| end > ends_at) {
            let mut ending = former.value.clone();
            ending.expires_at = Some(ends_at);
            changes.push(Put::new(&ending, Condition::Version(former.version))?);
        }
    }
    match app.storage.write(changes).await {
        Ok(()) => {}
        Err(storage::Error::Conflict) => {
            return Err(Error::conflict("somebody else rotates the keys at this moment: look again"));
        }
        Err(error) => return Err(error.into()),
    }
    refresh(app).await?;
    tracing::info!(kid = next.kid, signs_at = %next.signs_at, "next signing key published");
    Ok(next.kid)
}

/// Takes over what is stored now: keys that others have made, and the end of those that have expired.
///
/// # Errors
/// If storage does not answer or a key does not open; the keys at hand then stay.
pub async fn refresh(app: &App) -> Result<()> {
    let stored = stored::list(&app.storage).await?.into_iter().map(|key| key.value).collect();
    app.keys.replace(stored).map_err(internal)
}

/// Starts the task that takes over rotated keys, twice a minute.
pub fn start(app: &App) {
    let watching = app.clone();
    app.jobs.start("keys", move |stop| watch(watching.clone(), stop));
}

async fn watch(app: App, mut stop: Stop) {
    loop {
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        if let Err(error) = refresh(&app).await {
            tracing::warn!(%error, "signing keys not read again");
        }
    }
}

fn internal(error: ConfigError) -> Error {
    Error::internal("the signing keys are not usable").because(error)
}

const PAUSE: Duration = Duration::from_secs(30);

/// How long verifiers may keep the published set.
const NOTICE_MILLISECONDS: i64 = 3_600_000;

/// The longest life of anything that is signed: 90 days.
const RETENTION_MILLISECONDS: i64 = 90 * 86_400_000;
