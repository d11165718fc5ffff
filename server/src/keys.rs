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

/// The keys of a running server.
pub struct KeyRing {
    master: MasterSecret,
    signer: Signer,
    verifier: Verifier,
    published: Jwks,
    badge_signer: Signer,
}

impl KeyRing {
    /// Takes the configured keys, or the stored one, or makes one and stores it sealed.
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
        let key = match &config.keys.jwt_signing_key {
            Some(text) => Some(read_key(text)?),
            None if secret.is_some() => None,
            None => Some(stored_key(storage, &master, entropy, now).await?),
        };
        let published = match &key {
            Some(key) => Jwks::publish(std::slice::from_ref(key)).map_err(unusable)?,
            None => Jwks { keys: Vec::new() },
        };
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

fn read_key(text: &str) -> Result<Jwk, ConfigError> {
    let mut key: Jwk = serde_json::from_str(text).map_err(|_| {
        ConfigError("`keys.jwt_signing_key` is no JWK: it must be JSON with kty, crv, x, y and d".to_owned())
    })?;
    key.kid.get_or_insert_with(|| FIRST_KEY_ID.to_owned());
    Signer::from_jwk(&key).map_err(unusable)?;
    Ok(key)
}

fn unusable(error: quivive_core::Error) -> ConfigError {
    let what = if error.kind() == ErrorKind::InvalidKey {
        "is not a usable P-256 private key"
    } else {
        "cannot be used"
    };
    ConfigError(format!("`keys.jwt_signing_key` {what}: {error}"))
}
