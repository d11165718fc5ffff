//! Analytics at size: detections sent through the route against a count by brute force, and answers over millions of
//! stored events. Prints one JSON line for each part.
#![allow(
    missing_docs,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a benchmark fails loudly"
)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use clap::Parser;
use http_body_util::BodyExt;
use quivive_core::Timestamp;
use quivive_core::agent::{BotType, VerificationStatus};
use quivive_core::decision::Action;
use quivive_server::app::{App, Clock, Entropy};
use quivive_server::config::{Config, Profile};
use quivive_server::flows::detection::row::{Proof, Row, TYPES, type_name};
use quivive_server::flows::detection::{STREAM, Source, figures};
use quivive_server::keys::master::MasterSecret;
use quivive_server::storage::distinct::MOST_EXACT;
use quivive_server::storage::memory::Memory;
use quivive_server::storage::sqlite::{Sqlite, Sync};
use quivive_server::storage::{Event, Storage};
use quivive_server::tenant::Project;
use quivive_server::tenant::detection_key::{self, NewKey};
use quivive_server::tenant::directory::{self, NewAccount, NewProject};
use quivive_server::{jobs, serve};
use serde_json::{Value, json};
use tower::ServiceExt;

#[derive(Parser)]
struct Arguments {
    /// Detections that are sent through the route, and compared with a count by brute force.
    #[arg(long, default_value_t = 1_000_000)]
    sent: u64,
    /// Events that are stored for the second part.
    #[arg(long, default_value_t = 10_000_000)]
    stored: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

const KEY: &str = "as_live_0123456789abcdefghijABCDEFGHIJxy";
const DAY: i64 = 86_400_000;
/// 2026-02-15T12:00:00Z.
const START: i64 = 1_771_156_800_000;

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    if arguments.sent > 0 {
        println!("{}", sent(arguments.sent).await);
    }
    if arguments.stored > 0 {
        println!("{}", stored(arguments.stored).await);
    }
}

/// A server in process, on a database file, with one project.
struct Site {
    app: App,
    router: Router,
    project: Project,
}

impl Site {
    async fn start(folder: &Path, now: i64) -> Self {
        let clock = Clock::fixed(Timestamp::from_milliseconds(now));
        let database = Sqlite::open(&folder.join("bench.db"), Sync::Normal, 4).unwrap();
        let storage = Storage::new(Arc::new(database), Arc::new(Memory::new(100_000)), clock.clone());
        let mut config = Config::defaults(Profile::Secure).unwrap();
        config.limits.plan_requests = false;
        let master = MasterSecret::from_bytes([42; 32]);
        let app = serve::prepare(config, storage, master, clock, Entropy::System).await.unwrap();
        let account = NewAccount { name: "Bench".to_owned(), is_subscribed: true, ..NewAccount::default() };
        let account = directory::create_account(&app, account).await.unwrap();
        let project = NewProject { account_id: account.id, name: "Shop".to_owned(), ..NewProject::default() };
        let project = directory::create_project(&app, project).await.unwrap();
        let key = NewKey { project_id: project.id, key: Some(KEY.to_owned()), ..NewKey::default() };
        detection_key::create(&app, key).await.unwrap();
        let router = quivive_server::app(&app);
        Self { app, router, project }
    }

    async fn call(&self, method: &str, path: &str, body: String) -> Value {
        let request = Request::builder().method(method).uri(path).header("x-agentshield-key", KEY);
        let answer = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    async fn analytics(&self, query: &str) -> Value {
        let path = format!("/api/v1/projects/{}/analytics?{query}", self.project.public_id);
        self.call("GET", &path, String::new()).await
    }
}

/// Even numbers from counters (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// What was sent, as the caller knows it.
struct Sent {
    at: i64,
    bot: Option<(usize, u64)>,
    confidence: f64,
}

const USER_AGENTS: [&str; 9] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "curl/8.5.0",
    "python-requests/2.32.3",
    "Scrapy/2.11 (+https://scrapy.org)",
    "MyCoolBot/1.0 (+https://example.org/bot)",
];

