use quivive_core::token::Signer;
use quivive_server::botcha::badge;
use quivive_server::keys::master::MasterSecret;
use serde_json::{Value, json};

use crate::support::{Answer, Server};

fn made(server: &Server, method: &'static str) -> Value {
    let badge = badge::create(&server.app, "http://door.example", method, 47, server.app.now()).unwrap();
    serde_json::to_value(badge).unwrap()
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

async fn page(server: &Server, id: &str, accept: &str) -> Answer {
    server.call("GET", &format!("/badge/{id}"), &[("accept", accept), ("host", "door.example")], "").await
}

#[tokio::test]
async fn the_links_of_a_badge_lead_to_its_page_its_picture_and_its_facts() {
    let server = Server::start().await;
    let made = made(&server, "speed-challenge");
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["verifyUrl"], format!("http://door.example/badge/{id}"));
    assert_eq!(made["imageUrl"], format!("http://door.example/badge/{id}/image"));
    assert_eq!(
        made["share"]["markdown"],
        format!(
            "[![Quivive Verified](http://door.example/badge/{id}/image)](http://door.example/badge/{id})"
        )
    );

    let facts = server.call("GET", &format!("/api/badge/{id}"), &[("host", "door.example")], "").await;
    assert_eq!(facts.status, 200);
    assert_eq!(
        facts.json,
        json!({
            "success": true,
            "verified": true,
            "badge": { "method": "speed-challenge", "solveTimeMs": 47, "verifiedAt": "2026-02-15T12:00:00.000Z" },
            "urls": { "verify": made["verifyUrl"], "image": made["imageUrl"] },
        })
    );

    let html = page(&server, id, "text/html").await;
    assert_eq!((html.status.as_u16(), html.header("content-type")), (200, "text/html; charset=UTF-8"));
    let html = text(&html);
    for shown in ["speed-challenge", "47 ms", "2026-02-15", "names no holder", "id=\"botcha-challenge\""] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    let picture = format!("<meta property=\"og:image\" content=\"http://door.example/badge/{id}/image\">");
    assert!(html.contains(&picture), "{html}");

    let markdown = page(&server, id, "text/markdown").await;
    assert_eq!(markdown.header("content-type"), "text/markdown; charset=utf-8");
    assert!(text(&markdown).contains(&format!("](http://door.example/badge/{id}/image)")));

    let image = server.get(&format!("/badge/{id}/image")).await;
    assert_eq!(
        (image.status.as_u16(), image.header("content-type"), image.header("cache-control")),
        (200, "image/svg+xml", "public, max-age=3600")
    );
}

#[tokio::test]
async fn each_kind_of_challenge_has_its_name_and_colour() {
    let server = Server::start().await;
    for (method, label, accent) in [
        ("speed-challenge", "SPEED TEST", "#f59e0b"),
        ("landing-challenge", "LANDING CHALLENGE", "#10b981"),
        ("standard-challenge", "CHALLENGE", "#3b82f6"),
        ("web-bot-auth", "WEB BOT AUTH", "#8b5cf6"),
        ("reasoning-challenge", "REASONING TEST", "#ec4899"),
        ("hybrid-challenge", "HYBRID TEST", "#ef4444"),
    ] {
        let made = made(&server, method);
        let image = text(&server.get(&format!("/badge/{}/image", made["id"].as_str().unwrap())).await);
        assert!(image.contains(&format!(">{label}</text>")) && image.contains(accent), "{image}");
        assert!(image.contains("width=\"400\" height=\"120\"") && image.contains("role=\"img\""), "{image}");
        assert!(image.contains("<title id=\"title\">Quivive: "), "{image}");
        assert_eq!(made["meta"]["method"], method);
    }
}

