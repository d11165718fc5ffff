//! Webhooks: their routes, what is sent, and how often.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use quivive_core::agent::{RequestFacts, ReverseDnsAnswer};
use quivive_core::decision::Action;
use quivive_server::audit;
use quivive_server::config::Config;
use quivive_server::flows::detection::{self, Observed, Source};
use quivive_server::flows::webhooks::{self, Hook, Notice};
use quivive_server::jobs;
use quivive_server::storage::sqlite::Sqlite;
use quivive_server::tenant::detection_key::{NewKey, Scope};
use quivive_server::tenant::directory::{self, NewUser};
use serde_json::{Value, json};

use super::receiver::{Receiver, is_genuine, signatures};
use super::site::{Site, assert_error};
use crate::dns::{DnsServer, Reply, data};
use crate::support::{Answer, Server};

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

#[tokio::test]
async fn a_webhook_is_made_read_changed_and_deleted() {
    let owner = Owner::start().await;
    let made = owner.call("POST", "", json!({ "url": PUBLIC, "events": ["detection.created"] })).await;
    assert_eq!(made.status, 201);
    let mut item = made.json.clone();
    let secret = item.as_object_mut().unwrap().remove("secret").unwrap();
    let id = item["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("wh_") && id.len() == 23, "{id}");
    assert!(secret.as_str().unwrap().starts_with("whsec_"));
    let expected = json!({
        "id": id, "url": PUBLIC, "events": ["detection.created"], "filter": { "isBot": true },
        "payload": "minimal", "enabled": true, "createdAt": item["createdAt"],
    });
    assert_eq!(item, expected);
    assert!(item["createdAt"].as_str().unwrap().ends_with("Z"));
    let path = format!("/{id}");
    assert_eq!(owner.call("GET", &path, Value::Null).await.json, item, "the secret is shown once");
    assert_eq!(owner.call("GET", "", Value::Null).await.json, json!({ "webhooks": [item] }));

    let changes = json!({
        "url": "https://hooks.example/other", "events": ["agent.spoofed", "agent.spoofed", "webhook.test"],
        "filter": { "botType": ["ai_agent"], "minConfidence": 0.9 }, "payload": "full", "enabled": false,
        "botsPerMinute": 30,
    });
    let changed = owner.call("PATCH", &path, changes).await;
    assert_eq!(changed.status, 200, "{}", changed.json);
    assert_eq!(
        changed.json,
        json!({
            "id": id, "url": "https://hooks.example/other", "events": ["agent.spoofed", "webhook.test"],
            "filter": { "botType": ["ai_agent"], "minConfidence": 0.9 }, "payload": "full",
            "botsPerMinute": 30, "enabled": false, "createdAt": item["createdAt"],
        })
    );
    let unchanged = owner.call("PATCH", &path, json!({ "other": 1 })).await;
    assert_eq!((unchanged.status.as_u16(), &unchanged.json), (200, &changed.json));
    let without = owner.call("PATCH", &path, json!({ "botsPerMinute": null })).await;
    assert!(without.json.get("botsPerMinute").is_none());

    assert_eq!(owner.call("DELETE", &path, Value::Null).await.status, 204);
    assert_error(&owner.call("GET", &path, Value::Null).await, 404, "NOT_FOUND");
    assert_eq!(owner.call("GET", "", Value::Null).await.json, json!({ "webhooks": [] }));
    let app = &owner.site.server.app;
    let trail = audit::latest(app, &owner.site.project.to_string(), 10).await.unwrap();
    let actions: Vec<_> = trail.iter().rev().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        ["webhook.created", "webhook.changed", "webhook.changed", "webhook.changed", "webhook.deleted"]
    );
    assert!(!json!(trail).to_string().contains(secret.as_str().unwrap()));
    assert_eq!(trail[0]["actor"]["kind"], "api_key");
}

