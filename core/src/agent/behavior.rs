//! Evidence from counters of behaviour and from the script on the page.

use super::{BehaviorFacts, ClientFacts, signals};
use crate::evidence::Evidence;

/// What counters and the page script show.
pub(super) fn evidence(
    behavior: Option<&BehaviorFacts>,
    client: Option<&ClientFacts>,
    found: &mut Vec<Evidence>,
) {
    if let Some(behavior) = behavior {
        of_behavior(behavior, found);
    }
    if let Some(client) = client {
        of_client(client, found);
    }
}

fn of_behavior(facts: &BehaviorFacts, found: &mut Vec<Evidence>) {
    let reaches = |count: Option<u32>, least: u32| count.is_some_and(|count| count >= least);
    let is_sustained = facts.requests_by_minute.len() >= SUSTAINED_MINUTES
        && facts.requests_by_minute.iter().take(SUSTAINED_MINUTES).all(|count| *count > PER_MINUTE);
    let is_burst = reaches(facts.requests_last_second, BURST)
        || reaches(facts.requests_last_5_seconds, OVER_FIVE_SECONDS + 1);
    for (fires, signal, source) in [
        (facts.honeypot, signals::BEH_HONEYPOT, "honeypot"),
        (is_sustained, signals::BEH_SUSTAINED, "requests_by_minute"),
        (is_burst, signals::BEH_BURST, "requests_last_second"),
        (facts.robots_first, signals::BEH_ROBOTS_FIRST, "robots_first"),
        (reaches(facts.sequential_requests, SEQUENTIAL), signals::BEH_SEQUENTIAL, "sequential_requests"),
    ] {
        if fires {
            found.push(signal.seen_in(source));
        }
    }
    if let Some(earlier) = facts.carried_confidence.filter(|earlier| *earlier > 0.0) {
        let signal = signals::BEH_SESSION_CARRY;
        found.push(signal.weighing(signal.weight * earlier.min(1.0), "carried_confidence"));
    }
}

fn of_client(facts: &ClientFacts, found: &mut Vec<Evidence>) {
    let is_idle =
        facts.interactions == Some(0) && facts.visible_ms.is_some_and(|visible| visible >= IDLE_MILLISECONDS);
    let is_headless = facts.headless_artifacts.is_some_and(|count| count >= HEADLESS_ARTIFACTS);
    for (fires, signal, source) in [
        (facts.webdriver == Some(true), signals::CL_WEBDRIVER, "webdriver"),
        (is_headless, signals::CL_HEADLESS, "headless_artifacts"),
        (is_idle, signals::CL_NO_INTERACTION, "interactions"),
        (facts.human == Some(true), signals::CL_HUMAN, "human"),
    ] {
        if fires {
            found.push(signal.seen_in(source));
        }
    }
}

const BURST: u32 = 5;
const OVER_FIVE_SECONDS: u32 = 50;
const PER_MINUTE: u32 = 60;
const SUSTAINED_MINUTES: usize = 3;
const SEQUENTIAL: u32 = 8;
const HEADLESS_ARTIFACTS: u32 = 2;
const IDLE_MILLISECONDS: u32 = 5_000;
