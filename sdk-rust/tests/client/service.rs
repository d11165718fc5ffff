//! A service that issues real challenges and tokens, and counts what it is asked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use quivive::core::Timestamp;
use quivive::core::challenge::hybrid::{self, HybridChallenge};
use quivive::core::challenge::{Challenge, TimeLimit, check_speed, speed};
use quivive::core::token::{Claims, Jwk, Jwks, Signer, Verifier, VerifyPolicy};
use serde_json::{Value, json};

pub struct Service {
    pub address: SocketAddr,
    key: Mutex<Jwk>,
    open: Mutex<HashMap<String, Challenge>>,
    hybrid: Mutex<HashMap<String, HybridChallenge>>,
    /// Hybrid challenges whose speed part is still to be called wrong.
    pub fails_speed: AtomicUsize,
    seed: AtomicU64,
    /// Seconds that tokens live.
    pub life: AtomicI64,
    pub is_down: std::sync::atomic::AtomicBool,
    pub refuses_refresh: std::sync::atomic::AtomicBool,
    /// Events that came.
    pub busy: AtomicUsize,
    pub solved: AtomicUsize,
    pub refreshed: AtomicUsize,
    pub keys_asked: AtomicUsize,
    /// The `Authorization` header of every request to a page.
    pub shown: Mutex<Vec<Option<String>>>,
}

impl Service {
    pub async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            key: Mutex::new(Jwk::generate(&[1; 32], Some("key-1")).unwrap()),
            open: Mutex::default(),
            hybrid: Mutex::default(),
            fails_speed: AtomicUsize::new(0),
            seed: AtomicU64::new(1),
            life: AtomicI64::new(3600),
            is_down: false.into(),
            refuses_refresh: false.into(),
            busy: AtomicUsize::new(0),
            solved: AtomicUsize::new(0),
            refreshed: AtomicUsize::new(0),
            keys_asked: AtomicUsize::new(0),
            shown: Mutex::default(),
        });
        let router = Router::new()
            .route("/v1/token", get(question))
            .route("/v1/token/verify", post(answer))
            .route("/v1/token/refresh", post(refresh))
            .route("/v1/token/validate", post(validate))
            .route("/v1/challenges", get(hybrid_question))
            .route("/v1/challenges/{id}/verify", post(hybrid_answer))
            .route("/v1/sessions/{session}/verdict", get(verdict))
            .route("/api/v1/detect", post(detect))
            .route("/api/v1/event", post(event))
            .route("/api/v1/projects/{project}/analytics", get(analytics))
            .route("/api/v1/projects/{project}/policy", get(policy))
            .route("/.well-known/jwks.json", get(keys))
            .route("/with-token", get(with_token))
            .route("/inline", get(inline).post(inline))
            .route("/open", get(open))
            .route("/moved", get(moved))
            .route("/large-refusal", get(large_refusal))
            .with_state(Arc::clone(&service));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        service
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn client(&self) -> quivive::Client {
        quivive::Client::builder().url(self.url("")).build().unwrap()
    }

    pub fn count(&self, counter: &AtomicUsize) -> usize {
        counter.load(Ordering::SeqCst)
    }

    pub fn rotate_key(&self, kid: &str) {
        *self.key.lock().unwrap() = Jwk::generate(&[2; 32], Some(kid)).unwrap();
    }

    pub fn token(&self, life: i64) -> String {
        let number = self.seed.fetch_add(1, Ordering::SeqCst);
        let mut claims = Claims::access("challenge", 47, &format!("token-{number}"), now(), 0);
        claims.exp = claims.iat.map(|issued| issued + life);
        Signer::from_jwk(&self.key.lock().unwrap()).unwrap().sign(&claims).unwrap()
    }

    /// What a model would answer: the test reads it where the service keeps it.
    pub fn right_answer(&self, question: &str) -> String {
        let open = self.hybrid.lock().unwrap();
        let mut expected = open.values().flat_map(|challenge| &challenge.reasoning.expected);
        expected.find(|right| right.id == question).unwrap().answer.clone()
    }

    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.fetch_add(1, Ordering::SeqCst).to_le_bytes());
        seed
    }

    fn pose(&self) -> Value {
        let made = speed::generate(None, TimeLimit { limit_ms: 10_000, rtt_ms: None }, &self.seed(), now());
        let question = made.question;
        self.open.lock().unwrap().insert(question.id.clone(), made.challenge);
        json!({"id": question.id, "problems": question.problems, "timeLimit": "10000ms"})
    }

    fn judge(&self, id: &str, answers: &Value) -> bool {
        let challenge = self.open.lock().unwrap().remove(id);
        challenge.is_some_and(|challenge| check_speed(&challenge, answers, now()).is_ok())
    }

    fn holds(&self, token: &str) -> bool {
        let keys = Jwks::publish(&[self.key.lock().unwrap().clone()]).unwrap();
        Verifier::new(&keys, VerifyPolicy::default()).unwrap().verify(token, now()).is_ok()
    }

    fn note(&self, headers: &HeaderMap) -> Option<String> {
        let shown = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
        self.shown.lock().unwrap().push(shown.clone());
        shown
    }
}

pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_milliseconds(i64::try_from(since_epoch.as_millis()).unwrap())
}

type Shared = State<Arc<Service>>;

async fn question(State(service): Shared) -> Response {
    if service.is_down.load(Ordering::SeqCst) {
        return (
            StatusCode::INTERNAL_SERVER_ERROR,
            Json(json!({"success": false, "error": "INTERNAL_ERROR"})),
        )
            .into_response();
    }
    // Long enough for concurrent callers to meet.
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    Json(json!({"success": true, "challenge": service.pose(), "token": null})).into_response()
}

async fn answer(State(service): Shared, Json(body): Json<Value>) -> Response {
    if !service.judge(body["id"].as_str().unwrap(), &body["answers"]) {
        return (
            StatusCode::FORBIDDEN,
            Json(json!({"success": false, "error": "CHALLENGE_FAILED", "message": "no"})),
        )
            .into_response();
    }
    service.solved.fetch_add(1, Ordering::SeqCst);
    issued(&service)
}

async fn hybrid_question(State(service): Shared, Query(query): Query<HashMap<String, String>>) -> Response {
    assert_eq!(query["type"], "hybrid");
    assert!(query["ts"].parse::<u64>().is_ok());
    let limit = TimeLimit { limit_ms: 10_000, rtt_ms: None };
    let made = hybrid::generate(None, limit, &service.seed(), now());
    service.hybrid.lock().unwrap().insert(made.challenge.id.clone(), made.challenge);
    let question = made.question;
    Json(json!({"success": true, "type": "hybrid", "challenge": {
        "id": question.id,
        "speed": {"problems": question.speed.problems, "timeLimit": "10000ms"},
        "reasoning": {"questions": question.reasoning.questions, "timeLimit": "30s"},
    }}))
    .into_response()
}

/// Both steps, as the BOTCHA-compatible API has them.
async fn hybrid_answer(State(service): Shared, Path(id): Path<String>, Json(body): Json<Value>) -> Response {
    assert_eq!(body["type"], "hybrid");
    let mut challenge = service.hybrid.lock().unwrap().remove(&id).unwrap();
    if let Some(hashes) = body.get("speed_answers") {
        let is_failing = service.fails_speed.load(Ordering::SeqCst) > 0;
        if is_failing {
            service.fails_speed.fetch_sub(1, Ordering::SeqCst);
        }
        let hashes = if is_failing { &Value::Null } else { hashes };
        let speed = hybrid::check_speed(&mut challenge, hashes, now());
        let remaining = challenge.remaining_ms(now());
        service.hybrid.lock().unwrap().insert(id, challenge);
        return Json(
            json!({"success": false, "pending": "reasoning", "speed": speed, "expires_in_ms": remaining}),
        )
        .into_response();
    }
    let outcome = hybrid::check(&challenge, None, &body["reasoning_answers"], now());
    if outcome.valid {
        return issued(&service);
    }
    Json(json!({"success": false, "message": format!("❌ Failed: {}", outcome.reason.unwrap_or_default())}))
        .into_response()
}

