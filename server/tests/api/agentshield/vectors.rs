//! The conformance vectors over HTTP; those of signatures stand beside the signatures' other tests.

use std::time::Duration;

use quivive_core::agent::RangeTable;
use quivive_server::config::Config;
use quivive_server::flows::scoring::verified::ranges;
use serde_json::{Value, json};

use super::site::Site;
use crate::dns::DnsServer;

pub const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                          Chrome/140.0.0.0 Safari/537.36";
const CUBOT: &str = "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 (KHTML, like Gecko) \
                     Chrome/140.0.0.0 Mobile Safari/537.36";
const GPTBOT: &str = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)";
const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const GO_CLIENT: &str = "t13d190900_9dc949149365_97f8aa674fd9";
const URL: &str = "https://example.org/";
/// An address that the tests call a hosting provider's.
const HOSTED: &str = "198.51.100.7";

pub fn browser_headers() -> Value {
    json!({
        "accept": "text/html,application/xhtml+xml,*/*;q=0.8", "accept-language": "en-GB,en;q=0.9",
        "accept-encoding": "gzip, deflate, br", "sec-fetch-site": "none", "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document", "sec-ch-ua": "\"Chromium\";v=\"140\", \"Google Chrome\";v=\"140\"",
        "sec-ch-ua-mobile": "?0", "sec-ch-ua-platform": "\"Windows\""
    })
}

fn without(names: &[&str]) -> Value {
    let mut headers = browser_headers();
    headers.as_object_mut().unwrap().retain(|name, _| !names.contains(&name.as_str()));
    headers
}

fn with(name: &str, value: &str) -> Value {
    let mut headers = browser_headers();
    headers[name] = json!(value);
    headers
}

