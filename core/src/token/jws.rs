//! Compact JSON Web Signatures (RFC 7515) with ES256 and HS256 (RFC 7518).

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::crypto::{SigningKey, VerifyingKey, hmac_sha256, verify_hmac_sha256};
use crate::encoding::{base64url, decode_base64url};
use crate::{Error, ErrorKind, Result};

/// The longest token that is read or made, in bytes.
pub const LONGEST_TOKEN: usize = 8 * 1024;

/// Signs a payload with ECDSA P-256 and SHA-256; the header is `alg` and, when given, `kid`.
///
/// # Errors
/// `INVALID_KEY` when the key cannot sign.
pub fn sign_es256(payload: &[u8], key: &SigningKey, kid: Option<&str>) -> Result<String> {
    let input = signing_input(&Header { alg: "ES256", kid }, payload)?;
    let signature = key.sign(input.as_bytes())?;
    Ok(format!("{input}.{}", base64url(&signature)))
}

/// Signs a payload with HMAC-SHA-256; the header is `alg` alone.
pub fn sign_hs256(payload: &[u8], secret: &[u8]) -> String {
    let input = format!("{HS256_HEADER}.{}", base64url(payload));
    let tag = hmac_sha256(secret, input.as_bytes());
    format!("{input}.{}", base64url(&tag))
}

/// A compact token taken apart; nothing in it has been verified.
#[derive(Clone, Debug)]
pub struct Compact<'a> {
    /// The protected header.
    pub header: ProtectedHeader,
    /// The decoded payload.
    pub payload: Vec<u8>,
    signing_input: &'a str,
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` above 8 KiB; `INVALID_TOKEN` unless it is three parts of canonical base64url whose first
    /// is a JSON object with `alg`, each known member once, and no `crit` (RFC 7515 section 4.1.11).
    pub fn parse(token: &'a str) -> Result<Self> {
        if token.len() > LONGEST_TOKEN {
            return Err(Error::new(ErrorKind::LimitExceeded, "token is longer than 8 KiB"));
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or_else(unreadable)?;
        let (header, payload) = signing_input.split_once('.').ok_or_else(unreadable)?;
        let decode = |part: &str| decode_base64url(part).map_err(|_| unreadable());
        let header: ProtectedHeader = serde_json::from_slice(&decode(header)?).map_err(|_| unreadable())?;
        if header.crit.is_some() {
            return Err(Error::new(ErrorKind::InvalidToken, "token demands an extension (`crit`)"));
        }
        Ok(Self { header, payload: decode(payload)?, signing_input, signature: decode(signature)? })
    }

    /// Whether the ECDSA P-256 signature holds.
    pub fn verify_es256(&self, key: &VerifyingKey) -> bool {
        key.verify(self.signing_input.as_bytes(), &self.signature)
    }

    /// Whether the HMAC-SHA-256 tag holds.
    pub fn verify_hs256(&self, secret: &[u8]) -> bool {
        verify_hmac_sha256(secret, self.signing_input.as_bytes(), &self.signature)
    }
}

/// The members of a token's header that are looked at; others are ignored, above all keys and addresses of keys.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProtectedHeader {
    /// The algorithm that the token claims.
    pub alg: String,
    /// The id of the key that is said to have signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The media type of the whole token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing)]
    crit: Option<Value>,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

/// `{"alg":"HS256"}`
const HS256_HEADER: &str = "eyJhbGciOiJIUzI1NiJ9";

fn signing_input(header: &Header<'_>, payload: &[u8]) -> Result<String> {
    Ok(format!("{}.{}", base64url(&serde_json::to_vec(header)?), base64url(payload)))
}

/// Tells a member that is there but null from one that is not there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn unreadable() -> Error {
    Error::new(ErrorKind::InvalidToken, "token cannot be read")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::rustcrypto;

    /// RFC 7515 appendix A.1.1.
    const HS256: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const HS256_SECRET: &str =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    /// RFC 7515 appendix A.3.1.
    const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn bytes(text: &str) -> Vec<u8> {
        decode_base64url(text).unwrap()
    }

    #[test]
    fn published_hs256_token_holds() {
        let compact = Compact::parse(HS256).unwrap();
        assert_eq!(compact.header.typ.as_deref(), Some("JWT"));
        assert!(compact.verify_hs256(&bytes(HS256_SECRET)));
        assert!(!compact.verify_hs256(b"another secret"));
    }

    #[test]
    fn published_es256_token_holds_in_both_backends() {
        let compact = Compact::parse(ES256).unwrap();
        assert!(compact.verify_es256(&VerifyingKey::from_coordinates(&bytes(X), &bytes(Y)).unwrap()));
        let other = rustcrypto::VerifyingKey::from_coordinates(&bytes(X), &bytes(Y)).unwrap();
        assert!(other.verify(compact.signing_input.as_bytes(), &compact.signature));
        let swapped = VerifyingKey::from_coordinates(&bytes(Y), &bytes(X));
        assert!(swapped.is_err());
    }

    #[test]
    fn constant_header_is_what_it_says() {
        assert_eq!(bytes(HS256_HEADER), br#"{"alg":"HS256"}"#);
    }

    #[test]
    fn header_holds_alg_and_kid_only() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let token = sign_es256(b"{}", &key, Some("door-1")).unwrap();
        let (header, _) = token.split_once('.').unwrap();
        assert_eq!(bytes(header), br#"{"alg":"ES256","kid":"door-1"}"#);
        assert!(Compact::parse(&token).unwrap().verify_es256(&key.verifying_key()));
    }

    #[test]
    fn every_changed_byte_breaks_the_token() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let token = sign_es256(br#"{"sub":"x"}"#, &key, Some("k")).unwrap();
        for position in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let holds = Compact::parse(&changed).is_ok_and(|token| token.verify_es256(&key.verifying_key()));
            assert!(!holds, "byte {position}");
        }
    }

    #[test]
    fn malformed_tokens_are_refused() {
        let header = |json: &str| format!("{}.e30.AA", base64url(json.as_bytes()));
        for token in [
            String::new(),
            "a".into(),
            "..".into(),
            "e30.e30".into(),
            format!("{HS256}.AA"),
            format!(" {HS256}"),
            format!("{HS256}\n"),
            // Non-canonical: the last character holds stray bits.
            format!("{}l", HS256.strip_suffix('k').unwrap()),
            format!("{HS256}="),
            header("[]"),
            header("{}"),
            header(r#"{"alg":null}"#),
            header(r#"{"alg":"HS256","alg":"none"}"#),
            header(r#"{"alg":"HS256","kid":1}"#),
            header(r#"{"alg":"HS256","crit":[]}"#),
            header(r#"{"alg":"HS256","crit":null}"#),
            header(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#),
            header(&"[".repeat(3000)),
        ] {
            assert_eq!(Compact::parse(&token).unwrap_err().kind(), ErrorKind::InvalidToken, "{token}");
        }
    }

    #[test]
    fn length_limit_is_exact() {
        assert_eq!(Compact::parse(&"a".repeat(LONGEST_TOKEN)).unwrap_err().kind(), ErrorKind::InvalidToken);
        assert_eq!(
            Compact::parse(&"a".repeat(LONGEST_TOKEN + 1)).unwrap_err().kind(),
            ErrorKind::LimitExceeded
        );
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(token in any::<String>(), parts in "[A-Za-z0-9_=-]{0,20}\\.[A-Za-z0-9_-]{0,20}\\.[A-Za-z0-9_-]{0,90}") {
            let _ = Compact::parse(&token);
            let _ = Compact::parse(&parts);
        }
    }
}
