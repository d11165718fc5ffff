//! The guard as a whole: what it lets pass, what it answers, what it tells the site behind it.

mod answers;
mod cookies;
mod options;
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
fn long_and_many_headers_are_taken() {
    let guard = guard(json!({"session_tracking": {"enabled": true}}));
    let mut request = ask("/", &[("User-Agent", &"a/1 ".repeat(16_384))]);
    for number in 0..200 {
        request = with(request, &format!("X-{number}"), &"\u{ff}".repeat(9_000));
    }
    assert!(check(&guard, &request).classification.is_some());
    request.headers = vec![(String::new(), String::new()); 1_001];
    assert_eq!(request.incoming().unwrap_err().kind(), ErrorKind::LimitExceeded);
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

const AGENT: &str = "https://chatgpt.com";

/// A browser agent's request, signed for this site with a lifetime of a minute, and what was changed afterwards.
fn signed<const N: usize>(
    signer: &MessageSigner,
    components: [&str; N],
    nonce: Option<&str>,
) -> GuardRequest {
    let mut request = with(browser("/cart?id=5"), "Signature-Agent", &format!("\"{AGENT}\""));
    let lines: Vec<Line<'_>> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let mut plan = SigningPlan::new(components, "web-bot-auth", Timestamp::from_milliseconds(NOW), 60);
    plan.nonce = nonce.map(str::to_owned);
    let unsigned = Request { method: Some("GET"), headers: &lines, ..Request::default() }
        .with_url("https://shop.example/cart?id=5");
    let fields = signer.sign(&(&unsigned).into(), &plan).unwrap();
    request.headers.push(("Signature-Input".to_owned(), fields.signature_input));
    request.headers.push(("Signature".to_owned(), fields.signature));
    request
}

const COMPONENTS: [&str; 4] = ["@authority", "@method", "@path", "signature-agent"];

fn signer() -> MessageSigner {
    MessageSigner::generate(&[42; 32]).unwrap()
}

fn key() -> Jwk {
    signer().public_key().jwk().clone()
}

/// Closed to everybody without a signature, with the agent's keys.
fn closed_but_for(chosen: Value) -> DetectionGuard {
    let mut all = json!({"policy": {"require": "signed"}, "keys": {AGENT: [key()]}});
    all.as_object_mut().unwrap().extend(chosen.as_object().cloned().unwrap_or_default());
    guard(all)
}

fn status_of(guard: &DetectionGuard, request: &GuardRequest) -> (bool, VerificationStatus) {
    let outcome = check(guard, request);
    (outcome.passes, outcome.classification.unwrap().verification.status)
}

#[test]
fn a_signed_agent_is_verified_and_let_in() {
    let guard = closed_but_for(json!({}));
    let outcome = check(&guard, &signed(&signer(), COMPONENTS, None));
    let seen = outcome.classification.unwrap();
    assert!(outcome.passes && seen.is_verified());
    assert_eq!((seen.confidence, seen.agent.unwrap().id.as_str()), (1.0, "openai-chatgpt-agent"));
    assert_eq!(header(&outcome.upstream.set, "X-AgentShield-Verification"), Some("verified"));
}

#[test]
fn the_signature_of_another_key_request_or_time_is_false() {
    let other_key = MessageSigner::generate(&[43; 32]).unwrap();
    let mut other_method = signed(&signer(), COMPONENTS, None);
    other_method.method = "POST".to_owned();
    let mut other_path = signed(&signer(), COMPONENTS, None);
    other_path.target = "/checkout".to_owned();
    let mut other_site = signed(&signer(), COMPONENTS, None);
    other_site.authority = Some("other.example".to_owned());
    let too_late = later(signed(&signer(), COMPONENTS, None), 91_000);
    for request in [other_method, other_path, other_site, too_late] {
        let expected = (false, VerificationStatus::Spoofed);
        assert_eq!(status_of(&closed_but_for(json!({})), &request), expected);
    }
    let unknown_key = signed(&other_key, COMPONENTS, None);
    assert_eq!(status_of(&closed_but_for(json!({})), &unknown_key), (false, VerificationStatus::Claimed));
}

#[test]
fn a_covered_part_that_is_missing_is_false_and_one_that_was_not_looked_at_is_not() {
    let mut covering = with(browser("/cart?id=5"), "Signature-Agent", &format!("\"{AGENT}\""));
    covering.headers.push(("X-Order".to_owned(), "7".to_owned()));
    let lines: Vec<Line<'_>> =
        covering.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let plan = SigningPlan::new(
        ["@authority", "@scheme", "signature-agent", "x-order"],
        "web-bot-auth",
        Timestamp::from_milliseconds(NOW),
        60,
    );
    let unsigned =
        Request { headers: &lines, ..Request::default() }.with_url("https://shop.example/cart?id=5");
    let fields = signer().sign(&(&unsigned).into(), &plan).unwrap();
    covering.headers.push(("Signature-Input".to_owned(), fields.signature_input));
    covering.headers.push(("Signature".to_owned(), fields.signature));
    assert_eq!(status_of(&closed_but_for(json!({})), &covering), (true, VerificationStatus::Verified));
    let mut cut = covering.clone();
    cut.headers.retain(|(name, _)| name != "X-Order");
    assert_eq!(status_of(&closed_but_for(json!({})), &cut), (false, VerificationStatus::Spoofed));
    let mut unknown_scheme = covering;
    unknown_scheme.scheme = None;
    assert_eq!(status_of(&closed_but_for(json!({})), &unknown_scheme), (false, VerificationStatus::Claimed));
}

#[test]
fn a_nonce_is_taken_once_even_by_many_threads() {
    let guard = closed_but_for(json!({}));
    let request = signed(&signer(), COMPONENTS, Some("n-0S6WzA2Mj4xQ"));
    let passed = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| check(&guard, &request).passes)).collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>()
    });
    assert_eq!(passed, 1);
    assert_eq!(status_of(&guard, &request), (false, VerificationStatus::Spoofed));
    let fresh = signed(&signer(), COMPONENTS, Some("another-nonce-1"));
    assert!(check(&guard, &fresh).passes);
}

