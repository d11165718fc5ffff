//! A service with real keys, and verdicts that the session's name asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use quivive::Client;
use quivive_core::Timestamp;
use quivive_core::token::{Claims, Jwk, Jwks, Signer};
use quivive_middleware::{EnforceVerdict, RequireAgent};
use serde_json::json;

pub const PRIVATE_KEY: &str = "sk_site";

pub struct Service {
    pub url: String,
    pub is_down: AtomicBool,
    pub verdicts_asked: AtomicUsize,
    pub keys_asked: AtomicUsize,
    pub last_context: std::sync::Mutex<String>,
}

impl Service {
    pub async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            is_down: AtomicBool::new(false),
            verdicts_asked: AtomicUsize::new(0),
            keys_asked: AtomicUsize::new(0),
            last_context: std::sync::Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/jwks.json", get(keys))
            .route("/v1/sessions/{session}/verdict", get(verdict))
            .with_state(Arc::clone(&service));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        service
    }

    pub fn agents(&self) -> RequireAgent {
        RequireAgent::at(&self.url).unwrap()
    }

    pub fn visitors(&self) -> EnforceVerdict {
        let client = Client::builder()
            .url(&self.url)
            .verdict_timeouts(Duration::from_millis(100), Duration::from_millis(300))
            .build()
            .unwrap();
        EnforceVerdict::new(client.botect(PRIVATE_KEY)).unwrap()
    }

    pub fn verdicts_asked(&self) -> usize {
        self.verdicts_asked.load(Ordering::SeqCst)
    }
}

pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_milliseconds(i64::try_from(since_epoch.as_millis()).unwrap())
}

/// A good token, changed.
pub fn token(change: impl FnOnce(&mut Claims)) -> String {
    signed(1, change)
}

/// A token whose key the service does not have, under the id of its own.
pub fn forged() -> String {
    signed(2, |_| ())
}

fn signed(seed: u8, change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = Claims::access("agent-7", 47, "token-1", now(), 3600);
    change(&mut claims);
    Signer::from_jwk(&key(seed)).unwrap().sign(&claims).unwrap()
}

fn key(seed: u8) -> Jwk {
    Jwk::generate(&[seed; 32], Some("key-1")).unwrap()
}

pub fn key_set() -> Jwks {
    Jwks::publish(&[key(1)]).unwrap()
}

async fn keys(State(service): State<Arc<Service>>) -> Response {
    service.keys_asked.fetch_add(1, Ordering::SeqCst);
    if service.is_down.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    Json(key_set()).into_response()
}

async fn verdict(
    State(service): State<Arc<Service>>,
    Path(session): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    service.verdicts_asked.fetch_add(1, Ordering::SeqCst);
    *service.last_context.lock().unwrap() = query.unwrap_or_default();
    if service.is_down.load(Ordering::SeqCst) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let action = session.split('_').next().unwrap().to_owned();
    match action.as_str() {
        "slow" => tokio::time::sleep(Duration::from_secs(3)).await,
        "garbage" => return "{".into_response(),
        _ => tokio::time::sleep(Duration::from_millis(20)).await,
    }
    Json(json!({"verdict": "definite", "score": 1, "action": action, "detection_ids": [], "reason": "Bot."}))
        .into_response()
}
