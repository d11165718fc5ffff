//! Registered apps: tenants of this family, one for each e-mail address.

mod read;
mod rotation;
mod settings;
mod sign_up;

use http::request::Parts;
use quivive_core::crypto::hmac_sha256;
use quivive_core::{Timestamp, encoding};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use self::rotation::replace_secret;
pub(super) use self::settings::change_settings;
use super::gate;
use super::owner::{self, Proof};
use super::wire;
use crate::app::App;
use crate::error::{Error, Result};
use crate::storage::{self, Condition, Record, Versioned};

/// An app.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RegisteredApp {
    /// `app_` and 16 hexadecimal digits, unless configured.
    pub id: String,
    /// Shown to people.
    pub name: Option<String>,
    /// The owner's address, in lower case.
    pub email: Option<String>,
    /// Whether the owner has proven the address.
    pub is_email_verified: bool,
    /// SHA-256 of the secret; nothing for an app that nobody owns.
    pub secret_hash: Option<String>,
    /// Challenges per hour.
    pub rate_limit: u32,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Good for challenges and tokens only.
    pub is_demo: bool,
    /// Who may register agents.
    #[serde(default)]
    pub registration_policy: RegistrationPolicy,
    /// If there are any, the only audiences that tokens of this app may be asked for.
    #[serde(default)]
    pub allowed_audiences: Vec<String>,
    /// When the secret was last replaced: what was made before with the former one holds no more.
    #[serde(default)]
    pub credentials_rotated_at: Option<Timestamp>,
}

/// Who may register agents in an app.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationPolicy {
    /// Whoever has a token of the app; such agents are marked as not confirmed by the owner.
    #[default]
    Open,
    /// Whoever brings a pairing code of the owner, or proves to be the owner.
    Paired,
}

impl Record for RegisteredApp {
    const KIND: &'static str = "app";

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// Which app an address belongs to. The address itself is with the app.
#[derive(Debug, Deserialize, Serialize)]
struct AppEmail {
    /// Keyed hash of the address.
    hash: String,
    app_id: String,
}

impl Record for AppEmail {
    const KIND: &'static str = "app_email";

    fn id(&self) -> String {
        self.hash.clone()
    }
}

/// Who has an address.
pub(super) struct Holder {
    /// The app.
    pub app: Option<RegisteredApp>,
    /// What must be true of the index for another app to get the address.
    is_free_if: Condition,
}

/// The routes.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(sign_up::sign_up))
        .routes(routes!(read::read))
        .routes(routes!(rotation::rotate))
        .routes(routes!(settings::change))
}

/// The app of that id.
///
/// # Errors
/// If storage does not answer.
pub async fn find(app: &App, id: &str) -> Result<Option<RegisteredApp>> {
    Ok(find_versioned(app, id).await?.map(|found| found.value))
}

/// As [`find`], with the version that guards a change.
pub(super) async fn find_versioned(app: &App, id: &str) -> Result<Option<Versioned<RegisteredApp>>> {
    if id.len() > LONGEST_ID {
        return Ok(None);
    }
    Ok(app.storage.get::<RegisteredApp>(id).await?)
}

/// The app of an address in its one spelling. The steps are the same whether there is one or not.
///
/// # Errors
/// If storage does not answer.
pub async fn find_by_email(app: &App, email: &str) -> Result<Option<RegisteredApp>> {
    Ok(holder(app, email).await?.app)
}

async fn holder(app: &App, email: &str) -> Result<Holder> {
    let index = app.storage.get::<AppEmail>(&email_hash(app, email)).await?;
    let found = find(app, index.as_ref().map_or(NOBODY, |index| &index.app_id)).await?;
    // An entry whose app is gone holds nothing.
    let is_free_if = match index {
        Some(index) if found.is_none() => Condition::Version(index.version),
        _ => Condition::Absent,
    };
    Ok(Holder { app: found, is_free_if })
}

/// An address in its one spelling: trimmed, in lower case.
pub fn normalize_email(text: &str) -> String {
    text.trim().to_lowercase()
}

/// What stands for an address wherever the address itself is not needed.
pub(super) fn email_hash(app: &App, email: &str) -> String {
    encoding::hex(&hmac_sha256(&app.keys.derive("app-emails"), email.as_bytes()))
}

/// The id of no app, for steps that are done as if there were one.
pub(super) const NOBODY: &str = "nobody";

/// The proof that a request comes from the owner of an app whose address is verified.
///
/// # Errors
/// 404 `APP_NOT_FOUND`, 401 `UNAUTHORIZED`, 403 `EMAIL_NOT_VERIFIED`; else as [`owner::prove`].
pub(super) async fn prove_verified(
    app: &App,
    parts: &Parts,
    body: &Map<String, Value>,
    id: &str,
) -> wire::Result<Proof> {
    if find(app, id).await?.is_none() {
        return Err(gone().into());
    }
    let proof = owner::prove(app, parts, body, id).await?.ok_or_else(unauthorized)?;
    if !proof.app.is_email_verified {
        return Err(gate::unverified(gate::origin(parts), id).into());
    }
    Ok(proof)
}

/// The refusal of whoever does not prove that an app is his.
pub(super) fn unauthorized() -> Error {
    let message = "Send the app's secret as app_secret or X-App-Secret, or a dashboard session of the app";
    Error::unauthenticated(message).with_code("UNAUTHORIZED")
}

/// The refusal of an id that no app has.
pub(super) fn gone() -> Error {
    Error::not_found("There is no app of this id").with_code("APP_NOT_FOUND")
}

/// Makes the demo app at the first start: verified, without a secret, so that nobody can own it.
pub(super) async fn create_demo(app: &App) -> Result<()> {
    let demo = RegisteredApp {
        id: app.config.botcha.internal_app_id.clone(),
        name: Some("Demo".to_owned()),
        email: None,
        is_email_verified: true,
        secret_hash: None,
        rate_limit: app.config.limits.challenges_per_hour,
        created_at: app.now(),
        is_demo: true,
        registration_policy: RegistrationPolicy::Paired,
        allowed_audiences: Vec::new(),
        credentials_rotated_at: None,
    };
    match app.storage.insert(&demo).await {
        Ok(()) | Err(storage::Error::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

const LONGEST_ID: usize = 64;