#[tokio::test]
async fn bad_bodies_name_the_fault() {
    let owner = Owner::start().await;
    let (hook, _) = owner.hook(json!({ "url": PUBLIC, "events": ["detection.created"] })).await;
    let long = format!("https://hooks.example/{}", "a".repeat(2_048));
    for (changes, field, reason) in [
        (json!({ "url": 1 }), "url", "type"),
        (json!({ "url": null }), "url", "type"),
        (json!({ "url": long }), "url", "too_long"),
        (json!({ "url": "hooks.example" }), "url", "format"),
        (json!({ "events": "detection.created" }), "events", "type"),
        (json!({ "events": [] }), "events", "too_short"),
        (json!({ "events": [1] }), "events[0]", "type"),
        (json!({ "events": ["detection.created", "anything"] }), "events[1]", "unknown_value"),
        (json!({ "events": vec!["webhook.test"; 8] }), "events", "too_many"),
        (json!({ "filter": [] }), "filter", "type"),
        (json!({ "filter": { "isBot": 1 } }), "filter.isBot", "type"),
        (json!({ "filter": { "botType": "crawler" } }), "filter.botType", "type"),
        (json!({ "filter": { "botType": ["robot"] } }), "filter.botType[0]", "unknown_value"),
        (json!({ "filter": { "minConfidence": 1.01 } }), "filter.minConfidence", "out_of_range"),
        (json!({ "filter": { "minConfidence": "1" } }), "filter.minConfidence", "type"),
        (json!({ "payload": "some" }), "payload", "unknown_value"),
        (json!({ "payload": 1 }), "payload", "type"),
        (json!({ "botsPerMinute": 0 }), "botsPerMinute", "out_of_range"),
        (json!({ "botsPerMinute": 1.5 }), "botsPerMinute", "out_of_range"),
        (json!({ "botsPerMinute": "9" }), "botsPerMinute", "type"),
        (json!({ "enabled": "yes" }), "enabled", "type"),
    ] {
        let mut whole = json!({ "url": PUBLIC, "events": ["detection.created"] });
        whole.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        for answer in [owner.call("POST", "", whole).await, owner.call("PATCH", &hook, changes.clone()).await]
        {
            assert_error(&answer, 400, "INVALID_REQUEST");
            let details = &answer.json["error"]["details"];
            assert_eq!((&details["field"], &details["reason"]), (&json!(field), &json!(reason)), "{changes}");
        }
    }
    let missing = owner.call("POST", "", json!({})).await;
    assert_error(&missing, 400, "INVALID_REQUEST");
    assert_eq!(missing.json["error"]["details"]["errors"].as_array().unwrap().len(), 2);
    for (body, status) in [("[".to_owned(), 400), ("[]".to_owned(), 400), (" ".repeat(65_537), 413)] {
        let headers = [("x-agentshield-key", &*owner.key)];
        for (method, path) in [("POST", owner.base.clone()), ("PATCH", format!("{}{hook}", owner.base))] {
            let answer = owner.site.server.call(method, &path, &headers, body.clone()).await;
            assert_error(&answer, status, "INVALID_REQUEST");
        }
    }
    for number in 1..20 {
        let url = format!("{PUBLIC}/{number}");
        owner.hook(json!({ "url": url, "events": ["webhook.test"] })).await;
    }
    let answer = owner.call("POST", "", json!({ "url": PUBLIC, "events": ["webhook.test"] })).await;
    assert_error(&answer, 400, "INVALID_REQUEST");
    assert_eq!(answer.json["error"]["details"], json!({ "field": "body", "reason": "too_many", "max": 20 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn webhooks_made_at_once_are_never_more_than_twenty() {
    let owner = Owner::start().await;
    let body = json!({ "url": PUBLIC, "events": ["webhook.test"] });
    let answers = futures::future::join_all((0..40).map(|_| owner.call("POST", "", body.clone()))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 20);
    let listed = owner.call("GET", "", Value::Null).await;
    assert_eq!(listed.json["webhooks"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn urls_that_lead_inside_or_are_open_are_refused() {
    let owner = Owner::of(Site::start().await).await;
    for (url, rule) in [
        ("", "url"),
        ("https://", "url"),
        ("http://hooks.example/", "https"),
        ("ftp://hooks.example/", "https"),
        ("file:///etc/passwd", "https"),
        ("https://ada:secret@hooks.example/", "no_credentials"),
        ("https://ada@hooks.example/", "no_credentials"),
        ("https://hooks.example:22/", "port"),
        ("https://localhost/", "public_host"),
        ("https://LOCALHOST./", "public_host"),
        ("https://a.localhost/", "public_host"),
        ("https://printer.local/", "public_host"),
        ("https://metadata.google.internal/", "public_host"),
        ("https://router.home.arpa/", "public_host"),
        ("https://127.0.0.1/", "public_host"),
        ("https://2130706433/", "public_host"),
        ("https://0x7f.1/", "public_host"),
        ("https://10.0.0.1/", "public_host"),
        ("https://169.254.169.254/latest/meta-data", "public_host"),
        ("https://[::1]/", "public_host"),
        ("https://[fd00::1]/", "public_host"),
        ("https://[::ffff:127.0.0.1]/", "public_host"),
    ] {
        let answer = owner.call("POST", "", json!({ "url": url, "events": ["webhook.test"] })).await;
        assert_error(&answer, 400, "INVALID_REQUEST");
        let expected = json!({ "field": "url", "reason": "format", "rule": rule });
        assert_eq!(answer.json["error"]["details"], expected, "{url}");
    }
    // Names that only look alike are nobody's private business.
    for url in ["https://fcbarcelona.com/", "https://local.example:8443/x", "https://notlocalhost/"] {
        owner.hook(json!({ "url": url, "events": ["webhook.test"] })).await;
    }
}

#[tokio::test]
async fn every_route_demands_a_key_that_may_write_in_the_project() {
    let owner = Owner::start().await;
    let (hook, _) = owner.hook(json!({ "url": PUBLIC, "events": ["detection.created"] })).await;
    let (sibling, sibling_id) = owner.site.further_project("Blog").await;
    let reader =
        NewKey { scopes: Some(vec![Scope::Detect, Scope::Ingest, Scope::Read]), ..owner.site.new_key() };
    let reader = owner.site.key(reader).await;
    let narrow = NewKey {
        project_id: sibling,
        projects: Some(vec![sibling]),
        scopes: Some(vec![Scope::Write]),
        ..NewKey::default()
    };
    let narrow = owner.site.key(narrow).await;
    let (stranger, foreign_id) = owner.site.stranger().await;
    let body = || json!({ "url": PUBLIC, "events": ["detection.created"] });
    for (method, path) in [
        ("GET", String::new()),
        ("POST", String::new()),
        ("GET", hook.clone()),
        ("PATCH", hook.clone()),
        ("DELETE", hook.clone()),
        ("POST", format!("{hook}/rotate-secret")),
        ("POST", format!("{hook}/test")),
        ("GET", format!("{hook}/deliveries")),
    ] {
        let whole = format!("{}{path}", owner.base);
        let ask = async |key: &str, path: &str| owner.site.call(key, method, path, body()).await;
        assert_error(&ask("as_live_unknown", &whole).await, 401, "UNAUTHORIZED");
        let answer = ask(&reader, &whole).await;
        assert_error(&answer, 403, "FORBIDDEN");
        assert_eq!(answer.json["error"]["details"], json!({ "reason": "scope" }));
        let answer = ask(&narrow, &whole).await;
        assert_error(&answer, 403, "FORBIDDEN");
        assert_eq!(answer.json["error"]["details"], json!({ "reason": "project" }));
        let answer = ask(&stranger, &whole).await;
        assert_error(&answer, 404, "NOT_FOUND");
        assert_eq!(answer.json["error"]["details"], json!({ "resource": "project" }));
        let unknown = format!("/api/v1/projects/proj_unknown/webhooks{path}");
        assert_error(&ask(&owner.key, &unknown).await, 404, "NOT_FOUND");
        if path.is_empty() {
            continue;
        }
        // The webhook of another project, of one's own account or another's, is none.
        for (key, project) in [(&owner.key, &sibling_id), (&stranger, &foreign_id)] {
            let elsewhere = format!("/api/v1/projects/{project}/webhooks{path}");
            let answer = ask(key, &elsewhere).await;
            assert_error(&answer, 404, "NOT_FOUND");
            assert_eq!(answer.json["error"]["details"], json!({ "resource": "webhook" }));
        }
        let missing = whole.replace(&hook, "/wh_00000000000000000000");
        assert_error(&ask(&owner.key, &missing).await, 404, "NOT_FOUND");
    }
    assert_eq!(owner.call("GET", "", Value::Null).await.json["webhooks"].as_array().unwrap().len(), 1);
    owner.site.server.advance(1_000);
    let flood = Site::of_plan("free").await;
    let owner = Owner::of(flood).await;
    owner.site.server.advance(1_000);
    let headers = [("x-agentshield-key", &*owner.key)];
    for _ in 0..10 {
        assert_eq!(owner.site.bare("GET", &owner.base, &headers).await.status, 200);
    }
    assert_error(&owner.site.bare("GET", &owner.base, &headers).await, 429, "RATE_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn a_receiver_over_https_can_tell_that_a_notice_is_genuine() {
    let (dns, receiver) = (DnsServer::start().await, Receiver::tls("hooks.example").await);
    dns.set("hooks.example", RecordType::A, Reply::Records(vec![data("127.0.0.1")]));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(receiver.certificate.as_bytes()).unwrap();
    let site = Site::with(|config| {
        config.webhooks.ports = Vec::new();
        config.outbound.dns_servers = vec![dns.address];
        config.outbound.allow_private = vec!["127.0.0.1/32".parse().unwrap()];
        config.outbound.certificates = Some(file.path().to_str().unwrap().to_owned());
    });
    let owner = Owner::of(site.await).await;
    let url = format!("https://hooks.example:{}/hook?tenant=7", receiver.port);
    let (hook, secret) = owner.hook(json!({ "url": url, "events": ["detection.created"] })).await;
    let test = owner.call("POST", &format!("{hook}/test"), Value::Null).await;
    assert_eq!(test.status, 202);
    let delivery_id = test.json["deliveryId"].as_str().unwrap();
    assert!(delivery_id.starts_with("dlv_") && delivery_id.len() == 30);
    owner.deliver().await;
    let received = receiver.received();
    assert_eq!(received.len(), 1, "{:?}", owner.deliveries(&hook).await);
    let received = &received[0];
    assert_eq!(received.line, "POST /hook?tenant=7 HTTP/1.1");
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", "Quivive-Webhooks/1"),
        ("x-agentshield-event", "webhook.test"),
        ("x-agentshield-delivery", delivery_id),
    ] {
        assert_eq!(received.header(name), value);
    }
    assert!(received.header("host").starts_with("hooks.example"));
    let body = received.json();
    assert_eq!(body["event"], "webhook.test");
    assert_eq!(body["data"], json!({ "webhookId": hook.trim_start_matches('/') }));
    assert!((owner.now() - body["timestamp"].as_i64().unwrap()).abs() <= 2);
    assert_eq!(body.as_object().unwrap().len(), 3);
    assert_eq!(signatures(received), 1);
    assert!(is_genuine(&secret, received, owner.now()));
    // The check can fail: another secret, another body, an old capture.
    assert!(!is_genuine("whsec_other", received, owner.now()));
    let mut changed = received.clone();
    changed.body.push(' ');
    assert!(!is_genuine(&secret, &changed, owner.now()));
    assert!(!is_genuine(&secret, received, owner.now() + 310));

    let log = owner.deliveries(&hook).await;
    let moment = &log[0]["createdAt"];
    let expected = json!({
        "id": delivery_id, "event": "webhook.test", "status": "delivered", "attempts": 1, "lastStatusCode": 200,
        "lastError": null, "createdAt": moment, "deliveredAt": moment,
    });
    assert_eq!(log, [expected]);
}

#[tokio::test]
async fn a_certificate_for_another_name_gets_nothing() {
    let (dns, receiver) = (DnsServer::start().await, Receiver::tls("hooks.example").await);
    dns.set("hooks.example", RecordType::A, Reply::Records(vec![data("127.0.0.1")]));
    let site = Site::with(|config| {
        config.webhooks.ports = Vec::new();
        config.outbound.dns_servers = vec![dns.address];
        config.outbound.allow_private = vec!["127.0.0.1/32".parse().unwrap()];
    });
    let owner = Owner::of(site.await).await;
    let url = format!("https://hooks.example:{}/", receiver.port);
    let (hook, _) = owner.hook(json!({ "url": url, "events": ["detection.created"] })).await;
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    assert_eq!(receiver.count(), 0);
    let log = owner.deliveries(&hook).await;
    assert_eq!((&log[0]["status"], &log[0]["lastStatusCode"]), (&json!("pending"), &Value::Null));
    assert!(log[0]["lastError"].is_string());
}

#[tokio::test]
async fn a_replaced_secret_signs_for_another_day() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    let (hook, first) = owner.hook_for(&receiver, "detection.created").await;
    let rotated = owner.call("POST", &format!("{hook}/rotate-secret"), Value::Null).await;
    assert_eq!((rotated.status.as_u16(), rotated.json.as_object().unwrap().len()), (200, 1));
    let second = rotated.json["secret"].as_str().unwrap();
    assert!(second.starts_with("whsec_") && second != first);
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    let received = receiver.received().remove(0);
    assert_eq!(signatures(&received), 2);
    assert!(is_genuine(&first, &received, owner.now()) && is_genuine(second, &received, owner.now()));
    owner.site.server.advance(24 * HOUR);
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    let received = receiver.received().remove(1);
    assert_eq!(signatures(&received), 1);
    assert!(!is_genuine(&first, &received, owner.now()) && is_genuine(second, &received, owner.now()));
}

#[tokio::test]
async fn secrets_are_stored_sealed() {
    let owner = Owner::start().await;
    let (hook, first) = owner.hook(json!({ "url": PUBLIC, "events": ["webhook.test"] })).await;
    let rotated = owner.call("POST", &format!("{hook}/rotate-secret"), Value::Null).await;
    let id = hook.trim_start_matches('/');
    let stored = owner.site.server.app.storage.get::<Hook>(id).await.unwrap().unwrap();
    let stored = serde_json::to_string(&stored.value).unwrap();
    for secret in [first.as_str(), rotated.json["secret"].as_str().unwrap()] {
        assert!(!stored.contains(secret) && !stored.contains(&secret[6..]));
    }
    assert!(stored.contains("sealed"));
}

#[tokio::test]
async fn a_failing_receiver_is_tried_eight_times_at_growing_pauses() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    receiver.answer(&["500 Oops"; 8]);
    let (hook, secret) = owner.hook_for(&receiver, "detection.created").await;
    owner.notify(&hook, 1).await;
    let seconds = [5, 30, 120, 600, 3_600, 21_600, 86_400];
    for (tries, pause) in seconds.into_iter().enumerate() {
        owner.deliver().await;
        assert_eq!(receiver.count(), tries + 1);
        let app = &owner.site.server.app;
        let log = webhooks::deliveries(app, hook.trim_start_matches('/')).await.unwrap();
        assert_eq!((log[0].status, log[0].attempts), (webhooks::Status::Pending, tries as u32 + 1));
        assert_eq!((log[0].last_status_code, log[0].last_error.as_deref()), (Some(500), Some("status 500")));
        // Not before four fifths of the pause, not after six fifths.
        owner.site.server.advance(pause * 800 - 1);
        owner.deliver().await;
        assert_eq!(receiver.count(), tries + 1, "too early after {pause} s");
        owner.site.server.advance(pause * 400 + 1);
    }
    owner.deliver().await;
    assert_eq!(receiver.count(), 8);
    let log = owner.deliveries(&hook).await;
    assert_eq!((&log[0]["status"], &log[0]["attempts"]), (&json!("failed"), &json!(8)));
    assert_eq!(log[0]["deliveredAt"], Value::Null);
    owner.site.server.advance(100 * HOUR);
    owner.deliver().await;
    assert_eq!(receiver.count(), 8, "given up is given up");
    let received = receiver.received();
    assert!(is_genuine(&secret, &received[0], received_at(&received[0])));
    let ids: std::collections::HashSet<_> =
        received.iter().map(|one| one.header("x-agentshield-delivery").to_owned()).collect();
    assert_eq!(ids.len(), 1, "every try has the same id");
    let times: std::collections::HashSet<_> = received.iter().map(received_at).collect();
    assert_eq!(times.len(), 8, "and is signed anew");
}

fn received_at(received: &super::receiver::Received) -> i64 {
    let line = received.header("x-agentshield-signature");
    line.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_notice_that_fails_once_arrives() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    receiver.answer(&["503 Later"]);
    let (hook, _) = owner.hook_for(&receiver, "detection.created").await;
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    owner.site.server.advance(6_000);
    owner.deliver().await;
    let log = owner.deliveries(&hook).await;
    assert_eq!((log.len(), &log[0]["status"], &log[0]["attempts"]), (1, &json!("delivered"), &json!(2)));
    assert_eq!((&log[0]["lastStatusCode"], &log[0]["lastError"]), (&json!(200), &Value::Null));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (owner, other) = (Owner::start().await, Receiver::start().await);
    for status in ["301 Moved", "302 Found", "307 Elsewhere", "308 Elsewhere"] {
        let receiver = Receiver::start().await;
        receiver.answer(&[&format!("{status}\r\nLocation: {}", other.url())]);
        let (hook, _) = owner.hook_for(&receiver, "detection.created").await;
        owner.notify(&hook, 1).await;
        owner.deliver().await;
        let log = owner.deliveries(&hook).await;
        assert_eq!(log[0]["status"], "pending");
        assert_eq!(log[0]["lastError"], format!("status {}", &status[..3]));
    }
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn a_receiver_that_is_gone_gets_nothing_more() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    receiver.answer(&["410 Gone"]);
    let (hook, _) = owner.hook_for(&receiver, "detection.created").await;
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    assert_eq!(owner.call("GET", &hook, Value::Null).await.json["enabled"], false);
    assert_eq!(owner.deliveries(&hook).await[0]["status"], "failed");
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    assert_eq!(receiver.count(), 1);
    let log = owner.deliveries(&hook).await;
    assert_eq!(
        (&log[0]["status"], &log[0]["lastError"]),
        (&json!("failed"), &json!("the webhook is switched off"))
    );
    // A test goes out all the same; switched on again, everything does.
    owner.call("POST", &format!("{hook}/test"), Value::Null).await;
    owner.deliver().await;
    assert_eq!(receiver.count(), 2);
    assert_eq!(owner.call("PATCH", &hook, json!({ "enabled": true })).await.json["enabled"], true);
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    assert_eq!(receiver.count(), 3);
    let trail = audit::latest(&owner.site.server.app, &owner.site.project.to_string(), 10).await.unwrap();
    let disabled = trail.iter().find(|entry| entry["action"] == "webhook.disabled").unwrap();
    assert_eq!(
        (&disabled["details"]["reason"], &disabled["actor"]["kind"]),
        (&json!("gone"), &json!("server"))
    );
}

#[tokio::test]
async fn a_webhook_that_fails_for_three_days_is_switched_off_and_its_owners_are_told() {
    let receiver = Receiver::start().await;
    let owner = Owner::with(|config| config.development = true).await;
    let app = &owner.site.server.app;
    let new = NewUser { name: "Ada".to_owned(), email: "ada@example.com".to_owned(), ..NewUser::default() };
    let user = directory::create_user(app, new).await.unwrap();
    directory::put_membership(app, owner.site.account, user.id, None).await.unwrap();
    receiver.answer(&["500 Oops"; 100]);
    let (hook, _) = owner.hook_for(&receiver, "detection.created").await;
    let is_enabled = async || owner.call("GET", &hook, Value::Null).await.json["enabled"].as_bool().unwrap();
    for _ in 0..3 {
        owner.notify(&hook, 1).await;
        owner.deliver().await;
        assert!(is_enabled().await);
        owner.site.server.advance(24 * HOUR - 10_000);
    }
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    assert!(is_enabled().await, "a moment is missing");
    owner.site.server.advance(60_000);
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    assert!(!is_enabled().await);
    let mails = app.mail.kept();
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, "ada@example.com"));
    assert!(mails[0].text.contains(hook.trim_start_matches('/')) && mails[0].text.contains("72 hours"));

    // One success in between and the days count from there.
    let second = Receiver::start().await;
    let (hook, _) = owner.hook_for(&second, "detection.created").await;
    for answer in ["500 Oops", "200 OK", "500 Oops", "500 Oops"] {
        second.answer(&[answer; 9]);
        owner.notify(&hook, 1).await;
        owner.deliver().await;
        owner.site.server.advance(40 * HOUR);
    }
    assert!(owner.call("GET", &hook, Value::Null).await.json["enabled"].as_bool().unwrap());
}

#[tokio::test]
async fn names_that_lead_inside_get_nothing_however_often_they_change_their_mind() {
    let (dns, inside) = (DnsServer::start().await, Receiver::inside("127.0.0.2").await);
    let owner = Owner::with(|config| config.outbound.dns_servers = vec![dns.address]).await;
    dns.set("inside.example", RecordType::A, Reply::Records(vec![data("127.0.0.2")]));
    dns.set("metadata.example", RecordType::A, Reply::Records(vec![data("169.254.169.254")]));
    dns.set("six.example", RecordType::AAAA, Reply::Records(vec![data("::ffff:127.0.0.2")]));
    // Public (here: permitted) at the first question, private from the second on.
    let turns = vec![vec![data("127.0.0.1")], vec![data("127.0.0.2")]];
    dns.set("rebound.example", RecordType::A, Reply::InTurn(turns));
    let mut hooks = Vec::new();
    for host in ["inside.example", "metadata.example", "six.example", "rebound.example"] {
        let url = format!("http://{host}:{}/", inside.port);
        let (hook, _) = owner.hook(json!({ "url": url, "events": ["detection.created"] })).await;
        owner.notify(&hook, 1).await;
        hooks.push((host, hook));
    }
    owner.deliver().await;
    owner.site.server.advance(6_000);
    owner.deliver().await;
    assert_eq!(inside.count(), 0);
    for (host, hook) in hooks {
        let log = owner.deliveries(&hook).await;
        assert_eq!(log[0]["attempts"], 2, "{host}");
        assert_eq!(log[0]["lastError"], format!("{host} is not on the public internet"));
    }
}

#[tokio::test]
async fn a_slow_receiver_holds_up_nobody_else() {
    let (slow, quick) = (Receiver::slow(Duration::from_secs(3)).await, Receiver::start().await);
    let owner = Owner::start().await;
    let (slow_hook, _) = owner.hook_for(&slow, "detection.created").await;
    let (quick_hook, _) = owner.hook_for(&quick, "detection.created").await;
    owner.notify(&slow_hook, 300).await;
    jobs::start(&owner.site.server.app);
    slow.until(4).await;
    let started = Instant::now();
    owner.notify(&quick_hook, 20).await;
    quick.until(20).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(slow.count() <= 4, "few of one receiver at a time");
}

#[tokio::test]
async fn what_waits_survives_a_restart() {
    let (database, receiver) = (Arc::new(Sqlite::in_memory().unwrap()), Receiver::start().await);
    let server = Server::on(database.clone(), permit_this_machine).await;
    let owner = Owner::of(Site::on(server, "enterprise").await).await;
    let (hook, secret) = owner.hook_for(&receiver, "detection.created").await;
    owner.notify(&hook, 3).await;
    drop(owner);
    let again = Server::on(database, permit_this_machine).await;
    again.advance(10_000);
    webhooks::deliver_due(&again.app).await;
    assert_eq!(receiver.count(), 0, "nothing was read yet");
    jobs::start(&again.app);
    let received = receiver.until(3).await;
    assert!(received.iter().all(|one| is_genuine(&secret, one, again.app.now().seconds())));
    again.app.jobs.stop(Duration::from_secs(5)).await;
    webhooks::recover(&again.app).await.unwrap();
    webhooks::deliver_due(&again.app).await;
    assert_eq!(receiver.count(), 3, "what arrived is done");
}

#[tokio::test]
async fn of_more_than_ten_thousand_the_oldest_are_dropped_and_counted() {
    let owner = Owner::start().await;
    let (hook, _) = owner.hook(json!({ "url": PUBLIC, "events": ["detection.created"] })).await;
    let id = hook.trim_start_matches('/');
    owner.notify(&hook, 1).await;
    let oldest = owner.deliveries(&hook).await[0]["id"].clone();
    owner.site.server.advance(1_000);
    owner.notify(&hook, 10_001).await;
    let app = &owner.site.server.app;
    assert_eq!(app.storage.get::<Hook>(id).await.unwrap().unwrap().dropped, 2);
    webhooks::recover(app).await.unwrap();
    assert_eq!(
        app.storage.get::<Hook>(id).await.unwrap().unwrap().dropped,
        2,
        "they are gone from storage too"
    );
    assert!(owner.deliveries(&hook).await.iter().all(|delivery| delivery["id"] != oldest));
}

#[tokio::test]
async fn the_log_holds_the_last_hundred_newest_first_for_a_week() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    let (hook, _) = owner.hook_for(&receiver, "detection.created").await;
    for _ in 0..2 {
        owner.notify(&hook, 60).await;
        owner.deliver().await;
        owner.site.server.advance(1_000);
    }
    owner.notify(&hook, 1).await;
    let log = owner.deliveries(&hook).await;
    assert_eq!(
        (log.len(), &log[0]["status"], &log[1]["status"]),
        (100, &json!("pending"), &json!("delivered"))
    );
    let ids: Vec<_> = log.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted_by(|left, right| left > right), "newest first, none twice");
    owner.deliver().await;
    owner.site.server.advance(7 * 24 * HOUR + 2_000);
    jobs::remove_expired(&owner.site.server.app).await.unwrap();
    assert_eq!(owner.deliveries(&hook).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_deleted_webhook_takes_what_waits_and_its_log_along() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    let (hook, _) = owner.hook_for(&receiver, "detection.created").await;
    let (other, _) = owner.hook_for(&receiver, "detection.created").await;
    for hook in [&hook, &other] {
        owner.notify(hook, 1).await;
    }
    owner.deliver().await;
    for hook in [&hook, &other] {
        owner.notify(hook, 2).await;
    }
    let app = &owner.site.server.app;
    assert_eq!(webhooks::deliveries(app, hook.trim_start_matches('/')).await.unwrap().len(), 3);
    assert_eq!(owner.call("DELETE", &hook, Value::Null).await.status, 204);
    webhooks::recover(app).await.unwrap();
    assert!(webhooks::deliveries(app, hook.trim_start_matches('/')).await.unwrap().is_empty());
    assert_eq!(webhooks::deliveries(app, other.trim_start_matches('/')).await.unwrap().len(), 3);
    owner.deliver().await;
    assert_eq!(receiver.count(), 4);
}

#[tokio::test]
async fn detections_are_told_in_the_documented_form() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    let project = owner.site.public_id(owner.site.project).await;
    let (_, secret) = owner.hook_for(&receiver, "detection.created").await;
    jobs::start(&owner.site.server.app);
    let person = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
    owner.observe(from(person), Action::Allow, false).await;
    owner.observe(from("curl/8.5.0"), Action::Allow, true).await;
    let answer =
        owner.site.detect_at("/api/v1/detect?include=class", &json!({ "userAgent": "curl/8.5.0" })).await;
    let received = receiver.until(1).await;
    assert_eq!(
        received[0].json(),
        json!({
            "event": "detection.created",
            "data": {
                "id": answer.json["extended"]["detectionId"], "projectId": project, "isBot": true,
                "confidence": answer.json["confidence"],
            },
            "timestamp": owner.now(),
        })
    );
    let order: Vec<_> = received[0].json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(order, ["event", "data", "timestamp"]);
    assert!(is_genuine(&secret, &received[0], owner.now()));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(receiver.count(), 1, "neither a person nor a test is told");
}

#[tokio::test]
async fn filters_choose_and_full_payloads_tell_everything() {
    let (owner, receiver, others) = (Owner::start().await, Receiver::start().await, Receiver::start().await);
    let full = json!({
        "url": receiver.url(), "events": ["detection.created"], "payload": "full",
        "filter": { "botType": ["crawler"], "minConfidence": 0.9 },
    });
    owner.hook(full).await;
    owner
        .hook(json!({ "url": others.url(), "events": ["detection.created"], "filter": { "isBot": false } }))
        .await;
    jobs::start(&owner.site.server.app);
    owner.observe(from("curl/8.5.0"), Action::Allow, false).await;
    let facts = RequestFacts {
        ip: Some("203.0.113.7".parse().unwrap()),
        url: Some("https://ada:secret@example.org/a?token=secret#x".to_owned()),
        ..from("GPTBot/1.2")
    };
    let id = owner.observe(facts, Action::Log, false).await;
    let person = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
    let person = owner.observe(from(person), Action::Allow, false).await;
    let told = receiver.until(1).await[0].json();
    let data = &told["data"];
    assert_eq!(
        (&data["id"], &data["botType"], &data["isBot"]),
        (&json!(id), &json!("crawler"), &json!(true))
    );
    assert_eq!((&data["userAgent"], &data["ip"]), (&json!("GPTBot/1.2"), &json!("203.0.113.7")));
    assert_eq!(data["url"], "https://example.org/a");
    assert!(data["timestamp"].as_str().unwrap().ends_with('Z'));
    let extended = &data["extended"];
    assert_eq!(extended["class"]["subType"], "ai_training");
    assert!(extended["agent"]["id"].as_str().unwrap().contains("gptbot"));
    assert_eq!(
        (&extended["verification"]["status"], &extended["policy"]["action"]),
        (&json!("claimed"), &json!("log"))
    );
    assert!(!extended["signals"].as_array().unwrap().is_empty() && !told.to_string().contains("secret"));
    assert_eq!(others.until(1).await[0].json()["data"]["id"], json!(person));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!((receiver.count(), others.count()), (1, 1));
}

#[tokio::test]
async fn an_agent_is_told_of_when_it_comes_first() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    let project = owner.site.public_id(owner.site.project).await;
    jobs::start(&owner.site.server.app);
    // Before anybody listened.
    owner.observe(from("Googlebot/2.1 (+http://www.google.com/bot.html)"), Action::Allow, false).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    owner.hook_for(&receiver, "agent.first_seen").await;
    owner.site.server.advance(2_000);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for agent in ["Googlebot/2.1 (+http://www.google.com/bot.html)", "curl/8.5.0", "GPTBot/1.2", "GPTBot/1.2"]
    {
        owner.observe(from(agent), Action::Allow, false).await;
    }
    let mut told: Vec<Value> = Vec::new();
    for _ in 0..100 {
        told = receiver.received().iter().map(|one| one.json()["data"].clone()).collect();
        if told.iter().any(|data| data["name"] == "GPTBot") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(told.iter().all(|data| data["name"] != "Googlebot"), "{told:?}");
    let gptbot: Vec<_> = receiver
        .received()
        .iter()
        .map(|one| one.json())
        .filter(|one| one["data"]["name"] == "GPTBot")
        .collect();
    assert_eq!(gptbot.len(), 1);
    let data = &gptbot[0]["data"];
    assert_eq!((&data["projectId"], &data["vendor"]), (&json!(project), &json!("OpenAI")));
    assert_eq!((&data["botType"], &data["verification"]), (&json!("crawler"), &json!("claimed")));
    assert!(data["agentId"].is_string() && data.as_object().unwrap().len() == 6);
}

#[tokio::test]
async fn spoofed_identities_and_enforced_refusals_are_told() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    let project = owner.site.public_id(owner.site.project).await;
    owner.hook(json!({ "url": receiver.url(), "events": ["agent.spoofed", "detection.blocked"] })).await;
    let app = &owner.site.server.app;
    jobs::start(app);
    let spoofed = RequestFacts {
        ip: Some("203.0.113.7".parse().unwrap()),
        reverse_dns: Some(ReverseDnsAnswer {
            name: Some("host.example".to_owned()),
            forward_confirmed: true,
        }),
        ..from("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
    };
    // Refusals are not enforced in this project yet.
    let id = owner.observe(spoofed, Action::Block, false).await;
    let told = receiver.until(1).await[0].json();
    assert_eq!((&told["event"], &told["data"]["id"]), (&json!("agent.spoofed"), &json!(id)));
    let data = &told["data"];
    assert_eq!((&data["projectId"], &data["ip"]), (&json!(project), &json!("203.0.113.7")));
    assert_eq!(data["reason"], "address_has_another_name");
    assert!(data["claimed"].as_str().unwrap().contains("googlebot") && data.as_object().unwrap().len() == 5);

    directory::change_project(app, owner.site.project, |project| project.detection.is_blocking = true)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    owner.observe(from("curl/8.5.0"), Action::Log, false).await;
    let id = owner.observe(from("curl/8.5.0"), Action::Challenge, false).await;
    let told = receiver.until(2).await[1].json();
    let data = &told["data"];
    assert_eq!(told["event"], "detection.blocked");
    assert_eq!(
        (&data["id"], &data["action"], &data["ruleId"]),
        (&json!(id), &json!("challenge"), &Value::Null)
    );
    assert_eq!((&data["projectId"], &data["botType"]), (&json!(project), &json!("automation")));
    assert!(data["confidence"].as_f64().unwrap() > 0.5 && data.as_object().unwrap().len() == 6);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn too_many_bots_in_a_minute_are_told_once_in_ten_minutes() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    let own = json!({ "url": receiver.url(), "events": ["threshold.exceeded"], "botsPerMinute": 3 });
    owner.hook(own).await;
    let patient = Receiver::start().await;
    owner.hook_for(&patient, "threshold.exceeded").await;
    let app = &owner.site.server.app;
    jobs::start(app);
    let bots = async |count: usize| {
        for _ in 0..count {
            owner.observe(from("curl/8.5.0"), Action::Allow, false).await;
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    };
    bots(3).await;
    assert_eq!(receiver.count(), 0, "as many as the figure are not too many");
    bots(2).await;
    let told = receiver.until(1).await[0].json();
    assert_eq!(
        (&told["event"], &told["data"]["metric"]),
        (&json!("threshold.exceeded"), &json!("bots_per_minute"))
    );
    assert_eq!((&told["data"]["threshold"], &told["data"]["windowSeconds"]), (&json!(3), &json!(60)));
    assert!((4..=5).contains(&told["data"]["value"].as_i64().unwrap()));
    bots(5).await;
    owner.site.server.advance(9 * 60_000);
    bots(5).await;
    assert_eq!(receiver.count(), 1);
    owner.site.server.advance(61_000);
    bots(5).await;
    assert_eq!((receiver.until(2).await.len(), patient.count()), (2, 0), "the server's own figure is 600");
}

#[tokio::test]
async fn a_used_up_day_is_told_once() {
    let receiver = Receiver::start().await;
    let mut owner = Owner::with(|config| config.limits.unauthenticated_per_second = 0).await;
    let (_, second) = owner.site.further_project("Blog").await;
    owner.hook_for(&receiver, "ratelimit.exceeded").await;
    owner.base = format!("/api/v1/projects/{second}/webhooks");
    owner.hook_for(&receiver, "ratelimit.exceeded").await;
    owner.hook_for(&receiver, "detection.created").await;
    let app = &owner.site.server.app;
    directory::change_account(app, owner.site.account, |account| account.plan.requests_per_day = Some(2))
        .await
        .unwrap();
    let mut last = Value::Null;
    for _ in 0..6 {
        owner.site.server.advance(1_000);
        last = owner
            .site
            .detect_at("/api/v1/detect", &json!({ "ip": "203.0.113.7", "record": false }))
            .await
            .json;
    }
    assert_eq!(last["error"]["details"]["window"], "day");
    owner.deliver().await;
    let told: Vec<Value> = receiver.received().iter().map(|one| one.json()).collect();
    assert_eq!(told.len(), 2, "each project once: {told:?}");
    let projects: std::collections::HashSet<_> =
        told.iter().map(|one| one["data"]["projectId"].to_string()).collect();
    assert_eq!((projects.len(), &told[0]["event"]), (2, &json!("ratelimit.exceeded")));
    assert_eq!(
        (&told[0]["data"]["limit"], &told[0]["data"]["reset"]),
        (&json!(2), &last["error"]["details"]["reset"])
    );
    owner.site.server.advance(24 * HOUR);
    for _ in 0..4 {
        owner.site.server.advance(1_000);
        owner.site.detect_at("/api/v1/detect", &json!({ "ip": "203.0.113.7", "record": false })).await;
    }
    owner.deliver().await;
    assert_eq!(receiver.count(), 4, "a new day is told again");
}
