//! A site under test: an account, a project and API keys.

use axum::body::Body;
use quivive_server::config::Config;
use quivive_server::tenant::Plan;
use quivive_server::tenant::detection_key::{self, NewKey, Scope};
use quivive_server::tenant::directory::{self, NewAccount, NewProject};
use serde_json::Value;

use crate::support::{Answer, Server};

pub const KEY: &str = "as_live_0123456789abcdefghijABCDEFGHIJxy";

/// A server with one project and the key [`KEY`].
pub struct Site {
    pub server: Server,
    pub account: i64,
    pub project: i64,
}

impl Site {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(Server::with(change).await, "enterprise").await
    }

    pub async fn of_plan(plan: &str) -> Self {
        Self::on(Server::start().await, plan).await
    }

    pub async fn on(server: Server, plan: &str) -> Self {
        let account = NewAccount {
            name: "Acme".to_owned(),
            plan: Plan::named(plan).unwrap(),
            is_subscribed: true,
            ..NewAccount::default()
        };
        let account = directory::create_account(&server.app, account).await.unwrap().id;
        let project = NewProject { account_id: account, name: "Shop".to_owned(), ..NewProject::default() };
        let project = directory::create_project(&server.app, project).await.unwrap().id;
        let key = NewKey { project_id: project, key: Some(KEY.to_owned()), ..NewKey::default() };
        detection_key::create(&server.app, key).await.unwrap();
        Self { server, account, project }
    }

    pub async fn key(&self, new: NewKey) -> String {
        detection_key::create(&self.server.app, new).await.unwrap()
    }

    /// A key of the project that may do everything.
    pub async fn writer(&self) -> String {
        self.key(NewKey { scopes: Some(ALL_SCOPES.to_vec()), ..self.new_key() }).await
    }

    /// A key of the project to be made.
    pub fn new_key(&self) -> NewKey {
        NewKey { project_id: self.project, ..NewKey::default() }
    }

    /// A further project of the account: both of its ids.
    pub async fn further_project(&self, name: &str) -> (i64, String) {
        project_of(&self.server, self.account, name).await
    }

    /// The `proj_` id of a project.
    pub async fn public_id(&self, id: i64) -> String {
        directory::project(&self.server.app, id).await.unwrap().public_id
    }

    /// Another account with a project of its own: a key that may do everything there, and the `proj_` id.
    pub async fn stranger(&self) -> (String, String) {
        let account = directory::create_account(&self.server.app, NewAccount::default()).await.unwrap();
        let (project_id, public_id) = project_of(&self.server, account.id, "Other").await;
        let scopes = Some(ALL_SCOPES.to_vec());
        (self.key(NewKey { project_id, scopes, ..NewKey::default() }).await, public_id)
    }

    /// Any call with a key and a body; null for none. A second passes, so that no limit is met.
    pub async fn call(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        self.server.advance(1_000);
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.server.call(method, path, &[("x-agentshield-key", key)], body).await
    }

    /// POST of a description with the key.
    pub async fn detect(&self, body: &Value) -> Answer {
        self.detect_at("/api/v1/detect", body).await
    }

    /// As [`Site::detect`] with a query.
    pub async fn detect_at(&self, path: &str, body: &Value) -> Answer {
        let headers = [("x-agentshield-key", KEY), ("content-type", "application/json")];
        self.server.call("POST", path, &headers, body.to_string()).await
    }

    /// Any call with these headers and no body.
    pub async fn bare(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.server.call(method, path, headers, Body::empty()).await
    }
}

async fn project_of(server: &Server, account_id: i64, name: &str) -> (i64, String) {
    let new = NewProject { account_id, name: name.to_owned(), ..NewProject::default() };
    let project = directory::create_project(&server.app, new).await.unwrap();
    (project.id, project.public_id)
}

pub const ALL_SCOPES: [Scope; 4] = [Scope::Detect, Scope::Ingest, Scope::Read, Scope::Write];

/// Checks the error envelope and the headers that every answer carries.
pub fn assert_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.json["error"]["code"].as_str()),
        (status, Some(code)),
        "{:?}",
        answer.json
    );
    assert!(answer.json["error"]["message"].is_string() && answer.json["error"]["details"].is_object());
    assert_eq!(answer.json.as_object().unwrap().len(), 1);
    assert_eq!(answer.json["error"].as_object().unwrap().len(), 3);
    assert_limits(answer);
}

/// Checks the three headers.
pub fn assert_limits(answer: &Answer) {
    let number =
        |name: &str| answer.header(name).parse::<i64>().unwrap_or_else(|_| panic!("{name} is missing"));
    let (limit, remaining) = (number("x-ratelimit-limit"), number("x-ratelimit-remaining"));
    assert!(limit > 0 && (0..=limit).contains(&remaining));
    assert!(number("x-ratelimit-reset") > crate::support::START);
    assert!(answer.header("x-ratelimit-policy").contains(";w=1"));
}
