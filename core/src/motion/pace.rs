//! Speed and bend over windows of at least 30 ms, so that pages at 60 Hz, pollers at 100 Hz and coarse clocks say the
//! same.

use super::{
    statistics::{Histogram, Pairs, Share, Spread, log2},
    steps::Step,
};

const WINDOW_MS: f64 = 30.0;

/// Speed over one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    /// Middle of the window.
    pub(super) time: f64,
    /// Pixels per second.
    pub(super) speed: f64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pace {
    open: Step,
    open_ms: f64,
    last: Option<(Step, f64)>,
    last_growth: Option<f64>,
    last_sine: Option<f64>,
    before_last: Option<f64>,
    pub(super) growth: Spread,
    pub(super) even: Share,
    pub(super) uneven: Share,
    pub(super) memory: Pairs,
    pub(super) memory_two: Pairs,
    pub(super) growth_memory: Pairs,
    pub(super) speeds: Histogram,
    pub(super) turn: Spread,
    pub(super) same_turn: Share,
    pub(super) turn_memory: Pairs,
    pub(super) bend_and_speed: Pairs,
}

impl Pace {
    /// The next step does not follow on the last one.
    pub(super) fn cut(&mut self) {
        (self.open, self.open_ms, self.last, self.last_growth) = (Step::default(), 0.0, None, None);
        (self.last_sine, self.before_last) = (None, None);
    }

    /// Takes a step that ended at `time` and took `ms`; a full window comes out.
    pub(super) fn add(&mut self, time: f64, ms: f64, step: Step) -> Option<Window> {
        self.open = Step { x: self.open.x + step.x, y: self.open.y + step.y };
        self.open_ms += ms;
        if self.open_ms < WINDOW_MS {
            return None;
        }
        let (moved, ms) = (self.open, self.open_ms);
        (self.open, self.open_ms) = (Step::default(), 0.0);
        let length = moved.length();
        if length <= 0.0 {
            return None;
        }
        let speed = length / ms * 1_000.0;
        let pace = log2(speed + 1.0);
        self.speeds.add(pace);
        if let Some((last, last_pace)) = self.last {
            self.add_pair(last, last_pace, moved, pace);
        }
        self.before_last = self.last.map(|(_, pace)| pace);
        self.last = Some((moved, pace));
        Some(Window { time: time - ms / 2.0, speed })
    }

    fn add_pair(&mut self, last: Step, last_pace: f64, moved: Step, pace: f64) {
        let growth = pace - last_pace;
        self.growth.add(growth);
        self.even.add(growth.abs() < 0.1);
        self.uneven.add(growth.abs() > 1.5);
        self.memory.add(last_pace, pace);
        if let Some(before_last) = self.before_last {
            self.memory_two.add(before_last, pace);
        }
        if let Some(last_growth) = self.last_growth {
            self.growth_memory.add(last_growth, growth);
        }
        self.last_growth = Some(growth);
        let lengths = last.length() * moved.length();
        let sine = last.cross(moved) / lengths;
        if lengths < 25.0 {
            self.last_sine = None;
            return;
        }
        self.turn.add(log2(sine.abs() + 0.002));
        self.bend_and_speed.add(log2(sine.abs() + 0.01), 0.5 * (pace + last_pace));
        if let Some(last_sine) = self.last_sine {
            if last_sine != 0.0 && sine != 0.0 {
                self.same_turn.add((last_sine > 0.0) == (sine > 0.0));
            }
            self.turn_memory.add(last_sine, sine);
        }
        self.last_sine = Some(sine);
    }
}
