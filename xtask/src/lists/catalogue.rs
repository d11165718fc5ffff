//! Reading and writing the part of the rule set that lists agents; the rest stays as it was, byte for byte.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The part of the rule set that this command keeps.
#[derive(Debug, Deserialize)]
pub struct Catalogue {
    /// The sources that entries name.
    #[serde(default)]
    pub origins: BTreeMap<String, Origin>,
    /// The agents.
    pub agents: Vec<Entry>,
    /// Programs that are no agents; read only.
    pub tools: Vec<Tool>,
}

/// A public list.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Origin {
    /// Where it is.
    pub url: String,
    /// Its licence as SPDX expression.
    pub licence: String,
    /// The version that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When it was read or published.
    pub date: String,
}

/// An agent, in the order in which its members are written.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Entry {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    pub bot_type: String,
    pub sub_type: String,
    /// Written where it does not follow from the type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    pub tokens: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ua_must: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ua_must_not: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub robots_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info_url: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_sent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
}

/// A program that is no agent.
#[derive(Debug, Deserialize)]
pub struct Tool {
    pub tokens: Vec<String>,
}

impl Catalogue {
    /// Reads a rule set.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut catalogue: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for entry in &mut catalogue.agents {
            let usual = if entry.bot_type == "ai_agent" { "fetcher" } else { "crawler" };
            entry.trigger.take_if(|trigger| trigger == usual);
        }
        Ok(catalogue)
    }

    /// The rule set with this list of agents and sources, one on each line.
    pub fn written(&self, before: &str) -> Result<String, String> {
        let agents = self.agents.iter().map(json).collect::<Result<Vec<_>, _>>()?;
        let origins = self
            .origins
            .iter()
            .map(|(name, origin)| Ok(format!("{}: {}", json(name)?, json(origin)?)))
            .collect::<Result<Vec<_>, String>>()?;
        let text = match section(before, "origins", '{', '}') {
            Some(_) => before.to_owned(),
            None => before.replacen("  \"agents\": [", "  \"origins\": {\n  },\n  \"agents\": [", 1),
        };
        let text = with_section(&text, "origins", '{', '}', &origins)?;
        with_section(&text, "agents", '[', ']', &agents)
    }
}

fn with_section(text: &str, name: &str, open: char, close: char, lines: &[String]) -> Result<String, String> {
    let (start, end) = section(text, name, open, close).ok_or(format!("there is no section {name}"))?;
    let (before, after) = (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default());
    let lines: Vec<String> = lines.iter().map(|line| format!("    {line}")).collect();
    Ok(format!("{before}{}\n{after}", lines.join(",\n")))
}

/// Where the lines of a section begin and end; its brackets stand at the margin of two.
fn section(text: &str, name: &str, open: char, close: char) -> Option<(usize, usize)> {
    let head = format!("\n  \"{name}\": {open}\n");
    let start = text.find(&head)? + head.len();
    let tail = format!("  {close}");
    let length =
        text.get(start..)?.split_inclusive('\n').take_while(|line| !line.starts_with(&tail)).map(str::len);
    Some((start, start + length.sum::<usize>()))
}

fn json(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "{\n  \"version\": \"1\",\n  \"agents\": [\n    {\"id\": \"a\", \"name\": \"A\", \"botType\": \
        \"crawler\", \"subType\": \"seo\", \"trigger\": \"crawler\", \"tokens\": [\"abot\"]}\n  ],\n  \"tools\": [\n    \
        {\"name\":  \"t\", \"tokens\": [\"t/\"]}\n  ]\n}\n";

    #[test]
    fn only_the_own_sections_change() {
        let mut catalogue = Catalogue::parse(RULES).unwrap();
        catalogue.agents.push(Entry { id: "b".to_owned(), ..catalogue.agents[0].clone() });
        let origin = Origin {
            url: "https://example.com".to_owned(),
            licence: "MIT".to_owned(),
            version: None,
            date: "2026-01-02".to_owned(),
        };
        catalogue.origins.insert("list".to_owned(), origin);
        let written = catalogue.written(RULES).unwrap();
        assert!(written.contains("  \"tools\": [\n    {\"name\":  \"t\""), "{written}");
        assert!(written.contains("\n    \"list\": {\"url\":\"https://example.com\""), "{written}");
        let again = Catalogue::parse(&written).unwrap();
        assert_eq!(again.agents, catalogue.agents);
        assert_eq!(again.written(&written).unwrap(), written);
    }

    #[test]
    fn what_follows_from_the_type_is_not_written() {
        assert_eq!(Catalogue::parse(RULES).unwrap().agents[0].trigger, None);
        let other = RULES.replace("\"trigger\": \"crawler\"", "\"trigger\": \"fetcher\"");
        assert_eq!(Catalogue::parse(&other).unwrap().agents[0].trigger.as_deref(), Some("fetcher"));
    }
}
