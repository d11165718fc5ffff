//! The figures of one set of generators against people, with confidence intervals.

use std::collections::BTreeMap;

use super::metrics::{ONE_PER_MILLE, ONE_PERCENT, Roc, Weighted, mean, quantile, source_weights};

/// Draws of the bootstrap.
const DRAWS: usize = 1000;

/// One judged trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The recorder.
    pub source: String,
    /// What the bootstrap draws as a whole: the person, or the trace where persons are few or it is a bot's.
    pub unit: String,
    /// Higher is more bot.
    pub likelihood: f64,
}

/// One generator and the people that it is compared with.
#[derive(Clone, Debug)]
pub struct Group {
    /// The generator's name.
    pub generator: String,
    /// Every group holds the same people's traces in the same order; their likelihoods may differ.
    pub people: Vec<Case>,
    /// The generator's traces.
    pub bots: Vec<Case>,
}

/// A figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The figure of all traces.
    pub value: f64,
    /// The 2.5 % and 97.5 % quantiles of the draws.
    pub interval: [f64; 2],
}

/// The area under the curve and two points of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Separation {
    /// ROC AUC.
    pub auc: f64,
    /// TPR@1%FPR.
    pub tpr_at_1pct: f64,
    /// TPR@0.1%FPR.
    pub tpr_at_01pct: f64,
}

impl Separation {
    fn of(roc: &Roc) -> Self {
        Self { auc: roc.auc(), tpr_at_1pct: roc.tpr_at(ONE_PERCENT), tpr_at_01pct: roc.tpr_at(ONE_PER_MILLE) }
    }

    /// The plain mean of each figure; none without any.
    pub fn mean<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Option<Self> {
        Some(Self {
            auc: mean(all.clone().map(|one| one.auc))?,
            tpr_at_1pct: mean(all.clone().map(|one| one.tpr_at_1pct))?,
            tpr_at_01pct: mean(all.map(|one| one.tpr_at_01pct))?,
        })
    }
}

/// The figures of one generator.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratorMeasures {
    /// How many traces.
    pub n: usize,
    /// Against all people.
    pub separation: Separation,
    /// The whole curve against all people.
    pub roc: Roc,
    /// People and bots of one recorder only.
    pub by_source: BTreeMap<String, Separation>,
}

/// The figures of all generators; no generator counts more for having more traces.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    /// Macro AUC.
    pub auc: Figure,
    /// Macro TPR@1%FPR.
    pub tpr_at_1pct: Figure,
    /// Macro TPR@0.1%FPR.
    pub tpr_at_01pct: f64,
    /// Macro figures of each recorder, people and bots of it only.
    pub by_source: BTreeMap<String, Separation>,
    /// Each generator's figures.
    pub generators: BTreeMap<String, GeneratorMeasures>,
}

/// Measures generators against people; none when there are no people or no bots.
pub fn measure(groups: &[Group], seed: u64) -> Option<Measures> {
    let generators: BTreeMap<String, GeneratorMeasures> =
        groups.iter().filter_map(|group| Some((group.generator.clone(), measure_group(group)?))).collect();
    let macros = Separation::mean(generators.values().map(|one| &one.separation))?;
    let (auc_interval, tpr_interval) = Bootstrap::new(groups).intervals(seed)?;
    let mut sources: BTreeMap<String, Vec<Separation>> = BTreeMap::new();
    for (source, separation) in generators.values().flat_map(|one| &one.by_source) {
        sources.entry(source.clone()).or_default().push(*separation);
    }
    Some(Measures {
        auc: Figure { value: macros.auc, interval: auc_interval },
        tpr_at_1pct: Figure { value: macros.tpr_at_1pct, interval: tpr_interval },
        tpr_at_01pct: macros.tpr_at_01pct,
        by_source: sources
            .into_iter()
            .filter_map(|(source, all)| Some((source, Separation::mean(all.iter())?)))
            .collect(),
        generators,
    })
}

