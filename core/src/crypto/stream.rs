//! A deterministic stream of random bytes: HMAC-SHA-256 in counter mode, keyed by the seed.

use super::hmac_sha256;
use crate::encoding::hex;

/// Bytes that look random to everyone without the seed; one label gives one independent stream.
#[derive(Clone)]
pub struct RandomStream {
    seed: [u8; 32],
    label: &'static str,
    counter: u64,
    block: std::array::IntoIter<u8, 32>,
}

impl RandomStream {
    /// Starts the stream of this label.
    pub fn new(seed: &[u8; 32], label: &'static str) -> Self {
        let mut block = [0; 32].into_iter();
        block.by_ref().for_each(drop);
        Self { seed: *seed, label, counter: 0, block }
    }

    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// A whole number from `0` to `bound - 1`, each equally likely; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        // Numbers from the incomplete last run would favour small remainders, so they are drawn again.
        let whole = u32::MAX - u32::MAX.checked_rem(bound).unwrap_or(0);
        loop {
            let drawn = u32::from_be_bytes(self.bytes());
            if drawn < whole {
                return drawn.checked_rem(bound).unwrap_or(0);
            }
        }
    }

    /// A UUID of version 4 in its lower-case text form (RFC 9562 section 5.4).
    pub fn uuid(&mut self) -> String {
        let random = u128::from_be_bytes(self.bytes());
        let bits = (random & !(0xf << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62);
        let text = hex(&bits.to_be_bytes());
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }

    fn byte(&mut self) -> u8 {
        loop {
            if let Some(byte) = self.block.next() {
                return byte;
            }
            let message = [self.label.as_bytes(), &self.counter.to_be_bytes()].concat();
            self.block = hmac_sha256(&self.seed, &message).into_iter();
            self.counter = self.counter.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_seeds_give_different_streams() {
        let start = |seed: u8, label| RandomStream::new(&[seed; 32], label).bytes::<40>();
        assert_eq!(start(1, "a"), start(1, "a"));
        assert_ne!(start(1, "a"), start(2, "a"));
        assert_ne!(start(1, "a"), start(1, "b"));
        assert_ne!(start(1, "a")[..8], start(1, "a")[32..]);
    }

    #[test]
    fn numbers_are_uniform() {
        let mut stream = RandomStream::new(&[3; 32], "test");
        let mut counts = [0_u32; 10];
        for _ in 0..100_000 {
            counts[stream.below(10) as usize] += 1;
        }
        // Chi-squared with 9 degrees of freedom exceeds 27.9 once in a thousand.
        let chi: f64 = counts.iter().map(|&count| (f64::from(count) - 10_000.0).powi(2) / 10_000.0).sum();
        assert!(chi < 27.9, "{chi}");
        assert_eq!(stream.below(1), 0);
        assert_eq!(stream.below(0), 0);
    }

    #[test]
    fn uuid_has_version_4_and_its_variant() {
        let mut stream = RandomStream::new(&[5; 32], "test");
        for _ in 0..100 {
            let uuid = stream.uuid();
            assert_eq!(uuid.len(), 36);
            assert_eq!(uuid.as_bytes()[14], b'4');
            assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        }
    }
}
