use futures::future::join_all;
use quivive_server::config::AppGate;
use serde_json::{Value, json};

use super::{
    code, fresh, mail, moody_server, post_as, refusal, server, session, stored, verified, who_did, wrong,
};
use crate::support::{Answer, Server};

fn reason(answer: &Answer) -> (u16, &str, &str) {
    let (status, code) = refusal(answer);
    (status, code, answer.json["message"].as_str().unwrap())
}

const FAILED: &str = "VERIFICATION_FAILED";

#[tokio::test]
async fn the_mailed_code_is_proof_enough() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let body = json!({ "code": code(&server, &owned.email) });
    let answer = server.post(&owned.path("/verify-email"), &body).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json["email_verified"]),
        (200, &json!(true)),
        "{}",
        answer.json
    );
    assert!(stored(&server.app, &owned.id).await.is_email_verified);
    assert_eq!(who_did(&server.app, &owned.id, "app.email_verified").await, ["mailed_code"]);
    let again = server.post(&owned.path("/verify-email"), &body).await;
    assert_eq!(reason(&again), (400, FAILED, "Email already verified"));
}

#[tokio::test]
async fn a_code_with_blanks_around_it_is_the_same_code() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let body = json!({ "code": format!(" {} ", code(&server, &owned.email)) });
    assert_eq!(server.post(&owned.path("/verify-email"), &body).await.status, 200);
}

#[tokio::test]
async fn each_reason_of_a_refusal_is_told() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let path = owned.path("/verify-email");
    for body in [json!({}), json!({ "code": 123_456 }), json!({ "code": null }), json!([])] {
        assert_eq!(refusal(&server.post(&path, &body).await), (400, "MISSING_CODE"), "{body}");
    }
    assert_eq!(refusal(&server.call("POST", &path, &[], "{not json").await), (400, "MISSING_CODE"));
    let right = code(&server, &owned.email);
    let missing = server.post("/v1/apps/app_none/verify-email", &json!({ "code": right })).await;
    assert_eq!(reason(&missing), (400, FAILED, "App not found"));
    for code in [wrong(&right), String::new(), format!("{right}0"), "９９９９９９".to_owned()] {
        let answer = server.post(&path, &json!({ "code": code })).await;
        assert_eq!(reason(&answer), (400, FAILED, "Invalid verification code"), "{code}");
    }
    server.advance(599_999);
    let other = fresh(&server, "ben@example.com").await;
    server.advance(1);
    let late = server.post(&path, &json!({ "code": right })).await;
    assert_eq!(reason(&late), (400, FAILED, "Verification code expired"));
    let body = json!({ "code": code(&server, &other.email) });
    assert_eq!(server.post(&other.path("/verify-email"), &body).await.status, 200);
    server.advance(86_400_000);
    let later = server.post(&path, &json!({ "code": right })).await;
    assert_eq!(reason(&later), (400, FAILED, "No verification pending"));
    let oversized = server.post(&path, &json!({ "code": "1".repeat(70_000) })).await;
    assert_eq!(refusal(&oversized), (413, "PAYLOAD_TOO_LARGE"));
}

#[tokio::test]
async fn a_code_of_another_app_is_a_wrong_code() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let other = fresh(&server, "ben@example.com").await;
    let foreign = code(&server, &other.email);
    assert_ne!(foreign, code(&server, &owned.email));
    let answer = server.post(&owned.path("/verify-email"), &json!({ "code": foreign })).await;
    assert_eq!(reason(&answer), (400, FAILED, "Invalid verification code"));
}

