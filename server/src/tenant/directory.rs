//! Making, finding and changing tenants: for the control plane, the seed and the admin command.

use quivive_core::encoding;

use super::credentials;
use super::erasure::Erasure;
use super::{
    Account, AccountOfUser, ApiToken, Detection, LastId, Membership, Plan, Project, ProjectByPrivateKey,
    ProjectByPublicId, ProjectBySiteKey, Scoring, ScoringSettings, Site, User, membership_id,
};
use crate::app::App;
use crate::error::{Error, Result};
use crate::storage::{self, Condition, Put, Record, Versioned};

/// An account to be made.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    /// A fixed id; the next free one when absent.
    pub id: Option<i64>,
    /// Shown to people.
    pub name: String,
    /// Short name for addresses; made from the name when absent.
    pub slug: Option<String>,
    /// Belongs to one person.
    pub is_personal: bool,
    /// What it may use.
    pub plan: Plan,
    /// Whether its subscription is active.
    pub is_subscribed: bool,
}

/// A user to be made.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// A fixed id; the next free one when absent.
    pub id: Option<i64>,
    /// Shown to people.
    pub name: String,
    /// Where mail goes.
    pub email: String,
}

/// A project to be made. With either key, scoring is enabled at once.
#[derive(Clone, Debug, Default)]
pub struct NewProject {
    /// A fixed id; the next free one when absent.
    pub id: Option<i64>,
    /// A fixed `proj_` id; a new one when absent.
    pub public_id: Option<String>,
    /// The owner.
    pub account_id: i64,
    /// Shown to people.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Fixed keys with which scoring is enabled.
    pub keys: Option<ScoringKeys>,
    /// What verdicts do.
    pub settings: ScoringSettings,
    /// Detection of single requests.
    pub detection: Detection,
}

/// The two keys of a project's scoring.
#[derive(Clone)]
pub struct ScoringKeys {
    /// The public key.
    pub site_key: String,
    /// The secret key.
    pub private_key: String,
}

impl std::fmt::Debug for ScoringKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ScoringKeys").field("site_key", &self.site_key).finish_non_exhaustive()
    }
}

/// What enabling of scoring did.
#[derive(Debug)]
pub struct EnabledScoring {
    /// The project as it is now.
    pub project: Project,
    /// The private key, shown this one time; nothing when the project has had one before.
    pub private_key: Option<String>,
    /// Whether scoring was off before.
    pub was_off: bool,
}

/// Which of a project's two keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyKind {
    /// The public one.
    Site,
    /// The secret one.
    Private,
}

/// Makes an account.
///
/// # Errors
/// `CONFLICT` when the fixed id is taken.
pub async fn create_account(app: &App, new: NewAccount) -> Result<Account> {
    let created_at = app.now();
    insert_numbered(app, "account", new.id, Condition::Absent, |id| Account {
        id,
        slug: new.slug.clone().unwrap_or_else(|| slug(&new.name)),
        name: new.name.clone(),
        is_personal: new.is_personal,
        plan: new.plan.clone(),
        is_subscribed: new.is_subscribed,
        created_at,
    })
    .await
}

/// Makes a user.
///
/// # Errors
/// `CONFLICT` when the fixed id is taken.
pub async fn create_user(app: &App, new: NewUser) -> Result<User> {
    let created_at = app.now();
    insert_numbered(app, "user", new.id, Condition::Absent, |id| User {
        id,
        name: new.name.clone(),
        email: new.email.clone(),
        created_at,
    })
    .await
}

/// Makes a user a member of an account, or changes his role.
///
/// # Errors
/// `NOT_FOUND` when either is missing.
pub async fn put_membership(app: &App, account_id: i64, user_id: i64, role: Option<String>) -> Result<()> {
    account(app, account_id).await?;
    user(app, user_id).await?;
    let membership = Membership { account_id, user_id, role };
    app.storage
        .write(vec![Put::any(&membership)?, Put::any(&AccountOfUser { user_id, account_id })?])
        .await?;
    Ok(())
}

