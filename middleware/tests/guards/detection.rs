//! `DetectAgents`, before real services of both frameworks.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use quivive::Client;
use quivive_middleware::{DetectAgents, Detected, GuardOptions};
use serde_json::{Value, json};

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const CRAWLER: &str = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)";

pub fn agents(options: Value) -> DetectAgents {
    DetectAgents::new(serde_json::from_value::<GuardOptions>(options).unwrap()).unwrap()
}

/// A request; `https` with host `shop.example`.
#[derive(Clone)]
pub struct Ask {
    method: &'static str,
    target: &'static str,
    pub headers: Vec<(String, Vec<u8>)>,
    peer: IpAddr,
}

impl Ask {
    fn new(target: &'static str) -> Self {
        let peer = "192.0.2.7".parse().unwrap();
        Self { method: "GET", target, headers: vec![("host".to_owned(), b"shop.example".to_vec())], peer }
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    fn peer(self, peer: &str) -> Self {
        Self { peer: peer.parse().unwrap(), ..self }
    }

    pub fn crawler(target: &'static str) -> Self {
        Self::new(target).header("user-agent", CRAWLER).header("accept", "*/*")
    }

    pub fn browser(target: &'static str) -> Self {
        Self::new(target)
            .header("user-agent", CHROME)
            .header("accept", "text/html,application/xhtml+xml")
            .header("accept-language", "en-GB,en;q=0.9")
            .header("accept-encoding", "gzip, deflate, br")
            .header("sec-fetch-site", "none")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-ch-ua", r#""Chromium";v="140", "Not=A?Brand";v="24""#)
            .header("sec-ch-ua-platform", "\"Windows\"")
    }
}

/// An answer; a body that is no JSON is a text.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Value,
}

impl Got {
    fn new<'a>(status: u16, headers: impl Iterator<Item = (&'a str, &'a [u8])>, body: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            status,
            headers: headers.map(|(name, value)| (name.to_owned(), text(value))).collect(),
            body: serde_json::from_slice(body).unwrap_or_else(|_| text(body).into()),
        }
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(known, _)| known == name);
        lines.map(|(_, value)| value.as_str()).collect()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }
}

/// What the handler behind the guard saw.
fn seen<'a>(
    target: &str,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    detected: Option<&Detected>,
) -> Value {
    let marks: Vec<_> = headers
        .filter(|(name, _)| name.starts_with("x-agentshield") || name.contains('_'))
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    json!({
        "target": target,
        "marks": marks,
        "action": detected.map(|detected| detected.action),
        "ip": detected.map(|detected| detected.client_ip),
        "status": detected.and_then(|detected| Some(detected.classification.as_ref()?.verification.status)),
        "signer": detected.and_then(Detected::signer),
    })
}

pub trait Framework {
    fn ask(agents: &DetectAgents, ask: Ask) -> impl Future<Output = Got>;
}

pub struct Tower;

impl Framework for Tower {
    async fn ask(agents: &DetectAgents, ask: Ask) -> Got {
        use axum::body::Body;
        use axum::extract::OriginalUri;
        use axum::http::{Extensions, Request, Uri};
        use http_body_util::BodyExt;
        use quivive_middleware::tower::DetectionLayer;
        use tower::{Layer, ServiceExt};

        let handler = async |uri: Uri, headers: HeaderMap, extensions: Extensions| {
            let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            let body = seen(&uri.to_string(), lines, extensions.get());
            ([("set-cookie", "own=1")], Json(body))
        };
        let layer = DetectionLayer::new(agents.clone()).https(true);
        let inside =
            layer.clone().path(|extensions| extensions.get::<OriginalUri>().map(|uri| uri.path().to_owned()));
        let nested = axum::Router::new().route("/orders/{order}", axum::routing::any(handler)).layer(inside);
        let outside = layer.layer(axum::Router::new().fallback(handler));
        let app = axum::Router::new().nest("/api", nested).fallback_service(outside);
        let mut request = Request::builder().method(ask.method).uri(ask.target);
        for (name, value) in &ask.headers {
            request = request.header(name.as_str(), value.as_slice());
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(SocketAddr::new(ask.peer, 40_000));
        let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        Got::new(parts.status.as_u16(), headers, &body.collect().await.unwrap().to_bytes())
    }
}

pub struct Actix;

impl Framework for Actix {
    async fn ask(agents: &DetectAgents, ask: Ask) -> Got {
        use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, test, web};
        use quivive_middleware::actix::DetectionTransform;

