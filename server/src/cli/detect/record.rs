//! What one line says about a request.

use std::borrow::Cow;
use std::net::IpAddr;

use clap::ValueEnum;
use quivive_core::Timestamp;
use quivive_core::agent::RequestFacts;
use serde_json::{Map, Value};

use super::access_log;

/// What lines are.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Format {
    /// An access log of Apache or nginx, combined format.
    Log,
    /// JSON lines: an object with userAgent, ip, headers, url on each.
    Json,
    /// User agents.
    Ua,
}

/// A request as its line tells it.
#[derive(Debug, Default)]
pub(super) struct Record<'l> {
    pub user_agent: Option<Cow<'l, str>>,
    pub ip: Option<Cow<'l, str>>,
    /// The time on the writer's clock, as if that were UTC.
    pub time: Option<Timestamp>,
    /// The path without its query.
    pub path: Option<Cow<'l, str>>,
    /// More than a user agent and an address: what a JSON line says.
    pub facts: Option<Box<RequestFacts>>,
}

impl Format {
    /// Reads a line.
    pub fn parse(self, line: &str) -> Result<Record<'_>, &'static str> {
        match self {
            Self::Log => access_log::parse(line),
            Self::Json => from_json(line),
            Self::Ua => Ok(Record { user_agent: Some(line.into()), ..Record::default() }),
        }
    }
}

/// The format that the first lines have: that of a log as soon as one of them is a log's.
pub(super) fn format_of(first: &[u8]) -> Format {
    let text = String::from_utf8_lossy(first);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(LOOKED_AT).peekable();
    if lines.peek().is_some_and(|line| line.starts_with('{')) {
        Format::Json
    } else if lines.any(|line| access_log::parse(line).is_ok()) {
        Format::Log
    } else {
        Format::Ua
    }
}

/// The members of request facts, and further spellings of the first of them.
fn from_json(line: &str) -> Result<Record<'static>, &'static str> {
    let Ok(Value::Object(mut given)) = serde_json::from_str(line) else { return Err("it is no JSON object") };
    let mut facts = Map::new();
    for (name, spellings) in MEMBERS {
        let value =
            spellings.iter().find_map(|spelling| given.remove(*spelling)).filter(|value| !value.is_null());
        facts.extend(value.map(|value| (name.to_owned(), value)));
    }
    if let Some(Value::Object(headers)) = facts.get_mut("headers") {
        headers.values_mut().for_each(join);
    }
    if let Some(Value::String(text)) = facts.get("now") {
        let time = time_of(text);
        facts.remove("now");
        facts.extend(time.map(|time| ("now".to_owned(), time.milliseconds().into())));
    }
    let time = facts.get("now").and_then(Value::as_i64).map(Timestamp::from_milliseconds);
    facts.entry("now").or_insert_with(|| 0.into());
    let facts: RequestFacts = serde_json::from_value(Value::Object(facts))
        .map_err(|_| "a member has another type than it should")?;
    if facts.user_agent.is_none() && facts.headers.is_none() && facts.ip.is_none() {
        return Err("it has none of userAgent, headers and ip");
    }
    let header = facts.headers.iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case("user-agent"));
    let user_agent = facts.user_agent.clone().or_else(|| header.map(|(_, value)| value.clone()));
    Ok(Record {
        user_agent: user_agent.map(Cow::Owned),
        ip: facts.ip.map(|ip: IpAddr| ip.to_string().into()),
        time,
        path: facts.url.as_deref().map(|url| path_of(url).to_owned().into()),
        facts: Some(Box::new(facts)),
    })
}

/// The path of an address or request target, without its query.
pub(super) fn path_of(target: &str) -> &str {
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|place| rest.get(place..)).unwrap_or("/"),
        None => target,
    };
    path.split(['?', '#']).next().unwrap_or(path)
}

/// A time of RFC 3339, on its own clock.
fn time_of(text: &str) -> Option<Timestamp> {
    Timestamp::parse_utc(&format!("{}Z", text.get(..19)?.replace(' ', "T")))
}

/// Values of a repeated header are one, as HTTP joins them.
fn join(value: &mut Value) {
    if let Value::Array(values) = value {
        let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        *value = values.join(", ").into();
    }
}

const MEMBERS: [(&str, &[&str]); 13] = [
    ("user_agent", &["user_agent", "userAgent", "ua", "http_user_agent"]),
    ("ip", &["ip", "ipAddress", "ip_address", "remote_addr"]),
    ("headers", &["headers"]),
    ("url", &["url", "path", "uri", "request_uri"]),
    ("method", &["method", "request_method"]),
    ("now", &["now", "time", "timestamp", "time_iso8601"]),
    ("tls", &["tls"]),
    ("client", &["client"]),
    ("signature", &["signature"]),
    ("feeds", &["feeds"]),
    ("reverse_dns", &["reverse_dns"]),
    ("network", &["network"]),
    ("behavior", &["behavior"]),
];
/// How many lines tell the format.
const LOOKED_AT: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_tell_the_format() {
        let log = "192.0.2.1 - - [22/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"curl/8\"\n";
        assert_eq!(format_of(log.as_bytes()), Format::Log);
        assert_eq!(format_of(format!("# a comment\nbroken\n{log}").as_bytes()), Format::Log);
        assert_eq!(format_of(b"\n  {\"userAgent\": \"x\"}\n"), Format::Json);
        assert_eq!(format_of(b"Mozilla/5.0 (X11; Linux x86_64)\ncurl/8.5.0\n"), Format::Ua);
        assert_eq!(format_of(b""), Format::Ua);
    }

    #[test]
    fn json_lines_are_read_in_every_spelling() {
        for line in [
            r#"{"userAgent":"curl/8","ip":"192.0.2.1","url":"https://example.com/a?b=c"}"#,
            r#"{"user_agent":"curl/8","ip":"192.0.2.1","path":"/a"}"#,
            r#"{"http_user_agent":"curl/8","remote_addr":"192.0.2.1","request_uri":"/a?x","status":200}"#,
            r#"{"headers":{"User-Agent":["curl/8"]},"ip":"192.0.2.1","url":"/a","userAgent":null}"#,
        ] {
            let record = Format::Json.parse(line).unwrap();
            assert_eq!(record.user_agent.as_deref(), Some("curl/8"), "{line}");
            assert_eq!(
                (record.ip.as_deref(), record.path.as_deref()),
                (Some("192.0.2.1"), Some("/a")),
                "{line}"
            );
        }
        let timed = Format::Json.parse(r#"{"ua":"x","time":"2026-11-22T10:00:05+01:00"}"#).unwrap();
        assert_eq!(timed.time.unwrap().to_seconds_text(), "2026-11-22T10:00:05Z");
    }

    #[test]
    fn json_lines_that_say_nothing_are_refused() {
        for line in [
            "{",
            "[]",
            "7",
            "{}",
            r#"{"userAgent":7}"#,
            r#"{"ip":"x"}"#,
            r#"{"headers":[]}"#,
            r#"{"url":"/"}"#,
        ] {
            assert!(Format::Json.parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn paths_lose_their_query() {
        for (target, path) in [
            ("/a?b", "/a"),
            ("https://example.com/a#b", "/a"),
            ("https://example.com", "/"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(path_of(target), path);
        }
    }
}
