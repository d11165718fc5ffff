//! The projects of an account: list and details.

use quivive_server::jobs;
use quivive_server::tenant::Project;
use quivive_server::tenant::detection_key::NewKey;
use quivive_server::tenant::directory::{self, NewProject};
use serde_json::{Value, json};

use super::recorded::Seen;
use super::site::{KEY, Site, assert_error, assert_limits};
use crate::support::Answer;

async fn list(site: &Site, query: &str) -> Answer {
    site.server.advance(1_000);
    site.bare("GET", &format!("/api/v1/projects{query}"), &[("x-agentshield-key", KEY)]).await
}

async fn add(site: &Site, name: &str) -> Project {
    let new = NewProject { account_id: site.account, name: name.to_owned(), ..NewProject::default() };
    directory::create_project(&site.server.app, new).await.unwrap()
}

fn names(answer: &Answer) -> Vec<&str> {
    answer.json["projects"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_list_has_exactly_the_documented_members() {
    let site = Site::start().await;
    site.store(site.project, &[Seen::at("2026-02-15T10:00:00Z"), Seen::person("2020-02-15T10:00:00Z")]).await;
    let answer = list(&site, "").await;
    assert_eq!(answer.status, 200);
    assert_limits(&answer);
    assert_eq!(
        answer.json,
        json!({
            "projects": [{
                "id": site.project_id().await, "name": "Shop", "createdAt": "2026-02-15T12:00:00Z",
                "detectionCount": 2, "status": "active"
            }],
            "pagination": { "page": 1, "limit": 20, "total": 1, "hasMore": false }
        })
    );
    assert_eq!(answer.header("link"), "");
}

#[tokio::test]
async fn the_latest_project_is_first_and_pages_link_to_each_other() {
    let site = Site::start().await;
    for number in 0..4 {
        site.server.advance(1_000);
        add(&site, &format!("Site {number}")).await;
    }
    let inactive = add(&site, "Site 4").await;
    directory::change_project(&site.server.app, inactive.id, |project| project.is_active = false)
        .await
        .unwrap();
    let first = list(&site, "?limit=2&search=site").await;
    assert_eq!(first.json["pagination"], json!({ "page": 1, "limit": 2, "total": 5, "hasMore": true }));
    assert_eq!(first.header("link"), "</api/v1/projects?limit=2&search=site&page=2>; rel=\"next\"");
    let second = list(&site, "?page=2&limit=2&search=SITE").await;
    assert_eq!(names(&second), ["Site 2", "Site 1"]);
    assert_eq!(
        second.header("link"),
        "</api/v1/projects?limit=2&search=SITE&page=1>; rel=\"prev\", \
         </api/v1/projects?limit=2&search=SITE&page=3>; rel=\"next\""
    );
    let last = list(&site, "?page=3&limit=2&search=site").await;
    assert_eq!((names(&last), &last.json["pagination"]["hasMore"]), (vec!["Site 0"], &json!(false)));
    let beyond = list(&site, "?page=4&limit=2&search=site").await;
    assert_eq!((beyond.status.as_u16(), names(&beyond).len()), (200, 0));
    let found = list(&site, &format!("?search={}", inactive.public_id)).await;
    assert_eq!((names(&found), &found.json["projects"][0]["status"]), (vec!["Site 4"], &json!("inactive")));
    assert!(
        names(&list(&site, &format!("?search={}", &inactive.public_id[..15])).await).is_empty(),
        "whole ids only"
    );
}

#[tokio::test]
async fn a_key_lists_only_what_it_may_see() {
    let site = Site::start().await;
    let second = add(&site, "Second").await;
    let narrow = NewKey { project_id: site.project, projects: Some(vec![second.id]), ..NewKey::default() };
    let narrow = site.key(narrow).await;
    let stranger =
        directory::create_account(&site.server.app, directory::NewAccount::default()).await.unwrap();
    let foreign = NewProject { account_id: stranger.id, name: "Foreign".to_owned(), ..NewProject::default() };
    directory::create_project(&site.server.app, foreign).await.unwrap();
    let seen = site.bare("GET", "/api/v1/projects", &[("x-agentshield-key", &narrow)]).await;
    assert_eq!((names(&seen), &seen.json["pagination"]["total"]), (vec!["Second"], &json!(1)));
    let mut all = names(&list(&site, "").await).into_iter().map(str::to_owned).collect::<Vec<_>>();
    all.sort_unstable();
    assert_eq!(all, ["Second", "Shop"]);
}

#[tokio::test]
async fn bad_pages_are_refused() {
    let site = Site::start().await;
    // Characters are counted, not bytes.
    assert_eq!(list(&site, &format!("?search={}", "%C3%A9".repeat(200))).await.status, 200);
    let long = "%C3%A9".repeat(201);
    for (query, field, reason) in [
        ("page=0", "page", "out_of_range"),
        ("page=-1", "page", "out_of_range"),
        ("page=1.5", "page", "type"),
        ("page=x", "page", "type"),
        ("page=99999999999999999999999", "page", "out_of_range"),
        ("page=18446744073709551615", "page", "out_of_range"),
        ("limit=0", "limit", "out_of_range"),
        ("limit=101", "limit", "out_of_range"),
        ("page=1002&limit=100", "page", "out_of_range"),
        (&*format!("search={long}"), "search", "too_long"),
    ] {
        let answer = list(&site, &format!("?{query}")).await;
        assert_error(&answer, 400, "INVALID_REQUEST");
        let details = &answer.json["error"]["details"];
        assert_eq!((&details["field"], &details["reason"]), (&json!(field), &json!(reason)), "{query}");
    }
    assert_eq!(list(&site, "?page=1001&limit=100").await.status, 200, "an offset of exactly 100,000");
    assert_eq!(list(&site, "?page=&limit=&other=x").await.status, 200, "empty is absent, others are ignored");
    assert_error(&site.bare("GET", "/api/v1/projects", &[]).await, 401, "UNAUTHORIZED");
    let writer = NewKey { project_id: site.project, scopes: Some(vec![]), ..NewKey::default() };
    let writer = site.key(writer).await;
    assert_error(
        &site.bare("GET", "/api/v1/projects", &[("x-agentshield-key", &writer)]).await,
        403,
        "FORBIDDEN",
    );
}

#[tokio::test]
async fn details_have_exactly_the_documented_members() {
    let site = Site::start().await;
    let seen = [
        Seen::at("2026-02-15T00:00:00Z"),
        Seen::at("2026-02-14T23:59:59.999Z"),
        Seen { bot: 2, ..Seen::person("2020-01-01T00:00:00Z") },
        Seen { bot: 3, is_test: true, ..Seen::person("2026-02-15T01:00:00Z") },
    ];
    site.store(site.project, &seen).await;
    let answer = site.read("").await;
    assert_eq!(answer.status, 200);
    let mut expected = json!({
        "id": site.project_id().await, "name": "Shop", "description": "", "createdAt": "2026-02-15T12:00:00Z",
        "settings": { "detectionEnabled": true, "blockingEnabled": false },
        "stats": { "totalDetections": 3, "todayDetections": 1, "uniqueVisitors": 2 }
    });
    assert_eq!(answer.json, expected);
    expected["extended"] = json!({ "settings": {
        "status": "active", "detectionThreshold": 0.5, "ipMode": "full", "retentionDays": null, "humanRows": 1.0,
        "keepQuery": false
    } });
    assert_eq!(site.read("?include=settings").await.json, expected);
    assert_eq!(site.read("?include=all").await.json, expected);
    assert_eq!(site.read("?include=agent").await.json["extended"], json!({}));
    assert_error(&site.read("?include=nothing").await, 400, "INVALID_REQUEST");
}

#[tokio::test]
async fn addresses_and_queries_are_stored_as_the_project_wants() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let stored = async |change: Value| {
        let app = &site.server.app;
        let project = add(&site, "Private").await;
        directory::change_project(app, project.id, |project| {
            project.detection = serde_json::from_value(change.clone()).unwrap();
        })
        .await
        .unwrap();
        let headers = [("x-agentshield-key", KEY), ("x-agentshield-project", &*project.public_id)];
        let body =
            json!({ "userAgent": "curl/8.5.0", "ip": "203.0.113.7", "url": "https://a.example/b?c=d#e" });
        let path = format!("/api/v1/projects/{}/detections", project.public_id);
        for ip in ["203.0.113.7", "203.0.113.8", "2001:db8:1:2::3"] {
            let mut body = body.clone();
            body["ip"] = json!(ip);
            site.server.advance(5);
            site.server.call("POST", "/api/v1/detect", &headers, body.to_string()).await;
        }
        for _ in 0..400 {
            site.server.advance(1_000);
            let answer = site.bare("GET", &format!("{path}?order=asc"), &[("x-agentshield-key", KEY)]).await;
            let items = answer.json["detections"].as_array().unwrap().clone();
            if items.len() == 3 {
                assert!(items.iter().all(|item| item["url"] == items[0]["url"]));
                let ips = items.iter().map(|item| item["ip"].as_str().unwrap().to_owned());
                return (ips.collect::<Vec<_>>(), items[0]["url"].as_str().unwrap().to_owned());
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("not recorded");
    };
    let (ips, url) = stored(json!({})).await;
    assert_eq!(
        (ips, &*url),
        (vec!["203.0.113.7".into(), "203.0.113.8".into(), "2001:db8:1:2::3".into()], "https://a.example/b")
    );
    let (ips, url) = stored(json!({ "ip_mode": "truncated", "keep_query": true })).await;
    assert_eq!((&*ips[0], &*ips[1], &*ips[2]), ("203.0.113.0/24", "203.0.113.0/24", "2001:db8:1::/48"));
    assert_eq!(url, "https://a.example/b?c=d");
    let (hashed, _) = stored(json!({ "ip_mode": "hashed" })).await;
    assert!(hashed.iter().all(|ip| ip.len() == 16 && ip.bytes().all(|byte| byte.is_ascii_hexdigit())));
    assert!(hashed[0] != hashed[1] && hashed[1] != hashed[2]);
    let (ips, _) = stored(json!({ "ip_mode": "none" })).await;
    assert_eq!(ips, ["", "", ""]);
    site.server.advance(86_400_000);
    let (next, _) = stored(json!({ "ip_mode": "hashed" })).await;
    assert_ne!(next[0], hashed[0], "a new day, a new hash");
}
