//! Public keys of agents: read from what people paste, checked, and ready to verify.
//!
//! ```
//! use quivive_core::public_key::{PublicKey, SignatureAlgorithm};
//! let key = PublicKey::parse("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=", SignatureAlgorithm::Ed25519).unwrap();
//! assert_eq!(key.thumbprint(), "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U");
//! ```

use pkcs1::RsaPublicKeyRef;
use spki::der::Decode;
use spki::der::asn1::AnyRef;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use crate::crypto::{Ed25519Key, P384Key, RsaKey, RsaScheme, VerifyingKey, ecdsa_signature_from_der};
use crate::encoding::{base64url, decode_base64, decode_base64url};
use crate::token::Jwk;
use crate::{Error, ErrorKind, Result};

/// How an agent signs; the names are those of HTTP Message Signatures (RFC 9421 section 6.2), of which
/// `rsa-pss-sha256` is the one that is not registered there.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SignatureAlgorithm {
    /// `ecdsa-p256-sha256`.
    EcdsaP256Sha256,
    /// `rsa-pss-sha256`, with 32 bytes of salt.
    RsaPssSha256,
    /// `ed25519`.
    Ed25519,
    /// `ecdsa-p384-sha384`.
    EcdsaP384Sha384,
    /// `rsa-pss-sha512`, with 64 bytes of salt.
    RsaPssSha512,
    /// `rsa-v1_5-sha256`.
    RsaV15Sha256,
}

impl SignatureAlgorithm {
    /// Those for which agents register keys, in the order in which documents list them.
    pub const REGISTRABLE: [Self; 3] = [Self::EcdsaP256Sha256, Self::RsaPssSha256, Self::Ed25519];

    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::EcdsaP256Sha256,
        Self::RsaPssSha256,
        Self::Ed25519,
        Self::EcdsaP384Sha384,
        Self::RsaPssSha512,
        Self::RsaV15Sha256,
    ];

    /// The algorithm of that name for which agents register keys.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::REGISTRABLE.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::RsaPssSha256 => "rsa-pss-sha256",
            Self::Ed25519 => "ed25519",
            Self::EcdsaP384Sha384 => "ecdsa-p384-sha384",
            Self::RsaPssSha512 => "rsa-pss-sha512",
            Self::RsaV15Sha256 => "rsa-v1_5-sha256",
        }
    }

    fn is_rsa(self) -> bool {
        matches!(self, Self::RsaPssSha256 | Self::RsaPssSha512 | Self::RsaV15Sha256)
    }

    /// The name in JSON Web Keys (RFC 7518 section 3.1, RFC 8037 section 3.1).
    pub fn jws_name(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ES256",
            Self::RsaPssSha256 => "PS256",
            Self::Ed25519 => "EdDSA",
            Self::EcdsaP384Sha384 => "ES384",
            Self::RsaPssSha512 => "PS512",
            Self::RsaV15Sha256 => "RS256",
        }
    }
}

/// A public key that was parsed and checked.
#[derive(Clone, Debug)]
pub struct PublicKey {
    key: Key,
    algorithm: SignatureAlgorithm,
    jwk: Jwk,
    thumbprint: String,
}

#[derive(Clone, Debug)]
enum Key {
    Ecdsa(VerifyingKey),
    EcdsaP384(P384Key),
    Rsa(RsaKey),
    Ed25519(Ed25519Key),
}

impl PublicKey {
    /// Reads a key as PEM (`BEGIN PUBLIC KEY`), as a JWK in JSON, as SPKI in base64, or, for Ed25519, as 32 bytes in
    /// base64.
    ///
    /// # Errors
    /// `INVALID_KEY` for anything else: another type or curve, RSA below 2048 or above 4096 bits, a point that is
    /// none or of small order, a private key, a JWK for another algorithm or use, more than 4 KiB.
    pub fn parse(text: &str, algorithm: SignatureAlgorithm) -> Result<Self> {
        let text = text.trim();
        if text.len() > LONGEST_TEXT {
            return Err(invalid("key is longer than 4 KiB"));
        }
        if text.starts_with('{') {
            let jwk: Jwk = serde_json::from_str(text).map_err(|_| invalid("key is no JWK"))?;
            return Self::from_jwk(&jwk, algorithm);
        }
        if text.contains("-----") {
            let inner = text.strip_prefix(PEM_START).and_then(|rest| rest.strip_suffix(PEM_END));
            let inner = inner.ok_or_else(|| invalid("PEM holds no single public key"))?;
            return Self::from_spki(&base64(&inner.split_whitespace().collect::<String>())?, algorithm);
        }
        let bytes = base64(text)?;
        if algorithm == SignatureAlgorithm::Ed25519 && bytes.len() == 32 {
            return Self::from_ed25519(&bytes);
        }
        Self::from_spki(&bytes, algorithm)
    }

