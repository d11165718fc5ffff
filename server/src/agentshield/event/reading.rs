//! Reading of an event: strict about types, silent about unknown members.

use quivive_core::Timestamp;
use quivive_core::agent::{ClientFacts, RequestFacts};
use serde_json::{Map, Number, Value};

use super::super::body::{Reader, is_absolute_url};
use super::super::sender::Door;
use super::super::wire::Fault;
use crate::flows::tracking::{Row, Tracked};

/// A checked event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SentEvent {
    /// The sender's own id.
    pub own_id: Option<String>,
    /// What happened.
    pub name: String,
    /// Where; empty when a pixel does not know.
    pub url: String,
    /// When.
    pub at: Timestamp,
    /// The sender's time, when it is not believed.
    pub client_timestamp: Option<Number>,
    /// Anything else.
    pub metadata: Option<Map<String, Value>>,
    /// Joins the events of one visit.
    pub session_id: Option<String>,
    /// Who the site says the visitor is.
    pub user_id: Option<String>,
    /// The page before.
    pub referrer: Option<String>,
    /// What a script on the page saw.
    pub client: Option<ClientFacts>,
    /// The request of the visitor, from a server.
    pub context: Option<RequestFacts>,
}

impl SentEvent {
    /// Reads an event; `with_context` for servers, whose description of the visitor is believed.
    pub fn read(reader: &mut Reader, body: &Map<String, Value>, with_context: bool, now: Timestamp) -> Self {
        let (at, client_timestamp) = timestamp(reader, body, now);
        Self {
            own_id: own_id(reader, body),
            name: name(reader, body).unwrap_or_default(),
            url: url(reader, body).unwrap_or_default(),
            at,
            client_timestamp,
            metadata: metadata(reader, body),
            session_id: reader.text(body, "sessionId", "sessionId", MOST_ID_BYTES),
            user_id: reader.text(body, "userId", "userId", MOST_ID_BYTES),
            referrer: reader.text(body, "referrer", "referrer", MOST_URL_BYTES),
            client: reader.client(body),
            context: if with_context { context(reader, body) } else { None },
        }
    }

    /// The event as it is stored.
    pub fn into_tracked(self, door: &Door, detection_id: Option<String>) -> Tracked {
        Tracked {
            project_id: door.project.id,
            sender: door.sender(),
            own_id: self.own_id,
            at: self.at,
            keeps_query: door.project.detection.keep_query,
            row: Row {
                event: self.name,
                url: self.url,
                referrer: self.referrer.filter(|referrer| !referrer.is_empty()),
                session_id: self.session_id,
                user_id: self.user_id,
                metadata: self.metadata,
                client: self.client,
                client_timestamp: self.client_timestamp,
                pixel_id: door.pixel.as_ref().map(|holder| holder.pixel.id.clone()),
                detection_id,
                test: door.is_test,
            },
        }
    }
}

/// The description of a visitor's request in `context`.
pub fn context(reader: &mut Reader, body: &Map<String, Value>) -> Option<RequestFacts> {
    let context = reader.object(body, "context")?;
    Some(reader.within("context", |reader| {
        if !["userAgent", "headers", "ip"].iter().any(|name| context.contains_key(*name)) {
            reader.fault("userAgent", "required");
        }
        RequestFacts {
            user_agent: reader.text(context, "userAgent", "userAgent", 4_096),
            ip: reader.ip(context),
            headers: reader.headers(context),
            ..RequestFacts::default()
        }
    }))
}

/// Whether a text is the name of an event.
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MOST_NAME_BYTES
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
}

/// The moment of a sender's time, in seconds or milliseconds; nothing when it is too far from ours to be believed.
pub fn believed(time: f64, now: Timestamp) -> Option<Timestamp> {
    let milliseconds = if time.abs() >= MILLISECONDS_FROM { time } else { time * 1_000.0 };
    let (oldest, newest) = (now.milliseconds() - MOST_PAST, now.milliseconds() + MOST_AHEAD);
    if milliseconds < oldest as f64 || milliseconds > newest as f64 {
        return None;
    }
    Some(Timestamp::from_milliseconds(milliseconds as i64))
}

fn name(reader: &mut Reader, body: &Map<String, Value>) -> Option<String> {
    let name = required(reader, body, "event", MOST_NAME_BYTES)?;
    if is_name(&name) {
        return Some(name);
    }
    reader.fault("event", if name.is_empty() { "too_short" } else { "format" });
    None
}

fn url(reader: &mut Reader, body: &Map<String, Value>) -> Option<String> {
    let url = required(reader, body, "url", MOST_URL_BYTES)?;
    if is_absolute_url(&url) {
        return Some(url);
    }
    reader.fault("url", "format");
    None
}

fn required(reader: &mut Reader, body: &Map<String, Value>, name: &str, most: usize) -> Option<String> {
    if !body.contains_key(name) {
        reader.fault(name, "required");
    }
    reader.text(body, name, name, most)
}

fn timestamp(reader: &mut Reader, body: &Map<String, Value>, now: Timestamp) -> (Timestamp, Option<Number>) {
    match body.get("timestamp") {
        None => (now, None),
        Some(Value::Number(number)) => match number.as_f64().and_then(|time| believed(time, now)) {
            Some(at) => (at, None),
            None => (now, Some(number.clone())),
        },
        Some(_) => {
            reader.fault("timestamp", "type");
            (now, None)
        }
    }
}

