//! Bodies that make and change webhooks.

use quivive_core::agent::BotType;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::agentshield::body::Reader;
use crate::agentshield::wire::{Fault, Result};
use crate::app::App;
use crate::flows::webhooks::notices::EVENTS;
use crate::flows::webhooks::{self, Dialect, Filter, Hook, NewHook, Payload};

/// A webhook to be made.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldWebhookToMake)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct NewBody {
    /// An https URL on a public host.
    #[schema(max_length = 2048, pattern = "^https?://", example = "https://example.com/hooks/quivive")]
    url: String,
    /// The events that it wants, such as `detection.created`.
    #[schema(min_items = 1, max_items = 7)]
    events: Vec<EventName>,
    /// Which detections it wants to hear of; bots when absent.
    #[schema(nullable = false)]
    filter: Option<FilterBody>,
    /// How much it wants to know about a detection: `minimal`, four members, or `full`.
    #[schema(nullable = false, pattern = "^(minimal|full)$")]
    payload: Option<String>,
    /// Detected bots per minute above which `threshold.exceeded` is sent; the server's figure when absent.
    #[schema(nullable = false, minimum = 1, maximum = 1_000_000)]
    bots_per_minute: Option<u32>,
    /// Whether anything is sent; true when absent.
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// Changes of a webhook; what is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldWebhookChanges)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct ChangesBody {
    /// An https URL on a public host.
    #[schema(
        max_length = 2048,
        nullable = false,
        pattern = "^https?://",
        example = "https://example.com/hooks"
    )]
    url: Option<String>,
    /// The events that it wants.
    #[schema(min_items = 1, max_items = 7, nullable = false)]
    events: Option<Vec<EventName>>,
    /// Which detections it wants to hear of.
    #[schema(nullable = false)]
    filter: Option<FilterBody>,
    /// `minimal` or `full`.
    #[schema(nullable = false, pattern = "^(minimal|full)$")]
    payload: Option<String>,
    /// Detected bots per minute above which `threshold.exceeded` is sent; null for the server's figure.
    #[schema(minimum = 1, maximum = 1_000_000)]
    bots_per_minute: Option<u32>,
    /// Whether anything is sent; switched on, a webhook starts afresh.
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// Which detections a webhook wants to hear of; an absent member demands nothing.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldWebhookFilter)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct FilterBody {
    /// Only bots, or only others.
    #[schema(nullable = false)]
    is_bot: Option<bool>,
    /// Only these types.
    #[schema(min_items = 1, max_items = 9, nullable = false)]
    bot_type: Option<Vec<BotTypeName>>,
    /// Only from this confidence on.
    #[schema(minimum = 0, maximum = 1, nullable = false)]
    min_confidence: Option<f64>,
}

/// The name of an event.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldWebhookEvent)]
pub enum EventName {
    /// A detection that passes the filter.
    #[serde(rename = "detection.created")]
    DetectionCreated,
    /// A policy's refusal that was enforced.
    #[serde(rename = "detection.blocked")]
    DetectionBlocked,
    /// The first detection of an agent in the project.
    #[serde(rename = "agent.first_seen")]
    AgentFirstSeen,
    /// An identity that is not the visitor's own.
    #[serde(rename = "agent.spoofed")]
    AgentSpoofed,
    /// More bots in a minute than the figure.
    #[serde(rename = "threshold.exceeded")]
    ThresholdExceeded,
    /// The account's requests of the day are used up.
    #[serde(rename = "ratelimit.exceeded")]
    RatelimitExceeded,
    /// A test; it is sent whether a webhook wants it or not.
    #[serde(rename = "webhook.test")]
    WebhookTest,
}

/// The name of a type of bot.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldBotType)]
#[serde(rename_all = "snake_case")]
pub enum BotTypeName {
    /// Software that acts for one person or task in real time.
    AiAgent,
    /// A declared autonomous collector.
    Crawler,
    /// Extraction without a valid identity.
    Scraper,
    /// A driven browser or a program without an agent identity.
    Automation,
    /// Uptime, link and page checks.
    Monitoring,
    /// Vulnerability and internet-wide scanners.
    SecurityScanner,
    /// Automated, nothing else known.
    UnknownBot,
    /// A person's browser.
    Human,
    /// Too little was observed to say.
    Unknown,
}

