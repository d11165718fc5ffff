use axum::body::Body;
use serde_json::{Value, json};

use super::{claims, forged, tokens};
use crate::support::{Answer, Server};

async fn revoke(server: &Server, token: &Value) -> Answer {
    server.post("/v1/token/revoke", &json!({ "token": token })).await
}

async fn is_valid(server: &Server, token: &Value) -> bool {
    server.post("/v1/token/validate", &json!({ "token": token })).await.json["valid"] == true
}

#[tokio::test]
async fn a_revoked_access_token_opens_nothing() {
    let server = Server::start().await;
    let body = tokens(&server, json!({})).await;
    let other = tokens(&server, json!({})).await;
    let token = &body["access_token"];
    let answer = revoke(&server, token).await;
    assert_eq!(answer.json, json!({ "success": true, "revoked": true, "message": "Token has been revoked" }));
    assert!(!is_valid(&server, token).await);
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let guarded = server.call("GET", "/agent-only", &[("Authorization", &bearer)], "").await;
    assert_eq!(
        (guarded.status.as_u16(), guarded.json["message"].as_str()),
        (401, Some("Token has been revoked"))
    );
    assert!(is_valid(&server, &other["access_token"]).await, "another's token stays good");
    let refreshed =
        server.post("/v1/token/refresh", &json!({ "refresh_token": body["refresh_token"] })).await;
    assert_eq!(refreshed.status, 200, "its refresh token stays good");
}

#[tokio::test]
async fn revoking_a_refresh_token_ends_its_family() {
    let server = Server::start().await;
    let body = tokens(&server, json!({})).await;
    let renewed =
        server.post("/v1/token/refresh", &json!({ "refresh_token": body["refresh_token"] })).await.json;
    assert_eq!(revoke(&server, &body["refresh_token"]).await.status, 200);
    assert!(!is_valid(&server, &body["access_token"]).await);
    assert!(!is_valid(&server, &renewed["access_token"]).await);
    let again = server.post("/v1/token/refresh", &json!({ "refresh_token": body["refresh_token"] })).await;
    assert_eq!(
        (again.status.as_u16(), again.json["message"].as_str()),
        (401, Some("Refresh token has been revoked"))
    );
    server.advance(3_590_000);
    assert!(!is_valid(&server, &renewed["access_token"]).await, "for as long as the last of them lives");
}

#[tokio::test]
async fn an_expired_token_can_be_revoked() {
    let server = Server::start().await;
    let body = tokens(&server, json!({})).await;
    server.advance(7_200_000);
    assert_eq!(revoke(&server, &body["access_token"]).await.status, 200);
}

#[tokio::test]
async fn a_forged_revocation_does_nothing() {
    let server = Server::start().await;
    let body = tokens(&server, json!({})).await;
    let token = &body["access_token"];
    for part in [1, 2] {
        let answer = revoke(&server, &json!(forged(token, part))).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json["error"], "Failed to decode or revoke token");
    }
    let unsigned = {
        let parts: Vec<&str> = token.as_str().unwrap().split('.').collect();
        format!("{}.{}.", quivive_core::encoding::base64url(br#"{"alg":"none"}"#), parts[1])
    };
    let answer = revoke(&server, &json!(unsigned)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json["error"].as_str()),
        (400, Some("Failed to decode or revoke token"))
    );
    assert!(is_valid(&server, token).await);
    let jti = claims(token)["jti"].clone();
    assert!(jti.is_string());
}

#[tokio::test]
async fn bad_bodies_get_their_texts() {
    let server = Server::start().await;
    for body in [json!({}), json!({ "token": 1 }), json!(7)] {
        let answer = server.post("/v1/token/revoke", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (400, Some("Missing token")),
            "{body}"
        );
    }
    for token in ["x", "a.b", "a.b.c.d"] {
        assert_eq!(revoke(&server, &json!(token)).await.json["error"], "Invalid token format", "{token}");
    }
    let answer = revoke(&server, &json!("a.b.c")).await;
    assert_eq!(answer.json["error"], "Failed to decode or revoke token");
    assert_eq!(answer.json["message"], "Invalid token");
    let answer = server.call("POST", "/v1/token/revoke", &[], Body::from("{")).await;
    assert_eq!((answer.status.as_u16(), answer.json["error"].as_str()), (400, Some("INVALID_JSON")));
}
