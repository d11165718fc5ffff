//! One batch of browser events: what it may hold, checked strictly, because the list is the privacy promise.
//!
//! No text, no coordinates, no key values, no raw path and no plugin names can pass: a key that is not listed, a
//! value outside its range or of another type refuses the whole batch. Errors name the place, for example
//! `{"path": "events[3].payload.mouse_entropy"}`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, value::RawValue};

use crate::{Result, Timestamp};

pub(crate) mod read;
mod vocabulary;

use read::{Object, Place};

/// Most events in a batch; the least is one.
pub const MOST_EVENTS: usize = 100;

/// Most bytes of one event's payload as JSON.
pub const MOST_PAYLOAD_BYTES: usize = 65_536;

/// Most `motion_*` numbers in one snapshot.
pub const MOST_MOTION_FEATURES: usize = 64;

/// Most bytes of the key of a `motion_*` number.
pub const MOST_MOTION_KEY_BYTES: usize = 64;

/// Most characters of a session token or a request id.
pub const MOST_TOKEN_CHARACTERS: usize = 128;

/// A checked batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct Batch {
    /// The session that the events belong to; null asks for a new one.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub session_token: Option<String>,
    /// The project's public key, when no header carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site_key: Option<String>,
    /// 1 to 100 events in arrival order.
    pub events: Vec<Event>,
}

impl Batch {
    /// Reads a batch from JSON text.
    ///
    /// # Errors
    /// `INVALID_INPUT` with the `path` of the first offending value.
    pub fn parse(text: &str) -> Result<Self> {
        let root = Place::root("batch");
        let mut fields = Object::read(text, &root)?;
        let session_token = match fields.take("session_token") {
            Some(value) => read_session_token(value.get(), &root.key("session_token"))?,
            None => None,
        };
        let site_key = match fields.take("site_key") {
            Some(value) => Some(read::string(value, &root.key("site_key"))?),
            None => None,
        };
        let events = match fields.take("events") {
            Some(value) => parse_events(value.get())?,
            None => return Err(root.key("events").error("is required")),
        };
        fields.expect_empty()?;
        Ok(Self { session_token, site_key, events })
    }
}

/// Reads a JSON array of 1 to 100 events, as in the member `events` of a batch.
///
/// # Errors
/// `INVALID_INPUT` with the `path` of the first offending value.
pub fn parse_events(text: &str) -> Result<Vec<Event>> {
    let place = Place::root("events");
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| place.error("must be an array"))?;
    check_count(items.len(), &place)?;
    items.iter().enumerate().map(|(index, item)| read_event(item.get(), &place.index(index))).collect()
}

/// As [`parse_events`], from parsed JSON and with any number of events, as a whole session has.
pub(super) fn parse_event_values(values: &[Value]) -> Result<Vec<Event>> {
    let place = Place::root("events");
    values
        .iter()
        .enumerate()
        .map(|(index, value)| read_event(&value.to_string(), &place.index(index)))
        .collect()
}

/// The `site_key` member of a body that may be invalid in every other way; to know who asks before judging what.
pub fn peek_site_key(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Peek {
        site_key: String,
    }
    serde_json::from_str::<Peek>(text).ok().map(|peek| peek.site_key)
}

/// Whether the text can name a session: 1 to 128 of `A-Z a-z 0-9 _ -`.
pub fn is_session_token(text: &str) -> bool {
    (1..=MOST_TOKEN_CHARACTERS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Whether the session token has the shape that only browser collectors mint: `bt_` and 24 base64url characters.
pub fn is_collector_token(text: &str) -> bool {
    text.strip_prefix("bt_").is_some_and(|rest| rest.len() == 24) && is_session_token(text)
}

/// Whether the text can be a request id or an idempotency key; the same syntax as a session token.
pub fn is_request_id(text: &str) -> bool {
    is_session_token(text)
}

/// One browser event; serialises to the wire's form with canonical payload keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct Event {
    /// 1 to 128 of `A-Z a-z 0-9 _ -`; an event is counted once per session.
    pub request_id: String,
    /// What sort of event it is.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// When the browser recorded it, UTC `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`; a client's clock.
    #[serde(serialize_with = "as_text")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub received_at: Timestamp,
    /// What it tells.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub payload: Payload,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        read_event(&value.to_string(), &Place::root("event")).map_err(de::Error::custom)
    }
}

/// The sorts of event.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Pointer movement.
    Mouse,
    /// Scrolling.
    Scroll,
    /// The page was hidden or shown.
    Visibility,
    /// The first input on the page.
    FirstInput,
    /// Tells of the script probe.
    JsProbe,
    /// A page view begins.
    Page,
    /// All measures of the page view so far.
    Snapshot,
}

impl EventKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Mouse,
        Self::Scroll,
        Self::Visibility,
        Self::FirstInput,
        Self::JsProbe,
        Self::Page,
        Self::Snapshot,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mouse => "mouse",
            Self::Scroll => "scroll",
            Self::Visibility => "visibility",
            Self::FirstInput => "first_input",
            Self::JsProbe => "js_probe",
            Self::Page => "page",
            Self::Snapshot => "snapshot",
        }
    }

    /// Whether such an event tells how the visitor behaves.
    pub fn tells_behavior(self) -> bool {
        !matches!(self, Self::JsProbe | Self::Page)
    }
}

