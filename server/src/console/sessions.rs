//! Every session, and one session in full: why it was judged so.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::Uri;
use maud::{Markup, html};
use quivive_core::Timestamp;
use quivive_core::evidence::Evidence;
use quivive_core::score::detection::Detection;
use quivive_core::score::{Opinion, Threshold};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::Owned;
use super::failure::{Failure, Result};
use super::layout::{self, Tab};
use super::words;
use crate::app::App;
use crate::error::Error;
use crate::extract::{Path, query_value};
use crate::flows::scoring::history::Arrival;
use crate::flows::scoring::inspect::{self, Flip, FlipCause, Inspected};
use crate::tenant::Project;

/// The routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/-/console/projects/{project}/sessions", get(list))
        .route("/-/console/projects/{project}/sessions/{session}", get(read))
}

/// Sessions as a table.
pub(super) fn table(app: &App, project: &Project, sessions: &[(Arrival, Inspected)]) -> Markup {
    html! {
        table class="stack sessions" {
            thead {
                tr {
                    th scope="col" { "First scored" }
                    th scope="col" { "Score" }
                    th scope="col" { "Action" }
                    th scope="col" { "Visitor" }
                    th scope="col" { "Why" }
                }
            }
            tbody {
                @for (arrival, seen) in sessions {
                    @let verdict = &seen.resolution.verdict;
                    tr {
                        td data-label="First scored" {
                            a id=(format!("session-{}", arrival.token)) href=(layout::project_path(project.id, &format!("/sessions/{}", arrival.token))) {
                                (layout::moment(arrival.at))
                            }
                        }
                        td data-label="Score" { (layout::score_badge(verdict.score, verdict.verdict)) }
                        td data-label="Action" { (layout::action_chip(verdict.action)) }
                        td data-label="Visitor" { (words::visitor(app, seen.session.signals.context().user_agent())) }
                        td data-label="Why" { (verdict.reason) }
                    }
                }
            }
        }
    }
}

async fn list(State(app): State<App>, owned: Owned, uri: Uri) -> Result<Response> {
    let project = &owned.project;
    let after = query_value(&uri, "after").as_deref().and_then(place);
    let recent = inspect::recent(&app, project, after.clone(), PAGE).await?;
    let next = recent.last().filter(|_| recent.len() == PAGE).map(|(arrival, _)| {
        let place = format!("{}.{}", arrival.at.milliseconds(), arrival.token);
        layout::project_path(project.id, &format!("/sessions?after={place}"))
    });
    let body = html! {
        section class="card" aria-labelledby="sessions-title" {
            h2 id="sessions-title" { "Sessions, latest first" }
            @if recent.is_empty() {
                p class="empty" { @if after.is_some() { "No older sessions." } @else { "No session was scored yet." } }
            } @else {
                (table(&app, project, &recent))
            }
            p class="pages" {
                @if after.is_some() { a href=(layout::project_path(project.id, "/sessions")) { "Back to the latest" } }
                @if let Some(next) = next { a href=(next) { "Older sessions" } }
            }
        }
    };
    Ok(layout::project_page(&owned, Tab::Sessions, "Sessions", &body))
}

/// Reads `<milliseconds>.<token>`.
fn place(text: &str) -> Option<(Timestamp, String)> {
    let (at, token) = text.split_once('.')?;
    Some((Timestamp::from_milliseconds(at.parse().ok()?), token.to_owned()))
}

#[derive(Deserialize)]
struct SessionPath {
    session: String,
}

async fn read(
    State(app): State<App>,
    owned: Owned,
    Path(SessionPath { session: token }): Path<SessionPath>,
) -> Result<Response> {
    let seen = inspect::session(&app, &owned.project, &token).await?.ok_or_else(Failure::not_found)?;
    let threshold = owned.project.scoring.settings.likely_bot_threshold;
    let body = html! {
        p class="crumb" {
            a href=(layout::project_path(owned.project.id, "/sessions")) { "Sessions" } " / " code { (token) }
        }
        div class="detail" {
            div {
                (judgement(&seen, threshold))
                (evidence(&seen))
            }
            div {
                (engines(&seen))
                (changes(&seen, threshold))
                (context(&app, &seen))
            }
        }
        (signals(&seen)?)
    };
    Ok(layout::project_page(&owned, Tab::Sessions, "Session", &body))
}

fn judgement(seen: &Inspected, threshold: Threshold) -> Markup {
    let verdict = &seen.resolution.verdict;
    html! {
        section class="card" aria-labelledby="verdict-title" {
            h2 id="verdict-title" { "The verdict" }
            div class="verdict" {
                p class="score" {
                    span class="number" { @if verdict.score == 0 { "–" } @else { (verdict.score) } }
                    span class="of" { "of 99" }
                }
                div {
                    p class="chips" {
                        span class="chip" data-band=(verdict.verdict.name()) { (words::band(verdict.verdict)) }
                        (layout::action_chip(verdict.action))
                    }
                    p class="reason" { (verdict.reason) }
                }
            }
            (scale(verdict.score, threshold))
            p class="fine" {
                "The action “" (verdict.action.name()) "” advises your site to " (words::action(verdict.action))
                ". It is what a read without a path would get at this moment, under the present settings and rules."
            }
        }
    }
}

