//! Taking over other people's apps and addresses.

use futures::future::join_all;
use http::HeaderMap;
use quivive_server::botcha::codes::StoredCode;
use serde_json::{Value, json};

use crate::botcha::apps::{
    Owned, code, fresh, mail, moody_server, post_as, refusal, server, session, stored, verified, wrong,
};
use crate::support::{Answer, Server};

/// A service that believes the address that a test gives for a caller.
async fn server_of_many() -> Server {
    Server::with(|config| {
        config.development = true;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await
}

async fn guess(server: &Server, owned: &Owned, from: &str, code: &str) -> Answer {
    let body = json!({ "code": code }).to_string();
    server.call("POST", &owned.path("/verify-email"), &[("x-forwarded-for", from)], body).await
}

/// Six digits that are not the right ones.
fn guesses(right: &str) -> impl Iterator<Item = String> {
    let right: u32 = right.parse().unwrap();
    (1..1_000_000).map(move |step| format!("{:06}", (right + step) % 1_000_000))
}

#[tokio::test]
async fn sixty_guesses_and_then_the_right_code_get_one_address_nowhere() {
    let server = server_of_many().await;
    let owned = fresh(&server, "ada@example.com").await;
    let right = code(&server, &owned.email);
    let mut statuses = Vec::new();
    for code in guesses(&right).take(60) {
        statuses.push(guess(&server, &owned, "192.0.2.1", &code).await.status.as_u16());
    }
    assert_eq!(statuses[..5], [400; 5]);
    assert!(statuses[5..].iter().all(|status| *status == 429), "{statuses:?}");
    assert_eq!(refusal(&guess(&server, &owned, "192.0.2.1", &right).await), (429, "RATE_LIMIT_EXCEEDED"));
    assert!(!stored(&server.app, &owned.id).await.is_email_verified);
    let elsewhere = guess(&server, &owned, "192.0.2.2", &right).await;
    assert_eq!(elsewhere.status, 200, "whoever guessed did not take the code from its owner");
}

#[tokio::test]
async fn guesses_from_ever_new_addresses_end_after_fifty_and_the_owner_goes_on() {
    let server = server_of_many().await;
    let owned = fresh(&server, "ada@example.com").await;
    let right = code(&server, &owned.email);
    let mut statuses = Vec::new();
    for (number, code) in guesses(&right).take(60).enumerate() {
        statuses.push(guess(&server, &owned, &format!("198.51.100.{number}"), &code).await.status.as_u16());
    }
    assert_eq!(statuses[..50], [400; 50]);
    assert!(statuses[50..].iter().all(|status| *status == 429), "{statuses:?}");
    let late = guess(&server, &owned, "203.0.113.1", &right).await;
    assert_eq!(refusal(&late), (429, "RATE_LIMIT_EXCEEDED"));
    assert!(late.json["message"].as_str().unwrap().contains("app_secret"), "it says what helps");
    assert_eq!(late.header("retry-after"), "600");
    let body = owned.with_secret(json!({ "code": right }));
    assert_eq!(
        server.post(&owned.path("/verify-email"), &body).await.status,
        200,
        "nobody shuts the owner out"
    );
}

#[tokio::test]
async fn guesses_at_the_same_moment_gain_nothing() {
    let server = server_of_many().await;
    let owned = fresh(&server, "ada@example.com").await;
    let right = code(&server, &owned.email);
    let codes: Vec<String> = guesses(&right).take(40).collect();
    let answers = join_all(codes.iter().map(|code| guess(&server, &owned, "192.0.2.1", code))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 400).count(), 5);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 35);
}

#[tokio::test]
async fn a_stolen_secret_does_not_help_to_guess_the_code() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let right = code(&server, &owned.email);
    let codes: Vec<String> = guesses(&right).take(10).collect();
    let path = owned.path("/verify-email");
    let tries = join_all(codes.iter().map(|code| {
        let body = owned.with_secret(json!({ "code": code }));
        let (server, path) = (&server, &path);
        async move { server.post(path, &body).await.json["message"].as_str().unwrap().to_owned() }
    }));
    let judged = tries.await.into_iter().filter(|message| message == "Invalid verification code").count();
    assert!(judged <= 5, "{judged}");
    let answer = server.post(&path, &owned.with_secret(json!({ "code": right }))).await;
    assert_eq!(answer.json["message"], "No verification pending");
}

#[tokio::test]
async fn new_codes_do_not_give_new_tries_without_end() {
    let server = server_of_many().await;
    let owned = fresh(&server, "ada@example.com").await;
    let mut judged = 0;
    for _ in 0..10 {
        server
            .call("POST", &owned.path("/resend-verification"), &[("x-forwarded-for", "192.0.2.1")], "")
            .await;
        for code in guesses(&code(&server, &owned.email)).take(6) {
            judged += usize::from(guess(&server, &owned, "192.0.2.1", &code).await.status == 400);
        }
    }
    assert_eq!(judged, 15, "of a million, in an hour");
}

#[tokio::test]
async fn an_address_does_not_give_its_app_away() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let answer = server.post("/v1/apps", &json!({ "email": owned.email })).await;
    assert_eq!(answer.status, 409);
    let told = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
    assert!(!told.contains(&owned.id) && !told.contains("app_"), "{told}");
}

/// The headers, without those that tell one request from another.
fn told(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for own in ["x-request-id", "x-ratelimit-remaining", "content-length"] {
        assert!(headers.remove(own).is_some() || own == "content-length", "{own}");
    }
    headers
}

