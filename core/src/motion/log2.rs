//! Logarithms and entropy in integers, so that every platform gives the same digits.

const FRACTION_BITS: u32 = 20;

/// Shannon entropy of the counts in bits, with 20 bits of fraction; 0 without counts.
pub(super) fn entropy(counts: &[u32]) -> u64 {
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    if total == 0 {
        return 0;
    }
    let spent: u64 = counts.iter().map(|count| u64::from(*count) * log2(u64::from(*count))).sum();
    (total * log2(total)).saturating_sub(spent) / total
}

/// Thousandths of a number with 20 bits of fraction, rounded half up.
pub(super) fn thousandths(number: u64) -> u64 {
    (number * 1000 + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS
}

/// Binary logarithm with 20 bits of fraction by repeated squaring; 0 for 0.
fn log2(number: u64) -> u64 {
    let Some(whole) = number.checked_ilog2() else { return 0 };
    let mut mantissa = if whole > 31 { number >> (whole - 31) } else { number << (31 - whole) };
    let mut result = u64::from(whole);
    for _ in 0..FRACTION_BITS {
        mantissa = (mantissa * mantissa) >> 31;
        result <<= 1;
        if mantissa >= 1 << 32 {
            mantissa >>= 1;
            result |= 1;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_the_standard_library() {
        for number in (1..2_000_u64).chain([65_535, 65_536, 1_000_000, u64::from(u32::MAX), 1 << 40]) {
            let exact = (number as f64).log2();
            let fixed = log2(number) as f64 / f64::from(1 << FRACTION_BITS);
            assert!((exact - fixed).abs() < 2e-6, "{number}: {exact} {fixed}");
        }
    }

    #[test]
    fn entropy_lies_between_one_value_and_all_alike() {
        assert_eq!(entropy(&[]), 0);
        assert_eq!(entropy(&[0; 16]), 0);
        assert_eq!(entropy(&[0, 9, 0]), 0);
        assert_eq!(entropy(&[7; 16]), 4 << FRACTION_BITS);
        assert_eq!(entropy(&[3, 3]), 1 << FRACTION_BITS);
        assert!(entropy(&[u32::MAX; 16]) <= 4 << FRACTION_BITS);
    }
}
