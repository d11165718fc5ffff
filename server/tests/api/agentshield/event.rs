//! Single events.

use axum::body::Body;
use axum::http::Request;
use futures::future::join_all;
use quivive_core::Timestamp;
use quivive_server::jobs;
use quivive_server::tenant::detection_key::{NewKey, Scope};
use quivive_server::tenant::directory::{self, NewProject};
use serde_json::{Value, json};

use super::site::{KEY, Site, assert_error, assert_limits};
use super::tracked::{FIREFOX, detections, foreign_pixel, page_view, pixel, pixel_with, post, rows, stored};
use crate::botect::faults::Moody;
use crate::support::{START, Server};

const PATH: &str = "/api/v1/event";

fn with(name: &str, value: Value) -> Value {
    let mut event = page_view();
    event[name] = value;
    event
}

#[tokio::test]
async fn the_documented_example_is_recorded() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let pixel = pixel(&site).await;
    let body = json!({
        "event": "page_view", "url": "https://example.com/page", "timestamp": 1_234_567_890,
        "metadata": { "custom": "data" }
    });
    let headers = [("x-pixel-id", &*pixel), ("user-agent", "GPTBot/1.2 (+https://openai.com/gptbot)")];
    let answer = post(&site, PATH, &headers, &body).await;
    assert_eq!(answer.status, 200, "{:?}", answer.json);
    assert_limits(&answer);
    let id = answer.json["eventId"].as_str().unwrap();
    assert!(id.strip_prefix("evt_").is_some_and(|ulid| ulid.len() == 26), "{id}");
    assert_eq!(answer.json, json!({ "success": true, "eventId": id }));

    let stored = stored(&site).await;
    assert_eq!((stored.len(), &*stored[0].id, &*stored[0].label), (1, id, "page_view"));
    assert_eq!(stored[0].at, Timestamp::from_seconds(START), "a time of 2009 is not believed");
    let row = &rows(&site).await[0];
    assert_eq!(row["clientTimestamp"], 1_234_567_890);
    assert_eq!((&row["event"], &row["url"]), (&json!("page_view"), &json!("https://example.com/page")));
    assert_eq!((&row["metadata"], &row["pixelId"]), (&json!({ "custom": "data" }), &json!(pixel)));
    let detection = &detections(&site, 1).await[0];
    assert_eq!((&detection["source"], &detection["botType"]), (&json!("event"), &json!("crawler")));
    assert_eq!((&detection["isBot"], &detection["url"]), (&json!(true), &row["url"]));
    assert_eq!(detection["ip"], "127.0.0.1");
}

#[tokio::test]
async fn every_place_of_a_credential_is_read() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let by_query = format!("{PATH}?id={pixel}");
    for (path, headers, body) in [
        (PATH, vec![("x-pixel-id", &*pixel)], page_view()),
        (PATH, vec![("X-Pixel-ID", &*pixel), ("content-type", "application/json")], page_view()),
        (&*by_query, vec![], page_view()),
        (PATH, vec![("content-type", "text/plain;charset=UTF-8")], with("pixelId", json!(pixel))),
        (PATH, vec![("x-agentshield-key", KEY)], page_view()),
        (PATH, vec![("x-agentshield-key", KEY), ("x-pixel-id", &*pixel)], page_view()),
        (PATH, vec![("x-agentshield-key", KEY)], with("pixelId", json!(pixel))),
    ] {
        let answer = post(&site, path, &headers, &body).await;
        assert_eq!(answer.status, 200, "{headers:?} {:?}", answer.json);
    }
    let rows = rows(&site).await;
    let by_pixel = rows.iter().filter(|row| row["pixelId"] == json!(pixel)).count();
    assert_eq!((rows.len(), by_pixel), (7, 6));
}

