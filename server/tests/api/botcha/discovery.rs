use serde_json::{Value, json};

use crate::support::{Answer, Server};

async fn get(server: &Server, path: &str) -> Answer {
    server.call("GET", path, &[("host", "door.example")], "").await
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

#[tokio::test]
async fn every_file_has_its_type_and_its_cache() {
    let server = Server::start().await;
    for (path, media_type, cache) in [
        ("/robots.txt", "text/plain; charset=utf-8", "public, max-age=86400"),
        ("/ai.txt", "text/plain; charset=utf-8", "public, max-age=86400"),
        ("/sitemap.xml", "application/xml; charset=utf-8", "public, max-age=86400"),
        ("/.well-known/ai-plugin.json", "application/json", "public, max-age=86400"),
        ("/.well-known/botcha.json", "application/json", "public, max-age=86400"),
        ("/openapi.json", "application/json", "public, max-age=3600"),
        ("/og.png", "image/png", "public, max-age=604800"),
    ] {
        let answer = get(&server, path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type"), answer.header("cache-control")),
            (200, media_type, cache),
            "{path}"
        );
        let head = server.call("HEAD", path, &[], "").await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{path}");
    }
}

#[tokio::test]
async fn robots_are_welcome_by_name_and_told_the_measured_saving() {
    let server = Server::start().await;
    let robots = text(&get(&server, "/robots.txt").await);
    for agent in [
        "*",
        "GPTBot",
        "ChatGPT-User",
        "Claude-Web",
        "anthropic-ai",
        "Google-Extended",
        "PerplexityBot",
        "Amazonbot",
    ] {
        assert!(robots.contains(&format!("User-agent: {agent}\nAllow: /\n")), "{agent}: {robots}");
    }
    assert!(robots.contains("\nSitemap: http://door.example/sitemap.xml\nCrawl-delay: 0\n"));
    assert!(robots.to_lowercase().contains("botcha") && robots.contains("application/botcha+json"));
}

#[tokio::test]
async fn the_saving_that_is_printed_is_the_one_that_is_measured() {
    let server = Server::start().await;
    let size = async |path: &str, accept: &str| {
        let headers = [("accept", accept), ("host", "door.example"), ("user-agent", "agent/1")];
        server.call("GET", path, &headers, "").await.body.len()
    };
    let (mut html, mut markdown) = (0, 0);
    for path in ["/", "/docs"] {
        let (long, short) = (size(path, "text/html").await, size(path, "text/markdown").await);
        assert!(short * 2 <= long, "{path}: {short} of {long}");
        html += long;
        markdown += short;
    }
    let saving = (html - markdown) * 100 / html;
    for (path, line) in [
        ("/robots.txt", format!("that is {saving} % fewer tokens")),
        ("/ai.txt", format!("Content-Negotiation-Saving: {saving} % fewer tokens than HTML")),
    ] {
        let file = text(&get(&server, path).await);
        assert!(file.contains(&line), "{line}: {file}");
    }
}

#[tokio::test]
async fn ai_txt_names_every_route_of_the_family_and_every_kind_of_fact() {
    let server = Server::start().await;
    let file = text(&get(&server, "/ai.txt").await);
    let document = server.get("/openapi.json").await.json;
    let mut count = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let line = format!("\nEndpoint: {} http://door.example{path} - ", method.to_uppercase());
            assert!(file.contains(&line), "{line}");
            count += 1;
        }
    }
    assert_eq!(file.matches("\nEndpoint: ").count(), count);
    for key in [
        "Contact",
        "Purpose",
        "Registration-Required",
        "Registration-Step-5",
        "Onboarding-Step-5",
        "API",
        "API-Type",
        "API-Format",
        "Docs",
        "Feature",
        "Install-NPM",
        "Install-Python",
        "Verify-NPM",
        "Verify-Python",
        "License",
        "Policy",
        "Response-Headers",
        "Detection",
        "Content-Negotiation",
        "Token-Signing",
        "Token-JWKS",
        "Token-Validate",
        "Token-Flow",
        "Token-Expiry",
        "Token-Audience",
        "Token-Claims",
        "RTT-Parameter",
        "RTT-Formula",
        "Multi-Tenant",
        "Embedded-Challenge",
    ] {
        assert!(file.contains(&format!("\n{key}: ")), "{key}");
    }
    for line in file.lines().skip(1) {
        assert!(
            line.split_once(": ").is_some_and(|(key, value)| !key.contains(' ') && !value.is_empty()),
            "{line}"
        );
    }
}

#[tokio::test]
async fn nothing_that_is_not_served_is_announced() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.json;
    let has = |path: &str| document["paths"].get(path).is_some();
    let file = text(&get(&server, "/ai.txt").await);
    assert_eq!(file.contains("\nMCP"), has("/mcp"));
    assert_eq!(file.contains("\nTAP-"), has("/v1/agents/register/tap"));
    assert_eq!(file.contains("\nReIdentification-"), has("/v1/agents/auth"));
    let links = get(&server, "/").await.json["links"].clone();
    assert_eq!(links.get("mcp").is_some(), has("/mcp"));
    for link in links.as_object().unwrap().values().filter_map(Value::as_str) {
        let Some(path) = link.strip_prefix("http://door.example") else { continue };
        assert_eq!(get(&server, path).await.status, 200, "{link}");
    }
}

