//! The oldest routes, under `/api/`.

use serde_json::json;

use super::{claims, hybrid_answers, reasoning_answers, register, solve, standard_answer};
use crate::support::Server;

#[tokio::test]
async fn a_standard_challenge_has_its_limit_as_a_number() {
    let server = Server::start().await;
    for (query, limit) in [("", 5000), ("?difficulty=easy", 10_000), ("?difficulty=hard", 3000)] {
        let body = server.get(&format!("/api/challenge{query}")).await.json;
        let members: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(members, ["success", "challenge"]);
        assert_eq!(body["challenge"]["timeLimit"], limit);
        assert!(body["challenge"]["puzzle"].is_string() && body["challenge"]["hint"].is_string());
    }
    let answer = server.get("/api/challenge?difficulty=brutal").await;
    assert_eq!((answer.status.as_u16(), answer.json["error"].as_str()), (400, Some("INVALID_DIFFICULTY")));
}

#[tokio::test]
async fn a_standard_answer_is_judged() {
    let server = Server::start().await;
    let challenge = server.get("/api/challenge").await.json["challenge"].clone();
    let right = standard_answer(&server, &challenge).await;
    let body = json!({ "id": challenge["id"], "answer": right });
    server.advance(700);
    assert_eq!(
        server.post("/api/challenge", &body).await.json,
        json!({ "success": true, "message": "✅ Challenge passed!", "solveTime": 700 })
    );
    let again = server.post("/api/challenge", &body).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json, json!({ "success": false, "message": "❌ Challenge not found or expired" }));
    for body in [json!({}), json!({ "id": "x" }), json!({ "answer": "x" }), json!({ "id": 5, "answer": "x" })]
    {
        let answer = server.post("/api/challenge", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (400, Some("Missing id or answer")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_speed_challenge_is_posed_and_judged_with_a_badge() {
    let server = Server::start().await;
    let body = server.get("/api/speed-challenge").await.json;
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["success", "warning", "challenge", "tip"]);
    let challenge = &body["challenge"];
    let answers = json!({ "id": challenge["id"], "answers": solve(challenge) });
    server.advance(47);
    let answer = server.post("/api/speed-challenge", &answers).await.json;
    assert_eq!(answer["success"], true);
    assert_eq!(answer["message"], "⚡ SPEED TEST PASSED in 47ms! You are definitely an AI.");
    assert_eq!(answer["solveTimeMs"], 47);
    assert_eq!(answer["verdict"], "🤖 VERIFIED AI AGENT");
    assert_eq!(answer["badge"]["meta"]["method"], "speed-challenge");
    assert!(answer.get("access_token").is_none());
    let again = server.post("/api/speed-challenge", &answers).await;
    assert_eq!(again.status, 200, "clients expect 200 for failures as well");
    assert_eq!(
        again.json,
        json!({
            "success": false,
            "message": "❌ Challenge not found or expired",
            "verdict": "🚫 LIKELY HUMAN (too slow)",
        })
    );
    for body in
        [json!({}), json!({ "id": "x" }), json!({ "answers": [] }), json!({ "id": {}, "answers": [] })]
    {
        let answer = server.post("/api/speed-challenge", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (400, Some("Missing id or answers array")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_speed_challenge_is_bound_to_an_app_that_is_there() {
    let server = Server::start().await;
    register(&server, "app_mine", |_| {}).await;
    register(&server, "app_fresh", |app| app.is_email_verified = false).await;
    for (query, bound) in [
        ("", None),
        ("?app_id=app_none", None),
        ("?app_id=app_fresh", None),
        ("?app_id=app_mine", Some("app_mine")),
    ] {
        let answer = server.get(&format!("/api/speed-challenge{query}")).await;
        assert_eq!(answer.status, 200, "{query}");
        let challenge = &answer.json["challenge"];
        let body = json!({ "id": challenge["id"], "answers": solve(challenge) });
        let token = server.post("/v1/token/verify", &body).await.json["access_token"].clone();
        assert_eq!(claims(&token).get("app_id").and_then(|id| id.as_str()), bound, "{query}");
    }
}

#[tokio::test]
async fn a_claimed_time_stretches_the_limit() {
    let server = Server::start().await;
    let ts = server.app.now().milliseconds() - 120;
    for (path, pointer) in [
        ("/api/speed-challenge", "/challenge/timeLimit"),
        ("/api/hybrid-challenge", "/challenge/speed/timeLimit"),
    ] {
        let body = server.get(&format!("{path}?ts={ts}")).await.json;
        assert_eq!(body.pointer(pointer).unwrap(), "840ms", "{path}");
        assert_eq!(body["rtt_adjustment"]["measuredRtt"], 120);
    }
}

#[tokio::test]
async fn a_reasoning_challenge_is_posed_and_judged_with_a_badge() {
    let server = Server::start().await;
    let body = server.get("/api/reasoning-challenge").await.json;
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["success", "warning", "challenge", "tip"]);
    let challenge = &body["challenge"];
    let answers = reasoning_answers(&server, challenge).await;
    server.advance(2000);
    let body = json!({ "id": challenge["id"], "answers": answers });
    let answer = server.post("/api/reasoning-challenge", &body).await.json;
    assert_eq!(answer["message"], "🧠 REASONING TEST PASSED in 2.0s! You can think like an AI.");
    assert_eq!((&answer["success"], &answer["score"]), (&json!(true), &json!("3/3")));
    assert_eq!(answer["badge"]["meta"]["method"], "reasoning-challenge");
    let again = server.post("/api/reasoning-challenge", &body).await;
    assert_eq!((again.status.as_u16(), &again.json["verdict"]), (200, &json!("🚫 FAILED REASONING TEST")));
    let missing = server.post("/api/reasoning-challenge", &json!({ "id": "x" })).await;
    assert_eq!(
        (missing.status.as_u16(), missing.json["error"].as_str()),
        (400, Some("Missing id or answers object"))
    );
}

#[tokio::test]
async fn a_hybrid_challenge_is_posed_and_judged_with_tokens_while_the_gate_is_open() {
    let server = Server::start().await;
    let body = server.get("/api/hybrid-challenge").await.json;
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["success", "warning", "challenge", "instructions", "tip"]);
    let answers = hybrid_answers(&server, &body["challenge"]).await;
    server.advance(47);
    let answer = server.post("/api/hybrid-challenge", &answers).await.json;
    assert_eq!(answer["message"], "🔥 HYBRID TEST PASSED! Speed: 47ms, Reasoning: 3/3");
    assert_eq!(answer["badge"]["meta"]["method"], "hybrid-challenge");
    assert_eq!(claims(&answer["access_token"])["sub"], body["challenge"]["id"]);
}