#[tokio::test]
async fn a_missing_or_wrong_credential_is_401() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let unknown = "px_00000000000000000000";
    for (headers, body, reason) in [
        (vec![], page_view(), "missing"),
        (vec![("x-pixel-id", " ")], page_view(), "missing"),
        (vec![], with("pixelId", json!(7)), "missing"),
        (vec![], json!([]), "missing"),
        (vec![("x-pixel-id", unknown)], page_view(), "invalid"),
        (vec![("x-pixel-id", "../etc/passwd")], page_view(), "invalid"),
        (vec![], with("pixelId", json!(unknown)), "invalid"),
        (vec![("x-agentshield-key", "as_live_unknown")], page_view(), "invalid"),
        (vec![("x-agentshield-key", "as_live_unknown"), ("x-pixel-id", &*pixel)], page_view(), "invalid"),
        (vec![("x-agentshield-key", KEY), ("x-pixel-id", unknown)], page_view(), "invalid"),
        (vec![("x-agentshield-key", KEY)], with("pixelId", json!(unknown)), "invalid"),
    ] {
        site.server.advance(1_000);
        let answer = post(&site, PATH, &headers, &body).await;
        assert_error(&answer, 401, "UNAUTHORIZED");
        assert_eq!(answer.json["error"]["details"], json!({ "reason": reason }), "{headers:?} {body}");
        assert!(answer.header("www-authenticate").starts_with("AgentShield"));
    }
    let request = Request::builder().method("POST").uri(PATH).header("x-pixel-id", &b"px_\xff\xfe"[..]);
    let answer = site.server.send(request.body(Body::from(page_view().to_string())).unwrap()).await;
    assert_error(&answer, 401, "UNAUTHORIZED");
    assert!(stored(&site).await.is_empty());
}

#[tokio::test]
async fn a_sender_that_may_not_send_is_403() {
    let site = Site::start().await;
    let app = &site.server.app;
    let disabled = pixel_with(&site, |settings| settings.enabled = false).await;
    let closed =
        pixel_with(&site, |settings| settings.allowed_domains = vec!["example.com".to_owned()]).await;
    let foreign = foreign_pixel(&site).await;
    let own = pixel(&site).await;
    let new = NewKey { project_id: site.project, ..NewKey::default() };
    let reader = site.key(NewKey { scopes: Some(vec![Scope::Read, Scope::Detect]), ..new.clone() }).await;
    let sibling = NewProject { account_id: site.account, ..NewProject::default() };
    let sibling = directory::create_project(app, sibling).await.unwrap().id;
    let narrow =
        site.key(NewKey { project_id: sibling, projects: Some(vec![sibling]), ..NewKey::default() }).await;
    for (headers, body, reason) in [
        (vec![("x-pixel-id", &*disabled)], page_view(), "pixel_inactive"),
        (vec![("x-agentshield-key", KEY), ("x-pixel-id", &*disabled)], page_view(), "pixel_inactive"),
        (vec![("x-pixel-id", &*closed), ("origin", "https://example.net")], page_view(), "origin"),
        (vec![("x-pixel-id", &*closed), ("origin", "null")], page_view(), "origin"),
        (vec![("origin", "https://badexample.com")], with("pixelId", json!(closed)), "origin"),
        (vec![("x-agentshield-key", &*reader)], page_view(), "scope"),
        (vec![("x-agentshield-key", KEY), ("x-pixel-id", &*foreign)], page_view(), "project"),
        (vec![("x-agentshield-key", KEY)], with("pixelId", json!(foreign)), "project"),
        (vec![("x-agentshield-key", &*narrow), ("x-pixel-id", &*own)], page_view(), "project"),
    ] {
        let answer = post(&site, PATH, &headers, &body).await;
        assert_error(&answer, 403, "FORBIDDEN");
        assert_eq!(answer.json["error"]["details"], json!({ "reason": reason }), "{headers:?} {body}");
    }
    // Whose project rests takes nothing either, by pixel or by key.
    directory::change_project(app, site.project, |project| project.is_active = false).await.unwrap();
    for (headers, reason) in
        [(("x-pixel-id", &*own), "pixel_inactive"), (("x-agentshield-key", KEY), "project")]
    {
        let answer = post(&site, PATH, &[headers], &page_view()).await;
        assert_error(&answer, 403, "FORBIDDEN");
        assert_eq!(answer.json["error"]["details"]["reason"], reason);
    }
    assert!(stored(&site).await.is_empty());
}

#[tokio::test]
async fn a_project_of_another_account_is_404() {
    let site = Site::start().await;
    let headers = [("x-agentshield-key", KEY), ("x-agentshield-project", "proj_unknown")];
    assert_error(&post(&site, PATH, &headers, &page_view()).await, 404, "NOT_FOUND");
}

