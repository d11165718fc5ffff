//! What other languages make a verifier from.

use serde::Deserialize;

use super::{Jwks, OneOrMany, Verifier, VerifyPolicy};
use crate::{Error, Result};

/// Keys and policy of a [`Verifier`], with the members of [`super::VerifyToken`] that stay the same between tokens.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VerifierOptions {
    /// The issuer's key set; accepts ES256.
    #[serde(default)]
    pub keys: Option<Jwks>,
    /// A shared secret; accepts HS256.
    #[serde(default)]
    pub secret: Option<String>,
    /// The audience that the token must name.
    #[serde(default)]
    pub audience: Option<String>,
    /// The client address that the token must be bound to.
    #[serde(default)]
    pub client_ip: Option<String>,
    /// The issuer or issuers accepted, `botcha.ai` when left out; null accepts any.
    #[serde(default = "super::default_issuer")]
    pub issuer: Option<OneOrMany>,
    /// The token types accepted, `botcha-verified` when left out; null accepts any.
    #[serde(default = "super::default_types")]
    pub types: Option<Vec<String>>,
    /// Seconds by which clocks may differ, 0 when left out.
    #[serde(default)]
    pub leeway_seconds: u32,
}

impl VerifierOptions {
    /// Reads the keys once for many tokens.
    ///
    /// # Errors
    /// `INVALID_INPUT` when neither `keys` nor `secret` is given, otherwise as [`Verifier::new`] and
    /// [`Verifier::with_secret`].
    pub fn verifier(self) -> Result<Verifier> {
        let policy = VerifyPolicy {
            audience: self.audience,
            client_ip: self.client_ip,
            issuers: self.issuer.map(OneOrMany::into_vec),
            leeway_seconds: self.leeway_seconds,
            types: self.types,
        };
        match (self.keys, self.secret) {
            (Some(keys), None) => Verifier::new(&keys, policy),
            (Some(keys), Some(secret)) => Verifier::new(&keys, policy)?.with_secret(secret.as_bytes()),
            (None, Some(secret)) => Verifier::from_secret(secret.as_bytes(), policy),
            (None, None) => Err(Error::invalid_input("`keys` or `secret` is needed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(options: serde_json::Value) -> Result<Verifier> {
        serde_json::from_value::<VerifierOptions>(options)?.verifier()
    }

    #[test]
    fn what_is_left_out_is_demanded_as_by_default() {
        let verifier = read(json!({"keys": {"keys": []}})).unwrap();
        assert_eq!(verifier.policy(), &VerifyPolicy::default());
    }

    #[test]
    fn null_accepts_any_issuer_and_type() {
        let verifier = read(json!({"secret": "s", "issuer": null, "types": null})).unwrap();
        assert_eq!(
            verifier.policy(),
            &VerifyPolicy { issuers: None, types: None, ..VerifyPolicy::default() }
        );
    }

    #[test]
    fn options_without_a_key_are_refused() {
        for options in [json!({}), json!({"audience": "shop"}), json!({"secret": ""}), json!({"key": {}})] {
            assert!(read(options).is_err());
        }
    }
}
