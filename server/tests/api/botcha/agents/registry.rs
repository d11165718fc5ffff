use std::sync::Arc;

use quivive_server::botcha::agents::ownership;
use quivive_server::botcha::apps::{RegisteredApp, RegistrationPolicy};
use quivive_server::botcha::{agents, pairing};
use quivive_server::config::AppGate;
use serde_json::{Value, json};

use super::{
    actions, agent, agent_with_key, app_token, get_as, granted, key_login, key_pair, refresh, refusal,
    secret, send, session, with_app,
};
use crate::botect::faults::Moody;
use crate::support::Server;

#[tokio::test]
async fn the_owner_registers_an_agent_with_every_documented_field() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let body = json!({ "name": " shopping-agent ", "operator": "my-company", "version": "1.0.0", "app_id": "app_mine" });
    let answer = send(&server, "/v1/agents/register", &[("X-App-Secret", &secret("app_mine"))], &body).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    assert_eq!(answer.header("cache-control"), "no-store");
    let id = answer.json["agent_id"].as_str().unwrap();
    assert!(id.strip_prefix("agent_").is_some_and(|hex| hex.len() == 16), "{id}");
    assert_eq!(
        answer.json,
        json!({
            "success": true, "agent_id": id, "app_id": "app_mine", "name": "shopping-agent",
            "operator": "my-company", "version": "1.0.0", "created_at": server.app.now().to_string(),
            "owner_verified": true,
        })
    );
    assert_eq!(actions(&server, "app_mine").await, ["agent.registered"]);
}

#[tokio::test]
async fn a_session_and_a_pair_code_are_proofs_too() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let owner = session(&server, "app_mine").await;
    let headers = [("Authorization", owner.as_str())];
    let answer = send(&server, "/v1/agents/register", &headers, &json!({ "name": "a" })).await;
    assert_eq!((answer.status.as_u16(), &answer.json["owner_verified"]), (201, &json!(true)));

    let made = send(&server, "/v1/apps/app_mine/pair", &headers, &json!({})).await;
    let body = json!({ "name": "b", "app_id": "app_mine", "pair_code": made.json["pair_code"] });
    let answer = server.post("/v1/agents/register", &body).await;
    assert_eq!((answer.status.as_u16(), &answer.json["owner_verified"]), (201, &json!(true)));
    assert_eq!(refusal(&server.post("/v1/agents/register", &body).await), (403, "INVALID_PAIR_CODE"));
}

#[tokio::test]
async fn without_a_proof_an_agent_is_marked_and_few_are_taken() {
    let server = Server::with(|config| {
        config.limits.agent_registrations_per_hour = 0;
        config.limits.unconfirmed_agents_per_day = 3;
    })
    .await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_other").await;
    let body = json!({ "name": "a", "app_id": "app_mine" });
    let token = app_token(&server, "app_mine").await;
    let without = app_token(&server, "").await;
    for headers in
        [vec![], vec![("Authorization", token.as_str())], vec![("Authorization", without.as_str())]]
    {
        let answer = send(&server, "/v1/agents/register", &headers, &body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json["owner_verified"]),
            (201, &json!(false)),
            "{}",
            answer.json
        );
    }
    let refused = server.post("/v1/agents/register", &body).await;
    assert_eq!(refusal(&refused), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(refused.header("retry-after"), "43200");
    assert_eq!(refused.json["resetAt"], "2026-02-16T00:00:00.000Z");
    let other = server.post("/v1/agents/register", &json!({ "name": "a", "app_id": "app_other" })).await;
    assert_eq!(other.status, 201, "another app has its own share");
    agent(&server, "app_mine", "the owner's are not counted").await;
    server.advance(43_200_000);
    assert_eq!(server.post("/v1/agents/register", &body).await.status, 201);
}

#[tokio::test]
async fn an_address_registers_ten_agents_an_hour_without_a_proof() {
    let server = Server::start().await;
    for number in 0..6 {
        with_app(&server, &format!("app_{number}")).await;
    }
    for number in 0..10 {
        let body = json!({ "name": "a", "app_id": format!("app_{}", number % 5) });
        assert_eq!(server.post("/v1/agents/register", &body).await.status, 201);
    }
    let body = json!({ "name": "a", "app_id": "app_5" });
    assert_eq!(refusal(&server.post("/v1/agents/register", &body).await), (429, "RATE_LIMIT_EXCEEDED"));
}

