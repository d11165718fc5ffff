//! Hybrid challenges: both parts at once, or in two steps.

use serde_json::{Value, json};

use super::{claims, hybrid_answers, register};
use crate::support::{Answer, Server};

async fn posed(server: &Server) -> Value {
    let answer = server.get("/v1/hybrid").await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json["challenge"].clone()
}

async fn step(server: &Server, challenge: &Value, name: &str, answers: &Value) -> Answer {
    let path = format!("/v1/challenges/{}/verify", challenge["id"].as_str().unwrap());
    server.post(&path, &json!({ "type": "hybrid", name: answers[name] })).await
}

#[tokio::test]
async fn a_challenge_has_the_documented_form() {
    let server = Server::start().await;
    let body = server.get("/v1/hybrid").await.json;
    assert_eq!((&body["success"], &body["type"]), (&json!(true), &json!("hybrid")));
    assert_eq!(body["verify_endpoint"], "/v1/hybrid");
    assert!(body["verify_url"].as_str().unwrap().ends_with("/v1/hybrid"));
    assert_eq!(body["submit_body"]["id"], body["challenge"]["id"]);
    assert!(body["submit_body"]["speed_answers"].is_array());
    assert!(body["submit_body"]["reasoning_answers"].is_object());
}

#[tokio::test]
async fn right_answers_pass_with_badge_and_tokens_on_both_routes() {
    let server = Server::start().await;
    for own_route in [true, false] {
        let challenge = posed(&server).await;
        let answers = hybrid_answers(&server, &challenge).await;
        server.advance(47);
        let path = if own_route {
            "/v1/hybrid".to_owned()
        } else {
            format!("/v1/challenges/{}/verify", challenge["id"].as_str().unwrap())
        };
        let answer = server.post(&path, &answers).await;
        assert_eq!(answer.status, 200);
        let body = &answer.json;
        assert_eq!(body["success"], true, "{body}");
        assert_eq!(body["message"], "🔥 HYBRID TEST PASSED! Speed: 47ms, Reasoning: 3/3");
        assert_eq!(body["verdict"], "🤖 VERIFIED AI AGENT (speed + reasoning confirmed)");
        assert_eq!(body["speed"], json!({ "passed": true, "valid": true, "solveTimeMs": 47 }));
        assert_eq!(
            body["reasoning"],
            json!({ "passed": true, "valid": true, "score": "3/3", "solveTimeMs": 47 })
        );
        assert_eq!(body["totalTimeMs"], 47);
        assert_eq!(body["badge"]["meta"]["method"], "hybrid-challenge");
        let access = claims(&body["access_token"]);
        assert_eq!((&access["sub"], &access["solveTime"]), (&challenge["id"], &json!(47)));
        assert_eq!(claims(&body["refresh_token"])["sub"], challenge["id"]);
        assert_eq!(body["token"], body["access_token"]);
        for name in ["human_link", "human_code", "human_instruction"] {
            assert!(body[name].is_string(), "{name}");
        }
        let again = server.post(&path, &answers).await.json;
        assert_eq!(again["message"], "❌ Failed: Hybrid challenge not found or expired");
    }
}

#[tokio::test]
async fn what_failed_is_named_and_both_parts_are_judged() {
    let server = Server::start().await;
    for (speed, natural, reason) in [
        (false, true, "Failed: speed"),
        (true, false, "Failed: reasoning"),
        (false, false, "Failed: speed + reasoning"),
    ] {
        let challenge = posed(&server).await;
        let mut answers = hybrid_answers(&server, &challenge).await;
        if !speed {
            answers["speed_answers"][4] = json!("00000000");
        }
        if !natural {
            answers["reasoning_answers"] = json!({});
        }
        server.advance(20);
        let answer = server.post("/v1/hybrid", &answers).await;
        assert_eq!(answer.status, 200);
        let body = &answer.json;
        assert_eq!(body["message"], format!("❌ Failed: {reason}"));
        assert_eq!(body["verdict"], "🚫 FAILED HYBRID TEST");
        assert_eq!(body["success"], false);
        for (name, passed) in [("speed", speed), ("reasoning", natural)] {
            assert_eq!(body[name]["passed"], passed, "{name}");
            assert_eq!(body[name]["valid"], passed, "{name}");
            assert_eq!(body[name]["reason"].is_string(), !passed, "{name}");
        }
        assert_eq!(body["totalTimeMs"], 20);
        for name in ["access_token", "refresh_token", "token", "badge", "human_code"] {
            assert!(body.get(name).is_none(), "{name}");
        }
    }
}

#[tokio::test]
async fn unknown_and_late_ones_have_their_own_reasons() {
    let server = Server::start().await;
    let unknown = json!({ "id": "x", "speed_answers": [], "reasoning_answers": {} });
    let part = json!({ "passed": false, "valid": false, "reason": "Challenge not found" });
    for path in ["/v1/hybrid", "/v1/challenges/x/verify", "/api/hybrid-challenge"] {
        assert_eq!(
            server.post(path, &unknown).await.json,
            json!({
                "success": false,
                "message": "❌ Failed: Hybrid challenge not found or expired",
                "speed": part,
                "reasoning": part,
                "verdict": "🚫 FAILED HYBRID TEST",
            }),
            "{path}"
        );
    }
    let challenge = posed(&server).await;
    let answers = hybrid_answers(&server, &challenge).await;
    server.advance(35_001);
    let late = server.post("/v1/hybrid", &answers).await.json;
    assert_eq!(late["message"], "❌ Failed: Hybrid challenge expired");
    assert_eq!(late["speed"]["reason"], "Expired");
    assert_eq!(late["totalTimeMs"], 35_001);
}

