//! Key directories: fetched beside the requests, refreshed, kept, and never believed longer than a day.

use std::time::Duration;

use quivive_server::flows::detection::directories::{self, StoredDirectory};
use quivive_server::jobs;
use quivive_server::keys::master::MasterSecret;
use serde_json::{Value, json};

use super::signer::{Agent, DIRECTORY_TYPE, Directory, claimed, ok, outcome, spoofed, verified};
use super::site::Site;

const HOUR: i64 = 3_600_000;

async fn site(directory: &Directory) -> Site {
    Site::with(|config| directory.settings(config)).await
}

async fn refresh(site: &Site) {
    directories::refresh(&site.server.app).await.unwrap();
}

/// A request that is signed now.
fn signed(site: &Site, agent: &Agent) -> Value {
    agent.request(&Agent::plan(site.server.app.now()))
}

#[tokio::test]
async fn the_first_signature_is_claimed_and_those_after_the_fetch_are_verified() {
    let directory = Directory::start().await;
    let agent = Agent::new(1, &directory.origin);
    directory.publish(&[agent.key()]);
    let site = site(&directory).await;
    refresh(&site).await;
    assert_eq!(directory.requests(), 0, "nobody asked yet");
    jobs::start(&site.server.app);
    assert_eq!(outcome(&site, &signed(&site, &agent)).await, claimed());
    for _ in 0..1_000 {
        if outcome(&site, &signed(&site, &agent)).await == verified() {
            assert_eq!(directory.requests(), 1);
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the directory was not fetched");
}

/// The end of a large vendor's keys slides ahead: a copy that is kept as it was dies within a week.
#[tokio::test]
async fn keys_are_refreshed_daily_and_their_end_may_move() {
    let directory = Directory::start().await;
    let agent = Agent::new(1, &directory.origin);
    let site = site(&directory).await;
    let key_until = |end: i64| {
        let mut key = agent.key();
        key["exp"] = json!(end / 1_000);
        key
    };
    let now = || site.server.app.now().milliseconds();
    directory.publish(&[key_until(now() + 7 * 24 * HOUR)]);
    outcome(&site, &signed(&site, &agent)).await;
    refresh(&site).await;
    for day in 0..30 {
        assert_eq!(outcome(&site, &signed(&site, &agent)).await, verified(), "day {day}");
        site.server.advance(20 * HOUR);
        directory.publish(&[key_until(now() + 7 * 24 * HOUR)]);
        refresh(&site).await;
        assert_eq!(directory.requests(), day + 2, "refreshed although it looks valid");
        site.server.advance(4 * HOUR);
    }
}

#[tokio::test]
async fn a_failed_refresh_keeps_the_last_good_copy_for_a_day() {
    let directory = Directory::start().await;
    let agent = Agent::new(1, &directory.origin);
    directory.publish(&[agent.key()]);
    let site = site(&directory).await;
    outcome(&site, &signed(&site, &agent)).await;
    refresh(&site).await;
    let not_found = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let elsewhere = "HTTP/1.1 302 Found\r\nLocation: https://agent.example/\r\nContent-Length: 0\r\n\r\n";
    let keys = json!({ "keys": [Agent::new(2, "https://x.example").key()] }).to_string();
    let large = format!("{{\"keys\":[],\"padding\":\"{}\"}}", "x".repeat(70_000));
    let many = json!({ "keys": vec![agent.key(); 51] }).to_string();
    let mut hours = 0;
    for broken in [
        not_found.to_owned(),
        elsewhere.to_owned(),
        ok("text/html", "", &keys),
        ok(DIRECTORY_TYPE, "", "{"),
        ok(DIRECTORY_TYPE, "", &large),
        ok(DIRECTORY_TYPE, "", &many),
        String::new(),
    ] {
        directory.answer(&broken);
        site.server.advance(3 * HOUR);
        hours += 3;
        let before = directory.requests();
        refresh(&site).await;
        assert_eq!(directory.requests() > before, hours >= 18, "after {hours} hours: {broken}");
        assert_eq!(outcome(&site, &signed(&site, &agent)).await, verified(), "{broken}");
    }
    site.server.advance(3 * HOUR);
    assert_eq!(outcome(&site, &signed(&site, &agent)).await, claimed(), "a day is over");
    directory.publish(&[agent.key()]);
    site.server.advance(2 * HOUR);
    refresh(&site).await;
    assert_eq!(outcome(&site, &signed(&site, &agent)).await, verified());
}

#[tokio::test]
async fn a_key_that_ended_in_an_old_copy_refutes_nothing() {
    let directory = Directory::start().await;
    let agent = Agent::new(1, &directory.origin);
    let site = site(&directory).await;
    let mut key = agent.key();
    key["exp"] = json!((site.server.app.now().milliseconds() + 19 * HOUR) / 1_000);
    directory.publish(&[key.clone()]);
    outcome(&site, &signed(&site, &agent)).await;
    refresh(&site).await;
    directory.answer("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    site.server.advance(20 * HOUR);
    refresh(&site).await;
    assert_eq!(outcome(&site, &signed(&site, &agent)).await, claimed());
    // In a fresh copy it is what it says: ended.
    directory.publish(&[key]);
    site.server.advance(2 * HOUR);
    refresh(&site).await;
    assert_eq!(outcome(&site, &signed(&site, &agent)).await, spoofed());
}

#[tokio::test]
async fn a_key_that_its_owner_took_back_is_gone() {
    let directory = Directory::start().await;
    let (old, new) = (Agent::new(1, &directory.origin), Agent::new(2, &directory.origin));
    directory.publish(&[old.key()]);
    let site = site(&directory).await;
    outcome(&site, &signed(&site, &old)).await;
    refresh(&site).await;
    assert_eq!(outcome(&site, &signed(&site, &old)).await, verified());
    // A key that is not known makes the directory be looked at again, though not more than once a minute.
    directory.publish(&[new.key()]);
    for _ in 0..5 {
        assert_eq!(outcome(&site, &signed(&site, &new)).await, claimed());
        refresh(&site).await;
    }
    assert_eq!(directory.requests(), 1);
    site.server.advance(61_000);
    assert_eq!(outcome(&site, &signed(&site, &new)).await, claimed());
    refresh(&site).await;
    assert_eq!(directory.requests(), 2);
    assert_eq!(outcome(&site, &signed(&site, &new)).await, verified());
    assert_eq!(outcome(&site, &signed(&site, &old)).await, claimed());
}

#[tokio::test]
async fn new_keys_wait_for_approval_where_pins_are_strict() {
    let directory = Directory::start().await;
    let agents: Vec<Agent> = (1..=3).map(|seed| Agent::new(seed, &directory.origin)).collect();
    let approved = agents[2].thumbprint().to_owned();
    let site = Site::with(|config| {
        directory.settings(config);
        config.verification.strict_pins = true;
        config.verification.approved_keys = vec![approved];
    })
    .await;
    directory.publish(&[agents[0].key()]);
    outcome(&site, &signed(&site, &agents[0])).await;
    refresh(&site).await;
    directory.publish(&agents.iter().map(Agent::key).collect::<Vec<_>>());
    for _ in 0..2 {
        site.server.advance(19 * HOUR);
        refresh(&site).await;
    }
    let mut outcomes = Vec::new();
    for agent in &agents {
        outcomes.push(outcome(&site, &signed(&site, agent)).await);
    }
    assert_eq!(outcomes, [verified(), claimed(), verified()]);
}

#[tokio::test]
async fn a_restart_keeps_directories() {
    let directory = Directory::start().await;
    let agent = Agent::new(1, &directory.origin);
    directory.publish(&[agent.key()]);
    let first = site(&directory).await;
    outcome(&first, &signed(&first, &agent)).await;
    refresh(&first).await;
    let mut config = first.server.app.config.clone();
    config.log.level = "warn".to_owned();
    let again = quivive_server::serve::prepare(
        config,
        first.server.app.storage.clone(),
        MasterSecret::from_bytes([42; 32]),
        first.server.app.clock.clone(),
        quivive_server::app::Entropy::System,
    );
    let server = crate::support::Server::around(again.await.unwrap());
    let second = Site { server, account: first.account, project: first.project };
    assert_eq!(outcome(&second, &signed(&second, &agent)).await, claimed());
    refresh(&second).await;
    assert_eq!(outcome(&second, &signed(&second, &agent)).await, verified());
    assert_eq!(directory.requests(), 1);
}

#[tokio::test]
async fn strangers_are_asked_only_where_discovery_is_open() {
    let directory = Directory::start().await;
    let agent = Agent::new(1, &directory.origin);
    directory.publish(&[agent.key()]);
    for is_open in [false, true] {
        let site = Site::with(|config| {
            directory.settings(config);
            config.verification.signature_agents = Vec::new();
            config.verification.open_discovery = is_open;
        })
        .await;
        outcome(&site, &signed(&site, &agent)).await;
        refresh(&site).await;
        assert_eq!(directory.requests(), usize::from(is_open));
        let expected = if is_open { verified() } else { claimed() };
        assert_eq!(outcome(&site, &signed(&site, &agent)).await, expected);
    }
}

#[tokio::test]
async fn one_visitor_makes_the_server_ask_few_strangers() {
    let directory = Directory::start().await;
    let site = Site::with(|config| {
        directory.settings(config);
        config.verification.open_discovery = true;
    })
    .await;
    for number in 0..30 {
        // Names that lead nowhere: nobody is bothered by this test.
        let agent = Agent::new(1, &format!("https://agent-{number}.strangers.example"));
        assert_eq!(outcome(&site, &signed(&site, &agent)).await, claimed());
    }
    refresh(&site).await;
    let stored = site.server.app.storage.list::<StoredDirectory>("", None, 100).await.unwrap();
    assert!(stored.is_empty() && directory.requests() == 0);
    // Each by its addresses of both versions.
    assert_eq!(directory.looked_up(".strangers.example."), 20, "ten of them");
    let agent = Agent::new(1, &directory.origin);
    directory.publish(&[agent.key()]);
    assert_eq!(outcome(&site, &signed(&site, &agent)).await, claimed());
    refresh(&site).await;
    assert_eq!(directory.requests(), 1, "a known origin is asked all the same");
}

#[tokio::test]
async fn directories_inside_are_not_reached() {
    let directory = Directory::start().await;
    let agent = Agent::new(1, &directory.origin);
    directory.publish(&[agent.key()]);
    let site = Site::with(|config| {
        directory.settings(config);
        config.outbound.allow_private = Vec::new();
    })
    .await;
    outcome(&site, &signed(&site, &agent)).await;
    refresh(&site).await;
    assert_eq!(directory.requests(), 0);
    assert_eq!(outcome(&site, &signed(&site, &agent)).await, claimed());
}

#[tokio::test]
async fn settings_are_checked() {
    use quivive_server::config::{Overrides, load};
    for (name, value) in [
        ("QUIVIVE_VERIFICATION__SIGNATURE_AGENTS", "http://agent.example"),
        ("QUIVIVE_VERIFICATION__SIGNATURE_AGENTS", "https://agent.example/path"),
        ("QUIVIVE_AGENTSHIELD__BLOCKED_NETWORKS", "10.0.0.0/40"),
    ] {
        let environment = [(name.to_owned(), value.to_owned())].into_iter();
        assert!(load(&Overrides::default(), environment).is_err(), "{name}={value}");
    }
    let long = format!("/{}", "a".repeat(256));
    let environment = [("QUIVIVE_AGENTSHIELD__HONEYPOT_PATHS".to_owned(), long)].into_iter();
    assert!(load(&Overrides::default(), environment).is_err());
}

#[tokio::test]
async fn strangers_that_nobody_needs_are_forgotten() {
    let directory = Directory::start().await;
    let (stranger, idle) = (Agent::new(1, &directory.origin), Agent::new(2, "https://idle.example"));
    directory.publish(&[stranger.key()]);
    let site = Site::with(|config| {
        directory.settings(config);
        config.verification.signature_agents = Vec::new();
        config.verification.open_discovery = true;
    })
    .await;
    let kept = async || {
        let stored = site.server.app.storage.list::<StoredDirectory>("", None, 100).await.unwrap();
        stored.iter().map(|found| found.location.url.clone()).collect::<Vec<_>>()
    };
    idle.publish(&site).await;
    outcome(&site, &signed(&site, &stranger)).await;
    refresh(&site).await;
    assert_eq!(kept().await.len(), 2);
    for _ in 0..3 {
        site.server.advance(10 * HOUR);
        assert_eq!(outcome(&site, &signed(&site, &stranger)).await, verified());
        refresh(&site).await;
    }
    assert_eq!(kept().await.len(), 1, "only the one that signs: {:?}", kept().await);
    site.server.advance(25 * HOUR);
    refresh(&site).await;
    assert_eq!(kept().await, Vec::<String>::new());
    assert_eq!(outcome(&site, &signed(&site, &stranger)).await, claimed());
    refresh(&site).await;
    assert_eq!(outcome(&site, &signed(&site, &stranger)).await, verified(), "it may come again");
}

/// Who controls a signer's directory for a while must not get his key believed by waiting until the signer is unknown.
#[tokio::test]
async fn strangers_are_not_forgotten_where_pins_are_strict() {
    let directory = Directory::start().await;
    let (stranger, intruder) = (Agent::new(1, &directory.origin), Agent::new(2, &directory.origin));
    directory.publish(&[stranger.key()]);
    let site = Site::with(|config| {
        directory.settings(config);
        config.verification.signature_agents = Vec::new();
        config.verification.open_discovery = true;
        config.verification.strict_pins = true;
    })
    .await;
    outcome(&site, &signed(&site, &stranger)).await;
    refresh(&site).await;
    assert_eq!(outcome(&site, &signed(&site, &stranger)).await, verified());
    directory.publish(&[intruder.key()]);
    site.server.advance(50 * HOUR);
    refresh(&site).await;
    assert_eq!(outcome(&site, &signed(&site, &intruder)).await, claimed());
    refresh(&site).await;
    assert_eq!(outcome(&site, &signed(&site, &intruder)).await, claimed());
}

#[tokio::test]
async fn of_too_many_strangers_those_stay_that_were_needed_last() {
    let directory = Directory::start().await;
    let site = Site::with(|config| {
        directory.settings(config);
        config.verification.open_discovery = true;
    })
    .await;
    let listed = Agent::new(1, &directory.origin);
    directory.publish(&[listed.key()]);
    outcome(&site, &signed(&site, &listed)).await;
    let needed = Agent::new(2, "https://needed.example");
    needed.publish(&site).await;
    for number in 0..600 {
        site.server.advance(10);
        let stranger = Agent::new(3, &format!("https://agent-{number}.example"));
        let app = &site.server.app;
        let location = quivive_core::signature::KeyLocation::read(
            &stranger.origin,
            quivive_core::signature::LocationKind::Directory,
        );
        let stored = StoredDirectory {
            location: location.unwrap(),
            document: json!({ "keys": [stranger.key()] }).to_string(),
            fetched_at: app.now(),
            lifetime_ms: 24 * HOUR,
            trusted: [stranger.thumbprint().to_owned()].into(),
        };
        app.storage.put(&stored).await.unwrap();
    }
    site.server.advance(10);
    assert_eq!(outcome(&site, &signed(&site, &needed)).await, verified());
    refresh(&site).await;
    let stored = site.server.app.storage.list::<StoredDirectory>("", None, 1_000).await.unwrap();
    assert_eq!(stored.len(), 501, "five hundred strangers and the listed one");
    for (agent, expected) in [
        (&needed, verified()),
        (&listed, verified()),
        (&Agent::new(3, "https://agent-599.example"), verified()),
        (&Agent::new(3, "https://agent-0.example"), claimed()),
    ] {
        assert_eq!(outcome(&site, &signed(&site, agent)).await, expected, "{}", agent.origin);
    }
}

/// Strangers' hosts that accept a connection and say nothing take three seconds each.
#[tokio::test]
async fn a_listed_directory_waits_for_no_strangers() {
    let directory = Directory::start().await;
    let listed = Agent::new(1, &directory.origin);
    directory.publish(&[listed.key()]);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let site = Site::with(|config| {
        directory.settings(config);
        config.verification.open_discovery = true;
        config.limits.unauthenticated_per_second = 0;
    })
    .await;
    for number in 0..10 {
        directory.name(&format!("agent-{number}.strangers.example"));
        let stranger = Agent::new(2, &format!("https://agent-{number}.strangers.example:{port}"));
        assert_eq!(outcome(&site, &signed(&site, &stranger)).await, claimed());
    }
    jobs::start(&site.server.app);
    // The strangers' turn has begun.
    let _held = silent.accept().await.unwrap();
    let began = std::time::Instant::now();
    while outcome(&site, &signed(&site, &listed)).await != verified() {
        assert!(began.elapsed() < Duration::from_secs(2), "it waited for strangers");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
