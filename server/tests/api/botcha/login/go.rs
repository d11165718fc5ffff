//! Codes in links.

use quivive_server::botcha::codes::{self, Content};

use super::*;
use crate::botcha::{claims, tokens};

async fn gate_code(server: &Server) -> String {
    tokens(server, json!({})).await["human_code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_gate_code_marks_the_browser_of_a_person_with_a_verified_agent() {
    let server = Server::start().await;
    for spell in
        [str::to_owned, str::to_lowercase, |code: &str| code.trim_start_matches("BOTCHA-").to_owned()]
    {
        let code = gate_code(&server).await;
        let answer = open(&server, &format!("/go/{}", spell(&code))).await;
        assert_eq!(led(&answer), (302, "/?verified=true&t=47"));
        let (name, rest) = answer.header("set-cookie").split_once('=').unwrap();
        let (token, flags) = rest.split_once("; ").unwrap();
        assert_eq!((name, flags), ("botcha_visitor", "Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax"));
        let visitor = claims(&json!(token));
        assert_eq!((&visitor["type"], &visitor["solveTime"]), (&json!("botcha-visitor"), &json!(47)));
        assert_eq!(visitor["gateCode"], code);
        assert_eq!(visitor["exp"].as_i64().unwrap() - visitor["iat"].as_i64().unwrap(), 2_592_000);
        server.app.keys.verify_signature(token).unwrap();
        let validated = server.post("/v1/token/validate", &json!({ "token": token })).await;
        assert_eq!(validated.json["valid"], false, "it opens nothing");
        assert!(!is_session(&server, token).await);
        assert_eq!(led(&open(&server, &format!("/go/{code}")).await), (302, "/?error=invalid"), "once");
    }
}

#[tokio::test]
async fn an_unmeasured_time_is_left_out() {
    let server = Server::start().await;
    let body = crate::botcha::solved(&server, "").await;
    let code = server.post("/v1/token/verify", &body).await.json["human_code"].clone();
    let answer = open(&server, &format!("/go/{}", code.as_str().unwrap())).await;
    assert_eq!(led(&answer), (302, "/?verified=true"));
}

#[tokio::test]
async fn a_gate_code_ends_with_its_token_and_after_five_minutes() {
    let server = Server::start().await;
    let body = tokens(&server, json!({})).await;
    server.post("/v1/token/revoke", &json!({ "token": body["access_token"] })).await;
    let answer = open(&server, &format!("/go/{}", body["human_code"].as_str().unwrap())).await;
    assert_eq!((led(&answer), answer.header("set-cookie")), ((302, "/?error=invalid"), ""));

    let code = gate_code(&server).await;
    server.advance(300_000);
    assert_eq!(led(&open(&server, &format!("/go/{code}")).await), (302, "/?error=invalid"));

    let short = Server::with(|config| config.tokens.access_ttl = 60).await;
    let code = gate_code(&short).await;
    short.advance(60_000);
    assert_eq!(led(&open(&short, &format!("/go/{code}")).await), (302, "/?error=invalid"));
}

#[tokio::test]
async fn looking_ahead_uses_no_gate_code_up() {
    let server = Server::start().await;
    let code = gate_code(&server).await;
    let path = format!("/go/{code}");
    for (method, header) in [
        ("HEAD", ("accept", "*/*")),
        ("GET", ("sec-purpose", "prefetch;prerender")),
        ("GET", ("purpose", "prefetch")),
    ] {
        let answer = server.call(method, &path, &[header], "").await;
        assert_eq!((led(&answer), answer.header("set-cookie")), ((302, "/?verified=true&t=47"), ""));
    }
    assert!(open(&server, &path).await.header("set-cookie").starts_with("botcha_visitor="));
}

#[tokio::test]
async fn what_is_no_code_leads_to_the_front_page() {
    let server = Server::start().await;
    let grant = Content::User { grant_id: "grant-1".to_owned() };
    let user = codes::store(&server.app, grant, 600).await.unwrap();
    for code in [user.as_str(), "BOTCHA-222222", "x", "%FF", "%3Cscript%3E", "..%2f..", &"A".repeat(2_000)] {
        for method in ["GET", "POST"] {
            let answer = server.call(method, &format!("/go/{code}"), &[], "").await;
            assert_eq!(
                (led(&answer), answer.header("set-cookie")),
                ((302, "/?error=invalid"), ""),
                "{method} {code}"
            );
        }
    }
    let kept = codes::look(&server.app, &user, &[codes::Purpose::User]).await.unwrap();
    assert!(kept.is_some(), "a code for another door stays good for its own");
}

#[tokio::test]
async fn a_device_link_asks_first_and_its_button_logs_in() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let code = device_code(&server).await;
    let page = open(&server, &format!("/go/{}", code.to_lowercase())).await;
    assert_eq!((page.status.as_u16(), page.header("set-cookie")), (200, ""));
    assert_eq!(page.header("cache-control"), "no-store");
    let html = text(&page);
    assert!(html.contains(&format!("method=\"post\" action=\"/go/{code}\"")), "{html}");
    assert!(html.contains("Shop") && html.contains("app_0123456789abcdef"), "whose login it is");
    let markdown = server.call("GET", &format!("/go/{code}"), &[("accept", "text/markdown")], "").await;
    assert!(text(&markdown).contains(&format!("Form: `POST /go/{code}`.")), "{}", text(&markdown));
    assert_eq!(markdown.header("cache-control"), "no-store");
    let answer = send(&server, &format!("/go/{code}"), "").await;
    assert_eq!(led(&answer), (302, "/account"));
    assert!(is_session(&server, &cookie(&answer)).await);
    let again = send(&server, &format!("/go/{code}"), "").await;
    assert_eq!((led(&again), again.header("set-cookie")), ((302, "/?error=invalid"), ""));
    assert_eq!(led(&open(&server, &format!("/go/{code}")).await), (302, "/?error=invalid"));
}

