//! A project's keys: turning scoring on, and replacing a key that got out.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::access::{Form, Owned};
use super::failure::Result;
use super::layout::{self, Tab};
use crate::app::App;
use crate::error::Error;
use crate::tenant::directory::{self, KeyKind};

/// The routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/-/console/projects/{project}/keys", get(read))
        .route("/-/console/projects/{project}/keys/rotate", post(rotate))
        .route("/-/console/projects/{project}/keys/enable", post(enable))
}

async fn read(owned: Owned) -> Result<Response> {
    Ok(page(&owned, None))
}

async fn rotate(State(app): State<App>, mut owned: Owned, form: Form) -> Result<Response> {
    let kind = match form.text("type") {
        "site" => KeyKind::Site,
        "private" => KeyKind::Private,
        _ => return Err(Error::unprocessable("Choose the site key or the private key.").into()),
    };
    if !form.is_ticked("understood") {
        let message = "Tick the box first: the old key stops working at once.";
        return Err(Error::unprocessable(message).into());
    }
    let key = directory::rotate_key(&app, owned.project.id, kind).await?;
    owned.project = directory::project(&app, owned.project.id).await?;
    Ok(page(&owned, (kind == KeyKind::Private).then_some(key)))
}

async fn enable(State(app): State<App>, mut owned: Owned, _: Form) -> Result<Response> {
    let enabled = directory::enable_scoring(&app, owned.project.id).await?;
    owned.project = enabled.project;
    Ok(page(&owned, enabled.private_key))
}

fn page(owned: &Owned, fresh: Option<String>) -> Response {
    let project = &owned.project;
    let body = html! {
        @if let Some(key) = fresh {
            section class="card fresh" role="status" aria-labelledby="fresh-title" {
                h2 id="fresh-title" { "The new private key, shown this once" }
                pre tabindex="0" id="fresh-key" { (key) }
                p class="fine" { "Copy it to your server now. Only its hash is kept here." }
            }
        }
        @if project.scoring.is_enabled {
            div class="pair" {
                section class="card" aria-labelledby="site-title" {
                    h2 id="site-title" { "Site key" }
                    p { "Public; it stands in your pages and can only send events." }
                    pre tabindex="0" { (project.scoring.site_key.as_deref().unwrap_or("none")) }
                    (replace(owned, "site", "Pages with the old key stop being scored at once."))
                }
                section class="card" aria-labelledby="private-title" {
                    h2 id="private-title" { "Private key" }
                    p { "Secret; your server reads verdicts with it. It was shown when it was made and is not stored." }
                    pre aria-label="hidden" { "sk_••••••••••••••••••••••••" }
                    (replace(owned, "private", "Servers with the old key are refused at once, and page tokens and session cookies made with it end."))
                }
            }
        } @else {
            section class="card" aria-labelledby="enable-title" {
                h2 id="enable-title" { "Turn scoring on" }
                p { "This project gets a site key for its pages and, if it never had one, a private key for its server. A new project only observes: nothing is blocked until you say so." }
                form method="post" action=(layout::project_path(project.id, "/keys/enable")) {
                    (layout::mark(&owned.owner))
                    button type="submit" { "Turn scoring on" }
                }
            }
        }
    };
    layout::project_page(owned, Tab::Keys, "Keys", &body)
}

fn replace(owned: &Owned, kind: &str, consequence: &str) -> Markup {
    html! {
        details class="replace" {
            summary { "Replace this key" }
            form method="post" action=(layout::project_path(owned.project.id, "/keys/rotate")) {
                (layout::mark(&owned.owner))
                input type="hidden" name="type" value=(kind);
                label class="tick" { input type="checkbox" name="understood" required; span { (consequence) } }
                button type="submit" class="danger" { "Replace the " (kind) " key" }
            }
        }
    }
}
