//! The guard as a whole: what it lets pass, what it answers, what it tells the site behind it.

mod answers;
mod cookies;
mod options;
mod service;
mod signed;
mod visitors;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::ErrorKind;
use crate::agent::{BotType, VerificationStatus};
use crate::decision::{MatchType, Require};

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const CRAWLER: &str = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)";
const NOW: i64 = 1_771_156_800_000;
const KEY: &str = "one secret for every process";

fn options(options: Value) -> Result<GuardOptions> {
    let mut options = options;
    options["seed"] = "07".repeat(32).into();
    Ok(serde_json::from_value(options)?)
}

fn made(chosen: Value) -> Result<DetectionGuard> {
    DetectionGuard::new(options(chosen)?)
}

fn guard(chosen: Value) -> DetectionGuard {
    made(chosen).unwrap()
}

fn refused(chosen: Value) -> ErrorKind {
    made(chosen).unwrap_err().kind()
}

/// A request to `https://shop.example` with these headers.
fn ask(target: &str, headers: &[(&str, &str)]) -> GuardRequest {
    let host = [("Host", "shop.example")];
    let lines = host.iter().chain(headers);
    GuardRequest {
        method: "GET".to_owned(),
        target: target.to_owned(),
        scheme: Some("https".to_owned()),
        headers: lines.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        peer: Some("192.0.2.7:50123".to_owned()),
        now: Timestamp::from_milliseconds(NOW),
        ..GuardRequest::default()
    }
}