#[test]
fn a_signature_counts_for_the_sites_own_names_only() {
    let request = signed(&signer(), COMPONENTS, None);
    assert!(check(&closed_but_for(json!({"authorities": ["Shop.Example"]})), &request).passes);
    let elsewhere = closed_but_for(json!({"authorities": ["www.shop.example"]}));
    assert_eq!(status_of(&elsewhere, &request), (false, VerificationStatus::Claimed));
}

#[test]
fn fetched_keys_count_for_their_own_location_and_until_they_are_old() {
    let guard = guard(json!({"policy": {"require": "signed"}}));
    let request = signed(&signer(), COMPONENTS, None);
    let incoming = request.incoming().unwrap();
    let home = KeyLocation::read(AGENT, LocationKind::Directory).unwrap();
    assert_eq!(guard.policy().require, Require::Signed);
    assert_eq!(guard.wanted_directories(&incoming), std::slice::from_ref(&home));
    assert!(guard.wanted_directories(&crawler("/").incoming().unwrap()).is_empty());
    let directory = || KeyDirectory::parse(json!({"keys": [key()]}).to_string().as_bytes()).unwrap();
    let until = Timestamp::from_milliseconds(NOW + 1);
    let elsewhere = KeyLocation::read("https://other.example", LocationKind::Directory).unwrap();
    guard.set_directory(&elsewhere, directory(), until);
    assert_eq!(status_of(&guard, &request), (false, VerificationStatus::Claimed), "a key of somebody else");
    guard.set_directory(&home, directory(), until);
    assert!(guard.wanted_directories(&incoming).is_empty());
    assert_eq!(status_of(&guard, &request), (true, VerificationStatus::Verified));
    // A stale directory weakens the claim; it neither proves nor refutes.
    assert_eq!(status_of(&guard, &later(request.clone(), 1)), (false, VerificationStatus::Claimed));
    assert_eq!(guard.wanted_directories(&later(request, 1).incoming().unwrap()), [home]);
}

