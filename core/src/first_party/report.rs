//! What a site's server reports: pages that it delivered, and events of browsers that it forwards.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

use super::is_public_address;
use crate::score::payload::read::{Object, Place, list, string};
use crate::score::payload::{Event, is_session_token, parse_events};
use crate::{Result, Timestamp};

/// The version of both bodies.
pub const SCHEMA_VERSION: u32 = 1;

/// The headers whose presence and order a page hit may name; values are never sent.
pub const HEADER_NAMES: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "cookie",
    "host",
    "pragma",
    "referer",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "upgrade-insecure-requests",
    "user-agent",
];

/// One page that the site's server delivered; serialises to the body of `POST /v1/server/page-hits`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PageHitReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The page view: 32 lower-case hexadecimal digits.
    pub page_id: String,
    /// The visitor's session.
    pub session_token: String,
    /// When, to the second.
    #[serde(serialize_with = "as_seconds")]
    pub occurred_at: Timestamp,
    /// The request's method.
    pub method: PageMethod,
    /// The path as [`path_hash`](super::path_hash) gives it.
    pub path_hash: String,
    /// Which of [`HEADER_NAMES`] the request had, in its order.
    pub header_names: Vec<String>,
    /// The languages that the visitor accepts, at most ten; see [`languages`].
    pub languages: Vec<String>,
    /// Whether the visitor came with a session cookie that holds.
    pub had_session_cookie: bool,
    /// Milliseconds that the server took, at most a day.
    pub duration_ms: u32,
    /// A TLS fingerprint; null today.
    pub ja4: Option<String>,
    /// The visitor's address, if known.
    #[serde(flatten)]
    pub observed: Option<ObservedAddress>,
    /// Whether the visitor is logged in; absent is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logged_in: Option<bool>,
}

impl PageHitReport {
    /// Reads a body from JSON text.
    ///
    /// # Errors
    /// `INVALID_INPUT` with the `path` of the first offending value.
    pub fn parse(text: &str) -> Result<Self> {
        let root = Place::root("page hit");
        let mut fields = Object::read(text, &root)?;
        let mut body = Body { fields: &mut fields, root: &root };
        let report = Self {
            schema_version: body.schema_version()?,
            page_id: body.page_id()?,
            session_token: body.session_token()?,
            occurred_at: body.seconds("occurred_at")?,
            method: body.value("method", "must be GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD or OTHER")?,
            path_hash: body.text("path_hash", "must be 64 lower-case hexadecimal digits", is_path_hash)?,
            header_names: body.header_names()?,
            languages: body.languages()?,
            had_session_cookie: body.value("had_session_cookie", "must be true or false")?,
            duration_ms: body.duration()?,
            ja4: body.ja4()?,
            observed: body.observed()?,
            logged_in: body.optional("logged_in", "must be true or false")?,
        };
        fields.expect_empty()?;
        Ok(report)
    }
}

impl<'de> Deserialize<'de> for PageHitReport {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = serde_json::Value::deserialize(deserializer)?.to_string();
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// Browser events that the site's server forwards; serialises to the body of `POST /v1/server/events`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventsReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The page view that the events are from: 32 lower-case hexadecimal digits.
    pub page_id: String,
    /// The visitor's session.
    pub session_token: String,
    /// 1 to 100 events in arrival order.
    pub events: Vec<Event>,
    /// The visitor's address, if known.
    #[serde(flatten)]
    pub observed: Option<ObservedAddress>,
    /// Whether the visitor is logged in; absent is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logged_in: Option<bool>,
}

impl EventsReport {
    /// Reads a body from JSON text.
    ///
    /// # Errors
    /// `INVALID_INPUT` with the `path` of the first offending value.
    pub fn parse(text: &str) -> Result<Self> {
        let root = Place::root("report");
        let mut fields = Object::read(text, &root)?;
        let mut body = Body { fields: &mut fields, root: &root };
        let report = Self {
            schema_version: body.schema_version()?,
            page_id: body.page_id()?,
            session_token: body.session_token()?,
            events: parse_events(body.required("events")?.get())?,
            observed: body.observed()?,
            logged_in: body.optional("logged_in", "must be true or false")?,
        };
        fields.expect_empty()?;
        Ok(report)
    }
}

/// The visitor's address as the site's server knows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ObservedAddress {
    /// A public address; see [`is_public_address`].
    #[serde(rename = "observed_ip")]
    pub ip: IpAddr,
    /// Where it was read.
    #[serde(rename = "observed_ip_source")]
    pub source: AddressSource,
    /// Guessed from headers that nobody vouched for: weaker evidence.
    #[serde(rename = "observed_ip_inferred")]
    pub inferred: bool,
}

