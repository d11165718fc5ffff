use serde_json::{Value, json};

use super::{forged, solved, tokens};
use crate::support::{Answer, Server};

async fn with_bearer(server: &Server, credential: &str) -> Answer {
    server.call("GET", "/agent-only", &[("Authorization", credential)], "").await
}

fn refusal(answer: &Answer) -> (u16, &str, &str) {
    let text = |name: &str| answer.json[name].as_str().unwrap_or_default();
    assert!(answer.json.get("success").is_none(), "the bare form");
    (answer.status.as_u16(), text("error"), text("message"))
}

#[tokio::test]
async fn a_token_opens_the_route() {
    let server = Server::start().await;
    let body = tokens(&server, json!({})).await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let answer =
            with_bearer(&server, &format!("{scheme} {}", body["access_token"].as_str().unwrap())).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        assert_eq!(answer.json["success"], true);
        assert_eq!(answer.json["verified"], true);
        assert_eq!(answer.json["method"], "bearer-token");
        let identity = &answer.json["identity"];
        assert_eq!(identity["token_type"], "botcha-verified");
        assert_eq!(identity["solve_time_ms"], 47);
        for name in ["app_id", "audience", "client_ip"] {
            assert_eq!(identity[name], Value::Null, "{name}");
            assert!(identity.as_object().unwrap().contains_key(name));
        }
        assert!(identity["issued_at"].as_str().unwrap().ends_with(".000Z"));
        assert_eq!(answer.json["capabilities"]["next_steps"].as_array().unwrap().len(), 4);
        assert!(answer.json["secret"].is_string());
    }
}

#[tokio::test]
async fn without_a_token_the_way_in_is_shown() {
    let server = Server::start().await;
    for headers in [
        &[][..],
        &[("Authorization", "Basic abc")],
        &[("Authorization", "Bearer")],
        &[("X-Botcha-Landing-Token", "abc")],
    ] {
        let answer = server.call("GET", "/agent-only", headers, "").await;
        assert_eq!((answer.status.as_u16(), answer.json["error"].as_str()), (401, Some("UNAUTHORIZED")));
        for step in ["step1", "step2", "step3"] {
            assert!(answer.json["how_to_verify"][step].is_string());
        }
        assert!(answer.json["alternative"].is_string());
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn bad_tokens_are_refused_with_their_texts() {
    let server = Server::start().await;
    let body = tokens(&server, json!({})).await;
    let refresh = format!("Bearer {}", body["refresh_token"].as_str().unwrap());
    assert_eq!(refusal(&with_bearer(&server, &refresh).await), (401, "INVALID_TOKEN", "Invalid token type"));
    let forged = format!("Bearer {}", forged(&body["access_token"], 2));
    assert_eq!(refusal(&with_bearer(&server, &forged).await), (401, "INVALID_TOKEN", "Invalid signature"));
    let unreadable = with_bearer(&server, "Bearer x").await;
    assert_eq!(refusal(&unreadable), (401, "INVALID_TOKEN", "Invalid token"));
    assert_eq!(unreadable.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    server.advance(3_600_000);
    let old = format!("Bearer {}", body["access_token"].as_str().unwrap());
    assert_eq!(refusal(&with_bearer(&server, &old).await), (401, "INVALID_TOKEN", "Token expired"));
}

#[tokio::test]
async fn a_bound_token_works_from_its_address_alone() {
    let server = Server::with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let bearer = format!(
        "Bearer {}",
        tokens(&server, json!({ "bind_ip": true })).await["access_token"].as_str().unwrap()
    );
    assert_eq!(with_bearer(&server, &bearer).await.status, 200);
    let elsewhere = [("Authorization", bearer.as_str()), ("X-Forwarded-For", "192.0.2.9")];
    let answer = server.call("GET", "/agent-only", &elsewhere, "").await;
    assert_eq!(refusal(&answer), (401, "INVALID_TOKEN", "Client IP mismatch"));

    let direct = Server::start().await;
    let bearer = format!(
        "Bearer {}",
        tokens(&direct, json!({ "bind_ip": true })).await["access_token"].as_str().unwrap()
    );
    let claimed = [
        ("Authorization", bearer.as_str()),
        ("X-Forwarded-For", "192.0.2.9"),
        ("CF-Connecting-IP", "192.0.2.9"),
    ];
    assert_eq!(
        direct.call("GET", "/agent-only", &claimed, "").await.status,
        200,
        "nobody may claim an address"
    );
}

#[tokio::test]
async fn our_own_audience_is_demanded_when_configured() {
    let server = Server::with(|config| config.tokens.self_audience = Some("door".to_owned())).await;
    let of = async |more: Value| {
        format!("Bearer {}", tokens(&server, more).await["access_token"].as_str().unwrap())
    };
    assert_eq!(with_bearer(&server, &of(json!({ "audience": "door" })).await).await.status, 200);
    let other = with_bearer(&server, &of(json!({})).await).await;
    assert_eq!(refusal(&other), (401, "INVALID_TOKEN", "Invalid audience claim"));
}

#[tokio::test]
async fn an_answered_challenge_opens_the_route_once() {
    let server = Server::start().await;
    for (id, answers) in [("X-Botcha-Challenge-Id", "X-Botcha-Answers"), ("X-Botcha-Id", "X-Botcha-Solution")]
    {
        let body = solved(&server, "").await;
        let answer = body["answers"].to_string();
        let headers = [(id, body["id"].as_str().unwrap()), (answers, answer.as_str())];
        server.advance(20);
        let first = server.call("GET", "/agent-only", &headers, "").await;
        assert_eq!(first.status, 200, "{}", first.json);
        assert_eq!(first.json["method"], "challenge");
        assert_eq!(first.json["agent"], "speed-challenge-verified (20ms)");
        assert_eq!(server.call("GET", "/agent-only", &headers, "").await.status, 401);
    }
}
