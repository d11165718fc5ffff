//! Attacks on challenges and on what they give.

use std::sync::Arc;

use quivive_core::challenge::reasoning::ReasoningChallenge;
use quivive_core::challenge::speed;
use quivive_server::botcha::challenges::kept::look;
use serde_json::{Value, json};

use super::super::{hybrid_answers, reasoning_answers, register, solve, solved, standard_answer};
use crate::support::{Answer, START, Server};

/// A new challenge of each kind: its name, what was shown, and the right answer to it.
async fn one_of_each(server: &Server) -> Vec<(&'static str, Value, Value)> {
    let mut all = Vec::new();
    for kind in ["speed", "standard", "reasoning", "hybrid"] {
        let posed = server.get(&format!("/v1/challenges?type={kind}")).await.json["challenge"].clone();
        let answer = match kind {
            "speed" => json!({ "answers": solve(&posed) }),
            "standard" => json!({ "answer": standard_answer(server, &posed).await }),
            "reasoning" => json!({ "answers": reasoning_answers(server, &posed).await }),
            _ => hybrid_answers(server, &posed).await,
        };
        all.push((kind, posed, answer));
    }
    all
}

/// Routes that judge an answer, with the kind that each of them judges.
const JUDGES: [(&str, &str); 9] = [
    ("/v1/token/verify", "speed"),
    ("/api/speed-challenge", "speed"),
    ("/v1/challenges/{id}/verify speed", "speed"),
    ("/api/challenge", "standard"),
    ("/v1/challenges/{id}/verify standard", "standard"),
    ("/v1/reasoning", "reasoning"),
    ("/api/reasoning-challenge", "reasoning"),
    ("/v1/hybrid", "hybrid"),
    ("/api/hybrid-challenge", "hybrid"),
];

/// Sends to a route the id of a challenge, whatever its kind, with those answers in every member there is.
async fn submit(server: &Server, route: &str, id: &Value, answers: &Value) -> Answer {
    let mut body = json!({
        "id": id,
        "answers": answers,
        "answer": answers,
        "speed_answers": answers,
        "reasoning_answers": answers,
        "action": "solve",
    });
    if let Some((path, kind)) = route.split_once(' ') {
        let members = body.as_object_mut().unwrap();
        members.remove("speed_answers");
        if kind == "standard" {
            members.remove("answers");
        }
        members.insert("type".to_owned(), json!(kind));
        return server.post(&path.replace("{id}", id.as_str().unwrap()), &body).await;
    }
    server.post(route, &body).await
}

