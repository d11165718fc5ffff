//! The key ring: the master secret, what is derived from it, and the keys that sign and verify tokens.

pub mod master;

use quivive_core::token::{Claims, Jwk, Jwks, Signer, Verifier, VerifyPolicy};
use quivive_core::{ErrorKind, Timestamp};
use serde::{Deserialize, Serialize};

use self::master::MasterSecret;
use crate::app::Entropy;
use crate::config::{Config, ConfigError};
use crate::storage::{self, Record, Storage};

/// The id of the first key; the next ones count up.
pub const FIRST_KEY_ID: &str = "botcha-signing-1";

/// The id of a configured key that has none, where a first one was generated before.
const SECOND_KEY_ID: &str = "botcha-signing-2";

/// The keys of a running server.
pub struct KeyRing {
    master: MasterSecret,
    signer: Signer,
    verifier: Verifier,
    published: Jwks,
    badge_signer: Signer,
}

impl KeyRing {
    /// Takes the configured keys, or the stored one, or makes one and stores it sealed. Beside configured keys the
    /// stored one, if there is one, stays published and accepted: what it signed may still be in use.
    ///
    /// # Errors
    /// A message for the owner if a configured or stored key cannot be used; such a key is never passed over.
    pub async fn load(
        config: &Config,
        storage: &Storage,
        master: MasterSecret,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<Self, ConfigError> {
        let secret = config.keys.jwt_secret.as_deref();
        let configured = config.keys.jwt_signing_key.as_deref();
        let stored = if configured.is_some() || secret.is_some() {
            former_key(storage, &master).await?
        } else {
            Some(stored_key(storage, &master, entropy, now).await?)
        };
        let key = match configured {
            Some(text) => Some(read_key(text, stored.as_ref())?),
            None => stored.clone().filter(|_| secret.is_none()),
        };
        let published = publish(key.as_ref(), stored)?;
        let signer = match (&key, secret) {
            (Some(key), _) => Signer::from_jwk(key).map_err(unusable)?,
            (None, Some(secret)) => Signer::from_secret(secret.as_bytes())
                .map_err(|error| ConfigError(format!("`keys.jwt_secret` cannot be used: {error}")))?,
            (None, None) => return Err(ConfigError("there is no key to sign with".to_owned())),
        };
        let mut verifier = Verifier::new(&published, VerifyPolicy::default()).map_err(unusable)?;
        if let Some(secret) = secret.filter(|_| config.keys.accept_hs256 || key.is_none()) {
            verifier = verifier.with_secret(secret.as_bytes()).map_err(unusable)?;
        }
        let badge_signer = Signer::from_secret(&master.derive("badge")).map_err(unusable)?;
        Ok(Self { master, signer, verifier, published, badge_signer })
    }

    /// A secret for one purpose, derived from the master secret; the same purpose gives the same secret.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        self.master.derive(purpose)
    }

    /// Signs badges; a key of its own, so that a badge is never a token.
    pub fn badge_signer(&self) -> &Signer {
        &self.badge_signer
    }

    /// Signs claims with the current key.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` for claims that make a token longer than any verifier takes.
    pub fn sign(&self, claims: &Claims) -> quivive_core::Result<String> {
        self.signer.sign(claims)
    }

    /// Verifies the signature alone; time, type and the rest are the caller's to check.
    ///
    /// # Errors
    /// As [`Verifier::verify_signature`].
    pub fn verify_signature(&self, token: &str) -> quivive_core::Result<Claims> {
        self.verifier.verify_signature(token)
    }

    /// The keys for everyone.
    pub fn published(&self) -> &Jwks {
        &self.published
    }
}

/// A private key as it is stored: sealed by the master secret.
#[derive(Deserialize, Serialize)]
struct StoredKey {
    kid: String,
    sealed: String,
    created_at: Timestamp,
}

impl Record for StoredKey {
    const KIND: &'static str = "signing_key";

    fn id(&self) -> String {
        self.kid.clone()
    }
}

/// The key that signs, then the stored one if that is another.
fn publish(key: Option<&Jwk>, stored: Option<Jwk>) -> Result<Jwks, ConfigError> {
    let mut keys: Vec<Jwk> = key.into_iter().cloned().collect();
    match (key, stored) {
        (Some(key), Some(stored)) if key.kid == stored.kid => {
            if !is_same(key, &stored) {
                return Err(ConfigError(format!(
                    "`keys.jwt_signing_key` has the id of the generated key, which stays published: give it another \
                     `kid`, such as {SECOND_KEY_ID}"
                )));
            }
        }
        (_, stored) => keys.extend(stored),
    }
    Jwks::publish(&keys).map_err(unusable)
}

