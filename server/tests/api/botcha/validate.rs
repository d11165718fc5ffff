use axum::body::Body;
use quivive_core::encoding::base64url;
use quivive_core::token::{Claims, Signer};
use serde_json::{Value, json};

use super::{claims, forged, tokens};
use crate::support::{Answer, Server};

async fn validate(server: &Server, body: Value) -> Answer {
    server.post("/v1/token/validate", &body).await
}

fn refusal(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.json);
    assert_eq!(answer.json["valid"], false);
    assert_eq!(answer.json.as_object().unwrap().len(), 2);
    answer.json["error"].as_str().unwrap()
}

#[tokio::test]
async fn a_valid_token_shows_exactly_its_public_claims() {
    let server = Server::start().await;
    let body = tokens(&server, json!({ "audience": "https://api.example.com" })).await;
    let answer = validate(&server, json!({ "token": body["access_token"] })).await;
    assert_eq!(answer.status, 200);
    let mut expected = claims(&body["access_token"]);
    expected.as_object_mut().unwrap().remove("iss");
    assert_eq!(answer.json, json!({ "valid": true, "payload": expected }));
}

#[tokio::test]
async fn audience_and_address_can_be_demanded() {
    let server = Server::start().await;
    let token = tokens(&server, json!({ "audience": "here", "bind_ip": true })).await["access_token"].clone();
    let with =
        async |name: &str, value: &str| validate(&server, json!({ "token": token, name: value })).await;
    assert_eq!(with("audience", "here").await.json["valid"], true);
    assert_eq!(refusal(&with("audience", "there").await), "Invalid audience claim");
    assert_eq!(with("client_ip", "127.0.0.1").await.json["valid"], true);
    assert_eq!(refusal(&with("client_ip", "192.0.2.1").await), "Client IP mismatch");
}

#[tokio::test]
async fn what_does_not_hold_is_named() {
    let server = Server::start().await;
    let body = tokens(&server, json!({})).await;
    let token = body["access_token"].as_str().unwrap();
    let of = async |token: String| validate(&server, json!({ "token": token })).await;
    assert_eq!(refusal(&of(body["refresh_token"].as_str().unwrap().to_owned()).await), "Invalid token type");
    assert_eq!(refusal(&of(forged(&json!(token), 2)).await), "Invalid signature");
    assert_eq!(refusal(&of(forged(&json!(token), 1)).await), "Invalid signature");
    for length in [1, 20, token.len() / 2] {
        assert_eq!(refusal(&of(token[..length].to_owned()).await), "Invalid token", "{length}");
    }
    assert_eq!(refusal(&of("x".repeat(9_000)).await), "Invalid token");
    assert_eq!(refusal(&of(body["badge"]["id"].as_str().unwrap().to_owned()).await), "Unsupported algorithm");
    server.advance(3_600_000);
    assert_eq!(refusal(&of(token.to_owned()).await), "Token expired");
}

#[tokio::test]
async fn algorithm_confusion_is_refused() {
    let server = Server::start().await;
    let body = tokens(&server, json!({})).await;
    let claims: Claims = serde_json::from_value(claims(&body["access_token"])).unwrap();
    let payload = body["access_token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    let jwks = serde_json::to_string(&server.app.keys.published().keys[0]).unwrap();
    let with_public_key = Signer::from_secret(jwks.as_bytes()).unwrap().sign(&claims).unwrap();
    let none = format!("{}.{payload}.", base64url(br#"{"alg":"none"}"#));
    for token in [with_public_key, none] {
        let answer = validate(&server, json!({ "token": token })).await;
        assert_eq!(answer.json["valid"], false, "{token}");
        assert!(matches!(refusal(&answer), "Unsupported algorithm" | "Invalid token" | "Invalid signature"));
    }
}

#[tokio::test]
async fn hs256_is_accepted_only_while_a_secret_is_set() {
    let secret = "a shared secret of at least thirty-two bytes";
    let make = |claims: &Claims| Signer::from_secret(secret.as_bytes()).unwrap().sign(claims).unwrap();

    let signing = Server::with(|config| config.keys.jwt_secret = Some(secret.to_owned())).await;
    let body = tokens(&signing, json!({})).await;
    let header = body["access_token"].as_str().unwrap().split('.').next().unwrap();
    let header = String::from_utf8(quivive_core::encoding::decode_base64url(header).unwrap()).unwrap();
    assert_eq!(header, r#"{"alg":"HS256"}"#);
    assert_eq!(validate(&signing, json!({ "token": body["access_token"] })).await.json["valid"], true);
    assert_eq!(signing.get("/.well-known/jwks.json").await.json, json!({ "keys": [] }));

    let without = Server::start().await;
    let claims: Claims = serde_json::from_value(claims(&body["access_token"])).unwrap();
    assert_eq!(
        refusal(&validate(&without, json!({ "token": make(&claims) })).await),
        "Unsupported algorithm"
    );
}

#[tokio::test]
async fn bodies_are_read_leniently() {
    let server = Server::start().await;
    for body in ["", "{", "[]", "7", "{}", r#"{"token":5}"#, r#"{"token":null}"#, r#"{"token":""}"#] {
        let answer = server.call("POST", "/v1/token/validate", &[], Body::from(body)).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(
            answer.json,
            json!({ "valid": false, "error": "Missing or invalid token field" }),
            "{body}"
        );
    }
}

#[tokio::test]
async fn compat_answers_with_the_texts_of_the_original() {
    let server = Server::compat().await;
    let body = tokens(&server, json!({})).await;
    let token = &body["access_token"];
    let of = async |token: Value| validate(&server, json!({ "token": token })).await;
    assert_eq!(refusal(&of(json!(forged(token, 2))).await), "signature verification failed");
    assert_eq!(refusal(&of(json!("x")).await), "Invalid Token or Protected Header formatting");
    server.advance(3_600_000);
    assert_eq!(refusal(&of(token.clone()).await), "\"exp\" claim timestamp check failed");
}
