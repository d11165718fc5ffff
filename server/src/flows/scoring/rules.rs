//! Rules of a project's owner: listing, making, deleting and checking them. Whoever calls has proved that the project
//! is the caller's.

use quivive_core::Timestamp;
use quivive_core::rules::{
    self, CheckRule, CheckedRule, Expression, Facts, MOST_RULES, ObservedBehavior, Rule, RuleSource,
};
use quivive_core::score::{Action, Score};
use serde::{Deserialize, Serialize};

use super::record::SessionFacts;
use crate::app::App;
use crate::error::{Error, Result};
use crate::storage::{self, Condition, Put, Record, Versioned};
use crate::tenant::{LastId, Project, directory};

mod compiled;
mod dry_run;

pub use self::compiled::{ProjectRules, RuleSets};
pub use self::dry_run::{DryRun, DryRuns, Outcome, Report, Sample, TrialRule, dry_run};

/// A rule of a project.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoredRule {
    /// Unique over the installation.
    pub id: i64,
    /// The project.
    pub project_id: i64,
    /// The owner's name for it.
    pub name: String,
    /// The expression as it was typed.
    pub expression_source: String,
    /// The checked expression; evaluation starts from it and reads no text.
    pub tree: Expression,
    /// What the rule asks for.
    pub action: Action,
    /// Whether it is evaluated.
    pub is_active: bool,
    /// Lower ones come first.
    pub sort_order: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl StoredRule {
    /// The rule as it is evaluated.
    pub fn rule(&self) -> Rule {
        Rule { name: self.name.clone(), expression: self.tree.clone(), action: self.action }
    }

    /// What rules are ordered by.
    pub fn order(&self) -> (i32, i64) {
        (self.sort_order, self.id)
    }
}

impl Record for StoredRule {
    const KIND: &'static str = "rule";
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn parent(&self) -> String {
        self.project_id.to_string()
    }
}

/// Of a [`StoredRule`], whose it is: a rule that can no longer be read can still be deleted.
#[derive(Deserialize, Serialize)]
struct RuleOwner {
    id: i64,
    project_id: i64,
}

impl Record for RuleOwner {
    const KIND: &'static str = StoredRule::KIND;
    fn id(&self) -> String {
        self.id.to_string()
    }
}

/// A rule to be made.
#[derive(Clone, Debug)]
pub struct NewRule {
    /// Name, expression and action.
    pub source: RuleSource,
    /// Whether it is evaluated.
    pub is_active: bool,
    /// Lower ones come first.
    pub sort_order: i32,
}

/// The rules of a project in the order of evaluation, inactive ones included.
///
/// # Errors
/// When storage does not answer.
pub async fn list(app: &App, project_id: i64) -> storage::Result<Vec<StoredRule>> {
    let found = app.storage.list::<StoredRule>(&project_id.to_string(), None, MOST_RULES).await?;
    let mut rules: Vec<StoredRule> = found.into_iter().map(|rule| rule.value).collect();
    rules.sort_by_key(StoredRule::order);
    Ok(rules)
}

/// Whether the project's plan has rules of the owner.
///
/// # Errors
/// `FEATURE_NOT_AVAILABLE` when it has not.
pub async fn permit(app: &App, project: &Project) -> Result<()> {
    if directory::account(app, project.account_id).await?.plan.custom_rules {
        return Ok(());
    }
    let message = "The plan of this account does not include custom rules.";
    Err(Error::forbidden(message).with_code("FEATURE_NOT_AVAILABLE"))
}

/// Makes a rule; the next read of a verdict sees it.
///
/// # Errors
/// `FEATURE_NOT_AVAILABLE`; `INVALID_PAYLOAD` for a wrong name or expression (the latter with its `position`, `token`
/// and perhaps a `hint`) and for the 101st rule of a project.
pub async fn create(app: &App, project: &Project, new: &NewRule) -> Result<StoredRule> {
    permit(app, project).await?;
    let rule = parse(&new.source)?;
    loop {
        // The project's version is read first: every change of its rules changes it, so the count below holds.
        let Versioned { value: mut project, version } = directory::versioned_project(app, project.id).await?;
        if list(app, project.id).await?.len() >= MOST_RULES {
            return Err(Error::unprocessable(format!("A project has at most {MOST_RULES} rules.")));
        }
        let last = app.storage.get::<LastId>(StoredRule::KIND).await?;
        let id = last.as_ref().map_or(0, |last| last.value.value) + 1;
        let now = app.now();
        let stored = StoredRule {
            id,
            project_id: project.id,
            name: rule.name.clone(),
            expression_source: new.source.expression.clone(),
            tree: rule.expression.clone(),
            action: rule.action,
            is_active: new.is_active,
            sort_order: new.sort_order,
            created_at: now,
            updated_at: now,
        };
        project.scoring.generation += 1;
        let numbered = last.map_or(Condition::Absent, |last| Condition::Version(last.version));
        let changes = vec![
            Put::new(&project, Condition::Version(version))?,
            Put::new(&LastId { name: StoredRule::KIND.to_owned(), value: id }, numbered)?,
            Put::absent(&stored)?,
        ];
        if directory::write_tenants(app, changes).await? {
            return Ok(stored);
        }
    }
}

/// Deletes a rule; the next read of a verdict no longer sees it.
///
/// # Errors
/// `NOT_FOUND` when the project has no such rule.
pub async fn delete(app: &App, project: &Project, rule_id: i64) -> Result<()> {
    loop {
        let Versioned { value: mut project, version } = directory::versioned_project(app, project.id).await?;
        let found = app.storage.get::<RuleOwner>(&rule_id.to_string()).await?;
        if found.is_none_or(|rule| rule.value.project_id != project.id) {
            return Err(Error::not_found("This project has no such rule."));
        }
        project.scoring.generation += 1;
        let changes = vec![
            Put::new(&project, Condition::Version(version))?,
            Put::delete::<StoredRule>(rule_id.to_string()),
        ];
        if directory::write_tenants(app, changes).await? {
            return Ok(());
        }
    }
}

/// Checks an expression without making a rule.
///
/// # Errors
/// `INVALID_PAYLOAD` with the fault's `position` (in bytes of the text), its `token`, and a `hint` where one is known.
pub fn check(expression: &str) -> Result<CheckedRule> {
    rules::check_rule(CheckRule { expression: expression.to_owned() })
        .map_err(|error| refused(&error).with("path", "expression"))
}

/// The facts of a scored session; those of a request, path and country, are left open. A visitor of whom the site did
/// not say that he logged in is not logged in.
pub fn facts(score: &Score, session: &SessionFacts) -> Facts {
    Facts {
        ip: session.ip.as_deref().and_then(|address| address.parse().ok()),
        ua: session.user_agent.clone(),
        behavioral: ObservedBehavior {
            mouse_entropy: session.mouse_entropy,
            scroll_velocity: session.scroll_velocity,
            visibility_changes: session.visibility_changes,
            first_input_delay_ms: session.first_input_delay_ms,
        },
        logged_in: Some(session.logged_in),
        ..Facts::of_score(score)
    }
}

/// Checks a rule's name and expression.
fn parse(source: &RuleSource) -> Result<Rule> {
    rules::check_name(&source.name).map_err(|error| refused(&error))?;
    let expression = check(&source.expression)?.tree;
    Ok(Rule { name: source.name.clone(), expression, action: source.action })
}

fn refused(error: &quivive_core::Error) -> Error {
    let refused = Error::unprocessable(error.message());
    error.details().iter().fold(refused, |refused, (name, value)| refused.with(name, value.clone()))
}
