//! The session of an event stream: opened, challenged, solved.

use quivive_core::challenge::speed::GRACE_MS;
use quivive_core::challenge::{Challenge, Question, TimeLimit, check_speed, speed};
use quivive_core::{ErrorKind, Timestamp, encoding};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::error::Result;
use crate::storage::Record;

/// A session; only the stream's own routes know its kind of record.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Session {
    /// `sess_` and 32 hexadecimal digits.
    pub id: String,
    /// The app that opened it.
    pub app_id: Option<String>,
    /// The limit that the challenge will have, in milliseconds.
    limit_ms: u32,
    /// The network time that the limit allows for, if one was claimed.
    rtt_ms: Option<u32>,
    /// When it ends.
    expires_at: Timestamp,
    /// What was asked, once it was.
    challenge: Option<Challenge>,
}

impl Record for Session {
    const KIND: &'static str = "stream_challenge";
    const SHORT_LIVED: bool = true;

    fn id(&self) -> String {
        self.id.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// What became of the wish to be challenged.
#[derive(Debug)]
pub enum Begun {
    /// The problems; the clock runs from that moment.
    Challenged {
        /// What is shown.
        question: Question,
        /// When it was asked.
        started: Timestamp,
        /// The app that opened the session.
        app_id: Option<String>,
    },
    /// It was challenged before.
    Already,
    /// There is no such session.
    Unknown,
}

/// A judged answer.
#[derive(Debug)]
pub enum Verdict {
    /// Right and in time, after so many milliseconds.
    Right(i64),
    /// After so many milliseconds the limit was over.
    TooSlow(i64, String),
    /// Not five answers.
    WrongFormat,
    /// The number of the first wrong answer, from 1.
    WrongAnswer(String),
}

impl Session {
    /// Opens and stores a session.
    ///
    /// # Errors
    /// If storage does not answer.
    pub async fn open(app: &App, limit: TimeLimit, app_id: Option<String>) -> Result<Self> {
        let session = Self {
            id: format!("sess_{}", encoding::hex(&app.random_bytes::<16>())),
            app_id,
            limit_ms: limit.limit_ms,
            rtt_ms: limit.rtt_ms,
            expires_at: app.now().plus_milliseconds(LIFETIME),
            challenge: None,
        };
        app.storage.put(&session).await?;
        Ok(session)
    }

    /// Asks the problems of a session, once.
    ///
    /// # Errors
    /// If storage does not answer.
    pub async fn begin(app: &App, id: &str) -> Result<Begun> {
        let mut begun = Begun::Unknown;
        app.storage
            .update::<Self>(id, |mut session| {
                begun = Begun::Already;
                if session.challenge.is_some() {
                    return None;
                }
                let started = app.now();
                let limit = TimeLimit { limit_ms: session.limit_ms, rtt_ms: session.rtt_ms };
                let made = speed::generate(Some(session.id.clone()), limit, &app.seed(), started);
                // The stream's limit has no grace.
                let deadline = made.challenge.deadline.plus_milliseconds(-i64::from(GRACE_MS));
                session.challenge = Some(Challenge { deadline, ..made.challenge });
                let app_id = session.app_id.clone();
                begun = Begun::Challenged { question: made.question, started, app_id };
                Some(session)
            })
            .await?;
        Ok(begun)
    }

    /// The session, which stays.
    ///
    /// # Errors
    /// If storage does not answer.
    pub async fn look(app: &App, id: &str) -> Result<Option<Self>> {
        Ok(app.storage.get::<Self>(id).await?.map(|found| found.value))
    }

    /// Takes the session: of many who answer at most one is judged.
    ///
    /// # Errors
    /// If storage does not answer.
    pub async fn take(app: &App, id: &str) -> Result<Option<Self>> {
        Ok(app.storage.take::<Self>(id).await?)
    }

    /// The name of its state.
    pub fn state(&self) -> &'static str {
        if self.challenge.is_some() { "challenged" } else { "ready" }
    }

    /// Judges the answers; nothing if nothing was asked.
    pub fn judge(&self, answers: &Value, now: Timestamp) -> Option<Verdict> {
        let challenge = self.challenge.as_ref()?;
        Some(match check_speed(challenge, answers, now) {
            Ok(solved) => Verdict::Right(solved.solve_time_ms),
            Err(error) if error.kind() == ErrorKind::ChallengeExpired => {
                let took = challenge.age_ms(now);
                Verdict::TooSlow(took, format!("Took {took}ms, limit was {}ms", challenge.limit_ms))
            }
            Err(error) => match error.message().strip_prefix("Wrong answer for challenge ") {
                Some(number) => Verdict::WrongAnswer(number.to_owned()),
                None => Verdict::WrongFormat,
            },
        })
    }
}

/// How long a session lives, in milliseconds.
const LIFETIME: i64 = 300_000;
