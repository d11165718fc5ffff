//! What verdicts do: four toggles, and a threshold that shows what it would change before it is saved.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::Uri;
use maud::{Markup, html};
use quivive_core::score::{BotSettings, Threshold};

use super::access::{Form, Owned};
use super::failure::Result;
use super::layout::{self, Tab};
use crate::app::App;
use crate::error::Error;
use crate::extract::query_value;
use crate::flows::scoring::inspect::{self, WhatIf};
use crate::pages;
use crate::tenant::{Project, directory};

/// The routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/-/console/projects/{project}/settings", get(read).post(save))
        .route("/-/console/projects/{project}/settings/preview", get(preview))
}

async fn read(State(app): State<App>, owned: Owned, uri: Uri) -> Result<Response> {
    let project = &owned.project;
    let shown = match query_value(&uri, FIELD) {
        Some(text) => threshold(&text)?,
        None => project.scoring.settings.likely_bot_threshold,
    };
    let what_if = inspect::what_if(&app, project, shown, LOOKED_AT).await?;
    let has_saved = query_value(&uri, "saved").is_some();
    let path = layout::project_path(project.id, "/settings");
    let body = html! {
        @if has_saved { p class="notice" role="status" { "Saved. The next verdict is made with these settings." } }
        form method="post" action=(path) class="settings" {
            (layout::mark(&owned.owner))
            section class="card" aria-labelledby="threshold-title" {
                div class="card-head" {
                    h2 id="threshold-title" { "Threshold" }
                    p class="fine" { "Sessions with a lower score are in a bot band. A higher threshold is stricter." }
                }
                div class="slider" {
                    label for="threshold" { "Likely-bot threshold" }
                    output id="threshold-value" for="threshold" { (shown.get()) }
                    input id="threshold" type="range" name=(FIELD) min="1" max="99" value=(shown.get())
                        hx-get=(layout::project_path(project.id, "/settings/preview")) hx-trigger="input changed delay:120ms"
                        hx-target="#preview" hx-sync="this:replace" data-output="threshold-value";
                }
                div id="preview" aria-live="polite" { (preview_of(project, &what_if)) }
                noscript { button type="submit" class="second" formmethod="get" formaction=(path) { "Show what it would change" } }
            }
            section class="card" aria-labelledby="toggles-title" {
                h2 id="toggles-title" { "What verdicts do" }
                (toggles(&project.scoring.settings.bot_settings))
                p class="fine" { "The action is advice to your server; nothing is enforced here." }
            }
            p class="buttons save" { button type="submit" { "Save settings" } }
        }
    };
    Ok(layout::project_page(&owned, Tab::Settings, "Settings", &body))
}

async fn preview(State(app): State<App>, owned: Owned, uri: Uri) -> Result<Response> {
    let shown = threshold(query_value(&uri, FIELD).as_deref().unwrap_or_default())?;
    let what_if = inspect::what_if(&app, &owned.project, shown, LOOKED_AT).await?;
    Ok(pages::html(preview_of(&owned.project, &what_if).into_string()))
}

/// Puts all settings; what is not in the form is off.
async fn save(State(app): State<App>, owned: Owned, form: Form) -> Result<Response> {
    let threshold = threshold(form.text(FIELD))?;
    let toggles = BotSettings {
        allow_verified: form.is_ticked("allow_verified"),
        protect_static: form.is_ticked("protect_static"),
        block_definite: form.is_ticked("block_definite"),
        challenge_likely: form.is_ticked("challenge_likely"),
    };
    directory::change_settings(&app, owned.project.id, |settings| {
        settings.likely_bot_threshold = threshold;
        settings.bot_settings = toggles;
    })
    .await?;
    Ok(Redirect::to(&layout::project_path(owned.project.id, "/settings?saved=1")).into_response())
}

fn threshold(text: &str) -> Result<Threshold> {
    let number = text.parse().ok().and_then(|value| Threshold::new(value).ok());
    Ok(number.ok_or_else(|| Error::unprocessable("The threshold is a whole number from 1 to 99."))?)
}

fn toggles(settings: &BotSettings) -> Markup {
    let toggles = [
        (
            "allow_verified",
            settings.allow_verified,
            "Allow verified bots",
            "Search engines and others that proved who they are pass before anything else.",
        ),
        (
            "protect_static",
            settings.protect_static,
            "Protect static files",
            "Off: requests for images, styles, scripts and the like always pass.",
        ),
        (
            "block_definite",
            settings.block_definite,
            "Block definite bots",
            "Score 1: the advice is to refuse the request.",
        ),
        (
            "challenge_likely",
            settings.challenge_likely,
            "Challenge likely bots",
            "Score from 2 to below the threshold: the advice is to show your challenge.",
        ),
    ];
    html! {
        ul class="toggles" {
            @for (name, is_on, title, text) in toggles {
                li {
                    label class="switch" {
                        input type="checkbox" name=(name) checked[is_on] role="switch";
                        span { b { (title) } span class="fine" { (text) } }
                    }
                }
            }
        }
    }
}