#[tokio::test]
async fn missing_members_are_named() {
    let server = Server::start().await;
    let whole = json!({ "id": "x", "speed_answers": [], "reasoning_answers": {} });
    for path in ["/v1/hybrid", "/api/hybrid-challenge"] {
        for name in ["id", "speed_answers", "reasoning_answers"] {
            let mut body = whole.clone();
            body.as_object_mut().unwrap().remove(name);
            let answer = server.post(path, &body).await;
            assert_eq!(
                (answer.status.as_u16(), answer.json["error"].as_str()),
                (400, Some("Missing id, speed_answers array, or reasoning_answers object")),
                "{path} {name}"
            );
            assert!(answer.json["hint"].is_string());
        }
    }
}

#[tokio::test]
async fn two_steps_leave_the_whole_time_for_the_questions() {
    let server = Server::start().await;
    let challenge = posed(&server).await;
    let answers = hybrid_answers(&server, &challenge).await;
    server.advance(47);
    let first = step(&server, &challenge, "speed_answers", &answers).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.json["success"], false);
    assert_eq!(first.json["pending"], "reasoning");
    assert_eq!(first.json["speed"], json!({ "passed": true, "valid": true, "solveTimeMs": 47 }));
    assert_eq!(first.json["expires_in_ms"], 34_953);
    assert!(first.json.get("access_token").is_none() && first.json.get("reasoning").is_none());
    server.advance(20_000);
    let second = step(&server, &challenge, "reasoning_answers", &answers).await;
    assert_eq!(second.json["success"], true, "{}", second.json);
    assert_eq!(second.json["speed"]["solveTimeMs"], 47);
    assert_eq!(second.json["reasoning"]["score"], "3/3");
    assert_eq!(second.json["totalTimeMs"], 20_047);
    assert_eq!(claims(&second.json["access_token"])["solveTime"], 47);
    let third = step(&server, &challenge, "reasoning_answers", &answers).await;
    assert_eq!(third.json["message"], "❌ Failed: Hybrid challenge not found or expired");
}

#[tokio::test]
async fn the_first_judgement_of_the_speed_part_stands() {
    let server = Server::start().await;
    let challenge = posed(&server).await;
    let answers = hybrid_answers(&server, &challenge).await;
    let wrong = json!({ "speed_answers": ["0", "0", "0", "0", "0"] });
    let first = step(&server, &challenge, "speed_answers", &wrong).await;
    assert_eq!(
        (&first.json["pending"], &first.json["speed"]["passed"]),
        (&json!("reasoning"), &json!(false))
    );
    let second = step(&server, &challenge, "speed_answers", &answers).await;
    assert_eq!(second.json["speed"]["passed"], false, "there is one attempt at each part");
    let whole = server.post("/v1/hybrid", &answers).await;
    assert_eq!(whole.json["message"], "❌ Failed: Failed: speed");
    assert!(whole.json.get("access_token").is_none());
}

#[tokio::test]
async fn a_late_second_step_fails_and_a_late_first_one_too() {
    let server = Server::start().await;
    let challenge = posed(&server).await;
    let answers = hybrid_answers(&server, &challenge).await;
    step(&server, &challenge, "speed_answers", &answers).await;
    server.advance(35_001);
    let late = step(&server, &challenge, "reasoning_answers", &answers).await;
    assert_eq!(late.json["message"], "❌ Failed: Hybrid challenge expired");

    let challenge = posed(&server).await;
    server.advance(35_001);
    let late = step(&server, &challenge, "speed_answers", &answers).await;
    assert_eq!(late.json["message"], "❌ Failed: Hybrid challenge expired");
    assert!(late.json.get("pending").is_none());
    let unknown = step(&server, &json!({ "id": "x" }), "speed_answers", &answers).await;
    assert_eq!(unknown.json["message"], "❌ Failed: Hybrid challenge not found or expired");
    let unknown = step(&server, &json!({ "id": "x" }), "reasoning_answers", &answers).await;
    assert_eq!(unknown.json["message"], "❌ Failed: Hybrid challenge not found or expired");
}

#[tokio::test]
async fn two_steps_can_be_switched_off() {
    let server = Server::with(|config| config.botcha.hybrid_two_step = false).await;
    let challenge = posed(&server).await;
    let answers = hybrid_answers(&server, &challenge).await;
    let first = step(&server, &challenge, "speed_answers", &answers).await;
    assert_eq!(
        (first.status.as_u16(), first.json["error"].as_str()),
        (400, Some("Missing speed_answers array or reasoning_answers object for hybrid challenge"))
    );
    assert_eq!(server.post("/v1/hybrid", &answers).await.json["success"], true, "nothing was used up");
}

#[tokio::test]
async fn the_token_is_bound_to_what_was_asked_for() {
    let server = Server::start().await;
    register(&server, "app_mine", |_| {}).await;
    let challenge = server.get("/v1/hybrid?app_id=app_mine").await.json["challenge"].clone();
    let mut answers = hybrid_answers(&server, &challenge).await;
    answers["audience"] = json!("https://api.example.com");
    answers["bind_ip"] = json!(true);
    let access = claims(&server.post("/v1/hybrid", &answers).await.json["access_token"]);
    assert_eq!(access["aud"], "https://api.example.com");
    assert_eq!(access["client_ip"], "127.0.0.1");
    assert_eq!(access["app_id"], "app_mine");
}
