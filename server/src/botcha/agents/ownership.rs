//! What the owner of an app does with its agents.

use serde_json::json;

use super::{Agent, KeyHolder};
use crate::app::App;
use crate::audit::{self, Actor};
use crate::botcha::identity::refresh_tokens;
use crate::botcha::oauth::grant;
use crate::botcha::revocation::Revocation;
use crate::error::Result;
use crate::storage::{Put, Record};

/// Takes an agent that registered without a proof as the app's own. Nothing is returned if it is not there.
///
/// # Errors
/// If storage does not answer.
pub async fn confirm(app: &App, agent: &Agent, actor: &Actor) -> Result<Option<Agent>> {
    let confirmed = super::change(app, &agent.id, |agent| agent.is_owner_verified = true).await?;
    if confirmed.is_some() {
        let details = json!({ "agent_id": agent.id, "name": agent.name });
        audit::record(app, &agent.app_id, actor, "agent.confirmed", details).await?;
    }
    Ok(confirmed)
}

/// Deletes an agent with everything that it could log in with: its key, refresh tokens, device grants and the tokens
/// that name it.
///
/// # Errors
/// If storage does not answer.
pub async fn delete(app: &App, agent: &Agent, actor: &Actor) -> Result<()> {
    let mut changes = vec![Put::delete::<Agent>(agent.id.as_str()), Put::any(&all_tokens(app, agent))?];
    if let Some(key) = &agent.key {
        let holder = KeyHolder {
            thumbprint: key.thumbprint.clone(),
            since: key.created_at,
            agent_id: agent.id.clone(),
        };
        changes.push(Put::delete::<KeyHolder>(holder.id()));
    }
    app.storage.write(changes).await?;
    end_grants(app, &agent.id).await?;
    let details = json!({ "agent_id": agent.id, "name": agent.name });
    audit::record(app, &agent.app_id, actor, "agent.deleted", details).await
}

/// Ends every login of an agent: its refresh tokens, device grants, and the tokens that name it and were issued
/// before now.
///
/// # Errors
/// If storage does not answer.
pub async fn end_logins(app: &App, agent: &Agent) -> Result<()> {
    // The change of the agent makes an exchange fail that read it before.
    super::change(app, &agent.id, |agent| agent.oauth_authorized_at = None).await?;
    let now = app.now();
    let until = now.plus_milliseconds(i64::from(app.config.tokens.access_ttl) * 1000);
    app.storage.put(&Revocation::of_family_before(&agent.id, now, until)).await?;
    end_grants(app, &agent.id).await
}

async fn end_grants(app: &App, agent_id: &str) -> Result<()> {
    grant::end_all(app, agent_id).await?;
    refresh_tokens::end_all(app, agent_id).await
}

fn all_tokens(app: &App, agent: &Agent) -> Revocation {
    let until = app.now().plus_milliseconds(i64::from(app.config.tokens.access_ttl) * 1000);
    Revocation::of_family(&agent.id, until)
}
