//! The project's policy: the common wishes as a form, and the whole of it as JSON.

mod wishes;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::Uri;
use maud::{Markup, html};
use serde_json::{Value, json};

use self::wishes::{ACTIONS, Wishes, rule_id};
use super::faults::Faults;
use super::{Section, page, path, refused, words};
use crate::agentshield::{policy, projects_write};
use crate::app::App;
use crate::console::access::{Form, Owned};
use crate::console::failure::Result;
use crate::console::layout;
use crate::extract::{parse_json, query_value};

/// The routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/-/console/projects/{project}/detections/policy", get(read).post(save))
        .route("/-/console/projects/{project}/detections/policy/document", post(save_document))
}

async fn read(State(app): State<App>, owned: Owned, uri: Uri) -> Result<Response> {
    let document = shown(&app, &owned).await?;
    let has_saved = query_value(&uri, "done").is_some();
    Ok(show(&owned, &document, &Wishes::of(&owned, &document), None, has_saved, &Faults::default()))
}

/// Puts the common wishes into the policy; the rest of it stays as it is.
async fn save(State(app): State<App>, owned: Owned, form: Form) -> Result<Response> {
    let wishes = Wishes::read(&form);
    let document = shown(&app, &owned).await?;
    let actor = owned.owner.actor();
    let saved = match policy::replace(&app, &owned.project, &actor, &wishes.within(&document)).await {
        Ok(_) if wishes.is_enforced == owned.project.detection.is_blocking => Ok(()),
        Ok(_) => {
            let body = json!({ "settings": { "blockingEnabled": wishes.is_enforced } });
            let body = body.as_object().cloned().unwrap_or_default();
            projects_write::alter(&app, &owned.project, &actor, &body).await.map(|_| ())
        }
        Err(failure) => Err(failure),
    };
    match saved {
        Ok(()) => Ok(Redirect::to(&path(owned.project.id, "/policy?done=saved")).into_response()),
        Err(failure) => Ok(refused(show(&owned, &document, &wishes, None, false, &Faults::of(failure)?))),
    }
}

/// Replaces the whole policy.
async fn save_document(State(app): State<App>, owned: Owned, form: Form) -> Result<Response> {
    let text = form.text("document");
    let faults = match parse_json::<Value>(text.as_bytes()) {
        Ok(wanted) => match policy::replace(&app, &owned.project, &owned.owner.actor(), &wanted).await {
            Ok(_) => return Ok(Redirect::to(&path(owned.project.id, "/policy?done=saved")).into_response()),
            Err(failure) => Faults::of(failure)?,
        },
        Err(_) => Faults::one("document", "This is not JSON."),
    };
    let document = shown(&app, &owned).await?;
    Ok(refused(show(&owned, &document, &Wishes::of(&owned, &document), Some(text), false, &faults)))
}

async fn shown(app: &App, owned: &Owned) -> Result<Value> {
    Ok(policy::shown(app, &owned.project).await.map_err(|failure| failure.0)?)
}

fn show(
    owned: &Owned,
    document: &Value,
    wishes: &Wishes,
    draft: Option<&str>,
    has_saved: bool,
    faults: &Faults,
) -> Response {
    let none = Faults::default();
    let of_form = if draft.is_none() { faults } else { &none };
    let body = html! {
        @if has_saved { p class="notice" role="status" { "Saved. The next request follows it." } }
        @if wishes::is_unset(document) {
            p class="notice" role="status" { "No policy was put yet: everybody passes. Choose below what should happen with whom, and save." }
        } @else if !owned.project.detection.is_blocking {
            p class="notice" role="status" { "This project only notes what the policy says. Tick “Enforce it” to let your middleware act on it." }
        }
        (wishes_form(owned, wishes, of_form))
        (document_form(owned, document, draft, faults))
    };
    page(owned, Section::Policy, &body)
}

fn wishes_form(owned: &Owned, wishes: &Wishes, faults: &Faults) -> Markup {
    html! {
        section class="card" aria-labelledby="wishes-title" {
            h2 id="wishes-title" { "What happens with whom" }
            form method="post" action=(path(owned.project.id, "/policy")) class="rule-form" {
                (layout::mark(&owned.owner))
                (faults.others(&["thresholds.confidenceThreshold", "thresholds.confidenceAction"]))
                div class="ticks" {
                    label class="tick" { input type="checkbox" name="enabled" checked[wishes.is_enabled]; span { "The policy is on" } }
                    label class="tick" { input type="checkbox" name="enforced" checked[wishes.is_enforced]; span { "Enforce it: your middleware does what it says; otherwise it is only noted" } }
                }
                div class="wishes" {
                    @for (purpose, action) in &wishes.purposes {
                        label {
                            span { b { (words::purpose(*purpose)) } br; "Who " (purpose.description()) }
                            select name=(rule_id(*purpose)) {
                                option value="" { "As everybody else" }
                                (actions(action, !action.is_empty()))
                            }
                        }
                    }
                }
                div class="fields two" {
                    label { "Everybody else from this confidence on, percent"
                        input type="text" name="threshold" id="policy-threshold" inputmode="decimal" value=(wishes.threshold) aria-invalid=[faults.has("thresholds.confidenceThreshold")] aria-describedby=(Faults::id("thresholds.confidenceThreshold"));
                        (faults.at("thresholds.confidenceThreshold"))
                    }
                    label { "is met with"
                        select name="action" { (actions(&wishes.action, true)) }
                        (faults.at("thresholds.confidenceAction"))
                    }
                }
                p class="buttons" { button type="submit" { "Save" } }
            }
        }
    }
}

/// The actions to choose from, with the present one even when it is none of the usual.
fn actions(present: &str, is_set: bool) -> Markup {
    html! {
        @for (word, shown) in ACTIONS { option value=(word) selected[word == present] { (shown) } }
        @if is_set && !ACTIONS.iter().any(|(word, _)| *word == present) { option value=(present) selected { (present) } }
    }
}

fn document_form(owned: &Owned, document: &Value, draft: Option<&str>, faults: &Faults) -> Markup {
    let written = || {
        let mut document = document.clone();
        if let Some(object) = document.as_object_mut() {
            object.remove("updatedAt");
        }
        serde_json::to_string_pretty(&document).unwrap_or_default()
    };
    html! {
        section class="card" aria-labelledby="document-title" {
            h2 id="document-title" { "The whole policy" }
            details class="help" open[draft.is_some()] {
                summary { "As JSON, for lists, paths and rules of your own" }
                form method="post" action=(path(owned.project.id, "/policy/document")) class="rule-form" {
                    (layout::mark(&owned.owner))
                    label { "Policy"
                        textarea name="document" id="document" class="tall" spellcheck="false" autocomplete="off" aria-invalid=[draft.map(|_| "true")] aria-describedby="document-faults" {
                            @match draft { Some(draft) => (draft), None => (written()) }
                        }
                    }
                    div id="document-faults" {
                        @if draft.is_some() {
                            div class="check" data-state="bad" role="alert" {
                                @for (field, message) in faults.all() {
                                    p { @if field != "document" && field != "body" { code { (field) } ": " } (message) }
                                }
                            }
                        }
                    }
                    p class="buttons" { button type="submit" { "Replace the policy" } }
                }
            }
        }
    }
}
