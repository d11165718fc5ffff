//! Paths of our own, and what every answer has.

use std::sync::atomic::Ordering;

use quivive_server::config::Family;
use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn health_readiness_and_metrics() {
    let server = Server::start().await;
    assert_eq!(server.get("/-/health").await.json["status"], "ok");
    assert_eq!(server.get("/-/ready").await.status, 200);
    let metrics = server.get("/-/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));

    server.app.is_accepting.store(false, Ordering::SeqCst);
    let stopping = server.get("/-/ready").await;
    assert_eq!(stopping.status, 503);
    assert_eq!(stopping.header("content-type"), "application/problem+json");
    assert_eq!(server.get("/-/health").await.status, 200);
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    quivive_server::telemetry::start_metrics();
    let server = Server::start().await;
    server.get("/health").await;
    server.get("/no-such-path-here").await;
    let text = String::from_utf8(server.get("/-/metrics").await.body).unwrap();
    assert!(
        text.contains("quivive_requests_total{method=\"GET\",route=\"/health\",status=\"200\"}"),
        "{text}"
    );
    assert!(!text.contains("no-such-path-here"), "paths of callers are no labels");
}

#[tokio::test]
async fn problems_have_the_standard_form() {
    let server = Server::start().await;
    let answer = server.get("/-/nothing").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(
        answer.json,
        json!({
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "code": "NOT_FOUND",
            "detail": "Route GET /-/nothing not found",
        })
    );
    let wrong = server.call("POST", "/-/health", &[], "").await;
    assert_eq!((wrong.status.as_u16(), wrong.json["code"].as_str()), (405, Some("METHOD_NOT_ALLOWED")));
    assert_eq!(wrong.header("allow"), "GET,HEAD");
    assert_eq!(wrong.header("access-control-allow-origin"), "", "no CORS on our own paths");
    assert_eq!(wrong.header("x-botcha-version"), "");
    assert_eq!(server.call("OPTIONS", "/-/health", &[], "").await.status, 405);
    for path in ["/-/openapi/%FF", "/-/assets/%FF/page.css", "/-/demo/session/%FF"] {
        let answer = server.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["code"].as_str()),
            (404, Some("NOT_FOUND")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_request_id_is_kept_or_made() {
    let server = Server::start().await;
    for kept in ["a", "A-b_c.9", &"x".repeat(128)] {
        let answer = server.call("GET", "/-/health", &[("X-Request-ID", kept)], "").await;
        assert_eq!(answer.header("x-request-id"), kept);
    }
    for replaced in ["", "a b", "a/b", "ü", &"x".repeat(129)] {
        let answer = server.call("GET", "/nothing", &[("X-Request-ID", replaced)], "").await;
        let id = uuid::Uuid::parse_str(answer.header("x-request-id")).unwrap();
        assert_eq!(id.get_version_num(), 7, "{replaced}");
    }
}

#[tokio::test]
async fn documents_cover_each_family_and_everything() {
    let server = Server::start().await;
    let whole = server.get("/-/openapi.json").await.json;
    assert_eq!(whole["openapi"], "3.1.0");
    let mut ids = std::collections::HashSet::new();
    for (path, item) in whole["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} twice");
            let family = operation["tags"][0].as_str().unwrap();
            assert!(id.starts_with(&format!("{family}_")), "{method} {path}: {id}");
        }
    }
    for path in ["/v1/token", "/v1/events", "/api/v1/detect", "/-/health"] {
        assert!(whole["paths"][path].is_object(), "{path}");
    }
    for family in [Family::Botect, Family::Botcha, Family::Agentshield] {
        let document = server.get(&format!("/-/openapi/{}.json", family.name())).await.json;
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["tags"][0]["name"], family.name());
    }
    assert_eq!(server.get("/-/openapi/nobody.json").await.status, 404);
    for path in ["/-/openapi.json", "/-/openapi/botect.json", "/openapi.json"] {
        let (first, second) = (server.get(path).await, server.get(path).await);
        assert_eq!(first.header("content-type"), "application/json", "{path}");
        assert_eq!(first.body, second.body, "{path}");
    }
}

#[tokio::test]
async fn a_family_that_is_off_is_not_there() {
    let server = Server::with(|config| config.families = vec![Family::Botect]).await;
    for path in ["/v1/token", "/agent-only", "/.well-known/jwks"] {
        let answer = server.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (404, "application/problem+json"),
            "{path}"
        );
    }
    assert_eq!(server.get("/health").await.json["status"], "ok", "documented paths stay");
    assert_eq!(server.get("/openapi.json").await.status, 200);
}

#[tokio::test]
async fn unmatched_paths_have_the_skin_of_their_prefix() {
    let server = Server::start().await;
    let botect = server.get("/v1/projects/1/nothing").await;
    assert_eq!((botect.status.as_u16(), botect.json["code"].as_str()), (404, Some("NOT_FOUND")));
    let agentshield = server.get("/api/v1/nothing").await;
    assert_eq!(
        (agentshield.status.as_u16(), agentshield.json["error"]["code"].as_str()),
        (404, Some("NOT_FOUND"))
    );
    let botcha = server.get("/api/nothing").await;
    assert_eq!((botcha.status.as_u16(), botcha.json["error"].as_str()), (404, Some("NOT_FOUND")));
}

#[tokio::test]
async fn browser_files_are_served_with_their_types() {
    let server = Server::start().await;
    for (path, media_type) in [
        ("/v1/sdk.js", "text/javascript; charset=utf-8"),
        ("/v1/sdk.mjs", "text/javascript; charset=utf-8"),
        ("/v1/sdk.wasm", "application/wasm"),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, media_type), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
        assert_eq!(answer.header("x-botcha-version"), "");
        let tag = answer.header("etag").to_owned();
        let again = server.call("GET", path, &[("If-None-Match", &tag)], "").await;
        assert_eq!(again.status, 304);
        assert!(again.body.is_empty());
    }
    let folder = quivive_server::browser::assets_path();
    let answer = server.get(&format!("{folder}/page.css")).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(server.get(&format!("{folder}/nothing.js")).await.status, 404);
    assert_eq!(server.get("/-/assets/0000000000000000/page.css").await.status, 404);
}