#[tokio::test]
async fn of_many_who_bring_the_right_code_at_once_one_is_told_yes() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let (path, body) = (owned.path("/verify-email"), json!({ "code": code(&server, &owned.email) }));
    let answers = join_all((0..5).map(|_| server.post(&path, &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(who_did(&server.app, &owned.id, "app.email_verified").await.len(), 1);
}

#[tokio::test]
async fn five_wrong_tries_of_the_owner_void_the_code() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let right = code(&server, &owned.email);
    let path = owned.path("/verify-email");
    for _ in 0..5 {
        let answer = server.post(&path, &owned.with_secret(json!({ "code": wrong(&right) }))).await;
        assert_eq!(reason(&answer), (400, FAILED, "Invalid verification code"));
    }
    for body in [owned.with_secret(json!({ "code": right })), json!({ "code": right })] {
        assert_eq!(reason(&server.post(&path, &body).await), (400, FAILED, "No verification pending"));
    }
    assert_eq!(
        server.post(&owned.path("/resend-verification"), &owned.with_secret(json!({}))).await.status,
        200
    );
    let body = owned.with_secret(json!({ "code": code(&server, &owned.email) }));
    assert_eq!(server.post(&path, &body).await.status, 200, "a new code has tries of its own");
}

#[tokio::test]
async fn the_fifth_try_of_the_owner_may_still_be_right() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let right = code(&server, &owned.email);
    let path = owned.path("/verify-email");
    for _ in 0..4 {
        server.post(&path, &owned.with_secret(json!({ "code": wrong(&right) }))).await;
    }
    let answer = server.post(&path, &owned.with_secret(json!({ "code": right }))).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
}

#[tokio::test]
async fn a_session_stands_in_for_the_secret() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let token = session(&server, &owned.id).await;
    let body = json!({ "code": code(&server, &owned.email) });
    assert_eq!(post_as(&server, &owned.path("/verify-email"), &token, &body).await.status, 200);
    assert_eq!(who_did(&server.app, &owned.id, "app.email_verified").await, ["session"]);
}

#[tokio::test]
async fn a_cookie_needs_a_page_of_ours() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let cookie = format!("botcha_session={}", session(&server, &owned.id).await);
    for path in ["/verify-email", "/resend-verification", "/rotate-secret", "/pair", "/settings"] {
        let body = json!({ "code": "000000" }).to_string();
        let answer = server.call("POST", &owned.path(path), &[("cookie", &cookie)], body).await;
        assert_eq!(refusal(&answer), (403, "FOREIGN_FORM"), "{path}");
    }
}

#[tokio::test]
async fn for_stock_clients_the_code_alone_is_not_enough() {
    let server = Server::compat().await;
    let answer = server.post("/v1/apps", &json!({ "email": "ada@example.com" })).await.json;
    let path = |rest: &str| format!("/v1/apps/{}{rest}", answer["app_id"].as_str().unwrap());
    let code = &answer["verification_code"];
    for rest in ["/verify-email", "/resend-verification"] {
        let refused = server.post(&path(rest), &json!({ "code": code })).await;
        assert_eq!(refusal(&refused), (401, "UNAUTHORIZED"), "{rest}");
        let wrong = server.post(&path(rest), &json!({ "code": code, "app_secret": "sk_wrong" })).await;
        assert_eq!(refusal(&wrong), (401, "UNAUTHORIZED"), "{rest}");
    }
    let secret = answer["app_secret"].as_str().unwrap();
    let body = json!({ "code": code }).to_string();
    let right = server.call("POST", &path("/verify-email"), &[("x-app-secret", secret)], body).await;
    assert_eq!(right.status, 200, "{}", right.json);
}

#[tokio::test]
async fn a_new_code_takes_the_place_of_the_former() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let former = code(&server, &owned.email);
    server.advance(599_000);
    let answer = server.call("POST", &owned.path("/resend-verification"), &[], "").await;
    assert_eq!((answer.status.as_u16(), &answer.json["success"]), (200, &json!(true)));
    assert!(!String::from_utf8(answer.body).unwrap().contains(&code(&server, &owned.email)));
    server.advance(599_000);
    let stale = server.post(&owned.path("/verify-email"), &json!({ "code": former })).await;
    assert_eq!(reason(&stale), (400, FAILED, "Invalid verification code"));
    let body = json!({ "code": code(&server, &owned.email) });
    assert_eq!(server.post(&owned.path("/verify-email"), &body).await.status, 200);
}