/// Reads the body of a webhook to be made.
///
/// # Errors
/// `INVALID_REQUEST` with every fault that was found.
pub(super) fn new_hook(app: &App, body: &Map<String, Value>) -> Result<NewHook> {
    let mut reader = Reader::default();
    for name in ["url", "events"] {
        if !body.contains_key(name) {
            reader.fault(name, "required");
        }
    }
    let changes = Changes::read(&mut reader, app, body);
    let changes = reader.finish(changes)?;
    Ok(NewHook {
        dialect: Dialect::Agentshield,
        url: changes.url.unwrap_or_default(),
        events: changes.events.unwrap_or_default(),
        filter: changes.filter.unwrap_or_default(),
        payload: changes.payload.unwrap_or_default(),
        bots_per_minute: changes.bots_per_minute.flatten(),
        is_enabled: changes.is_enabled.unwrap_or(true),
    })
}

/// What a body asks for.
pub(super) struct Changes {
    url: Option<String>,
    events: Option<Vec<String>>,
    filter: Option<Filter>,
    payload: Option<Payload>,
    bots_per_minute: Option<Option<u32>>,
    is_enabled: Option<bool>,
}

impl Changes {
    /// Reads the body of a change.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with every fault that was found.
    pub fn of(app: &App, body: &Map<String, Value>) -> Result<Self> {
        let mut reader = Reader::default();
        let changes = Self::read(&mut reader, app, body);
        reader.finish(changes)
    }

    fn read(reader: &mut Reader, app: &App, body: &Map<String, Value>) -> Self {
        let bots_per_minute = match body.get("botsPerMinute") {
            Some(Value::Null) => Some(None),
            _ => reader.whole(body, "botsPerMinute", "botsPerMinute", 1..=1_000_000).map(Some),
        };
        Self {
            url: url(reader, app, body),
            events: events(reader, body),
            filter: reader.object(body, "filter").map(|filter| read_filter(reader, filter)),
            payload: reader.choice(body, "payload", "payload"),
            bots_per_minute,
            is_enabled: reader.truth(body, "enabled", "enabled"),
        }
    }

    /// Changes a webhook.
    pub fn apply(&self, hook: &mut Hook) {
        if let Some(url) = &self.url {
            hook.url.clone_from(url);
        }
        if let Some(events) = &self.events {
            hook.events.clone_from(events);
        }
        if let Some(filter) = &self.filter {
            hook.filter = filter.clone();
        }
        hook.payload = self.payload.unwrap_or(hook.payload);
        hook.bots_per_minute = self.bots_per_minute.unwrap_or(hook.bots_per_minute);
        hook.is_enabled = self.is_enabled.unwrap_or(hook.is_enabled);
    }
}

fn url(reader: &mut Reader, app: &App, body: &Map<String, Value>) -> Option<String> {
    let url = reader.text(body, "url", "url", MOST_URL_BYTES)?;
    match webhooks::check_url(app, &url) {
        Ok(()) => Some(url),
        Err(refused) => {
            reader.push(Fault::new("url", "format").with("rule", refused.rule()));
            None
        }
    }
}

fn events(reader: &mut Reader, body: &Map<String, Value>) -> Option<Vec<String>> {
    let events: Vec<String> = reader.choices(body, "events", "events", EVENTS.len())?;
    for (index, event) in events.iter().enumerate() {
        if !EVENTS.contains(&event.as_str()) {
            reader.fault(&format!("events[{index}]"), "unknown_value");
        }
    }
    Some(events)
}

fn read_filter(reader: &mut Reader, filter: &Map<String, Value>) -> Filter {
    Filter {
        is_bot: reader.truth(filter, "isBot", "filter.isBot"),
        bot_type: reader.choices::<BotType>(filter, "botType", "filter.botType", 9),
        min_confidence: reader.number(filter, "minConfidence", "filter.minConfidence", 0.0..=1.0),
    }
}

const MOST_URL_BYTES: usize = 2_048;
