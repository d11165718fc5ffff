use axum::body::Body;
use serde_json::{Value, json};

use super::{claims, forged, tokens};
use crate::support::{Answer, Server};

async fn refresh(server: &Server, token: &Value) -> Answer {
    server.post("/v1/token/refresh", &json!({ "refresh_token": token })).await
}

fn refusal(answer: &Answer) -> &str {
    assert_eq!(answer.status, 401, "{}", answer.json);
    assert_eq!(answer.json["success"], false);
    assert_eq!(answer.json["error"], "INVALID_REFRESH_TOKEN");
    answer.json["message"].as_str().unwrap()
}

#[tokio::test]
async fn a_refreshed_token_carries_everything_over() {
    let server = Server::start().await;
    let body = tokens(&server, json!({ "audience": "https://api.example.com", "bind_ip": true })).await;
    server.advance(1_800_000);
    let answer = refresh(&server, &body["refresh_token"]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["success", "access_token", "expires_in"]
    );
    assert_eq!(answer.json["expires_in"], 3600);
    let (old, new) = (claims(&body["access_token"]), claims(&answer.json["access_token"]));
    for name in ["sub", "solveTime", "aud", "client_ip", "iss", "type"] {
        assert_eq!(old[name], new[name], "{name}");
    }
    assert_ne!(old["jti"], new["jti"]);
    assert_eq!(new["exp"].as_i64().unwrap(), server.app.now().seconds() + 3600);
    assert_eq!(refresh(&server, &body["refresh_token"]).await.status, 200, "it stays usable");
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused_with_the_documented_text() {
    let server = Server::start().await;
    let body = tokens(&server, json!({})).await;
    let token = &body["refresh_token"];
    assert_eq!(
        refusal(&refresh(&server, &body["access_token"]).await),
        "Invalid token type. Expected refresh token."
    );
    assert_eq!(refusal(&refresh(&server, &json!(forged(token, 1))).await), "Invalid signature");
    assert_eq!(refusal(&refresh(&server, &json!(forged(token, 2))).await), "Invalid signature");
    for unreadable in ["x", "a.b.c", "..", &token.as_str().unwrap()[..40]] {
        assert_eq!(refusal(&refresh(&server, &json!(unreadable)).await), "Invalid token", "{unreadable}");
    }
    server.advance(3_600_000);
    assert_eq!(refusal(&refresh(&server, token).await), "Token expired");
}

#[tokio::test]
async fn a_refresh_token_that_is_not_stored_is_refused() {
    use quivive_server::botcha::issue::StoredRefresh;
    let server = Server::start().await;
    let body = tokens(&server, json!({})).await;
    let id = claims(&body["refresh_token"])["jti"].as_str().unwrap().to_owned();
    assert!(server.app.storage.delete::<StoredRefresh>(&id).await.unwrap());
    assert_eq!(
        refusal(&refresh(&server, &body["refresh_token"]).await),
        "Refresh token not found or expired"
    );
}

#[tokio::test]
async fn an_address_bound_token_is_refreshed_from_that_address_alone() {
    let server = Server::with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let body = tokens(&server, json!({ "bind_ip": true })).await;
    let text = json!({ "refresh_token": body["refresh_token"] }).to_string();
    let answer = server.call("POST", "/v1/token/refresh", &[("X-Forwarded-For", "192.0.2.7")], text).await;
    assert_eq!(refusal(&answer), "Client IP mismatch");
}

#[tokio::test]
async fn bad_bodies_get_their_codes() {
    let server = Server::start().await;
    for body in
        [json!({}), json!({ "refresh_token": 5 }), json!({ "refresh_token": "" }), json!(null), json!([1])]
    {
        let answer = server.post("/v1/token/refresh", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (400, Some("Missing refresh_token")),
            "{body}"
        );
        assert!(answer.json["hint"].is_string());
    }
    for body in ["", "{", "not json", "{\"a\":}"] {
        let answer = server.call("POST", "/v1/token/refresh", &[], Body::from(body)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (400, Some("INVALID_JSON")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn rotation_replaces_the_token_and_notices_theft() {
    let server = Server::with(|config| config.tokens.refresh_rotation = true).await;
    let body = tokens(&server, json!({})).await;
    let first = &body["refresh_token"];
    server.advance(600_000);
    let answer = refresh(&server, first).await;
    let second = &answer.json["refresh_token"];
    assert_eq!(claims(second)["sub"], claims(first)["sub"]);
    assert_eq!(claims(second)["exp"], claims(first)["exp"], "the family's end stays");
    assert!(answer.json["refresh_expires_in"].as_i64().unwrap() <= 3_000);
    server.advance(59_000);
    assert_eq!(refresh(&server, first).await.status, 200, "an answer can get lost");
    server.advance(2_000);
    assert_eq!(refusal(&refresh(&server, first).await), "Refresh token has been revoked");
    assert_eq!(refusal(&refresh(&server, second).await), "Refresh token has been revoked");
    let validated = server.post("/v1/token/validate", &json!({ "token": answer.json["access_token"] })).await;
    assert_eq!(validated.json, json!({ "valid": false, "error": "Token has been revoked" }));
}
