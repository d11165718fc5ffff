//! Taking over somebody's app, or somebody's browser, by the ways in for owners.

use std::sync::Arc;

use futures::future::join_all;

use crate::botcha::login::*;
use crate::botcha::{APP_SECRET, app_with_secret, solve, tokens};
use crate::support::{Answer, Server};
use quivive_server::botcha::{codes, owner};
use quivive_server::config::Config;
use serde_json::{Value, json};

const SECRET_FORM: &str = "app_id=app_0123456789abcdef&app_secret=sk_0123456789abcdef0123456789abcdef";

/// An ordinary access token that names the app, as anybody may have one.
async fn access_token(server: &Server) -> Value {
    let challenge = server.get("/v1/token?app_id=app_0123456789abcdef").await.json["challenge"].clone();
    let body = json!({ "id": challenge["id"], "answers": solve(&challenge) });
    server.post("/v1/token/verify", &body).await.json
}

#[tokio::test]
async fn the_public_app_id_and_five_hashes_give_no_session() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let token = access_token(&server).await["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    for way in ["dashboard", "device-code"] {
        for header in [("X-App-Id", "app_0123456789abcdef"), ("Authorization", bearer.as_str())] {
            let body = json!({ "app_id": "app_0123456789abcdef" });
            let answer = server.call("POST", &format!("/v1/auth/{way}"), &[header], body.to_string()).await;
            assert_eq!((answer.status.as_u16(), &answer.json["code"]), (401, &json!("APP_SECRET_REQUIRED")));
            assert!(answer.json.get("problems").is_none());
        }
    }
}

#[tokio::test]
async fn challenges_of_other_routes_and_of_the_other_way_in_open_nothing() {
    let server = Server::with(|config| config.limits.owner_logins_per_hour = 0).await;
    app_with_secret(&server).await;
    let begin = async |way: &str| server.post(&format!("/v1/auth/{way}"), &proof()).await.json;
    let verify = async |way: &str, body: &Value| server.post(&format!("/v1/auth/{way}/verify"), body).await;
    for (way, other) in [("dashboard", "device-code"), ("device-code", "dashboard")] {
        let body = answered(&begin(way).await);
        let crossed = verify(other, &body).await;
        assert_eq!(crossed.status, 403, "{}", crossed.json);
        assert_eq!(verify(way, &body).await.status, 200, "a wrong door does not use it up");

        let challenge = server.get("/v1/token?app_id=app_0123456789abcdef").await.json["challenge"].clone();
        let nulls = json!([null, null, null, null, null]);
        for answers in [json!(solve(&challenge)), nulls.clone()] {
            let body = json!({ "challenge_id": challenge["id"], "answers": answers });
            assert_eq!(verify(way, &body).await.status, 403, "a token's challenge");
        }
        let body = json!({ "id": challenge["id"], "answers": solve(&challenge) });
        assert_eq!(server.post("/v1/token/verify", &body).await.status, 200, "nor does that");

        let own = begin(way).await;
        let mut body = answered(&own);
        body["id"] = own["challenge_id"].clone();
        let as_token = server.post("/v1/token/verify", &body).await;
        assert_eq!(as_token.status, 403, "an owner's challenge gives no access token: {}", as_token.json);
        for kind in ["reasoning", "standard", "speed", "hybrid"] {
            let answer = server.get(&format!("/v1/challenges?type={kind}&app_id=app_0123456789abcdef")).await;
            let id = ["/challenge/id", "/id"].iter().find_map(|pointer| answer.json.pointer(pointer));
            if let Some(id) = id {
                let body = json!({ "challenge_id": id, "answers": nulls });
                assert_eq!(verify(way, &body).await.status, 403, "{kind}");
            }
        }
    }
}

#[tokio::test]
async fn access_tokens_open_no_dashboard_and_sessions_no_guarded_route() {
    let es256 = Server::start().await;
    // Where the one shared secret signs everything, the type alone tells them apart.
    let hs256 = Server::with(|config: &mut Config| {
        config.keys.jwt_secret = Some("a shared secret of at least thirty-two bytes".to_owned());
    })
    .await;
    for server in [es256, hs256] {
        app_with_secret(&server).await;
        let issued = access_token(&server).await;
        for name in ["access_token", "refresh_token"] {
            let token = issued[name].as_str().unwrap();
            assert_eq!(crate::botcha::claims(&issued[name])["app_id"], "app_0123456789abcdef");
            assert!(!is_session(&server, token).await, "{name}");
        }
        let session = session(&server).await;
        assert!(is_session(&server, &session).await);
        let bearer = format!("Bearer {session}");
        assert_eq!(server.call("GET", "/agent-only", &[("Authorization", &bearer)], "").await.status, 401);
        let validated = server.post("/v1/token/validate", &json!({ "token": session })).await;
        assert_eq!(validated.json["valid"], false);
        assert_eq!(server.post("/v1/token/refresh", &json!({ "refresh_token": session })).await.status, 401);
    }
}

#[tokio::test]
async fn a_session_that_was_signed_but_never_begun_is_none() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let token = session(&server).await;
    owner::end_sessions(&server.app, "app_0123456789abcdef", None).await.unwrap();
    assert!(!is_session(&server, &token).await);
}

