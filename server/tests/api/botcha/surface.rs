use serde_json::{Value, json};

use crate::support::Server;

/// Every route of the family that this server has, by its own document.
async fn routes(server: &Server) -> Vec<(String, String)> {
    let document = server.get("/-/openapi/botcha.json").await.json;
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            routes.push((method.to_uppercase(), path.clone()));
        }
    }
    assert!(routes.len() >= 10, "{routes:?}");
    routes
}

#[tokio::test]
async fn every_answer_carries_both_sets_of_headers() {
    let server = Server::start().await;
    let mut requests = routes(&server).await;
    for (_, path) in routes(&server).await {
        requests.push(("OPTIONS".to_owned(), path));
    }
    for (method, path) in [
        ("GET", "/nothing"),
        ("GET", "/v1/nothing"),
        ("OPTIONS", "/v1/token"),
        ("OPTIONS", "/nothing"),
        ("DELETE", "/v1/token"),
        ("HEAD", "/health"),
    ] {
        requests.push((method.to_owned(), path.to_owned()));
    }
    for (method, path) in requests {
        let answer = server.head(&method, &path).await;
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("x-botcha-version", "0.23.0"),
            ("x-botcha-enabled", "true"),
            (
                "x-botcha-methods",
                "speed-challenge,reasoning-challenge,hybrid-challenge,standard-challenge,jwt-token",
            ),
            ("x-botcha-runtime", "quivive"),
        ] {
            assert_eq!(answer.header(name), value, "{method} {path}");
        }
        assert!(answer.header("x-botcha-docs").ends_with("/openapi.json"));
        if method == "OPTIONS" {
            assert_eq!(answer.status, 204, "{path}");
        }
        for name in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id"] {
            assert_ne!(answer.header(name), "", "{method} {path} {name}");
        }
    }
}

#[tokio::test]
async fn an_unknown_path_says_so() {
    let server = Server::start().await;
    let answer = server.call("POST", "/v1/nothing?secret=1", &[("Host", "door.example")], "").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.json,
        json!({
            "success": false,
            "error": "NOT_FOUND",
            "message": "Route POST /v1/nothing not found",
            "docs": "http://door.example",
        })
    );
}

#[tokio::test]
async fn a_wrong_method_is_405_and_in_compat_404() {
    let server = Server::start().await;
    let answer = server.call("DELETE", "/v1/token", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.json["error"].as_str()), (405, Some("METHOD_NOT_ALLOWED")));
    assert_eq!(answer.header("allow"), "GET,HEAD");
    let answer = Server::compat().await.call("DELETE", "/v1/token", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.json["error"].as_str()), (404, Some("NOT_FOUND")));
}

