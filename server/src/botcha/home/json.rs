//! The page for programs.

use serde_json::{Map, Value, json};

use super::view::Home;
use crate::botcha::catalogue::by_subject;

/// The whole document; the short one for unverified callers of the `compat` profile.
pub(super) fn render(home: &Home) -> Value {
    let mut document = Map::new();
    let mut add = |name: &str, value: Value| document.insert(name.to_owned(), value);
    add("name", json!(home.name));
    add("version", json!(home.api_version));
    add("tagline", json!(home.tagline()));
    add("status", json!(home.status()));
    // The original has a form for each kind of caller; together they are the whole document.
    if home.is_whole || home.identity.is_none() {
        add_introduction(&mut document, home);
    }
    if !home.is_short {
        add_reference(&mut document, home);
    }
    document.insert("links".to_owned(), links(home));
    Value::Object(document)
}

fn add_introduction(document: &mut Map<String, Value>, home: &Home) {
    let base = &home.base;
    let mut add = |name: &str, value: Value| document.insert(name.to_owned(), value);
    let [ask, answer] = home.first_steps();
    add(
        "first",
        json!({
            "instruction": "Prove that you are a program: two requests, no registration.",
            "demo_app_id": home.demo_app_id,
            "step1": ask,
            "step2": answer,
            "critical": home.critical(),
        }),
    );
    add(
        "agent_instructions",
        json!(
            "Solve the challenge yourself, keep the token out of the conversation, and hand your human a link or a device \
             code. Never ask a person to paste a secret, a private key or a token into a chat."
        ),
    );
    add(
        "options",
        json!([
            {
                "id": "protect",
                "label": "Guard a route",
                "description": "Let only verified agents through, checked offline.",
                "steps": [
                    format!("Fetch the public keys once: GET {base}/.well-known/jwks"),
                    "Verify the Bearer token of each request with them.",
                    "Answer 401 without one; clients of this service then solve a challenge by themselves.",
                ],
            },
            {
                "id": "identity",
                "label": "Be known",
                "description": "Register once, prove yourself in two requests, and show a signed token for an hour.",
                "steps": home.onboarding(),
                "human_links": {
                    "login": format!("{base}/login"),
                    "device": format!("{base}/device"),
                    "code": format!("{base}/dashboard/code"),
                },
            },
        ]),
    );
}

fn add_reference(document: &mut Map<String, Value>, home: &Home) {
    let mut add = |name: &str, value: Value| document.insert(name.to_owned(), value);
    add(
        "description",
        json!("Challenges agents, signs and checks their tokens, scores sessions, classifies requests."),
    );
    if let Some(claims) = &home.identity {
        add(
            "your_identity",
            json!({
                "token_type": claims.token_type,
                "app_id": claims.app_id,
                "audience": claims.aud,
                "solve_time_ms": claims.solve_time,
            }),
        );
    }
    let [note, how] = home.registration();
    add("registration_required", json!({ "note": note, "demo": home.demo_app_id, "how_to_provide": how }));
    add(
        "onboarding",
        json!({ "note": "From a new app to an agent that is known.", "steps": home.onboarding() }),
    );
    add("endpoints", endpoints(home));
    add(
        "challengeTypes",
        json!({
            "hybrid": "The default: the speed part and the reasoning part of one challenge.",
            "speed": "Five SHA-256 hashes within 500 ms, plus the network time that you claim with `ts`.",
            "reasoning": "Three questions that are made anew each time, in 30 seconds.",
        }),
    );
    add(
        "rateLimit",
        json!({
            "free": home.free_challenges(),
            "headers": ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"],
        }),
    );
    add(
        "sdk",
        json!({
            "npm": "quivive",
            "python": "quivive",
            "rust": "quivive",
            "npm_browser": "quivive-wasm",
            "verify_ts": "new Verifier({ keys }).verify(token)",
            "verify_python": "Verifier(keys=keys).verify(token)",
        }),
    );
    add(
        "content_negotiation",
        json!({
            "note": "Ask for the form that you want with `Accept`.",
            "text/markdown": "for language models",
            "application/json": "for programs",
            "text/html": "for people: a live demonstration",
        }),
    );
}

/// Links to what this server has.
fn links(home: &Home) -> Value {
    let base = &home.base;
    let mut links = Map::new();
    for (name, path) in [
        ("openapi", "/openapi.json"),
        ("ai_txt", "/ai.txt"),
        ("mcp", "/mcp"),
        ("mcp_discovery", "/.well-known/mcp.json"),
        ("docs", "/docs"),
        ("jwks", "/.well-known/jwks"),
        ("health", "/health"),
    ] {
        if home.has(path) {
            links.insert(name.to_owned(), json!(format!("{base}{path}")));
        }
    }
    if !home.is_short {
        links.insert("github".to_owned(), json!(env!("CARGO_PKG_REPOSITORY")));
        links.insert("npm".to_owned(), json!("https://www.npmjs.com/package/quivive"));
        links.insert("pypi".to_owned(), json!("https://pypi.org/project/quivive/"));
    }
    Value::Object(links)
}

fn endpoints(home: &Home) -> Value {
    let subjects = by_subject(&home.endpoints).filter_map(|group| {
        let members = group.iter().map(|endpoint| {
            (format!("{} {}", endpoint.method, endpoint.path), Value::from(endpoint.summary.clone()))
        });
        Some((group.first()?.subject().key.to_owned(), Value::Object(members.collect())))
    });
    Value::Object(subjects.collect())
}
