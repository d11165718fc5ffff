//! The recorded detections of a project: filters, pages, single ones, export.

use quivive_core::agent::{BotType, SubType, VerificationStatus};
use quivive_core::decision::Action;
use quivive_server::flows::detection::Source;
use serde_json::{Value, json};

use super::recorded::Seen;
use super::site::{Site, assert_error};

/// Five detections, a minute apart; their ids end with their numbers.
async fn prepared() -> Site {
    let site = Site::start().await;
    let seen = [
        Seen::at("2026-02-14T10:00:00Z"),
        Seen { confidence: 2, ..Seen::person("2026-02-14T10:01:00Z") },
        Seen {
            bot_type: BotType::AiAgent,
            sub_type: Some(SubType::UserFetch),
            agent: Some("openai-chatgpt-user"),
            verification: VerificationStatus::Verified,
            confidence: 100,
            source: Source::Pixel,
            ..Seen::at("2026-02-14T10:02:00.5Z")
        },
        Seen {
            bot_type: BotType::Scraper,
            sub_type: Some(SubType::SpoofedIdentity),
            verification: VerificationStatus::Spoofed,
            confidence: 97,
            action: Action::Block,
            source: Source::Event,
            ..Seen::at("2026-02-14T10:03:00Z")
        },
        Seen { bot_type: BotType::Unknown, url: "", ..Seen::person("2026-02-15T00:00:00Z") },
    ];
    site.store(site.project, &seen).await;
    site
}

