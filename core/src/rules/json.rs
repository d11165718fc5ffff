//! The JSON form of the syntax tree, in which checked rules are stored.
//!
//! Nested lists, operator first: `["AND", ["<", "score", 40], ["NOT", "verified_bot"]]`. They nest half as deep as
//! objects would, so that the deepest expression stays far from what JSON readers accept.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value as Json, json};

use super::check::{self, Literal};
use super::expression::{Comparison, Expression, Value};
use super::field::Operator;
use super::{DEEPEST_NESTING, LONGEST_STRING, MOST_NODES};
use crate::{Error, Result};

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        written(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        let expression = Reader::default().read(&json).map_err(serde::de::Error::custom)?;
        if nesting(&expression) > DEEPEST_NESTING {
            return Err(serde::de::Error::custom(wrong()));
        }
        Ok(expression)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Expression {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RuleTree".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The syntax tree of a rule: nested lists, operator first; a boolean field on its own is \
                            its name.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": {} }]
        })
    }
}

fn written(expression: &Expression) -> Json {
    let chain = |word: &str, parts: &[Expression]| {
        std::iter::once(Json::from(word)).chain(parts.iter().map(written)).collect()
    };
    match expression {
        Expression::And(parts) => chain("AND", parts),
        Expression::Or(parts) => chain("OR", parts),
        Expression::Not(part) => json!(["NOT", written(part)]),
        Expression::Bare(field) => Json::from(field.name()),
        Expression::Comparison(Comparison { field, operator, value }) => {
            json!([operator.symbol(), field.name(), written_value(value)])
        }
    }
}

fn written_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => Json::from(*value),
        Value::Number(value) => written_number(*value),
        Value::Text(value) => Json::from(value.as_str()),
        Value::Numbers(values) => values.iter().copied().map(written_number).collect(),
        Value::Texts(values) => values.iter().map(String::as_str).collect(),
    }
}

/// Whole numbers are written without a point, as every language writes them.
fn written_number(value: f64) -> Json {
    const SAFE: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    if value.fract() == 0.0 && value.abs() < SAFE && !(value == 0.0 && value.is_sign_negative()) {
        return Json::from(value as i64);
    }
    Number::from_f64(value).map_or(Json::Null, Json::Number)
}

/// Reads a tree; the bound of its nodes bounds the recursion as well.
#[derive(Default)]
struct Reader {
    nodes: usize,
}

impl Reader {
    fn read(&mut self, json: &Json) -> Result<Expression> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(wrong());
        }
        match json {
            Json::String(name) => {
                check::bare(check::field(name).map_err(|it| it.anywhere())?).ok_or_else(wrong)
            }
            Json::Array(parts) => match parts.as_slice() {
                [Json::String(word), part] if word == "NOT" => {
                    Ok(Expression::Not(Box::new(self.read(part)?)))
                }
                [Json::String(word), parts @ ..]
                    if parts.len() > 1 && matches!(word.as_str(), "AND" | "OR") =>
                {
                    let parts = parts.iter().map(|part| self.read(part)).collect::<Result<_>>()?;
                    Ok(if word == "AND" { Expression::And(parts) } else { Expression::Or(parts) })
                }
                [Json::String(symbol), Json::String(field), value] => {
                    let operator = Operator::ALL.into_iter().find(|operator| operator.symbol() == symbol);
                    let field = check::field(field).map_err(|it| it.anywhere())?;
                    check::comparison(field, operator.ok_or_else(wrong)?, literal(value)?)
                        .map(Expression::Comparison)
                        .map_err(|mistake| mistake.anywhere())
                }
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }
}

fn literal(json: &Json) -> Result<Literal> {
    match json {
        Json::Null => Ok(Literal::Null),
        Json::Bool(value) => Ok(Literal::Boolean(*value)),
        Json::Number(value) => value.as_f64().map(Literal::Number).ok_or_else(wrong),
        Json::String(value) if value.len() <= LONGEST_STRING && !value.contains(char::is_control) => {
            Ok(Literal::Text(value.clone()))
        }
        Json::Array(items) if items.iter().all(|item| !item.is_array()) => {
            items.iter().map(literal).collect::<Result<_>>().map(Literal::List)
        }
        _ => Err(wrong()),
    }
}

/// Parentheses and NOTs inside each other in the normal form.
fn nesting(expression: &Expression) -> usize {
    let inside = |part: &Expression| nesting(part) + usize::from(part.is_enclosed_in(expression));
    match expression {
        Expression::And(parts) | Expression::Or(parts) => parts.iter().map(inside).max().unwrap_or(0),
        Expression::Not(part) => 1 + inside(part),
        Expression::Bare(_) | Expression::Comparison(_) => 0,
    }
}

fn wrong() -> Error {
    Error::invalid_input("not the tree of a rule expression")
}