#[tokio::test]
async fn a_challenge_that_the_former_secret_began_is_not_finished_after_the_rotation() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let (one, two) = (
        server.post("/v1/auth/dashboard", &proof()).await.json,
        server.post("/v1/auth/device-code", &proof()).await.json,
    );
    server.advance(1);
    let rotated = server.post("/v1/apps/app_0123456789abcdef/rotate-secret", &proof()).await;
    assert_eq!(rotated.status, 200, "{}", rotated.json);
    assert_eq!(server.post("/v1/auth/dashboard/verify", &answered(&one)).await.status, 403);
    assert_eq!(server.post("/v1/auth/device-code/verify", &answered(&two)).await.status, 403);
    let fresh = json!({ "app_id": "app_0123456789abcdef", "app_secret": rotated.json["app_secret"] });
    assert!(solved(&server, "dashboard", &fresh).await["session_token"].is_string());
}

#[tokio::test]
async fn a_code_for_nobody_opens_nothing() {
    let server = Server::start().await;
    let content = codes::Content::Device { app_id: "nobody".to_owned() };
    let code = codes::store(&server.app, content, 600).await.unwrap();
    for answer in [
        open(&server, &format!("/go/{code}")).await,
        send(&server, &format!("/go/{code}"), "").await,
        send(&server, "/dashboard/code", &format!("code={code}")).await,
    ] {
        assert!(answer.header("location").ends_with("?error=invalid"));
        assert_eq!(answer.header("set-cookie"), "");
    }
}

#[tokio::test]
async fn a_page_elsewhere_cannot_use_the_owners_cookie() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let cookie = format!("botcha_session={}", session(&server).await);
    let body = json!({ "app_id": "app_0123456789abcdef" }).to_string();
    for headers in [
        [("cookie", cookie.as_str()), ("origin", "https://evil.example")],
        [("cookie", cookie.as_str()), ("origin", "null")],
        [("cookie", cookie.as_str()), ("sec-fetch-site", "cross-site")],
        [("cookie", cookie.as_str()), ("sec-fetch-site", "same-site")],
        [("cookie", cookie.as_str()), ("referer", "https://evil.example/http://127.0.0.1:8080/")],
        [("cookie", cookie.as_str()), ("content-type", "text/plain")],
    ] {
        for way in ["dashboard", "device-code"] {
            let answer = server.call("POST", &format!("/v1/auth/{way}"), &headers, body.clone()).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json["error"]),
                (403, &json!("FOREIGN_FORM")),
                "{headers:?}"
            );
        }
    }
    let own = [("cookie", cookie.as_str()), ("x-requested-with", "fetch")];
    assert_eq!(server.call("POST", "/v1/auth/device-code", &own, body).await.status, 200);
}

#[tokio::test]
async fn a_page_elsewhere_cannot_log_a_visitor_in_under_its_own_name() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let code = device_code(&server).await;
    let forms = [
        ("/dashboard/login".to_owned(), SECRET_FORM.to_owned()),
        ("/dashboard/code".to_owned(), format!("code={code}")),
        (format!("/go/{code}"), String::new()),
        ("/gate".to_owned(), format!("code={code}")),
    ];
    for (path, body) in &forms {
        for header in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "http://127.0.0.1:8080.evil.example"),
            ("origin", "null"),
            ("referer", "https://evil.example/"),
        ] {
            let headers = [header, ("content-type", FORM), ("accept", BROWSER)];
            let answer = server.call("POST", path, &headers, body.clone()).await;
            assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (403, ""), "{path} {header:?}");
            assert_eq!(answer.header("content-type"), "text/html; charset=UTF-8");
            let json = server.call("POST", path, &headers[..2], body.clone()).await;
            assert_eq!((json.status.as_u16(), &json.json["error"]), (403, &json!("FOREIGN_FORM")));
        }
    }
    // Neither was the code used up, nor are programs and our own pages kept out.
    let (path, body) = &forms[0];
    assert_eq!(
        led(&server.call("POST", path, &[("content-type", FORM)], body.clone()).await),
        (302, "/account")
    );
    let own = [("content-type", FORM), ("host", "door.example"), ("origin", "http://door.example")];
    let (path, body) = &forms[1];
    assert_eq!(led(&server.call("POST", path, &own, body.clone()).await), (302, "/account"));
}

#[tokio::test]
async fn a_program_that_looks_at_links_neither_uses_a_device_code_up_nor_gets_in() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let code = device_code(&server).await;
    for method in ["GET", "HEAD"] {
        for agent in ["Slackbot-LinkExpanding 1.0", "Mozilla/5.0 (Windows NT 10.0) Safe Links", ""] {
            let answer = server.call(method, &format!("/go/{code}"), &[("user-agent", agent)], "").await;
            assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (200, ""), "{method} {agent}");
        }
    }
    assert_eq!(led(&send(&server, &format!("/go/{code}"), "").await), (302, "/account"));
}

