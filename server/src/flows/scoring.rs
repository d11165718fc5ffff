//! From batches of browser events to a verdict: ingest, rescoring off the request path, reading.
//!
//! A batch is one atomic write (session state, raw events, first-contact mark) and then a place in a bounded
//! queue. The worker scores what waits and throws cached verdicts away. After a restart, sessions whose latest
//! batch is not scored yet are queued again, so that nothing acknowledged is lost.

pub mod audit;
pub mod cache;
pub mod history;
pub mod ingest;
pub mod inspect;
pub mod login;
pub mod queue;
pub mod read;
pub mod record;
pub mod rules;
pub mod verified;
pub mod worker;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use self::audit::Audit;
use self::cache::VerdictCache;
use self::history::History;
use self::ingest::Turns;
use self::queue::Queue;
use self::rules::{DryRuns, RuleSets};
use self::verified::Verified;
use crate::app::App;
use crate::config::Config;

/// What scoring keeps in the process.
pub struct Scoring {
    /// Sessions that wait for their score.
    pub queue: Queue,
    /// Whether the worker has looked after what an earlier run left; from then on every session comes by the queue.
    pub is_recovered: AtomicBool,
    /// Verdicts that were read lately.
    pub verdicts: VerdictCache,
    /// Blocks that wait to be recorded.
    pub audit: Audit,
    /// Scores that wait to be counted for the owner.
    pub history: History,
    /// Rules of projects, prepared.
    pub rules: RuleSets,
    /// Tries of rules, one at a time.
    pub dry_runs: DryRuns,
    /// Known bots, and who was found to be one.
    pub verified: Verified,
    turns: Turns,
}

impl Scoring {
    /// Makes it with the settings of `[botect]` and `[verification]`.
    pub fn new(config: &Config) -> Self {
        let botect = &config.botect;
        Self {
            queue: Queue::new(if botect.shed_above == 0 { usize::MAX } else { botect.shed_above }),
            is_recovered: AtomicBool::new(false),
            verdicts: VerdictCache::new(Duration::from_secs(botect.verdict_cache_seconds)),
            audit: Audit::default(),
            history: History::default(),
            rules: RuleSets::default(),
            dry_runs: DryRuns::default(),
            verified: Verified::new(&config.verification),
            turns: Turns::default(),
        }
    }
}

/// Starts the background tasks: scoring, recording of blocks, counting of scores, taking over of new address ranges.
pub fn start(app: &App) {
    let scored = app.clone();
    app.jobs.start("scoring", move |stop| worker::run(scored.clone(), stop));
    let audited = app.clone();
    app.jobs.start("audit", move |stop| audit::run(audited.clone(), stop));
    let followed = app.clone();
    app.jobs.start("bot-ranges", move |stop| verified::ranges::follow(followed.clone(), stop));
    let counted = app.clone();
    app.jobs.start("history", move |stop| history::run(counted.clone(), stop));
}
