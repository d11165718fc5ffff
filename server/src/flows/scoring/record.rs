//! What is stored of sessions: the running state, its score, the raw batches and the marks that make ingest
//! repeatable.

use quivive_core::Timestamp;
use quivive_core::encoding;
use quivive_core::first_party::PageHitReport;
use quivive_core::score::aggregate::Behavioral;
use quivive_core::score::{EngineResults, Event, Session};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::storage::Record;

/// One visitor's session in one project. The same token in two projects names two sessions.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoredSession {
    /// The project.
    pub project_id: i64,
    /// The token, unique in the project.
    pub token: String,
    /// The state that events are added to; the events themselves are not read again.
    pub signals: Session,
    /// Request ids seen last; fuller blocks of them are [`SeenBlock`]s.
    pub seen: RequestIds,
    /// How many full blocks there are.
    pub seen_blocks: u32,
    /// How many batches were stored; a score names the one that it has seen.
    pub revision: u64,
    /// When its first batch or page hit came.
    #[serde(default)]
    pub started_at: Timestamp,
    /// When its last batch, page hit or login came.
    #[serde(default)]
    pub seen_at: Timestamp,
    /// When the site first said that the visitor is logged in.
    #[serde(default)]
    pub logged_in_at: Option<Timestamp>,
    /// When it is scored once more although nothing new came; see [`DueSession`].
    #[serde(default)]
    pub rescore_at: Option<Timestamp>,
    /// When the session stops being there.
    pub expires_at: Timestamp,
}

/// What the engines think of a session, as of a revision.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoredScore {
    /// The project.
    pub project_id: i64,
    /// The session's token.
    pub token: String,
    /// The session's revision that was scored.
    pub revision: u64,
    /// When it was scored.
    #[serde(default)]
    pub scored_at: Timestamp,
    /// The opinions; combined at verdict time, because that depends on the project's threshold.
    pub engines: EngineResults,
    /// What the owner's rules look at beside them.
    #[serde(default)]
    pub facts: SessionFacts,
    /// The session's own end.
    pub expires_at: Timestamp,
}

/// What a session tells the owner's rules, kept with the score so that a verdict needs one look-up. What the request
/// for a verdict tells goes before it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct SessionFacts {
    /// Naturalness of the pointer's path, 0 to 1.
    pub mouse_entropy: Option<f64>,
    /// Pixels per second while scrolling.
    pub scroll_velocity: Option<f64>,
    /// How often a page was hidden or shown.
    pub visibility_changes: Option<u64>,
    /// Milliseconds between the first input and its handling.
    pub first_input_delay_ms: Option<u32>,
    /// The visitor's best known address.
    pub ip: Option<String>,
    /// The visitor's user agent.
    pub user_agent: Option<String>,
    /// Whether the site has said that the visitor is logged in.
    pub logged_in: bool,
}

/// What one request added to a session, as it came; ids sort by time.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoredBatch {
    /// Milliseconds in 14 digits, a dash, 16 hexadecimal digits.
    pub id: String,
    /// The project.
    pub project_id: i64,
    /// The session's token.
    pub token: String,
    /// The accepted events.
    pub events: Vec<Event>,
    /// The page view that the customer's server forwarded the events for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_id: Option<String>,
    /// The page that the customer's server delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_hit: Option<PageHitReport>,
    /// Whether the customer's server said that the visitor is logged in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub logged_in: bool,
    /// End of retention.
    pub expires_at: Timestamp,
}

/// Of a [`StoredBatch`], whose it is. What a visitor sent is not looked at, so it cannot keep this from being read.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct BatchOwner {
    /// As in the batch.
    pub id: String,
    /// The project.
    pub project_id: i64,
    /// The session's token.
    pub token: String,
}

/// Remembers which session a first batch with an `Idempotency-Key` made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FirstContact {
    /// The project.
    pub project_id: i64,
    /// The `Idempotency-Key`.
    pub idempotency_key: String,
    /// The token that was answered.
    pub token: String,
    /// End of the mark.
    pub expires_at: Timestamp,
}

/// Remembers a page hit by its `Idempotency-Key`, so that it counts once.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SeenPageHit {
    /// The project.
    pub project_id: i64,
    /// The `Idempotency-Key`.
    pub idempotency_key: String,
    /// The session that was used.
    pub token: String,
    /// End of the mark.
    pub expires_at: Timestamp,
}

/// That a session is to be scored once more at a time, because its score depends on the clock; ids sort by that time.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct DueSession {
    /// When.
    pub at: Timestamp,
    /// The project.
    pub project_id: i64,
    /// The session's token.
    pub token: String,
    /// The session's own end.
    pub expires_at: Timestamp,
}

