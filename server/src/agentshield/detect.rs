//! Classification of one request.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use quivive_core::agent::{Classification, RequestFacts};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{ApiKey, CREDENTIAL_HEADERS};
use super::body;
use super::checkpoint::{self, Checkpoint, Shape};
use super::include::{Include, word};
use super::request::DetectRequest;
use super::wire::{ErrorBody, Result};
use crate::app::App;
use crate::config::Profile;
use crate::extract::ClientIp;
use crate::flows::detection::{self, Observed, Purpose, Seen, Source};
use crate::tenant::Project;
use crate::tenant::detection_key::Scope;

/// What is known about a request; at least one of `userAgent`, `headers` and `ip`.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldDetect)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct Detect {
    /// The `User-Agent`; empty when the visitor sent none, absent when it is not known.
    #[schema(max_length = 4096, nullable = false)]
    user_agent: Option<String>,
    /// The visitor's address.
    #[schema(nullable = false, example = "203.0.113.7")]
    ip: Option<String>,
    /// All headers of the request, at most 100; only when they are given can one be missing.
    #[schema(nullable = false)]
    headers: Option<BTreeMap<String, String>>,
    /// An absolute address, or a path that begins with `/`.
    #[schema(max_length = 8192, nullable = false, pattern = "^(/|https?://)")]
    url: Option<String>,
    /// The method.
    #[schema(max_length = 16, nullable = false, pattern = "^[A-Za-z]+$")]
    method: Option<String>,
    /// TLS fingerprints.
    #[schema(nullable = false)]
    tls: Option<Tls>,
    /// Joins the requests of one visitor.
    #[schema(max_length = 128, nullable = false)]
    session_id: Option<String>,
    /// What a script on the page saw.
    #[schema(nullable = false)]
    client: Option<Client>,
    /// Whether the detection is recorded; true when absent.
    #[schema(nullable = false)]
    record: Option<bool>,
}

/// TLS fingerprints; malformed ones are ignored.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldTls)]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct Tls {
    /// JA3.
    #[schema(max_length = 256, nullable = false)]
    ja3: Option<String>,
    /// JA4.
    #[schema(max_length = 256, nullable = false)]
    ja4: Option<String>,
}

/// What a script on the page saw.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldClient)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct Client {
    /// `navigator.webdriver`.
    #[schema(nullable = false)]
    webdriver: Option<bool>,
    /// How many independent artefacts of a headless browser were found.
    #[schema(nullable = false, minimum = 0)]
    headless_artifacts: Option<u32>,
    /// How long the page was visible.
    #[schema(nullable = false, minimum = 0)]
    visible_ms: Option<u32>,
    /// How many trusted interactions there were.
    #[schema(nullable = false, minimum = 0)]
    interactions: Option<u32>,
    /// Whether movement was natural enough to be a person's.
    #[schema(nullable = false)]
    human: Option<bool>,
}

/// What the request was classified as.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldDetection)]
#[serde(rename_all = "camelCase")]
pub struct Detection {
    /// Whether the confidence reaches the project's threshold.
    is_bot: bool,
    /// Likelihood that the request is automated, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    confidence: f64,
    /// What it is, for example `ai_agent`.
    bot_type: String,
    /// Which planes gave evidence of at least 0.5.
    details: Details,
    /// Who answered, and how fast.
    metadata: Metadata,
    /// More, when asked for with `include`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    extended: Option<Map<String, Value>>,
}

/// Which planes gave evidence.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldDetails)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The user agent by itself.
    user_agent_bot: bool,
    /// Headers, TLS, behaviour or the page's script.
    behavioral_bot: bool,
    /// The network.
    ip_bot: bool,
}

/// Who answered, and how fast.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldMetadata)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Name and version.
    pub engine: String,
    /// Milliseconds spent in the core.
    pub processing_time: u64,
}

/// An answer in either shape.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldDetectAnswer)]
#[serde(untagged)]
pub enum Answer {
    /// As documented.
    Documented(Detection),
    /// As the later members of the family answer, asked for with `shape=checkpoint`.
    Checkpoint(Checkpoint),
}

/// Classify a request that the caller describes.
#[utoipa::path(
    post, path = "/api/v1/detect", tag = "agentshield", operation_id = "agentshield_detect_request",
    params(
        ("include" = Option<String>, Query, description =
            "Comma list of agent, verification, signals, policy, class, timing, settings, all"),
        ("shape" = inline(Option<Shape>), Query, description =
            "Another shape of the answer, for callers with `X-API-Key` or a Bearer token"),
        ("X-AgentShield-Project" = Option<String>, Header, description = "Another project that the key may see"),
    ),
    request_body = Detect,
    security(("api_key" = [])),
    responses(
        (status = 200, body = Answer), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn detect(State(app): State<App>, key: ApiKey, request: Request) -> Result<Json<Answer>> {
    let (parts, body) = request.into_parts();
    let wanted = Wanted::read(&parts)?;
    key.require(Scope::Detect)?;
    let project = key.active_project(&app, &parts.headers).await?;
    let body = body::collect(body, BODY_LIMIT).await?;
    let described = DetectRequest::read(&body, project.detection.threshold, app.now())?;
    Ok(Json(answer(&app, &key, &project, described, &wanted).await))
}

/// Classify the calling request itself.
#[utoipa::path(
    get, path = "/api/v1/detect", tag = "agentshield", operation_id = "agentshield_detect_caller",
    params(
        ("include" = Option<String>, Query, description =
            "Comma list of agent, verification, signals, policy, class, timing, settings, all"),
        ("shape" = inline(Option<Shape>), Query, description =
            "Another shape of the answer, for callers with `X-API-Key` or a Bearer token"),
        ("X-AgentShield-Project" = Option<String>, Header, description = "Another project that the key may see"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 200, body = Answer), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 429, body = ErrorBody),
        (status = 500, body = ErrorBody),
    ),
)]
async fn detect_caller(
    State(app): State<App>,
    key: ApiKey,
    ip: ClientIp,
    request: Request,
) -> Result<Json<Answer>> {
    let (parts, _) = request.into_parts();
    let wanted = Wanted::read(&parts)?;
    key.require(Scope::Detect)?;
    let project = key.active_project(&app, &parts.headers).await?;
    let facts = facts_of(&app, &parts, ip, project.detection.threshold);
    let described = DetectRequest { facts, session_id: None, is_recorded: true };
    Ok(Json(answer(&app, &key, &project, described, &wanted).await))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(detect, detect_caller))
}

