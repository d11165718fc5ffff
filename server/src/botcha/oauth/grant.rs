//! Device grants as they are kept: asked for by an agent, decided by its owner, redeemed once.

use quivive_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::botcha::agents::{self, Agent};
use crate::botcha::codes::{self, Content, Purpose};
use crate::botcha::identity::refresh_tokens;
use crate::botcha::issue::new_id;
use crate::error::{Error, Result};
use crate::storage::{self, Condition, Put, Record, Versioned};
use crate::tenant::credentials;

/// A grant.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct DeviceGrant {
    /// SHA-256 of the device code.
    hash: String,
    /// The agent that asks.
    pub agent_id: String,
    /// The agent's app.
    pub app_id: String,
    /// How far it is.
    pub status: Status,
    /// When it was decided.
    decided_at: Option<Timestamp>,
    expires_at: Timestamp,
}

/// How far a grant is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has decided.
    Pending,
    /// The owner agreed; the agent may redeem it.
    Approved,
    /// The owner refused.
    Denied,
}

impl Status {
    /// The word for callers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
        }
    }
}

impl Record for DeviceGrant {
    const KIND: &'static str = "device_grant";

    fn id(&self) -> String {
        self.hash.clone()
    }

    fn parent(&self) -> String {
        self.agent_id.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// What a device code gets.
#[derive(Debug)]
pub enum Redemption {
    /// The code is unknown, expired or used, or the agent is gone.
    Gone,
    /// The owner has not decided.
    Pending,
    /// The owner refused.
    Denied,
    /// A refresh token for the agent.
    Granted(Box<Agent>, String),
}

/// Begins a grant and returns the device code and the user code.
///
/// # Errors
/// If storage does not answer.
pub async fn begin(app: &App, agent: &Agent) -> Result<(String, String)> {
    let device_code = format!("oauthdev_{}", new_id(app));
    let grant = DeviceGrant {
        hash: credentials::hash(&device_code),
        agent_id: agent.id.clone(),
        app_id: agent.app_id.clone(),
        status: Status::Pending,
        decided_at: None,
        expires_at: app.now().plus_milliseconds(SECONDS * 1000),
    };
    for _ in 0..codes::MOST_DRAWS {
        let (user_code, stored) = codes::mint(app, Content::User { grant_id: grant.hash.clone() }, SECONDS);
        match app.storage.write(vec![Put::absent(&stored)?, Put::absent(&grant)?]).await {
            Ok(()) => return Ok((device_code, user_code)),
            Err(storage::Error::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::unavailable("no free code was found"))
}

/// What stands behind a user code.
#[derive(Debug)]
pub enum Found {
    /// No such code, or it has expired.
    NoCode,
    /// The code's grant or agent is there no more.
    NoGrant,
    /// A grant and the agent that asks.
    Grant(Box<DeviceGrant>, Box<Agent>),
}

/// The grant of a user code, which stays good.
///
/// # Errors
/// If storage does not answer.
pub async fn find(app: &App, user_code: &str) -> Result<Found> {
    let Some(code) = codes::normalize(user_code) else { return Ok(Found::NoCode) };
    let Some(stored) = codes::look(app, &code, &[Purpose::User]).await? else { return Ok(Found::NoCode) };
    let Content::User { grant_id } = stored.content else { return Ok(Found::NoCode) };
    let Some(grant) = app.storage.get::<DeviceGrant>(&grant_id).await? else { return Ok(Found::NoGrant) };
    let agent = agents::find_alive(app, &grant.agent_id).await?;
    Ok(agent.map_or(Found::NoGrant, |(agent, _)| Found::Grant(Box::new(grant.value), Box::new(agent.value))))
}

/// Decides a grant; false if it was decided already, or is gone. The decision is kept for 300 seconds.
///
/// # Errors
/// If storage does not answer.
pub async fn decide(app: &App, grant: &DeviceGrant, status: Status) -> Result<bool> {
    let now = app.now();
    let mut is_mine = false;
    app.storage
        .update::<DeviceGrant>(&grant.hash, |mut grant| {
            is_mine = grant.status == Status::Pending;
            grant.status = status;
            grant.decided_at = Some(now);
            grant.expires_at = now.plus_milliseconds(DECIDED_SECONDS * 1000);
            is_mine.then_some(grant)
        })
        .await
        .map(|found| found.is_some() && is_mine)
        .map_err(Error::from)
}

/// Exchanges a device code for a refresh token: of many who try, one gets it. Nothing is changed unless the grant is
/// approved.
///
/// # Errors
/// If storage does not answer.
pub async fn redeem(
    app: &App,
    device_code: &str,
    is_meant: impl Fn(&DeviceGrant) -> bool,
) -> Result<Redemption> {
    let hash = credentials::hash(device_code);
    for _ in 0..MOST_TRIES {
        let Some(grant) = app.storage.get::<DeviceGrant>(&hash).await? else { return Ok(Redemption::Gone) };
        if !is_meant(&grant) {
            return Ok(Redemption::Gone);
        }
        match grant.status {
            Status::Pending => return Ok(Redemption::Pending),
            Status::Denied => return Ok(Redemption::Denied),
            Status::Approved => {}
        }
        let Some((agent, owner)) = agents::find_alive(app, &grant.agent_id).await? else {
            return Ok(Redemption::Gone);
        };
        let granted_at = grant.decided_at.unwrap_or(app.now());
        if owner.credentials_rotated_at.is_some_and(|rotated| granted_at <= rotated) {
            return Ok(Redemption::Gone);
        }
        let Versioned { value: mut agent, version } = agent;
        agent.oauth_authorized_at = Some(granted_at);
        let (token, stored) = refresh_tokens::grant(app, &agent.id, granted_at);
        // All in one write: neither a second exchange nor a revocation at this moment leaves a token behind.
        let changes = vec![
            Put { condition: Condition::Version(grant.version), ..Put::delete::<DeviceGrant>(hash.as_str()) },
            Put::new(&agent, Condition::Version(version))?,
            Put::absent(&stored)?,
        ];
        match app.storage.write(changes).await {
            Ok(()) => return Ok(Redemption::Granted(Box::new(agent), token)),
            Err(storage::Error::Conflict) => tokio::task::yield_now().await,
            Err(error) => return Err(error.into()),
        }
    }
    Err(storage::Error::Conflict.into())
}

/// Ends every grant of an agent, decided or not.
///
/// # Errors
/// If storage does not answer.
pub async fn end_all(app: &App, agent_id: &str) -> Result<()> {
    loop {
        let grants = app.storage.list::<DeviceGrant>(agent_id, None, PAGE).await?;
        if grants.is_empty() {
            return Ok(());
        }
        let ends = grants.iter().map(|grant| Put::delete::<DeviceGrant>(grant.hash.as_str()));
        app.storage.write(ends.collect()).await?;
    }
}

/// How long a grant waits for its decision.
pub const SECONDS: i64 = 600;
const DECIDED_SECONDS: i64 = 300;
const PAGE: usize = 200;
const MOST_TRIES: usize = 32;
