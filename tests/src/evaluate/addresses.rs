//! Part I: in which published sets an address lies.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use quivive_core::agent::IpSet;
use serde::Deserialize;

use super::json::Json;
use super::report::ratio;
use super::table::Table;
use super::user_agents::{count, counts_table, rows};

/// Part I.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// Addresses with exactly the expected sets, of all.
    pub exact: (usize, usize),
    /// Of the addresses that lie in a set: those of which it is known.
    pub by_set: BTreeMap<String, (usize, usize)>,
}

#[derive(Debug, Deserialize)]
struct Ranges {
    #[serde(default)]
    v4: Vec<String>,
    #[serde(default)]
    v6: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Row {
    ip: IpAddr,
    lists: Vec<String>,
}

/// The part of a folder of data; none when the folder is missing.
///
/// # Errors
/// When a file cannot be read or a range is none.
pub fn addresses(data: &Path) -> Result<Option<Addresses>, String> {
    let folder = data.join("ip");
    if !folder.is_dir() {
        return Ok(None);
    }
    let path = folder.join("ip_ranges.json");
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| named(&error))?;
    let lists: BTreeMap<String, Ranges> = serde_json::from_str(&text).map_err(|error| named(&error))?;
    let mut sets = BTreeMap::new();
    for (name, ranges) in lists {
        let ranges = ranges.v4.iter().chain(&ranges.v6).map(String::as_str);
        sets.insert(name, IpSet::parse(ranges).map_err(|error| named(&error))?);
    }
    Ok(Some(measure(&sets, &rows::<Row>(&folder.join("ip_test.jsonl"))?)))
}

impl Addresses {
    /// The figures as JSON.
    pub fn json(&self) -> Json {
        Json::object([
            ("exact", ratio(self.exact.0, self.exact.1).into()),
            ("addresses", self.exact.1.into()),
            ("by_set", Json::map(&self.by_set, |&(known, all)| ratio(known, all).into())),
        ])
    }

    /// The tables of the report.
    pub fn tables(&self) -> Vec<Table> {
        let all = BTreeMap::from([("exactly these sets".to_owned(), self.exact)]);
        let columns = ["addresses", "right", "rows", "share"];
        vec![
            counts_table("Addresses", "In all the sets that hold them, and in no other.", columns, &all),
            counts_table(
                "By set",
                "Addresses that lie in it.",
                ["set", "known", "rows", "share"],
                &self.by_set,
            ),
        ]
    }
}

fn measure(sets: &BTreeMap<String, IpSet>, rows: &[Row]) -> Addresses {
    let mut part = Addresses::default();
    for row in rows {
        let holding: Vec<&String> =
            sets.iter().filter(|(_, set)| set.contains(row.ip)).map(|(name, _)| name).collect();
        count(&mut part.exact, holding.iter().copied().eq(&row.lists));
        for name in &row.lists {
            count(part.by_set.entry(name.clone()).or_default(), holding.contains(&name));
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_too_many_or_too_few_is_not_exact() {
        let sets = BTreeMap::from([
            ("a".to_owned(), IpSet::parse(["192.0.2.0/24"]).unwrap()),
            ("b".to_owned(), IpSet::parse(["192.0.2.0/25", "2001:db8::/32"]).unwrap()),
        ]);
        let row = |ip: &str, lists: &[&str]| Row {
            ip: ip.parse().unwrap(),
            lists: lists.iter().map(|name| (*name).to_owned()).collect(),
        };
        let part = measure(
            &sets,
            &[
                row("192.0.2.1", &["a", "b"]),
                row("192.0.2.1", &["a"]),
                row("192.0.2.200", &["a", "b"]),
                row("::ffff:192.0.2.200", &["a"]),
                row("203.0.113.1", &[]),
            ],
        );
        assert_eq!(part.exact, (3, 5));
        assert_eq!((part.by_set["a"], part.by_set["b"]), ((4, 4), (1, 2)));
    }
}
