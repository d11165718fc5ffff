//! The path of a pointer.

use super::{
    SAMPLE_INTERVAL_MS,
    log2::{entropy, thousandths},
};

const HEADINGS: usize = 16;

const LENGTHS: usize = 8;

/// Fewest steps that say something about a path.
const LEAST_STEPS: u32 = 8;

/// The tangent of 22.5 degrees.
const TANGENT: f64 = std::f64::consts::SQRT_2 - 1.0;

/// The measures of a pointer's path: how many movements, and how much its steps differ in heading and length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PointerPath {
    moves: u32,
    steps: u32,
    last: Option<(f64, f64, f64)>,
    headings: [u32; HEADINGS],
    lengths: [u32; LENGTHS],
}

impl PointerPath {
    /// Takes a movement to a place in pixels; one within 20 ms of the last one taken is not looked at.
    pub fn moved(&mut self, time: f64, x: f64, y: f64) {
        if !(time.is_finite() && x.is_finite() && y.is_finite()) {
            return;
        }
        if let Some((last_time, last_x, last_y)) = self.last {
            if time - last_time < SAMPLE_INTERVAL_MS {
                return;
            }
            self.step(x - last_x, y - last_y);
        }
        self.last = Some((time, x, y));
        self.moves = self.moves.saturating_add(1);
    }

    /// How many movements were taken.
    pub fn moves(&self) -> u32 {
        self.moves
    }

    /// 0 (every step alike) to 1 (all headings and lengths alike often), in thousandths; none below eight steps.
    ///
    /// The mean of two normalised Shannon entropies: of 16 headings and of 8 powers of two of the length.
    pub fn naturalness(&self) -> Option<f64> {
        // Half of heading / 4 bits plus length / 3 bits, over the common denominator.
        let mean = (3 * entropy(&self.headings) + 4 * entropy(&self.lengths)) / 24;
        #[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
        (self.steps >= LEAST_STEPS).then(|| thousandths(mean) as f64 / 1000.0)
    }

    fn step(&mut self, dx: f64, dy: f64) {
        let squared = dx * dx + dy * dy;
        if squared <= 0.0 || !squared.is_finite() {
            return;
        }
        self.steps = self.steps.saturating_add(1);
        for (bins, bin) in
            [(&mut self.headings[..], heading(dx, dy)), (&mut self.lengths[..], length(squared))]
        {
            if let Some(count) = bins.get_mut(bin) {
                *count = count.saturating_add(1);
            }
        }
    }
}

/// The sector of 22.5 degrees, counted from the direction of x towards y; by comparisons, because arc tangents
/// differ between platforms.
fn heading(dx: f64, dy: f64) -> usize {
    let (quadrant, along, across) = if dx > 0.0 && dy >= 0.0 {
        (0, dx, dy)
    } else if dx <= 0.0 && dy > 0.0 {
        (1, dy, -dx)
    } else if dx < 0.0 {
        (2, -dx, -dy)
    } else {
        (3, -dy, dx)
    };
    let sector = if across < along * TANGENT {
        0
    } else if across < along {
        1
    } else if across * TANGENT < along {
        2
    } else {
        3
    };
    quadrant * 4 + sector
}

/// The whole binary logarithm of a length, from its square: half the exponent of the floating-point number.
fn length(squared: f64) -> usize {
    const BIAS: u64 = 1023;
    const MANTISSA_BITS: u32 = 52;
    let exponent = (squared.to_bits() >> MANTISSA_BITS).saturating_sub(BIAS);
    usize::try_from(exponent / 2).unwrap_or(usize::MAX).min(LENGTHS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_those_of_the_arc_tangent() {
        for degree in 0..3600 {
            let angle = (f64::from(degree) / 10.0 + 0.05).to_radians();
            let expected = (angle / std::f64::consts::TAU * 16.0) as usize;
            assert_eq!(heading(angle.cos(), angle.sin()), expected, "{degree}");
        }
        assert_eq!(
            [heading(1.0, 0.0), heading(0.0, 1.0), heading(-1.0, 0.0), heading(0.0, -1.0)],
            [0, 4, 8, 12]
        );
    }

    #[test]
    fn lengths_are_whole_logarithms() {
        for (pixels, bin) in
            [(0.1, 0), (1.0, 0), (1.99, 0), (2.0, 1), (3.99, 1), (4.0, 2), (127.9, 6), (128.0, 7), (9e9, 7)]
        {
            assert_eq!(length(pixels * pixels), bin, "{pixels}");
        }
    }

    #[test]
    fn naturalness_needs_eight_steps() {
        let mut path = PointerPath::default();
        for step in 0..8 {
            path.moved(f64::from(step) * 20.0, f64::from(step * step), 0.0);
        }
        assert_eq!((path.moves(), path.naturalness()), (8, None));
        path.moved(160.0, 64.0, 0.0);
        assert!(path.naturalness().is_some());
    }

    #[test]
    fn naturalness_is_the_mean_of_both_entropies() {
        let mut path = PointerPath::default();
        let (mut x, mut y) = (0.0, 0.0);
        path.moved(0.0, x, y);
        for step in 0..16_u32 {
            // Two headings and two lengths, each half of the time: (1/4 + 1/3) / 2.
            let pixels = if step % 4 < 2 { 1.0 } else { 2.0 };
            if step % 2 == 0 {
                x += pixels
            } else {
                y += pixels
            }
            path.moved(f64::from(step + 1) * 20.0, x, y);
        }
        assert_eq!(path.naturalness(), Some(0.292));
    }

    #[test]
    fn close_movements_and_standing_still_are_not_looked_at() {
        let mut path = PointerPath::default();
        for time in [0.0, 5.0, 19.9, 20.0, 39.0, 40.0, f64::NAN] {
            path.moved(time, time, 0.0);
        }
        assert_eq!((path.moves(), path.steps), (3, 2));
        path.moved(60.0, 40.0, 0.0);
        assert_eq!((path.moves(), path.steps), (4, 2));
        path.moved(80.0, f64::INFINITY, 0.0);
        path.moved(90.0, f64::MAX, f64::MIN);
        assert_eq!(path.naturalness(), None);
    }
}
