//! JSON Web Keys (RFC 7517), key sets and thumbprints (RFC 7638).

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::crypto::{SigningKey, VerifyingKey, sha256};
use crate::encoding::{base64url, decode_base64url, equal_in_constant_time};
use crate::{Error, ErrorKind, Result};

/// A key; members that are not listed here are ignored on input (RFC 7517 section 4).
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Jwk {
    /// Key type: `EC`, `OKP`, `RSA` or `oct`; others can be held but not used.
    pub kty: String,
    /// Curve of an EC or OKP key, for example `P-256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// First coordinate of an EC key, public key of an OKP key; base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Second coordinate of an EC key; base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// Private part; base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d: Option<String>,
    /// Modulus of an RSA key; base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// Exponent of an RSA key; base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// Secret of an oct key; base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<String>,
    /// The key's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// What the key is for: `sig` or `enc`.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub key_use: Option<String>,
    /// The only algorithm that the key is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// The only operations that the key is for, for example `verify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_ops: Option<Vec<String>>,
}

impl Jwk {
    /// Derives a private ES256 key from a seed; without a `kid` its thumbprint becomes one.
    ///
    /// # Errors
    /// `INVALID_KEY` when the seed gives no key.
    pub fn generate(seed: &[u8; 32], kid: Option<&str>) -> Result<Self> {
        let key = SigningKey::from_seed(seed)?;
        let mut jwk = Self { d: Some(base64url(&key.scalar()?)), ..Self::from(&key.verifying_key()) };
        jwk.kid = Some(kid.map_or_else(|| jwk.thumbprint(), |kid| Ok(kid.to_owned()))?);
        Ok(jwk)
    }

    /// The private half, checked against the public one.
    ///
    /// # Errors
    /// `INVALID_KEY` unless this is a private P-256 key for ES256 whose halves fit.
    pub fn signing_key(&self) -> Result<SigningKey> {
        self.require_es256("sign")?;
        let key = SigningKey::from_scalar(&member(self.d.as_deref(), "d")?)?;
        let (x, y) = key.verifying_key().coordinates();
        let is_pair = equal_in_constant_time(&x, &member(self.x.as_deref(), "x")?)
            && equal_in_constant_time(&y, &member(self.y.as_deref(), "y")?);
        if is_pair { Ok(key) } else { Err(invalid("private and public half do not fit")) }
    }

    /// The public half, parsed and checked to be on the curve.
    ///
    /// # Errors
    /// `INVALID_KEY` unless this is a P-256 key for ES256.
    pub fn verifying_key(&self) -> Result<VerifyingKey> {
        self.require_es256("verify")?;
        VerifyingKey::from_coordinates(&member(self.x.as_deref(), "x")?, &member(self.y.as_deref(), "y")?)
    }

    /// The key without its private members.
    #[must_use]
    pub fn to_public(&self) -> Self {
        Self { d: None, k: None, ..self.clone() }
    }

    /// SHA-256 of the required members in RFC 7638 section 3 form, as base64url.
    ///
    /// # Errors
    /// `INVALID_KEY` for an unknown key type or a missing or unreadable member.
    pub fn thumbprint(&self) -> Result<String> {
        let names: &[&str] = match self.kty.as_str() {
            "EC" => &["crv", "kty", "x", "y"],
            "OKP" => &["crv", "kty", "x"],
            "RSA" => &["e", "kty", "n"],
            "oct" => &["k", "kty"],
            _ => return Err(invalid("key type has no thumbprint")),
        };
        let members: Vec<_> = names
            .iter()
            .map(|name| Ok(format!("\"{name}\":{}", Value::from(self.required(name)?))))
            .collect::<Result<_>>()?;
        Ok(base64url(&sha256(format!("{{{}}}", members.join(",")).as_bytes())))
    }

    fn required(&self, name: &str) -> Result<&str> {
        let text = match name {
            "kty" => return Ok(&self.kty),
            "crv" => return self.crv.as_deref().ok_or_else(|| missing(name)),
            "e" => &self.e,
            "k" => &self.k,
            "n" => &self.n,
            "x" => &self.x,
            _ => &self.y,
        };
        member(text.as_deref(), name)?;
        text.as_deref().ok_or_else(|| missing(name))
    }

