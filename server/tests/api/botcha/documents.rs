use serde_json::{Value, json};

use super::tokens;
use crate::support::{Answer, Server};

async fn read(server: &Server, path: &str, accept: &str) -> Answer {
    let headers = [("accept", accept), ("user-agent", "Mozilla/5.0"), ("host", "door.example")];
    server.call("GET", path, &headers, "").await
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

#[tokio::test]
async fn each_page_comes_in_the_form_that_is_asked_for() {
    let server = Server::start().await;
    let (html, markdown, json) =
        ("text/html; charset=UTF-8", "text/markdown; charset=utf-8", "application/json");
    for (path, accept, agent, media_type) in [
        ("/", "text/html", Some("Mozilla/5.0"), html),
        ("/", "text/markdown", Some("Mozilla/5.0"), markdown),
        ("/", "text/markdown, text/html", Some("Mozilla/5.0"), markdown),
        ("/", "text/html, text/markdown;q=0.9", Some("Mozilla/5.0"), html),
        ("/", "text/markdown;q=0.9, application/json", Some("Mozilla/5.0"), markdown),
        ("/", "application/json", Some("Mozilla/5.0"), json),
        ("/", "application/json, text/html", Some("Mozilla/5.0"), html),
        ("/", "*/*", Some("curl/8.5.0"), json),
        ("/", "*/*", Some("HTTPie/3.2"), json),
        ("/", "*/*", Some("Wget/1.21"), json),
        ("/", "*/*", None, json),
        ("/", "*/*", Some("Mozilla/5.0"), html),
        ("/docs", "text/html", Some("Mozilla/5.0"), html),
        ("/docs", "text/markdown", Some("Mozilla/5.0"), markdown),
        ("/docs", "*/*", Some("curl/8.5.0"), html),
        ("/whitepaper", "text/html", Some("Mozilla/5.0"), html),
        ("/whitepaper", "text/markdown", Some("Mozilla/5.0"), markdown),
        ("/whitepaper", "application/json", Some("Mozilla/5.0"), json),
        ("/whitepaper", "*/*", Some("curl/8.5.0"), json),
        ("/whitepaper", "*/*", None, json),
    ] {
        let mut headers = vec![("accept", accept)];
        headers.extend(agent.map(|agent| ("user-agent", agent)));
        let answer = server.call("GET", path, &headers, "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, media_type),
            "{path} {accept} {agent:?}"
        );
        assert!(answer.header("vary").contains("Accept"), "{path} {accept}");
        let tokens = answer.header("x-markdown-tokens");
        if media_type == markdown {
            assert_eq!(tokens, answer.body.len().div_ceil(4).to_string(), "{path}");
        } else {
            assert_eq!(tokens, "", "{path}");
        }
    }
}

#[tokio::test]
async fn public_pages_say_what_they_are_to_crawlers_and_agents() {
    let server = Server::start().await;
    for path in ["/", "/docs", "/whitepaper"] {
        let page = text(&read(&server, path, "text/html").await);
        for tag in [
            "<meta name=\"ai-agent-welcome\" content=\"true\">".to_owned(),
            "<link rel=\"botcha-challenge\" href=\"#botcha-challenge\" type=\"application/botcha+json\">"
                .to_owned(),
            format!("<link rel=\"alternate\" type=\"text/markdown\" href=\"{path}\">"),
            "<link rel=\"alternate\" type=\"application/json\" href=\"/openapi.json\"".to_owned(),
            "<link rel=\"alternate\" type=\"application/json\" href=\"/.well-known/ai-plugin.json\""
                .to_owned(),
            "<meta property=\"og:image\" content=\"http://door.example/og.png\">".to_owned(),
            "<meta name=\"twitter:card\" content=\"summary_large_image\">".to_owned(),
            "name=\"botcha-challenge\" content=\"embedded\"".to_owned(),
        ] {
            assert!(page.contains(&tag), "{path} {tag}");
        }
        for forbidden in [" style=", "<style", " onclick=", "src=\"http"] {
            assert!(!page.contains(forbidden), "{path} {forbidden}");
        }
    }
}

#[tokio::test]
async fn the_reference_holds_every_endpoint_and_its_links_have_targets() {
    let server = Server::start().await;
    let (html, markdown) = (
        text(&read(&server, "/docs", "text/html").await),
        text(&read(&server, "/docs", "text/markdown").await),
    );
    let home = text(&read(&server, "/", "text/html").await);
    let document = server.get("/openapi.json").await.json;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            assert!(markdown.contains(&format!("- `{method} {path}` ")), "{method} {path}");
            assert!(
                html.contains(&format!("<code class=\"verb\">{method}</code> <code>{path}</code>")),
                "{method} {path}"
            );
        }
    }
    let targets = |page: &str, start: &str| -> Vec<String> {
        page.split(start).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let ids = targets(&html, " id=\"");
    let mut once = std::collections::HashSet::new();
    for id in &ids {
        assert!(once.insert(id), "{id} twice");
    }
    let mut wanted = targets(&html, "href=\"#");
    wanted.extend(targets(&home, "href=\"/docs#"));
    assert!(wanted.len() > 20);
    for target in wanted {
        assert!(once.contains(&target), "{target}");
    }
}

