use std::sync::Arc;

use quivive_server::botcha::apps::{RegisteredApp, RegistrationPolicy};
use quivive_server::tenant::credentials;
use serde_json::json;

use super::{solve, tokens};
use crate::support::Server;

#[tokio::test]
async fn the_hundred_and_first_challenge_is_refused() {
    let server = Server::start().await;
    for count in 1..=100 {
        let answer = server.get("/v1/token").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-limit"), "100");
        assert_eq!(answer.header("x-ratelimit-remaining"), (100 - count).to_string());
        assert_eq!(answer.header("x-ratelimit-reset"), "2026-02-15T13:00:00.000Z");
    }
    server.advance(1_000);
    let answer = server.get("/v1/token").await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), "3599");
    assert_eq!(answer.header("x-ratelimit-remaining"), "0");
    assert_eq!(
        answer.json,
        json!({
            "error": "RATE_LIMIT_EXCEEDED",
            "message": "You have exceeded the rate limit. Free tier: 100 challenges/hour/IP",
            "retryAfter": 3599,
            "resetAt": "2026-02-15T13:00:00.000Z",
        })
    );
    server.advance(3_599_000);
    assert_eq!(server.get("/v1/token").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_limit_holds_against_a_crowd() {
    let server = Arc::new(Server::start().await);
    let tasks: Vec<_> = (0..300)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move { server.get("/v1/token").await.status.as_u16() })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += u32::from(task.await.unwrap() == 200);
    }
    assert_eq!(admitted, 100);
}

#[tokio::test]
async fn naming_an_app_without_proof_uses_up_nobody_elses_share() {
    let server = Server::with(|config| config.limits.challenges_per_hour = 2).await;
    with_app(&server, "app_mine", 2).await;
    let bearer = bearer_of(&server, "app_mine", Some(SECRET)).await;
    let path = "/v1/token?app_id=app_mine";
    assert_eq!(server.get(path).await.status, 200);
    assert_eq!(server.get(path).await.status, 429, "the address is counted");
    let owner = server.call("GET", "/v1/token", &[("Authorization", &bearer)], "").await;
    assert_eq!(owner.status, 200, "the app's own share is untouched");
    assert_eq!(owner.header("x-ratelimit-remaining"), "1");
}

#[tokio::test]
async fn the_demo_app_and_an_app_without_a_share_own_no_bucket() {
    for is_compat in [false, true] {
        let server = Server::with(|config| {
            config.limits.challenges_per_hour = 2;
            config.compat.limits = is_compat;
        })
        .await;
        with_app(&server, "app_none", 0).await;
        let demo = server.app.config.botcha.internal_app_id.clone();
        let bearer = bearer_of(&server, &demo, None).await;
        let again = server.call("GET", "/v1/token", &[("Authorization", &bearer)], "").await;
        assert_eq!((again.status.as_u16(), again.header("x-ratelimit-remaining")), (200, "0"));
        assert_eq!(server.call("GET", "/v1/token", &[("Authorization", &bearer)], "").await.status, 429);
        assert_eq!(server.get("/v1/token").await.status, 429, "the address was counted");
        assert_eq!(server.get("/v1/token?app_id=app_none").await.status, 429, "0 is no way around the limit");
    }
}

async fn with_app(server: &Server, id: &str, rate_limit: u32) {
    let app = RegisteredApp {
        id: id.to_owned(),
        name: None,
        email: None,
        is_email_verified: true,
        secret_hash: Some(credentials::hash(SECRET)),
        rate_limit,
        created_at: server.app.now(),
        is_demo: false,
        registration_policy: RegistrationPolicy::Open,
        allowed_audiences: Vec::new(),
        credentials_rotated_at: None,
    };
    server.app.storage.insert(&app).await.unwrap();
}

const SECRET: &str = "sk_0123";

/// The header of a token that an app's owner, or anybody, got with one challenge, counted for the address.
async fn bearer_of(server: &Server, id: &str, secret: Option<&str>) -> String {
    let challenge = server.get(&format!("/v1/token?app_id={id}")).await.json["challenge"].clone();
    let body = json!({ "id": challenge["id"], "answers": solve(&challenge), "app_secret": secret });
    let token = server.post("/v1/token/verify", &body).await.json["access_token"].clone();
    format!("Bearer {}", token.as_str().unwrap())
}

