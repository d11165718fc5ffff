//! The pixels of a project: made, listed, changed, deleted.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::body::{self, Reader};
use super::path::Path;
use super::projects_write::actor;
use super::wire::{ErrorBody, Failure, Fault, Result};
use crate::app::App;
use crate::audit;
use crate::tenant::Project;
use crate::tenant::detection_key::Scope;
use crate::tenant::pixel::{self, MOST_PIXELS, Pixel, PixelSettings};

/// Bounds of `batchSize`.
pub const BATCH_SIZE: (u32, u32) = (1, 100);

/// Bounds of `flushInterval` in milliseconds.
pub const FLUSH_INTERVAL: (u32, u32) = (100, 60_000);

/// Bounds of `sessionTimeout` in milliseconds.
pub const SESSION_TIMEOUT: (u32, u32) = (60_000, 86_400_000);

/// A pixel that is to be made or changed.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldNewPixel)]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct NewPixel {
    /// Settings; those that are not named keep their value.
    #[schema(nullable = false)]
    settings: Option<ChangedSettings>,
}

/// Settings of a pixel that are to be set.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldChangedPixelSettings)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct ChangedSettings {
    /// Whether it takes events.
    #[schema(nullable = false)]
    enabled: Option<bool>,
    /// Paths on which the script reports nothing.
    #[schema(nullable = false, max_items = 100)]
    skip_paths: Option<Vec<String>>,
    /// Domains whose pages may send events.
    #[schema(nullable = false, max_items = 100)]
    allowed_domains: Option<Vec<String>>,
    /// Events that the script collects before it sends them.
    #[schema(nullable = false, minimum = 1, maximum = 100)]
    batch_size: Option<u32>,
    /// Milliseconds after which the script sends what it has.
    #[schema(nullable = false, minimum = 100, maximum = 60_000)]
    flush_interval: Option<u32>,
    /// Milliseconds without an event after which the script begins a new session.
    #[schema(nullable = false, minimum = 60_000, maximum = 86_400_000)]
    session_timeout: Option<u32>,
    /// Whether a visitor who asks not to be tracked is only counted.
    #[schema(nullable = false)]
    respect_do_not_track: Option<bool>,
    /// Whether the script reports what it sees of the browser.
    #[schema(nullable = false)]
    enable_fingerprinting: Option<bool>,
    /// Whether the script writes what it does to the browser's console.
    #[schema(nullable = false)]
    debug: Option<bool>,
}

/// A pixel.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldPixel)]
#[serde(rename_all = "camelCase")]
pub struct PixelItem {
    /// Its id, public.
    id: String,
    /// Its project.
    project_id: String,
    /// What it does.
    settings: PixelSettings,
    /// When it was made.
    created_at: String,
    /// Requests of this UTC day whose visitor asked not to be tracked; they are counted and no more.
    untracked_today: i64,
}

/// The pixels of a project.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldPixels)]
pub struct PixelList {
    /// In the order in which they were made.
    pixels: Vec<PixelItem>,
}

