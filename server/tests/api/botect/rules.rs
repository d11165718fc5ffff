//! Rules of a project's owner: the calls that make them, and what they do to verdicts.

use std::sync::Arc;

use axum::body::Body;
use futures::future::join_all;
use quivive_core::Timestamp;
use quivive_server::flows::scoring::record::StoredScore;
use quivive_server::flows::scoring::{audit, queue::SessionKey};
use quivive_server::storage::Record;
use quivive_server::storage::sqlite::Sqlite;
use quivive_server::tenant::directory;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::site::{CHROME, PRIVATE_KEY, SITE_KEY, Site, TOKEN, assert_error, fail_open, human_snapshot};
use crate::support::{Answer, START, Server};

/// The path of the project's rules.
fn path(site: &Site) -> String {
    format!("/v1/projects/{}/rules", site.project)
}

async fn create(site: &Site, rule: &Value) -> Answer {
    site.control("POST", &path(site), rule).await
}

/// Makes a rule that must be right; its id.
async fn made(site: &Site, expression: &str, action: &str, sort_order: i32) -> i64 {
    let name = format!("{action} {sort_order}");
    let rule = json!({ "name": name, "expression": expression, "action": action, "sort_order": sort_order });
    let answer = create(site, &rule).await;
    assert_eq!(answer.status, 201, "{:?}", answer.json);
    answer.json["id"].as_i64().unwrap()
}

async fn delete(site: &Site, rule: i64) -> Answer {
    site.control("DELETE", &format!("{}/{rule}", path(site)), &Value::Null).await
}

/// Stores a score as the worker would: 0 for a verified bot, `None` for nothing computed.
pub async fn store_score(site: &Site, token: &str, score: Option<u8>, facts: Value) {
    store_score_at(site, site.project, token, score, facts, START).await;
}

/// As [`store_score`], for a session whose last event was at this second.
pub async fn store_score_at(
    site: &Site,
    project: i64,
    token: &str,
    score: Option<u8>,
    facts: Value,
    last_event: i64,
) {
    let is_verified = score == Some(0);
    let verified = is_verified.then(|| json!({ "name": "Googlebot", "category": "Search" }));
    let days = i64::from(site.server.app.config.retention.sessions_days);
    let time = |seconds: i64| serde_json::to_value(Timestamp::from_seconds(seconds)).unwrap();
    let stored: StoredScore = serde_json::from_value(json!({
        "project_id": project,
        "token": token,
        "revision": 1,
        "scored_at": time(last_event),
        "engines": {
            "behavioral": { "score": score.filter(|_| !is_verified), "evidence": [] },
            "verified_bot": verified
        },
        "facts": facts,
        "expires_at": time(last_event + days * 86_400),
    }))
    .unwrap();
    site.server.app.storage.put(&stored).await.unwrap();
    site.server.app.scoring.verdicts.forget(&SessionKey { project_id: project, token: token.into() });
}

async fn action(site: &Site, token: &str, query: &str) -> String {
    let answer = site.verdict(token, query).await;
    assert_eq!(answer.status, 200);
    answer.json["action"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_rule_is_made_listed_and_deleted() {
    let site = Site::start().await;
    assert_eq!(site.control("GET", &path(&site), &Value::Null).await.json, json!([]));
    let expression = "score < 40 AND path == \"/checkout\"  AND NOT verified_bot";
    let full = create(
        &site,
        &json!({
            "name": "Guard checkout", "expression": expression, "action": "challenge", "sort_order": 5,
            "is_active": false, "more": 1
        }),
    )
    .await;
    assert_eq!(full.status, 201);
    let expected = json!({
        "id": 1, "project_id": site.project, "name": "Guard checkout", "expression_source": expression,
        "action": "challenge", "is_active": false, "sort_order": 5,
        "created_at": "2026-02-15T12:00:00Z", "updated_at": "2026-02-15T12:00:00Z"
    });
    assert_eq!(full.json, expected);
    assert_eq!(full.header("cache-control"), "no-store");

    let least = json!({ "name": "é".repeat(255), "expression": "verified_bot", "action": "allow" });
    let least = create(&site, &least).await;
    assert_eq!(
        (least.status.as_u16(), &least.json["is_active"], &least.json["sort_order"], &least.json["id"]),
        (201, &json!(true), &json!(0), &json!(2))
    );
    let listed = site.control("GET", &path(&site), &Value::Null).await;
    assert_eq!((listed.status.as_u16(), &listed.json), (200, &json!([least.json, expected])));

    let deleted = delete(&site, 1).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.is_empty()), (204, true));
    assert_error(&delete(&site, 1).await, 404, "NOT_FOUND");
    assert_eq!(site.control("GET", &path(&site), &Value::Null).await.json, json!([least.json]));
    // An id is not given out again.
    assert_eq!(made(&site, "verified_bot", "log", 0).await, 3);
}

