//! `/v1/challenges`: challenges of every kind, and their answers.

use quivive_server::config::AppGate;
use serde_json::{Value, json};

use super::{claims, hybrid_answers, register, solve, standard_answer, with};
use crate::botect::faults::Moody;
use crate::support::{Answer, START, Server};

/// A new challenge of `GET /v1/challenges`.
async fn challenge(server: &Server, query: &str) -> Value {
    let answer = server.get(&format!("/v1/challenges{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json["challenge"].clone()
}

async fn verify(server: &Server, challenge: &Value, body: &Value) -> Answer {
    server.post(&format!("/v1/challenges/{}/verify", challenge["id"].as_str().unwrap()), body).await
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn hybrid_is_the_default_and_has_the_documented_form() {
    let server = Server::start().await;
    for query in ["", "?type=", "?type=hybrid"] {
        let answer =
            server.call("GET", &format!("/v1/challenges{query}"), &[("Host", "door.example")], "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), "no-store");
        let body = &answer.json;
        assert_eq!((&body["success"], &body["type"]), (&json!(true), &json!("hybrid")), "{query}");
        for name in ["warning", "instructions", "tip"] {
            assert!(body[name].is_string(), "{name}");
        }
        let challenge = &body["challenge"];
        assert_eq!(names(challenge), ["id", "speed", "reasoning"]);
        assert_eq!(names(&challenge["speed"]), ["problems", "timeLimit", "instructions"]);
        assert_eq!(challenge["speed"]["timeLimit"], "500ms");
        assert_eq!(challenge["speed"]["problems"].as_array().unwrap().len(), 5);
        assert_eq!(challenge["speed"]["problems"][0]["operation"], "sha256_first8");
        assert_eq!(names(&challenge["reasoning"]), ["questions", "timeLimit", "instructions"]);
        assert_eq!(challenge["reasoning"]["timeLimit"], "30s");
        let questions = challenge["reasoning"]["questions"].as_array().unwrap();
        assert_eq!(questions.len(), 3);
        for question in questions {
            assert_eq!(names(question), ["id", "question", "category"]);
            let category = question["category"].as_str().unwrap();
            assert!(
                ["analogy", "logic", "wordplay", "math", "code", "common-sense"].contains(&category),
                "{category}"
            );
        }
        let id = challenge["id"].as_str().unwrap();
        assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 4);
        assert_eq!(body["verify_endpoint"], format!("/v1/challenges/{id}/verify"));
        assert_eq!(body["verify_url"], format!("http://door.example/v1/challenges/{id}/verify"));
        assert_eq!(body["submit_body"]["type"], "hybrid");
        assert!(body["submit_body"]["speed_answers"].is_array());
        assert!(body["submit_body"]["reasoning_answers"].is_object());
        assert!(body.get("rtt_adjustment").is_none());
    }
}

#[tokio::test]
async fn compat_gives_whole_addresses() {
    let answer = Server::compat().await.call("GET", "/v1/challenges", &[("Host", "door.example")], "").await;
    let url = answer.json["verify_url"].as_str().unwrap();
    assert!(url.starts_with("http://door.example/v1/challenges/"));
    assert_eq!(answer.json["verify_endpoint"], url);
}

#[tokio::test]
async fn speed_standard_and_reasoning_have_the_documented_forms() {
    let server = Server::start().await;
    let speed = server.get("/v1/challenges?type=speed").await.json;
    assert_eq!(
        names(&speed),
        ["success", "type", "warning", "challenge", "tip", "verify_endpoint", "verify_url", "submit_body"]
    );
    assert_eq!(names(&speed["challenge"]), ["id", "problems", "timeLimit", "instructions"]);
    assert_eq!(speed["type"], "speed");
    assert_eq!(speed["submit_body"]["type"], "speed");
    assert_eq!(speed["submit_body"]["answers"].as_array().unwrap().len(), 5);

    for (query, limit, primes) in [
        ("type=standard", "5000ms", 500),
        ("type=compute&difficulty=medium", "5000ms", 500),
        ("type=standard&difficulty=easy", "10000ms", 100),
        ("type=standard&difficulty=hard", "3000ms", 1000),
        ("type=standard&difficulty=", "5000ms", 500),
        ("type=nonsense", "5000ms", 500),
    ] {
        let body = server.get(&format!("/v1/challenges?{query}")).await.json;
        assert_eq!(body["type"], "standard", "{query}");
        assert_eq!(names(&body["challenge"]), ["id", "puzzle", "timeLimit", "hint"]);
        assert_eq!(body["challenge"]["timeLimit"], limit, "{query}");
        assert!(body["challenge"]["puzzle"].as_str().unwrap().contains(&format!("first {primes} prime")));
        assert!(body["challenge"]["hint"].as_str().unwrap().contains("235711"));
        assert_eq!(body["submit_body"], json!({ "answer": "your-answer" }));
    }

    let body = server.get("/v1/challenges?type=reasoning").await.json;
    assert_eq!((&body["type"], &body["verify_endpoint"]), (&json!("reasoning"), &json!("/v1/reasoning")));
    assert_eq!(body["challenge"]["questions"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_unknown_difficulty_is_refused_and_not_counted() {
    let server = Server::start().await;
    for query in ["type=standard&difficulty=brutal", "type=compute&difficulty=EASY", "type=x&difficulty=1"] {
        let answer = server.get(&format!("/v1/challenges?{query}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (400, Some("INVALID_DIFFICULTY")),
            "{query}"
        );
        assert!(answer.json["message"].is_string());
    }
    let other = server.get("/v1/challenges?type=speed&difficulty=brutal").await;
    assert_eq!((other.status.as_u16(), other.header("x-ratelimit-remaining")), (200, "99"));
}

#[tokio::test]
async fn a_claimed_time_stretches_speed_and_hybrid_alone() {
    let server = Server::start().await;
    let ts = START * 1000 - 120;
    for (kind, pointer) in [("speed", "/challenge/timeLimit"), ("hybrid", "/challenge/speed/timeLimit")] {
        let body = server.get(&format!("/v1/challenges?type={kind}&ts={ts}")).await.json;
        assert_eq!(body.pointer(pointer).unwrap(), "840ms", "{kind}");
        assert_eq!(
            body["rtt_adjustment"],
            json!({
                "measuredRtt": 120,
                "adjustedTimeout": 840,
                "explanation": "RTT: 120ms → Timeout: 500ms + (2×120ms) + 100ms = 840ms",
            })
        );
        let header = [("X-Client-Timestamp", &*ts.to_string())];
        let body = server.call("GET", &format!("/v1/challenges?type={kind}"), &header, "").await.json;
        assert_eq!(body.pointer(pointer).unwrap(), "840ms", "{kind}");
    }
    let body = server.get(&format!("/v1/challenges?type=standard&ts={ts}")).await.json;
    assert!(body.get("rtt_adjustment").is_none());
    assert_eq!(body["challenge"]["timeLimit"], "5000ms");
}

#[tokio::test]
async fn the_four_routes_share_the_challenge_bucket() {
    let server = Server::with(|config| config.limits.challenges_per_hour = 4).await;
    for (path, remaining) in
        [("/v1/challenges", "3"), ("/v1/token", "2"), ("/v1/reasoning", "1"), ("/v1/hybrid", "0")]
    {
        let answer = server.get(path).await;
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining, "{path}");
    }
    for path in ["/v1/challenges", "/v1/challenges?type=standard", "/v1/token", "/v1/reasoning", "/v1/hybrid"]
    {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 429, "{path}");
        assert_eq!(answer.json["error"], "RATE_LIMIT_EXCEEDED");
        assert_eq!(answer.json["retryAfter"], 3600);
        assert_eq!(answer.json["resetAt"], "2026-02-15T13:00:00.000Z");
        assert_eq!(answer.header("retry-after"), "3600");
    }
}

#[tokio::test]
async fn an_app_that_is_named_must_be_there() {
    let server = Server::start().await;
    register(&server, "app_fresh", |app| app.is_email_verified = false).await;
    for path in ["/v1/challenges", "/v1/reasoning", "/v1/hybrid", "/v1/challenge/stream"] {
        for (id, status, code) in
            [("app_none", 400, "INVALID_APP_ID"), ("app_fresh", 403, "EMAIL_NOT_VERIFIED")]
        {
            let answer = server.get(&format!("{path}?app_id={id}")).await;
            assert_eq!(
                (answer.status.as_u16(), answer.json["error"].as_str()),
                (status, Some(code)),
                "{path}"
            );
        }
        let header = server.call("GET", path, &[("X-App-Id", "app_none")], "").await;
        assert_eq!((header.status.as_u16(), header.json["error"].as_str()), (401, Some("APP_NOT_FOUND")));
        let both = server.call("GET", &format!("{path}?app_id=a"), &[("X-App-Id", "b")], "").await;
        assert_eq!((both.status.as_u16(), both.json["error"].as_str()), (400, Some("APP_ID_MISMATCH")));
    }
}

#[tokio::test]
async fn a_solved_speed_challenge_gives_a_token_that_opens_doors() {
    let server = Server::start().await;
    let posed = challenge(&server, "?type=speed").await;
    server.advance(47);
    let body = json!({
        "type": "speed", "answers": solve(&posed), "audience": "https://api.example.com", "bind_ip": true,
    });
    let answer = verify(&server, &posed, &body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.json["success"], true);
    assert_eq!(answer.json["message"], "⚡ Speed challenge passed in 47ms!");
    assert_eq!(answer.json["solveTimeMs"], 47);
    for (name, value) in [
        ("expires_in", json!(3600)),
        ("refresh_expires_in", json!(3600)),
        ("token", answer.json["access_token"].clone()),
    ] {
        assert_eq!(answer.json[name], value, "{name}");
    }
    for name in ["refresh_token", "human_link", "human_code", "human_instruction"] {
        assert!(answer.json[name].is_string(), "{name}");
    }
    let access = claims(&answer.json["access_token"]);
    assert_eq!(access["sub"], posed["id"]);
    assert_eq!(access["solveTime"], 47);
    assert_eq!(access["aud"], "https://api.example.com");
    assert_eq!(access["client_ip"], "127.0.0.1");
    let bearer = format!("Bearer {}", answer.json["access_token"].as_str().unwrap());
    assert_eq!(server.call("GET", "/agent-only", &[("Authorization", &bearer)], "").await.status, 200);
    let refreshed = json!({ "refresh_token": answer.json["refresh_token"] });
    assert_eq!(server.post("/v1/token/refresh", &refreshed).await.status, 200);
}

#[tokio::test]
async fn failed_speed_answers_are_200_with_their_reason_and_no_token() {
    let server = Server::start().await;
    for (wait, answers, reason) in [
        (549, None, "⚡ Speed challenge passed in 549ms!"),
        (551, None, "Too slow! Took 551ms, limit was 500ms"),
        (0, Some(json!(["a", "b"])), "Must provide exactly 5 answers as array"),
        (0, Some(json!([1, 2, 3, 4, 5])), "Wrong answer for challenge 1"),
    ] {
        let posed = challenge(&server, "?type=speed").await;
        let body = json!({ "answers": answers.unwrap_or_else(|| json!(solve(&posed))) });
        server.advance(wait);
        let answer = verify(&server, &posed, &body).await;
        assert_eq!((answer.status.as_u16(), answer.json["message"].as_str()), (200, Some(reason)));
        let passed = wait == 549;
        assert_eq!(answer.json["success"], passed);
        for name in ["solveTimeMs", "access_token", "refresh_token", "human_code", "usage"] {
            assert_eq!(answer.json.get(name).is_some(), passed, "{name}");
        }
        let again = verify(&server, &posed, &body).await;
        assert_eq!(
            again.json,
            json!({ "success": false, "message": "Challenge not found or expired" }),
            "one attempt"
        );
    }
}

#[tokio::test]
async fn a_standard_challenge_is_judged_without_a_token() {
    let server = Server::start().await;
    let posed = challenge(&server, "?type=standard").await;
    let right = standard_answer(&server, &posed).await;
    server.advance(1200);
    let answer = verify(&server, &posed, &json!({ "answer": right })).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json, json!({ "success": true, "message": "Challenge passed!", "solveTimeMs": 1200 }));
    for (wait, answer, reason) in [
        (0, json!("0000000000000000"), "Incorrect answer"),
        (0, json!(5), "Incorrect answer"),
        (0, json!(["x"]), "Incorrect answer"),
        (6001, json!("x"), "Challenge expired - too slow!"),
    ] {
        let posed = challenge(&server, "?type=standard").await;
        server.advance(wait);
        let answer = verify(&server, &posed, &json!({ "type": "standard", "answer": answer })).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json),
            (200, &json!({ "success": false, "message": reason }))
        );
    }
}

#[tokio::test]
async fn missing_answers_are_named_and_use_nothing_up() {
    let server = Server::start().await;
    let posed = challenge(&server, "?type=speed").await;
    let hybrid = "Missing speed_answers array or reasoning_answers object for hybrid challenge";
    let speed = "Missing answers array for speed challenge";
    let standard = "Missing answer for standard challenge";
    for (body, sentence) in [
        (json!({ "type": "hybrid" }), hybrid),
        (json!({ "type": "hybrid", "answers": [] }), hybrid),
        (json!({ "type": "speed" }), speed),
        (json!({ "type": "speed", "answers": {} }), speed),
        (json!({ "answers": "text" }), speed),
        (json!({ "answers": 5 }), speed),
        (json!({}), standard),
        (json!([]), standard),
        (json!({ "type": "standard", "answer": null }), standard),
        (json!({ "type": 5, "answer": "" }), standard),
    ] {
        let answer = verify(&server, &posed, &body).await;
        assert_eq!((answer.status.as_u16(), answer.json["error"].as_str()), (400, Some(sentence)), "{body}");
        assert_eq!(answer.json["success"], false);
        assert!(answer.json["hint"].is_string());
    }
    assert_eq!(verify(&server, &posed, &json!({ "answers": solve(&posed) })).await.json["success"], true);

    let posed = challenge(&server, "").await;
    let alone = json!({ "type": "hybrid", "reasoning_answers": {} });
    let answer = verify(&server, &posed, &alone).await;
    assert_eq!((answer.status.as_u16(), answer.json["error"].as_str()), (400, Some(hybrid)));
    let answers = hybrid_answers(&server, &posed).await;
    assert_eq!(verify(&server, &posed, &answers).await.json["success"], true, "it was not used up");
}

#[tokio::test]
async fn a_strict_gate_gives_tokens_to_apps_alone() {
    let server = Server::with(|config| config.botcha.app_gate = AppGate::Strict).await;
    register(&server, "app_mine", |_| {}).await;
    for path in ["/v1/challenges", "/v1/reasoning", "/v1/hybrid", "/v1/challenge/stream"] {
        let answer = server.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (401, Some("APP_REGISTRATION_REQUIRED")),
            "{path}"
        );
    }
    for path in ["/v1/challenges/x/verify", "/v1/reasoning", "/v1/hybrid"] {
        assert_eq!(server.post(path, &json!({})).await.status, 401, "{path}");
    }
    let posed = challenge(&server, "?type=speed&app_id=app_mine").await;
    let body = json!({ "answers": solve(&posed), "app_id": "app_mine" });
    let answer = verify(&server, &posed, &body).await;
    assert_eq!(claims(&answer.json["access_token"])["app_id"], "app_mine");

    // A challenge of the older routes is bound to no app, and must not become a token by way of the newer one.
    let posed = server.get("/api/speed-challenge").await.json["challenge"].clone();
    let path = format!("/v1/challenges/{}/verify?app_id=app_mine", posed["id"].as_str().unwrap());
    let answer = server.post(&path, &json!({ "answers": solve(&posed) })).await;
    assert_eq!((answer.status.as_u16(), &answer.json["success"]), (200, &json!(true)));
    assert!(answer.json.get("access_token").is_none());
    let posed = server.get("/api/hybrid-challenge").await.json["challenge"].clone();
    let answers = hybrid_answers(&server, &posed).await;
    let answer = server.post("/api/hybrid-challenge", &answers).await;
    assert_eq!((answer.status.as_u16(), &answer.json["success"]), (200, &json!(true)));
    assert!(answer.json.get("access_token").is_none() && answer.json["badge"].is_object());
}

#[tokio::test]
async fn the_app_of_a_token_is_that_of_its_challenge() {
    let server = Server::start().await;
    register(&server, "app_mine", |_| {}).await;
    for (query, named, status, code) in [
        ("?type=speed&app_id=app_mine", "app_mine", 200, None),
        ("?type=speed&app_id=app_mine", "app_other", 403, Some("APP_ID_MISMATCH")),
        ("?type=speed", "app_mine", 400, Some("APP_ID_NOT_ALLOWED")),
    ] {
        let posed = challenge(&server, query).await;
        let answer = verify(&server, &posed, &json!({ "answers": solve(&posed), "app_id": named })).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (status, code),
            "{query} {named}"
        );
        if status == 200 {
            assert_eq!(claims(&answer.json["access_token"])["app_id"], "app_mine");
        }
    }
}

