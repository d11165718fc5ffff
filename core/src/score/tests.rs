//! Properties of the whole way from signals to verdict.

use proptest::prelude::*;

use std::collections::BTreeMap;

use super::{
    aggregate::{Behavioral, Context, DirectRequest, JsDetection, PageHits, Verification},
    payload::PointerType,
    *,
};
use crate::score::aggregate::Outcome;

fn threshold(value: u8) -> Threshold {
    Threshold::new(value).unwrap()
}

fn scored(session: &Aggregate, value: u8) -> Score {
    combine(&evaluate(session, Some(Timestamp::from_seconds(1_000_000))), threshold(value))
}

fn person() -> Aggregate {
    Aggregate {
        browser_events: 3,
        behavioral: Behavioral {
            observed: true,
            mouse_entropy: Some(0.181),
            scroll_velocity: Some(387.0),
            visibility_changes: Some(1),
            first_input_delay_ms: Some(6),
            time_to_first_input_ms: Some(7_500),
            total_ms: Some(60_000),
            visible_ms: Some(50_000),
            mouse_moves: Some(24),
            pointer_moves: Some(24),
            scroll_events: Some(2),
            click_events: Some(1),
            key_events: Some(3),
            scroll_max_depth_pct: Some(60),
            max_touch_points: Some(0),
            coarse_pointer: Some(0),
            pointer_types: vec![PointerType::Mouse],
            motion: BTreeMap::new(),
        },
        js_detection: JsDetection { passed: Some(true), ..JsDetection::default() },
        context: Context {
            direct: Some(DirectRequest {
                user_agent: Some(
                    "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0".to_owned(),
                ),
                address: Some("203.0.113.7".to_owned()),
                secure: true,
                sec_ch_ua: true,
                sec_fetch_mode: true,
            }),
            page_hits: PageHits { count: 4, first_at: Some(Timestamp::default()), bare_headers: false },
            ..Context::default()
        },
    }
}

/// Takes signals away from a session; each line is one signal that may be absent.
const ABSENCES: [fn(&mut Aggregate); 18] = [
    |session| session.behavioral.mouse_entropy = None,
    |session| session.behavioral.scroll_velocity = None,
    |session| session.behavioral.visibility_changes = None,
    |session| session.behavioral.first_input_delay_ms = None,
    |session| session.behavioral.time_to_first_input_ms = None,
    |session| session.behavioral.total_ms = None,
    |session| session.behavioral.visible_ms = None,
    |session| session.behavioral.mouse_moves = None,
    |session| session.behavioral.pointer_moves = None,
    |session| session.behavioral.scroll_events = None,
    |session| session.behavioral.click_events = None,
    |session| session.behavioral.key_events = None,
    |session| session.behavioral.coarse_pointer = None,
    |session| session.behavioral.pointer_types.clear(),
    |session| session.behavioral.observed = false,
    |session| session.js_detection = JsDetection::default(),
    |session| session.context.direct = None,
    |session| {
        session.browser_events = 0;
        session.behavioral = Behavioral::default();
        session.js_detection = JsDetection::default();
    },
];

#[test]
fn missing_evidence_alone_never_makes_a_bot() {
    let strictest_without_a_person_being_a_bot = 35;
    let thresholds = [1, 2, 30, strictest_without_a_person_being_a_bot];
    for absent in 0..1_u32 << ABSENCES.len() {
        let mut session = person();
        for (index, take) in ABSENCES.iter().enumerate() {
            if absent & (1 << index) != 0 {
                take(&mut session);
            }
        }
        let engines = evaluate(&session, Some(Timestamp::from_seconds(1_000_000)));
        for value in thresholds {
            let band = combine(&engines, threshold(value)).band;
            assert!(!band.is_bot(), "absent {absent:b}, threshold {value}: {engines:?}");
        }
    }
}

#[test]
fn a_session_without_any_script_is_no_bot_under_any_threshold() {
    let mut session = Aggregate { context: person().context, ..Aggregate::default() };
    for value in 1..=99 {
        let score = scored(&session, value);
        assert_eq!((score.score, score.band), (value.max(35), Band::LikelyHuman));
        assert_eq!(score.detection_ids, [16_777_225]);
        assert_eq!(score.reason, "Some automation evidence, not enough to act on.");
    }
    session.context.page_hits.bare_headers = true;
    assert_eq!((scored(&session, 30).score, scored(&session, 30).band), (20, Band::LikelyAutomated));
    session.context.page_hits.bare_headers = false;
    session.context.hosting_network = true;
    assert_eq!((scored(&session, 30).score, scored(&session, 30).band), (25, Band::LikelyAutomated));
}

fn failures() -> impl Iterator<Item = JsDetection> {
    (1..128_u8).map(|tells| JsDetection {
        passed: Some(false),
        webdriver: tells & 1 != 0,
        headless: tells & 2 != 0,
        headless_ua: tells & 4 != 0,
        zero_viewport: tells & 8 != 0,
        missing_plugins: tells & 16 != 0,
        navigator_anomaly: tells & 32 != 0,
        reported_failure: tells & 64 != 0,
    })
}

