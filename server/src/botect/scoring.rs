//! A project's scoring: turning it on, replacing its keys, changing what verdicts do.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use quivive_core::score::{BotSettings, Threshold};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::OwnedProject;
use super::wire::{ErrorBody, Failure, JsonBody, Result};
use crate::app::App;
use crate::tenant::ScoringSettings;
use crate::tenant::directory::{self, KeyKind};

/// The keys and settings of a project's scoring.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotectScoring)]
pub struct Scoring {
    /// The public key for pages.
    site_key: String,
    /// The secret key, shown at the first enablement only.
    private_key: Option<String>,
    /// The toggles.
    bot_settings: Toggles,
    /// Scores below it are `likely_automated`.
    #[schema(minimum = 1, maximum = 99)]
    likely_bot_threshold: u8,
}

/// What verdicts do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotectSettings)]
pub struct Settings {
    /// The toggles.
    bot_settings: Toggles,
    /// Scores below it are `likely_automated`.
    #[schema(minimum = 1, maximum = 99)]
    likely_bot_threshold: u8,
}

/// The toggles.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotectToggles)]
#[expect(clippy::struct_excessive_bools, reason = "four independent toggles of the wire")]
pub struct Toggles {
    /// Verified bots are allowed before anything else.
    allow_verified: bool,
    /// When false, requests for static files are always allowed.
    protect_static: bool,
    /// The band `definite` is blocked.
    block_definite: bool,
    /// The band `likely_automated` is challenged.
    challenge_likely: bool,
}

/// Settings to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = BotectChangeSettings)]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct ChangeSettings {
    /// Verified bots are allowed before anything else.
    #[schema(nullable = false)]
    allow_verified: Option<bool>,
    /// When false, requests for static files are always allowed.
    #[schema(nullable = false)]
    protect_static: Option<bool>,
    /// The band `definite` is blocked.
    #[schema(nullable = false)]
    block_definite: Option<bool>,
    /// The band `likely_automated` is challenged.
    #[schema(nullable = false)]
    challenge_likely: Option<bool>,
    /// Scores below it are `likely_automated`.
    #[schema(nullable = false, minimum = 1, maximum = 99)]
    likely_bot_threshold: Option<u8>,
}

/// Which key to replace.
#[derive(Deserialize, ToSchema)]
#[schema(as = BotectRotateKey)]
#[expect(dead_code, reason = "documents the body, which is read by hand")]
pub struct RotateKey {
    /// The key.
    r#type: KeyType,
}

/// A new key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotectNewKey)]
pub struct NewKey {
    /// Which key.
    r#type: KeyType,
    /// The key; a private one is not shown again.
    key: String,
}

/// A project's two keys.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = BotectKeyType)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// The public key.
    Site,
    /// The secret key.
    Private,
}

/// Turn a project's scoring on.
///
/// Repeatable; the private key is shown the first time only.
#[utoipa::path(
    post, path = "/v1/projects/{project}/scoring", tag = "botect", operation_id = "botect_enable_scoring",
    params(("project" = i64, Path, description = "The project's integer id")),
    security(("account_token" = [])),
    responses(
        (status = 201, body = Scoring), (status = 200, body = Scoring),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    ),
)]
async fn enable(
    State(app): State<App>,
    OwnedProject(project): OwnedProject,
) -> Result<(StatusCode, Json<Scoring>)> {
    let is_first = project.scoring.private_key_hash.is_none();
    let enabled = directory::enable_scoring(&app, project.id).await?;
    let status = if is_first && enabled.was_off { StatusCode::CREATED } else { StatusCode::OK };
    let scoring = enabled.project.scoring;
    let Settings { bot_settings, likely_bot_threshold } = scoring.settings.into();
    let site_key = scoring.site_key.unwrap_or_default();
    Ok((
        status,
        Json(Scoring { site_key, private_key: enabled.private_key, bot_settings, likely_bot_threshold }),
    ))
}