fn preview_of(project: &Project, what_if: &WhatIf) -> Markup {
    if what_if.sessions == 0 {
        return html! { p class="empty" { "No sessions yet, so there is nothing that a threshold could change." } };
    }
    let present = project.scoring.settings.likely_bot_threshold;
    let into = what_if.changing.iter().filter(|change| change.then.band.is_bot()).count();
    let out = what_if.changing.len() - into;
    html! {
        p class="preview-line" {
            "Of the last " (layout::count(what_if.sessions, "session", "sessions")) ", "
            b { (what_if.bots_then) }
            @if what_if.threshold == present { " are in a bot band." }
            @else { " would be in a bot band; now " (if what_if.bots_now == 1 { "it is " } else { "they are " }) (what_if.bots_now) "." }
        }
        (histogram(what_if, present))
        @if what_if.threshold != present {
            p class="chips" {
                span class="chip" data-tone=[(into > 0).then_some("bad")] { "+" (into) " into a bot band" }
                span class="chip" data-tone=[(out > 0).then_some("good")] { "−" (out) " out of a bot band" }
            }
            @if what_if.changing.is_empty() {
                p class="fine" { "No session would change sides." }
            } @else {
                (changing(project, what_if))
            }
        }
    }
}

/// How many sessions have each score, with the line between bots and people.
fn histogram(what_if: &WhatIf, present: Threshold) -> Markup {
    let most = what_if.histogram.iter().skip(1).copied().max().unwrap_or(0).max(1);
    let shown = what_if.threshold.get();
    let label =
        format!("Scores of {} sessions; {} below the threshold {shown}", what_if.sessions, what_if.bots_then);
    let height = |count: usize| {
        let share = f64::from(u32::try_from(count).unwrap_or(u32::MAX))
            / f64::from(u32::try_from(most).unwrap_or(u32::MAX));
        if count == 0 { 0.0 } else { (share * 100.0).max(3.0) }
    };
    let line = |threshold: u8| u32::from(threshold) * 6;
    html! {
        svg class="histogram" viewBox="0 0 606 116" preserveAspectRatio="none" role="img" aria-label=(label) {
            @for (score, count) in what_if.histogram.iter().enumerate().skip(1) {
                @let tall = height(*count);
                @let side = if score < usize::from(shown.max(2)) { "bot" } else { "person" };
                @if *count > 0 {
                    rect data-side=(side) x=(score * 6 + 1) y=(format!("{:.1}", 108.0 - tall)) width="5" height=(format!("{tall:.1}")) {}
                }
            }
            line class="axis" x1="0" x2="606" y1="108.5" y2="108.5" {}
            @if what_if.threshold != present { line class="present" x1=(line(present.get())) x2=(line(present.get())) y1="0" y2="112" {} }
            line class="shown" x1=(line(shown)) x2=(line(shown)) y1="0" y2="116" {}
        }
        div class="histogram-ends" aria-hidden="true" { span { "1 bot" } span { "score" } span { "99 person" } }
    }
}

fn changing(project: &Project, what_if: &WhatIf) -> Markup {
    html! {
        table class="stack" {
            caption { "Sessions that would change sides" @if what_if.changing.len() > MOST_CHANGING { ", the latest " (MOST_CHANGING) " of " (what_if.changing.len()) } }
            thead { tr { th scope="col" { "First scored" } th scope="col" { "Now" } th scope="col" { "Then" } th scope="col" { "Why then" } } }
            tbody {
                @for change in what_if.changing.iter().take(MOST_CHANGING) {
                    tr {
                        td data-label="First scored" {
                            a href=(layout::project_path(project.id, &format!("/sessions/{}", change.arrival.token))) { (layout::moment(change.arrival.at)) }
                        }
                        td data-label="Now" { (layout::score_badge(change.now.score, change.now.band)) }
                        td data-label="Then" { (layout::score_badge(change.then.score, change.then.band)) }
                        td data-label="Why then" { (change.then.reason) }
                    }
                }
            }
        }
    }
}

const FIELD: &str = "likely_bot_threshold";
const LOOKED_AT: usize = 500;
const MOST_CHANGING: usize = 12;