#[tokio::test]
async fn a_body_that_breaks_a_rule_is_400_and_names_it() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let headers = [("x-pixel-id", &*pixel)];
    for body in ["", "{", "event=page_view", &"[".repeat(60_000), "\u{0}", "{\"event\":\"a\" \"url\"}"] {
        let answer = site.server.call("POST", PATH, &headers, body.to_owned()).await;
        assert_error(&answer, 400, "INVALID_REQUEST");
        assert_eq!(answer.json["error"]["details"], json!({ "field": "body", "reason": "body_not_json" }));
    }
    let answer = site.server.call("POST", PATH, &headers, b"{\"event\":\"\xff\"}".to_vec()).await;
    assert_error(&answer, 400, "INVALID_REQUEST");
    for (body, details) in [
        (json!("text"), json!({ "field": "body", "reason": "type" })),
        (with("event", json!("a b")), json!({ "field": "event", "reason": "format" })),
        (with("url", json!("/page")), json!({ "field": "url", "reason": "format" })),
        (with("metadata", json!("x")), json!({ "field": "metadata", "reason": "type" })),
        (
            json!({ "url": 1 }),
            json!({ "errors": [
                { "field": "event", "reason": "required" }, { "field": "url", "reason": "type" }
            ] }),
        ),
    ] {
        let answer = post(&site, PATH, &headers, &body).await;
        assert_error(&answer, 400, "INVALID_REQUEST");
        assert_eq!(answer.json["error"]["details"], details, "{body}");
    }
    assert!(stored(&site).await.is_empty());
}

#[tokio::test]
async fn a_body_over_64_kib_is_413_wherever_the_credential_stands() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let body = with("padding", json!("a".repeat(66_000)));
    let in_body = json!({ "pixelId": pixel, "padding": "a".repeat(66_000) });
    for (headers, body) in [(vec![("x-pixel-id", &*pixel)], &body), (vec![], &in_body)] {
        let answer = post(&site, PATH, &headers, body).await;
        assert_error(&answer, 413, "INVALID_REQUEST");
        assert_eq!(answer.json["error"]["details"], json!({ "reason": "body_too_large", "max": 65_536 }));
    }
    let most = with("padding", json!("a".repeat(60_000)));
    assert_eq!(post(&site, PATH, &[("x-pixel-id", &*pixel)], &most).await.status, 200);
}

#[tokio::test]
async fn another_method_is_405_with_allow() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = site.bare(method, PATH, &[("x-pixel-id", &pixel)]).await;
        assert_error(&answer, 405, "INVALID_REQUEST");
        assert!(answer.header("allow").contains("POST"), "{}", answer.header("allow"));
    }
}

#[tokio::test]
async fn a_pixel_has_a_second_of_its_own_and_shares_the_accounts_day() {
    let site = Site::of_plan("free").await;
    let (first, second) = (pixel(&site).await, pixel(&site).await);
    let send = async |id: &str| post(&site, PATH, &[("x-pixel-id", id)], &page_view()).await;
    for remaining in (0..10).rev() {
        let answer = send(&first).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-ratelimit-remaining")),
            (200, &*remaining.to_string())
        );
    }
    let refused = send(&first).await;
    assert_error(&refused, 429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(
        refused.json["error"]["details"],
        json!({ "limit": 10, "reset": START + 1, "window": "second" })
    );
    assert_eq!((refused.header("retry-after"), refused.header("access-control-allow-origin")), ("1", "*"));
    assert_eq!(send(&second).await.status, 200);
    assert_eq!(site.bare("GET", "/api/v1/detect", &[("x-agentshield-key", KEY)]).await.status, 200);

    directory::change_account(&site.server.app, site.account, |account| {
        account.plan.requests_per_day = Some(13);
    })
    .await
    .unwrap();
    site.server.advance(1_000);
    assert_eq!(send(&second).await.status, 200, "the thirteenth request of the account");
    let refused = send(&first).await;
    assert_error(&refused, 429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused.json["error"]["details"]["window"], "day");
    assert_eq!(stored(&site).await.len(), 12, "what is refused is not stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn senders_at_once_never_get_more_than_the_limit() {
    let site = Site::of_plan("free").await;
    let pixel = pixel(&site).await;
    let headers = [("x-pixel-id", &*pixel)];
    let event = page_view();
    let answers = join_all((0..60).map(|_| post(&site, PATH, &headers, &event))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 10);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 50);
    assert_eq!(stored(&site).await.len(), 10);
}

