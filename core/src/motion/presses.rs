//! Presses of a button: how the pointer came to rest before, how long the button was held, what followed.

use super::{
    statistics::{Share, Spread, log2},
    steps::Step,
};

/// Time over which the approach to a press is looked at.
const APPROACH_MS: f64 = 200.0;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Presses {
    pub(super) count: f64,
    /// Time and path of the pointer's last moves, halved at each window's end.
    approach: f64,
    approach_since: f64,
    earlier_approach: f64,
    pressed_at: Option<f64>,
    held: Option<(f64, f64)>,
    pub(super) arrival: Spread,
    pub(super) hold: Spread,
    pub(super) hold_path: Spread,
    pub(super) still_hold: Share,
    pub(super) leave: Spread,
    pub(super) approach_path: Spread,
    pub(super) leap: Spread,
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
            self.leave.add(log2(time - pressed_at + 8.0));
        }
        if let Some((_, path)) = &mut self.held {
            *path += length;
        }
    }

    /// `rest` since the last move, `leap` from the last known place to the press.
    pub(super) fn pressed(&mut self, time: f64, rest: Option<f64>, leap: f64) {
        self.count += 1.0;
        if let Some(rest) = rest {
            self.arrival.add(log2(rest + 8.0));
            self.leap.add(log2(leap + 1.0));
            let path = if rest > APPROACH_MS { 0.0 } else { self.approach + self.earlier_approach };
            self.approach_path.add(log2(path + 1.0));
        }
        self.pressed_at = Some(time);
        self.held = Some((time, 0.0));
    }

    pub(super) fn released(&mut self, time: f64) {
        let Some((since, path)) = self.held.take() else { return };
        self.hold.add(log2(time - since + 8.0));
        self.hold_path.add(log2(path + 1.0));
        self.still_hold.add(path == 0.0);
    }

    pub(super) fn cut(&mut self) {
        (self.pressed_at, self.held, self.approach, self.earlier_approach) = (None, None, 0.0, 0.0);
    }
}