/// Every way to a token: a challenge of that app, and where to send the answer.
async fn ways_to_a_token(server: &Server, app: &str) -> Vec<(String, Value)> {
    let token = server.get(&format!("/v1/token?app_id={app}")).await.json["challenge"].clone();
    let speed = challenge(server, &format!("?type=speed&app_id={app}")).await;
    let posed = challenge(server, &format!("?app_id={app}")).await;
    let hybrid = server.get(&format!("/v1/hybrid?app_id={app}")).await.json["challenge"].clone();
    vec![
        ("/v1/token/verify".to_owned(), json!({ "id": token["id"], "answers": solve(&token) })),
        (
            format!("/v1/challenges/{}/verify", speed["id"].as_str().unwrap()),
            json!({ "answers": solve(&speed) }),
        ),
        (
            format!("/v1/challenges/{}/verify", posed["id"].as_str().unwrap()),
            hybrid_answers(server, &posed).await,
        ),
        ("/v1/hybrid".to_owned(), hybrid_answers(server, &hybrid).await),
    ]
}

#[tokio::test]
async fn an_app_may_bound_its_audiences() {
    let server = Server::start().await;
    register(&server, "app_bound", |app| app.allowed_audiences = vec!["https://mine.example".to_owned()])
        .await;
    for (path, body) in ways_to_a_token(&server, "app_bound").await {
        let wrong = with(body.clone(), json!({ "audience": "https://bank.example" }));
        let answer = server.post(&path, &wrong).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (403, Some("AUDIENCE_NOT_ALLOWED")),
            "{path}"
        );
        let right = with(body, json!({ "audience": "https://mine.example" }));
        let answer = server.post(&path, &right).await;
        assert_eq!(answer.status, 200, "the refusal used nothing up: {path} {}", answer.json);
        assert_eq!(claims(&answer.json["access_token"])["aud"], "https://mine.example");
    }
    register(&server, "app_free", |_| {}).await;
    for (path, body) in ways_to_a_token(&server, "app_free").await {
        let answer = server.post(&path, &with(body, json!({ "audience": "anything" }))).await;
        assert_eq!(claims(&answer.json["access_token"])["aud"], "anything", "{path}");
    }
}

