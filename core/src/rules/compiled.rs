//! An expression prepared for evaluation, and the evaluation in three truth values.
//!
//! `Some(true)`, `Some(false)`, and `None` for what is unknown because it was not observed. Each node is looked at
//! once at most; nothing is allocated.

use super::expression::{Comparison, Expression, Value};
use super::facts::Facts;
use super::field::{Field, FieldType, Operator};
use crate::agent::IpSet;

/// One node.
#[derive(Clone, Debug)]
pub(super) enum Test {
    And(Box<[Self]>),
    Or(Box<[Self]>),
    Not(Box<Self>),
    IsNull {
        field: Field,
        negated: bool,
    },
    Boolean {
        field: Field,
        value: bool,
    },
    Number {
        field: Field,
        operator: Operator,
        value: f64,
    },
    /// Sorted; countries in upper case.
    Text {
        field: Field,
        values: Box<[Box<str>]>,
        negated: bool,
    },
    Address {
        ranges: IpSet,
        negated: bool,
    },
    /// Sorted.
    Ids {
        ids: Box<[u32]>,
        negated: bool,
    },
}

impl Test {
    pub fn of(expression: &Expression) -> Self {
        let all = |parts: &[Expression]| parts.iter().map(Self::of).collect();
        match expression {
            Expression::And(parts) => Self::And(all(parts)),
            Expression::Or(parts) => Self::Or(all(parts)),
            Expression::Not(part) => Self::Not(Box::new(Self::of(part))),
            Expression::Bare(field) => Self::Boolean { field: *field, value: true },
            Expression::Comparison(comparison) => Self::of_comparison(comparison),
        }
    }

    fn of_comparison(comparison: &Comparison) -> Self {
        let Comparison { field, operator, value } = comparison;
        let field = *field;
        let negated = matches!(operator, Operator::NotEqual | Operator::NotIn);
        let texts: Vec<&str> = match value {
            Value::Null => return Self::IsNull { field, negated },
            Value::Boolean(value) => return Self::Boolean { field, value: *value != negated },
            Value::Number(value) => return Self::Number { field, operator: *operator, value: *value },
            Value::Numbers(values) => return Self::Ids { ids: ids(values), negated },
            Value::Text(value) => vec![value],
            Value::Texts(values) => values.iter().map(String::as_str).collect(),
        };
        match field.field_type() {
            FieldType::Ids => Self::Ids { ids: Box::default(), negated },
            // Each of them was read when the comparison was checked.
            FieldType::Address => Self::Address { ranges: IpSet::parse(texts).unwrap_or_default(), negated },
            _ => Self::Text { field, values: sorted_texts(field, &texts), negated },
        }
    }

    /// Whether the whole is true, and not only unknown.
    pub fn is_true(&self, facts: &Facts) -> bool {
        self.truth(facts) == Some(true)
    }

    fn truth(&self, facts: &Facts) -> Option<bool> {
        match self {
            Self::And(parts) => chain(parts, facts, false),
            Self::Or(parts) => chain(parts, facts, true),
            Self::Not(part) => part.truth(facts).map(|truth| !truth),
            Self::IsNull { field, negated } => Some(is_null(*field, facts) != *negated),
            Self::Boolean { field, value } => boolean(*field, facts).map(|fact| fact == *value),
            Self::Number { field, operator, value } => compare(*field, *operator, *value, facts),
            Self::Text { field, values, negated } => {
                text(*field, facts).map(|fact| contains(*field, values, fact) != *negated)
            }
            Self::Address { ranges, negated } => facts.ip.map(|fact| ranges.contains(fact) != *negated),
            Self::Ids { ids, negated } => {
                Some(facts.detection_ids.iter().any(|id| ids.binary_search(id).is_ok()) != *negated)
            }
        }
    }
}

/// AND is decided by one false part, OR by one true part; else one unknown part leaves it unknown.
fn chain(parts: &[Test], facts: &Facts, decisive: bool) -> Option<bool> {
    let mut whole = Some(!decisive);
    for part in parts {
        match part.truth(facts) {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => whole = None,
        }
    }
    whole
}

#[expect(clippy::float_cmp, reason = "`==` of rules is that of 64-bit floats")]
fn compare(field: Field, operator: Operator, value: f64, facts: &Facts) -> Option<bool> {
    let fact = number(field, facts)?;
    // Score 0 is no score, and in no order with others.
    let is_ordered = field != Field::Score || facts.score != 0;
    match operator {
        Operator::Equal => Some(fact == value),
        Operator::NotEqual => Some(fact != value),
        Operator::Less => is_ordered.then_some(fact < value),
        Operator::LessOrEqual => is_ordered.then_some(fact <= value),
        Operator::Greater => is_ordered.then_some(fact > value),
        Operator::GreaterOrEqual => is_ordered.then_some(fact >= value),
        Operator::In | Operator::NotIn => None,
    }
}

fn number(field: Field, facts: &Facts) -> Option<f64> {
    let behavioral = &facts.behavioral;
    match field {
        Field::Score => Some(f64::from(facts.score)),
        Field::MouseEntropy => behavioral.mouse_entropy,
        Field::ScrollVelocity => behavioral.scroll_velocity,
        #[expect(clippy::cast_precision_loss, reason = "a count of tab changes is far below 2^53")]
        Field::VisibilityChanges => behavioral.visibility_changes.map(|count| count as f64),
        Field::FirstInputDelay => behavioral.first_input_delay_ms.map(f64::from),
        _ => None,
    }
}

fn boolean(field: Field, facts: &Facts) -> Option<bool> {
    match field {
        Field::VerifiedBot => Some(facts.verified_bot),
        Field::JsPassed => facts.js_detection.passed,
        Field::StaticResource => Some(facts.static_resource),
        Field::LoggedIn => facts.logged_in,
        _ => None,
    }
}

fn text(field: Field, facts: &Facts) -> Option<&str> {
    match field {
        Field::Band => Some(facts.band.name()),
        Field::VerifiedBotCategory => facts.verified_bot_category.as_deref(),
        Field::Path => facts.path.as_deref(),
        Field::Country => facts.country.as_deref(),
        Field::Ua => facts.ua.as_deref(),
        _ => None,
    }
}

fn is_null(field: Field, facts: &Facts) -> bool {
    match field.field_type() {
        FieldType::Number => number(field, facts).is_none(),
        FieldType::Boolean => boolean(field, facts).is_none(),
        FieldType::Text => text(field, facts).is_none(),
        FieldType::Address => facts.ip.is_none(),
        FieldType::Ids => false,
    }
}

fn contains(field: Field, values: &[Box<str>], fact: &str) -> bool {
    let fold = |byte: u8| if field == Field::Country { byte.to_ascii_uppercase() } else { byte };
    match values {
        [value] if field != Field::Country => **value == *fact,
        _ => values.binary_search_by(|value| value.bytes().cmp(fact.bytes().map(fold))).is_ok(),
    }
}

fn sorted_texts(field: Field, texts: &[&str]) -> Box<[Box<str>]> {
    let fold = |text: &&str| {
        if field == Field::Country { text.to_ascii_uppercase().into() } else { Box::from(*text) }
    };
    let mut values: Vec<Box<str>> = texts.iter().map(fold).collect();
    values.sort_unstable();
    values.into()
}

/// The whole numbers that an id can be; others never match.
fn ids(values: &[f64]) -> Box<[u32]> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
    let mut ids: Vec<u32> = values
        .iter()
        .filter(|value| (0.0..=f64::from(u32::MAX)).contains(*value))
        .map(|value| *value as u32)
        .collect();
    ids.sort_unstable();
    ids.into()
}
