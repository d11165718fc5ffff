//! API keys: made, listed, replaced, revoked, and never worth more than the key that makes them.

use quivive_core::Timestamp;
use quivive_server::audit;
use quivive_server::tenant::detection_key::{self, DetectionKey, NewKey, Scope, uses};
use quivive_server::tenant::directory;
use serde_json::{Value, json};

use super::site::{ALL_SCOPES, KEY, Site, assert_error};
use crate::support::{Answer, START};

const KEYS: &str = "/api/v1/keys";

async fn detect(site: &Site, key: &str) -> Answer {
    site.call(key, "POST", "/api/v1/detect", json!({ "userAgent": "curl/8.5.0" })).await
}

fn assert_refused(answer: &Answer, reason: &str) {
    assert_error(answer, 403, "FORBIDDEN");
    assert_eq!(answer.json["error"]["details"], json!({ "reason": reason }));
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

#[tokio::test]
async fn a_key_is_shown_once_listed_used_and_revoked() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let project = site.public_id(site.project).await;
    let made = site.call(&writer, "POST", KEYS, json!({ "name": "shop front", "scopes": ["detect"] })).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let mut item = made.json.clone();
    let key = item.as_object_mut().unwrap().remove("key").unwrap().as_str().unwrap().to_owned();
    assert!(key.starts_with("as_live_") && key.len() == 40, "{key}");
    let id = text(&item, "id").to_owned();
    assert!(id.starts_with("key_") && id.len() == 24, "{id}");
    assert_eq!(
        item,
        json!({
            "id": id, "name": "shop front", "start": key[..12], "scopes": ["detect"], "projects": null,
            "defaultProject": project, "test": false, "expiresAt": null, "lastUsedAt": null,
            "createdAt": item["createdAt"],
        })
    );
    let path = format!("{KEYS}/{id}");
    assert_eq!(site.call(&writer, "GET", &path, Value::Null).await.json, item);
    let listed = site.call(&writer, "GET", KEYS, Value::Null).await.json;
    let keys = listed["keys"].as_array().unwrap();
    assert_eq!((keys.len(), keys.last().unwrap()), (3, &item), "keys of the command line are listed as well");
    assert!(keys.iter().all(|key| text(key, "id").len() == 24));
    assert!(!listed.to_string().contains(&key) && !listed.to_string().contains(KEY));

    assert_eq!(detect(&site, &key).await.status, 200);
    let used = site.call(&writer, "GET", &path, Value::Null).await.json;
    assert!(used["lastUsedAt"].is_string());
    assert_eq!(site.call(&writer, "DELETE", &path, Value::Null).await.status, 204);
    let refused = detect(&site, &key).await;
    assert_error(&refused, 401, "UNAUTHORIZED");
    assert_eq!(refused.json["error"]["details"], json!({ "reason": "revoked" }));
    for (method, path) in
        [("GET", path.clone()), ("DELETE", path.clone()), ("POST", format!("{path}/rotate"))]
    {
        let answer = site.call(&writer, method, &path, Value::Null).await;
        assert_error(&answer, 404, "NOT_FOUND");
        assert_eq!(answer.json["error"]["details"], json!({ "resource": "key" }));
    }
    let app = &site.server.app;
    let trail = audit::latest(app, &format!("account/{}", site.account), 10).await.unwrap();
    let actions: Vec<_> = trail.iter().rev().map(|entry| text(entry, "action")).collect();
    assert_eq!(actions, ["key.created", "key.revoked"]);
    assert!(!json!(trail).to_string().contains(&key));
}

