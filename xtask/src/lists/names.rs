//! Which names become entries, and what the lists add to an entry.

use super::catalogue::{Catalogue, Entry};
use super::report::Report;
use super::sources::{AI_ROBOTS, AiName, CRAWLERS, OWN, Pattern, Sources};

/// Adds, fills in and notes origins.
pub fn extend(catalogue: &mut Catalogue, sources: &Sources, report: &mut Report) {
    let before = catalogue.agents.clone();
    let crawlers_of = |entry: &Entry| -> Vec<&Pattern> {
        let mut patterns: Vec<_> = sources.patterns.iter().filter(|pattern| pattern.names(entry)).collect();
        patterns.sort_by_key(|pattern| pattern.pattern.len());
        patterns
    };
    for name in &sources.ai_names {
        match new_ai_entry(catalogue, name) {
            Covered::Yes => {}
            Covered::No(reason) => report.not_named.push(format!("{}: {reason}", name.name)),
            Covered::Entry(entry) => add(catalogue, *entry, sources, report),
        }
    }
    for pattern in &sources.patterns {
        if let Some(entry) = new_crawler(catalogue, pattern) {
            add(catalogue, entry, sources, report);
        }
    }
    for entry in &mut catalogue.agents {
        let patterns = crawlers_of(entry);
        let ai_names: Vec<_> = sources.ai_names.iter().filter(|name| is_named(entry, &name.name)).collect();
        let samples =
            sources.samples.iter().filter(|(_, texts)| texts.iter().any(|text| occurs(entry, text)));
        let mut origins: Vec<&str> = samples.map(|(list, _)| *list).collect();
        let is_instance = |pattern: &Pattern| pattern.instances.iter().any(|text| occurs(entry, text));
        let is_crawler = !patterns.is_empty() || sources.patterns.iter().any(is_instance);
        origins.extend(is_crawler.then_some(CRAWLERS));
        origins.extend((!ai_names.is_empty()).then_some(AI_ROBOTS));
        if origins.is_empty() {
            if entry.origins.iter().any(|name| name != OWN) {
                report.dropped.push(entry.id.clone());
            }
            origins.push(OWN);
        }
        origins.sort_unstable();
        entry.origins = origins.into_iter().map(str::to_owned).collect();
        fill(entry, &patterns, &ai_names, &before);
    }
    catalogue.origins.extend(Sources::origins().map(|(name, origin)| (name.to_owned(), origin)));
    report.compare(&before, &catalogue.agents);
}

/// Fills in what the entry leaves out.
fn fill(entry: &mut Entry, patterns: &[&Pattern], ai_names: &[&AiName], before: &[Entry]) {
    if entry.info_url.is_none() {
        entry.info_url = patterns.iter().find_map(|pattern| pattern.home_page());
    }
    if entry.vendor.is_none() {
        entry.vendor = ai_names.iter().find_map(|name| operator(&name.operator));
    }
    if entry.robots_token.is_none() {
        let is_own = |name: &&String| {
            let lower = name.to_lowercase();
            !name.contains(' ') && (entry.name.to_lowercase() == lower || entry.tokens.contains(&lower))
        };
        entry.robots_token = ai_names.iter().map(|name| &name.name).find(is_own).cloned();
    }
    if entry.since.is_none() {
        let listed = patterns.iter().filter_map(|pattern| pattern.addition_date.as_ref()).min();
        let is_old = before.iter().any(|known| known.id == entry.id);
        let today = if is_old { FIRST_EDITION } else { LATEST_EDITION };
        entry.since = Some(listed.map_or_else(|| today.to_owned(), |date| date.replace('/', "-")));
    }
}

fn add(catalogue: &mut Catalogue, entry: Entry, sources: &Sources, report: &mut Report) {
    let is_browser = |text: &String| entry.tokens.iter().any(|token| text.contains(token.as_str()));
    if catalogue.agents.iter().any(|known| known.id == entry.id) || sources.browsers.iter().any(is_browser) {
        report.refused.push(entry.name);
    } else {
        catalogue.agents.push(entry);
    }
}