async fn found(site: &Site, query: &str) -> String {
    let answer = site.read(&format!("/detections?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.json);
    let items = answer.json["detections"].as_array().unwrap();
    let ids: String = items.iter().map(|item| item["id"].as_str().unwrap().chars().last().unwrap()).collect();
    if !query.contains("limit") {
        assert_eq!(answer.json["pagination"]["total"], ids.len(), "{query}");
    }
    ids
}

#[tokio::test]
async fn items_have_exactly_the_documented_members() {
    let site = prepared().await;
    let answer = site.read("/detections?limit=1&page=3").await;
    assert_eq!(
        answer.json,
        json!({
            "detections": [{
                "id": "det_00000000000000000000000002", "timestamp": "2026-02-14T10:02:00.500Z", "isBot": true,
                "confidence": 1.0, "botType": "ai_agent", "userAgent": "Visitor/2", "ip": "203.0.113.7",
                "url": "https://example.org/a"
            }],
            "pagination": { "page": 3, "limit": 1, "total": 5, "hasMore": true }
        })
    );
    assert!(
        answer.header("link").contains("page=2>; rel=\"prev\"") && answer.header("link").contains("page=4>")
    );
    let usual = site.read("/detections").await.json;
    assert_eq!(usual["pagination"], json!({ "page": 1, "limit": 50, "total": 5, "hasMore": false }));
    assert_eq!(
        (&usual["detections"][0]["url"], &usual["detections"][0]["timestamp"]),
        (&json!(""), &json!("2026-02-15T00:00:00Z"))
    );
}

#[tokio::test]
async fn each_filter_and_all_together() {
    let site = prepared().await;
    for (query, ids) in [
        ("", "43210"),
        ("order=asc", "01234"),
        ("order=desc&limit=2", "43"),
        ("order=asc&limit=2&page=2", "23"),
        ("botType=ai_agent", "2"),
        ("botType=crawler,scraper", "30"),
        ("botType=human,unknown,human", "41"),
        ("isBot=true", "320"),
        ("isBot=false", "41"),
        ("isBot=true&botType=human,scraper", "3"),
        ("isBot=true&botType=human", ""),
        ("minConfidence=0.97", "32"),
        ("maxConfidence=0.95", "410"),
        ("minConfidence=0.95&maxConfidence=0.97", "30"),
        ("agent=openai-gptbot", "30"),
        ("agent=nobody%27s", ""),
        ("verification=verified", "2"),
        ("verification=none", "41"),
        ("source=pixel", "2"),
        ("subType=spoofed_identity", "3"),
        ("startDate=2026-02-15", "4"),
        ("endDate=2026-02-14", "3210"),
        ("startDate=2026-02-14T10:01:00Z&endDate=2026-02-14T10:03:00Z", "21"),
        ("startDate=2026-02-14T11:02:00.5%2B01:00&endDate=2026-02-14", "32"),
        (
            "botType=scraper,ai_agent&isBot=true&agent=openai-gptbot&minConfidence=0.5&source=event&order=asc",
            "3",
        ),
    ] {
        assert_eq!(found(&site, query).await, ids, "{query}");
    }
}

#[tokio::test]
async fn unknown_words_are_refused_with_what_is_allowed() {
    let site = prepared().await;
    for (query, field, reason) in [
        ("botType=robot", "botType", "unknown_value"),
        ("botType=crawler,robot", "botType", "unknown_value"),
        ("isBot=1", "isBot", "unknown_value"),
        ("order=up", "order", "unknown_value"),
        ("verification=maybe", "verification", "unknown_value"),
        ("source=mail", "source", "unknown_value"),
        ("subType=small", "subType", "unknown_value"),
        ("include=everything", "include", "unknown_value"),
        ("minConfidence=95", "minConfidence", "out_of_range"),
        ("maxConfidence=-0.1", "maxConfidence", "out_of_range"),
        ("minConfidence=high", "minConfidence", "type"),
        ("minConfidence=NaN", "minConfidence", "type"),
        ("startDate=14.02.2026", "startDate", "format"),
        ("startDate=2026-02-15&endDate=2026-02-14", "startDate", "out_of_range"),
        ("limit=1001", "limit", "out_of_range"),
        ("page=102&limit=1000", "page", "out_of_range"),
    ] {
        for route in ["/detections", "/detections.ndjson"] {
            if route.ends_with("ndjson") && (query.contains("limit") || query.contains("page")) {
                continue;
            }
            let answer = site.read(&format!("{route}?{query}")).await;
            assert_error(&answer, 400, "INVALID_REQUEST");
            let details = &answer.json["error"]["details"];
            assert_eq!((&details["field"], &details["reason"]), (&json!(field), &json!(reason)), "{query}");
        }
    }
    let details = &site.read("/detections?botType=robot").await.json["error"]["details"];
    assert_eq!(details["allowed"].as_array().unwrap().len(), 9);
    assert_eq!(details["allowed"][0], "ai_agent");
    let far = &site.read("/detections?page=2002").await.json["error"]["details"];
    assert!(far["advice"].as_str().unwrap().contains("startDate"), "{far}");
    let two = &site.read("/detections?order=up&isBot=1").await.json["error"]["details"];
    assert_eq!(two["errors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn more_is_told_when_asked_for() {
    let site = prepared().await;
    let item = async |include: &str| {
        let answer = site.read(&format!("/detections?botType=scraper&include={include}")).await.json;
        answer["detections"][0]["extended"].clone()
    };
    let all = item("all").await;
    assert_eq!(all["class"], json!({ "subType": "spoofed_identity", "source": "event", "method": "GET" }));
    assert_eq!((&all["agent"]["name"], &all["agent"]["vendor"]), (&json!("GPTBot"), &json!("OpenAI")));
    assert_eq!(
        (&all["verification"], &all["policy"]),
        (&json!({ "status": "spoofed" }), &json!({ "action": "block" }))
    );
    assert_eq!(item("policy").await, json!({ "policy": { "action": "block" } }));
    assert_eq!(item("").await, Value::Null);
}

#[tokio::test]
async fn one_detection_by_its_id() {
    let site = prepared().await;
    let answer = site.read("/detections/det_00000000000000000000000003?include=policy").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        (&answer.json["botType"], &answer.json["extended"]["policy"]["action"]),
        (&json!("scraper"), &json!("block"))
    );
    for id in ["det_00000000000000000000000009", "x", "det_%00", "%FF"] {
        let answer = site.read(&format!("/detections/{id}")).await;
        assert_error(&answer, 404, "NOT_FOUND");
    }
    let missing = site.read("/detections/det_x").await.json;
    assert_eq!(missing["error"]["details"], json!({ "resource": "detection" }));
    assert_error(&site.read("/detections/det_x?include=x").await, 400, "INVALID_REQUEST");
    // The same id in another project.
    let new = quivive_server::tenant::directory::NewProject {
        account_id: site.account,
        name: "Other".to_owned(),
        ..Default::default()
    };
    let other = quivive_server::tenant::directory::create_project(&site.server.app, new).await.unwrap();
    let path = format!("/api/v1/projects/{}/detections/det_00000000000000000000000003", other.public_id);
    assert_error(
        &site.bare("GET", &path, &[("x-agentshield-key", super::site::KEY)]).await,
        404,
        "NOT_FOUND",
    );
}

#[tokio::test]
async fn exports_are_lines_or_a_table_of_all_pages() {
    let site = Site::start().await;
    let many: Vec<Seen> = (0..2_500)
        .map(|number| Seen { confidence: number % 100, ..Seen::at("2026-02-14T10:00:00Z") })
        .collect();
    site.store(site.project, &many).await;
    let lines = site.read("/detections.ndjson?order=asc").await;
    assert_eq!((lines.status.as_u16(), lines.header("content-type")), (200, "application/x-ndjson"));
    let items: Vec<Value> = lines
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(items.len(), 2_500);
    for (number, item) in items.iter().enumerate() {
        assert_eq!(item["id"], format!("det_{number:026}"));
        assert_eq!(item.as_object().unwrap().len(), 8);
    }
    let table = site.read("/detections.ndjson?format=csv&order=asc&minConfidence=0.98").await;
    assert_eq!(table.header("content-type"), "text/csv; charset=utf-8");
    let mut reader = csv::Reader::from_reader(&*table.body);
    assert_eq!(
        reader.headers().unwrap(),
        vec!["id", "timestamp", "isBot", "confidence", "botType", "userAgent", "ip", "url"]
    );
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), 50);
    assert_eq!(&rows[0][1], "2026-02-14T10:00:00Z");
    assert_eq!((&rows[0][2], &rows[0][3], &rows[0][5]), ("true", "0.98", "Visitor/98"));
    assert_error(&site.read("/detections.ndjson?format=xml").await, 400, "INVALID_REQUEST");
}

#[tokio::test]
async fn a_table_holds_no_formulas() {
    let site = Site::start().await;
    quivive_server::jobs::start(&site.server.app);
    let evil = "=HYPERLINK(\"https://evil.example\"),\r\n@x";
    site.detect(&json!({ "userAgent": evil, "ip": "203.0.113.7" })).await;
    for _ in 0..400 {
        let table = site.read("/detections.ndjson?format=csv").await;
        let mut reader = csv::Reader::from_reader(&*table.body);
        if let Some(row) = reader.records().next() {
            assert_eq!(&row.unwrap()[5], format!("'{evil}"));
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("not recorded");
}

#[tokio::test]
async fn rows_go_when_their_project_says_so() {
    let site = prepared().await;
    let app = &site.server.app;
    let second = quivive_server::tenant::directory::NewProject {
        account_id: site.account,
        name: "Long".to_owned(),
        ..Default::default()
    };
    let second = quivive_server::tenant::directory::create_project(app, second).await.unwrap();
    site.store(second.id, &[Seen::at("2025-01-01T00:00:00Z")]).await;
    let keep = async |id: i64, days: u32| {
        quivive_server::tenant::directory::change_project(app, id, |project| {
            project.detection.retention_days = Some(days);
        })
        .await
        .unwrap();
    };
    keep(site.project, 1).await;
    keep(second.id, 1_000).await;
    quivive_server::jobs::remove_expired(app).await.unwrap();
    assert_eq!(found(&site, "").await, "4", "older than a day is gone");
    assert_eq!(site.read("").await.json["stats"]["totalDetections"], 5, "figures stay");
    let path = format!("/api/v1/projects/{}/detections", second.public_id);
    let kept = site.bare("GET", &path, &[("x-agentshield-key", super::site::KEY)]).await.json;
    assert_eq!(kept["pagination"]["total"], 1, "longer than the server's own 90 days");
}