    /// Reads a JSON Web Key (RFC 7517); members are canonical (RFC 7638 section 3, RFC 8037 section 2).
    ///
    /// # Errors
    /// As [`PublicKey::parse`].
    pub fn from_jwk(jwk: &Jwk, algorithm: SignatureAlgorithm) -> Result<Self> {
        if jwk.d.is_some() || jwk.k.is_some() {
            return Err(invalid("key is private"));
        }
        let allows = |given: Option<&str>, wanted: &[&str]| given.is_none_or(|given| wanted.contains(&given));
        let is_to_verify = jwk.key_ops.as_ref().is_none_or(|list| list.iter().any(|one| one == "verify"));
        // RFC 9864 names Ed25519 what RFC 8037 calls EdDSA.
        let other_name =
            if algorithm == SignatureAlgorithm::Ed25519 { "Ed25519" } else { algorithm.jws_name() };
        if !allows(jwk.alg.as_deref(), &[algorithm.jws_name(), other_name])
            || !allows(jwk.key_use.as_deref(), &["sig"])
            || !is_to_verify
        {
            return Err(invalid("key is for another algorithm or use"));
        }
        let member = |text: &Option<String>| {
            let text = text.as_deref().ok_or_else(|| invalid("JWK lacks a member"))?;
            decode_base64url(text).map_err(|_| invalid("member of the JWK is not base64url"))
        };
        match (algorithm, jwk.kty.as_str(), jwk.crv.as_deref()) {
            (SignatureAlgorithm::EcdsaP256Sha256, "EC", Some("P-256")) => {
                Self::from_p256(&member(&jwk.x)?, &member(&jwk.y)?)
            }
            (SignatureAlgorithm::EcdsaP384Sha384, "EC", Some("P-384")) => {
                Self::from_p384(&member(&jwk.x)?, &member(&jwk.y)?)
            }
            (_, "RSA", _) if algorithm.is_rsa() => {
                Self::from_rsa(algorithm, &member(&jwk.n)?, &member(&jwk.e)?)
            }
            (SignatureAlgorithm::Ed25519, "OKP", Some("Ed25519")) => Self::from_ed25519(&member(&jwk.x)?),
            _ => Err(invalid("key is not of the algorithm's type")),
        }
    }

