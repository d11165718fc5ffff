//! The catalogued agents that came to a project.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use quivive_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::dates;
use super::paging::{Page, Pagination};
use super::query::Query;
use super::reader::ReadProject;
use super::wire::{ErrorBody, Result};
use crate::app::App;
use crate::flows::detection::figures::{self, Wanted};
use crate::flows::detection::period::Period;
use crate::flows::detection::row::AGENTS;
use crate::storage::Slot;
use crate::storage::tallies::Tallies;

/// A page of agents.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldAgentList)]
struct AgentList {
    /// The most frequent first.
    agents: Vec<AgentItem>,
    /// Where the page is.
    pagination: Pagination,
}

/// An agent that came.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentshieldAgent)]
#[serde(rename_all = "camelCase")]
pub struct AgentItem {
    /// The catalogue's id.
    pub agent_id: String,
    /// The agent's name; its id when it is not catalogued any more.
    pub name: String,
    /// Who runs it; empty when that is not known.
    pub vendor: String,
    /// How often it, or somebody in its name, came.
    pub detections: u64,
    /// When last.
    #[schema(format = "date-time")]
    pub last_seen: String,
    /// How often its identity was proven, and how often not.
    pub verification: Verification,
}

/// How often an identity was proven.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = AgentshieldAgentVerification)]
pub struct Verification {
    /// Proven.
    pub verified: u64,
    /// Neither proven nor refuted.
    pub claimed: u64,
    /// Refuted.
    pub spoofed: u64,
    /// Recognised without a claim.
    pub none: u64,
}

/// List the agents that came.
#[utoipa::path(
    get, path = "/api/v1/projects/{projectId}/agents", tag = "agentshield", operation_id = "agentshield_list_agents",
    params(
        ("projectId" = String, Path, description = "The project"),
        ("page" = Option<u64>, Query, minimum = 1, description = "The page; 1 when absent"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "Most agents; 50 when absent"),
        ("startDate" = Option<String>, Query, description =
            "From this day or moment (ISO 8601) on; since the first detection when absent"),
        ("endDate" = Option<String>, Query, description = "To the end of this day, or to this moment; now when absent"),
    ),
    security(("api_key" = [])),
    responses(
        (status = 200, body = AgentList, headers(("Link" = String, description = "The pages around this one"))),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 500, body = ErrorBody),
    ),
)]
async fn agents(
    State(app): State<App>,
    reader: ReadProject,
    uri: Uri,
) -> Result<(HeaderMap, Json<AgentList>)> {
    let mut query = Query::of(&uri);
    let page = Page::read(&mut query, 50, 1_000);
    let has_range = query.has("startDate") || query.has("endDate");
    let range = dates::full_range(&mut query, app.now(), |_| Timestamp::from_milliseconds(0));
    let links = Query::of(&uri);
    query.finish(())?;

    let project = reader.project(&app).await?;
    let tallies = if has_range {
        let wanted = Wanted { bots: false, tallies: true };
        figures::figures(&app, &project, range, Period::Month, wanted).await?.tallies
    } else {
        app.storage.events().tallies(figures::present(&app, project.id, Slot::Ever)).await?
    };
    let all = items(&app, &tallies);
    let pagination = page.of(all.len() as u64);
    let skipped = usize::try_from(page.skip()).unwrap_or(usize::MAX);
    let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
    let agents = all.into_iter().skip(skipped).take(limit).collect();
    Ok((pagination.links(uri.path(), &links), Json(AgentList { agents, pagination })))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(agents))
}

/// The agents that were counted, the most frequent first.
pub fn items(app: &App, tallies: &Tallies) -> Vec<AgentItem> {
    let mut found: BTreeMap<&str, (Timestamp, Verification)> = BTreeMap::new();
    for (value, counted) in tallies.values(AGENTS) {
        let (agent, status) = value.rsplit_once('/').unwrap_or((value, ""));
        let (last_at, verification) = found.entry(agent).or_default();
        *last_at = counted.last_at.max(*last_at);
        let count = match status {
            "verified" => &mut verification.verified,
            "claimed" => &mut verification.claimed,
            "spoofed" => &mut verification.spoofed,
            _ => &mut verification.none,
        };
        *count += counted.count;
    }
    let item = |(agent, (last_at, verification)): (&str, (Timestamp, Verification))| {
        let info = app.detection.agent(agent);
        let Verification { verified, claimed, spoofed, none } = verification;
        AgentItem {
            agent_id: agent.to_owned(),
            name: info.map_or(agent, |info| &info.name).to_owned(),
            vendor: info.and_then(|info| info.vendor.clone()).unwrap_or_default(),
            detections: verified + claimed + spoofed + none,
            last_seen: dates::text(last_at),
            verification,
        }
    };
    let mut items: Vec<AgentItem> = found.into_iter().map(item).collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.detections));
    items
}
