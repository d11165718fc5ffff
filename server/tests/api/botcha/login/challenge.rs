//! `POST /v1/auth/dashboard`, `/v1/auth/device-code` and their second steps.

use quivive_server::botcha::apps::RegisteredApp;
use quivive_server::config::AppGate;

use super::super::{claims, owned_app};
use super::*;
use crate::botect::faults::Moody;

const WAYS: [&str; 2] = ["dashboard", "device-code"];

fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.json["error"].as_str().unwrap())
}

async fn change(server: &Server, change: impl FnOnce(&mut RegisteredApp)) {
    let mut app = app_with_secret(server).await;
    change(&mut app);
    server.app.storage.put(&app).await.unwrap();
}

#[tokio::test]
async fn a_challenge_is_five_bare_numbers() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    for way in WAYS {
        let answer = server.post(&format!("/v1/auth/{way}"), &proof()).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        assert_eq!((&answer.json["type"], &answer.json["time_limit_ms"]), (&json!("speed"), &json!(500)));
        assert_eq!(answer.json["challenge_id"].as_str().unwrap().len(), 36);
        assert!(answer.json["instructions"].as_str().unwrap().contains("/verify"));
        let numbers = answer.json["problems"].as_array().unwrap();
        assert_eq!(numbers.len(), 5);
        assert!(numbers.iter().all(|number| number.as_u64().unwrap() <= 999_999));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn the_secret_in_body_or_header_and_a_session_are_proofs() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let id = json!({ "app_id": "app_0123456789abcdef" });
    let bearer = format!("Bearer {}", session(&server).await);
    for way in WAYS {
        let path = format!("/v1/auth/{way}");
        for header in [("X-App-Secret", APP_SECRET), ("Authorization", bearer.as_str())] {
            let answer = server.call("POST", &path, &[header], id.to_string()).await;
            assert_eq!(answer.status, 200, "{way} {} {}", header.0, answer.json);
        }
        let padded = json!({ "app_id": "app_0123456789abcdef", "app_secret": format!(" {APP_SECRET}\n") });
        assert_eq!(server.post(&path, &padded).await.status, 200);
        let query = format!("{path}?app_id=app_0123456789abcdef");
        let answer = server.call("POST", &query, &[("X-App-Secret", APP_SECRET)], "").await;
        assert_eq!(answer.status, 200, "the id may stand elsewhere, and the body be empty");
    }
}

#[tokio::test]
async fn without_an_app_id_it_is_asked_for() {
    let server = Server::start().await;
    for way in WAYS {
        for body in ["", "{}", "not json", "[]", r#"{"app_id":7}"#, r#"{"app_id":""}"#, r#"{"app_id":null}"#]
        {
            let answer = server.call("POST", &format!("/v1/auth/{way}"), &[], body).await;
            assert_eq!(refusal(&answer), (400, "app_id is required"), "{body}");
            assert!(answer.json.get("success").is_none(), "the bare form");
        }
    }
}

#[tokio::test]
async fn an_unknown_app_is_not_found() {
    let server = Server::start().await;
    for way in WAYS {
        for id in ["app_none", &"a".repeat(10_000)] {
            let body = json!({ "app_id": id, "app_secret": APP_SECRET });
            let answer = server.post(&format!("/v1/auth/{way}"), &body).await;
            assert_eq!(refusal(&answer), (404, "App not found"));
        }
    }
}

#[tokio::test]
async fn without_a_proof_the_secret_is_asked_for() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    owned_app(&server, "app_other", "sk_other").await;
    let other = json!({ "app_id": "app_other", "app_secret": "sk_other" });
    let other = solved(&server, "dashboard", &other).await;
    let bearer = format!("Bearer {}", other["session_token"].as_str().unwrap());
    for way in WAYS {
        let path = format!("/v1/auth/{way}");
        for secret in [json!(null), json!(""), json!("sk_other"), json!(7), json!([APP_SECRET])] {
            let body = json!({ "app_id": "app_0123456789abcdef", "app_secret": secret });
            let answer = server.call("POST", &path, &[("Authorization", &bearer)], body.to_string()).await;
            assert_eq!(refusal(&answer), (401, "app_secret is required"), "{secret}");
            assert_eq!(answer.json["code"], "APP_SECRET_REQUIRED");
            assert!(answer.json["message"].as_str().unwrap().contains("X-App-Secret"));
        }
    }
}

