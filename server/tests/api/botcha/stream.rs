//! The speed challenge on an event stream.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures::StreamExt;
use quivive_server::config::AppGate;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{claims, register, solve};
use crate::support::{Answer, Server};

/// An open stream.
struct Events {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Events {
    async fn open(server: &Server, query: &str) -> Self {
        let path = format!("/v1/challenge/stream{query}");
        let response = server.open(Request::builder().uri(path).body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        assert_eq!(response.headers()["x-botcha-version"], "0.23.0");
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; nothing at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let lines: Vec<&str> = event.lines().collect();
                let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
                let event = (
                    field("event: ").unwrap_or_default().to_owned(),
                    field("data: ").map_or(Value::Null, |data| serde_json::from_str(data).unwrap()),
                );
                self.text = rest.to_owned();
                return Some(event);
            }
            let part =
                timeout(Duration::from_secs(10), self.body.next()).await.expect("an event or the end")?;
            self.text.push_str(std::str::from_utf8(&part.unwrap()).unwrap());
        }
    }

    /// Everything up to `ready`, and the session in it.
    async fn ready(&mut self) -> (Vec<(String, Value)>, String) {
        let mut events = Vec::new();
        loop {
            let (name, data) = self.next().await.unwrap();
            events.push((name.clone(), data.clone()));
            if name == "ready" {
                return (events, data["session"].as_str().unwrap().to_owned());
            }
        }
    }
}

async fn act(server: &Server, session: &str, body: Value) -> Answer {
    server.post(&format!("/v1/challenge/stream/{session}"), &body).await
}

fn refusal(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.json["success"], false);
    assert!(answer.json["message"].is_string());
    (answer.status.as_u16(), answer.json["error"].as_str().unwrap())
}

#[tokio::test]
async fn a_stream_greets_and_becomes_ready() {
    let server = Server::start().await;
    let mut events = Events::open(&server, "").await;
    let (seen, session) = events.ready().await;
    assert_eq!(session.len(), "sess_".len() + 32);
    assert!(session.starts_with("sess_") && session[5..].bytes().all(|digit| digit.is_ascii_hexdigit()));
    let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "welcome",
            "instructions",
            "instruction",
            "instructions",
            "instruction",
            "instructions",
            "instruction",
            "instructions",
            "instruction",
            "ready"
        ]
    );
    assert_eq!(seen[0].1, json!({ "session": session, "version": "0.23.0" }));
    for pair in seen[1..9].chunks(2) {
        assert!(pair[0].1["message"].is_string());
        assert_eq!(pair[0].1, pair[1].1);
    }
    let ready = &seen[9].1;
    assert_eq!(ready["endpoint"], format!("/v1/challenge/stream/{session}"));
    assert!(ready["message"].is_string());
    assert_eq!(server.app.streams.count(), 1);
    drop(events);
    assert_eq!(server.app.streams.count(), 0, "whoever hangs up gives the place back");
}

