//! Verdicts about the sessions of a site's visitors, and what the site tells about them, over the Botect-compatible API.

use std::net::IpAddr;

use quivive_core::Error as CoreError;
use quivive_core::decision::{Action, Band};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

mod reports;

pub use reports::{Login, Receipt};

use crate::service::{call, request};
use crate::{Client, Error, Result};

/// The longest context value that is sent, in bytes.
const LONGEST_CONTEXT: usize = 2048;
/// The longest session token.
const LONGEST_SESSION: usize = 128;

/// The calls of a site's back end; made by [`Client::botect`].
#[derive(Clone)]
pub struct Botect {
    client: Client,
    private_key: String,
}

impl std::fmt::Debug for Botect {
    /// The private key is a secret and stays out of logs.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Botect").finish_non_exhaustive()
    }
}

impl Botect {
    pub(crate) fn new(client: Client, private_key: String) -> Self {
        Self { client, private_key }
    }

    /// The verdict about a session: one try, 200 ms to connect, 1 s in all unless the client says otherwise.
    ///
    /// Any fault gives [`Verdict::unavailable`], which allows: a visitor never waits for, or is refused by, a broken
    /// service. A session token that cannot be one is not sent.
    pub async fn verdict(&self, session: &str, context: &Context) -> Verdict {
        self.look_up(session, context).await.unwrap_or_else(|_| Verdict::unavailable())
    }

    /// As [`Botect::verdict`], for callers who want to know of a fault.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a session token or private key that cannot be one, otherwise as the service answers;
    /// `MALFORMED_ANSWER` for a verdict that cannot be one.
    pub async fn look_up(&self, session: &str, context: &Context) -> Result<Verdict> {
        if !is_session_token(session) {
            return Err(CoreError::invalid_input("session token must be 1 to 128 of A-Z a-z 0-9 _ -").into());
        }
        let mut url = self.client.service()?.endpoint(&["v1", "sessions", session, "verdict"]);
        context.write(&mut url);
        let look_up =
            request(&self.client.inner().inline, Method::GET, url).header(AUTHORIZATION, self.bearer()?);
        let body: Value = call(look_up).await?;
        Verdict::read(&body).ok_or_else(|| Error::malformed(200))
    }

    /// The address of a file of the service that browsers load, for example `v1/sdk.js`.
    ///
    /// # Errors
    /// `INVALID_INPUT` when the client has no service.
    pub fn asset(&self, path: &str) -> Result<Url> {
        Ok(self.client.service()?.endpoint(&path.split('/').collect::<Vec<_>>()))
    }

    /// The private key, with which a site signs its session cookies.
    pub fn private_key(&self) -> &str {
        &self.private_key
    }

