//! How natural a path is, as one calibrated number.
//!
//! A hundred trees of two levels over the features, made by `xtask/train/train.py` and small enough to be sent to every
//! page. The values are fixed at people's quantiles: by cross-validation at most 1 % of people lie below 0.02 and 5 %
//! below 0.05.

/// Trees and values; layout in `naturalness_table` of the trainer.
static TABLE: &[u8] = include_bytes!("../../data/naturalness.bin");

const HEADER_BYTES: usize = 2;

const SPLIT_BYTES: usize = 5;

const TREE_BYTES: usize = 3 * SPLIT_BYTES + 4 * 2;

const KNOT_BYTES: usize = 6;

/// A split that sends what is absent to the left.
const ABSENT_LEFT: u8 = 0x80;

/// Leaves are in thousandths, values of raw scores in ten-thousandths.
const LEAVES_TO_KNOTS: i32 = 10;

/// 0 (a tool's) to 1 (a hand's) in thousandths.
pub(super) fn naturalness(values: &[f64]) -> Option<f64> {
    let (header, rest) = TABLE.split_at_checked(HEADER_BYTES)?;
    let trees = usize::from(*header.first()?) * TREE_BYTES;
    let (trees, knots) = rest.split_at_checked(trees)?;
    let raw: i32 = trees.chunks_exact(TREE_BYTES).filter_map(|tree| leaf(tree, values)).sum();
    Some(value(knots, raw * LEAVES_TO_KNOTS))
}

fn leaf(tree: &[u8], values: &[f64]) -> Option<i32> {
    let below = usize::from(!goes_left(tree, 0, values)?);
    let place = 2 * below + usize::from(!goes_left(tree, 1 + below, values)?);
    let at = 3 * SPLIT_BYTES + 2 * place;
    let bytes = tree.get(at..)?.first_chunk::<2>()?;
    Some(i32::from(i16::from_le_bytes(*bytes)))
}

fn goes_left(tree: &[u8], split: usize, values: &[f64]) -> Option<bool> {
    let (code, threshold) = tree.get(split * SPLIT_BYTES..)?.split_first()?;
    let threshold = f32::from_le_bytes(*threshold.first_chunk::<4>()?);
    let value = values.get(usize::from(code & !ABSENT_LEFT))?;
    Some(if value.is_nan() { code & ABSENT_LEFT != 0 } else { *value <= f64::from(threshold) })
}

/// On the line between the knots around the raw score, which rise while their values fall.
fn value(knots: &[u8], raw: i32) -> f64 {
    let mut before = None::<(f64, f64)>;
    for knot in knots.chunks_exact(KNOT_BYTES) {
        let (Some(score), Some(value)) = (knot.first_chunk::<4>(), knot.last_chunk::<2>()) else { break };
        let (score, value) = (f64::from(i32::from_le_bytes(*score)), f64::from(u16::from_le_bytes(*value)));
        let raw = f64::from(raw);
        if raw < score {
            let exact = before.map_or(value, |(low, high_value)| {
                high_value + (value - high_value) * (raw - low) / (score - low)
            });
            #[expect(clippy::cast_possible_truncation, reason = "at most a thousand")]
            return f64::from((exact + 0.5) as i32) / 1000.0;
        }
        before = Some((score, value));
    }
    before.map_or(0.0, |(_, last)| last / 1000.0)
}