enum Covered {
    Yes,
    No(&'static str),
    Entry(Box<Entry>),
}

fn new_ai_entry(catalogue: &Catalogue, name: &AiName) -> Covered {
    let lower = name.name.to_lowercase();
    if let Some((_, reason)) = NOT_NAMED.iter().find(|(word, _)| *word == lower) {
        return Covered::No(reason);
    }
    let is_tool =
        || catalogue.tools.iter().flat_map(|tool| &tool.tokens).any(|token| lower.contains(token.trim()));
    if catalogue.agents.iter().any(|entry| is_named(entry, &name.name)) || is_tool() {
        return Covered::Yes;
    }
    let (bot_type, sub_type) = kind_of_function(&name.function);
    let entry = Entry {
        id: id_of(&lower),
        name: name.name.clone(),
        vendor: operator(&name.operator),
        bot_type: bot_type.to_owned(),
        sub_type: sub_type.to_owned(),
        tokens: vec![lower],
        ..Entry::default()
    };
    Covered::Entry(Box::new(entry))
}

/// An entry for a pattern that is a bot's plain name, has a purpose and says who runs it. Everything else is told as a
/// bot by its form alone; an entry would only add weight.
fn new_crawler(catalogue: &Catalogue, pattern: &Pattern) -> Option<Entry> {
    let name = pattern.literal();
    let name = name.trim_start_matches('^').trim_end_matches('/').trim();
    let lower = name.to_lowercase();
    let is_plain = lower.len() >= SHORTEST_NAME
        && lower.starts_with(|first: char| first.is_ascii_alphabetic())
        && lower.chars().all(|character| character.is_ascii_alphanumeric() || " -_.".contains(character));
    let (bot_type, sub_type) = KINDS.iter().find(|(tag, ..)| pattern.tags.iter().any(|own| own == tag))?.1;
    let is_known = |token: &String| lower.contains(token.trim()) || token.contains(&lower);
    let known = catalogue.agents.iter().flat_map(|entry| &entry.tokens);
    let is_known = known.chain(catalogue.tools.iter().flat_map(|tool| &tool.tokens)).any(is_known);
    let is_bot = BOT_FORMS.iter().any(|form| lower.contains(form));
    let info_url = pattern.home_page()?;
    (is_plain && is_bot && !is_known).then(|| Entry {
        id: id_of(&lower),
        name: name.to_owned(),
        bot_type: bot_type.to_owned(),
        sub_type: sub_type.to_owned(),
        tokens: vec![lower.clone()],
        info_url: Some(info_url),
        ..Entry::default()
    })
}

impl Pattern {
    /// The text that the pattern matches, where it is one text.
    fn literal(&self) -> String {
        let mut literal = String::new();
        let mut rest = self.pattern.chars();
        while let Some(character) = rest.next() {
            match character {
                '\\' => literal.extend(rest.next()),
                // `[Bb]` is a letter in both cases.
                '[' => {
                    literal.extend(rest.next());
                    rest.by_ref().find(|character| *character == ']');
                }
                other => literal.push(other),
            }
        }
        literal
    }

    /// Whether it is about the agent of this entry.
    fn names(&self, entry: &Entry) -> bool {
        is_named(entry, self.literal().trim_matches(['^', '$', '/', ' ']))
    }

