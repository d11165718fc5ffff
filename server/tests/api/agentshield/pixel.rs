//! The image.

use axum::body::Body;
use axum::http::Request;
use futures::future::join_all;
use quivive_core::{Timestamp, encoding};
use quivive_server::jobs;
use quivive_server::tenant::directory;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::site::{KEY, Site, assert_error, assert_limits};
use super::tracked::{detections, pixel, pixel_with, rows, stored};
use crate::botect::faults::Moody;
use crate::support::{Answer, START, Server};

async fn look(site: &Site, query: &str, headers: &[(&str, &str)]) -> Answer {
    site.bare("GET", &format!("/api/v1/pixel{query}"), headers).await
}

/// The image, its headers, and what became of the report.
fn assert_image(answer: &Answer, outcome: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("x-agentshield-pixel")), (200, outcome));
    assert_eq!(
        encoding::hex(&Sha256::digest(&answer.body)),
        "693d949d8c3fdc7fd4ace7c340b5f177a9f0c5be7bafee8bc93a7d88b7523d75"
    );
    assert_eq!(answer.body.len(), 43);
    for (name, value) in [
        ("content-type", "image/gif"),
        ("content-length", "43"),
        ("cache-control", "no-store, no-cache, must-revalidate, max-age=0, private"),
        ("pragma", "no-cache"),
        ("expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("access-control-allow-origin", "*"),
        ("timing-allow-origin", "*"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    for absent in ["set-cookie", "etag", "last-modified", "www-authenticate"] {
        assert!(!answer.headers.contains_key(absent), "{absent}");
    }
    assert!(!answer.header("x-request-id").is_empty());
    assert_limits(answer);
}

#[tokio::test]
async fn a_page_view_is_recorded_with_its_visitor() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let pixel = pixel(&site).await;
    let query = format!(
        "?id={pixel}&u=https%3A%2F%2Fexample.com%2Fpage%3Fa%3Db&r=https%3A%2F%2Fexample.net%2F&t={}&s=visit-1",
        (START - 60) * 1_000
    );
    let answer = look(&site, &query, &[("user-agent", "curl/8.5.0")]).await;
    assert_image(&answer, "ok");
    assert_eq!(stored(&site).await[0].at, Timestamp::from_seconds(START - 60));
    let row = rows(&site).await.remove(0);
    assert_eq!((&row["event"], &row["url"]), (&json!("page_view"), &json!("https://example.com/page")));
    assert_eq!((&row["referrer"], &row["sessionId"]), (&json!("https://example.net/"), &json!("visit-1")));
    let detection = detections(&site, 1).await.remove(0);
    assert_eq!((&detection["source"], &detection["botType"]), (&json!("pixel"), &json!("automation")));
    assert_eq!(detection["url"], "https://example.com/page");
}

#[tokio::test]
async fn the_image_comes_whatever_is_asked() {
    let site = Site::start().await;
    let own = pixel(&site).await;
    let disabled = pixel_with(&site, |settings| settings.enabled = false).await;
    let long = "a".repeat(8_193);
    for (query, outcome) in [
        (format!("?id={own}"), "ok"),
        (format!("?id={own}&e=signup&unknown=1&id=px_other"), "ok"),
        (format!("?id={own}&t=1234567890"), "ok"),
        (format!("?id={own}&t=0.123"), "ok"),
        (String::new(), "invalid"),
        ("?id=".to_owned(), "invalid"),
        ("?id=px_unknown".to_owned(), "unknown"),
        ("?id=px_00000000000000000000".to_owned(), "unknown"),
        ("?id=%00%ff%27%3B--".to_owned(), "unknown"),
        (format!("?id={disabled}"), "inactive"),
        (format!("?id={own}&u=/page"), "invalid"),
        (format!("?id={own}&u=javascript:alert(1)"), "invalid"),
        (format!("?id={own}&u=https://example.com/{long}"), "invalid"),
        (format!("?id={own}&r={long}"), "invalid"),
        (format!("?id={own}&t=yesterday"), "invalid"),
        (format!("?id={own}&t=NaN"), "invalid"),
        (format!("?id={own}&t=inf"), "invalid"),
        (format!("?id={own}&e=a%20b"), "invalid"),
        (format!("?id={own}&s={}", "a".repeat(257)), "invalid"),
    ] {
        site.server.advance(1_000);
        assert_image(&look(&site, &query, &[]).await, outcome);
    }
    assert_eq!(stored(&site).await.len(), 4);
    directory::change_project(&site.server.app, site.project, |project| project.is_active = false)
        .await
        .unwrap();
    assert_image(&look(&site, &format!("?id={own}"), &[]).await, "inactive");
}

#[tokio::test]
async fn headers_of_any_bytes_do_no_harm() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let bytes: Vec<u8> = (0x80..=0xff).chain(0x21..=0x7e).collect();
    let mut request = Request::builder().uri(format!("/api/v1/pixel?id={pixel}"));
    for name in
        ["referer", "user-agent", "accept-language", "x-pixel-id", "x-agentshield-key", "dnt", "x-odd"]
    {
        request = request.header(name, &bytes[..]);
    }
    for number in 0..190 {
        request = request.header(format!("x-{number}"), "a");
    }
    assert_image(&site.server.send(request.body(Body::empty()).unwrap()).await, "ok");
    let long = "a".repeat(65_536);
    assert_image(&look(&site, &format!("?id={pixel}"), &[("user-agent", &long)]).await, "ok");
}

