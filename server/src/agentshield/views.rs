//! What `extended` shows of a detection.

use quivive_core::agent::{Classification, Group};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::include::Include;
use crate::flows::detection::Seen;
use crate::flows::detection::policy::Ruling;
use crate::tenant::Project;

/// The object for one detection; nothing when nothing was asked for.
pub fn extended(include: &Include, project: &Project, seen: &Seen, id: &str) -> Option<Map<String, Value>> {
    let classification = &seen.classification;
    let micros = u64::try_from(seen.took.as_micros()).unwrap_or(u64::MAX);
    let mut extended = include.extended(&[
        ("class", &|| class(classification)),
        ("agent", &|| agent(classification)),
        ("verification", &|| verification(classification)),
        ("signals", &|| signals(classification)),
        ("policy", &|| ruling(&seen.ruling)),
        ("timing", &|| json!({ "micros": micros })),
        ("settings", &|| settings(project)),
    ])?;
    extended.insert("detectionId".to_owned(), json!(id));
    Some(extended)
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

/// What it is, more exactly than the documented members say.
pub fn class(classification: &Classification) -> Value {
    json!({
        "detectionClass": classification.detection_class,
        "subType": classification.sub_type,
        "category": classification.category,
        "confidenceLevel": classification.confidence_level,
        "riskLevel": classification.risk_level,
    })
}

/// The catalogued agent that it is or claims to be; null when there is none.
pub fn agent(classification: &Classification) -> Value {
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

/// How far its identity is proven.
pub fn verification(classification: &Classification) -> Value {
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

/// What was seen.
pub fn signals(classification: &Classification) -> Value {
    let signals = classification.evidence.iter().map(|evidence| {
        let group = Group::of(&evidence.id).map(Group::letter);
        json!({ "id": evidence.id, "group": group, "weight": evidence.weight, "detail": evidence.source })
    });
    Value::Array(signals.collect())
}
