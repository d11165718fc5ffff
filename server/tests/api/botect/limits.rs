//! What a batch may hold: sizes, types, the payload vocabulary; and the load that is shed.

use std::fmt::Write as _;

use axum::body::Body;
use serde_json::{Value, json};

use super::site::{SITE_KEY, Site, assert_error, batch, event};

async fn status(site: &Site, kind: &str, payload: Value) -> u16 {
    site.ingest(&batch(None, &[(kind, payload)])).await.status.as_u16()
}

#[tokio::test]
async fn a_batch_holds_one_to_a_hundred_events() {
    let site = Site::start().await;
    for (count, expected) in [(0, 422), (1, 202), (100, 202), (101, 422)] {
        let events: Vec<_> = (0..count).map(|id| event(&format!("e-{id}"), "mouse", json!({}))).collect();
        let answer = site.ingest(&json!({ "session_token": null, "events": events })).await;
        assert_eq!(answer.status, expected, "{count} events");
        if expected == 422 {
            assert_error(&answer, 422, "INVALID_PAYLOAD");
            assert_eq!(answer.json["details"]["path"], "events");
        }
    }
}

#[tokio::test]
async fn bytes_are_limited_per_payload_and_per_body() {
    let site = Site::start().await;
    let headers = [("content-type", "application/json"), ("x-botect-site-key", SITE_KEY)];
    let with_payload = |bytes: usize| {
        let payload = format!("{{{}}}", " ".repeat(bytes - 2));
        let start = r#"{"session_token":null,"events":[{"request_id":"a","type":"mouse","#;
        format!(r#"{start}"received_at":"2026-02-15T12:00:00Z","payload":{payload}}}]}}"#)
    };
    for (bytes, expected) in [(65_536, 202), (65_537, 422)] {
        let answer = site.server.call("POST", "/v1/events", &headers, with_payload(bytes)).await;
        assert_eq!(answer.status, expected, "payload of {bytes} bytes");
    }
    let padded = |bytes: usize| {
        let mut body = batch(None, &[("mouse", json!({}))]).to_string();
        let missing = bytes - body.len();
        let _ = write!(body, "{}", " ".repeat(missing));
        body
    };
    assert_eq!(site.server.call("POST", "/v1/events", &headers, padded(262_144)).await.status, 202);
    let answer = site.server.call("POST", "/v1/events", &headers, padded(262_145)).await;
    assert_error(&answer, 413, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn only_json_and_text_are_read() {
    let site = Site::start().await;
    for media in ["application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data"] {
        let headers = [("content-type", media), ("x-botect-site-key", SITE_KEY)];
        let body = batch(None, &[("mouse", json!({}))]).to_string();
        let answer = site.server.call("POST", "/v1/events", &headers, body).await;
        assert_error(&answer, 415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let none =
        site.server.call("POST", "/v1/events", &[("x-botect-site-key", SITE_KEY)], Body::empty()).await;
    assert_error(&none, 415, "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test]
async fn malformed_batches_are_refused_as_a_whole() {
    let site = Site::start().await;
    let headers = [("content-type", "application/json"), ("x-botect-site-key", SITE_KEY)];
    for body in ["", "{", "[]", "null", "\u{feff}{}", &"[".repeat(100_000)] {
        assert_error(
            &site.server.call("POST", "/v1/events", &headers, body.to_owned()).await,
            422,
            "INVALID_PAYLOAD",
        );
    }
    let not_utf8 = [&b"{\"events\": \""[..], &[0xff], b"\"}"].concat();
    assert_error(&site.server.call("POST", "/v1/events", &headers, not_utf8).await, 422, "INVALID_PAYLOAD");
    let good = || event("good", "mouse", json!({}));
    for body in [
        json!({}),
        json!({ "session_token": null }),
        json!({ "session_token": null, "events": {} }),
        json!({ "session_token": 1, "events": [good()] }),
        json!({ "session_token": "", "events": [good()] }),
        json!({ "session_token": "a b", "events": [good()] }),
        json!({ "session_token": "a".repeat(129), "events": [good()] }),
        json!({ "session_token": null, "events": [good()], "extra": 1 }),
        json!({ "session_token": null, "events": [good(), 7] }),
        json!({ "session_token": null, "events": [good(), event("", "mouse", json!({}))] }),
        json!({ "session_token": null, "events": [good(), event("a b", "mouse", json!({}))] }),
        json!({ "session_token": null, "events": [good(), event("b", "keyboard", json!({}))] }),
        json!({ "session_token": null, "events": [good(), event("b", "mouse", json!(["x"]))] }),
        json!({ "session_token": null, "events": [
            { "request_id": "b", "type": "mouse", "received_at": "2026-02-30T12:00:00Z" }] }),
        json!({ "session_token": null, "events": [
            { "request_id": "b", "type": "mouse", "received_at": "2026-02-15T12:00:00+00:00" }] }),
        json!({ "session_token": null, "events": [{ "request_id": "b", "type": "mouse" }] }),
        json!({ "session_token": null, "events": [
            { "request_id": "b", "type": "mouse", "received_at": "2026-02-15T12:00:00Z", "extra": 1 }] }),
    ] {
        assert_error(&site.ingest(&body).await, 422, "INVALID_PAYLOAD");
    }
    // Nothing of the refused batches was stored: the good event is new.
    let answer = site.ingest(&json!({ "session_token": null, "events": [good()] })).await;
    assert_eq!(answer.json["accepted"], 1);
    for key in ["", "a b", &"a".repeat(129)] {
        let answer =
            site.ingest_with(&[("idempotency-key", key)], &batch(None, &[("mouse", json!({}))])).await;
        assert_error(&answer, 422, "INVALID_PAYLOAD");
    }
}

#[tokio::test]
async fn clocks_of_clients_never_refuse_a_batch() {
    let site = Site::start().await;
    for time in ["1970-01-01T00:00:00Z", "2999-12-31T23:59:59.999999Z"] {
        let events = json!([{ "request_id": "a", "type": "page", "received_at": time, "payload": {} }]);
        assert_eq!(site.ingest(&json!({ "events": events })).await.status, 202, "{time}");
    }
}

#[tokio::test]
async fn numbers_of_the_payload_have_ranges() {
    let site = Site::start().await;
    let day = 86_400_000;
    for (key, most) in [
        ("visibility_changes", 10_000),
        ("first_input_delay_ms", day),
        ("time_to_first_input_ms", day),
        ("total_ms", day),
        ("visible_ms", day),
        ("mouse_moves", 1_000_000),
        ("pointer_moves", 1_000_000),
        ("scroll_events", 1_000_000),
        ("click_events", 100_000),
        ("key_events", 100_000),
        ("scroll_max_depth_pct", 100),
        ("max_touch_points", 100),
        ("coarse_pointer", 1),
    ] {
        for (value, expected) in [
            (json!(0), 202),
            (json!(most), 202),
            (Value::Null, 202),
            (json!(most + 1), 422),
            (json!(-1), 422),
            (json!(0.5), 422),
            (json!("1"), 422),
            (json!(true), 422),
        ] {
            assert_eq!(status(&site, "snapshot", json!({ key: value })).await, expected, "{key} {value}");
        }
    }
    for (key, most, past) in [("mouse_entropy", 1.0, 1.01), ("scroll_velocity", 1_000_000.0, 1_000_000.5)] {
        for (value, expected) in [
            (json!(0), 202),
            (json!(most), 202),
            (json!(0.25), 202),
            (Value::Null, 202),
            (json!(past), 422),
            (json!(-0.1), 422),
            (json!("0"), 422),
        ] {
            assert_eq!(status(&site, "snapshot", json!({ key: value })).await, expected, "{key} {value}");
        }
    }
}

#[tokio::test]
async fn flags_texts_and_lists_of_the_payload_have_forms() {
    let site = Site::start().await;
    for key in [
        "js_passed",
        "webdriver",
        "headless",
        "headless_ua",
        "zero_viewport",
        "missing_plugins",
        "navigator_anomaly",
    ] {
        for (value, expected) in
            [(json!(true), 202), (Value::Null, 202), (json!(1), 422), (json!("true"), 422)]
        {
            assert_eq!(status(&site, "js_probe", json!({ key: value })).await, expected, "{key} {value}");
        }
    }
    let tags: Vec<_> = (0..11).map(|_| "nl").collect();
    for (payload, expected) in [
        (json!({ "collector_version": "1.5.0" }), 202),
        (json!({ "collector_version": "1.5" }), 422),
        (json!({ "collector_version": "1.5.1000" }), 422),
        (json!({ "page_path_hash": "0123456789abcdef0123456789abcdef" }), 202),
        (json!({ "page_path_hash": "0123456789abcdef0123456789abcdef0" }), 422),
        (json!({ "page_path_hash": "ABC" }), 422),
        (json!({ "page_path_hash": "" }), 422),
        (json!({ "page_path_shape": "/orders/{n}" }), 202),
        (json!({ "page_path_shape": "orders" }), 422),
        (json!({ "page_path_shape": format!("/{}", "a".repeat(64)) }), 422),
        (json!({ "page_path_shape": "/a?b" }), 422),
        (json!({ "pointer_types": ["mouse", "touch", "pen"] }), 202),
        (json!({ "pointer_types": ["finger"] }), 422),
        (json!({ "pointer_types": null }), 422),
        (json!({ "languages": ["nl", "en-GB", "zh-Hant-TW"] }), 202),
        (json!({ "languages": ["x"] }), 422),
        (json!({ "languages": tags }), 422),
        (json!({ "plugins": [] }), 202),
        (json!({ "plugins": ["pdf"] }), 422),
        (json!({ "typed_text": "secret" }), 422),
    ] {
        assert_eq!(status(&site, "snapshot", payload.clone()).await, expected, "{payload}");
    }
}

#[tokio::test]
async fn launch_names_belong_to_their_type() {
    let site = Site::start().await;
    for (kind, payload) in [
        ("mouse", json!({ "entropy": 0.5, "samples": 9 })),
        ("scroll", json!({ "velocity": 100, "events": 3, "depth_pct": 40 })),
        ("visibility", json!({ "changes": 2 })),
        ("first_input", json!({ "delay_ms": 12 })),
        ("js_probe", json!({ "passed": true })),
    ] {
        assert_eq!(status(&site, kind, payload.clone()).await, 202, "{kind}");
        assert_eq!(status(&site, "snapshot", payload).await, 422, "{kind} in a snapshot");
    }
    assert_eq!(status(&site, "scroll", json!({ "entropy": 0.5 })).await, 422);
    assert_eq!(status(&site, "mouse", json!({ "entropy": 0.5, "mouse_entropy": 0.5 })).await, 422);
    assert_eq!(status(&site, "mouse", json!({ "entropy": 1.5 })).await, 422);
}

#[tokio::test]
async fn a_recorded_batch_of_the_collector_passes() {
    let site = Site::start().await;
    let snapshot = json!({
        "collector_version": "1.5.0", "total_ms": 9000, "visible_ms": 8800, "visibility_changes": 0, "mouse_moves": 31,
        "pointer_moves": 33, "pointer_types": ["mouse"], "mouse_entropy": 0.22, "scroll_events": 4,
        "scroll_velocity": 512, "scroll_max_depth_pct": 61, "click_events": 1, "key_events": 0,
        "first_input_delay_ms": 4, "time_to_first_input_ms": 2100, "max_touch_points": 0, "coarse_pointer": 0
    });
    let probe = json!({
        "collector_version": "1.5.0", "js_passed": true, "webdriver": false, "headless": false, "headless_ua": false,
        "zero_viewport": false, "missing_plugins": false, "navigator_anomaly": true, "languages": ["nl", "en-GB"]
    });
    let page = json!({ "page_path_hash": "9cb2d74a2bccc71a", "page_path_shape": "/orders/{n}" });
    let mut body = batch(
        Some("bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P"),
        &[("page", page), ("snapshot", snapshot), ("js_probe", probe)],
    );
    body["site_key"] = json!(SITE_KEY);
    let answer = site.ingest(&body).await;
    assert_eq!(answer.json["accepted"], 3, "{:?}", answer.json);
    let verdict = site.scored("bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P").await;
    assert_eq!(
        verdict["verdict"], "likely_human",
        "an odd navigator beside a passed probe is a person: {verdict}"
    );
}

#[tokio::test]
async fn load_beyond_the_queue_is_shed_without_a_trace() {
    // Without the worker nothing leaves the queue.
    let server = crate::support::Server::with(|config| config.botect.shed_above = 2).await;
    let site = Site::without_worker(server).await;
    for _ in 0..2 {
        assert_eq!(site.ingest(&batch(None, &[("mouse", json!({}))])).await.status, 202);
    }
    let own = batch(Some("bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P"), &[("mouse", json!({}))]);
    let shed = site.ingest(&own).await;
    assert_eq!((shed.status.as_u16(), shed.body.len()), (204, 0));
    quivive_server::jobs::start(&site.server.app);
    for _ in 0..1_000 {
        if site.server.app.scoring.queue.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(site.ingest(&own).await.json["accepted"], 1, "the shed batch was not stored");
}

#[tokio::test]
async fn the_five_calls_of_the_data_plane_are_never_rate_limited() {
    let site = Site::start().await;
    let token = site.session(&[("page", json!({}))]).await;
    for number in 0..300 {
        let key = format!("key-{number}");
        let page = "9f86d081884c7d659a2feaa0c55ad015";
        let events = vec![event(&key, "mouse", json!({}))];
        for answer in [
            site.ingest(&batch(None, &[("mouse", json!({}))])).await,
            site.page_hit(&key, &super::server_ingest::hit(&token)).await,
            site.forward(&key, &super::server_ingest::forwarded(&token, page, events)).await,
            site.log_in(&token).await,
            site.verdict(&token, "").await,
        ] {
            assert!(answer.status.is_success(), "request {number}: {}", answer.status);
            assert!(answer.headers.get("retry-after").is_none());
        }
    }
}
