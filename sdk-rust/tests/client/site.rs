//! Verdicts and detections.

use std::time::{Duration, Instant};

use quivive::Client;
use quivive::agentshield::Visit;
use quivive::botect::{Context, Verdict};
use quivive::core::decision::Action;

use crate::service::Service;

#[tokio::test]
async fn verdict_is_read() {
    let service = Service::start().await;
    let verdict = service.client().botect("sk_site").verdict("block", &Context::default()).await;
    assert_eq!((verdict.action, verdict.score, verdict.unavailable), (Action::Block, 1, false));
}

#[tokio::test]
async fn every_fault_allows() {
    let service = Service::start().await;
    let site = service.client().botect("sk_site");
    for (session, code) in [
        ("slow", "CONNECTION_FAILED"),
        ("garbage", "MALFORMED_ANSWER"),
        ("wrong", "MALFORMED_ANSWER"),
        ("refused", "NO_ACTIVE_SUBSCRIPTION"),
        ("fault", "HTTP_500"),
        ("huge", "CONNECTION_FAILED"),
        ("moved", "HTTP_302"),
        ("not/a/session", "INVALID_INPUT"),
        ("", "INVALID_INPUT"),
    ] {
        let start = Instant::now();
        let context = Context::default();
        assert_eq!(site.verdict(session, &context).await, Verdict::unavailable(), "{session}");
        assert!(start.elapsed() < Duration::from_millis(2500), "{session}");
        assert_eq!(site.look_up(session, &context).await.unwrap_err().code(), code, "{session}");
    }
}

#[tokio::test]
async fn verdict_without_service_or_key_allows() {
    let context = Context::default();
    let client = Client::builder().url("http://127.0.0.1:1").build().unwrap();
    assert!(client.botect("sk_site").verdict("block", &context).await.unavailable);
    for key in ["", "pk_site", "sk_\n"] {
        let error = client.botect(key).look_up("block", &context).await.unwrap_err();
        assert_eq!(error.code(), "INVALID_INPUT", "{key:?}");
    }
}

#[tokio::test]
async fn visit_is_detected() {
    let service = Service::start().await;
    let client = service.client();
    let visit = Visit {
        user_agent: Some("GPTBot/1.0".to_owned()),
        ip: Some("192.0.2.1".parse().unwrap()),
        ..Visit::default()
    };
    let detection = client.agentshield("as_test_1").detect(&visit).await.unwrap();
    assert!(detection.is_bot && detection.details.user_agent_bot && detection.bot_type == "crawler");
    let error = client.agentshield("as_test_2").detect(&visit).await.unwrap_err();
    assert_eq!((error.code(), error.service_message()), ("UNAUTHORIZED", Some("unknown key")));
}
