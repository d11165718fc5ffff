//! The signing keys that this server made, as they are stored: private halves sealed by the master secret.

use quivive_core::Timestamp;
use quivive_core::token::Jwk;
use serde::{Deserialize, Serialize};

use super::master::MasterSecret;
use crate::app::Entropy;
use crate::config::ConfigError;
use crate::storage::{self, Record, Storage, Versioned};

/// A signing key and when it is used.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct StoredKey {
    /// Its id, a number after [`PREFIX`].
    pub kid: String,
    /// The private JWK, sealed.
    sealed: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it begins to sign; until then it is only published.
    #[serde(default)]
    pub signs_at: Timestamp,
    /// When all that it signed has ended; nothing while no other key follows it.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

impl StoredKey {
    /// Makes a key with the number after the given one.
    ///
    /// # Errors
    /// If no key can be made or sealed.
    pub(super) fn generate(
        after: u32,
        master: &MasterSecret,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<Self, ConfigError> {
        let kid = format!("{PREFIX}{}", after.saturating_add(1));
        let key = draw(&kid, entropy)?;
        let text =
            serde_json::to_vec(&key).map_err(|_| ConfigError("the new key has no JSON form".to_owned()))?;
        let sealed = master.seal(&kid, &text).map_err(|error| ConfigError(error.to_string()))?;
        Ok(Self { kid, sealed, created_at: now, signs_at: now, expires_at: None })
    }

    /// The private key.
    ///
    /// # Errors
    /// If it was sealed by another master secret.
    pub(super) fn open(&self, master: &MasterSecret) -> Result<Jwk, ConfigError> {
        let text = master.open(&self.kid, &self.sealed).map_err(|_| {
            ConfigError(format!(
                "the stored signing key `{}` does not open: the master secret is not the one that sealed it. Bring \
                 back the former master.secret, or set `keys.jwt_signing_key`",
                self.kid
            ))
        })?;
        serde_json::from_slice(&text)
            .map_err(|_| ConfigError(format!("the stored signing key `{}` is no JWK", self.kid)))
    }

    /// The number in its id.
    pub(super) fn number(&self) -> u32 {
        self.kid.strip_prefix(PREFIX).and_then(|number| number.parse().ok()).unwrap_or_default()
    }
}

/// All keys that are stored and have not expired, the first one first.
///
/// # Errors
/// If storage does not answer.
pub(super) async fn list(storage: &Storage) -> storage::Result<Vec<Versioned<StoredKey>>> {
    let mut keys = storage.list::<StoredKey>("", None, MOST_KEYS).await?;
    keys.sort_by_key(|key| key.number());
    Ok(keys)
}

impl Record for StoredKey {
    const KIND: &'static str = "signing_key";

    fn id(&self) -> String {
        self.kid.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }
}

/// Not every 32 bytes are a key of the curve; those that are not are practically never drawn.
fn draw(kid: &str, entropy: &Entropy) -> Result<Jwk, ConfigError> {
    let mut last = None;
    for _ in 0..4 {
        match Jwk::generate(&entropy.bytes(), Some(kid)) {
            Ok(key) => return Ok(key),
            Err(error) => last = Some(error),
        }
    }
    let reason = last.map(|error| error.to_string()).unwrap_or_default();
    Err(ConfigError(format!("no signing key could be made: {reason}")))
}

/// What the ids of our keys begin with; a number follows.
pub(super) const PREFIX: &str = "botcha-signing-";

/// As many as a published set may hold.
const MOST_KEYS: usize = 1000;
