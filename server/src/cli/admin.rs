//! `quivive admin`: what a dashboard does elsewhere. Secrets are printed once and kept as hashes.
//!
//! Works on the database directly, also while a server runs on it; that one sees a change within a second.

mod answer;
mod app;
mod keys;
mod plan;
mod scoring;
mod show;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use self::answer::Answer;
use self::plan::Limits;
use self::scoring::Changes;
use super::{Sources, output};
use crate::app::App;
use crate::config::ConfigError;
use crate::console;
use crate::error::Result;
use crate::serve;
use crate::tenant::credentials;
use crate::tenant::detection_key::{self, NewKey};
use crate::tenant::directory::{self, KeyKind, NewAccount, NewProject, NewUser};

/// What `admin` takes.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    sources: Sources,
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make an account.
    CreateAccount {
        #[arg(value_parser = name)]
        name: String,
        /// A fixed id; without it, the next free one.
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
        id: Option<i64>,
        /// free, pro, enterprise, or a name of your own with its limits.
        #[arg(long, default_value = "enterprise")]
        plan: String,
        #[command(flatten)]
        limits: Limits,
        /// Belongs to one person rather than to a team.
        #[arg(long)]
        personal: bool,
        /// Leave the subscription off.
        #[arg(long)]
        unsubscribed: bool,
    },
    /// Change an account's plan.
    SetPlan {
        account: i64,
        /// free, pro, enterprise, or a name of your own with its limits.
        plan: String,
        #[command(flatten)]
        limits: Limits,
    },
    /// Turn an account's subscription on or off.
    SetSubscription {
        account: i64,
        #[arg(value_parser = clap::builder::BoolishValueParser::new(), action = clap::ArgAction::Set)]
        active: bool,
    },
    /// Make a user.
    CreateUser {
        #[arg(value_parser = name)]
        name: String,
        #[arg(value_parser = email)]
        email: String,
        /// A fixed id; without it, the next free one.
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
        id: Option<i64>,
    },
    /// Make a user a member of an account, or change the role.
    AddMember {
        account: i64,
        user: i64,
        #[arg(long)]
        role: Option<String>,
    },
    /// Make an account API token and print it; it is not shown again.
    CreateToken { account: i64, user: i64 },
    /// Make a project.
    CreateProject {
        account: i64,
        #[arg(value_parser = name)]
        name: String,
        /// A fixed id; without it, the next free one.
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
        id: Option<i64>,
    },
    /// Turn a project's scoring on and print its keys; the private key is not shown again.
    EnableScoring { project: i64 },
    /// Turn a project's scoring off; its keys are refused from now on.
    DisableScoring { project: i64 },
    /// Replace a project's site key or private key and print the new one; the old one is refused from now on.
    ///
    /// With the private key, all page tokens, session cookies and path hashes that were made with it end.
    RotateKey { project: i64, kind: Kind },
    /// Change what a project's verdicts do, or show it.
    Settings {
        project: i64,
        #[command(flatten)]
        changes: Changes,
    },
    /// Make a key for request detection and print it; it is not shown again.
    CreateKey {
        project: i64,
        /// Mark what it makes as a test.
        #[arg(long)]
        test: bool,
    },
    /// Revoke a key for request detection.
    RevokeKey { key: String },
    /// The keys that sign tokens.
    #[command(subcommand)]
    Keys(keys::Command),
    /// List the accounts.
    Accounts,
    /// List the users, or the members of an account.
    Users {
        #[arg(long)]
        account: Option<i64>,
    },
    /// List the projects, or those of an account.
    Projects {
        #[arg(long)]
        account: Option<i64>,
    },
    /// Make a one-time link to the console and print it; it is good for ten minutes and not shown again.
    ConsoleLink {
        /// The user's e-mail address, or his id.
        user: String,
    },
    /// Show apps, verify their owners' addresses, log owners in.
    #[command(subcommand)]
    App(app::Command),
    /// List a project's recorded blocks, latest first.
    Blocks {
        project: i64,
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
}

/// Which of a project's two keys.
#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// The public one, which pages carry.
    Site,
    /// The secret one.
    Private,
}

/// Runs one command on the configured database.
pub(super) async fn run(arguments: Arguments) -> std::result::Result<(), ConfigError> {
    let config = arguments.sources.load(None, None)?.config;
    let app = serve::open(config).await?;
    let answer = execute(&app, arguments.command).await.map_err(|error| ConfigError(error.to_string()))?;
    output::line(&if arguments.json { answer.json.to_string() } else { answer.text });
    Ok(())
}

