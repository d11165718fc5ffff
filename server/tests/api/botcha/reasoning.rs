//! `/v1/reasoning`.

use serde_json::{Value, json};

use super::{reasoning_answers, with};
use crate::support::Server;

async fn posed(server: &Server) -> Value {
    let answer = server.get("/v1/reasoning").await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json["challenge"].clone()
}

#[tokio::test]
async fn a_challenge_has_the_documented_form() {
    let server = Server::start().await;
    let answer = server.call("GET", "/v1/reasoning", &[("Host", "door.example")], "").await;
    let body = &answer.json;
    assert_eq!(body["success"], true);
    assert_eq!(body["type"], "reasoning");
    assert!(body["warning"].is_string() && body["tip"].is_string());
    assert_eq!(body["verify_endpoint"], "/v1/reasoning");
    assert_eq!(body["verify_url"], "http://door.example/v1/reasoning");
    assert_eq!(body["submit_body"]["id"], body["challenge"]["id"]);
    assert!(body["submit_body"]["answers"].is_object());
    assert_eq!(body["challenge"]["timeLimit"], "30s");
    assert!(body["challenge"]["instructions"].is_string());
    assert_eq!(body["challenge"]["questions"].as_array().unwrap().len(), 3);
    assert!(!answer.body.windows(8).any(|part| part == b"expected"), "answers are never shown");
    let compat = Server::compat().await.call("GET", "/v1/reasoning", &[("Host", "door.example")], "").await;
    assert_eq!(compat.json["verify_endpoint"], "http://door.example/v1/reasoning");
}

#[tokio::test]
async fn right_answers_pass_with_score_and_time() {
    let server = Server::start().await;
    let challenge = posed(&server).await;
    let answers = reasoning_answers(&server, &challenge).await;
    server.advance(12_345);
    let answer = server.post("/v1/reasoning", &json!({ "id": challenge["id"], "answers": answers })).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json,
        json!({
            "success": true,
            "message": "🧠 REASONING TEST PASSED in 12.3s! You can think like an AI.",
            "solveTimeMs": 12_345,
            "score": "3/3",
            "verdict": "🤖 VERIFIED AI AGENT (reasoning confirmed)",
        })
    );
    let again = server.post("/v1/reasoning", &json!({ "id": challenge["id"], "answers": {} })).await;
    assert_eq!(again.json["message"], "❌ Challenge not found or expired");
}

#[tokio::test]
async fn the_route_for_all_kinds_judges_answers_by_question_as_well() {
    let server = Server::start().await;
    for more in [json!({}), json!({ "type": "reasoning" })] {
        let challenge = posed(&server).await;
        let answers = reasoning_answers(&server, &challenge).await;
        let path = format!("/v1/challenges/{}/verify", challenge["id"].as_str().unwrap());
        let answer = server.post(&path, &with(json!({ "answers": answers }), more)).await;
        assert_eq!((answer.status.as_u16(), &answer.json["score"]), (200, &json!("3/3")), "{}", answer.json);
        assert!(answer.json.get("access_token").is_none());
    }
}

#[tokio::test]
async fn wrong_answers_are_counted_and_named() {
    let server = Server::start().await;
    let challenge = posed(&server).await;
    let mut answers = reasoning_answers(&server, &challenge).await;
    let wrong = challenge["questions"][1]["id"].as_str().unwrap();
    answers[wrong] = json!("certainly not");
    server.advance(900);
    let answer = server.post("/v1/reasoning", &json!({ "id": challenge["id"], "answers": answers })).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json,
        json!({
            "success": false,
            "message": format!("❌ Only 2/3 correct. Wrong: {wrong}"),
            "solveTimeMs": 900,
            "verdict": "🚫 FAILED REASONING TEST",
        })
    );
}

#[tokio::test]
async fn an_answer_is_in_time_until_its_grace_ends() {
    let server = Server::start().await;
    for (wait, passed) in [(35_000, true), (35_001, false)] {
        let challenge = posed(&server).await;
        let answers = reasoning_answers(&server, &challenge).await;
        server.advance(wait);
        let answer =
            server.post("/v1/reasoning", &json!({ "id": challenge["id"], "answers": answers })).await;
        assert_eq!(answer.json["success"], passed, "{wait}");
        if !passed {
            assert_eq!(answer.json["message"], "❌ Too slow! Took 35001ms, limit was 30 seconds");
            assert!(answer.json.get("solveTimeMs").is_none());
        }
    }
}

#[tokio::test]
async fn missing_members_are_named_and_other_types_are_wrong() {
    let server = Server::start().await;
    for body in [
        json!({}),
        json!([]),
        json!({ "id": "x" }),
        json!({ "answers": {} }),
        json!({ "id": 5, "answers": {} }),
        json!({ "id": "", "answers": {} }),
        json!({ "id": "x", "answers": null }),
    ] {
        let answer = server.post("/v1/reasoning", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (400, Some("Missing id or answers object")),
            "{body}"
        );
        assert!(answer.json["hint"].is_string());
    }
    for answers in [json!("text"), json!([]), json!(5), json!(true)] {
        let challenge = posed(&server).await;
        let body = json!({ "id": challenge["id"], "answers": answers });
        let answer = server.post("/v1/reasoning", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["message"].as_str()),
            (200, Some("❌ Answers must be an object mapping question IDs to answers")),
            "{answers}"
        );
    }
}

#[tokio::test]
async fn numbers_are_answers_too() {
    let server = Server::with(|config| config.limits.challenges_per_hour = 0).await;
    let mut is_tried = false;
    for _ in 0..40 {
        let challenge = posed(&server).await;
        let mut answers = reasoning_answers(&server, &challenge).await;
        for answer in answers.as_object_mut().unwrap().values_mut() {
            let text = answer.as_str().unwrap();
            if let Some(number) = text.parse::<i64>().ok().filter(|number| number.to_string() == text) {
                *answer = json!(number);
                is_tried = true;
            }
        }
        let body = json!({ "id": challenge["id"], "answers": answers });
        let answer = server.post("/v1/reasoning", &body).await;
        assert_eq!(answer.json["success"], true, "{body} {}", answer.json);
    }
    assert!(is_tried, "some questions ask for a number");
}
