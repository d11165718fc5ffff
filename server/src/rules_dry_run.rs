//! Trying rules on the sessions of the last hours, before they are made.

use axum::Json;
use axum::extract::State;
use quivive_core::rules::{Field, MOST_RULES};
use quivive_core::score::{Action, Band};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::botect::auth::OwnedProject;
use crate::botect::rules::new_rule;
use crate::botect::wire::{self, JsonBody};
use crate::error::{Error, Result};
use crate::flows::scoring::rules::{self, DryRun, Outcome, Report, Sample, TrialRule};

/// Rules to be tried: one `expression` with its `action`, or a list of `rules`.
#[derive(ToSchema)]
#[schema(as = RulesDryRun)]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
struct Trial {
    /// The expression of the only rule.
    #[schema(nullable = false, min_length = 1, max_length = 2000)]
    expression: Option<String>,
    /// The action of the only rule.
    #[schema(nullable = false, value_type = Option<String>)]
    action: Option<Action>,
    /// Rules as they would be made, 1 to 100.
    #[schema(nullable = false, min_items = 1, max_items = 100, value_type = Option<Vec<Object>>)]
    rules: Option<Vec<Value>>,
    /// Only sessions whose last event is not older; 24 when left out.
    #[schema(nullable = false, minimum = 1, maximum = 720)]
    hours: Option<u16>,
    /// How many stored sessions to look at; 10,000 when left out.
    #[schema(nullable = false, minimum = 1, maximum = 50_000)]
    limit: Option<u32>,
    /// Go on after this session: the `next` of an earlier answer.
    #[schema(nullable = false)]
    after: Option<String>,
    /// The path to assume for every session; without it, rules on `path` do not match.
    #[schema(nullable = false)]
    path: Option<String>,
    /// The country to assume for every session; without it, rules on `country` do not match.
    #[schema(nullable = false)]
    country: Option<String>,
}

/// What the rules would have done.
#[derive(Serialize, ToSchema)]
#[schema(as = RulesDryRunReport)]
struct Answer {
    /// How far back it went.
    hours: u16,
    /// Scored sessions of that time that were looked at.
    sessions: u64,
    /// Those that a tried rule matches.
    touched: u64,
    /// Those whose action would be another.
    changed: u64,
    /// The touched sessions by band and by their action, now and then.
    outcomes: Vec<OutcomeView>,
    /// Up to 20 of the touched sessions.
    samples: Vec<SampleView>,
    /// Fields that are unknown for every session because nothing was assumed for them.
    #[schema(value_type = Vec<String>)]
    unknown_fields: Vec<Field>,
    /// Where to go on; null when every session was looked at.
    next: Option<String>,
}

/// How many touched sessions have the same fate.
#[derive(Serialize, ToSchema)]
#[schema(as = RulesDryRunOutcome)]
struct OutcomeView {
    /// The band.
    #[schema(value_type = String)]
    verdict: Band,
    /// The action now.
    #[schema(value_type = String)]
    action: Action,
    /// The action with the tried rules.
    #[schema(value_type = String)]
    would_be: Action,
    /// How many.
    sessions: u64,
}

/// A session that a tried rule matches.
#[derive(Serialize, ToSchema)]
#[schema(as = RulesDryRunSample)]
struct SampleView {
    /// The session.
    session_token: String,
    /// Its band.
    #[schema(value_type = String)]
    verdict: Band,
    /// Its score.
    score: u8,
    /// Its action now.
    #[schema(value_type = String)]
    action: Action,
    /// Its action with the tried rules.
    #[schema(value_type = String)]
    would_be: Action,
    /// The reason of the verdict with the tried rules.
    reason: String,
    /// Its last event, UTC.
    #[schema(format = DateTime)]
    last_event_at: String,
}

