//! The message signatures of a described request, checked with keys that are at hand.

use quivive_core::Timestamp;
use quivive_core::agent::{RequestFacts, SignatureOutcome};
use quivive_core::signature::{
    Line, PAYER_TAG, Request, SignaturePolicy, SignatureResult, WantedKey, signature_outcome, verify,
};
use serde::{Deserialize, Serialize};

use super::Purpose;
use crate::app::App;
use crate::storage::{self, Record};

/// That a nonce was used in requests to a project.
#[derive(Debug, Deserialize, Serialize)]
struct UsedNonce {
    id: String,
    keep_until: Timestamp,
}

impl Record for UsedNonce {
    const KIND: &'static str = "used_nonce";
    fn id(&self) -> String {
        self.id.clone()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.keep_until)
    }
}

/// The outcome; nothing for a request that is not signed or of which no headers are known.
///
/// What was not supplied makes a signature unverifiable, not invalid. A nonce holds once for each project.
pub async fn check(
    app: &App,
    project_id: i64,
    facts: &RequestFacts,
    purpose: Purpose,
) -> Option<SignatureOutcome> {
    let headers = facts.headers.as_ref()?;
    if !headers.contains_key("signature-input") && !headers.contains_key("signature") {
        return None;
    }
    let lines: Vec<Line<'_>> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let request = Request { method: facts.method.as_deref(), headers: &lines, ..Request::default() };
    let request = facts.url.as_deref().map_or(request, |url| request.with_url(url));
    let policy = SignaturePolicy {
        described: true,
        allow_test_keys: app.config.agents.allow_test_keys,
        ..SignaturePolicy::default()
    };
    let keys = |wanted: &WantedKey| app.detection.directories.find(wanted, facts.ip, facts.now);
    let mut results = verify(&(&request).into(), &policy, &keys, facts.now);
    if purpose == Purpose::Visit {
        for result in &mut results {
            use_nonce(app, project_id, result).await;
        }
    }
    signature_outcome(&results)
}

/// Takes back a result whose nonce was used before. Where that cannot be found out, a payment does not hold.
async fn use_nonce(app: &App, project_id: i64, result: &mut SignatureResult) {
    let Some(once) = result.once.clone() else { return };
    match record(app, project_id, &once.key, Timestamp::from_seconds(once.keep_until), result).await {
        Ok(Use::First) => {}
        Ok(Use::Again) => result.refuse_replay(),
        Ok(Use::NoRoom) => result.refuse_unrecorded(),
        Err(error) => {
            tracing::warn!(%error, "a nonce could not be recorded");
            if result.tag.as_deref() == Some(PAYER_TAG) {
                result.refuse_unrecorded();
            }
        }
    }
}

enum Use {
    First,
    Again,
    NoRoom,
}

async fn record(
    app: &App,
    project_id: i64,
    key: &str,
    keep_until: Timestamp,
    result: &SignatureResult,
) -> storage::Result<Use> {
    let signer = result.thumbprint.as_deref().unwrap_or_default();
    let window = format!("nonces/{project_id}/{signer}");
    // A replay takes no room, else anybody could use up a signer's.
    match app.storage.insert(&UsedNonce { id: format!("{project_id}/{key}"), keep_until }).await {
        Ok(()) => {}
        Err(storage::Error::Conflict) => return Ok(Use::Again),
        Err(error) => return Err(error),
    }
    let room = app.storage.windows().admit(&window, DAY, MOST_OF_ONE_KEY, app.now()).await?;
    Ok(if room.admitted { Use::First } else { Use::NoRoom })
}

const DAY: i64 = 86_400_000;
const MOST_OF_ONE_KEY: i64 = 100_000;
