//! Figures over time: shapes, ranges, and exactness against a recount.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use quivive_core::Timestamp;
use quivive_core::agent::{BotType, VerificationStatus};
use quivive_core::decision::Action;
use quivive_server::flows::detection::row::TYPES;
use quivive_server::jobs;
use quivive_server::storage::Slot;
use quivive_server::storage::memory::Memory;
use quivive_server::storage::sqlite::Sqlite;
use quivive_server::tenant::detection_key::{NewKey, Scope};
use quivive_server::tenant::directory;
use serde_json::{Value, json};

use super::recorded::{Seen, recount};
use super::site::{KEY, Site, assert_error};
use crate::support::{START, Server};

const DAY: i64 = 86_400_000;

#[tokio::test]
async fn the_documented_answer_has_exactly_its_members() {
    let site = Site::start().await;
    let mut seen = vec![Seen::person("2024-01-01T10:00:00Z"), Seen::at("2024-01-01T11:00:00Z")];
    seen.push(Seen {
        bot_type: BotType::AiAgent,
        bot: 2,
        confidence: 80,
        ..Seen::at("2024-01-07T23:59:59.999Z")
    });
    seen.push(Seen::at("2024-01-08T00:00:00Z"));
    site.store(site.project, &seen).await;
    let answer = site.read("/analytics?period=day&startDate=2024-01-01&endDate=2024-01-07").await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    assert_eq!(
        answer.json,
        json!({
            "period": "day", "startDate": "2024-01-01", "endDate": "2024-01-07",
            "summary": { "totalDetections": 3, "uniqueBots": 2, "averageConfidence": 0.875 },
            "timeSeries": [
                { "date": "2024-01-01", "detections": 2, "bots": 1, "humans": 1 },
                { "date": "2024-01-02", "detections": 0, "bots": 0, "humans": 0 },
                { "date": "2024-01-03", "detections": 0, "bots": 0, "humans": 0 },
                { "date": "2024-01-04", "detections": 0, "bots": 0, "humans": 0 },
                { "date": "2024-01-05", "detections": 0, "bots": 0, "humans": 0 },
                { "date": "2024-01-06", "detections": 0, "bots": 0, "humans": 0 },
                { "date": "2024-01-07", "detections": 1, "bots": 1, "humans": 0 }
            ],
            "botTypes": { "ai_agent": 1, "crawler": 1 }
        })
    );
}

#[tokio::test]
async fn absent_dates_mean_up_to_now() {
    let site = Site::start().await;
    site.store(site.project, &[Seen::at("2026-02-15T12:00:00Z"), Seen::at("2026-02-08T12:00:00Z")]).await;
    for (period, start, end, buckets, first) in [
        ("hour", "2026-02-14T12:00:00Z", "2026-02-15T12:00:00Z", 25, "2026-02-14T12:00:00Z"),
        ("day", "2026-02-08", "2026-02-15", 8, "2026-02-08"),
        ("week", "2025-11-23", "2026-02-15", 13, "2025-11-17"),
        ("month", "2025-02-15", "2026-02-15", 13, "2025-02-01"),
    ] {
        let answer = site.read(&format!("/analytics?period={period}")).await.json;
        assert_eq!(
            (&answer["startDate"], &answer["endDate"], &answer["timeSeries"][0]["date"]),
            (&json!(start), &json!(end), &json!(first)),
            "{period}"
        );
        assert_eq!(answer["timeSeries"].as_array().unwrap().len(), buckets, "{period}");
        let expected = if period == "hour" { 1 } else { 2 };
        assert_eq!(answer["summary"]["totalDetections"], expected, "{period}: what happens now is counted");
    }
    let only_end = site.read("/analytics?endDate=2026-02-10").await.json;
    assert_eq!((&only_end["startDate"], &only_end["endDate"]), (&json!("2026-02-04"), &json!("2026-02-10")));
}