fn own_id(reader: &mut Reader, body: &Map<String, Value>) -> Option<String> {
    let id = reader.characters(body, "id", "id", MOST_OWN_ID_CHARACTERS)?;
    if id.is_empty() {
        reader.push(Fault::new("id", "too_short").with("min", 1));
    }
    Some(id)
}

fn metadata(reader: &mut Reader, body: &Map<String, Value>) -> Option<Map<String, Value>> {
    let metadata = reader.object(body, "metadata")?;
    let depth = 1 + metadata.values().map(depth).max().unwrap_or_default();
    let bytes = serde_json::to_string(metadata).map_or(usize::MAX, |text| text.len());
    if bytes > MOST_METADATA_BYTES {
        reader.push(Fault::new("metadata", "too_long").with("max", MOST_METADATA_BYTES));
        return None;
    }
    if depth > MOST_METADATA_DEPTH {
        reader.push(Fault::new("metadata", "out_of_range").with("maxDepth", MOST_METADATA_DEPTH));
        return None;
    }
    Some(metadata.clone())
}

/// How many arrays and objects lie in each other; bodies are nested at most 32 deep when they come here.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

const MOST_NAME_BYTES: usize = 100;
const MOST_OWN_ID_CHARACTERS: usize = 64;
const MOST_ID_BYTES: usize = 256;
const MOST_URL_BYTES: usize = 8_192;
const MOST_METADATA_BYTES: usize = 8_192;
const MOST_METADATA_DEPTH: usize = 8;
const MILLISECONDS_FROM: f64 = 1e11;
const MOST_PAST: i64 = 86_400_000;
const MOST_AHEAD: i64 = 300_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_771_156_800);

    fn read(body: &Value) -> Result<SentEvent, Value> {
        let mut reader = Reader::default();
        let event = SentEvent::read(&mut reader, body.as_object().unwrap(), true, NOW);
        reader.finish(event).map_err(|failure| Value::Object(failure.0.details().clone()))
    }

    fn event(name: &str, value: Value) -> Value {
        let mut event = json!({ "event": "page_view", "url": "https://example.com/page" });
        event[name] = value;
        event
    }

    #[test]
    fn times_are_seconds_or_milliseconds_and_believed_within_bounds() {
        let now = NOW.seconds();
        for (time, at, kept) in [
            (json!(now - 10), now - 10, None),
            (json!((now - 10) * 1_000), now - 10, None),
            (json!(now - 86_400), now - 86_400, None),
            (json!(now - 86_401), now, Some(json!(now - 86_401))),
            (json!(now + 300), now + 300, None),
            (json!(now + 301), now, Some(json!(now + 301))),
            (json!(1_234_567_890), now, Some(json!(1_234_567_890))),
            (json!(-1), now, Some(json!(-1))),
            (json!(1e300), now, Some(json!(1e300))),
        ] {
            let read = read(&event("timestamp", time.clone())).unwrap();
            assert_eq!(read.at, Timestamp::from_seconds(at), "{time}");
            assert_eq!(read.client_timestamp.map(Value::Number), kept, "{time}");
        }
        assert_eq!(read(&event("event", json!("click"))).unwrap().at, NOW);
        let with_fraction = read(&event("timestamp", json!(now as f64 - 0.5))).unwrap();
        assert_eq!(with_fraction.at, NOW.plus_milliseconds(-500));
    }

    #[test]
    fn each_fault_names_its_place_and_reason() {
        let deep = (0..8).fold(json!(1), |inner, _| json!([inner]));
        for (body, field, reason) in [
            (json!({ "url": "https://example.com" }), "event", "required"),
            (json!({ "event": "click" }), "url", "required"),
            (event("event", json!(1)), "event", "type"),
            (event("event", json!(null)), "event", "type"),
            (event("event", json!("")), "event", "too_short"),
            (event("event", json!("a b")), "event", "format"),
            (event("event", json!("é")), "event", "format"),
            (event("event", json!("a".repeat(101))), "event", "too_long"),
            (event("url", json!("/page")), "url", "format"),
            (event("url", json!("javascript:alert(1)")), "url", "format"),
            (event("url", json!(7)), "url", "type"),
            (event("url", json!(format!("https://example.com/{}", "a".repeat(8_192)))), "url", "too_long"),
            (event("timestamp", json!("2024-01-01")), "timestamp", "type"),
            (event("metadata", json!([])), "metadata", "type"),
            (event("metadata", json!({ "a": "b".repeat(8_192) })), "metadata", "too_long"),
            (event("metadata", json!({ "a": deep })), "metadata", "out_of_range"),
            (event("id", json!("")), "id", "too_short"),
            (event("id", json!("a".repeat(65))), "id", "too_long"),
            (event("id", json!(1)), "id", "type"),
            (event("sessionId", json!("a".repeat(257))), "sessionId", "too_long"),
            (event("userId", json!({})), "userId", "type"),
            (event("referrer", json!(false)), "referrer", "type"),
            (event("client", json!({ "webdriver": "yes" })), "client.webdriver", "type"),
            (event("context", json!("x")), "context", "type"),
            (event("context", json!({})), "context.userAgent", "required"),
            (event("context", json!({ "ip": "nowhere" })), "context.ip", "format"),
            (event("context", json!({ "headers": { "accept": 1 } })), "context.headers.accept", "type"),
        ] {
            let details = read(&body).unwrap_err();
            assert_eq!((&details["field"], &details["reason"]), (&field.into(), &reason.into()), "{body}");
        }
        let allowed = (0..7).fold(json!(1), |inner, _| json!([inner]));
        assert!(read(&event("metadata", json!({ "a": allowed }))).is_ok());
    }
}
