//! The account: what its owner sees and does there.

use quivive_server::botcha::agents::Agent;
use quivive_server::{audit, botcha};
use serde_json::{Value, json};

use super::dashboard::{owned, session, text};
use crate::support::{Answer, START, Server};

const APP: &str = "app_1111111111111111";
const AGENT: &str = "agent_1111111111111111";

async fn read(server: &Server, cookie: &str, accept: &str) -> Answer {
    server.call("GET", "/account", &[("cookie", cookie), ("accept", accept)], "").await
}

/// POST of a form from the page itself.
async fn send(server: &Server, cookie: &str, path: &str, body: &str) -> Answer {
    let headers = [
        ("cookie", cookie),
        ("accept", "text/html"),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    server.call("POST", path, &headers, body.to_owned()).await
}

async fn register(server: &Server, more: Value) {
    let mut agent = json!({
        "id": AGENT, "app_id": APP, "name": "Helper", "operator": null, "version": "2",
        "created_at": START * 1000, "is_owner_verified": false,
    });
    agent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let agent: Agent = serde_json::from_value(agent).unwrap();
    server.app.storage.insert(&agent).await.unwrap();
}

async fn actions(server: &Server) -> Vec<String> {
    let trail = audit::latest(&server.app, APP, 10).await.unwrap();
    trail.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn programs_get_the_documented_members() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    register(&server, json!({})).await;
    register(
        &server,
        json!({
            "id": "agent_2222222222222222", "operator": "Ada", "created_at": START * 1000 + 5,
            "key": { "text": "x", "algorithm": "ed25519", "created_at": 0, "expires_at": null },
            "provider": { "provider": "anthropic", "hash": "x" }, "oauth_authorized_at": START * 1000,
        }),
    )
    .await;
    let answer = read(&server, &cookie, "application/json").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let base = "http://127.0.0.1:8080";
    assert_eq!(
        answer.json,
        json!({
            "success": true,
            "app": { "app_id": APP, "email": format!("{APP}@example.com"), "email_verified": true,
                "created_at": START * 1000, "rate_limit": 100 },
            "agents": [
                { "agent_id": AGENT, "name": "Helper", "operator": null, "created_at": START * 1000,
                    "tap_enabled": false, "provider": null, "oauth_authorized": false, "reputation": null },
                { "agent_id": "agent_2222222222222222", "name": "Helper", "operator": "Ada",
                    "created_at": START * 1000 + 5, "tap_enabled": true, "provider": "anthropic",
                    "oauth_authorized": true, "reputation": null },
            ],
            "links": { "account": format!("{base}/account"), "dashboard": format!("{base}/dashboard"),
                "docs": format!("{base}/docs"), "openapi": format!("{base}/openapi.json"),
                "ai_txt": format!("{base}/ai.txt") },
        })
    );
}

#[tokio::test]
async fn people_and_models_get_a_page() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    register(&server, json!({ "operator": "Ada" })).await;
    let page = read(&server, &cookie, "text/html,application/json;q=0.9").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=UTF-8"));
    assert_eq!(page.header("cache-control"), "no-store");
    let html = text(&page);
    for shown in [APP, "app_1111111111111111@example.com", AGENT, "Ada", "Challenge only", "Add an agent"] {
        assert!(html.contains(shown), "{shown}");
    }
    for action in ["/confirm", "/delete", "/account/policy", "/account/pair", "/account/rotate-secret"] {
        assert!(html.contains(&format!("{action}\"")), "{action}");
    }
    assert!(html.contains("Do not ask me for a secret"), "the text for agents warns of secrets");
    let markdown = read(&server, &cookie, "text/markdown").await;
    assert_eq!(markdown.header("content-type"), "text/markdown; charset=utf-8");
    let markdown = text(&markdown);
    assert!(markdown.contains(&format!("| `Helper` | `{AGENT}` | `Ada` |")), "{markdown}");
    assert!(markdown.contains("POST /account/sessions/end"));
}

