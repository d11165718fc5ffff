//! `quivive admin app`: what the owner of an app does with a mail and a browser, for operators without a mail server.

use clap::Subcommand;
use serde_json::{Value, json};

use super::answer::Answer;
use super::show::all;
use crate::app::App;
use crate::audit::{self, Actor};
use crate::botcha::apps::{self, RegisteredApp};
use crate::botcha::codes::{self, Content};
use crate::botcha::{email_verification, recovery};
use crate::error::{Error, Result};
use crate::mail;

/// What is done with apps; one is named by its id or by its owner's address.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List the apps.
    List,
    /// Show an app.
    Show { app: String },
    /// Take an app's address as proven, without a code from a mail.
    Verify { app: String },
    /// Make a login code for an app's dashboard and print it; it is good once and for ten minutes.
    Login { app: String },
    /// List who did what to an app, latest first.
    Audit {
        app: String,
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
}

pub(super) async fn run(app: &App, command: Command) -> Result<Answer> {
    match command {
        Command::List => list(app).await,
        Command::Show { app: name } => Ok(show(&find(app, &name).await?)),
        Command::Verify { app: name } => {
            let id = find(app, &name).await?.id;
            let is_new = email_verification::confirm(app, &id).await?;
            let text = if is_new { "verified" } else { "was verified already" };
            Ok(Answer::new(format!("{id}: {text}"), json!({ "app_id": id, "email_verified": true })))
        }
        Command::Login { app: name } => login(app, find(app, &name).await?).await,
        Command::Audit { app: name, limit } => trail(app, &find(app, &name).await?.id, limit).await,
    }
}

async fn find(app: &App, name: &str) -> Result<RegisteredApp> {
    let found = if name.contains('@') {
        apps::find_by_email(app, &apps::normalize_email(name)).await?
    } else {
        apps::find(app, name).await?
    };
    found.ok_or_else(|| Error::not_found(format!("no app `{name}`: `quivive admin app list` shows them")))
}

async fn list(app: &App) -> Result<Answer> {
    let apps = all::<RegisteredApp>(app, "").await?;
    let rows = apps.iter().map(|app| {
        [
            app.id.clone(),
            app.email.clone().unwrap_or_else(|| "-".to_owned()),
            yes_no(app.is_email_verified).to_owned(),
            app.created_at.to_string(),
            app.name.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    Ok(Answer::list(
        ["ID", "EMAIL", "VERIFIED", "CREATED", "NAME"],
        rows.collect(),
        apps.iter().map(facts).collect(),
    ))
}

fn show(app: &RegisteredApp) -> Answer {
    let facts = facts(app);
    let width = facts.as_object().map_or(0, |facts| facts.keys().map(String::len).max().unwrap_or_default());
    let lines = facts.as_object().into_iter().flatten().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name:width$}  {value}")
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    Answer::new(text, facts)
}

async fn login(app: &App, found: RegisteredApp) -> Result<Answer> {
    if found.is_demo {
        return Err(Error::invalid("the demo app has no owner and no dashboard"));
    }
    let id = found.id;
    let code = codes::store(app, Content::Device { app_id: id.clone() }, recovery::CODE_SECONDS).await?;
    audit::record(app, &id, &Actor::Operator, "app.login_code_made", json!({})).await?;
    let link = mail::base(app).map(|base| format!("{base}/go/{code}"));
    let place =
        link.clone().unwrap_or_else(|| "Enter it on the page /dashboard/code of this server.".to_owned());
    Ok(Answer::new(format!("{code}\n{place}"), json!({ "app_id": id, "code": code, "link": link })))
}

async fn trail(app: &App, id: &str, limit: usize) -> Result<Answer> {
    let entries = audit::latest(app, id, limit).await?;
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let rows = entries.iter().map(|entry| {
        let actor = entry.get("actor").unwrap_or(&Value::Null);
        [
            text(entry.get("created_at").unwrap_or(&Value::Null)),
            text(entry.get("action").unwrap_or(&Value::Null)),
            text(actor.get("kind").unwrap_or(&Value::Null)),
            entry.get("details").unwrap_or(&Value::Null).to_string(),
        ]
    });
    Ok(Answer::list(["TIME", "ACTION", "BY", "DETAILS"], rows.collect(), entries.clone()))
}

fn facts(app: &RegisteredApp) -> Value {
    json!({
        "app_id": app.id,
        "name": app.name,
        "email": app.email,
        "email_verified": app.is_email_verified,
        "created_at": app.created_at.to_string(),
        "rate_limit": app.rate_limit,
        "registration_policy": app.registration_policy,
        "allowed_audiences": app.allowed_audiences,
        "secret_rotated_at": app.credentials_rotated_at.map(|at| at.to_string()),
    })
}

fn yes_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}
