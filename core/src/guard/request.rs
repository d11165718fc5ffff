//! A request as a guard gets it, and what it reads from it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use crate::agent::{BotType, IpSet, TlsFingerprints};
use crate::signature::uri;
use crate::{Error, Result, Timestamp};

/// A request; header names and values hold one character for each byte (ISO 8859-1), as WSGI and Node give them.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GuardRequest {
    /// The method; `GET` when left out.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query as the client sent them, not decoded and not shortened by a router.
    pub target: String,
    /// `https` or `http`, as the connection to this server is; a trusted proxy's `X-Forwarded-Proto` comes first.
    #[serde(default)]
    pub scheme: Option<String>,
    /// The authority of the request target (HTTP/2 `:authority`); the header `Host` when left out.
    #[serde(default)]
    pub authority: Option<String>,
    /// All header lines in their order, repeated ones not joined: pairs of name and value.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Whether the lines have the order and letter case in which the client sent them, so that these may be looked at;
    /// most frameworks change both.
    #[serde(default)]
    pub is_as_sent: bool,
    /// The address of the connection, with or without port; what is no address counts as unknown.
    #[serde(default)]
    pub peer: Option<String>,
    /// TLS client fingerprints, where the host has them.
    #[serde(default)]
    pub tls: Option<TlsFingerprints>,
    /// What a detection service said about the request; it takes the place of the guard's own figure.
    #[serde(default)]
    pub detection: Option<RemoteDetection>,
    /// Whether a service that had to be asked could not be reached.
    #[serde(default)]
    pub unavailable: bool,
    /// The present.
    pub now: Timestamp,
}

/// What a detection service said.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RemoteDetection {
    /// Whether the request is automated.
    pub is_bot: bool,
    /// The likelihood of automation, 0 to 1.
    pub confidence: f64,
    /// What it comes from.
    pub bot_type: BotType,
}

/// A request in parts that may be borrowed: what the adapters of Rust hand over.
#[derive(Clone, Debug, Default)]
pub struct Incoming<'a> {
    /// The method.
    pub method: Cow<'a, str>,
    /// Path and query as the client sent them.
    pub target: Cow<'a, str>,
    /// The scheme of the connection.
    pub scheme: Option<Cow<'a, str>>,
    /// The authority of the request target; the header `Host` when absent.
    pub authority: Option<Cow<'a, str>>,
    /// All header lines in their order.
    pub headers: Vec<(Cow<'a, str>, Cow<'a, [u8]>)>,
    /// Whether the lines have the order and letter case in which the client sent them.
    pub is_as_sent: bool,
    /// The address of the connection.
    pub peer: Option<IpAddr>,
    /// TLS client fingerprints.
    pub tls: Option<TlsFingerprints>,
    /// What a detection service said about the request.
    pub detection: Option<RemoteDetection>,
    /// Whether a service that had to be asked could not be reached.
    pub unavailable: bool,
    /// The present.
    pub now: Timestamp,
}

impl GuardRequest {
    /// The request in borrowed parts.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a confidence outside 0 to 1.
    pub fn incoming(&self) -> Result<Incoming<'_>> {
        if self.detection.is_some_and(|detection| !(0.0..=1.0).contains(&detection.confidence)) {
            return Err(Error::invalid_input("detection.confidence is not from 0 to 1")
                .with("field", "detection.confidence"));
        }
        Ok(Incoming {
            method: Cow::Borrowed(&self.method),
            target: Cow::Borrowed(&self.target),
            scheme: self.scheme.as_deref().map(Cow::Borrowed),
            authority: self.authority.as_deref().map(Cow::Borrowed),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (Cow::Borrowed(name.as_str()), bytes_of(value)))
                .collect(),
            is_as_sent: self.is_as_sent,
            peer: self.peer.as_deref().and_then(address_of),
            tls: self.tls.clone(),
            detection: self.detection,
            unavailable: self.unavailable,
            now: self.now,
        })
    }
}

