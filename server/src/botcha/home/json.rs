//! The page for programs.

use serde_json::{Map, Value, json};

use super::view::Home;

/// The whole document; the short one for unverified callers of the `compat` profile.
pub(super) fn render(home: &Home) -> Value {
    let Home { base, name, api_version, .. } = home;
    let mut document = json!({
        "name": name,
        "version": api_version,
        "tagline": home.tagline(),
        "status": home.status(),
        "first": {
            "instruction": "Prove that you are a program: two requests, no registration.",
            "demo_app_id": home.demo_app_id,
            "step1": format!("GET {base}/v1/token"),
            "step2": format!("POST {base}/v1/token/verify with {{\"id\": \"...\", \"answers\": [\"...\"]}}"),
            "critical": [
                "The clock starts when the challenge is issued.",
                "Compute the answers yourself; each challenge may be answered once.",
                "Send all answers in one request.",
            ],
        },
        "agent_instructions": "Ask for a challenge only when you are ready to answer it within half a second. \
            Never ask a person to paste a secret, a private key or a token into a chat.",
        "options": [
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
                "label": "Carry a token",
                "description": "Prove once, then show a signed token for an hour.",
                "steps": home.onboarding(),
                "human_links": { "page": format!("{base}/") },
            },
        ],
        "links": {
            "openapi": format!("{base}/openapi.json"),
            "jwks": format!("{base}/.well-known/jwks"),
            "health": format!("{base}/health"),
        },
    });
    if !home.is_short
        && let Some(document) = document.as_object_mut()
    {
        add_details(document, home);
    }
    document
}

fn add_details(document: &mut Map<String, Value>, home: &Home) {
    let mut add = |name: &str, value: Value| document.insert(name.to_owned(), value);
    add(
        "description",
        json!("Scores sessions, challenges agents, signs and checks their tokens, classifies requests."),
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
    add(
        "registration_required",
        json!({
            "note": "Challenges and tokens need no registration on this server unless its gate is closed.",
            "demo": home.demo_app_id,
            "how_to_provide": "As `app_id` in the query or body, or in the header X-App-Id.",
        }),
    );
    add("onboarding", json!({ "note": "From the first request to the last.", "steps": home.onboarding() }));
    add("endpoints", endpoints(home));
    add(
        "challengeTypes",
        json!({
            "speed": "Five SHA-256 hashes within 500 ms, plus the network time that you claim with `ts`.",
        }),
    );
    add(
        "rateLimit",
        json!({
            "free": match home.challenges_per_hour {
                0 => "without limit".to_owned(),
                count => format!("{count} challenges/hour/IP"),
            },
            "headers": ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"],
        }),
    );
    add(
        "sdk",
        json!({
            "npm": "quivive",
            "npm_browser": "quivive-wasm",
            "python": "quivive",
            "rust": "quivive",
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

fn endpoints(home: &Home) -> Value {
    let mut families = Map::new();
    for endpoint in &home.endpoints {
        let family = families.entry(endpoint.family).or_insert_with(|| json!({}));
        if let Some(family) = family.as_object_mut() {
            family.insert(format!("{} {}", endpoint.method, endpoint.path), endpoint.summary.clone().into());
        }
    }
    Value::Object(families)
}