#[tokio::test]
async fn recovery_does_not_tell_who_has_an_app() {
    let (server, database) = moody_server(|config| config.limits.mails_per_hour = 100).await;
    verified(&server, "verified@example.com").await;
    fresh(&server, "unproven@example.com").await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let mut json = Vec::new();
    let mut pages = Vec::new();
    for email in ["verified@example.com", "unproven@example.com", "nobodyyy@example.com"] {
        database.asked();
        let answer = server.post("/v1/auth/recover", &json!({ "email": email })).await;
        json.push((answer.status, answer.body, told(&answer.headers), database.asked()));
        let answer = server.call("POST", "/dashboard/email-login", &form, format!("email={email}")).await;
        pages.push((answer.status, answer.body, told(&answer.headers), database.asked()));
    }
    for looks in [json, pages] {
        assert_eq!(looks[0], looks[1]);
        assert_eq!(looks[0], looks[2]);
        let work = &looks[0].3;
        assert!(["put code", "append"].iter().all(|step| work.iter().any(|done| done == step)), "{work:?}");
    }
    assert_eq!(server.app.mail.kept().iter().filter(|mail| mail.subject.contains("login")).count(), 2);
}

#[tokio::test]
async fn the_code_that_is_made_for_nobody_opens_nothing() {
    let server = server().await;
    server.post("/v1/auth/recover", &json!({ "email": "nobody@example.com" })).await;
    let made = server.app.storage.list::<StoredCode>("nobody", None, 10).await.unwrap();
    assert_eq!(made.len(), 1);
    // Should anybody ever guess it: the session that it would begin is nobody's.
    let token = session(&server, "nobody").await;
    let answer = post_as(&server, "/v1/apps/nobody/rotate-secret", &token, &json!({})).await;
    assert_eq!(refusal(&answer), (401, "INVALID_TOKEN"));
}

#[tokio::test]
async fn a_forged_host_does_not_get_into_the_mail() {
    for public_url in [None, Some("https://door.example".to_owned())] {
        let server = Server::with(|config| {
            config.development = true;
            config.public_url = public_url.clone();
        })
        .await;
        verified(&server, "ada@example.com").await;
        let forged = [
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "host=evil.example"),
        ];
        let body = json!({ "email": "ada@example.com" }).to_string();
        assert_eq!(server.call("POST", "/v1/auth/recover", &forged, body).await.status, 200);
        let mail = mail(&server, "ada@example.com").unwrap();
        assert!(mail.subject.contains("login"));
        assert!(!format!("{}{}", mail.text, mail.html).contains("evil.example"), "{}", mail.text);
        let base = public_url.as_deref().unwrap_or("http://127.0.0.1:8080");
        assert!(mail.text.contains(&format!("{base}/dashboard/code")), "{}", mail.text);
    }
}

#[tokio::test]
async fn a_mail_goes_to_the_stored_address_whatever_a_request_says() {
    let server = server().await;
    verified(&server, "kate@example.com").await;
    for email in [
        json!(["kate@example.com", "evil@example.com"]),
        json!("kate@example.com,evil@example.com"),
        json!("kate@example.com\r\nBcc: evil@example.com"),
        // A sign that looks like K, and is it in lower case.
        json!("\u{212a}ate@example.com"),
    ] {
        server.post("/v1/auth/recover", &json!({ "email": email })).await;
    }
    assert!(server.app.mail.kept().iter().all(|mail| mail.to == "kate@example.com"));
}

#[tokio::test]
async fn the_secret_of_one_app_does_nothing_to_another() {
    let server = server().await;
    let mine = verified(&server, "eve@example.com").await;
    let theirs = verified(&server, "ada@example.com").await;
    let before = serde_json::to_value(stored(&server.app, &theirs.id).await).unwrap();
    let token = session(&server, &mine.id).await;
    let change = json!({ "registration_policy": "paired", "app_id": theirs.id });
    for path in ["/rotate-secret", "/pair", "/settings"] {
        let path = theirs.path(path);
        assert_eq!(server.post(&path, &mine.with_secret(change.clone())).await.status, 401, "{path}");
        let refused = post_as(&server, &path, &token, &change).await.status.as_u16();
        assert!(matches!(refused, 401 | 403), "{path}: {refused}");
    }
    assert_eq!(serde_json::to_value(stored(&server.app, &theirs.id).await).unwrap(), before);
}

#[tokio::test]
async fn a_new_code_cannot_be_sent_elsewhere() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let body = json!({ "email": "evil@example.com", "to": "evil@example.com" });
    let answer = server.post(&owned.path("/resend-verification"), &body).await;
    assert_eq!(answer.status, 200);
    assert!(mail(&server, "evil@example.com").is_none());
    let code = code(&server, &owned.email);
    assert!(!String::from_utf8_lossy(&answer.body).contains(&code));
    let guessed = server.post(&owned.path("/verify-email"), &json!({ "code": wrong(&code) })).await;
    assert_eq!(guessed.status, 400);
}

#[tokio::test]
async fn whoever_signed_up_with_a_foreign_address_loses_the_app_to_it() {
    let server = server().await;
    let squatted = fresh(&server, "ada@example.com").await;
    let held = session(&server, &squatted.id).await;
    // The real owner of the address uses what the mailbox gives.
    let body = json!({ "code": code(&server, "ada@example.com") });
    assert_eq!(server.post(&squatted.path("/verify-email"), &body).await.status, 200);
    server.post("/v1/auth/recover", &json!({ "email": "ada@example.com" })).await;
    assert!(code(&server, "ada@example.com").starts_with("BOTCHA-"));
    let owner = session(&server, &squatted.id).await;
    assert_eq!(post_as(&server, &squatted.path("/rotate-secret"), &owner, &Value::Null).await.status, 200);
    let by_secret = server.post(&squatted.path("/rotate-secret"), &squatted.with_secret(json!({}))).await;
    assert_eq!(by_secret.status, 401);
    assert_eq!(post_as(&server, &squatted.path("/pair"), &held, &Value::Null).await.status, 401);
}
