//! Refresh tokens of agents: granted by a person, hashed at rest, good for 90 days.

use quivive_core::{Timestamp, encoding};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::botcha::agents::{self, Agent};
use crate::error::Result;
use crate::storage::{self, Condition, Put, Record, Versioned};
use crate::tenant::credentials;

/// A refresh token as it is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RefreshToken {
    /// SHA-256 of the token.
    hash: String,
    agent_id: String,
    /// What was made out of one grant ends together.
    family: String,
    /// When a person granted it; what replaces it keeps the time.
    granted_at: Timestamp,
    ends_at: Timestamp,
    /// When another one took its place.
    replaced_at: Option<Timestamp>,
}

impl Record for RefreshToken {
    const KIND: &'static str = "agent_refresh_token";

    fn id(&self) -> String {
        self.hash.clone()
    }

    fn parent(&self) -> String {
        self.agent_id.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.ends_at)
    }
}

/// Whether a token is replaced when it is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rotation {
    /// It stays the same.
    Never,
    /// It is; the former one is good for 60 more seconds, because an answer can get lost.
    WithGrace,
    /// It is, at once.
    Always,
}

/// What a token was good for.
#[derive(Debug)]
pub struct Redeemed {
    /// The agent that it names.
    pub agent: Agent,
    /// The token in its place, and when that ends.
    pub next: Option<(String, Timestamp)>,
}

/// Whether a text can be a refresh token of an agent.
pub fn is_one(text: &str) -> bool {
    text.starts_with(PREFIX) && text.len() <= LONGEST_TOKEN
}

/// A new token of a new family, ready to be stored.
pub fn grant(app: &App, agent_id: &str, granted_at: Timestamp) -> (String, RefreshToken) {
    let family = encoding::hex(&app.random_bytes::<16>());
    let ends_at = granted_at.plus_milliseconds(LIFE);
    mint(
        app,
        RefreshToken {
            hash: String::new(),
            agent_id: agent_id.to_owned(),
            family,
            granted_at,
            ends_at,
            replaced_at: None,
        },
    )
}

/// Uses a token. One that was replaced is refused, and used again more than 60 seconds later it was stolen, from its
/// owner or by him: then its whole family ends.
///
/// # Errors
/// If storage does not answer.
pub async fn redeem(app: &App, token: &str, rotation: Rotation) -> Result<Option<Redeemed>> {
    for _ in 0..MOST_TRIES {
        let Some(stored) = app.storage.get::<RefreshToken>(&credentials::hash(token)).await? else {
            return Ok(None);
        };
        let Some((agent, owner)) = agents::find_alive(app, &stored.agent_id).await? else { return Ok(None) };
        if owner.credentials_rotated_at.is_some_and(|rotated| stored.granted_at <= rotated) {
            return Ok(None);
        }
        let now = app.now();
        if let Some(replaced_at) = stored.replaced_at {
            if now.milliseconds_since(replaced_at) > GRACE {
                end(app, &stored.agent_id, |other| other.family == stored.family).await?;
                return Ok(None);
            }
            if rotation != Rotation::WithGrace {
                return Ok(None);
            }
        }
        let agent = agent.value;
        if rotation == Rotation::Never {
            return Ok(Some(Redeemed { agent, next: None }));
        }
        let Versioned { value: mut former, version } = stored;
        let (next, next_stored) = mint(app, RefreshToken { replaced_at: None, ..former.clone() });
        former.replaced_at.get_or_insert(now);
        // Writing the former one again makes this fail if the family ended meanwhile.
        let changes = vec![Put::absent(&next_stored)?, Put::new(&former, Condition::Version(version))?];
        match app.storage.write(changes).await {
            Ok(()) => return Ok(Some(Redeemed { agent, next: Some((next, former.ends_at)) })),
            Err(storage::Error::Conflict) => tokio::task::yield_now().await,
            Err(error) => return Err(error.into()),
        }
    }
    Err(storage::Error::Conflict.into())
}

/// Ends every refresh token of an agent.
///
/// # Errors
/// If storage does not answer.
pub async fn end_all(app: &App, agent_id: &str) -> Result<()> {
    end(app, agent_id, |_| true).await
}

/// Goes on until nothing is left: a token that is used at this moment may leave another one behind.
async fn end(app: &App, agent_id: &str, is_meant: impl Fn(&RefreshToken) -> bool) -> Result<()> {
    loop {
        let mut ends = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = app.storage.list::<RefreshToken>(agent_id, after.as_deref(), PAGE).await?;
            ends.extend(
                page.iter()
                    .filter(|token| is_meant(token))
                    .map(|token| Put::delete::<RefreshToken>(token.id())),
            );
            after = page.last().map(|token| token.hash.clone());
            if page.len() < PAGE {
                break;
            }
        }
        if ends.is_empty() {
            return Ok(());
        }
        app.storage.write(ends).await?;
    }
}

fn mint(app: &App, like: RefreshToken) -> (String, RefreshToken) {
    let token = format!("{PREFIX}{}", encoding::hex(&app.random_bytes::<16>()));
    let stored = RefreshToken { hash: credentials::hash(&token), ..like };
    (token, stored)
}

const PREFIX: &str = "brt_";
const LONGEST_TOKEN: usize = 128;
const PAGE: usize = 200;
const MOST_TRIES: usize = 32;
/// 90 days in milliseconds.
const LIFE: i64 = 90 * 86_400_000;
/// Milliseconds within which a replaced token counts as sent again by mistake.
const GRACE: i64 = 60_000;
