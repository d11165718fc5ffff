//! The BOTCHA-compatible family.

mod attacks;
mod gate;
mod home;
mod keys;
mod landing;
mod limits;
mod login;
mod protected;
mod refresh;
mod revoke;
mod surface;
mod token;
mod validate;

use quivive_core::challenge::solve_speed;
use quivive_server::botcha::apps::{RegisteredApp, RegistrationPolicy};
use quivive_server::tenant::credentials;
use serde_json::{Value, json};

use crate::support::Server;

/// Solves the challenge of an answer of `GET /v1/token`.
fn solve(challenge: &Value) -> Vec<String> {
    let problems = challenge["problems"].as_array().unwrap();
    solve_speed(&problems.iter().map(|problem| problem["num"].as_u64().unwrap()).collect::<Vec<_>>())
}

/// The body that answers a new challenge right.
async fn solved(server: &Server, query: &str) -> Value {
    let answer = server.get(&format!("/v1/token{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    let challenge = &answer.json["challenge"];
    json!({ "id": challenge["id"], "answers": solve(challenge) })
}

/// New tokens for a challenge that was solved in 47 milliseconds.
async fn tokens(server: &Server, more: Value) -> Value {
    let mut body = solved(server, "").await;
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.advance(47);
    let answer = server.post("/v1/token/verify", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json
}

/// The secret of [`app_with_secret`].
const APP_SECRET: &str = "sk_0123456789abcdef0123456789abcdef";

/// An app with a verified address and a secret.
async fn app_with_secret(server: &Server) -> RegisteredApp {
    owned_app(server, "app_0123456789abcdef", APP_SECRET).await
}

/// Another app, with a secret of its own.
async fn owned_app(server: &Server, id: &str, secret: &str) -> RegisteredApp {
    let app = RegisteredApp {
        id: id.to_owned(),
        name: Some("Shop".to_owned()),
        email: Some(format!("{id}@example.com")),
        is_email_verified: true,
        secret_hash: Some(credentials::hash(secret)),
        rate_limit: 100,
        created_at: server.app.now(),
        is_demo: false,
        registration_policy: RegistrationPolicy::Open,
        allowed_audiences: Vec::new(),
        credentials_rotated_at: None,
    };
    server.app.storage.insert(&app).await.unwrap();
    app
}

/// The claims of a token, unverified.
fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&quivive_core::encoding::decode_base64url(payload).unwrap()).unwrap()
}

/// The token with one character of a part changed.
fn forged(token: &Value, part: usize) -> String {
    let mut parts: Vec<String> = token.as_str().unwrap().split('.').map(str::to_owned).collect();
    let other = if parts[part].starts_with('A') { "B" } else { "A" };
    parts[part].replace_range(0..1, other);
    parts.join(".")
}
