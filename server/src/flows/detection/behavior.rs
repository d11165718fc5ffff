//! What visitors did lately: counters in memory, bounded, gone half an hour after the last request.
//!
//! A visitor is a session where the caller names one, else one address with one user agent. Whole networks share no
//! counters: neighbours are not one visitor. What a page loads by itself (pictures, scripts, data) is not counted: a
//! browser asks for dozens of such things in a second.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use quivive_core::agent::{BehaviorFacts, RequestFacts};
use quivive_core::decision::PathSet;

use super::row;

/// The visitors of the last half hour.
pub struct Behavior {
    visitors: Cache<u64, Visitor>,
    keys: RandomState,
}

impl Default for Behavior {
    fn default() -> Self {
        let visitors = Cache::builder().max_capacity(MOST_VISITORS).time_to_idle(IDLE).build();
        Self { visitors, keys: RandomState::new() }
    }
}

/// One visitor's counters.
type Visitor = Arc<Mutex<Track>>;

/// What is known of a visitor at one request.
#[derive(Default)]
pub struct Observation {
    /// The counters, this request included.
    pub facts: Option<BehaviorFacts>,
    /// Requests in the last five minutes.
    pub requests_in_five_minutes: Option<u32>,
    /// The highest confidence with which an earlier request was a bot's by itself.
    pub earlier: Option<f64>,
    visitor: Option<Visitor>,
}

impl Behavior {
    /// Counts a request and tells what the visitor did lately.
    pub fn observe(
        &self,
        project_id: i64,
        session_id: Option<&str>,
        facts: &RequestFacts,
        traps: [&PathSet; 2],
    ) -> Observation {
        let path = facts.url.as_deref().map(path_of);
        let is_trap = path.is_some_and(|path| traps.iter().any(|traps| traps.contains(path)));
        let Some(key) = self.key(project_id, session_id, facts) else {
            let facts = is_trap.then(|| BehaviorFacts { honeypot: true, ..BehaviorFacts::default() });
            return Observation { facts, ..Observation::default() };
        };
        let visitor = self.visitors.get_with(key, Visitor::default);
        let mut track = lock(&visitor);
        let now = facts.now.milliseconds();
        track.is_trapped |= is_trap;
        if !is_part_of_page(facts, path) {
            track.count(now, path);
        }
        let observation = Observation {
            facts: Some(track.facts(now)),
            requests_in_five_minutes: Some(track.minutes(now).iter().sum()),
            earlier: track.earlier,
            visitor: None,
        };
        drop(track);
        Observation { visitor: Some(visitor), ..observation }
    }

    /// Nothing where nobody is told apart from others: without session and address.
    fn key(&self, project_id: i64, session_id: Option<&str>, facts: &RequestFacts) -> Option<u64> {
        if let Some(session) = session_id.filter(|session| !session.is_empty()) {
            return Some(self.keys.hash_one((project_id, session)));
        }
        let user_agent = row::user_agent(facts).unwrap_or_default();
        Some(self.keys.hash_one((project_id, household(facts.ip?), user_agent)))
    }
}

impl Observation {
    /// Remembers that a request was a bot's by itself.
    pub fn remember(&self, confidence: f64) {
        if let Some(visitor) = &self.visitor {
            let mut track = lock(visitor);
            track.earlier = Some(track.earlier.map_or(confidence, |earlier| earlier.max(confidence)));
        }
    }
}

/// The path of an address, with its query: what follows the host.
pub fn path_of(url: &str) -> &str {
    let Some((_, rest)) = url.split_once("://").filter(|_| !url.starts_with('/')) else { return url };
    let path = rest.find(['/', '?', '#']).and_then(|place| rest.get(place..)).unwrap_or_default();
    if path.is_empty() { "/" } else { path }
}

#[derive(Debug, Default)]
struct Track {
    /// Times of the latest requests in milliseconds, the latest last.
    recent: VecDeque<i64>,
    /// The minute of `by_minute`'s first figure.
    minute: i64,
    /// Requests in that minute and the ones before.
    by_minute: [u32; MINUTES],
    has_begun: bool,
    robots_first: bool,
    is_trapped: bool,
    steps: Option<Steps>,
    earlier: Option<f64>,
}

/// A run of requests that step one parameter.
#[derive(Debug)]
struct Steps {
    place: u64,
    value: Value,
    requests: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Number(u64),
    /// A cursor that is no number, by its hash.
    Opaque(u64),
}

impl Track {
    fn count(&mut self, now: i64, path: Option<&str>) {
        self.recent.push_back(now);
        if self.recent.len() > MOST_RECENT {
            self.recent.pop_front();
        }
        self.by_minute = self.minutes(now);
        self.minute = now.div_euclid(60_000);
        let [first, ..] = &mut self.by_minute;
        *first = first.saturating_add(1);
        if let Some(path) = path {
            if !self.has_begun {
                self.robots_first = is_for_robots(path);
            }
            self.has_begun = true;
            self.step(path);
        }
    }

