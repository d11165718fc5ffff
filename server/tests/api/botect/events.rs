//! Ingest of batches.

use std::collections::HashSet;

use axum::body::Body;
use futures::future::join_all;
use serde_json::{Value, json};

use super::site::{CHROME, SITE_KEY, Site, assert_error, batch, event, human_snapshot};

fn mouse() -> Vec<(&'static str, Value)> {
    vec![
        ("mouse", json!({ "entropy": 0.41, "samples": 57 })),
        ("page", json!({ "page_path_hash": "9cb2d74a" })),
    ]
}

#[tokio::test]
async fn a_first_batch_makes_a_session_and_a_second_one_continues_it() {
    let site = Site::start().await;
    let first = site.ingest(&batch(None, &mouse())).await;
    assert_eq!(first.status, 202);
    let token = first.json["session_token"].as_str().unwrap().to_owned();
    assert!(token.strip_prefix("sess_").is_some_and(|rest| {
        rest.len() == 48 && rest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    }));
    assert_eq!(first.json, json!({ "session_token": token, "accepted": 2, "duplicates": 0 }));
    assert_eq!(first.header("cache-control"), "no-store");
    assert!(first.headers.get("set-cookie").is_none());

    // One known event, one known twice, one new one twice.
    let events = json!([
        event("e-0", "mouse", json!({})),
        event("e-0", "mouse", json!({})),
        event("e-9", "mouse", json!({})),
        event("e-9", "scroll", json!({})),
    ]);
    let second = site.ingest(&json!({ "session_token": token, "events": events })).await;
    assert_eq!(second.json, json!({ "session_token": token, "accepted": 1, "duplicates": 3 }));
}

#[tokio::test]
async fn absent_token_is_null_and_empty_payload_forms_are_read() {
    let site = Site::start().await;
    let events = json!([
        { "request_id": "a", "type": "page", "received_at": "2026-02-15T12:00:00Z" },
        { "request_id": "b", "type": "page", "received_at": "2026-02-15T12:00:00.123456Z", "payload": [] },
    ]);
    let answer = site.ingest(&json!({ "events": events })).await;
    assert_eq!((answer.status.as_u16(), &answer.json["accepted"]), (202, &json!(2)));
}

#[tokio::test]
async fn unknown_tokens_are_replaced_but_the_collectors_own_are_adopted() {
    let site = Site::start().await;
    let other = site.other_tenant(true).await;
    let foreign = {
        let headers = [("content-type", "application/json"), ("x-botect-site-key", &*other.site_key)];
        let answer =
            site.server.call("POST", "/v1/events", &headers, batch(None, &mouse()).to_string()).await;
        answer.json["session_token"].as_str().unwrap().to_owned()
    };
    for token in [foreign.as_str(), "sess_0000", "anything", "bt_tooshort"] {
        let answer = site.ingest(&batch(Some(token), &mouse())).await;
        assert_eq!((answer.status.as_u16(), &answer.json["accepted"]), (202, &json!(2)));
        let fresh = answer.json["session_token"].as_str().unwrap();
        assert!(fresh != token && fresh.starts_with("sess_"), "{token} became {fresh}");
    }
    let own = "bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P";
    for accepted in [2, 0] {
        let answer = site.ingest(&batch(Some(own), &mouse())).await;
        assert_eq!(
            (&answer.json["session_token"], &answer.json["accepted"]),
            (&json!(own), &json!(accepted))
        );
    }
}

