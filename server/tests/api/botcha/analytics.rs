//! What happens is written down off the request path, exactly, and never at a request's expense.

use std::net::IpAddr;

use quivive_core::Timestamp;
use quivive_server::app::App;
use quivive_server::botcha::analytics::sink::{self, COUNTRIES, STREAM, Seen, TIMES};
use quivive_server::botcha::analytics::{EventType, Happening};
use quivive_server::jobs;
use quivive_server::storage::{Event, EventQuery};
use serde_json::{Value, json};

use super::dashboard::owned;
use super::tokens;
use crate::botect::faults::Moody;
use crate::support::{START, Server};

/// A happening at a moment.
pub fn seen(happening: Happening, at: Timestamp) -> Seen {
    Seen {
        happening,
        endpoint: "/v1/challenges".to_owned(),
        method: http::Method::GET,
        status: 200,
        response_time_ms: 0.5,
        ip: IpAddr::from([192, 0, 2, 1]),
        country: None,
        at,
    }
}

/// The rows of an app in a stream, oldest first.
async fn rows(app: &App, stream: &str, project: &str) -> Vec<Event> {
    let query = EventQuery {
        kind: stream.to_owned(),
        project: project.to_owned(),
        limit: 100_000,
        ..EventQuery::default()
    };
    app.storage.events().scan(query).await.unwrap()
}

/// The bodies of an app's happenings after everything that waits is written.
async fn written(server: &Server, project: &str) -> Vec<Value> {
    sink::write_waiting(&server.app).await;
    let rows = rows(&server.app, STREAM, project).await;
    rows.iter().map(|row| serde_json::from_str(&row.body).unwrap()).collect()
}

/// Uses up a limit of one challenge in an hour; returns the status of the refusal.
async fn refused(server: &Server, path: &str, headers: &[(&str, &str)]) -> u16 {
    for _ in 0..3 {
        let answer = server.call("GET", path, headers, "").await;
        if answer.status == 429 {
            return 429;
        }
    }
    panic!("nothing was refused");
}

#[tokio::test]
async fn a_refusal_by_a_limit_is_written_with_what_the_layer_knows() {
    let server = Server::with(|config| config.limits.challenges_per_hour = 1).await;
    assert_eq!(refused(&server, "/v1/token?audience=secret-text", &[]).await, 429);
    let bodies = written(&server, "").await;
    let body = bodies.iter().find(|body| body["event"] == "rate_limit_exceeded").unwrap();
    assert_eq!(body["endpoint"], "/v1/token", "the route, not the address");
    assert_eq!((&body["method"], &body["status"], &body["count"]), (&json!("GET"), &json!(429), &json!(1)));
    assert_eq!(body["country"], "unknown");
    assert!(body["response_time_ms"].as_f64().unwrap() > 0.0);
    assert!(!body.to_string().contains("secret-text"));
}

#[tokio::test]
async fn callers_are_hashed_with_the_key_of_the_day() {
    let server = Server::with(|config| config.limits.challenges_per_hour = 1).await;
    let caller = async |server: &Server| {
        refused(server, "/v1/token", &[]).await;
        let bodies = written(server, "").await;
        let last = bodies.iter().rev().find(|body| body["event"] == "rate_limit_exceeded").unwrap();
        last["callers"].as_object().unwrap().keys().next().unwrap().clone()
    };
    let first = caller(&server).await;
    assert_eq!(first.len(), 16);
    server.advance(3_600_000);
    assert_eq!(caller(&server).await, first, "the same day");
    server.advance(86_400_000);
    assert_ne!(caller(&server).await, first, "the next day");

    let raw = Server::with(|config| {
        config.limits.challenges_per_hour = 1;
        config.botcha.analytics_raw_ip = true;
    });
    assert_eq!(caller(&raw.await).await, "127.0.0.1");
}