#[test]
fn keys_that_cannot_verify_are_refused() {
    let private = json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "d": "AAAA"});
    for (name, key, kind) in [
        (AGENT, private, ErrorKind::InvalidKey),
        ("http://agent.example", json!(key()), ErrorKind::InvalidInput),
    ] {
        assert_eq!(refused(json!({"keys": {name: [key]}})), kind, "{name}");
    }
}

#[test]
fn a_policy_that_comes_later_counts_with_the_shortcuts_of_the_options() {
    let guard = guard(json!({
        "policy": {"enabled": false},
        "skip_paths": ["/health"],
        "blocked_agents": ["Bingbot"],
    }));
    assert!(check(&guard, &crawler("/")).passes);
    guard.set_policy(&json!({"blockThreshold": 80, "updatedAt": null, "somethingElse": true})).unwrap();
    assert_eq!(guard.policy().thresholds.confidence_threshold, 0.8);
    assert!(!check(&guard, &crawler("/")).passes);
    assert!(check(&guard, &crawler("/health")).passes);
    let denied = check(&guard, &ask("/", &[("User-Agent", "Mozilla/5.0 (compatible; bingbot/2.0)")]));
    assert_eq!(denied.decision.match_type, MatchType::DenyList);
}

#[test]
fn a_policy_that_cannot_be_used_changes_nothing() {
    let guard = guard(json!({"on_agent_detected": "block"}));
    for (policy, field) in [
        (json!([]), "policy"),
        (json!({"defaultAction": "shout"}), "defaultAction"),
        (json!({"defaultAction": "redirect"}), "redirectUrl"),
        (json!({"rules": [{"id": "r", "action": "block", "conditions": 7}]}), "rules[0].conditions"),
        (json!({"redirectUrl": "javascript:alert(1)"}), "redirect_url"),
    ] {
        let error = guard.set_policy(&policy).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{policy}");
        assert_eq!(error.details()["field"], field, "{error}");
        assert!(!check(&guard, &crawler("/")).passes);
    }
}

#[test]
fn a_service_is_told_what_it_needs_and_no_secret() {
    let guard = guard(json!({"skip_paths": ["/health"], "client_ip": {"trusted_proxies": ["192.0.2.0/24"]}}));
    let request = ask(
        "/prices?page=2",
        &[
            ("User-Agent", CRAWLER),
            ("X-Forwarded-For", "198.51.100.4"),
            ("Accept", "text/html"),
            ("Accept", "*/*"),
            ("Cookie", "a=b"),
            ("X-Api-Key", "k"),
            ("X-Session-Id", "s"),
            ("Authorization", "Bearer t"),
        ],
    );
    let told = guard.enquiry(&request.incoming().unwrap()).unwrap();
    let headers = json!({
        "accept": "text/html, */*",
        "host": "shop.example",
        "user-agent": CRAWLER,
        "x-forwarded-for": "198.51.100.4",
    });
    let ip = "198.51.100.4";
    let expected =
        json!({"userAgent": CRAWLER, "ip": ip, "headers": headers, "url": "/prices?page=2", "method": "GET"});
    assert_eq!(serde_json::to_value(told).unwrap(), expected);
    let lines: Vec<_> = (0..300).map(|number| (format!("x-{number}"), "v".to_owned())).collect();
    let long = GuardRequest { target: "/é".repeat(4_000), headers: lines, peer: None, ..browser("/") };
    let told = guard.enquiry(&long.incoming().unwrap()).unwrap();
    assert_eq!((told.headers.len(), told.url.chars().count(), told.ip), (100, 2_000, None));
    assert_eq!(guard.enquiry(&browser("/health").incoming().unwrap()), None);
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
