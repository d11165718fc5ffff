use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::ErrorKind;

fn event_of(kind: &str, payload: &Value) -> Value {
    json!({ "request_id": "e-1", "type": kind, "received_at": "2026-10-02T08:15:00.120Z", "payload": payload })
}

fn batch_of(events: &[Value]) -> Value {
    json!({ "session_token": null, "events": events })
}

fn check(kind: &str, payload: &Value) -> Result<Payload> {
    let mut batch = Batch::parse(&batch_of(&[event_of(kind, payload)]).to_string())?;
    Ok(batch.events.remove(0).payload)
}

fn path(error: &crate::Error) -> &str {
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    error.details().get("path").and_then(Value::as_str).unwrap()
}

/// Each numeric key, its largest value and whether it takes fractions.
const NUMBERS: [(&str, u32, bool); 15] = [
    ("mouse_entropy", 1, true),
    ("scroll_velocity", 1_000_000, true),
    ("visibility_changes", 10_000, false),
    ("first_input_delay_ms", 86_400_000, false),
    ("time_to_first_input_ms", 86_400_000, false),
    ("total_ms", 86_400_000, false),
    ("visible_ms", 86_400_000, false),
    ("mouse_moves", 1_000_000, false),
    ("pointer_moves", 1_000_000, false),
    ("scroll_events", 1_000_000, false),
    ("click_events", 100_000, false),
    ("key_events", 100_000, false),
    ("scroll_max_depth_pct", 100, false),
    ("max_touch_points", 100, false),
    ("coarse_pointer", 1, false),
];

const FLAGS: [&str; 7] = [
    "js_passed",
    "webdriver",
    "headless",
    "headless_ua",
    "zero_viewport",
    "missing_plugins",
    "navigator_anomaly",
];

const ALIASES: [(&str, &str, &str); 8] = [
    ("mouse", "entropy", "mouse_entropy"),
    ("mouse", "samples", "mouse_moves"),
    ("scroll", "velocity", "scroll_velocity"),
    ("scroll", "events", "scroll_events"),
    ("scroll", "depth_pct", "scroll_max_depth_pct"),
    ("visibility", "changes", "visibility_changes"),
    ("first_input", "delay_ms", "first_input_delay_ms"),
    ("js_probe", "passed", "js_passed"),
];

fn is_accepted(kind: &str, key: &str, value: &Value) -> bool {
    match check(kind, &json!({ key: value })) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(path(&error), format!("events[0].payload.{key}"));
            false
        }
    }
}

#[test]
fn numbers_end_at_their_range() {
    for (key, most, takes_fractions) in NUMBERS {
        for kind in EventKind::ALL.map(EventKind::name) {
            for value in [json!(0), json!(most), json!(null)] {
                assert!(is_accepted(kind, key, &value), "{kind} {key} {value}");
            }
        }
        for value in [json!(-1), json!(u64::from(most) + 1), json!(-0.5), json!(1e300), json!(u64::MAX)] {
            assert!(!is_accepted("snapshot", key, &value), "{key} {value}");
        }
        for value in [json!(true), json!("1"), json!([]), json!({}), json!([0])] {
            assert!(!is_accepted("snapshot", key, &value), "{key} {value}");
        }
        assert_eq!(is_accepted("snapshot", key, &json!(0.5)), takes_fractions, "{key}");
        assert_eq!(is_accepted("snapshot", key, &json!(1.0)), takes_fractions, "{key}");
    }
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for value in ["1e999", "-1e999", "NaN", "Infinity"] {
        let text = format!(
            r#"{{"events":[{{"request_id":"a","type":"snapshot","received_at":"2026-10-02T08:15:00Z","payload":{{"motion_x":{value}}}}}]}}"#
        );
        assert!(Batch::parse(&text).is_err(), "{value}");
    }
}

#[test]
fn flags_are_booleans_or_null() {
    for key in FLAGS {
        for value in [json!(true), json!(false), json!(null)] {
            assert!(is_accepted("js_probe", key, &value), "{key} {value}");
        }
        for value in [json!(0), json!(1), json!("true"), json!([]), json!({})] {
            assert!(!is_accepted("js_probe", key, &value), "{key} {value}");
        }
    }
}

