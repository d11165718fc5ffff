//! What a token says.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{Error, ErrorKind, Result, Timestamp};

/// `type` of a token that proves a solved challenge.
pub const ACCESS_TOKEN_TYPE: &str = "botcha-verified";

/// `type` of a token that is exchanged for a new access token.
pub const REFRESH_TOKEN_TYPE: &str = "botcha-refresh";

/// `iss` of every token unless configured otherwise; stock verifiers insist on it.
pub const DEFAULT_ISSUER: &str = "botcha.ai";

/// The claims of a token (RFC 7519 section 4.1 and the BOTCHA-compatible API).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Claims {
    /// What the token is for, for example `botcha-verified`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// Milliseconds that solving the challenge took.
    #[serde(
        rename = "solveTime",
        deserialize_with = "whole_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub solve_time: Option<i64>,
    /// The token's own id; revocation goes by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// Whom or what the token is about: the id of the solved challenge, or an agent's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Who issued the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// When it was issued, in seconds since the Unix epoch.
    #[serde(deserialize_with = "whole_number", skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// When it ends, in seconds since the Unix epoch.
    #[serde(deserialize_with = "whole_number", skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// When it begins, in seconds since the Unix epoch.
    #[serde(deserialize_with = "whole_number", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Whom it is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<OneOrMany>,
    /// The only client address that may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<String>,
    /// The app that its challenge was bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// The registered agent that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// Every other claim, as it stands in the token.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Claims {
    /// The claims of an access token for a challenge solved in `solve_time` milliseconds.
    pub fn access(subject: &str, solve_time: i64, id: &str, now: Timestamp, lifetime_seconds: u32) -> Self {
        Self {
            token_type: Some(ACCESS_TOKEN_TYPE.to_owned()),
            solve_time: Some(solve_time),
            jti: Some(id.to_owned()),
            sub: Some(subject.to_owned()),
            iss: Some(DEFAULT_ISSUER.to_owned()),
            iat: Some(now.seconds()),
            exp: Some(now.seconds().saturating_add(i64::from(lifetime_seconds))),
            ..Self::default()
        }
    }

    /// Demands that the token names this audience, alone or in a list.
    ///
    /// # Errors
    /// `AUDIENCE_MISMATCH`.
    pub fn require_audience(&self, audience: &str) -> Result<()> {
        match &self.aud {
            Some(named) if named.contains(audience) => Ok(()),
            Some(_) => Err(Error::new(ErrorKind::AudienceMismatch, "token is for another audience")),
            None => Err(Error::new(ErrorKind::AudienceMismatch, "token names no audience")),
        }
    }

    /// Demands that the token is bound to this client address; two spellings of one address are equal.
    ///
    /// # Errors
    /// `CLIENT_MISMATCH`, also when the token is bound to no address.
    pub fn require_client(&self, address: &str) -> Result<()> {
        match &self.client_ip {
            Some(bound) if is_same_address(bound, address) => Ok(()),
            Some(_) => Err(Error::new(ErrorKind::ClientMismatch, "token is bound to another client address")),
            None => Err(Error::new(ErrorKind::ClientMismatch, "token is bound to no client address")),
        }
    }
}

/// One text or a list of texts, as RFC 7519 section 4.1.3 allows for `aud`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum OneOrMany {
    /// A single text.
    One(String),
    /// A list.
    Many(Vec<String>),
}

impl OneOrMany {
    /// Whether `text` is the one or among the many.
    pub fn contains(&self, text: &str) -> bool {
        match self {
            Self::One(one) => one == text,
            Self::Many(many) => many.iter().any(|one| one == text),
        }
    }

    /// All texts as a list.
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

impl From<&str> for OneOrMany {
    fn from(text: &str) -> Self {
        Self::One(text.to_owned())
    }
}

fn is_same_address(left: &str, right: &str) -> bool {
    match (left.parse::<IpAddr>(), right.parse::<IpAddr>()) {
        (Ok(left), Ok(right)) => left.to_canonical() == right.to_canonical(),
        _ => left == right,
    }
}

/// Reads a NumericDate (RFC 7519 section 2): whole, or with a fraction that is rounded down.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let whole = number.as_i64().or_else(|| {
        let fraction = number.as_f64()?.floor();
        (fraction.abs() <= LARGEST_NUMBER as f64).then_some(fraction as i64)
    });
    whole
        .filter(|whole| (-LARGEST_NUMBER..=LARGEST_NUMBER).contains(whole))
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom("number is out of range"))
}

/// The largest number that every JSON reader keeps exactly, 2^53.
const LARGEST_NUMBER: i64 = 1 << 53;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_every_claim() {
        let text = r#"{"type":"botcha-verified","solveTime":47,"jti":"j","sub":"s","iss":"botcha.ai","iat":1,"exp":2,"nbf":1,"aud":["a","b"],"client_ip":"::1","app_id":"app_1","agent_id":"agent_1","scope":{"deep":[1,null]}}"#;
        let claims: Claims = serde_json::from_str(text).unwrap();
        assert_eq!(claims.extra["scope"]["deep"][0], 1);
        assert_eq!(serde_json::to_string(&claims).unwrap(), text);
    }

    #[test]
    fn fractions_are_rounded_down_and_wild_numbers_refused() {
        let claims: Claims = serde_json::from_str(r#"{"exp":1.9,"nbf":-0.5}"#).unwrap();
        assert_eq!((claims.exp, claims.nbf), (Some(1), Some(-1)));
        for text in [
            r#"{"exp":1e300}"#,
            r#"{"exp":9007199254740993}"#,
            r#"{"exp":"1"}"#,
            r#"{"exp":true}"#,
            r#"{"exp":18446744073709551615}"#,
        ] {
            assert!(serde_json::from_str::<Claims>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_claim_given_twice_is_refused() {
        assert!(serde_json::from_str::<Claims>(r#"{"exp":1,"exp":2}"#).is_err());
    }

    #[test]
    fn audience_is_exact() {
        let claims = |aud: Option<OneOrMany>| Claims { aud, ..Claims::default() };
        assert!(claims(Some("shop".into())).require_audience("shop").is_ok());
        assert!(
            claims(Some(OneOrMany::Many(vec!["a".into(), "shop".into()]))).require_audience("shop").is_ok()
        );
        for wrong in
            [None, Some("Shop".into()), Some("shop ".into()), Some("".into()), Some(OneOrMany::Many(vec![]))]
        {
            assert_eq!(
                claims(wrong).require_audience("shop").unwrap_err().kind(),
                ErrorKind::AudienceMismatch
            );
        }
    }

    #[test]
    fn addresses_are_compared_by_value() {
        let claims = |bound: &str| Claims { client_ip: Some(bound.to_owned()), ..Claims::default() };
        assert!(claims("192.0.2.1").require_client("::ffff:192.0.2.1").is_ok());
        assert!(claims("2001:db8::1").require_client("2001:DB8:0:0::1").is_ok());
        assert!(claims("unknown").require_client("unknown").is_ok());
        assert!(claims("192.0.2.1").require_client("192.0.2.10").is_err());
        assert!(Claims::default().require_client("192.0.2.1").is_err());
    }
}