#[tokio::test]
async fn each_reason_against_a_new_code_is_told() {
    let server = server().await;
    let unknown = server.post("/v1/apps/app_none/resend-verification", &json!({})).await;
    assert_eq!((unknown.status.as_u16(), &unknown.json["error"]), (404, &json!("App not found")));
    let owned = verified(&server, "ada@example.com").await;
    let done = server.post(&owned.path("/resend-verification"), &json!({})).await;
    assert_eq!((done.status.as_u16(), &done.json["error"]), (400, &json!("Email already verified")));
    let oversized =
        server.post(&owned.path("/resend-verification"), &json!({ "x": "1".repeat(70_000) })).await;
    assert_eq!(refusal(&oversized), (413, "PAYLOAD_TOO_LARGE"));
}

#[tokio::test]
async fn strangers_ask_for_three_codes_of_an_app_in_an_hour_and_the_owner_for_his_own_three() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let path = owned.path("/resend-verification");
    for body in [json!({}), owned.with_secret(json!({}))] {
        for _ in 0..3 {
            assert_eq!(server.post(&path, &body).await.status, 200);
        }
        assert_eq!(refusal(&server.post(&path, &body).await), (429, "RATE_LIMIT_EXCEEDED"));
    }
    assert_eq!(server.app.mail.kept().len(), 7);
    server.advance(3_600_000);
    assert_eq!(server.post(&path, &json!({})).await.status, 200);
}

#[tokio::test]
async fn one_address_asks_for_five_codes_in_an_hour() {
    let server = server().await;
    let mut statuses = Vec::new();
    for number in 0..6 {
        let owned = fresh(&server, &format!("a{number}@example.com")).await;
        statuses.push(server.post(&owned.path("/resend-verification"), &json!({})).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
}

#[tokio::test]
async fn a_verified_app_passes_the_strict_gate_and_a_fresh_one_does_not() {
    let server = Server::with(|config| {
        config.development = true;
        config.botcha.app_gate = AppGate::Strict;
    })
    .await;
    let owned = fresh(&server, "ada@example.com").await;
    let challenge = format!("/v1/token?app_id={}", owned.id);
    let early = server.get(&challenge).await;
    assert_eq!(refusal(&early), (403, "EMAIL_NOT_VERIFIED"));
    assert!(early.json["resend"].as_str().unwrap().ends_with(&owned.path("/resend-verification")));
    let body = json!({ "code": code(&server, &owned.email) });
    assert_eq!(server.post(&owned.path("/verify-email"), &body).await.status, 200, "outside the gate");
    assert_eq!(server.get(&challenge).await.status, 200);
    let missing = server.get("/v1/token").await;
    assert_eq!(refusal(&missing), (401, "APP_REGISTRATION_REQUIRED"));
    assert!(missing.json["docs"].as_str().unwrap().ends_with("/ai.txt"));
}

#[tokio::test]
async fn without_storage_no_code_is_judged_and_none_is_made() {
    let (server, database) = moody_server(|_| {}).await;
    let owned = fresh(&server, "ada@example.com").await;
    let body = json!({ "code": code(&server, &owned.email) });
    database.is_down(true);
    for path in ["/verify-email", "/resend-verification", "/rotate-secret", "/pair", "/settings"] {
        let answer = server.post(&owned.path(path), &body).await;
        assert_eq!(refusal(&answer), (503, "STORAGE_UNAVAILABLE"), "{path}");
    }
    database.is_down(false);
    assert_eq!(server.app.mail.kept().len(), 1);
    assert_eq!(server.post(&owned.path("/verify-email"), &body).await.status, 200, "nothing was used up");
}

#[tokio::test]
async fn a_code_is_hashed_at_rest_and_leaves_no_trace_in_the_trail() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let code = code(&server, &owned.email);
    let entries = quivive_server::audit::latest(&server.app, &owned.id, 10).await.unwrap();
    let app = serde_json::to_string(&stored(&server.app, &owned.id).await).unwrap();
    assert!(!Value::from(entries).to_string().contains(&code) && !app.contains(&code));
    assert_eq!(mail(&server, &owned.email).unwrap().subject, "Quivive: Verify your address");
}