#[tokio::test]
async fn a_token_says_that_the_owner_stands_behind_it_only_with_the_secret() {
    let server = Server::start().await;
    register(&server, "app_mine", |_| {}).await;
    register(&server, "app_other", |_| {}).await;
    for (path, body) in ways_to_a_token(&server, "app_mine").await {
        for wrong in ["sk_app_other", "x"] {
            let answer = server.post(&path, &with(body.clone(), json!({ "app_secret": wrong }))).await;
            assert_eq!(
                (answer.status.as_u16(), answer.json["error"].as_str()),
                (401, Some("INVALID_APP_SECRET")),
                "{path}"
            );
        }
        let header = [("X-App-Secret", "sk_app_mine")];
        let answer = server.call("POST", &path, &header, body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        assert_eq!(claims(&answer.json["access_token"])["owner"], true, "{path}");
        assert!(claims(&answer.json["refresh_token"]).get("owner").is_none());
        let refresh = json!({ "refresh_token": answer.json["refresh_token"] });
        let refreshed = server.post("/v1/token/refresh", &refresh).await.json;
        assert!(claims(&refreshed["access_token"]).get("owner").is_none(), "the proof was for that moment");
    }
    for (path, body) in ways_to_a_token(&server, "app_mine").await {
        let answer = server.post(&path, &body).await;
        assert!(claims(&answer.json["access_token"]).get("owner").is_none(), "{path}");
    }
    let posed = challenge(&server, "?type=speed").await;
    let body = json!({ "answers": solve(&posed), "app_secret": "sk_app_mine" });
    assert_eq!(verify(&server, &posed, &body).await.status, 401, "no app asked for this challenge");
}

/// Every route that takes an answer, with a body that names nothing.
const SUBMISSIONS: [&str; 10] = [
    "/v1/token/verify",
    "/v1/challenges/x/verify",
    "/v1/reasoning",
    "/v1/hybrid",
    "/api/challenge",
    "/api/speed-challenge",
    "/api/reasoning-challenge",
    "/api/hybrid-challenge",
    "/v1/challenge/stream",
    "/v1/challenge/stream/sess_x",
];

#[tokio::test]
async fn bodies_that_are_no_json_or_too_long_are_refused_everywhere() {
    let server = Server::start().await;
    let long = format!("{{\"id\":\"{}\"}}", "a".repeat(65_536));
    for path in SUBMISSIONS {
        for text in ["{not json", "", "\u{feff}{}", &"[".repeat(40)] {
            let answer = server.call("POST", path, &[], text.to_owned()).await;
            assert_eq!(
                (answer.status.as_u16(), answer.json["error"].as_str()),
                (400, Some("INVALID_JSON")),
                "{path} {text}"
            );
        }
        let answer = server.call("POST", path, &[], long.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (413, Some("PAYLOAD_TOO_LARGE")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn odd_bodies_never_fail_inside() {
    let server = Server::with(|config| config.limits.verifications_per_hour = 0).await;
    let mut bodies: Vec<String> = vec![
        "{\"id\":\"\\ud800\",\"answers\":[]}".to_owned(),
        "{\"id\":\"a\",\"id\":\"b\",\"answers\":[1e999]}".to_owned(),
        "null".to_owned(),
    ];
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("\u{0}"),
        json!([]),
        json!({}),
        json!([[[null]]]),
        json!({ "a": { "b": [1] } }),
        json!("x".repeat(60_000)),
    ];
    for name in [
        "id",
        "answers",
        "answer",
        "speed_answers",
        "reasoning_answers",
        "type",
        "audience",
        "bind_ip",
        "app_id",
        "app_secret",
        "action",
        "session",
    ] {
        for value in &odd {
            let mut body = json!({ "id": "x", "answers": [], "answer": "x", "speed_answers": [],
                "reasoning_answers": {}, "action": "solve", "session": "x" });
            body[name] = value.clone();
            bodies.push(body.to_string());
        }
    }
    for path in SUBMISSIONS {
        for body in &bodies {
            let answer = server.call("POST", path, &[], body.clone()).await;
            assert!(answer.status.as_u16() < 500, "{path} {body} {}", answer.json);
            assert!(answer.json.is_object(), "{path} {body}");
        }
    }
}

#[tokio::test]
async fn submissions_and_older_routes_share_the_verification_bucket() {
    let older = [
        ("GET", "/api/challenge"),
        ("GET", "/api/speed-challenge"),
        ("GET", "/api/reasoning-challenge"),
        ("GET", "/api/hybrid-challenge"),
    ];
    let all: Vec<(&str, &str)> = SUBMISSIONS.into_iter().map(|path| ("POST", path)).chain(older).collect();
    for (method, path) in all.iter().copied().chain([("GET", "/v1/challenge/stream")]) {
        let server = Server::with(|config| config.limits.verifications_per_hour = 1).await;
        let send = async || server.call(method, path, &[], "{}").await;
        if path == "/v1/challenge/stream" && method == "GET" {
            let open = server.head(method, path).await;
            assert_eq!((open.status.as_u16(), open.header("x-ratelimit-remaining")), (200, "0"));
        } else {
            let first = send().await;
            assert_ne!(first.status, 429, "{path}");
            assert_eq!(first.header("x-ratelimit-remaining"), "0", "{path}");
        }
        let second = send().await;
        assert_eq!(
            (second.status.as_u16(), second.json["error"].as_str()),
            (429, Some("RATE_LIMIT_EXCEEDED")),
            "{path}"
        );
        assert_ne!(second.header("retry-after"), "");
        let other = server.post("/v1/token/verify", &json!({})).await;
        assert_eq!(other.status, 429, "one bucket for all: {path}");
        assert_eq!(server.get("/v1/challenges").await.status, 200, "and another one for challenges: {path}");
    }
}

#[tokio::test]
async fn without_storage_no_token_is_given() {
    let database = Moody::new();
    let server = Server::on(database.clone(), |_| {}).await;
    let posed = challenge(&server, "?type=speed").await;
    let token = server.get("/v1/token").await.json["challenge"].clone();
    let hybrid = challenge(&server, "").await;
    let hybrid = hybrid_answers(&server, &hybrid).await;
    database.is_down(true);
    let answers = [
        verify(&server, &posed, &json!({ "answers": solve(&posed) })).await,
        server.post("/v1/token/verify", &json!({ "id": token["id"], "answers": solve(&token) })).await,
        server.post("/v1/hybrid", &hybrid).await,
        server.get("/v1/challenges?app_id=app_any").await,
        server.get("/v1/reasoning?app_id=app_any").await,
        server.get("/v1/hybrid?app_id=app_any").await,
        server.get("/api/speed-challenge?app_id=app_any").await,
        server.get("/v1/challenge/stream?app_id=app_any").await,
    ];
    for answer in answers {
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (503, Some("STORAGE_UNAVAILABLE")),
            "{}",
            answer.json
        );
        assert!(answer.json.get("access_token").is_none());
    }
}
