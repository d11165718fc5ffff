//! Short codes that a person carries from one device to another: one use, one purpose, hashed at rest.

use http::request::Parts;
use quivive_core::crypto::hmac_sha256;
use quivive_core::token::Claims;
use quivive_core::{Timestamp, encoding};
use serde::{Deserialize, Serialize};

use super::limits::{self, Rule};
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{self, Record};
use crate::tenant::credentials;

/// What a code opens; no code opens another door.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Shows a person that his agent is verified.
    Gate,
    /// Logs an app's owner in.
    Device,
    /// Lets an app's owner decide about a device grant.
    User,
}

/// What stands behind a code.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// See [`Purpose::Gate`]; what the token said that the code was made with, not the token itself.
    Gate(Box<Claims>),
    /// See [`Purpose::Device`].
    Device {
        /// The app whose owner is logged in.
        app_id: String,
    },
    /// See [`Purpose::User`].
    User {
        /// The grant that is decided about.
        grant_id: String,
    },
}

/// A code as it is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoredCode {
    /// Keyed hash of the code.
    pub hash: String,
    /// What stands behind it.
    pub content: Content,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Content {
    /// What a code with this content opens.
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::Gate(_) => Purpose::Gate,
            Self::Device { .. } => Purpose::Device,
            Self::User { .. } => Purpose::User,
        }
    }
}

impl Record for StoredCode {
    const KIND: &'static str = "code";

    fn id(&self) -> String {
        self.hash.clone()
    }

    fn parent(&self) -> String {
        match &self.content {
            Content::Device { app_id } => app_id.clone(),
            Content::Gate(_) | Content::User { .. } => String::new(),
        }
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// Draws a code, to be stored with `Put::absent`; lost if the code is in use already, then draw again.
pub fn mint(app: &App, content: Content, seconds: i64) -> (String, StoredCode) {
    let alphabet = if content.purpose() == Purpose::Gate { GATE_ALPHABET } else { DEVICE_ALPHABET };
    let code = format!("{PREFIX}{}", credentials::random_text(app, alphabet, 6));
    let expires_at = app.now().plus_milliseconds(seconds * 1000);
    let stored = StoredCode { hash: hash(app, &code), content, expires_at };
    (code, stored)
}

/// Draws and stores a code.
///
/// # Errors
/// If storage does not answer.
pub async fn store(app: &App, content: Content, seconds: i64) -> Result<String> {
    for _ in 0..MOST_DRAWS {
        let (code, stored) = mint(app, content.clone(), seconds);
        match app.storage.insert(&stored).await {
            Ok(()) => return Ok(code),
            Err(storage::Error::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::unavailable("no free code was found"))
}

/// What stands behind a code, which stays good; nothing if it serves none of the purposes.
///
/// # Errors
/// If storage does not answer.
pub async fn look(app: &App, code: &str, purposes: &[Purpose]) -> Result<Option<StoredCode>> {
    let found = app.storage.get::<StoredCode>(&hash(app, code)).await?;
    Ok(found.map(|found| found.value).filter(|found| purposes.contains(&found.content.purpose())))
}

/// Takes a code: of many who use it at most one gets what stands behind it. One that serves none of the purposes
/// stays good for its own.
///
/// # Errors
/// If storage does not answer.
pub async fn take(app: &App, code: &str, purposes: &[Purpose]) -> Result<Option<Content>> {
    if look(app, code, purposes).await?.is_none() {
        return Ok(None);
    }
    Ok(app.storage.take::<StoredCode>(&hash(app, code)).await?.map(|taken| taken.content))
}

/// Counts a try of a code, wherever it is entered; false when an address has used up its tries. Holds in every
/// profile: six symbols are too few to be tried without end.
///
/// # Errors
/// If the counters do not answer.
pub async fn may_try(app: &App, parts: &Parts) -> Result<bool> {
    let rule = Rule::per_hour("code", app.config.limits.code_redemptions_per_hour).always();
    match limits::count_address_and_site(app, parts, &rule).await {
        Ok(()) => Ok(true),
        Err(failure) if failure.error.kind() == ErrorKind::RateLimited => Ok(false),
        Err(failure) => Err(failure.error),
    }
}

/// A code as people type it, in its one spelling: upper case, with its prefix. Nothing if it is none.
pub fn normalize(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_uppercase();
    let symbols = text.strip_prefix(PREFIX).unwrap_or(&text);
    (symbols.len() == 6 && symbols.bytes().all(|symbol| symbol.is_ascii_alphanumeric()))
        .then(|| format!("{PREFIX}{symbols}"))
}

/// How often a code is drawn that is in use already.
pub const MOST_DRAWS: usize = 8;

fn hash(app: &App, code: &str) -> String {
    encoding::hex(&hmac_sha256(&app.keys.derive("codes"), code.as_bytes()))
}

const PREFIX: &str = "BOTCHA-";
/// Without I, O, 0 and 1, which people mix up.
const GATE_ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// As the gate's, without L.
pub(super) const DEVICE_ALPHABET: &[u8] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_has_one_spelling() {
        for text in ["BOTCHA-ABC234", "botcha-abc234", " abc234 ", "ABC234"] {
            assert_eq!(normalize(text).as_deref(), Some("BOTCHA-ABC234"), "{text}");
        }
        for text in ["", "BOTCHA-", "ABC23", "ABC2345", "ABC 34", "ÄBC23", "BOTCHA-BOTCHA-ABC234"] {
            assert_eq!(normalize(text), None, "{text}");
        }
    }
}
