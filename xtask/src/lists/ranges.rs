//! The snapshot of published address ranges.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

/// One set of the list, in CIDR notation.
#[derive(Deserialize)]
struct Set {
    #[serde(default)]
    v4: Vec<String>,
    #[serde(default)]
    v6: Vec<String>,
}

/// The snapshot from the list of `data`.
pub fn rebuilt(data: &Path) -> Result<String, String> {
    let path = data.join("ip/ip_ranges.json");
    let text = super::read(&path)?;
    let sets: BTreeMap<String, Set> =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    written(&sets)
}

fn written(sets: &BTreeMap<String, Set>) -> Result<String, String> {
    let mut feeds = Vec::new();
    for (feed, name) in FEEDS {
        let set = sets.get(name).ok_or_else(|| format!("the list has no set {name}"))?;
        let ranges: Vec<String> = set.v4.iter().chain(&set.v6).map(|range| format!("\"{range}\"")).collect();
        feeds.push(format!("    \"{feed}\": [\n{}\n    ]", wrapped(&ranges)));
    }
    Ok(format!(
        "{{\n  \"date\": \"{DATE}\",\n  \"source\": \"{SOURCE}\",\n  \"feeds\": {{\n{}\n  }}\n}}\n",
        feeds.join(",\n")
    ))
}

/// Items filled into lines.
fn wrapped(items: &[String]) -> String {
    let mut lines = vec![String::new()];
    for (place, item) in items.iter().enumerate() {
        let comma = if place + 1 < items.len() { "," } else { "" };
        match lines.last_mut() {
            Some(line) if !line.is_empty() && line.len() + item.len() + comma.len() < WIDTH => {
                line.push_str(&format!(" {item}{comma}"));
            }
            _ => lines.push(format!("      {item}{comma}")),
        }
    }
    lines.split_off(1).join("\n")
}

/// The catalogue's feeds and the sets that are them. Sets that hold more than one agent's addresses prove nothing.
const FEEDS: [(&str, &str); 4] = [
    ("bing-bingbot", "bing"),
    ("duckduckgo-duckassistbot", "duckassistbot"),
    ("duckduckgo-duckduckbot", "duckduckbot"),
    ("google-common-crawlers", "googlebot"),
];
const SOURCE: &str = "https://github.com/lord-alfred/ipranges, CC0-1.0";
const DATE: &str = "2026-08-22";
const WIDTH: usize = 110;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_filled_and_every_range_is_there() {
        let items: Vec<String> = (0..40).map(|number| format!("\"192.0.2.{number}/32\"")).collect();
        let text = wrapped(&items);
        assert!(text.lines().all(|line| line.len() <= WIDTH && line.starts_with("      \"")), "{text}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&format!("[{text}]")).unwrap().len(), 40);
    }

    #[test]
    fn a_set_that_is_missing_is_named() {
        assert!(written(&BTreeMap::new()).unwrap_err().contains("bing"));
    }
}
