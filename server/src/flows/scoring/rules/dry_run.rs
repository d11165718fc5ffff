//! What rules would have done to the sessions of the last hours.

use quivive_core::Timestamp;
use quivive_core::rules::{Facts, Field, Rule, RuleSet, RuleSource};
use quivive_core::score::{Action, Band, Resolution, RuleMatch, combine, is_static_resource, resolve};
use tokio::sync::Semaphore;

use super::{StoredRule, facts, list, parse, permit};
use crate::app::App;
use crate::error::{Error, Result};
use crate::flows::scoring::record::{StoredScore, session_id};
use crate::tenant::{Project, ScoringSettings};

/// Rules to be tried on stored sessions, beside those that the project has.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// The rules.
    pub rules: Vec<TrialRule>,
    /// Only sessions whose last event is not older than this.
    pub hours: u16,
    /// How many stored sessions of the project to look at.
    pub limit: usize,
    /// The session after which to go on; the `next` of an earlier report.
    pub after: Option<String>,
    /// The path to assume for every session, since a session as such has none.
    pub path: Option<String>,
    /// The country to assume, for the same reason.
    pub country: Option<String>,
}

/// A rule to be tried.
#[derive(Clone, Debug)]
pub struct TrialRule {
    /// Name, expression and action.
    pub source: RuleSource,
    /// Its place among the project's rules; behind those of the same number.
    pub sort_order: i32,
}

/// What the rules would have done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Scored sessions of the time that were looked at.
    pub sessions: u64,
    /// Those that a tried rule matches.
    pub touched: u64,
    /// Those whose action would be another.
    pub changed: u64,
    /// The touched sessions by band and action.
    pub outcomes: Vec<Outcome>,
    /// Some of the touched sessions.
    pub samples: Vec<Sample>,
    /// Fields of the tried rules that are null for every session because nothing was assumed for them.
    pub unknown_fields: Vec<Field>,
    /// Where to go on; nothing when every session was looked at.
    pub next: Option<String>,
}

/// How many touched sessions have the same fate.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Their band.
    pub band: Band,
    /// The action of their verdict now.
    pub now: Action,
    /// What it would be.
    pub would_be: Action,
    /// How many.
    pub sessions: u64,
}

/// A session that a tried rule matches.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its token.
    pub session_token: String,
    /// Its band.
    pub band: Band,
    /// Its score.
    pub score: u8,
    /// The action of its verdict now.
    pub now: Action,
    /// What it would be.
    pub would_be: Action,
    /// The reason of the verdict that would be.
    pub reason: String,
    /// Its last event.
    pub last_event_at: Timestamp,
}

/// Dry runs are made one after the other, so that storage stays free for verdicts.
pub struct DryRuns(Semaphore);