    fn require_es256(&self, operation: &str) -> Result<()> {
        let allows = |given: Option<&str>, wanted: &str| given.is_none_or(|given| given == wanted);
        if self.kty != "EC" || self.crv.as_deref() != Some("P-256") {
            return Err(invalid("key is not an EC key on P-256"));
        }
        let is_listed = |operations: &Vec<String>| operations.iter().any(|one| one == operation);
        if !allows(self.alg.as_deref(), "ES256")
            || !allows(self.key_use.as_deref(), "sig")
            || !self.key_ops.as_ref().is_none_or(is_listed)
        {
            return Err(invalid("key is for another algorithm or use"));
        }
        Ok(())
    }
}

impl From<&VerifyingKey> for Jwk {
    fn from(key: &VerifyingKey) -> Self {
        let (x, y) = key.coordinates();
        Self {
            kty: "EC".to_owned(),
            crv: Some("P-256".to_owned()),
            x: Some(base64url(&x)),
            y: Some(base64url(&y)),
            ..Self::default()
        }
    }
}

impl std::fmt::Debug for Jwk {
    /// Shows type and id; a private part never gets into a log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Jwk")
            .field("kty", &self.kty)
            .field("crv", &self.crv)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// A key set; entries that cannot be read as a key are passed over (RFC 7517 section 5).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Jwks {
    /// The keys, in the order of publication.
    #[serde(deserialize_with = "readable_keys")]
    pub keys: Vec<Jwk>,
}

impl Jwks {
    /// The publishable set of ES256 keys: no private parts, `use` is `sig`, `alg` is `ES256`.
    ///
    /// # Errors
    /// `INVALID_KEY` for a key that is not a P-256 key or an id that occurs twice, `LIMIT_EXCEEDED` above 1000 keys.
    pub fn publish(keys: &[Jwk]) -> Result<Self> {
        let mut published = Self::default();
        for key in keys {
            let is_known = |other: &Jwk| other.kid.is_some() && other.kid == key.kid;
            if published.keys.iter().any(is_known) {
                return Err(invalid("key id occurs twice"));
            }
            if key.d.is_some() {
                key.signing_key()?;
            }
            let public = Jwk { key_ops: None, ..key.to_public() };
            published.keys.push(Jwk {
                kid: key.kid.clone(),
                key_use: Some("sig".to_owned()),
                alg: Some("ES256".to_owned()),
                ..Jwk::from(&public.verifying_key()?)
            });
            published.check_size()?;
        }
        Ok(published)
    }

    pub(super) fn check_size(&self) -> Result<()> {
        if self.keys.len() > MOST_KEYS {
            return Err(Error::new(ErrorKind::LimitExceeded, "key set holds more than 1000 keys"));
        }
        Ok(())
    }
}

/// The largest key set that is read.
const MOST_KEYS: usize = 1000;

fn readable_keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Jwk>, D::Error> {
    let keys = Vec::<Value>::deserialize(deserializer)?;
    Ok(keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect())
}

fn member(text: Option<&str>, name: &str) -> Result<Vec<u8>> {
    let text = text.ok_or_else(|| missing(name))?;
    decode_base64url(text).map_err(|_| invalid(&format!("member `{name}` is not base64url")))
}

