//! The page for language models.

use std::fmt::Write as _;

use super::view::Home;

/// The guide; the short one for unverified callers of the `compat` profile.
pub(super) fn render(home: &Home) -> String {
    let Home { base, name, api_version, .. } = home;
    let mut page = format!(
        "---\ntitle: {name}\ndescription: {tagline}\nversion: {api_version}\nurl: {base}\n---\n\n\
         # {name}\n\n{tagline}\nStatus: {status}.\n\n\
         ## Quick Start\n\n\
         1. `GET {base}/v1/token`\n\
         2. `POST {base}/v1/token/verify` with `{{\"id\", \"answers\"}}`: for each number the first 8 hexadecimal \
         digits of its SHA-256, within half a second.\n",
        tagline = home.tagline(),
        status = home.status(),
    );
    if !home.is_short {
        add_details(&mut page, home);
    }
    page
}

fn add_details(page: &mut String, home: &Home) {
    let base = &home.base;
    page.push_str("\n## Onboarding\n\n");
    for (number, step) in (1..).zip(home.onboarding()) {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "{number}. {}", step.replace(&format!("{base}/"), "/"));
    }
    page.push_str("\n## All Endpoints\n");
    let mut family = "";
    for endpoint in &home.endpoints {
        if endpoint.family != family {
            family = endpoint.family;
            let _ = write!(page, "\n### {family}\n\n");
        }
        let _ = writeln!(page, "- `{} {}` {}", endpoint.method, endpoint.path, endpoint.summary);
    }
    let limit = match home.challenges_per_hour {
        0 => "No limit on challenges.".to_owned(),
        count => {
            format!("{count} challenges per hour and address; `X-RateLimit-*` headers say how many are left.")
        }
    };
    let _ = write!(
        page,
        "\n## Challenge Types\n\nSpeed: five hashes, 500 ms.\n\n\
         ## RTT-Aware Challenges\n\nSend `?ts=<milliseconds since 1970>` and the limit grows by twice the measured \
         network time and 100 ms.\n\n\
         ## SDKs\n\nnpm `quivive` and `quivive-wasm`, PyPI `quivive`, crate `quivive`: each has a client that solves \
         challenges and a verifier that works offline.\n\n\
         ## Discovery\n\n`/openapi.json`, `/.well-known/jwks`, `/health`.\n\n\
         ## Rate Limits\n\n{limit}\n\n\
         ## Content Negotiation\n\n`Accept: text/markdown`, `application/json` or `text/html`.\n"
    );
}
