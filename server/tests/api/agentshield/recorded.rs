//! Detections that are put into storage as the recorder writes them, and a recount of them.

use std::collections::{BTreeMap, HashMap};

use quivive_core::Timestamp;
use quivive_core::agent::{BotType, SubType, VerificationStatus};
use quivive_core::decision::Action;
use quivive_server::flows::detection::row::{Proof, Row, TYPES, type_name};
use quivive_server::flows::detection::{STREAM, Source};
use quivive_server::storage::{Event, Keep};
use serde_json::{Map, Value, json};

use super::site::{KEY, Site};
use crate::support::Answer;

/// What a detection was.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Timestamp,
    pub bot_type: BotType,
    pub sub_type: Option<SubType>,
    /// In hundredths.
    pub confidence: u32,
    /// Who it was.
    pub bot: u64,
    pub agent: Option<&'static str>,
    pub verification: VerificationStatus,
    pub action: Action,
    pub source: Source,
    pub url: &'static str,
    pub is_test: bool,
}

impl Seen {
    /// A crawler at a moment.
    pub fn at(text: &str) -> Self {
        Self {
            at: Timestamp::parse_utc(text).unwrap(),
            bot_type: BotType::Crawler,
            sub_type: Some(SubType::AiTraining),
            confidence: 95,
            bot: 1,
            agent: Some("openai-gptbot"),
            verification: VerificationStatus::Claimed,
            action: Action::Allow,
            source: Source::Api,
            url: "https://example.org/a",
            is_test: false,
        }
    }

    /// A person at a moment.
    pub fn person(text: &str) -> Self {
        Self {
            bot_type: BotType::Human,
            sub_type: None,
            confidence: 2,
            agent: None,
            verification: VerificationStatus::None,
            ..Self::at(text)
        }
    }

    pub fn is_bot(&self) -> bool {
        !matches!(self.bot_type, BotType::Human | BotType::Unknown)
    }

    fn event(&self, project: i64, number: usize) -> Event {
        let row = Row {
            source: self.source,
            is_bot: self.is_bot(),
            confidence: f64::from(self.confidence) / 100.0,
            bot_type: self.bot_type,
            sub_type: self.sub_type,
            agent_id: self.agent.map(str::to_owned),
            verification: self.verification,
            proof: Proof::default(),
            user_agent: Some(format!("Visitor/{number}")),
            ip: Some("203.0.113.7".to_owned()),
            url: Some(self.url.to_owned()),
            method: Some("GET".to_owned()),
            visitor_key: format!("{:032x}", u128::from(self.bot) << 64),
            bot_key: self.is_bot().then(|| format!("{:016x}", self.bot)),
            policy_action: self.action,
            rule_id: None,
            test: self.is_test,
            signals: Vec::new(),
        };
        Event {
            kind: STREAM.to_owned(),
            project: project.to_string(),
            id: format!("det_{number:026}"),
            at: self.at,
            label: type_name(self.bot_type).to_owned(),
            score: Some(row.confidence),
            body: serde_json::to_string(&row).unwrap(),
            keep: if self.is_test { Keep::Row } else { Keep::Both },
            tallies: row.tallies(),
            members: row.members(),
            ..Event::default()
        }
    }
}

impl Site {
    /// Puts detections into a project, in some writes.
    pub async fn store(&self, project: i64, seen: &[Seen]) {
        let events: Vec<Event> =
            seen.iter().enumerate().map(|(number, seen)| seen.event(project, number)).collect();
        for part in events.chunks(7) {
            self.server.app.storage.events().append(part.to_vec()).await.unwrap();
        }
    }

    /// The `proj_` id of the site's project.
    pub async fn project_id(&self) -> String {
        self.public_id(self.project).await
    }

    /// GET below the site's project, with the key.
    pub async fn read(&self, rest: &str) -> Answer {
        let path = format!("/api/v1/projects/{}{rest}", self.project_id().await);
        self.bare("GET", &path, &[("x-agentshield-key", KEY)]).await
    }
}

/// What analytics must say, counted one by one.
pub fn recount(seen: &[Seen], from: i64, to: i64, period: &str) -> Map<String, Value> {
    let within: Vec<&Seen> =
        seen.iter().filter(|seen| (from..to).contains(&seen.at.milliseconds()) && !seen.is_test).collect();
    let mut buckets: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut hour = from - from.rem_euclid(3_600_000);
    while hour < to && from < to {
        buckets.entry(label(hour, period)).or_default();
        hour += 3_600_000;
    }
    let mut identities: HashMap<u64, BTreeMap<usize, u64>> = HashMap::new();
    let mut confidences = (0_u64, 0_u64);
    for seen in &within {
        let bucket = buckets.get_mut(&label(seen.at.milliseconds(), period)).unwrap();
        if seen.is_bot() {
            bucket.0 += 1;
            let kind = TYPES.iter().position(|(kind, _)| *kind == seen.bot_type).unwrap();
            *identities.entry(seen.bot).or_default().entry(kind).or_default() += 1;
            confidences = (confidences.0 + u64::from(seen.confidence), confidences.1 + 1);
        } else {
            bucket.1 += 1;
        }
    }
    let mut types: BTreeMap<usize, u64> = BTreeMap::new();
    for kinds in identities.values() {
        let most = kinds.values().max().unwrap();
        let first = kinds.iter().find(|(_, count)| *count == most).unwrap().0;
        *types.entry(*first).or_default() += 1;
    }
    // Ten-thousandths, halves up, in whole numbers.
    let mean =
        if confidences.1 == 0 { 0 } else { (confidences.0 * 100 * 2 + confidences.1) / (2 * confidences.1) };
    let series: Vec<Value> = buckets
        .into_iter()
        .map(|(date, (bots, humans))| {
            json!({ "date": date, "detections": bots + humans, "bots": bots, "humans": humans })
        })
        .collect();
    let types: Map<String, Value> =
        types.into_iter().map(|(kind, count)| (TYPES[kind].1.to_owned(), json!(count))).collect();
    let summary = json!({
        "totalDetections": within.len(), "uniqueBots": identities.len(), "averageConfidence": mean as f64 / 10_000.0,
    });
    let answer = json!({ "summary": summary, "timeSeries": series, "botTypes": types });
    answer.as_object().unwrap().clone()
}

/// The name of the period that holds a moment.
fn label(at: i64, period: &str) -> String {
    let text = |at: i64| Timestamp::from_milliseconds(at).to_seconds_text();
    let day = at.div_euclid(86_400_000);
    match period {
        "hour" => format!("{}:00:00Z", &text(at)[..13]),
        "day" => text(at)[..10].to_owned(),
        // The epoch was a Thursday.
        "week" => text((day - (day + 3).rem_euclid(7)) * 86_400_000)[..10].to_owned(),
        _ => format!("{}-01", &text(at)[..7]),
    }
}
