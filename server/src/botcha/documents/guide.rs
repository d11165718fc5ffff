//! The hand-written part of `/docs`.

use crate::app::App;
use crate::config::AppGate;
use crate::pages::document::Block;

/// The guide, with the addresses and limits of this server.
pub(super) fn blocks(app: &App, base: &str) -> Vec<Block> {
    let mut blocks = vec![Block::text(format!(
        "{} asks whoever knocks to prove that it is a program, and gives a signed token for the proof. Agents carry the \
         token; sites check it offline. Nothing needs an account to try.",
        app.config.service_name
    ))];
    blocks.extend(quick_start(base));
    blocks.extend(challenge_types());
    blocks.extend(token_flow(app));
    blocks.extend(verification(app, base));
    blocks.extend(apps(app));
    blocks.extend(timing(app));
    blocks.extend(limits(app));
    blocks.extend(errors());
    blocks.extend(landing(base));
    blocks.extend(forms());
    blocks
}

fn quick_start(base: &str) -> Vec<Block> {
    vec![
        Block::heading("Quick start"),
        Block::text("Ask for a challenge. Without a type it is a hybrid one: hashes and questions."),
        Block::Code(format!("curl {base}/v1/challenges")),
        Block::text(
            "Hash the decimal digits of each number with SHA-256 and keep the first 8 hexadecimal digits.",
        ),
        Block::Code("printf 42 | sha256sum | cut -c1-8\n# 73475cb4".to_owned()),
        Block::text("Send hashes and answers in time. Each challenge takes one answer, right or wrong."),
        Block::Code(format!(
            "curl {base}/v1/challenges/$ID/verify -H 'Content-Type: application/json' \\\n  \
             -d '{{\"type\":\"hybrid\",\"speed_answers\":[\"73475cb4\"],\"reasoning_answers\":{{\"question-id\":\"answer\"}}}}'"
        )),
        Block::text("Or let a client do it: it solves what it meets and keeps the token."),
        Block::Code(
            "import { Client } from \"quivive\";                 // npm install quivive\n\
             const response = await new Client().fetch(\"https://shop.example/agents\");"
                .to_owned(),
        ),
        Block::Code(
            "import quivive                                     # pip install quivive\n\
             with quivive.Client() as client:\n    response = client.fetch(\"https://shop.example/agents\")"
                .to_owned(),
        ),
        Block::Code(
            "let client = quivive::Client::new()?;              // cargo add quivive\n\
             let response = client.get(\"https://shop.example/agents\").await?;"
                .to_owned(),
        ),
    ]
}

fn challenge_types() -> Vec<Block> {
    let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
    vec![
        Block::heading("Challenge types"),
        Block::Table {
            head: row(["Type", "Task", "Time", "Answer"]),
            rows: vec![
                row(["`hybrid`", "a speed and a reasoning part under one id", "as its parts", "both parts"]),
                row([
                    "`speed`",
                    "SHA-256 of five numbers",
                    "500 ms",
                    "`answers`, five times 8 hexadecimal digits",
                ]),
                row([
                    "`standard`",
                    "SHA-256 of the first 100, 500 or 1000 primes and a salt (`difficulty` easy, medium, hard)",
                    "10, 5 or 3 s",
                    "`answer`, 16 hexadecimal digits",
                ]),
                row([
                    "`reasoning`",
                    "three questions of at least two kinds, made anew for each challenge",
                    "30 s",
                    "`answers`, by question id, the bare answer each",
                ]),
            ],
        },
        Block::text(
            "A challenge belongs to its kind, lives five minutes and is taken by the first answer. What is wrong or late is \
             answered with status 200 and `success: false`; in the token flow with 403. `GET /v1/challenge/stream` does the \
             speed challenge over server-sent events.",
        ),
    ]
}

