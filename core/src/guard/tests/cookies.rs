//! The sealed cookie by which a detected agent is known again.

use super::*;

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
