//! The policy of a project, fetched from a service that changes, refuses, is silent and dies.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use quivive::Client;
use quivive::agentshield::AgentShield;
use quivive_middleware::{DetectAgents, FetchPolicy, Policy};
use serde_json::{Value, json};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::detection::{Actix, Ask, Framework, Tower, agents};

/// A service that gives one policy with its tag, in a runtime of its own, and keeps what it was asked.
struct Service {
    url: String,
    state: Arc<Mutex<Policies>>,
    runtime: Option<tokio::runtime::Runtime>,
}

struct Policies {
    status: StatusCode,
    policy: Value,
    tag: &'static str,
    delay: Duration,
    asked: Vec<(String, HeaderMap)>,
}

impl Service {
    fn start() -> Self {
        let state = Arc::new(Mutex::new(Policies {
            status: StatusCode::OK,
            policy: json!({"defaultAction": "allow", "blockThreshold": 80, "updatedAt": "2026-11-22T12:00:00Z"}),
            tag: "\"one\"",
            delay: Duration::ZERO,
            asked: Vec::new(),
        }));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&state));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
        Self { url, state, runtime: Some(runtime) }
    }

    fn change(&self, change: impl FnOnce(&mut Policies)) {
        change(&mut self.state.lock().unwrap());
    }

    fn asked(&self) -> usize {
        self.state.lock().unwrap().asked.len()
    }

    fn request(&self, number: usize) -> (String, HeaderMap) {
        self.state.lock().unwrap().asked[number].clone()
    }

    fn last_known(&self) -> Option<String> {
        let state = self.state.lock().unwrap();
        Some(state.asked.last()?.1.get("if-none-match")?.to_str().unwrap().to_owned())
    }

    fn client(&self) -> AgentShield {
        Client::builder().url(&self.url).build().unwrap().agentshield("as_live_test")
    }

    /// Ends the service and its connections.
    fn die(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn answer(State(state): State<Arc<Mutex<Policies>>>, uri: Uri, headers: HeaderMap) -> Response {
    let (delay, answer) = {
        let mut state = state.lock().unwrap();
        let is_known = headers.get("if-none-match").is_some_and(|known| known == state.tag);
        state.asked.push((uri.path().to_owned(), headers));
        let tag = [(header::ETAG, state.tag)];
        let answer = match (state.status, is_known) {
            (StatusCode::OK, true) => (StatusCode::NOT_MODIFIED, tag).into_response(),
            (StatusCode::OK, false) => (tag, axum::Json(state.policy.clone())).into_response(),
            (status, _) => (status, axum::Json(json!({"error": {"code": "REFUSED"}}))).into_response(),
        };
        (state.delay, answer)
    };
    tokio::time::sleep(delay).await;
    answer
}

/// Every second the policy of `proj_7`; until then nobody is kept out.
fn chosen() -> FetchPolicy {
    FetchPolicy {
        project_id: Some("proj_7".to_owned()),
        cache_ttl_seconds: 1,
        fallback_policy: Some(Policy { enabled: false, ..Policy::default() }),
    }
}

type Failures = Arc<Mutex<Vec<String>>>;

/// A guard that blocks until it has a policy, with what it tells of failures.
fn follower(service: &Service, chosen: FetchPolicy) -> (DetectAgents, Failures) {
    let failures = Failures::default();
    let told = Arc::clone(&failures);
    let guard = agents(json!({"on_agent_detected": "block"}))
        .fetch_policy(service.client(), chosen)
        .unwrap()
        .on_error(move |error| told.lock().unwrap().push(error.code().to_owned()));
    (guard, failures)
}

async fn blocks<F: Framework>(guard: &DetectAgents) -> bool {
    F::ask(guard, Ask::crawler("/")).await.status == 403
}

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(8);
    while !condition().await {
        assert!(Instant::now() < end, "it did not happen in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn the_projects_policy_takes_the_fallbacks_place_and_is_followed<F: Framework>() {
    let service = Service::start();
    service.change(|state| state.status = StatusCode::SERVICE_UNAVAILABLE);
    let (guard, failures) = follower(&service, chosen());
    let told = |code: &str| failures.lock().unwrap().iter().filter(|told| *told == code).count();
    assert!(!blocks::<F>(&guard).await, "the fallback counts");
    until(async || told("REFUSED") > 0).await;
    assert!(!blocks::<F>(&guard).await, "the fallback still counts");

    service.change(|state| state.status = StatusCode::OK);
    until(async || blocks::<F>(&guard).await).await;
    let (path, headers) = service.request(0);
    assert_eq!(path, "/api/v1/projects/proj_7/policy");
    assert_eq!(headers["x-agentshield-key"], "as_live_test");
    assert!(!headers.contains_key("if-none-match"));

    let asked = service.asked();
    until(async || service.asked() > asked && service.last_known().as_deref() == Some("\"one\"")).await;
    assert!(blocks::<F>(&guard).await, "what is the same goes on counting");

    let before = told("REFUSED");
    service.change(|state| (state.status, state.tag) = (StatusCode::INTERNAL_SERVER_ERROR, "\"two\""));
    until(async || told("REFUSED") > before).await;
    assert!(blocks::<F>(&guard).await, "what cannot be renewed goes on counting");

    service
        .change(|state| (state.status, state.policy) = (StatusCode::OK, json!({"defaultAction": "shout"})));
    until(async || told("INVALID_INPUT") > 1).await;
    assert!(blocks::<F>(&guard).await, "what cannot be used changes nothing");
    assert_eq!(service.last_known().as_deref(), Some("\"one\""), "it is not taken for known");

    let off = json!({"defaultAction": "allow", "enabled": false});
    service.change(|state| (state.policy, state.tag) = (off, "\"three\""));
    until(async || !blocks::<F>(&guard).await).await;
}

async fn a_service_that_dies_leaves_the_last_policy<F: Framework>() {
    let mut service = Service::start();
    let (guard, failures) = follower(&service, chosen());
    until(async || blocks::<F>(&guard).await).await;
    service.die();
    until(async || failures.lock().unwrap().len() > 1).await;
    assert!(failures.lock().unwrap().iter().all(|code| code == "CONNECTION_FAILED"));
    assert!(blocks::<F>(&guard).await);
}

async fn no_request_waits_for_a_silent_service<F: Framework>() {
    let service = Service::start();
    service.change(|state| state.delay = Duration::from_secs(30));
    let begun = Instant::now();
    let (guard, failures) = follower(&service, chosen());
    assert!(!blocks::<F>(&guard).await);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    until(async || !failures.lock().unwrap().is_empty()).await;
    assert!(begun.elapsed() > Duration::from_secs(2), "it is waited for off the request");
    assert_eq!(failures.lock().unwrap()[0], "CONNECTION_FAILED");
    assert!(!blocks::<F>(&guard).await);
}

on_both!(
    a_service_that_dies_leaves_the_last_policy,
    no_request_waits_for_a_silent_service,
    the_projects_policy_takes_the_fallbacks_place_and_is_followed,
);

#[tokio::test]
async fn without_a_fallback_the_options_count_until_a_policy_is_there() {
    let service = Service::start();
    service.change(|state| {
        state.policy = json!({"defaultAction": "allow", "enabled": false});
        state.delay = Duration::from_millis(500);
    });
    let (guard, _) = follower(&service, FetchPolicy { fallback_policy: None, ..chosen() });
    assert!(blocks::<Tower>(&guard).await, "as the options say");
    until(async || !blocks::<Tower>(&guard).await).await;
}

#[tokio::test]
async fn the_shortcuts_of_the_options_are_added_to_what_is_fetched() {
    let service = Service::start();
    service.change(|state| {
        state.policy = json!({"defaultAction": "allow", "thresholds": {"confidenceAction": "log"}});
    });
    let guard = agents(json!({"blocked_agents": ["GPTBot"], "skip_paths": ["/health"]}));
    let guard = guard.fetch_policy(service.client(), chosen()).unwrap();
    assert!(!blocks::<Tower>(&guard).await, "the fallback is off");
    until(async || blocks::<Tower>(&guard).await).await;
    assert_eq!(Tower::ask(&guard, Ask::crawler("/health")).await.status, 200);
}

/// Counts the warnings of this crate.
struct Warnings(Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN && metadata.target().starts_with("quivive_middleware")
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn what_goes_on_failing_is_logged_once() {
    let logged = Arc::new(AtomicUsize::new(0));
    let _subscriber = tracing::subscriber::set_default(Warnings(Arc::clone(&logged)));
    let service = Service::start();
    service.change(|state| state.status = StatusCode::INTERNAL_SERVER_ERROR);
    let (guard, failures) = follower(&service, chosen());
    until(async || failures.lock().unwrap().len() > 2).await;
    assert_eq!(logged.load(Ordering::SeqCst), 1);
    service.change(|state| state.status = StatusCode::OK);
    until(async || blocks::<Tower>(&guard).await).await;
    service.change(|state| state.status = StatusCode::INTERNAL_SERVER_ERROR);
    let told = failures.lock().unwrap().len();
    until(async || failures.lock().unwrap().len() > told + 1).await;
    assert_eq!(logged.load(Ordering::SeqCst), 2, "once for each time that it begins to fail");
}

#[tokio::test]
async fn a_refused_key_is_not_asked_for_again_and_again() {
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND] {
        let service = Service::start();
        service.change(|state| state.status = status);
        let (guard, failures) = follower(&service, chosen());
        until(async || !failures.lock().unwrap().is_empty()).await;
        for _ in 0..25 {
            assert!(!blocks::<Tower>(&guard).await, "the fallback counts");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!((service.asked(), failures.lock().unwrap().len()), (1, 1), "{status}");
    }
}

#[tokio::test]
async fn the_task_ends_with_the_last_guard_and_not_before() {
    let service = Service::start();
    let (guard, _) = follower(&service, chosen());
    let clone = guard.clone();
    drop(guard);
    until(async || service.asked() > 1).await;
    let layer = quivive_middleware::tower::DetectionLayer::new(clone);
    let asked = service.asked();
    until(async || service.asked() > asked).await;
    drop(layer);
    // A fetch that was just under way may still arrive.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let asked = service.asked();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(service.asked(), asked);
}

/// A guard may be made before there is a runtime, and used in one after another, as the workers of a server.
#[test]
fn outside_of_a_runtime_the_first_request_begins() {
    let service = Service::start();
    let (guard, _) = follower(&service, chosen());
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(service.asked(), 0);
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asked = service.asked();
        runtime.block_on(async {
            until(async || blocks::<Tower>(&guard).await && service.asked() > asked + 1).await;
        });
    }
}

#[tokio::test]
async fn the_clients_project_is_the_usual_one() {
    let service = Service::start();
    let plan = FetchPolicy { project_id: None, ..chosen() };
    let guard = agents(json!({})).fetch_policy(service.client().for_project("proj_9"), plan).unwrap();
    until(async || service.asked() > 0).await;
    let (path, headers) = service.request(0);
    assert_eq!(path, "/api/v1/projects/proj_9/policy");
    assert_eq!(headers["x-agentshield-project"], "proj_9");
    drop(guard);
}

#[test]
fn what_cannot_be_used_is_refused_at_the_start() {
    let usual = FetchPolicy::default();
    assert_eq!((usual.cache_ttl_seconds, usual.project_id, usual.fallback_policy), (300, None, None));
    let client = Client::builder().url("https://quivive.example").build().unwrap();
    let project = |id: &str| FetchPolicy { project_id: Some(id.to_owned()), ..chosen() };
    let every = |seconds| FetchPolicy { cache_ttl_seconds: seconds, ..chosen() };
    let leading_nowhere =
        Policy { default_action: quivive_middleware::Action::Redirect, ..Policy::default() };
    let fallback = FetchPolicy { fallback_policy: Some(leading_nowhere), ..chosen() };
    for (key, plan) in [
        ("as_live_test", FetchPolicy { project_id: None, ..chosen() }),
        ("as_live_test", project("")),
        ("as_live_test", project("../x")),
        ("as_live_test", every(0)),
        ("as_live_test", every(86_401)),
        ("as_live_test", fallback),
        ("as\nlive", chosen()),
    ] {
        let guard = agents(json!({"on_agent_detected": "block"}));
        let before = guard.guard().policy();
        let error = guard.clone().fetch_policy(client.agentshield(key), plan.clone()).unwrap_err();
        assert_eq!(error.code(), "INVALID_INPUT", "{plan:?}");
        assert_eq!(guard.guard().policy(), before, "{plan:?}");
    }
    let nowhere = Client::builder().build().unwrap().agentshield("as_live_test");
    assert_eq!(agents(json!({})).fetch_policy(nowhere, chosen()).unwrap_err().code(), "INVALID_INPUT");
    for seconds in [1, 86_400] {
        assert!(agents(json!({})).fetch_policy(client.agentshield("as_live_test"), every(seconds)).is_ok());
    }
}