/// Try rules on the sessions of the last hours: whom would they have touched?
///
/// The rules are tried beside those that the project has. Nothing is changed.
#[utoipa::path(
    post, path = "/-/projects/{project}/rules/dry-run", tag = "native", operation_id = "native_dry_run_rules",
    params(("project" = i64, Path, description = "The project's integer id")),
    request_body = Trial,
    security(("account_token" = [])),
    responses(
        (status = 200, body = Answer),
        (status = 401, description = "No account API token, or a wrong one"),
        (status = 403, description = "A project of another account, or a plan without custom rules"),
        (status = 404, description = "The project is not named by an integer"),
        (status = 413, description = "The body is over 65,536 bytes"),
        (status = 415, description = "The body is not application/json"),
        (status = 422, description = "A wrong rule, with the position of its fault, or a wrong member"),
    ),
)]
async fn dry_run(
    State(app): State<App>,
    project: wire::Result<OwnedProject>,
    body: wire::Result<JsonBody>,
) -> Result<Json<Answer>> {
    let OwnedProject(project) = project.map_err(|failure| failure.0)?;
    rules::permit(&app, &project).await?;
    let trial = read(&body.map_err(|failure| failure.0)?.0)?;
    let report = rules::dry_run(&app, &project, &trial).await?;
    Ok(Json(Answer::new(trial.hours, report)))
}

/// The route.
pub fn router(_app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(dry_run))
}

fn read(body: &Value) -> Result<DryRun> {
    let number = |name: &str, default: u64, most: u64| match body.get(name).map(Value::as_u64) {
        None => Ok(default),
        Some(Some(value)) if (1..=most).contains(&value) => Ok(value),
        Some(_) => Err(refuse(name, &format!("must be an integer from 1 to {most}"))),
    };
    let text = |name: &str| match body.get(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value.clone())),
        Some(_) => Err(refuse(name, "must be a string")),
    };
    let rules = match (body.get("expression"), body.get("rules")) {
        (Some(_), None) => vec![trial_rule(body)?],
        (None, Some(Value::Array(rules))) if (1..=MOST_RULES).contains(&rules.len()) => {
            let rule = |(place, rule)| trial_rule(rule).map_err(|error: Error| error.with("rule", place));
            rules.iter().enumerate().map(rule).collect::<Result<_>>()?
        }
        (None, Some(_)) => {
            return Err(refuse("rules", &format!("must be a list of 1 to {MOST_RULES} rules")));
        }
        _ => return Err(refuse("expression", "or rules must be given, and not both")),
    };
    Ok(DryRun {
        rules,
        hours: u16::try_from(number("hours", 24, 720)?).unwrap_or(u16::MAX),
        limit: usize::try_from(number("limit", 10_000, 50_000)?).unwrap_or(usize::MAX),
        after: text("after")?,
        path: text("path")?,
        country: text("country")?,
    })
}

/// Reads a rule like one that is to be made, but it needs no name.
fn trial_rule(body: &Value) -> Result<TrialRule> {
    let mut body = body.clone();
    if let Some(members) = body.as_object_mut() {
        members.entry("name").or_insert(json!("Tried rule"));
    }
    let new = new_rule(&body).map_err(|failure| failure.0)?;
    Ok(TrialRule { source: new.source, sort_order: new.sort_order })
}

fn refuse(path: &str, rule: &str) -> Error {
    Error::unprocessable(format!("{path} {rule}.")).with("path", path)
}

impl Answer {
    fn new(hours: u16, report: Report) -> Self {
        let outcome = |Outcome { band, now, would_be, sessions }: Outcome| OutcomeView {
            verdict: band,
            action: now,
            would_be,
            sessions,
        };
        let sample = |sample: Sample| SampleView {
            session_token: sample.session_token,
            verdict: sample.band,
            score: sample.score,
            action: sample.now,
            would_be: sample.would_be,
            reason: sample.reason,
            last_event_at: sample.last_event_at.to_seconds_text(),
        };
        Self {
            hours,
            sessions: report.sessions,
            touched: report.touched,
            changed: report.changed,
            outcomes: report.outcomes.into_iter().map(outcome).collect(),
            samples: report.samples.into_iter().map(sample).collect(),
            unknown_fields: report.unknown_fields,
            next: report.next,
        }
    }
}
