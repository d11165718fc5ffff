//! Ids and nonces derived from the guard's seed.

use std::sync::atomic::{AtomicU64, Ordering};

use super::visitors::VisitorKey;
use crate::Timestamp;
use crate::crypto::{NONCE_BYTES, hmac_sha256};

/// Derives what must never be the same twice, and what nobody can guess.
pub(super) struct Ids {
    secret: [u8; 32],
    made: AtomicU64,
}

impl Ids {
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret, made: AtomicU64::new(0) }
    }

    /// A secret of its own for one purpose.
    pub fn secret_for(&self, purpose: &[u8]) -> [u8; 32] {
        hmac_sha256(&self.secret, &[b"secret ", purpose].concat())
    }

    /// An id that sorts by time: a ULID, 26 characters.
    pub fn id(&self, now: Timestamp, about: &[u8]) -> String {
        let random = self.next(b"id ", now, about);
        let milliseconds = u128::try_from(now.milliseconds()).unwrap_or_default() & ((1 << 48) - 1);
        let tail = random.iter().take(10).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        let number = milliseconds << 80 | tail;
        let digit = |place: u32| {
            let index = usize::try_from(number >> (5 * place) & 31).unwrap_or_default();
            ALPHABET.get(index).map_or('0', |byte| char::from(*byte))
        };
        (0..26).rev().map(digit).collect()
    }

    /// A nonce. Text and time take part, so that two guards with the same seed, which there must not be, still do not
    /// use one nonce for two texts.
    pub fn nonce(&self, now: Timestamp, text: &[u8]) -> [u8; NONCE_BYTES] {
        self.next(b"nonce ", now, text).first_chunk().copied().unwrap_or_default()
    }

    /// What names a visitor with this address and user agent.
    pub fn visitor(&self, address: &str, user_agent: &str) -> VisitorKey {
        let message = [b"visitor ", address.as_bytes(), &[0], user_agent.as_bytes()].concat();
        hmac_sha256(&self.secret, &message).first_chunk().copied().unwrap_or_default()
    }

    fn next(&self, purpose: &[u8], now: Timestamp, about: &[u8]) -> [u8; 32] {
        let number = self.made.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let time = now.milliseconds().to_le_bytes();
        hmac_sha256(&self.secret, &[purpose, &number, &time, about].concat())
    }
}

/// Crockford's base 32, as the ULID specification has it.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_never_repeat() {
        let ids = Ids::new([7; 32]);
        let now = Timestamp::from_milliseconds(1_469_918_176_385);
        let (first, second) = (ids.id(now, b""), ids.id(now, b""));
        // The example of the ULID specification.
        assert!(first.starts_with("01ARYZ6S41") && second.starts_with("01ARYZ6S41"));
        assert!(first.len() == 26 && first != second);
        assert!(ids.id(now.plus_milliseconds(1), b"") > first.clone().max(second));
        assert_ne!(ids.nonce(now, b"a"), ids.nonce(now, b"a"));
        assert_ne!(Ids::new([8; 32]).id(now, b""), Ids::new([7; 32]).id(now, b""));
    }

    #[test]
    fn the_same_seed_gives_no_nonce_to_two_texts() {
        let now = Timestamp::from_seconds(1_771_156_800);
        assert_ne!(Ids::new([7; 32]).nonce(now, b"a"), Ids::new([7; 32]).nonce(now, b"b"));
    }
}
