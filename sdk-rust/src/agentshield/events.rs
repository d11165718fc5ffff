//! Events of a site's visitors, sent by its server.

use quivive_core::Error as CoreError;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AgentShield, patience};
use crate::Result;

/// Something that a visitor did.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackedEvent {
    /// What it was, for example `page_view`: 1 to 100 of `A-Z a-z 0-9 _ . : -`.
    pub event: String,
    /// The absolute address of the page.
    pub url: String,
    /// The sender's own id, at most 64 characters: the same one within a day is stored once. Drawn when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When it was, in Unix seconds; the time of arrival when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<f64>,
    /// Whatever the site likes to note, at most 8 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Joins the events of one visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Who the site says the visitor is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    /// The pixel by which it comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_id: Option<String>,
}

/// That an event is stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EventReceipt {
    /// Always true.
    pub success: bool,
    /// The event's id, `evt_…`.
    pub event_id: String,
}

/// What became of a batch.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct BatchReceipt {
    /// Always true.
    pub success: bool,
    /// Events that came.
    pub received: u64,
    /// Events that are stored, or were before.
    pub accepted: u64,
    /// Events that break a rule.
    pub rejected: u64,
    /// Why, one by one.
    pub errors: Vec<RejectedEvent>,
}

/// An event that breaks a rule.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct RejectedEvent {
    /// Its place in the batch, from 0.
    pub index: u64,
    /// The stable code.
    pub code: String,
    /// A sentence for a person.
    pub message: String,
    /// Which member breaks which rule.
    pub details: Map<String, Value>,
}

impl AgentShield {
    /// Stores one event. After 429, 5xx and no answer it is sent again, up to five times: later each time, and not
    /// before a `Retry-After`, unless that is longer than half a minute.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a key that no header can hold, otherwise as the service answers.
    pub async fn event(&self, event: &TrackedEvent) -> Result<EventReceipt> {
        patience::call(self.request(Method::POST, &["event"])?.json(&known(event)?)).await
    }

    /// Stores 1 to 100 events; those that break a rule do not keep the others out. Sent again as
    /// [`event`](Self::event).
    ///
    /// # Errors
    /// As [`event`](Self::event); `INVALID_REQUEST` when none is valid.
    pub async fn batch(&self, events: &[TrackedEvent]) -> Result<BatchReceipt> {
        let events = events.iter().map(known).collect::<Result<Vec<_>>>()?;
        let body = Batch { events };
        patience::call(self.request(Method::POST, &["batch"])?.json(&body)).await
    }
}

#[derive(Serialize)]
struct Batch {
    events: Vec<TrackedEvent>,
}

/// The event with an id, by which the service knows it when it comes twice.
fn known(event: &TrackedEvent) -> Result<TrackedEvent> {
    let mut event = event.clone();
    if event.id.is_none() {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|_| CoreError::invalid_input("the system gives no random bytes for an event's id"))?;
        event.id = Some(format!("{:032x}", u128::from_ne_bytes(random)));
    }
    Ok(event)
}