#[tokio::test]
async fn an_app_with_an_unverified_address_has_no_login_yet() {
    let server = Server::start().await;
    change(&server, |app| app.is_email_verified = false).await;
    for way in WAYS {
        let answer = server.post(&format!("/v1/auth/{way}"), &proof()).await;
        assert_eq!(refusal(&answer), (403, "EMAIL_NOT_VERIFIED"));
    }
}

#[tokio::test]
async fn a_session_is_a_token_of_its_own_type_for_an_hour() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let body = solved(&server, "dashboard", &proof()).await;
    assert_eq!(body["success"], true);
    assert_eq!((&body["expires_in"], &body["app_id"]), (&json!(3600), &json!("app_0123456789abcdef")));
    assert_eq!(body["dashboard_url"], "/dashboard");
    assert!(body["usage"].is_string());
    let claims = claims(&body["session_token"]);
    assert_eq!(claims["type"], "botcha-dashboard-session");
    assert_eq!((&claims["sub"], &claims["solveTime"]), (&json!("dashboard-session"), &json!(0)));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    let token = body["session_token"].as_str().unwrap();
    assert!(is_session(&server, token).await);
    server.advance(3_599_999);
    assert!(is_session(&server, token).await);
    server.advance(1);
    assert!(!is_session(&server, token).await);
}

#[tokio::test]
async fn a_device_code_comes_with_its_link() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let challenge = server.post("/v1/auth/device-code", &proof()).await.json;
    let headers = [("Host", "door.example")];
    let body = answered(&challenge).to_string();
    let answer = server.call("POST", "/v1/auth/device-code/verify", &headers, body).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    let code = answer.json["code"].as_str().unwrap();
    let symbols = code.strip_prefix("BOTCHA-").unwrap();
    assert!(
        symbols.len() == 6
            && symbols.chars().all(|symbol| "23456789ABCDEFGHJKMNPQRSTUVWXYZ".contains(symbol))
    );
    assert_eq!(answer.json["success"], true);
    assert_eq!(answer.json["expires_in"], 600);
    assert_eq!(answer.json["login_url"], "http://door.example/dashboard/code");
    assert_eq!(answer.json["magic_link"], format!("http://door.example/go/{code}"));
    assert!(answer.json["instructions"].as_str().unwrap().contains(code));
}

#[tokio::test]
async fn an_answer_without_id_or_answers_is_incomplete() {
    let server = Server::start().await;
    for way in WAYS {
        for body in [
            json!(null),
            json!({}),
            json!({ "challenge_id": "x" }),
            json!({ "challenge_id": 7, "answers": [] }),
            json!({ "challenge_id": "x", "answers": "a" }),
            json!({ "challenge_id": "x", "answers": null }),
            json!({ "answers": ["a", "b", "c", "d", "e"] }),
        ] {
            let answer = server.post(&format!("/v1/auth/{way}/verify"), &body).await;
            assert_eq!(refusal(&answer), (400, "challenge_id and answers[] are required"), "{body}");
        }
    }
}

#[tokio::test]
async fn wrong_late_and_unknown_answers_look_the_same_and_use_the_challenge_up() {
    const FAILED: (u16, &str) = (403, "Challenge failed: not found, expired, or wrong answers");
    let server = Server::with(|config| config.limits.owner_logins_per_hour = 0).await;
    app_with_secret(&server).await;
    for way in WAYS {
        let (begin, verify) = (format!("/v1/auth/{way}"), format!("/v1/auth/{way}/verify"));
        for answers in [
            json!([]),
            json!([null, null, null, null, null]),
            json!(["0", "0", "0", "0", "0"]),
            json!([1, 2, 3, 4, 5, 6]),
            json!([{}, [], true, 1.5, "x"]),
        ] {
            let right = answered(&server.post(&begin, &proof()).await.json);
            let wrong = json!({ "challenge_id": right["challenge_id"], "answers": answers });
            assert_eq!(refusal(&server.post(&verify, &wrong).await), FAILED, "{answers}");
            assert_eq!(refusal(&server.post(&verify, &right).await), FAILED, "a second attempt");
        }
        let unknown = json!({ "challenge_id": "a".repeat(60_000), "answers": [] });
        assert_eq!(refusal(&server.post(&verify, &unknown).await), FAILED);
        let late = answered(&server.post(&begin, &proof()).await.json);
        let in_time = answered(&server.post(&begin, &proof()).await.json);
        server.advance(2_000);
        assert_eq!(server.post(&verify, &in_time).await.status, 200);
        server.advance(1);
        assert_eq!(refusal(&server.post(&verify, &late).await), FAILED);
    }
}

