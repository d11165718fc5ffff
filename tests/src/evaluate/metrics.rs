//! Figures that say how well likelihoods tell bots from people; ties count against the engine.

/// Room for rounding when a weighted share is compared with a bound.
const ROUNDING: f64 = 1e-9;

/// The most false positives of `TPR@1%FPR`.
pub const ONE_PERCENT: f64 = 0.01;

/// The most false positives of `TPR@0.1%FPR`.
pub const ONE_PER_MILLE: f64 = 0.001;

/// A bot likelihood that counts with a weight above 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted {
    /// Higher is more bot.
    pub likelihood: f64,
    /// Only its ratio to the other weights counts.
    pub weight: f64,
}

/// What calling everything from a threshold on a bot would do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// A likelihood that occurs.
    pub threshold: f64,
    /// The weighted share of people at or above the threshold.
    pub fpr: f64,
    /// The weighted share of bots at or above the threshold.
    pub tpr: f64,
}

/// A receiver operating characteristic: one point for each likelihood that occurs, from the highest on.
#[derive(Clone, Debug, PartialEq)]
pub struct Roc(Vec<Point>);

impl Roc {
    /// The curve of people and bots in any order; none when either are missing.
    pub fn of(mut people: Vec<Weighted>, mut bots: Vec<Weighted>) -> Option<Self> {
        for side in [&mut people, &mut bots] {
            side.sort_by(|left, right| right.likelihood.total_cmp(&left.likelihood));
        }
        Self::of_sorted(&people, &bots)
    }

    /// The curve of people and bots that are sorted by falling likelihood; items of weight 0 do not count.
    pub fn of_sorted(people: &[Weighted], bots: &[Weighted]) -> Option<Self> {
        let total = |side: &[Weighted]| side.iter().map(|item| item.weight).sum::<f64>();
        let (all_people, all_bots) = (total(people), total(bots));
        if all_people <= 0.0 || all_bots <= 0.0 {
            return None;
        }
        let mut points = Vec::with_capacity(people.len() + bots.len());
        let (mut people, mut bots) = (people.iter().peekable(), bots.iter().peekable());
        let (mut false_positives, mut true_positives) = (0.0, 0.0);
        while let Some(threshold) = [people.peek(), bots.peek()]
            .into_iter()
            .flatten()
            .map(|item| item.likelihood)
            .max_by(f64::total_cmp)
        {
            while let Some(item) = people.next_if(|item| item.likelihood >= threshold) {
                false_positives += item.weight;
            }
            while let Some(item) = bots.next_if(|item| item.likelihood >= threshold) {
                true_positives += item.weight;
            }
            points.push(Point {
                threshold,
                fpr: false_positives / all_people,
                tpr: true_positives / all_bots,
            });
        }
        Some(Self(points))
    }

    /// The points by falling threshold.
    pub fn points(&self) -> &[Point] {
        &self.0
    }

    /// The area under the curve: how often a bot has a higher likelihood than a person, equal ones half.
    pub fn auc(&self) -> f64 {
        let mut area = 0.0;
        let (mut fpr, mut tpr) = (0.0, 0.0);
        for point in &self.0 {
            area += (point.fpr - fpr) * (point.tpr + tpr) / 2.0;
            (fpr, tpr) = (point.fpr, point.tpr);
        }
        area
    }

    /// The share of bots at the smallest threshold with at most this share of people; 0 when there is none.
    pub fn tpr_at(&self, most_fpr: f64) -> f64 {
        self.0.iter().rev().find(|point| point.fpr <= most_fpr + ROUNDING).map_or(0.0, |point| point.tpr)
    }
}

/// For each trace the weight that gives every source the same total weight, by the traces' sources.
pub fn source_weights<'a>(sources: impl Iterator<Item = &'a str> + Clone) -> Vec<f64> {
    let mut counts = std::collections::BTreeMap::new();
    for source in sources.clone() {
        *counts.entry(source).or_insert(0.0) += 1.0;
    }
    let all = counts.len() as f64;
    sources.map(|source| 1.0 / (all * counts.get(source).copied().unwrap_or(1.0))).collect()
}

/// The weighted share of items that something holds for; none without items.
pub fn share(items: impl Iterator<Item = (bool, f64)>) -> Option<f64> {
    let (mut holding, mut all) = (0.0, 0.0);
    for (holds, weight) in items {
        all += weight;
        holding += if holds { weight } else { 0.0 };
    }
    (all > 0.0).then(|| holding / all)
}

/// The plain mean; none without values.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    (count > 0.0).then(|| sum / count)
}

/// The value below which this share of the values lies, between neighbours in proportion; none without values.
pub fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = share.clamp(0.0, 1.0) * values.len().checked_sub(1)? as f64;
    let (lower, upper) = (values.get(place.floor() as usize)?, values.get(place.ceil() as usize)?);
    Some(lower + (upper - lower) * place.fract())
}

/// How far likelihoods are probabilities.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The mean squared distance between likelihood and truth, people and bots half and half; 0 is perfect.
    pub brier: f64,
    /// Ten bins of the same width.
    pub bins: Vec<CalibrationBin>,
}

/// The items whose likelihood lies within one tenth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CalibrationBin {
    /// The share of all weight.
    pub weight: f64,
    /// The mean likelihood.
    pub likelihood: f64,
    /// The share of bots.
    pub bots: f64,
}