#[tokio::test]
async fn a_paired_app_takes_agents_of_its_owner_only() {
    let server = Server::start().await;
    let app = with_app(&server, "app_mine").await;
    let paired = RegisteredApp { registration_policy: RegistrationPolicy::Paired, ..app };
    server.app.storage.put(&paired).await.unwrap();
    let token = app_token(&server, "app_mine").await;
    let body = json!({ "name": "a", "app_id": "app_mine" });
    for headers in [vec![], vec![("Authorization", token.as_str())]] {
        let refused = send(&server, "/v1/agents/register", &headers, &body).await;
        assert_eq!(refusal(&refused), (403, "PAIR_CODE_REQUIRED"));
    }
    for code in [json!("PAIR-AAAAAA"), json!(""), json!(7)] {
        let body = json!({ "name": "a", "app_id": "app_mine", "pair_code": code });
        assert_eq!(refusal(&server.post("/v1/agents/register", &body).await), (403, "INVALID_PAIR_CODE"));
    }
    agent(&server, "app_mine", "the owner's").await;
    assert!(!pairing::take(&server.app, "app_mine", "PAIR-AAAAAA").await.unwrap());
}

#[tokio::test]
async fn bad_members_are_named() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let long = "x".repeat(101);
    for (members, code) in [
        (json!({}), "MISSING_NAME"),
        (json!({ "name": "" }), "MISSING_NAME"),
        (json!({ "name": "  " }), "MISSING_NAME"),
        (json!({ "name": 7 }), "MISSING_NAME"),
        (json!({ "name": long }), "INVALID_NAME"),
        (json!({ "name": "a\u{0}b" }), "INVALID_NAME"),
        (json!({ "name": "a\nb" }), "INVALID_NAME"),
        (json!({ "name": "a\u{202e}b" }), "INVALID_NAME"),
        (json!({ "name": "a", "operator": 7 }), "INVALID_OPERATOR"),
        (json!({ "name": "a", "operator": long }), "INVALID_OPERATOR"),
        (json!({ "name": "a", "version": [] }), "INVALID_VERSION"),
        (json!({ "name": "a", "version": "\u{7f}" }), "INVALID_VERSION"),
    ] {
        let headers = [("X-App-Id", "app_mine"), ("X-App-Secret", "sk_app_mine")];
        let answer = send(&server, "/v1/agents/register", &headers, &members).await;
        assert_eq!(refusal(&answer), (400, code), "{members}");
    }
    let headers = [("X-App-Id", "app_mine"), ("X-App-Secret", "sk_app_mine")];
    for body in ["{not json", "[]", "null", "7", ""] {
        let answer = server.call("POST", "/v1/agents/register", &headers, body).await;
        assert_eq!(refusal(&answer), (400, "MISSING_NAME"), "{body}");
    }
    let hundred = "é".repeat(100);
    let answer =
        send(&server, "/v1/agents/register", &headers, &json!({ "name": hundred, "operator": "" })).await;
    assert_eq!((answer.status.as_u16(), answer.json.get("operator")), (201, None));
    let oversize = json!({ "name": "x".repeat(70_000) });
    assert_eq!(send(&server, "/v1/agents/register", &headers, &oversize).await.status, 413);
}

