//! The agent's own tokens, over the BOTCHA-compatible API.

use std::time::{SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use quivive_core::challenge::reasoning::NaturalQuestion;
use quivive_core::challenge::solve_inline;
use quivive_core::challenge::speed::{SpeedProblem, solve_problems};
use quivive_core::token::{Claims, Jwks};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::service::{call, post, request};
use crate::token::{Issued, Source};
use crate::{Client, Error, Result};

/// The calls of an agent; made by [`Client::botcha`].
#[derive(Clone, Debug)]
pub struct Botcha {
    client: Client,
}

impl Botcha {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The held token; when there is none or it has less than 60 s left, a new one by the refresh token or, failing
    /// that, by solving a challenge. Concurrent callers share one renewal.
    ///
    /// # Errors
    /// `INVALID_INPUT` without a service URL, `CONNECTION_FAILED`, or as the service answers.
    pub async fn token(&self) -> Result<String> {
        self.client.inner().keeper.token(self).await
    }

    /// Gets a new token by the hybrid challenge: the client solves the speed part, `answer` the questions.
    ///
    /// A question is in plain English and wants a bare answer: a number, a name or a word. All three questions are
    /// asked at the same time, and the answers are due half a minute after the challenge was posed; what comes later,
    /// or wrong, is `CHALLENGE_FAILED`. The token is kept as one of [`Botcha::token`] is.
    ///
    /// ```no_run
    /// # async fn ask_a_model(_: &str) -> String { String::new() }
    /// # async fn example() -> quivive::Result<()> {
    /// let client = quivive::Client::new()?;
    /// let token = client.botcha().prove(async |asked| ask_a_model(&asked.question).await).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `CHALLENGE_FAILED` for late or wrong answers, and as [`Botcha::token`].
    pub async fn prove<F, A>(&self, answer: F) -> Result<String>
    where
        F: Fn(NaturalQuestion) -> A,
        A: Future<Output = String>,
    {
        let posed = match self.pose().await {
            // A machine that was busy at the wrong moment gets a second challenge.
            Err(Error::Api { code, .. }) if code == CHALLENGE_FAILED => self.pose().await,
            result => result,
        }?;
        let questions = posed.reasoning.questions;
        let ids: Vec<String> = questions.iter().map(|asked| asked.id.clone()).collect();
        let answers = join_all(questions.into_iter().map(answer)).await;
        let answers: Map<String, Value> =
            ids.into_iter().zip(answers.into_iter().map(Value::String)).collect();
        let judged = self.submit(&posed.id, json!({ "reasoning_answers": answers })).await?;
        if judged.get("success") != Some(&Value::Bool(true)) {
            return Err(challenge_failed(judged));
        }
        let issued = serde_json::from_value(judged).map_err(|_| Error::malformed(200))?;
        self.client.inner().keeper.accept(issued).await
    }

    /// Gets a new token even when the held one has life left.
    ///
    /// # Errors
    /// As [`Botcha::token`].
    pub async fn renew(&self) -> Result<String> {
        self.client.inner().keeper.renew(self).await
    }

    /// Forgets access and refresh token.
    pub async fn clear(&self) {
        self.client.inner().keeper.forget().await;
    }

    /// Asks the service whether a token holds, revocation included.
    ///
    /// # Errors
    /// `CONNECTION_FAILED`, or as the service answers; a token that does not hold is no error.
    pub async fn validate(&self, token: &str) -> Result<Validation> {
        post(self.http(), self.endpoint("validate")?, &json!({ "token": token })).await
    }

    /// Revokes an access or refresh token.
    ///
    /// # Errors
    /// `CONNECTION_FAILED`, or as the service answers.
    pub async fn revoke(&self, token: &str) -> Result<()> {
        post::<Value>(self.http(), self.endpoint("revoke")?, &json!({ "token": token })).await.map(drop)
    }

    /// The public keys of the service.
    ///
    /// # Errors
    /// `CONNECTION_FAILED`, or as the service answers.
    pub async fn keys(&self) -> Result<Jwks> {
        let url = self.client.service()?.endpoint(&[".well-known", "jwks.json"]);
        call(request(self.http(), Method::GET, url)).await
    }

    pub(crate) async fn replace(&self, refused: &str) -> Result<String> {
        self.client.inner().keeper.replace(refused, self).await
    }

    fn http(&self) -> &reqwest::Client {
        &self.client.inner().direct
    }

    fn endpoint(&self, name: &str) -> Result<url::Url> {
        Ok(self.client.service()?.endpoint(&["v1", "token", name]))
    }

    /// Asks for a hybrid challenge and passes its speed part.
    async fn pose(&self) -> Result<Posed> {
        let mut url = self.challenge_url(&["v1", "challenges"])?;
        url.query_pairs_mut().append_pair("type", "hybrid");
        let Hybrid { challenge } = call(request(self.http(), Method::GET, url)).await?;
        let hashes = solve_problems(&challenge.speed.problems)?;
        let judged = self.submit(&challenge.id, json!({ "speed_answers": hashes })).await?;
        let has_passed = judged.pointer("/speed/passed") == Some(&Value::Bool(true));
        if has_passed && judged.get("pending").is_some_and(|pending| pending == "reasoning") {
            Ok(challenge)
        } else {
            Err(challenge_failed(judged))
        }
    }

    /// Submits a part of the answers to a hybrid challenge.
    async fn submit(&self, id: &str, mut answers: Value) -> Result<Value> {
        let inner = self.client.inner();
        let members = [
            ("type", Some("hybrid")),
            ("app_id", inner.app_id.as_deref()),
            ("audience", inner.audience.as_deref()),
        ];
        for (name, value) in members {
            if let (Some(value), Some(answers)) = (value, answers.as_object_mut()) {
                answers.insert(name.to_owned(), value.into());
            }
        }
        let url = self.client.service()?.endpoint(&["v1", "challenges", id, "verify"]);
        post(self.http(), url, &answers).await
    }

    /// The address of a challenge, which learns the client's time, app and audience.
    fn challenge_url(&self, segments: &[&str]) -> Result<url::Url> {
        let inner = self.client.inner();
        let mut url = self.client.service()?.endpoint(segments);
        let now = milliseconds_since_epoch().to_string();
        let members = [
            ("ts", Some(now.as_str())),
            ("app_id", inner.app_id.as_deref()),
            ("audience", inner.audience.as_deref()),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        Ok(url)
    }

    async fn solve(&self) -> Result<Issued> {
        let inner = self.client.inner();
        let url = self.challenge_url(&["v1", "token"])?;
        let body: Value = call(request(&inner.direct, Method::GET, url)).await?;
        let solution = solve_inline(&body)?;
        let answer = Answer {
            id: &solution.id,
            answers: &solution.answers,
            app_id: inner.app_id.as_deref(),
            audience: inner.audience.as_deref(),
        };
        post(&inner.direct, self.endpoint("verify")?, &answer).await
    }
}

impl Source for Botcha {
    /// A machine that was busy at the wrong moment gets a second challenge.
    async fn obtain(&self) -> Result<Issued> {
        match self.solve().await {
            Err(Error::Api { code, .. }) if code == CHALLENGE_FAILED => self.solve().await,
            result => result,
        }
    }

    async fn refresh(&self, refresh_token: &str) -> Result<Issued> {
        post(self.http(), self.endpoint("refresh")?, &json!({ "refresh_token": refresh_token })).await
    }
}

/// What the service says about a token.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Validation {
    /// Whether the token holds.
    pub valid: bool,
    /// What the token says, when it holds.
    #[serde(default)]
    pub payload: Option<Claims>,
    /// Why it does not hold.
    #[serde(default)]
    pub error: Option<String>,
}

#[derive(Deserialize)]
struct Hybrid {
    challenge: Posed,
}

/// A hybrid challenge as the service shows it.
#[derive(Deserialize)]
struct Posed {
    id: String,
    speed: Hashing,
    reasoning: Reasoning,
}

#[derive(Deserialize)]
struct Hashing {
    problems: Vec<SpeedProblem>,
}

#[derive(Deserialize)]
struct Reasoning {
    questions: Vec<NaturalQuestion>,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    answers: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<&'a str>,
}

/// The code of answers that were late or wrong.
const CHALLENGE_FAILED: &str = "CHALLENGE_FAILED";

/// The service judges a hybrid challenge with status 200 either way.
fn challenge_failed(body: Value) -> Error {
    Error::Api { status: 200, code: CHALLENGE_FAILED.to_owned(), body }
}

fn milliseconds_since_epoch() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}
