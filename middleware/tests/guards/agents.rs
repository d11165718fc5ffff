//! `RequireAgent`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use quivive_core::challenge::{TimeLimit, solve_inline, solve_speed, speed};
use quivive_core::token::{OneOrMany, REFRESH_TOKEN_TYPE};
use quivive_middleware::challenges::{ChallengeStore, MemoryStore};
use quivive_middleware::{Policy, RequireAgent, TrustedProxies};
use serde_json::{Value, json};

use crate::frameworks::{Actix, Ask, Framework, Got, Tower};
use crate::service::{Service, forged, key_set, now, token};

struct Case {
    name: &'static str,
    configure: fn(RequireAgent) -> RequireAgent,
    ask: fn() -> Ask,
    status: u16,
    /// The `error` of the body; the attached subject for 200.
    says: &'static str,
    header: Option<(&'static str, &'static str)>,
}

const INVALID: Option<(&str, &str)> = Some(("www-authenticate", "Bearer error=\"invalid_token\""));
const BLOCKED: &str = "BOTCHA_VERIFICATION_FAILED";

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { name: "no credential", configure: |guard| guard, ask: Ask::new, status: 403, says: BLOCKED, header: Some(("x-botcha-challenge-type", "speed")) },
    Case { name: "no credential, no challenge", configure: |guard| guard.inline_challenge(false), ask: Ask::new, status: 401, says: "TOKEN_REQUIRED", header: Some(("www-authenticate", "Bearer")) },
    Case { name: "other scheme", configure: |guard| guard, ask: || Ask::new().header("authorization", "Basic b3duOm93bg=="), status: 403, says: BLOCKED, header: None },
    Case { name: "two tokens", configure: |guard| guard, ask: || Ask::new().bearer(&token(|_| ())).bearer(&token(|_| ())), status: 403, says: BLOCKED, header: None },
    Case { name: "token", configure: |guard| guard, ask: || Ask::new().bearer(&token(|_| ())), status: 200, says: "agent-7", header: None },
    Case { name: "scheme in any case", configure: |guard| guard, ask: || Ask::new().header("authorization", format!("bEARER   {}", token(|_| ()))), status: 200, says: "agent-7", header: None },
    Case { name: "expired token", configure: |guard| guard, ask: || Ask::new().bearer(&token(|claims| claims.exp = claims.iat)), status: 401, says: "TOKEN_EXPIRED", header: INVALID },
    Case { name: "token of tomorrow", configure: |guard| guard, ask: || Ask::new().bearer(&token(|claims| claims.nbf = claims.exp)), status: 401, says: "NOT_YET_VALID", header: INVALID },
    Case { name: "forged token", configure: |guard| guard, ask: || Ask::new().bearer(&forged()), status: 401, says: "SIGNATURE_MISMATCH", header: INVALID },
    Case { name: "token without signature", configure: |guard| guard, ask: || Ask::new().bearer("eyJhbGciOiJub25lIn0.e30."), status: 401, says: "UNSUPPORTED_ALGORITHM", header: INVALID },
    Case { name: "no token at all", configure: |guard| guard, ask: || Ask::new().bearer("garbage"), status: 401, says: "INVALID_TOKEN", header: INVALID },
    Case { name: "refresh token", configure: |guard| guard, ask: || Ask::new().bearer(&token(|claims| claims.token_type = Some(REFRESH_TOKEN_TYPE.to_owned()))), status: 401, says: "TOKEN_TYPE_MISMATCH", header: INVALID },
    Case { name: "another type that is taken", configure: |guard| guard.types(["botcha-agent-identity"]), ask: || Ask::new().bearer(&token(|claims| claims.token_type = Some("botcha-agent-identity".to_owned()))), status: 200, says: "agent-7", header: None },
    Case { name: "other issuer", configure: |guard| guard, ask: || Ask::new().bearer(&token(|claims| claims.iss = Some("evil.example".to_owned()))), status: 401, says: "ISSUER_MISMATCH", header: INVALID },
    Case { name: "issuer that is taken", configure: |guard| guard.issuer("own.example"), ask: || Ask::new().bearer(&token(|claims| claims.iss = Some("own.example".to_owned()))), status: 200, says: "agent-7", header: None },
    Case { name: "token without audience", configure: |guard| guard.audience("shop"), ask: || Ask::new().bearer(&token(|_| ())), status: 401, says: "AUDIENCE_MISMATCH", header: INVALID },
    Case { name: "token for us", configure: |guard| guard.audience("shop"), ask: || Ask::new().bearer(&token(|claims| claims.aud = Some(OneOrMany::from("shop")))), status: 200, says: "agent-7", header: None },
    Case { name: "token for others", configure: |guard| guard.policy(Policy { audience: Some("shop".to_owned()), ..Policy::default() }).unwrap(), ask: || Ask::new().bearer(&token(|claims| claims.aud = Some(OneOrMany::from("bank")))), status: 401, says: "AUDIENCE_MISMATCH", header: INVALID },
    Case { name: "bound token from its address", configure: |guard| guard, ask: || bound().peer("192.0.2.1"), status: 200, says: "agent-7", header: None },
    Case { name: "bound token from elsewhere", configure: |guard| guard, ask: || bound().peer("192.0.2.2"), status: 401, says: "CLIENT_MISMATCH", header: INVALID },
    Case { name: "bound token from nobody knows where", configure: |guard| guard, ask: bound, status: 401, says: "CLIENT_MISMATCH", header: INVALID },
    Case { name: "bound token, address claimed", configure: |guard| guard, ask: || bound().peer("10.0.0.1").header("x-forwarded-for", "192.0.2.1"), status: 401, says: "CLIENT_MISMATCH", header: INVALID },
    Case { name: "bound token behind our proxy", configure: |guard| guard.trusted_proxies(TrustedProxies::parse(["10.0.0.0/8"]).unwrap()), ask: || bound().peer("10.0.0.1").header("x-forwarded-for", "192.0.2.1"), status: 200, says: "agent-7", header: None },
    Case { name: "unbound token where bound ones are wanted", configure: |guard| guard.require_client_ip(true), ask: || Ask::new().bearer(&token(|_| ())).peer("192.0.2.1"), status: 401, says: "CLIENT_MISMATCH", header: INVALID },
    Case { name: "excluded path", configure: |guard| guard.policy(Policy { excluded_paths: vec!["/health".to_owned()], ..Policy::default() }).unwrap(), ask: || Ask::new().path("/health"), status: 200, says: "", header: None },
    Case { name: "beside an excluded path", configure: |guard| guard.policy(Policy { excluded_paths: vec!["/health".to_owned()], ..Policy::default() }).unwrap(), ask: || Ask::new().path("/healthy"), status: 403, says: BLOCKED, header: None },
    Case { name: "token without capability", configure: |guard| guard.policy(Policy { capability: Some("read:orders".to_owned()), ..Policy::default() }).unwrap(), ask: || Ask::new().bearer(&token(|_| ())), status: 403, says: "CAPABILITY_MISSING", header: None },
    Case { name: "answer to a challenge of nobody", configure: |guard| guard, ask: || Ask::new().header("x-botcha-challenge-id", "x").header("x-botcha-answers", "[]"), status: 403, says: BLOCKED, header: None },
    Case { name: "included path in a nested router", configure: |guard| ruled(guard, json!({"included_paths": ["/api/**"]})), ask: || Ask::new().path("/api/orders/7"), status: 403, says: BLOCKED, header: None },
    Case { name: "included path in a nested router, token", configure: |guard| ruled(guard, json!({"included_paths": ["/api/**"]})), ask: || Ask::new().path("/api/orders/7").bearer(&token(|_| ())), status: 200, says: "agent-7", header: None },
    Case { name: "beside the included paths", configure: |guard| ruled(guard, json!({"included_paths": ["/api/**"]})), ask: || Ask::new().path("/apis"), status: 200, says: "", header: None },
    Case { name: "excluded path in a nested router", configure: |guard| ruled(guard, json!({"excluded_paths": ["/api/orders/*"]})), ask: || Ask::new().path("/api/orders/7"), status: 200, says: "", header: None },
    Case { name: "denied address with token", configure: |guard| ruled(guard, json!({"deny_list": [{"ip": "192.0.2.1"}]})), ask: || Ask::new().bearer(&token(|_| ())).peer("192.0.2.1"), status: 403, says: "FORBIDDEN", header: None },
    Case { name: "rule on crawlers, with token", configure: |guard| ruled(guard, crawlers("block")), ask: || crawler().bearer(&token(|_| ())), status: 403, says: "FORBIDDEN", header: None },
    Case { name: "rule on crawlers, another agent", configure: |guard| ruled(guard, crawlers("block")), ask: || Ask::new().bearer(&token(|_| ())), status: 200, says: "agent-7", header: None },
    Case { name: "crawler with token, thresholds", configure: |guard| ruled(guard, json!({})), ask: || crawler().bearer(&token(|_| ())), status: 200, says: "agent-7", header: None },
    Case { name: "rule redirects", configure: |guard| ruled(guard, crawlers("redirect")), ask: || crawler().bearer(&token(|_| ())), status: 302, says: "", header: Some(("location", "https://shop.example/bots")) },
];

