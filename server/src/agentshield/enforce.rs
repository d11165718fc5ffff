//! Detection and policy in one answer, in the form of the family's later enforcement call.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use quivive_core::agent::{
    BotType, Classification, ConfidenceLevel, DetectionClass, Group, RequestFacts, VerificationMethod,
    VerificationStatus, signals,
};
use quivive_core::decision::Action;
use quivive_core::evidence::Evidence;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::body::{self, Reader};
use super::checkpoint::percent;
use super::detect;
use super::include::word;
use super::wire::Result;
use crate::app::App;
use crate::extract::header_text;
use crate::flows::detection::{self, Purpose, Seen};
use crate::tenant::Project;
use crate::tenant::detection_key::Scope;

/// What is known about a request; nothing is required.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldEnforce)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct Enforce {
    /// All headers of the request, at most 100.
    #[schema(nullable = false)]
    headers: Option<BTreeMap<String, String>>,
    /// The `User-Agent`.
    #[schema(nullable = false, max_length = 4096)]
    user_agent: Option<String>,
    /// The visitor's address.
    #[schema(nullable = false, example = "203.0.113.7")]
    ip_address: Option<String>,
    /// The path, when `url` is not given.
    #[schema(nullable = false, max_length = 8192, pattern = "^/")]
    path: Option<String>,
    /// An absolute address, or a path.
    #[schema(nullable = false, max_length = 8192, pattern = "^(/|https?://)")]
    url: Option<String>,
    /// The method.
    #[schema(nullable = false, max_length = 16, pattern = "^[A-Za-z]+$")]
    method: Option<String>,
    /// Comes back in the answer.
    #[schema(nullable = false, max_length = 128)]
    request_id: Option<String>,
    /// What to answer with.
    #[schema(nullable = false)]
    options: Option<Options>,
}

/// What to answer with.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldEnforceOptions)]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct Options {
    /// Whether the detection comes with the decision; false when absent.
    #[serde(rename = "includeDetectionResult")]
    #[schema(nullable = false)]
    include_detection_result: Option<bool>,
    /// Seconds that the caller keeps the answer; accepted and not needed here.
    #[serde(rename = "cacheTTL")]
    #[schema(nullable = false, minimum = 0)]
    cache_ttl: Option<u32>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldEnforced)]
pub struct Enforced {
    /// True.
    success: bool,
    /// The content.
    data: Data,
}

/// The content of the answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldEnforcedData)]
#[serde(rename_all = "camelCase")]
pub struct Data {
    /// What to do.
    decision: DecisionView,
    /// Milliseconds spent in the core.
    processing_time_ms: u64,
    /// The caller's id of the request, else a new one.
    request_id: String,
    /// What was seen, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detection: Option<DetectionView>,
}

/// What to do, and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldEnforcedDecision)]
#[serde(rename_all = "camelCase")]
pub struct DecisionView {
    /// `allow`, `block`, `redirect`, `challenge`, `instruct` or `log`.
    action: String,
    /// Which part of the policy decided, in a word.
    reason: String,
    /// Whether it is a bot or agent.
    is_agent: bool,
    /// Likelihood that the request is automated, in percent.
    #[schema(minimum = 0, maximum = 100)]
    confidence: u8,
    /// The agent's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    agent_name: Option<String>,
    /// The agent's name once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    agent_type: Option<String>,
    /// Where to redirect to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    redirect_url: Option<String>,
    /// What to tell the visitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<String>,
    /// More about the decision.
    metadata: DecisionMetadata,
}

/// More about a decision.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldEnforcedMetadata)]
#[serde(rename_all = "camelCase")]
pub struct DecisionMetadata {
    /// The version that the policy states; left out when the project has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    policy_version: Option<String>,
    /// Whether a message signature was verified.
    signature_verified: bool,
}

