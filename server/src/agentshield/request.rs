//! Reading of the body of a detection: strict about types, silent about unknown members.

use std::collections::BTreeMap;
use std::net::IpAddr;

use quivive_core::Timestamp;
use quivive_core::agent::{ClientFacts, RequestFacts, TlsFingerprints};
use serde_json::{Map, Value};

use super::wire::{Failure, Fault, Result};

/// A checked body.
#[derive(Debug, PartialEq)]
pub struct DetectRequest {
    /// What is known about the request.
    pub facts: RequestFacts,
    /// What joins the requests of one visitor.
    pub session_id: Option<String>,
    /// Whether the detection is to be recorded.
    pub is_recorded: bool,
}

impl DetectRequest {
    /// Reads the body; `threshold` is the project's.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with every fault that was found.
    pub fn read(body: &[u8], threshold: f64, now: Timestamp) -> Result<Self> {
        let body: Value = crate::extract::parse_json(body)
            .map_err(|_| Failure::invalid(&[Fault::new("body", "body_not_json")]))?;
        let Value::Object(body) = body else { return Err(Failure::invalid(&[Fault::new("body", "type")])) };
        let mut reader = Reader { faults: Vec::new() };
        let request = reader.request(&body, threshold, now);
        if reader.faults.is_empty() { Ok(request) } else { Err(Failure::invalid(&reader.faults)) }
    }
}

