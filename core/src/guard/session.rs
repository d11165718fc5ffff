//! The sealed cookie by which a detected agent is known again.
//!
//! It holds `{id, agent, confidence, detectedAt, expires, uaHash}`, readable by the site alone and bound to the
//! cookie's name, the site's host and the visitor's user agent. Only the request's own evidence makes one, so that no
//! cookie renews itself.

use serde::{Deserialize, Serialize};

use super::SessionTracking;
use super::ids::Ids;
use super::request::Incoming;
use crate::agent::{Classification, fusion, signals};
use crate::crypto::{SealingKey, sha256};
use crate::{Error, Result, Timestamp, encoding};

/// The header that programs without a cookie store send it in.
pub(super) const HEADER: &str = "X-AgentShield-Session";

/// Seals and opens the cookies of one site.
pub(super) struct Sessions {
    name: String,
    lifetime: u32,
    key: SealingKey,
}

/// What is noted about a visitor.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Noted {
    id: String,
    agent: Option<String>,
    pub confidence: f64,
    detected_at: Timestamp,
    expires: Timestamp,
    ua_hash: String,
}

impl Sessions {
    /// With the site's secret, or with one of this guard alone.
    pub fn new(options: &SessionTracking, own_secret: &[u8]) -> Result<Self> {
        let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let name = &options.cookie_name;
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_token_byte) {
            return Err(
                Error::invalid_input("cookie_name is no name of a cookie").with("field", "cookie_name")
            );
        }
        if options.cookie_max_age == 0 {
            return Err(Error::invalid_input("cookie_max_age is 0").with("field", "cookie_max_age"));
        }
        let secret = options.encryption_key.as_deref().map_or(own_secret, str::as_bytes);
        let key = SealingKey::derive(secret, b"quivive detection session")?;
        Ok(Self { name: name.clone(), lifetime: options.cookie_max_age, key })
    }

    /// What an earlier answer noted about the visitor, if it still holds: the strongest of what was sent.
    pub fn read(&self, request: &Incoming<'_>) -> Option<Noted> {
        let belongs_to = self.belongs_to(request);
        let values =
            request.cookies(&self.name).take(MOST_VALUES).chain(request.header("x-agentshield-session"));
        let noted = values.filter_map(|value| self.open(value, belongs_to.as_bytes()));
        let own = hash_of(request);
        noted
            .filter(|noted| noted.ua_hash == own && request.now < noted.expires)
            .max_by(|one, other| one.confidence.total_cmp(&other.confidence))
    }

    /// What the answer sets about a request that was classified as a bot's; nothing for others, and nothing while
    /// what was noted before says as much and has most of its time left.
    pub fn note(
        &self,
        request: &Incoming<'_>,
        earlier: Option<&Noted>,
        seen: &Classification,
        is_https: bool,
        ids: &Ids,
    ) -> Vec<(String, String)> {
        let carried = signals::BEH_SESSION_CARRY.id;
        let own: Vec<_> = seen.evidence.iter().filter(|item| item.id != carried).cloned().collect();
        let confidence = fusion::rounded(fusion::confidence(&own));
        let left = |noted: &Noted| noted.expires.milliseconds_since(request.now);
        let is_noted = earlier.is_some_and(|noted| {
            noted.confidence >= confidence && left(noted) > i64::from(self.lifetime) * 1000 / 2
        });
        if !seen.is_bot || confidence < LEAST_CONFIDENCE || is_noted {
            return Vec::new();
        }
        let noted = Noted {
            id: earlier.map_or_else(|| ids.id(request.now, b"session"), |noted| noted.id.clone()),
            agent: seen.agent.as_ref().map(|agent| agent.name.clone()),
            confidence,
            detected_at: request.now,
            expires: request.now.plus_milliseconds(i64::from(self.lifetime) * 1000),
            ua_hash: hash_of(request),
        };
        let Ok(text) = serde_json::to_vec(&noted) else { return Vec::new() };
        let belongs_to = self.belongs_to(request);
        let nonce = ids.nonce(request.now, &[belongs_to.as_bytes(), &text].concat());
        let value = encoding::base64url(&self.key.seal(nonce, belongs_to.as_bytes(), &text));
        let secure = if is_https { "; Secure" } else { "" };
        let flags = format!("Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}", self.lifetime);
        vec![("Set-Cookie".to_owned(), format!("{}={value}; {flags}", self.name)), (HEADER.to_owned(), value)]
    }

    fn open(&self, value: &str, belongs_to: &[u8]) -> Option<Noted> {
        if value.len() > LONGEST_VALUE {
            return None;
        }
        let sealed = encoding::decode_base64url(value).ok()?;
        serde_json::from_slice(&self.key.open(belongs_to, &sealed)?).ok()
    }

    fn belongs_to(&self, request: &Incoming<'_>) -> String {
        format!("{}\n{}", self.name, request.host().unwrap_or_default())
    }
}

fn hash_of(request: &Incoming<'_>) -> String {
    let digest = sha256(request.all("user-agent").next().unwrap_or_default());
    encoding::base64url(digest.get(..16).unwrap_or_default())
}

/// The confidence from which a visitor is noted, the one from which it counts as a bot.
const LEAST_CONFIDENCE: f64 = 0.5;
/// Cookies of the name that are looked at: more than a browser sends.
const MOST_VALUES: usize = 4;
const LONGEST_VALUE: usize = 1_024;
