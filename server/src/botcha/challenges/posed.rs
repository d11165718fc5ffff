//! New challenges as they are shown.

use http::request::Parts;
use quivive_core::challenge::reasoning::{NaturalQuestion, ReasoningQuestion};
use quivive_core::challenge::{
    Difficulty, Question, TimeLimit, hybrid, parse_client_time, reasoning, speed, standard,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::kept::Stored;
use crate::app::App;
use crate::error::Result;
use crate::extract::{header_text, query_value};

/// A new challenge, and how to answer it.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = BotchaPosedChallenge)]
pub struct Posed {
    pub(super) success: bool,
    /// `hybrid`, `speed`, `standard` or `reasoning`; not on the routes of one kind under `/api/`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warning: Option<String>,
    pub(super) challenge: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instructions: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tip: Option<String>,
    /// Where to POST the answer: a path, in the profile `compat` the whole address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verify_endpoint: Option<String>,
    /// Where to POST the answer, the whole address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verify_url: Option<String>,
    /// The form of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) submit_body: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rtt_adjustment: Option<RttAdjustment>,
}

impl Posed {
    /// The same answer with the place for the answer and its form.
    pub(super) fn to(mut self, app: &App, origin: &str, path: String, submit_body: Value) -> Self {
        let url = format!("{origin}{path}");
        self.verify_endpoint = Some(if app.config.compat.vocabulary { url.clone() } else { path });
        self.verify_url = Some(url);
        self.submit_body = Some(submit_body);
        self
    }
}

/// A challenge of any kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaChallenge)]
#[serde(untagged)]
pub enum Shown {
    /// Speed and reasoning together.
    Hybrid(HybridChallenge),
    /// Three questions.
    Reasoning(ReasoningChallenge),
    /// Five hashes.
    Speed(SpeedChallenge),
    /// One hash over prime numbers.
    Standard(StandardChallenge),
}

impl Shown {
    /// The id to send back.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Hybrid(shown) => &shown.id,
            Self::Reasoning(shown) => &shown.id,
            Self::Speed(shown) => &shown.id,
            Self::Standard(shown) => &shown.id,
        }
    }
}

impl Default for Shown {
    fn default() -> Self {
        Self::Standard(StandardChallenge::default())
    }
}

/// A new speed challenge as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaSpeedChallenge)]
pub struct SpeedChallenge {
    /// The id to send back.
    pub id: String,
    #[serde(flatten)]
    task: SpeedTask,
}

/// Numbers to hash.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaSpeedTask)]
#[serde(rename_all = "camelCase")]
struct SpeedTask {
    /// The five numbers.
    problems: Vec<Problem>,
    /// The time allowed, `<milliseconds>ms`.
    time_limit: String,
    /// What to do.
    instructions: String,
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

/// A new standard challenge as it is shown.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = BotchaStandardChallenge)]
#[serde(rename_all = "camelCase")]
pub struct StandardChallenge {
    /// The id to send back.
    id: String,
    /// The task as a sentence.
    puzzle: String,
    /// The time allowed: `<milliseconds>ms`, on `/api/challenge` the number.
    time_limit: Limit,
    /// How the text to hash begins for five primes.
    hint: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaTimeLimit)]
#[serde(untagged)]
enum Limit {
    Text(String),
    Milliseconds(u32),
}

impl Default for Limit {
    fn default() -> Self {
        Self::Milliseconds(0)
    }
}

/// A new reasoning challenge as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaReasoningChallenge)]
pub struct ReasoningChallenge {
    /// The id to send back.
    id: String,
    #[serde(flatten)]
    task: ReasoningTask,
}

/// Questions to answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaReasoningTask)]
#[serde(rename_all = "camelCase")]
struct ReasoningTask {
    /// Three questions.
    questions: Vec<ReasoningProblem>,
    /// `30s`.
    time_limit: String,
    /// What to do.
    instructions: String,
}

/// One question.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaReasoningQuestion)]
struct ReasoningProblem {
    /// The key of its answer.
    id: String,
    question: String,
    /// `analogy`, `logic`, `wordplay`, `math`, `code` or `common-sense`.
    category: &'static str,
}

/// A new hybrid challenge as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaHybridChallenge)]
pub struct HybridChallenge {
    /// The id to send back.
    id: String,
    speed: SpeedTask,
    reasoning: ReasoningTask,
}

/// How the limit follows from the claimed network time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaRttAdjustment)]
#[serde(rename_all = "camelCase")]
pub struct RttAdjustment {
    /// The round-trip time that counts, in milliseconds.
    measured_rtt: u32,
    /// The limit, in milliseconds.
    adjusted_timeout: u32,
    /// The sum in words.
    explanation: String,
}

/// The limit that a request for a challenge gets: longer if it claims a time, in the query or in a header.
pub(in crate::botcha) fn time_limit(app: &App, parts: &Parts) -> TimeLimit {
    let in_query = query_value(&parts.uri, "ts");
    let claim = in_query.as_deref().or_else(|| header_text(&parts.headers, "x-client-timestamp"));
    let cap = u32::try_from(app.config.botcha.rtt_cap_ms).unwrap_or(0);
    TimeLimit::for_client(claim.and_then(parse_client_time), cap, app.now())
}