fn ruled(guard: RequireAgent, policy: Value) -> RequireAgent {
    guard.policy(serde_json::from_value(policy).unwrap()).unwrap()
}

fn crawlers(action: &str) -> Value {
    let condition = json!({"field": "bot_type", "operator": "equals", "value": "crawler"});
    let rule = json!({"id": "crawlers", "action": action, "conditions": [condition]});
    json!({"rules": [rule], "redirect_url": "https://shop.example/bots"})
}

fn crawler() -> Ask {
    let name = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)";
    Ask::new().header("user-agent", name)
}

fn bound() -> Ask {
    Ask::new().bearer(&token(|claims| claims.client_ip = Some("192.0.2.1".to_owned())))
}

async fn all_cases<F: Framework>() {
    let service = Service::start().await;
    let mut failures = Vec::new();
    for case in CASES {
        let got = F::ask(&(case.configure)(service.agents()), (case.ask)()).await;
        let member = if got.status == 200 { "agent" } else { "error" };
        let is_private = got.status == 200 || got.header("cache-control") == Some("private, no-store");
        let has_header = case.header.is_none_or(|(name, value)| got.header(name) == Some(value));
        if got.status != case.status
            || got.body[member].as_str().unwrap_or("") != case.says
            || !is_private
            || !has_header
        {
            failures.push(format!("{}: {got:?}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The retry that any client of this family sends.
fn answer(refused: &Got) -> Ask {
    let mut ask = Ask::new();
    for (name, value) in solve_inline(&refused.body).unwrap().headers {
        ask = ask.header(String::leak(name), value);
    }
    ask
}

async fn refusal_has_the_documented_form<F: Framework>() {
    let service = Service::start().await;
    let got = F::ask(&service.agents(), Ask::new()).await;
    let challenge = &got.body["challenge"];
    let id = challenge["id"].as_str().unwrap();
    assert_eq!(
        got.body,
        json!({
            "success": false,
            "error": "BOTCHA_VERIFICATION_FAILED",
            "code": "BOTCHA_CHALLENGE",
            "message": got.body["message"].as_str().unwrap(),
            "hint": got.body["hint"].as_str().unwrap(),
            "challenge": {
                "id": id,
                "type": "speed",
                "problems": challenge["problems"].as_array().unwrap(),
                "timeLimit": "500ms",
                "instructions": challenge["instructions"].as_str().unwrap(),
                "submitHeader": "X-Botcha-Challenge-Id",
                "answerHeader": "X-Botcha-Answers",
            },
        })
    );
    assert_eq!(challenge["problems"].as_array().unwrap().len(), 5);
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-botcha-challenge-id", id),
        ("x-botcha-challenge-type", "speed"),
        ("x-botcha-time-limit", "500"),
        ("x-botcha-version", "0.23.0"),
        ("x-botcha-enabled", "true"),
        ("x-botcha-methods", "speed-challenge,jwt-token"),
        ("x-botcha-docs", &format!("{}/openapi.json", service.url)),
    ] {
        assert_eq!(got.header(name), Some(value), "{name}");
    }
    let distant = now().milliseconds() - 300;
    let got = F::ask(&service.agents(), Ask::new().header("x-client-timestamp", distant.to_string())).await;
    let limit: u32 = got.header("x-botcha-time-limit").unwrap().parse().unwrap();
    assert!((1200..=2600).contains(&limit), "{limit}");
}

/// With a generous limit, so that a busy machine is no failure.
async fn posed(store: &MemoryStore, id: &str, age_ms: i64) -> Ask {
    let limit = TimeLimit { limit_ms: 5_000, rtt_ms: None };
    let made = speed::generate(Some(id.to_owned()), limit, &[3; 32], now().plus_milliseconds(-age_ms));
    let numbers: Vec<u64> = made.question.problems.unwrap().iter().map(|problem| problem.num).collect();
    store.put(made.challenge).await;
    let answers = serde_json::to_string(&solve_speed(&numbers)).unwrap();
    Ask::new().header("x-botcha-challenge-id", id).header("x-botcha-answers", answers)
}

async fn answered_challenge_passes_once<F: Framework>() {
    let guard = RequireAgent::with_keys(&key_set()).unwrap();
    let mut admitted = Value::Null;
    // Up to three tries: the limit is half a second on a machine that may be busy.
    for _ in 0..3 {
        let ask = answer(&F::ask(&guard, Ask::new()).await);
        let got = F::ask(&guard, ask.clone()).await;
        let again = F::ask(&guard, ask).await;
        assert_eq!(
            (again.status, again.body["hint"].as_str()),
            (403, Some("Challenge not found or expired"))
        );
        if got.status == 200 {
            admitted = got.body;
            break;
        }
    }
    assert_eq!(admitted["by"], "Challenge");
    assert_eq!(admitted["decision"], "allow");
}

async fn stock_headers_of_every_client_are_taken<F: Framework>() {
    let store = Arc::new(MemoryStore::default());
    let guard = RequireAgent::with_keys(&key_set()).unwrap().challenge_store(Arc::clone(&store));
    for (id, solution) in [
        ("x-botcha-id", "x-botcha-answers"),
        ("x-botcha-id", "x-botcha-solution"),
        ("x-botcha-challenge-id", "x-botcha-answers"),
        ("x-botcha-challenge-id", "x-botcha-solution"),
    ] {
        let ask = posed(&store, "one", 0).await;
        let [(_, known), (_, answers)] = ask.headers.as_slice() else { panic!("two headers") };
        let got = F::ask(&guard, Ask::new().header(id, known).header(solution, answers)).await;
        assert_eq!((got.status, got.body["agent"].as_str()), (200, Some("one")), "{id} {solution}");
    }
}

async fn wrong_and_late_answers_use_the_challenge_up<F: Framework>() {
    let store = Arc::new(MemoryStore::default());
    let guard = RequireAgent::with_keys(&key_set()).unwrap().challenge_store(Arc::clone(&store));
    let right = posed(&store, "one", 0).await;
    for answers in ["[\"73475cb4\"]", "not json", "{}", "[1,2,3,4,5]"] {
        posed(&store, "one", 0).await;
        let wrong = Ask::new().header("x-botcha-id", "one").header("x-botcha-answers", answers);
        let got = F::ask(&guard, wrong).await;
        assert_eq!(got.status, 403, "{answers}");
        assert_ne!(got.body["challenge"]["id"], "one");
        assert_eq!(F::ask(&guard, right.clone()).await.status, 403, "{answers}");
    }
    let late = posed(&store, "late", 6_000).await;
    let got = F::ask(&guard, late).await;
    assert_eq!(got.status, 403);
    assert!(got.body["hint"].as_str().unwrap().starts_with("Too slow!"), "{}", got.body["hint"]);
}

async fn of_many_answers_at_once_one_passes<F: Framework>() {
    let store = Arc::new(MemoryStore::default());
    let guard = RequireAgent::with_keys(&key_set()).unwrap().challenge_store(Arc::clone(&store));
    let ask = posed(&store, "one", 0).await;
    let asks = (0..50).map(|_| F::ask(&guard, ask.clone()));
    let statuses: Vec<_> = futures::future::join_all(asks).await.into_iter().map(|got| got.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
}

async fn challenge_off_means_answers_do_not_count<F: Framework>() {
    let store = Arc::new(MemoryStore::default());
    let guard = RequireAgent::with_keys(&key_set())
        .unwrap()
        .challenge_store(Arc::clone(&store))
        .inline_challenge(false);
    let ask = posed(&store, "one", 0).await;
    assert_eq!(F::ask(&guard, ask).await.status, 401);
}

async fn answer_counts_beside_a_bad_token<F: Framework>() {
    let store = Arc::new(MemoryStore::default());
    let guard = RequireAgent::with_keys(&key_set()).unwrap().challenge_store(Arc::clone(&store));
    let got = F::ask(&guard, posed(&store, "one", 0).await.bearer(&forged())).await;
    assert_eq!((got.status, got.body["by"].as_str()), (200, Some("Challenge")));
    let wrong = Ask::new().header("x-botcha-id", "two").header("x-botcha-answers", "[]").bearer(&forged());
    let got = F::ask(&guard, wrong).await;
    assert_eq!((got.status, got.body["error"].as_str()), (401, Some("SIGNATURE_MISMATCH")));
}

async fn without_keys_the_door_stays_closed<F: Framework>() {
    let service = Service::start().await;
    service.is_down.store(true, Ordering::SeqCst);
    let guard = service.agents();
    let got = F::ask(&guard, Ask::new().bearer(&token(|_| ()))).await;
    assert_eq!((got.status, got.body["error"].as_str()), (503, Some("KEYS_UNAVAILABLE")));
    assert_eq!(F::ask(&guard, Ask::new()).await.status, 403);

    let unreachable = RequireAgent::at("http://127.0.0.1:1").unwrap();
    assert_eq!(F::ask(&unreachable, Ask::new().bearer(&token(|_| ()))).await.status, 503);
}

async fn keys_are_fetched_once<F: Framework>() {
    let service = Service::start().await;
    let guard = service.agents();
    guard.load().await.unwrap();
    service.is_down.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        assert_eq!(F::ask(&guard, Ask::new().bearer(&token(|_| ()))).await.status, 200);
    }
    assert_eq!(service.keys_asked.load(Ordering::SeqCst), 1);
}

on_both!(
    all_cases,
    answer_counts_beside_a_bad_token,
    answered_challenge_passes_once,
    challenge_off_means_answers_do_not_count,
    keys_are_fetched_once,
    of_many_answers_at_once_one_passes,
    refusal_has_the_documented_form,
    stock_headers_of_every_client_are_taken,
    without_keys_the_door_stays_closed,
    wrong_and_late_answers_use_the_challenge_up,
);
