//! How natural a path is, as one calibrated number.

/// 0 (a tool's) to 1 (a hand's); none when too little was seen.
pub(super) fn naturalness(_values: &[f64]) -> Option<f64> {
    None
}
