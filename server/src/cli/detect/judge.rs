//! The verdict about a record. One user agent is classified once, as long as it is remembered.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use quivive_core::Timestamp;
use quivive_core::agent::{
    BotType, Classification, Classifier, FeedAnswer, IpSet, Purpose, RangeTable, RequestFacts, SubType,
    default_classifier,
};
use serde_json::json;

use super::record::Record;

/// What a request is, in the words of the summary.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Browser,
    AiAgent,
    AiCrawler,
    SearchEngine,
    Crawler,
    Monitoring,
    Scraper,
    Spoofed,
    Scanner,
    Program,
    UnknownBot,
    Unclear,
}

/// Whether the address is the claimed agent's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Address {
    /// Nothing is known about it.
    Unknown,
    /// In its operator's ranges.
    Own { is_fresh: bool },
    /// Elsewhere.
    Other { is_fresh: bool },
}

/// What was found about a request.
pub(super) struct Verdict {
    pub kind: Kind,
    pub address: Address,
    /// The place in the list of names of who says to be there.
    pub who: Option<usize>,
    /// The members of the classification as JSON, without the braces.
    pub json: String,
    /// Lists of addresses that belong to the claimed agent.
    feeds: Vec<usize>,
}

/// Somebody with a name: a catalogued agent or a program.
#[derive(Debug, Eq, Hash, PartialEq)]
pub(super) struct Name {
    pub name: String,
    pub operator: Option<String>,
    pub purpose: Purpose,
}

/// Classifies records.
pub(super) struct Judge {
    classifier: &'static Classifier,
    lists: Vec<List>,
    names: HashMap<Rc<Name>, usize>,
    /// Verdicts by what is known about the address, and user agent.
    known: HashMap<usize, HashMap<Box<str>, Rc<Verdict>>>,
    count: usize,
    now: Timestamp,
    /// The date of the address ranges.
    pub date: String,
}

/// A list of addresses.
struct List {
    feed: String,
    ranges: IpSet,
    as_of: Timestamp,
    is_bundled: bool,
    /// The last moment at which it proves or refutes.
    fresh_until: Timestamp,
}

/// What a list says about an address.
#[derive(Clone, Copy)]
struct Answer {
    list: usize,
    contains: bool,
    is_fresh: bool,
}

impl Judge {
    /// A judge with these address ranges.
    pub fn new(table: &RangeTable, is_bundled: bool) -> Self {
        let as_of = Timestamp::parse_utc(&format!("{}T00:00:00Z", table.date)).unwrap_or_default();
        // A table checks its ranges when it is read.
        let list = |(feed, ranges): (&String, &Vec<String>)| List {
            feed: feed.clone(),
            ranges: IpSet::parse(ranges).unwrap_or_default(),
            as_of,
            is_bundled,
            fresh_until: FeedAnswer::fresh_until(as_of, is_bundled),
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            classifier: default_classifier(),
            lists: table.feeds.iter().map(list).collect(),
            names: HashMap::new(),
            known: HashMap::new(),
            count: 0,
            now: Timestamp::from_seconds(i64::try_from(since.as_secs()).unwrap_or_default()),
            date: table.date.clone(),
        }
    }

    /// What this record is.
    pub fn judge(&mut self, record: &Record<'_>) -> Rc<Verdict> {
        let address = record.ip.as_ref().and_then(|ip| ip.parse::<IpAddr>().ok());
        let now = record.time.unwrap_or(self.now);
        if let Some(facts) = &record.facts {
            let mut facts = RequestFacts::clone(facts);
            facts.now = now;
            let class = self.classifier.class_of_user_agent(record.user_agent.as_deref().unwrap_or_default());
            let own = class.agent.map(|agent| self.feeds_of(&agent.verify.ip_feeds)).unwrap_or_default();
            let answer = address.and_then(|address| self.answer(&own, address, now));
            if facts.feeds.is_empty() {
                facts.feeds.extend(answer.and_then(|answer| self.told(answer)));
            }
            return Rc::new(self.verdict(&facts, answer));
        }
        let user_agent = record.user_agent.as_deref().unwrap_or_default();
        let alone = self.remembered(user_agent, now, None);
        let answer = address.and_then(|address| Some((address, self.answer(&alone.feeds, address, now)?)));
        if answer.is_none() { alone } else { self.remembered(user_agent, now, answer) }
    }

    /// The names by their places.
    pub fn names(&self) -> Vec<Rc<Name>> {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_unstable_by_key(|(_, place)| **place);
        names.into_iter().map(|(name, _)| Rc::clone(name)).collect()
    }

    fn remembered(
        &mut self,
        user_agent: &str,
        now: Timestamp,
        seen: Option<(IpAddr, Answer)>,
    ) -> Rc<Verdict> {
        let answer = seen.map(|(_, answer)| answer);
        let key = answer.map_or(0, |Answer { list, contains, is_fresh }| {
            1 + list * 4 + usize::from(contains) * 2 + usize::from(is_fresh)
        });
        if let Some(verdict) = self.known.get(&key).and_then(|known| known.get(user_agent)) {
            return Rc::clone(verdict);
        }
        let facts = RequestFacts {
            user_agent: Some(user_agent.to_owned()),
            ip: seen.map(|(address, _)| address),
            feeds: answer.and_then(|answer| self.told(answer)).into_iter().collect(),
            now,
            ..RequestFacts::default()
        };
        let verdict = Rc::new(self.verdict(&facts, answer));
        if user_agent.len() <= LONGEST_REMEMBERED {
            if self.count >= MOST_REMEMBERED {
                self.known.clear();
                self.count = 0;
            }
            self.known.entry(key).or_default().insert(user_agent.into(), Rc::clone(&verdict));
            self.count += 1;
        }
        verdict
    }

