//! The guard as a whole: what it lets pass, what it answers, what it tells the site behind it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::ErrorKind;
use crate::agent::{BotType, VerificationStatus};
use crate::decision::{MatchType, Require};
use crate::signature::{Line, LocationKind, MessageSigner, Request, SigningPlan, accept_signature};
use crate::token::Jwk;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const CRAWLER: &str = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)";
const NOW: i64 = 1_771_156_800_000;

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
fn a_blocked_program_gets_json_and_a_browser_a_page() {
    let guard = guard(json!({"on_agent_detected": "block"}));
    let outcome = check(&guard, &crawler("/"));
    assert!(!outcome.passes && outcome.upstream.set.is_empty());
    let answer = outcome.response.clone().unwrap();
    assert_eq!(answer.status, 403);
    assert_eq!(header(&answer.headers, "Content-Type"), Some("application/json"));
    assert_eq!(header(&answer.headers, "Cache-Control"), Some("private, no-store"));
    assert_eq!(
        body(&outcome),
        json!({"error": "Access denied", "code": "POLICY_BLOCKED", "reason": "confidence", "ruleId": null, "matchType": "threshold"})
    );
    let page =
        check(&guard, &ask("/", &[("User-Agent", CRAWLER), ("Accept", "text/html")])).response.unwrap();
    assert_eq!(header(&page.headers, "Content-Type"), Some("text/html; charset=utf-8"));
    assert!(page.body.contains("<h1>Access denied</h1>"));
}

#[test]
fn the_blocked_answer_is_the_sites_own_and_its_text_is_escaped() {
    let guard = guard(json!({
        "onAgentDetected": "block",
        "blockedResponse": {"status": 451, "message": "<b>no</b>", "headers": {"Retry-After": "60", "cache-control": "no-cache"}},
    }));
    let request = with(crawler("/"), "Accept", "text/html");
    let answer = check(&guard, &request).response.unwrap();
    assert_eq!(answer.status, 403 + 48);
    assert_eq!(header(&answer.headers, "Retry-After"), Some("60"));
    assert_eq!(header(&answer.headers, "Cache-Control"), None);
    assert_eq!(header(&answer.headers, "cache-control"), Some("no-cache"));
    let page =
        check(&guard, &ask("/", &[("User-Agent", CRAWLER), ("Accept", "text/html")])).response.unwrap();
    assert!(page.body.contains("&lt;b&gt;no&lt;/b&gt;") && !page.body.contains("<b>"));
}

