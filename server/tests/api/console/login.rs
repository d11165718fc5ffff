//! Links, cookies, forms, and the way out.

use super::*;

#[tokio::test]
async fn a_link_logs_in_once() {
    let site = Site::start().await;
    let secret = link(&site.server, owner(&site).await).await;
    let page = site.server.get(&format!("/-/console/login/{secret}")).await;
    assert_eq!(page.status, 200);
    assert!(text(&page).contains(&format!("name=\"secret\" value=\"{secret}\"")));
    let again = site.server.get(&format!("/-/console/login/{secret}")).await;
    assert_eq!(again.status, 200, "looking at a link does not use it up");

    let first = enter(&site.server, &secret).await;
    assert_eq!((first.status.as_u16(), first.header("location")), (303, "/-/console"));
    let second = enter(&site.server, &secret).await;
    assert_eq!(second.status, 403);
    assert_eq!(second.header("set-cookie"), "");
    assert!(text(&second).contains("LINK_NOT_VALID"));
}

#[tokio::test]
async fn of_many_who_use_a_link_at_once_one_comes_in() {
    let site = Site::start().await;
    let secret = link(&site.server, owner(&site).await).await;
    let answers = futures::future::join_all((0..8).map(|_| enter(&site.server, &secret))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 303).count(), 1);
}

#[tokio::test]
async fn a_link_is_good_for_ten_minutes() {
    let site = Site::start().await;
    let user = owner(&site).await;
    let (early, late) = (link(&site.server, user).await, link(&site.server, user).await);
    site.server.advance(599_999);
    assert_eq!(enter(&site.server, &early).await.status, 303);
    site.server.advance(1);
    assert_eq!(enter(&site.server, &late).await.status, 403);
}

#[tokio::test]
async fn wrong_links_are_refused_and_counted() {
    let site = Site::start().await;
    for secret in ["", "wrong", "%00", &"A".repeat(43), &"A".repeat(5_000)] {
        assert_eq!(enter(&site.server, secret).await.status, 403, "{secret}");
    }
    for _ in 5..30 {
        enter(&site.server, "wrong").await;
    }
    let secret = link(&site.server, owner(&site).await).await;
    let refused = enter(&site.server, &secret).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "600"));
    site.server.advance(300_000);
    assert_eq!(enter(&site.server, &secret).await.header("retry-after"), "300");
    site.server.advance(299_999 + 1);
    let fresh = link(&site.server, owner(&site).await).await;
    assert_eq!(enter(&site.server, &fresh).await.status, 303);
}

#[tokio::test]
async fn forms_of_other_sites_do_not_log_in() {
    let site = Site::start().await;
    let secret = link(&site.server, owner(&site).await).await;
    let headers = [("content-type", FORM), ("sec-fetch-site", "cross-site")];
    let answer = site.server.call("POST", "/-/console/login", &headers, format!("secret={secret}")).await;
    assert_eq!(answer.status, 403);
    // What says where a form comes from where the other header is not sent.
    for origin in ["https://other.example", "null"] {
        let headers = [("content-type", FORM), ("origin", origin)];
        let answer = site.server.call("POST", "/-/console/login", &headers, format!("secret={secret}")).await;
        assert_eq!(answer.status, 403, "{origin}");
    }
    assert_eq!(enter(&site.server, &secret).await.status, 303, "and do not use the link up");
}

#[tokio::test]
async fn links_are_made_for_users_that_there_are() {
    let site = Site::start().await;
    assert_eq!(console::login_link(&site.server.app, 99).await.unwrap_err().code(), "NOT_FOUND");
    let app = &site.server.app;
    assert_eq!(directory::find_user(app, "ADA@example.com").await.unwrap().id, owner(&site).await);
    assert_eq!(directory::find_user(app, "1").await.unwrap().id, 1);
    assert_eq!(directory::find_user(app, "nobody@example.com").await.unwrap_err().code(), "NOT_FOUND");
    site.other_tenant(true).await;
    let several = directory::find_user(app, "ada@example.com").await.unwrap_err();
    assert!(several.code() == "CONFLICT" && several.to_string().contains("1, 2"), "{several}");
}

