//! Part P: pointer recordings.

use std::collections::BTreeMap;

use quivive_core::score::Detection;

use super::judge::{Judge, Judgement};
use super::measures::Separation;
use super::reading::{
    Judged, JudgedGroup, generator, measure_by, of_bots, of_group, of_people, population, reading,
};
use super::refit::Refits;
use super::report::{NoMove, Prefix, THRESHOLDS, Track};
use crate::traces::Trace;

/// Detections that recognise a tool that clicks without a path.
const NO_PATH: [Detection; 4] = [
    Detection::ClicksWithoutPointer,
    Detection::LeapsToClick,
    Detection::ScriptedEvents,
    Detection::ScriptedPath,
];

/// How the part is measured.
#[derive(Clone, Debug)]
pub struct Settings<'a> {
    /// Judge every recording by tables fitted without its fold.
    pub cv: bool,
    /// Judge every generator by tables fitted without it.
    pub logo: bool,
    /// Seconds after which a verdict is read early.
    pub prefix: &'a [u32],
    /// Of the bootstrap.
    pub seed: u64,
}

/// The track of one folder of bots; none without any.
///
/// # Errors
/// When a table was not fitted.
pub fn track(
    traces: &[Trace],
    folder: &str,
    judge: &dyn Judge,
    refits: &Refits,
    settings: &Settings,
) -> Result<Option<Track>, String> {
    let people: Vec<&Trace> = traces.iter().filter(|trace| trace.folder == "human").collect();
    let bots: Vec<&Trace> = traces.iter().filter(|trace| trace.folder == folder).collect();
    if people.is_empty() || bots.is_empty() {
        return Ok(None);
    }
    let (no_move, with_path): (BTreeMap<_, _>, BTreeMap<_, _>) =
        by_generator(&bots).into_iter().partition(|(_, traces)| folder == "bots_native" && !has_path(traces));
    let plain =
        |seconds: Option<f64>| groups(&people, &with_path, &|trace, _| Ok(judge.judge(trace, seconds)));
    let mut plain_reading = reading(&plain(None)?, settings.seed);
    plain_reading.prefix = prefixes(settings.prefix, &plain)?;

    let mut cv = None;
    if settings.cv {
        let judged = |seconds: Option<f64>| {
            groups(&people, &with_path, &|trace, _| {
                Ok(refits.without_fold(trace.fold)?.judge(trace, seconds))
            })
        };
        let mut with_folds = reading(&judged(None)?, settings.seed);
        with_folds.prefix = prefixes(settings.prefix, &judged)?;
        cv = Some(with_folds);
    }
    let mut logo = None;
    // Tools of the native track are never fitted, so there is none to leave out.
    if settings.logo && folder == "bots_matched" {
        let judged = groups(&people, &with_path, &|trace, left_out| {
            Ok(refits.without_generator(trace.fold, left_out)?.judge(trace, None))
        })?;
        logo = Some(reading(&judged, settings.seed));
    }
    let no_move_groups = groups(&[], &no_move, &|trace, _| Ok(judge.judge(trace, None)))?;
    let no_move = no_move_groups.iter().map(|group| (group.generator.clone(), recognition(group))).collect();
    Ok(Some(Track { population: population(&people, &bots), plain: plain_reading, cv, logo, no_move }))
}

/// The recordings of each generator.
pub fn by_generator<'a>(bots: &[&'a Trace]) -> BTreeMap<String, Vec<&'a Trace>> {
    let mut generators: BTreeMap<String, Vec<&Trace>> = BTreeMap::new();
    for trace in bots {
        generators.entry(generator(trace).to_owned()).or_default().push(trace);
    }
    generators
}

/// Every generator with its recordings and the people, judged by what is given the recording and the generator.
pub fn groups<'a>(
    people: &[&'a Trace],
    generators: &BTreeMap<String, Vec<&'a Trace>>,
    judge: &dyn Fn(&'a Trace, &str) -> Result<Judgement, String>,
) -> Result<Vec<JudgedGroup<'a>>, String> {
    let judged = |traces: &[&'a Trace], generator: &str| -> Result<Vec<Judged<'a>>, String> {
        traces.iter().map(|&trace| Ok(Judged { trace, judgement: judge(trace, generator)? })).collect()
    };
    generators
        .iter()
        .map(|(generator, bots)| {
            Ok(JudgedGroup {
                generator: generator.clone(),
                people: judged(people, generator)?,
                bots: judged(bots, generator)?,
            })
        })
        .collect()
}

/// Whether a tool moves the pointer to more places than it clicks at.
fn has_path(traces: &[&Trace]) -> bool {
    traces.iter().any(|trace| {
        let count = |kinds: &str| trace.e.chars().filter(|kind| kinds.contains(*kind)).count();
        count("m") > count("dc") + 1
    })
}

fn prefixes<'a>(
    seconds: &[u32],
    judged: &dyn Fn(Option<f64>) -> Result<Vec<JudgedGroup<'a>>, String>,
) -> Result<BTreeMap<u32, Prefix>, String> {
    let mut prefixes = BTreeMap::new();
    for &seconds in seconds {
        let groups = judged(Some(f64::from(seconds)))?;
        // The interval is not shown, so any seed does.
        let Some(measures) = measure_by(&groups, 0, Judgement::likelihood_or_half) else {
            continue;
        };
        let separation = Separation {
            auc: measures.auc.value,
            tpr_at_1pct: measures.tpr_at_1pct.value,
            tpr_at_01pct: measures.tpr_at_01pct,
        };
        let abstained = |judgement: &Judgement| judgement.likelihood.is_none();
        prefixes.insert(
            seconds,
            Prefix {
                separation,
                abstained_human: of_people(&groups, abstained),
                abstained_bot: of_bots(&groups, abstained),
            },
        );
    }
    Ok(prefixes)
}

fn recognition(group: &JudgedGroup) -> NoMove {
    let rate = |holds: &dyn Fn(&Judgement) -> bool| of_group(group, holds).unwrap_or(0.0);
    let ids: std::collections::BTreeSet<u32> =
        group.bots.iter().flat_map(|one| one.judgement.detections.iter().copied()).collect();
    NoMove {
        n: group.bots.len(),
        recognised: rate(&|one| {
            NO_PATH.iter().filter_map(|detection| detection.number()).any(|id| one.detections.contains(&id))
        }),
        bot_band: THRESHOLDS
            .into_iter()
            .map(|threshold| (threshold, rate(&|one| one.is_in_bot_band(threshold))))
            .collect(),
        detections: ids.into_iter().map(|id| (id, rate(&|one| one.detections.contains(&id)))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(events: &str) -> Trace {
        Trace { e: events.to_owned(), ..Trace::default() }
    }

    #[test]
    fn a_move_to_each_click_is_no_path() {
        let traces = [trace("mdumdu"), trace("mmdu"), trace("cc"), trace("mmmmdu")];
        let [jumps, one_more, clicks, path] = &traces;
        assert!(!has_path(&[jumps, one_more, clicks]));
        assert!(has_path(&[jumps, path]));
    }

    #[test]
    fn bots_are_grouped_by_generator_or_file() {
        let named = Trace { generator: Some("tool".to_owned()), file: "a".to_owned(), ..Trace::default() };
        let unnamed = Trace { file: "b".to_owned(), ..Trace::default() };
        let generators = by_generator(&[&named, &unnamed, &named]);
        let counts: Vec<(&str, usize)> =
            generators.iter().map(|(name, traces)| (name.as_str(), traces.len())).collect();
        assert_eq!(counts, [("b", 1), ("tool", 2)]);
    }
}