/// The score on the scale from bot to person.
fn scale(score: u8, threshold: Threshold) -> Markup {
    let at = |value: u8| format!("{:.2}", f64::from(value) / 99.0 * 600.0);
    let label = format!("Score {score} of 99, threshold {}", threshold.get());
    html! {
        svg class="scale-drawing" viewBox="-12 0 624 30" role="img" aria-label=(label) {
            defs {
                linearGradient id="scale-colours" {
                    stop offset="0" stop-color="#c4493a" {}
                    stop offset="0.32" stop-color="#d99536" {}
                    stop offset="0.48" stop-color="#c9bd6a" {}
                    stop offset="0.7" stop-color="#6aa874" {}
                    stop offset="1" stop-color="#2f8a58" {}
                }
            }
            rect x="0" y="8" width="600" height="14" rx="7" fill="url(#scale-colours)" {}
            line class="scale-threshold" x1=(at(threshold.get())) x2=(at(threshold.get())) y1="1" y2="29" {}
            @if score > 0 { circle class="scale-needle" cx=(at(score)) cy="15" r="10" {} }
        }
        div class="histogram-ends" aria-hidden="true" {
            span { "1 bot" } span { "the line: threshold " (threshold.get()) } span { "99 person" }
        }
    }
}

fn evidence(seen: &Inspected) -> Markup {
    let mut items: Vec<&Evidence> = seen.score.evidence.iter().collect();
    items.sort_by(|left, right| right.weight.abs().total_cmp(&left.weight.abs()));
    html! {
        section class="card" aria-labelledby="evidence-title" {
            h2 id="evidence-title" { "Why" }
            @if items.is_empty() {
                p class="empty" { "No engine has seen anything that speaks for a bot or for a person." }
            } @else {
                ul class="explained" {
                    @for item in items { (explained(item)) }
                }
            }
        }
    }
}

fn explained(item: &Evidence) -> Markup {
    let (side, tone) = match item.weight {
        weight if weight > 0.0 => ("bot", "bad"),
        weight if weight < 0.0 => ("person", "good"),
        _ => ("neither", ""),
    };
    let detection = Detection::from_id(&item.id);
    html! {
        li {
            p class="explained-head" {
                b { (words::capitalised(&item.text)) }
                span class="weight" data-tone=(tone) { (side) " " (format!("{:.2}", item.weight.abs())) }
            }
            meter min="0" max="1" value=(format!("{:.2}", item.weight.abs())) data-side=(side) aria-hidden="true" {}
            @if let Some(meaning) = words::meaning(&item.id) { p { (meaning) } }
            p class="fine" {
                @if let Some(detection) = detection {
                    (words::engine(detection.engine())) "; " (words::effect(detection)) ". "
                }
                @if !item.source.is_empty() { "Seen in " code { (item.source) } ". " }
                @if let Some(number) = detection.and_then(Detection::number) { "Id " code { (number) } ". " }
            }
        }
    }
}

fn engines(seen: &Inspected) -> Markup {
    let engines = &seen.stored.engines;
    let probe = match engines.js_passed {
        Some(true) => "passed",
        Some(false) => "failed",
        None => "did not run",
    };
    html! {
        section class="card" aria-labelledby="engines-title" {
            h2 id="engines-title" { "What each engine thinks" }
            dl class="signals" {
                div { dt { "Request (user agent, headers, network)" } dd { (opinion(&engines.heuristics)) } }
                div { dt { "Behaviour on the page" } dd { (opinion(&engines.behavioral)) } }
                div { dt { "Script probe" } dd { (probe) } }
                @if let Some(bot) = &engines.verified_bot {
                    div { dt { "Proved to be" } dd { (bot.name) " (" (bot.category) ")" } }
                }
            }
            p class="fine" {
                "If an engine is below 50, the lowest counts; else the highest. A failed probe takes off 20, never below the threshold."
            }
        }
    }
}

fn opinion(opinion: &Opinion) -> String {
    opinion.score.map_or_else(|| "abstains".to_owned(), |score| score.to_string())
}

fn changes(seen: &Inspected, threshold: Threshold) -> Markup {
    let flips = inspect::flips(&seen.stored.engines, threshold);
    html! {
        section class="card" aria-labelledby="changes-title" {
            h2 id="changes-title" { "What would have changed it" }
            @if flips.is_empty() {
                p class="empty" { "No single change puts this session on the other side." }
            } @else {
                ul class="plain" {
                    @for flip in &flips { li { (cause(flip)) ": " (layout::score_badge(flip.score, flip.band)) } }
                }
            }
        }
    }
}

fn cause(flip: &Flip) -> String {
    match &flip.cause {
        FlipCause::Without(id) => format!("Without “{}”", words::phrase(id).to_lowercase()),
        FlipCause::ProbePassed => "With a passed script probe".to_owned(),
        FlipCause::Threshold(threshold) => format!("With the threshold at {}", threshold.get()),
    }
}

