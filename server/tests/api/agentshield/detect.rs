//! Classification over HTTP: vectors, members of the answer, recording.

use quivive_server::flows::detection;
use quivive_server::jobs;
use quivive_server::storage::EventQuery;
use quivive_server::tenant::detection_key::NewKey;
use quivive_server::tenant::directory;
use serde_json::{Value, json};

use super::site::{KEY, Site, assert_error, assert_limits};
use crate::support::Server;

#[tokio::test]
async fn the_answer_has_exactly_the_documented_members() {
    let site = Site::start().await;
    let answer = site.detect(&json!({ "userAgent": "curl/8.5.0", "unknown": 1 })).await;
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&answer.json), ["isBot", "confidence", "botType", "details", "metadata"]);
    assert_eq!(names(&answer.json["details"]), ["userAgentBot", "behavioralBot", "ipBot"]);
    assert_eq!(names(&answer.json["metadata"]), ["engine", "processingTime"]);
    assert_eq!(answer.json["metadata"]["engine"], format!("Quivive/{}", env!("CARGO_PKG_VERSION")));
    assert!(answer.json["metadata"]["processingTime"].is_u64());
    assert_eq!(answer.header("content-type"), "application/json");
    assert_limits(&answer);

    let compat = Site::on(Server::compat().await, "enterprise").await;
    let answer = compat.detect(&json!({ "userAgent": "curl/8.5.0" })).await;
    assert_eq!(answer.json["metadata"]["engine"], "AgentShield/1.0");
    let named = Site::with(|config| config.agentshield.engine = Some("Door/2".to_owned())).await;
    assert_eq!(named.detect(&json!({ "ip": "203.0.113.7" })).await.json["metadata"]["engine"], "Door/2");
}

#[tokio::test]
async fn more_is_told_when_asked_for() {
    let site = Site::start().await;
    let body = json!({ "userAgent": "Mozilla/5.0 (compatible; ChatGPT-User/1.0; +https://openai.com/bot)" });
    let names = async |include: &str| {
        let answer = site.detect_at(&format!("/api/v1/detect?{include}"), &body).await;
        let mut names: Vec<_> = answer.json["extended"].as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(
        names("include=all").await,
        "agent class detectionId policy settings signals timing verification"
    );
    assert_eq!(names("include=agent,timing").await, "agent detectionId timing");
    assert_eq!(names("include=agent&include=class").await, "agent detectionId", "the first counts");
    let answer = site.detect_at("/api/v1/detect?include=all&other=1", &body).await;
    let extended = &answer.json["extended"];
    assert_eq!(extended["agent"]["name"], "ChatGPT-User");
    assert_eq!(extended["class"]["detectionClass"], "ai_agent");
    assert_eq!(extended["class"]["confidenceLevel"], "very_high");
    assert_eq!(extended["verification"]["status"], "claimed");
    assert_eq!(extended["verification"]["checkedAt"], "2026-02-15T12:00:00Z");
    assert_eq!(
        (&extended["signals"][0]["id"], &extended["signals"][0]["group"]),
        (&json!("ua.known_agent"), &json!("U"))
    );
    assert_eq!(
        extended["policy"],
        json!({ "action": "allow", "reason": "default", "matchType": "default", "ruleId": null })
    );
    let settings = json!({
        "detectionEnabled": true, "blockingEnabled": false, "detectionThreshold": 0.5, "ipMode": "full",
        "retentionDays": null, "humanRows": 1.0, "keepQuery": false
    });
    assert_eq!(extended["settings"], settings);
    let id = extended["detectionId"].as_str().unwrap();
    assert!(id.strip_prefix("det_").is_some_and(|ulid| ulid.len() == 26));
}

#[tokio::test]
async fn a_caller_can_ask_about_himself() {
    let site = Site::start().await;
    let headers = [("x-agentshield-key", KEY), ("user-agent", "curl/8.5.0"), ("accept", "*/*")];
    let answer = site.bare("GET", "/api/v1/detect?include=class", &headers).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json["extended"]["class"]["subType"]),
        (200, &json!("cli_tool"))
    );
    let silent = site.bare("GET", "/api/v1/detect", &[("x-agentshield-key", KEY)]).await;
    assert_eq!((&silent.json["isBot"], &silent.json["confidence"]), (&json!(true), &json!(0.71)));
}

