use futures::future::join_all;
use quivive_server::botcha::apps::RegisteredApp;
use quivive_server::config::{Config, Profile};
use serde_json::{Value, json};

use super::{code, code_in, fresh, mail, moody_server, post_as, refusal, server, session, stored, who_did};
use crate::support::Server;

#[tokio::test]
async fn an_app_is_registered_and_its_secret_shown_once() {
    let server = server().await;
    let answer =
        server.post("/v1/apps", &json!({ "email": " Human@Example.COM ", "name": " My App " })).await;
    assert_eq!(answer.status, 201);
    let body = answer.json;
    let id = body["app_id"].as_str().unwrap();
    let secret = body["app_secret"].as_str().unwrap();
    let is_hex = |text: &str, length: usize| {
        text.len() == length
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    assert!(is_hex(id.strip_prefix("app_").unwrap(), 16), "{id}");
    assert!(is_hex(secret.strip_prefix("sk_").unwrap(), 32), "{secret}");
    for (member, value) in [
        ("success", json!(true)),
        ("name", json!("My App")),
        ("email", json!("human@example.com")),
        ("email_verified", json!(false)),
        ("verification_required", json!(true)),
        ("created_at", json!("2026-02-15T12:00:00.000Z")),
        ("rate_limit", json!(100)),
    ] {
        assert_eq!(body[member], value, "{member}");
    }
    for member in ["warning", "credential_advice", "next_step"] {
        assert!(!body[member].as_str().unwrap().is_empty(), "{member}");
    }
    assert_eq!(answer.headers["cache-control"], "no-store");
    let kept = serde_json::to_string(&stored(&server.app, id).await).unwrap();
    assert!(!kept.contains(secret), "only a hash of the secret is kept");
    assert_eq!(who_did(&server.app, id, "app.created").await, ["anyone"]);
    let again = server.get(&format!("/v1/apps/{id}")).await.body;
    assert!(!String::from_utf8(again).unwrap().contains("sk_"));
}

#[tokio::test]
async fn the_code_comes_by_mail_alone() {
    let server = server().await;
    let answer = server.post("/v1/apps", &json!({ "email": "a@example.com" })).await;
    assert_eq!(answer.json.get("verification_code"), None);
    assert_eq!(answer.json.get("name"), None);
    let code = code(&server, "a@example.com");
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    assert!(!String::from_utf8(answer.body).unwrap().contains(&code));
    let mail = mail(&server, "a@example.com").unwrap();
    assert!(!mail.subject.contains(&code) && mail.html.contains(&code) && mail.text.contains(&code));
}

#[tokio::test]
async fn nothing_that_a_stranger_writes_gets_into_a_mail() {
    let server = server().await;
    let name = "Win a prize at evil.example";
    server.post("/v1/apps", &json!({ "email": "a@example.com", "name": name })).await;
    let mail = mail(&server, "a@example.com").unwrap();
    assert!(!format!("{}{}{}", mail.subject, mail.text, mail.html).contains("evil.example"));
}

#[tokio::test]
async fn bad_input_has_its_code_and_makes_no_app() {
    let server = server().await;
    let long = "x".repeat(101);
    for (body, expected) in [
        (json!({}), "MISSING_EMAIL"),
        (json!([]), "MISSING_EMAIL"),
        (json!({ "email": 7 }), "MISSING_EMAIL"),
        (json!({ "email": null }), "MISSING_EMAIL"),
        (json!({ "email": ["a@example.com"] }), "MISSING_EMAIL"),
        (json!({ "email": " " }), "MISSING_EMAIL"),
        (json!({ "email": "nobody" }), "INVALID_EMAIL"),
        (json!({ "email": "a@b" }), "INVALID_EMAIL"),
        (json!({ "email": "a@b.example\r\nBcc: c@d.example" }), "INVALID_EMAIL"),
        (json!({ "email": "\"a\"<x@b.example>" }), "INVALID_EMAIL"),
        (json!({ "email": format!("{}@example.com", "a".repeat(250)) }), "INVALID_EMAIL"),
        (json!({ "email": "a@example.com", "name": 42 }), "INVALID_NAME"),
        (json!({ "email": "a@example.com", "name": {} }), "INVALID_NAME"),
        (json!({ "email": "a@example.com", "name": "  " }), "INVALID_NAME"),
        (json!({ "email": "a@example.com", "name": long }), "INVALID_NAME"),
        (json!({ "email": "a@example.com", "name": "a\u{7}b" }), "INVALID_NAME"),
    ] {
        let answer = server.post("/v1/apps", &body).await;
        assert_eq!(refusal(&answer), (400, expected), "{body}");
        assert_eq!(answer.json["success"], false);
    }
    let unreadable = server.call("POST", "/v1/apps", &[], "{not json").await;
    assert_eq!(refusal(&unreadable), (400, "MISSING_EMAIL"), "a body that cannot be read has no members");
    assert!(server.app.mail.kept().is_empty());
    fresh(&server, "a@example.com").await;
}

#[tokio::test]
async fn a_name_of_a_hundred_characters_is_taken_and_null_is_none() {
    let server = server().await;
    let name = "ü".repeat(100);
    let named = server.post("/v1/apps", &json!({ "email": "a@example.com", "name": name })).await;
    assert_eq!((named.status.as_u16(), &named.json["name"]), (201, &json!(name)));
    let nameless = server.post("/v1/apps", &json!({ "email": "b@example.com", "name": null })).await;
    assert_eq!((nameless.status.as_u16(), nameless.json.get("name")), (201, None));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let server = server().await;
    let answer = server.post("/v1/apps", &json!({ "email": "x".repeat(70_000) })).await;
    assert_eq!(refusal(&answer), (413, "PAYLOAD_TOO_LARGE"));
}

#[tokio::test]
async fn an_address_has_one_app_however_it_is_spelled() {
    let server = server().await;
    fresh(&server, "ada@example.com").await;
    for email in ["ada@example.com", " ADA@Example.com"] {
        let answer = server.post("/v1/apps", &json!({ "email": email })).await;
        assert_eq!(refusal(&answer), (409, "EMAIL_ALREADY_REGISTERED"));
        assert!(answer.json["recovery"].as_str().unwrap().contains("/v1/auth/recover"));
        assert_eq!(answer.json.get("existing_app_id"), None);
    }
}

#[tokio::test]
async fn of_forty_sign_ups_at_once_exactly_one_gets_the_address() {
    let server = server().await;
    let body = json!({ "email": "ada@example.com" });
    let answers = join_all((0..40).map(|_| server.post("/v1/apps", &body))).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(409)), (1, 39));
    let apps = server.app.storage.list::<RegisteredApp>("", None, 100).await.unwrap();
    assert_eq!(apps.iter().filter(|app| !app.is_demo).count(), 1);
    assert_eq!(server.app.mail.kept().len(), 1);
}

