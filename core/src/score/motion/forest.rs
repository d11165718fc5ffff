//! Boosted trees in one flat list, summed in whole numbers.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Deeper trees are refused, so that a broken table cannot run away.
const MOST_DEPTH: usize = 64;

/// One part of the trainer's table.
#[derive(Deserialize)]
pub(super) struct Table {
    features: Vec<String>,
    /// Ascending, of each feature.
    thresholds: Vec<Vec<f64>>,
    /// In preorder: `feature, threshold * 2 + is_absent_left` for a split, `-1, value` for a leaf.
    trees: Vec<Vec<i32>>,
    /// Raw scores, ascending, with their probability.
    likelihood: Vec<(i32, f64)>,
    /// Raw scores, ascending, with the highest score of a session.
    caps: Vec<(i32, f64)>,
}

/// The trees with what their sum means.
#[derive(Clone, Debug)]
pub(super) struct Forest {
    features: Vec<String>,
    nodes: Vec<Node>,
    roots: Vec<u32>,
    likelihood: Vec<(i32, f64)>,
    caps: Vec<(i32, f64)>,
}

#[derive(Clone, Copy, Debug)]
enum Node {
    /// Left is the next node.
    Split {
        feature: u16,
        is_absent_left: bool,
        right: u32,
        threshold: f64,
    },
    Leaf(i32),
}

impl Forest {
    /// None when a tree is not whole or names what is not there.
    pub(super) fn new(table: Table) -> Option<Self> {
        let mut nodes = Vec::with_capacity(table.trees.iter().map(|tree| tree.len() / 2).sum());
        let mut roots = Vec::with_capacity(table.trees.len());
        if table.thresholds.len() != table.features.len() {
            return None;
        }
        for tree in &table.trees {
            roots.push(u32::try_from(nodes.len()).ok()?);
            let mut pairs = tree.chunks_exact(2);
            read(&mut pairs, &table.thresholds, &mut nodes, MOST_DEPTH)?;
            if pairs.next().is_some() || !pairs.remainder().is_empty() {
                return None;
            }
        }
        Some(Self { features: table.features, nodes, roots, likelihood: table.likelihood, caps: table.caps })
    }

    pub(super) fn likelihood(&self, motion: &BTreeMap<String, f64>) -> Option<f64> {
        on_line(&self.likelihood, self.raw(motion)?)
    }

    /// The highest score that a session with these features can have; none when they speak for a person.
    pub(super) fn cap(&self, motion: &BTreeMap<String, f64>) -> Option<f64> {
        let raw = self.raw(motion)?;
        let (first, _) = self.caps.first()?;
        if raw < *first { None } else { on_line(&self.caps, raw) }
    }

    /// None when no feature is known.
    fn raw(&self, motion: &BTreeMap<String, f64>) -> Option<i32> {
        let values: Vec<f64> =
            self.features.iter().map(|name| motion.get(name).copied().unwrap_or(f64::NAN)).collect();
        if values.iter().all(|value| value.is_nan()) {
            return None;
        }
        Some(self.roots.iter().map(|root| self.leaf(*root, &values)).fold(0, i32::saturating_add))
    }

    fn leaf(&self, root: u32, values: &[f64]) -> i32 {
        let mut at = root;
        loop {
            match self.nodes.get(at as usize) {
                Some(Node::Split { feature, is_absent_left, right, threshold }) => {
                    let value = values.get(usize::from(*feature)).copied().unwrap_or(f64::NAN);
                    let is_left = if value.is_nan() { *is_absent_left } else { value <= *threshold };
                    at = if is_left { at + 1 } else { *right };
                }
                Some(Node::Leaf(value)) => return *value,
                None => return 0,
            }
        }
    }
}

fn read<'a>(
    pairs: &mut impl Iterator<Item = &'a [i32]>,
    thresholds: &[Vec<f64>],
    nodes: &mut Vec<Node>,
    depth: usize,
) -> Option<()> {
    let [feature, value] = pairs.next()? else { return None };
    if *feature < 0 {
        nodes.push(Node::Leaf(*value));
        return Some(());
    }
    let depth = depth.checked_sub(1)?;
    let feature = u16::try_from(*feature).ok()?;
    let index = usize::try_from(value / 2).ok()?;
    let threshold = *thresholds.get(usize::from(feature))?.get(index)?;
    let split = nodes.len();
    nodes.push(Node::Leaf(0));
    read(pairs, thresholds, nodes, depth)?;
    let right = u32::try_from(nodes.len()).ok()?;
    read(pairs, thresholds, nodes, depth)?;
    *nodes.get_mut(split)? = Node::Split { feature, is_absent_left: value % 2 != 0, right, threshold };
    Some(())
}

/// The value on the straight line between the points around a raw score; beyond the ends that of the end.
fn on_line(points: &[(i32, f64)], raw: i32) -> Option<f64> {
    let after = points.partition_point(|(score, _)| *score <= raw);
    let (Some((_, last)), Some((_, first))) = (points.last(), points.first()) else { return None };
    let (Some((low, from)), Some((high, to))) =
        (after.checked_sub(1).and_then(|before| points.get(before)), points.get(after))
    else {
        return Some(if after == 0 { *first } else { *last });
    };
    Some(from + (to - from) * (f64::from(raw) - f64::from(*low)) / (f64::from(*high) - f64::from(*low)))
}
