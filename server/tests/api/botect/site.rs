//! A site under test: an account with a user, a token and a project that scores.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use quivive_server::config::Config;
use quivive_server::jobs;
use quivive_server::tenant::directory::{self, NewAccount, NewProject, NewUser, ScoringKeys};
use serde_json::{Value, json};

use crate::support::{Answer, Server};

pub const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

pub const SITE_KEY: &str = "pk_4TqkZ0b1nXy7VdRmS9uHc2LwEaGfPj6o";
pub const PRIVATE_KEY: &str = "sk_4TqkZ0b1nXy7VdRmS9uHc2LwEaGfPj6o4TqkZ0b1nXy";
pub const TOKEN: &str = "account-token-of-the-first-account";

/// A server with one site; more can be added.
pub struct Site {
    pub server: Server,
    pub account: i64,
    pub project: i64,
}

/// The keys of a further tenant.
pub struct Tenant {
    pub account: i64,
    pub project: i64,
    pub site_key: String,
    pub private_key: String,
    pub token: String,
}

impl Site {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::of(
            Server::with(|config| {
                // The tests run beside others on few processors; the budget has a test of its own.
                config.botect.verdict_budget_ms = 10_000;
                change(config);
            })
            .await,
        )
        .await
    }

    async fn of(server: Server) -> Self {
        jobs::start(&server.app);
        // The first look of the worker scores what it finds without patience for look-ups; on a busy machine it would
        // find the first session of a test.
        while !server.app.scoring.is_recovered.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Self::without_worker(server).await
    }

    /// A site on a server whose background tasks were not started.
    pub async fn without_worker(server: Server) -> Self {
        let tenant = tenant(&server, "", true).await;
        Self { server, account: tenant.account, project: tenant.project }
    }

    /// Another account with a project and keys of its own.
    pub async fn other_tenant(&self, is_subscribed: bool) -> Tenant {
        tenant(&self.server, "Other", is_subscribed).await
    }

    /// POST of a batch with the site key in the header, from a browser.
    pub async fn ingest(&self, batch: &Value) -> Answer {
        self.ingest_with(&[], batch).await
    }

    /// As [`Site::ingest`] with further headers.
    pub async fn ingest_with(&self, headers: &[(&str, &str)], batch: &Value) -> Answer {
        let mut all = vec![("content-type", "application/json"), ("x-botect-site-key", SITE_KEY)];
        if !headers.iter().any(|(name, _)| *name == "user-agent") {
            all.push(("user-agent", CHROME));
        }
        all.extend_from_slice(headers);
        self.server.call("POST", "/v1/events", &all, batch.to_string()).await
    }

    /// A new session with these events (type and payload); its token.
    pub async fn session(&self, events: &[(&str, Value)]) -> String {
        let answer = self.ingest(&batch(None, events)).await;
        assert_eq!(answer.status, 202, "{:?}", answer.json);
        answer.json["session_token"].as_str().unwrap().to_owned()
    }

    /// GET of a verdict with the private key.
    pub async fn verdict(&self, token: &str, query: &str) -> Answer {
        let path = format!("/v1/sessions/{token}/verdict{query}");
        self.server
            .call("GET", &path, &[("authorization", &format!("Bearer {PRIVATE_KEY}"))], Body::empty())
            .await
    }

    /// The verdict as soon as it holds; at most five seconds.
    pub async fn verdict_when(&self, token: &str, query: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..1_000 {
            last = self.verdict(token, query).await.json;
            if holds(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the verdict stays {last}")
    }

    /// The verdict as soon as there is a score.
    pub async fn scored(&self, token: &str) -> Value {
        self.verdict_when(token, "", |verdict| verdict["verdict"] != "not_computed").await
    }

    /// PUT of settings with the account's token.
    pub async fn settings(&self, body: &Value) -> Answer {
        let path = format!("/v1/projects/{}/scoring/settings", self.project);
        self.control("PUT", &path, body).await
    }

    /// A call of the control plane with the account's token.
    pub async fn control(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("authorization", &*format!("Bearer {TOKEN}")), ("content-type", "application/json")];
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.server.call(method, path, &headers, body).await
    }
}

/// A batch with these events; request ids count up from `e-0`.
pub fn batch(token: Option<&str>, events: &[(&str, Value)]) -> Value {
    let events: Vec<Value> = events
        .iter()
        .enumerate()
        .map(|(index, (kind, payload))| event(&format!("e-{index}"), kind, payload.clone()))
        .collect();
    json!({ "session_token": token, "events": events })
}

/// One event.
pub fn event(id: &str, kind: &str, payload: Value) -> Value {
    json!({ "request_id": id, "type": kind, "received_at": "2026-02-15T12:00:00.120Z", "payload": payload })
}

/// A person's snapshot: 24 natural moves, two scrolls, a click.
pub fn human_snapshot() -> Value {
    json!({
        "mouse_moves": 24, "mouse_entropy": 0.181, "scroll_events": 2, "scroll_velocity": 387, "click_events": 1,
        "first_input_delay_ms": 6, "time_to_first_input_ms": 7500, "visibility_changes": 1
    })
}

/// Checks an error body of this family.
pub fn assert_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.json["code"].as_str()),
        (status, Some(code)),
        "{:?}",
        answer.json
    );
    assert!(answer.json["error"].is_string() && answer.json["message"].is_string());
    let members: Vec<_> = answer.json.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(members.iter().all(|name| ["error", "message", "code", "details", "retry_after"].contains(name)));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
}

/// The exact body for everything that is not known.
pub fn fail_open() -> Value {
    json!({
        "verdict": "not_computed", "score": 0, "action": "allow", "detection_ids": [],
        "reason": "Score not available; allowing by default."
    })
}

async fn tenant(server: &Server, suffix: &str, is_subscribed: bool) -> Tenant {
    let app = &server.app;
    let name = format!("Acme {suffix}");
    let account = NewAccount { name: name.clone(), is_subscribed, ..NewAccount::default() };
    let account = directory::create_account(app, account).await.unwrap().id;
    let user =
        NewUser { name: "Ada Example".to_owned(), email: "ada@example.com".to_owned(), ..NewUser::default() };
    let user = directory::create_user(app, user).await.unwrap().id;
    directory::put_membership(app, account, user, Some("owner".to_owned())).await.unwrap();
    let token =
        directory::create_api_token(app, account, user, Some(format!("{TOKEN}{suffix}"))).await.unwrap();
    let keys = ScoringKeys {
        site_key: format!("{SITE_KEY}{suffix}"),
        private_key: format!("{PRIVATE_KEY}{suffix}"),
    };
    let (site_key, private_key) = (keys.site_key.clone(), keys.private_key.clone());
    let project = NewProject { account_id: account, name, keys: Some(keys), ..NewProject::default() };
    let project = directory::create_project(app, project).await.unwrap().id;
    Tenant { account, project, site_key, private_key, token }
}
