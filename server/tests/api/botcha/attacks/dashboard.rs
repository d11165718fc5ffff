//! The dashboard and the account page: other tenants' figures, wrong tokens, markup in names, foreign forms.

use quivive_core::Timestamp;
use quivive_server::botcha::agents::Agent;
use quivive_server::botcha::analytics::Happening;
use quivive_server::botcha::analytics::sink;
use quivive_server::botcha::apps::RegisteredApp;
use serde_json::json;

use crate::botcha::analytics::seen;
use crate::botcha::dashboard::{owned, text};
use crate::botcha::tokens;
use crate::support::{START, Server};

const MINE: &str = "app_1111111111111111";
const THEIRS: &str = "app_2222222222222222";
const XSS: &str = "<img src=x onerror=alert(1)>\"'`</script>";

fn agent(id: &str, app_id: &str, name: &str) -> Agent {
    serde_json::from_value(json!({
        "id": id, "app_id": app_id, "name": name, "operator": name, "version": name,
        "created_at": START * 1000, "is_owner_verified": false,
    }))
    .unwrap()
}

#[tokio::test]
async fn nobody_sees_the_figures_of_another_app() {
    let server = Server::start().await;
    let mine = owned(&server, MINE).await;
    owned(&server, THEIRS).await;
    for app in [Some(THEIRS), None] {
        for _ in 0..5 {
            server.app.analytics.note(seen(Happening::generated("speed", app), server.app.now()));
            let wrong = Happening::verified("speed", app, Err("late"));
            server.app.analytics.note(seen(wrong, server.app.now()));
            let mut right = seen(Happening::verified("speed", app, Ok(5)), server.app.now());
            right.country = Some("DE".to_owned());
            server.app.analytics.note(right);
        }
    }
    sink::write_waiting(&server.app).await;
    // Naming the other app by every way that other routes read does not help.
    let ways = [("x-app-id", THEIRS), ("x-botcha-app-id", THEIRS)];
    for panel in ["overview", "volume", "types", "performance", "errors", "geo"] {
        for period in ["1h", "24h", "7d", "30d"] {
            for way in ways {
                let path = format!("/dashboard/api/{panel}?period={period}&app_id={THEIRS}");
                let headers = [("cookie", mine.as_str()), ("accept", "application/json"), way];
                let answer = server.call("GET", &path, &headers, "").await;
                assert_eq!(answer.status, 200);
                let is_empty = match panel {
                    "overview" => {
                        answer.json["challenges_generated"] == 0 && answer.json["verifications"] == 0
                    }
                    "volume" => (answer.json["buckets"].as_array().unwrap().iter())
                        .all(|bucket| bucket["events"] == 0),
                    "types" => answer.json["types"] == json!([]),
                    "performance" => answer.json["rows"] == json!([]),
                    "errors" => answer.json["errors"] == json!([]),
                    _ => answer.json["countries"] == json!([]),
                };
                assert!(is_empty, "{path}: {}", answer.json);
            }
        }
    }
    let page = server.call("GET", &format!("/dashboard?app_id={THEIRS}"), &[("cookie", &mine)], "").await;
    assert!(!text(&page).contains(THEIRS));
}

#[tokio::test]
async fn an_access_token_opens_no_dashboard_and_a_session_no_guarded_route() {
    let server = Server::start().await;
    let cookie = owned(&server, MINE).await;
    let issued = {
        let answer = server.get(&format!("/v1/token?app_id={MINE}")).await;
        let challenge = &answer.json["challenge"];
        let body = json!({ "id": challenge["id"], "answers": crate::botcha::solve(challenge) });
        server.post("/v1/token/verify", &body).await.json
    };
    assert_eq!(super::super::claims(&issued["access_token"])["app_id"], MINE);
    for name in ["access_token", "refresh_token"] {
        let token = issued[name].as_str().unwrap();
        for path in ["/dashboard", "/dashboard/api/overview", "/account"] {
            for header in
                [("authorization", format!("Bearer {token}")), ("cookie", format!("botcha_session={token}"))]
            {
                let headers = [(header.0, header.1.as_str()), ("accept", "application/json")];
                let answer = server.call("GET", path, &headers, "").await;
                assert_eq!(
                    (answer.status.as_u16(), &answer.json["error"]),
                    (401, &json!("Session expired")),
                    "{path}"
                );
            }
        }
    }
    tokens(&server, json!({})).await;
    let bearer = format!("Bearer {}", cookie.split_once('=').unwrap().1);
    assert_eq!(server.call("GET", "/agent-only", &[("authorization", &bearer)], "").await.status, 401);
}

