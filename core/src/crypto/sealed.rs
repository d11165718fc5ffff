//! Sealing: texts that only their maker can read and nobody can change, AES-256-GCM (NIST SP 800-38D).
//!
//! One implementation on every platform, RustCrypto's: what is sealed are short texts, and it uses the processor's
//! instructions for AES where there are any.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;

use super::invalid_key;
use crate::Result;

/// Bytes of the nonce in front of a sealed text.
pub const NONCE_BYTES: usize = 12;

/// A key for sealing, derived from a secret for one purpose.
#[derive(Clone)]
pub struct SealingKey(Aes256Gcm);

impl std::fmt::Debug for SealingKey {
    /// Shows nothing of the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SealingKey")
    }
}

impl SealingKey {
    /// Derives the key of a purpose by HKDF with SHA-256 and no salt (RFC 5869).
    ///
    /// # Errors
    /// `INVALID_KEY` for a secret of less than 16 bytes.
    pub fn derive(secret: &[u8], purpose: &[u8]) -> Result<Self> {
        if secret.len() < LEAST_SECRET {
            return Err(invalid_key("encryption key is shorter than 16 bytes"));
        }
        let unfit = || invalid_key("encryption key gives no key");
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, secret).expand(purpose, &mut key).map_err(|_| unfit())?;
        Aes256Gcm::new_from_slice(&key).map(Self).map_err(|_| unfit())
    }

    /// Seals a text together with what it belongs to; the nonce must never be the same for two texts.
    pub fn seal(&self, nonce: [u8; NONCE_BYTES], belongs_to: &[u8], text: &[u8]) -> Vec<u8> {
        let payload = Payload { msg: text, aad: belongs_to };
        // Fails for texts of more than 64 GiB only.
        let sealed = self.0.encrypt(&Nonce::from(nonce), payload).unwrap_or_default();
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens a sealed text; nothing unless this key sealed it for the same thing.
    pub fn open(&self, belongs_to: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        self.0.decrypt(&Nonce::from(*nonce), Payload { msg: text, aad: belongs_to }).ok()
    }
}

const LEAST_SECRET: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::encoding::{decode_hex, hex};

    fn key(secret: &str) -> SealingKey {
        SealingKey::derive(secret.as_bytes(), b"test").unwrap()
    }

    #[test]
    fn the_cipher_has_the_published_value() {
        // McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16.
        let [secret, nonce, text, aad, sealed] = [
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
        ]
        .map(|text| decode_hex(text).unwrap());
        let key = SealingKey(Aes256Gcm::new_from_slice(&secret).unwrap());
        let made = key.seal(nonce.as_slice().try_into().unwrap(), &aad, &text);
        assert_eq!(hex(&made), hex(&[nonce, sealed].concat()));
        assert_eq!(key.open(&aad, &made), Some(text));
    }

    #[test]
    fn keys_are_derived_as_published() {
        // RFC 5869 appendix A.3: no salt; its first 32 bytes.
        let mut derived = [0; 32];
        Hkdf::<Sha256>::new(None, &[0x0b; 22]).expand(b"", &mut derived).unwrap();
        assert_eq!(hex(&derived), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
        let error = SealingKey::derive(b"fifteen bytes..", b"test").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidKey);
    }

    #[test]
    fn only_the_same_key_purpose_and_owner_open() {
        let sealed = key("a secret of sixteen").seal([7; 12], b"shop.example", b"text");
        assert_eq!(
            key("a secret of sixteen").open(b"shop.example", &sealed).as_deref(),
            Some(b"text".as_slice())
        );
        assert_eq!(key("another secret of 16").open(b"shop.example", &sealed), None);
        assert_eq!(key("a secret of sixteen").open(b"other.example", &sealed), None);
        let other_purpose = SealingKey::derive(b"a secret of sixteen", b"other").unwrap();
        assert_eq!(other_purpose.open(b"shop.example", &sealed), None);
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(key("a secret of sixteen").open(b"shop.example", &changed), None, "{place}");
            assert_eq!(key("a secret of sixteen").open(b"shop.example", &sealed[..place]), None);
        }
    }
}
