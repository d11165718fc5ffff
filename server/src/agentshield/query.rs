//! Reading of query strings: strict about the parameters of a route, silent about others, every fault at once.

use std::borrow::Cow;

use axum::http::Uri;

use super::body::Reader;
use super::dates::{self, Moment};
use super::wire::{Fault, Result};

/// The parameters of a request; of one that is given twice the first counts, of lists all.
pub struct Query<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    reader: Reader,
}

impl<'a> Query<'a> {
    /// The parameters of an address.
    pub fn of(uri: &'a Uri) -> Self {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).collect();
        Self { pairs, reader: Reader::default() }
    }

    /// What was read, if there was no fault.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with every fault that was found.
    pub fn finish<T>(self, read: T) -> Result<T> {
        self.reader.finish(read)
    }

    /// Notes a fault.
    pub fn fault(&mut self, fault: Fault) {
        self.reader.push(fault);
    }

    /// Whether a parameter is given.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A text of at most `most` characters; an empty one is absent.
    pub fn text(&mut self, name: &str, most: usize) -> Option<String> {
        let text = self.value(name)?;
        if text.chars().count() > most {
            self.fault(Fault::new(name, "too_long").with("max", most));
            return None;
        }
        Some(text)
    }

    /// A whole number from `least` to `most`.
    pub fn whole(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        let text = self.value(name)?;
        let is_number = text.strip_prefix('-').unwrap_or(&text).bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            // A number that is too large or too small to be read is one all the same.
            _ if is_number => {
                self.fault(Fault::new(name, "out_of_range").with("min", least).with("max", most));
                None
            }
            _ => {
                self.fault(Fault::new(name, "type"));
                None
            }
        }
    }

    /// A number from 0 to 1.
    pub fn share(&mut self, name: &str) -> Option<f64> {
        match self.value(name)?.parse::<f64>() {
            Ok(number) if (0.0..=1.0).contains(&number) => Some(number),
            Ok(number) if number.is_finite() => {
                self.fault(Fault::new(name, "out_of_range").with("min", 0).with("max", 1));
                None
            }
            _ => {
                self.fault(Fault::new(name, "type"));
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn truth(&mut self, name: &str) -> Option<bool> {
        Some(self.choice(name, &["true", "false"])? == "true")
    }

    /// One of some words.
    pub fn choice(&mut self, name: &str, allowed: &[&'static str]) -> Option<&'static str> {
        let text = self.value(name)?;
        let found = allowed.iter().find(|word| **word == text).copied();
        if found.is_none() {
            self.fault(Fault::new(name, "unknown_value").with("allowed", allowed));
        }
        found
    }

    /// Some of some words in comma lists, each once, in the order of `allowed`; empty when there is none.
    pub fn choices(&mut self, name: &str, allowed: &[&'static str]) -> Vec<&'static str> {
        let given = self.pairs.iter().filter(|(known, _)| known == name).map(|(_, text)| text.as_ref());
        let text = given.collect::<Vec<_>>().join(",");
        let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        if words.iter().any(|word| !allowed.contains(word)) {
            self.fault(Fault::new(name, "unknown_value").with("allowed", allowed));
        }
        allowed.iter().filter(|word| words.contains(word)).copied().collect()
    }

    /// A date or a date-time.
    pub fn moment(&mut self, name: &str) -> Option<Moment> {
        let moment = dates::read(&self.value(name)?);
        if moment.is_none() {
            self.fault(Fault::new(name, "format"));
        }
        moment
    }

    /// The parameters with another page, as a query string.
    pub fn with_page(&self, page: u64) -> String {
        let others = self.pairs.iter().filter(|(name, _)| name != "page");
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(others)
            .append_pair("page", &page.to_string())
            .finish()
    }

    fn value(&self, name: &str) -> Option<String> {
        let (_, value) = self.pairs.iter().find(|(found, _)| found == name)?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}
