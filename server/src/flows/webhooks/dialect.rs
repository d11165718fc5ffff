//! What a receiver sees of a delivery: headers, signature, and how often it is tried.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use quivive_core::Timestamp;
use quivive_core::crypto::hmac_sha256;
use quivive_core::encoding;
use serde::{Deserialize, Serialize};

/// The form of deliveries, by API family.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// `X-AgentShield-*` headers, eight tries within 32 hours.
    Agentshield,
}

impl Dialect {
    /// The time for one try.
    pub(super) fn timeout(self) -> Duration {
        match self {
            Self::Agentshield => Duration::from_secs(10),
        }
    }

    /// The pause before the next try after so many, in milliseconds and before it is varied; nothing when it was the
    /// last.
    pub(super) fn pause(self, tries: u32) -> Option<i64> {
        let pauses = match self {
            Self::Agentshield => AGENTSHIELD_PAUSES,
        };
        usize::try_from(tries).ok()?.checked_sub(1).and_then(|index| pauses.get(index)).copied()
    }

    /// The headers of a try, signed with every secret that is good.
    pub(super) fn headers(
        self,
        event: &str,
        delivery_id: &str,
        at: Timestamp,
        secrets: &[String],
        body: &str,
    ) -> HeaderMap {
        let [event_name, delivery_name, signature_name] = match self {
            Self::Agentshield => AGENTSHIELD_HEADERS,
        };
        let mut line = format!("t={}", at.seconds());
        for secret in secrets {
            line.push_str(",v1=");
            line.push_str(&signature(secret, at, body));
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("Quivive-Webhooks/1"));
        for (name, value) in [(event_name, event), (delivery_name, delivery_id), (signature_name, &line)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers
    }
}

/// The `v1` value: HMAC-SHA-256 of the Unix second, a dot and the body, keyed with the whole secret; lower-case
/// hexadecimal.
pub fn signature(secret: &str, at: Timestamp, body: &str) -> String {
    encoding::hex(&hmac_sha256(secret.as_bytes(), format!("{}.{body}", at.seconds()).as_bytes()))
}

const AGENTSHIELD_HEADERS: [&str; 3] =
    ["x-agentshield-event", "x-agentshield-delivery", "x-agentshield-signature"];

/// 5 s, 30 s, 2 min, 10 min, 1 h, 6 h, 24 h.
const AGENTSHIELD_PAUSES: &[i64] = &[5_000, 30_000, 120_000, 600_000, 3_600_000, 21_600_000, 86_400_000];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_any_hmac_tool() {
        // printf '1234567890.{"a":1}' | openssl dgst -sha256 -hmac whsec_test
        let known = "5e220423f4c8bec878c3b1e2df2a4fc1c3a6d830e699384fed90b6c010c57e31";
        assert_eq!(signature("whsec_test", Timestamp::from_seconds(1_234_567_890), r#"{"a":1}"#), known);
    }

    #[test]
    fn seven_pauses_follow_the_first_try() {
        let pauses: Vec<i64> = (1..20).map_while(|tries| Dialect::Agentshield.pause(tries)).collect();
        assert_eq!(pauses, AGENTSHIELD_PAUSES);
        assert_eq!((pauses.len(), Dialect::Agentshield.pause(0)), (7, None));
    }
}
