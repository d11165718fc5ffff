use quivive_server::botcha::apps::RegisteredApp;
use serde_json::{Value, json};

use super::{agent, granted, refresh, refusal, send, session, with_app};
use crate::support::{Answer, Server};

async fn exchange(server: &Server, token: &Value) -> Answer {
    let body = json!({ "grant_type": "refresh_token", "refresh_token": token });
    server.post("/v1/oauth/token", &body).await
}

#[tokio::test]
async fn a_refresh_token_gives_new_tokens_for_ninety_days() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let token = granted(&server, "app_mine", &id).await["refresh_token"].clone();
    for _ in 0..2 {
        let answer = refresh(&server, &token).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        assert_eq!((&answer.json["agent_id"], &answer.json["app_id"]), (&json!(id), &json!("app_mine")));
        assert_eq!(
            (&answer.json["token_type"], &answer.json["expires_in"]),
            (&json!("Bearer"), &json!(3600))
        );
        assert!(answer.json.get("refresh_token").is_none(), "it stays the same");
        server.advance(90 * 86_400_000 - 1);
    }
    assert_eq!(refusal(&refresh(&server, &token).await), (401, "INVALID_TOKEN"));
}

#[tokio::test]
async fn what_is_no_refresh_token_is_400_and_an_unknown_one_401() {
    let server = Server::start().await;
    for token in [
        json!("abc"),
        json!("eyJ.a.b"),
        json!(7),
        Value::Null,
        json!(""),
        json!("brt_".to_owned() + &"0".repeat(500)),
    ] {
        assert_eq!(refusal(&refresh(&server, &token).await), (400, "INVALID_TOKEN"), "{token}");
    }
    assert_eq!(
        refusal(&refresh(&server, &json!("brt_00000000000000000000000000000000")).await),
        (401, "INVALID_TOKEN")
    );
    assert_eq!(
        refusal(&server.call("POST", "/v1/agents/auth/refresh", &[], "{not").await),
        (400, "INVALID_TOKEN")
    );
    assert_eq!(server.call("POST", "/v1/agents/auth/refresh", &[], "x".repeat(70_000)).await.status, 413);
}

#[tokio::test]
async fn a_token_dies_with_its_app_and_with_the_apps_former_secret() {
    let server = Server::start().await;
    let app = with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let token = granted(&server, "app_mine", &id).await["refresh_token"].clone();
    let rotated = RegisteredApp { credentials_rotated_at: Some(server.app.now()), ..app };
    server.app.storage.put(&rotated).await.unwrap();
    assert_eq!(refusal(&refresh(&server, &token).await), (401, "INVALID_TOKEN"));
    assert_eq!(refusal(&exchange(&server, &token).await), (400, "invalid_grant"));
    server.advance(1);
    let later = granted(&server, "app_mine", &id).await["refresh_token"].clone();
    assert_eq!(refresh(&server, &later).await.status, 200);
    server.app.storage.delete::<RegisteredApp>("app_mine").await.unwrap();
    assert_eq!(refusal(&refresh(&server, &later).await), (401, "INVALID_TOKEN"));
}

#[tokio::test]
async fn rotation_answers_another_one_and_the_former_is_good_for_a_minute() {
    let server = Server::with(|config| config.agents.refresh_rotation = true).await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let first = granted(&server, "app_mine", &id).await["refresh_token"].clone();
    server.advance(86_400_000);
    let answer = refresh(&server, &first).await;
    let second = answer.json["refresh_token"].clone();
    assert_ne!(second, first);
    assert_eq!(answer.json["refresh_expires_in"], 89 * 86_400, "the family's end stays");
    server.advance(60_000);
    assert_eq!(refresh(&server, &first).await.status, 200, "an answer can get lost");
    server.advance(1);
    assert_eq!(refusal(&refresh(&server, &first).await), (401, "INVALID_TOKEN"));
    assert_eq!(refusal(&refresh(&server, &second).await), (401, "INVALID_TOKEN"), "the family has ended");
}

#[tokio::test]
async fn the_oauth_route_replaces_the_token_at_once() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let first = granted(&server, "app_mine", &id).await["refresh_token"].clone();
    let other = granted(&server, "app_mine", &id).await["refresh_token"].clone();
    let answer = exchange(&server, &first).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    let second = answer.json["refresh_token"].clone();
    assert_ne!(second, first);
    assert_eq!(refusal(&exchange(&server, &first).await), (400, "invalid_grant"), "sent twice by mistake");
    assert_eq!(refusal(&refresh(&server, &first).await), (401, "INVALID_TOKEN"));
    assert_eq!(refresh(&server, &second).await.status, 200, "which ends nothing");
    server.advance(60_001);
    assert_eq!(refusal(&exchange(&server, &first).await), (400, "invalid_grant"), "used by a thief");
    assert_eq!(refusal(&exchange(&server, &second).await), (400, "invalid_grant"), "the family has ended");
    assert_eq!(exchange(&server, &other).await.status, 200, "another grant's tokens have not");
}

#[tokio::test]
async fn revoking_ends_every_refresh_token_of_the_agent_and_of_no_other() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let other = agent(&server, "app_mine", "b").await;
    let tokens = [
        granted(&server, "app_mine", &id).await["refresh_token"].clone(),
        granted(&server, "app_mine", &id).await["refresh_token"].clone(),
    ];
    let untouched = granted(&server, "app_mine", &other).await["refresh_token"].clone();
    let body = json!({ "agent_id": id, "app_id": "app_mine" });
    let owner = session(&server, "app_mine").await;
    let answer = send(&server, "/v1/oauth/revoke", &[("Authorization", &owner)], &body).await;
    assert_eq!((answer.status.as_u16(), &answer.json["success"]), (200, &json!(true)));
    for token in tokens {
        assert_eq!(refusal(&refresh(&server, &token).await), (401, "INVALID_TOKEN"));
    }
    assert_eq!(refresh(&server, &untouched).await.status, 200);
}
