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

fn ruled(guard: EnforceVerdict, policy: Value) -> EnforceVerdict {
    guard.policy(serde_json::from_value(policy).unwrap()).unwrap()
}

/// On the deny list.
fn denied(guard: EnforceVerdict) -> EnforceVerdict {
    ruled(guard, json!({"fail_open": false, "deny_list": [{"ip": "192.0.2.0/24", "reason": "Rude."}]}))
}

/// For people only, and closed to whom nothing is known about.
fn people(guard: EnforceVerdict) -> EnforceVerdict {
    ruled(guard, json!({"require": "human", "on_unknown": "block"}))
}

/// One rule for everybody.
fn always(guard: EnforceVerdict, action: &str) -> EnforceVerdict {
    let rule = json!({"id": "all", "action": action, "message": "Go away."});
    let (redirect, rewrite) = ("https://shop.example/bots", "/bots");
    ruled(guard, json!({"rules": [rule], "redirect_url": redirect, "rewrite_url": rewrite}))
}

/// A rule on what comes from headers alone, which the thresholds leave alone.
fn slow_crawlers(guard: EnforceVerdict) -> EnforceVerdict {
    let condition = json!({"field": "bot_type", "operator": "equals", "value": "crawler"});
    let rule = json!({"id": "crawlers", "action": "delay", "conditions": [condition]});
    ruled(guard, json!({"rules": [rule], "thresholds": {"confidence_action": "allow"}}))
}

fn crawler() -> Ask {
    let name = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)";
    Ask::new().header("user-agent", name)
}