/// Where a visitor's address was read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressSource {
    /// The framework's own address of the request.
    Request,
    /// A header of a proxy.
    Header,
    /// The site's own function.
    Resolver,
}

/// The method of a page's request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PageMethod {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
    /// HEAD.
    Head,
    /// Any other.
    Other,
}

impl PageMethod {
    /// The method of this name.
    pub fn of(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "HEAD" => Self::Head,
            _ => Self::Other,
        }
    }
}

/// Whether the text can name a page view: 32 lower-case hexadecimal digits.
pub fn is_page_id(text: &str) -> bool {
    text.len() == 32 && is_lower_hex(text)
}

/// Whether a page hit may hold this language: two or three lower-case letters, then maybe a dash and a region of two
/// letters or three digits.
pub fn is_language(text: &str) -> bool {
    let (language, region) =
        text.split_once('-').map_or((text, None), |(language, region)| (language, Some(region)));
    let is_lower = |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_region = |region: &str| match region.len() {
        2 => is_lower(region),
        3 => region.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    (2..=3).contains(&language.len()) && is_lower(language) && region.is_none_or(is_region)
}

/// The languages of an `Accept-Language` header (RFC 9110 section 12.5.4) that a page hit may hold: in the header's
/// order, each once, at most ten.
pub fn languages(header: &str) -> Vec<String> {
    let mut found = Vec::new();
    for range in header.split(',') {
        let tag = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if found.len() < MOST_LANGUAGES && is_language(&tag) && !found.contains(&tag) {
            found.push(tag);
        }
    }
    found
}

/// The members of a body that are still to be taken.
struct Body<'a, 'b> {
    fields: &'b mut Object<'a>,
    root: &'a Place,
}

impl<'a> Body<'a, '_> {
    fn required(&mut self, name: &str) -> Result<&'a RawValue> {
        self.fields.take(name).ok_or_else(|| self.root.key(name).error("is required"))
    }

    fn value<T: Deserialize<'a>>(&mut self, name: &str, rule: &str) -> Result<T> {
        let value = self.required(name)?;
        serde_json::from_str(value.get()).map_err(|_| self.root.key(name).error(rule))
    }

    fn optional<T: Deserialize<'a>>(&mut self, name: &str, rule: &str) -> Result<Option<T>> {
        if self.fields.contains(name) { self.value(name, rule).map(Some) } else { Ok(None) }
    }

    fn text(&mut self, name: &str, rule: &str, holds: impl Fn(&str) -> bool) -> Result<String> {
        let place = self.root.key(name);
        let text = string(self.required(name)?, &place)?;
        if holds(&text) { Ok(text) } else { Err(place.error(rule)) }
    }

    fn schema_version(&mut self) -> Result<u32> {
        let version = self.value("schema_version", "must be 1")?;
        if version == SCHEMA_VERSION {
            Ok(version)
        } else {
            Err(self.root.key("schema_version").error("must be 1"))
        }
    }

    fn page_id(&mut self) -> Result<String> {
        self.text("page_id", "must be 32 lower-case hexadecimal digits", is_page_id)
    }

    fn session_token(&mut self) -> Result<String> {
        self.text("session_token", "must be 1 to 128 of A-Z a-z 0-9 _ -", is_session_token)
    }

    fn seconds(&mut self, name: &str) -> Result<Timestamp> {
        let rule = "must be a UTC time such as 2026-10-02T08:15:00Z";
        let is_whole = |text: &str| !text.contains('.') && Timestamp::parse_utc(text).is_some();
        let text = self.text(name, rule, is_whole)?;
        Timestamp::parse_utc(&text).ok_or_else(|| self.root.key(name).error(rule))
    }

    fn header_names(&mut self) -> Result<Vec<String>> {
        let place = self.root.key("header_names");
        let rule = "must be different names of the documented headers, in lower case";
        let names: Vec<String> = list(self.required("header_names")?, HEADER_NAMES.len(), &place, rule)?;
        let is_known = |name: &String| HEADER_NAMES.contains(&name.as_str());
        if names.iter().all(is_known) && are_different(&names) { Ok(names) } else { Err(place.error(rule)) }
    }

    fn languages(&mut self) -> Result<Vec<String>> {
        let place = self.root.key("languages");
        let rule = "must be at most 10 languages such as `nl` or `en-gb`";
        let tags: Vec<String> = list(self.required("languages")?, MOST_LANGUAGES, &place, rule)?;
        if tags.iter().all(|tag| is_language(tag)) { Ok(tags) } else { Err(place.error(rule)) }
    }

    fn duration(&mut self) -> Result<u32> {
        let rule = "must be an integer from 0 to 86400000";
        let duration = self.value("duration_ms", rule)?;
        if duration <= LONGEST_DURATION {
            Ok(duration)
        } else {
            Err(self.root.key("duration_ms").error(rule))
        }
    }

    fn ja4(&mut self) -> Result<Option<String>> {
        let rule = "must be null or a text of at most 64 characters";
        let ja4: Option<String> = self.value("ja4", rule)?;
        match ja4 {
            Some(text) if text.chars().count() > LONGEST_JA4 => Err(self.root.key("ja4").error(rule)),
            ja4 => Ok(ja4),
        }
    }

    fn observed(&mut self) -> Result<Option<ObservedAddress>> {
        if !self.fields.contains("observed_ip") {
            let orphan = ["observed_ip_source", "observed_ip_inferred"];
            return match orphan.into_iter().find(|name| self.fields.contains(name)) {
                Some(name) => Err(self.root.key(name).error("needs observed_ip beside it")),
                None => Ok(None),
            };
        }
        let rule = "must be a public address in its canonical form";
        let text = self.text("observed_ip", rule, is_canonical_public)?;
        let ip = text.parse().map_err(|_| self.root.key("observed_ip").error(rule))?;
        let source = self.value("observed_ip_source", "must be request, header or resolver")?;
        let inferred = self.optional("observed_ip_inferred", "must be true or false")?.unwrap_or(false);
        Ok(Some(ObservedAddress { ip, source, inferred }))
    }
}