    /// The operator's own page; not that of another list.
    fn home_page(&self) -> Option<String> {
        let url =
            self.url.as_ref().filter(|url| url.starts_with("http://") || url.starts_with("https://"))?;
        let is_own = !OTHERS_PAGES.iter().any(|host| url.contains(host));
        let is_short = url.len() <= LONGEST_URL && url.bytes().all(|byte| byte.is_ascii_graphic());
        (is_own && is_short).then(|| url.trim_end_matches(')').to_owned())
    }
}

/// Whether a list's name is that of the entry, or begins or goes on with it as with a word.
fn is_named(entry: &Entry, name: &str) -> bool {
    let name = name.to_lowercase();
    let is_word = |token: &str| {
        let mut parts = name.split(token);
        let before = parts.next().and_then(|before| before.chars().next_back());
        let after = parts.next().map(|after| after.chars().next());
        let is_end = |character: Option<char>| !character.is_some_and(char::is_alphanumeric);
        token.len() >= SHORTEST_NAME && is_end(before) && after.is_some_and(is_end)
    };
    entry.name.to_lowercase() == name
        || entry
            .tokens
            .iter()
            .map(|token| token.trim_matches(['/', ' ', '(']))
            .any(|token| token == name || is_word(token))
}

/// Whether one of the entry's texts occurs at the beginning of a name.
fn occurs(entry: &Entry, text: &str) -> bool {
    entry.tokens.iter().any(|token| {
        text.match_indices(token.as_str()).any(|(place, _)| {
            let before = text.get(..place).and_then(|before| before.chars().next_back());
            !before.is_some_and(char::is_alphabetic)
        })
    })
}

/// A name out of a list's prose.
fn operator(text: &str) -> Option<String> {
    let end =
        [",", " that ", " which ", " used ", " is ", " ("].iter().filter_map(|word| text.find(word)).min();
    let name = text.get(..end.unwrap_or(text.len())).unwrap_or(text).trim().trim_end_matches('.');
    let is_name = !name.is_empty()
        && name.split(' ').count() <= 4
        && !name.contains("://")
        && !["unclear", "unknown", "anyone"].iter().any(|word| name.to_lowercase().starts_with(word));
    is_name.then(|| name.to_owned())
}

fn kind_of_function(function: &str) -> (&'static str, &'static str) {
    let function = function.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| function.contains(word));
    if has(&["coding"]) {
        ("ai_agent", "coding_agent")
    } else if has(&["ai agents", "browser"]) {
        ("ai_agent", "browser_agent")
    } else if has(&["assistant", "user"]) {
        ("ai_agent", "user_fetch")
    } else if has(&["search"]) {
        ("crawler", "ai_search")
    } else {
        ("crawler", "ai_training")
    }
}

