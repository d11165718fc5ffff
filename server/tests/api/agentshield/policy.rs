//! Policies: both notations, trying, enforcing, and every refusal.

use quivive_server::flows::detection::{self, policy};
use quivive_server::jobs;
use quivive_server::storage::EventQuery;
use quivive_server::tenant::detection_key::{NewKey, Scope};
use quivive_server::tenant::directory::{self, NewAccount, NewProject};
use quivive_server::tenant::{Plan, erasure};
use serde_json::{Value, json};

use super::site::{KEY, Site, assert_error, assert_limits};
use super::vectors::{CHROME, browser_headers};
use crate::support::Answer;

const GPTBOT: &str = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)";

struct Owner {
    site: Site,
    key: String,
    path: String,
}

impl Owner {
    async fn start() -> Self {
        let site = Site::start().await;
        let scopes = Some(vec![Scope::Detect, Scope::Read, Scope::Write]);
        let key = site.key(NewKey { project_id: site.project, scopes, ..NewKey::default() }).await;
        let project = directory::project(&site.server.app, site.project).await.unwrap();
        let path = format!("/api/v1/projects/{}/policy", project.public_id);
        Self { site, key, path }
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.site.server.call(method, path, &[("x-agentshield-key", &self.key)], body.to_string()).await
    }

    async fn put(&self, policy: &Value) -> Answer {
        self.call("PUT", &self.path, policy).await
    }

    async fn enforce(&self) {
        let change = |project: &mut quivive_server::tenant::Project| project.detection.is_blocking = true;
        directory::change_project(&self.site.server.app, self.site.project, change).await.unwrap();
    }

    async fn policy_of(&self, body: &Value) -> Value {
        let answer = self.site.detect_at("/api/v1/detect?include=policy", body).await;
        assert_eq!(answer.status, 200);
        answer.json["extended"]["policy"].clone()
    }
}

#[tokio::test]
async fn a_project_without_a_policy_lets_everything_pass() {
    let owner = Owner::start().await;
    owner.enforce().await;
    let answer = owner.call("GET", &owner.path, &json!({})).await;
    assert_eq!(answer.status, 200);
    assert_limits(&answer);
    assert_eq!((&answer.json["enabled"], &answer.json["updatedAt"]), (&json!(false), &Value::Null));
    assert_eq!(answer.json["thresholds"]["confidenceThreshold"], 80);
    let policy = owner.policy_of(&json!({ "userAgent": GPTBOT })).await;
    assert_eq!(
        policy,
        json!({ "action": "allow", "reason": "default", "matchType": "default", "ruleId": null })
    );
}

#[tokio::test]
async fn the_compact_notation_is_put_and_read_back_in_full() {
    let owner = Owner::start().await;
    let compact = json!({
        "defaultAction": "allow", "blockThreshold": 80, "allowList": ["Googlebot", "Bingbot"],
        "denyList": ["scraper-ua"],
        "pathRules": [{ "pattern": "/api/*", "action": "block", "minConfidence": 70 },
            { "pattern": "/public/*", "action": "log" }]
    });
    let put = owner.put(&compact).await;
    assert_eq!(put.status, 200, "{:?}", put.json);
    let read = owner.call("GET", &owner.path, &json!({})).await;
    assert_eq!(read.json, put.json);
    assert_eq!(read.json["enabled"], true);
    assert_eq!(read.json["thresholds"]["confidenceThreshold"], 80);
    assert_eq!(read.json["allowList"][0], json!({ "clientName": "Googlebot" }));
    assert_eq!(read.json["pathRules"][0]["minConfidence"], 70);
    assert_eq!(read.json["updatedAt"], "2026-02-15T12:00:00Z");
    // What was read can be put again.
    let again = owner.put(&read.json).await;
    assert_eq!((again.status.as_u16(), &again.json), (200, &read.json));
}