/// All that a browser's request for a page shows.
fn browser() -> Ask {
    let name = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";
    Ask::new()
        .header("user-agent", name)
        .header("accept", "text/html,application/xhtml+xml")
        .header("accept-language", "en-US,en;q=0.5")
        .header("accept-encoding", "gzip, deflate, br")
        .header("sec-fetch-dest", "document")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-site", "none")
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
    Case { name: "denied address without session", configure: denied, ask: || Ask::new().peer("192.0.2.1"), status: 403, says: Some("Forbidden"), header: None, asks: 0 },
    Case { name: "address beside the denied ones", configure: denied, ask: || browser().peer("192.0.3.1"), status: 200, says: None, header: None, asks: 0 },
    Case { name: "denied address, static file", configure: denied, ask: || Ask::new().peer("192.0.2.1").path("/app.js"), status: 403, says: Some("Forbidden"), header: None, asks: 0 },
    Case { name: "denied address, service slow", configure: denied, ask: || Ask::new().peer("192.0.2.1").session("slow"), status: 403, says: Some("Forbidden"), header: None, asks: 0 },
    Case { name: "denied address, service well", configure: denied, ask: || Ask::new().peer("192.0.2.1").session("allow"), status: 403, says: Some("Forbidden"), header: None, asks: 0 },
    Case { name: "denied address, policy switched off", configure: |guard| ruled(guard, json!({"enabled": false, "default_action": "block"})), ask: || Ask::new().peer("192.0.2.1"), status: 200, says: None, header: None, asks: 0 },
    Case { name: "path rule without session", configure: |guard| ruled(guard, json!({"path_rules": [{"pattern": "/admin/**", "action": "block"}]})), ask: || browser().path("/admin/users"), status: 403, says: Some("Forbidden"), header: None, asks: 0 },
    Case { name: "path rule, disguised as static file", configure: |guard| ruled(guard, json!({"path_rules": [{"pattern": "/admin/**", "action": "block"}]})), ask: || browser().path("/admin/users.js"), status: 403, says: Some("Forbidden"), header: None, asks: 0 },
    Case { name: "path rule for other paths", configure: |guard| ruled(guard, json!({"path_rules": [{"pattern": "/admin/**", "action": "block"}]})), ask: || browser().path("/administration"), status: 200, says: None, header: None, asks: 0 },
    Case { name: "path rule in a nested router", configure: |guard| ruled(guard, json!({"path_rules": [{"pattern": "/api/**", "action": "block"}]})), ask: || browser().path("/api/orders/7"), status: 403, says: Some("Forbidden"), header: None, asks: 0 },
    Case { name: "person demanded, nothing known", configure: people, ask: Ask::new, status: 403, says: Some("Forbidden"), header: None, asks: 0 },
    Case { name: "person demanded, browser's headers", configure: people, ask: browser, status: 403, says: Some("Forbidden"), header: None, asks: 0 },
    Case { name: "person demanded, crawler", configure: people, ask: crawler, status: 403, says: Some("Forbidden"), header: None, asks: 0 },
    Case { name: "person demanded, static file", configure: people, ask: || browser().path("/app.js"), status: 200, says: None, header: None, asks: 0 },
    Case { name: "person demanded, unknown ones let in", configure: |guard| ruled(guard, json!({"require": "human"})), ask: browser, status: 200, says: None, header: None, asks: 0 },
    Case { name: "person demanded, bot by verdict", configure: |guard| ruled(guard, json!({"require": "human"})), ask: || browser().session("allow"), status: 403, says: Some("Forbidden"), header: None, asks: 1 },
    Case { name: "signature demanded", configure: |guard| ruled(guard, json!({"require": "signed"})), ask: browser, status: 403, says: Some("Forbidden"), header: None, asks: 0 },
    Case { name: "default is to block", configure: |guard| ruled(guard, json!({"default_action": "block"})), ask: browser, status: 403, says: Some("Forbidden"), header: None, asks: 0 },
    Case { name: "rule redirects", configure: |guard| always(guard, "redirect"), ask: browser, status: 302, says: Some("Found"), header: Some(("location", "https://shop.example/bots")), asks: 0 },
    Case { name: "rule rewrites", configure: |guard| always(guard, "rewrite"), ask: browser, status: 403, says: Some("Go away."), header: None, asks: 0 },
    Case { name: "rule instructs", configure: |guard| always(guard, "instruct"), ask: browser, status: 403, says: Some("Go away."), header: None, asks: 0 },
    Case { name: "rule delays", configure: |guard| always(guard, "delay"), ask: browser, status: 429, says: Some("Too Many Requests"), header: Some(("retry-after", "5")), asks: 0 },
    Case { name: "rule challenges, nobody asks", configure: |guard| always(guard, "challenge"), ask: || browser().session("allow"), status: 403, says: Some("Go away."), header: None, asks: 0 },
    Case { name: "rule challenges", configure: |guard| always(guard, "challenge").on_challenge(|_, _| puzzle()), ask: browser, status: 401, says: Some("solve this"), header: None, asks: 0 },
    Case { name: "rule logs", configure: |guard| always(guard, "log"), ask: || browser().session("block"), status: 200, says: Some("block"), header: None, asks: 1 },
    Case { name: "crawler, no policy", configure: |guard| guard, ask: crawler, status: 200, says: None, header: None, asks: 0 },
    Case { name: "crawler, thresholds", configure: |guard| ruled(guard, json!({})), ask: crawler, status: 403, says: Some("Forbidden"), header: None, asks: 0 },
    Case { name: "crawler, thresholds, static file", configure: |guard| ruled(guard, json!({})), ask: || crawler().path("/app.js"), status: 200, says: None, header: None, asks: 0 },
    Case { name: "crawler, thresholds, service slow", configure: |guard| ruled(guard, json!({})), ask: || crawler().session("slow"), status: 403, says: Some("Forbidden"), header: None, asks: 1 },
    Case { name: "crawler, thresholds for none", configure: |guard| ruled(guard, json!({"thresholds": {"confidence_action": "allow"}})), ask: crawler, status: 200, says: None, header: None, asks: 0 },
    Case { name: "crawler on the allow list", configure: |guard| ruled(guard, json!({"allow_list": [{"client_name": "GPTBot"}]})), ask: crawler, status: 200, says: None, header: None, asks: 0 },
    Case { name: "browser, thresholds", configure: |guard| ruled(guard, json!({})), ask: browser, status: 200, says: None, header: None, asks: 0 },
    Case { name: "rule on crawlers, crawler", configure: slow_crawlers, ask: crawler, status: 429, says: Some("Too Many Requests"), header: None, asks: 0 },
    Case { name: "rule on crawlers, browser", configure: slow_crawlers, ask: browser, status: 200, says: None, header: None, asks: 0 },
    Case { name: "rule on origins", configure: |guard| ruled(guard, json!({"rules": [{"id": "origin", "action": "block", "conditions": [{"field": "origin", "operator": "equals", "value": "https://evil.example"}]}]})), ask: || browser().header("origin", "https://evil.example"), status: 403, says: Some("Forbidden"), header: None, asks: 0 },
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

async fn route_template_is_told_and_kept_under<F: Framework>() {
    let service = Service::start().await;
    let guard = service.visitors();
    for path in ["/api/orders/7", "/api/orders/8"] {
        assert_eq!(F::ask(&guard, Ask::new().session("block_1").path(path)).await.status, 403, "{path}");
    }
    assert_eq!(*service.last_context.lock().unwrap(), "path=%2Fapi%2Forders%2F%7Border%7D");
    assert_eq!(service.verdicts_asked(), 1);
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

on_both!(
    all_cases,
    context_is_told_unless_switched_off,
    guard_that_does_not_wait_asks_in_the_background,
    requests_at_once_share_one_look_up,
    route_template_is_told_and_kept_under,
    verdict_is_kept_for_a_while,
    what_is_unavailable_is_not_kept,
);
