//! The newest detections as they come, narrowed by what the reader looks for.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, Uri};
use maud::{Markup, html};
use quivive_core::Timestamp;

use super::faults::Faults;
use super::{Section, page, path, refused, words};
use crate::agentshield::detections;
use crate::agentshield::query::Query;
use crate::app::App;
use crate::console::access::Owned;
use crate::console::failure::Result;
use crate::console::{layout, words as plain};
use crate::extract::query_value;
use crate::flows::detection::row::{Row, TYPES};
use crate::pages;
use crate::storage::{Event, EventQuery};
use crate::tenant::Project;

/// The routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/-/console/projects/{project}/detections/log", get(read))
        .route("/-/console/projects/{project}/detections/log/live", get(live))
}

async fn read(State(app): State<App>, owned: Owned, uri: Uri) -> Result<Response> {
    let project = &owned.project;
    let (filter, faults) = filter(&app, project, &uri).await?;
    let is_wrong = !faults.all().is_empty();
    let is_older = filter.after.is_some();
    let events = app.storage.events().scan(filter).await?;
    let next = events.last().filter(|_| events.len() == PAGE).map(|last| {
        let place = format!("{}.{}", last.at.milliseconds(), last.id);
        format!("{}?{}", path(project.id, "/log"), kept(&uri, Some(&place)))
    });
    let live = format!("{}?{}", path(project.id, "/log/live"), kept(&uri, None));
    let list = list(&app, project, &uri, &events);
    let body = html! {
        (filters(project, &uri, &faults))
        section class="card" aria-labelledby="log-title" {
            div class="card-head" {
                h2 id="log-title" { @if is_older { "Older detections" } @else { "Detections, newest first" } }
                @if !is_older { p class="pulse" data-state="live" { "Every two seconds" } }
            }
            @if is_older {
                div id="log" { (list) }
            } @else {
                div id="log" hx-get=(live) hx-trigger="every 2s" hx-include="#log-seen" hx-swap="innerHTML" { (list) }
            }
            p class="pages" {
                @if is_older { a href=(format!("{}?{}", path(project.id, "/log"), kept(&uri, None))) { "Back to the newest" } }
                @if let Some(next) = next { a href=(next) { "Older detections" } }
            }
        }
    };
    let page = page(&owned, Section::Log, &body);
    Ok(if is_wrong { refused(page) } else { page })
}

/// The newest detections; nothing to send when the caller has seen this very list.
async fn live(State(app): State<App>, owned: Owned, uri: Uri) -> Result<Response> {
    let (filter, _) = filter(&app, &owned.project, &uri).await?;
    let events = app.storage.events().scan(filter).await?;
    let list = list(&app, &owned.project, &uri, &events);
    let seen = query_value(&uri, "seen");
    if seen.is_some_and(|seen| list.0.contains(&format!("name=\"seen\" value=\"{seen}\""))) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(pages::html(list.into_string()))
}

/// What the address asks for; all detections, with what is wrong, when it cannot be had.
async fn filter(app: &App, project: &Project, uri: &Uri) -> Result<(EventQuery, Faults)> {
    let mut query = Query::of(uri);
    let read = detections::of_project(project, detections::filter(&mut query));
    let read = match query.finish(read) {
        Ok(filter) => detections::bound(app, &filter).await.map(|()| filter),
        Err(failure) => Err(failure),
    };
    let (filter, faults) = match read {
        Ok(filter) => (filter, Faults::default()),
        Err(failure) => {
            let usual = Uri::default();
            (
                detections::of_project(project, detections::filter(&mut Query::of(&usual))),
                Faults::of(failure)?,
            )
        }
    };
    let after = query_value(uri, "after").as_deref().and_then(place);
    Ok((EventQuery { after, limit: PAGE, newest_first: true, ..filter }, faults))
}

/// Reads `<milliseconds>.<id>`.
fn place(text: &str) -> Option<(Timestamp, String)> {
    let (at, id) = text.split_once('.')?;
    Some((Timestamp::from_milliseconds(at.parse().ok()?), id.to_owned()))
}

