//! Signing tokens with a key that is parsed once.

use serde::Serialize;

use super::{Claims, Jwk, jws};
use crate::crypto::SigningKey;
use crate::{Error, ErrorKind, Result};

/// A private key or secret, ready to sign tokens.
#[derive(Clone)]
pub struct Signer(Kind);

#[derive(Clone)]
enum Kind {
    Es256 { key: SigningKey, kid: Option<String> },
    Hs256 { secret: Vec<u8> },
}

impl Signer {
    /// Signs with ES256; the key's `kid` goes into each header.
    ///
    /// # Errors
    /// `INVALID_KEY` when this is not a private P-256 key whose halves fit.
    pub fn from_jwk(key: &Jwk) -> Result<Self> {
        Ok(Self(Kind::Es256 { key: key.signing_key()?, kid: key.kid.clone() }))
    }

    /// Signs with HS256.
    ///
    /// # Errors
    /// `INVALID_KEY` for a secret shorter than the hash, 32 bytes (RFC 7518 section 3.2).
    pub fn from_secret(secret: &[u8]) -> Result<Self> {
        if secret.len() < SHORTEST_SECRET {
            return Err(Error::new(ErrorKind::InvalidKey, "secret is shorter than 32 bytes"));
        }
        Ok(Self(Kind::Hs256 { secret: secret.to_vec() }))
    }

    /// Signs claims as a compact token.
    ///
    /// # Errors
    /// `INVALID_INPUT` for claims without `exp`, `LIMIT_EXCEEDED` when the token would be longer than 8 KiB.
    pub fn sign(&self, claims: &Claims) -> Result<String> {
        if claims.exp.is_none() {
            return Err(Error::invalid_input("claims have no end (`exp`)"));
        }
        self.sign_payload(claims)
    }

    /// Signs any JSON object as a compact token.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a payload that is no JSON, `LIMIT_EXCEEDED` when the token would be longer than 8 KiB.
    pub fn sign_payload(&self, payload: &impl Serialize) -> Result<String> {
        let payload = serde_json::to_vec(payload)?;
        let token = match &self.0 {
            Kind::Es256 { key, kid } => jws::sign_es256(&payload, key, kid.as_deref())?,
            Kind::Hs256 { secret } => jws::sign_hs256(&payload, secret),
        };
        if token.len() > jws::LONGEST_TOKEN {
            return Err(Error::new(ErrorKind::LimitExceeded, "token would be longer than 8 KiB"));
        }
        Ok(token)
    }
}

impl std::fmt::Debug for Signer {
    /// Shows nothing of the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Signer")
    }
}

const SHORTEST_SECRET: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    fn claims() -> Claims {
        Claims::access("challenge", 47, "id", Timestamp::from_seconds(0), 3600)
    }

    #[test]
    fn weak_secret_is_refused() {
        assert_eq!(Signer::from_secret(&[1; 31]).unwrap_err().kind(), ErrorKind::InvalidKey);
        assert!(Signer::from_secret(&[1; 32]).is_ok());
    }

    #[test]
    fn endless_and_oversized_claims_are_refused() {
        let signer = Signer::from_secret(&[1; 32]).unwrap();
        let endless = Claims { exp: None, ..claims() };
        assert_eq!(signer.sign(&endless).unwrap_err().kind(), ErrorKind::InvalidInput);
        let oversized = Claims { sub: Some("x".repeat(7000)), ..claims() };
        assert_eq!(signer.sign(&oversized).unwrap_err().kind(), ErrorKind::LimitExceeded);
    }

    #[test]
    fn debug_output_hides_the_key() {
        let signer = Signer::from_jwk(&Jwk::generate(&[7; 32], Some("kid")).unwrap()).unwrap();
        assert_eq!(format!("{signer:?}"), "Signer");
    }
}
