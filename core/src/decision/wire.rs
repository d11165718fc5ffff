//! The policy as AgentShield's clients write it: camelCase, confidences in percent, and a compact notation.
//!
//! Inside there is one scale, 0 to 1. Percent exist only here: a figure above 1 is one of 100, others are taken as
//! they are, and what is written reads back as the same.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::address::{is_address, is_path};
use super::path::PathPattern;
use super::{
    Action, Condition, Decider, Field, ListEntry, Operator, PathRule, Policy, Rule, Thresholds, condition,
    list,
};
use crate::{Error, ErrorKind};

/// Why a member of a policy is not accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyFault {
    /// The member, for example `rules[0].conditions[1].value`.
    pub field: String,
    /// One of `required`, `type`, `format`, `too_long`, `too_many`, `out_of_range`, `unknown_value`,
    /// `mutually_exclusive`.
    pub reason: &'static str,
    /// A sentence for a person, where there is more to say.
    pub message: Option<String>,
}

/// Reads either notation: the full one, and the compact one with `blockThreshold`, names as list entries and
/// `pathRules`. Both may be mixed; unknown members are ignored. What is returned compiles.
///
/// # Errors
/// Every fault that was found.
pub fn read_policy(policy: &Value) -> Result<Policy, Vec<PolicyFault>> {
    let mut reader = Reader::default();
    let policy = reader.policy(policy);
    if reader.0.is_empty()
        && let Err(error) = Decider::new(policy.clone())
    {
        reader.refused("policy".to_owned(), &error);
    }
    if reader.0.is_empty() { Ok(policy) } else { Err(reader.0) }
}

/// Writes the full notation.
pub fn write_policy(policy: &Policy) -> Value {
    let limits = &policy.thresholds;
    let mut object = json!({
        "version": policy.version,
        "enabled": policy.enabled,
        "defaultAction": policy.default_action,
        "redirectUrl": policy.redirect_url,
        "rewriteUrl": policy.rewrite_url,
        "thresholds": {
            "confidenceThreshold": percent(limits.confidence_threshold),
            "confidenceAction": limits.confidence_action,
            "minReputationScore": percent(limits.min_reputation_score),
            "lowReputationAction": limits.low_reputation_action,
            "trustedReputationThreshold": percent(limits.trusted_reputation_threshold),
            "trustSignedRequests": limits.trust_signed_requests,
        },
        "allowList": policy.allow_list.iter().map(written_entry).collect::<Vec<_>>(),
        "denyList": policy.deny_list.iter().map(written_entry).collect::<Vec<_>>(),
        "excludedPaths": policy.excluded_paths,
        "includedPaths": policy.included_paths,
        "rules": policy.rules.iter().map(written_rule).collect::<Vec<_>>(),
        "pathRules": policy.path_rules.iter().map(written_path_rule).collect::<Vec<_>>(),
        "require": policy.require,
        "capability": policy.capability,
        "audience": policy.audience,
        "onUnknown": policy.on_unknown,
        "failOpen": policy.fail_open,
        "timeoutMs": policy.timeout_ms,
    });
    leave_out_nulls(&mut object);
    object
}

fn written_entry(entry: &ListEntry) -> Value {
    without_nulls(json!({
        "clientName": entry.client_name,
        "clientDid": entry.client_did,
        "agentDid": entry.agent_did,
        "ip": entry.ip,
        "reason": entry.reason,
    }))
}

fn written_rule(rule: &Rule) -> Value {
    without_nulls(json!({
        "id": rule.id,
        "name": rule.name,
        "priority": rule.priority,
        "enabled": rule.enabled,
        "conditions": rule.conditions.iter().map(written_condition).collect::<Vec<_>>(),
        "action": rule.action,
        "message": rule.message,
        "redirectUrl": rule.redirect_url,
    }))
}

fn written_condition(condition: &Condition) -> Value {
    let value = match &condition.value {
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| in_percent(condition.field, item)).collect())
        }
        value => in_percent(condition.field, value),
    };
    let mut object = json!({
        "field": camel_case(&name_of(condition.field)),
        "operator": camel_case(&name_of(condition.operator)),
        "value": value,
    });
    if let (true, Some(object)) = (condition.case_insensitive, object.as_object_mut()) {
        object.insert("caseInsensitive".to_owned(), json!(true));
    }
    object
}

fn written_path_rule(rule: &PathRule) -> Value {
    without_nulls(json!({
        "pattern": rule.pattern,
        "action": rule.action,
        "minConfidence": rule.min_confidence.map(percent),
        "priority": rule.priority,
    }))
}

/// Reads members and notes what is wrong with them.
#[derive(Default)]
struct Reader(Vec<PolicyFault>);

