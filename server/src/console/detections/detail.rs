//! One detection in full: what it was, why, and who it was or claimed to be.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use quivive_core::agent::{Agent, BotType, Trigger, signals};
use serde::Deserialize;

use super::{Section, page, path, words};
use crate::app::App;
use crate::console::access::Owned;
use crate::console::failure::{Failure, Result};
use crate::console::{layout, words as plain};
use crate::extract::Path;
use crate::flows::detection::row::{Proof, Row, StoredSignal};
use crate::flows::detection::{STREAM, Source};
use crate::storage::Event;

/// The route.
pub(super) fn router() -> Router<App> {
    Router::new().route("/-/console/projects/{project}/detections/log/{detection}", get(read))
}

#[derive(Deserialize)]
struct DetectionPath {
    detection: String,
}

async fn read(
    State(app): State<App>,
    owned: Owned,
    Path(DetectionPath { detection }): Path<DetectionPath>,
) -> Result<Response> {
    let project = &owned.project;
    let found = app.storage.events().find(STREAM, &project.id.to_string(), &detection).await?;
    let event = found.ok_or_else(Failure::not_found)?;
    let row: Row = serde_json::from_str(&event.body).map_err(|_| Failure::not_found())?;
    let agent = row.agent_id.as_deref().and_then(|id| app.detection.catalogued(id));
    let body = html! {
        p class="crumb" { a href=(path(project.id, "/log")) { "Detections" } " / " code { (event.id) } }
        div class="detail" {
            div {
                (judgement(&row, project.detection.threshold))
                (why(&row.signals))
            }
            div {
                @if let Some(agent) = agent { (about(agent, &row)) }
                (request(&app, &event, &row))
            }
        }
    };
    Ok(page(&owned, Section::Log, &body))
}

fn judgement(row: &Row, threshold: f64) -> Markup {
    let (verdict, tone) = match (row.is_bot, row.bot_type) {
        (true, _) => ("A bot", "bad"),
        (false, BotType::Human) => ("A person", "good"),
        _ => ("Not known", ""),
    };
    html! {
        section class="card" aria-labelledby="verdict-title" {
            h2 id="verdict-title" { "What it was" }
            div class="verdict" {
                p class="score" {
                    span class="number" { (words::percent(row.confidence)) }
                    span class="of" { "sure that it was automated" }
                }
                div {
                    p class="chips" {
                        span class="chip" data-tone=(tone) { (verdict) }
                        span class="chip" { (words::bot_type(row.bot_type)) }
                        @if let Some(sub_type) = row.sub_type { span class="chip" { (words::sub_type(sub_type)) } }
                        (words::verification_chip(row.verification))
                    }
                    p class="reason" { (words::verification(row.verification)) }
                    (proof(&row.proof))
                }
            }
            p class="fine" {
                "From " (words::percent(threshold)) " on, by this project's threshold of today, a request counts as a bot's. "
                "The policy said " (words::action_chip(row.policy_action)) "."
            }
        }
    }
}

fn proof(proof: &Proof) -> Markup {
    html! {
        @if !proof.is_none() {
            dl class="signals wide" {
                @if let Some(method) = proof.method { div { dt { "Judged by" } dd { (words::proof(method)) } } }
                @if let Some(key) = &proof.key_id { div class="long" { dt { "Key" } dd { code { (key) } } } }
                @if let Some(origin) = &proof.signature_agent { div class="long" { dt { "Keys published at" } dd { code { (origin) } } } }
            }
        }
    }
}

fn why(seen: &[StoredSignal]) -> Markup {
    let mut seen: Vec<&StoredSignal> = seen.iter().collect();
    seen.sort_by(|left, right| right.weight.abs().total_cmp(&left.weight.abs()));
    html! {
        section class="card" aria-labelledby="why-title" {
            h2 id="why-title" { "Why" }
            @if seen.is_empty() {
                p class="empty" { "Nothing was seen that speaks for a bot or for a person." }
            } @else {
                ul class="explained" {
                    @for signal in seen { (explained(signal)) }
                }
                p class="fine" { "Inside one group the strongest signal counts; groups add to each other." }
            }
        }
    }
}