/// Makes an account API token and returns it; only its hash is kept. `token` fixes its text.
///
/// # Errors
/// `NOT_FOUND` when the account or user is missing; `CONFLICT` when the text is taken.
pub async fn create_api_token(
    app: &App,
    account_id: i64,
    user_id: i64,
    token: Option<String>,
) -> Result<String> {
    account(app, account_id).await?;
    user(app, user_id).await?;
    let token = token.unwrap_or_else(|| credentials::new_api_token(app));
    let record = ApiToken { hash: credentials::hash(&token), account_id, user_id, created_at: app.now() };
    app.storage.insert(&record).await?;
    Ok(token)
}

/// Makes a project.
///
/// # Errors
/// `NOT_FOUND` when the account is missing; `CONFLICT` when a fixed id or key is taken.
pub async fn create_project(app: &App, new: NewProject) -> Result<Project> {
    make_project(app, new, Condition::Absent).await
}

/// Makes a project of an account that has fewer than `most`, however many are made at once.
///
/// # Errors
/// As [`create_project`]; `TOO_MANY` when the account has as many.
pub async fn create_project_of(app: &App, new: NewProject, most: usize) -> Result<Project> {
    make_project(app, new, Condition::AbsentOf(most)).await
}

async fn make_project(app: &App, new: NewProject, room: Condition) -> Result<Project> {
    account(app, new.account_id).await?;
    let public_id = new.public_id.clone().unwrap_or_else(|| credentials::new_project_id(app));
    let created_at = app.now();
    insert_numbered(app, "project", new.id, room, |id| Project {
        id,
        public_id: public_id.clone(),
        account_id: new.account_id,
        name: new.name.clone(),
        description: new.description.clone(),
        is_active: true,
        scoring: Scoring {
            is_enabled: new.keys.is_some(),
            site_key: new.keys.as_ref().map(|keys| keys.site_key.clone()),
            private_key_hash: new.keys.as_ref().map(|keys| credentials::hash(&keys.private_key)),
            settings: new.settings,
            generation: 0,
        },
        detection: new.detection,
        created_at,
    })
    .await
}

/// Turns a project's scoring on; mints keys if it never had any.
///
/// # Errors
/// `NOT_FOUND` when the project is missing.
pub async fn enable_scoring(app: &App, project_id: i64) -> Result<EnabledScoring> {
    loop {
        let Versioned { value: mut project, version } = versioned_project(app, project_id).await?;
        if project.scoring.is_enabled {
            return Ok(EnabledScoring { project, private_key: None, was_off: false });
        }
        let mut private_key = None;
        if project.scoring.site_key.is_none() {
            project.scoring.site_key = Some(credentials::new_site_key(app));
        }
        if project.scoring.private_key_hash.is_none() {
            let key = credentials::new_private_key(app);
            project.scoring.private_key_hash = Some(credentials::hash(&key));
            private_key = Some(key);
        }
        project.scoring.is_enabled = true;
        let mut changes = vec![Put::new(&project, Condition::Version(version))?];
        changes.extend(project.indexes(Condition::Any)?);
        if write_tenants(app, changes).await? {
            return Ok(EnabledScoring { project, private_key, was_off: true });
        }
    }
}

/// Turns a project's scoring off; its keys stay and are refused.
///
/// # Errors
/// `NOT_FOUND` when the project is missing.
pub async fn disable_scoring(app: &App, project_id: i64) -> Result<Project> {
    change_project(app, project_id, |project| project.scoring.is_enabled = false).await
}

/// Replaces one key of a project; the old one is refused from now on.
///
/// # Errors
/// `NOT_FOUND` when the project is missing, `SCORING_NOT_ENABLED` when it has no scoring.
pub async fn rotate_key(app: &App, project_id: i64, kind: KeyKind) -> Result<String> {
    loop {
        let Versioned { value: mut project, version } = versioned_project(app, project_id).await?;
        if !project.scoring.is_enabled {
            return Err(scoring_not_enabled());
        }
        let mut changes = Vec::new();
        let key = match kind {
            KeyKind::Site => {
                let key = credentials::new_site_key(app);
                changes.extend(
                    project.scoring.site_key.replace(key.clone()).map(Put::delete::<ProjectBySiteKey>),
                );
                key
            }
            KeyKind::Private => {
                let key = credentials::new_private_key(app);
                let old = project.scoring.private_key_hash.replace(credentials::hash(&key));
                changes.extend(old.map(Put::delete::<ProjectByPrivateKey>));
                key
            }
        };
        changes.push(Put::new(&project, Condition::Version(version))?);
        changes.extend(project.indexes(Condition::Any)?);
        if write_tenants(app, changes).await? {
            return Ok(key);
        }
    }
}

