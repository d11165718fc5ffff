//! Signed tokens: compact JSON Web Signatures with ES256 or HS256, their claims and their keys.
//!
//! The algorithm follows from the verifier's key, never from the token alone: a key set accepts ES256 only, a
//! secret HS256 only.
//!
//! ```
//! use quivive_core::Timestamp;
//! use quivive_core::token::{Claims, Jwk, Jwks, Signer, Verifier, VerifyPolicy};
//! let key = Jwk::generate(&[7; 32], Some("door-1")).unwrap();
//! let claims = Claims::access("challenge-1", 47, "token-1", Timestamp::from_seconds(1_771_156_800), 3600);
//! let token = Signer::from_jwk(&key).unwrap().sign(&claims).unwrap();
//! let verifier = Verifier::new(&Jwks { keys: vec![key.to_public()] }, VerifyPolicy::default()).unwrap();
//! assert_eq!(verifier.verify(&token, Timestamp::from_seconds(1_771_156_900)).unwrap(), claims);
//! ```

mod claims;
pub mod jwk;
pub mod jws;
mod options;
mod policy;
mod signer;
mod verifier;

pub use claims::{ACCESS_TOKEN_TYPE, Claims, DEFAULT_ISSUER, OneOrMany, REFRESH_TOKEN_TYPE};
pub use jwk::{Jwk, Jwks};
pub use options::VerifierOptions;
pub use policy::VerifyPolicy;
pub use signer::Signer;
pub use verifier::{DecodedToken, Verifier, decode_unverified};

use serde::{Deserialize, Serialize};

use crate::crypto::Seed;
use crate::{Error, Result, Timestamp};

/// Makes a private ES256 key from a seed.
///
/// # Errors
/// `INVALID_KEY` when the seed gives no key.
pub fn generate_key(input: GenerateKey) -> Result<Jwk> {
    Jwk::generate(&input.seed.0, input.kid.as_deref())
}

/// Input of [`generate_key`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GenerateKey {
    /// 32 random bytes as hexadecimal text; keep them as secret as the key.
    pub seed: Seed,
    /// The key's id; without one, its RFC 7638 thumbprint.
    #[serde(default)]
    pub kid: Option<String>,
}

/// Makes the publishable key set of ES256 keys: no private parts, `use` and `alg` set.
///
/// # Errors
/// `INVALID_KEY` for a key that is not a P-256 key or an id that occurs twice, `LIMIT_EXCEEDED` above 1000 keys.
pub fn public_keys(input: PublicKeys) -> Result<Jwks> {
    Jwks::publish(&input.keys)
}

/// Input of [`public_keys`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublicKeys {
    /// Private or public ES256 keys, in the order of publication.
    pub keys: Vec<Jwk>,
}

/// Computes the RFC 7638 thumbprint (SHA-256, base64url) of a key.
///
/// # Errors
/// `INVALID_KEY` for another key type than EC, OKP, RSA and oct, or a missing member.
pub fn thumbprint(input: Thumbprint) -> Result<KeyThumbprint> {
    Ok(KeyThumbprint { thumbprint: input.jwk.thumbprint()? })
}

/// Input of [`thumbprint`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Thumbprint {
    /// The key; private members do not matter.
    pub jwk: Jwk,
}

/// A key's thumbprint.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyThumbprint {
    /// 43 characters of base64url.
    pub thumbprint: String,
}

/// Signs claims as a compact token: ES256 with a private key, HS256 with a secret.
///
/// # Errors
/// `INVALID_KEY` for a key that is not a private P-256 key or a secret shorter than 32 bytes, `INVALID_INPUT`
/// for claims without `exp` or when not exactly one of `key` and `secret` is given, `LIMIT_EXCEEDED` above 8 KiB.
pub fn sign_token(input: SignToken) -> Result<SignedToken> {
    let signer = match (&input.key, &input.secret) {
        (Some(key), None) => Signer::from_jwk(key)?,
        (None, Some(secret)) => Signer::from_secret(secret.as_bytes())?,
        _ => return Err(Error::invalid_input("exactly one of `key` and `secret` is needed")),
    };
    Ok(SignedToken { token: signer.sign(&input.claims)? })
}

/// Input of [`sign_token`].
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignToken {
    /// What the token says; `exp` is required.
    pub claims: Claims,
    /// A private ES256 key; its `kid` goes into the token's header.
    #[serde(default)]
    pub key: Option<Jwk>,
    /// An HS256 secret of at least 32 bytes.
    #[serde(default)]
    pub secret: Option<String>,
}

/// A signed token.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignedToken {
    /// The compact form, three base64url parts with points between them.
    pub token: String,
}

/// Verifies a token offline and returns its claims.
///
/// # Errors
/// Those of [`Verifier::verify`], and `INVALID_INPUT` when neither `keys` nor `secret` is given.
pub fn verify_token(input: VerifyToken) -> Result<Claims> {
    let options = VerifierOptions {
        keys: input.keys,
        secret: input.secret,
        audience: input.audience,
        client_ip: input.client_ip,
        issuer: input.issuer,
        types: input.types,
        leeway_seconds: input.leeway_seconds,
    };
    options.verifier()?.verify(&input.token, input.now)
}

/// Input of [`verify_token`].
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VerifyToken {
    /// The token in compact form.
    pub token: String,
    /// The issuer's key set; accepts ES256.
    #[serde(default)]
    pub keys: Option<Jwks>,
    /// A shared secret; accepts HS256.
    #[serde(default)]
    pub secret: Option<String>,
    /// The audience that the token must name.
    #[serde(default)]
    pub audience: Option<String>,
    /// The client address that the token must be bound to.
    #[serde(default)]
    pub client_ip: Option<String>,
    /// The issuer or issuers accepted, `botcha.ai` when left out; null accepts any.
    #[serde(default = "default_issuer")]
    pub issuer: Option<OneOrMany>,
    /// The token types accepted, `botcha-verified` when left out; null accepts any.
    #[serde(default = "default_types")]
    pub types: Option<Vec<String>>,
    /// Seconds by which clocks may differ, 0 when left out.
    #[serde(default)]
    pub leeway_seconds: u32,
    /// The time of the check.
    pub now: Timestamp,
}

fn default_issuer() -> Option<OneOrMany> {
    VerifyPolicy::default().issuers.map(OneOrMany::Many)
}

fn default_types() -> Option<Vec<String>> {
    VerifyPolicy::default().types
}
