//! What visitors are answered who may not pass, and where they are sent.

use super::*;
use crate::signature::accept_signature;

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

    let absolute = self::guard(json!({
        "on_agent_detected": "redirect", "redirect_url": "https://Shop.example/agents#top",
        "authorities": ["shop.example"]
    }));
    let answer = check(&absolute, &crawler("/")).response.unwrap();
    assert_eq!(header(&answer.headers, "Location"), Some("https://Shop.example/agents#top"));
    assert!(check(&absolute, &crawler("/agents")).passes);
    let mut elsewhere = crawler("/agents");
    elsewhere.authority = Some("other.example".to_owned());
    assert!(!check(&absolute, &elsewhere).passes);
}

/// The name in `Host` is the visitor's: with the one of the place to which it is sent, it would get every page of the
/// site that has the same path there.
#[test]
fn a_name_that_the_request_alone_gives_opens_no_page() {
    for (authorities, action) in
        [(json!([]), "redirect"), (json!(["shop.example"]), "redirect"), (json!([]), "challenge")]
    {
        let guard = guard(json!({
            "on_agent_detected": action, "redirect_url": "https://agents.example/",
            "challenge_url": "https://agents.example/", "authorities": authorities
        }));
        let mut forged = crawler("/");
        forged.authority = Some("agents.example".to_owned());
        let status = |request| check(&guard, request).response.map(|answer| answer.status);
        // Sent on to where it says that it is, it would come back for ever.
        let refused = if action == "redirect" { 403 } else { 401 };
        assert_eq!(status(&forged), Some(refused), "{authorities} {action}");
        let honest = if action == "redirect" { 302 } else { 401 };
        assert_eq!(status(&crawler("/")), Some(honest), "{authorities} {action}");
    }
}

/// Browsers take what follows two slashes for a host (RFC 3986 section 4.2).
#[test]
fn two_slashes_lead_to_another_host_and_open_no_page() {
    for action in ["redirect", "challenge", "instruct"] {
        for (address, own) in [
            ("//agents.example/door?x=1#top", "/door"),
            ("//agents.example", "/"),
            ("//agents.example#top", "/"),
            ("///agents.example/door", "/agents.example/door"),
        ] {
            let of = |authorities: Value| {
                guard(json!({
                    "on_agent_detected": action, "redirect_url": address, "challenge_url": address,
                    "authorities": authorities
                }))
            };
            let passes = |guard: &DetectionGuard, target: &str, host: &str| {
                let asked = GuardRequest { authority: Some(host.to_owned()), ..crawler(target) };
                check(guard, &asked).passes
            };
            for target in [address, own, "/"] {
                for host in ["shop.example", "agents.example"] {
                    assert!(!passes(&of(json!([])), target, host), "{action} {address} {target} {host}");
                }
            }
            // The same address of a site that has this name is a page of its own, as with a scheme.
            let named = of(json!(["agents.example"]));
            assert_eq!(passes(&named, own, "agents.example"), !address.starts_with("///"), "{address}");
            assert!(!passes(&named, own, "shop.example"), "{address}");
            assert!(!passes(&named, address, "agents.example"), "{address}");
        }
    }
    let redirecting = guard(json!({"on_agent_detected": "redirect", "redirect_url": "//agents.example/"}));
    let answer = check(&redirecting, &crawler("//agents.example/")).response.unwrap();
    assert_eq!((answer.status, header(&answer.headers, "Location")), (302, Some("//agents.example/")));
}

#[test]
fn a_rule_rewrites_to_no_other_host() {
    for (address, rewritten) in [("/door", Some("/door")), ("//other.example/door", None)] {
        let rule = json!({"id": "r", "action": "rewrite", "redirect_url": address});
        let outcome = check(&guard(json!({"policy": {"rules": [rule]}})), &crawler("/"));
        assert_eq!((outcome.passes, outcome.rewrite.as_deref()), (rewritten.is_some(), rewritten));
    }
}

#[test]
fn addresses_with_an_address_in_the_query_and_with_default_ports_lead_in_no_circle() {
    for (address, host, target) in [
        ("/blocked?to=https://x/", "shop.example", "/blocked?to=https://x/"),
        ("https://shop.example:443/blocked", "shop.example", "/blocked"),
        ("https://Shop.example/blocked", "shop.example:443", "/blocked"),
        ("http://shop.example:80/blocked", "shop.example", "/blocked"),
        ("https://shop.example:8443/blocked", "shop.example:8443", "/blocked"),
    ] {
        let authorities = ["shop.example:443", "SHOP.example", "shop.example:8443"];
        let chosen =
            json!({"on_agent_detected": "redirect", "redirect_url": address, "authorities": authorities});
        let guard = guard(chosen);
        let mut there = crawler(target);
        there.authority = Some(host.to_owned());
        assert!(check(&guard, &there).passes, "{address} {host}");
        there.authority = Some("other.example:8080".to_owned());
        assert_eq!(check(&guard, &there).passes, address.starts_with('/'), "{address}");
        assert_eq!(check(&guard, &crawler("/")).response.unwrap().status, 302, "{address}");
    }
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