#[tokio::test]
async fn an_app_is_needed_and_must_be_good_for_agents() {
    let server = Server::start().await;
    let app = with_app(&server, "app_fresh").await;
    let fresh = RegisteredApp { is_email_verified: false, ..app };
    server.app.storage.put(&fresh).await.unwrap();
    with_app(&server, "app_mine").await;
    with_app(&server, "app_other").await;
    let register = async |body: Value| server.post("/v1/agents/register", &body).await;
    assert_eq!(refusal(&register(json!({ "name": "a" })).await), (401, "APP_REGISTRATION_REQUIRED"));
    assert_eq!(
        refusal(&register(json!({ "name": "a", "app_id": "app_none" })).await),
        (401, "APP_NOT_FOUND")
    );
    assert_eq!(
        refusal(&register(json!({ "name": "a", "app_id": "app_fresh" })).await),
        (403, "EMAIL_NOT_VERIFIED")
    );
    let demo = server.app.config.botcha.internal_app_id.clone();
    assert_eq!(refusal(&register(json!({ "name": "a", "app_id": demo })).await), (403, "DEMO_APP"));
    let token = app_token(&server, "app_mine").await;
    let body = json!({ "name": "a", "app_id": "app_other" });
    let differing = send(&server, "/v1/agents/register", &[("Authorization", &token)], &body).await;
    assert_eq!(refusal(&differing), (400, "APP_ID_MISMATCH"));
    let bad = send(&server, "/v1/agents/register", &[("Authorization", "Bearer a.b.c")], &body).await;
    assert_eq!(refusal(&bad), (401, "INVALID_TOKEN"));
    let without = app_token(&server, "").await;
    let nameless =
        send(&server, "/v1/agents/register", &[("Authorization", &without)], &json!({ "name": "a" })).await;
    assert_eq!(refusal(&nameless), (403, "MISSING_APP_ID"));
}

#[tokio::test]
async fn compat_needs_a_token_as_the_original() {
    let server = Server::compat().await;
    with_app(&server, "app_mine").await;
    let body = json!({ "name": "a", "app_id": "app_mine" });
    assert_eq!(refusal(&server.post("/v1/agents/register", &body).await), (401, "UNAUTHORIZED"));
    let token = app_token(&server, "app_mine").await;
    for _ in 0..25 {
        assert_eq!(
            send(&server, "/v1/agents/register", &[("Authorization", &token)], &body).await.status,
            201
        );
    }
}

#[tokio::test]
async fn the_list_is_the_apps_own_and_counted() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_other").await;
    let first = agent(&server, "app_mine", "first").await;
    server.advance(1);
    let second = agent(&server, "app_mine", "second").await;
    agent(&server, "app_other", "foreign").await;
    let answer = get_as(&server, "/v1/agents", &app_token(&server, "app_mine").await).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["count"], 2);
    let ids: Vec<_> =
        answer.json["agents"].as_array().unwrap().iter().map(|agent| &agent["agent_id"]).collect();
    assert_eq!(ids, [&json!(first), &json!(second)]);
    assert_eq!(answer.json["agents"][0]["owner_verified"], true);

    assert_eq!(get_as(&server, "/v1/agents", &session(&server, "app_mine").await).await.json["count"], 2);
    let by_secret = [("X-App-Id", "app_mine"), ("X-App-Secret", "sk_app_mine")];
    assert_eq!(server.call("GET", "/v1/agents", &by_secret, "").await.json["count"], 2);
    assert_eq!(refusal(&server.get("/v1/agents").await), (401, "APP_REGISTRATION_REQUIRED"));
    assert_eq!(refusal(&server.get("/v1/agents?app_id=app_mine").await), (401, "UNAUTHORIZED"));
    assert_eq!(refusal(&server.get("/v1/agents?app_id=app_none").await), (401, "APP_NOT_FOUND"));
    let wrong = [("X-App-Id", "app_mine"), ("X-App-Secret", "sk_app_other")];
    assert_eq!(refusal(&server.call("GET", "/v1/agents", &wrong, "").await), (401, "UNAUTHORIZED"));
    assert_eq!(refusal(&get_as(&server, "/v1/agents", "Bearer x").await), (401, "INVALID_TOKEN"));
    let token = app_token(&server, "app_mine").await;
    let other = get_as(&server, "/v1/agents?app_id=app_other", &token).await;
    assert_eq!(refusal(&other), (400, "APP_ID_MISMATCH"));
    let without = app_token(&server, "").await;
    assert_eq!(refusal(&get_as(&server, "/v1/agents", &without).await), (403, "MISSING_APP_ID"));
    let named = get_as(&server, "/v1/agents?app_id=app_mine", &without).await;
    assert_eq!(refusal(&named), (403, "MISSING_APP_ID"), "naming an app is no token of it");
}