#[tokio::test]
async fn a_preflight_is_answered_for_any_path() {
    let server = Server::start().await;
    for path in ["/v1/token", "/v1/token/verify", "/nothing"] {
        let asked = [("Access-Control-Request-Headers", "X-App-Id, authorization")];
        let answer = server.call("OPTIONS", path, &asked, "").await;
        assert_eq!(answer.status, 204);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("content-type"), "");
        assert_eq!(answer.header("access-control-allow-methods"), "GET,HEAD,PUT,POST,DELETE,PATCH");
        assert_eq!(answer.header("access-control-allow-headers"), "X-App-Id,authorization");
        assert_eq!(answer.header("vary").to_lowercase(), "access-control-request-headers");
        assert_eq!(answer.header("access-control-max-age"), "600");
        let plain = server.call("OPTIONS", path, &[], "").await;
        assert_eq!(plain.header("access-control-allow-headers"), "");
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let server = Server::start().await;
    for path in ["/health", "/v1/token", "/.well-known/jwks.json", "/openapi.json"] {
        let answer = server.call("HEAD", path, &[], "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.is_empty());
    }
}

#[tokio::test]
async fn health_and_document_are_served() {
    let server = Server::start().await;
    assert_eq!(
        server.get("/health").await.json,
        json!({ "status": "ok", "runtime": "quivive", "version": "0.23.0" })
    );
    let answer = server.get("/openapi.json").await;
    assert_eq!(answer.header("cache-control"), "public, max-age=3600");
    assert_eq!(answer.json["openapi"], "3.1.0");
    assert!(answer.json["paths"]["/v1/token"]["get"].is_object());
    assert_eq!(answer.json["paths"].get("/api/v1/detect"), None, "this family's document only");
    assert_eq!(answer.json["paths"].get("/v1/events"), None);
    assert!(answer.json["components"]["securitySchemes"]["BotchaBearerToken"].is_object());
}

#[tokio::test]
async fn bodies_over_the_limit_are_413_and_deep_ones_invalid() {
    let server = Server::start().await;
    let exact = format!("{{\"id\":\"{}\"}}", "a".repeat(65_536 - 9));
    assert_eq!(exact.len(), 65_536);
    for path in ["/v1/token/verify", "/v1/token/refresh", "/v1/token/revoke", "/v1/token/validate"] {
        let answer = server.call("POST", path, &[], exact.clone()).await;
        assert_eq!(answer.status, 400, "{path} {}", answer.json);
        let answer = server.call("POST", path, &[], format!("{exact} ")).await;
        assert_eq!(answer.status, 413, "{path}");
        assert_eq!(answer.json["error"], "PAYLOAD_TOO_LARGE", "{path}");
    }
    let deep = "[".repeat(60_000);
    for path in ["/v1/token/verify", "/v1/token/refresh", "/v1/token/revoke"] {
        let answer = server.call("POST", path, &[], deep.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["error"].as_str()),
            (400, Some("INVALID_JSON")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn odd_bodies_never_fail_inside() {
    let server = Server::with(|config| config.limits.verifications_per_hour = 0).await;
    let bodies: Vec<Vec<u8>> = vec![
        b"\xff\xfe\x00".to_vec(),
        b"{\"id\":\"\\ud800\",\"answers\":[]}".to_vec(),
        b"{\"id\":\"a\",\"id\":\"b\",\"answers\":[1e999]}".to_vec(),
        b"{\"token\":\"\\u0000\",\"refresh_token\":\"\\u0000\"}".to_vec(),
        json!({ "id": "x".repeat(60_000), "answers": [] }).to_string().into_bytes(),
    ];
    for path in ["/v1/token/verify", "/v1/token/refresh", "/v1/token/revoke", "/v1/token/validate"] {
        for body in &bodies {
            let answer = server.call("POST", path, &[], body.clone()).await;
            assert!(answer.status.as_u16() < 500, "{path} {}", answer.json);
            assert_ne!(answer.json, Value::Null);
        }
    }
}

#[tokio::test]
async fn addresses_in_answers_follow_the_host_or_the_setting() {
    let server = Server::start().await;
    let answer = server.call("GET", "/health", &[("Host", "door.example:8080")], "").await;
    assert_eq!(answer.header("x-botcha-docs"), "http://door.example:8080/openapi.json");
    let bad = server.call("GET", "/health", &[("Host", "evil\"><script>")], "").await;
    assert_eq!(bad.header("x-botcha-docs"), "http://127.0.0.1:8080/openapi.json");
    let forwarded = [("Host", "inner"), ("X-Forwarded-Host", "door.example"), ("X-Forwarded-Proto", "https")];
    let answer = server.call("GET", "/health", &forwarded, "").await;
    assert_eq!(answer.header("x-botcha-docs"), "http://inner/openapi.json");

    let behind = Server::with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let answer = behind.call("GET", "/health", &forwarded, "").await;
    assert_eq!(answer.header("x-botcha-docs"), "https://door.example/openapi.json");

    let fixed = Server::with(|config| config.public_url = Some("https://quivive.example".to_owned())).await;
    let answer = fixed.call("GET", "/health", &forwarded, "").await;
    assert_eq!(answer.header("x-botcha-docs"), "https://quivive.example/openapi.json");
}

#[tokio::test]
async fn compressed_bodies_are_read_and_bounded_by_what_they_unpack_to() {
    let server = Server::start().await;
    let send = async |body: Vec<u8>| {
        server.call("POST", "/v1/token/refresh", &[("Content-Encoding", "gzip")], body).await
    };
    let read = send(gzip(br#"{"refresh_token":"x"}"#)).await;
    assert_eq!((read.status.as_u16(), read.json["message"].as_str()), (401, Some("Invalid token")));
    let bomb = gzip(&vec![b' '; 20_000_000]);
    assert!(bomb.len() < 65_536);
    assert_eq!(send(bomb).await.status, 413);
    assert_eq!(send(b"not gzip".to_vec()).await.status, 400);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
