//! A project at a glance: bands over time, what was detected most, sessions as they are scored.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, Uri};
use maud::{Markup, html};
use quivive_core::encoding;
use quivive_core::score::detection::Detection;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::access::Owned;
use super::failure::Result;
use super::layout::{self, Tab};
use super::{sessions, words};
use crate::app::App;
use crate::extract::query_value;
use crate::flows::scoring::history::{self, BAND_ORDER, BandCounts};
use crate::flows::scoring::inspect;
use crate::pages;
use crate::tenant::Project;

/// The routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/-/console/projects/{project}", get(read))
        .route("/-/console/projects/{project}/live", get(live))
}

async fn read(State(app): State<App>, owned: Owned, uri: Uri) -> Result<Response> {
    let range = Range::of(query_value(&uri, "range").as_deref());
    let project = &owned.project;
    let from = app.now().plus_milliseconds(-range.milliseconds());
    let now = app.now();
    let midnight = now.plus_milliseconds(-now.milliseconds().rem_euclid(DAY));
    let (hours, top, today) = tokio::try_join!(
        history::bands(&app, project.id, from),
        history::top_detections(&app, project.id, from, MOST_DETECTIONS),
        history::new_sessions(&app, project.id, midnight),
    )?;
    let body = html! {
        div id="bands" hx-get=(here(project, range)) hx-trigger="every 60s" hx-select="#bands" hx-swap="outerHTML" {
            (bands(project, range, &hours, today))
            (detections(range, &top))
        }
        (feed(&app, project).await?)
    };
    Ok(layout::project_page(&owned, Tab::Overview, "Overview", &body))
}

/// The latest sessions; nothing to send when the caller has seen this very list.
async fn live(State(app): State<App>, owned: Owned, uri: Uri) -> Result<Response> {
    let (version, list) = list(&app, &owned.project).await?;
    if query_value(&uri, "seen").as_deref() == Some(version.as_str()) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(pages::html(list.into_string()))
}

async fn feed(app: &App, project: &Project) -> Result<Markup> {
    let (_, list) = list(app, project).await?;
    Ok(html! {
        section class="card" aria-labelledby="live-title" {
            div class="card-head" {
                h2 id="live-title" { "Sessions as they are scored" }
                p class="pulse" data-state="live" { "Every two seconds" }
            }
            div id="live" hx-get=(layout::project_path(project.id, "/live")) hx-trigger="every 2s" hx-include="#live-seen" hx-swap="innerHTML" {
                (list)
            }
            p { a href=(layout::project_path(project.id, "/sessions")) { "All sessions" } }
        }
    })
}

/// The latest sessions as a table, and what tells this list from any other.
async fn list(app: &App, project: &Project) -> Result<(String, Markup)> {
    let recent = inspect::recent(app, project, None, MOST_LIVE).await?;
    let table = html! {
        @if recent.is_empty() {
            div class="empty" {
                p { "No sessions yet. They appear here by themselves as soon as a page with your script is visited." }
                (snippet(project))
            }
        } @else {
            (sessions::table(app, project, &recent))
        }
    };
    let version = encoding::hex(
        Sha256::digest(table.0.as_bytes()).first_chunk::<8>().map_or(&[], |half| half.as_slice()),
    );
    let list = html! { input type="hidden" id="live-seen" name="seen" value=(version); (table) };
    Ok((version, list))
}

/// What a site has to put into its pages.
fn snippet(project: &Project) -> Markup {
    html! {
        @if let Some(site_key) = &project.scoring.site_key {
            p { "Put this into the head of your pages, with this server's address:" }
            pre tabindex="0" {
                "<script async src=\"https://your-quivive/v1/sdk.js\" data-botect-sdk data-site-key=\"" (site_key) "\"></script>"
            }
        }
    }
}

/// How far a look goes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Range {
    Day,
    Week,
    Month,
}

impl Range {
    const ALL: [(Self, &'static str, &'static str); 3] =
        [(Self::Day, "24h", "24 hours"), (Self::Week, "7d", "7 days"), (Self::Month, "30d", "30 days")];

    fn of(name: Option<&str>) -> Self {
        let known = Self::ALL.into_iter().find(|(_, known, _)| Some(*known) == name);
        known.map_or(Self::Day, |(range, _, _)| range)
    }

    /// The first slot is whole: the present hour and those before it.
    fn milliseconds(self) -> i64 {
        let hours = match self {
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        };
        (hours - 1) * HOUR
    }

    fn names(self) -> (&'static str, &'static str) {
        let known = Self::ALL.into_iter().find(|(range, _, _)| *range == self);
        known.map_or(("24h", "24 hours"), |(_, name, words)| (name, words))
    }
}

fn here(project: &Project, range: Range) -> String {
    format!("{}?range={}", layout::project_path(project.id, ""), range.names().0)
}