#[tokio::test]
async fn no_kind_of_challenge_is_judged_as_another() {
    let server = Server::with(|config| {
        config.limits.challenges_per_hour = 0;
        config.limits.verifications_per_hour = 0;
    })
    .await;
    for (route, judged) in JUDGES {
        for forged in
            [json!([null, null, null, null, null]), json!([]), json!({}), json!(["", "", "", "", ""])]
        {
            for (kind, posed, _) in one_of_each(&server).await {
                let answer = submit(&server, route, &posed["id"], &forged).await.json;
                assert_ne!(answer["success"], true, "{kind} at {route} with {forged}");
                assert!(answer.get("access_token").is_none(), "{kind} at {route}");
                let said = answer["message"].as_str().unwrap_or_default();
                // What is not even an answer of the route's form is 400 before anything is looked up.
                if kind != judged && answer.get("error").is_none_or(|error| error == "CHALLENGE_FAILED") {
                    assert!(
                        said.contains("not found or expired"),
                        "{kind} at {route} with {forged}: {answer}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn the_right_answer_to_one_kind_is_nothing_to_the_routes_of_another() {
    let server = Server::with(|config| {
        config.limits.challenges_per_hour = 0;
        config.limits.verifications_per_hour = 0;
    })
    .await;
    for (route, judged) in JUDGES {
        for (kind, posed, answer) in one_of_each(&server).await {
            let right =
                ["answers", "answer", "speed_answers"].into_iter().find_map(|name| answer.get(name)).unwrap();
            let said = submit(&server, route, &posed["id"], right).await;
            if kind != judged {
                assert_ne!(said.json["success"], true, "{kind} at {route}");
                assert!(said.json.get("access_token").is_none());
            }
        }
    }
}

#[tokio::test]
async fn a_session_of_a_stream_is_no_challenge_elsewhere() {
    let server = Server::start().await;
    let response = server
        .open(
            axum::http::Request::builder()
                .uri("/v1/challenge/stream")
                .body(axum::body::Body::empty())
                .unwrap(),
        )
        .await;
    let mut parts = futures::StreamExt::map(response.into_body().into_data_stream(), |part| part.unwrap());
    let first = futures::StreamExt::next(&mut parts).await.unwrap();
    let text = String::from_utf8(first.to_vec()).unwrap();
    let start = text.find("sess_").unwrap();
    let id = json!(text[start..start + 37]);
    let go = server
        .post(&format!("/v1/challenge/stream/{}", id.as_str().unwrap()), &json!({ "action": "go" }))
        .await;
    let right = json!(solve(&go.json["data"]));
    for (route, _) in JUDGES {
        let said = submit(&server, route, &id, &right).await;
        assert_ne!(said.json["success"], true, "{route}");
    }
    let solved = json!({ "action": "solve", "answers": right });
    let said = server.post(&format!("/v1/challenge/stream/{}", id.as_str().unwrap()), &solved).await;
    assert_eq!(said.json["success"], true, "its own route still knows it");
    for (kind, posed, _) in one_of_each(&server).await {
        let path = format!("/v1/challenge/stream/{}", posed["id"].as_str().unwrap());
        assert_eq!(server.post(&path, &json!({ "action": "go" })).await.status, 404, "{kind}");
    }
}

/// Sends the same request so many times at once; how many answers were `success: true`.
async fn at_once(server: &Arc<Server>, times: usize, path: &str, body: &Value) -> usize {
    let tasks: Vec<_> = (0..times)
        .map(|_| {
            let (server, path, body) = (server.clone(), path.to_owned(), body.clone());
            tokio::spawn(async move { server.post(&path, &body).await })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        assert!(answer.status.as_u16() < 500, "{}", answer.json);
        passed += usize::from(answer.json["success"] == true);
    }
    passed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_solution_gives_one_token_however_often_it_is_sent_at_once() {
    for times in [16, 1000] {
        let server = Arc::new(Server::with(|config| config.limits.verifications_per_hour = 0).await);
        let token = solved(&server, "").await;
        assert_eq!(at_once(&server, times, "/v1/token/verify", &token).await, 1);
        for (kind, posed, answer) in one_of_each(&server).await {
            let path = format!("/v1/challenges/{}/verify", posed["id"].as_str().unwrap());
            assert_eq!(at_once(&server, times, &path, &answer).await, 1, "{kind} {times}");
        }
        let posed = server.get("/v1/hybrid").await.json["challenge"].clone();
        let answer = hybrid_answers(&server, &posed).await;
        assert_eq!(at_once(&server, times, "/v1/hybrid", &answer).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn steps_of_a_hybrid_challenge_sent_at_once_give_one_token() {
    let server = Arc::new(Server::with(|config| config.limits.verifications_per_hour = 0).await);
    for _ in 0..5 {
        let posed = server.get("/v1/hybrid").await.json["challenge"].clone();
        let answers = hybrid_answers(&server, &posed).await;
        let path = format!("/v1/challenges/{}/verify", posed["id"].as_str().unwrap());
        let first = json!({ "type": "hybrid", "speed_answers": answers["speed_answers"] });
        let second = json!({ "type": "hybrid", "reasoning_answers": answers["reasoning_answers"] });
        assert_eq!(server.post(&path, &first).await.json["pending"], "reasoning");
        let both = tokio::join!(
            at_once(&server, 20, &path, &second),
            at_once(&server, 20, &path, &answers),
            at_once(&server, 20, &path, &first)
        );
        assert!(both.0 + both.1 <= 1, "{both:?}");
        assert_eq!(both.2, 0, "a first step gives nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_callers_verify_at_once_without_an_error() {
    let server = Arc::new(
        Server::with(|config| {
            config.limits.challenges_per_hour = 0;
            config.limits.verifications_per_hour = 0;
        })
        .await,
    );
    let mut tasks = Vec::new();
    for _ in 0..1000 {
        let server = server.clone();
        let body = solved(&server, "").await;
        tasks.push((server, body));
    }
    let tasks: Vec<_> = tasks
        .into_iter()
        .map(|(server, body)| tokio::spawn(async move { server.post("/v1/token/verify", &body).await }))
        .collect();
    let mut codes = std::collections::HashSet::new();
    for task in tasks {
        let answer = task.await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.json);
        assert!(codes.insert(answer.json["human_code"].clone()), "every caller has a code of his own");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_limit_of_a_hundred_lets_a_hundred_of_three_hundred_pass() {
    for path in ["/v1/challenges", "/v1/challenges?type=standard", "/v1/reasoning", "/v1/hybrid"] {
        let server = Arc::new(Server::start().await);
        let tasks: Vec<_> = (0..300)
            .map(|_| {
                let server = server.clone();
                tokio::spawn(async move { server.get(path).await.status.as_u16() })
            })
            .collect();
        let mut statuses = Vec::new();
        for task in tasks {
            statuses.push(task.await.unwrap());
        }
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 100, "{path}");
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 200, "{path}");
    }
}

#[tokio::test]
async fn naming_someone_elses_app_uses_up_ones_own_share() {
    let server = Server::with(|config| config.limits.challenges_per_hour = 3).await;
    register(&server, "app_victim", |app| app.rate_limit = 3).await;
    let bearer = async |secret: Option<&str>| {
        let mine = server.get("/v1/token?app_id=app_victim").await.json["challenge"].clone();
        let body = json!({ "id": mine["id"], "answers": solve(&mine), "app_secret": secret });
        let token = server.post("/v1/token/verify", &body).await.json["access_token"].clone();
        format!("Bearer {}", token.as_str().unwrap())
    };
    let owners = bearer(Some("sk_app_victim")).await;
    let strangers = bearer(None).await;
    for path in ["/v1/challenges", "/v1/reasoning", "/v1/hybrid"] {
        server.get(&format!("{path}?app_id=app_victim")).await;
        server.call("GET", path, &[("X-App-Id", "app_victim")], "").await;
    }
    assert_eq!(server.get("/v1/hybrid?app_id=app_victim").await.status, 429);
    for path in ["/v1/challenges", "/v1/reasoning", "/v1/hybrid"] {
        let answer = server.call("GET", path, &[("Authorization", &strangers)], "").await;
        assert_eq!(answer.status, 429, "a token of the app is anybody's for a solved challenge: {path}");
        let answer = server.call("GET", path, &[("Authorization", &owners)], "").await;
        assert_eq!(answer.status, 200, "the owner's token has the app's share: {path}");
    }
}

#[tokio::test]
async fn a_forged_time_gains_little() {
    let server = Server::start().await;
    let ts = START * 1000 - 29_000;
    for (wait, passed) in [(2650, true), (2651, false), (9000, false)] {
        let ts = ts + server.app.now().milliseconds() - START * 1000;
        let posed = server.get(&format!("/v1/challenges?type=speed&ts={ts}")).await.json;
        assert_eq!(posed["challenge"]["timeLimit"], "2600ms", "not 10600ms");
        assert_eq!(posed["rtt_adjustment"]["measuredRtt"], 1000);
        let posed = &posed["challenge"];
        server.advance(wait);
        let path = format!("/v1/challenges/{}/verify", posed["id"].as_str().unwrap());
        let answer = server.post(&path, &json!({ "answers": solve(posed) })).await;
        assert_eq!(answer.json["success"], passed, "after {wait} ms: {}", answer.json);
    }
    for ts in [START * 1000 + 60_000, 0, -1, i64::MAX] {
        let posed = server.get(&format!("/v1/challenges?type=speed&ts={ts}")).await.json;
        assert_eq!(posed["challenge"]["timeLimit"], "500ms", "{ts}");
    }
}

#[tokio::test]
async fn lateness_is_measured_to_the_millisecond() {
    let server = Server::start().await;
    for (late, passed) in [(49, true), (50, true), (51, false)] {
        let posed = server.get("/v1/challenges?type=speed").await.json["challenge"].clone();
        server.advance(500 + late);
        let path = format!("/v1/challenges/{}/verify", posed["id"].as_str().unwrap());
        let answer = server.post(&path, &json!({ "answers": solve(&posed) })).await;
        assert_eq!(answer.json["success"], passed, "{late} ms over the limit");
    }
}

#[tokio::test]
async fn a_list_of_guesses_is_no_answer() {
    let server = Server::with(|config| config.limits.challenges_per_hour = 0).await;
    for _ in 0..10 {
        let posed = server.get("/v1/reasoning").await.json["challenge"].clone();
        let right = reasoning_answers(&server, &posed).await;
        let guesses: serde_json::Map<String, Value> = right
            .as_object()
            .unwrap()
            .iter()
            .map(|(id, answer)| {
                let answer = answer.as_str().unwrap();
                (id.clone(), json!(format!("yes no {answer} 1 2 3 {answer}, or {answer}")))
            })
            .collect();
        let body = json!({ "id": posed["id"], "answers": guesses });
        let answer = server.post("/v1/reasoning", &body).await;
        assert!(
            answer.json["message"].as_str().unwrap().starts_with("❌ Only 0/3 correct."),
            "{body} {}",
            answer.json
        );
    }
}

#[tokio::test]
async fn a_list_of_questions_of_yesterday_answers_none_of_today() {
    let server = Server::with(|config| config.limits.challenges_per_hour = 0).await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..60 {
        let posed = server.get("/v1/reasoning").await.json["challenge"].clone();
        for question in posed["questions"].as_array().unwrap() {
            seen.insert(question["question"].clone());
        }
    }
    assert!(seen.len() > 170, "180 questions repeat hardly ever: {}", seen.len());
}

#[tokio::test]
async fn numbers_do_not_follow_from_what_was_seen() {
    let server = Server::with(|config| config.limits.challenges_per_hour = 0).await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let posed = server.get("/v1/challenges?type=speed").await.json["challenge"].clone();
        let numbers: Vec<u64> = posed["problems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|problem| problem["num"].as_u64().unwrap())
            .collect();
        assert!(numbers.iter().all(|number| (100_000..1_000_000).contains(number)));
        assert!(seen.insert(numbers), "five numbers of six digits repeat once in 10^29");
    }
    assert_ne!(speed::numbers(&[1; 32]), speed::numbers(&[2; 32]));
}

#[tokio::test]
async fn answers_of_a_kept_challenge_are_never_shown() {
    let server = Server::start().await;
    let answer = server.get("/v1/challenges").await;
    let text = String::from_utf8(answer.body).unwrap();
    let posed = &answer.json["challenge"];
    for hash in solve(&posed["speed"]) {
        assert!(!text.contains(&hash));
    }
    let posed = server.get("/v1/reasoning").await.json["challenge"].clone();
    let kept = look::<ReasoningChallenge>(&server.app, posed["id"].as_str().unwrap()).await.unwrap().unwrap();
    for expected in kept.challenge.expected {
        let shown = posed["questions"].as_array().unwrap().iter().find(|shown| shown["id"] == expected.id);
        assert_eq!(shown.unwrap().as_object().unwrap().len(), 3, "id, question, category");
    }
}
