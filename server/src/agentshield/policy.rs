//! A project's policy: what is done with which visitors.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use quivive_core::decision::{PathSet, Policy, Reason, read_policy, write_policy};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::body::{self, Reader};
use super::detect::Detection;
use super::include;
use super::path::Path;
use super::projects_write::actor;
use super::request;
use super::wire::{ErrorBody, Fault, Result};
use crate::app::App;
use crate::audit::{self, Actor};
use crate::conditional;
use crate::flows::detection::policy::{self, Compiled, StoredPolicy};
use crate::flows::detection::{self, Purpose};
use crate::tenant::Project;
use crate::tenant::detection_key::Scope;

/// A policy in the full notation, read and written by the core; this documents it. Confidences and reputations are in percent; a figure up to 1 is a share of 1.
///
/// What is put may also be in the compact notation: `blockThreshold` for the threshold, names alone as list entries.
#[derive(Deserialize, Serialize, ToSchema)]
#[schema(as = AgentshieldPolicy)]
#[serde(rename_all = "camelCase")]
pub struct PolicyDocument {
    /// The version of the notation.
    #[schema(nullable = false, max_length = 2048)]
    version: Option<String>,
    /// A policy that is switched off lets everything pass.
    #[schema(nullable = false)]
    enabled: Option<bool>,
    /// What happens when nothing else matches.
    #[schema(nullable = false)]
    default_action: Option<PolicyAction>,
    /// Compact: the confidence from which visitors are blocked.
    #[schema(nullable = false, minimum = 0, maximum = 100)]
    block_threshold: Option<f64>,
    /// Where `redirect` sends a visitor: a path or an http address.
    #[schema(nullable = false, max_length = 2048, pattern = r"^(/|https?://)[!#-;=?-\[\]-~]*$")]
    redirect_url: Option<String>,
    /// Whose content `rewrite` answers with: a path of the site.
    #[schema(nullable = false, max_length = 2048, pattern = r"^/([!#-.0-;=?-\[\]-~][!#-;=?-\[\]-~]*)?$")]
    rewrite_url: Option<String>,
    /// Limits of confidence and reputation.
    #[schema(nullable = false, value_type = Option<Object>)]
    thresholds: Option<Value>,
    /// Who is let in, at most 1,000: objects with `clientName`, `clientDid`, `agentDid` or `ip`, or names alone.
    #[schema(nullable = false, max_items = 1000, value_type = Option<Vec<Value>>)]
    allow_list: Option<Vec<Value>>,
    /// Who is kept out, as `allowList`.
    #[schema(nullable = false, max_items = 1000, value_type = Option<Vec<Value>>)]
    deny_list: Option<Vec<Value>>,
    /// Path patterns where the policy does not apply; what begins with `^` is a regular expression.
    #[schema(nullable = false, max_items = 1000)]
    excluded_paths: Option<Vec<String>>,
    /// Path patterns, as `excludedPaths`, where the policy applies; everywhere when empty.
    #[schema(nullable = false, max_items = 1000)]
    included_paths: Option<Vec<String>>,
    /// Rules, by priority and then by place; at most 200.
    #[schema(nullable = false, max_items = 200, value_type = Option<Vec<Object>>)]
    rules: Option<Vec<Value>>,
    /// Short rules on a path: `pattern`, `action`, `minConfidence`, `priority`.
    #[schema(nullable = false, max_items = 200, value_type = Option<Vec<Object>>)]
    path_rules: Option<Vec<Value>>,
    /// What visitors have to prove.
    #[schema(nullable = false)]
    require: Option<PolicyDemand>,
    /// The capability that a token must hold where `require` is `agent`.
    #[schema(nullable = false, max_length = 2048)]
    capability: Option<String>,
    /// The audience that a token must name where `require` is `agent`.
    #[schema(nullable = false, max_length = 2048)]
    audience: Option<String>,
    /// What happens where `require` is `human` and nothing tells a person from a bot.
    #[schema(nullable = false)]
    on_unknown: Option<PolicyAction>,
    /// Whether a fault lets the request pass; when absent, detection does and a demanded proof does not.
    #[schema(nullable = false)]
    fail_open: Option<bool>,
    /// How long a guard may wait for what it needs, in milliseconds; its own limit when absent.
    #[schema(nullable = false, minimum = 0, maximum = 60_000)]
    timeout_ms: Option<u32>,
    /// Path patterns that are never linked visibly: whoever asks for one is likely a bot.
    #[schema(nullable = false, max_items = 100)]
    honeypot_paths: Option<Vec<String>>,
    /// The project's setting: whether guards act by the policy, or only note what they would do.
    #[schema(read_only, nullable = false)]
    blocking_enabled: Option<bool>,
    /// When it was put; null while none was, and everything passes.
    #[schema(read_only, format = DateTime)]
    updated_at: Option<String>,
}

