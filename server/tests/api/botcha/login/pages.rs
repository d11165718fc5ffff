//! The pages and forms on which a person logs in and out.

use super::*;
use crate::botcha::tokens;
use crate::botect::faults::Moody;

const SECRET_FORM: &str = "app_id=app_0123456789abcdef&app_secret=sk_0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn both_login_pages_show_three_ways_in() {
    let server = Server::start().await;
    for path in ["/login", "/dashboard/login"] {
        let page = open(&server, path).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), "text/html; charset=UTF-8");
        assert!(page.header("content-security-policy").starts_with("default-src 'self'; script-src 'self'"));
        let html = text(&page);
        for part in [
            "action=\"/dashboard/email-login\"",
            "type=\"email\" name=\"email\"",
            "action=\"/dashboard/login\"",
            "type=\"password\" name=\"app_secret\"",
            "href=\"/dashboard/code\"",
            "href=\"/\"",
            &format!("rel=\"alternate\" type=\"text/markdown\" href=\"{path}\""),
            "type=\"application/botcha+json\"",
        ] {
            assert!(html.contains(part), "{path} {part}");
        }
        assert!(!html.contains("class=\"notice\""));
        let markdown = server.call("GET", path, &[("accept", "text/markdown")], "").await;
        assert_eq!(markdown.header("content-type"), "text/markdown; charset=utf-8");
        assert!(markdown.header("vary").contains("Accept"));
        assert!(!markdown.header("x-markdown-tokens").is_empty());
        assert!(
            text(&markdown).contains("Form: `POST /dashboard/login` with `app_id` (App id), `app_secret`")
        );
    }
}

#[tokio::test]
async fn the_login_page_explains_what_went_wrong() {
    let server = Server::start().await;
    for (error, words) in [
        ("email_missing", "Type the e-mail address"),
        ("missing", "Type both"),
        ("invalid", "There is no app with this id and this secret"),
        ("server", "not your doing"),
    ] {
        let html = text(&open(&server, &format!("/dashboard/login?error={error}")).await);
        assert!(html.contains("data-tone=\"bad\" role=\"alert\"") && html.contains(words), "{error}");
    }
    let html = text(&open(&server, "/login?error=%3Cscript%3Ealert(1)%3C/script%3E").await);
    assert!(!html.contains("alert(1)") && !html.contains("class=\"notice\""));
}

#[tokio::test]
async fn an_older_form_is_sent_on_with_its_body() {
    let server = Server::start().await;
    assert_eq!(led(&send(&server, "/login", SECRET_FORM).await), (307, "/dashboard/login"));
}

#[tokio::test]
async fn the_secret_logs_a_browser_in() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let spaced = SECRET_FORM.replace("app_secret=", "app_secret=+");
    for body in [SECRET_FORM, &format!("{spaced}+%0A")] {
        let answer = send(&server, "/dashboard/login", body).await;
        assert_eq!(led(&answer), (302, "/account"));
        assert!(is_session(&server, &cookie(&answer)).await);
        let (_, flags) = answer.header("set-cookie").split_once("; ").unwrap();
        assert_eq!(flags, "Max-Age=3600; Path=/; HttpOnly; SameSite=Lax", "plain HTTP on this machine");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let headers = [("content-type", FORM), ("host", "door.example")];
    let answer = server.call("POST", "/dashboard/login", &headers, SECRET_FORM).await;
    assert!(answer.header("set-cookie").ends_with("; Max-Age=3600; Path=/; HttpOnly; Secure; SameSite=Lax"));
}

#[tokio::test]
async fn forms_in_parts_are_read() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let part = |name: &str, value: &str| {
        format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body =
        format!("{}{}--limit--\r\n", part("app_id", "app_0123456789abcdef"), part("app_secret", APP_SECRET));
    let headers = [("content-type", "multipart/form-data; boundary=limit"), ("accept", BROWSER)];
    let answer = server.call("POST", "/dashboard/login", &headers, body.clone()).await;
    assert_eq!(led(&answer), (302, "/account"));
    for path in ["/dashboard/login", "/dashboard/code", "/gate"] {
        for broken in [&body[..20], "nothing", "--limit\r\nContent-Dis"] {
            let answer = server.call("POST", path, &headers, broken.to_owned()).await;
            assert_eq!(answer.status, 400, "{path} {broken}");
            assert!(text(&answer).contains("The form cannot be read"), "{path} {broken}");
        }
    }
}