#[tokio::test]
async fn a_key_may_be_for_tests_for_some_projects_and_for_a_time() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let (_, blog) = site.further_project("Blog").await;
    let shop = site.public_id(site.project).await;
    let body = json!({
        "scopes": ["detect", "read", "detect"], "projects": [blog], "expiresAt": "2026-02-15T14:30:00+01:30", "test": true
    });
    let made = site.call(&writer, "POST", KEYS, body).await;
    assert_eq!(made.status, 201, "{}", made.json);
    assert_eq!((&made.json["scopes"], &made.json["projects"]), (&json!(["detect", "read"]), &json!([blog])));
    assert_eq!((&made.json["defaultProject"], &made.json["test"]), (&json!(blog), &json!(true)));
    assert_eq!(made.json["expiresAt"], "2026-02-15T13:00:00Z");
    let key = text(&made.json, "key");
    assert!(key.starts_with("as_test_") && made.json["name"] == "");
    assert_eq!(detect(&site, key).await.status, 200);
    let headers = [("x-agentshield-key", key), ("x-agentshield-project", &*shop)];
    assert_refused(&site.bare("GET", "/api/v1/detect", &headers).await, "project");
    site.server.advance(3_600_000);
    assert_eq!(detect(&site, key).await.json["error"]["details"]["reason"], "expired");
    let rotated =
        site.call(&writer, "POST", &format!("{KEYS}/{}/rotate", text(&made.json, "id")), Value::Null).await;
    assert_error(&rotated, 400, "INVALID_REQUEST");
    assert_eq!(rotated.json["error"]["details"], json!({ "field": "expiresAt", "reason": "out_of_range" }));

    let both = json!({ "projects": [shop, blog], "defaultProject": blog });
    let made = site.call(&writer, "POST", KEYS, both).await;
    assert_eq!((&made.json["projects"], &made.json["defaultProject"]), (&json!([shop, blog]), &json!(blog)));
    assert_eq!(made.json["scopes"], json!(["detect", "ingest", "read"]));
}

#[tokio::test]
async fn bad_bodies_name_the_fault() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let (_, blog) = site.further_project("Blog").await;
    let (_, foreign) = site.stranger().await;
    for (body, field, reason) in [
        (json!([]), "body", "type"),
        (json!({ "name": 1 }), "name", "type"),
        (json!({ "name": "a".repeat(101) }), "name", "too_long"),
        (json!({ "name": "a\u{7}" }), "name", "format"),
        (json!({ "scopes": "read" }), "scopes", "type"),
        (json!({ "scopes": [] }), "scopes", "too_short"),
        (json!({ "scopes": ["admin"] }), "scopes[0]", "unknown_value"),
        (json!({ "scopes": [1] }), "scopes[0]", "type"),
        (json!({ "projects": [] }), "projects", "too_short"),
        (json!({ "projects": ["proj_unknown"] }), "projects[0]", "unknown_value"),
        (json!({ "projects": [blog, foreign] }), "projects[1]", "unknown_value"),
        (json!({ "projects": vec![&blog; 101] }), "projects", "too_many"),
        (json!({ "defaultProject": 1 }), "defaultProject", "type"),
        (json!({ "defaultProject": foreign }), "defaultProject", "unknown_value"),
        (
            json!({ "projects": [blog], "defaultProject": site.public_id(site.project).await }),
            "defaultProject",
            "unknown_value",
        ),
        (json!({ "expiresAt": "tomorrow" }), "expiresAt", "format"),
        (json!({ "expiresAt": "2030-01-01" }), "expiresAt", "format"),
        (json!({ "expiresAt": "2030-01-01T00:00:00" }), "expiresAt", "format"),
        (json!({ "expiresAt": "2026-02-15T14:00:00+02:00" }), "expiresAt", "out_of_range"),
        (json!({ "expiresAt": 1 }), "expiresAt", "type"),
        (json!({ "expiresAt": "2026-02-15T12:00:00Z" }), "expiresAt", "out_of_range"),
        (json!({ "test": "no" }), "test", "type"),
    ] {
        let answer = site.call(&writer, "POST", KEYS, body.clone()).await;
        assert_error(&answer, 400, "INVALID_REQUEST");
        let details = &answer.json["error"]["details"];
        assert_eq!((&details["field"], &details["reason"]), (&json!(field), &json!(reason)), "{body}");
    }
    let made = site.call(&writer, "POST", KEYS, json!({})).await;
    let rotate = format!("{KEYS}/{}/rotate", text(&made.json, "id"));
    for (body, reason) in [
        (json!({ "overlapSeconds": 86_401 }), "out_of_range"),
        (json!({ "overlapSeconds": -1 }), "out_of_range"),
        (json!({ "overlapSeconds": "1" }), "type"),
    ] {
        let answer = site.call(&writer, "POST", &rotate, body).await;
        assert_error(&answer, 400, "INVALID_REQUEST");
        assert_eq!(answer.json["error"]["details"]["reason"], reason);
    }
    for path in [KEYS, &rotate] {
        let headers = [("x-agentshield-key", &*writer)];
        let answer = site.server.call("POST", path, &headers, "x".repeat(65_537)).await;
        assert_error(&answer, 413, "INVALID_REQUEST");
        assert_error(&site.server.call("POST", path, &headers, "x").await, 400, "INVALID_REQUEST");
    }
    assert_eq!(detect(&site, text(&made.json, "key")).await.status, 200, "what failed changed nothing");
}

