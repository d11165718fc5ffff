//! Every row of the error table.

use std::fmt::Write as _;

use quivive_core::Timestamp;
use quivive_server::tenant::detection_key::{self, NewKey, Scope};
use quivive_server::tenant::directory::{self, NewAccount, NewProject};
use serde_json::{Value, json};

use super::site::{KEY, Site, assert_error};
use crate::support::START;

#[tokio::test]
async fn a_key_is_needed_and_the_reason_is_told() {
    let site = Site::start().await;
    let start = Timestamp::from_seconds(START);
    let new = || NewKey { project_id: site.project, ..NewKey::default() };
    let expired = site.key(NewKey { valid_until: Some(start), ..new() }).await;
    let revoked = site.key(new()).await;
    detection_key::revoke(&site.server.app, &revoked).await.unwrap();
    for (headers, reason) in [
        (vec![], "missing"),
        (vec![("x-agentshield-key", " ")], "missing"),
        (vec![("authorization", "Basic abc")], "missing"),
        (vec![("x-agentshield-key", "as_live_unknown")], "invalid"),
        (vec![("x-agentshield-key", &*expired)], "expired"),
        (vec![("x-agentshield-key", &*revoked)], "revoked"),
        (vec![("x-agentshield-key", "as_live_unknown"), ("x-api-key", KEY)], "invalid"),
    ] {
        for method in ["POST", "GET"] {
            site.server.advance(1_000);
            let answer = site.bare(method, "/api/v1/detect", &headers).await;
            assert_error(&answer, 401, "UNAUTHORIZED");
            assert_eq!(answer.json["error"]["details"], json!({ "reason": reason }));
            assert_eq!(answer.header("www-authenticate"), "AgentShield realm=\"api\"");
        }
    }
}