#[tokio::test]
async fn one_idempotency_key_is_one_session() {
    let site = Site::start().await;
    let key = [("idempotency-key", "0b5f7c1e-6a52-4c1c-9a36-7c9d6d0f3a11")];
    let first = site.ingest_with(&key, &batch(None, &mouse())).await;
    let again = site.ingest_with(&key, &batch(None, &mouse())).await;
    let token = first.json["session_token"].clone();
    assert_eq!(again.json, json!({ "session_token": token, "accepted": 0, "duplicates": 2 }));
    // Handled as null: the same key finds the same session.
    let unknown = site.ingest_with(&key, &batch(Some("sess_unknown"), &mouse())).await;
    assert_eq!(unknown.json["session_token"], token);
    // The mark lives for a day.
    site.server.advance(86_400_001);
    let later = site.ingest_with(&key, &batch(None, &mouse())).await;
    assert_ne!(later.json["session_token"], token);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_first_contacts_at_once_make_one_session() {
    let site = Site::start().await;
    let answers = join_all((0..50).map(|number| {
        let site = &site;
        async move {
            let events =
                json!([event(&format!("e-{number}"), "mouse", json!({})), event("same", "page", json!({}))]);
            let batch = json!({ "session_token": null, "events": events });
            site.ingest_with(&[("idempotency-key", "one-key")], &batch).await
        }
    }))
    .await;
    let tokens: HashSet<_> =
        answers.iter().map(|answer| answer.json["session_token"].as_str().unwrap()).collect();
    assert_eq!(tokens.len(), 1);
    let sum = |name: &str| answers.iter().map(|answer| answer.json[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("accepted"), sum("duplicates")), (51, 49));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_of_one_session_at_once_lose_nothing() {
    let site = Site::start().await;
    let token = site.session(&mouse()).await;
    let answers = join_all((0..50).map(|number| {
        let (site, token) = (&site, &token);
        async move {
            let events = json!([event(&format!("n-{number}"), "snapshot", json!({ "click_events": 1 }))]);
            site.ingest(&json!({ "session_token": token, "events": events })).await
        }
    }))
    .await;
    assert!(answers.iter().all(|answer| answer.json["accepted"] == 1), "{answers:?}");
}

#[tokio::test]
async fn request_ids_are_remembered_over_many_batches() {
    let site = Site::start().await;
    let token = site.session(&[("page", json!({}))]).await;
    let batch = |first: usize| {
        let events: Vec<_> =
            (first..first + 100).map(|id| event(&format!("r-{id}"), "mouse", json!({}))).collect();
        json!({ "session_token": token, "events": events })
    };
    for first in (0..3_000).step_by(100) {
        assert_eq!(site.ingest(&batch(first)).await.json["accepted"], 100);
    }
    for first in (0..3_000).step_by(700) {
        assert_eq!(site.ingest(&batch(first)).await.json["duplicates"], 100, "from {first}");
    }
}

#[tokio::test]
async fn the_site_key_comes_in_the_header_or_the_body() {
    let site = Site::start().await;
    let send = async |headers: &[(&str, &str)], body: Value| {
        let mut all = vec![("content-type", "application/json"), ("user-agent", CHROME)];
        all.extend_from_slice(headers);
        site.server.call("POST", "/v1/events", &all, body.to_string()).await
    };
    let with_key = |key: Value| {
        let mut body = batch(None, &mouse());
        body["site_key"] = key;
        body
    };
    assert_eq!(send(&[], with_key(json!(SITE_KEY))).await.status, 202);
    assert_eq!(send(&[("x-botect-site-key", SITE_KEY)], with_key(json!("pk_other"))).await.status, 202);
    for (headers, body) in [
        (vec![], batch(None, &mouse())),
        (vec![], json!("no object")),
        (vec![], with_key(json!(7))),
        (vec![], with_key(json!("pk_unknown"))),
        (vec![("x-botect-site-key", "pk_unknown")], with_key(json!(SITE_KEY))),
        (vec![("x-botect-site-key", super::site::PRIVATE_KEY)], batch(None, &mouse())),
        (vec![("authorization", "Bearer account-token-of-the-first-account")], batch(None, &mouse())),
    ] {
        assert_error(&send(&headers, body).await, 401, "UNAUTHENTICATED");
    }
    // A blank header is a missing one.
    assert_eq!(send(&[("x-botect-site-key", " ")], with_key(json!(SITE_KEY))).await.status, 202);
    let unreadable =
        site.server.call("POST", "/v1/events", &[("content-type", "application/json")], "{").await;
    assert_error(&unreadable, 401, "UNAUTHENTICATED");
    assert_eq!(unreadable.json["error"], "Authentication required");
    assert_eq!(unreadable.json["message"], "Unauthenticated.");
}

#[tokio::test]
async fn subscription_is_needed_and_checked_before_the_body() {
    let site = Site::start().await;
    let other = site.other_tenant(false).await;
    let headers = [("x-botect-site-key", &*other.site_key), ("content-type", "application/json")];
    let answer = site.server.call("POST", "/v1/events", &headers, "{").await;
    assert_error(&answer, 402, "NO_ACTIVE_SUBSCRIPTION");
    assert_eq!(answer.json["error"], "No active subscription");
}

#[tokio::test]
async fn pages_of_any_origin_may_send() {
    let site = Site::start().await;
    let preflight = site
        .server
        .call(
            "OPTIONS",
            "/v1/events",
            &[("origin", "https://shop.example"), ("access-control-request-method", "POST")],
            Body::empty(),
        )
        .await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert_eq!(preflight.header("access-control-allow-methods"), "POST, OPTIONS");
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        "content-type, idempotency-key, x-botect-site-key"
    );
    assert_eq!(preflight.header("access-control-max-age"), "86400");
    assert!(preflight.headers.get("access-control-allow-credentials").is_none());

    // A body without preflight: text, key in the body. Errors can be read by the page, too.
    let mut body = batch(None, &mouse());
    body["site_key"] = json!(SITE_KEY);
    let headers = [("content-type", "text/plain;charset=UTF-8"), ("user-agent", CHROME)];
    let sent = site.server.call("POST", "/v1/events", &headers, body.to_string()).await;
    assert_eq!((sent.status.as_u16(), sent.header("access-control-allow-origin")), (202, "*"));
    let refused = site.server.call("POST", "/v1/events", &headers, "{}").await;
    assert_eq!((refused.status.as_u16(), refused.header("access-control-allow-origin")), (401, "*"));

    let verdict = site.verdict("sess_x", "").await;
    assert!(verdict.headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn wrong_methods_are_refused_with_the_right_ones() {
    let site = Site::start().await;
    let answer = site.server.call("GET", "/v1/events", &[], Body::empty()).await;
    assert_error(&answer, 405, "METHOD_NOT_ALLOWED");
    let allowed: HashSet<_> = answer.header("allow").split(',').map(str::trim).collect();
    assert_eq!(allowed, HashSet::from(["POST", "OPTIONS"]));
    assert_error(&site.server.get("/v1/events/more").await, 404, "NOT_FOUND");
}

#[tokio::test]
async fn plain_http_can_be_refused() {
    let site = Site::with(|config| {
        config.botect.require_https = true;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    assert_error(&site.ingest(&batch(None, &mouse())).await, 403, "FORBIDDEN");
    let forwarded = site.ingest_with(&[("x-forwarded-proto", "https")], &batch(None, &mouse())).await;
    assert_eq!(forwarded.status, 202);
}

#[tokio::test]
async fn quota_is_soft_and_counts_accepted_events_of_the_month() {
    let site = Site::start().await;
    quivive_server::tenant::directory::change_account(&site.server.app, site.account, |account| {
        account.plan.monthly_event_quota = Some(3);
    })
    .await
    .unwrap();
    let first = site.ingest(&batch(None, &mouse())).await;
    assert!(first.json.get("over_quota").is_none());
    let token = first.json["session_token"].as_str().unwrap().to_owned();
    let repeated = site.ingest(&batch(Some(&token), &mouse())).await;
    assert!(repeated.json.get("over_quota").is_none(), "duplicates cost nothing");
    let over = site.ingest(&batch(None, &[("snapshot", human_snapshot()), ("page", json!({}))])).await;
    assert_eq!(
        (over.status.as_u16(), &over.json["accepted"], &over.json["over_quota"]),
        (202, &json!(2), &json!(true))
    );
    let token = over.json["session_token"].as_str().unwrap().to_owned();
    assert_eq!(site.scored(&token).await["score"], 96);
    // 2026-03-01.
    site.server.advance(14 * 86_400_000);
    let next_month = site.ingest(&batch(None, &mouse())).await;
    assert!(next_month.json.get("over_quota").is_none());
}