#[tokio::test]
async fn the_guide_shows_true_values_in_both_forms() {
    let server = Server::with(|config| {
        config.limits.challenges_per_hour = 77;
        config.botcha.rtt_cap_ms = 700;
    })
    .await;
    assert_eq!(quivive_core::challenge::solve_speed(&[42]), ["73475cb4"]);
    for accept in ["text/html", "text/markdown"] {
        let page = text(&read(&server, "/docs", accept).await);
        for shown in [
            "77 per hour",
            "at most 700 ms here",
            "at most 2000 ms",
            "73475cb4",
            "curl http://door.example/v1/challenges",
            "http://door.example/.well-known/jwks",
            "RATE_LIMIT_EXCEEDED",
            "X-RateLimit-Remaining",
        ] {
            assert!(page.contains(shown), "{accept}: {shown}");
        }
    }
    let open = Server::with(|config| config.limits.challenges_per_hour = 0).await;
    assert!(text(&read(&open, "/docs", "text/markdown").await).contains("no limit"));
}

#[tokio::test]
async fn the_whitepaper_has_ten_sections_in_each_form() {
    let server = Server::start().await;
    let outline = read(&server, "/whitepaper", "application/json").await.json;
    let sections = outline["sections"].as_array().unwrap().clone();
    assert_eq!((sections.len(), &outline["version"]), (10, &json!("1.0")));
    assert_eq!(outline["url"], "http://door.example/whitepaper");
    for name in ["title", "date", "format_hint"] {
        assert!(outline[name].is_string(), "{name}");
    }
    let markdown = text(&read(&server, "/whitepaper", "text/markdown").await);
    let html = text(&read(&server, "/whitepaper", "text/html").await);
    for (number, section) in sections.iter().enumerate() {
        let heading = format!("{}. {}", number + 1, section.as_str().unwrap());
        assert!(markdown.contains(&format!("\n## {heading}\n")), "{heading}");
        assert!(html.contains(&format!(">{heading}</h2>")), "{heading}");
    }
    assert!(!markdown.contains("{name}") && markdown.contains("does not prove"));
}

#[tokio::test]
async fn showcase_leads_to_the_front_page() {
    let server = Server::start().await;
    let answer = server.get("/showcase").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (301, "/"));
}

