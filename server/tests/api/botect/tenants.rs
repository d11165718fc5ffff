//! A session of another project behaves exactly like an unknown one: the same answer after the same work.

use serde_json::{Value, json};

use super::faults::moody_site;
use super::server_ingest::{forwarded, hit};
use super::site::{batch, event, fail_open};
use crate::support::Answer;

const PAGE: &str = "9f86d081884c7d659a2feaa0c55ad015";

/// Another project's session, and one that never was; of the same length, so that nothing else differs.
const TOKENS: [&str; 2] = ["sess_belongs_to_the_other_one", "sess_was_never_seen_before___"];

/// The answer without what is random or is the token itself.
fn shape(answer: &Answer, token: &str) -> (u16, Value) {
    let mut body = answer.json.clone();
    if let Some(told) = body.get_mut("session_token") {
        let is_same = told == token;
        *told = json!(if is_same { "the same" } else { "a new one" });
    }
    (answer.status.as_u16(), body)
}

#[tokio::test]
async fn a_token_of_another_project_costs_what_an_unknown_one_costs() {
    let (site, database) = moody_site().await;
    let other = site.other_tenant(true).await;
    // The other project has the session with all that can belong to it: events, page hits, a login and a score.
    let [foreign, unknown] = TOKENS;
    let events = forwarded(foreign, PAGE, vec![event("a", "page", json!({}))]).to_string();
    for (path, body) in [("/v1/server/events", events), ("/v1/server/page-hits", hit(foreign).to_string())] {
        assert_eq!(site.report_with(&other.private_key, path, "key", body).await.status, 202);
    }
    assert_eq!(site.log_in_with(&other.private_key, foreign).await.status, 200);
    let (app, headers) = (&site.server.app, [("authorization", format!("Bearer {}", other.private_key))]);
    quivive_server::jobs::start(app);
    let body = forwarded(foreign, PAGE, vec![event("b", "mouse", json!({ "entropy": 0.0, "samples": 90 }))]);
    site.report_with(&other.private_key, "/v1/server/events", "key-2", body.to_string()).await;
    let read = async || {
        let path = format!("/v1/sessions/{foreign}/verdict");
        let [(name, value)] = &headers;
        site.server.call("GET", &path, &[(*name, value.as_str())], axum::body::Body::empty()).await.json
    };
    for _ in 0..1_000 {
        if read().await["verdict"] != "not_computed" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(read().await["score"], 15, "the other project sees its session, also from its cache");
    app.jobs.stop(std::time::Duration::from_secs(5)).await;

    // What a route does, in order; that callers are proven is remembered for a moment and does not belong here.
    let done = || -> Vec<String> {
        let of_sessions = |what: &String| what.contains("session") || !what.contains(' ');
        database.asked().into_iter().filter(of_sessions).collect()
    };
    let mut looks = Vec::new();
    for token in [foreign, unknown] {
        let mut look = Vec::new();
        for query in ["", "?path=%2Fcheckout&ip=203.0.113.7"] {
            done();
            let answer = site.verdict(token, query).await;
            assert_eq!((answer.status.as_u16(), &answer.json), (200, &fail_open()));
            look.push((shape(&answer, token), done()));
        }
        let answer = site.log_in(token).await;
        look.push((shape(&answer, token), done()));
        assert_eq!(answer.status, 404);
        for headers in [vec![], vec![("idempotency-key", token)]] {
            let answer = site.ingest_with(&headers, &batch(Some(token), &[("page", json!({}))])).await;
            look.push((shape(&answer, token), done()));
            assert_eq!(look.last().unwrap().0.1["session_token"], "a new one");
        }
        let answer = site.page_hit(token, &hit(token)).await;
        look.push((shape(&answer, token), done()));
        assert_eq!(answer.json["accepted"], 1);
        looks.push(look);
    }
    assert_eq!(looks[0], looks[1]);
    assert!(looks[0].iter().all(|(_, work)| !work.is_empty()), "{:?}", looks[0]);

    // Forwarded events begin a session under the token, in this project alone.
    let mut looks = Vec::new();
    for token in ["sess_seen_elsewhere_too", "sess_seen_nowhere_____"] {
        if token == "sess_seen_elsewhere_too" {
            let body = forwarded(token, PAGE, vec![event("a", "page", json!({}))]).to_string();
            site.report_with(&other.private_key, "/v1/server/events", "key-3", body).await;
        }
        done();
        let answer = site.forward(token, &forwarded(token, PAGE, vec![event("a", "page", json!({}))])).await;
        looks.push((shape(&answer, token), done()));
        assert_eq!(answer.json, json!({ "session_token": token, "accepted": 1, "duplicates": 0 }));
    }
    assert_eq!(looks[0], looks[1]);
}
