//! Page tokens: that one page view of one session may send its events through the site, for a while.

use serde::{Deserialize, Serialize};

use super::{check_session, is_page_id};
use crate::score::payload::is_session_token;
use crate::{Error, ErrorKind, Result, Timestamp, crypto, encoding};

/// Seconds that a page token lives unless told otherwise.
pub const DEFAULT_LIFETIME_SECONDS: u32 = 900;

/// The longest life of a page token, in seconds; the shortest is 60.
pub const LONGEST_LIFETIME_SECONDS: u32 = 3_600;

/// Makes and verifies the page tokens of one site.
#[derive(Clone)]
pub struct PageTokens {
    private_key: String,
    site_key: String,
    lifetime_seconds: u32,
}

/// What a page token says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PageClaims {
    /// The page view: 32 lower-case hexadecimal digits.
    pub page_id: String,
    /// The visitor's session.
    pub session_token: String,
    /// When the token was made.
    pub issued_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for PageTokens {
    /// The private key is a secret and stays out of logs.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PageTokens").field("site_key", &self.site_key).finish_non_exhaustive()
    }
}

impl PageTokens {
    /// For the site with these keys (`sk_…` and `pk_…`).
    pub fn new(private_key: impl Into<String>, site_key: impl Into<String>) -> Self {
        let (private_key, site_key) = (private_key.into(), site_key.into());
        Self { private_key, site_key, lifetime_seconds: DEFAULT_LIFETIME_SECONDS }
    }

    /// With another lifetime, 60 to 3600 seconds. Tokens of another lifetime are refused.
    ///
    /// # Errors
    /// `INVALID_INPUT` outside of that.
    pub fn lifetime(self, seconds: u32) -> Result<Self> {
        if !(SHORTEST_LIFETIME_SECONDS..=LONGEST_LIFETIME_SECONDS).contains(&seconds) {
            return Err(Error::invalid_input("lifetime_seconds must be from 60 to 3600")
                .with("path", "lifetime_seconds"));
        }
        Ok(Self { lifetime_seconds: seconds, ..self })
    }

    /// The token of a page view that is delivered now.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a page id or session token that cannot be one.
    pub fn sign(&self, page_id: &str, session_token: &str, now: Timestamp) -> Result<String> {
        if !is_page_id(page_id) {
            return Err(Error::invalid_input("page_id must be 32 lower-case hexadecimal digits")
                .with("path", "page_id"));
        }
        check_session(session_token)?;
        let iat = now.seconds();
        let exp = iat.saturating_add(i64::from(self.lifetime_seconds));
        let claims = Wire { v: VERSION, id: page_id.to_owned(), session: session_token.to_owned(), iat, exp };
        let body = encoding::base64url(&serde_json::to_vec(&claims)?);
        let signature = self.signature(&body);
        Ok(format!("{body}.{signature}"))
    }

    /// What a token says that these keys signed and that is not over.
    ///
    /// # Errors
    /// `INVALID_TOKEN` for what is no page token, `SIGNATURE_MISMATCH`, `NOT_YET_VALID` for one from over 30 seconds
    /// ahead, `TOKEN_EXPIRED`.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<PageClaims> {
        let invalid = || Error::new(ErrorKind::InvalidToken, "this is no page token");
        if token.len() > LONGEST_TOKEN {
            return Err(invalid());
        }
        let (body, signature) = token.rsplit_once('.').ok_or_else(invalid)?;
        if !encoding::equal_in_constant_time(self.signature(body).as_bytes(), signature.as_bytes()) {
            return Err(Error::new(
                ErrorKind::SignatureMismatch,
                "the page token was not signed with these keys",
            ));
        }
        let bytes = encoding::decode_base64url(body).map_err(|_| invalid())?;
        let Wire { v, id, session, iat, exp } = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
        let is_well_formed = v == VERSION
            && is_page_id(&id)
            && is_session_token(&session)
            && exp.checked_sub(iat) == Some(i64::from(self.lifetime_seconds));
        if !is_well_formed {
            return Err(invalid());
        }
        if iat > now.seconds().saturating_add(MOST_AHEAD_SECONDS) {
            return Err(Error::new(ErrorKind::NotYetValid, "the page token is from the future"));
        }
        if exp <= now.seconds() {
            return Err(Error::new(ErrorKind::TokenExpired, "the page token has expired"));
        }
        let (issued_at, expires_at) = (Timestamp::from_seconds(iat), Timestamp::from_seconds(exp));
        Ok(PageClaims { page_id: id, session_token: session, issued_at, expires_at })
    }

    fn signature(&self, body: &str) -> String {
        let message = format!("botect:page:{}:{body}", self.site_key);
        encoding::hex(&crypto::hmac_sha256(self.private_key.as_bytes(), message.as_bytes()))
    }
}

/// The signed part; the order of members is that of the format.
#[derive(Deserialize, Serialize)]
struct Wire {
    v: u8,
    id: String,
    session: String,
    iat: i64,
    exp: i64,
}

