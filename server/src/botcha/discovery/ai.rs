//! The text of `/ai.txt`.

use super::files::contact;
use crate::app::App;
use crate::botcha::catalogue;
use crate::config::{AppGate, Family};

/// `Key: value` lines.
pub(super) fn text(app: &App, base: &str, saving: usize) -> String {
    let config = &app.config;
    let name = &config.service_name;
    let operations = catalogue::operations(app);
    let has = |path: &str| operations.iter().any(|operation| operation.path == path);
    let mut text = format!("# {name}, BOTCHA-compatible API {}\n", config.botcha.version);
    let mut add = |key: &str, value: String| text.push_str(&format!("{key}: {value}\n"));

    add("Contact", contact(app).to_owned());
    add(
        "Purpose",
        "Agents prove that they are programs and get a signed token; sites check it offline.".to_owned(),
    );
    let is_strict = config.botcha.app_gate == AppGate::Strict;
    add("Registration-Required", if is_strict { "yes" } else { "no" }.to_owned());
    add("Registration-Required-For", "an app's own limits, agents and dashboard".to_owned());
    for (number, step) in (1..).zip(registration(base)) {
        add(&format!("Registration-Step-{number}"), step);
    }
    for (number, step) in (1..).zip(onboarding(base)) {
        add(&format!("Onboarding-Step-{number}"), step);
    }

    add("API", format!("{base}/openapi.json"));
    add("API-Type", "OpenAPI 3.1.0".to_owned());
    add("API-Format", "JSON".to_owned());
    if has("/mcp") {
        add("MCP", format!("{base}/mcp"));
        add("MCP-Discovery", format!("{base}/.well-known/mcp.json"));
    }
    add("Docs", format!("{base}/docs"));
    for feature in FEATURES {
        add("Feature", (*feature).to_owned());
    }
    for operation in operations.iter().filter(|operation| operation.family == Family::Botcha) {
        let (method, path, summary) = (&operation.method, &operation.path, &operation.summary);
        add("Endpoint", format!("{method} {base}{path} - {summary}"));
    }

    for (tool, command) in
        [("NPM", "npm install quivive"), ("Python", "pip install quivive"), ("Rust", "cargo add quivive")]
    {
        add(&format!("Install-{tool}"), command.to_owned());
    }
    add("Verify-NPM", "new Verifier({ keys }).verify(token)".to_owned());
    add("Verify-Python", "quivive.Verifier(keys=keys).verify(token)".to_owned());
    add("Verify-Rust", "quivive::core::token::Verifier::new(&keys, policy)?.verify(token, now)".to_owned());
    add("License", env!("CARGO_PKG_LICENSE").to_owned());
    add(
        "Policy",
        "Agents are welcome. Secrets, private keys and tokens never go through a conversation.".to_owned(),
    );
    add("Response-Headers", "X-Botcha-Version, X-Botcha-Enabled, X-Botcha-Methods, X-Botcha-Docs, X-Botcha-Runtime, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset".to_owned());
    add(
        "Detection",
        format!(
            "every answer carries X-Botcha-Enabled; {base}/.well-known/botcha.json says where things are"
        ),
    );
    add("Content-Negotiation", "Accept: text/markdown gives every page as Markdown".to_owned());
    add("Content-Negotiation-Saving", format!("{saving} % fewer tokens than HTML, measured on / and /docs"));
    add("Content-Negotiation-Header", "X-Markdown-Tokens".to_owned());

    let tokens = &config.tokens;
    add("Token-Signing", "ES256".to_owned());
    add("Token-JWKS", format!("{base}/.well-known/jwks"));
    add("Token-Validate", format!("POST {base}/v1/token/validate"));
    add(
        "Token-Flow",
        format!("GET {base}/v1/token, solve, POST {base}/v1/token/verify, Authorization: Bearer"),
    );
    add("Token-Expiry", format!("access {} s, refresh {} s", tokens.access_ttl, tokens.refresh_ttl));
    add("Token-Audience", "optional: ?audience= or a member of the body becomes the claim aud".to_owned());
    add("Token-Claims", "type, solveTime, jti, sub, iss, iat, exp, aud?, client_ip?, app_id?".to_owned());
    add("Token-Issuer", tokens.token_issuer.clone());
    add("RTT-Parameter", "?ts=<milliseconds since 1970> or X-Client-Timestamp".to_owned());
    add("RTT-Formula", "500 ms + 2 x round trip + 100 ms".to_owned());
    add("RTT-Cap", format!("{} ms", config.botcha.rtt_cap_ms));
    add("Multi-Tenant", "apps with their own limits, agents and figures".to_owned());
    add("Multi-Tenant-Parameter", "?app_id=, X-App-Id or a member of the body".to_owned());
    add("Multi-Tenant-Create", format!("POST {base}/v1/apps"));
    if has("/v1/agents/auth") {
        add(
            "ReIdentification-Key",
            format!("POST {base}/v1/agents/auth, sign the nonce, POST {base}/v1/agents/auth/verify"),
        );
        add(
            "ReIdentification-Device",
            format!("POST {base}/v1/oauth/device, a person approves at {base}/device"),
        );
    }
    if has("/v1/agents/register/tap") {
        add("TAP-Register", format!("POST {base}/v1/agents/register/tap"));
    }
    if has("/v1/sessions/tap") {
        add("TAP-Session", format!("POST {base}/v1/sessions/tap"));
    }
    add("Embedded-Challenge", "script[type='application/botcha+json'] in every public page".to_owned());
    add("Embedded-Challenge-Verify", format!("POST {base}/api/verify-landing"));
    add("Embedded-Challenge-Header", "X-Botcha-Landing-Token".to_owned());
    text
}

fn registration(base: &str) -> [String; 5] {
    [
        format!("POST {base}/v1/apps with {{\"email\"}}"),
        "Keep app_secret, which is shown once, in a secret store".to_owned(),
        format!("POST {base}/v1/apps/<app_id>/verify-email with {{\"code\"}} of the mail"),
        "Send app_id as ?app_id= or X-App-Id".to_owned(),
        format!("Your human logs in at {base}/login with the mail address"),
    ]
}

fn onboarding(base: &str) -> [String; 5] {
    [
        format!("GET {base}/v1/token?app_id=<app_id>"),
        "Hash the digits of each number with SHA-256, keep the first 8 hexadecimal digits".to_owned(),
        format!("POST {base}/v1/token/verify with {{\"id\", \"answers\"}} within half a second"),
        format!("GET {base}/agent-only with Authorization: Bearer <access_token>"),
        format!("POST {base}/v1/agents/register with {{\"name\", \"app_id\"}} to be known by a lasting id"),
    ]
}

const FEATURES: &[&str] = &[
    "speed, standard, reasoning and hybrid challenges",
    "streamed challenges over server-sent events",
    "ES256 tokens that verify offline",
    "audience and address binding",
    "refresh and revocation",
    "limits that allow for network time",
    "apps with verified owners",
    "agent registry with re-identification by key or by a person's approval",
    "dashboard by mail code or device code",
    "badges",
    "Markdown of every page",
    "challenges embedded in pages",
];
