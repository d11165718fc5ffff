//! Lists and figures of projects with very many detections: no request reads or counts them all.

use quivive_core::Timestamp;
use quivive_server::flows::detection::STREAM;
use quivive_server::storage::Event;
use serde_json::{Value, json};

use super::site::Site;

const MINUTE: i64 = 60_000;

/// Stores so many detections of each label, the first at a moment and one every some milliseconds.
async fn store(site: &Site, from: &str, every: i64, labels: &[&str], count: usize) {
    let (from, body) = (Timestamp::parse_utc(from).unwrap(), row().to_string());
    let event = |number: usize| Event {
        kind: STREAM.to_owned(),
        project: site.project.to_string(),
        id: format!("det_{number:026}"),
        at: from.plus_milliseconds(i64::try_from(number).unwrap() * every),
        label: labels[number % labels.len()].to_owned(),
        score: Some(0.5),
        body: body.clone(),
        ..Event::default()
    };
    let numbers: Vec<usize> = (0..count).collect();
    for part in numbers.chunks(10_000) {
        let events = part.iter().map(|number| event(*number)).collect();
        site.server.app.storage.events().append(events).await.unwrap();
    }
}

async fn total(site: &Site, query: &str) -> u64 {
    let answer = site.read(&format!("/detections?limit=1{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json["pagination"]["total"].as_u64().unwrap()
}

#[tokio::test]
async fn totals_beyond_what_is_counted_come_from_rollups() {
    let site = Site::start().await;
    // Three days and a half, to a moment inside of a slot.
    store(&site, "2026-02-11T23:58:30Z", 1_200, &["crawler", "human"], 250_000).await;
    let all = total(&site, "").await;
    assert_eq!(all, 250_000);
    assert_eq!(total(&site, "&botType=crawler").await, 125_000);
    assert_eq!(total(&site, "&isBot=false").await, 125_000);
    assert_eq!(total(&site, "&endDate=2026-02-11").await, 75, "few are counted one by one");
    let until = "2026-02-15T01:02:03Z";
    let counted = (Timestamp::parse_utc(until)
        .unwrap()
        .milliseconds_since(Timestamp::parse_utc("2026-02-11T23:58:30Z").unwrap())
        + 1_199)
        / 1_200;
    assert_eq!(total(&site, &format!("&endDate={until}")).await, u64::try_from(counted).unwrap());
    let refused = site.read("/detections?agent=openai-gptbot").await;
    assert_eq!(refused.status, 400, "too many rows to look through");
    assert_eq!(refused.json["error"]["details"]["reason"], "out_of_range");
}

/// More rows than one request may have read lie between the range's end and the slot's: the end is moved.
#[tokio::test]
async fn a_range_that_cuts_a_very_full_slot_goes_to_its_nearest_end() {
    let site = Site::start().await;
    store(&site, "2026-02-14T10:00:00Z", 2, &["crawler"], 150_000).await;
    store_quiet(&site).await;
    let detections = async |start: &str, end: &str| {
        let answer = site.read(&format!("/analytics?startDate={start}&endDate={end}")).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        answer.json["summary"]["totalDetections"].as_u64().unwrap()
    };
    let (slot, end) = ("2026-02-14T10:00:00Z", "2026-02-14T11:00:00Z");
    assert_eq!(detections(slot, end).await, 150_100);
    assert_eq!(detections("2026-02-14T10:02:00Z", end).await, 150_100, "nearer to the slot's start");
    assert_eq!(detections("2026-02-14T10:03:00Z", end).await, 100, "nearer to its end");
    assert_eq!(detections("2026-02-14T10:04:50Z", end).await, 5_100, "few enough to be counted");
    let inside = detections("2026-02-14T10:00:10Z", "2026-02-14T10:02:10Z").await;
    assert_eq!(inside, 150_000, "both ends inside of one slot: the slot, and not nothing");
    assert_eq!(detections(slot, "2026-02-14T10:30:50.5Z").await, 150_051, "an end in a quiet slot is exact");
}

/// A hundred detections, one a second, in the half hour after.
async fn store_quiet(site: &Site) {
    let from = Timestamp::parse_utc("2026-02-14T10:30:00Z").unwrap();
    let event = |number: i64| Event {
        kind: STREAM.to_owned(),
        project: site.project.to_string(),
        id: format!("det_quiet{number:021}"),
        at: from.plus_milliseconds(number * MINUTE / 60),
        label: "crawler".to_owned(),
        score: Some(0.5),
        body: row().to_string(),
        ..Event::default()
    };
    site.server.app.storage.events().append((0..100).map(event).collect()).await.unwrap();
}

/// The least that the row of a detection holds.
fn row() -> Value {
    json!({
        "source": "api", "isBot": true, "confidence": 0.5, "botType": "crawler", "subType": null, "agentId": null,
        "verification": "none", "userAgent": null, "ip": null, "url": null, "method": null, "visitorKey": "",
        "policyAction": "allow", "test": false,
    })
}
