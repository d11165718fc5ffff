//! The service in process: in-memory database, a clock that tests set, seeded randomness.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use quivive_core::Timestamp;
use quivive_server::app::{App, Clock, Entropy};
use quivive_server::config::{Config, Profile};
use quivive_server::keys::master::MasterSecret;
use quivive_server::serve;
use quivive_server::storage::memory::Memory;
use quivive_server::storage::sqlite::Sqlite;
use quivive_server::storage::{Counters, Events, Records, Storage};
use serde_json::Value;
use tower::ServiceExt;

/// 2026-02-15T12:00:00Z, when every test starts.
pub const START: i64 = 1_771_156_800;

/// A service under test.
pub struct Server {
    /// The application, to look behind the service.
    pub app: App,
    router: axum::Router,
}

/// An application on an in-memory database.
pub async fn prepare(config: Config) -> Result<App, serve::StartError> {
    prepare_on(Arc::new(Sqlite::in_memory().unwrap()), config).await
}

async fn prepare_on<D>(database: Arc<D>, config: Config) -> Result<App, serve::StartError>
where
    D: Records + Events + Counters + 'static,
{
    let clock = Clock::fixed(Timestamp::from_seconds(START));
    let storage = Storage::new(database, Arc::new(Memory::new(10_000)), clock.clone());
    let master = MasterSecret::from_bytes([42; 32]);
    serve::prepare(config, storage, master, clock, Entropy::seeded([7; 32])).await
}

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body as JSON; null when it is none.
    pub json: Value,
    pub body: Vec<u8>,
}

impl Server {
    /// A service with the built-in secure settings.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A service with the built-in compatible settings.
    pub async fn compat() -> Self {
        Self::of(Profile::Compat, |_| {}).await
    }

    /// A service with some settings changed.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::of(Profile::Secure, change).await
    }

    async fn of(profile: Profile, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::defaults(profile).unwrap();
        change(&mut config);
        Self::around(prepare(config).await.unwrap())
    }

    /// A service on a database of the test's own, with some settings changed.
    pub async fn on<D>(database: Arc<D>, change: impl FnOnce(&mut Config)) -> Self
    where
        D: Records + Events + Counters + 'static,
    {
        let mut config = Config::defaults(Profile::Secure).unwrap();
        change(&mut config);
        Self::around(prepare_on(database, config).await.unwrap())
    }

    /// A service around an application that was opened elsewhere.
    pub fn around(app: App) -> Self {
        let router = quivive_server::app(&app);
        Self { app, router }
    }

    /// Moves the clock.
    pub fn advance(&self, milliseconds: i64) {
        self.app.clock.advance(milliseconds);
    }

    /// Sends a request with any body.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Sends a prepared request.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.open(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, json, body }
    }

    /// The head of an answer; its body, which may be endless, is not read.
    pub async fn head(&self, method: &str, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let (parts, _) = self.open(request).await.into_parts();
        Answer { status: parts.status, headers: parts.headers, json: Value::Null, body: Vec::new() }
    }

    /// The answer with its body still to be read.
    pub async fn open(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], Body::empty()).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, json: &Value) -> Answer {
        self.call("POST", path, &[("content-type", "application/json")], json.to_string()).await
    }
}

impl Answer {
    /// A header as text; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}
