//! One delivery: while it waits a record, when it is done an entry of the webhook's log.

use quivive_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::Notice;
use crate::app::App;
use crate::error::Result;
use crate::flows::detection::ulid;
use crate::storage::{self, Event, EventQuery, Put, Record};

/// The stream of deliveries that are done, by webhook.
pub const STREAM: &str = "webhook_delivery";

/// A delivery that is not done.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Pending {
    pub hook_id: String,
    /// `dlv_` and a ULID.
    pub id: String,
    pub event: String,
    /// What is sent, every time the same bytes.
    pub body: String,
    pub attempts: u32,
    pub last_status_code: Option<u16>,
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    /// When it is tried next.
    pub due_at: Timestamp,
    expires_at: Timestamp,
}

/// A delivery as its owner sees it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Delivery {
    /// `dlv_` and a ULID.
    pub id: String,
    /// The event's name.
    pub event: String,
    /// What became of it.
    pub status: Status,
    /// How often it was tried.
    pub attempts: u32,
    /// The status of the last answer, if the last try got one.
    pub last_status_code: Option<u16>,
    /// Why the last try failed, if it did.
    pub last_error: Option<String>,
    /// When the event was put up for delivery.
    pub created_at: Timestamp,
    /// When the receiver took it.
    pub delivered_at: Option<Timestamp>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It waits, for its first try or another one.
    Pending,
    /// The receiver answered 2xx.
    Delivered,
    /// It was given up.
    Failed,
}

impl Pending {
    pub fn new(app: &App, notice: Notice) -> Self {
        let now = app.now();
        let days = i64::from(app.config.retention.deliveries_days).max(DAYS_OF_RETRIES);
        Self {
            hook_id: notice.hook_id,
            id: format!("dlv_{}", ulid(now, app.random_bytes())),
            event: notice.event.to_owned(),
            body: notice.body,
            attempts: 0,
            last_status_code: None,
            last_error: None,
            created_at: now,
            due_at: now,
            expires_at: now.plus_milliseconds(days * 86_400_000),
        }
    }

    pub fn delivery(self) -> Delivery {
        Delivery {
            id: self.id,
            event: self.event,
            status: Status::Pending,
            attempts: self.attempts,
            last_status_code: self.last_status_code,
            last_error: self.last_error,
            created_at: self.created_at,
            delivered_at: None,
        }
    }
}

impl Record for Pending {
    const KIND: &'static str = "webhook_delivery";
    fn id(&self) -> String {
        record_id(&self.hook_id, &self.id)
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// The id of a record of a delivery: those of one webhook follow each other.
pub(super) fn record_id(hook_id: &str, id: &str) -> String {
    format!("{hook_id}/{id}")
}

/// Takes a delivery out of those that wait and writes it to the log.
pub(super) async fn finish(app: &App, pending: Pending, status: Status) -> storage::Result<()> {
    let (hook_id, record) = (pending.hook_id.clone(), pending.id());
    let delivered_at = (status == Status::Delivered).then(|| app.now());
    let delivery = Delivery { status, delivered_at, ..pending.delivery() };
    let entry = Event {
        kind: STREAM.to_owned(),
        project: hook_id,
        id: delivery.id.clone(),
        at: delivery.created_at,
        label: delivery.event.clone(),
        body: serde_json::to_string(&delivery).unwrap_or_default(),
        ..Event::default()
    };
    app.storage.events().append(vec![entry]).await?;
    app.storage.write(vec![Put::delete::<Pending>(record)]).await
}

/// The latest deliveries of a webhook that are done.
pub(super) async fn finished(app: &App, hook_id: &str, limit: usize) -> Result<Vec<Delivery>> {
    let query = EventQuery {
        kind: STREAM.to_owned(),
        project: hook_id.to_owned(),
        newest_first: true,
        limit,
        ..EventQuery::default()
    };
    let entries = app.storage.events().scan(query).await?;
    Ok(entries.iter().filter_map(|entry| serde_json::from_str(&entry.body).ok()).collect())
}

/// What waits is kept for as long as it may be tried, however short the log is.
const DAYS_OF_RETRIES: i64 = 3;
