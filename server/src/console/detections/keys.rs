//! API keys that see the project: made, listed, replaced, revoked.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use quivive_core::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::faults::Faults;
use super::{Section, fresh, page, path, refused};
use crate::agentshield::keys::manage::{self, Manager};
use crate::app::App;
use crate::console::access::{Form, Owned};
use crate::console::failure::{Failure, Result};
use crate::console::layout;
use crate::extract::Path;
use crate::flows::detection::row::name;
use crate::tenant::detection_key::{DetectionKey, Scope, uses};

/// The routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/-/console/projects/{project}/detections/keys", get(read).post(create))
        .route("/-/console/projects/{project}/detections/keys/{key}/rotate", post(rotate))
        .route("/-/console/projects/{project}/detections/keys/{key}/revoke", post(revoke))
}

async fn read(State(app): State<App>, owned: Owned) -> Result<Response> {
    show(&app, &owned, &Draft::default(), &html! {}, &Faults::default()).await
}

async fn create(State(app): State<App>, owned: Owned, form: Form) -> Result<Response> {
    let draft = Draft::read(&form);
    match manage::make(&app, &manager(&owned), &draft.body(&owned)).await {
        Ok((_, key)) => {
            let top = shown_once(&app, &key, "The new key, shown this once");
            show(&app, &owned, &Draft::default(), &top, &Faults::default()).await
        }
        Err(failure) => Ok(refused(show(&app, &owned, &draft, &html! {}, &Faults::of(failure)?).await?)),
    }
}

#[derive(Deserialize)]
struct KeyPath {
    key: String,
}

async fn rotate(
    State(app): State<App>,
    owned: Owned,
    Path(KeyPath { key }): Path<KeyPath>,
    form: Form,
) -> Result<Response> {
    let key = found(&app, &owned, &key).await?;
    let overlap = form.text("overlap");
    let overlap = overlap.parse::<u64>().map_or_else(|_| json!(overlap), |seconds| json!(seconds));
    let body = Map::from_iter([("overlapSeconds".to_owned(), overlap)]);
    let draft = Draft::default();
    match manage::replace(&app, &manager(&owned), &key, &body).await {
        Ok((_, text, _)) => {
            let top = shown_once(&app, &text, "The key that takes its place, shown this once");
            show(&app, &owned, &draft, &top, &Faults::default()).await
        }
        Err(failure) => {
            let top = Faults::of(failure)?.others(&[]);
            Ok(refused(show(&app, &owned, &draft, &top, &Faults::default()).await?))
        }
    }
}

async fn revoke(
    State(app): State<App>,
    owned: Owned,
    Path(KeyPath { key }): Path<KeyPath>,
    _: Form,
) -> Result<Response> {
    let key = found(&app, &owned, &key).await?;
    manage::revoke(&app, &manager(&owned), &key).await.map_err(|failure| failure.0)?;
    let top = html! {
        p class="notice" role="status" { "The key " code { (key.start) "…" } " is revoked; it is refused from now on." }
    };
    show(&app, &owned, &Draft::default(), &top, &Faults::default()).await
}

/// What the form for a new key holds.
#[derive(Default)]
struct Draft {
    name: String,
    scopes: Option<Vec<&'static str>>,
    sees_all: bool,
    expires: String,
    is_test: bool,
}

impl Draft {
    fn read(form: &Form) -> Self {
        let names = SCOPES.iter().map(|(_, name, _)| *name);
        Self {
            name: form.text("name").to_owned(),
            scopes: Some(names.filter(|name| form.is_ticked(&format!("scope-{name}"))).collect()),
            sees_all: form.text("projects") == "all",
            expires: form.text("expires").to_owned(),
            is_test: form.is_ticked("test"),
        }
    }

    /// As the API takes it.
    fn body(&self, owned: &Owned) -> Map<String, Value> {
        let project = &owned.project.public_id;
        let mut body = Map::from_iter([
            ("name".to_owned(), json!(self.name)),
            ("scopes".to_owned(), json!(self.scopes)),
            ("defaultProject".to_owned(), json!(project)),
            ("test".to_owned(), json!(self.is_test)),
        ]);
        if !self.sees_all {
            body.insert("projects".to_owned(), json!([project]));
        }
        if !self.expires.is_empty() {
            // A key that expires on a day is good on all of it.
            body.insert("expiresAt".to_owned(), json!(format!("{}T23:59:59Z", self.expires)));
        }
        body
    }
}

fn manager(owned: &Owned) -> Manager {
    Manager::member(&owned.project, owned.owner.actor())
}

/// A key of the account that sees this project.
async fn found(app: &App, owned: &Owned, id: &str) -> Result<DetectionKey> {
    let key = manage::find(app, &manager(owned), id).await.map_err(|_| Failure::not_found())?;
    if key.sees(owned.project.id) { Ok(key) } else { Err(Failure::not_found()) }
}

async fn show(app: &App, owned: &Owned, draft: &Draft, top: &Markup, faults: &Faults) -> Result<Response> {
    let keys = manage::list(app, &manager(owned)).await.map_err(|failure| failure.0)?;
    let mut rows = Vec::new();
    for key in keys.iter().filter(|key| key.sees(owned.project.id)) {
        rows.push((key, uses::last(app, &key.hash).await?));
    }
    let body = html! {
        (top)
        section class="card" aria-labelledby="keys-title" {
            h2 id="keys-title" { "API keys that see this project" }
            @if rows.is_empty() {
                p class="empty" { "No key yet. Your server needs one to ask who is at the door: make it below, it is shown once." }
            } @else {
                ul class="entries" { @for (key, last) in &rows { (listed(app, owned, key, *last)) } }
            }
        }
        (editor(owned, draft, faults))
    };
    Ok(page(owned, Section::Keys, &body))
}

