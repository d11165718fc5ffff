//! Reading of a verdict; it never fails, whatever happens.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use quivive_core::rules::Facts;
use quivive_core::score::payload::is_session_token;
use quivive_core::score::{Action, EngineResults, Score, Verdict, combine, is_static_resource, resolve};

use super::cache::Remembered;
use super::queue::SessionKey;
use super::record::{SessionFacts, StoredScore, session_id};
use super::rules;
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
    let rules = match app.scoring.rules.of(app, &site.project).await {
        Ok(rules) => rules,
        Err(error) => {
            tracing::warn!(%error, "rules could not be read; the verdict fails open");
            return Arc::new(Verdict::fail_open());
        }
    };
    let settings = &site.project.scoring.settings;
    let score = combine(&context.engines(&remembered.score), settings.likely_bot_threshold);
    let facts = context.facts(&score, &remembered.score.facts);
    let (rule_ids, matches) = rules.matches(&facts);
    let resolution = resolve(&score, &settings.bot_settings, facts.static_resource, &matches);
    let rule_id = resolution.deciding_rule.and_then(|place| rule_ids.get(place).copied());
    let verdict = Arc::new(resolution.verdict);
    if remembered.remember(situation, verdict.clone()) && verdict.action == Action::Block {
        app.scoring.audit.note(app, site, token, context.path.clone(), &verdict, rule_id);
    }
    verdict
}

impl RequestContext {
    /// The engines' opinions on whoever asks. That a session is a verified bot's was proved for one address, and whoever
    /// comes from another only carries the session's token.
    fn engines<'a>(&self, score: &'a StoredScore) -> Cow<'a, EngineResults> {
        let address = |text: Option<&str>| text?.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let (asking, proved) = (address(self.ip.as_deref()), address(score.facts.ip.as_deref()));
        if score.engines.verified_bot.is_some() && asking.is_some() && asking != proved {
            return Cow::Owned(EngineResults { verified_bot: None, ..score.engines.clone() });
        }
        Cow::Borrowed(&score.engines)
    }

    /// The facts of a session and this request; what the request does not tell comes from the session.
    fn facts(&self, score: &Score, session: &SessionFacts) -> Facts {
        let known = rules::facts(score, session);
        Facts {
            path: self.path.clone(),
            static_resource: self.path.as_deref().is_some_and(is_static_resource),
            ip: self.ip.as_deref().and_then(|address| address.parse().ok()).or(known.ip),
            country: self.country.clone(),
            ua: self.ua.clone().or(known.ua),
            logged_in: self.logged_in.or(known.logged_in),
            ..known
        }
    }
}

async fn find(app: &App, key: SessionKey) -> Option<Arc<Remembered>> {
    let verdicts = &app.scoring.verdicts;
    if let Some(remembered) = verdicts.get(&key) {
        return (remembered.score.expires_at > app.now()).then_some(remembered);
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
