//! A service behind the guard: the policy that it gives, and what it is told of a request.

use super::*;

#[test]
fn a_policy_that_comes_later_counts_with_the_shortcuts_of_the_options() {
    let guard = guard(json!({
        "policy": {"enabled": false},
        "skip_paths": ["/health"],
        "blocked_agents": ["Bingbot"],
    }));
    assert!(check(&guard, &crawler("/")).passes);
    guard.set_policy(&json!({"blockThreshold": 80, "somethingElse": true})).unwrap();
    assert_eq!(guard.policy().thresholds.confidence_threshold, 0.8);
    assert!(!check(&guard, &crawler("/")).passes);
    assert!(check(&guard, &crawler("/health")).passes);
    let denied = check(&guard, &ask("/", &[("User-Agent", "Mozilla/5.0 (compatible; bingbot/2.0)")]));
    assert_eq!(denied.decision.match_type, MatchType::DenyList);
}

#[test]
fn a_project_that_only_notes_keeps_nobody_out() {
    let guard = guard(json!({"blocked_agents": ["Bingbot"], "fail_open": false}));
    let bingbot = ask("/", &[("User-Agent", "Mozilla/5.0 (compatible; bingbot/2.0)")]);
    let mut policy =
        json!({"defaultAction": "challenge", "require": "signed", "updatedAt": "2026-01-01T00:00:00Z"});
    for (enforces, expected) in [(true, false), (false, true)] {
        policy["blockingEnabled"] = json!(enforces);
        guard.set_policy(&policy).unwrap();
        for mut request in [crawler("/"), bingbot.clone()] {
            for is_silent in [false, true] {
                request.unavailable = is_silent;
                let outcome = check(&guard, &request);
                assert_eq!(outcome.passes, expected, "{outcome:?}");
                assert_eq!(outcome.action == Action::Log, expected);
                assert!(
                    !matches!(outcome.decision.action, Action::Allow | Action::Log),
                    "what would have been"
                );
            }
        }
    }
    policy["blockingEnabled"] = json!("no");
    guard.set_policy(&policy).unwrap();
    assert!(!check(&guard, &crawler("/")).passes);
}

#[test]
fn a_project_without_a_policy_leaves_the_guards_own() {
    let unset =
        json!({"enabled": false, "defaultAction": "allow", "updatedAt": null, "blockingEnabled": false});
    let guard = guard(json!({"on_agent_detected": "block"}));
    let is_kept_out = || !check(&guard, &crawler("/")).passes;
    guard.set_policy(&unset).unwrap();
    assert!(is_kept_out());
    guard.set_policy(&json!({"enabled": false, "updatedAt": "2026-01-01T00:00:00Z"})).unwrap();
    assert!(!is_kept_out());
    guard.use_policy(Policy { enabled: false, ..Policy::default() }).unwrap();
    guard.set_policy(&json!({"blockThreshold": 80})).unwrap();
    assert!(is_kept_out(), "the project's counts before the guard's own");
    guard.set_policy(&unset).unwrap();
    assert!(!is_kept_out(), "the project's is gone");
}

#[test]
fn a_policy_that_cannot_be_used_changes_nothing() {
    let guard = guard(json!({"on_agent_detected": "block"}));
    for (policy, field) in [
        (json!([]), "policy"),
        (json!({"defaultAction": "shout"}), "defaultAction"),
        (json!({"defaultAction": "redirect"}), "redirectUrl"),
        (json!({"rules": [{"id": "r", "action": "block", "conditions": 7}]}), "rules[0].conditions"),
        (json!({"redirectUrl": "javascript:alert(1)"}), "redirectUrl"),
        (json!({"redirectUrl": "/\\other.example/"}), "redirectUrl"),
        (json!({"rewriteUrl": "//other.example/"}), "rewriteUrl"),
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
            ("Cf-Access-Jwt-Assertion", "a"),
            ("X-Goog-IAP-JWT-Assertion", "a"),
            ("X-Amzn-Oidc-Data", "a"),
            ("X-Auth-Request-User", "a"),
            ("X-Password", "a"),
            ("X-Payment", "a"),
            ("X-Credential", "a"),
            ("DPoP", "a"),
            (":authority", "shop.example"),
            ("Referer", "https://ann:pw@mail.example/reset/?token=t#top"),
            ("X-Original-URL", "/prices?to=https://x.example/&token=t"),
        ],
    );
    let told = guard.enquiry(&request.incoming().unwrap()).unwrap();
    let headers = json!({
        ":authority": "shop.example",
        "accept": "text/html, */*",
        "host": "shop.example",
        "referer": "https://mail.example/reset/",
        "user-agent": CRAWLER,
        "x-forwarded-for": "198.51.100.4",
        "x-original-url": "/prices",
    });
    let ip = "198.51.100.4";
    let expected =
        json!({"userAgent": CRAWLER, "ip": ip, "headers": headers, "url": "/prices", "method": "GET"});
    assert_eq!(serde_json::to_value(told).unwrap(), expected);
    let lines: Vec<_> = (0..300).map(|number| (format!("x-{number}"), "v".to_owned())).collect();
    let long = GuardRequest { target: "/é".repeat(4_000), headers: lines, peer: None, ..browser("/") };
    let told = guard.enquiry(&long.incoming().unwrap()).unwrap();
    assert_eq!((told.headers.len(), told.url.chars().count(), told.ip), (100, 2_000, None));
    assert_eq!(guard.enquiry(&browser("/health").incoming().unwrap()), None);
}

#[test]
fn what_a_service_is_told_stays_within_its_limits() {
    let guard = guard(json!({}));
    for filling in ["a", "\"", "\u{1}", "\u{ff}", "\u{4e2d}"] {
        let mut request = ask("/", &[("User-Agent", &filling.repeat(9_000))]);
        request.target = format!("/{}", filling.repeat(9_000));
        request.method = "VERSIONCONTROLLED".to_owned();
        for number in 0..100 {
            request = with(request, &format!("X-{number}"), &filling.repeat(number * 40));
        }
        let told = guard.enquiry(&request.incoming().unwrap()).unwrap();
        assert!(told.user_agent.len() <= 4_096 && told.method.is_none() && !told.headers.is_empty());
        assert!(serde_json::to_vec(&told).unwrap().len() <= 65_536, "{filling}");
    }
    for method in ["VERSION-CONTROL", ""] {
        let request = GuardRequest { method: method.to_owned(), ..browser("/") };
        assert_eq!(guard.enquiry(&request.incoming().unwrap()).unwrap().method, None, "{method}");
    }
}
