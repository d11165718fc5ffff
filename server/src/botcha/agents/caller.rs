//! Who calls a route of an app: a token of the app, the agent that a token names, or the app's owner.

use http::request::Parts;
use quivive_core::token::Claims;
use serde_json::{Map, Value};

use crate::app::App;
use crate::audit::Actor;
use crate::botcha::apps::RegisteredApp;
use crate::botcha::auth::{self, AGENT_IDENTITY_TYPE, BEARER_TYPES, Refusal, Wanted};
use crate::botcha::gate;
use crate::botcha::owner::{self, Presented};
use crate::botcha::wire::Result;
use crate::config::OwnerAuth;
use crate::error::Error;
use crate::extract::{ClientIp, bearer, header_text};

/// A caller.
#[derive(Debug)]
pub struct Caller {
    /// The app that the request is about.
    pub app: RegisteredApp,
    /// What a valid Bearer token says.
    pub claims: Option<Claims>,
    /// How the caller proved to own the app.
    pub proof: Option<Actor>,
    /// Whether a secret came that is not the app's.
    is_secret_wrong: bool,
    is_strict: bool,
}

/// Finds out who calls and for which app, which must be registered and verified.
///
/// # Errors
/// The gate's refusals, 401 `INVALID_TOKEN` for a Bearer token that does not hold, 403 `MISSING_APP_ID` if nothing
/// else than a token names an app and the token does not either, 403 `FOREIGN_FORM`.
pub async fn identify(app: &App, parts: &Parts, body: &Map<String, Value>) -> Result<Caller> {
    let session = match owner::session(app, parts).await? {
        Presented::Session(session) => Some(session),
        Presented::Nothing | Presented::Invalid => None,
    };
    let token = bearer(&parts.headers).filter(|_| session.as_ref().is_none_or(|session| session.is_cookie));
    let claims = match token {
        Some(token) => Some(verify(app, parts, token).await?),
        None => None,
    };
    let registered = match gate::require(app, parts, body).await {
        Err(failure) if failure.error.code() == "APP_REGISTRATION_REQUIRED" => match (session, &claims) {
            (Some(session), _) if session.app.is_email_verified => session.app,
            (Some(session), _) => return Err(gate::unverified(gate::origin(parts), &session.app.id).into()),
            (None, Some(_)) => return Err(missing_app_id().into()),
            (None, None) => return Err(failure),
        },
        other => other?,
    };
    let proof = owner::prove(app, parts, body, &registered.id).await?.map(|proof| proof.actor);
    let has_secret = body.contains_key("app_secret") || header_text(&parts.headers, "x-app-secret").is_some();
    Ok(Caller {
        app: registered,
        claims,
        is_secret_wrong: has_secret && proof.is_none(),
        proof,
        is_strict: app.config.botcha.owner_auth == OwnerAuth::Strict,
    })
}

/// The claims of a Bearer token that opens routes.
///
/// # Errors
/// 401 `INVALID_TOKEN`.
pub async fn verify(app: &App, parts: &Parts, token: &str) -> Result<Claims> {
    let wanted = Wanted { types: BEARER_TYPES, audience: None, client_ip: None };
    let refused = |reason: &str| Error::unauthenticated(reason).with_code("INVALID_TOKEN");
    let claims = auth::verify(app, token, &wanted).await.map_err(|refusal| match refusal {
        Refusal::Token(reason) => refused(reason),
        Refusal::Fault(error) => error,
    })?;
    let address = parts.extensions.get::<ClientIp>().map(|ip| ip.0.to_string()).unwrap_or_default();
    if claims.client_ip.is_some() && claims.require_client(&address).is_err() {
        return Err(refused("Client IP mismatch").into());
    }
    // Tokens that name an agent are for this server and have no audience.
    let is_identity = claims.token_type.as_deref() == Some(AGENT_IDENTITY_TYPE);
    match &app.config.tokens.self_audience {
        Some(own) if !is_identity && claims.require_audience(own).is_err() => {
            Err(refused("Invalid audience claim").into())
        }
        _ => Ok(claims),
    }
}

impl Caller {
    /// The agent that a token names.
    pub fn agent_id(&self) -> Option<&str> {
        self.claims.as_ref()?.agent_id.as_deref()
    }

    /// Who acts, for the audit trail.
    pub fn actor(&self) -> Actor {
        let id = self.claims.as_ref().and_then(|claims| claims.jti.clone());
        let token = || id.map_or(Actor::Anyone, Actor::Token);
        let agent = || self.agent_id().map(|id| Actor::Agent(id.to_owned()));
        self.proof.clone().or_else(agent).unwrap_or_else(token)
    }

    /// Demands a token of the app, or the owner.
    ///
    /// # Errors
    /// 401 `UNAUTHORIZED`, 403 `MISSING_APP_ID`.
    pub fn require_member(&self) -> Result<(), Error> {
        match &self.claims {
            _ if self.proof.is_some() => Ok(()),
            _ if self.is_secret_wrong => Err(unauthorized("Invalid app_secret")),
            None => Err(unauthorized(
                "Send a token of the app: Authorization: Bearer <access_token>, or X-App-Secret: <app_secret>",
            )),
            Some(claims) if claims.app_id.is_none() => Err(missing_app_id()),
            Some(_) => Ok(()),
        }
    }

    /// Demands the owner; where tokens of the app are believed as in the originals, one of them is enough.
    ///
    /// # Errors
    /// 401 `UNAUTHORIZED`, 403 `MISSING_APP_ID`, 403 `OWNER_PROOF_REQUIRED`.
    pub fn require_owner(&self) -> Result<(), Error> {
        self.require_member()?;
        if self.proof.is_none() && self.is_strict {
            let message = "Anybody can get a token of this app: prove that it is yours with the header \
                           X-App-Secret: <app_secret> or a dashboard session";
            return Err(Error::forbidden(message).with_code("OWNER_PROOF_REQUIRED"));
        }
        Ok(())
    }

    /// Demands the owner or the agent itself.
    ///
    /// # Errors
    /// As [`Caller::require_owner`].
    pub fn require_self(&self, agent_id: &str) -> Result<(), Error> {
        if self.agent_id() == Some(agent_id) { self.require_member() } else { self.require_owner() }
    }
}

fn unauthorized(message: &str) -> Error {
    Error::unauthenticated(message).with_code("UNAUTHORIZED")
}

fn missing_app_id() -> Error {
    let message = "The token belongs to no app: get one with GET /v1/token?app_id=<your app>";
    Error::forbidden(message).with_code("MISSING_APP_ID")
}