#[tokio::test]
async fn a_country_is_believed_from_a_trusted_proxy_alone() {
    let country = async |server: &Server, text: &str| {
        server.advance(3_600_001);
        refused(server, "/v1/token", &[("CF-IPCountry", text)]).await;
        written(server, "").await.last().unwrap()["country"].clone()
    };
    let server = Server::with(|config| config.limits.challenges_per_hour = 1).await;
    assert_eq!(country(&server, "DE").await, "unknown");
    let behind = Server::with(|config| {
        config.limits.challenges_per_hour = 1;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    });
    let behind = behind.await;
    for (text, wanted) in [
        ("DE", "DE"),
        ("de", "DE"),
        ("T1", "T1"),
        ("XX", "unknown"),
        ("DEU", "unknown"),
        ("<b", "unknown"),
        ("1A", "unknown"),
    ] {
        assert_eq!(country(&behind, text).await, wanted, "{text}");
    }
}

#[tokio::test]
async fn a_refusal_counts_for_the_app_that_a_token_proves_and_for_no_other() {
    let server = Server::with(|config| config.limits.challenges_per_hour = 1).await;
    owned(&server, "app_1111111111111111").await;
    let named = "/v1/token?app_id=app_1111111111111111";
    refused(&server, named, &[]).await;
    refused(&server, "/v1/token", &[("X-App-Id", "app_1111111111111111")]).await;
    let refusals =
        |bodies: Vec<Value>| bodies.iter().filter(|body| body["event"] == "rate_limit_exceeded").count();
    assert_eq!(
        refusals(written(&server, "app_1111111111111111").await),
        0,
        "whoever names an app owns nothing"
    );

    server.advance(3_600_001);
    let answer = server.get(named).await;
    let challenge = &answer.json["challenge"];
    let body = json!({ "id": challenge["id"], "answers": super::solve(challenge) });
    let answer = server.post("/v1/token/verify", &body).await;
    let token = answer.json["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    server
        .app
        .storage
        .update::<quivive_server::botcha::apps::RegisteredApp>("app_1111111111111111", |app| {
            Some(quivive_server::botcha::apps::RegisteredApp { rate_limit: 1, ..app })
        })
        .await
        .unwrap();
    refused(&server, "/v1/token", &[("Authorization", &bearer)]).await;
    assert_eq!(refusals(written(&server, "app_1111111111111111").await), 1);
}

#[tokio::test]
async fn faults_are_written_once_storage_is_back_and_requests_do_not_wait_for_it() {
    let database = Moody::new();
    let server = Server::on(database.clone(), |config| config.limits.verifications_per_hour = 0).await;
    database.has_no_events(true);
    tokens(&server, json!({})).await;
    server.app.analytics.note(seen(Happening::generated("speed", None), server.app.now()));
    sink::write_waiting(&server.app).await;
    assert_eq!(server.get("/v1/token").await.status, 200, "a request never fails because of its figures");

    database.is_down(true);
    let refresh = server.post("/v1/token/validate", &json!({ "token": "x.y.z" })).await;
    assert_ne!(refresh.status, 500);
    let session = server.call("GET", "/account", &[("authorization", "Bearer x")], "").await;
    assert_ne!(session.status, 500);
    server.app.analytics.note(seen(Happening::generated("speed", None), server.app.now()));
    sink::write_waiting(&server.app).await;
    database.is_down(false);
    let generated: i64 = (written(&server, "").await.iter())
        .filter(|body| body["challenge_type"] == "speed" && body["endpoint"] == "/v1/challenges")
        .map(|body| body["count"].as_i64().unwrap())
        .sum();
    assert_eq!(generated, 2, "nothing is lost and nothing is there twice");
    sink::write_waiting(&server.app).await;
    assert_eq!(rows(&server.app, STREAM, "").await.len(), written(&server, "").await.len());
}

#[tokio::test]
async fn an_answer_of_5xx_is_an_error() {
    let database = Moody::new();
    let server = Server::on(database.clone(), |_| {}).await;
    let mut body = super::solved(&server, "").await;
    body["audience"] = "x".into();
    database.is_down(true);
    let answer = server.post("/v1/token/verify", &body).await;
    assert_eq!(answer.status, 503, "{}", answer.json);
    database.is_down(false);
    let bodies = written(&server, "").await;
    let error = bodies.iter().find(|body| body["event"] == "error").unwrap();
    assert_eq!((&error["endpoint"], &error["status"]), (&json!("/v1/token/verify"), &json!(503)));
}

#[tokio::test]
async fn a_flood_costs_a_few_rows_and_what_finds_no_room_is_left_out() {
    let server = Server::start().await;
    let started = std::time::Instant::now();
    for place in 0..70_000 {
        let outcome = if place % 4 == 0 { Err("wrong") } else { Ok(place % 400) };
        let happening = Happening::verified("speed", Some("app_1"), outcome);
        server.app.analytics.note(seen(happening, server.app.now()));
    }
    assert!(started.elapsed().as_secs() < 5, "70,000 notes took {:?}", started.elapsed());
    let bodies = written(&server, "app_1").await;
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies.iter().map(|body| body["count"].as_i64().unwrap()).sum::<i64>(), 65_536);
    let right = bodies.iter().find(|body| body["passed"] == true).unwrap();
    assert_eq!(right["solve_times_ms"].as_array().unwrap().len() as i64, right["count"].as_i64().unwrap());
    assert_eq!(rows(&server.app, COUNTRIES, "app_1").await.len(), 1);
    assert_eq!(rows(&server.app, TIMES, "app_1").await.len(), 2);
}

