//! Part U: user agents alone, beside the packages that are used for the same.
//!
//! The rows are cut by the family of a bot, and by the letters of a browser's user agent, so that near copies stay
//! together: a quarter is held out. Words and shapes were chosen in two rounds, each with a cut of its own: the first
//! byte of SHA-256 of the key, in the second round behind a fixed word, modulo four is three. The rows of the second
//! cut were no example while the rules got their present form, but three quarters of them had been in the first round;
//! what both rounds held out never was one. One held-out browser became known in the second round, as it was taken for
//! a bot: the rule was withdrawn.
//!
//! Names are another matter: a catalogue is made of names that are known. So the held-out rows are also judged by a
//! rule set without every agent and tool of which a token occurs in them: bots of which nobody has heard.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use quivive_core::agent::{BotType, Classification, Classifier, RequestFacts, SubType};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::json::Json;
use super::program::node;
use super::report::ratio;
use super::table::Table;
use super::text::percent;

/// An item's name with its likelihood.
pub(super) type NamedLikelihood = (String, Option<f64>);

/// Part U.
#[derive(Clone, Debug, Default)]
pub struct UserAgents {
    /// The whole rule set on all rows.
    pub whole: Rates,
    /// Share with the right type, by type; of the whole rule set on all rows with a known type.
    pub type_accuracy: BTreeMap<String, (usize, usize)>,
    /// Further readings by name: rule set and rows.
    pub readings: Vec<(&'static str, Rates)>,
    /// Other packages by name, on all rows.
    pub others: Vec<(String, Rates)>,
    /// Why other packages were not measured.
    pub notice: Option<String>,
}

/// How often bots and browsers are told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    /// Bots found, of all.
    pub found: (usize, usize),
    /// The same by type; rows without one are `unknown`.
    pub by_type: BTreeMap<String, (usize, usize)>,
    /// The same for the rows that a source does not contain.
    pub without_source: BTreeMap<String, (usize, usize)>,
    /// Browsers taken for bots, of all.
    pub wrong: (usize, usize),
    /// The same by source.
    pub wrong_by_source: BTreeMap<String, (usize, usize)>,
    /// The share of traffic that is taken for bots, over rows with a weight.
    pub wrong_weight: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Bot {
    ua: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    family: Option<String>,
    #[serde(default)]
    sources: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Browser {
    ua: String,
    #[serde(default)]
    source: String,
    weight: Option<f64>,
}

/// The part of a folder of data with each row's name and likelihood; none when the folder is missing.
///
/// # Errors
/// When a file or the rule set cannot be read.
pub fn user_agents(
    data: &Path,
    root: &Path,
    target: &Path,
) -> Result<Option<(UserAgents, Vec<NamedLikelihood>)>, String> {
    let folder = data.join("user_agents");
    if !folder.is_dir() {
        return Ok(None);
    }
    let bots: Vec<Bot> = rows(&folder.join("bots.jsonl"))?;
    let browsers: Vec<Browser> = rows(&folder.join("browsers.jsonl"))?;
    let rules = root.join("core/data/agents.json");
    let rules: Value = std::fs::read_to_string(&rules)
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
        .map_err(|error| format!("{}: {error}", rules.display()))?;
    let held_out: Vec<&Bot> = bots.iter().filter(|bot| is_held_out(SECOND, bot.key())).collect();
    let held_out_browsers: Vec<&Browser> =
        browsers.iter().filter(|browser| is_held_out(SECOND, &browser.key())).collect();
    let held_out_twice: Vec<&Bot> =
        held_out.iter().copied().filter(|bot| is_held_out(FIRST, bot.key())).collect();
    let held_out_browsers_twice: Vec<&Browser> =
        held_out_browsers.iter().copied().filter(|browser| is_held_out(FIRST, &browser.key())).collect();
    let all: Vec<&Bot> = bots.iter().collect();
    let all_browsers: Vec<&Browser> = browsers.iter().collect();

    let whole = Classifier::new();
    let unheard_of = classifier(&without_names(&rules, |token| {
        held_out.iter().any(|bot| bot.ua.to_ascii_lowercase().contains(token))
    }))?;
    let general = classifier(&without_names(&rules, |_| true))?;
    let rates = |classifier: &Classifier, bots: &[&Bot], browsers: &[&Browser]| {
        let found = bots.iter().map(|bot| classify(classifier, &bot.ua).is_bot).collect::<Vec<_>>();
        let wrong =
            browsers.iter().map(|browser| classify(classifier, &browser.ua).is_bot).collect::<Vec<_>>();
        Rates::of(bots, &found, browsers, &wrong)
    };
    let mut part = UserAgents {
        whole: rates(&whole, &all, &all_browsers),
        type_accuracy: type_accuracy(&whole, &rules, &bots),
        readings: vec![
            (HELD_OUT, rates(&whole, &held_out, &held_out_browsers)),
            (UNHEARD_OF, rates(&unheard_of, &held_out, &held_out_browsers)),
            (UNHEARD_OF_TWICE, rates(&unheard_of, &held_out_twice, &held_out_browsers_twice)),
            (GENERAL, rates(&general, &all, &all_browsers)),
            (GENERAL_HELD_OUT, rates(&general, &held_out, &held_out_browsers)),
        ],
        ..UserAgents::default()
    };
    let texts: Vec<&str> = bots
        .iter()
        .map(|bot| bot.ua.as_str())
        .chain(browsers.iter().map(|browser| browser.ua.as_str()))
        .collect();
    match others(root, target, &texts) {
        Ok(answers) => {
            for (name, answers) in answers {
                let (found, wrong) = answers.split_at(bots.len());
                part.others.push((name, Rates::of(&all, found, &all_browsers, wrong)));
            }
        }
        Err(reason) => {
            part.notice = Some(format!("Other packages for user agents were not measured: {reason}."))
        }
    }
    let scores = texts
        .iter()
        .zip(1_u32..)
        .map(|(text, number)| (format!("user_agents/ua/{number}"), Some(classify(&whole, text).confidence)));
    Ok(Some((part, scores.collect())))
}

impl UserAgents {
    /// A reading by its name.
    pub fn reading(&self, name: &str) -> Option<&Rates> {
        self.readings.iter().find(|(known, _)| *known == name).map(|(_, rates)| rates)
    }

    /// The mean over the types of the share with the right one.
    pub fn macro_type_accuracy(&self) -> Option<f64> {
        super::metrics::mean(self.type_accuracy.values().filter_map(|&(right, all)| ratio(right, all)))
    }

    /// The figures as JSON; those of the whole rule set on all rows stand first.
    pub fn json(&self) -> Json {
        let readings = self.readings.iter().map(|(name, rates)| ((*name).to_owned(), rates.json()));
        let others = self.others.iter().map(|(name, rates)| (name.clone(), rates.json()));
        self.whole
            .json()
            .with("type_accuracy", self.macro_type_accuracy())
            .with("type_accuracy_by_type", counts_json(&self.type_accuracy))
            .with("readings", Json::Object(readings.collect()))
            .with("others", Json::Object(others.collect()))
    }

    /// The tables of the report.
    pub fn tables(&self) -> Vec<Table> {
        let types: BTreeSet<&String> = self.whole.by_type.keys().collect();
        let columns: Vec<&str> = ["rule set and rows", "bots", "recall"]
            .into_iter()
            .chain(types.iter().map(|name| name.as_str()))
            .chain(["browsers", "taken for bots", "share", "of traffic"])
            .collect();
        let mut table = Table::new(
            "User agents alone",
            "Words and shapes were chosen in two rounds, each with another quarter of the families held out. Held-out \
             rows are those of the second round; those of both rounds never were an example. Unheard of: without \
             every catalogued name that occurs there. General: words and shapes only, no catalogue at all. The other \
             packages know part of these lists.",
            &columns,
        );
        let readings = self.readings.iter().map(|(name, rates)| (title(name), rates));
        let others = self.others.iter().map(|(name, rates)| (name.as_str(), rates));
        for (name, rates) in
            [("whole rule set, all rows", &self.whole)].into_iter().chain(readings).chain(others)
        {
            let of =
                |counts: Option<&(usize, usize)>| percent(counts.and_then(|&(part, all)| ratio(part, all)));
            let start = [name.to_owned(), rates.found.1.to_string(), of(Some(&rates.found))];
            let end = [
                rates.wrong.1.to_string(),
                rates.wrong.0.to_string(),
                of(Some(&rates.wrong)),
                percent(rates.wrong_weight),
            ];
            let by_type = types.iter().map(|kind| of(rates.by_type.get(*kind)));
            table.rows.push(start.into_iter().chain(by_type).chain(end).collect());
        }
        vec![
            table,
            counts_table(
                "Recall on rows that a source does not contain",
                "A list finds what it is made of.",
                ["source left out", "found", "rows", "recall"],
                &self.whole.without_source,
            ),
            counts_table(
                "Browsers taken for bots",
                "The whole rule set.",
                ["source", "wrong", "rows", "share"],
                &self.whole.wrong_by_source,
            ),
            counts_table(
                "Right type",
                "Crawlers for artificial intelligence count as its agents; libraries, driven browsers and scanners as scrapers.",
                ["type", "right", "rows", "share"],
                &self.type_accuracy,
            ),
        ]
    }
}

impl Rates {
    fn of(bots: &[&Bot], found: &[bool], browsers: &[&Browser], wrong: &[bool]) -> Self {
        let mut rates = Self::default();
        let sources: BTreeSet<&String> = bots.iter().flat_map(|bot| &bot.sources).collect();
        for (bot, &is_found) in bots.iter().zip(found) {
            count(&mut rates.found, is_found);
            count(rates.by_type.entry(bot.kind().to_owned()).or_default(), is_found);
            for source in sources.iter().filter(|source| !bot.sources.contains(source)) {
                count(rates.without_source.entry((*source).clone()).or_default(), is_found);
            }
        }
        for (browser, &is_wrong) in browsers.iter().zip(wrong) {
            count(&mut rates.wrong, is_wrong);
            count(rates.wrong_by_source.entry(browser.source.clone()).or_default(), is_wrong);
        }
        let weighted = browsers.iter().zip(wrong);
        rates.wrong_weight = super::metrics::share(
            weighted.filter_map(|(browser, &is_wrong)| Some((is_wrong, browser.weight?))),
        );
        rates
    }

    /// The share of bots that are found.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.found.0, self.found.1)
    }

    /// The share of bots of a type that are found.
    pub fn recall_of(&self, kind: &str) -> Option<f64> {
        self.by_type.get(kind).and_then(|&(found, all)| ratio(found, all))
    }

    /// The share of browsers that are taken for bots.
    pub fn false_positives(&self) -> Option<f64> {
        ratio(self.wrong.0, self.wrong.1)
    }

    fn json(&self) -> Json {
        Json::object([
            ("bots", self.found.1.into()),
            ("browsers", self.wrong.1.into()),
            ("recall", self.recall().into()),
            ("recall_by_type", counts_json(&self.by_type)),
            ("recall_without_source", counts_json(&self.without_source)),
            ("fpr", self.false_positives().into()),
            ("fpr_by_source", counts_json(&self.wrong_by_source)),
            ("fpr_weighted", self.wrong_weight.into()),
        ])
    }
}

impl Bot {
    fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("unknown")
    }