/// What was seen.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldEnforcedDetection)]
#[serde(rename_all = "camelCase")]
pub struct DetectionView {
    /// Whether it is a bot or agent.
    is_agent: bool,
    /// Likelihood that the request is automated, in percent.
    #[schema(minimum = 0, maximum = 100)]
    confidence: u8,
    /// `human`, `ai_agent`, `bot` or `incomplete_data`.
    detection_class: String,
    /// The agent's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    agent_name: Option<String>,
    /// The agent's name once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    agent_type: Option<String>,
    /// `signature`, `network`, `pattern`, `behavioral` or `none`.
    verification_method: &'static str,
    /// What was seen, in sentences.
    reasons: Vec<String>,
    /// What was seen, item by item.
    signals: Vec<SignalView>,
    /// What was seen, in at most five codes.
    #[schema(max_items = 5)]
    reason_codes: Vec<&'static str>,
    /// `very_high`, `high`, `medium` or `low`.
    confidence_level: String,
    /// Whether it collects content for AI.
    is_ai_crawler: bool,
}

/// One thing that was seen.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldEnforcedSignal)]
#[serde(rename_all = "camelCase")]
pub struct SignalView {
    /// The sort, for example `pattern`.
    signal_type: &'static str,
    /// Likelihood of automation given this alone, in percent.
    #[schema(minimum = 0, maximum = 100)]
    confidence: u8,
    /// Always 1: the confidence is what counts.
    weight: u8,
    /// Where it was seen, for example `user_agent_pattern`.
    source: &'static str,
    /// A sentence for a person.
    explanation: String,
}

/// A failure in this call's own form.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldEnforceFailure)]
pub struct EnforceFailure {
    /// False.
    success: bool,
    /// What went wrong.
    error: EnforceError,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldEnforceError)]
pub struct EnforceError {
    /// The stable code.
    code: String,
    /// A sentence for a person.
    message: String,
}

/// Classify a request that the caller describes, and say what the project's policy asks for.
#[utoipa::path(
    post, path = "/api/v1/enforce", tag = "agentshield", operation_id = "agentshield_enforce",
    params(
        ("X-AgentShield-Project" = Option<String>, Header, description = "Another project that the key may see"),
    ),
    request_body = Enforce,
    security(("api_key" = [])),
    responses(
        (status = 200, body = Enforced), (status = 400, body = EnforceFailure), (status = 401, body = EnforceFailure),
        (status = 403, body = EnforceFailure), (status = 404, body = EnforceFailure),
        (status = 413, body = EnforceFailure), (status = 429, body = EnforceFailure),
        (status = 500, body = EnforceFailure),
    ),
)]
async fn enforce(State(app): State<App>, key: ApiKey, request: Request) -> Result<Json<Enforced>> {
    answer(&app, &key, request).await.map(Json)
}

/// The same call under its other address.
#[utoipa::path(
    post, path = "/__detect/enforce", tag = "agentshield", operation_id = "agentshield_detect_enforce",
    params(
        ("X-AgentShield-Project" = Option<String>, Header, description = "Another project that the key may see"),
    ),
    request_body = Enforce,
    security(("api_key" = [])),
    responses(
        (status = 200, body = Enforced), (status = 400, body = EnforceFailure), (status = 401, body = EnforceFailure),
        (status = 403, body = EnforceFailure), (status = 404, body = EnforceFailure),
        (status = 413, body = EnforceFailure), (status = 429, body = EnforceFailure),
        (status = 500, body = EnforceFailure),
    ),
)]
async fn enforce_aliased(State(app): State<App>, key: ApiKey, request: Request) -> Result<Json<Enforced>> {
    answer(&app, &key, request).await.map(Json)
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(enforce)).routes(routes!(enforce_aliased))
}

/// Whether a path is one of this call's.
pub fn is_route(path: &str) -> bool {
    matches!(path, "/api/v1/enforce" | "/__detect/enforce")
}

