//! Projects: made, changed, and deleted with all that is stored of them.

use quivive_server::audit;
use quivive_server::flows::detection;
use quivive_server::flows::scoring::history;
use quivive_server::flows::scoring::record::{BatchOwner, DueSession, SeenBlock, StoredScore, StoredSession};
use quivive_server::flows::scoring::rules::StoredRule;
use quivive_server::flows::webhooks::{self, Hook};
use quivive_server::jobs;
use quivive_server::storage::{EventQuery, Slot, SummaryQuery};
use quivive_server::tenant::detection_key::{NewKey, Scope};
use quivive_server::tenant::{IpMode, directory, erasure};
use serde_json::{Value, json};

use super::site::{ALL_SCOPES, KEY, Site, assert_error};
use crate::botect::site::{CHROME, event};

const PROJECTS: &str = "/api/v1/projects";

#[tokio::test]
async fn a_project_is_made_in_the_documented_form() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let made = site.call(&writer, "POST", PROJECTS, json!({ "name": "  My Project " })).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let id = made.json["id"].as_str().unwrap();
    assert!(id.starts_with("proj_") && id.len() == 25, "{id}");
    let project = directory::project_by_public_id(&site.server.app, id).await.unwrap();
    assert_eq!(
        made.json,
        json!({
            "id": id, "name": "My Project", "description": "", "createdAt": project.created_at.to_seconds_text(),
            "settings": { "detectionEnabled": true, "blockingEnabled": false },
            "stats": { "totalDetections": 0, "todayDetections": 0, "uniqueVisitors": 0 },
        })
    );
    assert_eq!((project.account_id, project.is_active), (site.account, true));
    let whole = json!({
        "name": "Ünïcode ✓", "description": "Second", "other": 1,
        "settings": {
            "detectionEnabled": false, "blockingEnabled": true, "detectionThreshold": 0.7, "ipMode": "truncated",
            "retentionDays": 30, "humanRows": 0.1, "keepQuery": true,
        },
    });
    let made = site.call(&writer, "POST", PROJECTS, whole).await.json;
    assert_eq!((&made["name"], &made["description"]), (&json!("Ünïcode ✓"), &json!("Second")));
    assert_eq!(made["settings"], json!({ "detectionEnabled": false, "blockingEnabled": true }));
    let id = made["id"].as_str().unwrap();
    let project = directory::project_by_public_id(&site.server.app, id).await.unwrap();
    let detection = project.detection;
    assert!(!detection.is_enabled && detection.is_blocking && detection.keep_query);
    assert_eq!((detection.threshold, detection.human_rows), (0.7, 0.1));
    assert_eq!((detection.ip_mode, detection.retention_days), (IpMode::Truncated, Some(30)));
    // The key that made it may work in it.
    let headers = [("x-agentshield-key", &*writer), ("x-agentshield-project", id)];
    assert_eq!(site.bare("GET", "/api/v1/detect", &headers).await.status, 200);
    let trail = audit::latest(&site.server.app, &project.id.to_string(), 5).await.unwrap();
    assert_eq!(trail[0]["action"], "project.created");
}

#[tokio::test]
async fn a_change_touches_what_it_names() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let app = &site.server.app;
    jobs::start(app);
    let path = format!("{PROJECTS}/{}", site.public_id(site.project).await);
    site.detect(&json!({ "userAgent": "curl/8.5.0", "ip": "203.0.113.7" })).await;
    site.server.advance(86_400_000);
    for ip in ["203.0.113.7", "203.0.113.8", "198.51.100.7"] {
        site.detect(&json!({ "userAgent": "curl/8.5.0", "ip": ip })).await;
    }
    let mut changed = Value::Null;
    for _ in 0..200 {
        changed = site.call(&writer, "PATCH", &path, json!({ "description": "New" })).await.json;
        if changed["stats"]["totalDetections"] == 4 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!((&changed["name"], &changed["description"]), (&json!("Shop"), &json!("New")));
    let stats = json!({ "totalDetections": 4, "todayDetections": 3, "uniqueVisitors": 3 });
    assert_eq!(changed["stats"], stats);
    let settings =
        async |settings: Value| site.call(&writer, "PATCH", &path, json!({ "settings": settings })).await;
    assert_eq!(settings(json!({ "blockingEnabled": true })).await.json["settings"]["blockingEnabled"], true);
    settings(json!({ "retentionDays": 7, "ipMode": "none" })).await;
    let project = directory::project(app, site.project).await.unwrap();
    assert!(project.detection.is_blocking && project.detection.is_enabled);
    assert_eq!((project.detection.retention_days, project.detection.ip_mode), (Some(7), IpMode::None));
    assert_eq!(settings(json!({ "retentionDays": null })).await.status, 200);
    assert_eq!(site.call(&writer, "PATCH", &path, json!({ "status": "inactive" })).await.status, 200);
    let project = directory::project(app, site.project).await.unwrap();
    assert_eq!((project.detection.retention_days, project.is_active), (None, false));
    assert_eq!(site.call(&writer, "PATCH", &path, json!({})).await.status, 200);
    assert_eq!(site.call(&writer, "PATCH", &path, json!({ "status": "active" })).await.status, 200);
    // The threshold is obeyed by the next call.
    let ask =
        async || site.detect(&json!({ "userAgent": "MyCoolBot/1.0 (+https://example.org/bot)" })).await.json;
    assert_eq!(ask().await["isBot"], true);
    settings(json!({ "detectionThreshold": 0.99 })).await;
    assert_eq!(ask().await["isBot"], false);
    let trail = audit::latest(app, &site.project.to_string(), 1).await.unwrap();
    assert_eq!(trail[0]["action"], "project.changed");
    assert_eq!(trail[0]["details"]["before"]["detection"]["threshold"], 0.5);
    assert_eq!(trail[0]["details"]["after"]["detection"]["threshold"], 0.99);
}

