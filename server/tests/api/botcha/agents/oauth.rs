use serde_json::{Value, json};

use super::{
    actions, agent, app_token, begin_grant, decide, get_as, poll, refusal, secret, send, session, with_app,
};
use crate::botcha::claims;
use crate::support::{Answer, Server};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

async fn exchange(server: &Server, body: Value) -> Answer {
    let answer = server.post("/v1/oauth/token", &body).await;
    if answer.status == 400 {
        assert!(answer.json["error_description"].is_string(), "{}", answer.json);
    }
    answer
}

#[tokio::test]
async fn an_approved_grant_gives_tokens_once() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    assert!(grant["device_code"].as_str().unwrap().starts_with("oauthdev_"));
    let user_code = grant["user_code"].as_str().unwrap();
    let symbols = user_code.strip_prefix("BOTCHA-").unwrap();
    assert!(symbols.len() == 6 && symbols.chars().all(|one| "23456789ABCDEFGHJKMNPQRSTUVWXYZ".contains(one)));
    assert_eq!((&grant["expires_in"], &grant["interval"]), (&json!(600), &json!(5)));
    assert_eq!(grant["verification_uri"], grant["verification_url"]);
    assert!(grant["verification_uri"].as_str().unwrap().ends_with("/device"));
    assert!(
        grant["verification_uri_complete"].as_str().unwrap().ends_with(&format!("/device?code={user_code}"))
    );
    assert!(grant["message"].is_string());

    assert_eq!(refusal(&poll(&server, &grant).await), (400, "authorization_pending"));
    let status = format!("/v1/oauth/status?user_code={user_code}");
    assert_eq!(server.get(&status).await.json, json!({ "status": "pending" }));
    let approved = decide(&server, &session(&server, "app_mine").await, &grant, "approve").await;
    assert_eq!(approved.json, json!({ "success": true, "status": "approved", "agent_id": id }));
    assert_eq!(server.get(&status).await.json, json!({ "status": "approved" }));
    let answer = poll(&server, &grant).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    assert_eq!(answer.header("cache-control"), "no-store");
    for (name, value) in [
        ("token_type", json!("Bearer")),
        ("expires_in", json!(3600)),
        ("agent_id", json!(id)),
        ("app_id", json!("app_mine")),
    ] {
        assert_eq!(answer.json[name], value, "{name}");
    }
    let refresh_token = answer.json["refresh_token"].as_str().unwrap();
    assert!(refresh_token.strip_prefix("brt_").is_some_and(|hex| hex.len() == 32), "{refresh_token}");
    assert_eq!(claims(&answer.json["access_token"])["type"], "botcha-agent-identity");
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "expired_token"));
    assert_eq!(server.get(&status).await.json, json!({ "status": "consumed" }));
    assert!(actions(&server, "app_mine").await.contains(&"agent.grant_approved".to_owned()));
}

#[tokio::test]
async fn a_denied_grant_gives_nothing() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    let owner = session(&server, "app_mine").await;
    let denied = decide(&server, &owner, &grant, "deny").await;
    assert_eq!(denied.json["status"], "denied");
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "access_denied"));
    assert_eq!(refusal(&decide(&server, &owner, &grant, "approve").await), (400, "Already processed"));
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "access_denied"));
    server.advance(300_000);
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "expired_token"));
}

#[tokio::test]
async fn whoever_polls_too_often_is_slowed_down() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "authorization_pending"));
    server.advance(4_999);
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "slow_down"));
    server.advance(1);
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "authorization_pending"));
    server.advance(600_000);
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "expired_token"));
}

#[tokio::test]
async fn forms_are_read_as_well_as_json() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let begun =
        server.call("POST", "/v1/oauth/device", &[FORM], format!("agent_id={id}&app_id=app_mine")).await;
    assert_eq!(begun.status, 200, "{}", begun.json);
    let code = begun.json["device_code"].as_str().unwrap();
    let body =
        format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code={code}");
    let pending = server.call("POST", "/v1/oauth/token", &[FORM], body.clone()).await;
    assert_eq!(refusal(&pending), (400, "authorization_pending"));
    let owner = session(&server, "app_mine").await;
    let user_code = begun.json["user_code"].as_str().unwrap().to_lowercase();
    let form = format!("user_code={user_code}&action=approve");
    let approved = server.call("POST", "/v1/oauth/approve", &[FORM, ("Authorization", &owner)], form).await;
    assert_eq!(approved.status, 200, "{}", approved.json);
    let answer = server.call("POST", "/v1/oauth/token", &[FORM], body).await;
    assert_eq!(answer.status, 200);
    let refresh =
        format!("grant_type=refresh_token&refresh_token={}", answer.json["refresh_token"].as_str().unwrap());
    assert_eq!(server.call("POST", "/v1/oauth/token", &[FORM], refresh).await.status, 200);
    let twice = server.call("POST", "/v1/oauth/token", &[FORM], "grant_type=a&grant_type=b").await;
    assert_eq!(refusal(&twice), (400, "invalid_request"));
    // Command-line tools call JSON a form unless told otherwise.
    let json = json!({ "agent_id": id, "app_id": "app_mine" }).to_string();
    assert_eq!(server.call("POST", "/v1/oauth/device", &[FORM], json).await.status, 200);
}

