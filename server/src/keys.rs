//! The key ring: the master secret, what is derived from it, and the keys that sign and verify tokens.

pub mod master;
pub mod rotation;
mod stored;

use arc_swap::ArcSwap;
use quivive_core::token::{Claims, Jwk, Jwks, Signer, Verifier, VerifyPolicy};
use quivive_core::{ErrorKind, Timestamp};

use self::master::MasterSecret;
use self::stored::{PREFIX, StoredKey};
use crate::app::{Clock, Entropy};
use crate::config::{Config, ConfigError};
use crate::storage::{self, Storage};

/// The keys of a running server.
pub struct KeyRing {
    master: MasterSecret,
    clock: Clock,
    configured: Configured,
    current: ArcSwap<Keys>,
    badge_signer: Signer,
    badge_verifier: Verifier,
}

/// When a key signs and ends, as its owner sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyState {
    /// Its id.
    pub kid: String,
    /// When it was made; nothing for a key of the configuration.
    pub created_at: Option<Timestamp>,
    /// When it begins to sign.
    pub signs_at: Timestamp,
    /// When it is taken out of the published set.
    pub expires_at: Option<Timestamp>,
}

/// What the configuration gives.
struct Configured {
    key: Option<Jwk>,
    secret: Option<String>,
    accepts_secret: bool,
}

/// The keys as they are at a time; replaced as a whole.
struct Keys {
    /// Signs until one of the later ones does.
    first: Signer,
    /// Keys and when they begin to sign, the earliest first.
    later: Vec<(Timestamp, Signer)>,
    verifier: Verifier,
    published: Jwks,
    states: Vec<KeyState>,
}

impl KeyRing {
    /// Takes the configured keys, or the stored ones, or makes one and stores it sealed. Beside configured keys the
    /// stored ones, if there are any, stay published and accepted: what they signed may still be in use.
    ///
    /// # Errors
    /// A message for the owner if a configured or stored key cannot be used; such a key is never passed over.
    pub async fn load(
        config: &Config,
        storage: &Storage,
        master: MasterSecret,
        entropy: &Entropy,
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        let keys = &config.keys;
        let is_configured = keys.jwt_signing_key.is_some() || keys.jwt_secret.is_some();
        let stored = if is_configured {
            read_stored(storage).await?
        } else {
            stored_or_new(storage, &master, entropy, clock.now()).await?
        };
        let mut configured = Configured {
            key: None,
            secret: keys.jwt_secret.clone(),
            accepts_secret: keys.accept_hs256 || keys.jwt_signing_key.is_none(),
        };
        let opened = open_all(&stored, &master, is_configured)?;
        if opened.len() < stored.len() {
            tracing::warn!("tokens of stored signing keys that do not open are no longer accepted");
        }
        if let Some(text) = &keys.jwt_signing_key {
            configured.key = Some(read_key(text, &opened)?);
        }
        let current = ArcSwap::from_pointee(configured.compile(opened)?);
        let badge_secret = master.derive("badge");
        let badge_signer = Signer::from_secret(&badge_secret).map_err(unusable)?;
        let badge_verifier =
            Verifier::from_secret(&badge_secret, VerifyPolicy::default()).map_err(unusable)?;
        Ok(Self { master, clock, configured, current, badge_signer, badge_verifier })
    }