#[tokio::test]
async fn the_app_of_the_challenge_decides_and_a_named_one_must_agree() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    owned_app(&server, "app_other", "sk_other").await;
    for way in WAYS {
        let verify = format!("/v1/auth/{way}/verify");
        for (query, header, in_body) in [
            ("", "", "app_other"),
            ("?app_id=app_other", "", ""),
            ("", "app_other", ""),
            ("", "", "app_none"),
        ] {
            let mut body = answered(&server.post(&format!("/v1/auth/{way}"), &proof()).await.json);
            if !in_body.is_empty() {
                body["app_id"] = json!(in_body);
            }
            let headers = [("X-App-Id", header)];
            let answer = server.call("POST", &format!("{verify}{query}"), &headers, body.to_string()).await;
            assert_eq!(refusal(&answer), (403, "APP_ID_MISMATCH"), "{query} {header} {in_body}");
        }
        let mut body = answered(&server.post(&format!("/v1/auth/{way}"), &proof()).await.json);
        body["app_id"] = json!("app_0123456789abcdef");
        assert_eq!(server.post(&verify, &body).await.status, 200);
    }
}

#[tokio::test]
async fn apps_that_a_request_names_are_checked_in_both_steps() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    for way in WAYS {
        for step in ["", "/verify"] {
            let path = format!("/v1/auth/{way}{step}?app_id=app_0123456789abcdef");
            let answer = server.call("POST", &path, &[("X-App-Id", "app_other")], "{}").await;
            assert_eq!(refusal(&answer), (400, "APP_ID_MISMATCH"));
        }
        let verify = format!("/v1/auth/{way}/verify");
        let answer = server.post(&format!("{verify}?app_id=app_none"), &json!({})).await;
        assert_eq!(refusal(&answer), (400, "INVALID_APP_ID"));
        let answer = server.call("POST", &verify, &[("X-App-Id", "app_none")], "{}").await;
        assert_eq!(refusal(&answer), (401, "APP_NOT_FOUND"));
    }
    let mut app = owned_app(&server, "app_fresh", "sk_fresh").await;
    app.is_email_verified = false;
    server.app.storage.put(&app).await.unwrap();
    for way in WAYS {
        let answer = server.post(&format!("/v1/auth/{way}/verify?app_id=app_fresh"), &json!({})).await;
        assert_eq!(refusal(&answer), (403, "EMAIL_NOT_VERIFIED"));
    }
}

#[tokio::test]
async fn a_strict_gate_wants_an_app_in_both_steps() {
    let server = Server::with(|config| config.botcha.app_gate = AppGate::Strict).await;
    app_with_secret(&server).await;
    for way in WAYS {
        for path in [format!("/v1/auth/{way}"), format!("/v1/auth/{way}/verify")] {
            assert_eq!(refusal(&server.post(&path, &json!({})).await), (401, "APP_REGISTRATION_REQUIRED"));
            let unknown = json!({ "app_id": "app_none", "app_secret": APP_SECRET });
            assert_eq!(refusal(&server.post(&path, &unknown).await), (401, "APP_NOT_FOUND"));
        }
        let mut body = answered(&server.post(&format!("/v1/auth/{way}"), &proof()).await.json);
        body["app_id"] = json!("app_0123456789abcdef");
        assert_eq!(server.post(&format!("/v1/auth/{way}/verify"), &body).await.status, 200);
    }
}