#[tokio::test]
async fn metrics_choose_members_and_columns() {
    let site = Site::start().await;
    let seen = [
        Seen::at("2026-02-15T10:00:00Z"),
        Seen {
            verification: VerificationStatus::Spoofed,
            action: Action::Block,
            ..Seen::at("2026-02-15T10:07:00Z")
        },
        Seen {
            agent: Some("gone-agent"),
            url: "https://example.org/b?c",
            ..Seen::at("2026-02-15T11:00:00Z")
        },
        Seen { url: "", ..Seen::person("2026-02-15T11:00:00Z") },
    ];
    site.store(site.project, &seen).await;
    let ask = async |metrics: &str| {
        let answer = site.read(&format!("/analytics?metrics={metrics}&startDate=2026-02-15")).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        let mut json = answer.json;
        for always in ["period", "startDate", "endDate"] {
            assert!(json.as_object_mut().unwrap().remove(always).is_some());
        }
        json
    };
    assert_eq!(ask("bots").await, json!({ "timeSeries": [{ "date": "2026-02-15", "bots": 3 }] }));
    assert_eq!(ask("uniqueBots,").await, json!({ "summary": { "uniqueBots": 1 } }));
    assert_eq!(ask("botTypes").await, json!({ "botTypes": { "crawler": 1 } }));
    assert_eq!(ask("botTypeDetections").await, json!({ "botTypeDetections": { "crawler": 3, "human": 1 } }));
    assert_eq!(ask("actions").await, json!({ "actions": { "allow": 3, "block": 1 } }));
    assert_eq!(
        ask("verification").await,
        json!({ "verification": { "verified": 0, "claimed": 2, "spoofed": 1 } })
    );
    assert_eq!(
        ask("agents,paths").await,
        json!({
            "agents": [
                { "agentId": "openai-gptbot", "name": "GPTBot", "detections": 2 },
                { "agentId": "gone-agent", "name": "gone-agent", "detections": 1 }
            ],
            "paths": [{ "path": "/a", "detections": 2 }, { "path": "/b", "detections": 1 }]
        })
    );
    let usual = ask("").await;
    assert_eq!(usual, ask("summary,timeSeries,botTypes").await);
    assert_eq!(usual.as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let site = Site::start().await;
    for (query, field, reason) in [
        ("period=year", "period", "unknown_value"),
        ("metrics=summary,money", "metrics", "unknown_value"),
        ("startDate=yesterday", "startDate", "format"),
        ("endDate=2024-02-30", "endDate", "format"),
        ("startDate=2024-01-01T00:00:00", "startDate", "format"),
        ("startDate=2024-01-02&endDate=2024-01-01", "startDate", "out_of_range"),
        ("startDate=2027-01-01", "startDate", "out_of_range"),
        ("period=hour&startDate=2020-01-01", "startDate", "out_of_range"),
        ("startDate=1990-01-01&endDate=1993-01-01", "startDate", "out_of_range"),
    ] {
        let answer = site.read(&format!("/analytics?{query}")).await;
        assert_error(&answer, 400, "INVALID_REQUEST");
        let details = &answer.json["error"]["details"];
        assert_eq!(
            (&details["field"], &details["reason"]),
            (&json!(field), &json!(reason)),
            "{query}: {details}"
        );
    }
    let allowed = &site.read("/analytics?period=year").await.json["error"]["details"]["allowed"];
    assert_eq!(*allowed, json!(["hour", "day", "week", "month"]));
}

#[tokio::test]
async fn every_refusal_of_the_reads_is_as_documented() {
    let site = Site::start().await;
    let app = &site.server.app;
    let stranger = directory::create_account(app, directory::NewAccount::default()).await.unwrap();
    let project =
        |account_id| directory::NewProject { account_id, name: "Other".to_owned(), ..Default::default() };
    let foreign = directory::create_project(app, project(stranger.id)).await.unwrap();
    let sibling = directory::create_project(app, project(site.account)).await.unwrap();
    let new = || NewKey { project_id: site.project, ..NewKey::default() };
    let narrow = site.key(NewKey { projects: Some(vec![site.project]), ..new() }).await;
    let writer = site.key(NewKey { scopes: Some(vec![Scope::Detect, Scope::Write]), ..new() }).await;
    let own = site.project_id().await;
    for rest in ["", "/detections", "/detections.ndjson", "/detections/det_x", "/analytics", "/agents"] {
        let ask = async |id: &str, headers: &[(&str, &str)]| {
            site.server.advance(1_000);
            site.bare("GET", &format!("/api/v1/projects/{id}{rest}"), headers).await
        };
        assert_error(&ask(&own, &[]).await, 401, "UNAUTHORIZED");
        let refused = ask(&own, &[("x-agentshield-key", &writer)]).await;
        assert_error(&refused, 403, "FORBIDDEN");
        assert_eq!(refused.json["error"]["details"], json!({ "reason": "scope" }));
        let refused = ask(&sibling.public_id, &[("x-agentshield-key", &narrow)]).await;
        assert_error(&refused, 403, "FORBIDDEN");
        assert_eq!(refused.json["error"]["details"], json!({ "reason": "project" }));
        for id in [&*foreign.public_id, "proj_none", "1", "%FF%00"] {
            let missing = ask(id, &[("x-agentshield-key", KEY)]).await;
            assert_error(&missing, 404, "NOT_FOUND");
            assert_eq!(missing.json["error"]["details"], json!({ "resource": "project" }), "{rest} of {id}");
        }
        let path = format!("/api/v1/projects/{own}{rest}");
        let wrong = site.bare("PUT", &path, &[("x-agentshield-key", KEY)]).await;
        assert_error(&wrong, 405, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn reads_are_limited_by_the_plan() {
    let site = Site::of_plan("free").await;
    let own = site.project_id().await;
    for rest in ["", "/detections", "/detections.ndjson", "/detections/det_x", "/analytics", "/agents"] {
        site.server.advance(1_000);
        let path = format!("/api/v1/projects/{own}{rest}");
        for _ in 0..10 {
            assert_ne!(site.bare("GET", &path, &[("x-agentshield-key", KEY)]).await.status, 429);
        }
        let refused = site.bare("GET", &path, &[("x-agentshield-key", KEY)]).await;
        assert_error(&refused, 429, "RATE_LIMIT_EXCEEDED");
        assert_eq!(refused.json["error"]["details"]["limit"], 10);
    }
}

#[tokio::test]
async fn what_is_detected_is_counted_within_two_seconds_and_tests_are_not() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let key = format!("as_test_{}", "a".repeat(32));
    site.key(NewKey { project_id: site.project, key: Some(key.clone()), ..NewKey::default() }).await;
    let body = json!({ "userAgent": "curl/8.5.0", "ip": "203.0.113.7" });
    site.server.call("POST", "/api/v1/detect", &[("x-agentshield-key", &key)], body.to_string()).await;
    site.detect(&body).await;
    let begun = std::time::Instant::now();
    loop {
        let answer = site.read("/analytics").await.json;
        if answer["summary"]["totalDetections"] == 1 {
            assert_eq!(answer["botTypes"], json!({ "automation": 1 }));
            break;
        }
        assert!(begun.elapsed().as_secs() < 2, "{answer}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let listed = site.read("/detections").await.json;
    assert_eq!(listed["pagination"]["total"], 2, "tests are listed");
    // Also where rows are counted.
    let edge =
        site.read("/analytics?startDate=2026-02-15T11:59:59.999Z&endDate=2026-02-15T12:00:00.001Z").await;
    assert_eq!(edge.json["summary"]["totalDetections"], 1);
}

#[tokio::test]
async fn old_ends_go_to_the_hour_when_their_rows_are_gone() {
    let site = Site::start().await;
    let seen = [
        Seen::at("2025-06-01T10:00:00Z"),
        Seen::at("2025-06-01T10:59:00Z"),
        Seen::at("2025-06-01T11:20:00Z"),
        Seen::at("2025-06-01T12:40:00Z"),
    ];
    site.store(site.project, &seen).await;
    jobs::remove_expired(&site.server.app).await.unwrap();
    assert_eq!(site.read("/detections").await.json["pagination"]["total"], 0);
    for (start, end, expected) in [
        ("10:00:00", "13:00:00", 4),
        ("10:10:00", "12:10:00", 3),
        ("10:40:00", "12:50:00", 2),
        ("10:40:00", "10:50:00", 0),
    ] {
        let range = format!("startDate=2025-06-01T{start}Z&endDate=2025-06-01T{end}Z");
        let answer = site.read(&format!("/analytics?period=hour&{range}")).await.json;
        assert_eq!(answer["summary"]["totalDetections"], expected, "{start} {end}: {answer}");
    }
}

#[tokio::test]
async fn rollups_end_after_their_months_and_a_lost_project_leaves_nothing() {
    let site = Site::with(|config| config.retention.rollups_months = 1).await;
    let app = &site.server.app;
    site.store(site.project, &[Seen::at("2026-01-01T10:00:00Z"), Seen::at("2026-02-14T10:00:00Z")]).await;
    site.store(4_711, &[Seen::at("2026-02-14T10:00:00Z")]).await;
    jobs::remove_expired(app).await.unwrap();
    assert_eq!(app.storage.events().tenants("detection").await.unwrap(), [site.project.to_string()]);
    let answer = site.read("/analytics?startDate=2026-01-01&endDate=2026-01-01").await.json;
    assert_eq!(answer["summary"]["totalDetections"], 0);
    let answer = site.read("/analytics?startDate=2026-02-14&endDate=2026-02-14").await.json;
    assert_eq!(answer["summary"]["totalDetections"], 1);
    let ever = quivive_server::flows::detection::figures::present(app, site.project, Slot::Ever);
    assert_eq!(app.storage.events().summarize(ever).await.unwrap()[0].count, 2, "the sum of all time stays");
}

#[tokio::test]
async fn thinned_people_are_counted_all_the_same() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    directory::change_project(&site.server.app, site.project, |project| project.detection.human_rows = 0.25)
        .await
        .unwrap();
    let browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                   Chrome/140.0.0.0 Safari/537.36";
    for number in 0..200 {
        site.server.advance(20);
        let ip = format!("203.0.{number}.1");
        let agent = if number % 10 == 0 { "curl/8.5.0" } else { browser };
        assert_eq!(site.detect(&json!({ "userAgent": agent, "ip": ip })).await.status, 200);
    }
    let mut answer = Value::Null;
    for _ in 0..400 {
        answer = site.read("/analytics?period=hour").await.json;
        if answer["summary"]["totalDetections"] == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let last = answer["timeSeries"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["bots"], &last["humans"]), (&json!(20), &json!(180)));
    let rows =
        |query: &'static str| async { site.read(query).await.json["pagination"]["total"].as_u64().unwrap() };
    assert_eq!(rows("/detections?isBot=true").await, 20, "rows of bots are all kept");
    let people = rows("/detections?isBot=false").await;
    assert!((20..=75).contains(&people), "a quarter of 180: {people}");
    // An end that is counted from rows: each stands for four.
    let edge = site.read("/analytics?period=hour&startDate=2026-02-15T12:00:00.001Z").await.json;
    assert_eq!(edge["summary"]["totalDetections"], 20 + 4 * people);
    assert_eq!(site.read("").await.json["stats"]["totalDetections"], 200);
}

fn some_types() -> impl Strategy<Value = BotType> {
    prop_oneof![
        3 => Just(BotType::Human),
        1 => Just(BotType::Unknown),
        6 => (0..TYPES.len() - 2).prop_map(|kind| TYPES[kind].0),
    ]
}

/// Moments crowd around ends of slots, days, months and weeks, a leap day, and a year's end inside a week.
fn moments() -> impl Strategy<Value = i64> {
    let at = |text: &str| Timestamp::parse_utc(text).unwrap().milliseconds();
    let ends = [
        "2024-02-29T00:00:00Z",
        "2024-03-01T00:00:00Z",
        "2024-12-30T00:00:00Z",
        "2025-01-01T00:00:00Z",
        // So near to the tests' present that slots of five minutes are kept.
        "2026-02-01T00:00:00Z",
        "2026-02-02T00:00:00Z",
    ];
    let ends = ends.map(at);
    let near = (0..ends.len(), -3..=3_i64).prop_map(move |(end, off)| ends[end] + off);
    let far = (0..ends.len(), -3 * DAY..3 * DAY).prop_map(move |(end, off)| ends[end] + off);
    let slots = (0..ends.len(), -864..864_i64, -1..=1_i64)
        .prop_map(move |(end, slots, off)| ends[end] + slots * 300_000 + off);
    prop_oneof![near, far, slots]
}

fn loads() -> impl Strategy<Value = Vec<Seen>> {
    let one = (moments(), some_types(), 0..=100_u32, 0..12_u64, prop::bool::weighted(0.1)).prop_map(
        |(at, bot_type, confidence, bot, is_test)| Seen {
            at: Timestamp::from_milliseconds(at),
            bot_type,
            confidence,
            bot,
            is_test,
            ..Seen::at("2024-01-01T00:00:00Z")
        },
    );
    prop::collection::vec(one, 0..60)
}

/// Any load and range: the answer is the recount's, from every backend.
#[test]
fn analytics_equal_a_recount() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sites = runtime.block_on(async {
        let keep = |config: &mut quivive_server::config::Config| config.retention.detections_days = 3_000;
        let sqlite = Server::on(Arc::new(Sqlite::in_memory().unwrap()), keep).await;
        let memory = Server::on(Arc::new(Memory::new(1_000_000)), keep).await;
        [Site::on(sqlite, "enterprise").await, Site::on(memory, "enterprise").await]
    });
    let mut runner = TestRunner::new(Config { cases: 96, ..Config::default() });
    let ranges = (moments(), moments()).prop_map(|(one, two)| (one.min(two), one.max(two)));
    let periods = prop::sample::select(vec!["hour", "day", "week", "month"]);
    runner
        .run(&(loads(), ranges, periods), |(seen, (from, to), period)| {
            // At most a thousand buckets.
            let to = match period {
                "hour" => to.min(from + 900 * 3_600_000),
                _ => to.min(from + 900 * DAY),
            };
            for site in &sites {
                let found = runtime.block_on(answer(site, &seen, from, to, period));
                let expected = recount(&seen, from, to, period);
                for (member, value) in expected {
                    prop_assert_eq!(
                        &found[&member],
                        &value,
                        "{} of {} from {} to {}",
                        member,
                        period,
                        from,
                        to
                    );
                }
            }
            Ok(())
        })
        .unwrap();
}

async fn answer(site: &Site, seen: &[Seen], from: i64, to: i64, period: &str) -> Value {
    let new = directory::NewProject {
        account_id: site.account,
        name: "Counted".to_owned(),
        ..directory::NewProject::default()
    };
    let project = directory::create_project(&site.server.app, new).await.unwrap();
    site.store(project.id, seen).await;
    site.server.advance(1_000);
    let text = |at| Timestamp::from_milliseconds(at).to_string();
    let path = format!(
        "/api/v1/projects/{}/analytics?period={period}&startDate={}&endDate={}",
        project.public_id,
        text(from),
        text(to)
    );
    let answer = site.bare("GET", &path, &[("x-agentshield-key", KEY)]).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    assert!(site.server.app.now().seconds() >= START);
    site.server.app.storage.events().erase("detection", &project.id.to_string()).await.unwrap();
    answer.json
}
