//! Verifying tokens with keys that are parsed once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

use super::jws::{Compact, ProtectedHeader};
use super::{Claims, Jwks, VerifyPolicy};
use crate::crypto::VerifyingKey;
use crate::{Error, ErrorKind, Result, Timestamp};

/// A key set and a policy, compiled once; verifying then costs one signature check.
#[derive(Clone)]
pub struct Verifier {
    keys: Option<KeySet>,
    secret: Option<Vec<u8>>,
    policy: VerifyPolicy,
}

impl Verifier {
    /// Accepts ES256 tokens of this key set; keys of other types, curves and uses are passed over.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` above 1000 keys.
    pub fn new(keys: &Jwks, policy: VerifyPolicy) -> Result<Self> {
        Ok(Self { keys: Some(KeySet::compile(keys)?), secret: None, policy })
    }

    /// Accepts HS256 tokens of this secret, and nothing else.
    ///
    /// # Errors
    /// `INVALID_KEY` for an empty secret.
    pub fn from_secret(secret: &[u8], policy: VerifyPolicy) -> Result<Self> {
        Self { keys: None, secret: None, policy }.with_secret(secret)
    }

    /// Accepts HS256 tokens of this secret beside what was accepted before.
    ///
    /// # Errors
    /// `INVALID_KEY` for an empty secret.
    pub fn with_secret(self, secret: &[u8]) -> Result<Self> {
        if secret.is_empty() {
            return Err(Error::new(ErrorKind::InvalidKey, "secret is empty"));
        }
        Ok(Self { secret: Some(secret.to_vec()), ..self })
    }

    /// Verifies signature, time, issuer, type, audience and client address.
    ///
    /// # Errors
    /// Those of [`Verifier::verify_signature`] and then of [`VerifyPolicy::check`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims> {
        let claims = self.verify_signature(token)?;
        self.policy.check(&claims, now)?;
        Ok(claims)
    }

    /// Verifies the signature alone, as revoking an expired token needs it.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` above 8 KiB, `INVALID_TOKEN` when it cannot be read, `UNSUPPORTED_ALGORITHM` unless the
    /// algorithm is that of a key given, `UNKNOWN_KEY` when no key or more than one goes by its `kid`,
    /// `SIGNATURE_MISMATCH`.
    pub fn verify_signature(&self, token: &str) -> Result<Claims> {
        let compact = Compact::parse(token)?;
        let holds = match (compact.header.alg.as_str(), &self.keys, &self.secret) {
            ("ES256", Some(keys), _) => compact.verify_es256(keys.find(compact.header.kid.as_deref())?),
            ("HS256", _, Some(secret)) => compact.verify_hs256(secret),
            _ => return Err(Error::new(ErrorKind::UnsupportedAlgorithm, "algorithm is not accepted")),
        };
        if !holds {
            return Err(Error::new(ErrorKind::SignatureMismatch, "signature does not fit token and key"));
        }
        read_claims(&compact)
    }

    /// What is demanded beyond the signature.
    pub fn policy(&self) -> &VerifyPolicy {
        &self.policy
    }
}

impl std::fmt::Debug for Verifier {
    /// Shows the policy and nothing of the keys.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Verifier").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// A token's header and claims; nothing in it has been verified.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DecodedToken {
    /// Algorithm and key that the token names.
    pub header: ProtectedHeader,
    /// What the token says.
    pub claims: Claims,
}

/// Reads a token without verifying it: for display, or to find the key that may verify it. Never trust the result.
///
/// # Errors
/// `LIMIT_EXCEEDED` above 8 KiB, `INVALID_TOKEN` when it cannot be read.
pub fn decode_unverified(token: &str) -> Result<DecodedToken> {
    let compact = Compact::parse(token)?;
    Ok(DecodedToken { claims: read_claims(&compact)?, header: compact.header })
}

#[derive(Clone)]
struct KeySet {
    /// By `kid`; `None` where two different keys share one.
    named: BTreeMap<String, Option<VerifyingKey>>,
    /// The only key of the set, for tokens that name none.
    only: Option<VerifyingKey>,
}