#[tokio::test]
async fn a_wrong_or_missing_secret_leads_back() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    for body in ["", "app_id=app_0123456789abcdef", "app_secret=x", "app_id=+&app_secret=+", "{\"app_id\":1}"]
    {
        assert_eq!(
            led(&send(&server, "/dashboard/login", body).await),
            (302, "/dashboard/login?error=missing")
        );
    }
    for body in [
        "app_id=app_0123456789abcdef&app_secret=wrong",
        "app_id=app_none&app_secret=sk_0123456789abcdef0123456789abcdef",
        "app_id=app_demo000000000000&app_secret=x",
        "app_id=%00%FF&app_secret=%00",
    ] {
        let answer = send(&server, "/dashboard/login", body).await;
        assert_eq!(led(&answer), (302, "/dashboard/login?error=invalid"), "{body}");
        assert_eq!(answer.header("set-cookie"), "");
    }
}

#[tokio::test]
async fn a_fault_while_logging_in_leads_back_and_lets_nobody_in() {
    let database = Moody::new();
    let server = Server::on(database.clone(), |_| {}).await;
    app_with_secret(&server).await;
    let code = device_code(&server).await;
    let token = session(&server).await;
    database.is_down(true);
    let answer = send(&server, "/dashboard/login", SECRET_FORM).await;
    assert_eq!((led(&answer), answer.header("set-cookie")), ((302, "/dashboard/login?error=server"), ""));
    let bearer = format!("Bearer {token}");
    for (method, path, body) in [
        ("POST", "/dashboard/code", format!("code={code}")),
        ("GET", "/dashboard/logout", String::new()),
        ("POST", "/dashboard/logout", String::new()),
        ("GET", &format!("/go/{code}"), String::new()),
        ("POST", &format!("/go/{code}"), String::new()),
    ] {
        let answer = server.call(method, path, &[("authorization", bearer.as_str())], body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json["error"]),
            (503, &json!("STORAGE_UNAVAILABLE")),
            "{path}"
        );
        assert_eq!(answer.header("set-cookie"), "");
    }
    database.is_down(false);
    assert_eq!(led(&send(&server, "/dashboard/code", &format!("code={code}")).await), (302, "/account"));
}

#[tokio::test]
async fn logins_by_secret_are_counted_by_address() {
    let server = Server::with(|config| config.limits.owner_logins_per_hour = 1).await;
    app_with_secret(&server).await;
    assert_eq!(led(&send(&server, "/dashboard/login", SECRET_FORM).await), (302, "/account"));
    let page = send(&server, "/dashboard/login", SECRET_FORM).await;
    assert_eq!((page.status.as_u16(), page.header("retry-after")), (429, "3600"));
    assert!(text(&page).contains("Too many attempts"));
    let json = server.call("POST", "/dashboard/login", &[("content-type", FORM)], SECRET_FORM).await;
    assert_eq!((json.status.as_u16(), &json.json["error"]), (429, &json!("RATE_LIMIT_EXCEEDED")));
}

#[tokio::test]
async fn forms_over_the_limit_are_refused() {
    let server = Server::start().await;
    for path in ["/dashboard/login", "/dashboard/code", "/gate"] {
        let page = send(&server, path, &"a".repeat(65_537)).await;
        assert_eq!(page.status, 413, "{path}");
        assert!(text(&page).contains("PAYLOAD_TOO_LARGE"), "{path}");
    }
}

#[tokio::test]
async fn the_code_form_is_filled_by_its_address() {
    let server = Server::start().await;
    for path in [
        "/dashboard/code/BOTCHA-ABC234",
        "/dashboard/code/abc234",
        "/dashboard/code?code=BOTCHA-ABC234",
        "/dashboard/code?code=+abc234+",
    ] {
        let page = open(&server, path).await;
        assert_eq!(page.status, 200);
        assert!(text(&page).contains("name=\"code\" value=\"ABC234\""), "{path}");
    }
    for path in
        ["/dashboard/code", "/dashboard/code/x", "/dashboard/code/%FF", "/dashboard/code?code=%22onx%3D"]
    {
        let html = text(&open(&server, path).await);
        assert!(html.contains("name=\"code\" value=\"\""), "{path}");
    }
    let markdown = server.call("GET", "/dashboard/code", &[("accept", "text/markdown")], "").await;
    assert!(text(&markdown).contains("Form: `POST /dashboard/code` with `code` (Code)."));
}

