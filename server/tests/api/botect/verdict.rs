//! Reading of verdicts.

use axum::body::Body;
use serde_json::{Value, json};

use super::site::{PRIVATE_KEY, SITE_KEY, Site, TOKEN, assert_error, batch, fail_open, human_snapshot};

/// Webdriver and no interaction: score 1.
fn automaton() -> Vec<(&'static str, Value)> {
    vec![
        ("js_probe", json!({ "webdriver": true })),
        ("snapshot", json!({ "total_ms": 8000, "visible_ms": 8000 })),
    ]
}

#[tokio::test]
async fn whatever_is_not_known_fails_open_with_one_body() {
    let site = Site::start().await;
    let other = site.other_tenant(true).await;
    let foreign = {
        let headers = [("content-type", "application/json"), ("x-botect-site-key", &*other.site_key)];
        let body = batch(None, &[("snapshot", human_snapshot())]).to_string();
        let answer = site.server.call("POST", "/v1/events", &headers, body).await;
        answer.json["session_token"].as_str().unwrap().to_owned()
    };
    let unknown = site.verdict("sess_000000000000000000000000000000000000000000000000", "").await;
    assert_eq!(
        String::from_utf8(unknown.body.clone()).unwrap(),
        r#"{"verdict":"not_computed","score":0,"action":"allow","detection_ids":[],"reason":"Score not available; allowing by default."}"#
    );
    // The owner of the session sees a score, so it is there.
    for _ in 0..1_000 {
        let path = format!("/v1/sessions/{foreign}/verdict");
        let own = site
            .server
            .call("GET", &path, &[("x-botect-private-key", &*other.private_key)], Body::empty())
            .await;
        if own.json["score"] == 92 || own.json["score"] == 96 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    for token in
        [&*foreign, "a%20b", "%FF", "sess_%00", "..", &"a".repeat(129), "bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P"]
    {
        let answer = site.verdict(token, "").await;
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &unknown.body), "{token}");
        assert_eq!(answer.header("content-type"), unknown.header("content-type"));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn both_forms_of_the_private_key_open_a_verdict() {
    let site = Site::start().await;
    let token = site.session(&[("snapshot", human_snapshot())]).await;
    let expected = site.scored(&token).await;
    let path = format!("/v1/sessions/{token}/verdict");
    let bearer = format!("bEaReR  {PRIVATE_KEY} ");
    for headers in [
        vec![("authorization", &*bearer)],
        vec![("x-botect-private-key", PRIVATE_KEY)],
        vec![("authorization", "Bearer other"), ("x-botect-private-key", PRIVATE_KEY)],
        vec![("authorization", &*bearer), ("x-botect-private-key", "sk_other")],
    ] {
        let answer = site.server.call("GET", &path, &headers, Body::empty()).await;
        assert_eq!((answer.status.as_u16(), &answer.json), (200, &expected), "{headers:?}");
    }
}

#[tokio::test]
async fn other_credentials_are_no_private_key() {
    let site = Site::start().await;
    let other = site.other_tenant(false).await;
    let (site_key, account) = (format!("Bearer {SITE_KEY}"), format!("Bearer {TOKEN}"));
    for headers in [
        vec![],
        vec![("authorization", "Bearer ")],
        vec![("authorization", "Bearer sk_unknown")],
        vec![("authorization", &*site_key)],
        vec![("authorization", &*account)],
        vec![("x-botect-private-key", " ")],
        vec![("x-botect-site-key", SITE_KEY)],
        // Bearer wins when it has the form of a private key, even a wrong one.
        vec![("authorization", "Bearer sk_unknown"), ("x-botect-private-key", PRIVATE_KEY)],
    ] {
        let answer = site.server.call("GET", "/v1/sessions/sess_x/verdict", &headers, Body::empty()).await;
        assert_error(&answer, 401, "UNAUTHENTICATED");
    }
    let headers = [("x-botect-private-key", &*other.private_key)];
    let answer = site.server.call("GET", "/v1/sessions/sess_x/verdict", &headers, Body::empty()).await;
    assert_error(&answer, 402, "NO_ACTIVE_SUBSCRIPTION");
    let answer = site.control("POST", "/v1/sessions/sess_x/verdict", &Value::Null).await;
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn settings_take_effect_on_the_next_read() {
    let site = Site::start().await;
    let token = site.session(&automaton()).await;
    let verdict = site.scored(&token).await;
    assert_eq!(
        verdict,
        json!({
            "verdict": "definite", "score": 1, "action": "allow",
            "detection_ids": [33_554_433, 50_331_648, 50_331_651],
            "reason": "Headless automation signature; no human interaction recorded."
        })
    );
    site.settings(&json!({ "block_definite": true })).await;
    assert_eq!(site.verdict(&token, "").await.json["action"], "block");
    site.settings(&json!({ "block_definite": false, "challenge_likely": true })).await;
    assert_eq!(site.verdict(&token, "").await.json["action"], "allow", "definite is not likely");
    let straight = json!({ "mouse_moves": 40, "mouse_entropy": 0.0 });
    let likely = site.session(&[("snapshot", straight)]).await;
    assert_eq!(site.scored(&likely).await["action"], "challenge");
    site.settings(&json!({ "challenge_likely": false })).await;
    assert_eq!(site.verdict(&likely, "").await.json["action"], "allow");
}

#[tokio::test]
async fn new_events_change_a_cached_verdict() {
    let site = Site::start().await;
    let token = site.session(&[("snapshot", human_snapshot())]).await;
    let first = site.scored(&token).await["score"].clone();
    let straight = json!([{
        "request_id": "later", "type": "snapshot", "received_at": "2026-02-15T12:00:09Z",
        "payload": { "mouse_moves": 60, "mouse_entropy": 0.0 }
    }]);
    site.ingest(&json!({ "session_token": token, "events": straight })).await;
    let changed = site.verdict_when(&token, "", |verdict| verdict["score"] != first).await;
    assert_eq!((&changed["score"], &changed["detection_ids"]), (&json!(15), &json!([50_331_649])));
}

#[tokio::test]
async fn context_decides_about_static_files_and_never_fails_a_read() {
    let site = Site::start().await;
    let token = site.session(&automaton()).await;
    site.scored(&token).await;
    site.settings(&json!({ "block_definite": true, "protect_static": false })).await;
    let action = async |query: &str| {
        let answer = site.verdict(&token, query).await;
        assert_eq!(answer.status, 200, "{query}");
        answer.json["action"].as_str().unwrap().to_owned()
    };
    assert_eq!(action("?path=%2Fcheckout").await, "block");
    assert_eq!(action("?path=%2Fapp.js").await, "allow");
    assert_eq!(site.verdict(&token, "?path=/app.js").await.json["reason"], "Static resource; not evaluated.");
    assert_eq!(
        action(&format!("?path=/{}.js", "a".repeat(2_048))).await,
        "block",
        "an over-long path is absent"
    );
    assert_eq!(
        action("?path=&ip=nonsense&country=Netherlands&ua=%FF&logged_in=maybe&other=1&&=").await,
        "block"
    );
    assert_eq!(action("?path=/app.js&path=/checkout").await, "allow", "the first one counts");
    assert_eq!(action("?ip=203.0.113.7&country=NL&ua=Mozilla%2F5.0&logged_in=1").await, "block");
}

#[tokio::test]
async fn a_block_is_recorded_once_for_each_resolution() {
    let site = Site::start().await;
    let token = site.session(&automaton()).await;
    site.scored(&token).await;
    site.settings(&json!({ "block_definite": true })).await;
    for query in ["", "", "?path=/a", "?path=/a", ""] {
        assert_eq!(site.verdict(&token, query).await.json["action"], "block");
    }
    let mut blocks = Vec::new();
    for _ in 0..1_000 {
        blocks = quivive_server::flows::scoring::audit::list_blocks(&site.server.app, site.project, 10)
            .await
            .unwrap();
        if blocks.len() >= 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    let mut blocks: Vec<Value> = blocks.iter().map(|block| serde_json::from_str(block).unwrap()).collect();
    blocks.sort_by_key(|block| block["path"].to_string());
    assert_eq!((&blocks[0]["path"], &blocks[1]["path"]), (&json!("/a"), &Value::Null));
    let block = &blocks[1];
    assert_eq!((&block["session_token"], &block["project_id"]), (&json!(token), &json!(site.project)));
    assert_eq!(
        (&block["score"], &block["action"], &block["verdict"]),
        (&json!(1), &json!("block"), &json!("definite"))
    );
    assert_eq!(block["detection_ids"], json!([33_554_433, 50_331_648, 50_331_651]));
    assert_eq!(block["rule_id"], Value::Null);
}

#[tokio::test]
async fn an_expired_session_is_unknown() {
    let site = Site::start().await;
    let token = site.session(&[("snapshot", human_snapshot())]).await;
    for _ in 0..1_000 {
        if site.server.app.scoring.queue.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    site.server.advance(30 * 86_400_000 + 1);
    assert_eq!(site.verdict(&token, "").await.json, fail_open());
    let again = site.ingest(&batch(Some(&token), &[("mouse", json!({}))])).await;
    assert_ne!(again.json["session_token"], json!(token), "a token of ours that has expired is replaced");
}