#[tokio::test]
async fn a_replaced_key_holds_as_long_as_was_asked_for() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let body = json!({ "name": "shop", "scopes": ["detect"], "test": true });
    let made = site.call(&writer, "POST", KEYS, body).await.json;
    let path = format!("{KEYS}/{}/rotate", text(&made, "id"));
    let rotated = site.call(&writer, "POST", &path, json!({ "overlapSeconds": 86_400 })).await;
    assert_eq!(rotated.status, 201, "{}", rotated.json);
    let rotated = rotated.json;
    assert_ne!((text(&rotated, "id"), text(&rotated, "key")), (text(&made, "id"), text(&made, "key")));
    for name in ["name", "scopes", "projects", "defaultProject", "test", "expiresAt"] {
        assert_eq!(rotated[name], made[name], "{name}");
    }
    assert_eq!(rotated["replaces"]["id"], made["id"]);
    let end = Timestamp::parse_utc(text(&rotated["replaces"], "expiresAt")).unwrap();
    assert_eq!(end.seconds(), site.server.app.now().seconds() + 86_400);
    for key in [text(&made, "key"), text(&rotated, "key")] {
        assert_eq!(detect(&site, key).await.status, 200);
    }
    site.server.advance(86_400_000);
    assert_eq!(detect(&site, text(&made, "key")).await.json["error"]["details"]["reason"], "expired");
    assert_eq!(detect(&site, text(&rotated, "key")).await.status, 200);
    // Without a wish, the former key ends at once; an empty body will do.
    let path = format!("{KEYS}/{}/rotate", text(&rotated, "id"));
    let last = site.call(&writer, "POST", &path, Value::Null).await.json;
    assert_eq!(detect(&site, text(&rotated, "key")).await.status, 401);
    assert_eq!(detect(&site, text(&last, "key")).await.status, 200);
}

#[tokio::test]
async fn a_replacement_never_lengthens_a_keys_life() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let body = json!({ "expiresAt": "2026-02-15T13:00:00Z" });
    let made = site.call(&writer, "POST", KEYS, body).await.json;
    let path = format!("{KEYS}/{}/rotate", text(&made, "id"));
    let rotated = site.call(&writer, "POST", &path, json!({ "overlapSeconds": 86_400 })).await.json;
    assert_eq!(rotated["expiresAt"], "2026-02-15T13:00:00Z");
    assert_eq!(rotated["replaces"]["expiresAt"], "2026-02-15T13:00:00Z");
}

#[tokio::test]
async fn a_replaced_key_has_no_power_over_its_successor() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let body = json!({ "scopes": ["detect", "write"] });
    let leaked = site.call(&writer, "POST", KEYS, body).await.json;
    let path = format!("{KEYS}/{}/rotate", text(&leaked, "id"));
    let rotated = site.call(&writer, "POST", &path, json!({ "overlapSeconds": 3_600 })).await.json;
    let (leaked, successor) = (text(&leaked, "key"), format!("{KEYS}/{}", text(&rotated, "id")));
    for (method, path) in [("DELETE", successor.clone()), ("POST", format!("{successor}/rotate"))] {
        assert_refused(&site.call(leaked, method, &path, Value::Null).await, "scope");
    }
    let made = site.call(leaked, "POST", KEYS, json!({})).await.json;
    assert_eq!(made["expiresAt"], rotated["replaces"]["expiresAt"]);
    assert_eq!(detect(&site, text(&rotated, "key")).await.status, 200);
}