/// What a vector expects: bot, confidence, type, sub-type, and the three flags as `100`.
pub type Expected = (bool, f64, &'static str, Option<&'static str>, &'static str);

/// Asks, and compares with a vector; returns the whole answer.
pub async fn assert_vector(site: &Site, number: u32, body: &Value, expected: Expected) -> Value {
    let (is_bot, confidence, bot_type, sub_type, flags) = expected;
    let answer = site.detect_at("/api/v1/detect?include=all", body).await;
    let found = &answer.json;
    assert_eq!(answer.status, 200, "vector {number}: {found}");
    assert_eq!(
        (&found["isBot"], &found["confidence"], &found["botType"], &found["extended"]["class"]["subType"]),
        (&json!(is_bot), &json!(confidence), &json!(bot_type), &json!(sub_type)),
        "vector {number}: {found}"
    );
    let flag = |place: usize| flags.as_bytes()[place] == b'1';
    let details = json!({ "userAgentBot": flag(0), "behavioralBot": flag(1), "ipBot": flag(2) });
    assert_eq!(found["details"], details, "vector {number}: {found}");
    answer.json
}

fn status(answer: &Value) -> (&str, &str) {
    let verification = &answer["extended"]["verification"];
    (verification["status"].as_str().unwrap(), verification["method"].as_str().unwrap())
}

async fn load(site: &Site, date: &str, range: &str) {
    let feeds = [("openai-gptbot".to_owned(), vec![range.to_owned()])].into();
    let table = RangeTable { date: date.to_owned(), source: String::new(), feeds };
    let results = ranges::import(&site.server.app, table).await.unwrap();
    assert!(results.iter().all(|list| list.result == Ok(1)));
    ranges::load(&site.server.app).await.unwrap();
}

fn hosting(config: &mut Config) {
    config.botect.hosting_networks = vec!["198.51.100.0/24".parse().unwrap()];
}

#[tokio::test]
async fn vectors_of_user_agents_headers_and_tls() {
    let site = Site::with(hosting).await;
    let chat_gpt = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; \
                    +https://openai.com/bot";
    let mac = CHROME.replace("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7");
    let all = browser_headers;
    let bare = [
        "sec-fetch-site",
        "sec-fetch-mode",
        "sec-fetch-dest",
        "sec-ch-ua",
        "sec-ch-ua-mobile",
        "sec-ch-ua-platform",
    ];
    let unclassified = Some("unclassified");
    let described = |headers: Value| json!({ "userAgent": CHROME, "headers": headers, "url": URL });
    let hosted =
        |headers: Value| json!({ "userAgent": CHROME, "headers": headers, "url": URL, "ip": HOSTED });
    let vectors: Vec<(u32, Value, Expected)> = vec![
        (1, json!({ "userAgent": chat_gpt }), (true, 0.95, "ai_agent", Some("user_fetch"), "100")),
        (2, json!({ "userAgent": GPTBOT }), (true, 0.95, "crawler", Some("ai_training"), "100")),
        (6, json!({ "userAgent": CHROME }), (false, 0.02, "unknown", None, "000")),
        (7, described(all()), (false, 0.02, "human", None, "000")),
        (8, json!({ "headers": {} }), (true, 0.71, "unknown_bot", unclassified, "100")),
        (9, json!({ "userAgent": "" }), (true, 0.71, "unknown_bot", unclassified, "100")),
        (10, json!({ "userAgent": CHROME, "headers": {} }), (true, 0.76, "unknown_bot", unclassified, "010")),
        (11, described(without(&["accept-language"])), (false, 0.36, "human", None, "000")),
        (12, hosted(without(&["accept-language"])), (false, 0.49, "human", None, "000")),
        (13, described(without(&bare)), (false, 0.46, "human", None, "000")),
        (14, hosted(without(&bare)), (true, 0.57, "unknown_bot", unclassified, "000")),
        (15, hosted(all()), (false, 0.22, "human", None, "000")),
        (
            16,
            json!({ "userAgent": mac, "headers": with("sec-ch-ua-platform", "\"Linux\""), "url": URL }),
            (true, 0.61, "unknown_bot", unclassified, "010"),
        ),
        (17, json!({ "userAgent": "curl/8.5.0" }), (true, 0.95, "automation", Some("cli_tool"), "100")),
        (
            18,
            json!({ "userAgent": "python-requests/2.32.3", "headers": { "accept": "*/*" } }),
            (true, 0.95, "automation", Some("http_library"), "100"),
        ),
        (
            20,
            json!({ "userAgent": CHROME.replace("Chrome/", "HeadlessChrome/") }),
            (true, 0.95, "automation", Some("headless_browser"), "100"),
        ),
        (
            21,
            described(with("x-openai-assistant", "1")),
            (true, 0.85, "ai_agent", Some("undeclared_agent"), "010"),
        ),
        (
            27,
            json!({ "userAgent": "MyCoolBot/1.0 (+https://example.org/bot)" }),
            (true, 0.85, "crawler", Some("other"), "100"),
        ),
        (
            28,
            json!({ "userAgent": CUBOT, "url": URL,
                "headers": without(&["sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform"]) }),
            (false, 0.02, "human", None, "000"),
        ),
        (
            30,
            json!({ "userAgent": CHROME, "headers": all(), "url": URL, "tls": { "ja4": GO_CLIENT } }),
            (true, 0.85, "unknown_bot", unclassified, "010"),
        ),
    ];
    for (number, body, expected) in vectors {
        assert_vector(&site, number, &body, expected).await;
    }
}

/// A known name from any address proves nothing (traps 1 and 8): the address does, while its list is fresh.
#[tokio::test]
async fn vectors_3_4_5_of_published_ranges() {
    let site = Site::start().await;
    load(&site, "2026-02-15", "20.42.10.176/28").await;
    let from = |ip: &str| json!({ "userAgent": GPTBOT, "ip": ip });
    let inside = from("20.42.10.177");
    let answer = assert_vector(&site, 3, &inside, (true, 0.99, "crawler", Some("ai_training"), "101")).await;
    assert_eq!(status(&answer), ("verified", "ip_range"));
    assert_eq!(answer["extended"]["verification"]["forgeability"], "low");
    let outside = from("203.0.113.7");
    let spoofed = (true, 0.97, "scraper", Some("spoofed_identity"), "100");
    let answer = assert_vector(&site, 4, &outside, spoofed).await;
    assert_eq!(status(&answer), ("spoofed", "ip_range"));
    // Mapped addresses are what they map.
    assert_vector(&site, 4, &from("::ffff:203.0.113.7"), spoofed).await;
    site.server.advance(31 * 86_400_000);
    for body in [inside, outside] {
        let answer =
            assert_vector(&site, 5, &body, (true, 0.95, "crawler", Some("ai_training"), "100")).await;
        assert_eq!(status(&answer), ("claimed", "none"));
    }
}

async fn with_dns(dns: &DnsServer) -> Site {
    Site::with(|config| {
        config.outbound.dns_servers = vec![dns.address];
        config.outbound.dns_timeout_ms = 10_000;
        config.verification.timeout_ms = 10_000;
    })
    .await
}

/// Asks until a look-up beside has ended.
async fn until_known(site: &Site, body: &Value) {
    for _ in 0..1_000 {
        let answer = site.detect_at("/api/v1/detect?include=verification", body).await.json;
        if answer["extended"]["verification"]["status"] != "claimed" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the look-up did not end");
}

#[tokio::test]
async fn vectors_31_32_of_confirmed_names() {
    let dns = DnsServer::start().await;
    dns.host("192.178.200.9", "crawl-192-178-200-9.googlebot.com");
    dns.host("192.178.200.10", "rented.googleusercontent.com");
    let site = with_dns(&dns).await;
    for (ip, number, expected, verified) in [
        ("192.178.200.9", 31, (true, 0.99, "crawler", Some("search_engine"), "101"), ("verified", "fcrdns")),
        (
            "192.178.200.10",
            32,
            (true, 0.97, "scraper", Some("spoofed_identity"), "100"),
            ("spoofed", "fcrdns"),
        ),
        (
            "192.178.200.11",
            32,
            (true, 0.97, "scraper", Some("spoofed_identity"), "100"),
            ("spoofed", "fcrdns"),
        ),
    ] {
        let body = json!({ "userAgent": GOOGLEBOT, "ip": ip });
        let claimed = (true, 0.95, "crawler", Some("search_engine"), "100");
        let first = assert_vector(&site, number, &body, claimed).await;
        assert_eq!(status(&first), ("claimed", "none"), "nobody waits for a look-up");
        until_known(&site, &body).await;
        // What the look-ups' own requests counted is forgotten with their second.
        site.server.advance(10_000);
        assert_eq!(status(&assert_vector(&site, number, &body, expected).await), verified);
    }
}

#[tokio::test]
async fn names_that_cannot_be_found_out_refute_nothing() {
    let dns = DnsServer::start().await;
    dns.silence(true);
    let site = Site::with(|config| {
        config.outbound.dns_servers = vec![dns.address];
        config.outbound.dns_timeout_ms = 50;
        config.verification.timeout_ms = 100;
    })
    .await;
    ranges::load(&site.server.app).await.unwrap();
    let body = json!({ "userAgent": GOOGLEBOT, "ip": "192.178.200.9" });
    for _ in 0..3 {
        let answer = site.detect_at("/api/v1/detect?include=all", &body).await.json;
        assert_eq!(status(&answer), ("claimed", "none"), "{answer}");
        site.server.advance(10_000);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn vector_19_of_a_burst() {
    let site = Site::start().await;
    let body = json!({
        "userAgent": "python-requests/2.32.3", "headers": { "accept": "*/*" }, "ip": "203.0.113.7", "url": URL
    });
    for _ in 0..4 {
        assert_vector(&site, 18, &body, (true, 0.95, "automation", Some("http_library"), "100")).await;
        site.server.advance(200);
    }
    let burst = (true, 0.98, "scraper", Some("behavioral"), "110");
    assert_vector(&site, 19, &body, burst).await;
    // Another site knows nothing of it, and a moment later it is over.
    site.server.advance(10_000);
    assert_vector(&site, 18, &body, (true, 0.95, "automation", Some("http_library"), "100")).await;
    // The same by the session's name, from many addresses.
    for last in 1..=5 {
        let body = json!({
            "userAgent": "python-requests/2.32.3", "headers": { "accept": "*/*" }, "sessionId": "s",
            "ip": format!("198.51.100.{last}"), "url": URL
        });
        let expected =
            if last == 5 { burst } else { (true, 0.95, "automation", Some("http_library"), "100") };
        assert_vector(&site, 19, &body, expected).await;
    }
}

#[tokio::test]
async fn vector_29_of_a_trap_and_what_is_held_against_a_visitor() {
    let site = Site::with(|config| config.agentshield.honeypot_paths = vec!["/trap/**".to_owned()]).await;
    let at = |path: &str, session: &str| {
        json!({ "userAgent": CHROME, "headers": browser_headers(), "url": format!("https://example.org{path}"),
            "sessionId": session })
    };
    let human = (false, 0.02, "human", None, "000");
    let trapped = (true, 0.90, "scraper", Some("behavioral"), "010");
    assert_vector(&site, 29, &at("/", "a"), human).await;
    assert_vector(&site, 29, &at("/trap/x?y", "a"), trapped).await;
    assert_vector(&site, 29, &at("/", "b"), human).await;
    // A clear verdict is held against the same session under another name, a person's session is not.
    let tool = json!({ "userAgent": "curl/8.5.0", "sessionId": "c" });
    assert_vector(&site, 17, &tool, (true, 0.95, "automation", Some("cli_tool"), "100")).await;
    let carried = site.detect_at("/api/v1/detect?include=signals", &at("/", "c")).await.json;
    assert_eq!((&carried["isBot"], &carried["botType"]), (&json!(true), &json!("scraper")), "{carried}");
    assert_eq!(carried["extended"]["signals"][0]["id"], "beh.session_carry");
    assert_eq!(carried["confidence"], 0.86, "1 - 0.98 * (1 - 0.9 * 0.95)");
}

/// A person's page loads dozens of things at once, and a lively reader opens a few pages: neither is a burst.
#[tokio::test]
async fn what_a_page_loads_is_no_burst() {
    let site = Site::start().await;
    for number in 0..60 {
        let mut headers = browser_headers();
        let destination = ["image", "script", "style", "empty"][number % 4];
        headers["sec-fetch-dest"] = json!(destination);
        headers["sec-fetch-mode"] = json!("no-cors");
        let body = json!({
            "userAgent": CHROME, "headers": headers, "ip": "203.0.113.7", "url": format!("https://example.org/{number}")
        });
        let answer = site.detect(&body).await.json;
        assert_eq!(answer["isBot"], false, "{destination}: {answer}");
    }
    let page = json!({ "userAgent": CHROME, "headers": browser_headers(), "ip": "203.0.113.7", "url": URL });
    for _ in 0..4 {
        assert_vector(&site, 7, &page, (false, 0.02, "human", None, "000")).await;
    }
}

#[tokio::test]
async fn blocked_networks_count() {
    let site = Site::with(|config| {
        config.agentshield.blocked_networks = vec!["192.0.2.0/25".parse().unwrap()];
    })
    .await;
    let at = |ip: &str| json!({ "userAgent": CHROME, "headers": browser_headers(), "url": URL, "ip": ip });
    let blocked = site.detect(&at("192.0.2.1")).await.json;
    assert_eq!((&blocked["confidence"], &blocked["details"]["ipBot"]), (&json!(0.61), &json!(true)));
    assert_eq!(site.detect(&at("192.0.2.200")).await.json["confidence"], 0.02);
}
