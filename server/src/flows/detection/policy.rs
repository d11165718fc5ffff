//! A project's policy: kept as a record, compiled once, applied to what was seen.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use quivive_core::Timestamp;
use quivive_core::agent::{Classification, RequestFacts};
use quivive_core::decision::{Action, Decider, Decision, DecisionFacts, MatchType, PathSet, Policy, Reason};
use serde::{Deserialize, Serialize};

use super::behavior::path_of;
use super::row;
use crate::app::App;
use crate::storage::{self, Record};

/// The policy of a project as it is stored.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct StoredPolicy {
    /// The project.
    pub project_id: i64,
    /// The policy.
    pub policy: Policy,
    /// Patterns of paths that are never linked visibly.
    #[serde(default)]
    pub honeypot_paths: Vec<String>,
    /// When it was put.
    pub updated_at: Timestamp,
}

impl Record for StoredPolicy {
    const KIND: &'static str = "detection_policy";
    fn id(&self) -> String {
        self.project_id.to_string()
    }
    fn parent(&self) -> String {
        self.project_id.to_string()
    }
}

/// A policy that is ready for use.
pub struct Compiled {
    decider: Decider,
    /// Paths that are never linked visibly.
    pub traps: PathSet,
}

impl Compiled {
    /// Compiles a policy.
    ///
    /// # Errors
    /// As [`Decider::new`] and [`PathSet::new`].
    pub fn new(policy: Policy, honeypot_paths: &[String]) -> quivive_core::Result<Self> {
        Ok(Self { decider: Decider::new(policy)?, traps: PathSet::new(honeypot_paths)? })
    }

    /// The version of the notation that the policy states.
    pub fn version(&self) -> &str {
        &self.decider.policy().version
    }
}

/// Compiled policies by project; nothing for a project that has none.
pub struct Policies(Cache<i64, Option<Arc<Compiled>>>);

impl Default for Policies {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST_POLICIES).time_to_live(LIFETIME).build())
    }
}

impl Policies {
    /// The policy of a project.
    ///
    /// # Errors
    /// When storage does not answer.
    pub async fn of(&self, app: &App, project_id: i64) -> storage::Result<Option<Arc<Compiled>>> {
        if let Some(found) = self.0.get(&project_id) {
            return Ok(found);
        }
        let compiled = match stored(app, project_id).await? {
            None => None,
            Some(stored) => match Compiled::new(stored.policy, &stored.honeypot_paths) {
                Ok(compiled) => Some(Arc::new(compiled)),
                Err(error) => {
                    tracing::error!(project_id, %error, "a stored policy cannot be used; everything passes");
                    None
                }
            },
        };
        self.0.insert(project_id, compiled.clone());
        Ok(compiled)
    }
}

/// The policy of a project, if one was put.
///
/// # Errors
/// When storage does not answer.
pub async fn stored(app: &App, project_id: i64) -> storage::Result<Option<StoredPolicy>> {
    Ok(app.storage.get::<StoredPolicy>(&project_id.to_string()).await?.map(|found| found.value))
}

/// Replaces the policy of a project; the next request follows it.
///
/// # Errors
/// When storage does not answer.
pub async fn put(app: &App, policy: &StoredPolicy) -> storage::Result<()> {
    app.storage.put(policy).await?;
    app.detection.policies.0.invalidate(&policy.project_id);
    Ok(())
}

/// What a policy says about a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// What to do: where the project does not enforce, at most to log.
    pub action: Action,
    /// What the policy asks for.
    pub decision: Decision,
}

impl Ruling {
    /// Of a project without a policy, or with one that could not be read: everything passes.
    pub fn passing(reason: Reason) -> Self {
        let decision = Decision {
            action: Action::Allow,
            reason,
            match_type: MatchType::Default,
            rule_id: None,
            rule_name: None,
            redirect_url: None,
            message: None,
            evidence: Vec::new(),
        };
        Self { action: Action::Allow, decision }
    }
}

/// Applies a policy.
pub fn decide(
    compiled: &Compiled,
    is_enforced: bool,
    facts: &RequestFacts,
    classification: &Classification,
    requests_in_five_minutes: Option<u32>,
) -> Ruling {
    let header = |name: &str| facts.headers.as_ref().and_then(|headers| headers.get(name)).cloned();
    let decision = compiled.decider.decide(&DecisionFacts {
        path: facts.url.as_deref().map(|url| path_of(url).to_owned()),
        method: facts.method.clone(),
        origin: header("origin"),
        user_agent: row::user_agent(facts).map(str::to_owned),
        ip: facts.ip,
        request_rate_300s: requests_in_five_minutes,
        classification: Some(classification.clone()),
        ..DecisionFacts::default()
    });
    let action = match decision.action {
        Action::Allow => Action::Allow,
        action if is_enforced => action,
        _ => Action::Log,
    };
    Ruling { action, decision }
}

const MOST_POLICIES: u64 = 10_000;

/// Bounds how long another process can have changed a policy unseen.
const LIFETIME: Duration = Duration::from_secs(1);
