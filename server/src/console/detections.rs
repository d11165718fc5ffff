//! Single requests of a project: who came, why each was judged so, and the keys, pixels, webhooks and policy of it.

mod detail;
mod faults;
mod keys;
mod log;
mod overview;
mod pixels;
mod policy;
mod webhooks;
mod words;

use axum::Router;
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use sha2::{Digest, Sha256};

use super::access::Owned;
use super::layout::{self, Tab};
use crate::app::App;

/// The routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .merge(overview::router())
        .merge(log::router())
        .merge(detail::router())
        .merge(keys::router())
        .merge(pixels::router())
        .merge(webhooks::router())
        .merge(policy::router())
}

/// The pages about single requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Section {
    Figures,
    Log,
    Policy,
    Keys,
    Pixels,
    Webhooks,
}

impl Section {
    const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Figures, "", "Figures"),
        (Self::Log, "/log", "Live"),
        (Self::Policy, "/policy", "Policy"),
        (Self::Keys, "/keys", "API keys"),
        (Self::Pixels, "/pixels", "Pixels"),
        (Self::Webhooks, "/webhooks", "Webhooks"),
    ];
}

/// The path of a page about a project's single requests: `""`, `"/log"`, …
fn path(project_id: i64, page: &str) -> String {
    layout::project_path(project_id, &format!("/detections{page}"))
}

/// A page about a project's single requests.
fn page(owned: &Owned, section: Section, body: &Markup) -> Response {
    let id = owned.project.id;
    let name = Section::ALL.iter().find(|(each, _, _)| *each == section).map_or("", |(_, _, name)| name);
    let body = html! {
        nav class="sections" aria-label="Detections" {
            @for (each, page, name) in Section::ALL {
                a href=(path(id, page)) aria-current=[(each == section).then_some("page")] { (name) }
            }
        }
        @if !owned.project.detection.is_enabled {
            p class="notice" role="status" { "Detection is off for this project: every request is answered as unknown and nothing is recorded." }
        }
        @if !owned.project.is_active {
            p class="notice" role="status" { "This project is not in use: its keys and pixels record nothing." }
        }
        (body)
    };
    layout::project_page(owned, Tab::Detections, name, &body)
}

/// The same page for a form that could not be accepted.
fn refused(mut page: Response) -> Response {
    *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    page
}

/// What tells a part of a page from any other, for a browser that asks whether there is something new.
fn version(part: &Markup) -> String {
    let digest = Sha256::digest(part.0.as_bytes());
    quivive_core::encoding::hex(digest.first_chunk::<8>().map_or(&[], |half| half.as_slice()))
}

/// A text to copy, beside which the page's script puts a button.
fn to_copy(text: &str) -> Markup {
    html! { div class="command" { pre tabindex="0" { (text) } } }
}

/// A secret that is shown this once, with how to use it.
fn fresh(title: &str, secret: &str, advice: &Markup) -> Markup {
    html! {
        section class="card fresh" role="status" aria-labelledby="fresh-title" {
            h2 id="fresh-title" { (title) }
            div class="command" { pre tabindex="0" id="fresh-secret" { (secret) } }
            (advice)
        }
    }
}

/// A call that describes a request to the server.
fn example_call(app: &App, key: &str) -> String {
    format!(
        "curl {}/api/v1/detect -H 'X-AgentShield-Key: {key}' \\\n  -H 'Content-Type: application/json' \\\n  \
         -d '{{\"userAgent\":\"curl/8.5.0\",\"ip\":\"203.0.113.7\",\"url\":\"/\",\"method\":\"GET\"}}'",
        super::base(app)
    )
}

/// What a page needs in its head so that a pixel reports it.
fn snippet(app: &App, pixel: &str) -> String {
    format!("<script async src=\"{}/api/v1/pixel.js?id={pixel}\"></script>", super::base(app))
}
