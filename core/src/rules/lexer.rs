//! Words, numbers, strings and symbols of an expression, with their places.

use super::field::Operator;
use super::mistake::Mistake;
use crate::Result;

/// A piece of the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    /// As written; a string with its quotes.
    pub text: &'a str,
    /// Bytes before it.
    pub position: usize,
}

/// What a piece of the text is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// A field, `AND`, `OR`, `NOT`, `in`, `not`, `true`, `false` or `null`.
    Word,
    Number,
    Text,
    /// One that is written with symbols.
    Operator(Operator),
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    End,
}

/// Cuts a text into tokens, one with each call; each but the last takes at least one byte.
pub(super) struct Lexer<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, position: 0 }
    }

    /// The next token; at the end of the text, [`Kind::End`] again and again.
    pub fn next(&mut self) -> Result<Token<'a>> {
        let rest = self.text.get(self.position..).unwrap_or_default().trim_start_matches(BLANKS);
        self.position = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(self.take(Kind::End, rest, 0)) };
        let symbol = || Operator::ALL.into_iter().find(|operator| rest.starts_with(operator.symbol()));
        match first {
            '(' => Ok(self.take(Kind::Open, rest, 1)),
            ')' => Ok(self.take(Kind::Close, rest, 1)),
            '[' => Ok(self.take(Kind::OpenList, rest, 1)),
            ']' => Ok(self.take(Kind::CloseList, rest, 1)),
            ',' => Ok(self.take(Kind::Comma, rest, 1)),
            '"' => self.string(rest),
            '-' | '0'..='9' => self.number(rest),
            'a'..='z' | 'A'..='Z' | '_' => Ok(self.take(Kind::Word, rest, word_length(rest))),
            _ => match symbol() {
                Some(operator) => Ok(self.take(Kind::Operator(operator), rest, operator.symbol().len())),
                None => Err(self.stranger(rest, first)),
            },
        }
    }

    fn take(&mut self, kind: Kind, rest: &'a str, length: usize) -> Token<'a> {
        let position = self.position;
        self.position += length;
        Token { kind, text: rest.get(..length).unwrap_or(rest), position }
    }

    /// Optional minus, digits, optional point and digits; nothing else may follow directly.
    fn number(&mut self, rest: &'a str) -> Result<Token<'a>> {
        let unsigned = rest.strip_prefix('-').unwrap_or(rest);
        let length = rest.len() - unsigned.len() + word_length(unsigned);
        let token = self.take(Kind::Number, rest, length);
        let (whole, part) = token.text.split_once('.').unwrap_or((token.text, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_digits(whole.strip_prefix('-').unwrap_or(whole)) && is_digits(part) {
            return Ok(token);
        }
        Err(Mistake::new(format!("{:?} is not a number in rule expression.", token.text))
            .hint("a number is digits with an optional point, without an exponent".to_owned())
            .at(token.position, token.text))
    }

    /// From quote to quote; a backslash takes the next character along.
    fn string(&mut self, rest: &'a str) -> Result<Token<'a>> {
        let mut is_escaped = false;
        for (place, character) in rest.char_indices().skip(1) {
            let wrong = |message: &str| {
                let token = rest.get(place..place + character.len_utf8()).unwrap_or_default();
                Mistake::new(message).at(self.position + place, token)
            };
            match character {
                '"' | '\\' if is_escaped => is_escaped = false,
                _ if is_escaped => {
                    return Err(wrong("A backslash in a string stands before \" or \\ in rule expression."));
                }
                '\\' => is_escaped = true,
                '"' => return Ok(self.take(Kind::Text, rest, place + 1)),
                _ if character.is_control() => {
                    return Err(wrong("A string cannot hold control characters in rule expression."));
                }
                _ => {}
            }
        }
        Err(Mistake::new("A string is not closed in rule expression.").at(self.position, rest))
    }

    fn stranger(&self, rest: &str, first: char) -> crate::Error {
        let hint = SPELLINGS.iter().find(|(symbol, _)| rest.starts_with(symbol));
        let token = hint.map_or_else(
            || rest.get(..first.len_utf8()).unwrap_or_default(),
            |(symbol, _)| rest.get(..symbol.len()).unwrap_or_default(),
        );
        Mistake::new(format!("Unexpected {token:?} in rule expression."))
            .hint(hint.map(|(_, ours)| format!("write {ours}")))
            .at(self.position, token)
    }
}

fn word_length(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')).count()
}

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// How other languages spell it, and how it is spelled here.
const SPELLINGS: [(&str, &str); 9] = [
    ("&&", "AND"),
    ("&", "AND"),
    ("||", "OR"),
    ("|", "OR"),
    ("!", "NOT or !="),
    ("=", "=="),
    ("'", "strings in double quotes"),
    ("\u{201c}", "strings in straight double quotes"),
    ("\u{201d}", "strings in straight double quotes"),
];
