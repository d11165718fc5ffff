//! The hot paths of core: speed challenge, token, score, classification.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use quivive_core::Timestamp;
use quivive_core::agent::{Classifier, RequestFacts};
use quivive_core::challenge::{
    Difficulty, TimeLimit, check_speed, hybrid, reasoning, solve_speed, speed, standard,
};
use quivive_core::crypto;
use quivive_core::motion::Motion;
use quivive_core::rules::{Facts, RuleSet, RuleSource};
use quivive_core::score::{
    self, Aggregate, Session, Threshold, aggregate::Behavioral, motion::Model, payload::Batch,
};
use quivive_core::signature::{
    DatedJwk, FoundKey, Line, MessageSigner, Request, SignaturePolicy, SigningPlan, VerificationKey,
    WantedKey, verify,
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
    criterion.bench_function("standard challenge: generate", |bencher| {
        bencher.iter(|| standard::generate(None, Difficulty::Medium, black_box(&[7; 32]), NOW));
    });
    // Families cost differently, so every round takes another seed.
    let mut seeds = (0_u64..).map(|number| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        seed
    });
    let mut seed = || seeds.next().expect("endless");
    criterion.bench_function("reasoning challenge: generate", |bencher| {
        bencher.iter(|| reasoning::generate(None, &seed(), NOW));
    });
    criterion.bench_function("hybrid challenge: generate", |bencher| {
        bencher.iter(|| hybrid::generate(None, TimeLimit::default(), &seed(), NOW));
    });
    let made = reasoning::generate(None, &[7; 32], NOW).challenge;
    let answers = made.expected.iter().map(|right| (right.id.clone(), right.answer.clone().into()));
    let answers = serde_json::Value::Object(answers.collect());
    criterion.bench_function("reasoning challenge: check", |bencher| {
        bencher.iter(|| reasoning::check(black_box(&made), &answers, NOW).expect("right answers"));
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
    // One of each after the other: no branch of the processor learns a text.
    let mixed: Vec<&str> = include_str!("data/user_agents.txt").lines().collect();
    let mut next = mixed.iter().cycle();
    criterion.bench_function("user agent: class, mixed", |bencher| {
        bencher.iter(|| classifier.class_of_user_agent(next.next().expect("endless")).is_self_declared_bot());
    });
    print_median(&classifier, &mixed);
    criterion.bench_function("rule set: compile", |bencher| bencher.iter(Classifier::new));
    criterion.bench_function("request: classify", |bencher| {
        bencher.iter(|| classifier.classify(black_box(&facts)))
    });
}

/// Each user agent's time, the best of nine rounds, and of all of them the median.
fn print_median(classifier: &Classifier, user_agents: &[&str]) {
    let round = |user_agent: &str| {
        let begun = Instant::now();
        for _ in 0..10_000 {
            black_box(classifier.class_of_user_agent(black_box(user_agent)));
        }
        begun.elapsed().as_nanos() / 10_000
    };
    let mut times: Vec<u128> = user_agents
        .iter()
        .map(|user_agent| (0..9).map(|_| round(user_agent)).min().expect("nine rounds"))
        .collect();
    times.sort_unstable();
    println!(
        "user agent: class, each of the {} alone: median {} ns, slowest {} ns",
        times.len(),
        times[times.len() / 2],
        times[times.len() - 1]
    );
}

/// A whole Web Bot Auth request: fields, rules, signature base and key.
fn signatures(criterion: &mut Criterion) {
    let ed25519 = MessageSigner::generate(&[9; 32]).expect("key");
    let p256 = MessageSigner::from_jwk(&Jwk::generate(&[9; 32], None).expect("key")).expect("key");
    for (name, signer) in [("Ed25519", ed25519), ("ECDSA P-256", p256)] {
        let agent: Line = ("signature-agent", br#"sig1="https://agent.example""#);
        let alone = [agent];
        let unsigned = Request { method: Some("GET"), headers: &alone, ..Request::default() }
            .with_url("https://shop.example/cart?id=5");
        let components = ["@method", "@authority", "@path", "@query", r#""signature-agent";key="sig1""#];
        let nonce = Some("e8N7S2MFd/qrd6T2R3tdfAuuANngKI7LFtKYI/vowzk4lAZYadIX6wW25MwG7DCT".to_owned());
        let plan = SigningPlan { nonce, ..SigningPlan::new(components, "web-bot-auth", NOW, 60) };
        let fields = signer.sign(&(&unsigned).into(), &plan).expect("signature");
        let mut headers: Vec<Line> = vec![
            ("accept", b"text/html"),
            ("accept-encoding", b"gzip, br"),
            ("accept-language", b"en"),
            ("host", b"shop.example"),
            (
                "user-agent",
                b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
            ),
            agent,
        ];
        headers.push(("signature-input", fields.signature_input.as_bytes()));
        headers.push(("signature", fields.signature.as_bytes()));
        let request = Request { headers: &headers, ..unsigned };
        let dated = DatedJwk { jwk: signer.public_key().jwk().clone(), ..DatedJwk::default() };
        let key = Arc::new(VerificationKey::from_jwk(&dated).expect("key"));
        let find =
            |_: &WantedKey| Some(FoundKey { key: Arc::clone(&key), source: None, is_registered: false });
        let policy = SignaturePolicy::default();
        criterion.bench_function(&format!("signature: verify a request, {name}"), |bencher| {
            bencher.iter(|| {
                let results = verify(&black_box(&request).into(), &policy, &find, NOW);
                assert!(results.iter().all(|result| result.is_verified()));
            });
        });
        criterion.bench_function(&format!("signature: sign a request, {name}"), |bencher| {
            bencher.iter(|| signer.sign(&black_box(&unsigned).into(), &plan).expect("signature"));
        });
    }
}

/// Fifty rules as owners write them: with paths, countries, ranges and ids.
fn rules(criterion: &mut Criterion) {
    let shapes = [
        r#"score < 40 AND path == "/checkout/%" AND NOT verified_bot"#,
        r#"country in ["NL", "BE", "DE", "FR", "ES", "IT"] AND behavioral.mouse_entropy < 0.0%"#,
        r#"ip in ["203.0.113.0/24", "198.51.100.%/32", "2001:db8::/32"] OR ua == "scraper/%""#,
        r#"detection_ids in [50331649, 5033165%, 16777217] AND (logged_in == false OR score < %)"#,
        r#"band in ["definite", "likely_automated"] AND path not in ["/", "/about", "/legal/%"]"#,
    ];
    let source = |(number, shape): (usize, &&str)| RuleSource {
        name: format!("rule {number}"),
        expression: shape.replace('%', &(number % 10).to_string()),
        action: score::Action::Log,
    };
    let sources: Vec<RuleSource> = shapes.iter().cycle().take(50).enumerate().map(source).collect();
    let facts = Facts {
        score: 61,
        band: score::Band::LikelyHuman,
        detection_ids: vec![16_777_217],
        path: Some("/checkout/5".to_owned()),
        ip: Some("192.0.2.55".parse().expect("address")),
        country: Some("nl".to_owned()),
        ua: Some(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36".to_owned(),
        ),
        logged_in: Some(false),
        ..Facts::default()
    };
    let set = RuleSet::compile(&sources).expect("rules");
    criterion.bench_function("50 rules: check and prepare", |bencher| {
        bencher.iter(|| RuleSet::compile(black_box(&sources)).expect("rules"));
    });
    criterion.bench_function("50 rules: evaluate", |bencher| bencher.iter(|| set.matches(black_box(&facts))));
}

criterion_group!(benches, challenges, tokens, scores, movement, classification, signatures, rules);
criterion_main!(benches);
