//! Conditions of rules, compiled and evaluated.

use std::net::IpAddr;

use regex_lite::{Regex, RegexBuilder};
use serde::Serialize;
use serde_json::Value;

use super::{Condition, DecisionFacts, Field, Operator};
use crate::agent::{IpSet, VerificationMethod, VerificationStatus};
use crate::{Error, ErrorKind, Result};

/// A condition that was checked.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    condition: Condition,
    ranges: Option<IpSet>,
    pattern: Option<Regex>,
}

/// A fact that was observed.
enum Fact {
    Text(String),
    Number(f64),
    Truth(bool),
    Address(IpAddr),
}

impl Compiled {
    pub fn new(condition: Condition) -> Result<Self> {
        check(&condition)?;
        let is_membership = matches!(
            condition.operator,
            Operator::Equals | Operator::NotEquals | Operator::In | Operator::NotIn
        );
        let ranges = if condition.field == Field::Ip && is_membership {
            let texts: Vec<&str> = match &condition.value {
                Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
                value => value.as_str().into_iter().collect(),
            };
            Some(IpSet::parse(texts)?)
        } else {
            None
        };
        let pattern = match condition.operator {
            Operator::Matches => Some(pattern(&condition)?),
            _ => None,
        };
        Ok(Self { condition, ranges, pattern })
    }

    /// Whether the condition holds; a fact that was not observed makes it false, whatever the operator.
    pub fn holds(&self, facts: &DecisionFacts, path: Option<&str>) -> bool {
        let Some(fact) = observed(self.condition.field, facts, path) else { return false };
        if let (Some(ranges), Fact::Address(address)) = (&self.ranges, &fact) {
            let is_member = ranges.contains(*address);
            return match self.condition.operator {
                Operator::NotEquals | Operator::NotIn => !is_member,
                _ => is_member,
            };
        }
        self.compare(&fact)
    }

    fn compare(&self, fact: &Fact) -> bool {
        let value = &self.condition.value;
        let text = |test: fn(&str, &str) -> bool| match (fact.text(), value.as_str()) {
            (Some(fact), Some(value)) => test(&self.folded(&fact), &self.folded(value)),
            _ => false,
        };
        let number = |test: fn(&f64, &f64) -> bool| match (fact, value.as_f64()) {
            (Fact::Number(fact), Some(value)) => test(fact, &value),
            _ => false,
        };
        let is_one_of =
            || value.as_array().is_some_and(|items| items.iter().any(|item| self.equals(fact, item)));
        match self.condition.operator {
            Operator::Equals => self.equals(fact, value),
            Operator::NotEquals => !self.equals(fact, value),
            Operator::Contains => text(|fact, value| fact.contains(value)),
            Operator::NotContains => fact.text().is_some() && !text(|fact, value| fact.contains(value)),
            Operator::StartsWith => text(|fact, value| fact.starts_with(value)),
            Operator::EndsWith => text(|fact, value| fact.ends_with(value)),
            Operator::GreaterThan => number(f64::gt),
            Operator::LessThan => number(f64::lt),
            Operator::GreaterThanOrEquals => number(f64::ge),
            Operator::LessThanOrEquals => number(f64::le),
            Operator::In => is_one_of(),
            Operator::NotIn => !is_one_of(),
            Operator::Matches => fact.text().is_some_and(|fact| self.matches(&fact)),
        }
    }

    /// Of longer texts the beginning is looked at: the time grows with text and pattern.
    fn matches(&self, text: &str) -> bool {
        let looked_at = text.get(..text.floor_char_boundary(MOST_SEARCHED_BYTES)).unwrap_or(text);
        self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(looked_at))
    }

    fn equals(&self, fact: &Fact, value: &Value) -> bool {
        match (fact, value) {
            (Fact::Number(fact), Value::Number(value)) => value.as_f64() == Some(*fact),
            (Fact::Truth(fact), Value::Bool(value)) => fact == value,
            (_, Value::String(value)) => {
                fact.text().is_some_and(|fact| self.folded(&fact) == self.folded(value))
            }
            _ => false,
        }
    }

    fn folded(&self, text: &str) -> String {
        if self.condition.case_insensitive { text.to_lowercase() } else { text.to_owned() }
    }
}

impl Fact {
    fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Address(address) => Some(address.to_canonical().to_string()),
            Self::Number(_) | Self::Truth(_) => None,
        }
    }
}