/// 409: what was asked for needs scoring to be on.
pub fn scoring_not_enabled() -> Error {
    Error::conflict("Scoring is not enabled for this project.").with_code("SCORING_NOT_ENABLED")
}

/// Changes what verdicts do; seen by the next read.
///
/// # Errors
/// `NOT_FOUND` when the project is missing.
pub async fn change_settings(
    app: &App,
    project_id: i64,
    change: impl Fn(&mut ScoringSettings),
) -> Result<ScoringSettings> {
    let project = change_project(app, project_id, |project| {
        change(&mut project.scoring.settings);
        project.scoring.generation += 1;
    });
    Ok(project.await?.scoring.settings)
}

/// Changes a project; `change` may run again when another request was faster.
///
/// # Errors
/// `NOT_FOUND` when it is missing.
pub async fn change_project(app: &App, project_id: i64, change: impl Fn(&mut Project)) -> Result<Project> {
    loop {
        let Versioned { value: mut project, version } = versioned_project(app, project_id).await?;
        change(&mut project);
        if write_tenants(app, vec![Put::new(&project, Condition::Version(version))?]).await? {
            return Ok(project);
        }
    }
}

/// Deletes a project for good: it and its keys are refused from now on, and what was stored of it is erased by a task,
/// in its API families alike.
///
/// # Errors
/// `NOT_FOUND` when it is missing.
pub async fn delete_project(app: &App, project_id: i64) -> Result<Project> {
    loop {
        let Versioned { value: project, version } = versioned_project(app, project_id).await?;
        let mut changes = vec![Put {
            condition: Condition::Version(version),
            ..Put::delete::<Project>(project.id.to_string())
        }];
        changes.push(Put::delete::<ProjectByPublicId>(project.public_id.clone()));
        changes.extend(project.scoring.site_key.clone().map(Put::delete::<ProjectBySiteKey>));
        changes.extend(project.scoring.private_key_hash.clone().map(Put::delete::<ProjectByPrivateKey>));
        changes.push(Put::any(&Erasure::of(app, project.id))?);
        if write_tenants(app, changes).await? {
            return Ok(project);
        }
    }
}

/// Changes an account (its plan, its subscription); `change` may run again when another request was faster.
///
/// # Errors
/// `NOT_FOUND` when it is missing.
pub async fn change_account(app: &App, account_id: i64, change: impl Fn(&mut Account)) -> Result<Account> {
    loop {
        let found = app.storage.get::<Account>(&account_id.to_string()).await?;
        let Versioned { value: mut account, version } =
            found.ok_or_else(|| missing("account", account_id))?;
        change(&mut account);
        if write_tenants(app, vec![Put::new(&account, Condition::Version(version))?]).await? {
            return Ok(account);
        }
    }
}

/// The account.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn account(app: &App, id: i64) -> Result<Account> {
    let found = app.storage.get::<Account>(&id.to_string()).await?;
    found.map(|account| account.value).ok_or_else(|| missing("account", id))
}

/// The user.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn user(app: &App, id: i64) -> Result<User> {
    let found = app.storage.get::<User>(&id.to_string()).await?;
    found.map(|user| user.value).ok_or_else(|| missing("user", id))
}

/// The project.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn project(app: &App, id: i64) -> Result<Project> {
    Ok(versioned_project(app, id).await?.value)
}