impl KeySet {
    fn compile(keys: &Jwks) -> Result<Self> {
        keys.check_size()?;
        let usable: Vec<_> =
            keys.keys.iter().filter_map(|key| Some((key.kid.clone(), key.verifying_key().ok()?))).collect();
        let only = match usable.as_slice() {
            [(_, key)] => Some(key.clone()),
            _ => None,
        };
        let mut named = BTreeMap::new();
        for (kid, key) in usable {
            let Some(kid) = kid else { continue };
            match named.entry(kid) {
                Entry::Vacant(entry) => {
                    entry.insert(Some(key));
                }
                Entry::Occupied(mut entry) => {
                    let is_same = |other: &VerifyingKey| other.coordinates() == key.coordinates();
                    if !entry.get().as_ref().is_some_and(is_same) {
                        entry.insert(None);
                    }
                }
            }
        }
        Ok(Self { named, only })
    }

    fn find(&self, kid: Option<&str>) -> Result<&VerifyingKey> {
        let unknown = |message: &str| Error::new(ErrorKind::UnknownKey, message);
        match kid {
            None => self.only.as_ref().ok_or_else(|| unknown("token names no key")),
            Some(kid) => match self.named.get(kid) {
                Some(Some(key)) => Ok(key),
                Some(None) => Err(unknown("token names a key id that stands for more than one key")),
                None => Err(unknown("token names an unknown key")),
            },
        }
    }
}

