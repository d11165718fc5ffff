//! Page hits and browser events that the customer's server reports.

use axum::body::Body;
use futures::future::join_all;
use quivive_server::flows::scoring::record::{StoredBatch, StoredSession, session_id};
use serde_json::{Value, json};

use super::site::{PRIVATE_KEY, SITE_KEY, Site, TOKEN, assert_error, event, fail_open, human_snapshot};
use crate::support::{Answer, Server};

const PAGE_HITS: &str = "/v1/server/page-hits";
const EVENTS: &str = "/v1/server/events";
const PAGE: &str = "9f86d081884c7d659a2feaa0c55ad015";

/// What every browser sends.
const ORDINARY: [&str; 6] =
    ["host", "user-agent", "accept", "accept-language", "accept-encoding", "sec-fetch-mode"];

impl Site {
    /// POST of JSON with a private key and an `Idempotency-Key`, as from the customer's server.
    pub async fn report_with(
        &self,
        private_key: &str,
        path: &str,
        key: &str,
        body: impl Into<Body>,
    ) -> Answer {
        let headers = [
            ("authorization", &*format!("Bearer {private_key}")),
            ("content-type", "application/json"),
            ("idempotency-key", key),
            // The server's own, none of the visitor's.
            ("user-agent", "curl/8.5.0"),
        ];
        self.server.call("POST", path, &headers, body).await
    }

    /// POST of a page hit with an `Idempotency-Key`.
    pub async fn page_hit(&self, key: &str, body: &Value) -> Answer {
        self.report_with(PRIVATE_KEY, PAGE_HITS, key, body.to_string()).await
    }

    /// POST of forwarded events with an `Idempotency-Key`.
    pub async fn forward(&self, key: &str, body: &Value) -> Answer {
        self.report_with(PRIVATE_KEY, EVENTS, key, body.to_string()).await
    }

    async fn session_of(&self, token: &str) -> StoredSession {
        let id = session_id(self.project, token);
        self.server.app.storage.get::<StoredSession>(&id).await.unwrap().unwrap().value
    }

    async fn batches(&self) -> usize {
        self.server.app.storage.list::<StoredBatch>("", None, 1_000).await.unwrap().len()
    }
}

/// A page hit of an ordinary browser.
pub fn hit(token: &str) -> Value {
    json!({
        "schema_version": 1, "page_id": PAGE, "session_token": token, "occurred_at": "2026-02-15T12:00:00Z",
        "method": "GET", "path_hash": "ab".repeat(32), "header_names": ORDINARY, "languages": ["nl", "en-gb"],
        "had_session_cookie": false, "duration_ms": 12, "ja4": null
    })
}

/// Forwarded events of one page view.
pub fn forwarded(token: &str, page: &str, events: Vec<Value>) -> Value {
    json!({ "schema_version": 1, "page_id": page, "session_token": token, "events": events })
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

#[tokio::test]
async fn a_page_hit_is_accepted_and_begins_the_session_under_its_token() {
    let site = Site::start().await;
    let token = "sess_5b0f3c4a9d1e7f26a8b4c0d2e6f19375ab42cd60ef817293";
    let answer = site.page_hit("key-1", &hit(token)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json),
        (202, json!({ "session_token": token, "accepted": 1, "duplicates": 0 }))
    );
    let session = site.session_of(token).await;
    assert_eq!((session.signals.context().page_hits.count, session.revision), (1, 1));
    let batch = site.server.app.storage.list::<StoredBatch>("", None, 10).await.unwrap().remove(0).value;
    assert_eq!(serde_json::to_value(batch.page_hit.unwrap()).unwrap(), hit(token));
    // An ordinary page request is no evidence of anything.
    assert_eq!(site.verdict(token, "").await.json, fail_open());
    // The browser's own events go to the same session.
    let batch = super::site::batch(Some(token), &[("snapshot", human_snapshot())]);
    assert_eq!(site.ingest(&batch).await.json["session_token"], token);
}