/// People's likelihoods with the weights of their sources.
pub fn weigh(people: &[Case]) -> Vec<Weighted> {
    let weights = source_weights(people.iter().map(|case| case.source.as_str()));
    people
        .iter()
        .zip(weights)
        .map(|(case, weight)| Weighted { likelihood: case.likelihood, weight })
        .collect()
}

fn measure_group(group: &Group) -> Option<GeneratorMeasures> {
    let roc = Roc::of(weigh(&group.people), weigh_equally(group.bots.iter()))?;
    let mut by_source = BTreeMap::new();
    for source in group.people.iter().map(|case| &case.source) {
        if by_source.contains_key(source) {
            continue;
        }
        let of_source = |cases: &'_ [Case]| weigh_equally(cases.iter().filter(|case| case.source == *source));
        if let Some(roc) = Roc::of(of_source(&group.people), of_source(&group.bots)) {
            by_source.insert(source.clone(), Separation::of(&roc));
        }
    }
    Some(GeneratorMeasures { n: group.bots.len(), separation: Separation::of(&roc), roc, by_source })
}

fn weigh_equally<'a>(cases: impl Iterator<Item = &'a Case>) -> Vec<Weighted> {
    cases.map(|case| Weighted { likelihood: case.likelihood, weight: 1.0 }).collect()
}

/// Draws persons within each source and traces within each generator, with replacement.
struct Bootstrap<'a> {
    groups: Vec<Ranked<'a>>,
    /// For each source its units, each with the places of its traces.
    people: Vec<Vec<Vec<usize>>>,
}

struct Ranked<'a> {
    group: &'a Group,
    /// Places by falling likelihood.
    people: Vec<usize>,
    bots: Vec<usize>,
}

impl<'a> Bootstrap<'a> {
    fn new(groups: &'a [Group]) -> Self {
        let mut sources: BTreeMap<&str, BTreeMap<&str, Vec<usize>>> = BTreeMap::new();
        for (place, case) in groups.iter().take(1).flat_map(|group| group.people.iter().enumerate()) {
            sources.entry(&case.source).or_default().entry(&case.unit).or_default().push(place);
        }
        let ranked = |group| Ranked { group, people: rank(&group.people), bots: rank(&group.bots) };
        Self {
            groups: groups.iter().filter(|group| !group.bots.is_empty()).map(ranked).collect(),
            people: sources.into_values().map(|units| units.into_values().collect()).collect(),
        }
    }

    /// The 95 % intervals of macro AUC and macro TPR@1%FPR.
    fn intervals(&self, seed: u64) -> Option<([f64; 2], [f64; 2])> {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut areas, mut rates) = (Vec::with_capacity(DRAWS), Vec::with_capacity(DRAWS));
        for _ in 0..DRAWS {
            let people = self.draw_people(&mut random);
            let drawn: Vec<Separation> =
                self.groups.iter().filter_map(|ranked| ranked.draw(&people, &mut random)).collect();
            let macros = Separation::mean(drawn.iter())?;
            areas.push(macros.auc);
            rates.push(macros.tpr_at_1pct);
        }
        let interval = |values: &mut [f64]| Some([quantile(values, 0.025)?, quantile(values, 0.975)?]);
        Some((interval(&mut areas)?, interval(&mut rates)?))
    }

    /// For each trace its weight in this draw; every source keeps the same total.
    fn draw_people(&self, random: &mut fastrand::Rng) -> Vec<f64> {
        let traces = self.people.iter().flatten().map(Vec::len).sum();
        let mut weights = vec![0.0; traces];
        for units in &self.people {
            let drawn: Vec<&Vec<usize>> = units.iter().filter_map(|_| random.choice(units)).collect();
            let weight = 1.0 / drawn.iter().map(|places| places.len()).sum::<usize>() as f64;
            for place in drawn.into_iter().flatten() {
                if let Some(total) = weights.get_mut(*place) {
                    *total += weight;
                }
            }
        }
        weights
    }
}