/// A full block of request ids of a session; never changed once written.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SeenBlock {
    /// `<session>/<number>`.
    pub id: String,
    /// The ids.
    pub seen: RequestIds,
    /// The session's own end at that time.
    pub expires_at: Timestamp,
}

/// How far scoring has come: sessions of older batches are scored.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Checkpoint {
    /// Batches stored before this moment are scored.
    pub scored_until: Timestamp,
}

/// The beginning of ids that sort by time: milliseconds in 14 digits.
pub fn time_prefix(at: Timestamp) -> String {
    format!("{:014}", at.milliseconds().max(0))
}

/// The id under which a session and its score are stored.
pub fn session_id(project_id: i64, token: &str) -> String {
    format!("{project_id}/{token}")
}

impl SessionFacts {
    /// The facts of a session as it is now.
    pub fn of(session: &StoredSession, behavioral: &Behavioral) -> Self {
        let context = session.signals.context();
        Self {
            mouse_entropy: behavioral.mouse_entropy,
            scroll_velocity: behavioral.scroll_velocity,
            visibility_changes: behavioral.visibility_changes,
            first_input_delay_ms: behavioral.first_input_delay_ms,
            ip: context.address().map(str::to_owned),
            user_agent: context.user_agent().map(str::to_owned),
            logged_in: session.logged_in_at.is_some(),
        }
    }
}

impl StoredSession {
    /// The id of its n-th block of request ids.
    pub fn block_id(&self, number: u32) -> String {
        format!("{}/{number}", self.id())
    }
}

impl Record for StoredSession {
    const KIND: &'static str = "session";
    fn id(&self) -> String {
        session_id(self.project_id, &self.token)
    }
    fn parent(&self) -> String {
        self.project_id.to_string()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Record for StoredScore {
    const KIND: &'static str = "session_score";
    fn id(&self) -> String {
        session_id(self.project_id, &self.token)
    }
    fn parent(&self) -> String {
        self.project_id.to_string()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Record for StoredBatch {
    const KIND: &'static str = "session_batch";
    fn id(&self) -> String {
        self.id.clone()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Record for BatchOwner {
    const KIND: &'static str = StoredBatch::KIND;
    fn id(&self) -> String {
        self.id.clone()
    }
}

impl Record for FirstContact {
    const KIND: &'static str = "session_first_contact";
    fn id(&self) -> String {
        session_id(self.project_id, &self.idempotency_key)
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Record for SeenPageHit {
    const KIND: &'static str = "session_page_hit";
    fn id(&self) -> String {
        session_id(self.project_id, &self.idempotency_key)
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Record for DueSession {
    const KIND: &'static str = "session_due";
    fn id(&self) -> String {
        format!("{}-{}", time_prefix(self.at), session_id(self.project_id, &self.token))
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Record for SeenBlock {
    const KIND: &'static str = "session_seen";
    fn id(&self) -> String {
        self.id.clone()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Record for Checkpoint {
    const KIND: &'static str = "session_scoring_checkpoint";
    fn id(&self) -> String {
        "single".to_owned()
    }
}

/// A set of request ids, eight bytes of SHA-256 each.
///
/// With 10,000 ids in a session the chance that two different ones meet is below one in 10^11.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestIds(Vec<u64>);

impl RequestIds {
    /// The short form of a request id.
    pub fn digest(request_id: &str) -> u64 {
        let digest = Sha256::digest(request_id.as_bytes());
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Whether the id is in the set.
    pub fn contains(&self, digest: u64) -> bool {
        self.0.contains(&digest)
    }

    /// Adds an id.
    pub fn insert(&mut self, digest: u64) {
        self.0.push(digest);
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<RequestIds> for String {
    fn from(ids: RequestIds) -> Self {
        let bytes: Vec<u8> = ids.0.iter().flat_map(|digest| digest.to_be_bytes()).collect();
        encoding::base64url(&bytes)
    }
}

impl TryFrom<String> for RequestIds {
    type Error = quivive_core::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = encoding::decode_base64url(&text)?;
        let (digests, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(quivive_core::Error::invalid_input("request ids are not in groups of eight bytes"));
        }
        Ok(Self(digests.iter().map(|digest| u64::from_be_bytes(*digest)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_survive_storage() {
        let mut ids = RequestIds::default();
        for number in 0..100 {
            ids.insert(RequestIds::digest(&format!("e-{number}")));
        }
        let text = serde_json::to_string(&ids).unwrap();
        let read: RequestIds = serde_json::from_str(&text).unwrap();
        assert_eq!(read, ids);
        assert!(read.contains(RequestIds::digest("e-99")));
        assert!(!read.contains(RequestIds::digest("e-100")));
        assert!(serde_json::from_str::<RequestIds>("\"AAAA\"").is_err());
    }
}