    fn verdict(&mut self, facts: &RequestFacts, answer: Option<Answer>) -> Verdict {
        let classification = self.classifier.classify(facts);
        let header = facts.headers.iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case("user-agent"));
        let user_agent = facts.user_agent.as_ref().or(header.map(|(_, value)| value));
        let class = self.classifier.class_of_user_agent(user_agent.map(String::as_str).unwrap_or_default());
        let name = match (&classification.agent, class.tool) {
            (Some(agent), _) => Some(Name {
                name: agent.name.clone(),
                operator: agent.vendor.clone(),
                purpose: agent.purpose,
            }),
            (None, Some(tool)) if classification.is_bot => {
                Some(Name { name: tool.name.clone(), operator: None, purpose: Purpose::of(tool.sub_type) })
            }
            _ => None,
        };
        let feeds = class.agent.map(|agent| self.feeds_of(&agent.verify.ip_feeds)).unwrap_or_default();
        let is_browser = class.is_browser();
        let address = match answer {
            Some(Answer { contains: true, is_fresh, .. }) if !feeds.is_empty() => Address::Own { is_fresh },
            Some(Answer { contains: false, is_fresh, .. }) if !feeds.is_empty() => {
                Address::Other { is_fresh }
            }
            _ => Address::Unknown,
        };
        let json = members(&classification, name.as_ref());
        let next = self.names.len();
        let who = name.map(|name| *self.names.entry(Rc::new(name)).or_insert(next));
        Verdict { kind: kind(&classification, is_browser), address, who, json, feeds }
    }

    /// What the lists say: those of the claimed agent if it has any, else the first that holds the address.
    fn answer(&self, own: &[usize], address: IpAddr, now: Timestamp) -> Option<Answer> {
        let holds = |place: &usize| self.lists.get(*place).is_some_and(|list| list.ranges.contains(address));
        let (list, contains) = match own {
            [] => ((0..self.lists.len()).find(holds)?, true),
            [first, ..] => {
                own.iter().find(|place| holds(place)).map_or((*first, false), |place| (*place, true))
            }
        };
        let is_fresh = now <= self.lists.get(list)?.fresh_until;
        // What has become old says nothing about those who claim nothing.
        (!own.is_empty() || is_fresh).then_some(Answer { list, contains, is_fresh })
    }

    /// The answer in the words of the classifier.
    fn told(&self, Answer { list, contains, .. }: Answer) -> Option<FeedAnswer> {
        let list = self.lists.get(list)?;
        Some(FeedAnswer { feed: list.feed.clone(), contains, as_of: list.as_of, bundled: list.is_bundled })
    }

    fn feeds_of(&self, feeds: &[String]) -> Vec<usize> {
        let places = self.lists.iter().enumerate().filter(|(_, list)| feeds.contains(&list.feed));
        places.map(|(place, _)| place).collect()
    }
}

fn kind(classification: &Classification, is_browser: bool) -> Kind {
    match (classification.bot_type, classification.sub_type) {
        (BotType::Human, _) => Kind::Browser,
        (BotType::Unknown, _) if is_browser => Kind::Browser,
        (BotType::Unknown, _) => Kind::Unclear,
        (_, Some(SubType::SpoofedIdentity)) => Kind::Spoofed,
        (BotType::AiAgent, _) => Kind::AiAgent,
        (BotType::Crawler, Some(SubType::AiTraining | SubType::AiSearch)) => Kind::AiCrawler,
        (BotType::Crawler, Some(SubType::SearchEngine)) => Kind::SearchEngine,
        (BotType::Crawler, _) => Kind::Crawler,
        (BotType::Monitoring, _) => Kind::Monitoring,
        (BotType::Scraper, _) => Kind::Scraper,
        (BotType::SecurityScanner, _) => Kind::Scanner,
        (BotType::Automation, _) => Kind::Program,
        (BotType::UnknownBot, _) => Kind::UnknownBot,
    }
}

fn members(classification: &Classification, name: Option<&Name>) -> String {
    let evidence: Vec<&str> = classification.evidence.iter().map(|evidence| evidence.id.as_ref()).collect();
    let members = json!({
        "isBot": classification.is_bot,
        "confidence": classification.confidence,
        "botType": classification.bot_type,
        "subType": classification.sub_type,
        "agent": name.map(|name| &name.name),
        "operator": name.and_then(|name| name.operator.as_ref()),
        "purpose": name.map(|name| name.purpose),
        "verification": classification.verification.status,
        "riskLevel": classification.risk_level,
        "evidence": evidence,
    })
    .to_string();
    members.trim_start_matches('{').trim_end_matches('}').to_owned()
}

const MOST_REMEMBERED: usize = 20_000;
const LONGEST_REMEMBERED: usize = 1_024;