/// The stored key beside configured ones; they are also the way out when it does not open any more.
async fn former_key(storage: &Storage, master: &MasterSecret) -> Result<Option<Jwk>, ConfigError> {
    let found = storage.get::<StoredKey>(FIRST_KEY_ID).await;
    let found =
        found.map_err(|error| ConfigError(format!("the stored signing key cannot be read: {error}")))?;
    let Some(stored) = found else { return Ok(None) };
    match open(&stored, master) {
        Ok(key) => Ok(Some(key)),
        Err(error) => {
            tracing::warn!(%error, "tokens of the stored signing key are no longer accepted");
            Ok(None)
        }
    }
}

async fn stored_key(
    storage: &Storage,
    master: &MasterSecret,
    entropy: &Entropy,
    now: Timestamp,
) -> Result<Jwk, ConfigError> {
    let failed = |error: storage::Error| ConfigError(format!("the signing key cannot be stored: {error}"));
    if storage.get::<StoredKey>(FIRST_KEY_ID).await.map_err(failed)?.is_none() {
        let key = generate(entropy)?;
        let text =
            serde_json::to_vec(&key).map_err(|_| ConfigError("the new key has no JSON form".to_owned()))?;
        let sealed = master.seal(FIRST_KEY_ID, &text).map_err(|error| ConfigError(error.to_string()))?;
        match storage.insert(&StoredKey { kid: FIRST_KEY_ID.to_owned(), sealed, created_at: now }).await {
            // Another node was faster: its key is ours.
            Ok(()) | Err(storage::Error::Conflict) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let stored = storage.get::<StoredKey>(FIRST_KEY_ID).await.map_err(failed)?;
    let stored = stored.ok_or_else(|| ConfigError("the signing key was not stored".to_owned()))?;
    open(&stored, master)
}

fn open(stored: &StoredKey, master: &MasterSecret) -> Result<Jwk, ConfigError> {
    let text = master.open(FIRST_KEY_ID, &stored.sealed).map_err(|_| {
        ConfigError(
            "the stored signing key does not open: the master secret is not the one that sealed it. Bring back the \
             former master.secret, or set `keys.jwt_signing_key`"
                .to_owned(),
        )
    })?;
    serde_json::from_slice(&text).map_err(|_| ConfigError("the stored signing key is no JWK".to_owned()))
}

/// Not every 32 bytes are a key of the curve; those that are not are practically never drawn.
fn generate(entropy: &Entropy) -> Result<Jwk, ConfigError> {
    let mut last = None;
    for _ in 0..4 {
        match Jwk::generate(&entropy.bytes(), Some(FIRST_KEY_ID)) {
            Ok(key) => return Ok(key),
            Err(error) => last = Some(error),
        }
    }
    Err(ConfigError(format!(
        "no signing key could be made: {}",
        last.map(|e| e.to_string()).unwrap_or_default()
    )))
}

fn read_key(text: &str, stored: Option<&Jwk>) -> Result<Jwk, ConfigError> {
    let mut key: Jwk = serde_json::from_str(text).map_err(|_| {
        ConfigError("`keys.jwt_signing_key` is no JWK: it must be JSON with kty, crv, x, y and d".to_owned())
    })?;
    if key.kid.is_none() {
        let is_second = stored.is_some_and(|stored| !is_same(&key, stored));
        key.kid = Some(if is_second { SECOND_KEY_ID } else { FIRST_KEY_ID }.to_owned());
    }
    Signer::from_jwk(&key).map_err(unusable)?;
    Ok(key)
}

fn is_same(left: &Jwk, right: &Jwk) -> bool {
    matches!((left.thumbprint(), right.thumbprint()), (Ok(left), Ok(right)) if left == right)
}

fn unusable(error: quivive_core::Error) -> ConfigError {
    let what = if error.kind() == ErrorKind::InvalidKey {
        "is not a usable P-256 private key"
    } else {
        "cannot be used"
    };
    ConfigError(format!("`keys.jwt_signing_key` {what}: {error}"))
}
