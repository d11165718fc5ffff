//! Cryptography behind one module: SHA-2, HMAC-SHA-256, ECDSA with P-256 (ES256), Ed25519, and the verifying halves
//! of ECDSA with P-384 and of RSA.
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
mod sealed;
mod seed;
mod stream;

#[cfg(all(feature = "aws-lc", not(target_arch = "wasm32")))]
use aws_lc as backend;
#[cfg(not(all(feature = "aws-lc", not(target_arch = "wasm32"))))]
use rustcrypto as backend;

pub use backend::{Ed25519Key, Ed25519SigningKey, P384Key, RsaKey, SigningKey, VerifyingKey};
pub use sealed::{NONCE_BYTES, SealingKey};
pub use seed::Seed;
pub use stream::RandomStream;

use crate::{Error, ErrorKind, Result};

/// Bytes of an ES256 signature, `r` then `s` (RFC 7518 section 3.4).
pub const SIGNATURE_BYTES: usize = 64;

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    backend::sha256(bytes)
}

/// SHA-512 (FIPS 180-4).
pub fn sha512(bytes: &[u8]) -> [u8; 64] {
    backend::sha512(bytes)
}

/// HMAC with SHA-256 (RFC 2104).
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    backend::hmac_sha256(key, message)
}

/// Whether `tag` is the whole HMAC-SHA-256 of `message`; compares in constant time.
pub fn verify_hmac_sha256(key: &[u8], message: &[u8], tag: &[u8]) -> bool {
    crate::encoding::equal_in_constant_time(&hmac_sha256(key, message), tag)
}

/// The ways of RSA that are verified (RFC 8017 section 8).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RsaScheme {
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and 32 bytes of salt (PS256 of RFC 7518 section 3.5).
    PssSha256,
    /// As [`RsaScheme::PssSha256`], with whatever length of salt the signature shows.
    PssSha256AnySalt,
    /// RSASSA-PSS with SHA-512, MGF1 with SHA-512 and 64 bytes of salt.
    PssSha512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Pkcs1Sha256,
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

/// The same ECDSA signature as `r` then `s`, from its DER form (RFC 3279 section 2.2.3); nothing if it has none.
pub fn ecdsa_signature_from_der(der: &[u8]) -> Option<[u8; SIGNATURE_BYTES]> {
    p256::ecdsa::Signature::from_der(der).ok().map(|signature| signature.to_bytes().into())
}

/// An Ed25519 key in its one spelling: 32 bytes whose coordinate is below 2^255 - 19 (RFC 8032 section 5.1.3).
fn canonical_ed25519(bytes: &[u8]) -> Result<[u8; 32]> {
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| invalid_key("Ed25519 key is not 32 bytes long"))?;
    let [lowest, middle @ .., highest] = &bytes;
    let is_below = highest & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff) || *lowest < 0xed;
    if is_below { Ok(bytes) } else { Err(invalid_key("Ed25519 key is not in canonical form")) }
}