fn browser(target: &str) -> GuardRequest {
    ask(
        target,
        &[
            ("User-Agent", CHROME),
            ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ("Accept-Language", "en-GB,en;q=0.9"),
            ("Accept-Encoding", "gzip, deflate, br"),
            ("Sec-Fetch-Site", "none"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Dest", "document"),
            ("Sec-CH-UA", r#""Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140""#),
            ("Sec-CH-UA-Platform", "\"Windows\""),
        ],
    )
}

fn browser_json(target: &str) -> GuardRequest {
    let mut request = browser(target);
    request.headers.retain(|(name, _)| name != "Accept");
    with(request, "Accept", "application/json")
}

fn crawler(target: &str) -> GuardRequest {
    ask(target, &[("User-Agent", CRAWLER), ("Accept", "*/*")])
}

fn with(mut request: GuardRequest, name: &str, value: &str) -> GuardRequest {
    request.headers.push((name.to_owned(), value.to_owned()));
    request
}

fn later(mut request: GuardRequest, milliseconds: i64) -> GuardRequest {
    request.now = Timestamp::from_milliseconds(NOW + milliseconds);
    request
}

fn check(guard: &DetectionGuard, request: &GuardRequest) -> GuardOutcome {
    guard.check(&request.incoming().unwrap())
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn body(outcome: &GuardOutcome) -> Value {
    serde_json::from_str(&outcome.response.as_ref().unwrap().body).unwrap()
}

#[test]
fn by_default_everybody_passes_and_the_site_is_told_who_it_is() {
    let outcome = check(&guard(json!({})), &crawler("/prices?page=2"));
    assert!(outcome.passes && outcome.response.is_none());
    assert_eq!((outcome.action, outcome.decision.match_type), (Action::Log, MatchType::Threshold));
    let told = |name| header(&outcome.upstream.set, name);
    assert_eq!(told("X-AgentShield-Bot"), Some("1"));
    assert_eq!(told("X-AgentShield-Type"), Some("crawler"));
    assert_eq!(told("X-AgentShield-Confidence"), Some("0.95"));
    assert_eq!(told("X-AgentShield-Agent"), Some("GPTBot"));
    assert_eq!(told("X-AgentShield-Verification"), Some("claimed"));
    assert_eq!(told("X-AgentShield-Action"), Some("log"));
    assert_eq!(told("X-AgentShield-Detection-Id"), outcome.detection_id.as_deref());
    assert!(outcome.detection_id.unwrap().starts_with("det_01"));

    let person = check(&guard(json!({})), &browser("/"));
    assert_eq!(header(&person.upstream.set, "X-AgentShield-Bot"), Some("0"));
    assert_eq!(header(&person.upstream.set, "X-AgentShield-Type"), Some("human"));
    assert_eq!(header(&person.upstream.set, "X-AgentShield-Agent"), None);
    assert_eq!(person.action, Action::Allow);
}

#[test]
fn marks_that_a_client_sends_are_removed_even_where_nothing_is_looked_at() {
    let lying = [
        ("User-Agent", CRAWLER),
        ("x-agentshield-bot", "0"),
        ("X_AgentShield_Bot", "0"),
        ("X-AGENTSHIELD-VERIFICATION", "verified"),
        ("X-AgentShield-Key", "as_live_x"),
        ("x-agentshield-bot", "0"),
    ];
    for chosen in [json!({}), json!({"skip_paths": ["/"]})] {
        let removed = check(&guard(chosen), &ask("/", &lying)).upstream.remove;
        assert_eq!(removed, ["x-agentshield-bot", "X_AgentShield_Bot", "X-AGENTSHIELD-VERIFICATION"]);
    }
}

#[test]
fn what_a_service_said_takes_the_place_of_the_own_figure() {
    let guard = guard(json!({"on_agent_detected": "block"}));
    let mut request = browser("/");
    request.detection = Some(RemoteDetection { is_bot: true, confidence: 0.9, bot_type: BotType::Scraper });
    let outcome = check(&guard, &request);
    assert!(!outcome.passes);
    let seen = outcome.classification.unwrap();
    assert_eq!((seen.bot_type, seen.confidence), (BotType::Scraper, 0.9));
    assert!(seen.evidence.iter().any(|item| item.id == "service.detection"));
    request.detection = Some(RemoteDetection { is_bot: true, confidence: 1.1, bot_type: BotType::Scraper });
    assert_eq!(request.incoming().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_service_that_cannot_be_reached_lets_pass_unless_told_otherwise() {
    let mut request = browser_json("/");
    request.unavailable = true;
    assert!(check(&guard(json!({})), &request).passes);
    let outcome = check(&guard(json!({"failOpen": false})), &request);
    assert_eq!(outcome.response.as_ref().unwrap().status, 503);
    assert_eq!(body(&outcome)["code"], "DETECTION_UNAVAILABLE");
}

#[test]
fn a_service_that_cannot_be_reached_waives_no_demanded_signature_unless_told_to() {
    let mut request = browser_json("/");
    request.unavailable = true;
    let signed = json!({"require": "signed"});
    for (chosen, passes) in [
        (json!({"policy": signed}), false),
        (json!({"policy": signed, "fail_open": null}), false),
        (json!({"policy": signed, "fail_open": true}), true),
        (json!({"policy": {"require": "signed", "fail_open": false}, "fail_open": true}), false),
    ] {
        assert_eq!(check(&guard(chosen.clone()), &request).passes, passes, "{chosen}");
    }
    let fetching = guard(json!({}));
    fetching.set_policy(&signed).unwrap();
    assert_eq!(check(&fetching, &request).response.unwrap().status, 503);
}

#[test]
fn long_and_many_headers_are_taken() {
    let guard = guard(json!({"session_tracking": {"enabled": true}}));
    let mut request = ask("/", &[("User-Agent", &"a/1 ".repeat(16_384))]);
    for number in 0..200 {
        request = with(request, &format!("X-{number}"), &"\u{ff}".repeat(9_000));
    }
    assert!(check(&guard, &request).classification.is_some());
    request.headers = vec![("A".to_owned(), "b".to_owned()); 1_001];
    let outcome = check(&guard, &with(with(request, "X-AgentShield-Bot", "0"), "User-Agent", CRAWLER));
    assert_eq!(outcome.upstream.remove, ["X-AgentShield-Bot"], "marks are found behind any number of lines");
    assert!(outcome.classification.unwrap().is_bot);
}

#[test]
fn threads_may_share_a_guard() {
    let guard = guard(json!({"session_tracking": {"enabled": true}}));
    let ids: std::collections::BTreeSet<_> = std::thread::scope(|scope| {
        let run = || (0..100).map(|_| check(&guard, &crawler("/")).detection_id.unwrap()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(run)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 800, "every detection has an id of its own");
    assert_eq!(check(&guard, &crawler("/")).decision.action, Action::Log);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn no_request_makes_it_fail(
        method in ".{0,12}",
        target in ".{0,80}",
        authority in proptest::option::of(".{0,30}"),
        peer in proptest::option::of(".{0,30}"),
        headers in proptest::collection::vec(("[a-zA-Z_-]{0,20}|cookie|user-agent|.{0,8}", ".{0,60}"), 0..20),
        now in any::<i64>(),
    ) {
        let guard = guard(json!({
            "on_agent_detected": "block",
            "session_tracking": {"enabled": true},
            "client_ip": {"trusted_proxies": ["0.0.0.0/0", "::/0"]},
        }));
        let request = GuardRequest {
            method, target, authority, peer, headers,
            now: Timestamp::from_milliseconds(now),
            ..GuardRequest::default()
        };
        let outcome = check(&guard, &request);
        prop_assert_eq!(outcome.passes, outcome.response.is_none());
        for (name, value) in outcome.set_headers.iter().chain(&outcome.upstream.set) {
            prop_assert!(name.is_ascii() && value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
        }
    }
}
