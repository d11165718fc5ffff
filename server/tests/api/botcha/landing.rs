use quivive_core::challenge::landing;
use serde_json::{Value, json};

use crate::support::Server;

const TIME: &str = "2026-02-15T12:00:00.000Z";

async fn nonce(server: &Server) -> String {
    let page = server.call("GET", "/", &[("accept", "text/html")], "").await;
    let page = String::from_utf8(page.body).unwrap();
    let (_, rest) = page.split_once("id=\"botcha-challenge\">").unwrap();
    let (challenge, _) = rest.split_once("</script>").unwrap();
    let challenge: Value = serde_json::from_str(challenge).unwrap();
    assert_eq!(challenge["type"], "inline-challenge");
    challenge["challenge"]["nonce"].as_str().unwrap().to_owned()
}

fn answer(nonce: Option<&str>) -> Value {
    let mut body = json!({ "answer": landing::answer("2026-02-15", TIME, nonce), "timestamp": TIME });
    if let Some(nonce) = nonce {
        body["nonce"] = json!(nonce);
    }
    body
}

#[tokio::test]
async fn an_agent_that_follows_the_page_gets_a_token_that_opens_the_guarded_route() {
    let server = Server::start().await;
    let nonce = nonce(&server).await;
    let solved = server.post("/api/verify-landing", &answer(Some(&nonce))).await;
    assert_eq!((solved.status.as_u16(), &solved.json["success"]), (200, &json!(true)), "{:?}", solved.json);
    let token = solved.json["token"].as_str().unwrap();
    assert_eq!(token.len(), 64);
    assert_eq!(solved.json["usage"]["value"], token);
    for _ in 0..2 {
        let open = server.call("GET", "/agent-only", &[("X-Botcha-Landing-Token", token)], "").await;
        assert_eq!((open.status.as_u16(), &open.json["method"]), (200, &json!("landing-token")));
        assert_eq!(open.json["agent"], "landing-challenge-verified");
    }
    let unknown = server.call("GET", "/agent-only", &[("X-Botcha-Landing-Token", "0000")], "").await;
    assert_eq!(unknown.status, 401);
    server.advance(3_600_000);
    assert_eq!(server.call("GET", "/agent-only", &[("X-Botcha-Landing-Token", token)], "").await.status, 401);
}

#[tokio::test]
async fn a_nonce_is_good_once_and_for_two_minutes() {
    let server = Server::start().await;
    let used = nonce(&server).await;
    assert_eq!(server.post("/api/verify-landing", &answer(Some(&used))).await.status, 200);
    let again = server.post("/api/verify-landing", &answer(Some(&used))).await;
    assert_eq!((again.status.as_u16(), &again.json["success"]), (403, &json!(false)));

    let late = nonce(&server).await;
    server.advance(120_001);
    assert_eq!(server.post("/api/verify-landing", &answer(Some(&late))).await.status, 403);
}

#[tokio::test]
async fn an_answer_without_a_nonce_is_good_once() {
    let server = Server::start().await;
    assert_eq!(server.post("/api/verify-landing", &answer(None)).await.status, 200);
    let mut again = answer(None);
    again["answer"] = json!(again["answer"].as_str().unwrap().to_uppercase());
    assert_eq!(server.post("/api/verify-landing", &again).await.status, 403);
}

#[tokio::test]
async fn an_answer_of_digits_is_not_good_again_as_a_number() {
    let server = Server::start().await;
    let (time, digits) = (0..60_000)
        .map(|count| format!("2026-02-15T12:00:{:02}.{:03}Z", count / 1000, count % 1000))
        .map(|time| (landing::answer("2026-02-15", &time, None), time))
        .find(|(answer, _)| answer.bytes().all(|byte| byte.is_ascii_digit()) && !answer.starts_with('0'))
        .map(|(answer, time)| (time, answer))
        .unwrap();
    let number: u64 = digits.parse().unwrap();
    let send = async |answer: Value| {
        server.post("/api/verify-landing", &json!({ "answer": answer, "timestamp": time })).await
    };
    assert_eq!(send(json!(number)).await.status, 200);
    assert_eq!(send(json!(digits)).await.status, 403);
    assert_eq!(send(json!(number)).await.status, 403);
}

#[tokio::test]
async fn answers_without_a_nonce_can_be_switched_off() {
    let server = Server::with(|config| config.botcha.landing_legacy = false).await;
    let refused = server.post("/api/verify-landing", &answer(None)).await;
    assert_eq!((refused.status.as_u16(), &refused.json["success"]), (403, &json!(false)));
    let nonce = nonce(&server).await;
    assert_eq!(server.post("/api/verify-landing", &answer(Some(&nonce))).await.status, 200);
}

#[tokio::test]
async fn wrong_late_and_missing_answers_are_refused_as_documented() {
    let server = Server::start().await;
    for (body, status, error) in [
        (json!({}), 400, "Missing answer or timestamp"),
        (json!({ "answer": "x", "timestamp": 5 }), 400, "Missing answer or timestamp"),
        (json!({ "answer": "0000000000000000", "timestamp": TIME }), 403, "Incorrect answer"),
        (json!({ "answer": ["x"], "timestamp": TIME }), 403, "Incorrect answer"),
        (
            json!({ "answer": "x", "timestamp": "2026-02-15T11:57:59Z" }),
            403,
            "Timestamp expired or invalid. Request a fresh challenge.",
        ),
        (
            json!({ "answer": "x", "timestamp": "yesterday" }),
            403,
            "Timestamp expired or invalid. Request a fresh challenge.",
        ),
        (
            json!({ "answer": "x", "timestamp": TIME, "nonce": "unknown" }),
            403,
            "Timestamp expired or invalid. Request a fresh challenge.",
        ),
    ] {
        let answer = server.post("/api/verify-landing", &body).await;
        assert_eq!((answer.status.as_u16(), &answer.json["error"]), (status, &json!(error)), "{body}");
        assert_eq!(answer.json["success"], false);
    }
    assert_eq!(server.call("POST", "/api/verify-landing", &[], "{").await.json["error"], "INVALID_JSON");
}
