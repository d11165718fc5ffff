//! From judged recordings to the figures of one way of fitting.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::Judgement;
use super::measures::{Case, Group, Measures, measure};
use super::metrics::{Calibration, Weighted, mean, share, source_weights};
use super::report::{Histogram, Population, Reading, THRESHOLDS, Wire};
use crate::traces::Trace;

/// Bins of a histogram.
const BINS: usize = 20;

/// With fewer people than this the bootstrap draws a recorder's traces instead of its people.
const FEW_PERSONS: usize = 5;

/// A recording with what was said of it.
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    /// The recording.
    pub trace: &'a Trace,
    /// What was said.
    pub judgement: Judgement,
}

/// A generator with the people that it is compared with.
#[derive(Clone, Debug)]
pub struct JudgedGroup<'a> {
    /// The generator's name.
    pub generator: String,
    /// The same recordings in every group; judgements may differ.
    pub people: Vec<Judged<'a>>,
    /// The generator's recordings.
    pub bots: Vec<Judged<'a>>,
}

/// The recorder of a recording; a file that names none is its own.
pub fn source(trace: &Trace) -> &str {
    if trace.source.is_empty() { &trace.file } else { &trace.source }
}

/// The generator of a bot's recording; a file that names none is its own.
pub fn generator(trace: &Trace) -> &str {
    trace.generator.as_deref().unwrap_or(&trace.file)
}

/// Who was recorded.
pub fn population<'a>(people: &[&'a Trace], bots: &[&'a Trace]) -> Population {
    Population {
        people: people.len(),
        persons: people.iter().map(|trace| person(trace)).collect::<BTreeSet<_>>().len(),
        sources: people.iter().map(|trace| source(trace).to_owned()).collect(),
        bots: bots.len(),
        generators: bots.iter().map(|trace| generator(trace)).collect::<BTreeSet<_>>().len(),
    }
}

/// The figures of the whole recordings.
pub fn reading(groups: &[JudgedGroup], seed: u64) -> Reading {
    Reading {
        full: measure_by(groups, seed, Judgement::likelihood_or_half),
        abstained_human: of_people(groups, |judgement| judgement.likelihood.is_none()),
        abstained_bot: of_bots(groups, |judgement| judgement.likelihood.is_none()),
        calibration: calibration(groups),
        histogram: histogram(groups, |judgement| judgement.likelihood),
        prefix: BTreeMap::new(),
        wire: wire(groups, seed),
    }
}

/// The figures of a likelihood that is read from the judgements.
pub fn measure_by(groups: &[JudgedGroup], seed: u64, likelihood: fn(&Judgement) -> f64) -> Option<Measures> {
    let units = Units::of(groups);
    let cases = |judged: &[Judged]| -> Vec<Case> {
        judged
            .iter()
            .map(|one| Case {
                source: source(one.trace).to_owned(),
                unit: units.name(one.trace),
                likelihood: likelihood(&one.judgement),
            })
            .collect()
    };
    let groups: Vec<Group> = groups
        .iter()
        .map(|group| Group {
            generator: group.generator.clone(),
            people: cases(&group.people),
            bots: cases(&group.bots),
        })
        .collect();
    measure(&groups, seed)
}

/// The weighted share of people that something holds for, mean over the groups.
pub fn of_people(groups: &[JudgedGroup], holds: impl Fn(&Judgement) -> bool) -> Option<f64> {
    mean(groups.iter().filter_map(|group| {
        let weights = source_weights(group.people.iter().map(|one| source(one.trace)));
        share(group.people.iter().zip(weights).map(|(one, weight)| (holds(&one.judgement), weight)))
    }))
}

/// The share of bots that something holds for, each generator alike.
pub fn of_bots(groups: &[JudgedGroup], holds: impl Fn(&Judgement) -> bool) -> Option<f64> {
    mean(groups.iter().filter_map(|group| of_group(group, &holds)))
}

/// The share of one generator's recordings that something holds for.
pub fn of_group(group: &JudgedGroup, holds: impl Fn(&Judgement) -> bool) -> Option<f64> {
    share(group.bots.iter().map(|one| (holds(&one.judgement), 1.0)))
}

fn wire(groups: &[JudgedGroup], seed: u64) -> Wire {
    let bands = |rate: &dyn Fn(u8) -> Option<f64>| -> BTreeMap<u8, f64> {
        THRESHOLDS.into_iter().filter_map(|threshold| Some((threshold, rate(threshold)?))).collect()
    };
    Wire {
        measures: measure_by(groups, seed, Judgement::suspicion),
        people_bot_band: bands(&|threshold| of_people(groups, |one| one.is_in_bot_band(threshold))),
        macro_bot_band: bands(&|threshold| of_bots(groups, |one| one.is_in_bot_band(threshold))),
        generators: groups
            .iter()
            .map(|group| {
                let rates = bands(&|threshold| of_group(group, |one| one.is_in_bot_band(threshold)));
                (group.generator.clone(), rates)
            })
            .collect(),
        histogram: histogram(groups, |judgement| {
            (judgement.score > 0).then(|| f64::from(judgement.score) / 100.0)
        }),
    }
}

fn calibration(groups: &[JudgedGroup]) -> Option<Calibration> {
    let (people, bots) = weighted(groups, |judgement| judgement.likelihood);
    Calibration::of(&people, &bots)
}

