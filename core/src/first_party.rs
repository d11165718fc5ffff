//! First-party ingest: the formats by which a site's own server takes part in session scoring.
//!
//! A site tells the service about the pages that it delivers ([`PageHitReport`]) and forwards the events of its
//! visitors' browsers ([`EventsReport`]). Sessions travel in a signed cookie ([`SessionCookie`]), pages carry a signed
//! token ([`PageTokens`]), both keyed with the project's private key, so that every back end of a site reads what
//! another one wrote. Paths leave the site as keyed hashes only ([`path_hash`]).
//!
//! ```
//! use quivive_core::Timestamp;
//! use quivive_core::first_party::{PageTokens, SessionCookie};
//! let cookie = SessionCookie::new("sk_example", "pk_example");
//! assert_eq!(cookie.read(&cookie.sign("sess_1")), Some("sess_1"));
//!
//! let now = Timestamp::from_seconds(1_771_156_800);
//! let pages = PageTokens::new("sk_example", "pk_example");
//! let token = pages.sign("9f86d081884c7d659a2feaa0c55ad015", "sess_1", now)?;
//! assert_eq!(pages.verify(&token, now)?.session_token, "sess_1");
//! # Ok::<(), quivive_core::Error>(())
//! ```

mod address;
mod cookie;
mod page_token;
mod report;

use serde::{Deserialize, Serialize};

pub use address::is_public_address;
pub use cookie::{COLLECTOR_COOKIE, SIGNED_COOKIE, SessionCookie};
pub use page_token::{DEFAULT_LIFETIME_SECONDS, LONGEST_LIFETIME_SECONDS, PageClaims, PageTokens};
pub use report::{
    AddressSource, EventsReport, HEADER_NAMES, ObservedAddress, PageHitReport, PageMethod, SCHEMA_VERSION,
    is_language, is_page_id, languages,
};

use crate::score::payload::is_session_token;
use crate::{Error, Result, Timestamp, crypto, encoding};

/// The name under which a path (no query, no fragment) leaves the site: 64 lower-case hexadecimal digits of
/// HMAC-SHA-256 keyed with the private key.
pub fn path_hash(private_key: &str, path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    encoding::hex(&crypto::hmac_sha256(private_key.as_bytes(), path.as_bytes()))
}

/// Input of [`sign_session_cookie`].
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignSessionCookie {
    /// The project's private key, `sk_…`.
    pub private_key: String,
    /// The project's site key, `pk_…`.
    pub site_key: String,
    /// The session that the cookie carries.
    pub session_token: String,
}

/// A signed cookie.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignedSessionCookie {
    /// The cookie's name.
    pub name: String,
    /// The cookie's value: session token, dot, 64 hexadecimal digits.
    pub value: String,
}

/// Signs the cookie by which a site knows a visitor's session again.
///
/// # Errors
/// `INVALID_KEY` for keys that cannot be a project's, `INVALID_INPUT` for a session token that cannot be one.
pub fn sign_session_cookie(input: SignSessionCookie) -> Result<SignedSessionCookie> {
    check_keys(&input.private_key, &input.site_key)?;
    check_session(&input.session_token)?;
    let value = SessionCookie::new(input.private_key, input.site_key).sign(&input.session_token);
    Ok(SignedSessionCookie { name: SIGNED_COOKIE.to_owned(), value })
}

/// Input of [`verify_session_cookie`].
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VerifySessionCookie {
    /// The project's private key, `sk_…`.
    pub private_key: String,
    /// The project's site key, `pk_…`.
    pub site_key: String,
    /// The cookie's value as the browser sent it.
    pub value: String,
}

/// What a cookie that holds says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerifiedSessionCookie {
    /// The visitor's session.
    pub session_token: String,
}

/// Verifies a session cookie.
///
/// # Errors
/// `INVALID_KEY` for keys that cannot be a project's, `SIGNATURE_MISMATCH` for every value that these keys did not
/// sign.
pub fn verify_session_cookie(input: VerifySessionCookie) -> Result<VerifiedSessionCookie> {
    check_keys(&input.private_key, &input.site_key)?;
    let cookie = SessionCookie::new(input.private_key, input.site_key);
    let session = cookie.read(&input.value).ok_or_else(|| {
        Error::new(crate::ErrorKind::SignatureMismatch, "the session cookie was not signed with these keys")
    })?;
    Ok(VerifiedSessionCookie { session_token: session.to_owned() })
}