impl Reader {
    fn policy(&mut self, value: &Value) -> Policy {
        let usual = Policy::default();
        let Some(object) = value.as_object() else {
            self.fault("policy", "type");
            return usual;
        };
        let text = |reader: &mut Self, name: &str| reader.text(object, "", name, LONGEST_TEXT);
        let policy = Policy {
            version: text(self, "version").unwrap_or(usual.version),
            enabled: self.truth(object, "", "enabled").unwrap_or(usual.enabled),
            default_action: self.action(object, "", "defaultAction").unwrap_or(usual.default_action),
            redirect_url: self.address(object, "", "redirectUrl", is_address),
            rewrite_url: self.address(object, "", "rewriteUrl", is_path),
            thresholds: self.thresholds(object),
            allow_list: self.items(object, "", "allowList", 1_000, Self::entry),
            deny_list: self.items(object, "", "denyList", 1_000, Self::entry),
            excluded_paths: self.items(object, "", "excludedPaths", 1_000, Self::path),
            included_paths: self.items(object, "", "includedPaths", 1_000, Self::path),
            rules: self.items(object, "", "rules", 200, Self::rule),
            path_rules: self.items(object, "", "pathRules", 200, Self::path_rule),
            require: self.choice(object, "", "require").unwrap_or(usual.require),
            capability: text(self, "capability"),
            audience: text(self, "audience"),
            on_unknown: self.action(object, "", "onUnknown").unwrap_or(usual.on_unknown),
            fail_open: self.truth(object, "", "failOpen"),
            timeout_ms: self.whole(object, "", "timeoutMs", 0, 60_000),
        };
        self.addresses(&policy);
        policy
    }

    fn thresholds(&mut self, policy: &Map<String, Value>) -> Thresholds {
        let usual = Thresholds::default();
        let block = self.share(policy, "", "blockThreshold");
        let none = Map::new();
        let object = self.object(policy, "thresholds").unwrap_or(&none);
        let at = "thresholds.";
        if block.is_some()
            && ["confidenceThreshold", "confidenceAction"].iter().any(|name| is_given(object, name))
        {
            self.fault("blockThreshold", "mutually_exclusive");
        }
        Thresholds {
            confidence_threshold: block
                .or_else(|| self.share(object, at, "confidenceThreshold"))
                .unwrap_or(usual.confidence_threshold),
            confidence_action: self.action(object, at, "confidenceAction").unwrap_or(usual.confidence_action),
            min_reputation_score: self
                .share(object, at, "minReputationScore")
                .unwrap_or(usual.min_reputation_score),
            low_reputation_action: self
                .action(object, at, "lowReputationAction")
                .unwrap_or(usual.low_reputation_action),
            trusted_reputation_threshold: self
                .share(object, at, "trustedReputationThreshold")
                .unwrap_or(usual.trusted_reputation_threshold),
            trust_signed_requests: self
                .truth(object, at, "trustSignedRequests")
                .unwrap_or(usual.trust_signed_requests),
        }
    }

    /// An entry by its members, or a name alone.
    fn entry(&mut self, value: &Value, at: &str) -> Option<ListEntry> {
        let entry = match value {
            Value::String(name) if name.len() > LONGEST_NAME => {
                self.fault(at, "too_long");
                return None;
            }
            Value::String(name) => ListEntry { client_name: Some(name.clone()), ..ListEntry::default() },
            Value::Object(object) => {
                let place = format!("{at}.");
                let text = |reader: &mut Self, name: &str| reader.text(object, &place, name, LONGEST_NAME);
                ListEntry {
                    client_name: text(self, "clientName"),
                    client_did: text(self, "clientDid"),
                    agent_did: text(self, "agentDid"),
                    ip: text(self, "ip"),
                    reason: text(self, "reason"),
                }
            }
            _ => {
                self.fault(at, "type");
                return None;
            }
        };
        self.compiles(at, list::Compiled::new(entry.clone()));
        Some(entry)
    }

    fn path(&mut self, value: &Value, at: &str) -> Option<String> {
        let Some(pattern) = value.as_str() else {
            self.fault(at, "type");
            return None;
        };
        self.compiles(at, PathPattern::new(pattern));
        Some(pattern.to_owned())
    }

    fn rule(&mut self, value: &Value, at: &str) -> Option<Rule> {
        let Some(object) = value.as_object() else {
            self.fault(at, "type");
            return None;
        };
        let place = &*format!("{at}.");
        let id = self.text(object, place, "id", LONGEST_NAME);
        if !is_given(object, "id") {
            self.fault(format!("{place}id"), "required");
        }
        Some(Rule {
            id: id.unwrap_or_default(),
            name: self.text(object, place, "name", LONGEST_NAME),
            priority: self.priority(object, place),
            enabled: self.truth(object, place, "enabled").unwrap_or(true),
            conditions: self.items(object, place, "conditions", 32, Self::condition),
            action: self.required_action(object, place),
            message: self.text(object, place, "message", LONGEST_TEXT),
            redirect_url: self.address(object, place, "redirectUrl", is_address),
        })
    }

