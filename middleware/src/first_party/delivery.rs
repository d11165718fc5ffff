//! Deliveries to the service, off the visitor's request.

use std::sync::Arc;
use std::time::Duration;

use quivive::botect::Botect;
use quivive_core::first_party::{EventsReport, PageHitReport};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// What is delivered, under a key that is the same on each try.
pub(super) enum Delivery {
    PageHit(PageHitReport, String),
    Events(EventsReport, String),
    Login(String),
}

/// Deliveries that wait and run; bounded in number and in bytes.
#[derive(Clone)]
pub(super) struct Deliveries {
    botect: Botect,
    room: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

impl Deliveries {
    pub fn new(botect: Botect) -> Self {
        let semaphore = |permits: u32| Arc::new(Semaphore::new(permits as usize));
        Self { botect, room: semaphore(ROOM), connections: semaphore(CONNECTIONS) }
    }

    /// Takes a delivery of so many bytes; false when there is no room for it.
    pub fn put(&self, delivery: Delivery, bytes: usize) -> bool {
        let size = u32::try_from(bytes / BYTES_OF_ROOM).unwrap_or(u32::MAX).saturating_add(1);
        let (Ok(room), Ok(runtime)) =
            (Arc::clone(&self.room).try_acquire_many_owned(size), Handle::try_current())
        else {
            tracing::warn!("a delivery to the service found no room");
            return false;
        };
        let deliveries = self.clone();
        runtime.spawn(async move {
            deliveries.deliver(delivery).await;
            drop(room);
        });
        true
    }

    /// Waits until nothing is left, at most so long.
    pub async fn flush(&self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.room.acquire_many(ROOM)).await.is_ok()
    }

    async fn deliver(&self, delivery: Delivery) {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.send(&delivery).await {
            let may_pass = error.is_passing() || delivery.may_overtake(&error);
            if !may_pass || begun.elapsed() + pause > LONGEST_WAIT {
                tracing::warn!(code = error.code(), "a delivery to the service is given up");
                return;
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(2 * pause);
        }
    }

    async fn send(&self, delivery: &Delivery) -> quivive::Result<()> {
        let _connection = self.connections.acquire().await;
        match delivery {
            Delivery::PageHit(report, key) => self.botect.page_hit(report, key).await.map(drop),
            Delivery::Events(report, key) => self.botect.forward_events(report, key).await.map(drop),
            Delivery::Login(session) => self.botect.logged_in(session).await.map(drop),
        }
    }
}

impl Delivery {
    /// A login can be faster than the first report of its session.
    fn may_overtake(&self, error: &quivive::Error) -> bool {
        matches!(self, Self::Login(_)) && error.code() == "UNKNOWN_SESSION"
    }
}

/// A unit of room; a delivery takes one and one more for each of its KiB.
const BYTES_OF_ROOM: usize = 1_024;
const ROOM: u32 = 65_536;
const CONNECTIONS: u32 = 32;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The service refuses reports that are much older.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