    /// Reads a SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7; RFC 5480, RFC 8017, RFC 8410).
    ///
    /// # Errors
    /// As [`PublicKey::parse`].
    pub fn from_spki(der: &[u8], algorithm: SignatureAlgorithm) -> Result<Self> {
        let unreadable = || invalid("key is not a SubjectPublicKeyInfo");
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| unreadable())?;
        let bits = info.subject_public_key.as_bytes().ok_or_else(unreadable)?;
        let parameters = info.algorithm.parameters;
        match (algorithm, info.algorithm.oid) {
            (SignatureAlgorithm::EcdsaP256Sha256, EC_KEY) if is_p256(parameters) => match bits {
                [4, point @ ..] if point.len() == 64 => {
                    let (x, y) = point.split_at(32);
                    Self::from_p256(x, y)
                }
                _ => Err(invalid("point is not in uncompressed form")),
            },
            (_, RSA_KEY | RSA_PSS_KEY)
                if algorithm.is_rsa() && parameters.is_none_or(|parameters| parameters.is_null()) =>
            {
                let key = RsaPublicKeyRef::from_der(bits).map_err(|_| unreadable())?;
                Self::from_rsa(algorithm, key.modulus.as_bytes(), key.public_exponent.as_bytes())
            }
            (SignatureAlgorithm::Ed25519, ED25519_KEY) if parameters.is_none() => Self::from_ed25519(bits),
            _ => Err(invalid("key is not of the algorithm's type")),
        }
    }

    /// The algorithm that the key is for; it verifies by no other.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The key as a JWK with its required members only.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The JWK thumbprint with SHA-256 (RFC 7638): the same for every form of the same key.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Whether the key's private half was published with a specification, so that anybody can sign with it.
    pub fn is_published_test_key(&self) -> bool {
        PUBLISHED_TEST_KEYS.contains(&self.thumbprint())
    }

    /// Whether a signature holds for a message; ECDSA as `r` then `s`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::Ecdsa(key) => key.verify(message, signature),
            Key::EcdsaP384(key) => key.verify(message, signature),
            Key::Rsa(key) => {
                let scheme = match self.algorithm {
                    SignatureAlgorithm::RsaPssSha512 => RsaScheme::PssSha512,
                    SignatureAlgorithm::RsaV15Sha256 => RsaScheme::Pkcs1Sha256,
                    _ => RsaScheme::PssSha256,
                };
                key.verify(scheme, message, signature)
            }
            Key::Ed25519(key) => key.verify(message, signature),
        }
    }

    /// As [`PublicKey::verify`]; takes ECDSA signatures in DER as well, which most libraries make.
    pub fn verify_any_form(&self, message: &[u8], signature: &[u8]) -> bool {
        let fixed = matches!(self.key, Key::Ecdsa(_)).then(|| ecdsa_signature_from_der(signature)).flatten();
        self.verify(message, signature) || fixed.is_some_and(|fixed| self.verify(message, &fixed))
    }

    /// As [`PublicKey::verify`]; takes signatures by `rsa-pss-sha256` with any length of salt.
    pub fn verify_any_salt(&self, message: &[u8], signature: &[u8]) -> bool {
        match (&self.key, self.algorithm) {
            (Key::Rsa(key), SignatureAlgorithm::RsaPssSha256) => {
                key.verify(RsaScheme::PssSha256AnySalt, message, signature)
            }
            _ => self.verify(message, signature),
        }
    }

    fn from_p256(x: &[u8], y: &[u8]) -> Result<Self> {
        let key = VerifyingKey::from_coordinates(x, y)?;
        let jwk = Jwk::from(&key);
        Self::new(Key::Ecdsa(key), SignatureAlgorithm::EcdsaP256Sha256, jwk)
    }

    fn from_p384(x: &[u8], y: &[u8]) -> Result<Self> {
        let jwk = Jwk {
            kty: "EC".to_owned(),
            crv: Some("P-384".to_owned()),
            x: Some(base64url(x)),
            y: Some(base64url(y)),
            ..Jwk::default()
        };
        let key = Key::EcdsaP384(P384Key::from_coordinates(x, y)?);
        Self::new(key, SignatureAlgorithm::EcdsaP384Sha384, jwk)
    }

    fn from_rsa(algorithm: SignatureAlgorithm, modulus: &[u8], exponent: &[u8]) -> Result<Self> {
        let jwk = Jwk {
            kty: "RSA".to_owned(),
            n: Some(base64url(modulus)),
            e: Some(base64url(exponent)),
            ..Jwk::default()
        };
        Self::new(Key::Rsa(RsaKey::from_components(modulus, exponent)?), algorithm, jwk)
    }

    fn from_ed25519(bytes: &[u8]) -> Result<Self> {
        let jwk = Jwk {
            kty: "OKP".to_owned(),
            crv: Some("Ed25519".to_owned()),
            x: Some(base64url(bytes)),
            ..Jwk::default()
        };
        Self::new(Key::Ed25519(Ed25519Key::from_bytes(bytes)?), SignatureAlgorithm::Ed25519, jwk)
    }

    fn new(key: Key, algorithm: SignatureAlgorithm, jwk: Jwk) -> Result<Self> {
        let thumbprint = jwk.thumbprint()?;
        Ok(Self { key, algorithm, jwk, thumbprint })
    }
}

