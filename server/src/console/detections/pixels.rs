//! The project's pixels: made, set, switched off, and what to paste.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::Uri;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::faults::Faults;
use super::{Section, page, path, refused};
use crate::agentshield::body::Reader;
use crate::agentshield::pixels::{Change, manage};
use crate::agentshield::wire;
use crate::app::App;
use crate::console::access::{Form, Owned};
use crate::console::failure::{Failure, Result};
use crate::console::layout;
use crate::error::ErrorKind;
use crate::extract::{Path, query_value};
use crate::tenant::pixel::{self, Pixel, PixelSettings};

/// The routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/-/console/projects/{project}/detections/pixels", get(read).post(create))
        .route("/-/console/projects/{project}/detections/pixels/{pixel}", get(read_one).post(change))
        .route("/-/console/projects/{project}/detections/pixels/{pixel}/delete", post(delete))
}

async fn read(State(app): State<App>, owned: Owned, uri: Uri) -> Result<Response> {
    let notice = match query_value(&uri, "done").as_deref() {
        Some("made") => Some("The pixel is made. Paste its line into the head of your pages."),
        Some("deleted") => Some("The pixel is deleted. What it recorded stays."),
        _ => None,
    };
    show(&app, &owned, &PixelSettings::default(), notice, &Faults::default()).await
}

async fn create(State(app): State<App>, owned: Owned, form: Form) -> Result<Response> {
    let made = match changes(&form) {
        Ok(change) => manage::make(&app, &owned.project, &owned.owner.actor(), &change).await,
        Err(failure) => Err(failure),
    };
    match made {
        Ok(_) => Ok(Redirect::to(&path(owned.project.id, "/pixels?done=made")).into_response()),
        Err(failure) => {
            let faults = Faults::of(failure)?;
            Ok(refused(show(&app, &owned, &written(&form), None, &faults).await?))
        }
    }
}

#[derive(Deserialize)]
struct PixelPath {
    pixel: String,
}

async fn read_one(
    State(app): State<App>,
    owned: Owned,
    Path(PixelPath { pixel: id }): Path<PixelPath>,
    uri: Uri,
) -> Result<Response> {
    let pixel = found(&app, &owned, &id).await?;
    let notice = query_value(&uri, "done").map(|_| "Saved.");
    show_one(&app, &owned, &pixel, &pixel.settings, notice, &Faults::default()).await
}

async fn change(
    State(app): State<App>,
    owned: Owned,
    Path(PixelPath { pixel: id }): Path<PixelPath>,
    form: Form,
) -> Result<Response> {
    let pixel = found(&app, &owned, &id).await?;
    let changed = match changes(&form) {
        Ok(change) => manage::alter(&app, &owned.project, &id, &owned.owner.actor(), &change).await,
        Err(failure) => Err(failure),
    };
    match changed {
        Ok(_) => {
            let here = path(owned.project.id, &format!("/pixels/{id}?done=saved"));
            Ok(Redirect::to(&here).into_response())
        }
        Err(failure) => {
            let faults = Faults::of(failure)?;
            Ok(refused(show_one(&app, &owned, &pixel, &written(&form), None, &faults).await?))
        }
    }
}

async fn delete(
    State(app): State<App>,
    owned: Owned,
    Path(PixelPath { pixel: id }): Path<PixelPath>,
    _: Form,
) -> Result<Response> {
    found(&app, &owned, &id).await?;
    manage::remove(&app, &owned.project, &id, &owned.owner.actor()).await.map_err(|failure| failure.0)?;
    Ok(Redirect::to(&path(owned.project.id, "/pixels?done=deleted")).into_response())
}

async fn found(app: &App, owned: &Owned, id: &str) -> Result<Pixel> {
    match pixel::read(app, owned.project.id, id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::not_found()),
        other => Ok(other?),
    }
}

/// The form, read as the API reads its body.
fn changes(form: &Form) -> wire::Result<Change> {
    let mut body = Map::<String, Value>::new();
    for name in SWITCHES {
        body.insert(name.to_owned(), json!(form.is_ticked(name)));
    }
    for name in ["allowedDomains", "skipPaths"] {
        body.insert(name.to_owned(), json!(lines(form.text(name))));
    }
    for (name, _) in NUMBERS.into_iter().filter(|(name, _)| !form.text(name).is_empty()) {
        let text = form.text(name).trim();
        let number = text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number));
        body.insert(name.to_owned(), number);
    }
    let mut reader = Reader::default();
    let change = Change::read(&mut reader, &body);
    reader.finish(change)
}