#[tokio::test]
async fn a_key_cannot_give_more_than_it_has() {
    let site = Site::start().await;
    let (blog, blog_id) = site.further_project("Blog").await;
    let shop_id = site.public_id(site.project).await;
    let end = Timestamp::from_seconds(START + 86_400);
    let key = async |new: NewKey| site.key(new).await;
    let wide = site.writer().await;
    let narrow = key(NewKey {
        project_id: blog,
        projects: Some(vec![blog]),
        scopes: Some(vec![Scope::Read, Scope::Write]),
        valid_until: Some(end),
        ..NewKey::default()
    })
    .await;
    let make = async |key: &str, body: Value| site.call(key, "POST", KEYS, body).await;
    // What is left open is what the maker has.
    let made = make(&narrow, json!({})).await;
    assert_eq!(made.status, 201, "{}", made.json);
    assert_eq!((&made.json["scopes"], &made.json["projects"]), (&json!(["read"]), &json!([blog_id])));
    assert_eq!(made.json["expiresAt"], end.to_seconds_text());
    assert_eq!(made.json["defaultProject"], blog_id);
    // Neither scopes, nor projects, nor time beyond it.
    assert_refused(&make(&narrow, json!({ "scopes": ["read", "detect"] })).await, "scope");
    assert_refused(&make(&narrow, json!({ "projects": [shop_id] })).await, "project");
    assert_refused(&make(&narrow, json!({ "projects": [blog_id, shop_id] })).await, "project");
    assert_refused(&make(&narrow, json!({ "defaultProject": shop_id })).await, "project");
    let later = make(&narrow, json!({ "expiresAt": "2030-01-01T00:00:00Z" })).await;
    assert_error(&later, 400, "INVALID_REQUEST");
    assert_eq!(later.json["error"]["details"]["max"], end.to_seconds_text());
    // A test key makes test keys only.
    let test = key(NewKey { is_test: true, scopes: Some(ALL_SCOPES.to_vec()), ..site.new_key() }).await;
    assert_refused(&make(&test, json!({ "test": false })).await, "scope");
    assert_eq!(make(&test, json!({})).await.json["test"], true);

    // A stronger key can be neither seen, replaced nor revoked: replacing it would show its successor.
    let ids = site.call(&wide, "GET", KEYS, Value::Null).await.json;
    let strong =
        ids["keys"].as_array().unwrap().iter().find(|key| key["start"] == wide[..12]).unwrap().clone();
    let strong = format!("{KEYS}/{}", text(&strong, "id"));
    for (method, path) in
        [("GET", strong.clone()), ("DELETE", strong.clone()), ("POST", format!("{strong}/rotate"))]
    {
        assert_refused(&site.call(&narrow, method, &path, Value::Null).await, "project");
    }
    let of_blog = NewKey { project_id: blog, projects: Some(vec![blog]), ..NewKey::default() };
    for (stronger, name) in [
        (
            NewKey { scopes: Some(vec![Scope::Ingest]), valid_until: Some(end), ..of_blog.clone() },
            "another scope",
        ),
        (NewKey { scopes: Some(vec![Scope::Read]), valid_until: None, ..of_blog }, "no end"),
    ] {
        let stronger = key(stronger).await;
        let list = detection_key::list(&site.server.app, site.account).await.unwrap();
        let id = list.iter().find(|key| key.start == stronger[..12]).unwrap().id.clone();
        for (method, path) in [("DELETE", format!("{KEYS}/{id}")), ("POST", format!("{KEYS}/{id}/rotate"))] {
            let answer = site.call(&narrow, method, &path, Value::Null).await;
            assert_refused(&answer, "scope");
            assert_eq!(answer.status, 403, "{name}");
        }
    }
    let listed = site.call(&narrow, "GET", KEYS, Value::Null).await.json;
    assert!(listed["keys"].as_array().unwrap().iter().all(|key| key["projects"] == json!([blog_id])));
    // Its own equal it may replace, and itself revoke.
    let path = format!("{KEYS}/{}", text(&made.json, "id"));
    assert_eq!(site.call(&narrow, "POST", &format!("{path}/rotate"), Value::Null).await.status, 201);
    assert_eq!(site.call(&narrow, "DELETE", &path, Value::Null).await.status, 204);
}

