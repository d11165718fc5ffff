//! Trying rules on stored sessions before they are made.

use axum::body::Body;
use quivive_server::flows::scoring::audit;
use quivive_server::tenant::directory;
use serde_json::{Value, json};

use super::rules::{store_score, store_score_at};
use super::site::{PRIVATE_KEY, Site, TOKEN};
use crate::support::{Answer, START};

const HOUR: i64 = 3_600;

async fn dry_run(site: &Site, body: &Value) -> Answer {
    site.control("POST", &format!("/-/projects/{}/rules/dry-run", site.project), body).await
}

fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.json["code"].as_str()),
        (status, Some(code)),
        "{:?}",
        answer.json
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn it_tells_whom_a_rule_would_have_touched() {
    let site = Site::start().await;
    site.settings(&json!({ "challenge_likely": true })).await;
    for (token, score) in
        [("a", Some(1)), ("b", Some(12)), ("c", Some(20)), ("d", Some(90)), ("e", None), ("f", Some(0))]
    {
        store_score(&site, token, score, json!({ "user_agent": "Mozilla/5.0" })).await;
    }
    let rule = json!({ "expression": "score < 15 OR verified_bot", "action": "block" });
    let answer = dry_run(&site, &rule).await;
    assert_eq!(answer.status, 200, "{:?}", answer.json);
    let mut report = answer.json;
    let samples = report.as_object_mut().unwrap().remove("samples").unwrap();
    assert_eq!(
        report,
        json!({
            "hours": 24, "sessions": 6, "touched": 2, "changed": 2,
            "outcomes": [
                { "verdict": "definite", "action": "allow", "would_be": "block", "sessions": 1 },
                { "verdict": "likely_automated", "action": "challenge", "would_be": "block", "sessions": 1 }
            ],
            "unknown_fields": [], "next": null
        })
    );
    assert_eq!(samples[1]["session_token"], "b");
    assert_eq!(
        (&samples[1]["verdict"], &samples[1]["score"], &samples[1]["action"], &samples[1]["would_be"]),
        (&json!("likely_automated"), &json!(12), &json!("challenge"), &json!("block"))
    );
    assert_eq!(samples[1]["last_event_at"], "2026-02-15T12:00:00Z");
    assert!(samples[1]["reason"].as_str().unwrap().contains("Tried rule"));
    // The verified bot is touched only when it is not allowed before rules.
    site.settings(&json!({ "allow_verified": false })).await;
    assert_eq!(dry_run(&site, &rule).await.json["touched"], 3);
}

