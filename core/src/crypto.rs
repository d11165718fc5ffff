//! Cryptography behind one module: SHA-256, HMAC-SHA-256 and ECDSA with P-256 (ES256).
//!
//! Two interchangeable backends pass the same tests: [`rustcrypto`] (WebAssembly, and where a C compiler is
//! missing) and `aws_lc` (feature `aws-lc`, the native default).
//!
//! ```
//! use quivive_core::crypto::SigningKey;
//! let key = SigningKey::from_seed(&[7; 32]).unwrap();
//! let signature = key.sign(b"message").unwrap();
//! assert!(key.verifying_key().verify(b"message", &signature));
//! ```

#[cfg(all(feature = "aws-lc", not(target_arch = "wasm32")))]
pub mod aws_lc;
pub mod rustcrypto;
mod seed;
mod stream;

#[cfg(all(feature = "aws-lc", not(target_arch = "wasm32")))]
use aws_lc as backend;
#[cfg(not(all(feature = "aws-lc", not(target_arch = "wasm32"))))]
use rustcrypto as backend;

pub use backend::{SigningKey, VerifyingKey};
pub use seed::Seed;
pub use stream::RandomStream;

use crate::{Error, ErrorKind, Result};

/// Bytes of an ES256 signature, `r` then `s` (RFC 7518 section 3.4).
pub const SIGNATURE_BYTES: usize = 64;

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    backend::sha256(bytes)
}

/// HMAC with SHA-256 (RFC 2104).
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    backend::hmac_sha256(key, message)
}

/// Whether `tag` is the whole HMAC-SHA-256 of `message`; compares in constant time.
pub fn verify_hmac_sha256(key: &[u8], message: &[u8], tag: &[u8]) -> bool {
    crate::encoding::equal_in_constant_time(&hmac_sha256(key, message), tag)
}

impl SigningKey {
    /// Derives a key from a seed: HMAC-SHA-256 of a label and a counter until the result is a valid scalar.
    ///
    /// # Errors
    /// `INVALID_KEY` when no counter gives a valid scalar, which has a chance below 2^-8000.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self> {
        (0..=u8::MAX)
            .find_map(|counter| {
                let label = [b"quivive ES256 key ".as_slice(), &[counter]].concat();
                Self::from_scalar(&hmac_sha256(seed, &label)).ok()
            })
            .ok_or_else(|| invalid_key("seed gives no key"))
    }
}

/// Splits an uncompressed point, `04 || x || y` (SEC 1 section 2.3.3).
fn split_point(point: &[u8]) -> ([u8; 32], [u8; 32]) {
    let half =
        |from: usize| point.get(from..from + 32).and_then(|half| half.try_into().ok()).unwrap_or_default();
    (half(1), half(33))
}

fn invalid_key(message: &str) -> Error {
    Error::new(ErrorKind::InvalidKey, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{decode_base64url, decode_hex, hex};

    #[test]
    fn sha256_has_the_published_values() {
        // FIPS 180-2 appendix B.1 and B.2.
        for (text, digest) in [
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
        ] {
            assert_eq!(hex(&sha256(text.as_bytes())), digest);
            assert_eq!(hex(&rustcrypto::sha256(text.as_bytes())), digest);
        }
    }

    #[test]
    fn hmac_has_the_published_values() {
        // RFC 4231 sections 4.2, 4.3 and 4.7.
        for (key, message, tag) in [
            (
                "0b".repeat(20),
                "4869205468657265".to_owned(),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                "4a656665".to_owned(),
                hex(b"what do ya want for nothing?"),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                "aa".repeat(131),
                hex(b"Test Using Larger Than Block-Size Key - Hash Key First"),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            let (key, message) = (decode_hex(&key).unwrap(), decode_hex(&message).unwrap());
            assert_eq!(hex(&hmac_sha256(&key, &message)), tag);
            assert_eq!(hex(&rustcrypto::hmac_sha256(&key, &message)), tag);
            assert!(verify_hmac_sha256(&key, &message, &decode_hex(tag).unwrap()));
            assert!(!verify_hmac_sha256(&key, &message, &decode_hex(tag).unwrap()[..31]));
            assert!(!verify_hmac_sha256(&key, b"other", &decode_hex(tag).unwrap()));
        }
    }

    /// RFC 7515 appendix A.3.1.
    const SCALAR: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn bytes(text: &str) -> Vec<u8> {
        decode_base64url(text).unwrap()
    }

    #[test]
    fn backends_agree_on_keys_and_accept_each_other() {
        let other = rustcrypto::SigningKey::from_scalar(&bytes(SCALAR)).unwrap();
        let own = SigningKey::from_scalar(&bytes(SCALAR)).unwrap();
        assert_eq!(own.verifying_key().coordinates(), other.verifying_key().coordinates());
        let (x, y) = own.verifying_key().coordinates();
        assert_eq!((x.to_vec(), y.to_vec()), (bytes(X), bytes(Y)));

        let message = b"who goes there";
        assert!(own.verifying_key().verify(message, &other.sign(message).unwrap()));
        assert!(other.verifying_key().verify(message, &own.sign(message).unwrap()));
        assert!(!own.verifying_key().verify(b"who goes here", &other.sign(message).unwrap()));
        assert_eq!(own.scalar().unwrap(), other.scalar().unwrap());
    }

    #[test]
    fn deterministic_signature_has_the_published_value() {
        // RFC 6979 appendix A.2.5, P-256 with SHA-256, message "sample".
        let scalar = decode_hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721").unwrap();
        let key = rustcrypto::SigningKey::from_scalar(&scalar).unwrap();
        let expected = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                        f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
        let signature = key.sign(b"sample").unwrap();
        assert_eq!(hex(&signature), expected);
        let own = SigningKey::from_scalar(&scalar).unwrap();
        assert!(own.verifying_key().verify(b"sample", &signature));
    }

    #[test]
    fn scalars_outside_the_group_are_refused() {
        let order = decode_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
        for scalar in [vec![0; 32], order, vec![255; 32], vec![1; 31], vec![1; 33], vec![]] {
            assert!(SigningKey::from_scalar(&scalar).is_err());
            assert!(rustcrypto::SigningKey::from_scalar(&scalar).is_err());
        }
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        let mut wrong = bytes(Y);
        wrong[31] ^= 1;
        for (x, y) in
            [(bytes(X), wrong), (vec![0; 32], vec![0; 32]), (bytes(X), vec![]), (vec![255; 32], bytes(Y))]
        {
            assert!(VerifyingKey::from_coordinates(&x, &y).is_err());
            assert!(rustcrypto::VerifyingKey::from_coordinates(&x, &y).is_err());
        }
    }

    #[test]
    fn degenerate_signatures_are_refused() {
        let (own, other) = (
            VerifyingKey::from_coordinates(&bytes(X), &bytes(Y)).unwrap(),
            rustcrypto::VerifyingKey::from_coordinates(&bytes(X), &bytes(Y)).unwrap(),
        );
        for signature in [vec![], vec![0; 64], vec![255; 64], vec![1; 63], vec![1; 65], vec![1; 64]] {
            assert!(!own.verify(b"message", &signature));
            assert!(!other.verify(b"message", &signature));
        }
    }

    #[test]
    fn same_seed_gives_same_key() {
        let key = |seed: u8| SigningKey::from_seed(&[seed; 32]).unwrap().verifying_key().coordinates();
        assert_eq!(key(1), key(1));
        assert_ne!(key(1), key(2));
    }
}