/// An address has one text only (RFC 5952), and an IPv4 address is written as such.
fn is_canonical_public(text: &str) -> bool {
    let address = text.parse::<IpAddr>().ok();
    address.is_some_and(|address| {
        address == address.to_canonical() && address.to_string() == text && is_public_address(address)
    })
}

fn is_path_hash(text: &str) -> bool {
    text.len() == 64 && is_lower_hex(text)
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn are_different(names: &[String]) -> bool {
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair.first() != pair.last())
}

fn as_seconds<S: Serializer>(time: &Timestamp, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_seconds_text())
}

const MOST_LANGUAGES: usize = 10;
const LONGEST_DURATION: u32 = 86_400_000;
const LONGEST_JA4: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn hit() -> Value {
        json!({
            "schema_version": 1, "page_id": "9f86d081884c7d659a2feaa0c55ad015", "session_token": "sess_1",
            "occurred_at": "2026-10-02T08:15:00Z", "method": "GET", "path_hash": "ab".repeat(32),
            "header_names": ["host", "user-agent", "accept"], "languages": ["nl", "en-gb", "es-419"],
            "had_session_cookie": false, "duration_ms": 12, "ja4": null
        })
    }

    fn path(outcome: Result<impl std::fmt::Debug>) -> String {
        outcome.unwrap_err().details()["path"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_page_hit_is_read_and_written_alike() {
        let mut body = hit();
        let report = PageHitReport::parse(&body.to_string()).unwrap();
        assert_eq!(serde_json::to_value(&report).unwrap(), body);
        body["observed_ip"] = json!("2001:db8::7");
        body["observed_ip_source"] = json!("header");
        body["observed_ip_inferred"] = json!(true);
        body["logged_in"] = json!(true);
        let report = PageHitReport::parse(&body.to_string()).unwrap();
        assert_eq!(serde_json::to_value(&report).unwrap(), body);
        assert_eq!(serde_json::from_value::<PageHitReport>(body).unwrap(), report);
    }

    #[test]
    fn every_member_of_a_page_hit_has_its_rule() {
        let eleven: Vec<&str> = vec!["nl"; 11];
        for (name, value) in [
            ("schema_version", json!(2)),
            ("schema_version", json!("1")),
            ("page_id", json!("9F86d081884c7d659a2feaa0c55ad015")),
            ("page_id", json!("9f86")),
            ("session_token", json!("")),
            ("session_token", json!(null)),
            ("session_token", json!("a".repeat(129))),
            ("occurred_at", json!("2026-10-02T08:15:00.5Z")),
            ("occurred_at", json!("2026-02-30T08:15:00Z")),
            ("occurred_at", json!(1_771_156_800)),
            ("method", json!("get")),
            ("method", json!("TRACE")),
            ("path_hash", json!("/checkout")),
            ("path_hash", json!("AB".repeat(32))),
            ("header_names", json!(["authorization"])),
            ("header_names", json!(["Host"])),
            ("header_names", json!(["host", "host"])),
            ("header_names", json!({})),
            ("languages", json!(["EN"])),
            ("languages", json!(["en-GB"])),
            ("languages", json!(["zh-hant"])),
            ("languages", json!(["e"])),
            ("languages", json!(["en-"])),
            ("languages", json!(eleven)),
            ("had_session_cookie", json!(1)),
            ("duration_ms", json!(-1)),
            ("duration_ms", json!(86_400_001)),
            ("duration_ms", json!(1.5)),
            ("ja4", json!(7)),
            ("ja4", json!("a".repeat(65))),
            ("logged_in", json!(null)),
            ("logged_in", json!("true")),
            ("path", json!("/checkout")),
        ] {
            let mut body = hit();
            body[name] = value.clone();
            assert_eq!(path(PageHitReport::parse(&body.to_string())), name, "{value}");
        }
        let names = hit().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        for name in names {
            let mut body = hit();
            body.as_object_mut().unwrap().remove(&name);
            assert_eq!(path(PageHitReport::parse(&body.to_string())), name);
        }
        for text in ["", "[]", "null", "{"] {
            assert!(PageHitReport::parse(text).is_err() && EventsReport::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn observed_addresses_are_public_and_canonical() {
        let with = |ip: Value| {
            let mut body = hit();
            body["observed_ip"] = ip;
            body["observed_ip_source"] = json!("request");
            PageHitReport::parse(&body.to_string())
        };
        for ip in ["203.0.113.7", "2001:db8::7", "8.8.8.8"] {
            let observed = with(json!(ip)).unwrap().observed.unwrap();
            assert_eq!((observed.ip.to_string().as_str(), observed.inferred), (ip, false));
        }
        for ip in [
            json!("10.0.0.1"),
            json!("127.0.0.1"),
            json!("::1"),
            json!("fd00::1"),
            json!("2001:DB8::7"),
            json!("2001:db8:0:0:0:0:0:7"),
            json!("::ffff:203.0.113.7"),
            json!("203.0.113.7 "),
            json!("203.0.113.007"),
            json!("shop.example"),
            json!(""),
            json!(null),
        ] {
            assert_eq!(path(with(ip.clone())), "observed_ip", "{ip}");
        }
        let mut body = hit();
        body["observed_ip"] = json!("203.0.113.7");
        assert_eq!(path(PageHitReport::parse(&body.to_string())), "observed_ip_source");
        for name in ["observed_ip_source", "observed_ip_inferred"] {
            let mut body = hit();
            body[name] = json!("request");
            assert_eq!(path(PageHitReport::parse(&body.to_string())), name);
        }
    }

    #[test]
    fn forwarded_events_are_checked_as_direct_ones() {
        let body = |events: Value| {
            json!({ "schema_version": 1, "page_id": "9f86d081884c7d659a2feaa0c55ad015", "session_token": "sess_1",
                    "events": events })
            .to_string()
        };
        let event = json!({ "request_id": "r1", "type": "page", "received_at": "2026-10-02T08:15:12.004Z",
                            "payload": { "page_path_hash": "9cb2", "page_path_shape": "/orders/{n}" } });
        let report = EventsReport::parse(&body(json!([event]))).unwrap();
        assert!(!serde_json::to_string(&report).unwrap().contains("shape"), "validated, then dropped");
        assert_eq!(EventsReport::parse(&serde_json::to_string(&report).unwrap()).unwrap(), report);
        assert_eq!(path(EventsReport::parse(&body(json!([])))), "events");
        let wrong = json!([{ "request_id": "r1", "type": "page", "received_at": "2026-10-02T08:15:12.004Z",
                             "payload": { "typed_text": "x" } }]);
        assert_eq!(path(EventsReport::parse(&body(wrong))), "events[0].payload.typed_text");
    }

    #[test]
    fn languages_are_taken_from_the_header_as_far_as_they_fit() {
        assert_eq!(languages("nl-NL,nl;q=0.9, en-US;q=0.8,*;q=0.5,zh-Hant-TW,nl"), ["nl-nl", "nl", "en-us"]);
        assert_eq!(languages(""), Vec::<String>::new());
        let many =
            (b'a'..=b'z').map(|letter| format!("x{}", char::from(letter))).collect::<Vec<_>>().join(",");
        assert_eq!(languages(&many).len(), 10);
    }
}
