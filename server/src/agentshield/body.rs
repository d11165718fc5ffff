//! Reading of JSON bodies: strict about types, silent about unknown members, and every fault at once.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use quivive_core::agent::{ClientFacts, TlsFingerprints};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::wire::{Failure, Fault, Result};

/// Collects a body of at most `most` bytes.
///
/// # Errors
/// `INVALID_REQUEST` with status 413 for a longer one, with status 400 for one that cannot be read.
pub async fn collect(body: Body, most: usize) -> Result<Bytes> {
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::body_too_large(most)),
        Err(_) => Err(Failure::invalid(&[Fault::new("body", "body_not_json")])),
    }
}

/// Reads a body that is a JSON object, whatever its `Content-Type` says.
///
/// # Errors
/// `INVALID_REQUEST` with the reason `body_not_json` or `type`.
pub fn object(body: &[u8]) -> Result<Map<String, Value>> {
    match crate::extract::parse_json(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Failure::invalid(&[Fault::new("body", "type")])),
        Err(_) => Err(Failure::invalid(&[Fault::new("body", "body_not_json")])),
    }
}

/// Collects faults while it reads members; a member with a fault reads as absent.
#[derive(Debug, Default)]
pub struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    /// What was read, if there was no fault.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with every fault that was found.
    pub fn finish<T>(self, read: T) -> Result<T> {
        if self.faults.is_empty() { Ok(read) } else { Err(Failure::invalid(&self.faults)) }
    }

    /// Notes a fault by one of the fixed reasons.
    pub fn fault(&mut self, path: &str, reason: &'static str) {
        self.push(Fault::new(path, reason));
    }

    /// Notes a fault.
    pub fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Reads the object at `path` with a reader of its own, whose faults are then named from here.
    pub fn within<T>(&mut self, path: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let mut inner = Self::default();
        let value = read(&mut inner);
        self.faults.extend(inner.faults.into_iter().map(|fault| fault.within(path)));
        value
    }

    /// A text of at most `most` bytes.
    pub fn text(
        &mut self,
        object: &Map<String, Value>,
        name: &str,
        path: &str,
        most: usize,
    ) -> Option<String> {
        self.measured(object.get(name)?, path, most, str::len)
    }

    /// A text of at most `most` characters.
    pub fn characters(
        &mut self,
        object: &Map<String, Value>,
        name: &str,
        path: &str,
        most: usize,
    ) -> Option<String> {
        self.measured(object.get(name)?, path, most, |text| text.chars().count())
    }

    fn measured(
        &mut self,
        value: &Value,
        path: &str,
        most: usize,
        length: impl FnOnce(&str) -> usize,
    ) -> Option<String> {
        match value.as_str() {
            Some(text) if length(text) <= most => return Some(text.to_owned()),
            Some(_) => self.push(Fault::new(path, "too_long").with("max", most)),
            None => self.fault(path, "type"),
        }
        None
    }

    /// A truth value.
    pub fn truth(&mut self, object: &Map<String, Value>, name: &str, path: &str) -> Option<bool> {
        let value = object.get(name)?.as_bool();
        if value.is_none() {
            self.fault(path, "type");
        }
        value
    }

    /// A whole number from 0; what is too large for 32 bits is their largest.
    pub fn count(&mut self, object: &Map<String, Value>, name: &str, path: &str) -> Option<u32> {
        let value = object.get(name)?;
        let Some(number) = value.as_u64() else {
            self.fault(path, if value.is_number() { "out_of_range" } else { "type" });
            return None;
        };
        Some(u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// A finite number within bounds.
    pub fn number(
        &mut self,
        object: &Map<String, Value>,
        name: &str,
        path: &str,
        bounds: RangeInclusive<f64>,
    ) -> Option<f64> {
        let value = object.get(name)?.as_f64();
        match value {
            Some(number) if bounds.contains(&number) => return value,
            Some(_) => {
                let fault = Fault::new(path, "out_of_range");
                self.push(fault.with("min", *bounds.start()).with("max", *bounds.end()));
            }
            None => self.fault(path, "type"),
        }
        None
    }

    /// A whole number within bounds.
    pub fn whole(
        &mut self,
        object: &Map<String, Value>,
        name: &str,
        path: &str,
        bounds: RangeInclusive<u32>,
    ) -> Option<u32> {
        let value = object.get(name)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match number {
            Some(within) if bounds.contains(&within) => return number,
            _ if value.is_number() => {
                let fault = Fault::new(path, "out_of_range");
                self.push(fault.with("min", *bounds.start()).with("max", *bounds.end()));
            }
            _ => self.fault(path, "type"),
        }
        None
    }

    /// A text that names one of several things.
    pub fn choice<T: DeserializeOwned>(
        &mut self,
        object: &Map<String, Value>,
        name: &str,
        path: &str,
    ) -> Option<T> {
        self.chosen(object.get(name)?, path)
    }

    /// A list of texts that name different things, at least one and at most `most`.
    pub fn choices<T: DeserializeOwned + PartialEq>(
        &mut self,
        object: &Map<String, Value>,
        name: &str,
        path: &str,
        most: usize,
    ) -> Option<Vec<T>> {
        let Value::Array(items) = object.get(name)? else {
            self.fault(path, "type");
            return None;
        };
        if items.is_empty() {
            self.push(Fault::new(path, "too_short").with("min", 1));
            return None;
        }
        if items.len() > most {
            self.push(Fault::new(path, "too_many").with("max", most));
            return None;
        }
        let mut chosen = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let item = self.chosen(item, &format!("{path}[{index}]"))?;
            if !chosen.contains(&item) {
                chosen.push(item);
            }
        }
        Some(chosen)
    }

    fn chosen<T: DeserializeOwned>(&mut self, value: &Value, path: &str) -> Option<T> {
        if !value.is_string() {
            self.fault(path, "type");
            return None;
        }
        let chosen = T::deserialize(value).ok();
        if chosen.is_none() {
            self.fault(path, "unknown_value");
        }
        chosen
    }

    /// An object.
    pub fn object<'a>(&mut self, body: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
        let object = body.get(name)?.as_object();
        if object.is_none() {
            self.fault(name, "type");
        }
        object
    }

    /// The address in `ip`: a literal without port and zone.
    pub fn ip(&mut self, body: &Map<String, Value>) -> Option<IpAddr> {
        self.address(body, "ip")
    }

    /// An address: a literal without port and zone.
    pub fn address(&mut self, body: &Map<String, Value>, name: &str) -> Option<IpAddr> {
        let text = self.text(body, name, name, 64)?;
        let Ok(ip) = text.parse::<IpAddr>() else {
            self.fault(name, "format");
            return None;
        };
        Some(ip.to_canonical())
    }

    /// The header map in `headers`; names in lower case.
    pub fn headers(&mut self, body: &Map<String, Value>) -> Option<BTreeMap<String, String>> {
        let headers = self.object(body, "headers")?;
        if headers.len() > MOST_HEADERS {
            self.push(Fault::new("headers", "too_many").with("max", MOST_HEADERS));
            return None;
        }
        let mut read = BTreeMap::new();
        for name in headers.keys() {
            if name.len() > MOST_NAME_BYTES {
                self.push(Fault::new("headers", "too_long").with("max", MOST_NAME_BYTES));
            } else if let Some(value) = self.text(headers, name, &format!("headers.{name}"), MOST_VALUE_BYTES)
            {
                // Names that differ in case only are one header; its values are joined as HTTP does.
                read.entry(name.to_ascii_lowercase())
                    .and_modify(|known: &mut String| {
                        known.push_str(", ");
                        known.push_str(&value);
                    })
                    .or_insert(value);
            }
        }
        Some(read)
    }

    /// The address in `url`: absolute, or a path.
    pub fn url(&mut self, body: &Map<String, Value>) -> Option<String> {
        let url = self.text(body, "url", "url", 8_192)?;
        if url.starts_with('/') || is_absolute_url(&url) {
            return Some(url);
        }
        self.fault("url", "format");
        None
    }

    /// The method in `method`, an HTTP token.
    pub fn method(&mut self, body: &Map<String, Value>) -> Option<String> {
        let method = self.text(body, "method", "method", 16)?;
        let is_token = !method.is_empty()
            && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        if !is_token {
            self.fault("method", "format");
            return None;
        }
        Some(method)
    }

    /// The fingerprints in `tls`; the core ignores malformed ones, so only their type is checked.
    pub fn tls(&mut self, body: &Map<String, Value>) -> Option<TlsFingerprints> {
        let tls = self.object(body, "tls")?;
        Some(TlsFingerprints {
            ja3: self.text(tls, "ja3", "tls.ja3", MOST_FINGERPRINT_BYTES),
            ja4: self.text(tls, "ja4", "tls.ja4", MOST_FINGERPRINT_BYTES),
        })
    }

    /// What a script on the page saw, in `client`.
    pub fn client(&mut self, body: &Map<String, Value>) -> Option<ClientFacts> {
        let client = self.object(body, "client")?;
        Some(ClientFacts {
            webdriver: self.truth(client, "webdriver", "client.webdriver"),
            headless_artifacts: self.count(client, "headlessArtifacts", "client.headlessArtifacts"),
            visible_ms: self.count(client, "visibleMs", "client.visibleMs"),
            interactions: self.count(client, "interactions", "client.interactions"),
            human: self.truth(client, "human", "client.human"),
        })
    }
}

/// Whether a text is an address with scheme (http or https) and host. Characters that browsers send in paths and a
/// strict reader refuses are let through.
pub fn is_absolute_url(url: &str) -> bool {
    let is_strict = url.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    is_strict || is_loose_absolute(url)
}

fn is_loose_absolute(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && !host.chars().any(char::is_whitespace)
    })
}

const MOST_HEADERS: usize = 100;
const MOST_NAME_BYTES: usize = 256;
const MOST_VALUE_BYTES: usize = 8_192;
const MOST_FINGERPRINT_BYTES: usize = 256;