    /// A secret for one purpose, derived from the master secret; the same purpose gives the same secret.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        self.master.derive(purpose)
    }

    /// Seals a secret that is stored, bound to its name.
    ///
    /// # Errors
    /// As [`MasterSecret::seal`].
    pub fn seal(&self, name: &str, secret: &[u8]) -> crate::error::Result<String> {
        self.master.seal(name, secret)
    }

    /// Opens what [`KeyRing::seal`] made for the same name.
    ///
    /// # Errors
    /// As [`MasterSecret::open`].
    pub fn open(&self, name: &str, sealed: &str) -> crate::error::Result<Vec<u8>> {
        self.master.open(name, sealed)
    }

    /// Signs badges; a key of its own, so that a badge is never a token.
    pub fn badge_signer(&self) -> &Signer {
        &self.badge_signer
    }

    /// Verifies badges.
    pub fn badge_verifier(&self) -> &Verifier {
        &self.badge_verifier
    }

    /// Signs claims with the key whose turn it is.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` for claims that make a token longer than any verifier takes.
    pub fn sign(&self, claims: &Claims) -> quivive_core::Result<String> {
        self.current.load().signer(self.clock.now()).sign(claims)
    }

    /// Verifies the signature alone; time, type and the rest are the caller's to check.
    ///
    /// # Errors
    /// As [`Verifier::verify_signature`].
    pub fn verify_signature(&self, token: &str) -> quivive_core::Result<Claims> {
        self.current.load().verifier.verify_signature(token)
    }

    /// The keys for everyone, the next one included.
    pub fn published(&self) -> Jwks {
        self.current.load().published.clone()
    }

    /// Every signing key and when it is used.
    pub fn states(&self) -> Vec<KeyState> {
        self.current.load().states.clone()
    }

    /// The id of the key that signs now; nothing while tokens are signed with a secret.
    pub fn signing_key_id(&self) -> Option<String> {
        if self.configured.key.is_none() && self.configured.secret.is_some() {
            return None;
        }
        let now = self.clock.now();
        let keys = self.current.load();
        let mut begun = keys.states.iter().rev().filter(|state| state.signs_at <= now);
        match &self.configured.key {
            Some(key) => key.kid.clone(),
            None => begun.next().map(|state| state.kid.clone()),
        }
    }

    /// The setting that tokens are signed with; nothing while the keys are this server's own.
    fn configured_by(&self) -> Option<&'static str> {
        match (&self.configured.key, &self.configured.secret) {
            (Some(_), _) => Some("keys.jwt_signing_key"),
            (None, Some(_)) => Some("keys.jwt_secret"),
            (None, None) => None,
        }
    }

    fn replace(&self, stored: Vec<StoredKey>) -> Result<(), ConfigError> {
        let opened = open_all(&stored, &self.master, self.configured_by().is_some())?;
        self.current.store(self.configured.compile(opened)?.into());
        Ok(())
    }
}

impl Keys {
    fn signer(&self, now: Timestamp) -> &Signer {
        let begun = self.later.iter().rev().find(|(signs_at, _)| *signs_at <= now);
        begun.map_or(&self.first, |(_, signer)| signer)
    }
}

/// A stored key and its private half.
type Opened = (StoredKey, Jwk);

impl Configured {
    fn compile(&self, opened: Vec<Opened>) -> Result<Keys, ConfigError> {
        let published = self.publish(&opened)?;
        let mut verifier = Verifier::new(&published, VerifyPolicy::default()).map_err(unusable)?;
        if let Some(secret) = self.secret.as_deref().filter(|_| self.accepts_secret) {
            verifier = verifier.with_secret(secret.as_bytes()).map_err(unusable)?;
        }
        let (first, later) = self.signers(&opened)?;
        let mut states: Vec<KeyState> = opened.into_iter().map(|(stored, _)| state(stored)).collect();
        if let Some(kid) = self.key.as_ref().and_then(|key| key.kid.clone())
            && states.iter().all(|state| state.kid != kid)
        {
            let signs_at = Timestamp::default();
            states.push(KeyState { kid, created_at: None, signs_at, expires_at: None });
        }
        Ok(Keys { first, later, verifier, published, states })
    }

