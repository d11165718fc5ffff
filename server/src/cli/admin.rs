//! `quivive admin`: what a dashboard does elsewhere. Secrets are printed once and kept as hashes.
//!
//! Works on the database directly, also while a server runs on it; that one sees a change within a second.

use clap::Subcommand;

use super::{Sources, output};
use crate::app::App;
use crate::config::ConfigError;
use crate::console;
use crate::error::{Error, Result};
use crate::flows::scoring::audit;
use crate::serve;
use crate::tenant::Plan;
use crate::tenant::credentials;
use crate::tenant::detection_key::{self, NewKey};
use crate::tenant::directory::{self, NewAccount, NewProject, NewUser};

/// What `admin` takes.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    sources: Sources,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make an account.
    CreateAccount {
        name: String,
        /// A fixed id; without it, the next free one.
        #[arg(long)]
        id: Option<i64>,
        /// free, pro or enterprise.
        #[arg(long, default_value = "enterprise", value_parser = plan)]
        plan: Plan,
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
        /// free, pro or enterprise.
        #[arg(value_parser = plan)]
        plan: Plan,
    },
    /// Turn an account's subscription on or off.
    SetSubscription {
        account: i64,
        #[arg(value_parser = clap::builder::BoolishValueParser::new(), action = clap::ArgAction::Set)]
        active: bool,
    },
    /// Make a user.
    CreateUser {
        name: String,
        email: String,
        /// A fixed id; without it, the next free one.
        #[arg(long)]
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
        name: String,
        /// A fixed id; without it, the next free one.
        #[arg(long)]
        id: Option<i64>,
    },
    /// Turn a project's scoring on and print its keys; the private key is not shown again.
    EnableScoring { project: i64 },
    /// Turn a project's scoring off; its keys are refused from now on.
    DisableScoring { project: i64 },
    /// Make a key for request detection and print it; it is not shown again.
    CreateKey {
        project: i64,
        /// Mark what it makes as a test.
        #[arg(long)]
        test: bool,
    },
    /// Revoke a key for request detection.
    RevokeKey { key: String },
    /// Make a one-time link to the console and print it; it is good for ten minutes and not shown again.
    ConsoleLink {
        /// The user's e-mail address, or his id.
        user: String,
    },
    /// List a project's recorded blocks, latest first, one JSON object per line.
    Blocks {
        project: i64,
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
}

/// Runs one command on the configured database.
pub(super) async fn run(arguments: Arguments) -> std::result::Result<(), ConfigError> {
    let config = arguments.sources.load(None, None)?.config;
    let app = serve::open(config).await?;
    execute(&app, arguments.command).await.map_err(|error| ConfigError(error.to_string()))
}

async fn execute(app: &App, command: Command) -> Result<()> {
    match command {
        Command::CreateAccount { name, id, plan, personal, unsubscribed } => {
            let new = NewAccount {
                id,
                name,
                slug: None,
                is_personal: personal,
                plan,
                is_subscribed: !unsubscribed,
            };
            output::line(&format!("account {}", directory::create_account(app, new).await?.id));
        }
        Command::SetPlan { account, plan } => {
            let plan_name = plan.name.clone();
            directory::change_account(app, account, |account| account.plan = plan.clone()).await?;
            output::line(&format!("account {account}: plan {plan_name}"));
        }
        Command::SetSubscription { account, active } => {
            directory::change_account(app, account, |account| account.is_subscribed = active).await?;
            output::line(&format!("account {account}: subscription {}", if active { "on" } else { "off" }));
        }
        Command::CreateUser { name, email, id } => {
            output::line(&format!(
                "user {}",
                directory::create_user(app, NewUser { id, name, email }).await?.id
            ));
        }
        Command::AddMember { account, user, role } => {
            directory::put_membership(app, account, user, role).await?;
            output::line(&format!("user {user} is a member of account {account}"));
        }
        Command::CreateToken { account, user } => {
            output::line(&directory::create_api_token(app, account, user, None).await?);
        }
        Command::CreateProject { account, name, id } => {
            let new = NewProject { id, account_id: account, name, ..NewProject::default() };
            let project = directory::create_project(app, new).await?;
            output::line(&format!("project {} {}", project.id, project.public_id));
        }
        Command::EnableScoring { project } => enable_scoring(app, project).await?,
        Command::DisableScoring { project } => {
            directory::disable_scoring(app, project).await?;
            output::line(&format!("project {project}: scoring off"));
        }
        Command::CreateKey { project, test } => {
            let key = credentials::new_detection_key(app, test);
            let new = NewKey { project_id: project, key: Some(key), ..NewKey::default() };
            output::line(&detection_key::create(app, new).await?);
        }
        Command::RevokeKey { key } => {
            detection_key::revoke(app, &key).await?;
            output::line("revoked");
        }
        Command::ConsoleLink { user } => {
            let user = directory::find_user(app, &user).await?;
            output::line(&console::login_link(app, user.id).await?);
        }
        Command::Blocks { project, limit } => {
            directory::project(app, project).await?;
            for block in audit::list_blocks(app, project, limit).await? {
                output::line(&block);
            }
        }
    }
    Ok(())
}

async fn enable_scoring(app: &App, project: i64) -> Result<()> {
    let enabled = directory::enable_scoring(app, project).await?;
    let site_key =
        enabled.project.scoring.site_key.ok_or_else(|| Error::internal("the project has no site key"))?;
    output::line(&format!("site key     {site_key}"));
    match enabled.private_key {
        Some(key) => output::line(&format!("private key  {key}")),
        None => output::line("private key  (made before; rotate it to get a new one)"),
    }
    Ok(())
}

fn plan(name: &str) -> std::result::Result<Plan, String> {
    Plan::named(name).ok_or_else(|| "use free, pro or enterprise".to_owned())
}
