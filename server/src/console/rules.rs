//! The owner's rules: a list, and an editor that marks a fault at its place and tells whom a rule would have touched.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{StatusCode, Uri};
use maud::{Markup, html};
use quivive_core::rules::{LONGEST_EXPRESSION, LONGEST_NAME, MOST_RULES, RuleSource};
use quivive_core::score::Action;
use serde::Deserialize;

use super::access::{Form, Owned};
use super::failure::{Failure, Result};
use super::layout::{self, Tab};
use super::words;
use crate::app::App;
use crate::error::{Error, ErrorKind};
use crate::extract::{Path, query_value};
use crate::flows::scoring::rules::{self, DryRun, NewRule, Report, StoredRule, TrialRule};
use crate::pages;
use crate::tenant::Project;

/// The routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/-/console/projects/{project}/rules", get(read).post(create))
        .route("/-/console/projects/{project}/rules/check", post(check))
        .route("/-/console/projects/{project}/rules/{rule}/delete", post(delete))
}

/// What stands in the editor.
#[derive(Default)]
struct Draft {
    name: String,
    expression: String,
    action: String,
    sort_order: String,
    path: String,
}

impl Draft {
    /// Browsers send line breaks as two characters and count them as one.
    fn read(form: &Form) -> Self {
        Self {
            name: form.text("name").to_owned(),
            expression: form.text("expression").replace("\r\n", "\n"),
            action: form.text("action").to_owned(),
            sort_order: form.text("sort_order").trim().to_owned(),
            path: form.text("path").trim().to_owned(),
        }
    }

    fn action(&self) -> Result<Action, Error> {
        let known = ACTIONS.into_iter().find(|action| action.name() == self.action);
        known.ok_or_else(|| Error::unprocessable("Choose one of the five actions."))
    }

    fn sort_order(&self) -> Result<i32, Error> {
        let text = if self.sort_order.is_empty() { "0" } else { &self.sort_order };
        text.parse().map_err(|_| Error::unprocessable("The order is a whole number; lower ones come first."))
    }

    fn rule(&self) -> Result<NewRule, Error> {
        let source = RuleSource {
            name: self.name.clone(),
            expression: self.expression.clone(),
            action: self.action()?,
        };
        Ok(NewRule { source, is_active: true, sort_order: self.sort_order()? })
    }
}

async fn read(State(app): State<App>, owned: Owned, uri: Uri) -> Result<Response> {
    let notice = match query_value(&uri, "done").as_deref() {
        Some("made") => Some("The rule is made. The next verdict is made with it."),
        Some("deleted") => Some("The rule is deleted. The next verdict is made without it."),
        _ => None,
    };
    page(&app, &owned, &Draft::default(), notice, None).await
}