#[tokio::test]
async fn rules_are_listed_by_sort_order_then_id() {
    let site = Site::start().await;
    for sort_order in [7, -3, 7, i32::MAX, 0, i32::MIN, 0, 7, 0, 7, 7] {
        made(&site, "verified_bot", "log", sort_order).await;
    }
    let listed = site.control("GET", &path(&site), &Value::Null).await.json;
    let ids: Vec<i64> = listed.as_array().unwrap().iter().map(|rule| rule["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [6, 2, 5, 7, 9, 1, 3, 8, 10, 11, 4]);
}

#[tokio::test]
async fn every_action_is_taken() {
    let site = Site::start().await;
    for action in ["block", "challenge", "allow", "log", "delay"] {
        made(&site, "score == 1", action, 0).await;
    }
}

#[tokio::test]
async fn a_wrong_rule_is_refused_and_nothing_is_made() {
    let site = Site::start().await;
    let good = json!({ "name": "Guard", "expression": "score < 5", "action": "block" });
    let with = |member: &str, value: Value| {
        let mut rule = good.clone();
        rule[member] = value;
        rule
    };
    let without = |member: &str| {
        let mut rule = good.clone();
        rule.as_object_mut().unwrap().remove(member);
        rule
    };
    for (rule, path) in [
        (without("name"), "name"),
        (with("name", json!("")), "name"),
        (with("name", json!("é".repeat(256))), "name"),
        (with("name", json!(5)), "name"),
        (with("name", json!(null)), "name"),
        (without("expression"), "expression"),
        (with("expression", json!(5)), "expression"),
        (with("expression", json!(null)), "expression"),
        (with("expression", json!("")), "expression"),
        (with("expression", json!("score <")), "expression"),
        (with("expression", json!("path < \"a\"")), "expression"),
        (with("expression", json!(format!("score < 5{}", " ".repeat(1_992)))), "expression"),
        (without("action"), "action"),
        (with("action", json!("refuse")), "action"),
        (with("action", json!("Block")), "action"),
        (with("action", json!(null)), "action"),
        (with("action", json!(["block"])), "action"),
        (with("is_active", json!("true")), "is_active"),
        (with("is_active", json!(1)), "is_active"),
        (with("is_active", json!(null)), "is_active"),
        (with("sort_order", json!("5")), "sort_order"),
        (with("sort_order", json!(5.5)), "sort_order"),
        (with("sort_order", json!(null)), "sort_order"),
        (with("sort_order", json!(2_147_483_648_i64)), "sort_order"),
        (with("sort_order", json!(-2_147_483_649_i64)), "sort_order"),
        (with("sort_order", json!(1e30)), "sort_order"),
    ] {
        let answer = create(&site, &rule).await;
        assert_error(&answer, 422, "INVALID_PAYLOAD");
        assert_eq!(answer.json["details"]["path"], path, "{rule}");
    }
    for body in ["", "[]", "null", "{", "\"text\""] {
        let headers = [("authorization", &*format!("Bearer {TOKEN}")), ("content-type", "application/json")];
        assert_error(&site.server.call("POST", &path(&site), &headers, body).await, 422, "INVALID_PAYLOAD");
    }
    assert_eq!(site.control("GET", &path(&site), &Value::Null).await.json, json!([]));
}

#[tokio::test]
async fn an_unknown_field_is_named_with_its_position() {
    let site = Site::start().await;
    let rule = json!({ "name": "a", "expression": "verified_bot AND scorre < 4", "action": "block" });
    let answer = create(&site, &rule).await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.json,
        json!({
            "error": "Invalid payload", "message": "Unknown field \"scorre\" in rule expression.",
            "code": "INVALID_PAYLOAD",
            "details":
                { "path": "expression", "position": 17, "token": "scorre", "hint": "did you mean score?" }
        })
    );
}

#[tokio::test]
async fn other_credentials_open_no_rules() {
    let site = Site::start().await;
    let rule = json!({ "name": "a", "expression": "verified_bot", "action": "log" }).to_string();
    for (method, path) in
        [("GET", path(&site)), ("POST", path(&site)), ("DELETE", format!("{}/1", path(&site)))]
    {
        for credential in
            ["", "Bearer nonsense", TOKEN, &format!("Bearer {PRIVATE_KEY}"), &format!("Bearer {SITE_KEY}")]
        {
            let headers = [("authorization", credential), ("content-type", "application/json")];
            let answer = site.server.call(method, &path, &headers, rule.clone()).await;
            assert_error(&answer, 401, "UNAUTHENTICATED");
        }
    }
}

#[tokio::test]
async fn only_the_owner_reaches_the_rules_of_a_project() {
    let site = Site::start().await;
    let other = site.other_tenant(true).await;
    let rule = made(&site, "verified_bot", "log", 0).await;
    let body = json!({ "name": "a", "expression": "scorre", "action": "log" });
    for (project, status, code) in [
        (other.project.to_string(), 403, "FORBIDDEN"),
        ("999999".to_owned(), 403, "FORBIDDEN"),
        ("abc".to_owned(), 404, "NOT_FOUND"),
        ("99999999999999999999".to_owned(), 404, "NOT_FOUND"),
    ] {
        let base = format!("/v1/projects/{project}/rules");
        assert_error(&site.control("GET", &base, &Value::Null).await, status, code);
        assert_error(&site.control("POST", &base, &body).await, status, code);
        let one = format!("{base}/{rule}");
        assert_error(&site.control("DELETE", &one, &Value::Null).await, status, code);
    }
    // The rule of another project, a missing one and none at all look the same.
    let headers = [("authorization", &*format!("Bearer {}", other.token))];
    for name in [rule.to_string(), "999999".to_owned(), "abc".to_owned(), "99999999999999999999".to_owned()] {
        let path = format!("/v1/projects/{}/rules/{name}", other.project);
        let answer = site.server.call("DELETE", &path, &headers, Body::empty()).await;
        assert_error(&answer, 404, "NOT_FOUND");
    }
    assert_eq!(delete(&site, rule).await.status, 204, "the rule is still there");
}

#[tokio::test]
async fn there_is_no_call_that_changes_a_rule() {
    let site = Site::start().await;
    let rule = made(&site, "verified_bot", "log", 0).await;
    let one = format!("{}/{rule}", path(&site));
    for method in ["PUT", "PATCH", "GET", "POST"] {
        let answer = site.control(method, &one, &json!({})).await;
        assert_error(&answer, 405, "METHOD_NOT_ALLOWED");
        assert_eq!(answer.header("allow"), "DELETE");
    }
    for method in ["PUT", "PATCH", "DELETE"] {
        let answer = site.control(method, &path(&site), &json!({})).await;
        assert_error(&answer, 405, "METHOD_NOT_ALLOWED");
        assert_eq!(answer.header("allow"), "GET,HEAD,POST");
    }
}

#[tokio::test]
async fn the_body_is_json_of_at_most_64_kib() {
    let site = Site::start().await;
    let rule = json!({ "name": "a", "expression": "verified_bot", "action": "log" }).to_string();
    let authorization = format!("Bearer {TOKEN}");
    for media in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let headers = [("authorization", &*authorization), ("content-type", media)];
        let answer = site.server.call("POST", &path(&site), &headers, rule.clone()).await;
        assert_error(&answer, 415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let headers = [("authorization", &*authorization), ("content-type", "application/json; charset=utf-8")];
    let padded = |length: usize| format!("{rule}{}", " ".repeat(length - rule.len()));
    let answer = site.server.call("POST", &path(&site), &headers, padded(65_537)).await;
    assert_error(&answer, 413, "PAYLOAD_TOO_LARGE");
    assert_eq!(site.server.call("POST", &path(&site), &headers, padded(65_536)).await.status, 201);
}

#[tokio::test]
async fn a_plan_without_custom_rules_makes_none() {
    let site = Site::start().await;
    let rule = made(&site, "verified_bot", "log", 0).await;
    let app = &site.server.app;
    directory::change_account(app, site.account, |account| account.plan.custom_rules = false).await.unwrap();
    // Before the body is looked at.
    for body in [json!({ "name": "a", "expression": "verified_bot", "action": "log" }), json!({})] {
        assert_error(&create(&site, &body).await, 403, "FEATURE_NOT_AVAILABLE");
    }
    assert_eq!(site.control("GET", &path(&site), &Value::Null).await.json.as_array().unwrap().len(), 1);
    assert_eq!(delete(&site, rule).await.status, 204);
}

#[tokio::test]
async fn rules_need_no_subscription() {
    let site = Site::start().await;
    let other = site.other_tenant(false).await;
    let headers =
        [("authorization", &*format!("Bearer {}", other.token)), ("content-type", "application/json")];
    let path = format!("/v1/projects/{}/rules", other.project);
    let rule = json!({ "name": "a", "expression": "verified_bot", "action": "log" }).to_string();
    assert_eq!(site.server.call("POST", &path, &headers, rule).await.status, 201);
    assert_eq!(site.server.call("GET", &path, &headers, Body::empty()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_hundred_and_first_rule_is_refused_also_among_simultaneous_ones() {
    let site = Site::start().await;
    for number in 0..92 {
        made(&site, "verified_bot", "log", number).await;
    }
    let rule = json!({ "name": "a", "expression": "verified_bot", "action": "log" });
    let answers = join_all((0..20).map(|_| create(&site, &rule))).await;
    let statuses = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((statuses(201), statuses(422)), (8, 12));
    let listed = site.control("GET", &path(&site), &Value::Null).await.json;
    let mut ids: Vec<i64> =
        listed.as_array().unwrap().iter().map(|rule| rule["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 100);
    let refused = create(&site, &rule).await;
    assert_error(&refused, 422, "INVALID_PAYLOAD");
    assert_eq!(refused.json["message"], "A project has at most 100 rules.");
    delete(&site, ids[50]).await;
    assert_eq!(create(&site, &rule).await.status, 201);
}

#[tokio::test]
async fn the_table_of_the_order_of_resolution_holds() {
    let toggles = |names: &[&str]| -> Value { names.iter().map(|name| (*name, true)).collect() };
    for (case, score, settings, rules, query, expected, reason) in [
        ("1, defaults", Some(1), json!({}), vec![], "", ("definite", "allow", 1), ""),
        ("1, block", Some(1), toggles(&["block_definite"]), vec![], "", ("definite", "block", 1), ""),
        (
            "20, challenge",
            Some(20),
            toggles(&["challenge_likely"]),
            vec![],
            "",
            ("likely_automated", "challenge", 20),
            "",
        ),
        (
            "verified is allowed before rules",
            Some(0),
            toggles(&["allow_verified", "block_definite"]),
            vec![("score < 30", "block", 0)],
            "",
            ("verified", "allow", 0),
            "",
        ),
        (
            "verified goes through rules when not allowed at once",
            Some(0),
            json!({ "allow_verified": false }),
            vec![("verified_bot", "block", 0)],
            "",
            ("verified", "block", 0),
            "block 0",
        ),
        (
            "log goes on to block",
            Some(20),
            json!({}),
            vec![("score < 30", "log", 10), ("score < 25", "block", 20)],
            "",
            ("likely_automated", "block", 20),
            "block 20",
        ),
        (
            "a toggle wins over log",
            Some(20),
            toggles(&["challenge_likely"]),
            vec![("score < 30", "log", 0)],
            "",
            ("likely_automated", "challenge", 20),
            "",
        ),
        (
            "allow exempts from toggles",
            Some(20),
            toggles(&["challenge_likely"]),
            vec![("path == \"/health\"", "allow", 0)],
            "?path=/health",
            ("likely_automated", "allow", 20),
            "allow 0",
        ),
        (
            "delay",
            Some(20),
            json!({}),
            vec![("score < 30", "delay", 0)],
            "",
            ("likely_automated", "delay", 20),
            "delay 0",
        ),
        (
            "static files are left alone",
            Some(1),
            json!({ "block_definite": true, "protect_static": false }),
            vec![],
            "?path=/app.js",
            ("definite", "allow", 1),
            "Static resource",
        ),
        (
            "rules come before static files",
            Some(1),
            json!({ "protect_static": false }),
            vec![("static_resource", "block", 0)],
            "?path=/app.js",
            ("definite", "block", 1),
            "block 0",
        ),
        (
            "no score",
            None,
            json!({}),
            vec![("score < 30", "block", 0), ("NOT verified_bot", "block", 1)],
            "",
            ("not_computed", "allow", 0),
            "",
        ),
        (
            "of two other matches the first is remembered",
            Some(80),
            json!({}),
            vec![("score > 5", "delay", 2), ("score > 6", "log", 1), ("score > 7", "allow", 3)],
            "",
            ("likely_human", "log", 80),
            "log 1",
        ),
        (
            "definite is not likely",
            Some(1),
            toggles(&["challenge_likely"]),
            vec![],
            "",
            ("definite", "allow", 1),
            "",
        ),
    ] {
        let site = Site::start().await;
        assert_eq!(site.settings(&settings).await.status, 200);
        for (expression, action, sort_order) in rules {
            made(&site, expression, action, sort_order).await;
        }
        store_score(&site, "sess_1", score, json!({})).await;
        let verdict = site.verdict("sess_1", query).await.json;
        let (band, action, number) = expected;
        assert_eq!(
            (&verdict["verdict"], &verdict["action"], &verdict["score"]),
            (&json!(band), &json!(action), &json!(number)),
            "{case}"
        );
        assert!(verdict["reason"].as_str().unwrap().contains(reason), "{case}: {verdict}");
        if score.is_none() {
            assert_eq!(verdict, fail_open());
        }
    }
}

#[tokio::test]
async fn a_rule_takes_effect_on_the_next_read_and_ends_with_its_deletion() {
    let site = Site::start().await;
    store_score(&site, "sess_1", Some(20), json!({})).await;
    for query in ["", "?path=/a"] {
        assert_eq!(action(&site, "sess_1", query).await, "allow");
    }
    let inactive =
        json!({ "name": "off", "expression": "score < 30", "action": "block", "is_active": false });
    assert_eq!(create(&site, &inactive).await.status, 201);
    assert_eq!(action(&site, "sess_1", "").await, "allow", "an inactive rule does nothing");
    for _ in 0..3 {
        let rule = made(&site, "score < 30", "block", 0).await;
        for query in ["", "?path=/a"] {
            assert_eq!(action(&site, "sess_1", query).await, "block");
        }
        assert_eq!(delete(&site, rule).await.status, 204);
        for query in ["", "?path=/a"] {
            assert_eq!(action(&site, "sess_1", query).await, "allow");
        }
    }
}

#[tokio::test]
async fn the_request_goes_before_the_session_in_rules() {
    let site = Site::start().await;
    let facts = json!({
        "mouse_entropy": 0.18, "scroll_velocity": 400.0, "visibility_changes": 2, "first_input_delay_ms": 6,
        "ip": "203.0.113.9", "user_agent": "Mozilla/5.0 of the session", "logged_in": true
    });
    store_score(&site, "sess_1", Some(20), facts).await;
    store_score(&site, "sess_2", Some(20), json!({})).await;
    for (expression, of_session, query, of_query, of_nothing) in [
        ("ua == \"Mozilla/5.0 of the session\"", true, "?ua=curl", false, false),
        ("ua == \"curl\"", false, "?ua=curl", true, false),
        ("ip == \"203.0.113.0/24\"", true, "?ip=198.51.100.1", false, false),
        ("ip == \"198.51.100.0/24\"", false, "?ip=::ffff:198.51.100.1", true, false),
        ("ip == null", false, "?ip=198.51.100.1", false, true),
        ("country in [\"NL\", \"BE\"]", false, "?country=nl", true, false),
        ("country == null", true, "?country=nl", false, true),
        ("path == \"/orders/{order}\"", false, "?path=/orders/%7Border%7D", true, false),
        ("path == null", true, "?path=/a", false, true),
        ("static_resource", false, "?path=/app.js", true, false),
        ("logged_in", true, "?logged_in=0", false, false),
        ("NOT logged_in", false, "?logged_in=0", true, true),
        ("logged_in == true", true, "?logged_in=true", true, false),
        ("behavioral.mouse_entropy < 0.2", true, "?path=/a", true, false),
        ("behavioral.scroll_velocity == 400", true, "?path=/a", true, false),
        ("behavioral.visibility_changes >= 2", true, "?path=/a", true, false),
        ("behavioral.first_input_delay_ms == null", false, "?path=/a", false, true),
        ("js_detection.passed == null", true, "?path=/a", true, true),
        ("band == \"likely_automated\"", true, "?path=/a", true, true),
        ("detection_ids in [1]", false, "?path=/a", false, false),
        ("verified_bot OR verified_bot_category == \"Search\"", false, "?path=/a", false, false),
    ] {
        let rule = made(&site, expression, "block", 0).await;
        for (token, query, expected) in
            [("sess_1", "", of_session), ("sess_1", query, of_query), ("sess_2", "", of_nothing)]
        {
            let expected = if expected { "block" } else { "allow" };
            assert_eq!(action(&site, token, query).await, expected, "{expression} on {token}{query}");
        }
        delete(&site, rule).await;
    }
}

#[tokio::test]
async fn rules_see_what_the_browser_sent() {
    let site = Site::start().await;
    let snapshot = json!({
        "mouse_moves": 40, "mouse_entropy": 0.0, "visibility_changes": 3, "first_input_delay_ms": 5
    });
    let token = site.session(&[("snapshot", snapshot), ("js_probe", json!({ "webdriver": true }))]).await;
    let before = site.scored(&token).await;
    assert_eq!(before["action"], "allow");
    for expression in [
        "behavioral.mouse_entropy == 0 AND behavioral.visibility_changes == 3",
        "behavioral.first_input_delay_ms == 5 AND behavioral.scroll_velocity == null",
        "js_detection.passed == false AND NOT js_detection.passed",
        "detection_ids in [50331649]",
        "ip in [\"127.0.0.0/8\"]",
        &format!("ua == \"{CHROME}\""),
        "NOT logged_in AND country == null",
    ] {
        let rule = made(&site, expression, "block", 0).await;
        assert_eq!(action(&site, &token, "").await, "block", "{expression}");
        delete(&site, rule).await;
    }
}

#[tokio::test]
async fn a_login_is_seen_by_rules_on_the_next_read() {
    let site = Site::start().await;
    let token = site.session(&[("snapshot", human_snapshot())]).await;
    site.scored(&token).await;
    made(&site, "logged_in", "block", 0).await;
    assert_eq!(action(&site, &token, "").await, "allow");
    let headers = [("authorization", &*format!("Bearer {PRIVATE_KEY}"))];
    let path = format!("/v1/sessions/{token}/logged-in");
    assert_eq!(site.server.call("POST", &path, &headers, Body::empty()).await.status, 200);
    assert_eq!(action(&site, &token, "").await, "block");
    assert_eq!(action(&site, &token, "?logged_in=0").await, "allow", "the request goes before the session");
}

#[tokio::test]
async fn a_block_by_a_rule_is_recorded_with_the_rule() {
    let site = Site::start().await;
    store_score(&site, "sess_1", Some(20), json!({})).await;
    made(&site, "score < 30", "log", 1).await;
    let rule = made(&site, "score < 25", "block", 2).await;
    for _ in 0..3 {
        assert_eq!(action(&site, "sess_1", "?path=/a").await, "block");
    }
    let mut blocks = Vec::new();
    for _ in 0..1_000 {
        blocks = audit::list_blocks(&site.server.app, site.project, 10).await.unwrap();
        if !blocks.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(blocks.len(), 1, "{blocks:?}");
    let block: Value = serde_json::from_str(&blocks[0]).unwrap();
    assert_eq!(
        (&block["rule_id"], &block["path"], &block["score"], &block["session_token"]),
        (&json!(rule), &json!("/a"), &json!(20), &json!("sess_1"))
    );
    assert!(block["reason"].as_str().unwrap().contains("block 2"));
}

#[tokio::test]
async fn rules_of_one_project_do_not_touch_another() {
    let site = Site::start().await;
    let other = site.other_tenant(true).await;
    store_score(&site, "sess_1", Some(20), json!({})).await;
    let headers =
        [("authorization", &*format!("Bearer {}", other.token)), ("content-type", "application/json")];
    let rule = json!({ "name": "a", "expression": "score < 30", "action": "block" }).to_string();
    let path = format!("/v1/projects/{}/rules", other.project);
    assert_eq!(site.server.call("POST", &path, &headers, rule).await.status, 201);
    assert_eq!(action(&site, "sess_1", "").await, "allow");
}

/// A stored rule that is damaged.
#[derive(Deserialize, Serialize)]
struct Damaged {
    id: i64,
    project_id: i64,
}

impl Record for Damaged {
    const KIND: &'static str = "rule";
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn parent(&self) -> String {
        self.project_id.to_string()
    }
}

#[tokio::test]
async fn a_damaged_rule_makes_verdicts_fail_open_until_it_is_deleted() {
    let site = Site::start().await;
    store_score(&site, "sess_1", Some(20), json!({})).await;
    let rule = made(&site, "score < 30", "block", 0).await;
    assert_eq!(action(&site, "sess_1", "").await, "block");
    let damaged = Damaged { id: 4_711, project_id: site.project };
    site.server.app.storage.put(&damaged).await.unwrap();
    assert_eq!(delete(&site, rule).await.status, 204);
    let answer = site.verdict("sess_1", "").await;
    assert_eq!((answer.status.as_u16(), &answer.json), (200, &fail_open()));
    assert_error(&site.control("GET", &path(&site), &Value::Null).await, 500, "INTERNAL_ERROR");
    // Nothing of the fault is remembered.
    assert_eq!(delete(&site, damaged.id).await.status, 204);
    assert_eq!(site.verdict("sess_1", "").await.json["score"], 20);
}

#[tokio::test]
async fn a_score_from_before_rules_is_still_read() {
    let site = Site::start().await;
    store_score(&site, "sess_1", Some(20), json!({})).await;
    let id = format!("{}/sess_1", site.project);
    let stored = site.server.app.storage.get::<StoredScore>(&id).await.unwrap().unwrap().value;
    let mut old = serde_json::to_value(&stored).unwrap();
    for member in ["facts", "scored_at"] {
        assert!(old.as_object_mut().unwrap().remove(member).is_some());
    }
    assert!(serde_json::from_value::<StoredScore>(old).is_ok());
}

#[tokio::test]
async fn rules_outlive_the_process() {
    let database = Arc::new(Sqlite::in_memory().unwrap());
    let patient = |config: &mut quivive_server::config::Config| config.botect.verdict_budget_ms = 10_000;
    let site = Site::without_worker(Server::on(database.clone(), patient).await).await;
    store_score(&site, "sess_1", Some(20), json!({})).await;
    made(&site, "score < 30 AND path == \"/a\"", "block", 0).await;
    let next =
        Site { server: Server::on(database, patient).await, account: site.account, project: site.project };
    assert_eq!(action(&next, "sess_1", "?path=/a").await, "block");
    assert_eq!(action(&next, "sess_1", "").await, "allow");
}