#[test]
fn a_failed_probe_alone_is_no_bot_under_any_threshold() {
    for js_detection in failures() {
        let session = Aggregate { browser_events: 1, js_detection, ..Aggregate::default() };
        for value in 1..=99 {
            assert_eq!(scored(&session, value).band, Band::LikelyHuman, "threshold {value}");
        }
    }
}

#[test]
fn a_failed_probe_never_takes_a_score_below_the_threshold() {
    for value in 1..=99 {
        for behavioral in 1..=99 {
            let engines = |passed| EngineResults {
                behavioral: Opinion { score: Some(behavioral), ..Opinion::default() },
                js_passed: passed,
                ..EngineResults::default()
            };
            let before = combine(&engines(Some(true)), threshold(value)).score;
            let after = combine(&engines(Some(false)), threshold(value)).score;
            assert!(after <= before);
            let floor = value.max(2);
            assert!(before < floor || after >= floor, "threshold {value}, behavioral {behavioral}");
        }
    }
}

#[test]
fn every_bot_band_names_an_id_and_a_reason() {
    for value in 1..=99 {
        for behavioral in 1..=99 {
            let engines = EngineResults {
                behavioral: Opinion { score: Some(behavioral), ..Opinion::default() },
                ..EngineResults::default()
            };
            let score = combine(&engines, threshold(value));
            if score.band.is_bot() {
                assert_eq!(score.detection_ids, [50_331_655]);
                assert_eq!(score.reason, "Interaction profile below the project's threshold.");
            }
        }
    }
}

#[test]
fn a_reason_has_at_most_three_phrases_of_the_deciding_engine() {
    let mut session = person();
    session.behavioral.mouse_entropy = Some(0.0);
    session.behavioral.time_to_first_input_ms = Some(3);
    session.behavioral.scroll_events = Some(9);
    session.behavioral.scroll_velocity = Some(90_000.0);
    session.js_detection = JsDetection { passed: Some(false), webdriver: true, ..JsDetection::default() };
    let score = scored(&session, 30);
    assert_eq!(score.detection_ids, [33_554_433, 50_331_649, 50_331_652, 50_331_653, 50_331_654]);
    assert_eq!(
        score.reason,
        "Pointer path has no natural variation; first input faster than human reaction; scrolling faster than a person."
    );
    // On a tie the heuristics speak.
    session.context.direct =
        Some(DirectRequest { user_agent: Some("curl/8.5.0".to_owned()), ..DirectRequest::default() });
    assert_eq!(scored(&session, 30).reason, "HTTP library user agent.");
}

#[test]
fn only_one_of_session_and_engines_is_taken() {
    let input = |session, engines| ScoreSession {
        session,
        engines,
        likely_bot_threshold: Threshold::DEFAULT,
        now: None,
    };
    assert!(score_session(input(None, None)).is_err());
    assert!(score_session(input(Some(Aggregate::default()), Some(EngineResults::default()))).is_err());
    assert_eq!(score_session(input(Some(person()), None)).unwrap().score, 99);
    let engines = EngineResults {
        heuristics: Opinion { score: Some(0), ..Opinion::default() },
        ..EngineResults::default()
    };
    let error = score_session(input(None, Some(engines))).unwrap_err();
    assert_eq!(error.details()["path"], "engines.heuristics.score");
}

fn count() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![Just(None), (0..60_u64).prop_map(Some), any::<u64>().prop_map(Some)]
}

fn milliseconds() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![Just(None), (0..4_000_u32).prop_map(Some)]
}

fn any_behavior() -> impl Strategy<Value = Behavioral> {
    let entropy = proptest::option::of(prop_oneof![0.0..=0.06, 0.0..=1.0_f64]);
    let velocity = proptest::option::of(0.0..=100_000.0_f64);
    let pointers =
        proptest::sample::subsequence(vec![PointerType::Mouse, PointerType::Touch, PointerType::Pen], 0..=3);
    let counts = (count(), count(), count(), count(), count(), count());
    let times = (milliseconds(), milliseconds(), count(), count());
    (any::<bool>(), entropy, velocity, pointers, counts, times, proptest::option::of(0..=1_u32)).prop_map(
        |(observed, mouse_entropy, scroll_velocity, pointer_types, counts, times, coarse_pointer)| {
            Behavioral {
                observed,
                mouse_entropy,
                scroll_velocity,
                pointer_types,
                coarse_pointer,
                mouse_moves: counts.0,
                pointer_moves: counts.1,
                scroll_events: counts.2,
                click_events: counts.3,
                key_events: counts.4,
                visibility_changes: counts.5,
                first_input_delay_ms: times.0,
                time_to_first_input_ms: times.1,
                total_ms: times.2,
                visible_ms: times.3,
                ..Behavioral::default()
            }
        },
    )
}