/// Input of [`sign_page_token`].
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignPageToken {
    /// The project's private key, `sk_…`.
    pub private_key: String,
    /// The project's site key, `pk_…`.
    pub site_key: String,
    /// The page view: 32 random lower-case hexadecimal digits.
    pub page_id: String,
    /// The visitor's session.
    pub session_token: String,
    /// The present.
    pub now: Timestamp,
    /// Seconds for which the page may send events, 60 to 3600; 900 when left out.
    #[serde(default = "default_lifetime")]
    pub lifetime_seconds: u32,
}

/// A signed page token.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignedPageToken {
    /// For the collector's endpoint, as the query parameter `page_token`.
    pub page_token: String,
}

/// Signs the token by which one page view may send events through the site.
///
/// # Errors
/// `INVALID_KEY` for keys that cannot be a project's, `INVALID_INPUT` for a page id, session token or lifetime outside
/// its rules.
pub fn sign_page_token(input: SignPageToken) -> Result<SignedPageToken> {
    check_keys(&input.private_key, &input.site_key)?;
    let pages = PageTokens::new(input.private_key, input.site_key).lifetime(input.lifetime_seconds)?;
    Ok(SignedPageToken { page_token: pages.sign(&input.page_id, &input.session_token, input.now)? })
}

/// Input of [`verify_page_token`].
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VerifyPageToken {
    /// The project's private key, `sk_…`.
    pub private_key: String,
    /// The project's site key, `pk_…`.
    pub site_key: String,
    /// The token.
    pub page_token: String,
    /// The present.
    pub now: Timestamp,
    /// The lifetime that the site gives its tokens, in seconds, 60 to 3600; 900 when left out.
    #[serde(default = "default_lifetime")]
    pub lifetime_seconds: u32,
}

/// Verifies a page token and returns what it says.
///
/// # Errors
/// `INVALID_KEY` for keys that cannot be a project's, `INVALID_INPUT` for a lifetime outside its range, otherwise as
/// [`PageTokens::verify`].
pub fn verify_page_token(input: VerifyPageToken) -> Result<PageClaims> {
    check_keys(&input.private_key, &input.site_key)?;
    let pages = PageTokens::new(input.private_key, input.site_key).lifetime(input.lifetime_seconds)?;
    pages.verify(&input.page_token, input.now)
}

/// Input of [`hash_page_path`].
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HashPagePath {
    /// The project's private key, `sk_…`.
    pub private_key: String,
    /// The path; a query or fragment is cut off.
    pub path: String,
}

/// A path's hash.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PagePathHash {
    /// 64 lower-case hexadecimal digits.
    pub path_hash: String,
}

/// Hashes a path for a page hit; see [`path_hash`].
///
/// # Errors
/// `INVALID_KEY` for a key that cannot be a private key.
pub fn hash_page_path(input: HashPagePath) -> Result<PagePathHash> {
    check_private_key(&input.private_key)?;
    Ok(PagePathHash { path_hash: path_hash(&input.private_key, &input.path) })
}

fn default_lifetime() -> u32 {
    DEFAULT_LIFETIME_SECONDS
}

fn check_keys(private_key: &str, site_key: &str) -> Result<()> {
    check_private_key(private_key)?;
    if is_key(site_key, "pk_") { Ok(()) } else { Err(invalid_key("site key must begin with `pk_`")) }
}

/// An empty or mistaken key would make signatures that anybody can make.
fn check_private_key(key: &str) -> Result<()> {
    if is_key(key, "sk_") { Ok(()) } else { Err(invalid_key("private key must begin with `sk_`")) }
}

fn is_key(key: &str, prefix: &str) -> bool {
    key.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && is_session_token(rest))
}

fn invalid_key(message: &str) -> Error {
    Error::new(crate::ErrorKind::InvalidKey, message)
}

fn check_session(token: &str) -> Result<()> {
    if is_session_token(token) {
        Ok(())
    } else {
        Err(Error::invalid_input("session_token must be 1 to 128 of A-Z a-z 0-9 _ -")
            .with("path", "session_token"))
    }
}