fn histogram(groups: &[JudgedGroup], value: fn(&Judgement) -> Option<f64>) -> Histogram {
    let (people, bots) = weighted(groups, value);
    let shares = |side: Vec<Weighted>| {
        let total: f64 = side.iter().map(|item| item.weight).sum();
        let mut bins = vec![0.0; BINS];
        for item in side {
            if let Some(bin) = bins.get_mut(((item.likelihood * BINS as f64) as usize).min(BINS - 1)) {
                *bin += item.weight / total;
            }
        }
        bins
    };
    Histogram { people: shares(people), bots: shares(bots) }
}

/// All people with the weights of their sources and all bots with generators alike, where the value is present.
fn weighted(groups: &[JudgedGroup], value: fn(&Judgement) -> Option<f64>) -> (Vec<Weighted>, Vec<Weighted>) {
    let (mut people, mut bots) = (Vec::new(), Vec::new());
    for group in groups {
        let weights = source_weights(group.people.iter().map(|one| source(one.trace)));
        people.extend(
            group
                .people
                .iter()
                .zip(weights)
                .filter_map(|(one, weight)| Some(Weighted { likelihood: value(&one.judgement)?, weight })),
        );
        let weight = 1.0 / group.bots.len().max(1) as f64;
        bots.extend(
            group.bots.iter().filter_map(|one| Some(Weighted { likelihood: value(&one.judgement)?, weight })),
        );
    }
    (people, bots)
}

fn person(trace: &Trace) -> &str {
    trace.subject.as_deref().unwrap_or(&trace.id)
}

/// What the bootstrap draws as a whole.
struct Units<'a> {
    /// Sources with too few people to draw from.
    by_trace: BTreeSet<&'a str>,
}

impl<'a> Units<'a> {
    fn of(groups: &'a [JudgedGroup<'a>]) -> Self {
        let mut persons: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for one in groups.iter().take(1).flat_map(|group| &group.people) {
            persons.entry(source(one.trace)).or_default().insert(person(one.trace));
        }
        let few = persons.into_iter().filter(|(_, persons)| persons.len() < FEW_PERSONS);
        Self { by_trace: few.map(|(source, _)| source).collect() }
    }

    fn name(&self, trace: &Trace) -> String {
        if trace.label == 1 || self.by_trace.contains(source(trace)) {
            trace.name()
        } else {
            person(trace).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(source: &str, subject: Option<&str>, id: &str) -> Trace {
        Trace {
            source: source.to_owned(),
            subject: subject.map(str::to_owned),
            id: id.to_owned(),
            label: u8::from(subject.is_none()),
            ..Trace::default()
        }
    }

    fn judged(trace: &Trace, likelihood: Option<f64>, score: u8) -> Judged<'_> {
        Judged { trace, judgement: Judgement { likelihood, score, ..Judgement::default() } }
    }

    #[test]
    fn shares_of_people_weigh_sources_alike_and_of_bots_generators_alike() {
        let people = [trace("a", Some("p"), "1"), trace("a", Some("p"), "2"), trace("b", Some("q"), "3")];
        let bots = [trace("a", None, "4"), trace("a", None, "5"), trace("a", None, "6")];
        let [p1, p2, p3] = &people;
        let [b1, b2, b3] = &bots;
        let people = vec![judged(p1, Some(0.1), 20), judged(p2, None, 0), judged(p3, Some(0.2), 99)];
        let group =
            |name: &str, bots| JudgedGroup { generator: name.to_owned(), people: people.clone(), bots };
        let groups = [
            group("x", vec![judged(b1, Some(0.9), 1)]),
            group("y", vec![judged(b2, Some(0.8), 50), judged(b3, None, 29)]),
        ];
        let reading = reading(&groups, 1);
        assert_eq!((reading.abstained_human, reading.abstained_bot), (Some(0.25), Some(0.25)));
        assert_eq!(reading.wire.people_bot_band, BTreeMap::from([(30, 0.25), (60, 0.25)]));
        assert_eq!(reading.wire.macro_bot_band, BTreeMap::from([(30, 0.75), (60, 1.0)]));
        let [second, fourth] = [2, 4].map(|bin| reading.histogram.people[bin]);
        assert!((second - 1.0 / 3.0).abs() < 1e-12 && (fourth - 2.0 / 3.0).abs() < 1e-12);
        // Of x all; of y one all, the undecided one 0.25, half of 0.25, 0.5.
        assert_eq!(reading.full.unwrap().auc.value, (1.0 + (1.0 + 0.875) / 2.0) / 2.0);
    }

    #[test]
    fn few_people_are_drawn_by_trace() {
        let people: Vec<Trace> = (0..FEW_PERSONS)
            .flat_map(|index| {
                let name = format!("p{index}");
                [
                    trace("many", Some(&name), &format!("m{index}")),
                    trace("few", Some("one"), &format!("f{index}")),
                ]
            })
            .collect();
        let people: Vec<Judged> = people.iter().map(|trace| judged(trace, None, 0)).collect();
        let groups = [JudgedGroup { generator: "g".to_owned(), people, bots: Vec::new() }];
        let units = Units::of(&groups);
        let names: Vec<String> = groups[0].people.iter().take(2).map(|one| units.name(one.trace)).collect();
        assert_eq!(names, ["p0".to_owned(), groups[0].people[1].trace.name()]);
    }
}
