//! What is stored of a detection: enough for lists and analytics, nothing secret.

use std::fmt::Write as _;

use quivive_core::agent::{BotType, RequestFacts, SubType, VerificationStatus};
use quivive_core::decision::Action;
use serde::{Deserialize, Serialize};

use super::{Observed, STREAM, Source};
use crate::storage::Event;

/// The body of a detection's row.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// How the request was seen.
    pub source: Source,
    /// Whether the confidence reached the threshold.
    pub is_bot: bool,
    /// Likelihood that it was automated, 0 to 1, two decimals.
    pub confidence: f64,
    /// What it was.
    pub bot_type: BotType,
    /// What it was more exactly.
    pub sub_type: Option<SubType>,
    /// The catalogued agent that it was or claimed to be.
    pub agent_id: Option<String>,
    /// How far the identity was proven.
    pub verification: VerificationStatus,
    /// The user agent, at most 1,024 bytes.
    pub user_agent: Option<String>,
    /// What is kept of the address.
    pub ip: Option<String>,
    /// The address without user information and fragment, at most 2,048 bytes.
    pub url: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// What tells visitors of one day apart.
    pub visitor_key: String,
    /// What the project's policy said to do.
    pub policy_action: Action,
    /// Whether it is a test that analytics leave out.
    pub test: bool,
}

/// The row of a detection.
pub fn event(observed: Observed, visitor_key: String) -> Event {
    let Observed { id, project_id, is_test, source, action, facts, classification, .. } = observed;
    let row = Row {
        source,
        is_bot: classification.is_bot,
        confidence: classification.confidence,
        bot_type: classification.bot_type,
        sub_type: classification.sub_type,
        agent_id: classification.agent.as_ref().map(|agent| agent.id.clone()),
        verification: classification.verification.status,
        user_agent: user_agent(&facts).map(|text| shortened(text, MOST_USER_AGENT_BYTES)),
        ip: facts.ip.map(|ip| ip.to_canonical().to_string()),
        url: facts.url.as_deref().map(|url| shortened(&stored_url(url), MOST_URL_BYTES)),
        method: facts.method,
        visitor_key,
        policy_action: action,
        test: is_test,
    };
    let text = |value: serde_json::Result<String>| value.unwrap_or_else(|_| "{}".to_owned());
    let label = serde_json::to_value(classification.bot_type).ok();
    Event {
        kind: STREAM.to_owned(),
        project: project_id.to_string(),
        id,
        at: facts.now,
        label: label.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned(),
        score: Some(classification.confidence),
        body: text(serde_json::to_string(&row)),
    }
}

/// The user agent of the facts, from the header map when it was not given by itself.
pub(super) fn user_agent(facts: &RequestFacts) -> Option<&str> {
    let from_headers = || {
        let headers = facts.headers.as_ref()?;
        headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("user-agent"))
            .map(|(_, value)| value.as_str())
    };
    facts.user_agent.as_deref().or_else(from_headers)
}

/// The address as it is stored: without user information, query and fragment.
fn stored_url(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) =
                rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = authority.rsplit('@').next().unwrap_or_default();
            let mut url = format!("{scheme}://{host}");
            if let Some(path) = path {
                let _ = write!(url, "/{path}");
            }
            url
        }
        None => bare.to_owned(),
    }
}

fn shortened(text: &str, most: usize) -> String {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default().to_owned()
}

const MOST_USER_AGENT_BYTES: usize = 1_024;
const MOST_URL_BYTES: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_urls_hold_no_secrets() {
        for (url, stored) in [
            ("https://ada:secret@example.org/a?token=1#x", "https://example.org/a"),
            ("https://example.org?q=a/b", "https://example.org"),
            ("/a/b?c=d", "/a/b"),
            ("https://example.org/mail@example.net", "https://example.org/mail@example.net"),
        ] {
            assert_eq!(stored_url(url), stored);
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(shortened("aé", 2), "a");
        assert_eq!(shortened("aé", 3), "aé");
    }
}