#[tokio::test]
async fn every_route_demands_the_scope_and_knows_no_other_account() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let (stranger, _) = site.stranger().await;
    let made = site.call(&writer, "POST", KEYS, json!({})).await.json;
    let path = format!("{KEYS}/{}", text(&made, "id"));
    for (method, path, has_id) in [
        ("GET", KEYS.to_owned(), false),
        ("POST", KEYS.to_owned(), false),
        ("GET", path.clone(), true),
        ("DELETE", path.clone(), true),
        ("POST", format!("{path}/rotate"), true),
    ] {
        assert_error(&site.bare(method, &path, &[]).await, 401, "UNAUTHORIZED");
        assert_refused(&site.call(KEY, method, &path, json!({})).await, "scope");
        if has_id {
            let answer = site.call(&stranger, method, &path, json!({})).await;
            assert_error(&answer, 404, "NOT_FOUND");
            assert_eq!(answer.json["error"]["details"], json!({ "resource": "key" }));
            let unknown = path.replace(text(&made, "id"), "key_unknown");
            assert_error(&site.call(&writer, method, &unknown, json!({})).await, 404, "NOT_FOUND");
        }
    }
    let own = site.call(&stranger, "GET", KEYS, Value::Null).await.json;
    assert_eq!(own["keys"].as_array().unwrap().len(), 1);
    assert_eq!(detect(&site, text(&made, "key")).await.status, 200);
}

#[tokio::test]
async fn uses_are_written_off_the_requests_way() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let of_key = async || {
        let listed = site.call(&writer, "GET", KEYS, Value::Null).await.json;
        let found =
            listed["keys"].as_array().unwrap().iter().find(|key| key["start"] == KEY[..12]).unwrap().clone();
        found["lastUsedAt"].as_str().map(str::to_owned)
    };
    assert_eq!(of_key().await, None);
    detect(&site, KEY).await;
    let used = of_key().await.unwrap();
    site.server.advance(5_000);
    assert_error(&detect(&site, "as_live_unknown").await, 401, "UNAUTHORIZED");
    assert_eq!(of_key().await.unwrap(), used);
    uses::write(&site.server.app).await.unwrap();
    assert_eq!(of_key().await.unwrap(), used, "it is stored as well");
}

#[tokio::test]
async fn keys_of_the_command_line_keep_working_without_a_name() {
    let site = Site::start().await;
    let key = site.key(site.new_key()).await;
    assert_eq!(detect(&site, &key).await.status, 200);
    detection_key::revoke(&site.server.app, &key).await.unwrap();
    assert_eq!(detect(&site, &key).await.status, 401);
}

#[tokio::test]
async fn a_key_whose_project_was_deleted_asks_for_another() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let (blog, blog_id) = site.further_project("Blog").await;
    let of = |projects: Vec<i64>| NewKey { project_id: blog, projects: Some(projects), ..NewKey::default() };
    let only = site.key(of(vec![blog])).await;
    let both = site.key(of(vec![blog, site.project])).await;
    directory::delete_project(&site.server.app, blog).await.unwrap();
    detection_key::forget_project(&site.server.app, site.account, blog).await.unwrap();
    assert_eq!(detect(&site, &only).await.json["error"]["details"]["reason"], "revoked");
    let answer = detect(&site, &both).await;
    assert_error(&answer, 400, "INVALID_REQUEST");
    let expected = json!({ "field": "X-AgentShield-Project", "reason": "required" });
    assert_eq!(answer.json["error"]["details"], expected);
    let shop = site.public_id(site.project).await;
    let headers = [("x-agentshield-key", &*both), ("x-agentshield-project", &*shop)];
    assert_eq!(site.bare("GET", "/api/v1/detect", &headers).await.status, 200);
    let listed = site.call(&writer, "GET", KEYS, Value::Null).await.json;
    assert!(!listed.to_string().contains(&blog_id));
    let left = listed["keys"].as_array().unwrap().iter().find(|key| key["start"] == both[..12]).unwrap();
    assert_eq!((&left["projects"], &left["defaultProject"]), (&json!([shop]), &Value::Null));
}