#[tokio::test]
async fn the_cookie_is_strict_and_secure_where_it_can_be() {
    let site = Site::with(|config| config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let user = owner(&site).await;
    let plain = enter(&site.server, &link(&site.server, user).await).await;
    let cookie = plain.header("set-cookie").to_owned();
    let (name, flags) = cookie.split_once('=').unwrap();
    let (value, flags) = flags.split_once("; ").unwrap();
    assert_eq!((name, value.len()), ("quivive_console", 43));
    assert_eq!(flags, "Path=/-/; Max-Age=43200; HttpOnly; SameSite=Strict");
    let headers = [("content-type", FORM), ("x-forwarded-proto", "https")];
    let body = format!("secret={}", link(&site.server, user).await);
    let secure = site.server.call("POST", "/-/console/login", &headers, body).await;
    assert!(secure.header("set-cookie").ends_with("; SameSite=Strict; Secure"));
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours_or_by_logging_out() {
    let site = Site::start().await;
    let user = owner(&site).await;
    let (short, long) = (log_in(&site.server, user).await, log_in(&site.server, user).await);
    let out = short.post(&site.server, "/-/console/logout", "").await;
    assert_eq!((out.status.as_u16(), out.header("location")), (303, "/-/console/login"));
    assert!(out.header("set-cookie").starts_with("quivive_console=; Path=/-/; Max-Age=0; HttpOnly"));
    assert_eq!(short.get(&site.server, "/-/console").await.header("location"), "/-/console/login");
    site.server.advance(43_199_999);
    assert_eq!(long.get(&site.server, "/-/console").await.status, 200);
    site.server.advance(1);
    let ended = long.get(&site.server, "/-/console").await;
    assert_eq!((ended.status.as_u16(), ended.header("location")), (303, "/-/console/login"));
}

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_login() {
    let site = Site::start().await;
    for path in PAGES.iter().map(|path| path.replace("{project}", "1")) {
        for cookie in ["", "quivive_console=", "quivive_console=wrong", "other=1"] {
            let answer = site.server.call("GET", &path, &[("cookie", cookie)], Body::empty()).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("location")),
                (303, "/-/console/login"),
                "{path}"
            );
        }
        let partial = site.server.call("GET", &path, &[("hx-request", "true")], Body::empty()).await;
        assert_eq!(
            (partial.status.as_u16(), partial.header("hx-redirect")),
            (401, "/-/console/login"),
            "{path}"
        );
    }
    for path in FORMS.iter().map(|path| path.replace("{project}", "1")) {
        let answer = site.server.call("POST", &path, &[("content-type", FORM)], "mark=").await;
        assert_eq!(answer.status, 401, "{path}");
    }
}

#[tokio::test]
async fn forms_without_the_sessions_mark_change_nothing() {
    let site = Site::start().await;
    let user = owner(&site).await;
    let (browser, other) = (log_in(&site.server, user).await, log_in(&site.server, user).await);
    assert_ne!(browser.mark, other.mark);
    let before = directory::project(&site.server.app, site.project).await.unwrap();
    for path in FORMS.iter().map(|path| path.replace("{project}", &site.project.to_string())) {
        for mark in ["", "mark=", "mark=00", &format!("mark={}", other.mark)] {
            let body = format!("{mark}&likely_bot_threshold=77&type=private&understood=on");
            let answer = browser.post_with(&site.server, &path, &body).await;
            assert_eq!(answer.status, 403, "{path} {mark}");
            assert!(text(&answer).contains("FORM_MARK_MISMATCH"));
        }
    }
    let after = directory::project(&site.server.app, site.project).await.unwrap();
    assert_eq!(before.scoring.generation, after.scoring.generation);
    assert_eq!(before.scoring.private_key_hash, after.scoring.private_key_hash);
    assert_eq!(browser.get(&site.server, "/-/console").await.status, 200, "nor was the session ended");
}

