//! The projects of an account, and what happened in each.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::include::Include;
use super::paging::{Page, Pagination};
use super::query::Query;
use super::reader::ReadProject;
use super::wire::{ErrorBody, Result};
use crate::app::App;
use crate::flows::detection::figures;
use crate::flows::detection::row::VISITORS;
use crate::storage::Slot;
use crate::tenant::detection_key::Scope;
use crate::tenant::{Project, directory};

/// A page of projects.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldProjectList)]
struct ProjectList {
    /// The latest first.
    projects: Vec<ProjectItem>,
    /// Where the page is.
    pagination: Pagination,
}

/// A project in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldProjectItem)]
#[serde(rename_all = "camelCase")]
struct ProjectItem {
    /// The id, `proj_` and 20 characters.
    id: String,
    /// Its name.
    name: String,
    /// When it was made.
    #[schema(format = "date-time")]
    created_at: String,
    /// Detections ever, of people too.
    detection_count: u64,
    /// Whether it is in use.
    status: Status,
}

/// Whether a project is in use.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldProjectStatus)]
#[serde(rename_all = "snake_case")]
enum Status {
    Active,
    Inactive,
}

/// A project with its settings and figures.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldProject)]
#[serde(rename_all = "camelCase")]
pub struct ProjectDetails {
    /// The id, `proj_` and 20 characters.
    id: String,
    /// Its name.
    name: String,
    /// What it is for; may be empty.
    description: String,
    /// When it was made.
    #[schema(format = "date-time")]
    created_at: String,
    /// What it does.
    settings: Settings,
    /// What happened.
    stats: Stats,
    /// More, when asked for with `include`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    extended: Option<Map<String, Value>>,
}

/// What a project does.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldProjectSettings)]
#[serde(rename_all = "camelCase")]
struct Settings {
    /// Whether requests are classified.
    detection_enabled: bool,
    /// Whether middleware enforces what the policy says.
    blocking_enabled: bool,
}

/// What happened in a project; tests are not counted.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldProjectStats)]
#[serde(rename_all = "camelCase")]
struct Stats {
    /// Detections ever, of people too.
    total_detections: u64,
    /// Detections since 00:00 UTC.
    today_detections: u64,
    /// Distinct visitors ever, each day's anew; exact up to 10,000, then estimated.
    unique_visitors: u64,
}

/// List the projects that the key may see.
#[utoipa::path(
    get, path = "/api/v1/projects", tag = "agentshield", operation_id = "agentshield_list_projects",
    params(
        ("page" = Option<u64>, Query, minimum = 1, description = "The page; 1 when absent"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 100, description = "Most projects; 20 when absent"),
        ("search" = Option<String>, Query, max_length = 200, description = "A part of the name, or an id"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 200, body = ProjectList, headers(("Link" = String, description = "The pages around this one"))),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn list(State(app): State<App>, key: ApiKey, uri: Uri) -> Result<(HeaderMap, Json<ProjectList>)> {
    let mut query = Query::of(&uri);
    let page = Page::read(&mut query, 20, 100);
    let search = query.text("search", 200);
    let links = Query::of(&uri);
    query.finish(())?;
    key.require(Scope::Read)?;

    let mut found = directory::all_projects_of(&app, key.holder().account.id).await?;
    found.retain(|project| key.holder().key.sees(project.id) && matches(project, search.as_deref()));
    found
        .sort_by(|left, right| (right.created_at, &left.public_id).cmp(&(left.created_at, &right.public_id)));
    let pagination = page.of(found.len() as u64);
    let skipped = usize::try_from(page.skip()).unwrap_or(usize::MAX);
    let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
    let mut projects = Vec::new();
    for project in found.into_iter().skip(skipped).take(limit) {
        projects.push(ProjectItem {
            detection_count: figures::total(&app, project.id).await?,
            id: project.public_id,
            name: project.name,
            created_at: project.created_at.to_seconds_text(),
            status: if project.is_active { Status::Active } else { Status::Inactive },
        });
    }
    Ok((pagination.links(uri.path(), &links), Json(ProjectList { projects, pagination })))
}

/// One project.
#[utoipa::path(
    get, path = "/api/v1/projects/{projectId}", tag = "agentshield", operation_id = "agentshield_get_project",
    params(
        ("projectId" = String, Path, description = "The project"),
        ("include" = Option<String>, Query, description = "Comma list; settings and all add something here"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 200, body = ProjectDetails), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 429, body = ErrorBody),
        (status = 500, body = ErrorBody),
    ),
)]
async fn get(State(app): State<App>, reader: ReadProject, uri: Uri) -> Result<Json<ProjectDetails>> {
    let include = Include::of(&uri)?;
    let project = reader.project(&app).await?;
    let mut details = details(&app, project.clone()).await?;
    details.extended = include.extended(&[("settings", &|| all_settings(&project))]);
    Ok(Json(details))
}

/// A project as its details show it.
///
/// # Errors
/// When storage does not answer.
pub async fn details(app: &App, project: Project) -> Result<ProjectDetails> {
    let visitors = figures::present(app, project.id, Slot::Ever);
    let stats = Stats {
        total_detections: figures::total(app, project.id).await?,
        today_detections: figures::today(app, project.id).await?,
        unique_visitors: app.storage.events().distinct(VISITORS, visitors).await?.count(),
    };
    Ok(ProjectDetails {
        id: project.public_id,
        name: project.name,
        description: project.description,
        created_at: project.created_at.to_seconds_text(),
        settings: Settings {
            detection_enabled: project.detection.is_enabled,
            blocking_enabled: project.detection.is_blocking,
        },
        stats,
        extended: None,
    })
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

fn matches(project: &Project, search: Option<&str>) -> bool {
    search.is_none_or(|search| {
        project.public_id == search || project.name.to_lowercase().contains(&search.to_lowercase())
    })
}

fn all_settings(project: &Project) -> Value {
    let detection = &project.detection;
    json!({
        "status": if project.is_active { "active" } else { "inactive" },
        "detectionThreshold": detection.threshold,
        "ipMode": detection.ip_mode,
        "retentionDays": detection.retention_days,
        "humanRows": detection.human_rows,
        "keepQuery": detection.keep_query,
    })
}
