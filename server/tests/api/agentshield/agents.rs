//! The agents that came to a project.

use quivive_core::agent::VerificationStatus;
use serde_json::json;

use super::recorded::Seen;
use super::site::{Site, assert_error};

#[tokio::test]
async fn agents_are_listed_with_totals_last_visit_and_proof() {
    let site = Site::start().await;
    let google = |text| Seen { agent: Some("googlebot"), ..Seen::at(text) };
    let seen = [
        Seen::at("2026-02-10T10:00:00Z"),
        Seen { verification: VerificationStatus::Verified, ..Seen::at("2026-02-12T10:00:00Z") },
        Seen { verification: VerificationStatus::Spoofed, ..Seen::at("2026-02-11T10:00:00.5Z") },
        google("2026-02-14T10:00:00Z"),
        Seen { is_test: true, ..google("2026-02-15T10:00:00Z") },
        Seen::person("2026-02-14T11:00:00Z"),
    ];
    site.store(site.project, &seen).await;
    let answer = site.read("/agents").await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    let agents = answer.json["agents"].as_array().unwrap();
    assert_eq!(agents.len(), 2);
    assert_eq!(
        agents[0],
        json!({
            "agentId": "openai-gptbot", "name": "GPTBot", "vendor": "OpenAI", "detections": 3,
            "lastSeen": "2026-02-12T10:00:00Z",
            "verification": { "verified": 1, "claimed": 1, "spoofed": 1, "none": 0 }
        })
    );
    assert_eq!((&agents[1]["agentId"], &agents[1]["detections"]), (&json!("googlebot"), &json!(1)));
    assert_eq!(answer.json["pagination"], json!({ "page": 1, "limit": 50, "total": 2, "hasMore": false }));

    let some = site.read("/agents?startDate=2026-02-11T00:00:00Z&endDate=2026-02-12").await.json;
    assert_eq!((&some["pagination"]["total"], &some["agents"][0]["detections"]), (&json!(1), &json!(2)));
    let second = site.read("/agents?limit=1&page=2").await;
    assert_eq!(second.json["agents"][0]["agentId"], "googlebot");
    assert!(
        second.header("link").ends_with("/agents?limit=1&page=1>; rel=\"prev\""),
        "{}",
        second.header("link")
    );
    for query in ["page=0", "limit=1001", "startDate=x", "startDate=2026-02-02&endDate=2026-02-01"] {
        assert_error(&site.read(&format!("/agents?{query}")).await, 400, "INVALID_REQUEST");
    }
}