#[tokio::test]
async fn other_places_of_the_key_can_be_switched_off() {
    let site = Site::start().await;
    let bearer = format!("bearer {KEY}");
    for header in [("authorization", &*bearer), ("x-api-key", KEY)] {
        assert_eq!(site.bare("GET", "/api/v1/detect", &[header]).await.status, 200);
    }
    let both = [("authorization", &*bearer), ("x-api-key", "as_live_unknown")];
    assert_eq!(
        site.bare("GET", "/api/v1/detect", &both).await.status,
        200,
        "Authorization is before X-API-Key"
    );
    let strict = Site::with(|config| config.agentshield.auth_aliases = false).await;
    for header in [("authorization", &*bearer), ("x-api-key", KEY)] {
        assert_error(&strict.bare("GET", "/api/v1/detect", &[header]).await, 401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn scope_and_project_are_demanded() {
    let site = Site::start().await;
    let app = &site.server.app;
    let project = |account_id| NewProject { account_id, name: "Other".to_owned(), ..NewProject::default() };
    let sibling = directory::create_project(app, project(site.account)).await.unwrap();
    let stranger = directory::create_account(app, NewAccount::default()).await.unwrap();
    let foreign = directory::create_project(app, project(stranger.id)).await.unwrap();

    let reader = NewKey { project_id: site.project, scopes: Some(vec![Scope::Read]), ..NewKey::default() };
    let reader = site.key(reader).await;
    for method in ["POST", "GET"] {
        let answer = site.bare(method, "/api/v1/detect", &[("x-agentshield-key", &reader)]).await;
        assert_error(&answer, 403, "FORBIDDEN");
        assert_eq!(answer.json["error"]["details"], json!({ "reason": "scope" }));
    }
    let narrow = NewKey { project_id: site.project, projects: Some(vec![site.project]), ..NewKey::default() };
    let narrow = site.key(narrow).await;
    let ask = async |key: &str, project: &str| {
        site.bare("GET", "/api/v1/detect", &[("x-agentshield-key", key), ("x-agentshield-project", project)])
            .await
    };
    assert_eq!(ask(KEY, &sibling.public_id).await.status, 200);
    let answer = ask(&narrow, &sibling.public_id).await;
    assert_error(&answer, 403, "FORBIDDEN");
    assert_eq!(answer.json["error"]["details"], json!({ "reason": "project" }));
    for id in [&*foreign.public_id, "proj_unknown", "anything"] {
        let answer = ask(KEY, id).await;
        assert_error(&answer, 404, "NOT_FOUND");
        assert_eq!(answer.json["error"]["details"], json!({ "resource": "project" }));
    }
}

/// The path and its query are looked at first, then whether the key may ask, then the body.
#[tokio::test]
async fn a_bad_query_is_told_before_the_caller_is_judged_and_a_bad_body_after() {
    let site = Site::start().await;
    let (_, foreign) = site.stranger().await;
    let key = site.key(NewKey { scopes: Some(vec![Scope::Ingest]), ..site.new_key() }).await;
    let own = site.public_id(site.project).await;
    for rest in [
        "",
        "/detections",
        "/detections/det_1",
        "/detections.ndjson",
        "/analytics?period=day",
        "/agents",
        "?x",
    ] {
        let separator = if rest.contains('?') { '&' } else { '?' };
        let bad = match rest {
            "/analytics?period=day" | "/agents" => "startDate=never",
            _ => "include=nothing",
        };
        for project in [&own, &foreign, "proj_unknown"] {
            let path = format!("/api/v1/projects/{project}{rest}");
            let asked = site.call(&key, "GET", &format!("{path}{separator}{bad}"), Value::Null).await;
            assert_error(&asked, 400, "INVALID_REQUEST");
            assert_error(&site.call(&key, "GET", &path, Value::Null).await, 403, "FORBIDDEN");
        }
    }
    assert_error(
        &site.call(&key, "GET", "/api/v1/projects?page=0", Value::Null).await,
        400,
        "INVALID_REQUEST",
    );
    assert_error(&site.call(&key, "POST", "/api/v1/detect", json!({ "ip": 7 })).await, 403, "FORBIDDEN");
}

#[tokio::test]
async fn a_project_that_is_not_in_use_takes_nothing() {
    let site = Site::start().await;
    let app = &site.server.app;
    let event = json!({ "event": "click", "url": "https://example.org/" });
    let calls = [
        ("GET", "/api/v1/detect", Value::Null),
        ("POST", "/api/v1/detect", json!({ "userAgent": "curl/8.5.0" })),
        ("POST", "/api/v1/enforce", json!({ "userAgent": "curl/8.5.0" })),
        ("POST", "/__detect/enforce", json!({ "userAgent": "curl/8.5.0" })),
        ("POST", "/api/v1/event", event.clone()),
        ("POST", "/api/v1/batch", json!({ "events": [event] })),
    ];
    for is_active in [false, true] {
        directory::change_project(app, site.project, |project| project.is_active = is_active).await.unwrap();
        for (method, path, body) in &calls {
            let answer = site.call(KEY, method, path, body.clone()).await;
            if is_active {
                assert_eq!(answer.status, 200, "{path}");
            } else {
                assert_eq!(
                    (answer.status.as_u16(), &answer.json["error"]["code"]),
                    (403, &json!("FORBIDDEN")),
                    "{path}"
                );
            }
        }
        // What was recorded stays readable.
        assert_eq!(site.read("/detections").await.status, 200);
    }
}

#[tokio::test]
async fn bad_bodies_name_the_fault() {
    let site = Site::start().await;
    let headers = [("x-agentshield-key", KEY), ("content-type", "application/json")];
    for body in ["", "{", "userAgent=x", &"[".repeat(60_000), "{\"userAgent\":\"\u{0}"] {
        let answer = site.server.call("POST", "/api/v1/detect", &headers, body.to_owned()).await;
        assert_error(&answer, 400, "INVALID_REQUEST");
        assert_eq!(answer.json["error"]["details"], json!({ "field": "body", "reason": "body_not_json" }));
    }
    for (body, details) in [
        (json!({}), json!({ "field": "userAgent", "reason": "required" })),
        (json!([]), json!({ "field": "body", "reason": "type" })),
        (json!({ "userAgent": 7 }), json!({ "field": "userAgent", "reason": "type" })),
        (json!({ "ip": "localhost" }), json!({ "field": "ip", "reason": "format" })),
        (
            json!({ "userAgent": "a".repeat(4_097) }),
            json!({ "field": "userAgent", "reason": "too_long", "max": 4096 }),
        ),
        (
            json!({ "ip": "x", "record": 1 }),
            json!({ "errors": [
                { "field": "ip", "reason": "format" }, { "field": "record", "reason": "type" }
            ] }),
        ),
    ] {
        let answer = site.detect(&body).await;
        assert_error(&answer, 400, "INVALID_REQUEST");
        assert_eq!(answer.json["error"]["details"], details);
    }
    for query in ["include=everything", "include=agent,nothing"] {
        let answer = site.detect_at(&format!("/api/v1/detect?{query}"), &json!({ "ip": "::1" })).await;
        assert_error(&answer, 400, "INVALID_REQUEST");
        let allowed = ["agent", "verification", "signals", "policy", "class", "timing", "settings", "all"];
        let details = json!({ "field": "include", "reason": "unknown_value", "allowed": allowed });
        assert_eq!(answer.json["error"]["details"], details);
    }
}

#[tokio::test]
async fn bodies_end_at_64_kibibytes() {
    let site = Site::start().await;
    let headers = [("x-agentshield-key", KEY)];
    let padded = |bytes: usize| {
        let mut body = json!({ "userAgent": "curl/8.5.0" }).to_string();
        let missing = bytes - body.len();
        let _ = write!(body, "{}", " ".repeat(missing));
        body
    };
    assert_eq!(site.server.call("POST", "/api/v1/detect", &headers, padded(65_536)).await.status, 200);
    let answer = site.server.call("POST", "/api/v1/detect", &headers, padded(65_537)).await;
    assert_error(&answer, 413, "INVALID_REQUEST");
    assert_eq!(answer.json["error"]["details"], json!({ "reason": "body_too_large", "max": 65_536 }));
}

#[tokio::test]
async fn unknown_paths_and_methods_have_this_familys_form() {
    let site = Site::start().await;
    let headers = [("x-agentshield-key", KEY)];
    for path in ["/api/v1/nothing", "/api/v1/detect/more", "/__detect/nothing"] {
        assert_error(&site.bare("GET", path, &headers).await, 404, "NOT_FOUND");
        assert_error(&site.bare("GET", path, &[]).await, 404, "NOT_FOUND");
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = site.bare(method, "/api/v1/detect", &headers).await;
        assert_error(&answer, 405, "INVALID_REQUEST");
        assert_eq!(answer.json["error"]["details"], json!({ "reason": "method" }));
        let allowed: std::collections::HashSet<_> =
            answer.header("allow").split(',').map(str::trim).collect();
        assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed:?}");
    }
    assert!(
        site.bare("GET", "/api/v1/detect", &headers)
            .await
            .headers
            .get("access-control-allow-origin")
            .is_none()
    );
}

#[tokio::test]
async fn request_ids_are_echoed_or_made() {
    let site = Site::start().await;
    let ask = async |id: &str| {
        let headers = [("x-agentshield-key", KEY), ("x-request-id", id)];
        site.bare("GET", "/api/v1/detect", &headers).await.header("x-request-id").to_owned()
    };
    assert_eq!(ask("my.request-1_a").await, "my.request-1_a");
    for bad in ["a b", &"a".repeat(129)] {
        assert_eq!(ask(bad).await.len(), 36, "a new one");
    }
}