    fn step(&mut self, path: &str) {
        let Some((place, value)) = stepped(path) else { return };
        let requests = match &self.steps {
            Some(steps) if steps.place == place && follows(steps.value, value) => steps.requests + 1,
            Some(steps) if steps.place == place && steps.value == value => steps.requests,
            _ => 1,
        };
        self.steps = Some(Steps { place, value, requests });
    }

    /// Requests by minute as of now, the latest first.
    fn minutes(&self, now: i64) -> [u32; MINUTES] {
        let passed = usize::try_from(now.div_euclid(60_000) - self.minute).unwrap_or(0);
        let mut minutes = [0; MINUTES];
        for (minute, count) in minutes.iter_mut().skip(passed).zip(self.by_minute) {
            *minute = count;
        }
        minutes
    }

    fn facts(&self, now: i64) -> BehaviorFacts {
        let within = |milliseconds: i64| {
            let recent = self.recent.iter().rev().take_while(|at| now - **at < milliseconds).count();
            Some(u32::try_from(recent).unwrap_or(u32::MAX))
        };
        BehaviorFacts {
            requests_last_second: within(1_000),
            requests_last_5_seconds: within(5_000),
            requests_by_minute: self.minutes(now).iter().copied().take(3).collect(),
            honeypot: self.is_trapped,
            robots_first: self.robots_first,
            sequential_requests: self.steps.as_ref().map(|steps| steps.requests),
            carried_confidence: None,
        }
    }
}

fn lock(visitor: &Visitor) -> MutexGuard<'_, Track> {
    visitor.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One address; of IPv6 the 64 bits that one line gets.
