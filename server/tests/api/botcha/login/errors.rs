//! Errors as pages, for whoever looks for one.

use super::*;

#[tokio::test]
async fn a_browser_that_is_lost_gets_a_page() {
    let server = Server::start().await;
    for path in ["/nothing", "/dashboard/nothing", "/go", "/v1/nothing"] {
        let page = open(&server, path).await;
        assert_eq!(
            (page.status.as_u16(), page.header("content-type")),
            (404, "text/html; charset=UTF-8"),
            "{path}"
        );
        let html = text(&page);
        assert!(html.contains("NOT_FOUND") && html.contains("type=\"application/botcha+json\""), "{path}");
        assert!(html.contains("href=\"/\"") && html.contains("href=\"/docs\""));
        assert_eq!(page.header("x-botcha-enabled"), "true");
        assert_eq!(page.header("access-control-allow-origin"), "*");
        assert_ne!(page.header("x-ratelimit-limit"), "");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(page.header("vary").contains("Accept"));
    }
    let markdown = server.call("GET", "/nothing", &[("accept", "text/markdown")], "").await;
    assert_eq!(
        (markdown.status.as_u16(), markdown.header("content-type")),
        (404, "text/markdown; charset=utf-8")
    );
    assert!(text(&markdown).starts_with("# Nobody here\n"));
    let head = server.call("HEAD", "/nothing", &[("accept", BROWSER)], "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (404, 0));
}

#[tokio::test]
async fn programs_that_are_lost_get_json() {
    let server = Server::start().await;
    for (method, accept) in [
        ("GET", ""),
        ("GET", "*/*"),
        ("GET", "application/json"),
        ("GET", "application/json, text/html"),
        ("GET", "text/html;q=0"),
        ("POST", BROWSER),
        ("DELETE", BROWSER),
    ] {
        let answer =
            server.call(method, "/nothing", &[("accept", accept), ("user-agent", "Mozilla/5.0")], "").await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json["error"]),
            (404, &json!("NOT_FOUND")),
            "{method} {accept}"
        );
        assert_eq!(answer.json["message"], format!("Route {method} /nothing not found"));
    }
    for path in ["/-/nothing", "/api/v1/nothing", "/v1/projects/1/nothing"] {
        assert!(!open(&server, path).await.header("content-type").starts_with("text/html"), "{path}");
    }
}

#[tokio::test]
async fn nothing_of_the_address_is_on_the_page() {
    let server = Server::start().await;
    for accept in [BROWSER, "text/markdown"] {
        let path = "/%3Cscript%3Ealert(1)%3C/script%3E[go](https://evil.example)?q=evil.example";
        let page = server.call("GET", path, &[("accept", accept)], "").await;
        assert_eq!(page.status, 404);
        assert!(!text(&page).contains("alert(1)") && !text(&page).contains("evil.example"), "{accept}");
    }
}
