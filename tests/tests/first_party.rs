//! First-party ingest from end to end: a site with the middleware, a real server behind it, and a visitor whose
//! browser only ever talks to the site.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, also in its helpers")]

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::{Html, Response};
use axum::routing::get;
use http_body_util::BodyExt;
use quivive::botect::{Context, Verdict};
use quivive_core::decision::Band;
use quivive_middleware::FirstParty;
use quivive_middleware::tower::FirstPartyLayer;
use quivive_tests::server::Server;
use serde_json::{Value, json};
use tower::ServiceExt;

// As in the server's development seed.
const SITE_KEY: &str = "pk_DemoSiteKey000000000000000000000";
const PRIVATE_KEY: &str = "sk_DemoPrivateKey00000000000000000000000000000";
const PATIENCE: Duration = Duration::from_secs(60);

struct Shop {
    app: axum::Router,
    first_party: FirstParty,
    client: quivive::Client,
}

impl Shop {
    fn new(service: &str) -> Self {
        let client = quivive::Client::builder().url(service).build().unwrap();
        let first_party = FirstParty::new(client.botect(PRIVATE_KEY), SITE_KEY).unwrap();
        let page = || async { Html("<html><head></head><body>shop</body></html>") };
        let app = axum::Router::new()
            .route("/", get(page))
            .fallback(|| async { StatusCode::NOT_FOUND })
            .layer(FirstPartyLayer::new(first_party.clone()));
        Self { app, first_party, client }
    }

    async fn send(&self, request: axum::http::request::Builder, body: &Value) -> Response {
        let request: Request<Body> = request
            .header("host", "shop.example")
            .header("user-agent", "Mozilla/5.0")
            .header("accept", "text/html")
            .header("accept-language", "nl")
            .header("accept-encoding", "gzip")
            .body(Body::from(if body.is_null() { String::new() } else { body.to_string() }))
            .unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }

    /// A page: the visitor's cookie, and where the page's collector posts to.
    async fn page(&self, cookie: Option<&str>) -> (String, String) {
        let mut request = Request::builder().uri("/");
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        let response = self.send(request, &Value::Null).await;
        let set = response.headers().get("set-cookie").unwrap().to_str().unwrap();
        let cookie = set.split(';').next().unwrap().to_owned();
        let html =
            String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let after = html.split_once("data-endpoint=\"").unwrap().1;
        (cookie, after.split_once('"').unwrap().0.to_owned())
    }

    async fn post(&self, endpoint: &str, cookie: &str, events: Value) -> u16 {
        let request = Request::builder()
            .method("POST")
            .uri(endpoint)
            .header("content-type", "application/json")
            .header("origin", "https://shop.example")
            .header("cookie", cookie);
        let body = json!({ "session_token": null, "site_key": SITE_KEY, "events": events });
        self.send(request, &body).await.status().as_u16()
    }

    async fn verdict_when(&self, session: &str, holds: impl Fn(&Verdict) -> bool) -> Verdict {
        let mut last = Verdict::unavailable();
        for _ in 0..400 {
            last = self.client.botect(PRIVATE_KEY).verdict(session, &Context::default()).await;
            if holds(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the verdict stays {last:?}")
    }
}

fn session(cookie: &str) -> &str {
    cookie.split_once('=').unwrap().1.rsplit_once('.').unwrap().0
}

fn snapshot(id: &str) -> Value {
    json!([{ "request_id": id, "type": "snapshot", "received_at": "2026-02-15T12:00:00Z", "payload": {
        "mouse_moves": 24, "mouse_entropy": 0.181, "scroll_events": 2, "scroll_velocity": 387, "click_events": 1,
        "first_input_delay_ms": 6, "time_to_first_input_ms": 7500, "visibility_changes": 1
    } }])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_of_a_tracked_page_is_scored_through_the_site_alone() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let shop = Shop::new(&server.url());

    let (cookie, endpoint) = shop.page(None).await;
    assert!(endpoint.starts_with("/_botect/events?page_token="));
    assert_eq!(shop.post(&endpoint, &cookie, snapshot("e-1")).await, 202);
    assert!(shop.first_party.flush(PATIENCE).await);
    let verdict = shop.verdict_when(session(&cookie), |verdict| verdict.score > 0).await;
    assert_eq!((verdict.verdict, verdict.score), (Band::LikelyHuman, 96));

    // The next page belongs to the same session; its events add to it.
    let (same, next) = shop.page(Some(&cookie)).await;
    assert_eq!(same, cookie);
    assert_ne!(next, endpoint);
    let machine = json!([{ "request_id": "e-2", "type": "js_probe", "received_at": "2026-02-15T12:00:00Z",
                           "payload": { "js_passed": true, "webdriver": true } }]);
    assert_eq!(shop.post(&next, &cookie, machine).await, 202);
    assert!(shop.first_party.flush(PATIENCE).await);
    shop.verdict_when(session(&cookie), |verdict| verdict.score == 76).await;

    // A page out of a shared cache would put a second visitor into the first one's session.
    let (other, _) = shop.page(None).await;
    assert_eq!(shop.post(&endpoint, &other, snapshot("e-3")).await, 409);

    // The site says who logged in, and can say so again.
    assert!(shop.first_party.assert_login(session(&cookie)));
    assert!(shop.first_party.flush(PATIENCE).await);
    let botect = shop.client.botect(PRIVATE_KEY);
    let first = botect.logged_in(session(&cookie)).await.unwrap();
    assert_eq!(botect.logged_in(session(&cookie)).await.unwrap(), first);
    let unknown = botect.logged_in("sess_nobody").await.unwrap_err();
    assert_eq!(unknown.code(), "UNKNOWN_SESSION");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_site_reports_while_the_service_is_away_arrives_when_it_is_back() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let (url, address) = (server.url(), server.url().strip_prefix("http://").unwrap().to_owned());
    let shop = Shop::new(&url);
    let (cookie, endpoint) = shop.page(None).await;
    assert!(shop.first_party.flush(PATIENCE).await);
    server.kill();
    assert_eq!(shop.post(&endpoint, &cookie, snapshot("e-1")).await, 202);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let _back = Server::start_at(address, data.path(), &[]);
    assert!(shop.first_party.flush(PATIENCE).await);
    let verdict = shop.verdict_when(session(&cookie), |verdict| verdict.score > 0).await;
    assert_eq!(verdict.score, 96);
}