    /// What near copies have in common.
    fn key(&self) -> &str {
        self.family.as_deref().unwrap_or_default()
    }
}

impl Browser {
    /// What near copies have in common.
    fn key(&self) -> String {
        let letters = self.ua.chars().map(|character| character.to_ascii_lowercase());
        letters.filter(char::is_ascii_lowercase).collect()
    }
}

/// JSON lines.
///
/// # Errors
/// When the file cannot be read, with its name.
pub(super) fn rows<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    text.lines().map(|line| serde_json::from_str(line).map_err(|error| named(&error))).collect()
}

pub(super) fn counts_table(
    title: &str,
    remark: &str,
    columns: [&str; 4],
    counts: &BTreeMap<String, (usize, usize)>,
) -> Table {
    let mut table = Table::new(title, remark, &columns);
    table.rows = counts
        .iter()
        .map(|(name, &(part, all))| {
            vec![name.clone(), part.to_string(), all.to_string(), percent(ratio(part, all))]
        })
        .collect();
    table
}

pub(super) fn count((part, all): &mut (usize, usize), holds: bool) {
    *part += usize::from(holds);
    *all += 1;
}

fn counts_json(counts: &BTreeMap<String, (usize, usize)>) -> Json {
    Json::map(counts, |&(part, all)| ratio(part, all).into())
}

