//! Around the limits: codes tried without end, memory filled with windows, somebody else's share and key.

use quivive_server::botcha::apps::RegistrationPolicy;
use serde_json::json;

use crate::botcha::agents::{
    agent_with_key, app_token, key_pair, public_key, refusal, secret, send, with_app,
};
use crate::botcha::{app_with_secret, register, tokens};
use crate::support::Server;
use quivive_server::botcha::owner;

#[tokio::test]
async fn pairing_codes_cannot_be_tried_without_end() {
    for is_compat in [false, true] {
        let server = Server::with(|config| config.compat.limits = is_compat).await;
        register(&server, "app_paired", |app| app.registration_policy = RegistrationPolicy::Paired).await;
        let token = app_token(&server, "app_paired").await;
        let guess = async |code: &str| {
            let body = json!({ "name": "x", "app_id": "app_paired", "pair_code": code });
            send(&server, "/v1/agents/register", &[("Authorization", &token)], &body).await
        };
        for number in 0..20 {
            let answer = guess(&format!("PAIR-AAAA{number:02}")).await;
            assert_eq!(refusal(&answer), (403, "INVALID_PAIR_CODE"));
        }
        let answer = guess("PAIR-ZZZZZZ").await;
        assert_eq!(refusal(&answer), (429, "RATE_LIMIT_EXCEEDED"));
        assert_eq!((answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining")), ("20", "0"));
    }
}

#[tokio::test]
async fn ids_that_are_made_up_leave_no_windows_behind() {
    let server = Server::start().await;
    for number in 0..50 {
        let path = format!("/v1/apps/app_{number}{}/verify-email", "x".repeat(2_000));
        assert_eq!(server.post(&path, &json!({ "code": "123456" })).await.status, 400);
    }
    let now = server.app.now();
    for number in 0..50 {
        let key = format!("botcha:email_code:app_{number}{}:127.0.0.1", "x".repeat(2_000));
        assert_eq!(server.app.storage.windows().peek(&key, now).await.unwrap(), None);
    }
    let server = Server::with(|config| config.limits.verifications_per_hour = 10).await;
    for number in 0..11 {
        let answer =
            server.post(&format!("/v1/apps/app_{number}/verify-email"), &json!({ "code": "1" })).await;
        assert_eq!(answer.status, if number < 10 { 400 } else { 429 }, "{number}");
    }
}

#[tokio::test]
async fn a_site_of_many_networks_gets_few_tries() {
    let server = Server::with(|config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.limits.code_redemptions_per_hour = 2;
    })
    .await;
    let try_from = async |network: u32| {
        let from = format!("2001:db8:1:{network:x}::1");
        let headers =
            [("x-forwarded-for", from.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let answer = server.call("POST", "/dashboard/code", &headers, "code=ABC234").await;
        answer.header("location").to_owned()
    };
    for network in 0..20 {
        assert_eq!(try_from(network).await, "/dashboard/code?error=invalid");
    }
    app_with_secret(&server).await;
    let content =
        quivive_server::botcha::codes::Content::Device { app_id: "app_0123456789abcdef".to_owned() };
    let code = quivive_server::botcha::codes::store(&server.app, content, 600).await.unwrap();
    let enter = async |from: &str| {
        let headers = [("x-forwarded-for", from), ("content-type", "application/x-www-form-urlencoded")];
        let answer = server.call("POST", "/dashboard/code", &headers, format!("code={code}")).await;
        answer.header("location").to_owned()
    };
    assert_eq!(
        enter("2001:db8:1:ff::1").await,
        "/dashboard/code?error=invalid",
        "the site's tries are used up"
    );
    assert_eq!(enter("2001:db8:2::1").await, "/account");
}

#[tokio::test]
async fn the_refusing_bucket_is_the_one_that_is_told() {
    let server = Server::start().await;
    let body = json!({ "email": "ada@example.com" });
    for _ in 0..3 {
        assert_eq!(server.post("/v1/auth/recover", &body).await.status, 200);
    }
    let answer = server.post("/v1/auth/recover", &body).await;
    assert_eq!(answer.status, 429);
    assert_eq!((answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining")), ("3", "0"));
}

#[tokio::test]
async fn a_key_is_found_with_the_agent_that_had_it_first() {
    let server = Server::with(|config| config.limits.agent_registrations_per_hour = 0).await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_thief").await;
    let pair = key_pair(7);
    let victim = agent_with_key(&server, "app_mine", &pair).await;
    let thumbprint = {
        let key = server.get(&format!("/v1/keys/{victim}")).await.json;
        key["thumbprint"].as_str().unwrap().to_owned()
    };
    for _ in 0..60 {
        server.advance(1);
        let body = json!({
            "name": "thief",
            "app_id": "app_thief",
            "public_key": public_key(&pair),
            "signature_algorithm": "ed25519",
        });
        let headers = [("X-App-Secret", secret("app_thief"))];
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = send(&server, "/v1/agents/register/tap?app_id=app_thief", &headers, &body).await;
        assert_eq!(answer.status, 201, "{}", answer.json);
    }
    let found = server.get(&format!("/v1/keys/{thumbprint}")).await.json;
    assert_eq!(found["agent_id"], victim.as_str());
}

#[tokio::test]
async fn an_app_has_so_many_agents_and_no_more() {
    let server = Server::with(|config| config.limits.agents_per_app = 3).await;
    with_app(&server, "app_mine").await;
    let body = json!({ "name": "x", "app_id": "app_mine", "app_secret": secret("app_mine") });
    for expected in [201, 201, 201, 403] {
        assert_eq!(send(&server, "/v1/agents/register", &[], &body).await.status, expected);
    }
    let answer = send(&server, "/v1/agents/register", &[], &body).await;
    assert_eq!(refusal(&answer), (403, "AGENT_LIMIT_REACHED"));
}

#[tokio::test]
async fn a_demand_that_cannot_be_read_is_not_passed_over() {
    let server = Server::start().await;
    let token = tokens(&server, json!({ "audience": "https://a.example" })).await["access_token"].clone();
    for name in ["audience", "client_ip"] {
        for wanted in [json!(["x"]), json!(5), json!(""), json!({})] {
            let answer = server.post("/v1/token/validate", &json!({ "token": token, name: wanted })).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json["valid"]),
                (400, &json!(false)),
                "{name} {wanted}"
            );
        }
        let answer = server.post("/v1/token/validate", &json!({ "token": token, name: null })).await;
        assert_eq!(answer.json["valid"], true);
    }
}

#[tokio::test]
async fn a_revoked_session_is_over() {
    let server = Server::start().await;
    let app = app_with_secret(&server).await;
    let session = owner::begin_session(&server.app, &app.id).await.unwrap();
    let headers = [("Authorization", format!("Bearer {session}"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let account = async || {
        let headers: Vec<_> = headers.iter().copied().chain([("accept", "application/json")]).collect();
        server.call("GET", "/account", &headers, "").await.status.as_u16()
    };
    assert_eq!(account().await, 200);
    assert_eq!(server.post("/v1/token/revoke", &json!({ "token": session })).await.status, 200);
    assert_eq!(account().await, 401);
}

#[tokio::test]
async fn behind_a_strict_gate_what_does_not_exist_asks_for_an_app_as_well() {
    let server =
        Server::with(|config| config.botcha.app_gate = quivive_server::config::AppGate::Strict).await;
    let answer = server.get("/v1/nothing").await;
    assert_eq!(refusal(&answer), (401, "APP_REGISTRATION_REQUIRED"));
    assert_eq!(server.get("/v1/nothing?app_id=app_demo000000000000").await.status, 404);
    assert_eq!(server.get("/nothing").await.status, 404);
}

#[tokio::test]
async fn another_site_cannot_have_mails_sent() {
    let server = Server::start().await;
    let headers = [("origin", "https://evil.example"), ("content-type", "application/x-www-form-urlencoded")];
    let answer = server.call("POST", "/dashboard/email-login", &headers, "email=ada%40example.com").await;
    assert_eq!(refusal(&answer), (403, "FOREIGN_FORM"));
}