#[test]
fn the_threshold_has_one_scale_inside_and_two_outside() {
    for (threshold, passes) in [
        (json!(0.95), false),
        (json!(95), false),
        (json!(0.96), true),
        (json!(96), true),
        (json!(1), true),
        (json!(100), true),
        (json!(1.5), false),
        (json!(0), false),
    ] {
        let guard = guard(json!({"on_agent_detected": "block", "confidence_threshold": threshold}));
        assert_eq!(check(&guard, &crawler("/")).passes, passes, "{threshold}");
    }
    for threshold in [json!(-0.1), json!(100.5)] {
        assert_eq!(refused(json!({"confidence_threshold": threshold})), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_policy_wins_over_the_shortcuts_of_its_kind() {
    let guard = guard(json!({
        "on_agent_detected": "block", "confidence_threshold": 0.1,
        "policy": {"thresholds": {"confidence_action": "log"}},
    }));
    assert!(check(&guard, &crawler("/")).passes);
}

#[test]
fn lists_of_agents_and_addresses_are_kept() {
    let allowed = guard(json!({"on_agent_detected": "block", "allowed_agents": ["GPTBot"]}));
    assert!(check(&allowed, &crawler("/")).passes);
    let nearby = guard(json!({"on_agent_detected": "block", "allowedIps": ["192.0.2.0/24"]}));
    assert!(check(&nearby, &crawler("/")).passes);
    let blocked = guard(json!({"blocked_agents": ["GPTBot"]}));
    assert_eq!(check(&blocked, &crawler("/")).decision.match_type, MatchType::DenyList);
    assert!(check(&blocked, &browser("/")).passes);
    let denied = guard(json!({"blocked_ips": ["::ffff:192.0.2.7"]}));
    assert!(!check(&denied, &browser("/")).passes);
}

#[test]
fn an_allowed_name_from_a_false_address_is_not_let_in() {
    let guard = guard(json!({"on_agent_detected": "block", "allowed_agents": ["GPTBot"]}));
    let ranges = |range: &str| RangeTable {
        date: "2026-02-14".to_owned(),
        source: String::new(),
        feeds: [("openai-gptbot".to_owned(), vec![range.to_owned()])].into(),
    };
    guard.set_feeds(&ranges("198.51.100.0/24")).unwrap();
    let false_one = check(&guard, &crawler("/"));
    let seen = false_one.classification.unwrap();
    assert_eq!((false_one.passes, seen.verification.status), (false, VerificationStatus::Spoofed));
    guard.set_feeds(&ranges("192.0.2.0/24")).unwrap();
    let true_one = check(&guard, &crawler("/"));
    assert!(true_one.passes && true_one.classification.unwrap().is_verified());
    let broken = RangeTable { date: "yesterday".to_owned(), ..ranges("192.0.2.0/24") };
    assert_eq!(guard.set_feeds(&broken).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(check(&guard, &crawler("/")).passes, "the feeds known before stay");
    let claimed = check(&guard, &later(crawler("/"), 31 * 86_400_000)).classification.unwrap();
    assert_eq!(claimed.verification.status, VerificationStatus::Claimed, "too old to prove or refute");
}

#[test]
fn skipped_paths_are_not_looked_at_however_they_are_spelt() {
    let guard = guard(json!({"on_agent_detected": "block", "skip_paths": ["/health", "/assets/**"]}));
    let skipped = check(&guard, &crawler("/health?deep=1"));
    assert!(skipped.passes && skipped.classification.is_none() && skipped.detection_id.is_none());
    assert!(skipped.upstream.set.is_empty());
    assert!(check(&guard, &crawler("/assets/a/b.js")).passes);
    for path in ["/healthy", "/", "/admin/..%2fhealth", "/assets/../admin"] {
        assert!(!check(&guard, &crawler(path)).passes, "{path}");
    }
    let only = self::guard(json!({"on_agent_detected": "block", "includePaths": ["/api"]}));
    assert!(check(&only, &crawler("/")).passes);
    assert!(!check(&only, &crawler("/api/x")).passes);
}

#[test]
fn redirection_leads_out_of_every_circle() {
    let guard = guard(
        json!({"on_agent_detected": "redirect", "redirect_url": "/agents?from=guard", "redirectReason": true}),
    );
    let answer = check(&guard, &crawler("/prices")).response.unwrap();
    assert_eq!(answer.status, 302);
    assert_eq!(header(&answer.headers, "Location"), Some("/agents?from=guard&reason=confidence"));
    let arrived = check(&guard, &crawler("/agents?from=guard&reason=confidence"));
    assert_eq!(
        (arrived.passes, arrived.action, arrived.decision.action),
        (true, Action::Log, Action::Redirect)
    );
    assert_eq!(header(&arrived.upstream.set, "X-AgentShield-Action"), Some("log"));

    let absolute = self::guard(
        json!({"on_agent_detected": "redirect", "redirect_url": "https://shop.example/agents#top"}),
    );
    let answer = check(&absolute, &crawler("/")).response.unwrap();
    assert_eq!(header(&answer.headers, "Location"), Some("https://shop.example/agents#top"));
    assert!(check(&absolute, &crawler("/agents")).passes);
    let mut elsewhere = crawler("/agents");
    elsewhere.authority = Some("other.example".to_owned());
    assert!(!check(&absolute, &elsewhere).passes);
}

#[test]
fn a_program_that_follows_no_redirection_is_told_in_words() {
    for chosen in [
        json!({"on_agent_detected": "redirect", "redirect_url": "/agents", "redirect_mode": "instruct"}),
        json!({"on_agent_detected": "instruct", "redirect_url": "/agents"}),
    ] {
        let outcome = check(&guard(chosen), &crawler("/"));
        let answer = outcome.response.clone().unwrap();
        assert_eq!(answer.status, 401);
        assert_eq!(header(&answer.headers, "Link"), Some("</agents>; rel=\"alternate\""));
        assert_eq!(header(&answer.headers, "WWW-Authenticate"), Some("Quivive"));
        assert_eq!(header(&answer.headers, "Accept-Signature"), Some(&*accept_signature(None)));
        let body = body(&outcome);
        assert_eq!(
            (&body["code"], &body["redirectUrl"]),
            (&json!("IDENTIFICATION_REQUIRED"), &json!("/agents"))
        );
    }
    let bare = check(&guard(json!({"on_agent_detected": "instruct"})), &crawler("/")).response.unwrap();
    assert_eq!((bare.status, header(&bare.headers, "Link")), (401, None));
}

#[test]
fn a_challenge_is_a_page_for_people_and_a_demand_for_programs() {
    let guard = guard(json!({"on_agent_detected": "challenge", "challenge_url": "/challenge?a=1&b=2"}));
    let outcome = check(&guard, &crawler("/"));
    let answer = outcome.response.clone().unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!(header(&answer.headers, "WWW-Authenticate"), Some("Quivive challenge=\"/challenge?a=1&b=2\""));
    assert_eq!(header(&answer.headers, "Accept-Signature"), Some(&*accept_signature(None)));
    assert_eq!(body(&outcome)["code"], "CHALLENGE_REQUIRED");
    let page =
        check(&guard, &ask("/", &[("User-Agent", CRAWLER), ("Accept", "text/html")])).response.unwrap();
    assert!(page.status == 401 && page.body.contains("href=\"/challenge?a=1&amp;b=2\""));
    assert!(check(&guard, &crawler("/challenge?a=1&b=2")).passes);
}

#[test]
fn a_demanded_signature_is_asked_for_by_403() {
    let guard = guard(json!({"policy": {"require": "signed"}}));
    for request in [browser("/"), crawler("/")] {
        let outcome = check(&guard, &request);
        let answer = outcome.response.clone().unwrap();
        assert_eq!(answer.status, 403);
        assert_eq!(header(&answer.headers, "Accept-Signature"), Some(&*accept_signature(None)));
        assert_eq!(body(&outcome)["reason"], "signature_required");
    }
}

#[test]
fn rewriting_goes_on_with_another_path() {
    let guard = guard(json!({"on_agent_detected": "rewrite", "rewrite_url": "/for-agents?x=1"}));
    let outcome = check(&guard, &crawler("/"));
    assert_eq!((outcome.passes, outcome.rewrite.as_deref()), (true, Some("/for-agents?x=1")));
    assert_eq!(header(&outcome.upstream.set, "X-AgentShield-Action"), Some("rewrite"));
    assert_eq!(check(&guard, &crawler("/for-agents")).rewrite, None);
}

#[test]
fn a_delayed_visitor_may_come_back() {
    let guard = guard(json!({"on_agent_detected": "delay"}));
    let answer = check(&guard, &crawler("/")).response.unwrap();
    assert_eq!((answer.status, header(&answer.headers, "Retry-After")), (429, Some("5")));
}

#[test]
fn a_rules_message_and_id_are_told_and_its_broken_address_blocks() {
    let rule = |address: &str| {
        guard(json!({"policy": {"rules": [
            {"id": "r1", "action": "block", "message": "Not \"here\".", "conditions": [{"field": "path", "operator": "equals", "value": "/a"}]},
            {"id": "r2", "action": "redirect", "redirect_url": address},
        ]}}))
    };
    let outcome = check(&rule("/x"), &browser_json("/a"));
    assert_eq!(
        body(&outcome),
        json!({"error": "Not \"here\".", "code": "POLICY_BLOCKED", "reason": "rule", "ruleId": "r1", "matchType": "rule"})
    );
    assert_eq!(check(&rule("/x"), &browser("/b")).response.unwrap().status, 302);
    for address in ["/x\r\nSet-Cookie: a=b", "javascript:alert(1)", "/\"x"] {
        assert_eq!(check(&rule(address), &browser("/b")).response.unwrap().status, 403, "{address}");
    }
}

fn browser_json(target: &str) -> GuardRequest {
    let mut request = browser(target);
    request.headers.retain(|(name, _)| name != "Accept");
    with(request, "Accept", "application/json")
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    for chosen in [
        json!({"on_agent_detected": "explode"}),
        json!({"on_agent_detected": "redirect"}),
        json!({"on_agent_detected": "redirect", "redirect_url": "/x\r\ny: z"}),
        json!({"redirect_url": "ftp://x"}),
        json!({"rewrite_url": "https://other.example/"}),
        json!({"challenge_url": "/a\"b"}),
        json!({"blocked_response": {"status": 200}}),
        json!({"blocked_response": {"headers": {"a b": "c"}}}),
        json!({"blocked_response": {"headers": {"a": "b\r\nc: d"}}}),
        json!({"session_tracking": {"enabled": true, "cookie_name": "a;b"}}),
        json!({"session_tracking": {"enabled": true, "cookie_max_age": 0}}),
        json!({"client_ip": {"trusted_proxies": ["10.0.0.0/33"]}}),
        json!({"blocked_ips": ["somewhere"]}),
        json!({"skip_paths": [""]}),
        json!({"rules": {"version": "1"}}),
        json!({"unknown_option": 1}),
        json!({"most_visitors": -1}),
    ] {
        assert_eq!(refused(chosen.clone()), ErrorKind::InvalidInput, "{chosen}");
    }
    let error = DetectionGuard::new(GuardOptions::default()).unwrap_err();
    assert_eq!((error.kind(), error.details()["field"].as_str()), (ErrorKind::InvalidInput, Some("seed")));
    let short = json!({"session_tracking": {"enabled": true, "encryption_key": "short"}});
    assert_eq!(refused(short), ErrorKind::InvalidKey);
}

#[test]
fn a_burst_of_pages_is_seen_and_what_a_browser_fetches_for_a_page_is_not() {
    let guard = guard(json!({}));
    let mut last = None;
    for place in 0..5 {
        last = Some(check(&guard, &later(browser("/page"), place * 100)));
    }
    let seen = last.unwrap().classification.unwrap();
    assert!(seen.is_bot && seen.evidence.iter().any(|item| item.id == "beh.burst"));

    let guard = self::guard(json!({}));
    for place in 0..40 {
        let mut script = later(browser("/api/cart"), place * 10);
        for (name, value) in &mut script.headers {
            if name == "Sec-Fetch-Mode" {
                "cors".clone_into(value);
            }
        }
        check(&guard, &script);
        check(&guard, &later(browser("/app.js"), place * 10));
        check(&guard, &with(later(browser("/next"), place * 10), "Sec-Purpose", "prefetch"));
    }
    assert!(!check(&guard, &browser("/")).classification.unwrap().is_bot);
    let off = self::guard(json!({"count_requests": false}));
    for _ in 0..20 {
        assert!(!check(&off, &browser("/page")).classification.unwrap().is_bot);
    }
}

#[test]
fn a_steady_pace_over_three_minutes_is_seen() {
    let guard = guard(json!({}));
    let mut seen = Vec::new();
    for request in 0..250 {
        let outcome = check(&guard, &later(browser("/page"), request * 900));
        seen.push(outcome.classification.unwrap().evidence.iter().any(|item| item.id == "beh.sustained"));
    }
    assert!(seen[240] && !seen[150]);
}

const KEY: &str = "one secret for every process";

fn tracking(key: &str) -> DetectionGuard {
    guard(json!({"sessionTracking": {"enabled": true, "encryptionKey": key}}))
}

/// The same browser, which a header has given away once.
fn given_away() -> GuardRequest {
    with(browser("/"), "X-AI-Agent", "1")
}

fn cookie_of(outcome: &GuardOutcome) -> String {
    let cookie = header(&outcome.set_headers, "Set-Cookie").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn a_detected_agent_is_known_again_by_cookie_or_header() {
    let guard = tracking(KEY);
    assert!(!guard.has_own_key());
    let first = check(&guard, &given_away());
    let cookie = header(&first.set_headers, "Set-Cookie").unwrap();
    assert!(cookie.starts_with("__agentshield_session="));
    assert!(cookie.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    assert!(check(&guard, &browser("/")).set_headers.is_empty(), "nothing is noted about a person");

    let other_process = tracking(KEY);
    let again = with(browser("/"), "Cookie", &format!("a=b; {}", cookie_of(&first)));
    let seen = check(&other_process, &later(again, 1_000));
    let carried = seen.classification.as_ref().unwrap();
    assert!(carried.evidence.iter().any(|item| item.id == "beh.session_carry"));
    assert_eq!((carried.is_bot, carried.bot_type), (true, BotType::Scraper));
    assert!(seen.set_headers.is_empty(), "what was carried does not renew itself");

    let value = header(&first.set_headers, "X-AgentShield-Session").unwrap();
    let by_header = check(&guard, &with(browser("/"), "X-AgentShield-Session", value));
    assert!(by_header.classification.unwrap().is_bot);
    assert_eq!(by_header.upstream.remove, ["X-AgentShield-Session"]);
}

#[test]
fn a_cookie_holds_for_its_site_visitor_key_and_time_only() {
    let first = check(&tracking(KEY), &given_away());
    let again = |guard: &DetectionGuard, request: GuardRequest| {
        let request = with(request, "Cookie", &cookie_of(&first));
        check(guard, &request).classification.unwrap().is_bot
    };
    let guard = tracking(KEY);
    assert!(again(&guard, browser("/")));
    assert!(!again(&tracking("another secret of the site"), browser("/")));
    assert!(!again(&guard, later(browser("/"), 3_600_000)));
    assert!(again(&guard, later(browser("/"), 3_599_999)));
    let mut other_site = browser("/");
    other_site.authority = Some("other.example".to_owned());
    assert!(!again(&guard, other_site));
    let mut other_browser = browser("/");
    other_browser.headers[1].1 = CHROME.replace("Windows NT 10.0", "Windows NT 11.0");
    assert!(!again(&guard, other_browser), "a cookie that was put upon another visitor");
    let renamed = self::guard(
        json!({"session_tracking": {"enabled": true, "encryption_key": KEY, "cookie_name": "other"}}),
    );
    let moved = cookie_of(&first).replace("__agentshield_session", "other");
    assert!(!check(&renamed, &with(browser("/"), "Cookie", &moved)).classification.unwrap().is_bot);
}

#[test]
fn a_cookie_tells_nobody_anything_and_no_key_is_built_in() {
    let value = |guard: &DetectionGuard| {
        let outcome = check(guard, &given_away());
        header(&outcome.set_headers, "X-AgentShield-Session").unwrap().to_owned()
    };
    let sealed = crate::encoding::decode_base64url(&value(&tracking(KEY))).unwrap();
    let text = String::from_utf8_lossy(&sealed);
    for word in ["agent", "confidence", "expires"] {
        assert!(!text.contains(word));
    }
    let guard = tracking(KEY);
    assert_ne!(value(&guard), value(&guard), "never the same twice");

    // Without a key, two processes cannot read each other: there is no constant that both fall back to.
    let alone = |seed: u8| {
        let chosen = json!({"seed": format!("{seed:02x}").repeat(32), "session_tracking": {"enabled": true}});
        DetectionGuard::new(serde_json::from_value(chosen).unwrap()).unwrap()
    };
    let (one, other) = (alone(1), alone(2));
    assert!(one.has_own_key());
    let carried = with(browser("/"), "X-AgentShield-Session", &value(&one));
    assert!(check(&one, &carried).classification.unwrap().is_bot);
    assert!(!check(&other, &carried).classification.unwrap().is_bot);
}

#[test]
fn secure_is_set_for_https_alone_and_a_proxy_may_say_so() {
    let chosen = json!({
        "session_tracking": {"enabled": true, "encryption_key": KEY},
        "client_ip": {"trusted_proxies": ["10.0.0.0/8"]},
    });
    let guard = guard(chosen);
    let is_secure = |scheme: Option<&str>, peer: &str, told: Option<&str>| {
        let mut request = given_away();
        request.scheme = scheme.map(str::to_owned);
        request.peer = Some(peer.to_owned());
        let request =
            told.into_iter().fold(request, |request, told| with(request, "X-Forwarded-Proto", told));
        header(&check(&guard, &request).set_headers, "Set-Cookie").unwrap().ends_with("; Secure")
    };
    assert!(is_secure(Some("https"), "192.0.2.7", None));
    assert!(!is_secure(Some("http"), "192.0.2.7", Some("https")));
    assert!(is_secure(Some("http"), "10.0.0.1", Some("https")));
    assert!(is_secure(Some("http"), "::ffff:10.0.0.1", Some("http, https")));
    assert!(!is_secure(None, "10.0.0.1", None));
}

#[test]
fn the_clients_address_is_the_peers_unless_a_trusted_proxy_tells() {
    let open = guard(json!({"blocked_ips": ["203.0.113.9"]}));
    let behind =
        guard(json!({"blocked_ips": ["203.0.113.9"], "client_ip": {"trusted_proxies": ["192.0.2.7"]}}));
    let request = with(browser("/"), "X-Forwarded-For", "203.0.113.9");
    assert!(check(&open, &request).passes);
    let outcome = check(&behind, &request);
    assert_eq!((outcome.passes, outcome.client_ip), (false, "203.0.113.9".parse().ok()));
    let named = guard(json!({
        "blocked_ips": ["203.0.113.9"],
        "client_ip": {"trusted_proxies": ["192.0.2.7"], "header": "CF-Connecting-IP"},
    }));
    assert!(check(&named, &request).passes);
    assert!(!check(&named, &with(browser("/"), "cf-connecting-ip", "203.0.113.9")).passes);
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
fn another_rule_set_takes_the_place_of_the_built_in_one() {
    let rules: Value = serde_json::from_str(include_str!("../../data/agents.json")).unwrap();
    let mut rules = rules;
    rules["agents"] = json!([]);
    let guard = guard(json!({"rules": rules}));
    assert_eq!(check(&guard, &crawler("/")).classification.unwrap().agent, None);
}

#[test]
fn the_environment_of_earlier_packages_gives_the_cookies_key() {
    let variable = |name: &str| (name == "AGENTSHIELD_SECRET").then(|| KEY.to_owned());
    let from = |chosen: Value| {
        options(chosen).unwrap().or_from_environment(variable).session_tracking.encryption_key
    };
    assert_eq!(from(json!({})).as_deref(), Some(KEY));
    let own = json!({"session_tracking": {"encryption_key": "the site's own secret"}});
    assert_eq!(from(own).as_deref(), Some("the site's own secret"));
    assert!(
        !format!("{:?}", options(json!({"session_tracking": {"encryption_key": KEY}})).unwrap())
            .contains(KEY)
    );
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