#[tokio::test]
async fn the_demo_console_opens_on_this_machines_development_server_alone() {
    let site = Site::start().await;
    assert_eq!(site.server.call("POST", "/-/console/demo", &[], Body::empty()).await.status, 404);

    let server = Server::with(|config| config.development = true).await;
    assert_eq!(server.call("POST", "/-/console/demo", &[], Body::empty()).await.status, 404, "no seed");
    quivive_server::seed::apply(&server.app, &quivive_server::seed::built_in().unwrap()).await.unwrap();
    let local = [("host", "127.0.0.1:8080")];
    assert!(
        text(&server.call("GET", "/-/console/login", &local, Body::empty()).await)
            .contains("/-/console/demo")
    );
    let entered = server.call("POST", "/-/console/demo", &local, Body::empty()).await;
    assert_eq!((entered.status.as_u16(), entered.header("location")), (303, "/-/console"));
    for headers in [
        [("host", "rebound.example"), ("sec-fetch-site", "same-origin")],
        [("host", "127.0.0.1:8080"), ("sec-fetch-site", "cross-site")],
    ] {
        let refused = server.call("POST", "/-/console/demo", &headers, Body::empty()).await;
        assert!(refused.status == 404 || refused.status == 403, "{headers:?}");
        assert_eq!(refused.header("set-cookie"), "");
    }
    let mut request = Request::post("/-/console/demo").body(Body::empty()).unwrap();
    let far: std::net::SocketAddr = "192.0.2.7:50000".parse().unwrap();
    request.extensions_mut().insert(axum::extract::ConnectInfo(far));
    assert_eq!(server.send(request).await.status, 404);
}

/// Every page that needs a session.
pub const PAGES: &[&str] = &[
    "/-/console",
    "/-/console/projects/{project}",
    "/-/console/projects/{project}/live",
    "/-/console/projects/{project}/sessions",
    "/-/console/projects/{project}/sessions/sess_1",
    "/-/console/projects/{project}/settings",
    "/-/console/projects/{project}/settings/preview?likely_bot_threshold=40",
    "/-/console/projects/{project}/rules",
    "/-/console/projects/{project}/blocks",
    "/-/console/projects/{project}/keys",
    "/-/console/projects/{project}/detections",
    "/-/console/projects/{project}/detections/figures",
    "/-/console/projects/{project}/detections/log",
    "/-/console/projects/{project}/detections/log/live",
    "/-/console/projects/{project}/detections/policy",
    "/-/console/projects/{project}/detections/keys",
    "/-/console/projects/{project}/detections/pixels",
    "/-/console/projects/{project}/detections/webhooks",
];

/// Every form that changes something.
pub const FORMS: &[&str] = &[
    "/-/console/logout",
    "/-/console/projects/{project}/settings",
    "/-/console/projects/{project}/rules",
    "/-/console/projects/{project}/rules/check",
    "/-/console/projects/{project}/rules/1/delete",
    "/-/console/projects/{project}/keys/rotate",
    "/-/console/projects/{project}/keys/enable",
    "/-/console/projects/{project}/detections/policy",
    "/-/console/projects/{project}/detections/policy/document",
    "/-/console/projects/{project}/detections/keys",
    "/-/console/projects/{project}/detections/keys/key_1/rotate",
    "/-/console/projects/{project}/detections/keys/key_1/revoke",
    "/-/console/projects/{project}/detections/pixels",
    "/-/console/projects/{project}/detections/pixels/px_1",
    "/-/console/projects/{project}/detections/pixels/px_1/delete",
    "/-/console/projects/{project}/detections/webhooks",
    "/-/console/projects/{project}/detections/webhooks/wh_1",
    "/-/console/projects/{project}/detections/webhooks/wh_1/test",
    "/-/console/projects/{project}/detections/webhooks/wh_1/secret",
    "/-/console/projects/{project}/detections/webhooks/wh_1/delete",
];
