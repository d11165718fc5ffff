//! The browser collector's measures: streams of plain numbers in, plain numbers out, constant memory.
//!
//! Coordinates go in and never come out: they are turned into counts at once. Times are milliseconds of one
//! monotonic clock. Everything here is small on purpose, because it is sent to every page.
//!
//! ```
//! use quivive_core::motion::Motion;
//! let mut motion = Motion::default();
//! for step in 0..40_u32 {
//!     motion.moved(f64::from(step) * 25.0, f64::from(step) * 10.0, 7.0);
//! }
//! let features: Vec<_> = motion.features().collect();
//! assert!(features.contains(&("motion_moves", 40.0)));
//! assert!(features.contains(&("motion_same_heading", 1.0)));
//! ```

mod features;
mod keys;
mod naturalness;
mod pace;
mod presses;
mod scroll;
mod statistics;
mod steps;
mod strokes;

pub use self::{
    features::{FEATURE_NAMES, FEATURES, MOTION_VERSION},
    scroll::Scroll,
};
use self::{
    keys::Keys,
    pace::Pace,
    presses::Presses,
    statistics::{Spread, log2, rounded},
    steps::{Step, Steps},
    strokes::Strokes,
};

/// A collector counts movements as `mouse_moves` at most this often, in milliseconds.
pub const SAMPLE_INTERVAL_MS: f64 = 20.0;

/// A longer time without movement ends a stroke, in milliseconds; longer than any recorder's interval.
const PAUSE_MS: f64 = 200.0;

/// Fewest steps that say something about a path.
const LEAST_STEPS: f64 = 8.0;

/// What a person's hand does on one page view, in constant memory.
///
/// Every event is taken as it comes, unsampled. The features do not depend on how often the page is told of
/// movement, as far as that can be helped; no place, text or key can be read from them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Motion {
    last: Option<Place>,
    moves: f64,
    untrusted: f64,
    untrusted_moves: f64,
    leap: Spread,
    steps: Steps,
    pace: Pace,
    strokes: Strokes,
    presses: Presses,
    keys: Keys,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    time: f64,
    x: f64,
    y: f64,
}

impl Motion {
    /// The pointer moved to a place in pixels.
    pub fn moved(&mut self, time: f64, x: f64, y: f64) {
        if !are_real(time, x, y) {
            return;
        }
        self.moves += 1.0;
        let Some(last) = self.last else {
            self.last = Some(Place { time, x, y });
            return;
        };
        let step = Step { x: x - last.x, y: y - last.y };
        if step.x == 0.0 && step.y == 0.0 {
            return;
        }
        let time = time.max(last.time);
        self.last = Some(Place { time, x, y });
        self.presses.moved(time, step);
        let ms = time - last.time;
        if ms > PAUSE_MS {
            self.leap.add(log2(step.length() + 1.0));
            self.cut();
            return;
        }
        self.steps.add(step);
        self.strokes.add(time, ms, step);
        if let Some(window) = self.pace.add(time, ms, step) {
            self.strokes.pace(window);
        }
    }

    /// A button went down.
    pub fn pressed(&mut self, time: f64, x: f64, y: f64) {
        if !are_real(time, x, y) {
            return;
        }
        self.presses.pressed(time, self.last.map(|last| (time - last.time).max(0.0)));
        self.cut();
        self.last = Some(Place { time, x, y });
    }

    /// A button went up.
    pub fn released(&mut self, time: f64, x: f64, y: f64) {
        if !are_real(time, x, y) {
            return;
        }
        self.last = Some(Place { time, x, y });
    }

    /// A click without button events, as from a keyboard, a screen reader or a script.
    pub fn clicked(&mut self, time: f64, x: f64, y: f64) {
        if are_real(time, x, y) {
            self.presses.count += 1.0;
            self.cut();
        }
    }

    /// The wheel turned; what the pointer does next is another stroke.
    pub fn wheeled(&mut self) {
        self.cut();
    }

    /// The pointer may be anywhere afterwards: it left the page, or the page was hidden.
    pub fn gap(&mut self) {
        self.cut();
        self.presses.cut();
        self.keys.cut();
        self.last = None;
    }

    /// A key went down; `slot` is the number of the key in order of first appearance, never the key itself.
    pub fn key_down(&mut self, time: f64, slot: u32) {
        if is_time(time) {
            self.keys.down(time, slot);
        }
    }

    /// A key went up.
    pub fn key_up(&mut self, time: f64, slot: u32) {
        if is_time(time) {
            self.keys.up(time, slot);
        }
    }

    /// The text of a field changed.
    pub fn input(&mut self, time: f64, is_trusted: bool) {
        if !is_time(time) {
            return;
        }
        if is_trusted {
            self.keys.inputs += 1.0;
        } else {
            self.untrusted();
        }
    }

    /// A script made an event of button, key or field that no input device caused.
    pub fn untrusted(&mut self) {
        self.untrusted += 1.0;
    }

    /// A script made a movement of the pointer.
    pub fn untrusted_move(&mut self) {
        self.untrusted += 1.0;
        self.untrusted_moves += 1.0;
    }

    /// The features in the order of [`FEATURES`], four significant digits; what too little was seen for is not a
    /// number.
    pub fn values(&self) -> [f64; FEATURES.len()] {
        features::values(&self.ended()).map(rounded)
    }

    /// The features that something is known of, by their keys on the wire.
    pub fn features(&self) -> impl Iterator<Item = (&'static str, f64)> + use<> {
        FEATURES.into_iter().zip(self.values()).filter(|(_, value)| value.is_finite())
    }

    /// `mouse_entropy`: 0 (a tool's path) to 1 (a hand's), in thousandths; none when too little was seen.
    pub fn naturalness(&self) -> Option<f64> {
        if self.steps.unit.of(LEAST_STEPS).is_nan() { None } else { naturalness::naturalness(&self.values()) }
    }

    /// The state as if the stroke that is going on were over.
    fn ended(&self) -> Self {
        let mut ended = self.clone();
        ended.strokes.end();
        ended
    }

    fn cut(&mut self) {
        self.steps.cut();
        self.pace.cut();
        self.strokes.end();
    }
}

fn are_real(time: f64, x: f64, y: f64) -> bool {
    // Beyond this no screen reaches, and sums of squares stay far from overflow.
    is_time(time) && x.abs() < 1e6 && y.abs() < 1e6
}

/// Milliseconds since 1970 at most.
fn is_time(time: f64) -> bool {
    time.abs() < 1e13
}

#[cfg(test)]
mod tests;
