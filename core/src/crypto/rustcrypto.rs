//! RustCrypto backend; signs deterministically (RFC 6979).

use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey as EcdsaSigningKey, VerifyingKey as EcdsaVerifyingKey};
use sha2::{Digest, Sha256};

use super::{SIGNATURE_BYTES, invalid_key};
use crate::Result;

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// HMAC with SHA-256 (RFC 2104).
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("key of any length");
    hmac.update(message);
    hmac.finalize().into_bytes().into()
}

/// A private P-256 key for ES256.
#[derive(Clone)]
pub struct SigningKey(EcdsaSigningKey);

impl SigningKey {
    /// From the 32 bytes of the private scalar, most significant first.
    ///
    /// # Errors
    /// `INVALID_KEY` for another length, zero, or a number not below the group's order.
    pub fn from_scalar(scalar: &[u8]) -> Result<Self> {
        if scalar.len() != 32 {
            return Err(invalid_key("private key is not 32 bytes long"));
        }
        EcdsaSigningKey::from_slice(scalar).map(Self).map_err(|_| invalid_key("private key is out of range"))
    }

    /// The 32 bytes of the private scalar.
    ///
    /// # Errors
    /// `INVALID_KEY` when the backend does not hand it out.
    pub fn scalar(&self) -> Result<[u8; 32]> {
        Ok(self.0.to_bytes().into())
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(*self.0.verifying_key())
    }

    /// Signs the SHA-256 of `message`; `r` then `s`.
    ///
    /// # Errors
    /// `INVALID_KEY` when the backend cannot sign.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES]> {
        let signature: Signature = self.0.try_sign(message).map_err(|_| invalid_key("key cannot sign"))?;
        Ok(signature.to_bytes().into())
    }
}

impl std::fmt::Debug for SigningKey {
    /// Shows nothing of the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKey")
    }
}

/// A public P-256 key for ES256, parsed and checked.
#[derive(Clone, Debug)]
pub struct VerifyingKey(EcdsaVerifyingKey);

impl VerifyingKey {
    /// From the two affine coordinates of 32 bytes each.
    ///
    /// # Errors
    /// `INVALID_KEY` for another length or a point that is not on the curve.
    pub fn from_coordinates(x: &[u8], y: &[u8]) -> Result<Self> {
        if x.len() != 32 || y.len() != 32 {
            return Err(invalid_key("coordinate is not 32 bytes long"));
        }
        EcdsaVerifyingKey::from_sec1_bytes(&[&[4], x, y].concat())
            .map(Self)
            .map_err(|_| invalid_key("point is not on the curve P-256"))
    }

    /// The affine coordinates `x` and `y`.
    pub fn coordinates(&self) -> ([u8; 32], [u8; 32]) {
        super::split_point(self.0.to_sec1_point(false).as_bytes())
    }

    /// Whether `signature` (`r` then `s`) holds for the SHA-256 of `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}