fn shown_once(app: &App, key: &str, title: &str) -> Markup {
    fresh(
        title,
        key,
        &html! {
            p class="fine" { "Copy it to your server now. Only its hash is kept here. Try it:" }
            (super::to_copy(&super::example_call(app, key)))
        },
    )
}

fn listed(app: &App, owned: &Owned, key: &DetectionKey, last: Option<Timestamp>) -> Markup {
    let is_over = key.valid_until.is_some_and(|end| end <= app.now());
    let scopes: Vec<String> = key.scopes.iter().map(name).collect();
    let sees = match &key.projects {
        None => "all projects of the account",
        Some(seen) if seen.len() == 1 => "this project",
        Some(_) => "this and other projects",
    };
    html! {
        li id=(key.id) {
            p class="entry-head" {
                code { (key.start) "…" }
                @if !key.name.is_empty() { b { (key.name) } }
                @if is_over { span class="chip" data-tone="bad" { "expired" } }
                @if key.is_test() { span class="chip" { "test" } }
            }
            dl class="facts" {
                div { dt { "May" } dd { (scopes.join(", ")) } }
                div { dt { "Sees" } dd { (sees) } }
                div { dt { "Last used" } dd { @if let Some(last) = last { (layout::moment(last)) } @else { "never" } } }
                div { dt { "Expires" } dd { @if let Some(end) = key.valid_until { (layout::moment(end)) } @else { "never" } } }
                div { dt { "Made" } dd { (layout::moment(key.created_at)) } }
            }
            // Keys of an old database have no id by which a form could name them.
            @if !key.id.is_empty() { (tools(owned, key, is_over)) }
        }
    }
}

fn tools(owned: &Owned, key: &DetectionKey, is_over: bool) -> Markup {
    let action = |what: &str| path(owned.project.id, &format!("/keys/{}/{what}", key.id));
    html! {
        div class="entry-tools" {
            @if !is_over {
                details class="replace" {
                    summary aria-label=(format!("Rotate {}", key.start)) { "Rotate" }
                    form method="post" action=(action("rotate")) {
                        (layout::mark(&owned.owner))
                        label { "How long the present key stays good"
                            select name="overlap" {
                                @for (seconds, words) in OVERLAPS { option value=(seconds) selected[seconds == 3_600] { (words) } }
                            }
                        }
                        button type="submit" { "Make the key that takes its place" }
                    }
                }
            }
            details class="replace" {
                summary aria-label=(format!("Revoke {}", key.start)) { "Revoke" }
                form method="post" action=(action("revoke")) {
                    (layout::mark(&owned.owner))
                    label class="tick" { input type="checkbox" required; span { "Whoever uses it is refused at once." } }
                    button type="submit" class="danger" { "Revoke this key" }
                }
            }
        }
    }
}

fn editor(owned: &Owned, draft: &Draft, faults: &Faults) -> Markup {
    let is_chosen = |scope: Scope, name: &str| match &draft.scopes {
        Some(scopes) => scopes.contains(&name),
        None => scope != Scope::Write,
    };
    html! {
        section class="card" aria-labelledby="new-title" {
            h2 id="new-title" { "A new key" }
            form method="post" action=(path(owned.project.id, "/keys")) class="rule-form" {
                (layout::mark(&owned.owner))
                (faults.others(&["name", "scopes", "expiresAt"]))
                label { "Name, to tell it from others"
                    input type="text" name="name" id="key-name" maxlength="100" value=(draft.name) autocomplete="off" placeholder="Shop server" aria-invalid=[faults.has("name")] aria-describedby=(Faults::id("name"));
                    (faults.at("name"))
                }
                fieldset {
                    legend { "What it may do" }
                    div class="ticks" {
                        @for (scope, name, words) in SCOPES {
                            label class="tick" { input type="checkbox" name=(format!("scope-{name}")) checked[is_chosen(scope, name)]; span { (words) } }
                        }
                    }
                    (faults.at("scopes"))
                }
                div class="fields two" {
                    label { "Projects that it sees"
                        select name="projects" {
                            option value="this" { "This project" }
                            option value="all" selected[draft.sees_all] { "All projects of the account" }
                        }
                    }
                    label { "Last day on which it is good, if it is to end"
                        input type="date" name="expires" value=(draft.expires) aria-invalid=[faults.has("expiresAt")] aria-describedby=(Faults::id("expiresAt"));
                        (faults.at("expiresAt"))
                    }
                }
                label class="tick" { input type="checkbox" name="test" checked[draft.is_test]; span { "A test key: figures leave out what it makes." } }
                p class="buttons" { button type="submit" { "Make the key" } }
            }
        }
    }
}

const SCOPES: [(Scope, &str, &str); 4] = [
    (Scope::Detect, "detect", "Describe requests (detect)"),
    (Scope::Ingest, "ingest", "Send events (ingest)"),
    (Scope::Read, "read", "Read detections and figures (read)"),
    (Scope::Write, "write", "Change projects, keys and webhooks (write)"),
];
const OVERLAPS: [(u32, &str); 4] =
    [(0, "Not at all"), (900, "15 minutes"), (3_600, "An hour"), (86_400, "A day")];