    fn signers(&self, opened: &[Opened]) -> Result<(Signer, Vec<(Timestamp, Signer)>), ConfigError> {
        if let Some(key) = &self.key {
            return Ok((Signer::from_jwk(key).map_err(unusable)?, Vec::new()));
        }
        if let Some(secret) = &self.secret {
            let signer = Signer::from_secret(secret.as_bytes())
                .map_err(|error| ConfigError(format!("`keys.jwt_secret` cannot be used: {error}")))?;
            return Ok((signer, Vec::new()));
        }
        let mut signers = opened
            .iter()
            .map(|(stored, key)| Ok((stored.signs_at, Signer::from_jwk(key).map_err(unusable)?)))
            .collect::<Result<Vec<_>, ConfigError>>()?
            .into_iter();
        let (_, first) =
            signers.next().ok_or_else(|| ConfigError("there is no key to sign with".to_owned()))?;
        Ok((first, signers.collect()))
    }

    /// The configured key, then the stored ones that are others.
    fn publish(&self, opened: &[Opened]) -> Result<Jwks, ConfigError> {
        let mut keys: Vec<Jwk> = self.key.iter().cloned().collect();
        for (_, stored) in opened {
            match self.key.as_ref().filter(|key| key.kid == stored.kid) {
                None => keys.push(stored.clone()),
                Some(key) if is_same(key, stored) => {}
                Some(_) => {
                    return Err(ConfigError(format!(
                        "`keys.jwt_signing_key` has the id of a generated key, which stays published: give it another \
                         `kid`, such as {}",
                        free_id(opened)
                    )));
                }
            }
        }
        Jwks::publish(&keys).map_err(unusable)
    }
}

/// Opens stored keys. Where the configuration signs, those that do not open are passed over: configured keys are also
/// the way out when the master secret is lost.
fn open_all(
    stored: &[StoredKey],
    master: &MasterSecret,
    is_configured: bool,
) -> Result<Vec<Opened>, ConfigError> {
    let mut opened = Vec::new();
    for key in stored {
        match key.open(master) {
            Ok(jwk) => opened.push((key.clone(), jwk)),
            Err(_) if is_configured => {}
            Err(error) => return Err(error),
        }
    }
    Ok(opened)
}

async fn read_stored(storage: &Storage) -> Result<Vec<StoredKey>, ConfigError> {
    let found = stored::list(storage).await;
    let found =
        found.map_err(|error| ConfigError(format!("the stored signing keys cannot be read: {error}")))?;
    Ok(found.into_iter().map(|key| key.value).collect())
}

async fn stored_or_new(
    storage: &Storage,
    master: &MasterSecret,
    entropy: &Entropy,
    now: Timestamp,
) -> Result<Vec<StoredKey>, ConfigError> {
    let found = read_stored(storage).await?;
    if !found.is_empty() {
        return Ok(found);
    }
    match storage.insert(&StoredKey::generate(0, master, entropy, now)?).await {
        // Another node was faster: its key is ours.
        Ok(()) | Err(storage::Error::Conflict) => read_stored(storage).await,
        Err(error) => Err(ConfigError(format!("the signing key cannot be stored: {error}"))),
    }
}

fn read_key(text: &str, opened: &[Opened]) -> Result<Jwk, ConfigError> {
    let mut key: Jwk = serde_json::from_str(text).map_err(|_| {
        ConfigError("`keys.jwt_signing_key` is no JWK: it must be JSON with kty, crv, x, y and d".to_owned())
    })?;
    if key.kid.is_none() {
        let same = opened.iter().find(|(_, stored)| is_same(&key, stored));
        key.kid = Some(same.map_or_else(|| free_id(opened), |(stored, _)| stored.kid.clone()));
    }
    Signer::from_jwk(&key).map_err(unusable)?;
    Ok(key)
}

/// The id after those of the stored keys.
fn free_id(opened: &[Opened]) -> String {
    let last = opened.iter().map(|(stored, _)| stored.number()).max().unwrap_or_default();
    format!("{PREFIX}{}", last.saturating_add(1))
}

fn state(stored: StoredKey) -> KeyState {
    let StoredKey { kid, created_at, signs_at, expires_at, .. } = stored;
    KeyState { kid, created_at: Some(created_at), signs_at, expires_at }
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