#[tokio::test]
async fn the_job_writes_by_itself_and_what_waits_when_the_server_ends() {
    let server = Server::start().await;
    jobs::start(&server.app);
    let note = || {
        let happening = Happening::generated("hybrid", Some("app_1"));
        server.app.analytics.note(seen(happening, server.app.now()));
    };
    note();
    for _ in 0..1_000 {
        if !rows(&server.app, STREAM, "app_1").await.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(rows(&server.app, STREAM, "app_1").await.len(), 1);
    note();
    server.app.jobs.stop(std::time::Duration::from_secs(10)).await;
    assert_eq!(rows(&server.app, STREAM, "app_1").await.len(), 2);
}

#[tokio::test]
async fn rows_go_after_their_retention_and_counts_stay() {
    let server = Server::with(|config| config.retention.botcha_events_days = 3).await;
    let start = Timestamp::from_seconds(START);
    server.app.analytics.note(seen(Happening::verified("speed", Some("app_1"), Ok(40)), start));
    sink::write_waiting(&server.app).await;
    server.advance(3 * 86_400_000 + 1);
    jobs::remove_expired(&server.app).await.unwrap();
    for stream in [STREAM, COUNTRIES, TIMES] {
        assert!(rows(&server.app, stream, "app_1").await.is_empty(), "{stream}");
    }
    let cookie = owned(&server, "app_1").await;
    let headers = [("cookie", cookie.as_str()), ("accept", "application/json")];
    let answer = server.call("GET", "/dashboard/api/performance?period=7d", &headers, "").await;
    let wanted = json!([{ "type": "speed", "count": 1, "avg_ms": 40, "p50_ms": null, "p95_ms": null,
        "min_ms": null, "max_ms": null, "avg_response_ms": 0.5 }]);
    assert_eq!(answer.json["rows"], wanted);
}

#[test]
fn labels_name_event_type_and_outcome() {
    let label = sink::label;
    assert_eq!(
        label(EventType::ChallengeVerified, Some("hybrid"), Some(true)),
        "challenge_verified:hybrid:ok"
    );
    assert_eq!(label(EventType::ChallengeGenerated, Some("speed"), None), "challenge_generated:speed");
    assert_eq!(label(EventType::Error, None, None), "error:-");
}