async fn refresh(State(service): Shared, Json(body): Json<Value>) -> Response {
    if service.refuses_refresh.load(Ordering::SeqCst) || body["refresh_token"] != "refresh-1" {
        return (StatusCode::UNAUTHORIZED, Json(json!({"success": false, "error": "INVALID_REFRESH_TOKEN"})))
            .into_response();
    }
    service.refreshed.fetch_add(1, Ordering::SeqCst);
    issued(&service)
}

fn issued(service: &Service) -> Response {
    let life = service.life.load(Ordering::SeqCst);
    let token = service.token(life);
    Json(json!({"success": true, "verified": true, "access_token": token, "token": token, "expires_in": life,
                "refresh_token": "refresh-1", "refresh_expires_in": 3600}))
    .into_response()
}

async fn validate(State(service): Shared, Json(body): Json<Value>) -> Json<Value> {
    if service.holds(body["token"].as_str().unwrap()) {
        Json(json!({"valid": true, "payload": {"sub": "challenge", "type": "botcha-verified"}}))
    } else {
        Json(json!({"valid": false, "error": "Invalid signature"}))
    }
}

async fn keys(State(service): Shared) -> Response {
    service.keys_asked.fetch_add(1, Ordering::SeqCst);
    if service.is_down.load(Ordering::SeqCst) {
        return Json(json!({"keys": []})).into_response();
    }
    Json(Jwks::publish(&[service.key.lock().unwrap().clone()]).unwrap()).into_response()
}

async fn with_token(State(service): Shared, headers: HeaderMap) -> Response {
    let shown = service.note(&headers);
    match shown.as_deref().and_then(|shown| shown.strip_prefix("Bearer ")) {
        Some(token) if service.holds(token) => "welcome".into_response(),
        Some(_) => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")])
            .into_response(),
        None => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"x\", Bearer")])
            .into_response(),
    }
}

async fn inline(State(service): Shared, headers: HeaderMap, body: String) -> Response {
    service.note(&headers);
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    if let (Some(id), Some(answers)) = (text("x-botcha-challenge-id"), text("x-botcha-answers"))
        && service.judge(id, &serde_json::from_str(answers).unwrap())
    {
        return format!("welcome {body}{}", text("x-botcha-app-id").unwrap_or_default()).into_response();
    }
    let body = json!({"success": false, "code": "BOTCHA_CHALLENGE", "challenge": service.pose()});
    (StatusCode::FORBIDDEN, Json(body)).into_response()
}

async fn open(State(service): Shared, headers: HeaderMap) -> &'static str {
    service.note(&headers);
    "open"
}

async fn moved() -> Response {
    (StatusCode::FOUND, [(header::LOCATION, "/open")]).into_response()
}

async fn large_refusal() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::FORBIDDEN, headers, format!("\"{}\"", "a".repeat(1_000_000))).into_response()
}

async fn verdict(Path(session): Path<String>, headers: HeaderMap) -> Response {
    assert_eq!(headers[header::AUTHORIZATION], "Bearer sk_site");
    let block = json!({"verdict": "definite", "score": 1, "action": "block", "detection_ids": [16777217], "reason": "Bot."});
    match session.as_str() {
        "block" => Json(block).into_response(),
        "slow" => {
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            Json(block).into_response()
        }
        "garbage" => "<html>".into_response(),
        "wrong" => Json(json!({"verdict": "definite", "score": "1", "action": "block"})).into_response(),
        "refused" => {
            let body = json!({"error": "No active subscription", "code": "NO_ACTIVE_SUBSCRIPTION"});
            (StatusCode::PAYMENT_REQUIRED, Json(body)).into_response()
        }
        "fault" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "huge" => {
            let mut body = block;
            body["reason"] = "a".repeat(300_000).into();
            Json(body).into_response()
        }
        "moved" => (StatusCode::FOUND, [(header::LOCATION, "/v1/sessions/block/verdict")]).into_response(),
        other => panic!("unexpected session {other}"),
    }
}