pub fn household(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// Whether a browser says that a page asked for it, or, from those that say nothing, whether its name does.
fn is_part_of_page(facts: &RequestFacts, path: Option<&str>) -> bool {
    let headers = facts.headers.as_ref();
    if let Some(destination) = headers.and_then(|headers| headers.get("sec-fetch-dest")) {
        return destination != "document";
    }
    let path = path.unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
    let ending = path.rsplit('/').next().unwrap_or_default().rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| PARTS_OF_PAGES.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

fn is_for_robots(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path == "/robots.txt"
        || (path.starts_with("/sitemap") && (path.ends_with(".xml") || path.ends_with(".xml.gz")))
}

/// The parameter that a path may step: where it is, and its value.
fn stepped(path: &str) -> Option<(u64, Value)> {
    let path = path.split('#').next().unwrap_or_default();
    let (path, query) = path.split_once('?')?;
    let (name, value) = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| STEPPED.iter().any(|stepped| name.eq_ignore_ascii_case(stepped)))?;
    // Fixed keys: places are compared within one visitor only.
    let hash =
        |text: &str| std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(text);
    let value = match value.parse() {
        Ok(number) => Value::Number(number),
        Err(_) if name.eq_ignore_ascii_case("cursor") => Value::Opaque(hash(value)),
        Err(_) => return None,
    };
    Some((hash(path) ^ hash(name), value))
}

fn follows(before: Value, after: Value) -> bool {
    match (before, after) {
        (Value::Number(before), Value::Number(after)) => after > before,
        (Value::Opaque(before), Value::Opaque(after)) => after != before,
        _ => false,
    }
}

const MOST_VISITORS: u64 = 100_000;
const IDLE: Duration = Duration::from_secs(1_800);
const MINUTES: usize = 5;
/// One more than may be sent in five seconds.
const MOST_RECENT: usize = 51;
const STEPPED: [&str; 4] = ["page", "offset", "cursor", "id"];
const PARTS_OF_PAGES: [&str; 22] = [
    "avif", "bmp", "css", "eot", "gif", "ico", "jpeg", "jpg", "js", "m4a", "map", "mjs", "mp3", "mp4", "otf",
    "png", "svg", "ttf", "webm", "webp", "woff", "woff2",
];

#[cfg(test)]
mod tests {
    use quivive_core::Timestamp;

    use super::*;

    struct Visits {
        behavior: Behavior,
        traps: PathSet,
        facts: RequestFacts,
    }

    impl Visits {
        fn new() -> Self {
            let facts = RequestFacts {
                user_agent: Some("x".to_owned()),
                ip: Some("203.0.113.7".parse().unwrap()),
                now: Timestamp::from_seconds(1_000_000_020),
                ..RequestFacts::default()
            };
            Self { behavior: Behavior::default(), traps: PathSet::new(["/trap"]).unwrap(), facts }
        }

        fn visit(&mut self, after: i64, url: &str) -> Observation {
            self.facts.now = self.facts.now.plus_milliseconds(after);
            self.facts.url = Some(url.to_owned());
            self.behavior.observe(1, None, &self.facts, [&self.traps, &PathSet::default()])
        }

        fn facts(&mut self, after: i64, url: &str) -> BehaviorFacts {
            self.visit(after, url).facts.unwrap()
        }
    }

    #[test]
    fn requests_are_counted_by_second_and_minute() {
        let mut visits = Visits::new();
        for _ in 0..4 {
            visits.visit(100, "/");
        }
        assert_eq!(visits.facts(100, "/").requests_last_second, Some(5));
        let later = visits.facts(1_000, "/");
        assert_eq!((later.requests_last_second, later.requests_last_5_seconds), (Some(1), Some(6)));
        for _ in 0..70 {
            visits.visit(10, "/");
        }
        assert_eq!(
            visits.facts(0, "/").requests_last_5_seconds,
            Some(51),
            "no more is remembered than is needed"
        );
        let next = visits.facts(60_000, "/");
        assert_eq!(next.requests_by_minute, [1, 77, 0]);
        let observation = visits.visit(240_000, "/");
        assert_eq!(observation.requests_in_five_minutes, Some(2));
        assert_eq!(visits.visit(3_600_000, "/").requests_in_five_minutes, Some(1));
    }

    #[test]
    fn a_clock_that_goes_back_is_no_fault() {
        let mut visits = Visits::new();
        visits.visit(0, "/");
        assert!(visits.visit(-600_000, "/").requests_in_five_minutes.unwrap() >= 1);
    }

    #[test]
    fn parts_of_pages_are_not_counted() {
        let mut visits = Visits::new();
        for number in 0..20 {
            visits.visit(1, &format!("https://example.org/a/{number}.PNG?x=1"));
        }
        assert_eq!(visits.facts(1, "/style.css").requests_last_second, Some(0));
        let destination = |to: &str| Some([("sec-fetch-dest".to_owned(), to.to_owned())].into());
        visits.facts.headers = destination("empty");
        assert_eq!(visits.facts(1, "/data").requests_last_second, Some(0));
        visits.facts.headers = destination("document");
        assert_eq!(visits.facts(1, "/a.png").requests_last_second, Some(1));
    }

    #[test]
    fn traps_and_first_requests_are_kept_in_mind() {
        let mut visits = Visits::new();
        assert!(!visits.facts(0, "/").honeypot);
        assert!(visits.facts(1, "https://example.org/trap?x").honeypot);
        let after = visits.facts(1, "/");
        assert!(after.honeypot && !after.robots_first);
        let mut crawler = Visits::new();
        assert!(crawler.facts(0, "https://example.org/robots.txt").robots_first);
        assert!(crawler.facts(1, "/a").robots_first);
        // Nobody is told apart, but the trap was sprung all the same.
        crawler.facts.ip = None;
        assert!(crawler.facts(1, "/trap").honeypot);
        assert!(crawler.visit(1, "/").facts.is_none());
    }

    #[test]
    fn steps_of_a_parameter_are_counted() {
        let mut visits = Visits::new();
        let mut steps = |url: String| visits.facts(2_000, &url).sequential_requests;
        for page in 1..=8 {
            assert_eq!(steps(format!("/list?sort=a&page={page}")), Some(page));
        }
        assert_eq!(steps("/list?page=8".to_owned()), Some(8), "asking again is no step");
        assert_eq!(steps("/list?page=2".to_owned()), Some(1), "going back is none either");
        assert_eq!(steps("/other?page=3".to_owned()), Some(1));
        for (number, cursor) in ["ab", "cd", "ef"].iter().enumerate() {
            assert_eq!(steps(format!("/list?cursor={cursor}")), u32::try_from(number + 1).ok());
        }
    }

    #[test]
    fn visitors_are_told_apart() {
        let mut visits = Visits::new();
        visits.visit(0, "/");
        visits.facts.ip = Some("203.0.113.8".parse().unwrap());
        assert_eq!(visits.facts(0, "/").requests_last_second, Some(1), "a neighbour is another");
        let observe = |visits: &Visits, project: i64, session: &str| {
            let none = PathSet::default();
            let observation = visits.behavior.observe(project, Some(session), &visits.facts, [&none, &none]);
            observation.facts.unwrap().requests_last_second
        };
        assert_eq!(observe(&visits, 1, "s"), Some(1));
        visits.facts.user_agent = Some("y".to_owned());
        assert_eq!((observe(&visits, 1, "s"), observe(&visits, 2, "s")), (Some(2), Some(1)));
        assert_eq!(household("2001:db8::1:2".parse().unwrap()), household("2001:db8::9".parse().unwrap()));
        assert_ne!(household("2001:db8:0:1::1".parse().unwrap()), household("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn earlier_verdicts_are_remembered() {
        let mut visits = Visits::new();
        let first = visits.visit(0, "/");
        assert_eq!(first.earlier, None);
        first.remember(0.6);
        first.remember(0.5);
        assert_eq!(visits.visit(0, "/").earlier, Some(0.6));
    }

    #[test]
    fn paths_of_addresses() {
        for (url, path) in [
            ("https://example.org", "/"),
            ("https://example.org?a=b", "?a=b"),
            ("https://example.org/a://b", "/a://b"),
            ("/a?b=https://c/d", "/a?b=https://c/d"),
            ("//a/b", "//a/b"),
        ] {
            assert_eq!(path_of(url), path);
        }
    }
}
