//! Measures the user-agent rules on lists of one's own.
//!
//! `cargo run -p quivive-core --example user_agents -- FOLDER [RULES]` reads `FOLDER/bots.jsonl` and
//! `FOLDER/browsers.jsonl` (one JSON object per line with `ua`; bots may have `type` and `sources`, browsers
//! `source`) and reports recall, false positives and the time per user agent. `RULES` is another rule set.
#![expect(clippy::print_stdout, reason = "a command that reports to its caller")]
#![expect(clippy::disallowed_methods, reason = "examples may read files and the clock; the library may not")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use quivive_core::agent::{Classification, Classifier, RequestFacts};
use serde::Deserialize;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: user_agents FOLDER [RULES]")?;
    let classifier = match arguments.next() {
        Some(path) => Classifier::from_rules(&std::fs::read_to_string(path)?)?,
        None => Classifier::new(),
    };
    let bots = read(&Path::new(&folder).join("bots.jsonl"))?;
    let browsers = read(&Path::new(&folder).join("browsers.jsonl"))?;
    report("bots by source (found)", &classifier, &bots, |row| row.sources.clone(), true);
    report(
        "bots by type (found)",
        &classifier,
        &bots,
        |row| vec![row.kind.clone().unwrap_or_default()],
        true,
    );
    report("browsers by source (passed)", &classifier, &browsers, |row| vec![row.source.clone()], false);
    time(&classifier, bots.iter().chain(&browsers));
    Ok(())
}

#[derive(Deserialize)]
struct Row {
    ua: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    sources: Vec<String>,
    #[serde(default)]
    source: String,
}

fn read(path: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    std::fs::read_to_string(path)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn classify(classifier: &Classifier, user_agent: &str) -> Classification {
    classifier.classify(&RequestFacts { user_agent: Some(user_agent.to_owned()), ..RequestFacts::default() })
}

fn report(
    title: &str,
    classifier: &Classifier,
    rows: &[Row],
    groups: impl Fn(&Row) -> Vec<String>,
    expected: bool,
) {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    println!("{title}");
    for row in rows {
        let seen = classify(classifier, &row.ua);
        let is_right = seen.is_bot == expected;
        for group in groups(row).into_iter().chain(["all".to_owned()]) {
            let (right, all) = counts.entry(group).or_default();
            *right += usize::from(is_right);
            *all += 1;
        }
        if !is_right {
            let ids: Vec<&str> = seen.evidence.iter().map(|item| &*item.id).collect();
            println!("  wrong: [{}{}] {}: {}", row.sources.join(","), row.source, ids.join(" "), row.ua);
        }
    }
    for (group, (right, all)) in counts {
        #[expect(clippy::cast_precision_loss, reason = "counts of lines")]
        let share = 100.0 * right as f64 / all as f64;
        println!("  {group}: {right} of {all} ({share:.3} %)");
    }
}

fn time<'a>(classifier: &Classifier, rows: impl Iterator<Item = &'a Row> + Clone) {
    let count = rows.clone().count() * ROUNDS;
    let start = Instant::now();
    let bots = (0..ROUNDS).flat_map(|_| rows.clone()).filter(|row| {
        let class = classifier.class_of_user_agent(&row.ua);
        class.is_self_declared_bot() || class.tool.is_some()
    });
    let bots = bots.count();
    #[expect(clippy::cast_precision_loss, reason = "counts of lines")]
    let each = start.elapsed().as_nanos() as f64 / count as f64;
    println!("{each:.0} ns per user agent ({count} looked at, {bots} of a bot or tool)");
}

const ROUNDS: usize = 20;