#[tokio::test]
async fn each_documented_error_of_asking_is_answered() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_other").await;
    let id = agent(&server, "app_mine", "a").await;
    for body in [
        json!({}),
        json!({ "agent_id": id }),
        json!({ "app_id": "app_mine" }),
        json!({ "agent_id": 1, "app_id": 2 }),
    ] {
        let answer = server.post("/v1/oauth/device", &body).await;
        assert_eq!(refusal(&answer), (400, "invalid_request"), "{body}");
        assert!(answer.json["error_description"].is_string());
    }
    let ask = async |agent: &str, app: &str| {
        server.post("/v1/oauth/device", &json!({ "agent_id": agent, "app_id": app })).await
    };
    assert_eq!(refusal(&ask("agent_none", "app_mine").await), (404, "invalid_client"));
    assert_eq!(refusal(&ask(&id, "app_other").await), (403, "invalid_client"));
    assert_eq!(server.call("POST", "/v1/oauth/device", &[], "x".repeat(70_000)).await.status, 413);
    for _ in 0..14 {
        ask(&id, "app_mine").await;
    }
    assert_eq!(refusal(&ask(&id, "app_mine").await), (429, "RATE_LIMIT_EXCEEDED"));
}

#[tokio::test]
async fn each_documented_error_of_exchanging_is_answered() {
    let server = Server::start().await;
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    for (body, code) in [
        (json!({}), "invalid_request"),
        (json!({ "grant_type": device }), "invalid_request"),
        (json!({ "grant_type": "refresh_token" }), "invalid_request"),
        (json!({ "grant_type": "password" }), "unsupported_grant_type"),
        (json!({ "grant_type": device, "device_code": "oauthdev_none" }), "expired_token"),
        (json!({ "grant_type": "refresh_token", "refresh_token": "brt_0" }), "invalid_grant"),
        (json!({ "grant_type": "refresh_token", "refresh_token": "x" }), "invalid_grant"),
        (json!({ "grant_type": [], "device_code": {} }), "invalid_request"),
    ] {
        assert_eq!(refusal(&exchange(&server, body.clone()).await), (400, code), "{body}");
    }
    assert_eq!(refusal(&server.call("POST", "/v1/oauth/token", &[], "{not").await), (400, "invalid_request"));
    assert_eq!(server.call("POST", "/v1/oauth/token", &[], "x".repeat(70_000)).await.status, 413);
    for _ in 0..51 {
        exchange(&server, json!({})).await;
    }
    for path in ["/v1/oauth/token", "/v1/oauth/revoke"] {
        assert_eq!(refusal(&server.post(path, &json!({})).await), (429, "RATE_LIMIT_EXCEEDED"), "{path}");
    }
    assert_eq!(refusal(&server.get("/v1/oauth/status?user_code=A").await), (429, "RATE_LIMIT_EXCEEDED"));
    server.advance(60_000);
    assert_eq!(exchange(&server, json!({})).await.status, 400);
}

#[tokio::test]
async fn looking_up_shows_who_asks() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let body = json!({ "name": "a", "operator": "my-company", "app_id": "app_mine", "app_secret": secret("app_mine") });
    let id = server.post("/v1/agents/register", &body).await.json["agent_id"].as_str().unwrap().to_owned();
    let grant = begin_grant(&server, "app_mine", &id).await;
    let code = grant["user_code"].as_str().unwrap();
    for spelling in [code.to_owned(), code.to_lowercase(), code.trim_start_matches("BOTCHA-").to_owned()] {
        let answer = server.get(&format!("/v1/oauth/lookup?user_code={spelling}")).await;
        assert_eq!(
            answer.json,
            json!({ "success": true, "agent_id": id, "name": "a", "operator": "my-company" }),
            "{spelling}"
        );
    }
    for path in [
        "/v1/oauth/lookup",
        "/v1/oauth/lookup?user_code=",
        "/v1/oauth/status",
        "/v1/oauth/status?user_code=%20",
    ] {
        assert_eq!(refusal(&server.get(path).await), (400, "user_code required"), "{path}");
    }
    for code in ["BOTCHA-AAAAAA", "x", "%00", "BOTCHA-AAAAAAA"] {
        let answer = server.get(&format!("/v1/oauth/lookup?user_code={code}")).await;
        assert_eq!(
            (refusal(&answer), &answer.json["success"]),
            ((404, "Code not found or expired"), &json!(false))
        );
        let status = server.get(&format!("/v1/oauth/status?user_code={code}")).await;
        assert_eq!(status.json, json!({ "status": "consumed" }));
    }
    for _ in 0..21 {
        server.get("/v1/oauth/lookup?user_code=AAAAAA").await;
    }
    assert_eq!(refusal(&server.get("/v1/oauth/lookup?user_code=AAAAAA").await), (429, "RATE_LIMIT_EXCEEDED"));
    let answer =
        server.post("/v1/oauth/approve", &json!({ "user_code": "AAAAAA", "action": "approve" })).await;
    assert_eq!(refusal(&answer), (429, "RATE_LIMIT_EXCEEDED"), "guessing codes is counted together");
}

