//! Making, changing and deleting projects.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::body::{self, Reader};
use super::path::Path;
use super::projects::{ProjectDetails, details};
use super::wire::{ErrorBody, Failure, Fault, Result};
use crate::app::App;
use crate::audit::{self, Actor};
use crate::error::{Error, ErrorKind};
use crate::tenant::detection_key::{self, Scope};
use crate::tenant::directory::{self, NewProject};
use crate::tenant::{Detection, IpMode, Project};

/// A project to be made.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldNewProject)]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct NewProjectBody {
    /// Shown to people; 1 to 255 characters, no control characters.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\x00-\x20\x7F-\xA0][^\x00-\x1F\x7F-\x9F]*$"
    )]
    name: String,
    /// What it is for.
    #[schema(max_length = 2000, nullable = false)]
    description: Option<String>,
    /// How detection works in it.
    #[schema(nullable = false)]
    settings: Option<SettingsBody>,
}

/// Changes of a project; what is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldProjectChanges)]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct ProjectChanges {
    /// Shown to people; 1 to 255 characters, no control characters.
    #[schema(
        min_length = 1,
        max_length = 255,
        nullable = false,
        pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\x00-\x20\x7F-\xA0][^\x00-\x1F\x7F-\x9F]*$"
    )]
    name: Option<String>,
    /// What it is for.
    #[schema(max_length = 2000, nullable = false)]
    description: Option<String>,
    /// Whether it is in use.
    #[schema(nullable = false)]
    status: Option<ProjectStatus>,
    /// How detection works in it.
    #[schema(nullable = false)]
    settings: Option<SettingsBody>,
}

/// Whether a project is in use.
#[derive(Clone, Copy, Deserialize, PartialEq, ToSchema)]
#[schema(as = AgentshieldProjectState)]
#[serde(rename_all = "snake_case")]
pub enum ProjectStatus {
    /// In use.
    Active,
    /// Not in use.
    Inactive,
}

/// How detection works in a project; what is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldSettingsChanges)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct SettingsBody {
    /// When off, every request is answered as unknown and nothing is recorded.
    #[schema(nullable = false)]
    detection_enabled: Option<bool>,
    /// Whether middleware enforces what the policy says.
    #[schema(nullable = false)]
    blocking_enabled: Option<bool>,
    /// Confidence from which a request counts as a bot.
    #[schema(minimum = 0, maximum = 1, nullable = false)]
    detection_threshold: Option<f64>,
    /// What is kept of visitors' addresses: `full`, `truncated`, `hashed` or `none`.
    #[schema(value_type = Option<String>, nullable = false, pattern = "^(full|truncated|hashed|none)$")]
    ip_mode: Option<IpMode>,
    /// Days that rows of detections are kept; null for the server's own figure.
    #[schema(minimum = 1, maximum = 3650)]
    retention_days: Option<u32>,
    /// Share of rows of people that are kept; counters count all.
    #[schema(minimum = 0, maximum = 1, nullable = false)]
    human_rows: Option<f64>,
    /// Whether query strings of addresses are kept.
    #[schema(nullable = false)]
    keep_query: Option<bool>,
}