async fn execute(app: &App, command: Command) -> Result<Answer> {
    match command {
        Command::CreateAccount { name, id, plan, limits, personal, unsubscribed } => {
            let plan = limits.plan(&plan, None)?;
            let new = NewAccount {
                id,
                name,
                slug: None,
                is_personal: personal,
                plan,
                is_subscribed: !unsubscribed,
            };
            let account = directory::create_account(app, new).await?;
            Ok(Answer::new(format!("account {}", account.id), show::account(&account)))
        }
        Command::SetPlan { account, plan, limits } => {
            let present = directory::account(app, account).await?.plan;
            let plan = limits.plan(&plan, Some(&present))?;
            let changed =
                directory::change_account(app, account, |account| account.plan = plan.clone()).await?;
            let text = format!("account {account}: plan {}", plan::describe(&plan));
            Ok(Answer::new(text, show::account(&changed)))
        }
        Command::SetSubscription { account, active } => {
            let changed =
                directory::change_account(app, account, |account| account.is_subscribed = active).await?;
            let text = format!("account {account}: subscription {}", answer::on_off(active));
            Ok(Answer::new(text, show::account(&changed)))
        }
        Command::CreateUser { name, email, id } => {
            let user = directory::create_user(app, NewUser { id, name, email }).await?;
            Ok(Answer::new(format!("user {}", user.id), show::user(&user)))
        }
        Command::AddMember { account, user, role } => {
            directory::put_membership(app, account, user, role.clone()).await?;
            let text = format!("user {user} is a member of account {account}");
            Ok(Answer::new(text, json!({ "account_id": account, "user_id": user, "role": role })))
        }
        Command::CreateToken { account, user } => {
            let token = directory::create_api_token(app, account, user, None).await?;
            let json = json!({ "account_id": account, "user_id": user, "token": token });
            Ok(Answer::new(token, json))
        }
        Command::CreateProject { account, name, id } => {
            let new = NewProject { id, account_id: account, name, ..NewProject::default() };
            let project = directory::create_project(app, new).await?;
            let text = format!("project {} {}", project.id, project.public_id);
            Ok(Answer::new(text, show::project(&project)))
        }
        Command::EnableScoring { project } => scoring::enable(app, project).await,
        Command::DisableScoring { project } => {
            let changed = directory::disable_scoring(app, project).await?;
            Ok(Answer::new(format!("project {project}: scoring off"), show::project(&changed)))
        }
        Command::RotateKey { project, kind } => {
            let (kind, name) = match kind {
                Kind::Site => (KeyKind::Site, "site"),
                Kind::Private => (KeyKind::Private, "private"),
            };
            let key = directory::rotate_key(app, project, kind).await?;
            let json = json!({ "type": name, "key": key });
            Ok(Answer::new(key, json))
        }
        Command::Settings { project, changes } => scoring::settings(app, project, changes).await,
        Command::CreateKey { project, test } => {
            let key = credentials::new_detection_key(app, test);
            let new = NewKey { project_id: project, key: Some(key), ..NewKey::default() };
            let key = detection_key::create(app, new).await?;
            let json = json!({ "project_id": project, "key": key });
            Ok(Answer::new(key, json))
        }
        Command::RevokeKey { key } => {
            detection_key::revoke(app, &key).await?;
            Ok(Answer::new("revoked", json!({ "revoked": true })))
        }
        Command::ConsoleLink { user } => {
            let user = directory::find_user(app, &user).await?;
            let link = console::login_link(app, user.id).await?;
            Ok(Answer::new(link.clone(), json!({ "link": link })))
        }
        Command::Keys(command) => keys::execute(app, command).await,
        Command::Accounts => show::accounts(app).await,
        Command::Users { account } => show::users(app, account).await,
        Command::Projects { account } => show::projects(app, account).await,
        Command::App(command) => app::run(app, command).await,
        Command::Blocks { project, limit } => show::blocks(app, project, limit).await,
    }
}

fn name(text: &str) -> std::result::Result<String, String> {
    let text = text.trim();
    if (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("use 1 to 255 characters".to_owned())
    }
}

fn email(text: &str) -> std::result::Result<String, String> {
    let text = name(text)?;
    let is_address = text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && !host.is_empty() && !host.contains('@') && !text.contains(char::is_whitespace)
    });
    if is_address { Ok(text) } else { Err("use an address such as ada@example.com".to_owned()) }
}