#[tokio::test]
async fn a_gate_code_is_not_posted() {
    let server = Server::start().await;
    let code = gate_code(&server).await;
    assert_eq!(led(&send(&server, &format!("/go/{code}"), "").await), (302, "/?error=invalid"));
    assert_eq!(led(&open(&server, &format!("/go/{code}")).await), (302, "/?verified=true&t=47"));
}

#[tokio::test]
async fn the_gate_form_leads_to_the_link() {
    let server = Server::start().await;
    for typed in ["BOTCHA-ABC234", "abc234", "+Abc234+"] {
        let answer = send(&server, "/gate", &format!("code={typed}")).await;
        assert_eq!(led(&answer), (302, "/go/BOTCHA-ABC234"));
    }
    for typed in ["x", "%0D%0ASet-Cookie:a=b", "..%2F..%2Fevil", "%2F%2Fevil.example", &"A".repeat(9_000)] {
        let answer = send(&server, "/gate", &format!("code={typed}")).await;
        assert_eq!((led(&answer), answer.header("set-cookie")), ((302, "/?error=invalid"), ""), "{typed}");
    }
    for body in ["", "code=", "code=+++", "{}"] {
        let page = send(&server, "/gate", body).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (400, "text/html; charset=UTF-8"));
        assert!(text(&page).contains("The code is missing") && text(&page).contains("action=\"/gate\""));
    }
    let page = server.call("POST", "/gate", &[("accept", "text/markdown")], "").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (400, "text/markdown; charset=utf-8"));
}

#[tokio::test]
async fn the_front_page_tells_how_it_went() {
    let server = Server::start().await;
    let visit = open(&server, &format!("/go/{}", gate_code(&server).await)).await;
    let cookie = visit.header("set-cookie").split(';').next().unwrap().to_owned();
    let headers = [("accept", "text/html"), ("cookie", cookie.as_str())];
    for (query, words) in [
        ("verified=true&t=47", "solved the challenge in 47 ms"),
        ("verified=true", "Your agent is verified. You may"),
        ("verified=true&t=%3Cb%3E", "Your agent is verified. You may"),
        ("verified=true&t=-1", "Your agent is verified. You may"),
        ("error=invalid", "data-tone=\"bad\""),
        ("error=missing", "data-tone=\"bad\""),
    ] {
        let page = server.call("GET", &format!("/?{query}"), &headers, "").await;
        assert!(text(&page).contains(words), "{query}");
    }
    // An access token is no mark of a visitor, and a link alone says nothing.
    let token = crate::botcha::tokens(&server, json!({})).await["access_token"].as_str().unwrap().to_owned();
    for cookie in ["", "botcha_visitor=x", &format!("botcha_visitor={token}")] {
        let headers = [("accept", "text/html"), ("cookie", cookie)];
        let page = server.call("GET", "/?verified=true&t=47", &headers, "").await;
        assert!(!text(&page).contains("Your agent is verified"), "{cookie}");
    }
}