#[tokio::test]
async fn unknown_senders_have_the_window_of_their_address() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    for number in 0..10 {
        let body = if number % 2 == 0 { page_view() } else { with("pixelId", json!("px_unknown")) };
        assert_error(&post(&site, PATH, &[], &body).await, 401, "UNAUTHORIZED");
    }
    assert_error(&post(&site, PATH, &[], &page_view()).await, 429, "RATE_LIMIT_EXCEEDED");
    let known = post(&site, PATH, &[("x-pixel-id", &*pixel)], &page_view()).await;
    assert_eq!(known.status, 200, "who has a pixel is not held up");
}

#[tokio::test]
async fn the_same_id_of_a_pixel_within_a_day_is_one_event() {
    let site = Site::start().await;
    let (first, second) = (pixel(&site).await, pixel(&site).await);
    // Characters are counted, not bytes.
    let event = with("id", json!("é".repeat(64)));
    let send = async |headers: &[(&str, &str)]| {
        let answer = post(&site, PATH, headers, &event).await;
        assert_eq!(answer.status, 200);
        answer.json["eventId"].as_str().unwrap().to_owned()
    };
    let id = send(&[("x-pixel-id", &first)]).await;
    assert_eq!(send(&[("x-pixel-id", &first)]).await, id);
    assert_ne!(send(&[("x-pixel-id", &second)]).await, id, "another pixel's ids are its own");
    assert_ne!(send(&[("x-agentshield-key", KEY)]).await, id);
    assert_eq!(stored(&site).await.len(), 3);
    site.server.advance(86_400_000);
    assert_ne!(send(&[("x-pixel-id", &first)]).await, id, "a day later it is another event");
    assert_eq!(stored(&site).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_event_sent_at_once_is_stored_once() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let headers = [("x-pixel-id", &*pixel)];
    let event = with("id", json!("once"));
    let answers = join_all((0..20).map(|_| post(&site, PATH, &headers, &event))).await;
    let ids: std::collections::HashSet<_> =
        answers.iter().map(|answer| answer.json["eventId"].to_string()).collect();
    assert_eq!((ids.len(), stored(&site).await.len()), (1, 1));
}

#[tokio::test]
async fn an_event_lost_by_a_fault_can_be_sent_again() {
    let database = Moody::new();
    let site = Site::on(Server::on(database.clone(), |_| {}).await, "enterprise").await;
    let pixel = pixel(&site).await;
    let event = with("id", json!("again"));
    let headers = [("x-pixel-id", &*pixel)];
    database.has_no_events(true);
    assert_error(&post(&site, PATH, &headers, &event).await, 500, "INTERNAL_ERROR");
    database.has_no_events(false);
    // Its id is known since the first try; the event itself is not, and must not count as stored.
    assert_eq!(post(&site, PATH, &headers, &event).await.status, 200);
    assert_eq!(stored(&site).await.len(), 1);
}

#[tokio::test]
async fn storage_that_is_down_is_500_and_never_a_false_receipt() {
    let database = Moody::new();
    let site = Site::on(Server::on(database.clone(), |_| {}).await, "enterprise").await;
    let pixel = pixel(&site).await;
    database.is_down(true);
    for headers in [[("x-pixel-id", &*pixel)], [("x-agentshield-key", KEY)]] {
        let answer = post(&site, PATH, &headers, &page_view()).await;
        assert_error(&answer, 500, "INTERNAL_ERROR");
        assert!(answer.json["error"]["details"]["requestId"].is_string());
    }
}

#[tokio::test]
async fn a_server_is_classified_only_by_what_it_says_of_the_visitor() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let pixel = pixel(&site).await;
    let key = NewKey {
        project_id: site.project,
        key: Some(format!("as_test_{}", "a".repeat(32))),
        ..NewKey::default()
    };
    let test_key = site.key(key).await;
    let server = [("x-agentshield-key", KEY), ("user-agent", "curl/8.5.0")];
    let context = json!({ "userAgent": "GPTBot/1.2", "ip": "203.0.113.7" });
    assert_eq!(post(&site, PATH, &server, &page_view()).await.status, 200);
    assert_eq!(post(&site, PATH, &server, &with("context", context.clone())).await.status, 200);
    let test = [("x-agentshield-key", &*test_key)];
    assert_eq!(post(&site, PATH, &test, &with("context", context.clone())).await.status, 200);
    // What a page says about a visitor is not believed: the request speaks for itself.
    let visitor = [("x-pixel-id", &*pixel), ("user-agent", "curl/8.5.0")];
    assert_eq!(post(&site, PATH, &visitor, &with("context", context)).await.status, 200);
    let found = detections(&site, 3).await;
    let mut seen: Vec<_> = found
        .iter()
        .map(|row| (row["userAgent"].as_str().unwrap(), row["ip"].as_str().unwrap(), row["test"] == true))
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("GPTBot/1.2", "203.0.113.7", false),
            ("GPTBot/1.2", "203.0.113.7", true),
            ("curl/8.5.0", "127.0.0.1", false)
        ]
    );
    assert_eq!(rows(&site).await.iter().filter(|row| row["test"] == true).count(), 1);
}

