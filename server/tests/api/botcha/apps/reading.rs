use serde_json::{Value, json};

use super::{fresh, moody_server, refusal, server, session, verified};
use crate::support::Server;

#[tokio::test]
async fn an_app_is_public_but_for_its_address() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let answer = server.get(&owned.path("")).await;
    let facts = json!({
        "app_id": owned.id, "name": "Shop", "created_at": "2026-02-15T12:00:00.000Z", "rate_limit": 100,
        "email_verified": true,
    });
    let mut expected = json!({ "success": true, "app": facts });
    expected.as_object_mut().unwrap().extend(facts.as_object().unwrap().clone());
    assert_eq!((answer.status.as_u16(), answer.json), (200, expected));
}

#[tokio::test]
async fn the_owner_sees_the_address_in_both_places() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let other = fresh(&server, "ben@example.com").await;
    let email = async |headers: &[(&str, &str)]| {
        let answer = server.call("GET", &owned.path(""), headers, "").await.json;
        assert_eq!(answer["email"], answer["app"]["email"]);
        answer["email"].clone()
    };
    let own = session(&server, &owned.id).await;
    let foreign = format!("Bearer {}", session(&server, &other.id).await);
    let cookie = format!("botcha_session={own}");
    assert_eq!(email(&[("x-app-secret", &owned.secret)]).await, "ada@example.com");
    assert_eq!(email(&[("authorization", &format!("Bearer {own}"))]).await, "ada@example.com");
    assert_eq!(email(&[("cookie", &cookie)]).await, "ada@example.com");
    assert_eq!(email(&[]).await, Value::Null);
    assert_eq!(email(&[("x-app-secret", &other.secret)]).await, Value::Null);
    assert_eq!(email(&[("authorization", &foreign)]).await, Value::Null);
}

#[tokio::test]
async fn heads_are_answered_as_well() {
    let server = server().await;
    let owned = fresh(&server, "ada@example.com").await;
    let answer = server.call("HEAD", &owned.path(""), &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    assert_eq!(server.call("HEAD", "/v1/apps/app_none", &[], "").await.status, 404);
}

#[tokio::test]
async fn an_unknown_app_is_not_found() {
    let server = server().await;
    for id in ["app_0000000000000000", "x", "%00", "%FF%FE", &"y".repeat(500)] {
        let answer = server.get(&format!("/v1/apps/{id}")).await;
        assert_eq!(answer.status, 404, "{id}");
        assert_eq!(answer.json["success"], false, "{id}");
    }
    let answer = server.get("/v1/apps/app_0000000000000000").await.json;
    assert_eq!(answer["error"], "App not found");
    assert!(answer["message"].is_string());
}

#[tokio::test]
async fn without_storage_nothing_is_said_about_an_app() {
    let (server, database) = moody_server(|_| {}).await;
    let owned = fresh(&server, "ada@example.com").await;
    database.is_down(true);
    assert_eq!(refusal(&server.get(&owned.path("")).await), (503, "STORAGE_UNAVAILABLE"));
}

#[tokio::test]
async fn for_stock_clients_the_members_stand_in_app_alone() {
    let server = Server::compat().await;
    let owned = fresh(&server, "ada@example.com").await;
    let answer = server.get(&owned.path("")).await.json;
    assert_eq!(answer["app"]["app_id"], owned.id);
    assert_eq!((answer.get("app_id"), answer.as_object().unwrap().len()), (None, 2));
}