#[tokio::test]
async fn anybody_reads_an_agent_and_me_is_who_the_token_names() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let pair = key_pair(1);
    let id = agent_with_key(&server, "app_mine", &pair).await;
    let answer = server.get(&format!("/v1/agents/{id}")).await;
    assert_eq!(answer.status, 200);
    let created_at = server.app.now().to_string();
    assert_eq!(
        answer.json,
        json!({
            "success": true, "agent_id": id, "app_id": "app_mine", "name": "keyed-agent", "created_at": created_at,
            "owner_verified": true, "tap_enabled": true, "trust_level": "basic", "capabilities": [],
            "key_fingerprint": answer.json["key_fingerprint"],
        })
    );
    assert_eq!(answer.json["key_fingerprint"].as_str().unwrap().len(), 16);

    let token = key_login(&server, &id, &pair).await.json["access_token"].as_str().unwrap().to_owned();
    let me = get_as(&server, "/v1/agents/me", &format!("Bearer {token}")).await;
    assert_eq!((me.status.as_u16(), &me.json["agent_id"]), (200, &json!(id)));
    assert_eq!(me.json["last_verified_at"], created_at);
    assert_eq!(refusal(&server.get("/v1/agents/me").await), (401, "UNAUTHORIZED"));
    let nobody = app_token(&server, "app_mine").await;
    assert_eq!(refusal(&get_as(&server, "/v1/agents/me", &nobody).await), (401, "UNAUTHORIZED"));
    assert_eq!(refusal(&get_as(&server, "/v1/agents/me", "Bearer x").await), (401, "INVALID_TOKEN"));

    assert_eq!(refusal(&server.get("/v1/agents/agent_0000000000000000").await), (404, "AGENT_NOT_FOUND"));
    assert_eq!(server.get(&format!("/v1/agents/{}", "x".repeat(5000))).await.status, 404);
    assert_eq!(server.get("/v1/agents/%ff").await.status, 404);
    assert_eq!(
        refusal(&server.get(&format!("/v1/agents/{id}?app_id=app_none")).await),
        (400, "INVALID_APP_ID")
    );
}

#[tokio::test]
async fn a_strict_gate_wants_an_app_for_reading() {
    let server = Server::with(|config| config.botcha.app_gate = AppGate::Strict).await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    assert_eq!(refusal(&server.get(&format!("/v1/agents/{id}")).await), (401, "APP_REGISTRATION_REQUIRED"));
    assert_eq!(server.get(&format!("/v1/agents/{id}?app_id=app_mine")).await.status, 200);
}

#[tokio::test]
async fn deleting_ends_the_agent_and_everything_it_logs_in_with() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let pair = key_pair(1);
    let id = agent_with_key(&server, "app_mine", &pair).await;
    let token = key_login(&server, &id, &pair).await.json["access_token"].as_str().unwrap().to_owned();
    let grant = granted(&server, "app_mine", &id).await;
    let owner = session(&server, "app_mine").await;
    let path = format!("/v1/agents/{id}");
    let answer = server.call("DELETE", &path, &[("Authorization", &owner)], "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json, json!({ "success": true, "agent_id": id, "message": "Agent deleted" }));
    assert_eq!(server.get(&path).await.status, 404);
    assert_eq!(refusal(&refresh(&server, &grant["refresh_token"]).await), (401, "INVALID_TOKEN"));
    for token in [token.as_str(), grant["access_token"].as_str().unwrap()] {
        let me = get_as(&server, "/agent-only", &format!("Bearer {token}")).await;
        assert_eq!(
            (refusal(&me), &me.json["message"]),
            ((401, "INVALID_TOKEN"), &json!("Token has been revoked"))
        );
    }
    assert_eq!(server.get(&format!("/v1/keys/{id}")).await.status, 404);
    assert!(actions(&server, "app_mine").await.contains(&"agent.deleted".to_owned()));
    let again = server.call("DELETE", &path, &[("Authorization", &owner)], "").await;
    assert_eq!((again.status.as_u16(), again.json["error"].as_str()), (404, Some("Agent not found")));
}