fn is_held_out(round: &str, key: &str) -> bool {
    Sha256::digest(format!("{round}{key}")).first().is_some_and(|byte| byte % 4 == 3)
}

fn classify(classifier: &Classifier, user_agent: &str) -> Classification {
    classifier.classify(&RequestFacts { user_agent: Some(user_agent.to_owned()), ..RequestFacts::default() })
}

fn classifier(rules: &Value) -> Result<Classifier, String> {
    Classifier::from_rules(&rules.to_string()).map_err(|error| error.to_string())
}

/// The rule set without every agent and tool of which a token is known.
fn without_names(rules: &Value, is_known: impl Fn(&str) -> bool) -> Value {
    let mut rules = rules.clone();
    for list in ["agents", "tools"] {
        if let Some(entries) = rules.get_mut(list).and_then(Value::as_array_mut) {
            entries.retain(|entry| {
                let tokens = entry["tokens"].as_array().into_iter().flatten().filter_map(Value::as_str);
                !tokens.map(str::to_ascii_lowercase).any(|token| is_known(&token))
            });
        }
    }
    rules
}

fn type_accuracy(classifier: &Classifier, rules: &Value, bots: &[Bot]) -> BTreeMap<String, (usize, usize)> {
    let agents = rules["agents"].as_array().map(Vec::as_slice).unwrap_or_default();
    let kinds: BTreeMap<_, _> =
        agents.iter().filter_map(|agent| Some((agent["id"].as_str()?, agent))).collect();
    let mut accuracy = BTreeMap::new();
    for bot in bots.iter().filter(|bot| bot.kind.is_some()) {
        let seen = classify(classifier, &bot.ua);
        let claimed = seen.agent.and_then(|agent| kinds.get(agent.id.as_str()).copied());
        let kind = match claimed {
            // The data's types are those of names, whoever uses them.
            Some(agent) => kind_of(agent),
            None => Some((seen.bot_type, seen.sub_type)),
        };
        let is_right =
            kind.and_then(|(bot_type, sub_type)| coarse_type(bot_type, sub_type)) == bot.kind.as_deref();
        count(accuracy.entry(bot.kind().to_owned()).or_default(), is_right);
    }
    accuracy
}

