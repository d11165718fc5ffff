//! Seeds: tenants with fixed ids, keys and tokens for development and tests, read from TOML.

use std::collections::HashSet;
use std::path::Path;

use config::{File, FileFormat};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::botcha::apps::RegisteredApp;
use crate::config::ConfigError;
use crate::demo::Demo;
use crate::error::{Error, Result};
use crate::storage::Record;
use crate::tenant::detection_key::{self, DetectionKey, NewKey, Scope};
use crate::tenant::directory::{self, NewAccount, NewProject, NewUser, ScoringKeys};
use crate::tenant::pixel::{self, Pixel, PixelSettings};
use crate::tenant::{Account, Plan, Project, User, credentials};

/// What a seed holds; see `seeds/demo.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    #[serde(default)]
    accounts: Vec<SeedAccount>,
    #[serde(default)]
    users: Vec<SeedUser>,
    #[serde(default)]
    memberships: Vec<SeedMembership>,
    #[serde(default)]
    api_tokens: Vec<SeedToken>,
    #[serde(default)]
    projects: Vec<SeedProject>,
    #[serde(default)]
    detection_keys: Vec<SeedKey>,
    #[serde(default)]
    pixels: Vec<SeedPixel>,
    #[serde(default)]
    apps: Vec<SeedApp>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedAccount {
    id: i64,
    name: String,
    #[serde(default)]
    personal: bool,
    #[serde(default)]
    plan: Option<String>,
    #[serde(default = "yes")]
    subscribed: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedUser {
    id: i64,
    name: String,
    email: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedMembership {
    account: i64,
    user: i64,
    #[serde(default)]
    role: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedToken {
    account: i64,
    user: i64,
    token: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedProject {
    id: i64,
    #[serde(default)]
    public_id: Option<String>,
    account: i64,
    name: String,
    #[serde(default)]
    site_key: Option<String>,
    #[serde(default)]
    private_key: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedKey {
    project: i64,
    key: String,
    #[serde(default)]
    scopes: Option<Vec<Scope>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedPixel {
    project: i64,
    id: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedApp {
    id: String,
    #[serde(default)]
    name: Option<String>,
    secret: String,
}

/// The seed that is built in.
///
/// # Errors
/// Never for the file that is built in.
pub fn built_in() -> Result<Seed, ConfigError> {
    parse(BUILT_IN, "the built-in seed")
}

/// Reads a seed file.
///
/// # Errors
/// A message that names the file and what is wrong in it.
pub fn read(path: &Path) -> Result<Seed, ConfigError> {
    let name = format!("seed {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError(format!("{name}: {error}")))?;
    parse(&text, &name)
}

/// The credentials of the built-in seed's project.
pub fn demo() -> Option<Demo> {
    let seed = built_in().ok()?;
    let project = seed.projects.into_iter().next()?;
    Some(Demo {
        site_key: project.site_key?,
        private_key: project.private_key?,
        api_key: seed.detection_keys.into_iter().next()?.key,
    })
}

/// The id and e-mail address of the built-in seed's user.
pub fn demo_user() -> Option<(i64, String)> {
    let user = built_in().ok()?.users.into_iter().next()?;
    Some((user.id, user.email))
}

/// Puts a seed into an empty database; one that has an account is left as it is. What an earlier start began and did
/// not end is finished. Tells whether it did anything.
///
/// # Errors
/// If the seed contradicts itself (an id twice, a project without its account) or storage does not answer.
pub async fn apply(app: &App, seed: &Seed) -> Result<bool> {
    seed.refuse_repetition()?;
    match app.storage.get::<Seeding>(Seeding::ID).await? {
        Some(seeding) if seeding.is_complete => return Ok(false),
        Some(_) => {}
        None if !app.storage.list::<Account>("", None, 1).await?.is_empty() => return Ok(false),
        None => app.storage.put(&Seeding { is_complete: false }).await?,
    }
    put_missing(app, seed).await?;
    app.storage.put(&Seeding { is_complete: true }).await?;
    Ok(true)
}

/// Whether a database was seeded, written before the first and after the last record of the seed.
#[derive(Deserialize, Serialize)]
struct Seeding {
    is_complete: bool,
}

impl Seeding {
    const ID: &'static str = "seed";
}

impl Record for Seeding {
    const KIND: &'static str = "seeding";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}

impl Seed {
    fn refuse_repetition(&self) -> Result<()> {
        let mut seen = HashSet::new();
        let names = (self.accounts.iter().map(|account| format!("account {}", account.id)))
            .chain(self.users.iter().map(|user| format!("user {}", user.id)))
            .chain(self.projects.iter().map(|project| format!("project {}", project.id)));
        for name in names {
            if !seen.insert(name.clone()) {
                return Err(Error::invalid(format!("{name} stands in the seed twice")));
            }
        }
        // Their texts are secret: no message names them.
        let mut seen = HashSet::new();
        let keys = self.detection_keys.iter().map(|key| &key.key);
        if !keys.chain(self.api_tokens.iter().map(|token| &token.token)).all(|text| seen.insert(text)) {
            return Err(Error::invalid("a key or token stands in the seed twice"));
        }
        Ok(())
    }
}

/// Puts every record that is not there yet; each one is written whole or not at all.
async fn put_missing(app: &App, seed: &Seed) -> Result<()> {
    for account in seed.accounts.clone() {
        if is_there::<Account>(app, &account.id.to_string()).await? {
            continue;
        }
        let plan = match &account.plan {
            Some(name) => Plan::named(name)
                .ok_or_else(|| Error::invalid(format!("no plan `{name}`: use free, pro or enterprise")))?,
            None => Plan::default(),
        };
        let new = NewAccount {
            id: Some(account.id),
            name: account.name,
            slug: None,
            is_personal: account.personal,
            plan,
            is_subscribed: account.subscribed,
        };
        directory::create_account(app, new).await?;
    }
    for SeedUser { id, name, email } in seed.users.clone() {
        if !is_there::<User>(app, &id.to_string()).await? {
            directory::create_user(app, NewUser { id: Some(id), name, email }).await?;
        }
    }
    for member in seed.memberships.clone() {
        directory::put_membership(app, member.account, member.user, member.role).await?;
    }
    for SeedToken { account, user, token } in seed.api_tokens.clone() {
        if directory::api_token(app, &token).await?.is_none() {
            directory::create_api_token(app, account, user, Some(token)).await?;
        }
    }
    for project in seed.projects.clone() {
        if is_there::<Project>(app, &project.id.to_string()).await? {
            continue;
        }
        let keys = match (project.site_key, project.private_key) {
            (Some(site_key), Some(private_key)) => Some(ScoringKeys { site_key, private_key }),
            (None, None) => None,
            _ => return Err(Error::invalid("a project has both keys or none")),
        };
        let new = NewProject {
            id: Some(project.id),
            public_id: project.public_id,
            account_id: project.account,
            name: project.name,
            keys,
            ..NewProject::default()
        };
        directory::create_project(app, new).await?;
    }
    for SeedKey { project, key, scopes } in seed.detection_keys.clone() {
        if !is_there::<DetectionKey>(app, &credentials::hash(&key)).await? {
            let new = NewKey { project_id: project, key: Some(key), scopes, ..NewKey::default() };
            detection_key::create(app, new).await?;
        }
    }
    for SeedPixel { project, id } in seed.pixels.clone() {
        if !pixel::is_id(&id) {
            return Err(Error::invalid(format!("`{id}` has not the form of a pixel id")));
        }
        if !is_there::<Pixel>(app, &id).await? {
            directory::project(app, project).await?;
            pixel::create(app, project, PixelSettings::default(), Some(id)).await?;
        }
    }
    for SeedApp { id, name, secret } in seed.apps.clone() {
        if !is_there::<RegisteredApp>(app, &id).await? {
            app.storage.insert(&seeded_app(app, id, name, &secret)).await?;
        }
    }
    Ok(())
}

/// An app without an address, so that no mail can log anybody in.
fn seeded_app(app: &App, id: String, name: Option<String>, secret: &str) -> RegisteredApp {
    RegisteredApp {
        id,
        name,
        email: None,
        is_email_verified: true,
        secret_hash: Some(credentials::hash(secret)),
        rate_limit: app.config.limits.challenges_per_hour,
        created_at: app.now(),
        is_demo: false,
        registration_policy: app.config.botcha.default_registration_policy,
        allowed_audiences: Vec::new(),
        credentials_rotated_at: None,
    }
}

async fn is_there<T: Record>(app: &App, id: &str) -> Result<bool> {
    Ok(app.storage.get::<T>(id).await?.is_some())
}

fn parse(text: &str, name: &str) -> Result<Seed, ConfigError> {
    config::Config::builder()
        .add_source(File::from_str(text, FileFormat::Toml))
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(|error| ConfigError(format!("{name}: {error}")))
}

fn yes() -> bool {
    true
}

const BUILT_IN: &str = include_str!("../seeds/demo.toml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_seed_can_be_read() {
        let demo = demo().unwrap();
        assert!(demo.site_key.starts_with("pk_") && demo.private_key.starts_with("sk_"));
        assert!(demo.api_key.starts_with("as_live_"));
    }

    #[test]
    fn a_misspelt_member_is_named() {
        let error = parse("[[accounts]]\nid = 1\nname = \"A\"\nplam = \"pro\"\n", "seed x").unwrap_err();
        assert!(error.0.contains("plam"), "{error}");
    }
}
