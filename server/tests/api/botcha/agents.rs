//! Registered agents: the registry, logins, device grants, keys.

mod device;
mod key_login;
mod keys;
mod oauth;
mod provider;
mod refresh;
mod registry;
mod tap;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use quivive_core::Timestamp;
use quivive_core::encoding::base64url;
use quivive_server::botcha::apps::{RegisteredApp, RegistrationPolicy};
use quivive_server::botcha::owner;
use quivive_server::tenant::credentials;
use serde_json::{Value, json};

use super::solve;
use crate::support::{Answer, Server};

/// The secret of an app that [`with_app`] made.
pub(super) fn secret(app_id: &str) -> String {
    format!("sk_{app_id}")
}

/// Stores a verified app.
pub(super) async fn with_app(server: &Server, id: &str) -> RegisteredApp {
    let app = RegisteredApp {
        id: id.to_owned(),
        name: None,
        email: Some(format!("{id}@example.com")),
        is_email_verified: true,
        secret_hash: Some(credentials::hash(&secret(id))),
        rate_limit: 1000,
        created_at: Timestamp::default(),
        is_demo: false,
        registration_policy: RegistrationPolicy::Open,
        allowed_audiences: Vec::new(),
        credentials_rotated_at: None,
    };
    server.app.storage.put(&app).await.unwrap();
    app
}

/// A dashboard session of an app, as the value of `Authorization`.
pub(super) async fn session(server: &Server, app_id: &str) -> String {
    format!("Bearer {}", owner::begin_session(&server.app, app_id).await.unwrap())
}

/// An access token of an app, as anybody can get one, as the value of `Authorization`.
pub(super) async fn app_token(server: &Server, app_id: &str) -> String {
    let query = if app_id.is_empty() { String::new() } else { format!("?app_id={app_id}") };
    let answer = server.get(&format!("/v1/token{query}")).await;
    let challenge = &answer.json["challenge"];
    let body = json!({ "id": challenge["id"], "answers": solve(challenge) });
    let answer = server.post("/v1/token/verify", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    format!("Bearer {}", answer.json["access_token"].as_str().unwrap())
}

/// A request with headers and a JSON body.
pub(super) async fn send(server: &Server, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    server.call("POST", path, headers, body.to_string()).await
}

/// A GET with a value of `Authorization`.
pub(super) async fn get_as(server: &Server, path: &str, authorization: &str) -> Answer {
    server.call("GET", path, &[("Authorization", authorization)], "").await
}

/// The status and code of a refusal.
pub(super) fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.json["error"].as_str().unwrap_or_default())
}

/// Registers an agent as the app's owner.
pub(super) async fn agent(server: &Server, app_id: &str, name: &str) -> String {
    let body = json!({ "name": name, "app_id": app_id, "app_secret": secret(app_id) });
    let answer = server.post("/v1/agents/register", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    answer.json["agent_id"].as_str().unwrap().to_owned()
}

/// A key pair of the test's own.
pub(super) fn key_pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

/// Base64 as everybody writes it.
pub(super) fn base64(bytes: &[u8]) -> String {
    let text = base64url(bytes).replace('-', "+").replace('_', "/");
    let padding = "=".repeat(text.len().wrapping_neg() % 4);
    text + &padding
}

/// The public half of a key pair in base64.
pub(super) fn public_key(pair: &Ed25519KeyPair) -> String {
    base64(pair.public_key().as_ref())
}

/// Registers an agent with a key as the app's owner.
pub(super) async fn agent_with_key(server: &Server, app_id: &str, pair: &Ed25519KeyPair) -> String {
    let body = json!({
        "name": "keyed-agent",
        "public_key": public_key(pair),
        "signature_algorithm": "ed25519",
        "app_id": app_id,
        "app_secret": secret(app_id),
    });
    let answer = server.post("/v1/agents/register/tap", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    answer.json["agent_id"].as_str().unwrap().to_owned()
}

/// Logs an agent in by its key.
pub(super) async fn key_login(server: &Server, agent_id: &str, pair: &Ed25519KeyPair) -> Answer {
    let begun = server.post("/v1/agents/auth", &json!({ "agent_id": agent_id })).await;
    assert_eq!(begun.status, 200, "{}", begun.json);
    let signature = pair.sign(begun.json["nonce"].as_str().unwrap().as_bytes());
    let body = json!({
        "challenge_id": begun.json["challenge_id"],
        "agent_id": agent_id,
        "signature": base64(signature.as_ref()),
    });
    server.post("/v1/agents/auth/verify", &body).await
}

/// Begins a device grant.
pub(super) async fn begin_grant(server: &Server, app_id: &str, agent_id: &str) -> Value {
    let answer = server.post("/v1/oauth/device", &json!({ "agent_id": agent_id, "app_id": app_id })).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json
}

/// Decides a grant in a session.
pub(super) async fn decide(server: &Server, authorization: &str, grant: &Value, action: &str) -> Answer {
    let body = json!({ "user_code": grant["user_code"], "action": action });
    send(server, "/v1/oauth/approve", &[("Authorization", authorization)], &body).await
}

/// Asks for the token of a grant.
pub(super) async fn poll(server: &Server, grant: &Value) -> Answer {
    let body = json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": grant["device_code"],
    });
    server.post("/v1/oauth/token", &body).await
}

/// A whole device grant.
pub(super) async fn granted(server: &Server, app_id: &str, agent_id: &str) -> Value {
    let grant = begin_grant(server, app_id, agent_id).await;
    let approved = decide(server, &session(server, app_id).await, &grant, "approve").await;
    assert_eq!(approved.status, 200, "{}", approved.json);
    let answer = poll(server, &grant).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json
}

/// Uses a refresh token of an agent.
pub(super) async fn refresh(server: &Server, token: &Value) -> Answer {
    server.post("/v1/agents/auth/refresh", &json!({ "refresh_token": token })).await
}

/// The actions in an app's audit trail, latest first.
pub(super) async fn actions(server: &Server, app_id: &str) -> Vec<String> {
    let entries = quivive_server::audit::latest(&server.app, app_id, 50).await.unwrap();
    entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}