#[tokio::test]
async fn names_and_addresses_are_text_in_every_page() {
    let server = Server::start().await;
    let cookie = owned(&server, MINE).await;
    server
        .app
        .storage
        .update::<RegisteredApp>(MINE, |app| {
            let email = Some(format!("{XSS}@example.com"));
            Some(RegisteredApp { name: Some(XSS.to_owned()), email, ..app })
        })
        .await
        .unwrap();
    server.app.storage.insert(&agent("agent_1111111111111111", MINE, XSS)).await.unwrap();
    let mut happening = Happening::verified("speed", Some(MINE), Err(XSS));
    happening.reason = Some(XSS.to_owned());
    let mut odd = seen(happening, Timestamp::from_seconds(START));
    odd.country = Some("<b".to_owned());
    odd.endpoint = XSS.to_owned();
    server.app.analytics.note(odd);
    sink::write_waiting(&server.app).await;
    let mut paths = vec![
        "/account".to_owned(),
        "/dashboard".to_owned(),
        format!("/account?done={XSS}").replace([' ', '<', '>', '"', '`'], "%3C"),
    ];
    for panel in ["overview", "volume", "types", "performance", "errors", "geo"] {
        paths.push(format!("/dashboard/api/{panel}"));
    }
    for path in &paths {
        for accept in ["text/html", "text/markdown"] {
            let answer = server.call("GET", path, &[("cookie", &cookie), ("accept", accept)], "").await;
            assert_eq!(answer.status, 200, "{path}");
            let page = text(&answer);
            assert!(!page.contains("<img") || accept == "text/markdown", "{path}: {page}");
            assert!(!page.contains("<b\"") && !page.contains("<b<"), "{path}");
            if accept == "text/markdown" {
                // Only inside of code is the text as it is.
                let outside: String = page.split('`').step_by(2).collect();
                assert!(!outside.contains("<img") && !outside.contains("onerror"), "{path}: {page}");
            }
        }
    }
    let page =
        text(&server.call("GET", "/account", &[("cookie", &cookie), ("accept", "text/html")], "").await);
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"), "the name is shown, as text");
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let server = Server::start().await;
    let cookie = owned(&server, MINE).await;
    server.app.storage.insert(&agent("agent_1111111111111111", MINE, "helper")).await.unwrap();
    let paths = [
        "/account/agents/agent_1111111111111111/confirm",
        "/account/agents/agent_1111111111111111/delete",
        "/account/rotate-secret",
        "/account/pair",
        "/account/policy",
        "/account/sessions/end",
    ];
    let foreign: [&[(&str, &str)]; 5] = [
        &[],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("referer", "https://evil.example/http://127.0.0.1:8080/account")],
        &[("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "cross-site")],
    ];
    for path in paths {
        for headers in foreign {
            let headers = [headers, &[("cookie", cookie.as_str()), ("accept", "application/json")]].concat();
            let answer = server.call("POST", path, &headers, "registration_policy=paired").await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json["error"]),
                (403, &json!("FOREIGN_FORM")),
                "{path}"
            );
        }
    }
    let agent = server.app.storage.get::<Agent>("agent_1111111111111111").await.unwrap().unwrap();
    assert!(!agent.is_owner_verified);
    let app = server.app.storage.get::<RegisteredApp>(MINE).await.unwrap().unwrap();
    assert_eq!((app.secret_hash.as_deref(), json!(app.registration_policy)), (None, json!("open")));
    assert_eq!(server.call("GET", "/account", &[("cookie", &cookie)], "").await.status, 200);
}

#[tokio::test]
async fn an_agent_of_another_app_is_as_good_as_none() {
    let server = Server::start().await;
    let mine = owned(&server, MINE).await;
    owned(&server, THEIRS).await;
    server.app.storage.insert(&agent("agent_2222222222222222", THEIRS, "theirs")).await.unwrap();
    let headers = [("cookie", mine.as_str()), ("x-requested-with", "x"), ("accept", "application/json")];
    for action in ["confirm", "delete"] {
        let path = |id: &str| format!("/account/agents/{id}/{action}");
        let unknown = server.call("POST", &path("agent_0000000000000000"), &headers, "").await;
        let theirs = server.call("POST", &path("agent_2222222222222222"), &headers, "").await;
        assert_eq!((unknown.status.as_u16(), &unknown.json["error"]), (404, &json!("AGENT_NOT_FOUND")));
        assert_eq!((theirs.status, &theirs.json), (unknown.status, &unknown.json), "{action}");
    }
    let account =
        server.call("GET", "/account", &[("cookie", &mine), ("accept", "application/json")], "").await;
    assert_eq!(account.json["agents"], json!([]));
    let agent = server.app.storage.get::<Agent>("agent_2222222222222222").await.unwrap().unwrap();
    assert!(!agent.is_owner_verified);
}