    fn condition(&mut self, value: &Value, at: &str) -> Option<Condition> {
        let Some(object) = value.as_object() else {
            self.fault(at, "type");
            return None;
        };
        let place = &*format!("{at}.");
        for name in ["field", "operator", "value"] {
            if !is_given(object, name) {
                self.fault(format!("{place}{name}"), "required");
            }
        }
        let field: Option<Field> = self.choice(object, place, "field");
        let operator: Option<Operator> = self.choice(object, place, "operator");
        let case_insensitive = self.truth(object, place, "caseInsensitive").unwrap_or(false);
        let (field, operator, value) = (field?, operator?, given(object, "value")?);
        let value = match value {
            Value::Array(items) => Value::Array(items.iter().map(|item| of_percent(field, item)).collect()),
            value => of_percent(field, value),
        };
        let condition = Condition { field, operator, value, case_insensitive };
        self.compiles(&format!("{place}value"), condition::Compiled::new(condition.clone()));
        Some(condition)
    }

    fn path_rule(&mut self, value: &Value, at: &str) -> Option<PathRule> {
        let Some(object) = value.as_object() else {
            self.fault(at, "type");
            return None;
        };
        let place = &*format!("{at}.");
        let Some(pattern) = object.get("pattern") else {
            self.fault(format!("{place}pattern"), "required");
            return None;
        };
        Some(PathRule {
            pattern: self.path(pattern, &format!("{place}pattern")).unwrap_or_default(),
            action: self.required_action(object, place),
            min_confidence: self.share(object, place, "minConfidence"),
            priority: self.priority(object, place),
        })
    }

    /// Redirections need to lead somewhere.
    fn addresses(&mut self, policy: &Policy) {
        let limits = &policy.thresholds;
        let plain = [
            policy.default_action,
            policy.on_unknown,
            limits.confidence_action,
            limits.low_reputation_action,
        ];
        let of_rules = policy.rules.iter().filter(|rule| rule.redirect_url.is_none()).map(|rule| rule.action);
        let of_paths = policy.path_rules.iter().map(|rule| rule.action);
        let actions: Vec<Action> = plain.into_iter().chain(of_rules).chain(of_paths).collect();
        for (action, name, address) in [
            (Action::Redirect, "redirectUrl", &policy.redirect_url),
            (Action::Rewrite, "rewriteUrl", &policy.rewrite_url),
        ] {
            if address.is_none() && actions.contains(&action) {
                self.fault(name, "required");
            }
        }
    }

    fn required_action(&mut self, object: &Map<String, Value>, at: &str) -> Action {
        if !is_given(object, "action") {
            self.fault(format!("{at}action"), "required");
        }
        self.action(object, at, "action").unwrap_or_default()
    }

    /// `permit` is another word for `allow`; `delay` is not among AgentShield's actions.
    fn action(&mut self, object: &Map<String, Value>, at: &str, name: &str) -> Option<Action> {
        if object.get(name).and_then(Value::as_str) == Some("permit") {
            return Some(Action::Allow);
        }
        let action = self.choice(object, at, name);
        if action == Some(Action::Delay) {
            self.fault(format!("{at}{name}"), "unknown_value");
        }
        action
    }

    fn priority(&mut self, object: &Map<String, Value>, at: &str) -> i32 {
        self.whole(object, at, "priority", -1_000_000, 1_000_000).unwrap_or(100)
    }

    fn choice<T: DeserializeOwned>(
        &mut self,
        object: &Map<String, Value>,
        at: &str,
        name: &str,
    ) -> Option<T> {
        let word = self.text(object, at, name, LONGEST_TEXT)?;
        let choice = serde_json::from_value(Value::String(snake_case(&word))).ok();
        if choice.is_none() {
            self.fault(format!("{at}{name}"), "unknown_value");
        }
        choice
    }

    /// A figure of 0 to 1, or above 1 in percent.
    fn share(&mut self, object: &Map<String, Value>, at: &str, name: &str) -> Option<f64> {
        let value = given(object, name)?;
        let Some(number) = value.as_f64() else {
            self.fault(format!("{at}{name}"), "type");
            return None;
        };
        if !(0.0..=100.0).contains(&number) {
            self.fault(format!("{at}{name}"), "out_of_range");
        }
        Some(share(number))
    }