    fn bearer(&self) -> Result<HeaderValue> {
        let key = &self.private_key;
        let is_readable = key.starts_with("sk_") && key.bytes().all(|byte| byte.is_ascii_graphic());
        let value = HeaderValue::from_str(&format!("Bearer {key}")).ok().filter(|_| is_readable);
        let mut value = value.ok_or_else(|| CoreError::invalid_input("private key must begin with `sk_`"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Whether the text can be a session token: 1 to 128 of `A-Z a-z 0-9 _ -`.
pub fn is_session_token(text: &str) -> bool {
    (1..=LONGEST_SESSION).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// What the owner's rules may look at beside the session; an absent member is not told.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Context {
    /// The route template or path, for example `/orders/{order}`.
    pub path: Option<String>,
    /// The visitor's address.
    pub ip: Option<IpAddr>,
    /// The visitor's country, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// The visitor's user agent.
    pub user_agent: Option<String>,
    /// Whether the visitor is logged in.
    pub logged_in: Option<bool>,
}

impl Context {
    fn write(&self, url: &mut Url) {
        let ip = self.ip.map(|ip| ip.to_canonical().to_string());
        let logged_in = self.logged_in.map(|is_in| if is_in { "1" } else { "0" });
        let members = [
            ("country", self.country.as_deref()),
            ("ip", ip.as_deref()),
            ("logged_in", logged_in),
            ("path", self.path.as_deref()),
            ("ua", self.user_agent.as_deref()),
        ];
        for (name, value) in members {
            if let Some(value) = value.filter(|value| !value.is_empty() && value.len() <= LONGEST_CONTEXT) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
    }
}

/// What to do with a session's request; callers act on [`Verdict::action`] only.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Verdict {
    /// The band of the score.
    pub verdict: Band,
    /// 0 (none) or 1 (bot) to 99 (person).
    pub score: u8,
    /// `allow`, `log`, `delay`, `challenge` or `block`.
    pub action: Action,
    /// The ids of what was detected.
    pub detection_ids: Vec<i32>,
    /// The reason for people.
    pub reason: String,
    /// Whether this is no answer of the service, but what stands in for one after a fault.
    #[serde(default)]
    pub unavailable: bool,
}

impl Verdict {
    /// What stands in for a verdict after a fault: not computed, allow.
    pub fn unavailable() -> Self {
        Self {
            verdict: Band::NotComputed,
            score: 0,
            action: Action::Allow,
            detection_ids: Vec::new(),
            reason: "Score not available; allowing by default.".to_owned(),
            unavailable: true,
        }
    }

    /// Reads the service's answer; further members are ignored, as later versions may add some.
    fn read(body: &Value) -> Option<Self> {
        let verdict: Band = Band::deserialize(body.get("verdict")?).ok()?;
        let score = u8::try_from(body.get("score")?.as_u64()?).ok().filter(|score| *score <= 99)?;
        let action = Action::deserialize(body.get("action")?).ok()?;
        if !matches!(action, Action::Allow | Action::Block | Action::Challenge | Action::Delay | Action::Log)
        {
            return None;
        }
        let ids = body.get("detection_ids")?.as_array()?;
        let detection_ids =
            ids.iter().map(|id| id.as_i64().and_then(|id| i32::try_from(id).ok())).collect::<Option<_>>()?;
        let reason = body.get("reason")?.as_str()?.to_owned();
        // Without a score there is no evidence, and without evidence nobody is refused.
        let has_evidence = verdict == Band::Verified || (verdict != Band::NotComputed && score > 0);
        let action = if has_evidence { action } else { Action::Allow };
        Some(Self { verdict, score, action, detection_ids, reason, unavailable: false })
    }
}

impl From<Verdict> for quivive_core::decision::Verdict {
    fn from(verdict: Verdict) -> Self {
        let Verdict { verdict, score, action, detection_ids, reason, unavailable: _ } = verdict;
        Self { verdict, score, action, detection_ids, reason }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body() -> Value {
        json!({"verdict": "likely_automated", "score": 15, "action": "challenge", "detection_ids": [50331649],
               "reason": "Pointer path has no natural variation."})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut changed = body();
        changed[name] = value;
        changed
    }

    #[test]
    fn answers_that_cannot_be_verdicts_are_refused() {
        assert!(Verdict::read(&body()).is_some());
        assert!(Verdict::read(&with("later", json!(1))).is_some());
        assert!(Verdict::read(&with("verdict", json!("confident_automated"))).is_some());
        for (name, value) in [
            ("verdict", json!("bot")),
            ("score", json!(100)),
            ("score", json!(15.5)),
            ("score", json!("15")),
            ("score", json!(-1)),
            ("action", json!("redirect")),
            ("action", json!(null)),
            ("detection_ids", json!(["a"])),
            ("detection_ids", json!(null)),
            ("reason", json!(null)),
        ] {
            assert_eq!(Verdict::read(&with(name, value.clone())), None, "{name} {value}");
        }
    }

    #[test]
    fn without_evidence_nobody_is_refused() {
        for (verdict, score, action) in [
            ("not_computed", 50, Action::Allow),
            ("definite", 0, Action::Allow),
            ("verified", 0, Action::Block),
        ] {
            let mut answer = with("verdict", json!(verdict));
            answer["score"] = json!(score);
            answer["action"] = json!("block");
            assert_eq!(Verdict::read(&answer).unwrap().action, action, "{verdict}");
        }
    }

    #[test]
    fn context_is_sorted_and_overlong_values_are_left_out() {
        let mut url = Url::parse("https://door.example/").unwrap();
        let context = Context {
            path: Some("/orders/{order}".to_owned()),
            ip: Some("::ffff:192.0.2.1".parse().unwrap()),
            country: Some("a".repeat(2049)),
            user_agent: Some(String::new()),
            logged_in: Some(true),
        };
        context.write(&mut url);
        assert_eq!(url.query(), Some("ip=192.0.2.1&logged_in=1&path=%2Forders%2F%7Border%7D"));
    }
}