/// Make a pixel.
#[utoipa::path(
    post, path = "/api/v1/projects/{projectId}/pixels", tag = "agentshield",
    operation_id = "agentshield_create_pixel",
    params(("projectId" = String, Path)),
    request_body = NewPixel,
    security(("api_key" = [])),
    responses(
        (status = 201, body = PixelItem), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn create(
    State(app): State<App>,
    key: ApiKey,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<PixelItem>)> {
    let project = project(&app, &key, Scope::Write, &id).await?;
    let change = change_of(request).await?;
    if pixel::list(&app, project.id).await?.len() >= MOST_PIXELS {
        return Err(Failure::invalid(&[Fault::new("pixels", "too_many").with("max", MOST_PIXELS)]));
    }
    let mut settings = PixelSettings::default();
    change.apply(&mut settings);
    let made = pixel::create(&app, project.id, settings, None).await?;
    note(&app, &key, "pixel.created", &made).await?;
    Ok((StatusCode::CREATED, Json(item(&app, &project, made).await?)))
}

/// List the pixels of a project.
#[utoipa::path(
    get, path = "/api/v1/projects/{projectId}/pixels", tag = "agentshield",
    operation_id = "agentshield_list_pixels",
    params(("projectId" = String, Path)),
    security(("api_key" = [])),
    responses(
        (status = 200, body = PixelList), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn list(State(app): State<App>, key: ApiKey, Path(id): Path<String>) -> Result<Json<PixelList>> {
    let project = project(&app, &key, Scope::Read, &id).await?;
    let mut pixels = Vec::new();
    for pixel in pixel::list(&app, project.id).await? {
        pixels.push(item(&app, &project, pixel).await?);
    }
    Ok(Json(PixelList { pixels }))
}

/// Read a pixel.
#[utoipa::path(
    get, path = "/api/v1/projects/{projectId}/pixels/{pixelId}", tag = "agentshield",
    operation_id = "agentshield_read_pixel_settings",
    params(("projectId" = String, Path), ("pixelId" = String, Path)),
    security(("api_key" = [])),
    responses(
        (status = 200, body = PixelItem), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn read(
    State(app): State<App>,
    key: ApiKey,
    Path((project, id)): Path<(String, String)>,
) -> Result<Json<PixelItem>> {
    let project = self::project(&app, &key, Scope::Read, &project).await?;
    let found = pixel::read(&app, project.id, &id).await?;
    Ok(Json(item(&app, &project, found).await?))
}

/// Change the settings of a pixel.
#[utoipa::path(
    patch, path = "/api/v1/projects/{projectId}/pixels/{pixelId}", tag = "agentshield",
    operation_id = "agentshield_change_pixel",
    params(("projectId" = String, Path), ("pixelId" = String, Path)),
    request_body = NewPixel,
    security(("api_key" = [])),
    responses(
        (status = 200, body = PixelItem), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn change(
    State(app): State<App>,
    key: ApiKey,
    Path((project, id)): Path<(String, String)>,
    request: Request,
) -> Result<Json<PixelItem>> {
    let project = self::project(&app, &key, Scope::Write, &project).await?;
    let change = change_of(request).await?;
    let before = pixel::read(&app, project.id, &id).await?;
    let changed = pixel::change(&app, project.id, &id, |settings| change.apply(settings)).await?;
    note_change(&app, &key, &before, &changed).await?;
    Ok(Json(item(&app, &project, changed).await?))
}

/// Delete a pixel; what it recorded stays.
#[utoipa::path(
    delete, path = "/api/v1/projects/{projectId}/pixels/{pixelId}", tag = "agentshield",
    operation_id = "agentshield_delete_pixel",
    params(("projectId" = String, Path), ("pixelId" = String, Path)),
    security(("api_key" = [])),
    responses(
        (status = 204, description = "It is gone"), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 429, body = ErrorBody),
        (status = 500, body = ErrorBody),
    ),
)]
async fn delete(
    State(app): State<App>,
    key: ApiKey,
    Path((project, id)): Path<(String, String)>,
) -> Result<StatusCode> {
    let project = self::project(&app, &key, Scope::Write, &project).await?;
    let before = pixel::read(&app, project.id, &id).await?;
    pixel::delete(&app, project.id, &id).await?;
    note(&app, &key, "pixel.deleted", &before).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(read, change, delete))
}

/// Checked settings that are to be set.
#[derive(Debug, Default)]
pub struct Change {
    enabled: Option<bool>,
    skip_paths: Option<Vec<String>>,
    allowed_domains: Option<Vec<String>>,
    batch_size: Option<u32>,
    flush_interval: Option<u32>,
    session_timeout: Option<u32>,
    respect_do_not_track: Option<bool>,
    enable_fingerprinting: Option<bool>,
    debug: Option<bool>,
}

impl Change {
    /// Reads the settings that an object names.
    pub fn read(reader: &mut Reader, settings: &Map<String, Value>) -> Self {
        Self {
            enabled: reader.truth(settings, "enabled", "enabled"),
            skip_paths: texts(reader, settings, "skipPaths", is_pattern),
            allowed_domains: texts(reader, settings, "allowedDomains", is_domain),
            batch_size: within(reader, settings, "batchSize", BATCH_SIZE),
            flush_interval: within(reader, settings, "flushInterval", FLUSH_INTERVAL),
            session_timeout: within(reader, settings, "sessionTimeout", SESSION_TIMEOUT),
            respect_do_not_track: reader.truth(settings, "respectDoNotTrack", "respectDoNotTrack"),
            enable_fingerprinting: reader.truth(settings, "enableFingerprinting", "enableFingerprinting"),
            debug: reader.truth(settings, "debug", "debug"),
        }
    }