impl Incoming<'_> {
    /// The first header of a lower-case name, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All lines of a lower-case name, in order.
    pub(super) fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
        let is_named = move |line: &&(Cow<'_, str>, Cow<'_, [u8]>)| line.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(is_named).map(|(_, value)| value.as_ref())
    }

    /// Every value that cookies of this name have, in order.
    pub(super) fn cookies(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.all("cookie").filter_map(|line| std::str::from_utf8(line).ok());
        lines.flat_map(|line| line.split(';')).filter_map(move |pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then(|| value.trim_matches('"'))
        })
    }

    /// The path as the client sent it, without query; that of an absolute target (RFC 9112 section 3.2.2), too.
    pub(super) fn path(&self) -> &str {
        let path = uri::path_and_query(&self.target).0;
        path.split('#').next().unwrap_or_default()
    }

    /// The host that the client asked for, in lower case.
    pub(super) fn host(&self) -> Option<String> {
        let authority = self.authority.as_deref().or_else(|| self.header("host"))?.trim();
        (!authority.is_empty()).then(|| authority.to_ascii_lowercase())
    }

    /// Whether the client speaks HTTPS: as a trusted proxy says, else as the connection is; nothing if unknown.
    pub(super) fn is_https(&self, proxies: &IpSet) -> Option<bool> {
        let is_trusted = self.peer.is_some_and(|peer| proxies.contains(peer));
        let told = self.header("x-forwarded-proto").filter(|_| is_trusted);
        let nearest = told.and_then(|told| told.rsplit(',').next()).map(str::trim);
        nearest.or(self.scheme.as_deref()).map(|scheme| scheme.eq_ignore_ascii_case("https"))
    }

    /// The client's address: the peer, or, behind trusted proxies, the last address of the header that is not one of
    /// them.
    pub(super) fn client_ip(&self, proxies: &IpSet, header: &str) -> Option<IpAddr> {
        let lines = self.all(header).rev().map(|line| std::str::from_utf8(line).unwrap_or_default());
        nearest_client(self.peer?, proxies, lines)
    }

    /// All headers but those with secrets by lower-case name, repeated ones joined by `, `; of each, 8 KiB, and of
    /// 1,000 lines.
    pub fn joined(&self) -> BTreeMap<String, String> {
        let mut joined = BTreeMap::<String, String>::new();
        for (name, value) in self.headers.iter().take(MOST_HEADERS) {
            let name = name.to_ascii_lowercase();
            if matches!(&*name, "authorization" | "cookie" | "proxy-authorization") {
                continue;
            }
            let line = joined.entry(name).or_default();
            if line.len() < LONGEST_VALUE {
                if !line.is_empty() {
                    line.push_str(", ");
                }
                line.push_str(&text_of(value));
            }
        }
        joined
    }

    /// The names of the headers as the client sent them, where that is known.
    pub(super) fn order(&self) -> Option<Vec<String>> {
        let names = self.headers.iter().take(MOST_NAMES).map(|(name, _)| name.clone().into_owned());
        self.is_as_sent.then(|| names.collect())
    }

    /// The user agent; empty when none was sent. Of a longer one, 4 KiB.
    pub fn user_agent(&self) -> String {
        let value = self.all("user-agent").next().unwrap_or_default();
        let beginning = value.get(..LONGEST_USER_AGENT).unwrap_or(value);
        let mut text = String::from_utf8_lossy(beginning).into_owned();
        text.truncate(text.floor_char_boundary(LONGEST_USER_AGENT));
        text
    }
}

/// The address for which a connection stands: its own, or, when it is a trusted proxy's, the last that is none in the
/// proxies' header lines, given from the last line to the first.
pub fn nearest_client<'a>(
    peer: IpAddr,
    proxies: &IpSet,
    lines: impl Iterator<Item = &'a str>,
) -> Option<IpAddr> {
    let mut nearest = peer.to_canonical();
    if !proxies.contains(nearest) {
        return Some(nearest);
    }
    for hop in lines.flat_map(|line| line.rsplit(',')) {
        // Whatever lies behind an unreadable hop was not vouched for by anybody.
        let Some(address) = address_of(hop) else { break };
        nearest = address;
        if !proxies.contains(nearest) {
            break;
        }
    }
    Some(nearest)
}