#[tokio::test]
async fn the_twenty_first_try_fails_though_its_code_is_right_wherever_it_is_entered() {
    for is_compat in [false, true] {
        let server = if is_compat { Server::compat().await } else { Server::start().await };
        app_with_secret(&server).await;
        let code = device_code(&server).await;
        let gate = tokens(&server, json!({})).await["human_code"].as_str().unwrap().to_owned();
        for count in 0..20 {
            let guess = format!("BOTCHA-2222{count:02}");
            let answer = match count % 4 {
                0 => open(&server, &format!("/go/{guess}")).await,
                1 => send(&server, "/dashboard/code", &format!("code={guess}")).await,
                2 => send(&server, &format!("/go/{guess}"), "").await,
                _ => send(&server, "/gate", &format!("code={guess}")).await,
            };
            assert_eq!(answer.status, 302, "{count}");
        }
        // A claimed address is not another caller.
        let spoofed = [
            ("x-forwarded-for", "203.0.113.9"),
            ("cf-connecting-ip", "203.0.113.9"),
            ("x-real-ip", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9"),
            ("content-type", FORM),
        ];
        let refused: Vec<Answer> = vec![
            server.call("GET", &format!("/go/{gate}"), &spoofed, "").await,
            server.call("GET", &format!("/go/{code}"), &spoofed, "").await,
            server.call("POST", &format!("/go/{code}"), &spoofed, "").await,
            server.call("POST", "/dashboard/code", &spoofed, format!("code={code}")).await,
            server.call("POST", "/gate", &spoofed, format!("code={gate}")).await,
        ];
        for answer in refused {
            assert!(answer.header("location").ends_with("?error=invalid"), "{}", answer.header("location"));
            assert_eq!(answer.header("set-cookie"), "");
        }
        server.advance(3_600_000);
        let kept = codes::look(&server.app, &code, &[codes::Purpose::Device]).await.unwrap();
        assert!(kept.is_none(), "by then it has ended");
        let fresh = device_code(&server).await;
        assert_eq!(led(&send(&server, "/dashboard/code", &format!("code={fresh}")).await), (302, "/account"));
    }
}

#[tokio::test]
async fn a_made_up_token_verifies_nobody() {
    let server = Server::start().await;
    for query in ["?token=YTpiOmM=", "?token=OjoK", "", "?token=%3Cscript%3E"] {
        let answer = open(&server, &format!("/verified{query}")).await;
        assert_eq!((led(&answer), answer.header("set-cookie")), ((302, "/?error=invalid"), ""), "{query}");
    }
}

#[tokio::test]
async fn what_links_and_records_hold_never_becomes_markup() {
    const ATTACK: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>";
    const ENCODED: &str = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E%3Cimg%20src=x%20onerror=alert(1)%3E";
    let server = Server::start().await;
    for path in [
        format!("/dashboard/code?code={ENCODED}"),
        format!("/dashboard/code/{}", ENCODED.replace('/', "%2F")),
        format!("/dashboard/code?error={ENCODED}&email_sent={ENCODED}"),
        format!("/login?error={ENCODED}"),
        format!("/?verified=true&t={ENCODED}"),
        format!("/?error={ENCODED}"),
    ] {
        for accept in [BROWSER, "text/markdown"] {
            let page = server.call("GET", &path, &[("accept", accept)], "").await;
            assert_eq!(page.status, 200, "{path}");
            assert!(!text(&page).contains("<script>alert") && !text(&page).contains("<img"), "{path}");
        }
    }
    let mut app = app_with_secret(&server).await;
    app.name = Some(ATTACK.to_owned());
    server.app.storage.put(&app).await.unwrap();
    let code = device_code(&server).await;
    let page = text(&open(&server, &format!("/go/{code}")).await);
    assert!(
        page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert") && !page.contains("<img")
    );
    let form = format!("email={ENCODED}&app_id={ENCODED}&app_secret={APP_SECRET}");
    let back = send(&server, "/dashboard/login", &form).await;
    assert_eq!(led(&back), (302, "/dashboard/login?error=invalid"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_who_bring_one_code_or_one_solution_one_gets_in() {
    let server = Arc::new(Server::start().await);
    app_with_secret(&server).await;
    let code = device_code(&server).await;
    let crowd = (0..16).map(|place| {
        let (server, code) = (server.clone(), code.clone());
        tokio::spawn(async move {
            let answer = if place % 2 == 0 {
                send(&server, "/dashboard/code", &format!("code={code}")).await
            } else {
                send(&server, &format!("/go/{code}"), "").await
            };
            answer.header("location") == "/account"
        })
    });
    let entered = join_all(crowd).await.into_iter().filter(|outcome| *outcome.as_ref().unwrap()).count();
    assert_eq!(entered, 1);

    let body = answered(&server.post("/v1/auth/dashboard", &proof()).await.json);
    let crowd = (0..16).map(|_| {
        let (server, body) = (server.clone(), body.clone());
        tokio::spawn(async move { server.post("/v1/auth/dashboard/verify", &body).await.status == 200 })
    });
    let entered = join_all(crowd).await.into_iter().filter(|outcome| *outcome.as_ref().unwrap()).count();
    assert_eq!(entered, 1);
}
