//! The hot paths of core: speed challenge, token, score, classification.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used, reason = "a benchmark")]

use std::{collections::BTreeMap, hint::black_box};

use criterion::{Criterion, criterion_group, criterion_main};
use quivive_core::Timestamp;
use quivive_core::agent::{Classifier, RequestFacts};
use quivive_core::challenge::{TimeLimit, check_speed, solve_speed, speed};
use quivive_core::crypto;
use quivive_core::motion::Motion;
use quivive_core::score::{
    self, Aggregate, Session, Threshold, aggregate::Behavioral, motion::Model, payload::Batch,
};
use quivive_core::token::{Claims, Jwk, Jwks, Signer, Verifier, VerifyPolicy};

const NOW: Timestamp = Timestamp::from_seconds(1_771_156_800);

fn challenges(criterion: &mut Criterion) {
    let generate = || speed::generate(None, TimeLimit::default(), black_box(&[7; 32]), NOW);
    let made = generate();
    let numbers: Vec<u64> =
        made.question.problems.expect("problems").iter().map(|problem| problem.num).collect();
    let answers = serde_json::json!(solve_speed(&numbers));
    criterion.bench_function("speed challenge: generate", |bencher| bencher.iter(generate));
    criterion.bench_function("speed challenge: solve", |bencher| {
        bencher.iter(|| solve_speed(black_box(&numbers)))
    });
    criterion.bench_function("speed challenge: check", |bencher| {
        bencher.iter(|| check_speed(black_box(&made.challenge), &answers, NOW).expect("right answers"));
    });
}

fn tokens(criterion: &mut Criterion) {
    let key = Jwk::generate(&[9; 32], Some("bench")).expect("key");
    let keys: Jwks = Jwks::publish(std::slice::from_ref(&key)).expect("key set");
    let signer = Signer::from_jwk(&key).expect("signer");
    let claims = Claims::access("challenge", 40, "token", NOW, 3600);
    let token = signer.sign(&claims).expect("token");
    let verifier = Verifier::new(&keys, VerifyPolicy::default()).expect("verifier");
    criterion.bench_function("token: sign ES256", |bencher| bencher.iter(|| signer.sign(black_box(&claims))));
    criterion.bench_function("token: verify ES256", |bencher| {
        bencher.iter(|| verifier.verify(black_box(&token), NOW).expect("valid"));
    });
    let message = b"one message".as_slice();
    let signing = crypto::SigningKey::from_seed(&[9; 32]).expect("key");
    let signature = signing.sign(message).expect("signature");
    let (x, y) = signing.verifying_key().coordinates();
    let native = crypto::aws_lc::VerifyingKey::from_coordinates(&x, &y).expect("key");
    let portable = crypto::rustcrypto::VerifyingKey::from_coordinates(&x, &y).expect("key");
    criterion.bench_function("verify ES256: aws-lc-rs", |bencher| {
        bencher.iter(|| assert!(native.verify(black_box(message), &signature)));
    });
    criterion.bench_function("verify ES256: RustCrypto", |bencher| {
        bencher.iter(|| assert!(portable.verify(black_box(message), &signature)));
    });
    criterion
        .bench_function("sha256 of 64 bytes", |bencher| bencher.iter(|| crypto::sha256(black_box(&[1; 64]))));
}

fn scores(criterion: &mut Criterion) {
    let text = r#"{"session_token": null, "events": [
        {"request_id": "1", "type": "page", "received_at": "2026-10-02T08:15:12.004Z", "payload": {}},
        {"request_id": "2", "type": "snapshot", "received_at": "2026-10-02T08:15:12.004Z", "payload": {
            "total_ms": 9000, "visible_ms": 8800, "visibility_changes": 0, "mouse_moves": 31, "pointer_moves": 33,
            "pointer_types": ["mouse"], "mouse_entropy": 0.22, "scroll_events": 4, "scroll_velocity": 512,
            "click_events": 1, "key_events": 0, "first_input_delay_ms": 4, "time_to_first_input_ms": 2100}},
        {"request_id": "3", "type": "js_probe", "received_at": "2026-10-02T08:15:12.004Z", "payload": {
            "js_passed": true, "webdriver": false, "languages": ["nl", "en-GB"]}}]}"#;
    let batch = Batch::parse(text).expect("batch");
    let mut session = Session::default();
    batch.events.iter().for_each(|event| session.apply(event));
    criterion
        .bench_function("batch of 3 events: check", |bencher| bencher.iter(|| Batch::parse(black_box(text))));
    criterion.bench_function("session: aggregate and score", |bencher| {
        bencher.iter(|| {
            let engines = score::evaluate(&black_box(&session).aggregate(), None);
            score::combine(&engines, Threshold::DEFAULT)
        });
    });
}

fn movement(criterion: &mut Criterion) {
    let session = |motion: &mut Motion| {
        // A hand-like wave: the arithmetic does not depend on the shape.
        for event in 0..500_u32 {
            let time = f64::from(event) * 16.0;
            let swing = f64::from(event % 50) - 25.0;
            motion.moved(time, 400.0 + (swing * swing).round(), 300.0 + (swing * 7.0).round());
            if event % 50 == 49 {
                motion.pressed(time + 1.0, 400.0, 300.0);
                motion.released(time + 2.0, 400.0, 300.0);
            }
        }
    };
    let mut motion = Motion::default();
    session(&mut motion);
    let features: BTreeMap<String, f64> =
        motion.features().map(|(name, value)| (name.to_owned(), value)).collect();
    criterion.bench_function("motion: 500 events and features", |bencher| {
        bencher.iter(|| {
            let mut motion = Motion::default();
            session(black_box(&mut motion));
            motion.values()
        });
    });
    criterion
        .bench_function("motion: naturalness", |bencher| bencher.iter(|| black_box(&motion).naturalness()));
    criterion.bench_function("motion model: pointer", |bencher| {
        bencher.iter(|| Model::built_in().pointer(black_box(&features)));
    });
    let aggregate = Aggregate {
        behavioral: Behavioral {
            observed: true,
            mouse_moves: Some(500),
            mouse_entropy: Some(0.5),
            motion: features,
            ..Behavioral::default()
        },
        ..Aggregate::default()
    };
    criterion.bench_function("session with motion: score", |bencher| {
        bencher.iter(|| score::combine(&score::evaluate(black_box(&aggregate), None), Threshold::DEFAULT));
    });
}

fn classification(criterion: &mut Criterion) {
    let classifier = Classifier::new();
    let browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
    let headers = [
        ("accept", "text/html"),
        ("accept-encoding", "gzip, br"),
        ("accept-language", "en"),
        ("user-agent", browser),
        ("sec-ch-ua", "\"Chromium\";v=\"140\""),
        ("sec-ch-ua-platform", "\"Linux\""),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-dest", "document"),
        ("host", "example.com"),
        ("connection", "keep-alive"),
    ];
    let facts = RequestFacts {
        headers: Some(headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
        url: Some("https://example.com/".to_owned()),
        ..RequestFacts::default()
    };
    criterion.bench_function("user agent: class", |bencher| {
        bencher.iter(|| black_box(classifier.class_of_user_agent(black_box(browser))));
    });
    criterion.bench_function("request: classify", |bencher| {
        bencher.iter(|| classifier.classify(black_box(&facts)))
    });
}

criterion_group!(benches, challenges, tokens, scores, movement, classification);
criterion_main!(benches);
