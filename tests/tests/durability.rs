//! Acknowledged means durable: what was answered 202 is there after `kill -9`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quivive_tests::server::Server;
use quivive_tests::wire::demo_names;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::Mutex;

const WRITERS: usize = 16;
const BATCHES_BEFORE_KILL: usize = 400;
const EVENTS: usize = 5;

#[derive(Clone)]
struct Batch {
    session: String,
    prefix: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_survives_a_kill() {
    let data = tempfile::tempdir().expect("temporary folder");
    let server = Server::start(data.path(), &[]);
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let count = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            tokio::spawn(write_until_refused(writer, server.url(), acknowledged.clone(), count.clone()))
        })
        .collect();
    while count.load(Ordering::Relaxed) < BATCHES_BEFORE_KILL {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    server.kill();
    for writer in writers {
        writer.await.expect("writer ends");
    }

    let server = Server::start(data.path(), &[]);
    let client = Client::new();
    let acknowledged = acknowledged.lock().await;
    assert!(acknowledged.len() >= BATCHES_BEFORE_KILL);
    for batch in acknowledged.iter() {
        let answer =
            post(&client, &server.url(), Some(&batch.session), &batch.prefix).await.expect("answered");
        assert_eq!(answer["duplicates"], EVENTS, "events of batch {} are lost: {answer}", batch.prefix);
        assert_eq!(answer["session_token"], batch.session.as_str());
    }
}

async fn write_until_refused(
    writer: usize,
    url: String,
    acknowledged: Arc<Mutex<Vec<Batch>>>,
    count: Arc<AtomicUsize>,
) {
    let client = Client::new();
    let mut session: Option<String> = None;
    for number in 0.. {
        let prefix = format!("{writer}-{number}");
        let Some(answer) = post(&client, &url, session.as_deref(), &prefix).await else { return };
        assert_eq!(answer["accepted"], EVENTS, "{answer}");
        let token = answer["session_token"].as_str().expect("a session token").to_owned();
        acknowledged.lock().await.push(Batch { session: token.clone(), prefix });
        count.fetch_add(1, Ordering::Relaxed);
        // Every tenth batch begins another session.
        session = (number % 10 != 9).then_some(token);
    }
}

/// Posts one batch; `None` when the server is gone.
async fn post(client: &Client, url: &str, session: Option<&str>, prefix: &str) -> Option<Value> {
    let names = demo_names();
    let events: Vec<Value> = (0..EVENTS)
        .map(|event| {
            json!({ "request_id": format!("{prefix}-{event}"), "type": "mouse", "received_at": "2026-10-02T08:15:00Z",
                "payload": { "entropy": 0.4, "samples": 30 } })
        })
        .collect();
    let answer = client
        .post(format!("{url}/v1/events"))
        .header("X-Botect-Site-Key", names["site_key"].as_str()?)
        .json(&json!({ "session_token": session, "events": events }))
        .send()
        .await
        .ok()?;
    assert_eq!(answer.status(), 202);
    answer.json().await.ok()
}