#[tokio::test]
async fn bad_bodies_name_the_fault() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let path = format!("{PROJECTS}/{}", site.public_id(site.project).await);
    let setting = |name: &str, value: Value| json!({ "settings": { name: value } });
    for (changes, field, reason) in [
        (json!({ "name": "" }), "name", "too_short"),
        (json!({ "name": "  " }), "name", "too_short"),
        (json!({ "name": "é".repeat(256) }), "name", "too_long"),
        (json!({ "name": "a\nb" }), "name", "format"),
        (json!({ "name": null }), "name", "type"),
        (json!({ "description": 1 }), "description", "type"),
        (json!({ "description": "é".repeat(2_001) }), "description", "too_long"),
        (json!({ "status": "deleted" }), "status", "unknown_value"),
        (json!({ "status": true }), "status", "type"),
        (json!({ "settings": 1 }), "settings", "type"),
        (setting("detectionEnabled", json!(1)), "settings.detectionEnabled", "type"),
        (setting("blockingEnabled", json!("true")), "settings.blockingEnabled", "type"),
        (setting("detectionThreshold", json!(1.001)), "settings.detectionThreshold", "out_of_range"),
        (setting("detectionThreshold", json!(-0.1)), "settings.detectionThreshold", "out_of_range"),
        (setting("detectionThreshold", json!("0.5")), "settings.detectionThreshold", "type"),
        (setting("ipMode", json!("half")), "settings.ipMode", "unknown_value"),
        (setting("ipMode", json!(1)), "settings.ipMode", "type"),
        (setting("retentionDays", json!(0)), "settings.retentionDays", "out_of_range"),
        (setting("retentionDays", json!(3_651)), "settings.retentionDays", "out_of_range"),
        (setting("retentionDays", json!(1.5)), "settings.retentionDays", "out_of_range"),
        (setting("retentionDays", json!("7")), "settings.retentionDays", "type"),
        (setting("humanRows", json!(2)), "settings.humanRows", "out_of_range"),
        (setting("keepQuery", json!(0)), "settings.keepQuery", "type"),
    ] {
        let mut whole = json!({ "name": "Blog" });
        whole.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        for answer in [
            site.call(&writer, "POST", PROJECTS, whole).await,
            site.call(&writer, "PATCH", &path, changes.clone()).await,
        ] {
            assert_error(&answer, 400, "INVALID_REQUEST");
            let details = &answer.json["error"]["details"];
            assert_eq!((&details["field"], &details["reason"]), (&json!(field), &json!(reason)), "{changes}");
        }
    }
    let answer = site.call(&writer, "POST", PROJECTS, json!({})).await;
    assert_error(&answer, 400, "INVALID_REQUEST");
    assert_eq!(answer.json["error"]["details"], json!({ "field": "name", "reason": "required" }));
    let headers = [("x-agentshield-key", &*writer)];
    for (method, path) in [("POST", PROJECTS), ("PATCH", &path)] {
        for (body, status) in [("{", 400), ("[]", 400), (&*"x".repeat(65_537), 413)] {
            let answer = site.server.call(method, path, &headers, body.to_owned()).await;
            assert_error(&answer, status, "INVALID_REQUEST");
        }
    }
    assert_eq!(directory::projects_of(&site.server.app, site.account).await.unwrap().len(), 1);
    let most = json!({ "name": "é".repeat(255), "description": "é".repeat(2_000) });
    assert_eq!(site.call(&writer, "POST", PROJECTS, most).await.status, 201);
}

