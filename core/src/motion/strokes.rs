//! Strokes: from a rest, a press or a gap to the next. Shape of the speed over time, bend, and how much strokes differ.

use super::{
    pace::Window,
    statistics::{Share, Spread, log2},
    steps::Step,
};

/// Shorter strokes have no shape.
const LEAST_STEPS: f64 = 4.0;
const LEAST_PIXELS: f64 = 30.0;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Strokes {
    open: Option<Stroke>,
    pub(super) detour: Spread,
    pub(super) area: Spread,
    pub(super) centre: Spread,
    pub(super) width: Spread,
    pub(super) lean: Spread,
    pub(super) peak_place: Spread,
    pub(super) peaks: Spread,
    pub(super) single_peak: Share,
    pub(super) begin_speed: Spread,
    pub(super) end_speed: Spread,
    pub(super) peak_over_mean: Spread,
    pub(super) smallest: Spread,
}

/// The stroke that is going on, relative to its begin.
#[derive(Clone, Debug, Default, PartialEq)]
struct Stroke {
    begin: f64,
    end: f64,
    steps: f64,
    smallest: f64,
    at: Step,
    path: f64,
    area: f64,
    /// Sums of path times time, time squared and cubed, in seconds.
    moments: [f64; 3],
    first_speed: f64,
    last_speed: f64,
    peak: f64,
    peak_time: f64,
    peaks: f64,
    is_falling: bool,
    turning_speed: f64,
}

impl Strokes {
    /// How many strokes had a shape.
    #[cfg(test)]
    pub(super) fn count(&self) -> f64 {
        self.single_peak.count()
    }

    /// Takes a step that ended at `time` and took `ms`.
    pub(super) fn add(&mut self, time: f64, ms: f64, step: Step) {
        let stroke =
            self.open.get_or_insert_with(|| Stroke { begin: time - ms, smallest: 1e9, ..Stroke::default() });
        stroke.add(time, ms, step);
    }

    /// Takes a window of the pace.
    pub(super) fn pace(&mut self, window: Window) {
        if let Some(stroke) = &mut self.open {
            stroke.pace(window);
        }
    }

    /// The stroke is over.
    pub(super) fn end(&mut self) {
        let Some(stroke) = self.open.take() else { return };
        let distance = stroke.at.length();
        let seconds = (stroke.end - stroke.begin) / 1_000.0;
        if stroke.steps < LEAST_STEPS || distance < LEAST_PIXELS || stroke.peak <= 0.0 || seconds <= 0.03 {
            return;
        }
        self.detour.add(log2((stroke.path / distance - 1.0).max(0.0) + 0.002));
        let area = stroke.area / (distance * distance);
        self.area.add(log2(area.abs() + 0.002));
        let [first, second, third] = stroke.moments;
        let centre = first / stroke.path / seconds;
        let raw = second / stroke.path / (seconds * seconds);
        let width = (raw - centre * centre).max(1e-4).sqrt();
        let cube = third / stroke.path / (seconds * seconds * seconds);
        let lean = (cube - 3.0 * centre * raw + 2.0 * centre * centre * centre) / (width * width * width);
        self.centre.add(centre);
        self.width.add(width);
        self.lean.add(lean.clamp(-4.0, 4.0));
        self.peak_place.add((stroke.peak_time - stroke.begin) / 1_000.0 / seconds);
        let peaks = stroke.peaks + if stroke.is_falling { 0.0 } else { 1.0 };
        self.peaks.add(log2(peaks.max(1.0)));
        self.single_peak.add(peaks <= 1.0);
        self.begin_speed.add(log2(stroke.first_speed / stroke.peak + 0.01));
        self.end_speed.add(log2(stroke.last_speed / stroke.peak + 0.01));
        self.peak_over_mean.add(log2(stroke.peak * seconds / stroke.path + 0.1));
        self.smallest.add(log2(stroke.smallest));
    }
}

impl Stroke {
    fn add(&mut self, time: f64, ms: f64, step: Step) {
        let length = step.length();
        self.area += 0.5 * self.at.cross(step);
        self.at = Step { x: self.at.x + step.x, y: self.at.y + step.y };
        self.path += length;
        self.steps += 1.0;
        if length < self.smallest {
            self.smallest = length;
        }
        self.end = time;
        let middle = (time - ms / 2.0 - self.begin) / 1_000.0;
        let mut weight = length;
        for moment in &mut self.moments {
            weight *= middle;
            *moment += weight;
        }
    }

    /// Peaks are counted with hysteresis: down to 70 % of the highest, up to 140 % of the lowest.
    fn pace(&mut self, window: Window) {
        let speed = window.speed;
        if self.peak == 0.0 {
            self.first_speed = speed;
            self.turning_speed = speed;
        }
        if speed > self.peak {
            self.peak = speed;
            self.peak_time = window.time;
        }
        self.last_speed = speed;
        if self.is_falling {
            if speed < self.turning_speed {
                self.turning_speed = speed;
            } else if speed > 1.4 * self.turning_speed {
                self.is_falling = false;
                self.turning_speed = speed;
            }
        } else if speed > self.turning_speed {
            self.turning_speed = speed;
        } else if speed < 0.7 * self.turning_speed {
            self.is_falling = true;
            self.turning_speed = speed;
            self.peaks += 1.0;
        }
    }
}
