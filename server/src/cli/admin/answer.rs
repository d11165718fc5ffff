//! What a command answers: text for people, JSON for programs.

use serde_json::Value;

/// What a command did or found.
pub(super) struct Answer {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: Value,
}

impl Answer {
    pub fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json }
    }

    /// A list: a table with these heads, or a JSON array.
    pub fn list<const N: usize>(heads: [&str; N], rows: Vec<[String; N]>, json: Vec<Value>) -> Self {
        Self { text: table(heads, &rows), json: Value::Array(json) }
    }
}

/// `on` or `off`.
pub(super) fn on_off(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

/// Columns as wide as their widest cell, two blanks between them.
fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let heads = heads.map(str::to_owned);
    let lines = || std::iter::once(&heads).chain(rows);
    let mut widths = [0; N];
    for line in lines() {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let written = lines().map(|line| {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    written.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = vec![["1".to_owned(), "Åcme".to_owned()], ["12".to_owned(), "B".to_owned()]];
        assert_eq!(table(["ID", "NAME"], &rows), "ID  NAME\n1   Åcme\n12  B");
        assert_eq!(table(["ID"], &[]), "ID");
    }
}