#[tokio::test]
async fn who_has_the_policy_is_told_so_until_it_changes() {
    let owner = Owner::start().await;
    let ask = async |key: &str, known: &[&str]| {
        let known = known.iter().map(|known| ("if-none-match", *known));
        let headers: Vec<_> = known.chain([("x-agentshield-key", key)]).collect();
        owner.site.server.call("GET", &owner.path, &headers, "").await
    };
    let unset = ask(&owner.key, &[]).await;
    let tag = unset.header("etag").to_owned();
    assert!(tag.starts_with('"'), "a strong tag: {tag}");
    assert_eq!(unset.header("cache-control"), "private, no-cache");
    for known in [&*tag, &format!("W/{tag}"), &format!("\"a\", {tag}"), "*"] {
        let again = ask(&owner.key, &[known]).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{known}");
        assert_eq!((again.header("etag"), again.header("cache-control")), (&*tag, "private, no-cache"));
        assert_limits(&again);
    }
    assert_eq!(ask(&owner.key, &["\"a\"", &tag]).await.status, 304, "in whichever line");
    assert_eq!(ask(&owner.key, &["\"a\""]).await.status, 200);
    // Two in one second: `updatedAt` alone would not tell them apart.
    owner.put(&json!({ "blockThreshold": 80 })).await;
    let first = ask(&owner.key, &[&tag]).await;
    owner.put(&json!({ "blockThreshold": 81 })).await;
    let second = ask(&owner.key, &[first.header("etag")]).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200));
    assert_eq!(first.json["updatedAt"], second.json["updatedAt"]);
    assert_eq!(second.json["thresholds"]["confidenceThreshold"], 81);
    // A tag is no credential.
    for known in ["*", second.header("etag")] {
        assert_error(&ask("as_live_unknown", &[known]).await, 401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn the_next_request_follows_a_new_policy_and_nothing_is_enforced_unasked() {
    let owner = Owner::start().await;
    let bot = json!({ "userAgent": GPTBOT, "url": "https://example.org/checkout?x=1" });
    assert_eq!(owner.policy_of(&bot).await["action"], "allow");
    owner.put(&json!({ "blockThreshold": 80 })).await;
    let noted = json!({ "action": "log", "reason": "confidence", "matchType": "threshold", "ruleId": null });
    assert_eq!(owner.policy_of(&bot).await, noted, "blocking is off");
    owner.enforce().await;
    assert_eq!(owner.policy_of(&bot).await["action"], "block");
    let rule = json!({
        "rules": [{ "id": "r1", "name": "no unsigned agents at checkout", "priority": 10, "action": "challenge",
            "message": "identify yourself", "conditions": [
                { "field": "path", "operator": "startsWith", "value": "/checkout" },
                { "field": "signatureVerified", "operator": "equals", "value": false },
                { "field": "userAgent", "operator": "matches", "value": "GPTBot/\\d" }] }]
    });
    owner.put(&rule).await;
    let expected = json!({
        "action": "challenge", "reason": "rule", "matchType": "rule", "ruleId": "r1",
        "ruleName": "no unsigned agents at checkout", "message": "identify yourself"
    });
    assert_eq!(owner.policy_of(&bot).await, expected);
    let elsewhere = json!({ "userAgent": GPTBOT, "url": "https://example.org/checkouts/../other" });
    assert_eq!(owner.policy_of(&elsewhere).await["matchType"], "threshold");
    owner.put(&json!({ "enabled": false })).await;
    assert_eq!(owner.policy_of(&bot).await["matchType"], "excluded");
}

#[tokio::test]
async fn an_allow_list_never_admits_a_false_name_and_a_deny_list_takes_the_claim() {
    let owner = Owner::start().await;
    owner.enforce().await;
    owner.put(&json!({ "allowList": ["GPTBot"], "defaultAction": "log", "blockThreshold": 50 })).await;
    let claimed = json!({ "userAgent": GPTBOT });
    assert_eq!(owner.policy_of(&claimed).await["matchType"], "allow-list");
    let feeds = [("openai-gptbot".to_owned(), vec!["20.42.10.176/28".to_owned()])].into();
    let table =
        quivive_core::agent::RangeTable { date: "2026-02-15".to_owned(), source: String::new(), feeds };
    let app = &owner.site.server.app;
    quivive_server::flows::scoring::verified::ranges::import(app, table).await.unwrap();
    quivive_server::flows::scoring::verified::ranges::load(app).await.unwrap();
    let spoofed = json!({ "userAgent": GPTBOT, "ip": "203.0.113.7" });
    let policy = owner.policy_of(&spoofed).await;
    assert_eq!((&policy["action"], &policy["matchType"]), (&json!("block"), &json!("threshold")));
    let verified = json!({ "userAgent": GPTBOT, "ip": "20.42.10.177" });
    assert_eq!(owner.policy_of(&verified).await["matchType"], "allow-list");
    owner.put(&json!({ "denyList": ["GPTBot"], "defaultAction": "log" })).await;
    assert_eq!(owner.policy_of(&spoofed).await["matchType"], "deny-list");
}

#[tokio::test]
async fn request_rates_and_traps_of_the_policy_count() {
    let owner = Owner::start().await;
    owner.enforce().await;
    let rule = json!({
        "honeypotPaths": ["/hidden"],
        "rules": [{ "id": "fast", "action": "challenge", "conditions": [
            { "field": "requestRate300s", "operator": "greaterThan", "value": 3 }] }]
    });
    assert_eq!(owner.put(&rule).await.json["honeypotPaths"], json!(["/hidden"]));
    let body = json!({
        "userAgent": CHROME, "headers": browser_headers(), "url": "https://example.org/", "ip": "203.0.113.7"
    });
    for _ in 0..3 {
        assert_eq!(owner.policy_of(&body).await["matchType"], "default");
        owner.site.server.advance(2_000);
    }
    assert_eq!(owner.policy_of(&body).await["ruleId"], "fast");
    let trap = json!({
        "userAgent": CHROME, "headers": browser_headers(), "url": "https://example.org/hidden", "ip": "203.0.113.9"
    });
    assert_eq!(owner.site.detect(&trap).await.json["confidence"], 0.9);
}

#[tokio::test]
async fn what_the_policy_did_is_recorded() {
    let owner = Owner::start().await;
    jobs::start(&owner.site.server.app);
    owner.enforce().await;
    owner.put(&json!({ "blockThreshold": 80 })).await;
    owner.site.detect(&json!({ "userAgent": GPTBOT })).await;
    let query = || EventQuery {
        kind: detection::STREAM.to_owned(),
        project: owner.site.project.to_string(),
        limit: 10,
        ..EventQuery::default()
    };
    for _ in 0..1_000 {
        let events = owner.site.server.app.storage.events().scan(query()).await.unwrap();
        if let [event] = events.as_slice() {
            let row: Value = serde_json::from_str(&event.body).unwrap();
            assert_eq!(row["policyAction"], "block");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("the detection was not recorded");
}

#[tokio::test]
async fn the_policy_of_a_deleted_project_is_erased() {
    let owner = Owner::start().await;
    let app = &owner.site.server.app;
    owner.put(&json!({ "blockThreshold": 80 })).await;
    assert!(policy::stored(app, owner.site.project).await.unwrap().is_some());
    let project = owner.path.trim_end_matches("/policy");
    assert_eq!(owner.call("DELETE", project, &json!({})).await.status, 204);
    erasure::erase_deleted(app).await.unwrap();
    assert_eq!(policy::stored(app, owner.site.project).await.unwrap(), None);
}

#[tokio::test]
async fn a_policy_is_tried_without_being_put() {
    let owner = Owner::start().await;
    let path = format!("{}/test", owner.path);
    let example = json!({ "userAgent": GPTBOT, "url": "/shop/cart" });
    let answer = owner.call("POST", &path, &example).await;
    assert_eq!(answer.status, 200, "{:?}", answer.json);
    assert_eq!(
        (&answer.json["decision"]["action"], &answer.json["enforcedAction"]),
        (&json!("allow"), &json!("allow"))
    );
    assert_eq!(answer.json["detection"]["botType"], "crawler");
    let trial = json!({
        "userAgent": GPTBOT, "url": "/shop/cart",
        "policy": { "pathRules": [{ "pattern": "/shop/", "action": "block" }] }
    });
    let answer = owner.call("POST", &path, &trial).await.json;
    assert_eq!(answer["decision"]["action"], "block");
    assert_eq!(answer["decision"]["ruleName"], "/shop/");
    assert_eq!(answer["enforcedAction"], "log");
    assert_eq!(owner.policy_of(&example).await["reason"], "default", "nothing was put");
    // Nor is anything counted.
    for _ in 0..9 {
        let body = json!({ "userAgent": CHROME, "headers": browser_headers(), "url": "https://example.org/", "ip": "203.0.113.7" });
        assert_eq!(owner.call("POST", &path, &body).await.json["detection"]["isBot"], false);
    }
}

#[tokio::test]
async fn faults_are_named() {
    let owner = Owner::start().await;
    let details = |answer: &Answer| {
        assert_error(answer, 400, "INVALID_REQUEST");
        answer.json["error"]["details"].clone()
    };
    for (policy, field, reason) in [
        (json!([]), "body", "type"),
        (json!({ "blockThreshold": 101 }), "blockThreshold", "out_of_range"),
        (json!({ "denyList": [{ "reason": "?" }] }), "denyList[0]", "format"),
        (json!({ "rules": [{ "id": "r" }] }), "rules[0].action", "required"),
        (json!({ "honeypotPaths": "x" }), "honeypotPaths", "type"),
        (json!({ "honeypotPaths": ["/x", ""] }), "honeypotPaths[1]", "format"),
        (json!({ "honeypotPaths": vec!["/x"; 101] }), "honeypotPaths", "too_many"),
    ] {
        let found = details(&owner.put(&policy).await);
        assert_eq!((&found["field"], &found["reason"]), (&json!(field), &json!(reason)), "{policy}");
    }
    let several = details(&owner.put(&json!({ "enabled": 1, "version": 2 })).await);
    assert_eq!(several["errors"].as_array().unwrap().len(), 2);
    let broken = owner.site.server.call("PUT", &owner.path, &[("x-agentshield-key", &owner.key)], "{").await;
    assert_eq!(details(&broken)["reason"], "body_not_json");
    let path = format!("{}/test", owner.path);
    let none = details(&owner.call("POST", &path, &json!({})).await);
    assert_eq!((&none["field"], &none["reason"]), (&json!("userAgent"), &json!("required")));
    let bad = json!({ "userAgent": "x", "policy": { "defaultAction": "explode" } });
    assert_eq!(details(&owner.call("POST", &path, &bad).await)["field"], "policy.defaultAction");
    let answer = owner.call("GET", &owner.path, &json!({})).await;
    assert_eq!(answer.json["updatedAt"], Value::Null, "nothing of it was put");
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let owner = Owner::start().await;
    let large = json!({ "version": "x".repeat(262_144) });
    for (method, path) in [("PUT", owner.path.clone()), ("POST", format!("{}/test", owner.path))] {
        let answer = owner.call(method, &path, &large).await;
        assert_error(&answer, 413, "INVALID_REQUEST");
        assert_eq!(answer.json["error"]["details"]["max"], 262_144);
    }
}

#[tokio::test]
async fn keys_scopes_and_projects_are_checked() {
    let owner = Owner::start().await;
    let site = &owner.site;
    let app = &site.server.app;
    let second = NewProject { account_id: site.account, name: "Blog".to_owned(), ..NewProject::default() };
    let second = directory::create_project(app, second).await.unwrap();
    let account = NewAccount {
        name: "Other".to_owned(),
        plan: Plan::named("enterprise").unwrap(),
        ..NewAccount::default()
    };
    let account = directory::create_account(app, account).await.unwrap().id;
    let foreign = NewProject { account_id: account, name: "Theirs".to_owned(), ..NewProject::default() };
    let foreign = directory::create_project(app, foreign).await.unwrap();
    let narrow = NewKey {
        project_id: site.project,
        projects: Some(vec![site.project]),
        scopes: Some(vec![Scope::Read, Scope::Write]),
        ..NewKey::default()
    };
    let narrow = site.key(narrow).await;
    let detect_only = site
        .key(NewKey { project_id: site.project, scopes: Some(vec![Scope::Detect]), ..NewKey::default() })
        .await;
    let at = |id: &str| format!("/api/v1/projects/{id}/policy");
    for (method, suffix) in [("GET", ""), ("PUT", ""), ("POST", "/test")] {
        let call = async |key: Option<&str>, path: String| {
            let headers: Vec<(&str, &str)> = key.map(|key| ("x-agentshield-key", key)).into_iter().collect();
            site.server.call(method, &format!("{path}{suffix}"), &headers, r#"{"userAgent":"x"}"#).await
        };
        assert_error(&call(None, owner.path.clone()).await, 401, "UNAUTHORIZED");
        assert_error(&call(Some("as_live_unknown"), owner.path.clone()).await, 401, "UNAUTHORIZED");
        assert_error(&call(Some(&detect_only), owner.path.clone()).await, 403, "FORBIDDEN");
        assert_error(&call(Some(&narrow), at(&second.public_id)).await, 403, "FORBIDDEN");
        for path in [at(&foreign.public_id), at("proj_none"), at("..%2f")] {
            assert_error(&call(Some(&owner.key), path).await, 404, "NOT_FOUND");
        }
        assert_eq!(call(Some(&owner.key), at(&second.public_id)).await.status, 200);
    }
    // The key of every test may read, not write.
    let answer = site.server.call("PUT", &owner.path, &[("x-agentshield-key", KEY)], "{}").await;
    assert_error(&answer, 403, "FORBIDDEN");
    assert_eq!(answer.json["error"]["details"]["reason"], "scope");
    let wrong = site.bare("DELETE", &owner.path, &[("x-agentshield-key", KEY)]).await;
    assert_error(&wrong, 405, "INVALID_REQUEST");
    let wrong = site.bare("GET", &format!("{}/test", owner.path), &[("x-agentshield-key", KEY)]).await;
    assert_error(&wrong, 405, "INVALID_REQUEST");
}

#[tokio::test]
async fn too_many_requests_are_refused() {
    let site = Site::of_plan("free").await;
    let project = directory::project(&site.server.app, site.project).await.unwrap();
    let path = format!("/api/v1/projects/{}/policy", project.public_id);
    for _ in 0..10 {
        assert_eq!(site.bare("GET", &path, &[("x-agentshield-key", KEY)]).await.status, 200);
    }
    for (method, path) in [("GET", path.clone()), ("PUT", path.clone()), ("POST", format!("{path}/test"))] {
        let answer = site.bare(method, &path, &[("x-agentshield-key", KEY)]).await;
        assert_error(&answer, 429, "RATE_LIMIT_EXCEEDED");
    }
}
