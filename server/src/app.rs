//! What every handler has at hand: configuration, storage, keys, clock, entropy.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use quivive_core::Timestamp;
use sha2::{Digest, Sha256};

use crate::botcha::analytics::sink::Analytics;
use crate::botcha::challenges::stream::open::Streams;
use crate::config::Config;
use crate::flows::detection::Detection;
use crate::flows::scoring::Scoring;
use crate::flows::webhooks::Webhooks;
use crate::jobs::Jobs;
use crate::keys::KeyRing;
use crate::mail::Mailer;
use crate::openapi::Documents;
use crate::outbound::Outbound;
use crate::storage::Storage;
use crate::tenant::Callers;

/// The running application; cloning is cheap.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// The parts of an [`App`].
pub struct Inner {
    /// The validated configuration.
    pub config: Config,
    /// Records, events and counters.
    pub storage: Storage,
    /// Signing keys and secrets derived from the master secret.
    pub keys: KeyRing,
    /// The clock that everything asks.
    pub clock: Clock,
    /// The source of randomness that everything asks.
    pub entropy: Entropy,
    /// A short memory of proven callers.
    pub callers: Callers,
    /// Sessions that wait for their score, and verdicts that were read lately.
    pub scoring: Scoring,
    /// What happened on the BOTCHA family's routes and waits to be written.
    pub analytics: Analytics,
    /// The classifier of requests, and detections that wait to be recorded.
    pub detection: Detection,
    /// Deliveries that wait, and which projects have webhooks.
    pub webhooks: Webhooks,
    /// Open event streams of challenges.
    pub streams: Streams,
    /// The OpenAPI documents as they are sent.
    pub documents: Documents,
    /// The way out: DNS and HTTP.
    pub outbound: Outbound,
    /// The way out for mails.
    pub mail: Mailer,
    /// Work off the request path.
    pub jobs: Jobs,
    /// Whether new requests are still wanted; false from the first shutdown signal on.
    pub is_accepting: AtomicBool,
}

impl App {
    /// Puts the parts together.
    pub fn new(
        config: Config,
        storage: Storage,
        keys: KeyRing,
        outbound: Outbound,
        mail: Mailer,
        clock: Clock,
        entropy: Entropy,
    ) -> Self {
        let (scoring, detection) = (Scoring::new(&config), Detection::new(&config));
        Self(Arc::new(Inner {
            config,
            storage,
            keys,
            clock,
            entropy,
            scoring,
            analytics: Analytics::default(),
            detection,
            webhooks: Webhooks::default(),
            callers: Callers::default(),
            streams: Streams::default(),
            documents: Documents::default(),
            outbound,
            mail,
            jobs: Jobs::default(),
            is_accepting: AtomicBool::new(true),
        }))
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Fresh randomness for a core function.
    pub fn seed(&self) -> [u8; 32] {
        self.entropy.bytes()
    }

    /// So many fresh random bytes.
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        self.entropy.bytes()
    }
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The system's clock, or one that tests set.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's time.
    #[default]
    System,
    /// A time that moves only when told to.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands still until [`Clock::advance`].
    pub fn fixed(now: Timestamp) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(now.milliseconds())))
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_milliseconds(match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
            Self::Fixed(milliseconds) => milliseconds.load(Ordering::SeqCst),
        })
    }

    /// Moves a fixed clock; the system's clock stays as it is.
    pub fn advance(&self, milliseconds: i64) {
        if let Self::Fixed(now) = self {
            now.fetch_add(milliseconds, Ordering::SeqCst);
        }
    }
}

/// The system's randomness, or a repeatable stream for tests.
#[derive(Debug, Default)]
pub enum Entropy {
    /// The operating system's generator.
    #[default]
    System,
    /// SHA-256 of a seed and a counter; never for production.
    Seeded {
        /// Where the stream starts.
        seed: [u8; 32],
        /// How many blocks were taken.
        drawn: AtomicU64,
    },
}

impl Entropy {
    /// A repeatable stream.
    pub fn seeded(seed: [u8; 32]) -> Self {
        Self::Seeded { seed, drawn: AtomicU64::new(0) }
    }

    /// So many fresh random bytes.
    #[expect(
        clippy::expect_used,
        reason = "without randomness no secret can be made; going on would be unsafe"
    )]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match self {
            Self::System => getrandom::fill(&mut bytes).expect("the operating system gives no randomness"),
            Self::Seeded { seed, drawn } => {
                for block in bytes.chunks_mut(32) {
                    let number = drawn.fetch_add(1, Ordering::SeqCst).to_be_bytes();
                    let digest = Sha256::new().chain_update(seed).chain_update(number).finalize();
                    for (byte, fresh) in block.iter_mut().zip(digest) {
                        *byte = fresh;
                    }
                }
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_entropy_repeats_and_moves_on() {
        let (left, right) = (Entropy::seeded([7; 32]), Entropy::seeded([7; 32]));
        let first: [u8; 40] = left.bytes();
        assert_eq!(first, right.bytes::<40>());
        assert_ne!(first, left.bytes::<40>());
    }

    #[test]
    fn fixed_clock_moves_when_told() {
        let clock = Clock::fixed(Timestamp::from_seconds(10));
        let other = clock.clone();
        clock.advance(1500);
        assert_eq!(other.now(), Timestamp::from_milliseconds(11_500));
    }
}