#[tokio::test]
async fn forwarded_addresses_count_only_from_a_trusted_proxy() {
    for (is_trusted, ip) in [(false, "127.0.0.1"), (true, "203.0.113.7")] {
        let site = Site::with(|config| {
            if is_trusted {
                config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
            }
        })
        .await;
        jobs::start(&site.server.app);
        let pixel = pixel(&site).await;
        let headers = [("x-pixel-id", &*pixel), ("x-forwarded-for", "203.0.113.7")];
        post(&site, PATH, &headers, &page_view()).await;
        assert_eq!(detections(&site, 1).await[0]["ip"], ip);
    }
}

#[tokio::test]
async fn nothing_secret_is_stored() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let pixel = pixel(&site).await;
    let headers = [("x-pixel-id", &*pixel), ("cookie", "secret"), ("proxy-authorization", "secret")];
    let body = json!({
        "event": "page_view", "url": "https://ada:secret@example.com/a?token=secret#secret",
        "referrer": "https://ada:secret@example.com/b?token=secret#secret"
    });
    assert_eq!(post(&site, PATH, &headers, &body).await.status, 200);
    let row = rows(&site).await.remove(0);
    assert_eq!(
        (&row["url"], &row["referrer"]),
        (&json!("https://example.com/a"), &json!("https://example.com/b"))
    );
    let detection = detections(&site, 1).await.remove(0);
    assert!(!format!("{row}{detection}").contains("secret"), "{row} {detection}");
    assert_eq!(row["detectionId"].as_str().map(|id| &id[..4]), Some("det_"));

    directory::change_project(&site.server.app, site.project, |project| project.detection.keep_query = true)
        .await
        .unwrap();
    post(&site, PATH, &headers, &json!({ "event": "a", "url": "https://example.com/a?b=c#d" })).await;
    assert!(rows(&site).await.iter().any(|row| row["url"] == "https://example.com/a?b=c"));
}

#[tokio::test]
async fn a_visitor_who_asks_not_to_be_tracked_is_only_counted() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let (heeds, ignores) =
        (pixel(&site).await, pixel_with(&site, |settings| settings.respect_do_not_track = false).await);
    for (pixel, wish, stored) in [
        (&heeds, ("dnt", "1"), false),
        (&heeds, ("sec-gpc", "1"), false),
        (&heeds, ("dnt", "0"), true),
        (&ignores, ("dnt", "1"), true),
    ] {
        let before = rows(&site).await.len();
        let answer = post(&site, PATH, &[("x-pixel-id", pixel), wish], &page_view()).await;
        assert_eq!((answer.status.as_u16(), &answer.json["success"]), (200, &json!(true)));
        assert_eq!(rows(&site).await.len() - before, usize::from(stored), "{wish:?}");
    }
    assert_eq!(detections(&site, 2).await.len(), 2);
    // A bad event is a bad event all the same.
    let answer = post(&site, PATH, &[("x-pixel-id", &*heeds), ("dnt", "1")], &json!({})).await;
    assert_error(&answer, 400, "INVALID_REQUEST");
}

#[tokio::test]
async fn events_are_stored_though_detection_is_off() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    directory::change_project(&site.server.app, site.project, |project| project.detection.is_enabled = false)
        .await
        .unwrap();
    assert_eq!(post(&site, PATH, &[("x-pixel-id", &*pixel)], &page_view()).await.status, 200);
    assert!(rows(&site).await[0].get("detectionId").is_none());
}