/// The rows of the account's keys, those that ended included.
async fn kept(site: &Site) -> Vec<DetectionKey> {
    let found = site.server.app.storage.list::<DetectionKey>(&site.account.to_string(), None, 2_000).await;
    found.unwrap().into_iter().map(|key| key.value).collect()
}

#[tokio::test]
async fn keys_that_ended_are_not_kept_without_end() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let made = site.call(&writer, "POST", KEYS, json!({})).await.json;
    let (mut id, mut former) = (text(&made, "id").to_owned(), Vec::new());
    let mut key = text(&made, "key").to_owned();
    for _ in 0..60 {
        let next = site.call(&writer, "POST", &format!("{KEYS}/{id}/rotate"), Value::Null).await;
        assert_eq!(next.status, 201, "{}", next.json);
        id = text(&next.json, "id").to_owned();
        former.push(std::mem::replace(&mut key, text(&next.json, "key").to_owned()));
    }
    for _ in 0..30 {
        let made = site.call(&writer, "POST", KEYS, json!({})).await.json;
        let path = format!("{KEYS}/{}", text(&made, "id"));
        assert_eq!(site.call(&writer, "DELETE", &path, Value::Null).await.status, 204);
    }
    // The three that hold, twenty that ended and the one that ended after the last was made.
    assert_eq!(kept(&site).await.len(), 3 + detection_key::MOST_ENDED + 1);
    assert_eq!(detect(&site, &key).await.status, 200, "what holds is never forgotten");
    for key in [KEY, &writer] {
        assert_ne!(detect(&site, key).await.json["error"]["details"]["reason"], "invalid");
    }
    let forgotten = detect(&site, &former[0]).await;
    assert_error(&forgotten, 401, "UNAUTHORIZED");
    assert_eq!(forgotten.json["error"]["details"], json!({ "reason": "invalid" }));
    let listed = site.call(&writer, "GET", KEYS, Value::Null).await.json;
    assert!(listed["keys"].as_array().unwrap().len() <= 3 + detection_key::MOST_ENDED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_made_and_replaced_at_once_are_never_more_than_there_may_be() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let mut other = None;
    while kept(&site).await.len() < detection_key::MOST_KEYS - 10 {
        other = Some(site.key(site.new_key()).await);
    }
    let other = other.unwrap();
    let listed = detection_key::list(&site.server.app, site.account).await.unwrap();
    let id = &listed.iter().find(|key| other.starts_with(&key.start)).unwrap().id;
    let rotate = format!("{KEYS}/{id}/rotate");
    let body = json!({ "overlapSeconds": 3_600 });
    let made = futures::future::join_all((0..25).map(|_| site.call(&writer, "POST", KEYS, json!({}))));
    let replaced =
        futures::future::join_all((0..5).map(|_| site.call(&writer, "POST", &rotate, body.clone())));
    let (made, replaced) = futures::future::join(made, replaced).await;
    let answers: Vec<Answer> = made.into_iter().chain(replaced).collect();
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 10);
    let refused = answers.iter().find(|answer| answer.status != 201).unwrap();
    assert_error(refused, 400, "INVALID_REQUEST");
    let expected = json!({ "field": "body", "reason": "too_many", "max": detection_key::MOST_KEYS });
    assert_eq!(refused.json["error"]["details"], expected);
    assert_eq!(kept(&site).await.len(), detection_key::MOST_KEYS);
}
