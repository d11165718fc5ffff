//! The script of a pixel; what it does is tested in a browser.

use quivive_server::tenant::{directory, pixel as pixels};
use serde_json::{Value, json};

use super::site::{Site, assert_error, assert_limits};
use super::tracked::{pixel, pixel_with};
use crate::botect::faults::Moody;
use crate::support::{Answer, Server};

async fn load(site: &Site, query: &str) -> Answer {
    site.bare("GET", &format!("/api/v1/pixel.js{query}"), &[]).await
}

/// The settings at the end of the script.
fn settings(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{:?}", answer.json);
    let script = String::from_utf8(answer.body.clone()).unwrap();
    let (_, told) = script.rsplit_once("})(").unwrap();
    serde_json::from_str(told.trim_end().strip_suffix(");").unwrap()).unwrap()
}

#[tokio::test]
async fn the_script_carries_the_pixels_settings_and_no_more() {
    let site = Site::start().await;
    let pixel = pixel_with(&site, |settings| {
        settings.allowed_domains = vec!["example.com".to_owned()];
        settings.skip_paths = vec!["/private/*".to_owned()];
    })
    .await;
    let answer = load(&site, &format!("?id={pixel}")).await;
    assert_eq!(
        settings(&answer),
        json!({
            "pixelId": pixel, "endpoint": null, "enabled": true, "skipPaths": ["/private/*"], "batchSize": 10,
            "flushInterval": 5000, "sessionTimeout": 1_800_000, "respectDoNotTrack": true,
            "enableFingerprinting": true, "debug": false
        })
    );
    assert_limits(&answer);
    for (name, value) in [
        ("x-agentshield-pixel", "ok"),
        ("content-type", "text/javascript; charset=utf-8"),
        ("cache-control", "public, max-age=300"),
        ("access-control-allow-origin", "*"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("x-content-type-options", "nosniff"),
        ("set-cookie", ""),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert!(answer.body.len() < 9_000, "{} bytes", answer.body.len());
}

#[tokio::test]
async fn a_browser_that_has_the_script_gets_304() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let path = format!("/api/v1/pixel.js?id={pixel}");
    let tag = site.bare("GET", &path, &[]).await.header("etag").to_owned();
    let again = site.bare("GET", &path, &[("if-none-match", &tag)]).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    let project = site.project;
    pixels::change(&site.server.app, project, &pixel, |settings| settings.debug = true).await.unwrap();
    assert_eq!(site.bare("GET", &path, &[("if-none-match", &tag)]).await.status, 200, "other settings");
}

#[tokio::test]
async fn the_names_of_the_family_are_taken() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let query = format!(
        "?project_id={pixel}&api_endpoint=https%3A%2F%2Fedge.example.com%2Fapi%2Fv1&debug=true&session_timeout=60000\
         &respect_dnt=false&batch_size=100&flush_interval=100&enable_fingerprinting=0"
    );
    assert_eq!(
        settings(&load(&site, &query).await),
        json!({
            "pixelId": pixel, "endpoint": "https://edge.example.com/api/v1", "enabled": true, "skipPaths": [],
            "batchSize": 100, "flushInterval": 100, "sessionTimeout": 60_000, "respectDoNotTrack": false,
            "enableFingerprinting": false, "debug": true
        })
    );
}

#[tokio::test]
async fn parameters_out_of_bounds_are_400() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    for (parameter, field, reason) in [
        ("batch_size=0", "batch_size", "out_of_range"),
        ("batch_size=101", "batch_size", "out_of_range"),
        ("batch_size=ten", "batch_size", "type"),
        ("flush_interval=99", "flush_interval", "out_of_range"),
        ("flush_interval=-1", "flush_interval", "type"),
        ("session_timeout=86400001", "session_timeout", "out_of_range"),
        ("respect_dnt=maybe", "respect_dnt", "type"),
        ("debug=", "debug", "type"),
        ("api_endpoint=javascript:alert(1)", "api_endpoint", "format"),
        ("api_endpoint=/api", "api_endpoint", "format"),
    ] {
        let answer = load(&site, &format!("?id={pixel}&{parameter}")).await;
        assert_error(&answer, 400, "INVALID_REQUEST");
        let details = &answer.json["error"]["details"];
        assert_eq!((&details["field"], &details["reason"]), (&json!(field), &json!(reason)), "{parameter}");
    }
}

