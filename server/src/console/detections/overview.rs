//! Figures of a project's single requests over time: the numbers of the analytics routes.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, Uri};
use maud::{Markup, html};
use serde_json::json;

use super::faults::Faults;
use super::{Section, page, path, refused, words};
use crate::agentshield::agents::{self, AgentItem};
use crate::agentshield::analytics::{self, PERIODS};
use crate::agentshield::query::Query;
use crate::app::App;
use crate::console::access::Owned;
use crate::console::failure::Result;
use crate::extract::query_value;
use crate::flows::detection::figures::{self, Bucket, Figures, Range, Wanted};
use crate::flows::detection::period::{Period, date};
use crate::flows::detection::row::TYPES;
use crate::pages;
use crate::tenant::Project;
use crate::tenant::pixel;

/// The routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/-/console/projects/{project}/detections", get(read))
        .route("/-/console/projects/{project}/detections/figures", get(part))
}

async fn read(State(app): State<App>, owned: Owned, uri: Uri) -> Result<Response> {
    let (look, faults) = Look::of(&app, &uri)?;
    let live = format!("{}?{}", path(owned.project.id, "/figures"), look.query(&uri));
    let part = figures_part(&app, &owned.project, look).await?;
    let body = html! {
        (picker(&owned.project, look, &uri, &faults))
        div id="figures" hx-get=(live) hx-trigger="every 3s" hx-include="#figures-seen" hx-swap="innerHTML" { (part) }
    };
    let page = page(&owned, Section::Figures, &body);
    Ok(if faults.all().is_empty() { page } else { refused(page) })
}

/// The figures; nothing to send when the caller has seen these very ones.
async fn part(State(app): State<App>, owned: Owned, uri: Uri) -> Result<Response> {
    let (look, _) = Look::of(&app, &uri)?;
    let part = figures_part(&app, &owned.project, look).await?;
    let seen = query_value(&uri, "seen");
    if seen.is_some_and(|seen| part.0.contains(&format!("name=\"seen\" value=\"{seen}\""))) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(pages::html(part.into_string()))
}

/// What is looked at.
#[derive(Clone, Copy)]
struct Look {
    name: &'static str,
    period: Period,
    range: Range,
}

impl Look {
    /// What an address asks for; the usual instead of what cannot be had, with what is wrong.
    fn of(app: &App, uri: &Uri) -> Result<(Self, Faults)> {
        let mut query = Query::of(uri);
        let (name, period, range) = analytics::range(&mut query, app.now());
        match query.finish(Self { name, period, range }) {
            Ok(look) => Ok((look, Faults::default())),
            Err(failure) => {
                let usual = Uri::default();
                let (name, period, range) = analytics::range(&mut Query::of(&usual), app.now());
                Ok((Self { name, period, range }, Faults::of(failure)?))
            }
        }
    }

    fn query(&self, uri: &Uri) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("period", self.name);
        for name in DATES {
            if let Some(date) = query_value(uri, name).filter(|date| !date.is_empty()) {
                query.append_pair(name, &date);
            }
        }
        query.finish()
    }
}

fn picker(project: &Project, look: Look, uri: &Uri, faults: &Faults) -> Markup {
    let here = path(project.id, "");
    let value = |name: &str| query_value(uri, name).unwrap_or_default();
    html! {
        section class="card picker" aria-label="Period" {
            nav class="ranges" aria-label="Width of a bar" {
                @for (name, _) in PERIODS {
                    a href=(format!("{here}?period={name}")) aria-current=[(name == look.name).then_some("true")] {
                        (crate::console::words::capitalised(name))
                    }
                }
            }
            form method="get" action=(here) class="dates" {
                input type="hidden" name="period" value=(look.name);
                label { "From"
                    input type="date" name="startDate" value=(value("startDate")) aria-invalid=[faults.has("startDate")] aria-describedby=(Faults::id("startDate")); }
                label { "to"
                    input type="date" name="endDate" value=(value("endDate")) aria-invalid=[faults.has("endDate")] aria-describedby=(Faults::id("endDate")); }
                button type="submit" class="second small" { "Show" }
                (faults.at("startDate")) (faults.at("endDate"))
            }
            (faults.others(&DATES))
        }
    }
}