#[tokio::test]
async fn the_code_form_tells_what_happened() {
    let server = Server::start().await;
    for (query, tone, words) in [
        ("email_sent=1", "role=\"status\"", "a code is on its way"),
        ("error=invalid", "data-tone=\"bad\"", "never was one"),
        ("error=missing", "data-tone=\"bad\"", "Type the code"),
        ("error=missing&email_sent=1", "data-tone=\"bad\"", "Type the code"),
    ] {
        let html = text(&open(&server, &format!("/dashboard/code?{query}")).await);
        assert!(html.contains(tone) && html.contains(words), "{query}");
    }
    for query in ["", "error=other", "email_sent=0"] {
        assert!(
            !text(&open(&server, &format!("/dashboard/code?{query}")).await).contains("class=\"notice\"")
        );
    }
}

#[tokio::test]
async fn a_device_code_logs_in_once_however_it_is_typed() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    for spell in [
        |code: &str| code.to_owned(),
        |code: &str| code.to_lowercase(),
        |code: &str| format!("+{}+", code.trim_start_matches("BOTCHA-").to_lowercase()),
    ] {
        let body = format!("code={}", spell(&device_code(&server).await));
        let answer = send(&server, "/dashboard/code", &body).await;
        assert_eq!(led(&answer), (302, "/account"), "{body}");
        assert!(is_session(&server, &cookie(&answer)).await);
        let again = send(&server, "/dashboard/code", &body).await;
        assert_eq!((led(&again), again.header("set-cookie")), ((302, "/dashboard/code?error=invalid"), ""));
    }
}

#[tokio::test]
async fn a_device_code_lasts_ten_minutes() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let (early, late) = (device_code(&server).await, device_code(&server).await);
    server.advance(599_999);
    assert_eq!(led(&send(&server, "/dashboard/code", &format!("code={early}")).await), (302, "/account"));
    server.advance(1);
    let answer = send(&server, "/dashboard/code", &format!("code={late}")).await;
    assert_eq!(led(&answer), (302, "/dashboard/code?error=invalid"));
}

#[tokio::test]
async fn what_is_no_device_code_leads_back() {
    let server = Server::start().await;
    let gate = tokens(&server, json!({})).await["human_code"].as_str().unwrap().to_owned();
    for typed in ["BOTCHA-222222", "x", "%00", "BOTCHA-%3Cb%3E", &"A".repeat(5_000), &gate] {
        let answer = send(&server, "/dashboard/code", &format!("code={typed}")).await;
        assert_eq!(led(&answer), (302, "/dashboard/code?error=invalid"), "{typed}");
    }
    for body in ["", "code=", "code=+", "other=1"] {
        let answer = send(&server, "/dashboard/code", body).await;
        assert_eq!(led(&answer), (302, "/dashboard/code?error=missing"), "{body}");
    }
    assert_eq!(led(&open(&server, &format!("/go/{gate}")).await).0, 302);
    assert_eq!(
        open(&server, &format!("/go/{gate}")).await.header("location"),
        "/?error=invalid",
        "it was still good"
    );
}

#[tokio::test]
async fn logging_out_ends_the_session_and_takes_the_cookie_away() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    for method in ["GET", "POST"] {
        let token = session(&server).await;
        let kept = session(&server).await;
        let cookie = format!("botcha_session={token}");
        let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin"), ("accept", BROWSER)];
        let answer = server.call(method, "/dashboard/logout", &headers, "").await;
        assert_eq!(led(&answer), (302, "/login"), "{method}");
        assert!(answer.header("set-cookie").starts_with("botcha_session=; Max-Age=0; Path=/; HttpOnly"));
        assert!(!is_session(&server, &token).await, "{method}: a copy of the cookie is worth nothing");
        assert!(is_session(&server, &kept).await, "{method}: other sessions go on");
        let again = server.call(method, "/dashboard/logout", &headers, "").await;
        assert_eq!(led(&again), (302, "/login"), "{method}: nothing to end");
    }
    assert_eq!(led(&open(&server, "/dashboard/logout").await), (302, "/login"));
}

#[tokio::test]
async fn another_site_cannot_log_out_by_a_form() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let token = session(&server).await;
    let cookie = format!("botcha_session={token}");
    let headers = [("cookie", cookie.as_str()), ("origin", "https://evil.example"), ("accept", BROWSER)];
    let answer = server.call("POST", "/dashboard/logout", &headers, "").await;
    assert_eq!(answer.status, 403);
    assert!(text(&answer).contains("FOREIGN_FORM"));
    assert!(is_session(&server, &token).await);
}