#[tokio::test]
async fn go_and_solve_are_answered_and_pushed() {
    let server = Server::start().await;
    for names_session_in_body in [false, true] {
        let mut events = Events::open(&server, "").await;
        let (_, session) = events.ready().await;
        let send = async |mut body: Value| {
            if names_session_in_body {
                body["session"] = json!(session);
                server.post("/v1/challenge/stream", &body).await
            } else {
                act(&server, &session, body).await
            }
        };
        let go = send(json!({ "action": "go" })).await;
        assert_eq!((go.status.as_u16(), go.header("cache-control")), (200, "no-store"));
        assert_eq!((&go.json["success"], &go.json["event"]), (&json!(true), &json!("challenge")));
        let data = &go.json["data"];
        assert_eq!(data["timeLimit"], 500);
        assert_eq!(data["timerStart"], server.app.now().milliseconds());
        assert_eq!(data["problems"].as_array().unwrap().len(), 5);
        assert!(data["instructions"].is_string());
        assert_eq!(events.next().await.unwrap(), ("challenge".to_owned(), data.clone()));

        server.advance(47);
        let solved = send(json!({ "action": "solve", "answers": solve(data) })).await;
        assert_eq!((solved.status.as_u16(), &solved.json["success"]), (200, &json!(true)));
        assert_eq!(solved.json["event"], "result");
        let result = &solved.json["data"];
        assert_eq!(result["success"], true);
        assert_eq!(result["verdict"], "🤖 VERIFIED");
        assert_eq!(result["solveTimeMs"], 47);
        assert_eq!(result["expiresIn"], "1h");
        assert_eq!(result["token"], result["tokens"]["access_token"]);
        assert_eq!(result["tokens"]["expires_in"], 3600);
        let access = claims(&result["token"]);
        assert_eq!((&access["sub"], &access["solveTime"]), (&json!(session), &json!(47)));
        assert_eq!(events.next().await.unwrap(), ("result".to_owned(), result.clone()));
        assert_eq!(events.next().await, None, "the stream ends after the result");

        let bearer = format!("Bearer {}", result["token"].as_str().unwrap());
        assert_eq!(server.call("GET", "/agent-only", &[("Authorization", &bearer)], "").await.status, 200);
        let refresh = json!({ "refresh_token": result["tokens"]["refresh_token"] });
        assert_eq!(server.post("/v1/token/refresh", &refresh).await.status, 200);
        let again = send(json!({ "action": "solve", "answers": solve(data) })).await;
        assert_eq!(refusal(&again), (404, "SESSION_NOT_FOUND"));
    }
}

#[tokio::test]
async fn failures_have_their_verdicts_and_use_the_session_up() {
    let server = Server::start().await;
    for (wait, answers, verdict, message) in [
        (500, None, "🤖 VERIFIED", "Challenge solved in 500ms. You are a bot."),
        (501, None, "🚫 TOO SLOW", "Took 501ms, limit was 500ms"),
        (0, Some(json!([])), "❌ WRONG FORMAT", "Must provide exactly 5 answers"),
        (0, Some(json!(["0", "0", "0", "0", "0", "0"])), "❌ WRONG FORMAT", "Must provide exactly 5 answers"),
        (0, Some(json!(["0", "0", "0", "0", "0"])), "❌ WRONG ANSWER", "Wrong answer for problem 1"),
        (0, Some(json!([null, null, null, null, null])), "❌ WRONG ANSWER", "Wrong answer for problem 1"),
    ] {
        let mut events = Events::open(&server, "").await;
        let (_, session) = events.ready().await;
        let posed = act(&server, &session, json!({ "action": "go" })).await.json["data"].clone();
        server.advance(wait);
        let answers = answers.unwrap_or_else(|| json!(solve(&posed)));
        let answer = act(&server, &session, json!({ "action": "solve", "answers": answers })).await;
        assert_eq!((answer.status.as_u16(), &answer.json["event"]), (200, &json!("result")));
        let result = &answer.json["data"];
        assert_eq!((&result["verdict"], &result["message"]), (&json!(verdict), &json!(message)));
        let passed = wait == 500;
        assert_eq!((&answer.json["success"], &result["success"]), (&json!(passed), &json!(passed)));
        assert_eq!(result.get("token").is_some(), passed);
        assert_eq!(result.get("solveTimeMs").is_some(), wait > 0, "{verdict}");
        assert_eq!(events.next().await.unwrap().0, "challenge");
        assert_eq!(events.next().await.unwrap(), ("result".to_owned(), result.clone()));
        let again = act(&server, &session, json!({ "action": "go" })).await;
        assert_eq!(refusal(&again), (404, "SESSION_NOT_FOUND"));
    }
}

