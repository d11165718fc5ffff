//! Room for requests.

use futures::future::join_all;
use quivive_server::tenant::directory;
use serde_json::json;

use super::site::{KEY, Site, assert_error};
use crate::botect::faults::Moody;
use crate::support::{START, Server};

async fn ask(site: &Site) -> crate::support::Answer {
    site.bare("GET", "/api/v1/detect", &[("x-agentshield-key", KEY)]).await
}

#[tokio::test]
async fn the_eleventh_request_of_a_free_second_is_refused() {
    let site = Site::of_plan("free").await;
    for remaining in (0..10).rev() {
        let answer = ask(&site).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-limit"), "10");
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining.to_string());
        assert_eq!(answer.header("x-ratelimit-reset"), (START + 1).to_string());
        assert_eq!(answer.header("x-ratelimit-policy"), "10;w=1, 10000;w=86400");
    }
    let refused = ask(&site).await;
    assert_error(&refused, 429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(
        refused.json["error"]["details"],
        json!({ "limit": 10, "reset": START + 1, "window": "second" })
    );
    assert_eq!((refused.header("retry-after"), refused.header("x-ratelimit-remaining")), ("1", "0"));
    site.server.advance(1_000);
    assert_eq!(ask(&site).await.header("x-ratelimit-remaining"), "9");
}

#[tokio::test]
async fn the_documented_refusal_of_the_pro_plan_is_reproduced() {
    let site = Site::of_plan("pro").await;
    for _ in 0..100 {
        assert_eq!(ask(&site).await.status, 200);
    }
    let refused = ask(&site).await;
    assert_error(&refused, 429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused.json["error"]["details"]["limit"], 100);
    assert_eq!(refused.json["error"]["message"], "API rate limit exceeded");
}

#[tokio::test]
async fn the_day_is_a_window_of_its_own() {
    let site = Site::of_plan("free").await;
    directory::change_account(&site.server.app, site.account, |account| {
        account.plan.requests_per_day = Some(12);
    })
    .await
    .unwrap();
    for _ in 0..10 {
        assert_eq!(ask(&site).await.status, 200);
    }
    // Refused by the second: the day does not count it.
    assert_eq!(ask(&site).await.status, 429);
    site.server.advance(1_000);
    let answer = ask(&site).await;
    assert_eq!((answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining")), ("12", "1"));
    let midnight = START.div_euclid(86_400) * 86_400 + 86_400;
    assert_eq!(answer.header("x-ratelimit-reset"), midnight.to_string());
    assert_eq!(ask(&site).await.status, 200);
    let refused = ask(&site).await;
    assert_error(&refused, 429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused.json["error"]["details"], json!({ "limit": 12, "reset": midnight, "window": "day" }));
    assert_eq!(refused.header("retry-after"), (midnight - START - 1).to_string());
    site.server.advance(86_400_000);
    assert_eq!(ask(&site).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_at_once_never_get_more_than_the_limit() {
    let site = Site::of_plan("free").await;
    let answers = join_all((0..60).map(|_| ask(&site))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 10);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 50);
}

#[tokio::test]
async fn callers_without_a_key_have_a_window_by_address() {
    let site = Site::start().await;
    for _ in 0..10 {
        let answer = site.bare("GET", "/api/v1/detect", &[]).await;
        assert_error(&answer, 401, "UNAUTHORIZED");
        assert_eq!(answer.header("x-ratelimit-limit"), "10");
    }
    assert_error(&site.bare("GET", "/api/v1/detect", &[]).await, 429, "RATE_LIMIT_EXCEEDED");
    assert_error(&site.bare("GET", "/api/v1/nothing", &[]).await, 429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(ask(&site).await.status, 200, "who has a key is not held up");
}

#[tokio::test]
async fn counters_that_do_not_answer_refuse_nobody() {
    let database = Moody::new();
    let site = Site::on(Server::on(database.clone(), |_| {}).await, "free").await;
    database.is_down(true);
    // No key can be looked up: nobody is refused for want of room.
    for _ in 0..12 {
        let answer = site.bare("GET", "/api/v1/detect", &[("x-agentshield-key", "as_live_unknown")]).await;
        assert!(answer.status.is_server_error(), "{}", answer.status);
        assert_eq!(
            (answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining")),
            ("10", "10")
        );
    }
    // The key is known, the day cannot be counted: the plan is reported.
    database.is_down(false);
    assert_eq!(ask(&site).await.status, 200);
    database.is_down(true);
    let answer = ask(&site).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-ratelimit-limit"), "10");
    assert_eq!(answer.header("x-ratelimit-policy"), "10;w=1, 10000;w=86400");
    assert_eq!(site.bare("GET", "/api/v1/detect", &[]).await.header("x-ratelimit-remaining"), "9");
}

#[tokio::test]
async fn limits_can_be_lifted() {
    let site = Site::with(|config| {
        config.limits.plan_requests = false;
        config.limits.unauthenticated_per_second = 0;
    })
    .await;
    directory::change_account(&site.server.app, site.account, |account| {
        account.plan.requests_per_second = Some(1);
        account.plan.requests_per_day = Some(1);
    })
    .await
    .unwrap();
    for _ in 0..20 {
        assert_eq!(ask(&site).await.status, 200);
        assert_error(&site.bare("GET", "/api/v1/detect", &[]).await, 401, "UNAUTHORIZED");
    }
}
