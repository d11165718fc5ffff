//! The routes of webhooks: made, listed, changed, deleted, and their log.

use quivive_server::audit;
use quivive_server::flows::webhooks::{self, Hook};
use quivive_server::jobs;
use quivive_server::tenant::detection_key::{NewKey, Scope};
use serde_json::{Value, json};

use super::super::receiver::Receiver;
use super::super::site::{Site, assert_error};
use super::{HOUR, Owner, PUBLIC};

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
