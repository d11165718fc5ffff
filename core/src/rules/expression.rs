//! The syntax tree of an expression and its normal form.

use std::fmt::{self, Display, Formatter, Write};

use super::field::{Field, Operator};
use super::parser;
use crate::Result;

/// A checked expression. Its JSON form is nested lists, operator first; reading one checks it like a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// All parts hold; at least two.
    And(Vec<Self>),
    /// One part holds; at least two.
    Or(Vec<Self>),
    /// The part does not hold.
    Not(Box<Self>),
    /// A boolean field on its own.
    Bare(Field),
    /// A field against a value.
    Comparison(Comparison),
}

/// A field against a value; field, operator and value always fit each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub(super) field: Field,
    pub(super) operator: Operator,
    pub(super) value: Value,
}

impl Comparison {
    /// The field on the left.
    pub fn field(&self) -> Field {
        self.field
    }

    /// The operator.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The value on the right.
    pub fn value(&self) -> &Value {
        &self.value
    }
}

/// What stands on the right of an operator.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A finite number.
    Number(f64),
    /// A string.
    Text(String),
    /// A list of whole numbers.
    Numbers(Vec<f64>),
    /// A list of strings.
    Texts(Vec<String>),
}

impl Expression {
    /// Reads and checks a text.
    ///
    /// # Errors
    /// `INVALID_INPUT` or `LIMIT_EXCEEDED` with the fault's `position` (in bytes of the text), its `token`, and a
    /// `hint` where one is known.
    pub fn parse(text: &str) -> Result<Self> {
        parser::parse(text)
    }

    /// The fields that are used, in the order of their first use.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        self.add_fields(&mut fields);
        fields
    }

    fn add_fields(&self, fields: &mut Vec<Field>) {
        let field = match self {
            Self::And(parts) | Self::Or(parts) => {
                return parts.iter().for_each(|part| part.add_fields(fields));
            }
            Self::Not(part) => return part.add_fields(fields),
            Self::Bare(field) => *field,
            Self::Comparison(comparison) => comparison.field,
        };
        if !fields.contains(&field) {
            fields.push(field);
        }
    }

    /// Whether it stands in parentheses as a part of `whole`.
    pub(super) fn is_enclosed_in(&self, whole: &Self) -> bool {
        match whole {
            Self::Or(_) => matches!(self, Self::Or(_)),
            Self::And(_) | Self::Not(_) => matches!(self, Self::Or(_) | Self::And(_)),
            Self::Bare(_) | Self::Comparison(_) => false,
        }
    }

    fn write_part(&self, part: &Self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if part.is_enclosed_in(self) { write!(formatter, "({part})") } else { part.fmt(formatter) }
    }

    fn write_chain(&self, parts: &[Self], word: &str, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (place, part) in parts.iter().enumerate() {
            if place > 0 {
                write!(formatter, " {word} ")?;
            }
            self.write_part(part, formatter)?;
        }
        Ok(())
    }
}

impl Display for Expression {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => self.write_chain(parts, "AND", formatter),
            Self::Or(parts) => self.write_chain(parts, "OR", formatter),
            Self::Not(part) => {
                formatter.write_str("NOT ")?;
                self.write_part(part, formatter)
            }
            Self::Bare(field) => formatter.write_str(field.name()),
            Self::Comparison(Comparison { field, operator, value }) => {
                write!(formatter, "{} {} {value}", field.name(), operator.symbol())
            }
        }
    }
}

impl Display for Value {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Boolean(value) => value.fmt(formatter),
            Self::Number(value) => value.fmt(formatter),
            Self::Text(value) => write_text(value, formatter),
            Self::Numbers(values) => write_list(values, formatter, |value, formatter| value.fmt(formatter)),
            Self::Texts(values) => {
                write_list(values, formatter, |value, formatter| write_text(value, formatter))
            }
        }
    }
}

fn write_text(text: &str, formatter: &mut Formatter<'_>) -> fmt::Result {
    formatter.write_char('"')?;
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            formatter.write_char('\\')?;
        }
        formatter.write_char(character)?;
    }
    formatter.write_char('"')
}

fn write_list<T>(
    values: &[T],
    formatter: &mut Formatter<'_>,
    write: impl Fn(&T, &mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    formatter.write_char('[')?;
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            formatter.write_str(", ")?;
        }
        write(value, formatter)?;
    }
    formatter.write_char(']')
}
