//! A webhook and its secrets.

use quivive_core::Timestamp;
use quivive_core::agent::BotType;
use serde::{Deserialize, Serialize};

use super::dialect::Dialect;
use crate::app::App;
use crate::error::{Error, Result};
use crate::keys::KeyRing;
use crate::storage::Record;
use crate::tenant::credentials;

/// A webhook.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Hook {
    /// The id, `wh_` and 20 characters of base32.
    pub id: String,
    /// The tenant: a project's integer id as text.
    pub tenant: String,
    /// What its receiver understands.
    pub dialect: Dialect,
    /// Where notices go.
    pub url: String,
    /// The events that it wants.
    pub events: Vec<String>,
    /// Which detections it wants to hear of.
    pub filter: Filter,
    /// How much it wants to know about each.
    pub payload: Payload,
    /// Bots per minute above which it wants to be told; the server's figure when absent.
    pub bots_per_minute: Option<u32>,
    /// Whether anything is sent.
    pub is_enabled: bool,
    /// Why the server switched it off, if it was the server.
    pub disabled_because: Option<Disabled>,
    /// Since when every delivery has failed.
    pub failing_since: Option<Timestamp>,
    /// How many notices were dropped because too many waited.
    pub dropped: u64,
    /// When it was made.
    pub created_at: Timestamp,
    pub(super) sealed: String,
    pub(super) former: Vec<FormerSecret>,
}

/// A webhook to be made.
#[derive(Clone, Debug)]
pub struct NewHook {
    /// What its receiver understands.
    pub dialect: Dialect,
    /// Where notices go; checked by the caller.
    pub url: String,
    /// The events that it wants.
    pub events: Vec<String>,
    /// Which detections it wants to hear of.
    pub filter: Filter,
    /// How much it wants to know about each.
    pub payload: Payload,
    /// Bots per minute above which it wants to be told; the server's figure when absent.
    pub bots_per_minute: Option<u32>,
    /// Whether anything is sent.
    pub is_enabled: bool,
}

/// Which detections a webhook wants to hear of; an absent member demands nothing.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// Only bots, or only others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_bot: Option<bool>,
    /// Only these types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bot_type: Option<Vec<BotType>>,
    /// Only from this confidence on, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_confidence: Option<f64>,
}

impl Default for Filter {
    /// Bots.
    fn default() -> Self {
        Self { is_bot: Some(true), bot_type: None, min_confidence: None }
    }
}

impl Filter {
    /// Whether a detection is wanted.
    pub fn wants(&self, is_bot: bool, bot_type: BotType, confidence: f64) -> bool {
        self.is_bot.is_none_or(|wanted| wanted == is_bot)
            && self.bot_type.as_ref().is_none_or(|wanted| wanted.contains(&bot_type))
            && self.min_confidence.is_none_or(|least| confidence >= least)
    }
}

/// How much a webhook wants to know about a detection.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// Four members.
    #[default]
    Minimal,
    /// Everything.
    Full,
}

/// Why the server switched a webhook off.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disabled {
    /// Its receiver answered 410.
    Gone,
    /// Every delivery of 72 hours has failed.
    Failing,
}

/// A secret that was replaced.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct FormerSecret {
    sealed: String,
    valid_until: Timestamp,
}

impl Hook {
    pub(super) fn new(app: &App, tenant: &str, new: NewHook) -> Result<(Self, String)> {
        let id = format!("wh_{}", credentials::random_text(app, credentials::CROCKFORD, 20));
        let (secret, sealed) = new_secret(app, &id)?;
        let NewHook { dialect, url, events, filter, payload, bots_per_minute, is_enabled } = new;
        let hook = Self {
            id,
            tenant: tenant.to_owned(),
            dialect,
            url,
            events,
            filter,
            payload,
            bots_per_minute,
            is_enabled,
            disabled_because: None,
            failing_since: None,
            dropped: 0,
            created_at: app.now(),
            sealed,
            former: Vec::new(),
        };
        Ok((hook, secret))
    }

    /// Whether it wants to hear of an event.
    pub fn wants(&self, event: &str) -> bool {
        self.is_enabled && self.events.iter().any(|wanted| wanted == event)
    }

    /// The secrets that are good now, the newest first.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when they were sealed by another master secret.
    pub(super) fn secrets(&self, keys: &KeyRing, now: Timestamp) -> Result<Vec<String>> {
        let former = self.former.iter().filter(|former| former.valid_until > now);
        let open = |sealed: &String| {
            String::from_utf8(keys.open(&sealed_name(&self.id), sealed)?)
                .map_err(|_| Error::internal("a webhook's secret is no text"))
        };
        std::iter::once(&self.sealed).chain(former.map(|former| &former.sealed)).map(open).collect()
    }

    pub(super) fn rotate(&mut self, sealed: String, now: Timestamp) {
        let sealed = std::mem::replace(&mut self.sealed, sealed);
        self.former.retain(|former| former.valid_until > now);
        self.former.insert(0, FormerSecret { sealed, valid_until: now.plus_milliseconds(OVERLAP) });
        self.former.truncate(MOST_FORMER);
    }
}

/// A new secret, and the form in which it is stored.
pub(super) fn new_secret(app: &App, id: &str) -> Result<(String, String)> {
    let secret = credentials::new_webhook_secret(app);
    let sealed = app.keys.seal(&sealed_name(id), secret.as_bytes())?;
    Ok((secret, sealed))
}

fn sealed_name(id: &str) -> String {
    format!("webhook/{id}")
}

impl Record for Hook {
    const KIND: &'static str = "webhook";
    fn id(&self) -> String {
        self.id.clone()
    }
    fn parent(&self) -> String {
        self.tenant.clone()
    }
}

/// How long a replaced secret is good, in milliseconds.
const OVERLAP: i64 = 24 * 3_600_000;

/// Whoever rotates again and again within a day keeps so many.
const MOST_FORMER: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_member_of_a_filter_demands_nothing() {
        assert!(Filter::default().wants(true, BotType::Crawler, 0.6));
        assert!(!Filter::default().wants(false, BotType::Human, 0.02));
        let anything = Filter { is_bot: None, bot_type: None, min_confidence: None };
        assert!(anything.wants(false, BotType::Human, 0.02));
        let narrow = Filter {
            bot_type: Some(vec![BotType::AiAgent, BotType::Scraper]),
            min_confidence: Some(0.9),
            ..anything
        };
        assert!(narrow.wants(true, BotType::Scraper, 0.9));
        assert!(!narrow.wants(true, BotType::Scraper, 0.89));
        assert!(!narrow.wants(true, BotType::Crawler, 0.95));
    }
}