#[tokio::test]
async fn what_pages_write_into_the_address_stays_text() {
    let site = Site::start().await;
    let pixel = pixel(&site).await;
    let answer =
        load(&site, &format!("?id={pixel}&api_endpoint=https://a.example/%22%7D);alert(1)//%0A")).await;
    assert_eq!(settings(&answer)["endpoint"], "https://a.example/\"});alert(1)//\n");
}

#[tokio::test]
async fn an_unknown_pixel_is_404_and_one_at_rest_is_told_to_do_nothing() {
    let site = Site::of_plan("free").await;
    let resting = pixel_with(&site, |settings| settings.enabled = false).await;
    for query in ["", "?id=", "?id=px_unknown", "?project_id=proj_1"] {
        let answer = load(&site, query).await;
        assert_error(&answer, 404, "NOT_FOUND");
        assert_eq!(answer.json["error"]["details"], json!({ "resource": "pixel" }));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
    for _ in 0..20 {
        assert_eq!(
            settings(&load(&site, &format!("?id={resting}")).await)["enabled"],
            false,
            "costs nothing"
        );
    }
    for _ in 0..6 {
        load(&site, "?id=px_unknown").await;
    }
    assert_error(&load(&site, "?id=px_unknown").await, 429, "RATE_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn other_methods_are_405_and_a_fault_is_500() {
    let database = Moody::new();
    let site = Site::on(Server::on(database.clone(), |_| {}).await, "free").await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = site.bare(method, "/api/v1/pixel.js", &[]).await;
        assert_error(&answer, 405, "INVALID_REQUEST");
    }
    assert_eq!(site.bare("OPTIONS", "/api/v1/pixel.js", &[]).await.status, 204);
    database.is_down(true);
    assert_error(&load(&site, "?id=px_00000000000000000000").await, 500, "INTERNAL_ERROR");
}

#[tokio::test]
async fn the_script_of_an_inactive_pixel_or_project_says_so_and_tells_no_setting() {
    let site = Site::start().await;
    let change = |settings: &mut pixels::PixelSettings| {
        settings.skip_paths = vec!["/private/*".to_owned()];
        settings.batch_size = 3;
    };
    let own = pixel_with(&site, change).await;
    let off = pixel_with(&site, |settings| {
        change(settings);
        settings.enabled = false;
    })
    .await;
    let silent = |pixel: &str| {
        json!({
            "pixelId": pixel, "endpoint": null, "enabled": false, "skipPaths": [], "batchSize": 10,
            "flushInterval": 5000, "sessionTimeout": 1_800_000, "respectDoNotTrack": true,
            "enableFingerprinting": true, "debug": false
        })
    };
    let answer = load(&site, &format!("?id={off}")).await;
    assert_eq!((answer.header("x-agentshield-pixel"), settings(&answer)), ("inactive", silent(&off)));
    let path = format!("/api/v1/pixel.js?id={own}");
    let tag = site.bare("GET", &path, &[]).await.header("etag").to_owned();
    directory::change_project(&site.server.app, site.project, |project| project.is_active = false)
        .await
        .unwrap();
    // What a browser has from before is not what it gets now.
    let answer = site.bare("GET", &path, &[("if-none-match", &tag)]).await;
    assert_eq!((answer.header("x-agentshield-pixel"), settings(&answer)), ("inactive", silent(&own)));
    let again = [("if-none-match", answer.header("etag"))];
    let answer = site.bare("GET", &path, &again).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-agentshield-pixel")), (304, "inactive"));
}