/// Demands a modulus of 2048 to 4096 bits and an odd exponent from 3 to 2^33, both odd and without leading zeros.
fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<()> {
    let bits = |number: &[u8]| {
        let first = number.first().filter(|first| **first != 0)?;
        Some(number.len() * 8 - first.leading_zeros() as usize)
    };
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    if !bits(modulus).is_some_and(|bits| (2048..=4096).contains(&bits)) || !is_odd(modulus) {
        return Err(invalid_key("RSA modulus is no odd number of 2048 to 4096 bits"));
    }
    if !bits(exponent).is_some_and(|bits| (2..=33).contains(&bits)) || !is_odd(exponent) {
        return Err(invalid_key("RSA exponent is no odd number from 3 to 2^33"));
    }
    Ok(())
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

    #[test]
    fn ed25519_has_the_published_values() {
        // RFC 8032 section 7.1, tests 1 to 3.
        for (key, message, signature) in [
            (
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ] {
            let [key, message, signature] = [key, message, signature].map(|text| decode_hex(text).unwrap());
            let (own, other) =
                (Ed25519Key::from_bytes(&key).unwrap(), rustcrypto::Ed25519Key::from_bytes(&key).unwrap());
            assert_eq!((own.to_bytes().to_vec(), other.to_bytes().to_vec()), (key.clone(), key));
            assert!(own.verify(&message, &signature) && other.verify(&message, &signature));
            assert!(!own.verify(b"other", &signature) && !other.verify(b"other", &signature));
            for bad in damaged(&signature) {
                assert!(!own.verify(&message, &bad) && !other.verify(&message, &bad), "{}", hex(&bad));
            }
            // The same signature with its scalar raised by the group's order (RFC 8032 section 5.1.7).
            let mut raised = signature.clone();
            let mut carry = 0;
            for (byte, order) in raised[32..].iter_mut().zip(ED25519_ORDER) {
                let sum = u16::from(*byte) + u16::from(order) + carry;
                (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
            }
            assert!(!own.verify(&message, &raised) && !other.verify(&message, &raised));
        }
    }

    /// 2^252 + 27742317777372353535851937790883648493, least significant byte first.
    const ED25519_ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    #[test]
    fn unfit_ed25519_keys_are_refused() {
        for key in [
            vec![],
            vec![0xd7; 31],
            vec![0xd7; 33],
            // No point of the curve has this coordinate.
            [vec![2], vec![0; 31]].concat(),
            // Points of small order (RFC 7748 lists them): a signature by nobody holds for any message.
            vec![0; 32],
            [vec![1], vec![0; 31]].concat(),
            [vec![0xec], vec![0xff; 30], vec![0x7f]].concat(),
            decode_hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05").unwrap(),
            // Other spellings of the coordinates 0, 1 and 3.
            [vec![0xed], vec![0xff; 30], vec![0x7f]].concat(),
            [vec![0xee], vec![0xff; 30], vec![0x7f]].concat(),
            [vec![0xf0], vec![0xff; 30], vec![0x7f]].concat(),
            vec![0xff; 32],
        ] {
            assert!(Ed25519Key::from_bytes(&key).is_err(), "{}", hex(&key));
            assert!(rustcrypto::Ed25519Key::from_bytes(&key).is_err(), "{}", hex(&key));
        }
    }

    /// Project Wycheproof, rsa_pss_2048_sha256_mgf1_32, test 3: the message is `Test`.
    const MODULUS: &str = "a2b451a07d0aa5f96e455671513550514a8a5b462ebef717094fa1fee82224e637f9746d3f7cafd31878d80325b6ef5a1700f65903b469429e89d6eac8845097b5ab393189db92512ed8a7711a1253facd20f79c15e8247f3d3e42e46e48c98e254a2fe9765313a03eff8f17e1a029397a1fa26a8dce26f490ed81299615d9814c22da610428e09c7d9658594266f5c021d0fceca08d945a12be82de4d1ece6b4c03145b5d3495d4ed5411eb878daf05fd7afc3e09ada0f1126422f590975a1969816f48698bcbba1b4d9cae79d460d8f9f85e7975005d9bc22c4e5ac0f7c1a45d12569a62807d3b9a02e5a530e773066f453d1f5b4c2e9cf7820283f742b9d5";
    const PSS_SIGNATURE: &str = "401eb03cdb47ca88033e3030f6bdecbac8f5c8fc1dd6a13d23d379ed9a2b309891d13d74fea9d21d159b9e6d8f37efa2489962e24555f56dd434ff1d31ce4f9f5abd3f22cbea8b691d6a11e44efb83e2bca155e6a164325e0fde2a8865afd5c9f51161a9d615f62af7ec2e31b3e5ab649c164490d31d88cfae35b84aea7925690f929a144b6d2f48e8fb894a52deecd1b9a6496990c4ecf1588699a42cacd10c53af350514e4291ea9a058e77f101e32c1c0cefa61d945f7bc931f8bd19e7ba3169358a60e5a8b0123bc3199b9fdcafe8e519c41ba675491a27b85e44ef2d77277c10fe107293c8290186913bc9a99b640d8da041b64f31eab1d35920985f4a5";

    #[test]
    fn rsa_pss_has_the_published_values() {
        let [modulus, exponent, signature] =
            [MODULUS, "010001", PSS_SIGNATURE].map(|text| decode_hex(text).unwrap());
        let (own, other) = (
            RsaKey::from_components(&modulus, &exponent).unwrap(),
            rustcrypto::RsaKey::from_components(&modulus, &exponent).unwrap(),
        );
        assert!(
            own.verify(RsaScheme::PssSha256, b"Test", &signature)
                && other.verify(RsaScheme::PssSha256, b"Test", &signature)
        );
        assert!(
            !own.verify(RsaScheme::PssSha256, b"test", &signature)
                && !other.verify(RsaScheme::PssSha256, b"test", &signature)
        );
        for bad in damaged(&signature) {
            assert!(
                !own.verify(RsaScheme::PssSha256, b"Test", &bad)
                    && !other.verify(RsaScheme::PssSha256, b"Test", &bad),
                "{}",
                hex(&bad)
            );
        }
        for number in [vec![0; 256], [vec![0; 255], vec![1]].concat(), modulus.clone(), vec![255; 256]] {
            assert!(
                !own.verify(RsaScheme::PssSha256, b"Test", &number)
                    && !other.verify(RsaScheme::PssSha256, b"Test", &number)
            );
        }
    }

    #[test]
    fn unfit_rsa_keys_are_refused() {
        let modulus = decode_hex(MODULUS).unwrap();
        let even = [&modulus[..255], &[0xd4]].concat();
        let short = [&[1], &modulus[1..]].concat();
        let padded = [&[0], modulus.as_slice()].concat();
        let long = [&[1], modulus.repeat(2).as_slice()].concat();
        let good = [1, 0, 1].as_slice();
        for (modulus, exponent) in [
            (modulus.as_slice(), [].as_slice()),
            (&modulus, &[1]),
            (&modulus, &[2]),
            (&modulus, &[1, 0, 0]),
            (&modulus, &[0, 1, 0, 1]),
            (&modulus, &[2, 0, 0, 0, 1]),
            (&[], good),
            (&even, good),
            (&short, good),
            (&padded, good),
            (&long, good),
        ] {
            assert!(RsaKey::from_components(modulus, exponent).is_err(), "{}", hex(exponent));
            assert!(rustcrypto::RsaKey::from_components(modulus, exponent).is_err(), "{}", hex(exponent));
        }
    }

    #[test]
    fn der_and_fixed_form_are_the_same_signature() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let fixed = key.sign(b"message").unwrap();
        let der = p256::ecdsa::Signature::from_slice(&fixed).unwrap().to_der();
        assert_eq!(ecdsa_signature_from_der(der.as_bytes()), Some(fixed));
        for bad in damaged(der.as_bytes()).chain([fixed.to_vec(), vec![0x30, 6, 2, 1, 0, 2, 1, 0]]) {
            let read = ecdsa_signature_from_der(&bad);
            assert!(!read.is_some_and(|signature| key.verifying_key().verify(b"message", &signature)));
        }
    }

    #[test]
    fn sha512_has_the_published_value() {
        // FIPS 180-2 appendix C.1.
        let digest = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                      2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        assert_eq!(hex(&sha512(b"abc")), digest);
        assert_eq!(hex(&rustcrypto::sha512(b"abc")), digest);
    }

    #[test]
    fn ed25519_signatures_have_the_published_value() {
        // RFC 8032 section 7.1, test 2.
        let seed = decode_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        let (own, other) = (
            Ed25519SigningKey::from_seed(&seed).unwrap(),
            rustcrypto::Ed25519SigningKey::from_seed(&seed).unwrap(),
        );
        assert_eq!(own.public_bytes(), other.public_bytes());
        assert_eq!(hex(&own.sign(&[0x72]).unwrap()), signature);
        assert_eq!(hex(&other.sign(&[0x72]).unwrap()), signature);
        for seed in [&seed[1..], &[], &[0; 33]] {
            assert!(Ed25519SigningKey::from_seed(seed).is_err());
            assert!(rustcrypto::Ed25519SigningKey::from_seed(seed).is_err());
        }
    }

    #[test]
    fn ed25519_signatures_with_a_point_of_small_order_are_refused() {
        // The equation of RFC 8032 section 5.1.7 holds for this signature by the key of section 7.1, test 1: its
        // point is the neutral one.
        let key = decode_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
        let signature = decode_hex("0100000000000000000000000000000000000000000000000000000000000000520a2e25b0f11547a9ae2ad848ed7731c77f99f1a8712d363455d344db33ac04").unwrap();
        assert!(!Ed25519Key::from_bytes(&key).unwrap().verify(b"message", &signature));
        assert!(!rustcrypto::Ed25519Key::from_bytes(&key).unwrap().verify(b"message", &signature));
    }

    #[test]
    fn p384_has_the_published_value() {
        // RFC 6979 appendix A.2.6, P-384 with SHA-384, message "sample".
        let [x, y, signature] = [
            "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc13",
            "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720",
            "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46\
             99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8",
        ]
        .map(|text| decode_hex(text).unwrap());
        let (own, other) = (
            P384Key::from_coordinates(&x, &y).unwrap(),
            rustcrypto::P384Key::from_coordinates(&x, &y).unwrap(),
        );
        assert!(own.verify(b"sample", &signature) && other.verify(b"sample", &signature));
        assert!(!own.verify(b"simple", &signature) && !other.verify(b"simple", &signature));
        for bad in damaged(&signature).chain([vec![0; 96], vec![255; 96]]) {
            assert!(!own.verify(b"sample", &bad) && !other.verify(b"sample", &bad), "{}", hex(&bad));
        }
        for (x, y) in [(&x, &x), (&x, &vec![0; 48]), (&x, &y[1..].to_vec()), (&vec![0; 48], &vec![0; 48])] {
            assert!(P384Key::from_coordinates(x, y).is_err());
            assert!(rustcrypto::P384Key::from_coordinates(x, y).is_err());
        }
    }

    /// Made with the Python library cryptography 48: PSS with 32, with 222 and, by SHA-512, with 64 bytes of salt, and
    /// PKCS #1; the message is `message`.
    const OTHER_MODULUS: &str = "cf26502fb9e1225cd079be124284a9a93c66f70e46df9f98de92425ec902197f3fada173bd131605c879d86f80a274977da4fdcb69a5652ee0c6c9ac43dcd883b38419fa6a80991a0429b3f025159cd2e826ed1f3377295a53c73f089c7bbf34148973a8ec3d4d14f1eb74e9066ac88e792f067aa1b4875457a6ed6fdb0cb5db48ff9fa1493e3a988b6de7838511c8fd194927a884ced406f1bf779d0e946ea74a04ef961757fd8c08fd704fe4b66e327f9ee750b1c63f58963145d97b8e974e79b60af8c4572a75947c8c8b41d7e8cf21227b07100986a67af338b02c161d45d09a1d9a93fced57874f910767e8be0cef2cf79bf556d66453531aab0b1e70fb";
    const RSA_SIGNATURES: [&str; 4] = [
        "743d70093d80de431da354eedf5892338dc8c113f039e75988cd2e4424f6206d7a473acf98b5b9dfe936794b95a5b01778227cb9d900449ab2454cf37dadc4ee219ec122eea06099981de689c976124302cfdea429f79d0e07adb4e76f3b58054e2b36e416d40880f957cd742832f6e3898eeaa1919554259e5ee330534692cfce32fa88eeaf1737dd42a507f2c94cb5a81cfd04c970b313f0e6e88508fa54afbea2ebffb25889647fb95566c1a036a48ade02b0da086d29bdd2a3a3217b171d120d3dca916fc48feeb961201bc2a6247aabd41299766296549c86cf4e1d011d9257de687b3d7da0d05f077256d54fb3009f7802b64424188b6ea3ae092f4307",
        "73bacb997f6571ba18665277e867fcc2bd9beb373fabb4ac2bb149a5174d8ae93b3d2628e7b5083410af121f53a8e0a63b1bda4e824291d3c304f8f3346592fbb666b3927bb9b27916954d25ebc1a44ee7b851193d874ff9941e23ddb3103e386bde2f5f630bc1d234468e06d714bd4da0fede58c82091be95fccbe9f953fe15dafb16b1d027d36dcfc05ef8b33b3cf66cb50282aa9cdb09b66bfa2ef4b93961330863a0f3b0e564ab0ea330c948d07a5f6ff25ca392e8072de6d6ca345dd952e375f25a67eed2baf2dca1a15c4ce5d7523c830c05a15385b841d5bb79fbb732a247d1942c0d8a5a348e930542249957f6abffe0dc4f54af829adf1b83fcf814",
        "955dcc539ab538a5e374011e78803162b6618747ae06bf0169935d27f4a93563d1474e3e2620ed549b0eeb1a7dc21d3f069a05d2b0c663592cb0484de9c284049e1b8ad5349754e14a1d8e6e1c166dc9ef2bae3c3385619b6639b543d7d3ebfbbf2af1e8c26c07c36869bf0ef7c321f51f2ee13944a1991a82cd88c8516e0c578e529e4e10283c5f5a893e962f961946c9050370a1130fb105e5d7655592a8bc06fc692d03cd25dfaae5dd9224acb424d2af4b935b1eb20dab13f05de0e5d0e08b0eca942543af656096bc9e073e9c8e80f4874ab439c6b57c23c5589f57436191358ca0f52c943f5ff42b3d6639bd09bcafea11339c86081ace5da6cb5dc0a3",
        "b151bbf6200ea5079adf267b263a83c04eb1363bb3e2995934620c20970fbdfac1dae5960e353974f950917c601cda400afdda4412f5ac225a84c04e1f51b6dc08e9204129b2868a0c313f68d0752f562e481bd343b239bc7f1293deefe6925effa643f0f23e1db722f82bbc800ba1e6f598bcd0bf6e1343be5cea0a1a9e2edef54d963144bff965d448e852103cfc7d28c6ba5ef0410740f09933ee023bff57e97ab1be3a6cb19395be2a1c7d2c57a9e90b7a3966c5f83a8f8a13ad0bff3dc578bf563844ea77cd2827655f26cc6484f72efc02486dafc22ae805e639a05d1d25adbe60b90373dcde926731ecd8402955602ae690524b36db4c5d3ad796be0f",
    ];

    #[test]
    fn each_rsa_signature_holds_by_its_own_scheme_only() {
        let [modulus, exponent] = [OTHER_MODULUS, "010001"].map(|text| decode_hex(text).unwrap());
        let own = RsaKey::from_components(&modulus, &exponent).unwrap();
        let other = rustcrypto::RsaKey::from_components(&modulus, &exponent).unwrap();
        for (scheme, fitting) in [
            (RsaScheme::PssSha256, [true, false, false, false]),
            (RsaScheme::PssSha256AnySalt, [true, true, false, false]),
            (RsaScheme::PssSha512, [false, false, true, false]),
            (RsaScheme::Pkcs1Sha256, [false, false, false, true]),
        ] {
            for (signature, is_fitting) in RSA_SIGNATURES.into_iter().zip(fitting) {
                let signature = decode_hex(signature).unwrap();
                assert_eq!(own.verify(scheme, b"message", &signature), is_fitting, "{scheme:?}");
                assert_eq!(other.verify(scheme, b"message", &signature), is_fitting, "{scheme:?}");
                assert!(!own.verify(scheme, b"massage", &signature));
                assert!(!other.verify(scheme, b"massage", &signature));
                assert!(!own.verify(scheme, b"message", &signature[1..]));
                assert!(!other.verify(scheme, b"message", &signature[1..]));
            }
        }
    }

    /// Shorter, longer, empty, and with each byte changed.
    fn damaged(signature: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
        let changed = (0..signature.len()).step_by(7).map(|position| {
            let mut changed = signature.to_vec();
            changed[position] ^= 1;
            changed
        });
        let resized =
            [vec![], signature[1..].to_vec(), [signature, &[0]].concat(), [&[0], signature].concat()];
        changed.chain(resized)
    }
}