#[tokio::test]
async fn only_the_owner_of_its_app_deletes_an_agent() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_other").await;
    let id = agent(&server, "app_mine", "a").await;
    let path = format!("/v1/agents/{id}");
    let nobody = server.call("DELETE", &path, &[], "").await;
    assert_eq!(
        (refusal(&nobody), &nobody.json["login"]),
        ((401, "Authentication required"), &json!("/login"))
    );
    let token = app_token(&server, "app_mine").await;
    let bearer = server.call("DELETE", &path, &[("Authorization", &token)], "").await;
    assert_eq!(refusal(&bearer), (401, "Session expired"));
    let foreign = session(&server, "app_other").await;
    let other = server.call("DELETE", &path, &[("Authorization", &foreign)], "").await;
    assert_eq!(refusal(&other), (403, "Agent does not belong to this app"));
    let owner = session(&server, "app_mine").await;
    let cookie = format!("botcha_session={}", owner.trim_start_matches("Bearer "));
    let forged =
        server.call("DELETE", &path, &[("Cookie", &cookie), ("Origin", "https://evil.example")], "").await;
    assert_eq!(refusal(&forged), (403, "FOREIGN_FORM"));
    assert_eq!(server.get(&path).await.status, 200);
}

#[tokio::test]
async fn the_owner_confirms_an_agent() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let answer = server.post("/v1/agents/register", &json!({ "name": "a", "app_id": "app_mine" })).await;
    let id = answer.json["agent_id"].as_str().unwrap();
    let found = agents::find(&server.app, id).await.unwrap().unwrap();
    let actor = quivive_server::audit::Actor::Operator;
    assert!(ownership::confirm(&server.app, &found, &actor).await.unwrap().is_some());
    assert_eq!(server.get(&format!("/v1/agents/{id}")).await.json["owner_verified"], true);
    assert!(actions(&server, "app_mine").await.contains(&"agent.confirmed".to_owned()));
}

#[tokio::test]
async fn storage_faults_are_503() {
    let moody = Moody::new();
    let server = Server::on(Arc::clone(&moody), |_| {}).await;
    with_app(&server, "app_mine").await;
    let pair = key_pair(1);
    let id = agent_with_key(&server, "app_mine", &pair).await;
    let token = app_token(&server, "app_mine").await;
    moody.is_down(true);
    let authorized = [("Authorization", token.as_str())];
    for (method, path, body) in [
        ("POST", "/v1/agents/register".to_owned(), json!({ "name": "a", "app_id": "app_mine" })),
        ("GET", "/v1/agents".to_owned(), Value::Null),
        ("GET", format!("/v1/agents/{id}"), Value::Null),
        ("DELETE", format!("/v1/agents/{id}"), Value::Null),
        ("POST", "/v1/agents/register/tap".to_owned(), json!({ "name": "a" })),
        ("GET", "/v1/agents/tap".to_owned(), Value::Null),
        ("GET", format!("/v1/agents/{id}/tap"), Value::Null),
        ("POST", format!("/v1/agents/{id}/tap/rotate-key"), json!({})),
        ("POST", "/v1/agents/auth".to_owned(), json!({ "agent_id": id })),
        ("POST", "/v1/agents/auth/refresh".to_owned(), json!({ "refresh_token": "brt_0" })),
        ("POST", "/v1/oauth/device".to_owned(), json!({ "agent_id": id, "app_id": "app_mine" })),
        (
            "POST",
            "/v1/oauth/token".to_owned(),
            json!({ "grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "x" }),
        ),
        ("GET", "/v1/oauth/lookup?user_code=AAAAAA".to_owned(), Value::Null),
        ("GET", "/v1/oauth/status?user_code=AAAAAA".to_owned(), Value::Null),
        ("POST", "/v1/oauth/revoke".to_owned(), json!({ "agent_id": id, "app_id": "app_mine" })),
    ] {
        let answer = server.call(method, &path, &authorized, body.to_string()).await;
        // A session is not looked for in storage when the token is none: those routes refuse before.
        if !path.starts_with("/v1/agents/agent_") || method != "DELETE" {
            assert_eq!(refusal(&answer), (503, "STORAGE_UNAVAILABLE"), "{method} {path}");
        }
    }
    for path in ["/.well-known/jwks?app_id=app_mine", "/v1/keys?app_id=app_mine", &format!("/v1/keys/{id}")] {
        assert_eq!(refusal(&server.get(path).await), (503, "Service unavailable"), "{path}");
    }
}
