//! Pixels are public: what strangers send by them costs nobody else, and no work before there is room for it.

use axum::body::{Body, Bytes};
use axum::http::Request;
use futures::stream;
use quivive_server::config::Config;
use quivive_server::tenant::detection_key::{NewKey, Scope};
use quivive_server::tenant::{Account, directory};
use serde_json::json;

use super::site::{KEY, Site, assert_error, assert_limits};
use super::tracked::{page_view, pixel, pixel_with, post, rows, stored};
use crate::botect::faults::Moody;
use crate::support::{Answer, START, Server};

/// What became of a request for the image.
async fn image(site: &Site, query: &str, headers: &[(&str, &str)]) -> String {
    let answer = site.bare("GET", &format!("/api/v1/pixel?{query}"), headers).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 43));
    assert_limits(&answer);
    answer.header("x-agentshield-pixel").to_owned()
}

async fn behind_a_proxy() -> Site {
    Site::with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await
}

#[tokio::test]
async fn a_visitor_has_a_window_by_address() {
    let site = behind_a_proxy().await;
    let own = pixel(&site).await;
    let query = format!("id={own}");
    for (address, neighbour, other) in [
        ("198.51.100.1", "198.51.100.1", "198.51.100.2"),
        ("2001:db8::1", "2001:db8::ff:9", "2001:db8:0:1::1"),
    ] {
        site.server.advance(1_000);
        for _ in 0..20 {
            assert_eq!(image(&site, &query, &[("x-forwarded-for", address)]).await, "ok");
        }
        assert_eq!(image(&site, &query, &[("x-forwarded-for", neighbour)]).await, "limited", "{neighbour}");
        assert_eq!(image(&site, &query, &[("x-forwarded-for", other)]).await, "ok", "{other}");
        let headers = [("x-pixel-id", &*own), ("x-forwarded-for", address)];
        for path in ["/api/v1/event", "/api/v1/batch"] {
            let refused = post(&site, path, &headers, &page_view()).await;
            assert_error(&refused, 429, "RATE_LIMIT_EXCEEDED");
            let seconds = site.server.app.now().seconds();
            assert_eq!(
                refused.json["error"]["details"],
                json!({ "limit": 20, "reset": seconds + 1, "window": "second" })
            );
            assert_eq!((refused.header("retry-after"), refused.header("x-ratelimit-limit")), ("1", "20"));
            assert_eq!(refused.header("access-control-allow-origin"), "*", "a page may read why");
        }
        let by_key = [("x-agentshield-key", KEY), ("x-forwarded-for", address)];
        assert_eq!(post(&site, "/api/v1/event", &by_key, &page_view()).await.status, 200, "a server is none");
    }
    assert_eq!(stored(&site).await.len(), 44, "what is limited is not recorded");
}

/// Sets the requests of a day of the account's plan.
async fn grant(site: &Site, per_day: i64) {
    let change = |account: &mut Account| account.plan.requests_per_day = Some(per_day);
    directory::change_account(&site.server.app, site.account, change).await.unwrap();
}

