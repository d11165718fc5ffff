use futures::future::join_all;
use quivive_server::botcha::pairing;
use serde_json::json;

use super::{Owned, fresh, post_as, refusal, server, session, verified, who_did};
use crate::support::Server;

async fn pair(server: &Server, owned: &Owned) -> String {
    let answer = server.post(&owned.path("/pair"), &owned.with_secret(json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json["pair_code"].as_str().unwrap().to_owned()
}

async fn take(server: &Server, id: &str, code: &str) -> bool {
    pairing::take(&server.app, id, code).await.unwrap()
}

#[tokio::test]
async fn the_owner_makes_a_code() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let answer = server.post(&owned.path("/pair"), &owned.with_secret(json!({}))).await;
    assert_eq!((answer.status.as_u16(), &answer.json["expires_in"]), (200, &json!(900)));
    let code = answer.json["pair_code"].as_str().unwrap();
    let symbols = code.strip_prefix("PAIR-").unwrap();
    assert!(
        symbols.len() == 6
            && symbols.chars().all(|symbol| "23456789ABCDEFGHJKMNPQRSTUVWXYZ".contains(symbol))
    );
    assert!(answer.json["message"].is_string());
    assert_eq!(who_did(&server.app, &owned.id, "app.pair_code_made").await, ["app_secret"]);
    let token = session(&server, &owned.id).await;
    assert_eq!(post_as(&server, &owned.path("/pair"), &token, &json!({})).await.status, 200);
}

#[tokio::test]
async fn each_refusal_has_its_code() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let other = verified(&server, "ben@example.com").await;
    let young = fresh(&server, "eve@example.com").await;
    let path = owned.path("/pair");
    assert_eq!(refusal(&server.call("POST", &path, &[], "").await), (401, "UNAUTHORIZED"));
    assert_eq!(refusal(&server.post(&path, &other.with_secret(json!({}))).await), (401, "UNAUTHORIZED"));
    let foreign = session(&server, &other.id).await;
    assert_eq!(refusal(&post_as(&server, &path, &foreign, &json!({})).await), (401, "UNAUTHORIZED"));
    let missing = server.post("/v1/apps/app_none/pair", &owned.with_secret(json!({}))).await;
    assert_eq!(refusal(&missing), (404, "APP_NOT_FOUND"));
    let unverified = server.post(&young.path("/pair"), &young.with_secret(json!({}))).await;
    assert_eq!(refusal(&unverified), (403, "EMAIL_NOT_VERIFIED"));
    let oversized = server.post(&path, &json!({ "app_secret": "x".repeat(70_000) })).await;
    assert_eq!(refusal(&oversized), (413, "PAYLOAD_TOO_LARGE"));
}

#[tokio::test]
async fn a_code_is_taken_once_of_many_at_once() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let code = pair(&server, &owned).await;
    let takes = join_all((0..20).map(|_| take(&server, &owned.id, &code))).await;
    assert_eq!(takes.into_iter().filter(|taken| *taken).count(), 1);
}

#[tokio::test]
async fn a_code_is_for_its_app_in_any_spelling_and_for_fifteen_minutes() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let other = verified(&server, "ben@example.com").await;
    let code = pair(&server, &owned).await;
    assert!(!take(&server, &other.id, &code).await);
    for text in ["", "PAIR-", "PAIR-000000", "BOTCHA-ABC234"] {
        assert!(!take(&server, &owned.id, text).await, "{text}");
    }
    assert!(take(&server, &owned.id, &code.to_lowercase()).await, "another app did not use it up");
    let code = pair(&server, &owned).await;
    server.advance(899_999);
    assert!(take(&server, &owned.id, code.trim_start_matches("PAIR-")).await);
    let code = pair(&server, &owned).await;
    server.advance(900_000);
    assert!(!take(&server, &owned.id, &code).await);
}
