//! The demo project: what the page at `/` shows of a visitor to himself. Only there during development.

use std::sync::LazyLock;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, StatusCode, header};
use quivive_core::evidence::Evidence;
use quivive_core::score::aggregate::{Behavioral, JsDetection};
use quivive_core::score::detection::Detection;
use quivive_core::score::{Verdict, combine};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::error::{Error, Result};
use crate::extract::Path;
use crate::flows::scoring::read::{self, RequestContext};
use crate::flows::scoring::record::{StoredScore, StoredSession, session_id};
use crate::seed;
use crate::tenant::{Site, directory};

/// The demo project's credentials, which are public because they stand in the built-in seed.
#[derive(Clone, Debug)]
pub struct Demo {
    /// The site key that the page carries.
    pub site_key: String,
    /// The private key with which verdicts are read.
    pub private_key: String,
    /// The key with which single requests are classified.
    pub api_key: String,
}

/// The demo project, if this is a development server that was started with the built-in seed.
///
/// # Errors
/// When storage does not answer.
pub async fn find(app: &App) -> Result<Option<Demo>> {
    Ok(site(app).await?.map(|(demo, _)| demo))
}

async fn site(app: &App) -> Result<Option<(Demo, Site)>> {
    static DEMO: LazyLock<Option<Demo>> = LazyLock::new(seed::demo);
    let Some(demo) = DEMO.clone().filter(|_| app.config.development) else { return Ok(None) };
    let site = directory::site_by_site_key(app, &demo.site_key).await?;
    Ok(site.map(|site| (demo, site)))
}

const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// What is known about one session of the demo project.
#[derive(Serialize, ToSchema)]
struct Seen {
    /// The verdict as the site's back end reads it.
    #[schema(value_type = Object)]
    verdict: Verdict,
    /// Scores below it are in a bot band.
    threshold: u8,
    /// The session's signals, added up.
    #[schema(value_type = Object)]
    signals: Behavioral,
    /// What the script probe saw.
    #[schema(value_type = Object)]
    probe: JsDetection,
    /// What the engines made of it.
    evidence: Vec<Item>,
}

/// One item of evidence, with its public number if it is a detection.
#[derive(Serialize, ToSchema)]
struct Item {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    evidence: Evidence,
    /// The detection's id on the wire.
    number: Option<u32>,
}

/// A session of the demo project: verdict, signals, evidence. A session not scored yet, like any token that the demo
/// project does not know, has no content: its page asks until there is some, and a 404 would stand in the console.
#[utoipa::path(
    get, path = "/-/demo/session/{session_token}", tag = "native", operation_id = "native_read_demo_session",
    params(("session_token" = String, Path, description = "The session's token")),
    responses(
        (status = 200, body = Seen),
        (status = 204, description = "Nothing scored yet under this token"),
        (status = 404, description = "No demo project"),
    ),
)]
async fn session(State(app): State<App>, Path(token): Path<String>) -> Result<Response> {
    let (_, site) = site(&app).await?.ok_or_else(|| Error::not_found("this server has no demo project"))?;
    let id = session_id(site.project.id, &token);
    let session = app.storage.get::<StoredSession>(&id).await?;
    let score = app.storage.get::<StoredScore>(&id).await?;
    let (Some(session), Some(score)) = (session, score) else {
        return Ok((StatusCode::NO_CONTENT, NO_STORE).into_response());
    };
    let (session, score) = (session.value, score.value);
    let settings = &site.project.scoring.settings;
    let verdict = read::verdict(&app, &site, &token, &RequestContext::default()).await;
    let combined = combine(&score.engines, settings.likely_bot_threshold);
    let evidence = combined.evidence.into_iter().map(|evidence| {
        let number = Detection::from_id(&evidence.id).and_then(Detection::number);
        Item { evidence, number }
    });
    let signals = session.signals.aggregate();
    let seen = Seen {
        verdict: (*verdict).clone(),
        threshold: settings.likely_bot_threshold.get(),
        signals: signals.behavioral,
        probe: signals.js_detection,
        evidence: evidence.collect(),
    };
    Ok((NO_STORE, Json(seen)).into_response())
}

/// The route.
pub fn router(_app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(session))
}