async fn figures_part(app: &App, project: &Project, look: Look) -> Result<Markup> {
    let wanted = Wanted { bots: true, tallies: true };
    let figures = figures::figures(app, project, look.range, look.period, wanted).await?;
    let totals = Totals::of(&figures);
    let body = if totals.all == 0 {
        nothing(app, project).await?
    } else {
        html! {
            (over_time(look, &figures, &totals))
            div class="pair" {
                (types(&figures))
                (policy_actions(&figures))
            }
            (top_agents(app, project, &agents::items(app, &figures.tallies)))
            (top_paths(&figures))
        }
    };
    let seen = super::version(&body);
    Ok(html! { input type="hidden" id="figures-seen" name="seen" value=(seen); (body) })
}

/// What to do when nothing has come yet.
async fn nothing(app: &App, project: &Project) -> Result<Markup> {
    let pixels = pixel::list(app, project.id).await?;
    Ok(html! {
        section class="card" aria-labelledby="none-title" {
            h2 id="none-title" { "Nothing came in this time" }
            p { "As soon as a request is described to this server, by your server or by a pixel in your pages, its figures appear here by themselves." }
            p { "From a server, with a key of " a href=(path(project.id, "/keys")) { "API keys" } ":" }
            (super::to_copy(&super::example_call(app, "YOUR_KEY")))
            @if let Some(pixel) = pixels.iter().find(|pixel| pixel.settings.enabled) {
                p { "From pages, with this in their head:" }
                (super::to_copy(&super::snippet(app, &pixel.id)))
            } @else {
                p { "From pages: make a pixel under " a href=(path(project.id, "/pixels")) { "Pixels" } "." }
            }
        }
    })
}

struct Totals {
    all: u64,
    bots: u64,
}

impl Totals {
    fn of(figures: &Figures) -> Self {
        let bots = figures.buckets.iter().map(|bucket| bucket.bots).sum();
        Self { all: bots + figures.buckets.iter().map(|bucket| bucket.humans).sum::<u64>(), bots }
    }

    fn others(&self) -> u64 {
        self.all - self.bots
    }
}