async fn create(State(app): State<App>, owned: Owned, form: Form) -> Result<Response> {
    let draft = Draft::read(&form);
    let made = match draft.rule() {
        Ok(rule) => rules::create(&app, &owned.project, &rule).await.map(|_| ()),
        Err(error) => Err(error),
    };
    match made {
        Ok(()) => {
            let path = layout::project_path(owned.project.id, "/rules?done=made");
            Ok(Redirect::to(&path).into_response())
        }
        Err(error) if error.kind() == ErrorKind::Unprocessable => {
            let mut response = page(&app, &owned, &draft, None, Some(&error)).await?;
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

async fn check(State(app): State<App>, owned: Owned, form: Form) -> Result<Response> {
    let draft = Draft::read(&form);
    Ok(pages::html(checked(&app, &owned.project, &draft).await?.into_string()))
}

#[derive(Deserialize)]
struct RulePath {
    rule: String,
}

async fn delete(
    State(app): State<App>,
    owned: Owned,
    Path(RulePath { rule }): Path<RulePath>,
    _: Form,
) -> Result<Response> {
    let id = rule.parse().map_err(|_| Failure::not_found())?;
    match rules::delete(&app, &owned.project, id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(Failure::not_found()),
        other => other?,
    }
    Ok(Redirect::to(&layout::project_path(owned.project.id, "/rules?done=deleted")).into_response())
}

async fn page(
    app: &App,
    owned: &Owned,
    draft: &Draft,
    notice: Option<&str>,
    error: Option<&Error>,
) -> Result<Response> {
    let project = &owned.project;
    let stored = rules::list(app, project.id).await?;
    let body = html! {
        @if let Some(notice) = notice { p class="notice" role="status" { (notice) } }
        section class="card" aria-labelledby="rules-title" {
            div class="card-head" {
                h2 id="rules-title" { "Rules" }
                p class="fine" { "In the order in which they are tried; " (stored.len()) " of at most " (MOST_RULES) "." }
            }
            @if stored.is_empty() {
                p class="empty" { "No rules yet. Without rules the toggles in the settings decide alone." }
            } @else {
                ol class="rules" { @for rule in &stored { (listed(owned, rule)) } }
            }
        }
        @if owned.account.plan.custom_rules {
            section class="card" aria-labelledby="new-title" {
                h2 id="new-title" { "A new rule" }
                (editor(owned, draft, &html! {
                    @if let Some(error) = error { (fault(&draft.expression, error)) }
                }))
            }
            (help())
        } @else {
            p class="notice" { "The plan of this account does not include rules of your own." }
        }
    };
    Ok(layout::project_page(owned, Tab::Rules, "Rules", &body))
}

fn listed(owned: &Owned, rule: &StoredRule) -> Markup {
    let path = layout::project_path(owned.project.id, &format!("/rules/{}/delete", rule.id));
    html! {
        li id=(format!("rule-{}", rule.id)) {
            p {
                b { (rule.name) } " " (layout::action_chip(rule.action))
                @if !rule.is_active { " " span class="action" { "inactive" } }
                span class="fine" { " order " (rule.sort_order) ", made " (layout::moment(rule.created_at)) }
            }
            details class="replace" {
                summary aria-label=(format!("Delete {}", rule.name)) { "Delete" }
                form method="post" action=(path) {
                    (layout::mark(&owned.owner))
                    button type="submit" class="danger small" { "Delete this rule" }
                }
            }
            pre tabindex="0" { (rule.expression_source) }
        }
    }
}

fn editor(owned: &Owned, draft: &Draft, first_check: &Markup) -> Markup {
    let path = layout::project_path(owned.project.id, "/rules");
    html! {
        form method="post" action=(path) class="rule-form" id="rule-form" {
            (layout::mark(&owned.owner))
            div class="fields" {
                label { "Name, shown in the reason"
                    input type="text" name="name" id="rule-name" required maxlength=(LONGEST_NAME) value=(draft.name) autocomplete="off"; }
                label { "Action"
                    select name="action" id="rule-action" {
                        @for action in ACTIONS {
                            option value=(action.name()) selected[action.name() == draft.action] { (action.name()) }
                        }
                    }
                }
                label { "Order"
                    input type="number" name="sort_order" id="rule-order" value=(if draft.sort_order.is_empty() { "0" } else { &draft.sort_order }) step="1" min="-2147483648" max="2147483647"; }
            }
            label { "When this is true"
                textarea name="expression" id="expression" required maxlength=(LONGEST_EXPRESSION) spellcheck="false"
                    autocomplete="off" aria-describedby="check" placeholder="score < 30 AND NOT verified_bot"
                    hx-post=(format!("{path}/check")) hx-trigger="input changed delay:350ms" hx-target="#check"
                    hx-include="#rule-form" hx-sync="this:replace" { (draft.expression) }
            }
            label { "Path to assume in the trial, if the rule looks at it"
                input type="text" name="path" id="rule-path" value=(draft.path) placeholder="/checkout" autocomplete="off"
                    hx-post=(format!("{path}/check")) hx-trigger="input changed delay:350ms" hx-target="#check"
                    hx-include="#rule-form" hx-sync="#expression:replace"; }
            div id="check" aria-live="polite" { (first_check) }
            p class="examples" aria-label="Examples" {
                @for example in EXAMPLES { button type="button" data-example=(example) { (example) } }
            }
            p class="buttons" { button type="submit" { "Make the rule" } }
        }
    }
}

/// What is wrong with the expression, or whom the rule would have touched.
async fn checked(app: &App, project: &Project, draft: &Draft) -> Result<Markup> {
    if draft.expression.trim().is_empty() {
        return Ok(html! {});
    }
    if let Err(error) = rules::check(&draft.expression) {
        return Ok(fault(&draft.expression, &error));
    }
    let source = RuleSource {
        name: "This rule".to_owned(),
        expression: draft.expression.clone(),
        action: draft.action().unwrap_or(Action::Log),
    };
    let trial = DryRun {
        rules: vec![TrialRule { source, sort_order: draft.sort_order().unwrap_or_default() }],
        hours: TRIAL_HOURS,
        limit: TRIAL_SESSIONS,
        after: None,
        path: (!draft.path.is_empty()).then(|| draft.path.clone()),
        country: None,
    };
    let report = rules::dry_run(app, project, &trial).await?;
    Ok(tried(project, &report))
}

fn tried(project: &Project, report: &Report) -> Markup {
    html! {
        div class="check" data-state="good" {
            p {
                b { "The expression holds together. " }
                "It would have touched " b { (report.touched) } " of "
                (layout::count(report.sessions, "session", "sessions"))
                " of the last " (TRIAL_HOURS) " hours, and changed the action of " b { (report.changed) } "."
            }
            @if !report.unknown_fields.is_empty() {
                p class="fine" {
                    "Not tried: " @for (place, field) in report.unknown_fields.iter().enumerate() { @if place > 0 { ", " } code { (field.name()) } }
                    ", which is only known when your server asks for a verdict."
                }
            }
            @if report.next.is_some() {
                p class="fine" { "Only the first " (TRIAL_SESSIONS) " stored sessions were looked at." }
            }
            @if !report.outcomes.is_empty() {
                ul class="plain" {
                    @for outcome in &report.outcomes {
                        li { (outcome.sessions) " × " (words::band(outcome.band)) ": " (layout::action_chip(outcome.now)) " → " (layout::action_chip(outcome.would_be)) }
                    }
                }
            }
            @if !report.samples.is_empty() {
                details class="help" {
                    summary { "Some of them" }
                    ul class="plain" {
                        @for sample in report.samples.iter().take(MOST_SAMPLES) {
                            li {
                                a href=(layout::project_path(project.id, &format!("/sessions/{}", sample.session_token))) { code class="token-short" { (sample.session_token) } }
                                " " (layout::score_badge(sample.score, sample.band))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The error, with the expression and a mark at the fault.
fn fault(expression: &str, error: &Error) -> Markup {
    let details = error.details();
    let token = details.get("token").and_then(serde_json::Value::as_str).unwrap_or_default();
    let position = details.get("position").and_then(serde_json::Value::as_u64);
    let place = position.and_then(|position| expression.split_at_checked(usize::try_from(position).ok()?));
    html! {
        div class="check" data-state="bad" role="status" {
            p { b { (error.public_message()) } }
            @if let Some((before, after)) = place {
                @let (marked, rest) = after.split_at_checked(if after.starts_with(token) { token.len() } else { 0 }).unwrap_or(("", after));
                pre id="fault" { (before) mark { @if marked.is_empty() { "\u{a0}" } @else { (marked) } } (rest) }
                p {
                    button type="button" class="second small" data-field="expression" data-jump=(before.encode_utf16().count())
                        data-length=(marked.encode_utf16().count()) { "Go to character " (before.chars().count() + 1) }
                }
            }
            @if let Some(hint) = details.get("hint").and_then(serde_json::Value::as_str) { p class="fine" { (words::capitalised(hint)) } }
        }
    }
}

fn help() -> Markup {
    html! {
        section class="card" aria-labelledby="help-title" {
            h2 id="help-title" { "Fields, operators, actions" }
            p class="fine" {
                "Join comparisons with " code { "AND" } ", " code { "OR" } ", " code { "NOT" } " and parentheses. The field stands on the left. "
                "What was not observed never matches, unless you ask for it with " code { "== null" } "."
            }
            div class="pair reference" {
                table class="stack" {
                    caption { "Fields" }
                    thead { tr { th scope="col" { "Field" } th scope="col" { "Operators" } th scope="col" { "Meaning" } } }
                    tbody {
                        @for (field, operators, meaning) in FIELDS {
                            tr {
                                td data-label="Field" { code { (field) } }
                                td data-label="Operators" { code { (operators) } }
                                td data-label="Meaning" { (meaning) }
                            }
                        }
                    }
                }
                table class="stack" {
                    caption { "Actions" }
                    thead { tr { th scope="col" { "Action" } th scope="col" { "What it does" } } }
                    tbody {
                        @for (action, meaning) in MEANINGS {
                            tr { td data-label="Action" { (layout::action_chip(action)) } td data-label="What it does" { (meaning) } }
                        }
                    }
                }
            }
        }
    }
}

/// The first is what a new rule does unless another is chosen: look on.
const ACTIONS: [Action; 5] = [Action::Log, Action::Challenge, Action::Block, Action::Delay, Action::Allow];

const EXAMPLES: [&str; 4] = [
    "score < 30 AND NOT verified_bot",
    "path == \"/checkout\" AND score < 60 AND NOT logged_in",
    "ip in [\"203.0.113.0/24\"] OR ua == null",
    "detection_ids in [33554433]",
];

const COMPARED: &str = "== != < <= > >=";
const TEXT: &str = "== != in, not in";

const FIELDS: &[(&str, &str, &str)] = &[
    ("score", COMPARED, "1 (surest bot) to 99 (surest person)"),
    ("band", TEXT, "\"definite\", \"likely_automated\", \"likely_human\", \"verified\""),
    ("verified_bot", "alone, == !=", "a bot that proved who it is"),
    ("verified_bot_category", TEXT, "\"Search\", \"AI Crawler\", …"),
    ("detection_ids", "in, not in", "numbers of what was detected: in [33554433]"),
    ("js_detection.passed", "alone, == !=", "the script probe; null without one"),
    ("behavioral.mouse_entropy", COMPARED, "naturalness of the pointer's path, 0 to 1"),
    ("behavioral.scroll_velocity", COMPARED, "pixels per second"),
    ("behavioral.visibility_changes", COMPARED, "how often the tab was left or seen again"),
    ("behavioral.first_input_delay_ms", COMPARED, "milliseconds"),
    ("path", TEXT, "the requested path, as your server gives it"),
    ("ip", TEXT, "an address or a network: \"203.0.113.0/24\""),
    ("country", TEXT, "two letters: \"NL\""),
    ("ua", TEXT, "the user agent, exactly"),
    ("static_resource", "alone, == !=", "an image, style, script and the like"),
    ("logged_in", "alone, == !=", "your server said that the visitor is logged in"),
];

const MEANINGS: [(Action, &str); 5] = [
    (Action::Block, "Ends the search: refuse the request. Each block is recorded."),
    (Action::Challenge, "Ends the search: show your challenge."),
    (Action::Delay, "Goes on; if no later rule or toggle acts: answer slowly."),
    (Action::Log, "Goes on; if no later rule or toggle acts: serve and note it."),
    (Action::Allow, "Goes on, and no toggle acts on this visitor; a later rule still may."),
];

const TRIAL_HOURS: u16 = 24;
const TRIAL_SESSIONS: usize = 2_000;
const MOST_SAMPLES: usize = 10;