#[tokio::test]
async fn an_address_whose_app_is_gone_is_free_again() {
    let server = server().await;
    let gone = fresh(&server, "ada@example.com").await;
    server.app.storage.delete::<RegisteredApp>(&gone.id).await.unwrap();
    let next = fresh(&server, "ada@example.com").await;
    assert_ne!(gone.id, next.id);
    assert_eq!(server.post("/v1/apps", &json!({ "email": "ada@example.com" })).await.status, 409);
}

#[tokio::test]
async fn an_address_signs_up_ten_times_in_an_hour() {
    let server = Server::start().await;
    for number in 0..10 {
        let answer = server.post("/v1/apps", &json!({ "email": format!("a{number}@example.com") })).await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("x-ratelimit-remaining"), (9 - number).to_string());
    }
    let answer = server.post("/v1/apps", &json!({ "email": "b@example.com" })).await;
    assert_eq!(refusal(&answer), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!((answer.header("retry-after"), answer.header("x-ratelimit-limit")), ("3600", "10"));
    server.advance(3_600_000);
    assert_eq!(server.post("/v1/apps", &json!({ "email": "b@example.com" })).await.status, 201);
}

#[tokio::test]
async fn without_storage_nothing_is_registered() {
    let (server, database) = moody_server(|_| {}).await;
    database.is_down(true);
    let answer = server.post("/v1/apps", &json!({ "email": "ada@example.com" })).await;
    assert_eq!(refusal(&answer), (503, "STORAGE_UNAVAILABLE"));
    assert!(server.app.mail.kept().is_empty());
    database.is_down(false);
    fresh(&server, "ada@example.com").await;
}

