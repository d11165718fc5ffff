//! Batches of events.

use quivive_server::jobs;
use quivive_server::tenant::detection_key::{NewKey, Scope};
use quivive_server::tenant::directory;
use serde_json::{Value, json};

use super::site::{KEY, Site, assert_error, assert_limits};
use super::tracked::{detections, foreign_pixel, page_view, pixel, pixel_with, post, rows, stored};
use crate::botect::faults::Moody;
use crate::support::{START, Server};

const PATH: &str = "/api/v1/batch";

fn batch(events: &[Value]) -> Value {
    json!({ "events": events })
}

fn numbered(number: usize) -> Value {
    json!({ "event": "click", "url": format!("https://example.com/{number}"), "id": format!("event-{number}") })
}

#[tokio::test]
async fn the_documented_example_is_recorded() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let pixel = pixel(&site).await;
    let body = json!({ "events": [
        { "event": "page_view", "url": "https://example.com/page1", "timestamp": 1_234_567_890 },
        { "event": "click", "url": "https://example.com/page2", "timestamp": 1_234_567_891 }
    ] });
    let answer = post(&site, PATH, &[("x-pixel-id", &pixel), ("user-agent", "curl/8.5.0")], &body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json,
        json!({ "success": true, "received": 2, "accepted": 2, "rejected": 0, "errors": [] })
    );
    assert_limits(&answer);
    let mut names: Vec<_> = stored(&site).await.into_iter().map(|event| event.label).collect();
    names.sort();
    assert_eq!(names, ["click", "page_view"]);
    assert_eq!(detections(&site, 1).await.len(), 1, "one for the request");
}

#[tokio::test]
async fn valid_events_are_stored_beside_others_that_are_named() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let events = [
        page_view(),
        json!({ "event": "a b", "url": "https://example.com" }),
        numbered(1),
        json!(7),
        json!({}),
    ];
    let answer = post(&site, PATH, &[("x-pixel-id", &*pixel)], &batch(&events)).await;
    assert_eq!(answer.status, 200);
    let found = &answer.json;
    assert_eq!((&found["success"], &found["received"]), (&json!(true), &json!(5)));
    assert_eq!((&found["accepted"], &found["rejected"]), (&json!(2), &json!(3)));
    let errors = found["errors"].as_array().unwrap();
    assert!(errors.iter().all(|error| error["code"] == "INVALID_REQUEST" && error["message"].is_string()));
    let told: Vec<_> = errors.iter().map(|error| (&error["index"], &error["details"])).collect();
    assert_eq!(
        told,
        [
            (&json!(1), &json!({ "field": "event", "reason": "format" })),
            (&json!(3), &json!({ "field": "events[3]", "reason": "type" })),
            (
                &json!(4),
                &json!({ "errors": [
                    { "field": "event", "reason": "required" }, { "field": "url", "reason": "required" }
                ] })
            ),
        ]
    );
    assert_eq!(stored(&site).await.len(), 2);
}

#[tokio::test]
async fn a_batch_without_a_valid_event_is_400_with_the_same_list() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let answer = post(
        &site,
        PATH,
        &[("x-pixel-id", &*pixel)],
        &batch(&[json!({ "event": "a", "url": "b" }), json!(null)]),
    )
    .await;
    assert_error(&answer, 400, "INVALID_REQUEST");
    let errors = answer.json["error"]["details"]["errors"].as_array().unwrap();
    let told: Vec<_> = errors.iter().map(|error| (&error["index"], &error["details"]["reason"])).collect();
    assert_eq!(told, [(&json!(0), &json!("format")), (&json!(1), &json!("type"))]);
    assert!(errors.iter().all(|error| error["code"] == "INVALID_REQUEST" && error["message"].is_string()));
}

#[tokio::test]
async fn a_batch_has_1_to_100_events() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let headers = [("x-pixel-id", &*pixel)];
    for (body, details) in [
        (json!({}), json!({ "field": "events", "reason": "required" })),
        (json!({ "events": {} }), json!({ "field": "events", "reason": "type" })),
        (json!({ "events": null }), json!({ "field": "events", "reason": "type" })),
        (batch(&[]), json!({ "field": "events", "reason": "too_short", "min": 1 })),
        (
            batch(&(0..101).map(numbered).collect::<Vec<_>>()),
            json!({ "field": "events", "reason": "too_many", "max": 100 }),
        ),
    ] {
        let answer = post(&site, PATH, &headers, &body).await;
        assert_error(&answer, 400, "INVALID_REQUEST");
        assert_eq!(answer.json["error"]["details"], details);
    }
    assert!(stored(&site).await.is_empty());
    let most = batch(&(0..100).map(numbered).collect::<Vec<_>>());
    assert_eq!(post(&site, PATH, &headers, &most).await.json["accepted"], 100);
    assert_eq!(stored(&site).await.len(), 100);
}

