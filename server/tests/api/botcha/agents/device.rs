use serde_json::{Value, json};

use super::{agent, begin_grant, decide, poll, refusal, session, with_app};
use crate::support::{Answer, Server};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const HTML: (&str, &str) = ("Accept", "text/html");
const OWN: (&str, &str) = ("Sec-Fetch-Site", "same-origin");

async fn cookie(server: &Server, app_id: &str) -> String {
    format!("botcha_session={}", session(server, app_id).await.trim_start_matches("Bearer "))
}

async fn open(server: &Server, path: &str, cookie: &str) -> Answer {
    server.call("GET", path, &[HTML, ("Cookie", cookie)], "").await
}

async fn press(server: &Server, cookie: &str, code: &Value, action: &str) -> Answer {
    let body = format!("user_code={}&action={action}", code.as_str().unwrap());
    server.call("POST", "/device", &[HTML, FORM, OWN, ("Cookie", cookie)], body).await
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

#[tokio::test]
async fn the_owner_enters_a_code_sees_the_agent_and_approves() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "shopping-agent").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    let cookie = cookie(&server, "app_mine").await;
    let form = open(&server, "/device", &cookie).await;
    assert_eq!(form.status, 200);
    assert_eq!(form.header("cache-control"), "no-store");
    assert!(text(&form).contains("name=\"user_code\""), "{}", text(&form));

    let typed = grant["user_code"].as_str().unwrap().trim_start_matches("BOTCHA-").to_lowercase();
    let entered = press(&server, &cookie, &json!(typed), "").await;
    let shown = format!("/device?code={}", grant["user_code"].as_str().unwrap());
    assert_eq!((entered.status.as_u16(), entered.header("location")), (303, shown.as_str()));
    let page = text(&open(&server, &shown, &cookie).await);
    for part in ["shopping-agent", &id, "app_mine", "value=\"approve\"", "value=\"deny\"", "method=\"post\""]
    {
        assert!(page.contains(part), "{part} {page}");
    }
    assert_eq!(
        refusal(&poll(&server, &grant).await),
        (400, "authorization_pending"),
        "looking decides nothing"
    );

    let approved = press(&server, &cookie, &grant["user_code"], "approve").await;
    assert_eq!((approved.status.as_u16(), approved.header("location")), (303, shown.as_str()));
    assert!(text(&open(&server, &shown, &cookie).await).contains("Approved."));
    assert_eq!(poll(&server, &grant).await.status, 200);
    assert_eq!(open(&server, &shown, &cookie).await.status, 404, "the grant is used up");
}

#[tokio::test]
async fn the_owner_denies() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    let cookie = cookie(&server, "app_mine").await;
    assert_eq!(press(&server, &cookie, &grant["user_code"], "deny").await.status, 303);
    let page =
        open(&server, &format!("/device?code={}", grant["user_code"].as_str().unwrap()), &cookie).await;
    assert!(text(&page).contains("Denied."));
    let again = press(&server, &cookie, &grant["user_code"], "approve").await;
    assert_eq!(again.status, 400);
    assert!(text(&again).contains("Already processed."));
    assert_eq!(press(&server, &cookie, &grant["user_code"], "perhaps").await.status, 400);
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "access_denied"));
}

#[tokio::test]
async fn without_a_session_a_browser_goes_to_the_login_and_a_program_gets_401() {
    let server = Server::start().await;
    for cookie in ["", "botcha_session=x.y.z"] {
        for (method, path) in [("GET", "/device"), ("GET", "/device?code=BOTCHA-AAAAAA"), ("POST", "/device")]
        {
            let answer = server.call(method, path, &[HTML, ("Cookie", cookie)], "").await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("location")),
                (302, "/login"),
                "{method} {path}"
            );
            let json = ("Accept", "application/json");
            let answer = server.call(method, path, &[json, ("Cookie", cookie)], "").await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json["login"]),
                (401, &json!("/login")),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn another_apps_owner_sees_and_decides_nothing() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_other").await;
    let id = agent(&server, "app_mine", "secretive-agent").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    let foreign = cookie(&server, "app_other").await;
    let page =
        open(&server, &format!("/device?code={}", grant["user_code"].as_str().unwrap()), &foreign).await;
    assert_eq!(page.status, 403);
    assert!(!text(&page).contains("secretive-agent"));
    assert_eq!(press(&server, &foreign, &grant["user_code"], "approve").await.status, 403);
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "authorization_pending"));
}

#[tokio::test]
async fn a_form_of_another_site_decides_nothing() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    let cookie = cookie(&server, "app_mine").await;
    let body = format!("user_code={}&action=approve", grant["user_code"].as_str().unwrap());
    for origin in [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"), ("X-Nothing", "1")] {
        let answer =
            server.call("POST", "/device", &[HTML, FORM, origin, ("Cookie", &cookie)], body.clone()).await;
        assert_eq!(refusal(&answer), (403, "FOREIGN_FORM"), "{origin:?}");
    }
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "authorization_pending"));
}

#[tokio::test]
async fn unknown_codes_and_bodies_are_told_on_the_page() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let cookie = cookie(&server, "app_mine").await;
    for code in ["BOTCHA-AAAAAA", "x", "%FF", "BOTCHA-%3Cb%3E"] {
        let page = open(&server, &format!("/device?code={code}"), &cookie).await;
        assert_eq!(page.status, 404, "{code}");
        assert!(text(&page).contains("Code not found or expired."));
    }
    let headers = [HTML, FORM, OWN, ("Cookie", cookie.as_str())];
    assert_eq!(server.call("POST", "/device", &headers, "").await.status, 404);
    assert_eq!(server.call("POST", "/device", &headers, "user_code=a&user_code=b").await.status, 400);
    assert_eq!(server.call("POST", "/device", &headers, "x".repeat(70_000)).await.status, 413);
    for _ in 0..26 {
        open(&server, "/device?code=BOTCHA-AAAAAA", &cookie).await;
    }
    let refused = open(&server, "/device?code=BOTCHA-AAAAAA", &cookie).await;
    assert_eq!(refusal(&refused), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(open(&server, "/device", &cookie).await.status, 200, "the form is no try");
}

#[tokio::test]
async fn the_page_is_markdown_for_models() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "shopping-agent").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    let cookie = cookie(&server, "app_mine").await;
    let headers = [("Accept", "text/markdown"), ("Cookie", cookie.as_str())];
    let path = format!("/device?code={}", grant["user_code"].as_str().unwrap());
    let answer = server.call("GET", &path, &headers, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/markdown; charset=utf-8");
    assert!(answer.header("vary").contains("Accept"));
    assert_ne!(answer.header("x-markdown-tokens"), "");
    let page = text(&answer);
    assert!(page.contains("`shopping-agent`") && page.contains("`action` = `approve` (Approve)"), "{page}");
    assert_eq!(decide(&server, &session(&server, "app_mine").await, &grant, "deny").await.status, 200);
}
