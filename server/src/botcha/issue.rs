//! From a solved challenge to tokens: signed, stored, and a code for the person behind the agent.

use quivive_core::Timestamp;
use quivive_core::token::{Claims, OneOrMany, REFRESH_TOKEN_TYPE};
use serde::{Deserialize, Serialize};
use uuid::Builder;

use super::codes;
use crate::app::App;
use crate::error::{Error, Result};
use crate::storage::{self, Put, Record};

/// What a token is issued for.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The solved challenge; all tokens of one family share it.
    pub subject: String,
    /// Milliseconds that solving took.
    pub solve_time: i64,
    /// Whom the access token is meant for.
    pub audience: Option<String>,
    /// The only address that may use it.
    pub client_ip: Option<String>,
    /// The app that the challenge was bound to.
    pub app_id: Option<String>,
    /// Whether the app's secret came with the answer; a refreshed token no longer says so.
    pub is_owner: bool,
}

/// What the server keeps of a refresh token: the claims to carry over.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoredRefresh {
    /// The token's id.
    pub jti: String,
    /// What the first access token was issued for.
    pub subject: String,
    /// Milliseconds that solving took.
    pub solve_time: i64,
    /// Whom access tokens are meant for.
    pub audience: Option<String>,
    /// The only address that may use them, and this one.
    pub client_ip: Option<String>,
    /// The app.
    pub app_id: Option<String>,
    /// When the family ends, rotated or not.
    pub ends_at: Timestamp,
    /// When it was replaced by another one of its family.
    pub replaced_at: Option<Timestamp>,
}

impl Record for StoredRefresh {
    const KIND: &'static str = "refresh_token";

    fn id(&self) -> String {
        self.jti.clone()
    }

    fn parent(&self) -> String {
        self.subject.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.ends_at)
    }
}

impl StoredRefresh {
    /// What an access token out of this refresh token is issued for.
    pub fn grant(&self) -> Grant {
        Grant {
            subject: self.subject.clone(),
            solve_time: self.solve_time,
            audience: self.audience.clone(),
            client_ip: self.client_ip.clone(),
            app_id: self.app_id.clone(),
            is_owner: false,
        }
    }
}

/// New tokens.
#[derive(Debug)]
pub struct Issued {
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
    /// A code that shows a person that his agent is verified.
    pub code: String,
}

/// Issues an access and a refresh token and a gate code; all is stored when it returns.
///
/// # Errors
/// If signing fails or storage does not answer.
pub async fn issue(app: &App, grant: &Grant) -> Result<Issued> {
    let now = app.now();
    let access = access_claims(app, grant, now);
    let access_token = app.keys.sign(&access)?;
    let ends_at = now.plus_milliseconds(i64::from(app.config.tokens.refresh_ttl) * 1000);
    let stored = new_refresh(app, grant, ends_at);
    let refresh_token = sign_refresh(app, &stored, now)?;
    for _ in 0..codes::MOST_DRAWS {
        let (code, stored_code) =
            codes::mint(app, codes::Content::Gate(Box::new(access.clone())), GATE_SECONDS);
        // A code that is in use already makes the write fail as a whole; then another one is drawn.
        match app.storage.write(vec![Put::absent(&stored)?, Put::absent(&stored_code)?]).await {
            Ok(()) => return Ok(Issued { access_token, refresh_token, code }),
            Err(storage::Error::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::unavailable("no free code was found"))
}

/// A new access token of an existing family.
///
/// # Errors
/// If signing fails.
pub fn renew(app: &App, stored: &StoredRefresh) -> Result<String> {
    Ok(app.keys.sign(&access_claims(app, &stored.grant(), app.now()))?)
}

/// A refresh token in place of `old`, of the same family and with the same end, ready to be stored.
///
/// # Errors
/// If signing fails.
pub fn rotate(app: &App, old: &StoredRefresh) -> Result<(StoredRefresh, String)> {
    let next = new_refresh(app, &old.grant(), old.ends_at);
    let token = sign_refresh(app, &next, app.now())?;
    Ok((next, token))
}

fn access_claims(app: &App, grant: &Grant, now: Timestamp) -> Claims {
    let mut claims =
        Claims::access(&grant.subject, grant.solve_time, &new_id(app), now, app.config.tokens.access_ttl);
    claims.iss = Some(app.config.tokens.token_issuer.clone());
    claims.aud = grant.audience.clone().map(OneOrMany::One);
    claims.client_ip = grant.client_ip.clone();
    claims.app_id = grant.app_id.clone();
    if grant.is_owner {
        claims.extra.insert(OWNER_CLAIM.to_owned(), true.into());
    }
    claims
}

fn new_refresh(app: &App, grant: &Grant, ends_at: Timestamp) -> StoredRefresh {
    StoredRefresh {
        jti: new_id(app),
        subject: grant.subject.clone(),
        solve_time: grant.solve_time,
        audience: grant.audience.clone(),
        client_ip: grant.client_ip.clone(),
        app_id: grant.app_id.clone(),
        ends_at,
        replaced_at: None,
    }
}

fn sign_refresh(app: &App, stored: &StoredRefresh, now: Timestamp) -> Result<String> {
    let mut claims = Claims::access(&stored.subject, stored.solve_time, &stored.jti, now, 0);
    claims.token_type = Some(REFRESH_TOKEN_TYPE.to_owned());
    claims.iss = Some(app.config.tokens.token_issuer.clone());
    claims.exp = Some(stored.ends_at.seconds());
    claims.app_id = stored.app_id.clone();
    Ok(app.keys.sign(&claims)?)
}

/// A new UUID of version 4.
pub fn new_id(app: &App) -> String {
    Builder::from_random_bytes(app.random_bytes()).into_uuid().to_string()
}

/// The claim of an access token whose holder proved to own the app.
pub const OWNER_CLAIM: &str = "owner";

/// How long the code for the person behind the agent is good, in seconds.
const GATE_SECONDS: i64 = 300;
