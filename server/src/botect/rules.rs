//! A project's rules: listing, making, deleting. There is no call to change one: delete it and make another.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use quivive_core::rules::RuleSource;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::OwnedProject;
use super::verdict::Action;
use super::wire::{ErrorBody, Failure, JsonBody, Result};
use crate::app::App;
use crate::error::Error;
use crate::flows::scoring::rules::{self, NewRule, StoredRule};

/// A rule of a project.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotectRule)]
pub struct Rule {
    /// The rule's id.
    id: i64,
    /// The project.
    project_id: i64,
    /// The owner's name for it.
    name: String,
    /// The expression as it was typed.
    expression_source: String,
    /// What the rule asks for.
    action: Action,
    /// Whether it is evaluated.
    is_active: bool,
    /// Lower ones come first.
    sort_order: i32,
    /// When it was made, UTC.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was changed last, UTC.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A rule to be made.
#[derive(ToSchema)]
#[schema(as = BotectNewRule)]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct CreateRule {
    /// The owner's name for it; appears in the reason of verdicts.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// When it matches: `score < 40 AND path == "/checkout" AND NOT verified_bot`.
    #[schema(min_length = 1, max_length = 2000)]
    expression: String,
    /// What the rule asks for.
    action: Action,
    /// Whether it is evaluated; true when left out.
    #[schema(nullable = false)]
    is_active: Option<bool>,
    /// Lower ones come first; 0 when left out.
    #[schema(nullable = false)]
    sort_order: Option<i32>,
}

/// List a project's rules in the order of evaluation.
#[utoipa::path(
    get, path = "/v1/projects/{project}/rules", tag = "botect", operation_id = "botect_list_rules",
    params(("project" = i64, Path, description = "The project's integer id")),
    security(("account_token" = [])),
    responses(
        (status = 200, body = Vec<Rule>),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    ),
)]
async fn list(State(app): State<App>, OwnedProject(project): OwnedProject) -> Result<Json<Vec<Rule>>> {
    let rules = rules::list(&app, project.id).await?;
    Ok(Json(rules.into_iter().map(Rule::from).collect()))
}

/// Make a rule; the next read of a verdict sees it.
///
/// A refused expression is answered with the fault's `position` (in bytes), its `token` and, where one is known, a
/// `hint` in `details`.
#[utoipa::path(
    post, path = "/v1/projects/{project}/rules", tag = "botect", operation_id = "botect_create_rule",
    params(("project" = i64, Path, description = "The project's integer id")),
    request_body = CreateRule,
    security(("account_token" = [])),
    responses(
        (status = 201, body = Rule),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    ),
)]
async fn create(
    State(app): State<App>,
    OwnedProject(project): OwnedProject,
    body: Result<JsonBody>,
) -> Result<(StatusCode, Json<Rule>)> {
    rules::permit(&app, &project).await?;
    let rule = rules::create(&app, &project, &new_rule(&body?.0)?).await?;
    Ok((StatusCode::CREATED, Json(rule.into())))
}

/// Delete a rule; the next read of a verdict no longer sees it.
#[utoipa::path(
    delete, path = "/v1/projects/{project}/rules/{rule}", tag = "botect", operation_id = "botect_delete_rule",
    params(
        ("project" = i64, Path, description = "The project's integer id"),
        ("rule" = i64, Path, description = "The rule's id"),
    ),
    security(("account_token" = [])),
    responses(
        (status = 204, description = "Deleted"),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    ),
)]
async fn delete(
    State(app): State<App>,
    OwnedProject(project): OwnedProject,
    Path(RulePath { rule }): Path<RulePath>,
) -> Result<StatusCode> {
    let id: i64 = rule.parse().map_err(|_| Error::not_found("A rule is named by an integer."))?;
    rules::delete(&app, &project, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(delete))
}

#[derive(Deserialize)]
struct RulePath {
    rule: String,
}

impl From<StoredRule> for Rule {
    fn from(rule: StoredRule) -> Self {
        Self {
            id: rule.id,
            project_id: rule.project_id,
            name: rule.name,
            expression_source: rule.expression_source,
            action: rule.action.into(),
            is_active: rule.is_active,
            sort_order: rule.sort_order,
            created_at: rule.created_at.to_seconds_text(),
            updated_at: rule.updated_at.to_seconds_text(),
        }
    }
}

/// Reads a rule from a body; JSON types are strict, unknown members are ignored.
///
/// # Errors
/// `INVALID_PAYLOAD` with the `path` of the wrong member.
pub(crate) fn new_rule(body: &Value) -> Result<NewRule> {
    let text = |name: &str| {
        let text = body.get(name).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| refuse(name, "must be a string"))
    };
    let action = body.get("action").and_then(|action| Deserialize::deserialize(action).ok());
    let is_active = match body.get("is_active") {
        None => Some(true),
        Some(value) => value.as_bool(),
    };
    let sort_order = match body.get("sort_order") {
        None => Some(0),
        Some(value) => value.as_i64().and_then(|value| value.try_into().ok()),
    };
    let source = RuleSource {
        name: text("name")?,
        expression: text("expression")?,
        action: action.ok_or_else(|| refuse("action", "must be block, challenge, allow, log or delay"))?,
    };
    Ok(NewRule {
        source,
        is_active: is_active.ok_or_else(|| refuse("is_active", "must be true or false"))?,
        sort_order: sort_order.ok_or_else(|| refuse("sort_order", "must be an integer of 32 bits"))?,
    })
}

fn refuse(path: &str, rule: &str) -> Failure {
    Failure(Error::unprocessable(format!("{path} {rule}.")).with("path", path))
}