fn bands(project: &Project, range: Range, hours: &[BandCounts], today: i64) -> Markup {
    let totals = total(hours);
    let all: i64 = totals.iter().sum();
    let threshold = project.scoring.settings.likely_bot_threshold.get();
    html! {
        section class="card" aria-labelledby="bands-title" {
            div class="card-head" {
                h2 id="bands-title" { "Who came" }
                nav class="ranges" aria-label="How far back" {
                    @for (each, _, words) in Range::ALL {
                        a href=(here(project, each)) hx-get=(here(project, each)) hx-target="#bands" hx-select="#bands"
                            hx-swap="outerHTML" hx-push-url="true" id=(format!("range-{}", each.names().0))
                            aria-current=[(each == range).then_some("true")] { (words) }
                    }
                }
            }
            dl class="figures" {
                div { dt { "New sessions today" } dd { (today) } }
                @for (band, count) in BAND_ORDER.into_iter().zip(totals) {
                    div data-band=(band.name()) {
                        dt { (words::band(band)) }
                        dd { (count) @if all > 0 { " " small { (share(count, all)) } } }
                    }
                }
            }
            @if all == 0 {
                p class="empty" { "No session was scored in the last " (range.names().1) "." }
            } @else {
                div class="chart" data-chart="bands" data-values=(series(hours)) role="img" aria-label=(summary(range, &totals)) {}
                p class="readout fine" data-readout="bands" aria-hidden="true" { "Point at or touch the chart to read an hour." }
                details class="table-of" {
                    summary { "The same as a table" }
                    (band_table(range, hours))
                }
            }
            p class="fine" {
                "A session counts once in each hour in which it was scored, under the band that it had at that hour's end "
                "by the threshold of that time; the threshold is " (threshold) " now."
            }
        }
    }
}

fn detections(range: Range, top: &[(String, i64)]) -> Markup {
    let most = top.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    html! {
        section class="card" aria-labelledby="top-title" {
            h2 id="top-title" { "What was detected most" }
            @if top.is_empty() {
                p class="empty" { "Nothing spoke for automation in the last " (range.names().1) "." }
            } @else {
                ol class="most" {
                    @for (id, count) in top {
                        li {
                            p class="most-head" {
                                b { (words::phrase(id)) }
                                span class="fine" {
                                    (layout::count(*count, "time", "times"))
                                    @if let Some(number) = Detection::from_id(id).and_then(Detection::number) { ", id " code { (number) } }
                                }
                            }
                            progress max=(most) value=(count) aria-hidden="true" {}
                            @if let Some(meaning) = words::meaning(id) { p class="fine" { (meaning) } }
                        }
                    }
                }
                p class="fine" { "Counted once per session and hour." }
            }
        }
    }
}

/// Rows by hour for a day, by day for longer.
fn band_table(range: Range, hours: &[BandCounts]) -> Markup {
    let rows: Vec<(String, [i64; 5])> = if range == Range::Day {
        hours
            .iter()
            .rev()
            .map(|hour| (hour.at.to_seconds_text().replace('T', " ").replace(":00Z", ""), hour.counts))
            .collect()
    } else {
        let mut days: BTreeMap<String, [i64; 5]> = BTreeMap::new();
        for hour in hours {
            let text = hour.at.to_seconds_text();
            let day = text.split_once('T').map_or("", |(day, _)| day).to_owned();
            let sums = days.entry(day).or_default();
            for (sum, count) in sums.iter_mut().zip(hour.counts) {
                *sum += count;
            }
        }
        days.into_iter().rev().collect()
    };
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Sessions by band" {
            table class="numbers" {
                caption { @if range == Range::Day { "Sessions in each hour" } @else { "Hours' sessions added up for each day" } }
                thead {
                    tr {
                        th scope="col" { @if range == Range::Day { "Hour" } @else { "Day" } }
                        @for band in BAND_ORDER { th scope="col" { (words::band(band)) } }
                    }
                }
                tbody {
                    @for (name, counts) in rows {
                        tr { th scope="row" { (name) } @for count in counts { td { (count) } } }
                    }
                }
            }
        }
    }
}

/// The chart's data: times in seconds, then the counts of each band.
fn series(hours: &[BandCounts]) -> String {
    let times: Vec<i64> = hours.iter().map(|hour| hour.at.seconds()).collect();
    let bands: Vec<_> = BAND_ORDER
        .into_iter()
        .enumerate()
        .map(|(place, band)| {
            let counts: Vec<i64> =
                hours.iter().map(|hour| hour.counts.get(place).copied().unwrap_or_default()).collect();
            json!({ "band": band.name(), "label": words::band(band), "counts": counts })
        })
        .collect();
    json!({ "times": times, "bands": bands }).to_string()
}

fn total(hours: &[BandCounts]) -> [i64; 5] {
    let mut totals = [0; 5];
    for hour in hours {
        for (total, count) in totals.iter_mut().zip(hour.counts) {
            *total += count;
        }
    }
    totals
}

fn summary(range: Range, totals: &[i64; 5]) -> String {
    let parts: Vec<String> = BAND_ORDER
        .into_iter()
        .zip(totals)
        .map(|(band, count)| format!("{}: {count}", words::band(band)))
        .collect();
    format!("Sessions by hour and band over {}. In total, {}.", range.names().1, parts.join(", "))
}

fn share(count: i64, all: i64) -> String {
    let tenths = count * 1_000 / all.max(1);
    if tenths < 100 && tenths % 10 != 0 {
        format!("{}.{} %", tenths / 10, tenths % 10)
    } else {
        format!("{} %", (tenths + 5) / 10)
    }
}

const HOUR: i64 = 3_600_000;
const DAY: i64 = 86_400_000;
const MOST_DETECTIONS: usize = 8;
const MOST_LIVE: usize = 25;
