//! The project's webhooks: made, changed, tried, and what became of their deliveries.

mod draft;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::Uri;
use maud::{Markup, html};
use serde::Deserialize;

use self::draft::{Draft, editor};
use super::faults::Faults;
use super::{Section, fresh, page, path, refused};
use crate::agentshield::webhooks::manage;
use crate::app::App;
use crate::console::access::{Form, Owned};
use crate::console::failure::{Failure, Result};
use crate::console::layout;
use crate::error::ErrorKind;
use crate::extract::{Path, query_value};
use crate::flows::webhooks::{self, Delivery, Disabled, Hook, Status};

/// The routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/-/console/projects/{project}/detections/webhooks", get(read).post(create))
        .route("/-/console/projects/{project}/detections/webhooks/{webhook}", get(read_one).post(change))
        .route("/-/console/projects/{project}/detections/webhooks/{webhook}/deliveries", get(deliveries))
        .route("/-/console/projects/{project}/detections/webhooks/{webhook}/test", post(test))
        .route("/-/console/projects/{project}/detections/webhooks/{webhook}/secret", post(rotate))
        .route("/-/console/projects/{project}/detections/webhooks/{webhook}/delete", post(delete))
}

async fn read(State(app): State<App>, owned: Owned, uri: Uri) -> Result<Response> {
    let notice = query_value(&uri, "done").map(|_| "The webhook is deleted, with its log.");
    show(&app, &owned, &Draft::default(), notice, &Faults::default()).await
}

async fn create(State(app): State<App>, owned: Owned, form: Form) -> Result<Response> {
    let draft = Draft::read(&form);
    match manage::make(&app, &owned.project, &owned.owner.actor(), &draft.body()).await {
        Ok((hook, secret)) => {
            let top = shown_once(&secret, "The webhook's secret, shown this once");
            show_one(&app, &owned, &hook, &Draft::of(&hook), &top, &Faults::default()).await
        }
        Err(failure) => Ok(refused(show(&app, &owned, &draft, None, &Faults::of(failure)?).await?)),
    }
}

#[derive(Deserialize)]
struct HookPath {
    webhook: String,
}

async fn read_one(
    State(app): State<App>,
    owned: Owned,
    Path(HookPath { webhook }): Path<HookPath>,
    uri: Uri,
) -> Result<Response> {
    let hook = found(&app, &owned, &webhook).await?;
    let notice = match query_value(&uri, "done").as_deref() {
        Some("saved") => Some("Saved."),
        Some("tested") => Some("A test is on its way; look at the deliveries."),
        _ => None,
    };
    let top = html! { @if let Some(notice) = notice { p class="notice" role="status" { (notice) } } };
    show_one(&app, &owned, &hook, &Draft::of(&hook), &top, &Faults::default()).await
}

async fn change(
    State(app): State<App>,
    owned: Owned,
    Path(HookPath { webhook }): Path<HookPath>,
    form: Form,
) -> Result<Response> {
    let hook = found(&app, &owned, &webhook).await?;
    let draft = Draft::read(&form);
    match manage::alter(&app, &hook, &owned.owner.actor(), &draft.body()).await {
        Ok(_) => Ok(back(&owned, &hook, "saved")),
        Err(failure) => {
            let faults = Faults::of(failure)?;
            Ok(refused(show_one(&app, &owned, &hook, &draft, &html! {}, &faults).await?))
        }
    }
}

/// The log alone, for a page that stays open.
async fn deliveries(
    State(app): State<App>,
    owned: Owned,
    Path(HookPath { webhook }): Path<HookPath>,
) -> Result<Response> {
    let hook = found(&app, &owned, &webhook).await?;
    Ok(crate::pages::html(log(&webhooks::deliveries(&app, &hook.id).await?).into_string()))
}

async fn test(
    State(app): State<App>,
    owned: Owned,
    Path(HookPath { webhook }): Path<HookPath>,
    _: Form,
) -> Result<Response> {
    let hook = found(&app, &owned, &webhook).await?;
    webhooks::test(&app, &hook).await?;
    Ok(back(&owned, &hook, "tested"))
}

async fn rotate(
    State(app): State<App>,
    owned: Owned,
    Path(HookPath { webhook }): Path<HookPath>,
    _: Form,
) -> Result<Response> {
    let hook = found(&app, &owned, &webhook).await?;
    let secret =
        manage::replace_secret(&app, &hook, &owned.owner.actor()).await.map_err(|failure| failure.0)?;
    let top = shown_once(&secret, "The new secret, shown this once");
    show_one(&app, &owned, &hook, &Draft::of(&hook), &top, &Faults::default()).await
}

async fn delete(
    State(app): State<App>,
    owned: Owned,
    Path(HookPath { webhook }): Path<HookPath>,
    _: Form,
) -> Result<Response> {
    let hook = found(&app, &owned, &webhook).await?;
    manage::remove(&app, &hook, &owned.owner.actor()).await.map_err(|failure| failure.0)?;
    Ok(Redirect::to(&path(owned.project.id, "/webhooks?done=deleted")).into_response())
}

async fn found(app: &App, owned: &Owned, id: &str) -> Result<Hook> {
    match manage::find(app, &owned.project, id).await.map_err(|failure| failure.0) {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::not_found()),
        other => Ok(other?),
    }
}

fn back(owned: &Owned, hook: &Hook, done: &str) -> Response {
    Redirect::to(&path(owned.project.id, &format!("/webhooks/{}?done={done}", hook.id))).into_response()
}

