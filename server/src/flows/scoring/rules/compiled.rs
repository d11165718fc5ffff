//! Rules of projects, prepared for the verdict path.

use std::sync::Arc;

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
        Self(Cache::builder().max_capacity(MOST_PROJECTS).build())
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

const MOST_PROJECTS: u64 = 10_000;
