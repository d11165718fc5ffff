//! The address ranges that operators of bots publish: reading their lists, and a snapshot of some of them.
//!
//! ```
//! use quivive_core::agent::published_ranges;
//! let list = r#"{"creationTime": "2026-10-02", "prefixes": [{"ipv4Prefix": "66.249.64.0/27"}]}"#;
//! assert_eq!(published_ranges(list).unwrap(), ["66.249.64.0/27"]);
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FeedAnswer, IpSet, built_in, network};
use crate::{Error, ErrorKind, Result, Timestamp};

/// Lists of ranges by the name of their feed, with their date.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RangeTable {
    /// When they were fetched, `YYYY-MM-DD`.
    pub date: String,
    /// Where they come from.
    #[serde(default)]
    pub source: String,
    /// Ranges in CIDR notation by feed, as catalogue entries name it.
    pub feeds: BTreeMap<String, Vec<String>>,
}

impl RangeTable {
    /// The snapshot that is built in.
    #[expect(clippy::expect_used, reason = "the built-in snapshot is read by a test")]
    pub fn built_in() -> Self {
        Self::parse(&built_in::ranges()).expect("the built-in snapshot is valid")
    }

    /// Reads a table and checks its ranges as [`published_ranges`] does.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names what cannot be used, `LIMIT_EXCEEDED` for too many ranges.
    pub fn parse(json: &str) -> Result<Self> {
        let table: Self = serde_json::from_str(json)?;
        for (feed, ranges) in &table.feeds {
            check(ranges.iter().map(String::as_str)).map_err(|error| error.with("feed", feed.as_str()))?;
        }
        Ok(table)
    }
}

/// Reads a list as operators publish it: JSON with an array `prefixes` of texts or of objects with an `ipv4Prefix` or
/// `ipv6Prefix` (also as `ip_prefix`, `ipv6_prefix`, `prefix`), or plain text with one range or address on each
/// line.
///
/// # Errors
/// `INVALID_INPUT` when there is no range, when one cannot be read, and when one is wider than any operator's network
/// (IPv4 /12, IPv6 /28): better no list than one that takes the internet for a bot. `LIMIT_EXCEEDED` for more than
/// 20,000 ranges.
pub fn published_ranges(text: &str) -> Result<Vec<String>> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with(['{', '[']) {
        let document: Value = serde_json::from_str(text)?;
        let items = document.get("prefixes").unwrap_or(&document).as_array();
        let items = items.ok_or_else(|| Error::invalid_input("the document has no array `prefixes`"))?;
        return check(items.iter().map(|item| prefix_of(item).unwrap_or_default()));
    }
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    check(lines.filter(|line| !line.is_empty()))
}

impl FeedAnswer {
    /// The last moment at which a list of this date can prove or refute: a bundled snapshot for 30 days, a fetched
    /// list for 7.
    pub fn fresh_until(as_of: Timestamp, bundled: bool) -> Timestamp {
        network::fresh_until(as_of, bundled)
    }
}

fn prefix_of(item: &Value) -> Option<&str> {
    item.as_str().or_else(|| KEYS.iter().find_map(|key| item.get(key)?.as_str()))
}

fn check<'a>(ranges: impl Iterator<Item = &'a str>) -> Result<Vec<String>> {
    let ranges: Vec<String> = ranges.take(MOST_RANGES + 1).map(|range| range.trim().to_owned()).collect();
    if ranges.len() > MOST_RANGES {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("more than {MOST_RANGES} ranges")));
    }
    if ranges.is_empty() {
        return Err(Error::invalid_input("there is no address range"));
    }
    IpSet::parse(&ranges)?;
    match ranges.iter().find(|range| is_too_wide(range)) {
        Some(range) => Err(Error::invalid_input(format!("{range} is wider than any operator's network"))),
        None => Ok(ranges),
    }
}

fn is_too_wide(range: &str) -> bool {
    let Some((address, length)) = range.split_once('/') else { return false };
    let least = match address.parse() {
        // The range of an IPv4-mapped address is the IPv4 range.
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => 108,
        Ok(IpAddr::V6(_)) => 28,
        _ => 12,
    };
    length.parse::<u8>().is_ok_and(|length| length < least)
}

const KEYS: [&str; 5] = ["ipv4Prefix", "ipv6Prefix", "ip_prefix", "ipv6_prefix", "prefix"];
const MOST_RANGES: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_snapshot_belongs_to_catalogued_feeds() {
        let table = RangeTable::built_in();
        let classifier = super::super::default_classifier();
        for feed in table.feeds.keys() {
            assert!(classifier.feeds().iter().any(|known| known.name == *feed), "{feed}");
        }
        assert!(table.date.len() == 10 && table.source.contains("CC0"));
    }

    #[test]
    fn every_published_form_is_read() {
        let expected = ["192.0.2.0/24", "2001:db8::/32"];
        for text in [
            r#"{"creationTime": "x", "prefixes": [{"ipv4Prefix": "192.0.2.0/24"}, {"ipv6Prefix": "2001:db8::/32"}]}"#,
            r#"{"prefixes": [{"ip_prefix": "192.0.2.0/24", "region": "x"}, {"ipv6_prefix": "2001:db8::/32"}]}"#,
            r#"{"prefixes": ["192.0.2.0/24", "2001:db8::/32"]}"#,
            r#"["192.0.2.0/24", "2001:db8::/32"]"#,
            "\u{feff}# crawler\r\n192.0.2.0/24 # one\r\n\r\n 2001:db8::/32\r\n",
        ] {
            assert_eq!(published_ranges(text).unwrap(), expected, "{text}");
        }
        assert_eq!(published_ranges("192.0.2.7\n").unwrap(), ["192.0.2.7"]);
    }

    #[test]
    fn lists_that_prove_nothing_are_refused() {
        for text in [
            "",
            "# nothing",
            "{}",
            "[]",
            r#"{"prefixes": {}}"#,
            r#"{"prefixes": [{"ipv4": "192.0.2.0/24"}]}"#,
            r#"{"prefixes": [7]}"#,
            r#"{"prefixes": ["192.0.2.0/33"]}"#,
            "<!doctype html><title>Sign in</title>",
            "0.0.0.0/0",
            "::/0",
            "10.0.0.0/8",
            "2001:db8::/16",
            "::ffff:0.0.0.0/96",
            "{\"prefixes\": [",
        ] {
            assert_eq!(published_ranges(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
        }
        let many = "192.0.2.1\n".repeat(20_001);
        assert_eq!(published_ranges(&many).unwrap_err().kind(), ErrorKind::LimitExceeded);
    }

    #[test]
    fn tables_of_others_are_checked_as_well() {
        let table =
            |ranges: &str| format!(r#"{{"date": "2026-10-02", "feeds": {{"bing-bingbot": {ranges}}}}}"#);
        assert!(RangeTable::parse(&table(r#"["192.0.2.0/24"]"#)).is_ok());
        for ranges in ["[]", r#"["0.0.0.0/0"]"#, r#"["x"]"#, "7"] {
            assert!(RangeTable::parse(&table(ranges)).is_err(), "{ranges}");
        }
    }
}
