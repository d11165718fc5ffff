//! Visitors by their address and the pace of their requests.

use super::*;

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
