//! Verification of bots: who calls itself one, who is one, and what is not known. DNS is a server of the test's own.

use std::time::{Duration, Instant};

use quivive_core::agent::RangeTable;
use quivive_core::score::aggregate::Outcome;
use quivive_server::config::{BotConfig, Config};
use quivive_server::flows::scoring::record::{StoredScore, session_id};
use quivive_server::flows::scoring::verified::ranges;
use serde_json::{Value, json};

use super::site::{PRIVATE_KEY, Site, batch};
use crate::dns::{DnsServer, Reply, data, ptr};

const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const GPTBOT: &str =
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)";
/// Not in the built-in ranges of Google.
const CRAWLER: &str = "192.178.200.9";
const HOST: &str = "crawl-192-178-200-9.googlebot.com";
const PHRASE: &str = "false claim of a verified bot";

async fn site_with(dns: &DnsServer, change: impl FnOnce(&mut Config)) -> Site {
    Site::with(|config| {
        config.outbound.dns_servers = vec![dns.address];
        // The tests run beside others on few processors; what takes long has tests of its own.
        config.outbound.dns_timeout_ms = 10_000;
        config.verification.timeout_ms = 10_000;
        config.verification.patience_ms = 10_000;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        change(config);
    })
    .await
}

async fn site(dns: &DnsServer) -> Site {
    site_with(dns, |_| {}).await
}

/// A session that is begun from an address with a user agent.
async fn visit(site: &Site, address: &str, user_agent: &str) -> String {
    let headers = [("user-agent", user_agent), ("x-forwarded-for", address)];
    let answer = site.ingest_with(&headers, &batch(None, &[("page", json!({}))])).await;
    assert_eq!(answer.status, 202, "{:?}", answer.json);
    answer.json["session_token"].as_str().unwrap().to_owned()
}

async fn verdict_of(site: &Site, address: &str, user_agent: &str) -> Value {
    let token = visit(site, address, user_agent).await;
    site.scored(&token).await
}