#[tokio::test]
async fn every_route_demands_a_key_that_may_write_in_the_project() {
    let site = Site::start().await;
    let writer = site.writer().await;
    let (blog, _) = site.further_project("Blog").await;
    let scopes = Some(ALL_SCOPES.to_vec());
    let narrow = NewKey { project_id: blog, projects: Some(vec![blog]), scopes, ..NewKey::default() };
    let narrow = site.key(narrow).await;
    let (stranger, _) = site.stranger().await;
    let path = format!("{PROJECTS}/{}", site.public_id(site.project).await);
    let body = || json!({ "name": "Taken over" });
    for (method, path) in [("POST", PROJECTS), ("PATCH", &path), ("DELETE", &path)] {
        assert_error(&site.bare(method, path, &[]).await, 401, "UNAUTHORIZED");
        let answer = site.call(KEY, method, path, body()).await;
        assert_error(&answer, 403, "FORBIDDEN");
        assert_eq!(answer.json["error"]["details"], json!({ "reason": "scope" }));
        let answer = site.call(&narrow, method, path, body()).await;
        assert_error(&answer, 403, "FORBIDDEN");
        assert_eq!(answer.json["error"]["details"], json!({ "reason": "project" }));
        if path != PROJECTS {
            for (key, path) in [(&stranger, path), (&writer, "/api/v1/projects/proj_unknown")] {
                let answer = site.call(key, method, path, body()).await;
                assert_error(&answer, 404, "NOT_FOUND");
                assert_eq!(answer.json["error"]["details"], json!({ "resource": "project" }));
            }
        }
    }
    assert_eq!(directory::project(&site.server.app, site.project).await.unwrap().name, "Shop");
}