#[tokio::test]
async fn an_owner_confirms_an_agent_once_and_for_all() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    register(&server, json!({})).await;
    for _ in 0..2 {
        let answer = send(&server, &cookie, &format!("/account/agents/{AGENT}/confirm"), "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (302, "/account?done=confirmed#agents")
        );
    }
    let agent = botcha::agents::find(&server.app, AGENT).await.unwrap().unwrap();
    assert!(agent.is_owner_verified);
    assert_eq!(agent.name, "Helper", "nothing else changes");
    assert_eq!(actions(&server).await[0], "agent.confirmed");
    let html = text(&read(&server, &cookie, "text/html").await);
    assert!(html.contains("Confirmed") && !html.contains("/confirm\""), "{html}");
    assert!(html.contains("agent.confirmed"), "the audit trail is shown");
    let headers = [("cookie", cookie.as_str()), ("accept", "text/html")];
    let told = server.call("GET", "/account?done=confirmed", &headers, "").await;
    assert!(text(&told).contains("The agent is confirmed as yours"));
}

#[tokio::test]
async fn an_owner_deletes_an_agent() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    register(&server, json!({})).await;
    let answer = send(&server, &cookie, &format!("/account/agents/{AGENT}/delete"), "").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (302, "/account?done=deleted#agents"));
    assert!(botcha::agents::find(&server.app, AGENT).await.unwrap().is_none());
    assert_eq!(actions(&server).await, ["agent.deleted"]);
    let again = send(&server, &cookie, &format!("/account/agents/{AGENT}/delete"), "").await;
    assert_eq!(again.status, 404);
    assert!(text(&read(&server, &cookie, "text/html").await).contains("No agent is registered yet"));
}

#[tokio::test]
async fn a_new_secret_is_shown_once_and_ends_the_former_one() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    let other = session(&server, APP).await;
    let secret_of = |page: &str| {
        let start = page.find("sk_").unwrap();
        page[start..start + 35].to_owned()
    };
    let answer = send(&server, &cookie, "/account/rotate-secret", "").await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
    let first = secret_of(&text(&answer));
    let proves = async |secret: &str| {
        let body = json!({ "app_secret": secret });
        server.post(&format!("/v1/apps/{APP}/pair"), &body).await.status == 200
    };
    assert!(proves(&first).await);
    assert!(!text(&read(&server, &cookie, "text/html").await).contains("sk_"), "shown this once");
    assert_eq!(read(&server, &other, "application/json").await.status, 401, "other sessions have ended");
    assert_eq!(read(&server, &cookie, "application/json").await.status, 200, "this one goes on");

    let headers = [("cookie", cookie.as_str()), ("x-requested-with", "x"), ("accept", "text/markdown")];
    let markdown = server.call("POST", "/account/rotate-secret", &headers, "").await;
    assert_eq!(markdown.header("content-type"), "text/markdown; charset=utf-8");
    let second = secret_of(&text(&markdown));
    assert_ne!(first, second);
    assert!(proves(&second).await && !proves(&first).await);
    let noted = actions(&server).await;
    assert_eq!(noted.iter().filter(|action| *action == "app.secret_rotated").count(), 2);
    let trail = audit::latest(&server.app, APP, 10).await.unwrap();
    assert!(!json!(trail).to_string().contains("sk_"), "the trail holds no secrets");
}

#[tokio::test]
async fn a_pairing_code_is_made_and_good_once() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    let answer = send(&server, &cookie, "/account/pair", "").await;
    assert_eq!(answer.status, 200);
    let page = text(&answer);
    let start = page.find("PAIR-").unwrap();
    let code = &page[start..start + 11];
    assert!(botcha::pairing::take(&server.app, APP, code).await.unwrap());
    assert!(!botcha::pairing::take(&server.app, APP, code).await.unwrap());
    assert_eq!(actions(&server).await, ["app.pair_code_made"]);
}

#[tokio::test]
async fn the_policy_is_changed_by_a_button() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    let policy = async || {
        let app = botcha::apps::find(&server.app, APP).await.unwrap().unwrap();
        serde_json::to_value(app.registration_policy).unwrap()
    };
    for (wanted, next) in [("paired", "open"), ("open", "paired")] {
        let body = format!("registration_policy={wanted}");
        let answer = send(&server, &cookie, "/account/policy", &body).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (302, "/account?done=policy"));
        assert_eq!(policy().await, wanted);
        let html = text(&read(&server, &cookie, "text/html").await);
        assert!(html.contains(&format!("name=\"registration_policy\" value=\"{next}\"")), "{html}");
    }
    for body in ["", "registration_policy=", "registration_policy=shut", "x=open"] {
        let headers =
            [("cookie", cookie.as_str()), ("x-requested-with", "x"), ("accept", "application/json")];
        let answer = server.call("POST", "/account/policy", &headers, body).await;
        assert_eq!((answer.status.as_u16(), &answer.json["error"]), (400, &json!("INVALID_VALUE")), "{body}");
    }
    let long = format!("registration_policy={}", "x".repeat(70_000));
    let page = send(&server, &cookie, "/account/policy", &long).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (413, "text/html; charset=UTF-8"));
    assert_eq!(policy().await, "open");
}