#[tokio::test]
async fn each_documented_error_of_deciding_is_answered() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    let owner = session(&server, "app_mine").await;
    let header = [("Authorization", owner.as_str())];
    let approve = async |body: Value| send(&server, "/v1/oauth/approve", &header, &body).await;
    assert_eq!(refusal(&approve(json!({ "action": "approve" })).await), (400, "user_code required"));
    let code = &grant["user_code"];
    for body in [
        json!({ "user_code": code }),
        json!({ "user_code": code, "action": "yes" }),
        json!({ "user_code": code, "action": 1 }),
    ] {
        assert_eq!(refusal(&approve(body).await), (400, "action must be approve or deny"));
    }
    let unknown = approve(json!({ "user_code": "BOTCHA-AAAAAA", "action": "approve" })).await;
    assert_eq!(refusal(&unknown), (404, "Code not found or expired"));
    assert_eq!(server.call("POST", "/v1/oauth/approve", &header, "x".repeat(70_000)).await.status, 413);
    let approved = approve(json!({ "user_code": code, "action": "approve" })).await;
    assert_eq!(approved.status, 200);
    assert_eq!(
        refusal(&approve(json!({ "user_code": code, "action": "deny" })).await),
        (400, "Already processed")
    );
    server.advance(300_000);
    let gone = approve(json!({ "user_code": code, "action": "approve" })).await;
    assert_eq!(refusal(&gone), (404, "Device authorization expired"));
}

#[tokio::test]
async fn each_documented_error_of_revoking_is_answered() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_other").await;
    let id = agent(&server, "app_mine", "a").await;
    let revoke =
        async |headers: &[(&str, &str)], body: Value| send(&server, "/v1/oauth/revoke", headers, &body).await;
    assert_eq!(revoke(&[], json!({ "agent_id": id })).await.status, 400);
    assert_eq!(revoke(&[], json!({ "app_id": "app_mine" })).await.status, 400);
    let body = json!({ "agent_id": id, "app_id": "app_mine" });
    assert_eq!(revoke(&[], body.clone()).await.status, 401);
    let token = app_token(&server, "app_mine").await;
    assert_eq!(revoke(&[("Authorization", &token)], body.clone()).await.status, 401);
    assert_eq!(revoke(&[("X-App-Secret", "sk_app_other")], body.clone()).await.status, 401);
    let other = json!({ "agent_id": id, "app_id": "app_other" });
    assert_eq!(refusal(&revoke(&[("X-App-Secret", "sk_app_other")], other).await), (403, "Unauthorized"));
    let unknown = json!({ "agent_id": "agent_none", "app_id": "app_mine" });
    assert_eq!(refusal(&revoke(&[("X-App-Secret", "sk_app_mine")], unknown).await), (404, "Agent not found"));
    assert_eq!(revoke(&[("X-App-Secret", "sk_app_mine")], body).await.status, 200);
    assert!(actions(&server, "app_mine").await.contains(&"agent.logins_revoked".to_owned()));
    assert_eq!(server.call("POST", "/v1/oauth/revoke", &[], "x".repeat(70_000)).await.status, 413);
}

#[tokio::test]
async fn revoking_ends_open_grants_and_tokens_but_not_what_comes_after() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let owner = session(&server, "app_mine").await;
    let pending = begin_grant(&server, "app_mine", &id).await;
    let approved = begin_grant(&server, "app_mine", &id).await;
    decide(&server, &owner, &approved, "approve").await;
    let token = super::granted(&server, "app_mine", &id).await["access_token"].as_str().unwrap().to_owned();
    server.advance(1000);
    let body = json!({ "agent_id": id, "app_id": "app_mine" });
    assert_eq!(send(&server, "/v1/oauth/revoke", &[("Authorization", &owner)], &body).await.status, 200);
    for grant in [&pending, &approved] {
        assert_eq!(refusal(&poll(&server, grant).await), (400, "expired_token"));
        assert_eq!(
            refusal(&decide(&server, &owner, grant, "approve").await),
            (404, "Device authorization expired")
        );
    }
    let me = get_as(&server, "/v1/agents/me", &format!("Bearer {token}")).await;
    assert_eq!(refusal(&me), (401, "INVALID_TOKEN"));
    let later = super::granted(&server, "app_mine", &id).await;
    let bearer = format!("Bearer {}", later["access_token"].as_str().unwrap());
    assert_eq!(get_as(&server, "/v1/agents/me", &bearer).await.status, 200);
}
