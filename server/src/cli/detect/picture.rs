//! The summary as a picture of at most 100 columns.

use std::fmt::Write;
use std::rc::Rc;

use quivive_core::Timestamp;

use super::judge::{Judge, Kind, Name};
use super::summary::{Group, Summary, Visits};
use crate::cli::style::{Colour, Style, column, number};

/// Draws the summary of these files.
pub(super) fn draw(summary: &Summary, judge: &Judge, files: &[String], style: Style) -> String {
    let mut page = Page { text: String::new(), style, total: summary.total };
    page.head(summary, files);
    if summary.total > 0 {
        page.shares(summary);
        page.kinds(summary);
        page.names(summary, judge);
        page.hours(summary);
        page.paths(summary);
    }
    if let Some(first) = &summary.first_unreadable {
        page.title("Not read");
        page.line(&format!("{} lines; {first}", number(summary.unreadable)));
    }
    page.text
}

struct Page {
    text: String,
    style: Style,
    total: u64,
}

impl Page {
    fn head(&mut self, summary: &Summary, files: &[String]) {
        let names = match files {
            [one] if one == "-" => "standard input".to_owned(),
            [one] => one.clone(),
            [first, others @ ..] => format!("{first} and {} more", others.len()),
            [] => String::new(),
        };
        let span = match (summary.hours.first_key_value(), summary.hours.last_key_value()) {
            (Some((first, _)), Some((last, _))) => format!(", {} to {}", hour(*first), hour(last + 1)),
            _ => String::new(),
        };
        let requests = if summary.total == 1 { "request" } else { "requests" };
        let title = format!("{} {requests} in {names}{span}", number(summary.total));
        self.text.push_str(&self.style.paint(Colour::Title, title));
        self.text.push('\n');
    }

    fn shares(&mut self, summary: &Summary) {
        self.text.push('\n');
        for (group, name, colour, note) in [
            (Group::People, "People", Colour::Person, "browsers, as far as a log tells"),
            (Group::Ai, "AI", Colour::Ai, "agents and crawlers of AI"),
            (Group::Bots, "Bots", Colour::Bot, "everything else automated"),
            (Group::Unclear, "Unclear", Colour::Faint, "neither browser nor known bot"),
        ] {
            let count = summary.of_group(group);
            if count > 0 || group != Group::Unclear {
                let note = self.style.paint(Colour::Faint, note);
                self.bar(name, count, 24, colour, &note);
            }
        }
    }

    fn kinds(&mut self, summary: &Summary) {
        let mut kinds: Vec<(Kind, u64)> = summary
            .kinds
            .iter()
            .map(|(kind, count)| (*kind, *count))
            .filter(|(kind, _)| matches!(kind.group(), Group::Ai | Group::Bots))
            .collect();
        if kinds.is_empty() {
            return;
        }
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        self.title("What the bots are");
        for (kind, count) in kinds {
            let colour = match (kind, kind.group()) {
                (Kind::Spoofed | Kind::Scanner, _) => Colour::Bad,
                (_, Group::Ai) => Colour::Ai,
                _ => Colour::Bot,
            };
            self.bar(name_of(kind), count, 24, colour, "");
        }
    }

    fn names(&mut self, summary: &Summary, judge: &Judge) {
        let names = judge.names();
        let mut all: Vec<(&Rc<Name>, &Visits)> = names.iter().zip(&summary.who).collect();
        all.retain(|(_, visits)| visits.total > 0);
        if all.is_empty() {
            return;
        }
        all.sort_by(|(name, visits), (other, others)| {
            others.total.cmp(&visits.total).then(name.name.cmp(&other.name))
        });
        self.title("Who they are");
        let head = format!(
            "{:>10}  {}  {}  {}  ADDRESSES",
            "REQUESTS",
            column("NAME", 22),
            column("OPERATOR", 14),
            column("PURPOSE", 15)
        );
        self.line(&self.style.paint(Colour::Faint, head));
        let mut has_old = false;
        for (name, visits) in all.iter().take(MOST_NAMES) {
            let row = format!(
                "{:>10}  {}  {}  {}",
                number(visits.total),
                column(&name.name, 22),
                column(name.operator.as_deref().unwrap_or("-"), 14),
                column(name.purpose.name(), 15)
            );
            has_old |= visits.own + visits.other > 0 && !visits.is_proof;
            let addresses = self.addresses(visits);
            self.line(format!("{row}  {addresses}").trim_end());
        }
        if let Some(rest) = all.len().checked_sub(MOST_NAMES).filter(|rest| *rest > 0) {
            let sum = all.iter().skip(MOST_NAMES).map(|(_, visits)| visits.total).sum();
            let text = format!("{:>10}  {rest} more", number(sum));
            self.line(&self.style.paint(Colour::Faint, text));
        }
        if has_old {
            let note = format!(
                "own, foreign: by ranges of {}, too old to prove anything. For fresh ones: `quivive bots refresh`,\n  \
                 `quivive bots export > ranges.json`, then `quivive detect --ranges ranges.json`.",
                judge.date
            );
            self.line(&self.style.paint(Colour::Faint, note));
        }
    }