#[tokio::test]
async fn a_body_over_512_kib_is_413() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let headers = [("x-pixel-id", &*pixel)];
    let padded = |bytes: usize| json!({ "events": [page_view()], "padding": "a".repeat(bytes) });
    assert_eq!(post(&site, PATH, &headers, &padded(500_000)).await.status, 200);
    let answer = post(&site, PATH, &headers, &padded(524_288)).await;
    assert_error(&answer, 413, "INVALID_REQUEST");
    assert_eq!(answer.json["error"]["details"], json!({ "reason": "body_too_large", "max": 524_288 }));
}

#[tokio::test]
async fn events_that_were_stored_before_are_accepted_and_not_stored_again() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let headers = [("x-pixel-id", &*pixel)];
    assert_eq!(post(&site, PATH, &headers, &batch(&[numbered(1), numbered(2)])).await.json["accepted"], 2);
    let answer =
        post(&site, PATH, &headers, &batch(&[numbered(2), numbered(3), numbered(3), page_view()])).await;
    assert_eq!(answer.json["accepted"], 4);
    let urls: Vec<_> = rows(&site).await.iter().map(|row| row["url"].as_str().unwrap().to_owned()).collect();
    assert_eq!(urls.len(), 4, "{urls:?}");
}

#[tokio::test]
async fn a_batch_lost_by_a_fault_can_be_sent_again() {
    let database = Moody::new();
    let site = Site::on(Server::on(database.clone(), |_| {}).await, "enterprise").await;
    let pixel = pixel(&site).await;
    let headers = [("x-pixel-id", &*pixel)];
    let body = batch(&[numbered(1), numbered(2)]);
    database.has_no_events(true);
    assert_error(&post(&site, PATH, &headers, &body).await, 500, "INTERNAL_ERROR");
    database.has_no_events(false);
    assert_eq!(post(&site, PATH, &headers, &body).await.json["accepted"], 2);
    assert_eq!(stored(&site).await.len(), 2);
}

#[tokio::test]
async fn the_detection_belongs_to_the_newest_event() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let pixel = pixel(&site).await;
    let at = |seconds: i64, path: &str| json!({ "event": "click", "url": format!("https://example.com/{path}"), "timestamp": START - seconds });
    let body = batch(&[at(30, "old"), at(5, "new"), at(20, "between")]);
    post(&site, PATH, &[("x-pixel-id", &*pixel)], &body).await;
    let tied: Vec<_> = rows(&site).await.into_iter().filter(|row| row.get("detectionId").is_some()).collect();
    assert_eq!((tied.len(), &tied[0]["url"]), (1, &json!("https://example.com/new")));
    assert_eq!(detections(&site, 1).await[0]["url"], "https://example.com/new");
}

#[tokio::test]
async fn a_server_describes_the_visitor_for_the_batch_or_its_newest_event() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let headers = [("x-agentshield-key", KEY), ("user-agent", "curl/8.5.0")];
    assert_eq!(post(&site, PATH, &headers, &batch(&[page_view()])).await.status, 200);
    let mut body = batch(&[page_view()]);
    body["context"] = json!({ "userAgent": "of the batch/1.0" });
    assert_eq!(post(&site, PATH, &headers, &body).await.status, 200);
    body["events"][0]["context"] = json!({ "userAgent": "of the event/1.0" });
    assert_eq!(post(&site, PATH, &headers, &body).await.status, 200);
    let mut seen: Vec<_> =
        detections(&site, 2).await.iter().map(|row| row["userAgent"].as_str().unwrap().to_owned()).collect();
    seen.sort();
    assert_eq!(seen, ["of the batch/1.0", "of the event/1.0"]);
    body["context"] = json!({ "ip": 7 });
    let answer = post(&site, PATH, &headers, &body).await;
    assert_error(&answer, 400, "INVALID_REQUEST");
    assert_eq!(answer.json["error"]["details"], json!({ "field": "context.ip", "reason": "type" }));
}