#[tokio::test]
async fn an_app_whose_address_is_not_verified_lets_no_agents_in() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    server
        .app
        .storage
        .update::<botcha::apps::RegisteredApp>(APP, |app| {
            Some(botcha::apps::RegisteredApp { is_email_verified: false, ..app })
        })
        .await
        .unwrap();
    for path in ["/account/pair", "/account/policy"] {
        let headers =
            [("cookie", cookie.as_str()), ("x-requested-with", "x"), ("accept", "application/json")];
        let answer = server.call("POST", path, &headers, "registration_policy=paired").await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json["error"]),
            (403, &json!("EMAIL_NOT_VERIFIED")),
            "{path}"
        );
    }
    assert!(text(&read(&server, &cookie, "text/html").await).contains("not verified"));
}

#[tokio::test]
async fn without_storage_every_form_is_503() {
    let database = crate::botect::faults::Moody::new();
    let server = Server::on(database.clone(), |_| {}).await;
    let cookie = owned(&server, APP).await;
    register(&server, json!({})).await;
    database.has_no_events(true);
    // The audit trail cannot be written: nothing is acknowledged.
    for path in forms() {
        let headers =
            [("cookie", cookie.as_str()), ("x-requested-with", "x"), ("accept", "application/json")];
        let answer = server.call("POST", &path, &headers, "registration_policy=paired").await;
        let ends_sessions = path == "/account/sessions/end";
        assert_eq!(
            (answer.status.as_u16(), &answer.json["error"]),
            (503, &json!("STORAGE_UNAVAILABLE")),
            "{path}"
        );
        assert!(!ends_sessions || answer.header("set-cookie").is_empty());
    }
}

/// Every form of the page; the last one ends the session.
fn forms() -> Vec<String> {
    let agent = |action: &str| format!("/account/agents/{AGENT}/{action}");
    let paths = ["/account/rotate-secret", "/account/pair", "/account/policy"].map(str::to_owned);
    [paths.to_vec(), vec![agent("confirm"), agent("delete"), "/account/sessions/end".to_owned()]].concat()
}

#[tokio::test]
async fn log_out_everywhere_ends_every_session_of_this_app_alone() {
    let server = Server::start().await;
    let first = owned(&server, APP).await;
    let second = session(&server, APP).await;
    let other = owned(&server, "app_2222222222222222").await;
    let answer = send(&server, &first, "/account/sessions/end", "").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (302, "/login"));
    assert!(answer.header("set-cookie").starts_with("botcha_session=; Max-Age=0"));
    for cookie in [&first, &second] {
        assert_eq!(read(&server, cookie, "application/json").await.status, 401);
    }
    assert_eq!(read(&server, &other, "application/json").await.status, 200);
    assert_eq!(actions(&server).await, ["sessions.ended"]);
}

#[tokio::test]
async fn forms_without_a_session_are_sent_to_the_login_or_told_so() {
    let server = Server::start().await;
    owned(&server, APP).await;
    for path in forms() {
        let browser = server.call("POST", &path, &[("accept", "text/html")], "").await;
        assert_eq!((browser.status.as_u16(), browser.header("location")), (302, "/login"), "{path}");
        let program = server.call("POST", &path, &[("accept", "application/json")], "").await;
        assert_eq!(program.status, 401);
        assert_eq!(program.json, json!({ "error": "Authentication required", "login": "/login" }));
    }
}

#[tokio::test]
async fn an_unknown_agent_is_404_in_the_callers_form() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    for id in ["agent_0000000000000000", "%00", "x".repeat(500).as_str()] {
        let path = format!("/account/agents/{id}/confirm");
        let page = send(&server, &cookie, &path, "").await;
        assert_eq!(
            (page.status.as_u16(), page.header("content-type")),
            (404, "text/html; charset=UTF-8"),
            "{id}"
        );
        let headers =
            [("cookie", cookie.as_str()), ("x-requested-with", "x"), ("accept", "application/json")];
        let answer = server.call("POST", &path, &headers, "").await;
        assert_eq!((answer.status.as_u16(), &answer.json["error"]), (404, &json!("AGENT_NOT_FOUND")), "{id}");
    }
}