/// An address with or without port, brackets or zone.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let without_zone = bare.split('%').next().unwrap_or_default();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    without_zone.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// One byte for each character; a text with a character that has no such byte was never bytes: its UTF-8 then.
fn bytes_of(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text.as_bytes());
    }
    let bytes: Option<Vec<u8>> =
        text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    bytes.map_or(Cow::Borrowed(text.as_bytes()), Cow::Owned)
}

fn text_of(value: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(value.get(..LONGEST_VALUE).unwrap_or(value))
}

fn get() -> String {
    "GET".to_owned()
}

const MOST_HEADERS: usize = 1_000;
const MOST_NAMES: usize = 256;
const LONGEST_VALUE: usize = 8_192;
const LONGEST_USER_AGENT: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming<'a>(peer: &str, headers: &[(&'static str, &'a str)]) -> Incoming<'a> {
        Incoming {
            peer: address_of(peer),
            headers: headers
                .iter()
                .map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(value.as_bytes())))
                .collect(),
            ..Incoming::default()
        }
    }

    #[test]
    fn forwarded_addresses_are_believed_from_trusted_proxies_only() {
        let proxies = IpSet::parse(["10.0.0.0/8", "2001:db8::1"]).unwrap();
        for (peer, lines, expected) in [
            ("192.0.2.9", vec!["198.51.100.1"], "192.0.2.9"),
            ("10.1.2.3", vec!["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.1.2.3", vec!["::ffff:198.51.100.1"], "198.51.100.1"),
            ("10.1.2.3", vec!["203.0.113.5, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
            ("10.1.2.3", vec!["203.0.113.5", "198.51.100.1"], "198.51.100.1"),
            ("10.1.2.3", vec!["198.51.100.1, unknown"], "10.1.2.3"),
            ("10.1.2.3", vec!["198.51.100.1:4711"], "198.51.100.1"),
            ("10.1.2.3", vec!["[2001:db8::7]:443"], "2001:db8::7"),
            ("10.1.2.3", vec![], "10.1.2.3"),
            ("[2001:db8::1]:80", vec!["2001:db8::7"], "2001:db8::7"),
        ] {
            let lines: Vec<_> = lines.into_iter().map(|line| ("X-Forwarded-For", line)).collect();
            let request = incoming(peer, &lines);
            assert_eq!(request.client_ip(&proxies, "x-forwarded-for"), expected.parse().ok(), "{peer}");
        }
        let request =
            incoming("10.1.2.3", &[("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https")]);
        assert_eq!(request.client_ip(&IpSet::default(), "x-forwarded-for"), "10.1.2.3".parse().ok());
        assert_eq!(request.client_ip(&proxies, "x-real-ip"), "10.1.2.3".parse().ok());
        assert_eq!(request.is_https(&IpSet::default()), None);
        assert_eq!(request.is_https(&proxies), Some(true));
        assert_eq!(incoming("testclient", &[]).client_ip(&proxies, "x-forwarded-for"), None);
    }

    #[test]
    fn repeated_headers_are_joined_and_secrets_left_out() {
        let joined = incoming(
            "192.0.2.1",
            &[
                ("Accept", "text/html"),
                ("Authorization", "Bearer secret"),
                ("ACCEPT", "*/*"),
                ("Cookie", "a=b"),
                ("X-Empty", ""),
            ],
        )
        .joined();
        let expected = BTreeMap::from([("accept", "text/html, */*"), ("x-empty", "")]);
        assert!(joined.iter().map(|(name, value)| (&**name, &**value)).eq(expected));
    }

    #[test]
    fn characters_are_bytes_and_any_byte_is_read() {
        let request = GuardRequest {
            headers: vec![
                ("User-Agent".to_owned(), "caf\u{e9}/1".to_owned()),
                ("x".to_owned(), "\u{4e2d}".to_owned()),
                ("\u{ff}\u{0}".to_owned(), String::new()),
            ],
            ..GuardRequest::default()
        };
        let incoming = request.incoming().unwrap();
        assert_eq!(incoming.all("user-agent").next(), Some(b"caf\xe9/1".as_slice()));
        assert_eq!(incoming.all("x").next(), Some("\u{4e2d}".as_bytes()));
        assert_eq!(incoming.user_agent(), "caf\u{fffd}/1");
        assert_eq!(incoming.joined().len(), 3);
    }
}