impl Ranked<'_> {
    fn draw(&self, people: &[f64], random: &mut fastrand::Rng) -> Option<Separation> {
        let mut bots = vec![0.0; self.group.bots.len()];
        for _ in 0..self.group.bots.len() {
            if let Some(count) = bots.get_mut(random.usize(..self.group.bots.len())) {
                *count += 1.0;
            }
        }
        let side = |order: &[usize], cases: &[Case], weights: &[f64]| -> Vec<Weighted> {
            order
                .iter()
                .filter_map(|&place| {
                    let weight = *weights.get(place)?;
                    Some(Weighted { likelihood: cases.get(place)?.likelihood, weight })
                })
                .filter(|item| item.weight > 0.0)
                .collect()
        };
        let people = side(&self.people, &self.group.people, people);
        let bots = side(&self.bots, &self.group.bots, &bots);
        Roc::of_sorted(&people, &bots).map(|roc| Separation::of(&roc))
    }
}

fn rank(cases: &[Case]) -> Vec<usize> {
    let mut order: Vec<(f64, usize)> =
        cases.iter().enumerate().map(|(place, case)| (case.likelihood, place)).collect();
    order.sort_by(|left, right| right.0.total_cmp(&left.0));
    order.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(source: &str, likelihoods: &[f64]) -> Vec<Case> {
        likelihoods
            .iter()
            .enumerate()
            .map(|(index, &likelihood)| Case {
                source: source.to_owned(),
                unit: format!("{source}-{index}"),
                likelihood,
            })
            .collect()
    }

    fn group(generator: &str, people: &[Case], bots: &[Case]) -> Group {
        Group { generator: generator.to_owned(), people: people.to_vec(), bots: bots.to_vec() }
    }

    #[test]
    fn generators_count_alike_whatever_their_number_of_traces() {
        let people = cases("a", &[0.1, 0.2]);
        let groups = [
            group("found", &people, &cases("a", &[0.9])),
            group("missed", &people, &cases("a", &[0.0, 0.0, 0.0])),
        ];
        let measures = measure(&groups, 1).unwrap();
        assert_eq!((measures.auc.value, measures.tpr_at_1pct.value), (0.5, 0.5));
        assert_eq!(measures.generators["missed"].n, 3);
    }

    #[test]
    fn sources_of_people_count_alike_and_are_shown_apart() {
        let people = [cases("a", &[0.1, 0.1, 0.1, 0.1]), cases("b", &[0.8])].concat();
        let bots = [cases("a", &[0.5]), cases("b", &[0.5])].concat();
        let measures = measure(&[group("g", &people, &bots)], 1).unwrap();
        assert_eq!(measures.auc.value, 0.5);
        assert_eq!((measures.by_source["a"].auc, measures.by_source["b"].auc), (1.0, 0.0));
    }

    #[test]
    fn intervals_depend_on_the_seed_alone_and_hold_the_figure() {
        let people = cases("a", &[0.1, 0.2, 0.3, 0.45, 0.5, 0.6]);
        let groups = [group("g", &people, &cases("a", &[0.4, 0.55, 0.7, 0.9]))];
        let first = measure(&groups, 1).unwrap();
        assert_eq!(measure(&groups, 1).unwrap(), first);
        assert_ne!(measure(&groups, 2).unwrap().auc.interval, first.auc.interval);
        let [low, high] = first.auc.interval;
        assert!(low < first.auc.value && first.auc.value < high && high <= 1.0, "{first:?}");
    }

    #[test]
    fn traces_of_one_person_are_drawn_together() {
        let mut people = cases("a", &[0.1, 0.9]);
        people.iter_mut().for_each(|case| case.unit = "only".to_owned());
        let measures = measure(&[group("g", &people, &cases("a", &[0.5]))], 1).unwrap();
        assert_eq!(measures.auc.interval, [0.5, 0.5]);
    }

    #[test]
    fn nothing_is_measured_without_people_or_bots() {
        assert_eq!(measure(&[], 1), None);
        assert_eq!(measure(&[group("g", &[], &cases("a", &[0.5]))], 1), None);
        assert_eq!(measure(&[group("g", &cases("a", &[0.5]), &[])], 1), None);
    }
}