#[tokio::test]
async fn for_stock_clients_the_code_and_the_existing_app_are_shown_on_demand() {
    let server = Server::compat().await;
    let body = json!({ "email": "ada@example.com" });
    let made = server.post("/v1/apps", &body).await.json;
    assert!(made["verification_code"].as_str().unwrap().len() == 6);
    let taken = server.post("/v1/apps", &body).await;
    assert_eq!((taken.status.as_u16(), &taken.json["existing_app_id"]), (409, &made["app_id"]));
    let path = format!("/v1/apps/{}/verify-email", made["app_id"].as_str().unwrap());
    let answer = server
        .post(&path, &json!({ "code": made["verification_code"], "app_secret": made["app_secret"] }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    assert!(!Config::defaults(Profile::Secure).unwrap().compat.expose_verification_code);
}

fn quiet(config: &mut Config) {
    config.botcha.anti_enumeration_signup = true;
}

#[tokio::test]
async fn a_quiet_sign_up_tells_a_new_address_and_a_taken_one_the_same_after_the_same_work() {
    let (server, database) = moody_server(quiet).await;
    let body = json!({ "email": "ada@example.com", "name": "Shop" });
    database.asked();
    let new = server.post("/v1/apps", &body).await;
    let work = database.asked();
    let taken = server.post("/v1/apps", &body).await;
    assert_eq!(database.asked(), work);
    assert!(work.len() >= 4, "{work:?}");
    assert_eq!(new.status, 202);
    assert_eq!((taken.status, &taken.body), (new.status, &new.body));
    let names = |answer: &crate::support::Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&new), names(&taken));
    assert_eq!(
        (new.json["success"].clone(), new.json["verification_required"].clone(), new.json.get("app_id")),
        (json!(true), json!(true), None)
    );
    let mails = server.app.mail.kept();
    assert_eq!(mails.len(), 2);
    assert!(mails[0].text.contains("tried to register"), "the owner is told: {}", mails[0].text);
    assert!(!mails[0].text.contains(&code_in(&mails[1].text)));
}

#[tokio::test]
async fn the_owner_of_a_quietly_made_app_verifies_it_and_makes_the_secret() {
    let (server, _) = moody_server(quiet).await;
    server.post("/v1/apps", &json!({ "email": "ada@example.com" })).await;
    let text = mail(&server, "ada@example.com").unwrap().text;
    let id = text.split_whitespace().find(|word| word.starts_with("app_")).unwrap().to_owned();
    let answer =
        server.post(&format!("/v1/apps/{id}/verify-email"), &json!({ "code": code_in(&text) })).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    assert_eq!(stored(&server.app, &id).await.secret_hash, None, "nobody has a secret yet");
    let token = session(&server, &id).await;
    let rotated = post_as(&server, &format!("/v1/apps/{id}/rotate-secret"), &token, &Value::Null).await;
    assert_eq!(rotated.status, 200, "{}", rotated.json);
}

#[tokio::test]
async fn a_quiet_sign_up_writes_to_one_address_three_times_an_hour() {
    let (server, _) = moody_server(quiet).await;
    let body = json!({ "email": "ada@example.com" });
    for _ in 0..3 {
        assert_eq!(server.post("/v1/apps", &body).await.status, 202);
    }
    assert_eq!(refusal(&server.post("/v1/apps", &body).await), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(server.app.mail.kept().len(), 3);
}
