use quivive_core::encoding::hex;
use quivive_server::botcha::agents;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{refusal, secret, send, with_app};
use crate::support::{Answer, Server};

const KEY: &str = "sk-ant-0123456789";

async fn enabled() -> Server {
    let server = Server::with(|config| config.compat.provider_auth = true).await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_other").await;
    server
}

async fn register(server: &Server, app_id: &str, more: Value) -> Answer {
    let mut body = json!({ "name": "a", "app_id": app_id });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    send(server, "/v1/agents/register/tap", &[("X-App-Secret", &secret(app_id))], &body).await
}

async fn login(server: &Server, body: Value) -> Answer {
    server.post("/v1/agents/auth/provider", &body).await
}

#[tokio::test]
async fn it_is_off_unless_switched_on() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let body = json!({ "provider": "anthropic", "api_key": KEY, "app_id": "app_mine" });
    assert_eq!(refusal(&login(&server, body).await), (403, "PROVIDER_AUTH_DISABLED"));
    let registered = register(&server, "app_mine", json!({ "provider": "anthropic", "api_key": KEY })).await;
    assert_eq!(refusal(&registered), (403, "PROVIDER_AUTH_DISABLED"));
}

#[tokio::test]
async fn the_key_or_its_hash_logs_in_within_the_app() {
    let server = enabled().await;
    let answer =
        register(&server, "app_mine", json!({ "provider": "anthropic", "api_key": format!(" {KEY}\n") }))
            .await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    let id = answer.json["agent_id"].as_str().unwrap();
    let digest = hex(&Sha256::digest(KEY));
    for proof in [json!({ "api_key": KEY }), json!({ "api_key_sha256": digest.to_uppercase() })] {
        let mut body = json!({ "provider": "anthropic", "app_id": "app_mine" });
        body.as_object_mut().unwrap().extend(proof.as_object().unwrap().clone());
        let answer = login(&server, body).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        assert_eq!((&answer.json["agent_id"], &answer.json["provider"]), (&json!(id), &json!("anthropic")));
    }
    let stored = agents::find(&server.app, id).await.unwrap().unwrap().provider.unwrap().hash;
    assert!(stored != digest && stored != KEY, "what is kept is keyed");

    let by_hash =
        register(&server, "app_other", json!({ "provider": "openai", "api_key_sha256": digest })).await;
    assert_eq!(by_hash.status, 201);
    for (provider, app_id, key) in [
        ("anthropic", "app_other", KEY),
        ("openai", "app_mine", KEY),
        ("anthropic", "app_mine", "another"),
        ("anthropic", "app_none", KEY),
    ] {
        let body = json!({ "provider": provider, "api_key": key, "app_id": app_id });
        assert_eq!(
            refusal(&login(&server, body).await),
            (404, "AGENT_NOT_FOUND"),
            "{provider} {app_id} {key}"
        );
    }
    let body = json!({ "provider": "openai", "api_key": KEY, "app_id": "app_other" });
    assert_eq!(login(&server, body).await.json["agent_id"], by_hash.json["agent_id"]);
}

#[tokio::test]
async fn bad_members_are_named() {
    let server = enabled().await;
    for body in [
        json!({}),
        json!({ "provider": "openai", "api_key": KEY }),
        json!({ "provider": "openai", "app_id": "app_mine" }),
        json!({ "api_key": KEY, "app_id": "app_mine" }),
        json!({ "provider": "openai", "api_key": " ", "app_id": "app_mine" }),
        json!({ "provider": "openai", "api_key_sha256": "00", "app_id": "app_mine" }),
        json!({ "provider": 1, "api_key": 2, "app_id": 3 }),
    ] {
        let answer = login(&server, body.clone()).await;
        assert_eq!(refusal(&answer), (400, "MISSING_FIELDS"), "{body}");
        assert_eq!(answer.json["supported_providers"].as_array().unwrap().len(), 6);
    }
    let body = json!({ "provider": "acme", "api_key": KEY, "app_id": "app_mine" });
    assert_eq!(refusal(&login(&server, body).await), (400, "UNSUPPORTED_PROVIDER"));
    for more in [json!({ "provider": "acme", "api_key": KEY }), json!({ "provider": "openai" })] {
        assert_eq!(refusal(&register(&server, "app_mine", more).await), (400, "INVALID_REQUEST"));
    }
    assert_eq!(server.call("POST", "/v1/agents/auth/provider", &[], "x".repeat(70_000)).await.status, 413);
}

#[tokio::test]
async fn an_agent_without_its_app_is_gone() {
    let server = enabled().await;
    register(&server, "app_mine", json!({ "provider": "openai", "api_key": KEY })).await;
    server.app.storage.delete::<quivive_server::botcha::apps::RegisteredApp>("app_mine").await.unwrap();
    let body = json!({ "provider": "openai", "api_key": KEY, "app_id": "app_mine" });
    assert_eq!(refusal(&login(&server, body).await), (404, "AGENT_NOT_FOUND"));
}
