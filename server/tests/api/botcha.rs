//! The BOTCHA-compatible family.

pub mod apps;
mod attacks;
mod gate;
mod home;
mod keys;
mod landing;
mod limits;
mod protected;
mod refresh;
mod revoke;
mod surface;
mod token;
mod validate;

use quivive_core::challenge::solve_speed;
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