/// What an event tells; null and absent are the same: not observed.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
// Keys beside the listed ones (aliases, `motion_*`) are of several types.
#[cfg_attr(feature = "schema", schemars(extend("additionalProperties" = true)))]
#[serde(default)]
pub struct Payload {
    /// 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mouse_entropy: Option<f64>,
    /// Pixels per second, 0 to 1,000,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scroll_velocity: Option<f64>,
    /// 0 to 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility_changes: Option<u32>,
    /// Milliseconds, 0 to a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_input_delay_ms: Option<u32>,
    /// Milliseconds, 0 to a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_first_input_ms: Option<u32>,
    /// Milliseconds, 0 to a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<u32>,
    /// Milliseconds, 0 to a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visible_ms: Option<u32>,
    /// 0 to 1,000,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mouse_moves: Option<u32>,
    /// 0 to 1,000,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer_moves: Option<u32>,
    /// 0 to 1,000,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scroll_events: Option<u32>,
    /// 0 to 100,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_events: Option<u32>,
    /// 0 to 100,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_events: Option<u32>,
    /// Percent, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scroll_max_depth_pct: Option<u32>,
    /// 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_touch_points: Option<u32>,
    /// 0 or 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coarse_pointer: Option<u32>,
    /// Whether the probe thinks that it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub js_passed: Option<bool>,
    /// `navigator.webdriver` is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webdriver: Option<bool>,
    /// Traits of a browser without a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headless: Option<bool>,
    /// The script's user agent names a headless browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headless_ua: Option<bool>,
    /// The viewport has no area while visible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_viewport: Option<bool>,
    /// A desktop Chromium without plugins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_plugins: Option<bool>,
    /// Navigator values that do not fit each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub navigator_anomaly: Option<bool>,
    /// Three numbers of one to three digits with dots between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collector_version: Option<String>,
    /// 1 to 32 lower-case hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_path_hash: Option<String>,
    /// Pointers in use, at most three.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pointer_types: Vec<PointerType>,
    /// At most ten language tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// The meaning of the `motion_*` numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub motion_version: Option<u32>,
    /// Features of movement by their whole key, only in snapshots, at most 64; no place on the page can be read
    /// from them.
    #[serde(flatten)]
    pub motion: BTreeMap<String, f64>,
}

impl Payload {
    /// Whether a value of the script probe is told.
    pub fn has_probe_flag(&self) -> bool {
        [
            self.js_passed,
            self.webdriver,
            self.headless,
            self.headless_ua,
            self.zero_viewport,
            self.missing_plugins,
            self.navigator_anomaly,
        ]
        .iter()
        .any(Option::is_some)
    }
}

/// The sorts of pointer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PointerType {
    /// A mouse or touch pad.
    Mouse,
    /// A finger.
    Touch,
    /// A pen.
    Pen,
}

/// Input of [`check_events`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckEvents {
    /// The batch as it would be sent.
    #[cfg_attr(feature = "schema", schemars(with = "Batch"))]
    pub batch: Value,
}

/// Output of [`check_events`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckedEvents {
    /// How many events the batch holds.
    pub events: usize,
    /// The batch with canonical keys, as a server keeps it.
    pub batch: Batch,
}

/// Checks a batch as a server would, before sending it.
///
/// # Errors
/// `INVALID_INPUT` with the `path` of the first offending value.
pub fn check_events(input: CheckEvents) -> Result<CheckedEvents> {
    let batch = Batch::parse(&input.batch.to_string())?;
    Ok(CheckedEvents { events: batch.events.len(), batch })
}

fn read_session_token(text: &str, place: &Place) -> Result<Option<String>> {
    let token: Option<String> =
        serde_json::from_str(text).map_err(|_| place.error("must be a string or null"))?;
    match token {
        Some(token) if !is_session_token(&token) => Err(place.error("must be 1 to 128 of A-Z a-z 0-9 _ -")),
        token => Ok(token),
    }
}

fn check_count(count: usize, place: &Place) -> Result<()> {
    if (1..=MOST_EVENTS).contains(&count) {
        Ok(())
    } else {
        Err(place.error("must hold between 1 and 100 items"))
    }
}

fn read_event(text: &str, place: &Place) -> Result<Event> {
    let mut fields = Object::read(text, place)?;
    let mut required = |name: &str| match fields.take(name) {
        Some(value) => read::string(value, &place.key(name)),
        None => Err(place.key(name).error("is required")),
    };
    let (request_id, kind, received_at) =
        (required("request_id")?, required("type")?, required("received_at")?);
    if !is_request_id(&request_id) {
        return Err(place.key("request_id").error("must be 1 to 128 of A-Z a-z 0-9 _ -"));
    }
    let kind = EventKind::ALL.into_iter().find(|known| known.name() == kind).ok_or_else(|| {
        place.key("type").error("must be mouse, scroll, visibility, first_input, js_probe, page or snapshot")
    })?;
    let received_at = Timestamp::parse_utc(&received_at).ok_or_else(|| {
        place.key("received_at").error("must be a UTC time such as 2026-10-02T08:15:00.120Z")
    })?;
    let payload = match fields.take("payload") {
        Some(value) => read_payload(value.get(), kind, &place.key("payload"))?,
        None => Payload::default(),
    };
    fields.expect_empty()?;
    Ok(Event { request_id, kind, received_at, payload })
}

fn read_payload(text: &str, kind: EventKind, place: &Place) -> Result<Payload> {
    if text.len() > MOST_PAYLOAD_BYTES {
        return Err(place.error("must be at most 65,536 bytes"));
    }
    // PHP encodes an empty map as an empty list.
    if serde_json::from_str::<[(); 0]>(text).is_ok() {
        return Ok(Payload::default());
    }
    vocabulary::read(Object::read(text, place)?, kind, place)
}

fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[cfg(test)]
mod tests;
