//! AWS-LC backend; its signatures hold a random nonce, so they differ from call to call.

use std::sync::Arc;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA512, RsaPublicKeyComponents,
};
use aws_lc_rs::{digest, hmac};

use super::{RsaScheme, SIGNATURE_BYTES, check_rsa, invalid_key, rustcrypto};
use crate::Result;

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    array(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// SHA-512 (FIPS 180-4).
pub fn sha512(bytes: &[u8]) -> [u8; 64] {
    array(digest::digest(&digest::SHA512, bytes).as_ref())
}

/// HMAC with SHA-256 (RFC 2104).
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    array(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref())
}

/// A private P-256 key for ES256.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<EcdsaKeyPair>,
    public: VerifyingKey,
}

impl SigningKey {
    /// From the 32 bytes of the private scalar, most significant first.
    ///
    /// # Errors
    /// `INVALID_KEY` for another length, zero, or a number not below the group's order.
    pub fn from_scalar(scalar: &[u8]) -> Result<Self> {
        if scalar.len() != 32 {
            return Err(invalid_key("private key is not 32 bytes long"));
        }
        let out_of_range = || invalid_key("private key is out of range");
        let private = PrivateKey::from_private_key(&ECDH_P256, scalar).map_err(|_| out_of_range())?;
        let public = private.compute_public_key().map_err(|_| out_of_range())?;
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, public.as_ref())
            .map_err(|_| out_of_range())?;
        Ok(Self { pair: Arc::new(pair), public: parse(public.as_ref())? })
    }

    /// The 32 bytes of the private scalar.
    ///
    /// # Errors
    /// `INVALID_KEY` when the backend does not hand it out.
    pub fn scalar(&self) -> Result<[u8; 32]> {
        let private: EcPrivateKeyBin<'_> =
            self.pair.private_key().as_be_bytes().map_err(|_| invalid_key("key cannot be exported"))?;
        Ok(array(private.as_ref()))
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.public.clone()
    }

    /// Signs the SHA-256 of `message`; `r` then `s`.
    ///
    /// # Errors
    /// `INVALID_KEY` when the backend cannot sign.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES]> {
        let signature =
            self.pair.sign(&SystemRandom::new(), message).map_err(|_| invalid_key("key cannot sign"))?;
        signature.as_ref().try_into().map_err(|_| invalid_key("key cannot sign"))
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
pub struct VerifyingKey(Arc<ParsedPublicKey>);

impl VerifyingKey {
    /// From the two affine coordinates of 32 bytes each.
    ///
    /// # Errors
    /// `INVALID_KEY` for another length or a point that is not on the curve.
    pub fn from_coordinates(x: &[u8], y: &[u8]) -> Result<Self> {
        if x.len() != 32 || y.len() != 32 {
            return Err(invalid_key("coordinate is not 32 bytes long"));
        }
        parse(&[&[4], x, y].concat())
    }

    /// The affine coordinates `x` and `y`.
    pub fn coordinates(&self) -> ([u8; 32], [u8; 32]) {
        super::split_point((*self.0).as_ref())
    }

    /// Whether `signature` (`r` then `s`) holds for the SHA-256 of `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

/// A public Ed25519 key (RFC 8032), parsed and checked.
#[derive(Clone, Debug)]
pub struct Ed25519Key(Arc<ParsedPublicKey>);

impl Ed25519Key {
    /// From the 32 bytes of the encoded point.
    ///
    /// # Errors
    /// `INVALID_KEY` for another length, bytes that encode no point or not in canonical form, and points of small
    /// order, for which signatures prove nothing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        // This backend takes any 32 bytes; the other one looks at the point.
        rustcrypto::Ed25519Key::from_bytes(bytes)?;
        ParsedPublicKey::new(&ED25519, bytes)
            .map(|key| Self(Arc::new(key)))
            .map_err(|_| invalid_key("Ed25519 key cannot be used"))
    }