fn read_claims(compact: &Compact<'_>) -> Result<Claims> {
    serde_json::from_slice(&compact.payload)
        .map_err(|_| Error::new(ErrorKind::InvalidToken, "token's payload cannot be read"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::{base64url, decode_base64url};
    use crate::token::{Jwk, Signer, jws};

    const NOW: Timestamp = Timestamp::from_seconds(1_771_156_800);
    const SECRET: &[u8] = b"a secret of more than thirty-two bytes";

    fn key(seed: u8, kid: &str) -> Jwk {
        Jwk::generate(&[seed; 32], Some(kid)).unwrap()
    }

    fn set(keys: &[&Jwk]) -> Jwks {
        Jwks { keys: keys.iter().map(|key| key.to_public()).collect() }
    }

    fn claims() -> Claims {
        Claims::access("challenge", 47, "id", NOW, 3600)
    }

    fn sign(key: &Jwk) -> String {
        Signer::from_jwk(key).unwrap().sign(&claims()).unwrap()
    }

    fn verifier(keys: &[&Jwk]) -> Verifier {
        Verifier::new(&set(keys), VerifyPolicy::default()).unwrap()
    }

    fn code(verifier: &Verifier, token: &str) -> &'static str {
        verifier.verify(token, NOW).err().map_or("ok", |error| error.kind().code())
    }

    #[test]
    fn key_is_found_by_its_id() {
        let (one, two) = (key(1, "one"), key(2, "two"));
        let both = verifier(&[&one, &two]);
        assert_eq!(both.verify(&sign(&one), NOW).unwrap(), claims());
        assert_eq!(code(&both, &sign(&two)), "ok");
        assert_eq!(code(&verifier(&[&one]), &sign(&two)), "UNKNOWN_KEY");
        assert_eq!(code(&verifier(&[]), &sign(&one)), "UNKNOWN_KEY");
        assert_eq!(code(&verifier(&[&key(2, "one")]), &sign(&one)), "SIGNATURE_MISMATCH");
    }

    #[test]
    fn token_without_key_id_needs_a_single_key() {
        let unnamed = Jwk { kid: None, ..key(1, "") };
        assert_eq!(code(&verifier(&[&key(1, "one")]), &sign(&unnamed)), "ok");
        assert_eq!(code(&verifier(&[&unnamed]), &sign(&unnamed)), "ok");
        assert_eq!(code(&verifier(&[&key(1, "one"), &key(2, "two")]), &sign(&unnamed)), "UNKNOWN_KEY");
        assert_eq!(code(&verifier(&[&unnamed]), &sign(&key(1, ""))), "UNKNOWN_KEY");
    }

    #[test]
    fn ambiguous_key_id_is_refused() {
        let (one, other) = (key(1, "same"), key(2, "same"));
        for keys in [[&one, &other], [&other, &one]] {
            assert_eq!(code(&verifier(&keys), &sign(&one)), "UNKNOWN_KEY");
        }
        assert_eq!(code(&verifier(&[&one, &one]), &sign(&one)), "ok");
        assert_eq!(code(&verifier(&[&one, &other, &one]), &sign(&one)), "UNKNOWN_KEY");
    }

    #[test]
    fn unusable_keys_are_passed_over() {
        let one = key(1, "one");
        let strange: Jwks = serde_json::from_value(serde_json::json!({"keys": [
            {"kty": "XYZ", "kid": "a"}, {"kid": "b"}, 7, null, {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"},
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "one"}, {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
            {"kty": "EC", "crv": "P-256", "x": one.x, "y": one.y, "kid": "one", "use": "enc"},
            {"kty": "EC", "crv": "P-256", "x": one.x, "y": one.y, "kid": "one", "alg": "ES384"},
            {"kty": "EC", "crv": "P-256", "x": one.x, "y": one.y, "kid": "one", "key_ops": ["sign"]},
        ]}))
        .unwrap();
        let strange_alone = Verifier::new(&strange, VerifyPolicy::default()).unwrap();
        assert_eq!(code(&strange_alone, &sign(&one)), "UNKNOWN_KEY");
        let mut with_one = strange;
        with_one.keys.push(one.to_public());
        assert_eq!(code(&Verifier::new(&with_one, VerifyPolicy::default()).unwrap(), &sign(&one)), "ok");
    }

    #[test]
    fn oversized_key_set_is_refused() {
        let keys = |count| Jwks { keys: vec![Jwk { kty: "oct".to_owned(), ..Jwk::default() }; count] };
        assert!(Verifier::new(&keys(1000), VerifyPolicy::default()).is_ok());
        let error = Verifier::new(&keys(1001), VerifyPolicy::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    }

    #[test]
    fn algorithm_follows_from_the_key() {
        let one = key(1, "one");
        let by_secret = Signer::from_secret(SECRET).unwrap().sign(&claims()).unwrap();
        let keys_only = verifier(&[&one]);
        let secret_only = Verifier::from_secret(SECRET, VerifyPolicy::default()).unwrap();
        let both = keys_only.clone().with_secret(SECRET).unwrap();
        assert_eq!(code(&keys_only, &by_secret), "UNSUPPORTED_ALGORITHM");
        assert_eq!(code(&secret_only, &by_secret), "ok");
        assert_eq!(code(&secret_only, &sign(&one)), "UNSUPPORTED_ALGORITHM");
        assert_eq!(code(&both, &by_secret), "ok");
        assert_eq!(code(&both, &sign(&one)), "ok");
        let other_secret = Verifier::from_secret(b"another", VerifyPolicy::default()).unwrap();
        assert_eq!(code(&other_secret, &by_secret), "SIGNATURE_MISMATCH");
        assert!(Verifier::from_secret(b"", VerifyPolicy::default()).is_err());
    }

    #[test]
    fn public_key_is_no_secret() {
        let one = key(1, "one");
        let payload = serde_json::to_vec(&claims()).unwrap();
        let (x, y) = (one.x.clone().unwrap(), one.y.clone().unwrap());
        let point = [vec![4], decode_base64url(&x).unwrap(), decode_base64url(&y).unwrap()].concat();
        let jwk = serde_json::to_vec(&one.to_public()).unwrap();
        let both = verifier(&[&one]).with_secret(SECRET).unwrap();
        for secret in [x.as_bytes(), &point, &jwk, b""] {
            let forged = jws::sign_hs256(&payload, secret);
            assert_eq!(code(&verifier(&[&one]), &forged), "UNSUPPORTED_ALGORITHM");
            assert_eq!(code(&both, &forged), "SIGNATURE_MISMATCH");
        }
    }

    #[test]
    fn unsigned_tokens_are_refused() {
        let one = key(1, "one");
        let payload = base64url(&serde_json::to_vec(&claims()).unwrap());
        let both = verifier(&[&one]).with_secret(SECRET).unwrap();
        for alg in ["none", "None", "NONE", "", "es256", "ES256K", "RS256", "ES384"] {
            let header = base64url(format!(r#"{{"alg":"{alg}","kid":"one"}}"#).as_bytes());
            for signature in ["", "AAAA"] {
                assert_eq!(
                    code(&both, &format!("{header}.{payload}.{signature}")),
                    "UNSUPPORTED_ALGORITHM",
                    "{alg}"
                );
            }
        }
        for alg in ["ES256", "HS256"] {
            let header = base64url(format!(r#"{{"alg":"{alg}","kid":"one"}}"#).as_bytes());
            assert_eq!(code(&both, &format!("{header}.{payload}.")), "SIGNATURE_MISMATCH");
            assert_eq!(
                code(&both, &format!("{header}.{payload}.{}", base64url(&[0; 64]))),
                "SIGNATURE_MISMATCH"
            );
        }
    }

    #[test]
    fn keys_inside_the_header_are_not_used() {
        let (one, evil) = (key(1, "one"), key(9, "evil"));
        let header =
            serde_json::json!({"alg": "ES256", "jwk": evil.to_public(), "jku": "https://evil.example/jwks"});
        let input = format!(
            "{}.{}",
            base64url(header.to_string().as_bytes()),
            base64url(&serde_json::to_vec(&claims()).unwrap())
        );
        let signature = evil.signing_key().unwrap().sign(input.as_bytes()).unwrap();
        assert_eq!(
            code(&verifier(&[&one]), &format!("{input}.{}", base64url(&signature))),
            "SIGNATURE_MISMATCH"
        );
    }

    #[test]
    fn truncated_tokens_are_refused() {
        let one = key(1, "one");
        let token = sign(&one);
        for length in 0..token.len() {
            assert_ne!(code(&verifier(&[&one]), token.get(..length).unwrap()), "ok", "{length}");
        }
    }

    #[test]
    fn payload_that_is_no_object_is_refused() {
        let one = key(1, "one");
        let signing_key = one.signing_key().unwrap();
        for payload in
            ["", "7", "[]", "null", "\"x\"", "{", r#"{"exp":1,"exp":2}"#, r#"{"aud":7}"#, "\u{fffd}"]
        {
            let token = jws::sign_es256(payload.as_bytes(), &signing_key, Some("one")).unwrap();
            assert_eq!(code(&verifier(&[&one]), &token), "INVALID_TOKEN", "{payload}");
            assert_eq!(decode_unverified(&token).unwrap_err().kind(), ErrorKind::InvalidToken);
        }
    }

    #[test]
    fn signature_alone_ignores_time_and_type() {
        let one = key(1, "one");
        let old = Claims { exp: Some(1), token_type: Some("botcha-refresh".into()), ..claims() };
        let token = Signer::from_jwk(&one).unwrap().sign(&old).unwrap();
        assert_eq!(code(&verifier(&[&one]), &token), "TOKEN_EXPIRED");
        assert_eq!(verifier(&[&one]).verify_signature(&token).unwrap(), old);
        assert!(verifier(&[&key(2, "one")]).verify_signature(&token).is_err());
    }

    #[test]
    fn unverified_reading_shows_header_and_claims() {
        let decoded = decode_unverified(&sign(&key(1, "one"))).unwrap();
        assert_eq!((decoded.header.alg.as_str(), decoded.header.kid.as_deref()), ("ES256", Some("one")));
        assert_eq!(decoded.claims, claims());
    }

    #[test]
    fn debug_output_hides_the_keys() {
        let shown = format!("{:?}", verifier(&[&key(1, "one")]).with_secret(SECRET).unwrap());
        assert!(shown.contains("policy") && !shown.contains("secret"), "{shown}");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_verifies(token in any::<String>(), header in any::<String>(), payload in any::<String>(), signature in any::<[u8; 64]>()) {
            let both = verifier(&[&key(1, "one")]).with_secret(SECRET).unwrap();
            prop_assert!(both.verify(&token, NOW).is_err());
            let _ = decode_unverified(&token);
            for header in [header.as_str(), r#"{"alg":"ES256","kid":"one"}"#, r#"{"alg":"HS256"}"#] {
                let token = [header.as_bytes(), payload.as_bytes(), &signature].map(base64url).join(".");
                prop_assert!(both.verify(&token, NOW).is_err());
                let _ = decode_unverified(&token);
            }
        }
    }
}
