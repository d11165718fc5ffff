//! Records of resolved blocks, written off the read path into the audit stream.

use quivive_core::encoding;
use quivive_core::score::Verdict;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::app::App;
use crate::audit::STREAM;
use crate::error::Result;
use crate::jobs::Stop;
use crate::storage::{Event, EventQuery};
use crate::tenant::Site;

/// The label of a block in it.
pub const BLOCK: &str = "block";

/// Blocks that wait to be recorded.
pub struct Audit {
    sender: Sender<Event>,
    receiver: Mutex<Receiver<Event>>,
}

impl Default for Audit {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        Self { sender, receiver: Mutex::new(receiver) }
    }
}

impl Audit {
    /// Notes a block and the rule that decided it, if one did; one that finds no room is lost and warned about, because a read never waits for it.
    pub fn note(
        &self,
        app: &App,
        site: &Site,
        token: &str,
        path: Option<String>,
        verdict: &Verdict,
        rule_id: Option<i64>,
    ) {
        let at = app.now();
        let id = encoding::hex(&app.random_bytes::<16>());
        let body = json!({
            "id": id,
            "project_id": site.project.id,
            "session_token": token,
            "verdict": verdict.verdict.name(),
            "score": verdict.score,
            "action": verdict.action.name(),
            "reason": verdict.reason,
            "detection_ids": verdict.detection_ids,
            "rule_id": rule_id,
            "path": path,
            "created_at": at.to_seconds_text(),
        });
        let event = Event {
            kind: STREAM.to_owned(),
            project: site.project.id.to_string(),
            id,
            at,
            label: BLOCK.to_owned(),
            score: Some(f64::from(verdict.score)),
            body: body.to_string(),
            ..Event::default()
        };
        if self.sender.try_send(event).is_err() {
            tracing::warn!(project = site.project.id, "a block could not be recorded");
        }
    }
}

/// The recorded blocks of a project, latest first, as JSON texts.
///
/// # Errors
/// When storage does not answer.
pub async fn list_blocks(app: &App, project_id: i64, limit: usize) -> Result<Vec<String>> {
    let query = EventQuery {
        kind: STREAM.to_owned(),
        project: project_id.to_string(),
        labels: vec![BLOCK.to_owned()],
        newest_first: true,
        limit,
        ..EventQuery::default()
    };
    let events = app.storage.events().scan(query).await?;
    Ok(events.into_iter().map(|event| event.body).collect())
}

/// The task that records blocks until the server ends.
pub(super) async fn run(app: App, mut stop: Stop) {
    let mut receiver = app.scoring.audit.receiver.lock().await;
    loop {
        let mut events = Vec::new();
        tokio::select! {
            count = receiver.recv_many(&mut events, MOST_AT_ONCE) => if count == 0 { return },
            () = stop.requested() => receiver.close(),
        }
        if events.is_empty() {
            receiver.recv_many(&mut events, CAPACITY).await;
        }
        if let Err(error) = app.storage.events().append(events).await {
            tracing::error!(%error, "blocks could not be recorded");
        }
        if receiver.is_closed() && receiver.is_empty() {
            return;
        }
    }
}

const CAPACITY: usize = 4_096;
const MOST_AT_ONCE: usize = 256;