/// What a policy can ask for.
#[derive(Deserialize, Serialize, ToSchema)]
#[schema(as = AgentshieldPolicyAction)]
#[serde(rename_all = "snake_case")]
pub enum PolicyAction {
    /// Let it pass.
    Allow,
    /// Another word for `allow`.
    Permit,
    /// Let it pass and note it.
    Log,
    /// Refuse it.
    Block,
    /// Send it elsewhere.
    Redirect,
    /// Answer with the content of another path.
    Rewrite,
    /// Ask for proof.
    Challenge,
    /// Tell a machine how to identify itself.
    Instruct,
}

/// What a policy can demand of visitors.
#[derive(Deserialize, Serialize, ToSchema)]
#[schema(as = AgentshieldPolicyDemand)]
#[serde(rename_all = "snake_case")]
pub enum PolicyDemand {
    /// Nothing.
    None,
    /// A verified agent token.
    Agent,
    /// To be no bot.
    Human,
    /// A verified HTTP message signature.
    Signed,
}

/// An example of a request, as in `/detect`, and a policy to try instead of the project's.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldPolicyTest)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct PolicyTest {
    /// The request.
    #[serde(flatten)]
    request: super::detect::Detect,
    /// The policy to try.
    #[schema(nullable = false)]
    policy: Option<PolicyDocument>,
}

/// What would be done with the example.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldPolicyTestAnswer)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTestAnswer {
    /// What the policy asks for: `action`, `reason`, `matchType`, `ruleId`, and where there is one `ruleName`,
    /// `redirectUrl`, `message`.
    #[schema(value_type = Object)]
    decision: Value,
    /// What is done: `log` where the project does not enforce.
    enforced_action: String,
    /// What the example was classified as.
    detection: Detection,
}

