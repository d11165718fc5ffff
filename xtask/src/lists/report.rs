//! What the command did.

use std::fmt;

use super::catalogue::Entry;

/// The summary.
#[derive(Debug, Default)]
pub struct Report {
    /// Files that changed, or would.
    pub files: Vec<&'static str>,
    /// New entries.
    pub added: Vec<String>,
    /// How many entries got more facts.
    pub changed: usize,
    /// Entries that no public list names any more; they stay.
    pub dropped: Vec<String>,
    /// Names that would be taken for a browser's, or for another entry.
    pub refused: Vec<String>,
    /// AI names without an entry, with the reason.
    pub not_named: Vec<String>,
    /// How many entries state no purpose.
    pub without_purpose: usize,
    /// How many entries name neither operator nor home page.
    pub without_operator: usize,
    /// How many entries there are.
    pub total: usize,
}

impl Report {
    /// Whether the command fails: a check that found work to do.
    pub fn is_wanting(&self, check: bool) -> bool {
        check && !self.files.is_empty()
    }

    /// Notes what is new and changed.
    pub fn compare(&mut self, before: &[Entry], after: &[Entry]) {
        self.total = after.len();
        self.without_purpose = after.iter().filter(|entry| entry.sub_type == "other").count();
        self.without_operator =
            after.iter().filter(|entry| entry.vendor.is_none() && entry.info_url.is_none()).count();
        for entry in after {
            match before.iter().find(|known| known.id == entry.id) {
                None => self.added.push(entry.name.clone()),
                Some(known) if known != entry => self.changed += 1,
                Some(_) => {}
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} entries", self.total)?;
        for (title, names) in [
            ("new", &self.added),
            ("named by no list any more, kept", &self.dropped),
            ("refused, because browsers or other entries have the name", &self.refused),
            ("AI names without an entry", &self.not_named),
        ] {
            writeln!(formatter, "{title}: {}", names.len())?;
            names.iter().try_for_each(|name| writeln!(formatter, "  {name}"))?;
        }
        writeln!(formatter, "changed: {}", self.changed)?;
        writeln!(formatter, "without a stated purpose: {}", self.without_purpose)?;
        writeln!(formatter, "without operator and home page: {}", self.without_operator)?;
        match &self.files[..] {
            [] => writeln!(formatter, "nothing to write"),
            files => writeln!(formatter, "files: {}", files.join(", ")),
        }
    }
}
