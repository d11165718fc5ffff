//! Webhooks: their routes, what is sent, and how often.

mod events;
mod routes;
mod sending;
mod tries;

use quivive_core::agent::RequestFacts;
use quivive_core::decision::Action;
use quivive_server::config::Config;
use quivive_server::flows::detection::{self, Observed, Source};
use quivive_server::flows::webhooks::{self, Notice};
use serde_json::{Value, json};

use super::receiver::Receiver;
use super::site::Site;
use crate::support::Answer;

const HOUR: i64 = 3_600_000;

/// A site whose owner has a key that may write.
struct Owner {
    site: Site,
    key: String,
    base: String,
}

impl Owner {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Plain HTTP to 127.0.0.1 is permitted, on any port.
    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let settings = |config: &mut Config| {
            permit_this_machine(config);
            change(config);
        };
        Self::of(Site::with(settings).await).await
    }

    async fn of(site: Site) -> Self {
        let key = site.writer().await;
        let base = format!("/api/v1/projects/{}/webhooks", site.public_id(site.project).await);
        Self { site, key, base }
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.site.call(&self.key, method, &format!("{}{path}", self.base), body).await
    }

    /// Makes a webhook; returns its path below the collection, and its secret.
    async fn hook(&self, body: Value) -> (String, String) {
        let made = self.call("POST", "", body).await;
        assert_eq!(made.status, 201, "{}", made.json);
        let text = |name: &str| made.json[name].as_str().unwrap().to_owned();
        (format!("/{}", text("id")), text("secret"))
    }

    /// A webhook for a receiver that wants one event.
    async fn hook_for(&self, receiver: &Receiver, event: &str) -> (String, String) {
        self.hook(json!({ "url": receiver.url(), "events": [event] })).await
    }

    async fn deliveries(&self, hook: &str) -> Vec<Value> {
        let answer = self.call("GET", &format!("{hook}/deliveries"), Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        answer.json["deliveries"].as_array().unwrap().clone()
    }

    /// Puts up a notice by hand, as events do.
    async fn notify(&self, hook: &str, count: usize) {
        let notice = Notice {
            hook_id: hook.trim_start_matches('/').to_owned(),
            event: "detection.created",
            body: r#"{"event":"detection.created"}"#.to_owned(),
        };
        webhooks::enqueue(&self.site.server.app, vec![notice; count], Vec::new()).await.unwrap();
    }

    async fn deliver(&self) {
        webhooks::deliver_due(&self.site.server.app).await;
    }

    fn now(&self) -> i64 {
        self.site.server.app.now().seconds()
    }

    /// Records a request of a visitor as if it had been seen.
    async fn observe(&self, facts: RequestFacts, action: Action, is_test: bool) -> String {
        let app = &self.site.server.app;
        let facts = RequestFacts { now: app.now(), ..facts };
        let id = detection::new_id(app);
        let classification = app.detection.classify(&facts).classification;
        app.detection.record(Observed {
            id: id.clone(),
            account_id: self.site.account,
            project_id: self.site.project,
            is_test,
            source: Source::Api,
            action,
            rule_id: None,
            facts,
            session_id: None,
            classification,
        });
        id
    }
}

fn permit_this_machine(config: &mut Config) {
    config.webhooks.allow_insecure_webhooks = true;
    config.webhooks.ports = Vec::new();
    config.outbound.allow_private = vec!["127.0.0.1/32".parse().unwrap()];
}

fn from(user_agent: &str) -> RequestFacts {
    RequestFacts { user_agent: Some(user_agent.to_owned()), ..RequestFacts::default() }
}

const PUBLIC: &str = "https://hooks.example/quivive";