#[tokio::test]
async fn validation_has_a_bucket_of_its_own() {
    let server = Server::with(|config| config.limits.validations_per_minute = 3).await;
    for remaining in ["2", "1", "0"] {
        let answer = server.post("/v1/token/validate", &json!({ "token": "x" })).await;
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining);
    }
    let answer = server.post("/v1/token/validate", &json!({ "token": "x" })).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.json, json!({ "valid": false, "error": "Rate limit exceeded" }));
    assert_eq!(answer.header("retry-after"), "60");
    assert_eq!(server.get("/v1/token").await.status, 200);
}

#[tokio::test]
async fn submissions_are_limited() {
    let server = Server::with(|config| config.limits.verifications_per_hour = 2).await;
    for path in ["/v1/token/verify", "/v1/token/refresh"] {
        assert_eq!(server.post(path, &json!({})).await.status, 400);
    }
    let answer = server.post("/v1/token/revoke", &json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.json["error"].as_str()), (429, Some("RATE_LIMIT_EXCEEDED")));
    assert!(answer.json.get("success").is_none());
}

#[tokio::test]
async fn zero_switches_a_limit_off() {
    let server = Server::with(|config| {
        config.limits.challenges_per_hour = 0;
        config.limits.validations_per_minute = 0;
        config.limits.verifications_per_hour = 0;
    })
    .await;
    for _ in 0..150 {
        let answer = server.get("/v1/token").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-limit"), "");
    }
    let answer = server.post("/v1/token/validate", &json!({ "token": "x" })).await;
    assert_eq!(answer.header("x-ratelimit-limit"), "");
}

#[tokio::test]
async fn other_routes_report_without_counting() {
    let server = Server::start().await;
    tokens(&server, json!({})).await;
    for path in ["/health", "/.well-known/jwks", "/nothing", "/agent-only"] {
        assert_eq!(server.get(path).await.header("x-ratelimit-remaining"), "99", "{path}");
    }
}

#[tokio::test]
async fn compat_shares_one_bucket_and_reports_on_limited_routes_alone() {
    let server = Server::compat().await;
    assert_eq!(server.get("/health").await.header("x-ratelimit-limit"), "");
    assert_eq!(server.get("/v1/token").await.header("x-ratelimit-remaining"), "99");
    let answer = server.post("/v1/token/validate", &json!({ "token": "x" })).await;
    assert_eq!(answer.header("x-ratelimit-remaining"), "98");
    assert_eq!(server.post("/v1/token/verify", &json!({})).await.header("x-ratelimit-limit"), "");
}

#[tokio::test]
async fn forwarded_addresses_count_only_from_a_trusted_proxy() {
    let limit = |config: &mut quivive_server::config::Config| config.limits.challenges_per_hour = 1;
    let direct = Server::with(limit).await;
    let from = async |server: &Server, ip: &str| {
        server.call("GET", "/v1/token", &[("X-Forwarded-For", ip)], "").await.status.as_u16()
    };
    assert_eq!(from(&direct, "192.0.2.1").await, 200);
    assert_eq!(from(&direct, "192.0.2.2").await, 429, "anybody can claim an address");

    let behind = Server::with(|config| {
        limit(config);
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
    })
    .await;
    assert_eq!(from(&behind, "192.0.2.1").await, 200);
    assert_eq!(from(&behind, "192.0.2.1, 10.1.1.1").await, 429, "the proxy's own entry is passed over");
    assert_eq!(
        from(&behind, "192.0.2.99, 192.0.2.1").await,
        429,
        "what stands left of it is the caller's claim"
    );
    assert_eq!(from(&behind, "192.0.2.2").await, 200);
    assert_eq!(from(&behind, "2001:db8::1").await, 200);
    assert_eq!(from(&behind, "2001:db8::ffff").await, 429, "one network of IPv6 is one caller");
    assert_eq!(from(&behind, "nonsense").await, 200, "then the proxy itself is counted");
}
