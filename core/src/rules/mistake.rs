//! What is wrong with an expression, in words for its author.

use crate::{Error, ErrorKind};

/// A fault of an expression; where it stands is added by whoever read the text.
#[derive(Debug)]
pub(super) struct Mistake {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    /// Which part of a comparison it is about.
    pub place: Place,
}

/// A part of a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    Field,
    Operator,
    Value,
    /// An item of the list.
    Item(usize),
}

impl Mistake {
    pub fn new(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::InvalidInput, message: message.into(), hint: None, place: Place::Field }
    }

    pub fn over_limit(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::LimitExceeded, ..Self::new(message) }
    }

    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    pub fn in_place(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// The error without a place in a text.
    pub fn anywhere(self) -> Error {
        let error = Error::new(self.kind, self.message);
        match self.hint {
            Some(hint) => error.with("hint", hint),
            None => error,
        }
    }

    /// The error of the token at this byte of the text.
    pub fn at(self, position: usize, token: &str) -> Error {
        self.anywhere().with("position", position).with("token", token)
    }
}
