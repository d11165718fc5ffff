//! What every page of the console has around it, and the pieces that several pages show.

use axum::response::Response;
use maud::{DOCTYPE, Markup, html};
use quivive_core::Timestamp;
use quivive_core::score::{Action, Band};

use super::access::{Owned, Owner};
use super::words;
use crate::browser::assets_path;
use crate::pages;

/// The pages of a project.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tab {
    /// What came.
    Overview,
    /// Every session.
    Sessions,
    /// What verdicts do.
    Settings,
    /// The owner's rules.
    Rules,
    /// What was blocked.
    Blocks,
    /// Keys.
    Keys,
    /// Single requests, with their own pages.
    Detections,
}

impl Tab {
    const ALL: [(Self, &'static str, &'static str); 7] = [
        (Self::Overview, "", "Overview"),
        (Self::Sessions, "/sessions", "Sessions"),
        (Self::Settings, "/settings", "Settings"),
        (Self::Rules, "/rules", "Rules"),
        (Self::Blocks, "/blocks", "Blocks"),
        (Self::Keys, "/keys", "Keys"),
        (Self::Detections, "/detections", "Detections"),
    ];
}

/// The path of a project's page: `""`, `"/settings"`, …
pub(super) fn project_path(project_id: i64, page: &str) -> String {
    format!("{}/projects/{project_id}{page}", super::PATH)
}

/// A page for somebody who is not logged in.
pub(super) fn plain(title: &str, body: &Markup) -> Response {
    respond(title, &html! {}, body)
}

/// A page of a logged-in user.
pub(super) fn page(owner: &Owner, title: &str, body: &Markup) -> Response {
    respond(title, &account_menu(owner), body)
}

/// A page of a project.
pub(super) fn project_page(owned: &Owned, tab: Tab, title: &str, body: &Markup) -> Response {
    let project = &owned.project;
    let body = html! {
        div class="project-head" {
            div {
                p class="crumb" { a href=(super::PATH) { "Projects" } " / " (owned.account.name) }
                h1 class="page-title" { (project.name) }
            }
            nav class="tabs" aria-label="Project" {
                @for (each, page, name) in Tab::ALL {
                    a href=(project_path(project.id, page)) aria-current=[(each == tab).then_some("page")] { (name) }
                }
            }
        }
        @if !project.scoring.is_enabled && !matches!(tab, Tab::Keys | Tab::Detections) {
            p class="notice" role="status" {
                "Scoring is off for this project, so no session is scored. "
                a href=(project_path(project.id, "/keys")) { "Turn it on" } "."
            }
        }
        (body)
    };
    respond(&format!("{title}, {}", project.name), &account_menu(&owned.owner), &body)
}

/// The hidden field that ties a form to the session.
pub(super) fn mark(owner: &Owner) -> Markup {
    html! { input type="hidden" name="mark" value=(owner.mark); }
}

/// A score and what it means.
pub(super) fn score_badge(score: u8, band: Band) -> Markup {
    let shown = if score == 0 { "–".to_owned() } else { score.to_string() };
    html! {
        span class="badge" data-band=(band.name()) {
            b { (shown) } " " span { (words::band(band)) }
        }
    }
}

/// An action as a chip.
pub(super) fn action_chip(action: Action) -> Markup {
    html! { span class="action" data-action=(action.name()) { (action.name()) } }
}

/// A moment, day and time of day.
pub(super) fn moment(at: Timestamp) -> Markup {
    let text = at.to_seconds_text();
    let (day, time) = text.trim_end_matches('Z').split_once('T').unwrap_or((&text, ""));
    html! { time datetime=(text) { span class="day" { (day) } " " (time) } }
}

/// A number of things in words: `1 session`, `2 sessions`.
pub(super) fn count(number: impl TryInto<i64>, one: &str, many: &str) -> String {
    let number: i64 = number.try_into().unwrap_or(i64::MAX);
    format!("{number} {}", if number == 1 { one } else { many })
}

fn account_menu(owner: &Owner) -> Markup {
    html! {
        nav class="account" aria-label="Account" {
            span { (owner.user.name) }
            form method="post" action="/-/console/logout" {
                (mark(owner))
                button type="submit" class="second small" { "Log out" }
            }
        }
    }
}

fn respond(title: &str, menu: &Markup, body: &Markup) -> Response {
    let assets = assets_path();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                meta name="htmx-config" content=(pages::HTMX);
                title { (title) ": Quivive console" }
                link rel="icon" type="image/svg+xml" href=(format!("{assets}/icon.svg"));
                link rel="stylesheet" href=(format!("{assets}/page.css"));
                link rel="stylesheet" href=(format!("{assets}/uplot.min.css"));
                link rel="stylesheet" href=(format!("{assets}/console.css"));
                script defer src=(format!("{assets}/htmx.min.js")) {}
                script defer src=(format!("{assets}/uplot.min.js")) {}
                script type="module" src=(format!("{assets}/console.js")) {}
            }
            body class="console" {
                a class="skip" href="#content" { "Skip to the content" }
                header class="top" {
                    a class="brand" href=(super::PATH) aria-label="Quivive console, projects" {
                        svg viewBox="0 0 32 32" width="30" height="30" aria-hidden="true" {
                            path class="mark-frame" d="M9 28V14a7 7 0 0 1 14 0v14M6 28h20" {}
                            circle class="mark-light" cx="16" cy="17" r="3.2" {}
                        }
                        span { "Quivive" }
                    }
                    (menu)
                }
                p id="connection" class="notice connection" role="alert" hidden {
                    "The server does not answer. What you see is from before; this page keeps trying."
                }
                main id="content" tabindex="-1" { (body) }
                footer class="bottom" {
                    p { "Times are in UTC. This page asks no other host for anything." }
                    p { a href="/" { "Front page" } a href="/-/health" { "Health" } "Quivive " (env!("CARGO_PKG_VERSION")) }
                }
            }
        }
    };
    pages::html(page.into_string())
}
