//! First-party ingest: pages that carry the collector, and the path that takes its events; in each framework.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use quivive::Client;
use quivive_core::first_party::{EventsReport, PageHitReport, PageTokens, SessionCookie, path_hash};
use quivive_middleware::TrustedProxies;
use quivive_middleware::first_party::{FirstParty, Page, VisitorAddress};
use serde_json::{Value, json};

use crate::service::{PRIVATE_KEY, now};

const SITE_KEY: &str = "pk_site";
const HTML: &str = "<html><head><title>Shop</title></head><body>shop</body></html>";
const PATIENCE: Duration = Duration::from_secs(20);

/// A request to the site.
#[derive(Clone)]
struct Sent {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    peer: &'static str,
    body: Vec<u8>,
}

impl Sent {
    fn get(path: &str) -> Self {
        Self { method: "GET", path: path.to_owned(), headers: vec![], peer: "203.0.113.7", body: vec![] }
    }

    /// Events as the collector sends them.
    fn post(token: &str, body: &Value) -> Self {
        let path = format!("/_botect/events?page_token={token}");
        Self { method: "POST", path, body: body.to_string().into_bytes(), ..Self::get("") }
            .header("host", "shop.example")
            .header("content-type", "application/json")
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }
}

/// What the site answered.
#[derive(Debug)]
struct Got {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The token in the collector's tag.
    fn page_token(&self) -> &str {
        let after = self.body.split_once("page_token=").unwrap().1;
        after.split_once('"').unwrap().0
    }

    /// The session in the cookie.
    fn session(&self) -> String {
        let cookie = self.cookie();
        let value = cookie.split_once('=').unwrap().1;
        SessionCookie::new(PRIVATE_KEY, SITE_KEY).read(value).unwrap().to_owned()
    }

    /// The signed cookie as a request sends it.
    fn cookie(&self) -> String {
        let set = self.headers.iter().find(|(_, value)| value.starts_with("botect_server_session=")).unwrap();
        set.1.split_once(';').unwrap().0.to_owned()
    }
}

/// The service: keeps what it is told, and answers with a status.
struct Service {
    url: String,
    status: AtomicU16,
    told: Mutex<Vec<(String, HeaderMap, Value)>>,
}

impl Service {
    async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            status: AtomicU16::new(202),
            told: Mutex::default(),
        });
        let router = axum::Router::new().route("/v1/{*path}", post(take)).with_state(Arc::clone(&service));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        service
    }

    fn first_party(&self) -> FirstParty {
        let client = Client::builder().url(&self.url).build().unwrap();
        FirstParty::new(client.botect(PRIVATE_KEY), SITE_KEY).unwrap()
    }

    fn told(&self) -> Vec<(String, HeaderMap, Value)> {
        self.told.lock().unwrap().clone()
    }
}

async fn take(
    State(service): State<Arc<Service>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let body = serde_json::from_str(&body).unwrap_or(Value::Null);
    service.told.lock().unwrap().push((path, headers, body));
    let status = StatusCode::from_u16(service.status.load(Ordering::SeqCst)).unwrap();
    match status {
        StatusCode::NO_CONTENT => status.into_response(),
        StatusCode::ACCEPTED => {
            (status, axum::Json(json!({ "session_token": "s", "accepted": 1, "duplicates": 0 })))
                .into_response()
        }
        StatusCode::OK => {
            axum::Json(json!({ "logged_in": true, "asserted_at": "2026-02-15T12:00:00Z" })).into_response()
        }
        _ => (status, axum::Json(json!({ "code": "UNKNOWN_SESSION" }))).into_response(),
    }
}

/// A site with pages of every sort.
trait Framework {
    fn send(first_party: &FirstParty, sent: Sent) -> impl Future<Output = Got>;
}

struct Tower;