#[tokio::test]
async fn a_flood_on_pixels_leaves_a_tenth_of_the_day_to_the_keys() {
    let site = behind_a_proxy().await;
    let (flooded, other) = (pixel(&site).await, pixel(&site).await);
    grant(&site, 20).await;
    for number in 0..30 {
        let (id, address) = (if number < 12 { &flooded } else { &other }, format!("198.51.100.{number}"));
        let outcome = image(&site, &format!("id={id}"), &[("x-forwarded-for", &address)]).await;
        assert_eq!(outcome, if number < 18 { "ok" } else { "limited" }, "{number}");
        site.server.advance(100);
    }
    let refused = post(&site, "/api/v1/event", &[("x-pixel-id", &*flooded)], &page_view()).await;
    assert_error(&refused, 429, "RATE_LIMIT_EXCEEDED");
    let midnight = START.div_euclid(86_400) * 86_400 + 86_400;
    assert_eq!(refused.json["error"]["details"], json!({ "limit": 18, "reset": midnight, "window": "day" }));
    for remaining in ["1", "0"] {
        let by_key = site.bare("GET", "/api/v1/detect", &[("x-agentshield-key", KEY)]).await;
        assert_eq!((by_key.status.as_u16(), by_key.header("x-ratelimit-remaining")), (200, remaining));
    }
    let by_key = site.bare("GET", "/api/v1/detect", &[("x-agentshield-key", KEY)]).await;
    assert_error(&by_key, 429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(stored(&site).await.len(), 18, "what is limited is not recorded");
    site.server.advance(86_400_000);
    assert_eq!(image(&site, &format!("id={flooded}"), &[]).await, "ok", "a new day");
}

#[tokio::test]
async fn one_address_has_a_tenth_of_a_day() {
    let site = behind_a_proxy().await;
    let (own, further) = (pixel(&site).await, pixel(&site).await);
    let query = format!("id={own}");
    grant(&site, 2_000).await;
    for (address, neighbour, other) in [
        ("198.51.100.1", "198.51.100.1", "198.51.100.2"),
        ("2001:db8::1", "2001:db8::ff:9", "2001:db8:0:1::1"),
    ] {
        for number in 0..200 {
            if number % 20 == 0 {
                site.server.advance(1_000);
            }
            assert_eq!(image(&site, &query, &[("x-forwarded-for", address)]).await, "ok", "{number}");
        }
        site.server.advance(1_000);
        for _ in 0..5 {
            assert_eq!(image(&site, &query, &[("x-forwarded-for", neighbour)]).await, "limited");
        }
        let outcome = image(&site, &format!("id={further}"), &[("x-forwarded-for", address)]).await;
        assert_eq!(outcome, "limited", "by whatever pixel of the account");
        let headers = [("x-pixel-id", &*own), ("x-forwarded-for", address)];
        let refused = post(&site, "/api/v1/event", &headers, &page_view()).await;
        assert_error(&refused, 429, "RATE_LIMIT_EXCEEDED");
        let midnight = START.div_euclid(86_400) * 86_400 + 86_400;
        let details = json!({ "limit": 200, "reset": midnight, "window": "day" });
        assert_eq!(refused.json["error"]["details"], details);
        assert_eq!(image(&site, &query, &[("x-forwarded-for", other)]).await, "ok");
    }
    // What was refused is not counted: twice 200, and one of another address each.
    grant(&site, 403).await;
    let by_key = site.bare("GET", "/api/v1/detect", &[("x-agentshield-key", KEY)]).await;
    assert_eq!((by_key.status.as_u16(), by_key.header("x-ratelimit-remaining")), (200, "0"));
    assert_eq!(stored(&site).await.len(), 402);
}

#[tokio::test]
async fn what_is_reported_is_the_least_room_that_a_page_has() {
    let site = behind_a_proxy().await;
    let own = pixel(&site).await;
    grant(&site, 5).await;
    for remaining in ["4", "3", "2", "1", "0"] {
        let headers = [("x-pixel-id", &*own)];
        let seen = post(&site, "/api/v1/event", &headers, &page_view()).await;
        assert_eq!((seen.status.as_u16(), seen.header("x-ratelimit-remaining")), (200, remaining));
    }
    grant(&site, 20).await;
    for number in 0..12 {
        let (address, left) = (format!("198.51.100.{number}"), (12 - number).to_string());
        let headers = [("x-pixel-id", &*own), ("x-forwarded-for", &*address)];
        let seen = post(&site, "/api/v1/event", &headers, &page_view()).await;
        assert_eq!(
            (seen.status.as_u16(), seen.header("x-ratelimit-remaining")),
            (200, &*left),
            "of 18 for pages"
        );
    }
}

#[tokio::test]
async fn a_page_for_which_the_day_has_no_room_costs_no_write() {
    let database = Moody::new();
    let trusts = |config: &mut Config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let site = Site::on(Server::on(database.clone(), trusts).await, "enterprise").await;
    let own = pixel(&site).await;
    grant(&site, 10).await;
    let seen = async |number: usize| {
        let address = format!("198.51.100.{number}");
        image(&site, &format!("id={own}"), &[("x-forwarded-for", &address)]).await
    };
    for number in 0..9 {
        assert_eq!(seen(number).await, "ok");
    }
    assert_eq!(seen(9).await, "limited");
    database.asked();
    for number in 10..20 {
        assert_eq!(seen(number).await, "limited");
    }
    let asked = database.asked();
    assert_eq!(asked.iter().filter(|what| *what != "read").count(), 0, "{asked:?}");
    assert!(!asked.is_empty());
    let by_key = site.bare("GET", "/api/v1/detect", &[("x-agentshield-key", KEY)]).await;
    assert_eq!((by_key.status.as_u16(), by_key.header("x-ratelimit-remaining")), (200, "0"));
}

#[tokio::test]
async fn windows_of_visitors_can_be_lifted() {
    for change in [(|config: &mut Config| config.limits.visitor_per_second = 0) as fn(&mut _), |config| {
        config.limits.plan_requests = false
    }] {
        let site = Site::with(change).await;
        grant(&site, 200).await;
        let query = format!("id={}", pixel(&site).await);
        for _ in 0..150 {
            assert_eq!(image(&site, &query, &[]).await, "ok");
        }
    }
}

#[tokio::test]
async fn refused_pages_and_inactive_pixels_cost_the_account_nothing() {
    let site = Site::of_plan("free").await;
    directory::change_account(&site.server.app, site.account, |account| {
        account.plan.requests_per_day = Some(3);
    })
    .await
    .unwrap();
    let narrow =
        pixel_with(&site, |settings| settings.allowed_domains = vec!["example.com".to_owned()]).await;
    let off = pixel_with(&site, |settings| settings.enabled = false).await;
    for _ in 0..5 {
        site.server.advance(1_000);
        let strange = [("x-pixel-id", &*narrow), ("origin", "https://evil.example")];
        for path in ["/api/v1/event", "/api/v1/batch"] {
            let refused = post(&site, path, &strange, &page_view()).await;
            assert_error(&refused, 403, "FORBIDDEN");
            assert_eq!(refused.json["error"]["details"], json!({ "reason": "origin" }));
        }
        let refused = post(&site, "/api/v1/event", &[("x-pixel-id", &*off)], &page_view()).await;
        assert_eq!(refused.json["error"]["details"], json!({ "reason": "pixel_inactive" }));
        assert_eq!(image(&site, &format!("id={off}"), &[]).await, "inactive");
        let strange = [("referer", "https://evil.example/page")];
        assert_eq!(image(&site, &format!("id={narrow}"), &strange).await, "inactive");
    }
    site.server.advance(1_000);
    for _ in 0..3 {
        assert_eq!(image(&site, &format!("id={narrow}"), &[]).await, "ok", "the day is still there");
    }
    assert_eq!(image(&site, &format!("id={narrow}"), &[]).await, "limited");
}

#[tokio::test]
async fn the_image_heeds_the_domains_of_its_pixel() {
    let site = Site::start().await;
    let narrow =
        pixel_with(&site, |settings| settings.allowed_domains = vec!["example.com".to_owned()]).await;
    let query = format!("id={narrow}&u=https://example.com/page");
    for (header, value, outcome) in [
        ("referer", "https://example.com/", "ok"),
        ("referer", "https://shop.example.com:8443/a?b=c", "ok"),
        ("referer", "https://evil.example/?https://example.com/", "inactive"),
        ("referer", "https://example.com.evil.example/", "inactive"),
        ("referer", "https://example.com@evil.example/", "inactive"),
        ("referer", "about:blank", "inactive"),
        ("origin", "https://example.com", "ok"),
        ("origin", "https://evil.example", "inactive"),
        ("origin", "null", "inactive"),
        ("accept", "image/*", "ok"),
    ] {
        site.server.advance(1_000);
        assert_eq!(image(&site, &query, &[(header, value)]).await, outcome, "{header}: {value}");
    }
    let both = [("origin", "https://evil.example"), ("referer", "https://example.com/")];
    assert_eq!(image(&site, &query, &both).await, "inactive", "the origin is the stronger word");
    assert_eq!(stored(&site).await.len(), 4);
}

#[tokio::test]
async fn nothing_is_looked_up_or_read_for_a_visitor_without_room() {
    let database = Moody::new();
    let site = Site::on(Server::on(database.clone(), |_| {}).await, "enterprise").await;
    for _ in 0..20 {
        post(&site, "/api/v1/batch", &[], &json!({})).await;
    }
    database.asked();
    assert_eq!(image(&site, "id=px_00000000000000000000", &[]).await, "limited");
    let endless = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let request = Request::builder().method("POST").uri("/api/v1/batch").body(endless).unwrap();
    let answer = tokio::time::timeout(std::time::Duration::from_secs(5), site.server.send(request));
    assert_error(&answer.await.expect("the body was waited for"), 429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(database.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn who_names_wrong_keys_makes_no_more_look_ups() {
    let database = Moody::new();
    let site = Site::on(Server::on(database.clone(), |_| {}).await, "enterprise").await;
    let guess = async |number: usize, path: &str| -> Answer {
        let key = format!("as_live_guess{number}");
        site.bare("GET", path, &[("x-agentshield-key", &key)]).await
    };
    let accepted = site.key(NewKey { project_id: site.project, ..NewKey::default() }).await;
    assert_eq!(site.bare("GET", "/api/v1/detect", &[("x-agentshield-key", &accepted)]).await.status, 200);
    for number in 0..10 {
        assert_error(&guess(number, "/api/v1/detect").await, 401, "UNAUTHORIZED");
    }
    database.asked();
    for number in 10..30 {
        let answer = guess(number, "/api/v1/detect").await;
        assert_error(&answer, 429, "RATE_LIMIT_EXCEEDED");
        assert_eq!(answer.json["error"]["details"]["reset"], START + 1);
        let body = json!({ "event": "page_view" });
        let key = format!("as_live_guess{number}");
        let answer = post(&site, "/api/v1/event", &[("x-agentshield-key", &key)], &body).await;
        assert_error(&answer, 429, "RATE_LIMIT_EXCEEDED");
    }
    assert_eq!(database.asked(), Vec::<String>::new(), "no key was looked up");
    let answer = site.bare("GET", "/api/v1/detect", &[("x-agentshield-key", &accepted)]).await;
    assert_eq!(answer.status, 200, "a key that is known is not locked out by its neighbour's guesses");
    site.server.advance(1_000);
    assert_eq!(site.bare("GET", "/api/v1/detect", &[("x-agentshield-key", KEY)]).await.status, 200);
}

/// The key's own project is out of use; the pixel that the body names belongs to one that is in use.
#[tokio::test]
async fn a_server_s_pixel_in_the_body_says_which_project_is_meant() {
    let site = Site::start().await;
    let (retired, _) = site.further_project("Retired").await;
    let pixel = pixel(&site).await;
    let key = site.key(NewKey { project_id: retired, ..NewKey::default() }).await;
    directory::change_project(&site.server.app, retired, |project| project.is_active = false).await.unwrap();
    let mut body = page_view();
    let refused = post(&site, "/api/v1/event", &[("x-agentshield-key", &key)], &body).await;
    assert_eq!(refused.json["error"]["details"], json!({ "reason": "project" }));
    body["pixelId"] = json!(pixel);
    let taken = post(&site, "/api/v1/event", &[("x-agentshield-key", &key)], &body).await;
    assert_eq!(taken.status, 200, "{}", taken.json);
    assert_eq!(rows(&site).await[0]["pixelId"], json!(pixel));
    let batch = json!({ "pixelId": pixel, "events": [page_view()] });
    assert_eq!(post(&site, "/api/v1/batch", &[("x-agentshield-key", &key)], &batch).await.status, 200);
    let deaf = NewKey { project_id: retired, scopes: Some(vec![Scope::Read]), ..NewKey::default() };
    let deaf = site.key(deaf).await;
    let refused = post(&site, "/api/v1/event", &[("x-agentshield-key", &deaf)], &body).await;
    assert_eq!(refused.json["error"]["details"], json!({ "reason": "scope" }));
}