/// The project of a `proj_` id.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn project_by_public_id(app: &App, public_id: &str) -> Result<Project> {
    match app.storage.get::<ProjectByPublicId>(public_id).await? {
        Some(index) => project(app, index.project_id).await,
        None => Err(Error::not_found("no such project")),
    }
}

/// The membership of a user in an account, if there is one.
///
/// # Errors
/// When storage does not answer.
pub async fn membership(app: &App, account_id: i64, user_id: i64) -> Result<Option<Membership>> {
    let found = app.storage.get::<Membership>(&membership_id(account_id, user_id)).await?;
    Ok(found.map(|membership| membership.value))
}

/// The memberships of a user, at most a thousand.
///
/// # Errors
/// When storage does not answer.
pub async fn memberships_of(app: &App, user_id: i64) -> Result<Vec<Membership>> {
    let mut memberships = Vec::new();
    for index in app.storage.list::<AccountOfUser>(&user_id.to_string(), None, 1_000).await? {
        memberships.extend(membership(app, index.account_id, user_id).await?);
    }
    Ok(memberships)
}

/// The users of an account, at most a thousand.
///
/// # Errors
/// When storage does not answer.
pub async fn users_of(app: &App, account_id: i64) -> Result<Vec<User>> {
    let mut users = Vec::new();
    for membership in app.storage.list::<Membership>(&account_id.to_string(), None, 1_000).await? {
        users.push(user(app, membership.user_id).await?);
    }
    Ok(users)
}

/// The projects of an account in the order of their ids, at most a thousand.
///
/// # Errors
/// When storage does not answer.
pub async fn projects_of(app: &App, account_id: i64) -> Result<Vec<Project>> {
    let found = app.storage.list::<Project>(&account_id.to_string(), None, 1_000).await?;
    let mut projects: Vec<Project> = found.into_iter().map(|project| project.value).collect();
    projects.sort_by_key(|project| project.id);
    Ok(projects)
}

/// All projects of an account.
///
/// # Errors
/// When storage does not answer.
pub async fn all_projects_of(app: &App, account_id: i64) -> Result<Vec<Project>> {
    let mut projects: Vec<Project> = Vec::new();
    loop {
        let after = projects.last().map(Record::id);
        let found = app.storage.list::<Project>(&account_id.to_string(), after.as_deref(), 1_000).await?;
        if found.is_empty() {
            return Ok(projects);
        }
        projects.extend(found.into_iter().map(|project| project.value));
    }
}

/// The user that a text names: by his integer id, or by an e-mail address that only one user has.
///
/// # Errors
/// `NOT_FOUND`; `CONFLICT` when several users have the address.
pub async fn find_user(app: &App, name: &str) -> Result<User> {
    if let Ok(id) = name.parse() {
        return user(app, id).await;
    }
    let (mut after, mut found) = (None::<String>, Vec::new());
    loop {
        let users = app.storage.list::<User>("", after.as_deref(), 1_000).await?;
        let Some(last) = users.last() else { break };
        after = Some(last.id());
        found.extend(users.into_iter().filter(|user| user.email.eq_ignore_ascii_case(name)));
    }
    match found.as_slice() {
        [user] => Ok(user.value.clone()),
        [] => Err(Error::not_found(format!("no user has the address {name}"))),
        users => {
            let ids: Vec<String> = users.iter().map(|user| user.id()).collect();
            let ids = ids.join(", ");
            Err(Error::conflict(format!("several users have the address {name}; name one by his id: {ids}")))
        }
    }
}

/// The record of an account API token, if it is known.
///
/// # Errors
/// When storage does not answer.
pub async fn api_token(app: &App, token: &str) -> Result<Option<ApiToken>> {
    let hash = credentials::hash(token);
    let found = app.storage.get::<ApiToken>(&hash).await?;
    Ok(found.map(|record| record.value).filter(|record| same_secret(&record.hash, &hash)))
}

/// The project that scores with this site key, with its account.
///
/// # Errors
/// When storage does not answer.
pub async fn site_by_site_key(app: &App, key: &str) -> Result<Option<Site>> {
    let Some(index) = app.storage.get::<ProjectBySiteKey>(key).await? else { return Ok(None) };
    let site = site(app, index.project_id).await?;
    Ok(site.filter(|site| site.project.scoring.site_key.as_deref() == Some(key)))
}

