//! Reading of the body of a detection: strict about types, silent about unknown members.

use quivive_core::Timestamp;
use quivive_core::agent::RequestFacts;
use serde_json::{Map, Value};

use super::body::{self, Reader};
use super::wire::Result;

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
        let body = body::object(body)?;
        let mut reader = Reader::default();
        let request = described(&mut reader, &body, threshold, now);
        reader.finish(request)
    }
}

/// Reads the members that describe a request; `threshold` is the project's.
pub fn described(
    reader: &mut Reader,
    body: &Map<String, Value>,
    threshold: f64,
    now: Timestamp,
) -> DetectRequest {
    if !["userAgent", "headers", "ip"].iter().any(|name| body.contains_key(*name)) {
        reader.fault("userAgent", "required");
    }
    let facts = RequestFacts {
        user_agent: reader.text(body, "userAgent", "userAgent", 4_096),
        ip: reader.ip(body),
        headers: reader.headers(body),
        url: reader.url(body),
        method: reader.method(body),
        tls: reader.tls(body),
        client: reader.client(body),
        threshold: Some(threshold),
        now,
        ..RequestFacts::default()
    };
    DetectRequest {
        facts,
        session_id: reader.text(body, "sessionId", "sessionId", 128),
        is_recorded: reader.truth(body, "record", "record").unwrap_or(true),
    }
}

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