/// Busy at first, as often as the event says; then it tells the event's id and how often it came.
async fn event(State(service): Shared, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    assert_eq!(headers["x-agentshield-key"], "as_test_1");
    assert_eq!(headers["x-agentshield-project"], "proj_2");
    let times = service.busy.fetch_add(1, Ordering::SeqCst);
    let (status, busy) = match body["event"].as_str().unwrap() {
        "busy" => (StatusCode::TOO_MANY_REQUESTS, times < 2),
        "faulty" => (StatusCode::BAD_GATEWAY, times < 1),
        "later" => (StatusCode::TOO_MANY_REQUESTS, true),
        "wrong" => (StatusCode::BAD_REQUEST, true),
        other => panic!("unexpected event {other}"),
    };
    if busy {
        let wait = if body["event"] == "later" { "31" } else { "0" };
        let body = json!({"error": {"code": "REFUSED", "message": "no", "details": {}}});
        return (status, [(header::RETRY_AFTER, wait)], Json(body)).into_response();
    }
    Json(json!({"success": true, "eventId": body["id"]})).into_response()
}

async fn analytics(Path(project): Path<String>, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    assert_eq!((&*project, &*query["period"], &*query["metrics"]), ("proj_2", "week", "agents,bots"));
    assert_eq!(query.len(), 2);
    let series = json!([{"date": "2026-02-09", "bots": 7}]);
    Json(json!({"period": "week", "startDate": "2026-02-09", "endDate": "2026-02-15", "timeSeries": series,
                "agents": [{"agentId": "openai-gptbot"}]}))
}

async fn policy(Path(project): Path<String>, headers: HeaderMap) -> Response {
    assert_eq!(headers["x-agentshield-key"], "as_test_1");
    let known = headers.get(header::IF_NONE_MATCH).map(|known| known.to_str().unwrap());
    match (&*project, known) {
        ("proj_tagged", Some("\"one\"")) | ("proj_silent", _) => StatusCode::NOT_MODIFIED.into_response(),
        ("proj_tagged", _) => {
            ([(header::ETAG, "\"one\"")], Json(json!({"defaultAction": "log"}))).into_response()
        }
        ("proj_bare", _) => Json(json!({"defaultAction": "block"})).into_response(),
        ("proj_other", _) => Json(json!({"success": true})).into_response(),
        ("proj_huge", _) => Json(json!({"defaultAction": "a".repeat(1_100_000)})).into_response(),
        ("proj_moved", _) => {
            (StatusCode::FOUND, [(header::LOCATION, "/api/v1/projects/proj_bare/policy")]).into_response()
        }
        (other, _) => {
            assert_eq!(other, "proj_refused");
            let body = json!({"error": {"code": "FORBIDDEN", "message": "no", "details": {}}});
            (StatusCode::FORBIDDEN, Json(body)).into_response()
        }
    }
}

async fn detect(headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if headers.get("x-agentshield-key").is_none_or(|key| key != "as_test_1") {
        let body = json!({"error": {"code": "UNAUTHORIZED", "message": "unknown key", "details": {}}});
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    assert_eq!(body, json!({"userAgent": "GPTBot/1.0", "ip": "192.0.2.1"}));
    Json(json!({"isBot": true, "confidence": 0.95, "botType": "crawler",
                "details": {"userAgentBot": true, "behavioralBot": false, "ipBot": false},
                "metadata": {"engine": "Quivive/0.1.0", "processingTime": 0}}))
    .into_response()
}
