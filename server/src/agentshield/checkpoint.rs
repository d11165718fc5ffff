//! The shape in which later members of the family answer `/detect`, for their clients.

use axum::http::HeaderMap;
use quivive_core::agent::{Classification, DetectionClass, Group};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::detect::Metadata;
use super::include::word;
use super::wire::{Failure, Fault, Result};

/// The shape of an answer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, ToSchema)]
#[schema(as = AgentshieldShape)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// As documented; always with the header `X-AgentShield-Key`.
    Agentshield,
    /// As the later members of the family answer.
    Checkpoint,
}

impl Shape {
    /// The shape that a query asks for.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with the reason `unknown_value`.
    pub fn of(query: &str, headers: &HeaderMap) -> Result<Self> {
        let asked = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "shape");
        match asked.as_ref().map(|(_, value)| value.as_ref()) {
            None | Some("agentshield") => Ok(Self::Agentshield),
            Some("checkpoint") if headers.contains_key("x-agentshield-key") => Ok(Self::Agentshield),
            Some("checkpoint") => Ok(Self::Checkpoint),
            Some(_) => Err(Failure::invalid(&[Fault::new("shape", "unknown_value")])),
        }
    }
}

/// What the request was classified as, in the later shape.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldCheckpoint)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// `human`, `ai_agent`, `bot` or `incomplete_data`.
    detection_class: String,
    /// Likelihood that the request is automated, in percent.
    #[schema(minimum = 0, maximum = 100)]
    confidence: u8,
    /// The agent's name; left out when none is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    agent_type: Option<String>,
    /// Which planes gave evidence.
    signals: Signals,
    /// Who answered, and how fast.
    metadata: Metadata,
}

/// Which planes gave evidence of at least 0.5.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = AgentshieldCheckpointSignals)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the shape of the answer")]
pub struct Signals {
    /// The user agent.
    user_agent_match: bool,
    /// Behaviour, or the page's script.
    behavioral_signals: bool,
    /// Headers.
    header_analysis: bool,
    /// The TLS handshake.
    tls_fingerprint: bool,
}

impl Checkpoint {
    /// For a project whose detection is off.
    pub fn off(engine: String) -> Self {
        Self {
            detection_class: word(DetectionClass::IncompleteData),
            confidence: 0,
            agent_type: None,
            signals: Signals::default(),
            metadata: Metadata { engine, processing_time: 0 },
        }
    }
}

/// The answer in the later shape.
pub fn answer(classification: &Classification, metadata: Metadata) -> Checkpoint {
    let is_strong = |group: Group| weight(classification, group) >= STRONG;
    Checkpoint {
        detection_class: word(classification.detection_class),
        confidence: percent(classification.confidence),
        agent_type: classification.agent.as_ref().map(|agent| agent.name.clone()),
        signals: Signals {
            user_agent_match: is_strong(Group::UserAgent),
            behavioral_signals: is_strong(Group::Behavior) || is_strong(Group::Client),
            header_analysis: is_strong(Group::Headers),
            tls_fingerprint: is_strong(Group::Tls),
        },
        metadata,
    }
}

/// A share of 0 to 1 in whole percent.
pub fn percent(share: f64) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 100")]
    let percent = (share * 100.0).round().clamp(0.0, 100.0) as u8;
    percent
}

/// The weight of the strongest evidence of a group.
fn weight(classification: &Classification, group: Group) -> f64 {
    let of_group = classification.evidence.iter().filter(|item| Group::of(&item.id) == Some(group));
    of_group.map(|item| item.weight).fold(0.0, f64::max)
}

const STRONG: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_that_of_callers_with_other_keys() {
        let mut headers = HeaderMap::new();
        assert_eq!(Shape::of("a=b&shape=checkpoint", &headers).unwrap(), Shape::Checkpoint);
        assert_eq!(Shape::of("shape=agentshield", &headers).unwrap(), Shape::Agentshield);
        assert!(Shape::of("shape=round", &headers).is_err());
        headers.insert("x-agentshield-key", "as_live_x".parse().unwrap());
        assert_eq!(Shape::of("shape=checkpoint", &headers).unwrap(), Shape::Agentshield);
    }

    #[test]
    fn percent_are_rounded() {
        assert_eq!((percent(0.915), percent(0.02), percent(1.0), percent(7.0)), (92, 2, 100, 100));
    }
}