/// Replace one of a project's keys.
///
/// The old key is refused from then on. Page tokens, session cookies and path hashes of backend packages are keyed
/// with the private key, so replacing it ends them all.
#[utoipa::path(
    post, path = "/v1/projects/{project}/scoring/rotate", tag = "botect", operation_id = "botect_rotate_key",
    params(("project" = i64, Path, description = "The project's integer id")),
    request_body = RotateKey,
    security(("account_token" = [])),
    responses(
        (status = 200, body = NewKey),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
        (status = 422, body = ErrorBody),
    ),
)]
async fn rotate(
    State(app): State<App>,
    OwnedProject(project): OwnedProject,
    body: Result<JsonBody>,
) -> Result<Json<NewKey>> {
    if !project.scoring.is_enabled {
        return Err(directory::scoring_not_enabled().into());
    }
    let r#type = match body?.0.get("type").and_then(Value::as_str) {
        Some("site") => KeyType::Site,
        Some("private") => KeyType::Private,
        _ => return Err(refuse("type", "must be site or private")),
    };
    let kind = match r#type {
        KeyType::Site => KeyKind::Site,
        KeyType::Private => KeyKind::Private,
    };
    let key = directory::rotate_key(&app, project.id, kind).await?;
    Ok(Json(NewKey { r#type, key }))
}

/// Change what verdicts do; the next read sees it.
#[utoipa::path(
    put, path = "/v1/projects/{project}/scoring/settings", tag = "botect", operation_id = "botect_change_settings",
    params(("project" = i64, Path, description = "The project's integer id")),
    request_body = ChangeSettings,
    security(("account_token" = [])),
    responses(
        (status = 200, body = Settings),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    ),
)]
async fn change(
    State(app): State<App>,
    OwnedProject(project): OwnedProject,
    body: Result<JsonBody>,
) -> Result<Json<Settings>> {
    let body = body?.0;
    let change = Change::read(&body)?;
    let settings = directory::change_settings(&app, project.id, |settings| change.apply(settings)).await?;
    Ok(Json(settings.into()))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(enable)).routes(routes!(rotate)).routes(routes!(change))
}

/// A checked change; JSON types are strict, unknown members are ignored.
struct Change {
    allow_verified: Option<bool>,
    protect_static: Option<bool>,
    block_definite: Option<bool>,
    challenge_likely: Option<bool>,
    likely_bot_threshold: Option<Threshold>,
}

impl Change {
    fn read(body: &Value) -> Result<Self> {
        let toggle = |name: &str| match body.get(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(refuse(name, "must be true or false")),
        };
        let likely_bot_threshold = match body.get("likely_bot_threshold") {
            None => None,
            Some(value) => {
                let threshold = serde_json::from_value(value.clone());
                Some(
                    threshold
                        .map_err(|_| refuse("likely_bot_threshold", "must be an integer from 1 to 99"))?,
                )
            }
        };
        Ok(Self {
            allow_verified: toggle("allow_verified")?,
            protect_static: toggle("protect_static")?,
            block_definite: toggle("block_definite")?,
            challenge_likely: toggle("challenge_likely")?,
            likely_bot_threshold,
        })
    }

    fn apply(&self, settings: &mut ScoringSettings) {
        let toggles = &mut settings.bot_settings;
        for (toggle, value) in [
            (&mut toggles.allow_verified, self.allow_verified),
            (&mut toggles.protect_static, self.protect_static),
            (&mut toggles.block_definite, self.block_definite),
            (&mut toggles.challenge_likely, self.challenge_likely),
        ] {
            *toggle = value.unwrap_or(*toggle);
        }
        settings.likely_bot_threshold = self.likely_bot_threshold.unwrap_or(settings.likely_bot_threshold);
    }
}

impl From<ScoringSettings> for Settings {
    fn from(settings: ScoringSettings) -> Self {
        let BotSettings { allow_verified, protect_static, block_definite, challenge_likely } =
            settings.bot_settings;
        Self {
            bot_settings: Toggles { allow_verified, protect_static, block_definite, challenge_likely },
            likely_bot_threshold: settings.likely_bot_threshold.get(),
        }
    }
}

fn refuse(path: &str, rule: &str) -> Failure {
    let mut failure = Failure::invalid_payload(format!("{path} {rule}."));
    failure.0 = failure.0.with("path", path);
    failure
}