#[test]
fn texts_keep_their_syntax() {
    let long_shape = format!("/{}", "a".repeat(63));
    let too_long_shape = format!("/{}", "a".repeat(64));
    let cases: [(&str, Vec<&str>, Vec<&str>); 3] = [
        (
            "collector_version",
            vec!["1.5.0", "0.0.0", "999.999.999"],
            vec!["", "1.5", "1.5.0.0", "1.5.1000", "1.5.x", "1..0", "v1.5.0", "1.5.0 "],
        ),
        (
            "page_path_hash",
            vec!["0", "9cb2d74a2bccc71a", "0123456789abcdef0123456789abcdef"],
            vec!["", "9CB2", "xyz", "0123456789abcdef0123456789abcdef0"],
        ),
        (
            "page_path_shape",
            vec!["/", "/orders/{n}", "/a.b/_-Z9", &long_shape],
            vec!["", "orders", "/a b", "/ü", "/a?b", &too_long_shape],
        ),
    ];
    for (key, accepted, refused) in cases {
        assert!(is_accepted("page", key, &json!(null)), "{key}");
        for text in accepted {
            assert!(is_accepted("page", key, &json!(text)), "{key} {text}");
        }
        for text in refused {
            assert!(!is_accepted("page", key, &json!(text)), "{key} {text}");
        }
        for value in [json!(1), json!(true), json!([]), json!({})] {
            assert!(!is_accepted("page", key, &value), "{key} {value}");
        }
    }
}

#[test]
fn lists_are_never_null() {
    let eleven = vec!["nl"; 11];
    let cases = [
        (
            "pointer_types",
            vec![json!([]), json!(["mouse"]), json!(["pen", "touch", "mouse"])],
            vec![
                json!(["finger"]),
                json!(["mouse", "mouse", "mouse", "mouse"]),
                json!([null]),
                json!(["Mouse"]),
            ],
        ),
        (
            "languages",
            vec![json!([]), json!(["nl", "en-GB", "zh-Hant-TW", "fil", "es-419"]), json!(vec!["nl"; 10])],
            vec![
                json!([""]),
                json!(["n"]),
                json!(["nl_NL"]),
                json!(["nl-N"]),
                json!(["a-b-c-d"]),
                json!(eleven),
                json!([1]),
                json!(["en-GB-x1-y2"]),
                json!(["12"]),
            ],
        ),
        ("plugins", vec![json!([])], vec![json!(["PDF"]), json!([null]), json!([[]])]),
    ];
    for (key, accepted, refused) in cases {
        for value in accepted {
            assert!(is_accepted("snapshot", key, &value), "{key} {value}");
        }
        for value in
            refused.into_iter().chain([json!(null), json!("mouse"), json!(1), json!({}), json!(true)])
        {
            assert!(!is_accepted("snapshot", key, &value), "{key} {value}");
        }
    }
}

#[test]
fn aliases_hold_in_their_own_kind_of_event() {
    for (own, alias, canonical) in ALIASES {
        let value = if alias == "passed" { json!(true) } else { json!(1) };
        let read = check(own, &json!({ alias: value })).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap()[canonical].as_f64(), value.as_f64(), "{alias}");
        for kind in EventKind::ALL.map(EventKind::name) {
            assert_eq!(is_accepted(kind, alias, &value), kind == own, "{alias} in {kind}");
        }
        let error = check(own, &json!({ alias: value, canonical: value })).unwrap_err();
        assert_eq!(path(&error), format!("events[0].payload.{alias}"));
    }
    assert!(!is_accepted("mouse", "entropy", &json!(1.001)));
    assert!(is_accepted("mouse", "entropy", &json!(null)));
}

#[test]
fn unlisted_keys_are_refused_at_every_level() {
    for key in ["x", "clientX", "text", "Mouse_entropy", "mouse_entropy ", "page_path", ""] {
        assert!(!is_accepted("snapshot", key, &json!(1)), "{key}");
    }
    let mut event = event_of("page", &json!({}));
    event["page_id"] = json!("x");
    let error = Batch::parse(&batch_of(&[event]).to_string()).unwrap_err();
    assert_eq!(path(&error), "events[0].page_id");
    let mut batch = batch_of(&[event_of("page", &json!({}))]);
    batch["extra"] = json!(1);
    assert_eq!(path(&Batch::parse(&batch.to_string()).unwrap_err()), "extra");
}

