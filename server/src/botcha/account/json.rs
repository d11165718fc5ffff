//! The account for programs.

use quivive_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::botcha::agents::Agent;
use crate::botcha::apps::RegisteredApp;

/// An app, its agents, and where to go from here.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaAccount)]
pub(super) struct Account {
    success: bool,
    app: AccountApp,
    agents: Vec<AccountAgent>,
    links: AccountLinks,
}

/// The app.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaAccountApp)]
struct AccountApp {
    app_id: String,
    email: Option<String>,
    email_verified: bool,
    /// Milliseconds since the Unix epoch.
    #[schema(value_type = i64)]
    created_at: Timestamp,
    /// Challenges per hour.
    rate_limit: u32,
}

/// An agent of the app.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaAccountAgent)]
struct AccountAgent {
    agent_id: String,
    name: String,
    operator: Option<String>,
    /// Milliseconds since the Unix epoch.
    #[schema(value_type = i64)]
    created_at: Timestamp,
    /// Whether it has a key to sign with.
    tap_enabled: bool,
    /// The model provider whose key it has proven, if any.
    provider: Option<String>,
    /// Whether a person has granted it a refresh token.
    oauth_authorized: bool,
    /// Not kept yet.
    #[schema(value_type = Option<Object>)]
    reputation: (),
}

/// Addresses.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaAccountLinks)]
struct AccountLinks {
    account: String,
    dashboard: String,
    docs: String,
    openapi: String,
    ai_txt: String,
}

impl Account {
    /// Puts it together; `base` is where this server is.
    pub(super) fn new(app: &RegisteredApp, agents: &[Agent], base: &str) -> Self {
        Self {
            success: true,
            app: AccountApp {
                app_id: app.id.clone(),
                email: app.email.clone(),
                email_verified: app.is_email_verified,
                created_at: app.created_at,
                rate_limit: app.rate_limit,
            },
            agents: agents.iter().map(AccountAgent::new).collect(),
            links: AccountLinks {
                account: format!("{base}/account"),
                dashboard: format!("{base}/dashboard"),
                docs: format!("{base}/docs"),
                openapi: format!("{base}/openapi.json"),
                ai_txt: format!("{base}/ai.txt"),
            },
        }
    }
}

impl AccountAgent {
    fn new(agent: &Agent) -> Self {
        Self {
            agent_id: agent.id.clone(),
            name: agent.name.clone(),
            operator: agent.operator.clone(),
            created_at: agent.created_at,
            tap_enabled: agent.key.is_some(),
            provider: agent.provider.as_ref().map(|provider| provider.provider.clone()),
            oauth_authorized: agent.oauth_authorized_at.is_some(),
            reputation: (),
        }
    }
}
