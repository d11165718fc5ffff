//! The published scoring vectors over HTTP, under three thresholds.

use serde_json::{Value, json};

use super::site::{Site, batch, fail_open, human_snapshot};

/// Name, user agent (empty: a browser's), events, score at 30, 60 and 99, ids at 30 when a bot band.
type Vector = (&'static str, &'static str, Vec<(&'static str, Value)>, [u8; 3], &'static [u32]);

fn vectors() -> Vec<Vector> {
    let passed = || ("js_probe", json!({ "js_passed": true }));
    let webdriver = || ("js_probe", json!({ "webdriver": true }));
    let snapshot = |payload: Value| ("snapshot", payload);
    let human = || ("snapshot", human_snapshot());
    let idle = || ("snapshot", json!({ "total_ms": 8000, "visible_ms": 8000 }));
    let straight = || ("snapshot", json!({ "mouse_moves": 40, "mouse_entropy": 0.0, "click_events": 1 }));
    vec![
        (
            "1 one mouse event",
            "",
            vec![("mouse", json!({ "entropy": 0.74, "samples": 128 }))],
            [75, 75, 75],
            &[],
        ),
        ("2 a person", "", vec![human(), passed()], [96, 96, 96], &[]),
        ("3 passed probe only", "", vec![passed()], [60, 60, 99], &[]),
        ("4 webdriver only", "", vec![webdriver()], [45, 60, 99], &[]),
        (
            "5 webdriver, idle",
            "",
            vec![webdriver(), idle()],
            [1, 1, 1],
            &[33_554_433, 50_331_648, 50_331_651],
        ),
        (
            "6 probe reports failure, idle",
            "",
            vec![("js_probe", json!({ "js_passed": false })), idle()],
            [5, 5, 5],
            &[33_554_439, 50_331_648, 50_331_651],
        ),
        (
            "7 webdriver, short",
            "",
            vec![webdriver(), snapshot(json!({ "total_ms": 2000 }))],
            [45, 60, 99],
            &[],
        ),
        ("8 a person with curl", "curl/8.5.0", vec![human(), passed()], [5, 5, 5], &[16_777_218]),
        ("9 straight path", "", vec![straight(), passed()], [15, 15, 15], &[50_331_649]),
        (
            "10 straight path, webdriver",
            "",
            vec![straight(), webdriver()],
            [5, 5, 5],
            &[33_554_433, 50_331_649, 50_331_654],
        ),
        ("11 a person, webdriver", "", vec![human(), webdriver()], [76, 76, 96], &[]),
        (
            "12 long visible, idle",
            "",
            vec![passed(), snapshot(json!({ "visible_ms": 40_000 }))],
            [40, 40, 40],
            &[],
        ),
        (
            "14 touch",
            "",
            vec![
                snapshot(json!({
                    "pointer_moves": 6, "pointer_types": ["touch"], "scroll_events": 5, "scroll_velocity": 900,
                    "click_events": 2, "coarse_pointer": 1, "time_to_first_input_ms": 1400, "first_input_delay_ms": 11
                })),
                passed(),
            ],
            [94, 94, 94],
            &[],
        ),
        (
            "15 keyboard",
            "",
            vec![
                snapshot(json!({
                    "key_events": 14, "click_events": 1, "time_to_first_input_ms": 2100, "first_input_delay_ms": 3
                })),
                passed(),
            ],
            [74, 74, 74],
            &[],
        ),
        (
            "16 screen reader",
            "",
            vec![
                snapshot(
                    json!({ "click_events": 1, "time_to_first_input_ms": 4000, "first_input_delay_ms": 4 }),
                ),
                passed(),
            ],
            [35, 35, 35],
            &[],
        ),
        (
            "18 scrolling too fast",
            "",
            vec![snapshot(json!({ "scroll_events": 6, "scroll_velocity": 90_000 })), passed()],
            [28, 28, 28],
            &[50_331_653],
        ),
    ]
}

#[tokio::test]
async fn published_vectors_hold_under_every_threshold() {
    let site = Site::start().await;
    let mut tokens = Vec::new();
    for (name, user_agent, events, scores, ids) in vectors() {
        let headers: &[(&str, &str)] =
            if user_agent.is_empty() { &[] } else { &[("user-agent", user_agent)] };
        let answer = site.ingest_with(headers, &batch(None, &events)).await;
        assert_eq!(answer.status, 202, "{name}");
        tokens.push((name, answer.json["session_token"].as_str().unwrap().to_owned(), scores, ids));
    }
    for (index, threshold) in [30, 60, 99].into_iter().enumerate() {
        assert_eq!(site.settings(&json!({ "likely_bot_threshold": threshold })).await.status, 200);
        for (name, token, scores, ids) in &tokens {
            let verdict = site.scored(token).await;
            let expected = scores[index];
            let band = match expected {
                1 => "definite",
                score if score < threshold => "likely_automated",
                _ => "likely_human",
            };
            assert_eq!(verdict["score"], expected, "{name} at {threshold}: {verdict}");
            assert_eq!(verdict["verdict"], band, "{name} at {threshold}: {verdict}");
            assert_eq!(verdict["action"], "allow");
            if threshold == 30 {
                assert_eq!(verdict["detection_ids"], json!(ids), "{name}");
            }
            // No bot-banded verdict lacks an id; people have none.
            assert_eq!(
                verdict["detection_ids"].as_array().unwrap().is_empty(),
                band == "likely_human",
                "{verdict}"
            );
        }
    }
}

#[tokio::test]
async fn vector_13_a_page_event_alone_tells_nothing() {
    let site = Site::start().await;
    let token = site.session(&[("page", json!({ "page_path_hash": "9cb2d74a2bccc71a" }))]).await;
    let other = site.session(&[("js_probe", json!({ "js_passed": true }))]).await;
    // The later session is scored, so the earlier one has been looked at.
    site.scored(&other).await;
    assert_eq!(site.verdict(&token, "").await.json, fail_open());
}

#[tokio::test]
async fn vector_17_a_hosting_network_is_noticed() {
    let site =
        Site::with(|config| config.botect.hosting_networks = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let token =
        site.session(&[("snapshot", human_snapshot()), ("js_probe", json!({ "js_passed": true }))]).await;
    let verdict = site.scored(&token).await;
    assert_eq!((&verdict["score"], &verdict["verdict"]), (&json!(35), &json!("likely_human")), "{verdict}");
    assert_eq!(verdict["reason"], "Some automation evidence, not enough to act on.");
    site.settings(&json!({ "likely_bot_threshold": 60 })).await;
    let verdict = site.scored(&token).await;
    assert_eq!(
        (&verdict["score"], &verdict["verdict"]),
        (&json!(35), &json!("likely_automated")),
        "{verdict}"
    );
    assert_eq!(verdict["detection_ids"], json!([16_777_223]));
}

#[tokio::test]
async fn the_documented_sample_is_reproduced() {
    let site = Site::start().await;
    let snapshot = json!({
        "mouse_moves": 24, "mouse_entropy": 0.18, "scroll_events": 2, "scroll_velocity": 400, "click_events": 1,
        "visibility_changes": 1
    });
    let token = site.session(&[("snapshot", snapshot)]).await;
    assert_eq!(
        site.scored(&token).await,
        json!({
            "verdict": "likely_human", "score": 87, "action": "allow", "detection_ids": [],
            "reason": "No bot signals; natural interaction profile."
        })
    );
}
