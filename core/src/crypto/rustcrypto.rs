//! RustCrypto backend; signs deterministically (RFC 6979).

use ed25519_dalek::{SigningKey as DalekSigningKey, VerifyingKey as Ed25519VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey as EcdsaSigningKey, VerifyingKey as EcdsaVerifyingKey};
use rsa::{BoxedUint, Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::{Digest, Sha256, Sha512};

use super::{RsaScheme, SIGNATURE_BYTES, canonical_ed25519, check_rsa, invalid_key};
use crate::Result;

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-512 (FIPS 180-4).
pub fn sha512(bytes: &[u8]) -> [u8; 64] {
    Sha512::digest(bytes).into()
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

/// A public Ed25519 key (RFC 8032), parsed and checked.
#[derive(Clone, Debug)]
pub struct Ed25519Key(Ed25519VerifyingKey);

impl Ed25519Key {
    /// From the 32 bytes of the encoded point.
    ///
    /// # Errors
    /// `INVALID_KEY` for another length, bytes that encode no point or not in canonical form, and points of small
    /// order, for which signatures prove nothing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ed25519VerifyingKey::from_bytes(&canonical_ed25519(bytes)?)
            .ok()
            .filter(|key| !key.is_weak())
            .map(Self)
            .ok_or_else(|| invalid_key("Ed25519 key is no point that can verify"))
    }

    /// The 32 bytes of the encoded point.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Whether `signature` (64 bytes) holds for `message`; its point must not be of small order either.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}

/// A private Ed25519 key (RFC 8032).
#[derive(Clone)]
pub struct Ed25519SigningKey(DalekSigningKey);

impl Ed25519SigningKey {
    /// From the 32 bytes of the private key.
    ///
    /// # Errors
    /// `INVALID_KEY` for another length.
    pub fn from_seed(seed: &[u8]) -> Result<Self> {
        let seed = seed.try_into().map_err(|_| invalid_key("Ed25519 private key is not 32 bytes long"))?;
        Ok(Self(DalekSigningKey::from_bytes(&seed)))
    }

    /// The 32 bytes of the public key.
    pub fn public_bytes(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Signs `message`; the same message gives the same signature.
    ///
    /// # Errors
    /// `INVALID_KEY` when the backend cannot sign.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES]> {
        self.0
            .try_sign(message)
            .map(|signature| signature.to_bytes())
            .map_err(|_| invalid_key("key cannot sign"))
    }
}

impl std::fmt::Debug for Ed25519SigningKey {
    /// Shows nothing of the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Ed25519SigningKey")
    }
}

/// A public P-384 key for ECDSA with SHA-384, parsed and checked.
#[derive(Clone, Debug)]
pub struct P384Key(p384::ecdsa::VerifyingKey);

impl P384Key {
    /// From the two affine coordinates of 48 bytes each.
    ///
    /// # Errors
    /// `INVALID_KEY` for another length or a point that is not on the curve.
    pub fn from_coordinates(x: &[u8], y: &[u8]) -> Result<Self> {
        if x.len() != 48 || y.len() != 48 {
            return Err(invalid_key("coordinate is not 48 bytes long"));
        }
        p384::ecdsa::VerifyingKey::from_sec1_bytes(&[&[4], x, y].concat())
            .map(Self)
            .map_err(|_| invalid_key("point is not on the curve P-384"))
    }

    /// Whether `signature` (`r` then `s`) holds for the SHA-384 of `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        p384::ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

/// A public RSA key (RFC 8017).
#[derive(Clone, Debug)]
pub struct RsaKey(RsaPublicKey);

impl RsaKey {
    /// From modulus and exponent, most significant byte first and without leading zeros.
    ///
    /// # Errors
    /// `INVALID_KEY` for a modulus that is even or not of 2048 to 4096 bits, and an exponent that is even, below 3
    /// or above 2^33.
    pub fn from_components(modulus: &[u8], exponent: &[u8]) -> Result<Self> {
        check_rsa(modulus, exponent)?;
        let [modulus, exponent] = [modulus, exponent].map(BoxedUint::from_be_slice_vartime);
        RsaPublicKey::new(modulus, exponent).map(Self).map_err(|_| invalid_key("RSA key cannot be used"))
    }

    /// Whether `signature` holds for `message`.
    pub fn verify(&self, scheme: RsaScheme, message: &[u8], signature: &[u8]) -> bool {
        let (sha256, key) = (|| Sha256::digest(message), &self.0);
        let outcome = match scheme {
            RsaScheme::PssSha256 => key.verify(Pss::<Sha256>::new(), &sha256(), signature),
            RsaScheme::PssSha256AnySalt => {
                let key = rsa::pss::VerifyingKey::<Sha256>::new_with_auto_salt_len(key.clone());
                return rsa::pss::Signature::try_from(signature)
                    .is_ok_and(|signature| key.verify(message, &signature).is_ok());
            }
            RsaScheme::PssSha512 => key.verify(Pss::<Sha512>::new(), &Sha512::digest(message), signature),
            RsaScheme::Pkcs1Sha256 => key.verify(Pkcs1v15Sign::new::<Sha256>(), &sha256(), signature),
        };
        outcome.is_ok()
    }
}
