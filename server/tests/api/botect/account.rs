//! Who the caller is.

use axum::body::Body;
use quivive_server::tenant::{Membership, membership_id};
use serde_json::{Value, json};

use super::site::{PRIVATE_KEY, SITE_KEY, Site, assert_error};

#[tokio::test]
async fn user_and_account_are_told() {
    let site = Site::start().await;
    let user = json!({ "id": 1, "name": "Ada Example", "email": "ada@example.com", "created_at": "2026-02-15T12:00:00Z" });
    for path in ["/user", "/v1/user"] {
        let answer = site.control("GET", path, &Value::Null).await;
        assert_eq!((answer.status.as_u16(), &answer.json), (200, &user), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let account = site.control("GET", "/v1/account", &Value::Null).await;
    assert_eq!(
        account.json,
        json!({ "id": site.account, "name": "Acme ", "slug": "acme", "is_personal": false, "role": "owner" })
    );
}

#[tokio::test]
async fn another_account_is_never_told_instead() {
    let site = Site::start().await;
    site.other_tenant(true).await;
    let id = membership_id(site.account, 1);
    site.server.app.storage.delete::<Membership>(&id).await.unwrap();
    assert_error(&site.control("GET", "/v1/account", &Value::Null).await, 403, "FORBIDDEN");
    let path = format!("/v1/projects/{}/scoring", site.project);
    assert_error(&site.control("POST", &path, &Value::Null).await, 403, "FORBIDDEN");
    assert_eq!(site.control("GET", "/user", &Value::Null).await.status, 200);
}

#[tokio::test]
async fn only_account_tokens_open_them() {
    let site = Site::start().await;
    for path in ["/user", "/v1/user", "/v1/account"] {
        for credential in
            ["", "Bearer", "Bearer x", &format!("Bearer {PRIVATE_KEY}"), &format!("Bearer {SITE_KEY}")]
        {
            let answer = site.server.call("GET", path, &[("authorization", credential)], Body::empty()).await;
            assert_error(&answer, 401, "UNAUTHENTICATED");
        }
        let answer = site.control("POST", path, &Value::Null).await;
        assert_error(&answer, 405, "METHOD_NOT_ALLOWED");
        assert!(answer.header("allow").contains("GET"));
    }
    assert_error(&site.control("GET", "/v1/account/more", &Value::Null).await, 404, "NOT_FOUND");
}