#[tokio::test]
async fn any_media_type_is_read_as_json() {
    let site = Site::start().await;
    for media in ["text/plain", "application/octet-stream"] {
        let headers = [("x-agentshield-key", KEY), ("content-type", media)];
        let answer =
            site.server.call("POST", "/api/v1/detect", &headers, r#"{"userAgent":"curl/8.5.0"}"#).await;
        assert_eq!(answer.status, 200);
    }
    let headers = [("x-agentshield-key", KEY)];
    assert_eq!(site.server.call("POST", "/api/v1/detect", &headers, r#"{"ip":"::1"}"#).await.status, 200);
}

#[tokio::test]
async fn the_projects_threshold_and_switch_count() {
    let site = Site::start().await;
    let body = json!({ "userAgent": "MyCoolBot/1.0 (+https://example.org/bot)" });
    assert_eq!(site.detect(&body).await.json["isBot"], true);
    directory::change_project(&site.server.app, site.project, |project| project.detection.threshold = 0.9)
        .await
        .unwrap();
    let answer = site.detect(&body).await.json;
    assert_eq!((&answer["isBot"], &answer["confidence"]), (&json!(false), &json!(0.85)));
    directory::change_project(&site.server.app, site.project, |project| project.detection.is_enabled = false)
        .await
        .unwrap();
    let answer = site.detect(&body).await;
    let details = json!({ "userAgentBot": false, "behavioralBot": false, "ipBot": false });
    assert_eq!(answer.status, 200);
    assert_eq!((&answer.json["isBot"], &answer.json["botType"]), (&json!(false), &json!("unknown")));
    assert_eq!(answer.json["confidence"].as_f64(), Some(0.0));
    assert_eq!(answer.json["details"], details);
}

async fn rows(site: &Site, project: i64, at_least: usize) -> Vec<Value> {
    let query = || EventQuery {
        kind: detection::STREAM.to_owned(),
        project: project.to_string(),
        limit: 100,
        ..EventQuery::default()
    };
    for _ in 0..1_000 {
        let events = site.server.app.storage.events().scan(query()).await.unwrap();
        if events.len() >= at_least {
            return events.iter().map(|event| serde_json::from_str(&event.body).unwrap()).collect();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("detections were not recorded")
}

#[tokio::test]
async fn detections_are_recorded_without_what_is_private() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let described = json!({
        "userAgent": "curl/8.5.0", "ip": "203.0.113.7", "url": "https://ada:secret@example.org/a?token=secret#x",
        "headers": { "authorization": "Bearer secret", "cookie": "secret", "user-agent": "other" }, "method": "PUT"
    });
    site.detect(&json!({ "userAgent": "not-recorded/1.0", "record": false })).await;
    site.detect(&described).await;
    let rows = rows(&site, site.project, 1).await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        (&row["source"], &row["isBot"], &row["botType"]),
        (&json!("api"), &json!(true), &json!("automation"))
    );
    assert_eq!(
        (&row["url"], &row["method"], &row["ip"]),
        (&json!("https://example.org/a"), &json!("PUT"), &json!("203.0.113.7"))
    );
    assert_eq!((&row["userAgent"], &row["test"]), (&json!("curl/8.5.0"), &json!(false)));
    assert_eq!(row["visitorKey"].as_str().unwrap().len(), 32);
    assert!(!row.to_string().contains("secret"), "{row}");
}

#[tokio::test]
async fn visitors_are_joined_by_network_and_session_for_a_day() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let visit = async |ip: &str, session: &str| {
        site.detect(&json!({ "userAgent": "curl/8.5.0", "ip": ip, "sessionId": session })).await;
    };
    visit("203.0.113.7", "a").await;
    visit("203.0.113.200", "a").await;
    visit("203.0.113.7", "b").await;
    visit("198.51.100.7", "a").await;
    let first = rows(&site, site.project, 4).await;
    let keys: std::collections::HashSet<_> = first.iter().map(|row| row["visitorKey"].to_string()).collect();
    assert_eq!(keys.len(), 3);
    site.server.advance(86_400_000);
    visit("203.0.113.7", "a").await;
    let all = rows(&site, site.project, 5).await;
    assert!(!keys.contains(&all.last().unwrap()["visitorKey"].to_string()), "a new day, a new key");
}

#[tokio::test]
async fn test_keys_and_other_projects_are_told_apart() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let second =
        directory::NewProject { account_id: site.account, name: "Blog".to_owned(), ..Default::default() };
    let second = directory::create_project(&site.server.app, second).await.unwrap();
    let key = NewKey {
        project_id: site.project,
        key: Some(format!("as_test_{}", "a".repeat(32))),
        ..NewKey::default()
    };
    let key = site.key(key).await;
    let headers = [("x-agentshield-key", &*key), ("x-agentshield-project", &*second.public_id)];
    let answer = site.server.call("POST", "/api/v1/detect", &headers, r#"{"userAgent":"curl/8.5.0"}"#).await;
    assert_eq!(answer.status, 200);
    assert_eq!(rows(&site, second.id, 1).await[0]["test"], true);
}

#[tokio::test]
async fn callers_with_other_keys_can_have_the_later_shape() {
    let site = Site::start().await;
    let body = json!({ "userAgent": "Mozilla/5.0 (compatible; ChatGPT-User/1.0; +https://openai.com/bot)" })
        .to_string();
    for key in [("x-api-key", KEY.to_owned()), ("authorization", format!("Bearer {KEY}"))] {
        let headers = [(key.0, key.1.as_str())];
        let answer =
            site.server.call("POST", "/api/v1/detect?shape=checkpoint", &headers, body.clone()).await;
        assert_eq!(answer.status, 200);
        let mut found = answer.json;
        assert!(found["metadata"]["processingTime"].is_u64());
        found["metadata"].as_object_mut().unwrap().remove("processingTime");
        let expected = json!({
            "detectionClass": "ai_agent", "confidence": 95, "agentType": "ChatGPT-User",
            "signals": { "userAgentMatch": true, "behavioralSignals": false, "headerAnalysis": false,
                "tlsFingerprint": false },
            "metadata": { "engine": format!("Quivive/{}", env!("CARGO_PKG_VERSION")) }
        });
        assert_eq!(found, expected);
    }
    let documented = site.detect_at("/api/v1/detect?shape=checkpoint", &json!({ "userAgent": "x" })).await;
    assert!(documented.json["botType"].is_string(), "{:?}", documented.json);
    let unknown = site.detect_at("/api/v1/detect?shape=round", &json!({ "userAgent": "x" })).await;
    assert_error(&unknown, 400, "INVALID_REQUEST");
    assert_eq!(unknown.json["error"]["details"], json!({ "field": "shape", "reason": "unknown_value" }));
    directory::change_project(&site.server.app, site.project, |project| project.detection.is_enabled = false)
        .await
        .unwrap();
    let off = site.server.call("POST", "/api/v1/detect?shape=checkpoint", &[("x-api-key", KEY)], body).await;
    assert_eq!(
        (&off.json["detectionClass"], &off.json["confidence"]),
        (&json!("incomplete_data"), &json!(0))
    );
}
