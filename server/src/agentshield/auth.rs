//! Who is calling: an API key with scopes.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::wire::{Failure, Fault, Result};
use crate::app::App;
use crate::error::{Error, ErrorKind};
use crate::extract::{bearer, header_text};
use crate::tenant::detection_key::{KeyHolder, Scope};
use crate::tenant::{Project, directory};

/// Why a caller is not known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denied {
    /// No key, or one that is not accepted: `missing`, `invalid`, `expired`, `revoked`.
    Key(&'static str),
    /// Its address named too many wrong keys, and this one was not accepted lately: it was not looked up.
    Busy,
    /// The key could not be looked up.
    Unavailable,
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Key(reason) => Self::unauthorized(reason),
            Denied::Busy => Self(Error::rate_limited("too many wrong API keys").retry_after(1)),
            Denied::Unavailable => Self(Error::unavailable("a key could not be looked up")),
        }
    }
}

/// Who is calling, worked out once for each request by the family's layer.
#[derive(Clone)]
pub struct Identified(pub std::result::Result<Arc<KeyHolder>, Denied>);

/// Looks up the key of a request.
pub async fn identify(app: &App, headers: &HeaderMap) -> std::result::Result<Arc<KeyHolder>, Denied> {
    let key = key(headers, app.config.agentshield.auth_aliases).ok_or(Denied::Key("missing"))?;
    let found = app.callers.by_detection_key(app, key).await.map_err(|error| {
        error.log();
        Denied::Unavailable
    })?;
    let holder = found.ok_or(Denied::Key("invalid"))?;
    if holder.key.revoked_at.is_some() {
        return Err(Denied::Key("revoked"));
    }
    if holder.key.valid_until.is_some_and(|end| end <= app.now()) {
        return Err(Denied::Key("expired"));
    }
    app.callers.uses.note(&holder.key.hash, app.now());
    Ok(holder)
}

/// Whether the key of a request was accepted lately.
pub fn is_known(app: &App, headers: &HeaderMap) -> bool {
    key(headers, app.config.agentshield.auth_aliases).is_some_and(|key| app.callers.is_known(key))
}

/// Whether a request brings an API key, accepted or not.
pub fn has_key(app: &App, headers: &HeaderMap) -> bool {
    key(headers, app.config.agentshield.auth_aliases).is_some()
}

/// A caller with an accepted API key.
#[derive(Clone)]
pub struct ApiKey(Arc<KeyHolder>);

impl ApiKey {
    /// The caller with this key.
    pub fn new(holder: Arc<KeyHolder>) -> Self {
        Self(holder)
    }

    /// Whether what it makes is a test.
    pub fn is_test(&self) -> bool {
        self.0.key.is_test()
    }

    /// Demands a scope.
    ///
    /// # Errors
    /// `FORBIDDEN` with the reason `scope`.
    pub fn require(&self, scope: Scope) -> Result<()> {
        if self.0.key.scopes.contains(&scope) { Ok(()) } else { Err(Failure::forbidden("scope")) }
    }

    /// The project that the caller works for: that of the header `X-AgentShield-Project`, else the key's own.
    ///
    /// # Errors
    /// `NOT_FOUND` for a project of another account, `FORBIDDEN` for one that the key may not see, `INVALID_REQUEST`
    /// when the key's own project was deleted and no other is named.
    pub async fn project(&self, app: &App, headers: &HeaderMap) -> Result<Project> {
        match header_text(headers, PROJECT_HEADER) {
            Some(id) => self.project_at(app, id).await,
            None => self.0.project.clone().ok_or_else(|| {
                // The key's own project was deleted.
                Failure::invalid(&[Fault::new("X-AgentShield-Project", "required")])
            }),
        }
    }

    /// As [`project`](Self::project), for what visitors do: the project has to be in use.
    ///
    /// # Errors
    /// As [`project`](Self::project), and `FORBIDDEN` with the reason `project` for one that is inactive.
    pub async fn active_project(&self, app: &App, headers: &HeaderMap) -> Result<Project> {
        let project = self.project(app, headers).await?;
        if project.is_active { Ok(project) } else { Err(Failure::forbidden("project")) }
    }

    /// The project of a `proj_` id.
    ///
    /// # Errors
    /// `NOT_FOUND` for a project of another account or none, `FORBIDDEN` for one that the key may not see.
    pub async fn project_at(&self, app: &App, id: &str) -> Result<Project> {
        let project = match directory::project_by_public_id(app, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(Failure::not_found("project")),
            other => other?,
        };
        if project.account_id != self.0.account.id {
            return Err(Failure::not_found("project"));
        }
        if !self.0.key.sees(project.id) {
            return Err(Failure::forbidden("project"));
        }
        Ok(project)
    }

    /// The key with its account and its own project.
    pub fn holder(&self) -> &KeyHolder {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for ApiKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let identified = parts.extensions.get::<Identified>().ok_or(Denied::Key("missing"))?;
        Ok(Self(identified.0.clone()?))
    }
}

/// Headers that hold a credential of this family; they are no evidence about the caller.
pub const CREDENTIAL_HEADERS: [&str; 5] =
    ["x-agentshield-key", "authorization", "x-api-key", PROJECT_HEADER, PIXEL_HEADER];

/// The header that carries a pixel's id.
pub const PIXEL_HEADER: &str = "x-pixel-id";

const PROJECT_HEADER: &str = "x-agentshield-project";

fn key(headers: &HeaderMap, with_aliases: bool) -> Option<&str> {
    let aliases = || bearer(headers).or_else(|| header_text(headers, "x-api-key"));
    header_text(headers, "x-agentshield-key").or_else(|| if with_aliases { aliases() } else { None })
}