/// The filters of an address, with another place to begin at.
fn kept(uri: &Uri, after: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in FILTERS {
        if let Some(value) = query_value(uri, name).filter(|value| !value.is_empty()) {
            query.append_pair(name, &value);
        }
    }
    if let Some(after) = after {
        query.append_pair("after", after);
    }
    query.finish()
}

fn filters(project: &Project, uri: &Uri, faults: &Faults) -> Markup {
    let value = |name: &str| query_value(uri, name).unwrap_or_default();
    let choice = |name: &'static str, label: &str, any: &str, choices: &[(&str, &str)]| {
        let chosen = value(name);
        html! {
            label { (label)
                select name=(name) aria-invalid=[faults.has(name)] {
                    option value="" { (any) }
                    @for (word, shown) in choices { option value=(word) selected[*word == chosen] { (shown) } }
                }
                (faults.at(name))
            }
        }
    };
    let types = TYPES.map(|(kind, name)| (name, words::bot_type(kind)));
    html! {
        form method="get" action=(path(project.id, "/log")) class="card filters" aria-label="Filters" {
            (choice("isBot", "Who", "Everybody", &[("true", "Bots only"), ("false", "People and others")]))
            (choice("botType", "Type", "Any type", &types))
            (choice("verification", "Identity", "Any", &[("verified", "Proven"), ("claimed", "Claimed"), ("spoofed", "Spoofed"), ("none", "None claimed")]))
            label { "Agent, by its id"
                input type="text" name="agent" value=(value("agent")) placeholder="openai-gptbot" autocomplete="off" aria-invalid=[faults.has("agent")];
                (faults.at("agent"))
            }
            div class="buttons" {
                button type="submit" { "Filter" }
                a class="button second" href=(path(project.id, "/log")) { "All" }
            }
            (faults.others(&["isBot", "botType", "verification", "agent"]))
        }
    }
}

fn list(app: &App, project: &Project, uri: &Uri, events: &[Event]) -> Markup {
    let is_filtered =
        FILTERS.iter().any(|name| query_value(uri, name).is_some_and(|value| !value.is_empty()));
    let rows: Vec<(&Event, Row)> =
        events.iter().filter_map(|event| Some((event, serde_json::from_str(&event.body).ok()?))).collect();
    let list = html! {
        @if rows.is_empty() {
            div class="empty" {
                @if is_filtered {
                    p { "Nothing of this kind was recorded." }
                } @else {
                    p { "Nothing was recorded yet. Describe a request to this server, with a key of " a href=(path(project.id, "/keys")) { "API keys" } "; it appears here by itself:" }
                    (super::to_copy(&super::example_call(app, "YOUR_KEY")))
                }
            }
        } @else {
            table class="stack detections" {
                thead {
                    tr {
                        th scope="col" { "When" }
                        th scope="col" { "Judged" }
                        th scope="col" { "Visitor" }
                        th scope="col" { "Asked for" }
                        th scope="col" { "Policy" }
                    }
                }
                tbody {
                    @for (event, row) in &rows { (listed(app, project, event, row)) }
                }
            }
        }
    };
    let seen = super::version(&list);
    html! { input type="hidden" id="log-seen" name="seen" value=(seen); (list) }
}

fn listed(app: &App, project: &Project, event: &Event, row: &Row) -> Markup {
    let agent = row.agent_id.as_deref().and_then(|id| app.detection.agent(id));
    html! {
        tr {
            td data-label="When" {
                a id=(event.id) href=(path(project.id, &format!("/log/{}", event.id))) { (layout::moment(event.at)) }
                @if row.test { " " span class="chip" { "test" } }
            }
            td data-label="Judged" { (words::judged(row.is_bot, row.bot_type, row.confidence)) }
            td data-label="Visitor" {
                span {
                    @if let Some(agent) = agent { (agent.name) } @else { (plain::visitor(app, row.user_agent.as_deref())) }
                    " " (words::verification_chip(row.verification))
                }
            }
            td data-label="Asked for" { @if let Some(url) = &row.url { code class="token-short" { (url) } } @else { "not known" } }
            td data-label="Policy" { (words::action_chip(row.policy_action)) }
        }
    }
}

const FILTERS: [&str; 6] = ["isBot", "botType", "verification", "agent", "startDate", "endDate"];
const PAGE: usize = 30;
