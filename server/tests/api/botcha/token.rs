use std::collections::HashSet;
use std::sync::Arc;

use quivive_core::Timestamp;
use serde_json::{Value, json};

use super::{claims, solve, solved, tokens};
use crate::support::{START, Server};

#[tokio::test]
async fn a_challenge_has_the_documented_form() {
    let server = Server::start().await;
    let answer = server.get("/v1/token").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = &answer.json;
    assert_eq!(body["success"], true);
    assert!(body.as_object().unwrap().contains_key("token"));
    assert_eq!(body["token"], Value::Null);
    assert_eq!(body["challenge"]["timeLimit"], "500ms");
    let problems = body["challenge"]["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 5);
    for problem in problems {
        assert!((100_000..=999_999).contains(&problem["num"].as_u64().unwrap()));
        assert_eq!(problem["operation"], "sha256_first8");
    }
    let id = body["challenge"]["id"].as_str().unwrap();
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 4);
    assert!(body["nextStep"].as_str().unwrap().contains(id));
    assert!(body.get("rtt_adjustment").is_none());
    assert!(body.get("audience").is_none());
}

#[tokio::test]
async fn a_solved_challenge_gets_every_documented_field() {
    let server = Server::start().await;
    let body = tokens(&server, json!({})).await;
    for (name, value) in [
        ("success", json!(true)),
        ("verified", json!(true)),
        ("expires_in", json!(3600)),
        ("refresh_expires_in", json!(3600)),
        ("solveTimeMs", json!(47)),
        ("token_type", json!("Bearer")),
        ("expiresIn", json!("1h")),
        ("message", json!("Challenge verified in 47ms. You are a bot.")),
    ] {
        assert_eq!(body[name], value, "{name}");
    }
    assert_eq!(body["token"], body["access_token"]);
    assert_eq!(body["human_link"], body["human_magic_link"]);
    let code = body["human_code"].as_str().unwrap();
    let symbols = code.strip_prefix("BOTCHA-").unwrap();
    assert_eq!(symbols.len(), 6);
    assert!(symbols.chars().all(|symbol| "ABCDEFGHJKLMNPQRSTUVWXYZ23456789".contains(symbol)), "{code}");
    assert!(body["human_link"].as_str().unwrap().ends_with(&format!("/go/{code}")));
    for name in ["header", "try_it", "full_docs", "refresh", "revoke"] {
        assert!(body["usage"][name].is_string(), "{name}");
    }
    let badge = &body["badge"];
    assert_eq!(
        badge["meta"],
        json!({ "method": "speed-challenge", "solveTimeMs": 47, "verifiedAt": server.app.now().to_string() })
    );
    assert_eq!(claims(&badge["id"])["sub"], "botcha-badge");
    assert!(badge["imageUrl"].as_str().unwrap().ends_with("/image"));
    for name in ["twitter", "markdown", "text"] {
        assert!(badge["share"][name].is_string(), "{name}");
    }

    let access = claims(&body["access_token"]);
    let now = server.app.now().seconds();
    assert_eq!(access["type"], "botcha-verified");
    assert_eq!(access["iss"], "botcha.ai");
    assert_eq!(access["solveTime"], 47);
    assert_eq!((access["iat"].as_i64(), access["exp"].as_i64()), (Some(now), Some(now + 3600)));
    assert!(
        access.get("aud").is_none() && access.get("client_ip").is_none() && access.get("app_id").is_none()
    );
    let refresh = claims(&body["refresh_token"]);
    assert_eq!(refresh["type"], "botcha-refresh");
    assert_eq!(refresh["sub"], access["sub"]);
    assert_ne!(refresh["jti"], access["jti"]);
}

#[tokio::test]
async fn audience_and_address_are_bound_when_asked_for() {
    let server = Server::start().await;
    let body = tokens(&server, json!({ "audience": "https://api.example.com", "bind_ip": true })).await;
    let access = claims(&body["access_token"]);
    assert_eq!(access["aud"], "https://api.example.com");
    assert_eq!(access["client_ip"], "127.0.0.1");
    let refresh = claims(&body["refresh_token"]);
    assert!(refresh.get("aud").is_none() && refresh.get("client_ip").is_none());
}