async fn show(
    app: &App,
    owned: &Owned,
    draft: &Draft,
    notice: Option<&str>,
    faults: &Faults,
) -> Result<Response> {
    let project = &owned.project;
    let hooks = webhooks::list(app, &project.id.to_string()).await?;
    let body = html! {
        @if let Some(notice) = notice { p class="notice" role="status" { (notice) } }
        section class="card" aria-labelledby="hooks-title" {
            h2 id="hooks-title" { "Webhooks" }
            @if hooks.is_empty() {
                p class="empty" { "No webhook yet. A webhook tells a server of yours what happens here, signed with a secret that only you and this server know." }
            } @else {
                ul class="entries" {
                    @for hook in &hooks {
                        li id=(hook.id) {
                            p class="entry-head" {
                                a href=(path(project.id, &format!("/webhooks/{}", hook.id))) { (hook.url) }
                                (state(hook))
                            }
                            p class="fine" { (hook.events.join(", ")) }
                        }
                    }
                }
            }
        }
        section class="card" aria-labelledby="new-title" {
            h2 id="new-title" { "A new webhook" }
            (editor(owned, &path(project.id, "/webhooks"), draft, faults, "Make the webhook"))
        }
    };
    Ok(page(owned, Section::Webhooks, &body))
}

async fn show_one(
    app: &App,
    owned: &Owned,
    hook: &Hook,
    draft: &Draft,
    top: &Markup,
    faults: &Faults,
) -> Result<Response> {
    let here = path(owned.project.id, &format!("/webhooks/{}", hook.id));
    let sent = webhooks::deliveries(app, &hook.id).await?;
    let body = html! {
        p class="crumb" { a href=(path(owned.project.id, "/webhooks")) { "Webhooks" } " / " code { (hook.id) } }
        (top)
        @if let Some(reason) = hook.disabled_because.filter(|_| !hook.is_enabled) {
            p class="notice" role="status" {
                @match reason {
                    Disabled::Gone => "Switched off by this server: the receiver answered 410 Gone.",
                    Disabled::Failing => "Switched off by this server: every delivery of 72 hours failed.",
                }
            }
        }
        section class="card" aria-labelledby="deliveries-title" {
            div class="card-head" {
                h2 id="deliveries-title" { "Deliveries" }
                form method="post" action=(format!("{here}/test")) {
                    (layout::mark(&owned.owner))
                    button type="submit" class="second small" { "Send a test" }
                }
            }
            div id="deliveries" hx-get=(format!("{here}/deliveries")) hx-trigger="every 2s" hx-swap="innerHTML" { (log(&sent)) }
            @if hook.dropped > 0 {
                p class="fine" { (layout::count(hook.dropped, "notice was", "notices were")) " dropped because too many waited." }
            }
        }
        section class="card" aria-labelledby="settings-title" {
            div class="card-head" { h2 id="settings-title" { "Settings" } (state(hook)) }
            (editor(owned, &here, draft, faults, "Save"))
        }
        section class="card" aria-labelledby="more-title" {
            h2 id="more-title" { "Secret and end" }
            details class="replace" {
                summary { "Replace the secret" }
                form method="post" action=(format!("{here}/secret")) {
                    (layout::mark(&owned.owner))
                    p { "For 24 hours everything is signed with both, so that your receiver can follow." }
                    button type="submit" { "Make a new secret" }
                }
            }
            details class="replace" {
                summary { "Delete this webhook" }
                form method="post" action=(format!("{here}/delete")) {
                    (layout::mark(&owned.owner))
                    label class="tick" { input type="checkbox" required; span { "What waits is not sent, and the log is erased." } }
                    button type="submit" class="danger" { "Delete" }
                }
            }
        }
    };
    Ok(page(owned, Section::Webhooks, &body))
}

fn shown_once(secret: &str, title: &str) -> Markup {
    fresh(
        title,
        secret,
        &html! {
            p class="fine" {
                "Give it to your receiver now. The header " code { "X-AgentShield-Signature" } " is "
                code { "t=<second>,v1=<hex>" } ": HMAC-SHA-256 of " code { "<t>.<body>" } " keyed with this secret."
            }
        },
    )
}

fn state(hook: &Hook) -> Markup {
    html! {
        @if !hook.is_enabled { span class="chip" { "off" } }
        @else if hook.failing_since.is_some() { span class="chip" data-tone="bad" { "failing" } }
        @else { span class="chip" data-tone="good" { "on" } }
    }
}

fn log(deliveries: &[Delivery]) -> Markup {
    html! {
        @if deliveries.is_empty() {
            p class="empty" { "Nothing was sent yet. Send a test to see whether your receiver takes it." }
        } @else {
            table class="stack" {
                thead {
                    tr {
                        th scope="col" { "When" }
                        th scope="col" { "Event" }
                        th scope="col" { "State" }
                        th scope="col" { "Answer" }
                    }
                }
                tbody {
                    @for delivery in deliveries {
                        tr {
                            td data-label="When" { (layout::moment(delivery.created_at)) }
                            td data-label="Event" { code { (delivery.event) } }
                            td data-label="State" {
                                @match delivery.status {
                                    Status::Pending => span class="chip" { "waiting" },
                                    Status::Delivered => span class="chip" data-tone="good" { "delivered" },
                                    Status::Failed => span class="chip" data-tone="bad" { "failed" },
                                }
                                @if delivery.attempts > 1 { " " span class="fine" { (delivery.attempts) " tries" } }
                            }
                            td data-label="Answer" {
                                @if let Some(status) = delivery.last_status_code { (status) }
                                @if let Some(error) = &delivery.last_error { " " span class="fine" { (error) } }
                            }
                        }
                    }
                }
            }
            p class="fine" { "The last hundred at most." }
        }
    }
}