fn explained(signal: &StoredSignal) -> Markup {
    let text =
        signals::ALL.iter().find(|known| known.id == signal.id).map_or(&*signal.id, |known| known.text);
    let (side, tone) = match signal.weight {
        weight if weight > 0.0 => ("bot", "bad"),
        weight if weight < 0.0 => ("person", "good"),
        _ => ("neither", ""),
    };
    let weight = format!("{:.2}", signal.weight.abs());
    html! {
        li {
            p class="explained-head" { b { (plain::capitalised(text)) } span class="weight" data-tone=(tone) { (side) " " (weight) } }
            meter min="0" max="1" value=(weight) data-side=(side) aria-hidden="true" {}
            p class="fine" { (words::group(&signal.id)) ", signal " code { (signal.id) } }
        }
    }
}

fn about(agent: &Agent, row: &Row) -> Markup {
    let info = &agent.info;
    let verify = &agent.verify;
    html! {
        section class="card" aria-labelledby="agent-title" {
            h2 id="agent-title" { (info.name) }
            dl class="signals wide" {
                div { dt { "Operator" } dd { (info.vendor.as_deref().unwrap_or("not known")) } }
                div { dt { "Purpose" } dd { (words::purpose(info.purpose)) } }
                div { dt { "Comes" } dd { @match info.trigger { Trigger::Fetcher => "when a person asks", Trigger::Crawler => "by its own schedule" } } }
                div { dt { "Name in robots.txt" } dd { @if let Some(token) = &info.robots_token { code { (token) } } @else { "none" } } }
            }
            p { (info.name) " " (info.purpose.description()) ". " (words::verification(row.verification)) }
            @if verify.is_possible() {
                p { "Its identity can be proven by:" }
                ul class="plain" {
                    @for origin in &verify.signature_agent { li { "a message signature with a key that " code { (origin) } " publishes" } }
                    @if !verify.ip_feeds.is_empty() { li { "an address of its operator's published ranges" } }
                    @for domain in &verify.rdns { li { "a host name in " code { (domain) } ", confirmed by a forward look-up" } }
                }
            } @else {
                p { "Its operator offers no way to prove its identity: whoever sends its user agent looks like it." }
            }
            @if let Some(url) = &info.info_url {
                p { a href=(url) rel="noreferrer noopener" target="_blank" { "What its operator says (opens another site)" } }
            }
        }
    }
}

fn request(app: &App, event: &Event, row: &Row) -> Markup {
    let source = match row.source {
        Source::Api => "your server described it",
        Source::Event => "it came with an event",
        Source::Pixel => "it asked for a pixel",
    };
    html! {
        section class="card" aria-labelledby="request-title" {
            h2 id="request-title" { "The request" }
            dl class="signals wide" {
                div { dt { "When" } dd { (layout::moment(event.at)) } }
                div { dt { "How it was seen" } dd { (source) } }
                div { dt { "Visitor" } dd { (plain::visitor(app, row.user_agent.as_deref())) } }
                div class="long" { dt { "User agent" } dd { code { (row.user_agent.as_deref().unwrap_or("not known")) } } }
                div { dt { "Address" } dd { code { (row.ip.as_deref().unwrap_or("not kept")) } } }
                div { dt { "Method" } dd { code { (row.method.as_deref().unwrap_or("not known")) } } }
                div class="long" { dt { "Asked for" } dd { code { (row.url.as_deref().unwrap_or("not known")) } } }
                @if row.test { div { dt { "Test" } dd { "figures leave it out" } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quivive_core::agent::VerificationMethod;

    use super::*;

    #[test]
    fn a_proof_is_shown_with_its_key_and_no_proof_is_not() {
        let shown = proof(&Proof {
            method: Some(VerificationMethod::HttpSignature),
            key_id: Some("poqkLGiymh_W0uP6<b>".to_owned()),
            signature_agent: Some("https://agent.example".to_owned()),
        });
        for part in ["a message signature", "poqkLGiymh_W0uP6&lt;b&gt;", "https://agent.example"] {
            assert!(shown.0.contains(part), "{part}: {}", shown.0);
        }
        assert_eq!(proof(&Proof::default()).0, "");
    }
}
