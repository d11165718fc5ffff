//! The agent's own tokens, over the BOTCHA-compatible API.

use std::time::{SystemTime, UNIX_EPOCH};

use quivive_core::challenge::solve_inline;
use quivive_core::token::{Claims, Jwks};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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

    async fn solve(&self) -> Result<Issued> {
        let inner = self.client.inner();
        let mut url = self.client.service()?.endpoint(&["v1", "token"]);
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
            Err(Error::Api { code, .. }) if code == "CHALLENGE_FAILED" => self.solve().await,
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

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    answers: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<&'a str>,
}

fn milliseconds_since_epoch() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}
