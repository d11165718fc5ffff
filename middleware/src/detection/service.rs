//! The detection service, asked before a decision or told after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quivive::agentshield::{AgentShield, Detection, Visit};
use quivive_core::guard::{DetectionGuard, Enquiry, Incoming, RemoteDetection};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::hooks::Hooks;

/// A service and how it takes part.
#[derive(Clone)]
pub(super) struct Service {
    client: AgentShield,
    is_remote: bool,
    room: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    dropped: Arc<AtomicU64>,
}

impl Service {
    pub fn remote(client: AgentShield) -> Self {
        Self {
            client,
            is_remote: true,
            room: Arc::new(Semaphore::new(MOST_WAITING)),
            connections: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
            dropped: Arc::default(),
        }
    }

    pub fn hybrid(client: AgentShield) -> Self {
        Self { is_remote: false, ..Self::remote(client) }
    }

    pub fn is_remote(&self) -> bool {
        self.is_remote
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The request with what the service says about it.
    pub async fn ask(
        &self,
        mut request: Incoming<'static>,
        guard: &DetectionGuard,
        hooks: &Hooks,
    ) -> Incoming<'static> {
        let Some(visit) = guard.enquiry(&request).map(visit) else { return request };
        match self.client.detect(&visit).await {
            Ok(told) => request.detection = read(&told),
            Err(error) => hooks.fail(error),
        }
        request.unavailable = request.detection.is_none();
        request
    }

    /// Tells the service about a request that was decided here.
    pub fn report(&self, request: &Incoming<'_>, guard: &DetectionGuard, hooks: Hooks) {
        let Some(enquiry) = guard.enquiry(request) else { return };
        let (Ok(room), Ok(runtime)) = (Arc::clone(&self.room).try_acquire_owned(), Handle::try_current())
        else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let visit = visit(enquiry);
        let service = self.clone();
        runtime.spawn(async move {
            let connection = service.connections.acquire().await;
            if let Err(error) = service.client.detect(&visit).await {
                hooks.fail(error);
            }
            drop((connection, room));
        });
    }
}

/// What the service is told, in the client's form.
fn visit(Enquiry { user_agent, ip, headers, url, method }: Enquiry) -> Visit {
    Visit { user_agent: Some(user_agent), ip, headers: Some(headers), url: Some(url), method }
}

/// Nothing for a figure or a type that does not exist.
fn read(told: &Detection) -> Option<RemoteDetection> {
    let bot_type = serde_json::from_value(told.bot_type.clone().into()).ok()?;
    let confidence = Some(told.confidence).filter(|confidence| (0.0..=1.0).contains(confidence))?;
    Some(RemoteDetection { is_bot: told.is_bot, confidence, bot_type })
}

const MOST_WAITING: usize = 1_000;
const MOST_CONNECTIONS: usize = 8;
