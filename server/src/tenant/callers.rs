//! A short memory of proven callers, so that a hot path does not read three records for each request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use super::detection_key::uses::Uses;
use super::detection_key::{self, KeyHolder};
use super::pixel::{self, PixelHolder};
use super::{Account, Project, credentials, directory};
use crate::app::App;
use crate::error::Result;

/// A project that scores sessions, with its account.
#[derive(Clone, Debug)]
pub struct Site {
    /// The project.
    pub project: Project,
    /// Its owner.
    pub account: Account,
}

/// Proven callers by credential; every change of a tenant makes all of them stale at once.
pub struct Callers {
    changes: Arc<AtomicU64>,
    site_keys: Remembered<Site>,
    private_keys: Remembered<Site>,
    detection_keys: Remembered<KeyHolder>,
    /// Hashes of keys for request detection that were found lately.
    known_keys: Cache<String, ()>,
    /// When keys for request detection were used last.
    pub uses: Uses,
    pixels: Remembered<PixelHolder>,
}

impl Default for Callers {
    fn default() -> Self {
        let changes = Arc::<AtomicU64>::default();
        Self {
            site_keys: Remembered::new(changes.clone()),
            private_keys: Remembered::new(changes.clone()),
            detection_keys: Remembered::new(changes.clone()),
            known_keys: Cache::builder().max_capacity(CAPACITY).time_to_live(KNOWN_LIFETIME).build(),
            uses: Uses::default(),
            pixels: Remembered::new(changes.clone()),
            changes,
        }
    }
}

impl Callers {
    /// Makes every remembered caller stale.
    pub fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// The project of a site key.
    ///
    /// # Errors
    /// When storage does not answer.
    pub async fn by_site_key(&self, app: &App, key: &str) -> Result<Option<Arc<Site>>> {
        self.site_keys.find(key, directory::site_by_site_key(app, key)).await
    }

    /// The project of a private key.
    ///
    /// # Errors
    /// When storage does not answer.
    pub async fn by_private_key(&self, app: &App, key: &str) -> Result<Option<Arc<Site>>> {
        let hash = credentials::hash(key);
        self.private_keys.find(&hash, directory::site_by_private_key(app, &hash)).await
    }

    /// The holder of a key for request detection, whether it is still accepted or not.
    ///
    /// # Errors
    /// When storage does not answer.
    pub async fn by_detection_key(&self, app: &App, key: &str) -> Result<Option<Arc<KeyHolder>>> {
        let hash = credentials::hash(key);
        let found = self.detection_keys.find(&hash, detection_key::holder(app, &hash)).await?;
        if found.is_some() {
            self.known_keys.insert(hash, ());
        }
        Ok(found)
    }

    /// Whether a key for request detection was found in the last minutes.
    pub fn is_known(&self, key: &str) -> bool {
        self.known_keys.contains_key(&credentials::hash(key))
    }

    /// A pixel by its id, whether it takes events or not.
    ///
    /// # Errors
    /// When storage does not answer.
    pub async fn by_pixel(&self, app: &App, id: &str) -> Result<Option<Arc<PixelHolder>>> {
        self.pixels.find(id, pixel::holder(app, id)).await
    }
}

/// What was found under a text, for at most a second and only while no tenant changed.
struct Remembered<T> {
    changes: Arc<AtomicU64>,
    found: Cache<String, (u64, Arc<T>)>,
}

impl<T: Send + Sync + 'static> Remembered<T> {
    fn new(changes: Arc<AtomicU64>) -> Self {
        let found = Cache::builder().max_capacity(CAPACITY).time_to_live(LIFETIME).build();
        Self { changes, found }
    }

    /// What is remembered under the key, else what `load` finds.
    async fn find(&self, key: &str, load: impl Future<Output = Result<Option<T>>>) -> Result<Option<Arc<T>>> {
        // The number is read before the records are: what was loaded during a change is stale afterwards.
        let changes = self.changes.load(Ordering::SeqCst);
        if let Some((at, found)) = self.found.get(key)
            && at == changes
        {
            return Ok(Some(found));
        }
        let found = load.await?.map(Arc::new);
        if let Some(found) = &found {
            self.found.insert(key.to_owned(), (changes, found.clone()));
        }
        Ok(found)
    }
}

const CAPACITY: u64 = 10_000;

/// How long it is remembered that a key exists.
const KNOWN_LIFETIME: Duration = Duration::from_secs(600);

/// Bounds how long another process (a second node, the admin command) can have changed a tenant unseen.
const LIFETIME: Duration = Duration::from_secs(1);