/// What the caller wants to have back.
struct Wanted {
    include: Include,
    shape: Shape,
}

impl Wanted {
    fn read(parts: &Parts) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self { include: Include::of(&parts.uri)?, shape: Shape::of(query, &parts.headers)? })
    }
}

async fn answer(
    app: &App,
    key: &ApiKey,
    project: &Project,
    described: DetectRequest,
    wanted: &Wanted,
) -> Answer {
    let DetectRequest { mut facts, session_id, is_recorded } = described;
    if !project.detection.is_enabled {
        return match wanted.shape {
            Shape::Agentshield => Answer::Documented(Detection::off(app)),
            Shape::Checkpoint => Answer::Checkpoint(Checkpoint::off(engine(app))),
        };
    }
    let seen = detection::look(app, project, &mut facts, session_id.as_deref(), Purpose::Visit).await;
    let id = detection::new_id(app);
    let answer = match wanted.shape {
        Shape::Agentshield => {
            let extended = wanted.include.of_seen(project, &seen, &id);
            Answer::Documented(Detection { extended, ..Detection::of(app, &seen) })
        }
        Shape::Checkpoint => {
            Answer::Checkpoint(checkpoint::answer(&seen.classification, metadata(app, &seen)))
        }
    };
    if is_recorded {
        record(app, key, project, id, facts, session_id, seen);
    }
    answer
}

/// Puts a described request up for recording.
pub fn record(
    app: &App,
    key: &ApiKey,
    project: &Project,
    id: String,
    facts: RequestFacts,
    session_id: Option<String>,
    seen: Seen,
) {
    let (account_id, project_id, is_test) = (project.account_id, project.id, key.is_test());
    let (action, rule_id) = (seen.ruling.action, seen.ruling.decision.rule_id);
    let (source, classification) = (Source::Api, seen.classification);
    app.detection.record(Observed {
        id,
        account_id,
        project_id,
        is_test,
        source,
        action,
        rule_id,
        facts,
        session_id,
        classification,
    });
}

impl Detection {
    /// The documented members.
    pub fn of(app: &App, seen: &Seen) -> Self {
        let classification: &Classification = &seen.classification;
        Self {
            is_bot: classification.is_bot,
            confidence: classification.confidence,
            bot_type: word(classification.bot_type),
            details: Details {
                user_agent_bot: classification.user_agent_bot,
                behavioral_bot: classification.behavioral_bot,
                ip_bot: classification.ip_bot,
            },
            metadata: metadata(app, seen),
            extended: None,
        }
    }

    /// For a project whose detection is off: nothing is known, and nothing stands in the way.
    fn off(app: &App) -> Self {
        Self {
            is_bot: false,
            confidence: 0.0,
            bot_type: "unknown".to_owned(),
            details: Details { user_agent_bot: false, behavioral_bot: false, ip_bot: false },
            metadata: Metadata { engine: engine(app), processing_time: 0 },
            extended: None,
        }
    }
}

/// The request itself as facts: its headers without credentials, its path and query, the caller's address.
pub(super) fn facts_of(app: &App, parts: &Parts, ClientIp(ip): ClientIp, threshold: f64) -> RequestFacts {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in &parts.headers {
        if CREDENTIAL_HEADERS.contains(&name.as_str()) {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(&value);
            })
            .or_insert(value);
    }
    RequestFacts {
        user_agent: Some(headers.get("user-agent").cloned().unwrap_or_default()),
        ip: Some(ip),
        headers: Some(headers),
        url: Some(parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string)),
        method: Some(parts.method.to_string()),
        threshold: Some(threshold),
        now: app.now(),
        ..RequestFacts::default()
    }
}

fn engine(app: &App) -> String {
    let configured = app.config.agentshield.engine.clone();
    configured.unwrap_or_else(|| match app.config.profile {
        Profile::Compat => "AgentShield/1.0".to_owned(),
        Profile::Secure => ENGINE.clone(),
    })
}

fn metadata(app: &App, seen: &Seen) -> Metadata {
    let processing_time = u64::try_from((seen.took.as_micros() + 500) / 1000).unwrap_or_default();
    Metadata { engine: engine(app), processing_time }
}

static ENGINE: LazyLock<String> = LazyLock::new(|| format!("Quivive/{}", env!("CARGO_PKG_VERSION")));
const BODY_LIMIT: usize = 65_536;