/// The project that scores with the private key of this hash, with its account.
///
/// # Errors
/// When storage does not answer.
pub async fn site_by_private_key(app: &App, hash: &str) -> Result<Option<Site>> {
    let Some(index) = app.storage.get::<ProjectByPrivateKey>(hash).await? else { return Ok(None) };
    let site = site(app, index.project_id).await?;
    let is_current = |site: &Site| {
        site.project.scoring.private_key_hash.as_deref().is_some_and(|current| same_secret(current, hash))
    };
    Ok(site.filter(is_current))
}

async fn site(app: &App, project_id: i64) -> Result<Option<Site>> {
    let project = project(app, project_id).await?;
    if !project.scoring.is_enabled {
        return Ok(None);
    }
    let account = account(app, project.account_id).await?;
    Ok(Some(Site { project, account }))
}

impl Project {
    fn indexes(&self, condition: Condition) -> storage::Result<Vec<Put>> {
        let by_public_id = ProjectByPublicId { public_id: self.public_id.clone(), project_id: self.id };
        let mut puts = vec![Put::new(&by_public_id, condition)?];
        if let Some(site_key) = self.scoring.site_key.clone() {
            puts.push(Put::new(&ProjectBySiteKey { site_key, project_id: self.id }, condition)?);
        }
        if let Some(hash) = self.scoring.private_key_hash.clone() {
            puts.push(Put::new(&ProjectByPrivateKey { hash, project_id: self.id }, condition)?);
        }
        Ok(puts)
    }
}

/// A record with an integer id, and the rows that find it.
trait Numbered: Record {
    /// The rows that are written besides the record.
    fn further_rows(&self) -> storage::Result<Vec<Put>> {
        Ok(Vec::new())
    }
}

impl Numbered for Account {}

impl Numbered for User {}

impl Numbered for Project {
    fn further_rows(&self) -> storage::Result<Vec<Put>> {
        self.indexes(Condition::Absent)
    }
}

async fn insert_numbered<T: Numbered>(
    app: &App,
    name: &str,
    fixed: Option<i64>,
    room: Condition,
    make: impl Fn(i64) -> T,
) -> Result<T> {
    for _ in 0..16 {
        let last = app.storage.get::<LastId>(name).await?;
        let highest = last.as_ref().map_or(0, |last| last.value.value);
        let id = fixed.unwrap_or(highest + 1);
        let record = make(id);
        if app.storage.get::<T>(&record.id()).await?.is_some() {
            return Err(Error::conflict(format!("{name} {id} exists already")));
        }
        let next = LastId { name: name.to_owned(), value: highest.max(id) };
        let condition = last.map_or(Condition::Absent, |last| Condition::Version(last.version));
        let mut changes = vec![Put::new(&next, condition)?];
        changes.push(Put::new(&record, room)?);
        changes.extend(record.further_rows()?);
        if write_tenants(app, changes).await? {
            return Ok(record);
        }
    }
    Err(Error::conflict(format!("the {name} could not be made: a fixed id or key is taken")))
}

/// Writes and makes every cached caller stale; false when a condition did not hold.
pub(crate) async fn write_tenants(app: &App, changes: Vec<Put>) -> Result<bool> {
    let outcome = app.storage.write(changes).await;
    app.callers.forget();
    match outcome {
        Ok(()) => Ok(true),
        Err(storage::Error::Conflict) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The project with the version that guards its next write.
pub(crate) async fn versioned_project(app: &App, id: i64) -> Result<Versioned<Project>> {
    app.storage.get::<Project>(&id.to_string()).await?.ok_or_else(|| missing("project", id))
}

fn missing(name: &str, id: i64) -> Error {
    Error::not_found(format!("no {name} {id}"))
}

fn same_secret(left: &str, right: &str) -> bool {
    encoding::equal_in_constant_time(left.as_bytes(), right.as_bytes())
}

fn slug(name: &str) -> String {
    let words =
        name.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}
