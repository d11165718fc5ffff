//! Part K: key timing.

use std::collections::BTreeMap;

use quivive_core::score::Detection;

use super::judge::{Judge, Judgement};
use super::pointer::{Settings, by_generator, groups};
use super::reading::{JudgedGroup, measure_by, of_bots, of_group, of_people, population};
use super::refit::Refits;
use super::report::Keys;
use crate::traces::Trace;

/// Recognises text that no key wrote.
const WITHOUT_KEYS: Detection = Detection::TextWithoutKeys;

/// The part; none without people or tools.
///
/// # Errors
/// When a table was not fitted.
pub fn keys(
    rows: &[Trace],
    judge: &dyn Judge,
    refits: &Refits,
    settings: &Settings,
) -> Result<Option<Keys>, String> {
    let (bots, people): (Vec<&Trace>, Vec<&Trace>) = rows.iter().partition(|row| row.label == 1);
    if people.is_empty() || bots.is_empty() {
        return Ok(None);
    }
    let (without_keys, with_keys): (BTreeMap<_, _>, BTreeMap<_, _>) =
        by_generator(&bots).into_iter().partition(|(_, rows)| rows.iter().all(|row| row.e.is_empty()));
    let measured = |groups: &[JudgedGroup]| measure_by(groups, settings.seed, Judgement::likelihood_or_half);
    let plain = groups(&people, &with_keys, &|row, _| Ok(judge.judge(row, None)))?;
    let cv = match settings.cv {
        true => measured(&groups(&people, &with_keys, &|row, _| {
            Ok(refits.without_fold(row.fold)?.judge(row, None))
        })?),
        false => None,
    };
    let logo = match settings.logo {
        true => measured(&groups(&people, &with_keys, &|row, generator| {
            Ok(refits.without_generator(row.fold, generator)?.judge(row, None))
        })?),
        false => None,
    };
    let is_without_keys =
        |judgement: &Judgement| WITHOUT_KEYS.number().is_some_and(|id| judgement.detections.contains(&id));
    let filled = groups(&[], &without_keys, &|row, _| Ok(judge.judge(row, None)))?;
    let abstained = |judgement: &Judgement| judgement.likelihood.is_none();
    Ok(Some(Keys {
        population: population(&people, &bots),
        abstained_human: of_people(&plain, abstained),
        abstained_bot: of_bots(&plain, abstained),
        people_without_keys: of_people(&plain, is_without_keys),
        plain: measured(&plain),
        cv,
        logo,
        without_keys: filled
            .iter()
            .filter_map(|group| Some((group.generator.clone(), of_group(group, is_without_keys)?)))
            .collect(),
    }))
}