#[test]
fn what_was_accepted_can_be_read_again_after_it_was_stored() {
    // Shortly written, `1e9` is stored as `1000000000.0`: the text grows, but never beyond what is read.
    let numbers = (0..64).map(|index| format!(r#""motion_{index:0>57}":-1.797693134862315e308"#));
    let numbers: Vec<String> = numbers.collect();
    let event = |payload: &str| {
        format!(
            r#"{{"request_id":"e","type":"snapshot","received_at":"2026-10-02T08:15:00Z","payload":{payload}}}"#
        )
    };
    let filled = format!("{{{}}}", numbers.join(","));
    let padding = " ".repeat(MOST_PAYLOAD_BYTES - filled.len());
    for payload in [
        format!("{{{}{padding}}}", numbers.join(",")),
        r#"{"motion_x":1e9,"motion_y":1e300,"mouse_entropy":1e0,"scroll_velocity":-0.0}"#.to_owned(),
    ] {
        let events = parse_events(&format!("[{}]", event(&payload))).unwrap();
        let stored = serde_json::to_string(&events).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Event>>(&stored).unwrap(), events);
    }
}

#[test]
fn motion_numbers_belong_into_snapshots() {
    let features = |count: usize| -> Value {
        (0..count)
            .map(|index| (format!("motion_f{index}"), json!(-1.5)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let mut most = features(64);
    most["motion_version"] = json!(1);
    let read = check("snapshot", &most).unwrap();
    assert_eq!((read.motion.len(), read.motion_version), (64, Some(1)));
    assert_eq!(path(&check("snapshot", &features(65)).unwrap_err()), "events[0].payload");
    for kind in EventKind::ALL.map(EventKind::name) {
        for key in ["motion_version", "motion_x"] {
            assert_eq!(is_accepted(kind, key, &json!(1)), kind == "snapshot", "{kind}");
        }
    }
    let (longest, too_long) = (format!("motion_{}", "a".repeat(57)), format!("motion_{}", "a".repeat(58)));
    assert!(is_accepted("snapshot", &longest, &json!(1)));
    // The place in the error is cut to 64 characters.
    assert_eq!(
        path(&check("snapshot", &json!({ &too_long: 1 })).unwrap_err()),
        format!("events[0].payload.{longest}")
    );
    for key in ["motion_", "motion_X", "motion_é", "motion", "emotion_x"] {
        assert!(!is_accepted("snapshot", key, &json!(1)), "{key}");
    }
    for value in [json!("1"), json!(true), json!([1]), json!({})] {
        assert!(!is_accepted("snapshot", "motion_x", &value), "{value}");
    }
    assert!(!is_accepted("snapshot", "motion_version", &json!(1.5)));
    assert!(check("snapshot", &json!({ "motion_x": null })).unwrap().motion.is_empty());
}

#[test]
fn a_payload_ends_at_65_536_bytes() {
    let padded = |bytes: usize| {
        let payload = format!("{{{}}}", " ".repeat(bytes - 2));
        let event = r#"{"request_id":"a","type":"page","received_at":"2026-10-02T08:15:00Z","payload":"#;
        Batch::parse(&format!(r#"{{"events":[{event}{payload}}}]}}"#))
    };
    assert!(padded(65_536).is_ok());
    assert_eq!(path(&padded(65_537).unwrap_err()), "events[0].payload");
}

#[test]
fn an_empty_list_is_an_empty_payload() {
    assert_eq!(check("page", &json!([])).unwrap(), Payload::default());
    for payload in [json!([1]), json!(null), json!("x"), json!(1)] {
        assert_eq!(path(&check("page", &payload).unwrap_err()), "events[0].payload", "{payload}");
    }
    let mut event = event_of("page", &json!({}));
    event.as_object_mut().unwrap().remove("payload");
    assert!(Batch::parse(&batch_of(&[event]).to_string()).is_ok());
}

#[test]
fn a_batch_holds_1_to_100_events() {
    let event = event_of("page", &json!({}));
    for (count, is_valid) in [(0, false), (1, true), (100, true), (101, false)] {
        let result = Batch::parse(&batch_of(&vec![event.clone(); count]).to_string());
        assert_eq!(result.is_ok(), is_valid, "{count}");
        if let Err(error) = result {
            assert_eq!(path(&error), "events");
        }
    }
    for events in [json!(null), json!({}), json!("x")] {
        assert_eq!(path(&Batch::parse(&json!({ "events": events }).to_string()).unwrap_err()), "events");
    }
    assert_eq!(path(&Batch::parse("{}").unwrap_err()), "events");
}

#[test]
fn tokens_and_ids_keep_their_syntax() {
    let longest = "a".repeat(128);
    let too_long = "a".repeat(129);
    let event = event_of("page", &json!({}));
    for token in [json!(null), json!("a"), json!("sess_9-Z"), json!(longest)] {
        let batch = json!({ "session_token": token, "events": [event] });
        assert_eq!(Batch::parse(&batch.to_string()).unwrap().session_token.as_deref(), token.as_str());
    }
    for token in [json!(""), json!("a b"), json!("ä"), json!("a.b"), json!(too_long), json!(1), json!([])] {
        let batch = json!({ "session_token": token, "events": [event] });
        assert_eq!(path(&Batch::parse(&batch.to_string()).unwrap_err()), "session_token", "{token}");
        let mut event = event.clone();
        event["request_id"] = token;
        assert_eq!(path(&Batch::parse(&batch_of(&[event]).to_string()).unwrap_err()), "events[0].request_id");
    }
    assert!(is_collector_token("bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P"));
    for token in [
        "bt_k3J9xQ2mWv7Zr1Tt0bYcUe5",
        "bt_k3J9xQ2mWv7Zr1Tt0bYcUe5P1",
        "sess_k3J9xQ2mWv7Zr1Tt0bYcUe",
        "bt_k3J9xQ2mWv7Zr1Tt0bYcUe5.",
    ] {
        assert!(!is_collector_token(token), "{token}");
    }
}

#[test]
fn events_need_id_type_and_time() {
    for key in ["request_id", "type", "received_at"] {
        for value in [None, Some(json!(null)), Some(json!(1)), Some(json!("")), Some(json!("Page"))] {
            if key == "request_id" && value == Some(json!("Page")) {
                continue;
            }
            let mut event = event_of("page", &json!({}));
            let fields = event.as_object_mut().unwrap();
            fields.remove(key);
            fields.extend(value.map(|value| (key.to_owned(), value)));
            let error = Batch::parse(&batch_of(&[event]).to_string()).unwrap_err();
            assert_eq!(path(&error), format!("events[0].{key}"));
        }
    }
    for (time, is_valid) in [
        ("2026-10-02T08:15:00Z", true),
        ("2026-10-02T08:15:00.123456Z", true),
        ("2026-10-02T08:15:00.1234567Z", false),
        ("2026-02-30T08:15:00Z", false),
        ("2026-10-02T08:15:00+00:00", false),
    ] {
        let mut event = event_of("page", &json!({}));
        event["received_at"] = json!(time);
        assert_eq!(Batch::parse(&batch_of(&[event]).to_string()).is_ok(), is_valid, "{time}");
    }
}

#[test]
fn the_place_of_a_fault_is_told() {
    let events = [event_of("page", &json!({})), event_of("mouse", &json!({ "mouse_entropy": 1.5 }))];
    let error = Batch::parse(&batch_of(&events).to_string()).unwrap_err();
    assert_eq!(path(&error), "events[1].payload.mouse_entropy");
    assert_eq!(error.message(), "events[1].payload.mouse_entropy must be a number from 0 to 1 or null");
}

#[test]
fn the_site_key_is_read_from_bodies_that_are_wrong_elsewhere() {
    assert_eq!(peek_site_key(r#"{"site_key":"pk_1","events":7}"#).as_deref(), Some("pk_1"));
    for text in ["", "{}", "[]", r#"{"site_key":null}"#, r#"{"site_key":1}"#, r#"{"site_key":"pk_1""#] {
        assert_eq!(peek_site_key(text), None, "{text}");
    }
    for value in [json!(null), json!(1)] {
        let batch = json!({ "site_key": value, "events": [event_of("page", &json!({}))] });
        assert_eq!(path(&Batch::parse(&batch.to_string()).unwrap_err()), "site_key");
    }
}

#[test]
fn a_stored_event_reads_back_as_it_was() {
    let payload = json!({
        "mouse_entropy": 0.181, "scroll_velocity": 387, "mouse_moves": 24, "pointer_types": ["mouse"],
        "languages": ["nl"], "collector_version": "1.5.0", "page_path_hash": "9c", "page_path_shape": "/a",
        "motion_version": 2, "motion_jerk": -0.25, "plugins": [],
    });
    let batch = Batch::parse(&batch_of(&[event_of("snapshot", &payload)]).to_string()).unwrap();
    let stored = serde_json::to_value(&batch.events[0]).unwrap();
    assert_eq!(stored["received_at"], "2026-10-02T08:15:00.120Z");
    assert_eq!(stored["payload"].get("page_path_shape"), None);
    let read: Event = serde_json::from_value(stored).unwrap();
    assert_eq!(read, batch.events[0]);
    assert!(serde_json::from_value::<Event>(event_of("mouse", &json!({ "x": 1 }))).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(any_key(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    let known = ["events", "session_token", "site_key", "request_id", "type", "received_at", "payload"];
    let keys = NUMBERS.iter().map(|(key, ..)| *key).chain(FLAGS).chain(known).chain(["motion_x", "entropy"]);
    prop_oneof![proptest::sample::select(keys.map(str::to_owned).collect::<Vec<_>>()), ".{0,8}"]
}

proptest! {
    #[test]
    fn arbitrary_json_never_panics(value in any_json(), kind in 0..7_usize) {
        let _ = Batch::parse(&value.to_string());
        let _ = Batch::parse(&batch_of(std::slice::from_ref(&value)).to_string());
        let _ = check(EventKind::ALL[kind].name(), &value);
    }

    #[test]
    fn arbitrary_text_never_panics(text in ".{0,64}") {
        prop_assert!(Batch::parse(&text).is_err());
        prop_assert_eq!(is_session_token(&text), !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    }
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["[", "{\"a\":"] {
        let text = format!(r#"{{"events":{}"#, open.repeat(100_000));
        assert!(Batch::parse(&text).is_err());
    }
    let closed = format!(r#"{{"events":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    assert!(Batch::parse(&closed).is_err());
}
