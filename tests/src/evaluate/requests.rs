//! Part R: whole requests, with the order and letter case of their headers.

use std::collections::BTreeMap;
use std::path::Path;

use quivive_core::agent::{Classification, Classifier, RequestFacts};
use serde::Deserialize;

use super::json::Json;
use super::report::ratio;
use super::table::Table;
use super::user_agents::{NamedLikelihood, count, rows};

/// Part R.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// Each client in the order of the data.
    pub clients: Vec<Client>,
}

/// What is said of one client's request.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name.
    pub name: String,
    /// Whether it is a bot whose request alone differs from a browser's; none for an ordinary browser.
    pub separable: Option<bool>,
    /// Whether it is taken for a bot.
    pub is_bot: bool,
    /// Whether its user agent alone is.
    pub is_bot_by_user_agent: bool,
    /// The likelihood.
    pub confidence: f64,
    /// What was seen.
    pub evidence: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Row {
    client: String,
    label: u8,
    #[serde(default)]
    method: Option<String>,
    separable: bool,
    headers: Vec<(String, String)>,
}

/// The part of a folder of data with each row's name and likelihood; none when the folder is missing.
///
/// # Errors
/// When the file cannot be read.
pub fn requests(data: &Path) -> Result<Option<(Requests, Vec<NamedLikelihood>)>, String> {
    let path = data.join("requests/requests.jsonl");
    if !path.is_file() {
        return Ok(None);
    }
    let classifier = Classifier::new();
    let clients: Vec<Client> = rows::<Row>(&path)?.iter().map(|row| client(&classifier, row)).collect();
    let scores =
        clients.iter().map(|client| (format!("requests/requests/{}", client.name), Some(client.confidence)));
    let scores = scores.collect();
    Ok(Some((Requests { clients }, scores)))
}

impl Requests {
    /// Bots found, of those that a request can tell.
    pub fn found(&self) -> (usize, usize) {
        self.counts(|_| true, |client| client.is_bot)
    }

    /// The same for requests that have a browser's user agent.
    pub fn found_behind_browsers(&self) -> (usize, usize) {
        let is_disguised =
            |client: &Client| client.name.contains("spoof") || client.name.starts_with("curl_cffi");
        self.counts(is_disguised, |client| client.is_bot)
    }

    /// Bots found by the user agent alone.
    pub fn found_by_user_agent(&self) -> (usize, usize) {
        self.counts(|_| true, |client| client.is_bot_by_user_agent)
    }

    /// Ordinary browsers that are taken for bots.
    pub fn false_positives(&self) -> usize {
        self.clients.iter().filter(|client| client.separable.is_none() && client.is_bot).count()
    }

    fn counts(&self, chosen: impl Fn(&Client) -> bool, holds: impl Fn(&Client) -> bool) -> (usize, usize) {
        let mut counts = (0, 0);
        for client in self.clients.iter().filter(|client| client.separable == Some(true) && chosen(client)) {
            count(&mut counts, holds(client));
        }
        counts
    }

    /// The figures as JSON.
    pub fn json(&self) -> Json {
        let share = |(found, all)| Json::from(ratio(found, all));
        let confidences: BTreeMap<String, f64> =
            self.clients.iter().map(|client| (client.name.clone(), client.confidence)).collect();
        Json::object([
            ("recall", share(self.found())),
            ("found", self.found().0.into()),
            ("separable", self.found().1.into()),
            ("recall_disguised", share(self.found_behind_browsers())),
            ("recall_user_agent_only", share(self.found_by_user_agent())),
            ("false_positives", self.false_positives().into()),
            ("confidences", Json::map(&confidences, |confidence| (*confidence).into())),
        ])
    }

    /// The tables of the report.
    pub fn tables(&self) -> Vec<Table> {
        let mut summary = Table::new(
            "Requests",
            "Rows that nothing in the request tells from the plain browser are left out.",
            &["requests of bots", "found", "rows"],
        );
        for (name, (found, all)) in [
            ("all that can be told", self.found()),
            ("with the user agent of a browser", self.found_behind_browsers()),
            ("by the user agent alone", self.found_by_user_agent()),
        ] {
            summary.rows.push(vec![name.to_owned(), found.to_string(), all.to_string()]);
        }
        let mut table =
            Table::new("Clients", "Browsers have a dash.", &["client", "bot", "likelihood", "evidence"]);
        table.rows = self
            .clients
            .iter()
            .map(|client| {
                let label = match client.separable {
                    Some(true) => "yes",
                    Some(false) => "cannot be told",
                    None => "–",
                };
                let evidence = client.evidence.join(", ");
                vec![client.name.clone(), label.to_owned(), format!("{:.2}", client.confidence), evidence]
            })
            .collect();
        vec![summary, table]
    }
}

fn client(classifier: &Classifier, row: &Row) -> Client {
    let value = |wanted: &str| {
        row.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.clone())
    };
    let user_agent = value("user-agent");
    let seen: Classification = classifier.classify(&RequestFacts {
        headers: Some(row.headers.iter().cloned().collect()),
        header_order: Some(row.headers.iter().map(|(name, _)| name.clone()).collect()),
        // Recorded on loopback, where browsers send all that they send over TLS.
        url: Some("https://example.test/".to_owned()),
        method: row.method.clone(),
        ..RequestFacts::default()
    });
    let by_user_agent =
        RequestFacts { user_agent: Some(user_agent.unwrap_or_default()), ..RequestFacts::default() };
    Client {
        name: row.client.clone(),
        separable: (row.label == 1).then_some(row.separable),
        is_bot: seen.is_bot,
        is_bot_by_user_agent: classifier.classify(&by_user_agent).is_bot,
        confidence: seen.confidence,
        evidence: seen.evidence.iter().map(|item| item.id.to_string()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_that_can_be_told_count() {
        let client = |name: &str, separable, is_bot| Client {
            name: name.to_owned(),
            separable,
            is_bot,
            is_bot_by_user_agent: false,
            confidence: 0.5,
            evidence: Vec::new(),
        };
        let part = Requests {
            clients: vec![
                client("curl+uaspoof", Some(true), true),
                client("wget", Some(true), false),
                client("driven", Some(false), true),
                client("browser", None, true),
            ],
        };
        assert_eq!((part.found(), part.found_behind_browsers()), ((1, 2), (1, 1)));
        assert_eq!((part.found_by_user_agent(), part.false_positives()), ((0, 2), 1));
    }
}