/// The policy of a project.
#[utoipa::path(
    get, path = "/api/v1/projects/{projectId}/policy", tag = "agentshield", operation_id = "agentshield_get_policy",
    params(
        ("projectId" = String, Path, description = "The project's `proj_` id"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of the policy that the caller has"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 200, body = PolicyDocument, headers(("ETag" = String, description = "The tag of this answer"))),
        (status = 304, description = "As the `ETag` that the caller has",
            headers(("ETag" = String, description = "The tag of what the caller has"))),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn get_policy(
    State(app): State<App>,
    key: ApiKey,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    key.require(Scope::Read)?;
    let project = key.project_at(&app, &id).await?;
    let policy = shown(&app, &project).await?;
    let bytes = policy.to_string();
    Ok(conditional::tagged(Json(policy), bytes.as_bytes(), "private, no-cache", &headers))
}

/// Replace the policy of a project. The next request follows it.
#[utoipa::path(
    put, path = "/api/v1/projects/{projectId}/policy", tag = "agentshield", operation_id = "agentshield_put_policy",
    params(("projectId" = String, Path, description = "The project's `proj_` id")),
    request_body = PolicyDocument,
    security(("api_key" = [])),
    responses(
        (status = 200, body = PolicyDocument), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn put_policy(
    State(app): State<App>,
    key: ApiKey,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>> {
    key.require(Scope::Write)?;
    let project = key.project_at(&app, &id).await?;
    let body = body::object(&body::collect(request.into_body(), BODY_LIMIT).await?)?;
    Ok(Json(replace(&app, &project, &actor(&key), &Value::Object(body)).await?))
}

/// Try a policy on an example. Nothing is counted or recorded.
#[utoipa::path(
    post, path = "/api/v1/projects/{projectId}/policy/test", tag = "agentshield",
    operation_id = "agentshield_test_policy",
    params(("projectId" = String, Path, description = "The project's `proj_` id")),
    request_body = PolicyTest,
    security(("api_key" = [])),
    responses(
        (status = 200, body = PolicyTestAnswer), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn test_policy(
    State(app): State<App>,
    key: ApiKey,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<PolicyTestAnswer>> {
    key.require(Scope::Read)?;
    let project = key.project_at(&app, &id).await?;
    let body = body::object(&body::collect(request.into_body(), BODY_LIMIT).await?)?;
    let mut reader = Reader::default();
    let described = request::described(&mut reader, &body, project.detection.threshold, app.now());
    let trial = body.get("policy").map(|policy| read(&mut reader, policy, "policy."));
    let (described, trial) = reader.finish((described, trial))?;
    Ok(Json(tried(&app, &project, described, trial).await?))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_policy, put_policy)).routes(routes!(test_policy))
}

/// The policy of a project as a document; one that lets everything pass where none was put.
///
/// # Errors
/// When storage does not answer.
pub async fn shown(app: &App, project: &Project) -> Result<Value> {
    let stored = policy::stored(app, project.id).await?;
    Ok(document(project, stored.as_ref()))
}

/// Replaces the policy of a project by a document, whoever asks for it; returns it as it is now.
///
/// # Errors
/// `INVALID_REQUEST` with every fault of the document.
pub async fn replace(app: &App, project: &Project, actor: &Actor, wanted: &Value) -> Result<Value> {
    let mut reader = Reader::default();
    let (policy, honeypot_paths) = read(&mut reader, wanted, "");
    let (policy, honeypot_paths) = reader.finish((policy, honeypot_paths))?;
    let stored = StoredPolicy { project_id: project.id, policy, honeypot_paths, updated_at: app.now() };
    policy::put(app, &stored).await?;
    let document = document(project, Some(&stored));
    audit::record(app, &project.id.to_string(), actor, "policy.changed", document.clone()).await?;
    Ok(document)
}

async fn tried(
    app: &App,
    project: &Project,
    described: request::DetectRequest,
    trial: Option<(Policy, Vec<String>)>,
) -> Result<PolicyTestAnswer> {
    let policy = match trial {
        Some((policy, traps)) => Some(Arc::new(Compiled::new(policy, &traps)?)),
        None => app.detection.policies.of(app, project.id).await?,
    };
    let mut facts = described.facts;
    let session = described.session_id.as_deref();
    let seen =
        detection::look_by(app, project, policy, Reason::Default, &mut facts, session, Purpose::Trial).await;
    let wanted = policy::Ruling { action: seen.ruling.decision.action, ..seen.ruling.clone() };
    Ok(PolicyTestAnswer {
        decision: include::ruling(&wanted),
        enforced_action: include::word(seen.ruling.action),
        detection: Detection::of(app, &seen),
    })
}

/// Reads a policy and the traps beside it; faults are named from `place`.
fn read(reader: &mut Reader, document: &Value, place: &str) -> (Policy, Vec<String>) {
    let policy = read_policy(document).unwrap_or_else(|faults| {
        for fault in faults {
            let at =
                if fault.field == "policy" { "policy".to_owned() } else { format!("{place}{}", fault.field) };
            let noted = Fault::new(at, fault.reason);
            reader.push(match fault.message {
                Some(message) => noted.with("message", message),
                None => noted,
            });
        }
        Policy::default()
    });
    (policy, honeypot_paths(reader, document, place))
}

fn honeypot_paths(reader: &mut Reader, document: &Value, place: &str) -> Vec<String> {
    let at = format!("{place}honeypotPaths");
    let Some(value) = document.get("honeypotPaths").filter(|value| !value.is_null()) else {
        return Vec::new();
    };
    let Some(items) = value.as_array() else {
        reader.fault(&at, "type");
        return Vec::new();
    };
    if items.len() > MOST_TRAPS {
        reader.push(Fault::new(&*at, "too_many").with("max", MOST_TRAPS));
        return Vec::new();
    }
    let mut paths = Vec::with_capacity(items.len());
    for (number, item) in items.iter().enumerate() {
        match item.as_str() {
            None => reader.fault(&format!("{at}[{number}]"), "type"),
            Some(path) if PathSet::new([path]).is_err() => reader.fault(&format!("{at}[{number}]"), "format"),
            Some(path) => paths.push(path.to_owned()),
        }
    }
    paths
}

/// The policy of a project as it is answered; one that lets everything pass where none was put.
fn document(project: &Project, stored: Option<&StoredPolicy>) -> Value {
    let unset = Policy { enabled: false, ..Policy::default() };
    let mut document = write_policy(stored.map_or(&unset, |stored| &stored.policy));
    if let Some(object) = document.as_object_mut() {
        let paths = stored.map_or(&[][..], |stored| &stored.honeypot_paths);
        object.insert("honeypotPaths".to_owned(), json!(paths));
        object.insert("blockingEnabled".to_owned(), json!(project.detection.is_blocking));
        let updated_at = stored.map(|stored| stored.updated_at.to_seconds_text());
        object.insert("updatedAt".to_owned(), json!(updated_at));
    }
    document
}

const BODY_LIMIT: usize = 262_144;
const MOST_TRAPS: usize = 100;
