//! Challenges as they are kept: for one attempt, in memory.

use quivive_core::Timestamp;
use quivive_core::challenge::{
    Challenge, NOT_FOUND, Solved, TimeLimit, check_speed, parse_client_time, speed,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::Result;
use crate::storage::Record;

/// A challenge that waits for its answer; the answers in it are never shown.
#[derive(Debug, Deserialize, Serialize)]
pub struct StoredChallenge {
    /// What the core judges by; it knows the kind, so no other route accepts it.
    pub challenge: Challenge,
    /// The app that asked for it.
    pub app_id: Option<String>,
}

impl Record for StoredChallenge {
    const KIND: &'static str = "challenge";
    const SHORT_LIVED: bool = true;

    fn id(&self) -> String {
        self.challenge.id.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.challenge.issued_at.plus_milliseconds(LIFETIME))
    }
}

/// How the limit follows from the claimed network time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaRttAdjustment)]
#[serde(rename_all = "camelCase")]
pub struct RttAdjustment {
    /// The round-trip time that counts, in milliseconds.
    pub measured_rtt: u32,
    /// The limit, in milliseconds.
    pub adjusted_timeout: u32,
    /// The sum in words.
    pub explanation: String,
}

/// One number to hash.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaProblem)]
pub struct Problem {
    /// Six digits.
    pub num: u64,
    /// Always `sha256_first8`.
    pub operation: String,
}

/// A new speed challenge as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaSpeedChallenge)]
#[serde(rename_all = "camelCase")]
pub struct SpeedChallenge {
    /// The id to send back.
    pub id: String,
    /// The five numbers.
    pub problems: Vec<Problem>,
    /// The time allowed, `<milliseconds>ms`.
    pub time_limit: String,
    /// What to do.
    pub instructions: String,
}

/// Makes and stores a speed challenge.
///
/// # Errors
/// If storage does not answer.
pub async fn create_speed(
    app: &App,
    client_time: Option<&str>,
    app_id: Option<String>,
) -> Result<(SpeedChallenge, Option<RttAdjustment>)> {
    let now = app.now();
    let cap = u32::try_from(app.config.botcha.rtt_cap_ms).unwrap_or(0);
    let limit = TimeLimit::for_client(client_time.and_then(parse_client_time), cap, now);
    let made = speed::generate(None, limit, &app.seed(), now);
    app.storage.put(&StoredChallenge { challenge: made.challenge, app_id }).await?;
    let question = made.question;
    let problems = question.problems.unwrap_or_default().into_iter();
    let shown = SpeedChallenge {
        id: question.id,
        problems: problems
            .map(|problem| Problem { num: problem.num, operation: problem.operation })
            .collect(),
        time_limit: format!("{}ms", question.limit_ms),
        instructions: question.instructions,
    };
    let adjustment = question.rtt_adjustment.map(|adjustment| RttAdjustment {
        measured_rtt: adjustment.measured_rtt,
        adjusted_timeout: adjustment.adjusted_timeout,
        explanation: adjustment.explanation,
    });
    Ok((shown, adjustment))
}

/// A speed challenge that was answered right and in time.
pub struct SolvedChallenge {
    /// Its id.
    pub id: String,
    /// The time taken.
    pub solved: Solved,
    /// The app that asked for it.
    pub app_id: Option<String>,
}

/// Takes a speed challenge and judges the answers: right, wrong and late ones all use it up.
///
/// # Errors
/// The inner error is the reason for the caller; the outer one means that storage does not answer.
pub async fn judge_speed(app: &App, id: &str, answers: &Value) -> Result<Result<SolvedChallenge, String>> {
    let found = if id.len() <= LONGEST_ID { app.storage.take::<StoredChallenge>(id).await? } else { None };
    let Some(StoredChallenge { challenge, app_id }) = found else { return Ok(Err(NOT_FOUND.to_owned())) };
    Ok(check_speed(&challenge, answers, app.now())
        .map(|solved| SolvedChallenge { id: challenge.id, solved, app_id })
        .map_err(|error| error.message().to_owned()))
}

/// How long a challenge is kept, in milliseconds.
const LIFETIME: i64 = 300_000;
const LONGEST_ID: usize = 64;
