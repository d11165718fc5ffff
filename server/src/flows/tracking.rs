//! Events that pages and servers report: each is stored once, and durable when it is acknowledged.

use std::collections::BTreeMap;

use quivive_core::Timestamp;
use quivive_core::agent::ClientFacts;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::detection::{self, row};
use crate::app::App;
use crate::storage::{Error, Event, Put, Record, Result};

/// The stream of events.
pub const STREAM: &str = "agentshield_event";

/// An event to be stored.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// The project.
    pub project_id: i64,
    /// Whose own ids are not repeated: a pixel, or a project for servers that name no pixel.
    pub sender: String,
    /// The sender's own id: the same one within a day is the same event.
    pub own_id: Option<String>,
    /// When it happened.
    pub at: Timestamp,
    /// Whether the query of its addresses is kept.
    pub keeps_query: bool,
    /// What is stored of it.
    pub row: Row,
}

/// The body of an event's row.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Row {
    /// What happened, for example `page_view`.
    pub event: String,
    /// Where, without user information and fragment, at most 2,048 bytes.
    pub url: String,
    /// The page before, in the same form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    /// What the sender calls the visitor's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// What the sender calls the visitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Whatever the sender added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// What a script on the page saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientFacts>,
    /// The sender's time, when it was too far from ours to be believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_timestamp: Option<Number>,
    /// The pixel that it came by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_id: Option<String>,
    /// The detection of the request that carried it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detection_id: Option<String>,
    /// Whether it is a test that analytics leave out.
    pub test: bool,
}

/// Stores events and returns the id of each, `evt_` and a ULID; an event that is stored already keeps its id.
///
/// # Errors
/// When storage does not answer; then all may be sent again.
pub async fn store(app: &App, events: Vec<Tracked>) -> Result<Vec<String>> {
    let known = remember(app, &events).await?;
    let mut ids = Vec::with_capacity(events.len());
    let mut rows = Vec::with_capacity(events.len());
    for event in events {
        let known = event.key().and_then(|key| known.get(&key));
        let id = known.map_or_else(|| new_id(app), |seen| seen.event_id.clone());
        rows.push(event.into_event(id.clone()));
        ids.push(id);
    }
    app.storage.events().append(rows).await?;
    Ok(ids)
}

/// A new id of an event.
pub fn new_id(app: &App) -> String {
    format!("evt_{}", detection::ulid(app.now(), app.random_bytes()))
}

/// The id that was given to an event of a sender. It is written before the event itself: if the event is lost in
/// between, the sender gets no answer, sends it again, and it is stored under the same id.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SeenEvent {
    /// The integer id of the project, the sender and its own id, with slashes between.
    key: String,
    event_id: String,
    expires_at: Timestamp,
}

impl Record for SeenEvent {
    const KIND: &'static str = "tracked_event";
    fn id(&self) -> String {
        self.key.clone()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Tracked {
    fn key(&self) -> Option<String> {
        self.own_id.as_ref().map(|own| format!("{}/{}/{own}", self.project_id, self.sender))
    }

    fn into_event(self, id: String) -> Event {
        let Self { project_id, at, keeps_query, mut row, .. } = self;
        row.url = row::stored_url(&row.url, keeps_query);
        row.referrer = row.referrer.map(|url| row::stored_url(&url, keeps_query));
        Event {
            kind: STREAM.to_owned(),
            project: project_id.to_string(),
            id,
            at,
            label: label(&row.event).to_owned(),
            body: serde_json::to_string(&row).unwrap_or_else(|_| "{}".to_owned()),
            ..Event::default()
        }
    }
}

/// What the senders' own ids stand for, new ones remembered.
async fn remember(app: &App, events: &[Tracked]) -> Result<BTreeMap<String, SeenEvent>> {
    let expires_at = app.now().plus_milliseconds(REMEMBERED);
    let seen = |key: String| (key.clone(), SeenEvent { key, event_id: new_id(app), expires_at });
    let mut fresh: BTreeMap<String, SeenEvent> = events.iter().filter_map(Tracked::key).map(seen).collect();
    let mut known = BTreeMap::new();
    for _ in 0..MOST_TRIES {
        if fresh.is_empty() {
            return Ok(known);
        }
        match app.storage.write(fresh.values().map(Put::absent).collect::<Result<_>>()?).await {
            Ok(()) => {
                known.append(&mut fresh);
                return Ok(known);
            }
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
        for key in fresh.keys().cloned().collect::<Vec<_>>() {
            if let Some(found) = app.storage.get::<SeenEvent>(&key).await? {
                fresh.remove(&key);
                known.insert(key, found.value);
            }
        }
    }
    Err(Error::Conflict)
}

/// What events are counted by. Names are free, and a rollup of each would be without bound.
fn label(event: &str) -> &str {
    if COUNTED.contains(&event) { event } else { "other" }
}

const COUNTED: [&str; 8] =
    ["page_view", "click", "session_start", "session_end", "interaction", "detection", "error", "custom"];
const MOST_TRIES: usize = 16;
const REMEMBERED: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_their_own_are_counted_together() {
        assert_eq!((label("page_view"), label("checkout.paid")), ("page_view", "other"));
    }
}
