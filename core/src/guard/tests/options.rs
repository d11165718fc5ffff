//! What a site sets: thresholds, policy, lists, paths, rules.

use super::*;

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
    let guard = guard(
        json!({"on_agent_detected": "block", "skip_paths": ["/health", "/assets/**", "^/v[0-9]+/ping$"]}),
    );
    let skipped = check(&guard, &crawler("/health?deep=1"));
    assert!(skipped.passes && skipped.classification.is_none() && skipped.detection_id.is_none());
    assert!(skipped.upstream.set.is_empty());
    assert!(check(&guard, &crawler("/assets/a/b.js")).passes);
    assert!(check(&guard, &crawler("/v12/ping?deep=1")).passes);
    for path in
        ["/healthy", "/", "/v1/ping/x", "/admin/..%2fv1/ping", "/admin/..%2fhealth", "/assets/../admin"]
    {
        assert!(!check(&guard, &crawler(path)).passes, "{path}");
    }
    let only = self::guard(json!({"on_agent_detected": "block", "includePaths": ["/api"]}));
    assert!(check(&only, &crawler("/")).passes);
    assert!(!check(&only, &crawler("/api/x")).passes);
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    for chosen in [
        json!({"on_agent_detected": "explode"}),
        json!({"on_agent_detected": "redirect"}),
        json!({"on_agent_detected": "redirect", "redirect_url": "/x\r\ny: z"}),
        json!({"redirect_url": "ftp://x"}),
        json!({"redirect_url": "/\\other.example/"}),
        json!({"redirect_url": "\\\\other.example/"}),
        json!({"redirect_url": "/\t/other.example/"}),
        json!({"redirect_url": "/\n/other.example/"}),
        json!({"redirect_url": "/\r/other.example/"}),
        json!({"redirect_url": "\t//other.example/"}),
        json!({"redirect_url": " //other.example/"}),
        json!({"challenge_url": "/\\other.example/"}),
        json!({"rewrite_url": "https://other.example/"}),
        json!({"rewrite_url": "//other.example/"}),
        json!({"rewrite_url": "/\\other.example/"}),
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
fn another_rule_set_takes_the_place_of_the_built_in_one() {
    let rules: Value = serde_json::from_str(include_str!("../../../data/agents.json")).unwrap();
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
