use futures::future::join_all;
use quivive_server::botcha::codes::{self, Content, Purpose};
use quivive_server::botcha::{owner, pairing};
use serde_json::{Value, json};

use super::{code, fresh, mail, post_as, refusal, server, session, stored, verified, who_did};
use crate::botcha::tokens;
use crate::support::Server;

async fn is_owner(server: &Server, path: &str, bearer: &str) -> bool {
    let bearer = format!("Bearer {bearer}");
    server.call("GET", path, &[("authorization", &bearer)], "").await.json["email"].is_string()
}

#[tokio::test]
async fn the_former_secret_dies_at_once() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let path = owned.path("/rotate-secret");
    server.advance(5_000);
    let answer = server.post(&path, &owned.with_secret(json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    let new = answer.json["app_secret"].as_str().unwrap();
    assert!(new.starts_with("sk_") && new.len() == 35 && new != owned.secret);
    assert_eq!(
        (&answer.json["success"], &answer.json["app_id"], &answer.json["rotated_at"]),
        (&json!(true), &json!(owned.id), &json!("2026-02-15T12:00:05.000Z"))
    );
    assert!(answer.json["warning"].is_string());
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(stored(&server.app, &owned.id).await.credentials_rotated_at, Some(server.app.now()));
    assert_eq!(refusal(&server.post(&path, &owned.with_secret(json!({}))).await), (401, "UNAUTHORIZED"));
    let next = server.call("POST", &path, &[("x-app-secret", new)], "").await;
    assert_eq!(next.status, 200);
    assert_eq!(who_did(&server.app, &owned.id, "app.secret_rotated").await, ["app_secret", "app_secret"]);
}

#[tokio::test]
async fn the_owner_is_told_at_a_proven_address_only() {
    let server = server().await;
    let proven = verified(&server, "ada@example.com").await;
    let fresh = fresh(&server, "ben@example.com").await;
    for owned in [&proven, &fresh] {
        let answer = server.post(&owned.path("/rotate-secret"), &owned.with_secret(json!({}))).await;
        assert_eq!(answer.status, 200);
    }
    let told = mail(&server, &proven.email).unwrap();
    assert!(told.subject.contains("secret") && told.text.contains(&proven.id), "{}", told.text);
    assert!(!told.text.contains("sk_"));
    assert!(mail(&server, &fresh.email).unwrap().subject.contains("Verify"));
}

#[tokio::test]
async fn with_the_secret_end_other_sessions_and_all_codes_of_the_app_alone() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let other = verified(&server, "ben@example.com").await;
    let (acting, another) = (session(&server, &owned.id).await, session(&server, &owned.id).await);
    let foreign = session(&server, &other.id).await;
    let device = async |id: &str| {
        codes::store(&server.app, Content::Device { app_id: id.to_owned() }, 600).await.unwrap()
    };
    let (own_code, foreign_code) = (device(&owned.id).await, device(&other.id).await);
    let pair = async |of: &super::Owned| {
        let answer = server.post(&of.path("/pair"), &of.with_secret(json!({}))).await;
        answer.json["pair_code"].as_str().unwrap().to_owned()
    };
    let (own_pair, foreign_pair) = (pair(&owned).await, pair(&other).await);

    let answer = post_as(&server, &owned.path("/rotate-secret"), &acting, &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    assert!(is_owner(&server, &owned.path(""), &acting).await, "the session that asked goes on");
    assert!(!is_owner(&server, &owned.path(""), &another).await);
    assert!(is_owner(&server, &other.path(""), &foreign).await);
    let take = async |code: &str| codes::take(&server.app, code, &[Purpose::Device]).await.unwrap().is_some();
    assert!(!take(&own_code).await && take(&foreign_code).await);
    let take = async |id: &str, code: &str| pairing::take(&server.app, id, code).await.unwrap();
    assert!(!take(&owned.id, &own_pair).await && take(&other.id, &foreign_pair).await);
}

#[tokio::test]
async fn a_cookie_with_a_page_of_ours_rotates() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let cookie = format!("botcha_session={}", session(&server, &owned.id).await);
    let headers = [("cookie", cookie.as_str()), ("x-requested-with", "fetch")];
    let answer = server.call("POST", &owned.path("/rotate-secret"), &headers, "").await;
    assert_eq!(answer.status, 200, "{}", answer.json);
}

#[tokio::test]
async fn each_refusal_has_its_code() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let other = verified(&server, "ben@example.com").await;
    let path = owned.path("/rotate-secret");
    assert_eq!(refusal(&server.post(&path, &json!({})).await), (401, "UNAUTHORIZED"));
    assert_eq!(
        refusal(&server.post(&path, &json!({ "app_secret": "sk_wrong" })).await),
        (401, "UNAUTHORIZED")
    );
    assert_eq!(refusal(&server.post(&path, &json!({ "app_secret": 7 })).await), (401, "UNAUTHORIZED"));
    let oversized = server.post(&path, &json!({ "app_secret": "x".repeat(70_000) })).await;
    assert_eq!(refusal(&oversized), (413, "PAYLOAD_TOO_LARGE"));
    let garbage = post_as(&server, &path, "a.b.c", &json!({})).await;
    assert_eq!(refusal(&garbage), (401, "INVALID_TOKEN"));
    assert_eq!(garbage.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    let access = tokens(&server, json!({})).await["access_token"].as_str().unwrap().to_owned();
    assert_eq!(refusal(&post_as(&server, &path, &access, &json!({})).await), (403, "FORBIDDEN"));
    let foreign = session(&server, &other.id).await;
    assert_eq!(refusal(&post_as(&server, &path, &foreign, &json!({})).await), (403, "FORBIDDEN"));
    let ended = session(&server, &owned.id).await;
    owner::end_sessions(&server.app, &owned.id, None).await.unwrap();
    assert_eq!(refusal(&post_as(&server, &path, &ended, &json!({})).await), (401, "INVALID_TOKEN"));
    let missing = server.post("/v1/apps/app_none/rotate-secret", &owned.with_secret(json!({}))).await;
    assert_eq!(refusal(&missing), (401, "UNAUTHORIZED"), "nobody can prove to own no app");
    let demo = server.post("/v1/apps/app_demo000000000000/rotate-secret", &json!({ "app_secret": "" })).await;
    assert_eq!(refusal(&demo), (401, "UNAUTHORIZED"));
    assert!(is_owner(&server, &other.path(""), &foreign).await);
    let headers = [("x-app-secret", owned.secret.as_str())];
    assert!(
        server.call("GET", &owned.path(""), &headers, "").await.json["email"].is_string(),
        "nothing changed"
    );
}

#[tokio::test]
async fn of_many_who_bring_the_same_secret_at_once_one_gets_the_new_one() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let (path, body) = (owned.path("/rotate-secret"), owned.with_secret(json!({})));
    let answers = join_all((0..8).map(|_| server.post(&path, &body))).await;
    let new: Vec<&Value> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .map(|answer| &answer.json["app_secret"])
        .collect();
    assert_eq!(new.len(), 1);
    let headers = [("x-app-secret", new[0].as_str().unwrap())];
    assert!(
        server.call("GET", &owned.path(""), &headers, "").await.json["email"].is_string(),
        "and it holds"
    );
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 200 | 401)));
}

#[tokio::test]
async fn an_app_that_is_not_verified_yet_keeps_its_mailed_code() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    server.post(&owned.path("/rotate-secret"), &owned.with_secret(json!({}))).await;
    let body = json!({ "code": code(&server, &owned.email) });
    assert_eq!(server.post(&owned.path("/verify-email"), &body).await.status, 200);
}