#[tokio::test]
async fn compat_takes_the_id_alone_but_the_demo_app_has_no_owner() {
    let server = Server::compat().await;
    app_with_secret(&server).await;
    let id = json!({ "app_id": "app_0123456789abcdef" });
    let token = solved(&server, "dashboard", &id).await["session_token"].clone();
    assert!(is_session(&server, token.as_str().unwrap()).await);
    assert!(solved(&server, "device-code", &id).await["code"].is_string());
    let anyone = trail(&server).await;
    assert!(anyone.iter().all(|(_, actor, _)| actor == "anyone"), "{anyone:?}");
    for server in [server, Server::start().await] {
        let demo = json!({ "app_id": server.app.config.botcha.internal_app_id, "app_secret": "" });
        for way in WAYS {
            let answer = server.post(&format!("/v1/auth/{way}"), &demo).await;
            assert_eq!(refusal(&answer), (403, "DEMO_APP"));
        }
    }
}

#[tokio::test]
async fn steps_are_counted_by_address() {
    let server = Server::with(|config| config.limits.owner_logins_per_hour = 3).await;
    app_with_secret(&server).await;
    let challenge = server.post("/v1/auth/dashboard", &proof()).await;
    assert_eq!(
        (challenge.header("x-ratelimit-limit"), challenge.header("x-ratelimit-remaining")),
        ("3", "2")
    );
    assert_eq!(server.post("/v1/auth/dashboard/verify", &answered(&challenge.json)).await.status, 200);
    assert_eq!(server.post("/v1/auth/device-code", &proof()).await.status, 200);
    for way in WAYS {
        for step in ["", "/verify"] {
            let answer = server.post(&format!("/v1/auth/{way}{step}"), &proof()).await;
            assert_eq!(refusal(&answer), (429, "RATE_LIMIT_EXCEEDED"), "{way}{step}");
            assert_eq!(answer.header("retry-after"), "3600");
        }
    }
}

#[tokio::test]
async fn large_bodies_are_refused() {
    let server = Server::start().await;
    for way in WAYS {
        for step in ["", "/verify"] {
            let answer = server.call("POST", &format!("/v1/auth/{way}{step}"), &[], " ".repeat(65_537)).await;
            assert_eq!(refusal(&answer), (413, "PAYLOAD_TOO_LARGE"));
        }
    }
}

#[tokio::test]
async fn without_storage_nobody_gets_in() {
    let database = Moody::new();
    let server = Server::on(database.clone(), |_| {}).await;
    app_with_secret(&server).await;
    for way in WAYS {
        let body = answered(&server.post(&format!("/v1/auth/{way}"), &proof()).await.json);
        database.is_down(true);
        let begun = server.post(&format!("/v1/auth/{way}"), &proof()).await;
        assert_eq!(refusal(&begun), (503, "STORAGE_UNAVAILABLE"));
        let answer = server.post(&format!("/v1/auth/{way}/verify"), &body).await;
        assert_eq!(refusal(&answer), (503, "STORAGE_UNAVAILABLE"));
        assert!(answer.json.get("session_token").is_none() && answer.json.get("code").is_none());
        database.is_down(false);
    }
}

#[tokio::test]
async fn the_trail_tells_who_came_in_by_which_way() {
    let server = Server::start().await;
    app_with_secret(&server).await;
    let token = session(&server).await;
    let code = device_code(&server).await;
    assert_eq!(led(&send(&server, "/dashboard/code", &format!("code={code}")).await), (302, "/account"));
    let form = format!("app_id=app_0123456789abcdef&app_secret={APP_SECRET}");
    assert_eq!(led(&send(&server, "/dashboard/login", &form).await), (302, "/account"));
    let headers = [("authorization", format!("Bearer {token}"))];
    server.call("GET", "/dashboard/logout", &[(headers[0].0, &headers[0].1)], "").await;
    let mut found: Vec<String> = trail(&server)
        .await
        .into_iter()
        .map(|(action, actor, details)| format!("{action} {actor} {}", details["by"].as_str().unwrap_or("-")))
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "device_code.made app_secret -",
            "device_code.redeemed device_code -",
            "session.begun app_secret app_secret",
            "session.begun app_secret challenge",
            "session.begun device_code device_code",
            "session.ended session -",
        ]
    );
}
