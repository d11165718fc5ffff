use quivive_server::seed;
use serde_json::{Value, json};

use super::tokens;
use crate::support::{Answer, Server};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn read(server: &Server, accept: &str) -> Answer {
    server
        .call("GET", "/", &[("accept", accept), ("user-agent", "Mozilla/5.0"), ("host", "door.example")], "")
        .await
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[tokio::test]
async fn each_caller_gets_its_form_of_the_page() {
    let server = Server::start().await;
    for (accept, agent, media_type) in [
        (BROWSER, "Mozilla/5.0", "text/html; charset=UTF-8"),
        ("application/json", "Mozilla/5.0", "application/json"),
        ("text/markdown", "Mozilla/5.0", "text/markdown; charset=utf-8"),
        ("text/markdown, text/html;q=0.9", "agent", "text/markdown; charset=utf-8"),
        ("*/*", "curl/8.5.0", "application/json"),
    ] {
        let answer = server.call("GET", "/", &[("accept", accept), ("user-agent", agent)], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, media_type), "{accept}");
        assert_eq!(answer.header("vary"), "Accept, Authorization");
        assert_eq!(answer.header("x-botcha-version"), "0.23.0");
    }
    assert_eq!(
        server.get("/").await.header("content-type"),
        "application/json",
        "a caller without a user agent"
    );
}

#[tokio::test]
async fn the_html_page_is_locked_down_and_all_its_files_are_there() {
    let server = Server::start().await;
    let answer = read(&server, BROWSER).await;
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'self'; script-src 'self' 'wasm-unsafe-eval'"), "{policy}");
    let page = text(&answer);
    for forbidden in ["{{", "}}", " style=", " onclick=", "<style", "src=\"http"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    let files: Vec<&str> = page.split('"').filter(|part| part.starts_with("/-/assets/")).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let answer = server.get(file).await;
        assert_eq!(answer.status, 200, "{file}");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    }
    let (folder, _) = page.split_once("/page.css").unwrap();
    let folder = &folder[folder.rfind("/-/assets/").unwrap()..];
    assert_eq!(server.get(&format!("{folder}/nothing.js")).await.status, 404);
    assert_eq!(server.get("/-/assets/0000000000000000/page.css").await.status, 404);
}

#[tokio::test]
async fn links_with_a_code_that_failed_are_explained_and_nothing_of_the_query_is_shown() {
    let server = Server::start().await;
    for (query, expected) in [("error=invalid", "used or is too old"), ("error=missing", "lacks its code")] {
        let answer = server.call("GET", &format!("/?{query}"), &[("accept", BROWSER)], "").await;
        assert!(text(&answer).contains(expected), "{query}");
    }
    let answer = server.call("GET", "/?error=%3Cscript%3E", &[("accept", BROWSER)], "").await;
    assert!(answer.status == 200 && !text(&answer).contains("<script>"));
}

#[tokio::test]
async fn a_host_name_cannot_break_out_of_the_page() {
    let server =
        Server::with(|config| config.public_url = Some("http://a\"><script>x</script>".to_owned())).await;
    let page = text(&read(&server, BROWSER).await);
    assert!(!page.contains("<script>x"), "{page}");
}

#[tokio::test]
async fn json_tells_who_is_verified() {
    let server = Server::start().await;
    let unknown = read(&server, "application/json").await.json;
    assert_eq!((&unknown["status"], &unknown["name"]), (&json!("unverified"), &json!("Quivive")));
    assert_eq!(
        unknown["first"]["step1"],
        "GET http://door.example/v1/challenges?app_id=app_demo000000000000"
    );
    assert_eq!(unknown["first"]["demo_app_id"], "app_demo000000000000");
    assert!(unknown.get("your_identity").is_none());
    assert_eq!(unknown["onboarding"]["steps"].as_array().unwrap().len(), 9);

    let token =
        tokens(&server, json!({ "audience": "shop" })).await["access_token"].as_str().unwrap().to_owned();
    let headers = [("accept", "application/json"), ("authorization", &format!("Bearer {token}"))];
    let known = server.call("GET", "/", &headers, "").await.json;
    assert_eq!(known["status"], "verified");
    assert_eq!(
        (&known["your_identity"]["token_type"], &known["your_identity"]["audience"]),
        (&json!("botcha-verified"), &json!("shop"))
    );

    server.post("/v1/token/revoke", &json!({ "token": token })).await;
    assert_eq!(server.call("GET", "/", &headers, "").await.json["status"], "unverified");
}

#[tokio::test]
async fn every_endpoint_that_is_listed_is_there() {
    let server = Server::start().await;
    let families = read(&server, "application/json").await.json["endpoints"].clone();
    let all: Vec<String> = families
        .as_object()
        .unwrap()
        .values()
        .flat_map(|family| family.as_object().unwrap().keys().cloned())
        .collect();
    assert!(all.len() > 15, "{all:?}");
    for entry in all {
        let (method, path) = entry.split_once(' ').unwrap();
        let path = path.replace(['{', '}'], "");
        let call = server.call(method, &path, &[], "");
        // What does not end is a stream, and so a route.
        let patience = std::time::Duration::from_secs(2);
        let Ok(answer) = tokio::time::timeout(patience, call).await else { continue };
        let is_missing = answer.json["message"].as_str().is_some_and(|text| text.starts_with("Route "));
        let is_route = !is_missing && answer.status != 405;
        assert!(is_route, "{entry}: {} {}", answer.status, text(&answer));
    }
}