        let handler = async |request: HttpRequest| {
            let lines = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            let extensions = request.extensions();
            let target = request.uri().path_and_query().map_or("", |target| target.as_str());
            let body = seen(target, lines, extensions.get());
            HttpResponse::Ok().append_header(("set-cookie", "own=1")).json(body)
        };
        let transform = DetectionTransform::new(agents.clone());
        let app = App::new()
            .wrap(transform)
            .service(web::resource("/api/orders/{order}").to(handler))
            .default_service(web::to(handler));
        let app = test::init_service(app).await;
        // The only way in which a test tells that the connection is secure.
        let uri = format!("https://shop.example{}", ask.target);
        let mut request = test::TestRequest::with_uri(&uri)
            .method(ask.method.parse().unwrap())
            .peer_addr(SocketAddr::new(ask.peer, 40_000));
        for (name, value) in &ask.headers {
            let name = actix_web::http::header::HeaderName::from_bytes(name.as_bytes()).unwrap();
            let value = actix_web::http::header::HeaderValue::from_bytes(value).unwrap();
            request = request.append_header((name, value));
        }
        let response = test::call_service(&app, request.to_request()).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        Got::new(status, lines, &test::read_body(response).await)
    }
}

async fn the_site_behind_is_told_who_asks<F: Framework>() {
    let got =
        F::ask(&agents(json!({})), Ask::crawler("/prices?page=2").header("x-agentshield-bot", "0")).await;
    assert_eq!((got.status, &got.body["target"]), (200, &json!("/prices?page=2")));
    let marks: Vec<_> =
        got.body["marks"].as_array().unwrap().iter().map(|mark| (mark[0].clone(), mark[1].clone())).collect();
    for (name, value) in [
        ("bot", "1"),
        ("type", "crawler"),
        ("agent", "GPTBot"),
        ("verification", "claimed"),
        ("action", "log"),
    ] {
        assert!(marks.contains(&(json!(format!("x-agentshield-{name}")), json!(value))), "{name}: {marks:?}");
    }
    assert_eq!(marks.len(), 7, "the client's own mark is gone: {marks:?}");
    assert_eq!((&got.body["action"], &got.body["ip"]), (&json!("log"), &json!("192.0.2.7")));
    let person = F::ask(&agents(json!({"on_agent_detected": "block"})), Ask::browser("/")).await;
    assert_eq!((person.status, &person.body["action"]), (200, &json!("allow")));
}

async fn a_skipped_path_is_passed_on_without_marks<F: Framework>() {
    let guard = agents(json!({"on_agent_detected": "block", "skip_paths": ["/health"]}));
    let ask = Ask::crawler("/health")
        .header("x-agentshield-verification", "verified")
        .header("x_agentshield_bot", "0");
    let got = F::ask(&guard, ask).await;
    assert_eq!((got.status, &got.body["marks"]), (200, &json!([])));
}

async fn whom_the_site_blocks_never_reaches_it<F: Framework>() {
    let got = F::ask(&agents(json!({"on_agent_detected": "block"})), Ask::crawler("/")).await;
    assert_eq!((got.status, got.body["code"].as_str()), (403, Some("POLICY_BLOCKED")));
    assert_eq!(got.header("cache-control"), Some("private, no-store"));
    assert_eq!(got.header("content-type"), Some("application/json"));
    let page = Ask::new("/").header("user-agent", CRAWLER).header("accept", "text/html");
    let got = F::ask(&agents(json!({"on_agent_detected": "block"})), page).await;
    assert!(got.header("content-type").unwrap().starts_with("text/html"));
}

async fn paths_hold_inside_of_nested_routers<F: Framework>() {
    let guard = agents(json!({"on_agent_detected": "block", "include_paths": ["/api/orders"]}));
    assert_eq!(F::ask(&guard, Ask::crawler("/api/orders/7")).await.status, 403);
    assert_eq!(F::ask(&guard, Ask::crawler("/elsewhere")).await.status, 200);
}

async fn every_action_has_its_answer<F: Framework>() {
    let act = async |options: Value| F::ask(&agents(options), Ask::crawler("/a")).await;
    let got = act(json!({"on_agent_detected": "redirect", "redirect_url": "/agents"})).await;
    assert_eq!((got.status, got.header("location")), (302, Some("/agents")));
    let got = act(json!({"on_agent_detected": "instruct", "redirect_url": "/agents"})).await;
    assert_eq!((got.status, got.header("link")), (401, Some("</agents>; rel=\"alternate\"")));
    let got = act(json!({"on_agent_detected": "challenge", "challenge_url": "/puzzle"})).await;
    assert_eq!((got.status, got.header("www-authenticate")), (401, Some("Quivive challenge=\"/puzzle\"")));
    assert!(got.header("accept-signature").unwrap().contains("web-bot-auth"));
    let got = act(json!({"on_agent_detected": "delay"})).await;
    assert_eq!((got.status, got.header("retry-after")), (429, Some("5")));
    let got = act(json!({"on_agent_detected": "rewrite", "rewrite_url": "/for-agents?x=1"})).await;
    assert_eq!((got.status, &got.body["target"]), (200, &json!("/for-agents?x=1")));
    let got = act(json!({"policy": {"require": "signed"}})).await;
    assert_eq!((got.status, got.body["reason"].as_str()), (403, Some("signature_required")));
}

