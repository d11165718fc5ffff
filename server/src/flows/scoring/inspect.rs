//! Sessions as their owner sees them: the state, the score, and what a verdict would be at this moment. Looking leaves
//! no trace: nothing is cached and no block is recorded.

use futures::future::try_join_all;
use quivive_core::Timestamp;
use quivive_core::score::payload::is_session_token;
use quivive_core::score::{Band, EngineResults, Opinion, Resolution, Score, Threshold, combine, resolve};

use super::history::{self, Arrival};
use super::record::{StoredScore, StoredSession, session_id};
use super::rules;
use crate::app::App;
use crate::error::Result;
use crate::storage::{self, Record};
use crate::tenant::Project;

/// A session that was scored.
pub struct Inspected {
    /// Its state.
    pub session: StoredSession,
    /// What the engines think of it.
    pub stored: StoredScore,
    /// Their opinions combined under the project's threshold.
    pub score: Score,
    /// What a verdict read without a request context gives.
    pub resolution: Resolution,
}

/// A session of the project; nothing for one that is unknown, another project's, expired or not scored yet.
///
/// # Errors
/// When storage does not answer.
pub async fn session(app: &App, project: &Project, token: &str) -> Result<Option<Inspected>> {
    if !is_session_token(token) {
        return Ok(None);
    }
    let id = session_id(project.id, token);
    let (session, stored) = tokio::try_join!(find::<StoredSession>(app, &id), find::<StoredScore>(app, &id))?;
    let (Some(session), Some(stored)) = (session, stored) else { return Ok(None) };
    let score = combine(&stored.engines, project.scoring.settings.likely_bot_threshold);
    let (_, matches) =
        app.scoring.rules.of(app, project).await?.matches(&rules::facts(&score, &stored.facts));
    let resolution = resolve(&score, &project.scoring.settings.bot_settings, false, &matches);
    Ok(Some(Inspected { session, stored, score, resolution }))
}

/// The latest sessions, with the time of their first score; `after` continues a list.
///
/// # Errors
/// When storage does not answer.
pub async fn recent(
    app: &App,
    project: &Project,
    after: Option<(Timestamp, String)>,
    limit: usize,
) -> Result<Vec<(Arrival, Inspected)>> {
    let arrivals = history::arrivals(app, project.id, after, limit).await?;
    let found = try_join_all(arrivals.iter().map(|arrival| session(app, project, &arrival.token))).await?;
    Ok(arrivals.into_iter().zip(found).filter_map(|(arrival, found)| Some((arrival, found?))).collect())
}

/// What another threshold would make of the latest sessions.
pub struct WhatIf {
    /// The threshold that is looked at.
    pub threshold: Threshold,
    /// How many sessions were looked at.
    pub sessions: usize,
    /// How many have each score, 0 to 99, under that threshold.
    pub histogram: Vec<usize>,
    /// How many are in a bot band under the present threshold.
    pub bots_now: usize,
    /// How many would be.
    pub bots_then: usize,
    /// The sessions whose side would change, latest first.
    pub changing: Vec<Change>,
}

/// A session that another threshold puts on the other side.
pub struct Change {
    /// Which session, and when it came.
    pub arrival: Arrival,
    /// Under the present threshold.
    pub now: Score,
    /// Under the other one.
    pub then: Score,
}

/// What a threshold would make of the latest sessions of the project, at most so many.
///
/// # Errors
/// When storage does not answer.
pub async fn what_if(app: &App, project: &Project, threshold: Threshold, limit: usize) -> Result<WhatIf> {
    let arrivals = history::arrivals(app, project.id, None, limit).await?;
    let ids: Vec<String> = arrivals.iter().map(|arrival| session_id(project.id, &arrival.token)).collect();
    let found = try_join_all(ids.iter().map(|id| find::<StoredScore>(app, id))).await?;
    let present = project.scoring.settings.likely_bot_threshold;
    let mut answer = WhatIf {
        threshold,
        sessions: 0,
        histogram: vec![0; 100],
        bots_now: 0,
        bots_then: 0,
        changing: Vec::new(),
    };
    for (arrival, stored) in arrivals.into_iter().zip(found) {
        let Some(stored) = stored else { continue };
        let (now, then) = (combine(&stored.engines, present), combine(&stored.engines, threshold));
        answer.sessions += 1;
        if let Some(count) = answer.histogram.get_mut(usize::from(then.score)) {
            *count += 1;
        }
        answer.bots_now += usize::from(now.band.is_bot());
        answer.bots_then += usize::from(then.band.is_bot());
        if now.band.is_bot() != then.band.is_bot() {
            answer.changing.push(Change { arrival, now, then });
        }
    }
    Ok(answer)
}

/// One thing that, had it been otherwise, would have put the session on the other side.
#[derive(Clone, Debug, PartialEq)]
pub struct Flip {
    /// What would have to be otherwise.
    pub cause: FlipCause,
    /// The score that would follow.
    pub score: u8,
    /// The band that would follow.
    pub band: Band,
}