#[tokio::test]
async fn the_page_is_known_by_its_referer_when_no_parameter_names_it() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    look(&site, &format!("?id={pixel}"), &[("referer", "https://example.com/from-header?a=b")]).await;
    look(&site, &format!("?id={pixel}"), &[("referer", "about:blank")]).await;
    let mut urls: Vec<_> = rows(&site).await.iter().map(|row| row["url"].to_string()).collect();
    urls.sort();
    assert_eq!(urls, ["\"\"", "\"https://example.com/from-header\""]);
}

#[tokio::test]
async fn no_header_but_the_query_names_the_pixel() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    for headers in [vec![("x-pixel-id", &*pixel)], vec![("x-agentshield-key", KEY)]] {
        assert_image(&look(&site, "", &headers).await, "invalid");
    }
    let wrong_key = [("x-agentshield-key", "as_live_unknown")];
    assert_image(&look(&site, &format!("?id={pixel}"), &wrong_key).await, "ok");
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let answer = site.bare("HEAD", &format!("/api/v1/pixel?id={pixel}"), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    assert_eq!((answer.header("content-length"), answer.header("x-agentshield-pixel")), ("43", "ok"));
    assert_limits(&answer);
}

#[tokio::test]
async fn other_methods_are_405_and_a_preflight_is_answered() {
    let site = Site::start().await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = site.bare(method, "/api/v1/pixel", &[]).await;
        assert_error(&answer, 405, "INVALID_REQUEST");
        assert!(answer.header("allow").contains("GET") && answer.header("allow").contains("HEAD"));
    }
    let answer = site.bare("OPTIONS", "/api/v1/pixel", &[("origin", "https://example.com")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (204, "*"));
}

#[tokio::test]
async fn a_full_window_limits_the_report_and_not_the_image() {
    let site = Site::of_plan("free").await;
    let pixel = pixel(&site).await;
    let query = format!("?id={pixel}");
    for remaining in (0..10).rev() {
        let answer = look(&site, &query, &[]).await;
        assert_image(&answer, "ok");
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining.to_string());
    }
    let answer = look(&site, &query, &[]).await;
    assert_image(&answer, "limited");
    assert_eq!((answer.header("x-ratelimit-remaining"), answer.header("x-ratelimit-limit")), ("0", "10"));
    site.server.advance(1_000);
    for _ in 0..10 {
        assert_image(&look(&site, "?id=px_unknown", &[]).await, "unknown");
    }
    assert_image(&look(&site, "?id=px_unknown", &[]).await, "limited");
    assert_eq!(stored(&site).await.len(), 10, "what is limited is not recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pages_at_once_never_get_more_than_the_limit() {
    let site = Site::of_plan("free").await;
    let query = format!("?id={}", pixel(&site).await);
    let answers = join_all((0..60).map(|_| look(&site, &query, &[]))).await;
    let of = |outcome: &str| {
        answers.iter().filter(|answer| answer.header("x-agentshield-pixel") == outcome).count()
    };
    assert_eq!((of("ok"), of("limited")), (10, 50));
    assert_eq!(stored(&site).await.len(), 10);
}

#[tokio::test]
async fn a_visitor_who_asks_not_to_be_tracked_is_only_counted() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let heeds = pixel(&site).await;
    let ignores = pixel_with(&site, |settings| settings.respect_do_not_track = false).await;
    for wish in [("dnt", "1"), ("sec-gpc", "1")] {
        assert_image(&look(&site, &format!("?id={heeds}"), &[wish]).await, "dnt");
    }
    assert!(stored(&site).await.is_empty());
    assert_image(&look(&site, &format!("?id={ignores}"), &[("dnt", "1")]).await, "ok");
    assert_image(&look(&site, &format!("?id={heeds}"), &[("dnt", "0")]).await, "ok");
    assert_eq!((stored(&site).await.len(), detections(&site, 2).await.len()), (2, 2));
    let count =
        async |id: &str| quivive_server::tenant::pixel::untracked_today(&site.server.app, id).await.unwrap();
    assert_eq!((count(&heeds).await, count(&ignores).await), (2, 0));
    site.server.advance(86_400_000);
    assert_eq!(count(&heeds).await, 0, "of today");
}

#[tokio::test]
async fn storage_that_is_down_or_slow_never_holds_a_page_up() {
    let database = Moody::new();
    let site = Site::on(Server::on(database.clone(), |_| {}).await, "free").await;
    let query = format!("?id={}", pixel(&site).await);
    assert_image(&look(&site, &query, &[]).await, "ok");
    database.has_no_events(true);
    assert_image(&look(&site, &query, &[]).await, "error");
    database.is_down(true);
    assert_image(&look(&site, "?id=px_11111111111111111111", &[]).await, "error");
    database.is_slow(true);
    let began = std::time::Instant::now();
    assert_image(&look(&site, "?id=px_11111111111111111111", &[]).await, "error");
    assert!(began.elapsed().as_millis() < 3_000);
}