    /// Whether the addresses are the operator's.
    fn addresses(&self, visits: &Visits) -> String {
        let (own, other) = if visits.is_proof { ("verified", "spoofed") } else { ("own", "foreign") };
        let mut parts = Vec::new();
        if visits.own > 0 {
            parts.push(self.style.paint(Colour::Good, format!("{} {own}", number(visits.own))));
        }
        if visits.other > 0 {
            parts.push(self.style.paint(Colour::Bad, format!("{} {other}", number(visits.other))));
        }
        parts.join(", ")
    }

    fn hours(&mut self, summary: &Summary) {
        let (Some((first, _)), Some((last, _))) =
            (summary.hours.first_key_value(), summary.hours.last_key_value())
        else {
            return;
        };
        let span = last - first + 1;
        let step = ((span + COLUMNS - 1) / COLUMNS).max(1);
        let columns = usize::try_from((span + step - 1) / step).unwrap_or(1);
        let mut rows = [vec![0; columns], vec![0; columns], vec![0; columns]];
        for (hour, counts) in &summary.hours {
            let place = usize::try_from((hour - first) / step).unwrap_or_default();
            for (row, count) in rows.iter_mut().zip(counts) {
                if let Some(sum) = row.get_mut(place) {
                    *sum += count;
                }
            }
        }
        if columns < 2 {
            return;
        }
        self.title(&match step {
            1 => "When, by the hour".to_owned(),
            step => format!("When, {step} hours each"),
        });
        for ((row, name), colour) in
            rows.iter().zip(["People", "AI", "Bots"]).zip([Colour::Person, Colour::Ai, Colour::Bot])
        {
            let most = row.iter().copied().max().unwrap_or_default();
            if most > 0 {
                let marks: String = row.iter().map(|count| spark(*count, most)).collect();
                let line = format!("{}  {}", column(name, 8), self.style.paint(colour, marks));
                self.line(&format!("{line}  up to {}", number(most)));
            }
        }
    }

    fn paths(&mut self, summary: &Summary) {
        let paths = summary.paths.first(MOST_PATHS);
        if paths.is_empty() {
            return;
        }
        self.title(if summary.paths.is_rough { "What AI asks for, about" } else { "What AI asks for" });
        for (path, count) in paths {
            self.line(&format!("{:>10}  {}", number(count), column(path, 84).trim_end()));
        }
    }

    fn bar(&mut self, name: &str, count: u64, width: u64, colour: Colour, note: &str) {
        let eighths = (u128::from(count) * u128::from(width) * 8).div_ceil(u128::from(self.total.max(1)));
        let eighths = usize::try_from(eighths).unwrap_or_default();
        let mut bar = "█".repeat(eighths / 8);
        bar.extend((eighths % 8).checked_sub(1).and_then(|place| PARTS.get(place)));
        let width = usize::try_from(width).unwrap_or_default();
        let thousandths =
            (u128::from(count) * 1000 + u128::from(self.total) / 2) / u128::from(self.total.max(1));
        let share = format!("{:>3}.{} %", thousandths / 10, thousandths % 10);
        let bar = self.style.paint(colour, format!("{bar:width$}"));
        let line = format!("{}  {bar}  {share}  {:>10}  {note}", column(name, 18), number(count));
        self.line(line.trim_end());
    }

    fn title(&mut self, title: &str) {
        let title = self.style.paint(Colour::Title, title);
        let _ = writeln!(self.text, "\n{title}");
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "  {line}");
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Browser => "browsers",
        Kind::AiAgent => "AI agents",
        Kind::AiCrawler => "AI crawlers",
        Kind::SearchEngine => "search engines",
        Kind::Crawler => "other crawlers",
        Kind::Monitoring => "monitoring",
        Kind::Scraper => "scrapers",
        Kind::Spoofed => "false identities",
        Kind::Scanner => "security scanners",
        Kind::Program => "programs",
        Kind::UnknownBot => "unknown bots",
        Kind::Unclear => "unclear",
    }
}

/// `22 Nov 10:00`-like: the date and hour in the order of ISO 8601.
fn hour(hours: i64) -> String {
    let text = Timestamp::from_seconds(hours.saturating_mul(3_600)).to_seconds_text();
    text.get(..16).unwrap_or_default().replace('T', " ")
}

fn spark(count: u64, most: u64) -> char {
    let place = (u128::from(count) * 8).div_ceil(u128::from(most.max(1)));
    let place = usize::try_from(place).unwrap_or_default();
    place.checked_sub(1).and_then(|place| SPARKS.get(place)).copied().unwrap_or(' ')
}

const PARTS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const SPARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const COLUMNS: i64 = 72;
const MOST_NAMES: usize = 20;
const MOST_PATHS: usize = 10;