/// Make a project.
#[utoipa::path(
    post, path = "/api/v1/projects", tag = "agentshield", operation_id = "agentshield_create_project",
    request_body = NewProjectBody,
    security(("api_key" = [])),
    responses(
        (status = 201, body = ProjectDetails), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 413, body = ErrorBody), (status = 429, body = ErrorBody),
        (status = 500, body = ErrorBody),
    ),
)]
async fn create(
    State(app): State<App>,
    key: ApiKey,
    request: Request,
) -> Result<(StatusCode, Json<ProjectDetails>)> {
    key.require(Scope::Write)?;
    if key.holder().key.projects.is_some() {
        // The new project would lie outside the key's list.
        return Err(Failure::forbidden("project"));
    }
    let body = body::object(&body::collect(request.into_body(), BODY_LIMIT).await?)?;
    let mut reader = Reader::default();
    if !body.contains_key("name") {
        reader.fault("name", "required");
    }
    let changes = Changes::read(&mut reader, &body);
    let changes = reader.finish(changes)?;
    let account_id = key.holder().account.id;
    let mut detection = Detection::default();
    changes.settings.apply(&mut detection);
    let new = NewProject {
        account_id,
        name: changes.name.unwrap_or_default(),
        description: changes.description.unwrap_or_default(),
        detection,
        ..NewProject::default()
    };
    let made = directory::create_project_of(&app, new, MOST_PROJECTS).await;
    let project = made.map_err(|error| match error.code() {
        "TOO_MANY" => Failure::invalid(&[Fault::new("body", "too_many").with("max", MOST_PROJECTS)]),
        _ => error.into(),
    })?;
    let noted = json!({ "id": project.public_id, "after": summary(&project) });
    audit::record(&app, &project.id.to_string(), &actor(&key), "project.created", noted).await?;
    Ok((StatusCode::CREATED, Json(details(&app, project).await?)))
}

