//! Sums that say what a feature needs, whatever the number of observations. Only `+ - * /`, square roots and
//! comparisons, so that every platform gives the same bits.

/// How many of all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Share {
    hits: f64,
    all: f64,
}

impl Share {
    pub(super) fn add(&mut self, is_hit: bool) {
        self.all += 1.0;
        if is_hit {
            self.hits += 1.0;
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> f64 {
        self.all
    }

    /// Not a number below `least` observations.
    pub(super) fn of(&self, least: f64) -> f64 {
        if self.all < least { f64::NAN } else { self.hits / self.all }
    }
}

/// A quotient of two sums of squares or products.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Quotient {
    count: f64,
    upper: f64,
    lower: f64,
}

impl Quotient {
    pub(super) fn add(&mut self, upper: f64, lower: f64) {
        self.count += 1.0;
        self.upper += upper;
        self.lower += lower;
    }

    pub(super) fn of(&self, least: f64) -> f64 {
        if self.count < least || self.lower <= 0.0 { f64::NAN } else { self.upper / self.lower }
    }
}

/// Mean and standard deviation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spread {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Spread {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    pub(super) fn mean(&self, least: f64) -> f64 {
        if self.count < least { f64::NAN } else { self.sum / self.count }
    }

    pub(super) fn deviation(&self, least: f64) -> f64 {
        if self.count < least {
            return f64::NAN;
        }
        let mean = self.sum / self.count;
        (self.squares / self.count - mean * mean).max(0.0).sqrt()
    }
}

/// Correlation of pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pairs {
    count: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Pairs {
    pub(super) fn add(&mut self, x: f64, y: f64) {
        self.count += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.yy += y * y;
        self.xy += x * y;
    }

    pub(super) fn correlation(&self, least: f64) -> f64 {
        let (xx, yy, xy) = self.centred();
        if self.count < least || xx <= 1e-9 || yy <= 1e-9 {
            return f64::NAN;
        }
        (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0)
    }

    fn centred(&self) -> (f64, f64, f64) {
        let n = self.count.max(1.0);
        (
            self.xx / n - self.x / n * (self.x / n),
            self.yy / n - self.y / n * (self.y / n),
            self.xy / n - self.x / n * (self.y / n),
        )
    }
}

/// Counts of values by their binary logarithm, `PER_OCTAVE` bins to the octave; quantiles in constant memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Histogram {
    bins: [u32; BINS],
    total: u32,
}

const BINS: usize = 48;
const PER_OCTAVE: f64 = 4.0;

impl Default for Histogram {
    fn default() -> Self {
        Self { bins: [0; BINS], total: 0 }
    }
}

impl Histogram {
    /// Takes a value already in binary logarithm.
    pub(super) fn add(&mut self, logarithm: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, as is wanted"
        )]
        let bin = ((logarithm * PER_OCTAVE) as usize).min(BINS - 1);
        if let Some(count) = self.bins.get_mut(bin) {
            *count = count.saturating_add(1);
            self.total = self.total.saturating_add(1);
        }
    }

    /// The logarithm below which this share lies, interpolated inside a bin.
    pub(super) fn quantile(&self, share: f64, least: u32) -> f64 {
        if self.total < least.max(1) {
            return f64::NAN;
        }
        let wanted = share * f64::from(self.total);
        let (mut below, mut edge) = (0.0, 0.0);
        for count in self.bins {
            let count = f64::from(count);
            if count > 0.0 && below + count >= wanted {
                return edge + (wanted - below) / count / PER_OCTAVE;
            }
            below += count;
            edge += 1.0 / PER_OCTAVE;
        }
        edge
    }
}

/// Binary logarithm of a positive number, off by at most 0.01, exact for powers of two.
pub(super) fn log2(number: f64) -> f64 {
    const BIAS: f64 = 1023.0;
    const MANTISSA_BITS: u32 = 52;
    const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;
    let bits = number.to_bits();
    #[expect(clippy::cast_precision_loss, reason = "eleven bits")]
    let exponent = (bits >> MANTISSA_BITS) as f64 - BIAS;
    let mantissa = f64::from_bits((bits & MANTISSA) | (1023 << MANTISSA_BITS));
    exponent + (2.0 - mantissa / 3.0) * mantissa - 5.0 / 3.0
}

/// A number rounded to four significant digits.
pub(super) fn rounded(number: f64) -> f64 {
    let size = number.abs();
    // What is smaller than any feature's meaning is nothing; what is larger than any measure is cut off.
    if !(1e-4..1e9).contains(&size) {
        return if size < 1e-4 { 0.0 } else { number.clamp(-1e9, 1e9) };
    }
    let mut scale = 1.0;
    while size * scale < 1_000.0 {
        scale *= 10.0;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "below 1e9")]
    let whole = (size * scale + 0.5) as i64 as f64;
    if number < 0.0 { -whole / scale } else { whole / scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_near_those_of_the_standard_library() {
        for number in (1..5_000).map(|number| f64::from(number) / 37.0) {
            assert!((log2(number) - number.log2()).abs() < 0.01, "{number}");
        }
        assert_eq!([log2(0.5), log2(1.0), log2(64.0)].map(|log| (log * 1e9).round() / 1e9), [-1.0, 0.0, 6.0]);
    }

    #[test]
    fn rounding_keeps_four_digits() {
        for (number, expected) in [
            (0.0, 0.0),
            (0.123_456, 0.1235),
            (-12.345_6, -12.35),
            (123_456.0, 123_456.0),
            (1e-9, 0.0),
            (1e99, 1e9),
            (0.000_123_45, 0.000_123_5),
        ] {
            assert_eq!(rounded(number), expected, "{number}");
        }
        assert!(rounded(f64::NAN).is_nan());
    }

    #[test]
    fn sums_give_the_known_figures() {
        let (mut spread, mut pairs, mut histogram) =
            (Spread::default(), Pairs::default(), Histogram::default());
        for value in [1.0, 2.0, 3.0, 4.0, 5.0] {
            spread.add(value);
            pairs.add(value, 7.0 - 2.0 * value);
            histogram.add(value);
        }
        assert_eq!((spread.mean(1.0), spread.deviation(3.0)), (3.0, 2.0_f64.sqrt()));
        assert!((pairs.correlation(3.0) + 1.0).abs() < 1e-9);
        assert!((histogram.quantile(0.5, 5) - 3.0).abs() < 0.25);
        assert!(
            spread.mean(6.0).is_nan()
                && pairs.correlation(6.0).is_nan()
                && histogram.quantile(0.5, 6).is_nan()
        );
    }
}
