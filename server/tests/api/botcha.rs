//! The BOTCHA-compatible family.

mod account;
mod agents;
mod analytics;
pub mod apps;
mod attacks;
mod badges;
mod challenges;
mod dashboard;
mod discovery;
mod documents;
mod gate;
mod home;
mod hybrid;
mod key_rotation;
mod keys;
mod landing;
mod legacy;
mod limits;
mod login;
mod protected;
mod reasoning;
mod refresh;
mod revoke;
mod routes;
mod stream;
mod surface;
mod token;
mod validate;

use quivive_core::challenge::hybrid::HybridChallenge;
use quivive_core::challenge::reasoning::{ExpectedAnswer, ReasoningChallenge};
use quivive_core::challenge::{Challenge, solve_speed};
use quivive_server::botcha::apps::{RegisteredApp, RegistrationPolicy};
use quivive_server::botcha::challenges::kept::look;
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

/// The right answer to a standard challenge, as the server keeps it.
async fn standard_answer(server: &Server, challenge: &Value) -> Value {
    let kept = look::<Challenge>(&server.app, challenge["id"].as_str().unwrap()).await.unwrap().unwrap();
    json!(kept.challenge.expected[0])
}

/// The right answers to a reasoning challenge, as the server keeps them.
async fn reasoning_answers(server: &Server, challenge: &Value) -> Value {
    let id = challenge["id"].as_str().unwrap();
    by_question(&look::<ReasoningChallenge>(&server.app, id).await.unwrap().unwrap().challenge.expected)
}

/// The right answers to both parts of a hybrid challenge.
async fn hybrid_answers(server: &Server, challenge: &Value) -> Value {
    let id = challenge["id"].as_str().unwrap();
    let kept = look::<HybridChallenge>(&server.app, id).await.unwrap().unwrap().challenge;
    json!({
        "id": id,
        "type": "hybrid",
        "speed_answers": solve(&challenge["speed"]),
        "reasoning_answers": by_question(&kept.reasoning.expected),
    })
}

fn by_question(expected: &[ExpectedAnswer]) -> Value {
    expected.iter().map(|expected| (expected.id.clone(), Value::from(expected.answer.clone()))).collect()
}

/// The same body with other members in it.
fn with(mut body: Value, more: Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// The secret of [`app_with_secret`].
const APP_SECRET: &str = "sk_0123456789abcdef0123456789abcdef";

/// An app with a verified address and a secret.
async fn app_with_secret(server: &Server) -> RegisteredApp {
    owned_app(server, "app_0123456789abcdef", APP_SECRET).await
}

/// Another app, with a secret of its own.
async fn owned_app(server: &Server, id: &str, secret: &str) -> RegisteredApp {
    register(server, id, |app| app.secret_hash = Some(credentials::hash(secret))).await
}

/// Stores an app with the secret `sk_` and its id, some of it changed.
async fn register(server: &Server, id: &str, change: impl FnOnce(&mut RegisteredApp)) -> RegisteredApp {
    let mut app = RegisteredApp {
        id: id.to_owned(),
        name: Some("Shop".to_owned()),
        email: Some(format!("{id}@example.com")),
        is_email_verified: true,
        secret_hash: Some(credentials::hash(&format!("sk_{id}"))),
        rate_limit: 100,
        created_at: server.app.now(),
        is_demo: false,
        registration_policy: RegistrationPolicy::Open,
        allowed_audiences: Vec::new(),
        credentials_rotated_at: None,
    };
    change(&mut app);
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
