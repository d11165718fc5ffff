//! What a caller can ask for beyond the documented members: `?include=…` and the object `extended`.

use std::collections::BTreeSet;

use quivive_core::agent::{Classification, Group};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::wire::{Failure, Fault, Result};
use crate::flows::detection::Seen;
use crate::flows::detection::policy::Ruling;
use crate::tenant::Project;

/// The members of `extended` that a caller asked for.
#[derive(Debug, Default, PartialEq)]
pub struct Include(BTreeSet<&'static str>);

impl Include {
    /// Reads the parameters `include` of a query.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with the reason `unknown_value` for a word that names no member.
    pub fn read(query: &str) -> Result<Self> {
        let mut members = BTreeSet::new();
        let values = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "include");
        for (_, value) in values {
            for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
                let Some(member) = INCLUDABLE.iter().find(|member| **member == word) else {
                    return Err(Failure::invalid(&[Fault::new("include", "unknown_value")]));
                };
                members.insert(*member);
            }
        }
        Ok(Self(members))
    }

    /// The object for one detection; nothing when nothing was asked for.
    pub fn extended(&self, project: &Project, seen: &Seen, id: &str) -> Option<Map<String, Value>> {
        if self.0.is_empty() {
            return None;
        }
        let classification = &seen.classification;
        let micros = u64::try_from(seen.took.as_micros()).unwrap_or(u64::MAX);
        let mut extended = Map::new();
        let mut put = |member: &str, value: &dyn Fn() -> Value| {
            if self.0.contains(member) || self.0.contains("all") {
                extended.insert(member.to_owned(), value());
            }
        };
        put("class", &|| class(classification));
        put("agent", &|| agent(classification));
        put("verification", &|| verification(classification));
        put("signals", &|| signals(classification));
        put("policy", &|| ruling(&seen.ruling));
        put("timing", &|| json!({ "micros": micros }));
        put("settings", &|| settings(project));
        extended.insert("detectionId".to_owned(), json!(id));
        Some(extended)
    }
}

/// What a policy says: the action as it is taken, and why.
pub fn ruling(ruling: &Ruling) -> Value {
    let decision = &ruling.decision;
    let mut object = json!({
        "action": ruling.action,
        "reason": decision.reason,
        "matchType": decision.match_type,
        "ruleId": decision.rule_id,
    });
    if let Some(object) = object.as_object_mut() {
        let texts = [
            ("ruleName", &decision.rule_name),
            ("redirectUrl", &decision.redirect_url),
            ("message", &decision.message),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                object.insert(name.to_owned(), json!(text));
            }
        }
    }
    object
}

/// A value's name on the wire.
pub fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn settings(project: &Project) -> Value {
    let detection = &project.detection;
    json!({
        "detectionEnabled": detection.is_enabled,
        "blockingEnabled": detection.is_blocking,
        "detectionThreshold": detection.threshold,
        "ipMode": detection.ip_mode,
        "retentionDays": detection.retention_days,
        "humanRows": detection.human_rows,
        "keepQuery": detection.keep_query,
    })
}

fn class(classification: &Classification) -> Value {
    json!({
        "detectionClass": classification.detection_class,
        "subType": classification.sub_type,
        "category": classification.category,
        "confidenceLevel": classification.confidence_level,
        "riskLevel": classification.risk_level,
    })
}

fn agent(classification: &Classification) -> Value {
    classification.agent.as_ref().map_or(Value::Null, |agent| {
        json!({
            "id": agent.id,
            "name": agent.name,
            "vendor": agent.vendor,
            "trigger": agent.trigger,
            "robotsToken": agent.robots_token,
            "infoUrl": agent.info_url,
        })
    })
}

fn verification(classification: &Classification) -> Value {
    let verification = &classification.verification;
    json!({
        "status": verification.status,
        "method": verification.method,
        "forgeability": verification.forgeability,
        "keyid": verification.keyid,
        "signatureAgent": verification.signature_agent,
        "checkedAt": verification.checked_at.to_seconds_text(),
    })
}

fn signals(classification: &Classification) -> Value {
    let signals = classification.evidence.iter().map(|evidence| {
        let group = Group::of(&evidence.id).map(Group::letter);
        json!({ "id": evidence.id, "group": group, "weight": evidence.weight, "detail": evidence.source })
    });
    Value::Array(signals.collect())
}

const INCLUDABLE: [&str; 8] =
    ["agent", "verification", "signals", "policy", "class", "timing", "settings", "all"];
