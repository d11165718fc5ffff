//! From a text to a checked syntax tree, by recursive descent with one token of look-ahead.

use super::check::{self, Literal};
use super::expression::Expression;
use super::field::{Field, FieldType, Operator};
use super::lexer::{Kind, Lexer, Token};
use super::mistake::{Mistake, Place};
use super::{DEEPEST_NESTING, LONGEST_EXPRESSION, LONGEST_LIST, LONGEST_STRING, MOST_NODES};
use crate::Result;
use crate::suggestion::suggestion;

pub(super) fn parse(text: &str) -> Result<Expression> {
    if text.len() > LONGEST_EXPRESSION {
        let message = format!("Rule expression is longer than {LONGEST_EXPRESSION} bytes.");
        return Err(Mistake::over_limit(message).at(LONGEST_EXPRESSION, ""));
    }
    let mut parser = Parser::new(text)?;
    let expression = parser.any()?;
    match parser.next.kind {
        Kind::End => Ok(expression),
        _ => Err(parser.unexpected(&["AND", "OR", "the end"])),
    }
}

pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    next: Token<'a>,
    nesting: usize,
    nodes: usize,
    /// Tokens that were taken, the measure of its work.
    #[cfg(test)]
    pub(super) steps: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self> {
        let mut lexer = Lexer::new(text);
        let next = lexer.next()?;
        Ok(Self {
            lexer,
            next,
            nesting: 0,
            nodes: 0,
            #[cfg(test)]
            steps: 0,
        })
    }

    /// Parts with OR between them.
    pub(super) fn any(&mut self) -> Result<Expression> {
        self.chain("OR", Self::all, Expression::Or)
    }

    /// Parts with AND between them, which binds tighter.
    fn all(&mut self) -> Result<Expression> {
        self.chain("AND", Self::unary, Expression::And)
    }

    fn chain(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Result<Expression>,
        make: fn(Vec<Expression>) -> Expression,
    ) -> Result<Expression> {
        let first = part(self)?;
        if !self.is_word(word) {
            return Ok(first);
        }
        self.count_node()?;
        let mut parts = vec![first];
        while self.is_word(word) {
            self.take()?;
            parts.push(part(self)?);
        }
        Ok(make(parts))
    }

    fn unary(&mut self) -> Result<Expression> {
        if self.is_word("NOT") {
            self.count_node()?;
            return self.nested(|parser| Ok(Expression::Not(Box::new(parser.unary()?))));
        }
        if self.next.kind == Kind::Open {
            return self.nested(|parser| {
                let expression = parser.any()?;
                parser.expect(Kind::Close, &["AND", "OR", ")"])?;
                Ok(expression)
            });
        }
        self.predicate()
    }

    /// What is behind the NOT or parenthesis that comes next.
    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Result<Expression>) -> Result<Expression> {
        if self.nesting == DEEPEST_NESTING {
            let message = format!("Rule expression is nested deeper than {DEEPEST_NESTING} levels.");
            return Err(Mistake::over_limit(message).at(self.next.position, self.next.text));
        }
        self.nesting += 1;
        self.take()?;
        let expression = inner(self)?;
        self.nesting -= 1;
        Ok(expression)
    }

    fn predicate(&mut self) -> Result<Expression> {
        if self.next.kind != Kind::Word || is_reserved(self.next.text) {
            return Err(self.unexpected(&["a field", "NOT", "("]));
        }
        self.count_node()?;
        let name = self.take()?;
        let field = match check::field(name.text) {
            Ok(field) => field,
            // `Not (…)`, not a field of that name.
            Err(_) if name.text.eq_ignore_ascii_case("NOT") => {
                let mistake = Mistake::new(format!("Unexpected {:?} in rule expression.", name.text));
                return Err(mistake.hint("did you mean NOT?".to_owned()).at(name.position, name.text));
            }
            Err(mistake) => return Err(mistake.at(name.position, name.text)),
        };
        match (self.operator()?, check::bare(field)) {
            (Some(operator), _) => self.comparison(name, field, operator),
            (None, Some(bare)) => Ok(bare),
            (None, None) => {
                let operators: Vec<&str> =
                    field.field_type().operators().iter().map(|operator| operator.symbol()).collect();
                Err(self.unexpected(&operators))
            }
        }
    }

    /// The operator that comes next, if one does.
    fn operator(&mut self) -> Result<Option<(Operator, Token<'a>)>> {
        let token = self.next;
        let operator = match token.kind {
            Kind::Operator(operator) => operator,
            Kind::Word if token.text == "in" => Operator::In,
            Kind::Word if token.text == "not" => {
                self.take()?;
                if !self.is_word("in") {
                    return Err(self.unexpected(&["in"]));
                }
                Operator::NotIn
            }
            _ => return Ok(None),
        };
        self.take()?;
        Ok(Some((operator, token)))
    }

    fn comparison(
        &mut self,
        name: Token<'a>,
        field: Field,
        (operator, symbol): (Operator, Token<'a>),
    ) -> Result<Expression> {
        let start = self.next;
        // A wrong operator is named before a wrong value is looked at.
        let fits = field.field_type().operators().contains(&operator);
        let mut items = Vec::new();
        let literal = match start.kind {
            _ if !fits => Literal::Null,
            Kind::OpenList => Literal::List(self.list(&mut items)?),
            _ => self.scalar(field.field_type())?,
        };
        check::comparison(field, operator, literal).map(Expression::Comparison).map_err(|mistake| {
            let token = match mistake.place {
                Place::Field => name,
                Place::Operator => symbol,
                Place::Value => start,
                Place::Item(place) => items.get(place).copied().unwrap_or(start),
            };
            mistake.at(token.position, token.text)
        })
    }

    /// The values of a list; their tokens go to `items`.
    fn list(&mut self, items: &mut Vec<Token<'a>>) -> Result<Vec<Literal>> {
        let mut values = Vec::new();
        self.take()?;
        while self.next.kind != Kind::CloseList {
            if !values.is_empty() {
                self.expect(Kind::Comma, &[",", "]"])?;
            }
            if values.len() == LONGEST_LIST {
                return Err(check::too_long_list().at(self.next.position, self.next.text));
            }
            items.push(self.next);
            values.push(self.scalar(FieldType::Text)?);
        }
        self.take()?;
        Ok(values)
    }

    fn scalar(&mut self, expected: FieldType) -> Result<Literal> {
        let token = self.next;
        let literal = match (token.kind, token.text) {
            (Kind::Word, "null") => Literal::Null,
            (Kind::Word, "true") => Literal::Boolean(true),
            (Kind::Word, "false") => Literal::Boolean(false),
            (Kind::Number, text) => Literal::Number(number(text).map_err(|it| it.at(token.position, text))?),
            (Kind::Text, text) => Literal::Text(string(text).map_err(|it| it.at(token.position, text))?),
            _ if expected == FieldType::Boolean => return Err(self.unexpected(&["true", "false"])),
            _ => return Err(self.unexpected(&["a value", "true", "false", "null"])),
        };
        self.take()?;
        Ok(literal)
    }

    fn take(&mut self) -> Result<Token<'a>> {
        #[cfg(test)]
        {
            self.steps += 1;
        }
        let taken = self.next;
        self.next = self.lexer.next()?;
        Ok(taken)
    }

    fn expect(&mut self, kind: Kind, expected: &[&str]) -> Result<()> {
        if self.next.kind != kind {
            return Err(self.unexpected(expected));
        }
        self.take().map(drop)
    }

    fn is_word(&self, word: &str) -> bool {
        self.next.kind == Kind::Word && self.next.text == word
    }

    fn count_node(&mut self) -> Result<()> {
        self.nodes += 1;
        if self.nodes <= MOST_NODES {
            return Ok(());
        }
        let message = format!("Rule expression has more than {MOST_NODES} parts.");
        Err(Mistake::over_limit(message).at(self.next.position, self.next.text))
    }

    /// The token that comes next does not belong there.
    fn unexpected(&self, expected: &[&str]) -> crate::Error {
        let Token { kind, text, position } = self.next;
        let expected_text = enumeration(expected);
        let mistake = match kind {
            Kind::End if self.nodes == 0 && self.nesting == 0 => Mistake::new("Rule expression is empty."),
            Kind::End => Mistake::new(format!("Rule expression ends where {expected_text} is expected.")),
            _ => Mistake::new(format!("Unexpected {text:?} in rule expression; expected {expected_text}.")),
        };
        let known = expected.iter().flat_map(|words| words.split(' '));
        let hint = if kind == Kind::Word { suggestion(text, known) } else { None };
        mistake.hint(hint).at(position, text)
    }
}

fn is_reserved(word: &str) -> bool {
    matches!(word, "AND" | "OR" | "in" | "not" | "true" | "false" | "null")
}

fn number(text: &str) -> Result<f64, Mistake> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| Mistake::new("A number is too large in rule expression."))
}

/// The content of a string; the lexer has seen that its escapes are right.
fn string(token: &str) -> Result<String, Mistake> {
    let inner = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(token);
    let mut is_escaped = false;
    let unescaped: String = inner
        .chars()
        .filter(|character| {
            is_escaped = *character == '\\' && !is_escaped;
            !is_escaped
        })
        .collect();
    if unescaped.len() > LONGEST_STRING {
        let message = format!("A string holds at most {LONGEST_STRING} bytes in rule expression.");
        return Err(Mistake::over_limit(message));
    }
    Ok(unescaped)
}

/// `a, b or c`.
fn enumeration(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