fn observed(field: Field, facts: &DecisionFacts, path: Option<&str>) -> Option<Fact> {
    let classification = facts.classification.as_ref();
    let agent = || classification.and_then(|classification| classification.agent.as_ref());
    let text = |text: &Option<String>| text.clone().map(Fact::Text);
    match field {
        Field::AgentType => name(classification?.detection_class),
        Field::AgentName => Some(Fact::Text(agent()?.name.clone())),
        Field::AgentVendor => text(&agent()?.vendor),
        Field::ClientDid => text(&facts.client_did),
        Field::AgentDid => text(&facts.agent_did),
        Field::Confidence => Some(Fact::Number(classification?.confidence)),
        Field::ReputationScore => facts.reputation.map(Fact::Number),
        Field::RiskLevel => name(classification?.risk_level),
        Field::Path => path.map(|path| Fact::Text(path.to_owned())),
        Field::Method => text(&facts.method),
        Field::Origin => text(&facts.origin),
        Field::UserAgent => text(&facts.user_agent),
        Field::SignatureVerified => Some(Fact::Truth(is_signed(facts))),
        Field::IsAuthenticated => facts.is_authenticated.map(Fact::Truth),
        Field::HasValidDelegation => facts.has_valid_delegation.map(Fact::Truth),
        Field::BotType => name(classification?.bot_type),
        Field::SubType => name(classification?.sub_type?),
        Field::Verification => name(classification?.verification.status),
        Field::Forgeability => name(classification?.verification.forgeability),
        Field::Ip => facts.ip.map(Fact::Address),
        Field::Asn => facts.asn.map(|number| Fact::Number(f64::from(number))),
        Field::Country => text(&facts.country),
        Field::RequestRate300s => facts.request_rate_300s.map(|count| Fact::Number(f64::from(count))),
    }
}

/// Whether a message signature was verified; a request without one has none that was.
pub(super) fn is_signed(facts: &DecisionFacts) -> bool {
    facts.classification.as_ref().is_some_and(|classification| {
        classification.verification.status == VerificationStatus::Verified
            && classification.verification.method == VerificationMethod::HttpSignature
    })
}

fn name(value: impl Serialize) -> Option<Fact> {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => Some(Fact::Text(name)),
        _ => None,
    }
}

fn check(condition: &Condition) -> Result<()> {
    let Condition { field, operator, value, .. } = condition;
    let invalid = |text: &str| Err(Error::invalid_input(format!("condition on {field:?}: {text}")));
    if text_length(value) > LONGEST_TEXT || value.as_array().is_some_and(|items| items.len() > LONGEST_LIST) {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("condition on {field:?}: value is too long"),
        ));
    }
    match operator {
        Operator::Matches => {
            if !value.is_string() {
                return invalid("the operator needs a regular expression");
            }
            if text_length(value) > LONGEST_PATTERN {
                return Err(Error::new(
                    ErrorKind::LimitExceeded,
                    format!(
                        "condition on {field:?}: a regular expression is longer than {LONGEST_PATTERN} bytes"
                    ),
                ));
            }
        }
        Operator::GreaterThan
        | Operator::LessThan
        | Operator::GreaterThanOrEquals
        | Operator::LessThanOrEquals => {
            if !value.is_number() {
                return invalid("the operator needs a number");
            }
        }
        Operator::Contains | Operator::NotContains | Operator::StartsWith | Operator::EndsWith => {
            if !value.is_string() {
                return invalid("the operator needs a text");
            }
        }
        Operator::In | Operator::NotIn => {
            if !value.as_array().is_some_and(|items| items.iter().all(is_scalar)) {
                return invalid("the operator needs a list of texts, numbers or truth values");
            }
        }
        Operator::Equals | Operator::NotEquals => {
            if !is_scalar(value) {
                return invalid("the operator needs a text, a number or a truth value");
            }
        }
    }
    let is_share = matches!(field, Field::Confidence | Field::ReputationScore);
    if is_share && value.as_f64().is_some_and(|value| !(0.0..=1.0).contains(&value)) {
        return invalid("the value is not from 0 to 1");
    }
    Ok(())
}

fn pattern(condition: &Condition) -> Result<Regex> {
    expression(condition.value.as_str().unwrap_or_default(), condition.case_insensitive)
        .map_err(|error| Error::invalid_input(format!("condition on {:?}: {error}", condition.field)))
}

/// A regular expression, on an engine whose time is linear in the text.
pub(super) fn expression(text: &str, case_insensitive: bool) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(text).case_insensitive(case_insensitive).size_limit(LARGEST_PATTERN).build()
}

fn is_scalar(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}

fn text_length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::len).max().unwrap_or(0),
        _ => 0,
    }
}

const LONGEST_TEXT: usize = 1_024;
const LONGEST_LIST: usize = 256;
const LONGEST_PATTERN: usize = 256;
/// Bytes that a compiled expression may take; repetitions of repetitions grow fast.
const LARGEST_PATTERN: usize = 16 * 1024;
/// Bytes in which an expression is searched: the worst that fits takes a few milliseconds for them.
pub(super) const MOST_SEARCHED_BYTES: usize = 2 * 1024;
