//! Verdicts and detections.

use std::time::{Duration, Instant};

use quivive::Client;
use quivive::agentshield::{AnalyticsQuery, TrackedEvent, Visit};
use quivive::botect::{Context, Verdict};
use quivive::core::decision::Action;
use serde_json::json;

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

#[tokio::test]
async fn an_event_is_sent_again_with_one_id_while_that_may_help() {
    for (name, times, code) in [
        ("busy", 3, None),
        ("faulty", 2, None),
        // It asks for more patience than anybody has.
        ("later", 1, Some("REFUSED")),
        ("wrong", 1, Some("REFUSED")),
    ] {
        let service = Service::start().await;
        let shield = service.client().agentshield("as_test_1").for_project("proj_2");
        let event = TrackedEvent { event: name.to_owned(), ..TrackedEvent::default() };
        let sent = shield.event(&event).await;
        assert_eq!(service.count(&service.busy), times, "{name}");
        match code {
            Some(code) => assert_eq!(sent.unwrap_err().code(), code, "{name}"),
            None => assert_eq!(sent.unwrap().event_id.len(), 32, "{name}"),
        }
    }
    let nowhere = Client::builder().url("http://127.0.0.1:1").build().unwrap().agentshield("as_\n");
    assert_eq!(nowhere.event(&TrackedEvent::default()).await.unwrap_err().code(), "INVALID_INPUT");
}

#[tokio::test]
async fn only_the_figures_that_are_asked_for_are_read() {
    let service = Service::start().await;
    let shield = service.client().agentshield("as_test_1");
    let metrics = vec!["agents".to_owned(), "bots".to_owned()];
    let query = AnalyticsQuery { period: Some("week".to_owned()), metrics, ..AnalyticsQuery::default() };
    let figures = shield.projects().analytics("proj_2", &query).await.unwrap();
    assert!(figures.summary.is_none() && figures.bot_types.is_none());
    let series = figures.time_series.unwrap();
    assert_eq!((series[0].bots, series[0].humans), (Some(7), None));
    assert_eq!(figures.more["agents"][0]["agentId"], "openai-gptbot");
    let error = shield.projects().analytics("../keys", &query).await.unwrap_err();
    assert_eq!(error.code(), "INVALID_INPUT");
}

#[tokio::test]
async fn a_policy_is_fetched_and_not_sent_again_while_it_is_the_same() {
    let service = Service::start().await;
    let shield = service.client().agentshield("as_test_1");
    let tagged = shield.policy("proj_tagged").unwrap();
    let fetched = tagged.fetch(None).await.unwrap().unwrap();
    assert_eq!(
        (&fetched.document["defaultAction"], fetched.tag.as_deref()),
        (&json!("log"), Some("\"one\""))
    );
    assert_eq!(tagged.fetch(fetched.tag.as_deref()).await.unwrap(), None);
    assert!(tagged.fetch(Some("\"zero\"")).await.unwrap().is_some());
    let bare = shield.policy("proj_bare").unwrap().fetch(None).await.unwrap().unwrap();
    assert_eq!((&bare.document["defaultAction"], bare.tag), (&json!("block"), None));
    for (project, code) in [
        ("proj_refused", "FORBIDDEN"),
        ("proj_other", "MALFORMED_ANSWER"),
        ("proj_huge", "CONNECTION_FAILED"),
        ("proj_moved", "HTTP_302"),
        // Nothing was known that could still be the same.
        ("proj_silent", "HTTP_304"),
    ] {
        let error = shield.policy(project).unwrap().fetch(None).await.unwrap_err();
        assert_eq!(error.code(), code, "{project}");
    }
}

#[test]
fn a_policy_that_cannot_be_asked_for_is_refused_beforehand() {
    let client = Client::builder().url("https://door.example").build().unwrap();
    for project in ["", "..", "a/b", "proj 1"] {
        let error = client.agentshield("as_test_1").policy(project).unwrap_err();
        assert_eq!(error.code(), "INVALID_INPUT", "{project:?}");
    }
    assert_eq!(client.agentshield("as\n").policy("proj_1").unwrap_err().code(), "INVALID_INPUT");
    let shield = client.agentshield("as_test_1");
    assert_eq!(shield.project_id(), None);
    let shield = shield.for_project("proj_1");
    assert_eq!(shield.project_id(), Some("proj_1"));
    assert!(shield.policy("proj_2").is_ok());
}
