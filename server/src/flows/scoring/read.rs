//! Reading of a verdict; it never fails, whatever happens.

use std::sync::Arc;
use std::time::Duration;

use quivive_core::score::payload::is_session_token;
use quivive_core::score::{Action, Verdict, combine, is_static_resource, resolve};

use super::cache::Remembered;
use super::queue::SessionKey;
use super::record::{StoredScore, session_id};
use crate::app::App;
use crate::tenant::Site;

/// What the customer's server tells about the request that it asks for; all optional.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct RequestContext {
    /// A path or route template.
    pub path: Option<String>,
    /// The visitor's address.
    pub ip: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// The visitor's user agent.
    pub ua: Option<String>,
    /// Whether the visitor is logged in.
    pub logged_in: Option<bool>,
}

/// The verdict of a session under the project's settings. A session that is unknown, another project's, expired or
/// not scored, and every fault, give the fail-open verdict.
pub async fn verdict(app: &App, site: &Site, token: &str, context: &RequestContext) -> Arc<Verdict> {
    if !is_session_token(token) {
        return Arc::new(Verdict::fail_open());
    }
    let key = SessionKey { project_id: site.project.id, token: token.into() };
    let Some(remembered) = find(app, key).await else { return Arc::new(Verdict::fail_open()) };
    let situation = app.scoring.verdicts.situation(site.project.scoring.generation, context);
    if let Some(verdict) = remembered.verdict(situation) {
        return verdict;
    }
    let settings = &site.project.scoring.settings;
    let score = combine(&remembered.score.engines, settings.likely_bot_threshold);
    let is_static = context.path.as_deref().is_some_and(is_static_resource);
    let verdict = Arc::new(resolve(&score, &settings.bot_settings, is_static, &[]).verdict);
    if remembered.remember(situation, verdict.clone()) && verdict.action == Action::Block {
        app.scoring.audit.note(app, site, token, context.path.clone(), &verdict);
    }
    verdict
}

async fn find(app: &App, key: SessionKey) -> Option<Arc<Remembered>> {
    let verdicts = &app.scoring.verdicts;
    if let Some(remembered) = verdicts.get(&key) {
        return Some(remembered);
    }
    let reading = verdicts.begin(&key);
    let budget = Duration::from_millis(app.config.botect.verdict_budget_ms);
    let id = session_id(key.project_id, &key.token);
    match tokio::time::timeout(budget, app.storage.get::<StoredScore>(&id)).await {
        Ok(Ok(found)) => found.map(|score| verdicts.insert(key, reading, score.value)),
        Ok(Err(error)) => {
            tracing::warn!(%error, "a score could not be read; the verdict fails open");
            None
        }
        Err(_) => {
            tracing::warn!("a score could not be read in time; the verdict fails open");
            None
        }
    }
}
