//! What most owners want of a policy, read from and put into the whole of it.

use quivive_core::agent::Purpose;
use serde_json::{Map, Value, json};

use crate::console::access::{Form, Owned};
use crate::console::detections::words;
use crate::flows::detection::row::name;

/// The common wishes.
pub(super) struct Wishes {
    /// Whether the policy is on.
    pub is_enabled: bool,
    /// Whether middleware does what it says.
    pub is_enforced: bool,
    /// The action for each purpose of AI; empty for "as everybody else".
    pub purposes: Vec<(Purpose, String)>,
    /// The confidence in percent from which everybody else is met with `action`.
    pub threshold: String,
    /// What everybody else is met with.
    pub action: String,
}

impl Wishes {
    /// As a policy grants them.
    pub fn of(owned: &Owned, document: &Value) -> Self {
        let rules = document.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let action = |purpose: Purpose| {
            let rule = rules.iter().find(|rule| text(rule, "/id") == rule_id(purpose));
            rule.map(|rule| text(rule, "/action")).unwrap_or_default().to_owned()
        };
        let threshold = document.pointer("/thresholds/confidenceThreshold");
        Self {
            is_enabled: is_unset(document) || document.get("enabled") == Some(&Value::Bool(true)),
            is_enforced: owned.project.detection.is_blocking,
            purposes: Purpose::AI.into_iter().map(|purpose| (purpose, action(purpose))).collect(),
            threshold: threshold.map(Value::to_string).unwrap_or_default(),
            action: text(document, "/thresholds/confidenceAction").to_owned(),
        }
    }

    /// As a form asks for them.
    pub fn read(form: &Form) -> Self {
        let wanted = |purpose: Purpose| (purpose, form.text(&rule_id(purpose)).to_owned());
        Self {
            is_enabled: form.is_ticked("enabled"),
            is_enforced: form.is_ticked("enforced"),
            purposes: Purpose::AI.into_iter().map(wanted).collect(),
            threshold: form.text("threshold").trim().to_owned(),
            action: form.text("action").to_owned(),
        }
    }

    /// A policy with these wishes in the place of former ones. What cannot be read is refused by the policy's reader.
    pub fn within(&self, present: &Value) -> Value {
        let mut document = present.as_object().cloned().unwrap_or_default();
        document.remove("updatedAt");
        document.insert("enabled".to_owned(), json!(self.is_enabled));
        let limits = document.entry("thresholds").or_insert_with(|| Value::Object(Map::new()));
        if let Some(limits) = limits.as_object_mut() {
            let threshold = self.threshold.parse::<f64>();
            let threshold = threshold.map_or_else(|_| json!(self.threshold), |number| json!(number));
            limits.insert("confidenceThreshold".to_owned(), threshold);
            limits.insert("confidenceAction".to_owned(), json!(self.action));
        }
        let mut rules = present.get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
        rules.retain(|rule| !Purpose::AI.into_iter().any(|purpose| text(rule, "/id") == rule_id(purpose)));
        rules.extend(self.purposes.iter().filter(|(_, action)| !action.is_empty()).map(rule));
        document.insert("rules".to_owned(), Value::Array(rules));
        Value::Object(document)
    }
}

/// Whether no policy was put yet.
pub(super) fn is_unset(document: &Value) -> bool {
    document.get("updatedAt").is_none_or(Value::is_null)
}

/// The id of the rule for whoever comes for a purpose.
pub(super) fn rule_id(purpose: Purpose) -> String {
    format!("purpose-{}", purpose.name().replace('_', "-"))
}

fn rule((purpose, action): &(Purpose, String)) -> Value {
    let kinds: Vec<String> = purpose.sub_types().map(|kind| name(&kind)).collect();
    json!({
        "id": rule_id(*purpose),
        "name": words::purpose(*purpose),
        "priority": 100,
        "enabled": true,
        "conditions": [{ "field": "subType", "operator": "in", "value": kinds }],
        "action": action,
    })
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The usual actions.
pub(super) const ACTIONS: [(&str, &str); 4] =
    [("allow", "Allow"), ("log", "Allow and note"), ("challenge", "Challenge"), ("block", "Block")];