#[tokio::test]
async fn actions_out_of_order_are_refused_and_lose_nothing() {
    let server = Server::start().await;
    let (_, session) = Events::open(&server, "").await.ready().await;
    for id in ["sess_x", &"x".repeat(1000), "%FF"] {
        let answer = act(&server, id, json!({ "action": "go" })).await;
        assert_eq!(refusal(&answer), (404, "SESSION_NOT_FOUND"), "{id}");
    }
    let unnamed = server.post("/v1/challenge/stream", &json!({ "action": "go" })).await;
    assert_eq!(refusal(&unnamed), (404, "SESSION_NOT_FOUND"));
    let early = act(&server, &session, json!({ "action": "solve", "answers": [] })).await;
    assert_eq!(refusal(&early), (400, "INVALID_STATE"));
    assert_eq!(
        early.json["message"],
        "Session is in ready state, expected challenged. Try sending GO first."
    );
    for (action, shown) in [(json!("stop"), "stop"), (json!(5), ""), (json!(null), ""), (json!("GO"), "GO")] {
        let answer = act(&server, &session, json!({ "action": action })).await;
        assert_eq!(refusal(&answer), (400, "UNKNOWN_ACTION"));
        assert_eq!(answer.json["message"], format!("Unknown action: {shown}. Expected \"go\" or \"solve\""));
    }
    let posed = act(&server, &session, json!({ "action": "go" })).await.json["data"].clone();
    let twice = act(&server, &session, json!({ "action": "go" })).await;
    assert_eq!(refusal(&twice), (400, "INVALID_STATE"));
    assert_eq!(twice.json["message"], "Session is in challenged state, expected ready");
    for body in [json!({ "action": "solve" }), json!({ "action": "solve", "answers": "text" })] {
        let missing = act(&server, &session, body).await;
        assert_eq!(refusal(&missing), (400, "MISSING_ANSWERS"));
        assert_eq!(missing.json["message"], "Missing answers array");
    }
    let solved = act(&server, &session, json!({ "action": "solve", "answers": solve(&posed) })).await;
    assert_eq!(solved.json["success"], true, "the stream is gone, the session is not");
}

#[tokio::test]
async fn a_session_ends_after_five_minutes() {
    let server = Server::start().await;
    let (_, session) = Events::open(&server, "").await.ready().await;
    server.advance(300_001);
    assert_eq!(refusal(&act(&server, &session, json!({ "action": "go" })).await), (404, "SESSION_NOT_FOUND"));
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams() {
    let server = Server::start().await;
    let mut events = Events::open(&server, "").await;
    events.ready().await;
    server.app.is_accepting.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn open_streams_are_bounded() {
    let server = Server::with(|config| config.limits.open_streams = 2).await;
    let _open = [Events::open(&server, "").await, Events::open(&server, "").await];
    let full = server.get("/v1/challenge/stream").await;
    assert_eq!((full.status.as_u16(), full.json["error"].as_str()), (503, Some("TOO_MANY_STREAMS")));
    assert_eq!(full.header("retry-after"), "60");

    let server = Server::start().await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(Events::open(&server, "").await);
    }
    let many = server.get("/v1/challenge/stream").await;
    assert_eq!((many.status.as_u16(), many.json["error"].as_str()), (429, Some("RATE_LIMIT_EXCEEDED")));
    assert_eq!(many.header("retry-after"), "60");
    open.pop();
    Events::open(&server, "").await;
}

#[tokio::test]
async fn an_app_and_a_claimed_time_are_kept_for_the_challenge() {
    let server = Server::with(|config| config.botcha.app_gate = AppGate::Strict).await;
    register(&server, "app_mine", |_| {}).await;
    let ts = server.app.now().milliseconds() - 120;
    let (_, session) = Events::open(&server, &format!("?app_id=app_mine&ts={ts}")).await.ready().await;
    let posed = act(&server, &session, json!({ "action": "go" })).await.json["data"].clone();
    assert_eq!(posed["timeLimit"], 840);
    server.advance(840);
    let solved = act(&server, &session, json!({ "action": "solve", "answers": solve(&posed) })).await;
    assert_eq!(claims(&solved.json["data"]["token"])["app_id"], "app_mine");
}