    fn whole<T: TryFrom<i64>>(
        &mut self,
        object: &Map<String, Value>,
        at: &str,
        name: &str,
        least: i64,
        most: i64,
    ) -> Option<T> {
        let value = given(object, name)?;
        let number = value.as_i64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.fault(format!("{at}{name}"), if value.is_number() { "out_of_range" } else { "type" });
        }
        number.and_then(|number| T::try_from(number).ok())
    }

    fn truth(&mut self, object: &Map<String, Value>, at: &str, name: &str) -> Option<bool> {
        let value = given(object, name)?.as_bool();
        if value.is_none() {
            self.fault(format!("{at}{name}"), "type");
        }
        value
    }

    fn text(&mut self, object: &Map<String, Value>, at: &str, name: &str, most: usize) -> Option<String> {
        let value = given(object, name)?.as_str();
        match value {
            Some(text) if text.len() > most => self.fault(format!("{at}{name}"), "too_long"),
            Some(text) => return Some(text.to_owned()),
            None => self.fault(format!("{at}{name}"), "type"),
        }
        None
    }

    /// An address to which nobody can be sent is a fault, and read all the same.
    fn address(
        &mut self,
        object: &Map<String, Value>,
        at: &str,
        name: &str,
        is_fit: fn(&str) -> bool,
    ) -> Option<String> {
        let address = self.text(object, at, name, LONGEST_TEXT)?;
        if !is_fit(&address) {
            self.fault(format!("{at}{name}"), "format");
        }
        Some(address)
    }

    fn object<'a>(&mut self, object: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
        let value = given(object, name)?.as_object();
        if value.is_none() {
            self.fault(name, "type");
        }
        value
    }

    fn items<T>(
        &mut self,
        object: &Map<String, Value>,
        at: &str,
        name: &str,
        most: usize,
        read: fn(&mut Self, &Value, &str) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = given(object, name) else { return Vec::new() };
        let place = format!("{at}{name}");
        match value.as_array() {
            Some(items) if items.len() > most => self.fault(place, "too_many"),
            Some(items) => {
                let read = |(number, item)| read(self, item, &format!("{place}[{number}]"));
                return items.iter().enumerate().filter_map(read).collect();
            }
            None => self.fault(place, "type"),
        }
        Vec::new()
    }

    fn compiles<T>(&mut self, at: &str, compiled: crate::Result<T>) {
        if let Err(error) = compiled {
            self.refused(at.to_owned(), &error);
        }
    }

    fn refused(&mut self, field: String, error: &Error) {
        let reason = match error.kind() {
            ErrorKind::LimitExceeded => "too_long",
            _ => "format",
        };
        self.0.push(PolicyFault { field, reason, message: Some(error.message().to_owned()) });
    }

    fn fault(&mut self, field: impl Into<String>, reason: &'static str) {
        self.0.push(PolicyFault { field: field.into(), reason, message: None });
    }
}

/// Null stands for "not given".
fn given<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn is_given(object: &Map<String, Value>, name: &str) -> bool {
    given(object, name).is_some()
}

/// Percent are rounded to a billionth, so that 1.1 is 0.011 and not the float next to it.
fn share(number: f64) -> f64 {
    if number > 1.0 { (number * 1e7).round() / 1e9 } else { number }
}

/// Up to one percent a share is written as it is, since a figure up to 1 is not read as percent.
fn percent(share: f64) -> Value {
    let percent = (share * 1e8).round() / 1e6;
    let figure = if percent > 1.0 { percent } else { share };
    #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most 100")]
    if figure.fract() == 0.0 { json!(figure as i64) } else { json!(figure) }
}

fn is_share(field: Field) -> bool {
    matches!(field, Field::Confidence | Field::ReputationScore)
}

fn of_percent(field: Field, value: &Value) -> Value {
    match value.as_f64() {
        Some(number) if is_share(field) => json!(share(number)),
        _ => value.clone(),
    }
}

fn in_percent(field: Field, value: &Value) -> Value {
    match value.as_f64() {
        Some(number) if is_share(field) => percent(number),
        _ => value.clone(),
    }
}

fn without_nulls(mut value: Value) -> Value {
    leave_out_nulls(&mut value);
    value
}

fn leave_out_nulls(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, member| !member.is_null());
    }
}

fn name_of(word: impl Serialize) -> String {
    serde_json::to_value(word).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// `agentType` as `agent_type`; a number begins a word of its own.
fn snake_case(word: &str) -> String {
    let mut snake = String::with_capacity(word.len() + 4);
    let mut was_digit = true;
    for character in word.chars() {
        let is_digit = character.is_ascii_digit();
        if character.is_ascii_uppercase() || (is_digit && !was_digit) {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
        was_digit = is_digit;
    }
    snake
}

fn camel_case(word: &str) -> String {
    let mut camel = String::with_capacity(word.len());
    let mut is_next_upper = false;
    for character in word.chars() {
        if character == '_' {
            is_next_upper = true;
        } else {
            camel.push(if is_next_upper { character.to_ascii_uppercase() } else { character });
            is_next_upper = false;
        }
    }
    camel
}

const LONGEST_NAME: usize = 256;
const LONGEST_TEXT: usize = 2_048;

#[cfg(test)]
mod tests;
