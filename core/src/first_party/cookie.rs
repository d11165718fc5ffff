//! The cookies that carry a session.

use crate::score::payload::is_session_token;
use crate::{crypto, encoding};

/// The cookie that a site's back end signs.
pub const SIGNED_COOKIE: &str = "botect_server_session";

/// The cookie that the browser collector sets.
pub const COLLECTOR_COOKIE: &str = "botect_session";

/// A longer value is no signed cookie: 128 of token, a dot, 64 of signature.
const LONGEST_SIGNED: usize = 193;

/// Signs and reads the session cookie of one site.
#[derive(Clone)]
pub struct SessionCookie {
    private_key: String,
    site_key: String,
}

impl std::fmt::Debug for SessionCookie {
    /// The private key is a secret and stays out of logs.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SessionCookie").field("site_key", &self.site_key).finish_non_exhaustive()
    }
}

impl SessionCookie {
    /// For the site with these keys (`sk_…` and `pk_…`).
    pub fn new(private_key: impl Into<String>, site_key: impl Into<String>) -> Self {
        Self { private_key: private_key.into(), site_key: site_key.into() }
    }

    /// The cookie's value: the session token, a dot, and 64 hexadecimal digits of HMAC-SHA-256.
    pub fn sign(&self, session: &str) -> String {
        format!("{session}.{}", self.signature(session))
    }

    /// The session token of a value whose signature holds.
    pub fn read<'a>(&self, value: &'a str) -> Option<&'a str> {
        if value.len() > LONGEST_SIGNED {
            return None;
        }
        let (session, signature) = value.rsplit_once('.')?;
        let holds = is_session_token(session)
            && encoding::equal_in_constant_time(self.signature(session).as_bytes(), signature.as_bytes());
        holds.then_some(session)
    }

    fn signature(&self, session: &str) -> String {
        let message = format!("botect:session:{}:{session}", self.site_key);
        encoding::hex(&crypto::hmac_sha256(self.private_key.as_bytes(), message.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_has_the_documented_form() {
        // Reference value of HMAC-SHA-256 by another implementation.
        let cookie = SessionCookie::new("sk_test", "pk_test");
        let signature = "7cbce671001a3957bc5847a556eb895c199208c79129f34ef43de304cc41cee6";
        assert_eq!(cookie.sign("sess_1"), format!("sess_1.{signature}"));
        assert_eq!(cookie.read(&cookie.sign("sess_1")), Some("sess_1"));
        let longest = "a".repeat(128);
        assert_eq!(cookie.sign(&longest).len(), LONGEST_SIGNED);
        assert_eq!(cookie.read(&cookie.sign(&longest)), Some(longest.as_str()));
    }

    #[test]
    fn changed_cookies_and_those_of_other_keys_are_not_read() {
        let cookie = SessionCookie::new("sk_test", "pk_test");
        let value = cookie.sign("sess_1");
        let signature = value.rsplit_once('.').unwrap().1;
        for changed in [
            format!("sess_2.{signature}"),
            format!("sess_1.{}", signature.to_uppercase()),
            format!("sess_1.{}", signature.get(1..).unwrap()),
            format!("sess_1.{signature}0"),
            format!("sess_1.{}", "0".repeat(64)),
            signature.to_owned(),
            format!("{}.{signature}", "a".repeat(129)),
            cookie.sign("a b"),
            cookie.sign(""),
            String::new(),
        ] {
            assert_eq!(cookie.read(&changed), None, "{changed}");
        }
        assert_eq!(SessionCookie::new("sk_other", "pk_test").read(&value), None);
        assert_eq!(SessionCookie::new("sk_test", "pk_other").read(&value), None);
    }

    #[test]
    fn the_private_key_is_not_printed() {
        assert!(!format!("{:?}", SessionCookie::new("sk_test", "pk_test")).contains("sk_test"));
    }
}