/// The causes that a [`Flip`] can have.
#[derive(Clone, Debug, PartialEq)]
pub enum FlipCause {
    /// The evidence of this text id had not been seen.
    Without(String),
    /// The script probe had passed.
    ProbePassed,
    /// The project's threshold were this.
    Threshold(Threshold),
}

/// Every single change that puts the session on the other side: one detection less, a passed probe, and the nearest
/// threshold.
pub fn flips(engines: &EngineResults, threshold: Threshold) -> Vec<Flip> {
    let base = combine(engines, threshold);
    if matches!(base.band, Band::NotComputed | Band::Verified) {
        return Vec::new();
    }
    let mut flips = Vec::new();
    let mut test = |cause: FlipCause, changed: &EngineResults, threshold: Threshold| {
        let Score { score, band, .. } = combine(changed, threshold);
        if band.is_bot() != base.band.is_bot() {
            flips.push(Flip { cause, score, band });
        }
    };
    for opinion_of in [heuristics as Part, behavioral as Part] {
        let mut changed = engines.clone();
        let opinion = opinion_of(&mut changed).clone();
        // An opinion that does not follow from its evidence alone would be a guess without one item.
        if Opinion::of(opinion.evidence.clone()).score != opinion.score {
            continue;
        }
        for item in opinion.evidence.iter().filter(|item| item.speaks_for_automation()) {
            let rest = opinion.evidence.iter().filter(|other| other.id != item.id).cloned().collect();
            *opinion_of(&mut changed) = Opinion::of(rest);
            test(FlipCause::Without(item.id.to_string()), &changed, threshold);
        }
    }
    if engines.js_passed == Some(false) {
        let changed = EngineResults { js_passed: Some(true), ..engines.clone() };
        test(FlipCause::ProbePassed, &changed, threshold);
    }
    let is_other = |value: &Threshold| combine(engines, *value).band.is_bot() != base.band.is_bot();
    let distance = |value: &Threshold| value.get().abs_diff(threshold.get());
    let nearest =
        (1..=99).filter_map(|value| Threshold::new(value).ok()).filter(is_other).min_by_key(distance);
    if let Some(nearest) = nearest {
        test(FlipCause::Threshold(nearest), engines, nearest);
    }
    flips
}

type Part = fn(&mut EngineResults) -> &mut Opinion;

fn heuristics(engines: &mut EngineResults) -> &mut Opinion {
    &mut engines.heuristics
}

fn behavioral(engines: &mut EngineResults) -> &mut Opinion {
    &mut engines.behavioral
}

/// A record; a damaged one is as good as none, so that it does not hide the others.
async fn find<T: Record>(app: &App, id: &str) -> storage::Result<Option<T>> {
    match app.storage.get::<T>(id).await {
        Err(storage::Error::Corrupt { kind, reason }) => {
            tracing::error!(kind, reason, "a record cannot be shown");
            Ok(None)
        }
        found => Ok(found?.map(|found| found.value)),
    }
}

#[cfg(test)]
mod tests {
    use quivive_core::score::Detection;

    use super::*;

    fn engines(behavioral: &[Detection]) -> EngineResults {
        let evidence = behavioral.iter().map(|detection| detection.evidence("test")).collect();
        EngineResults { behavioral: Opinion::of(evidence), ..EngineResults::default() }
    }

    #[test]
    fn one_detection_less_or_another_threshold_turns_a_bot_into_a_person() {
        let engines = engines(&[Detection::Interaction, Detection::NoPointerVariation]);
        let flips = flips(&engines, Threshold::DEFAULT);
        let without = FlipCause::Without("pointer.no_variation".to_owned());
        assert_eq!(flips[0], Flip { cause: without, score: 50, band: Band::LikelyHuman });
        let threshold = FlipCause::Threshold(Threshold::new(15).unwrap());
        assert_eq!(flips[1], Flip { cause: threshold, score: 15, band: Band::LikelyHuman });
        assert_eq!(flips.len(), 2);
    }

    #[test]
    fn a_person_is_told_the_threshold_that_would_turn_him_into_a_bot() {
        let flips = flips(&engines(&[Detection::Interaction]), Threshold::DEFAULT);
        let threshold = FlipCause::Threshold(Threshold::new(51).unwrap());
        assert_eq!(flips, [Flip { cause: threshold, score: 50, band: Band::LikelyAutomated }]);
    }

    #[test]
    fn nothing_turns_what_was_not_computed() {
        assert_eq!(flips(&EngineResults::default(), Threshold::DEFAULT), []);
    }

    #[test]
    fn an_opinion_that_does_not_follow_from_its_evidence_is_left_alone() {
        let mut engines = engines(&[Detection::NoPointerVariation, Detection::Interaction]);
        engines.behavioral.score = Some(4);
        assert!(
            !flips(&engines, Threshold::DEFAULT)
                .iter()
                .any(|flip| matches!(flip.cause, FlipCause::Without(_)))
        );
    }
}