/// Change a project.
#[utoipa::path(
    patch, path = "/api/v1/projects/{projectId}", tag = "agentshield", operation_id = "agentshield_change_project",
    params(("projectId" = String, Path, description = "The project")),
    request_body = ProjectChanges,
    security(("api_key" = [])),
    responses(
        (status = 200, body = ProjectDetails), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn change(
    State(app): State<App>,
    key: ApiKey,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ProjectDetails>> {
    key.require(Scope::Write)?;
    let project = key.project_at(&app, &id).await?;
    let body = body::object(&body::collect(request.into_body(), BODY_LIMIT).await?)?;
    let changed = alter(&app, &project, &actor(&key), &body).await?;
    Ok(Json(details(&app, changed).await?))
}

/// Delete a project, with everything that is stored of it.
#[utoipa::path(
    delete, path = "/api/v1/projects/{projectId}", tag = "agentshield",
    operation_id = "agentshield_delete_project",
    params(("projectId" = String, Path, description = "The project")),
    security(("api_key" = [])),
    responses(
        (status = 204, description = "It and its keys are refused from now on, and its data is erased"),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn delete(State(app): State<App>, key: ApiKey, Path(id): Path<String>) -> Result<StatusCode> {
    key.require(Scope::Write)?;
    let project = key.project_at(&app, &id).await?;
    directory::delete_project(&app, project.id).await.map_err(missing)?;
    detection_key::forget_project(&app, project.account_id, project.id).await?;
    let noted = json!({ "id": project.public_id, "before": summary(&project) });
    audit::record(&app, &project.id.to_string(), &actor(&key), "project.deleted", noted).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(change, delete))
}

/// Changes a project as a body says, whoever asks for it; what the body does not name stays.
///
/// # Errors
/// `INVALID_REQUEST` with every fault of the body, `NOT_FOUND` when the project is gone.
pub async fn alter(
    app: &App,
    project: &Project,
    actor: &Actor,
    body: &Map<String, Value>,
) -> Result<Project> {
    let mut reader = Reader::default();
    let changes = Changes::read(&mut reader, body);
    let changes = reader.finish(changes)?;
    let changed = directory::change_project(app, project.id, |project| changes.apply(project))
        .await
        .map_err(missing)?;
    let noted = json!({ "id": project.public_id, "before": summary(project), "after": summary(&changed) });
    audit::record(app, &project.id.to_string(), actor, "project.changed", noted).await?;
    Ok(changed)
}

/// What a body asks for.
#[derive(Default)]
struct Changes {
    name: Option<String>,
    description: Option<String>,
    is_active: Option<bool>,
    settings: Settings,
}

#[derive(Default)]
struct Settings {
    is_enabled: Option<bool>,
    is_blocking: Option<bool>,
    threshold: Option<f64>,
    ip_mode: Option<IpMode>,
    /// Given and null: the server's own figure.
    retention_days: Option<Option<u32>>,
    human_rows: Option<f64>,
    keep_query: Option<bool>,
}

impl Changes {
    fn read(reader: &mut Reader, body: &Map<String, Value>) -> Self {
        Self {
            name: name(reader, body),
            description: description(reader, body),
            is_active: reader
                .choice::<ProjectStatus>(body, "status", "status")
                .map(|status| status == ProjectStatus::Active),
            settings: reader
                .object(body, "settings")
                .map(|settings| Settings::read(reader, settings))
                .unwrap_or_default(),
        }
    }

    fn apply(&self, project: &mut Project) {
        set(&mut project.name, self.name.clone());
        set(&mut project.description, self.description.clone());
        set(&mut project.is_active, self.is_active);
        self.settings.apply(&mut project.detection);
    }
}

impl Settings {
    fn read(reader: &mut Reader, settings: &Map<String, Value>) -> Self {
        let retention_days = match settings.get("retentionDays") {
            Some(Value::Null) => Some(None),
            _ => reader.whole(settings, "retentionDays", "settings.retentionDays", 1..=3_650).map(Some),
        };
        Self {
            is_enabled: reader.truth(settings, "detectionEnabled", "settings.detectionEnabled"),
            is_blocking: reader.truth(settings, "blockingEnabled", "settings.blockingEnabled"),
            threshold: reader.number(
                settings,
                "detectionThreshold",
                "settings.detectionThreshold",
                0.0..=1.0,
            ),
            ip_mode: reader.choice(settings, "ipMode", "settings.ipMode"),
            retention_days,
            human_rows: reader.number(settings, "humanRows", "settings.humanRows", 0.0..=1.0),
            keep_query: reader.truth(settings, "keepQuery", "settings.keepQuery"),
        }
    }

    fn apply(&self, detection: &mut Detection) {
        set(&mut detection.is_enabled, self.is_enabled);
        set(&mut detection.is_blocking, self.is_blocking);
        set(&mut detection.threshold, self.threshold);
        set(&mut detection.ip_mode, self.ip_mode);
        set(&mut detection.retention_days, self.retention_days);
        set(&mut detection.human_rows, self.human_rows);
        set(&mut detection.keep_query, self.keep_query);
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn name(reader: &mut Reader, body: &Map<String, Value>) -> Option<String> {
    let name = reader.text(body, "name", "name", 4 * MOST_NAME_CHARACTERS)?.trim().to_owned();
    if name.is_empty() {
        reader.push(Fault::new("name", "too_short").with("min", 1));
    } else if name.chars().count() > MOST_NAME_CHARACTERS {
        reader.push(Fault::new("name", "too_long").with("max", MOST_NAME_CHARACTERS));
    } else if name.chars().any(char::is_control) {
        reader.fault("name", "format");
    } else {
        return Some(name);
    }
    None
}

fn description(reader: &mut Reader, body: &Map<String, Value>) -> Option<String> {
    let text = reader.text(body, "description", "description", 4 * MOST_DESCRIPTION_CHARACTERS)?;
    if text.chars().count() > MOST_DESCRIPTION_CHARACTERS {
        reader.push(Fault::new("description", "too_long").with("max", MOST_DESCRIPTION_CHARACTERS));
        return None;
    }
    Some(text)
}

/// It was deleted a moment ago.
fn missing(error: Error) -> Failure {
    if error.kind() == ErrorKind::NotFound { Failure::not_found("project") } else { error.into() }
}

/// Who does it, for the audit trail.
pub(super) fn actor(key: &ApiKey) -> Actor {
    Actor::ApiKey(key.holder().key.id.clone())
}

/// What the audit trail holds of a project.
fn summary(project: &Project) -> Value {
    json!({
        "name": project.name,
        "description": project.description,
        "is_active": project.is_active,
        "detection": project.detection,
    })
}

const BODY_LIMIT: usize = 65_536;
const MOST_NAME_CHARACTERS: usize = 255;
const MOST_DESCRIPTION_CHARACTERS: usize = 2_000;

/// Projects of one account.
const MOST_PROJECTS: usize = 1_000;
