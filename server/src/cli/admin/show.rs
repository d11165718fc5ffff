//! Accounts, users, projects and blocks, as they are listed.

use serde_json::{Value, json};

use super::answer::{Answer, on_off};
use crate::app::App;
use crate::error::Result;
use crate::flows::scoring::audit;
use crate::storage::Record;
use crate::tenant::{Account, Membership, Project, User, directory};

/// All accounts by id.
pub(super) async fn accounts(app: &App) -> Result<Answer> {
    let accounts = all_accounts(app).await?;
    let rows = accounts.iter().map(|account| {
        let quota = account.plan.monthly_event_quota;
        [
            account.id.to_string(),
            account.name.clone(),
            account.plan.name.clone(),
            quota.map_or_else(|| "unlimited".to_owned(), |quota| quota.to_string()),
            on_off(account.plan.custom_rules).to_owned(),
            on_off(account.is_subscribed).to_owned(),
        ]
    });
    let heads = ["ID", "NAME", "PLAN", "EVENTS/MONTH", "RULES", "SUBSCRIPTION"];
    Ok(Answer::list(heads, rows.collect(), accounts.iter().map(account).collect()))
}

/// All users, or the members of an account, by id.
pub(super) async fn users(app: &App, account: Option<i64>) -> Result<Answer> {
    let Some(account) = account else {
        let mut users = all::<User>(app, "").await?;
        users.sort_by_key(|user| user.id);
        let rows = users.iter().map(|user| [user.id.to_string(), user.name.clone(), user.email.clone()]);
        return Ok(Answer::list(["ID", "NAME", "EMAIL"], rows.collect(), users.iter().map(user).collect()));
    };
    directory::account(app, account).await?;
    let mut members = all::<Membership>(app, &account.to_string()).await?;
    members.sort_by_key(|member| member.user_id);
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    for Membership { user_id, role, .. } in members {
        let found = directory::user(app, user_id).await?;
        let shown = role.clone().unwrap_or_else(|| "-".to_owned());
        rows.push([found.id.to_string(), found.name.clone(), found.email.clone(), shown]);
        let mut member = user(&found);
        if let Some(members) = member.as_object_mut() {
            members.insert("role".to_owned(), role.into());
        }
        json.push(member);
    }
    Ok(Answer::list(["ID", "NAME", "EMAIL", "ROLE"], rows, json))
}

/// All projects, or those of an account, by id.
pub(super) async fn projects(app: &App, account: Option<i64>) -> Result<Answer> {
    let owners = match account {
        Some(id) => vec![directory::account(app, id).await?],
        None => all_accounts(app).await?,
    };
    let mut projects = Vec::new();
    for owner in owners {
        projects.extend(all::<Project>(app, &owner.id.to_string()).await?);
    }
    projects.sort_by_key(|project| project.id);
    let rows = projects.iter().map(|project| {
        [
            project.id.to_string(),
            project.public_id.clone(),
            project.account_id.to_string(),
            project.name.clone(),
            on_off(project.scoring.is_enabled).to_owned(),
            project.scoring.site_key.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let heads = ["ID", "PUBLIC ID", "ACCOUNT", "NAME", "SCORING", "SITE KEY"];
    Ok(Answer::list(heads, rows.collect(), projects.iter().map(project).collect()))
}

/// A project's recorded blocks, latest first.
pub(super) async fn blocks(app: &App, project: i64, limit: usize) -> Result<Answer> {
    directory::project(app, project).await?;
    let texts = audit::list_blocks(app, project, limit).await?;
    let blocks: Vec<Value> = texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    let rows = blocks.iter().map(|block| {
        ["created_at", "session_token", "verdict", "score", "path", "reason"].map(|name| {
            match block.get(name) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) | None => "-".to_owned(),
                Some(other) => other.to_string(),
            }
        })
    });
    let heads = ["TIME", "SESSION", "VERDICT", "SCORE", "PATH", "REASON"];
    let rows = rows.collect();
    Ok(Answer::list(heads, rows, blocks))
}

/// An account as JSON.
pub(super) fn account(account: &Account) -> Value {
    json!({
        "id": account.id,
        "name": account.name,
        "slug": account.slug,
        "is_personal": account.is_personal,
        "plan": account.plan,
        "is_subscribed": account.is_subscribed,
        "created_at": account.created_at.to_seconds_text(),
    })
}

/// A user as JSON.
pub(super) fn user(user: &User) -> Value {
    json!({
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "created_at": user.created_at.to_seconds_text(),
    })
}

/// A project as JSON, without what is stored of its private key.
pub(super) fn project(project: &Project) -> Value {
    json!({
        "id": project.id,
        "public_id": project.public_id,
        "account_id": project.account_id,
        "name": project.name,
        "scoring": project.scoring.is_enabled,
        "site_key": project.scoring.site_key,
        "bot_settings": project.scoring.settings.bot_settings,
        "likely_bot_threshold": project.scoring.settings.likely_bot_threshold.get(),
        "created_at": project.created_at.to_seconds_text(),
    })
}

async fn all_accounts(app: &App) -> Result<Vec<Account>> {
    let mut accounts = all::<Account>(app, "").await?;
    accounts.sort_by_key(|account| account.id);
    Ok(accounts)
}

/// Every record of a parent; storage sorts ids as texts.
pub(super) async fn all<T: Record>(app: &App, parent: &str) -> Result<Vec<T>> {
    let mut records: Vec<T> = Vec::new();
    loop {
        let after = records.last().map(Record::id);
        let found = app.storage.list::<T>(parent, after.as_deref(), AT_ONCE).await?;
        let is_last = found.len() < AT_ONCE;
        records.extend(found.into_iter().map(|record| record.value));
        if is_last {
            return Ok(records);
        }
    }
}

const AT_ONCE: usize = 256;
