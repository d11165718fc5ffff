//! The guide to the service, one content for the page's HTML and Markdown.

use maud::html;

use super::view::Home;
use crate::botcha::catalogue::{Operation, by_subject};
use crate::pages::document::{Block, inline, line};

/// What an unverified caller of the original got.
pub(super) fn short(home: &Home) -> Vec<Block> {
    let mut blocks = vec![Block::text(home.tagline()), Block::text(format!("Status: {}.", home.status()))];
    blocks.extend(quick_start(home));
    blocks
}

/// Everything.
pub(super) fn whole(home: &Home) -> Vec<Block> {
    let mut blocks = short(home);
    blocks.extend(onboarding(home));
    blocks.extend(essentials(home));
    blocks.push(Block::heading("All Endpoints"));
    blocks.extend(by_subject(&home.endpoints).map(endpoints));
    blocks.extend(challenge_types());
    blocks.extend(authentication(home));
    blocks.extend(timing());
    blocks.extend(packages());
    blocks.extend(discovery(home));
    blocks.extend(limits(home));
    blocks.extend(negotiation());
    blocks
}

fn quick_start(home: &Home) -> Vec<Block> {
    let [ask, answer] = home.first_steps();
    vec![
        Block::heading("Quick Start"),
        Block::text("Prove that you are a program: two requests, no registration."),
        Block::Steps(vec![format!("`{ask}`"), format!("`{answer}`")]),
        Block::List(home.critical().map(str::to_owned).to_vec()),
    ]
}

fn onboarding(home: &Home) -> Vec<Block> {
    let [why, how] = home.registration();
    vec![
        Block::heading("Onboarding"),
        Block::text(format!("{why} {how}")),
        Block::Steps(home.onboarding().map(|step| step.replace(&format!("{}/", home.base), "/")).to_vec()),
    ]
}

fn essentials(home: &Home) -> Vec<Block> {
    let wanted = [
        ("GET", "/v1/challenges"),
        ("POST", "/v1/challenges/{id}/verify"),
        ("GET", "/v1/token"),
        ("POST", "/v1/token/verify"),
        ("POST", "/v1/token/refresh"),
        ("POST", "/v1/token/validate"),
        ("GET", "/agent-only"),
        ("POST", "/v1/apps"),
        ("POST", "/v1/agents/register"),
        ("GET", "/.well-known/jwks"),
    ];
    let find = |(method, path): (&str, &str)| {
        home.endpoints.iter().find(|endpoint| endpoint.method == method && endpoint.path == path)
    };
    let found: Vec<&Operation> = wanted.into_iter().filter_map(find).copied().collect();
    vec![Block::heading("Essential Endpoints"), list(&found)]
}

fn endpoints(group: &[&Operation]) -> Block {
    let title = group.first().map_or("", |operation| operation.subject().title);
    let Block::Both { html, markdown } = list(group) else { return Block::text(title) };
    Block::Both { html: html! { h3 { (title) } (html) }, markdown: format!("### {title}\n\n{markdown}") }
}

/// Each endpoint in a line; on the HTML page it leads to its description.
fn list(group: &[&Operation]) -> Block {
    let markdown = group
        .iter()
        .map(|endpoint| format!("- `{} {}` {}\n", endpoint.method, endpoint.path, line(&endpoint.summary)));
    Block::Both {
        markdown: markdown.collect(),
        html: html! {
            table { tbody { @for endpoint in group { tr {
                td { a href=(format!("/docs#{}", endpoint.anchor())) { code { (endpoint.method) " " (endpoint.path) } } }
                td { (inline(&endpoint.summary)) }
            } } } }
        },
    }
}

fn challenge_types() -> Vec<Block> {
    vec![
        Block::heading("Challenge Types"),
        Block::List(vec![
            "`hybrid` (the default): a speed part and a reasoning part, both must hold.".to_owned(),
            "`speed`: five SHA-256 hashes within half a second.".to_owned(),
            "`standard`: one hash over the first hundred to thousand primes and a salt, in 3 to 10 seconds."
                .to_owned(),
            "`reasoning`: three questions that are made anew each time, in 30 seconds.".to_owned(),
        ]),
    ]
}

fn authentication(home: &Home) -> Vec<Block> {
    vec![
        Block::heading("Authentication Flow"),
        Block::Steps(vec![
            "`GET /v1/token`: an id and five numbers.".to_owned(),
            "`POST /v1/token/verify`: an access token, a refresh token and a link for your human.".to_owned(),
            "`Authorization: Bearer <access_token>` wherever you are asked who you are.".to_owned(),
        ]),
        Block::text(
            "Tokens are JWTs, signed with ES256. A site checks signature, `iss`, `exp`, `type` (`botcha-verified`) and, \
             if it named one, `aud`, with the keys of `/.well-known/jwks`; or it asks `POST /v1/token/validate`.",
        ),
        Block::text(format!("This caller is {}.", home.status())),
    ]
}

fn timing() -> Vec<Block> {
    vec![
        Block::heading("RTT-Aware Challenges"),
        Block::text(
            "Send your clock as `?ts=<milliseconds since 1970>` and the limit grows to 500 ms + 2 × the network time \
             that it shows + 100 ms. The network time that counts has a cap, since it is you who claims it.",
        ),
    ]
}

fn packages() -> Vec<Block> {
    vec![
        Block::heading("SDKs"),
        Block::text(
            "npm `quivive` and `quivive-wasm`, PyPI `quivive`, crate `quivive`: each has a client that solves challenges \
             and a verifier that works offline.",
        ),
    ]
}

fn discovery(home: &Home) -> Vec<Block> {
    let wanted = [
        "/openapi.json",
        "/docs",
        "/ai.txt",
        "/.well-known/ai-plugin.json",
        "/.well-known/jwks",
        "/mcp",
        "/whitepaper",
        "/health",
    ];
    let paths: Vec<String> =
        wanted.into_iter().filter(|path| home.has(path)).map(|path| format!("`{path}`")).collect();
    vec![Block::heading("Discovery"), Block::text(format!("{}.", paths.join(", ")))]
}

fn limits(home: &Home) -> Vec<Block> {
    vec![
        Block::heading("Rate Limits"),
        Block::text(format!(
            "Challenges: {}. Every answer says in `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` \
             how many are left, and a 429 in `Retry-After` when to come back.",
            home.free_challenges()
        )),
    ]
}

fn negotiation() -> Vec<Block> {
    vec![
        Block::heading("Content Negotiation"),
        Block::text(
            "Every page comes as `Accept: text/markdown` too, and says in `X-Markdown-Tokens` about how many tokens that \
             is; this one also comes as `application/json`.",
        ),
    ]
}