#[tokio::test]
async fn credentials_are_demanded_as_for_one_event() {
    let site = Site::start().await;
    let own = pixel(&site).await;
    let foreign = foreign_pixel(&site).await;
    let closed =
        pixel_with(&site, |settings| settings.allowed_domains = vec!["example.com".to_owned()]).await;
    let disabled = pixel_with(&site, |settings| settings.enabled = false).await;
    let reader = NewKey { project_id: site.project, scopes: Some(vec![Scope::Read]), ..NewKey::default() };
    let reader = site.key(reader).await;
    let body = batch(&[page_view()]);
    assert_error(&post(&site, PATH, &[], &body).await, 401, "UNAUTHORIZED");
    assert_error(&post(&site, PATH, &[("x-pixel-id", "px_unknown")], &body).await, 401, "UNAUTHORIZED");
    for (headers, reason) in [
        (vec![("x-pixel-id", &*disabled)], "pixel_inactive"),
        (vec![("x-pixel-id", &*closed), ("origin", "https://example.net")], "origin"),
        (vec![("x-agentshield-key", &*reader)], "scope"),
        (vec![("x-agentshield-key", KEY), ("x-pixel-id", &*foreign)], "project"),
    ] {
        let answer = post(&site, PATH, &headers, &body).await;
        assert_error(&answer, 403, "FORBIDDEN");
        assert_eq!(answer.json["error"]["details"]["reason"], reason);
    }
    let project = [("x-agentshield-key", KEY), ("x-agentshield-project", "proj_unknown")];
    assert_error(&post(&site, PATH, &project, &body).await, 404, "NOT_FOUND");
    assert_error(&site.bare("GET", PATH, &[("x-pixel-id", &own)]).await, 405, "INVALID_REQUEST");
    let beacon = json!({ "pixelId": own, "events": [page_view()] });
    assert_eq!(post(&site, PATH, &[("content-type", "text/plain")], &beacon).await.status, 200);
    assert_eq!(post(&site, &format!("{PATH}?id={own}"), &[], &body).await.status, 200);
    assert_eq!(post(&site, PATH, &[("x-agentshield-key", KEY)], &beacon).await.status, 200);
}

#[tokio::test]
async fn a_batch_costs_one_request() {
    let site = Site::of_plan("free").await;
    let pixel = pixel(&site).await;
    let body = batch(&(0..50).map(numbered).collect::<Vec<_>>());
    for remaining in (0..10).rev() {
        let answer = post(&site, PATH, &[("x-pixel-id", &*pixel)], &body).await;
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining.to_string());
    }
    assert_error(&post(&site, PATH, &[("x-pixel-id", &*pixel)], &body).await, 429, "RATE_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn a_visitor_who_asks_not_to_be_tracked_is_only_counted() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let answer =
        post(&site, PATH, &[("x-pixel-id", &*pixel), ("sec-gpc", "1")], &batch(&[page_view(), page_view()]))
            .await;
    assert_eq!(answer.json["accepted"], 2);
    assert!(stored(&site).await.is_empty());
}

#[tokio::test]
async fn events_are_kept_as_long_as_their_project_says() {
    let site = Site::with(|config| config.retention.detections_days = 2).await;
    let pixel = pixel(&site).await;
    let keep = async |days: u32| {
        directory::change_project(&site.server.app, site.project, |project| {
            project.detection.retention_days = Some(days);
        })
        .await
        .unwrap();
        jobs::remove_expired(&site.server.app).await.unwrap();
        stored(&site).await.len()
    };
    post(&site, PATH, &[("x-pixel-id", &*pixel)], &batch(&[numbered(1)])).await;
    site.server.advance(5 * 86_400_000);
    assert_eq!(keep(7).await, 1, "longer than the server's own two days");
    assert_eq!(keep(4).await, 0);
    post(&site, PATH, &[("x-pixel-id", &*pixel)], &batch(&[numbered(2)])).await;
    directory::delete_project(&site.server.app, site.project).await.unwrap();
    jobs::remove_expired(&site.server.app).await.unwrap();
    assert_eq!(stored(&site).await.len(), 0, "nothing of a project that is gone");
}

#[tokio::test]
async fn events_of_the_past_are_forgotten_with_the_detections() {
    let site = Site::with(|config| config.retention.detections_days = 2).await;
    let pixel = pixel(&site).await;
    directory::change_account(&site.server.app, site.account, |account| {
        account.plan.requests_per_second = None;
    })
    .await
    .unwrap();
    post(&site, PATH, &[("x-pixel-id", &*pixel)], &batch(&[numbered(1)])).await;
    site.server.advance(86_400_000);
    post(&site, PATH, &[("x-pixel-id", &*pixel)], &batch(&[numbered(2)])).await;
    site.server.advance(86_400_001);
    jobs::remove_expired(&site.server.app).await.unwrap();
    let urls: Vec<_> = rows(&site).await.iter().map(|row| row["url"].clone()).collect();
    assert_eq!(urls, ["https://example.com/2"]);
}
