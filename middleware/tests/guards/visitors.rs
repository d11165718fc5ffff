//! `EnforceVerdict`.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use quivive_middleware::guard::Answer;
use quivive_middleware::{EnforceVerdict, Policy, SessionCookie, TrustedProxies};
use serde_json::{Value, json};

use crate::frameworks::{Actix, Ask, Framework, Got, Tower};
use crate::service::{PRIVATE_KEY, Service};

struct Case {
    name: &'static str,
    configure: fn(EnforceVerdict) -> EnforceVerdict,
    ask: fn() -> Ask,
    status: u16,
    /// The body, or what is attached: the verdict's action.
    says: Option<&'static str>,
    header: Option<(&'static str, &'static str)>,
    /// How often the service is asked.
    asks: usize,
}

const SITE_KEY: &str = "pk_site";

fn cookie(value: &str) -> Ask {
    Ask::new().header("cookie", value)
}

fn signed(session: &str) -> String {
    format!("botect_server_session={}", SessionCookie::new(PRIVATE_KEY, SITE_KEY).sign(session))
}

fn closed() -> Policy {
    Policy { fail_open: Some(false), ..Policy::default() }
}

fn puzzle() -> Answer {
    let mut answer = Answer::new("solve this".into());
    *answer.status_mut() = http::StatusCode::UNAUTHORIZED;
    answer
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { name: "block", configure: |guard| guard, ask: || Ask::new().session("block"), status: 403, says: Some("Forbidden"), header: None, asks: 1 },
    Case { name: "delay", configure: |guard| guard, ask: || Ask::new().session("delay"), status: 429, says: Some("Too Many Requests"), header: Some(("retry-after", "5")), asks: 1 },
    Case { name: "allow", configure: |guard| guard, ask: || Ask::new().session("allow"), status: 200, says: Some("allow"), header: None, asks: 1 },
    Case { name: "log", configure: |guard| guard, ask: || Ask::new().session("log"), status: 200, says: Some("log"), header: None, asks: 1 },
    Case { name: "challenge, nobody asks", configure: |guard| guard, ask: || Ask::new().session("challenge"), status: 200, says: Some("challenge"), header: None, asks: 1 },
    Case { name: "challenge", configure: |guard| guard.on_challenge(|_, _| puzzle()), ask: || Ask::new().session("challenge"), status: 401, says: Some("solve this"), header: None, asks: 1 },
    Case { name: "no session", configure: |guard| guard, ask: Ask::new, status: 200, says: None, header: None, asks: 0 },
    Case { name: "no session that can be one", configure: |guard| guard, ask: || cookie("botect_session=a/b"), status: 200, says: None, header: None, asks: 0 },
    Case { name: "service slow", configure: |guard| guard, ask: || Ask::new().session("slow"), status: 200, says: Some("allow"), header: None, asks: 1 },
    Case { name: "service talks nonsense", configure: |guard| guard, ask: || Ask::new().session("garbage"), status: 200, says: Some("allow"), header: None, asks: 1 },
    Case { name: "service slow, closed", configure: |guard| guard.policy(closed()).unwrap(), ask: || Ask::new().session("slow"), status: 503, says: Some("VERDICT_UNAVAILABLE"), header: None, asks: 1 },
    Case { name: "service well, closed", configure: |guard| guard.policy(closed()).unwrap(), ask: || Ask::new().session("allow"), status: 200, says: Some("allow"), header: None, asks: 1 },
    Case { name: "static file", configure: |guard| guard, ask: || Ask::new().path("/app.js").session("block"), status: 200, says: None, header: None, asks: 0 },
    Case { name: "static file, guarded", configure: |guard| guard.static_files(true), ask: || Ask::new().path("/app.js").session("block"), status: 403, says: Some("Forbidden"), header: None, asks: 1 },
    Case { name: "excluded path", configure: |guard| guard.policy(Policy { excluded_paths: vec!["/health".to_owned()], ..Policy::default() }).unwrap(), ask: || Ask::new().path("/health").session("block"), status: 200, says: None, header: None, asks: 0 },
    Case { name: "collector's cookie", configure: |guard| guard, ask: || cookie("a=b; botect_session=block_1"), status: 403, says: Some("Forbidden"), header: None, asks: 1 },
    Case { name: "signed cookie", configure: |guard| guard.site_key(SITE_KEY), ask: || cookie(&signed("block_1")), status: 403, says: Some("Forbidden"), header: None, asks: 1 },
    Case { name: "signed cookie before the collector's", configure: |guard| guard.site_key(SITE_KEY), ask: || cookie(&format!("botect_session=allow_1; {}", signed("block_1"))), status: 403, says: Some("Forbidden"), header: None, asks: 1 },
    Case { name: "signed cookie without site key", configure: |guard| guard, ask: || cookie(&signed("block_1")), status: 200, says: None, header: None, asks: 0 },
    Case { name: "signed cookie of another site", configure: |guard| guard.site_key("pk_other"), ask: || cookie(&signed("block_1")), status: 200, says: None, header: None, asks: 0 },
    Case { name: "forged cookie beside the collector's", configure: |guard| guard.site_key(SITE_KEY), ask: || cookie(&format!("{}; botect_session=block_1", signed("allow_1").replace("allow", "log"))), status: 403, says: Some("Forbidden"), header: None, asks: 1 },
    Case { name: "the site knows better", configure: |guard| guard.site_key(SITE_KEY), ask: || cookie(&signed("allow_1")).session("block_2"), status: 403, says: Some("Forbidden"), header: None, asks: 1 },
];

