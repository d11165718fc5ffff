//! The enforcement call: its answer, its own form of failures.

use quivive_server::tenant::detection_key::{NewKey, Scope};
use quivive_server::tenant::directory;
use serde_json::{Value, json};

use super::site::{KEY, Site, assert_limits};
use crate::support::Answer;

const GPTBOT: &str = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)";
const ROUTES: [&str; 2] = ["/api/v1/enforce", "/__detect/enforce"];

async fn enforce(site: &Site, body: &Value) -> Answer {
    let bearer = format!("Bearer {KEY}");
    site.server.call("POST", ROUTES[0], &[("authorization", &bearer)], body.to_string()).await
}

fn assert_failure(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{:?}", answer.json);
    let object = answer.json.as_object().unwrap();
    assert_eq!((object.len(), &object["success"]), (2, &json!(false)));
    assert_eq!(object["error"]["code"], code);
    assert!(object["error"]["message"].is_string() && object["error"].as_object().unwrap().len() == 2);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_limits(answer);
}

#[tokio::test]
async fn decision_and_detection_are_answered_under_both_addresses() {
    let site = Site::start().await;
    let body = json!({
        "userAgent": GPTBOT, "ipAddress": "::ffff:203.0.113.7", "path": "/a", "method": "GET", "requestId": "r-1",
        "options": { "includeDetectionResult": true, "cacheTTL": 60 }, "unknown": 1
    });
    for (route, header) in ROUTES.iter().zip(["authorization", "x-agentshield-key"]) {
        let key = if header == "authorization" { format!("Bearer {KEY}") } else { KEY.to_owned() };
        let answer = site.server.call("POST", route, &[(header, &key)], body.to_string()).await;
        assert_eq!(answer.status, 200, "{:?}", answer.json);
        assert_limits(&answer);
        let mut found = answer.json;
        assert!(found["data"]["processingTimeMs"].is_u64());
        found["data"].as_object_mut().unwrap().remove("processingTimeMs");
        let text = found["data"]["detection"]["reasons"][0].clone();
        let expected = json!({ "success": true, "data": {
            "decision": { "action": "allow", "reason": "default", "isAgent": true, "confidence": 95,
                "agentName": "GPTBot", "agentType": "GPTBot", "metadata": { "signatureVerified": false } },
            "requestId": "r-1",
            "detection": { "isAgent": true, "confidence": 95, "detectionClass": "bot", "agentName": "GPTBot",
                "agentType": "GPTBot", "verificationMethod": "pattern", "reasons": [text],
                "signals": [{ "signalType": "pattern", "confidence": 95, "weight": 1,
                    "source": "user_agent_pattern", "explanation": text }],
                "reasonCodes": ["detection/ua-pattern-match", "detection/ai-crawler-flag"],
                "confidenceLevel": "very_high", "isAiCrawler": true }
        }});
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn nothing_is_required_and_ids_are_given() {
    let site = Site::start().await;
    let answer = enforce(&site, &json!({})).await;
    assert_eq!(answer.status, 200, "{:?}", answer.json);
    let data = &answer.json["data"];
    assert!(data["requestId"].as_str().unwrap().starts_with("req_") && data.get("detection").is_none());
    assert_eq!((&data["decision"]["action"], &data["decision"]["isAgent"]), (&json!("allow"), &json!(false)));
    let body = json!({ "options": { "includeDetectionResult": true } });
    let seen = enforce(&site, &body).await.json["data"]["detection"].clone();
    assert_eq!(seen["detectionClass"], "incomplete_data");
    assert_eq!(seen["reasonCodes"], json!(["detection/incomplete-data-override"]));
    assert_eq!(seen["verificationMethod"], "none");
    let headers = [("x-agentshield-key", KEY), ("x-request-id", "from-the-header")];
    let answer = site.server.call("POST", ROUTES[0], &headers, "{}").await;
    assert_eq!(answer.json["data"]["requestId"], "from-the-header");
}

#[tokio::test]
async fn the_policy_decides() {
    let site = Site::start().await;
    let app = &site.server.app;
    let project =
        directory::change_project(app, site.project, |project| project.detection.is_blocking = true);
    let project = project.await.unwrap();
    let writer = NewKey { project_id: site.project, scopes: Some(vec![Scope::Write]), ..NewKey::default() };
    let writer = site.key(writer).await;
    let put = async |policy: Value| {
        let path = format!("/api/v1/projects/{}/policy", project.public_id);
        let answer =
            site.server.call("PUT", &path, &[("x-agentshield-key", &writer)], policy.to_string()).await;
        assert_eq!(answer.status, 200, "{:?}", answer.json);
    };
    let decision = async |url: &str| {
        let answer = enforce(&site, &json!({ "userAgent": GPTBOT, "url": url })).await;
        answer.json["data"]["decision"].clone()
    };
    put(
        json!({ "version": "7", "redirectUrl": "/agents", "thresholds": { "confidenceAction": "redirect" } }),
    )
    .await;
    let found = decision("/").await;
    assert_eq!((&found["action"], &found["redirectUrl"]), (&json!("redirect"), &json!("/agents")));
    assert_eq!((&found["reason"], &found["metadata"]["policyVersion"]), (&json!("confidence"), &json!("7")));
    put(json!({ "rewriteUrl": "/plain", "thresholds": { "confidenceAction": "rewrite" } })).await;
    let found = decision("/").await;
    assert_eq!((&found["action"], &found["redirectUrl"]), (&json!("redirect"), &json!("/plain")));
    put(json!({ "pathRules": [{ "pattern": "/shop/", "action": "instruct" }], "blockThreshold": 100 })).await;
    assert_eq!(decision("https://example.org/shop/a").await["action"], "instruct");
    assert_eq!(decision("https://example.org/").await["action"], "allow");
    directory::change_project(app, site.project, |project| project.detection.is_blocking = false)
        .await
        .unwrap();
    assert_eq!(decision("https://example.org/shop/a").await["action"], "log");
    directory::change_project(app, site.project, |project| project.detection.is_enabled = false)
        .await
        .unwrap();
    let off = decision("https://example.org/shop/a").await;
    assert_eq!(
        (&off["action"], &off["reason"], &off["confidence"]),
        (&json!("allow"), &json!("disabled"), &json!(0))
    );
}

#[tokio::test]
async fn every_failure_has_this_calls_own_form() {
    let site = Site::start().await;
    let no_scope = NewKey { project_id: site.project, scopes: Some(vec![Scope::Read]), ..NewKey::default() };
    let no_scope = site.key(no_scope).await;
    for route in ROUTES {
        let call = async |headers: &[(&str, &str)], body: String| {
            site.server.call("POST", route, headers, body).await
        };
        let key = ("x-agentshield-key", KEY);
        assert_failure(&call(&[], "{}".to_owned()).await, 401, "UNAUTHORIZED");
        let unknown = call(&[("authorization", "Bearer as_live_x")], "{}".to_owned()).await;
        assert_failure(&unknown, 401, "UNAUTHORIZED");
        assert!(unknown.header("www-authenticate").contains("AgentShield"));
        assert_failure(&call(&[("x-agentshield-key", &no_scope)], "{}".to_owned()).await, 403, "FORBIDDEN");
        let elsewhere = [key, ("x-agentshield-project", "proj_none")];
        assert_failure(&call(&elsewhere, "{}".to_owned()).await, 404, "NOT_FOUND");
        assert_failure(&call(&[key], "x".repeat(65_537)).await, 413, "INVALID_REQUEST");
        for body in [
            json!([]),
            json!({ "path": "a" }),
            json!({ "path": 1 }),
            json!({ "ipAddress": "1.2.3" }),
            json!({ "requestId": "x".repeat(129) }),
            json!({ "options": 1 }),
            json!({ "options": { "includeDetectionResult": "yes" } }),
            json!({ "options": { "cacheTTL": -1 } }),
            json!({ "headers": { "a": 1 } }),
        ] {
            assert_failure(&call(&[key], body.to_string()).await, 400, "INVALID_REQUEST");
        }
        assert_failure(&call(&[key], "{".to_owned()).await, 400, "INVALID_REQUEST");
        assert_failure(&site.bare("GET", route, &[key]).await, 405, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn too_many_requests_are_refused_in_this_calls_own_form() {
    let site = Site::of_plan("free").await;
    for _ in 0..10 {
        assert_eq!(enforce(&site, &json!({})).await.status, 200);
    }
    let answer = enforce(&site, &json!({})).await;
    assert_failure(&answer, 429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(answer.header("retry-after"), "1");
}