fn over_time(look: Look, figures: &Figures, totals: &Totals) -> Markup {
    let verification = analytics::verification(figures);
    let label =
        format!("Detections by {}: {} bots, {} people and others.", look.name, totals.bots, totals.others());
    html! {
        section class="card" aria-labelledby="time-title" {
            h2 id="time-title" { "Who came" }
            dl class="figures" {
                div { dt { "Detections" } dd id="figure-all" { (totals.all) } }
                div data-band="definite" { dt { "Bots" } dd { (totals.bots) " " small { (share(totals.bots, totals.all)) } } }
                div data-band="likely_human" { dt { "People and others" } dd { (totals.others()) " " small { (share(totals.others(), totals.all)) } } }
                div { dt { "Distinct bots" } dd { @if !figures.bots.is_exact() { "about " } (figures.bots.count()) } }
                div data-band="verified" { dt { "Identity proven" } dd { (verification.verified) } }
                div { dt { "Identity claimed" } dd { (verification.claimed) } }
                div data-band="likely_automated" { dt { "Identity spoofed" } dd { (verification.spoofed) } }
            }
            div class="chart" data-chart="detections" data-values=(series(look.period, &figures.buckets)) role="img" aria-label=(label) {}
            p class="readout fine" data-readout="detections" aria-hidden="true" {}
            p class="legend fine" aria-hidden="true" {
                span data-band="definite" { "Bots" } " " span data-band="likely_human" { "People and others" }
            }
            details class="table-of" {
                summary { "The same as a table" }
                div class="scroll" tabindex="0" role="region" aria-label="Detections over time" {
                    table class="numbers" {
                        caption { "Detections in each " (look.name) }
                        thead { tr { th scope="col" { "From" } th scope="col" { "Bots" } th scope="col" { "People and others" } } }
                        tbody {
                            @for bucket in figures.buckets.iter().rev() {
                                tr { th scope="row" { (start(look.period, bucket)) } td { (bucket.bots) } td { (bucket.humans) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn types(figures: &Figures) -> Markup {
    let distinct = figures.bots.by_class(&TYPES.map(|(_, name)| name));
    let of = |wanted: &str| distinct.iter().find(|(name, _)| name == wanted).map_or(0, |(_, count)| *count);
    let most = figures.types.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let mut types: Vec<_> = figures.types.iter().filter(|(_, count)| *count > 0).collect();
    types.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    html! {
        section class="card" aria-labelledby="types-title" {
            h2 id="types-title" { "Of what type" }
            ul class="most one" {
                @for (name, count) in types {
                    li {
                        p class="most-head" {
                            b { (words::bot_type_named(name)) }
                            span class="fine" { (count) @if of(name) > 0 { ", " (of(name)) " distinct" } }
                        }
                        progress max=(most) value=(count) aria-hidden="true" {}
                    }
                }
            }
        }
    }
}

fn policy_actions(figures: &Figures) -> Markup {
    let actions = analytics::actions(figures);
    let most = actions.values().copied().max().unwrap_or(1).max(1);
    html! {
        section class="card" aria-labelledby="actions-title" {
            h2 id="actions-title" { "What the policy said" }
            ul class="most one" {
                @for (action, count) in &actions {
                    li {
                        p class="most-head" { span class="action" data-action=(action) { (action) } span class="fine" { (count) } }
                        progress max=(most) value=(count) aria-hidden="true" {}
                    }
                }
            }
        }
    }
}

fn top_agents(app: &App, project: &Project, agents: &[AgentItem]) -> Markup {
    html! {
        section class="card" aria-labelledby="agents-title" {
            h2 id="agents-title" { "Agents that came most often" }
            @if agents.is_empty() {
                p class="empty" { "No catalogued agent came in this time." }
            } @else {
                table class="stack" {
                    thead {
                        tr {
                            th scope="col" { "Agent" }
                            th scope="col" { "Operator" }
                            th scope="col" { "Comes for" }
                            th scope="col" { "Detections" }
                            th scope="col" { "Identity" }
                            th scope="col" { "Last seen" }
                        }
                    }
                    tbody {
                        @for agent in agents.iter().take(MOST_SHOWN) {
                            tr {
                                td data-label="Agent" { a href=(path(project.id, &format!("/log?agent={}", agent.agent_id))) { (agent.name) } }
                                td data-label="Operator" { @if agent.vendor.is_empty() { "not known" } @else { (agent.vendor) } }
                                td data-label="Comes for" { @if let Some(info) = app.detection.agent(&agent.agent_id) { (words::purpose(info.purpose)) } }
                                td data-label="Detections" { (agent.detections) }
                                td data-label="Identity" { (proven(agent)) }
                                td data-label="Last seen" { time datetime=(agent.last_seen) { (agent.last_seen.replace('T', " ").split(['.', 'Z']).next().unwrap_or_default()) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn proven(agent: &AgentItem) -> Markup {
    let counts = [
        ("verified", agent.verification.verified),
        ("claimed", agent.verification.claimed),
        ("spoofed", agent.verification.spoofed),
        ("without a claim", agent.verification.none),
    ];
    let shown: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    html! { (shown.join(", ")) }
}

fn top_paths(figures: &Figures) -> Markup {
    let paths = analytics::paths(figures);
    html! {
        @if !paths.is_empty() {
            section class="card" aria-labelledby="paths-title" {
                h2 id="paths-title" { "Paths asked for most often" }
                div class="scroll" tabindex="0" role="region" aria-label="Paths" {
                    table class="numbers paths" {
                        thead { tr { th scope="col" { "Path" } th scope="col" { "Detections" } } }
                        tbody {
                            @for path in paths.iter().take(MOST_SHOWN) {
                                tr { th scope="row" { code { (path.path) } } td { (path.detections) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The chart's data: starts and width in seconds, then the counts of each band of colour.
fn series(period: Period, buckets: &[Bucket]) -> String {
    let times: Vec<i64> = buckets.iter().map(|bucket| bucket.start.seconds()).collect();
    let bots: Vec<u64> = buckets.iter().map(|bucket| bucket.bots).collect();
    let others: Vec<u64> = buckets.iter().map(|bucket| bucket.humans).collect();
    let width = buckets.last().map_or(0, |last| period.next(last.start).seconds() - last.start.seconds());
    json!({
        "times": times,
        "width": width,
        "bands": [
            { "band": "definite", "label": "bots", "counts": bots },
            { "band": "likely_human", "label": "people and others", "counts": others },
        ],
    })
    .to_string()
}

fn start(period: Period, bucket: &Bucket) -> String {
    match period {
        Period::Hour => bucket.start.to_seconds_text().replace('T', " ").replace(":00Z", ""),
        _ => date(bucket.start).to_string(),
    }
}

fn share(count: u64, all: u64) -> String {
    let all = all.max(1);
    let tenths = count.saturating_mul(1_000).saturating_add(all / 2) / all;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

const DATES: [&str; 2] = ["startDate", "endDate"];
const MOST_SHOWN: usize = 15;