#[tokio::test]
async fn a_persons_browser_that_reports_is_a_person() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let pixel = pixel(&site).await;
    let headers = [
        ("x-pixel-id", &*pixel),
        ("user-agent", FIREFOX),
        ("accept", "*/*"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br"),
        ("origin", "https://example.com"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-site", "cross-site"),
    ];
    assert_eq!(post(&site, PATH, &headers, &page_view()).await.status, 200);
    site.server.advance(1_000);
    let automated = with("client", json!({ "webdriver": true }));
    assert_eq!(post(&site, PATH, &headers, &automated).await.status, 200);
    let found = detections(&site, 2).await;
    assert_eq!((&found[0]["isBot"], &found[0]["botType"]), (&json!(false), &json!("human")));
    assert_eq!((&found[1]["isBot"], &found[1]["botType"]), (&json!(true), &json!("automation")));
}

#[tokio::test]
async fn a_preflight_tells_what_pages_may_do() {
    let site = Site::start().await;
    let closed =
        pixel_with(&site, |settings| settings.allowed_domains = vec!["example.com".to_owned()]).await;
    let open = pixel(&site).await;
    for path in [PATH, "/api/v1/batch"] {
        for (query, origin, allowed) in [
            (String::new(), "https://example.com", "*"),
            (format!("?id={open}"), "https://example.com", "*"),
            (format!("?id={closed}"), "https://shop.example.com:8443", "https://shop.example.com:8443"),
            (format!("?id={closed}"), "https://example.net", ""),
        ] {
            let headers = [("origin", origin), ("access-control-request-method", "POST")];
            let answer = site.bare("OPTIONS", &format!("{path}{query}"), &headers).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
            assert_eq!(answer.header("access-control-allow-origin"), allowed, "{query} {origin}");
            assert_eq!(answer.header("access-control-allow-methods"), "POST, OPTIONS");
            assert_eq!(answer.header("access-control-allow-headers"), "Content-Type, X-Pixel-ID");
            assert_eq!(answer.header("access-control-max-age"), "86400");
            assert_eq!(answer.header("vary").contains("Origin"), query.contains(&*closed));
            assert_limits(&answer);
        }
    }
}

#[tokio::test]
async fn preflights_cost_nothing_but_guesses_do() {
    let site = Site::of_plan("free").await;
    let pixel = pixel(&site).await;
    for _ in 0..20 {
        assert_eq!(site.bare("OPTIONS", PATH, &[]).await.status, 204);
        assert_eq!(site.bare("OPTIONS", &format!("{PATH}?id={pixel}"), &[]).await.status, 204);
    }
    let guess = format!("{PATH}?id=px_00000000000000000000");
    for _ in 0..10 {
        assert_eq!(site.bare("OPTIONS", &guess, &[]).await.status, 204);
    }
    assert_error(&site.bare("OPTIONS", &guess, &[]).await, 429, "RATE_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn pages_may_read_answers_to_pixels_and_never_answers_to_keys() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let closed =
        pixel_with(&site, |settings| settings.allowed_domains = vec!["example.com".to_owned()]).await;
    let origin = ("origin", "https://example.com");
    let exposed = "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset";
    for (headers, body, allowed) in [
        (vec![("x-pixel-id", &*pixel), origin], page_view(), "*"),
        (vec![("x-pixel-id", &*pixel), origin], json!({}), "*"),
        (vec![origin], with("pixelId", json!(pixel)), "*"),
        (vec![("x-pixel-id", &*closed), origin], page_view(), "https://example.com"),
        (vec![("x-pixel-id", &*closed), ("origin", "https://example.net")], page_view(), ""),
        (vec![("x-agentshield-key", KEY), origin], page_view(), ""),
        (vec![("x-agentshield-key", "as_live_unknown"), origin], page_view(), ""),
        (vec![("authorization", "Bearer as_live_unknown"), origin], page_view(), ""),
        (vec![("x-agentshield-key", KEY), ("x-pixel-id", &*pixel), origin], page_view(), ""),
    ] {
        let answer = post(&site, PATH, &headers, &body).await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed, "{headers:?}");
        let is_readable = !allowed.is_empty();
        assert_eq!(answer.header("access-control-expose-headers"), if is_readable { exposed } else { "" });
        assert_eq!(answer.header("set-cookie"), "");
    }
}
