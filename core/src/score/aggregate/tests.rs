use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn event(kind: &str, payload: Value) -> Event {
    serde_json::from_value(json!({
        "request_id": "e", "type": kind, "received_at": "2026-10-02T08:15:00Z", "payload": payload,
    }))
    .unwrap()
}

fn direct(events: &[Event]) -> Aggregate {
    let mut session = Session::default();
    events.iter().for_each(|event| session.apply(event));
    session.aggregate()
}

#[test]
fn equal_measures_have_exactly_that_mean() {
    for entropy in [0.05, 0.02, 0.3, 0.1, 0.181] {
        for moves in [1, 3, 7, 24, 999_999] {
            let snapshot = event("snapshot", json!({ "mouse_entropy": entropy, "mouse_moves": moves }));
            let page = event("page", json!({}));
            let session = direct(&[snapshot.clone(), page.clone(), snapshot.clone(), page, snapshot]);
            assert_eq!(session.behavioral.mouse_entropy, Some(entropy), "{moves} moves");
        }
    }
}

#[test]
fn forwarded_events_belong_to_their_page() {
    let snapshot = |moves| event("snapshot", json!({ "mouse_moves": moves }));
    let mut session = Session::default();
    session.apply_to_page("a", &snapshot(5));
    session.apply_to_page("b", &snapshot(7));
    session.apply_to_page("a", &event("page", json!({})));
    session.apply_to_page("a", &snapshot(6));
    session.apply(&snapshot(1));
    assert_eq!(session.aggregate().behavioral.mouse_moves, Some(14));
}

#[test]
fn many_forwarded_pages_keep_a_small_state() {
    let mut session = Session::default();
    for page in 0..500 {
        session.apply_to_page(&format!("{page:032x}"), &event("snapshot", json!({ "mouse_moves": 2 })));
    }
    assert_eq!(session.aggregate().behavioral.mouse_moves, Some(1000));
    assert!(serde_json::to_string(&session).unwrap().len() < 8_000);
}

#[test]
fn the_first_input_is_that_of_the_earliest_page() {
    let input = |delay| event("first_input", json!({ "first_input_delay_ms": delay }));
    let mut session = Session::default();
    session.apply(&event("page", json!({})));
    session.apply_to_page("b", &input(9));
    session.apply(&input(4));
    session.apply(&input(5));
    assert_eq!(session.aggregate().behavioral.first_input_delay_ms, Some(4));
    session.apply(&event("page", json!({})));
    session.apply(&input(6));
    assert_eq!(session.aggregate().behavioral.first_input_delay_ms, Some(4));
}

#[test]
fn an_explicit_address_goes_before_others() {
    let mut session = Session::default();
    session.observe_address("192.0.2.1".to_owned(), true);
    assert_eq!(
        (session.context().address(), session.context().explicit_address()),
        (Some("192.0.2.1"), None)
    );
    session
        .observe_request(DirectRequest { address: Some("192.0.2.2".to_owned()), ..DirectRequest::default() });
    assert_eq!(session.context().address(), Some("192.0.2.2"));
    session.observe_address("192.0.2.3".to_owned(), false);
    assert_eq!(session.context().explicit_address(), Some("192.0.2.3"));
}

#[test]
fn only_a_verification_that_held_names_a_bot() {
    let mut session = Session::default();
    for (outcome, is_verified) in [(Outcome::Yes, true), (Outcome::No, false), (Outcome::Unknown, false)] {
        session.observe_verification(Some(Verification {
            name: "Googlebot".to_owned(),
            category: "Search".to_owned(),
            outcome,
        }));
        assert_eq!(session.context().verified_bot().is_some(), is_verified);
    }
    session.observe_verification(None);
    assert_eq!(session.context().verified_bot(), None);
}

fn any_event() -> impl Strategy<Value = Event> {
    let payload = (0..50_u32, 0..=1_000_u32, 0..50_u32, any::<bool>(), 0..5_000_u32).prop_map(
        |(moves, entropy, scrolls, webdriver, delay)| {
            json!({
                "mouse_moves": moves, "mouse_entropy": f64::from(entropy) / 1000.0, "scroll_events": scrolls,
                "scroll_velocity": scrolls * 10, "webdriver": webdriver, "first_input_delay_ms": delay,
            })
        },
    );
    (proptest::sample::select(vec!["page", "snapshot", "mouse", "js_probe"]), payload).prop_map(
        |(kind, mut payload)| {
            if kind == "snapshot" {
                payload["motion_version"] = json!(1);
                payload["motion_moves"] = payload["mouse_moves"].clone();
                payload["motion_axis_long"] = payload["mouse_entropy"].clone();
                payload["motion_keys"] = payload["scroll_events"].clone();
            }
            event(kind, payload)
        },
    )
}

proptest! {
    #[test]
    fn a_stored_state_goes_on_as_if_never_stored(
        events in proptest::collection::vec((any_event(), proptest::option::of(0..3_u8)), 0..30),
        stop in 0..30_usize,
    ) {
        let mut whole = Session::default();
        let mut stored = Session::default();
        for (index, (event, page)) in events.iter().enumerate() {
            if index == stop {
                stored = serde_json::from_str(&serde_json::to_string(&stored).unwrap()).unwrap();
            }
            for session in [&mut whole, &mut stored] {
                match page {
                    Some(page) => session.apply_to_page(&page.to_string(), event),
                    None => session.apply(event),
                }
            }
        }
        prop_assert_eq!(&whole, &stored);
        let signals = whole.aggregate();
        prop_assert_eq!(signals.browser_events, events.len() as u64);
        prop_assert!(signals.behavioral.mouse_entropy.is_none_or(|entropy| (0.0..=1.0).contains(&entropy)));
    }
}