/// Collects faults while it reads.
struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    fn request(&mut self, body: &Map<String, Value>, threshold: f64, now: Timestamp) -> DetectRequest {
        if !["userAgent", "headers", "ip"].iter().any(|name| body.contains_key(*name)) {
            self.fault("userAgent", "required");
        }
        let facts = RequestFacts {
            user_agent: self.text(body, "userAgent", "userAgent", 4_096),
            ip: self.ip(body),
            headers: self.headers(body),
            url: self.url(body),
            method: self.method(body),
            tls: self.tls(body),
            client: self.client(body),
            threshold: Some(threshold),
            now,
            ..RequestFacts::default()
        };
        DetectRequest {
            facts,
            session_id: self.text(body, "sessionId", "sessionId", 128),
            is_recorded: self.truth(body, "record", "record").unwrap_or(true),
        }
    }

    fn ip(&mut self, body: &Map<String, Value>) -> Option<IpAddr> {
        let text = self.text(body, "ip", "ip", 64)?;
        let Ok(ip) = text.parse::<IpAddr>() else {
            self.fault("ip", "format");
            return None;
        };
        Some(ip.to_canonical())
    }

    fn headers(&mut self, body: &Map<String, Value>) -> Option<BTreeMap<String, String>> {
        let headers = self.object(body, "headers")?;
        if headers.len() > MOST_HEADERS {
            self.faults.push(Fault::new("headers", "too_many").with("max", MOST_HEADERS));
            return None;
        }
        let mut read = BTreeMap::new();
        for name in headers.keys() {
            if name.len() > MOST_NAME_BYTES {
                self.faults.push(Fault::new("headers", "too_long").with("max", MOST_NAME_BYTES));
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

    fn url(&mut self, body: &Map<String, Value>) -> Option<String> {
        let url = self.text(body, "url", "url", 8_192)?;
        let is_path = url.starts_with('/');
        let is_absolute = url.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
        });
        if is_path || is_absolute || is_loose_absolute(&url) {
            return Some(url);
        }
        self.fault("url", "format");
        None
    }

    fn method(&mut self, body: &Map<String, Value>) -> Option<String> {
        let method = self.text(body, "method", "method", 16)?;
        let is_token = !method.is_empty()
            && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        if !is_token {
            self.fault("method", "format");
            return None;
        }
        Some(method)
    }

    /// The core ignores malformed fingerprints; only their type is checked.
    fn tls(&mut self, body: &Map<String, Value>) -> Option<TlsFingerprints> {
        let tls = self.object(body, "tls")?;
        Some(TlsFingerprints {
            ja3: self.text(tls, "ja3", "tls.ja3", MOST_FINGERPRINT_BYTES),
            ja4: self.text(tls, "ja4", "tls.ja4", MOST_FINGERPRINT_BYTES),
        })
    }

    fn client(&mut self, body: &Map<String, Value>) -> Option<ClientFacts> {
        let client = self.object(body, "client")?;
        Some(ClientFacts {
            webdriver: self.truth(client, "webdriver", "client.webdriver"),
            headless_artifacts: self.count(client, "headlessArtifacts"),
            visible_ms: self.count(client, "visibleMs"),
            interactions: self.count(client, "interactions"),
            human: self.truth(client, "human", "client.human"),
        })
    }

    fn text(&mut self, object: &Map<String, Value>, name: &str, path: &str, most: usize) -> Option<String> {
        match object.get(name)? {
            Value::String(text) if text.len() > most => {
                self.faults.push(Fault::new(path, "too_long").with("max", most));
                None
            }
            Value::String(text) => Some(text.clone()),
            _ => {
                self.fault(path, "type");
                None
            }
        }
    }

    fn truth(&mut self, object: &Map<String, Value>, name: &str, path: &str) -> Option<bool> {
        let value = object.get(name)?.as_bool();
        if value.is_none() {
            self.fault(path, "type");
        }
        value
    }

    fn count(&mut self, client: &Map<String, Value>, name: &str) -> Option<u32> {
        let value = client.get(name)?;
        let Some(number) = value.as_u64() else {
            self.fault(&format!("client.{name}"), if value.is_number() { "out_of_range" } else { "type" });
            return None;
        };
        Some(u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn object<'a>(&mut self, body: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
        let object = body.get(name)?.as_object();
        if object.is_none() {
            self.fault(name, "type");
        }
        object
    }

    fn fault(&mut self, path: &str, reason: &'static str) {
        self.faults.push(Fault::new(path, reason));
    }
}

/// Browsers send characters in paths that a strict reader refuses; scheme and host must be there all the same.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &Value) -> Result<DetectRequest> {
        DetectRequest::read(body.to_string().as_bytes(), 0.5, Timestamp::default())
    }

    fn details(body: &Value) -> Value {
        Value::Object(read(body).unwrap_err().0.details().clone())
    }

    #[test]
    fn a_whole_body_is_read() {
        let request = read(&serde_json::json!({
            "userAgent": "", "ip": "::ffff:203.0.113.7", "headers": {"Accept": "*/*", "accept": "text/html"},
            "url": "https://example.org/a|b", "method": "GET", "tls": {"ja4": "odd"}, "sessionId": "s",
            "client": {"webdriver": true, "headlessArtifacts": 2}, "record": false, "other": [1]
        }))
        .unwrap();
        assert_eq!(request.facts.user_agent.as_deref(), Some(""));
        assert_eq!(request.facts.ip, Some("203.0.113.7".parse().unwrap()));
        assert_eq!(request.facts.headers.unwrap()["accept"], "*/*, text/html");
        assert_eq!(request.facts.client.unwrap().headless_artifacts, Some(2));
        assert_eq!((request.session_id.as_deref(), request.is_recorded), (Some("s"), false));
    }

    #[test]
    fn each_fault_names_its_place_and_reason() {
        let long = "a".repeat(4_097);
        for (body, field, reason) in [
            (serde_json::json!({}), "userAgent", "required"),
            (serde_json::json!([]), "body", "type"),
            (serde_json::json!({"userAgent": 1}), "userAgent", "type"),
            (serde_json::json!({"userAgent": null}), "userAgent", "type"),
            (serde_json::json!({"userAgent": long}), "userAgent", "too_long"),
            (serde_json::json!({"ip": "1.2.3"}), "ip", "format"),
            (serde_json::json!({"ip": "1.2.3.4:80"}), "ip", "format"),
            (serde_json::json!({"ip": "fe80::1%eth0"}), "ip", "format"),
            (serde_json::json!({"headers": []}), "headers", "type"),
            (serde_json::json!({"headers": {"accept": 1}}), "headers.accept", "type"),
            (serde_json::json!({"userAgent": "a", "url": "ftp://example.org/"}), "url", "format"),
            (serde_json::json!({"userAgent": "a", "url": "a/b"}), "url", "format"),
            (serde_json::json!({"userAgent": "a", "method": "GET IT"}), "method", "format"),
            (serde_json::json!({"userAgent": "a", "method": "A".repeat(17)}), "method", "too_long"),
            (serde_json::json!({"userAgent": "a", "tls": "x"}), "tls", "type"),
            (serde_json::json!({"userAgent": "a", "client": {"webdriver": 1}}), "client.webdriver", "type"),
            (
                serde_json::json!({"userAgent": "a", "client": {"visibleMs": -1}}),
                "client.visibleMs",
                "out_of_range",
            ),
            (serde_json::json!({"userAgent": "a", "record": "no"}), "record", "type"),
        ] {
            let details = details(&body);
            assert_eq!((&details["field"], &details["reason"]), (&field.into(), &reason.into()), "{body}");
        }
    }

    #[test]
    fn several_faults_are_listed_up_to_twenty() {
        let two = details(&serde_json::json!({"userAgent": 1, "ip": 2}));
        assert_eq!(two["errors"].as_array().unwrap().len(), 2);
        let headers: Map<String, Value> = (0..50).map(|number| (format!("h{number}"), Value::Null)).collect();
        assert_eq!(details(&serde_json::json!({"headers": headers}))["errors"].as_array().unwrap().len(), 20);
        let many: Map<String, Value> = (0..101).map(|number| (format!("h{number}"), "x".into())).collect();
        assert_eq!(details(&serde_json::json!({"headers": many}))["max"], 100);
    }
}