fn any_probe() -> impl Strategy<Value = JsDetection> {
    let passed = JsDetection { passed: Some(true), ..JsDetection::default() };
    prop_oneof![
        Just(JsDetection::default()),
        Just(passed),
        proptest::sample::select(failures().collect::<Vec<_>>()),
    ]
}

fn any_context() -> impl Strategy<Value = Context> {
    let user_agent = proptest::option::of(prop_oneof![
        Just("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0".to_owned()),
        Just("curl/8.5.0".to_owned()),
        Just("Mozilla/5.0 HeadlessChrome/131.0.0.0 Safari/537.36".to_owned()),
        Just("Mozilla/5.0 (compatible; Googlebot/2.1)".to_owned()),
        ".{0,40}",
    ]);
    let outcomes = proptest::option::of(proptest::sample::select(vec![Outcome::No, Outcome::Unknown]));
    (user_agent, any::<[bool; 6]>(), outcomes, 0..5_u32).prop_map(|(user_agent, flags, outcome, count)| {
        Context {
            direct: flags[0].then(|| DirectRequest {
                user_agent,
                address: flags[1].then(|| "203.0.113.7".to_owned()),
                secure: flags[2],
                sec_ch_ua: flags[3],
                sec_fetch_mode: flags[3],
            }),
            hosting_network: flags[4],
            page_hits: PageHits { count, first_at: Some(Timestamp::default()), bare_headers: flags[5] },
            verification: outcome.map(|outcome| Verification {
                name: "Googlebot".to_owned(),
                category: "Search".to_owned(),
                outcome,
            }),
            ..Context::default()
        }
    })
}

fn any_session() -> impl Strategy<Value = Aggregate> {
    (any_behavior(), any_probe(), any_context(), 0..2_u64).prop_map(
        |(behavioral, js_detection, context, browser_events)| Aggregate {
            browser_events,
            behavioral,
            js_detection,
            context,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_score_keeps_its_promises(session in any_session(), value in 1..=99_u8) {
        let score = scored(&session, value);
        prop_assert!(score.score <= 99);
        prop_assert_eq!(score.band, Band::of(score.score, threshold(value)));
        prop_assert!(score.detection_ids.is_sorted());
        prop_assert!(score.detection_ids.iter().all(|id| Detection::from_number(*id).is_some()));
        prop_assert!(!score.band.is_bot() || !score.detection_ids.is_empty());
        prop_assert!(score.reason.ends_with('.') && score.reason.matches("; ").count() <= 2);
        prop_assert!(score.evidence.iter().all(|item| Detection::from_id(&item.id).is_some()));
    }

    #[test]
    fn a_heuristic_that_joins_never_raises_a_score(session in any_session(), value in 1..=99_u8) {
        let alone = |score: &Score| score.detection_ids.iter().all(|id| *id == 16_777_225 || *id >= 33_554_432);
        let before = scored(&session, value);
        let mut after = session;
        after.context.direct.get_or_insert_default().user_agent = Some("curl/8.5.0".to_owned());
        let after = scored(&after, value);
        prop_assert!(after.score <= 5);
        prop_assert!(before.score == 0 || after.score <= before.score || !alone(&before));
    }

    #[test]
    fn a_tell_that_joins_never_raises_a_score(session in any_session(), value in 1..=99_u8) {
        let mut clean = session;
        clean.js_detection = JsDetection { passed: Some(true), ..JsDetection::default() };
        let mut failed = clean.clone();
        failed.js_detection = JsDetection { passed: Some(false), webdriver: true, ..JsDetection::default() };
        prop_assert!(scored(&failed, value).score <= scored(&clean, value).score);
    }

    #[test]
    fn a_stricter_threshold_never_calls_a_bot_a_person(session in any_session(), one in 1..=99_u8, other in 1..=99_u8) {
        let js_detection = JsDetection::default();
        let session = Aggregate { js_detection, browser_events: 1, ..session };
        let (low, high) = (scored(&session, one.min(other)), scored(&session, one.max(other)));
        prop_assert!(!low.band.is_bot() || high.band.is_bot());
        prop_assert_eq!(low.score, high.score);
    }

    #[test]
    fn a_score_survives_the_way_through_json(session in any_session(), value in 1..=99_u8) {
        let read: Aggregate = serde_json::from_str(&serde_json::to_string(&session).unwrap()).unwrap();
        let score = scored(&read, value);
        prop_assert_eq!(&score, &scored(&session, value));
        let read: Score = serde_json::from_str(&serde_json::to_string(&score).unwrap()).unwrap();
        let verdict = resolve(&read, &BotSettings::default(), false, &[]).verdict;
        prop_assert_eq!(verdict.score, score.score);
        prop_assert_eq!(verdict.action, Action::Allow);
    }
}
