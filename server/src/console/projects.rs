//! The projects of a user.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use futures::future::try_join_all;
use maud::html;

use super::access::{self, Owner};
use super::failure::Result;
use super::layout;
use crate::app::App;
use crate::flows::scoring::history;
use crate::tenant::{Project, directory};

/// The route.
pub(super) fn router() -> Router<App> {
    Router::new().route(super::PATH, get(read))
}

async fn read(State(app): State<App>, owner: Owner) -> Result<Response> {
    let mut accounts = Vec::new();
    for (account, membership) in access::accounts(&app, &owner.user).await? {
        let projects = directory::projects_of(&app, account.id).await?;
        let counts = try_join_all(projects.iter().map(|project| sessions_of_day(&app, project))).await?;
        accounts.push((account, membership, projects.into_iter().zip(counts).collect::<Vec<_>>()));
    }
    let body = html! {
        h1 class="page-title" { "Your projects" }
        @if accounts.is_empty() {
            section class="card" {
                p { "You are not a member of any account yet." }
                p class="fine" {
                    "An operator adds you with " code { "quivive admin add-member <account> " (owner.user.id) } "."
                }
            }
        }
        @for (account, membership, projects) in &accounts {
            section class="card" aria-labelledby=(format!("account-{}", account.id)) {
                div class="card-head" {
                    h2 id=(format!("account-{}", account.id)) { (account.name) }
                    p class="fine" {
                        "Plan " (account.plan.name)
                        @if let Some(role) = &membership.role { ", you are " (role) }
                        @if !account.is_subscribed { ", " strong { "no active subscription" } }
                    }
                }
                @if projects.is_empty() {
                    p class="empty" { "No projects in this account." }
                } @else {
                    ul class="projects" {
                        @for (project, today) in projects {
                            li {
                                a href=(layout::project_path(project.id, "")) {
                                    b { (project.name) }
                                    span class="fine" { (project.public_id) }
                                    span {
                                        @if project.scoring.is_enabled {
                                            (layout::count(*today, "session today", "sessions today"))
                                        } @else { "Scoring is off" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(layout::page(&owner, "Projects", &body))
}

async fn sessions_of_day(app: &App, project: &Project) -> Result<i64> {
    let now = app.now();
    let midnight = now.plus_milliseconds(-now.milliseconds().rem_euclid(DAY));
    Ok(history::new_sessions(app, project.id, midnight).await?)
}

const DAY: i64 = 86_400_000;
