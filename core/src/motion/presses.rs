//! Presses of a button: how the pointer came to rest before, and when it moved on.

use super::{
    statistics::{Spread, log2},
    steps::Step,
};

/// Time over which the approach to a press is looked at.
const APPROACH_MS: f64 = 200.0;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Presses {
    pub(super) count: f64,
    /// Path of the pointer's last moves, by windows of the approach's length.
    approach: f64,
    approach_since: f64,
    earlier_approach: f64,
    pressed_at: Option<f64>,
    pub(super) arrival: Spread,
    pub(super) leave: Spread,
    pub(super) approach_path: Spread,
}

impl Presses {
    pub(super) fn moved(&mut self, time: f64, step: Step) {
        let length = step.length();
        if time - self.approach_since > APPROACH_MS {
            self.earlier_approach =
                if time - self.approach_since > 2.0 * APPROACH_MS { 0.0 } else { self.approach };
            self.approach = 0.0;
            self.approach_since = time;
        }
        self.approach += length;
        if let Some(pressed_at) = self.pressed_at.take() {
            self.leave.add(log2((time - pressed_at).max(0.0) + 8.0));
        }
    }

    /// `rest` is the time since the last move.
    pub(super) fn pressed(&mut self, time: f64, rest: Option<f64>) {
        self.count += 1.0;
        if let Some(rest) = rest {
            self.arrival.add(log2(rest + 8.0));
            let path = if rest > APPROACH_MS { 0.0 } else { self.approach + self.earlier_approach };
            self.approach_path.add(log2(path + 1.0));
        }
        self.pressed_at = Some(time);
    }

    pub(super) fn cut(&mut self) {
        (self.pressed_at, self.approach, self.earlier_approach) = (None, 0.0, 0.0);
    }
}