fn said(got: &Got) -> Option<&str> {
    match &got.body {
        Value::String(text) => Some(text),
        body if got.status == 200 => body["verdict"].as_str(),
        body => body["error"].as_str(),
    }
}

async fn all_cases<F: Framework>() {
    let mut failures = Vec::new();
    for case in CASES {
        let service = Service::start().await;
        let got = F::ask(&(case.configure)(service.visitors()), (case.ask)()).await;
        let is_private =
            matches!(got.status, 200 | 401) || got.header("cache-control") == Some("private, no-store");
        let has_header = case.header.is_none_or(|(name, value)| got.header(name) == Some(value));
        let asked = service.verdicts_asked();
        if got.status != case.status
            || said(&got) != case.says
            || asked != case.asks
            || !is_private
            || !has_header
        {
            failures.push(format!("{}: asked {asked} times, {got:?}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

async fn verdict_is_kept_for_a_while<F: Framework>() {
    let service = Service::start().await;
    let guard = service.visitors().cache_seconds(1);
    for _ in 0..3 {
        assert_eq!(F::ask(&guard, Ask::new().session("block_1")).await.status, 403);
    }
    assert_eq!(service.verdicts_asked(), 1);
    F::ask(&guard, Ask::new().session("block_2")).await;
    assert_eq!(service.verdicts_asked(), 2);
    F::ask(&guard, Ask::new().session("block_1").path("/other")).await;
    assert_eq!(service.verdicts_asked(), 3);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    F::ask(&guard, Ask::new().session("block_1")).await;
    assert_eq!(service.verdicts_asked(), 4);
}

async fn requests_at_once_share_one_look_up<F: Framework>() {
    let service = Service::start().await;
    let guard = service.visitors();
    let asks = (0..20).map(|_| F::ask(&guard, Ask::new().session("block_1")));
    assert!(futures::future::join_all(asks).await.iter().all(|got| got.status == 403));
    assert_eq!(service.verdicts_asked(), 1);
}

async fn what_is_unavailable_is_not_kept<F: Framework>() {
    let service = Service::start().await;
    let guard = service.visitors();
    service.is_down.store(true, Ordering::SeqCst);
    let got = F::ask(&guard, Ask::new().session("block_1")).await;
    assert_eq!((got.status, &got.body["unavailable"]), (200, &json!(true)));
    service.is_down.store(false, Ordering::SeqCst);
    assert_eq!(F::ask(&guard, Ask::new().session("block_1")).await.status, 403);
}

async fn guard_that_does_not_wait_asks_in_the_background<F: Framework>() {
    let service = Service::start().await;
    let guard = service.visitors().wait(false);
    let got = F::ask(&guard, Ask::new().session("block_1")).await;
    assert_eq!((got.status, &got.body["unavailable"]), (200, &json!(true)));
    let start = Instant::now();
    while F::ask(&guard, Ask::new().session("block_1")).await.status != 403 {
        assert!(start.elapsed() < Duration::from_secs(5), "verdict never came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(service.verdicts_asked(), 1);
}

async fn context_is_told_unless_switched_off<F: Framework>() {
    let service = Service::start().await;
    let ask = || {
        Ask::new()
            .session("allow")
            .path("/a%20b?c=d")
            .peer("10.0.0.1")
            .header("x-forwarded-for", "192.0.2.1")
            .header("user-agent", "Test/1")
    };
    let guard = service.visitors().trusted_proxies(TrustedProxies::parse(["10.0.0.1"]).unwrap());
    F::ask(&guard, ask()).await;
    assert_eq!(*service.last_context.lock().unwrap(), "ip=192.0.2.1&path=%2Fa%2520b&ua=Test%2F1");
    F::ask(&service.visitors().context(false), ask()).await;
    assert_eq!(*service.last_context.lock().unwrap(), "");
}

macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_tower {
            use super::Tower;
            $(#[tokio::test] async fn $name() { super::$name::<Tower>().await; })*
        }
        mod on_actix {
            use super::Actix;
            $(#[actix_web::test] async fn $name() { super::$name::<Actix>().await; })*
        }
    };
}

on_both!(
    all_cases,
    context_is_told_unless_switched_off,
    guard_that_does_not_wait_asks_in_the_background,
    requests_at_once_share_one_look_up,
    verdict_is_kept_for_a_while,
    what_is_unavailable_is_not_kept,
);
