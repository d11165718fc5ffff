//! The customer's server says that a visitor is logged in.

use axum::body::Body;
use quivive_server::flows::scoring::queue::SessionKey;
use quivive_server::flows::scoring::record::{StoredScore, StoredSession, session_id};
use serde_json::json;

use super::site::{PRIVATE_KEY, SITE_KEY, Site, TOKEN, assert_error, human_snapshot};
use crate::support::Answer;

impl Site {
    /// POST of `logged-in` with a private key.
    pub async fn log_in_with(&self, private_key: &str, token: &str) -> Answer {
        let path = format!("/v1/sessions/{token}/logged-in");
        let headers = [("authorization", &*format!("Bearer {private_key}"))];
        self.server.call("POST", &path, &headers, Body::empty()).await
    }

    /// POST of `logged-in` with the site's private key.
    pub async fn log_in(&self, token: &str) -> Answer {
        self.log_in_with(PRIVATE_KEY, token).await
    }

    async fn stored(&self, token: &str) -> (StoredSession, StoredScore) {
        let (storage, id) = (&self.server.app.storage, session_id(self.project, token));
        let session = storage.get::<StoredSession>(&id).await.unwrap().unwrap();
        (session.value, storage.get::<StoredScore>(&id).await.unwrap().unwrap().value)
    }
}

#[tokio::test]
async fn logged_in_is_404_before_the_session_and_200_afterwards() {
    let site = Site::start().await;
    let own = "bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P";
    let early = site.log_in(own).await;
    assert_error(&early, 404, "UNKNOWN_SESSION");
    assert_eq!(early.json["error"], "Unknown session");
    site.ingest(&super::site::batch(Some(own), &[("page", json!({}))])).await;
    let answer = site.log_in(own).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json),
        (200, json!({ "logged_in": true, "asserted_at": "2026-02-15T12:00:00Z" }))
    );
    assert_eq!(answer.headers.get("cache-control").unwrap(), "no-store");
}

#[tokio::test]
async fn a_repeated_login_keeps_the_first_time() {
    let site = Site::start().await;
    let token = site.session(&[("page", json!({}))]).await;
    site.server.advance(71_500);
    let first = site.log_in(&token).await.json;
    assert_eq!(first["asserted_at"], "2026-02-15T12:01:11Z");
    site.server.advance(3_600_000);
    assert_eq!(site.log_in(&token).await.json, first);
}

#[tokio::test]
async fn a_login_forgets_cached_verdicts_and_changes_no_score() {
    let site = Site::start().await;
    let token = site.session(&[("snapshot", human_snapshot())]).await;
    let before = site.scored(&token).await;
    let key = SessionKey { project_id: site.project, token: token.as_str().into() };
    let verdicts = &site.server.app.scoring.verdicts;
    assert!(verdicts.get(&key).is_some());
    assert!(!site.stored(&token).await.1.facts.logged_in);
    site.log_in(&token).await;
    assert!(verdicts.get(&key).is_none());
    let (session, score) = site.stored(&token).await;
    assert!(score.facts.logged_in, "rules see it at once");
    assert_eq!(site.verdict(&token, "").await.json, before);
    // The scoring that follows keeps it.
    for _ in 0..1_000 {
        if site.stored(&token).await.1.revision == session.revision {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let (session, score) = site.stored(&token).await;
    assert_eq!((score.revision, score.facts.logged_in), (session.revision, true));
    assert_eq!(site.verdict(&token, "").await.json, before);
}

#[tokio::test]
async fn a_login_of_a_session_without_a_score_is_in_its_first_score() {
    let site = Site::without_worker(crate::support::Server::start().await).await;
    let token = site.session(&[("snapshot", human_snapshot())]).await;
    assert_eq!(site.log_in(&token).await.status, 200);
    quivive_server::jobs::start(&site.server.app);
    site.scored(&token).await;
    assert!(site.stored(&token).await.1.facts.logged_in);
}

#[tokio::test]
async fn a_malformed_token_is_no_session() {
    let site = Site::start().await;
    for token in ["a%20b", "a.b", "%FF", &"a".repeat(129)] {
        assert_error(&site.log_in(token).await, 404, "UNKNOWN_SESSION");
    }
}

#[tokio::test]
async fn only_the_private_key_of_a_subscribed_account_may_say_so() {
    let site = Site::start().await;
    let token = site.session(&[("page", json!({}))]).await;
    for key in ["", SITE_KEY, TOKEN, "sk_unknown"] {
        assert_error(&site.log_in_with(key, &token).await, 401, "UNAUTHENTICATED");
    }
    let path = format!("/v1/sessions/{token}/logged-in");
    assert_error(&site.server.call("POST", &path, &[], Body::empty()).await, 401, "UNAUTHENTICATED");
    let headers = [("x-botect-private-key", PRIVATE_KEY)];
    assert_eq!(site.server.call("POST", &path, &headers, Body::empty()).await.status, 200);
    let unpaid = site.other_tenant(false).await;
    assert_error(&site.log_in_with(&unpaid.private_key, &token).await, 402, "NO_ACTIVE_SUBSCRIPTION");
    let answer = site.server.call("GET", &path, &headers, Body::empty()).await;
    assert_error(&answer, 405, "METHOD_NOT_ALLOWED");
    assert_eq!(answer.headers.get("allow").unwrap(), "POST");
}

#[tokio::test]
async fn a_session_of_another_project_is_unknown() {
    let site = Site::start().await;
    let other = site.other_tenant(true).await;
    let token = site.session(&[("page", json!({}))]).await;
    let foreign = site.log_in_with(&other.private_key, &token).await;
    assert_error(&foreign, 404, "UNKNOWN_SESSION");
    assert_eq!(foreign.json, site.log_in_with(&other.private_key, "sess_nobody").await.json);
}

#[tokio::test]
async fn an_expired_session_is_unknown() {
    let site = Site::start().await;
    let token = site.session(&[("page", json!({}))]).await;
    site.server.advance(30 * 86_400_000 + 1);
    assert_error(&site.log_in(&token).await, 404, "UNKNOWN_SESSION");
}
