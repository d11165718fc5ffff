//! Keys that verify message signatures, and the documents that publish them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agent::{KeyLocation, LocationKind};
use super::policy::Profile;
use super::result::Reason;
use crate::public_key::{PublicKey, SignatureAlgorithm};
use crate::token::Jwk;
use crate::{Error, ErrorKind, Result};

/// A JSON Web Key with the times between which it is valid.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DatedJwk {
    /// The key.
    #[serde(flatten)]
    pub jwk: Jwk,
    /// From when it is valid, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Until when it is valid, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
}

/// A public key that is ready to verify message signatures.
#[derive(Clone, Debug)]
pub struct VerificationKey {
    /// The key for each algorithm that it can be used with; several for an RSA key that names none.
    keys: Vec<PublicKey>,
    dated: DatedJwk,
}

impl VerificationKey {
    /// Reads a key and checks it; private members are refused.
    ///
    /// # Errors
    /// `INVALID_KEY` as [`PublicKey::from_jwk`], and for a type, curve or algorithm that is not verified here.
    pub fn from_jwk(dated: &DatedJwk) -> Result<Self> {
        let read = |algorithm: &SignatureAlgorithm| PublicKey::from_jwk(&dated.jwk, *algorithm);
        let keys: Vec<PublicKey> =
            KEY_ALGORITHMS.iter().filter_map(|algorithm| read(algorithm).ok()).collect();
        let Some(first) = keys.first() else {
            // Which algorithm fits is not known, so the message cannot say more.
            return Err(Error::new(ErrorKind::InvalidKey, "key cannot verify message signatures"));
        };
        let jwk = Jwk { kid: dated.jwk.kid.clone(), alg: dated.jwk.alg.clone(), ..first.jwk().clone() };
        Ok(Self { keys, dated: DatedJwk { jwk, ..*dated } })
    }

    /// Takes a key that is pinned to its algorithm, for example a registered agent's.
    pub fn from_public_key(key: PublicKey, kid: Option<&str>) -> Self {
        let alg = Some(key.algorithm().jws_name().to_owned());
        let jwk = Jwk { kid: kid.map(str::to_owned), alg, ..key.jwk().clone() };
        Self { keys: vec![key], dated: DatedJwk { jwk, nbf: None, exp: None } }
    }

    /// The RFC 7638 thumbprint.
    pub fn thumbprint(&self) -> &str {
        self.keys.first().map_or("", PublicKey::thumbprint)
    }

    /// The key with its times; nothing in it is private.
    pub fn jwk(&self) -> &DatedJwk {
        &self.dated
    }

    /// Whether the key's times include `now`, in seconds since the Unix epoch.
    pub(super) fn is_valid_at(&self, now: i64) -> bool {
        self.dated.nbf.is_none_or(|start| start <= now) && self.dated.exp.is_none_or(|end| now < end)
    }

    pub(super) fn is_published_test_key(&self) -> bool {
        self.keys.iter().any(PublicKey::is_published_test_key)
    }

    /// The key for the algorithm that the signature names, or the key's own.
    pub(super) fn for_signature(&self, profile: Profile, alg: Option<&str>) -> Result<&PublicKey, Reason> {
        let Some(name) = alg else {
            let is_allowed = |key: &&PublicKey| profile.algorithms().contains(&key.algorithm());
            return self.keys.iter().find(is_allowed).ok_or(Reason::AlgNotAllowed);
        };
        let algorithm = profile.algorithm(name).ok_or(Reason::AlgNotAllowed)?;
        self.keys.iter().find(|key| key.algorithm() == algorithm).ok_or(Reason::AlgMismatch)
    }
}

/// A document in which a signer publishes its keys, read and checked.
#[derive(Clone, Debug, Default)]
pub struct KeyDirectory {
    keys: Vec<Arc<VerificationKey>>,
    refused: usize,
    jwks_uri: Option<String>,
}

impl KeyDirectory {
    /// The largest document that is read, in bytes.
    pub const LARGEST: usize = 64 * 1024;
    /// The largest number of keys.
    pub const MOST_KEYS: usize = 50;

    /// Reads a JWK Set, a single JWK, or a client id metadata document.
    ///
    /// Keys that cannot verify here are passed over and counted.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` above 64 KiB or 50 keys, `INVALID_INPUT` for anything that is none of the documents.
    pub fn parse(document: &[u8]) -> Result<Self> {
        if document.len() > Self::LARGEST {
            return Err(Error::new(ErrorKind::LimitExceeded, "key directory is larger than 64 KiB"));
        }
        let value: Value =
            serde_json::from_slice(document).map_err(|_| Error::invalid_input("key directory is no JSON"))?;
        let jwks_uri = value.get("jwks_uri").and_then(Value::as_str).map(str::to_owned);
        let entries = match value.get("keys").or_else(|| value.pointer("/jwks/keys")) {
            Some(Value::Array(entries)) => entries.clone(),
            None if value.get("kty").is_some() => vec![value],
            None if jwks_uri.is_some() => Vec::new(),
            _ => return Err(Error::invalid_input("key directory holds no keys")),
        };
        if entries.len() > Self::MOST_KEYS {
            return Err(Error::new(ErrorKind::LimitExceeded, "key directory holds more than 50 keys"));
        }
        let total = entries.len();
        let read = |entry| {
            let dated: DatedJwk = serde_json::from_value(entry).ok()?;
            VerificationKey::from_jwk(&dated).ok().map(Arc::new)
        };
        let keys: Vec<_> = entries.into_iter().filter_map(read).collect();
        Ok(Self { refused: total - keys.len(), keys, jwks_uri })
    }

    /// The keys, in the order of the document.
    pub fn keys(&self) -> &[Arc<VerificationKey>] {
        &self.keys
    }

    /// How many entries were passed over.
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// Where a client id metadata document says that the keys are.
    pub fn jwks_uri(&self) -> Option<KeyLocation> {
        KeyLocation::read(self.jwks_uri.as_deref()?, LocationKind::JwksUri)
    }

    /// The key that a signature names: in a directory the one with that thumbprint, whatever its `kid`; in documents
    /// of other kinds also the one with that `kid`.
    pub fn find(&self, kind: LocationKind, keyid: &str) -> Option<&Arc<VerificationKey>> {
        let by_kid = |key: &&Arc<VerificationKey>| {
            kind != LocationKind::Directory && key.dated.jwk.kid.as_deref() == Some(keyid)
        };
        self.keys.iter().find(|key| key.thumbprint() == keyid).or_else(|| self.keys.iter().find(by_kid))
    }
}

/// In the order in which an RSA key without an algorithm is tried.
const KEY_ALGORITHMS: [SignatureAlgorithm; 6] = [
    SignatureAlgorithm::Ed25519,
    SignatureAlgorithm::EcdsaP256Sha256,
    SignatureAlgorithm::EcdsaP384Sha384,
    SignatureAlgorithm::RsaPssSha512,
    SignatureAlgorithm::RsaV15Sha256,
    SignatureAlgorithm::RsaPssSha256,
];
