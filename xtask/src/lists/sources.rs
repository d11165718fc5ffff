//! The public lists: where each is, its licence, and how it is read.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::catalogue::Origin;
use crate::context::Context;
use crate::step::run;

/// The public lists, read.
pub struct Sources {
    /// Names of AI crawlers and agents in robots files.
    pub ai_names: Vec<AiName>,
    /// The patterns of crawler-user-agents.
    pub patterns: Vec<Pattern>,
    /// User agents of bots of further lists, in lower case, by list.
    pub samples: Vec<(&'static str, Vec<String>)>,
    /// User agents of real browsers, in lower case: no name of a bot may occur in one.
    pub browsers: Vec<String>,
}

/// A name in a list of robots files.
#[derive(Debug, Deserialize)]
pub struct AiName {
    pub name: String,
    pub operator: String,
    pub function: String,
}

/// A pattern of crawler-user-agents.
#[derive(Debug, Deserialize)]
pub struct Pattern {
    pub pattern: String,
    #[serde(default)]
    pub url: Option<String>,
    /// `YYYY/MM/DD`.
    #[serde(default)]
    pub addition_date: Option<String>,
    #[serde(default, deserialize_with = "lower_case")]
    pub instances: Vec<String>,
    #[serde(default)]
    pub tags: Vec<String>,
}

#[derive(Deserialize)]
struct Row {
    ua: String,
    #[serde(default)]
    sources: Vec<String>,
}

impl Sources {
    /// Reads everything; the package is installed below the build folder.
    pub fn read(context: &Context, data: &Path) -> Result<Self, String> {
        let folder = data.join("user_agents");
        let rows: Vec<Row> = lines(&folder.join("bots.jsonl"))?;
        // A row that a list of another licence has as well is left to that licence.
        let is_free = |row: &&Row| row.sources.iter().all(|source| FREE.contains(&source.as_str()));
        let samples = [ISBOT, UAP_CORE].map(|list| {
            let of_list =
                rows.iter().filter(is_free).filter(|row| row.sources.iter().any(|name| name == list));
            (list, of_list.map(|row| row.ua.to_lowercase()).collect())
        });
        let browsers: Vec<Row> = lines(&folder.join("browsers.jsonl"))?;
        Ok(Self {
            ai_names: lines(&folder.join("ai_names.jsonl"))?,
            patterns: package(context)?,
            samples: samples.into(),
            browsers: browsers.into_iter().map(|row| row.ua.to_lowercase()).collect(),
        })
    }

    /// The lists as the catalogue names them. Dates are those of publication.
    pub fn origins() -> [(&'static str, Origin); 5] {
        let origin = |url: &str, licence: &str, version: Option<&str>, date: &str| Origin {
            url: url.to_owned(),
            licence: licence.to_owned(),
            version: version.map(str::to_owned),
            date: date.to_owned(),
        };
        [
            (AI_ROBOTS, origin("https://github.com/ai-robots-txt/ai.robots.txt", "MIT", None, "2026-08-22")),
            (
                CRAWLERS,
                origin(
                    "https://github.com/monperrus/crawler-user-agents",
                    "MIT",
                    Some(CRAWLERS_VERSION),
                    CRAWLERS_DATE,
                ),
            ),
            (ISBOT, origin("https://github.com/omrilotan/isbot", "Unlicense", None, "2026-08-22")),
            (OWN, origin("https://github.com/quivive/quivive", "Apache-2.0 OR MIT", None, "2026-11-22")),
            (UAP_CORE, origin("https://github.com/ua-parser/uap-core", "Apache-2.0", None, "2026-08-22")),
        ]
    }
}

/// Installs the pinned package and reads its list.
fn package(context: &Context) -> Result<Vec<Pattern>, String> {
    let folder = context.target.join("lists");
    let list = folder.join("node_modules/crawler-user-agents/crawler-user-agents.json");
    let stamp = folder.join(format!("crawler-user-agents-{CRAWLERS_VERSION}"));
    if !(list.is_file() && stamp.is_file()) {
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let package = format!("crawler-user-agents@{CRAWLERS_VERSION}");
        let install = ["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"];
        run(context.command("npm", &install).arg(&folder).arg(package)).map_err(|failure| failure.message)?;
        fs::write(&stamp, "").map_err(|error| format!("{}: {error}", stamp.display()))?;
    }
    let text = super::read(&list)?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", list.display()))
}

fn lower_case<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    Ok(texts.into_iter().map(|text| text.to_lowercase()).collect())
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, String> {
    let text = super::read(path)?;
    let parsed = text.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str);
    parsed.collect::<Result<_, _>>().map_err(|error| format!("{}: {error}", path.display()))
}

pub const AI_ROBOTS: &str = "ai.robots.txt";
pub const CRAWLERS: &str = "crawler-user-agents";
pub const ISBOT: &str = "isbot";
/// Found by us in what operators document.
pub const OWN: &str = "quivive";
pub const UAP_CORE: &str = "uap-core";
const CRAWLERS_VERSION: &str = "1.60.0";
const CRAWLERS_DATE: &str = "2026-08-10";
const FREE: [&str; 3] = [CRAWLERS, ISBOT, UAP_CORE];