fn kind_of(agent: &Value) -> Option<(BotType, Option<SubType>)> {
    let bot_type = BotType::deserialize(&agent["botType"]).ok()?;
    Some((bot_type, SubType::deserialize(&agent["subType"]).ok()))
}

/// The data's type by its definition: anything of artificial intelligence is an agent; HTTP libraries, driven browsers,
/// scanners and security checkers are scrapers; all else that has a known purpose, as monitors, validators, feed readers
/// and what compares prices, is a crawler. Of an unknown purpose the data have no type.
fn coarse_type(bot_type: BotType, sub_type: Option<SubType>) -> Option<&'static str> {
    Some(match (bot_type, sub_type) {
        (BotType::AiAgent, _) | (BotType::Crawler, Some(SubType::AiTraining | SubType::AiSearch)) => {
            "ai_agent"
        }
        (BotType::Crawler | BotType::Monitoring, _) | (BotType::Scraper, Some(SubType::PriceComparison)) => {
            "crawler"
        }
        (BotType::Scraper | BotType::Automation | BotType::SecurityScanner, _) => "scraper",
        (BotType::UnknownBot | BotType::Human | BotType::Unknown, _) => return None,
    })
}

/// What other packages say of each text; they are installed below the build folder once.
fn others(root: &Path, target: &Path, texts: &[&str]) -> Result<Vec<(String, Vec<bool>)>, String> {
    let folder = target.join("evaluate/user-agents");
    let folder = &std::path::absolute(folder).map_err(|error| error.to_string())?;
    if !PACKAGES.iter().all(|(name, _)| folder.join("node_modules").join(name).is_dir()) {
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(folder.join("package.json"), "{\"private\": true}"))
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let output = Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund"])
            .args(PACKAGES.map(|(name, version)| format!("{name}@{version}")))
            .current_dir(folder)
            .output()
            .map_err(|error| format!("npm: {error}"))?;
        if !output.status.success() {
            return Err(format!("npm install: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
    }
    let lines: Vec<String> = texts.iter().map(|text| Value::from(*text).to_string()).collect();
    let answers = node(&root.join("tests/evaluate/user_agents.mjs"), &[folder], &lines)?;
    let answers: Vec<BTreeMap<String, bool>> = answers
        .iter()
        .map(|line| serde_json::from_str(line).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    let of = |name: &str| answers.iter().map(|answer| answer.get(name) == Some(&true)).collect();
    Ok(PACKAGES.map(|(name, version)| (format!("{name} {version}"), of(name))).into())
}

fn title(reading: &str) -> &str {
    match reading {
        HELD_OUT => "whole rule set, held-out rows",
        UNHEARD_OF => "their names unheard of, held-out rows",
        UNHEARD_OF_TWICE => "their names unheard of, rows held out in both rounds",
        GENERAL => "general rules, all rows",
        _ => "general rules, held-out rows",
    }
}

/// The whole rule set on the held-out rows.
pub const HELD_OUT: &str = "held_out";
/// The rule set without the names of the held-out rows, on these rows.
pub const UNHEARD_OF: &str = "unheard_of";
/// The same on the rows that were held out in both rounds.
pub const UNHEARD_OF_TWICE: &str = "unheard_of_twice";
/// Words and shapes alone, on all rows.
pub const GENERAL: &str = "general";
/// Words and shapes alone, on the held-out rows.
pub const GENERAL_HELD_OUT: &str = "general_held_out";
/// What stands before the key in the first round.
const FIRST: &str = "";
/// What stands before the key in the second round.
const SECOND: &str = "doorbell|";
/// The packages that are measured beside, with their versions.
const PACKAGES: [(&str, &str); 2] = [("isbot", "5.2.3"), ("crawler-user-agents", "1.60.0")];

#[cfg(test)]
mod tests {
    use super::*;

    fn bot(ua: &str, kind: Option<&str>, sources: &[&str]) -> Bot {
        Bot {
            ua: ua.to_owned(),
            kind: kind.map(str::to_owned),
            family: None,
            sources: sources.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn rates_count_by_type_source_and_traffic() {
        let bots = [bot("a", Some("crawler"), &["x"]), bot("b", None, &["x", "y"])];
        let browser =
            |source: &str, weight| Browser { ua: "c".to_owned(), source: source.to_owned(), weight };
        let browsers = [browser("p", Some(0.75)), browser("p", Some(0.25)), browser("q", None)];
        let rates = Rates::of(
            &bots.iter().collect::<Vec<_>>(),
            &[true, false],
            &browsers.iter().collect::<Vec<_>>(),
            &[false, true, true],
        );
        assert_eq!((rates.found, rates.wrong, rates.wrong_weight), ((1, 2), (2, 3), Some(0.25)));
        assert_eq!((rates.recall_of("crawler"), rates.recall_of("unknown")), (Some(1.0), Some(0.0)));
        assert_eq!(rates.without_source, BTreeMap::from([("y".to_owned(), (1, 1))]));
        assert_eq!(rates.wrong_by_source["q"], (1, 1));
    }

    #[test]
    fn names_that_are_known_are_taken_out_and_all_else_stays() {
        let rules = serde_json::json!({
            "agents": [{"tokens": ["GPTBot"]}, {"tokens": ["other"]}], "tools": [{"tokens": ["curl/"]}], "words": {},
        });
        let rest = without_names(&rules, |token| "mozilla gptbot/1".contains(token));
        assert_eq!(
            (rest["agents"].as_array().unwrap().len(), rest["tools"].as_array().unwrap().len()),
            (1, 1)
        );
        assert_eq!(without_names(&rules, |_| true)["agents"], serde_json::json!([]));
    }

    #[test]
    fn types_of_the_data_are_coarser_than_ours() {
        let rules = serde_json::json!({
            "agents": [{"id": "google-extended", "botType": "crawler", "subType": "ai_training"}],
        });
        let accuracy = type_accuracy(
            &Classifier::new(),
            &rules,
            &[
                bot("GPTBot/1.1", Some("ai_agent"), &[]),
                bot("Mozilla/5.0 (compatible; Google-Extended)", Some("ai_agent"), &[]),
                bot("curl/8.5.0", Some("scraper"), &[]),
                bot("MyCoolBot/1.0 (+https://example.org/bot)", Some("crawler"), &[]),
                bot("curl/8.5.0", Some("crawler"), &[]),
                bot("no type", None, &[]),
            ],
        );
        assert_eq!(
            accuracy,
            BTreeMap::from([
                ("ai_agent".to_owned(), (2, 2)),
                ("crawler".to_owned(), (1, 2)),
                ("scraper".to_owned(), (1, 1)),
            ])
        );
    }

    #[test]
    fn the_cuts_keep_near_copies_together_and_differ() {
        let key = |ua: &str| Browser { ua: ua.to_owned(), source: String::new(), weight: None }.key();
        assert_eq!(key("Chrome/140.0 (Win64)"), key("chrome/141.0.0.0 (win64)"));
        let is_in = |round, number: i32| is_held_out(round, &format!("family {number}"));
        for round in [FIRST, SECOND] {
            let held_out = (0..400).filter(|number| is_in(round, *number)).count();
            assert!((60..140).contains(&held_out), "{held_out}");
        }
        let twice = (0..400).filter(|number| is_in(FIRST, *number) && is_in(SECOND, *number)).count();
        assert!((5..60).contains(&twice), "{twice}");
    }
}