/// A failure of the family in this call's own form; other answers stay as they are.
pub async fn in_own_form(response: Response) -> Response {
    if !(response.status().is_client_error() || response.status().is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // Our own envelope, always small.
    let bytes = axum::body::to_bytes(body, LARGEST_ENVELOPE).await.unwrap_or_default();
    let envelope: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let text =
        |path: &str, usual: &str| envelope.pointer(path).and_then(Value::as_str).unwrap_or(usual).to_owned();
    let error = EnforceError {
        code: text("/error/code", "INTERNAL_ERROR"),
        message: text("/error/message", "An unexpected error occurred"),
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    let status: StatusCode = parts.status;
    let mut failure = (status, Json(EnforceFailure { success: false, error })).into_response();
    parts.headers.extend(std::mem::take(failure.headers_mut()));
    Response::from_parts(parts, failure.into_body())
}

/// A checked body.
struct Described {
    facts: RequestFacts,
    request_id: Option<String>,
    is_detection_wanted: bool,
}

async fn answer(app: &App, key: &ApiKey, request: Request) -> Result<Enforced> {
    let (parts, body) = request.into_parts();
    key.require(Scope::Detect)?;
    let project = key.active_project(app, &parts.headers).await?;
    let body = body::object(&body::collect(body, BODY_LIMIT).await?)?;
    let Described { mut facts, request_id, is_detection_wanted } = read(app, &project, &body)?;
    let request_id = request_id
        .or_else(|| sent_id(&parts))
        .unwrap_or_else(|| format!("req_{}", detection::ulid(app.now(), app.random_bytes())));
    if !project.detection.is_enabled {
        return Ok(off(request_id, is_detection_wanted));
    }
    let seen = detection::look(app, &project, &mut facts, None, Purpose::Visit).await;
    let data = Data {
        decision: decision(&seen),
        processing_time_ms: u64::try_from((seen.took.as_micros() + 500) / 1000).unwrap_or_default(),
        request_id,
        detection: is_detection_wanted.then(|| detection(&seen.classification)),
    };
    detect::record(app, key, &project, detection::new_id(app), facts, None, seen);
    Ok(Enforced { success: true, data })
}

fn read(app: &App, project: &Project, body: &Map<String, Value>) -> Result<Described> {
    let mut reader = Reader::default();
    let path = reader.text(body, "path", "path", 8_192);
    if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
        reader.fault("path", "format");
    }
    let facts = RequestFacts {
        user_agent: reader.text(body, "userAgent", "userAgent", 4_096),
        ip: reader.address(body, "ipAddress"),
        headers: reader.headers(body),
        url: reader.url(body).or(path),
        method: reader.method(body),
        threshold: Some(project.detection.threshold),
        now: app.now(),
        ..RequestFacts::default()
    };
    let request_id = reader.text(body, "requestId", "requestId", 128);
    let none = Map::new();
    let options = reader.object(body, "options").unwrap_or(&none);
    let is_detection_wanted =
        reader.truth(options, "includeDetectionResult", "options.includeDetectionResult").unwrap_or(false);
    let _ = reader.count(options, "cacheTTL", "options.cacheTTL");
    reader.finish(Described { facts, request_id, is_detection_wanted })
}

/// The id that the caller gave the request in a header.
fn sent_id(parts: &Parts) -> Option<String> {
    let is_plain = |id: &&str| {
        id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    header_text(&parts.headers, "x-request-id").filter(is_plain).map(str::to_owned)
}

fn decision(seen: &Seen) -> DecisionView {
    let classification = &seen.classification;
    let name = classification.agent.as_ref().map(|agent| agent.name.clone());
    let wanted = &seen.ruling.decision;
    let action = match seen.ruling.action {
        // Clients of this call have no word for it.
        Action::Rewrite => Action::Redirect,
        Action::Delay => Action::Log,
        action => action,
    };
    DecisionView {
        action: word(action),
        reason: word(wanted.reason),
        is_agent: classification.is_bot,
        confidence: percent(classification.confidence),
        agent_name: name.clone(),
        agent_type: name,
        redirect_url: wanted.redirect_url.clone().filter(|_| action == Action::Redirect),
        message: wanted.message.clone(),
        metadata: DecisionMetadata {
            policy_version: seen.policy.as_ref().map(|policy| policy.version().to_owned()),
            signature_verified: is_signed(classification),
        },
    }
}

fn off(request_id: String, is_detection_wanted: bool) -> Enforced {
    let decision = DecisionView {
        action: word(Action::Allow),
        reason: "disabled".to_owned(),
        is_agent: false,
        confidence: 0,
        agent_name: None,
        agent_type: None,
        redirect_url: None,
        message: None,
        metadata: DecisionMetadata { policy_version: None, signature_verified: false },
    };
    let detection = is_detection_wanted.then(|| DetectionView {
        is_agent: false,
        confidence: 0,
        detection_class: word(DetectionClass::IncompleteData),
        agent_name: None,
        agent_type: None,
        verification_method: "none",
        reasons: Vec::new(),
        signals: Vec::new(),
        reason_codes: Vec::new(),
        confidence_level: word(ConfidenceLevel::Low),
        is_ai_crawler: false,
    });
    Enforced { success: true, data: Data { decision, processing_time_ms: 0, request_id, detection } }
}

fn detection(classification: &Classification) -> DetectionView {
    let name = classification.agent.as_ref().map(|agent| agent.name.clone());
    let signals = classification.evidence.iter().filter_map(signal).collect();
    DetectionView {
        is_agent: classification.is_bot,
        confidence: percent(classification.confidence),
        detection_class: word(classification.detection_class),
        agent_name: name.clone(),
        agent_type: name,
        verification_method: verification_method(classification),
        reasons: classification.evidence.iter().map(|item| item.text.to_string()).collect(),
        signals,
        reason_codes: reason_codes(classification),
        confidence_level: word(classification.confidence_level),
        is_ai_crawler: classification.is_ai_crawler(),
    }
}

fn signal(item: &Evidence) -> Option<SignalView> {
    let (signal_type, source) = match Group::of(&item.id)? {
        Group::Signature => ("signature", "http_message_signature"),
        Group::UserAgent => ("pattern", "user_agent_pattern"),
        Group::Headers => ("header", "header_analysis"),
        Group::Network => ("network", "ip_analysis"),
        Group::Tls => ("tls", "tls_fingerprint"),
        Group::Behavior => ("behavioral", "behavioral_analysis"),
        Group::Client => ("client", "client_signals"),
    };
    let explanation = item.text.to_string();
    Some(SignalView { signal_type, confidence: percent(item.weight), weight: 1, source, explanation })
}

fn verification_method(classification: &Classification) -> &'static str {
    let shows =
        |wanted: Group| classification.evidence.iter().any(|item| Group::of(&item.id) == Some(wanted));
    match (classification.verification.status, classification.verification.method) {
        (VerificationStatus::Verified, VerificationMethod::HttpSignature) => "signature",
        (VerificationStatus::Verified, VerificationMethod::IpRange | VerificationMethod::Fcrdns) => "network",
        _ if shows(Group::UserAgent) => "pattern",
        _ if shows(Group::Behavior) || shows(Group::Client) => "behavioral",
        _ => "none",
    }
}

fn reason_codes(classification: &Classification) -> Vec<&'static str> {
    let mut codes: Vec<&'static str> = Vec::new();
    let mut add = |code: &'static str| {
        if !codes.contains(&code) && codes.len() < MOST_CODES {
            codes.push(code);
        }
    };
    classification.evidence.iter().filter_map(reason_code).for_each(&mut add);
    if classification.is_ai_crawler() {
        add("detection/ai-crawler-flag");
    }
    if classification.evidence.is_empty() && classification.bot_type == BotType::Human {
        add("detection/zero-evidence-human");
    }
    if classification.detection_class == DetectionClass::IncompleteData {
        add("detection/incomplete-data-override");
    }
    codes
}