/// Makes and stores a speed challenge.
///
/// # Errors
/// If storage does not answer.
pub(in crate::botcha) async fn speed(
    app: &App,
    limit: TimeLimit,
    app_id: Option<String>,
) -> Result<(SpeedChallenge, Option<RttAdjustment>)> {
    let made = speed::generate(None, limit, &app.seed(), app.now());
    app.storage.put(&Stored { challenge: made.challenge, app_id }).await?;
    let id = made.question.id.clone();
    let (task, adjustment) = speed_task(made.question);
    Ok((SpeedChallenge { id, task }, adjustment))
}

/// Makes and stores a speed challenge, as the challenge routes show it.
pub(super) async fn speed_alone(app: &App, limit: TimeLimit, app_id: Option<String>) -> Result<Posed> {
    let (challenge, rtt_adjustment) = speed(app, limit, app_id).await?;
    Ok(Posed {
        success: true,
        warning: Some(format!("All five answers must be here within {}.", challenge.task.time_limit)),
        challenge: Shown::Speed(challenge),
        tip: Some(SPEED_TIP.to_owned()),
        rtt_adjustment,
        ..Posed::default()
    })
}

/// Makes and stores a standard challenge. On the oldest route its limit is a number.
pub(super) async fn standard(
    app: &App,
    difficulty: Difficulty,
    app_id: Option<String>,
    is_number: bool,
) -> Result<Posed> {
    let made = standard::generate(None, difficulty, &app.seed(), app.now());
    app.storage.put(&Stored { challenge: made.challenge, app_id }).await?;
    let Question { id, limit_ms, puzzle, hint, .. } = made.question;
    let time_limit =
        if is_number { Limit::Milliseconds(limit_ms) } else { Limit::Text(format!("{limit_ms}ms")) };
    let challenge = StandardChallenge {
        id,
        puzzle: puzzle.unwrap_or_default(),
        time_limit,
        hint: hint.unwrap_or_default(),
    };
    Ok(Posed { success: true, challenge: Shown::Standard(challenge), ..Posed::default() })
}

/// Makes and stores a reasoning challenge.
pub(super) async fn reasoning(app: &App, app_id: Option<String>) -> Result<Posed> {
    let made = reasoning::generate(None, &app.seed(), app.now());
    app.storage.put(&Stored { challenge: made.challenge, app_id }).await?;
    let id = made.question.id.clone();
    let task = reasoning_task(made.question);
    Ok(Posed {
        success: true,
        warning: Some(format!("All three answers must be right and here within {}.", task.time_limit)),
        challenge: Shown::Reasoning(ReasoningChallenge { id, task }),
        tip: Some("Answer with the bare word or number: explanations make an answer wrong.".to_owned()),
        ..Posed::default()
    })
}

/// Makes and stores a hybrid challenge.
pub(super) async fn hybrid(app: &App, limit: TimeLimit, app_id: Option<String>) -> Result<Posed> {
    let made = hybrid::generate(None, limit, &app.seed(), app.now());
    app.storage.put(&Stored { challenge: made.challenge, app_id }).await?;
    let id = made.question.id;
    let tip = if app.config.botcha.hybrid_two_step {
        format!(
            "Send the hashes first, alone, to /v1/challenges/{id}/verify: then the whole time is left for the \
             questions."
        )
    } else {
        SPEED_TIP.to_owned()
    };
    let (speed, rtt_adjustment) = speed_task(made.question.speed);
    let reasoning = reasoning_task(made.question.reasoning);
    Ok(Posed {
        success: true,
        warning: Some(format!(
            "The hashes must be here within {}, the answers to the questions within {}.",
            speed.time_limit, reasoning.time_limit
        )),
        challenge: Shown::Hybrid(HybridChallenge { id, speed, reasoning }),
        instructions: Some(
            "Compute the five hashes and answer the three questions. Both parts must be right.",
        ),
        tip: Some(tip),
        rtt_adjustment,
        ..Posed::default()
    })
}

fn speed_task(question: Question) -> (SpeedTask, Option<RttAdjustment>) {
    let problems = question.problems.unwrap_or_default().into_iter();
    let task = SpeedTask {
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
    (task, adjustment)
}

fn reasoning_task(question: ReasoningQuestion) -> ReasoningTask {
    let shown = |NaturalQuestion { id, question, category }: NaturalQuestion| ReasoningProblem {
        id,
        question,
        category: category.name(),
    };
    ReasoningTask {
        questions: question.questions.into_iter().map(shown).collect(),
        time_limit: format!("{}s", question.limit_ms / 1000),
        instructions: question.instructions,
    }
}

const SPEED_TIP: &str = "Send all answers in one request: the clock runs from the moment of issue.";