    /// Sets them; the others keep their value.
    pub fn apply(&self, settings: &mut PixelSettings) {
        let lower =
            |domains: &Vec<String>| domains.iter().map(|domain| domain.to_ascii_lowercase()).collect();
        *settings = PixelSettings {
            enabled: self.enabled.unwrap_or(settings.enabled),
            skip_paths: self.skip_paths.clone().unwrap_or_else(|| settings.skip_paths.clone()),
            allowed_domains: self
                .allowed_domains
                .as_ref()
                .map_or_else(|| settings.allowed_domains.clone(), lower),
            batch_size: self.batch_size.unwrap_or(settings.batch_size),
            flush_interval: self.flush_interval.unwrap_or(settings.flush_interval),
            session_timeout: self.session_timeout.unwrap_or(settings.session_timeout),
            respect_do_not_track: self.respect_do_not_track.unwrap_or(settings.respect_do_not_track),
            enable_fingerprinting: self.enable_fingerprinting.unwrap_or(settings.enable_fingerprinting),
            debug: self.debug.unwrap_or(settings.debug),
        };
    }
}

async fn change_of(request: Request) -> Result<Change> {
    let body = body::object(&body::collect(request.into_body(), BODY_LIMIT).await?)?;
    let mut reader = Reader::default();
    let change = match reader.object(&body, "settings") {
        Some(settings) => reader.within("settings", |reader| Change::read(reader, settings)),
        None => Change::default(),
    };
    reader.finish(change)
}

async fn project(app: &App, key: &ApiKey, scope: Scope, id: &str) -> Result<Project> {
    key.require(scope)?;
    key.project_at(app, id).await
}

/// Notes in the audit trail that a pixel was made or deleted.
async fn note(app: &App, key: &ApiKey, action: &str, pixel: &Pixel) -> Result<()> {
    let details = json!({ "id": pixel.id, "settings": pixel.settings });
    Ok(audit::record(app, &pixel.project_id.to_string(), &actor(key), action, details).await?)
}

async fn note_change(app: &App, key: &ApiKey, before: &Pixel, after: &Pixel) -> Result<()> {
    let details = json!({ "id": after.id, "before": before.settings, "after": after.settings });
    Ok(audit::record(app, &after.project_id.to_string(), &actor(key), "pixel.changed", details).await?)
}

async fn item(app: &App, project: &Project, pixel: Pixel) -> Result<PixelItem> {
    Ok(PixelItem {
        untracked_today: pixel::untracked_today(app, &pixel.id).await?,
        id: pixel.id,
        project_id: project.public_id.clone(),
        settings: pixel.settings,
        created_at: pixel.created_at.to_seconds_text(),
    })
}

fn within(
    reader: &mut Reader,
    settings: &Map<String, Value>,
    name: &str,
    (least, most): (u32, u32),
) -> Option<u32> {
    let number = reader.count(settings, name, name)?;
    if !(least..=most).contains(&number) {
        reader.push(Fault::new(name, "out_of_range").with("min", least).with("max", most));
        return None;
    }
    Some(number)
}

/// A list of at most a hundred texts of a form.
fn texts(
    reader: &mut Reader,
    settings: &Map<String, Value>,
    name: &str,
    has_form: impl Fn(&str) -> bool,
) -> Option<Vec<String>> {
    let Some(items) = settings.get(name)?.as_array() else {
        reader.fault(name, "type");
        return None;
    };
    if items.len() > MOST_TEXTS {
        reader.push(Fault::new(name, "too_many").with("max", MOST_TEXTS));
        return None;
    }
    let mut texts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match item.as_str() {
            Some(text) if has_form(text) => texts.push(text.to_owned()),
            Some(_) => reader.fault(&format!("{name}[{index}]"), "format"),
            None => reader.fault(&format!("{name}[{index}]"), "type"),
        }
    }
    Some(texts)
}

fn is_pattern(text: &str) -> bool {
    text.starts_with(['/', '*']) && text.len() <= 512
}

/// A host name or address as it stands in an origin, without scheme, port and brackets.
fn is_domain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
}

const BODY_LIMIT: usize = 65_536;
const MOST_TEXTS: usize = 100;
