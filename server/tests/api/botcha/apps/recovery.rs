use quivive_server::botcha::codes::{self, Content, Purpose};
use serde_json::json;

use super::{code, fresh, mail, moody_server, refusal, server, verified, who_did};
use crate::support::{Answer, Server};

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

async fn by_form(server: &Server, form: &str) -> Answer {
    server.call("POST", "/dashboard/email-login", &FORM, form.to_owned()).await
}

fn target(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.header("location"))
}

#[tokio::test]
async fn the_owner_gets_a_login_code_that_is_good_once() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let answer = server.post("/v1/auth/recover", &json!({ "email": " ADA@example.com " })).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json),
        (
            200,
            json!({
                "success": true,
                "message": "If an app with this email exists and is verified, a recovery code has been sent.",
                "hint": "Enter the code at http://127.0.0.1:8080/dashboard/code",
            })
        )
    );
    let told = mail(&server, &owned.email).unwrap();
    let code = code(&server, &owned.email);
    assert!(code.starts_with("BOTCHA-") && !told.subject.contains(&code), "{}", told.subject);
    assert!(told.text.contains(&format!("http://127.0.0.1:8080/go/{code}")), "{}", told.text);
    assert!(told.html.contains(&format!("href=\"http://127.0.0.1:8080/go/{code}\"")), "{}", told.html);
    assert_eq!(who_did(&server.app, &owned.id, "app.recovery_requested").await, ["anyone"]);
    server.advance(599_999);
    let taken = codes::take(&server.app, &code, &[Purpose::Device]).await.unwrap();
    assert!(matches!(taken, Some(Content::Device { app_id }) if app_id == owned.id));
    assert!(codes::take(&server.app, &code, &[Purpose::Device]).await.unwrap().is_none());
}

#[tokio::test]
async fn the_code_of_a_mail_ends_after_ten_minutes() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    server.post("/v1/auth/recover", &json!({ "email": owned.email })).await;
    let code = code(&server, &owned.email);
    server.advance(600_000);
    assert!(codes::take(&server.app, &code, &[Purpose::Device]).await.unwrap().is_none());
}

#[tokio::test]
async fn an_address_without_a_verified_app_gets_nothing() {
    let server = server().await;
    let young = fresh(&server, "ada@example.com").await;
    for email in [young.email.as_str(), "nobody@example.com", "no address at all", &"x".repeat(10_000)] {
        assert_eq!(server.post("/v1/auth/recover", &json!({ "email": email })).await.status, 200);
    }
    assert_eq!(server.app.mail.kept().len(), 1, "only the verification code of the sign-up");
}

#[tokio::test]
async fn a_request_without_an_address_is_refused() {
    let server = server().await;
    for body in ["{}", "[]", "{\"email\":7}", "{\"email\":\"  \"}", "{not json", ""] {
        let answer = server.call("POST", "/v1/auth/recover", &[], body).await;
        assert_eq!(refusal(&answer), (400, "MISSING_EMAIL"), "{body}");
    }
    let oversized = server.post("/v1/auth/recover", &json!({ "email": "x".repeat(70_000) })).await;
    assert_eq!(refusal(&oversized), (413, "PAYLOAD_TOO_LARGE"));
}

#[tokio::test]
async fn one_caller_asks_five_times_an_hour_by_both_ways() {
    let server = server().await;
    for number in 0..3 {
        let body = json!({ "email": format!("a{number}@example.com") });
        assert_eq!(server.post("/v1/auth/recover", &body).await.status, 200);
    }
    for number in 3..5 {
        assert_eq!(by_form(&server, &format!("email=a{number}@example.com")).await.status, 302);
    }
    let answer = server.post("/v1/auth/recover", &json!({ "email": "b@example.com" })).await;
    assert_eq!(refusal(&answer), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(answer.header("retry-after"), "3600");
    let page = [("content-type", FORM[0].1), ("accept", "text/html")];
    let answer = server.call("POST", "/dashboard/email-login", &page, "email=b@example.com").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "3600"));
    server.advance(3_600_000);
    assert_eq!(server.post("/v1/auth/recover", &json!({ "email": "b@example.com" })).await.status, 200);
}

#[tokio::test]
async fn one_address_is_asked_for_three_times_an_hour_whether_it_has_an_app_or_not() {
    let server = Server::with(|config| {
        config.development = true;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    verified(&server, "ada@example.com").await;
    for email in ["ada@example.com", "nobody@example.com"] {
        let mut statuses = Vec::new();
        for number in 0..4 {
            let from = format!("192.0.2.{number}");
            let body = json!({ "email": email }).to_string();
            let answer = server.call("POST", "/v1/auth/recover", &[("x-forwarded-for", &from)], body).await;
            statuses.push(answer.status.as_u16());
        }
        assert_eq!(statuses, [200, 200, 200, 429], "{email}");
    }
}

#[tokio::test]
async fn the_login_page_leads_to_the_code_page_for_every_address() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    for form in ["email=+ADA%40example.com+", "email=nobody%40example.com"] {
        assert_eq!(target(&by_form(&server, form).await), (302, "/dashboard/code?email_sent=1"), "{form}");
    }
    assert!(code(&server, &owned.email).starts_with("BOTCHA-"));
    assert!(mail(&server, "nobody@example.com").is_none());
    for form in ["", "email=", "email=+", "other=1"] {
        assert_eq!(
            target(&by_form(&server, form).await),
            (302, "/dashboard/login?error=email_missing"),
            "{form}"
        );
    }
    let oversized = by_form(&server, &format!("email={}", "x".repeat(70_000))).await;
    assert_eq!(oversized.status, 413);
}

#[tokio::test]
async fn a_form_in_parts_is_read_as_well() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let body = "--x\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nada@example.com\r\n--x--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=x")];
    let answer = server.call("POST", "/dashboard/email-login", &headers, body).await;
    assert_eq!(target(&answer), (302, "/dashboard/code?email_sent=1"));
    assert!(code(&server, &owned.email).starts_with("BOTCHA-"));
    let broken = server.call("POST", "/dashboard/email-login", &headers, "--x\r\nnonsense").await;
    assert_eq!(broken.status, 400);
}

#[tokio::test]
async fn without_storage_no_mail_is_promised() {
    let (server, database) = moody_server(|_| {}).await;
    verified(&server, "ada@example.com").await;
    database.is_down(true);
    for email in ["ada@example.com", "nobody@example.com"] {
        let answer = server.post("/v1/auth/recover", &json!({ "email": email })).await;
        assert_eq!(refusal(&answer), (503, "STORAGE_UNAVAILABLE"));
        assert_eq!(by_form(&server, &format!("email={email}")).await.status, 503);
    }
    assert_eq!(server.app.mail.kept().len(), 1);
}
