//! What was blocked: the records of resolved blocks.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use maud::html;
use quivive_core::score::Band;
use serde::Deserialize;

use super::access::Owned;
use super::failure::Result;
use super::layout::{self, Tab};
use crate::app::App;
use crate::flows::scoring::audit;

/// The route.
pub(super) fn router() -> Router<App> {
    Router::new().route("/-/console/projects/{project}/blocks", get(read))
}

/// What is shown of a recorded block.
#[derive(Deserialize)]
struct Block {
    session_token: String,
    verdict: Band,
    score: u8,
    reason: String,
    path: Option<String>,
    created_at: String,
}

async fn read(State(app): State<App>, owned: Owned) -> Result<Response> {
    let records = audit::list_blocks(&app, owned.project.id, MOST).await?;
    let blocks: Vec<Block> = records.iter().filter_map(|record| serde_json::from_str(record).ok()).collect();
    let body = html! {
        section class="card" aria-labelledby="blocks-title" {
            h2 id="blocks-title" { "Blocks, latest first" }
            @if blocks.is_empty() {
                p class="empty" {
                    "Nothing was blocked. A block is recorded when your server asks for a verdict and a rule or the "
                    "toggle “Block definite bots” answers it."
                }
            } @else {
                table class="stack" {
                    thead {
                        tr {
                            th scope="col" { "When" }
                            th scope="col" { "Score" }
                            th scope="col" { "Path" }
                            th scope="col" { "Session" }
                            th scope="col" { "Why" }
                        }
                    }
                    tbody {
                        @for block in &blocks {
                            tr {
                                td data-label="When" { time datetime=(block.created_at) { (block.created_at.replace('T', " ").replace('Z', "")) } }
                                td data-label="Score" { (layout::score_badge(block.score, block.verdict)) }
                                td data-label="Path" { @if let Some(path) = &block.path { code { (path) } } @else { "not given" } }
                                td data-label="Session" {
                                    a href=(layout::project_path(owned.project.id, &format!("/sessions/{}", block.session_token))) {
                                        code class="token-short" { (block.session_token) }
                                    }
                                }
                                td data-label="Why" { (block.reason) }
                            }
                        }
                    }
                }
                p class="fine" { "The last " (MOST) " at most; kept for " (app.config.retention.audit_days) " days." }
            }
        }
    };
    Ok(layout::project_page(&owned, Tab::Blocks, "Blocks", &body))
}

const MOST: usize = 100;