#[tokio::test]
async fn the_documents_tell_everything_to_everybody_in_secure() {
    let server = Server::start().await;
    let page = read(&server, "/", "application/json").await.json;
    assert_eq!(page["status"], "unverified");
    for name in [
        "name",
        "version",
        "tagline",
        "first",
        "agent_instructions",
        "options",
        "description",
        "registration_required",
        "onboarding",
        "endpoints",
        "challengeTypes",
        "rateLimit",
        "sdk",
        "links",
        "content_negotiation",
    ] {
        assert!(!page[name].is_null(), "{name}");
    }
    assert_eq!(page["first"]["step1"], "GET http://door.example/v1/challenges?app_id=app_demo000000000000");
    assert_eq!(page["first"]["critical"].as_array().unwrap().len(), 3);
    assert_eq!(page["onboarding"]["steps"].as_array().unwrap().len(), 9);
    assert_eq!(page["rateLimit"]["free"], "100 challenges/hour/IP");
    let ids: Vec<&Value> = page["options"].as_array().unwrap().iter().map(|option| &option["id"]).collect();
    assert_eq!(ids, [&json!("protect"), &json!("identity")]);

    let markdown = text(&read(&server, "/", "text/markdown").await);
    assert!(
        markdown.starts_with("---\ntitle: \"Quivive\"\ndescription: \"Quivive tells a site"),
        "{markdown}"
    );
    assert!(markdown.contains("`Authorization: Bearer <access_token>`"), "code is not escaped");
    let mut rest = markdown.as_str();
    for heading in [
        "Quick Start",
        "Onboarding",
        "Essential Endpoints",
        "All Endpoints",
        "Challenge Types",
        "Authentication Flow",
        "RTT-Aware Challenges",
        "SDKs",
        "Discovery",
        "Rate Limits",
        "Content Negotiation",
    ] {
        let (_, after) = rest.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("{heading}"));
        rest = after;
    }
}

#[tokio::test]
async fn compat_gives_each_caller_the_originals_members() {
    let server = Server::compat().await;
    let names = |page: &Value| page.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let unverified = read(&server, "/", "application/json").await.json;
    assert_eq!(
        names(&unverified),
        ["name", "version", "tagline", "status", "first", "agent_instructions", "options", "links"]
    );
    let markdown = text(&read(&server, "/", "text/markdown").await);
    assert!(markdown.contains("## Quick Start") && !markdown.contains("## All Endpoints"), "{markdown}");

    let token = tokens(&server, json!({})).await["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let headers = [("accept", "application/json"), ("authorization", bearer.as_str())];
    let verified = server.call("GET", "/", &headers, "").await.json;
    assert_eq!(
        names(&verified),
        [
            "name",
            "version",
            "tagline",
            "status",
            "description",
            "your_identity",
            "registration_required",
            "onboarding",
            "endpoints",
            "challengeTypes",
            "rateLimit",
            "sdk",
            "content_negotiation",
            "links",
        ]
    );
    assert_eq!((&verified["status"], &verified["name"]), (&json!("verified"), &json!("BOTCHA")));
    assert_eq!(verified["your_identity"]["app_id"], Value::Null);
    let headers = [("accept", "text/markdown"), ("authorization", bearer.as_str())];
    let markdown = server.call("GET", "/", &headers, "").await;
    assert!(text(&markdown).contains("## All Endpoints"));
    assert!(markdown.header("cache-control").starts_with("private"));
}

#[tokio::test]
async fn a_link_that_leads_nowhere_is_a_page_for_people_and_json_for_programs() {
    let server = Server::start().await;
    for (accept, media_type) in [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=UTF-8"),
        ("text/markdown", "text/markdown; charset=utf-8"),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
    ] {
        for path in ["/nothing", "/v1/nothing", "/nothing/%3Cscript%3E"] {
            let answer = read(&server, path, accept).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("content-type")),
                (404, media_type),
                "{path} {accept}"
            );
            assert_eq!(answer.header("x-botcha-enabled"), "true");
            assert!(!text(&answer).contains("<script>"));
        }
    }
    let html = text(&read(&server, "/nothing", "text/html").await);
    assert!(html.contains("id=\"botcha-challenge\"") && html.contains("no page at this address"));
    let posted = server.call("POST", "/nothing", &[("accept", "text/html")], "").await;
    assert_eq!((posted.status.as_u16(), &posted.json["error"]), (404, &json!("NOT_FOUND")));
}