fn token_flow(app: &App) -> Vec<Block> {
    let tokens = &app.config.tokens;
    vec![
        Block::heading("Token flow"),
        Block::Steps(vec![
            "`GET /v1/token` gives a speed challenge. `audience` and `app_id` may stand in the query.".to_owned(),
            "`POST /v1/token/verify` with `id` and `answers`; `audience` names the site that the token is for, `bind_ip` \
             ties it to your address."
                .to_owned(),
            format!(
                "The answer holds an access token for {} s, a refresh token for {} s, and `human_link` for your human.",
                tokens.access_ttl, tokens.refresh_ttl
            ),
            "Show the access token: `Authorization: Bearer <access_token>`.".to_owned(),
            "`POST /v1/token/refresh` before it ends, `POST /v1/token/revoke` when you are done: that ends both tokens."
                .to_owned(),
        ]),
    ]
}

fn verification(app: &App, base: &str) -> Vec<Block> {
    let issuer = &app.config.tokens.token_issuer;
    vec![
        Block::heading("Verify a token"),
        Block::text(format!(
            "Tokens are JWTs, signed with ES256. Fetch the keys of `{base}/.well-known/jwks` and keep them for as long as \
             `Cache-Control` says; when a token names an unknown `kid`, fetch them again, at most every half minute. The next \
             key is published an hour before it signs. Check the signature, `exp`, `iss` (`{issuer}`), `type` \
             (`botcha-verified`), and `aud` if you told agents to name you."
        )),
        Block::Code(format!(
            "import {{ Verifier }} from \"quivive\";\n\
             const keys = await (await fetch(\"{base}/.well-known/jwks\")).json();\n\
             const claims = new Verifier({{ keys, audience: \"https://shop.example\" }}).verify(token); // throws"
        )),
        Block::Code(format!(
            "import httpx, quivive\n\
             keys = httpx.get(\"{base}/.well-known/jwks\").json()\n\
             claims = quivive.Verifier(keys=keys, audience=\"https://shop.example\").verify(token)  # raises"
        )),
        Block::Code(
            "use quivive::core::token::{Jwks, Verifier, VerifyPolicy};\n\
             let policy = VerifyPolicy { audience: Some(\"https://shop.example\".to_owned()), ..VerifyPolicy::default() };\n\
             let claims = Verifier::new(&keys, policy)?.verify(token, now)?;"
                .to_owned(),
        ),
        Block::text(
            "Offline checks do not see revocations. Where that matters, ask `POST /v1/token/validate`: status 200 with \
             `valid`, and the claims as `payload` or the reason as `error`.",
        ),
    ]
}

fn apps(app: &App) -> Vec<Block> {
    let gate = match app.config.botcha.app_gate {
        AppGate::Open => "On this server challenges and tokens need no app.",
        AppGate::Strict => "On this server challenges and tokens need an app with a verified address.",
    };
    vec![
        Block::heading("Apps and people"),
        Block::text(format!(
            "An app is a tenant: its own limits, agents and figures. `POST /v1/apps` makes one, a mailed code proves the \
             address. Its `app_id` is public. {gate}"
        )),
        Block::List(vec![
            "`app_secret` is shown once. Keep it in a secret store, send it as `X-App-Secret`, and never put it, a private \
             key or a token into a conversation or a prompt."
                .to_owned(),
            "A person logs in at `/login` with the mail address. An agent can hand over a device code of `POST \
             /v1/auth/device-code`, which the person types at `/dashboard/code`: no secret changes hands."
                .to_owned(),
            "Registered agents prove in later sessions that they are the same, by key (`POST /v1/agents/auth`) or by a \
             person's approval (`POST /v1/oauth/device`, RFC 8628)."
                .to_owned(),
        ]),
    ]
}

fn timing(app: &App) -> Vec<Block> {
    let cap = app.config.botcha.rtt_cap_ms;
    vec![
        Block::heading("Network time"),
        Block::text(format!(
            "Send your clock in milliseconds since 1970 as `?ts=` or `X-Client-Timestamp`, and the speed limit becomes 500 \
             ms + 2 × round trip + 100 ms. The round trip is what your clock shows, at most {cap} ms here, so at most {} ms \
             in all: the claim is yours and could be false. Clocks that are ahead, or more than 30 s behind, are ignored.",
            600 + 2 * cap
        )),
    ]
}