fn missing(name: &str) -> Error {
    invalid(&format!("member `{name}` is missing"))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidKey, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(json: Value) -> Jwk {
        serde_json::from_value(json).unwrap()
    }

    fn code<T>(result: Result<T>) -> &'static str {
        result.err().map_or("ok", |error| error.kind().code())
    }

    #[test]
    fn thumbprints_are_the_published_ones() {
        // RFC 7638 section 3.1.
        let rsa = read(
            json!({"kty": "RSA", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}),
        );
        assert_eq!(rsa.thumbprint().unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        // RFC 8037 appendix A.3.
        let okp =
            read(json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}));
        assert_eq!(okp.thumbprint().unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn thumbprint_ignores_what_is_not_required() {
        let key = Jwk::generate(&[1; 32], Some("a")).unwrap();
        let published = Jwks::publish(std::slice::from_ref(&key)).unwrap();
        assert_eq!(key.thumbprint().unwrap(), published.keys[0].thumbprint().unwrap());
        let other = Jwk { kid: None, ..key.clone() };
        assert_eq!(key.thumbprint().unwrap(), other.thumbprint().unwrap());
    }

    #[test]
    fn incomplete_keys_have_no_thumbprint() {
        for key in [
            json!({"kty": "EC", "crv": "P-256", "x": "AA"}),
            json!({"kty": "RSA", "n": "AA"}),
            json!({"kty": "OKP", "x": "AA"}),
            json!({"kty": "oct"}),
            json!({"kty": "oct", "k": "a="}),
            json!({"kty": "rsa", "n": "AA", "e": "AA"}),
            json!({"kty": ""}),
        ] {
            assert_eq!(code(read(key).thumbprint()), "INVALID_KEY");
        }
    }

    #[test]
    fn generated_key_round_trips() {
        let key = Jwk::generate(&[1; 32], Some("door-1")).unwrap();
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<Jwk>(&text).unwrap(), key);
        assert_eq!(
            key.signing_key().unwrap().verifying_key().coordinates(),
            key.verifying_key().unwrap().coordinates()
        );
        let unnamed = Jwk::generate(&[1; 32], None).unwrap();
        assert_eq!(unnamed.kid, Some(key.thumbprint().unwrap()));
    }

    #[test]
    fn published_keys_hold_nothing_private() {
        let keys = [
            Jwk::generate(&[1; 32], Some("a")).unwrap(),
            Jwk {
                alg: Some("ES256".into()),
                key_ops: Some(vec!["sign".into()]),
                ..Jwk::generate(&[2; 32], Some("b")).unwrap()
            },
        ];
        let published = serde_json::to_value(Jwks::publish(&keys).unwrap()).unwrap();
        for key in published["keys"].as_array().unwrap() {
            let mut names: Vec<_> = key.as_object().unwrap().keys().cloned().collect();
            names.sort_unstable();
            assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
            assert_eq!((key["use"].as_str(), key["alg"].as_str()), (Some("sig"), Some("ES256")));
        }
    }

    #[test]
    fn unfit_keys_are_not_published() {
        let key = Jwk::generate(&[1; 32], Some("a")).unwrap();
        let other = Jwk::generate(&[2; 32], Some("a")).unwrap();
        assert_eq!(code(Jwks::publish(&[key.clone(), other.clone()])), "INVALID_KEY");
        assert_eq!(code(Jwks::publish(&[Jwk { d: other.d, ..key.clone() }])), "INVALID_KEY");
        assert_eq!(
            code(Jwks::publish(&[Jwk { kty: "oct".into(), k: Some("AA".into()), ..Jwk::default() }])),
            "INVALID_KEY"
        );
        let unnamed = Jwk { kid: None, ..key };
        assert_eq!(code(Jwks::publish(&vec![unnamed.clone(); 1000])), "ok");
        assert_eq!(code(Jwks::publish(&vec![unnamed; 1001])), "LIMIT_EXCEEDED");
    }

    #[test]
    fn unfit_private_keys_do_not_sign() {
        let key = Jwk::generate(&[1; 32], Some("a")).unwrap();
        for unfit in [
            key.to_public(),
            Jwk { d: Some("AA".into()), ..key.clone() },
            Jwk { d: Some(base64url(&[0; 32])), ..key.clone() },
            Jwk { y: key.x.clone(), ..key.clone() },
            Jwk { crv: Some("P-384".into()), ..key.clone() },
            Jwk { alg: Some("HS256".into()), ..key.clone() },
            Jwk { key_use: Some("enc".into()), ..key.clone() },
            Jwk { key_ops: Some(vec!["verify".into()]), ..key.clone() },
        ] {
            assert_eq!(code(unfit.signing_key()), "INVALID_KEY");
        }
    }

    #[test]
    fn debug_output_hides_private_parts() {
        let key = Jwk { k: Some("c2VjcmV0".into()), ..Jwk::generate(&[1; 32], Some("a")).unwrap() };
        let shown = format!("{key:?}");
        assert!(!shown.contains("c2VjcmV0") && !shown.contains(key.d.as_deref().unwrap()), "{shown}");
    }

    proptest! {
        #[test]
        fn arbitrary_members_never_panic(kty in "EC|OKP|RSA|oct|.*", text in any::<String>()) {
            let member = Some(text);
            let key = Jwk { kty, crv: Some("P-256".into()), x: member.clone(), y: member.clone(), d: member.clone(), n: member.clone(), e: member.clone(), k: member, ..Jwk::default() };
            let _ = (key.thumbprint(), key.signing_key(), key.verifying_key());
        }
    }
}
