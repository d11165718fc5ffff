//! Event streams that are open on this node: who waits for what is pushed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::sse::Event;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

/// The open streams by session; cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Streams(Arc<Mutex<HashMap<String, Caller>>>);

/// The sending end of a stream.
#[derive(Debug)]
struct Caller {
    address: IpAddr,
    events: mpsc::Sender<Event>,
}

/// Why no stream was opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Full {
    /// This address has as many as one may have.
    Caller,
    /// There are as many as this server holds.
    Server,
}

impl Streams {
    /// Opens the stream of a session. `most` streams are held, 0 is without limit; one address has at most
    /// [`PER_ADDRESS`].
    ///
    /// # Errors
    /// If there is no room.
    pub fn open(&self, session: &str, address: IpAddr, most: usize) -> Result<Waiting, Full> {
        let mut open = self.lock();
        if most > 0 && open.len() >= most {
            return Err(Full::Server);
        }
        if most > 0 && open.values().filter(|caller| caller.address == address).count() >= PER_ADDRESS {
            return Err(Full::Caller);
        }
        let (events, pushed) = mpsc::channel(MOST_WAITING);
        open.insert(session.to_owned(), Caller { address, events });
        let session = session.to_owned();
        Ok(Waiting { session, pushed, streams: self.clone(), ends_at: Instant::now() + LONGEST })
    }

    /// Pushes an event, if the stream is open here.
    pub fn push(&self, session: &str, event: Event) {
        if let Some(caller) = self.lock().get(session) {
            // Full only if the other side reads nothing; the answer to the POST says the same.
            let _ = caller.events.try_send(event);
        }
    }

    /// Pushes the last event; the stream ends after it.
    pub fn finish(&self, session: &str, event: Event) {
        if let Some(caller) = self.lock().remove(session) {
            let _ = caller.events.try_send(event);
        }
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Caller>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving end of a stream; its place is free again when it is dropped.
#[derive(Debug)]
pub struct Waiting {
    session: String,
    pushed: mpsc::Receiver<Event>,
    streams: Streams,
    ends_at: Instant,
}

impl Waiting {
    /// The next event; nothing at the end: after the last event, after five minutes, or when the server stops.
    pub async fn next(&mut self, is_accepting: &AtomicBool) -> Option<Event> {
        let stops = async {
            while is_accepting.load(Ordering::SeqCst) {
                sleep(LOOK_AROUND).await;
            }
        };
        tokio::select! {
            event = timeout_at(self.ends_at, self.pushed.recv()) => event.ok().flatten(),
            () = stops => None,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.streams.lock().remove(&self.session);
    }
}

/// The most streams that one address may have open.
pub const PER_ADDRESS: usize = 20;
/// A challenge and a result; no more is ever pushed.
const MOST_WAITING: usize = 4;
const LONGEST: Duration = Duration::from_secs(300);
const LOOK_AROUND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::BROADCAST);

    #[test]
    fn places_are_bounded_and_given_back() {
        let streams = Streams::default();
        let mut open: Vec<_> =
            (0..PER_ADDRESS).map(|id| streams.open(&id.to_string(), HERE, 100).unwrap()).collect();
        assert_eq!(streams.open("more", HERE, 100).err(), Some(Full::Caller));
        assert_eq!(streams.open("more", THERE, PER_ADDRESS).err(), Some(Full::Server));
        open.push(streams.open("other", THERE, 100).unwrap());
        assert_eq!(streams.count(), PER_ADDRESS + 1);
        drop(open);
        assert_eq!(streams.count(), 0);
        assert!(streams.open("more", HERE, 100).is_ok());
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_time_with_its_last_event_and_with_the_server() {
        let (runs, stops) = (AtomicBool::new(true), AtomicBool::new(false));
        let streams = Streams::default();
        let mut waiting = streams.open("one", HERE, 0).unwrap();
        assert_eq!(waiting.ends_at.saturating_duration_since(Instant::now()).as_secs(), 299);
        waiting.ends_at = Instant::now() + Duration::from_millis(20);
        assert!(waiting.next(&runs).await.is_none());
        let mut waiting = streams.open("two", HERE, 0).unwrap();
        assert!(waiting.next(&stops).await.is_none());
        streams.push("two", Event::default());
        streams.finish("two", Event::default());
        assert!(waiting.next(&runs).await.is_some());
        assert!(waiting.next(&runs).await.is_some());
        assert!(waiting.next(&runs).await.is_none());
    }

    #[test]
    fn what_nobody_waits_for_is_dropped() {
        let streams = Streams::default();
        streams.push("none", Event::default());
        streams.finish("none", Event::default());
        let waiting = streams.open("one", HERE, 0).unwrap();
        (0..100).for_each(|_| streams.push("one", Event::default()));
        assert_eq!(waiting.pushed.len(), MOST_WAITING);
    }
}