impl Default for DryRuns {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

/// Tries rules on stored sessions. It only reads, page by page, and lets other work go first.
///
/// # Errors
/// As [`super::create`] for each rule; when storage does not answer.
pub async fn dry_run(app: &App, project: &Project, trial: &DryRun) -> Result<Report> {
    permit(app, project).await?;
    let tried: Result<Vec<(i32, Rule)>> = trial
        .rules
        .iter()
        .enumerate()
        .map(|(place, rule)| {
            let parsed = parse(&rule.source).map_err(|error| error.with("rule", place))?;
            Ok((rule.sort_order, parsed))
        })
        .collect();
    let tried = tried?;
    let mut report = Report { unknown_fields: unknown_fields(trial, &tried), ..Report::default() };
    let comparison = Comparison::new(project.scoring.settings, trial, &list(app, project.id).await?, &tried);
    let lifetime = i64::from(app.config.retention.sessions_days) * 24 * MILLISECONDS_PER_HOUR;
    let oldest = app.now().plus_milliseconds(-i64::from(trial.hours) * MILLISECONDS_PER_HOUR);

    let turn = app.scoring.dry_runs.0.acquire().await;
    let _turn = turn.map_err(|error| Error::unavailable("the server ends").because(error))?;
    let parent = project.id.to_string();
    let mut after = trial.after.clone();
    let mut left = trial.limit;
    while left > 0 {
        let last = after.as_deref().map(|token| session_id(project.id, token));
        let wanted = left.min(PAGE);
        let page = app.storage.list::<StoredScore>(&parent, last.as_deref(), wanted).await?;
        for score in &page {
            let last_event_at = score.expires_at.plus_milliseconds(-lifetime);
            if last_event_at >= oldest {
                report.sessions += 1;
                comparison.of(&score.value, last_event_at).into_iter().for_each(|sample| report.add(sample));
            }
        }
        after = page.last().map(|score| score.value.token.clone());
        if page.len() < wanted {
            return Ok(report);
        }
        left -= page.len();
        tokio::task::yield_now().await;
    }
    Ok(Report { next: after, ..report })
}

impl Report {
    fn add(&mut self, sample: Sample) {
        let Sample { band, now, would_be, .. } = sample;
        self.touched += 1;
        self.changed += u64::from(now != would_be);
        let is_same =
            |outcome: &&mut Outcome| (outcome.band, outcome.now, outcome.would_be) == (band, now, would_be);
        match self.outcomes.iter_mut().find(is_same) {
            Some(outcome) => outcome.sessions += 1,
            None => self.outcomes.push(Outcome { band, now, would_be, sessions: 1 }),
        }
        if self.samples.len() < MOST_SAMPLES {
            self.samples.push(sample);
        }
    }
}

/// The project's rules as they are, the tried ones, and both together.
struct Comparison<'a> {
    settings: ScoringSettings,
    trial: &'a DryRun,
    present: RuleSet,
    tried: RuleSet,
    together: RuleSet,
}

impl<'a> Comparison<'a> {
    fn new(
        settings: ScoringSettings,
        trial: &'a DryRun,
        present: &[StoredRule],
        tried: &[(i32, Rule)],
    ) -> Self {
        let active = || present.iter().filter(|rule| rule.is_active);
        let old = active().map(|rule| (rule.sort_order, rule.rule()));
        let mut together: Vec<(i32, Rule)> = old.chain(tried.iter().cloned()).collect();
        together.sort_by_key(|(sort_order, _)| *sort_order);
        Self {
            settings,
            trial,
            present: RuleSet::new(active().map(StoredRule::rule)),
            tried: RuleSet::new(tried.iter().map(|(_, rule)| rule.clone())),
            together: RuleSet::new(together.into_iter().map(|(_, rule)| rule)),
        }
    }

    /// The fate of a session if a tried rule matches it, and rules are asked at all.
    fn of(&self, stored: &StoredScore, last_event_at: Timestamp) -> Option<Sample> {
        let ScoringSettings { bot_settings, likely_bot_threshold } = self.settings;
        let score = combine(&stored.engines, likely_bot_threshold);
        let is_exempt = match score.band {
            Band::NotComputed => true,
            Band::Verified => bot_settings.allow_verified,
            _ => false,
        };
        let facts = Facts {
            path: self.trial.path.clone(),
            country: self.trial.country.clone(),
            static_resource: self.trial.path.as_deref().is_some_and(is_static_resource),
            ..facts(&score, &stored.facts)
        };
        if is_exempt || self.tried.matching(&facts).next().is_none() {
            return None;
        }
        let resolution = |matches: &[RuleMatch]| -> Resolution {
            resolve(&score, &bot_settings, facts.static_resource, matches)
        };
        let now = resolution(&self.present.matches(&facts)).verdict;
        let would_be = resolution(&self.together.matches(&facts)).verdict;
        Some(Sample {
            session_token: stored.token.clone(),
            band: score.band,
            score: score.score,
            now: now.action,
            would_be: would_be.action,
            reason: would_be.reason,
            last_event_at,
        })
    }
}

fn unknown_fields(trial: &DryRun, tried: &[(i32, Rule)]) -> Vec<Field> {
    let is_used = |field| tried.iter().any(|(_, rule)| rule.expression.fields().contains(&field));
    [(Field::Path, trial.path.is_none()), (Field::Country, trial.country.is_none())]
        .into_iter()
        .filter(|(field, is_unknown)| *is_unknown && is_used(*field))
        .map(|(field, _)| field)
        .collect()
}

const PAGE: usize = 256;
const MOST_SAMPLES: usize = 20;
const MILLISECONDS_PER_HOUR: i64 = 3_600_000;
