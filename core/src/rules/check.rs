//! Whether field, operator and value fit each other.

use super::LONGEST_LIST;
use super::expression::{Comparison, Expression, Value};
use super::field::{Field, FieldType, Operator};
use super::mistake::{Mistake, Place};
use crate::agent::IpSet;
use crate::suggestion::suggestion;

/// A value as it was read, before it is known what the field takes.
#[derive(Clone, Debug)]
pub(super) enum Literal {
    Null,
    Boolean(bool),
    Number(f64),
    Text(String),
    List(Vec<Self>),
}

/// The field of that name.
pub(super) fn field(name: &str) -> Result<Field, Mistake> {
    let unknown = || {
        let whole = |known: &Field| known.name().strip_suffix(name).is_some_and(|group| group.ends_with('.'));
        let hint = match Field::ALL.into_iter().find(whole) {
            Some(field) => Some(format!("did you mean {}?", field.name())),
            None => suggestion(name, Field::ALL.map(Field::name)),
        };
        Mistake::new(format!("Unknown field {name:?} in rule expression.")).hint(hint)
    };
    Field::named(name).ok_or_else(unknown)
}

/// A field on its own.
pub(super) fn bare(field: Field) -> Option<Expression> {
    (field.field_type() == FieldType::Boolean).then_some(Expression::Bare(field))
}

/// A comparison whose parts fit.
pub(super) fn comparison(field: Field, operator: Operator, literal: Literal) -> Result<Comparison, Mistake> {
    let operators = field.field_type().operators();
    if !operators.contains(&operator) {
        let symbols: Vec<&str> = operators.iter().map(|operator| operator.symbol()).collect();
        let message = format!(
            "Operator {:?} does not apply to field {:?} in rule expression.",
            operator.symbol(),
            field.name()
        );
        let hint = format!("{} takes {}", field.name(), symbols.join(", "));
        return Err(Mistake::new(message).hint(hint).in_place(Place::Operator));
    }
    let value = match literal {
        Literal::List(items) if operator.takes_list() => list(field, items)?,
        literal if operator.takes_list() => return Err(wrong_type(field, operator, &literal)),
        literal => scalar(field, operator, literal)?,
    };
    Ok(Comparison { field, operator, value })
}

fn scalar(field: Field, operator: Operator, literal: Literal) -> Result<Value, Mistake> {
    match (field.field_type(), literal) {
        (_, Literal::Null)
            if field.takes_null() && matches!(operator, Operator::Equal | Operator::NotEqual) =>
        {
            Ok(Value::Null)
        }
        (FieldType::Number, Literal::Number(value)) => Ok(Value::Number(value)),
        (FieldType::Boolean, Literal::Boolean(value)) => Ok(Value::Boolean(value)),
        (FieldType::Text | FieldType::Address, Literal::Text(value)) => {
            check_text(field, &value).map_err(|mistake| mistake.in_place(Place::Value))?;
            Ok(Value::Text(value))
        }
        (_, literal) => Err(wrong_type(field, operator, &literal)),
    }
}

fn list(field: Field, items: Vec<Literal>) -> Result<Value, Mistake> {
    if items.len() > LONGEST_LIST {
        return Err(too_long_list().in_place(Place::Value));
    }
    let item_of = |place: usize, item: &Literal| {
        let takes = if field.field_type() == FieldType::Ids { "whole numbers" } else { "strings" };
        let message = format!(
            "A list for field {:?} holds {takes} in rule expression, not {}.",
            field.name(),
            item.description()
        );
        Mistake::new(message).in_place(Place::Item(place))
    };
    if field.field_type() == FieldType::Ids {
        let number = |(place, item)| match item {
            Literal::Number(value) if value.fract() == 0.0 => Ok(value),
            item => Err(item_of(place, &item)),
        };
        return items.into_iter().enumerate().map(number).collect::<Result<_, _>>().map(Value::Numbers);
    }
    let text = |(place, item)| match item {
        Literal::Text(value) => {
            check_text(field, &value).map_err(|mistake| mistake.in_place(Place::Item(place)))?;
            Ok(value)
        }
        item => Err(item_of(place, &item)),
    };
    items.into_iter().enumerate().map(text).collect::<Result<_, _>>().map(Value::Texts)
}

pub(super) fn too_long_list() -> Mistake {
    Mistake::over_limit(format!("A list holds at most {LONGEST_LIST} items in rule expression."))
}

fn check_text(field: Field, value: &str) -> Result<(), Mistake> {
    match field {
        Field::Band if !BANDS.contains(&value) => {
            let hint = suggestion(value, BANDS).unwrap_or_else(|| format!("bands are {}", BANDS.join(", ")));
            Err(Mistake::new(format!("Unknown band {value:?} in rule expression.")).hint(hint))
        }
        Field::Ip if IpSet::parse([value]).is_err() => {
            let message = format!("{value:?} is not an address or range in rule expression.");
            Err(Mistake::new(message).hint("write \"203.0.113.7\" or \"203.0.113.0/24\"".to_owned()))
        }
        _ => Ok(()),
    }
}

fn wrong_type(field: Field, operator: Operator, literal: &Literal) -> Mistake {
    let takes = match field.field_type() {
        FieldType::Ids => "a list of whole numbers",
        FieldType::Text | FieldType::Address if operator.takes_list() => "a list of strings",
        FieldType::Number => "a number",
        FieldType::Boolean => "true or false",
        FieldType::Text | FieldType::Address => "a string",
    };
    let message = format!(
        "Field {:?} takes {takes} after {:?} in rule expression, not {}.",
        field.name(),
        operator.symbol(),
        literal.description()
    );
    let hint = match literal {
        Literal::List(_) => Some("lists come after in and not in".to_owned()),
        _ if operator.takes_list() => Some("write the value in brackets".to_owned()),
        _ => None,
    };
    Mistake::new(message).hint(hint).in_place(Place::Value)
}

impl Literal {
    fn description(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
        }
    }
}

/// `confident_automated` is a band of other services; it is accepted and never matches.
const BANDS: [&str; 6] =
    ["not_computed", "definite", "confident_automated", "likely_automated", "likely_human", "verified"];
