//! Ten thousand malformed batches: each is refused in the caller's face, quickly, and none leaves a trace.

use std::time::{Duration, Instant};

use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use quivive_core::first_party::{EventsReport, PageHitReport};
use quivive_core::score::payload::Batch;
use serde_json::{Value, json};

use super::faults::moody_site;
use super::server_ingest::{forwarded, hit};
use super::site::{PRIVATE_KEY, SITE_KEY, Site, batch, event, human_snapshot};

const PAGE: &str = "9f86d081884c7d659a2feaa0c55ad015";

/// Nothing that is refused may take longer, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn ten_thousand_malformed_batches_are_refused_and_leave_no_trace() {
    let valid = batch(
        Some("bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P"),
        &[
            ("page", json!({ "page_path_hash": "9cb2d74a" })),
            ("snapshot", human_snapshot()),
            ("js_probe", json!({ "js_passed": true, "languages": ["nl"] })),
        ],
    );
    refuse("/v1/events", 10_000, &valid, |text| Batch::parse(text).is_err());
}

#[test]
fn malformed_page_hits_are_refused_and_leave_no_trace() {
    refuse("/v1/server/page-hits", 2_000, &hit("sess_a"), |text| PageHitReport::parse(text).is_err());
}

#[test]
fn malformed_forwarded_events_are_refused_and_leave_no_trace() {
    let valid = forwarded("sess_a", PAGE, vec![event("a", "snapshot", human_snapshot())]);
    refuse("/v1/server/events", 2_000, &valid, |text| EventsReport::parse(text).is_err());
}

/// Sends so many bodies that are not well-formed. The generator's mutations often give a body that is still right;
/// `is_malformed` leaves these out, and those with an unknown key or a changed type are known to be wrong without it.
fn refuse(path: &str, cases: u32, valid: &Value, is_malformed: fn(&str) -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (site, database) = runtime.block_on(moody_site());
    let rows = runtime.block_on(rows(&site));
    database.asked();
    let config =
        Config { cases, max_global_rejects: 10 * cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&body(valid.clone()), |Malformed { bytes, is_certain }| {
        let is_refused = std::str::from_utf8(&bytes).map_or(true, is_malformed);
        prop_assert!(is_refused || !is_certain, "{} counts as right", String::from_utf8_lossy(&bytes));
        prop_assume!(is_refused);
        let headers = [
            ("content-type", "application/json"),
            ("x-botect-site-key", SITE_KEY),
            ("x-botect-private-key", PRIVATE_KEY),
            ("idempotency-key", "key"),
        ];
        let began = Instant::now();
        let answer = runtime.block_on(site.server.call("POST", path, &headers, bytes));
        prop_assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        prop_assert!(answer.status.is_client_error(), "{}", answer.status);
        prop_assert!(answer.json["code"].is_string() && answer.json["message"].is_string());
        Ok(())
    });
    outcome.unwrap();
    // Keys are proven again every second; nothing else was asked for, and nothing was written.
    let written: Vec<_> = database
        .asked()
        .into_iter()
        .filter(|what| !what.starts_with("get project") && what != "get account")
        .collect();
    assert_eq!(written, Vec::<String>::new());
    assert_eq!(runtime.block_on(self::rows(&site)), rows);
    assert!(site.server.app.scoring.queue.is_empty());
}

/// How many rows there are of everything that ingest writes.
async fn rows(site: &Site) -> [usize; 7] {
    use quivive_server::flows::scoring::record::*;
    let storage = &site.server.app.storage;
    let project = site.project.to_string();
    let month = quivive_core::Timestamp::parse_utc("2026-02-01T00:00:00Z").unwrap();
    let metered = storage.counters().read(&format!("events/{}", site.account), month).await.unwrap();
    [
        storage.list::<StoredSession>(&project, None, 10).await.unwrap().len(),
        storage.list::<StoredBatch>("", None, 10).await.unwrap().len(),
        storage.list::<FirstContact>("", None, 10).await.unwrap().len(),
        storage.list::<SeenPageHit>("", None, 10).await.unwrap().len(),
        storage.list::<SeenBlock>("", None, 10).await.unwrap().len(),
        storage.list::<DueSession>("", None, 10).await.unwrap().len(),
        usize::try_from(metered).unwrap(),
    ]
}

/// A body to be refused, and whether its making alone says that it must be.
#[derive(Clone, Debug)]
struct Malformed {
    bytes: Vec<u8>,
    is_certain: bool,
}

fn body(valid: Value) -> impl Strategy<Value = Malformed> {
    let text = valid.to_string();
    let places = places(&valid, String::new());
    let place = proptest::sample::select(places);
    let uncertain = |bytes: Vec<u8>| Malformed { bytes, is_certain: false };
    let (first, second, third) = (valid.clone(), valid.clone(), text.clone());
    prop_oneof![
        // Any value in any place.
        4 => (place.clone(), any_json()).prop_map(move |(place, value)| {
            let mut body = first.clone();
            *body.pointer_mut(&place).unwrap() = value;
            Malformed { bytes: body.to_string().into_bytes(), is_certain: false }
        }),
        // A key that is not in any list, in any object.
        2 => (place, "[a-z]{1,12}_x", any_json()).prop_map(move |(place, name, value)| {
            let mut body = second.clone();
            let mut place = place;
            while !body.pointer(&place).unwrap().is_object() {
                place.truncate(place.rfind('/').unwrap_or_default());
            }
            body.pointer_mut(&place).unwrap()[name] = value;
            Malformed { bytes: body.to_string().into_bytes(), is_certain: true }
        }),
        // A text that is cut, or has other bytes in it.
        2 => (0..text.len()).prop_map(move |length| {
            Malformed { bytes: third.as_bytes()[..length].to_vec(), is_certain: true }
        }),
        2 => vec((0..text.len(), any::<u8>()), 1..8).prop_map(move |changes| {
            let mut bytes = text.clone().into_bytes();
            for (index, byte) in changes {
                bytes[index] = byte;
            }
            uncertain(bytes)
        }),
        // Anything at all.
        1 => any_json().prop_map(move |value| uncertain(value.to_string().into_bytes())),
        1 => vec(any::<u8>(), 0..512).prop_map(uncertain),
        1 => (1_usize..100_000, "[\\[{\"]").prop_map(|(depth, bracket)| {
            Malformed { bytes: bracket.repeat(depth).into_bytes(), is_certain: true }
        }),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(-1)),
        Just(json!(u64::MAX)),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        ".{0,40}".prop_map(Value::from),
        "[a-z0-9_-]{0,140}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::from),
            hash_map("[a-z_]{1,16}", inner, 0..8).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// The JSON pointers of every value.
fn places(value: &Value, here: String) -> Vec<String> {
    let mut found = vec![here.clone()];
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                found.extend(places(member, format!("{here}/{name}")));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                found.extend(places(item, format!("{here}/{index}")));
            }
        }
        _ => {}
    }
    found
}