#[tokio::test]
async fn compat_shortens_the_page_for_the_unverified() {
    let server = Server::compat().await;
    let page = read(&server, "application/json").await.json;
    assert_eq!(page["name"], "BOTCHA");
    assert!(page.get("endpoints").is_none() && page.get("first").is_some());
    let token = tokens(&server, json!({})).await["access_token"].as_str().unwrap().to_owned();
    let headers = [("accept", "application/json"), ("authorization", &format!("Bearer {token}"))];
    assert!(server.call("GET", "/", &headers, "").await.json.get("endpoints").is_some());
}

#[tokio::test]
async fn markdown_is_less_than_half_of_the_html_and_says_its_size() {
    let server = Server::start().await;
    let html = text(&read(&server, BROWSER).await);
    let answer = read(&server, "text/markdown").await;
    let markdown = text(&answer);
    assert!(markdown.starts_with("---\ntitle: \"Quivive\"\n") && markdown.contains("\n## Quick Start\n"));
    assert!(markdown.len() * 2 <= html.len(), "{} of {}", markdown.len(), html.len());
    assert_eq!(answer.header("x-markdown-tokens"), markdown.len().div_ceil(4).to_string());
}

#[tokio::test]
async fn the_collector_is_on_the_page_of_the_demo_project_only() {
    let plain = Server::start().await;
    let page = text(&read(&plain, BROWSER).await);
    assert!(page.contains("data-live=\"false\"") && !page.contains("data-botect-sdk"));

    let demo = Server::with(|config| config.development = true).await;
    seed::apply(&demo.app, &seed::built_in().unwrap()).await.unwrap();
    let page = text(&read(&demo, BROWSER).await);
    let key = seed::demo().unwrap().site_key;
    assert!(
        page.contains("data-live=\"true\"")
            && page.contains(&format!("data-botect-sdk data-site-key=\"{key}\""))
    );
}

#[tokio::test]
async fn a_session_of_the_demo_project_is_shown_and_no_other() {
    let unknown = |answer: &Answer| {
        assert_eq!(
            (answer.status.as_u16(), &answer.json["code"]),
            (404, &json!("NOT_FOUND")),
            "{:?}",
            answer.json
        )
    };
    let plain = Server::start().await;
    seed::apply(&plain.app, &seed::built_in().unwrap()).await.unwrap();
    let events = json!({ "session_token": null, "site_key": seed::demo().unwrap().site_key, "events": [
        { "request_id": "r1", "type": "js_probe", "received_at": "2026-02-15T12:00:00Z", "payload": { "webdriver": true } },
    ]});
    let token = plain.post("/v1/events", &events).await.json["session_token"].as_str().unwrap().to_owned();
    unknown(&plain.get(&format!("/-/demo/session/{token}")).await);

    let demo = Server::with(|config| config.development = true).await;
    seed::apply(&demo.app, &seed::built_in().unwrap()).await.unwrap();
    let nothing_yet = demo.get("/-/demo/session/sess_unknown").await;
    assert_eq!((nothing_yet.status.as_u16(), nothing_yet.header("cache-control")), (204, "no-store"));
    unknown(&demo.get("/-/demo/session/%FF").await);
    quivive_server::jobs::start(&demo.app);
    let token = demo.post("/v1/events", &events).await.json["session_token"].as_str().unwrap().to_owned();
    let mut seen = Value::Null;
    for _ in 0..100 {
        let answer = demo.get(&format!("/-/demo/session/{token}")).await;
        if answer.status == 200 {
            seen = answer.json;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(
        (&seen["verdict"]["verdict"], &seen["verdict"]["score"]),
        (&json!("likely_human"), &json!(30)),
        "{seen}"
    );
    assert_eq!(seen["threshold"], 30);
    assert_eq!((&seen["probe"]["passed"], &seen["probe"]["webdriver"]), (&json!(false), &json!(true)));
    let numbers: Vec<&Value> =
        seen["evidence"].as_array().unwrap().iter().map(|item| &item["number"]).collect();
    assert!(numbers.contains(&&json!(33_554_433)), "{seen}");
}

#[tokio::test]
async fn a_query_that_says_a_thing_twice_is_no_error() {
    let server = Server::start().await;
    for path in ["/?error=invalid&error=b", "/?error=%FF&verified=true&verified=", "/?&&=&error"] {
        let page = server.call("GET", path, &[("accept", "text/html")], "").await;
        assert_eq!(
            (page.status.as_u16(), page.header("content-type")),
            (200, "text/html; charset=UTF-8"),
            "{path}"
        );
    }
}
