//! Revoked tokens: one by its id, or all of a family (everything that one solved challenge led to).

use quivive_core::Timestamp;
use quivive_core::token::Claims;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::Result;
use crate::storage::Record;

/// That a token or a family of tokens is revoked; kept until the last of them has ended.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Revocation {
    id: String,
    until: Timestamp,
    /// If set, only tokens that were issued before it; a token issued in the same second is not one of them.
    #[serde(default)]
    issued_before: Option<Timestamp>,
}

impl Record for Revocation {
    const KIND: &'static str = "revocation";

    fn id(&self) -> String {
        self.id.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}

impl Revocation {
    /// Of one token.
    pub(super) fn of_token(jti: &str, until: Timestamp) -> Self {
        Self { id: token_id(jti), until, issued_before: None }
    }

    /// Of all tokens with this subject.
    pub(super) fn of_family(subject: &str, until: Timestamp) -> Self {
        Self { id: family_id(subject), until, issued_before: None }
    }

    /// Of all tokens with this subject that were issued before a moment.
    pub(super) fn of_family_before(subject: &str, moment: Timestamp, until: Timestamp) -> Self {
        Self { issued_before: Some(moment), ..Self::of_family(subject, until) }
    }

    fn covers(&self, claims: &Claims) -> bool {
        let issued = claims.iat.unwrap_or(i64::MIN);
        self.issued_before.is_none_or(|moment| issued < moment.seconds())
    }
}

/// Whether a token is revoked, itself or with its family.
///
/// # Errors
/// If storage does not answer: then no token may be accepted.
pub async fn is_revoked(app: &App, claims: &Claims) -> Result<bool> {
    let of = async |id: Option<String>| match id {
        Some(id) => Ok(app.storage.get::<Revocation>(&id).await?.is_some_and(|found| found.covers(claims))),
        None => Ok::<_, crate::error::Error>(false),
    };
    let token = of(claims.jti.as_deref().map(token_id));
    let family = of(claims.sub.as_deref().map(family_id));
    let (token, family) = futures::try_join!(token, family)?;
    Ok(token || family)
}

fn token_id(jti: &str) -> String {
    format!("token:{jti}")
}

fn family_id(subject: &str) -> String {
    format!("family:{subject}")
}