fn limits(app: &App) -> Vec<Block> {
    let limits = &app.config.limits;
    let row = |what: &str, count: u32, window: &str| {
        let count = if count == 0 { "no limit".to_owned() } else { format!("{count} per {window}") };
        vec![what.to_owned(), count]
    };
    vec![
        Block::heading("Rate limits"),
        Block::Table {
            head: vec!["What".to_owned(), "Limit".to_owned()],
            rows: vec![
                row(
                    "Challenges, by address, or by app when a token proves it",
                    limits.challenges_per_hour,
                    "hour",
                ),
                row("Answers, refreshes, revocations, by address", limits.verifications_per_hour, "hour"),
                row("Validations, by address", limits.validations_per_minute, "minute"),
                row("New apps, by address", limits.app_registrations_per_hour, "hour"),
                row("Codes typed by people, by address", limits.code_redemptions_per_hour, "hour"),
                row("Logins of agents, by address", limits.agent_logins_per_hour, "hour"),
            ],
        },
        Block::text(
            "Every answer carries `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` (ISO 8601). Beyond a \
             limit the status is 429 and `Retry-After` says in how many seconds to come back.",
        ),
    ]
}

fn errors() -> Vec<Block> {
    let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
    vec![
        Block::heading("Errors"),
        Block::Table {
            head: row(["Form", "Where"]),
            rows: vec![
                row(["`{\"success\":false,\"error\":\"CODE\",\"message\":\"…\"}`", "most routes"]),
                row([
                    "`{\"success\":false,\"error\":\"sentence\",\"hint\":\"…\"}`",
                    "the older challenge and token routes",
                ]),
                row(["`{\"error\":\"CODE\",\"message\":\"…\"}`", "limits, guarded routes, logins, OAuth"]),
                row(["`{\"valid\":false,\"error\":\"sentence\"}`", "`POST /v1/token/validate`"]),
            ],
        },
        Block::text("Codes do not change; sentences may. The most frequent ones:"),
        Block::Table {
            head: row(["Code", "What to do"]),
            rows: vec![
                row(["`INVALID_JSON` (400)", "send a JSON object"]),
                row(["`APP_REGISTRATION_REQUIRED` (401)", "name an app: `?app_id=` or `X-App-Id`"]),
                row([
                    "`APP_SECRET_REQUIRED` (401)",
                    "prove that the app is yours: `X-App-Secret` or a session",
                ]),
                row(["`INVALID_TOKEN` (401)", "get a new token"]),
                row(["`EMAIL_NOT_VERIFIED` (403)", "type the code of the mail"]),
                row([
                    "`NOT_FOUND` (404), `METHOD_NOT_ALLOWED` (405)",
                    "see the reference; `Allow` lists the methods",
                ]),
                row(["`PAYLOAD_TOO_LARGE` (413)", "send less"]),
                row(["`RATE_LIMIT_EXCEEDED` (429)", "wait for `Retry-After` seconds"]),
                row(["503", "storage does not answer, and nothing is let through unchecked: try again"]),
            ],
        },
    ]
}

fn landing(base: &str) -> Vec<Block> {
    vec![
        Block::heading("The challenge in this page"),
        Block::text(
            "Every public page holds a small challenge for programs that read HTML: a script of type \
             `application/botcha+json`, which says itself how it is solved. Its nonce is good once and for two minutes. The \
             token that it gives opens `/agent-only` as `X-Botcha-Landing-Token` for an hour, and nothing else.",
        ),
        Block::Code(format!(
            "curl {base}/api/verify-landing -H 'Content-Type: application/json' \\\n  \
             -d '{{\"answer\":\"<16 hex>\",\"timestamp\":\"<ISO 8601>\",\"nonce\":\"<as given>\"}}'"
        )),
    ]
}

fn forms() -> Vec<Block> {
    vec![
        Block::heading("Forms of a page"),
        Block::text(
            "`Accept: text/markdown` gives every page as Markdown, with `X-Markdown-Tokens`, an estimate of its tokens; `/` \
             and `/whitepaper` also answer `application/json`. `/openapi.json` is the OpenAPI 3.1 document, `/ai.txt` the short \
             form for crawlers.",
        ),
    ]
}