#[tokio::test]
async fn the_sitemap_lists_pages_that_are_there() {
    let server = Server::start().await;
    let sitemap = text(&get(&server, "/sitemap.xml").await);
    let mut count = 0;
    for entry in sitemap.split("<loc>http://door.example").skip(1) {
        let (path, _) = entry.split_once("</loc>").unwrap();
        assert_eq!(get(&server, path).await.status, 200, "{path}");
        count += 1;
    }
    assert_eq!(count, 6, "{sitemap}");
    assert!(
        sitemap.contains("/docs</loc><changefreq>weekly</changefreq><priority>0.9</priority>"),
        "{sitemap}"
    );
}

#[tokio::test]
async fn the_manifests_have_the_documented_members() {
    let server = Server::with(|config| config.mail.from = "Door <door@door.example>".to_owned()).await;
    let plugin = get(&server, "/.well-known/ai-plugin.json").await.json;
    assert_eq!(
        (&plugin["schema_version"], &plugin["name_for_human"], &plugin["name_for_model"]),
        (&json!("v1"), &json!("Quivive"), &json!("botcha"))
    );
    assert_eq!(plugin["auth"], json!({ "type": "none" }));
    assert_eq!(plugin["api"], json!({ "type": "openapi", "url": "http://door.example/openapi.json" }));
    assert_eq!(plugin["contact_email"], "door@door.example");
    assert_eq!(plugin["embedded_challenge"]["selector"], "script[type='application/botcha+json']");
    assert_eq!(plugin["embedded_challenge"]["content_type"], "application/botcha+json");
    assert_eq!(plugin["embedded_challenge"]["verify_endpoint"], "/api/verify-landing");
    for name in ["description_for_human", "description_for_model", "logo_url", "legal_info_url"] {
        assert!(plugin[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    let manifest = get(&server, "/.well-known/botcha.json").await.json;
    assert_eq!(
        manifest,
        json!({
            "version": "0.23.0",
            "enabled": true,
            "methods": ["speed-challenge", "reasoning-challenge", "hybrid-challenge", "standard-challenge", "jwt-token"],
            "docs": "http://door.example/openapi.json",
            "jwks": "http://door.example/.well-known/jwks",
            "challenge_endpoint": "http://door.example/v1/challenges",
            "token_endpoint": "http://door.example/v1/token",
        })
    );
}

#[tokio::test]
async fn the_picture_is_a_small_png_of_1200_by_630() {
    let server = Server::start().await;
    let picture = get(&server, "/og.png").await.body;
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n") && picture.len() < 60_000, "{}", picture.len());
    let number = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
    assert_eq!((number(16), number(20)), (1200, 630));
}

#[tokio::test]
async fn the_document_has_the_originals_names_and_stays_the_routes_own() {
    let server = Server::with(|config| config.public_url = Some("https://door.example".to_owned())).await;
    let document = server.get("/openapi.json").await.json;
    assert_eq!((&document["openapi"], &document["info"]["title"]), (&json!("3.1.0"), &json!("Quivive")));
    assert_eq!(document["info"]["version"], "0.23.0");
    assert!(document["info"]["license"]["name"].as_str().unwrap().contains("MIT"));
    assert!(document["info"]["contact"]["url"].is_string());
    for name in ["npm", "python", "verify_npm", "verify_python"] {
        assert!(document["info"]["x-sdk"][name].is_string(), "{name}");
    }
    assert_eq!(document["servers"], json!([{ "url": "https://door.example" }]));
    assert!(document["components"]["schemas"]["Agent"]["properties"]["agent_id"].is_object());
    assert_eq!(
        document["components"]["securitySchemes"]["BotchaLandingToken"]["name"],
        "X-Botcha-Landing-Token"
    );
    assert_eq!(document["components"]["securitySchemes"]["BotchaBearerToken"]["scheme"], "bearer");
    for (method, path, name) in [
        ("get", "/", "getRootInfo"),
        ("get", "/health", "getHealth"),
        ("get", "/v1/token", "getTokenChallenge"),
        ("post", "/v1/token/verify", "verifyTokenChallenge"),
        ("post", "/api/verify-landing", "verifyLandingChallenge"),
        ("get", "/agent-only", "getAgentOnly"),
        ("get", "/.well-known/jwks", "getJWKS"),
        ("get", "/robots.txt", "botcha_read_robots"),
    ] {
        assert_eq!(document["paths"][path][method]["operationId"], name, "{path}");
    }
    let mut ids = std::collections::HashSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{operation}");
        }
    }
    let relative = Server::start().await.get("/openapi.json").await.json;
    assert_eq!(relative["servers"], json!([{ "url": "/" }]));
}

#[tokio::test]
async fn another_name_of_the_service_is_used_throughout() {
    let server = Server::with(|config| config.service_name = "Porter".to_owned()).await;
    for path in
        ["/robots.txt", "/ai.txt", "/.well-known/ai-plugin.json", "/openapi.json", "/docs", "/whitepaper"]
    {
        assert!(text(&get(&server, path).await).contains("Porter"), "{path}");
    }
}