#[tokio::test]
async fn the_audience_of_a_challenge_is_only_repeated() {
    let server = Server::start().await;
    let answer = server.get("/v1/token?audience=https%3A%2F%2Fapi.example.com").await;
    assert_eq!(answer.json["audience"], "https://api.example.com");
    assert!(answer.json["nextStep"].as_str().unwrap().contains("https://api.example.com"));
    let long = server.get(&format!("/v1/token?audience={}", "a".repeat(513))).await;
    assert_eq!((long.status.as_u16(), long.json["error"].as_str()), (400, Some("INVALID_REQUEST")));
}

#[tokio::test]
async fn the_limit_allows_for_a_claimed_round_trip() {
    for (server, cap) in [(Server::start().await, 1000), (Server::compat().await, 5000)] {
        let now = START * 1000;
        for (ts, rtt) in [
            (now.to_string(), Some(0)),
            ((now - 100).to_string(), Some(100)),
            ((now - 9000).to_string(), Some(cap)),
            ((now - 30_001).to_string(), None),
            ((now + 1).to_string(), None),
            ("0".to_owned(), None),
            ("-5".to_owned(), None),
            ("soon".to_owned(), None),
            (format!("{}abc", now - 100), Some(100)),
        ] {
            let answer = server.get(&format!("/v1/token?ts={ts}")).await;
            let limit = rtt.map_or(500, |rtt| 600 + 2 * rtt);
            assert_eq!(answer.json["challenge"]["timeLimit"], format!("{limit}ms"), "{ts}");
            let adjustment = &answer.json["rtt_adjustment"];
            match rtt {
                Some(rtt) => {
                    assert_eq!(adjustment["measuredRtt"], rtt);
                    assert_eq!(adjustment["adjustedTimeout"], limit);
                    assert!(adjustment["explanation"].is_string());
                }
                None => assert_eq!(*adjustment, Value::Null, "{ts}"),
            }
        }
        let header = [("x-client-timestamp", (now - 100).to_string())];
        let header: Vec<_> = header.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = server.call("GET", "/v1/token", &header, "").await;
        assert_eq!(answer.json["challenge"]["timeLimit"], "800ms");
        let answer = server.call("GET", &format!("/v1/token?ts={now}"), &header, "").await;
        assert_eq!(answer.json["challenge"]["timeLimit"], "600ms", "the query wins");
    }
}

#[tokio::test]
async fn a_challenge_is_in_time_until_its_grace_ends() {
    let server = Server::start().await;
    for (wait, status) in [(0, 200), (549, 200), (550, 200), (551, 403)] {
        let body = solved(&server, "").await;
        server.advance(wait);
        let answer = server.post("/v1/token/verify", &body).await;
        assert_eq!(answer.status, status, "after {wait} ms");
        if status == 403 {
            assert_eq!(answer.json["error"], "CHALLENGE_FAILED");
            assert_eq!(answer.json["message"], "Too slow! Took 551ms, limit was 500ms");
            assert!(answer.json.get("solveTimeMs").is_none());
        }
    }
}