/// What the form held, to be shown again.
fn written(form: &Form) -> PixelSettings {
    let usual = PixelSettings::default();
    let number = |name: &str, usual: u32| form.text(name).trim().parse().unwrap_or(usual);
    PixelSettings {
        enabled: form.is_ticked("enabled"),
        skip_paths: lines(form.text("skipPaths")),
        allowed_domains: lines(form.text("allowedDomains")),
        batch_size: number("batchSize", usual.batch_size),
        flush_interval: number("flushInterval", usual.flush_interval),
        session_timeout: number("sessionTimeout", usual.session_timeout),
        respect_do_not_track: form.is_ticked("respectDoNotTrack"),
        enable_fingerprinting: form.is_ticked("enableFingerprinting"),
        debug: form.is_ticked("debug"),
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

async fn show(
    app: &App,
    owned: &Owned,
    draft: &PixelSettings,
    notice: Option<&str>,
    faults: &Faults,
) -> Result<Response> {
    let project = &owned.project;
    let pixels = pixel::list(app, project.id).await?;
    let body = html! {
        @if let Some(notice) = notice { p class="notice" role="status" { (notice) } }
        section class="card" aria-labelledby="pixels-title" {
            h2 id="pixels-title" { "Pixels" }
            @if pixels.is_empty() {
                p class="empty" { "No pixel yet. A pixel is a line in your pages that reports who reads them: make one below and paste its line." }
            } @else {
                ul class="entries" {
                    @for pixel in &pixels {
                        li id=(pixel.id) {
                            p class="entry-head" {
                                a href=(path(project.id, &format!("/pixels/{}", pixel.id))) { code { (pixel.id) } }
                                (state(pixel))
                            }
                            (super::to_copy(&super::snippet(app, &pixel.id)))
                        }
                    }
                }
            }
        }
        section class="card" aria-labelledby="new-title" {
            h2 id="new-title" { "A new pixel" }
            (editor(owned, &path(project.id, "/pixels"), draft, faults, "Make the pixel"))
        }
    };
    Ok(page(owned, Section::Pixels, &body))
}

async fn show_one(
    app: &App,
    owned: &Owned,
    pixel: &Pixel,
    draft: &PixelSettings,
    notice: Option<&str>,
    faults: &Faults,
) -> Result<Response> {
    let here = path(owned.project.id, &format!("/pixels/{}", pixel.id));
    let untracked = pixel::untracked_today(app, &pixel.id).await?;
    let body = html! {
        p class="crumb" { a href=(path(owned.project.id, "/pixels")) { "Pixels" } " / " code { (pixel.id) } }
        @if let Some(notice) = notice { p class="notice" role="status" { (notice) } }
        section class="card" aria-labelledby="paste-title" {
            div class="card-head" { h2 id="paste-title" { "Put this into the head of your pages" } (state(pixel)) }
            (super::to_copy(&super::snippet(app, &pixel.id)))
            p class="fine" {
                "Made " (layout::moment(pixel.created_at)) ". Today "
                (layout::count(untracked, "request", "requests")) " asked not to be tracked."
            }
        }
        section class="card" aria-labelledby="settings-title" {
            h2 id="settings-title" { "Settings" }
            (editor(owned, &here, draft, faults, "Save"))
        }
        section class="card" aria-labelledby="delete-title" {
            h2 id="delete-title" { "Delete it" }
            details class="replace" {
                summary { "Delete this pixel" }
                form method="post" action=(format!("{here}/delete")) {
                    (layout::mark(&owned.owner))
                    label class="tick" { input type="checkbox" required; span { "Pages that carry it report nothing from then on. What it recorded stays." } }
                    button type="submit" class="danger" { "Delete" }
                }
            }
        }
    };
    Ok(page(owned, Section::Pixels, &body))
}

fn state(pixel: &Pixel) -> Markup {
    html! {
        @if pixel.settings.enabled { span class="chip" data-tone="good" { "on" } } @else { span class="chip" { "off" } }
    }
}

fn editor(owned: &Owned, action: &str, draft: &PixelSettings, faults: &Faults, button: &str) -> Markup {
    let area = |name: &str, label: &str, placeholder: &str, lines: &[String]| {
        html! {
            label { (label)
                textarea name=(name) rows="3" spellcheck="false" placeholder=(placeholder) aria-invalid=[faults.has(name)] aria-describedby=(Faults::id(name)) { (lines.join("\n")) }
                (faults.at(name))
            }
        }
    };
    let is_on = [draft.enabled, draft.respect_do_not_track, draft.enable_fingerprinting, draft.debug];
    let words = [
        "It takes events",
        "Visitors who ask not to be tracked are only counted",
        "It reports what it sees of the browser",
        "It writes to the browser's console what it does",
    ];
    let numbers = [draft.batch_size, draft.flush_interval, draft.session_timeout];
    html! {
        form method="post" action=(action) class="rule-form" {
            (layout::mark(&owned.owner))
            (faults.others(&["allowedDomains", "skipPaths", "batchSize", "flushInterval", "sessionTimeout"]))
            div class="fields two" {
                (area("allowedDomains", "Domains whose pages may use it, one in a line; all when empty", "example.com", &draft.allowed_domains))
                (area("skipPaths", "Paths on which it reports nothing, one in a line", "/admin/**", &draft.skip_paths))
            }
            div class="ticks" {
                @for ((name, is_on), words) in SWITCHES.into_iter().zip(is_on).zip(words) {
                    label class="tick" { input type="checkbox" name=(name) checked[is_on]; span { (words) } }
                }
            }
            details class="help" open[NUMBERS.iter().any(|(name, _)| faults.has(name).is_some())] {
                summary { "Pace" }
                div class="fields" {
                    @for ((name, words), number) in NUMBERS.into_iter().zip(numbers) {
                        label { (words)
                            input type="number" name=(name) value=(number) aria-invalid=[faults.has(name)] aria-describedby=(Faults::id(name));
                            (faults.at(name))
                        }
                    }
                }
            }
            p class="buttons" { button type="submit" { (button) } }
        }
    }
}

const SWITCHES: [&str; 4] = ["enabled", "respectDoNotTrack", "enableFingerprinting", "debug"];
const NUMBERS: [(&str, &str); 3] = [
    ("batchSize", "Events that are sent together"),
    ("flushInterval", "Milliseconds after which it sends"),
    ("sessionTimeout", "Milliseconds after which a session ends"),
];
