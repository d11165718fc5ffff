//! Single steps of the pointer, as the device counted them.
//!
//! A hand moves a device that counts in whole steps: many steps run exactly along an axis, slow ones are one count
//! long. A path that was computed and then rounded, or turned and scaled, has lost that; one with added noise turns
//! back and forth.

use super::statistics::{Quotient, Share};

/// One step: pixels along both axes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Step {
    pub(super) x: f64,
    pub(super) y: f64,
}

impl Step {
    pub(super) fn length(self) -> f64 {
        (self.x * self.x + self.y * self.y).sqrt()
    }

    pub(super) fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y
    }

    pub(super) fn cross(self, other: Self) -> f64 {
        self.x * other.y - self.y * other.x
    }

    fn minus(self, other: Self) -> Self {
        Self { x: self.x - other.x, y: self.y - other.y }
    }

    /// Larger and smaller extent.
    fn extents(self) -> (f64, f64) {
        let (x, y) = (self.x.abs(), self.y.abs());
        if x > y { (x, y) } else { (y, x) }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Steps {
    last: Option<Step>,
    last_change: Option<Step>,
    last_cross: Option<f64>,
    pub(super) axis_short: Share,
    pub(super) axis_long: Share,
    pub(super) axis_over_near: Share,
    pub(super) diagonal_over_near: Share,
    pub(super) unit: Share,
    pub(super) same_heading: Share,
    pub(super) equal_short: Share,
    pub(super) back: Share,
    pub(super) back_short: Share,
    pub(super) turn: Quotient,
    pub(super) same_turn: Share,
    pub(super) turn_memory: Quotient,
    pub(super) change: Quotient,
    pub(super) change_of_change: Quotient,
    pub(super) change_fast: Quotient,
    pub(super) change_memory_slow: Quotient,
}

impl Steps {
    /// The next step does not follow on the last one.
    pub(super) fn cut(&mut self) {
        (self.last, self.last_change, self.last_cross) = (None, None, None);
    }

    pub(super) fn add(&mut self, step: Step) {
        let (long, short) = step.extents();
        let is_long = long >= 3.0;
        (if is_long { &mut self.axis_long } else { &mut self.axis_short }).add(short == 0.0);
        if is_long && short <= 1.0 {
            self.axis_over_near.add(short == 0.0);
        }
        if is_long && long - short <= 1.0 {
            self.diagonal_over_near.add(short == long);
        }
        self.unit.add(long <= 1.0);
        if let Some(last) = self.last {
            self.add_pair(last, step, long);
        }
        self.last = Some(step);
    }

    fn add_pair(&mut self, last: Step, step: Step, long: f64) {
        let (cross, dot) = (last.cross(step), last.dot(step));
        let (last_long, _) = last.extents();
        let (before, after) = (last.length(), step.length());
        if long >= 2.0 && last_long >= 2.0 {
            self.same_heading.add(cross == 0.0 && dot > 0.0);
        } else {
            self.equal_short.add(last == step);
        }
        self.back.add(dot < 0.0);
        if long <= 3.0 && last_long <= 3.0 {
            self.back_short.add(dot < 0.0);
        }
        let sine = cross / (before * after);
        if before >= 6.0 && after >= 6.0 {
            self.turn.add(sine.abs(), 1.0);
        }
        let aside = cross / before;
        if let Some(last_cross) = self.last_cross {
            if last_cross != 0.0 && aside != 0.0 && long >= 3.0 {
                self.same_turn.add((last_cross > 0.0) == (aside > 0.0));
            }
            self.turn_memory.add(aside * last_cross, aside * aside);
        }
        self.last_cross = Some(aside);
        let change = step.minus(last);
        let size = change.dot(change);
        let scale = 0.5 * (before * before + after * after);
        self.change.add(size / scale, 1.0);
        if before >= 6.0 && after >= 6.0 {
            self.change_fast.add((size / scale).sqrt(), 1.0);
        }
        if let Some(last_change) = self.last_change {
            let next = change.minus(last_change);
            self.change_of_change.add(next.dot(next), size.max(1e-9));
            if before <= 4.0 {
                let product = change.dot(last_change);
                self.change_memory_slow.add(product, 0.5 * (size + last_change.dot(last_change)));
            }
        }
        self.last_change = Some(change);
    }
}
