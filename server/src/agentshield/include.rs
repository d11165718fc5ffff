//! What a caller can ask for beyond the documented members: `?include=…` and the object `extended`.

use axum::http::Uri;
use quivive_core::agent::{Classification, Group};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::query::Query;
use super::wire::Result;
use crate::flows::detection::Seen;
use crate::flows::detection::policy::Ruling;
use crate::tenant::Project;

/// The members of `extended` that a caller asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Include(Vec<&'static str>);

impl Include {
    /// Reads the parameter beside others of a query.
    pub fn read(query: &mut Query<'_>) -> Self {
        Self(query.choices("include", &MEMBERS))
    }

    /// Reads the parameter of an address.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with the reason `unknown_value` for a word that names no member.
    pub fn of(uri: &Uri) -> Result<Self> {
        let mut query = Query::of(uri);
        let include = Self::read(&mut query);
        query.finish(include)
    }

    /// The object `extended` with those of the members that are asked for; nothing when none is asked for at all.
    pub fn extended(&self, members: &[(&'static str, &dyn Fn() -> Value)]) -> Option<Map<String, Value>> {
        let wants = |member: &'static str| self.0.contains(&member) || self.0.contains(&"all");
        let wanted = members.iter().filter(|(member, _)| wants(member));
        let extended = wanted.map(|(member, value)| ((*member).to_owned(), value())).collect();
        (!self.0.is_empty()).then_some(extended)
    }

    /// The object for one detection that was just made; nothing when nothing was asked for.
    pub fn of_seen(&self, project: &Project, seen: &Seen, id: &str) -> Option<Map<String, Value>> {
        let classification = &seen.classification;
        let micros = u64::try_from(seen.took.as_micros()).unwrap_or(u64::MAX);
        let mut extended = self.extended(&[
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

/// What kind of visitor a request comes from.
pub fn class(classification: &Classification) -> Value {
    json!({
        "detectionClass": classification.detection_class,
        "subType": classification.sub_type,
        "category": classification.category,
        "confidenceLevel": classification.confidence_level,
        "riskLevel": classification.risk_level,
    })
}

/// The catalogued agent, or nothing.
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

/// How far the identity is proven.
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

/// What was seen, each with its weight.
pub fn signals(classification: &Classification) -> Value {
    let signals = classification.evidence.iter().map(|evidence| {
        let group = Group::of(&evidence.id).map(Group::letter);
        json!({ "id": evidence.id, "group": group, "weight": evidence.weight, "detail": evidence.source })
    });
    Value::Array(signals.collect())
}

const MEMBERS: [&str; 8] =
    ["agent", "verification", "signals", "policy", "class", "timing", "settings", "all"];
