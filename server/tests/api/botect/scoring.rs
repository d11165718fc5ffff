//! Turning scoring on, replacing keys, changing settings.

use axum::body::Body;
use quivive_server::tenant::directory::{self, NewProject};
use serde_json::{Value, json};

use super::site::{PRIVATE_KEY, SITE_KEY, Site, assert_error, batch};

async fn fresh_project(site: &Site) -> i64 {
    let new = NewProject { account_id: site.account, name: "Fresh".to_owned(), ..NewProject::default() };
    directory::create_project(&site.server.app, new).await.unwrap().id
}

fn is_key(text: &Value, prefix: &str, length: usize) -> bool {
    text.as_str()
        .and_then(|text| text.strip_prefix(prefix))
        .is_some_and(|rest| rest.len() == length && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[tokio::test]
async fn enabling_shows_the_private_key_once() {
    let site = Site::start().await;
    let project = fresh_project(&site).await;
    let path = format!("/v1/projects/{project}/scoring");
    let first = site.control("POST", &path, &Value::Null).await;
    assert_eq!(first.status, 201);
    assert!(is_key(&first.json["site_key"], "pk_", 32) && is_key(&first.json["private_key"], "sk_", 43));
    assert_eq!(
        first.json["bot_settings"],
        json!({
            "allow_verified": true, "protect_static": true, "block_definite": false, "challenge_likely": false
        })
    );
    assert_eq!(first.json["likely_bot_threshold"], 30);

    // Any body is ignored.
    let again = site.server.call(
        "POST",
        &path,
        &[("authorization", "Bearer account-token-of-the-first-account")],
        "not json",
    );
    let again = again.await;
    assert_eq!((again.status.as_u16(), &again.json["private_key"]), (200, &Value::Null));
    assert_eq!(again.json["site_key"], first.json["site_key"]);

    // The keys work.
    let site_key = first.json["site_key"].as_str().unwrap();
    let headers = [("content-type", "application/json"), ("x-botect-site-key", site_key)];
    let body = batch(None, &[("mouse", json!({}))]).to_string();
    assert_eq!(site.server.call("POST", "/v1/events", &headers, body.clone()).await.status, 202);
    let headers_private = [("x-botect-private-key", first.json["private_key"].as_str().unwrap())];
    let read =
        async || site.server.call("GET", "/v1/sessions/x/verdict", &headers_private, Body::empty()).await;
    assert_eq!(read().await.status, 200);

    // Off: refused at once; on again: the same site key, no private key.
    directory::disable_scoring(&site.server.app, project).await.unwrap();
    assert_error(&site.server.call("POST", "/v1/events", &headers, body).await, 401, "UNAUTHENTICATED");
    assert_error(&read().await, 401, "UNAUTHENTICATED");
    let on = site.control("POST", &path, &Value::Null).await;
    assert_eq!((on.status.as_u16(), &on.json["private_key"]), (200, &Value::Null));
    assert_eq!(on.json["site_key"], first.json["site_key"]);
    assert_eq!(read().await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn enabling_at_once_shows_one_private_key() {
    let site = Site::start().await;
    let path = format!("/v1/projects/{}/scoring", fresh_project(&site).await);
    let answers = futures::future::join_all((0..20).map(|_| site.control("POST", &path, &Value::Null))).await;
    assert_eq!(answers.iter().filter(|answer| !answer.json["private_key"].is_null()).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
}

#[tokio::test]
async fn a_replaced_key_is_refused_at_once() {
    let site = Site::start().await;
    let path = format!("/v1/projects/{}/scoring/rotate", site.project);
    assert_eq!(site.verdict("x", "").await.status, 200);
    let private = site.control("POST", &path, &json!({ "type": "private" })).await;
    assert_eq!((private.status.as_u16(), &private.json["type"]), (200, &json!("private")));
    assert!(is_key(&private.json["key"], "sk_", 43));
    assert_error(&site.verdict("x", "").await, 401, "UNAUTHENTICATED");
    let headers = [("x-botect-private-key", private.json["key"].as_str().unwrap())];
    assert_eq!(site.server.call("GET", "/v1/sessions/x/verdict", &headers, Body::empty()).await.status, 200);

    let events = batch(None, &[("mouse", json!({}))]);
    assert_eq!(site.ingest(&events).await.status, 202);
    let public = site.control("POST", &path, &json!({ "type": "site" })).await;
    assert!(is_key(&public.json["key"], "pk_", 32));
    assert_error(&site.ingest(&events).await, 401, "UNAUTHENTICATED");
    let headers =
        [("content-type", "application/json"), ("x-botect-site-key", public.json["key"].as_str().unwrap())];
    assert_eq!(site.server.call("POST", "/v1/events", &headers, events.to_string()).await.status, 202);
}

#[tokio::test]
async fn rotation_needs_scoring_and_a_known_type() {
    let site = Site::start().await;
    let fresh = format!("/v1/projects/{}/scoring/rotate", fresh_project(&site).await);
    // The state is looked at before the body.
    assert_error(
        &site.control("POST", &fresh, &json!({ "type": "other" })).await,
        409,
        "SCORING_NOT_ENABLED",
    );
    let path = format!("/v1/projects/{}/scoring/rotate", site.project);
    for body in [json!({}), json!({ "type": "other" }), json!({ "type": 1 }), json!([]), Value::Null] {
        let body = if body.is_null() { json!(null) } else { body };
        let headers = [
            ("authorization", "Bearer account-token-of-the-first-account"),
            ("content-type", "application/json"),
        ];
        let answer = site.server.call("POST", &path, &headers, body.to_string()).await;
        assert_error(&answer, 422, "INVALID_PAYLOAD");
    }
}

#[tokio::test]
async fn settings_change_in_part_and_types_are_strict() {
    let site = Site::start().await;
    let changed = site
        .settings(&json!({ "block_definite": true, "challenge_likely": true, "likely_bot_threshold": 40, "more": 1 }))
        .await;
    assert_eq!(changed.status, 200);
    let expected = json!({
        "bot_settings":
            { "allow_verified": true, "protect_static": true, "block_definite": true, "challenge_likely": true },
        "likely_bot_threshold": 40
    });
    assert_eq!(changed.json, expected);
    for body in [
        json!({ "block_definite": "true" }),
        json!({ "block_definite": 1 }),
        json!({ "block_definite": null }),
        json!({ "likely_bot_threshold": "40" }),
        json!({ "likely_bot_threshold": 40.5 }),
        json!({ "likely_bot_threshold": null }),
        json!({ "likely_bot_threshold": 0 }),
        json!({ "likely_bot_threshold": 100 }),
        json!({ "likely_bot_threshold": -1 }),
        json!({ "challenge_likely": false, "likely_bot_threshold": 300 }),
        json!([]),
    ] {
        assert_error(&site.settings(&body).await, 422, "INVALID_PAYLOAD");
    }
    assert_eq!(
        site.settings(&json!({})).await.json,
        expected,
        "nothing of the refused bodies was taken over"
    );
    for threshold in [1, 99] {
        let answer = site.settings(&json!({ "likely_bot_threshold": threshold })).await;
        assert_eq!(answer.json["likely_bot_threshold"], threshold);
    }
    let path = format!("/v1/projects/{}/scoring/settings", fresh_project(&site).await);
    let early = site.control("PUT", &path, &json!({ "allow_verified": false })).await;
    assert_eq!((early.status.as_u16(), &early.json["bot_settings"]["allow_verified"]), (200, &json!(false)));
}

#[tokio::test]
async fn only_the_owner_reaches_a_project() {
    let site = Site::start().await;
    let other = site.other_tenant(true).await;
    for (method, end) in [("POST", ""), ("POST", "/rotate"), ("PUT", "/settings")] {
        let path = |project: &str| format!("/v1/projects/{project}/scoring{end}");
        let body = json!({ "type": "site" });
        assert_error(&site.control(method, &path(&other.project.to_string()), &body).await, 403, "FORBIDDEN");
        assert_error(&site.control(method, &path("999999"), &body).await, 403, "FORBIDDEN");
        assert_error(&site.control(method, &path("abc"), &body).await, 404, "NOT_FOUND");
        assert_error(&site.control(method, &path("99999999999999999999"), &body).await, 404, "NOT_FOUND");
        for credential in
            ["Bearer nonsense", PRIVATE_KEY, &format!("Bearer {PRIVATE_KEY}"), &format!("Bearer {SITE_KEY}")]
        {
            let headers = [("authorization", credential), ("content-type", "application/json")];
            let answer = site.server.call(method, &path("abc"), &headers, body.to_string()).await;
            assert_error(&answer, 401, "UNAUTHENTICATED");
        }
        let wrong = site.control("DELETE", &path(&site.project.to_string()), &Value::Null).await;
        assert_error(&wrong, 405, "METHOD_NOT_ALLOWED");
        assert_eq!(wrong.header("allow"), method);
    }
    let path = format!("/v1/projects/{}/scoring/settings", site.project);
    let headers =
        [("authorization", "Bearer account-token-of-the-first-account"), ("content-type", "text/plain")];
    let answer = site.server.call("PUT", &path, &headers, "{}").await;
    assert_error(&answer, 415, "UNSUPPORTED_MEDIA_TYPE");
    let headers = [
        ("authorization", "Bearer account-token-of-the-first-account"),
        ("content-type", "application/json"),
    ];
    let answer = site.server.call("PUT", &path, &headers, " ".repeat(65_537)).await;
    assert_error(&answer, 413, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn enabling_needs_no_subscription() {
    let site = Site::start().await;
    let other = site.other_tenant(false).await;
    let headers = [("authorization", &*format!("Bearer {}", other.token))];
    let path = format!("/v1/projects/{}/scoring", other.project);
    assert_eq!(site.server.call("POST", &path, &headers, Body::empty()).await.status, 200);
}