#[tokio::test]
async fn a_deleted_project_is_erased_in_every_family_and_others_are_not() {
    let site = Site::start().await;
    let app = &site.server.app;
    let writer = site.writer().await;
    let (blog, blog_id) = site.further_project("Blog").await;
    let shop_id = site.public_id(site.project).await;
    jobs::start(app);
    // Both projects get detections, webhooks, and session scoring with a rule and a session.
    let mut site_keys = Vec::new();
    for (project, id) in [(site.project, &shop_id), (blog, &blog_id)] {
        let hook = json!({ "url": "https://hooks.example/", "events": ["agent.first_seen"] });
        let made = site.call(&writer, "POST", &format!("{PROJECTS}/{id}/webhooks"), hook).await;
        assert_eq!(made.status, 201);
        let headers = [("x-agentshield-key", &*writer), ("x-agentshield-project", id)];
        site.server.call("POST", "/api/v1/detect", &headers, r#"{"userAgent":"GPTBot/1.2"}"#).await;
        directory::change_account(app, site.account, |account| account.is_subscribed = true).await.unwrap();
        let enabled = directory::enable_scoring(app, project).await.unwrap();
        let site_key = enabled.project.scoring.site_key.unwrap();
        let events = [event(&format!("e-{project}"), "page", json!({ "page_path_hash": "9cb2d74a" }))];
        let session = json!({ "session_token": null, "events": events });
        let headers =
            [("x-botect-site-key", &*site_key), ("content-type", "application/json"), ("user-agent", CHROME)];
        let taken = site.server.call("POST", "/v1/events", &headers, session.to_string()).await;
        assert_eq!(taken.status, 202, "{}", taken.json);
        site_keys.push(site_key);
    }
    let detections = async |project: i64| {
        let query = EventQuery {
            kind: detection::STREAM.to_owned(),
            project: project.to_string(),
            limit: 10,
            ..EventQuery::default()
        };
        app.storage.events().scan(query).await.unwrap().len()
    };
    for _ in 0..500 {
        if (detections(blog).await, detections(site.project).await) == (1, 1) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let rollups = async |project: i64| {
        let mut count = 0;
        for kind in [detection::STREAM, history::SESSIONS, history::BANDS, history::DETECTIONS] {
            let query = SummaryQuery {
                kind: kind.to_owned(),
                project: project.to_string(),
                slot: Slot::Hour,
                from: Slot::Hour.start(app.now().plus_milliseconds(-7_200_000)),
                to: app.now().plus_milliseconds(1),
            };
            count += app.storage.events().summarize(query).await.unwrap().len();
        }
        count
    };
    let records = async |project: i64| {
        let (parent, prefix) = (project.to_string(), format!("{project}/"));
        let storage = &app.storage;
        let under = storage.list::<SeenBlock>("", None, 1_000).await.unwrap();
        let under = under.iter().filter(|block| block.id.starts_with(&prefix)).count();
        let batches = storage.list::<BatchOwner>("", None, 1_000).await.unwrap();
        let batches = batches.iter().filter(|batch| batch.project_id == project).count();
        let due = storage.list::<DueSession>("", None, 1_000).await.unwrap();
        let due = due.iter().filter(|due| due.project_id == project).count();
        storage.list::<StoredSession>(&parent, None, 10).await.unwrap().len()
            + storage.list::<StoredScore>(&parent, None, 10).await.unwrap().len()
            + storage.list::<StoredRule>(&parent, None, 10).await.unwrap().len()
            + storage.list::<Hook>(&parent, None, 10).await.unwrap().len()
            + under
            + batches
            + due
    };
    let hooks = webhooks::list(app, &blog.to_string()).await.unwrap();
    assert_eq!(webhooks::deliveries(app, &hooks[0].id).await.unwrap().len(), 1);
    let kept = (detections(site.project).await, records(site.project).await);
    assert!(records(blog).await >= 3 && rollups(blog).await >= 1 && kept.1 >= 3, "{}", records(blog).await);

    let path = format!("{PROJECTS}/{blog_id}");
    let deleted = site.call(&writer, "DELETE", &path, Value::Null).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    // At once: not found any more, and its keys are nobody's.
    for method in ["DELETE", "PATCH"] {
        assert_error(&site.call(&writer, method, &path, json!({})).await, 404, "NOT_FOUND");
    }
    let headers = [("x-agentshield-key", &*writer), ("x-agentshield-project", &*blog_id)];
    assert_error(&site.bare("GET", "/api/v1/detect", &headers).await, 404, "NOT_FOUND");
    assert!(directory::site_by_site_key(app, &site_keys[1]).await.unwrap().is_none());
    assert!(directory::site_by_site_key(app, &site_keys[0]).await.unwrap().is_some());
    erasure::erase_deleted(app).await.unwrap();
    // A session that was being scored at that moment came back; the second sweep takes it.
    let stray = DueSession {
        at: app.now(),
        project_id: blog,
        token: "sess_stray".to_owned(),
        expires_at: app.now().plus_milliseconds(86_400_000),
    };
    app.storage.put(&stray).await.unwrap();
    site.server.advance(600_000);
    erasure::erase_deleted(app).await.unwrap();
    assert_eq!((detections(blog).await, records(blog).await, rollups(blog).await), (0, 0, 0));
    assert!(webhooks::deliveries(app, &hooks[0].id).await.unwrap().is_empty());
    assert_eq!((detections(site.project).await, records(site.project).await), kept, "others stay whole");
    let trail = audit::latest(app, &blog.to_string(), 1).await.unwrap();
    assert_eq!(
        (&trail[0]["action"], &trail[0]["details"]["id"]),
        (&json!("project.deleted"), &json!(blog_id))
    );
    // The number is not given out again.
    let next = site.call(&writer, "POST", PROJECTS, json!({ "name": "Next" })).await;
    let next = directory::project_by_public_id(app, next.json["id"].as_str().unwrap()).await.unwrap();
    assert!(next.id > blog);
    assert_eq!(site.call(KEY, "GET", "/api/v1/detect", Value::Null).await.status, 200);
}

#[tokio::test]
async fn of_two_who_delete_at_once_one_is_told_that_it_is_gone() {
    let site = Site::start().await;
    let key = site.key(NewKey { scopes: Some(vec![Scope::Write]), ..site.new_key() }).await;
    let path = format!("{PROJECTS}/{}", site.public_id(site.project).await);
    let ask = async || site.call(&key, "DELETE", &path, Value::Null).await.status.as_u16();
    let (one, other) = tokio::join!(ask(), ask());
    assert_eq!([one.min(other), one.max(other)], [204, 404]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn projects_made_at_once_are_never_more_than_a_thousand() {
    let site = Site::start().await;
    let writer = site.writer().await;
    for number in 2..=998 {
        site.further_project(&format!("Project {number}")).await;
    }
    let body = json!({ "name": "One more" });
    let answers =
        futures::future::join_all((0..10).map(|_| site.call(&writer, "POST", PROJECTS, body.clone()))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 2);
    assert_eq!(directory::all_projects_of(&site.server.app, site.account).await.unwrap().len(), 1_000);
    let refused = answers.iter().find(|answer| answer.status != 201).unwrap();
    assert_error(refused, 400, "INVALID_REQUEST");
    let details = json!({ "field": "body", "reason": "too_many", "max": 1_000 });
    assert_eq!(refused.json["error"]["details"], details);
}