#[tokio::test]
async fn a_repeated_page_hit_is_a_duplicate_for_a_day() {
    let site = Site::start().await;
    site.page_hit("key-1", &hit("sess_a")).await;
    let again = site.page_hit("key-1", &hit("sess_a")).await;
    assert_eq!(
        (again.status.as_u16(), again.json),
        (202, json!({ "session_token": "sess_a", "accepted": 0, "duplicates": 1 }))
    );
    // The key decides, whatever else is in the body.
    let other = site.page_hit("key-1", &hit("sess_b")).await.json;
    assert_eq!(other, json!({ "session_token": "sess_a", "accepted": 0, "duplicates": 1 }));
    assert_eq!(site.batches().await, 1);
    assert_eq!(site.page_hit("key-2", &hit("sess_a")).await.json["accepted"], 1);
    // Another project's key of the same text is another key.
    let tenant = site.other_tenant(true).await;
    let foreign = site.report_with(&tenant.private_key, PAGE_HITS, "key-1", hit("sess_a").to_string()).await;
    assert_eq!(foreign.json["accepted"], 1);
    site.server.advance(86_400_001);
    let late = with(hit("sess_a"), "occurred_at", json!("2026-02-16T12:00:00Z"));
    assert_eq!(site.page_hit("key-1", &late).await.json["accepted"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn page_hits_at_once_lose_nothing_and_count_once() {
    let site = Site::start().await;
    let bodies = [hit("sess_a"), hit("sess_b")];
    let same = join_all((0..20).map(|number| site.page_hit("one-key", &bodies[number % 2]))).await;
    let accepted: u64 = same.iter().map(|answer| answer.json["accepted"].as_u64().unwrap()).sum();
    assert_eq!(accepted, 1, "{same:?}");
    let body = hit("sess_c");
    let keys: Vec<String> = (0..20).map(|number| format!("key-{number}")).collect();
    join_all(keys.iter().map(|key| site.page_hit(key, &body))).await;
    assert_eq!(site.session_of("sess_c").await.signals.context().page_hits.count, 20);
}

#[tokio::test]
async fn page_hits_that_are_stale_or_ahead_are_refused() {
    let site = Site::start().await;
    for (time, status) in [
        ("2026-02-15T10:55:00Z", 202),
        ("2026-02-15T10:54:59Z", 422),
        ("2026-02-15T12:05:00Z", 202),
        ("2026-02-15T12:05:01Z", 422),
        ("1970-01-01T00:00:00Z", 422),
        ("9999-12-31T23:59:59Z", 422),
    ] {
        let body = with(hit("sess_a"), "occurred_at", json!(time));
        let answer = site.page_hit(&time.replace(':', "-"), &body).await;
        assert_eq!(answer.status, status, "{time}");
        if status == 422 {
            assert_error(&answer, 422, "INVALID_PAYLOAD");
            assert_eq!(answer.json["details"]["path"], "occurred_at");
        }
    }
}

#[tokio::test]
async fn forwarded_events_are_counted_and_repeated_per_event() {
    let site = Site::start().await;
    let body = |ids: &[&str]| {
        let events = ids.iter().map(|id| event(id, "snapshot", human_snapshot())).collect();
        forwarded("sess_a", PAGE, events)
    };
    let first = site.forward("key-1", &body(&["a", "b", "c"])).await;
    assert_eq!(
        (first.status.as_u16(), first.json),
        (202, json!({ "session_token": "sess_a", "accepted": 3, "duplicates": 0 }))
    );
    let again = site.forward("key-1", &body(&["a", "b", "c"])).await.json;
    assert_eq!(again, json!({ "session_token": "sess_a", "accepted": 0, "duplicates": 3 }));
    let more = site.forward("key-2", &body(&["c", "d", "d"])).await.json;
    assert_eq!(more, json!({ "session_token": "sess_a", "accepted": 1, "duplicates": 2 }));
    assert_eq!(site.scored("sess_a").await["score"], 96);
}

#[tokio::test]
async fn page_views_of_forwarded_events_are_told_apart_by_their_page_id() {
    let site = Site::start().await;
    let clicks = |id: &str, count: u32| event(id, "snapshot", json!({ "click_events": count }));
    let other = "0".repeat(32);
    site.forward("k1", &forwarded("sess_a", PAGE, vec![clicks("a", 2)])).await;
    site.forward("k2", &forwarded("sess_a", &other, vec![clicks("b", 5)])).await;
    // Cumulative for its own page view, and a `page` event begins none.
    let events = vec![event("c", "page", json!({ "page_path_shape": "/orders/{n}" })), clicks("d", 3)];
    site.forward("k3", &forwarded("sess_a", PAGE, events)).await;
    assert_eq!(site.session_of("sess_a").await.signals.aggregate().behavioral.click_events, Some(8));
}

#[tokio::test]
async fn the_servers_own_connection_is_never_the_visitors() {
    let site =
        Site::with(|config| config.botect.hosting_networks = vec!["127.0.0.0/8".parse().unwrap()]).await;
    site.page_hit("k1", &hit("sess_a")).await;
    site.forward("k2", &forwarded("sess_a", PAGE, vec![event("a", "snapshot", human_snapshot())])).await;
    let verdict = site.scored("sess_a").await;
    assert_eq!((&verdict["score"], &verdict["detection_ids"]), (&json!(96), &json!([])));
    let session = site.session_of("sess_a").await;
    assert_eq!((session.signals.context().user_agent(), session.signals.context().address()), (None, None));
}

#[tokio::test]
async fn an_explicit_address_is_evidence_and_an_inferred_one_is_not() {
    let site =
        Site::with(|config| config.botect.hosting_networks = vec!["203.0.113.0/24".parse().unwrap()]).await;
    let observed = |token: &str, inferred: bool| {
        let body = with(
            forwarded(token, PAGE, vec![event("a", "snapshot", human_snapshot())]),
            "observed_ip",
            json!("203.0.113.7"),
        );
        with(with(body, "observed_ip_source", json!("header")), "observed_ip_inferred", json!(inferred))
    };
    site.forward("k1", &observed("sess_a", false)).await;
    site.forward("k2", &observed("sess_b", true)).await;
    let verdict = site.scored("sess_a").await;
    assert_eq!(verdict["score"], 35, "{verdict}");
    assert_eq!(site.scored("sess_b").await["score"], 96);
    let context = site.session_of("sess_b").await.signals.context().clone();
    assert_eq!((context.explicit_address(), context.address()), (None, Some("203.0.113.7")));
    // A page hit tells the address, too; an explicit one goes before the browser's connection.
    let body = with(
        with(hit("sess_c"), "observed_ip", json!("203.0.113.8")),
        "observed_ip_source",
        json!("request"),
    );
    site.page_hit("k3", &body).await;
    site.ingest(&super::site::batch(Some("sess_c"), &[("page", json!({}))])).await;
    assert_eq!(site.session_of("sess_c").await.signals.context().address(), Some("203.0.113.8"));
}

#[tokio::test]
async fn logged_in_in_a_report_counts_as_an_assertion() {
    let site = Site::start().await;
    site.page_hit("k1", &with(hit("sess_a"), "logged_in", json!(false))).await;
    assert_eq!(site.session_of("sess_a").await.logged_in_at, None);
    site.page_hit("k2", &with(hit("sess_a"), "logged_in", json!(true))).await;
    site.server.advance(60_000);
    let events = forwarded("sess_b", PAGE, vec![event("a", "page", json!({}))]);
    site.forward("k3", &with(events, "logged_in", json!(true))).await;
    assert_eq!(site.log_in("sess_a").await.json["asserted_at"], "2026-02-15T12:00:00Z");
    assert_eq!(site.log_in("sess_b").await.json["asserted_at"], "2026-02-15T12:01:00Z");
}

#[tokio::test]
async fn a_page_request_without_ordinary_headers_is_named() {
    let site = Site::start().await;
    site.page_hit("k1", &with(hit("sess_a"), "header_names", json!(["host", "accept", "user-agent"]))).await;
    let verdict = site.scored("sess_a").await;
    assert_eq!(
        (&verdict["score"], &verdict["verdict"], &verdict["detection_ids"], &verdict["reason"]),
        (
            &json!(20),
            &json!("likely_automated"),
            &json!([16_777_222]),
            &json!("Page request lacks ordinary browser headers.")
        )
    );
    // One that is missing, or none that were reported, say nothing.
    site.page_hit(
        "k2",
        &with(hit("sess_b"), "header_names", json!(["host", "accept", "user-agent", "accept-encoding"])),
    )
    .await;
    site.page_hit("k3", &with(hit("sess_c"), "header_names", json!([]))).await;
    let marker = site.session(&[("snapshot", human_snapshot())]).await;
    site.scored(&marker).await;
    for token in ["sess_b", "sess_c"] {
        assert_eq!(site.verdict(token, "").await.json, fail_open());
    }
}

/// Three pages of a session, the first one now.
async fn three_pages(site: &Site, token: &str) {
    for number in 0..3 {
        site.page_hit(&format!("{token}-{number}"), &hit(token)).await;
    }
}

#[tokio::test]
async fn pages_without_a_script_count_once_a_minute_has_passed_and_nothing_else_came() {
    let site = Site::start().await;
    three_pages(&site, "sess_a").await;
    site.page_hit("b-0", &hit("sess_b")).await;
    site.page_hit("b-1", &hit("sess_b")).await;
    three_pages(&site, "sess_c").await;
    site.forward("c-3", &forwarded("sess_c", PAGE, vec![event("a", "page", json!({}))])).await;
    site.server.advance(60_000);
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(site.verdict("sess_a", "").await.json, fail_open(), "a minute is not over a minute");
    site.server.advance(1);
    // Alone it is missing evidence and stays out of the bot bands, whatever the threshold.
    let verdict = site.scored("sess_a").await;
    assert_eq!((&verdict["score"], &verdict["verdict"]), (&json!(35), &json!("likely_human")));
    site.settings(&json!({ "likely_bot_threshold": 99 })).await;
    let verdict = site.verdict("sess_a", "").await.json;
    assert_eq!((&verdict["score"], &verdict["verdict"]), (&json!(99), &json!("likely_human")));
    for token in ["sess_b", "sess_c"] {
        assert_eq!(site.verdict(token, "").await.json, fail_open(), "{token}");
    }
}

#[tokio::test]
async fn pages_without_a_script_count_in_full_beside_another_heuristic() {
    let site = Site::start().await;
    let bare = |number: u32| {
        let body = with(hit("sess_a"), "header_names", json!(["host"]));
        let site = &site;
        async move { site.page_hit(&format!("k{number}"), &body).await }
    };
    join_all((0..3).map(bare)).await;
    site.server.advance(60_001);
    let both = |verdict: &Value| verdict["detection_ids"] == json!([16_777_222, 16_777_225]);
    assert_eq!(site.verdict_when("sess_a", "", both).await["score"], 20);
}

#[tokio::test]
async fn a_session_whose_time_comes_while_no_server_runs_is_scored_by_the_next() {
    let site =
        Site::without_worker(Server::with(|config| config.botect.verdict_budget_ms = 10_000).await).await;
    three_pages(&site, "sess_a").await;
    // As after a restart: nothing of it is in the process.
    site.server.app.scoring.queue.next(10).await;
    site.server.app.scoring.queue.take_due(quivive_core::Timestamp::from_seconds(i64::MAX / 1_000));
    site.server.advance(60_001);
    quivive_server::jobs::start(&site.server.app);
    assert_eq!(site.scored("sess_a").await["score"], 35);
    // The plan is done, and gone from storage.
    let due =
        || site.server.app.storage.list::<quivive_server::flows::scoring::record::DueSession>("", None, 10);
    for _ in 0..1_000 {
        if due().await.unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(due().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_report_needs_its_idempotency_key() {
    let site = Site::start().await;
    let headers = [("x-botect-private-key", PRIVATE_KEY), ("content-type", "application/json")];
    let events = forwarded("sess_a", PAGE, vec![event("a", "page", json!({}))]);
    for (path, body) in [(PAGE_HITS, hit("sess_a")), (EVENTS, events)] {
        let missing = site.server.call("POST", path, &headers, body.to_string()).await;
        assert_error(&missing, 422, "INVALID_PAYLOAD");
        for key in ["", "a b", &"a".repeat(129)] {
            let answer = site.report_with(PRIVATE_KEY, path, key, body.to_string()).await;
            assert_error(&answer, 422, "INVALID_PAYLOAD");
        }
        let longest = "a".repeat(128);
        assert_eq!(site.report_with(PRIVATE_KEY, path, &longest, body.to_string()).await.status, 202);
    }
}

#[tokio::test]
async fn a_report_needs_the_private_key_of_a_subscribed_account() {
    let site = Site::start().await;
    let unpaid = site.other_tenant(false).await;
    for path in [PAGE_HITS, EVENTS] {
        for key in ["", SITE_KEY, TOKEN, "sk_unknown"] {
            assert_error(&site.report_with(key, path, "k1", "{").await, 401, "UNAUTHENTICATED");
        }
        let answer = site.report_with(&unpaid.private_key, path, "k1", "{").await;
        assert_error(&answer, 402, "NO_ACTIVE_SUBSCRIPTION");
        assert_error(&site.server.get(path).await, 405, "METHOD_NOT_ALLOWED");
    }
}

#[tokio::test]
async fn a_refused_report_stores_nothing() {
    let site = Site::start().await;
    let events = |name: &str, value: Value| {
        with(forwarded("sess_a", PAGE, vec![event("a", "page", json!({}))]), name, value)
    };
    for body in [
        with(hit("sess_a"), "extra", json!(1)),
        with(hit("sess_a"), "header_names", json!(["authorization"])),
        with(hit("sess_a"), "languages", json!(["en-GB"])),
        with(hit("sess_a"), "observed_ip", json!("192.168.1.1")),
        with(hit("sess_a"), "session_token", json!(null)),
        json!([]),
    ] {
        assert_error(&site.page_hit("k1", &body).await, 422, "INVALID_PAYLOAD");
    }
    for body in [
        events("extra", json!(1)),
        events("events", json!([])),
        events("events", json!([event("a", "page", json!({})), event("b", "page", json!({ "typed": 1 }))])),
        events("site_key", json!(SITE_KEY)),
        events("page_id", json!("x")),
        json!("text"),
    ] {
        assert_error(&site.forward("k1", &body).await, 422, "INVALID_PAYLOAD");
    }
    let not_utf8 = site.report_with(PRIVATE_KEY, EVENTS, "k1", vec![b'"', 0xff, b'"']).await;
    assert_error(&not_utf8, 422, "INVALID_PAYLOAD");
    assert_eq!(site.batches().await, 0);
    let sessions = site.server.app.storage.list::<StoredSession>(&site.project.to_string(), None, 10).await;
    assert!(sessions.unwrap().is_empty());
}

#[tokio::test]
async fn reports_are_json_of_a_bounded_size() {
    let site = Site::start().await;
    let events = forwarded("sess_a", PAGE, vec![event("a", "page", json!({}))]);
    for (path, body) in [(PAGE_HITS, hit("sess_a")), (EVENTS, events)] {
        let padded = |bytes: usize| {
            let body = body.to_string();
            format!("{body}{}", " ".repeat(bytes - body.len()))
        };
        assert_eq!(site.report_with(PRIVATE_KEY, path, "k1", padded(1_114_112)).await.status, 202);
        let answer = site.report_with(PRIVATE_KEY, path, "k2", padded(1_114_113)).await;
        assert_error(&answer, 413, "PAYLOAD_TOO_LARGE");
        for media in ["text/plain", "application/x-www-form-urlencoded", ""] {
            let headers =
                [("x-botect-private-key", PRIVATE_KEY), ("content-type", media), ("idempotency-key", "k3")];
            let answer = site.server.call("POST", path, &headers, body.to_string()).await;
            assert_error(&answer, 415, "UNSUPPORTED_MEDIA_TYPE");
        }
    }
}

#[tokio::test]
async fn reports_are_metered_flagged_and_shed_as_batches_are() {
    let server = Server::with(|config| config.botect.shed_above = 3).await;
    let site = Site::without_worker(server).await;
    quivive_server::tenant::directory::change_account(&site.server.app, site.account, |account| {
        account.plan.monthly_event_quota = Some(2);
    })
    .await
    .unwrap();
    assert!(site.page_hit("k1", &hit("sess_a")).await.json.get("over_quota").is_none());
    assert!(
        site.page_hit("k1", &hit("sess_a")).await.json.get("over_quota").is_none(),
        "duplicates cost nothing"
    );
    let events =
        forwarded("sess_b", PAGE, vec![event("a", "page", json!({})), event("b", "page", json!({}))]);
    let over = site.forward("k2", &events).await;
    assert_eq!((over.status.as_u16(), &over.json["over_quota"]), (202, &json!(true)));
    site.page_hit("k3", &hit("sess_c")).await;
    let batches = site.batches().await;
    for answer in [site.page_hit("k4", &hit("sess_d")).await, site.forward("k5", &events).await] {
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    }
    assert_eq!(site.batches().await, batches);
}
