//! Answers that are judged. Right, wrong and late ones all use the challenge up.

use quivive_core::Timestamp;
use quivive_core::challenge::hybrid::{self, HybridChallenge, HybridOutcome};
use quivive_core::challenge::reasoning::{self, ReasoningChallenge, ReasoningFailed, ReasoningPassed};
use quivive_core::challenge::{Challenge, NOT_FOUND, Solved, check_speed, check_standard};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::kept::{self, Stored};
use crate::app::App;
use crate::botcha::analytics::Happening;
use crate::botcha::badge::Badge;
use crate::botcha::token_block::TokenBlock;
use crate::error::Result;

/// What became of an answer.
#[derive(Debug)]
pub struct Judgement<P = i64, F = String> {
    /// The app that asked for the challenge.
    pub app_id: Option<String>,
    /// What is known of a right answer (the milliseconds that it took), or of a wrong one (the reason).
    pub outcome: std::result::Result<P, F>,
}

impl Judgement {
    /// The note for the owner's dashboard.
    pub fn happening(&self, kind: &'static str) -> Happening {
        let outcome = self.outcome.as_ref().map(|took| *took).map_err(String::as_str);
        Happening::verified(kind, self.app_id.as_deref(), outcome)
    }
}

/// Takes a speed challenge and judges the answers.
///
/// # Errors
/// If storage does not answer.
pub async fn speed(app: &App, id: &str, answers: &Value) -> Result<Judgement> {
    plain(app, id, |challenge, now| check_speed(challenge, answers, now)).await
}

/// Takes a standard challenge and judges the answer.
///
/// # Errors
/// If storage does not answer.
pub async fn standard(app: &App, id: &str, answer: &Value) -> Result<Judgement> {
    plain(app, id, |challenge, now| check_standard(challenge, answer, now)).await
}

/// Takes a reasoning challenge and judges the answers.
///
/// # Errors
/// If storage does not answer.
pub async fn reasoning(
    app: &App,
    id: &str,
    answers: &Value,
) -> Result<Judgement<ReasoningPassed, ReasoningFailed>> {
    let Some(Stored { challenge, app_id }) = kept::take::<ReasoningChallenge>(app, id).await? else {
        return Ok(Judgement { app_id: None, outcome: Err(unknown()) });
    };
    Ok(Judgement { app_id, outcome: reasoning::check(&challenge, answers, app.now()) })
}

/// Takes a hybrid challenge and judges both parts, the speed part unless it has been judged before.
///
/// # Errors
/// If storage does not answer.
pub async fn hybrid(
    app: &App,
    id: &str,
    speed: Option<&Value>,
    reasoning: &Value,
) -> Result<(HybridOutcome, Option<String>)> {
    let Some(Stored { challenge, app_id }) = kept::take::<HybridChallenge>(app, id).await? else {
        return Ok((HybridOutcome::not_found(), None));
    };
    Ok((hybrid::check(&challenge, speed, reasoning, app.now()), app_id))
}

/// The answer to a submission.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = BotchaJudgedAnswer)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// Whether everything was right and in time.
    pub(super) success: bool,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) solve_time_ms: Option<i64>,
    /// As `solveTimeMs`, on `/api/challenge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) solve_time: Option<i64>,
    /// `3/3`; reasoning only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) score: Option<String>,
    /// Hybrid only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) speed: Option<SpeedPart>,
    /// Hybrid only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning: Option<ReasoningPart>,
    /// Hybrid only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total_time_ms: Option<i64>,
    /// `reasoning` after the first of two steps: the speed part is judged, send `reasoning_answers` next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pending: Option<&'static str>,
    /// Milliseconds left for what is pending.
    #[serde(rename = "expires_in_ms", skip_serializing_if = "Option::is_none")]
    pub(super) expires_in_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) badge: Option<Badge>,
    #[serde(flatten)]
    #[schema(schema_with = TokenBlock::optional)]
    pub(super) tokens: Option<TokenBlock>,
}

/// The speed part of a hybrid answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaSpeedPart)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpeedPart {
    passed: bool,
    /// As `passed`.
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    solve_time_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The reasoning part of a hybrid answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaReasoningPart)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReasoningPart {
    passed: bool,
    /// As `passed`.
    valid: bool,
    /// `3/3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    solve_time_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<hybrid::SpeedPart> for SpeedPart {
    fn from(part: hybrid::SpeedPart) -> Self {
        let hybrid::SpeedPart { passed, solve_time_ms, reason } = part;
        Self { passed, valid: passed, solve_time_ms, reason }
    }
}

impl From<hybrid::ReasoningPart> for ReasoningPart {
    fn from(part: hybrid::ReasoningPart) -> Self {
        let hybrid::ReasoningPart { passed, score, solve_time_ms, reason } = part;
        Self { passed, valid: passed, score, solve_time_ms, reason }
    }
}

async fn plain(
    app: &App,
    id: &str,
    check: impl FnOnce(&Challenge, Timestamp) -> quivive_core::Result<Solved>,
) -> Result<Judgement> {
    let Some(Stored { challenge, app_id }) = kept::take::<Challenge>(app, id).await? else {
        return Ok(Judgement { app_id: None, outcome: Err(NOT_FOUND.to_owned()) });
    };
    let outcome = check(&challenge, app.now())
        .map(|solved| solved.solve_time_ms)
        .map_err(|error| error.message().to_owned());
    Ok(Judgement { app_id, outcome })
}

fn unknown() -> ReasoningFailed {
    ReasoningFailed {
        reason: NOT_FOUND.to_owned(),
        is_late: false,
        solve_time_ms: None,
        correct: None,
        total: None,
    }
}
