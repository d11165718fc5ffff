//! The measures of one page view and their sum over a session.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Behavioral;
use crate::{
    motion::{FEATURES, MOTION_VERSION},
    score::payload::{Payload, PointerType},
};

/// What one page view has told so far.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct PageView {
    sequence: u32,
    measures: Payload,
}

impl PageView {
    pub(super) fn new(sequence: u32) -> Self {
        Self { sequence, measures: Payload::default() }
    }

    pub(super) fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Snapshots are cumulative: counters keep the larger value, measures the newest, times of the first input the
    /// first.
    pub(super) fn apply(&mut self, new: &Payload) {
        let view = &mut self.measures;
        for (old, new) in [
            (&mut view.total_ms, new.total_ms),
            (&mut view.visible_ms, new.visible_ms),
            (&mut view.visibility_changes, new.visibility_changes),
            (&mut view.mouse_moves, new.mouse_moves),
            (&mut view.pointer_moves, new.pointer_moves),
            (&mut view.scroll_events, new.scroll_events),
            (&mut view.click_events, new.click_events),
            (&mut view.key_events, new.key_events),
            (&mut view.scroll_max_depth_pct, new.scroll_max_depth_pct),
            (&mut view.max_touch_points, new.max_touch_points),
            (&mut view.coarse_pointer, new.coarse_pointer),
        ] {
            *old = (*old).max(new);
        }
        view.mouse_entropy = new.mouse_entropy.or(view.mouse_entropy);
        view.scroll_velocity = new.scroll_velocity.or(view.scroll_velocity);
        view.first_input_delay_ms = view.first_input_delay_ms.or(new.first_input_delay_ms);
        view.time_to_first_input_ms = view.time_to_first_input_ms.or(new.time_to_first_input_ms);
        unite(&mut view.pointer_types, &new.pointer_types);
        if new.motion_version == Some(MOTION_VERSION) && !new.motion.is_empty() {
            view.motion = new.motion.clone();
            view.motion.retain(|key, _| FEATURES.contains(&key.as_str()));
        }
    }
}

/// The sum over page views.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct Totals {
    total_ms: Option<u64>,
    visible_ms: Option<u64>,
    visibility_changes: Option<u64>,
    mouse_moves: Option<u64>,
    pointer_moves: Option<u64>,
    scroll_events: Option<u64>,
    click_events: Option<u64>,
    key_events: Option<u64>,
    scroll_max_depth_pct: Option<u32>,
    max_touch_points: Option<u32>,
    coarse_pointer: Option<u32>,
    pointer_types: Vec<PointerType>,
    mouse_entropy: WeightedMean,
    scroll_velocity: WeightedMean,
    first_input_delay_ms: Option<(u32, u32)>,
    time_to_first_input_ms: Option<(u32, u32)>,
    motion: BTreeMap<String, f64>,
}

impl Totals {
    pub(super) fn add(&mut self, view: &PageView) {
        let measures = &view.measures;
        for (total, value) in [
            (&mut self.total_ms, measures.total_ms),
            (&mut self.visible_ms, measures.visible_ms),
            (&mut self.visibility_changes, measures.visibility_changes),
            (&mut self.mouse_moves, measures.mouse_moves),
            (&mut self.pointer_moves, measures.pointer_moves),
            (&mut self.scroll_events, measures.scroll_events),
            (&mut self.click_events, measures.click_events),
            (&mut self.key_events, measures.key_events),
        ] {
            if let Some(value) = value {
                *total = Some(total.unwrap_or(0).saturating_add(value.into()));
            }
        }
        self.scroll_max_depth_pct = self.scroll_max_depth_pct.max(measures.scroll_max_depth_pct);
        self.max_touch_points = self.max_touch_points.max(measures.max_touch_points);
        self.coarse_pointer = self.coarse_pointer.max(measures.coarse_pointer);
        unite(&mut self.pointer_types, &measures.pointer_types);
        self.mouse_entropy.add(measures.mouse_entropy, measures.mouse_moves);
        self.scroll_velocity.add(measures.scroll_velocity, measures.scroll_events);
        for counts in [["motion_moves", "motion_untrusted"], ["motion_keys", "motion_inputs"]] {
            self.keep_motion(&measures.motion, counts);
        }
        for (earliest, value) in [
            (&mut self.first_input_delay_ms, measures.first_input_delay_ms),
            (&mut self.time_to_first_input_ms, measures.time_to_first_input_ms),
        ] {
            if let Some(value) = value
                && earliest.is_none_or(|(sequence, _)| view.sequence < sequence)
            {
                *earliest = Some((view.sequence, value));
            }
        }
    }

    /// Takes one group of features from the page view that has more to tell of it: by the first count, then the
    /// second. Features of two page views are never mixed within a group.
    fn keep_motion(&mut self, new: &BTreeMap<String, f64>, counts: [&str; 2]) {
        let told =
            |motion: &BTreeMap<String, f64>| counts.map(|count| motion.get(count).copied().unwrap_or(0.0));
        let is_in_group = |key: &str| is_of_typing(key) == counts.iter().any(|count| is_of_typing(count));
        if told(new) > told(&self.motion) || !self.motion.keys().any(|key| is_in_group(key)) {
            self.motion.retain(|key, _| !is_in_group(key));
            self.motion.extend(
                new.iter().filter(|(key, _)| is_in_group(key)).map(|(key, value)| (key.clone(), *value)),
            );
        }
    }

    pub(super) fn behavioral(self, observed: bool) -> Behavioral {
        Behavioral {
            observed,
            mouse_entropy: self.mouse_entropy.value(),
            scroll_velocity: self.scroll_velocity.value(),
            visibility_changes: self.visibility_changes,
            first_input_delay_ms: self.first_input_delay_ms.map(|(_, value)| value),
            time_to_first_input_ms: self.time_to_first_input_ms.map(|(_, value)| value),
            total_ms: self.total_ms,
            visible_ms: self.visible_ms,
            mouse_moves: self.mouse_moves,
            pointer_moves: self.pointer_moves,
            scroll_events: self.scroll_events,
            click_events: self.click_events,
            key_events: self.key_events,
            scroll_max_depth_pct: self.scroll_max_depth_pct,
            max_touch_points: self.max_touch_points,
            coarse_pointer: self.coarse_pointer,
            pointer_types: self.pointer_types,
            motion: self.motion,
        }
    }
}

/// A mean weighted by the number of observations behind each value.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
struct WeightedMean {
    sum: f64,
    weight: f64,
}

impl WeightedMean {
    fn add(&mut self, value: Option<f64>, observations: Option<u32>) {
        if let Some(value) = value {
            let weight = f64::from(observations.unwrap_or(0).max(1));
            self.sum += value * weight;
            self.weight += weight;
        }
    }

    /// Rounded to nine decimals, so that the mean of equal values is that value and meets the same constants.
    fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| (self.sum / self.weight * 1e9).round() / 1e9)
    }
}

fn is_of_typing(key: &str) -> bool {
    key.starts_with("motion_key") || key == "motion_inputs"
}

fn unite(known: &mut Vec<PointerType>, new: &[PointerType]) {
    known.extend_from_slice(new);
    known.sort_unstable();
    known.dedup();
}