fn context(app: &App, seen: &Inspected) -> Markup {
    let context = seen.session.signals.context();
    let agent = context.user_agent();
    let direct = context.direct.as_ref();
    let yes = |value: bool| if value { "sent" } else { "not sent" };
    html! {
        section class="card" aria-labelledby="context-title" {
            h2 id="context-title" { "The visitor's requests" }
            dl class="signals wide" {
                div { dt { "Visitor" } dd { (words::visitor(app, agent)) } }
                div class="long" { dt { "User agent" } dd { code { (agent.unwrap_or("none")) } } }
                div { dt { "Address" } dd { code { (context.address().unwrap_or("not known")) } } }
                @if let Some(direct) = direct {
                    div { dt { "Connection" } dd { @if direct.secure { "HTTPS" } @else { "HTTP" } } }
                    div { dt { "Sec-CH-UA" } dd { (yes(direct.sec_ch_ua)) } }
                    div { dt { "Sec-Fetch-Mode" } dd { (yes(direct.sec_fetch_mode)) } }
                }
                div { dt { "Pages that your server reported" } dd { (context.page_hits.count) } }
                @if let Some(verification) = &context.verification {
                    div { dt { "Claims to be" } dd { (verification.name) ", " (format!("{:?}", verification.outcome).to_lowercase()) } }
                }
                div { dt { "First seen" } dd { (layout::moment(seen.session.started_at)) } }
                div { dt { "Last seen" } dd { (layout::moment(seen.session.seen_at)) } }
                div { dt { "Scored" } dd { (layout::moment(seen.stored.scored_at)) } }
                div { dt { "Logged in" } dd { @if let Some(at) = seen.session.logged_in_at { (layout::moment(at)) } @else { "not reported" } } }
                div { dt { "Batches stored" } dd { (seen.session.revision) } }
                div { dt { "Kept until" } dd { (layout::moment(seen.session.expires_at)) } }
            }
        }
    }
}

fn signals(seen: &Inspected) -> Result<Markup> {
    let aggregate = seen.session.signals.aggregate();
    let (behavior, probe) = (as_json(&aggregate.behavioral)?, as_json(&aggregate.js_detection)?);
    let state = as_json(&seen.session.signals)?;
    let page_count = state.get("page_views").and_then(Value::as_i64).unwrap_or_default();
    let views = page_views(&state);
    Ok(html! {
        section class="card" aria-labelledby="signals-title" {
            div class="card-head" {
                h2 id="signals-title" { "All signals" }
                p class="fine" {
                    (layout::count(aggregate.browser_events, "event", "events")) " on "
                    (layout::count(page_count, "page view", "page views"))
                }
            }
            div class="columns" {
                div { h3 { "Behaviour" } (signal_list(&behavior)) }
                div { h3 { "Script probe" } (signal_list(&probe)) }
            }
            @if !views.is_empty() {
                h3 { "Page views still open" }
                div class="page-views" {
                    @for (name, measures) in views {
                        details { summary { (name) } (signal_list(measures)) }
                    }
                }
            }
            p class="fine" { "“Not observed” speaks neither for a bot nor for a person." }
        }
    })
}

fn as_json(value: &impl Serialize) -> Result<Value> {
    let unreadable = |error| Error::internal("signals have no JSON form").because(error);
    Ok(serde_json::to_value(value).map_err(unreadable)?)
}

/// What was observed; the names of the rest stay at hand.
fn signal_list(values: &Value) -> Markup {
    let members = || values.as_object().into_iter().flatten();
    let nested = members().filter_map(|(_, value)| value.as_object()).flatten();
    let (missing, seen): (Vec<_>, Vec<_>) = members()
        .filter(|(_, value)| !value.is_object())
        .chain(nested)
        .partition(|(_, value)| value.is_null());
    let rows = |members: &[(&String, &Value)]| {
        html! {
            dl class="signals" {
                @for (key, value) in members {
                    @let (name, value) = words::signal(key, value);
                    div { dt { (name) } dd { (value) } }
                }
            }
        }
    };
    html! {
        @if seen.is_empty() { p class="empty" { "Nothing was observed." } } @else { (rows(&seen)) }
        @if !missing.is_empty() {
            details class="help" {
                summary { (layout::count(missing.len(), "signal was not observed", "signals were not observed")) }
                (rows(&missing))
            }
        }
    }
}

/// The open page views of a session's state, by name; closed ones are only kept as sums.
fn page_views(state: &Value) -> Vec<(String, &Value)> {
    let direct =
        state.pointer("/direct/measures").map(|measures| ("Reported by the browser".to_owned(), measures));
    let pages = state.get("pages").and_then(Value::as_array).into_iter().flatten().filter_map(|pair| {
        let name = pair.get(0)?.as_str()?;
        Some((format!("Page {name}"), pair.get(1)?.get("measures")?))
    });
    direct.into_iter().chain(pages).collect()
}

const PAGE: usize = 50;