impl Framework for Tower {
    async fn send(first_party: &FirstParty, sent: Sent) -> Got {
        use axum::body::Body;
        use axum::extract::Extension;
        use axum::http::{Request, header};
        use axum::response::Html;
        use axum::routing::get;
        use http_body_util::BodyExt;
        use tower::ServiceExt;

        let cached = || {
            let headers =
                [(header::CACHE_CONTROL, "public"), (header::ETAG, "\"1\""), (header::LAST_MODIFIED, "x")];
            (headers, [(header::SET_COOKIE, "own=1")], Html(HTML))
        };
        let streamed = || {
            let chunks = futures::stream::iter([Ok::<_, std::io::Error>(HTML)]);
            ([(header::CONTENT_TYPE, "text/html")], Body::from_stream(chunks))
        };
        let tagged =
            |Extension(page): Extension<Page>| async move { Html(format!("<head>{}</head>", page.tag())) };
        let policy = [(header::CONTENT_SECURITY_POLICY, "script-src 'nonce-abc'")];
        let app = axum::Router::new()
            .route("/", get(move || async move { cached() }).post(|| async { Html(HTML) }))
            .route("/json", get(|| async { axum::Json(HTML) }))
            .route("/fragment", get(|| async { Html("<p>a part") }))
            .route("/streamed", get(move || async move { streamed() }))
            .route("/packed", get(|| async { ([(header::CONTENT_ENCODING, "gzip")], Html(HTML)) }))
            .route("/missing", get(|| async { (StatusCode::NOT_FOUND, Html(HTML)) }))
            .route("/nonce", get(move || async move { (policy, Html(HTML)) }))
            .route("/tagged", get(tagged))
            .fallback(|| async { StatusCode::NOT_FOUND })
            .layer(quivive_middleware::tower::FirstPartyLayer::new(first_party.clone()));
        let mut request = Request::builder().method(sent.method).uri(&sent.path);
        for (name, value) in &sent.headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(Body::from(sent.body)).unwrap();
        request.extensions_mut().insert(std::net::SocketAddr::new(sent.peer.parse().unwrap(), 40_000));
        let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let headers = parts.headers.iter();
        Got {
            status: parts.status.as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

struct Actix;

impl Framework for Actix {
    async fn send(first_party: &FirstParty, sent: Sent) -> Got {
        use actix_web::http::header::ContentType;
        use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, test, web};

        let html = |status: u16, more: &'static [(&'static str, &'static str)], body: &'static str| {
            web::get().to(move || async move {
                let status = actix_web::http::StatusCode::from_u16(status).unwrap();
                let mut answer = HttpResponse::build(status);
                answer.content_type(ContentType::html());
                for header in more {
                    answer.append_header(*header);
                }
                answer.body(body)
            })
        };
        let cached: &[_] = &[
            ("cache-control", "public"),
            ("etag", "\"1\""),
            ("last-modified", "x"),
            ("set-cookie", "own=1"),
        ];
        let streamed = web::get().to(|| async {
            let chunks = futures::stream::iter([Ok::<_, actix_web::Error>(bytes::Bytes::from(HTML))]);
            HttpResponse::Ok().content_type(ContentType::html()).streaming(chunks)
        });
        let tagged = web::get().to(async |request: HttpRequest| {
            let tag = request.extensions().get::<Page>().unwrap().tag().to_owned();
            HttpResponse::Ok().content_type(ContentType::html()).body(format!("<head>{tag}</head>"))
        });
        let posted =
            web::post().to(|| async { HttpResponse::Ok().content_type(ContentType::html()).body(HTML) });
        let app = App::new()
            .wrap(quivive_middleware::actix::FirstPartyTransform::new(first_party.clone()))
            .route("/", html(200, cached, HTML))
            .route("/", posted)
            .route("/json", web::get().to(|| async { HttpResponse::Ok().json(HTML) }))
            .route("/fragment", html(200, &[], "<p>a part"))
            .route("/streamed", streamed)
            .route("/packed", html(200, &[("content-encoding", "gzip")], HTML))
            .route("/missing", html(404, &[], HTML))
            .route("/nonce", html(200, &[("content-security-policy", "script-src 'nonce-abc'")], HTML))
            .route("/tagged", tagged);
        let app = test::init_service(app).await;
        let method = sent.method.parse().unwrap();
        let mut request = test::TestRequest::with_uri(&sent.path).method(method).set_payload(sent.body);
        for (name, value) in &sent.headers {
            request = request.append_header((*name, value.as_str()));
        }
        let peer = std::net::SocketAddr::new(sent.peer.parse().unwrap(), 40_000);
        let response = test::call_service(&app, request.peer_addr(peer).to_request()).await;
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let body = String::from_utf8(test::read_body(response).await.to_vec()).unwrap();
        Got { status, headers, body }
    }
}

/// Each test in each framework.
macro_rules! in_each_framework {
    ($($name:ident;)*) => {
        mod with_tower { $(#[tokio::test] async fn $name() { super::$name::<super::Tower>().await })* }
        mod with_actix { $(#[tokio::test] async fn $name() { super::$name::<super::Actix>().await })* }
    };
}

in_each_framework! {
    a_page_carries_the_collector_the_cookie_and_is_kept_out_of_caches;
    a_page_is_reported_once_with_what_its_request_had;
    a_known_visitor_keeps_the_session_and_a_forged_cookie_begins_a_new_one;
    only_whole_html_pages_are_touched;
    a_page_that_places_the_tag_itself_gets_no_second_one;
    a_content_security_policy_with_a_nonce_lets_the_collector_run;
    cookies_are_secure_over_https;
    events_are_handed_over_with_the_private_key_and_the_pages_session;
    the_proxy_is_404_when_the_feature_is_off;
    the_proxy_is_403_for_other_origins;
    the_proxy_is_413_over_the_limit;
    the_proxy_is_415_for_anything_but_json;
    the_proxy_is_422_for_what_is_no_batch_of_a_page;
    the_proxy_is_409_for_a_page_of_another_session;
    the_proxy_is_503_when_there_is_no_room;
    the_proxy_checks_in_the_documented_order;
    the_proxy_takes_post_only;
    deliveries_are_repeated_while_the_service_is_at_fault_and_given_up_when_refused;
}

/// A batch as the collector makes it.
fn batch() -> Value {
    json!({ "session_token": "bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P", "site_key": SITE_KEY, "events": [
        { "request_id": "r1", "type": "page", "received_at": "2026-02-15T12:00:00.120Z",
          "payload": { "page_path_hash": "9cb2", "page_path_shape": "/orders/{n}" } },
        { "request_id": "r2", "type": "mouse", "received_at": "2026-02-15T12:00:00.120Z",
          "payload": { "entropy": 0.5, "samples": 9 } },
    ] })
}

fn page_token(session: &str) -> String {
    PageTokens::new(PRIVATE_KEY, SITE_KEY).sign(&"ab".repeat(16), session, now()).unwrap()
}

fn cookie(session: &str) -> String {
    format!("botect_server_session={}", SessionCookie::new(PRIVATE_KEY, SITE_KEY).sign(session))
}

async fn a_page_carries_the_collector_the_cookie_and_is_kept_out_of_caches<F: Framework>() {
    let service = Service::start().await;
    let first_party = service.first_party();
    let got = F::send(&first_party, Sent::get("/")).await;
    let (session, token) = (got.session(), got.page_token());
    assert!(session.strip_prefix("sess_").is_some_and(|rest| rest.len() == 48));
    let claims = PageTokens::new(PRIVATE_KEY, SITE_KEY).verify(token, now()).unwrap();
    assert_eq!(claims.session_token, session);
    let tag = format!(
        "<script async data-botect-sdk src=\"{}/v1/sdk.js\" data-site-key=\"{SITE_KEY}\" \
         data-endpoint=\"/_botect/events?page_token={token}\"></script>",
        service.url
    );
    assert_eq!(got.body, HTML.replace("</head>", &format!("{tag}</head>")));
    assert_eq!(got.header("cache-control"), Some("private, no-store"));
    assert_eq!((got.header("etag"), got.header("last-modified")), (None, None));
    assert!(got.header("content-length").is_none_or(|length| length == got.body.len().to_string()));
    assert!(got.headers.iter().any(|(_, value)| value == "own=1"), "the site's own cookie stays");
    let set = got.headers.iter().filter(|(_, value)| value.starts_with("botect_")).collect::<Vec<_>>();
    assert!(set[0].1.ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"), "{set:?}");
    assert!(!got.body.contains(PRIVATE_KEY));
}

async fn a_page_is_reported_once_with_what_its_request_had<F: Framework>() {
    let service = Service::start().await;
    let first_party = service.first_party().logged_in(|facts| facts.header("x-user").map(|_| true));
    let sent = Sent::get("/?card=4242")
        .header("host", "shop.example")
        .header("user-agent", "Mozilla/5.0")
        .header("accept-language", "nl-NL,en;q=0.5")
        .header("x-user", "ada");
    let got = F::send(&first_party, sent).await;
    assert!(first_party.flush(PATIENCE).await);
    let told = service.told();
    assert_eq!(told.len(), 1, "{told:?}");
    let (path, headers, body) = &told[0];
    assert_eq!(path, "server/page-hits");
    assert_eq!(headers["authorization"], format!("Bearer {PRIVATE_KEY}"));
    assert_eq!(headers["idempotency-key"].len(), 64);
    let hit = PageHitReport::parse(&body.to_string()).unwrap();
    assert_eq!(hit.session_token, got.session());
    assert_eq!(hit.path_hash, path_hash(PRIVATE_KEY, "/"));
    let mut names = hit.header_names.clone();
    names.sort_unstable();
    assert_eq!(names, ["accept-language", "host", "user-agent"], "only the documented names");
    assert_eq!((hit.languages, hit.logged_in), (vec!["nl-nl".to_owned(), "en".to_owned()], Some(true)));
    let observed = hit.observed.unwrap();
    assert_eq!((observed.ip.to_string().as_str(), observed.inferred), ("203.0.113.7", false));
    assert!(!hit.had_session_cookie && !body.to_string().contains("4242"));
}

async fn a_known_visitor_keeps_the_session_and_a_forged_cookie_begins_a_new_one<F: Framework>() {
    let service = Service::start().await;
    let first_party = service.first_party();
    let first = F::send(&first_party, Sent::get("/tagged")).await;
    let second = F::send(&first_party, Sent::get("/tagged").header("cookie", first.cookie())).await;
    assert_eq!(second.session(), first.session());
    assert_ne!(second.page_token(), first.page_token(), "each page view has its own");
    let forged = first.cookie().replace("sess_", "sess-");
    let third = F::send(&first_party, Sent::get("/tagged").header("cookie", forged)).await;
    assert_ne!(third.session(), first.session());
    assert!(first_party.flush(PATIENCE).await);
    let known: Vec<_> = service.told().iter().map(|(_, _, hit)| hit["had_session_cookie"].clone()).collect();
    assert_eq!(known.iter().filter(|known| **known == true).count(), 1, "{known:?}");
}

async fn only_whole_html_pages_are_touched<F: Framework>() {
    let service = Service::start().await;
    let first_party = service.first_party();
    for path in ["/json", "/fragment", "/streamed", "/packed", "/missing"] {
        let got = F::send(&first_party, Sent::get(path)).await;
        assert!(!got.body.contains("data-botect-sdk") && got.header("set-cookie").is_none(), "{path}");
    }
    let posted = F::send(&first_party, Sent { method: "POST", ..Sent::get("/") }).await;
    assert_eq!((posted.body.as_str(), posted.header("set-cookie")), (HTML, None));
    let off = F::send(&first_party.clone().enabled(false), Sent::get("/")).await;
    assert_eq!((off.body.as_str(), off.header("cache-control")), (HTML, Some("public")));
    assert!(first_party.flush(PATIENCE).await);
    assert!(service.told().is_empty());
}

async fn a_page_that_places_the_tag_itself_gets_no_second_one<F: Framework>() {
    let service = Service::start().await;
    let first_party = service.first_party();
    let got = F::send(&first_party, Sent::get("/tagged")).await;
    assert_eq!(got.body.matches("data-botect-sdk").count(), 1);
    let claims = PageTokens::new(PRIVATE_KEY, SITE_KEY).verify(got.page_token(), now()).unwrap();
    assert!(first_party.flush(PATIENCE).await);
    assert_eq!(service.told()[0].2["page_id"], claims.page_id);
}

async fn a_content_security_policy_with_a_nonce_lets_the_collector_run<F: Framework>() {
    let first_party = Service::start().await.first_party();
    let got = F::send(&first_party, Sent::get("/nonce")).await;
    assert!(got.body.contains(" nonce=\"abc\"></script>"), "{}", got.body);
}

async fn cookies_are_secure_over_https<F: Framework>() {
    let first_party = Service::start().await.first_party();
    let proxies = TrustedProxies::parse(["203.0.113.0/24"]).unwrap();
    let forwarded = || Sent::get("/nonce").header("x-forwarded-proto", "https");
    let is_secure = |got: &Got| got.header("set-cookie").unwrap().ends_with("; Secure");
    assert!(!is_secure(&F::send(&first_party, forwarded()).await), "anybody can send the header");
    assert!(is_secure(&F::send(&first_party.clone().trusted_proxies(proxies), forwarded()).await));
    let named = first_party.origin("https://shop.example").unwrap();
    assert!(is_secure(&F::send(&named, Sent::get("/nonce")).await));
}

async fn events_are_handed_over_with_the_private_key_and_the_pages_session<F: Framework>() {
    let service = Service::start().await;
    let first_party = service.first_party().visitor_address(VisitorAddress::cloudflare());
    let sent = || {
        Sent::post(&page_token("sess_1"), &batch())
            .header("origin", "https://shop.example")
            .header("sec-fetch-site", "same-origin")
            .header("cf-connecting-ip", "198.51.100.9")
            .header("idempotency-key", "batch-1")
            .header("cookie", cookie("sess_1"))
    };
    for _ in 0..2 {
        let got = F::send(&first_party, sent()).await;
        assert_eq!((got.status, got.json()), (202, json!({ "queued": true })));
        assert_eq!(got.header("cache-control"), Some("no-store"));
    }
    let other = sent().without("idempotency-key").without("cookie");
    assert_eq!(F::send(&first_party, other).await.status, 202, "an absent cookie does not block");
    let unverifiable = sent().without("cookie").header("cookie", "botect_server_session=sess_2.00");
    assert_eq!(F::send(&first_party, unverifiable).await.status, 202);
    assert!(first_party.flush(PATIENCE).await);
    let told = service.told();
    assert_eq!(told.len(), 4);
    for (path, headers, body) in &told {
        assert_eq!(path, "server/events");
        assert_eq!(headers["authorization"], format!("Bearer {PRIVATE_KEY}"));
        let report = EventsReport::parse(&body.to_string()).unwrap();
        assert_eq!((report.session_token.as_str(), report.page_id), ("sess_1", "ab".repeat(16)));
        assert_eq!(
            (report.events.len(), report.observed.unwrap().ip.to_string()),
            (2, "198.51.100.9".to_owned())
        );
        let text = body.to_string();
        assert!(!text.contains("site_key") && !text.contains("page_path_shape") && !text.contains("bt_"));
    }
    let mut keys: Vec<_> = told.iter().map(|(_, headers, _)| headers["idempotency-key"].clone()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 2, "one for each key of the browser, one for events without");
}

async fn refused<F: Framework>(first_party: &FirstParty, sent: Sent, status: u16, body: Value) {
    let shown = format!("{} {:?}", sent.path, sent.headers);
    let got = F::send(first_party, sent).await;
    assert_eq!((got.status, got.json()), (status, body), "{shown}");
    assert_eq!(got.header("cache-control"), Some("no-store"));
}

async fn the_proxy_is_404_when_the_feature_is_off<F: Framework>() {
    let first_party = Service::start().await.first_party().enabled(false);
    refused::<F>(&first_party, Sent::post(&page_token("sess_1"), &batch()), 404, json!([])).await;
}

async fn the_proxy_is_403_for_other_origins<F: Framework>() {
    let first_party = Service::start().await.first_party();
    let sent = || Sent::post(&page_token("sess_1"), &batch());
    let invalid = json!({ "error": "Invalid origin" });
    for origin in
        ["https://evil.example", "https://shop.example.evil.example", "https://shop.example:8443", "null", ""]
    {
        refused::<F>(&first_party, sent().header("origin", origin), 403, invalid.clone()).await;
    }
    refused::<F>(&first_party, sent().header("sec-fetch-site", "cross-site"), 403, invalid.clone()).await;
    for origin in ["http://shop.example", "https://shop.example"] {
        assert_eq!(F::send(&first_party, sent().header("origin", origin)).await.status, 202, "{origin}");
    }
    // With its own origin named, the scheme counts, too, and the host that the request names does not.
    let named = first_party.origin("https://www.shop.example").unwrap();
    refused::<F>(&named, sent().header("origin", "https://shop.example"), 403, invalid.clone()).await;
    refused::<F>(&named, sent().header("origin", "http://www.shop.example"), 403, invalid).await;
    assert_eq!(F::send(&named, sent().header("origin", "https://www.shop.example")).await.status, 202);
}

async fn the_proxy_is_413_over_the_limit<F: Framework>() {
    let first_party = Service::start().await.first_party().body_limit(1_024).unwrap();
    let padded = |bytes: usize| {
        let mut sent = Sent::post(&page_token("sess_1"), &batch());
        sent.body.resize(bytes, b' ');
        sent
    };
    assert_eq!(F::send(&first_party, padded(1_024)).await.status, 202);
    refused::<F>(&first_party, padded(1_025), 413, json!({ "error": "Payload too large" })).await;
    for bytes in [1_023, 1_048_577] {
        assert!(first_party.clone().body_limit(bytes).is_err());
    }
}

async fn the_proxy_is_415_for_anything_but_json<F: Framework>() {
    let first_party = Service::start().await.first_party();
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let sent =
            Sent::post(&page_token("sess_1"), &batch()).without("content-type").header("content-type", media);
        refused::<F>(&first_party, sent, 415, json!({ "error": "JSON required" })).await;
    }
    let sent = Sent::post(&page_token("sess_1"), &batch()).without("content-type");
    refused::<F>(&first_party, sent.clone(), 415, json!({ "error": "JSON required" })).await;
    assert_eq!(
        F::send(&first_party, sent.header("content-type", "Application/JSON; charset=utf-8")).await.status,
        202
    );
}

async fn the_proxy_is_422_for_what_is_no_batch_of_a_page<F: Framework>() {
    let first_party = Service::start().await.first_party();
    let invalid = json!({ "error": "Invalid payload or page token" });
    let with = |name: &str, value: Value| {
        let mut body = batch();
        body[name] = value;
        body
    };
    let good = page_token("sess_1");
    let typed = json!([{ "request_id": "r", "type": "mouse", "received_at": "2026-02-15T12:00:00Z",
                         "payload": { "typed": "x" } }]);
    for body in [
        with("site_key", json!("pk_other")),
        with("site_key", json!(null)),
        with("extra", json!(1)),
        with("events", json!([])),
        with("events", typed),
        with("session_token", json!("a b")),
        json!([]),
    ] {
        refused::<F>(&first_party, Sent::post(&good, &body), 422, invalid.clone()).await;
    }
    let mut broken = Sent::post(&good, &batch());
    broken.body = b"{".to_vec();
    refused::<F>(&first_party, broken, 422, invalid.clone()).await;
    for key in ["", "a b", &"a".repeat(129)] {
        let sent = Sent::post(&good, &batch()).header("idempotency-key", key);
        refused::<F>(&first_party, sent, 422, invalid.clone()).await;
    }
    let tokens = PageTokens::new(PRIVATE_KEY, SITE_KEY);
    let id = "ab".repeat(16);
    let expired = tokens.sign(&id, "sess_1", now().plus_milliseconds(-901_000)).unwrap();
    let early = tokens.sign(&id, "sess_1", now().plus_milliseconds(60_000)).unwrap();
    let other_key = PageTokens::new("sk_other", SITE_KEY).sign(&id, "sess_1", now()).unwrap();
    let other_life = tokens.lifetime(3_600).unwrap().sign(&id, "sess_1", now()).unwrap();
    let tampered = good.replace('.', "A.");
    for token in ["", "x", &expired, &early, &other_key, &other_life, &tampered] {
        refused::<F>(&first_party, Sent::post(token, &batch()), 422, invalid.clone()).await;
    }
    let mut without = Sent::post(&good, &batch());
    without.path = "/_botect/events".to_owned();
    refused::<F>(&first_party, without, 422, invalid).await;
    // A batch needs no site key of its own.
    let mut body = batch();
    body.as_object_mut().unwrap().remove("site_key");
    assert_eq!(F::send(&first_party, Sent::post(&good, &body)).await.status, 202);
}

async fn the_proxy_is_409_for_a_page_of_another_session<F: Framework>() {
    let service = Service::start().await;
    let first_party = service.first_party();
    let sent = Sent::post(&page_token("sess_1"), &batch()).header("cookie", cookie("sess_2"));
    let refusal = json!({ "error": "Page token belongs to another session" });
    refused::<F>(&first_party, sent, 409, refusal).await;
    assert!(first_party.flush(PATIENCE).await && service.told().is_empty());
}

async fn the_proxy_is_503_when_there_is_no_room<F: Framework>() {
    let service = Service::start().await;
    service.status.store(503, Ordering::SeqCst);
    let first_party = service.first_party().body_limit(1_048_576).unwrap();
    let mut large = Sent::post(&page_token("sess_1"), &batch());
    large.body.resize(1_048_576, b' ');
    let mut statuses = Vec::new();
    for _ in 0..70 {
        statuses.push(F::send(&first_party, large.clone()).await);
    }
    assert_eq!(statuses[0].status, 202);
    let last = statuses.last().unwrap();
    assert_eq!((last.status, last.json()), (503, json!({ "queued": false })));
}

async fn the_proxy_checks_in_the_documented_order<F: Framework>() {
    let first_party = Service::start().await.first_party().body_limit(1_024).unwrap();
    // Wrong in every way; one fault less each time.
    let mut sent =
        Sent::post("x", &batch()).header("origin", "https://evil.example").header("cookie", cookie("sess_2"));
    sent.body.resize(2_000, b' ');
    sent = sent.without("content-type").header("content-type", "text/plain");
    assert_eq!(F::send(&first_party.clone().enabled(false), sent.clone()).await.status, 404);
    assert_eq!(F::send(&first_party, sent.clone()).await.status, 403);
    sent = sent.without("origin");
    assert_eq!(F::send(&first_party, sent.clone()).await.status, 413);
    sent.body = batch().to_string().into_bytes();
    assert_eq!(F::send(&first_party, sent.clone()).await.status, 415);
    sent = sent.without("content-type").header("content-type", "application/json");
    assert_eq!(F::send(&first_party, sent.clone()).await.status, 422);
    sent.path = format!("/_botect/events?page_token={}", page_token("sess_1"));
    assert_eq!(F::send(&first_party, sent.clone()).await.status, 409);
    assert_eq!(F::send(&first_party, sent.without("cookie")).await.status, 202);
}

async fn the_proxy_takes_post_only<F: Framework>() {
    let first_party = Service::start().await.first_party();
    let got = F::send(&first_party, Sent::get("/_botect/events")).await;
    assert_eq!((got.status, got.header("allow")), (405, Some("POST")));
    let moved = first_party.proxy_path("/shop/ingest").unwrap();
    assert_eq!(F::send(&moved, Sent::get("/_botect/events")).await.status, 404);
    assert_eq!(F::send(&moved, Sent::get("/shop/ingest")).await.status, 405);
    for path in ["", "/", "//a", "a", "/a b", "/a?b", "/a.b"] {
        assert!(moved.clone().proxy_path(path).is_err(), "{path}");
    }
}

async fn deliveries_are_repeated_while_the_service_is_at_fault_and_given_up_when_refused<F: Framework>() {
    for (status, is_repeated) in [(500, true), (429, true), (204, true), (422, false), (401, false)] {
        let service = Service::start().await;
        service.status.store(status, Ordering::SeqCst);
        let first_party = service.first_party();
        F::send(&first_party, Sent::post(&page_token("sess_1"), &batch())).await;
        while service.told().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        service.status.store(202, Ordering::SeqCst);
        assert!(first_party.flush(PATIENCE).await, "{status}");
        let told = service.told();
        assert_eq!(told.len(), if is_repeated { 2 } else { 1 }, "{status}");
        let keys: Vec<_> = told.iter().map(|(_, headers, _)| headers["idempotency-key"].clone()).collect();
        assert!(keys.iter().all(|key| *key == keys[0]), "the same key on each try");
    }
}

#[tokio::test]
async fn a_login_is_repeated_while_its_session_is_still_on_its_way() {
    let service = Service::start().await;
    service.status.store(404, Ordering::SeqCst);
    let first_party = service.first_party();
    assert!(first_party.assert_login("sess_1"));
    while service.told().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    service.status.store(200, Ordering::SeqCst);
    assert!(first_party.flush(PATIENCE).await);
    let paths: Vec<_> = service.told().into_iter().map(|(path, ..)| path).collect();
    assert_eq!(paths, ["sessions/sess_1/logged-in", "sessions/sess_1/logged-in"]);
}

#[test]
fn keys_that_cannot_be_a_projects_are_refused() {
    let client = Client::builder().url("http://127.0.0.1:1").build().unwrap();
    for (private_key, site_key) in
        [("", SITE_KEY), ("pk_site", SITE_KEY), (PRIVATE_KEY, ""), (PRIVATE_KEY, "sk_x")]
    {
        let error = FirstParty::new(client.botect(private_key), site_key).unwrap_err();
        assert_eq!(error.code(), "INVALID_KEY", "{private_key} {site_key}");
    }
    let first_party = FirstParty::new(client.botect(PRIVATE_KEY), SITE_KEY).unwrap();
    assert!(!format!("{first_party:?}").contains(PRIVATE_KEY));
    for origin in ["shop.example", "https://", "https://shop.example/", "ftp://shop.example", "https://a@b"] {
        assert!(first_party.clone().origin(origin).is_err(), "{origin}");
    }
}