fn is_p256(parameters: Option<AnyRef<'_>>) -> bool {
    parameters.is_some_and(|parameters| parameters.decode_as::<ObjectIdentifier>() == Ok(P256))
}

fn base64(text: &str) -> Result<Vec<u8>> {
    decode_base64(text).map_err(|_| invalid("key is neither PEM, JWK nor base64"))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidKey, message)
}

const LONGEST_TEXT: usize = 4096;
const PEM_START: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_END: &str = "-----END PUBLIC KEY-----";
const EC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const RSA_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const ED25519_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// RFC 9421 appendix B.1.1 to B.1.4 and RFC 8037 appendix A.
const PUBLISHED_TEST_KEYS: [&str; 5] = [
    "BHj8s0GPnMEQtkaULIM-PLgEhLBbuGUQ1vMxmBWZzEo",
    "oD0HwocPBSfpNy5W3bpJeyFGY_IQ_YpqxSjQ3Yd-CLA",
    "ydQXMtvbsOsZyFir-Y7A8t7fKEM1gbKPvyFkdpu4fvI",
    "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U",
    "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::crypto::SigningKey;
    use crate::encoding::decode_hex;

    /// RFC 9421 appendix B.1.4, B.1.3 and B.1.2.
    const ED25519_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----\n";
    const ED25519_RAW: &str = "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
    const ED25519_JWK: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}"#;
    const P256_JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA","y":"Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0"}"#;
    const P256_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf\nw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==\n-----END PUBLIC KEY-----";
    const RSA_JWK: &str = r#"{"kty":"RSA","e":"AQAB","n":"r4tmm3r20Wd_PbqvP1s2-QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct-Lh1GH45x28Rw3Ry53mm-oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL-Wokqltd11nqqzi-bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d-nb4bnNkQVklLQ3fVAvJm-xdDOp9LCNCN48V2pnDOkFV6-U9nV5oyc6XI2w"}"#;

    use SignatureAlgorithm::{EcdsaP256Sha256, Ed25519, RsaPssSha256};

    fn thumbprint(text: &str, algorithm: SignatureAlgorithm) -> Result<String> {
        PublicKey::parse(text, algorithm).map(|key| key.thumbprint().to_owned())
    }

    fn with(text: &str, name: &str, value: Value) -> String {
        let mut jwk: Value = serde_json::from_str(text).unwrap();
        jwk[name] = value;
        jwk.to_string()
    }

    #[test]
    fn every_form_of_a_key_has_the_published_thumbprint() {
        let bare = |pem: &str| pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
        let url = ED25519_RAW.replace('+', "-").replace('/', "_");
        for text in [
            ED25519_PEM,
            ED25519_RAW,
            ED25519_JWK,
            &bare(ED25519_PEM),
            &url,
            url.trim_end_matches('='),
            &ED25519_PEM.replace('\n', " "),
            &ED25519_PEM.replace('\n', "\r\n"),
            &with(ED25519_JWK, "alg", json!("EdDSA")),
            &with(&with(ED25519_JWK, "key_ops", json!(["verify"])), "use", json!("sig")),
        ] {
            assert_eq!(
                thumbprint(text, Ed25519).unwrap(),
                "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U",
                "{text}"
            );
        }
        for text in [P256_JWK, P256_PEM, &bare(P256_PEM)] {
            let expected = "ydQXMtvbsOsZyFir-Y7A8t7fKEM1gbKPvyFkdpu4fvI";
            assert_eq!(thumbprint(text, EcdsaP256Sha256).unwrap(), expected, "{text}");
        }
        for text in [RSA_JWK, &spki_of_rsa(RSA_JWK, true), &spki_of_rsa(RSA_JWK, false)] {
            let expected = "oD0HwocPBSfpNy5W3bpJeyFGY_IQ_YpqxSjQ3Yd-CLA";
            assert_eq!(thumbprint(text, RsaPssSha256).unwrap(), expected, "{text}");
        }
        assert!(PublicKey::parse(ED25519_RAW, Ed25519).unwrap().is_published_test_key());
        let own = Jwk::generate(&[5; 32], None).unwrap().to_public();
        assert!(!PublicKey::from_jwk(&own, EcdsaP256Sha256).unwrap().is_published_test_key());
    }

    /// SPKI in base64 by hand: RSA keys of 2048 bits have lengths that never change.
    fn spki_of_rsa(jwk: &str, has_null: bool) -> String {
        let jwk: Jwk = serde_json::from_str(jwk).unwrap();
        let modulus = decode_base64url(&jwk.n.unwrap()).unwrap();
        let algorithm: &[u8] = if has_null {
            &[0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0]
        } else {
            &[0x30, 0x0b, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10]
        };
        let key = [&[0x30, 0x82, 1, 0x0a, 2, 0x82, 1, 1, 0], modulus.as_slice(), &[2, 3, 1, 0, 1]].concat();
        let content = [algorithm, &[3, 0x82, 1, 0x0f, 0], &key].concat();
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let der = [&[0x30, 0x82], length.as_slice(), &content].concat();
        base64url(&der)
    }

    #[test]
    fn the_jwk_holds_the_required_members_only() {
        let text = with(&with(ED25519_JWK, "kid", json!("a")), "ext", json!(true));
        let key = PublicKey::parse(&text, Ed25519).unwrap();
        assert_eq!(
            serde_json::to_value(key.jwk()).unwrap(),
            serde_json::from_str::<Value>(ED25519_JWK).unwrap()
        );
        let key = PublicKey::parse(P256_PEM, EcdsaP256Sha256).unwrap();
        assert_eq!(
            serde_json::to_value(key.jwk()).unwrap(),
            serde_json::from_str::<Value>(P256_JWK).unwrap()
        );
        let key = PublicKey::parse(&spki_of_rsa(RSA_JWK, true), RsaPssSha256).unwrap();
        assert_eq!(serde_json::to_value(key.jwk()).unwrap(), serde_json::from_str::<Value>(RSA_JWK).unwrap());
    }

    #[test]
    fn names_are_those_of_the_standards() {
        for (name, jws) in [("ed25519", "EdDSA"), ("ecdsa-p256-sha256", "ES256"), ("rsa-pss-sha256", "PS256")]
        {
            let algorithm = SignatureAlgorithm::from_name(name).unwrap();
            assert_eq!((algorithm.name(), algorithm.jws_name()), (name, jws));
        }
        for name in ["", "Ed25519", "hmac-sha256", "rsa-pss-sha512", "none"] {
            assert_eq!(SignatureAlgorithm::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_login_signature_holds_in_every_form_of_the_key() {
        let signature = decode_base64(
            "sTq3zoE16z5AxxhNRRuQU2T2/ExrYWU+523gy7j9679/4Cr4p1vKRbLyULxqboGqVDZzAaLgyJoVUIPUWIsdBQ==",
        );
        let (signature, nonce) = (signature.unwrap(), "0".repeat(64));
        for text in [ED25519_PEM, ED25519_RAW, ED25519_JWK] {
            let key = PublicKey::parse(text, Ed25519).unwrap();
            assert!(
                key.verify(nonce.as_bytes(), &signature) && key.verify_any_form(nonce.as_bytes(), &signature)
            );
            assert!(!key.verify(&[0; 32], &signature), "the text is signed, not what it decodes to");
        }
    }

    #[test]
    fn ecdsa_is_strict_unless_any_form_is_wanted() {
        let private = SigningKey::from_seed(&[7; 32]).unwrap();
        let key = PublicKey::from_jwk(&Jwk::from(&private.verifying_key()), EcdsaP256Sha256).unwrap();
        let fixed = private.sign(b"nonce").unwrap();
        let der = p256::ecdsa::Signature::from_slice(&fixed).unwrap().to_der();
        assert!(key.verify(b"nonce", &fixed) && key.verify_any_form(b"nonce", &fixed));
        assert!(!key.verify(b"nonce", der.as_bytes()) && key.verify_any_form(b"nonce", der.as_bytes()));
        assert!(!key.verify_any_form(b"other", der.as_bytes()));
    }

    #[test]
    fn unfit_keys_are_refused() {
        let private_pem = ED25519_PEM.replace("PUBLIC", "PRIVATE");
        let twice = format!("{ED25519_PEM}{ED25519_PEM}");
        let trailing = base64url(&[decode_base64(ED25519_RAW).unwrap(), vec![0]].concat());
        let k1 = decode_hex(
            "3056301006072a8648ce3d020106052b8104000a034200046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        );
        let k1 = base64url(&k1.unwrap());
        let compressed = decode_hex(
            "3039301306072a8648ce3d020106082a8648ce3d030107032200036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
        );
        let compressed = base64url(&compressed.unwrap());
        let off_curve = with(P256_JWK, "y", json!(base64url(&[1; 32])));
        let x25519 = with(ED25519_JWK, "crv", json!("X25519"));
        let private_jwk = with(ED25519_JWK, "d", json!("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU"));
        let small = with(RSA_JWK, "n", json!(base64url(&[0xff; 128])));
        let padded = {
            let jwk: Jwk = serde_json::from_str(RSA_JWK).unwrap();
            let modulus = decode_base64url(&jwk.n.unwrap()).unwrap();
            with(RSA_JWK, "n", json!(base64url(&[vec![0], modulus].concat())))
        };
        for (text, algorithm) in [
            ("", Ed25519),
            ("AAAA", Ed25519),
            ("not a key", Ed25519),
            (&base64url(&[2; 31]), Ed25519),
            (&trailing, Ed25519),
            (&base64url(&[0; 32]), Ed25519),
            ("tapk_nYPi-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU", Ed25519),
            (&private_pem, Ed25519),
            (&twice, Ed25519),
            (&x25519, Ed25519),
            (&private_jwk, Ed25519),
            (&with(ED25519_JWK, "use", json!("enc")), Ed25519),
            (&with(ED25519_JWK, "alg", json!("ES256")), Ed25519),
            (&with(ED25519_JWK, "key_ops", json!(["sign"])), Ed25519),
            (&ED25519_JWK.replace("\"crv\"", "\"kty\":\"OKP\",\"crv\""), Ed25519),
            ("{", Ed25519),
            ("{}", Ed25519),
            (&"A".repeat(5000), Ed25519),
            (ED25519_RAW, EcdsaP256Sha256),
            (ED25519_PEM, EcdsaP256Sha256),
            (ED25519_JWK, RsaPssSha256),
            (P256_JWK, Ed25519),
            (P256_PEM, RsaPssSha256),
            (RSA_JWK, EcdsaP256Sha256),
            (&spki_of_rsa(RSA_JWK, true), Ed25519),
            (&off_curve, EcdsaP256Sha256),
            (&with(P256_JWK, "crv", json!("P-384")), EcdsaP256Sha256),
            (&k1, EcdsaP256Sha256),
            (&compressed, EcdsaP256Sha256),
            (&small, RsaPssSha256),
            (&padded, RsaPssSha256),
            (&with(RSA_JWK, "e", json!("AQ")), RsaPssSha256),
            (&with(RSA_JWK, "e", json!("AAEAAQ")), RsaPssSha256),
        ] {
            let refused = PublicKey::parse(text, algorithm).map(|key| key.thumbprint().to_owned());
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidKey, "{algorithm:?} {text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            for algorithm in SignatureAlgorithm::ALL {
                let _ = PublicKey::parse(&text, algorithm);
                let _ = PublicKey::from_spki(&bytes, algorithm);
                let _ = PublicKey::parse(&format!("{PEM_START}{text}{PEM_END}"), algorithm);
            }
        }

        #[test]
        fn changed_keys_are_refused_or_have_another_thumbprint(position in 0_usize..44, bit in 0_u8..8) {
            let mut der = decode_base64(ED25519_PEM.lines().nth(1).unwrap()).unwrap();
            der[position] ^= 1 << bit;
            let is_same = PublicKey::from_spki(&der, Ed25519)
                .is_ok_and(|key| key.thumbprint() == "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U");
            prop_assert!(!is_same);
        }
    }
}