#[tokio::test]
async fn a_challenge_is_gone_after_one_attempt_and_after_five_minutes() {
    let server = Server::start().await;
    let right = solved(&server, "").await;
    assert_eq!(server.post("/v1/token/verify", &right).await.status, 200);
    let again = server.post("/v1/token/verify", &right).await;
    assert_eq!(again.status, 403);
    assert_eq!(again.json["message"], "Challenge not found or expired");

    let mut wrong = solved(&server, "").await;
    let answers = wrong["answers"].take();
    wrong["answers"] = json!(["0", "0", "0", "0", "0"]);
    assert_eq!(server.post("/v1/token/verify", &wrong).await.json["message"], "Wrong answer for challenge 1");
    wrong["answers"] = answers;
    assert_eq!(server.post("/v1/token/verify", &wrong).await.status, 403);

    let late = solved(&server, "").await;
    server.advance(300_001);
    assert_eq!(
        server.post("/v1/token/verify", &late).await.json["message"],
        "Challenge not found or expired"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_concurrent_submissions_give_exactly_one_token() {
    let server = Arc::new(Server::start().await);
    let body = solved(&server, "").await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (server, body) = (server.clone(), body.clone());
            tokio::spawn(async move { server.post("/v1/token/verify", &body).await })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap().status.as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 49);
}

#[tokio::test]
async fn answers_are_judged_whatever_their_types() {
    let server = Server::start().await;
    let exactly = "Must provide exactly 5 answers as array";
    for (answers, message) in [
        (json!("73475cb4"), exactly),
        (json!({}), exactly),
        (json!(5), exactly),
        (json!(["a", "b"]), exactly),
        (json!(["a", "b", "c", "d", "e", "f"]), exactly),
        (json!([null, null, null, null, null]), "Wrong answer for challenge 1"),
        (json!([1, 2, 3, 4, 5]), "Wrong answer for challenge 1"),
        (json!([{}, [], true, "x", 0]), "Wrong answer for challenge 1"),
    ] {
        let mut body = solved(&server, "").await;
        body["answers"] = answers.clone();
        let answer = server.post("/v1/token/verify", &body).await;
        assert_eq!(answer.status, 403, "{answers}");
        assert_eq!(answer.json["message"], message, "{answers}");
    }
    let mut body = solved(&server, "").await;
    let upper: Vec<String> = body["answers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| answer.as_str().unwrap().to_uppercase())
        .collect();
    body["answers"] = json!(upper);
    assert_eq!(server.post("/v1/token/verify", &body).await.status, 200);
}

#[tokio::test]
async fn missing_members_and_wrong_types_are_named() {
    let server = Server::start().await;
    for body in [
        json!({}),
        json!([]),
        json!("text"),
        json!({ "id": "x" }),
        json!({ "answers": [] }),
        json!({ "id": 5, "answers": [] }),
        json!({ "id": "x", "answers": null }),
    ] {
        let answer = server.post("/v1/token/verify", &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json["success"], false);
        assert_eq!(answer.json["error"], "Missing id or answers array", "{body}");
        assert!(answer.json["hint"].is_string());
    }
    for (name, value) in [
        ("audience", json!(5)),
        ("bind_ip", json!("yes")),
        ("app_id", json!({})),
        ("audience", json!("a".repeat(513))),
    ] {
        let mut body = solved(&server, "").await;
        body[name] = value;
        let answer = server.post("/v1/token/verify", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (400, Some("INVALID_REQUEST")),
            "{name}"
        );
        assert!(answer.json["message"].as_str().unwrap().contains(name));
    }
}

#[tokio::test]
async fn an_app_is_bound_by_the_challenge_alone() {
    let server = Server::start().await;
    let demo = server.app.config.botcha.internal_app_id.clone();

    let mut body = solved(&server, "").await;
    body["app_id"] = json!(demo);
    let answer = server.post("/v1/token/verify", &body).await;
    assert_eq!((answer.status.as_u16(), answer.json["error"].as_str()), (400, Some("APP_ID_NOT_ALLOWED")));

    let mut body = solved(&server, &format!("?app_id={demo}")).await;
    body["app_id"] = json!("app_other");
    let answer = server.post("/v1/token/verify", &body).await;
    assert_eq!((answer.status.as_u16(), answer.json["error"].as_str()), (403, Some("APP_ID_MISMATCH")));

    let body = solved(&server, &format!("?app_id={demo}")).await;
    let answer = server.post("/v1/token/verify", &body).await;
    assert_eq!(claims(&answer.json["access_token"])["app_id"], json!(demo));
    assert_eq!(claims(&answer.json["refresh_token"])["app_id"], json!(demo));
}

#[tokio::test]
async fn ids_of_challenges_and_tokens_never_repeat() {
    let server = Server::start().await;
    let mut seen = HashSet::new();
    for _ in 0..20 {
        let body = tokens(&server, json!({})).await;
        for id in [claims(&body["access_token"]), claims(&body["refresh_token"])] {
            assert!(seen.insert(id["jti"].clone()));
        }
        assert!(seen.insert(claims(&body["access_token"])["sub"].clone()));
        assert!(seen.insert(body["human_code"].clone()));
    }
}

#[tokio::test]
async fn a_refresh_token_is_stored_before_the_answer() {
    use quivive_server::botcha::issue::StoredRefresh;
    let server = Server::start().await;
    let body = tokens(&server, json!({ "audience": "a" })).await;
    let refresh = claims(&body["refresh_token"]);
    let stored =
        server.app.storage.get::<StoredRefresh>(refresh["jti"].as_str().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.audience.as_deref(), Some("a"));
    assert_eq!(
        stored.ends_at,
        Timestamp::from_seconds(refresh["exp"].as_i64().unwrap())
            .plus_milliseconds(stored.ends_at.milliseconds().rem_euclid(1000))
    );
}

#[tokio::test]
async fn challenges_are_solved_by_the_same_rule_everywhere() {
    assert_eq!(solve(&json!({ "problems": [{ "num": 42 }] })), ["73475cb4"]);
}