const VERSION: u8 = 1;
const LONGEST_TOKEN: usize = 1_024;
const SHORTEST_LIFETIME_SECONDS: u32 = 60;
const MOST_AHEAD_SECONDS: i64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "9f86d081884c7d659a2feaa0c55ad015";

    fn pages() -> PageTokens {
        PageTokens::new("sk_test", "pk_test")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_771_156_800 + seconds)
    }

    /// A token with a right signature over any text.
    fn signed(text: &str) -> String {
        let body = encoding::base64url(text.as_bytes());
        format!("{body}.{}", pages().signature(&body))
    }

    fn code(outcome: Result<PageClaims>) -> &'static str {
        outcome.unwrap_err().kind().code()
    }

    #[test]
    fn a_token_has_the_documented_form() {
        let token = pages().sign(PAGE, "sess_1", at(0)).unwrap();
        let (body, signature) = token.split_once('.').unwrap();
        let text = String::from_utf8(encoding::decode_base64url(body).unwrap()).unwrap();
        assert_eq!(
            text,
            format!(r#"{{"v":1,"id":"{PAGE}","session":"sess_1","iat":1771156800,"exp":1771157700}}"#)
        );
        // Reference value of HMAC-SHA-256 by another implementation, over `botect:page:pk_test:<first part>`.
        assert_eq!(signature, "4c73739e7abcca370ee02d0749435dd71450fa2a4e544836a17107f25aa27c30");
        let claims = pages().verify(&token, at(10)).unwrap();
        assert_eq!((claims.page_id.as_str(), claims.session_token.as_str()), (PAGE, "sess_1"));
        assert_eq!((claims.issued_at, claims.expires_at), (at(0), at(900)));
        let longest = pages().sign(PAGE, &"a".repeat(128), at(0)).unwrap();
        assert!(longest.len() <= LONGEST_TOKEN && pages().verify(&longest, at(0)).is_ok());
    }

    #[test]
    fn a_token_ends_and_does_not_begin_early() {
        let token = pages().sign(PAGE, "sess_1", at(0)).unwrap();
        assert!(pages().verify(&token, at(899)).is_ok());
        assert_eq!(code(pages().verify(&token, at(900))), "TOKEN_EXPIRED");
        assert!(pages().verify(&token, at(-30)).is_ok());
        assert_eq!(code(pages().verify(&token, at(-31))), "NOT_YET_VALID");
    }

    #[test]
    fn tokens_of_other_keys_and_lifetimes_are_refused() {
        let token = pages().sign(PAGE, "sess_1", at(0)).unwrap();
        for other in [PageTokens::new("sk_other", "pk_test"), PageTokens::new("sk_test", "pk_other")] {
            assert_eq!(code(other.verify(&token, at(0))), "SIGNATURE_MISMATCH");
        }
        let longer = pages().lifetime(3_600).unwrap();
        assert_eq!(code(longer.verify(&token, at(0))), "INVALID_TOKEN");
        for seconds in [0, 59, 3_601, u32::MAX] {
            assert!(pages().lifetime(seconds).is_err(), "{seconds}");
        }
    }

    #[test]
    fn changed_tokens_are_refused() {
        let token = pages().sign(PAGE, "sess_1", at(0)).unwrap();
        let (body, signature) = token.split_once('.').unwrap();
        let other = pages().sign(PAGE, "sess_2", at(0)).unwrap();
        let other = other.split_once('.').unwrap().0;
        for changed in [
            format!("{other}.{signature}"),
            format!("{body}.{}", signature.to_uppercase()),
            format!("{body}.{}", signature.get(1..).unwrap()),
            format!("{body}=.{signature}"),
            format!(".{signature}"),
        ] {
            assert_eq!(code(pages().verify(&changed, at(0))), "SIGNATURE_MISMATCH", "{changed}");
        }
        for changed in [String::new(), body.to_owned(), "a".repeat(1_025)] {
            assert_eq!(code(pages().verify(&changed, at(0))), "INVALID_TOKEN", "{changed}");
        }
    }

    #[test]
    fn signed_texts_that_break_a_rule_are_refused() {
        for text in [
            r#"{"v":2,"id":"9f86d081884c7d659a2feaa0c55ad015","session":"a","iat":1771156800,"exp":1771157700}"#,
            r#"{"v":1,"id":"9F86d081884c7d659a2feaa0c55ad015","session":"a","iat":1771156800,"exp":1771157700}"#,
            r#"{"v":1,"id":"9f86d081884c7d659a2feaa0c55ad015","session":"a b","iat":1771156800,"exp":1771157700}"#,
            r#"{"v":1,"id":"9f86d081884c7d659a2feaa0c55ad015","session":"a","iat":1771156800,"exp":1771157701}"#,
            r#"{"v":1,"id":"9f86d081884c7d659a2feaa0c55ad015","session":"a","iat":-9223372036854775808,"exp":9223372036854775807}"#,
            r#"{"v":1,"id":"9f86d081884c7d659a2feaa0c55ad015","session":"a","iat":1771156800}"#,
            "[]",
            "",
        ] {
            assert_eq!(code(pages().verify(&signed(text), at(0))), "INVALID_TOKEN", "{text}");
        }
    }

    #[test]
    fn pages_and_sessions_that_cannot_be_are_not_signed() {
        for (page, session) in
            [("", "a"), ("9F86d081884c7d659a2feaa0c55ad015", "a"), (PAGE, ""), (PAGE, "a.b")]
        {
            assert!(pages().sign(page, session, at(0)).is_err(), "{page} {session}");
        }
    }
}
