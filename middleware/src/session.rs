//! Which session a request belongs to: told by the site, in the signed cookie, or in the collector's cookie.

use quivive_core::{crypto, encoding};

use crate::facts::Facts;
use quivive::botect::is_session_token;

/// The cookie that a site's back end signs.
pub const SIGNED_COOKIE: &str = "botect_server_session";
/// The cookie that the browser collector sets.
pub const COLLECTOR_COOKIE: &str = "botect_session";

/// A longer value is no signed cookie: 128 of token, a dot, 64 of signature.
const LONGEST_SIGNED: usize = 193;

/// The session token of a request; put it into the request's extensions to tell the guard yourself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Session(pub String);

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
        format!("{session}.{}", encoding::hex(&self.tag(session)))
    }

    /// The session token of a value whose signature holds.
    pub fn read<'a>(&self, value: &'a str) -> Option<&'a str> {
        if value.len() > LONGEST_SIGNED {
            return None;
        }
        let (session, signature) = value.rsplit_once('.')?;
        let is_lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !is_session_token(session) || signature.len() != 64 || !signature.bytes().all(is_lower_hex) {
            return None;
        }
        let expected = encoding::hex(&self.tag(session));
        encoding::equal_in_constant_time(expected.as_bytes(), signature.as_bytes()).then_some(session)
    }

    fn tag(&self, session: &str) -> [u8; 32] {
        let message = format!("botect:session:{}:{session}", self.site_key);
        crypto::hmac_sha256(self.private_key.as_bytes(), message.as_bytes())
    }
}

/// The session of a request, if any; the most trustworthy source comes first.
pub(crate) fn find(facts: &Facts, cookie: Option<&SessionCookie>) -> Option<String> {
    let told = facts.session().filter(|session| is_session_token(session));
    let signed =
        || cookie.and_then(|cookie| facts.cookies(SIGNED_COOKIE).find_map(|value| cookie.read(value)));
    let collected = || facts.cookies(COLLECTOR_COOKIE).find(|session| is_session_token(session));
    told.or_else(signed).or_else(collected).map(str::to_owned)
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
    }

    #[test]
    fn changed_cookies_are_not_read() {
        let cookie = SessionCookie::new("sk_test", "pk_test");
        let value = cookie.sign("sess_1");
        let signature = value.rsplit_once('.').unwrap().1;
        for changed in [
            format!("sess_2.{signature}"),
            format!("sess_1.{}", signature.to_uppercase()),
            format!("sess_1.{}", signature.get(1..).unwrap()),
            format!("sess_1.{}", "0".repeat(64)),
            signature.to_owned(),
            format!("{}.{signature}", "a".repeat(129)),
            String::new(),
        ] {
            assert_eq!(cookie.read(&changed), None, "{changed}");
        }
        assert_eq!(SessionCookie::new("sk_other", "pk_test").read(&value), None);
        assert_eq!(SessionCookie::new("sk_test", "pk_other").read(&value), None);
    }
}