impl Calibration {
    /// The calibration of people and bots, each counted as half; none when either are missing.
    pub fn of(people: &[Weighted], bots: &[Weighted]) -> Option<Self> {
        let mut brier = 0.0;
        let mut bins = vec![CalibrationBin::default(); 10];
        for (side, truth) in [(people, 0.0), (bots, 1.0)] {
            let total: f64 = side.iter().map(|item| item.weight).sum();
            if total <= 0.0 {
                return None;
            }
            for item in side {
                let weight = item.weight / total / 2.0;
                brier += weight * (item.likelihood - truth) * (item.likelihood - truth);
                if let Some(bin) = bins.get_mut(((item.likelihood * 10.0) as usize).min(9)) {
                    bin.weight += weight;
                    bin.likelihood += weight * item.likelihood;
                    bin.bots += weight * truth;
                }
            }
        }
        for bin in bins.iter_mut().filter(|bin| bin.weight > 0.0) {
            bin.likelihood /= bin.weight;
            bin.bots /= bin.weight;
        }
        Some(Self { brier, bins })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(likelihoods: &[f64]) -> Vec<Weighted> {
        likelihoods.iter().map(|&likelihood| Weighted { likelihood, weight: 1.0 }).collect()
    }

    fn curve(people: &[f64], bots: &[f64]) -> Roc {
        Roc::of(plain(people), plain(bots)).unwrap()
    }

    #[test]
    fn area_is_one_when_every_bot_is_above_every_person() {
        let roc = curve(&[0.1, 0.2], &[0.9, 0.3]);
        assert_eq!((roc.auc(), roc.tpr_at(0.0)), (1.0, 1.0));
        let roc = curve(&[0.9, 0.8], &[0.1]);
        assert_eq!((roc.auc(), roc.tpr_at(0.01)), (0.0, 0.0));
    }

    #[test]
    fn area_counts_ties_as_half() {
        assert_eq!(curve(&[0.5, 0.5], &[0.5]).auc(), 0.5);
        // Of four pairs: higher, equal, higher, higher.
        assert_eq!(curve(&[0.2, 0.6], &[0.6, 0.9]).auc(), 0.875);
    }

    #[test]
    fn area_takes_weights() {
        let people = vec![
            Weighted { likelihood: 0.1, weight: 3.0 },
            Weighted { likelihood: 0.7, weight: 1.0 },
            Weighted { likelihood: 0.9, weight: 0.0 },
        ];
        let roc = Roc::of(people, plain(&[0.5])).unwrap();
        assert_eq!((roc.auc(), roc.tpr_at(0.01), roc.tpr_at(0.25)), (0.75, 0.0, 1.0));
    }

    #[test]
    fn ties_with_a_person_are_no_detection_within_the_allowance() {
        // A hundred people: one of them is as suspicious as half of the bots.
        let mut people = vec![0.1; 99];
        people.push(0.8);
        let roc = curve(&people, &[0.8, 0.8, 0.9, 0.9]);
        assert_eq!(roc.tpr_at(ONE_PERCENT), 1.0);
        assert_eq!(roc.tpr_at(ONE_PER_MILLE), 0.5);
        people.push(0.8);
        assert_eq!(curve(&people, &[0.8, 0.8, 0.9, 0.9]).tpr_at(ONE_PERCENT), 0.5);
    }

    #[test]
    fn a_side_without_items_or_weight_gives_no_curve() {
        assert_eq!(Roc::of(plain(&[]), plain(&[0.5])), None);
        assert_eq!(Roc::of(plain(&[0.5]), plain(&[])), None);
        assert_eq!(Roc::of(vec![Weighted { likelihood: 0.5, weight: 0.0 }], plain(&[0.5])), None);
    }

    #[test]
    fn points_end_with_everything_called_a_bot() {
        let roc = curve(&[0.1, 0.3], &[0.3, 0.7]);
        assert_eq!(
            roc.points(),
            [
                Point { threshold: 0.7, fpr: 0.0, tpr: 0.5 },
                Point { threshold: 0.3, fpr: 0.5, tpr: 1.0 },
                Point { threshold: 0.1, fpr: 1.0, tpr: 1.0 },
            ]
        );
    }

    #[test]
    fn every_source_weighs_the_same() {
        assert_eq!(source_weights(["a", "b", "b", "b", "b"].into_iter()), [0.5, 0.125, 0.125, 0.125, 0.125]);
        assert!(source_weights([].into_iter()).is_empty());
    }

    #[test]
    fn shares_and_means_of_nothing_are_absent() {
        assert_eq!(share([(true, 1.0), (false, 3.0)].into_iter()), Some(0.25));
        assert_eq!((share([].into_iter()), mean([].into_iter())), (None, None));
        assert_eq!(mean([1.0, 2.0].into_iter()), Some(1.5));
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let mut values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(quantile(&mut values, 0.5), Some(2.5));
        assert_eq!(quantile(&mut values, 0.0), Some(1.0));
        assert_eq!(quantile(&mut values, 1.0), Some(4.0));
        assert_eq!(quantile(&mut [], 0.5), None);
    }

    #[test]
    fn calibration_weighs_people_and_bots_half_and_half() {
        let calibration = Calibration::of(&plain(&[0.0, 0.0, 0.0, 0.4]), &plain(&[1.0])).unwrap();
        assert!((calibration.brier - 0.02).abs() < 1e-12);
        let [first, fifth, last] = [0, 4, 9].map(|index| calibration.bins[index]);
        assert_eq!((first.weight, first.likelihood, first.bots), (0.375, 0.0, 0.0));
        assert_eq!((fifth.weight, fifth.likelihood, fifth.bots), (0.125, 0.4, 0.0));
        assert_eq!((last.weight, last.likelihood, last.bots), (0.5, 1.0, 1.0));
        assert_eq!(calibration.bins[5], CalibrationBin::default());
        assert_eq!(Calibration::of(&[], &plain(&[1.0])), None);
    }
}