fn id_of(name: &str) -> String {
    let words =
        name.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// Tags of crawler-user-agents that state a purpose; `seo` is what that list says of everything else.
const KINDS: [(&str, (&str, &str)); 8] = [
    ("ai-crawler", ("crawler", "ai_training")),
    ("search-engine", ("crawler", "search_engine")),
    ("archiver", ("crawler", "archiver")),
    ("academic", ("crawler", "academic")),
    ("social-preview", ("crawler", "social_preview")),
    ("feed-reader", ("crawler", "feed_reader")),
    ("advertising", ("crawler", "advertising")),
    ("monitoring", ("monitoring", "uptime")),
];
/// A name that has none of these may be that of a product, whose users are people.
const BOT_FORMS: [&str; 10] =
    ["bot", "crawl", "spider", "monitor", "checker", "scan", "fetch", "preview", "archiv", "uptime"];
/// Pages that describe bots of others.
const OTHERS_PAGES: [&str; 7] = [
    "datadome.co",
    "useragentstring.com",
    "github.com/monperrus",
    "user-agents.net",
    "whatismybrowser",
    "botscout",
    "webmasterworld",
];
/// Names in robots files that no user agent tells.
const NOT_NAMED: [(&str, &str); 2] = [
    ("openai", "a company's name alone; its agents have entries"),
    ("operator", "an ordinary word; the product is known by its signature, as ChatGPT agent"),
];
const SHORTEST_NAME: usize = 5;
const LONGEST_URL: usize = 120;
/// The date of entries that were there before dates were noted.
const FIRST_EDITION: &str = "2026-11-22";
/// The date of entries that the latest lists added and do not date themselves.
const LATEST_EDITION: &str = "2026-11-22";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::catalogue::Tool;

    fn pattern(pattern: &str, tag: &str, url: Option<&str>) -> Pattern {
        Pattern {
            pattern: pattern.to_owned(),
            url: url.map(str::to_owned),
            instances: vec!["mozilla/5.0 altbot/1".to_owned()],
            addition_date: Some("2024/05/06".to_owned()),
            tags: vec![tag.to_owned()],
        }
    }

    fn sources(patterns: Vec<Pattern>, ai_names: Vec<AiName>) -> Sources {
        let browsers = vec!["mozilla/5.0 (linux; android 13; cubot p80) chrome/140.0".to_owned()];
        Sources {
            ai_names,
            patterns,
            samples: vec![("isbot", vec!["xnamedbot/1 otherbot/2".to_owned()])],
            browsers,
        }
    }

    fn ai_name(name: &str, operator: &str, function: &str) -> AiName {
        AiName { name: name.to_owned(), operator: operator.to_owned(), function: function.to_owned() }
    }

    fn catalogue() -> Catalogue {
        let entry = |id: &str, token: &str| Entry {
            id: id.to_owned(),
            name: id.to_owned(),
            bot_type: "crawler".to_owned(),
            sub_type: "seo".to_owned(),
            tokens: vec![token.to_owned()],
            ..Entry::default()
        };
        let mut kept = entry("kept", "keptbot");
        kept.info_url = Some("https://kept.example/own".to_owned());
        kept.origins = vec!["gone-list".to_owned()];
        Catalogue {
            origins: Default::default(),
            agents: vec![
                kept,
                entry("named", "namedbot"),
                entry("other", "otherbot"),
                entry("alt", "altbot"),
            ],
            tools: vec![Tool { tokens: vec!["scrapy".to_owned()] }],
        }
    }

    #[test]
    fn what_stands_is_kept_and_what_is_missing_is_filled_in() {
        let mut catalogue = catalogue();
        let mut report = Report::default();
        let patterns = vec![
            pattern("[kK]eptbot\\/", "seo", Some("https://elsewhere.example/")),
            pattern("otherbot", "seo", Some("https://other.example/bot")),
        ];
        let names = vec![ai_name("NamedBot", "Example Labs, a company", "AI Assistants")];
        extend(&mut catalogue, &sources(patterns, names), &mut report);
        let [kept, named, other, alternative] = &catalogue.agents[..] else {
            panic!("{:?}", catalogue.agents)
        };
        assert_eq!(kept.info_url.as_deref(), Some("https://kept.example/own"));
        assert_eq!((kept.since.as_deref(), &kept.origins), (Some("2024-05-06"), &vec![CRAWLERS.to_owned()]));
        assert_eq!(
            (named.vendor.as_deref(), named.robots_token.as_deref()),
            (Some("Example Labs"), Some("NamedBot"))
        );
        assert_eq!(named.origins, [AI_ROBOTS], "`xnamedbot` is another name");
        assert_eq!(other.info_url.as_deref(), Some("https://other.example/bot"));
        assert_eq!(other.origins, [CRAWLERS, "isbot"]);
        assert_eq!(alternative.origins, [CRAWLERS], "its name stands in an example");
        assert!(report.added.is_empty() && report.changed == 4, "{report}");
        let again = catalogue.agents.clone();
        let mut report = Report::default();
        extend(&mut catalogue, &sources(Vec::new(), Vec::new()), &mut report);
        assert_eq!(report.dropped, ["kept", "named", "alt"], "no list names them any more");
        assert_eq!(catalogue.agents.len(), again.len());
    }

    #[test]
    fn new_names_become_entries_only_where_they_are_bots() {
        let mut catalogue = catalogue();
        let mut report = Report::default();
        let home = Some("https://maker.example/");
        let patterns = vec![
            pattern("GoodSpider\\/", "search-engine", home),
            pattern("Product", "search-engine", home),
            pattern("SeoBot", "seo", home),
            pattern("NobodyBot", "monitoring", None),
            pattern("ListedBot", "monitoring", Some("https://datadome.co/bots/listedbot/")),
            pattern("(one|two)bot", "monitoring", home),
            pattern("cubot", "monitoring", home),
        ];
        let names = vec![
            ai_name("NewAI", "Unclear at this time.", "AI Search Crawlers"),
            ai_name("Scrapy", "Zyte", "Scrapes data"),
            ai_name("OpenAI", "OpenAI", "Unclear"),
        ];
        extend(&mut catalogue, &sources(patterns, names), &mut report);
        let added: Vec<&str> = catalogue.agents[4..].iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(added, ["NewAI", "GoodSpider"]);
        assert_eq!(report.refused, ["cubot"], "it is a brand of telephones");
        assert_eq!(report.not_named.len(), 1);
        let search = &catalogue.agents[4];
        assert_eq!((search.sub_type.as_str(), search.vendor.as_deref()), ("ai_search", None));
    }

    #[test]
    fn operators_are_names() {
        for (text, name) in [
            ("Ai2, a non-profit AI research institute", Some("Ai2")),
            ("Firecrawl that extracts web content", Some("Firecrawl")),
            ("Unclear at this time.", None),
            ("https://example.com/", None),
            ("Somebody who has a very long name indeed", None),
        ] {
            assert_eq!(operator(text).as_deref(), name, "{text}");
        }
    }
}
