use quivive_core::Timestamp;
use quivive_server::botcha::apps::{RegisteredApp, RegistrationPolicy};
use quivive_server::config::AppGate;
use serde_json::{Value, json};

use super::{solve, tokens};
use crate::support::Server;

async fn with_app(server: &Server, id: &str, is_email_verified: bool) {
    let app = RegisteredApp {
        id: id.to_owned(),
        name: None,
        email: Some("owner@example.com".to_owned()),
        is_email_verified,
        secret_hash: None,
        rate_limit: 100,
        created_at: Timestamp::default(),
        is_demo: false,
        registration_policy: RegistrationPolicy::Open,
        allowed_audiences: Vec::new(),
        credentials_rotated_at: None,
    };
    server.app.storage.insert(&app).await.unwrap();
}

fn refusal(answer: &crate::support::Answer) -> (u16, &str) {
    assert_eq!(answer.json["success"], false);
    (answer.status.as_u16(), answer.json["error"].as_str().unwrap())
}

#[tokio::test]
async fn an_open_gate_checks_an_app_that_is_named() {
    let server = Server::start().await;
    with_app(&server, "app_mine", true).await;
    with_app(&server, "app_fresh", false).await;
    assert_eq!(server.get("/v1/token").await.status, 200);
    assert_eq!(server.get("/v1/token?app_id=app_mine").await.status, 200);
    assert_eq!(refusal(&server.get("/v1/token?app_id=app_none").await), (400, "INVALID_APP_ID"));
    let fresh = server.get("/v1/token?app_id=app_fresh").await;
    assert_eq!(refusal(&fresh), (403, "EMAIL_NOT_VERIFIED"));
    assert!(fresh.json["next_step"].is_string() && fresh.json["resend"].is_string());
    for name in ["X-App-Id", "X-Botcha-App-Id"] {
        assert_eq!(server.call("GET", "/v1/token", &[(name, "app_mine")], "").await.status, 200);
        let unknown = server.call("GET", "/v1/token", &[(name, "app_none")], "").await;
        assert_eq!(refusal(&unknown), (401, "APP_NOT_FOUND"));
    }
    let differing = server.call("GET", "/v1/token?app_id=app_mine", &[("X-App-Id", "app_fresh")], "").await;
    assert_eq!(refusal(&differing), (400, "APP_ID_MISMATCH"));
}

#[tokio::test]
async fn a_strict_gate_needs_an_app_for_challenges_and_their_answers() {
    let server = Server::with(|config| config.botcha.app_gate = AppGate::Strict).await;
    with_app(&server, "app_mine", true).await;
    let nobody = server.get("/v1/token").await;
    assert_eq!(refusal(&nobody), (401, "APP_REGISTRATION_REQUIRED"));
    assert!(nobody.json["registration"]["endpoint"].as_str().unwrap().ends_with("/v1/apps"));
    assert!(nobody.json["registration"]["body"].is_string());
    assert_eq!(refusal(&server.get("/v1/token?app_id=app_none").await), (401, "APP_NOT_FOUND"));

    let challenge = server.get("/v1/token?app_id=app_mine").await.json["challenge"].clone();
    let body = json!({ "id": challenge["id"], "answers": solve(&challenge) });
    assert_eq!(refusal(&server.post("/v1/token/verify", &body).await), (401, "APP_REGISTRATION_REQUIRED"));
    let answer = server.post("/v1/token/verify?app_id=app_mine", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.json);

    // The token is the credential: stock clients send no app id here.
    let refreshed =
        server.post("/v1/token/refresh", &json!({ "refresh_token": answer.json["refresh_token"] })).await;
    assert_eq!(refreshed.status, 200);
    let validated = server.post("/v1/token/validate", &json!({ "token": answer.json["access_token"] })).await;
    assert_eq!(validated.json["payload"]["app_id"], "app_mine");
    let bearer = format!("Bearer {}", answer.json["access_token"].as_str().unwrap());
    let by_token = server.call("GET", "/v1/token", &[("Authorization", &bearer)], "").await;
    assert_eq!(by_token.status, 200, "a token's app passes the gate");
    assert_eq!(
        server.post("/v1/token/revoke", &json!({ "token": answer.json["access_token"] })).await.status,
        200
    );
}

#[tokio::test]
async fn an_open_gate_checks_an_app_that_an_answer_names() {
    let server = Server::start().await;
    with_app(&server, "app_mine", true).await;
    with_app(&server, "app_other", true).await;
    let fetch = async || {
        let challenge = server.get("/v1/token?app_id=app_mine").await.json["challenge"].clone();
        json!({ "id": challenge["id"], "answers": solve(&challenge) })
    };
    let mut body = fetch().await;
    for (path, headers, expected) in [
        ("/v1/token/verify?app_id=app_none", &[][..], (400, "INVALID_APP_ID")),
        ("/v1/token/verify", &[("X-App-Id", "app_none")], (401, "APP_NOT_FOUND")),
        ("/v1/token/verify?app_id=app_mine", &[("X-App-Id", "app_other")], (400, "APP_ID_MISMATCH")),
        (
            "/v1/token/verify",
            &[("X-App-Id", "app_mine"), ("X-Botcha-App-Id", "app_other")],
            (400, "APP_ID_MISMATCH"),
        ),
    ] {
        let answer = server.call("POST", path, headers, body.to_string()).await;
        assert_eq!(refusal(&answer), expected, "{path} {headers:?}");
    }
    let right = server.call("POST", "/v1/token/verify", &[("X-App-Id", "app_mine")], body.to_string()).await;
    assert_eq!(right.status, 200, "a refusal at the gate costs no attempt");

    body = fetch().await;
    body["app_id"] = json!("app_other");
    let elsewhere =
        server.call("POST", "/v1/token/verify", &[("X-App-Id", "app_mine")], body.to_string()).await;
    assert_eq!(refusal(&elsewhere), (400, "APP_ID_MISMATCH"));
    assert_eq!(
        refusal(&server.post("/v1/token/verify", &body).await),
        (403, "APP_ID_MISMATCH"),
        "the body alone is judged against the challenge"
    );
    let two = [("X-App-Id", "app_mine"), ("X-Botcha-App-Id", "app_other")];
    assert_eq!(refusal(&server.call("GET", "/v1/token", &two, "").await), (400, "APP_ID_MISMATCH"));
}

#[tokio::test]
async fn the_body_names_an_app_in_strict_mode() {
    let server = Server::with(|config| config.botcha.app_gate = AppGate::Strict).await;
    with_app(&server, "app_mine", true).await;
    let challenge = server.get("/v1/token?app_id=app_mine").await.json["challenge"].clone();
    let body = json!({ "id": challenge["id"], "answers": solve(&challenge), "app_id": "app_mine" });
    assert_eq!(server.post("/v1/token/verify", &body).await.status, 200);
}

#[tokio::test]
async fn a_token_without_an_app_does_not_name_one() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", tokens(&server, json!({})).await["access_token"].as_str().unwrap());
    let answer = server.call("GET", "/v1/token", &[("Authorization", &bearer)], "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["token"], Value::Null);
}