/// Sends detections through the route, a little more than half a second apart, and counts the answers one by one.
async fn sent(count: u64) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::start(folder.path(), START).await;
    jobs::start(&site.app);
    let mut random = Random(1);
    let mut all = Vec::with_capacity(count as usize);
    let mut identities: HashMap<(i64, Option<String>, usize, u64, u64), u64> = HashMap::new();
    let begun = Instant::now();
    for number in 0..count {
        let (agent, network, session) = (random.below(9) as usize, random.below(64), random.below(5));
        let ip = format!("198.18.{network}.{}", random.below(256));
        let body = json!({ "userAgent": USER_AGENTS[agent], "ip": ip, "sessionId": session.to_string() });
        let at = site.app.now().milliseconds();
        let answer = site.call("POST", "/api/v1/detect?include=agent,verification", body.to_string()).await;
        let known = answer["extended"]["agent"]["id"].as_str().map(str::to_owned);
        let is_verified = answer["extended"]["verification"]["status"] == "verified";
        // Agents are known by name, and by network unless that is proven; others as visitors of a day.
        let identity = match known {
            Some(id) if is_verified => (0, Some(id), 0, 0, 1),
            Some(id) => (0, Some(id), 0, network, 0),
            None => (at.div_euclid(DAY), None, agent, network, session),
        };
        let next = identities.len() as u64;
        let identity = *identities.entry(identity).or_insert(next);
        let kind = TYPES.iter().position(|(_, name)| answer["botType"] == *name).unwrap();
        let bot = answer["isBot"].as_bool().unwrap().then_some((kind, identity));
        all.push(Sent { at, bot, confidence: answer["confidence"].as_f64().unwrap() });
        site.app.clock.advance(500 + random.below(250) as i64);
        if number % 4_096 == 4_095 || number + 1 == count {
            settled(&site, number + 1).await;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let end = site.app.now().milliseconds();
    let (mut compared, mut worst): (u32, f64) = (0, 0.0);
    for round in 0..40 {
        let (one, two) =
            (random.below((end - START) as u64) as i64, random.below((end - START) as u64) as i64);
        let (from, to) = if round == 0 { (START, end) } else { (START + one.min(two), START + one.max(two)) };
        let period = ["hour", "day", "week", "month"][round % 4];
        let text = |at| Timestamp::from_milliseconds(at).to_string();
        let query = format!("period={period}&startDate={}&endDate={}", text(from), text(to));
        worst = worst.max(compare(&site.analytics(&query).await, &all, from, to));
        compared += 1;
    }
    site.app.jobs.stop(Duration::from_secs(10)).await;
    json!({
        "part": "sent", "detections": count, "seconds": seconds, "per_second": count as f64 / seconds,
        "days": (end - START) as f64 / DAY as f64, "identities": identities.len(), "ranges_compared": compared,
        "unique_error_percent": worst * 100.0,
    })
}

async fn settled(site: &Site, count: u64) {
    let begun = Instant::now();
    while figures::total(&site.app, site.project.id).await.unwrap() < count {
        assert!(begun.elapsed() < Duration::from_secs(30), "detections were lost");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Every count equals the count by brute force; how far the number of distinct bots is off.
fn compare(answer: &Value, all: &[Sent], from: i64, to: i64) -> f64 {
    let within = all.iter().filter(|sent| (from..to).contains(&sent.at));
    let (mut total, mut bots, mut confidence) = (0_u64, 0_u64, 0.0);
    let mut kinds: HashMap<u64, BTreeMap<usize, u64>> = HashMap::new();
    for sent in within {
        total += 1;
        if let Some((kind, identity)) = sent.bot {
            bots += 1;
            confidence += sent.confidence;
            *kinds.entry(identity).or_default().entry(kind).or_default() += 1;
        }
    }
    let mut types: BTreeMap<String, u64> = BTreeMap::new();
    for seen in kinds.values() {
        let most = seen.values().max().unwrap();
        let kind = seen.iter().find(|(_, count)| *count == most).unwrap().0;
        *types.entry(TYPES[*kind].1.to_owned()).or_default() += 1;
    }
    let sum = |column: &str| -> u64 {
        answer["timeSeries"].as_array().unwrap().iter().map(|bucket| bucket[column].as_u64().unwrap()).sum()
    };
    assert_eq!(answer["summary"]["totalDetections"], total);
    assert_eq!((sum("detections"), sum("bots"), sum("humans")), (total, bots, total - bots));
    let mean = if bots == 0 { 0.0 } else { confidence / bots as f64 };
    assert!((answer["summary"]["averageConfidence"].as_f64().unwrap() - mean).abs() < 0.000_051);
    if kinds.len() <= MOST_EXACT {
        assert_eq!(answer["botTypes"], json!(types));
    }
    error_of_distinct(answer, kinds.len())
}

/// Up to [`MOST_EXACT`] distinct bots are exact, and more are off by less than two per cent.
fn error_of_distinct(answer: &Value, wanted: usize) -> f64 {
    let found = answer["summary"]["uniqueBots"].as_u64().unwrap();
    if wanted <= MOST_EXACT {
        assert_eq!(found, wanted as u64);
        return 0.0;
    }
    let error = (found as f64 / wanted as f64 - 1.0).abs();
    assert!(error < 0.02, "{found} of {wanted}");
    error
}

/// Fills a database with events of ninety days and measures answers over them.
async fn stored(count: u64) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::start(folder.path(), START).await;
    let mut random = Random(2);
    let days = 90;
    let step = days * DAY / count as i64;
    let mut counts = vec![(0_u64, 0_u64); days as usize];
    let mut identities = vec![HashSet::new(); days as usize];
    let mut batch = Vec::new();
    let begun = Instant::now();
    for number in 0..count {
        let at = START - days * DAY + step * number as i64;
        let day = (number as i64 * step / DAY) as usize;
        let row = row(&mut random, day as u64);
        match &row.bot_key {
            Some(key) => {
                counts[day].0 += 1;
                identities[day].insert(u64::from_str_radix(key, 16).unwrap());
            }
            None => counts[day].1 += 1,
        }
        batch.push(Event {
            kind: STREAM.to_owned(),
            project: site.project.id.to_string(),
            id: format!("det_{number:026}"),
            at: Timestamp::from_milliseconds(at),
            label: type_name(row.bot_type).to_owned(),
            score: Some(row.confidence),
            body: serde_json::to_string(&row).unwrap(),
            tallies: row.tallies(),
            members: row.members(),
            ..Event::default()
        });
        if batch.len() == 2_048 || number + 1 == count {
            site.app.storage.events().append(std::mem::take(&mut batch)).await.unwrap();
        }
    }
    let fill = begun.elapsed().as_secs_f64();
    let mut answers = BTreeMap::new();
    let mut worst: f64 = 0.0;
    for (name, query, length) in [
        ("7 days, the default", "", 7),
        ("24 hours", "period=hour", 1),
        ("30 days", "startDate=2026-01-16T12:00:00Z", 30),
        ("90 days", "startDate=2025-11-17T12:00:00Z", 90),
        ("12 weeks", "period=week", 84),
        ("12 months", "period=month", 90),
        ("30 days, ends inside slots", "startDate=2026-01-16T12:01:23Z&endDate=2026-02-15T11:58:31Z", 0),
        ("7 days, every metric", "metrics=summary,timeSeries,botTypes,actions,agents,paths,verification", 7),
    ] {
        let mut times = Vec::new();
        let mut answer = Value::Null;
        for _ in 0..21 {
            let begun = Instant::now();
            answer = site.analytics(query).await;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        worst = worst.max(times[10]);
        let error = if length > 0 { check(&answer, &counts, &identities, length) } else { 0.0 };
        answers.insert(
            name,
            json!({ "p50_ms": times[10], "max_ms": times[20], "unique_error_percent": error * 100.0 }),
        );
    }
    let size = std::fs::metadata(folder.path().join("bench.db")).unwrap().len();
    json!({
        "part": "stored", "events": count, "fill_seconds": fill, "per_second": count as f64 / fill,
        "mib": size / 1_048_576, "slowest_p50_ms": worst, "answers": answers,
    })
}

/// Counts are exact; how far the number of distinct bots is off.
fn check(answer: &Value, counts: &[(u64, u64)], identities: &[HashSet<u64>], length: usize) -> f64 {
    let last = counts.len() - length;
    let (bots, people) = counts[last..].iter().fold((0, 0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
    let buckets = answer["timeSeries"].as_array().unwrap();
    let sum = |column: &str| -> u64 { buckets.iter().map(|bucket| bucket[column].as_u64().unwrap()).sum() };
    assert_eq!((sum("bots"), sum("humans")), (bots, people), "{length} days");
    let distinct: HashSet<&u64> = identities[last..].iter().flatten().collect();
    error_of_distinct(answer, distinct.len())
}

/// People, forty agents from fifty networks, and three thousand nameless bots that are others every day.
fn row(random: &mut Random, day: u64) -> Row {
    let is_bot = random.below(100) < 45;
    let is_agent = is_bot && random.below(3) > 0;
    let (agent, network, visitor) = (random.below(40), random.below(50), random.below(3_000));
    let identity = if is_agent { agent * 64 + network } else { (day + 1) << 32 | visitor };
    let bot_type = match (is_bot, is_agent) {
        (false, _) => BotType::Human,
        (true, true) => TYPES[(agent % 5) as usize].0,
        (true, false) => BotType::UnknownBot,
    };
    let hashed = Random(identity).next();
    let person = Random((day + 1) << 40 | random.below(20_000)).next();
    Row {
        source: Source::Api,
        is_bot,
        confidence: if is_bot { (70 + random.below(30)) as f64 / 100.0 } else { 0.02 },
        bot_type,
        sub_type: None,
        agent_id: is_agent.then(|| format!("agent-{agent}")),
        verification: if is_agent { VerificationStatus::Claimed } else { VerificationStatus::None },
        proof: Proof::default(),
        user_agent: Some(USER_AGENTS[(agent % 9) as usize].to_owned()),
        ip: Some(format!("198.18.{network}.7")),
        url: Some(format!("https://shop.example/items/{}", random.below(200))),
        method: Some("GET".to_owned()),
        visitor_key: format!("{:016x}{:016x}", if is_bot { hashed } else { person }, 0),
        bot_key: is_bot.then(|| format!("{hashed:016x}")),
        policy_action: Action::Allow,
        rule_id: None,
        signals: Vec::new(),
        test: false,
    }
}
