//! Pixels of a project.

use quivive_server::audit;
use quivive_server::tenant::detection_key::{NewKey, Scope};
use quivive_server::tenant::directory::{self, NewAccount, NewProject};
use serde_json::{Value, json};

use super::site::{KEY, Site, assert_error};
use super::tracked::{page_view, post};
use crate::support::Answer;

/// A site with a key that may write.
struct Owner {
    site: Site,
    key: String,
    path: String,
}

impl Owner {
    async fn start() -> Self {
        let site = Site::start().await;
        let scopes = Some(vec![Scope::Read, Scope::Write]);
        let key = site.key(NewKey { project_id: site.project, scopes, ..NewKey::default() }).await;
        let project = directory::project(&site.server.app, site.project).await.unwrap();
        let path = format!("/api/v1/projects/{}/pixels", project.public_id);
        Self { site, key, path }
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("x-agentshield-key", &*self.key), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.site.server.call(method, path, &headers, body).await
    }

    async fn create(&self, settings: Value) -> Answer {
        self.call("POST", &self.path, &json!({ "settings": settings })).await
    }
}

#[tokio::test]
async fn a_pixel_is_made_read_changed_and_deleted() {
    let owner = Owner::start().await;
    let made = owner.create(json!({ "batchSize": 20, "allowedDomains": ["Example.COM"] })).await;
    assert_eq!(made.status, 201, "{:?}", made.json);
    let id = made.json["id"].as_str().unwrap();
    assert!(id.strip_prefix("px_").is_some_and(|rest| rest.len() == 20), "{id}");
    let project = owner.path.split('/').nth(4).unwrap();
    assert_eq!(
        made.json,
        json!({
            "id": id, "projectId": project, "createdAt": "2026-02-15T12:00:00Z", "untrackedToday": 0,
            "settings": {
                "enabled": true, "skipPaths": [], "allowedDomains": ["example.com"], "batchSize": 20,
                "flushInterval": 5000, "sessionTimeout": 1_800_000, "respectDoNotTrack": true,
                "enableFingerprinting": true, "debug": false
            }
        })
    );
    let one = format!("{}/{id}", owner.path);
    assert_eq!(owner.call("GET", &one, &Value::Null).await.json, made.json);
    let list = owner.call("GET", &owner.path, &Value::Null).await;
    assert_eq!((list.status.as_u16(), &list.json), (200, &json!({ "pixels": [made.json] })));

    let changed = owner.call("PATCH", &one, &json!({ "settings": { "enabled": false } })).await;
    assert_eq!(changed.status, 200);
    assert_eq!(
        (&changed.json["settings"]["enabled"], &changed.json["settings"]["batchSize"]),
        (&json!(false), &json!(20))
    );
    let sent = post(&owner.site, "/api/v1/event", &[("x-pixel-id", id)], &page_view()).await;
    assert_error(&sent, 403, "FORBIDDEN");

    assert_eq!(owner.call("DELETE", &one, &Value::Null).await.status, 204);
    let sent = post(&owner.site, "/api/v1/event", &[("x-pixel-id", id)], &page_view()).await;
    assert_error(&sent, 401, "UNAUTHORIZED");
    for method in ["GET", "DELETE", "PATCH"] {
        let answer = owner.call(method, &one, &json!({})).await;
        assert_error(&answer, 404, "NOT_FOUND");
        assert_eq!(answer.json["error"]["details"], json!({ "resource": "pixel" }));
    }
    assert_eq!(owner.call("GET", &owner.path, &Value::Null).await.json, json!({ "pixels": [] }));

    let tenant = owner.site.project.to_string();
    let trail = audit::latest(&owner.site.server.app, &tenant, 10).await.unwrap();
    let mut actions: Vec<_> = trail.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["pixel.changed", "pixel.created", "pixel.deleted"]);
    let changed = trail.iter().find(|entry| entry["action"] == "pixel.changed").unwrap();
    assert_eq!(
        (&changed["details"]["before"]["enabled"], &changed["details"]["after"]["enabled"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(changed["actor"]["kind"], "api_key");
}

#[tokio::test]
async fn without_settings_the_defaults_hold() {
    let owner = Owner::start().await;
    let made = owner.call("POST", &owner.path, &json!({})).await;
    assert_eq!((made.status.as_u16(), &made.json["settings"]["batchSize"]), (201, &json!(10)));
}

#[tokio::test]
async fn settings_have_bounds() {
    let owner = Owner::start().await;
    let id = owner.create(json!({})).await.json["id"].as_str().unwrap().to_owned();
    let one = format!("{}/{id}", owner.path);
    let many: Vec<String> = (0..101).map(|number| format!("/{number}")).collect();
    for (settings, field, reason) in [
        (json!({ "batchSize": 0 }), "settings.batchSize", "out_of_range"),
        (json!({ "batchSize": 101 }), "settings.batchSize", "out_of_range"),
        (json!({ "batchSize": 1.5 }), "settings.batchSize", "out_of_range"),
        (json!({ "batchSize": "10" }), "settings.batchSize", "type"),
        (json!({ "flushInterval": 99 }), "settings.flushInterval", "out_of_range"),
        (json!({ "flushInterval": 60_001 }), "settings.flushInterval", "out_of_range"),
        (json!({ "sessionTimeout": 59_999 }), "settings.sessionTimeout", "out_of_range"),
        (json!({ "sessionTimeout": 1e300 }), "settings.sessionTimeout", "out_of_range"),
        (json!({ "enabled": 1 }), "settings.enabled", "type"),
        (json!({ "enabled": null }), "settings.enabled", "type"),
        (json!({ "skipPaths": "/a" }), "settings.skipPaths", "type"),
        (json!({ "skipPaths": ["a"] }), "settings.skipPaths[0]", "format"),
        (json!({ "skipPaths": ["/a", 1] }), "settings.skipPaths[1]", "type"),
        (json!({ "skipPaths": many }), "settings.skipPaths", "too_many"),
        (json!({ "allowedDomains": ["https://example.com"] }), "settings.allowedDomains[0]", "format"),
        (json!({ "allowedDomains": ["*.example.com"] }), "settings.allowedDomains[0]", "format"),
        (json!({ "allowedDomains": [""] }), "settings.allowedDomains[0]", "format"),
        (json!({ "debug": "yes" }), "settings.debug", "type"),
        (json!([]), "settings", "type"),
    ] {
        for (method, path) in [("POST", &owner.path), ("PATCH", &one)] {
            let answer = owner.call(method, path, &json!({ "settings": settings })).await;
            assert_error(&answer, 400, "INVALID_REQUEST");
            let details = &answer.json["error"]["details"];
            assert_eq!(
                (&details["field"], &details["reason"]),
                (&json!(field), &json!(reason)),
                "{settings}"
            );
        }
    }
    let kept = owner.call("GET", &one, &Value::Null).await.json;
    assert_eq!(kept["settings"]["batchSize"], 10);
    for body in ["", "{", "[]"] {
        let headers = [("x-agentshield-key", &*owner.key)];
        let answer = owner.site.server.call("POST", &owner.path, &headers, body).await;
        assert_error(&answer, 400, "INVALID_REQUEST");
    }
    let padded = json!({ "padding": "a".repeat(65_536) });
    assert_error(&owner.call("PATCH", &one, &padded).await, 413, "INVALID_REQUEST");
}

#[tokio::test]
async fn a_project_has_at_most_a_hundred_pixels() {
    let owner = Owner::start().await;
    for _ in 0..100 {
        assert_eq!(owner.create(json!({})).await.status, 201);
    }
    let answer = owner.create(json!({})).await;
    assert_error(&answer, 400, "INVALID_REQUEST");
    assert_eq!(
        answer.json["error"]["details"],
        json!({ "field": "pixels", "reason": "too_many", "max": 100 })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pixels_made_at_once_are_never_more_than_a_hundred() {
    let owner = Owner::start().await;
    let answers = futures::future::join_all((0..130).map(|_| owner.create(json!({})))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 100);
    assert_eq!(answers.iter().filter(|answer| answer.status == 400).count(), 30);
}

#[tokio::test]
async fn a_key_needs_the_scope() {
    let owner = Owner::start().await;
    let id = owner.create(json!({})).await.json["id"].as_str().unwrap().to_owned();
    let one = format!("{}/{id}", owner.path);
    // The default key reads and does not write.
    let headers = [("x-agentshield-key", KEY)];
    assert_eq!(owner.site.bare("GET", &owner.path, &headers).await.status, 200);
    assert_eq!(owner.site.bare("GET", &one, &headers).await.status, 200);
    for (method, path) in [("POST", &owner.path), ("PATCH", &one), ("DELETE", &one)] {
        let answer = owner.site.server.call(method, path, &headers, "{}").await;
        assert_error(&answer, 403, "FORBIDDEN");
        assert_eq!(answer.json["error"]["details"], json!({ "reason": "scope" }));
    }
    let scopes = Some(vec![Scope::Ingest, Scope::Write]);
    let writer = NewKey { project_id: owner.site.project, scopes, ..NewKey::default() };
    let writer = owner.site.key(writer).await;
    for path in [&owner.path, &one] {
        assert_error(
            &owner.site.bare("GET", path, &[("x-agentshield-key", &writer)]).await,
            403,
            "FORBIDDEN",
        );
    }
    for (method, path) in
        [("GET", &owner.path), ("POST", &owner.path), ("GET", &one), ("PATCH", &one), ("DELETE", &one)]
    {
        assert_error(&owner.site.bare(method, path, &[]).await, 401, "UNAUTHORIZED");
        // A pixel's id, which is public, opens nothing.
        assert_error(&owner.site.bare(method, path, &[("x-pixel-id", &id)]).await, 401, "UNAUTHORIZED");
        owner.site.server.advance(1_000);
    }
}

#[tokio::test]
async fn other_tenants_pixels_are_not_there() {
    let owner = Owner::start().await;
    let app = &owner.site.server.app;
    let id = owner.create(json!({})).await.json["id"].as_str().unwrap().to_owned();
    let stranger = directory::create_account(app, NewAccount::default()).await.unwrap().id;
    let project = |account_id| NewProject { account_id, ..NewProject::default() };
    let theirs = directory::create_project(app, project(stranger)).await.unwrap();
    let sibling = directory::create_project(app, project(owner.site.account)).await.unwrap();
    let scopes = Some(vec![Scope::Read, Scope::Write]);
    let their_key = NewKey { project_id: theirs.id, scopes: scopes.clone(), ..NewKey::default() };
    let their_key = owner.site.key(their_key).await;
    let narrow =
        NewKey { project_id: sibling.id, projects: Some(vec![sibling.id]), scopes, ..NewKey::default() };
    let narrow = owner.site.key(narrow).await;
    let through = |project: &str| format!("/api/v1/projects/{project}/pixels/{id}");
    for (key, path, status, code, details) in [
        (&their_key, format!("{}/{id}", owner.path), 404, "NOT_FOUND", json!({ "resource": "project" })),
        (&their_key, owner.path.clone(), 404, "NOT_FOUND", json!({ "resource": "project" })),
        (&their_key, through(&theirs.public_id), 404, "NOT_FOUND", json!({ "resource": "pixel" })),
        (&owner.key, through(&sibling.public_id), 404, "NOT_FOUND", json!({ "resource": "pixel" })),
        (&owner.key, through("proj_unknown"), 404, "NOT_FOUND", json!({ "resource": "project" })),
        (&owner.key, format!("{}/px_unknown", owner.path), 404, "NOT_FOUND", json!({ "resource": "pixel" })),
        (&owner.key, format!("{}/%ff", owner.path), 404, "NOT_FOUND", json!({ "resource": "route" })),
        (&narrow, format!("{}/{id}", owner.path), 403, "FORBIDDEN", json!({ "reason": "project" })),
    ] {
        let methods =
            if path.ends_with("/pixels") { vec!["GET", "POST"] } else { vec!["GET", "PATCH", "DELETE"] };
        for method in methods {
            let headers = [("x-agentshield-key", &**key)];
            let answer = owner.site.server.call(method, &path, &headers, "{}").await;
            assert_error(&answer, status, code);
            assert_eq!(answer.json["error"]["details"], details, "{method} {path}");
        }
    }
    assert_eq!(owner.call("GET", &format!("{}/{id}", owner.path), &Value::Null).await.status, 200);
}

#[tokio::test]
async fn another_method_is_405() {
    let owner = Owner::start().await;
    for (method, path) in [("PUT", owner.path.clone()), ("POST", format!("{}/px_1", owner.path))] {
        assert_error(&owner.call(method, &path, &json!({})).await, 405, "INVALID_REQUEST");
    }
}