#[tokio::test]
async fn it_changes_nothing() {
    let site = Site::start().await;
    store_score(&site, "a", Some(12), json!({})).await;
    dry_run(&site, &json!({ "expression": "score < 15", "action": "block" })).await;
    assert_eq!(site.verdict("a", "").await.json["action"], "allow");
    let rules = site.control("GET", &format!("/v1/projects/{}/rules", site.project), &Value::Null).await;
    assert_eq!(rules.json, json!([]));
    assert!(audit::list_blocks(&site.server.app, site.project, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn tried_rules_stand_among_those_of_the_project() {
    let site = Site::start().await;
    store_score(&site, "a", Some(12), json!({})).await;
    let rule = json!({ "name": "mine", "expression": "score < 15", "action": "challenge", "sort_order": 5 });
    site.control("POST", &format!("/v1/projects/{}/rules", site.project), &rule).await;
    for (sort_order, would_be) in [(4, "block"), (5, "challenge"), (6, "challenge")] {
        let tried = json!({ "rules": [
            { "expression": "score < 15", "action": "block", "sort_order": sort_order, "name": "theirs" },
            { "expression": "score < 2", "action": "allow" }
        ] });
        let report = dry_run(&site, &tried).await.json;
        assert_eq!(report["samples"][0]["would_be"], would_be, "{report}");
        assert_eq!(report["samples"][0]["action"], "challenge");
        assert_eq!((&report["touched"], &report["changed"]), (&json!(1), &json!(i32::from(sort_order < 5))));
    }
}

#[tokio::test]
async fn only_sessions_of_the_last_hours_are_looked_at() {
    let site = Site::start().await;
    for (token, hours) in [("now", 0), ("day", 24), ("more", 25), ("week", 7 * 24), ("month", 720)] {
        store_score_at(&site, site.project, token, Some(12), json!({}), START - hours * HOUR).await;
    }
    for (hours, sessions) in [(json!(1), 1), (json!(24), 2), (json!(25), 3), (json!(168), 4), (json!(719), 4)]
    {
        let body = json!({ "expression": "score < 15", "action": "log", "hours": hours });
        assert_eq!(dry_run(&site, &body).await.json["sessions"], sessions, "{hours}");
    }
}

#[tokio::test]
async fn path_and_country_are_unknown_unless_assumed() {
    let site = Site::start().await;
    store_score(&site, "a", Some(12), json!({})).await;
    let rule = json!({ "expression": "path == \"/checkout\" AND country == \"NL\"", "action": "block" });
    let report = dry_run(&site, &rule).await.json;
    assert_eq!((&report["touched"], &report["unknown_fields"]), (&json!(0), &json!(["path", "country"])));
    let mut assumed = rule.clone();
    assumed["path"] = json!("/checkout");
    assert_eq!(dry_run(&site, &assumed).await.json["unknown_fields"], json!(["country"]));
    assumed["country"] = json!("nl");
    let report = dry_run(&site, &assumed).await.json;
    assert_eq!((&report["touched"], &report["unknown_fields"]), (&json!(1), &json!([])));
}

#[tokio::test]
async fn long_lists_are_read_page_by_page() {
    let site = Site::start().await;
    for number in 0..600 {
        store_score(&site, &format!("t{number:03}"), Some(12), json!({})).await;
    }
    let mut body = json!({ "expression": "score < 15", "action": "block" });
    let whole = dry_run(&site, &body).await.json;
    assert_eq!(
        (&whole["sessions"], &whole["touched"], &whole["next"]),
        (&json!(600), &json!(600), &Value::Null)
    );
    assert_eq!(whole["samples"].as_array().unwrap().len(), 20);
    body["limit"] = json!(250);
    let mut counts = Vec::new();
    loop {
        let part = dry_run(&site, &body).await.json;
        counts.push(part["sessions"].as_i64().unwrap());
        if part["next"].is_null() {
            break;
        }
        body["after"] = part["next"].clone();
    }
    assert_eq!(counts, [250, 250, 100]);
}

#[tokio::test]
async fn sessions_of_other_projects_are_not_seen() {
    let site = Site::start().await;
    let other = site.other_tenant(true).await;
    store_score_at(&site, other.project, "theirs", Some(12), json!({}), START).await;
    store_score(&site, "ours", Some(12), json!({})).await;
    let body = json!({ "expression": "score < 15", "action": "block" });
    let report = dry_run(&site, &body).await.json;
    assert_eq!((&report["sessions"], &report["samples"][0]["session_token"]), (&json!(1), &json!("ours")));
    let after =
        json!({ "expression": "score < 15", "action": "block", "after": format!("../{}/a", other.project) });
    assert!(!dry_run(&site, &after).await.json.to_string().contains("theirs"));
    let foreign = format!("/-/projects/{}/rules/dry-run", other.project);
    assert_problem(&site.control("POST", &foreign, &body).await, 403, "FORBIDDEN");
    assert_problem(&site.control("POST", "/-/projects/999999/rules/dry-run", &body).await, 403, "FORBIDDEN");
    assert_problem(&site.control("POST", "/-/projects/abc/rules/dry-run", &body).await, 404, "NOT_FOUND");
}

#[tokio::test]
async fn wrong_requests_are_coded_problems() {
    let site = Site::start().await;
    let path = format!("/-/projects/{}/rules/dry-run", site.project);
    let rule = json!({ "expression": "score < 15", "action": "block" });
    for credential in ["", "Bearer nonsense", &format!("Bearer {PRIVATE_KEY}")] {
        let headers = [("authorization", credential), ("content-type", "application/json")];
        let answer = site.server.call("POST", &path, &headers, rule.to_string()).await;
        assert_problem(&answer, 401, "UNAUTHENTICATED");
    }
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("authorization", &*authorization), ("content-type", "text/plain")];
    let answer = site.server.call("POST", &path, &headers, rule.to_string()).await;
    assert_problem(&answer, 415, "UNSUPPORTED_MEDIA_TYPE");
    let headers = [("authorization", &*authorization), ("content-type", "application/json")];
    let answer = site.server.call("POST", &path, &headers, " ".repeat(65_537)).await;
    assert_problem(&answer, 413, "PAYLOAD_TOO_LARGE");
    let answer = site.server.call("GET", &path, &headers, Body::empty()).await;
    assert_problem(&answer, 405, "METHOD_NOT_ALLOWED");

    let with = |member: &str, value: Value| {
        let mut body = rule.clone();
        body[member] = value;
        body
    };
    for (body, path) in [
        (json!({}), "expression"),
        (json!({ "expression": "score < 5" }), "action"),
        (json!({ "expression": 5, "action": "log" }), "expression"),
        (with("rules", json!([rule])), "expression"),
        (json!({ "rules": [] }), "rules"),
        (json!({ "rules": {} }), "rules"),
        (json!({ "rules": vec![rule.clone(); 101] }), "rules"),
        (json!({ "rules": [rule, 5] }), "name"),
        (with("action", json!("refuse")), "action"),
        (with("hours", json!(0)), "hours"),
        (with("hours", json!(721)), "hours"),
        (with("hours", json!("24")), "hours"),
        (with("hours", json!(1.5)), "hours"),
        (with("hours", json!(null)), "hours"),
        (with("limit", json!(0)), "limit"),
        (with("limit", json!(50_001)), "limit"),
        (with("limit", json!(-1)), "limit"),
        (with("after", json!(5)), "after"),
        (with("path", json!(["/"])), "path"),
        (with("country", json!(31)), "country"),
    ] {
        let answer = dry_run(&site, &body).await;
        assert_problem(&answer, 422, "INVALID_PAYLOAD");
        assert_eq!(answer.json["details"]["path"], path, "{body}");
    }
    let wrong = json!({ "rules": [rule, { "expression": "NOT scorre", "action": "log" }] });
    let answer = dry_run(&site, &wrong).await;
    assert_problem(&answer, 422, "INVALID_PAYLOAD");
    assert_eq!(
        answer.json["details"],
        json!({ "path": "expression", "position": 4, "token": "scorre", "hint": "did you mean score?", "rule": 1 })
    );
    let app = &site.server.app;
    directory::change_account(app, site.account, |account| account.plan.custom_rules = false).await.unwrap();
    assert_problem(&dry_run(&site, &json!({})).await, 403, "FEATURE_NOT_AVAILABLE");
}