async fn the_cookie_is_added_and_known_again<F: Framework>() {
    let guard =
        agents(json!({"session_tracking": {"enabled": true, "encryption_key": "a secret of the site"}}));
    let first = F::ask(&guard, Ask::browser("/").header("x-ai-agent", "1")).await;
    let cookies = first.all("set-cookie");
    assert_eq!(cookies.len(), 2, "the site's own cookie stays: {cookies:?}");
    let cookie = cookies.iter().find(|cookie| cookie.starts_with("__agentshield_session=")).unwrap();
    assert!(cookie.ends_with("HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let again = F::ask(&guard, Ask::browser("/").header("cookie", pair)).await;
    assert!(again.body["marks"].to_string().contains("scraper"), "{again:?}");
    let blocked = agents(json!({"on_agent_detected": "block", "session_tracking": {"enabled": true}}));
    assert_eq!(F::ask(&blocked, Ask::crawler("/")).await.all("set-cookie").len(), 1);
}

async fn addresses_are_believed_from_trusted_proxies_only<F: Framework>() {
    let ask = || Ask::browser("/").header("x-forwarded-for", "198.51.100.1");
    let open = agents(json!({}));
    assert_eq!(F::ask(&open, ask()).await.body["ip"], "192.0.2.7");
    assert_eq!(F::ask(&open, ask().peer("::ffff:192.0.2.7")).await.body["ip"], "192.0.2.7");
    let behind = agents(json!({"client_ip": {"trusted_proxies": ["192.0.2.0/24"]}}));
    assert_eq!(F::ask(&behind, ask()).await.body["ip"], "198.51.100.1");
    assert_eq!(F::ask(&behind, ask().peer("::ffff:192.0.2.7")).await.body["ip"], "198.51.100.1");
}

async fn bytes_that_are_no_text_and_many_headers_do_no_harm<F: Framework>() {
    let mut ask = Ask::new("/").header("user-agent", vec![0xff; 65_000]).header("cookie", b"\xfe=\xff");
    for number in 0..200 {
        ask = ask.header(&format!("x-{number}"), b"\x80\xff");
    }
    assert_eq!(F::ask(&agents(json!({"session_tracking": {"enabled": true}})), ask).await.status, 200);
}

async fn hooks_are_told_off_the_request<F: Framework>() {
    let (sender, told) = std::sync::mpsc::channel();
    let (results, slow) = (sender.clone(), sender.clone());
    let guard = agents(json!({"on_agent_detected": "block"}))
        .on_detection(move |detected| sender.send(format!("detected {}", detected.passes)).unwrap())
        .on_block(move |_| {
            std::thread::sleep(Duration::from_millis(300));
            slow.send("blocked".to_owned()).unwrap();
        })
        .on_result(move |detected| results.send(format!("result {}", detected.passes)).unwrap());
    let begun = Instant::now();
    F::ask(&guard, Ask::crawler("/")).await;
    F::ask(&guard, Ask::browser("/")).await;
    assert!(begun.elapsed() < Duration::from_millis(250), "no request waits for a hook");
    let mut all: Vec<_> = (0..4).map(|_| told.recv_timeout(Duration::from_secs(5)).unwrap()).collect();
    all.sort();
    assert_eq!(all, ["blocked", "detected false", "result false", "result true"]);
}

/// A detection service that takes every browser for a scraper.
struct Remote {
    url: String,
    asked: AtomicUsize,
    last: std::sync::Mutex<Value>,
}

impl Remote {
    async fn start(patience: Duration) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let remote = Arc::new(Self { url, asked: AtomicUsize::new(0), last: std::sync::Mutex::default() });
        let answer = async move |State(remote): State<Arc<Self>>,
                                 headers: HeaderMap,
                                 Json(visit): Json<Value>|
                    -> Response {
            remote.asked.fetch_add(1, Ordering::SeqCst);
            *remote.last.lock().unwrap() = visit;
            tokio::time::sleep(patience).await;
            if headers.get("x-agentshield-key").is_none_or(|key| key != "as_live_test") {
                return StatusCode::UNAUTHORIZED.into_response();
            }
            let details = json!({"userAgentBot": false, "behavioralBot": true, "ipBot": false});
            let metadata = json!({"engine": "Test/1.0", "processingTime": 0});
            Json(json!({"isBot": true, "confidence": 0.9, "botType": "scraper", "details": details, "metadata": metadata}))
                .into_response()
        };
        let router = axum::Router::new()
            .route("/api/v1/detect", axum::routing::post(answer))
            .with_state(Arc::clone(&remote));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        remote
    }

    fn client(&self, key: &str) -> quivive::agentshield::AgentShield {
        Client::builder().url(&self.url).build().unwrap().agentshield(key)
    }
}

async fn in_mode_remote_the_service_decides<F: Framework>() {
    let remote = Remote::start(Duration::ZERO).await;
    let guard = agents(json!({"on_agent_detected": "block", "skip_paths": ["/health"]}))
        .remote(remote.client("as_live_test"));
    let ask = Ask::browser("/a?b=c").header("authorization", "Bearer secret").header("cookie", "secret=1");
    assert_eq!(F::ask(&guard, ask).await.status, 403);
    let told = remote.last.lock().unwrap().clone();
    assert_eq!(
        (&told["ip"], &told["url"], &told["userAgent"]),
        (&json!("192.0.2.7"), &json!("/a"), &json!(CHROME))
    );
    assert!(!told.to_string().contains("secret"));
    assert_eq!(F::ask(&guard, Ask::browser("/health")).await.status, 200);
    assert_eq!(remote.asked.load(Ordering::SeqCst), 1, "not asked about what is skipped");
}

async fn a_slow_or_refusing_service_is_waited_for_no_longer_than_it_may<F: Framework>() {
    let slow = Remote::start(Duration::from_secs(10)).await;
    let (sender, errors) = std::sync::mpsc::channel();
    let open = agents(json!({"on_agent_detected": "block"}))
        .remote(slow.client("as_live_test"))
        .on_error(move |error| sender.send(error.code().to_owned()).unwrap());
    let begun = Instant::now();
    assert_eq!(F::ask(&open, Ask::browser("/")).await.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(!errors.recv_timeout(Duration::from_secs(5)).unwrap().is_empty());
    let closed = agents(json!({"fail_open": false})).remote(slow.client("as_live_test"));
    assert_eq!(F::ask(&closed, Ask::browser("/")).await.status, 503);
    let refusing = Remote::start(Duration::ZERO).await;
    let wrong_key = agents(json!({"on_agent_detected": "block"})).remote(refusing.client("as_live_other"));
    assert_eq!(F::ask(&wrong_key, Ask::browser("/")).await.status, 200);
}

async fn in_mode_hybrid_the_service_is_told_afterwards<F: Framework>() {
    let remote = Remote::start(Duration::from_millis(100)).await;
    let guard = agents(json!({"on_agent_detected": "block"})).hybrid(remote.client("as_live_test"));
    let begun = Instant::now();
    assert_eq!(F::ask(&guard, Ask::browser("/")).await.status, 200, "the service's figure changes nothing");
    assert_eq!(F::ask(&guard, Ask::crawler("/")).await.status, 403);
    assert!(begun.elapsed() < Duration::from_millis(90), "nobody waits for the service");
    while remote.asked.load(Ordering::SeqCst) < 2 {
        assert!(begun.elapsed() < Duration::from_secs(5), "the service was never told");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(guard.dropped_reports(), 0);
}

async fn reports_that_find_no_room_are_dropped_and_counted<F: Framework>() {
    let remote = Remote::start(Duration::from_secs(30)).await;
    let guard = agents(json!({"count_requests": false})).hybrid(remote.client("as_live_test"));
    for _ in 0..1_010 {
        assert_eq!(F::ask(&guard, Ask::crawler("/")).await.status, 200);
    }
    assert!(guard.dropped_reports() >= 1, "{}", guard.dropped_reports());
}

on_both!(
    a_skipped_path_is_passed_on_without_marks,
    a_slow_or_refusing_service_is_waited_for_no_longer_than_it_may,
    addresses_are_believed_from_trusted_proxies_only,
    bytes_that_are_no_text_and_many_headers_do_no_harm,
    every_action_has_its_answer,
    hooks_are_told_off_the_request,
    in_mode_hybrid_the_service_is_told_afterwards,
    in_mode_remote_the_service_decides,
    paths_hold_inside_of_nested_routers,
    reports_that_find_no_room_are_dropped_and_counted,
    the_cookie_is_added_and_known_again,
    the_site_behind_is_told_who_asks,
    whom_the_site_blocks_never_reaches_it,
);

#[test]
fn options_that_cannot_be_meant_are_refused() {
    let options = |options: Value| serde_json::from_value::<GuardOptions>(options).unwrap();
    assert!(DetectAgents::new(options(json!({"on_agent_detected": "redirect"}))).is_err());
    assert!(DetectAgents::from_environment(options(json!({}))).is_ok());
}