#[tokio::test]
async fn what_this_server_did_not_sign_is_400_in_every_form_and_never_a_fault() {
    let server = Server::start().await;
    let good = made(&server, "speed-challenge")["id"].as_str().unwrap().to_owned();
    let token = super::tokens(&server, json!({})).await["access_token"].as_str().unwrap().to_owned();
    let elsewhere = MasterSecret::from_bytes([1; 32]).derive("badge");
    let claims = json!({ "sub": "botcha-badge", "method": "speed-challenge", "verifiedAt": 1, "iat": 0 });
    let foreign = Signer::from_secret(&elsewhere).unwrap().sign_payload(&claims).unwrap();
    let own = server.app.keys.badge_signer();
    let other_subject =
        own.sign_payload(&json!({ "sub": "x", "method": "speed-challenge", "verifiedAt": 1 })).unwrap();
    let without_time =
        own.sign_payload(&json!({ "sub": "botcha-badge", "method": "speed-challenge" })).unwrap();
    let wrong_type =
        own.sign_payload(&json!({ "sub": "botcha-badge", "method": 5, "verifiedAt": "x" })).unwrap();
    let mut changed = good.clone();
    changed.replace_range(
        good.len() - 3..good.len() - 2,
        if good.as_bytes()[good.len() - 3] == b'A' { "B" } else { "A" },
    );
    let huge = "a".repeat(60_000);
    for id in [
        "x",
        "..",
        "%00",
        "%FF",
        "%3Cscript%3E",
        "a.b.c",
        huge.as_str(),
        token.as_str(),
        foreign.as_str(),
        other_subject.as_str(),
        without_time.as_str(),
        wrong_type.as_str(),
        changed.as_str(),
    ] {
        let seen = server.get(&format!("/api/badge/{id}")).await;
        assert_eq!(
            (seen.status.as_u16(), &seen.json["success"], &seen.json["verified"], &seen.json["error"]),
            (400, &json!(false), &json!(false), &json!("Invalid badge")),
            "{id}"
        );
        assert!(seen.json["message"].is_string());
        let image = server.get(&format!("/badge/{id}/image")).await;
        assert_eq!(
            (image.status.as_u16(), image.header("content-type"), image.header("cache-control")),
            (400, "image/svg+xml", "max-age=60"),
            "{id}"
        );
        assert!(text(&image).contains("INVALID BADGE"));
        for (accept, media_type) in
            [("text/html", "text/html; charset=UTF-8"), ("text/markdown", "text/markdown; charset=utf-8")]
        {
            let page = page(&server, id, accept).await;
            assert_eq!((page.status.as_u16(), page.header("content-type")), (400, media_type), "{id}");
            assert!(!text(&page).contains("<script>"), "nothing of the id is shown");
        }
    }
}

#[tokio::test]
async fn a_badge_is_no_token_and_outlives_a_change_of_the_signing_key() {
    let server = Server::start().await;
    let id = made(&server, "hybrid-challenge")["id"].as_str().unwrap().to_owned();
    let validated = server.post("/v1/token/validate", &json!({ "token": id })).await;
    assert_eq!(validated.json["valid"], false);
    let guarded = server.call("GET", "/agent-only", &[("authorization", &format!("Bearer {id}"))], "").await;
    assert_eq!(guarded.status, 401);
    quivive_server::keys::rotation::rotate(&server.app, true).await.unwrap();
    server.advance(400 * 86_400_000);
    assert_eq!(server.get(&format!("/api/badge/{id}")).await.status, 200);
}

#[tokio::test]
async fn badges_also_work_where_tokens_are_signed_with_a_secret() {
    let server = Server::with(|config| config.keys.jwt_secret = Some("x".repeat(32))).await;
    let id = made(&server, "speed-challenge")["id"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("/api/badge/{id}")).await.status, 200);
    let claims = json!({ "sub": "botcha-badge", "method": "speed-challenge", "verifiedAt": 1 });
    let forged = Signer::from_secret("x".repeat(32).as_bytes()).unwrap().sign_payload(&claims).unwrap();
    assert_eq!(server.get(&format!("/api/badge/{forged}")).await.status, 400, "another key than the tokens'");
}
