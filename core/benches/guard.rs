//! The detection guard on one request, from header lines to what the site behind it is told.
#![allow(missing_docs, clippy::expect_used, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use quivive_core::Timestamp;
use quivive_core::crypto::Seed;
use quivive_core::guard::{DetectionGuard, GuardOptions, GuardRequest, SessionTracking};

const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const CRAWLER: &str = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)";

fn request(user_agent: &str) -> GuardRequest {
    let headers = [
        ("Host", "shop.example"),
        ("User-Agent", user_agent),
        ("Accept", "text/html,application/xhtml+xml"),
        ("Accept-Encoding", "gzip, br"),
        ("Accept-Language", "en"),
        ("Sec-CH-UA", "\"Chromium\";v=\"140\""),
        ("Sec-CH-UA-Platform", "\"Linux\""),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Site", "none"),
        ("Sec-Fetch-Dest", "document"),
        ("Connection", "keep-alive"),
        ("Cookie", "theme=dark; cart=17"),
    ];
    GuardRequest {
        target: "/prices?page=2".to_owned(),
        scheme: Some("https".to_owned()),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        peer: Some("192.0.2.7".to_owned()),
        now: Timestamp::from_seconds(1_771_156_800),
        ..GuardRequest::default()
    }
}

fn guard(criterion: &mut Criterion) {
    let options = |is_tracking| GuardOptions {
        seed: Some(Seed([7; 32])),
        session_tracking: SessionTracking { enabled: is_tracking, ..SessionTracking::default() },
        ..GuardOptions::default()
    };
    for (name, user_agent, is_tracking) in [
        ("guard: browser", BROWSER, false),
        ("guard: crawler", CRAWLER, false),
        ("guard: crawler, cookie sealed", CRAWLER, true),
    ] {
        let guard = DetectionGuard::new(options(is_tracking)).expect("options");
        let request = request(user_agent);
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| guard.check(&black_box(&request).incoming().expect("request")));
        });
    }
}

criterion_group!(benches, guard);
criterion_main!(benches);