fn reason_code(item: &Evidence) -> Option<&'static str> {
    let is = |signal: signals::Signal| item.id == signal.id;
    Some(match Group::of(&item.id)? {
        Group::Signature if is(signals::SIG_VERIFIED) => "detection/rfc9421-signature-verified",
        Group::Signature => "detection/verification-error",
        Group::UserAgent => "detection/ua-pattern-match",
        Group::Headers => "detection/header-heuristic",
        Group::Network if is(signals::NET_VENDOR_RANGE) || is(signals::NET_RDNS_CRAWLER) => {
            "detection/vendor-ip-corroborated"
        }
        Group::Network => "detection/ip-heuristic",
        Group::Tls if is(signals::TLS_UA_MISMATCH) => "detection/ua-tls-mismatch",
        Group::Tls => "detection/ja4-fingerprint-match",
        Group::Behavior if is(signals::BEH_BURST) || is(signals::BEH_SUSTAINED) => {
            "detection/session-velocity-signal"
        }
        Group::Behavior => "detection/behavioral-signal",
        Group::Client => "detection/client-headless-escalation-signal",
    })
}

fn is_signed(classification: &Classification) -> bool {
    classification.is_verified() && classification.verification.method == VerificationMethod::HttpSignature
}

const BODY_LIMIT: usize = 65_536;
const LARGEST_ENVELOPE: usize = 65_536;
const MOST_CODES: usize = 5;
