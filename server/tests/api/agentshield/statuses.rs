//! Every operation of the document, and every status that it names: each has a test that provokes just this status.

mod operation;
mod stage;

use serde_json::json;

use self::operation::{Credential, Operation, Wrong};
use self::stage::Stage;
use super::site::assert_limits;
use crate::support::{Answer, Server};

/// Names operations and, after `;`, the statuses that each documents: a module for each operation, a test for each
/// status.
macro_rules! operations {
    ($($name:ident { $($field:ident : $value:expr),* ; $($status:ident)* })*) => {
        const OPERATIONS: &[(&str, &[&str])] =
            &[$((concat!("agentshield_", stringify!($name)), &[$(stringify!($status)),*])),*];
        $(fn $name() -> Operation {
            Operation { $($field: $value,)* ..Operation::USUAL }
        }
        mod $name {
            $(#[tokio::test]
            async fn $status() {
                super::$status(&super::$name()).await;
            })*
        })*
    };
}

operations! {
    detect_request {
        method: "POST", path: "/api/v1/detect", body: r#"{"userAgent":"curl/8.5.0"}"#,
        wrong: Wrong::Body(r#"{"userAgent":7}"#), fails_open: true;
        ok invalid unauthorized forbidden missing too_large limited fault
    }
    detect_caller {
        path: "/api/v1/detect", wrong: Wrong::Query("include=nothing"), fails_open: true;
        ok invalid unauthorized forbidden missing limited fault
    }
    enforce {
        method: "POST", path: "/api/v1/enforce", body: r#"{"userAgent":"curl/8.5.0"}"#,
        wrong: Wrong::Body(r#"{"userAgent":7}"#), fails_open: true;
        ok invalid unauthorized forbidden missing too_large limited fault
    }
    detect_enforce {
        method: "POST", path: "/__detect/enforce", body: r#"{"path":"/a"}"#,
        wrong: Wrong::Body(r#"{"path":"a"}"#), fails_open: true;
        ok invalid unauthorized forbidden missing too_large limited fault
    }
    add_event {
        method: "POST", path: "/api/v1/event", body: r#"{"event":"click","url":"https://example.org/"}"#,
        wrong: Wrong::Body(r#"{"event":"click","url":7}"#);
        ok invalid unauthorized forbidden missing too_large limited fault
    }
    preflight_event {
        method: "OPTIONS", path: "/api/v1/event?id={pixelId}", credential: Credential::None, fails_open: true;
        no_content limited
    }
    add_events {
        method: "POST", path: "/api/v1/batch", body: r#"{"events":[{"event":"click","url":"https://example.org/"}]}"#,
        wrong: Wrong::Body(r#"{"events":7}"#);
        ok invalid unauthorized forbidden missing too_large limited fault
    }
    preflight_batch {
        method: "OPTIONS", path: "/api/v1/batch?id={pixelId}", credential: Credential::None, fails_open: true;
        no_content limited
    }
    read_pixel {
        path: "/api/v1/pixel?id={pixelId}&u=https://example.org/", credential: Credential::None, fails_open: true;
        ok
    }
    preflight_pixel {
        method: "OPTIONS", path: "/api/v1/pixel?id={pixelId}", credential: Credential::None, fails_open: true;
        no_content limited
    }
    read_pixel_script {
        path: "/api/v1/pixel.js?id={pixelId}", wrong: Wrong::Query("batch_size=0"), credential: Credential::None,
        fails_open: true;
        ok not_modified invalid missing limited fault
    }
    preflight_pixel_script {
        method: "OPTIONS", path: "/api/v1/pixel.js?id={pixelId}", credential: Credential::None, fails_open: true;
        no_content limited
    }
    list_projects {
        path: "/api/v1/projects", wrong: Wrong::Query("limit=101");
        ok invalid unauthorized forbidden limited fault
    }
    create_project {
        method: "POST", path: "/api/v1/projects", body: r#"{"name":"Blog"}"#, wrong: Wrong::Body(r#"{"name":7}"#);
        created invalid unauthorized forbidden too_large limited fault
    }
    get_project {
        path: "/api/v1/projects/{projectId}", wrong: Wrong::Query("include=nothing");
        ok invalid unauthorized forbidden missing limited fault
    }
    change_project {
        method: "PATCH", path: "/api/v1/projects/{projectId}", body: r#"{"name":"Blog"}"#,
        wrong: Wrong::Body(r#"{"settings":[]}"#);
        ok invalid unauthorized forbidden missing too_large limited fault
    }
    delete_project {
        method: "DELETE", path: "/api/v1/projects/{projectId}";
        no_content unauthorized forbidden missing limited fault
    }
    list_detections {
        path: "/api/v1/projects/{projectId}/detections", wrong: Wrong::Query("botType=nothing");
        ok invalid unauthorized forbidden missing limited fault
    }
    get_detection {
        path: "/api/v1/projects/{projectId}/detections/{id}", wrong: Wrong::Query("include=nothing");
        ok invalid unauthorized forbidden missing limited fault
    }
    export_detections {
        path: "/api/v1/projects/{projectId}/detections.ndjson", wrong: Wrong::Query("format=pdf");
        ok invalid unauthorized forbidden missing limited fault
    }
    get_analytics {
        path: "/api/v1/projects/{projectId}/analytics", wrong: Wrong::Query("period=year");
        ok invalid unauthorized forbidden missing limited fault
    }
    list_agents {
        path: "/api/v1/projects/{projectId}/agents", wrong: Wrong::Query("page=0");
        ok invalid unauthorized forbidden missing limited fault
    }
    get_policy {
        path: "/api/v1/projects/{projectId}/policy";
        ok not_modified unauthorized forbidden missing limited fault
    }
    put_policy {
        method: "PUT", path: "/api/v1/projects/{projectId}/policy", body: r#"{"defaultAction":"log"}"#,
        wrong: Wrong::Body(r#"{"defaultAction":7}"#);
        ok invalid unauthorized forbidden missing too_large limited fault
    }
    test_policy {
        method: "POST", path: "/api/v1/projects/{projectId}/policy/test", body: r#"{"userAgent":"curl/8.5.0"}"#,
        wrong: Wrong::Body(r#"{"userAgent":"curl/8.5.0","policy":7}"#);
        ok invalid unauthorized forbidden missing too_large limited fault
    }
    create_pixel {
        method: "POST", path: "/api/v1/projects/{projectId}/pixels", body: r#"{"settings":{"debug":true}}"#,
        wrong: Wrong::Body(r#"{"settings":7}"#);
        created invalid unauthorized forbidden missing too_large limited fault
    }
    list_pixels {
        path: "/api/v1/projects/{projectId}/pixels";
        ok unauthorized forbidden missing limited fault
    }
    read_pixel_settings {
        path: "/api/v1/projects/{projectId}/pixels/{pixelId}";
        ok unauthorized forbidden missing limited fault
    }
    change_pixel {
        method: "PATCH", path: "/api/v1/projects/{projectId}/pixels/{pixelId}", body: r#"{"settings":{"debug":true}}"#,
        wrong: Wrong::Body(r#"{"settings":{"debug":7}}"#);
        ok invalid unauthorized forbidden missing too_large limited fault
    }
    delete_pixel {
        method: "DELETE", path: "/api/v1/projects/{projectId}/pixels/{pixelId}";
        no_content unauthorized forbidden missing limited fault
    }
    create_webhook {
        method: "POST", path: "/api/v1/projects/{projectId}/webhooks",
        body: r#"{"url":"https://example.org/hook","events":["detection.created"]}"#,
        wrong: Wrong::Body(r#"{"url":7,"events":["detection.created"]}"#);
        created invalid unauthorized forbidden missing too_large limited fault
    }
    list_webhooks {
        path: "/api/v1/projects/{projectId}/webhooks";
        ok unauthorized forbidden missing limited fault
    }
    read_webhook {
        path: "/api/v1/projects/{projectId}/webhooks/{webhookId}";
        ok unauthorized forbidden missing limited fault
    }
    change_webhook {
        method: "PATCH", path: "/api/v1/projects/{projectId}/webhooks/{webhookId}", body: r#"{"enabled":false}"#,
        wrong: Wrong::Body(r#"{"enabled":7}"#);
        ok invalid unauthorized forbidden missing too_large limited fault
    }
    delete_webhook {
        method: "DELETE", path: "/api/v1/projects/{projectId}/webhooks/{webhookId}";
        no_content unauthorized forbidden missing limited fault
    }
    rotate_webhook_secret {
        method: "POST", path: "/api/v1/projects/{projectId}/webhooks/{webhookId}/rotate-secret";
        ok unauthorized forbidden missing limited fault
    }
    test_webhook {
        method: "POST", path: "/api/v1/projects/{projectId}/webhooks/{webhookId}/test";
        accepted unauthorized forbidden missing limited fault
    }
    list_webhook_deliveries {
        path: "/api/v1/projects/{projectId}/webhooks/{webhookId}/deliveries";
        ok unauthorized forbidden missing limited fault
    }
    create_key {
        method: "POST", path: "/api/v1/keys", body: r#"{"name":"Shop"}"#, wrong: Wrong::Body(r#"{"name":7}"#);
        created invalid unauthorized forbidden too_large limited fault
    }
    list_keys {
        path: "/api/v1/keys";
        ok unauthorized forbidden limited fault
    }
    read_key {
        path: "/api/v1/keys/{keyId}";
        ok unauthorized forbidden missing limited fault
    }
    revoke_key {
        method: "DELETE", path: "/api/v1/keys/{keyId}";
        no_content unauthorized forbidden missing limited fault
    }
    rotate_key {
        method: "POST", path: "/api/v1/keys/{keyId}/rotate", body: r#"{"overlapSeconds":60}"#,
        wrong: Wrong::Body(r#"{"overlapSeconds":-1}"#);
        created invalid unauthorized forbidden missing too_large limited fault
    }
}

#[tokio::test]
async fn the_tests_are_those_of_the_document() {
    let document = Server::start().await.get("/-/openapi/agentshield.json").await.json;
    let mut documented = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no id"));
            let statuses = operation["responses"].as_object().unwrap().keys();
            documented.extend(statuses.map(|status| format!("{id} {status}")));
        }
    }
    let tested = OPERATIONS.iter().flat_map(|(id, statuses)| {
        statuses.iter().map(move |name| format!("{id} {}", operation::status(name)))
    });
    let mut tested: Vec<String> = tested.collect();
    documented.sort();
    tested.sort();
    assert_eq!(tested, documented);
}

async fn ok(operation: &Operation) {
    succeed(operation, 200).await;
}

async fn created(operation: &Operation) {
    succeed(operation, 201).await;
}

async fn accepted(operation: &Operation) {
    succeed(operation, 202).await;
}

async fn no_content(operation: &Operation) {
    assert!(succeed(operation, 204).await.body.is_empty());
}

async fn not_modified(operation: &Operation) {
    let stage = Stage::set().await;
    let first = stage.play(operation).await;
    let tag = first.header("etag");
    let path = stage.path(operation.path);
    let again = stage.send(operation, &path, &[("if-none-match", tag)], operation.body).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
}

/// What is no JSON, what is no object, and a member of another type; or a query that breaks a rule.
async fn invalid(operation: &Operation) {
    let stage = Stage::set().await;
    let path = stage.path(operation.path);
    match operation.wrong {
        Wrong::Query(query) => {
            let path = format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' });
            let answer = stage.send(operation, &path, &[], operation.body).await;
            assert_failure(operation, &answer, 400, "INVALID_REQUEST");
        }
        Wrong::Body(wrong) => {
            for body in ["{", "[]", "\"text\"", "7", "\u{0}", wrong] {
                let answer = stage.send(operation, &path, &[], body).await;
                assert_failure(operation, &answer, 400, "INVALID_REQUEST");
            }
        }
        Wrong::Nothing => panic!("the row says nothing that is refused"),
    }
}

async fn unauthorized(operation: &Operation) {
    let stage = Stage::set().await;
    let path = stage.path(operation.path);
    for headers in
        [vec![], vec![("x-agentshield-key", "as_live_unknown")], vec![("authorization", "Bearer no")]]
    {
        let answer = stage.with(operation, &path, &headers, operation.body).await;
        assert_failure(operation, &answer, 401, "UNAUTHORIZED");
        assert_eq!(answer.header("www-authenticate"), "AgentShield realm=\"api\"");
    }
}

/// A key with every scope but those that are asked for, and one that may not see the project.
async fn forbidden(operation: &Operation) {
    let stage = Stage::set().await;
    let path = stage.path(operation.path);
    let key = stage.key_without_scope_for(operation).await;
    let answer = stage.with(operation, &path, &[("x-agentshield-key", &key)], operation.body).await;
    assert_failure(operation, &answer, 403, "FORBIDDEN");
    if operation.names_project() {
        let key = stage.key_of_other_project().await;
        let headers = [("x-agentshield-key", &*key), ("x-agentshield-project", &*stage.project)];
        let answer = stage.with(operation, &path, &headers, operation.body).await;
        assert_failure(operation, &answer, 403, "FORBIDDEN");
    }
}

/// What nothing has, what is no text, and what another account has.
async fn missing(operation: &Operation) {
    let stage = Stage::set().await;
    let elsewhere = stage.elsewhere(operation).await;
    assert!(!elsewhere.is_empty());
    for (path, headers) in elsewhere {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        let answer = stage.send(operation, &path, &headers, operation.body).await;
        assert_failure(operation, &answer, 404, "NOT_FOUND");
    }
}

async fn too_large(operation: &Operation) {
    let stage = Stage::set().await;
    let path = stage.path(operation.path);
    let body = format!("{}{}", operation.body, " ".repeat(LARGEST_BODY));
    let answer = stage.send(operation, &path, &[], &body).await;
    assert_failure(operation, &answer, 413, "INVALID_REQUEST");
}

/// Whose pixel is known is not held up where a request is free; who guesses pixels is.
async fn limited(operation: &Operation) {
    let stage = Stage::with_room_for_one().await;
    let path = match operation.credential {
        Credential::Key => stage.path(operation.path),
        Credential::None => operation.path.replace("{pixelId}", "px_unknown"),
    };
    let first = stage.send(operation, &path, &[], operation.body).await;
    assert_ne!(first.status, 429);
    let second = stage.send(operation, &path, &[], operation.body).await;
    assert_failure(operation, &second, 429, "RATE_LIMIT_EXCEEDED");
    assert_eq!((second.header("retry-after"), second.header("x-ratelimit-remaining")), ("1", "0"));
}

/// Nobody can be looked up; and, once the caller is known, nothing can be read or written. What fails open then
/// answers all the same.
async fn fault(operation: &Operation) {
    let stage = Stage::set().await;
    let path = stage.path(operation.path);
    stage.pull_the_plug(true);
    let answer = stage.send(operation, &path, &[], operation.body).await;
    assert_failure(operation, &answer, 500, "INTERNAL_ERROR");
    assert!(!String::from_utf8_lossy(&answer.body).contains("plug"), "causes stay in the log");
    stage.pull_the_plug(false);
    stage.make_known(operation).await;
    stage.pull_the_plug(true);
    let answer = stage.send(operation, &path, &[], operation.body).await;
    if operation.fails_open {
        assert!(answer.status.is_success(), "{}", answer.status);
    } else {
        assert_failure(operation, &answer, 500, "INTERNAL_ERROR");
    }
}

async fn succeed(operation: &Operation, status: u16) -> Answer {
    let stage = Stage::set().await;
    let answer = stage.play(operation).await;
    assert_eq!(answer.status, status, "{:?}", answer.json);
    assert_limits(&answer);
    answer
}

/// The family's envelope, or that of the one call with a form of its own.
fn assert_failure(operation: &Operation, answer: &Answer, status: u16, code: &str) {
    if operation.path.ends_with("/enforce") {
        let error = &answer.json["error"];
        let expected = json!({ "success": false, "error": { "code": code, "message": error["message"] } });
        assert_eq!((answer.status.as_u16(), &answer.json), (status, &expected));
        assert!(error["message"].is_string());
        assert_limits(answer);
    } else {
        super::site::assert_error(answer, status, code);
    }
}

/// More than any route reads.
const LARGEST_BODY: usize = 600_000;
