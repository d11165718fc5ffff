//! Rules of projects, prepared for the verdict path.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use quivive_core::rules::{Facts, RuleSet};
use quivive_core::score::RuleMatch;

use super::{StoredRule, list};
use crate::app::App;
use crate::storage;
use crate::tenant::Project;

/// Prepared rules by project and generation; a change of rules makes a new generation.
pub struct RuleSets(Cache<(i64, u64), Arc<ProjectRules>>);

/// The active rules of one project.
#[derive(Debug, Default)]
pub struct ProjectRules {
    set: RuleSet,
    /// The ids of the rules, in the order of the set.
    ids: Vec<i64>,
}

impl Default for RuleSets {
    fn default() -> Self {
        let weight = |_: &(i64, u64), rules: &Arc<ProjectRules>| {
            u32::try_from(rules.ids.len()).map_or(u32::MAX, |rules| rules.saturating_add(1))
        };
        Self(Cache::builder().weigher(weight).max_capacity(MOST_RULES_KEPT).time_to_idle(IDLE).build())
    }
}

impl RuleSets {
    /// The rules of a project as of its generation, or younger.
    ///
    /// # Errors
    /// When storage does not answer or a stored rule cannot be read.
    pub async fn of(&self, app: &App, project: &Project) -> storage::Result<Arc<ProjectRules>> {
        let key = (project.id, project.scoring.generation);
        if let Some(found) = self.0.get(&key) {
            return Ok(found);
        }
        let rules = Arc::new(ProjectRules::prepare(&list(app, project.id).await?));
        self.0.insert(key, rules.clone());
        Ok(rules)
    }
}

impl ProjectRules {
    /// Prepares the active ones of these rules, which are in order.
    pub fn prepare(rules: &[StoredRule]) -> Self {
        let active = || rules.iter().filter(|rule| rule.is_active);
        Self {
            set: RuleSet::new(active().map(StoredRule::rule)),
            ids: active().map(|rule| rule.id).collect(),
        }
    }

    /// The rules that match, in order, each with its id.
    pub fn matches(&self, facts: &Facts) -> (Vec<i64>, Vec<RuleMatch>) {
        self.set
            .matching(facts)
            .filter_map(|place| Some((*self.ids.get(place)?, self.set.at(place)?)))
            .unzip()
    }
}

/// Rules of all projects together, an empty set counting as one.
const MOST_RULES_KEPT: u64 = 50_000;

/// After it, generations that nobody asks for any more are dropped.
const IDLE: Duration = Duration::from_secs(600);
