use quivive_server::botcha::apps::RegistrationPolicy;
use serde_json::{Value, json};

use super::{fresh, post_as, refusal, server, session, stored, verified, who_did};
use crate::support::Server;

#[tokio::test]
async fn the_owner_changes_what_is_named_and_the_rest_stays() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let path = owned.path("/settings");
    let answer = server.post(&path, &owned.with_secret(json!({ "registration_policy": "paired" }))).await;
    let expected = json!({
        "success": true, "app_id": owned.id, "registration_policy": "paired", "allowed_audiences": [],
    });
    assert_eq!((answer.status.as_u16(), answer.json), (200, expected));
    let audiences = json!(["https://api.example.com", "shop"]);
    let answer = server.post(&path, &owned.with_secret(json!({ "allowed_audiences": audiences }))).await;
    assert_eq!(
        (&answer.json["registration_policy"], &answer.json["allowed_audiences"]),
        (&json!("paired"), &audiences)
    );
    let now = stored(&server.app, &owned.id).await;
    assert_eq!(now.registration_policy, RegistrationPolicy::Paired);
    assert_eq!(now.allowed_audiences, ["https://api.example.com", "shop"]);
    assert_eq!(who_did(&server.app, &owned.id, "app.policy_changed").await.len(), 2);
    let cleared = server.post(&path, &owned.with_secret(json!({ "allowed_audiences": [] }))).await;
    assert_eq!(cleared.json["allowed_audiences"], json!([]));
}

#[tokio::test]
async fn nothing_named_is_nothing_changed() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let token = session(&server, &owned.id).await;
    for body in [json!({}), json!({ "registration_policy": null, "allowed_audiences": null })] {
        let answer = post_as(&server, &owned.path("/settings"), &token, &body).await;
        assert_eq!((answer.status.as_u16(), &answer.json["registration_policy"]), (200, &json!("open")));
    }
    let bearer = format!("Bearer {token}");
    let empty = server.call("POST", &owned.path("/settings"), &[("authorization", &bearer)], "").await;
    assert_eq!(empty.status, 200);
    assert!(who_did(&server.app, &owned.id, "app.policy_changed").await.is_empty());
}

#[tokio::test]
async fn bad_values_are_refused_whole() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let many: Vec<String> = (0..21).map(|number| number.to_string()).collect();
    for change in [
        json!({ "registration_policy": "closed" }),
        json!({ "registration_policy": 1 }),
        json!({ "registration_policy": ["open"] }),
        json!({ "allowed_audiences": "https://api.example.com" }),
        json!({ "allowed_audiences": [1] }),
        json!({ "allowed_audiences": [""] }),
        json!({ "allowed_audiences": ["x".repeat(513)] }),
        json!({ "allowed_audiences": many }),
        json!({ "registration_policy": "paired", "allowed_audiences": [null] }),
    ] {
        let answer = server.post(&owned.path("/settings"), &owned.with_secret(change.clone())).await;
        assert_eq!(refusal(&answer), (400, "INVALID_VALUE"), "{change}");
    }
    let headers = [("x-app-secret", owned.secret.as_str())];
    let unreadable = server.call("POST", &owned.path("/settings"), &headers, "{not json").await;
    assert_eq!(refusal(&unreadable), (400, "INVALID_JSON"));
    assert_eq!(stored(&server.app, &owned.id).await.registration_policy, RegistrationPolicy::Open);
    let most: Vec<String> = (0..20).map(|number| format!("{number:0>512}")).collect();
    let answer =
        server.post(&owned.path("/settings"), &owned.with_secret(json!({ "allowed_audiences": most }))).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
}

#[tokio::test]
async fn only_the_owner_of_a_verified_app_changes_it() {
    let server = server().await;
    let owned = verified(&server, "ada@example.com").await;
    let other = verified(&server, "ben@example.com").await;
    let young = fresh(&server, "eve@example.com").await;
    let change = json!({ "registration_policy": "paired" });
    let path = owned.path("/settings");
    assert_eq!(refusal(&server.post(&path, &change).await), (401, "UNAUTHORIZED"));
    assert_eq!(refusal(&server.post(&path, &other.with_secret(change.clone())).await), (401, "UNAUTHORIZED"));
    let missing = server.post("/v1/apps/app_none/settings", &owned.with_secret(change.clone())).await;
    assert_eq!(refusal(&missing), (404, "APP_NOT_FOUND"));
    let unverified = server.post(&young.path("/settings"), &young.with_secret(change)).await;
    assert_eq!(refusal(&unverified), (403, "EMAIL_NOT_VERIFIED"));
    let oversized = server.post(&path, &json!({ "app_secret": "x".repeat(70_000) })).await;
    assert_eq!(refusal(&oversized), (413, "PAYLOAD_TOO_LARGE"));
    assert_eq!(stored(&server.app, &owned.id).await.registration_policy, RegistrationPolicy::Open);
}

#[tokio::test]
async fn the_operator_decides_how_new_apps_begin() {
    let server = Server::with(|config| {
        config.botcha.default_registration_policy = RegistrationPolicy::Paired;
    })
    .await;
    let answer = server.post("/v1/apps", &json!({ "email": "ada@example.com" })).await.json;
    let id = answer["app_id"].as_str().unwrap();
    assert_eq!(stored(&server.app, id).await.registration_policy, RegistrationPolicy::Paired);
    assert_eq!(answer.get("registration_policy"), None::<&Value>);
}