    /// The 32 bytes of the encoded point.
    pub fn to_bytes(&self) -> [u8; 32] {
        array((*self.0).as_ref())
    }

    /// Whether `signature` (64 bytes) holds for `message`; its point must not be of small order either.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        // This backend takes every point that fits; the other one looks at its order.
        self.0.verify_sig(message, signature).is_ok()
            && signature.get(..32).is_some_and(|point| rustcrypto::Ed25519Key::from_bytes(point).is_ok())
    }
}

/// A private Ed25519 key (RFC 8032).
#[derive(Clone)]
pub struct Ed25519SigningKey(Arc<Ed25519KeyPair>);

impl Ed25519SigningKey {
    /// From the 32 bytes of the private key.
    ///
    /// # Errors
    /// `INVALID_KEY` for another length.
    pub fn from_seed(seed: &[u8]) -> Result<Self> {
        let seed: [u8; 32] =
            seed.try_into().map_err(|_| invalid_key("Ed25519 private key is not 32 bytes long"))?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed);
        pair.map(|pair| Self(Arc::new(pair))).map_err(|_| invalid_key("Ed25519 private key cannot be used"))
    }

    /// The 32 bytes of the public key.
    pub fn public_bytes(&self) -> [u8; 32] {
        array(self.0.public_key().as_ref())
    }

    /// Signs `message`; the same message gives the same signature.
    ///
    /// # Errors
    /// `INVALID_KEY` when the backend cannot sign.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES]> {
        let signature = self.0.try_sign(message).map_err(|_| invalid_key("key cannot sign"))?;
        Ok(array(signature.as_ref()))
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
pub struct P384Key(Arc<ParsedPublicKey>);

impl P384Key {
    /// From the two affine coordinates of 48 bytes each.
    ///
    /// # Errors
    /// `INVALID_KEY` for another length or a point that is not on the curve.
    pub fn from_coordinates(x: &[u8], y: &[u8]) -> Result<Self> {
        if x.len() != 48 || y.len() != 48 {
            return Err(invalid_key("coordinate is not 48 bytes long"));
        }
        ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, [&[4], x, y].concat())
            .map(|key| Self(Arc::new(key)))
            .map_err(|_| invalid_key("point is not on the curve P-384"))
    }

    /// Whether `signature` (`r` then `s`) holds for the SHA-384 of `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

/// A public RSA key (RFC 8017).
#[derive(Clone, Debug)]
pub struct RsaKey(RsaPublicKeyComponents<Vec<u8>>);

impl RsaKey {
    /// From modulus and exponent, most significant byte first and without leading zeros.
    ///
    /// # Errors
    /// `INVALID_KEY` for a modulus that is even or not of 2048 to 4096 bits, and an exponent that is even, below 3
    /// or above 2^33.
    pub fn from_components(modulus: &[u8], exponent: &[u8]) -> Result<Self> {
        check_rsa(modulus, exponent)?;
        Ok(Self(RsaPublicKeyComponents { n: modulus.to_vec(), e: exponent.to_vec() }))
    }

    /// Whether `signature` holds for `message`.
    pub fn verify(&self, scheme: RsaScheme, message: &[u8], signature: &[u8]) -> bool {
        let parameters = match scheme {
            RsaScheme::PssSha256 => &RSA_PSS_2048_8192_SHA256,
            RsaScheme::PssSha512 => &RSA_PSS_2048_8192_SHA512,
            RsaScheme::Pkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
            // This backend knows one length of salt only.
            RsaScheme::PssSha256AnySalt => {
                return rustcrypto::RsaKey::from_components(&self.0.n, &self.0.e)
                    .is_ok_and(|key| key.verify(scheme, message, signature));
            }
        };
        self.0.verify(parameters, message, signature).is_ok()
    }
}

fn parse(point: &[u8]) -> Result<VerifyingKey> {
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .map(|key| VerifyingKey(Arc::new(key)))
        .map_err(|_| invalid_key("point is not on the curve P-256"))
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(bytes) {
        *to = *from;
    }
    array
}