fn ids(verdict: &Value) -> Vec<u64> {
    verdict["detection_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect()
}

fn assert_verified(verdict: &Value, category: &str) {
    assert_eq!((&verdict["verdict"], &verdict["action"]), (&json!("verified"), &json!("allow")), "{verdict}");
    assert_eq!(verdict["verified_bot_category"].as_str().unwrap_or(category), category, "{verdict}");
    assert!(!ids(verdict).contains(&16_777_224) && !ids(verdict).contains(&16_777_219), "{verdict}");
}

fn assert_false_claim(verdict: &Value) {
    assert_eq!(verdict["score"], 1, "{verdict}");
    assert!(ids(verdict).contains(&16_777_219) && !ids(verdict).contains(&16_777_224), "{verdict}");
    assert!(verdict["reason"].as_str().unwrap().to_lowercase().contains(PHRASE), "{verdict}");
}

fn assert_only_declared(verdict: &Value) {
    assert_eq!(verdict["score"], 5, "{verdict}");
    assert!(ids(verdict).contains(&16_777_224) && !ids(verdict).contains(&16_777_219), "{verdict}");
}

#[tokio::test]
async fn line_20_yes_a_name_that_leads_back_verifies() {
    let dns = DnsServer::start().await;
    dns.host(CRAWLER, HOST);
    dns.host("2001:4860:ffff::9", "crawl-6.googlebot.com");
    let site = site(&dns).await;
    assert_verified(&verdict_of(&site, CRAWLER, GOOGLEBOT).await, "Search");
    assert_verified(&verdict_of(&site, "2001:4860:ffff::9", GOOGLEBOT).await, "Search");
    let token = visit(&site, CRAWLER, GOOGLEBOT).await;
    site.scored(&token).await;
    let stored = site.server.app.storage.get::<StoredScore>(&session_id(site.project, &token)).await.unwrap();
    let verification = stored.unwrap().value.verification.unwrap();
    assert_eq!((verification.name.as_str(), verification.outcome), ("Googlebot", Outcome::Yes));
}

/// Somebody lets a crawler begin a session, and goes on with its token.
#[tokio::test]
async fn a_proof_holds_for_the_address_that_gave_it_and_not_for_the_token() {
    let dns = DnsServer::start().await;
    dns.host(CRAWLER, HOST);
    let site = site(&dns).await;
    let token = visit(&site, CRAWLER, GOOGLEBOT).await;
    assert_verified(&site.scored(&token).await, "Search");
    let same = format!("?ip=::ffff:{CRAWLER}&ua=Googlebot");
    assert_verified(&site.verdict(&token, &same).await.json, "Search");
    for _ in 0..2 {
        let borrowed = site.verdict(&token, "?ip=198.51.100.66").await.json;
        assert_ne!(borrowed["verdict"], "verified", "{borrowed}");
        assert_verified(&site.verdict(&token, "").await.json, "Search");
    }
}

#[tokio::test]
async fn line_20_yes_published_ranges_verify_without_dns() {
    let dns = DnsServer::start().await;
    dns.silence(true);
    let site = site(&dns).await;
    load(&site, "openai-gptbot", "192.178.201.0/28").await;
    assert_verified(&verdict_of(&site, "192.178.201.3", GPTBOT).await, "AI Crawler");
    assert_verified(&verdict_of(&site, "66.249.66.1", GOOGLEBOT).await, "Search");
    assert_eq!(dns.asked_about("."), 0);
}

#[tokio::test]
async fn line_20_no_other_names_are_a_false_claim() {
    let dns = DnsServer::start().await;
    let site = site(&dns).await;
    dns.host("203.0.113.1", "host.example.com");
    dns.host("203.0.113.2", "evilgooglebot.com");
    dns.host("203.0.113.3", "crawl.googlebot.com.example.com");
    // The name says so, but does not lead back: whoever owns an address may point it anywhere.
    dns.point("203.0.113.4", Reply::Records(vec![ptr(HOST)]));
    dns.set(HOST, hickory_proto::rr::RecordType::A, Reply::Records(vec![data(CRAWLER)]));
    dns.point("203.0.113.5", Reply::Records(vec![ptr("nothing.googlebot.com")]));
    dns.host("203.0.113.7", "9.9.9.9.bc.googleusercontent.com");
    for last in 1..=7 {
        assert_false_claim(&verdict_of(&site, &format!("203.0.113.{last}"), GOOGLEBOT).await);
    }
    assert_false_claim(&verdict_of(&site, "2001:db8::7", GOOGLEBOT).await);
}

#[tokio::test]
async fn line_20_no_outside_of_fresh_ranges_is_a_false_claim() {
    let dns = DnsServer::start().await;
    let site = site(&dns).await;
    load(&site, "openai-gptbot", "192.178.201.0/28").await;
    assert_false_claim(&verdict_of(&site, "192.178.201.16", GPTBOT).await);
    site.server.advance(31 * 86_400_000);
    assert_only_declared(&verdict_of(&site, "192.178.201.16", GPTBOT).await);
    assert_verified(&verdict_of(&site, "192.178.201.15", GPTBOT).await, "AI Crawler");
}

#[tokio::test]
async fn line_20_unknown_neither_proves_nor_refutes() {
    let dns = DnsServer::start().await;
    let site = site_with(&dns, |config| {
        config.outbound.dns_timeout_ms = 1_000;
        config.verification.timeout_ms = 2_000;
    })
    .await;
    dns.point("203.0.113.1", Reply::Failure);
    dns.point("203.0.113.2", Reply::Silence);
    dns.point("203.0.113.3", Reply::Records(vec![ptr("a.googlebot.com")]));
    dns.set("a.googlebot.com", hickory_proto::rr::RecordType::A, Reply::Failure);
    for last in 1..=3 {
        assert_only_declared(&verdict_of(&site, &format!("203.0.113.{last}"), GOOGLEBOT).await);
    }
    // No list and no names: nothing is known.
    assert_only_declared(&verdict_of(&site, "203.0.113.4", GPTBOT).await);
    // Behind a proxy that nobody configured, everybody has a private address.
    assert_only_declared(&verdict_of(&site, "10.0.0.1", GOOGLEBOT).await);
}

#[tokio::test]
async fn line_20_inferred_addresses_prove_and_refute_nothing() {
    let dns = DnsServer::start().await;
    dns.host(CRAWLER, HOST);
    dns.host("8.8.4.4", "host.example.com");
    let site = site(&dns).await;
    for address in [CRAWLER, "8.8.4.4", "66.249.66.1"] {
        assert_only_declared(&observed(&site, address, true).await);
    }
    assert_eq!(dns.asked_about("."), 0);
    assert_verified(&observed(&site, CRAWLER, false).await, "Search");
    assert_verified(&observed(&site, "66.249.66.1", false).await, "Search");
    assert_false_claim(&observed(&site, "8.8.4.4", false).await);
}

#[tokio::test]
async fn line_20_other_user_agents_are_not_looked_up() {
    let dns = DnsServer::start().await;
    dns.host(CRAWLER, HOST);
    let site = site(&dns).await;
    let verdict = verdict_of(&site, CRAWLER, "SomeSpider/1.0").await;
    assert_only_declared(&verdict);
    verdict_of(&site, CRAWLER, "curl/8.5.0").await;
    visit(&site, CRAWLER, super::site::CHROME).await;
    assert_eq!(dns.asked_about("."), 0);
}

#[tokio::test]
async fn without_a_user_agent_every_bot_is_a_candidate_by_address() {
    let dns = DnsServer::start().await;
    dns.host("5.255.253.9", "5-255-253-9.spider.yandex.com");
    dns.host("203.0.113.1", "host.example.com");
    let site = site(&dns).await;
    for (address, name) in [("5.255.253.9", "YandexBot"), ("66.249.66.1", "Googlebot")] {
        let token = visit(&site, address, "").await;
        assert_verified(&site.scored(&token).await, "Search");
        let stored =
            site.server.app.storage.get::<StoredScore>(&session_id(site.project, &token)).await.unwrap();
        assert_eq!(stored.unwrap().value.verification.unwrap().name, name);
    }
    let token = "bt_PageOfACrawler0000000001";
    report(&site, token, "5.255.253.9", false).await;
    assert_verified(&site.scored(token).await, "Search");
    let verdict = verdict_of(&site, "203.0.113.1", "").await;
    assert_eq!(verdict["score"], 35, "no claim, no false claim: {verdict}");
}

#[tokio::test]
async fn answers_are_kept_a_day_an_hour_and_five_minutes() {
    let dns = DnsServer::start().await;
    dns.host(CRAWLER, HOST);
    dns.point("203.0.113.2", Reply::Failure);
    let site = site(&dns).await;
    let ask = async |address: &str| {
        verdict_of(&site, address, GOOGLEBOT).await;
        let reversed: Vec<&str> = address.split('.').rev().collect();
        dns.asked_about(&format!("{}.in-addr.arpa.", reversed.join(".")))
    };
    for (address, minutes) in [(CRAWLER, 24 * 60), ("203.0.113.1", 60), ("203.0.113.2", 5)] {
        let first = ask(address).await;
        assert!(first > 0);
        site.server.advance(minutes * 60_000 - 1_000);
        assert_eq!(ask(address).await, first, "{address} is still known");
        site.server.advance(1_000);
        assert!(ask(address).await > first, "{address} is asked for again");
    }
}

#[tokio::test]
async fn a_slow_look_up_holds_up_nobody_and_changes_the_score_when_it_ends() {
    let dns = DnsServer::start().await;
    dns.point(CRAWLER, Reply::Late(Duration::from_millis(900), vec![ptr(HOST)]));
    dns.set(HOST, hickory_proto::rr::RecordType::A, Reply::Records(vec![data(CRAWLER)]));
    let site = site_with(&dns, |config| {
        config.outbound.dns_timeout_ms = 5_000;
        config.verification.timeout_ms = 5_000;
        config.verification.patience_ms = 50;
    })
    .await;
    let slow = visit(&site, CRAWLER, GOOGLEBOT).await;
    let started = Instant::now();
    verdict_of(&site, "203.0.113.9", "SomeSpider/1.0").await;
    assert!(started.elapsed() < Duration::from_millis(850), "{:?}", started.elapsed());
    assert_only_declared(&site.scored(&slow).await);
    let last = site.verdict_when(&slow, "", |verdict| verdict["verdict"] == "verified").await;
    assert_verified(&last, "Search");
}

#[tokio::test]
async fn a_session_waits_a_moment_for_its_look_up_rather_than_be_scored_twice() {
    let dns = DnsServer::start().await;
    dns.point(CRAWLER, Reply::Late(Duration::from_millis(150), vec![ptr(HOST)]));
    dns.set(HOST, hickory_proto::rr::RecordType::A, Reply::Records(vec![data(CRAWLER)]));
    let site = site_with(&dns, |config| config.verification.patience_ms = 10_000).await;
    let token = visit(&site, CRAWLER, GOOGLEBOT).await;
    // The first score that anybody sees is the right one.
    assert_verified(&site.scored(&token).await, "Search");
}

#[tokio::test]
async fn many_sessions_of_one_address_are_one_look_up() {
    let dns = DnsServer::start().await;
    dns.point(CRAWLER, Reply::Late(Duration::from_millis(100), vec![ptr(HOST)]));
    dns.set(HOST, hickory_proto::rr::RecordType::A, Reply::Records(vec![data(CRAWLER)]));
    let site = site(&dns).await;
    let mut tokens = Vec::new();
    for _ in 0..20 {
        tokens.push(visit(&site, CRAWLER, GOOGLEBOT).await);
    }
    for token in tokens {
        assert_verified(&site.scored(&token).await, "Search");
    }
    assert_eq!(dns.asked_about("in-addr.arpa."), 1);
}

#[tokio::test]
async fn one_network_cannot_take_all_places() {
    let dns = DnsServer::start().await;
    dns.host(CRAWLER, HOST);
    let site = site_with(&dns, |config| {
        config.outbound.dns_timeout_ms = 20_000;
        config.verification.timeout_ms = 20_000;
        config.verification.concurrency = 10;
    })
    .await;
    for last in 1..=30 {
        let address = format!("198.51.100.{last}");
        dns.point(&address, Reply::Silence);
        visit(&site, &address, GOOGLEBOT).await;
    }
    let started = Instant::now();
    assert_verified(&verdict_of(&site, CRAWLER, GOOGLEBOT).await, "Search");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_silent_resolver_is_left_alone_and_asked_again_later() {
    let dns = DnsServer::start().await;
    dns.silence(true);
    let site = site_with(&dns, |config| {
        config.outbound.dns_timeout_ms = 40;
        config.verification.timeout_ms = 200;
    })
    .await;
    for last in 1..=6 {
        assert_only_declared(&verdict_of(&site, &format!("203.0.{last}.1"), GOOGLEBOT).await);
    }
    let asked = dns.asked_about(".");
    dns.silence(false);
    for last in 7..=12 {
        assert_only_declared(&verdict_of(&site, &format!("203.0.{last}.1"), GOOGLEBOT).await);
    }
    assert_eq!(dns.asked_about("."), asked, "nothing is asked while the resolver rests");
}

#[tokio::test]
async fn look_ups_can_be_turned_off() {
    let dns = DnsServer::start().await;
    dns.host(CRAWLER, HOST);
    let site = site_with(&dns, |config| config.verification.reverse_dns = false).await;
    // By then the built-in ranges are too old to refute.
    site.server.advance(300 * 86_400_000);
    assert_only_declared(&verdict_of(&site, CRAWLER, GOOGLEBOT).await);
    assert_verified(&verdict_of(&site, "66.249.66.1", GOOGLEBOT).await, "Search");
    assert_eq!(dns.asked_about("."), 0);
}

#[tokio::test]
async fn configured_bots_are_verified_by_their_ranges_and_names() {
    let dns = DnsServer::start().await;
    dns.host("203.0.113.8", "a.crawl.example.com");
    let bot = BotConfig {
        name: "Acme Monitor".to_owned(),
        token: "acme-monitor".to_owned(),
        category: "Monitoring".to_owned(),
        suffixes: vec!["crawl.example.com".to_owned()],
        ranges: vec!["198.51.100.0/28".parse().unwrap(), "10.9.0.0/16".parse().unwrap()],
    };
    let site = site_with(&dns, |config| config.verification.bots = vec![bot]).await;
    for address in ["198.51.100.7", "10.9.8.7", "203.0.113.8"] {
        assert_verified(&verdict_of(&site, address, "Acme-Monitor/3").await, "Monitoring");
    }
    assert_false_claim(&verdict_of(&site, "203.0.113.9", "Acme-Monitor/3").await);
}

/// Puts a list of ranges to use that was fetched today.
async fn load(site: &Site, feed: &str, range: &str) {
    let feeds = [(feed.to_owned(), vec![range.to_owned()])].into();
    let table = RangeTable { date: "2026-02-15".to_owned(), source: String::new(), feeds };
    let app = &site.server.app;
    let results = ranges::import(app, table).await.unwrap();
    assert!(results.iter().all(|list| list.result == Ok(1)));
    ranges::load(app).await.unwrap();
}

/// The site's server reports a page of this session; its visitor's address is told, or only guessed.
async fn report(site: &Site, token: &str, address: &str, inferred: bool) {
    let hit = json!({
        "schema_version": 1, "page_id": "0123456789abcdef0123456789abcdef", "session_token": token,
        "occurred_at": "2026-02-15T12:00:00Z", "method": "GET", "path_hash": "a".repeat(64),
        "header_names": ["host", "accept", "accept-encoding", "accept-language", "user-agent"], "languages": ["en"],
        "had_session_cookie": true, "duration_ms": 3, "ja4": null,
        "observed_ip": address, "observed_ip_source": "header", "observed_ip_inferred": inferred
    });
    let (bearer, key) = (format!("Bearer {PRIVATE_KEY}"), format!("hit-{token}"));
    let headers =
        [("content-type", "application/json"), ("authorization", &*bearer), ("idempotency-key", &*key)];
    let answer = site.server.call("POST", "/v1/server/page-hits", &headers, hit.to_string()).await;
    assert_eq!(answer.status, 202, "{:?}", answer.json);
}

/// The verdict about a bot of which the site's server reported a page, and whose browser sent a batch.
async fn observed(site: &Site, address: &str, inferred: bool) -> Value {
    let digits: String = address.chars().filter(char::is_ascii_digit).collect();
    let token = format!("bt_{digits:0<23}{}", u8::from(inferred));
    report(site, &token, address, inferred).await;
    let answer =
        site.ingest_with(&[("user-agent", GOOGLEBOT)], &batch(Some(&token), &[("page", json!({}))])).await;
    assert_eq!(answer.json["session_token"], token.as_str());
    for _ in 0..1_000 {
        let id = session_id(site.project, &token);
        let score = site.server.app.storage.get::<StoredScore>(&id).await.unwrap();
        if score.is_some_and(|score| score.revision == 2) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    site.verdict(&token, "").await.json
}
