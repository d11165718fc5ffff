//! Reading JSON values with the place of each, for errors that say where.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Error, Result};

/// A place in a document, for example `events[3].payload.mouse_entropy`.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    path: String,
    is_root: bool,
}

impl Place {
    /// The whole document; `name` stands for it in messages about itself and leads paths of an array.
    pub(crate) fn root(name: &str) -> Self {
        Self { path: name.to_owned(), is_root: true }
    }

    /// The member `name` of this object.
    pub(crate) fn key(&self, name: &str) -> Self {
        let path = if self.is_root { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { path, is_root: false }
    }

    /// The item `index` of this array.
    pub(crate) fn index(&self, index: usize) -> Self {
        Self { path: format!("{}[{index}]", self.path), is_root: false }
    }

    /// The error that this place breaks a rule.
    pub(crate) fn error(&self, rule: &str) -> Error {
        Error::invalid_input(format!("{} {rule}", self.path)).with("path", self.path.clone())
    }
}

/// The members of a JSON object that were not taken yet.
pub(crate) struct Object<'a> {
    fields: BTreeMap<String, &'a RawValue>,
    place: &'a Place,
}

impl<'a> Object<'a> {
    pub(crate) fn read(text: &'a str, place: &'a Place) -> Result<Self> {
        let fields = serde_json::from_str(text).map_err(|_| place.error("must be a JSON object"))?;
        Ok(Self { fields, place })
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        self.fields.remove(name)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    pub(crate) fn into_fields(self) -> impl Iterator<Item = (String, &'a RawValue)> {
        self.fields.into_iter()
    }

    pub(crate) fn expect_empty(&self) -> Result<()> {
        match self.fields.keys().next() {
            Some(name) => Err(unknown(self.place, name)),
            None => Ok(()),
        }
    }
}

/// The error for a key that is not in the list; a long name is cut.
pub(crate) fn unknown(place: &Place, name: &str) -> Error {
    let short: String = name.chars().take(64).collect();
    place.key(&short).error("is not an accepted key")
}

pub(crate) fn string(value: &RawValue, place: &Place) -> Result<String> {
    from_json(value, place, "must be a string")
}

pub(crate) fn text_or_null(
    value: &RawValue,
    place: &Place,
    rule: &str,
    holds: impl Fn(&str) -> bool,
) -> Result<Option<String>> {
    match from_json::<Option<String>>(value, place, rule)? {
        Some(text) if !holds(&text) => Err(place.error(rule)),
        text => Ok(text),
    }
}

pub(crate) fn boolean(value: &RawValue, place: &Place) -> Result<Option<bool>> {
    from_json(value, place, "must be true, false or null")
}

/// A JSON integer (no fraction, no exponent) from 0.
pub(crate) fn integer(value: &RawValue, most: u32, place: &Place) -> Result<Option<u32>> {
    let rule = format!("must be an integer from 0 to {most} or null");
    match from_json::<Option<u32>>(value, place, &rule)? {
        Some(number) if number > most => Err(place.error(&rule)),
        number => Ok(number),
    }
}

/// A JSON number from 0.
pub(crate) fn number(value: &RawValue, most: u32, place: &Place) -> Result<Option<f64>> {
    let rule = format!("must be a number from 0 to {most} or null");
    match from_json::<Option<f64>>(value, place, &rule)? {
        Some(number) if !(0.0..=f64::from(most)).contains(&number) => Err(place.error(&rule)),
        number => Ok(number),
    }
}

/// Any finite JSON number; JSON has no others, and one that overflows is refused by the parser.
pub(crate) fn finite(value: &RawValue, place: &Place) -> Result<Option<f64>> {
    from_json(value, place, "must be a finite number or null")
}

pub(crate) fn list<'a, T: Deserialize<'a>>(
    value: &'a RawValue,
    most: usize,
    place: &Place,
    rule: &str,
) -> Result<Vec<T>> {
    let items: Vec<T> = from_json(value, place, rule)?;
    if items.len() > most { Err(place.error(rule)) } else { Ok(items) }
}

fn from_json<'a, T: Deserialize<'a>>(value: &'a RawValue, place: &Place, rule: &str) -> Result<T> {
    serde_json::from_str(value.get()).map_err(|_| place.error(rule))
}
