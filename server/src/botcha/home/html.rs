//! The page for people.

use super::Visit;
use super::view::Home;
use crate::botcha::page::embedded_challenge;
use crate::browser::assets_path;
use crate::pages::{escape, fill, script_json};

const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/home.html"));

/// The live demonstration.
pub(super) fn render(home: &Home, visit: &Visit, nonce: &str) -> String {
    let collector = home.demo.as_ref().map(|demo| {
        let key = escape(&demo.site_key);
        format!(
            "<script type=\"module\" src=\"/v1/sdk.mjs\" data-botect-sdk data-site-key=\"{key}\"></script>"
        )
    });
    fill(
        TEMPLATE,
        &[
            ("assets", assets_path()),
            ("base", &escape(&home.base)),
            ("challenge", &script_json(&embedded_challenge(&home.base, nonce))),
            ("collector", collector.as_deref().unwrap_or_default()),
            ("commands", &commands(home)),
            ("description", &escape(&home.tagline())),
            ("guide", &guide(home)),
            ("live", if home.demo.is_some() { "true" } else { "false" }),
            ("name", &escape(&home.name)),
            ("notice", &notice(visit)),
            ("version", env!("CARGO_PKG_VERSION")),
        ],
    )
}

fn notice(visit: &Visit) -> String {
    let time = visit.t.as_deref().and_then(|time| time.parse::<u32>().ok());
    let (tone, text) = match (visit.error.as_deref(), visit.verified.as_deref(), time) {
        (Some("invalid"), ..) => (
            " data-tone=\"bad\"",
            "That link or code has been used or is too old. Ask your agent for a new one.".to_owned(),
        ),
        (Some("missing"), ..) => {
            (" data-tone=\"bad\"", "That link lacks its code. Ask your agent for the whole link.".to_owned())
        }
        (_, Some("true"), Some(time)) => (
            "",
            format!("Your agent is verified: it solved the challenge in {time} ms. You may close this page."),
        ),
        (_, Some("true"), None) => ("", "Your agent is verified. You may close this page.".to_owned()),
        _ => return String::new(),
    };
    format!("<p class=\"notice\"{tone} role=\"status\">{text}</p>")
}

/// What programs read in the other forms.
fn guide(home: &Home) -> String {
    let blocks = super::guide::whole(home);
    maud::html! { @for block in &blocks { (block.html()) } }.into_string()
}

/// Three commands that work as pasted.
fn commands(home: &Home) -> String {
    let base = escape(&home.base);
    let ask = ("Ask for a challenge, as an agent does", format!("curl -s {base}/v1/token"));
    let commands = match &home.demo {
        Some(demo) => [
            ask,
            (
                "Read the verdict on your own visit, as your back end would",
                format!(
                    "curl -s -H 'Authorization: Bearer {}' \
                     {base}/v1/sessions/<span class=\"own-session\">sess_not_opened_yet</span>/verdict",
                    escape(&demo.private_key),
                ),
            ),
            (
                "Ask who sends a user agent",
                format!(
                    "curl -s {base}/api/v1/detect -H 'X-AgentShield-Key: {}' -H 'Content-Type: application/json' \
                     -d '{{&quot;userAgent&quot;:&quot;GPTBot/1.2&quot;}}'",
                    escape(&demo.api_key),
                ),
            ),
        ],
        None => [
            ask,
            ("Knock without a token and read what is asked for", format!("curl -s {base}/agent-only")),
            ("Fetch the keys with which tokens are checked", format!("curl -s {base}/.well-known/jwks")),
        ],
    };
    let items = commands.map(|(title, command)| {
        format!(
            "    <li><p>{title}</p><div class=\"command\"><pre tabindex=\"0\">{command}</pre></div></li>\n"
        )
    });
    items.concat()
}
