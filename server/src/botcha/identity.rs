//! Re-identification: a registered agent proves in a new session that it is the same, and gets a token that names it.

pub mod key_login;
pub mod provider;
pub mod refresh;
pub mod refresh_tokens;

use quivive_core::token::Claims;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::agents::Agent;
use super::auth::AGENT_IDENTITY_TYPE;
use super::issue::new_id;
use super::limits::Rule;
use crate::app::App;
use crate::error::Result;

/// A token that names an agent.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaIdentityToken)]
pub struct IdentityToken {
    success: bool,
    access_token: String,
    token_type: &'static str,
    agent_id: String,
    app_id: String,
    /// Seconds.
    expires_in: u32,
    /// The provider whose key proved the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<&'static str>,
    /// Only if refresh tokens are rotated: use this one from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_expires_in: Option<i64>,
    message: &'static str,
    usage: IdentityUsage,
}

/// What to do with such a token.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaIdentityUsage)]
struct IdentityUsage {
    header: &'static str,
    note: &'static str,
}

impl IdentityToken {
    /// Issues a token that names the agent.
    ///
    /// # Errors
    /// If signing fails.
    pub fn issue(app: &App, agent: &Agent, message: &'static str) -> Result<Self> {
        Ok(Self {
            success: true,
            access_token: sign(app, agent)?,
            token_type: "Bearer",
            agent_id: agent.id.clone(),
            app_id: agent.app_id.clone(),
            expires_in: app.config.tokens.access_ttl,
            provider: None,
            refresh_token: None,
            refresh_expires_in: None,
            message,
            usage: IdentityUsage {
                header: "Authorization: Bearer <access_token>",
                note: "GET /v1/agents/me shows whom the token names",
            },
        })
    }
}

/// A signed token that names the agent.
///
/// # Errors
/// If signing fails.
pub fn sign(app: &App, agent: &Agent) -> Result<String> {
    let mut claims = Claims::access(&agent.id, 0, &new_id(app), app.now(), app.config.tokens.access_ttl);
    claims.token_type = Some(AGENT_IDENTITY_TYPE.to_owned());
    claims.solve_time = None;
    claims.iss = Some(app.config.tokens.token_issuer.clone());
    claims.agent_id = Some(agent.id.clone());
    claims.app_id = Some(agent.app_id.clone());
    Ok(app.keys.sign(&claims)?)
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    key_login::router().merge(provider::router()).merge(refresh::router())
}

/// The limit on all steps of these logins.
fn rule(app: &App) -> Rule {
    Rule::per_hour("agent-login", app.config.limits.agent_logins_per_hour)
}
